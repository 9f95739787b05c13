//! The inbox, with what Kapacitor sends and with what it never would.

use super::*;
use crate::protocol::frame::Fence;
use crate::protocol::{
    BeginBatch, EndBatch, FenceRequest, KeepaliveRequest, Point, RequestMessage, RestoreRequest,
    SnapshotRequest, put_request,
};

fn room(queue: u64, on_full: OnFull) -> InboxLimits {
    InboxLimits { message: units::Bytes::mib(1), queue: units::Bytes(queue), on_full }
}

fn inbox(messages: impl IntoIterator<Item = RequestMessage>) -> (Inbox, Vec<i64>) {
    let mut inbox = Inbox::new(room(1 << 20, OnFull::Block));
    let mut bytes = Vec::new();
    for message in messages {
        put_request(message, &mut bytes);
    }
    inbox.space().extend_from_slice(&bytes);
    let mut keepalives = Vec::new();
    inbox.sort(|time| keepalives.push(time)).unwrap();
    (inbox, keepalives)
}

fn point() -> RequestMessage {
    RequestMessage::Point(Point::default())
}

#[test]
fn keepalives_overtake_and_requests_keep_their_place() {
    let (mut inbox, keepalives) = inbox([
        point(),
        point(),
        RequestMessage::Keepalive(KeepaliveRequest { time: 7 }),
        RequestMessage::Snapshot(SnapshotRequest {}),
        point(),
    ]);
    assert_eq!(keepalives, [7]);
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 2, .. }))));
    assert!(matches!(inbox.take(), Some(InboxItem::Control(_))));
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
    assert!(inbox.take().is_none());
}

#[test]
fn a_run_knows_where_in_a_batch_it_ends() {
    let begin = || RequestMessage::Begin(BeginBatch::default());
    let end = || RequestMessage::End(EndBatch::default());
    let snapshot = || RequestMessage::Snapshot(SnapshotRequest {});
    let (mut inbox, _) = inbox([
        begin(),
        point(),
        end(),
        begin(),
        point(),
        point(),
        RequestMessage::Restore(RestoreRequest::default()),
        point(),
        RequestMessage::Restore(RestoreRequest::default()),
        point(),
        end(),
        snapshot(),
        point(),
    ]);
    let mut runs = Vec::new();
    while let Some(item) = inbox.take() {
        if let InboxItem::Run(Run { points, tail, in_batch, batches, .. }) = item {
            runs.push((points, tail, in_batch, batches));
        }
    }
    assert_eq!(runs, [(3, 2, true, true), (1, 1, true, false), (1, 0, false, true), (1, 1, false, false)]);
}

#[test]
fn a_snapshot_waits_for_the_end_of_its_batch() {
    let batch = [
        RequestMessage::Begin(BeginBatch::default()),
        point(),
        RequestMessage::Snapshot(SnapshotRequest {}),
        point(),
        RequestMessage::End(EndBatch::default()),
        RequestMessage::Begin(BeginBatch::default()),
    ];
    let (mut whole, _) = inbox(batch.clone());
    assert_eq!(whole.held, 0);
    let mut points = 0;
    while let Some(InboxItem::Run(run)) = whole.take() {
        points += run.points;
    }
    assert_eq!(points, 2);
    assert!(matches!(whole.take(), Some(InboxItem::Run(Run { points: 0, .. }))));

    let (mut cut, _) = inbox(batch[..4].to_vec());
    assert!(cut.holds_snapshot());
    cut.release_held();
    while let Some(InboxItem::Run(_)) = cut.take() {}
    assert!(!cut.holds_snapshot());
}

#[test]
fn snapshots_that_alone_fill_the_queue_do_not_wait() {
    let mut inbox = Inbox::new(room(2000, OnFull::Block));
    let mut bytes = Vec::new();
    put_request(RequestMessage::Begin(BeginBatch::default()), &mut bytes);
    (0..100).for_each(|_| put_request(RequestMessage::Snapshot(SnapshotRequest {}), &mut bytes));
    inbox.space().extend_from_slice(&bytes);
    inbox.sort(|_| ()).unwrap();
    assert!(inbox.holds_snapshot() && !inbox.has_room());
    assert!(matches!(inbox.take(), Some(InboxItem::Run(_))));
    // The end of the batch is not read while they fill the queue.
    let mut snapshots = 0;
    while let Some(InboxItem::Control(request)) = inbox.take() {
        assert_eq!(*request, Control::Snapshot);
        snapshots += 1;
    }
    assert_eq!((snapshots, inbox.has_room()), (100, true));
}

