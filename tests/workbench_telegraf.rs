//! `telegraf`: a plugin between stdin and stdout, as a processor of Telegraf. What a real Telegraf does with it is in
//! `telegraf::plugin`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::Setup;

/// A call of a plugin that comes with the repository.
const MEAN: &str = "@moving_avg().field('v').size(2).as('mean')";

/// A process that runs.
struct Running {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: BufReader<ChildStdout>,
    stderr: JoinHandle<String>,
}

/// How a process has ended.
struct Ended {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Running {
    fn start(setup: &Setup, args: &[&str]) -> Self {
        let mut command = setup.command(&["telegraf"]);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stderr = child.stderr.take().unwrap();
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        let (stdin, stdout) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, stdin, stdout, stderr }
    }

    fn write(&mut self, lines: &str) {
        self.stdin.as_mut().unwrap().write_all(lines.as_bytes()).unwrap();
    }

    /// The next line that comes out; empty at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        line
    }

    /// Ends the input, and waits for the end.
    fn end(mut self) -> Ended {
        self.stdin = None;
        let mut stdout = String::new();
        self.stdout.read_to_string(&mut stdout).unwrap();
        let stderr = self.stderr.join().unwrap();
        Ended { code: self.child.wait().unwrap().code(), stdout, stderr }
    }
}

/// Puts lines through a process.
fn run(setup: &Setup, args: &[&str], input: &str) -> Ended {
    let mut running = Running::start(setup, args);
    let mut stdin = running.stdin.take().unwrap();
    let input = input.to_owned();
    // A process that refuses its call reads nothing.
    let writing = thread::spawn(move || stdin.write_all(input.as_bytes()));
    let ended = running.end();
    drop(writing.join().unwrap());
    ended
}

fn assert_runs(ended: &Ended) {
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let prefixes = ["E! ", "W! ", "I! ", "D! "];
    for line in ended.stderr.lines() {
        assert!(prefixes.iter().any(|prefix| line.starts_with(prefix)) && line.len() < 60_000, "{line}");
    }
}

#[test]
fn state_goes_on_with_the_same_call_and_begins_anew_with_another_name() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let args = ["--call", MEAN, "--group-by", "host"];
    let ended = run(&setup, &args, "m,host=a v=1 1\nm,host=b v=10 1\nm,host=a v=3 2\n");
    assert_runs(&ended);
    let lines = "m,host=a mean=1.0,v=1.0 1\nm,host=b mean=10.0,v=10.0 1\nm,host=a mean=2.0,v=3.0 2\n";
    assert_eq!(ended.stdout, lines);
    let ended = run(&setup, &args, "m,host=a v=5 3\n");
    assert_eq!(ended.stdout, "m,host=a mean=4.0,v=5.0 3\n", "{}", ended.stderr);
    let ended = run(&setup, &[&args[..], &["--name", "other"]].concat(), "m,host=a v=7 4\n");
    assert_eq!(ended.stdout, "m,host=a mean=7.0,v=7.0 4\n", "{}", ended.stderr);
    let (_, states, _) = setup.run(&["state", "list"]);
    assert!(states.contains("other") && states.contains("moving_avg-"), "{states}");
}

#[test]
fn state_may_be_in_another_folder() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let folder = setup.folder.path().join("elsewhere");
    let args = ["--call", MEAN, "--name", "n", "--state-dir", folder.to_str().unwrap()];
    assert_runs(&run(&setup, &args, "m v=1 1\n"));
    assert_eq!(run(&setup, &args, "m v=3 2\n").stdout, "m mean=2.0,v=3.0 2\n");
    assert!(!setup.folder.path().join("state/checkpoints").exists());
}

#[test]
fn a_lone_point_is_answered_while_the_input_is_open() {
    let setup = Setup::new("").with(&["mirror"]);
    let mut running = Running::start(&setup, &["--call", "@mirror()"]);
    for time in 1..=3 {
        running.write(&format!("m v=1i {time}\n"));
        assert_eq!(running.line(), format!("m v=1i {time}\n"));
    }
    assert_runs(&running.end());
}

#[test]
fn many_points_come_out_in_their_order() {
    let setup = Setup::new("").with(&["mirror"]);
    let mut lines = String::new();
    for time in 1..=100_000 {
        lines.push_str(&format!("m,host=h{} v={time}i {time}\n", time % 7));
    }
    let ended = run(&setup, &["--call", "@mirror()", "--group-by", "*"], &lines);
    assert_runs(&ended);
    assert!(ended.stdout == lines, "{} of {} bytes", ended.stdout.len(), lines.len());
}

