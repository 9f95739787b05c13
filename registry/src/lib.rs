//! Plugins of kapacitor-wasm in OCI registries.
//!
//! A [`Source`] says where a plugin is. [`look_up`] finds out which version that is at the moment, a [`Lock`] keeps the
//! answers, and [`pull()`] fetches what is wanted into a [`Store`]. From then on no network is needed: [`Wanted::find`]
//! finds the plugin, and checks its manifest and signatures. [`push()`] puts plugins into a registry.
//!
//! Nothing that a registry sends is trusted: each answer has a bound in bytes and in time, what has a digest is compared
//! with it, and passwords go to the registry and to the hosts that the caller names, and to nobody else.

mod client;
mod credentials;
mod digest;
mod error;
mod folder;
mod helper;
mod keys;
mod lock;
mod manifest;
mod plugin;
mod pull;
mod push;
mod secret;
mod signature;
mod source;
mod store;
mod text;

pub use client::Access;
pub use credentials::Credentials;
pub use digest::{Digest, NotADigest};
pub use error::Error;
pub use keys::{PrivateKey, PublicKey, generate};
pub use lock::{Lock, Locked};
pub use manifest::Blob;
pub use plugin::{Stored, Trust, Wanted};
pub use pull::{Pulled, look_up, pull};
pub use push::push;
pub use signature::Signature;
pub use source::Source;
pub use store::Store;
