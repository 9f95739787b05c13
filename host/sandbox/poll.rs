//! `poll_oneoff` of WASI preview 1, with which a guest sleeps and waits for its descriptors.
//!
//! The result is a function of the subscriptions and of the guest's clock, and the call returns at once. Where the
//! guest would have to wait, its clock moves to the end of the wait instead, so that a loop that sleeps until some
//! time ends. The layout of the structures and the meaning of the errors are those of
//! <https://github.com/WebAssembly/WASI/blob/main/legacy/preview1/docs.md>.

use thiserror::Error;

use super::determinism::{Determinism, DeterminismState};
use super::guest::MAX_HOST_CALL;

/// Size of a subscription, in bytes.
const SUBSCRIPTION: usize = 48;
/// Size of an event, in bytes.
const EVENT: usize = 32;
/// Alignment of subscriptions and events, in bytes.
const ALIGN: u32 = 8;

/// Flag of a clock's subscription: its timeout is a time of the clock, and not a span from now on.
const ABSTIME: u16 = 1;
/// Flag of an event: the other side of the descriptor is closed.
const HANGUP: u16 = 1;

/// Error numbers of WASI preview 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub(super) enum Errno {
    Success = 0,
    Badf = 8,
    Inval = 28,
    Nomem = 48,
    Notsup = 58,
}

/// A pointer that no function of WASI accepts: the call traps, as with the others of WASI.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum BadPointer {
    #[error("Pointer out of bounds: {pointer}..+{length}")]
    OutOfBounds { pointer: u32, length: usize },
    #[error("Pointer not aligned to {align}: {pointer}")]
    NotAligned { pointer: u32, align: u32 },
}

/// What a guest waits for.
#[derive(Clone, Copy)]
enum Source {
    Clock { id: u32, timeout: u64, absolute: bool },
    Read { fd: u32 },
    Write { fd: u32 },
}

/// How a subscription completes.
struct Completion {
    /// Time until then, in nanoseconds.
    wait: u64,
    error: Errno,
    bytes: u64,
    flags: u16,
}

/// The parameters of `poll_oneoff`: where the subscriptions are, where the events and their number go, and the
/// number of subscriptions.
#[derive(Clone, Copy)]
pub(super) struct Poll {
    pub(super) subscriptions: u32,
    pub(super) events: u32,
    pub(super) count: u32,
    pub(super) number: u32,
}

impl Poll {
    /// Polls in `memory`.
    ///
    /// # Errors
    ///
    /// When a pointer is bad.
    pub(super) fn run(self, memory: &mut [u8], clock: &Determinism) -> Result<Errno, BadPointer> {
        let count = self.count as usize;
        if count == 0 {
            return Ok(Errno::Inval);
        }
        if count.saturating_mul(SUBSCRIPTION + EVENT) > MAX_HOST_CALL {
            return Ok(Errno::Nomem);
        }
        region(memory, self.events, count * EVENT, ALIGN)?;
        region(memory, self.number, 4, 4)?;
        let state = clock.state();
        let mut entries = Vec::with_capacity(count);
        for bytes in region(memory, self.subscriptions, count * SUBSCRIPTION, ALIGN)?.as_chunks().0 {
            match source(bytes) {
                Some(source) => entries.push((userdata(bytes), source, complete(source, &state))),
                None => return Ok(Errno::Inval),
            }
        }
        let wait = entries.iter().map(|(_, _, completion)| completion.wait).min().unwrap_or(0);
        entries.retain(|(_, _, completion)| completion.wait <= wait);
        clock.sleep(wait);

        let events = region(memory, self.events, entries.len() * EVENT, ALIGN)?;
        for (event, (userdata, source, completion)) in events.as_chunks_mut().0.iter_mut().zip(&entries) {
            *event = encode(*userdata, *source, completion);
        }
        let number = entries.len() as u32;
        region(memory, self.number, 4, 4)?.copy_from_slice(&number.to_le_bytes());
        Ok(Errno::Success)
    }
}

fn region(memory: &mut [u8], pointer: u32, length: usize, align: u32) -> Result<&mut [u8], BadPointer> {
    let start = pointer as usize;
    let end = start.checked_add(length);
    let region = end.and_then(|end| memory.get_mut(start..end));
    let region = region.ok_or(BadPointer::OutOfBounds { pointer, length })?;
    if pointer.is_multiple_of(align) { Ok(region) } else { Err(BadPointer::NotAligned { pointer, align }) }
}

