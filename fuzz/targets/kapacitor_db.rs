//! Bytes as a `kapacitor.db`, which `kapacitor-wasm state --db` reads.
//!
//! They are refused, or what is found in them is no more than there is.

#![no_main]

use std::alloc::System;

use cap::Cap;
use kapacitor_wasm::internals::Database;
use kapacitor_wasm::internals::snapshots;
use libfuzzer_sys::fuzz_target;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What may be needed beside a multiple of the input.
const SPARE: usize = 4 * 1024 * 1024;

fuzz_target!(|input: &[u8]| {
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + SPARE + 32 * input.len()).expect("more than there is");
    if let Ok(database) = Database::parse(input.to_vec())
        && let Ok(stored) = snapshots(&database)
    {
        assert!(stored.iter().map(|one| one.snapshot.len()).sum::<usize>() <= input.len());
    }
    ALLOCATOR.set_limit(usize::MAX).expect("more than there is");
});
