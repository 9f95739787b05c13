//! Reports the points that one task skips.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::trial::Observer;
use super::troubles::Troubles;
use crate::config::OnTrap;
use crate::digest::hex;
use crate::logging::{Labels, Tenfold, cut, log_for};
use crate::protocol::{Point, RequestMessage, frame};
use crate::state::{Record, SkippedRecords};
use crate::units::Share;

/// Time within which failures are one burst. In a burst, each error has one log line.
const BURST: Duration = Duration::from_secs(10);

/// Maximum number of log lines of a burst: errors may differ in nothing but a number.
const MAX_LINES: usize = 8;

/// Maximum length of a point in the log and in a record, in bytes.
const MAX_TEXT: usize = 2048;
const MAX_FRAME: usize = 64 * 1024;

/// Reports the points that one task skips, in the log, as records and to whoever asks.
pub struct Reporter {
    labels: Arc<Labels>,
    plugin_sha256: [u8; 32],
    records: Arc<SkippedRecords>,
    troubles: Arc<Troubles>,
    observer: Option<Arc<dyn Observer>>,
    burst: Option<Burst>,
    /// Number of failures in the burst that the log does not mention.
    unreported: u64,
    /// Says when the log mentions the unwanted points.
    unwanted_told: Tenfold,
    throttled_at: Option<Instant>,
    /// Whether the log says already that calls take too long.
    told_of_time: bool,
}

/// Failures that follow each other.
struct Burst {
    since: Instant,
    /// Hashes of the errors that the log has.
    told: Vec<u64>,
}

impl Reporter {
    /// Reports with `labels`.
    pub fn new(
        labels: Arc<Labels>,
        plugin_sha256: [u8; 32],
        records: Arc<SkippedRecords>,
        troubles: Arc<Troubles>,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        Self {
            labels,
            plugin_sha256,
            records,
            troubles,
            observer,
            burst: None,
            unreported: 0,
            unwanted_told: Tenfold::default(),
            throttled_at: None,
            told_of_time: false,
        }
    }

    /// Reports that `frame` was skipped because of `error`, and this number of points with it.
    pub fn skipped(&mut self, error: &str, frame: &[u8], points: u64, policy: OnTrap) {
        if let Some(observer) = &self.observer {
            observer.skipped(frame, error, points);
        }
        let mut point = text_of(frame);
        cut(&mut point, MAX_TEXT);
        self.troubles.note_skipped(error, points, &point);
        let record = Record {
            time: humantime::format_rfc3339_micros(SystemTime::now()).to_string(),
            function: self.labels.udf.function.clone(),
            task: self.labels.udf.task.clone(),
            node: self.labels.udf.node.clone(),
            plugin: self.labels.plugin.clone(),
            plugin_sha256: hex(&self.plugin_sha256),
            error: error.to_owned(),
            points,
            point: point.clone(),
            frame: hex(&frame[..frame.len().min(MAX_FRAME)]),
        };
        let file = self.records.write(record).display().to_string();
        // A batch is worth a line of its own.
        if points <= 1 && self.is_told(error) {
            return;
        }
        let state = if policy == OnTrap::Restart { "lost" } else { "as before" };
        let points = points.to_string();
        log_for!(
            warn,
            self.labels,
            err = error,
            point,
            points,
            state,
            file,
            "plugin failed, what it failed at is skipped"
        );
    }

    /// Reports that a call has failed because of `error`, and that each of its frames passes alone.
    pub fn passed_in_pieces(&mut self, error: &str, policy: OnTrap) {
        self.troubles.note_error(error);
        let unreported = self.unreported;
        if self.is_told(error) {
            // Nothing was skipped.
            self.unreported = unreported;
            return;
        }
        if policy == OnTrap::Restart {
            log_for!(warn, self.labels, err = error, state = "lost", "plugin failed and was started anew");
        } else {
            log_for!(info, self.labels, err = error, "plugin failed, and gets its input in smaller pieces");
        }
    }