fn array<const N: usize>(bytes: &[u8; SUBSCRIPTION], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

fn userdata(bytes: &[u8; SUBSCRIPTION]) -> [u8; 8] {
    array(bytes, 0)
}

/// Reads one subscription; `None` if it is of no known kind.
fn source(bytes: &[u8; SUBSCRIPTION]) -> Option<Source> {
    let word = u32::from_le_bytes(array(bytes, 16));
    match bytes[8] {
        0 => {
            let flags = u16::from_le_bytes(array(bytes, 40));
            let timeout = u64::from_le_bytes(array(bytes, 24));
            (flags & !ABSTIME == 0).then_some(Source::Clock { id: word, timeout, absolute: flags == ABSTIME })
        }
        1 => Some(Source::Read { fd: word }),
        2 => Some(Source::Write { fd: word }),
        _ => None,
    }
}

fn complete(source: Source, clock: &DeterminismState) -> Completion {
    let failed = |error| Completion { wait: 0, error, bytes: 0, flags: 0 };
    let succeeded = |wait, bytes, flags| Completion { wait, error: Errno::Success, bytes, flags };
    match source {
        Source::Clock { timeout, absolute: false, id: 0 | 1 } => succeeded(timeout, 0, 0),
        Source::Clock { timeout, absolute: true, id: 0 } => {
            succeeded(timeout.saturating_sub(clock.now()), 0, 0)
        }
        Source::Clock { timeout, absolute: true, id: 1 } => {
            succeeded(timeout.saturating_sub(clock.latest()), 0, 0)
        }
        // The clocks of CPU time, which a guest does not get, and unknown ones.
        Source::Clock { .. } => failed(Errno::Inval),
        // stdin is empty.
        Source::Read { fd: 0 } => succeeded(0, 0, HANGUP),
        // stdout and stderr take a byte at any time.
        Source::Write { fd: 1 | 2 } => succeeded(0, 1, 0),
        Source::Read { .. } | Source::Write { .. } => failed(Errno::Badf),
    }
}

fn encode(userdata: [u8; 8], source: Source, completion: &Completion) -> [u8; EVENT] {
    let mut event = [0; EVENT];
    event[..8].copy_from_slice(&userdata);
    event[8..10].copy_from_slice(&(completion.error as u16).to_le_bytes());
    event[10] = match source {
        Source::Clock { .. } => 0,
        Source::Read { .. } => 1,
        Source::Write { .. } => 2,
    };
    event[16..24].copy_from_slice(&completion.bytes.to_le_bytes());
    event[24..26].copy_from_slice(&completion.flags.to_le_bytes());
    event
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn subscription(userdata: u64, tag: u8, word: u32, timeout: u64, flags: u16) -> [u8; SUBSCRIPTION] {
        let mut bytes = [0; SUBSCRIPTION];
        bytes[..8].copy_from_slice(&userdata.to_le_bytes());
        bytes[8] = tag;
        bytes[16..20].copy_from_slice(&word.to_le_bytes());
        bytes[24..32].copy_from_slice(&timeout.to_le_bytes());
        bytes[40..42].copy_from_slice(&flags.to_le_bytes());
        bytes
    }

    /// User data, error, kind, bytes and flags of each event.
    type Events = Vec<(u64, u16, u8, u64, u16)>;

    fn poll(clock: &Determinism, subscriptions: &[[u8; SUBSCRIPTION]]) -> Result<Events, Errno> {
        let mut memory = subscriptions.concat();
        let events = memory.len();
        let number = events + subscriptions.len() * EVENT;
        memory.resize(number + 4, 0);
        let poll = Poll {
            subscriptions: 0,
            events: events as u32,
            count: subscriptions.len() as u32,
            number: number as u32,
        };
        match poll.run(&mut memory, clock).unwrap() {
            Errno::Success => {}
            errno => return Err(errno),
        }
        let number = u32::from_le_bytes(memory[number..].try_into().unwrap());
        let event = |i| {
            let event = &memory[events + i * EVENT..][..EVENT];
            let word = |at: usize| u16::from_le_bytes(event[at..at + 2].try_into().unwrap());
            let long = |at: usize| u64::from_le_bytes(event[at..at + 8].try_into().unwrap());
            (long(0), word(8), event[10], long(16), word(24))
        };
        Ok((0..number as usize).map(event).collect())
    }

    fn at(time: i64) -> Determinism {
        let clock = Determinism::new(0);
        clock.set_time(time);
        clock
    }

    #[test]
    fn clocks_that_are_due_first_complete_together_in_their_order() {
        let clock = at(1000);
        let subscriptions = [
            subscription(1, 0, 1, 3 * MS, 0),
            subscription(2, 0, 0, 1000 + 2 * MS, ABSTIME),
            subscription(3, 0, 1, 2 * MS + 1, 0),
            subscription(4, 0, 1, 2 * MS, 0),
        ];
        let due = |id| (id, 0, 0, 0, 0);
        assert_eq!(poll(&clock, &subscriptions), Ok(vec![due(2), due(4)]));
        assert_eq!(clock.state().now(), 1000 + 2 * MS);
        assert_eq!(clock.state().latest(), 1000 + 2 * MS);
    }

    #[test]
    fn no_time_passes_where_a_descriptor_is_ready_or_bad() {
        let clock = at(1000);
        let subscriptions = [
            subscription(1, 0, 1, MS, 0),
            subscription(2, 1, 0, 0, 0),
            subscription(3, 2, 1, 0, 0),
            subscription(4, 2, 2, 0, 0),
            subscription(5, 2, 0, 0, 0),
            subscription(6, 1, 3, 0, 0),
            subscription(7, 0, 2, MS, 0),
            subscription(8, 0, 1, 900, ABSTIME),
        ];
        let expected =
            vec![(2, 0, 1, 0, 1), (3, 0, 2, 1, 0), (4, 0, 2, 1, 0), (5, 8, 2, 0, 0), (6, 8, 1, 0, 0)];
        let late = vec![(7, 28, 0, 0, 0), (8, 0, 0, 0, 0)];
        assert_eq!(poll(&clock, &subscriptions), Ok([expected, late].concat()));
        assert_eq!(clock.state().now(), 1000);
    }

    #[test]
    fn bad_parameters_are_errors_and_move_no_clock() {
        let clock = at(1000);
        assert_eq!(poll(&clock, &[]), Err(Errno::Inval));
        assert_eq!(poll(&clock, &[subscription(1, 3, 0, 0, 0)]), Err(Errno::Inval));
        assert_eq!(poll(&clock, &[subscription(1, 0, 1, MS, 2)]), Err(Errno::Inval));
        let most = MAX_HOST_CALL / (SUBSCRIPTION + EVENT);
        assert_eq!(poll(&clock, &vec![subscription(1, 0, 1, MS, 0); most + 1]), Err(Errno::Nomem));
        let run = |subscriptions, events, count, number| {
            let poll = Poll { subscriptions, events, count, number };
            poll.run(&mut vec![0; 256], &clock).map(|_| ())
        };
        let outside = |pointer, length| Err(BadPointer::OutOfBounds { pointer, length });
        assert_eq!(run(0, 64, 2, 252), Ok(()));
        assert_eq!(run(216, 64, 1, 252), outside(216, 48));
        assert_eq!(run(0, 232, 1, 252), outside(232, 32));
        assert_eq!(run(0, 0xffff_fff8, 1, 252), outside(0xffff_fff8, 32));
        assert_eq!(run(0, 64, 1, 256), outside(256, 4));
        assert_eq!(run(4, 64, 1, 252), Err(BadPointer::NotAligned { pointer: 4, align: 8 }));
        assert_eq!(clock.state().now(), 1000);
    }

    #[test]
    fn a_sleep_without_end_leaves_the_clock_at_its_end() {
        let clock = at(1000);
        assert_eq!(poll(&clock, &[subscription(1, 0, 1, u64::MAX, 0)]), Ok(vec![(1, 0, 0, 0, 0)]));
        assert_eq!(clock.state().latest(), u64::MAX);
        // Only the clock on the wall follows the data then.
        clock.set_time(2000);
        assert_eq!((clock.state().now(), clock.state().latest()), (2000, u64::MAX));
    }
}
