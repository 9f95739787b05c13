//! Compilation: its limits, and the cache of machine code.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use kapacitor_wasm::protocol::RequestMessage;

use crate::support::preload::compile;
use crate::support::{Setup, compile_bomb, play, point};

#[test]
fn slow_compilation_does_not_delay_other_plugins() {
    let setup = Setup::new("[host]\ncompile-deadline = \"2s\"\n").with(&["mirror"]);
    let host = setup.with_wat("bomb", &compile_bomb()).begin_to_serve();
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
    // Only `mirror` has machine code.
    assert_eq!(fs::read_dir(host.setup.folder.path().join("state/compiled")).unwrap().count(), 1);
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
    let files = || -> Vec<_> {
        let entries = fs::read_dir(&compiled).unwrap().map(|entry| entry.unwrap());
        entries.map(|entry| (entry.path(), entry.metadata().unwrap().ino())).collect()
    };
    let kept = files();
    assert_eq!(kept.len(), 1);
    host.start_again();
    assert_eq!(files(), kept);

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
    let setup = Setup::new("[host]\ncompile-memory = \"128MiB\"\n").with_wat("bomb", &compile_bomb());
    let (code, stdout, _) = setup.run(&["check"]);
    let expected = "bomb.wasm: takes more memory to compile than host.compile-memory = 128MiB";
    assert!(code == 1 && stdout.contains(expected), "{stdout}");
}

#[test]
fn compilation_is_started_again_where_the_machine_has_no_room_for_a_process() {
    let library = compile("failing_spawn");
    let setup = |fails: &str| {
        let setup = Setup::new("").with(&["mirror"]).env("LD_PRELOAD", library.path.clone());
        setup.env("KW_FAILING_SPAWNS", fails.into())
    };
    // `check` looks at each file once, and so does `stdio`.
    let (code, stdout, _) = setup("3").run(&["check"]);
    assert_eq!(code, 0, "{stdout}");
    // The host says so in the end, and tries on.
    let host = setup("8").begin_to_serve();
    host.wait_for_log(&["plugin is not there yet, it is tried again", "no process can be started for it"]);
    host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
}
