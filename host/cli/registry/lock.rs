//! `lock`: looks up which version each tag leads to.

use std::process::ExitCode;

use anyhow::Result;
use kapacitor_wasm_registry::{Lock, Locked, look_up};

use super::super::exit::{DONE, FAILED};
use super::super::tell::tell;
use super::{Options, access};
use crate::plugin;

/// Writes the lock file, if all versions can be looked up.
pub fn lock(options: &Options) -> Result<ExitCode> {
    let config = options.load()?;
    let names = options.names(&config)?;
    let path = &config.registry.lock_file;
    let mut lock = Lock::read(path)?;
    // A plugin that is not in `udf.toml` any longer has no version.
    lock.plugins.retain(|name, _| config.plugins.contains_key(name));
    let access = access(&config.registry);
    let (mut code, mut lines) = (DONE, Vec::new());
    for name in names {
        let source = &config.plugins[&name].source;
        if source.digest.is_some() {
            lock.plugins.remove(&name);
            lines.push(format!("{name}: its source has the digest"));
            continue;
        }
        let trust = plugin::trust(&config, &name);
        match trust.and_then(|trust| look_up(&access, source, &trust, config.host.module.0)) {
            Ok(digest) => {
                let locked = Locked { source: source.to_string(), digest: digest.to_string() };
                let before = lock.plugins.insert(name.clone(), locked);
                lines.push(match before {
                    Some(before) if before.digest == digest.to_string() => {
                        format!("{name}: {digest} (unchanged)")
                    }
                    Some(before) => format!("{name}: {digest} (was {})", before.digest),
                    None => format!("{name}: {digest} (new)"),
                });
            }
            Err(e) => {
                tell(&format!("{name}: {e}"));
                code = FAILED;
            }
        }
    }
    if code == FAILED {
        tell(&format!("{} stays as it was", path.display()));
        return Ok(code);
    }
    lock.write(path)?;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(code)
}
