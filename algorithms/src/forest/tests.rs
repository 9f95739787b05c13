//! Models that are made here, compared with trees of boxes, and damaged ones.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;

/// A tree as one would draw it.
#[derive(Clone, Debug)]
enum Drawn {
    Leaf(Vec<f64>),
    Split { feature: usize, threshold: f64, missing_left: bool, children: Box<[Drawn; 2]> },
}

impl Drawn {
    fn leaf(&self, row: &[f64]) -> &[f64] {
        match self {
            Self::Leaf(values) => values,
            Self::Split { feature, threshold, missing_left, children } => {
                let value = row[*feature];
                let left = if value.is_nan() { *missing_left } else { value <= *threshold };
                children[usize::from(!left)].leaf(row)
            }
        }
    }

    fn write(&self, out: &mut Parts) {
        let node = |value: f64, place: usize, feature: usize, flags: u16| {
            let parts =
                [&value.to_le_bytes()[..], &(place as u32).to_le_bytes(), &(feature as u16).to_le_bytes()];
            [&parts.concat()[..], &flags.to_le_bytes()].concat()
        };
        match self {
            Self::Leaf(values) if values.len() == 1 => out.nodes.push(node(values[0], 0, 0, 1)),
            Self::Leaf(values) => {
                out.nodes.push(node(0.0, out.vectors.len(), 0, 1));
                out.vectors.push(values.clone());
            }
            Self::Split { feature, threshold, missing_left, children } => {
                let at = out.nodes.len();
                out.nodes.push(Vec::new());
                children[0].write(out);
                out.nodes[at] = node(*threshold, out.nodes.len(), *feature, u16::from(*missing_left) << 1);
                children[1].write(out);
            }
        }
    }
}

/// The arrays of a file.
#[derive(Default)]
struct Parts {
    trees: Vec<(u32, u32)>,
    nodes: Vec<Vec<u8>>,
    vectors: Vec<Vec<f64>>,
}

/// A header in JSON with parts that tests change.
fn header(more: &str) -> String {
    format!(
        r#"{{"library":"none 1.0","model":"Drawn","features":[{{"name":"a"}},{{"name":"b"}},{{"name":"c","mean":1.0,"scale":2.0}}],{more}}}"#
    )
}

/// A file with these parts and a right checksum.
fn file(header: &str, parts: &Parts) -> Vec<u8> {
    let counts = format!(
        r#","trees":{},"nodes":{},"vectors":{}}}"#,
        parts.trees.len(),
        parts.nodes.len(),
        parts.vectors.len()
    );
    let header = header.strip_suffix('}').unwrap().to_owned() + &counts;
    let mut file = b"kwforest\x01\0\0\0".to_vec();
    file.extend((header.len() as u32).to_le_bytes());
    file.extend(header.as_bytes());
    for (first, output) in &parts.trees {
        file.extend(first.to_le_bytes());
        file.extend(output.to_le_bytes());
    }
    file.extend(parts.nodes.concat());
    parts.vectors.iter().flatten().for_each(|value| file.extend(value.to_le_bytes()));
    signed(file)
}

/// The content with its checksum.
fn signed(content: Vec<u8>) -> Vec<u8> {
    let checksum = Sha256::digest(&content);
    [&content[..], &checksum].concat()
}

/// A file of trees, each of which adds to the output beside it.
fn forest(header: &str, trees: &[(Drawn, u32)]) -> Vec<u8> {
    let mut parts = Parts::default();
    for (tree, output) in trees {
        parts.trees.push((parts.nodes.len() as u32, *output));
        tree.write(&mut parts);
    }
    file(header, &parts)
}

fn split(feature: usize, threshold: f64, left: Drawn, right: Drawn) -> Drawn {
    Drawn::Split { feature, threshold, missing_left: false, children: Box::new([left, right]) }
}

fn leaf(value: f64) -> Drawn {
    Drawn::Leaf(vec![value])
}

const REGRESSION: &str =
    r#""task":"regression","input":"f64","sum":"f64","base":[10.0],"average":false,"link":"identity""#;

fn predicted(model: &Model<'_>, row: &[f64]) -> Vec<f64> {
    let (mut sums, mut prediction) = (Vec::new(), Vec::new());
    let row: Vec<f64> = row.iter().enumerate().map(|(place, value)| model.seen(place, *value)).collect();
    model.score(&row, &mut sums);
    model.finish(&sums, &mut prediction);
    prediction
}

#[test]
fn a_value_at_the_threshold_goes_left_and_scaled_features_are_scaled() {
    let tree = split(2, 0.5, leaf(1.0), leaf(2.0));
    let bytes = forest(&header(REGRESSION), &[(tree.clone(), 0), (tree, 0)]);
    let model = Model::read(&bytes).unwrap();
    // (2 - 1) / 2 is the threshold.
    assert_eq!(predicted(&model, &[0.0, 0.0, 2.0]), [12.0]);
    assert_eq!(predicted(&model, &[0.0, 0.0, 2.000_001]), [14.0]);
    assert_eq!(model.features().collect::<Vec<_>>(), [("a", false), ("b", false), ("c", true)]);
}

