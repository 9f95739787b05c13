//! Finds or builds Telegraf.
//!
//! It is built from the Go module in this folder, once, into `telegraf` beside the folder of the binary
//! under test.

use std::env;
use std::panic::Location;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use crate::support::BINARY;
use crate::support::go::{Missing, build, modified, tell};

/// The folder of the Go module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegraf");

/// The flag of `go build` that leaves out all plugins of Telegraf but these: with all of them, it takes
/// tens of minutes and has 300 MB.
const TAGS: &str = "-tags=custom,aggregators.final,inputs.file,inputs.socket_listener,outputs.file,\
                    parsers.influx,processors.clone,processors.execd,processors.starlark,serializers.influx";

/// Telegraf's command.
const TELEGRAF: &str = "github.com/influxdata/telegraf/cmd/telegraf";

/// The path of Telegraf, or `None` if this machine can't have it and the calling test is to be skipped.
///
/// # Panics
///
/// When something else is wrong, and instead of skipping when `CI` or
/// `KAPACITOR_WASM_REQUIRE_TELEGRAF=1` is set.
#[track_caller]
pub fn find_or_skip() -> Option<&'static Path> {
    static TELEGRAF: OnceLock<Result<PathBuf, Missing>> = OnceLock::new();
    let reason = match TELEGRAF.get_or_init(find) {
        Ok(telegraf) => return Some(telegraf),
        Err(Missing::Fail(reason)) => panic!("{reason}"),
        Err(Missing::Skip(reason)) => reason,
    };
    let required = env::var_os("CI").is_some()
        || env::var("KAPACITOR_WASM_REQUIRE_TELEGRAF").is_ok_and(|value| value == "1");
    assert!(!required, "may not be skipped here: {reason}");
    // libtest names the thread of a test after it, unless it runs all tests on the main thread.
    let test = match thread::current().name() {
        Some(name) if name != "main" => name.to_owned(),
        _ => Location::caller().to_string(),
    };
    tell(&format!("skipped: {test}: {reason}"));
    None
}

fn find() -> Result<PathBuf, Missing> {
    let profile = Path::new(BINARY).parent().expect("the binary is in a folder");
    let target = profile.parent().expect("the folder of the profile is in the target folder");
    let folder = target.join("telegraf");
    let telegraf = folder.join("telegraf");
    // This file has the tags.
    let written = ["go.mod", "binary.rs"].map(|file| modified(&Path::new(MODULE).join(file)));
    if modified(&telegraf) <= written.into_iter().max().flatten() {
        // `go build` takes flags before the packages.
        build("Telegraf", "about two minutes", MODULE, &[TAGS, TELEGRAF], &folder, None)?;
    }
    Ok(telegraf)
}
