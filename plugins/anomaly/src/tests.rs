use super::*;
use crate::ensemble::{Finding, MARGIN};
use crate::tail::{LEAST, Tail};
use crate::views::Day;
use kapacitor_guest::testing::{Harness, OptionArgument, point};
use proptest::prelude::*;

/// Numbers from 0 to 1 that look random and are always the same.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About a standard normal distribution.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

const SECOND: i64 = 1_000_000_000;
const MINUTE: i64 = 60 * SECOND;

/// What is found in values of which there is one a minute.
fn findings(values: impl IntoIterator<Item = f64>) -> Vec<Finding> {
    let mut ensemble = Ensemble::default();
    values.into_iter().zip(0..).map(|(value, minute)| ensemble.push(minute * MINUTE, value)).collect()
}

/// The most unusual of these points.
fn most(findings: &[Finding]) -> Finding {
    *findings.iter().max_by(|a, b| a.score.total_cmp(&b.score)).unwrap()
}

// --- the tail --------------------------------------------------------------------------------------

#[test]
fn share_is_that_of_larger_numbers() {
    let (mut tail, mut random) = (Tail::default(), Random(1));
    (0..5000).for_each(|_| tail.add(random.uniform(), 1.0));
    // The numbers begin a bucket, and those in the bucket below count as about as large.
    for (number, least) in [(0.5, 0.468_75), (0.875, 0.8125), (0.0625, 0.058_593_75)] {
        let found = tail.share(number);
        assert!((found - (1.0 - least)).abs() < 0.02, "{number}: {found}");
    }
    assert_eq!(tail.share(0.0), 1.0);
    assert!(tail.share(1.0) < 0.1 && tail.share(8.0) < 1e-4);
}

#[test]
fn numbers_seen_before_are_not_rare() {
    let mut tail = Tail::default();
    for number in 0..3000 {
        tail.add(if number % 300 == 0 { 1000.0 } else { f64::from(number % 7) }, 1.0);
    }
    // One in 300, though the tail of the others falls to less than one in 10,000.
    assert!((1.0 / 400.0..1.0 / 200.0).contains(&tail.share(1000.0)), "{}", tail.share(1000.0));
    assert!(tail.share(4000.0) < 1e-3, "{}", tail.share(4000.0));
}

#[test]
fn any_number_is_rare_after_many_that_are_zero() {
    let mut tail = Tail::default();
    for number in 0..400 {
        // The first ones count a little less than the last ones.
        if !(300..310).contains(&number) {
            assert_eq!(tail.share(1e-9), if number < 300 { 1.0 } else { LEAST }, "{number}");
        }
        assert_eq!(tail.push(0.0), 1.0);
    }
    tail.add(1.0, 1.0);
    assert!(tail.share(1.0) > 1e-3);
}

#[test]
fn one_wrong_number_hides_no_others() {
    let (mut tail, mut random) = (Tail::default(), Random(2));
    (0..1000).for_each(|_| tail.add(random.uniform(), 1.0));
    assert_eq!(tail.push(f64::MAX), LEAST);
    (0..1000).for_each(|_| tail.add(random.uniform(), 1.0));
    assert!(tail.share(8.0) < 3e-3, "{}", tail.share(8.0));
    assert!(tail.share(0.5) > 0.4);
}

#[test]
fn smaller_and_larger_scales_are_learned() {
    for scale in [1e-12, 1e-3, 1e12] {
        let (mut tail, mut random) = (Tail::default(), Random(3));
        (0..20_000).for_each(|_| tail.add(random.uniform(), 1.0));
        (0..300_000).for_each(|_| tail.add(random.uniform() * scale, 1.0));
        let found = [0.5, 0.9, 4.0].map(|number| tail.share(number * scale));
        // Between those of the number itself and of one that is a quarter smaller.
        assert!((0.49..0.63).contains(&found[0]) && (0.09..0.33).contains(&found[1]), "{scale}: {found:?}");
        assert!(found[2] < 1e-3, "{scale}: {found:?}");
    }
}

