//! The lines of the log, against the tables in `docs/logs.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use kapacitor_wasm::protocol::RequestMessage;

use crate::support::{ROOT, Setup, moving_avg, play, point};

/// The tables.
const TABLES: &str = include_str!("../docs/logs.md");

/// The keys that `log_for!` adds.
const LABELS: [&str; 4] = ["function", "task", "node", "plugin"];

/// Levels and keys of a line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Described {
    levels: BTreeSet<String>,
    keys: BTreeSet<String>,
}

type Lines = BTreeMap<String, Described>;

/// Adds what one place says of a line.
fn add(lines: &mut Lines, text: String, level: &str, keys: impl IntoIterator<Item = String>) {
    let line = lines.entry(text).or_default();
    line.levels.insert(level.to_owned());
    line.keys.extend(keys);
}

/// The rows of the tables.
fn documented() -> Lines {
    let mut lines = Lines::new();
    for row in TABLES.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| lvl")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [levels, text, keys, meaning] = cells[..] else { panic!("{row}") };
        assert!(!meaning.is_empty(), "{row}");
        assert!(!lines.contains_key(text), "this line is there twice: {row}");
        let keys = keys.split(", ").filter(|key| !key.is_empty());
        let keys: Vec<String> = keys
            .flat_map(|key| match key {
                "*task*" => LABELS.map(str::to_owned).to_vec(),
                key => vec![key.trim_matches('`').to_owned()],
            })
            .collect();
        for level in levels.split(", ") {
            add(&mut lines, text.to_owned(), level, keys.iter().cloned());
        }
    }
    lines
}

fn sources(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The arguments of a macro, whose text begins behind its opening parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut arguments, mut current, mut depth) = (Vec::new(), String::new(), 1);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                current.push(c);
                while let Some(c) = characters.next() {
                    current.push(c);
                    match c {
                        '\\' => current.extend(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                continue;
            }
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 1 => {
                arguments.push(std::mem::take(&mut current).trim().to_owned());
                continue;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
        current.push(c);
    }
    arguments.push(current.trim().to_owned());
    arguments.retain(|argument| !argument.is_empty());
    arguments
}

/// The lines that the sources of the host write.
fn written() -> Lines {
    let (mut lines, mut files) = (Lines::new(), Vec::new());
    sources(&Path::new(ROOT).join("host"), &mut files);
    let call = regex::Regex::new(r"(?m)^\s*[^/\n]*?\b(log_for|error|warn|info|debug)!\(").unwrap();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for found in call.captures_iter(code) {
            let mut arguments = arguments(&code[found.get(0).unwrap().end()..]);
            let mut level = found[1].to_owned();
            let mut keys = Vec::new();
            if level == "log_for" {
                level = arguments.remove(0);
                arguments.remove(0);
                keys.extend(LABELS.map(str::to_owned));
            }
            let text = arguments.pop().unwrap();
            let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
            let text =
                text.unwrap_or_else(|| panic!("{}: a line without a text: {:?}", file.display(), &found[0]));
            let text = text.replace("\\\"", "\"");
            assert!(!text.contains('{'), "{}: the text varies, move that to a key: {text}", file.display());
            keys.extend(arguments.iter().map(|argument| argument.split(" =").next().unwrap().to_owned()));
            add(&mut lines, text, &level, keys);
        }
    }
    lines
}

#[test]
fn each_line_of_the_sources_is_in_the_tables() {
    let (documented, written) = (documented(), written());
    assert!(written.len() > 100, "{}", written.len());
    for (text, line) in &written {
        let row = documented.get(text).unwrap_or_else(|| panic!("not in docs/logs.md: {text}: {line:?}"));
        assert_eq!(row, line, "{text}");
    }
    for text in documented.keys() {
        assert!(written.contains_key(text), "no line of the host: {text}");
    }
}

/// Level, text and keys of a line.
fn parse(line: &str) -> (String, String, Vec<String>) {
    let pair = regex::Regex::new(r#"([a-z_0-9]+)=("(?:[^"\\]|\\.)*"|[^ ]*)"#).unwrap();
    let mut pairs = pair.captures_iter(line).map(|found| (found[1].to_owned(), found[2].to_owned()));
    let mut next = |name: &str| {
        let (key, value) = pairs.next().unwrap_or_else(|| panic!("{line}"));
        assert_eq!(key, name, "{line}");
        let text = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(&value);
        text.replace("\\\"", "\"")
    };
    let (_, level, text) = (next("ts"), next("lvl"), next("msg"));
    (level, text, pairs.map(|(key, _)| key).collect())
}

#[test]
fn lines_that_are_logged_are_as_the_tables_say() {
    let setup = Setup::new("").with(&["moving_avg", "fragile", "logs", "no_abi"]);
    fs::write(setup.folder.path().join("plugins/README"), "").unwrap();
    let mut host = setup.serve();
    play(host.start("moving_avg", &moving_avg(3)), [RequestMessage::Point(point("a", 1, 1.0))]);
    play(host.start("logs", &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
    let mut bad = point("a", 1, 1.0);
    bad.fields_int.insert("panic".to_owned(), 7);
    play(host.start("fragile", &[]), [RequestMessage::Point(bad)]);
    let refused = host.connect("no_abi").init("task", Vec::new()).unwrap();
    assert!(!refused.success);
    host.reload("[limits]\nmemory = \"8MiB\"\nstack = \"1MiB\"\n", &["msg=\"udf.toml read again\""]);
    host.reload("[limits]\nmemroy = \"8MiB\"\n", &["udf.toml is refused"]);
    host.signal("USR1");
    host.wait_for_log(&["msg=\"signal ignored\""]);
    host.stop();
    let (documented, log) = (documented(), host.log());
    let mut seen = BTreeSet::new();
    for line in log.lines() {
        let (level, text, keys) = parse(line);
        let row = documented.get(&text).unwrap_or_else(|| panic!("not in docs/logs.md: {line}"));
        assert!(row.levels.contains(&level), "{line}");
        for key in keys {
            assert!(row.keys.contains(&key), "{key} of {line}");
        }
        seen.insert(text);
    }
    for text in [
        "ready",
        "plugin refused",
        "plugin log",
        "task started",
        "task ended",
        "task can't start",
        "stopping",
    ] {
        assert!(seen.contains(text), "{text} is not in\n{log}");
    }
    assert!(seen.contains("plugin failed, what it failed at is skipped"), "{log}");
}
