//! A mistake in the text of a `udf.toml`, with what was probably meant.

use std::fmt;

use kapacitor_wasm_status::on_one_line;
use thiserror::Error;

/// What is wrong at one place of the text, and what to do.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Mistake {
    /// There is no such key.
    #[error("unknown key `{key}`: {advice}")]
    UnknownKey {
        /// The key with its tables.
        key: String,
        /// What was probably meant.
        advice: Advice,
    },
    /// The key takes some words only, and this is none of them.
    #[error("`{key}`: unknown value `{value}`: {advice}")]
    UnknownValue {
        /// The key with its tables.
        key: String,
        /// The value.
        value: String,
        /// What was probably meant.
        advice: Advice,
    },
    /// The key is there twice.
    #[error("`{key}` is there twice: keep one")]
    Duplicate {
        /// The key.
        key: String,
    },
    /// The value is not one that the key takes.
    #[error("`{key}`: {message}")]
    Value {
        /// The key with its tables.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// The text is not TOML.
    #[error("this is not TOML: {0}")]
    Syntax(String),
}

/// What was probably meant with a key or value that is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advice {
    /// One that is written nearly so.
    DidYouMean(String),
    /// The same key in other tables.
    BelongsIn(Vec<String>),
    /// All that there are.
    Known(Vec<String>),
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DidYouMean(near) => write!(f, "did you mean `{near}`?"),
            Self::BelongsIn(tables) => write!(f, "it belongs in {}", tables.join(" or ")),
            Self::Known(known) => write!(f, "there are: {}", known.join(", ")),
        }
    }
}

impl Mistake {
    /// The mistake that `error` reports of `text`. `keys` are all keys that have a default, such as `limits.memory`.
    pub fn of(error: &toml::de::Error, text: &str, keys: &[String]) -> Self {
        // A key may have any characters, also a line break.
        let (table, message) = (on_one_line(&table(error)), on_one_line(error.message()));
        let message = message.as_str();
        if let Some((unknown, known)) = unknown(message, "unknown field `") {
            let key = if table.is_empty() { unknown.to_owned() } else { format!("{table}.{unknown}") };
            return Self::UnknownKey { key, advice: advice_for_key(&table, unknown, &known, keys) };
        }
        if let Some((value, known)) = unknown(message, "unknown variant `") {
            let advice = near(value, &known).unwrap_or(Advice::Known(owned(&known)));
            return Self::UnknownValue { key: table, value: value.to_owned(), advice };
        }
        let at = error.span().and_then(|span| text.get(span)).unwrap_or_default();
        if message.starts_with("duplicate key") {
            return Self::Duplicate { key: on_one_line(at.trim()) };
        }
        let message = message
            .replace("expected u32", &format!("expected a whole number from 0 to {}", u32::MAX))
            .replace("expected u64", &format!("expected a whole number from 0 to {}", i64::MAX))
            .replace("expected path string", "expected a path in quotes")
            .replace("expected a string", "expected a text in quotes")
            .replace("\\u000a", ", ");
        if table.is_empty() { Self::Syntax(message) } else { Self::Value { key: table, message } }
    }
}

/// The key that `error` is about, or the table of an unknown key. The error itself shows them only without its text.
fn table(error: &toml::de::Error) -> String {
    let mut error = error.clone();
    error.set_input(None);
    let shown = error.to_string();
    let keys = shown.trim_end().rsplit_once("\nin `").and_then(|(_, keys)| keys.strip_suffix('`'));
    keys.unwrap_or_default().to_owned()
}

/// The unknown word of a message that begins with `start`, and the words that are known, each in backticks.
fn unknown<'a>(message: &'a str, start: &str) -> Option<(&'a str, Vec<&'a str>)> {
    let (unknown, rest) = message.strip_prefix(start)?.split_once('`')?;
    Some((unknown, rest.split('`').skip(1).step_by(2).collect()))
}

fn advice_for_key(table: &str, unknown: &str, known: &[&str], keys: &[String]) -> Advice {
    // The tables of a function are below it.
    let function = table.strip_prefix("functions.").and_then(|rest| rest.split('.').next());
    let tables = keys.iter().filter_map(|key| key.rsplit_once('.')).filter(|(_, last)| *last == unknown);
    let tables: Vec<String> = tables
        .filter_map(|(table, _)| match function {
            None => Some(format!("[{table}]")),
            Some(function) if ["limits", "policy"].contains(&table) => {
                Some(format!("[functions.{function}.{table}]"))
            }
            Some(_) => None,
        })
        .collect();
    if !tables.is_empty() {
        return Advice::BelongsIn(tables);
    }
    near(unknown, known).unwrap_or(Advice::Known(owned(known)))
}

/// The known word that differs least from `word`, if it differs in a third of the letters at most.
fn near(word: &str, known: &[&str]) -> Option<Advice> {
    let distance = |known: &&&str| strsim::damerau_levenshtein(word, known);
    let near = known.iter().min_by_key(distance)?;
    (distance(&near) <= word.chars().count().div_ceil(3)).then(|| Advice::DidYouMean((*near).to_owned()))
}

fn owned(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}
