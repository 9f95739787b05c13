//! Writes what was tapped as line protocol.

use std::sync::PoisonError;

use kapacitor_wasm_data::{Point, line_protocol};
use prost::Message as _;

use super::comment::{self, Comment};
use crate::logging::on_one_line;
use crate::protocol::{self, BeginBatch, EndBatch, wire::Fields};
use crate::tap::{DataFrames, DataKind, Direction, Piece, Source, TapSpec, What};
use crate::units::Bytes;

/// Tag that says which way a point goes, where both are shown.
const TAG: &str = "tap";

/// Size of text in bytes at which a [`Writer`] stops, although more of a piece is there. A point may become many times as
/// long as it was: each point of a batch gets the batch's name.
pub const CHUNK: usize = 64 * 1024;

/// The longest point that is written, in bytes of its message.
pub const MOST_POINT: usize = 1024 * 1024;

/// Writes the pieces of one tap.
pub struct Writer {
    /// Whether each point has the [`TAG`].
    tagged: bool,
    /// Maximum number of points of each direction.
    most: u64,
    /// The comment that was written last before a point, of each direction.
    contexts: [String; 2],
    /// Number of points of each direction that were written, and that can't be: they are too long, or line protocol
    /// can't express them.
    written: [u64; 2],
    unwritable: [u64; 2],
}

impl Writer {
    /// For a tap of `spec`.
    pub fn new(spec: &TapSpec) -> Self {
        Self {
            tagged: spec.input && spec.output,
            most: spec.most,
            contexts: Default::default(),
            written: [0; 2],
            unwritable: [0; 2],
        }
    }

    /// Number of points of a direction that were written, and that can't be.
    pub fn points(&self, direction: Direction) -> (u64, u64) {
        (self.written[direction as usize], self.unwritable[direction as usize])
    }

    /// Appends `piece` to `out`, beginning at the byte `from` of its frames, until there is a [`CHUNK`]. Returns where
    /// it goes on, or `None` if all was written.
    pub fn write(&mut self, piece: &Piece, from: usize, out: &mut Vec<u8>) -> Option<usize> {
        let source = &piece.source;
        match &piece.what {
            What::Note(text) => {
                let line = Comment::new(&on_one_line(text)).of(source).line();
                out.extend_from_slice(line.as_bytes());
            }
            What::Frames { direction, left_out, frames } => {
                if *left_out > 0 && from == 0 {
                    let words = format!("{} left out here, read too slowly", direction.name());
                    let line = Comment::new(&words).of(source).with("points", &left_out.to_string()).line();
                    out.extend_from_slice(line.as_bytes());
                }
                let mut rest = DataFrames::of(frames.get(from..).unwrap_or_default());
                while let Some((kind, _, message)) = rest.next() {
                    self.write_data(source, *direction, kind, message, out);
                    if out.len() >= CHUNK && rest.remaining() > 0 {
                        return Some(frames.len() - rest.remaining());
                    }
                }
            }
        }
        None
    }

    fn write_data(
        &mut self,
        source: &Source,
        direction: Direction,
        kind: DataKind,
        message: &[u8],
        out: &mut Vec<u8>,
    ) {
        let mut names = source.batch_names.lock().unwrap_or_else(PoisonError::into_inner);
        let batch = &mut names[direction as usize];
        let data = data_of(message);
        let line = match kind {
            DataKind::Begin => {
                let begin = data.and_then(|data| BeginBatch::decode(data).ok()).unwrap_or_default();
                let line = comment::begin(source, direction, &begin);
                *batch = Some(begin.name);
                line
            }
            DataKind::End => {
                let end = data.and_then(|data| EndBatch::decode(data).ok()).unwrap_or_default();
                *batch = None;
                comment::end(source, direction, &end)
            }
            DataKind::Point => {
                let point = match data {
                    Some(data) if data.len() > MOST_POINT => {
                        Err(format!("it is longer than {}", Bytes(MOST_POINT as u64)))
                    }
                    data => data
                        .and_then(|data| protocol::Point::decode(data).ok())
                        .ok_or_else(|| "it can't be decoded".to_owned()),
                };
                return self.write_point(source, direction, batch.as_deref(), point, out);
            }
        };
        self.contexts[direction as usize].clear();
        out.extend_from_slice(line.as_bytes());
    }

    /// Writes a point: of the batch of this name, if it is of one.
    fn write_point(
        &mut self,
        source: &Source,
        direction: Direction,
        batch: Option<&str>,
        point: Result<protocol::Point, String>,
        out: &mut Vec<u8>,
    ) {
        // Several sessions may have taken as many each.
        if self.written[direction as usize] + self.unwritable[direction as usize] >= self.most {
            return;
        }
        let written = point.and_then(|point| {
            if batch.is_none() {
                let context = comment::point(source, direction, &point);
                let last = &mut self.contexts[direction as usize];
                if context != *last {
                    out.extend_from_slice(context.as_bytes());
                    *last = context;
                }
            }
            let mut point = Point::from(point);
            if let Some(name) = batch {
                name.clone_into(&mut point.measurement);
            }
            if self.tagged {
                point.tags.insert(TAG.to_owned(), direction.name().to_owned());
            }
            line_protocol::write(&point, out).map_err(|problem| problem.to_string())
        });
        match written {
            Ok(()) => self.written[direction as usize] += 1,
            Err(problem) => {
                self.unwritable[direction as usize] += 1;
                let words = format!("{} left out here, not shown", direction.name());
                let line = Comment::new(&words).of(source).with("because", &problem).line();
                out.extend_from_slice(line.as_bytes());
            }
        }
    }
}

