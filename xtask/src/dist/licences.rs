//! The licences of the libraries in the binary and in the plugins. Most of them ask that their text goes with a binary.
//!
//! Which licences are allowed is the matter of deny.toml. The texts are those that the crates themselves have, word for
//! word, with the names of their authors.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::PathBuf;

use super::output;
use crate::cargo;

/// Beginnings of the names of files with licences, in capital letters.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// All texts, each below the crates that have it.
pub fn licences() -> Result<String, String> {
    let mut tree = cargo();
    tree.args([
        "tree",
        "--locked",
        "--workspace",
        "--edges",
        "normal",
        "--target",
        "all",
        "--prefix",
        "none",
    ]);
    let list = output(tree.args(["--format", "{p}|{l}|{r}"]))?;
    // Crates by name and version, without those of the workspace, which have a path behind the version.
    let mut crates = BTreeMap::new();
    for line in String::from_utf8_lossy(&list).lines() {
        let mut parts = line.trim_end_matches(" (*)").split('|');
        let (name, licence) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = name.trim_end_matches(" (proc-macro)");
        if !name.is_empty() && !name.contains('(') {
            let repository = parts.next().unwrap_or_default().trim_end_matches(" (*)");
            crates.insert(name.to_owned(), (licence.to_owned(), repository.to_owned()));
        }
    }
    if crates.is_empty() {
        return Err("cargo tree lists no libraries".to_owned());
    }
    let mut text = "Libraries in kapacitor-wasm and its plugins, and in what builds them\n\n".to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, (licence, repository)) in &crates {
        text += &format!("{name}: {licence}, {repository}\n");
        for found in of_crate(name)? {
            texts.entry(found).or_default().push(name.clone());
        }
    }
    for (licence, names) in texts {
        text += &format!("\n{}\n{}\n\n{}\n", "=".repeat(80), names.join(", "), licence.trim());
    }
    Ok(text)
}

/// The texts in the sources of a crate, whose `name` is its name and version, as in `anyhow v1.0.0`.
fn of_crate(name: &str) -> Result<Vec<String>, String> {
    let folder = name.replacen(" v", "-", 1);
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let sources = registries.map(|registry| registry.path().join(&folder)).find(|sources| sources.exists());
    let sources = sources.ok_or_else(|| format!("the sources of {name} are not there: run `cargo fetch`"))?;
    let mut texts = Vec::new();
    for file in super::files(&sources)? {
        if NAMES.iter().any(|beginning| file.to_uppercase().starts_with(beginning)) {
            let text = fs::read(sources.join(&file)).map_err(|e| format!("{name}: {file}: {e}"))?;
            texts.push(String::from_utf8_lossy(&text).replace('\r', ""));
        }
    }
    Ok(texts)
}
