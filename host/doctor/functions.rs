//! Plugins and functions: what keeps one from working, whatever Kapacitor does.

use super::finding::{Finding, Findings};
use super::site::Site;
use crate::config::Edges;
use crate::endpoint;
use crate::plugin::Plugins;
use crate::protocol::InfoResponse;
use crate::shared::Shared;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("plugins");
    let plugins = site.shared.plugins();
    if site.is_outsider() {
        findings.skip("the sockets of the host: run this as root or as the user of the host");
    } else {
        problems_of_sockets(&site.shared).into_iter().for_each(|problem| findings.plain_problem(problem));
    }
    for problem in problems_of_functions(&site.shared, &plugins) {
        findings.plain_problem(problem);
    }
    for unused in site.shared.library().others().unwrap_or_default() {
        findings.plain_warning(unused);
    }
    findings.ok_if_none(format!("all {} plugins can be loaded, and fit their functions", plugins.len()));
    findings.list()
}

/// What keeps a socket from being made, or from being this host's.
pub fn problems_of_sockets(shared: &Shared) -> Vec<String> {
    let config = shared.config();
    let functions = shared.functions();
    functions.keys().filter_map(|name| Some(format!("{:#}", endpoint::check(&config, name).err()?))).collect()
}

/// Everything that keeps a function or a plugin from working, but for its socket.
pub fn problems_of_functions(shared: &Shared, plugins: &Plugins) -> Vec<String> {
    let mut problems = Vec::new();
    let config = shared.config();
    for function in shared.functions().values() {
        let edges = edges(&function.info(plugins));
        for name in function.named_plugins() {
            match plugins.get(name) {
                Some(Ok(plugin)) => {
                    if plugin.edges() != edges {
                        problems.push(format!(
                            "function `{}` is {edges}, and plugin `{name}` is {}: they must be the same",
                            function.name,
                            plugin.edges()
                        ));
                    }
                    problems.extend(function.check_plugin(plugin).err().map(|e| e.to_string()));
                }
                // Listed once below, whatever the number of its functions.
                Some(Err(_)) => {}
                None => problems.push(format!(
                    "function `{}`: there is no plugin `{name}`: put {name}.wasm into {}",
                    function.name,
                    config.plugins_dir.display()
                )),
            }
        }
    }
    problems.extend(plugins.values().filter_map(|plugin| plugin.as_ref().err()).map(ToString::to_string));
    if plugins.is_empty() {
        problems.push(format!("{}: no .wasm file there", config.plugins_dir.display()));
    }
    problems
}

/// The edges of an Info.
fn edges(info: &InfoResponse) -> Edges {
    Edges { wants: info.wants(), provides: info.provides() }
}
