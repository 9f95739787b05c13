//! A clock that fails, so that a thread of the host panics.

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use super::Setup;
use super::preload::{Library, compile};

impl Setup {
    /// The thread of this name may panic: see [`Setup::fail_once`].
    pub fn with_clock_that_may_fail(self, thread: &str) -> Self {
        static LIBRARY: OnceLock<Library> = OnceLock::new();
        let library = LIBRARY.get_or_init(|| compile("failing_clock"));
        let trigger = self.clock_trigger();
        self.env("LD_PRELOAD", library.path.clone())
            .env("KW_FAULT_THREAD", thread.into())
            .env("KW_FAULT_ONCE", trigger)
    }

    /// Lets the thread panic when it reads the clock the next time.
    pub fn fail_once(&self) {
        fs::write(self.clock_trigger(), "").unwrap();
    }

    fn clock_trigger(&self) -> PathBuf {
        self.folder.path().join("clock-fails")
    }
}
