//! `check --diff`: what a reload of the running host would change.

use std::fs;
use std::time::{Duration, Instant};

use crate::support::{Host, Setup, play, point};
use kapacitor_wasm::protocol::RequestMessage;

/// Runs `check --diff` once the host has described itself with `settled`, a part of `running.json`.
fn diff(host: &Host, settled: &str, args: &[&str]) -> (i32, String, String) {
    let file = host.setup.folder.path().join("state/running.json");
    let deadline = Instant::now() + Duration::from_secs(60);
    while !fs::read_to_string(&file).is_ok_and(|text| text.contains(settled)) {
        assert!(Instant::now() < deadline, "{settled}: {:?}\n{}", fs::read_to_string(&file), host.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    host.setup.run(&[&["check", "--diff"], args].concat())
}

/// The cells of the row of `key`.
fn row<'a>(report: &'a str, key: &str) -> Vec<&'a str> {
    let line = report.lines().find(|line| line.trim_start().starts_with(&format!("{key} ")));
    let line = line.unwrap_or_else(|| panic!("{key}\n{report}"));
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn each_change_is_said_with_both_values_and_from_when_on_it_applies() {
    let mut host = Setup::new("[functions.old]\nplugin = \"mirror\"\n").with(&["mirror"]).serve();
    let (code, stdout, stderr) = diff(&host, "\"old\"", &[]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    assert!(stdout.contains("A reload would change nothing."), "{stdout}");
    assert!(stdout.starts_with("running host: process "), "{stdout}");

    let new = "[limits]\nmemory = \"32MiB\"\n[host]\nsandboxes = 7\n[functions.young]\nplugin = \"mirror\"\n";
    host.setup.configure(new);
    let (code, stdout, _) = diff(&host, "\"old\"", &[]);
    assert_eq!(code, 3, "{stdout}");
    assert_eq!(
        row(&stdout, "limits.memory"),
        ["limits.memory", "64MiB", "32MiB", "to tasks that start from then on"]
    );
    assert_eq!(row(&stdout, "host.sandboxes"), ["host.sandboxes", "20000", "7", "at once"]);
    assert!(stdout.contains("function `young` comes: "), "{stdout}");
    assert!(stdout.contains("function `old` goes: "), "{stdout}");

    let config = fs::read_to_string(host.setup.config()).unwrap();
    fs::write(host.setup.config(), config.replace("\"state\"", "\"elsewhere\"")).unwrap();
    let (code, _, stderr) = diff(&host, "\"old\"", &[]);
    assert_eq!(code, 1);
    assert!(stderr.contains("elsewhere: no running host uses this state folder"), "{stderr}");
    let state = host.setup.folder.path().join("state");
    let (code, stdout, _) = diff(&host, "\"old\"", &["--running-state-dir", state.to_str().unwrap()]);
    assert_eq!(code, 4, "{stdout}");
    assert_eq!(
        row(&stdout, "state-dir").last(),
        Some(&"after a restart of the host, and of Kapacitor after it")
    );

    // What is said is what a reload does.
    host.reload(new, &["udf.toml read again", "limits.memory=32MiB (was 64MiB)"]);
    let (code, stdout, _) = diff(&host, "\"removed\"", &[]);
    assert_eq!(code, 0, "{stdout}");
    // The function that was taken out comes back.
    host.setup.configure(&format!("{new}[functions.old]\nplugin = \"mirror\"\n"));
    let (code, stdout, _) = diff(&host, "\"removed\"", &[]);
    assert!(code == 3 && stdout.contains("function `old` comes back"), "{stdout}");

    host.stop();
    let (code, _, stderr) = host.setup.run(&["check", "--diff"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("state: no running host uses this state folder"), "{stderr}");
}

#[test]
fn flags_of_the_running_host_hold_and_a_copy_is_read_in_its_place() {
    let host = Host::with(&["mirror"]);
    // A copy elsewhere has the same relative folders.
    let copies = tempfile::tempdir().unwrap();
    let copy = copies.path().join("new.toml");
    let text = fs::read_to_string(host.setup.config()).unwrap();
    fs::write(&copy, format!("{text}[policy]\non-trap = \"fail\"\n")).unwrap();
    let state = host.setup.folder.path().join("state");
    let run = |args: &[&str]| {
        let output = std::process::Command::new(crate::support::BINARY)
            .args(["check", "--diff", "--config", copy.to_str().unwrap()])
            .args(["--running-state-dir", state.to_str().unwrap()])
            .args(args)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    diff(&host, "\"mirror\"", &[]);
    let (code, stdout, stderr) = run(&[]);
    assert_eq!((code, stderr.as_str()), (3, ""), "{stdout}");
    assert_eq!(row(&stdout, "policy.on-trap")[1..3], ["recover", "fail"]);
    let applies = ["from then on", "at once"];
    let keys = stdout.lines().filter(|line| applies.iter().any(|end| line.trim_end().ends_with(end))).count();
    assert_eq!(keys, 1, "{stdout}");
    let (code, _, stderr) = run(&["--log-level", "debug"]);
    assert!(code == 1 && stderr.contains("leave out --log-level"), "{stderr}");

    fs::write(&copy, "log-levle = \"info\"\n").unwrap();
    let (code, _, stderr) = run(&[]);
    assert!(code == 1 && stderr.contains("new.toml: line 1, column 1: unknown key `log-levle`"), "{stderr}");
}

#[test]
fn tasks_whose_values_change_are_named() {
    let host = Setup::new("[state]\ncheckpoints = \"always\"\n[functions.own.limits]\nmemory = \"8MiB\"\n[functions.own]\nplugin = \"moving_avg\"\n")
        .with(&["moving_avg"])
        .serve();
    for function in ["moving_avg", "own"] {
        let options = crate::support::moving_avg(3);
        play(host.start(function, &options), [RequestMessage::Point(point("a", 1, 1.0))]);
    }
    host.wait_for_logs(&["checkpoint written"], 2);
    host.setup.configure("[state]\ncheckpoints = \"always\"\n[limits]\nmemory = \"32MiB\"\n[functions.own.limits]\nmemory = \"8MiB\"\n[functions.own]\nplugin = \"moving_avg\"\n");
    let (code, stdout, _) = diff(&host, "\"own\"", &[]);
    assert_eq!(code, 3, "{stdout}");
    let line = stdout.lines().find(|line| line.starts_with("tasks with a stored state")).unwrap();
    // What the other function has of its own stays.
    assert_eq!(line.matches("task/").count(), 1, "{stdout}");
}
