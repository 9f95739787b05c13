//! Sessions that gather Kapacitor's messages: `sessions.gather`.
//!
//! The interval is long in these tests, so that a client on a busy machine still writes quickly.

use std::fs;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use kapacitor_wasm::internals::Snapshot;
use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{
    KeepaliveRequest, RequestMessage, ResponseMessage, SnapshotRequest, put_request,
};

use crate::support::{Host, Setup, field, live_point, mean, moving_avg, play, points, receive};

const GATHER: &str = "[sessions]\ngather = \"50ms\"\n";
const AT_ONCE: &str = "[sessions]\ngather = \"0s\"\n";

/// Writes each request with two small writes as Kapacitor does, one soon after the other.
fn trickle(writer: &mut impl Write, requests: &[RequestMessage]) -> io::Result<()> {
    for request in requests {
        let mut frame = Vec::new();
        put_request(request.clone(), &mut frame);
        let header = frame.iter().position(|byte| *byte < 0x80).unwrap() + 1;
        writer.write_all(&frame[..header])?;
        writer.write_all(&frame[header..])?;
        sleep(Duration::from_micros(50));
    }
    Ok(())
}

/// The answers to requests that are written one by one, and the client, whose input is not ended.
fn answers(
    client: Client,
    requests: &[RequestMessage],
    count: usize,
) -> (Vec<ResponseMessage>, impl Sized + use<>) {
    let (reader, mut writer, socket) = client.split();
    let mut reader = Client::over_pipes(reader, io::sink());
    let answers = thread::scope(|scope| {
        scope.spawn(|| trickle(&mut writer, requests).unwrap());
        (0..count).map(|_| reader.receive().unwrap().expect("the connection lasts")).collect()
    });
    (answers, (writer, socket))
}

/// How often the threads of a process that serve connections have slept so far.
fn sleeps(process: PathBuf) -> u64 {
    let threads = fs::read_dir(process.join("task")).unwrap();
    let of_thread = |path: PathBuf| {
        let status = fs::read_to_string(path.join("status")).ok()?;
        let value = |key: &str| status.lines().find_map(|line| line.strip_prefix(key)).map(str::trim);
        let serves = matches!(value("Name:")?, "session" | "kapacitor-wasm");
        serves.then(|| value("voluntary_ctxt_switches:")?.parse::<u64>().ok())?
    };
    threads.filter_map(|thread| of_thread(thread.ok()?.path())).sum()
}

#[test]
fn messages_that_follow_each_other_quickly_share_wake_ups() {
    let requests = points(3000);
    let means = |responses: &[ResponseMessage]| field(responses, "mean");
    let expected: Vec<f64> = (0..3000).map(|i| if i == 0 { 0.0 } else { f64::from(i) - 0.5 }).collect();
    let over_socket = |config: &str| {
        let host = Setup::new(config).with(&["moving_avg"]).serve();
        let client = host.start("moving_avg", &moving_avg(2));
        let before = sleeps(host.proc(""));
        let (responses, _open) = answers(client, &requests, requests.len());
        assert_eq!(means(&responses), expected);
        sleeps(host.proc("")) - before
    };
    let over_pipes = |config: &str| {
        let setup = Setup::new(config).with(&["moving_avg"]);
        let mut command = setup.command(&["stdio", "moving_avg"]);
        let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = pipes.spawn().unwrap();
        let mut client = Client::over_pipes(child.stdout.take().unwrap(), child.stdin.take().unwrap());
        assert!(client.init("task", moving_avg(2)).unwrap().success);
        let process = PathBuf::from(format!("/proc/{}", child.id()));
        let before = sleeps(process.clone());
        let (responses, open) = answers(client, &requests, requests.len());
        assert_eq!(means(&responses), expected);
        let sleeps = sleeps(process) - before;
        drop(open);
        assert!(child.wait().unwrap().success());
        sleeps
    };
    let (gathered, at_once) = (over_socket(GATHER), over_socket(AT_ONCE));
    assert!(3 * gathered < at_once, "socket: {gathered} and {at_once}");
    let (gathered, at_once) = (over_pipes(GATHER), over_pipes(AT_ONCE));
    assert!(3 * gathered < at_once, "pipes: {gathered} and {at_once}");
}

