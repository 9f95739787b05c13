//! Whether the host is alive, and whether it is ready.

use serde::Serialize;

use crate::shared::Shared;

/// The answer of `/health` and `/ready`.
#[derive(Serialize)]
struct Status {
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

impl Status {
    fn text(&self) -> String {
        // It has nothing that JSON can't hold.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// That the host runs.
pub fn health() -> String {
    Status { status: "ok", reasons: Vec::new() }.text()
}

/// Whether Kapacitor can use all functions, and if not, why.
pub fn ready(shared: &Shared) -> (bool, String) {
    let reasons = not_ready(shared);
    let ready = reasons.is_empty();
    (ready, Status { status: if ready { "ok" } else { "not ready" }, reasons }.text())
}

/// Why Kapacitor can't use all functions, one sentence each; nothing if it can.
pub fn not_ready(shared: &Shared) -> Vec<String> {
    let mut reasons = Vec::new();
    let is_loaded = shared.library().is_loaded();
    if !is_loaded {
        reasons.push("plugins are being loaded".to_owned());
    }
    let plugins = shared.plugins();
    for (name, plugin) in plugins.iter() {
        if let Err(error) = plugin {
            reasons.push(format!("plugin \"{name}\" is refused: {error:#}"));
        }
    }
    let sockets = shared.sockets();
    for name in shared.functions().keys() {
        match sockets.get(name) {
            Some(Ok(())) => {}
            Some(Err(reason)) => reasons.push(format!("function \"{name}\" has no socket: {reason}")),
            None => reasons.push(format!("function \"{name}\" has no socket yet")),
        }
    }
    // One that is still being loaded is not there, either.
    if is_loaded {
        for function in shared.functions().values().filter(|function| !function.is_removed()) {
            let missing = function.named_plugins().filter(|plugin| !plugins.contains_key(*plugin));
            reasons.extend(missing.map(|plugin| {
                format!("function \"{}\" has no plugin: there is none \"{plugin}\"", function.name)
            }));
        }
    }
    reasons
}
