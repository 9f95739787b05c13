//! One running guest and the calls into it.
//!
//! A guest returns regions of its memory, which are bounds-checked here; the guard checks their contents.

use std::ops::Range;
use std::sync::Arc;

use wasmtime::{Global, Instance, InstancePre, Memory, Store, TypedFunc};

use super::calls::{Calls, optional};
use super::context::SandboxContext;
use super::error::{CallError, CallErrorKind, missing, outcome};
use super::guest::{Guest, Limiter, Refused};
use super::guest_metrics::MetricTable;
use super::ticker::Ticker;
use crate::config::Limits;
use crate::sandbox::deadline::CallClock;
use crate::sandbox::guest::MAX_HOST_CALL;
use crate::sandbox::guest_log::GuestLog;
use crate::state::SnapshotError;
use crate::units::Span;

/// The instance of a plugin that belongs to one session.
pub struct Sandbox {
    store: Store<Guest>,
    instance: Instance,
    memory: Memory,
    calls: Calls,
    clock: Arc<CallClock>,
    ticker: Arc<Ticker>,
    limits: Limits,
    input: Option<InputBuffer>,
    /// The region of the memory that the last `udf_process` returned.
    output: Range<usize>,
}

/// The guest's input buffer: its address, and its size as the guest was asked for it.
pub(crate) type InputBuffer = (u32, usize);

impl Sandbox {
    /// Creates an instance, and calls `_initialize` if the plugin exports it.
    pub(crate) async fn new(
        pre: &InstancePre<Guest>,
        ticker: &Arc<Ticker>,
        context: &SandboxContext,
    ) -> Result<Self, CallError> {
        let SandboxContext { log, limits, clock, determinism, budget, .. } = context;
        let limits = *limits;
        let limiter = Limiter::new(&limits, budget.reservation()).map_err(|full| CallError {
            call: "start",
            kind: CallErrorKind::HostMemory { full, then: String::new() },
        })?;
        let guest = Guest { limiter, log: Arc::clone(log), determinism: determinism.clone(), wasi: None };
        let mut store = Store::new(pre.module().engine(), guest);
        store.limiter(|guest| &mut guest.limiter);
        store.set_hostcall_fuel(MAX_HOST_CALL);
        clock.install(&mut store);
        store.set_epoch_deadline(2);
        let instance = clock.run(ticker, limits.call_deadline.0, pre.instantiate_async(&mut store)).await;
        let instance = outcome("start", instance, &mut store, &limits, clock)?;
        let calls = Calls::of(instance, &mut store);
        let (Some(memory), Ok(calls)) = (instance.get_memory(&mut store, "memory"), calls) else {
            // Admission has checked both.
            let kind = CallErrorKind::Trap("an export is missing".to_owned());
            return Err(CallError { call: "start", kind });
        };
        let (clock, ticker) = (Arc::clone(clock), Arc::clone(ticker));
        let mut sandbox =
            Self { store, instance, memory, calls, clock, ticker, limits, input: None, output: 0..0 };
        if let Some(initialize) = optional::<(), ()>(instance, &mut sandbox.store, "_initialize") {
            sandbox.call("_initialize", &initialize, ()).await?;
        }
        Ok(sandbox)
    }

    /// Sets the deadline of the calls from now on.
    pub(crate) fn set_deadline(&mut self, deadline: Span) {
        self.limits.call_deadline = deadline;
    }

    /// The guest's input buffer, which is part of the guest's state.
    pub(super) fn input(&self) -> Option<InputBuffer> {
        self.input
    }

    /// Sets the input buffer that belongs to the state which has overwritten the memory.
    pub(super) fn set_input(&mut self, input: Option<InputBuffer>) {
        self.input = input;
    }

    /// `udf_info`: an encoded InfoResponse.
    pub(crate) async fn info(&mut self) -> Result<&[u8], CallError> {
        let region = self.call("udf_info", &self.calls.info.clone(), ()).await?;
        self.region("udf_info", region)
    }

