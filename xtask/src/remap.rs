//! Keeps the folders of this machine out of what is built: the same sources are the same bytes in any folder.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::{root, target_dir};

/// The folders of this machine whose names would get into a build, and what stands for each there.
pub struct Folders(Vec<(PathBuf, &'static str)>);

impl Folders {
    pub fn find() -> Result<Self, String> {
        let home = env::var_os("CARGO_HOME").map(PathBuf::from);
        let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo")));
        let home = home.ok_or("the folder of cargo is not known here: set CARGO_HOME")?;
        let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
        let sysroot = Command::new(rustc).args(["--print", "sysroot"]).output();
        let sysroot = sysroot.map_err(|e| format!("rustc can't be run: {e}"))?.stdout;
        let sysroot = PathBuf::from(String::from_utf8_lossy(&sysroot).trim());
        // Of those that fit, the compiler takes the last.
        let mut folders = vec![
            (root(), "/kapacitor-wasm"),
            (target_dir(&root()), "/target"),
            (sysroot.join("lib/rustlib/src/rust"), "/rust"),
        ];
        // One for each registry, with its address in the name. None if no crate was fetched yet.
        let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
        folders.extend(registries.map(|entry| (entry.path(), "/crates")));
        Ok(Self(folders))
    }

    /// Options of cargo for what it builds for `target`. They add to the flags of .cargo/config.toml, unlike the
    /// variable RUSTFLAGS, which replaces them and must not be set.
    pub fn options(&self, target: &str) -> [String; 2] {
        let flags = self.0.iter().map(|(from, to)| format!("'--remap-path-prefix={}={to}'", from.display()));
        let flags = flags.collect::<Vec<_>>().join(", ");
        ["--config".to_owned(), format!("target.{target}.rustflags=[{flags}]")]
    }

    /// The flags of a C compiler.
    pub fn c_flags(&self) -> String {
        let flags = self.0.iter().map(|(from, to)| format!("-ffile-prefix-map={}={to}", from.display()));
        flags.collect::<Vec<_>>().join(" ")
    }
}
