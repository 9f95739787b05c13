//! `cargo xtask sdk`: checks that the guest SDK could be published.
//!
//! Packs its two crates, builds each from its package, and builds the documentation from there with
//! warnings denied: like docs.rs, with nothing but the files of the package.

use std::fs;
use std::path::Path;

use crate::{TARGET, add_target, cargo, root, run, say, target_dir};

const DERIVE: &str = "kapacitor-guest-derive";
const SDK: &str = "kapacitor-guest";

pub fn sdk() -> Result<(), String> {
    add_target(TARGET)?;
    say("packing the SDK");
    // Packed together, the second crate is built with the first one, which no registry has yet.
    run(cargo().args(["package", "--locked", "--allow-dirty", "--package", DERIVE, "--package", SDK]))?;
    let packages = target_dir(&root()).join("package");
    document(DERIVE, &packages, &[])?;
    document(SDK, &packages, &[])?;
    document(SDK, &packages, &["--target", TARGET])
}

/// Builds the documentation of a package that `cargo package` has unpacked.
fn document(name: &str, packages: &Path, options: &[&str]) -> Result<(), String> {
    say(&format!("building the documentation of {name} from its package"));
    let version = env!("CARGO_PKG_VERSION");
    let folder = packages.join(format!("{name}-{version}"));
    let mut doc = cargo();
    doc.args(["doc", "--lib", "--no-deps", "--all-features"]).args(options);
    doc.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    doc.arg("--target-dir").arg(packages.join("doc"));
    if name != DERIVE {
        let derive = packages.join(format!("{DERIVE}-{version}"));
        let derive = fs::canonicalize(&derive).map_err(|e| format!("{}: {e}", derive.display()))?;
        doc.arg("--config").arg(format!("patch.crates-io.{DERIVE}.path='{}'", derive.display()));
    }
    run(doc.env("RUSTDOCFLAGS", "--deny warnings"))
}
