//! `cargo xtask rooms`: checks that the rooms of the host stand where ARCHITECTURE.md says.
//!
//! The imports in the code are the truth. A room is a folder of `host/`, or a file beside them. The table
//! of rooms in ARCHITECTURE.md lists them from the top of the house to its ground, each with the rooms that
//! it uses. The check fails on a room that uses one above it, on an arrow that is not in the table, on one
//! of the table that no file has, on files that import each other in a circle, and on a wasmtime `Store`
//! outside of `sandbox/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::root;

/// What only `sandbox/` may use of wasmtime: everything that reaches the memory of a guest.
const STORE: [&str; 8] =
    ["AsContext", "AsContextMut", "Caller", "Global", "Instance", "Memory", "Store", "StoreContextMut"];

/// Files that belong to no room: they only name the others.
const NO_ROOM: [&str; 3] = ["", "main", "internals"];

/// Path of a module or of an item, as its segments.
type Segments = Vec<String>;

/// Checks the host's rooms, and the files of the SDK for circles.
pub fn rooms() -> Result<(), String> {
    let root = root();
    let host = Sources::read(&root.join("host"))?;
    let table = Table::read(&root.join("ARCHITECTURE.md"))?;
    let mut problems = table.compare(&host.arrows());
    problems.extend(host.stores());
    problems.extend(host.circle());
    problems.extend(Sources::read(&root.join("guest-sdk/rust/src"))?.circle());
    for (room, uses) in host.arrows() {
        let uses: Vec<&str> = uses.iter().map(String::as_str).collect();
        println!("{room:<14} -> {}", if uses.is_empty() { "nothing".to_owned() } else { uses.join(", ") });
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n")) }
}

/// The source files below one folder, by module.
struct Sources(BTreeMap<Segments, Source>);

#[derive(Default)]
struct Source {
    /// Absolute paths of everything that the file names, within the crate.
    names: Vec<Segments>,
    /// What it re-exports: the name, or `*`, and where it comes from.
    exports: BTreeMap<String, Segments>,
    /// Names that it takes from wasmtime.
    wasmtime: BTreeSet<String>,
}

impl Sources {
    fn read(folder: &Path) -> Result<Self, String> {
        let mut files = Vec::new();
        list(folder, &mut files)?;
        let mut sources = BTreeMap::new();
        for file in files {
            let path = file.strip_prefix(folder).unwrap_or(&file).with_extension("");
            let mut module: Segments = path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
                module.pop();
            }
            if module.last().is_some_and(|name| name.ends_with("tests")) {
                continue;
            }
            let text = fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            sources.insert(module.clone(), Source::parse(&text, &module));
        }
        Ok(Self(sources))
    }

    /// The module of the file that defines `path`.
    fn file_of(&self, path: &[String]) -> Option<&Segments> {
        let (module, source) =
            (0..=path.len()).rev().find_map(|length| self.0.get_key_value(&path[..length]))?;
        let Some(name) = path.get(module.len()) else { return Some(module) };
        match source.exports.get(name).or_else(|| source.exports.get("*")) {
            Some(from) if from != path => self.file_of(from),
            _ => Some(module),
        }
    }

    /// The files that each file imports.
    fn imports(&self) -> BTreeMap<&Segments, BTreeSet<&Segments>> {
        let of = |(module, source): (_, &Source)| {
            let names = source.names.iter().filter_map(|name| self.file_of(name));
            (module, names.filter(|file| *file != module && !file.is_empty()).collect())
        };
        self.0.iter().map(|(module, source)| of((module, source))).collect()
    }

    /// The rooms that each room uses.
    fn arrows(&self) -> BTreeMap<String, BTreeSet<String>> {
        let room = |module: &Segments| module.first().cloned().unwrap_or_default();
        let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (module, imports) in self.imports() {
            let from = room(module);
            if NO_ROOM.contains(&from.as_str()) {
                continue;
            }
            let to = imports.into_iter().map(room).filter(|to| *to != from);
            arrows.entry(from.clone()).or_default().extend(to);
        }
        arrows
    }

    /// A circle of files, if there is one.
    fn circle(&self) -> Option<String> {
        let mut imports = self.imports();
        // A file that imports none of the rest is in no circle, and so on.
        loop {
            let left: BTreeSet<&Segments> = imports.keys().copied().collect();
            imports.values_mut().for_each(|to| to.retain(|file| left.contains(file)));
            let before = imports.len();
            imports.retain(|_, to| !to.is_empty());
            if imports.len() == before {
                break;
            }
        }
        let (mut file, _) = imports.first_key_value()?;
        let mut way = Vec::new();
        while !way.contains(&file) {
            way.push(file);
            file = imports[file].first()?;
        }
        let start = way.iter().position(|seen| *seen == file)?;
        let names: Vec<String> = way[start..].iter().chain([&file]).map(|file| file.join("/")).collect();
        Some(format!("files import each other in a circle: {}", names.join(" -> ")))
    }

    /// Files outside of `sandbox/` that take what reaches guest memory.
    fn stores(&self) -> Vec<String> {
        let outside = self.0.iter().filter(|(module, _)| module.first().is_none_or(|room| room != "sandbox"));
        let taken =
            outside.flat_map(|(module, source)| {
                source.wasmtime.iter().filter(|name| STORE.contains(&name.as_str())).map(|name| {
                    format!("{}: uses wasmtime::{name}, which only sandbox/ may", module.join("/"))
                })
            });
        taken.collect()
    }
}

