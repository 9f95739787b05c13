//! Output of the guard, read by Kapacitor's own decoder.
//!
//! The guard is checked against prost elsewhere. This checks that Kapacitor agrees, as Go's protobuf
//! has limits of its own.

use std::io::Write;
use std::process::{Command, Stdio};

use kapacitor_wasm::internals::wire::{self, FIXED32, FIXED64, LEN, VARINT};
use kapacitor_wasm::internals::{Bytes, Guard, Limits, Policy, Unwanted};
use kapacitor_wasm::protocol::EdgeType;

use super::binaries;

/// Number of streams that are generated, each mutated in its own way.
const STREAMS: usize = 120_000;

#[test]
fn output_of_guard_is_decoded_by_kapacitor() {
    let Some(decoder) = binaries::decoder_or_skip() else { return };
    let limits = Limits { output: Bytes::mib(1), ..Limits::default() };
    let policy = Policy {
        not_finite: Unwanted::Pass,
        no_fields: Unwanted::Pass,
        unwritable: Unwanted::Pass,
        ..Policy::default()
    };
    let mut random = Random(20_260_301);
    let (mut sent, mut changed, mut refused) = (Vec::new(), 0, 0);
    let mut before = Vec::new();
    for i in 0..STREAMS {
        let edge = if i % 2 == 0 { EdgeType::Stream } else { EdgeType::Batch };
        let good = random.stream(edge);
        // One stream in eight is not mutated, so that valid streams are decoded, too.
        let stream = if i % 8 == 0 { random.frames(&good) } else { random.mutated(good, &before) };
        let from = sent.len();
        let passed = Guard::new(edge, &limits, &policy).pass(&stream, &mut sent);
        assert!(i % 8 != 0 || passed.is_ok(), "{passed:?}: {stream:02x?}");
        refused += usize::from(passed.is_err());
        changed += usize::from(i % 8 != 0 && sent.len() > from);
        before = stream;
    }
    // With fewer, the mutations would be too tame or too wild to test the guard.
    assert!(refused > STREAMS / 10, "{refused} refused");
    assert!(changed > STREAMS / 10, "{changed} mutated and passed");

    let mut child = Command::new(decoder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A decoder that has found an error stops reading; its message says more than the broken pipe.
    let _ = child.stdin.take().unwrap().write_all(&sent);
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let decoded: usize = String::from_utf8_lossy(&output.stdout).trim().parse().unwrap();
    assert_eq!(decoded, count(&sent));
}

/// The number of frames.
fn count(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while !bytes.is_empty() {
        let (length, header) = wire::varint(bytes).unwrap();
        bytes = &bytes[header + usize::try_from(length).unwrap()..];
        count += 1;
    }
    count
}

/// The message of a response: its number and its fields, each encoded.
#[derive(Clone)]
struct Response {
    number: u32,
    fields: Vec<Vec<u8>>,
}

/// The same numbers in every run.
struct Random(u64);

impl Random {
    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    fn byte(&mut self) -> u8 {
        self.next() as u8
    }

    fn frames(&mut self, responses: &[Response]) -> Vec<u8> {
        let mut out = Vec::new();
        for response in responses {
            self.frame(response.number, &response.fields.concat(), &mut out);
        }
        out
    }

    fn frame(&mut self, number: u32, body: &[u8], out: &mut Vec<u8>) {
        let message = self.delimited(number, body);
        self.varint(message.len() as u64, 10, out);
        out.extend_from_slice(&message);
    }

    /// A stream that the guard takes whole.
    fn stream(&mut self, edge: EdgeType) -> Vec<Response> {
        let mut responses = Vec::new();
        for _ in 0..1 + self.below(3) {
            if edge == EdgeType::Batch {
                responses.push(self.begin());
            }
            for _ in 0..self.below(4) {
                responses.push(self.point());
            }
            if edge == EdgeType::Batch {
                responses.push(self.end());
            }
        }
        responses
    }

    fn begin(&mut self) -> Response {
        let mut fields = vec![self.text(1), self.text(2), self.integer(5)];
        if self.one_in(2) {
            fields.push(self.integer(4));
        }
        for _ in 0..self.below(3) {
            fields.push(self.entry(3, LEN, 0));
        }
        self.response(16, fields)
    }

    fn end(&mut self) -> Response {
        let mut fields = vec![self.text(1), self.text(2), self.integer(3), self.integer(5)];
        for _ in 0..self.below(3) {
            fields.push(self.entry(4, LEN, 0));
        }
        self.response(18, fields)
    }

    fn point(&mut self) -> Response {
        let mut fields = vec![self.integer(1), self.integer(11)];
        for number in 2..=6 {
            if !self.one_in(3) {
                fields.push(self.text(number));
            }
        }
        for _ in 0..self.below(3) {
            fields.push(self.entry(7, LEN, 0));
        }
        // Names of one length for each type, so that no name has two types.
        for (number, wire_type, name) in [(8, FIXED64, 1), (9, VARINT, 2), (10, LEN, 3), (12, VARINT, 4)] {
            for _ in 0..1 + self.below(3) {
                fields.push(self.entry(number, wire_type, name));
            }
        }
        self.response(17, fields)
    }

    /// A response with these fields in any order, some of them twice, and sometimes an unknown one.
    fn response(&mut self, number: u32, mut fields: Vec<Vec<u8>>) -> Response {
        if self.one_in(8) {
            let twice = fields[self.below(fields.len())].clone();
            fields.push(twice);
        }
        if self.one_in(8) {
            fields.push(self.unknown());
        }
        for i in (1..fields.len()).rev() {
            fields.swap(i, self.below(i + 1));
        }
        Response { number, fields }
    }

    fn tag(&mut self, number: u32, wire_type: u8, out: &mut Vec<u8>) {
        self.varint(u64::from(number << 3 | u32::from(wire_type)), 5, out);
    }

    /// A varint, sometimes in more bytes than it needs.
    fn varint(&mut self, value: u64, most: usize, out: &mut Vec<u8>) {
        let start = out.len();
        wire::put_varint(value, out);
        if self.one_in(16) {
            let more = self.below(most.saturating_sub(out.len() - start) + 1);
            for _ in 0..more {
                *out.last_mut().unwrap() |= 0x80;
                out.push(0);
            }
        }
    }

    fn delimited(&mut self, number: u32, contents: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.tag(number, LEN, &mut out);
        self.varint(contents.len() as u64, 10, &mut out);
        out.extend_from_slice(contents);
        out
    }

    fn text(&mut self, number: u32) -> Vec<u8> {
        let text = match self.below(6) {
            0 => String::new(),
            1 => "Ω\u{10ffff}\u{80}\u{7ff}\u{800}\u{ffff}".to_owned(),
            2 => "long ".repeat(self.below(60)),
            _ => "cpu,host=a"[..self.below(11)].to_owned(),
        };
        self.delimited(number, text.as_bytes())
    }

    fn integer(&mut self, number: u32) -> Vec<u8> {
        let mut out = Vec::new();
        self.tag(number, VARINT, &mut out);
        let value = match self.below(4) {
            0 => self.next(),
            1 => [0, 1, u64::MAX, i64::MAX as u64, 1 << 63, 1 << 31][self.below(6)],
            _ => self.below(300) as u64,
        };
        self.varint(value, 10, &mut out);
        out
    }

    /// A map entry with a name of `name` letters, or any text if that is zero. Key and value may be
    /// missing, or stand in the other order.
    fn entry(&mut self, number: u32, wire_type: u8, name: usize) -> Vec<u8> {
        let key = match name {
            0 => self.text(1),
            _ => {
                let letter = b'a' + self.below(4) as u8;
                self.delimited(1, &vec![letter; name])
            }
        };
        let value = match wire_type {
            VARINT => self.integer(2),
            LEN => self.text(2),
            _ => {
                let mut out = Vec::new();
                self.tag(2, FIXED64, &mut out);
                let value = [1.5, 0.0, -0.0, f64::MAX, f64::MIN_POSITIVE / 2.0][self.below(5)];
                out.extend_from_slice(&value.to_le_bytes());
                out
            }
        };
        let entry = match self.below(16) {
            0 => [value, key].concat(),
            1 => key,
            2 if name == 0 => value,
            3 => {
                let unknown = self.unknown();
                [key, unknown, value].concat()
            }
            _ => [key, value].concat(),
        };
        self.delimited(number, &entry)
    }

    /// A field of a number that the protocol does not use.
    fn unknown(&mut self) -> Vec<u8> {
        let number = [13, 19, 100, (1 << 29) - 1][self.below(4)];
        let mut out = Vec::new();
        match self.below(4) {
            0 => out = self.integer(number),
            1 => out = self.text(number),
            2 => {
                self.tag(number, FIXED64, &mut out);
                out.extend_from_slice(&self.next().to_le_bytes());
            }
            _ => {
                self.tag(number, FIXED32, &mut out);
                out.extend_from_slice(&[self.byte(); 4]);
            }
        }
        out
    }

    /// The stream with one to three changes: in its messages, whose lengths are then right again, in
    /// their order, or in the bytes.
    fn mutated(&mut self, mut responses: Vec<Response>, other: &[u8]) -> Vec<u8> {
        if self.one_in(4) && !responses.is_empty() {
            let i = self.below(responses.len());
            match self.below(4) {
                0 => drop(responses.remove(i)),
                1 => responses.insert(i, responses[i].clone()),
                2 => responses[i].number = self.below(20) as u32,
                _ => responses.truncate(i),
            }
        }
        let changed = self.below(responses.len().max(1));
        let mut out = Vec::new();
        for (i, response) in responses.iter().enumerate() {
            let mut fields = response.fields.clone();
            if i == changed {
                match self.below(4) {
                    // In one field, with its length set right where it has one of a byte.
                    0 | 1 => {
                        let field = self.below(fields.len());
                        let field = &mut fields[field];
                        self.change(field, other);
                        if let [tag, length, rest @ ..] = &mut field[..]
                            && *tag & 7 == LEN
                            && rest.len() < 0x80
                        {
                            *length = rest.len() as u8;
                        }
                    }
                    2 => self.change_any(&mut fields, other),
                    _ => {}
                }
            }
            self.frame(response.number, &fields.concat(), &mut out);
        }
        if self.one_in(3) {
            self.change(&mut out, other);
        }
        out
    }

    fn change_any(&mut self, fields: &mut Vec<Vec<u8>>, other: &[u8]) {
        let mut body = fields.concat();
        self.change(&mut body, other);
        *fields = vec![body];
    }

    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let at = self.below(bytes.len());
        let end = (at + self.below(12)).min(bytes.len());
        match self.below(8) {
            0 => bytes[at] = self.byte(),
            1 => bytes[at] ^= 1 << self.below(8),
            2 => bytes.insert(at, self.byte()),
            3 => drop(bytes.remove(at)),
            4 => drop(bytes.drain(at..end)),
            5 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            6 => {
                let from = self.below(other.len());
                let piece = &other[from..(from + self.below(40)).min(other.len())];
                bytes.splice(at..end, piece.iter().copied());
            }
            _ => bytes.truncate(at),
        }
    }
}
