//! One running guest: its instance, its memory, its limits, and the calls into it.
//!
//! The only module that reads or writes guest memory. What a guest returns is a region of its memory,
//! bounds-checked; what is in it is for the guard.

use std::ops::Range;
use std::sync::Arc;

use thiserror::Error;
use wasmtime::{
    Global, Instance, InstancePre, Memory, ResourceLimiter, Store, Trap, TypedFunc, WasmBacktrace,
};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::budget::{Account, Budget};
use crate::deadline::{CallClock, Expired};
use crate::engine::MAX_HOST_CALL;
use crate::guest_log::{GuestLog, SharedLog};
use crate::limits::{HostLimits, Limits};
use crate::units::{Bytes, Span};
use crate::who::Who;
use crate::world::World;

/// Frames of a guest's stack that a trap's message shows.
const BACKTRACE: usize = 8;

/// How a call into a guest failed. The sandbox is lost.
#[derive(Debug, Error)]
#[error("{call}: {cause}")]
pub struct GuestError {
    /// The guest's function.
    pub call: &'static str,
    /// Why.
    pub cause: Cause,
}

/// Why a call failed.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "each one's message says it")]
pub enum Cause {
    #[error("computed for longer than limits.call-deadline = {0}")]
    Deadline(Span),
    #[error("asked for {asked} of memory, more than limits.memory = {limit}{then}")]
    Memory { asked: Bytes, limit: Bytes, then: String },
    #[error("asked for a table of {asked} entries, more than limits.table = {limit}{then}")]
    Table { asked: usize, limit: u32, then: String },
    #[error("used more stack than limits.stack = {limit}{at}")]
    Stack { limit: Bytes, at: String },
    #[error("returned {length} bytes, more than limits.output = {limit}")]
    Output { length: u32, limit: Bytes },
    #[error("returned the region {pointer}..+{length}, which is outside of its memory of {memory} bytes")]
    Region { pointer: u32, length: u32, memory: usize },
    #[error("gave an input buffer at {pointer} that does not have room for {length} bytes")]
    Input { pointer: u32, length: usize },
    #[error("exited with code {0}: a plugin must not exit")]
    Exit(i32),
    #[error("panicked: {0}")]
    Panic(String),
    #[error("trap: {0}")]
    Trap(String),
    #[error("returned a malformed {0}")]
    Response(&'static str),
}

/// What the sandboxes of one session have in common: one follows the other when it has failed.
pub struct Surroundings {
    /// Whose log lines these are.
    pub who: Arc<Who>,
    /// What they log: one after the other, they have no more than one alone.
    pub log: SharedLog,
    /// What each may use.
    pub limits: Limits,
    /// Measures the calls.
    pub clock: Arc<CallClock>,
    /// The clock and the random numbers that a guest gets.
    pub world: World,
    /// Where the memory is counted.
    pub budget: Arc<Budget>,
}

impl Surroundings {
    /// Those of a sandbox that belongs to no session.
    pub fn alone(who: Who, limits: Limits) -> Self {
        let who = Arc::new(who);
        Self {
            log: GuestLog::new(Arc::clone(&who), limits.log_per_second),
            who,
            limits,
            clock: CallClock::new(),
            world: World::new(0),
            budget: Budget::new(HostLimits::default()),
        }
    }
}

/// What belongs to a store beside the instance.
pub(crate) struct Guest {
    limiter: Limiter,
    pub(crate) log: SharedLog,
    pub(crate) world: World,
    /// Made when the guest first asks for it.
    pub(crate) wasi: Option<Box<WasiP1Ctx>>,
}

struct Limiter {
    memory: Bytes,
    table: u32,
    /// What the guest asked for when it was refused.
    refused: Option<Refused>,
    account: Account,
}

enum Refused {
    Memory(Bytes),
    Table(usize),
}

impl ResourceLimiter for Limiter {
    fn memory_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired as u64 <= self.memory.0;
        if fits {
            self.account.set(desired as u64);
        } else {
            self.refused = Some(Refused::Memory(Bytes(desired as u64)));
        }
        Ok(fits)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let fits = desired <= self.table as usize;
        if !fits {
            self.refused = Some(Refused::Table(desired));
        }
        Ok(fits)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn memories(&self) -> usize {
        1
    }
}

/// A guest's functions, looked up once.
struct Calls {
    input: TypedFunc<i32, i32>,
    info: TypedFunc<(), i64>,
    init: TypedFunc<(i32, i32), i64>,
    process: TypedFunc<(i32, i32), i64>,
    finish: TypedFunc<(), i64>,
    snapshot: Option<TypedFunc<(), i64>>,
    restore: Option<TypedFunc<(i32, i32), i64>>,
}

/// The instance of a plugin that belongs to one session.
pub struct Sandbox {
    store: Store<Guest>,
    instance: Instance,
    memory: Memory,
    calls: Calls,
    clock: Arc<CallClock>,
    limits: Limits,
    input: Option<Input>,
    /// Where in the memory is what the last `udf_process` returned.
    output: Range<usize>,
}

/// The guest's input buffer: where, and for how many bytes it was asked for.
pub(crate) type Input = (u32, usize);

impl Sandbox {
    /// Makes an instance, up to and including `_initialize` where a plugin has it.
    pub(crate) async fn new(
        pre: &InstancePre<Guest>,
        surroundings: &Surroundings,
    ) -> Result<Self, GuestError> {
        let Surroundings { log, limits, clock, world, budget, .. } = surroundings;
        let limits = *limits;
        let guest = Guest {
            limiter: Limiter {
                memory: limits.memory,
                table: limits.table,
                refused: None,
                account: budget.account(),
            },
            log: Arc::clone(log),
            world: world.clone(),
            wasi: None,
        };
        let mut store = Store::new(pre.module().engine(), guest);
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(MAX_HOST_CALL);
        clock.install(&mut store);
        store.set_epoch_deadline(2);
        let instance = clock.run(limits.call_deadline.0, pre.instantiate_async(&mut store)).await;
        let instance = outcome("start", instance, &mut store, &limits)?;
        let calls = Calls::of(instance, &mut store);
        let (memory, calls) = match (instance.get_memory(&mut store, "memory"), calls) {
            (Some(memory), Ok(calls)) => (memory, calls),
            // Admission has looked at both.
            _ => {
                let cause = Cause::Trap("an export is missing".to_owned());
                return Err(GuestError { call: "start", cause });
            }
        };
        let clock = Arc::clone(clock);
        let mut sandbox = Self { store, instance, memory, calls, clock, limits, input: None, output: 0..0 };
        if let Ok(initialize) = instance.get_typed_func::<(), ()>(&mut sandbox.store, "_initialize") {
            sandbox.call("_initialize", &initialize, ()).await?;
        }
        Ok(sandbox)
    }

