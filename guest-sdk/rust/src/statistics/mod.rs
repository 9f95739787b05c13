//! Statistics that stay exact while data comes and goes.
//!
//! | of | type | takes |
//! |---|---|---|
//! | all numbers so far | [`Moments`]: count, mean, variance | O(1) |
//! | the newest numbers | [`ExponentialMoments`]: mean and variance, older numbers count less | O(1) |
//! | a window | [`MovingAverage`]: the mean of a number of values, exact to the last digits | O(1) |
//! | | [`Sliding`]`<`[`Moments`]`>`: count, mean, variance | O(1) |
//! | | [`Sliding`]`<`[`Extremes`]`>`: least and greatest | O(1) |
//! | | [`Quantiles`]: median, any quantile, median absolute deviation | O(n), but moves memory only |
//! | | [`Window`]: the values themselves, of any type | O(1) |
//! | times of the day or the week | [`Profile`]: one of the above for each slot of a [`Season`] | O(1) |
//!
//! An [`Extent`] says how far back a window reaches: a number of values, or a time. All types have a [`Default`], so
//! that they can be the state of a group, and take what the options say with each value.
//!
//! ```
//! use std::time::Duration;
//! use kapacitor_guest::prelude::*;
//! use kapacitor_guest::statistics::{Extent, Moments, Sliding};
//!
//! /// Passes on the points that are far from the mean of the last minutes of their group.
//! #[derive(Options)]
//! struct Spikes {
//!     field: String,
//!     period: Duration,
//!     #[option(default = 3.0)]
//!     sigmas: f64,
//! }
//!
//! impl Stream for Spikes {
//!     type Group = Sliding<Moments>;
//!
//!     fn point(&self, window: &mut Self::Group, point: Point<'_>, out: &mut Output) -> Result<()> {
//!         let value = point.number(&self.field)?;
//!         let period = Extent::within(self.period);
//!         // After a gap, those of before it are too old.
//!         window.advance(point.time(), period);
//!         let before = window.aggregate();
//!         window.push(point.time(), value, period);
//!         match before.and_then(|before| Some((before.mean()?, before.sample_std_dev()?))) {
//!             Some((mean, sigma)) if (value - mean).abs() > self.sigmas * sigma => out.send(point),
//!             _ => Ok(()),
//!         }
//!     }
//! }
//!
//! register!(Spikes);
//! ```
//!
//! # NaN and infinity
//!
//! [`Point::number`](crate::Point::number) keeps them out. If they come in, what they do lasts while they are in the
//! window, and no longer. [`Moments`] alone, without a window, holds them for ever; [`ExponentialMoments`] leaves them
//! out.

mod exponential;
mod extent;
mod extremes;
mod moments;
mod moving_average;
mod quantiles;
mod season;
mod sliding;
mod window;

pub use exponential::ExponentialMoments;
pub use extent::Extent;
pub use extremes::Extremes;
pub use moments::Moments;
pub use moving_average::MovingAverage;
pub use quantiles::Quantiles;
pub use season::{Profile, Season};
pub use sliding::{Aggregate, Sliding};
pub use window::Window;
