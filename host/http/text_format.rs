//! Prometheus' text format 0.0.4, from OpenMetrics 1.0.
//!
//! In OpenMetrics a counter `x` has samples `x_total`, and there is a type `info` with samples `x_info`. In the older
//! format a metric is named as its samples are, an info is a gauge, and neither units nor an end are marked. Source:
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>.

/// The same metrics in the older format.
pub fn of_openmetrics(text: &str) -> String {
    let mut older = String::with_capacity(text.len());
    // A HELP comes before its TYPE, and is written when the name of the samples is known.
    let mut help = None;
    for line in text.lines() {
        match line.strip_prefix("# ").map(|comment| comment.splitn(3, ' ').collect::<Vec<_>>()).as_deref() {
            Some(["HELP", name, text]) => help = Some((*name, *text)),
            Some(["TYPE", name, kind]) => {
                let (suffix, kind) = match *kind {
                    "counter" => ("_total", "counter"),
                    "info" => ("_info", "gauge"),
                    other => ("", other),
                };
                if let Some((_, text)) = help.take().filter(|(of, _)| of == name) {
                    older.extend(["# HELP ", name, suffix, " ", text, "\n"]);
                }
                older.extend(["# TYPE ", name, suffix, " ", kind, "\n"]);
            }
            Some(_) => {}
            None => older.extend([line, "\n"]),
        }
    }
    older
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_named_as_their_samples() {
        let text = "# HELP a Points in.\n# TYPE a counter\na_total{t=\"# x\"} 3\n# HELP b B.\n# TYPE b info\nb_info 1\n\
                    # HELP c C.\n# TYPE c gauge\n# UNIT c seconds\nc 2.5\n# EOF\n";
        let expected = "# HELP a_total Points in.\n# TYPE a_total counter\na_total{t=\"# x\"} 3\n\
                        # HELP b_info B.\n# TYPE b_info gauge\nb_info 1\n# HELP c C.\n# TYPE c gauge\nc 2.5\n";
        assert_eq!(of_openmetrics(text), expected);
    }
}
