//! Finds or builds kapacitord, the `kapacitor` command and influxd.
//!
//! The first two are built from the Go module in this folder, once, into `kapacitor` beside the
//! folder of the binary that cargo has built. influxd must be installed. Kapacitor's decoder is built from
//! `tests/kapacitor-decoder` in the same way.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::go::{Missing, build, modified};
use crate::support::kapacitord::{self, Kapacitor};
use crate::support::skip::or_skip;

/// The folder of the Go module of Kapacitor's decoder.
const DECODER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kapacitor-decoder");

/// Variable that makes a failure of what would be skipped.
const REQUIRE: &str = "KAPACITOR_WASM_REQUIRE_KAPACITOR";

/// The programs that the tests run against.
pub struct Binaries {
    /// The daemon.
    pub kapacitord: PathBuf,
    /// Its command line client.
    pub kapacitor: PathBuf,
    /// InfluxDB.
    pub influxd: PathBuf,
}

/// The programs, or `None` if this machine can't have them and the calling test is to be skipped.
///
/// # Panics
///
/// When something else is wrong, and instead of skipping when `CI` or
/// `KAPACITOR_WASM_REQUIRE_KAPACITOR=1` is set.
#[track_caller]
pub fn find_or_skip() -> Option<&'static Binaries> {
    static BINARIES: OnceLock<Result<Binaries, Missing>> = OnceLock::new();
    or_skip(BINARIES.get_or_init(find), REQUIRE)
}

/// The program of `tests/kapacitor-decoder`, or `None` as in [`find_or_skip`].
///
/// # Panics
///
/// As [`find_or_skip`] does.
#[track_caller]
pub fn decoder_or_skip() -> Option<&'static PathBuf> {
    static DECODER: OnceLock<Result<PathBuf, Missing>> = OnceLock::new();
    or_skip(DECODER.get_or_init(find_decoder), REQUIRE)
}

fn find() -> Result<Binaries, Missing> {
    let influxd = on_path("influxd")
        .ok_or_else(|| Missing::Skip("influxd is not installed (Debian: influxdb)".to_owned()))?;
    let Kapacitor { kapacitord, kapacitor } = kapacitord::find_in(&folder())?;
    Ok(Binaries { kapacitord, kapacitor, influxd })
}

fn find_decoder() -> Result<PathBuf, Missing> {
    let decoder = folder().join("kapacitor-decoder");
    let written = ["go.mod", "main.go"].map(|file| modified(&Path::new(DECODER).join(file)));
    if modified(&decoder) <= written.into_iter().max().flatten() {
        build("Kapacitor's decoder", "about a minute", DECODER, &["."], &folder(), None)?;
    }
    Ok(decoder)
}

/// The folder that the programs are built into.
fn folder() -> PathBuf {
    let profile =
        Path::new(env!("CARGO_BIN_EXE_kapacitor-wasm")).parent().expect("the binary is in a folder");
    profile.parent().expect("the folder of the profile is in the target folder").join("kapacitor")
}

fn on_path(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|file| file.is_file())
}
