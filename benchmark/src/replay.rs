//! Plays the corpus to a plugin.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use kapacitor_guest::testing::lines;
use serde::Deserialize;

use crate::corpus::Series;

/// A plugin and how it is called.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Detector {
    /// How the tables call it.
    pub name: String,
    /// The plugin: the name of a file in the folder of the plugins, without `.wasm`, or the path of one with it.
    pub plugin: String,
    /// The call as it is in a TICKscript. The field is `value`.
    pub call: String,
    /// The field with the score.
    #[serde(default = "score")]
    pub score: String,
}

fn score() -> String {
    "score".to_owned()
}

/// What a plugin says about the corpus.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// For each series the score of each point; `None` for those that were not passed on or have none.
    pub scores: Vec<Vec<Option<f64>>>,
    /// The CPU time that the plugin took for a point, in nanoseconds; `None` if the summary does not say it.
    pub nanoseconds: Option<f64>,
}

impl Detector {
    /// Plays all series, each as a group of its own, by `host`, which is `kapacitor-wasm` or the path of it.
    ///
    /// # Errors
    ///
    /// If the host does not run or refuses the call, or sends points that are none of the series.
    pub fn replay(&self, host: &Path, plugins: &Path, corpus: &[Series]) -> Result<Replayed> {
        let is_path = Path::new(&self.plugin).extension().is_some_and(|extension| extension == "wasm");
        let plugin = if is_path { self.plugin.clone() } else { format!("{}.wasm", self.plugin) };
        let plugin = if is_path { plugin.into() } else { plugins.join(plugin) };
        ensure!(plugin.exists(), "there is no {}", plugin.display());
        // The measurement of a CSV file is its name.
        let ran = Command::new(host)
            .arg("replay")
            .arg(plugin)
            .args([
                "--call",
                &self.call,
                "--csv-time",
                "timestamp",
                "--group-by-measurement",
                "--output",
                "-",
            ])
            .args(corpus.iter().flat_map(|series| [OsStr::new("--input"), series.path.as_os_str()]))
            .output()
            .with_context(|| host.display().to_string())?;
        let summary = String::from_utf8_lossy(&ran.stderr);
        ensure!(ran.status.success(), "{}", summary.trim());
        let scores = scores(&String::from_utf8(ran.stdout)?, &self.score, corpus)?;
        Ok(Replayed { scores, nanoseconds: nanoseconds(&summary) })
    }
}

/// The score of each point of each series, from the points that came out.
fn scores(output: &str, field: &str, corpus: &[Series]) -> Result<Vec<Vec<Option<f64>>>> {
    let mut scores: Vec<_> = corpus.iter().map(|series| vec![None; series.times.len()]).collect();
    let names = corpus.iter().map(|series| series.path.file_stem().unwrap_or_default());
    let places: HashMap<_, _> = names.zip(0..).collect();
    let mut next = vec![0; corpus.len()];
    for line in output.lines() {
        let point = lines(line)?.pop().with_context(|| format!("no point in `{line}`"))?;
        let series = places.get(OsStr::new(&*point.name)).copied();
        let series: usize = series.with_context(|| format!("there is no series {}", point.name))?;
        // Points come in order, so that of several with one time the first that is left is meant.
        let ahead = corpus[series].times[next[series]..].iter().position(|time| *time == point.time);
        let ahead = ahead.with_context(|| format!("{} has no point at {}", point.name, point.time))?;
        let place = next[series] + ahead;
        scores[series][place] = point.number(field).ok();
        next[series] = place + 1;
    }
    Ok(scores)
}

/// The CPU time of a point, from the summary of a replay: `CPU of the plugin   1,556 ns for a point`.
fn nanoseconds(summary: &str) -> Option<f64> {
    let line = summary.lines().find_map(|line| line.trim_start().strip_prefix("CPU of the plugin"))?;
    let mut words = line.split_whitespace();
    let number: f64 = words.next()?.replace(',', "").parse().ok()?;
    let unit = match words.next()? {
        "ns" => 1.0,
        "µs" | "us" => 1e3,
        "ms" => 1e6,
        _ => return None,
    };
    Some(number * unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scoring::Labels;

    #[test]
    fn points_are_found_by_their_times() {
        let series = |name: &str, times: &[i64]| Series {
            name: name.to_owned(),
            path: name.into(),
            times: times.to_vec(),
            values: vec![0.0; times.len()],
            labels: Labels { points: times.len(), windows: Vec::new() },
        };
        let corpus = [series("real/a.csv", &[1, 2, 2, 3]), series("real/b.csv", &[1, 2])];
        let output = "a value=1,score=0.5 1\na value=1,score=2 2\na value=1 2\na value=1,score=4 3\n";
        let of_a = vec![Some(0.5), Some(2.0), None, Some(4.0)];
        assert_eq!(scores(output, "score", &corpus).unwrap(), [of_a, vec![None; 2]]);
        let output = "b value=1,score=2 2\na value=1,score=2 2\na value=1,score=4i 3\n";
        let of_a = vec![None, Some(2.0), None, Some(4.0)];
        assert_eq!(scores(output, "score", &corpus).unwrap(), [of_a, vec![None, Some(2.0)]]);
        for (output, message) in
            [("a value=1 9\n", "a has no point at 9"), ("c value=1 1\n", "there is no series c")]
        {
            assert_eq!(scores(output, "score", &corpus).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn time_of_a_point_is_read_from_the_summary() {
        assert_eq!(
            nanoseconds("took  1 s\nCPU of the plugin            1,556 ns for a point\n"),
            Some(1556.0)
        );
        assert_eq!(nanoseconds("CPU of the plugin   2.5 µs for a point"), Some(2500.0));
        assert_eq!(nanoseconds("nothing"), None);
    }
}
