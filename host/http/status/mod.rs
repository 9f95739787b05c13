//! The status of the host, as it is at this moment: what `kapacitor-wasm-status` describes.

mod functions;
mod nodes;
mod time;

use std::sync::Arc;
use std::time::SystemTime;

use kapacitor_wasm_status::{
    Host, Limit, Limits, Plugin, PluginStatus, Query, RefusedStart, Reload, Status, TasksInState,
};

use self::functions::info;
use self::time::since_1970;
use super::health;
use super::process::Process;
use crate::config::{Applies, Change};
use crate::digest::hex;
use crate::metrics::{NodeReading, Refusal};
use crate::plugin::{AdmissionError, Plugin as Admitted};
use crate::shared::{self, Shared};

/// The status, with the tasks that `query` asks for: `size` of them, unless it says how many.
pub fn status(shared: &Arc<Shared>, query: &Query, size: usize) -> Status {
    let process = Process::now();
    let nodes = shared.board().read();
    let functions = functions::all(shared, &nodes);
    let plugins = plugins(shared, &nodes);
    let tasks: Vec<_> = nodes.into_iter().map(nodes::task).collect();
    let tasks_in_state = TasksInState::of(&tasks);
    let (matching, mut tasks) = query.select(tasks, size);
    if query.history {
        tasks.iter_mut().for_each(|task| task.history = Some(nodes::history(shared, task)));
    }
    Status {
        host: host(shared, &process),
        limits: limits(shared, &process),
        functions,
        plugins,
        tasks_in_state,
        tasks_matching: matching as u64,
        tasks,
        refused_starts: shared.board().refusals().into_iter().map(refused).collect(),
    }
}

/// The status as JSON.
pub fn json(status: &Status) -> String {
    // It has nothing that JSON can't hold.
    serde_json::to_string(status).unwrap_or_default() + "\n"
}

fn host(shared: &Shared, process: &Process) -> Host {
    let config = shared.config();
    Host {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        build: env!("BUILD").to_owned(),
        now_timestamp_seconds: since_1970(SystemTime::now()),
        started_timestamp_seconds: process.started,
        not_ready: health::not_ready(shared),
        config_file: shared.config_file().map(|file| file.display().to_string()),
        plugins_dir: config.plugins_dir.display().to_string(),
        state_dir: config.state_dir.display().to_string(),
        last_reload: shared.last_reload().map(|reload| last_reload(&reload)),
        cpu_seconds: process.cpu.map(|time| time.as_secs_f64()),
        resident_memory_bytes: process.resident,
    }
}

fn last_reload(reload: &shared::Reload) -> Reload {
    let change = |change: &Change| {
        let applies = match change.applies {
            Applies::AtOnce => "at once",
            Applies::ToNewTasks => "to tasks that start from now on",
            Applies::AfterRestart => "after a restart of the host, and of Kapacitor after it",
        };
        format!("{change}: applies {applies}")
    };
    Reload {
        timestamp_seconds: since_1970(reload.at),
        error: reload.outcome.as_ref().err().cloned(),
        changes: reload.outcome.iter().flatten().map(change).collect(),
    }
}

fn limits(shared: &Shared, process: &Process) -> Limits {
    let budget = shared.budget();
    let (sandboxes, by_sandboxes) = budget.room();
    let (connections, by_connections) = budget.connections_limit();
    let memory = budget.memory_limit();
    let limit = |used, limit, set_by| Limit { used: Some(used), limit: Some(limit), set_by };
    Limits {
        sandboxes: limit(budget.sandboxes(), sandboxes, by_sandboxes),
        memory_bytes: limit(budget.memory().0, memory.bytes().0, memory.to_string()),
        connections: limit(budget.connections(), connections, by_connections),
        open_files: Limit {
            used: process.open_fds,
            limit: process.max_fds,
            set_by: "LimitNOFILE= in the unit of systemd, or `ulimit -n` where the host is started"
                .to_owned(),
        },
    }
}

fn plugins(shared: &Shared, nodes: &[NodeReading]) -> Vec<Plugin> {
    let plugins = shared.plugins();
    let plugin = |(name, plugin): (&String, &Result<Arc<Admitted>, Arc<AdmissionError>>)| {
        let runs = |node: &&NodeReading| node.running > 0 && node.plugin.0 == *name;
        let loaded = plugin.as_ref().ok();
        Plugin {
            name: name.clone(),
            status: if loaded.is_some() { PluginStatus::Loaded } else { PluginStatus::Refused },
            sha256: loaded.map(|plugin| hex(&plugin.sha256)),
            error: plugin.as_ref().err().map(|error| format!("{error:#}")),
            load_seconds: loaded.map(|plugin| plugin.loaded_in.as_secs_f64()),
            info: loaded.map(|plugin| info(&plugin.info)),
            own_state_format: loaded.is_some_and(|plugin| plugin.own_format),
            tasks: nodes.iter().filter(runs).count() as u64,
        }
    };
    plugins.iter().map(plugin).collect()
}

fn refused(refusal: Refusal) -> RefusedStart {
    let Refusal { udf, error } = refusal;
    RefusedStart {
        function: udf.function,
        task: udf.task,
        node: udf.node,
        timestamp_seconds: since_1970(error.at),
        error: error.error.clone(),
    }
}
