//! Chromium without a window.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// What the page looks like after its scripts have run, or `None` if there is no Chromium.
pub fn open(html: &str) -> Option<Page> {
    let Some(chromium) = find() else {
        eprintln!(
            "skipped: there is no `chromium` in PATH, which draws the page (Debian: apt-get install chromium)"
        );
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("report.html");
    std::fs::write(&file, html).expect("the page is written");
    // A browser that hangs fails the test rather than blocking it.
    let output = Command::new("timeout")
        .args(["120", &chromium])
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--window-size=1280,1000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", folder.path().join("profile").display()))
        .arg(format!("file://{}", file.display()))
        .output()
        .expect("chromium runs");
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && !dom.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(Page { dom })
}

fn find() -> Option<String> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let there = |name: &str| folders.iter().any(|folder| Path::new(folder).join(name).is_file());
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find(|name| there(name)).map(str::to_owned)
}

pub struct Page {
    pub dom: String,
}

impl Page {
    /// The attributes `data-*` of the root: what was drawn, and errors.
    pub fn state(&self) -> BTreeMap<&str, &str> {
        let root = self.dom.split_once("<html").expect("a root").1.split_once('>').expect("a tag").0;
        let mut state = BTreeMap::new();
        let mut rest = root;
        while let Some((_, found)) = rest.split_once(" data-") {
            let (name, found) = found.split_once("=\"").expect("a value");
            let (value, found) = found.split_once('"').expect("an end");
            state.insert(name, value);
            rest = found;
        }
        state
    }
}
