//! The pages in a real Chromium.

use kapacitor_wasm::protocol::RequestMessage;
use kapacitor_wasm::protocol::client::Client;
use serde_json::json;

use super::host_at_port;
use crate::support::browser::Browser;
use crate::support::{Host, mean, moving_avg, point};

/// What somebody names a task who wants a script to run.
const HOSTILE: &str =
    "\"'></a><script>window.owned=1</script><img src=x onerror=window.owned=1>&amp;\u{202e}/../%00";

/// The rows of the table of tasks: the name of each.
const TASKS: &str = "[...document.querySelectorAll('.tasks tbody th a')].map((link) => link.textContent)";

fn start(host: &Host, function: &str, task: &str) -> Client {
    let mut client = host.connect(function);
    let options = if function == "moving_avg" { moving_avg(2) } else { Vec::new() };
    assert!(client.init(task, options).unwrap().success);
    client
}

/// Has the task fail at a point, which it skips.
fn fail(client: &mut Client) {
    let mut bad = point("<b>\"'", 7, 1.5);
    bad.fields_int.insert("fail".to_owned(), 1);
    client.send(RequestMessage::Point(bad)).unwrap();
}

#[test]
fn page_shows_a_task_and_stays_fresh() {
    let (host, address) = host_at_port(&["moving_avg"]);
    let Some(mut browser) = Browser::start() else { return };
    browser.open(&format!("http://{address}/"));
    assert_eq!(browser.value("document.title"), "Status · kapacitor-wasm");
    assert_eq!(browser.value(TASKS), json!([]));
    let mut client = start(&host, "moving_avg", "cpu_alert");
    mean(&mut client, 5.0);
    browser.wait_for(&format!("JSON.stringify({TASKS}) === '[\"cpu_alert / udf2\"]'"));
    browser.wait_for("document.querySelectorAll('.tasks .spark polyline').length === 2");
    assert_eq!(browser.value("document.querySelector('.tasks .state').textContent.trim()"), "● runs");
    // The element that has the keyboard is another one in the next page, and keeps it.
    let focus = "(() => { window.old = document.querySelector('.tasks tbody th a'); window.old.focus(); return true; })()";
    browser.value(focus);
    mean(&mut client, 7.0);
    browser.wait_for("!document.contains(window.old)");
    assert_eq!(browser.value("document.activeElement.textContent"), "cpu_alert / udf2");
    browser.follow(".tasks tbody th a");
    assert_eq!(browser.value("document.querySelector('h1').textContent"), "cpu_alert / udf2");
    browser.wait_for("document.querySelector('#task-counts dd').textContent === '2'");
    mean(&mut client, 9.0);
    browser.wait_for("document.querySelector('#task-counts dd').textContent === '3'");
    // It stands still while it is paused, and says when nobody answers.
    browser.value("document.getElementById('pause').click()");
    assert_eq!(browser.value("document.getElementById('pause').getAttribute('aria-pressed')"), "true");
    browser.value("document.getElementById('pause').click()");
    drop(client);
    browser.wait_for("document.querySelector('.lead .state').textContent.includes('ended')");
    assert_eq!(browser.reports, Vec::<String>::new());
    drop(host);
    browser.wait_for("document.getElementById('refresh').textContent === 'The host does not answer.'");
}

#[test]
fn tasks_are_sorted_filtered_and_shown_without_scripts() {
    let (host, address) = host_at_port(&["mirror", "moving_avg"]);
    let Some(mut browser) = Browser::start() else { return };
    let _clients: Vec<_> = [("mirror", "b & c"), ("moving_avg", "a"), ("mirror", "d")]
        .map(|(function, task)| start(&host, function, task))
        .into();
    browser.run_scripts(false);
    browser.open(&format!("http://{address}/"));
    assert_eq!(browser.value(TASKS), json!(["a / udf2", "b & c / udf2", "d / udf2"]));
    assert!(
        browser.value("document.querySelector('noscript').innerText").as_str().unwrap().contains("Reload")
    );
    // The heading sorts by its column, and then the other way round.
    let sorted = "document.querySelector('.tasks th[aria-sort]').ariaSort";
    assert_eq!(browser.value(sorted), "ascending");
    browser.ask(
        "Runtime.evaluate",
        json!({"expression": "location.href = document.querySelector('.tasks th[aria-sort] a').href"}),
    );
    browser.wait_for_load();
    assert_eq!(browser.value(TASKS), json!(["d / udf2", "b & c / udf2", "a / udf2"]));
    assert_eq!(browser.value(sorted), "descending");
    // The form keeps the order.
    let send =
        "document.getElementById('filter').value = 'MIRROR'; document.querySelector('form.filter').submit()";
    browser.ask("Runtime.evaluate", json!({"expression": send}));
    browser.wait_for_load();
    assert_eq!(browser.value(TASKS), json!(["d / udf2", "b & c / udf2"]));
    assert_eq!(browser.value("document.getElementById('filter').value"), "MIRROR");
    browser.follow(".tasks tbody tr:nth-child(2) th a");
    assert_eq!(browser.value("document.querySelector('h1').textContent"), "b & c / udf2");
    browser.follow(".lead a");
    assert_eq!(browser.value("document.querySelector(':target th').textContent"), "mirror");
    browser.open(&format!("http://{address}/?size=2&page=2"));
    assert_eq!(browser.value(TASKS), json!(["d / udf2"]));
    browser.follow(".pages [rel=prev]");
    assert_eq!(browser.value(TASKS), json!(["a / udf2", "b & c / udf2"]));
    assert_eq!(browser.reports, Vec::<String>::new());
}

