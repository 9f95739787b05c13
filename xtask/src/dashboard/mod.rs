//! `cargo xtask dashboard`: the dashboard for Grafana, packaging/grafana.json.
//!
//! A panel has queries with bare names of metrics. Filters by the variables of the dashboard, legends and
//! descriptions come from the table of metrics, so that no panel names a metric that is not there, and a metric of the
//! table without a panel is an error, too.

use std::fs;

use crate::json::Json;
use crate::metrics_table::{Metric, Table};
use crate::root;
use rows::Kind::{Labels, Lines, Names, Values};
use rows::{Kind, Panel, ROWS};

mod rows;

const FILE: &str = "packaging/grafana.json";

/// Columns of a dashboard.
const WIDTH: u32 = 24;

/// Variables, each with a metric that has its label, in the order in which one is chosen within another.
const VARIABLES: [(&str, &str); 4] = [
    ("job", "kapacitor_wasm_build_info"),
    ("instance", "kapacitor_wasm_build_info"),
    ("function", "kapacitor_wasm_task_sessions"),
    ("task", "kapacitor_wasm_task_sessions"),
];

/// Writes the dashboard. `--check` compares it with what is there.
pub fn dashboard(rest: &[String]) -> Result<(), String> {
    let check = match rest {
        [] => false,
        [only] if only == "--check" => true,
        _ => return Err("`cargo xtask dashboard` has no arguments but --check".to_owned()),
    };
    let written = format!("{}\n", json(&Table::read()?)?);
    let path = root().join(FILE);
    if fs::read_to_string(&path).is_ok_and(|before| before == written) {
        return Ok(());
    }
    if check {
        return Err(format!(
            "{FILE} is not what the table of metrics makes of it: run `cargo xtask dashboard`"
        ));
    }
    fs::write(&path, written).map_err(|e| format!("{FILE}: {e}"))
}

fn json(table: &Table) -> Result<Json, String> {
    let queries = || ROWS.iter().flat_map(|(_, panels)| *panels).flat_map(|panel| panel.queries);
    let mut shown = Vec::new();
    for (query, _) in queries() {
        shown.extend(table.named_in(query)?.into_iter().map(|(metric, _)| &metric.name));
    }
    if let Some(metric) = table.0.iter().find(|metric| !shown.contains(&&metric.name)) {
        return Err(format!("no panel of the dashboard shows `{}`", metric.name));
    }
    Ok(Json::from([
        ("uid", "kapacitor-wasm".into()),
        ("title", "kapacitor-wasm".into()),
        ("description", "Written by `cargo xtask dashboard` from the table of metrics.".into()),
        ("tags", Json::list(["kapacitor".into()])),
        // That of Grafana 10.0. Later ones bring it up to theirs.
        ("schemaVersion", 38.into()),
        ("editable", true.into()),
        // The pointer is shown in all panels at once.
        ("graphTooltip", 1.into()),
        ("time", [("from", "now-1h".into()), ("to", "now".into())].into()),
        ("refresh", "30s".into()),
        ("templating", [("list", Json::List(variables(table)?))].into()),
        ("annotations", [("list", Json::list([]))].into()),
        ("panels", Json::List(panels(table)?)),
    ]))
}

fn datasource() -> Json {
    [("type", "prometheus".into()), ("uid", "${datasource}".into())].into()
}

fn variables(table: &Table) -> Result<Vec<Json>, String> {
    let mut list = vec![Json::from([
        ("name", "datasource".into()),
        ("label", "Data source".into()),
        ("type", "datasource".into()),
        ("query", "prometheus".into()),
    ])];
    for (i, (name, metric)) in VARIABLES.iter().enumerate() {
        let chosen: Vec<_> = VARIABLES[..i].iter().map(|(name, _)| filter(name)).collect();
        let query = format!("label_values({metric}{{{}}}, {name})", chosen.join(", "));
        table.named_in(&query)?;
        list.push(Json::from([
            ("name", (*name).into()),
            ("type", "query".into()),
            ("datasource", datasource()),
            ("definition", query.clone().into()),
            // The editor's type for `label_values` is 1.
            ("query", [("qryType", 1.into()), ("query", query.into()), ("refId", (*name).into())].into()),
            // With each change of the time.
            ("refresh", 2.into()),
            ("sort", 1.into()),
            ("multi", true.into()),
            ("includeAll", true.into()),
            ("allValue", ".*".into()),
            (
                "current",
                [("text", Json::list(["All".into()])), ("value", Json::list(["$__all".into()]))].into(),
            ),
        ]));
    }
    Ok(list)
}

