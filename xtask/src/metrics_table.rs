//! The table of metrics in docs/monitoring.md, which a test of the host compares with what is served.

use std::fs;

use crate::root;

const PAGE: &str = "docs/monitoring.md";

/// What names of metrics begin with. Those of the process have the same names in other programs.
const PREFIXES: [&str; 2] = ["kapacitor_wasm_", "process_"];

/// A row of the table, for one of its metrics.
#[derive(Debug)]
pub struct Metric {
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// The cell of the table, with the metric's own labels in code spans.
    pub meaning: String,
    /// Labels that all metrics of the section have.
    pub labels: Vec<String>,
}

/// All metrics, in the order of the table.
#[derive(Debug)]
pub struct Table(pub Vec<Metric>);

impl Table {
    /// Reads the page.
    pub fn read() -> Result<Self, String> {
        let page = fs::read_to_string(root().join(PAGE)).map_err(|e| format!("{PAGE}: {e}"))?;
        Self::parse(&page)
    }

    fn parse(page: &str) -> Result<Self, String> {
        let (_, part) =
            page.split_once("\n## Metrics\n").ok_or(format!("{PAGE} has no section `Metrics`"))?;
        let part = part.split("\n## ").next().unwrap_or_default();
        let mut metrics = Vec::new();
        for section in part.split("\n### ").skip(1) {
            let labels = section.lines().find(|line| line.starts_with("These have the labels"));
            let labels: Vec<_> = labels.into_iter().flat_map(spans).map(str::to_owned).collect();
            for row in section.lines().filter(|line| line.starts_with("| `")) {
                let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
                let [names, kind, meaning] = cells[..] else {
                    return Err(format!("{PAGE}: this row does not have three cells: {row}"));
                };
                metrics.extend(spans(names).map(|name| Metric {
                    name: name.to_owned(),
                    kind: kind.to_owned(),
                    meaning: meaning.to_owned(),
                    labels: labels.clone(),
                }));
            }
        }
        if metrics.is_empty() {
            Err(format!("{PAGE}: the table of metrics is empty"))
        } else {
            Ok(Self(metrics))
        }
    }

    /// The metrics that a text names, each with what follows the name, in the order of the text.
    ///
    /// # Errors
    ///
    /// If it names one that the table does not have.
    pub fn named_in<'a>(&self, text: &'a str) -> Result<Vec<(&Metric, &'a str)>, String> {
        let mut found = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            rest = &rest[start..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            rest = after;
            if PREFIXES.iter().any(|prefix| word.starts_with(prefix)) {
                let metric = self.series(word).ok_or(format!("there is no metric `{word}` in {PAGE}"))?;
                found.push((metric, after));
            }
        }
        Ok(found)
    }

    /// The metric that has series of this name. A histogram has three.
    fn series(&self, name: &str) -> Option<&Metric> {
        self.0.iter().find(|metric| {
            let suffix = name.strip_prefix(&metric.name);
            if metric.kind == "histogram" {
                matches!(suffix, Some("_bucket" | "_sum" | "_count"))
            } else {
                suffix == Some("")
            }
        })
    }
}

/// The code spans of a line.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::Table;

    const PAGE: &str = "# Page\n\n## Metrics\n\n### Of each node\n\nThese have the labels `task` and `node`, as in the log.\n\n\
        | metric | type | meaning |\n|---|---|---|\n| `kapacitor_wasm_a_total` | counter | points |\n\
        | `kapacitor_wasm_b` | histogram | times |\n\n### Of the host\n\n\
        | `process_x`, `process_y` | gauge | both |\n\n## Next\n\n| `kapacitor_wasm_c` | gauge | none |\n";

    #[test]
    fn rows_are_read_with_the_labels_of_their_section() {
        let Table(metrics) = Table::parse(PAGE).unwrap();
        let read: Vec<_> = metrics.iter().map(|m| format!("{} {} {:?}", m.name, m.kind, m.labels)).collect();
        let expected = [
            r#"kapacitor_wasm_a_total counter ["task", "node"]"#,
            r#"kapacitor_wasm_b histogram ["task", "node"]"#,
            "process_x gauge []",
            "process_y gauge []",
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn names_are_found_and_unknown_ones_refused() {
        let table = Table::parse(PAGE).unwrap();
        let named = |text: &'static str| {
            let found = table.named_in(text)?;
            Ok(found.into_iter().map(|(metric, after)| (metric.name.as_str(), after)).collect::<Vec<_>>())
        };
        let refused = |name: &str| Err(format!("there is no metric `{name}` in docs/monitoring.md"));
        assert_eq!(named("rate(process_x{a}[5m])"), Ok(vec![("process_x", "{a}[5m])")]));
        assert_eq!(named("kapacitor_wasm_b_sum"), Ok(vec![("kapacitor_wasm_b", "")]));
        assert_eq!(named("kapacitor-wasm: my_process_z"), Ok(vec![]));
        // A histogram has no series of its own name, nothing else has those of one, and names are whole.
        for name in ["kapacitor_wasm_b", "process_x_sum", "kapacitor_wasm_a", "kapacitor_wasm_c"] {
            assert_eq!(named(name), refused(name));
        }
    }
}
