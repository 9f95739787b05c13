//! The points at which a value changes, or crosses a level, with the value before and the time since the last of them.

use algorithms::{FieldNames, PerField, rule, seconds_between, word};
use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
use kapacitor_guest::prelude::*;

#[cfg(test)]
mod tests;

/// Which edges count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Rising,
    Falling,
    Both,
}

impl Scalar for Direction {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<std::result::Result<Self, String>> {
        word(value, &[("rising", Self::Rising), ("falling", Self::Falling), ("both", Self::Both)])
    }
}

/// The options.
#[derive(Options)]
pub struct EdgeDetect {
    field: FieldNames,
    level: Option<f64>,
    #[option(default = Direction::Both)]
    direction: Direction,
    mark: Flag,
    #[option(default = "edge")]
    r#as: FieldName,
}

/// The state of a field.
#[derive(Debug, Default)]
pub struct Seen {
    /// The last value; `None` before the first one.
    value: Option<OwnedValue>,
    /// The time of the last edge that counted, in nanoseconds since 1970.
    edge: Option<i64>,
}

/// An edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Rising,
    Falling,
    /// Between values that have no order: a string, or values of different types.
    Change,
}

impl Edge {
    fn name(self) -> &'static str {
        match self {
            Self::Rising => "rising",
            Self::Falling => "falling",
            Self::Change => "change",
        }
    }

    /// The edge from one value to the next that is not the same.
    fn between(last: Value<'_>, next: Value<'_>) -> Option<Self> {
        let order = match (last, next) {
            // As numbers, ints beyond 2^53 might be the same.
            (Value::Int(last), Value::Int(next)) => last.cmp(&next),
            (Value::Bool(last), Value::Bool(next)) => last.cmp(&next),
            (Value::String(last), Value::String(next)) => return (last != next).then_some(Self::Change),
            _ => match (last.as_number(), next.as_number()) {
                (Some(last), Some(next)) => last.partial_cmp(&next)?,
                _ => return Some(Self::Change),
            },
        };
        match order {
            std::cmp::Ordering::Less => Some(Self::Rising),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Self::Falling),
        }
    }
}

impl EdgeDetect {
    /// The value of a field; `None` if the point lacks it, or if it is no finite number although it must be one.
    fn value<'a>(&self, point: Point<'a>, name: &str) -> Option<Value<'a>> {
        let value = point.field(name)?;
        match value.as_number() {
            Some(number) => number.is_finite().then_some(value),
            None => self.level.is_none().then_some(value),
        }
    }

    /// The edge from one value to the next, if it counts.
    fn edge(&self, last: Value<'_>, next: Value<'_>) -> Option<Edge> {
        let edge = match self.level {
            None => Edge::between(last, next)?,
            Some(level) => {
                let is_above = |value: Value<'_>| value.as_number().is_some_and(|number| number > level);
                Edge::between(Value::Bool(is_above(last)), Value::Bool(is_above(next)))?
            }
        };
        match self.direction {
            Direction::Both => Some(edge),
            Direction::Rising => (edge == Edge::Rising).then_some(edge),
            Direction::Falling => (edge == Edge::Falling).then_some(edge),
        }
    }

    /// Says that a point has none of the fields.
    #[cold]
    fn no_value(&self) -> Error {
        let names: Vec<&str> = self.field.names().iter().map(AsRef::as_ref).collect();
        let kind = if self.level.is_some() { "finite number" } else { "value" };
        Error::skip(format!("the point has no {kind} in `{}`", names.join("`, `")))
    }
}

impl Stream for EdgeDetect {
    type Group = PerField<Seen>;

    fn check(&self) -> Result<()> {
        rule("level", self.level.is_none_or(f64::is_finite), "must be a finite number")
    }

    fn point(&self, group: &mut PerField<Seen>, point: Point<'_>, out: &mut Output) -> Result<()> {
        let mut edited = point.edit();
        let (mut has_value, mut has_edge) = (false, false);
        for (place, name) in self.field.placed() {
            let Some(value) = self.value(point, name) else { continue };
            has_value = true;
            let seen = group.of(place);
            let result = self.field.result(place, &self.r#as);
            let edge = seen.value.as_ref().and_then(|last| self.edge(last.as_value(), value));
            if let (Some(_), Some(last)) = (edge, &seen.value) {
                has_edge = true;
                edited = edited.with([&*result, "_previous"].concat(), last.clone());
                if let Some(before) = seen.edge {
                    let seconds = seconds_between(before, point.time());
                    edited = edited.with([&*result, "_seconds"].concat(), seconds);
                }
                seen.edge = Some(point.time());
            }
            // A string is copied only if it is another one.
            if seen.value.as_ref().is_none_or(|last| last.as_value() != value) {
                seen.value = Some(value.into());
            }
            edited = edited.with(result, edge.map_or("", Edge::name));
        }
        if !has_value {
            return Err(self.no_value());
        }
        if has_edge || self.mark.is_set() { out.send(edited) } else { Ok(()) }
    }
}

register!(EdgeDetect);
