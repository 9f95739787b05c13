//! Draws the outcome: one SVG file, a panel for each group, all with the same axes.
//!
//! Written by hand because charting crates for SVG place lines on whole pixels and guess the size of
//! text, which shows with 2,400 points in 1,000 pixels; and because a browser shows the time and
//! value of a dot that has a `<title>`.

use std::fmt::Write;
use std::time::Duration;

use crate::outcome::{Group, Outcome, Sample};
use crate::words::{clock, count, date, thousands, value};

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = WIDTH - 28.0;
/// Top of the first panel.
const TOP: f64 = 148.0;
const PANEL: f64 = 96.0;
/// From one panel to the next, with the name of the group.
const PITCH: f64 = PANEL + 40.0;
/// Below the last panel, for the times.
const BOTTOM: f64 = 52.0;

/// Panels that are drawn at most.
const PANELS: usize = 24;

/// Time without points, in intervals between points, over which no line is drawn.
const GAP: i64 = 6;

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
fill:#667085;font-size:12px}\
.title{fill:#101828;font-size:20px;font-weight:600}\
.group{fill:#101828;font-size:13px;font-weight:600}\
.end{text-anchor:end}.middle{text-anchor:middle}\
.grid{stroke:#eaecf0}.base{stroke:#98a2b3}.vertical{stroke:#f2f4f7}\
.input{fill:none;stroke:#8fabcc;stroke-width:.9;stroke-linejoin:round;stroke-linecap:round}\
.average{fill:none;stroke:#1d4ed8;stroke-width:2.2;stroke-linejoin:round;stroke-linecap:round}\
.outlier{fill:#e11d48;stroke:#fff;stroke-width:.8}";

/// Both axes, and where on the picture they are.
struct Axes {
    start: i64,
    end: i64,
    low: f64,
    high: f64,
    step: f64,
}

impl Axes {
    fn of(groups: &[&Group]) -> Self {
        let samples = || groups.iter().flat_map(|group| group.input.iter().chain(&group.averages));
        let (start, end) = samples()
            .fold((i64::MAX, i64::MIN), |(start, end), (time, _)| (start.min(*time), end.max(*time)));
        let (low, high) = samples().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), (_, value)| {
            (low.min(*value), high.max(*value))
        });
        // Values that are about as large as they differ are seen best above 0.
        let low = if low > 0.0 && low < high / 2.0 { 0.0 } else { low };
        let step = round_step((high - low) / 2.0);
        let (low, mut high) = ((low / step).floor() * step, (high / step).ceil() * step);
        if high <= low {
            high = low + step;
        }
        Self { start, end: end.max(start.saturating_add(1_000_000_000)), low, high, step }
    }

    fn x(&self, time: i64) -> f64 {
        let part = (time as f64 - self.start as f64) / (self.end as f64 - self.start as f64);
        LEFT + part * (RIGHT - LEFT)
    }

    /// Below the top of a panel.
    fn y(&self, value: f64) -> f64 {
        PANEL * (1.0 - (value - self.low) / (self.high - self.low))
    }

    /// The values that have a line.
    fn values(&self) -> impl Iterator<Item = f64> {
        let count = ((self.high - self.low) / self.step).round().clamp(0.0, 10.0) as u32;
        (0..=count).map(|i| self.low + f64::from(i) * self.step)
    }

    /// The times that have a line, and whether they are days.
    fn times(&self) -> (Vec<i64>, bool) {
        const SECOND: i64 = 1_000_000_000;
        const DAY: i64 = 86_400 * SECOND;
        let steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 10_800, 21_600, 43_200]
            .map(|seconds| seconds * SECOND);
        let days = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20_000].map(|days| days * DAY);
        let span = self.end.saturating_sub(self.start);
        let step = steps.into_iter().chain(days).find(|step| span / step < 9).unwrap_or(i64::MAX);
        let first = self.start.saturating_add((step - self.start.rem_euclid(step)) % step);
        let times = (0..10)
            .map_while(|i| first.checked_add(step.checked_mul(i)?))
            .take_while(|time| *time <= self.end);
        (times.collect(), step >= DAY)
    }
}

/// The picture. The moving average is over `size` points, outliers were looked for in windows.
pub fn svg(outcome: &Outcome, group_by: &str, size: i64, window: Duration) -> String {
    let all: Vec<_> = outcome.groups.values().filter(|group| !group.input.is_empty()).collect();
    let groups = &all[..all.len().min(PANELS)];
    let axes = Axes::of(groups);
    let bottom = TOP + PITCH * (groups.len().max(1) - 1) as f64 + PANEL;
    let height = bottom + BOTTOM;

    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img">"#
    );
    let title = format!("{} by {group_by}", outcome.field);
    let points: usize = all.iter().map(|group| group.points).sum();
    let (from, to) = (date(axes.start), date(axes.end));
    let day = if from == to { String::new() } else { format!("{to} ") };
    let (start, end) = (clock(axes.start), clock(axes.end));
    let mut subtitle = format!("{}, {from} {start} to {day}{end} UTC", count(points, "point"));
    if groups.len() < all.len() {
        let _ = write!(subtitle, "; the first {} of {}", groups.len(), count(all.len(), "group"));
    }
    let _ = write!(svg, "<title>{}</title><style>{STYLE}</style>", escape(&title));
    let _ = write!(svg, r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##);
    text(&mut svg, (LEFT, 40.0), "title", &title);
    text(&mut svg, (LEFT, 62.0), "", &subtitle);
    legend(&mut svg, &outcome.field, size, window);

    let (times, days) = axes.times();
    for time in &times {
        let x = axes.x(*time);
        line(&mut svg, "vertical", (x, TOP), (x, bottom));
    }
    for (i, group) in groups.iter().enumerate() {
        panel(&mut svg, &axes, group, TOP + PITCH * i as f64);
    }
    let mut day = String::new();
    for time in times {
        let x = axes.x(time);
        line(&mut svg, "base", (x, bottom), (x, bottom + 5.0));
        let date = date(time);
        let label = if days { date.clone() } else { clock_label(time, &axes) };
        text(&mut svg, (x, bottom + 20.0), "middle", &label);
        if !days && date != day && from != to {
            text(&mut svg, (x, bottom + 36.0), "middle", &date);
            day = date;
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Seconds only where they tell times apart.
fn clock_label(time: i64, axes: &Axes) -> String {
    let length = if axes.end.saturating_sub(axes.start) < 600_000_000_000 { 8 } else { 5 };
    clock(time)[..length].to_owned()
}

fn legend(svg: &mut String, field: &str, size: i64, window: Duration) {
    let y = 92.0;
    let mut x = LEFT;
    let items = [
        ("input", field.to_owned()),
        ("average", format!("moving average of {size} points")),
        ("outlier", format!("outlier in a window of {} minutes", window.as_secs() / 60)),
    ];
    for (class, label) in items {
        if class == "outlier" {
            let _ = write!(svg, r#"<circle class="{class}" cx="{}" cy="{y}" r="4"/>"#, x + 5.0);
            x += 16.0;
        } else {
            line(svg, class, (x, y), (x + 22.0, y));
            x += 30.0;
        }
        text(svg, (x, y + 4.0), "", &label);
        x += 6.6 * label.chars().count() as f64 + 26.0;
    }
}

fn panel(svg: &mut String, axes: &Axes, group: &Group, top: f64) {
    text(svg, (LEFT, top - 12.0), "group", &group.name);
    let summary = format!("mean {}, {}", value(group.mean()), count(group.outliers.len(), "outlier"));
    text(svg, (RIGHT, top - 12.0), "end", &summary);
    for at in axes.values() {
        let y = top + axes.y(at);
        let class = if at == axes.low { "base" } else { "grid" };
        line(svg, class, (LEFT, y), (RIGHT, y));
        text(svg, (LEFT - 8.0, y + 4.0), "end", &tick(at, axes.step));
    }
    for (class, samples) in [("input", &group.input), ("average", &group.averages)] {
        let _ = write!(svg, r#"<path class="{class}" d="{}"/>"#, path(samples, axes, top));
    }
    for (time, found) in &group.outliers {
        let _ = write!(
            svg,
            r#"<circle class="outlier" cx="{:.1}" cy="{:.1}" r="3.4"><title>{} {}: {}</title></circle>"#,
            axes.x(*time),
            top + axes.y(*found),
            escape(&group.name),
            clock(*time),
            value(*found)
        );
    }
}

/// A line through the samples, broken where many are missing.
///
/// Of the samples in one column of pixels the first, the lowest, the highest and the last are drawn,
/// which gives the same picture, however many there are.
///
/// Source: Jugel et al., *M4: A Visualization-Oriented Time Series Data Aggregation*, 2014.
fn path(samples: &[Sample], axes: &Axes, top: f64) -> String {
    let mut steps: Vec<_> = samples.windows(2).map(|two| two[1].0.saturating_sub(two[0].0)).collect();
    steps.sort_unstable();
    let gap = steps.get(steps.len() / 2).map_or(i64::MAX, |step| step.saturating_mul(GAP).max(1));
    let mut path = String::new();
    for run in samples.chunk_by(|a, b| b.0.saturating_sub(a.0) <= gap) {
        let mut command = 'M';
        for column in run.chunk_by(|a, b| axes.x(a.0) as i64 == axes.x(b.0) as i64) {
            let by_value = |i: &usize, j: &usize| column[*i].1.total_cmp(&column[*j].1);
            let all = || 0..column.len();
            let mut kept = [Some(0), all().min_by(by_value), all().max_by(by_value), all().next_back()]
                .map(Option::unwrap_or_default);
            kept.sort_unstable();
            for (i, at) in kept.iter().enumerate() {
                if i == 0 || kept[i - 1] != *at {
                    let (time, value) = column[*at];
                    let _ = write!(path, "{command}{:.1} {:.1}", axes.x(time), top + axes.y(value));
                    command = 'L';
                }
            }
        }
        if run.len() == 1 {
            // A line of no length, which is drawn as a dot.
            path.push_str("h0");
        }
    }
    path
}

/// 1, 2 or 5 times a power of ten, and not less than `least`.
fn round_step(least: f64) -> f64 {
    if !least.is_normal() || least < 0.0 {
        return 1.0;
    }
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= least).unwrap_or(least)
}

/// The label of a value, with the decimals that tell it from the next.
fn tick(at: f64, step: f64) -> String {
    match -step.log10().floor() {
        _ if at.abs() >= 1e6 || step < 1e-4 => format!("{at:.1e}"),
        decimals if decimals > 0.0 => format!("{at:.*}", decimals as usize),
        _ if at < 0.0 => format!("{at:.0}"),
        _ => thousands(at as usize),
    }
}

fn line(svg: &mut String, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = write!(svg, r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#);
}

fn text(svg: &mut String, (x, y): (f64, f64), class: &str, text: &str) {
    let _ = write!(svg, r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{}</text>"#, escape(text));
}

/// As XML, which has no control characters.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axes(samples: &[Sample]) -> Axes {
        Axes::of(&[&Group { input: samples.to_vec(), ..Group::default() }])
    }

    #[test]
    fn axes_are_round() {
        let axes = axes(&[(1_772_431_200_000_000_000, 0.4), (1_772_455_190_000_000_000, 96.2)]);
        assert_eq!(axes.values().collect::<Vec<_>>(), [0.0, 50.0, 100.0]);
        let (times, days) = axes.times();
        assert_eq!((times.len(), days, clock(times[1]).as_str()), (7, false, "07:00:00"));
    }

    #[test]
    fn any_samples_can_be_drawn() {
        for samples in [
            &[][..],
            &[(0, 0.0)],
            &[(0, 5.0), (1, 5.0)],
            &[(i64::MIN, f64::MIN), (i64::MAX, f64::MAX)],
            &[(0, -1e-300), (0, 1e-300), (1, -7.0)],
        ] {
            let axes = axes(samples);
            assert!(axes.values().count() <= 11 && axes.times().0.len() <= 10);
            path(samples, &axes, 0.0);
        }
    }

    #[test]
    fn lines_break_where_points_are_missing() {
        let second = 1_000_000_000;
        let samples: Vec<_> = [0, 1, 2, 60, 61].map(|i| (i * second, i as f64)).into();
        assert_eq!(path(&samples, &axes(&samples), 0.0).matches('M').count(), 2);
    }

    #[test]
    fn text_is_escaped() {
        assert_eq!(escape("a<b>&\u{1b}"), "a&lt;b&gt;&amp;\u{fffd}");
        assert_eq!([0.0, 1500.0].map(|at| tick(at, 500.0)), ["0", "1,500"]);
        assert_eq!([-0.25, 0.5].map(|at| tick(at, 0.25)), ["-0.2", "0.5"]);
    }
}
