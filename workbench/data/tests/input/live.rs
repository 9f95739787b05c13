//! Points are there as soon as their line is.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use kapacitor_wasm_data::Record;
use kapacitor_wasm_data::input::{Input, Options};

/// Gives out one piece for each read, and counts the reads.
struct Pieces {
    pieces: VecDeque<&'static str>,
    reads: Arc<AtomicUsize>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let piece = self.pieces.pop_front().unwrap_or_default();
        if piece == "interrupted" {
            return Err(io::ErrorKind::Interrupted.into());
        }
        buffer[..piece.len()].copy_from_slice(piece.as_bytes());
        Ok(piece.len())
    }
}

#[test]
fn nothing_is_read_while_there_is_a_whole_line() {
    let reads = Arc::new(AtomicUsize::new(0));
    let pieces =
        ["a v=1 1\na v=1 2\n# x\na v", "=1 3\n", "a s=\"x\n", "interrupted", "\" 4\nbad\n", "a v=1 5"].into();
    let mut input =
        Input::live("telegraf", Pieces { pieces, reads: Arc::clone(&reads) }, &Options::default());
    for (time, expected) in [(1, 1), (2, 1), (3, 2), (4, 5), (5, 7)] {
        let Some(Ok(Record::Point(point))) = input.next() else { panic!() };
        assert_eq!((point.time, reads.load(Ordering::Relaxed)), (time, expected));
    }
    assert!(input.next().is_none());
    assert_eq!(input.bad_lines().first[0].to_string(), "telegraf:7: it has no field");
}

#[test]
fn an_end_without_a_point_is_no_error() {
    assert!(Input::live("telegraf", io::empty(), &Options::default()).next().is_none());
}

#[test]
fn the_end_of_a_pipe_in_the_middle_of_a_line_is_a_bad_line() {
    let mut input = Input::live("telegraf", &b"a v=1 1\na v"[..], &Options::default());
    assert!(input.next().unwrap().is_ok());
    assert!(input.next().is_none());
    assert_eq!(input.bad_lines().count, 1);
}

#[test]
fn an_input_may_be_read_in_a_thread() {
    let input = Input::live("telegraf", &b"a v=1 1\n"[..], &Options::default());
    assert_eq!(std::thread::spawn(|| input.count()).join().unwrap(), 1);
}
