//! The page in a browser.

use crate::browser::open;
use crate::cases::{ALL, Case, HOSTILE};

fn html(case: &Case) -> String {
    let (report, recorder) = (case.make)();
    let mut html = Vec::new();
    report.write_html(&recorder, &mut html).expect("a vector takes all");
    String::from_utf8(html).expect("the page is UTF-8")
}

fn case(name: &str) -> String {
    html(ALL.iter().find(|case| case.name == name).expect("a case"))
}

/// The page with a script that the test adds, which the policy would forbid.
fn with_script(html: &str, script: &str) -> String {
    let (before, policy) = html.split_once("script-src").expect("a policy");
    let (_, after) = policy.split_once("; style-src").expect("a policy");
    format!("{before}script-src 'unsafe-inline'; style-src{after}")
        .replace("</body>", &format!("<script>{script}</script></body>"))
}

#[test]
fn each_page_draws_what_there_is() {
    for (name, drawn) in [
        ("average", "panels=1 series=2 flagged=0 runs=0 skipped=12"),
        ("outliers", "panels=1 series=1 flagged=45 runs=0 skipped=0"),
        ("million", "panels=1 series=1 flagged=1 runs=0 skipped=0"),
        ("groups", "panels=2 series=2 flagged=0 runs=0 skipped=0"),
        ("hostile", "panels=1 series=2 flagged=0 runs=6 skipped=4"),
        ("silent", "panels=1 series=1 flagged=0 runs=0 skipped=0"),
        ("skipped", "panels=1 series=0 flagged=0 runs=0 skipped=150"),
        ("nothing", "nothing"),
        ("states", "panels=2 series=3 flagged=18 runs=242 skipped=0"),
    ] {
        let Some(page) = open(&case(name)) else { return };
        let state = page.state();
        assert_eq!(state.get("error"), None, "{name}");
        assert_eq!(state.get("ready"), Some(&"true"), "{name}");
        assert_eq!(state.get("drawn"), Some(&drawn), "{name}");
    }
}

#[test]
fn a_page_shows_values_zooms_and_changes_the_group() {
    let script = "
        (async () => {
        const key = (key) => plot.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
        const results = [];
        key('Home'); key('ArrowRight'); results.push(state.tip);
        key('+'); results.push(zoomed && Math.round((full[1] - full[0]) / (view.max - view.min)));
        key('0'); results.push(zoomed);
        key('PageDown'); results.push(D.charts[chosen].group, $('group').value);
        document.querySelector('#legend button').click(); results.push(state.drawn.split(' ')[1]);
        document.querySelector('#legend button').click();
        // uPlot draws when the script pauses.
        await null;
        const box = panels[0].over.getBoundingClientRect();
        plot.dispatchEvent(new PointerEvent('pointermove', { clientX: box.left + box.width / 2, clientY: box.top + 9, bubbles: true }));
        results.push(tip.hidden);
        const mouse = (type, part) => panels[0].over.dispatchEvent(new MouseEvent(type, { clientX: box.left + box.width * part, clientY: box.top + 50, button: 0, movementX: 5, bubbles: true }));
        mouse('mousemove', 0.2); mouse('mousedown', 0.2); mouse('mousemove', 0.7); mouse('mouseup', 0.7);
        results.push(Math.round(((view.max - view.min) / (full[1] - full[0])) * 10));
        mouse('dblclick', 0.5); results.push(zoomed);
        const heads = document.querySelectorAll('#groups thead button');
        heads[3].click(); results.push(document.querySelector('#groups tbody th').textContent);
        $('search').value = 'web-3'; $('search').dispatchEvent(new Event('input'));
        results.push([...document.querySelectorAll('#groups tbody tr')].filter((row) => !row.hidden).length);
        $('level').value = '2'; $('level').dispatchEvent(new Event('change'));
        results.push([...document.querySelectorAll('#log tr')].filter((row) => !row.hidden).length);
        state.results = results.join('|');
        })();";
    let Some(page) = open(&with_script(&case("average"), script)) else { return };
    assert_eq!(page.state().get("error"), None);
    let results: Vec<_> = page.state()["results"].split('|').map(str::to_owned).collect();
    assert!(results[0].starts_with("2026-03-02 06:00:"), "{results:?}");
    assert!(results[0].contains("usage_user") && results[0].contains("mean"), "{results:?}");
    assert_eq!(
        results[1..],
        ["2", "false", "host=web-1", "1", "series=1", "false", "5", "false", "host=db-2", "1", "1"]
            .map(str::to_owned),
    );
}

#[test]
fn names_stay_text() {
    // Without the policy, which would hide that a name has become a script.
    let html = case("hostile");
    let Some(page) = open(&with_script(
        &html,
        "state.title = document.title.length; state.images = document.images.length; state.scripts = document.scripts.length",
    )) else {
        return;
    };
    let state = page.state();
    assert_eq!(state.get("error"), None);
    assert_eq!((state["images"], state["scripts"]), ("0", "7"));
    assert_eq!(state["title"].parse(), Ok(HOSTILE.encode_utf16().count()));
    assert!(!html.contains("<img") && html.matches("</script>").count() == 6);
}

#[test]
fn the_policy_stops_a_script_that_is_not_of_the_page() {
    let html = case("average").replace("</body>", "<script>state.owned = 'yes'</script></body>");
    let Some(page) = open(&html) else { return };
    assert_eq!(page.state().get("owned"), None);
    assert_eq!(page.state().get("error"), Some(&"policy: script-src-elem"));
}

#[test]
fn pages_are_small() {
    for (name, most) in [("nothing", 120_000), ("average", 900_000), ("groups", 1_500_000)] {
        let size = case(name).len();
        assert!(size < most, "{name}: {size} bytes");
    }
}

#[test]
fn a_page_names_no_other_file() {
    let html = case("average");
    for name in
        ["src=", "href=", "@import", "url(", "fetch(", "XMLHttpRequest", "WebSocket", "sendBeacon", "import("]
    {
        assert!(!html.contains(name), "{name}");
    }
    assert!(html.contains("default-src 'none'") && html.contains("The MIT License"));
}
