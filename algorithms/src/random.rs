//! Random numbers of algorithms that are to repeat.

/// A generator of random numbers, which makes the same ones from the same seed everywhere, and is a part of the state.
///
/// It is `SplitMix64`: G. L. Steele, D. Lea and C. H. Flood, *Fast splittable pseudorandom number generators*, OOPSLA, 2014.
/// It is not for cryptography.
///
/// ```
/// use algorithms::Random;
///
/// let (mut one, mut other) = (Random::new(7), Random::new(7));
/// assert_eq!(one.share(), other.share());
/// assert!((0.0..1.0).contains(&one.share()));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Random(u64);

impl Random {
    /// A generator that begins with this seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number: 64 random bits.
    #[inline]
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// The next number, uniform in multiples of 2^-53 from 0 to below 1.
    #[inline]
    pub fn share(&mut self) -> f64 {
        const STEP: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.bits() >> 11) as f64 * STEP
    }

    /// A generator for the part with this number of what the seed is for, whose numbers have nothing to do with those of
    /// other parts.
    #[must_use]
    pub fn part(seed: u64, number: u64) -> Self {
        let mut parts = Self(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        Self(parts.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::Random;

    #[test]
    fn numbers_are_those_of_splitmix64() {
        // The first numbers of Java's SplittableRandom(1234567), without its change of the seed.
        let mut random = Random::new(1_234_567);
        let numbers = [random.bits(), random.bits(), random.bits()];
        assert_eq!(
            numbers,
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn parts_differ() {
        let firsts: std::collections::BTreeSet<u64> = (0..1000).map(|n| Random::part(1, n).bits()).collect();
        assert_eq!(firsts.len(), 1000);
    }
}