    /// Reports once that a call with `frames` has exceeded its deadline because of `error`, and that each of them passes
    /// alone.
    pub fn takes_too_long(&mut self, error: &str, frames: &[u8]) {
        self.troubles.note_error(error);
        if std::mem::replace(&mut self.told_of_time, true) {
            return;
        }
        let (mut rest, mut points) = (frames, 0_u64);
        while let Some((kind, _, after)) = frame::first_data(rest) {
            points += u64::from(matches!(kind, frame::Kind::Point));
            rest = after;
        }
        log_for!(
            info,
            self.labels,
            err = error,
            points = points.to_string(),
            "plugin needs longer than limits.call-deadline for so many points at once: nothing is skipped, and it gets its input in smaller pieces from now on"
        );
    }

    /// Notes an error that the log tells elsewhere.
    pub fn note_error(&self, error: &str) {
        self.troubles.note_error(error);
    }

    /// Notes that the input goes on unchanged from now on, because of `error`.
    pub fn passes_through(&self, error: &str) {
        self.troubles.note_error(error);
        self.troubles.set_passes_through(true);
    }

    /// Whether the current burst has a line for `error` already, or as many as it may have.
    fn is_told(&mut self, error: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        error.hash(&mut hasher);
        let error = hasher.finish();
        match &mut self.burst {
            Some(burst) if burst.since.elapsed() < BURST => {
                if burst.told.len() == MAX_LINES || burst.told.contains(&error) {
                    self.unreported += 1;
                    return true;
                }
                burst.told.push(error);
            }
            _ => {
                self.flush();
                self.burst = Some(Burst { since: Instant::now(), told: vec![error] });
            }
        }
        false
    }

    /// Reports the failures of the last burst that the log does not mention yet.
    pub fn flush(&mut self) {
        if self.unreported > 0 {
            let more = std::mem::take(&mut self.unreported).to_string();
            log_for!(warn, self.labels, more, "plugin failed again, see `kapacitor-wasm skipped`");
        }
    }

    /// Reports that this number of points was left out so far, and that this number lost fields.
    pub fn unwanted(&mut self, dropped: u64, reduced: u64) {
        if self.unwanted_told.is_due(dropped + reduced) {
            log_for!(
                warn,
                self.labels,
                dropped = dropped.to_string(),
                reduced = reduced.to_string(),
                "plugin sends what InfluxDB can't store, left out so far: see policy.not-finite, policy.no-fields and policy.unwritable"
            );
        }
    }

    /// Reports that the next call waits for this long.
    pub fn throttled(&mut self, share: Share, wait: Duration) {
        if self.throttled_at.is_none_or(|at| at.elapsed() > 6 * BURST) {
            self.throttled_at = Some(Instant::now());
            let err = format!("uses more of a core than limits.cpu-share = {share}: its input waits");
            self.troubles.note_error(&err);
            log_for!(
                error,
                self.labels,
                wait = humantime::format_duration(Duration::from_millis(wait.as_millis() as u64)).to_string(),
                err,
                "plugin is slowed down"
            );
        }
    }
}

/// A data frame as a person reads it: a point in line protocol.
fn text_of(frame: &[u8]) -> String {
    if frame.len() > MAX_FRAME {
        // Decoded, it would take many times its size.
        return format!("{} bytes, too many to show", frame.len());
    }
    match frame::message(frame) {
        Some(RequestMessage::Point(point)) => line_of(&point),
        Some(RequestMessage::Begin(begin)) => {
            format!("begin of a batch: name={} group={} size={}", begin.name, begin.group, begin.size)
        }
        Some(RequestMessage::End(end)) => {
            format!("end of a batch: name={} group={} tmax={}", end.name, end.group, end.tmax)
        }
        _ => "no data".to_owned(),
    }
}

