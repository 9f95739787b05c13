//! Recovery with a scripted guest: what comes out is what would come out if the frames that fail had never come.

use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::counts::Counts;
use super::scripted::{DECLINE, ERROR, FAIL, GARBAGE, HEAVY, ScriptedProgram, TOGGLE, TRAP};
use super::supervisor::MAX_RECOVERIES;
use super::test_bench::{Bench, Outcome, policy};
use crate::config::{OnTrap, Policy};
use crate::protocol::client::receive;
use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, ResponseMessage};
use crate::units::Bytes;

/// One piece of what happens to a task.
#[derive(Clone, Debug)]
enum Step {
    /// A point with this value; it makes the guest fail at this field.
    Point(i64, Option<&'static str>),
    /// A batch of such points, whose Begin and End may make the guest fail.
    Batch { begin_fails: bool, points: Vec<(i64, Option<&'static str>)>, end_fails: bool },
    /// Points that the guest puts into a batch of its own, in whose middle the state is saved.
    OwnBatch(Vec<(i64, Option<&'static str>)>),
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
        message: Box<RequestMessage>,
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
    let frame = |message, fails| Action::Frame { message: Box::new(message), fails };
    let mut point = |value: i64, failure: Option<&str>| {
        // Times that go back, too.
        time = (time * 7 + 3) % 31;
        let mut point = Point { time, ..Point::default() };
        point.fields_int.insert("value".to_owned(), value);
        point.fields_int.extend(failure.map(|field| (field.to_owned(), 1)));
        RequestMessage::Point(point)
    };
    let fails =
        |failure: Option<&str>| failure.is_some_and(|field| ![HEAVY, TOGGLE, DECLINE].contains(&field));
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
            Step::OwnBatch(points) => {
                actions.extend([frame(point(0, Some(TOGGLE)), false), Action::Save]);
                for (value, failure) in points {
                    actions.push(frame(point(*value, *failure), fails(*failure)));
                }
                actions.push(frame(point(0, Some(TOGGLE)), false));
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

/// Runs `actions` with a task whose state belongs to a client, or not; a run of frames ends where `cuts` says so, and at
/// every other action.
async fn run(
    program: ScriptedProgram,
    actions: &[Action],
    cuts: &[bool],
    with_failures: bool,
    of_client: bool,
    tired: bool,
) -> (Outcome, Counts) {
    let policy = policy(OnTrap::Recover);
    let mut bench = if of_client {
        Bench::start_for_client(program, policy).await
    } else {
        Bench::start(program, policy).await
    };
    bench.tire(tired);
    for (action, cut) in actions.iter().zip(cuts.iter().cycle()) {
        match action {
            Action::Frame { message, fails } => {
                if with_failures || !fails {
                    bench.waiting.push((**message).clone());
                }
                if *cut {
                    bench.flush().await.unwrap();
                }
                continue;
            }
            Action::Save | Action::Snapshot | Action::Restart => bench.flush().await.unwrap(),
        }
        match action {
            Action::Save if !bench.task.supervisor.is_inside_batch() => {
                bench.task.supervisor.save().await;
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
        1 => Just(Some(DECLINE)),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let points = || proptest::collection::vec((-9i64..9, any_failure()), 0..5);
    let ends = || prop_oneof![4 => Just(false), 1 => Just(true)];
    prop_oneof![
        6 => (-9i64..9, any_failure()).prop_map(|(value, failure)| Step::Point(value, failure)),
        3 => (ends(), points(), ends())
            .prop_map(|(begin_fails, points, end_fails)| Step::Batch { begin_fails, points, end_fails }),
        1 => points().prop_map(Step::OwnBatch),
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

/// The number of points in `output`.
fn points_of(mut output: &[u8]) -> u64 {
    let responses = std::iter::from_fn(|| receive(&mut output).unwrap());
    responses.filter(|response| matches!(response, ResponseMessage::Point(_))).count() as u64
}

/// The counts of a task that was given the frames of `actions`, the points that came out, and whether all of the
/// frames were processed.
async fn count(
    program: ScriptedProgram,
    policy: Policy,
    actions: &[Action],
    cuts: &[bool],
    tired: bool,
) -> (Counts, u64, bool) {
    let mut bench = Bench::start(program, policy).await;
    bench.tire(tired);
    let mut result = Ok(());
    for (action, cut) in actions.iter().zip(cuts.iter().cycle()) {
        if let Action::Frame { message, .. } = action {
            bench.waiting.push((**message).clone());
        }
        if *cut && result.is_ok() {
            result = bench.flush().await;
        }
    }
    if result.is_ok() {
        result = bench.flush().await;
    }
    (bench.task.counts(), points_of(&bench.output), result.is_ok())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn output_is_that_of_a_run_without_the_failing_frames(
        program in any_program(),
        of_client in any::<bool>(),
        tired in any::<bool>(),
        steps in proptest::collection::vec(any_step(), 1..40),
        cuts in proptest::collection::vec(any::<bool>(), 1..30),
    ) {
        let actions = actions(&steps);
        // More in a row cost the state, unless it belongs to a client.
        let failing = actions.iter().filter(|action| matches!(action, Action::Frame { fails: true, .. }));
        let of_client = of_client || failing.count() >= MAX_RECOVERIES as usize;
        let (recovered, counts) = runtime().block_on(run(program, &actions, &cuts, true, of_client, tired));
        let (expected, _) = runtime().block_on(run(program, &actions, &cuts, false, of_client, false));
        prop_assert_eq!(&recovered, &expected);
        let good = actions.iter().filter(|action| {
            matches!(action, Action::Frame { message, fails: false } if matches!(**message, RequestMessage::Point(_)))
        });
        let good = good.count() as u64;
        prop_assert_eq!((recovered.points_seen, recovered.counted), (good, good));
        prop_assert_eq!(counts.processed + counts.skipped, counts.points_in);
    }

    #[test]
    fn counts_add_up_with_every_policy(
        program in any_program(),
        on_trap in prop_oneof![
            Just(OnTrap::Recover), Just(OnTrap::Restart), Just(OnTrap::PassThrough), Just(OnTrap::Fail)
        ],
        small_journal in any::<bool>(),
        tired in any::<bool>(),
        steps in proptest::collection::vec(any_step(), 1..20),
        cuts in proptest::collection::vec(any::<bool>(), 1..30),
    ) {
        let journal = if small_journal { Bytes(100) } else { policy(on_trap).journal };
        let policy = Policy { journal, ..policy(on_trap) };
        let (counts, points_out, all) = runtime().block_on(count(program, policy, &actions(&steps), &cuts, tired));
        let Counts { points_in, processed, declined, skipped, passed_through, .. } = counts;
        prop_assert_eq!(processed + skipped + passed_through + counts.unfinished(), points_in);
        prop_assert_eq!(counts.taken_in() + declined, processed);
        prop_assert_eq!(counts.points_out, points_out);
        if all {
            prop_assert_eq!(counts.unfinished(), 0);
        }
    }
}
