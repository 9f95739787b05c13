//! What is left of a series without its trend and its season.
//!
//! Medians stand for both, so that outliers do not change them: O. Vallis, J. Hochenbaum and A. Kejariwal, *A novel
//! technique for long-term anomaly detection in the cloud*, USENIX workshop on hot topics in cloud computing, 2014,
//! has the trend as the medians of pieces. There the season comes from a decomposition by LOESS. Here it is the
//! median of each phase, which needs no parameters, is exact, and takes O(n).

use algorithms::median;

/// Subtracts from each value the median of the values of its class. `classes` has a number from 0 to `count` - 1 for
/// each value. NaN is no value.
///
/// It takes O(n + count), and 8 bytes for each value and each class beside them.
pub fn subtract_medians(values: &mut [f64], classes: impl Iterator<Item = usize> + Clone, count: usize) {
    // Where the values of each class begin, and then where they end, in the order of the classes.
    let mut places = vec![0_u32; count];
    for (value, class) in values.iter().zip(classes.clone()) {
        places[class] += u32::from(!value.is_nan());
    }
    let mut total = 0;
    for place in &mut places {
        total += std::mem::replace(place, total);
    }
    let mut sorted = vec![0.0; total as usize];
    for (value, class) in values.iter().zip(classes.clone()).filter(|(value, _)| !value.is_nan()) {
        sorted[places[class] as usize] = *value;
        places[class] += 1;
    }
    let mut begin = 0;
    let median_up_to = |end: u32| {
        let class = &mut sorted[begin..end as usize];
        begin = end as usize;
        if class.is_empty() { 0.0 } else { median(class) }
    };
    let medians: Vec<f64> = places.into_iter().map(median_up_to).collect();
    values.iter_mut().zip(classes).for_each(|(value, class)| *value -= medians[class]);
}
