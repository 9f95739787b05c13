//! Arguments of a node or of a property, and the types that they must have.

use crate::call::OptionValue;
use crate::error::Fault;
use crate::literal::short;
use crate::script::GroupBy;
use crate::value::{Literal, Unread, Value};

/// One step of a chain: `|name(arguments)`, `.name(arguments)` or `@name(arguments)`.
pub(crate) struct Step {
    pub link: Link,
    pub name: String,
    /// Where the step begins and ends in the text, in bytes.
    pub start: usize,
    pub end: usize,
    /// Each with its place in the text. A list that is the only argument has been replaced by its items.
    pub arguments: Vec<(usize, Value)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    /// `.`
    Property,
    /// `|`
    Chain,
    /// `@`
    Udf,
}

impl Step {
    /// The name as it is for nodes and their properties: Kapacitor raises the first letter before it looks them
    /// up, so that `.Period` is `.period`.
    pub fn node_name(&self) -> String {
        let mut characters = self.name.chars();
        characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
    }

    pub fn no_arguments(&self) -> Result<(), Fault> {
        self.arguments.first().map_or(Ok(()), |(at, _)| {
            Err(Fault::new(*at, format!("`{0}` takes no argument; write `{0}()`", short(&self.name))))
        })
    }

    /// The only argument, a text.
    pub fn text(&self) -> Result<String, Fault> {
        match self.only("'text'")? {
            (_, Value::Literal(Literal::Value(OptionValue::String(text)))) => Ok(text.clone()),
            (at, other) => Err(self.wrong(*at, other, "a text in single quotes")),
        }
    }

    /// The only argument, a duration in nanoseconds that is not negative.
    pub fn duration(&self) -> Result<i64, Fault> {
        match self.only("10m")? {
            (_, Value::Literal(Literal::Value(OptionValue::Duration(duration @ 0..)))) => Ok(*duration),
            (at, other) => Err(self.wrong(*at, other, "a duration that is not negative, such as 10m")),
        }
    }

    /// The only argument, an integer that is not negative.
    pub fn count(&self) -> Result<i64, Fault> {
        match self.only("10")? {
            (_, Value::Literal(Literal::Value(OptionValue::Int(count @ 0..)))) => Ok(*count),
            (at, other) => Err(self.wrong(*at, other, "a whole number that is not negative")),
        }
    }

    /// The tags of a `groupBy`. `time(10s)` is part of a query, and left out.
    pub fn dimensions(&self) -> Result<GroupBy, Fault> {
        let mut group_by = GroupBy::default();
        for (at, value) in &self.arguments {
            match value {
                Value::Literal(Literal::Star) => group_by.all_tags = true,
                Value::Literal(Literal::Value(OptionValue::String(tag))) if !tag.is_empty() => {
                    group_by.tags.push(tag.clone());
                }
                Value::Unread(Unread::Function) => {}
                other => return Err(self.wrong(*at, other, "names of tags in single quotes, or *")),
            }
        }
        if group_by.all_tags && !group_by.tags.is_empty() {
            let message = format!("`{}` has both * and names of tags; write one of them", short(&self.name));
            return Err(Fault::new(self.start, message));
        }
        group_by.tags.sort_unstable();
        Ok(group_by)
    }

    /// The values of an option of a UDF.
    pub fn option_values(&self) -> Result<Vec<OptionValue>, Fault> {
        self.arguments.iter().map(|(at, value)| option_value(*at, value)).collect()
    }

    fn only(&self, example: &str) -> Result<&(usize, Value), Fault> {
        match self.arguments.as_slice() {
            [argument] => Ok(argument),
            others => Err(Fault::new(
                self.start,
                format!(
                    "`{0}` has {1} arguments; write one, as in `{0}({example})`",
                    short(&self.name),
                    others.len()
                ),
            )),
        }
    }

    fn wrong(&self, at: usize, value: &Value, wanted: &str) -> Fault {
        let shown = match value {
            Value::Literal(Literal::Value(value)) => short(&value.to_string()),
            other => other.describe().to_owned(),
        };
        Fault::new(at, format!("the argument of `{}` is {shown}; write {wanted}", short(&self.name)))
    }
}

/// A value as an option can have it.
pub(crate) fn option_value(at: usize, value: &Value) -> Result<OptionValue, Fault> {
    match value {
        Value::Literal(Literal::Value(value)) => Ok(value.clone()),
        Value::Reference => {
            Err(Fault::new(at, "a name in double quotes is no value; write text in single quotes: 'text'"))
        }
        other => Err(Fault::new(
            at,
            format!(
                "{} is no value of an option; write a literal: 'text', 3, 3.0, 5m, TRUE or FALSE",
                other.describe()
            ),
        )),
    }
}
