//! The memory that a snapshot takes while it is made.

use std::alloc::System;
use std::time::Duration;

use cap::Cap;
use kapacitor_guest::prelude::*;
use kapacitor_guest::runtime::Registered;
use kapacitor_guest_tests::protocol::{Point as PointMessage, Request, request};
use prost::Message;
use serde::{Deserialize, Serialize};

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

/// Groups, and the values that each of them holds: 40 MB in a snapshot.
const GROUPS: usize = 50;
const VALUES: usize = 100_000;

const KIB: usize = 1024;

/// Keeps a list in each group, and tells of silence if it should.
#[derive(Options)]
struct Large<const SILENCE: bool>;

#[derive(Serialize, Deserialize)]
struct Values(Vec<f64>);

impl Default for Values {
    fn default() -> Self {
        Self(vec![0.5; VALUES])
    }
}

impl<const SILENCE: bool> Stream for Large<SILENCE> {
    type Group = Values;

    fn point(&self, _: &mut Values, _: Point<'_>, _: &mut Output) -> Result<()> {
        Ok(())
    }

    fn silence(&self) -> Option<Duration> {
        SILENCE.then_some(Duration::from_secs(60))
    }
}

impl<const SILENCE: bool> SerdeSnapshot<Values> for Large<SILENCE> {}

register!(Large<false>, snapshot);
register!(Large<true>, snapshot);

/// Makes two snapshots; returns the length of one, and how much memory they took at most beside the state.
fn most_beside_the_state<P: Registered>() -> (usize, usize) {
    let mut calls = P::calls();
    calls.init(0);
    for group in 0..GROUPS {
        let point = PointMessage { group: format!("host={group}"), ..PointMessage::default() };
        let request = Request { message: Some(request::Message::Point(point)) };
        let frames = request.encode_length_delimited_to_vec();
        calls.input(frames.len())[..frames.len()].copy_from_slice(&frames);
        calls.process(frames.len());
    }
    let before = ALLOCATOR.allocated();
    assert!(before > GROUPS * VALUES * size_of::<f64>());
    calls.snapshot();
    calls.snapshot();
    (calls.result().len(), ALLOCATOR.max_allocated() - before)
}

/// A snapshot may be as large as the state, and a sandbox has just so much memory. One test, because what runs beside it
/// would be counted.
#[test]
fn snapshot_is_made_in_little_more_than_its_own_size() {
    let (length, most) = most_beside_the_state::<Large<false>>();
    assert!((length..length + 64 * KIB).contains(&most), "{length} bytes took {most}");
    // Silences are put in front of what has no room for them: it grows by one step.
    let (length, most) = most_beside_the_state::<Large<true>>();
    assert!((length..length + 4200 * KIB).contains(&most), "{length} bytes took {most}");
}
