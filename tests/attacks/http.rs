//! Clients that attack the doors of `[http]`: others are still answered, tasks go on, and nothing grows.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use kapacitor_wasm::protocol::client::Client;

use crate::http::{Answer, ask, connect, get, host};
use crate::support::{Host, Setup, mean, moving_avg};

/// The connections that an address has at most.
const MOST: usize = 16;

const HEALTH: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

/// A host with a task, which answers at a socket.
fn attacked() -> (Host, Client) {
    let host = host("", &["moving_avg"]);
    let task = host.start("moving_avg", &moving_avg(1));
    (host, task)
}

/// Asserts that others are answered, and that the task goes on.
#[track_caller]
fn assert_well(host: &Host, task: &mut Client, attack: &str) {
    for path in ["/health", "/ready", "/metrics"] {
        assert_eq!(get(host, path, "").status, 200, "{path} after {attack}");
    }
    assert_eq!(mean(task, 7.0), 7.0, "{attack}");
}

/// Sends as much as the host takes; returns what it answers.
fn send_all(mut stream: UnixStream, request: &[u8]) -> Vec<u8> {
    let mut reader = stream.try_clone().unwrap();
    let answer = thread::spawn(move || {
        let mut answer = Vec::new();
        let _ = reader.read_to_end(&mut answer);
        answer
    });
    // The host closes while more would come.
    let _ = stream.write_all(request);
    let _ = stream.shutdown(Shutdown::Write);
    answer.join().unwrap()
}

