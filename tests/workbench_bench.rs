//! `bench`: a plugin measured on data, beside another version of it.

use std::process::Command;

use crate::support::{BINARY, Setup};

const MEAN: &str = "@moving_avg().field('x').size(2).as('mean')";

fn bench(setup: &Setup, plugin: &str, args: &[&str]) -> (bool, String) {
    let output = Command::new(BINARY)
        .arg("bench")
        .arg(setup.plugin(plugin))
        .args(args)
        .current_dir(setup.folder.path())
        .env_remove("KAPACITOR_WASM_CONFIG")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// The cells of a row, behind its name.
fn row(text: &str, name: &str) -> Vec<String> {
    let row = text.lines().find_map(|line| line.trim_start().strip_prefix(name));
    let row = row.unwrap_or_else(|| panic!("{name}: {text}"));
    row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
}

#[test]
fn two_versions_are_measured_in_turn() {
    let setup = Setup::new("").with(&["moving_avg"]);
    setup.add("moving_avg", "other");
    let lines: Vec<_> = (0..5_000).map(|i| format!("cpu,host=h{} x={i} {i}\n", i % 50)).collect();
    std::fs::write(setup.folder.path().join("cpu.lp"), lines.concat()).unwrap();
    let other = setup.plugin("other").display().to_string();
    let args = ["--call", MEAN, "--group-by", "host", "--input", "cpu.lp", "--rounds", "3", "--vs", &other];
    let (ok, text) = bench(&setup, "moving_avg", &args);
    assert!(ok, "{text}");
    let size = row(&text, "size of the file");
    assert!(size[0] == size[1] && size[2] == "1.00", "{text}");
    // The memory has the buffers, too, whose size depends on how many points came together.
    for name in [
        "points/s",
        "CPU of the plugin for a point",
        "lone point, median",
        "memory of the state",
        "snapshot, behind all points",
    ] {
        assert_eq!(row(&text, name).len(), 3, "{text}");
    }
    assert!(text.contains("5,000 points, 50 groups; medians of 3 rounds"), "{text}");
}

#[test]
fn plugins_that_do_not_answer_each_point_have_no_latency() {
    let setup = Setup::new("").with(&["above"]);
    std::fs::write(setup.folder.path().join("cpu.lp"), "cpu x=1 1\ncpu x=9 2\n").unwrap();
    let call = "@above().field('x').threshold(5.0)";
    let (ok, text) = bench(&setup, "above", &["--call", call, "--input", "cpu.lp", "--rounds", "1"]);
    assert!(ok, "{text}");
    assert_eq!(row(&text, "lone point, median"), ["it does not answer each"]);
    let (ok, text) = bench(&setup, "above", &["--call", call, "--input", "cpu.lp", "--measurement", "mem"]);
    assert!(!ok && text.contains("no point of the input reaches the plugin"), "{text}");
}
