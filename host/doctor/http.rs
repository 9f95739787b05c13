//! Where metrics and the status are answered: whether the host does so at each address.

use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::config::ListenAddress;
use crate::endpoint::socket_path;

/// Time that a port has to take a connection.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("http");
    let config = site.shared.config();
    for address in &config.http.listen {
        if let ListenAddress::Unix(file) = address
            && let Some(name) =
                site.shared.functions().keys().find(|name| socket_path(&config, name) == *file)
        {
            findings.problem(
                format!("http.listen has {}, which is the socket of function `{name}`", file.display()),
                "name another path in http.listen",
            );
            continue;
        }
        if let Some(exposed) = address.exposed() {
            findings.warn(
                exposed,
                "listen at 127.0.0.1 or at a unix socket, or have a firewall let only those in who may",
            );
        }
        if site.running.is_none() {
            continue;
        }
        let (shown, answered) = match address {
            ListenAddress::Unix(file) => (file.display().to_string(), UnixStream::connect(file).map(drop)),
            ListenAddress::Tcp(address) => {
                (address.to_string(), TcpStream::connect_timeout(address, PATIENCE).map(drop))
            }
        };
        match answered {
            Ok(()) => {}
            Err(e) if site.host_is_alone_on_the_network() && matches!(address, ListenAddress::Tcp(_)) => {
                findings.problem(
                    format!("nobody answers at {shown} (http.listen): {e}; the unit has PrivateNetwork=yes"),
                    "add the lines for an address IP:PORT that monitoring.md has, with `systemctl edit kapacitor-wasm`",
                );
            }
            Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
                findings.skip(format!("{shown} (http.listen): this user may not use it"));
            }
            Err(e) => findings.problem(
                format!("nobody answers at {shown} (http.listen): {e}"),
                "the log of the host says why; if http.listen was changed since the host was started, restart it",
            ),
        }
    }
    if site.running.is_some() && !config.http.listen.is_empty() {
        findings.ok_if_none(format!(
            "somebody answers at all {} addresses of http.listen",
            config.http.listen.len()
        ));
    }
    findings.list()
}
