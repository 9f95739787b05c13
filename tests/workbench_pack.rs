//! `pack`: data in a plugin's file.

use std::fs;
use std::path::Path;
use std::process::Command;

use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{BINARY, Setup, point, receive, wasm};

/// Runs a command in the folder of a setup; returns its exit code, stdout and stderr.
fn run(setup: &Setup, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(BINARY);
    let output = command.args(args).current_dir(setup.folder.path()).env_remove("KAPACITOR_WASM_CONFIG");
    let output = output.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// A folder with the plugins and data.
fn setup() -> (Setup, Vec<u8>) {
    let setup = Setup::new("").with(&["packed", "moving_avg"]);
    let data: Vec<u8> = (0..200_000_u32).map(|number| ((number * 7) >> 3) as u8).collect();
    fs::write(setup.folder.path().join("data.bin"), &data).unwrap();
    (setup, data)
}

const PACK: [&str; 5] = ["pack", "plugins/packed.wasm", "data.bin", "-o", "model.wasm"];

#[test]
fn plugin_reads_what_was_packed_whatever_memory_it_takes() {
    let (setup, data) = setup();
    let (code, stdout, stderr) = run(&setup, &PACK);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("model.wasm: ") && stdout.contains("200000 are packed data"), "{stdout}");
    let lines: Vec<String> = (0..50).map(|i| format!("cpu x=1 {i}\n")).collect();
    fs::write(setup.folder.path().join("in.lp"), lines.concat()).unwrap();
    let (code, sent, stderr) =
        run(&setup, &["replay", "model.wasm", "--call", "@model()", "--input", "in.lp", "--output", "-"]);
    assert_eq!(code, 0, "{stderr}");
    let sum = data.iter().fold(0_i64, |sum, byte| (sum * 31 + i64::from(*byte)) % 1_000_000_007);
    assert_eq!(sent.matches(&format!("bytes=200000i,sum={sum}i")).count(), 50, "{sent}");
}

