//! Where kapacitord, the `kapacitor` command and influxd come from.
//!
//! The first two are built from the Go module in this folder, once, into `kapacitor` beside the
//! folder of the binary under test. influxd must be installed. Kapacitor's decoder is built from
//! `tests/kapacitor-decoder` in the same way.

use std::env;
use std::io::{self, Write};
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::SystemTime;

/// The binary under test.
pub const HOST: &str = env!("CARGO_BIN_EXE_kapacitor-wasm");

/// The folder of the Go module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kapacitor");

/// The folder of the Go module of Kapacitor's decoder.
const DECODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kapacitor-decoder");

/// The Go that Kapacitor's dependencies work with; see `go.mod`.
const GO: &str = "go1.21.13";

/// What Go says when it can't get at its modules, or is too old for them. Any other failure of a
/// build is one.
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

/// The programs that the tests run against.
pub struct Binaries {
    /// The daemon.
    pub kapacitord: PathBuf,
    /// Its command line client.
    pub kapacitor: PathBuf,
    /// InfluxDB.
    pub influxd: PathBuf,
}

/// Why there are no programs to run against.
enum Missing {
    /// The machine lacks something: tests may be skipped.
    Skip(String),
    /// Something is wrong.
    Fail(String),
}

/// The programs, or `None` if this machine can't have them, and the calling test is to be skipped.
///
/// # Panics
///
/// When something else is wrong, and instead of skipping when `CI` or
/// `KAPACITOR_WASM_REQUIRE_KAPACITOR=1` is set.
#[track_caller]
pub fn find_or_skip() -> Option<&'static Binaries> {
    static BINARIES: OnceLock<Result<Binaries, Missing>> = OnceLock::new();
    or_skip(BINARIES.get_or_init(find))
}

/// The program of `tests/kapacitor-decoder`, or `None` as in [`find_or_skip`].
///
/// # Panics
///
/// As [`find_or_skip`] does.
#[track_caller]
pub fn decoder_or_skip() -> Option<&'static PathBuf> {
    static DECODER: OnceLock<Result<PathBuf, Missing>> = OnceLock::new();
    or_skip(DECODER.get_or_init(find_decoder))
}

#[track_caller]
fn or_skip<T>(found: &Result<T, Missing>) -> Option<&T> {
    let reason = match found {
        Ok(found) => return Some(found),
        Err(Missing::Fail(reason)) => panic!("{reason}"),
        Err(Missing::Skip(reason)) => reason,
    };
    let required = env::var_os("CI").is_some()
        || env::var("KAPACITOR_WASM_REQUIRE_KAPACITOR").is_ok_and(|value| value == "1");
    assert!(!required, "may not be skipped here: {reason}");
    // libtest names the thread of a test after it, unless it runs all tests on the main thread.
    let test = match thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    tell(&format!("skipped: {test}: {reason}"));
    None
}

fn find() -> Result<Binaries, Missing> {
    let influxd = on_path("influxd")
        .ok_or_else(|| Missing::Skip("influxd is not installed (Debian: influxdb)".to_owned()))?;
    let folder = folder();
    let (kapacitord, kapacitor) = (folder.join("kapacitord"), folder.join("kapacitor"));
    let described = modified(&Path::new(MODULE).join("go.mod"));
    if [&kapacitord, &kapacitor].iter().any(|binary| modified(binary) <= described) {
        let packages = [
            "github.com/influxdata/kapacitor/cmd/kapacitord",
            "github.com/influxdata/kapacitor/cmd/kapacitor",
        ];
        build("kapacitord", "about two minutes", MODULE, &packages, Some(GO))?;
    }
    Ok(Binaries { kapacitord, kapacitor, influxd })
}

fn find_decoder() -> Result<PathBuf, Missing> {
    let decoder = folder().join("kapacitor-decoder");
    let written = ["go.mod", "main.go"].map(|file| modified(&Path::new(DECODER).join(file)));
    if modified(&decoder) <= written.into_iter().max().flatten() {
        build("Kapacitor's decoder", "about a minute", DECODER, &["."], None)?;
    }
    Ok(decoder)
}

/// Where the programs are built.
fn folder() -> PathBuf {
    let profile = Path::new(HOST).parent().expect("the binary is in a folder");
    profile.parent().expect("the folder of the profile is in the target folder").join("kapacitor")
}

/// Builds the programs `packages` of the Go module in the folder `module`.
fn build(
    what: &str,
    time: &str,
    module: &str,
    packages: &[&str],
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
    // The slash at the end makes Go take it for a folder.
    go.args(["build", "-o", &format!("{}/", folder().display())]).args(packages).current_dir(module);
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

/// When a file was last written; `None`, which is before all else, if it is not there.
fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Prints a line on the real stderr, which libtest does not keep to itself as it does `eprintln!`'s.
fn tell(line: &str) {
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}
