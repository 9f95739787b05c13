//! Many random sessions at once: points, points at which the plugin fails, snapshots, restores and
//! disconnects. In the end every point is accounted for, and the host needs no more memory than before.
//!
//! The test takes ten seconds, or the number in the environment variable `SOAK_SECONDS`.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};
use rand::rngs::SmallRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::support::{Host, Setup, number, point};

const SESSIONS: u64 = 200;

const CONFIG: &str = "
[limits]
memory = \"16MiB\"
call-deadline = \"500ms\"
[policy]
failures-per-minute = 1000000
journal = \"64KiB\"
";

/// Counts of the clients.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    sessions: u64,
    sent: u64,
    bad: u64,
    received: u64,
    snapshots: u64,
    restores: u64,
    disconnects: u64,
}

#[test]
fn random_sessions_lose_nothing_and_memory_is_flat() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(10);
    let mut host = Setup::new(CONFIG).with(&["fragile"]).serve();
    let totals = Mutex::new(Totals::default());
    let states = Mutex::new(Vec::new());
    let begin = Instant::now();
    let until = |part: u32| begin + Duration::from_secs(seconds) * part / 4;
    // The memory after the first quarter is compared with that after the last one.
    let mut resident = Vec::new();
    for quarter in 1..=4 {
        thread::scope(|scope| {
            for seed in 0..SESSIONS {
                let (host, states, totals, until) = (&host, &states, &totals, until(quarter));
                scope.spawn(move || {
                    one_after_the_other(host, seed + 1000 * u64::from(quarter), until, states, totals);
                });
            }
        });
        resident.push(host.resident_kib());
    }
    let totals = totals.into_inner().unwrap();
    assert_eq!(host.stop(), Some(0));
    let log = host.log();
    let ended: Vec<&str> = log.lines().filter(|line| line.contains("msg=\"task ended\"")).collect();
    let sum = |key: &str| -> u64 { ended.iter().map(|line| number(line, key)).sum() };
    let [points_in, points_out, skipped, unfinished, recoveries] =
        ["points_in=", "points_out=", "skipped=", "unfinished=", "recoveries="].map(sum);
    println!("{totals:?}");
    println!(
        "host: in {points_in}, out {points_out}, skipped {skipped}, unfinished {unfinished}, recoveries {recoveries}"
    );
    println!("resident KiB after each quarter: {resident:?}");
    assert_eq!(ended.len() as u64, totals.sessions);
    assert_eq!(points_in, points_out + skipped + unfinished);
    assert!(points_in <= totals.sent && skipped <= totals.bad && totals.received <= points_out);
    assert!(recoveries > 0 && totals.restores > 0 && totals.disconnects > 0, "{totals:?}");
    assert!(!log.contains("fault of the host") && !log.contains("set aside"), "{log}");
    let (first, last) = (resident[0], resident[3]);
    assert!(last < first + first / 4 + 16 * 1024, "memory grows: {resident:?} KiB");
}

/// Runs sessions one after the other until the time is over, at least one.
fn one_after_the_other(
    host: &Host,
    seed: u64,
    until: Instant,
    states: &Mutex<Vec<Vec<u8>>>,
    totals: &Mutex<Totals>,
) {
    let mut random = SmallRng::seed_from_u64(seed);
    loop {
        let done = one(host, &mut random, states);
        let mut totals = totals.lock().unwrap();
        totals.sessions += 1;
        totals.sent += done.sent;
        totals.bad += done.bad;
        totals.received += done.received;
        totals.snapshots += done.snapshots;
        totals.restores += done.restores;
        totals.disconnects += done.disconnects;
        drop(totals);
        if Instant::now() > until {
            return;
        }
    }
}

/// Runs one session, and checks that it receives every good point.
fn one(host: &Host, random: &mut SmallRng, states: &Mutex<Vec<Vec<u8>>>) -> Totals {
    let mut done = Totals::default();
    let mut client = host.start("fragile", &[]);
    let state = states.lock().unwrap().pop();
    if let Some(state) = state {
        assert!(client.restore(state).unwrap().success);
        done.restores += 1;
    }
    let mut received = Vec::new();
    for _ in 0..random.random_range(1..20) {
        for _ in 0..random.random_range(1..200) {
            let mut point = point("a", done.sent as i64, 1.0);
            if random.random_ratio(1, 200) {
                let how = ["panic", "fail", "deep", "hog"][random.random_range(0..4)];
                point.fields_int.insert(how.to_owned(), 9);
                done.bad += 1;
            }
            client.send(RequestMessage::Point(point)).unwrap();
            done.sent += 1;
        }
        if random.random_ratio(1, 4) {
            let state = client.snapshot(&mut received).unwrap();
            states.lock().unwrap().push(state);
            done.snapshots += 1;
        }
    }
    if random.random_ratio(1, 3) {
        // A killed Kapacitor disconnects like this.
        done.disconnects += 1;
        drop(client);
    } else {
        client.end_input().unwrap();
        received.extend(client.rest().unwrap());
        let points = received.iter().filter(|r| matches!(r, ResponseMessage::Point(_))).count() as u64;
        let errors: Vec<_> = received.iter().filter(|r| matches!(r, ResponseMessage::Error(_))).collect();
        assert_eq!(points, done.sent - done.bad, "{errors:?}");
        done.received += points;
        return done;
    }
    done.received += received.iter().filter(|r| matches!(r, ResponseMessage::Point(_))).count() as u64;
    done
}
