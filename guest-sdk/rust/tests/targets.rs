use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

/// The condition in `lib.rs` under which the SDK refuses to compile.
fn condition() -> String {
    let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../src/lib.rs")).unwrap();
    let (before, _) = source.split_once("compile_error!").unwrap();
    let start = before.rfind("#[cfg(").unwrap();
    before[start..].to_owned()
}

/// Whether the SDK refuses to compile for `target`. A crate without a standard library is compiled with the
/// same condition, so the target need not be installed.
fn refuses(target: &str) -> bool {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("targets");
    fs::create_dir_all(&folder).unwrap();
    let source = folder.join(format!("{}.rs", target.replace('-', "_")));
    let condition = condition();
    fs::write(&source, format!("#![feature(no_core)]\n#![no_core]\n{condition}refused!();\n")).unwrap();
    let output = Command::new(env::var_os("RUSTC").unwrap_or("rustc".into()))
        .args(["--crate-type", "rlib", "--emit", "metadata", "--allow", "internal_features"])
        .args(["--target", target, "--out-dir"])
        .args([&folder, &source])
        .env("RUSTC_BOOTSTRAP", "1")
        .output()
        .unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    let refused = messages.contains("cannot find macro `refused`");
    assert_eq!(output.status.success(), !refused, "{target}: {messages}");
    refused
}

#[test]
fn targets_that_the_host_runs_are_accepted() {
    for target in ["wasm32-unknown-unknown", "wasm32-wasip1", "x86_64-unknown-linux-gnu"] {
        assert!(!refuses(target), "{target}");
    }
}

#[test]
fn targets_that_the_host_does_not_run_are_refused() {
    for target in
        ["wasm32-unknown-emscripten", "wasm32-wasip1-threads", "wasm32-wasip2", "wasm64-unknown-unknown"]
    {
        assert!(refuses(target), "{target}");
    }
}
