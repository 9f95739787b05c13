//! Which share of numbers is as large as the newest one.

use serde::{Deserialize, Serialize};

/// The least share that is told apart from 0.
pub const LEAST: f64 = 1e-20;

/// Buckets for each power of two. They are those of the first three bits of the fraction of an `f64`.
const FRACTION_BITS: u32 = 3;
/// The most buckets that are kept: those of 32 powers of two below the greatest number.
const MOST: usize = 32 << FRACTION_BITS;
/// A single number raises the top by no more buckets than this, so that a wrong one does not push out all others.
const RAISE: i32 = 4 << FRACTION_BITS;
/// The number of numbers after which one counts 1/e.
const MEMORY: f64 = 10_000.0;
/// The share of the greatest numbers that the tail is fitted to.
const SHARE: f64 = 0.02;
/// The least number of numbers that the tail is fitted to; fewer have none.
const FEWEST: f64 = 5.0;
/// The tail that is assumed without numbers falls to 1/e in this many buckets, and this assumption counts as much as
/// `ASSUMED_WEIGHT` numbers.
const ASSUMED_LENGTH: f64 = 4.0;
const ASSUMED_WEIGHT: f64 = 3.0;
/// If so many numbers were 0 and none was not, any other number has the least share. They count as what they weigh by now,
/// so that it takes 305 of them.
const CONSTANT: f64 = 300.0;
/// A rare number, one of the [`SHARE`], counts less if there was another one at most so many numbers before: they are one
/// event, and it is the number of events that says how rare the next one is.
const GAP: u32 = 10;
/// What it counts. It is not 0, so that a change that stays is learned.
const FOLLOWING: f64 = 0.25;
/// Numbers of so many buckets below a number count as about as large as it.
const NEAR: i32 = 1;
/// Weights grow until they are this large, and begin anew.
const HEAVIEST: f64 = 1e6;

/// The distribution of numbers of at least 0 with a tail, in which older numbers count less.
///
/// A histogram has a bucket for each eighth of a power of two, so that it needs no scale. Beyond the largest
/// 2 % of the numbers, the tail is assumed to fall as a power of the number, with the exponent that these numbers
/// have: B. M. Hill, *A simple general approach to inference about the tail of a distribution*, Annals of Statistics 3,
/// 1975.
///
/// Rare numbers in a row count as little more than one: an incident of an hour is one incident, not sixty, and does not
/// make the next one usual. This is known as declustering: S. Coles, *An introduction to statistical modeling of extreme
/// values*, Springer, 2001, section 5.3.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Tail {
    /// The weights of buckets, the one of the greatest numbers first, as far as there are numbers.
    buckets: Vec<f32>,
    /// The number of the first bucket.
    top: i32,
    /// The weight of numbers that are 0 or below all buckets.
    low: f64,
    /// The weight of all numbers.
    total: f64,
    /// The weight of the newest number.
    newest: f64,
    /// How many numbers came since the last rare one.
    since_rare: u32,
}

/// The bucket of a number above 0, and the place within it, from 0 to 1.
fn bucket(number: f64) -> (i32, f64) {
    const REST: u32 = 52 - FRACTION_BITS;
    let bits = number.to_bits();
    let rest = bits & ((1 << REST) - 1);
    ((bits >> REST) as i32, rest as f64 / (1_u64 << REST) as f64)
}

impl Tail {
    /// The share of a number, and adds it to the distribution.
    pub fn push(&mut self, number: f64) -> f64 {
        let share = self.share(number);
        let is_rare = share < SHARE;
        let follows = is_rare && self.since_rare <= GAP;
        self.since_rare = if is_rare { 0 } else { self.since_rare.saturating_add(1) };
        self.add(number, if follows { FOLLOWING } else { 1.0 });
        share
    }

