//! The tools that make the artefacts: crates of other people, each in the version that is named here.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{cargo, root, run, say, target_dir};

/// A program that cargo installs.
pub struct Tool {
    name: &'static str,
    version: &'static str,
    /// Those of its libraries whose speed matters: they compress and hash.
    optimised: &'static [&'static str],
}

/// Makes the Debian package from `[package.metadata.deb]` of Cargo.toml.
pub const DEB: Tool = Tool { name: "cargo-deb", version: "3.8.0", optimised: &["lzma-sys"] };
/// Makes the RPM package from `[package.metadata.generate-rpm]` of Cargo.toml.
pub const RPM: Tool = Tool {
    name: "cargo-generate-rpm",
    version: "0.21.1",
    optimised: &["block-buffer", "digest", "keccak", "rpm", "sha2", "sha3", "zstd-sys"],
};
/// Lists what the binary is made of.
pub const SBOM: Tool = Tool { name: "cargo-cyclonedx", version: "0.5.9", optimised: &[] };

impl Tool {
    /// The program, which is installed into the target folder if it is not there. Its speed does not matter, so it is
    /// built without optimisation, which takes a third of the time, apart from what compresses and hashes.
    pub fn program(&self) -> Result<PathBuf, String> {
        let folder = target_dir(&root()).join("tools");
        let program = folder.join("bin").join(self.name);
        if self.is_installed(&folder) {
            return Ok(program);
        }
        say(&format!("installing {} {}, some minutes", self.name, self.version));
        let mut install = cargo();
        install.args(["install", "--quiet", "--locked", "--force", "--root"]).arg(&folder);
        install.args(["--version", &format!("={}", self.version), self.name]);
        for library in self.optimised {
            install.args(["--config", &format!("profile.release.package.{library}.opt-level=3")]);
        }
        install.env("CARGO_TARGET_DIR", folder.join("build")).env_remove("RUSTFLAGS");
        install.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0").env("CARGO_PROFILE_RELEASE_LTO", "off");
        run(install.env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"))?;
        Ok(program)
    }

    /// Whether cargo's list of what it has installed there has this version.
    fn is_installed(&self, folder: &std::path::Path) -> bool {
        let list = cargo().args(["install", "--list", "--root"]).arg(folder).output();
        let list = list.map(|list| String::from_utf8_lossy(&list.stdout).into_owned()).unwrap_or_default();
        list.lines().any(|line| line == format!("{} v{}:", self.name, self.version))
    }
}

/// Whether a program of this machine can be started.
pub fn is_there(program: &str) -> bool {
    let version = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok()
}

/// Builds the programs `packages` of the Go module in the folder `module` of the repository, and returns the folder
/// with them. The module pins their versions.
pub fn go(module: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let folder = target_dir(&root()).join("dist-build/go");
    let mut go = Command::new("go");
    // With a slash at the end, Go takes the path for a folder.
    go.args(["build", "-trimpath", "-o", &format!("{}/", folder.display())]).args(packages);
    run(go.current_dir(root().join(module)))?;
    Ok(folder)
}
