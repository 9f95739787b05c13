//! Registries that send what no registry should: each gets one sentence, and nothing is kept.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use kapacitor_wasm_registry::{Access, Digest, Store, Trust, Wanted, look_up, pull};
use serde_json::{Value, json};

use super::server::{Seen, Server, answer};
use super::{MODULE, access, source};

const MANIFEST: &str = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";

fn manifest_of(module: &[u8], size: u64) -> Value {
    json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.wasm.config.v0+json",
            "digest": Digest::of(b"{}").to_string(),
            "size": 2,
        },
        "layers": [
            { "mediaType": "application/wasm", "digest": Digest::of(module).to_string(), "size": size },
        ],
    })
}

/// What `look_up` says of a registry that answers like this.
fn looked_up(answer: impl Fn(&Seen, &mut TcpStream) + Send + Sync + 'static) -> String {
    let server = Server::start(answer);
    looked_up_at(&server.host, &access())
}

fn looked_up_at(host: &str, access: &Access) -> String {
    let source = source(&format!("oci://{host}/plugins/a:1"));
    let error = look_up(access, &source, &Trust::Anybody, 1000).unwrap_err().to_string();
    assert!(error.len() < 600 && !error.contains(['\n', '\r', '\u{1b}']), "{error:?}");
    error
}

fn contains(text: &str, part: &str) {
    assert!(text.contains(part), "{text:?} lacks {part:?}");
}

#[test]
fn a_manifest_is_read_up_to_a_bound() {
    let announced = looked_up(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n");
    });
    contains(&announced, "sends more than 262144 bytes");
    // Without a length, the server goes on until the client has enough.
    let endless = looked_up(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&vec![b' '; 65536]).is_ok() {}
    });
    contains(&endless, "sends more than 262144 bytes");
}

#[test]
fn headers_and_error_pages_are_read_up_to_a_bound() {
    let headers = looked_up(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").is_ok() {}
    });
    contains(&headers, "can't be reached");
    let page = looked_up(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 500 Oops\r\n\r\n<html>\x1b[2J");
        while stream.write_all(&vec![b'x'; 65536]).is_ok() {}
    });
    contains(&page, "answers 500");
    contains(&page, "is it one, and is the port right?");
}

#[test]
fn what_is_no_manifest_of_a_plugin_is_refused() {
    for (body, expected) in [
        ("<html>Welcome</html>".to_owned(), "its manifest is not JSON"),
        (String::new(), "its manifest is not JSON"),
        ("[".repeat(100_000), "its manifest is not JSON"),
        (
            json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []})
                .to_string(),
            "it is a list of artifacts",
        ),
        (manifest_of(MODULE, 1001).to_string(), "is larger than host.module = 1000 bytes"),
    ] {
        let error = looked_up(move |_, stream| answer(stream, "200 OK", MANIFEST, body.as_bytes()));
        contains(&error, expected);
    }
    let mut many = manifest_of(MODULE, 8);
    many["layers"] = Value::Array(vec![many["layers"][0].clone(); 500]);
    let many = looked_up(move |_, stream| answer(stream, "200 OK", MANIFEST, many.to_string().as_bytes()));
    contains(&many, "it has 500 layers and not one");
}

#[test]
fn the_reason_of_a_registry_is_shown_without_control_characters() {
    let error = looked_up(|_, stream| {
        let body = json!({"errors": [{"code": "DENIED", "message": "no\u{1b}[2J\nFAKE LINE"}]}).to_string();
        answer(stream, "429 Too Many Requests", "", body.as_bytes());
    });
    contains(&error, "answers 429");
    contains(&error, "no\u{fffd}[2J\u{fffd}FAKE LINE");
}

