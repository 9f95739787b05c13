//! Compilation: its limits, and the cache of machine code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kapacitor_wasm::protocol::RequestMessage;

use crate::support::{Setup, play, point};

/// A module of a few kilobytes that takes a minute to compile: loops in loops, all of them
/// with many locals.
fn bomb() -> String {
    let (loops, locals) = (3000, 3000);
    let begins: Vec<_> = (0..loops).map(|i| format!("(loop $l{i} (local.set {i} (local.get 0)) ")).collect();
    let ends: Vec<_> = (0..loops).rev().map(|i| format!("(br_if $l{i} (local.get {i})))")).collect();
    let (locals, body) = ("i32 ".repeat(locals), [begins, ends].concat().concat());
    format!("(module (func (export \"f\") (param i32) (local {locals}) {body}))")
}

#[test]
fn slow_compilation_does_not_delay_other_plugins() {
    let setup = Setup::new("[host]\ncompile-deadline = \"2s\"\n").with(&["mirror"]);
    let host = setup.with_wat("bomb", &bomb()).begin_to_serve();
    // The others are there before that.
    host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
    assert_eq!(host.count_logs(&["plugin=bomb"]), 0);
    // Who asks for this one is told in the end.
    let response = host.connect("bomb").init("task", Vec::new()).unwrap();
    assert!(
        response.error.contains("takes longer to compile than host.compile-deadline = 2s"),
        "{response:?}"
    );
    // It is not tried again, as long as the file is the same.
    let response = host.connect("bomb").init("task", Vec::new()).unwrap();
    assert!(!response.success);
    // Lines are written in order, but later than what they tell of.
    host.wait_for_logs(&["task can't start", "function=bomb"], 2);
    // What exceeds the limits has no mark.
    let marks = host.setup.folder.path().join("state/compiled/within-limits");
    assert_eq!(fs::read_dir(marks).unwrap().count(), 1);
    assert_eq!(host.count_logs(&["plugin refused", "plugin=bomb"]), 1);
}

#[test]
fn machine_code_cache_is_reused_unless_others_can_write_it() {
    let setup = Setup::new("").with(&["mirror"]);
    let compiled = setup.folder.path().join("state/compiled");
    // Whoever only looks may be another user.
    assert_eq!(setup.run(&["check"]).0, 0);
    assert!(!compiled.exists());
    let mut host = setup.serve();
    let files = |folder: &Path| -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { fs::read_dir(path).unwrap().count() } else { 1 }).sum()
    };
    let kept = files(&compiled);
    assert!(kept > 0);
    // And the mark that lets the next start do without a process that compiles.
    assert_eq!(fs::read_dir(compiled.join("within-limits")).unwrap().count(), 1);
    host.start_again();
    assert_eq!(files(&compiled), kept);

    fs::set_permissions(&compiled, fs::Permissions::from_mode(0o777)).unwrap();
    host.start_again();
    host.wait_for_log(&["lvl=warn", "machine code is not kept", "nobody else can write to"]);
}

#[test]
fn time_of_compilation_is_limited() {
    let setup = Setup::new("[host]\ncompile-deadline = \"1us\"\n").with(&["moving_avg"]);
    let (code, stdout, _) = setup.run(&["check"]);
    let expected = "takes longer to compile than host.compile-deadline = 1us";
    assert!(code == 1 && stdout.contains(expected), "{stdout}");
}

#[test]
fn memory_of_compilation_is_limited() {
    let setup = Setup::new("[host]\ncompile-memory = \"128MiB\"\n").with_wat("bomb", &bomb());
    let (code, stdout, _) = setup.run(&["check"]);
    let expected = "bomb.wasm: takes more memory to compile than host.compile-memory = 128MiB";
    assert!(code == 1 && stdout.contains(expected), "{stdout}");
}
