use std::fs;

use super::*;

/// What Kapacitor's task store wrote: task-1 to task-5, each with two UDF nodes.
const WHOLE: &[u8] = include_bytes!("../../tests/fixtures/kapacitor.db");

fn of(bytes: &[u8]) -> Result<Vec<Stored>, DatabaseErrorKind> {
    snapshots(&Database::parse(bytes.to_vec())?)
}

/// The file with all places of `from` replaced.
fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = WHOLE.to_vec();
    for start in 0..bytes.len() - from.len() {
        if bytes[start..].starts_with(from) {
            bytes[start..start + to.len()].copy_from_slice(to);
        }
    }
    assert_ne!(bytes, WHOLE);
    bytes
}

#[test]
fn the_snapshots_of_all_udf_nodes_are_found() {
    let lengths = [10, 100, 300, 600, 3000];
    let expected: Vec<_> = (1..=5)
        .flat_map(|i| {
            let task = format!("task-{i}");
            let large = vec![b'a' + i as u8; lengths[i - 1]];
            [("ewma2", large), ("median4", task.clone().into_bytes())].map(|(node, snapshot)| Stored {
                task: task.clone(),
                node: node.into(),
                snapshot,
            })
        })
        .collect();
    assert_eq!(of(WHOLE).unwrap(), expected);
}

#[test]
fn without_a_task_store_there_are_none() {
    assert_eq!(of(&replaced(b"task_store", b"task_stora")).unwrap(), []);
}

#[test]
fn errors_name_the_file_and_the_task() {
    let path = std::env::temp_dir().join(format!("kapacitor-db-{}", std::process::id()));
    let error = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        let error = read(&path).expect_err("it is damaged").to_string();
        fs::remove_file(&path).unwrap();
        error.strip_prefix(&path.display().to_string()).expect("the path").to_owned()
    };
    assert_eq!(error(b"text"), " is not a BoltDB file");
    assert_eq!(
        error(&replaced(b"NodeSnapshots", b"NodeSnapshot_")),
        " is damaged: the snapshot of task \"task-1\" has a field that is not a known map of strings to bytes"
    );
    // The last one, so that the keys stay in order.
    assert_eq!(
        error(&replaced(b"/snapshots/data/task-5", b"/snapshots/data/task-\xff")),
        " is damaged: a task's id is not UTF-8"
    );
}

#[test]
fn a_database_in_use_is_for_kapacitor() {
    let error = DatabaseError { path: "kapacitor.db".into(), kind: BoltError::InUse.into() };
    assert_eq!(
        error.to_string(),
        "kapacitor.db is in use: stop Kapacitor first, or read a copy that `kapacitor backup` made"
    );
}

#[test]
fn a_long_id_is_not_copied_for_countless_nodes() {
    let database = Database::parse(WHOLE.to_vec()).unwrap();
    let entries = database.entries(&[BUCKET]).unwrap().unwrap();
    let (_, value) = entries.iter().find(|(key, _)| key.ends_with(b"/task-5")).unwrap();
    // The definitions of the struct and of the map; the value's type has the id of the first one.
    let (first, second) = (usize::from(value[0]) + 1, usize::from(value[usize::from(value[0]) + 1]) + 1);
    let mut nodes = vec![value[1], value[2] + 1, 1, 100];
    (0..100).for_each(|i| nodes.extend([1, i, 1, 0]));
    nodes.push(0);
    let length = u16::try_from(nodes.len()).unwrap().to_be_bytes();
    let value = [&value[..first + second], &[0xfe], &length, &nodes].concat();
    let key = [PREFIX, &[b'z'; 2000]].concat();

    // Instead of the second entry of page 9, which is task-5's and runs over four more pages.
    let mut bytes = WHOLE.to_vec();
    let element = 9 * 1024 + 16 + 16;
    let number = |at: usize| u32::from_le_bytes(WHOLE[at..at + 4].try_into().unwrap());
    let start = element + number(element + 4) as usize;
    assert!(WHOLE[start..].starts_with(b"/snapshots/data/task-5"));
    bytes[element + 8..][..4].copy_from_slice(&(key.len() as u32).to_le_bytes());
    bytes[element + 12..][..4].copy_from_slice(&(value.len() as u32).to_le_bytes());
    bytes[start..][..key.len()].copy_from_slice(&key);
    bytes[start + key.len()..][..value.len()].copy_from_slice(&value);
    let error = of(&bytes).unwrap_err();
    assert!(matches!(error, DatabaseErrorKind::TooMany), "{error}");
}

#[test]
fn damage_never_panics_and_never_makes_more_of_a_file() {
    let mut bytes = WHOLE.to_vec();
    let (mut read, mut refused) = (0, 0);
    let mut look = |bytes: &[u8]| match of(bytes) {
        Ok(stored) => {
            let total: usize = stored.iter().map(|node| node.node.len() + node.snapshot.len()).sum();
            assert!(total <= WHOLE.len());
            read += 1;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            refused += 1;
        }
    };
    for at in 0..bytes.len() {
        let whole = bytes[at];
        for changed in [whole ^ 1, whole ^ 0x80, !whole, 0, 0xff] {
            bytes[at] = changed;
            look(&bytes);
        }
        bytes[at] = whole;
    }
    for end in 0..bytes.len() {
        look(&bytes[..end]);
    }
    assert!(read > 10_000 && refused > 10_000, "{read} were read, {refused} refused");
}
