//! What must hold for a model before it is used.

use std::collections::BTreeSet;

use super::link::Link;
use super::model::{ALL, Header, Model, Precision, Task};

/// The most features: a node has 16 bits for one.
const MOST_FEATURES: usize = 1 << 16;

impl Model<'_> {
    /// Checks everything that the way through the trees relies on: children come behind their parents, so that it ends,
    /// and all places are within the model. Returns which features are used.
    pub(super) fn check(&self) -> Result<Vec<bool>, String> {
        self.header.check().map_err(|e| format!("has a header that makes no sense: {e}"))?;
        let mut used = vec![false; self.header.features.len()];
        let mut trees = self.trees().peekable();
        if trees.peek().is_none_or(|tree| tree.first() != 0) {
            return Err("is damaged: no tree begins with its first node".to_owned());
        }
        let mut nodes = self.nodes().enumerate();
        let mut number = 0;
        while let Some(tree) = trees.next() {
            let end = trees.peek().map_or(self.header.nodes, |next| next.first());
            let wrong = |what: &str| format!("is damaged: tree {number} {what}");
            if end <= tree.first() || end > self.header.nodes {
                return Err(wrong("has no nodes"));
            }
            if tree.output() != ALL && tree.output() as usize >= self.outputs() {
                return Err(wrong("adds to an output that does not exist"));
            }
            for (at, node) in nodes.by_ref().take(end - tree.first()) {
                let (is_right, what) = if node.has_unknown_flags() {
                    (false, "has a node with unknown flags")
                } else if !node.is_leaf() {
                    used.get_mut(node.feature()).map_or(
                        (false, "asks for a feature that does not exist"),
                        |used| {
                            *used = true;
                            // The left child is the next node, so the right one is at least two ahead.
                            let inside = node.place() > at + 1 && node.place() < end;
                            (inside && !node.value().is_nan(), "has a node that leads nowhere")
                        },
                    )
                } else if tree.output() == ALL {
                    (node.place() < self.header.vectors, "has a leaf without numbers")
                } else {
                    (node.value().is_finite(), "has a leaf whose number is not finite")
                };
                if !is_right {
                    return Err(wrong(what));
                }
            }
            number += 1;
        }
        if !self.vector_numbers().all(f64::is_finite) {
            return Err("is damaged: a number of a leaf is not finite".to_owned());
        }
        Ok(used)
    }
}

impl Header {
    /// Checks that the parts of the header fit each other.
    fn check(&self) -> Result<(), String> {
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
