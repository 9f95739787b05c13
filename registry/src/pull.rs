//! Looking up and fetching plugins.

use crate::client::{Access, Action, Repository};
use crate::digest::Digest;
use crate::error::Error;
use crate::manifest::{self, MOST_MANIFEST};
use crate::plugin::{Stored, Trust, Wanted};
use crate::signature::{self, Signature};
use crate::source::Source;
use crate::store::Store;

/// Looks up which version `source` means, and whether it is a plugin that may be used.
///
/// # Errors
///
/// When the registry does not have it, or it is no such plugin.
pub fn look_up(access: &Access, source: &Source, trust: &Trust, most: u64) -> Result<Digest, Error> {
    let repository = Repository::new(access, source, Action::Pull);
    let reference = source.digest.map(|digest| digest.to_string()).or_else(|| source.tag.clone());
    let manifest = repository.manifest(&reference.unwrap_or_default())?;
    let manifest = manifest.ok_or_else(|| Error::NotFound {
        server: source.host.clone(),
        what: source.to_string(),
        advice: "push it, or correct the source",
    })?;
    let digest = Digest::of(&manifest);
    let name = source.at(digest).to_string();
    manifest::module_of(&manifest, &name, most)?;
    if trust.needs_signatures() {
        trust.check(&signatures(&repository, digest)?, digest, &name)?;
    }
    Ok(digest)
}

/// What was fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// The plugin in the store.
    pub stored: Stored,
    /// Whether the module was fetched, and was not there before.
    pub is_new: bool,
}

/// Fetches what the store lacks of a plugin. The store has at most `most` bytes then.
///
/// # Errors
///
/// When the registry does not have it, or it is not what is wanted; nothing of it is kept then.
pub fn pull(access: &Access, store: &Store, wanted: &Wanted, most: u64) -> Result<Pulled, Error> {
    let repository = Repository::new(access, &wanted.source, Action::Pull);
    let (name, digest) = (wanted.name(), wanted.digest);
    let (manifest, is_known) = match store.read(digest, MOST_MANIFEST, &name) {
        Ok(manifest) => (manifest, true),
        Err(_) => (fetch_manifest(&repository, wanted)?, false),
    };
    let module = manifest::module_of(&manifest, &name, wanted.most)?;
    let mut signatures = None;
    if wanted.trust.needs_signatures() {
        signatures = match self::signatures(&repository, digest) {
            Ok(signatures) => {
                wanted.trust.check(&signatures, digest, &name)?;
                Some(signatures)
            }
            // Without a network, those that are there do.
            Err(Error::Unreachable { .. } | Error::Slow { .. }) if wanted.verify(store).is_ok() => None,
            Err(e) => return Err(e),
        };
    }
    let is_there = store.read(module.digest, module.size, &name).is_ok();
    if !is_there {
        let bytes = repository.blob(module.digest, module.size)?;
        if bytes.len() as u64 != module.size {
            let problem = format!("it has {} bytes, and its manifest says {}", bytes.len(), module.size);
            return Err(Error::NotAPlugin { what: name, problem });
        }
        store.write(&bytes, most)?;
    }
    if !is_known {
        store.write(&manifest, most)?;
    }
    if let Some(signatures) = signatures {
        store.write_signatures(digest, &signatures)?;
    }
    Ok(Pulled { stored: wanted.find(store)?, is_new: !is_there })
}

fn fetch_manifest(repository: &Repository<'_>, wanted: &Wanted) -> Result<Vec<u8>, Error> {
    repository.manifest(&wanted.digest.to_string())?.ok_or_else(|| Error::NotFound {
        server: wanted.source.host.clone(),
        what: wanted.name(),
        advice: "it was never there or was deleted, run `kapacitor-wasm lock` to take what the tag leads to now",
    })
}

/// The signatures that the registry has of a manifest.
pub(crate) fn signatures(repository: &Repository<'_>, digest: Digest) -> Result<Vec<Signature>, Error> {
    let Some(manifest) = repository.manifest(&signature::tag_of(digest))? else { return Ok(Vec::new()) };
    let entries = signature::entries(&manifest).map_err(|problem| Error::WrongSignature {
        what: digest.to_string(),
        problem: format!("in place of signatures, the registry has something else: {problem}"),
    })?;
    let mut signatures = Vec::with_capacity(entries.len());
    for (blob, signature) in entries {
        let payload = repository.blob(blob.digest, blob.size)?;
        // A payload that is no text is none that verifies.
        if let Ok(payload) = String::from_utf8(payload) {
            signatures.push(Signature { payload, signature });
        }
    }
    Ok(signatures)
}
