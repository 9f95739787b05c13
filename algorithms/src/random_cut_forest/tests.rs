use super::tree::{At, Place};
use super::*;
use proptest::prelude::*;

const EQUAL: [f64; 3] = [1.0; 3];

/// The leaves below a place, each with its depth below it and its count.
fn leaves(tree: &Tree, from: Place) -> Vec<(usize, i64, u16)> {
    match from.find() {
        At::Nowhere => Vec::new(),
        At::Leaf(leaf) => vec![(leaf, 0, tree.leaves[leaf].count)],
        At::Inner(node) => {
            let node = tree.nodes[node];
            let below = [node.left, node.right].map(|child| leaves(tree, child));
            below.concat().into_iter().map(|(leaf, depth, count)| (leaf, depth + 1, count)).collect()
        }
    }
}

/// Checks all that holds for a tree, below a place with this parent.
fn check(tree: &Tree, place: Place, parent: Place) {
    match place.find() {
        At::Nowhere => assert_eq!(parent, place),
        At::Leaf(leaf) => assert_eq!(tree.leaves[leaf].parent, parent),
        At::Inner(index) => {
            let node = tree.nodes[index];
            assert_eq!(node.parent, parent);
            let count: u16 = leaves(tree, place).iter().map(|(.., count)| count).sum();
            assert_eq!(node.count, count);
            for dimension in 0..tree.dimensions {
                let values = leaves(tree, place).into_iter().map(|(leaf, ..)| tree.point(leaf)[dimension]);
                let low = values.clone().fold(f64::INFINITY, f64::min);
                let high = values.fold(f64::NEG_INFINITY, f64::max);
                assert_eq!(tree.bounds(index)[2 * dimension..2 * dimension + 2], [low, high]);
            }
            for (child, is_left) in [(node.left, true), (node.right, false)] {
                for (leaf, ..) in leaves(tree, child) {
                    assert_eq!(tree.point(leaf)[usize::from(node.dimension)] <= node.cut, is_left);
                }
                check(tree, child, place);
            }
        }
    }
}

/// The displacement of a set of leaves by definition: how much the depths of all other points shrink without the set.
fn displacement(tree: &Tree, set: &[(usize, i64, u16)]) -> f64 {
    let mut without = tree.clone();
    for (leaf, _, count) in set {
        (0..*count).for_each(|_| without.remove(*leaf as u16));
    }
    let depths = |tree: &Tree| -> Vec<(usize, i64)> {
        let mut depths: Vec<_> = leaves(tree, tree.root)
            .into_iter()
            .filter(|(leaf, ..)| !set.iter().any(|(removed, ..)| removed == leaf))
            .map(|(leaf, depth, count)| (leaf, depth * i64::from(count)))
            .collect();
        depths.sort_unstable();
        depths
    };
    let sum = |depths: Vec<(usize, i64)>| depths.iter().map(|(_, depth)| *depth).sum::<i64>();
    (sum(depths(tree)) - sum(depths(&without))) as f64
}

/// The collusive displacement of a leaf by definition.
fn collusive(tree: &Tree, leaf: u16) -> f64 {
    let (mut place, mut most) = (Place::leaf(leaf), 0.0_f64);
    while place != tree.root {
        let set = leaves(tree, place);
        most = most.max(displacement(tree, &set) / tree.count_at(place));
        place = match place.find() {
            At::Inner(node) => tree.nodes[node].parent,
            At::Leaf(leaf) => tree.leaves[leaf].parent,
            At::Nowhere => break,
        };
    }
    most
}

fn tree_of(points: &[[f64; 3]], seed: u64) -> (Tree, Vec<u16>) {
    let mut tree = Tree::new(3, Random::new(seed));
    let leaves = points.iter().map(|point| tree.insert(point, &EQUAL)).collect();
    (tree, leaves)
}

/// Coordinates that are often the same, and far apart now and then.
fn coordinate() -> impl Strategy<Value = f64> {
    prop_oneof![4 => (0..4).prop_map(f64::from), 2 => -5.0..5.0, 1 => Just(1e15), 1 => Just(-1e300), 1 => Just(-0.0)]
}

