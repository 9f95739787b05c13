use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the SDK.
fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: impl AsRef<Path>) -> String {
    let path = sdk().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The source files of the SDK but `lib.rs`, by module: `point`, or `options::value`.
fn sources() -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![(String::new(), sdk().join("src"))];
    while let Some((module, folder)) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let name = match (module.as_str(), stem) {
                ("", "lib") => continue,
                (module, "mod") => module.to_owned(),
                ("", stem) => stem.to_owned(),
                (module, stem) => format!("{module}::{stem}"),
            };
            if path.is_dir() {
                folders.push((name, path));
            } else {
                sources.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

/// The modules that a file names: in paths from `crate::`, and as modules of its own.
fn imports(name: &str, source: &str, modules: &BTreeSet<&str>) -> BTreeSet<String> {
    // Unit tests may use anything, and stand at the end of a file.
    let code = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n");
    assert!(!code.contains("super::super"), "{name}: such paths are not read by this test");
    let mut imports = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` is a path in the crate that uses a macro.
        if code[..at].ends_with('$') {
            continue;
        }
        let path = &code[at + "crate::".len()..];
        let end = path.find(|c: char| c != ':' && c != '_' && !c.is_alphanumeric()).unwrap_or(path.len());
        let path = path[..end].trim_end_matches(':');
        let module = (0..=path.len())
            .rev()
            .filter(|end| path.is_char_boundary(*end))
            .map(|end| &path[..end])
            .find(|prefix| modules.contains(prefix));
        imports.insert(module.unwrap_or_else(|| panic!("{name}: `crate::{path}` is in no file")).to_owned());
    }
    for line in code.lines() {
        if let Some(child) = line.trim_start().strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            imports.insert(format!("{name}::{child}"));
        }
    }
    imports.remove(name);
    imports
}

#[test]
fn files_of_the_sdk_do_not_import_each_other_in_a_circle() {
    let sources = sources();
    let modules: BTreeSet<&str> = sources.keys().map(String::as_str).collect();
    let mut imports: BTreeMap<&str, BTreeSet<String>> =
        sources.iter().map(|(name, source)| (name.as_str(), imports(name, source, &modules))).collect();
    assert!(imports["point"].contains("wire") && imports["options"].contains("options::value"));
    // Removes files that import no remaining file, or that no remaining file imports, until only circles
    // remain.
    loop {
        let imported: BTreeSet<String> = imports.values().flatten().cloned().collect();
        let outside: Vec<&str> = imports
            .iter()
            .filter(|(name, imports)| imports.is_empty() || !imported.contains(**name))
            .map(|(name, _)| *name)
            .collect();
        if outside.is_empty() {
            break;
        }
        imports.retain(|name, _| !outside.contains(name));
        for remaining in imports.values_mut() {
            remaining.retain(|name| !outside.contains(&name.as_str()));
        }
    }
    assert!(imports.is_empty(), "files that import each other: {imports:#?}");
}

#[test]
fn documents_name_the_current_version() {
    let version = env!("CARGO_PKG_VERSION");
    let minor = version.rsplit_once('.').unwrap().0;
    for document in ["README.md", "../../docs/plugins.md"] {
        let dependency = format!("kapacitor-guest = \"{minor}\"");
        assert!(read(document).contains(&dependency), "{document} does not say: {dependency}");
    }
    for (manifest, dependency) in [
        ("Cargo.toml", "kapacitor-guest-derive = { path = \"derive\""),
        ("../../Cargo.toml", "kapacitor-guest = { path = \"guest-sdk/rust\""),
    ] {
        let dependency = format!("{dependency}, version = \"={version}\"");
        assert!(read(manifest).contains(&dependency), "{manifest} does not say: {dependency}");
    }
}

#[test]
fn license_is_in_each_package() {
    let license = read("../../LICENSE");
    assert_eq!(read("LICENSE"), license);
    assert_eq!(read("derive/LICENSE"), license);
}
