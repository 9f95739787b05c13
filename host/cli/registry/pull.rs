//! `pull`: fetches what the lock file says.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use kapacitor_wasm_registry::{Digest, Error, Lock, Pulled, Store, pull as pull_one};

use super::super::exit::{DONE, FAILED};
use super::super::tell::tell;
use super::{Options, access, store};
use crate::config::Config;
use crate::plugin;

/// What is fetched, and what is deleted.
#[derive(Args)]
pub struct PullOptions {
    #[command(flatten)]
    options: Options,
    /// Delete from the store what neither `udf.toml` nor the lock file names.
    #[arg(long)]
    prune: bool,
}

/// Fetches what the store lacks.
pub fn pull(PullOptions { options, prune }: &PullOptions) -> Result<ExitCode> {
    let config = options.load()?;
    let (store, lock) = (store(&config), Lock::read(&config.registry.lock_file)?);
    // A full store has to be emptied first.
    if *prune {
        let freed = store.prune(&used(&config, &store, &lock))?;
        println!("{freed} bytes of {} were not used any longer", store.folder().display());
    }
    let names = options.names(&config)?;
    let access = access(&config.registry);
    let mut code = DONE;
    for name in names {
        let pulled = plugin::wanted(&config, &lock, &name).and_then(|wanted| {
            let pulled = pull_one(&access, &store, &wanted, config.registry.store_limit.0)?;
            Ok((wanted.digest, pulled))
        });
        match pulled {
            Ok((digest, Pulled { stored, is_new: true })) => {
                println!("{name}: pulled {digest} ({} bytes)", stored.module.size);
            }
            Ok((digest, _)) => println!("{name}: {digest} is there"),
            Err(e) => {
                tell(&format!("{name}: {e}"));
                code = FAILED;
            }
        }
    }
    Ok(code)
}

/// The manifests and modules of all versions that are named.
fn used(config: &Config, store: &Store, lock: &Lock) -> BTreeSet<Digest> {
    let sources = config.plugins.values().filter_map(|plugin| plugin.source.digest);
    let locked = lock.plugins.values().filter_map(|locked| locked.digest.parse().ok());
    let manifests: BTreeSet<Digest> = sources.chain(locked).collect();
    let modules = manifests.iter().filter_map(|digest| module_of(*digest, store).ok());
    let modules: Vec<Digest> = modules.collect();
    manifests.into_iter().chain(modules).collect()
}

fn module_of(manifest: Digest, store: &Store) -> Result<Digest, Error> {
    store.module_of(manifest).map(|module| module.digest)
}
