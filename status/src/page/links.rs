//! Addresses of the pages.

use super::numbers::visible;
use crate::query::Query;
use crate::task::Task;

/// Which task a page is of: a function, a task and a node, whatever their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskName {
    /// The function.
    pub function: String,
    /// Kapacitor's task id.
    pub task: String,
    /// Kapacitor's node id.
    pub node: String,
}

impl TaskName {
    /// From the query of the address of its page. What is missing is empty, and other keys are ignored.
    pub fn parse(query: &str) -> Self {
        let mut name = Self::default();
        for (key, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "function" => name.function = value.into_owned(),
                "task" => name.task = value.into_owned(),
                "node" => name.node = value.into_owned(),
                _ => {}
            }
        }
        name
    }

    /// Whether it is the name of `task`.
    pub fn is_of(&self, task: &Task) -> bool {
        (&self.function, &self.task, &self.node) == (&task.function, &task.task, &task.node)
    }

    /// The query that asks for this task.
    pub fn query(&self) -> Query {
        let Self { function, task, node } = self.clone();
        Query { function, task, node, history: true, ..Query::default() }
    }
}

/// The address of the page of a task. The names are in its query, where a browser leaves `..` as it is.
pub fn task_page(function: &str, task: &str, node: &str) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("function", function).append_pair("task", task).append_pair("node", node);
    format!("/task?{}", query.finish())
}

/// The address of the overview with the tasks of `query`, at their table.
pub fn overview(query: &Query) -> String {
    let text = Query { history: false, ..query.clone() }.to_text();
    if text.is_empty() { "/#tasks".to_owned() } else { format!("/?{text}#tasks") }
}

/// The address of a function in the overview.
pub fn function(name: &str) -> String {
    format!("/#{}", encoded(&function_id(name)))
}

/// The address of a plugin in the overview.
pub fn plugin(name: &str) -> String {
    format!("/#{}", encoded(&plugin_id(name)))
}

/// The id of the row of a function.
pub fn function_id(name: &str) -> String {
    format!("function-{}", visible(name))
}

/// The id of the row of a plugin.
pub fn plugin_id(name: &str) -> String {
    format!("plugin-{}", visible(name))
}

/// Text of a fragment. A space is no plus there.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .map(|part| if part == "+" { "%20" } else { part })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_comes_back_from_the_address_of_its_page() {
        for names in [["f", "t", "n"], ["", "..", "/"], ["a&b=c", "\"><script>", "%00 +\u{202e}ü\n"]] {
            let [function, task, node] = names.map(str::to_owned);
            let address = task_page(&function, &task, &node);
            let plain = |c: char| c.is_ascii_alphanumeric() || "/?&=%+-._*".contains(c);
            assert!(address.chars().all(plain), "{address}");
            let query = address.strip_prefix("/task?").unwrap();
            assert_eq!(TaskName::parse(query), TaskName { function, task, node });
        }
        assert_eq!(function("a b\"<"), "/#function-a%20b%22%3C");
    }
}