#[test]
fn a_silent_or_slow_registry_is_given_up() {
    let access = Access { timeout: Duration::from_millis(300), ..access() };
    let silent = Server::start(|_, stream| {
        // Until the client is gone.
        let _ = std::io::Read::read(stream, &mut [0]);
    });
    contains(&looked_up_at(&silent.host, &access), "did not answer within");
    let slow = Server::start(|_, stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        while stream.write_all(b" ").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    contains(&looked_up_at(&slow.host, &access), "did not answer within");
    // Its listener is gone as soon as its address is known.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    contains(&looked_up_at(&nobody.to_string(), &access), "can't be reached");
}

#[test]
fn redirects_end_and_never_give_up_tls() {
    let circle = looked_up(|seen, stream| {
        answer(stream, "307 Temporary Redirect", &format!("Location: {}\r\n", seen.path), b"");
    });
    contains(&circle, "again and again");
    for (location, expected) in [
        ("http://registry.example/x", "to registry.example, which would be without TLS"),
        ("file:///etc/passwd", "to no address"),
        ("//other.example/x", "to no address"),
        ("", "to no address"),
    ] {
        let error = looked_up(move |_, stream| {
            answer(stream, "302 Found", &format!("Location: {location}\r\n"), b"");
        });
        contains(&error, expected);
    }
}

/// A registry with one plugin, whose manifest and blobs can be changed.
fn registry(manifest: Value, blob: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> (Server, Digest) {
    let manifest = manifest.to_string();
    let digest = Digest::of(manifest.as_bytes());
    let server = Server::start(move |seen, stream| {
        if seen.path.contains("/blobs/") {
            blob(stream);
        } else {
            answer(stream, "200 OK", MANIFEST, manifest.as_bytes());
        }
    });
    (server, digest)
}

/// What `pull` says, and whether the store is empty afterwards.
fn pulled(server: &Server, digest: Digest) -> String {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(folder.path());
    let wanted = Wanted {
        source: source(&format!("oci://{}/plugins/a:1", server.host)),
        digest,
        trust: Trust::Anybody,
        most: 1000,
    };
    let result = pull(&access(), &store, &wanted, 1_000_000);
    match result {
        Ok(_) => {
            wanted.verify(&store).unwrap();
            String::new()
        }
        Err(e) => {
            assert_eq!(
                store.prune(&std::collections::BTreeSet::new()).unwrap(),
                0,
                "something was kept: {e}"
            );
            e.to_string()
        }
    }
}

#[test]
fn bytes_of_another_digest_are_refused() {
    let (server, digest) = registry(manifest_of(MODULE, 8), |stream| answer(stream, "200 OK", "", MODULE));
    assert_eq!(pulled(&server, digest), "");
    // The manifest is another one than was locked.
    contains(&pulled(&server, Digest::of(b"locked")), "it was changed on its way");

    let (server, digest) =
        registry(manifest_of(MODULE, 8), |stream| answer(stream, "200 OK", "", b"\0asm\x01\0\0\x01"));
    contains(&pulled(&server, digest), "it was changed on its way");
    let (server, digest) = registry(manifest_of(MODULE, 8), |stream| answer(stream, "200 OK", "", &[0; 9]));
    contains(&pulled(&server, digest), "sends more than 8 bytes");
    // A module that is as its digest says, and not as large as the manifest says.
    let (server, digest) = registry(manifest_of(MODULE, 9), |stream| answer(stream, "200 OK", "", MODULE));
    contains(&pulled(&server, digest), "it has 8 bytes, and its manifest says 9");
    let (server, digest) = registry(manifest_of(MODULE, 8), |stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\0asm");
    });
    contains(&pulled(&server, digest), "can't be reached");
    let (server, digest) =
        registry(manifest_of(MODULE, 8), |stream| answer(stream, "404 Not Found", "", b""));
    contains(&pulled(&server, digest), "the registry has lost a part of it");
}

#[test]
fn a_blob_may_be_elsewhere() {
    let storage = Server::start(|_, stream| answer(stream, "200 OK", "", MODULE));
    let location = format!("Location: http://{}/bucket?signed=1\r\n", storage.host);
    let (server, digest) = registry(manifest_of(MODULE, 8), move |stream| {
        answer(stream, "307 Temporary Redirect", &location, b"");
    });
    assert_eq!(pulled(&server, digest), "");
    assert_eq!(storage.seen()[0].path, "/bucket?signed=1");
}
