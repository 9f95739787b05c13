//! The pages, of hosts with hostile names and with many tasks.

mod sample;

use kapacitor_wasm_status::Query;
use kapacitor_wasm_status::page::{self, TaskName};

use sample::{HOSTILE, hostile_status, status};

/// All tags of a page. Their attributes have no `<` or `>`, or it would not be well-formed.
fn tags(html: &str) -> impl Iterator<Item = &str> {
    html.split('<').skip(1).map(|tag| tag.split('>').next().unwrap())
}

/// Asserts that no text has become a tag or an attribute.
#[track_caller]
fn assert_is_inert(html: &str) {
    for tag in tags(html) {
        let name = tag.split([' ', '/']).next().unwrap();
        if name == "script" && !tag.starts_with('/') {
            assert_eq!(tag, "script src=\"/status.js\" defer");
        }
        assert!(name != "img" || tag.starts_with("img src=\"/status.svg\""), "{tag}");
        let names = tag.split('"').step_by(2);
        for part in names {
            assert!(!part.contains("onerror") && !part.contains("style"), "{tag}");
        }
        if let Some((_, address)) = tag.split_once("href=\"") {
            let address = address.split('"').next().unwrap();
            let own =
                ["/", "#main"].iter().any(|start| address.starts_with(start)) && !address.starts_with("//");
            assert!(own, "{tag}");
        }
    }
    assert!(!html.contains("\u{202e}") && !html.contains('\0'));
    assert!(html.contains("&lt;script&gt;document.title"));
}

#[test]
fn hostile_names_stay_text() {
    let query = Query { filter: "x\"><script>alert(1)</script>".to_owned(), ..Query::default() };
    let all = hostile_status(&Query::default());
    assert_is_inert(&page::overview(&all, &Query::default()));
    let name = || HOSTILE.to_owned();
    let known = TaskName { function: name(), task: name(), node: name() };
    let one = hostile_status(&known.query());
    assert_eq!(one.tasks.len(), 1);
    assert_is_inert(&page::task(&one, &one.tasks[0]));
    assert_is_inert(&page::no_such_task(&one, &known));
    assert_is_inert(&page::overview(&hostile_status(&query), &query));
}

#[test]
fn size_of_a_page_is_bounded() {
    let query = Query::default();
    let (few, many) =
        (page::overview(&status(100, &query), &query), page::overview(&status(10_000, &query), &query));
    assert!(many.len() < few.len() + 1024, "{} bytes, and {} with 100 tasks", many.len(), few.len());
    assert!(many.len() < 300 * 1024, "{}", many.len());
    assert!(many.contains("Page 1 of 100"));
    let second = Query { page: Some(2), ..query };
    let html = page::overview(&status(10_000, &second), &second);
    assert!(html.contains("cpu_alert_plant_00100") && !html.contains("cpu_alert_plant_00099"));
    assert!(
        html.contains("href=\"/?page=3#tasks\" rel=\"next\"")
            && html.contains("href=\"/#tasks\" rel=\"prev\"")
    );
}

#[test]
fn headings_sort_and_sort_the_other_way_round() {
    let html = page::overview(&status(5, &Query::default()), &Query::default());
    assert!(html.contains("aria-sort=\"ascending\"><a href=\"/?order=desc#tasks\">Task / node"), "{html}");
    assert!(html.contains("<a href=\"/?sort=cpu#tasks\">CPU"));
    let query = Query::parse("sort=cpu&filter=plant&page=1").unwrap();
    let html = page::overview(&status(5, &query), &query);
    assert!(
        html.contains(
            "aria-sort=\"descending\"><a href=\"/?filter=plant&amp;sort=cpu&amp;order=asc#tasks\">CPU"
        ),
        "{html}"
    );
    assert!(html.contains("name=\"sort\" value=\"cpu\""));
}

#[test]
fn what_needs_a_look_is_told() {
    let query = Query::default();
    let html = page::overview(&status(100, &query), &query);
    assert!(html.contains("Needs a look") && html.contains("of the tasks</a> run without their plugin"));
    assert!(html.contains("restart it to use the plugin as it is now"));
    assert!(html.contains("Tasks that could not start") && html.contains("option `size` is missing"));
    let mut well = status(1, &query);
    well.functions.clear();
    well.refused_starts.clear();
    let html = page::overview(&well, &query);
    assert!(html.contains("no task needs a look") && !html.contains("Needs a look"));
}