#[test]
fn the_rest_of_a_run_comes_first_and_is_overtaken_like_other_data() {
    let restore = || RequestMessage::Restore(RestoreRequest::default());
    let (mut inbox, _) =
        inbox([point(), point(), point(), RequestMessage::Snapshot(SnapshotRequest {}), point(), restore()]);
    let Some(InboxItem::Run(run)) = inbox.take() else { panic!() };
    assert!(!inbox.holds_snapshot());
    let rest = run.rest(run.last);
    let memory = inbox.memory();
    inbox.return_item(Some(rest));
    assert!(inbox.is_run_next() && inbox.holds_snapshot());
    assert!(inbox.memory() >= memory);
    inbox.hurry_snapshots();
    assert!(!inbox.is_run_next() && !inbox.holds_snapshot());
    assert!(matches!(inbox.take(), Some(InboxItem::Control(request)) if *request == Control::Snapshot));
    inbox.return_item(None);
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 2, tail: 2, is_rest: true, .. }))));
    inbox.return_item(None);
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, is_rest: false, .. }))));
    inbox.return_item(None);
    assert!(matches!(inbox.take(), Some(InboxItem::Control(_))));
    assert!(inbox.take().is_none());
}

#[test]
fn the_rest_of_a_run_is_not_dropped() {
    let mut inbox = Inbox::new(room(4000, OnFull::DropOldest));
    let fill = |inbox: &mut Inbox| {
        let mut bytes = Vec::new();
        (0..40).for_each(|_| put_request(point(), &mut bytes));
        inbox.space().extend_from_slice(&bytes);
        inbox.sort(|_| {}).unwrap();
    };
    fill(&mut inbox);
    let Some(InboxItem::Run(run)) = inbox.take() else { panic!() };
    let (points, first) = (run.points, run.last);
    inbox.return_item(Some(run.rest(first)));
    (0..200).for_each(|_| fill(&mut inbox));
    assert!(inbox.take_dropped() > 0);
    let Some(InboxItem::Run(rest)) = inbox.take() else { panic!() };
    assert_eq!((rest.points, rest.is_rest), (points - 1, true));
}

#[test]
fn a_snapshot_overtakes_data_and_nothing_else() {
    let (mut inbox, _) = inbox([
        point(),
        RequestMessage::Restore(RestoreRequest::default()),
        point(),
        RequestMessage::Snapshot(SnapshotRequest {}),
        RequestMessage::Snapshot(SnapshotRequest {}),
        point(),
    ]);
    assert!(inbox.holds_snapshot());
    inbox.hurry_snapshots();
    assert!(!inbox.holds_snapshot());
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
    let mut request = || match inbox.take() {
        Some(InboxItem::Control(request)) => *request,
        other => panic!("{other:?}"),
    };
    assert!(matches!(request(), Control::Restore(_)));
    assert_eq!(request(), Control::Snapshot);
    assert_eq!(request(), Control::Snapshot);
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
    assert!(inbox.take().is_none());
}

#[test]
fn runs_are_bounded() {
    let name = "x".repeat(1000);
    let (mut inbox, _) =
        inbox((0..1000).map(|_| RequestMessage::Point(Point { name: name.clone(), ..Point::default() })));
    let mut points = 0;
    while let Some(InboxItem::Run(run)) = inbox.take() {
        assert!(run.frames.len() < MAX_RUN + 2000);
        points += run.points;
    }
    assert_eq!(points, 1000);
}

#[test]
fn stops_at_the_limit_and_at_garbage() {
    let room = InboxLimits { message: units::Bytes(100), ..room(10, OnFull::Block) };
    let mut inbox = Inbox::new(room);
    let mut bytes = Vec::new();
    put_request(
        RequestMessage::Point(Point { name: "0123456789".to_owned(), ..Point::default() }),
        &mut bytes,
    );
    inbox.space().extend_from_slice(&bytes);
    inbox.space().extend_from_slice(&[101]);
    assert!(matches!(inbox.sort(|_| ()), Err(FrameError::TooLarge { length: 101, .. })));
    assert!(!inbox.has_room());
    assert!(inbox.is_cut());
    assert!(inbox.take().is_some());
}

