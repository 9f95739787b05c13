//! Modules made by hand, and damaged ones.

use proptest::prelude::*;
use wasm_encoder::{
    CodeSection, CustomSection, EntityType, ExportKind, ExportSection, Function, FunctionSection,
    ImportSection, MemoryType, TypeSection,
};

use super::*;

/// What a module has.
#[derive(Clone)]
struct Plan {
    pages: u64,
    most: Option<u64>,
    segments: Vec<Vec<u8>>,
    counts: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { pages: 2, most: None, segments: vec![b"before".to_vec(), record()], counts: true }
    }
}

/// A record that nothing was packed into, with data around it.
fn record() -> Vec<u8> {
    [&b"left"[..], &MARK, &EMPTY, b"right"].concat()
}

fn memory_of(pages: u64, most: Option<u64>) -> MemoryType {
    MemoryType { minimum: pages, maximum: most, memory64: false, shared: false, page_size_log2: None }
}

fn built(plan: &Plan) -> Vec<u8> {
    let mut types = TypeSection::new();
    types.ty().function([], []);
    let mut functions = FunctionSection::new();
    functions.function(0);
    let mut memories = MemorySection::new();
    memories.memory(memory_of(plan.pages, plan.most));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    let mut code = CodeSection::new();
    let mut function = Function::new([]);
    function.instructions().end();
    code.function(&function);
    let mut data = DataSection::new();
    for (number, segment) in plan.segments.iter().enumerate() {
        data.active(0, &ConstExpr::i32_const(1024 * number as i32), segment.iter().copied());
    }
    data.passive(*b"passive");
    let mut module = Module::new();
    module.section(&types).section(&functions).section(&memories).section(&exports);
    if plan.counts {
        module.section(&DataCountSection { count: data.len() });
    }
    let names = CustomSection { name: "name".into(), data: (&b"names of functions"[..]).into() };
    module.section(&code).section(&data).section(&names);
    module.finish()
}

/// The memory of a module, its active segments with their addresses, and all other sections.
type Content = (MemoryTypeOf, Vec<(i32, Vec<u8>)>, Vec<(u8, Vec<u8>)>);
type MemoryTypeOf = (u64, Option<u64>);

fn content(module: &[u8]) -> Content {
    let (mut memory, mut segments, mut others) = ((0, None), Vec::new(), Vec::new());
    let mut all = 0;
    for payload in Parser::new(0).parse_all(module) {
        match payload.unwrap() {
            Payload::MemorySection(memories) => {
                let found = memories.into_iter().next().unwrap().unwrap();
                memory = (found.initial, found.maximum);
            }
            Payload::DataCountSection { count, .. } => all = count,
            Payload::DataSection(found) => {
                assert!(all == 0 || all == found.count(), "the number of segments is {all}");
                for segment in found {
                    let segment = segment.unwrap();
                    if let DataKind::Active { offset_expr, .. } = segment.kind {
                        let mut operators = offset_expr.get_operators_reader();
                        let wasmparser::Operator::I32Const { value } = operators.read().unwrap() else {
                            panic!("another operator");
                        };
                        segments.push((value, segment.data.to_vec()));
                    }
                }
            }
            other => others.extend(other.as_section().map(|(id, range)| (id, module[range].to_vec()))),
        }
    }
    (memory, segments, others)
}