    /// From now on a call may compute for so long.
    pub(crate) fn set_deadline(&mut self, deadline: Span) {
        self.limits.call_deadline = deadline;
    }

    /// Where the guest's input goes. It belongs to the state of the guest.
    pub(crate) fn input(&self) -> Option<Input> {
        self.input
    }

    /// Puts the input back to where it was in the state that the memory was overwritten with.
    pub(crate) fn set_input(&mut self, input: Option<Input>) {
        self.input = input;
    }

    /// `udf_info`: an encoded InfoResponse.
    pub(crate) async fn info(&mut self) -> Result<&[u8], GuestError> {
        let region = self.call("udf_info", &self.calls.info.clone(), ()).await?;
        self.region("udf_info", region)
    }

    /// `udf_state_version`: the version of the plugin's own snapshot format; zero if it has none.
    pub(crate) async fn state_version(&mut self) -> Result<u32, GuestError> {
        match self.instance.get_typed_func::<(), i32>(&mut self.store, "udf_state_version") {
            Ok(version) => Ok(self.call("udf_state_version", &version, ()).await? as u32),
            Err(_) => Ok(0),
        }
    }

    /// `udf_init`: an encoded InitRequest in, an encoded InitResponse out.
    pub async fn init(&mut self, request: &[u8]) -> Result<&[u8], GuestError> {
        let input = self.put("udf_init", request).await?;
        let region = self.call("udf_init", &self.calls.init.clone(), input).await?;
        self.region("udf_init", region)
    }

    /// `udf_process`: Request frames in, Response frames out.
    pub async fn process(&mut self, frames: &[u8]) -> Result<&[u8], GuestError> {
        let input = self.put("udf_process", frames).await?;
        let region = self.call("udf_process", &self.calls.process.clone(), input).await?;
        self.output = self.range("udf_process", region)?;
        Ok(self.output())
    }

