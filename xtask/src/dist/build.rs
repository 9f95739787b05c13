//! The binary, in which nothing tells where it was built.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Dist, copy, output, scratch, tools};
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
        let strip = if self.is_foreign() { self.cross("strip") } else { "strip".to_owned() };
        run(self.command(strip).arg("--strip-all").arg(&stripped))?;
        Ok(stripped)
    }

    /// A command that runs `binary`, through an emulator if it is for another kind of machine than this one.
    pub fn runs(&self, binary: &Path) -> Result<Command, String> {
        if !self.is_foreign() {
            return Ok(self.command(binary));
        }
        let emulator = format!("qemu-{}", self.machine());
        if !tools::is_there(&emulator) {
            return Err(format!(
                "{emulator} is needed, since the binary writes its man pages itself: install qemu-user"
            ));
        }
        let mut command = self.command(emulator);
        command.arg(binary);
        Ok(command)
    }

    fn static_binary(&self) -> Result<PathBuf, String> {
        let target = self.target;
        add_target(target)?;
        say(&format!("building the static binary for {target}; the first time this takes some minutes"));
        let folders = Folders::find()?;
        let mut build = build_host();
        build.args(["--target", target]).args(folders.options(target)).env_remove("RUSTFLAGS");
        // Some libraries are written in C.
        let mut c_flags = folders.c_flags();
        if self.is_foreign() {
            c_flags = format!("{c_flags} {}", self.cross_compile(&mut build)?);
        }
        build.env(format!("CFLAGS_{}", target.replace('-', "_")), c_flags);
        run(build.env("SOURCE_DATE_EPOCH", &self.epoch))?;
        Ok(target_dir(&root()).join(target).join("release/kapacitor-wasm"))
    }

    /// Lets `build` use the C compiler for the other machine, as Debian names it, and returns its flags: with the
    /// headers of musl rather than those of its own C library.
    fn cross_compile(&self, build: &mut Command) -> Result<String, String> {
        let (compiler, machine) = (self.cross("gcc"), self.machine());
        if !tools::is_there(&compiler) {
            return Err(format!("{compiler} is needed for {}: install gcc-{machine}-linux-gnu", self.target));
        }
        let headers = PathBuf::from(format!("/usr/include/{machine}-linux-musl"));
        if !headers.exists() {
            return Err(format!(
                "the headers of musl are needed in {}: install musl-dev:{}, after `dpkg --add-architecture {}`",
                headers.display(),
                self.architecture,
                self.architecture
            ));
        }
        let own = output(Command::new(&compiler).arg("-print-file-name=include"))?;
        let target = self.target.replace('-', "_");
        build.env(format!("CC_{target}"), &compiler).env(format!("AR_{target}"), self.cross("ar"));
        build.env(format!("CARGO_TARGET_{}_LINKER", target.to_uppercase()), &compiler);
        let own = String::from_utf8_lossy(&own);
        Ok(format!("-nostdinc -isystem {} -isystem {}", headers.display(), own.trim()))
    }

    /// A tool of the GNU compiler for the other machine.
    fn cross(&self, tool: &str) -> String {
        format!("{}-linux-gnu-{tool}", self.machine())
    }
}
