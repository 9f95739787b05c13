//! The zip file of a batch recording: an entry for each query of the task, named `0`, `1` and so on.
//!
//! Source: `batchArchive` in `services/replay/service.go` of Kapacitor 1.5.9.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufReader, Error, ErrorKind, Read, Seek, SeekFrom};

use flate2::CrcReader;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::source::Counter;

/// Maximum number of bytes that are read to learn which entries there are. It bounds the memory that this takes.
const MAX_DIRECTORY: u64 = 8 * 1024 * 1024;

/// The entries that have not been read yet, in the order of the archive.
pub(super) struct Archive {
    file: File,
    entries: VecDeque<Entry>,
    read: Counter,
}

struct Entry {
    name: String,
    start: u64,
    /// In bytes, as it is packed.
    length: u64,
    is_deflated: bool,
    crc: u32,
}

impl Archive {
    /// Learns which entries there are. `read` counts the bytes that are read of them.
    pub(super) fn open(file: File, read: Counter) -> Result<Self, String> {
        let problem = |error: &dyn std::fmt::Display| {
            format!("the list of its entries can't be read ({error}): copy the file again")
        };
        let bounded = Bounded { file: &file, left: MAX_DIRECTORY };
        let mut archive = ZipArchive::new(bounded).map_err(|error| problem(&error))?;
        let mut entries = VecDeque::new();
        for index in 0..archive.len() {
            let entry = archive.by_index_raw(index).map_err(|error| problem(&error))?;
            let name = entry.name().map_err(|error| problem(&error))?.into_owned();
            if entry.encrypted() {
                return Err(format!(
                    "its entry {name:?} is encrypted: give the recording as Kapacitor wrote it"
                ));
            }
            let is_deflated = match entry.compression() {
                CompressionMethod::STORE => false,
                CompressionMethod::DEFLATE => true,
                other => {
                    let advice = "give the recording as Kapacitor wrote it";
                    return Err(format!("its entry {name:?} is compressed with {other:?}: {advice}"));
                }
            };
            let Some(start) = entry.data_start() else {
                return Err(problem(&format_args!("the entry {name:?} begins nowhere")));
            };
            entries.push_back(Entry {
                name,
                start,
                length: entry.compressed_size(),
                is_deflated,
                crc: entry.crc32(),
            });
        }
        drop(archive);
        Ok(Self { file, entries, read })
    }

    /// Refuses to read an archive from a pipe: what is in it is said at its end.
    pub(super) fn of_pipe<R>(_: R, _: Counter) -> Result<Self, String> {
        Err("it is a zip file, which can't be read from a pipe: give its path".to_owned())
    }

    /// The name of the next entry, and its content.
    pub(super) fn next(&mut self) -> io::Result<Option<(String, Box<dyn Read + Send>)>> {
        let Some(Entry { name, start, length, is_deflated, crc }) = self.entries.pop_front() else {
            return Ok(None);
        };
        // It shares its position with `self.file`, of which only one entry is read at a time.
        let mut file = self.file.try_clone()?;
        file.seek(SeekFrom::Start(start))?;
        let packed = BufReader::with_capacity(64 * 1024, self.read.count(file.take(length)));
        let content: Box<dyn Read + Send> =
            if is_deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };
        Ok(Some((name, Box::new(Checked { content: CrcReader::new(content), crc }))))
    }
}

/// A file of which only so many bytes can be read.
struct Bounded<'a> {
    file: &'a File,
    left: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, "it has too many entries"))?;
        Ok(read)
    }
}

impl Seek for Bounded<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The content of an entry, whose checksum is checked at its end.
struct Checked {
    content: CrcReader<Box<dyn Read + Send>>,
    crc: u32,
}

impl Read for Checked {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.content.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.content.crc().sum() != self.crc {
            return Err(Error::new(ErrorKind::InvalidData, "the checksum of an entry is wrong"));
        }
        Ok(read)
    }
}
