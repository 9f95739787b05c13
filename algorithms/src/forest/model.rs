//! The format of a model, and the way through its trees.
//!
//! A model is used where it lies in memory: nothing but its header is copied, so that it is no part of a snapshot.

use sha2::{Digest as _, Sha256};

use super::header::{Feature, Header, Precision, Task};
use super::node::{ALL, Node, Tree};

/// How a file begins.
const MAGIC: &[u8; 8] = b"kwforest";

/// The version of the format that is read.
const VERSION: u32 = 1;

/// Length of what comes before the header: the magic, the version, and the length of the header.
const PREFIX: usize = 16;

/// Length of the SHA-256 at the end.
const CHECKSUM: usize = 32;

/// Ways through trees that are gone side by side. Measured: with four, 100 large trees take less than half of the time
/// that they take one by one, and with eight no less.
const LANES: usize = 4;

/// A model that was checked.
#[derive(Clone)]
pub struct Model<'a> {
    pub(super) header: Header,
    trees: &'a [[u8; 8]],
    nodes: &'a [[u8; 16]],
    vectors: &'a [[u8; 8]],
    /// Whether any tree asks for each feature.
    used: Vec<bool>,
}

impl std::fmt::Debug for Model<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<'a> Model<'a> {
    /// Reads and checks a model.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as the end of a sentence that begins with the model.
    pub fn read(bytes: &'a [u8]) -> Result<Self, String> {
        let Some((prefix, rest)) = bytes.split_at_checked(PREFIX) else {
            return Err("is no .kwf file".to_owned());
        };
        let number = |at: usize| u32::from_le_bytes([0, 1, 2, 3].map(|i| prefix[at + i]));
        let (version, length) = (number(8), number(12) as usize);
        if !prefix.starts_with(MAGIC) {
            return Err("is no .kwf file".to_owned());
        }
        if version != VERSION {
            return Err(format!("has version {version} of the format, and version {VERSION} is read"));
        }
        let cut = || "is damaged: it is cut off".to_owned();
        let (rest, checksum) = rest.split_last_chunk::<CHECKSUM>().ok_or_else(cut)?;
        if Sha256::digest(&bytes[..bytes.len() - CHECKSUM])[..] != checksum[..] {
            return Err("is damaged: its checksum is that of other bytes".to_owned());
        }
        let (header, body) = rest.split_at_checked(length).ok_or_else(cut)?;
        let header: Header = serde_json::from_slice(header)
            .map_err(|e| format!("has a header that is not understood: {e}"))?;
        let (trees, body) = part::<8>(body, header.trees).ok_or_else(cut)?;
        let (nodes, body) = part::<16>(body, header.nodes).ok_or_else(cut)?;
        let numbers = header.vectors.checked_mul(header.base.len()).ok_or_else(cut)?;
        let (vectors, body) = part::<8>(body, numbers).ok_or_else(cut)?;
        if !body.is_empty() {
            return Err(format!("is damaged: {} bytes too many are in it", body.len()));
        }
        let mut model = Self { header, trees, nodes, vectors, used: Vec::new() };
        model.used = model.check()?;
        Ok(model)
    }

    /// What it predicts.
    pub fn task(&self) -> Task {
        self.header.task
    }

    /// The names of the classes, in the order of their probabilities.
    pub fn classes(&self) -> &[String] {
        &self.header.classes
    }

    /// The names of the features, and whether any tree asks for each.
    pub fn features(&self) -> impl ExactSizeIterator<Item = (&str, bool)> {
        self.header.features.iter().zip(&self.used).map(|(feature, used)| (&feature.name[..], *used))
    }

    /// What it is, for the log.
    pub fn describe(&self) -> String {
        let Header { model, library, trees, nodes, features, .. } = &self.header;
        format!("{model} of {library}: {trees} trees with {nodes} nodes, {} features", features.len())
    }

    /// The number of sums of a row.
    pub fn outputs(&self) -> usize {
        self.header.base.len()
    }

    /// The value of a field as the trees see it.
    #[inline]
    pub fn seen(&self, feature: usize, value: f64) -> f64 {
        let Feature { mean, scale, .. } = &self.header.features[feature];
        let scaled = (value - mean) / scale;
        match self.header.input {
            Precision::F32 => f64::from(scaled as f32),
            Precision::F64 => scaled,
        }
    }

    /// Adds up what the trees say of rows, in the order of the trees: libraries do it in this order, so that the sums
    /// are the same to the last bit. `rows` has a value for each feature, as [`Model::seen`] returns it, NaN for a missing
    /// one, and row behind row. `sums` becomes one number for each output, row behind row.
    ///
    /// All rows go through a tree before the next one: a tree is in the cache of the processor then.
    pub fn score(&self, rows: &[f64], sums: &mut Vec<f64>) {
        let features = self.header.features.len();
        sums.clear();
        for _ in rows.chunks_exact(features) {
            sums.extend_from_slice(&self.header.base);
        }
        if rows.len() == features {
            self.add_all_trees(rows, sums);
        } else {
            for tree in self.trees() {
                self.add_to_all_rows(tree, rows, sums);
            }
        }
        if self.header.average {
            let trees = self.trees.len() as f64;
            sums.iter_mut().for_each(|sum| *sum /= trees);
        }
    }

