//! Which tasks a request asks for, in which order.

use std::fmt;

use crate::sort::Sort;
use crate::task::{Task, TaskState};

/// Maximum number of tasks that one answer has, unless it asks for fewer.
pub const MOST_TASKS: usize = 10_000;

/// Which tasks a request asks for, in which order.
///
/// Its parts are the keys of the query of a URL: `?function=f&sort=cpu&page=2`. An empty value is as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// `function`: those of this function only.
    pub function: String,
    /// `task`: those of this task only.
    pub task: String,
    /// `node`: those with this id only.
    pub node: String,
    /// `filter`: those that have this text in the name of the task, the node, the function or the plugin. The case of
    /// letters does not matter.
    pub filter: String,
    /// `state`: those in this state only.
    pub state: Option<TaskState>,
    /// `sort`: by what they are sorted.
    pub sort: Sort,
    /// `order`: whether the order is the other one, `asc` where it would be `desc`, or `desc`.
    pub reversed: bool,
    /// `page`: which page, from 1.
    pub page: Option<usize>,
    /// `size`: how many tasks are on a page.
    pub size: Option<usize>,
    /// `history`: whether the answer has the rates of the past.
    pub history: bool,
}

/// A query that is not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    key: String,
    value: String,
    expected: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, value, expected } = self;
        if expected.is_empty() {
            write!(f, "the query has a key {key:?}, which there is not: there are {}", KEYS.join(", "))
        } else {
            write!(f, "{key}={value:?} in the query: {expected}")
        }
    }
}

impl std::error::Error for QueryError {}

/// The keys of a query.
const KEYS: [&str; 10] =
    ["filter", "function", "history", "node", "order", "page", "size", "sort", "state", "task"];

/// Maximum length of what an error repeats, in characters.
const MOST_REPEATED: usize = 64;

