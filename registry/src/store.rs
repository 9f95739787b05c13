//! The store: what was pulled, in files that are named after their digests.
//!
//! Nothing in it is trusted. A file is read only up to a bound, and used only if its bytes have the digest that it is
//! named after.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, open};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::error::Error;
use crate::folder::Folder;
use crate::manifest::{self, Blob, MOST_MANIFEST};
use crate::signature::Signature;

/// The largest file of signatures that is read, in bytes.
const MOST_SIGNATURES: u64 = 1024 * 1024;

/// Folder of the blobs, in that of the store.
const BLOBS: &str = "blobs/sha256";

/// Folder of the signatures.
const SIGNATURES: &str = "signatures";

/// A folder of what was pulled.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
}

/// The signatures of one manifest.
#[derive(Default, Deserialize, Serialize)]
struct Signatures {
    signatures: Vec<Signature>,
}

impl Store {
    /// The store in `folder`, which need not exist yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the blob `digest` is, if it is there.
    pub fn path(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    fn blobs(&self) -> PathBuf {
        self.folder.join(BLOBS)
    }

    fn signature_path(&self, manifest: Digest) -> PathBuf {
        self.folder.join(SIGNATURES).join(signature_name(manifest))
    }

    /// Reads a blob of at most `most` bytes; `what` is the artifact, for messages.
    ///
    /// # Errors
    ///
    /// When it is not there, or has other bytes.
    pub fn read(&self, digest: Digest, most: u64, what: &str) -> Result<Vec<u8>, Error> {
        let path = self.path(digest);
        let bytes = read(&path, most)?.ok_or_else(|| Error::NotPulled { what: what.to_owned() })?;
        if Digest::of(&bytes) != digest {
            return Err(Error::Damaged { path });
        }
        Ok(bytes)
    }

    /// The module of a manifest in the store.
    ///
    /// # Errors
    ///
    /// When the manifest is not there, or is none of a plugin.
    pub fn module_of(&self, manifest: Digest) -> Result<Blob, Error> {
        let name = manifest.to_string();
        manifest::module_of(&self.read(manifest, MOST_MANIFEST, &name)?, &name, u64::MAX)
    }

    /// Keeps a blob; returns its digest.
    ///
    /// # Errors
    ///
    /// When it can't be written, or the store would have more than `most` bytes.
    pub fn write(&self, bytes: &[u8], most: u64) -> Result<Digest, Error> {
        let digest = Digest::of(bytes);
        let size = self.size().map_err(|e| Error::store(&self.folder, &e))?;
        // What takes the place of a damaged file counts twice for a moment.
        if size.saturating_add(bytes.len() as u64) > most {
            return Err(Error::StoreFull { path: self.folder.clone(), most });
        }
        self.put(BLOBS, &digest.hex(), bytes)?;
        Ok(digest)
    }

    /// The signatures of a manifest that were pulled.
    ///
    /// # Errors
    ///
    /// When the file can't be read or is damaged.
    pub fn signatures(&self, manifest: Digest) -> Result<Vec<Signature>, Error> {
        let path = self.signature_path(manifest);
        let Some(bytes) = read(&path, MOST_SIGNATURES)? else { return Ok(Vec::new()) };
        let signatures: Signatures = serde_json::from_slice(&bytes).map_err(|_| Error::Damaged { path })?;
        Ok(signatures.signatures)
    }

    /// Keeps the signatures of a manifest, in place of those that were kept before.
    ///
    /// # Errors
    ///
    /// When they can't be written.
    pub fn write_signatures(&self, manifest: Digest, signatures: &[Signature]) -> Result<(), Error> {
        let path = self.signature_path(manifest);
        let text = serde_json::to_vec(&Signatures { signatures: signatures.to_vec() })
            .map_err(|e| Error::store(&path, &e.into()))?;
        self.put(SIGNATURES, &signature_name(manifest), &text)
    }

    /// Writes a file of the store.
    fn put(&self, folder: &str, name: &str, bytes: &[u8]) -> Result<(), Error> {
        Folder::create(&self.folder, folder)
            .and_then(|folder| folder.write(name, bytes))
            .map_err(|e| Error::store(&self.folder.join(folder).join(name), &e))
    }

    /// The size of all files in bytes.
    fn size(&self) -> io::Result<u64> {
        let folders = self.folders()?;
        let files = folders.iter().map(Folder::files).collect::<io::Result<Vec<_>>>()?;
        Ok(files.iter().flatten().map(|(_, size)| size).sum())
    }

    /// The folders that are there.
    fn folders(&self) -> io::Result<Vec<Folder>> {
        let folders = [BLOBS, SIGNATURES].map(|folder| Folder::open(&self.folder, folder));
        folders.into_iter().filter_map(Result::transpose).collect()
    }

    /// Deletes everything but the blobs and the signatures of `kept`; returns how many bytes that were.
    ///
    /// # Errors
    ///
    /// When the store can't be read, or a file can't be deleted.
    pub fn prune(&self, kept: &BTreeSet<Digest>) -> Result<u64, Error> {
        let failed = |e: io::Error| Error::store(&self.folder, &e);
        let names: BTreeSet<String> =
            kept.iter().flat_map(|digest| [digest.hex(), signature_name(*digest)]).collect();
        let mut freed = 0;
        for folder in self.folders().map_err(failed)? {
            for (name, size) in folder.files().map_err(failed)? {
                if !names.contains(&name) {
                    folder.delete(&name).map_err(failed)?;
                    freed += size;
                }
            }
        }
        Ok(freed)
    }
}

/// Reads a regular file of at most `most` bytes; `None` if there is none. Waits for nothing that is another kind of file.
fn read(path: &Path, most: u64) -> Result<Option<Vec<u8>>, Error> {
    let failed = |e: &io::Error| Error::store(path, e);
    let damaged = || Error::Damaged { path: path.to_owned() };
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(Errno::NOENT) => return Ok(None),
        // A link, a socket.
        Err(Errno::LOOP | Errno::NXIO) => return Err(damaged()),
        Err(e) => return Err(failed(&e.into())),
    };
    let of = file.metadata().map_err(|e| failed(&e))?;
    if !of.is_file() || of.len() > most {
        return Err(damaged());
    }
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
    if bytes.len() as u64 > most {
        return Err(damaged());
    }
    Ok(Some(bytes))
}

