//! `[registry]` and `[plugins.NAME]`: plugins that come from registries.

use std::path::{Path, PathBuf};

use kapacitor_wasm_registry::Source;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::units::{Bytes, Span};

/// `[registry]`: how plugins come from registries, and whom this host trusts.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Registry {
    /// File with the version of each plugin; relative to the folder of `udf.toml`.
    #[serde(serialize_with = "shown")]
    pub lock_file: PathBuf,
    /// Folder of what was pulled; `registry` in `state-dir` if absent.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "shown_option")]
    pub store_dir: Option<PathBuf>,
    /// Maximum size of all files of the store.
    pub store_limit: Bytes,
    /// Whether plugins must be signed.
    pub signatures: Signatures,
    /// Files of the public keys of those who sign.
    #[serde(serialize_with = "shown_all")]
    pub keys: Vec<PathBuf>,
    /// Hosts, with their ports, that are spoken to without TLS.
    pub plain_http: Vec<String>,
    /// Hosts that get the passwords of registries that send to them for tokens.
    pub token_hosts: Vec<String>,
    /// Time that a registry has for each answer.
    pub timeout: Span,
}

/// `registry.signatures`.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signatures {
    /// Nobody looks for them.
    #[default]
    Ignored,
    /// A plugin without one of a known key is refused.
    Required,
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            lock_file: "plugins.lock".into(),
            store_dir: None,
            store_limit: Bytes::mib(1024),
            signatures: Signatures::default(),
            keys: Vec::new(),
            plain_http: Vec::new(),
            token_hosts: Vec::new(),
            timeout: Span(std::time::Duration::from_secs(30)),
        }
    }
}

impl Registry {
    /// Takes relative paths as relative to `folder`.
    pub(super) fn relative_to(&mut self, folder: &Path) {
        let paths = self.keys.iter_mut().chain(&mut self.store_dir).chain([&mut self.lock_file]);
        paths.for_each(|path| *path = folder.join(&*path));
    }

    /// The key that is zero and must not be.
    pub(super) fn zero(&self) -> Option<&'static str> {
        let zero = [
            (self.store_limit.0 == 0, "registry.store-limit"),
            (self.timeout.0.is_zero(), "registry.timeout"),
        ];
        zero.into_iter().find_map(|(is_zero, key)| is_zero.then_some(key))
    }
}

/// One `[plugins.NAME]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct PluginSource {
    /// Where the plugin is: `oci://HOST/REPOSITORY:TAG`.
    #[serde(deserialize_with = "source", serialize_with = "as_text")]
    pub source: Source,
    /// Files of public keys, in place of those of `[registry]`.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "shown_list")]
    pub keys: Option<Vec<PathBuf>>,
    /// The repository that it was signed as, if `source` is a copy: `HOST/REPOSITORY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_as: Option<String>,
}

impl PluginSource {
    /// Takes relative paths as relative to `folder`.
    pub(super) fn relative_to(&mut self, folder: &Path) {
        self.keys.iter_mut().flatten().for_each(|path| *path = folder.join(&*path));
    }
}

/// Whether a plugin may have this name: one that a file of the plugins folder may have, too.
pub(super) fn is_plugin_name(name: &str) -> bool {
    let usual = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(usual)
}

fn source<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Source, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn as_text<S: Serializer>(source: &Source, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(source)
}

/// A path as a text, also if it is not UTF-8.
fn shown<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&path.display())
}

#[expect(clippy::ref_option, reason = "serde calls it like this")]
fn shown_option<S: Serializer>(path: &Option<PathBuf>, serializer: S) -> Result<S::Ok, S::Error> {
    shown(path.as_deref().unwrap_or(Path::new("")), serializer)
}

fn shown_all<S: Serializer>(paths: &[PathBuf], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(paths.iter().map(|path| path.display().to_string()))
}

#[expect(clippy::ref_option, reason = "serde calls it like this")]
fn shown_list<S: Serializer>(paths: &Option<Vec<PathBuf>>, serializer: S) -> Result<S::Ok, S::Error> {
    shown_all(paths.as_deref().unwrap_or_default(), serializer)
}
