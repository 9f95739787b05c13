//! What must hold for the trees of a model before they are used.

use super::model::Model;
use super::node::ALL;

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
