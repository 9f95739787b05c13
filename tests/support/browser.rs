//! Chromium without a window, spoken to over a pipe in the DevTools protocol.

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::go::Missing;
use super::skip::or_skip;

/// Set to `1`, a machine without Chromium or without axe-core fails the tests that need them.
const REQUIRE: &str = "KAPACITOR_WASM_REQUIRE_BROWSER";

/// Moves the pipes to the descriptors that Chromium reads commands from and writes answers to.
const PIPES: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null";

/// What axe-core is asked for: the rules of WCAG 2.2, levels A and AA, and its best practices.
const AXE_RUN: &str = "axe.run(document, {resultTypes: ['violations']}).then((found) => found.violations.map((violation) => \
                       violation.id + ': ' + violation.help + ' ' + violation.nodes.map((node) => node.html).join(' ')))";

/// Chromium with one page.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: String,
    next: u64,
    /// What the page has reported: violations of its policy, errors of scripts, files that were not found.
    pub reports: Vec<String>,
    _profile: TempDir,
}

impl Browser {
    /// Starts it, or says why the calling test is skipped.
    #[track_caller]
    pub fn start() -> Option<Self> {
        let chromium = or_skip(&CHROMIUM, REQUIRE)?;
        let profile = tempfile::Builder::new().prefix("kw-browser-").tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", PIPES, "sh"])
            .arg(chromium)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (to, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser =
            Self { child, to, from, session: String::new(), next: 0, reports: Vec::new(), _profile: profile };
        let target = browser.ask("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            browser.ask("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        browser.session = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.ask(domain, json!({}));
        }
        Some(browser)
    }

    /// Asks for `method`, and waits for the answer.
    #[track_caller]
    pub fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut request = json!({"id": id, "method": method, "params": params});
        if !self.session.is_empty() {
            request["sessionId"] = json!(self.session);
        }
        self.to.write_all(format!("{request}\0").as_bytes()).unwrap();
        loop {
            let message = self.read();
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {message}");
                return message["result"].clone();
            }
        }
    }

    /// The next message; one that reports something wrong is kept, too.
    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        self.from.read_until(0, &mut message).unwrap();
        assert_eq!(message.pop(), Some(0), "Chromium has ended");
        let message: Value = serde_json::from_slice(&message).unwrap();
        let report = match message["method"].as_str() {
            Some("Log.entryAdded") => &message["params"]["entry"]["text"],
            Some("Runtime.exceptionThrown") => &message["params"]["exceptionDetails"],
            _ => &Value::Null,
        };
        if !report.is_null() {
            self.reports.push(report.to_string());
        }
        message
    }

    /// Opens `address`, and waits until the page is there with all of its files.
    #[track_caller]
    pub fn open(&mut self, address: &str) {
        let opened = self.ask("Page.navigate", json!({"url": address}));
        assert!(opened["errorText"].is_null(), "{opened}");
        self.wait_for_load();
    }

    /// Waits until the page that is being opened is there.
    pub fn wait_for_load(&mut self) {
        while self.read()["method"] != "Page.loadEventFired" {}
    }

    /// The value of a JavaScript expression in the page. It is not subject to the policy of the page.
    #[track_caller]
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        let result = self.ask("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {result}");
        result["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    #[track_caller]
    pub fn wait_for(&mut self, expression: &str) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.value(expression) != json!(true) {
            assert!(
                Instant::now() < deadline,
                "never true: {expression}\n{}",
                self.value("document.body.innerText")
            );
        }
    }

    /// Clicks the first element that `selector` finds, and waits for the page that this opens.
    #[track_caller]
    pub fn follow(&mut self, selector: &str) {
        self.value(&format!("document.querySelector({}).click()", json!(selector)));
        self.wait_for_load();
    }

    /// Turns the scripts of pages on or off.
    pub fn run_scripts(&mut self, on: bool) {
        self.ask("Emulation.setScriptExecutionDisabled", json!({"value": !on}));
    }

    /// Has pages be drawn in a window of this width, in light or dark colours.
    pub fn look(&mut self, width: u32, colours: &str) {
        let size = json!({"width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false});
        self.ask("Emulation.setDeviceMetricsOverride", size);
        let feature = json!({"name": "prefers-color-scheme", "value": colours});
        self.ask("Emulation.setEmulatedMedia", json!({"features": [feature]}));
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.ask("Input.dispatchKeyEvent", params);
        }
    }

    /// What axe-core finds wrong in the page, or `None` if it can't be had.
    #[track_caller]
    pub fn accessibility(&mut self) -> Option<Vec<String>> {
        let axe = or_skip(&AXE, REQUIRE)?;
        self.value(axe);
        let violations = self.value(AXE_RUN);
        Some(violations.as_array().unwrap().iter().map(ToString::to_string).collect())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

static CHROMIUM: LazyLock<Result<PathBuf, Missing>> = LazyLock::new(|| {
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).flat_map(|folder| names.map(|name| folder.join(name)));
    found.into_iter().find(|file| file.is_file()).ok_or_else(|| {
        Missing::Skip("there is no `chromium` in PATH (Debian: apt-get install chromium)".to_owned())
    })
});

/// The script of axe-core, which npm gets as `tests/axe/package-lock.json` says.
static AXE: LazyLock<Result<String, Missing>> = LazyLock::new(|| {
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/axe");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("axe");
    let script = folder.join("node_modules/axe-core/axe.min.js");
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|e| Missing::Fail(format!("{}: {e}", path.display())));
    let lock = read(&module.join("package-lock.json"))?;
    if fs::read_to_string(folder.join("package-lock.json")).is_ok_and(|had| had == lock) && script.is_file() {
        return read(&script);
    }
    fs::create_dir_all(&folder).map_err(|e| Missing::Fail(e.to_string()))?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(module.join(file), folder.join(file)).map_err(|e| Missing::Fail(e.to_string()))?;
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output();
    match npm {
        Ok(output) if output.status.success() => read(&script),
        Ok(output) => {
            // What was copied must not pass for what was installed.
            let _ = fs::remove_file(folder.join("package-lock.json"));
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(Missing::Skip(format!("npm does not get axe-core, which judges the pages: {said}")))
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            Err(Missing::Skip("npm is not installed, which gets axe-core".to_owned()))
        }
        Err(e) => Err(Missing::Fail(format!("npm can't be run: {e}"))),
    }
});
