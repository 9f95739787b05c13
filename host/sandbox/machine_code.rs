//! Machine code as bytes: one process compiles a module, another one loads the code.
//!
//! wasmtime loads machine code from bytes in unsafe functions only, since wrong bytes make the process crash, or
//! worse. Its safe way is [`Module::new`] with a cache: that reads the machine code from a file whose name depends
//! on the module and on the engine, and trusts the file. So the caller checks the bytes, and `CodeFolder::load` puts
//! them into such a file of a private folder, for as long as wasmtime takes to read it. The engine that loads has
//! no compiler: where wasmtime does not accept the file, loading fails, and nothing is compiled.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use thiserror::Error;
use wasmtime::{Cache, CacheConfig, Module};

use super::engine_settings::settings;
use crate::units::Bytes;

/// Level of compression of machine code: the fastest one.
const COMPRESSION: i32 = 1;

/// Why machine code was not loaded.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The file for wasmtime can't be written.
    #[error("its machine code can't be handed over in {}: {error}", .folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The machine code was made by another build, or for another processor.
    #[error("its machine code does not fit this host: {0}")]
    Unfit(wasmtime::Error),
}

/// A compiler of modules whose machine code an engine with the same `stack` loads.
pub struct CodeCompiler(wasmtime::Engine);

impl CodeCompiler {
    /// A compiler for engines with `stack` bytes of guest stack.
    ///
    /// # Errors
    ///
    /// When wasmtime can't compile for this machine with these settings.
    pub fn new(stack: Bytes) -> wasmtime::Result<Self> {
        wasmtime::Engine::new(settings(stack).cranelift_nan_canonicalization(true)).map(Self)
    }

    /// The hash of all that machine code depends on beside its module: the version of wasmtime, the settings, and
    /// what this processor can do.
    pub fn environment(&self) -> [u8; 32] {
        hash(&self.0.precompile_compatibility_hash())
    }

    /// Checks that `wasm` is a valid module.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn validate(&self, wasm: &[u8]) -> wasmtime::Result<()> {
        Module::validate(&self.0, wasm)
    }

    /// The machine code of the module `wasm`, for `Engine::load`.
    ///
    /// # Errors
    ///
    /// When it can't be compiled.
    pub fn compile(&self, wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let code = self.0.precompile_module(wasm)?;
        Ok(zstd::encode_all(&*code, COMPRESSION)?)
    }
}

/// The folder through which wasmtime gets machine code.
pub(super) struct CodeFolder {
    path: PathBuf,
    /// Locked while a file is there, since two plugins may be the same module.
    turn: Mutex<()>,
}

impl CodeFolder {
    /// Makes `config` take machine code from `folder`, which nobody else writes to, and compile nothing.
    ///
    /// # Errors
    ///
    /// When wasmtime does not take the folder.
    pub(super) fn use_in(config: &mut wasmtime::Config, folder: &Path) -> wasmtime::Result<Self> {
        let mut cache = CacheConfig::new();
        cache.with_directory(folder);
        config.enable_compiler(false).cache(Some(Cache::new(cache)?));
        Ok(Self { path: folder.to_owned(), turn: Mutex::default() })
    }

    /// Loads the module `wasm` into `engine`, which uses this folder, from its machine code.
    pub(super) fn load(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        code: &[u8],
    ) -> Result<Module, LoadError> {
        let file = self.file_of(engine, wasm);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let written = file.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&file, code));
        let loaded = match written {
            Ok(()) => Module::new(engine, wasm).map_err(LoadError::Unfit),
            Err(error) => Err(LoadError::Io { folder: self.path.clone(), error }),
        };
        // A file that stays is never read again: it is written anew before that.
        let _ = fs::remove_file(file);
        loaded
    }

    /// Where wasmtime looks for the machine code of `wasm`: `ModuleCacheEntry::get_data_raw` of
    /// wasmtime-internal-cache, with the values that `CodeBuilder::compile_cached` of wasmtime gives it.
    fn file_of(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> PathBuf {
        let nothing: Option<&[u8]> = None;
        let key = hash(&(engine.precompile_compatibility_hash(), wasm, nothing, nothing));
        let folder = concat!("wasmtime-", env!("WASMTIME_VERSION"));
        self.path.join("modules").join(folder).join(URL_SAFE_NO_PAD.encode(key))
    }
}

/// SHA-256 of a value that says itself what of it counts.
fn hash(value: &impl Hash) -> [u8; 32] {
    let mut hasher = Sha256Hasher(Sha256::new());
    value.hash(&mut hasher);
    hasher.0.finalize().into()
}

struct Sha256Hasher(Sha256);

impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        unreachable!("the hash has 256 bits, and is taken with `finalize`")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STACK: Bytes = Bytes::kib(512);

    const WASM: &[u8] = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b";

    /// An engine that loads through a folder.
    fn engine(folder: &Path) -> (wasmtime::Engine, CodeFolder) {
        let mut settings = settings(STACK);
        let folder = CodeFolder::use_in(&mut settings, folder).unwrap();
        (wasmtime::Engine::new(&settings).unwrap(), folder)
    }

    #[test]
    fn engine_loads_what_was_compiled_and_compiles_nothing() {
        let temporary = tempfile::tempdir().unwrap();
        let (engine, folder) = engine(temporary.path());
        let code = CodeCompiler::new(STACK).unwrap().compile(WASM).unwrap();
        folder.load(&engine, WASM, &code).unwrap();
        assert!(!folder.file_of(&engine, WASM).exists());

        for wrong in [&b""[..], b"not compressed", &zstd::encode_all(&b"no ELF"[..], 1).unwrap()] {
            let refused = folder.load(&engine, WASM, wrong).unwrap_err().to_string();
            assert!(refused.starts_with("its machine code does not fit this host"), "{refused}");
        }
    }

    #[test]
    fn machine_code_for_other_settings_is_refused() {
        let temporary = tempfile::tempdir().unwrap();
        let (engine, folder) = engine(temporary.path());
        let other = wasmtime::Engine::new(&wasmtime::Config::new()).unwrap().precompile_module(WASM).unwrap();
        let refused = folder.load(&engine, WASM, &zstd::encode_all(&*other, 1).unwrap());
        assert!(matches!(refused, Err(LoadError::Unfit(_))));
    }
}
