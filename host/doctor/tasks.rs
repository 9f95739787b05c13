//! The TICKscripts of Kapacitor's tasks against the plugins as they are now.
//!
//! Kapacitor checks a script when the task is defined, with what it was told of the functions when it started. This
//! says what it will check after its next restart.

use kapacitor_wasm_tickscript::{Edge, PipelineCall, Script, Vars, parse_script, parse_vars};

use super::finding::{Finding, Findings};
use super::kapacitor_api::Task;
use super::kapacitor_functions::names_in_kapacitor;
use super::site::Site;
use crate::config::edge_name;
use crate::logging::on_one_line;
use crate::protocol::{EdgeType, InfoResponse, InitRequest, OptionValue, ValueType};
use crate::routing::type_name;
use crate::workbench::protocol_options;

/// Maximum number of findings about tasks.
const MOST: usize = 100;

pub(super) fn check(site: &Site) -> Vec<Finding> {
    let mut findings = Findings::of("tasks");
    let tasks = match &site.tasks {
        Ok(tasks) => tasks,
        Err(why) => {
            findings.skip(format!("the tasks of Kapacitor: {why}"));
            return findings.list();
        }
    };
    let names = names_in_kapacitor(site);
    let (mut using, mut said) = (0, 0);
    for task in &tasks.list {
        let id = on_one_line(&task.id);
        let script = match read(task) {
            Ok(script) => script,
            Err(why) => {
                findings
                    .skip(format!("task `{id}`: its script is not understood here: {}", on_one_line(&why)));
                continue;
            }
        };
        let own: Vec<&PipelineCall> =
            script.calls.iter().filter(|call| is_own(site, &call.call.function, &names)).collect();
        if own.is_empty() {
            continue;
        }
        using += 1;
        let alone = script.calls.len() == 1;
        let wrong = own.iter().flat_map(|call| wrong(site, task, call, alone, &names));
        for (text, advice) in
            wrong.map(|(text, advice)| (format!("task `{id}`: {}", on_one_line(&text)), advice))
        {
            said += 1;
            if said > MOST {
                continue;
            }
            if task.status == "enabled" {
                findings.problem(text, advice);
            } else {
                findings.warn(format!("{text} (the task is disabled)"), advice);
            }
        }
        if task.status == "enabled" && !task.executing {
            findings.problem(
                format!("task `{id}` is enabled, and does not run: {}", on_one_line(task.error.trim())),
                "correct what the error says, then disable and enable the task",
            );
        }
    }
    if said > MOST {
        findings.skip(format!("{} more of the same kind", said - MOST));
    }
    if tasks.more {
        findings.skip(format!(
            "Kapacitor has more than {} tasks, and the others were not read",
            tasks.list.len()
        ));
    }
    findings.ok_if_none(format!(
        "{using} of {} tasks call functions of the host, as these are now",
        tasks.list.len()
    ));
    findings.list()
}

fn read(task: &Task) -> Result<Script, String> {
    let vars = match &task.vars {
        serde_json::Value::Object(vars) if !vars.is_empty() => {
            parse_vars(&task.vars.to_string(), "vars").map_err(|e| e.to_string())?
        }
        _ => Vars::new(),
    };
    parse_script(&task.script, "script", &vars).map_err(|e| e.to_string())
}

type Names = std::collections::BTreeMap<String, String>;

/// Whether a script means a function of the host: kapacitor.conf says so, or the host has it and kapacitor.conf none.
fn is_own(site: &Site, called: &str, names: &Names) -> bool {
    let elsewhere = site.kapacitor_conf.as_ref().ok().and_then(|conf| conf.functions.as_ref());
    names.contains_key(called)
        || (site.shared.functions().contains_key(called)
            && !elsewhere.is_some_and(|functions| functions.contains_key(called)))
}

/// What is wrong with one call, and what to do. `alone`: it is the only one of the script.
fn wrong(site: &Site, task: &Task, call: &PipelineCall, alone: bool, names: &Names) -> Vec<(String, String)> {
    let name = &call.call.function;
    let place = format!("line {}: @{name}()", call.line);
    let Some(own) = names.get(name) else {
        let advice = "add the lines that `kapacitor-wasm config` prints, and restart Kapacitor".to_owned();
        return vec![(format!("{place} is not in kapacitor.conf"), advice)];
    };
    let (functions, plugins) = (site.shared.functions(), site.shared.plugins());
    let Some(function) = functions.get(own) else { return Vec::new() };
    if !function.is_served(&plugins) {
        // Said of the plugin.
        return Vec::new();
    }
    let info = function.info(&plugins);
    let mut wrong = of_options(call, &info, &place);
    let wants = match call.edge {
        Edge::Stream => EdgeType::Stream,
        Edge::Batch => EdgeType::Batch,
    };
    // What another UDF before it provides is not in the script.
    if alone && wants != info.wants() {
        let (gets, wants) = (edge_name(wants), edge_name(info.wants()));
        let advice = match info.wants() {
            EdgeType::Batch => "put `|window()` before it",
            EdgeType::Stream => "take the `|window()` before it away, or use a function that wants batches",
        };
        wrong.push((format!("{place} wants a {wants} edge, and gets a {gets}"), advice.to_owned()));
    }
    if wrong.is_empty() {
        let request = InitRequest {
            task_id: task.id.clone(),
            options: protocol_options(&call.call),
            ..InitRequest::default()
        };
        if let Err(e) = function.route(request, &plugins, None) {
            let advice = "change the script, or put back the plugin that it was written for".to_owned();
            wrong.push((format!("{place}: {e}"), advice));
        }
    }
    wrong
}

/// Kapacitor takes options only with the number and the types of values that it was told.
fn of_options(call: &PipelineCall, info: &InfoResponse, place: &str) -> Vec<(String, String)> {
    let list = |types: &[ValueType]| types.iter().map(|ty| type_name(*ty)).collect::<Vec<_>>().join(", ");
    let wrong = protocol_options(&call.call).into_iter().filter_map(|option| {
        let name = &option.name;
        let got: Vec<ValueType> = option.values.iter().map(OptionValue::r#type).collect();
        let declared = info.options.get(name).map(|option| option.value_types().collect::<Vec<_>>());
        match declared {
            None => {
                let known: Vec<&str> = info.options.keys().map(String::as_str).collect();
                let advice = format!(
                    "after its next restart Kapacitor can't even disable this task: change the script before, or put the old plugin back; there are: {}",
                    if known.is_empty() { "none".to_owned() } else { known.join(", ") }
                );
                Some((format!("{place} has no option `{name}`"), advice))
            }
            Some(declared) if declared != got => Some((
                format!("{place}: option `{name}` takes ({}), and gets ({})", list(&declared), list(&got)),
                "change the script: `2` is an int, `2.0` a double, `'2'` a string, `2s` a duration".to_owned(),
            )),
            Some(_) => None,
        }
    });
    wrong.collect()
}