fn line_of(point: &Point) -> String {
    let mut line = escaped(&point.name, &[',', ' ']);
    for (key, value) in &point.tags {
        let special = [',', '=', ' '];
        let _ = write!(line, ",{}={}", escaped(key, &special), escaped(value, &special));
    }
    let doubles = point.fields_double.iter().map(|(key, value)| (key, value.to_string()));
    let ints = point.fields_int.iter().map(|(key, value)| (key, format!("{value}i")));
    let bools = point.fields_bool.iter().map(|(key, value)| (key, value.to_string()));
    let strings =
        point.fields_string.iter().map(|(key, value)| (key, format!("\"{}\"", escaped(value, &['"', '\\']))));
    let fields: Vec<String> = doubles
        .chain(ints)
        .chain(bools)
        .chain(strings)
        .map(|(key, value)| format!("{}={value}", escaped(key, &[',', '=', ' '])))
        .collect();
    let _ = write!(line, " {} {}", fields.join(","), point.time);
    line
}

/// `text` with a backslash before each of `special`.
fn escaped(text: &str, special: &[char]) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if special.contains(&c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::protocol::put_request;
    use crate::state::{Disk, MAX_RECORDS};
    use crate::udf_node::UdfNode;

    fn reporter(folder: &Path, disk: &Arc<Disk>) -> Reporter {
        let udf = UdfNode { task: "t".to_owned(), ..UdfNode::default() };
        let labels = Labels { udf, plugin: "p".to_owned() };
        Reporter::new(
            Arc::new(labels),
            [7; 32],
            Arc::new(SkippedRecords::new(folder, Arc::clone(disk))),
            Arc::default(),
            None,
        )
    }

    fn records(folder: &Path, disk: Arc<Disk>) -> Vec<Record> {
        let read = SkippedRecords::new(folder, disk).read().unwrap();
        read.into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn the_newest_records_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let disk = Arc::default();
        let mut reporter = reporter(folder.path(), &disk);
        let mut frame = Vec::new();
        let point = Point { time: 7, name: "cpu load".to_owned(), ..Point::default() };
        put_request(RequestMessage::Point(point), &mut frame);
        for i in 0..MAX_RECORDS + 3 {
            reporter.skipped(&format!("trap {i}"), &frame, 1, OnTrap::Recover);
        }
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(disk.idle());
        let records = records(folder.path(), disk);
        assert_eq!(records.len(), MAX_RECORDS);
        assert_eq!(records[0].error, "trap 3");
        let last = records.last().unwrap();
        assert_eq!((last.error.as_str(), last.point.as_str()), ("trap 66", "cpu\\ load  7"));
        assert_eq!(last.frame, hex(&frame));
    }

    #[test]
    fn each_error_of_a_burst_has_one_line_up_to_a_number() {
        let folder = tempfile::tempdir().unwrap();
        let mut reporter = reporter(folder.path(), &Arc::default());
        let told = |reporter: &mut Reporter, error: &str| !reporter.is_told(error);
        assert_eq!(
            ["a", "b", "a", "b", "c"].map(|e| told(&mut reporter, e)),
            [true, true, false, false, true]
        );
        let others = (0..100).filter(|i| told(&mut reporter, &format!("error {i}"))).count();
        assert_eq!((others, reporter.unreported), (MAX_LINES - 3, 2 + 100 - 5));
    }

    #[test]
    fn a_point_reads_as_line_protocol() {
        let mut point = Point { time: 9, name: "cpu".to_owned(), ..Point::default() };
        point.tags.insert("host".to_owned(), "a b".to_owned());
        point.fields_int.insert("n".to_owned(), 1);
        point.fields_double.insert("x".to_owned(), 0.5);
        point.fields_string.insert("s".to_owned(), "say \"hi\"".to_owned());
        assert_eq!(line_of(&point), r#"cpu,host=a\ b x=0.5,n=1i,s="say \"hi\"" 9"#);
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_records() {
        assert_eq!(SkippedRecords::new(Path::new("/nowhere/at/all"), Arc::default()).read().unwrap(), []);
    }
}
