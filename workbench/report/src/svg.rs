//! The chart for documents: one SVG file, a panel for each group, all with the same axis of time.
//!
//! It is written by hand because charting crates for SVG place lines on whole pixels and guess the size of text,
//! which shows with thousands of points in a thousand pixels; and because a browser shows the time and the value of
//! a mark that has a `<title>`.

use std::io::{self, Write};

use crate::axes::{TimeAxis, ValueAxis};
use crate::drawing::Drawing;
use crate::findings::Findings;
use crate::panel::{ABOVE, Panel, added};
use crate::report::Report;
use crate::words::{clock, count, date, escape, shorten, without_spaces};

const WIDTH: f64 = 1120.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = WIDTH - 28.0;
/// Below the last panel, for the times.
const BOTTOM: f64 = 56.0;

/// Groups that are drawn at most.
const GROUPS: usize = 6;

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
fill:#5b6577;font-size:12px}\
.title{fill:#161b26;font-size:20px;font-weight:600}\
.call{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}\
.tiny{font-size:9.5px}\
.group{fill:#161b26;font-size:13px;font-weight:600}\
.end{text-anchor:end}.middle{text-anchor:middle}\
.grid{stroke:#eaecf0}.base{stroke:#98a2b3}.vertical{stroke:#f0f2f5}\
.input,.a0,.a1,.a2,.a3,.a4{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}\
.input{stroke:#8fa6c6;stroke-width:.9}\
.a0{stroke:#0063b2}.a1{stroke:#00875f}.a2{stroke:#b0488a}.a3{stroke:#c07c00}.a4{stroke:#6a51c7}\
.small{stroke-width:1.3}\
.flagged{fill:#d55e00;stroke:#fff;stroke-width:.8}\
.lane{fill:#f0f2f5}.skipped{fill:#9a6700}\
.t0{fill:#b0488a}.t1{fill:#6a51c7}.t2{fill:#3a97d4}.t3{fill:#0063b2}\
.ok{fill:#a9d8c8}.warn{fill:#eaad0c}.critical{fill:#b42318}.true{fill:#d55e00}";

pub fn write(report: &Report, findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut shown: Vec<usize> = findings.order.iter().copied().take(GROUPS).collect();
    shown.sort_unstable();
    let panels: Vec<_> = shown.iter().map(|i| Panel::of(findings, &findings.recorder.records[*i])).collect();
    let times = TimeAxis::of(panels.iter().flat_map(Panel::times), (LEFT, RIGHT));

    let mut body = Drawing::default();
    let call = without_spaces(&report.call);
    let mut y = 40.0;
    body.text((LEFT, y), "title", &shorten(&report.title, 75));
    y += 23.0;
    body.text((LEFT, y), "", &subtitle(findings, shown.len(), times.as_ref()));
    if !call.is_empty() {
        y += 21.0;
        body.text((LEFT, y), "call", &shorten(&call, 140));
    }
    y += 28.0;
    y = legend(&mut body, findings, &panels, y);
    if let Some(times) = &times {
        let reasons = findings.recorder.reasons.counts();
        y = draw(&mut body, times, &panels, y + 8.0, reasons);
    }
    let height = y + BOTTOM;
    writeln!(
        out,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"><title>{}</title><style>{STYLE}</style><rect width="{WIDTH}" height="{height}" fill="#fff"/>{}</svg>"##,
        escape(&report.title),
        body.svg
    )
}

fn subtitle(findings: &Findings<'_>, shown: usize, times: Option<&TimeAxis>) -> String {
    let recorder = findings.recorder;
    let mut text =
        format!("{} in, {} out", count(recorder.points_in, "point"), count(recorder.points_out, "point"));
    if let Some(TimeAxis { start, end, .. }) = times {
        let day = if date(*start) == date(*end) { String::new() } else { format!("{} ", date(*end)) };
        text.push_str(&format!("; {} {} to {day}{} UTC", date(*start), clock(*start), clock(*end)));
    }
    let (others, more) = recorder.others();
    let all = recorder.records.len() + others;
    if shown < all {
        let more = if more { "at least " } else { "" };
        text.push_str(&format!("; {shown} of {more}{}", count(all as u64, "group")));
    }
    text
}

/// What the lines and marks mean. Returns where it ends.
fn legend(drawing: &mut Drawing, findings: &Findings<'_>, panels: &[Panel<'_>], mut y: f64) -> f64 {
    let mut items = Vec::new();
    let has = |class: &str| panels.iter().any(|panel| panel.lines.iter().any(|(other, _)| other == class));
    if let Some(main) = findings.fields.first() {
        if has("input") {
            items.push(("input".to_owned(), (*main).to_owned()));
        }
        let changed = panels.iter().any(|panel| findings.drawn(panel.record, main).changed.is_some());
        if changed {
            items.push(("a0".to_owned(), format!("{main}, output")));
        }
    }
    items.extend(added(findings).into_iter().map(|(name, class, _)| (class, name.to_owned())));
    if panels.iter().any(|panel| !panel.flagged.is_empty()) {
        items.push(("flagged".to_owned(), "flagged".to_owned()));
    }
    let mut x = LEFT;
    for (class, label) in items {
        let label = shorten(&label, 40);
        let width = 6.6 * label.chars().count() as f64 + 56.0;
        if x + width > RIGHT && x > LEFT {
            (x, y) = (LEFT, y + 20.0);
        }
        if class == "flagged" {
            drawing.put(format_args!(r#"<circle class="{class}" cx="{}" cy="{y}" r="4"/>"#, x + 5.0));
            drawing.text((x + 16.0, y + 4.0), "", &label);
        } else {
            drawing.line(&class, (x, y), (x + 22.0, y));
            drawing.text((x + 30.0, y + 4.0), "", &label);
        }
        x += width;
    }
    y
}

/// The panels and the axis of time. Returns where the panels end.
fn draw(
    drawing: &mut Drawing,
    times: &TimeAxis,
    panels: &[Panel<'_>],
    top: f64,
    reasons: &[(String, u64)],
) -> f64 {
    let own: Vec<_> = panels.iter().map(|panel| ValueAxis::of(panel.values(), 3)).collect();
    let all = ValueAxis::of(panels.iter().flat_map(Panel::values), 3);
    // Groups are compared best on the same axis, as long as each can be seen on it.
    let shared = own.iter().all(|axis| axis.span() * 4.0 >= all.span());
    let bottom = top + panels.iter().map(|panel| ABOVE + panel.height()).sum::<f64>();
    let labels = times.labels();
    for (time, _, _) in &labels {
        let x = times.x(*time);
        drawing.line("vertical", (x, top + ABOVE), (x, bottom));
    }
    let mut y = top;
    for (panel, own) in panels.iter().zip(own) {
        y += ABOVE;
        panel.draw(drawing, times, if shared { all } else { own }, y, reasons);
        y += panel.height();
    }
    for (time, label, day) in labels {
        let x = times.x(time);
        drawing.line("base", (x, bottom), (x, bottom + 5.0));
        drawing.text((x, bottom + 20.0), "middle", &label);
        if let Some(day) = day {
            drawing.text((x, bottom + 36.0), "middle", &day);
        }
    }
    bottom
}
