//! Types of options that only this plugin has.

use std::time::Duration;

use kapacitor_guest::options::{OptionValue, Scalar, ValueType};

/// The option `season`: `'day'`, `'week'`, or a time such as `'8h'`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeasonLength {
    /// 24 hours, from midnight.
    Day,
    /// Seven days, from midnight before Monday.
    Week,
    /// Any other time, from the begin of 1970.
    Other(Duration),
}

impl SeasonLength {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "day" => return Some(Self::Day),
            "week" => return Some(Self::Week),
            _ => {}
        }
        let seconds = match text.chars().next_back()? {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            'w' => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let number: u64 = text[..text.len() - 1].parse().ok()?;
        // A century is more than any data has, and far from the largest number of nanoseconds.
        let length = number.checked_mul(seconds)?;
        (1..=100 * 365 * 24 * 60 * 60).contains(&length).then_some(Self::Other(Duration::from_secs(length)))
    }
}

impl Scalar for SeasonLength {
    const TYPE: ValueType = ValueType::String;

    fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
        let OptionValue::String(text) = value else { return None };
        let expected = || {
            format!("must be 'day', 'week' or a whole number of s, m, h, d or w such as '8h', got {text:?}")
        };
        Some(Self::parse(text).ok_or_else(expected))
    }
}

/// The option `offset`: how far a clock is ahead of UTC, in nanoseconds; negative if it is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offset(pub i64);

impl Scalar for Offset {
    const TYPE: ValueType = ValueType::Duration;

    fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
        match value {
            OptionValue::Duration(nanoseconds) => Some(Ok(Self(*nanoseconds))),
            _ => None,
        }
    }
}
