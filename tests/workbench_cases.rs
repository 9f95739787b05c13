//! `test`: cases of plugins, and their proofs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::support::{self, BINARY};

/// A folder of a plugin with cases.
struct Project(TempDir);

impl Project {
    /// The plugin lies where Cargo puts it.
    fn of(plugin: &str) -> Self {
        let project = Self(TempDir::with_prefix("kw-").unwrap());
        let folder = project.path("target/wasm32-unknown-unknown/release");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{plugin}.wasm")), support::wasm(plugin)).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Adds a case; files that are empty are left out.
    fn case(self, name: &str, case: &str, input: &str, expected: Option<&str>) -> Self {
        let folder = self.path("cases").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("case.toml"), case).unwrap();
        fs::write(folder.join("input.lp"), input).unwrap();
        if let Some(expected) = expected {
            fs::write(folder.join("expected.lp"), expected).unwrap();
        }
        self
    }

    /// Exit code, and what is printed.
    fn test(&self, args: &[&str]) -> (i32, String) {
        let output = Command::new(BINARY)
            .arg("test")
            .arg(self.0.path())
            .args(args)
            .env_remove("KAPACITOR_WASM_CONFIG")
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(text).unwrap())
    }
}

const MEAN: &str = "call = \"@moving_avg().field('x').size(2).as('mean')\"\ngroup-by = [\"host\"]\n";

/// Points of two hosts in turn.
fn input(count: usize) -> String {
    (0..count).map(|i| format!("cpu,host={} x={i} {i}\n", ["a", "b"][i % 2])).collect::<Vec<_>>().concat()
}

#[test]
fn cases_pass_with_both_proofs() {
    let expected = "cpu,host=b mean=1,x=1 1\ncpu,host=a mean=0,x=0 0\ncpu,host=a mean=1,x=2 2\ncpu,host=b mean=2,x=3 3\n";
    let long = input(500);
    let project = Project::of("moving_avg")
        .case("means", MEAN, &input(4), Some(expected))
        .case("long", MEAN, &long, None)
        .case(
            "options",
            "call = \"@moving_avg().fild('x')\"\nerror = \"no option `fild`\"\n",
            &input(1),
            None,
        )
        .case(
            "skips",
            &format!("{MEAN}skipped = 1\nlog = [\"no field .x.\"]\n"),
            "cpu,host=a y=1 1\ncpu,host=a x=1 2\n",
            Some("cpu,host=a mean=1,x=1 2\n"),
        );
    let (code, text) = project.test(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("ok     long (500 points out; interrupted 99 times; recovered from "), "{text}");
    assert!(text.contains("ok     means (4 points out; interrupted 3 times; recovered from "), "{text}");
    assert!(text.ends_with("4 passed, 0 failed\n"), "{text}");
    let (code, text) = project.test(&["--filter", "mea"]);
    assert!(code == 0 && text.ends_with("1 passed, 0 failed\n"), "{text}");
}

