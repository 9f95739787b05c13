//! Runs a task with a scripted guest, and collects what comes out of it.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::Task;
use super::counts::Counts;
use super::error::TaskError;
use super::reply::Reply;
use super::reporter::Reporter;
use super::scripted::ScriptedProgram;
use super::setup::Setup;
use super::trial::Trial;
use crate::config::{EdgeCheck, Limits, OnTrap, Policy, Unwanted};
use crate::logging::Labels;
use crate::protocol::{RequestMessage, Run, put_request};
use crate::sandbox::{MetricValue, SandboxContext};
use crate::state::{SkippedRecords, Snapshot};
use crate::units;

/// What a run of the actions has led to.
#[derive(Debug, PartialEq)]
pub struct Outcome {
    /// All that Kapacitor gets.
    pub output: Vec<u8>,
    /// Number of points that the last state has seen.
    pub points_seen: u64,
    /// What the counter of the guests' own has come to, over all tasks.
    pub counted: u64,
}

/// A task under test, and what has come out of it.
pub struct Bench {
    program: ScriptedProgram,
    policy: Policy,
    recovers_always: bool,
    pub task: Task<ScriptedProgram>,
    pub output: Vec<u8>,
    /// Frames that wait for the next call.
    pub waiting: Vec<RequestMessage>,
    /// Counts of the tasks before this one.
    counts: Counts,
    /// What the counter of their guests' own had come to.
    counted: u64,
    inside: bool,
    /// Whether the guest has to wait for its share after each call.
    tired: bool,
}

impl Bench {
    /// Starts a task.
    pub async fn start(program: ScriptedProgram, policy: Policy) -> Self {
        Self::start_task(program, policy, false).await
    }

    /// Starts a task whose state belongs to a client.
    pub async fn start_for_client(program: ScriptedProgram, policy: Policy) -> Self {
        Self::start_task(program, policy, true).await
    }

    async fn start_task(program: ScriptedProgram, policy: Policy, recovers_always: bool) -> Self {
        let task = start(program, policy, recovers_always).await;
        let (output, waiting) = (Vec::new(), Vec::new());
        Self {
            program,
            policy,
            recovers_always,
            task,
            output,
            waiting,
            counts: Counts::default(),
            counted: 0,
            inside: false,
            tired: false,
        }
    }

    /// From now on the guest has to wait for its share after each call, if it is `tired`.
    pub fn tire(&mut self, tired: bool) {
        self.tired = tired;
        if tired {
            self.task.supervisor.tire();
        }
    }

    /// Gives the waiting frames to the task as one run.
    pub async fn flush(&mut self) -> Result<(), TaskError> {
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
        loop {
            let mut reply = Reply::default();
            let processed = self.task.process(&run, &mut reply).await;
            self.take(reply);
            match processed? {
                Some(rest) => run = rest,
                None => return Ok(()),
            }
        }
    }

    fn take(&mut self, reply: Reply) {
        let output = self.task.output(&reply).to_vec();
        self.output.extend(reply.into_buffer());
        self.output.extend(output);
    }

    /// A snapshot of the task, as Kapacitor gets it.
    pub async fn snapshot(&mut self) -> Vec<u8> {
        self.task.snapshot(units::Bytes::mib(1)).await.unwrap().0
    }

    /// Lets another task go on with a snapshot of this one.
    pub async fn restart(&mut self) {
        let snapshot = self.snapshot().await;
        let mut next = start(self.program, self.policy, self.recovers_always).await;
        let snapshot = Snapshot::parse(&snapshot).unwrap();
        next.restore(&snapshot).await.unwrap();
        self.counts.add(&self.task.counts());
        self.counted += self.counted();
        self.task = next;
        self.tire(self.tired);
    }

    /// What the counter of the guests' own of this task has come to.
    fn counted(&self) -> u64 {
        let counters = self.task.metrics().iter().map(|(_, value)| match value {
            MetricValue::Counter(count) => count,
            MetricValue::Gauge(_) => 0,
        });
        counters.sum()
    }

    /// Ends the input.
    pub async fn finish(mut self) -> (Outcome, Counts) {
        let mut reply = Reply::default();
        self.task.finish(&mut reply).await.unwrap();
        self.take(reply);
        self.counts.add(&self.task.counts());
        let (points_seen, counted) = (self.task.points_seen(), self.counted + self.counted());
        (Outcome { output: self.output, points_seen, counted }, self.counts)
    }
}

async fn start(program: ScriptedProgram, policy: Policy, recovers_always: bool) -> Task<ScriptedProgram> {
    let context = SandboxContext::without_session(Labels::default(), Limits::default());
    // Nothing can be written there, so that no case waits for a disk.
    let records = Arc::new(SkippedRecords::new(Path::new("/dev/null"), Arc::default()));
    let reporter = Reporter::new(Arc::clone(&context.labels), [0; 32], records, Arc::default(), None);
    let setup = Setup { program, context, policy, recovers_always, trial: Trial::default() };
    Task::start_program(setup, reporter, [0; 32], None).await.unwrap()
}

/// A policy that lets the plugin fail as often as it does.
pub fn policy(on_trap: OnTrap) -> Policy {
    Policy {
        on_trap,
        edge_check: EdgeCheck::Loose,
        failures_per_minute: u32::MAX,
        // The points of the tests have no measurement.
        unwritable: Unwanted::Pass,
        ..Policy::default()
    }
}
