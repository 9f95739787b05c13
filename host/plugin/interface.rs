//! The guest interface: what a plugin may import, what it must export, and how it describes itself.

use prost::Message;
use wasmtime::{ExternType, Module, ValType};

use super::admission_error::{AdmissionErrorKind, printable};
use crate::config::is_identifier;
use crate::protocol::{EdgeType, InfoResponse, ValueType};
use crate::units::Bytes;

/// Version of the guest interface that this host speaks.
pub const ABI: u32 = 1;

/// Maximum size of the InfoResponse of a plugin.
const MAX_INFO: Bytes = Bytes::kib(64);

/// Maximum number of options of one plugin.
const MAX_OPTIONS: usize = 256;

/// Prefix of the name of the ABI's marker; the version follows.
const MARKER: &str = "kapacitor_udf_abi_";

/// The functions of WASI preview 1 that a plugin may import. With nothing granted they find no
/// files, no arguments and no environment; what is missing would be a socket.
pub const WASI: [&str; 42] = [
    "args_get",
    "args_sizes_get",
    "clock_res_get",
    "clock_time_get",
    "environ_get",
    "environ_sizes_get",
    "fd_advise",
    "fd_allocate",
    "fd_close",
    "fd_datasync",
    "fd_fdstat_get",
    "fd_fdstat_set_flags",
    "fd_fdstat_set_rights",
    "fd_filestat_get",
    "fd_filestat_set_size",
    "fd_filestat_set_times",
    "fd_pread",
    "fd_prestat_dir_name",
    "fd_prestat_get",
    "fd_pwrite",
    "fd_read",
    "fd_readdir",
    "fd_renumber",
    "fd_seek",
    "fd_sync",
    "fd_tell",
    "fd_write",
    "path_create_directory",
    "path_filestat_get",
    "path_filestat_set_times",
    "path_link",
    "path_open",
    "path_readlink",
    "path_remove_directory",
    "path_rename",
    "path_symlink",
    "path_unlink_file",
    "poll_oneoff",
    "proc_exit",
    "random_get",
    "sched_yield",
    "proc_raise",
];

/// What to do about an import that the host does not provide, by how modules get such imports.
fn advice(module: &str, name: &str, ty: &ExternType) -> &'static str {
    let bindgen = |text: &str| text.contains("wbindgen") || text.contains("wbg_") || text == "wbg";
    match (module, ty) {
        _ if bindgen(module) || bindgen(name) || module.ends_with("_bg.js") => {
            "it comes from wasm-bindgen, which is for JavaScript: turn off the dependency's feature for it (`js` of getrandom and uuid, `wasmbind` of chrono, for example), or build for wasm32-wasip1"
        }
        ("wasi_snapshot_preview1", _) => "do without it",
        ("wasi_unstable", _) => "build with a WASI SDK that is not from before 2020",
        _ if module.starts_with("wasi:") => {
            "build for WASI preview 1, such as wasm32-wasip1, not for preview 2"
        }
        ("gojs" | "go", _) => "build with GOOS=wasip1 rather than GOOS=js",
        (_, ExternType::Memory(_)) => "build it without --import-memory",
        (_, ExternType::Table(_)) => "build it without --import-table",
        ("env" | "a", ExternType::Func(_)) => {
            "no library that was linked has it: link one, and turn off --allow-undefined to be told by the linker"
        }
        _ => "build it without that",
    }
}

