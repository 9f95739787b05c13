//! All kinds of attacks at random, beside a task that must lose nothing; in the end the host holds what it held
//! before.
//!
//! The test takes fifteen seconds, or the number in the environment variable `SOAK_SECONDS`.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{Point, RequestMessage};
use rand::rngs::SmallRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};

use crate::support::{Host, Setup, batch, encoded, field, moving_avg, point, points, receive};

/// Number of attackers at a time.
const ATTACKERS: u64 = 12;

const CONFIG: &str = r#"
[sessions]
drain-deadline = "60s"
message = "1MiB"
queue = "256KiB"
[limits]
memory = "4MiB"
call-deadline = "300ms"
[policy]
failures-per-minute = 1000000
[functions.mirror.policy]
on-full = "drop-oldest"
"#;

/// Hostile guests that fail in different ways.
const GUESTS: [&str; 8] = [
    "limits/endless_loop",
    "limits/memory_hog",
    "limits/stack_overflow",
    "frames/garbage",
    "batches/end_without_begin",
    "text/panic_flood",
    "traps/trap_in_process",
    "wasi/print_flood",
];

/// What the process holds at one moment.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: usize,
    resident_kib: u64,
    disk_kib: u64,
}

#[test]
fn attacks_of_all_kinds_leave_nothing_behind() {
    let seconds = std::env::var("SOAK_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(15);
    let mut setup = Setup::new(CONFIG).with(&["mirror", "mirror_batch", "moving_avg", "fragile"]);
    for guest in GUESTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/guests/wat/{guest}.wat"));
        setup = setup.with_wat(&name(guest), &fs::read_to_string(path).unwrap());
    }
    let mut host = setup.serve();
    // The first part creates what stays: threads, pools of memory, files of each task.
    attack(&host, 0, Duration::from_secs(seconds) / 3);
    let before = at_rest(&host, None);
    attack(&host, 1000, Duration::from_secs(seconds) * 2 / 3);
    let after = at_rest(&host, Some(&before));
    println!("before {before:?}\nafter  {after:?}");
    assert!(after.descriptors <= before.descriptors, "{before:?} {after:?}");
    assert!(after.threads <= before.threads, "{before:?} {after:?}");
    assert!(
        after.resident_kib < before.resident_kib + before.resident_kib / 4 + 16 * 1024,
        "{before:?} {after:?}"
    );
    assert!(after.disk_kib < before.disk_kib + before.disk_kib / 4 + 4 * 1024, "{before:?} {after:?}");
    assert_eq!(host.stop(), Some(0));
    let log = host.log();
    assert!(!log.contains("fault of the host") && !log.contains("panicked at host"), "{log}");
}

fn name(guest: &str) -> String {
    guest.rsplit('/').next().unwrap().to_owned()
}

/// Lets the attackers loose for some time, beside a task that is checked.
fn attack(host: &Host, seed: u64, time: Duration) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| neighbour(host, &stop));
        let attackers: Vec<_> = (0..ATTACKERS)
            .map(|attacker| {
                let until = Instant::now() + time;
                scope.spawn(move || {
                    let mut random = SmallRng::seed_from_u64(seed + attacker);
                    while Instant::now() < until {
                        one_attack(host, attacker, &mut random);
                    }
                })
            })
            .collect();
        attackers.into_iter().for_each(|attacker| attacker.join().unwrap());
        stop.store(true, Relaxed);
        let (points, slowest) = neighbour.join().unwrap();
        println!("neighbour: {points} points, the slowest took {slowest:?}");
    });
}

/// Sends one point after the other to `moving_avg`, and checks each answer.
fn neighbour(host: &Host, stop: &AtomicBool) -> (u64, Duration) {
    let mut client = host.start("moving_avg", &moving_avg(2));
    let (mut sent, mut slowest) = (0, Duration::ZERO);
    while !stop.load(Relaxed) {
        let start = Instant::now();
        client.send(RequestMessage::Point(point("a", sent, sent as f64))).unwrap();
        let answer = receive(&mut client).expect("the task goes on");
        let expected = if sent == 0 { 0.0 } else { sent as f64 - 0.5 };
        assert_eq!(field(&[answer], "mean"), [expected]);
        slowest = slowest.max(start.elapsed());
        sent += 1;
        thread::sleep(Duration::from_millis(2));
    }
    (sent as u64, slowest)
}

