//! Finds the plugin and the cases of a plugin's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Result, anyhow};

/// Profiles whose plugins are as fast as they are meant to be.
const PROFILES: [&str; 2] = ["release", "plugin"];

/// The `.wasm` file that is tested.
///
/// # Errors
///
/// When none was built.
pub fn plugin_of(subject: &Path, plugin: Option<&Path>) -> Result<PathBuf> {
    if let Some(plugin) = plugin {
        return Ok(plugin.to_owned());
    }
    if subject.extension().is_some_and(|extension| extension == "wasm") {
        return Ok(subject.to_owned());
    }
    let folder = fs::canonicalize(subject).unwrap_or_else(|_| subject.to_owned());
    // A member of a workspace is built in the workspace's folder.
    let name = package_name(&folder);
    let built = folder.ancestors().find_map(|folder| newest(&folder.join("target"), name.as_deref()));
    built.ok_or_else(|| {
        anyhow!(
            "{}: no .wasm file was built there: run `cargo build --release --target wasm32-unknown-unknown`, or name the file with --plugin",
            subject.display()
        )
    })
}

/// The folder of the cases.
pub fn cases_of(subject: &Path, cases: Option<&Path>) -> PathBuf {
    match cases {
        Some(cases) => cases.to_owned(),
        None if subject.extension().is_some_and(|extension| extension == "wasm") => {
            subject.parent().unwrap_or(Path::new("")).join("cases")
        }
        None => subject.join("cases"),
    }
}

/// The name of the package in `folder`, as Cargo writes it in the name of a file.
fn package_name(folder: &Path) -> Option<String> {
    let manifest: toml::Table = fs::read_to_string(folder.join("Cargo.toml")).ok()?.parse().ok()?;
    let name = |table: &str| Some(manifest.get(table)?.get("name")?.as_str()?.replace('-', "_"));
    name("lib").or_else(|| name("package"))
}

/// The plugin in a target folder that was built last: of this name, if one is known.
fn newest(target: &Path, name: Option<&str>) -> Option<PathBuf> {
    let mut found: Vec<(SystemTime, PathBuf)> = Vec::new();
    for triple in fs::read_dir(target).ok()?.flatten() {
        if !triple.file_name().to_string_lossy().starts_with("wasm32-") {
            continue;
        }
        for profile in PROFILES {
            let files = fs::read_dir(triple.path().join(profile)).into_iter().flatten().flatten();
            found.extend(files.filter_map(|file| {
                let path = file.path();
                let is_plugin = path.extension()? == "wasm"
                    && name.is_none_or(|name| path.file_stem().is_some_and(|stem| stem == name));
                is_plugin.then_some((file.metadata().ok()?.modified().ok()?, path))
            }));
        }
    }
    found.into_iter().max().map(|(_, path)| path)
}
