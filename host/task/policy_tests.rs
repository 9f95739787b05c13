//! What a task does after its guest has failed, for each policy, with a scripted guest.

use tokio::runtime::Builder;

use super::scripted::{ERROR, FAIL, MOST, ScriptedProgram, TRAP, decode};
use super::test_bench::{Bench, policy};
use crate::config::{OnTrap, Policy};
use crate::protocol::client::receive;
use crate::protocol::{BeginBatch, EndBatch, Point, RequestMessage, ResponseMessage};
use crate::state::Snapshot;
use crate::units::Bytes;

/// A program whose state is saved as its memory.
const PROGRAM: ScriptedProgram = ScriptedProgram { own_format: false, can_capture: true, reads_clock: false };

fn point(value: i64, field: Option<&str>) -> RequestMessage {
    let mut point = Point { time: value, ..Point::default() };
    point.fields_int.insert("value".to_owned(), value);
    point.fields_int.extend(field.map(|field| (field.to_owned(), 0)));
    RequestMessage::Point(point)
}

fn begin(name: &str) -> RequestMessage {
    RequestMessage::Begin(BeginBatch { name: name.to_owned(), ..BeginBatch::default() })
}

fn end(name: &str) -> RequestMessage {
    RequestMessage::End(EndBatch { name: name.to_owned(), ..EndBatch::default() })
}

/// Gives `messages` to a task as one run, and lets `check` look at the task.
fn with_task<T>(
    program: ScriptedProgram,
    policy: Policy,
    runs: &[&[RequestMessage]],
    check: impl AsyncFnOnce(Bench, Result<(), String>) -> T,
) -> T {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let mut bench = Bench::start(program, policy).await;
        let mut result = Ok(());
        for run in runs {
            bench.waiting.extend_from_slice(run);
            result = bench.flush().await.map_err(|e| e.to_string());
        }
        check(bench, result).await
    })
}

/// The field `name` of the points that came out.
fn numbers(output: &[u8], name: &str) -> Vec<i64> {
    let mut reader = output;
    let responses = std::iter::from_fn(|| receive(&mut reader).unwrap());
    let points = responses.filter_map(|response| match response {
        ResponseMessage::Point(point) => point.fields_int.get(name).copied(),
        _ => None,
    });
    points.collect()
}

#[test]
fn recover_skips_the_failing_point_and_keeps_the_state() {
    let run = [point(1, None), point(10, Some(TRAP)), point(100, None)];
    with_task(PROGRAM, policy(OnTrap::Recover), &[&run], async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), [1, 101]);
        let counts = bench.task.counts();
        assert_eq!((counts.points_in, counts.processed, counts.skipped), (3, 2, 1));
    });
}

#[test]
fn restart_loses_the_state_and_the_rest_of_the_batch() {
    let run =
        [begin("a"), point(1, None), point(10, Some(TRAP)), point(100, None), end("a"), point(1000, None)];
    with_task(PROGRAM, policy(OnTrap::Restart), &[&run], async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), [1000]);
        let counts = bench.task.counts();
        assert_eq!((counts.points_in, counts.processed, counts.skipped), (4, 1, 3));
        assert_eq!(bench.task.points_seen(), 1);
    });
}

#[test]
fn restart_gives_nothing_of_a_batch_that_began_before() {
    let runs: [&[_]; 2] = [
        &[begin("a"), point(1, None)],
        &[point(10, None), point(20, Some(TRAP)), end("a"), point(1000, None)],
    ];
    with_task(PROGRAM, policy(OnTrap::Restart), &runs, async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), [1000]);
        let counts = bench.task.counts();
        assert_eq!((counts.points_in, counts.processed, counts.skipped), (4, 1, 3));
    });
}

#[test]
fn pass_through_gives_the_input_back_from_the_failing_call_on() {
    let runs: [&[_]; 2] = [&[point(1, None)], &[point(10, None), point(100, Some(ERROR))]];
    with_task(PROGRAM, policy(OnTrap::PassThrough), &runs, async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), [1]);
        assert_eq!(numbers(&bench.output, "value"), [10, 100]);
        assert!(!bench.task.is_in_batch());
    });
}