#[test]
fn state_goes_on_from_snapshots_and_without_the_data_in_them() {
    let (setup, _) = setup();
    run(&setup, &PACK);
    let case = setup.folder.path().join("cases/one");
    fs::create_dir_all(&case).unwrap();
    fs::write(case.join("case.toml"), "call = \"@model()\"\n").unwrap();
    let lines: Vec<String> = (0..20).map(|i| format!("cpu x=1 {i}\n")).collect();
    fs::write(case.join("input.lp"), lines.concat()).unwrap();
    let (code, stdout, stderr) = run(&setup, &["test", "model.wasm", "--update"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let (code, stdout, stderr) = run(&setup, &["test", "model.wasm"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("interrupted ") && stdout.contains("recovered from "), "{stdout}");
}

#[test]
fn plugin_without_data_says_so() {
    let (setup, _) = setup();
    fs::write(setup.folder.path().join("in.lp"), "cpu x=1 1\n").unwrap();
    let (code, _, stderr) =
        run(&setup, &["replay", "plugins/packed.wasm", "--call", "@packed()", "--input", "in.lp"]);
    assert_eq!(code, 1);
    assert!(stderr.contains("nothing was packed into the plugin"), "{stderr}");
}

#[test]
fn what_can_not_be_packed_is_refused_in_one_sentence() {
    let (setup, _) = setup();
    let path = |name: &str| setup.folder.path().join(name);
    run(&setup, &PACK);
    fs::write(path("empty.bin"), "").unwrap();
    fs::write(path("cut.wasm"), &wasm("packed")[..5_000]).unwrap();
    for (plugin, data, expected) in [
        (
            "plugins/moving_avg.wasm",
            "data.bin",
            "plugins/moving_avg.wasm is no plugin that takes packed data",
        ),
        (
            "model.wasm",
            "data.bin",
            "model.wasm has packed data already: pack into the plugin as it was built",
        ),
        ("data.bin", "data.bin", "data.bin is no WebAssembly module"),
        ("cut.wasm", "data.bin", "cut.wasm is a damaged WebAssembly module: "),
        ("plugins/packed.wasm", "empty.bin", "plugins/packed.wasm can't be given packed data of no bytes"),
        ("plugins/packed.wasm", "none.bin", "none.bin can't be read: "),
        ("plugins", "data.bin", "plugins is a folder, not a regular file"),
    ] {
        let (code, stdout, stderr) = run(&setup, &["pack", plugin, data, "-o", "other.wasm"]);
        assert_eq!((code, stdout.as_str()), (1, ""), "{plugin}: {stderr}");
        assert!(stderr.starts_with(&format!("kapacitor-wasm: {expected}")), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(!path("other.wasm").exists());
    }
    let [command, plugin, data, flag, _] = PACK;
    let (code, _, stderr) = run(&setup, &[command, plugin, data, flag, "nowhere/model.wasm"]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("kapacitor-wasm: nowhere/model.wasm can't be written: "), "{stderr}");
}

#[test]
fn output_takes_the_place_of_no_file_that_is_read_and_of_nothing_else() {
    let (setup, bytes) = setup();
    let [command, plugin, data, flag, _] = PACK;
    fs::hard_link(setup.folder.path().join(data), setup.folder.path().join("linked.bin")).unwrap();
    for (output, expected) in [
        (data, "data.bin is one of the files that are read, and would be lost"),
        ("linked.bin", "linked.bin is one of the files that are read, and would be lost"),
        (plugin, "plugins/packed.wasm is one of the files that are read, and would be lost"),
        ("plugins", "plugins is there, and is no file"),
    ] {
        let (code, _, stderr) = run(&setup, &[command, plugin, data, flag, output]);
        assert_eq!(code, 1, "{output}");
        assert!(stderr.starts_with(&format!("kapacitor-wasm: {expected}")), "{stderr}");
    }
    assert!(fs::read(setup.folder.path().join(data)).unwrap() == bytes);
    // Another result may be replaced.
    assert_eq!(run(&setup, &PACK).0, 0);
    assert_eq!(run(&setup, &PACK).0, 0);
}

#[test]
fn sizes_that_no_host_takes_are_told() {
    let (setup, _) = setup();
    let large = fs::File::create(setup.folder.path().join("large.bin")).unwrap();
    large.set_len(40 << 20).unwrap();
    let (code, stdout, stderr) =
        run(&setup, &["pack", "plugins/packed.wasm", "large.bin", "-o", "model.wasm"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("hosts refuse plugins of more than 32MiB"), "{stdout}");
    // One that is larger than any memory is not even read.
    large.set_len(5 << 30).unwrap();
    let (code, _, stderr) = run(&setup, &["pack", "plugins/packed.wasm", "large.bin", "-o", "model.wasm"]);
    assert_eq!(code, 1);
    assert!(stderr.starts_with("kapacitor-wasm: large.bin has more than 4GiB"), "{stderr}");
}

/// The models of `plugins/*/models/NAME`, whose cases run with the plugin that they are packed into.
#[test]
fn cases_of_the_shipped_models_pass() {
    let setup = Setup::new("");
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let folders =
        |folder: &Path| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut models = 0;
    for plugin in folders(&plugins) {
        for model in folders(&plugin.join("models")) {
            let name = model.file_name().unwrap().to_str().unwrap();
            let (wasm, data) = (plugin.with_extension("wasm"), model.join(name).with_extension("kwf"));
            let packed = format!("{name}.wasm");
            let args = [wasm.to_str().unwrap(), data.to_str().unwrap(), "-o", &packed];
            let (code, _, stderr) = run(&setup, &[&["pack"], &args[..]].concat());
            assert_eq!((code, stderr.as_str()), (0, ""));
            let cases = model.join("cases");
            let (code, stdout, stderr) = run(&setup, &["test", &packed, "--cases", cases.to_str().unwrap()]);
            assert_eq!(code, 0, "{name}: {stdout}{stderr}");
            models += 1;
        }
    }
    assert!(models >= 3, "{models}");
}

/// Packs a model of `plugins/forest` into the plugin `model` of a setup.
fn pack_model(setup: &Setup, model: &str) {
    let forest = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins/forest");
    let (wasm, data) = (forest.with_extension("wasm"), forest.join(format!("models/{model}/{model}.kwf")));
    let args = ["pack", wasm.to_str().unwrap(), data.to_str().unwrap(), "-o", "plugins/model.wasm"];
    let (code, _, stderr) = run(setup, &args);
    assert_eq!((code, stderr.as_str()), (0, ""));
}

#[test]
fn new_model_takes_over_while_a_task_runs() {
    let setup = Setup::new("[policy]\non-update = \"migrate\"\n");
    pack_model(&setup, "turbine");
    let host = setup.serve();
    let mut client = host.start("model", &[]);
    let features = ["wind_speed", "air_density", "current", "voltage", "wire_speed", "gas_flow"];
    let mut predict = || {
        let mut asked = point("a", 1, 1.0);
        asked.fields_double.extend(features.map(|name| (name.to_owned(), 10.0)));
        client.send(RequestMessage::Point(asked)).unwrap();
        match receive(&mut client) {
            Some(ResponseMessage::Point(point)) => point,
            other => panic!("{other:?}"),
        }
    };
    let before = predict();
    assert!(before.fields_double.contains_key("prediction") && before.fields_string.is_empty());
    pack_model(&host.setup, "weld");
    host.wait_for_log(&["plugin has a new version", "plugin=model"]);
    let after = predict();
    assert!(after.fields_string.contains_key("class") && !after.fields_double.contains_key("prediction"));
    host.wait_for_log(&["task goes on with the new version"]);
}