fn status_of(answer: &[u8]) -> u16 {
    let text = String::from_utf8_lossy(answer);
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

#[test]
fn clients_that_never_read_keep_nobody_out() {
    let (host, mut task) = attacked();
    // Each has more answers than the system buffers, so that the host waits for it as long as it ever does.
    let request = "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n".repeat(2000);
    let stuck: Vec<_> = (0..3 * MOST)
        .map(|_| {
            let mut stream = connect(&host);
            stream.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
            let _ = stream.write_all(request.as_bytes());
            stream
        })
        .collect();
    for _ in 0..3 {
        assert_well(&host, &mut task, "stuck clients");
    }
    drop(stuck);
}

#[test]
fn clients_that_drip_keep_nobody_out_and_are_let_go() {
    let (host, mut task) = attacked();
    let mut dripping: Vec<_> = (0..MOST).map(|_| connect(&host)).collect();
    for stream in &mut dripping {
        stream.write_all(b"GET /metrics HTTP/1.1\r\nA: ").unwrap();
    }
    assert_well(&host, &mut task, "dripping clients");
    // Each byte is well in time, and the head as a whole is not.
    while !dripping.is_empty() {
        dripping.retain_mut(|stream| stream.write_all(b"b").is_ok());
        thread::sleep(Duration::from_millis(100));
    }
    assert_well(&host, &mut task, "dripping clients");
}

#[test]
fn flood_of_connections_keeps_nobody_out() {
    let (host, mut task) = attacked();
    let (before, ends) = (host.resident_kib(), Arc::new(AtomicBool::new(false)));
    let path = host.setup.folder.path().join("http.sock");
    let flood: Vec<_> = (0..4)
        .map(|_| {
            let (path, ends) = (path.clone(), Arc::clone(&ends));
            thread::spawn(move || {
                let mut held = Vec::new();
                while !ends.load(Relaxed) {
                    // While the system's queue is full, it lets them wait.
                    held.extend(UnixStream::connect(&path));
                    if held.len() > 50 {
                        held.clear();
                    }
                }
            })
        })
        .collect();
    for _ in 0..3 {
        assert_well(&host, &mut task, "a flood");
    }
    ends.store(true, Relaxed);
    flood.into_iter().for_each(|thread| thread.join().unwrap());
    let after = host.resident_kib();
    assert!(after < before + 20 * 1024, "{before} KiB before, {after} KiB after");
}

#[test]
fn requests_one_behind_the_other_are_answered_in_order() {
    let (host, mut task) = attacked();
    let paths = ["/health", "/nothing"];
    let pair = paths.map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let request = pair.concat().repeat(250);
    let answer = String::from_utf8(send_all(connect(&host), (request + HEALTH).as_bytes())).unwrap();
    let statuses: Vec<_> = answer.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    let expected: Vec<_> = (0..501).map(|i| ["200", "404"][i % 2]).collect();
    assert_eq!(statuses, expected);
    assert_well(&host, &mut task, "many requests");
}

#[test]
fn client_that_closes_its_side_gets_its_answer() {
    let (host, mut task) = attacked();
    for request in [HEALTH, "GET /metrics HTTP/1.0\r\n\r\n", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"] {
        assert_eq!(status_of(&send_all(connect(&host), request.as_bytes())), 200, "{request}");
    }
    // And one that closes in the middle of its request gets none.
    assert_eq!(status_of(&send_all(connect(&host), &HEALTH.as_bytes()[..20])), 0);
    assert_well(&host, &mut task, "clients that close");
}

#[test]
fn what_is_no_http_1_is_refused() {
    let (host, mut task) = attacked();
    let hello = [&b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..], &[7; 500]].concat();
    let garbage: Vec<u8> = (0..100_000u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let long_line = vec![b'G'; 1_000_000];
    for (attack, request) in [
        ("HTTP/0.9", &b"GET /health\r\n\r\n"[..]),
        ("a TLS hello", &hello),
        ("HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"),
        ("noise", &garbage),
        ("a long line", &long_line),
        ("nothing but line breaks", &b"\r\n".repeat(50_000)),
        ("a version that is not there", b"GET /health HTTP/9.9\r\n\r\n"),
        ("a header without a name", b"GET /health HTTP/1.1\r\nHost: x\r\n: y\r\n\r\n"),
        ("a folded header", b"GET /health HTTP/1.1\r\nHost: x\r\n y\r\n\r\n"),
        ("a zero byte in a header", b"GET /health HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n"),
        ("two lengths", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"),
        ("a negative length", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
    ] {
        let status = status_of(&send_all(connect(&host), request));
        assert!(status == 0 || (400..506).contains(&status), "{attack}: {status}");
        assert_well(&host, &mut task, attack);
    }
}

#[test]
fn bodies_are_not_read() {
    let (host, mut task) = attacked();
    let before = host.resident_kib();
    let body = vec![b'x'; 32 << 20];
    let chunk = [&b"100000\r\n"[..], &body[..1 << 20], b"\r\n"].concat();
    let chunked =
        [&b"GET /health HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"[..], &chunk.repeat(32)]
            .concat();
    let sized = |method: &str, length: u64| {
        let head = format!("{method} /health HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n");
        [head.as_bytes(), &body[..]].concat()
    };
    for (attack, request, expected) in [
        ("a large body", sized("GET", 32 << 20), 200),
        ("a body without an end", sized("GET", u64::MAX), 200),
        ("a large body of a POST", sized("POST", 32 << 20), 405),
        ("a body in chunks", chunked, 200),
        ("an endless body of a PUT", sized("PUT", u64::MAX), 405),
    ] {
        let status = status_of(&send_all(connect(&host), &request));
        // A connection that is closed with unread input may lose the answer, and a length may be too large by itself.
        assert!(status == expected || status == 0 || (400..500).contains(&status), "{attack}: {status}");
        assert_well(&host, &mut task, attack);
    }
    let after = host.resident_kib();
    assert!(after < before + 20 * 1024, "{before} KiB before, {after} KiB after");
}

#[test]
fn client_that_waits_to_be_told_to_continue_gets_its_answer() {
    let (host, mut task) = attacked();
    for (method, expected) in [("GET", 200), ("POST", 405)] {
        let request = format!(
            "{method} /health HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 1000\r\nConnection: close\r\n\r\n"
        );
        let Answer { status, .. } = ask(connect(&host), &request);
        assert_eq!(status, expected, "{method}");
    }
    assert_well(&host, &mut task, "waiting clients");
}

#[test]
fn host_is_no_proxy() {
    let host = Setup::new("[http]\nlisten = \"127.0.0.1:0\"\n").with(&["mirror"]).serve();
    let line = host.wait_for_log(&["answers over HTTP"]);
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let ask = |first: &str| {
        let request = format!("{first} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        ask(TcpStream::connect(address).unwrap(), &request).status
    };
    assert_eq!(ask(&format!("GET http://{address}/health")), 200);
    // The host of the first line counts, whatever the header says.
    assert_eq!(ask("GET http://evil.example/health"), 403);
    assert_eq!(ask("GET http://user@evil.example:80/metrics"), 403);
    assert_eq!(ask("CONNECT evil.example:443"), 403);
    assert_eq!(ask(&format!("CONNECT {address}")), 405);
    assert_eq!(ask("OPTIONS *"), 405);
    for path in ["//health", "/health/", "/%68ealth", "/../health", "/health%00", "/metrics/../health"] {
        assert_eq!(ask(&format!("GET {path}")), 404, "{path}");
    }
    assert_eq!(ask(&format!("GET /health?{}", "x".repeat(10_000))), 200);
    assert!((400..500).contains(&ask(&format!("GET /health?{}", "x".repeat(70_000)))));
}

#[test]
fn socket_that_can_not_be_had_is_told_and_tasks_go_on() {
    let long = format!("unix:{}.sock", "x".repeat(120));
    let listen = format!(
        "[http]\nlisten = [\"unix:taken.sock\", \"unix:folder.sock\", \"unix:shared.sock\", \"{long}\"]\n"
    );
    let setup = Setup::new(&listen).with(&["moving_avg"]);
    let folder = setup.folder.path();
    std::fs::write(folder.join("taken.sock"), "a file of someone else").unwrap();
    std::fs::create_dir(folder.join("folder.sock")).unwrap();
    let _other = std::os::unix::net::UnixListener::bind(folder.join("shared.sock")).unwrap();
    let taken = folder.join("taken.sock");
    let host = setup.serve();
    for path in ["taken.sock", "folder.sock", "shared.sock", "xxx.sock"] {
        host.wait_for_log(&["lvl=error", "no answers over HTTP", path]);
    }
    assert_eq!(std::fs::read_to_string(taken).unwrap(), "a file of someone else");
    assert_eq!(mean(&mut host.start("moving_avg", &moving_avg(1)), 4.0), 4.0);
}

#[test]
fn doors_answer_again_after_the_file_descriptors_were_exhausted() {
    let config = "[http]\nlisten = \"unix:http.sock\"\n";
    let host = Setup::new(config).with(&["mirror"]).under("ulimit -n 300").serve();
    let mut open = Vec::new();
    loop {
        let mut client = host.connect("mirror");
        match client.info() {
            Ok(_) => open.push(client),
            Err(_) => break,
        }
        assert!(open.len() < 300);
    }
    // Connections of Kapacitor leave some for the rest of the host.
    assert_eq!(get(&host, "/health", "").status, 200);
    assert_eq!(get(&host, "/metrics", "").status, 200);
    drop(open);
    assert_eq!(get(&host, "/ready", "").status, 200);
}
