//! One task.

use kapacitor_wasm_status::Task;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Wrap};

use super::app::Name;
use super::theme::Theme;
use crate::columns::state;
use crate::text::shown;
use crate::units::{bytes, number, percent, span};

/// Number of lines of a curve with its title.
const CURVE: u16 = 3;

/// Draws `task`, which is `named` so, as it was at `now` in seconds since 1970.
pub fn details(task: Option<&Task>, named: &Name, now: f64, frame: &mut Frame<'_>, area: Rect) {
    let Some(task) = task else {
        let text = format!("asking for task \"{}\" ...", shown(&named.task));
        return frame.render_widget(Paragraph::new(text), area);
    };
    let curves = task.history.as_ref().map_or(Vec::new(), |history| {
        vec![
            ("points in/s", &history.points_in_per_second),
            ("points out/s", &history.points_out_per_second),
            ("cpu", &history.guest_cpu_seconds_per_second),
        ]
    });
    let facts = facts(task, now);
    // What does not fit is left out, the curves first. A line that is broken at
    // words may take one line more.
    let width = usize::from(area.width.max(1));
    let lines: usize =
        facts.iter().map(|line| line.width() / width + usize::from(line.width() > width) + 1).sum();
    let room = usize::from(area.height).saturating_sub(lines);
    let fitting = (room / usize::from(CURVE)).min(curves.len());
    let [facts_area, curves_area] =
        Layout::vertical([Constraint::Min(0), Constraint::Length(fitting as u16 * CURVE)]).areas(area);
    frame.render_widget(Paragraph::new(facts).wrap(Wrap { trim: false }), facts_area);
    let areas = Layout::vertical(vec![Constraint::Length(CURVE); fitting]).split(curves_area);
    for ((title, values), area) in curves.into_iter().zip(areas.iter()) {
        curve(title, values, frame, *area);
    }
}

fn facts(task: &Task, now: f64) -> Vec<Line<'static>> {
    let fact = |name: &str, value: String| {
        Line::from(vec![Span::styled(format!("{name:<10}"), Theme::heading()), Span::raw(value)])
    };
    let version: String = task.plugin.sha256.chars().take(8).collect();
    let skipped = &task.points_skipped;
    let mut lines = vec![
        fact("task", shown(&task.task)),
        fact("node", format!("{}, function {}", shown(&task.node), shown(&task.function))),
        fact("plugin", format!("{}, version {}", shown(&task.plugin.name), shown(&version))),
        fact("state", format!("{}, sessions {}, starts {}", state(task.state), task.sessions, task.starts)),
        fact(
            "points",
            format!(
                "in {}, out {}, skipped by the plugin {}, at failures {}, in a full queue {}, unfinished {}",
                task.points_in,
                task.points_out,
                skipped.plugin,
                skipped.failure,
                skipped.queue_full,
                skipped.unfinished
            ),
        ),
        fact("cpu", format!("{} in {} calls", span(task.guest_cpu_seconds), task.calls)),
        fact("memory", bytes(task.sandbox_memory_bytes)),
        fact(
            "waits",
            format!(
                "{} for {}; output {}; so far for the plugin {}, for Kapacitor {}",
                bytes(task.queue_bytes),
                span(task.queue_age_seconds),
                bytes(task.output_bytes),
                span(task.blocked_seconds.plugin),
                span(task.blocked_seconds.kapacitor)
            ),
        ),
        fact("failures", format!("{}, brought back {}", task.failures, task.recoveries)),
    ];
    let ago = |at: f64| format!("{} ago", span(now - at));
    lines.push(fact(
        "snapshot",
        task.snapshot.as_ref().map_or_else(
            || "no snapshot yet".to_owned(),
            |snapshot| {
                format!(
                    "{}, taken {} in {}",
                    bytes(snapshot.bytes),
                    ago(snapshot.timestamp_seconds),
                    span(snapshot.duration_seconds)
                )
            },
        ),
    ));
    if let Some(error) = &task.last_error {
        lines.push(fact("error", format!("{}: {}", ago(error.timestamp_seconds), shown(&error.error))));
    }
    if let Some(skipped) = &task.last_skipped {
        let text = format!(
            "{}: points {}, {}, at {}",
            ago(skipped.timestamp_seconds),
            skipped.points,
            shown(&skipped.reason),
            shown(&skipped.point)
        );
        lines.push(fact("skipped", text));
    }
    lines
}

fn curve(title: &str, values: &[f32], frame: &mut Frame<'_>, area: Rect) {
    let [head, body] = Layout::vertical([Constraint::Length(1), Constraint::Min(1)]).areas(area);
    let top = values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f32::max);
    let text = |value: f32| if title == "cpu" { percent(value.into()) } else { number(value.into()) };
    let now = values.last().map_or_else(|| "-".to_owned(), |now| text(*now));
    let line = format!("{title}: {now}, at most {}", text(top));
    frame.render_widget(Line::styled(line, Theme::heading()), head);
    let width = usize::from(body.width);
    let newest = &values[values.len().saturating_sub(width)..];
    // The widget draws whole numbers.
    let scaled = newest.iter().map(|value| if top > 0.0 { (value / top * 1000.0) as u64 } else { 0 });
    frame.render_widget(Sparkline::default().data(scaled.collect::<Vec<_>>()).max(1000), body);
}
