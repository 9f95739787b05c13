//! What Kapacitor groups points by.

/// One group: a measurement, if points are grouped by measurement, and the values of the tags that points are
/// grouped by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    text: String,
}

impl Group {
    /// A group. `measurement` is `None` if points of different measurements are in the same group. `tags` are only
    /// those that points are grouped by, in the order in which they are shown.
    pub fn new<'a>(measurement: Option<&str>, tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::new();
        if let Some(measurement) = measurement {
            escape(&mut text, measurement);
        }
        let mut separator = if measurement.is_some() { " " } else { "" };
        for (key, value) in tags {
            text.push_str(separator);
            escape(&mut text, key);
            text.push('=');
            escape(&mut text, value);
            separator = ",";
        }
        Self { text }
    }

    /// The group as text: `host=a,cpu=0`, or `cpu host=a` with a measurement. It is empty if all points are in one
    /// group. Spaces, commas, `=` and `\` of names have a `\` before them, as in line protocol, so that two groups
    /// never have the same text.
    pub fn text(&self) -> &str {
        &self.text
    }
}

fn escape(text: &mut String, name: &str) {
    for c in name.chars() {
        if matches!(c, ' ' | ',' | '=' | '\\') {
            text.push('\\');
        }
        text.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_texts_of_their_own() {
        assert_eq!(Group::new(None, []).text(), "");
        assert_eq!(Group::new(Some("cpu"), []).text(), "cpu");
        assert_eq!(Group::new(None, [("host", "a"), ("cpu", "0")]).text(), "host=a,cpu=0");
        assert_eq!(Group::new(Some("cpu"), [("host", "a b")]).text(), r"cpu host=a\ b");
        assert_ne!(Group::new(None, [("a", "1,b=2")]), Group::new(None, [("a", "1"), ("b", "2")]));
        assert_ne!(Group::new(Some("a=1"), []), Group::new(None, [("a", "1")]));
    }
}
