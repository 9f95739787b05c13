//! The answer while it lasts.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::comment::Comment;
use super::writer::{CHUNK, Writer};
use crate::metrics::NodeReading;
use crate::sandbox::MemoryReservation;
use crate::shared::Shared;
use crate::tap::{Direction, Fate, OpenTap, Piece};
use crate::udf_node::UdfNode;

/// Number of chunks that wait until the client reads.
const MOST_CHUNKS: usize = 2;

/// Time for which a client may read what was taken, once the tap has ended.
const GRACE: Duration = Duration::from_secs(10);

/// The line that is sent while nothing else is: a client that has gone is noticed when it is written to.
pub const SIGN_OF_LIFE: &[u8] = b"#\n";

/// Interval after which it is sent.
const QUIET: Duration = Duration::from_secs(5);

/// Maximum number of tasks that are named to a client whose task does not run.
const MOST_NAMED: usize = 20;

/// A tap, and what counts its memory.
pub struct Seat {
    /// The tap.
    pub tap: OpenTap,
    /// Counts its buffer.
    pub memory: MemoryReservation,
}

/// Text that comes while a tap lasts, and ends with it.
pub struct TapBody(mpsc::Receiver<Bytes>);

impl TapBody {
    /// A text that is there.
    pub fn of(text: Bytes) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        // There is room for one.
        let _ = sender.try_send(text);
        Self(receiver)
    }

    /// Shows what is tapped for a time that it `lasts`. These nodes are `running`.
    pub fn begin(seat: Seat, lasts: Duration, running: Running) -> Self {
        let (sender, receiver) = mpsc::channel(MOST_CHUNKS);
        tokio::spawn(show(seat, lasts, running, sender));
        Self(receiver)
    }
}

impl Body for TapBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|text| text.map(|text| Ok(Frame::data(text))))
    }
}

/// The nodes that run.
pub struct Running {
    nodes: Vec<UdfNode>,
    /// Whether there are more, which are not told apart.
    others: bool,
}

/// The nodes that run now.
pub fn running(shared: &Shared) -> Running {
    let (others, nodes): (Vec<_>, Vec<_>) =
        shared.board().read().into_iter().filter(|node| node.running > 0).partition(NodeReading::is_other);
    Running { nodes: nodes.into_iter().map(|node| node.udf).collect(), others: !others.is_empty() }
}

/// Why a tap has ended.
enum End {
    Time,
    Most,
    /// Nobody reads any more.
    Unread,
}

async fn show(seat: Seat, lasts: Duration, running: Running, out: mpsc::Sender<Bytes>) {
    let Seat { mut tap, memory: _memory } = seat;
    let until = Instant::now() + lasts;
    let mut writer = Writer::new(tap.spec());
    let mut text = heading(&tap, lasts, &running).into_bytes();
    // What is being written, and where it goes on.
    let mut piece = None;
    let end = loop {
        if !text.is_empty() {
            match timeout_at(until, out.reserve()).await {
                Ok(Ok(permit)) => permit.send(std::mem::take(&mut text).into()),
                Ok(Err(_)) => break End::Unread,
                Err(_) => break End::Time,
            }
        }
        if tap.is_full() {
            break End::Most;
        }
        if piece.is_none() {
            piece = tokio::select! {
                biased;
                () = out.closed() => break End::Unread,
                () = tokio::time::sleep_until(until) => break End::Time,
                piece = tap.next() => piece.map(|piece| (piece, 0)),
                () = tokio::time::sleep(QUIET) => {
                    text.extend_from_slice(SIGN_OF_LIFE);
                    continue;
                }
            };
        }
        write(&mut writer, &mut tap, &mut piece, &mut text);
        // Others on this thread get their turn.
        yield_now().await;
    };
    tap.close();
    let until = Instant::now() + GRACE;
    let mut last = false;
    while !matches!(end, End::Unread) && !last {
        piece = piece.or_else(|| tap.next_now().map(|piece| (piece, 0)));
        last = piece.is_none();
        write(&mut writer, &mut tap, &mut piece, &mut text);
        if last {
            text.extend_from_slice(summary(&tap, &writer, &end).as_bytes());
        }
        match timeout_at(until, out.reserve()).await {
            Ok(Ok(permit)) => permit.send(std::mem::take(&mut text).into()),
            _ => return,
        }
    }
}

/// Writes `piece` from the byte at which it goes on, and those that are there as well, as far as they fit into a chunk.
/// Leaves what does not.
fn write(writer: &mut Writer, tap: &mut OpenTap, piece: &mut Option<(Piece, usize)>, text: &mut Vec<u8>) {
    while let Some((now, from)) = piece.take() {
        *piece = match writer.write(&now, from, text) {
            Some(at) => Some((now, at)),
            None => tap.next_now().map(|next| (next, 0)),
        };
        if text.len() >= CHUNK {
            return;
        }
    }
}

fn heading(tap: &OpenTap, lasts: Duration, running: &Running) -> String {
    let spec = tap.spec();
    let heading = Comment::new("tap")
        .with("of", &spec.name)
        .with("every", &spec.every.to_string())
        .with("most", &spec.most.to_string())
        .with("seconds", &lasts.as_secs().to_string())
        .line();
    if running.others || running.nodes.iter().any(|node| spec.is_of(node)) {
        return heading;
    }
    // Of a task that runs, the nodes are named; else the tasks.
    let of_task = running
        .nodes
        .iter()
        .filter(|node| spec.name.strip_prefix(&node.task).is_some_and(|rest| rest.starts_with('/')));
    let nodes: BTreeSet<_> = of_task.map(|node| format!("{}/{}", node.task, node.node)).collect();
    let (what, names) = if nodes.is_empty() {
        ("task", running.nodes.iter().map(|node| node.task.clone()).collect())
    } else {
        ("node of this task", nodes)
    };
    let mut named = names.iter().take(MOST_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    if names.len() > MOST_NAMED {
        named.push_str(", ...");
    }
    let words = format!("no such {what} runs now, the tap waits for it");
    let waiting = Comment::new(&words).with("running", &named).line();
    heading + &waiting
}

/// What was shown and what was not.
fn summary(tap: &OpenTap, writer: &Writer, end: &End) -> String {
    let reason = match end {
        End::Time => "its time is over",
        End::Most => "as many points as asked for were seen",
        End::Unread => "nobody reads it",
    };
    let mut text = format!("# end of the tap: {reason}\n");
    for direction in [Direction::In, Direction::Out] {
        if tap.spec().has(direction) {
            text += &summary_of(tap, writer, direction);
        }
    }
    text
}

fn summary_of(tap: &OpenTap, writer: &Writer, direction: Direction) -> String {
    let points = tap.points(direction);
    let (written, unwritable) = writer.points(direction);
    let seen: u64 = points.iter().sum();
    let of = |fate: Fate| points[fate as usize];
    let beyond = of(Fate::BeyondMost) + of(Fate::Shown).saturating_sub(written + unwritable);
    let mut text = format!("# end {}: points seen: {seen}, shown: {written}", direction.name());
    for (count, reason) in [
        (of(Fate::NotSampled), format!("not one of every {}", tap.spec().every)),
        (beyond, format!("beyond the {} that were asked for", tap.spec().most)),
        (of(Fate::BufferFull), "read too slowly".to_owned()),
        (of(Fate::BatchCut), "of a batch that had begun before".to_owned()),
        (unwritable, "no line protocol or too long".to_owned()),
    ] {
        if count > 0 {
            text += &format!(", left out since {reason}: {count}");
        }
    }
    text + "\n"
}
