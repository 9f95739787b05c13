//! Points through a real kapacitord: what a user gets, and what both sides spend on it.
//!
//! Each way to run a UDF gets the same points in turn, by the same kapacitord. They are written to kapacitord's own
//! HTTP interface, and a run ends when the node behind the UDF has counted them all.

mod daemon;
mod script;
mod stage;
mod ways;

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use self::script::{Pipeline, lines};
use self::stage::Stage;
use self::ways::{Figures, GO_SOCKET, GO_STDIO, SOCKET, STDIO};
use crate::Options;
use crate::cpu::cpu_of;
use crate::peers::{Peers, kapacitord};
use crate::report::{Goal, Report, Unit};

/// Tasks that all get the same points.
const TASKS: usize = 20;

/// Tasks that get one point a second.
const FLEET: usize = 1000;

/// Seconds for which they are watched.
const WATCHED: usize = 5;

/// All rows.
pub fn through_kapacitor(options: &Options, peers: &Peers, report: &mut Report) -> Result<()> {
    let (tasks, fleet) = (report.wants("kapacitor: busy tasks"), report.wants("kapacitor: a fleet of tasks"));
    if !tasks && !fleet {
        return Ok(());
    }
    let (program, version) = match kapacitord() {
        Ok(found) => found,
        Err(reason) => {
            report.absent("points through kapacitord", "kapacitord", &reason);
            return Ok(());
        }
    };
    let stage = Stage::set(&program, peers)?;
    if tasks {
        busy(options, &stage, &version, report)?;
    }
    if fleet {
        watch(options, &stage, report)?;
    }
    Ok(())
}

/// Tasks that get points as fast as kapacitord passes them on.
fn busy(options: &Options, stage: &Stage, version: &str, report: &mut Report) -> Result<()> {
    let one = stage.compare(options, Pipeline::MovingAvg, 1)?;
    report.table(&format!("kapacitord {version}: a stream, @moving_avg, |eval"), &one.table());
    one.beside_best_agent(report);
    one.draw(report);
    let many = stage.compare(options, Pipeline::MovingAvg, TASKS)?;
    report.table(
        &format!("The same in {TASKS} tasks on the same data, for each point of each task"),
        &many.table(),
    );
    for ours in [SOCKET, STDIO] {
        let what = format!("{TASKS} tasks through kapacitord, {ours}: CPU of both");
        let theirs = many.of(GO_STDIO, Figures::both);
        let ours = many.of(ours, Figures::both).unwrap_or_default();
        report.compare_with(
            &what,
            Unit::Time,
            &ours,
            GO_STDIO,
            theirs.as_deref().map_err(String::as_str),
            Goal::AtMost(0.5),
        );
    }
    let chain = stage.compare(options, Pipeline::ThreeNodes, 1)?;
    report.table("A stream through three UDF nodes in a row", &chain.table());
    let batches = stage.compare(options, Pipeline::Outliers, 1)?;
    report.table("Batches of 1000 points, @outliers, |eval", &batches.table());
    Ok(())
}

/// Many tasks that hardly have anything to do.
fn watch(options: &Options, stage: &Stage, report: &mut Report) -> Result<()> {
    let tasks = options.scaled(FLEET);
    let go = stage.go_mirror();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        ours.push(watch_fleet(stage, tasks, "socket", stage.host(), round)?);
        if let Ok(go) = go {
            theirs.push(watch_fleet(stage, tasks, "go_socket", go, round)?);
        }
    }
    let what = format!("{tasks} tasks through kapacitord with a point a second each: CPU of the UDF");
    let theirs = go.map(|_| &theirs[..]);
    report.compare_with(&what, Unit::Cores, &ours, GO_SOCKET, theirs, Goal::AtMost(0.5));
    Ok(())
}

/// CPU seconds of the process `server` for each second.
fn watch_fleet(stage: &Stage, tasks: usize, functions: &str, server: u32, round: usize) -> Result<f64> {
    let daemon = &stage.daemon;
    let (id, database) = (|task| format!("fleet{round}_{task}"), |task| format!("fleet{task}"));
    for task in 0..tasks {
        daemon.enable(&id(task), &database(task), &Pipeline::Mirror.script(Some(functions)))?;
    }
    let point = &lines(1, 1)[0];
    // With its first point, a task looks for the state that it goes on with.
    for task in 0..tasks {
        daemon.write(&database(task), point)?;
        daemon.wait_for(&id(task), script::LAST_NODE, 1)?;
    }
    let (start, before) = (Instant::now(), cpu_of(server, true)?);
    for second in 0..WATCHED {
        for task in 0..tasks {
            let due = start + Duration::from_secs_f64(second as f64 + task as f64 / tasks as f64);
            sleep(due.saturating_duration_since(Instant::now()));
            daemon.write(&database(task), point)?;
        }
    }
    let cpu = cpu_of(server, true)?.saturating_sub(before);
    let cores = cpu.as_secs_f64() / start.elapsed().as_secs_f64();
    for task in 0..tasks {
        daemon.wait_for(&id(task), script::LAST_NODE, 1 + WATCHED)?;
        daemon.delete(&id(task))?;
    }
    Ok(cores)
}
