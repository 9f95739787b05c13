//! Turns `proto/*.proto` into Rust types, and looks up the version of wasmtime for `--version`.
//!
//! protox compiles the proto files, so no protoc is needed.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["proto/udf.proto", "proto/snapshot.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    prost_build::Config::new()
        // Map entries in a fixed order, so that the same message is the same bytes.
        .btree_map(["."])
        .compile_fds(protox::compile(files, ["proto"])?)?;

    println!("cargo::rerun-if-changed=host");
    println!("cargo::rerun-if-changed=Cargo.toml");
    println!("cargo::rustc-env=BUILD={}", build()?);
    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock")?;
    let version = locked_version(&lock, "wasmtime").ok_or("Cargo.lock has no version of wasmtime")?;
    println!("cargo::rustc-env=WASMTIME_VERSION={version}");
    Ok(())
}

/// The sources of the host as a number: builds of the same version from other sources have another one.
fn build() -> Result<String, Box<dyn Error>> {
    let mut files = vec!["Cargo.toml".into(), "Cargo.lock".into()];
    list(Path::new("host"), &mut files)?;
    list(Path::new("proto"), &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let bytes = fs::read(&file)?;
        hash.update(format!("{} {} ", file.display(), bytes.len()));
        hash.update(&bytes);
    }
    let digits = hash.finalize().iter().take(6).fold(0u64, |digits, byte| digits << 8 | u64::from(*byte));
    Ok(format!("{digits:012x}"))
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

/// The version of `package` in the text of a Cargo.lock, where it is the line after the name.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}
