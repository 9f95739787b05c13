//! A task goes on where it was, whatever happens between two of its sessions.

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, SnapshotRequest};

use crate::support::{Host, SLOW, Setup, live_point, mean, moving_avg, play};

fn start(host: &Host, task: &str) -> Client {
    let mut client = host.connect("moving_avg");
    assert!(client.init(task, moving_avg(10)).unwrap().success);
    client
}

#[test]
fn state_is_kept_if_kapacitor_never_received_its_first_snapshot() {
    let host = Host::with(&["moving_avg"]);
    for i in 0..20 {
        let task = format!("task{i}");
        let mut client = start(&host, &task);
        mean(&mut client, 2.0);
        client.send(RequestMessage::Snapshot(SnapshotRequest {})).unwrap();
        // kapacitord is killed.
        drop(client);
        host.wait_for_log(&["task ended", &format!("task={task} ")]);
        assert_eq!(mean(&mut start(&host, &task), 4.0), 3.0, "{task}");
    }
}

#[test]
fn checkpoint_says_that_kapacitor_received_a_snapshot_without_further_points() {
    let host = Setup::new("[state]\ncheckpoint-interval = \"20ms\"\n").with(&["moving_avg"]).serve();
    let mut client = start(&host, "task");
    mean(&mut client, 2.0);
    client.snapshot(&mut Vec::new()).unwrap();
    host.wait_for_log(&["checkpoint written"]);
    for _ in 0..2 {
        client.keepalive(1).unwrap();
        client.receive().unwrap();
    }
    host.wait_for_logs(&["checkpoint written"], 2);
    // Nobody gives it back.
    drop(client);
    assert_eq!(mean(&mut start(&host, "task"), 4.0), 4.0);
    host.wait_for_log(&["Kapacitor has forgotten its snapshot"]);
}

#[test]
fn sessions_that_follow_quickly_get_the_state_in_the_order_in_which_they_came() {
    let host = Setup::new("").with_wat("slow", SLOW).serve();
    for i in 0..2 {
        let task = format!("task{i}");
        let enable = || {
            let mut client = host.connect("slow");
            assert!(client.init(&task, Vec::new()).unwrap().success);
            client
        };
        // As Kapacitor does when a task is disabled: it ends its input, and reads until the host closes.
        let before = [(); 4].map(|()| {
            let mut client = enable();
            for _ in 0..10 {
                client.send(live_point("a", 1.0)).unwrap();
            }
            client.end_input().unwrap();
            client
        });
        play(enable(), [live_point("a", 1.0)]);
        drop(before);
        host.wait_for_log(&["state restored", &format!("task={task} "), "points_seen=40"]);
    }
}