    /// What the last [`Sandbox::process`] returned; any bytes once there was another call.
    pub(crate) fn output(&self) -> &[u8] {
        self.memory().get(self.output.clone()).unwrap_or_default()
    }

    /// `udf_finish`: the last Response frames.
    pub async fn finish(&mut self) -> Result<&[u8], GuestError> {
        let region = self.call("udf_finish", &self.calls.finish.clone(), ()).await?;
        self.region("udf_finish", region)
    }

    /// `udf_snapshot`: an encoded SnapshotResponse, from a plugin with a format of its own.
    pub async fn snapshot(&mut self) -> Result<&[u8], GuestError> {
        let Some(snapshot) = self.calls.snapshot.clone() else {
            return Err(missing("udf_snapshot"));
        };
        let region = self.call("udf_snapshot", &snapshot, ()).await?;
        self.region("udf_snapshot", region)
    }

    /// `udf_restore`: an encoded RestoreRequest in, an encoded RestoreResponse out.
    pub async fn restore(&mut self, request: &[u8]) -> Result<&[u8], GuestError> {
        let Some(restore) = self.calls.restore.clone() else {
            return Err(missing("udf_restore"));
        };
        let input = self.put("udf_restore", request).await?;
        let region = self.call("udf_restore", &restore, input).await?;
        self.region("udf_restore", region)
    }

    /// The linear memory. Between two calls the guest's stack is empty, so this and the mutable
    /// globals are all of its state.
    pub(crate) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// The linear memory, to be overwritten, after growing it to `length` bytes. `None` if it can't
    /// have this length.
    pub(crate) async fn memory_mut(&mut self, length: usize) -> Option<&mut [u8]> {
        const PAGE: usize = 64 * 1024;
        let missing = length.checked_sub(self.memory.data_size(&self.store))?;
        if missing % PAGE != 0 {
            return None;
        }
        if missing > 0 {
            let pages = (missing / PAGE) as u64;
            self.memory.grow_async(&mut self.store, pages).await.ok()?;
        }
        // The guest's input buffer is wherever the new contents say.
        self.input = None;
        Some(self.memory.data_mut(&mut self.store))
    }

    /// An exported global.
    pub(crate) fn global(&mut self, name: &str) -> Option<(Global, &mut Store<Guest>)> {
        let global = self.instance.get_global(&mut self.store, name)?;
        Some((global, &mut self.store))
    }

    /// `udf_input` with zero: the host gives the input buffer back, so that what is in it and in the guest's
    /// other buffers need not be part of a snapshot.
    pub(crate) async fn give_input_back(&mut self) -> Result<(), GuestError> {
        if self.input.take().is_some() {
            self.call("udf_input", &self.calls.input.clone(), 0).await?;
        }
        Ok(())
    }

    /// Copies `bytes` to where the guest wants its input.
    async fn put(&mut self, call: &'static str, bytes: &[u8]) -> Result<(i32, i32), GuestError> {
        let room = match self.input {
            Some((pointer, room)) if room >= bytes.len() => (pointer, room),
            _ => {
                // More than now needed, so that not every longer run asks again.
                let room = bytes.len().next_power_of_two().max(4096);
                let asked = i32::try_from(room).map_err(|_| GuestError {
                    call,
                    cause: Cause::Input { pointer: 0, length: bytes.len() },
                })?;
                let pointer = self.call("udf_input", &self.calls.input.clone(), asked).await?;
                (pointer as u32, room)
            }
        };
        let start = room.0 as usize;
        let target = start
            .checked_add(bytes.len())
            .and_then(|end| self.memory.data_mut(&mut self.store).get_mut(start..end))
            .ok_or(GuestError {
                call: "udf_input",
                cause: Cause::Input { pointer: room.0, length: bytes.len() },
            })?;
        target.copy_from_slice(bytes);
        self.input = Some(room);
        Ok((room.0 as i32, bytes.len() as i32))
    }

