//! The chart: a bar for each that was compared, on a logarithmic scale.

use std::fmt::Write;

/// One bar.
pub struct Bar {
    /// What was done.
    pub group: String,
    /// Labels did it.
    pub name: String,
    /// How fast.
    pub points_per_second: f64,
}

const WIDTH: f64 = 860.0;
const LEFT: f64 = 190.0;
const RIGHT: f64 = WIDTH - 90.0;
const BAR: f64 = 20.0;
const PITCH: f64 = 28.0;
/// Above the first bar of a group, for its name.
const HEAD: f64 = 40.0;

const STYLE: &str = "text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif;\
fill:#475467;font-size:13px}.group{fill:#101828;font-size:15px;font-weight:600}.name{text-anchor:end}\
.middle{text-anchor:middle;fill:#667085;font-size:11px}.grid{stroke:#eaecf0}rect{fill:#b2c3d9}.ours{fill:#1d4ed8}";

/// The chart as an SVG file.
pub fn svg(bars: &[Bar]) -> String {
    let rates = || bars.iter().map(|bar| bar.points_per_second.max(1.0));
    let low = rates().fold(f64::INFINITY, f64::min).log10().floor();
    let high = rates().fold(1.0, f64::max).log10().ceil().max(low + 1.0);
    let x = |rate: f64| LEFT + (rate.max(1.0).log10() - low) / (high - low) * (RIGHT - LEFT);
    let (mut body, mut y, mut group) = (String::new(), 8.0, "");
    for bar in bars {
        if bar.group != group {
            group = &bar.group;
            y += HEAD;
            let _ = writeln!(body, r#"<text class="group" x="16" y="{:.1}">{group}</text>"#, y - 12.0);
        }
        let ours = if bar.name == "kapacitor-wasm" { r#" class="ours""# } else { "" };
        let (end, middle) = (x(bar.points_per_second), y + BAR * 0.72);
        let shown = if bar.points_per_second >= 1e6 {
            format!("{:.1} M", bar.points_per_second / 1e6)
        } else {
            format!("{:.0} k", bar.points_per_second / 1e3)
        };
        let _ = writeln!(
            body,
            r#"<text class="name" x="{:.1}" y="{middle:.1}">{}</text><rect{ours} x="{LEFT}" y="{y:.1}" width="{:.1}" height="{BAR}"/><text x="{:.1}" y="{middle:.1}">{shown}</text>"#,
            LEFT - 10.0,
            bar.name,
            end - LEFT,
            end + 8.0,
        );
        y += PITCH;
    }
    let mut grid = String::new();
    for power in low as i32..=high as i32 {
        let rate = 10f64.powi(power);
        let at = x(rate);
        let label = match power {
            6.. => format!("{} M", rate / 1e6),
            3..6 => format!("{} k", rate / 1e3),
            _ => format!("{rate}"),
        };
        let _ = writeln!(
            grid,
            r#"<line class="grid" x1="{at:.1}" x2="{at:.1}" y1="24" y2="{y:.1}"/><text class="middle" x="{at:.1}" y="{:.1}">{label}</text>"#,
            y + 16.0
        );
    }
    let height = y + 44.0;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0}" role="img" aria-label="Points for each second"><style>{STYLE}</style><rect style="fill:#fff" width="{WIDTH}" height="{height:.0}"/>
{grid}{body}<text class="middle" x="{:.1}" y="{:.1}">points for each second, over one unix socket, logarithmic</text></svg>
"#,
        (LEFT + RIGHT) / 2.0,
        height - 8.0
    )
}
