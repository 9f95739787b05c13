//! The command line, `udf.toml`, and the sockets.

use std::fs;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Command;

use kapacitor_wasm::internals::ABI;

use crate::support::{BINARY, Host, Setup};

#[test]
fn check_prints_a_table_of_functions() {
    let config = "[functions.wasm]\nplugin-option = \"plugin\"\nedges = \"batch -> stream\"\n";
    let setup = Setup::new(config).with(&["moving_avg", "outliers", "own_format"]);
    let (code, stdout, stderr) = setup.run(&["check"]);
    assert_eq!((code, stderr.as_str()), (0, ""), "{stdout}");
    let rows: Vec<Vec<&str>> = stdout
        .lines()
        .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
        .collect();
    assert_eq!(rows[0], ["function", "plugin", "edges", "options", "snapshots"]);
    let row =
        ["moving_avg", "moving_avg", "stream -> stream", "as(string) field(string) size(int)", "memory"];
    assert_eq!(rows[1], row);
    assert!(rows[2].ends_with(&["batch -> batch", "field(string) scale(double)", "memory"]), "{stdout}");
    assert_eq!(rows[3].last(), Some(&"own format"));
    assert!(stdout.contains("batch -> stream"), "{stdout}");
}

#[test]
fn check_fails_with_a_sentence_for_each_thing_that_is_wrong() {
    let config = "[functions.f]\nplugin = \"gone\"\n";
    let setup = Setup::new(config).with(&["mirror", "wrong_abi", "no_abi"]);
    fs::write(setup.plugin("text"), "not wasm").unwrap();
    fs::write(setup.plugin("component"), b"\0asm\x0d\0\x01\0").unwrap();
    fs::write(setup.plugin("cut"), b"\0asm\x01\0\0\0\x01\x20").unwrap();
    let (code, stdout, _) = setup.run(&["check"]);
    assert_eq!(code, 1);
    for expected in [
        "text.wasm: is not a WebAssembly module",
        "component.wasm: is a WebAssembly component: build a core module",
        "cut.wasm: is not a valid module",
        "no_abi.wasm: has no export kapacitor_udf_abi_1",
        "wrong_abi.wasm: is made for guest interface 7",
        "function `f`: there is no plugin `gone`: put gone.wasm into",
    ] {
        assert!(
            stdout.lines().any(|l| l.starts_with("error: ") && l.contains(expected)),
            "{expected}\n{stdout}"
        );
    }
    assert_eq!(stdout.lines().filter(|line| line.starts_with("error: ")).count(), 6, "{stdout}");
}