    /// `udf_state_version`: the version of the plugin's own snapshot format; zero if it has none.
    pub(crate) async fn state_version(&mut self) -> Result<u32, CallError> {
        match optional::<(), i32>(self.instance, &mut self.store, "udf_state_version") {
            Some(version) => Ok(self.call("udf_state_version", &version, ()).await? as u32),
            None => Ok(0),
        }
    }

    /// `udf_metric_values` and `udf_metrics`: the address of the values of the plugin's metrics, and what it says of
    /// them. `None` for a plugin without these functions.
    pub(crate) async fn metrics(&mut self) -> Result<Option<(u32, &[u8])>, CallError> {
        let (Some(values), Some(metrics)) = (
            optional::<(), i32>(self.instance, &mut self.store, "udf_metric_values"),
            optional::<(), i64>(self.instance, &mut self.store, "udf_metrics"),
        ) else {
            return Ok(None);
        };
        let address = self.call("udf_metric_values", &values, ()).await? as u32;
        let region = self.call("udf_metrics", &metrics, ()).await?;
        Ok(Some((address, self.region("udf_metrics", region)?)))
    }

    /// The values of `metrics`, 8 bytes each; nothing if they are outside of the memory.
    pub(crate) fn metric_values(&self, metrics: &MetricTable) -> &[u8] {
        self.memory().get(metrics.range()).unwrap_or_default()
    }

    /// `udf_init`: an encoded InitRequest in, an encoded InitResponse out.
    ///
    /// # Errors
    ///
    /// How the call failed.
    pub async fn init(&mut self, request: &[u8]) -> Result<&[u8], CallError> {
        let input = self.put("udf_init", request).await?;
        let region = self.call("udf_init", &self.calls.init.clone(), input).await?;
        self.region("udf_init", region)
    }

    /// `udf_process`: Request frames in, Response frames out.
    ///
    /// # Errors
    ///
    /// How the call failed.
    pub async fn process(&mut self, frames: &[u8]) -> Result<&[u8], CallError> {
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
    ///
    /// # Errors
    ///
    /// How the call failed.
    pub async fn finish(&mut self) -> Result<&[u8], CallError> {
        let region = self.call("udf_finish", &self.calls.finish.clone(), ()).await?;
        self.region("udf_finish", region)
    }

    /// `udf_snapshot`: an encoded SnapshotResponse, from a plugin with a format of its own.
    ///
    /// # Errors
    ///
    /// How the call failed.
    pub async fn snapshot(&mut self) -> Result<&[u8], CallError> {
        let Some(snapshot) = self.calls.snapshot.clone() else {
            return Err(missing("udf_snapshot"));
        };
        let region = self.call("udf_snapshot", &snapshot, ()).await?;
        self.region("udf_snapshot", region)
    }

    /// `udf_restore`: an encoded RestoreRequest in, an encoded RestoreResponse out.
    ///
    /// # Errors
    ///
    /// How the call failed.
    pub async fn restore(&mut self, request: &[u8]) -> Result<&[u8], CallError> {
        let Some(restore) = self.calls.restore.clone() else {
            return Err(missing("udf_restore"));
        };
        let input = self.put("udf_restore", request).await?;
        let region = self.call("udf_restore", &restore, input).await?;
        self.region("udf_restore", region)
    }

    /// The linear memory. Between two calls the guest's stack is empty, so this and the mutable
    /// globals are all of its state.
    pub(super) fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }

    /// Length of the linear memory in bytes.
    pub fn memory_size(&self) -> usize {
        self.memory.data_size(&self.store)
    }

    /// A copy of the linear memory, for the fuzz targets.
    pub fn copy_of_memory(&self) -> Vec<u8> {
        self.memory().to_vec()
    }