    async fn call<P, R>(
        &mut self,
        name: &'static str,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, GuestError>
    where
        P: wasmtime::WasmParams + Sync,
        R: wasmtime::WasmResults + Sync,
    {
        // What earlier calls were refused, or said, explains nothing of this one.
        let guest = self.store.data_mut();
        guest.limiter.refused = None;
        GuestLog::take_panic(&guest.log);
        // Two ticks: the next one may come at once.
        self.store.set_epoch_deadline(2);
        let result =
            self.clock.run(self.limits.call_deadline.0, function.call_async(&mut self.store, params)).await;
        outcome(name, result, &mut self.store, &self.limits)
    }

    /// The part of guest memory that `packed` names: `(pointer << 32) | length`.
    fn region(&self, call: &'static str, packed: i64) -> Result<&[u8], GuestError> {
        Ok(&self.memory()[self.range(call, packed)?])
    }

    /// Where it is, which is inside of the memory.
    fn range(&self, call: &'static str, packed: i64) -> Result<Range<usize>, GuestError> {
        let (pointer, length) = ((packed as u64 >> 32) as u32, packed as u32);
        let cause = if u64::from(length) > self.limits.output.0 {
            Cause::Output { length, limit: self.limits.output }
        } else {
            let (memory, start) = (self.memory().len(), pointer as usize);
            match start.checked_add(length as usize) {
                Some(end) if end <= memory => return Ok(start..end),
                _ => Cause::Region { pointer, length, memory },
            }
        };
        Err(GuestError { call, cause })
    }
}

impl Calls {
    fn of(instance: Instance, store: &mut Store<Guest>) -> wasmtime::Result<Self> {
        Ok(Self {
            input: instance.get_typed_func(&mut *store, "udf_input")?,
            info: instance.get_typed_func(&mut *store, "udf_info")?,
            init: instance.get_typed_func(&mut *store, "udf_init")?,
            process: instance.get_typed_func(&mut *store, "udf_process")?,
            finish: instance.get_typed_func(&mut *store, "udf_finish")?,
            snapshot: instance.get_typed_func(&mut *store, "udf_snapshot").ok(),
            restore: instance.get_typed_func(&mut *store, "udf_restore").ok(),
        })
    }
}

fn missing(call: &'static str) -> GuestError {
    GuestError { call, cause: Cause::Trap("the plugin does not export it".to_owned()) }
}

/// Turns the end of a call into its value or the reason that there is none.
fn outcome<R>(
    call: &'static str,
    result: Result<wasmtime::Result<R>, Expired>,
    store: &mut Store<Guest>,
    limits: &Limits,
) -> Result<R, GuestError> {
    let error = match result {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error,
        Err(Expired) => {
            let cause = Cause::Deadline(limits.call_deadline);
            return Err(GuestError { call, cause });
        }
    };
    let trap = error.downcast_ref::<Trap>().copied();
    let panic = GuestLog::take_panic(&store.data().log);
    let cause = match (trap, store.data_mut().limiter.refused.take()) {
        (Some(Trap::Interrupt), _) => Cause::Deadline(limits.call_deadline),
        (Some(Trap::StackOverflow), _) => Cause::Stack { limit: limits.stack, at: at(&error) },
        (_, Some(refused)) => {
            let then = if panic.is_empty() { at(&error) } else { format!(": {panic}") };
            match refused {
                Refused::Memory(asked) => Cause::Memory { asked, limit: limits.memory, then },
                Refused::Table(asked) => Cause::Table { asked, limit: limits.table, then },
            }
        }
        _ => match error.downcast_ref::<I32Exit>() {
            Some(I32Exit(code)) => Cause::Exit(*code),
            None if trap == Some(Trap::UnreachableCodeReached) && !panic.is_empty() => Cause::Panic(panic),
            None => {
                let what = trap.map_or_else(|| error.root_cause().to_string(), |trap| trap.to_string());
                let what = what.strip_prefix("wasm trap: ").unwrap_or(&what);
                Cause::Trap(format!("{what}{}", at(&error)))
            }
        },
    };
    Err(GuestError { call, cause })
}

/// `, in f <- g <- h`: the guest's innermost functions, as far as the module names them.
fn at(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let names: Vec<String> = backtrace
        .frames()
        .iter()
        .take(BACKTRACE)
        .map(|frame| match frame.func_name() {
            // Demangled, and without the hash that rustc puts behind the path.
            Some(name) => {
                let name = format!("{:#}", rustc_demangle::demangle(name));
                name.chars().take(120).collect()
            }
            None => format!("function {}", frame.func_index()),
        })
        .collect();
    if names.is_empty() { String::new() } else { format!(", in {}", names.join(" <- ")) }
}
