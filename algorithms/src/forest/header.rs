//! The header of a file: what a model is, and how its library computes with it.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::link::Link;

/// The most features: a node has 16 bits for one.
const MOST_FEATURES: usize = 1 << 16;

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// A number.
    Regression,
    /// One of several classes, each of which has a probability.
    Classification,
    /// How unusual a point is, by an isolation forest: from 0 to 1.
    Isolation,
}

impl Task {
    /// The name in a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Regression => "regression",
            Self::Classification => "classification",
            Self::Isolation => "an isolation forest",
        }
    }
}

/// The type of numbers that a library computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Precision {
    F32,
    F64,
}

/// A feature: a column of the data that the model was trained with.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Feature {
    pub name: String,
    /// The value that the trees see is `(value - mean) / scale`.
    #[serde(default)]
    pub mean: f64,
    #[serde(default = "one")]
    pub scale: f64,
}

fn one() -> f64 {
    1.0
}

/// The header, in JSON.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub task: Task,
    /// The library that has trained the model, with its version.
    pub library: String,
    /// The kind of the model, by the library's name for it.
    pub model: String,
    pub features: Vec<Feature>,
    /// Names of the classes; empty if it is no classification.
    #[serde(default)]
    pub classes: Vec<String>,
    /// What each feature is rounded to before it is compared.
    pub input: Precision,
    /// What each sum is rounded to after each tree.
    pub sum: Precision,
    /// What the sum of each output begins with.
    pub base: Vec<f64>,
    /// Whether sums are divided by the number of trees.
    pub average: bool,
    pub link: Link,
    /// The number of `link`.
    #[serde(default = "one")]
    pub factor: f64,
    /// Score above which a point is an anomaly, for an isolation forest.
    #[serde(default)]
    pub threshold: Option<f64>,
    pub trees: usize,
    pub nodes: usize,
    /// Numbers of vectors of leaves, each with as many as there are outputs.
    pub vectors: usize,
}

impl Header {
    /// Checks that the parts of the header fit each other.
    pub(super) fn check(&self) -> Result<(), String> {
        let outputs = self.base.len();
        let classes = self.classes.len();
        let fits = match self.task {
            Task::Regression => {
                outputs == 1 && matches!(self.link, Link::Identity | Link::Exponential | Link::Sigmoid)
            }
            Task::Classification => match self.link {
                Link::Identity | Link::Softmax => outputs == classes && classes > 1,
                Link::Sigmoid => (outputs == classes && classes > 1) || (outputs == 1 && classes == 2),
                _ => false,
            },
            Task::Isolation => outputs == 1 && self.link == Link::PathLength,
        };
        if !fits {
            let (task, link) = (self.task.name(), self.link);
            return Err(format!("{task} with {outputs} outputs, {classes} classes and the link {link:?}"));
        }
        let numbers = self.base.iter().chain([&self.factor]).chain(&self.threshold);
        if !numbers.copied().all(f64::is_finite) || self.factor <= 0.0 {
            return Err("a number of it is out of range".to_owned());
        }
        if self.sum == Precision::F32 && self.base.iter().any(|base| f64::from(*base as f32) != *base) {
            return Err("sums of 32 bits begin with a number of 64 bits".to_owned());
        }
        if self.features.is_empty() || self.features.len() > MOST_FEATURES {
            return Err(format!("it has {} features", self.features.len()));
        }
        for feature in &self.features {
            if !feature.mean.is_finite() || !feature.scale.is_normal() {
                return Err(format!("feature `{}` has a mean or a scale that is out of range", feature.name));
            }
        }
        if let Some(name) = double(self.features.iter().map(|feature| &feature.name)) {
            return Err(format!("there are two features `{name}`"));
        }
        if let Some(name) = double(self.classes.iter()) {
            return Err(format!("there are two classes `{name}`"));
        }
        Ok(())
    }
}

/// A name that occurs twice.
fn double<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut known = BTreeSet::new();
    names.into_iter().find(|name| !known.insert(*name))
}
