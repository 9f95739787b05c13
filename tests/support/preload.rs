//! Libraries in C that are preloaded into the host, so that calls of the system fail or hang as a test wants.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::BINARY;

/// A library that was compiled, until this is dropped.
pub struct Library {
    /// The library.
    pub path: PathBuf,
    _folder: TempDir,
}

/// Compiles `tests/support/NAME.c`.
pub fn compile(name: &str) -> Library {
    let folder =
        tempfile::Builder::new().prefix("kw-preload-").tempdir_in(Path::new(BINARY).parent().unwrap());
    let folder = folder.unwrap();
    let path = folder.path().join(format!("{name}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/support/{name}.c"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&path, &source])
        .arg("-ldl")
        .status()
        .expect("this test needs a C compiler");
    assert!(compiled.success());
    Library { path, _folder: folder }
}