    /// The share of numbers that are at least about as large: 1 for the least, 0.01 for one of a hundred, at least
    /// [`LEAST`].
    pub fn share(&self, number: f64) -> f64 {
        if number <= 0.0 || self.total <= 0.0 {
            return 1.0;
        }
        // In numbers of the newest weight.
        let count = self.total / self.newest;
        if self.total - self.low <= 0.0 {
            return if count >= CONSTANT { LEAST } else { 1.0 };
        }
        let (bucket, within) = bucket(number);
        // The greatest numbers, until there are enough of them: their weight, and the mean of their places.
        let enough = (SHARE * count).max(FEWEST).min(0.5 * count) * self.newest;
        let (mut weight, mut moment, mut end) = (0.0, 0.0, 0);
        while weight < enough && end < self.buckets.len() {
            let of_bucket = f64::from(self.buckets[end]);
            weight += of_bucket;
            moment += of_bucket * end as f64;
            end += 1;
        }
        // The weight of the first buckets, up to the one before a place, which may be above the first one.
        let before = |place: i32| {
            let place = usize::try_from(place).unwrap_or(0).min(self.buckets.len());
            let (from, sum) = if place < end { (0, 0.0) } else { (end, weight) };
            self.buckets[from..place].iter().fold(sum, |sum, of_bucket| sum + f64::from(*of_bucket))
        };
        let place = self.top - bucket;
        let beyond = end as f64 - 1.0 - f64::from(place) + within;
        let share = if beyond < 0.0 {
            let own = before(place + 1) - before(place);
            ((before(place) + own * (1.0 - within)) / self.newest + 0.5) / (count + 1.0)
        } else if weight < enough {
            // Too few numbers are above 0.
            weight / self.total
        } else {
            let length = (end as f64 - moment / weight - 0.5).max(0.25);
            let fitted = weight / self.newest;
            let length = (length * fitted + ASSUMED_LENGTH * ASSUMED_WEIGHT) / (fitted + ASSUMED_WEIGHT);
            // Not more than the share where the tail begins, as it is counted for smaller numbers.
            let most = (fitted + 0.5) / (count + 1.0);
            f64::min(weight / self.total, most) * (-beyond / length).exp()
        };
        // Numbers of about this size that were there before show that it is not as rare as the tail says.
        let about = before(place + 1 + NEAR) / self.newest / (count + 1.0);
        share.max(about).clamp(LEAST, 1.0)
    }

    /// Adds a number to the distribution. It counts as so many numbers, 0 to 1.
    pub fn add(&mut self, number: f64, part: f64) {
        if self.newest == 0.0 {
            self.newest = 1.0;
        }
        self.newest *= 1.0 + 1.0 / MEMORY;
        if self.newest > HEAVIEST {
            self.lighten();
        }
        let weight = self.newest * part;
        self.total += weight;
        if number <= 0.0 {
            self.low += weight;
            return;
        }
        let (bucket, _) = bucket(number);
        if self.buckets.is_empty() {
            self.top = bucket;
        }
        if bucket > self.top {
            self.raise((bucket - self.top).min(RAISE));
        }
        let place = usize::try_from(self.top - bucket).unwrap_or(0);
        if place >= MOST {
            self.low += weight;
            return;
        }
        if place >= self.buckets.len() {
            self.buckets.reserve_exact(place + 1 - self.buckets.len());
            self.buckets.resize(place + 1, 0.0);
        }
        self.buckets[place] += weight as f32;
    }

    /// Makes room for larger numbers. The least ones count as 0 if there are too many buckets then.
    fn raise(&mut self, by: i32) {
        self.buckets.splice(..0, std::iter::repeat_n(0.0, by as usize));
        self.low += self.buckets.iter().skip(MOST).copied().map(f64::from).sum::<f64>();
        self.buckets.truncate(MOST);
        self.buckets.shrink_to(MOST);
        self.top += by;
    }

    /// Divides all weights, so that the newest one is 1, and forgets numbers that count less than a thousandth. The sum
    /// begins anew, so that rounding errors do not add up.
    fn lighten(&mut self) {
        let light = |weight: f64| if weight < 1e-3 { 0.0 } else { weight };
        for bucket in &mut self.buckets {
            *bucket = light(f64::from(*bucket) / self.newest) as f32;
        }
        self.low = light(self.low / self.newest);
        self.total = self.low + self.buckets.iter().copied().map(f64::from).sum::<f64>();
        self.newest = 1.0;
        // Where the largest numbers are forgotten, there is room for smaller ones.
        let empty = self.buckets.iter().take_while(|bucket| **bucket == 0.0).count();
        self.buckets.drain(..empty);
        self.top -= empty as i32;
    }

    /// The share of the weight that is neither in a bucket nor below all of them: 0 but for rounding.
    #[cfg(test)]
    pub fn lost(&self) -> f64 {
        let buckets = self.buckets.iter().copied().map(f64::from).sum::<f64>();
        (self.total - self.low - buckets).abs() / self.total.max(1.0)
    }

    /// The memory that it takes beside its own size, in bytes.
    #[cfg(test)]
    pub fn heap(&self) -> usize {
        self.buckets.capacity() * size_of::<f32>()
    }
}
