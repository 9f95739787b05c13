//! Tokens and passwords: they go to the registry and to nobody else.

use std::fs;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kapacitor_wasm_registry::{Access, Credentials, Trust, look_up};

use super::server::{Seen, Server, answer};
use super::{access, source};

/// Access with the password `secret` for `host`.
fn signed_in(folder: &tempfile::TempDir, host: &str) -> Access {
    let path: PathBuf = folder.path().join("config.json");
    let auth = STANDARD.encode("me:secret");
    fs::write(&path, format!("{{\"auths\":{{\"{host}\":{{\"auth\":\"{auth}\"}}}}}}")).unwrap();
    Access { credentials: Credentials::of_file(&path), ..access() }
}

fn basic() -> String {
    format!("Basic {}", STANDARD.encode("me:secret"))
}

fn look(server: &Server, access: &Access) -> String {
    let source = source(&format!("oci://{}/plugins/a:1", server.host));
    let error = look_up(access, &source, &Trust::Anybody, 1000).unwrap_err().to_string();
    assert!(!error.contains("secret") && !error.contains(&STANDARD.encode("me:secret")), "{error}");
    error
}

/// A registry that wants a token from `realm`, and has nothing for those who have one.
fn registry(realm: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |seen: &Seen, stream| {
        let path = seen.path.as_str();
        if path.starts_with("/token") {
            return answer(stream, "200 OK", "", b"{\"token\":\"abc\"}");
        }
        if seen.authorization.as_deref() == Some("Bearer abc") {
            return answer(stream, "404 Not Found", "", b"");
        }
        let own = stream.local_addr().unwrap().to_string();
        let header = format!("WWW-Authenticate: Bearer realm=\"{}\",service=\"reg\"\r\n", realm(&own));
        answer(stream, "401 Unauthorized", &header, b"");
    })
}

#[test]
fn a_token_is_asked_for_with_the_password_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let server = registry(|own| format!("http://{own}/token"));
    let error = look(&server, &signed_in(&folder, &server.host));
    assert!(error.contains("has no oci://"), "{error}");
    let seen = server.seen();
    let paths: Vec<&str> = seen.iter().map(|seen| seen.path.as_str()).collect();
    let manifest = "/v2/plugins/a/manifests/1";
    assert_eq!(paths, [manifest, "/token?service=reg&scope=repository%3Aplugins%2Fa%3Apull", manifest]);
    assert_eq!(seen[0].authorization, None);
    assert_eq!(seen[1].authorization, Some(basic()));
}

#[test]
fn another_host_gets_no_password_unless_it_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Server::start(|_, stream| answer(stream, "200 OK", "", b"{\"token\":\"abc\"}"));
    // The same machine has two names, and so is two hosts.
    let port = stranger.host.rsplit(':').next().unwrap().to_owned();
    let server = registry(move |_| format!("http://localhost:{port}/token"));
    let access = signed_in(&folder, &server.host);
    let error = look(&server, &access);
    assert!(error.contains("add it to registry.token-hosts"), "{error}");
    assert_eq!(stranger.seen().len(), 0);

    let host = stranger.host.replace("127.0.0.1", "localhost");
    let error = look(&server, &Access { token_hosts: vec![host], ..access });
    assert!(error.contains("has no oci://"), "{error}");
    assert_eq!(stranger.seen()[0].authorization, Some(basic()));
}

#[test]
fn who_has_no_password_may_be_given_a_token_anywhere() {
    let stranger = Server::start(|_, stream| answer(stream, "200 OK", "", b"{\"token\":\"abc\"}"));
    let port = stranger.host.rsplit(':').next().unwrap().to_owned();
    let server = registry(move |_| format!("http://localhost:{port}/token"));
    assert!(look(&server, &access()).contains("has no oci://"));
    assert_eq!(stranger.seen()[0].authorization, None);
}

#[test]
fn a_redirect_takes_no_password_along() {
    let folder = tempfile::tempdir().unwrap();
    let stranger = Server::start(|_, stream| {
        let header = "WWW-Authenticate: Basic realm=\"x\"\r\n";
        answer(stream, "401 Unauthorized", header, b"");
    });
    let location = format!("Location: http://{}/x\r\n", stranger.host);
    let server = Server::start(move |seen: &Seen, stream| match &seen.authorization {
        None => answer(stream, "401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", b""),
        Some(_) => answer(stream, "307 Temporary Redirect", &location, b""),
    });
    let error = look(&server, &signed_in(&folder, &server.host));
    assert!(error.contains("answers 401"), "{error}");
    assert_eq!(server.seen()[1].authorization, Some(basic()));
    let seen = stranger.seen();
    assert_eq!((seen.len(), &seen[0].authorization), (1, &None));
}

#[test]
fn a_registry_that_is_never_satisfied_is_asked_twice() {
    let folder = tempfile::tempdir().unwrap();
    for (header, requests) in [("Basic realm=\"x\"", 2), ("Bearer realm=\"http://OWN/token\"", 3)] {
        let server = Server::start(move |seen: &Seen, stream| {
            if seen.path.starts_with("/token") {
                return answer(stream, "200 OK", "", b"{\"token\":\"abc\"}");
            }
            let own = stream.local_addr().unwrap().to_string();
            let header = format!("WWW-Authenticate: {}\r\n", header.replace("OWN", &own));
            answer(stream, "401 Unauthorized", &header, b"");
        });
        let error = look(&server, &signed_in(&folder, &server.host));
        assert!(error.contains("refuses to let user `me` pull"), "{error}");
        assert_eq!(server.seen().len(), requests);
        assert!(look(&server, &access()).contains("without a password: sign in, as with `docker login"));
    }
}

#[test]
fn strange_ways_to_ask_are_refused() {
    for (header, token, expected) in [
        ("Negotiate", "", "neither a password nor a token"),
        ("Bearer realm=\"nowhere\"", "", "to no address for a token"),
        ("Bearer realm=\"http://registry.example/token\"", "", "without TLS for a token"),
        ("Bearer realm=\"http://OWN/token\"", "{\"token\":\"a\\nb\"}", "can't be one"),
        ("Bearer realm=\"http://OWN/token\"", "<html>", "is not JSON"),
        ("Bearer realm=\"http://OWN/token\"", "{}", "has no token"),
    ] {
        let server = Server::start(move |seen: &Seen, stream| {
            if seen.path.starts_with("/token") {
                return answer(stream, "200 OK", "", token.as_bytes());
            }
            let own = stream.local_addr().unwrap().to_string();
            let header = format!("WWW-Authenticate: {}\r\n", header.replace("OWN", &own));
            answer(stream, "401 Unauthorized", &header, b"");
        });
        let error = look(&server, &access());
        assert!(error.contains(expected), "{header}: {error}");
    }
    let server = Server::start(move |seen: &Seen, stream| {
        if seen.path.starts_with("/endless") {
            let _ = std::io::Write::write_all(stream, b"HTTP/1.1 200 OK\r\n\r\n");
            while std::io::Write::write_all(stream, &vec![b' '; 65536]).is_ok() {}
            return;
        }
        let own = stream.local_addr().unwrap().to_string();
        answer(
            stream,
            "401 Unauthorized",
            &format!("WWW-Authenticate: Bearer realm=\"http://{own}/endless\"\r\n"),
            b"",
        );
    });
    let error = look(&server, &access());
    assert!(error.contains("sends more than 65536 bytes as a token"), "{error}");
}
