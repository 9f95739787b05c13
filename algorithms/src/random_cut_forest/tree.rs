//! One random cut tree.

use std::mem;

use super::cuts::{self, Cut, greatest, least};
use super::saved::Saved;
use crate::random::Random;

/// A place in the tree: an inner node, a leaf, or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Place(u16);

impl Place {
    const LEAF: u16 = 1 << 15;
    pub const NONE: Self = Self(u16::MAX);

    fn inner(index: usize) -> Self {
        Self(index as u16)
    }

    pub fn leaf(index: u16) -> Self {
        Self(index | Self::LEAF)
    }

    pub fn find(self) -> At {
        match self.0 {
            u16::MAX => At::Nowhere,
            leaf if leaf & Self::LEAF != 0 => At::Leaf((leaf & !Self::LEAF).into()),
            inner => At::Inner(inner.into()),
        }
    }
}

/// What is at a [`Place`], with its index.
pub(super) enum At {
    Inner(usize),
    Leaf(usize),
    Nowhere,
}

/// An inner node: points whose coordinate is at most `cut` are on the left.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Node {
    pub cut: f64,
    pub dimension: u16,
    /// The number of points below, duplicates included.
    pub count: u16,
    pub left: Place,
    pub right: Place,
    pub parent: Place,
}

/// A point of the tree, and the number of times that it is there.
#[derive(Clone, Copy, Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Leaf {
    pub count: u16,
    pub parent: Place,
}

/// A random cut tree: a binary tree of cuts through the bounding box of points, each at a random place.
///
/// With `size` points of `d` dimensions it takes `size * (24 d + 28)` bytes.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "Saved")]
pub struct Tree {
    pub(super) dimensions: usize,
    pub(super) random: Random,
    pub(super) root: Place,
    pub(super) nodes: Vec<Node>,
    pub(super) leaves: Vec<Leaf>,
    /// The coordinates of each leaf's point.
    pub(super) points: Vec<f64>,
    /// The least and the greatest coordinate of the points below each node, dimension by dimension. They follow from the
    /// rest, and are not saved.
    #[serde(skip_serializing)]
    pub(super) boxes: Vec<f64>,
    pub(super) free_nodes: Vec<u16>,
    pub(super) free_leaves: Vec<u16>,
}

impl Node {
    /// The child on whose side a point is, and the other one.
    #[inline]
    fn sides(&self, point: &[f64]) -> (Place, Place) {
        if point[usize::from(self.dimension)] <= self.cut {
            (self.left, self.right)
        } else {
            (self.right, self.left)
        }
    }
}

impl Tree {
    /// The largest number of points.
    pub const MOST: u16 = Place::LEAF - 1;

    /// An empty tree for points with this number of coordinates.
    pub fn new(dimensions: usize, random: Random) -> Self {
        Self {
            dimensions,
            random,
            root: Place::NONE,
            nodes: Vec::new(),
            leaves: Vec::new(),
            points: Vec::new(),
            boxes: Vec::new(),
            free_nodes: Vec::new(),
            free_leaves: Vec::new(),
        }
    }

    /// Makes room for this number of points at once.
    pub fn reserve(&mut self, size: usize) {
        self.nodes.reserve_exact(size);
        self.leaves.reserve_exact(size);
        self.points.reserve_exact(size * self.dimensions);
        self.boxes.reserve_exact(2 * size * self.dimensions);
    }

    /// The random numbers of this tree.
    pub fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(super) fn count_at(&self, place: Place) -> f64 {
        match place.find() {
            At::Inner(node) => self.nodes[node].count.into(),
            At::Leaf(leaf) => self.leaves[leaf].count.into(),
            At::Nowhere => 0.0,
        }
    }

    pub(super) fn point(&self, leaf: usize) -> &[f64] {
        &self.points[leaf * self.dimensions..(leaf + 1) * self.dimensions]
    }

    pub(super) fn bounds(&self, node: usize) -> &[f64] {
        &self.boxes[2 * node * self.dimensions..2 * (node + 1) * self.dimensions]
    }

    fn bounds_mut(&mut self, node: usize) -> &mut [f64] {
        &mut self.boxes[2 * node * self.dimensions..2 * (node + 1) * self.dimensions]
    }

