//! Files that are no plugins, and plugins over the limits of the host.

use std::fs;

use crate::support::Setup;

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
fn size_of_module_is_limited() {
    let setup = Setup::new("[host]\nmodule = \"10KiB\"\n").with(&["moving_avg"]);
    let (code, stdout, _) = setup.run(&["check"]);
    assert!(code == 1 && stdout.contains("is larger than host.module = 10KiB"), "{stdout}");
}