/// What is left of `messages` in an inbox of 2,000 bytes, as numbers: times of points, and -1 and
/// -2 for begin and end.
fn left(on_full: OnFull, pieces: &[Vec<RequestMessage>], take_first: bool) -> (Vec<i64>, u64) {
    let mut inbox = Inbox::new(room(2000, on_full));
    let mut left = Vec::new();
    let mut take = |inbox: &mut Inbox| {
        let Some(InboxItem::Run(run)) = inbox.take() else { return false };
        let mut rest = &run.frames[..];
        while let Some((_, frame, after)) = frame::first_data(rest) {
            left.push(match frame::message(frame) {
                Some(RequestMessage::Point(point)) => point.time,
                Some(RequestMessage::Begin(_)) => -1,
                _ => -2,
            });
            rest = after;
        }
        true
    };
    for (i, piece) in pieces.iter().enumerate() {
        let mut bytes = Vec::new();
        piece.iter().for_each(|message| put_request(message.clone(), &mut bytes));
        inbox.space().extend_from_slice(&bytes);
        inbox.sort(|_| ()).unwrap();
        if i == 0 && take_first {
            take(&mut inbox);
        }
    }
    while take(&mut inbox) {}
    assert!(inbox.is_empty() && !inbox.is_cut());
    (left, inbox.take_dropped())
}

fn long(time: i64) -> RequestMessage {
    RequestMessage::Point(Point { time, name: "x".repeat(270), ..Point::default() })
}

#[test]
fn the_newest_points_are_dropped_when_it_is_full() {
    let pieces = [(1..=10).map(long).collect::<Vec<_>>()];
    assert_eq!(left(OnFull::Block, &pieces, false), ((1..=10).collect(), 0));
    assert_eq!(left(OnFull::DropNewest, &pieces, false), ((1..=7).collect(), 3));
    // With a frame that has arrived in entry only, and a request in between.
    let mut inbox = Inbox::new(room(2000, OnFull::DropNewest));
    let mut bytes = Vec::new();
    (1..=10).for_each(|time| put_request(long(time), &mut bytes));
    put_request(RequestMessage::Snapshot(SnapshotRequest {}), &mut bytes);
    put_request(long(11), &mut bytes);
    for chunk in bytes.chunks(100) {
        inbox.space().extend_from_slice(chunk);
        inbox.sort(|_| ()).unwrap();
    }
    assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 7, .. }))));
    assert!(matches!(inbox.take(), Some(InboxItem::Control(_))));
    assert!(inbox.take().is_none() && !inbox.is_cut());
    assert_eq!(inbox.take_dropped(), 4);
}

#[test]
fn a_batch_is_dropped_whole_or_not_at_all() {
    let begin = || RequestMessage::Begin(BeginBatch::default());
    let end = || RequestMessage::End(EndBatch::default());
    let batch = |from: i64, points: i64| -> Vec<RequestMessage> {
        let mut batch = vec![begin()];
        batch.extend((from..from + points).map(long));
        batch.push(end());
        batch
    };
    // A batch that has begun when there was room stays.
    let pieces = [batch(1, 5), batch(11, 5), batch(21, 5)];
    let (kept, dropped) = left(OnFull::DropNewest, &pieces, false);
    assert_eq!((kept, dropped), (vec![-1, 1, 2, 3, 4, 5, -2, -1, 11, 12, 13, 14, 15, -2], 5));
    // The oldest ones go; here the first two.
    let (kept, dropped) = left(OnFull::DropOldest, &pieces, false);
    assert_eq!((kept, dropped), (vec![-1, 21, 22, 23, 24, 25, -2], 10));
    // What the sandbox has begun with stays, and its end with it.
    let mut pieces: Vec<_> = batch(1, 12).chunks(2).map(<[_]>::to_vec).collect();
    pieces.extend([batch(21, 3), batch(31, 3)]);
    let (kept, dropped) = left(OnFull::DropOldest, &pieces, true);
    let mut whole: Vec<i64> = (1..=12).collect();
    whole.insert(0, -1);
    whole.push(-2);
    // And the newest one.
    whole.extend([-1, 31, 32, 33, -2]);
    assert_eq!((kept, dropped), (whole, 3));
    // The first one is dropped although its end has not come yet.
    let mut pieces: Vec<_> = batch(1, 12).chunks(2).map(<[_]>::to_vec).collect();
    pieces.push(batch(21, 3));
    assert_eq!(left(OnFull::DropOldest, &pieces, false), (vec![-1, 21, 22, 23, -2], 12));
}

