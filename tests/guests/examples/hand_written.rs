//! A moving average without the SDK, written for speed alone: the SDK's everyday interface is measured
//! against it.

#![expect(unsafe_code, reason = "exports of the guest interface, whose names no other function has")]

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};

/// The plugin's options and its state.
#[derive(Default)]
struct MovingAvg {
    field: Vec<u8>,
    size: usize,
    name: Vec<u8>,
    groups: HashMap<Vec<u8>, Window>,
    input: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Default)]
struct Window {
    values: VecDeque<f64>,
    sum: f64,
}

thread_local! {
    static PLUGIN: RefCell<MovingAvg> = RefCell::default();
}

/// Removes a varint from the front and returns it.
#[inline(always)]
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for i in 0..10 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << (7 * i);
        if *byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// Removes a field from the front; returns its number and its content.
#[inline(always)]
fn field<'a>(bytes: &mut &'a [u8]) -> Option<(u64, &'a [u8])> {
    let tag = varint(bytes)?;
    let length = match tag & 7 {
        0 => {
            let before = *bytes;
            varint(bytes)?;
            return Some((tag >> 3, &before[..before.len() - bytes.len()]));
        }
        1 => 8,
        2 => varint(bytes)? as usize,
        _ => return None,
    };
    let (value, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some((tag >> 3, value))
}

fn put_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    put_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

impl MovingAvg {
    fn init(&mut self, mut request: &[u8]) {
        // Options: a name and typed values, of which the first counts.
        while let Some((number, mut option)) = field(&mut request) {
            let (mut name, mut value) = (&[][..], &[][..]);
            while let Some((part, bytes)) = field(&mut option) {
                match part {
                    1 => name = bytes,
                    _ => value = bytes,
                }
            }
            if number != 1 {
                continue;
            }
            while let Some((part, mut bytes)) = field(&mut value) {
                match (name, part) {
                    (b"field", 5) => self.field = bytes.to_vec(),
                    (b"as", 5) => self.name = bytes.to_vec(),
                    (b"size", 3) => self.size = varint(&mut bytes).unwrap_or(1) as usize,
                    _ => {}
                }
            }
        }
        self.output.clear();
        self.output.extend([1 << 3, 1]);
    }

    fn process(&mut self, length: usize) {
        let Self { field: wanted, size, name, groups, input, output } = self;
        output.clear();
        output.reserve(length + length / 4);
        let mut rest = &input[..length];
        while let Some(length) = varint(&mut rest) {
            let (mut message, after) = rest.split_at(length as usize);
            rest = after;
            let Some((17, point)) = field(&mut message) else { continue };
            let (mut fields, mut group, mut number) = (point, &[][..], None);
            while let Some((tag, value)) = field(&mut fields) {
                match tag {
                    5 => group = value,
                    // An entry with a short key and a double.
                    8 if value.get(2..2 + wanted.len()) == Some(&wanted[..])
                        && value.len() == wanted.len() + 11 =>
                    {
                        number = value[value.len() - 8..].try_into().ok().map(f64::from_le_bytes);
                        if !group.is_empty() {
                            break;
                        }
                    }
                    _ => {}
                }
            }
            let Some(number) = number else { continue };
            if !groups.contains_key(group) {
                groups.insert(group.to_vec(), Window::default());
            }
            let Some(window) = groups.get_mut(group) else { continue };
            window.values.push_back(number);
            window.sum += number;
            if window.values.len() > *size {
                window.sum -= window.values.pop_front().unwrap_or_default();
            }
            let mean = window.sum / window.values.len() as f64;

            // The point, and one more entry of fieldsDouble.
            let entry = 11 + name.len();
            let body = point.len() + 2 + entry;
            let tag_and_length = 2 + if body < 0x80 { 1 } else { 2 };
            put_varint((body + tag_and_length) as u64, output);
            output.extend([0x8a, 0x01]);
            put_varint(body as u64, output);
            output.extend_from_slice(point);
            output.extend([0x42, entry as u8]);
            put_bytes(0x0a, name, output);
            output.push(0x11);
            output.extend(mean.to_le_bytes());
        }
    }
}

fn result(plugin: &MovingAvg) -> i64 {
    (plugin.output.as_ptr() as i64) << 32 | plugin.output.len() as i64
}

#[unsafe(no_mangle)]
extern "C" fn kapacitor_udf_abi_1() {}

#[unsafe(no_mangle)]
extern "C" fn udf_input(length: i32) -> i32 {
    PLUGIN.with_borrow_mut(|plugin| {
        plugin.input.resize(length as usize, 0);
        plugin.input.as_ptr() as i32
    })
}

#[unsafe(no_mangle)]
extern "C" fn udf_info() -> i64 {
    PLUGIN.with_borrow_mut(|plugin| {
        plugin.output.clear();
        // A stream in, a stream out, and three options of one value each: strings but for the size.
        for (name, kind) in [("field", 3), ("size", 1), ("as", 3)] {
            let (mut values, mut option) = (Vec::new(), Vec::new());
            put_bytes(0x0a, &[kind], &mut values);
            put_bytes(0x0a, name.as_bytes(), &mut option);
            put_bytes(0x12, &values, &mut option);
            put_bytes(0x1a, &option, &mut plugin.output);
        }
        result(plugin)
    })
}

#[unsafe(no_mangle)]
extern "C" fn udf_init(_: i32, length: i32) -> i64 {
    PLUGIN.with_borrow_mut(|plugin| {
        let request = plugin.input[..length as usize].to_vec();
        plugin.init(&request);
        result(plugin)
    })
}

#[unsafe(no_mangle)]
extern "C" fn udf_process(_: i32, length: i32) -> i64 {
    PLUGIN.with_borrow_mut(|plugin| {
        plugin.process(length as usize);
        result(plugin)
    })
}

#[unsafe(no_mangle)]
extern "C" fn udf_finish() -> i64 {
    0
}
