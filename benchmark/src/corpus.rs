//! The series of the corpus and their labels.

use std::collections::BTreeMap;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, ensure};

use crate::scoring::Labels;

/// A series of the corpus.
#[derive(Clone, Debug)]
pub struct Series {
    /// Category and file: `realTweets/Twitter_volume_GOOG.csv`.
    pub name: String,
    /// The file.
    pub path: PathBuf,
    /// The times of the points, in nanoseconds since 1970, as if the corpus had them in UTC.
    pub times: Vec<i64>,
    /// The values of the points.
    pub values: Vec<f64>,
    /// Where the anomalies are.
    pub labels: Labels,
}

/// The series of a copy of NAB, in the order of their names. The folder has `data/` and `labels/combined_windows.json`.
///
/// # Errors
///
/// If a file is absent or is not as NAB has it.
pub fn corpus(folder: &Path) -> Result<Vec<Series>> {
    let path = folder.join("labels/combined_windows.json");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let windows: BTreeMap<String, Vec<[String; 2]>> =
        serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    let series = windows.into_iter().map(|(name, windows)| {
        let path = folder.join("data").join(&name);
        read(&path, &name, &windows).with_context(|| path.display().to_string())
    });
    series.collect()
}

fn read(path: &Path, name: &str, windows: &[[String; 2]]) -> Result<Series> {
    let text = fs::read_to_string(path)?;
    let mut lines = text.lines();
    ensure!(lines.next() == Some("timestamp,value"), "the columns are not `timestamp` and `value`");
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for line in lines {
        let (at, value) = line.split_once(',').with_context(|| format!("no comma in `{line}`"))?;
        times.push(time(at)?);
        values.push(value.parse().with_context(|| format!("`{value}` is no number"))?);
    }
    let place = |at: &str| {
        let time = time(at)?;
        times.iter().position(|other| *other == time).with_context(|| format!("no point at `{at}`"))
    };
    let windows = windows.iter().map(|[start, end]| Ok(place(start)?..=place(end)?));
    let windows = windows.collect::<Result<Vec<RangeInclusive<usize>>>>()?;
    let labels = Labels { points: times.len(), windows };
    Ok(Series { name: name.to_owned(), path: path.to_owned(), times, values, labels })
}

/// The nanoseconds since 1970 of a time such as `2014-04-01 00:00:00`.
fn time(text: &str) -> Result<i64> {
    let time = humantime::parse_rfc3339_weak(text).with_context(|| format!("`{text}` is no time"))?;
    Ok(i64::try_from(time.duration_since(UNIX_EPOCH)?.as_nanos())?)
}

/// The places of the series of two halves: one to tune on, and one that is held out.
///
/// The series of each category are taken in the order of their names: the 1st, 3rd, 5th... are tuned on, the 2nd, 4th,
/// 6th... are held out.
pub fn halves(names: &[&str]) -> [Vec<usize>; 2] {
    let mut of_category = BTreeMap::<&str, Vec<(&str, usize)>>::new();
    for (place, name) in names.iter().enumerate() {
        let category = name.split_once('/').map_or("", |(category, _)| category);
        of_category.entry(category).or_default().push((name, place));
    }
    let mut halves = [Vec::new(), Vec::new()];
    for series in of_category.values_mut() {
        series.sort_unstable();
        for (number, (_, place)) in series.iter().enumerate() {
            halves[number % 2].push(*place);
        }
    }
    halves
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nab(values: &str, windows: &str) -> Result<Vec<Series>> {
        let folder = tempfile::tempdir()?;
        fs::create_dir_all(folder.path().join("data/real"))?;
        fs::create_dir_all(folder.path().join("labels"))?;
        fs::write(folder.path().join("data/real/a.csv"), values)?;
        fs::write(folder.path().join("labels/combined_windows.json"), windows)?;
        corpus(folder.path())
    }

    const VALUES: &str =
        "timestamp,value\n1970-01-01 00:00:01,1\n1970-01-01 00:00:02,2.5\n1970-01-01 00:00:03,-1e3\n";

    #[test]
    fn series_and_windows_are_read() {
        let windows = r#"{"real/a.csv": [["1970-01-01 00:00:02.000000", "1970-01-01 00:00:03.000000"]]}"#;
        let series = nab(VALUES, windows).unwrap().remove(0);
        assert_eq!(series.times, [1_000_000_000, 2_000_000_000, 3_000_000_000]);
        assert_eq!(series.values, [1.0, 2.5, -1000.0]);
        assert_eq!(series.labels, Labels { points: 3, windows: vec![1..=2] });
    }

    #[test]
    fn what_is_wrong_is_said() {
        let windows = r#"{"real/a.csv": [["1970-01-01 00:00:02.000000", "1970-01-01 00:00:09.000000"]]}"#;
        let message = format!("{:#}", nab(VALUES, windows).unwrap_err());
        assert!(message.ends_with("a.csv: no point at `1970-01-01 00:00:09.000000`"), "{message}");
        let message = format!("{:#}", nab("time,x\n", r#"{"real/a.csv": []}"#).unwrap_err());
        assert!(message.ends_with("the columns are not `timestamp` and `value`"), "{message}");
    }

    #[test]
    fn halves_alternate_within_each_category() {
        let names = ["b/2", "b/1", "a/1", "b/3", "a/2", "c/1"];
        assert_eq!(halves(&names), [vec![2, 1, 3, 5], vec![4, 0]]);
    }
}
