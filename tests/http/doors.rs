//! Who gets an answer, and what clients can't do to the host.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{ask, connect, get, host, host_at_port, value};
use crate::support::{Setup, mean, moving_avg};

#[test]
fn host_is_alive_and_ready() {
    let host = host("", &["mirror"]);
    let health = get(&host, "/health", "");
    assert_eq!((health.status, health.body.as_str()), (200, "{\"status\":\"ok\"}\n"));
    assert!(health.head.contains("content-type: application/json"), "{}", health.head);
    assert!(health.head.contains("cache-control: no-store"), "{}", health.head);
    let ready = get(&host, "/ready", "");
    assert_eq!((ready.status, ready.body.as_str()), (200, "{\"status\":\"ok\"}\n"));
}

#[test]
fn host_that_is_not_ready_says_why() {
    let setup = Setup::new("[http]\nlisten = [\"unix:http.sock\"]\n").with(&["mirror"]);
    std::fs::write(setup.plugin("broken"), "no wasm").unwrap();
    // In the place of a socket there is something else.
    std::fs::create_dir_all(setup.folder.path().join("run/mirror.sock")).unwrap();
    let host = setup.serve();
    let ready = get(&host, "/ready", "");
    assert_eq!(ready.status, 503, "{}", ready.body);
    let answer: Value = serde_json::from_str(&ready.body).unwrap();
    assert_eq!(answer["status"], json!("not ready"));
    let reasons = answer["reasons"].as_array().unwrap();
    let has = |start: &str| reasons.iter().any(|reason| reason.as_str().unwrap().starts_with(start));
    assert!(has("plugin \"broken\" is refused: "), "{reasons:?}");
    assert!(has("function \"mirror\" has no socket: "), "{reasons:?}");
    assert_eq!(get(&host, "/health", "").status, 200);
    // Neither of the two works.
    assert_eq!(value(&get(&host, "/metrics", "").body, "kapacitor_wasm_functions "), Some(0.0));
}

#[test]
fn only_get_and_head_of_known_paths_are_answered() {
    let host = host("", &["mirror"]);
    assert_eq!(get(&host, "/nothing", "").status, 404);
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "BREW"] {
        let answer = ask(
            connect(&host),
            &format!("{method} /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"),
        );
        assert_eq!(answer.status, 405, "{method}");
        assert!(answer.head.contains("allow: get, head"), "{}", answer.head);
    }
    let head = ask(connect(&host), "HEAD /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assert_eq!((head.status, head.body.as_str()), (200, ""));
}

#[test]
fn port_answers_only_to_names_of_this_machine() {
    let (_host, address) = host_at_port(&["mirror"]);
    let ask = |header: &str| {
        let stream = TcpStream::connect(&address).unwrap();
        ask(stream, &format!("GET /health HTTP/1.1\r\n{header}Connection: close\r\n\r\n")).status
    };
    for header in [&format!("Host: {address}\r\n"), "Host: localhost\r\n", "Host: [::1]:80\r\n"] {
        assert_eq!(ask(header), 200, "{header}");
    }
    for header in
        ["Host: evil.example\r\n", "Host: evil.example:9275\r\n", "Host: localhost\r\nHost: evil\r\n"]
    {
        assert_eq!(ask(header), 403, "{header}");
    }
}

#[test]
fn clients_that_dawdle_or_talk_nonsense_delay_nobody() {
    let host = host("", &["moving_avg"]);
    let mut task = host.start("moving_avg", &moving_avg(2));
    // Fewer than there is room for, so that one more gets an answer.
    let mut slow: Vec<_> = (0..12).map(|_| connect(&host)).collect();
    for stream in &mut slow {
        stream.write_all(b"GET /metrics HT").unwrap();
    }
    let begin = Instant::now();
    assert_eq!(get(&host, "/health", "").status, 200);
    assert_eq!(mean(&mut task, 4.0), 4.0);
    // A head that is too large, one with too many headers, and no HTTP at all.
    let large = format!("GET /health HTTP/1.1\r\nHost: {}\r\n\r\n", "x".repeat(100_000));
    let many = format!("GET /health HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(1000));
    for request in [&*large, &*many, "\0\u{1}\u{2}\r\n\r\n", "GET\r\n\r\n"] {
        let answer = ask(connect(&host), request);
        assert!((400..500).contains(&answer.status), "{}", answer.head);
    }
    assert!(begin.elapsed() < Duration::from_secs(8), "a client had to wait for another one");
    // Each of them is let go.
    for stream in &mut slow {
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
    }
    assert_eq!(mean(&mut task, 6.0), 5.0);
}

#[test]
fn flood_of_clients_waits_and_takes_no_memory() {
    let host = host("", &["moving_avg"]);
    let mut task = host.start("moving_avg", &moving_avg(2));
    let before = host.resident_kib();
    // They ask for all metrics, and never read.
    let clients: Vec<_> = (0..200)
        .map(|_| {
            let mut stream = connect(&host);
            stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
            stream
        })
        .collect();
    for i in 0..100 {
        mean(&mut task, f64::from(i));
    }
    let after = host.resident_kib();
    assert!(after < before + 20 * 1024, "{before} KiB before, {after} KiB after");
    drop(clients);
    assert_eq!(get(&host, "/health", "").status, 200);
}

#[test]
fn address_that_can_not_be_had_is_told_and_tasks_go_on() {
    let (_first, address) = host_at_port(&["mirror"]);
    let host = Setup::new(&format!("[http]\nlisten = [\"{address}\", \"unix:/nowhere/http.sock\"]\n"))
        .with(&["moving_avg"])
        .serve();
    for parts in [&["http.listen", &*address, "choose another"][..], &["http.listen", "/nowhere/http.sock"]] {
        host.wait_for_log(&[&["lvl=error"], parts].concat());
    }
    assert_eq!(mean(&mut host.start("moving_avg", &moving_avg(2)), 4.0), 4.0);
}

#[test]
fn socket_has_the_mode_of_the_others_and_goes_away() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut host = host("socket-mode = \"0600\"\n", &["mirror"]);
    let path = host.setup.folder.path().join("http.sock");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(host.stop(), Some(0));
    assert!(!path.exists());
}

#[test]
fn wrong_addresses_are_refused() {
    for (value, part) in [
        ("\"localhost:9275\"", "write `IP:PORT`"),
        ("[\"unix:\"]", "names no file"),
        ("9275", "an address in quotes, or a list of them"),
    ] {
        let (code, _, stderr) = Setup::new(&format!("[http]\nlisten = {value}\n")).run(&["check"]);
        assert_eq!(code, 1);
        assert!(stderr.contains("http.listen") && stderr.contains(part), "{stderr}");
    }
}
