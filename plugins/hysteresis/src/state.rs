//! The state of a value with return bands, and the time for which a change must hold.

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Neither of the others.
    #[default]
    Normal,
    High,
    Low,
}

impl State {
    /// The name, as it is written.
    pub fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::High => "high",
            Self::Low => "low",
        }
    }
}

/// A limit with its return band: beyond `enter` a state begins, and at `leave` it ends.
#[derive(Clone, Copy, Debug)]
pub struct Band {
    pub enter: f64,
    pub leave: f64,
}

/// The bands of both sides; an absent one is never entered.
#[derive(Clone, Copy, Debug)]
pub struct Bands {
    pub high: Option<Band>,
    pub low: Option<Band>,
}

impl Bands {
    /// The state after `state` that a value would have at once.
    pub fn next(&self, state: State, value: f64) -> State {
        let is_high = |limit: fn(Band) -> f64| self.high.is_some_and(|band| value > limit(band));
        let is_low = |limit: fn(Band) -> f64| self.low.is_some_and(|band| value < limit(band));
        match state {
            State::High if is_high(|band| band.leave) => State::High,
            State::Low if is_low(|band| band.leave) => State::Low,
            _ if is_high(|band| band.enter) => State::High,
            _ if is_low(|band| band.enter) => State::Low,
            _ => State::Normal,
        }
    }
}

/// The state of a series, and the change that waits until it has held for long enough.
#[derive(Debug, Default)]
pub struct Tracker {
    state: State,
    /// The state that values have asked for since this time, in nanoseconds since 1970.
    waiting: Option<(State, i64)>,
}

impl Tracker {
    /// Takes a value, and returns the state. `hold` is how long a change to this state must hold, in nanoseconds.
    pub fn push(&mut self, time: i64, value: f64, bands: &Bands, hold: impl Fn(State) -> i64) -> State {
        let next = bands.next(self.state, value);
        if next == self.state {
            self.waiting = None;
            return self.state;
        }
        let hold = hold(next);
        let since = match self.waiting {
            // A point that is a little late changes nothing. One that is later than that shows that the wait began with
            // a wrong time in the future, which must not hold the change back until then.
            Some((waiting, since)) if waiting == next && since.saturating_sub(time) <= hold => since,
            _ => time,
        };
        if time.saturating_sub(since) >= hold {
            *self = Self { state: next, waiting: None };
        } else {
            self.waiting = Some((next, since));
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BANDS: Bands =
        Bands { high: Some(Band { enter: 90.0, leave: 80.0 }), low: Some(Band { enter: 10.0, leave: 20.0 }) };

    /// The states of values that come each second.
    fn states(values: &[f64], bands: &Bands, hold: i64) -> Vec<State> {
        let mut tracker = Tracker::default();
        (0..).zip(values).map(|(time, value)| tracker.push(time, *value, bands, |_| hold)).collect()
    }

    #[test]
    fn state_stays_within_the_band() {
        use State::{High, Low, Normal};
        let values = [85.0, 90.0, 90.1, 85.0, 80.1, 80.0, 85.0, 9.9, 15.0, 20.0, 95.0, 5.0, 95.0];
        let expected = [Normal, Normal, High, High, High, Normal, Normal, Low, Low, Normal, High, Low, High];
        assert_eq!(states(&values, &BANDS, 0), expected);
    }

    #[test]
    fn state_without_a_band_ends_at_its_limit() {
        let bands = Bands { high: Some(Band { enter: 90.0, leave: 90.0 }), low: None };
        let expected = [State::High, State::Normal, State::Normal];
        assert_eq!(states(&[90.5, 90.0, -1e300], &bands, 0), expected);
    }

    #[test]
    fn change_waits_until_it_has_held() {
        use State::{High, Normal};
        let values = [95.0, 95.0, 85.0, 95.0, 99.0, 95.0, 70.0, 81.0, 70.0, 70.0, 70.0];
        // The 85 is not above 90, so that the wait begins anew. The 81 is above 80, so that the way back does, too.
        let expected = [Normal, Normal, Normal, Normal, Normal, High, High, High, High, High, Normal];
        assert_eq!(states(&values, &BANDS, 2), expected);
    }

    #[test]
    fn wrong_time_in_the_future_holds_nothing_back() {
        let mut tracker = Tracker::default();
        let mut push = |time| tracker.push(time, 95.0, &BANDS, |_| 10);
        assert_eq!(
            [i64::MAX, 5, 14, 15].map(&mut push),
            [State::Normal, State::Normal, State::Normal, State::High]
        );
    }

    #[test]
    fn late_value_does_not_shorten_the_wait() {
        let mut tracker = Tracker::default();
        let states = [100, 95, 105, 110].map(|time| tracker.push(time, 95.0, &BANDS, |_| 10));
        assert_eq!(states, [State::Normal, State::Normal, State::Normal, State::High]);
    }

    /// The states by their definition: all values since the last change are looked at again for each one.
    fn naive(points: &[(i64, f64)], bands: &Bands, hold: i64) -> Vec<State> {
        let (mut state, mut changed) = (State::Normal, 0);
        let mut states = Vec::new();
        for last in 0..points.len() {
            let wanted = bands.next(state, points[last].1);
            let run =
                points[changed..=last].iter().rev().take_while(|(_, v)| bands.next(state, *v) == wanted);
            let since = run.map(|(time, _)| *time).last().unwrap();
            if wanted != state && points[last].0 - since >= hold {
                (state, changed) = (wanted, last + 1);
            }
            states.push(state);
        }
        states
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn states_are_those_of_the_definition(
            steps in proptest::collection::vec((0_i64..4, -5_i32..105), 1..80),
            mut limits in proptest::collection::vec(0_i32..100, 4),
            (has_high, has_low) in any::<(bool, bool)>(),
            hold in 0_i64..8,
        ) {
            limits.sort_unstable();
            let limit = |place: usize| f64::from(limits[place]);
            let bands = Bands {
                low: has_low.then(|| Band { enter: limit(0), leave: limit(1) }),
                high: has_high.then(|| Band { enter: limit(3), leave: limit(2) }),
            };
            let mut time = 0;
            let points: Vec<(i64, f64)> = steps
                .into_iter()
                .map(|(step, value)| {
                    time += step;
                    (time, f64::from(value))
                })
                .collect();
            let mut tracker = Tracker::default();
            let found: Vec<State> =
                points.iter().map(|(time, value)| tracker.push(*time, *value, &bands, |_| hold)).collect();
            prop_assert_eq!(found, naive(&points, &bands, hold));
        }
    }
}
