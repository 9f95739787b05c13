//! Decides when a session gathers Kapacitor's messages instead of being woken for each of them.
//!
//! Kapacitor writes each message with two small writes, and reads 4 KiB at a time. Where a thread of the host waits
//! for that, each costs a wake-up, on Kapacitor's side and on the host's, and these cost more than the plugin's work.
//! So while small reads and writes follow each other quickly, nobody waits for the connection: at each tick of the
//! [`GatherClock`] the session writes what Kapacitor takes, and reads all that Kapacitor has written.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::gather_clock::GatherClock;

/// Number of quick wake-ups in a row after which a session gathers, at first.
const FIRST_QUICK: u32 = 8;

/// Maximum of that number. It doubles where gathering has gained nothing, as with a client that waits for the answer
/// to each message.
const MOST_QUICK: u32 = 1024;

/// Maximum size of a read or write that counts as small, in bytes: larger ones gather by themselves.
pub const SMALL: usize = 4 * 1024;

/// Maximum number of bytes that are read at a tick. A pipe holds half of that, and a socket holds it only if messages
/// are large, or written together: then they need not be gathered.
pub const MAX_GATHERED: usize = 128 * 1024;

/// Credit that a message brings, and that a tick costs: gathering is worth while from two messages at a tick on. One
/// message at a tick may be a client that waits for each answer.
const MESSAGE_CREDIT: i64 = 2;
const TICK_COST: i64 = 3;

/// Maximum credit. It lasts for four ticks without messages.
const MOST_CREDIT: i64 = 4 * TICK_COST;

/// Whether a session gathers, and what it has seen.
#[derive(Debug)]
pub struct Gather {
    clock: Arc<GatherClock>,
    /// Number of wake-ups in a row for little, each soon after the one before.
    quick: u32,
    /// Number of them after which the session gathers.
    needed: u32,
    /// When the last wake-up was, while the session does not gather.
    last_wake: Option<Instant>,
    gathering: Option<Gathering>,
}

#[derive(Clone, Copy, Debug)]
struct Gathering {
    /// Number of ticks of the clock that the session has seen.
    seen: u64,
    /// Below zero, gathering is not worth while.
    credit: i64,
    /// Number of ticks since the session gathers.
    ticks: u64,
    /// Number of wake-ups that there would have been since then, about.
    saved: u64,
}

impl Gather {
    /// A session that does not gather yet.
    pub fn new(clock: Arc<GatherClock>) -> Self {
        Self { clock, quick: 0, needed: FIRST_QUICK, last_wake: None, gathering: None }
    }

    /// Whether the session should begin to gather.
    pub fn is_due(&self) -> bool {
        self.quick >= self.needed && !self.clock.interval().is_zero()
    }

    /// Whether the session should go on gathering.
    pub fn is_worth_while(&self) -> bool {
        self.gathering.is_some_and(|gathering| gathering.credit >= 0) && !self.clock.interval().is_zero()
    }

    /// The session gathers from now on.
    pub fn begin(&mut self) {
        self.gathering = Some(Gathering { seen: self.clock.ticks(), credit: 0, ticks: 0, saved: 0 });
    }

    /// The session gathers no longer.
    pub fn end(&mut self) {
        let Some(Gathering { ticks, saved, .. }) = self.gathering.take() else { return };
        let gained = saved > ticks + u64::from(self.needed);
        self.needed = if gained { FIRST_QUICK } else { (self.needed * 2).min(MOST_QUICK) };
        (self.quick, self.last_wake) = (0, None);
    }

    /// Waits for the next tick. To be called while the session gathers.
    pub async fn tick(&mut self) {
        let Some(gathering) = &mut self.gathering else { return };
        self.clock.tick_after(gathering.seen).await;
        gathering.seen = self.clock.ticks();
    }

    /// Notes a tick at which so many bytes were read, with so many whole messages in them, and so many bytes written
    /// that had waited.
    pub fn note_tick(&mut self, read: usize, messages: usize, written: usize) {
        let Some(gathering) = &mut self.gathering else { return };
        // Kapacitor reads so much at a time.
        let saved = messages + written / SMALL;
        gathering.ticks += 1;
        gathering.saved += saved as u64;
        let credit = gathering.credit + saved as i64 * MESSAGE_CREDIT - TICK_COST;
        gathering.credit = if read < MAX_GATHERED { credit.min(MOST_CREDIT) } else { -1 };
    }

