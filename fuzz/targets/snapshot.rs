//! Bytes that Kapacitor gives back as a snapshot, into a real sandbox.
//!
//! They are refused or give a sandbox that works within its limits.
//!
//! Input: how the rest becomes a snapshot, then the rest. A fuzzer does not guess a checksum, so it
//! is computed for all but the first way.

#![no_main]

use std::alloc::System;
use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use cap::Cap;
use kapacitor_wasm::internals::{self, ABI, Plugin, Snapshot, SnapshotHeader};
use libfuzzer_sys::{Corpus, fuzz_target};
use prost::Message;
use sha2::{Digest, Sha256};

use crate::guests::{HOST, LIMITS};

mod guests;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// What the host may need beside the input and the guest's memory.
const SPARE: usize = 4 * 1024 * 1024;

static PLUGIN: LazyLock<Plugin> = LazyLock::new(|| {
    let wasm = wat::parse_str(include_str!("counter.wat")).expect("it is a module");
    let admitted = internals::admit(&HOST.engine, "counter", &wasm, &LIMITS);
    HOST.runtime.block_on(admitted).expect("it is a plugin")
});

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((way, rest)) = input.split_first() else { return Corpus::Reject };
    let bytes = match way % 4 {
        0 => rest.to_vec(),
        1 => with_checksum(rest.to_vec()),
        2 => pack(&header(rest.len()), rest),
        _ => match state(&mut Unstructured::new(rest)) {
            Ok(bytes) => bytes,
            Err(_) => return Corpus::Reject,
        },
    };
    LazyLock::force(&PLUGIN);
    // The payload may be twice as large as its limit while its vector grows.
    let limit = SPARE + 8 * input.len() + 2 * LIMITS.memory.as_usize();
    ALLOCATOR.set_limit(ALLOCATOR.allocated() + limit).expect("more than there is");
    HOST.runtime.block_on(restore(&bytes));
    ALLOCATOR.set_limit(usize::MAX).expect("more than there is");
    Corpus::Keep
});

async fn restore(bytes: &[u8]) {
    let peeked = Snapshot::peek(bytes);
    let Ok(snapshot) = Snapshot::parse(bytes) else { return };
    assert_eq!(peeked.expect("the whole can be read"), snapshot.header);
    let _ = snapshot.is_none();
    if let Ok(payload) = snapshot.payload(LIMITS.memory) {
        assert!(payload.len() as u64 <= LIMITS.memory.0);
    }
    if snapshot.check_fit(&guests::taken(&PLUGIN)).is_err() {
        return;
    }
    let Some(mut sandbox) = guests::start(&PLUGIN).await else { return };
    let image = PLUGIN.memory_image.as_ref().expect("it can be captured");
    let loaded = image.load(&mut sandbox, &snapshot, LIMITS.memory).await;
    guests::within_limits(&sandbox);
    if loaded.is_err() {
        return;
    }
    assert_eq!(sandbox.copy_of_memory().len() as u64, snapshot.header.memory_bytes);
    guests::there_and_back(&PLUGIN, &mut sandbox).await;
    for _ in 0..3 {
        if guests::work(&mut sandbox).await.is_none() {
            return;
        }
    }
    guests::there_and_back(&PLUGIN, &mut sandbox).await;
}

/// A header that fits the plugin.
fn header(payload: usize) -> SnapshotHeader {
    SnapshotHeader {
        plugin: PLUGIN.name.clone(),
        plugin_sha256: PLUGIN.sha256.to_vec(),
        abi: ABI,
        options_sha256: vec![0; 32],
        payload_bytes: payload as u64,
        memory_bytes: 64 * 1024,
        globals: vec![0; 6],
        ..SnapshotHeader::default()
    }
}

/// A snapshot with what must be right, and a state that may be anything.
fn state(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let mut header = header(0);
    header.memory_bytes = match u.int_in_range(0..=7)? {
        0 => u.arbitrary()?,
        1 => u.int_in_range(0..=LIMITS.memory.0 + 4096)?,
        _ => u.int_in_range(0..=17)? << 16,
    };
    for global in &mut header.globals {
        *global = if u.ratio(1, 4)? { u.arbitrary()? } else { u.arbitrary::<u8>()?.into() };
    }
    if u.ratio(1, 16)? {
        header.globals = u.arbitrary()?;
    }
    let mut payload = Vec::new();
    for _ in 0..u.int_in_range(0..=8)? {
        let index: u32 = if u.ratio(1, 16)? { u.arbitrary()? } else { u.int_in_range(0..=260)? };
        let count: u32 = if u.ratio(1, 16)? { u.arbitrary()? } else { u.int_in_range(0..=3)? };
        payload.extend_from_slice(&index.to_le_bytes());
        payload.extend_from_slice(&count.to_le_bytes());
        let length = if u.ratio(1, 16)? { u.int_in_range(0..=20_000)? } else { count.min(4) as usize * 4096 };
        payload.resize(payload.len() + length, u.arbitrary()?);
    }
    header.payload_bytes = if u.ratio(1, 16)? { u.arbitrary()? } else { payload.len() as u64 };
    if u.ratio(1, 16)? {
        // A whole header, with what the fuzzer likes in it.
        let fields = u.arbitrary::<&[u8]>()?;
        let mut encoded = header.encode_to_vec();
        encoded.extend_from_slice(fields);
        header = SnapshotHeader::decode(&encoded[..]).unwrap_or(header);
    }
    Ok(pack(&header, &payload))
}

/// A snapshot as `proto/snapshot.proto` describes it.
fn pack(header: &SnapshotHeader, payload: &[u8]) -> Vec<u8> {
    let header = header.encode_to_vec();
    let mut bytes = b"KWSN\x01".to_vec();
    bytes.extend_from_slice(&(header.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&zstd::bulk::compress(payload, 1).expect("compressing to memory"));
    with_checksum(bytes)
}

fn with_checksum(mut bytes: Vec<u8>) -> Vec<u8> {
    let checksum = Sha256::digest(&bytes);
    bytes.extend_from_slice(&checksum);
    bytes
}
