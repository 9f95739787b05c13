//! The scoring gives a detector the result that is published for it.

use std::env;
use std::path::Path;

use nab::{Profile, Scored, WindowedGaussian, best, corpus};

#[test]
fn windowed_gaussian_has_its_published_result() {
    let Some(folder) = env::var_os("NAB") else {
        eprintln!("skipped: NAB is not set to a copy of github.com/numenta/NAB");
        return;
    };
    let series = corpus(Path::new(&folder)).unwrap();
    assert_eq!(series.iter().map(|series| series.labels.windows.len()).sum::<usize>(), 116);
    let scores = series.iter().map(|series| {
        let mut detector = WindowedGaussian::new();
        series.values.iter().map(|value| Some(detector.score(*value))).collect::<Vec<_>>()
    });
    let scores: Vec<_> = scores.collect();
    let scored = series.iter().zip(&scores).map(|(series, scores)| Scored { labels: &series.labels, scores });
    let scored: Vec<_> = scored.collect();
    let results = Profile::ALL.map(|profile| format!("{:.1}", best(&scored, profile).score));
    assert_eq!(results, ["39.6", "20.9", "47.4"]);
}
