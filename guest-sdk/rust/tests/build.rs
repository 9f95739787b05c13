//! Generates Kapacitor's messages from `proto/udf.proto`. protox compiles the file, so protoc is not
//! needed.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = "../../../proto";
    println!("cargo::rerun-if-changed={folder}/udf.proto");
    prost_build::Config::new()
        // Map entries in a fixed order, so that equal messages have equal bytes.
        .btree_map(["."])
        .compile_fds(protox::compile(["udf.proto"], [folder])?)?;
    Ok(())
}
