//! Units of systemd as they are on the disk, with their drop-ins.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::regular_file;
use crate::units::Bytes;

/// Maximum size of one file.
const MAX_SIZE: Bytes = Bytes::mib(1);

/// Folders of units.
pub struct Units<'a>(&'a [PathBuf]);

/// A unit.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its files: the unit itself, and its drop-ins.
    pub files: Vec<PathBuf>,
    /// Section, key and value of each line, in the order in which they hold.
    settings: Vec<[String; 3]>,
}

impl<'a> Units<'a> {
    /// In these folders; the first one that has a file wins.
    pub fn new(folders: &'a [PathBuf]) -> Self {
        Self(folders)
    }

    /// The unit `name`; `None` if no folder has it.
    pub fn read(&self, name: &str) -> Option<Unit> {
        let mut files = vec![self.0.iter().map(|folder| folder.join(name)).find(|file| file.is_file())?];
        let mut drop_ins: BTreeMap<OsString, PathBuf> = BTreeMap::new();
        for folder in self.0 {
            for entry in fs::read_dir(folder.join(format!("{name}.d"))).into_iter().flatten().flatten() {
                if entry.path().extension().is_some_and(|extension| extension == "conf") {
                    drop_ins.entry(entry.file_name()).or_insert(entry.path());
                }
            }
        }
        files.extend(drop_ins.into_values());
        let mut unit = Unit::default();
        for file in files {
            if let Ok(bytes) = regular_file::read(&file, MAX_SIZE) {
                unit.add(&String::from_utf8_lossy(&bytes));
            }
            unit.files.push(file);
        }
        Some(unit)
    }
}

impl Unit {
    fn add(&mut self, text: &str) {
        let mut section = String::new();
        let joined = text.replace("\\\n", " ");
        for line in joined.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut section);
            } else if !line.starts_with(['#', ';'])
                && let Some((key, value)) = line.split_once('=')
            {
                self.settings.push([section.clone(), key.trim().to_owned(), value.trim().to_owned()]);
            }
        }
    }

    /// The value of a key that has one: the last line holds.
    pub fn last(&self, section: &str, key: &str) -> Option<&str> {
        self.all(section, key).pop()
    }

    /// The values of a key that has a list: an empty line empties it.
    pub fn all(&self, section: &str, key: &str) -> Vec<&str> {
        let mut values = Vec::new();
        for [s, k, value] in &self.settings {
            if s == section && k == key {
                if value.is_empty() {
                    values.clear();
                } else {
                    values.push(value.as_str());
                }
            }
        }
        values
    }

    /// The words of a key that has a list of them.
    pub fn words(&self, section: &str, key: &str) -> Vec<&str> {
        self.all(section, key).into_iter().flat_map(str::split_whitespace).collect()
    }

    /// Whether a key says yes.
    pub fn is_on(&self, section: &str, key: &str) -> bool {
        self.last(section, key).is_some_and(|value| matches!(value, "yes" | "true" | "1" | "on"))
    }

    /// Its first file.
    pub fn path(&self) -> &Path {
        self.files.first().map_or(Path::new(""), PathBuf::as_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_ins_hold_after_the_unit_and_the_first_folder_wins() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(
            "etc/a.service",
            "[Unit]\nAfter=x y\n# no\n[Service]\nUser=one\nExecStart=/bin/a \\\n  serve\n",
        );
        write("usr/a.service", "[Service]\nUser=two\n");
        write("usr/a.service.d/10.conf", "[Service]\nUser=three\n[Unit]\nAfter=z\n");
        write("etc/a.service.d/20.conf", "[Unit]\nRequires=\n[Service]\nPrivateNetwork=no\n");
        write("etc/a.service.d/readme", "[Service]\nUser=four\n");
        let folders = ["etc", "usr"].map(|folder| root.path().join(folder));
        let units = Units::new(&folders);
        let unit = units.read("a.service").unwrap();
        assert_eq!(unit.last("Service", "User"), Some("three"));
        assert_eq!(unit.words("Unit", "After"), ["x", "y", "z"]);
        assert_eq!(unit.words("Service", "ExecStart"), ["/bin/a", "serve"]);
        assert!(!unit.is_on("Service", "PrivateNetwork"));
        assert_eq!(unit.files.len(), 3);
        assert_eq!(units.read("b.service"), None);
    }

    #[test]
    fn empty_value_empties_a_list() {
        let mut unit = Unit::default();
        unit.add("[Unit]\nAfter=a\nAfter=\nAfter=b\n");
        assert_eq!(unit.all("Unit", "After"), ["b"]);
    }
}
