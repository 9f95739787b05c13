//! Trees as they are saved: without their boxes, which follow from the rest.

use super::tree::{At, Leaf, Node, Place, Tree};
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
        let order = order(root, &nodes, leaves.len(), dimensions).ok_or("its parts do not make a tree")?;
        if points.len() != leaves.len() * dimensions
            || order.len() + free_nodes.len() != nodes.len()
            || leaves.len() - free_leaves.len().min(leaves.len()) != leaves_of(root, order.len())
        {
            return Err("its parts have different sizes");
        }
        let boxes = vec![0.0; 2 * nodes.len() * dimensions];
        let mut tree =
            Self { dimensions, random, root, nodes, leaves, points, boxes, free_nodes, free_leaves };
        // Children come behind their parents.
        for index in order.into_iter().rev() {
            tree.fit(index);
        }
        Ok(tree)
    }
}

/// The number of leaves of a tree with this number of inner nodes.
fn leaves_of(root: Place, nodes: usize) -> usize {
    if matches!(root.find(), At::Nowhere) { 0 } else { nodes + 1 }
}

/// The inner nodes from the root on, parents before children; `None` if they do not make a tree.
fn order(root: Place, nodes: &[Node], leaves: usize, dimensions: usize) -> Option<Vec<usize>> {
    let mut seen = vec![false; nodes.len()];
    let (mut order, mut next) = (Vec::with_capacity(nodes.len()), vec![root]);
    while let Some(place) = next.pop() {
        match place.find() {
            At::Inner(index) => {
                let node = nodes.get(index).filter(|node| usize::from(node.dimension) < dimensions)?;
                if std::mem::replace(&mut seen[index], true) {
                    return None;
                }
                order.push(index);
                next.extend([node.left, node.right]);
            }
            At::Leaf(index) if index < leaves => {}
            At::Nowhere if order.is_empty() => {}
            _ => return None,
        }
    }
    Some(order)
}
