//! Trees as they are saved: without their boxes, which follow from the rest. What is read is checked, since a damaged state
//! must be an error, and not a tree in which a search never ends.

use super::tree::{At, Leaf, Node, Place, Tree};
use super::{ForestShape, RandomCutForest, Sample};
use crate::random::Random;

/// What is saved of a [`Tree`].
#[derive(serde::Deserialize)]
pub struct Saved {
    dimensions: usize,
    random: Random,
    root: Place,
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    points: Vec<f64>,
    free_nodes: Vec<u16>,
    free_leaves: Vec<u16>,
}

impl TryFrom<Saved> for Tree {
    type Error = &'static str;

    fn try_from(saved: Saved) -> Result<Self, Self::Error> {
        let Saved { dimensions, random, root, nodes, leaves, points, free_nodes, free_leaves } = saved;
        // There is never an inner node more than leaves.
        let fits = leaves.len().checked_mul(dimensions) == Some(points.len())
            && nodes.len() <= leaves.len()
            && leaves.len() <= Self::MOST.into();
        if !fits {
            return Err("its parts have different sizes");
        }
        if !points.iter().all(|value| value.is_finite()) {
            return Err("a point is not finite");
        }
        let mut used = used(root, &nodes, &leaves, dimensions).ok_or("its parts do not make a tree")?;
        if !used.rest_is(&free_nodes, &free_leaves) {
            return Err("its parts are neither free nor in the tree");
        }
        let boxes = vec![0.0; 2 * nodes.len() * dimensions];
        let mut tree =
            Self { dimensions, random, root, nodes, leaves, points, boxes, free_nodes, free_leaves };
        // Children come behind their parents.
        for index in used.order.into_iter().rev() {
            tree.fit(index);
            if !tree.is_cut(index) {
                return Err("a cut is not between its points");
            }
        }
        Ok(tree)
    }
}

/// The parts that are in a tree.
struct Used {
    /// The inner nodes from the root on, parents before children.
    order: Vec<usize>,
    nodes: Vec<bool>,
    leaves: Vec<bool>,
}

impl Used {
    /// Whether each part is either in the tree or once among these.
    fn rest_is(&mut self, free_nodes: &[u16], free_leaves: &[u16]) -> bool {
        for (used, free) in [(&mut self.nodes, free_nodes), (&mut self.leaves, free_leaves)] {
            for index in free {
                if used.get_mut(usize::from(*index)).is_none_or(|used| std::mem::replace(used, true)) {
                    return false;
                }
            }
        }
        self.nodes.iter().chain(&self.leaves).all(|used| *used)
    }
}

/// The parts that can be reached from the root; `None` if they do not make a tree.
fn used(root: Place, nodes: &[Node], leaves: &[Leaf], dimensions: usize) -> Option<Used> {
    let mut used =
        Used { order: Vec::new(), nodes: vec![false; nodes.len()], leaves: vec![false; leaves.len()] };
    let mut next = vec![(root, Place::NONE)];
    while let Some((place, parent)) = next.pop() {
        match place.find() {
            At::Inner(index) => {
                let node = nodes.get(index).filter(|node| usize::from(node.dimension) < dimensions)?;
                if node.parent != parent || std::mem::replace(&mut used.nodes[index], true) {
                    return None;
                }
                used.order.push(index);
                next.extend([(node.left, place), (node.right, place)]);
            }
            At::Leaf(index) => {
                let leaf = leaves.get(index)?;
                if leaf.parent != parent || std::mem::replace(&mut used.leaves[index], true) {
                    return None;
                }
            }
            At::Nowhere if parent == Place::NONE => {}
            At::Nowhere => return None,
        }
    }
    Some(used)
}

/// What is saved of a [`RandomCutForest`].
#[derive(serde::Deserialize)]
pub struct SavedForest {
    shape: ForestShape,
    seen: u64,
    trees: Vec<(Tree, Sample)>,
}

impl TryFrom<SavedForest> for RandomCutForest {
    type Error = &'static str;

    fn try_from(SavedForest { shape, seen, trees }: SavedForest) -> Result<Self, Self::Error> {
        let fits = |(tree, sample): &(Tree, Sample)| {
            tree.dimensions == shape.dimensions && sample.len() <= shape.size && is_sample_of(tree, sample)
        };
        if trees.len() != shape.trees || !trees.iter().all(fits) {
            return Err("the trees are not those of the forest");
        }
        Ok(Self { shape, seen, trees })
    }
}

/// Whether each leaf of a tree has as many points as the sample has of it.
fn is_sample_of(tree: &Tree, sample: &Sample) -> bool {
    let mut counts = vec![0_usize; tree.leaves.len()];
    for point in sample {
        let Some(count) = counts.get_mut(usize::from(point.leaf)) else { return false };
        *count += 1;
    }
    // The free leaves, whose counts are those of points that have left, are the only ones without points.
    let without = counts.iter().filter(|count| **count == 0).count();
    without == tree.free_leaves.len()
        && tree.free_leaves.iter().all(|leaf| counts[usize::from(*leaf)] == 0)
        && counts
            .iter()
            .zip(&tree.leaves)
            .all(|(count, leaf)| *count == 0 || *count == usize::from(leaf.count))
}
