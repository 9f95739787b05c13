//! What Telegraf does with any processor of `processors.execd`, tried with programs of the system.
//!
//! Telegraf may lose what a process has written just before it ended: it closes the pipe when the process has
//! ended, whether or not it has read everything. So these tests look at the output of a process only
//! while it runs.

use std::fs;

use tempfile::TempDir;

use super::daemon::{Live, once};

/// The part of telegraf.conf for a shell script.
fn shell(script: &str, further: &str) -> String {
    format!("[[processors.execd]]\n  command = [\"sh\", \"-c\", '''{script}''']\n  {further}\n")
}

/// `tee FILE` as a processor, where the file is in a folder of its own.
fn tee(folder: &TempDir, further: &str) -> String {
    shell(&format!("exec tee {}", folder.path().join("seen.lp").display()), further)
}

fn seen(folder: &TempDir) -> String {
    fs::read_to_string(folder.path().join("seen.lp")).expect("the processor has written it")
}

fn folder() -> TempDir {
    TempDir::with_prefix("kw-").expect("a temporary folder can be made")
}

#[test]
fn sorts_tags_and_keeps_fields_in_their_order() {
    let folder = folder();
    let input = "cpu,z=1,a=2 z=1.5,a=2i,t=true 1700000000123456789\n";
    if once(&tee(&folder, ""), &[], input).is_none() {
        return;
    }
    assert_eq!(seen(&folder), "cpu,a=2,z=1 z=1.5,a=2i,t=true 1700000000123456789\n");
}

#[test]
fn unsigned_fields_are_integers_unless_uints_are_supported() {
    let input = "m v=7u,big=18446744073709551615u 1\n";
    let before = folder();
    if once(&tee(&before, ""), &[], input).is_none() {
        return;
    }
    assert_eq!(seen(&before), "m v=7i,big=9223372036854775807i 1\n");
    let supported = folder();
    once(&tee(&supported, "influx_uint_support = true"), &[], input);
    assert_eq!(seen(&supported), input);
}

#[test]
fn floats_have_no_exponent_and_whole_ones_no_point() {
    let folder = folder();
    if once(&tee(&folder, ""), &[], "m whole=3.0,small=1e-7,large=1e21 1\n").is_none() {
        return;
    }
    assert_eq!(seen(&folder), "m whole=3,small=0.0000001,large=1000000000000000000000 1\n");
}

#[test]
fn a_string_may_have_line_breaks() {
    let folder = folder();
    let input = "m text=\"one\ntwo \\\"quoted\\\" \\\\\" 1\n";
    if once(&tee(&folder, ""), &[], input).is_none() {
        return;
    }
    assert_eq!(seen(&folder), input);
}

#[test]
fn fields_of_all_types_come_out_as_they_are() {
    let input = "m f=1.5,i=-2i,u=18446744073709551615u,s=\"a\",t=true 1\n";
    let Some(mut live) = Live::start(&shell("exec cat", "influx_uint_support = true"), &[]) else { return };
    live.write(input);
    live.wait_for("the point", |live| (live.output() == input).then_some(()));
}

#[test]
fn stderr_has_levels() {
    let script = "echo 'W! careful' >&2; echo 'D! detail' >&2; echo plain >&2; exec cat";
    let Some(mut live) = Live::start(&shell(script, ""), &[]) else { return };
    live.wait_for("three lines of the processor are logged", |live| {
        let log = live.log();
        let lines = ["W! [processors.execd] careful", "D! [processors.execd] detail"];
        let plain = "E! [processors.execd] stderr: \"plain\"";
        lines.iter().chain([&plain]).all(|line| log.contains(line)).then_some(())
    });
    assert!(live.stop().status.success());
}

#[test]
fn a_line_that_is_no_point_is_logged_and_the_next_is_read() {
    let script = "echo 'not a point'; exec cat";
    let Some(mut live) = Live::start(&shell(script, ""), &[]) else { return };
    live.write("m v=1i 1\n");
    live.wait_for("the point after it", |live| (live.output() == "m v=1i 1\n").then_some(()));
    assert!(live.log().contains("metric parse error"), "{}", live.log());
}

#[test]
fn a_reload_closes_stdin_and_starts_the_process_anew() {
    let folder = folder();
    let ends = folder.path().join("ends");
    let script = format!("cat; echo ended >> {}", ends.display());
    let Some(mut live) = Live::start(&shell(&script, ""), &[]) else { return };
    live.write("m v=1i 1\n");
    live.wait_for("the first point", |live| (live.output() == "m v=1i 1\n").then_some(()));
    live.reload();
    assert_eq!(fs::read_to_string(&ends).expect("the first process has ended"), "ended\n");
    live.write("m v=2i 2\n");
    live.wait_for("the second point", |live| live.output().ends_with("m v=2i 2\n").then_some(()));
    assert!(live.stop().status.success());
    assert_eq!(fs::read_to_string(&ends).expect("both processes have ended"), "ended\nended\n");
}

#[test]
fn a_process_that_ends_is_started_anew() {
    let Some(mut live) = Live::start(&shell("read -r line", "restart_delay = \"10ms\""), &[]) else { return };
    live.write("m v=1i 1\n");
    live.wait_for("a second process", |live| {
        (live.log().matches("[processors.execd] Starting process").count() == 2).then_some(())
    });
}

#[test]
fn with_an_aggregator_there_are_two_processes() {
    let aggregator = "[[aggregators.final]]\n  period = \"1s\"\n";
    let processor = format!("{}{aggregator}", shell("exec cat", ""));
    let Some(ended) = once(&processor, &[], "m v=1i 1\n") else { return };
    assert_eq!(ended.log.matches("[processors.execd] Starting process").count(), 2, "{}", ended.log);
}

#[test]
fn copies_may_go_through_a_processor_while_the_points_go_past_it() {
    // As docs/telegraf.md says for a plugin that takes batches.
    let select = "namepass = [\"window\"]\n  order = 2\n";
    let clone = "[[processors.clone]]\n  namepass = [\"m\"]\n  order = 1\n  name_override = \"window\"\n";
    let processor = format!("{}{clone}", shell("exec sed -u s/window/seen/", select));
    let Some(mut live) = Live::start(&processor, &[]) else { return };
    live.write("m v=1i 1\nother v=2i 2\n");
    live.wait_for("the points and the copy", |live| {
        let output = live.output();
        let mut lines: Vec<_> = output.lines().collect();
        lines.sort_unstable();
        (lines == ["m v=1i 1", "other v=2i 2", "seen v=1i 1"]).then_some(())
    });
}
