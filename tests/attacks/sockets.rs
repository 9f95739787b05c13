//! Kapacitor finds the sockets for as long as the host runs.

use std::fs;
use std::os::unix::net::UnixListener;

use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{Host, point, receive};

#[test]
fn socket_whose_file_is_deleted_or_replaced_is_made_again() {
    let mut host = Host::with(&["mirror"]);
    let path = host.socket("mirror");
    let mut before = host.start("mirror", &[]);
    for i in 1..=3 {
        fs::remove_file(&path).unwrap();
        if i == 2 {
            // A socket that nobody serves.
            drop(UnixListener::bind(&path).unwrap());
        }
        host.wait_for_logs(&["lvl=warn", "made again", "function=mirror"], i);
        while std::os::unix::net::UnixStream::connect(&path).is_err() {
            std::thread::yield_now();
        }
        for client in [&mut host.start("mirror", &[]), &mut before] {
            client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
            assert!(matches!(receive(client), Some(ResponseMessage::Point(_))));
        }
    }
    assert_eq!(host.count_logs(&["function has a socket now"]), 0);
    drop(before);
    assert_eq!(host.stop(), Some(0));
    assert!(!path.exists());
}

#[test]
fn socket_of_another_process_stays_when_the_host_ends() {
    let mut host = Host::with(&["mirror"]);
    let path = host.socket("mirror");
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    host.wait_for_log(&["lvl=error", "function has no socket", "mirror"]);
    assert_eq!(host.stop(), Some(0));
    assert!(path.exists());
}
