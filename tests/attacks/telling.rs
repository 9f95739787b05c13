//! Messages say who, where, what is wrong and what to do.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;

use crate::support::{Host, Setup, moving_avg, play, points, wasm};

/// Number of the user and of the group `nobody`.
const NOBODY: u32 = 65534;

/// Runs a command as a user that is not root; returns its exit code, stdout and stderr.
fn run_as_user(setup: &Setup, args: &[&str]) -> (i32, String, String) {
    let mut command = setup.command(args);
    if rustix::process::geteuid().is_root() {
        // The folder of the test belongs to root.
        fs::set_permissions(setup.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// What `check` says of a folder with `config`, in which `prepare` was done: all its lines of errors and notes.
fn check(setup: &Setup) -> (i32, Vec<String>) {
    let (code, stdout, stderr) = setup.run(&["check"]);
    let told = stdout.lines().chain(stderr.lines());
    let told =
        told.filter(|line| ["error: ", "note: ", "kapacitor-wasm: "].iter().any(|it| line.starts_with(it)));
    (code, told.map(str::to_owned).collect())
}

#[test]
fn a_function_whose_socket_cannot_be_made_stops_no_other() {
    let long = "x".repeat(120);
    let setup = Setup::new("").with(&["mirror"]);
    setup.add("mirror", &long);
    setup.add("mirror", "blocked");
    fs::create_dir_all(setup.folder.path().join("run/blocked.sock")).unwrap();
    let (code, told) = check(&setup);
    assert_eq!((code, told.len()), (1, 2), "{told:?}");
    assert!(
        told[0].contains("run/blocked.sock: there is something that is not a socket: move it away"),
        "{told:?}"
    );
    assert!(
        told[1].contains("at most 107 bytes: choose a shorter socket-dir, or a shorter name"),
        "{told:?}"
    );
    // Kapacitor would wait for these sockets when it starts.
    let (_, config, _) = setup.run(&["config"]);
    assert!(config.contains("# Function `blocked` has no socket: "), "{config}");
    assert!(
        config.contains("[udf.functions.mirror]") && !config.contains("[udf.functions.blocked]"),
        "{config}"
    );

    let host = setup.serve();
    for (function, reason) in
        [("function=blocked", "not a socket"), (&*format!("function={long}"), "at most 107 bytes")]
    {
        host.wait_for_log(&["lvl=error", function, reason, "function has no socket, all others are served"]);
    }
    host.wait_for_log(&["msg=ready", "functions=1", "refused=2"]);
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
    // Once the reason is gone, a reload makes the socket.
    fs::remove_dir(host.socket("blocked")).unwrap();
    host.reload("", &["function has a socket now", "function=blocked"]);
    assert_eq!(play(host.start("blocked", &[]), points(3)).len(), 3);
    assert_eq!(host.count_logs(&["function has no socket"]), 2, "{}", host.log());
}

#[test]
fn host_without_any_socket_does_not_start() {
    let setup = Setup::new("").with(&["mirror"]);
    fs::create_dir_all(setup.folder.path().join("run/mirror.sock")).unwrap();
    let (code, _, stderr) = setup.run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("run/mirror.sock: there is something that is not a socket"), "{stderr}");

    let setup = Setup::new("").with(&["mirror"]);
    fs::write(setup.folder.path().join("run"), "").unwrap();
    let (code, told) = check(&setup);
    assert_eq!((code, told.len()), (1, 1), "{told:?}");
    let sentence = "/run: is not a folder: move it away, or choose another folder";
    assert!(told[0].starts_with("error: socket-dir: ") && told[0].ends_with(sentence), "{told:?}");
    let (code, _, stderr) = setup.run(&["serve"]);
    assert!(code == 1 && stderr.contains(sentence), "{stderr}");

    let setup = Setup::new("socket-group = \"no-such-group\"\n").with(&["mirror", "moving_avg"]);
    let (code, told) = check(&setup);
    assert_eq!((code, told.len()), (1, 1), "{told:?}");
    let (code, _, stderr) = setup.run(&["serve"]);
    assert!(code == 1 && stderr.contains(told[0].strip_prefix("error: ").unwrap()), "{stderr}");
}

#[test]
fn check_and_serve_say_that_state_dir_cannot_be_used() {
    let setup = Setup::new("").with(&["mirror"]);
    fs::write(setup.folder.path().join("state"), "").unwrap();
    let (code, told) = check(&setup);
    assert_eq!((code, told.len()), (1, 1), "{told:?}");
    assert!(
        told[0].starts_with("error: state-dir: ") && told[0].contains("/state: is not a folder"),
        "{told:?}"
    );
    let host = setup.serve();
    host.wait_for_log(&[
        "lvl=error",
        "state: is not a folder",
        "the state of tasks and skipped points are not kept",
    ]);
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
}

#[test]
fn check_by_another_user_says_who_may_write() {
    let setup = Setup::new("").with(&["mirror"]);
    for folder in ["state", "run"] {
        fs::create_dir(setup.folder.path().join(folder)).unwrap();
        fs::set_permissions(setup.folder.path().join(folder), fs::Permissions::from_mode(0o555)).unwrap();
    }
    let (code, stdout, _) = run_as_user(&setup, &["check"]);
    assert_eq!(code, 1, "{stdout}");
    for key in ["state-dir", "socket-dir"] {
        let line = stdout.lines().find(|line| line.starts_with(&format!("error: {key}: "))).unwrap();
        assert!(
            line.contains("can't write to it: run this as the user of the host, or change its owner"),
            "{line}"
        );
    }
}

#[test]
fn check_beside_a_running_host_finds_no_problem() {
    let host = Host::with(&["mirror", "moving_avg"]);
    let (code, told) = check(&host.setup);
    assert_eq!((code, told.len()), (0, 1), "{told:?}");
    assert!(told[0].contains("note: a running host serves 2 of the sockets in"), "{told:?}");
    let (code, _, stderr) = host.setup.run(&["serve"]);
    assert!(code == 1 && stderr.contains("uses this state folder: stop it"), "{stderr}");
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
}

#[test]
fn empty_plugins_folder_is_said_by_check_and_serve() {
    let setup = Setup::new("[functions.f]\nplugin = \"mirror\"\n");
    let (code, told) = check(&setup);
    assert_eq!(code, 1);
    assert!(told.iter().any(|line| line.contains("plugins: no .wasm file there")), "{told:?}");
    let host = setup.serve();
    host.wait_for_log(&["lvl=error", "no .wasm file there, so no task can start"]);
    host.wait_for_log(&["msg=ready", "functions=0", "refused=1"]);
}

#[test]
fn ready_names_version_build_and_rights_of_the_sockets() {
    let host = Host::with(&["mirror"]);
    let line = host.wait_for_log(&["msg=ready"]);
    let (_, version, _) = host.setup.run(&["--version"]);
    let build = version.split_once("(build ").unwrap().1.split_once(',').unwrap().0;
    assert!(line.contains(&format!("version={} build={build} ", env!("CARGO_PKG_VERSION"))), "{line}");
    assert!(line.contains(" 0660\""), "{line}");
}

#[test]
fn plugin_that_is_broken_at_the_start_is_described_as_kapacitor_knows_it() {
    let mut host = Host::with(&["moving_avg", "mirror"]);
    let before = host.connect("moving_avg").info().unwrap();
    assert_eq!(before.options.len(), 4);
    host.stop();
    fs::write(host.setup.plugin("moving_avg"), "no module").unwrap();
    host.serve_again();
    host.wait_for_log(&["msg=ready", "functions=1", "refused=1"]);
    // Kapacitor, which starts after the host, still understands the scripts.
    assert_eq!(host.connect("moving_avg").info().unwrap(), before);
    let refused = host.connect("moving_avg").init("task", moving_avg(1)).unwrap();
    assert!(refused.error.contains("is not a WebAssembly module"), "{refused:?}");
    let (_, config, _) = host.setup.run(&["config"]);
    let comment = config.lines().take_while(|line| *line != "[udf.functions.moving_avg]").last().unwrap();
    assert!(
        comment.starts_with("# Tasks of this function can't start: ") && comment.contains("moving_avg.wasm"),
        "{config}"
    );
    // Once the plugin is mended, nothing needs a restart.
    host.setup.add("moving_avg", "moving_avg");
    host.wait_for_log(&["plugin loaded", "moving_avg"]);
    assert!(host.connect("moving_avg").init("task", moving_avg(1)).unwrap().success);
    assert_eq!(host.count_logs(&["Kapacitor was told something else"]), 0, "{}", host.log());
}

#[test]
fn plugin_without_an_option_of_scripts_is_announced_with_what_to_do_first() {
    let host = Host::with(&["moving_avg"]);
    host.connect("moving_avg").info().unwrap();
    fs::write(host.setup.plugin("moving_avg"), wasm("mirror")).unwrap();
    let line = host.wait_for_log(&["Kapacitor was told something else", "option size(int) is gone"]);
    assert!(line.contains("change the scripts that do not fit the plugin any more, or put the old file back, before you restart Kapacitor"), "{line}");
    // More options break no script.
    let host = Host::with(&["mirror"]);
    host.connect("mirror").info().unwrap();
    fs::write(host.setup.plugin("mirror"), wasm("moving_avg")).unwrap();
    let line = host.wait_for_log(&["Kapacitor was told something else", "option size(int) is new"]);
    assert!(line.contains("restart it to use the plugin as it is now"), "{line}");
}

#[test]
fn wrong_option_names_the_plugin_once() {
    let generic = "[functions.wasm]\nplugin-option = \"plugin\"\nedges = \"stream -> stream\"\n";
    let host = Setup::new(generic).with(&["mirror"]).serve();
    let error = host.connect("mirror").init("task", moving_avg(1)).unwrap().error;
    assert_eq!(error.matches("`mirror`").count(), 1, "{error}");
    assert!(error.starts_with("plugin `mirror`: there is no option `field`; there are: none"), "{error}");
}

#[test]
fn new_socket_of_an_activated_host_names_the_unit() {
    let setup = Setup::new("").with(&["mirror"]).listen(&["run/mirror.sock"]);
    let host = setup.serve();
    let function = "[functions.new]\nplugin = \"mirror\"\n";
    host.reload(function, &["systemd has no socket of this function", "function=new", "config --systemd"]);
    assert_eq!(play(host.start("new", &[]), points(3)).len(), 3);
    assert!(host.socket("new").exists());
}

#[test]
fn udf_toml_that_is_no_text_is_refused_in_one_sentence() {
    let setup = Setup::new("").with(&["mirror"]);
    let good = fs::read_to_string(setup.config()).unwrap();
    let utf16: Vec<u8> = [0xfeff].into_iter().chain(good.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let huge = fs::File::create(setup.folder.path().join("huge")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let cases: [(&[u8], &str); 3] = [
        (&utf16, "is text in UTF-16: save it as UTF-8"),
        (b"# a comment\nplugins-dir = \"p\0\"\n", "has a NUL byte in line 2, so it is not text"),
        (b"# caf\xe9\n", "is not UTF-8 in line 1: save it as UTF-8"),
    ];
    for (bytes, sentence) in cases {
        fs::write(setup.config(), bytes).unwrap();
        let (code, told) = check(&setup);
        assert_eq!((code, told.len()), (1, 1), "{told:?}");
        assert!(told[0].starts_with("kapacitor-wasm: ") && told[0].contains(sentence), "{told:?}");
    }
    fs::write(setup.config(), format!("\u{feff}{}", good.replace('\n', "\r\n"))).unwrap();
    assert_eq!(check(&setup), (0, Vec::new()));

    let replace = |make: &dyn Fn(&std::path::Path)| {
        let _ = fs::remove_file(setup.config());
        make(&setup.config());
        let told = check(&setup).1;
        assert_eq!(told.len(), 1, "{told:?}");
        let _ = fs::remove_dir(setup.config());
        told[0].clone()
    };
    let folder = replace(&|path| fs::create_dir(path).unwrap());
    assert!(folder.contains("udf.toml is a folder: name the udf.toml itself with --config"), "{folder}");
    let link = |target: &'static str| {
        move |path: &std::path::Path| std::os::unix::fs::symlink(target, path).unwrap()
    };
    assert!(replace(&link("huge")).contains("is larger than 1MiB, so it is no udf.toml"));
    assert!(replace(&link("/dev/zero")).contains("is a device"));
    assert!(replace(&link("nowhere")).contains("can't be read: copy the udf.toml that is shipped there"));
    let fifo = replace(&|path| {
        assert!(std::process::Command::new("mkfifo").arg(path).status().unwrap().success());
    });
    assert!(fifo.contains("is a named pipe"), "{fifo}");
    fs::remove_file(setup.config()).unwrap();
    fs::write(setup.config(), good).unwrap();
    fs::set_permissions(setup.config(), fs::Permissions::from_mode(0o000)).unwrap();
    let (_, _, stderr) = run_as_user(&setup, &["check"]);
    assert!(
        stderr.contains("udf.toml can't be read by user ") && stderr.contains(": let this user read it"),
        "{stderr}"
    );
}

#[test]
fn every_refusal_of_udf_toml_is_one_line_with_place_and_key() {
    let setup = Setup::new("").with(&["mirror"]);
    let cases = [
        (
            "[limits]\nmemory = 64\n",
            "line 5, column 10: `limits.memory`: invalid type: integer `64`, expected a size",
        ),
        (
            "[functions.f.limits]\nmemory = \"64\"\n",
            "`functions.f.limits.memory`: `64` is not a size: write a number and a unit",
        ),
        ("[functions.f]\nplugn = \"a\"\n", "unknown key `functions.f.plugn`: did you mean `plugin`?"),
        ("[policy]\non-full = \"drop\"\n", "`policy.on-full`: unknown value `drop`: "),
        ("[limits]\ntable = 99999999999\n", "`limits.table`: "),
        (
            "[limits]\nmemory = \"1MiB\"\nmemory = \"2MiB\"\n",
            "line 6, column 1: `memory` is there twice: keep one",
        ),
        ("[limit]\n", "unknown key `limit`: did you mean `limits`?"),
        ("[limits\n", "this is not TOML: "),
        ("socket-mode = 660\n", "`socket-mode`: invalid type: integer `660`, expected a file mode"),
        ("[host]\ncompile-deadline = \"0s\"\n", "host.compile-deadline is zero, which lets nothing run"),
    ];
    for (config, sentence) in cases {
        setup.configure(config);
        let (code, told) = check(&setup);
        assert_eq!((code, told.len()), (1, 1), "{config}: {told:?}");
        assert!(told[0].contains(sentence), "{config}: {told:?}");
        let (_, _, stderr) = setup.run(&["serve"]);
        assert_eq!(stderr, format!("{}\n", told[0]));
    }
}

/// What is told of a guest that fails.
mod guests {
    use kapacitor_wasm::protocol::{Point, RequestMessage};

    use crate::support::{Setup, encoded, point, send_apart};

    const LIMITS: &str = "[limits]\nmemory = \"16MiB\"\ncall-deadline = \"300ms\"\n";

    fn good(time: i64) -> RequestMessage {
        RequestMessage::Point(point("a", time, 1.0))
    }

    fn bad(time: i64, how: &str, value: i64) -> RequestMessage {
        let mut point = point("a", time, 1.0);
        point.fields_int.insert(how.to_owned(), value);
        RequestMessage::Point(point)
    }

    #[test]
    fn each_line_and_each_reason_is_told_once_whatever_is_done_again() {
        let host = Setup::new(LIMITS).with(&["fragile"]).serve();
        // All in one run, so that what comes before each failure is given again.
        let requests: Vec<_> =
            (0..60).map(|i| if i % 20 == 13 { bad(i, "panic", 100 + i) } else { good(i) }).collect();
        let (mut client, sender) = send_apart(host.start("fragile", &[]), [encoded(requests)]);
        client.rest().unwrap();
        sender.join().unwrap();
        host.wait_for_log(&["task ended", "skipped=3"]);
        for index in [113, 133, 153] {
            assert_eq!(host.count_logs(&[&format!("about to take element {index}")]), 1, "{}", host.log());
        }
        assert_eq!(host.count_logs(&["the index is 113"]), 1, "{}", host.log());
    }

    #[test]
    fn a_failure_names_the_functions_of_the_plugin() {
        for how in ["panic", "spin", "deep", "hog"] {
            let host = Setup::new(LIMITS).with(&["fragile"]).serve();
            let (mut client, sender) =
                send_apart(host.start("fragile", &[]), [encoded([good(1), bad(2, how, 7)])]);
            client.rest().unwrap();
            sender.join().unwrap();
            let line = host.wait_for_log(&["lvl=warn", "what it failed at is skipped"]);
            let (_, place) = line.split_once(", in ").unwrap_or_else(|| panic!("no place: {line}"));
            let first = place.split(" <- ").next().unwrap();
            assert!(first.contains("fragile::") || first.contains("kapacitor_guest::"), "{how}: {line}");
        }
    }

    #[test]
    fn a_function_without_a_name_has_a_number() {
        // As `wasm-tools strip` leaves it.
        let wat = r#"
            (module
              (memory (export "memory") 1)
              (data (i32.const 0) "\08\01")
              (func (export "kapacitor_udf_abi_1"))
              (func (export "udf_input") (param i32) (result i32) (i32.const 4096))
              (func (export "udf_info") (result i64) (i64.const 0))
              (func (export "udf_init") (param i32 i32) (result i64) (i64.const 2))
              (func (export "udf_process") (param i32 i32) (result i64) (call 6) (i64.const 0))
              (func (export "udf_finish") (result i64) (i64.const 0))
              (func (loop (br 0))))"#;
        let host = Setup::new(LIMITS).with_wat("nameless", wat).serve();
        let mut client = host.start("nameless", &[]);
        client.send(RequestMessage::Point(Point { time: 1, ..Point::default() })).unwrap();
        host.wait_for_log(&["limits.call-deadline = 300ms, in function 6 <- function 4"]);
    }
}
