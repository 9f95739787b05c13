//! Kapacitor's levels, and the limits at which they begin.

use kapacitor_guest::prelude::*;

/// The levels of Kapacitor's alerts, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    Info,
    Warning,
    Critical,
}

impl Level {
    /// The name, as `|alert()` writes it with `levelField`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

/// The limits of a value: of the levels `INFO`, `WARNING` and `CRITICAL`, in this order, each of which may be absent.
#[derive(Debug)]
pub struct Limits {
    /// A value above one of these has its level.
    pub high: [Option<f64>; 3],
    /// A value below one of these has its level.
    pub low: [Option<f64>; 3],
}

/// The options that set `high`, in order.
const HIGH: [&str; 3] = ["info", "warn", "crit"];
/// The options that set `low`, in order.
const LOW: [&str; 3] = ["info_low", "warn_low", "crit_low"];
/// The levels of these options.
const LEVELS: [Level; 3] = [Level::Info, Level::Warning, Level::Critical];

impl Limits {
    /// The highest level whose limit the value is beyond.
    pub fn level(&self, value: f64) -> Level {
        let beyond = |(high, low): (&Option<f64>, &Option<f64>)| {
            high.is_some_and(|high| value > high) || low.is_some_and(|low| value < low)
        };
        let last = self.high.iter().zip(&self.low).rposition(beyond);
        last.map_or(Level::Ok, |place| LEVELS[place])
    }

    /// The same limits for multiples of a spread, which are all given as positive numbers: the lower ones become negative.
    pub fn of_deviations(&self) -> Self {
        Self { high: self.high, low: self.low.map(|low| low.map(|low| -low)) }
    }

    /// Checks that there is a limit, that limits are finite, and that a value that reaches a level is beyond the limits of
    /// all levels below it.
    ///
    /// # Errors
    ///
    /// A failure that names the option.
    pub fn check(&self) -> Result<()> {
        self.check_numbers()?;
        check_order(HIGH, self.high, "below")?;
        check_order(LOW, self.low.map(|low| low.map(|low| -low)), "above")?;
        let first = |names: [&'static str; 3], limits: [Option<f64>; 3]| {
            names.into_iter().zip(limits).find_map(|(name, limit)| Some((name, limit?)))
        };
        match (first(LOW, self.low), first(HIGH, self.high)) {
            (Some((low_name, low)), Some((high_name, high))) if low > high => {
                Err(Error::new(format!("option `{low_name}`: must not be above `{high_name}`")))
            }
            _ => Ok(()),
        }
    }

    /// The same for multiples of a spread, which must be above 0.
    ///
    /// # Errors
    ///
    /// A failure that names the option.
    pub fn check_deviations(&self) -> Result<()> {
        self.check_numbers()?;
        let mut all = HIGH.into_iter().zip(self.high).chain(LOW.into_iter().zip(self.low));
        if let Some((name, _)) = all.find(|(_, limit)| limit.is_some_and(|limit| limit <= 0.0)) {
            return Err(Error::new(format!(
                "option `{name}`: must be above 0, since it is a number of deviations with this method"
            )));
        }
        check_order(HIGH, self.high, "below")?;
        check_order(LOW, self.low, "below")
    }

    fn check_numbers(&self) -> Result<()> {
        let mut all = HIGH.into_iter().zip(self.high).chain(LOW.into_iter().zip(self.low));
        if self.high.iter().chain(&self.low).all(Option::is_none) {
            return Err("no level has a limit: give at least one of `info`, `warn`, `crit`, `info_low`, \
                        `warn_low` and `crit_low`"
                .into());
        }
        match all.find(|(_, limit)| limit.is_some_and(|limit| !limit.is_finite())) {
            Some((name, _)) => Err(Error::new(format!("option `{name}`: must be a finite number"))),
            None => Ok(()),
        }
    }
}

/// Checks that the limits that are given ascend; `wrong` says where a limit is that does not.
fn check_order(names: [&str; 3], limits: [Option<f64>; 3], wrong: &str) -> Result<()> {
    let given = names.into_iter().zip(limits).filter_map(|(name, limit)| Some((name, limit?)));
    let mut before: Option<(&str, f64)> = None;
    for (name, limit) in given {
        if let Some((other, least)) = before
            && limit < least
        {
            return Err(Error::new(format!("option `{name}`: must not be {wrong} `{other}`")));
        }
        before = Some((name, limit));
    }
    Ok(())
}
