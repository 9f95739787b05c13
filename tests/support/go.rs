//! Programs that are built from Go modules in the repository.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;

/// Parts of Go's messages when it can't fetch its modules, or is too old for them. Any other failure of a
/// build fails the test.
const UNAVAILABLE: [&str; 9] = [
    "dial tcp",
    "no such host",
    "i/o timeout",
    "connection refused",
    "network is unreachable",
    "TLS handshake timeout",
    "disabled by GOPROXY=off",
    "toolchain not available",
    "go.mod requires go >=",
];

/// The reason why there are no programs to run against.
pub enum Missing {
    /// The machine lacks something: tests may be skipped.
    Skip(String),
    /// Something is wrong.
    Fail(String),
}

/// Builds the programs `packages` of the Go module in the folder `module` into `folder`.
///
/// # Errors
///
/// If they can't be built, with the reason.
pub fn build(
    what: &str,
    time: &str,
    module: &str,
    packages: &[&str],
    folder: &Path,
    toolchain: Option<&str>,
) -> Result<(), Missing> {
    match Command::new("go").arg("version").stdout(Stdio::null()).status() {
        Ok(status) if status.success() => {}
        Ok(status) => return Err(Missing::Fail(format!("`go version`: {status}"))),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Err(Missing::Skip(format!("Go is not installed, and {what} is built with it")));
        }
        Err(e) => return Err(Missing::Fail(format!("`go version` can't be run: {e}"))),
    }
    tell(&format!("building {what} from its Go module, {time}"));
    let mut go = Command::new("go");
    // With a slash at the end, Go takes the path for a folder.
    go.args(["build", "-o", &format!("{}/", folder.display())]).args(packages).current_dir(module);
    if let Some(toolchain) = toolchain {
        go.env("GOTOOLCHAIN", toolchain);
    }
    let output = go.output().map_err(|e| Missing::Fail(format!("go build can't be run: {e}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let unavailable = said.lines().find(|line| UNAVAILABLE.iter().any(|sign| line.contains(sign)));
    Err(match unavailable {
        Some(line) => Missing::Skip(format!("the Go module of {what} can't be fetched: {line}")),
        None => Missing::Fail(format!("{what} can't be built: {}:\n{said}", output.status)),
    })
}

/// The time when a file was last written, or `None`, which sorts first, if it does not exist.
pub fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

/// Prints a line to stderr. libtest captures the output of `eprintln!`, but not this.
pub fn tell(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