#[test]
fn bad_files_and_flags_get_one_sentence() {
    let setup = Setup::new("[limits]\nmemroy = \"1MiB\"\n");
    let (code, _, stderr) = setup.run(&["check"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("udf.toml: TOML parse error at line 5") && stderr.contains("memroy"), "{stderr}");

    let setup = Setup::new("");
    let (code, _, stderr) = setup.run(&["check", "--plugins-dir", "/nowhere"]);
    assert_eq!(code, 1);
    assert!(
        stderr.contains("the plugins folder /nowhere can't be read: set plugins-dir or --plugins-dir"),
        "{stderr}"
    );
    let (code, _, stderr) = setup.run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("no .wasm file there"), "{stderr}");
    let (code, _, stderr) = setup.run(&["serve", "--log-level", "loud"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("loud") && stderr.contains("debug"), "{stderr}");

    let output = Command::new(BINARY).args(["check", "--config", "/nowhere/udf.toml"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        stderr,
        "kapacitor-wasm: /nowhere/udf.toml can't be read: copy the udf.toml that is shipped there, or name one with --config: No such file or directory (os error 2)\n"
    );
}

#[test]
fn config_prints_what_kapacitor_needs() {
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
fn config_prints_the_unit_of_the_sockets() {
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
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../README.md");
    let setup = Setup::new("").with(&["mirror", "mirror_batch", "moving_avg", "outliers"]);
    let (_, config, _) = setup.run(&["config", "--socket-dir", "/run/kapacitor-wasm"]);
    let stanza = readme.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    assert!(config.contains(stanza), "{config}");
    let (_, table, _) = setup.run(&["check"]);
    for line in table.lines() {
        assert!(readme.contains(line.trim_end()), "{line}");
    }
}

#[test]
fn sockets_have_mode_and_group() {
    let config = "socket-mode = \"0600\"\nsocket-group = \"0\"\n";
    // Only root may give files away, and every user has a group of its own.
    let root = rustix::process::getuid().is_root();
    let host = Setup::new(if root { config } else { "socket-mode = \"0600\"\n" }).with(&["mirror"]).serve();
    let metadata = fs::metadata(host.socket("mirror")).unwrap();
    assert!(metadata.file_type().is_socket());
    assert_eq!(metadata.permissions().mode() & 0o777, 0o600);

    let (code, _, stderr) =
        Setup::new("socket-group = \"no-such-group\"\n").with(&["mirror"]).run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("there is no group `no-such-group`"), "{stderr}");
    let (code, stdout, _) =
        Setup::new("socket-group = \"no-such-group\"\n").with(&["mirror"]).run(&["check"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("error: socket-group: there is no group `no-such-group`"), "{stdout}");
}

#[test]
fn a_stale_socket_is_replaced_and_anything_else_is_not() {
    let setup = Setup::new("").with(&["mirror"]);
    let run = setup.folder.path().join("run");
    fs::create_dir(&run).unwrap();
    let path = run.join("mirror.sock");

    fs::write(&path, "a file").unwrap();
    let (code, _, stderr) = setup.run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("mirror.sock: there is something that is not a socket"), "{stderr}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "a file");
    fs::remove_file(&path).unwrap();

    let listener = UnixListener::bind(&path).unwrap();
    let (code, _, stderr) = setup.run(&["serve"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("another process serves this socket"), "{stderr}");

    // Its file stays behind when a process dies.
    drop(listener);
    let mut host = setup.serve();
    assert!(host.connect("mirror").info().is_ok());
    assert_eq!(host.stop(), Some(0));
    assert!(!path.exists());
}

#[test]
fn flags_override_the_file() {
    let setup = Setup::new("").with(&["mirror"]);
    let other = tempfile::tempdir().unwrap();
    let (_, stdout, _) = setup.run(&["config", "--socket-dir", other.path().to_str().unwrap()]);
    assert!(stdout.contains(&format!("socket = \"{}/mirror.sock\"", other.path().display())), "{stdout}");
}

#[test]
fn log_lines_are_kapacitors() {
    let host = Host::with(&["mirror"]);
    drop(host.start("mirror", &[]));
    let line = host.wait_for_log(&["task ended"]);
    let expected =
        " lvl=info msg=\"task ended\" function=mirror task=task node=udf2 plugin=mirror points_in=0";
    assert!(line.starts_with("ts=") && line.contains(expected), "{line}");
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
fn each_command_has_a_man_page() {
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
fn help_and_version_say_what_this_is() {
    let (code, version, _) = run(&["--version"]);
    let lock: toml::Table = include_str!("../Cargo.lock").parse().unwrap();
    let mut packages = lock["package"].as_array().unwrap().iter();
    let wasmtime = packages.find(|package| package["name"].as_str() == Some("wasmtime")).unwrap();
    let (own, wasmtime) = (env!("CARGO_PKG_VERSION"), wasmtime["version"].as_str().unwrap());
    assert_eq!(code, 0);
    assert_eq!(version, format!("kapacitor-wasm {own} (wasmtime {wasmtime}, guest interface {ABI})\n"));

    let (code, help, stderr) = run(&["--help"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let codes = help.lines().skip_while(|line| *line != "Exit codes:").skip(1);
    let codes: Vec<&str> =
        codes.filter_map(|line| line.strip_prefix("  ")?.get(..1)).filter(|code| *code != " ").collect();
    assert_eq!(codes, ["0", "1", "2"], "{help}");

    for args in [&["serv"][..], &["stdio"], &["serve", "--port", "1"], &[]] {
        let (code, stdout, stderr) = run(args);
        assert_eq!((code, stdout.as_str()), (2, ""), "{args:?}");
        assert!(stderr.contains("Usage: kapacitor-wasm"), "{stderr}");
    }
}

#[test]
fn the_short_flag_names_the_file_too() {
    let output = Command::new(BINARY).args(["check", "-c", "/nowhere/udf.toml"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("kapacitor-wasm: /nowhere/udf.toml can't be read"), "{stderr}");
}

/// Runs a command that reads no `udf.toml`; returns its exit code, stdout and stderr.
fn run(args: &[&str]) -> (i32, String, String) {
    let output = Command::new(BINARY).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}
