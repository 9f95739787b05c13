//! A kapacitord with all ways to run a UDF that this machine has.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::daemon::{Daemon, Function, Reached};
use super::script::{LAST_NODE, Pipeline, lines};
use super::ways::{Figures, GO_SOCKET, GO_STDIO, NONE, PYTHON_STDIO, SOCKET, STDIO, Way, Ways};
use crate::Options;
use crate::cpu::cpu_of;
use crate::peers::Peers;
use crate::server::{Host, Server, Target, folder};

/// Points of a run.
const POINTS: usize = 100_000;

/// Points in one body of HTTP.
const BODY: usize = 5000;

/// The database of the points.
const DATABASE: &str = "in";

/// kapacitord, and the processes that serve its UDFs.
pub struct Stage {
    /// kapacitord. It ends before what it is connected to.
    pub daemon: Daemon,
    host: Host,
    go: Result<GoServers, String>,
    python: Result<(), String>,
    _folder: TempDir,
}

/// Kapacitor's agents in Go that listen at sockets.
struct GoServers {
    moving_avg: (Server, PathBuf),
    mirror: (Server, PathBuf),
}

impl Stage {
    /// Starts all of them.
    pub fn set(kapacitord: &Path, peers: &Peers) -> Result<Self> {
        let folder = folder()?;
        let host = Host::start()?;
        let go = GoServers::start(peers, folder.path()).map_err(|e| format!("{e:#}"));
        let mut functions = Vec::new();
        let mut add = |name: &str, plugin: &str, reached: Reached| {
            functions.push(Function { name: format!("{name}_{plugin}"), reached });
        };
        for plugin in ["moving_avg", "outliers", "mirror"] {
            add("socket", plugin, Reached::Socket(host.socket(plugin)));
            add("stdio", plugin, Reached::Stdio(host.stdio(plugin)));
        }
        if let Ok(go) = &go {
            add("go_socket", "moving_avg", Reached::Socket(go.moving_avg.1.clone()));
            add("go_socket", "mirror", Reached::Socket(go.mirror.1.clone()));
        }
        let mut python = Ok(());
        for plugin in ["moving_avg", "outliers"] {
            if let Ok(program) = peers.go_path(plugin) {
                add("go_stdio", plugin, Reached::Stdio(Command::new(program)));
            }
            match peers.python_command(plugin) {
                Ok(command) => add("python_stdio", plugin, Reached::Stdio(command())),
                Err(reason) => python = Err(reason),
            }
        }
        let daemon = Daemon::start(kapacitord, &functions)?;
        Ok(Self { daemon, host, go, python, _folder: folder })
    }

    /// The process of the host.
    pub fn host(&self) -> u32 {
        self.host.server.id()
    }

    /// The process of Kapacitor's agent in Go that mirrors, or why it is not there.
    pub fn go_mirror(&self) -> Result<u32, &str> {
        self.go.as_ref().map(|go| go.mirror.0.id()).map_err(String::as_str)
    }

    /// The ways to run a pipeline in so many tasks, ours first.
    fn ways(&self, pipeline: Pipeline, tasks: usize) -> Vec<Way> {
        let go = self.go.as_ref().map_err(String::clone);
        let mut ways = vec![
            Way::new(SOCKET, "socket", Ok(Some(self.host()))),
            Way::new(STDIO, "stdio", Ok(None)),
            Way::new(GO_STDIO, "go_stdio", go.clone().map(|_| None)),
        ];
        if tasks == 1 {
            ways.push(Way::new(PYTHON_STDIO, "python_stdio", self.python.clone().map(|()| None)));
        }
        if pipeline == Pipeline::MovingAvg && tasks == 1 {
            ways.push(Way::new(GO_SOCKET, "go_socket", go.map(|go| Some(go.moving_avg.0.id()))));
            ways.push(Way::new(NONE, "", Ok(None)));
        }
        ways
    }

    /// Runs a pipeline in so many tasks, each way in turn.
    pub fn compare(&self, options: &Options, pipeline: Pipeline, tasks: usize) -> Result<Ways> {
        let mut ways = self.ways(pipeline, tasks);
        let bodies = lines(options.scaled(POINTS / tasks.min(5)).next_multiple_of(10 * 1000), BODY);
        for round in 0..options.rounds {
            for way in &mut ways {
                let Ok(server) = way.server else { continue };
                let script = pipeline.script((way.name != NONE).then_some(way.functions));
                let ids: Vec<String> = (0..tasks).map(|task| format!("t{round}_{task}")).collect();
                let figures = self.run(&ids, &script, pipeline, &bodies, server);
                way.figures.push(figures.with_context(|| way.name)?);
            }
        }
        Ok(Ways(ways))
    }

    fn run(
        &self,
        ids: &[String],
        script: &str,
        pipeline: Pipeline,
        bodies: &[String],
        server: Option<u32>,
    ) -> Result<Figures> {
        let daemon = &self.daemon;
        let points: usize = bodies.iter().map(|body| body.lines().count()).sum();
        ids.iter().try_for_each(|id| daemon.enable(id, DATABASE, script))?;
        let before = self.cpu(server)?;
        let start = Instant::now();
        bodies.iter().try_for_each(|body| daemon.write(DATABASE, body))?;
        ids.iter().try_for_each(|id| daemon.wait_for(id, LAST_NODE, pipeline.messages(points)))?;
        let time = start.elapsed();
        let after = self.cpu(server)?;
        ids.iter().try_for_each(|id| daemon.delete(id))?;
        let all = (points * ids.len()) as f64;
        let spent = |i: usize| after[i].saturating_sub(before[i]).as_secs_f64() / all;
        Ok(Figures { points_per_second: all / time.as_secs_f64(), kapacitord: spent(0), udf: spent(1) })
    }

    /// CPU time so far: of kapacitord, and of the UDF, which is the process `server` or kapacitord's children.
    fn cpu(&self, server: Option<u32>) -> Result<[Duration; 2]> {
        let kapacitord = self.daemon.process.id();
        let alone = cpu_of(kapacitord, false)?;
        Ok(match server {
            Some(server) => [alone, cpu_of(server, true)?],
            None => [alone, cpu_of(kapacitord, true)?.saturating_sub(alone)],
        })
    }
}

impl GoServers {
    fn start(peers: &Peers, folder: &Path) -> Result<Self> {
        let program = peers.go_path("moving_avg").map_err(anyhow::Error::msg)?;
        let at = folder.join("moving_avg.sock");
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--accept").arg(&at).arg("--").arg(program);
        let moving_avg = Server::listening(&mut command, &at)?;
        let mirror = peers.go_server("mirror", folder).map_err(anyhow::Error::msg)?;
        let Target::Server(command, socket) = mirror else { bail!("the Go agent has no socket") };
        let mirror = Server::listening(command().stderr(Stdio::null()), &socket)?;
        Ok(Self { moving_avg: (moving_avg, at), mirror: (mirror, socket) })
    }
}
