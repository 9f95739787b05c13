//! The rule that makes one number of the scores of a detector.

use std::ops::RangeInclusive;

/// What right and wrong detections count.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Profile {
    /// How the tables call it.
    pub name: &'static str,
    /// What the earliest detection in a window earns.
    pub true_positive: f64,
    /// What a detection costs that is far behind any window.
    pub false_positive: f64,
    /// What a window without a detection costs.
    pub false_negative: f64,
}

impl Profile {
    /// The profile by which detectors are ranked.
    pub const STANDARD: Self =
        Self { name: "standard", true_positive: 1.0, false_positive: 0.11, false_negative: 1.0 };
    /// For those to whom a false alarm is worse.
    pub const LOW_FALSE_POSITIVES: Self =
        Self { name: "low FP", true_positive: 1.0, false_positive: 0.22, false_negative: 1.0 };
    /// For those to whom a missed anomaly is worse.
    pub const LOW_FALSE_NEGATIVES: Self =
        Self { name: "low FN", true_positive: 1.0, false_positive: 0.11, false_negative: 2.0 };
    /// All three, in the order of the published tables.
    pub const ALL: [Self; 3] = [Self::STANDARD, Self::LOW_FALSE_POSITIVES, Self::LOW_FALSE_NEGATIVES];
}

/// Where the anomalies of a series are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labels {
    /// The number of points of the series.
    pub points: usize,
    /// The places of the first and of the last point of each window, in order and without overlap.
    pub windows: Vec<RangeInclusive<usize>>,
}

/// What a detector says about a series.
#[derive(Clone, Copy, Debug)]
pub struct Scored<'a> {
    /// Where the anomalies are.
    pub labels: &'a Labels,
    /// For each point how unusual it is; `None` where the detector says nothing, which is never a detection.
    pub scores: &'a [Option<f64>],
}

/// The best that one threshold for all series reaches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// A point is a detection if its score is at least this; infinity if it is best to detect nothing.
    pub threshold: f64,
    /// 0 for a detector that detects nothing, 100 for one that detects the first point of each window and nothing else.
    pub score: f64,
}

/// A point that counts: its score, its window among those of all series, and what it earns or costs.
struct Counted {
    score: f64,
    window: Option<usize>,
    weight: f64,
}

/// The number of points at the begin of a series that do not count: 15 %, and at most 750.
fn probation(points: usize) -> usize {
    (0.15 * points as f64).min(0.15 * 5000.0) as usize
}

/// 1 far ahead of the end of a window, 0 at its end, -1 far behind it. The place is measured in lengths of the window.
fn scaled_sigmoid(place: f64) -> f64 {
    if place >= 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * place).exp()) - 1.0 }
}

/// What a detection at each point of a series is worth before weights, and the window that the point is in.
fn worths(labels: &Labels) -> impl Iterator<Item = (Option<usize>, f64)> + '_ {
    (0..labels.points).map(|point| {
        // The windows that begin before the point is over.
        let begun = labels.windows.partition_point(|window| *window.start() <= point);
        let Some(last) = begun.checked_sub(1) else { return (None, -1.0) };
        let (start, end) = (*labels.windows[last].start(), *labels.windows[last].end());
        let length = (end - start + 1) as f64;
        if point <= end {
            let place = -((end - point + 1) as f64) / length;
            return (Some(last), scaled_sigmoid(place) / scaled_sigmoid(-1.0));
        }
        // A window of one point has no length to measure with: all is far behind it.
        (None, scaled_sigmoid((point - end) as f64 / (length - 1.0)))
    })
}

