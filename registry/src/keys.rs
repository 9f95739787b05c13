//! Keys for signatures: ECDSA on the curve P-256, in PEM files as cosign and OpenSSL write them.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer};
use webpki::RawPublicKeyEntity;
use webpki::ring::ECDSA_P256_SHA256;

use crate::error::Error;

/// The largest file of a key that is read, in bytes.
const MOST: u64 = 64 * 1024;

/// What stands before the point in the DER form of a public key on P-256 (RFC 5480).
const P256_PUBLIC_KEY: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// Length of an uncompressed point on P-256.
const POINT: usize = 65;

/// A key that verifies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// The file that it was read from.
    pub path: PathBuf,
    der: Vec<u8>,
}

impl PublicKey {
    /// Reads a file `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    ///
    /// When there is no such file, or no such key in it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: &str| Error::Key { path: path.to_owned(), problem: problem.to_owned() };
        let text = read(path)?;
        if text.contains("PRIVATE KEY") {
            return Err(wrong("is a private key: give the public key, and keep this one secret"));
        }
        let key = SubjectPublicKeyInfoDer::from_pem_slice(text.as_bytes())
            .map_err(|_| wrong("has no public key: it should begin with -----BEGIN PUBLIC KEY-----"))?;
        let der = key.as_ref().to_vec();
        if der.len() != P256_PUBLIC_KEY.len() + POINT || !der.starts_with(&P256_PUBLIC_KEY) {
            return Err(wrong("is a key of another kind than ECDSA on the curve P-256"));
        }
        Ok(Self { path: path.to_owned(), der })
    }

    /// Whether this key made the signature of `message`.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = SubjectPublicKeyInfoDer::from(&self.der[..]);
        RawPublicKeyEntity::try_from(&key)
            .is_ok_and(|key| key.verify_signature(ECDSA_P256_SHA256, message, signature).is_ok())
    }
}

/// A key that signs.
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

impl PrivateKey {
    /// Reads a file `-----BEGIN PRIVATE KEY-----` (PKCS #8, not encrypted).
    ///
    /// # Errors
    ///
    /// When there is no such file, or no such key in it.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let wrong = |problem: &str| Error::Key { path: path.to_owned(), problem: problem.to_owned() };
        let text = read(path)?;
        if text.contains("ENCRYPTED") {
            return Err(wrong(
                "is encrypted, which is not supported: push without --sign, and sign with cosign",
            ));
        }
        if text.contains("-----BEGIN EC PRIVATE KEY-----") {
            return Err(wrong(
                "is not in the format PKCS #8: convert it with `openssl pkcs8 -topk8 -nocrypt`",
            ));
        }
        let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
            .map_err(|_| wrong("has no private key: it should begin with -----BEGIN PRIVATE KEY-----"))?;
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, key.secret_pkcs8_der(), &random)
            .map_err(|_| wrong("is a key of another kind than ECDSA on the curve P-256"))?;
        Ok(Self { pair, random })
    }

    /// The key that verifies what this one signs.
    pub(crate) fn public(&self) -> PublicKey {
        let der = [&P256_PUBLIC_KEY[..], self.pair.public_key().as_ref()].concat();
        PublicKey { path: PathBuf::new(), der }
    }

    /// The signature of `message`, as ASN.1.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        let signature = self.pair.sign(&self.random, message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| no_random())
    }
}

/// A new pair of keys, as the text of two PEM files: the private key and the public key.
///
/// # Errors
///
/// When the system has no random numbers.
pub fn generate() -> Result<(String, String), Error> {
    let random = SystemRandom::new();
    let private =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).map_err(|_| no_random())?;
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), &random)
        .map_err(|_| no_random())?;
    let public = [&P256_PUBLIC_KEY[..], pair.public_key().as_ref()].concat();
    Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &public)))
}

fn no_random() -> Error {
    Error::Key {
        path: "/dev/random".into(),
        problem: "gives no random numbers for a key or signature".to_owned(),
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> = (0..text.len()).step_by(64).map(|at| &text[at..text.len().min(at + 64)]).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

fn read(path: &Path) -> Result<String, Error> {
    let wrong = |problem: String| Error::Key { path: path.to_owned(), problem };
    let found = fs::metadata(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
    if !found.is_file() {
        return Err(wrong("is not a file: name a key in a PEM file".to_owned()));
    }
    let mut text = Vec::new();
    let file = fs::File::open(path).map_err(|e| wrong(format!("can't be read: {e}")))?;
    file.take(MOST).read_to_end(&mut text).map_err(|e| wrong(format!("can't be read: {e}")))?;
    String::from_utf8(text).map_err(|_| wrong("is not text: a key in a PEM file is expected".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_signs_and_verifies() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let (private, public) = generate().unwrap();
        fs::write(path("key"), &private).unwrap();
        fs::write(path("pub"), &public).unwrap();
        fs::write(path("other"), generate().unwrap().1).unwrap();
        let signature = PrivateKey::read(&path("key")).unwrap().sign(b"message").unwrap();
        let key = PublicKey::read(&path("pub")).unwrap();
        assert!(key.verifies(b"message", &signature));
        assert!(!key.verifies(b"massage", &signature));
        assert!(!key.verifies(b"message", &signature[1..]));
        assert!(!key.verifies(b"message", b""));
        assert!(!PublicKey::read(&path("other")).unwrap().verifies(b"message", &signature));
    }

    #[test]
    fn files_that_are_no_such_keys_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let (private, public) = generate().unwrap();
        let ed25519 =
            pem("PUBLIC KEY", &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00]);
        let encrypted = pem("ENCRYPTED SIGSTORE PRIVATE KEY", b"{}");
        for (text, as_public, as_private) in [
            ("", "no public key", "no private key"),
            (&private, "is a private key", ""),
            (&public, "", "no private key"),
            (&ed25519, "another kind", "no private key"),
            (&encrypted, "is a private key", "is encrypted"),
            (&pem("EC PRIVATE KEY", b"x"), "is a private key", "openssl pkcs8"),
            (&pem("PRIVATE KEY", b"x"), "is a private key", "another kind"),
        ] {
            fs::write(&path, text).unwrap();
            for (error, expected) in
                [(PublicKey::read(&path).err(), as_public), (PrivateKey::read(&path).err(), as_private)]
            {
                let error = error.map(|e| e.to_string()).unwrap_or_default();
                assert!(
                    error.contains(expected) && error.is_empty() == expected.is_empty(),
                    "{text}: {error}"
                );
            }
        }
        assert!(PublicKey::read(folder.path()).is_err());
    }
}