#[test]
fn hostile_names_and_errors_run_no_script() {
    let (host, address) = host_at_port(&["fragile"]);
    let Some(mut browser) = Browser::start() else { return };
    let mut client = start(&host, "fragile", HOSTILE);
    fail(&mut client);
    // A plugin can be named like this, too, and a task that can't start.
    std::fs::write(host.setup.plugin("\"><script>window.owned=1<"), "no wasm").unwrap();
    host.wait_for_log(&["window.owned", "lvl=error"]);
    assert!(!host.connect("fragile").init(HOSTILE, moving_avg(2)).unwrap().success);
    browser.open(&format!("http://{address}/"));
    browser.wait_for("document.querySelector('.tasks .error').textContent.includes('ago')");
    let shown = HOSTILE.replace('\u{202e}', "\\u{202e}");
    assert_eq!(browser.value(TASKS), json!([format!("{shown} / udf2")]));
    assert!(
        browser
            .value("document.getElementById('plugins').parentElement.innerText")
            .as_str()
            .unwrap()
            .contains("window.owned")
    );
    browser.follow(".tasks tbody th a");
    assert_eq!(browser.value("document.querySelector('h1').textContent"), format!("{shown} / udf2"));
    assert!(
        browser
            .value("document.querySelector('#task-trouble').innerText")
            .as_str()
            .unwrap()
            .contains("host=<b>\"'")
    );
    // What is in the address is shown as text, too.
    let address = format!("http://{address}/task?task=%22%3E%3Cscript%3Ewindow.owned=1%3C/script%3E");
    browser.open(&address);
    assert!(browser.value("document.body.innerText").as_str().unwrap().contains("window.owned"));
    assert_eq!(browser.value("String(window.owned)"), "undefined");
    assert_eq!(browser.value("document.querySelectorAll('main script, main img').length"), 0);
    // A script that got into the page all the same would be refused.
    let inject = "(() => { const script = document.createElement('script'); script.textContent = 'window.owned = 1'; \
                  document.body.append(script); return String(window.owned); })()";
    assert_eq!(browser.value(inject), "undefined");
    let refused = browser.reports.iter().any(|report| report.contains("Content Security Policy"));
    assert!(refused, "{:?}", browser.reports);
}

#[test]
fn pages_can_be_used_by_everybody() {
    let (host, address) = host_at_port(&["fragile", "moving_avg"]);
    let Some(mut browser) = Browser::start() else { return };
    let mut client = start(&host, "fragile", "failing");
    fail(&mut client);
    let _other = start(&host, "moving_avg", "fine");
    std::fs::write(host.setup.plugin("broken"), "no wasm").unwrap();
    host.wait_for_log(&["broken", "lvl=error"]);
    assert!(!host.connect("fragile").init("refused", moving_avg(2)).unwrap().success);
    host.connect("moving_avg").info().unwrap();
    host.setup.add("mirror", "moving_avg");
    browser.open(&format!("http://{address}/"));
    browser.wait_for("document.querySelector('#attention').innerText.includes('told something else')");
    browser.wait_for("document.querySelectorAll('.tasks .spark polyline').length === 4");
    for path in ["/", "/task?function=fragile&task=failing&node=udf2", "/task?task=nothing"] {
        for width in [1400, 360] {
            for colours in ["light", "dark"] {
                browser.look(width, colours);
                browser.open(&format!("http://{address}{path}"));
                let Some(violations) = browser.accessibility() else { return };
                assert_eq!(violations, Vec::<String>::new(), "{path} {width} {colours}");
                // Only tables are wider than the window, and they are scrolled by themselves.
                let wide = browser.value("document.documentElement.scrollWidth");
                assert!(wide.as_u64().unwrap() <= u64::from(width), "{path}: {wide} in {width}");
            }
        }
    }
    // The first stop of the keyboard leads over the top of the page.
    browser.open(&format!("http://{address}/"));
    browser.press("Tab", 9);
    assert_eq!(browser.value("document.activeElement.className"), "skip");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.value(outline), "solid");
}