    /// Adds what all trees say of one row.
    fn add_all_trees(&self, row: &[f64], sums: &mut [f64]) {
        let (together, rest) = self.trees.as_chunks::<LANES>();
        for trees in together {
            let trees = trees.map(Tree::new);
            let leaves = self.leaves(trees.map(Tree::first), [row; LANES]);
            for (tree, leaf) in trees.into_iter().zip(leaves) {
                self.add(tree, leaf, sums);
            }
        }
        for tree in rest.iter().copied().map(Tree::new) {
            let [leaf] = self.leaves([tree.first()], [row]);
            self.add(tree, leaf, sums);
        }
    }

    /// Adds what one tree says of each row.
    fn add_to_all_rows(&self, tree: Tree, rows: &[f64], sums: &mut [f64]) {
        let (features, outputs) = (self.header.features.len(), self.header.base.len());
        let together = rows.chunks(LANES * features).zip(sums.chunks_mut(LANES * outputs));
        for (rows, sums) in together {
            let mut each = rows.chunks_exact(features);
            let mut sums = sums.chunks_exact_mut(outputs);
            if rows.len() == LANES * features {
                let rows = std::array::from_fn(|_| each.next().unwrap_or_default());
                let leaves = self.leaves([tree.first(); LANES], rows);
                leaves.into_iter().zip(sums).for_each(|(leaf, sums)| self.add(tree, leaf, sums));
            } else {
                for row in each {
                    let [leaf] = self.leaves([tree.first()], [row]);
                    self.add(tree, leaf, sums.next().unwrap_or_default());
                }
            }
        }
    }

    /// Adds what the leaf of a tree says.
    #[inline]
    fn add(&self, tree: Tree, leaf: Node, sums: &mut [f64]) {
        match tree.output() {
            ALL => {
                let vector = &self.vectors[leaf.place() * sums.len()..][..sums.len()];
                for (sum, value) in sums.iter_mut().zip(vector) {
                    *sum = self.rounded(*sum + f64::from_le_bytes(*value));
                }
            }
            output => {
                let sum = &mut sums[output as usize];
                *sum = self.rounded(*sum + leaf.value());
            }
        }
    }

    /// A sum as the library keeps it. The sum of two `f32`, rounded once more, is the one that `f32` arithmetic has.
    #[inline]
    fn rounded(&self, sum: f64) -> f64 {
        match self.header.sum {
            Precision::F32 => f64::from(sum as f32),
            Precision::F64 => sum,
        }
    }

    /// Goes several ways to a leaf side by side, each from a first node with a row.
    ///
    /// A step waits for the node that the step before leads to, which may not be in the cache of the processor: with several
    /// ways the waits are at the same time. Which child is next is computed rather than branched on, since half of
    /// the branches would be predicted wrong.
    #[inline]
    fn leaves<const N: usize>(&self, mut at: [usize; N], rows: [&[f64]; N]) -> [Node; N] {
        loop {
            let mut inner = false;
            for lane in 0..N {
                let node = Node::new(self.nodes[at[lane]]);
                if !node.is_leaf() {
                    let value = rows[lane][node.feature()];
                    let left = (value <= node.value()) | (value.is_nan() & node.missing_left());
                    at[lane] = if left { at[lane] + 1 } else { node.place() };
                    inner = true;
                }
            }
            if !inner {
                return at.map(|at| Node::new(self.nodes[at]));
            }
        }
    }

    /// Makes of the sums of one row the prediction: one number, or for a classification one for each class.
    pub fn finish(&self, sums: &[f64], prediction: &mut Vec<f64>) {
        self.header.link.apply(self.header.factor, sums, prediction);
        if self.task() == Task::Classification && prediction.len() == 1 {
            prediction.insert(0, 1.0 - prediction[0]);
        }
    }

    pub(super) fn trees(&self) -> impl Iterator<Item = Tree> {
        self.trees.iter().copied().map(Tree::new)
    }

    pub(super) fn nodes(&self) -> impl ExactSizeIterator<Item = Node> {
        self.nodes.iter().copied().map(Node::new)
    }

    pub(super) fn vector_numbers(&self) -> impl Iterator<Item = f64> {
        self.vectors.iter().copied().map(f64::from_le_bytes)
    }
}

/// The first `count` items of `N` bytes, and what comes behind them.
fn part<const N: usize>(bytes: &[u8], count: usize) -> Option<(&[[u8; N]], &[u8])> {
    let (items, rest) = bytes.split_at_checked(count.checked_mul(N)?)?;
    Some((items.as_chunks().0, rest))
}