#[test]
fn ten_million_numbers_leave_no_rounding_errors() {
    let mut tail = Tail::default();
    (0..10_000_000_u32).for_each(|number| tail.add(f64::from(1 + number % 4), 1.0));
    // A quarter of what counts is each of the four, whose weights differ by 1e-4.
    for (number, share) in [(1.0, 1.0), (2.0, 0.75), (3.0, 0.5)] {
        let (found, exact) = (tail.share(number), (10_001.0 * share + 0.5) / 10_002.0);
        assert!((found / exact - 1.0).abs() < 1e-3, "{number}: {found} is not {exact}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn larger_numbers_have_smaller_shares(
        numbers in proptest::collection::vec(prop_oneof![Just(0.0), 0.0..1.0, 1e-20..1e20, any::<f64>()], 0..300),
        mut asked in proptest::collection::vec(prop_oneof![0.0..2.0, 1e-30..1e30, 0.0..f64::MAX], 2..20),
    ) {
        let mut tail = Tail::default();
        numbers.iter().for_each(|number| tail.add(number.abs().min(f64::MAX), 1.0));
        prop_assert!(tail.lost() < 1e-6, "{}", tail.lost());
        asked.sort_by(f64::total_cmp);
        let found: Vec<f64> = asked.iter().map(|number| tail.share(*number)).collect();
        prop_assert!(found.iter().all(|share| (LEAST..=1.0).contains(share)), "{found:?}");
        prop_assert!(found.windows(2).all(|pair| pair[1] <= pair[0] * (1.0 + 1e-6)), "{asked:?} {found:?}");
    }

    /// Common numbers have the share of those in the same and in larger buckets, which are counted here.
    #[test]
    fn common_numbers_are_counted(numbers in proptest::collection::vec(1_u32..64, 100..200)) {
        let mut tail = Tail::default();
        numbers.iter().for_each(|number| tail.add(f64::from(*number), 1.0));
        // A power of two begins a bucket, and the one below has numbers from 15/16 of it.
        for number in [1, 2, 4, 8, 16] {
            let at_least = |least: f64| numbers.iter().filter(|other| f64::from(**other) >= least).count() as f64;
            let least = f64::from(number);
            let exact = (at_least(least) + 0.5).max(at_least(least * 15.0 / 16.0)) / (numbers.len() + 1) as f64;
            let found = tail.share(least);
            prop_assert!((found - exact).abs() < 0.02, "{number}: {found} is not {exact}");
        }
    }
}

// --- the ensemble ----------------------------------------------------------------------------------

/// A day of 1,440 points: a sine with noise.
fn daily(minute: usize, random: &mut Random) -> f64 {
    50.0 + 20.0 * (minute as f64 / 1440.0 * std::f64::consts::TAU).sin() + random.normal()
}

#[test]
fn spikes_steps_spreads_and_missing_peaks_are_found() {
    let mut random = Random(4);
    let usual: Vec<f64> = (0..7 * 1440).map(|minute| daily(minute, &mut random)).collect();
    let from = 5 * 1440 + 400;
    let changed = |change: &dyn Fn(usize, f64) -> f64| {
        let mut values = usual.clone();
        for (minute, value) in values.iter_mut().enumerate().skip(from) {
            *value = change(minute - from, *value);
        }
        most(&findings(values)[from..from + 400])
    };
    assert!(changed(&|_, value| value).score < 3.0);
    let spike = changed(&|minute, value| if minute == 50 { 200.0 } else { value });
    assert!(spike.score > 10.0, "{spike:?}");
    let step = changed(&|_, value| value + 40.0);
    assert!(step.score > 8.0, "{step:?}");
    let wide = changed(&|minute, value| if minute % 2 == 0 { value + 9.0 } else { value - 9.0 });
    assert!(wide.score > 4.0, "{wide:?}");
    let stuck = changed(&|_, _| usual[from]);
    assert!(stuck.score > 2.5, "{stuck:?}");
    let missing = changed(&|_, value| value - 35.0);
    assert!(missing.score > 3.0, "{missing:?}");
}

#[test]
fn an_incident_does_not_hide_the_next_one() {
    let mut random = Random(9);
    let starts = [2000, 6000, 10_000];
    let is_incident = |minute: usize| starts.iter().any(|start| (*start..start + 20).contains(&minute));
    let value = |minute| random.normal() + if is_incident(minute) { 30.0 } else { 0.0 };
    let found = findings((0..11_000).map(value));
    for start in starts {
        let score = most(&found[start..start + 20]).score;
        assert!(score > 3.0, "{start}: {score}");
    }
}

#[test]
fn a_change_that_stays_is_learned() {
    let mut random = Random(10);
    let found = findings((0..6000).map(|minute| random.normal() + if minute < 3000 { 0.0 } else { 30.0 }));
    assert!(found[3000].score > 5.0, "{:?}", found[3000]);
    assert!(most(&found[3500..]).score < 3.0, "{:?}", most(&found[3500..]));
}

#[test]
fn a_constant_that_changes_is_found() {
    let values = (0..1000).map(|minute| if minute < 600 { 7.0 } else { 7.000_001 });
    let found = findings(values);
    assert!(found[..600].iter().all(|finding| finding.score == 0.0));
    assert!(found[600].score > 10.0, "{:?}", found[600]);
}

#[test]
fn a_constant_needs_305_points() {
    for (points, is_found) in [(304, false), (305, true)] {
        let found = findings((0..=points).map(|point| if point < points { 7.0 } else { 7.5 }));
        assert_eq!(found[points].score > 19.0, is_found, "{points}: {:?}", found[points]);
        assert!(is_found || found[points].score == 0.0, "{points}: {:?}", found[points]);
    }
    // What was before the constant stays known, as does its first change.
    let mut random = Random(3);
    let before = (0..1000).map(|_| random.normal());
    let found = findings(before.chain([0.0; 400]).chain([1.0]));
    assert!(found[1400].score < 3.0, "{:?}", found[1400]);
}

#[test]
fn an_hour_of_yesterday_counts_as_a_whole() {
    // A point each second. In each hour the first half is 0, and the second one 100.
    let mut day = Day::default();
    let mut push = |second: i64| day.push(second * SECOND, if second % 3600 < 1800 { 0.0 } else { 100.0 });
    (0..3 * 86_400).for_each(|second| _ = push(second));
    let first = push(3 * 86_400);
    assert!((first - 50.0).abs() < 10.0, "{first}");
}

#[test]
fn noise_has_few_false_alarms() {
    type Noise = fn(&mut Random, f64) -> f64;
    let noises: [(&str, Noise); 6] = [
        ("uniform", |random, _| random.uniform()),
        ("normal", |random, _| random.normal()),
        ("exponential", |random, _| -random.uniform().max(1e-300).ln()),
        ("lognormal", |random, _| random.normal().exp()),
        ("ints", |random, _| (3.0 * random.uniform()).floor()),
        ("autoregressive", |random, before| 0.9 * before + random.normal()),
    ];
    const POINTS: usize = 100_000;
    for (name, noise) in noises {
        let (mut random, mut value) = (Random(5), 0.0);
        let values = (0..POINTS).map(|_| {
            value = noise(&mut random, value);
            value
        });
        let mut rest = Rest::default();
        let scores = findings(values).into_iter().zip(1..).skip(100);
        let scores: Vec<f64> = scores.map(|(found, number)| rest.pass(number, found.score, 100)).collect();
        let alarms = [2.5, 3.0].map(|threshold| scores.iter().filter(|score| **score > threshold).count());
        // README.md has the figures of some of them: less than one in 600 points, and in 2,000.
        assert!(alarms[0] <= POINTS / 600 && alarms[1] <= POINTS / 2000, "{name}: {alarms:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// A unit that is smaller by a power of two has no effect, to the last bit, nor has a constant that is added.
    #[test]
    fn units_and_offsets_have_no_effect(values in proptest::collection::vec(-1000..1000_i32, 1..500)) {
        let plain = findings(values.iter().map(|value| f64::from(*value)));
        let scaled = findings(values.iter().map(|value| f64::from(*value) * 2_f64.powi(-50)));
        let moved = findings(values.iter().map(|value| f64::from(*value) + 1e15));
        prop_assert_eq!(&scaled, &plain);
        prop_assert_eq!(&moved, &plain);
    }

    #[test]
    fn any_values_have_finite_scores(values in proptest::collection::vec(any::<f64>(), 0..400), time in any::<i64>()) {
        let mut ensemble = Ensemble::default();
        for value in values.into_iter().filter(|value| value.is_finite()) {
            let finding = ensemble.push(time, value);
            prop_assert!((0.0..=-LEAST.log10()).contains(&finding.score), "{value}: {finding:?}");
        }
    }

    /// A score passes if it is above all of the last ones, by the margin.
    #[test]
    fn rest_is_the_maximum_of_a_window(scores in proptest::collection::vec(0..20_u8, 0..200), length in 0..30_usize) {
        let mut rest = Rest::default();
        for (place, score) in scores.iter().enumerate() {
            let before = &scores[place.saturating_sub(length)..place];
            let above = |other: &u8| f64::from(*score) / 20.0 > f64::from(*other) / 20.0 + MARGIN;
            let expected = if before.iter().all(above) { f64::from(*score) / 20.0 } else { 0.0 };
            prop_assert_eq!(rest.pass(place as u64, f64::from(*score) / 20.0, length as u64), expected);
        }
    }
}

#[test]
fn memory_is_bounded() {
    let (mut series, mut random) = (Series::default(), Random(6));
    for number in 0..50_000 {
        let value = random.normal() * 10_f64.powi(number % 100 - 50);
        let finding = series.ensemble.push(i64::from(number) * MINUTE, value);
        series.rest.pass(series.ensemble.count(), finding.score, 100);
    }
    let bytes = size_of::<Series>() + series.ensemble.heap() + series.rest.heap();
    assert!(bytes <= 14 << 10, "{bytes}");
}

// --- the plugin ------------------------------------------------------------------------------------

fn start(more: impl IntoIterator<Item = (&'static str, OptionArgument)>) -> Result<Harness<Anomaly>> {
    Harness::start([("field", "value".into())].into_iter().chain(more))
}

#[test]
fn scores_begin_after_the_warmup() {
    let mut harness = start([("warmup", 20.into())]).unwrap();
    for number in 0..60 {
        let sent = harness.point(&point().at(number * MINUTE).field("value", number % 7)).unwrap().remove(0);
        assert_eq!(sent.fields.contains_key("score"), number >= 20, "{number}");
        assert_eq!(sent.fields["anomaly"], false.into());
    }
}

#[test]
fn an_anomaly_is_flagged_once_and_has_a_reason() {
    let mut harness = start([("reason", "why".into()), ("threshold", 5.0.into())]).unwrap();
    let mut random = Random(7);
    let mut flagged = Vec::new();
    for number in 0..2000 {
        let value = if (1500..1520).contains(&number) { 60.0 } else { random.normal() };
        let sent = harness.point(&point().at(number * MINUTE).field("value", value)).unwrap().remove(0);
        let is_flagged = sent.fields["anomaly"] == true.into();
        assert_eq!(is_flagged, sent.number("score").unwrap_or(0.0) > 5.0);
        assert_eq!(is_flagged, sent.fields.contains_key("why"));
        if is_flagged {
            flagged.push((number, sent.fields["why"].clone()));
        }
    }
    assert_eq!(flagged, [(1500, "level".into())]);
}

#[test]
fn each_field_has_a_state_of_its_own() {
    let options = [("field", "a".into()), ("field", "b".into()), ("warmup", 0.into())];
    let mut harness = Harness::<Anomaly>::start(options).unwrap();
    let sent = harness.point(&point().field("a", 1).field("b", f64::NAN)).unwrap().remove(0);
    assert!(sent.fields.contains_key("a_score") && !sent.fields.contains_key("b_score"));
    assert_eq!(sent.fields["a_anomaly"], false.into());
    assert!(!sent.fields.contains_key("b_anomaly"));
}

#[test]
fn points_without_a_number_are_skipped() {
    let mut harness = start([]).unwrap();
    for value in [OwnedValue::Double(f64::NAN), f64::INFINITY.into(), "text".into(), true.into()] {
        assert!(harness.point(&point().field("value", value)).unwrap().is_empty());
    }
    assert_eq!(harness.skips().len(), 4);
}

#[test]
fn a_restored_state_goes_on_to_the_bit() {
    let mut random = Random(8);
    let values: Vec<f64> = (0..900).map(|_| random.normal()).collect();
    let mut harness = start([]).unwrap();
    let mut restored = None;
    for (number, value) in (0..).zip(values) {
        let input = point().at(number * MINUTE).field("value", value);
        let expected = harness.point(&input).unwrap();
        if let Some(restored) = &mut restored {
            let restored: &mut Harness<Anomaly> = restored;
            assert_eq!(restored.point(&input).unwrap(), expected);
        }
        if number % 250 == 100 {
            let snapshot = harness.snapshot();
            let mut other = start([]).unwrap();
            other.restore(&snapshot).unwrap();
            restored = Some(other);
        }
    }
}

#[test]
fn refuses_numbers_that_are_no_threshold_and_no_rest() {
    let error = |option| start([option]).err().unwrap().to_string();
    assert_eq!(error(("threshold", (-1.0).into())), "option `threshold`: must be a number of at least 0");
    assert_eq!(error(("rest", 10_001.into())), "option `rest`: must be at most 10000");
}
