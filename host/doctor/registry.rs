//! Plugins from registries: whether what was pulled is what was locked, and whole.
//!
//! No registry is asked: an installation works, or does not, without a network.

use kapacitor_wasm_registry::{Lock, Store};

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::config::Signatures;
use crate::plugin::wanted;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("registry");
    let config = site.shared.config();
    let count = config.plugins.len();
    if count == 0 {
        return findings.list();
    }
    let lock = match Lock::read(&config.registry.lock_file) {
        Ok(lock) => lock,
        Err(e) => {
            findings.plain_problem(e.to_string());
            return findings.list();
        }
    };
    let store = Store::new(&config.store_dir());
    for name in config.plugins.keys() {
        if let Err(e) = wanted(&config, &lock, name).and_then(|wanted| wanted.verify(&store)) {
            findings.plain_problem(format!("[plugins.{name}]: {e}"));
        }
    }
    let signatures = match config.registry.signatures {
        Signatures::Required => "all are signed by a known key",
        Signatures::Ignored => "nobody looks for signatures (registry.signatures)",
    };
    findings.ok_if_none(format!(
        "{count} plugins come from registries, and are as they were locked; {signatures}"
    ));
    findings.list()
}
