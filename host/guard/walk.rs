//! The walk over the response frames of one call.

use std::mem;

use super::fast_path::point_at;
use super::full_check::{begin, end, error, key_of, not_finite, point_of_any_form};
use super::violation::{Violation, ViolationKind};
use crate::config::Limits;
use crate::config::{EdgeCheck, Policy, Unwanted};
use crate::protocol::EdgeType;
use crate::protocol::wire::{self, Fields, LEN, VARINT};
use crate::units::Bytes;

/// What a point of a batch counts for at least, in bytes: Kapacitor holds a batch whole, and even an
/// empty point takes about so much there.
pub(super) const POINT_COST: u64 = 128;

/// Room for names that is kept from point to point.
const RETAINED_NAMES: usize = 4096;

/// What passed of one call.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Points among it.
    pub points: u64,
    /// Points that were left out because they had no fields, or none that is finite.
    pub dropped_points: u64,
    /// Points that have lost fields which are not finite.
    pub reduced_points: u64,
    /// The text of an error response, which ends the session. It is not passed on as it is.
    pub error: Option<String>,
    /// Whether there are frames, all may go as they are, and none was copied.
    pub in_place: bool,
}

/// The guard of one sandbox.
#[derive(Clone)]
pub struct Guard {
    rules: Rules,
    /// The batch that a call left open.
    open: Option<OpenBatch>,
    /// The frame of the last point that was reduced.
    reduced: Vec<u8>,
    /// Reused from point to point.
    names: Vec<(usize, usize, u32)>,
}

#[derive(Clone, Copy)]
struct Rules {
    provides: EdgeType,
    /// Whether batches and points may go on the other edge too.
    loose: bool,
    max_batch: Bytes,
    max_points: u64,
    not_finite: Unwanted,
    no_fields: Unwanted,
}

#[derive(Clone)]
struct OpenBatch {
    /// The body of the Begin without its size.
    begin: Vec<u8>,
    /// Whole point frames.
    points: Vec<u8>,
    count: u64,
}

impl Guard {
    /// A guard for a plugin that `provides` this edge.
    pub fn new(provides: EdgeType, limits: &Limits, policy: &Policy) -> Self {
        let rules = Rules {
            provides,
            loose: policy.edge_check == EdgeCheck::Loose,
            max_batch: limits.output,
            max_points: limits.output_points,
            not_finite: policy.not_finite,
            no_fields: policy.no_fields,
        };
        Self { rules, open: None, reduced: Vec::new(), names: Vec::new() }
    }

    /// Whether the last call left a batch open.
    pub fn in_batch(&self) -> bool {
        self.open.is_some()
    }

