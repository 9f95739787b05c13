//! The page: one file, with its style, its scripts and its data.

use std::io::{self, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::findings::Findings;
use crate::page::Page;
use crate::report::Report;
use crate::tables;
use crate::words::{count, escape};

/// uPlot 1.6.32, unchanged, from the package `uplot` of the npm registry: `dist/uPlot.iife.min.js`,
/// `dist/uPlot.min.css` and `LICENSE`.
const UPLOT: &str = include_str!("../assets/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("../assets/uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("../assets/uplot/LICENSE");

const STYLES: [&str; 2] = [UPLOT_STYLE, include_str!("../assets/page/page.css")];

/// In the order in which they run.
const SCRIPTS: [&str; 5] = [
    include_str!("../assets/page/data.js"),
    UPLOT,
    include_str!("../assets/page/chart.js"),
    include_str!("../assets/page/tables.js"),
    include_str!("../assets/page/main.js"),
];

pub fn write(report: &Report, findings: &Findings<'_>, out: &mut impl Write) -> io::Result<()> {
    let json = Page::of(findings).json()?;
    let title = escape(&report.title);
    write!(
        out,
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
"#,
        policy()
    )?;
    for style in STYLES {
        writeln!(out, "<style>{style}</style>")?;
    }
    writeln!(out, "</head>\n<body>\n<header>\n<h1>{title}</h1>")?;
    if !report.call.is_empty() {
        writeln!(out, r#"<pre class="call" tabindex="0">{}</pre>"#, escape(&report.call))?;
    }
    writeln!(out, "</header>\n<main>")?;
    tables::summary(report, out)?;
    out.write_all(CHART.as_bytes())?;
    tables::groups(findings, out)?;
    tables::reasons(findings, out)?;
    tables::log(findings, out)?;
    writeln!(out, "</main>\n<footer>")?;
    writeln!(
        out,
        "<p>Times are in UTC. This file needs no other file and no network. It was made by <code>kapacitor-wasm \
         replay</code> from {} and {} of a plugin.</p>",
        count(findings.recorder.points_in, "input point"),
        count(findings.recorder.points_out, "output point"),
    )?;
    writeln!(
        out,
        "<details><summary>Charts are drawn by uPlot 1.6.32, under the MIT licence</summary>\
         <pre>{}</pre></details>\n</footer>",
        escape(UPLOT_LICENCE)
    )?;
    writeln!(out, r#"<script type="application/json" id="data">{json}</script>"#)?;
    for script in SCRIPTS {
        writeln!(out, "<script>{script}</script>")?;
    }
    writeln!(out, "</body>\n</html>")
}

/// A policy that allows the styles and scripts of the page, which it names by their hashes, and nothing else:
/// neither other scripts, should data find a way into the page, nor the network.
fn policy() -> String {
    let hashes = |texts: &[&str]| {
        let hash = |text: &&str| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
        texts.iter().map(hash).collect::<String>()
    };
    format!(
        "default-src 'none'; script-src{}; style-src{}; base-uri 'none'; form-action 'none'",
        hashes(&SCRIPTS),
        hashes(&STYLES)
    )
}

const CHART: &str = r#"<section class="card" id="chart-card" aria-labelledby="chart-heading">
<div class="head"><h2 id="chart-heading">Chart</h2>
<span id="pick" class="controls label">Group <span class="joined"><button type="button" id="previous" aria-label="previous group">‹</button><select id="group" aria-label="group"></select><button type="button" id="next" aria-label="next group">›</button></span></span>
<label id="fields" class="controls">Field <select id="field"></select></label>
<span class="joined controls push"><button type="button" id="left" aria-label="earlier">←</button><button type="button" id="right" aria-label="later">→</button><button type="button" id="in" aria-label="zoom in">+</button><button type="button" id="out" aria-label="zoom out">−</button><button type="button" id="reset">All</button></span>
</div>
<noscript><p class="empty">The chart needs JavaScript. The tables do not.</p></noscript>
<p class="empty" id="empty" hidden>No point went in, and none came out.</p>
<div id="chart" hidden>
<ul id="legend" aria-label="what is drawn"></ul>
<div id="plot" tabindex="0" role="group" aria-label="Chart. The arrow keys move from value to value, plus and minus zoom, 0 shows all, page up and page down change the group."><div id="panels"></div><canvas id="lanes" aria-hidden="true"></canvas><canvas id="overview" aria-hidden="true"></canvas><div id="tip" role="status" hidden></div></div>
<div class="foot"><span class="keys">Drag to zoom, double-click for all. Keys: <kbd>←</kbd> <kbd>→</kbd> values, <kbd>+</kbd> <kbd>−</kbd> zoom, <kbd>0</kbd> all, <kbd>Page Up</kbd> <kbd>Page Down</kbd> groups.</span><span id="note"></span></div>
</div>
</section>
"#;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uplot_is_as_it_was_published() {
        let hash = |text: &str| format!("{:x}", Sha256::digest(text));
        assert_eq!(
            [UPLOT, UPLOT_STYLE, UPLOT_LICENCE].map(hash),
            [
                "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
                "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
                "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
            ]
        );
        assert!(UPLOT.contains("(v1.6.32)"));
    }

    #[test]
    fn no_asset_ends_its_element() {
        assert!(SCRIPTS.iter().all(|script| !script.contains("</script") && !script.contains("<!--")));
        assert!(STYLES.iter().all(|style| !style.contains("</style")));
    }
}
