//! What is kept of one group.

use std::collections::BTreeMap;

use kapacitor_wasm_data::{Point, Value};

use crate::buckets::Buckets;
use crate::marks::{Runs, Skip};
use crate::series::Series;

/// Longest name of a field that is told apart, in bytes.
const NAME: usize = 256;

/// Fields of one group that are told apart, of the input and of the output.
const FIELDS: usize = 64;

/// Fields of the input of one group that are drawn, besides those that the call names.
const DRAWN: usize = 8;

/// Marks of skipped points in one group.
const SKIPS: usize = 200;

/// What all groups share.
#[derive(Debug)]
pub struct Room {
    /// Fields that the call names.
    pub named: Vec<String>,
    /// Series and runs that there are.
    pub series: usize,
    pub runs: usize,
}

impl Room {
    const SERIES: usize = 1024;
    const RUNS: usize = 20_000;
    /// Buckets of all series together; a bucket is 72 bytes.
    const BUCKETS: usize = 400_000;

    /// Buckets that a series may have now.
    #[inline]
    fn buckets(&self) -> usize {
        (Self::BUCKETS / self.series.max(1)).min(2000)
    }

    /// A new series if there is room. Half of the room is kept for fields that the call names, and for output.
    fn series(&mut self, matters: bool) -> Option<Box<Series>> {
        let room = self.series < if matters { Self::SERIES } else { Self::SERIES / 2 };
        self.series += usize::from(room);
        room.then(Box::default)
    }
}

/// Values by time, of which newer ones replace older ones, so that a point that comes out can be compared with that
/// which went in.
#[derive(Debug)]
struct Recent {
    slots: Vec<(i64, f64)>,
}

impl Recent {
    const BITS: u32 = 10;

    fn new() -> Self {
        Self { slots: vec![(i64::MIN, f64::NAN); 1 << Self::BITS] }
    }

    #[inline]
    fn slot(time: i64) -> usize {
        // Source: Knuth, *The Art of Computer Programming* 3, 6.4: multiplicative hashing.
        ((time as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - Self::BITS)) as usize
    }

    #[inline]
    fn put(&mut self, time: i64, value: f64) {
        self.slots[Self::slot(time)] = (time, value);
    }

    fn get(&self, time: i64) -> Option<f64> {
        let (at, value) = self.slots[Self::slot(time)];
        (at == time).then_some(value)
    }
}

/// A field of the points that went in.
#[derive(Debug)]
pub struct InputField {
    pub name: String,
    /// `None` if it is not a number, or if there was no room.
    pub series: Option<Box<Series>>,
    recent: Option<Recent>,
    /// The last number.
    pub last: Option<f64>,
}

/// Values that came out in a field that the input has, too.
#[derive(Debug, Default)]
pub struct Carried {
    /// `None` until it is needed.
    pub series: Option<Box<Series>>,
    /// Values that are those of the input at the same time.
    pub same: u64,
    /// Values that are not.
    pub other: u64,
}

/// A field of the points that came out.
#[derive(Debug)]
pub struct OutputField {
    pub name: String,
    /// Numbers in a field that the input does not have.
    pub added: Option<Box<Series>>,
    /// Numbers of points that have only fields of the input.
    pub plain: Carried,
    /// Numbers of points that have other fields, too. The series begins with the first that is not the same.
    pub beside: Carried,
    /// Texts and truths in a field that the input does not have.
    pub runs: Runs,
    /// The last number.
    pub last: Option<f64>,
}

/// One group.
#[derive(Debug, Default)]
pub struct Record {
    pub text: String,
    pub points_in: u64,
    pub points_out: u64,
    /// Points that came out with only such fields as the input has.
    pub plain_out: u64,
    pub skipped: u64,
    /// By name.
    pub inputs: Vec<InputField>,
    pub outputs: Vec<OutputField>,
    pub skips: Buckets<Skip>,
}