/// One attack on the host. What becomes of the attacker's own session does not matter, so errors are ignored.
fn one_attack(host: &Host, attacker: u64, random: &mut SmallRng) {
    match random.random_range(0..14) {
        0 => half_message(host.connect("mirror"), random),
        1 => requests_that_nobody_reads(host.start("mirror", &[]), random),
        2 => garbage(host.connect("mirror"), random),
        3 => hostile_guest(host, random),
        4 => failing_points(host.start("fragile", &[]), random),
        5 => foreign_state(host.start("moving_avg", &moving_avg(3)), random),
        6 => open_batch(host.start("mirror_batch", &[]), random),
        7 => many_tags(host.start("mirror_batch", &[])),
        8 => points_that_nobody_reads(host.start("mirror", &[]), random),
        9 => silence(host.connect("mirror")),
        // One attacker is enough for the files, which all of them share.
        10 if attacker == 0 => replace_plugin(host, random),
        11 if attacker == 0 => odd_file(host, random),
        12 if attacker == 1 => run(host, &["check"]),
        13 if attacker == 1 => run(host, &["state", "list"]),
        _ => churn(host),
    }
}

fn half_message(mut client: Client, random: &mut SmallRng) {
    let mut large = point("a", 1, 1.0);
    large.fields_string.insert("text".to_owned(), "x".repeat(random.random_range(1..900_000)));
    let bytes = encoded([RequestMessage::Point(large)]);
    let _ = client.send_bytes(&bytes[..random.random_range(1..bytes.len())]);
}

fn requests_that_nobody_reads(client: Client, random: &mut SmallRng) {
    use kapacitor_wasm::protocol::{InfoRequest, KeepaliveRequest, SnapshotRequest};
    let request = match random.random_range(0..3) {
        0 => RequestMessage::Info(InfoRequest {}),
        1 => RequestMessage::Snapshot(SnapshotRequest {}),
        _ => RequestMessage::Keepalive(KeepaliveRequest { time: 1 }),
    };
    write_for_a_while(client, &encoded(vec![request; 10_000]), random);
}

fn points_that_nobody_reads(client: Client, random: &mut SmallRng) {
    write_for_a_while(client, &encoded(points(2_000)), random);
}

/// Writes `bytes` again and again without reading, and then disconnects.
fn write_for_a_while(client: Client, bytes: &[u8], random: &mut SmallRng) {
    let (_reader, mut writer, socket) = client.split();
    let socket = socket.unwrap();
    socket.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    for _ in 0..random.random_range(1..40) {
        if writer.write_all(bytes).is_err() {
            return;
        }
    }
}

fn garbage(mut client: Client, random: &mut SmallRng) {
    let mut bytes = vec![0; random.random_range(1..10_000)];
    random.fill_bytes(&mut bytes);
    let _ = client.send_bytes(&bytes);
}

fn hostile_guest(host: &Host, random: &mut SmallRng) {
    let mut client = host.connect(&name(GUESTS[random.random_range(0..GUESTS.len())]));
    if client.init("hostile", Vec::new()).is_ok_and(|response| response.success) {
        let _ = client.send_bytes(&encoded(points(3)));
        let _ = client.end_input();
        let _ = client.rest();
    }
}

fn failing_points(mut client: Client, random: &mut SmallRng) {
    for time in 0..random.random_range(1..20) {
        let how = ["panic", "fail", "deep", "hog"][random.random_range(0..4)];
        let mut bad = point("a", time, 1.0);
        bad.fields_int.insert(how.to_owned(), 9);
        let _ = client.send(RequestMessage::Point(bad));
    }
    let _ = client.end_input();
    let _ = client.rest();
}

