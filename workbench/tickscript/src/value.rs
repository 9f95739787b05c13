//! Values of variables and expressions, and what operators make of them.

use crate::call::OptionValue;
use crate::lexer::Operator;

/// A value of a TICKscript that is written down rather than computed from data.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    /// A value that an option can have.
    Value(OptionValue),
    /// `['a', 'b']`
    List(Vec<Literal>),
    /// `*`
    Star,
    /// `/pattern/`. The pattern is not kept: no option can have it.
    Regex,
    /// `lambda: expression`. The expression is not kept: no option can have it.
    Lambda,
}

impl Literal {
    /// Name of the type in `var x TYPE` and in a file of vars.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Value(OptionValue::String(_)) => "string",
            Self::Value(OptionValue::Int(_)) => "int",
            Self::Value(OptionValue::Double(_)) => "float",
            Self::Value(OptionValue::Duration(_)) => "duration",
            Self::Value(OptionValue::Bool(_)) => "bool",
            Self::List(_) => "list",
            Self::Star => "star",
            Self::Regex => "regex",
            Self::Lambda => "lambda",
        }
    }

    /// About how many bytes a copy takes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Value(OptionValue::String(text)) => text.len(),
                Self::List(items) => items.iter().map(Self::size).sum(),
                _ => 0,
            }
    }
}

/// What an expression is.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Literal(Literal),
    /// Index of a node of the pipeline.
    Node(usize),
    /// A name in double quotes.
    Reference,
    /// Something that has a value in Kapacitor, but that is not computed here.
    Unread(Unread),
}

/// What is not computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// `name(arguments)` of a function that belongs to no node.
    Function,
    /// A comparison, or `AND` or `OR`.
    Comparison,
    /// A part of a lambda.
    Lambda,
}

impl Value {
    pub(crate) fn of(value: OptionValue) -> Self {
        Self::Literal(Literal::Value(value))
    }

    /// What the value is, for a message, with its article.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Literal(literal) => match literal.type_name() {
                "string" => "a text",
                "int" => "an integer",
                "float" => "a float",
                "duration" => "a duration",
                "bool" => "TRUE or FALSE",
                "list" => "a list",
                "star" => "a *",
                "regex" => "a regular expression",
                _ => "a lambda",
            },
            Self::Node(_) => "a node",
            Self::Reference => "a name in double quotes",
            Self::Unread(Unread::Function) => "a function call",
            Self::Unread(Unread::Comparison) => "a comparison",
            Self::Unread(Unread::Lambda) => "a part of a lambda",
        }
    }
}

/// `-value`
pub(crate) fn negate(value: Value) -> Result<Value, String> {
    use OptionValue::{Double, Duration, Int};
    Ok(match value {
        Value::Literal(Literal::Value(Int(int))) => Value::of(Int(int.wrapping_neg())),
        Value::Literal(Literal::Value(Double(double))) => Value::of(Double(-double)),
        Value::Literal(Literal::Value(Duration(duration))) => Value::of(Duration(duration.wrapping_neg())),
        Value::Unread(_) => value,
        other => return Err(format!("`-` can't be before {}; write it before a number", other.describe())),
    })
}

/// `!value`
pub(crate) fn not(value: Value) -> Result<Value, String> {
    match value {
        Value::Literal(Literal::Value(OptionValue::Bool(bool))) => Ok(Value::of(OptionValue::Bool(!bool))),
        Value::Unread(_) => Ok(value),
        other => Err(format!("`!` can't be before {}; write it before TRUE or FALSE", other.describe())),
    }
}

/// `left operator right`, for the pairs of types that `tick/stateful/evaluation_funcs.go` of Kapacitor 1.5 knows.
/// Comparisons are not computed. Kapacitor wraps integers around; here an overflow is an error.
pub(crate) fn binary(operator: Operator, left: Value, right: Value) -> Result<Value, String> {
    use OptionValue::{Double, Duration, Int, String};
    if !matches!(
        operator,
        Operator::Plus | Operator::Minus | Operator::Times | Operator::Divide | Operator::Remainder
    ) {
        return Ok(Value::Unread(Unread::Comparison));
    }
    let (left, right) = match (left, right) {
        (Value::Literal(Literal::Value(left)), Value::Literal(Literal::Value(right))) => (left, right),
        (Value::Unread(what), _) | (_, Value::Unread(what)) => return Ok(Value::Unread(what)),
        (left, right) => return Err(mismatch(left.describe(), right.describe())),
    };
    let value = match (operator, left, right) {
        (Operator::Plus, String(left), String(right)) => String(left + &right),
        (_, Int(left), Int(right)) | (Operator::Divide, Duration(left), Duration(right)) => {
            Int(integers(operator, left, right)?)
        }
        (Operator::Plus | Operator::Minus, Duration(left), Duration(right)) => {
            Duration(integers(operator, left, right)?)
        }
        (Operator::Times | Operator::Divide, Duration(left), Int(right))
        | (Operator::Times, Int(left), Duration(right)) => Duration(integers(operator, left, right)?),
        (Operator::Plus, Double(left), Double(right)) => Double(left + right),
        (Operator::Minus, Double(left), Double(right)) => Double(left - right),
        (Operator::Times, Double(left), Double(right)) => Double(left * right),
        (Operator::Divide, Double(left), Double(right)) => Double(left / right),
        (Operator::Times, Duration(left), Double(right))
        | (Operator::Times, Double(right), Duration(left)) => Duration(whole(left as f64 * right)?),
        (Operator::Divide, Duration(left), Double(right)) => Duration(whole(left as f64 / right)?),
        (_, left, right) => {
            return Err(mismatch(Value::of(left).describe(), Value::of(right).describe()));
        }
    };
    Ok(Value::of(value))
}

fn mismatch(left: &str, right: &str) -> String {
    format!("this operator can't be between {left} and {right}; write two values of the same type")
}

fn integers(operator: Operator, left: i64, right: i64) -> Result<i64, String> {
    match operator {
        Operator::Plus => left.checked_add(right),
        Operator::Minus => left.checked_sub(right),
        Operator::Times => left.checked_mul(right),
        Operator::Divide => left.checked_div(right),
        _ => left.checked_rem(right),
    }
    .ok_or_else(|| BEYOND.to_owned())
}

/// `double` without its fraction. One beyond the range of an integer depends on the processor in Kapacitor.
fn whole(double: f64) -> Result<i64, String> {
    const LOWEST: f64 = i64::MIN as f64;
    if double.abs() < -LOWEST { Ok(double as i64) } else { Err(BEYOND.to_owned()) }
}

const BEYOND: &str = "this is beyond the range of an integer, or a division by zero; write smaller numbers";
