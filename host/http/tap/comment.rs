//! The lines beside the points: comments of line protocol, which its readers skip.

use crate::logging::put;
use crate::protocol::{BeginBatch, EndBatch, Point};
use crate::tap::{Direction, Source};

/// A line that is being written.
pub struct Comment(String);

impl Comment {
    /// `# WORDS`
    pub fn new(words: &str) -> Self {
        Self(format!("# {words}"))
    }

    /// Adds ` key=value`, quoted where it must be.
    #[must_use]
    pub fn with(mut self, key: &str, value: &str) -> Self {
        put(key, value, &mut self.0);
        self
    }

    /// The same, unless there is nothing to say.
    #[must_use]
    fn with_any(self, key: &str, value: &str) -> Self {
        if value.is_empty() { self } else { self.with(key, value) }
    }

    /// Adds which session it is.
    #[must_use]
    pub fn of(self, source: &Source) -> Self {
        let udf = &source.udf;
        let line = self.with("function", &udf.function).with("task", &udf.task).with("node", &udf.node);
        line.with("session", &source.session.to_string())
    }

    /// The line with its line break.
    pub fn line(mut self) -> String {
        self.0.push('\n');
        self.0
    }
}

/// What line protocol does not say of a point of a stream.
pub fn point(source: &Source, direction: Direction, point: &Point) -> String {
    let mut comment = Comment::new(direction.name())
        .of(source)
        .with_any("database", &point.database)
        .with_any("retention_policy", &point.retention_policy)
        .with_any("dimensions", &point.dimensions.join(","));
    if point.by_name {
        comment = comment.with("by_name", "true");
    }
    // The group follows from dimensions and tags, or a line would come before nearly each point.
    if !is_usual_group(point) {
        comment = comment.with("group", &point.group);
    }
    comment.line()
}

/// Whether the group is the one that Kapacitor makes of dimensions and tags: `ToGroupID` in its `models/point.go`. That
/// one is not built here: a point of some kilobytes may have dimensions that make gigabytes of it.
fn is_usual_group(point: &Point) -> bool {
    let mut rest = Some(point.group.as_str());
    let mut goes_on_with = |text: &str| rest = rest.and_then(|rest| rest.strip_prefix(text));
    if point.by_name {
        goes_on_with(&point.name);
    }
    for (i, key) in point.dimensions.iter().enumerate() {
        match (i, point.by_name) {
            (0, true) => goes_on_with("\n"),
            (0, false) => {}
            _ => goes_on_with(","),
        }
        goes_on_with(key);
        goes_on_with("=");
        goes_on_with(point.tags.get(key).map_or("", String::as_str));
    }
    rest == Some("")
}

/// The beginning of a batch.
pub fn begin(source: &Source, direction: Direction, begin: &BeginBatch) -> String {
    let tags: Vec<_> = begin.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut comment = Comment::new(&format!("{} begin", direction.name()))
        .of(source)
        .with("name", &begin.name)
        .with("group", &begin.group)
        .with_any("tags", &tags.join(","))
        .with("size", &begin.size.to_string());
    if begin.by_name {
        comment = comment.with("by_name", "true");
    }
    comment.line()
}

/// The end of a batch.
pub fn end(source: &Source, direction: Direction, end: &EndBatch) -> String {
    Comment::new(&format!("{} end", direction.name()))
        .of(source)
        .with("name", &end.name)
        .with("group", &end.group)
        .with("tmax", &end.tmax.to_string())
        .line()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::udf_node::UdfNode;

    fn source() -> Source {
        let udf = UdfNode { function: "mean".into(), task: "cpu\n1".into(), node: "mean2".into() };
        Source { udf, session: 3, ..Source::default() }
    }

    #[test]
    fn comment_is_one_line_whatever_the_names() {
        let line = Comment::new("in").of(&source()).with("group", "a\u{1b}[31m\r\n").line();
        assert_eq!(
            line,
            "# in function=mean task=\"cpu\\n1\" node=mean2 session=3 group=\"a\\u001b[31m\\u000d\\n\"\n"
        );
    }

    #[test]
    fn group_is_told_where_it_is_unusual() {
        let tags = [("host".to_owned(), "a".to_owned())].into();
        let grouped = Point {
            name: "cpu".into(),
            dimensions: vec!["host".into()],
            group: "host=a".into(),
            tags,
            ..Point::default()
        };
        let shown = |of: &Point| point(&source(), Direction::Out, of);
        assert!(shown(&grouped).ends_with(" session=3 dimensions=host\n"), "{}", shown(&grouped));
        let by_name = Point { by_name: true, group: "cpu\nhost=a".into(), ..grouped.clone() };
        assert!(shown(&by_name).ends_with(" dimensions=host by_name=true\n"), "{}", shown(&by_name));
        let name_alone = Point { dimensions: Vec::new(), group: "cpu".into(), ..by_name.clone() };
        assert!(shown(&name_alone).ends_with(" by_name=true\n"), "{}", shown(&name_alone));
        let two = Point {
            dimensions: vec!["dc".into(), "host".into()],
            group: "dc=,host=a".into(),
            ..grouped.clone()
        };
        assert!(shown(&two).ends_with(" dimensions=dc,host\n"), "{}", shown(&two));
        let more = Point { group: "host=a,b".into(), ..grouped.clone() };
        assert!(shown(&more).ends_with(" group=\"host=a,b\"\n"), "{}", shown(&more));
        let odd = Point { group: "host=b".into(), ..grouped };
        assert!(shown(&odd).ends_with(" dimensions=host group=\"host=b\"\n"), "{}", shown(&odd));
    }
}
