//! The packages, and the archive for other systems. `trials` tries the packages.

use std::path::Path;

use super::{Dist, output, scratch, skipped, tools};
use crate::{run, say};

impl Dist {
    pub fn deb_name(&self, version: &str) -> String {
        format!("kapacitor-wasm_{version}-1_{}.deb", self.architecture)
    }

    /// Makes the Debian package `to`. `version` is another one than the workspace's for trials of upgrades only.
    pub fn deb(&self, to: &Path, version: &str) -> Result<(), String> {
        let program = tools::DEB.program()?;
        say(&format!("making {}", shown(to)));
        let mut deb = self.command(program);
        deb.args(["--no-build", "--no-strip", "--locked", "--quiet", "--package", "kapacitor-wasm"]);
        deb.args(["--target", self.target, "--deb-version", &format!("{version}-1")]).arg("--output").arg(to);
        output(&mut deb).map(|_| ())
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

    pub fn rpm_name(&self, version: &str) -> String {
        format!("kapacitor-wasm-{version}-1.{}.rpm", self.machine())
    }

    /// Makes the RPM package `to`. `version` is as for [`Dist::deb`].
    pub fn rpm(&self, to: &Path, version: &str) -> Result<(), String> {
        let program = tools::RPM.program()?;
        say(&format!("making {}", shown(to)));
        let mut rpm = self.command(program);
        rpm.args([
            "--arch",
            self.machine(),
            "--auto-req",
            "disabled",
            "--set-metadata",
            &format!("version = \"{version}\""),
        ]);
        run(rpm.arg("--output").arg(to))
    }

    /// The same files without a package manager: they are unpacked at `/`.
    pub fn archive(&self) -> Result<(), String> {
        let name = format!("kapacitor-wasm-{}-{}-linux", self.version, self.machine());
        say(&format!("making {name}.tar.gz"));
        let tar = scratch(&format!("{name}.tar"));
        self.tar(&super::installed(), &tar, &[])?;
        run(self.command("gzip").args(["--best", "--no-name", "--force"]).arg(&tar))?;
        super::copy(&scratch(&format!("{name}.tar.gz")), &super::out().join(format!("{name}.tar.gz")))
    }
}

/// The name of a file.
fn shown(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