/// The points of all series that count, the most unusual first, and the number of windows.
fn counted(series: &[Scored<'_>], profile: Profile) -> (Vec<Counted>, usize) {
    let (mut points, mut windows) = (Vec::new(), 0);
    for Scored { labels, scores } in series {
        assert_eq!(labels.points, scores.len(), "one score for each point");
        let after = worths(labels).zip(*scores).skip(probation(labels.points));
        points.extend(after.filter_map(|((window, worth), score)| {
            let weight = if window.is_some() { profile.true_positive } else { profile.false_positive };
            let score = (*score).filter(|score| !score.is_nan())?;
            Some(Counted { score, window: window.map(|window| window + windows), weight: worth * weight })
        }));
        windows += labels.windows.len();
    }
    points.sort_by(|a, b| b.score.total_cmp(&a.score));
    (points, windows)
}

/// The sum of what detections earn and cost while the threshold falls.
struct Sum {
    /// What each window counts: the worth of the earliest detection in it.
    windows: Vec<f64>,
    total: f64,
    null: f64,
    perfect: f64,
}

impl Sum {
    fn new(windows: usize, profile: Profile) -> Self {
        let null = -profile.false_negative * windows as f64;
        let perfect = profile.true_positive * windows as f64;
        Self { windows: vec![-profile.false_negative; windows], total: null, null, perfect }
    }

    fn detect(&mut self, point: &Counted) {
        let gain = match point.window {
            Some(window) => {
                let gain = (point.weight - self.windows[window]).max(0.0);
                self.windows[window] += gain;
                gain
            }
            None => point.weight,
        };
        self.total += gain;
    }

    fn normalised(&self) -> f64 {
        100.0 * (self.total - self.null) / (self.perfect - self.null)
    }
}

/// The best threshold for all series together, as NAB chooses it. Points with the same score are detected together.
///
/// # Panics
///
/// If a series has not as many scores as points.
pub fn best(series: &[Scored<'_>], profile: Profile) -> Best {
    let (points, windows) = counted(series, profile);
    let mut sum = Sum::new(windows, profile);
    let mut best = Best { threshold: f64::INFINITY, score: sum.normalised() };
    for same in points.chunk_by(|a, b| a.score == b.score) {
        same.iter().for_each(|point| sum.detect(point));
        if sum.normalised() > best.score {
            best = Best { threshold: same[0].score, score: sum.normalised() };
        }
    }
    best
}

/// What a threshold reaches that was chosen elsewhere.
///
/// # Panics
///
/// If a series has not as many scores as points.
pub fn score_at(series: &[Scored<'_>], profile: Profile, threshold: f64) -> f64 {
    let (points, windows) = counted(series, profile);
    let mut sum = Sum::new(windows, profile);
    points.iter().take_while(|point| point.score >= threshold).for_each(|point| sum.detect(point));
    sum.normalised()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 100 points, of which the first 15 do not count, with windows of 10 points.
    fn labels() -> Labels {
        Labels { points: 100, windows: vec![30..=39, 60..=69] }
    }

    /// The best score if these points have a score of 1, and all others of 0.
    fn found(places: &[usize], profile: Profile) -> Best {
        let labels = labels();
        let mut scores = vec![Some(0.0); labels.points];
        places.iter().for_each(|place| scores[*place] = Some(1.0));
        best(&[Scored { labels: &labels, scores: &scores }], profile)
    }

    fn assert_close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-9, "{left} is not {right}");
    }

    #[test]
    fn sigmoid_is_that_of_the_paper() {
        // 2 / (1 + e^(5 y)) - 1.
        assert_close(scaled_sigmoid(-1.0), 0.986_614_298_151_430_3);
        assert_close(scaled_sigmoid(-0.5), 0.848_283_639_957_513);
        assert_close(scaled_sigmoid(0.0), 0.0);
        assert_close(scaled_sigmoid(1.0), -0.986_614_298_151_430_3);
        assert_close(scaled_sigmoid(3.000_001), -1.0);
    }

    #[test]
    fn null_has_0_and_perfect_has_100() {
        for profile in Profile::ALL {
            let null = best(&[Scored { labels: &labels(), scores: &[None; 100] }], profile);
            assert_eq!(null, Best { threshold: f64::INFINITY, score: 0.0 });
            let perfect = found(&[30, 60], profile);
            assert_close(perfect.score, 100.0);
            assert_eq!(perfect.threshold, 1.0);
        }
    }

    #[test]
    fn the_earliest_detection_of_a_window_counts() {
        let early = found(&[30], Profile::STANDARD).score;
        assert_close(early, 50.0);
        assert_close(found(&[30, 31, 35, 39], Profile::STANDARD).score, early);
        // At 35 the place is -5/10; the other window is missed: (0.848... / 0.9866... + 1) / 4.
        let middle = 25.0 * (0.848_283_639_957_513 / 0.986_614_298_151_430_3 + 1.0);
        assert_close(found(&[35], Profile::STANDARD).score, middle);
        // A missed window costs twice as much, so that a found one earns 3 of 6.
        let low_fn = (0.848_283_639_957_513 / 0.986_614_298_151_430_3 + 2.0) / 6.0 * 100.0;
        assert_close(found(&[35], Profile::LOW_FALSE_NEGATIVES).score, low_fn);
    }

    #[test]
    fn false_detections_cost_by_their_distance_behind_a_window() {
        // Ahead of all windows 1; two points behind one of 10 points the place is 2/9.
        for (place, worth) in [(20, -1.0), (41, scaled_sigmoid(2.0 / 9.0)), (59, scaled_sigmoid(20.0 / 9.0))]
        {
            for profile in Profile::ALL {
                let cost = profile.false_positive * worth;
                let whole = 2.0 * (profile.true_positive + profile.false_negative);
                assert_close(found(&[30, 60, place], profile).score, 100.0 + 100.0 * cost / whole);
            }
        }
        assert_close(scaled_sigmoid(2.0 / 9.0), -0.504_672_397_721_856_8);
    }

    #[test]
    fn the_begin_of_a_series_does_not_count() {
        assert_eq!(
            (probation(100), probation(4032), probation(5000), probation(22_695)),
            (15, 604, 750, 750)
        );
        assert_close(found(&[0, 14, 30, 60], Profile::STANDARD).score, 100.0);
        assert!(found(&[15, 30, 60], Profile::STANDARD).score < 99.0);
    }

    #[test]
    fn one_threshold_serves_all_series() {
        let labels = Labels { points: 40, windows: vec![20..=29] };
        // Either threshold finds the first, and only the lower one finds the second, with false detections.
        let mut quiet = vec![Some(0.1); 40];
        quiet[20] = Some(0.5);
        let mut loud = vec![Some(0.6); 40];
        loud[20] = Some(0.9);
        let scored = [Scored { labels: &labels, scores: &quiet }, Scored { labels: &labels, scores: &loud }];
        let both = best(&scored, Profile::STANDARD);
        assert_eq!(both.threshold, 0.9);
        assert_close(both.score, 50.0);
        assert_close(score_at(&scored, Profile::STANDARD, 0.9), both.score);
        // 14 points of `loud` ahead of the window count, and 10 behind it.
        let behind: f64 = (1..=10).map(|point| scaled_sigmoid(f64::from(point) / 9.0)).sum();
        let low = 100.0 + 100.0 * 0.11 * (behind - 14.0) / 4.0;
        assert_close(score_at(&scored, Profile::STANDARD, 0.5), low);
    }

    #[test]
    fn equal_scores_are_detected_together() {
        // All points have the same score: the threshold takes all or nothing.
        let all = best(&[Scored { labels: &labels(), scores: &[Some(0.5); 100] }], Profile::STANDARD);
        let mut sum = 2.0;
        sum += 0.11
            * worths(&labels()).skip(15).filter(|(window, _)| window.is_none()).map(|(_, w)| w).sum::<f64>();
        assert_close(all.score, (100.0 * (sum + 2.0) / 4.0).max(0.0));
    }

    #[test]
    fn scores_may_be_any_numbers() {
        let mut scores = vec![Some(-1e300); 100];
        scores[30] = Some(f64::INFINITY);
        scores[60] = Some(1e300);
        scores[20] = Some(f64::NAN);
        let found = best(&[Scored { labels: &labels(), scores: &scores }], Profile::STANDARD);
        assert_close(found.score, 100.0);
        assert_eq!(found.threshold, 1e300);
    }
}
