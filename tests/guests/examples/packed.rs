//! Adds the length and a checksum of what was packed into the file, and uses much memory besides.

use kapacitor_guest::prelude::*;

#[derive(Options)]
struct Packed {}

/// Bytes that each point takes for ever: more than what is left of the initial memory.
const TAKEN: usize = 100_000;

impl Stream for Packed {
    type Group = Vec<Vec<u8>>;

    fn check(&self) -> Result<()> {
        kapacitor_guest::packed().map(|_| ()).ok_or_else(|| "nothing was packed into the plugin".into())
    }

    fn point(&self, taken: &mut Vec<Vec<u8>>, point: Point<'_>, out: &mut Output) -> Result<()> {
        taken.push(vec![0xa5; TAKEN]);
        let data = kapacitor_guest::packed().unwrap_or_default();
        let sum = data.iter().fold(0_i64, |sum, byte| (sum * 31 + i64::from(*byte)) % 1_000_000_007);
        out.send(point.with("bytes", data.len() as i64).with("sum", sum))
    }
}

register!(Packed);
