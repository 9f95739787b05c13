//! The format of the log, and text of guests in it.

use kapacitor_wasm::protocol::RequestMessage;

use crate::support::{Host, play, point};

#[test]
fn log_lines_have_format_of_kapacitor() {
    let host = Host::with(&["mirror"]);
    drop(host.start("mirror", &[]));
    let line = host.wait_for_log(&["task ended"]);
    let expected =
        " lvl=info msg=\"task ended\" function=mirror task=task node=udf2 plugin=mirror points_in=0";
    assert!(line.starts_with("ts=") && line.contains(expected), "{line}");
}

#[test]
fn guest_text_is_escaped_and_bounded() {
    let host = Host::with(&["log_forgery", "log_flood", "empty_logs", "prints"]);
    for name in ["log_forgery", "log_flood", "empty_logs", "prints"] {
        assert_eq!(play(host.start(name, &[]), [RequestMessage::Point(point("a", 1, 1.0))]), []);
    }
    let line = host.wait_for_log(&["plugin log", "plugin=log_forgery"]);
    assert!(line.contains(r#"text="x\nlvl=error msg=forged \u001b[31m\u202e and more"#), "{line}");
    host.wait_for_log(&["plugin=log_flood", "lines were dropped", "limit=16KiB"]);
    let flood =
        host.log().lines().filter(|line| line.contains("plugin log") && line.contains("log_flood")).count();
    assert!((1..=17).contains(&flood), "{flood} lines of a flood");
    host.wait_for_log(&["plugin log", "plugin=prints", "this must not reach Kapacitor"]);
}

#[test]
fn macros_of_the_sdk_write_log_lines() {
    let host = Host::with(&["logs"]);
    play(host.start("logs", &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
    for (level, text) in [
        ("debug", "debug cpu"),
        ("info", r#"info \"cpu\""#),
        ("warn", "warn cpu"),
        ("error", "error   cpu"),
        ("info", "println cpu"),
        ("error", "eprintln cpu"),
        ("error", "point.time() + 1 = 2"),
        ("info", "time 2"),
    ] {
        host.wait_for_log(&[&format!("lvl={level}"), "plugin log", "task=task", text]);
    }
}
