//! Groups without end: a tag whose value is new with each point.

use kapacitor_wasm::internals::now;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{Host, encoded, moving_avg, point, receive, send_apart};

/// Number of groups that come and go.
const GROUPS: i64 = 1_000_000;

/// Number of groups between two points of the group that stays.
const EVERY: i64 = 1000;

/// The points of one group after the other, and then one of the group that stays. Its values count from 0.
fn part(number: i64) -> Vec<u8> {
    // The time is now, so that nothing is idle, and checkpoints are kept.
    let point = |host: &str, value| RequestMessage::Point(point(host, now(), value));
    let churn = (0..EVERY).map(|i| point(&format!("{:012x}", number * EVERY + i), 7.0));
    encoded(churn.chain([point("steady", number as f64)]))
}

#[test]
fn million_groups_do_not_end_a_task_or_the_state_of_one_that_stays() {
    let host = Host::with(&["moving_avg"]);
    let client = host.start("moving_avg", &moving_avg(10));
    let (mut client, sender) = send_apart(client, (0..GROUPS / EVERY).map(part));
    let (mut groups, mut steady) = (0, Vec::new());
    while let Some(response) = receive(&mut client) {
        let ResponseMessage::Point(point) = response else {
            panic!("{response:?}\n{}", host.log());
        };
        let mean = point.fields_double["mean"];
        if point.tags["host"] == "steady" {
            steady.push(mean);
        } else {
            assert_eq!(mean, 7.0);
            groups += 1;
        }
    }
    sender.join().unwrap();
    assert_eq!(groups, GROUPS);
    let mean = |last: i64| (0..=last).rev().take(10).sum::<i64>() as f64 / 10.0;
    assert_eq!(steady[9..], (9..GROUPS / EVERY).map(mean).collect::<Vec<_>>());
    assert_eq!(host.count_logs(&["lvl=error"]), 0, "{}", host.log());
    // The 1st, the 10th and the 100th sweep, and none for each group.
    let told = host.count_logs(&["lvl=warn", "more than 50000 groups"]);
    assert!(told == 3 && host.count_logs(&["lvl=warn"]) == told, "{}", host.log());
}