/// The encoded Begin, Point or End of a message.
fn data_of(message: &[u8]) -> Option<&[u8]> {
    use crate::protocol::field::request::{BEGIN, END, POINT};

    let mut fields = Fields::new(message);
    while let Ok(Some(field)) = fields.next() {
        if [BEGIN, POINT, END].contains(&field.number) {
            return Some(field.value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::protocol::{RequestMessage, ResponseMessage, put_request, put_response};
    use crate::udf_node::UdfNode;

    fn spec(input: bool, output: bool) -> TapSpec {
        TapSpec { name: "cpu".into(), input, output, every: 1, most: 3 }
    }

    fn piece(direction: Direction, frames: Vec<u8>) -> Piece {
        let udf = UdfNode { function: "mean".into(), task: "cpu".into(), node: "mean2".into() };
        let source = Arc::new(Source { udf, session: 1, ..Source::default() });
        Piece { source, what: What::Frames { direction, left_out: 0, frames } }
    }

    fn point(name: &str, value: f64, time: i64) -> protocol::Point {
        protocol::Point {
            name: name.into(),
            time,
            fields_double: [("value".to_owned(), value)].into(),
            ..protocol::Point::default()
        }
    }

    fn written(writer: &mut Writer, piece: &Piece) -> String {
        let mut out = Vec::new();
        assert_eq!(writer.write(piece, 0, &mut out), None);
        String::from_utf8(out).unwrap()
    }

    const OF: &str = "function=mean task=cpu node=mean2 session=1";

    #[test]
    fn points_have_their_direction_where_both_are_shown() {
        let (mut input, mut output) = (Vec::new(), Vec::new());
        put_request(RequestMessage::Point(point("cpu", 1.5, 7)), &mut input);
        put_request(RequestMessage::Point(point("cpu", 2.5, 8)), &mut input);
        put_response(ResponseMessage::Point(point("cpu", 3.5, 7)), &mut output);
        let mut both = Writer::new(&spec(true, true));
        let shown = written(&mut both, &piece(Direction::In, input.clone()));
        assert_eq!(shown, format!("# in {OF}\ncpu,tap=in value=1.5 7\ncpu,tap=in value=2.5 8\n"));
        let shown = written(&mut both, &piece(Direction::Out, output));
        assert_eq!(shown, format!("# out {OF}\ncpu,tap=out value=3.5 7\n"));
        let shown = written(&mut Writer::new(&spec(true, false)), &piece(Direction::In, input));
        assert_eq!(shown, format!("# in {OF}\ncpu value=1.5 7\ncpu value=2.5 8\n"));
    }

    #[test]
    fn points_of_a_batch_have_its_name_and_borders() {
        let mut frames = Vec::new();
        let begin = BeginBatch {
            name: "cpu".into(),
            group: "host=a".into(),
            size: 1,
            tags: [("host".to_owned(), "a".to_owned())].into(),
            ..BeginBatch::default()
        };
        put_request(RequestMessage::Begin(begin), &mut frames);
        put_request(RequestMessage::Point(point("", 1.5, 7)), &mut frames);
        let end = EndBatch { name: "cpu".into(), group: "host=a".into(), tmax: 9, ..EndBatch::default() };
        put_request(RequestMessage::End(end), &mut frames);
        let shown = written(&mut Writer::new(&spec(true, false)), &piece(Direction::In, frames));
        let expected = format!(
            "# in begin {OF} name=cpu group=\"host=a\" tags=\"host=a\" size=1\ncpu value=1.5 7\n\
             # in end {OF} name=cpu group=\"host=a\" tmax=9\n"
        );
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_is_no_line_protocol_is_left_out_and_counted() {
        let mut frames = Vec::new();
        put_request(RequestMessage::Point(point("cpu", f64::NAN, 7)), &mut frames);
        put_request(RequestMessage::Point(point("a\nforged v=1 1", 1.0, 7)), &mut frames);
        put_request(RequestMessage::Point(point("cpu", 1.0, 9)), &mut frames);
        // As many as were asked for.
        put_request(RequestMessage::Point(point("cpu", 2.0, 10)), &mut frames);
        let mut writer = Writer::new(&spec(true, false));
        let shown = written(&mut writer, &piece(Direction::In, frames));
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 4, "{shown}");
        let left_out =
            format!("# in left out here, not shown {OF} because=\"NaN in the field \\\"value\\\"\"");
        assert_eq!(lines[1], left_out);
        assert!(lines[2].starts_with("# in left out here, not shown"), "{shown}");
        assert_eq!(lines[3], "cpu value=1.0 9");
        assert_eq!(writer.points(Direction::In), (1, 2));
    }

    #[test]
    fn long_text_comes_in_chunks() {
        let mut frames = Vec::new();
        let name = "n".repeat(60_000);
        put_request(RequestMessage::Begin(BeginBatch { name, ..BeginBatch::default() }), &mut frames);
        for time in 0..10 {
            put_request(RequestMessage::Point(point("", 1.5, time)), &mut frames);
        }
        put_request(RequestMessage::Point(point(&"a".repeat(MOST_POINT), 1.5, 7)), &mut frames);
        let piece = piece(Direction::In, frames);
        let mut writer = Writer::new(&TapSpec { most: 100, ..spec(true, false) });
        let (mut all, mut from) = (String::new(), Some(0));
        while let Some(at) = from {
            let mut out = Vec::new();
            from = writer.write(&piece, at, &mut out);
            assert!(out.len() < CHUNK + 2 * 60_000, "{}", out.len());
            all += &String::from_utf8(out).unwrap();
        }
        assert_eq!(all.lines().filter(|line| line.starts_with("nnn")).count(), 10);
        let last = all.lines().last().unwrap();
        assert!(last.starts_with("# in left out here, not shown"), "{last}");
        assert!(last.ends_with("because=\"it is longer than 1MiB\""), "{last}");
    }
}
