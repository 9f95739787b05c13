//! Turns `proto/*.proto` into Rust types. protox compiles the files, so no protoc is needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = ["proto/udf.proto", "proto/snapshot.proto"];
    for file in files {
        println!("cargo::rerun-if-changed={file}");
    }
    prost_build::Config::new()
        // Map entries in a fixed order, so that the same message is the same bytes.
        .btree_map(["."])
        .compile_fds(protox::compile(files, ["proto"])?)?;
    Ok(())
}