#[test]
fn fields_keep_their_types_and_texts_their_line_breaks() {
    let setup = Setup::new("").with(&["mirror"]);
    let lines = "m,host=a\\ b f=1.5,i=-2i,s=\"one\ntwo \\\"quoted\\\" \\\\\",t=true,u=7u 1\nm i=7i,u=0u 2\n";
    let ended = run(&setup, &["--call", "@mirror()"], lines);
    assert_runs(&ended);
    assert_eq!(ended.stdout, lines);
}

#[test]
fn unsigned_fields_that_no_int_can_hold_are_left_out_and_told() {
    let setup = Setup::new("").with(&["mirror"]);
    let ended = run(&setup, &["--call", "@mirror()"], "m u=18446744073709551615u,v=9223372036854775807u 1\n");
    assert_runs(&ended);
    assert_eq!(ended.stdout, "m v=9223372036854775807u 1\n");
    assert!(ended.stderr.contains("W! unsigned fields above 9223372036854775807"), "{}", ended.stderr);
}

#[test]
fn lines_that_are_no_points_are_skipped_and_told() {
    let setup = Setup::new("").with(&["mirror"]);
    let bad = "no point\n".repeat(12);
    let ended = run(&setup, &["--call", "@mirror()"], &format!("m v=1i 1\n{bad}m v=2i 2\n\nm v=3i 3"));
    assert_runs(&ended);
    assert_eq!(ended.stdout, "m v=1i 1\nm v=2i 2\nm v=3i 3\n");
    let told: Vec<_> = ended.stderr.lines().filter(|line| line.contains("can't be read")).collect();
    assert_eq!(told.len(), 1, "{}", ended.stderr);
    assert!(told[0].starts_with("W! lines of stdin") && told[0].contains("count=12"), "{}", told[0]);
}

#[test]
fn points_of_other_measurements_pass_by() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let input = "other s=\"x\",u=1u 1\nm v=1 1\n";
    let ended = run(&setup, &["--call", MEAN, "--measurement", "m"], input);
    assert_runs(&ended);
    let mut lines: Vec<_> = ended.stdout.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["m mean=1.0,v=1.0 1", "other s=\"x\",u=1u 1"]);
}

#[test]
fn windows_make_batches() {
    let setup = Setup::new("").with(&["outliers"]);
    let mut input = String::new();
    for second in 0..25 {
        let value = if second == 5 { 100 } else { second % 4 };
        input.push_str(&format!("m,host=a v={value} {second}000000000\n"));
    }
    let args = ["--call", "@outliers().field('v')", "--window", "10s", "--align", "--group-by", "host"];
    let ended = run(&setup, &args, &input);
    assert_runs(&ended);
    assert_eq!(ended.stdout, "m,host=a v=100.0 5000000000\n");
    assert!(ended.stderr.contains("I! points in windows that have not ended are not kept points=5"));
}

#[test]
fn wrong_calls_are_refused_in_one_sentence() {
    let setup = Setup::new("[functions.many]\nplugin-option = \"p\"\nedges = \"stream -> stream\"\n")
        .with(&["moving_avg", "outliers"]);
    let cases: [(&[&str], i32, &str); 9] = [
        (&[], 1, "no plugin is named"),
        (&["--call", "@gone()"], 1, "there is no plugin `gone`"),
        (&["--call", "@many()"], 1, "several plugins"),
        (&["--call", "@moving_avg("], 1, ""),
        (&["--call", "@moving_avg().sise(1)"], 1, "sise"),
        (&["--call", "@outliers().field('v')"], 1, "give --window"),
        (&["--call", MEAN, "--window", "10s"], 1, "makes batches"),
        (&["--call", MEAN, "--align"], 2, "--window"),
        (&["--cal", MEAN], 2, "--cal"),
    ];
    for (args, code, part) in cases {
        let ended = run(&setup, args, "m v=1 1\n");
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(code), ""), "{}", ended.stderr);
        let last = ended.stderr.lines().last().unwrap_or_default();
        assert!(last.starts_with("E! ") && last.contains(part), "{part}: {}", ended.stderr);
    }
}

