//! The lock file: which version the source of each plugin means.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::source::Source;
use crate::text::shown;

/// The version of the format.
const VERSION: u32 = 1;

/// The largest lock file that is read, in bytes.
const MOST: u64 = 4 * 1024 * 1024;

/// What stands at the beginning of the file.
const HEADING: &str = "# Written by `kapacitor-wasm lock`. Keep it with udf.toml.\n";

/// A lock file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    /// The version of each plugin.
    pub plugins: BTreeMap<String, Locked>,
}

/// The version of one plugin.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// The source that it was made for.
    pub source: String,
    /// The digest of the manifest.
    pub digest: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    plugins: BTreeMap<String, Locked>,
}

impl Lock {
    /// Reads the file at `path`. Without a file, nothing is locked.
    ///
    /// # Errors
    ///
    /// When it can't be read, or is no lock file.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: String| Error::Lock { path: path.to_owned(), problem };
        match fs::metadata(path) {
            Ok(file) if file.is_file() => {}
            Ok(_) => return Err(wrong("is not a file: delete it, and run `kapacitor-wasm lock`".to_owned())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(e) => return Err(wrong(format!("can't be read: {e}"))),
        }
        let mut text = String::new();
        let file = fs::File::open(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
        file.take(MOST).read_to_string(&mut text).map_err(|e| wrong(format!("can't be read: {e}")))?;
        if text.len() as u64 == MOST {
            return Err(wrong("is too large for a lock file: run `kapacitor-wasm lock`".to_owned()));
        }
        let file: File = toml::from_str(&text).map_err(|e| {
            let at = e.span().map_or(0, |span| span.start.min(text.len()));
            let line = text.get(..at).unwrap_or_default().matches('\n').count() + 1;
            wrong(format!("is no lock file in line {line}: run `kapacitor-wasm lock`"))
        })?;
        if file.version != VERSION {
            return Err(wrong(format!(
                "is of version {}, and {VERSION} is known: run `kapacitor-wasm lock` of the version that serves",
                file.version
            )));
        }
        for (name, locked) in &file.plugins {
            locked
                .digest
                .parse::<Digest>()
                .map_err(|e| wrong(format!("is wrong about {}: {e}", shown(name))))?;
        }
        Ok(Self { plugins: file.plugins })
    }

    /// Writes the file as a whole or not at all.
    ///
    /// # Errors
    ///
    /// When it can't be written.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let failed = |problem: String| Error::Lock { path: path.to_owned(), problem };
        let io = |e: io::Error| failed(format!("can't be written: {e}"));
        let text = toml::to_string(&File { version: VERSION, plugins: self.plugins.clone() })
            .map_err(|e| failed(format!("can't be written: {e}")))?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::Builder::new().prefix(".plugins.lock").tempfile_in(folder).map_err(io)?;
        // Everybody may read it, whatever the umask is: the host runs as another user than `lock`.
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(permissions).map_err(io)?;
        file.write_all(HEADING.as_bytes()).and_then(|()| file.write_all(text.as_bytes())).map_err(io)?;
        file.as_file().sync_all().map_err(io)?;
        file.persist(path).map_err(|e| io(e.error))?;
        Ok(())
    }

    /// The digest that counts for the plugin `name` from `source`.
    ///
    /// # Errors
    ///
    /// When the source has none, and the lock file has none for it.
    pub fn digest(&self, name: &str, source: &Source) -> Result<Digest, Error> {
        if let Some(digest) = source.digest {
            return Ok(digest);
        }
        match self.plugins.get(name) {
            None => Err(Error::NotLocked(source.to_string())),
            Some(locked) if locked.source != source.to_string() => {
                Err(Error::OtherSource { name: source.to_string(), locked: shown(&locked.source) })
            }
            Some(locked) => Ok(locked.digest.parse()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugins.lock");
        assert_eq!(Lock::read(&path).unwrap(), Lock::default());
        let source: Source = "oci://h.example/a:1".parse().unwrap();
        let digest = Digest::of(b"a");
        let locked = Locked { source: source.to_string(), digest: digest.to_string() };
        let lock = Lock { plugins: BTreeMap::from([("a".to_owned(), locked)]) };
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        assert_eq!(lock.digest("a", &source).unwrap(), digest);
        let other: Source = "oci://h.example/a:2".parse().unwrap();
        assert!(lock.digest("a", &other).unwrap_err().to_string().contains("kapacitor-wasm lock"));
        assert!(lock.digest("b", &source).unwrap_err().to_string().contains("kapacitor-wasm lock"));
        assert_eq!(lock.digest("b", &other.at(digest)).unwrap(), digest);
    }

    #[test]
    fn other_files_are_refused_with_the_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plugins.lock");
        for (text, expected) in [
            ("", "line 1"),
            ("version = 1\n[plugins.a]\nsource = 5\n", "line 3"),
            ("version = 2\n", "is of version 2"),
            ("version = 1\n[plugins.a]\nsource = \"x\"\ndigest = \"y\"\n", "`y` is no digest"),
            ("version = 1\nmore = 1\n", "line 2"),
        ] {
            fs::write(&path, text).unwrap();
            let error = Lock::read(&path).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        fs::write(&path, [0xff]).unwrap();
        assert!(Lock::read(&path).is_err());
    }
}