#[test]
fn fail_ends_the_task_with_the_failure() {
    with_task(PROGRAM, policy(OnTrap::Fail), &[&[point(1, Some(TRAP))]], async |_, result| {
        assert_eq!(result, Err("udf_process: panicked: as the point says".to_owned()));
    });
}

#[test]
fn too_many_failures_end_the_task() {
    let policy = Policy { failures_per_minute: 2, ..policy(OnTrap::Recover) };
    let run = [point(1, Some(TRAP)), point(2, Some(TRAP)), point(3, Some(TRAP))];
    with_task(PROGRAM, policy, &[&run], async |_, result| {
        let error = result.unwrap_err();
        assert!(error.ends_with("has failed more than policy.failures-per-minute = 2 times"), "{error}");
    });
}

#[test]
fn plugin_that_fails_in_the_state_that_it_is_brought_back_to_restarts() {
    // It counts to two, and traps at the third point in this state.
    let counted = || point(0, None);
    let points: Vec<_> = (0..75)
        .map(|_| {
            let RequestMessage::Point(mut point) = counted() else { unreachable!() };
            point.fields_int.insert(MOST.to_owned(), 2);
            RequestMessage::Point(point)
        })
        .collect();
    let singly: Vec<&[RequestMessage]> = points.chunks(1).collect();
    // After two and twenty that fail, each point passes that is given alone, the last time to a fresh guest. Of a run
    // two of three pass, since the third one is skipped.
    for (runs, passed) in [(singly, 2 + 53), (vec![&points[..]], 2 + 36)] {
        with_task(PROGRAM, policy(OnTrap::Recover), &runs, async |bench, result| {
            assert_eq!(result, Ok(()));
            assert_eq!(numbers(&bench.output, "sum").len(), passed);
            let counts = bench.task.counts();
            assert_eq!((counts.points_in, counts.processed), (75, passed as u64));
            assert_eq!(counts.skipped, 75 - passed as u64);
        });
    }
}

#[test]
fn plugin_that_fails_at_everything_ends_the_task() {
    let failing = vec![point(1, Some(TRAP)); 100];
    let singly: Vec<&[RequestMessage]> = failing.chunks(1).collect();
    for (on_trap, skipped) in [(OnTrap::Recover, 80), (OnTrap::Restart, 60)] {
        for runs in [&singly[..skipped], &[&failing[..skipped]]] {
            with_task(PROGRAM, policy(on_trap), runs, async |bench, result| {
                let error = result.unwrap_err();
                assert!(error.contains("the plugin has failed 60 times in a row"), "{error}");
                assert_eq!(bench.task.counts().skipped, skipped as u64);
            });
        }
    }
}

#[test]
fn points_that_pass_between_keep_the_policy() {
    let mut run = Vec::new();
    for _ in 0..10 {
        run.extend(vec![point(1, Some(TRAP)); 19]);
        run.push(point(1, None));
    }
    with_task(PROGRAM, policy(OnTrap::Recover), &[&run], async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), (1..=10).collect::<Vec<_>>());
    });
}

#[test]
fn batches_whose_ends_fail_are_failures_in_a_row() {
    let mut run = vec![point(7, None)];
    for _ in 0..20 {
        run.extend([begin("a"), point(1, None), end(FAIL)]);
    }
    run.push(point(1, None));
    with_task(PROGRAM, policy(OnTrap::Recover), &[&run], async |bench, result| {
        assert_eq!(result, Ok(()));
        // The state is lost.
        assert_eq!(numbers(&bench.output, "sum"), [7, 1]);
    });
}

#[test]
fn batch_whose_end_fails_leaves_no_trace() {
    let run = [begin("a"), point(1, None), end(FAIL), point(10, None)];
    with_task(PROGRAM, policy(OnTrap::Recover), &[&run], async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), [10]);
        assert_eq!(bench.task.points_seen(), 1);
    });
}

