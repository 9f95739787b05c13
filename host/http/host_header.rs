//! Whether a request was meant for this host.
//!
//! A web page can have its own name resolve to 127.0.0.1 once it is loaded (DNS rebinding). The browser then lets it
//! read what a server on this machine answers, but sends the page's name as `Host`.

use std::fs;
use std::net::IpAddr;

use hyper::Request;
use hyper::header::HOST;

/// How a client gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// A port, which web pages can reach.
    Port,
    /// A unix socket, which they can't.
    Socket,
}

/// Whether the request is one that a web page of another host can't have sent.
pub fn is_meant(door: Door, request: &Request<impl Sized>) -> bool {
    if door == Door::Socket {
        return true;
    }
    // A request to a proxy names the host in its first line as well, or there only.
    if request.uri().host().is_some_and(|host| !is_own(host, &machine())) {
        return false;
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        // Before HTTP 1.1, and no browser does that.
        (None, _) => true,
        (Some(host), None) => host.to_str().is_ok_and(|host| is_own(host, &machine())),
        (Some(_), Some(_)) => false,
    }
}

/// Whether `host`, with a port or without, is an address, `localhost` or the name of this `machine`.
fn is_own(host: &str, machine: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.is_empty() && port.bytes().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let in_brackets = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    in_brackets.unwrap_or(name).parse::<IpAddr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || (!machine.is_empty() && name.eq_ignore_ascii_case(machine))
}

/// The name of this machine.
fn machine() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_names_of_this_machine_are_its_own() {
        for host in [
            "127.0.0.1",
            "127.0.0.1:9275",
            "[::1]",
            "[::1]:9275",
            "10.0.0.7:80",
            "localhost",
            "LocalHost:9275",
            "plant-7",
            "Plant-7:9275",
        ] {
            assert!(is_own(host, "plant-7"), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:9275",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "plant-7.evil.example",
            "localhost:",
            "localhost:x",
            "[::1",
            "::1]:80",
        ] {
            assert!(!is_own(host, "plant-7"), "{host}");
        }
        assert!(!is_own("", ""));
    }
}
