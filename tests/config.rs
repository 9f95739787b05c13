//! `udf.toml`, and flags that override it.

use std::process::Command;

use crate::support::{BINARY, Setup};

#[test]
fn unknown_key_is_named_with_its_line() {
    let setup = Setup::new("[limits]\nmemroy = \"1MiB\"\n");
    let (code, _, stderr) = setup.run(&["check"]);
    assert_eq!(code, 1);
    assert!(
        stderr.ends_with("udf.toml: line 5, column 1: unknown key `limits.memroy`: did you mean `memory`?\n"),
        "{stderr}"
    );
}

#[test]
fn missing_file_is_named_in_one_sentence() {
    let output = Command::new(BINARY).args(["check", "--config", "/nowhere/udf.toml"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr,
        "kapacitor-wasm: /nowhere/udf.toml can't be read: copy the udf.toml that is shipped there, or name one with --config: No such file or directory (os error 2)\n"
    );
}

#[test]
fn missing_and_empty_plugins_folder_are_errors() {
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
}

#[test]
fn flags_override_udf_toml() {
    let setup = Setup::new("").with(&["mirror"]);
    let other = tempfile::tempdir().unwrap();
    let (_, stdout, _) = setup.run(&["config", "--socket-dir", other.path().to_str().unwrap()]);
    assert!(stdout.contains(&format!("socket = \"{}/mirror.sock\"", other.path().display())), "{stdout}");
}
