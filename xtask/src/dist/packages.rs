//! The packages, and the archive for other systems.

use std::env::consts;

use super::{Dist, empty, scratch, skipped, tools};
use crate::{root, run, say};

/// Tries a .deb: installs it, upgrades to it, removes and purges it.
const TRY: &str = "tests/packages/deb";

impl Dist {
    pub fn deb_name(version: &str) -> String {
        let architecture = match consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        format!("kapacitor-wasm_{version}-1_{architecture}.deb")
    }

    /// Makes the Debian package `name` in the folder of the artefacts. `version` is another one than the workspace's for
    /// tests of upgrades only.
    pub fn deb(&self, name: &str, version: &str) -> Result<(), String> {
        let program = tools::DEB.program()?;
        say(&format!("making {name}"));
        let mut deb = self.command(program);
        deb.args(["--no-build", "--no-strip", "--locked", "--quiet", "--package", "kapacitor-wasm"]);
        deb.args(["--deb-version", &format!("{version}-1")]).arg("--output").arg(super::out().join(name));
        run(&mut deb)
    }

    /// Checks the Debian package `name` by Debian's own rules. packaging/deb/lintian-overrides says which do not apply.
    pub fn lint_deb(&self, name: &str) -> Result<(), String> {
        if !tools::is_there("lintian") {
            skipped(&format!("checking {name}: lintian is not installed"));
            return Ok(());
        }
        say(&format!("checking {name} with lintian"));
        let mut lintian = self.command("lintian");
        lintian.args(["--allow-root", "--fail-on", "error,warning", "--tag-display-limit", "0"]);
        if !super::is_static(&super::installed().join("usr/bin/kapacitor-wasm"))? {
            say(
                "the binary of --binary needs a C library, which the package does not name: a static one needs none",
            );
            lintian.args(["--suppress-tags", "missing-dependency-on-libc"]);
        }
        run(lintian.arg(super::out().join(name)))
    }

    pub fn rpm(&self) -> Result<(), String> {
        let program = tools::RPM.program()?;
        let name = format!("kapacitor-wasm-{}-1.{}.rpm", self.version, consts::ARCH);
        say(&format!("making {name}"));
        run(self
            .command(program)
            .args(["--auto-req", "disabled"])
            .arg("--output")
            .arg(super::out().join(name)))
    }

    /// The same files without a package manager: they are unpacked at `/`.
    pub fn archive(&self) -> Result<(), String> {
        let name = format!("kapacitor-wasm-{}-{}-linux", self.version, consts::ARCH);
        say(&format!("making {name}.tar.gz"));
        let tar = scratch(&format!("{name}.tar"));
        self.tar(&super::installed(), &tar, &[])?;
        run(self.command("gzip").args(["--best", "--no-name", "--force"]).arg(&tar))?;
        super::copy(&scratch(&format!("{name}.tar.gz")), &super::out().join(format!("{name}.tar.gz")))
    }

    /// Tries the .deb, with a package of a lower version as the one before, in a copy of the machine's files that is
    /// thrown away.
    pub fn try_deb(&self) -> Result<(), String> {
        let (now, before) = (Self::deb_name(self.version), Self::deb_name("0.0.1"));
        if !super::out().join(&now).exists() {
            return Err(format!("`--try` needs target/dist/{now}: make the part `deb` with it"));
        }
        if !tools::is_there("dpkg") || !tools::is_there("unshare") {
            skipped("trying the .deb: dpkg and unshare are needed");
            return Ok(());
        }
        self.deb(&before, "0.0.1")?;
        let folder = scratch("try");
        empty(&folder)?;
        // The folder itself is covered while the packages are tried.
        let moved = scratch(&before);
        super::copy(&super::out().join(&before), &moved)?;
        std::fs::remove_file(super::out().join(&before)).map_err(|e| format!("target/dist/{before}: {e}"))?;
        run(self.command(root().join(TRY)).arg(moved).arg(super::out().join(now)).arg(folder))
    }
}
