//! `doctor` on installations without a Kapacitor: a healthy one, and each way in which one is broken.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use kapacitor_wasm::internals::{Snapshot, SnapshotHeader, now};
use serde_json::Value;

use crate::support::{BINARY, Host, Setup};

/// The units that are shipped.
const UNITS: [(&str, &str); 3] = [
    ("kapacitor-wasm.service", include_str!("../packaging/kapacitor-wasm.service")),
    ("kapacitor.service", "[Service]\nUser=root\nExecStart=/usr/bin/kapacitord\n"),
    (
        "kapacitor.service.d/kapacitor-wasm.conf",
        include_str!("../packaging/kapacitor.service.d/kapacitor-wasm.conf"),
    ),
];

/// An installation in the folder of a test.
struct Site {
    folder: PathBuf,
    /// There until the host is started.
    setup: Option<Setup>,
    args: Vec<String>,
}

impl Site {
    /// With the kapacitor.conf that `config` prints, and the units that are shipped, made to fit the folder.
    fn new(config: &str) -> Self {
        Self::of(Setup::new(config).with(&["mirror", "moving_avg"]))
    }

    fn of(setup: Setup) -> Self {
        let site = Self { folder: setup.folder.path().to_owned(), setup: Some(setup), args: Vec::new() };
        let (_, stanza, _) = site.command(&["config"]);
        site.write("kapacitor.conf", &stanza);
        for (name, text) in UNITS {
            let (run, state) = (site.path("run"), site.path("state"));
            let text = text
                .replace("ExecStart=/usr/local/bin/kapacitor-wasm", &format!("ExecStart={BINARY}"))
                .replace("User=kapacitor\nGroup=kapacitor\n", "User=root\n")
                .replace("PrivateTmp=yes\n", "")
                .replace(
                    "StateDirectory=kapacitor-wasm\n",
                    &format!("ReadWritePaths={} {}\n", run.display(), state.display()),
                );
            site.write(&format!("units/{name}"), &text);
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Runs a command; returns its exit code, stdout and stderr.
    fn command(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(BINARY);
        command.args(args).arg("--config").arg(self.path("udf.toml")).stdin(Stdio::null());
        let output = command.env_remove("KAPACITOR_URL").output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Replaces a part of a file, which must be there.
    fn edit(&self, name: &str, part: &str, by: &str) {
        let text = fs::read_to_string(self.path(name)).unwrap();
        assert!(text.contains(part), "{part:?} is not in {text}");
        self.write(name, &text.replace(part, by));
    }

    fn with_args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    fn run(&self, more: &[&str]) -> (i32, String) {
        let (conf, units) = (self.path("kapacitor.conf"), self.path("units"));
        let mut args = vec!["doctor", "--kapacitor-conf", conf.to_str().unwrap()];
        args.extend(["--unit-dir", units.to_str().unwrap()]);
        args.extend(self.args.iter().map(String::as_str).chain(more.iter().copied()));
        if !self.args.iter().any(|arg| arg == "--kapacitor-url") {
            // Nobody listens there.
            args.extend(["--kapacitor-url", "http://127.0.0.1:1"]);
        }
        let (code, stdout, stderr) = self.command(&args);
        assert_eq!(stderr, "", "{stdout}");
        (code, stdout)
    }

    /// The findings.
    fn findings(&self) -> Findings {
        let (code, stdout) = self.run(&["--json"]);
        let report: Value = serde_json::from_str(&stdout).unwrap();
        let findings = report["findings"].as_array().unwrap();
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let findings =
            findings.iter().map(|f| ["check", "verdict", "text", "advice"].map(|key| text(f, key)));
        let findings: Vec<[String; 4]> = findings.collect();
        let count = |verdict: &str| findings.iter().filter(|finding| finding[1] == verdict).count();
        assert_eq!(report["problems"], count("problem"), "{stdout}");
        assert_eq!(report["warnings"], count("warning"), "{stdout}");
        assert_eq!(code, i32::from(count("problem") > 0), "{stdout}");
        Findings(findings)
    }

    /// Starts the host, and waits until it has described itself.
    fn serve(&mut self) -> Host {
        let host = self.setup.take().unwrap().serve();
        self.wait_for("\"process\"");
        host
    }

    /// Waits until what the host says of itself has this part.
    fn wait_for(&self, part: &str) {
        let file = self.path("state/running.json");
        let deadline = Instant::now() + Duration::from_secs(60);
        while !fs::read_to_string(&file).is_ok_and(|text| text.contains(part)) {
            assert!(Instant::now() < deadline, "{part}: {:?}", fs::read_to_string(&file));
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// What `doctor` says: check, verdict, text and advice.
struct Findings(Vec<[String; 4]>);

impl Findings {
    /// Asserts that a check says `verdict`, with all `parts` in text and advice.
    #[track_caller]
    fn has(&self, check: &str, verdict: &str, parts: &[&str]) {
        let found = self.0.iter().any(|[c, v, text, advice]| {
            let whole = format!("{text}\n{advice}");
            c == check && v == verdict && parts.iter().all(|part| whole.contains(part))
        });
        assert!(found, "{check} {verdict} {parts:?} is not in {:#?}", self.0);
    }

    /// Asserts that a check finds neither a warning nor a problem.
    #[track_caller]
    fn is_well(&self, check: &str) {
        let of: Vec<_> = self.0.iter().filter(|finding| finding[0] == check).collect();
        assert!(of.iter().any(|finding| finding[1] == "ok"), "{check}: {:#?}", self.0);
        assert!(of.iter().all(|finding| finding[1] == "ok" || finding[1] == "skipped"), "{check}: {of:#?}");
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn healthy_installation_has_no_problem() {
    let mut site = Site::new("").with_args(&["--kapacitor-user", "root"]);
    let _host = site.serve();
    let findings = site.findings();
    for check in
        ["udf.toml", "plugins", "running-host", "host-rights", "socket-rights", "kapacitor-conf", "units"]
    {
        findings.is_well(check);
    }
    for check in ["limits", "disk-space", "clock", "leftovers"] {
        findings.is_well(check);
    }
    findings.has("tasks", "skipped", &["Kapacitor does not answer at http://127.0.0.1:1", "--kapacitor-url"]);
    findings.has("told", "skipped", &["Kapacitor has not asked"]);
    let (code, list) = site.run(&[]);
    assert_eq!(code, 0, "{list}");
    assert!(list.contains("\nok       running-host: process "), "{list}");
    assert!(list.lines().last().unwrap().starts_with("problems: 0, warnings: 0, skipped: "), "{list}");
}

#[test]
fn wrong_udf_toml_is_the_only_problem() {
    let site = Site::new("");
    site.write("udf.toml", "log-levle = \"info\"\n");
    let findings = site.findings();
    findings.has("udf.toml", "problem", &["line 1, column 1: unknown key `log-levle`"]);
    findings.has("udf.toml", "skipped", &["all other checks"]);
    assert_eq!(findings.0.len(), 2);
}

#[test]
fn refused_and_missing_plugins_are_problems() {
    let site = Site::of(Setup::new("[functions.f]\nplugin = \"gone\"\n").with(&["mirror", "no_abi"]));
    let findings = site.findings();
    findings.has("plugins", "problem", &["no_abi.wasm"]);
    findings.has("plugins", "problem", &["function `f`: there is no plugin `gone`", "put gone.wasm into"]);
}

#[test]
fn host_that_does_not_run_or_refused_its_reload_is_a_problem() {
    let mut site = Site::new("");
    site.findings().has("running-host", "problem", &["no host runs", "systemctl start kapacitor-wasm"]);
    let host = site.serve();
    site.write(
        "udf.toml",
        "socket-dir = \"run\"\nstate-dir = \"state\"\nlog-level = \"debug\"\n[limits]\nmemory = \"8MiB\"\n",
    );
    site.findings().has(
        "running-host",
        "warning",
        &["does not have all of udf.toml in force: 1 of its keys", "check --diff"],
    );
    let good = fs::read_to_string(site.path("udf.toml")).unwrap();
    site.write("udf.toml", "[limits]\nmemroy = \"8MiB\"\n");
    host.signal("HUP");
    host.wait_for_log(&["udf.toml is refused"]);
    site.write("udf.toml", &good);
    site.wait_for("memroy");
    site.findings().has(
        "running-host",
        "problem",
        &["refused its last reload", "unknown key `limits.memroy`"],
    );
    // A function that came after the last reload.
    site.write("udf.toml", &format!("{good}[functions.late]\nplugin = \"mirror\"\n"));
    site.findings().has("running-host", "problem", &["function `late` has no socket", "reload the host"]);
}

#[test]
fn users_that_are_kept_out_are_named_with_what_keeps_them_out() {
    let mut site = Site::new("").with_args(&["--kapacitor-user", "nobody"]);
    set_mode(&site.path(""), 0o755);
    let _host = site.serve();
    let findings = site.findings();
    let socket = site.path("run/mirror.sock");
    findings.has(
        "socket-rights",
        "problem",
        &["`nobody` is kept out by", socket.to_str().unwrap(), "socket-group"],
    );
    set_mode(&site.path("run"), 0o700);
    let findings = site.findings();
    let folder =
        format!("kept out by {}, so it can't connect to mirror, moving_avg", site.path("run").display());
    findings.has("socket-rights", "problem", &[&folder]);
    set_mode(&site.path("run"), 0o755);
    for name in ["mirror", "moving_avg"] {
        set_mode(&site.path(&format!("run/{name}.sock")), 0o666);
    }
    site.findings().is_well("socket-rights");
    // A user that this machine does not have.
    site.args = vec!["--kapacitor-user".to_owned(), "no-such-user".to_owned()];
    site.findings().has("socket-rights", "skipped", &["/etc/passwd has no user `no-such-user`"]);
}

#[test]
fn host_that_may_not_use_its_folders_is_a_problem() {
    let site = Site::new("");
    fs::create_dir_all(site.path("state")).unwrap();
    set_mode(&site.path(""), 0o755);
    set_mode(&site.path("state"), 0o700);
    set_mode(&site.path("udf.toml"), 0o600);
    site.edit("units/kapacitor-wasm.service", "User=root", "User=nobody");
    let findings = site.findings();
    findings.has("host-rights", "problem", &["`nobody` can't make files in", "state keeps it out"]);
    findings.has("host-rights", "problem", &["`nobody` can't read", "udf.toml keeps it out"]);
    fs::remove_dir(site.path("state")).unwrap();
    site.write("state", "");
    site.findings().has("host-rights", "problem", &["state-dir: ", "is not a folder"]);
}

#[test]
fn kapacitor_conf_is_compared_with_udf_toml() {
    let site = Site::new("");
    let healthy = fs::read_to_string(site.path("kapacitor.conf")).unwrap();
    let socket = site.path("run/mirror.sock").display().to_string();
    for (part, by, verdict, expected) in [
        (
            "[udf.functions.mirror]",
            "[udf.functions.moving_avg]",
            "problem",
            "[udf.functions.moving_avg] is there twice",
        ),
        ("run/mirror.sock", "other/mirror.sock", "problem", "and the host serves `mirror` at"),
        (
            "[udf.functions.mirror]",
            "[udf.functions.mirror]\nprog = \"/bin/x\"",
            "problem",
            "both `socket` and `prog`",
        ),
        (
            "[udf.functions.mirror]",
            "[udf.functions.empty]\ntimeout = \"1s\"\n[udf.functions.mirror]",
            "problem",
            "neither",
        ),
        ("timeout = \"10s\"", "", "problem", "has no `timeout`"),
        ("timeout = \"10s\"", "timeout = \"1ms\"", "problem", "too short"),
        ("timeout = \"10s\"", "timeout = \"100ms\"", "warning", "no answer for 100ms"),
        ("timeout = \"10s\"", "timeout = \"soon\"", "warning", "no time that is understood"),
        ("mirror", "gone", "problem", "no function of the host has the socket"),
        ("mirror", "gone", "warning", "function `mirror` is not in"),
        ("[udf.functions.mirror]", "[http", "problem", "this is not TOML"),
    ] {
        site.write("kapacitor.conf", &healthy.replace(part, by));
        site.findings().has("kapacitor-conf", verdict, &[expected]);
    }
    site.write(
        "kapacitor.conf",
        &format!("{healthy}[udf.functions.foreign]\nsocket = \"/nowhere/f.sock\"\ntimeout = \"10s\"\n"),
    );
    site.findings().has(
        "kapacitor-conf",
        "warning",
        &["/nowhere/f.sock is no socket of this host, and is not there"],
    );
    site.write("kapacitor.conf", "[http]\nbind-address = \":9092\"\n");
    site.findings().has(
        "kapacitor-conf",
        "problem",
        &["has no [udf.functions.NAME]", "`kapacitor-wasm config`"],
    );
    fs::remove_file(site.path("kapacitor.conf")).unwrap();
    site.findings().has("kapacitor-conf", "skipped", &["kapacitor.conf can't be read", "--kapacitor-conf"]);
    // The same function under another name is fine.
    site.write(
        "kapacitor.conf",
        &format!("{healthy}[udf.functions.alias]\nsocket = {socket:?}\ntimeout = \"10s\"\n"),
    );
    site.findings().is_well("kapacitor-conf");
}

#[test]
fn processes_of_kapacitor_need_a_function_and_rights() {
    let site = Site::new("").with_args(&["--kapacitor-user", "nobody"]);
    set_mode(&site.path(""), 0o755);
    set_mode(&site.path("udf.toml"), 0o600);
    let (_, stanza, _) = site.command(&["config", "--stdio"]);
    site.write("kapacitor.conf", &stanza);
    let findings = site.findings();
    findings.has("kapacitor-conf", "problem", &["`nobody` can't read", "udf.toml keeps it out"]);
    site.write("kapacitor.conf", &stanza.replace("[\"stdio\", \"mirror\"", "[\"stdio\", \"gone\""));
    site.findings().has("kapacitor-conf", "problem", &["there is no function `gone`"]);
    site.write("kapacitor.conf", &stanza.replace(BINARY, "/nowhere/kapacitor-wasm"));
    site.findings().has(
        "kapacitor-conf",
        "problem",
        &["can't start /nowhere/kapacitor-wasm: it is not there"],
    );
}

#[test]
fn units_are_compared_with_udf_toml() {
    let site = Site::new("socket-group = \"daemon\"\n[http]\nlisten = \"127.0.0.1:9275\"\n");
    let unit = "units/kapacitor-wasm.service";
    let healthy = fs::read_to_string(site.path(unit)).unwrap();
    let findings = site.findings();
    findings.has("units", "problem", &["PrivateNetwork=yes", "http.listen"]);
    assert!(findings.0.iter().all(|finding| finding[0] != "http"));
    let state = site.path("state").display().to_string();
    for (part, by, verdict, expected) in [
        ("Type=notify", "Type=simple", "warning", "no Type=notify"),
        ("ExecStart=", "ExecStart=/nowhere", "problem", "which is not there"),
        ("ExecReload=", "#ExecReload=", "warning", "`systemctl reload` does nothing"),
        ("User=root", "User=nobody", "problem", "not in socket-group `daemon`"),
        ("LimitNOFILE=65536", "LimitNOFILE=256", "warning", "256 files"),
        ("LimitNOFILE=65536", "LimitAS=8G", "problem", "LimitAS="),
        ("[Service]", "[Service]\nTimeoutStopSec=20", "warning", "before it has saved the state"),
        ("[Service]", "[Service]\nMemoryDenyWriteExecute=yes", "problem", "machine code"),
        ("[Service]", "[Service]\nPrivateTmp=yes", "problem", "PrivateTmp="),
        (state.as_str(), "/elsewhere", "problem", "state-dir is"),
    ] {
        site.write(unit, &healthy.replace(part, by));
        site.findings().has("units", verdict, &[expected]);
    }
    site.write(unit, &healthy);
    site.edit("units/kapacitor.service.d/kapacitor-wasm.conf", "PartOf=", "#PartOf=");
    site.findings().has("units", "warning", &["has no PartOf=kapacitor-wasm.service"]);

    let (_, socket, _) = site.command(&["config", "--systemd"]);
    site.write(
        "units/kapacitor-wasm.socket",
        &socket.replace("mirror.sock", "old.sock").replace("=daemon", "=other"),
    );
    let findings = site.findings();
    findings.has("units", "warning", &["lacks the sockets", "mirror.sock"]);
    findings.has("units", "warning", &["sockets of no function", "old.sock"]);
    findings.has("units", "warning", &["another SocketGroup="]);
    fs::remove_file(site.path(unit)).unwrap();
    site.findings().has("units", "skipped", &["there is no kapacitor-wasm.service"]);
}

#[test]
fn addresses_that_others_reach_are_said() {
    let site = Site::new(
        "[http]\nlisten = [\"0.0.0.0:9275\", \"127.0.0.1:9276\", \"[::1]:9277\", \"unix:http.sock\"]\n",
    );
    let findings = site.findings();
    findings.has("http", "warning", &["http.listen has 0.0.0.0:9275", "without a password", "a firewall"]);
    assert_eq!(findings.0.iter().filter(|finding| finding[0] == "http").count(), 1);
    let (_, checked, _) = site.command(&["check"]);
    assert!(checked.contains("note: http.listen has 0.0.0.0:9275: everybody"), "{checked}");
    assert!(!checked.contains("9276") && !checked.contains("9277"), "{checked}");
}

#[test]
fn limits_of_the_host_are_said_where_they_are_low() {
    let mut site = Site::of(Setup::new("").with(&["mirror"]).under("ulimit -n 160"));
    let _host = site.serve();
    let findings = site.findings();
    findings.has("limits", "warning", &["80 sandboxes fit", "160 open files"]);
    let site = Site::new("[host]\nsandboxes = 7\n");
    site.findings().has("limits", "warning", &["7 sandboxes fit", "host.sandboxes = 7"]);
}

#[test]
fn what_was_left_behind_is_said() {
    let site = Site::new("");
    fs::create_dir_all(site.path("run")).unwrap();
    drop(UnixListener::bind(site.path("run/old.sock")).unwrap());
    site.write("state/checkpoints/task.udf2-00.snapshot", "not a snapshot");
    site.write("state/set-aside/task.udf2-00-0.snapshot", "nor this");
    let findings = site.findings();
    findings.has("leftovers", "warning", &["1 checkpoints are damaged", "task.udf2-00.snapshot"]);
    findings.has("leftovers", "warning", &["1 states were set aside", "state list"]);
    findings.has("leftovers", "warning", &["sockets of no function", "old.sock"]);
}

#[test]
fn states_that_begin_in_the_future_are_said() {
    let site = Site::new("");
    fs::create_dir(site.path("state")).unwrap();
    site.command(&["state", "drop", "later", "--node", "mirror2", "--function", "mirror"]);
    let files = fs::read_dir(site.path("state/checkpoints")).unwrap().map(|entry| entry.unwrap().path());
    let file = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "snapshot"))
        .last()
        .unwrap();
    let snapshot = Snapshot::parse(&fs::read(&file).unwrap()).unwrap();
    let hour = 3_600_000_000_000;
    let header = SnapshotHeader { started_at: now() + hour, ..snapshot.header.clone() };
    fs::write(&file, snapshot.with_header(&header)).unwrap();
    site.findings().has("clock", "warning", &["later/mirror2", "set it"]);
}

#[test]
fn addresses_that_are_no_kapacitor_are_said() {
    for (url, expected) in [
        ("https://user:secret@localhost:9092", "HTTPS, which is not spoken here"),
        ("localhost:9092", "write http://HOST:PORT"),
    ] {
        let site = Site::new("").with_args(&["--kapacitor-url", url]);
        let findings = site.findings();
        findings.has("versions", "skipped", &[expected]);
        assert!(!findings.0.iter().any(|finding| finding[2].contains("secret")), "{:?}", findings.0);
    }
}