impl Query {
    /// The query of a URL, without its `?`.
    ///
    /// # Errors
    ///
    /// At the first key or value that is not understood.
    pub fn parse(text: &str) -> Result<Self, QueryError> {
        let mut query = Self::default();
        let mut order = None;
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let wrong = |expected: String| QueryError {
                key: key.chars().take(MOST_REPEATED).collect(),
                value: value.chars().take(MOST_REPEATED).collect(),
                expected,
            };
            let number = || match value.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(wrong("write a whole number from 1 on".to_owned())),
            };
            if value.is_empty() && KEYS.contains(&&*key) {
                continue;
            }
            match &*key {
                "function" => query.function = value.into_owned(),
                "task" => query.task = value.into_owned(),
                "node" => query.node = value.into_owned(),
                "filter" => value.trim().clone_into(&mut query.filter),
                "state" => {
                    let state = TaskState::ALL.into_iter().find(|state| state.name() == value);
                    query.state = Some(state.ok_or_else(|| {
                        wrong(format!("write one of {}", TaskState::ALL.map(TaskState::name).join(", ")))
                    })?);
                }
                "sort" => {
                    let sort = Sort::ALL.into_iter().find(|sort| sort.name() == value);
                    query.sort = sort.ok_or_else(|| {
                        wrong(format!("write one of {}", Sort::ALL.map(Sort::name).join(", ")))
                    })?;
                }
                "order" => {
                    order = Some(match &*value {
                        "asc" => false,
                        "desc" => true,
                        _ => return Err(wrong("write asc or desc".to_owned())),
                    });
                }
                "page" => query.page = Some(number()?),
                "size" => query.size = Some(number()?),
                "history" => {
                    query.history = match &*value {
                        "true" => true,
                        "false" => false,
                        _ => return Err(wrong("write true or false".to_owned())),
                    }
                }
                _ => return Err(wrong(String::new())),
            }
        }
        query.reversed = order.is_some_and(|descending| descending != query.sort.is_descending());
        Ok(query)
    }

    /// The same as the query of a URL, without a `?`; empty if it asks for nothing in particular.
    pub fn to_text(&self) -> String {
        let Self { function, task, node, filter, state, sort, reversed, page, size, history } = self;
        let mut text = form_urlencoded::Serializer::new(String::new());
        let names = [("function", function), ("task", task), ("node", node), ("filter", filter)];
        for (key, value) in names.into_iter().filter(|(_, value)| !value.is_empty()) {
            text.append_pair(key, value);
        }
        if let Some(state) = state {
            text.append_pair("state", state.name());
        }
        if *sort != Sort::default() {
            text.append_pair("sort", sort.name());
        }
        if *reversed {
            text.append_pair("order", if sort.is_descending() { "asc" } else { "desc" });
        }
        for (key, number) in [("page", page), ("size", size)] {
            if let Some(number) = number {
                text.append_pair(key, &number.to_string());
            }
        }
        if *history {
            text.append_pair("history", "true");
        }
        text.finish()
    }

    /// Whether it asks for some tasks only.
    pub fn is_filtered(&self) -> bool {
        self.state.is_some()
            || [&self.function, &self.task, &self.node, &self.filter].into_iter().any(|text| !text.is_empty())
    }

    /// Whether the larger comes first.
    pub fn is_descending(&self) -> bool {
        self.sort.is_descending() != self.reversed
    }

    fn matches(&self, task: &Task, filter: &str) -> bool {
        let is = |wanted: &str, found: &str| wanted.is_empty() || wanted == found;
        let has = |text: &str| text.to_lowercase().contains(filter);
        is(&self.function, &task.function)
            && is(&self.task, &task.task)
            && is(&self.node, &task.node)
            && self.state.is_none_or(|state| state == task.state)
            && (filter.is_empty()
                || [&task.task, &task.node, &task.function, &task.plugin.name]
                    .into_iter()
                    .any(|name| has(name)))
    }

    /// Of all `tasks`, those that are asked for, in their order: one page, with `size` of them unless the query says
    /// how many. Returns how many there are on all pages, too.
    pub fn select(&self, mut tasks: Vec<Task>, size: usize) -> (usize, Vec<Task>) {
        let filter = self.filter.to_lowercase();
        tasks.retain(|task| self.matches(task, &filter));
        let descending = self.is_descending();
        tasks.sort_unstable_by(|a, b| {
            let by_name = (&a.task, &a.node, &a.function).cmp(&(&b.task, &b.node, &b.function));
            let order = self.sort.compare(a, b);
            match (self.sort, descending) {
                (Sort::Task, true) => by_name.reverse(),
                (_, true) => order.reverse().then(by_name),
                (_, false) => order.then(by_name),
            }
        });
        let matching = tasks.len();
        let size = self.size.unwrap_or(size).min(MOST_TASKS);
        let start = self.page.unwrap_or(1).saturating_sub(1).saturating_mul(size).min(matching);
        tasks.drain(..start);
        tasks.truncate(size);
        (matching, tasks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rates;

    fn task(name: &str, points_in_per_second: f32) -> Task {
        let rates = Rates { points_in_per_second, ..Rates::default() };
        Task { task: name.to_owned(), node: "udf2".to_owned(), rates: Some(rates), ..Task::default() }
    }

    fn names(query: &str, size: usize) -> (usize, Vec<String>) {
        let tasks = vec![task("b", 1.0), task("CPU", 3.0), task("a", 3.0), task("cpu2", 0.5)];
        let (matching, tasks) = Query::parse(query).unwrap().select(tasks, size);
        (matching, tasks.into_iter().map(|task| task.task).collect())
    }

    #[test]
    fn tasks_are_selected_and_sorted() {
        let all =
            |list: &[&str]| (list.len(), list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        assert_eq!(names("", 9), all(&["CPU", "a", "b", "cpu2"]));
        assert_eq!(names("order=desc", 9), all(&["cpu2", "b", "a", "CPU"]));
        // Those that are alike keep the order of their names.
        assert_eq!(names("sort=in", 9), all(&["CPU", "a", "b", "cpu2"]));
        assert_eq!(names("sort=in&order=asc", 9), all(&["cpu2", "b", "CPU", "a"]));
        assert_eq!(names("filter=cPu", 9), all(&["CPU", "cpu2"]));
        assert_eq!(names("task=a&filter=&node=udf2", 9), all(&["a"]));
        assert_eq!(names("node=x", 9), all(&[]));
        assert_eq!(names("state=ended", 9).0, 4);
        assert_eq!(names("page=2", 3), (4, vec!["cpu2".to_owned()]));
        assert_eq!(names("page=18446744073709551615&size=2", 3), (4, vec![]));
        assert_eq!(names("size=1", 3), (4, vec!["CPU".to_owned()]));
    }

    #[test]
    fn query_comes_back_as_it_was() {
        for text in [
            "",
            "function=a%26b&task=%22x%22+y&node=%2F&filter=%3Cb%3E&state=runs&sort=cpu&order=asc&page=3&size=7&history=true",
            "order=desc",
        ] {
            assert_eq!(Query::parse(text).unwrap().to_text(), text);
        }
    }

    #[test]
    fn query_that_is_not_understood_is_refused() {
        for (query, part) in [
            ("tsak=a", "a key \"tsak\", which there is not: there are filter, function, history"),
            ("page=0", "page=\"0\" in the query: write a whole number from 1 on"),
            ("size=-1", "whole number"),
            ("page=18446744073709551616", "whole number"),
            ("sort=<b>", "sort=\"<b>\" in the query: write one of task, function"),
            ("order=up", "write asc or desc"),
            ("state=fine", "write one of passes-through, waits-for-plugin"),
            ("history=1", "write true or false"),
        ] {
            let error = Query::parse(query).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
        let long = Query::parse(&format!("sort={}", "x".repeat(10_000))).unwrap_err().to_string();
        assert!(long.len() < 300, "{long}");
    }
}
