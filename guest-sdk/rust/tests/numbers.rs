use num_bigint::BigInt;
use proptest::prelude::*;
use proptest::sample::select;

/// A finite number as a multiple of the smallest positive `f64`: exactly.
pub fn exact(value: f64) -> BigInt {
    let bits = value.to_bits();
    let (exponent, fraction) = (bits >> 52 & 0x7ff, bits & ((1 << 52) - 1));
    let (significand, shift) = if exponent == 0 { (fraction, 0) } else { (fraction | 1 << 52, exponent - 1) };
    let magnitude = BigInt::from(significand) << shift;
    if value.is_sign_negative() { -magnitude } else { magnitude }
}

/// Numbers of all sizes: ordinary ones, large ints, the smallest and the largest, and all bit patterns.
pub fn number() -> impl Strategy<Value = f64> {
    let special = select(vec![
        0.0,
        -0.0,
        1.0,
        5.5,
        f64::MAX,
        f64::MIN,
        f64::MAX / 2.0,
        1.7e308,
        -1.7e308,
        1e16,
        -1e16,
        f64::MIN_POSITIVE,
        f64::from_bits(1),
        -f64::from_bits(1),
    ]);
    prop_oneof![
        4 => -100.0..100.0,
        2 => any::<i64>().prop_map(|int| int as f64),
        2 => any::<u64>().prop_map(|int| int as f64),
        1 => (1_u64..1 << 52).prop_map(f64::from_bits),
        3 => special,
        3 => any::<u64>().prop_map(f64::from_bits).prop_filter("is finite", |value| value.is_finite()),
    ]
}

/// The same, and NaN and infinities.
pub fn number_or_not() -> impl Strategy<Value = f64> {
    let not_finite = select(vec![f64::NAN, -f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
    prop_oneof![12 => number(), 1 => not_finite]
}
