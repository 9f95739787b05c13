//! `config --systemd`: the unit of the sockets.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;

use crate::config::Config;
use crate::endpoint::socket_path;
use crate::shared::Shared;
use anyhow::Result;

use super::exit::DONE;
use super::serve::ensure_functions;
use super::settings::looking;

/// User and group of Kapacitor, and of the service that is shipped.
const KAPACITOR: &str = "kapacitor";

/// Prints `kapacitor-wasm.socket`.
pub fn config(config: Config) -> Result<ExitCode> {
    let shared = Shared::new(config, &looking())?;
    ensure_functions(&shared)?;
    let mut sockets = String::new();
    for name in shared.functions().keys() {
        let path = std::path::absolute(socket_path(&shared.config(), name))?;
        writeln!(sockets, "ListenStream={}", escaped(&path.display().to_string()))?;
    }
    let unit = format!(
        "# kapacitor-wasm {version}: into /etc/systemd/system/kapacitor-wasm.socket, beside kapacitor-wasm.service.
# Print it again after a function was added or removed, or udf.toml has another socket-dir, socket-mode or
# socket-group. Then, and the first time:
#   systemctl daemon-reload
#   systemctl enable kapacitor-wasm.socket
#   systemctl stop kapacitor-wasm.socket
#   systemctl restart kapacitor-wasm.service
# The service, which starts the sockets, stops first: systemd makes none while it runs.
[Unit]
Description=Sockets of the WebAssembly UDFs for Kapacitor
# Kapacitor connects to every UDF before it serves anything.
Before=kapacitor.service

[Socket]
{sockets}SocketMode={mode:04o}
# RuntimeDirectory= of the service gives the folder, with the sockets in it, to the service's user and
# group: let its Group= be this one.
SocketUser={KAPACITOR}
SocketGroup={group}
DirectoryMode=0755

[Install]
WantedBy=sockets.target
",
        version = env!("CARGO_PKG_VERSION"),
        mode = shared.config().socket_mode.0,
        group = escaped(shared.config().socket_group.as_deref().unwrap_or(KAPACITOR)),
    );
    std::io::stdout().write_all(unit.as_bytes())?;
    Ok(DONE)
}

/// systemd replaces `%` and a letter.
fn escaped(value: &str) -> String {
    value.replace('%', "%%")
}
