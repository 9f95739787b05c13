//! Files with a content, and what is read from them.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kapacitor_wasm_data::input::{BadLine, Input, InputError, Options, open};
use kapacitor_wasm_data::{Batch, Point, Record, Value};
use tempfile::TempDir;
use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// A folder with one file in it.
pub struct OnDisk {
    folder: TempDir,
    name: String,
}

impl OnDisk {
    pub fn new(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(name), content).unwrap();
        Self { folder, name: name.to_owned() }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join(&self.name)
    }

    pub fn open(&self, options: &Options) -> Result<Input, InputError> {
        open(&self.path(), options)
    }

    /// A message without the folder.
    pub fn short(&self, message: &impl ToString) -> String {
        message.to_string().replace(&format!("{}/", self.folder.path().display()), "")
    }
}

/// What was read from a file.
#[derive(Debug, Default)]
pub struct Read {
    pub records: Vec<Record>,
    /// As messages.
    pub bad: Vec<String>,
    pub error: Option<String>,
}

pub fn read_with(name: &str, content: impl AsRef<[u8]>, options: &Options) -> Read {
    let file = OnDisk::new(name, content);
    let mut input = match file.open(options) {
        Ok(input) => input,
        Err(error) => return Read { error: Some(file.short(&error)), ..Read::default() },
    };
    let mut read = Read::default();
    for record in &mut input {
        match record {
            Ok(record) => read.records.push(record),
            Err(error) => read.error = Some(file.short(&error)),
        }
    }
    assert!(input.next().is_none());
    read.bad = input.bad_lines().first.iter().map(|line: &BadLine| file.short(line)).collect();
    assert!(input.bad_lines().count >= read.bad.len() as u64);
    read
}

pub fn read(name: &str, content: impl AsRef<[u8]>) -> Read {
    read_with(name, content, &Options::default())
}

impl Read {
    /// The points of a file in which all is well.
    pub fn points(self) -> Vec<Point> {
        assert_eq!((&self.bad[..], &self.error), (&[][..], &None));
        let point = |record| match record {
            Record::Point(point) => point,
            Record::Batch(batch) => panic!("{batch:?}"),
        };
        self.records.into_iter().map(point).collect()
    }

    /// The batches of a file in which all is well.
    pub fn batches(self) -> Vec<Batch> {
        assert_eq!((&self.bad[..], &self.error), (&[][..], &None));
        let batch = |record| match record {
            Record::Batch(batch) => batch,
            Record::Point(point) => panic!("{point:?}"),
        };
        self.records.into_iter().map(batch).collect()
    }

    /// The times of the points, whatever else there was.
    pub fn times(&self) -> Vec<i64> {
        let time = |record: &Record| match record {
            Record::Point(point) => point.time,
            Record::Batch(batch) => batch.tmax,
        };
        self.records.iter().map(time).collect()
    }
}

/// A point without a source.
pub fn point<const T: usize, const F: usize>(
    measurement: &str,
    tags: [(&str, &str); T],
    fields: [(&str, Value); F],
    time: i64,
) -> Point {
    let (measurement, tags) = (measurement.to_owned(), texts(tags));
    let fields = fields.map(|(key, value)| (key.to_owned(), value)).into();
    Point { source: Arc::default(), measurement, tags, fields, time }
}

pub fn texts<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

pub fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// Lines with the times 0, 1 and so on.
pub fn lines(count: u32, line: impl Fn(u32) -> String) -> String {
    (0..count).map(line).collect::<Vec<_>>().concat()
}

pub fn gzip(content: impl AsRef<[u8]>) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(content.as_ref()).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(content: impl AsRef<[u8]>) -> Vec<u8> {
    zstd::encode_all(content.as_ref(), 0).unwrap()
}

/// A zip file with these entries, named as Kapacitor names them.
pub fn zip(entries: &[&str]) -> Vec<u8> {
    zip_with(entries, CompressionMethod::DEFLATE)
}

pub fn zip_with(entries: &[&str], method: CompressionMethod) -> Vec<u8> {
    let options = SimpleFileOptions::default().compression_method(method);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in entries.iter().enumerate() {
        writer.start_file(name.to_string(), options).unwrap();
        writer.write_all(content.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn error_of_opening(path: &Path) -> String {
    match open(path, &Options::default()) {
        Ok(input) => panic!("{} was opened", input.file()),
        Err(error) => error.to_string(),
    }
}
