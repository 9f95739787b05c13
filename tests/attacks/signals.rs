//! Signals: none ends the host without its checkpoints, and SIGHUP reloads `udf.toml`.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::client::Client;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{
    Host, Setup, compile_bomb, error_of, field, live_point, moving_avg, play, point, points, receive,
};

/// Signals that end a process by default, and that ask nothing of the host.
const ASK_NOTHING: [&str; 13] =
    ["USR1", "USR2", "PIPE", "ALRM", "VTALRM", "PROF", "IO", "STKFLT", "XFSZ", "WINCH", "CONT", "34", "64"];

/// A plugin whose description takes longer than any test, unless a limit ends it.
const ENDLESS: &str = "endless_info";

/// Has `client` process a live point.
fn process(client: &mut Client) {
    client.send(live_point("a", 1.0)).unwrap();
    let answered = receive(client);
    assert!(matches!(answered, Some(ResponseMessage::Point(_))), "{answered:?}");
}

#[test]
fn signals_that_ask_nothing_end_nothing() {
    let mut host = Host::with(&["mirror"]);
    let mut client = host.start("mirror", &[]);
    for signal in ASK_NOTHING {
        host.signal(signal);
        process(&mut client);
    }
    for name in ["SIGUSR1", "SIGALRM", "\"signal 64\""] {
        host.wait_for_log(&["msg=\"signal ignored\"", name]);
    }
    assert_eq!(host.count_logs(&["SIGPIPE"]), 0, "{}", host.log());
    // A flood of them is one line.
    (0..100).for_each(|_| host.signal("USR1"));
    process(&mut client);
    assert_eq!(host.count_logs(&["signal ignored", "SIGUSR1"]), 1, "{}", host.log());
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn each_signal_to_stop_keeps_the_state_of_all_tasks() {
    for signal in ["TERM", "INT", "QUIT", "PWR", "XCPU"] {
        let mut host = Host::with(&["moving_avg"]);
        let mut client = host.start("moving_avg", &moving_avg(2));
        process(&mut client);
        host.signal(signal);
        assert_eq!(host.wait(), Some(0), "{signal}: {}", host.log());
        assert!(host.log().contains("checkpoint written"), "{signal}: {}", host.log());
        assert!(host.log().contains(&format!("msg=stopping signal=SIG{signal}")), "{}", host.log());
        host.serve_again();
        process(&mut host.start("moving_avg", &moving_avg(2)));
        host.wait_for_log(&["state restored", "points_seen=1"]);
    }
}

#[test]
fn signals_are_obeyed_while_plugins_load() {
    let setup = Setup::new("[limits]\ncall-deadline = \"10m\"\n").with(&["mirror", ENDLESS]);
    let mut host = setup.begin_to_serve();
    host.wait_for_log(&["plugin loaded", "mirror"]);
    let mut client = host.start("mirror", &[]);
    host.signal("USR1");
    host.wait_for_log(&["signal ignored", "SIGUSR1"]);
    let config = "[limits]\ncall-deadline = \"10m\"\n[functions.other]\nplugin = \"mirror\"\n";
    host.reload(config, &["udf.toml read again"]);
    process(&mut client);
    let asked = Instant::now();
    host.signal("TERM");
    assert_eq!(host.wait(), Some(0), "{}", host.log());
    assert!(asked.elapsed() < Duration::from_secs(30), "{:?}", asked.elapsed());
    assert_eq!(host.count_logs(&["msg=ready"]), 0, "{}", host.log());
}

#[test]
fn signal_to_the_process_group_of_the_host_does_not_end_a_compilation() {
    let setup = Setup::new("[host]\ncompile-deadline = \"10m\"\n")
        .with(&["mirror"])
        .with_wat("bomb", &compile_bomb());
    let log = setup.folder.path().join("log");
    let mut command = setup.command(&["serve"]);
    let mut child = command.process_group(0).stderr(fs::File::create(&log).unwrap()).spawn().unwrap();
    let lines = |parts: &[&str]| {
        let log = fs::read_to_string(&log).unwrap();
        log.lines().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    };
    let wait_for = |parts: &[&str], count: usize| {
        let deadline = Instant::now() + Duration::from_secs(60);
        while lines(parts) < count {
            assert!(Instant::now() < deadline, "{parts:?}: {}", fs::read_to_string(&log).unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    };
    wait_for(&["plugin loaded", "mirror"], 1);
    let send = |signal: &str| {
        let group = format!("-{}", child.id());
        assert!(Command::new("kill").args(["-s", signal, "--", &group]).status().unwrap().success());
    };
    send("USR1");
    wait_for(&["signal ignored", "SIGUSR1"], 1);
    for round in 1..=3 {
        send("HUP");
        wait_for(&["nothing has changed"], round);
    }
    send("INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(lines(&["plugin refused"]), 0, "{}", fs::read_to_string(&log).unwrap());
}

#[test]
fn second_signal_to_stop_ends_the_host_at_once() {
    let config = "[sessions]\ndrain-deadline = \"5m\"\n[limits]\ncall-deadline = \"10m\"\n";
    let mut host = Setup::new(config).with(&["endless_loop"]).serve();
    let mut client = host.start("endless_loop", &[]);
    client.send(live_point("a", 1.0)).unwrap();
    // The host sends keepalives while the plugin computes.
    assert!(matches!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(_))));
    host.signal("TERM");
    host.wait_for_log(&["msg=stopping"]);
    // The same signal once more at the same time, as `timeout` sends it, is not a second one.
    host.signal("TERM");
    host.signal("HUP");
    let asked = Instant::now();
    while asked.elapsed() < Duration::from_millis(1500) {
        assert!(matches!(client.receive().unwrap(), Some(ResponseMessage::Keepalive(_))), "{}", host.log());
    }
    host.signal("INT");
    assert_eq!(host.wait(), Some(1), "{}", host.log());
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    assert!(host.log().contains("kapacitor-wasm: SIGINT came while the host was stopping"), "{}", host.log());
    assert!(!host.socket("endless_loop").exists());
}

#[test]
fn signals_to_the_process_group_of_kapacitor_end_no_stdio() {
    let setup = Setup::new("").with(&["mirror"]);
    let log = setup.folder.path().join("log");
    let mut command = setup.command(&["stdio", "mirror"]);
    let stderr = fs::File::create(&log).unwrap();
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
    let mut client = Client::over_pipes(child.stdout.take().unwrap(), child.stdin.take().unwrap());
    assert!(client.init("task", Vec::new()).unwrap().success);
    for signal in ["HUP", "INT", "QUIT", "TERM"].iter().chain(&ASK_NOTHING) {
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        process(&mut client);
    }
    drop(client);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("signal=SIGTERM") && log.contains("signal=SIGHUP"), "{log}");
}

#[test]
fn reload_applies_limits_and_policies_to_new_tasks_only() {
    let fragile = "[policy]\non-trap = \"recover\"\n";
    let host = Setup::new(fragile).with(&["fragile"]).serve();
    let running = host.start("fragile", &[]);
    let line = host.reload("[policy]\non-trap = \"fail\"\n[limits]\nmemory = \"16MiB\"\n", &["read again"]);
    assert!(
        line.contains("for_new_tasks=\"limits.memory=16MiB (was 64MiB), policy.on-trap=fail (was recover)\""),
        "{line}"
    );
    let bad = || {
        let mut bad = point("a", 1, 1.0);
        bad.fields_bool.insert("fail".to_owned(), true);
        [bad, point("a", 2, 2.0)].map(RequestMessage::Point)
    };
    let new = host.start("fragile", &[]);
    let ended = play(new, bad());
    assert!(error_of(&ended).contains("told to fail"), "{ended:?}");
    let recovered = play(running, bad());
    assert!(
        recovered.iter().any(|r| matches!(r, ResponseMessage::Point(_))),
        "{recovered:?}\n{}",
        host.log()
    );
}

#[test]
fn reload_applies_the_level_of_the_log_and_the_limits_of_the_host_at_once() {
    let host = Setup::new("").with(&["mirror"]).serve();
    let _running = host.start("mirror", &[]);
    let line = host.reload("[host]\nsandboxes = 1\n", &["read again"]);
    assert!(line.contains("at_once=\"host.sandboxes=1 (was 20000)\""), "{line}");
    let refused = host.connect("mirror").init("second", Vec::new()).unwrap();
    assert!(refused.error.contains("host.sandboxes = 1"), "{refused:?}");
    host.reload("[host]\nsandboxes = 2\n", &["read again", "host.sandboxes=2"]);
    assert!(host.connect("mirror").init("third", Vec::new()).unwrap().success);

    // The line is there though the new level would hide it.
    let quiet = fs::read_to_string(host.setup.config()).unwrap().replace("\"debug\"", "\"error\"");
    fs::write(host.setup.config(), quiet).unwrap();
    host.signal("HUP");
    host.wait_for_log(&["read again", "log-level=error (was debug)"]);
    let lines = host.log().lines().count();
    let mut client = host.connect("mirror");
    assert!(client.init("fourth", Vec::new()).unwrap().success);
    assert_eq!(host.log().lines().count(), lines, "{}", host.log());
}

#[test]
fn reload_gives_new_functions_a_socket_and_keeps_removed_ones_for_their_running_tasks() {
    let host = Setup::new("[functions.old]\nplugin = \"mirror\"\n").with(&["mirror", "moving_avg"]).serve();
    let mut running = host.start("old", &[]);
    let new = "[functions.new]\nplugin = \"mirror\"\n";
    host.reload(new, &["function has a socket now", "function=new", "restart Kapacitor"]);
    process(&mut host.start("new", &[]));
    process(&mut running);
    let refused = host.connect("old").init("task", Vec::new()).unwrap();
    assert!(
        refused.error.contains("function `old` was taken out of udf.toml: put [functions.old] back"),
        "{refused:?}"
    );
    // Kapacitor, when it starts, gets an answer.
    host.connect("old").info().unwrap();
    host.reload("[functions.old]\nplugin = \"mirror\"\n", &["read again", "functions.old"]);
    process(&mut host.start("old", &[]));
    // A function of a plugin file gets routes and another plugin.
    host.reload("[functions.mirror]\nplugin = \"moving_avg\"\n", &["functions.mirror.plugin=moving_avg"]);
    assert!(!host.connect("mirror").init("task", Vec::new()).unwrap().success);
}

#[test]
fn reload_says_which_keys_need_a_restart() {
    let host = Host::with(&["mirror"]);
    let config = fs::read_to_string(host.setup.config()).unwrap();
    let config = config.replace("\"run\"", "\"other\"").replace("\"state\"", "\"elsewhere\"");
    fs::write(host.setup.config(), format!("plugins-dir = \"p\"\n{config}[limits]\nstack = \"1MiB\"\n"))
        .unwrap();
    host.signal("HUP");
    for key in ["socket-dir=", "state-dir=", "plugins-dir=", "limits.stack=1MiB (was 512KiB)"] {
        host.wait_for_log(&["lvl=warn", key, "keeps its value until a restart of the host"]);
    }
    process(&mut host.start("mirror", &[]));
    assert!(!host.setup.folder.path().join("other").exists());
}

#[test]
fn reload_of_a_wrong_file_is_refused_with_the_sentence_of_a_start() {
    let host = Setup::new("[functions.f]\nplugin = \"mirror\"\n").with(&["mirror"]).serve();
    let mut running = host.start("f", &[]);
    let wrong = [
        "[limits]\nmemroy = \"1MiB\"\n",
        "[limits]\nmemory = \"0B\"\n",
        "[limits]\nstack = \"1B\"\n",
        "socket-group = \"no-such-group\"\n",
        "[functions.g]\nplugin = \"mirror\"\n[[functions.g.route]]\ntask = \"night-[\"\nplugin = \"mirror\"\n",
        "[[[",
    ];
    for (count, wrong) in (1..).zip(wrong) {
        host.setup.configure(wrong);
        host.signal("HUP");
        let line =
            host.wait_for_logs(&["lvl=error", "udf.toml is refused, everything stays as it was"], count);
        let (code, stdout, stderr) = host.setup.run(&["check"]);
        assert_eq!(code, 1, "{stdout}");
        let sentence = stderr.trim().strip_prefix("kapacitor-wasm: ").map(str::to_owned);
        let sentence = sentence.unwrap_or_else(|| stdout.split("error: ").last().unwrap().trim().to_owned());
        let escaped = sentence.replace('"', "\\\"").replace('\n', "\\n");
        assert!(line.contains(&escaped), "{line}\n{sentence}");
        process(&mut running);
        process(&mut host.start("f", &[]));
    }
    fs::remove_file(host.setup.config()).unwrap();
    host.signal("HUP");
    host.wait_for_log(&["everything stays as it was", "can't be read"]);
    process(&mut running);
    // Once the file is right again, it counts.
    host.reload("[functions.f]\nplugin = \"mirror\"\n", &["nothing has changed"]);
}

#[test]
fn reload_loads_plugins_anew_that_were_refused_under_other_limits() {
    let host = Setup::new("[limits]\nmemory = \"64KiB\"\n").with(&["mirror", "moving_avg"]).serve();
    let refused = host.connect("moving_avg").init("task", moving_avg(1)).unwrap();
    assert!(refused.error.contains("limits.memory = 64KiB"), "{refused:?}");
    host.reload("", &["plugin loaded", "moving_avg"]);
    assert!(host.connect("moving_avg").init("task", moving_avg(1)).unwrap().success);
}

#[test]
fn reloads_in_a_row_lose_no_point_of_running_tasks() {
    let host = Host::with(&["mirror"]);
    let mut client = host.start("mirror", &[]);
    for round in 0..20 {
        host.setup.configure(&format!("[policy]\nfailures-per-minute = {}\n", round + 1));
        host.signal("HUP");
        process(&mut client);
    }
    host.wait_for_log(&["failures-per-minute=20"]);
    let echoed = play(client, points(100));
    assert_eq!(field(&echoed, "value").len(), 100);
}

#[test]
fn new_plugin_file_gets_the_socket_of_its_function() {
    let host = Host::with(&["mirror"]);
    host.setup.add("mirror", "second");
    host.wait_for_log(&["function has a socket now", "function=second", "kapacitor-wasm config"]);
    process(&mut host.start("second", &[]));
    // A file that is wrong at first.
    fs::write(host.setup.plugin("third"), "no module").unwrap();
    host.wait_for_log(&["plugin refused", "third"]);
    host.setup.add("mirror", "third");
    host.wait_for_log(&["function has a socket now", "function=third"]);
    process(&mut host.start("third", &[]));
    // A name that a TICKscript can't call makes none.
    host.setup.add("mirror", "not-callable");
    host.wait_for_log(&["plugin loaded", "not-callable"]);
    assert!(!host.socket("not-callable").exists());
    // It stays after a reload, and after its file is gone.
    fs::remove_file(host.setup.plugin("second")).unwrap();
    host.wait_for_log(&["plugin file deleted", "second"]);
    host.reload("[policy]\non-trap = \"fail\"\n", &["read again"]);
    let refused = host.connect("second").init("task", Vec::new()).unwrap();
    assert!(refused.error.contains("was deleted: put it back"), "{refused:?}");
}

#[test]
fn reload_gives_sockets_their_new_mode() {
    use std::os::unix::fs::PermissionsExt as _;
    let host = Host::with(&["mirror"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&host.socket("mirror")), 0o660);
    let line =
        host.reload("socket-mode = \"0600\"\n[functions.f]\nplugin = \"mirror\"\n", &["has a socket now"]);
    assert!(line.contains("function=f"), "{line}");
    assert_eq!((mode(&host.socket("mirror")), mode(&host.socket("f"))), (0o600, 0o600));
}