/// Name of the file with the signatures of a manifest.
fn signature_name(manifest: Digest) -> String {
    format!("{}.json", manifest.hex())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(&folder.path().join("store"));
        (folder, store)
    }

    #[test]
    fn only_bytes_of_the_right_digest_are_read() {
        let (_folder, store) = store();
        let digest = store.write(b"module", 1000).unwrap();
        assert_eq!(store.read(digest, 6, "x").unwrap(), b"module");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&store.path(digest)), mode(&store.blobs()), mode(store.folder())),
            (0o644, 0o755, 0o755)
        );
        let error = |most| store.read(digest, most, "x").unwrap_err().to_string();
        assert!(error(5).contains("is damaged"));
        fs::write(store.path(digest), b"modulo").unwrap();
        assert!(error(6).contains("is damaged"));
        fs::remove_file(store.path(digest)).unwrap();
        assert!(error(6).contains("kapacitor-wasm pull"));
        symlink("/dev/zero", store.path(digest)).unwrap();
        assert!(error(6).contains("is damaged"));
        // It is written anew over whatever is there.
        store.write(b"module", 1000).unwrap();
        assert_eq!(store.read(digest, 6, "x").unwrap(), b"module");
    }

    #[test]
    fn the_store_is_bounded_and_pruned() {
        let (_folder, store) = store();
        let first = store.write(&[1; 60], 100).unwrap();
        let error = store.write(&[2; 60], 100).unwrap_err().to_string();
        assert!(error.contains("--prune"), "{error}");
        assert_eq!(store.prune(&BTreeSet::from([first])).unwrap(), 0);
        assert_eq!(store.prune(&BTreeSet::new()).unwrap(), 60);
        store.write(&[2; 60], 100).unwrap();
    }

    #[test]
    fn signatures_are_kept_beside_the_blobs() {
        let (_folder, store) = store();
        let digest = Digest::of(b"manifest");
        assert_eq!(store.signatures(digest).unwrap(), []);
        let signature = Signature { payload: "{}".to_owned(), signature: "x".to_owned() };
        store.write_signatures(digest, std::slice::from_ref(&signature)).unwrap();
        assert_eq!(store.signatures(digest).unwrap(), [signature]);
        fs::write(store.signature_path(digest), "{").unwrap();
        assert!(store.signatures(digest).unwrap_err().to_string().contains("is damaged"));
    }
}
