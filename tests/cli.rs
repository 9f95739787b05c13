//! The commands, their exit codes and their output.

use std::fs;
use std::process::{Command, Stdio};

use kapacitor_wasm::internals::ABI;

use crate::support::{BINARY, Setup};

#[test]
fn check_prints_table_of_functions() {
    let config = "[functions.wasm]\nplugin-option = \"plugin\"\nedges = \"batch -> stream\"\n";
    let setup = Setup::new(config).with(&["moving_avg", "outliers", "own_format"]);
    let (code, stdout, stderr) = setup.run(&["check"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let rows: Vec<Vec<&str>> = stdout
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["function", "plugin", "edges", "options", "snapshots"]);
    let row = [
        "moving_avg",
        "moving_avg",
        "stream -> stream",
        "as(string) field(string) period(duration) size(int)",
        "memory",
    ];
    assert_eq!(rows[1], row);
    assert!(rows[2].ends_with(&["batch -> batch", "field(string) scale(double)", "memory"]), "{stdout}");
    assert_eq!(rows[3].last(), Some(&"own format"));
    assert!(stdout.contains("batch -> stream"), "{stdout}");
}

#[test]
fn config_prints_functions_for_kapacitor() {
    let setup = Setup::new("").with(&["mirror", "moving_avg"]);
    let (code, stdout, _) = setup.run(&["config"]);
    assert_eq!(code, 0);
    let socket = setup.folder.path().join("run/moving_avg.sock");
    let parsed: toml::Table = stdout.parse().unwrap();
    assert_eq!(parsed["udf"]["functions"]["moving_avg"]["socket"].as_str(), socket.to_str());
    assert!(parsed["udf"]["functions"]["mirror"]["timeout"].is_str());

    let (_, stdout, _) = setup.run(&["config", "--stdio"]);
    let parsed: toml::Table = stdout.parse().unwrap();
    let mirror = &parsed["udf"]["functions"]["mirror"];
    assert_eq!(mirror["prog"].as_str(), Some(BINARY));
    let args: Vec<&str> = mirror["args"].as_array().unwrap().iter().filter_map(|arg| arg.as_str()).collect();
    assert_eq!(args, ["stdio", "mirror", "--config", setup.config().to_str().unwrap()]);
}

#[test]
fn config_prints_systemd_socket_unit() {
    let setup =
        Setup::new("socket-mode = \"0640\"\nsocket-group = \"metrics\"\n").with(&["mirror", "moving_avg"]);
    let (code, stdout, stderr) = setup.run(&["config", "--systemd"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let folder = setup.folder.path().join("run");
    let sockets: Vec<String> = ["mirror", "moving_avg"]
        .map(|function| format!("ListenStream={}/{function}.sock", folder.display()))
        .into();
    let lines = |start: &str| stdout.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    assert_eq!(lines("ListenStream="), sockets);
    assert_eq!(lines("Socket"), ["SocketMode=0640", "SocketUser=kapacitor", "SocketGroup=metrics"]);
    assert_eq!(lines("Before="), ["Before=kapacitor.service"]);
    assert_eq!(lines("WantedBy="), ["WantedBy=sockets.target"]);

    let setup = Setup::new("").with(&["mirror"]);
    let (_, stdout, _) = setup.run(&["config", "--systemd", "--socket-dir", "/run/100% own"]);
    for line in ["ListenStream=/run/100%% own/mirror.sock", "SocketMode=0660", "SocketGroup=kapacitor"] {
        assert!(stdout.lines().any(|l| l == line), "{line}\n{stdout}");
    }

    let (code, _, stderr) = Setup::new("").run(&["config", "--systemd"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("no .wasm file there"), "{stderr}");
    let (code, _, _) = setup.run(&["config", "--systemd", "--stdio"]);
    assert_eq!(code, 2);
}

#[test]
fn config_prints_udf_toml_for_flink() {
    // No configuration file is there yet.
    let (code, printed, stderr) = run(&["config", "--flink", "--config", "/nowhere/udf.toml"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let parsed: toml::Table = printed.parse().unwrap();
    let keys: Vec<&str> = parsed.keys().map(String::as_str).collect();
    assert_eq!(keys, ["plugins-dir", "sessions", "socket-dir", "state-dir"]);
    assert_eq!(parsed["sessions"].to_string(), "{ drain-deadline = \"1m\", queue = \"256KiB\" }");

    let setup = Setup::new("").with(&["mirror"]);
    let folder = setup.folder.path().join("run \"1\"");
    let (_, printed, _) = run(&["config", "--flink", "--socket-dir", folder.to_str().unwrap()]);
    let state = format!("{:?}", setup.folder.path().join("state").to_str().unwrap());
    let printed = printed.replace("\"/var/lib/kapacitor-wasm\"", &state);
    fs::write(setup.config(), printed).unwrap();
    let (code, checked, stderr) = setup.run(&["check"]);
    assert!(code == 0 && checked.contains("mirror"), "{checked}{stderr}");
    let host = setup.serve();
    assert!(folder.join("mirror.sock").exists(), "{}", host.log());

    for other in ["--stdio", "--systemd"] {
        assert_eq!(run(&["config", "--flink", other]).0, 2);
    }
}

#[test]
fn readme_shows_output_of_config_and_check() {
    let readme = include_str!("../README.md");
    let setup = Setup::new("").with(&["moving_avg", "outliers"]);
    let (_, config, _) = setup.run(&["config", "--socket-dir", "/run/kapacitor-wasm"]);
    let stanza = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(config.contains(stanza), "{config}");
    let (_, table, _) = setup.run(&["check"]);
    for line in table.lines() {
        assert!(readme.contains(line.trim_end()), "{line}");
    }
}

/// Every command with the arguments that it cannot do without.
const COMMANDS: [&[&str]; 28] = [
    &["serve"],
    &["stdio", "mirror"],
    &["check"],
    &["doctor"],
    &["config"],
    &["skipped"],
    &["status"],
    &["top"],
    &["tap", "cpu"],
    &["replay", "mirror", "--input", "cpu.lp"],
    &["test"],
    &["bench", "mirror", "--input", "cpu.lp"],
    &["new", "cpu", "--stream"],
    &["pack", "mirror.wasm", "model.bin", "--output", "packed.wasm"],
    &["push", "mirror.wasm", "oci://localhost:5000/mirror:1"],
    &["lock"],
    &["pull"],
    &["verify"],
    &["new-key", "plant.2026"],
    &["telegraf"],
    &["completions", "bash"],
    &["state", "list"],
    &["state", "show", "cpu"],
    &["state", "diff", "a.snapshot", "b.snapshot"],
    &["state", "export", "cpu", "cpu.snapshot"],
    &["state", "import", "cpu.snapshot"],
    &["state", "drop", "cpu"],
    &["state", "forget", "cpu"],
];

/// Runs a command without any configuration; returns its exit code, stdout and stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BINARY).args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_of_every_command_is_printed() {
    for command in [&[][..], &["state"]].into_iter().chain(COMMANDS) {
        let names: Vec<&str> = command.iter().copied().take_while(|word| is_name(word)).collect();
        let (code, stdout, stderr) = run(&[&names[..], &["--help"]].concat());
        assert_eq!((code, stderr.as_str()), (0, ""), "{names:?}");
        let usage = format!("Usage: {}", [&["kapacitor-wasm"], &names[..]].concat().join(" "));
        assert!(stdout.contains(&usage), "{names:?}: {stdout}");
    }
    // Every command is in the list above.
    for (names, listed) in [(&[][..], 0), (&["state"], 1)] {
        let (_, help, _) = run(&[names, &["--help"]].concat());
        let commands = help.split("Commands:\n").nth(1).and_then(|rest| rest.split("\n\n").next()).unwrap();
        for line in commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
            let name = line.split_whitespace().next().unwrap();
            let mut known = COMMANDS.iter().filter(|command| command.starts_with(names));
            assert!(name == "help" || known.any(|command| command[listed] == name), "{name}");
        }
    }
}

#[test]
fn man_pages_show_how_each_command_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let (code, _, stderr) = run(&["man", folder.path().to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let synopsis = |name: &str| {
        let page = fs::read_to_string(folder.path().join(format!("{name}.1"))).unwrap();
        assert!(page.lines().all(|line| line.trim_end() == line), "{name}: blanks at the end of a line");
        assert!(page.contains(&format!(".TH {name} 1 \"\" \"kapacitor-wasm ")), "{page}");
        let line = page.lines().skip_while(|line| *line != ".SH SYNOPSIS").nth(1).unwrap();
        line.replace("\\-", "-").replace("\\fB", "").replace("\\fR", "")
    };
    for command in COMMANDS {
        let names: Vec<&str> = command.iter().copied().take_while(|word| is_name(word)).collect();
        let name = [&["kapacitor-wasm"], &names[..]].concat();
        let called = synopsis(&name.join("-"));
        assert!(called.starts_with(&name.join(" ")), "{called}");
    }
    assert_eq!(
        synopsis("kapacitor-wasm-serve"),
        "kapacitor-wasm serve [-c|--config FILE] [--plugins-dir DIR] [--socket-dir DIR] [--log-level LEVEL] \
         [-h|--help]"
    );
    assert_eq!(
        synopsis("kapacitor-wasm-new"),
        "kapacitor-wasm new [--language LANGUAGE] [--dir DIR] [--sdk PATH] [-h|--help] {--stream | --batch} NAME"
    );
    assert!(synopsis("kapacitor-wasm").ends_with(" COMMAND"));
    assert!(synopsis("kapacitor-wasm-bench").contains(" -i|--input FILE... "));
}

#[test]
fn unknown_flag_exits_with_2() {
    for command in [&[][..]].into_iter().chain(COMMANDS) {
        let (code, stdout, stderr) = run(&[command, &["--no-such-flag"]].concat());
        assert_eq!((code, stdout.as_str()), (2, ""), "{command:?}");
        assert!(stderr.contains("--no-such-flag"), "{command:?}: {stderr}");
    }
    let (code, _, stderr) = run(&["no-such-command"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no-such-command"), "{stderr}");
}

#[test]
fn missing_argument_exits_with_2() {
    for command in COMMANDS.into_iter().filter(|command| command.iter().any(|word| !is_name(word))) {
        let (code, stdout, stderr) = run(&command[..command.len() - 1]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{command:?}");
        assert!(stderr.contains("required"), "{command:?}: {stderr}");
    }
}

#[test]
fn unknown_log_level_exits_with_2() {
    let (code, _, stderr) = Setup::new("").run(&["serve", "--log-level", "loud"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("loud") && stderr.contains("debug"), "{stderr}");
}

#[test]
fn missing_configuration_file_exits_with_1_and_one_sentence() {
    // Commands without a configuration, `test`, which reads the cases before it, and `doctor`, for which it is a finding.
    let without = ["completions", "new", "new-key", "pack", "test", "doctor"];
    for command in COMMANDS.into_iter().filter(|command| !without.contains(&command[0])) {
        let (code, stdout, stderr) = run(&[command, &["--config", "/nowhere/udf.toml"]].concat());
        assert_eq!((code, stdout.as_str()), (1, ""), "{command:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{command:?}: {stderr}");
        // Telegraf takes the beginning of a line for its level.
        let who = if command[0] == "telegraf" { "E! " } else { "kapacitor-wasm: " };
        let expected = format!("{who}/nowhere/udf.toml can't be read");
        assert!(stderr.starts_with(&expected), "{command:?}: {stderr}");
    }
}

#[test]
fn completion_scripts_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, stderr) = run(&["completions", shell]);
        assert_eq!((code, stderr.as_str()), (0, ""), "{shell}");
        for expected in ["serve", "plugins-dir"] {
            assert!(script.contains(expected), "{shell}: {expected}\n{script}");
        }
        assert!(!script.contains("compile-memory"), "{shell}\n{script}");
    }
    let (code, stdout, stderr) = run(&["completions", "tcsh"]);
    assert_eq!((code, stdout.as_str()), (2, ""));
    assert!(stderr.contains("tcsh") && stderr.contains("zsh"), "{stderr}");
}

#[test]
fn man_page_of_each_command_is_written() {
    let (_, help, _) = run(&["--help"]);
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let commands =
        commands.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    let commands: Vec<&str> = commands.filter(|command| *command != "help").collect();
    assert!(commands.contains(&"serve") && commands.contains(&"completions"), "{help}");

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("man");
    let (code, _, stderr) = run(&["man", folder.to_str().unwrap()]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    for command in commands {
        let page = fs::read_to_string(folder.join(format!("kapacitor-wasm-{command}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS") && page.contains(command), "{page}");
    }
    let page = fs::read_to_string(folder.join("kapacitor-wasm.1")).unwrap();
    assert!(page.contains("Exit codes:"), "{page}");
}

#[test]
fn version_and_exit_codes_are_printed() {
    let (code, version, _) = run(&["--version"]);
    let lock: toml::Table = include_str!("../Cargo.lock").parse().unwrap();
    let mut packages = lock["package"].as_array().unwrap().iter();
    let wasmtime = packages.find(|package| package["name"].as_str() == Some("wasmtime")).unwrap();
    let (own, wasmtime) = (env!("CARGO_PKG_VERSION"), wasmtime["version"].as_str().unwrap());
    assert_eq!(code, 0);
    let rest = version.strip_prefix(&format!("kapacitor-wasm {own} (build ")).unwrap();
    let (build, rest) = rest.split_once(", ").unwrap();
    assert!(build.len() == 12 && build.chars().all(|c| c.is_ascii_hexdigit()), "{version}");
    assert_eq!(rest, format!("wasmtime {wasmtime}, guest interface {ABI})\n"));

    let (code, help, stderr) = run(&["--help"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let codes: Vec<&str> =
        codes.filter_map(|line| line.strip_prefix("  ")?.get(..1)).filter(|code| *code != " ").collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4"], "{help}");

    for args in [&["serv"][..], &["stdio"], &["serve", "--port", "1"], &[]] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(stderr.contains("Usage: kapacitor-wasm"), "{stderr}");
    }
}

#[test]
fn short_flag_names_the_configuration_file() {
    let output = Command::new(BINARY).args(["check", "-c", "/nowhere/udf.toml"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("kapacitor-wasm: /nowhere/udf.toml can't be read"), "{stderr}");
}

/// Whether a word of [`COMMANDS`] is the name of a command.
fn is_name(word: &str) -> bool {
    !["mirror", "cpu", "bash"].contains(&word) && !word.contains('.') && !word.starts_with('-')
}