    /// Checks the response frames of one call and appends to `out` what may go to Kapacitor.
    ///
    /// # Errors
    ///
    /// At the first response that must not go. What came before it is in `out`.
    pub fn pass(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<Verdict, Violation> {
        let verdict = self.pass_in_place(frames, out)?;
        if verdict.in_place {
            out.extend_from_slice(frames);
        }
        Ok(Verdict { in_place: false, ..verdict })
    }

    /// The same, but for the case that all frames may go as they are, which is that of nearly all calls of a plugin
    /// that provides a stream: then they can be sent from where they lie, and nothing is appended to `out`.
    ///
    /// # Errors
    ///
    /// As [`Guard::pass`].
    pub fn pass_in_place(&mut self, frames: &[u8], out: &mut Vec<u8>) -> Result<Verdict, Violation> {
        let mut verdict = Verdict::default();
        let mut response = 0;
        self.walk(frames, out, &mut verdict, &mut response).map_err(|kind| Violation { response, kind })?;
        Ok(verdict)
    }

    fn walk(
        &mut self,
        frames: &[u8],
        out: &mut Vec<u8>,
        verdict: &mut Verdict,
        response: &mut usize,
    ) -> Result<(), ViolationKind> {
        // The frames between these two passed and are not yet in `out` or in the open batch.
        let (mut pending, mut pos) = (0, 0);
        let mut result = Ok(());
        while pos < frames.len() && result.is_ok() {
            *response += self.pass_short_points(frames, pending, &mut pos, verdict);
            if pos == frames.len() {
                break;
            }
            *response += 1;
            result = self.step(frames, &mut pending, &mut pos, out, verdict);
        }
        verdict.in_place = self.open.is_none() && pending == 0 && pos == frames.len() && pos > 0;
        if !verdict.in_place {
            self.flush(&frames[pending..pos], out);
        }
        result
    }

    /// Goes over points that may go as they are, which is nearly all there is. Stays at the first response that has to
    /// be looked at more closely, and returns how many came before it.
    #[inline]
    fn pass_short_points(
        &mut self,
        frames: &[u8],
        pending: usize,
        pos: &mut usize,
        verdict: &mut Verdict,
    ) -> usize {
        let Rules { provides, loose, max_batch, max_points, .. } = self.rules;
        let mut most = max_points.saturating_sub(verdict.points + verdict.dropped_points);
        let mut last_end = usize::MAX;
        match &self.open {
            _ if verdict.error.is_some() => return 0,
            Some(batch) => {
                most = most.min((max_batch.0 / POINT_COST).saturating_sub(batch.count));
                last_end = max_batch.as_usize().saturating_add(pending).saturating_sub(batch.points.len());
            }
            None if provides == EdgeType::Batch && !loose => return 0,
            None => {}
        }
        let mut points = 0;
        while points < most
            && let Some(end) = point_at(frames, *pos)
            && end <= last_end
        {
            points += 1;
            *pos = end;
        }
        verdict.points += points;
        if let Some(batch) = &mut self.open {
            batch.count += points;
        }
        points as usize
    }

    /// Checks the response at `pos` and goes on to the next one. Stays there if it must not go.
    fn step(
        &mut self,
        frames: &[u8],
        pending: &mut usize,
        pos: &mut usize,
        out: &mut Vec<u8>,
        verdict: &mut Verdict,
    ) -> Result<(), ViolationKind> {
        if verdict.error.is_some() {
            return Err(ViolationKind::AfterError);
        }
        let (start, end) = frame_at(frames, *pos).ok_or(ViolationKind::Frame)?;
        let message = self.message(&frames[start..end])?;
        let batches = self.rules.provides == EdgeType::Batch || self.rules.loose;
        match message {
            Message::Point(point) => {
                verdict.points += 1;
                if verdict.points + verdict.dropped_points > self.rules.max_points {
                    return Err(ViolationKind::TooManyPoints(self.rules.max_points));
                }
                if let Some(batch) = &mut self.open {
                    batch.count += 1;
                    let bytes = (batch.points.len() + (end - *pending)) as u64;
                    if bytes.max(batch.count * POINT_COST) > self.rules.max_batch.0 {
                        return Err(ViolationKind::BatchTooLarge(self.rules.max_batch));
                    }
                } else if self.rules.provides == EdgeType::Batch && !self.rules.loose {
                    return Err(ViolationKind::PointOutsideBatch);
                }
                if point != PointVerdict::Whole {
                    self.flush(&frames[*pending..*pos], out);
                    *pending = end;
                    self.replace(point, verdict, out);
                }
            }
            Message::Error(text) => {
                self.flush(&frames[*pending..*pos], out);
                *pending = end;
                verdict.error = Some(text.to_owned());
            }
            Message::Begin | Message::End if !batches => {
                return Err(ViolationKind::BatchOnStream(message.name()));
            }
            Message::Begin => {
                if self.open.is_some() {
                    return Err(ViolationKind::BeginInBatch);
                }
                let begin = begin_without_size(&frames[start..end])?;
                self.flush(&frames[*pending..*pos], out);
                *pending = end;
                self.open = Some(OpenBatch { begin, points: Vec::new(), count: 0 });
            }
            Message::End => {
                let batch = self.open.take().ok_or(ViolationKind::EndWithoutBegin)?;
                batch.write_begin(out);
                out.extend_from_slice(&batch.points);
                out.extend_from_slice(&frames[*pending..end]);
                *pending = end;
            }
        }
        *pos = end;
        Ok(())
    }

    /// Keeps whole frames that passed: in the open batch, or in `out`.
    fn flush(&mut self, frames: &[u8], out: &mut Vec<u8>) {
        match &mut self.open {
            Some(batch) => batch.points.extend_from_slice(frames),
            None => out.extend_from_slice(frames),
        }
    }

    /// Keeps what is left of a point, which was counted as a whole one.
    fn replace(&mut self, point: PointVerdict, verdict: &mut Verdict, out: &mut Vec<u8>) {
        match point {
            PointVerdict::Whole => {}
            PointVerdict::Reduced => {
                verdict.reduced_points += 1;
                let frame = mem::take(&mut self.reduced);
                self.flush(&frame, out);
            }
            PointVerdict::Dropped => {
                verdict.points -= 1;
                verdict.dropped_points += 1;
                if let Some(batch) = &mut self.open {
                    batch.count -= 1;
                }
            }
        }
    }

    /// Checks one response by itself.
    fn message<'a>(&mut self, bytes: &'a [u8]) -> Result<Message<'a>, ViolationKind> {
        let mut fields = Fields::new(bytes);
        let field =
            fields.next().map_err(|_| ViolationKind::Malformed("response"))?.ok_or(ViolationKind::Empty)?;
        if field.span.1 != bytes.len() {
            return Err(ViolationKind::Trailing);
        }
        let name = match field.number {
            17 => "point",
            16 => "begin",
            18 => "end",
            6 => "error",
            1 => return Err(ViolationKind::Forbidden("info")),
            2 => return Err(ViolationKind::Forbidden("init")),
            3 => return Err(ViolationKind::Forbidden("keepalive")),
            4 => return Err(ViolationKind::Forbidden("snapshot")),
            5 => return Err(ViolationKind::Forbidden("restore")),
            other => return Err(ViolationKind::Unknown(other)),
        };
        if field.wire_type != LEN {
            return Err(ViolationKind::Malformed(name));
        }
        let value = field.value;
        Ok(match field.number {
            17 => Message::Point(self.point(value)?),
            16 => {
                begin(value)?;
                Message::Begin
            }
            18 => {
                end(value)?;
                Message::End
            }
            _ => Message::Error(error(value)?),
        })
    }

    fn point(&mut self, message: &[u8]) -> Result<PointVerdict, ViolationKind> {
        let seen = point_of_any_form(message)?;
        if seen.may_have_two_types() {
            self.one_type_each(message)?;
        }
        if seen.not_finite || seen.sets == [0; 4] { self.unwanted(message) } else { Ok(PointVerdict::Whole) }
    }

    /// What becomes of a point that may hold numbers which are not finite, or no field.
    #[cold]
    fn unwanted(&mut self, message: &[u8]) -> Result<PointVerdict, ViolationKind> {
        let not_finite = not_finite(message);
        let mut fields = Fields::new(message);
        let (mut kept, mut any) = (Vec::new(), false);
        while let Ok(Some(field)) = fields.next() {
            let is_field = matches!(field.number, 8 | 9 | 10 | 12);
            if field.number == 8 && not_finite.contains(key_of(field)) {
                match self.rules.not_finite {
                    Unwanted::Drop => continue,
                    Unwanted::Fail => {
                        let name = String::from_utf8_lossy(key_of(field)).into_owned();
                        return Err(ViolationKind::NotFinite(name));
                    }
                    Unwanted::Pass => {}
                }
            }
            any |= is_field;
            kept.extend_from_slice(&message[field.span.0..field.span.1]);
        }
        match self.rules.no_fields {
            Unwanted::Drop if !any => return Ok(PointVerdict::Dropped),
            Unwanted::Fail if !any => return Err(ViolationKind::NoFields),
            _ => {}
        }
        Ok(if kept.len() == message.len() {
            PointVerdict::Whole
        } else {
            put_frame(17, &kept, &mut self.reduced);
            PointVerdict::Reduced
        })
    }

    /// The exact check behind the sets of [`NameSets`].
    pub(super) fn one_type_each(&mut self, message: &[u8]) -> Result<(), ViolationKind> {
        let mut names = mem::take(&mut self.names);
        names.clear();
        let mut fields = Fields::new(message);
        while let Ok(Some(field)) = fields.next() {
            if matches!(field.number, 8 | 9 | 10 | 12) {
                // An entry without a key has the empty one, which is anywhere.
                let key = key_of(field);
                let start = if key.is_empty() { 0 } else { key.as_ptr().addr() - message.as_ptr().addr() };
                names.push((start, start + key.len(), field.number));
            }
        }
        names.sort_unstable_by_key(|(start, end, number)| (&message[*start..*end], *number));
        let twice = names.windows(2).find_map(|pair| {
            let [(start, end, first), (start_2, end_2, second)] = pair else {
                return None;
            };
            (first != second && message[*start..*end] == message[*start_2..*end_2])
                .then(|| String::from_utf8_lossy(&message[*start..*end]).into_owned())
        });
        if names.capacity() <= RETAINED_NAMES {
            self.names = names;
        }
        twice.map_or(Ok(()), |name| Err(ViolationKind::TwoTypes(name)))
    }
}