    /// Notes that the connection was nearly full at a tick: ticks follow each other faster from now on.
    pub fn note_full(&self) {
        self.clock.hurry();
    }

    /// Notes that the session was woken to read or to write so many bytes.
    pub fn note_wake(&mut self, bytes: usize) {
        if bytes > SMALL {
            (self.quick, self.last_wake) = (0, None);
            return;
        }
        let now = Instant::now();
        let since = self.last_wake.replace(now).map_or(Duration::MAX, |last| now - last);
        self.quick = if since <= self.clock.interval() { self.quick + 1 } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(interval: Duration) -> Gather {
        Gather::new(Arc::new(GatherClock::new(interval)))
    }

    /// Small reads that follow each other at once until the session gathers; returns their number.
    fn wakes_until_due(gather: &mut Gather) -> u32 {
        for wakes in 0..10_000 {
            if gather.is_due() {
                return wakes;
            }
            gather.note_wake(200);
        }
        panic!("it never gathers");
    }

    #[test]
    fn session_gathers_while_small_reads_follow_each_other_quickly() {
        let mut gather = gather(Duration::from_secs(60));
        assert_eq!(wakes_until_due(&mut gather), 1 + FIRST_QUICK);
        gather.begin();
        for _ in 0..100 {
            gather.note_tick(2000, 10, 0);
            assert!(gather.is_worth_while());
        }
        // Kapacitor reads slowly, and writes nothing meanwhile.
        gather.note_tick(0, 0, 4 * SMALL);
        assert!(gather.is_worth_while());
        for _ in 0..4 {
            gather.note_tick(0, 0, 0);
            assert!(gather.is_worth_while());
        }
        gather.note_tick(0, 0, 0);
        assert!(!gather.is_worth_while());
        gather.end();
        assert_eq!(wakes_until_due(&mut gather), 1 + FIRST_QUICK);
    }

    #[test]
    fn client_that_waits_for_each_answer_is_hardly_delayed() {
        let mut gather = gather(Duration::from_secs(60));
        let mut delayed = 0;
        for _ in 0..20_000 {
            if gather.is_due() {
                gather.begin();
                gather.note_tick(200, 1, 0);
                assert!(!gather.is_worth_while());
                gather.end();
                delayed += 1;
            } else {
                gather.note_wake(200);
            }
        }
        // Far fewer than one in a hundred.
        assert!((5..40).contains(&delayed), "{delayed}");
        // Also behind a burst.
        gather.begin();
        gather.note_tick(2000, 10, 0);
        let delayed = (0..100).take_while(|_| {
            gather.note_tick(200, 1, 0);
            gather.is_worth_while()
        });
        assert!(delayed.count() < 20);
    }

    #[test]
    fn large_reads_and_rare_ones_are_not_gathered() {
        let mut often = gather(Duration::from_secs(60));
        let mut rare = gather(Duration::from_nanos(1));
        let mut never = gather(Duration::ZERO);
        for _ in 0..100 {
            often.note_wake(200);
            often.note_wake(SMALL + 1);
            rare.note_wake(200);
            std::thread::sleep(Duration::from_micros(1));
            never.note_wake(200);
        }
        assert!(!often.is_due() && !rare.is_due() && !never.is_due());
    }

    #[test]
    fn session_stops_to_gather_when_reads_are_large_or_it_is_turned_off() {
        let clock = Arc::new(GatherClock::new(Duration::from_secs(60)));
        let mut gather = Gather::new(Arc::clone(&clock));
        gather.begin();
        gather.note_tick(2000, 10, 0);
        gather.note_tick(MAX_GATHERED, 600, 0);
        assert!(!gather.is_worth_while());
        gather.end();
        gather.begin();
        gather.note_tick(2000, 10, 0);
        assert!(gather.is_worth_while());
        clock.set_interval(Duration::ZERO);
        assert!(!gather.is_worth_while());
    }
}
