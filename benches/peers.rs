//! Kapacitor's own agents, in Go and in Python, as far as this machine can have them.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::ROOT;
use crate::server::{Target, target};

#[path = "../tests/support/go.rs"]
mod go;
#[path = "../tests/support/kapacitord.rs"]
mod kapacitord;

/// Where the agents are, or why they are not there.
pub struct Peers {
    /// The folder of the Go programs.
    go: Result<PathBuf, String>,
    /// The Python program with what it needs, and Kapacitor's folder.
    python: Result<(PathBuf, PathBuf), String>,
}

/// What rows call Kapacitor's agent in Go.
pub const GO: &str = "Go agent";

/// What rows call Kapacitor's agent in Python.
pub const PYTHON: &str = "Python agent";

/// The folder of the Go module.
const MODULE: &str = "benches/peers";

const EXAMPLES: &str = "github.com/influxdata/kapacitor/udf/agent/examples";

/// Builds the agents, the first time.
pub fn find() -> Peers {
    Peers { go: find_go(), python: find_python() }
}

/// kapacitord and its version, or why it is not there. It is built the first time.
pub fn kapacitord() -> Result<(PathBuf, String), String> {
    let found = kapacitord::find_in(&target().join("kapacitor")).map_err(reason)?;
    Ok((found.kapacitord, version()?))
}

/// What the machine lacks, or what is wrong.
fn reason(missing: go::Missing) -> String {
    match missing {
        go::Missing::Skip(reason) | go::Missing::Fail(reason) => reason,
    }
}

/// The version of kapacitord, such as `v1.5.9`.
fn version() -> Result<String, String> {
    let module = std::fs::read_to_string(Path::new(kapacitord::MODULE).join("go.mod"));
    let module = module.map_err(|e| e.to_string())?;
    let line = module.lines().find_map(|line| line.strip_prefix("require github.com/influxdata/kapacitor "));
    line.map(str::to_owned).ok_or_else(|| "the version of Kapacitor is not in go.mod".to_owned())
}

/// None of them, as it was asked for.
pub fn none() -> Peers {
    let reason = "left out".to_owned();
    Peers { go: Err(reason.clone()), python: Err(reason) }
}

fn find_go() -> Result<PathBuf, String> {
    let folder = target().join("peers");
    let programs = ["moving_avg", "outliers", "mirror"];
    let described = go::modified(&Path::new(ROOT).join(MODULE).join("go.mod"));
    if programs.iter().any(|program| go::modified(&folder.join(program)) <= described) {
        let packages = programs.map(|program| format!("{EXAMPLES}/{program}"));
        let packages = packages.each_ref().map(String::as_str);
        let built = go::build("Kapacitor's Go agent", "about a minute", MODULE, &packages, &folder, None);
        built.map_err(reason)?;
    }
    Ok(folder)
}

impl Peers {
    /// The path of an example in Go that speaks on its stdin and stdout.
    pub fn go_path(&self, name: &str) -> Result<PathBuf, String> {
        Ok(self.go.clone()?.join(name))
    }

    /// An example in Go that speaks on its stdin and stdout.
    pub fn go_program(&self, name: &str) -> Result<Target, String> {
        let program = self.go_path(name)?;
        Ok(Target::Program(Box::new(move || Command::new(&program))))
    }

    /// An example in Go that listens at a socket.
    pub fn go_server(&self, name: &str, folder: &Path) -> Result<Target, String> {
        let (program, socket) = (self.go.clone()?.join(name), folder.join(format!("go-{name}.sock")));
        let at = socket.clone();
        let command = move || {
            let mut command = Command::new(&program);
            command.arg("-socket").arg(&at);
            command
        };
        // It may end with its first connection.
        Ok(Target::Server(Box::new(command), socket))
    }

    /// An example in Python that speaks on its stdin and stdout.
    pub fn python_program(&self, name: &str) -> Result<Target, String> {
        let command = self.python_command(name)?;
        Ok(Target::Program(Box::new(command)))
    }

    /// An example in Python that listens at a socket.
    pub fn python_server(&self, name: &str, folder: &Path) -> Result<Target, String> {
        let socket = folder.join(format!("python-{name}.sock"));
        let (script, at) = (self.python_command(name)?, socket.clone());
        let command = move || {
            let mut command = script();
            command.arg(&at);
            command
        };
        Ok(Target::Server(Box::new(command), socket))
    }

    /// The command of an example in Python that speaks on its stdin and stdout.
    pub fn python_command(&self, name: &str) -> Result<impl Fn() -> Command + use<>, String> {
        let (python, kapacitor) = self.python.clone()?;
        let agent = kapacitor.join("udf/agent");
        let script = agent.join("examples").join(name).join(format!("{name}.py"));
        Ok(move || {
            let mut command = Command::new(&python);
            // Nothing is written beside the scripts.
            command.arg("-B").arg(&script).env("PYTHONPATH", agent.join("py"));
            // Each of them makes the agent slower.
            command.env_remove("PYTHONUNBUFFERED").env_remove("PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION");
            command
        })
    }
}

/// Makes a Python environment with what Kapacitor's agent needs, the first time. The agent itself is in the folder
/// of the Go module.
fn find_python() -> Result<(PathBuf, PathBuf), String> {
    let module = ["list", "-m", "-f", "{{.Dir}}", "github.com/influxdata/kapacitor"];
    let kapacitor = output(Command::new("go").args(module).current_dir(MODULE))
        .map_err(|e| format!("Kapacitor's Python agent comes with its Go module, which can't be had: {e}"))?;
    let folder = target().join("peers/python");
    let python = folder.join("bin/python");
    let import = ["-c", "import google.protobuf"];
    if output(Command::new(&python).args(import)).is_err() {
        go::tell("installing what Kapacitor's Python agent needs");
        output(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        let install = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "15", "-r"];
        let requirements = Path::new(MODULE).join("requirements.txt");
        output(Command::new(&python).args(install).arg(requirements))?;
    }
    Ok((python, PathBuf::from(kapacitor.trim())))
}

/// What a command prints, or the last line of what it complains about.
fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|e| format!("{program}: {e}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    Err(last.map_or_else(|| format!("{program}: {}", output.status), |line| line.trim().to_owned()))
}
