//! A host with functions, plugins and tasks.

use std::collections::BTreeMap;

use kapacitor_wasm_status::{
    Function, History, Host, Info, InfoOption, LastError, LastSkipped, Limit, Plugin, PluginMetric,
    PluginStatus, PluginVersion, PointsSkipped, Query, Rates, RefusedStart, Reload, Route, Snapshot, Socket,
    Status, Task, TaskState, TasksInState,
};

/// When the sample was taken.
pub const NOW: f64 = 1_772_431_200.0;

/// What somebody names things who wants to break the page.
pub const HOSTILE: &str = "\"'></td><script>document.title='owned'</script><img src=x onerror=document.title='owned'>&amp;\u{202e}\u{0}`${1}`%00";

fn info() -> Info {
    let option = |types: &[&str]| InfoOption { types: types.iter().map(|ty| (*ty).to_owned()).collect() };
    Info {
        wants: "stream".to_owned(),
        provides: "stream".to_owned(),
        options: BTreeMap::from([
            ("field".to_owned(), option(&["string"])),
            ("size".to_owned(), option(&["int"])),
        ]),
    }
}

/// The task number `i`.
pub fn task(i: usize) -> Task {
    let wave = |scale: f32| -> Vec<f32> {
        (0..60)
            .map(|k| scale * (1.2 + ((i + k) as f32 / 6.0).sin() + ((i * 7 + k * k) % 5) as f32 / 8.0))
            .collect()
    };
    let history = History {
        interval_seconds: 5.0,
        points_in_per_second: wave(100.0 + i as f32),
        points_out_per_second: wave(20.0),
        guest_cpu_seconds_per_second: wave(0.002 * (i % 50) as f32),
    };
    let last = |values: &[f32]| *values.last().unwrap();
    let rates = Rates {
        points_in_per_second: last(&history.points_in_per_second),
        points_out_per_second: last(&history.points_out_per_second),
        guest_cpu_seconds_per_second: last(&history.guest_cpu_seconds_per_second),
    };
    let failed = i % 9 == 4;
    Task {
        function: ["anomaly", "moving_avg", "forecast"][i % 3].to_owned(),
        task: format!("cpu_alert_plant_{i:05}"),
        node: format!("udf{}", 2 + i % 4),
        state: if i % 31 == 5 {
            TaskState::PassesThrough
        } else {
            [TaskState::Runs, TaskState::Runs, TaskState::Runs, TaskState::Ended, TaskState::WaitsForPlugin]
                [(i / 3) % 5]
        },
        plugin: PluginVersion {
            name: ["anomaly", "moving_avg", "forecast"][i % 3].to_owned(),
            sha256: ["9c41f0", "27be03", "e8d5a1"][i % 3].repeat(11)[..64].to_owned(),
        },
        sessions: 1,
        starts: 1 + (i % 4) as u64,
        points_in: 1_234_567 + i as u64 * 1000,
        points_out: 345_678,
        points_skipped: PointsSkipped {
            plugin: 12,
            failure: u64::from(failed) * 3,
            ..PointsSkipped::default()
        },
        failures: u64::from(failed) * 3,
        guest_cpu_seconds: 125.5,
        queue_bytes: if i % 7 == 3 { 131_072 } else { 0 },
        queue_age_seconds: if i % 7 == 3 { 1.9 } else { 0.0 },
        sandbox_memory_bytes: 1_310_720 * (1 + (i % 20) as u64),
        plugin_metrics: vec![PluginMetric {
            name: "anomalies".to_owned(),
            help: "Points that were marked as anomalies.".to_owned(),
            kind: "counter".to_owned(),
            value: Some(17.0 + i as f64),
        }],
        snapshot: Some(Snapshot { bytes: 24_200, duration_seconds: 0.0021, timestamp_seconds: NOW - 42.0 }),
        rates: Some(rates),
        history: Some(history),
        last_error: failed.then(|| LastError {
            timestamp_seconds: NOW - 40.0 * (1 + i % 20) as f64,
            error: "udf_process failed: wasm trap: integer divide by zero, in anomaly::score at score.rs:71"
                .to_owned(),
        }),
        last_skipped: failed.then(|| LastSkipped {
            timestamp_seconds: NOW - 400.0,
            reason: "udf_process failed: wasm trap: integer divide by zero, in anomaly::score at score.rs:71"
                .to_owned(),
            points: 1,
            point: "cpu,host=a\\ b,region=eu usage_user=12.5,usage_system=3i 1772431200000000000".to_owned(),
        }),
        ..Task::default()
    }
}

