//! A scripted program, whose guests run natively: they fail where the input tells them to, and put all of their
//! state into what they return.

use std::sync::{Arc, LazyLock};

use prost::Message;

use super::error::{StartError, TaskError};
use super::program::{Guest, Program};
use crate::protocol::frame;
use crate::protocol::{
    BeginBatch, EdgeType, EndBatch, Point, RequestMessage, ResponseMessage, RestoreRequest, RestoreResponse,
    SnapshotResponse, put_error, put_response,
};
use crate::sandbox::{
    CallError, CallErrorKind, Determinism, GuestLog, MetricDescription, MetricKind, MetricTable,
    SandboxContext, SharedLog,
};
use crate::state::{PluginIdentity, Provenance, Snapshot, SnapshotError, of_plugin};
use crate::units::{Bytes, Span};

/// Field of a point at which the guest traps.
pub const TRAP: &str = "trap";

/// Field of a point at which the guest returns an Error response.
pub const ERROR: &str = "error";

/// Field of a point at which the guest returns bytes that are no response.
pub const GARBAGE: &str = "garbage";

/// Field of a point of which a call may have one at most, or it exceeds its deadline.
pub const HEAVY: &str = "heavy";

/// Field of a point at which the guest begins a batch in its output, or ends the one that it has begun.
pub const TOGGLE: &str = "toggle";

/// Field of a point whose value is the number of points that the guest can count: it traps at one more.
pub const MOST: &str = "most";

/// Field of a point that the guest skips by itself.
pub const DECLINE: &str = "decline";

/// Name of a Begin or End at which the guest traps.
pub const FAIL: &str = "fail";

/// The state of a guest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// Sum of all values.
    sum: i64,
    /// Number of points in the current batch.
    in_batch: u64,
    /// Numbers of calls other than `udf_process`, which change the state too.
    snapshots: u64,
    releases: u64,
    /// Whether the guest has begun a batch in its output, beside the ones of the input.
    toggled: bool,
    /// Whether a batch is open in the input.
    inside: bool,
    /// The counter of the points that it was given, those of a batch from its End on, as it lies in its memory.
    points: [u8; 8],
}

impl State {
    fn count(&mut self, points: u64) {
        self.points = (u64::from_le_bytes(self.points) + points).to_le_bytes();
    }

    /// Sum of all values.
    pub fn sum(&self) -> i64 {
        self.sum
    }
}

/// A program with these properties.
#[derive(Clone, Copy, Debug)]
pub struct ScriptedProgram {
    /// Whether it has a snapshot format of its own.
    pub own_format: bool,
    /// Whether the memory of its guests can be captured.
    pub can_capture: bool,
    /// Whether it reads the clock.
    pub reads_clock: bool,
}

/// A running guest.
pub struct ScriptedGuest {
    state: State,
    clock: Option<Determinism>,
    log: SharedLog,
    returned: Vec<u8>,
    /// Whether a call has failed; there must be none after it.
    failed: bool,
}

impl ScriptedGuest {
    fn trap(&mut self, kind: CallErrorKind) -> CallError {
        self.failed = true;
        CallError { call: "udf_process", kind }
    }

    /// A point that shows the whole state.
    fn show(&self, time: i64) -> ResponseMessage {
        let State { sum, in_batch, snapshots, releases, .. } = self.state;
        let mut point = Point { time, ..Point::default() };
        let numbers = [("sum", sum), ("in_batch", in_batch as i64), ("snapshots", snapshots as i64)];
        point.fields_int.extend(numbers.map(|(name, value)| (name.to_owned(), value)));
        point.fields_int.insert("releases".to_owned(), releases as i64);
        if let Some(clock) = &self.clock {
            point.fields_string.insert("clock".to_owned(), format!("{:?}", clock.state()));
        }
        ResponseMessage::Point(point)
    }

    fn process_all(&mut self, frames: &[u8]) -> Result<(), CallError> {
        assert!(!self.failed, "a guest that has failed is called again");
        self.returned.clear();
        let (mut rest, mut heavy) = (frames, 0);
        while let Some((_, frame, after)) = frame::first_data(rest) {
            rest = after;
            match frame::message(frame).expect("a data frame") {
                RequestMessage::Begin(begin) => {
                    self.state.in_batch = 0;
                    self.state.inside = true;
                    self.state.sum += 1000;
                    if begin.name == FAIL {
                        return Err(self.trap(CallErrorKind::Trap("at a begin".to_owned())));
                    }
                    put_response(ResponseMessage::Begin(begin), &mut self.returned);
                }
                RequestMessage::End(end) => {
                    self.state.sum += 10_000;
                    self.state.inside = false;
                    self.state.count(self.state.in_batch);
                    if end.name == FAIL {
                        return Err(self.trap(CallErrorKind::Trap("at an end".to_owned())));
                    }
                    put_response(ResponseMessage::End(end), &mut self.returned);
                }
                RequestMessage::Point(point) => {
                    // The state changes before the call fails, so that it shows if it is not brought back.
                    self.state.sum += point.fields_int.values().sum::<i64>();
                    self.state.in_batch += 1;
                    if !self.state.inside {
                        self.state.count(1);
                    }
                    let has = |field: &str| point.fields_int.contains_key(field);
                    if has(TRAP) {
                        return Err(self.trap(CallErrorKind::Panic("as the point says".to_owned())));
                    }
                    if point.fields_int.get(MOST).is_some_and(|most| self.state.in_batch > *most as u64) {
                        return Err(self.trap(CallErrorKind::Panic("it can't count so far".to_owned())));
                    }
                    heavy += u32::from(has(HEAVY));
                    if heavy > 1 {
                        let limit = Span(std::time::Duration::from_secs(1));
                        return Err(self.trap(CallErrorKind::Deadline { deadline: limit, at: String::new() }));
                    }
                    if has(DECLINE) {
                        GuestLog::decline(&self.log, 1);
                        continue;
                    }
                    put_response(self.show(point.time), &mut self.returned);
                    if has(TOGGLE) {
                        self.state.toggled = !self.state.toggled;
                        put_response(
                            if self.state.toggled {
                                ResponseMessage::Begin(BeginBatch::default())
                            } else {
                                ResponseMessage::End(EndBatch::default())
                            },
                            &mut self.returned,
                        );
                    }
                    if has(ERROR) {
                        self.failed = true;
                        put_error("as the point says", &mut self.returned);
                        return Ok(());
                    }
                    if has(GARBAGE) {
                        self.failed = true;
                        self.returned.extend([1, 0xff]);
                        return Ok(());
                    }
                }
                other => panic!("no data: {other:?}"),
            }
        }
        Ok(())
    }
}