#[test]
fn data_are_behind_the_memory_and_the_record_says_where() {
    let data: Vec<u8> = (0..70_000_u32).map(|number| number as u8).collect();
    for plan in [
        Plan::default(),
        Plan { counts: false, ..Plan::default() },
        Plan { pages: 17, most: Some(19), ..Plan::default() },
        // From 2 GiB on, the constant is negative.
        Plan { pages: 40_000, ..Plan::default() },
    ] {
        let before = built(&plan);
        let after = pack(&before, &data).unwrap();
        let (before, after) = (content(&before), content(&after));
        assert_eq!(after.0, (plan.pages + 2, plan.most));
        assert_eq!(after.2, before.2, "other sections have changed");
        let (last, rest) = after.1.split_last().unwrap();
        assert_eq!((last.0 as u32, &last.1), ((plan.pages * PAGE) as u32, &data));
        assert_eq!(rest[0], before.1[0]);
        let address = (plan.pages * PAGE).to_le_bytes();
        let length = 70_000_u64.to_le_bytes();
        let patched = [&b"left"[..], &MARK, &address, &length, b"right"].concat();
        assert_eq!(rest[1], (before.1[1].0, patched));
    }
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence() {
    let refused = |plan: Plan, expected: &str| {
        let error = pack(&built(&plan), &[1; 100]).unwrap_err().to_string();
        assert_eq!(error, expected);
    };
    let none = Plan { segments: vec![b"none".to_vec()], ..Plan::default() };
    refused(none, "is no plugin that takes packed data");
    // The record must not begin in one segment and end in another.
    let (left, right) = (record()[..20].to_vec(), record()[20..].to_vec());
    let torn = Plan { segments: vec![left, right], ..Plan::default() };
    refused(torn, "is no plugin that takes packed data");
    refused(
        Plan { segments: vec![record(), record()], ..Plan::default() },
        "has 2 places for packed data instead of one: build it with one version of the SDK",
    );
    refused(
        Plan { most: Some(2), ..Plan::default() },
        "has room for 0 bytes of packed data, and these are 100",
    );
    let once = pack(&built(&Plan::default()), b"model").unwrap();
    let error = pack(&once, b"model").unwrap_err().to_string();
    assert_eq!(error, "has packed data already: pack into the plugin as it was built");
    assert_eq!(pack(&once, b"").unwrap_err(), PackError::NoData);
    assert_eq!(pack(b"", b"model").unwrap_err(), PackError::NoModule);
    assert_eq!(pack(b"\0asm\x0d\0\x01\0", b"model").unwrap_err(), PackError::Component);
    assert_eq!(pack(b"\0asm\x01\0\0\0", b"model").unwrap_err(), PackError::TakesNone);
}

#[test]
fn memories_of_other_kinds_are_refused() {
    let of = |change: &dyn Fn(&mut MemoryType)| {
        let (mut imports, mut memories, mut data) =
            (ImportSection::new(), MemorySection::new(), DataSection::new());
        let mut memory = memory_of(1, Some(10));
        change(&mut memory);
        memories.memory(memory);
        data.active(0, &ConstExpr::i32_const(0), record());
        imports.import("env", "memory", EntityType::Memory(memory));
        let own = Module::new().section(&memories).section(&data).clone();
        let imported = Module::new().section(&imports).section(&data).clone();
        (pack(&own.finish(), b"model"), pack(&imported.finish(), b"model"))
    };
    let (own, imported) = of(&|_| {});
    assert!(own.is_ok());
    assert_eq!(imported, Err(PackError::Memory("an imported memory")));
    assert_eq!(of(&|memory| memory.shared = true).0, Err(PackError::Memory("a shared memory")));
    assert_eq!(of(&|memory| memory.memory64 = true).0, Err(PackError::Memory("a memory of 64 bits")));
    let other = of(&|memory| memory.page_size_log2 = Some(0)).0;
    assert_eq!(other, Err(PackError::Memory("a memory with pages of another size")));
    let mut two = MemorySection::new();
    two.memory(memory_of(1, None)).memory(memory_of(1, None));
    let two = Module::new().section(&two).clone().finish();
    assert_eq!(pack(&two, b"model"), Err(PackError::Memory("several memories")));
}

#[test]
fn every_beginning_of_a_module_is_refused_or_without_its_names() {
    let module = built(&Plan::default());
    let whole = content(&pack(&module, b"model").unwrap());
    for length in 0..module.len() {
        if let Ok(packed) = pack(&module[..length], b"model") {
            // Only the section with names may be missing: a module may end before it.
            let short = content(&packed);
            assert_eq!((short.0, &short.1), (whole.0, &whole.1), "{length}");
            assert_eq!(short.2[..], whole.2[..short.2.len()], "{length}");
        }
    }
}

proptest! {
    /// A module with wrong bits is refused, or has data where its record says.
    #[test]
    fn damaged_modules_are_no_reason_to_panic(
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6),
        length in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut module = built(&Plan::default());
        for (at, bit) in flips {
            let at = at.index(module.len());
            module[at] ^= 1 << bit;
        }
        if cut {
            module.truncate(length.index(module.len()));
        }
        if let Ok(packed) = pack(&module, b"model") {
            prop_assert!(packed.windows(5).any(|bytes| bytes == b"model"));
            prop_assert!(pack(&packed, b"model").is_err());
        }
    }

    /// Any bytes behind the beginning of a module.
    #[test]
    fn any_bytes_are_no_reason_to_panic(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let module = [b"\0asm\x01\0\0\0", &rest[..]].concat();
        prop_assert!(pack(&module, b"model").is_err());
    }
}