    /// The least and greatest coordinate in one dimension of the points below a place.
    fn range(&self, place: Place, dimension: usize) -> (f64, f64) {
        match place.find() {
            At::Inner(node) => {
                let bounds = self.bounds(node);
                (bounds[2 * dimension], bounds[2 * dimension + 1])
            }
            At::Leaf(leaf) => {
                let value = self.point(leaf)[dimension];
                (value, value)
            }
            At::Nowhere => (f64::INFINITY, f64::NEG_INFINITY),
        }
    }

    /// The collusive displacement that a point would have if it were inserted: the expectation over the random places
    /// at which it may be.
    ///
    /// The displacement of a set of points is the number of points that move up by one if the set is removed, and the
    /// collusive displacement of a point is the largest displacement, divided by the number of points of the set, of
    /// all sets of points below a node that have the point. See definition 4 of the paper.
    pub fn displacement(&self, point: &[f64], weights: &[f64]) -> f64 {
        let mut here = self.root;
        // The probability that no cut above has separated the point, the largest displacement of the sets above, and
        // the sum of all displacements so far, each times its probability.
        let (mut remains, mut above, mut sum) = (1.0, 0.0_f64, 0.0);
        loop {
            match here.find() {
                At::Inner(index) => {
                    let node = &self.nodes[index];
                    let separates = cuts::separation(self.bounds(index), point, weights);
                    if separates > 0.0 {
                        sum += remains * separates * above.max(node.count.into());
                        remains *= 1.0 - separates;
                    }
                    let (below, beside) = node.sides(point);
                    here = below;
                    above = above.max(self.count_at(beside) / (self.count_at(below) + 1.0));
                }
                At::Leaf(index) if self.point(index) == point => return sum + remains * above,
                At::Leaf(index) => return sum + remains * above.max(self.leaves[index].count.into()),
                At::Nowhere => return 0.0,
            }
        }
    }

    /// Inserts a point; returns its leaf. The tree must have fewer than [`Tree::MOST`] points.
    pub fn insert(&mut self, point: &[f64], weights: &[f64]) -> u16 {
        if let Some(leaf) = self.find(point) {
            self.leaves[leaf].count += 1;
            self.add_above(self.leaves[leaf].parent, 1);
            return leaf as u16;
        }
        let mut here = self.root;
        loop {
            let cut = match here.find() {
                At::Inner(index) => {
                    let share = self.random.share();
                    let bounds = self.bounds(index).as_chunks::<2>().0;
                    cuts::cut(bounds.iter().copied(), point, weights, share)
                }
                At::Leaf(index) => {
                    let share = self.random.share();
                    // A box without extent.
                    let bounds = self.point(index).iter().map(|value| [*value, *value]);
                    cuts::cut(bounds, point, weights, share)
                }
                At::Nowhere => break,
            };
            let (low, high) = self.range(here, cut.dimension);
            let value = point[cut.dimension];
            if (value <= cut.at && cut.at < low) || (high <= cut.at && cut.at < value) {
                return self.split(here, &cut, point);
            }
            let At::Inner(index) = here.find() else { break };
            cuts::extend(self.bounds_mut(index), point);
            self.nodes[index].count += 1;
            here = self.nodes[index].sides(point).0;
        }
        self.root = self.new_leaf(point, Place::NONE);
        self.root.0 & !Place::LEAF
    }

    /// The leaf that has this very point.
    fn find(&self, point: &[f64]) -> Option<usize> {
        let mut here = self.root;
        loop {
            match here.find() {
                At::Inner(index) => here = self.nodes[index].sides(point).0,
                At::Leaf(index) => return (self.point(index) == point).then_some(index),
                At::Nowhere => return None,
            }
        }
    }

    /// Puts a cut above a place, with a new point on its other side; returns the leaf of the point.
    fn split(&mut self, here: Place, cut: &Cut, point: &[f64]) -> u16 {
        let count = self.count_at(here) as u16 + 1;
        let index = self.free_nodes.pop().map_or(self.nodes.len(), usize::from);
        let place = Place::inner(index);
        let leaf = self.new_leaf(point, place);
        let parent = mem::replace(self.parent_of(here), place);
        let (left, right) = if point[cut.dimension] <= cut.at { (leaf, here) } else { (here, leaf) };
        let node = Node { cut: cut.at, dimension: cut.dimension as u16, count, left, right, parent };
        if index == self.nodes.len() {
            self.nodes.push(node);
            self.boxes.resize(self.boxes.len() + 2 * self.dimensions, 0.0);
        } else {
            self.nodes[index] = node;
        }
        *self.child_of(parent, here) = place;
        self.fit(index);
        leaf.0 & !Place::LEAF
    }

