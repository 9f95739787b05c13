//! How a task goes on after its plugin has failed: the policies `recover` and `restart`.
//!
//! To recover is exact. The state of the sandbox is saved from time to time, and what it is given
//! afterwards is kept in a journal. After a failure a fresh instance gets the saved state and is given
//! the journal again, whose output went out before and is thrown away now. Then the frames of the run
//! that failed are given one by one, and the one that fails is skipped. What Kapacitor gets is, byte
//! for byte, what it would get if that frame had never come.

use std::time::Instant;

use super::savepoint::{Base, Saved};
use crate::config::OnTrap;
use crate::guard::Guard;
use crate::logging::log_for;
use crate::protocol::frame::{self, Kind};
use crate::task::journal::{Call, JournalEntry};
use crate::task::running::{MINUTE, Task, set_time, start_sandbox};
use crate::units::Span;

/// What has been computed once may take so many times as long the second time: the machine may be
/// busier now.
const PATIENCE: u32 = 4;

impl Task {
    /// Keeps a call that has ended well: in the journal, or by saving the state after it.
    pub(crate) fn remember(&mut self, entry: JournalEntry<'_>, points: u64, computed: std::time::Duration) {
        if self.policy.on_trap != OnTrap::Recover {
            return;
        }
        let memory = self.sandbox.as_ref().map_or(0, |sandbox| sandbox.memory_size());
        let due = self.journal.is_due(entry.input.len(), memory);
        if due && !self.in_batch && self.save() {
            return;
        }
        self.journal.push(entry, points, computed);
        self.recount();
    }

    /// Saves the state, which begins the journal anew. False if it can't be saved.
    pub(crate) fn save(&mut self) -> bool {
        let (Ok(image), Some(sandbox)) = (&self.plugin.memory_image, &mut self.sandbox) else {
            return false;
        };
        // Where the state was saved once it can be saved again: what can't be is known from the globals' types.
        let before = self.base.saved.take().map(|saved| saved.state);
        let Ok(state) = image.capture(sandbox, before) else {
            return false;
        };
        let saved =
            Saved { state, input: sandbox.input(), guard: self.guard.clone(), points_seen: self.points_seen };
        self.base =
            Base { determinism: self.context.determinism.state(), saved: Some(saved), restored: None };
        self.journal.clear();
        self.recount();
        true
    }

    /// Goes on after `failure`, with which a call that was given `frames` has ended.
    pub(crate) async fn overcome(
        &mut self,
        frames: &[u8],
        failure: String,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        match self.policy.on_trap {
            OnTrap::Fail => {
                self.sandbox = None;
                Err(failure)
            }
            OnTrap::PassThrough => {
                self.begin_to_pass(&failure);
                self.pass_on(frames, out)
            }
            OnTrap::Recover | OnTrap::Restart => {
                let result = self.skip_what_fails(frames, failure, out).await;
                if result.is_err() {
                    self.sandbox = None;
                }
                result
            }
        }
    }

    async fn skip_what_fails(
        &mut self,
        frames: &[u8],
        mut failure: String,
        out: &mut Vec<u8>,
    ) -> Result<(), String> {
        let mut rest = frames;
        loop {
            self.count_failure(&failure)?;
            self.go_back().await?;
            let Some((kind, frame, reason)) = self.one_by_one(&mut rest, out).await else {
                if !frames.is_empty() {
                    // Each frame alone is fine, so it was the time that all of them took together.
                    self.piece = (frames.len() / 4).max(1);
                }
                return Ok(());
            };
            let points = self.forget_batch_of(&kind);
            self.counts.skipped += points;
            let policy = self.policy.on_trap;
            self.reporter.skipped(&reason, frame, points, policy);
            self.go_back().await?;
            if policy == OnTrap::Recover && !self.in_batch {
                // The next one that fails may be near.
                self.save();
            }
            rest = self.skip_batch(rest);
            if rest.is_empty() {
                return Ok(());
            }
            match self.attempt(rest, None, out).await {
                Ok(()) => return Ok(()),
                Err(next) => failure = next,
            }
        }
    }