fn panels(table: &Table) -> Result<Vec<Json>, String> {
    let mut list = Vec::new();
    let mut y = 0;
    for (title, panels) in &ROWS {
        list.push(Json::from([
            ("id", id(&list)),
            ("type", "row".into()),
            ("title", (*title).into()),
            ("collapsed", false.into()),
            ("gridPos", place(0, y, WIDTH, 1)),
            ("panels", Json::list([])),
        ]));
        y += 1;
        // Panels go from left to right. Those of one line have one height.
        let (mut x, mut line) = (0, 0);
        for panel in *panels {
            if x + panel.width > WIDTH {
                (x, y) = (0, y + line);
            }
            line = match panel.kind {
                Values(_) | Names => 4,
                Lines(_) | Labels => 8,
            };
            let place = place(x, y, panel.width, line);
            list.push(
                one(table, panel, id(&list), place)
                    .map_err(|e| format!("the panel {:?}: {e}", panel.title))?,
            );
            x += panel.width;
        }
        y += line;
    }
    Ok(list)
}

/// A number that no panel of the list has.
fn id(list: &[Json]) -> Json {
    u32::try_from(list.len() + 1).unwrap_or(u32::MAX).into()
}

fn place(x: u32, y: u32, width: u32, height: u32) -> Json {
    [("x", x.into()), ("y", y.into()), ("w", width.into()), ("h", height.into())].into()
}

fn one(table: &Table, panel: &Panel, id: Json, place: Json) -> Result<Json, String> {
    let (kind, unit) = match panel.kind {
        Values(unit) => ("stat", unit),
        Names => ("stat", "none"),
        Lines(unit) => ("timeseries", unit),
        Labels => ("table", "none"),
    };
    let mut targets = Vec::new();
    let mut described: Vec<String> = Vec::new();
    for ((query, more), letter) in panel.queries.iter().zip('A'..) {
        let metrics = table.named_in(query)?;
        let (first, _) = metrics.first().ok_or("a query names no metric")?;
        let mut target = vec![
            ("refId", letter.to_string().into()),
            ("datasource", datasource()),
            ("expr", filtered(query, &metrics).into()),
            ("legendFormat", legend(first, more).into()),
        ];
        if !matches!(panel.kind, Lines(_)) {
            target.push(("instant", true.into()));
            target.push(("range", false.into()));
        }
        if matches!(panel.kind, Labels) {
            target.push(("format", "table".into()));
        }
        targets.push(Json::Object(target));
        for (metric, _) in metrics {
            let line = format!("`{}`: {}", metric.name, metric.meaning);
            if !described.contains(&line) {
                described.push(line);
            }
        }
    }
    let mut members = vec![
        ("id", id),
        ("type", kind.into()),
        ("title", panel.title.into()),
        ("description", described.join("\n\n").into()),
        ("datasource", datasource()),
        ("gridPos", place),
        ("fieldConfig", [("defaults", [("unit", unit.into())].into()), ("overrides", Json::list([]))].into()),
        ("options", options(panel.kind)),
        ("targets", Json::List(targets)),
    ];
    if matches!(panel.kind, Labels) {
        let hidden = ["Time", "Value", "__name__"].map(|column| (column, true.into()));
        let options = [("excludeByName", hidden.into())];
        members.push((
            "transformations",
            Json::list([[("id", "organize".into()), ("options", options.into())].into()]),
        ));
    }
    Ok(Json::Object(members))
}

fn options(kind: Kind) -> Json {
    match kind {
        Values(_) | Names => [
            ("reduceOptions", [("calcs", Json::list(["lastNotNull".into()]))].into()),
            ("textMode", if matches!(kind, Names) { "name" } else { "auto" }.into()),
            ("colorMode", "none".into()),
            ("graphMode", "none".into()),
        ]
        .into(),
        Lines(_) => [
            ("legend", [("displayMode", "list".into()), ("placement", "bottom".into())].into()),
            ("tooltip", [("mode", "multi".into()), ("sort", "desc".into())].into()),
        ]
        .into(),
        Labels => [("showHeader", true.into())].into(),
    }
}

/// The query with each metric filtered by the variables that it has labels for.
fn filtered(query: &str, metrics: &[(&Metric, &str)]) -> String {
    let mut written = String::new();
    let mut rest = query;
    for (metric, after) in metrics {
        let filters: Vec<_> = VARIABLES
            .iter()
            .filter(|(label, _)| {
                matches!(*label, "job" | "instance") || metric.labels.iter().any(|own| own == label)
            })
            .map(|(label, _)| filter(label))
            .collect();
        written += &rest[..rest.len() - after.len()];
        written += &format!("{{{}", filters.join(", "));
        // Filters that the query has already.
        rest = match after.strip_prefix('{') {
            Some(others) => {
                written += ", ";
                others
            }
            None => {
                written += "}";
                after
            }
        };
    }
    written + rest
}

fn filter(variable: &str) -> String {
    format!("{variable}=~\"${variable}\"")
}

/// The labels of the metric, and `more`.
fn legend(metric: &Metric, more: &str) -> String {
    let labels = metric.labels.iter().map(|label| format!("{{{{{label}}}}}"));
    let mut parts: Vec<_> = labels.chain(["{{instance}}".to_owned()]).collect();
    if !more.is_empty() {
        parts.push(more.to_owned());
    }
    parts.join(" ")
}
