//! The commands, their exit codes and their output.

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
    let row =
        ["moving_avg", "moving_avg", "stream -> stream", "as(string) field(string) size(int)", "memory"];
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
fn readme_shows_output_of_config_and_check() {
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
