//! Where the bytes come from: files, pipes and stdin, and what is packed in them.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;

/// Largest window in bytes, as a power of two, with which a zstd file may be packed: 128 MiB, as much as `zstd -d` takes.
const MAX_WINDOW_LOG: u32 = 27;

/// How many bytes of a file have been read.
#[derive(Clone, Debug, Default)]
pub(super) struct Counter(Arc<AtomicU64>);

impl Counter {
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn count<R>(&self, reader: R) -> Counted<R> {
        Counted { reader, counter: self.clone() }
    }
}

/// A reader whose bytes are counted.
pub(super) struct Counted<R> {
    reader: R,
    counter: Counter,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.counter.0.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Something that can be read, and what is known of it.
pub(super) struct Opened {
    pub(super) file: File,
    /// Its length in bytes, if it is a regular file.
    pub(super) length: Option<u64>,
}

/// Opens a regular file or a pipe.
pub(super) fn open(path: &Path) -> Result<Opened, String> {
    let problem = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file: correct the path".to_owned(),
        io::ErrorKind::PermissionDenied => "it may not be read: ask for the permission to read it".to_owned(),
        _ => format!("it can't be opened: {error}"),
    };
    // Whether to open it at all is asked before: to open a device may do something.
    check(&path.metadata().map_err(problem)?)?;
    let file = File::open(path).map_err(problem)?;
    let metadata = file.metadata().map_err(problem)?;
    check(&metadata)?;
    let length = metadata.is_file().then_some(metadata.len());
    Ok(Opened { file, length })
}

fn check(metadata: &std::fs::Metadata) -> Result<(), String> {
    let kind = metadata.file_type();
    if kind.is_file() || kind.is_fifo() {
        return Ok(());
    }
    let what = if kind.is_dir() { "a folder" } else { "a device or a socket" };
    Err(format!("it is {what}: give a file, a pipe, or `-` for stdin"))
}

/// How a file is packed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Packing {
    None,
    Gzip,
    Zstd,
    Zip,
}

/// Number of bytes that say how a file is packed.
const MAGIC: u64 = 4;

/// Reads the bytes that say how a file is packed.
pub(super) fn read_start(reader: &mut impl Read) -> io::Result<(Packing, Vec<u8>)> {
    let mut start = Vec::new();
    reader.take(MAGIC).read_to_end(&mut start)?;
    let packing = match start[..] {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd] => Packing::Zstd,
        // An archive without entries begins with its end.
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6] => Packing::Zip,
        _ => Packing::None,
    };
    Ok((packing, start))
}

/// Unpacks as it is read.
pub(super) fn unpack<R: Read + Send + 'static>(
    packing: Packing,
    reader: R,
) -> io::Result<Box<dyn Read + Send>> {
    Ok(match packing {
        Packing::None | Packing::Zip => Box::new(reader),
        Packing::Gzip => Box::new(MultiGzDecoder::new(BufReader::with_capacity(64 * 1024, reader))),
        Packing::Zstd => {
            let mut decoder = zstd::Decoder::new(reader)?;
            decoder.window_log_max(MAX_WINDOW_LOG)?;
            Box::new(decoder)
        }
    })
}

/// What is wrong if reading fails.
pub(super) fn problem_of_reading(packing: Packing, error: &io::Error) -> String {
    match (packing, error.kind()) {
        (Packing::None, _) => format!("reading it has failed: {error}"),
        (_, io::ErrorKind::UnexpectedEof) => {
            "the compressed data ends too early: the file is not complete".to_owned()
        }
        _ => format!("the compressed data is damaged ({error}): copy the file again"),
    }
}
