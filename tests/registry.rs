//! Plugins from registries: `push`, `lock`, `pull`, `verify`, and a host that serves what was pulled.

#[path = "../registry/tests/registry/docker_registry.rs"]
mod docker_registry;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use kapacitor_wasm::protocol::client::{Client, text};
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use self::docker_registry::Registry;
use crate::support::{BINARY, Host, Setup, point, receive, wasm};

/// A `[plugins.own_format]` from this registry.
fn plugin(registry: &Registry) -> String {
    format!("[plugins.own_format]\nsource = \"{}\"\n", reference(registry))
}

fn reference(registry: &Registry) -> String {
    format!("oci://{}/plugins/own_format:1", registry.host)
}

/// A folder with this configuration, and with no passwords but those in its folder `docker`.
fn setup(config: &str) -> Setup {
    let setup = Setup::new(config);
    let docker = setup.folder.path().join("docker");
    fs::create_dir(&docker).unwrap();
    setup.env("DOCKER_CONFIG", docker)
}

/// Runs a command that must succeed; returns its stdout.
fn done(setup: &Setup, args: &[&str]) -> String {
    let (code, stdout, stderr) = setup.run(args);
    assert_eq!((code, stderr.as_str()), (0, ""), "{args:?}: {stdout}");
    stdout
}

/// Runs a command that must fail with one sentence on stderr, or a problem of `check`; returns it.
fn refused(setup: &Setup, args: &[&str]) -> String {
    let (code, stdout, stderr) = setup.run(args);
    assert_eq!(code, 1, "{args:?}: {stdout}");
    if stderr.is_empty() { stdout } else { stderr }
}

/// Pushes the plugin `name`; returns its digest.
fn push(setup: &Setup, registry: &Registry, name: &str, flags: &[&str]) -> String {
    let file = setup.folder.path().join(format!("{name}.wasm"));
    fs::write(&file, wasm(name)).unwrap();
    let to = reference(registry);
    let pushed = done(setup, &[&["push", file.to_str().unwrap(), &to][..], flags].concat());
    pushed.trim().strip_prefix(&format!("{to}@")).unwrap().to_owned()
}

/// Starts a task of `own_format` and sends a point; returns the version of the plugin.
fn version(host: &Host) -> i64 {
    let mut client = host.start("own_format", &[text("as", "n")]);
    version_of(&mut client)
}

fn version_of(client: &mut Client) -> i64 {
    client.send(RequestMessage::Point(point("a", 1, 1.0))).unwrap();
    let response = receive(client);
    let Some(ResponseMessage::Point(point)) = response else { panic!("{response:?}") };
    point.fields_int.get("version").copied().unwrap_or(1)
}

/// The files of modules in the store.
fn modules(setup: &Setup) -> Vec<PathBuf> {
    let blobs = fs::read_dir(setup.folder.path().join("state/registry/blobs/sha256")).unwrap();
    let blobs = blobs.map(|entry| entry.unwrap().path());
    blobs.filter(|path| fs::read(path).unwrap().starts_with(b"\0asm")).collect()
}

#[test]
fn pulled_plugin_is_served_without_the_registry() {
    let Some(mut registry) = Registry::open() else { return };
    let setup = setup(&plugin(&registry));
    let digest = push(&setup, &registry, "own_format", &[]);

    // Each step says which one is missing.
    assert!(refused(&setup, &["check"]).contains("is not in the lock file: run `kapacitor-wasm lock`"));
    assert!(refused(&setup, &["pull"]).contains("is not in the lock file: run `kapacitor-wasm lock`"));
    assert_eq!(done(&setup, &["lock"]), format!("own_format: {digest} (new)\n"));
    assert_eq!(done(&setup, &["lock"]), format!("own_format: {digest} (unchanged)\n"));
    assert!(refused(&setup, &["check"]).contains("is not in the store: run `kapacitor-wasm pull`"));
    assert!(refused(&setup, &["verify"]).contains("is not in the store: run `kapacitor-wasm pull`"));
    let size = wasm("own_format").len();
    assert_eq!(done(&setup, &["pull"]), format!("own_format: pulled {digest} ({size} bytes)\n"));
    assert_eq!(done(&setup, &["pull", "own_format"]), format!("own_format: {digest} is there\n"));

    registry.stop();
    assert!(refused(&setup, &["lock"]).contains("can't be reached"));
    assert_eq!(done(&setup, &["pull"]), format!("own_format: {digest} is there\n"));
    assert!(done(&setup, &["verify"]).contains("is right"));
    assert!(done(&setup, &["check"]).contains("own_format"));
    let host = setup.serve();
    assert_eq!(version(&host), 1);
}

