//! A disk that hangs: file calls under the state folder wait for as long as a test wants.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use tempfile::TempDir;

use super::{BINARY, Setup};

/// A disk that hangs until this is dropped.
pub struct Hung(PathBuf);

impl Drop for Hung {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

impl Setup {
    /// The disk of the state folder may hang: see [`Setup::hang`].
    pub fn on_disk_that_may_hang(self) -> Self {
        let (state, trigger) = (self.folder.path().join("state"), self.trigger());
        self.env("LD_PRELOAD", library().to_owned())
            .env("KW_HUNG_FOLDER", state)
            .env("KW_HUNG_WHILE", trigger)
    }

    /// Lets the disk of the state folder hang until the result is dropped.
    pub fn hang(&self) -> Hung {
        fs::write(self.trigger(), "").unwrap();
        Hung(self.trigger())
    }

    /// Lets no file of the state folder be opened until the result is dropped.
    pub fn fail(&self) -> Hung {
        let trigger = self.trigger().with_extension("eio");
        fs::write(&trigger, "").unwrap();
        Hung(trigger)
    }

    fn trigger(&self) -> PathBuf {
        self.folder.path().join("disk-hangs")
    }
}

/// The library that is preloaded, which is compiled once for each run of the tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, library) = LIBRARY.get_or_init(|| {
        let folder =
            tempfile::Builder::new().prefix("kw-disk-").tempdir_in(Path::new(BINARY).parent().unwrap());
        let folder = folder.unwrap();
        let library = folder.path().join("hung_disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/hung_disk.c");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status()
            .expect("the tests of a hung disk need a C compiler");
        assert!(compiled.success());
        (folder, library)
    });
    library
}
