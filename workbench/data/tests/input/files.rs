//! What can be opened, and what is said of what can't.

use std::io::Write as _;
use std::path::Path;

use kapacitor_wasm_data::input::{Options, open};

use crate::helpers::{OnDisk, error_of_opening, gzip, lines, read, zstd};

#[test]
fn only_files_and_pipes_are_opened() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of_opening(folder.path());
    assert!(error.ends_with(": it is a folder: give a file, a pipe, or `-` for stdin"), "{error}");
    let error = error_of_opening(Path::new("/dev/zero"));
    assert_eq!(error, "/dev/zero: it is a device or a socket: give a file, a pipe, or `-` for stdin");
    let error = error_of_opening(&folder.path().join("none"));
    assert!(error.ends_with("none: there is no such file: correct the path"), "{error}");
}

#[test]
fn a_pipe_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let writer = std::thread::spawn({
        let path = path.clone();
        move || std::fs::write(path, gzip("a v=1 1\na v=1 2\n")).unwrap()
    });
    let input = open(&path, &Options::default()).unwrap();
    assert_eq!(input.progress(), None);
    assert_eq!(input.map(Result::unwrap).count(), 2);
    writer.join().unwrap();
}

#[test]
fn files_without_points_say_so() {
    let error = |content: &[u8]| read("x", content).error.unwrap();
    assert_eq!(error(b""), "x: it is empty: choose a file with points");
    assert_eq!(error(b"# a\n\n# b"), "x: it has only comments and empty lines: choose a file with points");
    assert_eq!(error(&gzip("")), "x: it has only comments and empty lines: choose a file with points");
    let bad = error(b"a b=\na c=\n");
    let problem = "line protocol, 2 lines are bad, the first is line 1: the field \"b\" has no value";
    assert_eq!(bad, format!("x: nothing in it can be read as {problem}"));
}

#[test]
fn files_of_other_formats_are_refused_with_advice() {
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    for (content, problem) in [
        (utf16("\u{feff}a v=1 1\n"), "it is UTF-16: convert it to UTF-8"),
        (utf16("a v=1 1\n"), "it is UTF-16: convert it to UTF-8"),
        (
            b"\x7fELF\x02\0\0\0".to_vec(),
            "it is no text: give line protocol, a recording of Kapacitor, or CSV",
        ),
        (gzip(gzip("a v=1 1\n")), "it is compressed twice: unpack it once"),
        (zstd(gzip("a v=1 1\n")), "it is compressed twice: unpack it once"),
        (b"PAR1\x15".to_vec(), "it is a Parquet file: export it as CSV"),
        (
            b"Dear reader\n\nthis is a letter\n".to_vec(),
            "it begins with \"Dear reader\", which is of no known format: give line protocol, a recording of Kapacitor, \
             or CSV with commas and a header",
        ),
    ] {
        assert_eq!(read("x", content).error.unwrap(), format!("x: {problem}"));
    }
}

#[test]
fn incomplete_compressed_files_are_read_up_to_their_end() {
    let content = lines(100_000, |time| format!("a v={} {time}\n", f64::from(time).sqrt()));
    for packed in [gzip(&content), zstd(&content)] {
        let half = read("x", &packed[..packed.len() / 2]);
        assert!(half.records.len() > 1000);
        assert_eq!(half.error.unwrap(), "x: the compressed data ends too early: the file is not complete");
    }
    let mut damaged = gzip(&content);
    let middle = damaged.len() / 2;
    damaged[middle..middle + 100].fill(0xff);
    let damaged = read("x", damaged).error.unwrap();
    assert!(damaged.starts_with("x: the compressed data is damaged ("), "{damaged}");
}

#[test]
fn progress_is_that_of_the_file() {
    let content = lines(100_000, |time| format!("a v={} {time}\n", f64::from(time).sqrt()));
    for content in [content.clone().into_bytes(), gzip(&content), zstd(&content)] {
        let file = OnDisk::new("x", &content);
        let mut input = file.open(&Options::default()).unwrap();
        let length = content.len() as u64;
        let mut last = 0;
        while let Some(record) = input.next() {
            record.unwrap();
            let (read, of) = input.progress().unwrap();
            assert!(read >= last && read <= of && of == length);
            last = read;
        }
        assert_eq!(last, length);
    }
}

#[test]
fn a_file_that_grows_is_no_problem() {
    let file = OnDisk::new("x", "a v=1 1\n");
    let input = file.open(&Options::default()).unwrap();
    let mut writer = std::fs::OpenOptions::new().append(true).open(file.path()).unwrap();
    writer.write_all(b"a v=1 2\n").unwrap();
    assert_eq!(input.map(Result::unwrap).count(), 2);
}
