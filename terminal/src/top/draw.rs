//! Draws the live view.

use kapacitor_wasm_status::{Status, Task, TaskState};
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::Paragraph;
use unicode_width::UnicodeWidthStr as _;

use super::app::{App, View};
use super::details::details;
use super::theme::Theme;
use crate::columns::{Column, fitting};
use crate::report;
use crate::text::{fitted, shown};

/// Maximum number of lines that say what is wrong.
const MOST_WRONG: usize = 3;

/// Draws all of it.
pub fn draw(app: &mut App, colours: bool, frame: &mut Frame<'_>) {
    let theme = Theme::new(colours);
    let wrong = wrong_lines(app, theme, usize::from(frame.area().width));
    let heights = [
        Constraint::Length(2),
        Constraint::Length(wrong.len() as u16),
        Constraint::Min(1),
        Constraint::Length(1),
    ];
    let [head, middle, body, foot] = Layout::vertical(heights).areas(frame.area());
    frame.render_widget(Paragraph::new(head_lines(app, usize::from(head.width))), head);
    frame.render_widget(Paragraph::new(wrong), middle);
    match &app.view {
        View::Help => frame.render_widget(Paragraph::new(help()), body),
        View::Details(name) => {
            let task = app.tasks().first().filter(|task| super::app::Name::of(task) == *name);
            let now = app.status.as_ref().map_or(0.0, |(_, status)| status.host.now_timestamp_seconds);
            details(task, name, now, frame, body);
        }
        View::List => list(app, theme, frame, body),
    }
    frame.render_widget(foot_line(app, usize::from(foot.width)), foot);
}

fn head_lines(app: &App, width: usize) -> Vec<Line<'static>> {
    let Some((_, status)) = &app.status else {
        return vec![Line::raw(fitted(&format!("asking {} ...", app.host), width))];
    };
    let host = report::host(status);
    let mut lines: Vec<_> = host.lines().map(|line| Line::raw(fitted(line, width))).collect();
    if let Some(first) = lines.first_mut() {
        first.style = Theme::heading();
    }
    lines
}

/// What is wrong with the host, or with asking it.
fn wrong_lines(app: &App, theme: Theme, width: usize) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Some(problem) = &app.problem {
        // The age is first, since the line may be cut.
        let age =
            app.answered.map_or(String::new(), |at| format!("this is {} s old: ", at.elapsed().as_secs()));
        lines.push(format!("! {age}{problem}"));
    }
    if let Some((_, status)) = app.status.as_ref().filter(|_| app.view == View::List) {
        let wrong = report::wrong(status);
        let more = wrong.len().saturating_sub(MOST_WRONG);
        lines.extend(wrong.into_iter().take(MOST_WRONG).map(|line| format!("! {line}")));
        if more > 0 {
            lines.push(format!("! {more} more: see `kapacitor-wasm status`"));
        }
    }
    lines.into_iter().map(|line| Line::styled(fitted(&line, width), theme.bad())).collect()
}

fn list(app: &mut App, theme: Theme, frame: &mut Frame<'_>, area: Rect) {
    let columns = fitting(usize::from(area.width));
    app.page = usize::from(area.height).saturating_sub(1).max(1);
    // The selected line is on the screen.
    app.first = app.first.clamp((app.selected + 1).saturating_sub(app.page), app.selected);
    let mut lines = vec![heading(app, &columns)];
    for (number, task) in app.tasks().iter().enumerate().skip(app.first).take(app.page) {
        lines.push(row(task, number == app.selected, theme, &columns));
    }
    if app.tasks().is_empty() && app.status.is_some() {
        lines.push(Line::styled("no task that is asked for", Theme::faint()));
    }
    frame.render_widget(Paragraph::new(lines), area);
}

fn heading(app: &App, columns: &[(Column, usize)]) -> Line<'static> {
    let mut spans = Vec::new();
    for (column, width) in columns {
        let style = if column.is_sorted_by(app.sort) {
            Theme::heading().add_modifier(Modifier::UNDERLINED)
        } else {
            Theme::heading()
        };
        spans.extend(cell(*column, *width, column.title(), style));
    }
    spans.pop();
    Line::from(spans)
}

fn row(task: &Task, selected: bool, theme: Theme, columns: &[(Column, usize)]) -> Line<'static> {
    let mut spans = Vec::new();
    for (column, width) in columns {
        let style = match column {
            Column::State => theme.state(task.state),
            Column::Failures if task.failures > 0 => theme.doubtful(),
            _ if task.state == TaskState::Ended => Theme::faint(),
            _ => Style::new(),
        };
        spans.extend(cell(*column, *width, &column.cell(task), style));
    }
    spans.pop();
    let line = Line::from(spans);
    if selected { line.patch_style(Style::new().add_modifier(Modifier::REVERSED)) } else { line }
}

/// A text in its column, and the gap behind it.
fn cell(column: Column, width: usize, text: &str, style: Style) -> [Span<'static>; 2] {
    let text = fitted(text, width);
    let padding = " ".repeat(width.saturating_sub(text.width()));
    let text = if column.is_number() { padding + &text } else { text + &padding };
    [Span::styled(text, style), Span::raw(" ")]
}

fn foot_line(app: &App, width: usize) -> Line<'static> {
    if let Some(text) = &app.editing {
        let most = width.saturating_sub("filter: _".len());
        // The end of a long filter is where it is written.
        let text: Vec<char> = shown(text).chars().collect();
        let text: String = text[text.len().saturating_sub(most)..].iter().collect();
        return Line::styled(format!("filter: {text}_"), Theme::heading());
    }
    let mut parts = Vec::new();
    if app.is_paused() {
        parts.push("PAUSED".to_owned());
    }
    match app.view {
        View::List => {
            parts.push(shown_of(app));
            if !app.filter.is_empty() {
                parts.push(format!("filter: {} (Esc: none)", app.filter));
            }
            parts.push("q quit  ? keys  / filter  c cpu  m memory  i in/s  n name  Enter details".to_owned());
        }
        View::Details(_) | View::Help => parts.push("Esc back  q quit".to_owned()),
    }
    Line::styled(fitted(&parts.join("  "), width), Theme::faint())
}

/// How many tasks are in the list, and how many there are.
fn shown_of(app: &App) -> String {
    let Some((_, status)) = &app.status else { return String::new() };
    let Status { tasks, tasks_matching, .. } = status;
    if tasks.len() as u64 == *tasks_matching {
        format!("{} tasks", tasks.len())
    } else {
        format!("{} of {tasks_matching} tasks", tasks.len())
    }
}

fn help() -> Vec<Line<'static>> {
    let keys = [
        ("c m i o", "sort by CPU, memory, points in, points out"),
        ("n t w s f", "sort by name, state, waiting time, skipped points, failures"),
        ("r", "the other way round"),
        ("/", "filter by a part of the name of task, node, function or plugin"),
        ("Up Down PgUp PgDn Home End j k", "select a task"),
        ("Enter", "details of the selected task"),
        ("p, space", "pause"),
        ("Esc", "back; in the list: no filter"),
        ("q, Ctrl-C", "quit"),
    ];
    let line = |(key, what): (&'static str, &'static str)| {
        Line::from(vec![Span::styled(format!("{key:<31}"), Theme::heading()), Span::raw(what)])
    };
    keys.into_iter().map(line).collect()
}