/// Checks imports and exports; returns the memory that an instance begins with.
pub(super) fn check_interface(module: &Module) -> Result<Bytes, AdmissionErrorKind> {
    for import in module.imports() {
        let allowed = matches!(import.ty(), ExternType::Func(_))
            && match import.module() {
                "kapacitor" => import.name() == "log",
                "wasi_snapshot_preview1" => WASI.contains(&import.name()),
                _ => false,
            };
        if !allowed {
            let name = printable(&format!("{}.{}", import.module(), import.name()));
            let advice = advice(import.module(), import.name(), &import.ty());
            return Err(AdmissionErrorKind::Import { name, advice });
        }
    }

    let marker = format!("{MARKER}{ABI}");
    if !matches!(module.get_export(&marker), Some(ExternType::Func(_))) {
        let other = module.exports().find_map(|e| e.name().strip_prefix(MARKER).map(printable));
        return Err(other.map_or(AdmissionErrorKind::NoMarker, |found| AdmissionErrorKind::OtherAbi {
            found,
            spoken: ABI,
        }));
    }

    use ValType::{I32, I64};
    let call = |name, expected, params, results, required| Call { name, expected, params, results, required };
    for call in [
        call("udf_info", "() -> i64", &[], &[I64], true),
        call("udf_input", "(i32) -> i32", &[I32], &[I32], true),
        call("udf_init", "(i32, i32) -> i64", &[I32, I32], &[I64], true),
        call("udf_process", "(i32, i32) -> i64", &[I32, I32], &[I64], true),
        call("udf_finish", "() -> i64", &[], &[I64], true),
        call("udf_snapshot", "() -> i64", &[], &[I64], false),
        call("udf_restore", "(i32, i32) -> i64", &[I32, I32], &[I64], false),
        call("udf_metrics", "() -> i64", &[], &[I64], false),
        call("udf_metric_values", "() -> i32", &[], &[I32], false),
        call("udf_state_version", "() -> i32", &[], &[I32], false),
        call("_initialize", "() -> ()", &[], &[], false),
    ] {
        if !call.is_of(module) {
            return Err(AdmissionErrorKind::Export { name: call.name, expected: call.expected });
        }
    }
    if module.get_export("udf_snapshot").is_some() != module.get_export("udf_restore").is_some() {
        return Err(AdmissionErrorKind::HalfSnapshot);
    }
    if module.get_export("udf_metrics").is_some() != module.get_export("udf_metric_values").is_some() {
        return Err(AdmissionErrorKind::HalfMetrics);
    }
    match module.get_export("memory") {
        Some(ExternType::Memory(memory)) => Ok(Bytes(memory.minimum() << 16)),
        _ => Err(AdmissionErrorKind::Export { name: "memory", expected: "memory" }),
    }
}

/// A function of the guest interface.
struct Call {
    name: &'static str,
    expected: &'static str,
    params: &'static [ValType],
    results: &'static [ValType],
    required: bool,
}

impl Call {
    /// Whether `module` exports it as it is to be, or need not export it.
    fn is_of(&self, module: &Module) -> bool {
        let same = |found: &[ValType], expected: &[ValType]| {
            found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| a.matches(b))
        };
        match module.get_export(self.name) {
            Some(ExternType::Func(ty)) => {
                same(&ty.params().collect::<Vec<_>>(), self.params)
                    && same(&ty.results().collect::<Vec<_>>(), self.results)
            }
            Some(_) => false,
            None => !self.required,
        }
    }
}

