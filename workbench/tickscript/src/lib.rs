//! Reads from a TICKscript how UDFs are called, and what reaches each call.
//!
//! [`parse_script`] reads a script, [`parse_call`] one call as `--call` has it, [`parse_option_values`] the values of
//! one option, and [`parse_duration`] a time. What is read is what Kapacitor 1.5.9 would send to the UDF; what can't
//! be told is an error, or is listed as left out. Lambdas are not evaluated, and no node is run.
//!
//! Texts may come from anywhere: whatever they are, they are read in a time that grows no faster than their length,
//! in memory that is bounded, and without a panic.
//!
//! ```
//! use kapacitor_wasm_tickscript::{OptionValue, Vars, parse_script};
//!
//! let script = "
//!     stream
//!         |from()
//!             .measurement('cpu')
//!             .groupBy('host')
//!         |window()
//!             .period(10m)
//!             .every(10m)
//!         @moving_avg()
//!             .field('usage_user')
//!             .size(30)
//! ";
//! let script = parse_script(script, "cpu.tick", &Vars::new())?;
//! let call = &script.calls[0];
//! assert_eq!(call.call.options[1].values, [OptionValue::Int(30)]);
//! assert_eq!(call.measurement.as_deref(), Some("cpu"));
//! assert_eq!(call.window.map(|window| window.period), Some(600_000_000_000));
//! # Ok::<(), kapacitor_wasm_tickscript::ScriptError>(())
//! ```

#![forbid(unsafe_code)]

mod arguments;
mod call;
mod cursor;
mod error;
mod expression;
mod lexer;
mod literal;
mod pipeline;
mod query;
mod reach;
mod reader;
mod script;
mod value;
mod vars;

pub use call::{Call, CallOption, OptionValue};
pub use error::ScriptError;
pub use reader::Vars;
pub use script::{Edge, GroupBy, LeftOut, PipelineCall, Script, Window};
pub use value::Literal;
pub use vars::parse_vars;

use arguments::option_value;
use error::Fault;
use reader::Reader;

/// The UDF calls of a script, with what reaches them.
///
/// `file_name` is how errors name the script. `vars` are the values of variables that the script declares with a type
/// alone, and they override the defaults of others, as `kapacitor define -vars` does; [`parse_vars`] reads them from a
/// file.
///
/// # Errors
///
/// The text is no TICKscript, is longer than 1 MiB, is nested more than 100 deep, has more than 2,000 nodes and
/// properties or 100 UDF calls, has a variable without a value, or has something in a UDF call, `from`, `query` or
/// `window` that is no literal and can't be computed.
pub fn parse_script(text: &str, file_name: &str, vars: &Vars) -> Result<Script, ScriptError> {
    let read = || reach::reach(text, &Reader::new(text, vars)?.script()?);
    read().map_err(|fault| fault.in_text(text, Some(file_name)))
}

/// The one UDF call of `text`, with what reaches it: `@name().option(value)`, also without `@`.
///
/// Nodes may come before it: `|window().period(10m).every(10m)@name()`, or all from `stream|from()` on. Without them, a
/// stream of all points reaches the call.
///
/// # Errors
///
/// As [`parse_script`], and if there is no call or more than one.
pub fn parse_pipeline_call(text: &str) -> Result<PipelineCall, ScriptError> {
    let read = || {
        let vars = Vars::new();
        let pipeline = Reader::new(text, &vars)?.fragment()?;
        let mut calls = reach::reach(text, &pipeline)?.calls;
        match (calls.pop(), calls.len()) {
            (Some(call), 0) => Ok(call),
            (None, _) => {
                Err(Fault::new(0, "this has no UDF call; write one, such as @name().option('value')"))
            }
            (Some(_), more) => {
                Err(Fault::new(0, format!("this has {} UDF calls; write one of them, or a script", more + 1)))
            }
        }
    };
    read().map_err(|fault| fault.in_text(text, None))
}

/// The one UDF call of `text`, as [`parse_pipeline_call`] reads it, without what reaches it.
///
/// ```
/// use kapacitor_wasm_tickscript::parse_call;
///
/// let call = parse_call("moving_avg().field('usage_user').size(30)")?;
/// assert_eq!(call.to_string(), "@moving_avg().field('usage_user').size(30)");
/// # Ok::<(), kapacitor_wasm_tickscript::ScriptError>(())
/// ```
///
/// # Errors
///
/// As [`parse_pipeline_call`].
pub fn parse_call(text: &str) -> Result<Call, ScriptError> {
    parse_pipeline_call(text).map(|call| call.call)
}

/// The values of one option, separated by commas and written as in a TICKscript: `'text'`, `3`, `3.0`, `TRUE`, `5m`.
/// An empty text has no values.
///
/// # Errors
///
/// Something is no value of an option. The error says how to write text, because a shell takes quotes away.
pub fn parse_option_values(text: &str) -> Result<Vec<OptionValue>, ScriptError> {
    let read = || -> Result<Vec<OptionValue>, Fault> {
        let vars = Vars::new();
        Reader::new(text, &vars)?.values()?.iter().map(|(at, value)| option_value(*at, value)).collect()
    };
    read().map_err(|fault| Fault { message: value_fault(text, fault.message), ..fault }.in_text(text, None))
}

/// What is said of an option's value that can't be read, with what a user of a shell needs.
fn value_fault(text: &str, message: String) -> String {
    let shown = literal::short(text);
    if ["true", "false"].iter().any(|word| shown.eq_ignore_ascii_case(word)) {
        return format!("`{shown}` is no value; write {}", shown.to_uppercase());
    }
    if text.contains('\'') {
        return message;
    }
    let quote = format!("text in single quotes, and double quotes around it for the shell: \"'{shown}'\"");
    if text.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '.') {
        format!("{message}; if it is text, write {quote}")
    } else {
        format!("`{shown}` is no value; write {quote}")
    }
}

/// A time in nanoseconds: whole numbers with the units of Kapacitor (`u` or `µ`, `ms`, `s`, `m`, `h`, `d`, `w`), such as
/// `10m` or `1h30m`. A literal of a TICKscript has only one number.
///
/// # Errors
///
/// The text is no such time, is negative, or is longer than 292 years.
pub fn parse_duration(text: &str) -> Result<i64, ScriptError> {
    literal::duration(text)
        .and_then(|duration| {
            if duration < 0 {
                Err(format!("`{}` is negative; write a time without the sign", literal::short(text)))
            } else {
                Ok(duration)
            }
        })
        .map_err(|message| Fault::new(0, message).in_text(text, None))
}
