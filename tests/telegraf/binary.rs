//! Finds or builds Telegraf.
//!
//! It is built from the Go module in this folder, once, into `telegraf` beside the folder of the binary
//! under test.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::support::BINARY;
use crate::support::go::{Missing, build, modified};
use crate::support::skip::or_skip;

/// The folder of the Go module.
const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegraf");

/// The flag of `go build` that leaves out all plugins of Telegraf but these: with all of them, it takes
/// tens of minutes and has 300 MB.
const TAGS: &str = "-tags=custom,aggregators.final,inputs.file,inputs.socket_listener,outputs.file,\
                    inputs.prometheus,parsers.influx,processors.clone,processors.execd,processors.starlark,serializers.influx";

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
    or_skip(TELEGRAF.get_or_init(find), "KAPACITOR_WASM_REQUIRE_TELEGRAF").map(PathBuf::as_path)
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