pub(super) fn check_info(bytes: &[u8]) -> Result<InfoResponse, AdmissionErrorKind> {
    let wrong = |what: String| AdmissionErrorKind::Info(what);
    if bytes.len() > MAX_INFO.as_usize() {
        return Err(wrong(format!("its InfoResponse is larger than {MAX_INFO}")));
    }
    let info = InfoResponse::decode(bytes)
        .map_err(|e| wrong(format!("udf_info does not return an InfoResponse: {e}")))?;
    for edge in [info.wants, info.provides] {
        if EdgeType::try_from(edge).is_err() {
            return Err(wrong(format!("{edge} is no edge type: 0 is stream, 1 is batch")));
        }
    }
    if info.options.len() > MAX_OPTIONS {
        return Err(wrong(format!("it has more than {MAX_OPTIONS} options")));
    }
    for (name, option) in &info.options {
        if !is_identifier(name) {
            return Err(wrong(format!(
                "a TICKscript can't call option `{}`: use letters, digits and `_`",
                printable(name)
            )));
        }
        if let Some(ty) = option.value_types.iter().find(|ty| ValueType::try_from(**ty).is_err()) {
            return Err(wrong(format!("option `{name}` has a value of unknown type {ty}")));
        }
    }
    Ok(info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::OptionInfo;

    /// The exports of a plugin that does nothing.
    const EXPORTS: [&str; 7] = [
        r#"(memory (export "memory") 2)"#,
        r#"(func (export "kapacitor_udf_abi_1"))"#,
        r#"(func (export "udf_info") (result i64) i64.const 0)"#,
        r#"(func (export "udf_input") (param i32) (result i32) i32.const 0)"#,
        r#"(func (export "udf_init") (param i32 i32) (result i64) i64.const 0)"#,
        r#"(func (export "udf_process") (param i32 i32) (result i64) i64.const 0)"#,
        r#"(func (export "udf_finish") (result i64) i64.const 0)"#,
    ];

    fn check(parts: &[&str]) -> Result<Bytes, String> {
        let wasm = wat::parse_str(format!("(module {})", parts.join("\n"))).unwrap();
        let module = Module::new(&wasmtime::Engine::default(), wasm).unwrap();
        check_interface(&module).map_err(|kind| kind.to_string())
    }

    #[test]
    fn plugin_with_all_exports_is_admitted_with_its_memory() {
        assert_eq!(check(&EXPORTS), Ok(Bytes::kib(128)));
    }

    #[test]
    fn each_missing_export_is_named() {
        for (index, name) in
            [(0, "memory"), (2, "udf_info"), (3, "udf_input"), (4, "udf_init"), (5, "udf_process")]
        {
            let mut exports = EXPORTS.to_vec();
            exports.remove(index);
            let error = check(&exports).unwrap_err();
            assert!(error.contains(&format!("has no export `{name}")), "{error}");
        }
    }

    #[test]
    fn other_interfaces_and_imports_are_refused() {
        let mut exports = EXPORTS.to_vec();
        exports.remove(1);
        assert!(check(&exports).unwrap_err().contains("is not a kapacitor-wasm plugin"));
        exports.push(r#"(func (export "kapacitor_udf_abi_2"))"#);
        assert!(check(&exports).unwrap_err().contains("is made for guest interface 2"));
        let import = r#"(import "env" "exec" (func))"#;
        let error = check(&[&[import], &EXPORTS[..]].concat()).unwrap_err();
        assert!(error.contains("imports `env.exec`"), "{error}");
        let snapshot = r#"(func (export "udf_snapshot") (result i64) i64.const 0)"#;
        let error = check(&[&EXPORTS[..], &[snapshot]].concat()).unwrap_err();
        assert!(error.contains("exports only one of udf_snapshot and udf_restore"), "{error}");
        let metrics = r#"(func (export "udf_metrics") (result i64) i64.const 0)"#;
        let error = check(&[&EXPORTS[..], &[metrics]].concat()).unwrap_err();
        assert!(error.contains("exports only one of udf_metrics and udf_metric_values"), "{error}");
    }

    #[test]
    fn info_is_checked_before_kapacitor_gets_it() {
        let check = |info: &InfoResponse| check_info(&info.encode_to_vec()).map_err(|kind| kind.to_string());
        let option = |name: &str, ty: i32| {
            let options = [(name.to_owned(), OptionInfo { value_types: vec![ty] })].into();
            InfoResponse { options, ..InfoResponse::default() }
        };
        assert!(check(&option("field", 3)).is_ok());
        let error = check(&option("my field", 3)).unwrap_err();
        assert!(error.contains("a TICKscript can't call option `my field`"), "{error}");
        let error = check(&option("field", 9)).unwrap_err();
        assert!(error.contains("option `field` has a value of unknown type 9"), "{error}");
        let error = check(&InfoResponse { wants: 2, ..InfoResponse::default() }).unwrap_err();
        assert!(error.contains("2 is no edge type"), "{error}");
        let many = (0..=MAX_OPTIONS).map(|i| (format!("o{i}"), OptionInfo::default())).collect();
        let error = check(&InfoResponse { options: many, ..InfoResponse::default() }).unwrap_err();
        assert!(error.contains("more than 256 options"), "{error}");
        assert!(check_info(&[0xff]).unwrap_err().to_string().contains("does not return an InfoResponse"));
    }
}