#[test]
fn features_are_rounded_as_the_library_rounds_them() {
    // As `f32` both are 16777216.
    let tree = split(0, 16_777_216.0, leaf(1.0), leaf(2.0));
    for (input, expected) in [("f64", 12.0), ("f32", 11.0)] {
        let header = header(&REGRESSION.replace(r#""input":"f64""#, &format!(r#""input":"{input}""#)));
        let bytes = forest(&header, &[(tree.clone(), 0)]);
        assert_eq!(predicted(&Model::read(&bytes).unwrap(), &[16_777_216.9, 0.0, 0.0]), [expected]);
    }
}

#[test]
fn sums_are_rounded_as_the_library_rounds_them() {
    let trees = [(leaf(16_777_206.0), 0), (leaf(1.0), 0), (leaf(1.0), 0)];
    for (sum, expected) in [("f64", 16_777_218.0), ("f32", 16_777_216.0)] {
        let header = header(&REGRESSION.replace(r#""sum":"f64""#, &format!(r#""sum":"{sum}""#)));
        let bytes = forest(&header, &trees);
        assert_eq!(predicted(&Model::read(&bytes).unwrap(), &[0.0; 3]), [expected]);
    }
}

#[test]
fn classes_have_probabilities_that_add_up() {
    let two = r#""task":"classification","classes":["no","yes"],"input":"f64","sum":"f64","base":[0.0],"average":false,"link":"sigmoid""#;
    let bytes = forest(&header(two), &[(leaf(3_f64.ln()), 0)]);
    let found = predicted(&Model::read(&bytes).unwrap(), &[0.0; 3]);
    assert!((found[0] - 0.25).abs() < 1e-15 && (found[1] - 0.75).abs() < 1e-15, "{found:?}");
    let three = r#""task":"classification","classes":["a","b","c"],"input":"f64","sum":"f64","base":[0.0,0.0,0.0],"average":true,"link":"identity""#;
    let trees =
        [(Drawn::Leaf(vec![0.5, 0.25, 0.25]), u32::MAX), (Drawn::Leaf(vec![0.0, 0.75, 0.25]), u32::MAX)];
    let bytes = forest(&header(three), &trees);
    assert_eq!(predicted(&Model::read(&bytes).unwrap(), &[0.0; 3]), [0.25, 0.5, 0.25]);
}

/// What is wrong with a file.
fn problem(bytes: &[u8]) -> String {
    Model::read(bytes).unwrap_err()
}

#[test]
fn damaged_files_are_refused() {
    let bytes = forest(&header(REGRESSION), &[(split(0, 0.0, leaf(1.0), leaf(2.0)), 0)]);
    assert!(Model::read(&bytes).is_ok());
    for length in 0..bytes.len() {
        assert!(Model::read(&bytes[..length]).is_err(), "{length}");
    }
    for at in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[at / 8] ^= 1 << (at % 8);
        assert!(Model::read(&bytes).is_err(), "{at}");
    }
    assert_eq!(problem(b"text"), "is no .kwf file");
    assert_eq!(problem(&[b'x'; 100]), "is no .kwf file");
    let mut newer = bytes.clone();
    newer[8] = 2;
    assert_eq!(problem(&newer), "has version 2 of the format, and version 1 is read");
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    assert_eq!(problem(&other), "is damaged: its checksum is that of other bytes");
    let content = &bytes[..bytes.len() - 32];
    assert_eq!(problem(&signed(content[..content.len() - 1].to_vec())), "is damaged: it is cut off");
    assert_eq!(problem(&signed([content, b"more"].concat())), "is damaged: 4 bytes too many are in it");
}

#[test]
fn models_that_lead_nowhere_are_refused() {
    let of = |tree: Drawn, output: u32| problem(&forest(&header(REGRESSION), &[(tree, output)]));
    assert_eq!(
        of(split(3, 0.0, leaf(1.0), leaf(2.0)), 0),
        "is damaged: tree 0 asks for a feature that does not exist"
    );
    assert_eq!(of(leaf(1.0), 1), "is damaged: tree 0 adds to an output that does not exist");
    assert_eq!(of(leaf(f64::NAN), 0), "is damaged: tree 0 has a leaf whose number is not finite");
    assert_eq!(
        of(split(0, f64::NAN, leaf(1.0), leaf(2.0)), 0),
        "is damaged: tree 0 has a node that leads nowhere"
    );
    assert_eq!(of(leaf(1.0), u32::MAX), "is damaged: tree 0 has a leaf without numbers");
    // The right child is the node itself, the left child, or behind the end.
    for place in [0_u32, 1, 3] {
        let mut parts = Parts { trees: vec![(0, 0)], ..Parts::default() };
        split(0, 0.0, leaf(1.0), leaf(2.0)).write(&mut parts);
        parts.nodes[0][8..12].copy_from_slice(&place.to_le_bytes());
        let found = problem(&file(&header(REGRESSION), &parts));
        assert_eq!(found, "is damaged: tree 0 has a node that leads nowhere");
    }
    for (trees, expected) in [
        (vec![], "is damaged: no tree begins with its first node"),
        (vec![(1, 0)], "is damaged: no tree begins with its first node"),
        (vec![(0, 0), (0, 0)], "is damaged: tree 0 has no nodes"),
        (vec![(0, 0), (9, 0)], "is damaged: tree 0 has no nodes"),
        (vec![(0, 0), (2, 0), (1, 0)], "is damaged: tree 0 has a node that leads nowhere"),
    ] {
        let mut parts = Parts { trees, ..Parts::default() };
        split(0, 0.0, leaf(1.0), leaf(2.0)).write(&mut parts);
        assert_eq!(problem(&file(&header(REGRESSION), &parts)), expected);
    }
}

#[test]
fn headers_that_make_no_sense_are_refused() {
    let of = |from: &str, to: &str| {
        let header = header(REGRESSION).replace(from, to);
        problem(&forest(&header, &[(leaf(1.0), 0)]))
    };
    assert!(
        of("identity", "arcus").starts_with("has a header that is not understood: unknown variant `arcus`")
    );
    assert!(of("\"average\"", "\"averages\"").contains("unknown field `averages`"));
    let senseless = |from: &str, to: &str, expected: &str| {
        assert_eq!(of(from, to), format!("has a header that makes no sense: {expected}"));
    };
    senseless("identity", "softmax", "regression with 1 outputs, 0 classes and the link Softmax");
    senseless("[10.0]", "[]", "regression with 0 outputs, 0 classes and the link Identity");
    senseless("\"b\"", "\"a\"", "there are two features `a`");
    senseless("\"scale\":2.0", "\"scale\":0.0", "feature `c` has a mean or a scale that is out of range");
    senseless("\"identity\"", "\"identity\",\"factor\":-1.0", "a number of it is out of range");
    let double = r#""sum":"f32","base":[0.1]"#;
    senseless(r#""sum":"f64","base":[10.0]"#, double, "sums of 32 bits begin with a number of 64 bits");
}

/// Any tree over three features, with as many numbers in a leaf as there are outputs.
fn drawn(outputs: usize) -> impl Strategy<Value = Drawn> {
    let leaf = proptest::collection::vec(-8_i32..8, outputs);
    let leaf =
        leaf.prop_map(|values| Drawn::Leaf(values.into_iter().map(|value| f64::from(value) / 3.0).collect()));
    leaf.prop_recursive(6, 64, 2, |inner| {
        (0_usize..3, -3_i32..3, any::<bool>(), inner.clone(), inner).prop_map(
            |(feature, threshold, missing_left, left, right)| Drawn::Split {
                feature,
                threshold: f64::from(threshold),
                missing_left,
                children: Box::new([left, right]),
            },
        )
    })
}

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![4 => (-4_i32..4).prop_map(f64::from), 1 => Just(f64::NAN), 1 => any::<f64>()]
}

proptest! {
    /// One row and many rows have the sums of trees of boxes, to the last bit.
    #[test]
    fn sums_are_those_of_drawn_trees(
        (outputs, trees, rows) in (1_usize..4).prop_flat_map(|outputs| (
            Just(outputs),
            proptest::collection::vec(drawn(outputs), 1..12),
            proptest::collection::vec([value(), value(), value()], 1..14),
        )),
    ) {
        let classes: Vec<String> = (0..outputs).map(|number| format!("\"{number}\"")).collect();
        let (task, classes) = if outputs > 1 { ("classification", classes.join(",")) } else { ("regression", String::new()) };
        let base = vec!["0.25"; outputs].join(",");
        let header = format!(
            r#""task":"{task}","classes":[{classes}],"input":"f64","sum":"f64","base":[{base}],"average":true,"link":"identity""#
        );
        let output = if outputs > 1 { u32::MAX } else { 0 };
        let with_output: Vec<_> = trees.iter().map(|tree| (tree.clone(), output)).collect();
        let bytes = forest(&self::header(&header), &with_output);
        let model = Model::read(&bytes).unwrap();
        let mut expected = Vec::new();
        for row in &rows {
            let mut sums = vec![0.25; outputs];
            for tree in &trees {
                sums.iter_mut().zip(tree.leaf(row)).for_each(|(sum, value)| *sum += value);
            }
            expected.extend(sums.into_iter().map(|sum| sum / trees.len() as f64));
        }
        let mut together = Vec::new();
        model.score(&rows.concat(), &mut together);
        prop_assert_eq!(&together, &expected);
        let mut alone = Vec::new();
        for (row, expected) in rows.iter().zip(expected.chunks(outputs)) {
            model.score(row, &mut alone);
            prop_assert_eq!(&alone[..], expected);
        }
    }

    /// A file with wrong bits and a right checksum is refused, or its trees end within it.
    #[test]
    fn forged_files_are_no_reason_to_panic(
        tree in drawn(1),
        flips in proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..4),
        row in [value(), value(), value()],
    ) {
        let mut bytes = forest(&header(REGRESSION), &[(tree, 0)]);
        bytes.truncate(bytes.len() - 32);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Ok(model) = Model::read(&signed(bytes)) {
            let row = &row[..model.features().len()];
            prop_assert_eq!(predicted(&model, row).len(), 1);
        }
    }
}
