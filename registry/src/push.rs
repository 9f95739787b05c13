//! Putting plugins into a registry.

use crate::client::{Access, Action, Repository};
use crate::digest::Digest;
use crate::error::Error;
use crate::keys::PrivateKey;
use crate::manifest::Artifact;
use crate::pull;
use crate::signature::{self, Signature, Signed};
use crate::source::Source;

/// How a module begins: with its magic number and the version of modules. Components have another version.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Puts `module`, whose file is called `title`, into the registry under the tag of `source`, and signs it; returns the
/// digest of its manifest.
///
/// # Errors
///
/// When the source has no tag, the bytes are no module, or the registry does not take them.
pub fn push(
    access: &Access,
    source: &Source,
    module: &[u8],
    title: &str,
    key: Option<&PrivateKey>,
) -> Result<Digest, Error> {
    let (Some(tag), None) = (&source.tag, source.digest) else {
        return Err(Error::Source {
            source_text: source.to_string(),
            reason: "has no tag, or a digest: a plugin is pushed to a tag, such as :1.0, and gets its digest by that",
        });
    };
    if !module.starts_with(MODULE) {
        return Err(Error::NotAPlugin {
            what: title.to_owned(),
            problem: "it does not begin as a WebAssembly module does".to_owned(),
        });
    }
    let artifact = Artifact::of(module, title)?;
    let digest = Digest::of(&artifact.manifest);
    let repository = Repository::new(access, source, Action::Push);
    repository.put_blob(module)?;
    repository.put_blob(&artifact.config)?;
    // The signature is there before the tag leads to what it signs: whoever pulls meanwhile finds both, or the old ones.
    repository.put_manifest(&digest.to_string(), &artifact.manifest)?;
    if let Some(key) = key {
        sign(&repository, source, digest, key)?;
    }
    repository.put_manifest(tag, &artifact.manifest)?;
    Ok(digest)
}

/// Adds a signature to those of a manifest, unless the key has signed it before.
fn sign(repository: &Repository<'_>, source: &Source, digest: Digest, key: &PrivateKey) -> Result<(), Error> {
    let there = pull::signatures(repository, digest)?;
    let (identity, public) = (source.identity(), [key.public()]);
    if signature::verify(&there, digest, &identity, &public, "it").is_ok() {
        return Ok(());
    }
    let tag = signature::tag_of(digest);
    let signature = Signature::make(digest, &identity, key)?;
    let signed = Signed::with(repository.manifest(&tag)?.as_deref(), &signature)?;
    repository.put_blob(signature.payload.as_bytes())?;
    repository.put_blob(&signed.config)?;
    repository.put_manifest(&tag, &signed.manifest)
}
