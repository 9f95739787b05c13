//! `kapacitor-wasm telegraf` as a processor of Telegraf.

use super::daemon::{Live, once};
use super::speed::{assert_means, measure};
use crate::support::{BINARY, Setup};

/// The part of telegraf.conf for a plugin of `setup`.
pub fn processor(setup: &Setup, args: &[&str], further: &str) -> String {
    let config = setup.config();
    let command = [BINARY, "telegraf", "--config", config.to_str().expect("the path is UTF-8")];
    let command: Vec<String> = command.iter().chain(args).map(|arg| format!("{arg:?}")).collect();
    format!("[[processors.execd]]\n  command = [{}]\n  {further}\n", command.join(", "))
}

/// A plugin for streams, with the same mean as in [`super::speed`].
const MEAN: [&str; 4] =
    ["--call", "@moving_avg().field('usage_user').size(30).as('mean')", "--group-by", "host"];

/// The same with few values, to be checked by hand.
const SHORT_MEAN: [&str; 2] = ["--call", "@moving_avg().field('v').size(2).as('mean')"];

fn setup(plugin: &str) -> Setup {
    Setup::new("").with(&[plugin])
}

#[test]
fn all_points_come_out_with_their_means() {
    let setup = setup("moving_avg");
    let args = [&MEAN[..], &["--log-level", "info"]].concat();
    let processor = processor(&setup, &args, "influx_uint_support = true");
    let Some(ended) = measure("kapacitor-wasm", &processor, &[]) else { return };
    assert_means(&ended);
}

#[test]
fn state_survives_a_restart_of_telegraf() {
    let setup = setup("moving_avg");
    let processor = processor(&setup, &SHORT_MEAN, "");
    let Some(first) = once(&processor, &[], "m v=1 1\n") else { return };
    assert_eq!(first.output, "m mean=1,v=1 1\n", "{}", first.log);
    let second = once(&processor, &[], "m v=3 2\n").expect("it is there");
    assert_eq!(second.output, "m mean=2,v=3 2\n", "{}", second.log);
}

#[test]
fn a_reload_goes_on_with_the_state() {
    let setup = setup("moving_avg");
    let Some(mut live) = Live::start(&processor(&setup, &SHORT_MEAN, ""), &[]) else { return };
    live.write("m v=1 1\n");
    live.wait_for("the first point", |live| (live.output() == "m mean=1,v=1 1\n").then_some(()));
    live.reload();
    live.write("m v=3 2\n");
    live.wait_for("the second point", |live| live.output().ends_with("m mean=2,v=3 2\n").then_some(()));
    assert!(live.stop().status.success());
}

#[test]
fn fields_of_all_types_are_kept() {
    let setup = setup("mirror");
    let processor = processor(&setup, &["--call", "@mirror()"], "influx_uint_support = true");
    let input = "m f=1.5,i=-2i,s=\"a\",t=true,u=7u 1\n";
    let Some(ended) = once(&processor, &[], input) else { return };
    assert_eq!(ended.output, input, "{}", ended.log);
}

#[test]
fn outliers_of_windows_come_out_beside_all_points() {
    let setup = setup("outliers");
    let args = ["--call", "@outliers().field('v')", "--window", "10s", "--align"];
    let select = "namepass = [\"window\"]\n  order = 2\n";
    let clone = "[[processors.clone]]\n  namepass = [\"m\"]\n  order = 1\n  name_override = \"window\"\n";
    let mut input = String::new();
    for second in 0..15 {
        let value = if second == 5 { 100 } else { second % 4 };
        input.push_str(&format!("m v={value}i {second}000000000\n"));
    }
    let Some(ended) = once(&format!("{}{clone}", processor(&setup, &args, select)), &[], &input) else {
        return;
    };
    let outliers: Vec<_> = ended.output.lines().filter(|line| line.starts_with("window")).collect();
    assert_eq!(outliers, ["window v=100i 5000000000"], "{}", ended.log);
    assert_eq!(ended.output.lines().count(), 16);
}

#[test]
fn a_plugin_that_fails_costs_its_point_and_is_in_the_log() {
    let setup = setup("fragile");
    let input = "m value=1 1\nm value=2,panic=5i 2\nm value=4 3\n";
    let Some(ended) = once(&processor(&setup, &["--call", "@fragile()"], "alias = \"sum\""), &[], input)
    else {
        return;
    };
    assert_eq!(ended.output, "m sum=1,value=1 1\nm sum=5,value=4 3\n", "{}", ended.log);
    assert!(ended.log.contains("W! [processors.execd::sum] plugin failed"), "{}", ended.log);
}

#[test]
fn a_wrong_option_is_in_the_log() {
    let setup = setup("moving_avg");
    let processor = processor(&setup, &["--call", "@moving_avg().sise(2)"], "restart_delay = \"10ms\"");
    let Some(mut live) = Live::start(&processor, &[]) else { return };
    live.wait_for("two starts are refused", |live| {
        let log = live.log();
        let refused =
            log.lines().filter(|line| line.contains("E! [processors.execd]") && line.contains("sise"));
        (refused.count() >= 2).then_some(())
    });
}
