//! Bytes as a `.wasm` file.
//!
//! It is refused, or it is a plugin: instances of it run within their limits, and their state can be
//! saved and given back, if the host says so.
//!
//! Input: flags, then the module, or what wasm-smith makes one of.

#![no_main]

use std::sync::LazyLock;

use arbitrary::{Result, Unstructured};
use kapacitor_wasm::internals;
use kapacitor_wasm::internals::AdmissionErrorKind;
use libfuzzer_sys::{Corpus, fuzz_target};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{CodeSection, Function};
use wasm_smith::{Config, Module};
use wasmparser::{ExternalKind, FunctionBody, Payload, TypeRef};

use crate::guests::{HOST, LIMITS};

mod guests;

static INTERFACE: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(include_str!("interface.wat")).expect("it is a module"));
static IMPORTS: LazyLock<Vec<u8>> =
    LazyLock::new(|| wat::parse_str(include_str!("imports.wat")).expect("it is a module"));

fuzz_target!(|input: &[u8]| -> Corpus {
    let Some((flags, rest)) = input.split_first() else { return Corpus::Reject };
    let made = if flags & 1 == 0 { Ok(rest.to_vec()) } else { module(*flags, rest) };
    let Ok(bytes) = made else { return Corpus::Reject };
    HOST.runtime.block_on(admit(&bytes))
});

async fn admit(bytes: &[u8]) -> Corpus {
    let plugin = match internals::admit(&HOST.engine, "made_up", bytes, &LIMITS).await {
        Ok(plugin) => plugin,
        Err(problem) => {
            let said = problem.to_string();
            assert!(!said.is_empty() && !said.contains('\n'), "{said:?} is not one sentence");
            // There are so many ways to be invalid that the fuzzer would collect nothing else.
            return if matches!(problem, AdmissionErrorKind::Invalid(_)) {
                Corpus::Reject
            } else {
                Corpus::Keep
            };
        }
    };
    let _ = plugin.edges();
    let Some(mut sandbox) = guests::start(&plugin).await else { return Corpus::Keep };
    guests::within_limits(&sandbox);
    guests::there_and_back(&plugin, &mut sandbox).await;
    if guests::work(&mut sandbox).await.is_some() {
        guests::there_and_back(&plugin, &mut sandbox).await;
    }
    Corpus::Keep
}

/// A valid module, or nearly: with the guest interface more often than not, and at times with
/// proposals that the host does not take.
fn module(flags: u8, input: &[u8]) -> Result<Vec<u8>> {
    let mut u = Unstructured::new(input);
    let plugin = flags & 6 != 0;
    let imports = flags & 8 != 0;
    let proposals = flags >> 5;
    let all = proposals == 7;
    let config = Config {
        exports: plugin.then(|| INTERFACE.clone()),
        available_imports: imports.then(|| IMPORTS.clone()),
        max_imports: if imports { 9 } else { 0 },
        allow_invalid_funcs: flags & 30 == 30,
        generate_custom_sections: true,
        max_memories: if all { 3 } else { 1 },
        max_memory32_bytes: 2 << 20,
        max_tables: 5,
        max_table_elements: 200_000,
        max_funcs: 20,
        max_instructions: 60,
        bulk_memory_enabled: true,
        reference_types_enabled: true,
        simd_enabled: true,
        tail_call_enabled: true,
        gc_enabled: all || proposals == 4,
        exceptions_enabled: all || proposals == 5,
        memory64_enabled: all || proposals == 6,
        relaxed_simd_enabled: all,
        threads_enabled: all,
        custom_page_sizes_enabled: all,
        wide_arithmetic_enabled: all,
        custom_descriptors_enabled: all,
        shared_everything_threads_enabled: all,
        ..Config::default()
    };
    let wasm = Module::new(config, &mut u)?.to_bytes();
    Ok(if plugin && flags & 16 == 0 { with_info(&wasm).unwrap_or(wasm) } else { wasm })
}

/// The module with an empty Info, which hardly any made up function returns. `None` if it can't be
/// read.
fn with_info(wasm: &[u8]) -> Option<Vec<u8>> {
    let mut imported = 0;
    let mut info = None;
    for payload in wasmparser::Parser::new(0).parse_all(wasm) {
        match payload.ok()? {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    imported += u32::from(matches!(import.ok()?.ty, TypeRef::Func(_)));
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export.ok()?;
                    if export.name == "udf_info" && export.kind == ExternalKind::Func {
                        info = export.index.checked_sub(imported);
                    }
                }
            }
            _ => {}
        }
    }
    let mut patch = Patch { until_info: info?.into() };
    let mut module = wasm_encoder::Module::new();
    patch.parse_core_module(&mut module, wasmparser::Parser::new(0), wasm).ok()?;
    Some(module.finish())
}

/// Copies a module, with another body for one function.
struct Patch {
    until_info: i64,
}

impl Reencode for Patch {
    type Error = std::convert::Infallible;

    fn parse_function_body(
        &mut self,
        code: &mut CodeSection,
        body: FunctionBody<'_>,
    ) -> std::result::Result<(), reencode::Error<Self::Error>> {
        self.until_info -= 1;
        if self.until_info != -1 {
            return reencode::utils::parse_function_body(self, code, body);
        }
        let mut function = Function::new([]);
        function.instructions().i64_const(0).end();
        code.function(&function);
        Ok(())
    }
}