#[test]
fn batch_larger_than_the_journal_is_skipped_whole() {
    let policy = Policy { journal: Bytes(300), ..policy(OnTrap::Recover) };
    // The batch is longer than the journal, and no state is saved inside of it.
    let batch: Vec<_> = [begin("a")].into_iter().chain((0..20).map(|_| point(1, None))).collect();
    let rest = [point(1, Some(TRAP)), point(1, None), end("a"), point(5, None)];
    with_task(PROGRAM, policy, &[&[point(1000, None)], &batch, &rest], async |bench, result| {
        assert_eq!(result, Ok(()));
        assert_eq!(numbers(&bench.output, "sum"), [1000, 1005]);
        assert_eq!(bench.task.points_seen(), 2);
        let counts = bench.task.counts();
        assert_eq!(counts.processed + counts.skipped, counts.points_in);
    });
}

#[test]
fn state_is_saved_between_large_batches_that_follow_each_other() {
    let policy = Policy { journal: Bytes(300), ..policy(OnTrap::Recover) };
    // Each run begins and ends inside of a batch.
    let mut runs = vec![vec![point(7, None), begin("a")]];
    for _ in 0..3 {
        let batch = (0..20).map(|_| point(1, None));
        runs.push(batch.chain([end("a"), begin("a")]).collect());
    }
    runs.push(vec![point(1, Some(TRAP)), end("a"), point(5, None)]);
    let runs: Vec<&[_]> = runs.iter().map(Vec::as_slice).collect();
    with_task(PROGRAM, policy, &runs, async |bench, result| {
        assert_eq!(result, Ok(()));
        // Three batches of 20 points, each with a Begin (1000) and an End (10,000).
        assert_eq!(numbers(&bench.output, "sum").last(), Some(&(7 + 3 * 11_020 + 11_000 + 5)));
        let counts = bench.task.counts();
        assert_eq!((counts.points_in, counts.processed, counts.skipped), (63, 62, 1));
    });
}

#[test]
fn snapshot_inside_a_batch_is_the_state_of_before_it() {
    for own_format in [false, true] {
        let program = ScriptedProgram { own_format, ..PROGRAM };
        let run = [point(7, None), begin("a"), point(1, None)];
        with_task(program, policy(OnTrap::Recover), &[&run], async |mut bench, _| {
            let snapshot = Snapshot::parse(&bench.snapshot().await).unwrap();
            assert_eq!(decode(&snapshot.payload(Bytes::mib(1)).unwrap()).sum(), 7);
            assert_eq!(snapshot.header.points_seen, 1);
            // The guest that is inside the batch goes on.
            bench.waiting.extend([point(1, None), end("a")]);
            bench.flush().await.unwrap();
            assert_eq!(numbers(&bench.output, "sum"), [7, 1008, 1009]);
        });
    }
}

#[test]
fn clock_of_the_guest_is_the_time_of_its_frame() {
    let program = ScriptedProgram { reads_clock: true, ..PROGRAM };
    let run = [point(4, None), point(8, Some(TRAP)), point(6, None)];
    with_task(program, policy(OnTrap::Recover), &[&run], async |bench, _| {
        let mut reader = &bench.output[..];
        for (now, latest) in [(4, 4), (6, 6)] {
            let Some(ResponseMessage::Point(point)) = receive(&mut reader).unwrap() else {
                panic!("a point")
            };
            let clock = &point.fields_string["clock"];
            assert!(clock.contains(&format!("now: {now}, latest: {latest}")), "{clock}");
        }
    });
}

#[test]
fn snapshot_inside_a_batch_that_the_journal_does_not_hold_is_the_state_of_before_it() {
    let policy = Policy { journal: Bytes(300), ..policy(OnTrap::Recover) };
    let batch: Vec<_> =
        [point(7, None), begin("a")].into_iter().chain((0..20).map(|_| point(1, None))).collect();
    with_task(PROGRAM, policy, &[&batch], async |mut bench, _| {
        let snapshot = Snapshot::parse(&bench.snapshot().await).unwrap();
        assert_eq!(decode(&snapshot.payload(Bytes::mib(1)).unwrap()).sum(), 7);
        assert_eq!(snapshot.header.points_seen, 1);
    });
}