    /// The linear memory, to be overwritten, after growing it to `length` bytes.
    ///
    /// # Errors
    ///
    /// When it can't have this length, or `host.memory` has no room for it now.
    pub(super) async fn memory_mut(&mut self, length: usize) -> Result<&mut [u8], SnapshotError> {
        const PAGE: usize = 64 * 1024;
        const IMPOSSIBLE: SnapshotError = SnapshotError::Damaged("its memory has an impossible size");
        let missing = length.checked_sub(self.memory.data_size(&self.store)).ok_or(IMPOSSIBLE)?;
        if missing % PAGE != 0 {
            return Err(IMPOSSIBLE);
        }
        if missing > 0 {
            let pages = (missing / PAGE) as u64;
            if self.memory.grow_async(&mut self.store, pages).await.is_err() {
                return Err(match self.store.data_mut().limiter.refused.take() {
                    Some(Refused::Host(full)) => SnapshotError::NoMemory(full.to_string()),
                    _ => IMPOSSIBLE,
                });
            }
        }
        // The guest's input buffer is wherever the new contents say.
        self.input = None;
        Ok(self.memory.data_mut(&mut self.store))
    }

    /// An exported global.
    pub(super) fn global(&mut self, name: &str) -> Option<(Global, &mut Store<Guest>)> {
        let global = self.instance.get_global(&mut self.store, name)?;
        Some((global, &mut self.store))
    }

    /// `udf_input` with zero: the host releases the input buffer, so that neither it nor the guest's other buffers
    /// need to be part of a snapshot.
    pub(crate) async fn release_input(&mut self) -> Result<(), CallError> {
        if self.input.take().is_some() {
            self.call("udf_input", &self.calls.input.clone(), 0).await?;
        }
        Ok(())
    }

    /// Copies `bytes` into the guest's input buffer.
    async fn put(&mut self, call: &'static str, bytes: &[u8]) -> Result<(i32, i32), CallError> {
        let room = match self.input {
            Some((pointer, room)) if room >= bytes.len() => (pointer, room),
            _ => {
                // More than is needed now, so that a slightly longer run does not ask again.
                let room = bytes.len().next_power_of_two().max(4096);
                let asked = i32::try_from(room).map_err(|_| CallError {
                    call,
                    kind: CallErrorKind::Input { pointer: 0, length: bytes.len() },
                })?;
                let pointer = self.call("udf_input", &self.calls.input.clone(), asked).await?;
                (pointer as u32, room)
            }
        };
        let start = room.0 as usize;
        let target = start
            .checked_add(bytes.len())
            .and_then(|end| self.memory.data_mut(&mut self.store).get_mut(start..end))
            .ok_or(CallError {
                call: "udf_input",
                kind: CallErrorKind::Input { pointer: room.0, length: bytes.len() },
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
    ) -> Result<R, CallError>
    where
        P: wasmtime::WasmParams + Sync,
        R: wasmtime::WasmResults + Sync,
    {
        // Requests that were refused in earlier calls do not explain this call.
        let guest = self.store.data_mut();
        guest.limiter.refused = None;
        GuestLog::begin_call(&guest.log, name);
        // Two ticks, since the next one may come at once.
        self.store.set_epoch_deadline(2);
        let result = self
            .clock
            .run(&self.ticker, self.limits.call_deadline.0, function.call_async(&mut self.store, params))
            .await;
        outcome(name, result, &mut self.store, &self.limits, &self.clock)
    }

    /// The part of guest memory that `packed` names: `(pointer << 32) | length`.
    fn region(&self, call: &'static str, packed: i64) -> Result<&[u8], CallError> {
        Ok(&self.memory()[self.range(call, packed)?])
    }

    /// The region of guest memory that `packed` names, checked against its bounds.
    fn range(&self, call: &'static str, packed: i64) -> Result<Range<usize>, CallError> {
        let (pointer, length) = ((packed as u64 >> 32) as u32, packed as u32);
        let kind = if u64::from(length) > self.limits.output.0 {
            CallErrorKind::Output { length, limit: self.limits.output }
        } else {
            let (memory, start) = (self.memory().len(), pointer as usize);
            match start.checked_add(length as usize) {
                Some(end) if end <= memory => return Ok(start..end),
                _ => CallErrorKind::Region { pointer, length, memory },
            }
        };
        Err(CallError { call, kind })
    }
}
