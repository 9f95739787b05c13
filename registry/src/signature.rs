//! Signatures as cosign makes them with a key: the format "simple signing", in a manifest of their own.
//!
//! The signatures of the manifest `sha256:HEX` are the layers of the manifest with the tag `sha256-HEX.sig` in the same
//! repository. A layer says what was signed; its annotation has the signature of its bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::digest::Digest;
use crate::error::Error;
use crate::keys::{PrivateKey, PublicKey};
use crate::manifest::{self, Blob, Part};
use crate::text::shown;

/// Media type of what was signed.
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// Media type of the config of a manifest with signatures.
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Annotation with the signature in base64.
const ANNOTATION: &str = "dev.cosignproject.cosign/signature";
/// What a payload says of its kind.
const KIND: &str = "cosign container image signature";

/// Maximum number of signatures of one manifest.
pub const MOST_SIGNATURES: usize = 32;
/// The largest payload that is read, in bytes.
pub const MOST_PAYLOAD: u64 = 16 * 1024;
/// The longest signature in base64. One of P-256 has at most 96 characters.
const MOST_TEXT: usize = 1024;

/// A signature of a manifest.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Signature {
    /// What was signed, as JSON.
    pub payload: String,
    /// The signature of the payload in base64.
    pub signature: String,
}

/// The parts of a payload that matter.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    identity: Identity,
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Identity {
    #[serde(rename = "docker-reference")]
    reference: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

impl Signature {
    /// Signs the manifest `digest` in the repository `identity`, which is `HOST/REPOSITORY`.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers.
    pub fn make(digest: Digest, identity: &str, key: &PrivateKey) -> Result<Self, Error> {
        let payload = json!({
            "critical": {
                "identity": { "docker-reference": identity },
                "image": { "docker-manifest-digest": digest.to_string() },
                "type": KIND,
            },
            "optional": null,
        });
        let payload = payload.to_string();
        let signature = STANDARD.encode(key.sign(payload.as_bytes())?);
        Ok(Self { payload, signature })
    }
}

/// The tag of the signatures of a manifest.
pub fn tag_of(digest: Digest) -> String {
    format!("sha256-{}.sig", digest.hex())
}

/// Finds a key of `keys` that has signed the manifest `digest` as one of the repository `identity`.
///
/// # Errors
///
/// When there is none: the reason that comes nearest. `what` is the artifact, for the message.
pub fn verify<'a>(
    signatures: &[Signature],
    digest: Digest,
    identity: &str,
    keys: &'a [PublicKey],
    what: &str,
) -> Result<&'a PublicKey, Error> {
    if keys.is_empty() {
        return Err(Error::NoKeys);
    }
    if signatures.is_empty() {
        return Err(Error::NotSigned { what: what.to_owned() });
    }
    let mut problem = "its signatures are of other keys".to_owned();
    for Signature { payload, signature } in signatures.iter().take(MOST_SIGNATURES) {
        let Ok(signature) = STANDARD.decode(signature) else { continue };
        let Some(key) = keys.iter().find(|key| key.verifies(payload.as_bytes(), &signature)) else {
            continue;
        };
        // From here on, the text is that of somebody with the key.
        match serde_json::from_str::<Payload>(payload).map(|payload| payload.critical) {
            Ok(signed) if signed.kind != KIND || signed.image.digest != digest.to_string() => {
                "its signature is of another artifact".clone_into(&mut problem);
            }
            Ok(signed) if !same_repository(&signed.identity.reference, identity) => {
                problem = format!(
                    "its signature is of {}: set `signed-as` if it is a copy of that",
                    shown(&signed.identity.reference)
                );
            }
            Ok(_) => return Ok(key),
            Err(_) => "its signature is of something else than an artifact".clone_into(&mut problem),
        }
    }
    Err(Error::WrongSignature { what: what.to_owned(), problem })
}

/// Whether two names are of the same repository. cosign has another name for Docker Hub, and adds tags and digests if it
/// is told so.
fn same_repository(signed: &str, identity: &str) -> bool {
    let plain = |name: &str| {
        let name = name.split('@').next().unwrap_or_default();
        let (folder, last) = name.rsplit_once('/').unwrap_or(("", name));
        let last = last.split(':').next().unwrap_or_default();
        let name = format!("{folder}/{last}");
        match name.strip_prefix("index.docker.io/") {
            Some(repository) => format!("docker.io/{repository}"),
            None => name,
        }
    };
    plain(signed) == plain(identity)
}

/// A manifest of signatures, and the config that it names.
pub struct Signed {
    /// The config.
    pub config: Vec<u8>,
    /// The manifest.
    pub manifest: Vec<u8>,
}