/// A host with this number of tasks.
pub fn status(tasks: usize, query: &Query) -> Status {
    let mut status = Status {
        functions: functions(),
        plugins: plugins(),
        refused_starts: vec![RefusedStart {
            function: "anomaly".to_owned(),
            task: "disk_alert".to_owned(),
            node: "udf3".to_owned(),
            timestamp_seconds: NOW - 65.0,
            error: "plugin \"anomaly\": option `size` is missing: add .size(INT)".to_owned(),
        }],
        host: Host {
            version: "0.1.0".to_owned(),
            build: "8cb1703".to_owned(),
            now_timestamp_seconds: NOW,
            started_timestamp_seconds: Some(NOW - 271_000.0),
            config_file: Some("/etc/kapacitor-wasm/udf.toml".to_owned()),
            plugins_dir: "/var/lib/kapacitor-wasm/plugins".to_owned(),
            state_dir: "/var/lib/kapacitor-wasm/state".to_owned(),
            cpu_seconds: Some(12_345.6),
            resident_memory_bytes: Some(734 << 20),
            ..Host::default()
        },
        ..Status::default()
    };
    let limit =
        |used, limit, set_by: &str| Limit { used: Some(used), limit: Some(limit), set_by: set_by.to_owned() };
    status.limits.sandboxes = limit(tasks as u64, 16_000, "vm.max_map_count = 65530: raise it");
    status.limits.memory_bytes = limit(5 << 30, 6 << 30, "host.memory = 6GiB: raise it");
    status.limits.connections = limit(tasks as u64 + 3, 523_000, "LimitNOFILE=");
    status.limits.open_files = limit(2034, 524_288, "LimitNOFILE=");
    put_tasks(&mut status, (0..tasks).map(task).collect(), query);
    status
}

fn put_tasks(status: &mut Status, tasks: Vec<Task>, query: &Query) {
    status.tasks_in_state = TasksInState::of(&tasks);
    status.tasks_with_recent_error = tasks.iter().filter(|task| task.has_recent_error(NOW)).count() as u64;
    let (matching, selected) = query.select(tasks, 100);
    (status.tasks_matching, status.tasks) = (matching as u64, selected);
}

const FUNCTIONS: [&str; 3] = ["anomaly", "moving_avg", "forecast"];

fn functions() -> Vec<Function> {
    let route = Route { task: "night-*".to_owned(), plugin: "moving_median".to_owned() };
    let function = |(i, name): (usize, &&str)| Function {
        name: (*name).to_owned(),
        plugin: Some((*name).to_owned()),
        routes: if i == 1 { vec![route.clone()] } else { Vec::new() },
        socket: Some(Socket {
            path: format!("/run/kapacitor-wasm/{name}.sock"),
            rights: Some("kapacitor:kapacitor 0660".to_owned()),
            error: None,
        }),
        sessions: 4,
        sandbox_memory_limit_bytes: 64 << 20,
        info: info(),
        told: Some(info()),
        differences: if i == 2 { vec!["option horizon(int) is new".to_owned()] } else { Vec::new() },
        ..Function::default()
    };
    FUNCTIONS.iter().enumerate().map(function).collect()
}

fn plugin(name: &str) -> Plugin {
    Plugin {
        name: name.to_owned(),
        status: PluginStatus::Loaded,
        sha256: Some("9c41f0".repeat(11)[..64].to_owned()),
        error: None,
        load_seconds: Some(0.184),
        info: Some(info()),
        own_state_format: false,
        tasks: 3,
    }
}

fn plugins() -> Vec<Plugin> {
    let mut plugins: Vec<_> = FUNCTIONS.iter().map(|name| plugin(name)).collect();
    plugins.push(Plugin {
        status: PluginStatus::Refused,
        sha256: None,
        error: Some("plugins/broken.wasm: is no WebAssembly module: build it again".to_owned()),
        load_seconds: None,
        info: None,
        ..plugin("broken")
    });
    plugins
}

/// A host on which everything has a hostile name or text.
pub fn hostile_status(query: &Query) -> Status {
    let text = || HOSTILE.to_owned();
    let mut status = status(0, query);
    let mut first = task(0);
    (first.function, first.task, first.node, first.plugin.name) = (text(), text(), text(), text());
    first.last_error = Some(LastError { timestamp_seconds: NOW, error: text() });
    first.plugin_metrics = vec![PluginMetric { name: text(), help: text(), kind: text(), value: None }];
    first.last_skipped =
        Some(LastSkipped { timestamp_seconds: NOW, reason: text(), points: 2, point: text() });
    put_tasks(&mut status, vec![first, task(1)], query);
    let info = Info {
        options: BTreeMap::from([(text(), InfoOption { types: vec![text()] })]),
        wants: text(),
        provides: text(),
    };
    status.functions.push(Function {
        name: text(),
        plugin: Some(text()),
        plugin_option: Some(text()),
        routes: vec![Route { task: text(), plugin: text() }],
        error: Some(text()),
        socket: Some(Socket { path: text(), rights: Some(text()), error: Some(text()) }),
        differences: vec![text()],
        info: info.clone(),
        ..Function::default()
    });
    status.plugins.push(Plugin {
        name: text(),
        sha256: Some(text()),
        error: Some(text()),
        info: Some(info),
        status: PluginStatus::Refused,
        ..plugin("")
    });
    let host = &mut status.host;
    host.not_ready.push(text());
    (host.version, host.build, host.plugins_dir, host.state_dir) = (text(), text(), text(), text());
    host.config_file = Some(text());
    host.last_reload = Some(Reload { timestamp_seconds: NOW, error: Some(text()), changes: vec![text()] });
    status.limits.sandboxes = Limit { used: Some(10), limit: Some(10), set_by: text() };
    status.refused_starts.push(RefusedStart {
        function: text(),
        task: text(),
        node: text(),
        timestamp_seconds: NOW,
        error: text(),
    });
    status
}