#[test]
fn point_at_which_the_plugin_fails_is_skipped() {
    let setup = Setup::new("").with(&["fragile"]);
    let input = "m value=1 1\nm panic=5i,value=2 2\nm value=4 3\n";
    let ended = run(&setup, &["--call", "@fragile()"], input);
    assert_runs(&ended);
    assert_eq!(ended.stdout, "m sum=1.0,value=1.0 1\nm sum=5.0,value=4.0 3\n");
    assert!(ended.stderr.lines().any(|line| line.starts_with("W! plugin failed")), "{}", ended.stderr);
    let (_, skipped, _) = setup.run(&["skipped"]);
    assert!(skipped.contains("function fragile"), "{skipped}");
}

#[test]
fn task_that_ends_by_itself_is_started_anew_with_its_state() {
    let setup = Setup::new("[policy]\nfailures-per-minute = 0\n").with(&["fragile"]);
    let mut running = Running::start(&setup, &["--call", "@fragile()"]);
    running.write("m value=1 1\n");
    assert_eq!(running.line(), "m sum=1.0,value=1.0 1\n");
    running.write("m panic=5i,value=2 2\n");
    // Points that are on the way when the task ends are lost, so there are more until one comes out.
    let Running { child, mut stdin, mut stdout, stderr } = running;
    let (came, coming) = mpsc::channel();
    let reading = thread::spawn(move || {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        came.send(()).unwrap();
        (stdout, line)
    });
    // So few that all of them fit into the pipe: nobody reads it once the first line is there.
    let mut time = 3;
    while coming.recv_timeout(Duration::from_millis(5)).is_err() {
        stdin.as_mut().unwrap().write_all(format!("m value=4 {time}\n").as_bytes()).unwrap();
        time += 1;
    }
    let (stdout, line) = reading.join().unwrap();
    assert!(line.starts_with("m sum=5.0,value=4.0 "), "{line}");
    let running = Running { child, stdin, stdout, stderr };
    let ended = running.end();
    assert_runs(&ended);
    assert!(ended.stderr.contains("E! the task has ended by itself"), "{}", ended.stderr);
}

#[test]
fn signals_do_not_end_it_while_the_input_is_open() {
    let setup = Setup::new("").with(&["mirror"]);
    let mut running = Running::start(&setup, &["--call", "@mirror()"]);
    running.write("m v=1i 1\n");
    assert_eq!(running.line(), "m v=1i 1\n");
    for signal in ["-INT", "-TERM", "-HUP", "-TERM"] {
        Command::new("kill").args([signal, &running.child.id().to_string()]).status().unwrap();
    }
    running.write("m v=2i 2\n");
    assert_eq!(running.line(), "m v=2i 2\n");
    let ended = running.end();
    assert_runs(&ended);
    assert!(ended.stderr.matches("signal ignored").count() <= 3, "{}", ended.stderr);
}

#[test]
fn process_ends_with_its_state_when_nobody_reads_the_points() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let args = ["--call", MEAN, "--name", "n"];
    let Running { mut child, stdin, mut stdout, stderr } = Running::start(&setup, &args);
    let mut stdin = stdin.unwrap();
    stdin.write_all(b"m v=1 1\n").unwrap();
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    drop(stdout);
    while stdin.write_all(b"m v=3 2\n").is_ok() {}
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let stderr = stderr.join().unwrap();
    assert!(stderr.contains("E! stdout can't be written to"), "{stderr}");
    assert_eq!(run(&setup, &args, "m v=5 3\n").stdout, "m mean=4.0,v=5.0 3\n");
}

#[test]
fn one_of_two_processes_with_the_same_name_has_the_state() {
    let setup = Setup::new("").with(&["moving_avg"]);
    let args = ["--call", MEAN, "--name", "n"];
    let mut first = Running::start(&setup, &args);
    first.write("m v=1 1\n");
    assert_eq!(first.line(), "m mean=1.0,v=1.0 1\n");
    let second = run(&setup, &args, "m v=3 2\n");
    assert_eq!(second.stdout, "m mean=3.0,v=3.0 2\n");
    assert!(second.stderr.contains("another session of this task and node runs"), "{}", second.stderr);
    assert_runs(&first.end());
    assert_eq!(run(&setup, &args, "m v=5 3\n").stdout, "m mean=3.0,v=5.0 3\n");
}

#[test]
fn plugin_may_print_and_log_without_harm() {
    let setup = Setup::new("").with(&["prints", "log_flood"]);
    for call in ["@prints()", "@log_flood()"] {
        let ended = run(&setup, &["--call", call], "m v=1i 1\n");
        assert_runs(&ended);
        assert!(ended.stderr.contains("plugin log"), "{}", ended.stderr);
        assert!(ended.stdout.lines().all(|line| line.ends_with(" 1")), "{}", ended.stdout);
    }
}
