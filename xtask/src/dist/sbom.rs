//! What the binary is made of.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Dist, copy, empty, output, scratch, tools};
use crate::{root, run, say};

impl Dist {
    /// Writes the list of all crates of the binary, as the JSON of `CycloneDX`.
    pub fn sbom(&self) -> Result<(), String> {
        let program = tools::SBOM.program()?;
        let name = format!("kapacitor-wasm-{}.cdx", self.version);
        say(&format!("making {name}.json"));
        // cargo-cyclonedx writes a file into the folder of every member of the workspace.
        let sources = scratch("sources");
        sources_into(&sources)?;
        let mut sbom = self.command(program);
        sbom.current_dir(&sources).args([
            "cyclonedx",
            "--format",
            "json",
            "--spec-version",
            "1.5",
            "--no-build-deps",
        ]);
        sbom.args(["--target", self.target, "--override-filename", &name]);
        run(sbom.arg("--quiet"))?;
        copy(&sources.join(format!("{name}.json")), &super::out().join(format!("{name}.json")))
    }
}

/// Copies the files that git knows into `folder`.
pub fn sources_into(folder: &Path) -> Result<(), String> {
    empty(folder)?;
    let list = output(Command::new("git").args(["ls-files", "-z"]).current_dir(root()))?;
    for name in String::from_utf8_lossy(&list).split_terminator('\0') {
        let from = root().join(name);
        // A file that was deleted, and not committed yet.
        if from.exists() {
            copy(&from, &folder.join(name))?;
            let mode = fs::metadata(&from)
                .and_then(|file| fs::set_permissions(folder.join(name), file.permissions()));
            mode.map_err(|e| format!("{}: {e}", folder.join(name).display()))?;
        }
    }
    Ok(())
}
