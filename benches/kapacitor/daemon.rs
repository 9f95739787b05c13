//! A real kapacitord without InfluxDB, and its HTTP interface.

use std::fmt::Write as _;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use tempfile::TempDir;
use ureq::Agent;

use crate::server::{Server, folder};

/// Maximum time that one step takes.
const PATIENCE: Duration = Duration::from_secs(120);

/// Interval between two looks at what a task has done.
const POLL: Duration = Duration::from_millis(10);

/// A function of kapacitord.
pub struct Function {
    /// Its name in TICKscripts.
    pub name: String,
    /// How kapacitord reaches it.
    pub reached: Reached,
}

/// How kapacitord reaches a function.
pub enum Reached {
    /// At a socket.
    Socket(PathBuf),
    /// By the stdin and stdout of a process that it starts for each task.
    Stdio(Command),
}

impl Function {
    /// Its part of kapacitor.conf.
    fn section(&self) -> String {
        let mut text = format!("[udf.functions.{}]\ntimeout = \"30s\"\n", self.name);
        let quoted = |text: &str| Value::from(text).to_string();
        match &self.reached {
            Reached::Socket(path) => {
                let _ = writeln!(text, "socket = {}", quoted(&path.to_string_lossy()));
            }
            Reached::Stdio(command) => {
                let args: Vec<_> = command.get_args().map(|arg| arg.to_string_lossy()).collect();
                let _ = writeln!(text, "prog = {}", quoted(&command.get_program().to_string_lossy()));
                let _ = writeln!(text, "args = {}", json!(args));
                let _ = writeln!(text, "[udf.functions.{}.env]", self.name);
                for (name, value) in command.get_envs() {
                    if let Some(value) = value {
                        let value = quoted(&value.to_string_lossy());
                        let _ = writeln!(text, "{} = {value}", name.to_string_lossy());
                    }
                }
            }
        }
        text
    }
}

/// A running kapacitord.
pub struct Daemon {
    /// Its process.
    pub process: Server,
    agent: Agent,
    url: String,
    _folder: TempDir,
}

impl Daemon {
    /// Starts it with these functions and waits until it answers.
    pub fn start(kapacitord: &Path, functions: &[Function]) -> Result<Self> {
        let folder = folder()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let sections: String = functions.iter().map(Function::section).collect();
        let config = include_str!("kapacitor.conf").replace("{http}", &port.to_string());
        fs::write(folder.path().join("kapacitor.conf"), config + &sections)?;
        let mut command = Command::new(kapacitord);
        command.args(["-config", "kapacitor.conf"]).current_dir(folder.path());
        let log = fs::File::create(folder.path().join("log"))?;
        let mut process = Server::spawn(command.stderr(log), None)?;
        let agent = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .proxy(None)
            .build()
            .new_agent();
        let url = format!("http://127.0.0.1:{port}/kapacitor/v1");
        let up = || agent.get(format!("{url}/ping")).call().is_ok();
        let deadline = Instant::now() + PATIENCE;
        while !up() {
            let log = || fs::read_to_string(folder.path().join("log")).unwrap_or_default();
            ensure!(process.is_running()?, "kapacitord has ended: {}", log());
            ensure!(Instant::now() < deadline, "kapacitord does not answer: {}", log());
            thread::sleep(POLL);
        }
        Ok(Self { process, agent, url, _folder: folder })
    }

    /// Enables a stream task on a database.
    pub fn enable(&self, id: &str, database: &str, script: &str) -> Result<()> {
        let task = json!({
            "id": id,
            "type": "stream",
            "dbrps": [{"db": database, "rp": "autogen"}],
            "script": script,
            "status": "enabled",
        });
        let mut answer = self.agent.post(format!("{}/tasks", self.url)).send(task.to_string())?;
        ensure!(answer.status().is_success(), "task {id}: {}", answer.body_mut().read_to_string()?);
        Ok(())
    }

    /// Deletes a task.
    pub fn delete(&self, id: &str) -> Result<()> {
        let answer = self.agent.delete(format!("{}/tasks/{id}", self.url)).call()?;
        ensure!(answer.status().is_success(), "task {id} can't be deleted: {}", answer.status());
        Ok(())
    }

    /// Gives it points of a database in line protocol.
    pub fn write(&self, database: &str, lines: &str) -> Result<()> {
        let url = format!("{}/write?db={database}&rp=autogen", self.url);
        let answer = self.agent.post(url).send(lines)?;
        ensure!(answer.status().is_success(), "write: {}", answer.status());
        Ok(())
    }

    /// Waits until a node of a task has got so many messages.
    pub fn wait_for(&self, id: &str, node: &str, messages: usize) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut answer = self.agent.get(format!("{}/tasks/{id}", self.url)).call()?;
            let task: Value = serde_json::from_str(&answer.body_mut().read_to_string()?)?;
            let nodes = task["stats"]["node-stats"].as_object().context("a task has statistics")?;
            let collected = nodes.iter().find(|(name, _)| name.trim_end_matches(char::is_numeric) == node);
            let collected = collected.and_then(|(_, stats)| stats["collected"].as_u64());
            if collected.with_context(|| format!("task {id} has no node {node}"))? >= messages as u64 {
                return Ok(());
            }
            let error = task["error"].as_str().unwrap_or_default();
            ensure!(error.is_empty(), "task {id}: {error}");
            if Instant::now() > deadline {
                bail!("task {id} has got {} of {messages} messages", collected.unwrap_or_default());
            }
            thread::sleep(POLL);
        }
    }
}
