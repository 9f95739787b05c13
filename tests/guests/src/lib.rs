//! This crate is empty: the guests are the examples of this package, one `.wasm` file each.