#[test]
fn a_new_version_comes_with_the_lock_file_and_a_reload() {
    let Some(registry) = Registry::open() else { return };
    let config = format!("[policy]\non-update = \"migrate\"\n{}", plugin(&registry));
    let setup = setup(&config);
    let first = push(&setup, &registry, "own_format", &[]);
    done(&setup, &["lock"]);
    done(&setup, &["pull"]);
    let host = setup.serve();
    let mut running = host.start("own_format", &[text("as", "n")]);
    assert_eq!(version_of(&mut running), 1);

    // The tag moves, which changes nothing.
    let second = push(&host.setup, &registry, "own_format_2", &[]);
    assert_eq!(done(&host.setup, &["pull"]), format!("own_format: {first} is there\n"));
    assert_eq!(done(&host.setup, &["lock"]), format!("own_format: {second} (was {first})\n"));
    // Locked and not pulled: the old version goes on.
    host.reload(&config, &["the version that was loaded before goes on"]);
    host.wait_for_log(&["plugin from a registry is not there", "run `kapacitor-wasm pull`"]);
    assert_eq!((version(&host), version_of(&mut running)), (1, 1));
    done(&host.setup, &["pull"]);
    host.reload(&config, &["plugin has a new version", "plugin=own_format"]);
    assert_eq!((version(&host), version_of(&mut running)), (2, 2));

    // The old version is not needed any longer.
    assert_eq!(modules(&host.setup).len(), 2);
    done(&host.setup, &["pull", "--prune"]);
    assert_eq!(modules(&host.setup).len(), 1);
    done(&host.setup, &["verify"]);
    assert_eq!(version(&host), 2);
}

#[test]
fn a_wrong_lock_file_changes_nothing() {
    let Some(registry) = Registry::open() else { return };
    let config = plugin(&registry);
    let setup = setup(&config);
    push(&setup, &registry, "own_format", &[]);
    done(&setup, &["lock"]);
    done(&setup, &["pull"]);
    let host = setup.serve();
    let lock = host.setup.folder.path().join("plugins.lock");
    fs::write(&lock, "version = 1\nnonsense\n").unwrap();
    host.reload(&config, &["udf.toml is refused", "is no lock file in line 2"]);
    assert_eq!(version(&host), 1);
    for command in ["lock", "pull", "verify", "check"] {
        assert!(refused(&host.setup, &[command]).contains("is no lock file in line 2"), "{command}");
    }
}

#[test]
fn damaged_plugin_is_not_loaded() {
    let Some(registry) = Registry::open() else { return };
    let setup = setup(&plugin(&registry)).with(&["mirror"]);
    push(&setup, &registry, "own_format", &[]);
    done(&setup, &["lock"]);
    done(&setup, &["pull"]);
    // Another plugin of the same length, as somebody who may write to the store could put there.
    let module = &modules(&setup)[0];
    let mut bytes = fs::read(module).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(module, &bytes).unwrap();
    assert!(refused(&setup, &["verify"]).contains("is damaged: run `kapacitor-wasm pull`"));
    assert!(refused(&setup, &["check"]).contains("does not have the bytes that were pulled"));
    let host = setup.serve();
    host.wait_for_log(&["plugin refused", "does not have the bytes that were pulled"]);
    // It is mended while the host runs.
    done(&host.setup, &["pull"]);
    host.wait_for_log(&["plugin loaded", "plugin=own_format"]);
    assert_eq!(version(&host), 1);
}

