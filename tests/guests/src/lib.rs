//! Nothing: the guests are the examples of this package, one `.wasm` file each.
