//! The check of one response by itself.

use std::mem;

use super::entries::{Entry, is_field};
use super::frames::put_frame;
use super::full_check::{begin, end, error, not_finite, point_of_any_form};
use super::unwritable::{problem_of_batch, problem_of_field, problem_of_point};
use super::violation::ViolationKind;
use crate::config::{Policy, Unwanted};
use crate::protocol::field;
use crate::protocol::wire::{Fields, LEN};

/// Maximum number of names for which the memory is used again from point to point.
const RETAINED_NAMES: usize = 4096;

/// A response that Kapacitor may see.
#[derive(Clone, Copy)]
pub enum Response<'a> {
    /// A point.
    Point(PointFate),
    /// Begin of a batch.
    Begin,
    /// End of a batch, which may be left out as a whole.
    End {
        /// Whether it is left out.
        dropped: bool,
        /// The End itself.
        message: &'a [u8],
    },
    /// An error, with its text.
    Error(&'a str),
}

impl Response<'_> {
    /// Its name, as in `udf.proto`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Point(_) => "point",
            Self::Begin => "begin",
            Self::End { .. } => "end",
            Self::Error(_) => "error",
        }
    }
}

/// What becomes of a point.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum PointFate {
    /// The point goes on as it is.
    Whole,
    /// The point goes on without the numbers that are not finite: see [`ResponseCheck::reduced`].
    Reduced,
    /// The point is left out.
    Dropped,
}

/// Checks responses one by one.
#[derive(Clone)]
pub struct ResponseCheck {
    not_finite: Unwanted,
    no_fields: Unwanted,
    unwritable: Unwanted,
    /// The frame of the last point that was reduced.
    reduced: Vec<u8>,
    /// Start, end and field of each name of a point; its memory is used again from point to point.
    names: Vec<(usize, usize, u32)>,
}

impl ResponseCheck {
    /// A check under `policy`.
    pub fn new(policy: &Policy) -> Self {
        let Policy { not_finite, no_fields, unwritable, .. } = *policy;
        Self { not_finite, no_fields, unwritable, reduced: Vec::new(), names: Vec::new() }
    }

    /// The frame of the last point that was reduced.
    pub fn reduced(&self) -> &[u8] {
        &self.reduced
    }

    /// Checks one response, a whole message. `in_batch` says whether a batch has begun before it.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub fn check<'a>(&mut self, message: &'a [u8], in_batch: bool) -> Result<Response<'a>, ViolationKind> {
        use field::response::{BEGIN, END, ERROR, FENCE, INFO, INIT, KEEPALIVE, POINT, RESTORE, SNAPSHOT};

        let mut fields = Fields::new(message);
        let first = fields.next().map_err(|_| ViolationKind::Malformed("response"))?;
        let field = first.ok_or(ViolationKind::Empty)?;
        if field.span.1 != message.len() {
            return Err(ViolationKind::Trailing);
        }
        let name = match field.number {
            POINT => "point",
            BEGIN => "begin",
            END => "end",
            ERROR => "error",
            INFO => return Err(ViolationKind::Forbidden("info")),
            INIT => return Err(ViolationKind::Forbidden("init")),
            KEEPALIVE => return Err(ViolationKind::Forbidden("keepalive")),
            SNAPSHOT => return Err(ViolationKind::Forbidden("snapshot")),
            RESTORE => return Err(ViolationKind::Forbidden("restore")),
            FENCE => return Err(ViolationKind::Forbidden("fence")),
            other => return Err(ViolationKind::Unknown(other)),
        };
        if field.wire_type != LEN {
            return Err(ViolationKind::Malformed(name));
        }
        Ok(match field.number {
            POINT => Response::Point(self.point(field.value, !in_batch)?),
            BEGIN => {
                begin(field.value)?;
                Response::Begin
            }
            END => {
                end(field.value)?;
                let dropped = self.leaves_out(|| problem_of_batch(field.value))?;
                Response::End { dropped, message: field.value }
            }
            _ => Response::Error(error(field.value)?),
        })
    }

    /// Checks a point, which needs a measurement of its own if it is to be `named`.
    fn point(&mut self, message: &[u8], named: bool) -> Result<PointFate, ViolationKind> {
        let seen = point_of_any_form(message)?;
        if seen.may_have_two_types() {
            self.one_type_each(message)?;
        }
        let unwritable = seen.unwritable || (named && !seen.named);
        if seen.not_finite || seen.sets == [0; 4] || (unwritable && self.unwritable != Unwanted::Pass) {
            self.unwanted(message, named)
        } else {
            Ok(PointFate::Whole)
        }
    }

    /// Whether what has the problem that `find` finds is left out, since InfluxDB can't store it.
    ///
    /// # Errors
    ///
    /// When the policy says that this is a failure.
    pub fn leaves_out(&self, find: impl FnOnce() -> Option<String>) -> Result<bool, ViolationKind> {
        match self.unwritable {
            Unwanted::Pass => Ok(false),
            Unwanted::Drop => Ok(find().is_some()),
            Unwanted::Fail => find().map_or(Ok(false), |problem| Err(ViolationKind::Unwritable(problem))),
        }
    }

    /// What becomes of a point that may hold numbers which are not finite, names that can't be stored, or no field.
    #[cold]
    fn unwanted(&mut self, message: &[u8], named: bool) -> Result<PointFate, ViolationKind> {
        if self.leaves_out(|| problem_of_point(message, named))? {
            return Ok(PointFate::Dropped);
        }
        let not_finite = not_finite(message);
        let mut fields = Fields::new(message);
        let (mut rest, mut has_fields) = (Vec::new(), false);
        while let Ok(Some(field)) = fields.next() {
            if field.number == field::point::FIELDS_DOUBLE && not_finite.contains(Entry::of(field).key) {
                match self.not_finite {
                    Unwanted::Drop => continue,
                    Unwanted::Fail => {
                        let name = String::from_utf8_lossy(Entry::of(field).key).into_owned();
                        return Err(ViolationKind::NotFinite(name));
                    }
                    Unwanted::Pass => {}
                }
            }
            if is_field(field.number) && self.leaves_out(|| problem_of_field(Entry::of(field).key))? {
                continue;
            }
            has_fields |= is_field(field.number);
            rest.extend_from_slice(&message[field.span.0..field.span.1]);
        }
        match self.no_fields {
            Unwanted::Drop if !has_fields => return Ok(PointFate::Dropped),
            Unwanted::Fail if !has_fields => return Err(ViolationKind::NoFields),
            _ => {}
        }
        if rest.len() == message.len() {
            return Ok(PointFate::Whole);
        }
        self.reduced.clear();
        put_frame(field::response::POINT, &rest, &mut self.reduced);
        Ok(PointFate::Reduced)
    }

    /// The exact check behind the sets of [`NameSets`](super::field_types::NameSets).
    ///
    /// # Errors
    ///
    /// When a name has two types.
    pub fn one_type_each(&mut self, message: &[u8]) -> Result<(), ViolationKind> {
        let mut names = mem::take(&mut self.names);
        names.clear();
        let mut fields = Fields::new(message);
        while let Ok(Some(field)) = fields.next() {
            if is_field(field.number) {
                // An entry without a key has the empty one, which is anywhere.
                let key = Entry::of(field).key;
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