fn points(most: usize) -> impl Strategy<Value = Vec<[f64; 3]>> {
    proptest::collection::vec([coordinate(), coordinate(), coordinate()], 1..most)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is inserted and removed, the tree is one of the points that are left.
    #[test]
    fn a_tree_has_what_was_inserted(
        points in points(40),
        removals in proptest::collection::vec(any::<proptest::sample::Index>(), 0..60),
        seed in any::<u64>(),
    ) {
        let (mut tree, mut held) = tree_of(&points[..1], seed);
        let mut next = points[1..].iter();
        for removal in removals {
            if let Some(point) = next.next() {
                held.push(tree.insert(point, &EQUAL));
                prop_assert_eq!(tree.point(usize::from(held[held.len() - 1])), &point[..]);
            }
            if held.len() > 3 || next.len() == 0 {
                if held.is_empty() {
                    break;
                }
                tree.remove(held.swap_remove(removal.index(held.len())));
            }
            check(&tree, tree.root, Place::NONE);
            prop_assert_eq!(tree.count_at(tree.root), held.len() as f64);
        }
    }

    /// The expected displacement is the mean of what the definition says of many trees with the point.
    #[test]
    fn displacement_is_as_defined(points in points(10), point in [coordinate(), coordinate(), coordinate()], seed in any::<u64>()) {
        let (tree, _) = tree_of(&points, seed);
        let expected = tree.displacement(&point, &EQUAL);
        const TREES: u64 = 2000;
        let (mut sum, mut squares) = (0.0, 0.0);
        for number in 0..TREES {
            let mut with = tree.clone();
            *with.random() = Random::part(seed, number);
            let leaf = with.insert(&point, &EQUAL);
            let value = collusive(&with, leaf);
            sum += value;
            squares += value * value;
        }
        let mean = sum / TREES as f64;
        let error = ((squares / TREES as f64 - mean * mean).max(0.0) / TREES as f64).sqrt();
        prop_assert!((mean - expected).abs() <= 6.0 * error + 0.01, "{mean} ± {error}, expected {expected}");
    }

    /// A forest that is saved and restored goes on as before.
    #[test]
    fn a_forest_survives_a_snapshot(points in points(60), history in 1..40_usize, cut in any::<proptest::sample::Index>()) {
        let shape = ForestShape { trees: 3, size: 16, history, dimensions: 3, seed: 5 };
        let mut forest = RandomCutForest::new(shape);
        points.iter().for_each(|point| _ = forest.push(point, &EQUAL));
        let saved = postcard::to_allocvec(&forest).unwrap();
        let mut restored: RandomCutForest = postcard::from_bytes(&saved).unwrap();
        for point in &points {
            prop_assert_eq!(restored.push(point, &EQUAL), forest.push(point, &EQUAL));
        }
        // Bytes that are no forest are refused, or make one in which nothing fails.
        let mut damaged = saved;
        let at = cut.index(damaged.len());
        damaged[at] ^= 4;
        if let Ok(forest) = postcard::from_bytes::<RandomCutForest>(&damaged) {
            forest.trees.iter().for_each(|(tree, _)| _ = tree.displacement(&points[0], &EQUAL));
        }
    }
}

/// A tree from which points were removed, and that was made in any order, has cuts with the same probabilities as one that
/// is made of the same points at once.
#[test]
fn trees_do_not_know_how_they_came_about() {
    const TREES: u64 = 20_000;
    for order in [[0.0, 1.0, 3.0, 9.0], [9.0, 3.0, 1.0, 0.0], [1.0, 9.0, 3.0, 0.0]] {
        let mut lonely = 0;
        for seed in 0..TREES {
            let mut tree = Tree::new(1, Random::part(3, seed));
            let leaves = order.map(|value| (value, tree.insert(&[value], &[1.0])));
            leaves.iter().filter(|(value, _)| *value == 9.0).for_each(|(_, leaf)| tree.remove(*leaf));
            let At::Inner(root) = tree.root.find() else { panic!("three points have a cut") };
            lonely += u64::from(tree.nodes[root].cut < 1.0);
        }
        // The side is 3 long, and 1 of it is between 0 and 1. Five standard deviations are 1.7 %.
        let share = lonely as f64 / TREES as f64;
        assert!((share - 1.0 / 3.0).abs() < 0.017, "{order:?}: {share}");
    }
}

/// The samples of trees are as old as `history` says.
#[test]
fn samples_fade() {
    let shape = ForestShape { trees: 40, size: 50, history: 500, dimensions: 1, seed: 2 };
    let mut forest = RandomCutForest::new(shape);
    (0..20_000).for_each(|number| _ = forest.push(&[f64::from(number)], &[1.0]));
    let ages: Vec<f64> = forest
        .trees
        .iter()
        .flat_map(|(tree, sample)| sample.iter().map(|item| 20_000.0 - tree.point(item.leaf.into())[0]))
        .collect();
    assert_eq!(ages.len(), 40 * 50);
    let mean = ages.iter().sum::<f64>() / ages.len() as f64;
    assert!((450.0..560.0).contains(&mean), "{mean}");
}

#[test]
fn a_window_has_the_newest_points() {
    let shape = ForestShape { trees: 2, size: 8, history: 8, dimensions: 1, seed: 2 };
    let mut forest = RandomCutForest::new(shape);
    (0..100).for_each(|number| _ = forest.push(&[f64::from(number)], &[1.0]));
    for (tree, sample) in &forest.trees {
        let mut values: Vec<f64> = sample.iter().map(|item| tree.point(item.leaf.into())[0]).collect();
        values.sort_unstable_by(f64::total_cmp);
        assert_eq!(values, [92.0, 93.0, 94.0, 95.0, 96.0, 97.0, 98.0, 99.0]);
    }
}

#[test]
fn the_size_is_as_stated() {
    let shape = ForestShape { trees: 1, size: 256, history: 256, dimensions: 4, seed: 2 };
    let mut forest = RandomCutForest::new(shape);
    (0..1000).for_each(|number| _ = forest.push(&[f64::from(number); 4], &[1.0; 4]));
    let (tree, sample) = &forest.trees[0];
    let bytes = size_of_val(&tree.nodes[0]) * tree.nodes.capacity()
        + size_of_val(&tree.leaves[0]) * tree.leaves.capacity()
        + size_of::<f64>() * (tree.points.capacity() + tree.boxes.capacity())
        + size_of::<Sampled>() * sample.capacity()
        + size_of::<(Tree, BinaryHeap<Sampled>)>();
    let bytes = bytes as u64;
    assert!(bytes <= shape.bytes() && shape.bytes() < bytes + 200, "{bytes}, stated {}", shape.bytes());
}