#[test]
fn requests_keep_their_place_among_gathered_points() {
    let host = Setup::new(GATHER).with(&["moving_avg"]).serve();
    let client = host.start("moving_avg", &moving_avg(2));
    let mut requests = Vec::new();
    for (i, point) in points(2000).into_iter().enumerate() {
        requests.push(point);
        if i % 100 == 99 {
            requests.push(RequestMessage::Keepalive(KeepaliveRequest { time: i as i64 }));
            requests.push(RequestMessage::Snapshot(SnapshotRequest {}));
        }
    }
    let (responses, _open) = answers(client, &requests, requests.len());
    let (mut points, mut alive) = (0, Vec::new());
    for response in &responses {
        match response {
            ResponseMessage::Point(_) => points += 1,
            ResponseMessage::Keepalive(response) => alive.push(response.time),
            ResponseMessage::Snapshot(response) => {
                let snapshot = Snapshot::parse(&response.snapshot).unwrap();
                assert_eq!(snapshot.header.points_seen, points);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(points, 2000);
    assert_eq!(alive, (0..20).map(|i| i * 100 + 99).collect::<Vec<_>>());
}

#[test]
fn slow_reader_gets_all_gathered_points_in_order() {
    let host = Setup::new("[sessions]\ngather = \"1ms\"\n").with(&["mirror"]).serve();
    let (mut reader, mut writer, socket) = host.start("mirror", &[]).split();
    let count = 30_000;
    let sent = frames(count);
    thread::scope(|scope| {
        scope.spawn(|| {
            // Two writes for each message, and no pause: more than the host's queue holds.
            sent.iter().for_each(|frame| {
                writer.write_all(&frame[..1]).unwrap();
                writer.write_all(&frame[1..]).unwrap();
            });
            socket.as_ref().unwrap().shutdown(std::net::Shutdown::Write).unwrap();
        });
        let (mut back, mut piece) = (Vec::new(), [0; 512]);
        loop {
            let read = reader.read(&mut piece).unwrap();
            if read == 0 {
                break;
            }
            back.extend_from_slice(&piece[..read]);
            thread::yield_now();
        }
        let mut back = &back[..];
        let mut times = Vec::new();
        while let Some(response) = kapacitor_wasm::protocol::client::receive(&mut back).unwrap() {
            match response {
                ResponseMessage::Point(point) => times.push(point.time),
                ResponseMessage::Keepalive(_) => {}
                other => panic!("{other:?}"),
            }
        }
        let expected = points(count).into_iter().map(|request| match request {
            RequestMessage::Point(point) => point.time,
            other => panic!("{other:?}"),
        });
        assert_eq!(times, expected.collect::<Vec<_>>());
    });
}

fn frames(count: usize) -> Vec<Vec<u8>> {
    let frame = |request| {
        let mut frame = Vec::new();
        put_request(request, &mut frame);
        frame
    };
    points(count).into_iter().map(frame).collect()
}

#[test]
fn quiet_sessions_wake_nobody() {
    const SESSIONS: u64 = 50;
    let host = Setup::new(GATHER).with(&["mirror"]).serve();
    let points = points(100);
    let _open: Vec<_> =
        (0..SESSIONS).map(|_| answers(host.start("mirror", &[]), &points, points.len()).1).collect();
    // The buffers are freed after a second, and then nothing is left to do. The host itself looks for new plugins.
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let before = sleeps(host.proc(""));
        sleep(Duration::from_millis(1500));
        let woken = sleeps(host.proc("")) - before;
        if woken < SESSIONS {
            break;
        }
        assert!(Instant::now() < deadline, "{woken} wake-ups in 1.5 s");
    }
}

#[test]
fn hang_up_is_noticed_while_points_are_gathered() {
    let host = Setup::new(GATHER).with(&["mirror"]).serve();
    for _ in 0..3 {
        let (_, open) = answers(host.start("mirror", &[]), &points(500), 500);
        drop(open);
    }
    host.wait_for_logs(&["msg=\"task ended\"", "points_in=500"], 3);
}

#[test]
fn hot_session_does_not_keep_quiet_ones_waiting() {
    let host = Setup::new("[sessions]\ngather = \"1ms\"\n").with(&["moving_avg"]).serve();
    let mut quiet: Vec<_> = (0..100).map(|_| host.start("moving_avg", &moving_avg(2))).collect();
    let hot = host.start("moving_avg", &moving_avg(2));
    thread::scope(|scope| {
        let hot = scope.spawn(|| answers(hot, &points(5000), 5000).0.len());
        for round in 0..3 {
            for client in &mut quiet {
                client.keepalive(round).unwrap();
                let Some(ResponseMessage::Keepalive(answer)) = client.receive().unwrap() else { panic!() };
                assert_eq!(answer.time, round);
                mean(client, 1.0);
            }
        }
        assert_eq!(hot.join().unwrap(), 5000);
    });
}

#[test]
fn interval_can_be_changed_while_points_are_gathered() {
    let host = Setup::new(GATHER).with(&["mirror"]).serve();
    let client = host.start("mirror", &[]);
    thread::scope(|scope| {
        let hot = scope.spawn(|| answers(client, &points(5000), 5000).0.len());
        for gather in ["0s", "1ms", "0s", "100ms"] {
            host.reload(
                &format!("[sessions]\ngather = \"{gather}\"\n"),
                &["udf.toml read again", &format!("at_once=\"sessions.gather={gather} ")],
            );
        }
        assert_eq!(hot.join().unwrap(), 5000);
    });
}

#[test]
fn client_that_waits_for_each_answer_gets_it() {
    let host = Setup::new("[sessions]\ngather = \"1ms\"\n").with(&["moving_avg"]).serve();
    let mut client = host.start("moving_avg", &moving_avg(1));
    for i in 0..2000 {
        client.send(live_point("a", f64::from(i))).unwrap();
        assert_eq!(field(receive(&mut client).as_slice(), "mean"), [f64::from(i)]);
    }
    assert_eq!(play(client, []), []);
}

#[test]
fn interval_out_of_range_is_refused() {
    for (gather, why) in
        [("101ms", "at most 100ms"), ("5", "is not a span of time"), ("-1ms", "is not a span")]
    {
        let setup = Setup::new(&format!("[sessions]\ngather = \"{gather}\"\n")).with(&["mirror"]);
        let (code, _, said) = setup.run(&["check"]);
        assert!(code != 0 && said.contains(why), "{code}: {said}");
    }
    let host: Host = Setup::new("[sessions]\ngather = \"100us\"\n").with(&["mirror"]).serve();
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
}
