//! Everything that can go wrong: one sentence each, with what to do.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::digest::{Digest, NotADigest};

/// Why something of a registry was not done. No message has a password or a token in it.
#[derive(Debug, Error)]
#[expect(missing_docs, reason = "each one's message says it")]
pub enum Error {
    #[error(transparent)]
    Digest(#[from] NotADigest),
    #[error("`{source_text}` {reason}")]
    Source { source_text: String, reason: &'static str },

    #[error("{server} can't be reached: {reason}")]
    Unreachable { server: String, reason: String },
    #[error("{server} did not answer within {seconds} s: try again, or raise registry.timeout")]
    Slow { server: String, seconds: u64 },
    #[error("{server} has no {what}: {advice}")]
    NotFound { server: String, what: String, advice: &'static str },
    #[error("{server} answers {status} to the request for {what}{message}")]
    Status { server: String, status: u16, what: String, message: String },
    #[error("{server} sends more than {most} bytes as {what}: it is refused")]
    TooLong { server: String, what: String, most: u64 },
    #[error("{server} sends {what} that {problem}")]
    Answer { server: String, what: String, problem: String },
    #[error("{server} redirects {what} {problem}")]
    Redirect { server: String, what: String, problem: String },
    #[error("{server} lets nobody {action} without a password: sign in, as with `docker login {host}`")]
    NoPassword { server: String, host: String, action: &'static str },
    #[error("{server} refuses to let user `{user}` {action}: sign in anew, or ask for the right to do so")]
    WrongPassword { server: String, user: String, action: &'static str },
    #[error(
        "{server} sends to {realm} for a token, which gets no password: add it to registry.token-hosts if it belongs to the registry"
    )]
    ForeignRealm { server: String, realm: String },
    #[error("{server} asks for a password in a way that is not understood: {problem}")]
    Challenge { server: String, problem: String },

    #[error("{} {problem}", .path.display())]
    Credentials { path: PathBuf, problem: String },
    #[error("the helper program `{program}` for passwords {problem}")]
    Helper { program: String, problem: String },

    #[error("{what} has the digest {found}: it was changed on its way, or the registry is not what it was")]
    WrongDigest { what: String, found: Digest },
    #[error("{what} is no plugin: {problem}")]
    NotAPlugin { what: String, problem: String },
    #[error("{what} is larger than host.module = {most} bytes: raise it, or make the plugin smaller")]
    TooLarge { what: String, most: u64 },

    #[error("{} {problem}", .path.display())]
    Key { path: PathBuf, problem: String },
    #[error("{what} has no signature: have it signed with `push --sign`, or with cosign")]
    NotSigned { what: String },
    #[error(
        "the store has no signature of {what}: run `kapacitor-wasm pull`, which says whether the registry has one"
    )]
    SignatureNotPulled { what: String },
    #[error("{what} is not signed by a key of `keys`: {problem}")]
    WrongSignature { what: String, problem: String },
    #[error("signatures are required, and there is no key: set `keys`")]
    NoKeys,

    #[error("{} {problem}", .path.display())]
    Lock { path: PathBuf, problem: String },
    #[error("{0} is not in the lock file: run `kapacitor-wasm lock`")]
    NotLocked(String),
    #[error("the lock file has `{locked}`, and not {name}: run `kapacitor-wasm lock`")]
    OtherSource { name: String, locked: String },

    #[error("{what} is not in the store: run `kapacitor-wasm pull`")]
    NotPulled { what: String },
    #[error("{} is damaged: run `kapacitor-wasm pull`", .path.display())]
    Damaged { path: PathBuf },
    #[error("{} {problem}", .path.display())]
    Store { path: PathBuf, problem: String },
    #[error(
        "the store {} would have more than registry.store-limit = {most} bytes: run `kapacitor-wasm pull --prune`, or raise it", .path.display()
    )]
    StoreFull { path: PathBuf, most: u64 },
}

impl Error {
    /// What the system says of a file of the store.
    pub(crate) fn store(path: &std::path::Path, error: &io::Error) -> Self {
        Self::Store { path: path.to_owned(), problem: format!("can't be used: {error}") }
    }
}
