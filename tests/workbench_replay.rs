//! `replay`: recordings in all formats, summaries and reports.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::support::{self, BINARY, Setup};

/// A folder with the plugins, and the recording of the demo.
struct Bench(Setup);

/// What a command has printed.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Bench {
    fn new(plugins: &[&str]) -> Self {
        Self(Setup::new("").with(plugins))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        fs::write(self.path(name), text).unwrap();
        self.path(name).display().to_string()
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// `replay` of the plugin.
    fn replay(&self, plugin: &str, args: &[&str]) -> Ran {
        self.replay_from(plugin, args, b"")
    }

    fn replay_from(&self, plugin: &str, args: &[&str], stdin: &[u8]) -> Ran {
        let mut child = Command::new(BINARY)
            .arg("replay")
            .arg(self.0.plugin(plugin))
            .args(args)
            .current_dir(self.0.folder.path())
            .env_remove("KAPACITOR_WASM_CONFIG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin).unwrap();
        let output = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let code = output.status.code().unwrap();
        Ran { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Ran {
    /// The value of a row of the summary.
    fn row(&self, what: &str) -> &str {
        let row = self.stdout.lines().chain(self.stderr.lines()).find_map(|line| line.strip_prefix(what));
        row.unwrap_or_else(|| panic!("{what}: {}{}", self.stdout, self.stderr)).trim()
    }

    #[track_caller]
    fn fails(&self, sentence: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (1, ""));
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.contains(sentence), "{}", self.stderr);
    }
}

const MEAN: &str = "@moving_avg().field('x').size(2).as('mean')";

const LINES: &str = "cpu,host=a x=1 1\ncpu,host=b x=10 2\ncpu,host=a x=2 3\ncpu,host=b x=20 4\n";

const MEANS: &str = "cpu,host=a mean=1.0,x=1.0 1\ncpu,host=b mean=10.0,x=10.0 2\ncpu,host=a mean=1.5,x=2.0 3\ncpu,host=b mean=15.0,x=20.0 4\n";

#[test]
fn points_go_through_the_plugin_by_group() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", LINES);
    let args = ["--call", MEAN, "--group-by", "host", "--input", "cpu.lp", "--output", "-"];
    let ran = bench.replay("moving_avg", &args);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, MEANS), "{}", ran.stderr);
    assert_eq!((ran.row("points in"), ran.row("points out"), ran.row("groups")), ("4", "4", "2"));
    // The same from stdin, with options instead of a call.
    let options = ["--option", "field='x'", "--option", "size=2", "--option", "as='mean'"];
    let args = [&options[..], &["--group-by", "host", "--input", "-", "--output", "-"]].concat();
    assert_eq!(bench.replay_from("moving_avg", &args, LINES.as_bytes()).stdout, MEANS);
}