impl Signed {
    /// The manifest with one more signature than `before`, which comes first. Those before stay with all that other tools
    /// say of them.
    ///
    /// # Errors
    ///
    /// When `before` is no manifest.
    pub fn with(before: Option<&[u8]>, signature: &Signature) -> Result<Self, Error> {
        let before = before.map(manifest::read).transpose().map_err(|problem| Error::WrongSignature {
            what: "the manifest of the signatures that are there".to_owned(),
            problem,
        })?;
        let annotations = [(ANNOTATION, signature.signature.as_str())];
        let part =
            Part { media_type: PAYLOAD, bytes: signature.payload.as_bytes(), annotations: &annotations };
        let mut layers = vec![part.descriptor()?];
        layers.extend(before.into_iter().flat_map(|before| before.layers().clone()));
        let digests: Vec<String> = layers.iter().map(|layer| layer.digest().to_string()).collect();
        let config = json!({
            "architecture": "",
            "os": "",
            "config": {},
            "rootfs": { "type": "layers", "diff_ids": digests },
        });
        let config = config.to_string().into_bytes();
        let manifest =
            manifest::build(&Part { media_type: CONFIG, bytes: &config, annotations: &[] }, layers)?;
        Ok(Self { config, manifest })
    }
}

/// The signatures that a manifest lists: the blob of each payload, and the signature in base64. Layers of another kind
/// are left out, and so is what is too large.
///
/// # Errors
///
/// The end of a sentence, when it is no manifest.
pub fn entries(manifest: &[u8]) -> Result<Vec<(Blob, String)>, String> {
    let manifest = manifest::read(manifest)?;
    let mut entries = Vec::new();
    for layer in manifest.layers() {
        let text = layer.annotations().as_ref().and_then(|annotations| annotations.get(ANNOTATION));
        let (Some(text), true) = (text, layer.media_type().to_string() == PAYLOAD) else { continue };
        let Ok(digest) = layer.digest().to_string().parse() else { continue };
        if layer.size() <= MOST_PAYLOAD && text.len() <= MOST_TEXT {
            entries.push((Blob { digest, size: layer.size() }, text.clone()));
        }
        if entries.len() == MOST_SIGNATURES {
            break;
        }
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::keys::generate;

    const IDENTITY: &str = "h.example/plugins/a";

    fn pair() -> (PrivateKey, PublicKey) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let (private, public) = generate().unwrap();
        fs::write(&path, private).unwrap();
        let private = PrivateKey::read(&path).unwrap();
        fs::write(&path, public).unwrap();
        (private, PublicKey::read(&path).unwrap())
    }

    fn check(signatures: &[Signature], digest: Digest, identity: &str, keys: &[PublicKey]) -> String {
        verify(signatures, digest, identity, keys, "x").map_or_else(|e| e.to_string(), |_| String::new())
    }

    #[test]
    fn only_the_same_artifact_in_the_same_repository_is_signed() {
        let (private, public) = pair();
        let (digest, keys) = (Digest::of(b"a"), [public]);
        let good = Signature::make(digest, IDENTITY, &private).unwrap();
        let one = std::slice::from_ref(&good);
        assert_eq!(check(one, digest, IDENTITY, &keys), "");
        assert!(check(one, Digest::of(b"b"), IDENTITY, &keys).contains("another artifact"));
        assert!(check(one, digest, "h.example/plugins/b", &keys).contains("signed-as"));
        assert!(check(one, digest, IDENTITY, &[pair().1]).contains("other keys"));
        assert!(check(one, digest, IDENTITY, &[]).contains("set `keys`"));
        assert!(check(&[], digest, IDENTITY, &keys).contains("no signature"));
        // One of two is enough, whatever the other is.
        let other = Signature { payload: "{}".to_owned(), signature: "?".to_owned() };
        assert_eq!(check(&[other, good.clone()], digest, IDENTITY, &[pair().1, keys[0].clone()]), "");
        // A signature of the same text in another form is none.
        let spaced = Signature { payload: format!("{} ", good.payload), ..good };
        assert!(check(&[spaced], digest, IDENTITY, &keys).contains("other keys"));
    }

    #[test]
    fn the_manifest_of_signatures_is_read_as_it_was_built() {
        let (private, _) = pair();
        let [first, second] =
            ["a", "b"].map(|name| Signature::make(Digest::of(name.as_bytes()), IDENTITY, &private).unwrap());
        let one = Signed::with(None, &first).unwrap().manifest;
        let two = Signed::with(Some(&one), &second).unwrap().manifest;
        let expected = [second, first].map(|signature| {
            let size = signature.payload.len() as u64;
            (Blob { digest: Digest::of(signature.payload.as_bytes()), size }, signature.signature)
        });
        assert_eq!(entries(&two).unwrap(), expected);
        assert!(Signed::with(Some(b"<html>"), &signature_of_nothing()).is_err());
    }

    fn signature_of_nothing() -> Signature {
        Signature { payload: "{}".to_owned(), signature: String::new() }
    }

    #[test]
    fn names_of_a_repository_are_compared_without_tags() {
        for (signed, same) in [
            ("h.example/plugins/a", true),
            ("h.example/plugins/a:1.2", true),
            ("h.example/plugins/a@sha256:00", true),
            ("h.example/plugins/ab", false),
            ("evil.example/plugins/a", false),
            ("", false),
        ] {
            assert_eq!(same_repository(signed, IDENTITY), same, "{signed}");
        }
        assert!(same_repository("index.docker.io/u/a", "docker.io/u/a"));
        assert!(!same_repository("h:1/a", "h:2/a"));
    }
}
