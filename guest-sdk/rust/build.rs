//! Generates prost's types for the tests, which compare the codec with them.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/udf.proto");
    prost_build::compile_fds(protox::compile(["../../proto/udf.proto"], ["../../proto"])?)?;
    Ok(())
}