#[test]
fn required_signatures_are_checked_at_each_step() {
    let Some(registry) = Registry::open() else { return };
    let config = |key: &str| {
        format!("[registry]\nsignatures = \"required\"\nkeys = [\"{key}.pub\"]\n{}", plugin(&registry))
    };
    let setup = setup(&config("plant"));
    let key = |name: &str| setup.folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["plant", "other"] {
        let output = Command::new(BINARY).args(["new-key", &key(name)]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
    let again = Command::new(BINARY).args(["new-key", &key("plant")]).output().unwrap();
    assert!(String::from_utf8(again.stderr).unwrap().contains("keys are not overwritten"));
    let private = fs::metadata(key("plant.key")).unwrap().permissions().mode();
    assert_eq!(private & 0o777, 0o600);

    push(&setup, &registry, "own_format", &[]);
    assert!(refused(&setup, &["lock"]).contains("has no signature"));
    push(&setup, &registry, "own_format", &["--sign", &key("other.key")]);
    assert!(refused(&setup, &["lock"]).contains("its signatures are of other keys"));
    assert!(!setup.folder.path().join("plugins.lock").exists());
    let digest = push(&setup, &registry, "own_format", &["--sign", &key("plant.key")]);
    assert_eq!(done(&setup, &["lock"]), format!("own_format: {digest} (new)\n"));
    done(&setup, &["pull"]);
    assert!(done(&setup, &["verify"]).contains("signed by"));

    let host = setup.serve();
    assert_eq!(version(&host), 1);
    // Both keys have signed what was pulled.
    host.reload(&config("other"), &["udf.toml read again"]);
    assert!(done(&host.setup, &["verify"]).contains("other.pub"));
    // Without the signatures, nothing is loaded.
    fs::remove_dir_all(host.setup.folder.path().join("state/registry/signatures")).unwrap();
    assert!(refused(&host.setup, &["check"]).contains("the store has no signature"));
    host.reload(&config("plant"), &["plugin from a registry is not there", "the store has no signature"]);
    assert_eq!(version(&host), 1);
    // A key that is none is said.
    host.setup.configure(&config("plant.key"));
    let refusal = refused(&host.setup, &["verify"]);
    assert!(refusal.contains("plant.key.pub can't be read"), "{refusal}");
}

#[test]
fn passwords_come_from_docker_and_are_never_shown() {
    let Some(registry) = Registry::with_passwords() else { return };
    let setup = setup(&plugin(&registry));
    let docker = setup.folder.path().join("docker/config.json");
    // Programs of the helper are found in PATH.
    let tools = registry.file("tools");
    fs::create_dir(&tools).unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let setup = setup.env("PATH", path.into());
    let helper = |script: &str| {
        let file = tools.join("docker-credential-plant");
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o755)).unwrap();
    };
    let file = setup.folder.path().join("own_format.wasm");
    fs::write(&file, wasm("own_format")).unwrap();
    let to = reference(&registry);
    let args = ["push", file.to_str().unwrap(), &to];
    let fails = |expected: &str| {
        let error = refused(&setup, &args);
        assert!(
            error.contains(expected) && !error.contains("horse") && error.lines().count() == 1,
            "{error}"
        );
    };

    fails("lets nobody push without a password: sign in, as with `docker login");
    fs::write(&docker, "{\"auths\": horse}").unwrap();
    fails("is not a configuration of Docker: see line 1");
    fs::write(&docker, "{\"credsStore\": \"../../bin/sh\"}").unwrap();
    fails("has a name that no such program has");
    fs::write(&docker, "{\"credsStore\": \"absent\"}").unwrap();
    fails("`docker-credential-absent` for passwords can't be started");
    fs::write(&docker, format!("{{\"credHelpers\": {{\"{}\": \"plant\"}}}}", registry.host)).unwrap();
    helper("echo horse; exit 1");
    fails("for passwords fails for");
    helper("echo horse");
    fails("does not answer with a name and a password");
    helper("yes horse");
    fails("answers more than a name and a password");
    helper("echo credentials not found in native keychain; exit 1");
    fails("lets nobody push without a password");
    helper("echo '{\"Username\": \"plant\", \"Secret\": \"wrong horse\"}'");
    fails("refuses to let user `plant` push");
    helper(
        "read host; [ \"$1\" = get ] && [ -n \"$host\" ] && echo '{\"Username\": \"plant\", \"Secret\": \"correct horse\"}'",
    );
    assert!(done(&setup, &args).contains("@sha256:"));
    done(&setup, &["lock"]);
    done(&setup, &["pull"]);
    for entry in fs::read_dir(setup.folder.path()).unwrap().map(Result::unwrap) {
        if let Ok(text) = fs::read_to_string(entry.path()) {
            assert!(!text.contains("horse"), "{}", entry.path().display());
        }
    }
}

