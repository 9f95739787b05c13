//! Recovery with a scripted guest: what comes out is what would come out if the frames that fail had never come.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::Task;
use super::counts::Counts;
use super::error::TaskError;
use super::reply::Reply;
use super::reporter::Reporter;
use super::scripted::{ERROR, FAIL, GARBAGE, HEAVY, ScriptedProgram, TRAP};
use super::setup::Setup;
use crate::config::{EdgeCheck, Limits, OnTrap, Policy};
use crate::logging::Labels;
use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, Run, put_request};
use crate::sandbox::SandboxContext;
use crate::state::{SkippedRecords, Snapshot};
use crate::units;

/// One piece of what happens to a task.
#[derive(Clone, Debug)]
enum Step {
    /// A point with this value; it makes the guest fail at this field.
    Point(i64, Option<&'static str>),
    /// A batch of such points, whose Begin and End may make the guest fail.
    Batch { begin_fails: bool, points: Vec<(i64, Option<&'static str>)>, end_fails: bool },
    /// A batch in whose middle a snapshot is taken.
    SnapshotInBatch(i64, i64),
    /// The state is saved for recovery.
    Save,
    /// A snapshot is taken.
    Snapshot,
    /// Another task goes on with a snapshot of this one.
    Restart,
}

/// What a step comes down to.
#[derive(Clone, Debug)]
enum Action {
    /// A frame of input. It makes the guest fail, or has to go together with one that does.
    Frame {
        message: RequestMessage,
        fails: bool,
    },
    Save,
    Snapshot,
    Restart,
}

/// A sequence of actions for each step.
fn actions(steps: &[Step]) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut time = 0;
    let frame = |message, fails| Action::Frame { message, fails };
    let mut point = |value: i64, failure: Option<&str>| {
        time += 1;
        let mut point = Point { time, ..Point::default() };
        point.fields_int.insert("value".to_owned(), value);
        point.fields_int.extend(failure.map(|field| (field.to_owned(), 1)));
        RequestMessage::Point(point)
    };
    let fails = |failure: Option<&str>| failure.is_some_and(|field| field != HEAVY);
    for step in steps {
        match step {
            Step::Point(value, failure) => actions.push(frame(point(*value, *failure), fails(*failure))),
            Step::Batch { begin_fails, points, end_fails } => {
                // A batch whose Begin or End is left out is left out as a whole.
                let all_fails = *begin_fails || *end_fails;
                let name = |fails: bool| if fails { FAIL.to_owned() } else { "cpu".to_owned() };
                let begin = BeginBatch { name: name(*begin_fails), ..BeginBatch::default() };
                actions.push(frame(RequestMessage::Begin(begin), all_fails));
                for (value, failure) in points {
                    actions.push(frame(point(*value, *failure), all_fails || fails(*failure)));
                }
                let end = EndBatch { name: name(*end_fails), ..EndBatch::default() };
                actions.push(frame(RequestMessage::End(end), all_fails));
            }
            Step::SnapshotInBatch(before, after) => {
                actions.push(frame(RequestMessage::Begin(BeginBatch::default()), false));
                actions.push(frame(point(*before, None), false));
                actions.push(Action::Snapshot);
                actions.push(frame(point(*after, None), false));
                actions.push(frame(RequestMessage::End(EndBatch::default()), false));
            }
            Step::Save => actions.push(Action::Save),
            // A snapshot of the same state is not taken twice, and after a failure nobody knows that the state is
            // the same; with a point before it, there is a new state in any case.
            Step::Snapshot => actions.extend([frame(point(0, None), false), Action::Snapshot]),
            Step::Restart => actions.extend([frame(point(0, None), false), Action::Restart]),
        }
    }
    actions
}

/// What a run of the actions has led to.
#[derive(Debug, PartialEq)]
struct Outcome {
    output: Vec<u8>,
    points_seen: u64,
}

/// A task under test, and what has come out of it.
struct Bench {
    program: ScriptedProgram,
    policy: Policy,
    task: Task<ScriptedProgram>,
    output: Vec<u8>,
    /// Frames that wait for the next call.
    waiting: Vec<RequestMessage>,
    /// Counts of the tasks before this one.
    counts: Counts,
    inside: bool,
}

impl Bench {
    async fn start(program: ScriptedProgram, policy: Policy) -> Self {
        let task = start(program, policy).await;
        let (output, waiting) = (Vec::new(), Vec::new());
        Self { program, policy, task, output, waiting, counts: Counts::default(), inside: false }
    }

    /// Gives the waiting frames to the task as one run.
    async fn flush(&mut self) -> Result<(), TaskError> {
        let (mut frames, mut run) = (Vec::new(), Run::default());
        for message in self.waiting.drain(..) {
            self.inside = match message {
                RequestMessage::Begin(_) => true,
                RequestMessage::End(_) => false,
                _ => self.inside,
            };
            let (start, is_point) = (frames.len(), matches!(message, RequestMessage::Point(_)));
            put_request(message, &mut frames);
            run.count(is_point, frames.len() - start, self.inside);
        }
        if frames.is_empty() {
            return Ok(());
        }
        run.frames = Bytes::from(frames);
        let mut reply = Reply::default();
        let processed = self.task.process(&run, &mut reply).await;
        self.take(reply);
        processed
    }

    fn take(&mut self, reply: Reply) {
        let output = self.task.output(&reply).to_vec();
        self.output.extend(reply.into_buffer());
        self.output.extend(output);
    }

    async fn snapshot(&mut self) -> Vec<u8> {
        self.task.snapshot(units::Bytes::mib(1)).await.unwrap().0
    }

    async fn restart(&mut self) {
        let snapshot = self.snapshot().await;
        let mut next = start(self.program, self.policy).await;
        let snapshot = Snapshot::parse(&snapshot).unwrap();
        next.restore(&snapshot).await.unwrap();
        self.counts.add(&self.task.counts());
        self.task = next;
    }

    async fn finish(mut self) -> (Outcome, Counts) {
        let mut reply = Reply::default();
        self.task.finish(&mut reply).await.unwrap();
        self.take(reply);
        self.counts.add(&self.task.counts());
        let points_seen = self.task.points_seen();
        (Outcome { output: self.output, points_seen }, self.counts)
    }
}

async fn start(program: ScriptedProgram, policy: Policy) -> Task<ScriptedProgram> {
    let context = SandboxContext::without_session(Labels::default(), Limits::default());
    // Nothing can be written there, so that no case waits for a disk.
    let records = Arc::new(SkippedRecords::new(Path::new("/dev/null")));
    let reporter = Reporter::new(Arc::clone(&context.labels), [0; 32], records);
    Task::start_program(Setup { program, context, policy }, reporter, [0; 32], None).await.unwrap()
}

fn policy(on_trap: OnTrap) -> Policy {
    Policy { on_trap, edge_check: EdgeCheck::Loose, failures_per_minute: u32::MAX, ..Policy::default() }
}

/// Runs `actions`; a run of frames ends where `cuts` says so, and at every other action.
async fn run(
    program: ScriptedProgram,
    actions: &[Action],
    cuts: &[bool],
    with_failures: bool,
) -> (Outcome, Counts) {
    let mut bench = Bench::start(program, policy(OnTrap::Recover)).await;
    for (action, cut) in actions.iter().zip(cuts.iter().cycle()) {
        match action {
            Action::Frame { message, fails } => {
                if with_failures || !fails {
                    bench.waiting.push(message.clone());
                }
                if *cut {
                    bench.flush().await.unwrap();
                }
                continue;
            }
            Action::Save | Action::Snapshot | Action::Restart => bench.flush().await.unwrap(),
        }
        match action {
            Action::Save if !bench.task.is_in_batch() => {
                bench.task.supervisor.save();
            }
            Action::Snapshot => {
                bench.snapshot().await;
            }
            Action::Restart => bench.restart().await,
            _ => {}
        }
    }
    bench.flush().await.unwrap();
    bench.finish().await
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

fn any_failure() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        6 => Just(None),
        1 => Just(Some(TRAP)),
        1 => Just(Some(ERROR)),
        1 => Just(Some(GARBAGE)),
        1 => Just(Some(HEAVY)),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let points = proptest::collection::vec((-9i64..9, any_failure()), 0..5);
    let ends = || prop_oneof![4 => Just(false), 1 => Just(true)];
    prop_oneof![
        6 => (-9i64..9, any_failure()).prop_map(|(value, failure)| Step::Point(value, failure)),
        3 => (ends(), points, ends())
            .prop_map(|(begin_fails, points, end_fails)| Step::Batch { begin_fails, points, end_fails }),
        1 => (-9i64..9, -9i64..9).prop_map(|(before, after)| Step::SnapshotInBatch(before, after)),
        1 => Just(Step::Save),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Restart),
    ]
}

fn any_program() -> impl Strategy<Value = ScriptedProgram> {
    let kinds = prop_oneof![Just((false, true)), Just((true, true)), Just((true, false))];
    (kinds, any::<bool>()).prop_map(|((own_format, can_capture), reads_clock)| ScriptedProgram {
        own_format,
        can_capture,
        reads_clock,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn output_is_that_of_a_run_without_the_failing_frames(
        program in any_program(),
        steps in proptest::collection::vec(any_step(), 1..20),
        cuts in proptest::collection::vec(any::<bool>(), 1..30),
    ) {
        let actions = actions(&steps);
        let (recovered, counts) = runtime().block_on(run(program, &actions, &cuts, true));
        let (expected, _) = runtime().block_on(run(program, &actions, &cuts, false));
        prop_assert_eq!(recovered, expected);
        prop_assert_eq!(counts.processed + counts.skipped, counts.points_in);
    }
}
