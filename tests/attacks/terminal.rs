//! Text from outside steers no terminal.

use kapacitor_wasm::protocol::RequestMessage;
use kapacitor_wasm::protocol::client::text;

use crate::support::{Host, live_point, mean, moving_avg, play};

/// Turns text red, sets a title, reorders text.
const EVIL: &str = "\x1b[31mred\x1b]0;owned\x07\u{202e}";

/// Checks that `shown` has the text, and nothing that a terminal obeys.
fn assert_plain(shown: &str) {
    assert!(shown.contains("red"), "{shown:?}");
    assert!(!shown.contains(['\x1b', '\x07', '\r', '\u{202e}']), "{shown:?}");
}

#[test]
fn skipped_points_are_printed_without_control_characters() {
    let host = Host::with(&["fragile"]);
    let RequestMessage::Point(mut point) = live_point("a", 1.0) else { unreachable!() };
    point.tags.insert("host".to_owned(), EVIL.to_owned());
    point.fields_int.insert("fail".to_owned(), 1);
    let mut client = host.connect("fragile");
    assert!(client.init(EVIL, Vec::new()).unwrap().success);
    assert!(play(client, [RequestMessage::Point(point)]).is_empty());
    host.wait_for_log(&["is skipped"]);
    let shown = loop {
        let (code, shown, stderr) = host.setup.run(&["skipped"]);
        assert_eq!(code, 0, "{stderr}");
        if shown.contains("points  1") {
            break shown;
        }
    };
    assert_plain(&shown);
    assert_eq!(shown.matches("red").count(), 2, "{shown}");
}

#[test]
fn names_of_tasks_are_printed_without_control_characters_and_line_breaks() {
    let host = Host::with(&["moving_avg"]);
    let task = format!("{EVIL}\nforged");
    let mut client = host.connect("moving_avg");
    assert!(client.init(&task, moving_avg(3)).unwrap().success);
    mean(&mut client, 1.0);
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["checkpoint written"]);
    for args in
        [&["list"][..], &["show", &task], &["diff", &task, &task], &["drop", &task], &["forget", &task]]
    {
        let (code, stdout, stderr) = host.setup.run(&[&["state"], args].concat());
        assert_eq!(code, 0, "{args:?}: {stderr}");
        let shown = stdout + &stderr;
        assert!(
            !shown.contains(['\x1b', '\x07', '\u{202e}']) && !shown.contains("\nforged"),
            "{args:?}: {shown:?}"
        );
        assert!(shown.contains("forged"), "{args:?}: {shown:?}");
    }
}

#[test]
fn answer_to_an_unknown_option_has_no_control_characters() {
    let host = Host::with(&["mirror"]);
    let answer = host.connect("mirror").init("task", vec![text(&format!("{EVIL}\n"), "")]).unwrap();
    assert!(!answer.success && !answer.error.contains('\n'), "{answer:?}");
    assert_plain(&answer.error);
}