fn fence(id: i64) -> RequestMessage {
    RequestMessage::Fence(FenceRequest { id, at_end: false })
}

/// The fences that an inbox of 2,000 bytes gives, and the number of points before each in it.
fn fences(on_full: OnFull, messages: &[RequestMessage]) -> Vec<(Fence, u64)> {
    let mut inbox = Inbox::new(room(2000, on_full));
    let mut bytes = Vec::new();
    messages.iter().for_each(|message| put_request(message.clone(), &mut bytes));
    for chunk in bytes.chunks(100) {
        inbox.space().extend_from_slice(chunk);
        inbox.sort(|_| ()).unwrap();
    }
    let (mut fences, mut points) = (Vec::new(), 0);
    while let Some(item) = inbox.take() {
        match item {
            InboxItem::Run(run) => points += run.points,
            InboxItem::Control(request) => {
                let Control::Fence(fence) = *request else { panic!("{request:?}") };
                fences.push((fence, points));
            }
        }
    }
    fences
}

#[test]
fn a_fence_knows_what_was_dropped_before_it() {
    let mut messages = Vec::new();
    for chunk in 0..5 {
        messages.extend((0..4).map(long));
        messages.push(fence(4 * (chunk + 1)));
    }
    for on_full in [OnFull::Block, OnFull::DropNewest, OnFull::DropOldest] {
        let found = fences(on_full, &messages);
        let answered: Vec<_> = found.iter().map(|(fence, points)| fence.dropped + points).collect();
        assert_eq!(answered, [4, 8, 12, 16, 20], "{on_full:?} {found:?}");
        let dropped = found.last().unwrap().0.dropped;
        assert_eq!(dropped == 0, on_full == OnFull::Block, "{on_full:?} {found:?}");
        let ids: Vec<_> = found.iter().map(|(fence, _)| fence.id).collect();
        assert_eq!(ids, [4, 8, 12, 16, 20]);
    }
}

#[test]
fn state_of_the_client_waits_and_is_not_dropped() {
    let init = RequestMessage::Init(InitRequest { client_state: true, ..InitRequest::default() });
    let snapshot = || RequestMessage::Snapshot(SnapshotRequest {});
    for on_full in [OnFull::DropNewest, OnFull::DropOldest] {
        let mut inbox = Inbox::new(room(2000, on_full));
        let mut bytes = Vec::new();
        put_request(init.clone(), &mut bytes);
        (0..20).for_each(|time| put_request(long(time), &mut bytes));
        put_request(RequestMessage::Begin(BeginBatch::default()), &mut bytes);
        put_request(snapshot(), &mut bytes);
        put_request(point(), &mut bytes);
        inbox.space().extend_from_slice(&bytes);
        inbox.sort(|_| ()).unwrap();
        assert!(
            inbox.has_client_state() && !inbox.has_room() && !inbox.may_drop() && !inbox.holds_snapshot()
        );
        assert!(
            matches!(inbox.take(), Some(InboxItem::Control(request)) if matches!(*request, Control::Init(_)))
        );
        // Neither the deadline nor the open batch moves it.
        let mut points = 0;
        let request = loop {
            match inbox.take() {
                Some(InboxItem::Run(run)) => points += run.points,
                Some(InboxItem::Control(request)) => break *request,
                None => panic!("a snapshot"),
            }
        };
        assert_eq!((request, points, inbox.take_dropped()), (Control::Snapshot, 20, 0));
        assert!(matches!(inbox.take(), Some(InboxItem::Run(Run { points: 1, .. }))));
    }
}