    fn new_leaf(&mut self, point: &[f64], parent: Place) -> Place {
        let leaf = Leaf { count: 1, parent };
        if let Some(index) = self.free_leaves.pop() {
            let start = usize::from(index) * self.dimensions;
            self.points[start..start + self.dimensions].copy_from_slice(point);
            self.leaves[usize::from(index)] = leaf;
            return Place::leaf(index);
        }
        self.leaves.push(leaf);
        self.points.extend_from_slice(point);
        Place::leaf((self.leaves.len() - 1) as u16)
    }

    /// Where the parent of an inner node or a leaf is written.
    fn parent_of(&mut self, place: Place) -> &mut Place {
        match place.find() {
            At::Inner(node) => &mut self.nodes[node].parent,
            At::Leaf(leaf) => &mut self.leaves[leaf].parent,
            At::Nowhere => &mut self.root,
        }
    }

    /// Where a parent has this child: the root, if there is no parent.
    fn child_of(&mut self, parent: Place, child: Place) -> &mut Place {
        match parent.find() {
            At::Inner(node) if self.nodes[node].left == child => &mut self.nodes[node].left,
            At::Inner(node) => &mut self.nodes[node].right,
            _ => &mut self.root,
        }
    }

    /// Adds to the number of points of a node and of all above it.
    fn add_above(&mut self, mut node: Place, number: i16) {
        while let At::Inner(index) = node.find() {
            let node_above = &mut self.nodes[index];
            node_above.count = node_above.count.wrapping_add_signed(number);
            node = node_above.parent;
        }
    }

    /// Removes a point, or one of its duplicates.
    pub fn remove(&mut self, leaf: u16) {
        let index = usize::from(leaf);
        let parent = self.leaves[index].parent;
        if self.leaves[index].count > 1 {
            self.leaves[index].count -= 1;
            self.add_above(parent, -1);
            return;
        }
        self.free_leaves.push(leaf);
        let At::Inner(above) = parent.find() else {
            self.root = Place::NONE;
            return;
        };
        let Node { left, right, parent: grandparent, .. } = self.nodes[above];
        let sibling = if left == Place::leaf(leaf) { right } else { left };
        *self.parent_of(sibling) = grandparent;
        *self.child_of(grandparent, parent) = sibling;
        self.free_nodes.push(above as u16);
        self.add_above(grandparent, -1);
        self.shrink(grandparent, index);
    }

    /// Whether the cut of a node, whose children have boxes, is between their points, and the node has as many points as
    /// they have together.
    pub(super) fn is_cut(&self, node: usize) -> bool {
        let Node { cut, dimension, count, left, right, .. } = self.nodes[node];
        let (_, low) = self.range(left, dimension.into());
        let (high, _) = self.range(right, dimension.into());
        low <= cut && cut < high && self.count_at(left) + self.count_at(right) == f64::from(count)
    }

    /// Makes the box of a node from those of its children.
    pub(super) fn fit(&mut self, node: usize) {
        for dimension in 0..self.dimensions {
            self.fit_dimension(node, dimension);
        }
    }

    fn fit_dimension(&mut self, node: usize, dimension: usize) {
        let Node { left, right, .. } = self.nodes[node];
        let (left, right) = (self.range(left, dimension), self.range(right, dimension));
        let side = [least(left.0, right.0), greatest(left.1, right.1)];
        self.bounds_mut(node)[2 * dimension..2 * dimension + 2].copy_from_slice(&side);
    }

    /// Makes the boxes of a node and of those above it as small as they are without the point of a leaf.
    fn shrink(&mut self, mut node: Place, leaf: usize) {
        while let At::Inner(index) = node.find() {
            // A point that is on no side of a box is on no side of a box around it.
            let mut on_a_side = false;
            for dimension in 0..self.dimensions {
                let value = self.points[leaf * self.dimensions + dimension];
                let (low, high) = self.range(node, dimension);
                if value == low || value == high {
                    on_a_side = true;
                    self.fit_dimension(index, dimension);
                }
            }
            if !on_a_side {
                break;
            }
            node = self.nodes[index].parent;
        }
    }
}