#[test]
fn script_gives_call_group_and_window() {
    let bench = Bench::new(&["batch_sums", "moving_avg"]);
    bench.write(
        "cpu.lp",
        "cpu,host=a value=1 1\nmem,host=a value=7 2\ncpu,host=a value=2 3\ncpu,host=a value=4 10\n",
    );
    bench.write(
        "cpu.tick",
        "var period = 5u / 1000
        stream
            |from().measurement('cpu').groupBy('host').where(lambda: \"value\" > 0)
            |window().period(period).every(period).align()
            @batch_sums()
            |influxDBOut().database('out')",
    );
    let ran = bench.replay("batch_sums", &["--tick", "cpu.tick", "--input", "cpu.lp", "--output", "-"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "cpu,host=a sum=3.0 5\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("cpu.tick:3: left out"), "{}", ran.stderr);
    assert_eq!(ran.row("points in unfinished windows"), "1");
}

#[test]
fn all_formats_are_read() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.gz", zip(LINES, "gzip"));
    bench.write("s.lp", "cpu,host=a x=1 1\n");
    bench.write("cpu.csv", "time,host,x\n1970-01-01T00:00:01Z,a,1.5\n1970-01-01T00:00:02Z,a,2.5\n");
    bench.write(
        "annotated.csv",
        "#datatype,string,long,dateTime:RFC3339,double,string,string,string\n\
         #group,false,false,false,false,true,true,true\n\
         #default,_result,,,,,,\n\
         ,result,table,_time,_value,_field,_measurement,host\n\
         ,,0,1970-01-01T00:00:01Z,1.5,x,cpu,a\n",
    );
    let play = |file: &str, more: &[&str]| {
        let args = [&["--call", MEAN, "--group-by", "host", "--output", "-", "--input", file], more].concat();
        let ran = bench.replay("moving_avg", &args);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        ran.stdout
    };
    assert_eq!(play("cpu.gz", &[]), MEANS);
    assert_eq!(play("s.lp", &["--precision", "s"]), "cpu,host=a mean=1.0,x=1.0 1000000000\n");
    let csv = play("cpu.csv", &["--csv-tags", "host", "--csv-measurement", "load"]);
    assert_eq!(csv, "load,host=a mean=1.5,x=1.5 1000000000\nload,host=a mean=2.0,x=2.5 2000000000\n");
    assert_eq!(play("annotated.csv", &[]), "cpu,host=a mean=1.5,x=1.5 1000000000\n");
}

/// `text`, packed by a program of the system.
fn zip(text: &str, program: &str) -> Vec<u8> {
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn bad_lines_are_told_with_their_place() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", "cpu x=1 1\nnonsense\ncpu x=2 2\n");
    let args = ["--call", MEAN, "--input", "cpu.lp"];
    let ran = bench.replay("moving_avg", &args);
    assert_eq!((ran.code, ran.row("points in"), ran.row("lines that can't be read")), (0, "2", "1"));
    assert!(ran.stdout.contains("note: skipped: cpu.lp:2: "), "{}", ran.stdout);
    let ran = bench.replay("moving_avg", &[&args[..], &["--on-bad-line", "fail"]].concat());
    ran.fails("cpu.lp:2: ");
}

#[test]
fn what_is_wrong_is_one_sentence() {
    let bench = Bench::new(&["moving_avg", "outliers"]);
    bench.write("cpu.lp", LINES);
    bench.write("empty.lp", "");
    let fails = |plugin, args: &[&str], sentence: &str| bench.replay(plugin, args).fails(sentence);
    let input = ["--input", "cpu.lp"];
    let with = |args: &[&'static str]| [args, &input].concat();
    fails("moving_avg", &with(&["--call", "@moving_avg().fild('x')"]), "there is no option `fild`");
    fails("moving_avg", &with(&["--call", MEAN, "--measurement", "mem"]), "there are: `cpu`");
    fails("moving_avg", &with(&["--call", "@moving_avg(.field('x')"]), "(column 13)");
    fails("moving_avg", &with(&["--option", "size"]), "write NAME=VALUE");
    fails("moving_avg", &with(&["--option", "field=x"]), "--option field=x");
    fails("moving_avg", &with(&["--call", MEAN, "--window", "10m"]), "the plugin takes single points");
    fails("moving_avg", &["--call", MEAN, "--input", "empty.lp"], "empty.lp: ");
    fails("moving_avg", &["--call", MEAN, "--input", "gone.lp"], "gone.lp: ");
    fails(
        "moving_avg",
        &with(&["--call", MEAN, "--html", "no/such/folder.html"]),
        "choose another file with --html",
    );
    fails("outliers", &with(&["--call", "@outliers().field('x')"]), "give --window PERIOD");
    fails("outliers", &with(&["--call", "@outliers().field('x')", "--window", "0s"]), "--window 0s");
    fails("gone", &with(&["--call", MEAN]), "there is no such file");
    fails("moving_avg", &["--call", MEAN, "--input", "-", "--input", "-"], "stdin can be played once only");
    fails("moving_avg", &with(&["--call", MEAN, "--node", "2"]), "--node is for a script");
}

/// A process that is killed at the end of the test.
struct Watching(Child);

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn watched_files_are_played_again_when_they_change() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", LINES);
    let mut watching = Watching(
        Command::new(BINARY)
            .arg("replay")
            .arg(bench.0.plugin("moving_avg"))
            .args(["--call", MEAN, "--input", "cpu.lp", "--watch"])
            .current_dir(bench.0.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut said = BufReader::new(watching.0.stderr.take().unwrap()).lines();
    let mut next = |part: &str| {
        let line = said.next().unwrap().unwrap();
        assert!(line.contains(part), "{line}");
    };
    next("waiting for a change");
    // A mistake is told, and does not end it.
    bench.write("cpu.lp", "");
    next("cpu.lp: ");
    next("waiting for a change");
    bench.write("cpu.lp", "cpu x=1 1\n");
    next("waiting for a change");
    // A plugin that is gone for a while, as a linker makes it, is waited for.
    let plugin = bench.0.plugin("moving_avg");
    fs::rename(&plugin, bench.path("away")).unwrap();
    fs::write(&plugin, support::wasm("mirror")).unwrap();
    next("there is no option");
    next("waiting for a change");
    watching.0.kill().unwrap();
    let mut summaries = String::new();
    watching.0.stdout.take().unwrap().read_to_string(&mut summaries).unwrap();
    let points: Vec<_> =
        summaries.lines().filter_map(|line| line.strip_prefix("points in")).map(str::trim).collect();
    assert_eq!(points, ["4", "1"], "{summaries}");
}

#[test]
fn failure_at_the_end_of_the_input_is_one_of_the_command() {
    let bench = Bench::new(&["trap_in_finish"]);
    bench.write("x.lp", "x v=1 1\n");
    let ran = bench.replay("trap_in_finish", &["--input", "x.lp"]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert!(ran.stdout.contains("note: the plugin failed at the end of its input"), "{}", ran.stdout);
}

#[test]
fn outputs_never_replace_what_is_read() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", LINES);
    std::os::unix::fs::symlink(bench.path("cpu.lp"), bench.path("link.lp")).unwrap();
    let plugin = bench.0.plugin("moving_avg").display().to_string();
    for (flag, file) in [("--output", "cpu.lp"), ("--html", "link.lp"), ("--svg", plugin.as_str())] {
        let ran = bench.replay("moving_avg", &["--call", MEAN, "--input", "cpu.lp", flag, file]);
        ran.fails("which is read: choose another file");
    }
    assert_eq!(bench.read("cpu.lp"), LINES);
    // A device may be both.
    let args = ["--call", MEAN, "--input", "cpu.lp", "--output", "/dev/null", "--html", "/dev/null"];
    assert_eq!(bench.replay("moving_avg", &args).code, 0);
}

#[test]
fn inputs_without_points_are_noted_if_others_have_some() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", LINES);
    bench.write("empty.lp", "# nothing\n");
    let args = ["--call", MEAN, "--input", "empty.lp", "--input", "cpu.lp", "--output", "-"];
    let ran = bench.replay("moving_avg", &args);
    assert_eq!((ran.code, ran.row("points in")), (0, "4"), "{}", ran.stderr);
    assert!(ran.stderr.contains("note: empty.lp: "), "{}", ran.stderr);
}

#[test]
fn nobody_who_reads_is_no_reason_to_panic() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", LINES);
    let run = |stdout: &str, stderr: &str| {
        let open =
            |path: &str| fs::OpenOptions::new().write(true).create(true).truncate(true).open(path).unwrap();
        let status = Command::new(BINARY)
            .arg("replay")
            .arg(bench.0.plugin("moving_avg"))
            .args(["--call", MEAN, "--input", "cpu.lp"])
            .current_dir(bench.0.folder.path())
            .stdout(open(stdout))
            .stderr(open(stderr))
            .status()
            .unwrap();
        status.code()
    };
    let said = bench.path("stderr").display().to_string();
    assert_eq!(run("/dev/full", &said), Some(1));
    assert_eq!(
        bench.read("stderr"),
        "kapacitor-wasm: stdout can't be written: No space left on device (os error 28)\n"
    );
    assert_eq!(run("/dev/full", "/dev/full"), Some(1));
}

#[test]
fn what_is_unusual_is_noted() {
    let bench = Bench::new(&["moving_avg"]);
    bench.write("cpu.lp", "cpu,host=a usage=1 3\ncpu,host=a usage=2i 1\n");
    let call = "@moving_avg().field('usag').size(2)";
    let ran = bench.replay("moving_avg", &["--call", call, "--group-by", "hots", "--input", "cpu.lp"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for note in [
        "no point has the field `usag` of the option `field`, did you mean `usage`?; there are: `usage`",
        "no point has the tag `hots` that points are grouped by",
        "field `usage` is a double in 1 and an int in 1 points",
        "1 points are older than one before them",
        "the plugin sent nothing",
    ] {
        assert!(ran.stdout.contains(&format!("note: {note}")), "{note}\n{}", ran.stdout);
    }
    assert!(ran.row("skipped by the plugin").starts_with("2 (2: "), "{}", ran.stdout);
}

#[test]
fn failures_are_skipped_told_and_marked_in_the_report() {
    let bench = Bench::new(&["fragile"]);
    bench.write("x.lp", "x value=1 1\nx value=1,panic=9i 2\nx value=1 3\nx value=1,fail=1i 4\nx value=1 5\n");
    let args = ["--input", "x.lp", "--output", "out.lp", "--html", "r.html", "--svg", "r.svg"];
    let ran = bench.replay("fragile", &args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((ran.row("points out"), ran.row("recoveries")), ("3", "2"));
    assert!(ran.row("skipped after failures").starts_with("2 ("), "{}", ran.stdout);
    assert!(ran.stdout.contains("log: about to take element 9"), "{}", ran.stdout);
    assert_eq!(bench.read("out.lp"), "x sum=1.0,value=1.0 1\nx sum=2.0,value=1.0 3\nx sum=3.0,value=1.0 5\n");
    let html = bench.read("r.html");
    assert!(html.contains("told to fail") && html.contains("about to take element 9"));
    assert!(bench.read("r.svg").contains("</svg>"));
}

#[test]
fn udf_toml_gives_limits_and_policies() {
    let bench = Bench::new(&["fragile"]);
    bench.write("x.lp", "x value=1 1\nx value=1,fail=1i 2\n");
    let config = bench.write("own.toml", "[policy]\non-trap = \"fail\"\n");
    let ran = bench.replay("fragile", &["--input", "x.lp", "--config", &config]);
    assert_eq!(ran.code, 1);
    assert!(
        ran.stderr.contains("the task has ended: ") && ran.stderr.contains("told to fail"),
        "{}",
        ran.stderr
    );
}

#[test]
fn memory_is_bounded_whatever_the_size_of_the_input() {
    let bench = Bench::new(&["moving_avg"]);
    // Some 60 MB of points, packed.
    let mut lines = String::new();
    for i in 0..1_000_000 {
        lines.push_str(&format!("cpu,host=h{} usage_user={}.5,usage_idle=3 {i}\n", i % 50, i % 97));
    }
    bench.write("big.lp", &lines);
    let ran = Command::new("sh")
        .arg("-c")
        .arg("ulimit -d 400000; exec \"$@\"")
        .args(["sh", BINARY, "replay"])
        .arg(bench.0.plugin("moving_avg"))
        .args(["--call", "@moving_avg().field('usage_user').size(5)", "--group-by", "host"])
        .args(["--input", "big.lp", "--output", "/dev/null", "--html", "r.html"])
        .current_dir(bench.0.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{text}{}", String::from_utf8_lossy(&ran.stderr));
    assert!(text.contains("points out                   1,000,000"), "{text}");
    assert!(fs::metadata(bench.path("r.html")).unwrap().len() < 8 << 20);
}

#[test]
fn page_names_all_flags() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/workbench.md")).unwrap();
    let section = page.split("## `replay`").nth(1).unwrap().split("\n## ").next().unwrap();
    let help = Command::new(BINARY).args(["replay", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags = |text: &str| {
        let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'));
        words
            .filter(|word| word.starts_with("--") && !word.starts_with("---") && word.len() > 2)
            .map(str::to_owned)
            .collect::<std::collections::BTreeSet<_>>()
    };
    let (documented, real) = (flags(section), flags(&help));
    let undocumented: Vec<_> = real.difference(&documented).filter(|flag| *flag != "--help").collect();
    let invented: Vec<_> = documented.difference(&real).collect();
    assert!(undocumented.is_empty() && invented.is_empty(), "{undocumented:?} {invented:?}");
}
