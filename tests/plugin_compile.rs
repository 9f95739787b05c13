//! Compilation: its limits, and the cache of machine code.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use kapacitor_wasm::protocol::RequestMessage;

use crate::support::{Setup, play, point};

/// A module of a few kilobytes that takes a minute to compile: nested loops, all of them
/// with many locals.
pub fn bomb() -> String {
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
    // Other plugins are loaded meanwhile.
    host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
    assert_eq!(play(host.start("mirror", &[]), [RequestMessage::Point(point("a", 1, 1.0))]).len(), 1);
    assert_eq!(host.count_logs(&["plugin=bomb"]), 0);
    // A task with this plugin gets the reason.
    let response = host.connect("bomb").init("task", Vec::new()).unwrap();
    assert!(
        response.error.contains("takes longer to compile than host.compile-deadline = 2s"),
        "{response:?}"
    );
    // The compilation is not repeated while the file is the same.
    let response = host.connect("bomb").init("task", Vec::new()).unwrap();
    assert!(!response.success);
    // The log is in order, but it lags behind.
    host.wait_for_logs(&["task can't start", "function=bomb"], 2);
    // Only `mirror` has a mark that its compilation was within the limits.
    let marks = host.setup.folder.path().join("state/compiled/within-limits");
    assert_eq!(fs::read_dir(marks).unwrap().count(), 1);
    assert_eq!(host.count_logs(&["plugin refused", "plugin=bomb"]), 1);
}

#[test]
fn machine_code_cache_is_reused_unless_others_can_write_it() {
    let setup = Setup::new("").with(&["mirror"]);
    let compiled = setup.folder.path().join("state/compiled");
    // `check` writes nothing, since another user than the host's may run it.
    assert_eq!(setup.run(&["check"]).0, 0);
    assert!(!compiled.exists());
    let mut host = setup.serve();
    let files = |folder: &Path| -> usize {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.map(|path| if path.is_dir() { fs::read_dir(path).unwrap().count() } else { 1 }).sum()
    };
    let kept = files(&compiled);
    assert!(kept > 0);
    // The mark lets the next start read the machine code without a process that compiles.
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
