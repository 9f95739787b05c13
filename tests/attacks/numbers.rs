//! Numbers: what has left a window has no effect on it, and no number makes a plugin of the repository lose another.

use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{RequestMessage, ResponseMessage};

use crate::support::{Host, batch, field, moving_avg, play, point};

/// The mean that a point of `moving_avg` over `size` points has, for each of `values`.
fn means(host: &Host, size: i64, values: &[f64]) -> Vec<Option<f64>> {
    let points = values.iter().zip(0..).map(|(value, time)| RequestMessage::Point(point("a", time, *value)));
    let responses = play(host.start("moving_avg", &moving_avg(size)), points);
    let mean = |response: &ResponseMessage| match response {
        ResponseMessage::Point(point) => (point.time as usize, point.fields_double.get("mean").copied()),
        other => panic!("{other:?}"),
    };
    let mut means = vec![None; values.len()];
    responses.iter().map(mean).for_each(|(time, mean)| means[time] = mean);
    means
}

#[test]
fn spike_that_has_left_the_window_leaves_nothing_behind() {
    let host = Host::with(&["moving_avg"]);
    let mut values = [5.5; 30];
    values[2] = 18_446_744_073_709_551_615_u64 as f64;
    assert_eq!(means(&host, 10, &values)[12..], [Some(5.5); 18]);
    let mut values = [50.0; 100];
    values[0] = 1e300;
    assert_eq!(means(&host, 30, &values)[30..], [Some(50.0); 70]);
    assert_eq!(means(&host, 4, &[1e16, 1.0, 1.0, 1.0, 1.0])[4], Some(1.0));
    assert_eq!(means(&host, 2, &[f64::MAX, f64::MAX, 5e-324, 5e-324])[3], Some(5e-324));
}

#[test]
fn number_that_is_not_finite_is_skipped_like_a_field_that_is_absent() {
    let host = Host::with(&["moving_avg"]);
    for spike in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut values = [2.0; 10];
        values[3] = spike;
        let means = means(&host, 5, &values);
        for (number, mean) in means.into_iter().enumerate() {
            assert_eq!(mean, (number != 3).then_some(2.0), "{spike}: {number}");
        }
    }
}

#[test]
fn mean_is_finite_where_the_sum_is_not() {
    let host = Host::with(&["moving_avg"]);
    for value in [1.7e308, -1.7e308, f64::MAX, f64::MIN] {
        for mean in means(&host, 3, &[value; 9]) {
            assert!((mean.unwrap() / value - 1.0).abs() < 1e-12, "{mean:?} of {value}");
        }
    }
}

#[test]
fn outliers_are_found_beside_numbers_of_any_size() {
    let host = Host::with(&["outliers"]);
    let found = |values: &[f64], scale| {
        let options = [text("field", "value"), option("scale", Value::DoubleValue(scale))];
        let responses = play(host.start("outliers", &options), batch("a", 9, values));
        assert!(matches!(responses.last(), Some(ResponseMessage::End(_))), "{responses:?}");
        field(&responses, "value")
    };
    assert_eq!(found(&[1.0, 2.0, f64::NAN, 3.0, 4.0, f64::NAN, 100.0, f64::NAN], 0.5), [100.0]);
    assert_eq!(found(&[-1e308, -1e308, -1e308, 1e308, 1e308, 1e308, 1.7e308], 0.1), [1.7e308]);
    assert_eq!(found(&[5.0, 5.0, 5.0, 5.0, 1e308, -1e308, 5.0, 5.0, 5.0, 5.0], 1.5), [1e308, -1e308]);
    const NONE: [f64; 0] = [];
    for size in 0..=5 {
        assert_eq!(found(&vec![f64::NAN; size], 1.5), NONE);
        assert_eq!(found(&vec![f64::INFINITY; size], 1.5), NONE);
        assert_eq!(found(&vec![f64::MAX; size], 1.5), NONE);
    }
}
