//! The chart for documents.

use crate::browser::open;
use crate::cases::ALL;

fn svg(name: &str) -> String {
    let case = ALL.iter().find(|case| case.name == name).expect("a case");
    let (report, recorder) = (case.make)();
    let mut svg = Vec::new();
    report.write_svg(&recorder, &mut svg).expect("a vector takes all");
    String::from_utf8(svg).expect("the picture is UTF-8")
}

#[test]
fn each_group_has_a_panel() {
    let average = svg("average");
    assert_eq!(average.matches(r#"class="group""#).count(), 6);
    assert_eq!(average.matches(r#"<path class="input""#).count(), 6);
    assert_eq!(average.matches(r#"<path class="a0""#).count(), 6);
    assert_eq!(average.matches(r#"<rect class="skipped""#).count(), 12);
    // One more is in the legend.
    assert_eq!(svg("outliers").matches(r#"<circle class="flagged""#).count(), 48);
    assert!(svg("groups").contains("6 of 1,000 groups"));
    assert!(svg("states").contains(r#"<path class="a1 small""#));
    assert!(!svg("nothing").contains("<path"));
}

#[test]
fn names_stay_text() {
    let hostile = svg("hostile");
    assert!(!hostile.contains("<script") && !hostile.contains("<img") && !hostile.contains('\0'));
}

#[test]
fn pictures_are_xml() {
    // A browser reads XML strictly, and says where it is not.
    let pictures: Vec<_> = ALL.iter().map(|case| svg(case.name)).collect();
    let script = format!(
        "const read = {}.map((one) => new DOMParser().parseFromString(one, 'image/svg+xml'));
        const wrong = read.filter((one) => one.querySelector('parsererror') || one.documentElement.tagName !== 'svg');
        document.documentElement.dataset.wrong = wrong.length + ' of ' + read.length;",
        serde_json::to_string(&pictures).expect("JSON").replace('<', "\\u003c")
    );
    let Some(page) = open(&format!("<!doctype html><html><script>{script}</script></html>")) else { return };
    assert_eq!(page.state().get("wrong"), Some(&"0 of 9"));
}
