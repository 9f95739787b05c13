//! A plugin that is wanted from a registry, and what of it is in the store.

use std::fs;
use std::path::PathBuf;

use crate::digest::Digest;
use crate::error::Error;
use crate::keys::PublicKey;
use crate::manifest::{self, Blob, MOST_MANIFEST};
use crate::signature::{self, Signature};
use crate::source::Source;
use crate::store::Store;

/// Which plugin is wanted, in which version, and whom its users trust.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where it is.
    pub source: Source,
    /// The digest of its manifest.
    pub digest: Digest,
    /// Whose signature it needs.
    pub trust: Trust,
    /// The largest module, in bytes.
    pub most: u64,
}

/// Whose signature a plugin needs.
#[derive(Clone, Debug)]
pub enum Trust {
    /// None is looked for.
    Anybody,
    /// One of these keys has signed it.
    SignedBy {
        /// The keys.
        keys: Vec<PublicKey>,
        /// The repository that the signature is of, as `HOST/REPOSITORY`.
        identity: String,
    },
}

impl Trust {
    /// Checks the signatures of the manifest `digest`; returns the file of the key that has signed it.
    ///
    /// # Errors
    ///
    /// When a signature is needed and there is none.
    pub fn check(
        &self,
        signatures: &[Signature],
        digest: Digest,
        what: &str,
    ) -> Result<Option<PathBuf>, Error> {
        match self {
            Self::Anybody => Ok(None),
            Self::SignedBy { keys, identity } => {
                let key = signature::verify(signatures, digest, identity, keys, what)?;
                Ok(Some(key.path.clone()))
            }
        }
    }

    /// Whether there have to be signatures.
    pub fn needs_signatures(&self) -> bool {
        matches!(self, Self::SignedBy { .. })
    }
}

/// A plugin in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The module.
    pub module: Blob,
    /// The file of the module. Whoever reads it compares its digest.
    pub path: PathBuf,
    /// The file of the key that has signed it, if a signature is needed.
    pub signed_by: Option<PathBuf>,
}

impl Wanted {
    /// The artifact, for messages.
    pub fn name(&self) -> String {
        self.source.at(self.digest).to_string()
    }

    /// Finds the plugin in the store, and checks everything but the bytes of its module.
    ///
    /// # Errors
    ///
    /// When something is missing or wrong.
    pub fn find(&self, store: &Store) -> Result<Stored, Error> {
        let name = self.name();
        let manifest = store.read(self.digest, MOST_MANIFEST, &name)?;
        let module = manifest::module_of(&manifest, &name, self.most)?;
        let signatures =
            if self.trust.needs_signatures() { store.signatures(self.digest)? } else { Vec::new() };
        let signed_by = self.trust.check(&signatures, self.digest, &name).map_err(|e| match e {
            Error::NotSigned { what } => Error::SignatureNotPulled { what },
            e => e,
        })?;
        let path = store.path(module.digest);
        match fs::symlink_metadata(&path) {
            Ok(file) if file.is_file() && file.len() == module.size => Ok(Stored { module, path, signed_by }),
            Ok(_) => Err(Error::Damaged { path }),
            Err(_) => Err(Error::NotPulled { what: name }),
        }
    }

    /// Finds the plugin in the store, and checks everything.
    ///
    /// # Errors
    ///
    /// When something is missing or wrong.
    pub fn verify(&self, store: &Store) -> Result<Stored, Error> {
        let stored = self.find(store)?;
        store.read(stored.module.digest, stored.module.size, &self.name())?;
        Ok(stored)
    }
}