    /// Gives the frames of `rest` one by one, until one fails: that one, and why.
    async fn one_by_one<'a>(
        &mut self,
        rest: &mut &'a [u8],
        out: &mut Vec<u8>,
    ) -> Option<(Kind, &'a [u8], String)> {
        loop {
            *rest = self.skip_batch(rest);
            let (kind, frame, after) = frame::first_data(rest)?;
            *rest = after;
            if let Err(failure) = self.attempt(frame, None, out).await {
                return Some((kind, frame, failure));
            }
        }
    }

    /// Takes out of what is remembered what has to go together with a frame of this kind. Returns how
    /// many points that are, with the frame's own.
    fn forget_batch_of(&mut self, kind: &Kind) -> u64 {
        match kind {
            Kind::Begin => {
                self.skipping = true;
                0
            }
            Kind::End => {
                self.journal.cut_open_batch();
                self.in_batch = false;
                self.counts.processed -= self.batch_points;
                std::mem::take(&mut self.batch_points)
            }
            _ => 1,
        }
    }

    /// Counts a failure; an error when there were too many of late.
    fn count_failure(&mut self, failure: &str) -> Result<(), String> {
        let now = Instant::now();
        while self.failures.front().is_some_and(|at| now.duration_since(*at) > MINUTE) {
            self.failures.pop_front();
        }
        let most = self.policy.failures_per_minute;
        if self.failures.len() >= most as usize {
            return Err(format!(
                "{failure}; the plugin has failed more than policy.failures-per-minute = {most} times"
            ));
        }
        self.failures.push_back(now);
        self.counts.recoveries += 1;
        Ok(())
    }

    /// Brings the sandbox back to what it was before the failure, or starts it anew.
    async fn go_back(&mut self) -> Result<(), String> {
        // It must not be used again, and its memory may be needed.
        self.sandbox = None;
        if self.policy.on_trap == OnTrap::Recover {
            return self.rewind().await;
        }
        self.start_anew().await?;
        self.taking.begin();
        self.lose_batch();
        log_for!(debug, self.labels(), "plugin started anew");
        Ok(())
    }

    async fn start_anew(&mut self) -> Result<(), String> {
        let started = start_sandbox(&self.plugin, &self.context, &self.request).await;
        self.sandbox = Some(started.map_err(|e| format!("can't be started again: {e}"))?);
        self.guard = Guard::new(self.plugin.info.provides(), &self.context.limits, &self.policy);
        self.points_seen = 0;
        Ok(())
    }

    /// The sandbox does not know of the batch that it was in: the rest of it is skipped too.
    pub(crate) fn lose_batch(&mut self) {
        if std::mem::take(&mut self.in_batch) {
            let points = std::mem::take(&mut self.batch_points);
            self.counts.skipped += points;
            self.counts.processed -= points;
            self.skipping = true;
        }
    }

    async fn rewind(&mut self) -> Result<(), String> {
        let start = Instant::now();
        self.go_to_base().await?;
        let mut reason = "its journal was full".to_owned();
        let replayed = if self.journal.lost().is_none() { self.replay_quietly().await } else { Ok(()) };
        if let Err(e) = replayed {
            // The same input had gone well before.
            reason = format!("its journal can't be done again: {e}");
            self.journal.give_up();
            self.go_to_base().await?;
        }
        if let Some(points) = self.journal.lost() {
            self.say_lost(points, &reason);
            self.journal.clear();
            self.lose_batch();
        }
        let took = humantime::format_duration(start.elapsed()).to_string();
        log_for!(debug, self.labels(), took, "plugin brought back");
        Ok(())
    }

    /// Forgets all that came since the session began, when no snapshot was given back yet.
    pub(crate) fn go_to_start(&mut self) {
        self.context.determinism.set_state(self.base.determinism);
        (self.base.saved, self.base.restored) = (None, None);
        self.journal.clear();
    }

    /// A fresh sandbox with the state that was saved last.
    pub(crate) async fn go_to_base(&mut self) -> Result<(), String> {
        self.sandbox = None;
        self.context.determinism.set_state(self.base.determinism);
        let (Some(saved), Ok(image)) = (&self.base.saved, &self.plugin.memory_image) else {
            return self.start_anew().await;
        };
        let started = self.plugin.start(&self.context).await;
        let mut sandbox = started.map_err(|e| format!("can't be started again: {e}"))?;
        // Starting may have asked for random numbers.
        self.context.determinism.set_state(self.base.determinism);
        let applied = image.apply(&mut sandbox, &saved.state).await;
        applied.map_err(|e| format!("its saved state can't be given back: {e}"))?;
        sandbox.set_input(saved.input);
        self.sandbox = Some(sandbox);
        self.guard = saved.guard.clone();
        self.points_seen = saved.points_seen;
        Ok(())
    }

    /// Gives the sandbox the journal again. Its output went out before.
    pub(crate) async fn replay(&mut self) -> Result<(), String> {
        let Some(sandbox) = &mut self.sandbox else {
            return Ok(());
        };
        let deadline = self.context.limits.call_deadline;
        sandbox.set_deadline(Span(deadline.0 * PATIENCE));
        let (mut scrap, mut differs) = (Vec::new(), false);
        for entry in self.journal.entries() {
            let returned = match entry.call {
                Call::Process => {
                    if self.plugin.reads_clock {
                        set_time(&self.context, entry.input);
                    }
                    let frames = sandbox.process(entry.input).await.map_err(|e| e.to_string())?;
                    scrap.clear();
                    let passed = self.guard.pass(frames, &mut scrap).map_err(|e| e.to_string())?;
                    passed.error.map_or(Ok(frames.len()), Err)?
                }
                Call::Snapshot => sandbox.snapshot().await.map_err(|e| e.to_string())?.len(),
                Call::ReleaseInput => {
                    sandbox.release_input().await.map_err(|e| e.to_string())?;
                    0
                }
                Call::Restore => {
                    let returned = sandbox.restore(entry.input).await.map_err(|e| e.to_string())?.len();
                    if let Some((points_seen, determinism)) = self.base.restored {
                        self.points_seen = points_seen;
                        self.context.determinism.set_state(determinism);
                    }
                    returned
                }
            };
            differs |= entry.returned.is_some_and(|before| before != returned);
        }
        sandbox.set_deadline(deadline);
        self.points_seen += self.journal.points();
        if differs {
            log_for!(info, self.labels(), "plugin returned something else for the same input");
        }
        Ok(())
    }

    fn say_lost(&self, points: u64, reason: &str) {
        let journal = self.policy.journal.to_string();
        log_for!(
            warn,
            self.labels(),
            reason,
            points = points.to_string(),
            journal,
            "plugin goes back to its last saved state, and these points are missing in it: raise policy.journal"
        );
    }
}
