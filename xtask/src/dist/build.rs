//! The binary, in which nothing tells where it was built.

use std::path::PathBuf;

use super::{Dist, copy, scratch};
use crate::remap::Folders;
use crate::{add_target, build_host, root, run, say, target_dir};

impl Dist {
    /// Builds the binary, and returns a copy of it without symbols. A panic is logged with its place in the source,
    /// which needs none of them.
    pub fn binary(&self) -> Result<PathBuf, String> {
        let built = match &self.binary {
            Some(binary) => binary.clone(),
            None => self.static_binary()?,
        };
        let stripped = scratch("kapacitor-wasm");
        copy(&built, &stripped)?;
        run(self.command("chmod").arg("755").arg(&stripped))?;
        run(self.command("strip").arg("--strip-all").arg(&stripped))?;
        Ok(stripped)
    }

    /// A machine makes the artefacts for its own architecture.
    fn static_binary(&self) -> Result<PathBuf, String> {
        let target = super::target();
        add_target(&target)?;
        say(&format!("building the static binary for {target}; the first time this takes some minutes"));
        let folders = Folders::find()?;
        let mut build = build_host();
        build.args(["--target", &target]).args(folders.options(&target)).env_remove("RUSTFLAGS");
        // Some libraries are written in C.
        build.env(format!("CFLAGS_{}", target.replace('-', "_")), folders.c_flags());
        run(build.env("SOURCE_DATE_EPOCH", &self.epoch))?;
        Ok(target_dir(&root()).join(&target).join("release/kapacitor-wasm"))
    }
}