impl Guest for ScriptedGuest {
    async fn process(&mut self, frames: &[u8]) -> Result<&[u8], CallError> {
        self.process_all(frames)?;
        Ok(&self.returned)
    }

    fn output(&self) -> &[u8] {
        &self.returned
    }

    async fn finish(&mut self) -> Result<&[u8], CallError> {
        self.returned.clear();
        let last = self.show(0);
        put_response(last, &mut self.returned);
        Ok(&self.returned)
    }

    async fn snapshot(&mut self) -> Result<&[u8], CallError> {
        assert!(!self.failed, "a guest that has failed is called again");
        self.state.snapshots += 1;
        self.returned =
            SnapshotResponse { snapshot: encode(&self.state), ..SnapshotResponse::default() }.encode_to_vec();
        Ok(&self.returned)
    }

    async fn restore(&mut self, request: &[u8]) -> Result<&[u8], CallError> {
        let request = RestoreRequest::decode(request).expect("a RestoreRequest");
        self.state = decode(&request.snapshot);
        self.returned = RestoreResponse { success: true, error: String::new() }.encode_to_vec();
        Ok(&self.returned)
    }

    async fn release_input(&mut self) -> Result<(), CallError> {
        assert!(!self.failed, "a guest that has failed is called again");
        self.state.releases += 1;
        Ok(())
    }

    fn set_deadline(&mut self, _: Span) {}

    fn metric_values(&self, _: &MetricTable) -> &[u8] {
        &self.state.points
    }

    fn memory_size(&self) -> usize {
        size_of::<State>()
    }
}

impl ScriptedProgram {
    fn guest(self, context: &SandboxContext, state: State) -> ScriptedGuest {
        let clock = self.reads_clock.then(|| context.determinism.clone());
        ScriptedGuest {
            state,
            clock,
            log: SharedLog::clone(&context.log),
            returned: Vec::new(),
            failed: false,
        }
    }
}

impl Program for ScriptedProgram {
    type Guest = ScriptedGuest;
    type Memory = State;

    fn identity(&self) -> PluginIdentity<'_> {
        PluginIdentity {
            name: "scripted",
            sha256: [7; 32],
            abi: 1,
            own_format: self.own_format,
            state_version: 0,
        }
    }

    fn provides(&self) -> EdgeType {
        EdgeType::Stream
    }

    fn metrics(&self) -> &Arc<MetricTable> {
        static METRICS: LazyLock<Arc<MetricTable>> = LazyLock::new(|| {
            let (kind, name) = (MetricKind::Counter, "points".to_owned());
            let points = MetricDescription { kind, name, help: String::new() };
            Arc::new(MetricTable::new(vec![points], 0))
        });
        &METRICS
    }

    fn reads_clock(&self) -> bool {
        self.reads_clock
    }

    fn can_capture(&self) -> bool {
        self.can_capture
    }

    async fn start(&self, context: &SandboxContext) -> Result<ScriptedGuest, StartError> {
        Ok(self.guest(context, State::default()))
    }

    async fn capture(&self, guest: &mut ScriptedGuest, _: Option<State>) -> Option<State> {
        self.can_capture.then_some(guest.state)
    }

    fn size_of(_: &State) -> usize {
        size_of::<State>()
    }

    async fn revive(&self, context: &SandboxContext, memory: &State) -> Result<ScriptedGuest, TaskError> {
        Ok(self.guest(context, *memory))
    }

    async fn save(
        &self,
        guest: &mut ScriptedGuest,
        provenance: &Provenance<'_>,
    ) -> Result<Vec<u8>, SnapshotError> {
        Ok(of_plugin(&encode(&guest.state), provenance))
    }

    async fn load(
        &self,
        context: &SandboxContext,
        snapshot: &Snapshot,
    ) -> Result<ScriptedGuest, SnapshotError> {
        Ok(self.guest(context, decode(&snapshot.payload(Bytes::mib(1))?)))
    }
}

fn encode(state: &State) -> Vec<u8> {
    let State { sum, in_batch, snapshots, releases, toggled, inside, points } = *state;
    [sum as u64, in_batch, snapshots, releases, toggled.into(), inside.into(), u64::from_le_bytes(points)]
        .into_iter()
        .flat_map(u64::to_le_bytes)
        .collect()
}

/// The state in a snapshot's payload.
pub fn decode(bytes: &[u8]) -> State {
    let numbers: Vec<u64> = bytes.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
    let [sum, in_batch, snapshots, releases, toggled, inside, points] = numbers[..] else {
        panic!("not a state: {bytes:?}")
    };
    let points = points.to_le_bytes();
    State {
        sum: sum as i64,
        in_batch,
        snapshots,
        releases,
        toggled: toggled == 1,
        inside: inside == 1,
        points,
    }
}
