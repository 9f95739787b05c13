//! What a client asks for.

use std::time::Duration;

use form_urlencoded::parse;

use crate::tap::TapSpec;

/// Maximum time that a tap lasts.
pub const LONGEST: Duration = Duration::from_secs(600);

/// What to tap, and for how long.
#[derive(Debug, PartialEq, Eq)]
pub struct Query {
    /// What to tap.
    pub spec: TapSpec,
    /// For how long.
    pub lasts: Duration,
}

impl Query {
    /// Reads `task=TASK&direction=in&every=10&most=1000&seconds=60`, of which only `task` is needed.
    ///
    /// # Errors
    ///
    /// What is wrong, in one sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (mut name, mut input, mut output) = (String::new(), true, true);
        let (mut every, mut most, mut seconds) = (1, 1000, 60);
        for (key, value) in parse(text.as_bytes()) {
            match &*key {
                "task" => name = value.into_owned(),
                "direction" => {
                    (input, output) = match &*value {
                        "in" => (true, false),
                        "out" => (false, true),
                        "both" => (true, true),
                        _ => return Err(format!("direction={value:?} is neither in, out nor both")),
                    }
                }
                "every" => every = number("every", &value, u64::MAX)?,
                "most" => most = number("most", &value, u64::MAX)?,
                "seconds" => seconds = number("seconds", &value, LONGEST.as_secs())?,
                _ => return Err(format!("{key:?} is none of task, direction, every, most, seconds")),
            }
        }
        if name.is_empty() {
            return Err("task=TASK is missing, or task=TASK/NODE".to_owned());
        }
        let spec = TapSpec { name, input, output, every, most };
        Ok(Self { spec, lasts: Duration::from_secs(seconds) })
    }
}

fn number(key: &str, value: &str, most: u64) -> Result<u64, String> {
    let range = 1..=most;
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{key}={value:?} is no number from 1 to {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_tasks_have_any_characters() {
        let query =
            Query::parse("task=a%2Fb%20c%0A%C3%BC+d&direction=out&every=3&most=5&seconds=600").unwrap();
        let spec = TapSpec { name: "a/b c\nü d".into(), input: false, output: true, every: 3, most: 5 };
        assert_eq!(query, Query { spec, lasts: Duration::from_secs(600) });
    }

    #[test]
    fn wrong_queries_are_refused() {
        for (text, problem) in [
            ("", "task=TASK is missing"),
            ("task=", "task=TASK is missing"),
            ("task=a&direction=up", "neither in, out nor both"),
            ("task=a&every=0", "every=\"0\" is no number from 1 to"),
            ("task=a&most=-1", "most=\"-1\" is no number"),
            ("task=a&most=99999999999999999999", "is no number"),
            ("task=a&seconds=601", "seconds=\"601\" is no number from 1 to 600"),
            ("task=a&color=red", "\"color\" is none of"),
        ] {
            let refused = Query::parse(text).unwrap_err();
            assert!(refused.contains(problem), "{text}: {refused}");
        }
    }
}
