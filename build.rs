//! Turns `proto/*.proto` into Rust types, and looks up the version of wasmtime for `--version`.
//!
//! protox compiles the proto files, so no protoc is needed.

use std::error::Error;
use std::fs;

fn main() -> Result<(), Box<dyn Error>> {
    let files = ["proto/udf.proto", "proto/snapshot.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    prost_build::Config::new()
        // Map entries in a fixed order, so that the same message is the same bytes.
        .btree_map(["."])
        .compile_fds(protox::compile(files, ["proto"])?)?;

    println!("cargo::rerun-if-changed=Cargo.lock");
    let lock = fs::read_to_string("Cargo.lock")?;
    let version = locked_version(&lock, "wasmtime").ok_or("Cargo.lock has no version of wasmtime")?;
    println!("cargo::rustc-env=WASMTIME_VERSION={version}");
    Ok(())
}

/// The version of `package` in the text of a Cargo.lock, where it is the line after the name.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines().skip_while(|line| *line != name);
    lines.nth(1)?.strip_prefix("version = \"")?.strip_suffix('"')
}