impl Record {
    pub fn input(&mut self, point: &Point, room: &mut Room) {
        self.points_in += 1;
        let bound = room.buckets();
        let mut at = 0;
        for (name, value) in &point.fields {
            // Both are sorted by name, and most points have the same fields.
            while self.inputs.get(at).is_some_and(|field| field.name < *name) {
                at += 1;
            }
            if self.inputs.get(at).is_none_or(|field| field.name != *name) {
                if self.inputs.len() >= FIELDS || name.len() > NAME {
                    continue;
                }
                let field = InputField { name: name.clone(), series: None, recent: None, last: None };
                self.inputs.insert(at, field);
                if number(value).is_some() {
                    let named = room.named.contains(name);
                    let drawn = self.inputs.iter().filter(|field| field.series.is_some()).count();
                    if named || drawn < DRAWN {
                        self.inputs[at].series = room.series(named);
                        self.inputs[at].recent = self.inputs[at].series.as_ref().map(|_| Recent::new());
                    }
                }
            }
            let (field, Some(value)) = (&mut self.inputs[at], number(value)) else { continue };
            field.last = Some(value);
            if let (Some(series), Some(recent)) = (&mut field.series, &mut field.recent) {
                series.add(point.time, value, bound);
                recent.put(point.time, value);
            }
        }
    }

    pub fn output(&mut self, point: &Point, room: &mut Room) {
        self.points_out += 1;
        let plain = self.has_all(&point.fields);
        self.plain_out += u64::from(plain);
        let bound = room.buckets();
        let mut at = 0;
        for (name, value) in &point.fields {
            while self.outputs.get(at).is_some_and(|field| field.name < *name) {
                at += 1;
            }
            if self.outputs.get(at).is_none_or(|field| field.name != *name) {
                if self.outputs.len() >= FIELDS || name.len() > NAME {
                    continue;
                }
                self.outputs.insert(at, OutputField::new(name));
            }
            let output = &mut self.outputs[at];
            let input = self.inputs.binary_search_by(|field| field.name.as_str().cmp(name));
            let input = input.ok().map(|i| &self.inputs[i]);
            let number = number(value);
            output.last = number.or(output.last);
            match (number, input) {
                (Some(value), Some(input)) => output.carry(input, (point.time, value), plain, room, bound),
                (Some(value), None) => {
                    if output.added.is_none() {
                        output.added = room.series(true);
                    }
                    if let Some(series) = &mut output.added {
                        series.add(point.time, value, bound);
                    }
                }
                (None, None) => {
                    let text = match value {
                        Value::Bool(true) => Some("true"),
                        Value::String(text) => Some(text.as_str()),
                        _ => None,
                    };
                    let added = output.runs.add(point.time, text, room.runs < Room::RUNS);
                    room.runs += usize::from(added);
                }
                (None, Some(_)) => (),
            }
        }
    }

    /// The values of an added field.
    pub fn added(&self, name: &str) -> Option<&Series> {
        self.outputs.iter().find(|field| field.name == name)?.added.as_deref()
    }

    pub fn skip(&mut self, time: i64, reason: usize) {
        self.skipped += 1;
        self.skips.add(time, Skip { start: time, end: time, count: 1, reason }, SKIPS);
    }

    /// Whether the input has all of these fields. A group without input has none; one with more fields than are told
    /// apart has all.
    fn has_all(&self, fields: &BTreeMap<String, Value>) -> bool {
        let has = |name: &String| {
            name.len() > NAME || self.inputs.binary_search_by(|field| field.name.cmp(name)).is_ok()
        };
        self.points_in > 0 && (self.inputs.len() >= FIELDS || fields.keys().all(has))
    }
}

impl OutputField {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            added: None,
            plain: Carried::default(),
            beside: Carried::default(),
            runs: Runs::default(),
            last: None,
        }
    }

    fn carry(
        &mut self,
        input: &InputField,
        (time, value): (i64, f64),
        plain: bool,
        room: &mut Room,
        bound: usize,
    ) {
        // A point that is no longer among the recent ones is taken for the same if it may be: windows have many.
        let same = match input.recent.as_ref().and_then(|recent| recent.get(time)) {
            Some(found) => found == value,
            None => input.series.as_ref().is_none_or(|series| series.covers(time, value)),
        };
        let carried = if plain { &mut self.plain } else { &mut self.beside };
        carried.same += u64::from(same);
        carried.other += u64::from(!same);
        if carried.series.is_none() && (plain || !same) {
            carried.series = room.series(true);
        }
        if let Some(series) = &mut carried.series {
            series.add(time, value, bound);
        }
    }
}

/// A finite number.
#[inline]
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Double(value) => Some(*value).filter(|value| value.is_finite()),
        Value::Int(value) => Some(*value as f64),
        Value::Unsigned(value) => Some(*value as f64),
        Value::Bool(_) | Value::String(_) => None,
    }
}
