//! Whether the artefacts are the same bytes when they are made elsewhere.

use std::fs;
use std::process::Command;

use super::{Dist, sbom, scratch};
use crate::{root, run, say};

/// Makes `parts` once more, from a copy of the sources in another folder with a target folder of its own, and compares.
pub fn twice(dist: &Dist, parts: &[&str]) -> Result<(), String> {
    let sources = scratch("twice").join("elsewhere");
    say(&format!("making everything once more, in {}", sources.display()));
    sbom::sources_into(&sources)?;
    let mut again = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    again
        .current_dir(&sources)
        .args(["run", "--quiet", "--package", "xtask", "--", "dist"])
        .args(["--target", dist.target])
        .args(parts);
    if let Some(binary) = &dist.binary {
        again.arg("--binary").arg(binary);
    }
    // The copy has no commits. Everything is built anew but the tools.
    again
        .env("SOURCE_DATE_EPOCH", &dist.epoch)
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_MANIFEST_DIR");
    let tools = sources.join("target/tools");
    fs::create_dir_all(sources.join("target"))
        .and_then(|()| std::os::unix::fs::symlink(crate::target_dir(&root()).join("tools"), &tools))
        .map_err(|e| format!("{}: {e}", tools.display()))?;
    run(&mut again)?;
    let read =
        |path: std::path::PathBuf| fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()));
    let first = read(super::out().join("SHA256SUMS"))?;
    let second = read(sources.join("target/dist/SHA256SUMS"))?;
    let differing: Vec<&str> =
        first.lines().filter(|line| !second.lines().any(|other| other == *line)).collect();
    if differing.is_empty() && first.lines().count() == second.lines().count() {
        say(&format!("{} artefacts are the same bytes twice", first.lines().count()));
        return Ok(());
    }
    Err(format!("made twice, these artefacts differ:\n{}", differing.join("\n")))
}
