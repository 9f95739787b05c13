//! Plugins that were pulled from registries: which version is wanted, and where it is in the store.
//!
//! Only the store is looked at here, never a network.

use std::collections::BTreeMap;
use std::path::PathBuf;

use kapacitor_wasm_registry::{Error, Lock, PublicKey, Store, Trust, Wanted};

use super::plugin_file::PluginPath;
use crate::config::{Config, PluginSource, Signatures};

/// The plugins of `[plugins]` by name: the file, or why there is none.
pub type Pulled = BTreeMap<String, Result<PluginPath, String>>;

/// Looks up all plugins of `[plugins]` in the lock file and the store.
///
/// # Errors
///
/// When the lock file can't be read, so that nothing is known of any plugin.
pub fn pulled(config: &Config) -> Result<Pulled, Error> {
    if config.plugins.is_empty() {
        return Ok(Pulled::new());
    }
    let lock = Lock::read(&config.registry.lock_file)?;
    let store = Store::new(&config.store_dir());
    let look_up = |name: &String| {
        let stored = wanted(config, &lock, name)?.find(&store)?;
        Ok(PluginPath { path: stored.path, sha256: Some(stored.module.digest.0) })
    };
    let plugins = config.plugins.keys();
    Ok(plugins.map(|name| (name.clone(), look_up(name).map_err(|e: Error| e.to_string()))).collect())
}

/// The same for a host that starts, which must serve whatever is wrong with the lock file.
pub fn pulled_or_refused(config: &Config) -> Pulled {
    pulled(config)
        .unwrap_or_else(|e| config.plugins.keys().map(|name| (name.clone(), Err(e.to_string()))).collect())
}

/// The version that is wanted of the plugin `name` of `[plugins]`, and whose signature it needs.
///
/// # Errors
///
/// When the lock file does not say which version, or a key can't be read.
pub fn wanted(config: &Config, lock: &Lock, name: &str) -> Result<Wanted, Error> {
    let Some(PluginSource { source, .. }) = config.plugins.get(name) else {
        return Err(Error::NotLocked(format!("[plugins.{name}]")));
    };
    let digest = lock.digest(name, source)?;
    let trust = trust(config, name)?;
    Ok(Wanted { source: source.clone(), digest, trust, most: config.host.module.0 })
}

/// Whose signature the plugin `name` of `[plugins]` needs.
///
/// # Errors
///
/// When a key can't be read, or there is none.
pub fn trust(config: &Config, name: &str) -> Result<Trust, Error> {
    if config.registry.signatures == Signatures::Ignored {
        return Ok(Trust::Anybody);
    }
    let plugin = config.plugins.get(name);
    let keys: &[PathBuf] = plugin.and_then(|plugin| plugin.keys.as_deref()).unwrap_or(&config.registry.keys);
    if keys.is_empty() {
        return Err(Error::NoKeys);
    }
    let keys = keys.iter().map(|path| PublicKey::read(path)).collect::<Result<_, _>>()?;
    let signed_as = plugin.and_then(|plugin| plugin.signed_as.clone());
    let identity = signed_as.or_else(|| plugin.map(|plugin| plugin.source.identity())).unwrap_or_default();
    Ok(Trust::SignedBy { keys, identity })
}
