//! How long the host takes to start.

use std::fs;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use kapacitor_wasm::protocol::client::Client;

use crate::report::{Goal, Report, Unit};
use crate::server::{Server, command, folder, guest};
use crate::{Options, ROOT};

/// Plugins in the folder.
const PLUGINS: usize = 25;

/// From the start of the process until all plugins have been asked for their Info, the way Kapacitor does at its
/// own start. The second start of the host with these plugins, and later ones.
pub fn second_start(options: &Options, report: &mut Report) -> Result<()> {
    if !report.wants("second start") {
        return Ok(());
    }
    let folder = folder()?;
    let plugins = folder.path().join("plugins");
    fs::create_dir(&plugins)?;
    let given = Path::new(ROOT).join("plugins");
    let sources = [
        given.join("moving_avg.wasm"),
        given.join("outliers.wasm"),
        given.join("mirror.wasm"),
        guest("hand_written"),
    ];
    let names: Vec<_> = (0..PLUGINS).map(|i| format!("plugin_{i}")).collect();
    for (i, name) in names.iter().enumerate() {
        let mut module = fs::read(&sources[i % sources.len()])?;
        // A custom section, so that no two are the same: its id, its length, and its name.
        module.extend([0, 3, 2, b'a', i as u8]);
        fs::write(plugins.join(format!("{name}.wasm")), module)?;
    }
    let mut times = Vec::new();
    for _ in 0..=options.rounds {
        let start = Instant::now();
        let first = folder.path().join(format!("{}.sock", names[0]));
        let server = Server::listening(&mut command(folder.path()), &first)?;
        for name in &names {
            let socket = folder.path().join(format!("{name}.sock"));
            Client::connect(&socket).with_context(|| name.clone())?.info()?;
        }
        times.push(start.elapsed().as_secs_f64());
        server.stop()?;
    }
    report.figure(
        &format!("second start with {PLUGINS} plugins, until all have answered"),
        Unit::Time,
        &times[1..],
        Goal::AtMost(0.1),
    );
    Ok(())
}