#[test]
fn differences_are_readable_and_can_become_what_is_expected() {
    let expected = "cpu,host=a mean=7,x=0 0\ncpu,host=a mean=1,x=4 4\n";
    let project = Project::of("moving_avg").case("means", MEAN, &input(3), Some(expected));
    let (code, text) = project.test(&["--junit", project.path("junit.xml").to_str().unwrap()]);
    assert_eq!(code, 1, "{text}");
    for line in [
        "FAILED means",
        "cpu,host=a at 1970-01-01T00:00:00Z: field `mean` is 0.0, expected 7.0",
        "unexpected: cpu,host=a mean=1.0,x=2.0 2",
        "missing: cpu,host=a mean=1.0,x=4.0 4",
        "unexpected: cpu,host=b mean=1.0,x=1.0 1",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    let junit = fs::read_to_string(project.path("junit.xml")).unwrap();
    assert!(junit.contains("failures=\"1\"") && junit.contains("expected 7.0"), "{junit}");
    assert_eq!(project.test(&["--update"]).0, 0);
    let (code, text) = project.test(&[]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn state_that_is_not_in_the_snapshot_is_found() {
    let case = "call = \"@forgetful()\"\ngroup-by = [\"host\"]\n";
    let project = Project::of("forgetful").case("counts", case, &input(20), None);
    let (code, text) = project.test(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("some of its state is not in the snapshot"), "{text}");
    assert!(text.contains("interrupted: FAILED; recovered from "), "{text}");
    assert!(text.contains("field `all` is 1i, expected 2i"), "{text}");
    // Who knows that can turn the proof off.
    let case = format!("{case}[proofs]\ninterrupted = false\n");
    let project = Project::of("forgetful").case("counts", &case, &input(20), None);
    assert_eq!(project.test(&[]).0, 0);
}

#[test]
fn batches_are_interrupted_and_fail_as_a_whole() {
    let case =
        "call = \"@batch_sums()\"\ngroup-by = [\"host\"]\nwindow = \"1u\"\nevery = \"1u\"\nalign = true\n";
    let input: Vec<_> = (0..300).map(|i| format!("x,host={} value={i} {}\n", i % 2, i * 200)).collect();
    let input = input.concat();
    let project = Project::of("batch_sums").case("sums", case, &input, None);
    let (code, text) = project.test(&[]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("interrupted ") && text.contains("recovered from "), "{text}");
}

#[test]
fn plugins_that_fail_by_themselves_recover_too() {
    let lines: Vec<_> =
        (0..60).map(|i| format!("x value={i}{} {i}\n", if i % 7 == 3 { ",panic=9i" } else { "" })).collect();
    let lines = lines.concat();
    let case = "call = \"@fragile()\"\nskipped = 9\n";
    let project = Project::of("fragile").case("sums", case, &lines, None);
    let (code, text) = project.test(&[]);
    assert_eq!(code, 0, "{text}");
}

#[test]
fn snapshots_that_fail_are_told() {
    let input = "x v=1 1\nx v=1 2\nx v=1 3\n";
    for (plugin, problem) in [
        ("trap_in_snapshot", "no snapshot can be taken: "),
        ("trap_in_restore", "the snapshot was refused: "),
    ] {
        let project = Project::of(plugin).case("state", "call = \"@state()\"\n", input, None);
        let (code, text) = project.test(&[]);
        assert_eq!(code, 1, "{plugin}: {text}");
        assert!(text.contains(&format!("interrupted: {problem}")), "{plugin}: {text}");
    }
}

#[test]
fn failure_at_the_end_of_the_input_fails_the_case() {
    let project = Project::of("trap_in_finish").case("end", "call = \"@trap()\"\n", "x v=1 1\n", None);
    let (code, text) = project.test(&[]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("the plugin fails at the end of its input"), "{text}");
}

#[test]
fn cases_that_can_not_be_read_are_told_by_file() {
    let told = |project: &Project, sentence: &str| {
        let (code, text) = project.test(&[]);
        assert_eq!(code, 2, "{text}");
        assert!(text.contains(sentence), "{text}");
    };
    told(&Project::of("moving_avg"), "the folder of cases can't be read");
    told(
        &Project::of("moving_avg").case("a", "cal = 1\n", "x v=1 1\n", None),
        "case.toml: line 1: unknown field `cal`",
    );
    told(&Project::of("moving_avg").case("a", MEAN, "nonsense\n", None), "of no known format");
    told(
        &Project::of("moving_avg").case("a", &format!("{MEAN}log = [\"(\"]"), "x v=1 1\n", None),
        "no regular expression",
    );
    let project = Project::of("moving_avg").case("a", MEAN, "x v=1 1\n", None);
    let (code, text) = project.test(&["--filter", "b"]);
    assert!(code == 2 && text.contains("no case has `b` in its name"), "{text}");
    let empty = TempDir::with_prefix("kw-").unwrap();
    let output = Command::new(BINARY).arg("test").arg(empty.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no .wasm file was built there"));
}

#[test]
fn cases_of_the_shipped_plugins_pass() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("plugins");
    let mut failed = Vec::new();
    for entry in fs::read_dir(&plugins).unwrap().flatten().filter(|entry| entry.path().is_dir()) {
        let output = Command::new(BINARY)
            .arg("test")
            .arg(entry.path())
            .arg("--plugin")
            .arg(entry.path().with_extension("wasm"))
            .output()
            .unwrap();
        if !output.status.success() {
            let text = [output.stdout, output.stderr].concat();
            failed.push(format!("{}: {}", entry.file_name().display(), String::from_utf8_lossy(&text)));
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
