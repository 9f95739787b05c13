//! The guard by itself, on what `moving_avg` has returned.

use std::time::Instant;

use anyhow::{Context, Result};
use kapacitor_wasm::internals::Guard;
use kapacitor_wasm::internals::Limits;
use kapacitor_wasm::internals::Policy;
use kapacitor_wasm::protocol::{EdgeType, put_response};

use crate::input::Input;
use crate::server::Connection;

/// Points of one call; about as many as fit into a run.
const POINTS: usize = 1000;

/// Calls of one measurement.
const CALLS: usize = 1000;

/// Response frames of a plugin.
pub struct Output(Vec<u8>);

impl Output {
    /// What comes back for the stream.
    pub fn of(mut connection: Connection) -> Result<Self> {
        let input = Input::stream(POINTS);
        connection.client.send_bytes(&input.frames)?;
        let mut frames = Vec::new();
        for _ in 0..POINTS {
            let response = connection.client.receive()?.context("the host has closed the connection")?;
            put_response(response, &mut frames);
        }
        Ok(Self(frames))
    }

    /// Seconds that the guard takes for a point.
    pub fn check(&self) -> Result<f64> {
        let mut guard = Guard::new(EdgeType::Stream, &Limits::default(), &Policy::default());
        let mut out = Vec::new();
        let start = Instant::now();
        for _ in 0..CALLS {
            out.clear();
            guard.pass_in_place(&self.0, &mut out)?;
        }
        Ok(start.elapsed().as_secs_f64() / (CALLS * POINTS) as f64)
    }
}
