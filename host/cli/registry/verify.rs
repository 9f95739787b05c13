//! `verify`: checks what was pulled, without a network.

use std::process::ExitCode;

use anyhow::Result;
use kapacitor_wasm_registry::{Lock, Stored};

use super::super::exit::{DONE, FAILED};
use super::super::tell::tell;
use super::{Options, store};
use crate::plugin;

/// Says of each plugin whether it can be used.
pub fn verify(options: &Options) -> Result<ExitCode> {
    let config = options.load()?;
    let (store, lock) = (store(&config), Lock::read(&config.registry.lock_file)?);
    let mut code = DONE;
    for name in options.names(&config)? {
        let verified = plugin::wanted(&config, &lock, &name).and_then(|wanted| {
            let stored = wanted.verify(&store)?;
            Ok((wanted.digest, stored))
        });
        match verified {
            Ok((digest, Stored { signed_by: Some(key), .. })) => {
                println!("{name}: {digest} is right, and signed by {}", key.display());
            }
            Ok((digest, _)) => println!("{name}: {digest} is right; nobody looked for signatures"),
            Err(e) => {
                tell(&format!("{name}: {e}"));
                code = FAILED;
            }
        }
    }
    Ok(code)
}
