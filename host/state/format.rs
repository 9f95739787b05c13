//! The header of a snapshot, generated from `proto/snapshot.proto`.

#![expect(
    missing_docs,
    clippy::doc_markdown,
    clippy::trivially_copy_pass_by_ref,
    reason = "generated; the .proto file is the documentation"
)]

include!(concat!(env!("OUT_DIR"), "/kapacitor_wasm.rs"));