#[test]
fn a_source_with_a_digest_needs_no_lock_file_and_wins_over_a_file() {
    let Some(registry) = Registry::open() else { return };
    let setup = setup("");
    let digest = push(&setup, &registry, "own_format_2", &[]);
    setup.add("own_format", "own_format");
    setup.configure(&format!(
        "[plugins.own_format]\nsource = \"oci://{}/plugins/own_format@{digest}\"\n",
        registry.host
    ));
    done(&setup, &["pull"]);
    let check = done(&setup, &["check"]);
    assert!(check.contains("own_format.wasm: is not used, since [plugins.own_format]"), "{check}");
    let host = setup.serve();
    assert_eq!(version(&host), 2);
}

#[test]
fn doctor_checks_what_was_pulled() {
    let Some(registry) = Registry::open() else { return };
    let setup = setup(&plugin(&registry));
    push(&setup, &registry, "own_format", &[]);
    done(&setup, &["lock"]);
    let of_check = |check: &str| {
        let (_, json, stderr) = setup.run(&["doctor", "--json", "--kapacitor-user", "root"]);
        let all: serde_json::Value =
            serde_json::from_str(&json).unwrap_or_else(|e| panic!("{e}: {json}{stderr}"));
        let findings = all["findings"].as_array().unwrap().iter().filter(|finding| finding["check"] == check);
        let lines = findings.map(|finding| format!("{} {}", finding["verdict"], finding["text"]));
        lines.collect::<Vec<_>>().join("\n")
    };
    assert!(of_check("registry").contains("is not in the store: run `kapacitor-wasm pull`"));
    done(&setup, &["pull"]);
    let well = of_check("registry");
    assert!(well.contains("\"ok\"") && well.contains("1 plugins come from registries"), "{well}");

    // The host's user can't read what root has pulled.
    let module = modules(&setup).remove(0);
    fs::set_permissions(setup.folder.path(), Permissions::from_mode(0o755)).unwrap();
    let units = setup.folder.path().join("units");
    fs::create_dir(&units).unwrap();
    fs::write(units.join("kapacitor-wasm.service"), "[Service]\nUser=nobody\n").unwrap();
    fs::set_permissions(&module, Permissions::from_mode(0o600)).unwrap();
    let (_, list, _) = setup.run(&["doctor", "--unit-dir", units.to_str().unwrap()]);
    let kept_out = format!("the host's user `nobody` can't read {}", module.display());
    assert!(list.contains(&kept_out), "{list}");

    // One byte is another one; the length is the same.
    let mut bytes = fs::read(&module).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&module, bytes).unwrap();
    let damaged = of_check("registry");
    assert!(damaged.contains("\"problem\"") && damaged.contains("[plugins.own_format]"), "{damaged}");

    // A file that nobody uses.
    fs::create_dir_all(setup.folder.path().join("plugins")).unwrap();
    fs::write(setup.folder.path().join("plugins/own_format.wasm"), wasm("own_format")).unwrap();
    let unused = of_check("plugins");
    assert!(unused.contains("\"warning\"") && unused.contains("is not used"), "{unused}");
}

#[test]
fn names_and_references_are_checked() {
    let setup = setup("").with(&["mirror"]);
    assert!(refused(&setup, &["pull"]).contains("names no plugin from a registry: add [plugins.NAME]"));
    setup.configure("[plugins.a]\nsource = \"oci://127.0.0.1:1/a:1\"\n");
    assert!(refused(&setup, &["lock", "b"]).contains("has no [plugins.b]; there are: a"));
    assert!(refused(&setup, &["lock"]).contains("127.0.0.1:1 can't be reached"));
    let module = setup.plugin("mirror");
    let push = |file: &Path, to: &str| setup.run(&["push", file.to_str().unwrap(), to]);
    let (code, _, error) = push(&module, "localhost:5000/a:1");
    assert_eq!(code, 2);
    assert!(error.contains("does not begin with oci://"), "{error}");
    let (code, _, error) = push(&setup.config(), "oci://127.0.0.1:1/a:1");
    assert_eq!(code, 1);
    assert!(error.contains("it does not begin as a WebAssembly module does"), "{error}");
    let (_, _, error) = push(Path::new("/nonexistent"), "oci://127.0.0.1:1/a:1");
    assert!(error.contains("can't be read"), "{error}");
}
