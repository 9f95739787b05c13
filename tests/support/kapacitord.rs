//! kapacitord and the `kapacitor` command, built from the Go module in `tests/kapacitor`.

use std::path::{Path, PathBuf};

use super::go::{Missing, build, modified};

/// The folder of the Go module.
pub const MODULE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kapacitor");

/// The Go that Kapacitor's dependencies work with; see `go.mod`.
const GO: &str = "go1.21.13";

/// Kapacitor's Go module.
const KAPACITOR: &str = "github.com/influxdata/kapacitor";

/// The daemon and its command line client.
pub struct Kapacitor {
    /// The daemon.
    pub kapacitord: PathBuf,
    /// Its command line client.
    pub kapacitor: PathBuf,
}

/// Finds both in `folder`, or builds them.
///
/// # Errors
///
/// If they can't be built, with the reason.
pub fn find_in(folder: &Path) -> Result<Kapacitor, Missing> {
    let found = Kapacitor { kapacitord: folder.join("kapacitord"), kapacitor: folder.join("kapacitor") };
    let described = modified(&Path::new(MODULE).join("go.mod"));
    if [&found.kapacitord, &found.kapacitor].iter().any(|binary| modified(binary) <= described) {
        let packages = ["kapacitord", "kapacitor"].map(|program| format!("{KAPACITOR}/cmd/{program}"));
        let packages = packages.each_ref().map(String::as_str);
        build("kapacitord", "about two minutes", MODULE, &packages, folder, Some(GO))?;
    }
    Ok(found)
}
