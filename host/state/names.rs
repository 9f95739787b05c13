//! The names of the files of states: readable, and different for each task, node and function.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::files::file_name;
use crate::digest::hex;
use crate::udf_node::UdfNode;

/// Extension of the file of a snapshot.
pub(super) const EXTENSION: &str = "snapshot";

/// Name of the checkpoint file of `key`: readable, and different for each key.
pub(super) fn checkpoint_name(key: &UdfNode) -> String {
    format!("{}.{EXTENSION}", checkpoint_stem(key))
}

/// Name that the checkpoint file of `key` had while the hash in it was of 32 bits, which are few enough to find another
/// task with the same name.
pub(super) fn former_checkpoint_name(key: &UdfNode) -> String {
    format!("{}.{EXTENSION}", stem(key, 4))
}

/// The name of the files of `key` without extension. Names of tasks are chosen by whoever writes TICKscripts, so that
/// the hash is one for which nobody finds two keys.
pub(super) fn checkpoint_stem(key: &UdfNode) -> String {
    stem(key, 16)
}

fn stem(key: &UdfNode, bytes: usize) -> String {
    let mut hash = Sha256::new();
    for part in [&key.task, &key.node, &key.function] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    format!("{}.{}-{}", file_name(&key.task), file_name(&key.node), hex(&hash.finalize()[..bytes]))
}

pub(super) fn snapshots_in(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    let mut paths: Vec<_> =
        paths.into_iter().filter(|path| path.extension().is_some_and(|e| e == EXTENSION)).collect();
    paths.sort();
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn key(task: &str, node: &str) -> UdfNode {
        UdfNode { task: task.into(), node: node.into(), function: "f".into() }
    }

    #[test]
    fn each_key_has_a_file_of_its_own() {
        let stems = [key("a/b", "n"), key("a_b", "n"), key("a", "b.n"), key("a.b", "n"), key("", "")]
            .map(|key| checkpoint_stem(&key));
        let distinct: HashSet<_> = stems.iter().collect();
        assert_eq!(distinct.len(), stems.len());
        assert!(stems.iter().all(|stem| !stem.contains('/')), "{stems:?}");
    }
}