fn foreign_state(mut client: Client, random: &mut SmallRng) {
    let mut bytes = vec![0; random.random_range(0..100_000)];
    random.fill_bytes(&mut bytes);
    let _ = client.restore(bytes);
    let _ = client.send_bytes(&encoded(points(10)));
    let _ = client.snapshot(&mut Vec::new());
}

fn open_batch(mut client: Client, random: &mut SmallRng) {
    let requests = batch("a", 1, &vec![1.0; 5_000]);
    let cut = random.random_range(1..requests.len());
    let _ = client.send_bytes(&encoded(requests[..cut].iter().cloned()));
    let _ = client.snapshot(&mut Vec::new());
}

fn many_tags(mut client: Client) {
    let tags = (0..20_000).map(|tag| (tag.to_string(), String::new())).collect();
    let mut requests = batch("a", 1, &[1.0]);
    if let RequestMessage::Begin(begin) = &mut requests[0] {
        begin.tags = tags;
    }
    let _ = client.send_bytes(&encoded(requests));
    let _ = client.end_input();
    let _ = client.rest();
}

fn silence(client: Client) {
    thread::sleep(Duration::from_millis(20));
    drop(client);
}

/// Gives `fragile` other bytes with the same meaning: one more section that nobody reads. There are few such versions,
/// since the machine code of each stays.
fn replace_plugin(host: &Host, random: &mut SmallRng) {
    let mut bytes = crate::support::wasm("fragile");
    bytes.extend([0, 6, 4, b'n', b'o', b't', b'e', random.random_range(0..8)]);
    let path = host.setup.plugin("fragile");
    let partial = path.with_extension("partial");
    fs::write(&partial, bytes).unwrap();
    fs::rename(partial, path).unwrap();
}

/// Puts something that is no plugin into the folder, and takes it away again.
fn odd_file(host: &Host, random: &mut SmallRng) {
    let path = host.setup.plugin("odd");
    match random.random_range(0..4) {
        0 => drop(Command::new("mkfifo").arg(&path).status()),
        1 => fs::create_dir(&path).unwrap(),
        2 => std::os::unix::fs::symlink(&path, &path).unwrap(),
        _ => fs::write(&path, b"\0asm\x01\0\0\0\x01").unwrap(),
    }
    thread::sleep(Duration::from_millis(random.random_range(1..1500)));
    if fs::remove_file(&path).is_err() {
        fs::remove_dir(&path).unwrap();
    }
}

fn run(host: &Host, args: &[&str]) {
    let _ = host.setup.run(args);
}

/// Connects, starts a task and leaves, some times.
fn churn(host: &Host) {
    for _ in 0..10 {
        let mut client = host.start("mirror", &[]);
        client.send(RequestMessage::Point(Point { time: 1, ..Point::default() })).unwrap();
    }
}

/// What the process holds once its sessions have ended, which takes a while: until it holds no more descriptors and
/// threads than `before`, or, without it, until their number stays the same.
fn at_rest(host: &Host, before: Option<&Held>) -> Held {
    let deadline = Instant::now() + Duration::from_secs(60);
    let mut last = held(host);
    loop {
        thread::sleep(Duration::from_secs(2));
        let now = held(host);
        let rests = match before {
            Some(before) => now.descriptors <= before.descriptors && now.threads <= before.threads,
            None => now.descriptors == last.descriptors && now.threads == last.threads,
        };
        if rests || Instant::now() > deadline {
            return now;
        }
        last = now;
    }
}

fn held(host: &Host) -> Held {
    let entries = |file| fs::read_dir(host.proc(file)).unwrap().count();
    Held {
        descriptors: entries("fd"),
        threads: entries("task"),
        resident_kib: host.resident_kib(),
        disk_kib: disk_bytes(&host.setup.folder.path().join("state")) / 1024,
    }
}

/// Bytes of all files in `folder` and below. Files that vanish meanwhile do not count.
fn disk_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}
