//! The pages of the status, and what clients can't do with them.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::{ask, connect, get, host, host_at_port};
use crate::support::{mean, moving_avg};

#[test]
fn pages_and_their_files_have_strict_headers() {
    let host = host("", &["mirror"]);
    let page = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let other = "default-src 'none'; frame-ancestors 'none'";
    for (path, status, kind, policy) in [
        ("/", 200, "text/html; charset=utf-8", page),
        ("/?sort=cpu&filter=&state=", 200, "text/html; charset=utf-8", page),
        ("/task?task=x", 404, "text/html; charset=utf-8", page),
        ("/?sort=x", 400, "text/plain; charset=utf-8", other),
        ("/status.css", 200, "text/css; charset=utf-8", other),
        ("/status.js", 200, "text/javascript; charset=utf-8", other),
        ("/status.svg", 200, "image/svg+xml", other),
        ("/status.json", 200, "application/json", other),
        ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8", other),
        ("/task/", 404, "text/plain; charset=utf-8", other),
    ] {
        let answer = get(&host, path, "");
        assert_eq!(answer.status, status, "{path}");
        for header in [
            format!("content-type: {kind}"),
            format!("content-security-policy: {policy}"),
            "cache-control: no-store".to_owned(),
            "x-content-type-options: nosniff".to_owned(),
            "referrer-policy: no-referrer".to_owned(),
            "cross-origin-resource-policy: same-origin".to_owned(),
        ] {
            assert!(answer.head.lines().any(|line| line == header), "{path}: {header}\n{}", answer.head);
        }
        assert!(!answer.body.is_empty());
    }
    let head = ask(connect(&host), "HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn page_is_not_for_other_hosts() {
    let (_host, address) = host_at_port(&["mirror"]);
    let many = format!("Host: {address}\r\n").repeat(20);
    for (hosts, status) in [
        (format!("Host: {address}\r\n"), 200),
        ("Host: evil.example\r\n".to_owned(), 403),
        (many, 403),
        (format!("Host: {address}\r\nHost: evil.example\r\n"), 403),
    ] {
        let stream = TcpStream::connect(&address).unwrap();
        let answer = ask(stream, &format!("GET / HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n"));
        assert_eq!(answer.status, status, "{hosts}");
        assert_eq!(answer.body.contains("<html"), status == 200);
    }
}

#[test]
fn odd_queries_are_answered_in_a_sentence_or_with_a_page() {
    let host = host("", &["mirror"]);
    let long = "x".repeat(12_000);
    for (query, status) in [
        (format!("/?filter={long}"), 200),
        (format!("/?{long}=1"), 400),
        (format!("/task?task={long}"), 404),
        ("/?page=18446744073709551615&size=18446744073709551615".to_owned(), 200),
        ("/?page=99999999999999999999".to_owned(), 400),
        ("/?filter=%FF%00%E2%80%AE&state=runs".to_owned(), 200),
        ("/?&&&=&==".to_owned(), 400),
        ("/task?%".to_owned(), 404),
    ] {
        let answer = get(&host, &query, "");
        assert_eq!(answer.status, status, "{}", &query[..query.len().min(80)]);
        // What is long is not repeated more than a few times.
        assert!(answer.body.len() < 100_000, "{}", answer.body.len());
    }
    // More than a head may have.
    assert!((400..500).contains(&get(&host, &format!("/?filter={}", "x".repeat(100_000)), "").status));
}

#[test]
fn flood_of_pages_and_slow_readers_delay_no_task() {
    let host = host("", &["moving_avg"]);
    let mut tasks: Vec<_> = (0..50)
        .map(|i| {
            let mut client = host.connect("moving_avg");
            assert!(client.init(&format!("{i}{}", "<".repeat(200)), moving_avg(2)).unwrap().success);
            client
        })
        .collect();
    mean(&mut tasks[0], 1.0);
    let before = host.resident_kib();
    // They ask for many pages, and read none.
    let clients: Vec<_> = (0..100)
        .map(|i| {
            let mut stream = connect(&host);
            let path = ["/", "/?size=1000", "/status.json?history=true", "/task?task=0"][i % 4];
            let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(20);
            // Those that have no room yet are not read from.
            stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
            let _ = stream.write_all(request.as_bytes());
            stream
        })
        .collect();
    let begin = Instant::now();
    for i in 0..200 {
        mean(&mut tasks[i % 50], 1.0);
    }
    assert!(begin.elapsed() < Duration::from_secs(60), "the tasks had to wait for clients of the page");
    let after = host.resident_kib();
    assert!(after < before + 64 * 1024, "{before} KiB before, {after} KiB after");
    drop(clients);
    assert_eq!(get(&host, "/", "").status, 200);
}
