//! The header of a snapshot, generated from `proto/snapshot.proto`.

#![allow(missing_docs, clippy::doc_markdown, reason = "generated; the .proto file is the documentation")]

include!(concat!(env!("OUT_DIR"), "/kapacitor_wasm.rs"));