impl Source {
    fn parse(text: &str, module: &Segments) -> Self {
        let mut source = Self::default();
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        let lines = code.lines().map(|line| line.split("//").next().unwrap_or_default());
        for statement in lines.collect::<Vec<_>>().join(" ").split(';') {
            let mut paths = Vec::new();
            let (visibility, tree) = match statement.split_once("use ") {
                Some((before, tree)) if before.trim_end().ends_with(['}', ')', ']', 'b']) => (before, tree),
                Some((before, tree)) if before.trim().is_empty() => (before, tree),
                _ => ("", ""),
            };
            expand(tree, &mut paths);
            let exported = visibility.trim_end().ends_with("pub") || visibility.contains("pub(");
            for path in &paths {
                let Some(absolute) = absolute(path, module) else { continue };
                if exported {
                    let name = absolute.last().cloned().unwrap_or_default();
                    let from = if name == "*" { &absolute[..absolute.len() - 1] } else { &absolute[..] };
                    source.exports.insert(name, from.to_vec());
                } else {
                    source.names.push(absolute);
                }
            }
            source
                .wasmtime
                .extend(paths.iter().filter(|path| path[0] == "wasmtime").filter_map(|p| p.get(1).cloned()));
            if tree.is_empty() {
                let starts = ["crate::", "super::"].map(|prefix| statement.match_indices(prefix));
                // `$crate::` in a macro is a path in the crate that uses the macro.
                for (at, _) in starts.into_iter().flatten().filter(|(at, _)| !statement[..*at].ends_with('$'))
                {
                    source.names.extend(absolute(&path_at(&statement[at..]), module));
                }
                for (at, _) in statement.match_indices("wasmtime::") {
                    source.wasmtime.extend(path_at(&statement[at..]).get(1).cloned());
                }
            }
        }
        source
    }
}

/// The paths of a `use` tree.
fn expand(tree: &str, paths: &mut Vec<Segments>) {
    fn walk(tree: &str, prefix: &str, paths: &mut Vec<Segments>) {
        let (mut depth, mut start) = (0, 0);
        for (at, c) in tree.char_indices().chain([(tree.len(), ',')]) {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    let part = tree[start..at].trim();
                    start = at + 1;
                    match part.split_once('{') {
                        Some((head, inner)) => {
                            walk(inner.trim_end_matches('}'), &format!("{prefix}{head}"), paths);
                        }
                        None if part.is_empty() => {}
                        None => {
                            let path = format!("{prefix}{}", part.split(" as ").next().unwrap_or(part));
                            let segments = path.split("::").map(|s| s.trim().to_owned());
                            paths.push(segments.filter(|segment| segment != "self").collect());
                        }
                    }
                }
                _ => {}
            }
        }
    }
    walk(tree, "", paths);
    paths.retain(|path| !path.is_empty());
}

/// The path at the start of `text`.
fn path_at(text: &str) -> Segments {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    text[..end].split("::").filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

/// `path`, which `module` names, from the root of the crate; `None` if it leads out of the crate.
fn absolute(path: &[String], module: &Segments) -> Option<Segments> {
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let ups = path.iter().take_while(|segment| *segment == "super").count();
            let mut absolute = module[..module.len().checked_sub(ups)?].to_vec();
            absolute.extend_from_slice(&path[ups..]);
            Some(absolute)
        }
        // In a `mod.rs`, the name of a file beside it.
        first if first.starts_with(char::is_lowercase) && !module.is_empty() => {
            Some(module.iter().chain(path).cloned().collect())
        }
        _ => None,
    }
}

/// The table of rooms in ARCHITECTURE.md.
struct Table(Vec<(String, BTreeSet<String>)>);

impl Table {
    fn read(file: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
        let section = text.split("\n## ").find(|section| section.starts_with("Rooms\n")).unwrap_or_default();
        let rows = section.lines().filter(|line| line.starts_with("| `"));
        let rows: Vec<_> = rows
            .filter_map(|row| {
                let mut cells = row.trim_matches('|').split('|');
                let room = quoted(cells.next()?).into_iter().next()?;
                Some((room, quoted(cells.next_back()?).into_iter().collect()))
            })
            .collect();
        if rows.is_empty() {
            Err(format!("{}: has no table of rooms", file.display()))
        } else {
            Ok(Self(rows))
        }
    }

    /// How the arrows of the code differ from the table.
    fn compare(&self, arrows: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
        let mut problems = Vec::new();
        let floor = |room: &str| self.0.iter().position(|(name, _)| name == room);
        let none = BTreeSet::new();
        for room in arrows.keys().filter(|room| floor(room).is_none()) {
            problems.push(format!("{room}: is not in the table of rooms in ARCHITECTURE.md"));
        }
        for (room, listed) in &self.0 {
            let used = arrows.get(room).unwrap_or(&none);
            for other in used.difference(listed) {
                problems
                    .push(format!("{room}: uses {other}, which the table in ARCHITECTURE.md does not list"));
            }
            for other in listed.difference(used) {
                problems
                    .push(format!("{room}: does not use {other}, which the table in ARCHITECTURE.md lists"));
            }
            for other in used.iter().filter(|other| floor(other) < floor(room)) {
                problems.push(format!("{room}: uses {other}, which stands above it"));
            }
        }
        problems
    }
}

/// The texts between backticks.
fn quoted(cell: &str) -> Vec<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The Rust files below `folder`.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
