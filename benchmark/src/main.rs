//! `nab`: plays the Numenta Anomaly Benchmark to plugins and prints their scores. See README.md.

#![forbid(unsafe_code)]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Parser;
use nab::{
    Best, Detector, Profile, Replayed, Scored, Series, WindowedGaussian, best, corpus, halves, score_at,
};
use serde::Deserialize;

/// Scores detectors on the Numenta Anomaly Benchmark.
#[derive(Parser)]
struct Arguments {
    /// A copy of github.com/numenta/NAB, or a folder with its data/ and labels/.
    #[arg(long)]
    data: PathBuf,
    /// A plugin, as a .wasm file.
    #[arg(long, requires = "call", conflicts_with = "detectors")]
    plugin: Option<String>,
    /// How the plugin is called: `@anomaly().field('value')`.
    #[arg(long, requires = "plugin")]
    call: Option<String>,
    /// The field with the score.
    #[arg(long, default_value = "score")]
    score: String,
    /// A list of plugins and calls, such as benchmark/detectors.toml.
    #[arg(long)]
    detectors: Option<PathBuf>,
    /// Only detectors with this in their names.
    #[arg(long)]
    filter: Option<String>,
    /// The folder with the .wasm files of the list.
    #[arg(long, default_value = "plugins")]
    plugins_dir: PathBuf,
    /// The host.
    #[arg(long, default_value = "kapacitor-wasm")]
    kapacitor_wasm: PathBuf,
}

/// The file of a list of detectors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    detector: Vec<Detector>,
}

/// What a detector says about the corpus.
struct Row {
    name: String,
    /// For each series the score of each point.
    scores: Vec<Vec<Option<f64>>>,
    /// CPU time for a point.
    nanoseconds: Option<f64>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    if !arguments.data.join("labels/combined_windows.json").exists() {
        println!(
            "skipped: there is no labels/combined_windows.json in {}; it is in github.com/numenta/NAB",
            arguments.data.display()
        );
        return Ok(());
    }
    let series = corpus(&arguments.data)?;
    let mut rows = vec![windowed_gaussian(&series)];
    for detector in detectors(&arguments)? {
        match play(&detector, &arguments, &series) {
            Ok(row) => rows.push(row),
            Err(error) => eprintln!("skipped: {}: {error:#}", detector.name),
        }
    }
    print(&rows, &series);
    Ok(())
}

/// The detectors that the command line asks for.
fn detectors(arguments: &Arguments) -> Result<Vec<Detector>> {
    let mut detectors = Vec::new();
    if let (Some(plugin), Some(call)) = (&arguments.plugin, &arguments.call) {
        let name = format!("`{call}`");
        detectors.push(Detector {
            name,
            plugin: plugin.clone(),
            call: call.clone(),
            score: arguments.score.clone(),
        });
    }
    if let Some(path) = &arguments.detectors {
        let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
        let list: List = toml::from_str(&text).with_context(|| path.display().to_string())?;
        detectors.extend(list.detector);
    }
    if let Some(part) = &arguments.filter {
        detectors.retain(|detector| detector.name.contains(part));
    }
    Ok(detectors)
}

fn windowed_gaussian(series: &[Series]) -> Row {
    let scores = series.iter().map(|series| {
        let mut detector = WindowedGaussian::new();
        series.values.iter().map(|value| Some(detector.score(*value))).collect()
    });
    Row { name: "windowed Gaussian of NAB".to_owned(), scores: scores.collect(), nanoseconds: None }
}

fn play(detector: &Detector, arguments: &Arguments, series: &[Series]) -> Result<Row> {
    let Replayed { scores, nanoseconds } =
        detector.replay(&arguments.kapacitor_wasm, &arguments.plugins_dir, series)?;
    eprintln!("played: {}", detector.name);
    Ok(Row { name: detector.name.clone(), scores, nanoseconds })
}

impl Row {
    /// Labels and scores of some of the series.
    fn of<'a>(&'a self, series: &'a [Series], places: &[usize]) -> Vec<Scored<'a>> {
        let scored = |place: &usize| Scored { labels: &series[*place].labels, scores: &self.scores[*place] };
        places.iter().map(scored).collect()
    }
}

/// The tables of README.md.
fn print(rows: &[Row], series: &[Series]) {
    let all: Vec<usize> = (0..series.len()).collect();
    let [tuned, held_out] = halves(&series.iter().map(|series| &*series.name).collect::<Vec<_>>());
    println!("| detector | standard | low FP | low FN | points/s |\n|---|---|---|---|---|");
    for row in rows {
        let of_all = row.of(series, &all);
        let scores = Profile::ALL.map(|profile| format!("{:.1}", best(&of_all, profile).score)).join(" | ");
        let speed =
            row.nanoseconds.map_or_else(String::new, |nanoseconds| format!("{:.0}", 1e9 / nanoseconds));
        println!("| {} | {scores} | {speed} |", row.name);
    }
    println!("\nStandard profile on the halves of the corpus:\n");
    println!("| detector | tuned on | held out | held out, threshold of the other half | threshold |");
    println!("|---|---|---|---|---|");
    for row in rows {
        let (tuned, held_out) = (row.of(series, &tuned), row.of(series, &held_out));
        let Best { threshold, score } = best(&tuned, Profile::STANDARD);
        let own = best(&held_out, Profile::STANDARD).score;
        let other = score_at(&held_out, Profile::STANDARD, threshold);
        println!("| {} | {score:.1} | {own:.1} | {other:.1} | {threshold:.6} |", row.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_of_detectors_is_read() {
        let list: List = toml::from_str(include_str!("../detectors.toml")).unwrap();
        assert!(list.detector.iter().any(|detector| detector.name == "anomaly" && detector.score == "score"));
    }
}
