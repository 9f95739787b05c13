//! Scores detectors by the rules of the Numenta Anomaly Benchmark, NAB.
//!
//! NAB is a corpus of 58 labelled series and a rule that makes one number of what a detector says about all of them.
//! The corpus is not part of this repository; README.md says where it is.
//!
//! Sources: A. Lavin and S. Ahmad, *Evaluating real-time anomaly detection algorithms: the Numenta Anomaly Benchmark*,
//! ICMLA 2015, section II, for the rule; S. Ahmad, A. Lavin, S. Purdy and Z. Agha, *Unsupervised real-time anomaly
//! detection for streaming data*, Neurocomputing 262, 2017, for the corpus and the published results.

#![forbid(unsafe_code)]

mod corpus;
mod gaussian;
mod replay;
mod scoring;

pub use corpus::{Series, corpus, halves};
pub use gaussian::WindowedGaussian;
pub use replay::{Detector, Replayed};
pub use scoring::{Best, Labels, Profile, Scored, best, score_at};