/// What becomes of a point.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PointVerdict {
    /// It goes on as it is.
    Whole,
    /// It goes on without the numbers that are not finite: see [`Guard::reduced`].
    Reduced,
    /// Nothing is left of it.
    Dropped,
}

enum Message<'a> {
    Point(PointVerdict),
    Begin,
    End,
    Error(&'a str),
}

impl Message<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Point(_) => "point",
            Self::Begin => "begin",
            Self::End => "end",
            Self::Error(_) => "error",
        }
    }
}

impl OpenBatch {
    fn write_begin(&self, out: &mut Vec<u8>) {
        let mut body = self.begin.clone();
        if self.count > 0 {
            // Field 4, a varint.
            body.push(4 << 3 | VARINT);
            wire::put_varint(self.count, &mut body);
        }
        put_frame(16, &body, out);
    }
}

/// Writes the frame of a response that has `body` as its field `number`.
pub(super) fn put_frame(number: u32, body: &[u8], out: &mut Vec<u8>) {
    let mut message = Vec::with_capacity(body.len() + 12);
    wire::put_varint(u64::from(number << 3 | u32::from(LEN)), &mut message);
    wire::put_varint(body.len() as u64, &mut message);
    message.extend_from_slice(body);
    wire::put_varint(message.len() as u64, out);
    out.extend_from_slice(&message);
}

/// Where the message of the frame at `pos` begins and ends; `None` if there is no whole frame.
pub(super) fn frame_at(frames: &[u8], pos: usize) -> Option<(usize, usize)> {
    let (length, header) = wire::varint(&frames[pos..]).ok()?;
    let start = pos + header;
    let end = start.checked_add(usize::try_from(length).ok()?)?;
    (end <= frames.len()).then_some((start, end))
}

/// The fields of the Begin in `response`, less its size.
fn begin_without_size(response: &[u8]) -> Result<Vec<u8>, ViolationKind> {
    let malformed = || ViolationKind::Malformed("begin");
    let message = Fields::new(response).next().ok().flatten().ok_or_else(malformed)?.value;
    let mut fields = Fields::new(message);
    let mut kept = Vec::with_capacity(message.len());
    while let Some(field) = fields.next().map_err(|_| malformed())? {
        if field.number != 4 {
            kept.extend_from_slice(&message[field.span.0..field.span.1]);
        }
    }
    Ok(kept)
}
