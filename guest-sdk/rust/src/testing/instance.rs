//! One running plugin, which is brought back to the state before a call that failed.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::buffer::Buffer;
use crate::calls::Calls;
use crate::error::{Error, Result};
use crate::log_native::{self, Told};
use crate::numbers::STATE_VERSION;
use crate::testing::sent::{read_answer, read_frames};
use crate::wire::{self, Fields};

/// Field of the options in what stands for a snapshot of memory.
const INIT: u32 = 1;
/// Field of a run in what stands for a snapshot of memory.
const RUN: u32 = 2;

/// A plugin, and all that its state is made from.
pub struct Instance {
    new: fn() -> Box<dyn Calls>,
    calls: Box<dyn Calls>,
    /// The InitRequest.
    init: Vec<u8>,
    /// The RestoreRequest that the plugin began with.
    restored: Option<Vec<u8>>,
    /// The runs since then that have not failed.
    journal: Vec<Vec<u8>>,
    pub told: Told,
}

impl Instance {
    pub fn start(new: fn() -> Box<dyn Calls>, init: Vec<u8>) -> Result<Self> {
        let told = Told::default();
        let mut instance = Self { new, calls: new(), init, restored: None, journal: Vec::new(), told };
        instance.begin()?;
        Ok(instance)
    }

    /// Processes a run; returns frames without an error.
    pub fn process(&mut self, frames: &[u8]) -> Result<Vec<u8>> {
        let result = self.call(Some(frames), |calls| calls.process(frames.len()));
        let result = result.and_then(|result| read_frames(&result).map(|_| result));
        match &result {
            Ok(_) => self.journal.push(frames.to_vec()),
            Err(_) => self.go_back(),
        }
        result
    }

    /// The value of a metric, or the names of all metrics if it is not one of them.
    pub fn metric(&mut self, name: &str) -> Result<f64, String> {
        self.calls.metrics();
        let described = String::from_utf8_lossy(self.calls.result()).into_owned();
        let mut names = Vec::new();
        for (index, line) in described.lines().enumerate() {
            let mut words = line.split(' ');
            let (kind, found) = (words.next(), words.next().unwrap_or_default());
            if found == name {
                let bits = self.calls.metric_value(index).unwrap_or_default();
                return Ok(if kind == Some("counter") { bits as f64 } else { f64::from_bits(bits) });
            }
            names.push(found);
        }
        Err(names.join(", "))
    }

    pub fn finish(&mut self) -> Result<Vec<u8>> {
        self.call(None, |calls| calls.finish())
    }

    pub fn snapshot(&mut self) -> Vec<u8> {
        if self.calls.state_version() == 0 {
            let mut snapshot = Buffer::new();
            wire::put_bytes(INIT, &self.init, &mut snapshot);
            self.journal.iter().for_each(|run| wire::put_bytes(RUN, run, &mut snapshot));
            return snapshot.to_vec();
        }
        match self.call(None, |calls| calls.snapshot()) {
            Ok(result) => Fields(&result).with_number(1).map_or(Vec::new(), |field| field.bytes.to_vec()),
            Err(e) => panic!("{e}"),
        }
    }

    /// Restores a snapshot in a version of the plugin's own format, or in what it has now.
    pub fn restore(&mut self, version: Option<u32>, snapshot: &[u8]) -> Result<()> {
        self.start_anew();
        self.begin()?;
        let result = match version.unwrap_or_else(|| self.calls.state_version()) {
            0 => self.restore_memory(snapshot),
            version => self.restore_own_format(version, snapshot),
        };
        if result.is_err() {
            self.start_anew();
            self.begin()?;
        }
        result
    }

    fn restore_memory(&mut self, snapshot: &[u8]) -> Result<()> {
        let init = Fields(snapshot).with_number(INIT).map(|field| field.bytes);
        if init.unwrap_or_default() != self.init {
            return Err(Error::new("a snapshot of memory fits only the same plugin with the same options"));
        }
        let runs = Fields(snapshot).filter(|field| field.number == RUN);
        self.journal = runs.map(|run| run.bytes.to_vec()).collect();
        self.replay();
        Ok(())
    }

    fn restore_own_format(&mut self, version: u32, snapshot: &[u8]) -> Result<()> {
        let mut request = Buffer::new();
        wire::put_bytes(1, snapshot, &mut request);
        wire::put_int(STATE_VERSION, version.into(), &mut request);
        let answer = self.call(Some(&request), |calls| calls.restore(request.len()))?;
        read_answer(&answer)?;
        self.restored = Some(request.to_vec());
        Ok(())
    }

    /// Forgets the state.
    fn start_anew(&mut self) {
        self.calls = (self.new)();
        self.restored = None;
        self.journal.clear();
    }

    /// Gives a new plugin its options.
    fn begin(&mut self) -> Result<()> {
        let init = self.init.clone();
        let answer = self.call(Some(&init), |calls| calls.init(init.len()))?;
        read_answer(&answer)
    }

    /// Brings back the state before a call that failed: a new plugin gets the same input again.
    fn go_back(&mut self) {
        self.calls = (self.new)();
        self.begin().expect("the plugin has started with these options before");
        if let Some(request) = self.restored.clone() {
            self.call(Some(&request), |calls| calls.restore(request.len()))
                .expect("the plugin has restored this snapshot before");
        }
        self.replay();
    }

    /// Gives the runs of the journal again; what comes of them was there before.
    fn replay(&mut self) {
        let told = self.told.clone();
        log_native::mute(true);
        for run in std::mem::take(&mut self.journal) {
            self.call(Some(&run), |calls| calls.process(run.len()))
                .expect("the plugin has taken this input before, so a `static` of its own has changed since");
            self.journal.push(run);
        }
        log_native::mute(false);
        self.told = told;
    }

    /// Makes a call; returns its result. A panic is a failure.
    fn call(&mut self, input: Option<&[u8]>, run: impl FnOnce(&mut dyn Calls)) -> Result<Vec<u8>> {
        let calls = &mut *self.calls;
        drop(log_native::take());
        let result = catch_unwind(AssertUnwindSafe(|| {
            if let Some(input) = input {
                calls.input(input.len())[..input.len()].copy_from_slice(input);
            }
            run(calls);
            calls.result().to_vec()
        }));
        self.told.add(log_native::take());
        result.map_err(|panic| {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Error::new(format!("the plugin panicked: {}", text.unwrap_or("no message")))
        })
    }
}
