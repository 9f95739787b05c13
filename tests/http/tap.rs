//! `tap`: the points of a task while they go by.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Stdio};

use kapacitor_wasm::protocol::client::{Client, text};
use kapacitor_wasm::protocol::{Point, RequestMessage};
use kapacitor_wasm_data::line_protocol;

use super::{ask, connect, host};
use crate::support::{Host, Setup, batch, encoded, live_point, mean, moving_avg, play, point, receive, wasm};

/// A tap of the binary under test.
struct Tap {
    child: Child,
    out: BufReader<ChildStdout>,
    /// What it has said first.
    heading: String,
}

/// What a tap has printed.
struct Shown {
    code: i32,
    lines: Vec<String>,
    said: String,
}

impl Tap {
    /// Taps a task of `host`; it is open when this returns.
    #[track_caller]
    fn of(host: &Host, args: &[&str]) -> Self {
        let mut command = host.setup.command(&[&["tap"], args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut heading = String::new();
        out.read_line(&mut heading).unwrap();
        assert!(heading.starts_with("# tap of="), "{heading:?}\n{}", host.log());
        Self { child, out, heading }
    }

    /// Reads up to the line that has `part`, and returns it.
    fn wait_for(&mut self, part: &str) -> String {
        let mut shown = String::new();
        loop {
            let mut line = String::new();
            assert!(self.out.read_line(&mut line).unwrap() > 0, "no {part:?}:\n{shown}");
            if line.contains(part) {
                return line;
            }
            shown += &line;
        }
    }

    /// Waits for its end.
    fn end(mut self) -> Shown {
        let (mut text, mut said) = (String::new(), String::new());
        self.out.read_to_string(&mut text).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let code = self.child.wait().unwrap().code().unwrap();
        Shown { code, lines: text.lines().map(str::to_owned).collect(), said }
    }
}

impl Shown {
    fn points(&self) -> Vec<&str> {
        self.lines.iter().map(String::as_str).filter(|line| !line.starts_with('#')).collect()
    }
}

/// Checks that each line of `shown` is line protocol or a comment.
#[track_caller]
fn assert_valid(shown: &Shown) {
    for line in &shown.lines {
        let parsed = line_protocol::parse(line);
        assert!(line.starts_with('#') || parsed.is_ok(), "{line:?}: {parsed:?}");
    }
}

fn send(client: &mut Client, point: Point) {
    client.send(RequestMessage::Point(point)).unwrap();
}

#[test]
fn points_of_both_directions_are_shown_with_what_line_protocol_does_not_say() {
    let host = host("", &["moving_avg"]);
    let mut client = host.start("moving_avg", &moving_avg(2));
    let tap = Tap::of(&host, &["task", "--most", "2"]);
    assert_eq!(tap.heading, "# tap of=task every=1 most=2 seconds=60\n");
    for value in [1.0, 3.0] {
        send(&mut client, point("a", value as i64, value));
        receive(&mut client).unwrap();
    }
    let shown = tap.end();
    let of = "function=moving_avg task=task node=udf2 session=1";
    let more = "database=telegraf retention_policy=autogen dimensions=host";
    assert_eq!(shown.lines.len(), 7, "{:?}", shown.lines);
    assert!(
        shown.lines[0].starts_with("# task runs, with the plugin \"moving_avg\", version ")
            && shown.lines[0].ends_with(of),
        "{:?}",
        shown.lines
    );
    let expected = [
        &format!("# in {of} {more}"),
        "cpu,host=a,tap=in value=1.0 1",
        &format!("# out {of} {more}"),
        "cpu,host=a,tap=out mean=1.0,value=1.0 1",
        "cpu,host=a,tap=in value=3.0 3",
        "cpu,host=a,tap=out mean=2.0,value=3.0 3",
    ];
    assert_eq!(shown.lines[1..], expected);
    let said = "kapacitor-wasm: end of the tap: as many points as asked for were seen\n\
                kapacitor-wasm: end in: points seen: 2, shown: 2\n\
                kapacitor-wasm: end out: points seen: 2, shown: 2\n";
    assert_eq!((shown.code, shown.said.as_str()), (0, said));
    assert_valid(&shown);
}

#[test]
fn one_direction_has_the_points_as_they_are_and_a_sample_says_what_is_missing() {
    let host = host("", &["mirror"]);
    let mut client = host.start("mirror", &[]);
    let inputs = Tap::of(&host, &["task/udf2", "--in", "--every", "3", "--most", "2"]);
    let outputs = Tap::of(&host, &["task", "--out", "--most", "3"]);
    for time in 1..=7 {
        let mut tagged = point("a", time, 1.0);
        tagged.tags.insert("tap".to_owned(), "own".to_owned());
        send(&mut client, tagged);
        receive(&mut client).unwrap();
    }
    let shown = inputs.end();
    assert_eq!(shown.points(), ["cpu,host=a,tap=own value=1.0 1", "cpu,host=a,tap=own value=1.0 4"]);
    assert!(
        shown.said.contains("end in: points seen: ") && shown.said.contains(", shown: 2, left out since")
    );
    // Between the second one and the end of the tap, more points may go by.
    assert!(shown.said.contains("not one of every 3: "), "{}", shown.said);
    assert!(!shown.said.contains("end out"), "{}", shown.said);
    assert_eq!(outputs.end().points().len(), 3);
}

#[test]
fn batches_are_shown_with_their_borders() {
    let host = host("", &["outliers"]);
    let mut client = host.start("outliers", &[text("field", "value")]);
    let tap = Tap::of(&host, &["task", "--in", "--most", "3"]);
    client.send_bytes(&encoded(batch("a", 9, &[1.0, 2.0, 3.0]))).unwrap();
    let shown = tap.end();
    let of = "function=outliers task=task node=udf2 session=1";
    let expected = [
        &format!("# in begin {of} name=cpu group=\"host=a\" tags=\"host=a\" size=3"),
        "cpu,host=a value=1.0 1",
        "cpu,host=a value=2.0 2",
        "cpu,host=a value=3.0 3",
        &format!("# in end {of} name=cpu group=\"host=a\" tmax=9"),
    ];
    assert_eq!(shown.lines[1..], expected, "{}", shown.said);
}

#[test]
fn several_taps_of_one_task_do_not_disturb_each_other() {
    let host = host("", &["mirror_batch"]);
    let mut client = host.start("mirror_batch", &[]);
    let taps = [(); 3].map(|()| Tap::of(&host, &["task", "--most", "30"]));
    for tmax in 0..10 {
        client.send_bytes(&encoded(batch("a", tmax, &[1.0, 2.0, 3.0]))).unwrap();
    }
    for tap in taps {
        let shown = tap.end();
        assert!(shown.said.contains("end out: points seen: 30, shown: 30\n"), "{}", shown.said);
        assert_eq!(shown.lines.iter().filter(|line| line.starts_with("# out end ")).count(), 10);
        assert!(shown.points().iter().all(|line| line.starts_with("cpu,host=a,tap=")), "{:?}", shown.lines);
    }
}

#[test]
fn task_that_does_not_run_is_waited_for_and_its_end_is_told() {
    let host = host("", &["moving_avg"]);
    let mut other = host.connect("moving_avg");
    assert!(other.init("other\x1b[31m", moving_avg(2)).unwrap().success);
    let mut tap = Tap::of(&host, &["task", "--for", "5s"]);
    let waits = tap.wait_for("no such task runs now, the tap waits for it");
    assert!(waits.ends_with("running=\"other\\u001b[31m\"\n"), "{waits:?}");
    let mut client = host.start("moving_avg", &moving_avg(2));
    tap.wait_for("# task started, with the plugin \"moving_avg\"");
    mean(&mut client, 4.0);
    mean(&mut other, 4.0);
    assert_eq!(play(client, []), []);
    tap.wait_for("# task ended, points in: 1, out: 1 ");
    // And again.
    mean(&mut host.start("moving_avg", &moving_avg(2)), 6.0);
    tap.wait_for("session=2");
    let shown = tap.end();
    assert!(shown.said.contains("end of the tap: its time is over"), "{}", shown.said);
    assert!(shown.said.contains("end in: points seen: 2, shown: 2\n"), "{}", shown.said);
}

#[test]
fn failures_and_new_versions_of_the_plugin_are_told() {
    let host = host("[policy]\non-update = \"migrate\"\n", &["fragile", "own_format"]);
    let mut client = host.start("fragile", &[]);
    let mut tap = Tap::of(&host, &["task"]);
    let mut failing = point("a", 1, 1.0);
    failing.fields_int.insert("fail".to_owned(), 1);
    send(&mut client, failing);
    tap.wait_for("fail=1i");
    tap.wait_for("# plugin failed, times: 1, brought back: 1, points skipped: 1 function=fragile");
    drop((tap.child.kill(), client));

    let mut client = host.connect("own_format");
    assert!(client.init("counts", vec![text("as", "n")]).unwrap().success);
    let mut tap = Tap::of(&host, &["counts"]);
    send(&mut client, point("a", 1, 1.0));
    receive(&mut client).unwrap();
    let partial = host.setup.folder.path().join("partial");
    fs::write(&partial, wasm("own_format_2")).unwrap();
    fs::rename(partial, host.setup.plugin("own_format")).unwrap();
    host.wait_for_log(&["plugin has a new version"]);
    send(&mut client, point("a", 2, 1.0));
    receive(&mut client).unwrap();
    tap.wait_for("n=1i");
    tap.wait_for("# task goes on with version ");
    tap.wait_for("n=2i");
    let _ = tap.child.kill();
}

#[test]
fn task_that_fails_says_why() {
    let host = host("[policy]\non-trap = \"fail\"\n", &["fragile"]);
    let mut client = host.start("fragile", &[]);
    let mut tap = Tap::of(&host, &["task", "--out"]);
    let mut failing = point("a", 1, 1.0);
    failing.fields_int.insert("fail".to_owned(), 1);
    send(&mut client, failing);
    tap.wait_for("# task failed: plugin \"fragile\": ");
    tap.wait_for("# task ended, points in: 1, out: 0 ");
    let _ = tap.child.kill();
}

#[test]
fn names_and_values_of_any_kind_make_valid_lines_or_are_counted() {
    let host = host("", &["mirror"]);
    let task = "gr\u{f6}\u{df}e/a b\n\u{1b}[31m&task=x%";
    let mut client = host.connect("mirror");
    assert!(client.init(task, Vec::new()).unwrap().success);
    let tap = Tap::of(&host, &[task, "--in", "--most", "5"]);
    let mut odd = point("a", 1, 1.5);
    odd.name = "c p,u=".to_owned();
    odd.tags = [("k, =".to_owned(), "v, =\"".to_owned()), ("host".to_owned(), "a".to_owned())].into();
    odd.fields_string = [("s\"".to_owned(), "two \"words\" \\ ü".to_owned())].into();
    odd.fields_int = [("i".to_owned(), i64::MIN)].into();
    odd.fields_bool = [("b".to_owned(), true)].into();
    let mut broken = point("a", 2, 1.0);
    broken.tags.insert("host".to_owned(), "a\nforged value=1 1".to_owned());
    let none = Point { fields_double: [].into(), ..point("a", 5, 1.0) };
    for sent in [odd, broken, point("a", 3, f64::NAN), point("a", 4, f64::INFINITY), none] {
        send(&mut client, sent);
    }
    let shown = tap.end();
    assert_valid(&shown);
    assert_eq!(shown.points().len(), 1, "{:?}", shown.lines);
    let parsed = line_protocol::parse(shown.points()[0]).unwrap();
    assert!(parsed.measurement == "c p,u=" && parsed.fields.len() == 4, "{parsed:?}");
    assert!(
        shown.said.contains("points seen: 5, shown: 1, left out since no line protocol or too long: 4"),
        "{}",
        shown.said
    );
    for reason in ["with a line break", "NaN in the field", "inf in the field", "a point without a field"] {
        assert!(shown.lines.iter().any(|line| line.contains(reason)), "{reason}: {:?}", shown.lines);
    }
}

#[test]
fn points_are_not_shown_on_a_port() {
    let host = Setup::new("[http]\nlisten = \"127.0.0.1:0\"\n").with(&["mirror"]).serve();
    let line = host.wait_for_log(&["answers over HTTP"]);
    let address = line.split("address=").nth(1).unwrap().split(' ').next().unwrap();
    let stream = std::net::TcpStream::connect(address).unwrap();
    let answer = ask(stream, "GET /tap?task=task HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_eq!(answer.status, 403);
    assert!(answer.body.contains("on a unix socket only"), "{}", answer.body);
    let (code, stdout, stderr) = host.setup.run(&["tap", "task"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert!(stderr.contains("on a unix socket only") && stderr.contains("is a port"), "{stderr}");
    let refused = std::process::Command::new(crate::support::BINARY)
        .args(["tap", "task", "--address", address])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(refused.stderr).unwrap().lines().count(), 1);
}

#[test]
fn host_that_can_not_be_asked_is_told_with_what_to_do() {
    let said = |setup: &Setup, args: &[&str]| {
        let (code, stdout, stderr) = setup.run(&[&["tap", "task"], args].concat());
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (1, "", 1), "{stderr}");
        stderr
    };
    let silent = Setup::new("");
    assert!(said(&silent, &[]).contains("has no http.listen"));
    assert!(said(&silent, &["--address", "unix:/nowhere/http.sock"]).contains("there is no such socket"));
    let gone = silent.folder.path().join("gone.sock");
    drop(std::os::unix::net::UnixListener::bind(&gone).unwrap());
    let address = format!("unix:{}", gone.display());
    assert!(said(&silent, &["--address", &address]).contains("nobody listens on this socket"));
    assert!(said(&silent, &["--address", &address, "--for", "11m"]).contains("no time from 1s to 10m"));
    let (code, _, stderr) = silent.run(&["tap", "task", "--every", "0"]);
    assert_eq!(code, 2, "{stderr}");
    let host = host("", &["mirror"]);
    let get = |path: &str, name: &str| {
        ask(connect(&host), &format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"))
    };
    let said = get("/tap?task=t&every=x", "localhost");
    assert_eq!(said.status, 400);
    assert!(said.body.contains("every=\"x\" is no number"), "{}", said.body);
    assert_eq!(get("/tap", "localhost").status, 400);
    // A socket that is forwarded to a port can be reached by web pages.
    assert_eq!(get("/tap?task=t", "evil.example").status, 403);
}

#[test]
fn host_that_stops_cuts_the_tap_off_and_the_command_says_so() {
    let mut host = host("", &["mirror"]);
    let mut client = host.start("mirror", &[]);
    let mut tap = Tap::of(&host, &["task"]);
    client.send(live_point("a", 1.0)).unwrap();
    tap.wait_for("tap=out");
    assert_eq!(host.stop(), Some(0));
    let shown = tap.end();
    assert_eq!(shown.code, 1);
    assert!(shown.said.contains("the host has cut the tap off, as when it stops"), "{}", shown.said);
}
