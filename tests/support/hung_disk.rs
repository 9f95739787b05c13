//! A disk that hangs: file calls under the state folder wait for as long as a test wants.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::Setup;
use super::preload::{Library, compile};

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
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| compile("hung_disk"));
        let (state, trigger) = (self.folder.path().join("state"), self.trigger());
        self.env("LD_PRELOAD", library.path.clone())
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
