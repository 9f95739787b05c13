//! Files that are no plugins, and plugins over the limits of the host.

use std::fs;

use crate::support::{Setup, wasm};

#[test]
fn check_reports_each_bad_plugin_in_one_sentence() {
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
        "cut.wasm: ends too early (",
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
fn size_of_module_is_limited() {
    let setup = Setup::new("[host]\nmodule = \"10KiB\"\n").with(&["moving_avg"]);
    let (code, stdout, _) = setup.run(&["check"]);
    assert!(code == 1 && stdout.contains("is larger than host.module = 10KiB"), "{stdout}");
}

#[test]
fn refusals_say_what_to_do() {
    let import = |module: &str, name: &str, kind: &str| {
        wat::parse_str(format!("(module (import \"{module}\" \"{name}\" ({kind})))")).unwrap()
    };
    let whole = wasm("mirror");
    let files: [(&str, Vec<u8>, &str); 11] = [
        ("text", b"\n(module)".to_vec(), "is WebAssembly in the text format: make a binary module"),
        ("cut_first", whole[..4].to_vec(), "ends too early (it has no more than the first bytes"),
        ("cut", whole[..whole.len() / 2].to_vec(), "if it is still being copied, the rest is awaited"),
        ("cut_last", whole[..whole.len() - 1].to_vec(), "if it is still being copied, the rest is awaited"),
        ("bindgen", import("__wbindgen_placeholder__", "__wbindgen_describe", "func"), "from wasm-bindgen"),
        ("packed", import("./plugin_bg.js", "__wbg_now_1", "func"), "from wasm-bindgen"),
        ("undefined", import("env", "sqrtl", "func"), "no library that was linked has it"),
        ("memory", import("env", "memory", "memory 1"), "build it without --import-memory"),
        ("preview_2", import("wasi:cli/stdout@0.2.0", "get-stdout", "func"), "build for WASI preview 1"),
        ("javascript", import("gojs", "runtime.wasmExit", "func"), "build with GOOS=wasip1"),
        ("other", import("math", "pi", "global f64"), "build it without that"),
    ];
    let setup = Setup::new("");
    for (name, file, _) in &files {
        fs::write(setup.plugin(name), file).unwrap();
    }
    let (_, stdout, _) = setup.run(&["check"]);
    for (name, _, expected) in files {
        let told = stdout.lines().find(|line| line.contains(&format!("/{name}.wasm: ")));
        assert!(told.is_some_and(|line| line.starts_with("error: ") && line.contains(expected)), "{stdout}");
    }
}
