//! Plugins in registries: in a real one, which the tests start, and in hostile ones, which they play.

/// Starts a real registry.
mod docker_registry;
/// Registries that send what no registry should.
mod hostile;
/// Push, lock, pull and sign with a real registry.
mod real;
/// A server whose answers a test writes.
mod server;
/// Tokens, as the registries of the large providers ask for them.
mod tokens;

use std::path::Path;
use std::time::Duration;

use kapacitor_wasm_registry::{Access, Credentials, Source};

/// The smallest module.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Access without a password.
fn access() -> Access {
    Access {
        plain_http: Vec::new(),
        token_hosts: Vec::new(),
        timeout: Duration::from_secs(20),
        credentials: Credentials::of_file(Path::new("/nonexistent")),
    }
}

fn source(text: &str) -> Source {
    text.parse().unwrap()
}
