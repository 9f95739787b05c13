//! The licences of what is in the binary and in the plugins: libraries of other people, Rust's standard library, musl.
//! Most of them ask that their text goes with a binary.
//!
//! Which licences are allowed is the matter of deny.toml. The texts are those that the sources themselves have, word
//! for word, with the names of their authors.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{output, text};
use crate::{TARGET, cargo};

/// Beginnings of the names of files with licences, in capital letters.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];
/// Folders of a crate of which nothing gets into a binary.
const UNUSED: [&str; 4] = ["benches", "examples", "target", "tests"];
/// The texts of well-known licences, in the folder of the toolchain.
const STANDARD: &str = "share/doc/rust/licenses";
/// What is in a static binary and is no crate: name, licence, address.
const MUSL: [&str; 3] = ["musl", "MIT", "https://musl.libc.org"];
const LLVM: [&str; 3] = [
    "libunwind and compiler-rt of LLVM",
    "Apache-2.0 WITH LLVM-exception",
    "https://github.com/llvm/llvm-project",
];

/// A crate, by its name and version as in `anyhow v1.0.0`.
struct Crate {
    licence: String,
    repository: String,
}

/// All texts but those of Rust's standard library, each below those that have it.
pub fn licences(target: &str) -> Result<String, String> {
    let sysroot = sysroot()?;
    let mut list = "Libraries in kapacitor-wasm and its plugins, and in what builds them. \
                    Those of Rust's standard library are in licences-of-rust.html.\n\n"
        .to_owned();
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, of) in &crates(target)? {
        list += &format!("{name}: {}, {}\n", of.licence, of.repository);
        let mut found = of_crate(name)?;
        if found.is_empty() {
            found = standard(name, &of.licence, &sysroot)?;
        }
        // Some crates have the same text at two places.
        for licence in BTreeSet::from_iter(found) {
            texts.entry(licence).or_default().push(name.clone());
        }
    }
    for [name, licence, address] in [MUSL, LLVM] {
        list += &format!("{name}: {licence}, {address}\n");
    }
    let musl = text("packaging/licences/musl.txt")?;
    texts.entry(musl).or_default().push(MUSL[0].to_owned());
    for licence in standard(LLVM[0], LLVM[1], &sysroot)? {
        texts.entry(licence).or_default().push(LLVM[0].to_owned());
    }
    for (licence, names) in texts {
        list += &format!("\n{}\n{}\n\n{}\n", "=".repeat(80), names.join(", "), licence.trim());
    }
    Ok(list)
}

/// The crates from registries that the host, its plugins and their build are made of.
fn crates(target: &str) -> Result<BTreeMap<String, Crate>, String> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--workspace", "--edges", "normal", "--prefix", "none"]);
    tree.args(["--target", target, "--target", TARGET]);
    let list = output(tree.args(["--format", "{p}|{l}|{r}"]))?;
    let mut crates = BTreeMap::new();
    for line in String::from_utf8_lossy(&list).lines() {
        let mut parts = line.trim_end_matches(" (*)").split('|');
        let (name, licence) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let name = name.trim_end_matches(" (proc-macro)");
        // Those of the workspace have a path behind the version.
        if !name.is_empty() && !name.contains('(') {
            let repository = parts.next().unwrap_or_default().trim_end_matches(" (*)").to_owned();
            crates.insert(name.to_owned(), Crate { licence: licence.to_owned(), repository });
        }
    }
    if crates.is_empty() { Err("cargo tree lists no libraries".to_owned()) } else { Ok(crates) }
}

/// The page with the notices of Rust's standard library and of the libraries in it, as Rust's authors hand it out.
pub fn of_rust() -> Result<PathBuf, String> {
    let page = sysroot()?.join("share/doc/rust/COPYRIGHT-library.html");
    if page.exists() {
        return Ok(page);
    }
    Err(format!(
        "{} is not there, which has the licences of Rust's standard library: install Rust with rustup",
        page.display()
    ))
}

/// The texts in the sources of a crate and of what it brings along, such as libraries in C.
fn of_crate(name: &str) -> Result<Vec<String>, String> {
    let folder = name.replacen(" v", "-", 1);
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| env::home_dir().map(|home| home.join(".cargo"))).unwrap_or_default();
    let registries = fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let sources = registries.map(|registry| registry.path().join(&folder)).find(|sources| sources.exists());
    let sources = sources.ok_or_else(|| format!("the sources of {name} are not there: run `cargo fetch`"))?;
    let mut found = Vec::new();
    collect(&sources, &mut found)?;
    Ok(found)
}

/// Adds the texts of the licences in `folder` and the folders below it to `found`.
fn collect(folder: &Path, found: &mut Vec<String>) -> Result<(), String> {
    for name in super::files(folder)? {
        let is_code = Path::new(&name).extension().is_some_and(|extension| extension == "rs");
        if !is_code && NAMES.iter().any(|beginning| name.to_uppercase().starts_with(beginning)) {
            let file = folder.join(name);
            let text = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
            found.push(String::from_utf8_lossy(&text).replace('\r', ""));
        }
    }
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut below: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    below.sort();
    below.retain(|path| path.is_dir() && !UNUSED.iter().any(|unused| path.ends_with(unused)));
    below.iter().try_for_each(|folder| collect(folder, found))
}

/// The texts of the licence that `name` names without having its text. This takes a licence that asks for no line with
/// the owner of the copyright, who is not known.
fn standard(name: &str, licence: &str, sysroot: &Path) -> Result<Vec<String>, String> {
    let alternative =
        licence.split(" OR ").flat_map(|part| part.split('/')).find(|part| part.starts_with("Apache-2.0"));
    let alternative = alternative.ok_or_else(|| format!("{name} has no file with its licence, {licence}"))?;
    let read = |part: &str| {
        let file = sysroot.join(STANDARD).join(format!("{part}.txt"));
        fs::read_to_string(&file).map_err(|e| format!("{}, the licence of {name}: {e}", file.display()))
    };
    alternative.split(" WITH ").map(read).collect()
}

fn sysroot() -> Result<PathBuf, String> {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]).current_dir(crate::root()))?;
    Ok(PathBuf::from(String::from_utf8_lossy(&sysroot).trim()))
}

/// Debian's copyright file.
pub fn copyright() -> Result<String, String> {
    let licence = text("LICENSE")?;
    let owner = licence.lines().find(|line| line.starts_with("Copyright"));
    let owner = owner.ok_or("LICENSE names no owner of the copyright")?;
    let body = licence.lines().skip_while(|line| !line.starts_with("Permission"));
    let body: Vec<&str> = body.map(|line| if line.is_empty() { "." } else { line }).collect();
    Ok(format!(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: kapacitor-wasm\nSource: {}\nComment:\n The binary and the plugins contain libraries under \
         licences of their own:\n see licences-of-dependencies.txt.gz, and licences-of-rust.html.gz for Rust's \
         standard\n library.\n\nFiles: *\nCopyright: {}\nLicense: MIT\n {}\n",
        env!("CARGO_PKG_REPOSITORY"),
        owner.trim_start_matches("Copyright").trim_start_matches(" (c)").trim(),
        body.join("\n ")
    ))
}
