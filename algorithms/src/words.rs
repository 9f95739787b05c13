//! Options whose value is one of several words.

use kapacitor_guest::options::OptionValue;

/// What one of several words stands for: the body of [`Scalar::convert`](kapacitor_guest::options::Scalar::convert).
///
/// ```
/// use kapacitor_guest::options::{OptionValue, Scalar, ValueType};
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Side { Left, Right }
///
/// impl Scalar for Side {
///     const TYPE: ValueType = ValueType::String;
///
///     fn convert(value: &OptionValue<'_>) -> Option<Result<Self, String>> {
///         algorithms::word(value, &[("left", Self::Left), ("right", Self::Right)])
///     }
/// }
///
/// assert_eq!(Side::convert(&OptionValue::String("left")), Some(Ok(Side::Left)));
/// let refused = Side::convert(&OptionValue::String("up")).unwrap().unwrap_err();
/// assert_eq!(refused, "must be 'left' or 'right', got 'up'");
/// assert_eq!(Side::convert(&OptionValue::Int(1)), None);
/// ```
pub fn word<T: Copy>(value: &OptionValue<'_>, words: &[(&str, T)]) -> Option<Result<T, String>> {
    let OptionValue::String(given) = value else { return None };
    if let Some((_, meant)) = words.iter().find(|(word, _)| word == given) {
        return Some(Ok(*meant));
    }
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("'{word}'")).collect();
    let list = match &quoted[..] {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => quoted.concat(),
    };
    Some(Err(format!("must be {list}, got {value}")))
}
