//! Log lines the way Kapacitor writes them: `ts=… lvl=info msg="…" function=… task=… node=…`, or for Telegraf:
//! `I! … function=… task=… node=…`.
//!
//! Lines go to stderr, one `write` each. Kapacitor and Telegraf stop reading the stderr of a process for good at a
//! line of 64 KiB, so a line is cut well before that.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Registry, reload};

use super::text::{cut, on_one_line, put_visible};
use crate::config::LogLevel;

/// Maximum length of the value of one key in bytes, before quoting.
const MAX_VALUE: usize = 4096;

/// Maximum length of a line in bytes. Quoting can make a value six times as long.
const MAX_LINE: usize = 32 * 1024;

/// Maximum number of lines that wait for stderr. Beyond it, lines are lost rather than a session stopped, since the
/// reader of stderr may be slow, or gone.
const WAITING: usize = 10_000;

/// Name of the thread that writes the lines.
pub const THREAD: &str = "log";

/// What the lines look like.
#[derive(Clone, Copy, Debug)]
pub enum LineFormat {
    /// As the lines of Kapacitor, with their time.
    Kapacitor,
    /// As Telegraf takes the lines of a process: the level at the beginning, and no time, which Telegraf adds.
    Telegraf,
}

/// The log of the process. It writes the remaining lines when it is dropped.
#[must_use = "lines are lost when it is dropped"]
pub struct Log {
    /// The minimum level of the lines.
    pub level: LevelHandle,
    _writer: WorkerGuard,
}

/// The minimum level of the lines of a log.
#[derive(Clone)]
pub struct LevelHandle(reload::Handle<LevelFilter, Registry>);

impl LevelHandle {
    /// Changes the level.
    pub fn set(&self, level: LogLevel) {
        // An error means that another log was started before, and this one has no lines.
        let _ = self.0.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    }
}

/// Starts logging to stderr. Only the first call counts.
pub fn start(level: LogLevel, format: LineFormat) -> Log {
    let (writer, guard) = tracing_appender::non_blocking::NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(WAITING)
        .thread_name(THREAD)
        .finish(std::io::stderr());
    let (level, handle) = reload::Layer::new(filter(level));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).event_format(Lines(format));
    let subscriber = tracing_subscriber::registry().with(level).with(lines);
    // An error means that logging was started before, which is just as good.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Log { level: LevelHandle(handle), _writer: guard }
}

struct Lines(LineFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        // Dependencies may log; their lines are of use only to a developer.
        if !event.metadata().target().starts_with("kapacitor_wasm") {
            return Ok(());
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        writeln!(writer, "{}", self.0.line(*event.metadata().level(), fields))
    }
}

impl LineFormat {
    /// A line without its line break.
    fn line(self, level: Level, fields: Fields) -> String {
        let Fields { mut message, others } = fields;
        let (name, prefix) = match level {
            Level::ERROR => ("error", "E!"),
            Level::WARN => ("warn", "W!"),
            Level::INFO => ("info", "I!"),
            _ => ("debug", "D!"),
        };
        let mut line = match self {
            Self::Kapacitor => {
                let now = humantime::format_rfc3339_millis(std::time::SystemTime::now());
                let mut line = format!("ts={now} lvl={name}");
                put("msg", &message, &mut line);
                line
            }
            Self::Telegraf => {
                cut(&mut message, MAX_VALUE);
                format!("{prefix} {}", on_one_line(&message))
            }
        };
        for (key, value) in &others {
            put(key, value, &mut line);
        }
        cut(&mut line, MAX_LINE);
        line
    }
}

/// The values of a line.
#[derive(Default)]
pub(super) struct Fields {
    pub(super) message: String,
    pub(super) others: Vec<(&'static str, String)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            value.clone_into(&mut self.message);
        } else if !value.is_empty() {
            self.others.push((field.name(), value.to_owned()));
        }
    }
}

/// Appends ` key=value`. Anything that could be taken for more than text is quoted and escaped, so
/// that no value can end its line, forge a key or reach a terminal as a control sequence.
pub fn put(key: &str, value: &str, line: &mut String) {
    let mut value = value.to_owned();
    cut(&mut value, MAX_VALUE);
    line.push(' ');
    line.push_str(key);
    line.push('=');
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '=' | '\\');
    if !value.is_empty() && value.chars().all(plain) {
        line.push_str(&value);
        return;
    }
    line.push('"');
    for c in value.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            '\t' => line.push_str("\\t"),
            c => put_visible(c, line),
        }
    }
    line.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(value: &str) -> String {
        let mut line = String::new();
        put("text", value, &mut line);
        line
    }

    #[test]
    fn values_are_quoted_when_they_must_be() {
        assert_eq!(line("cpu"), " text=cpu");
        assert_eq!(line(""), " text=\"\"");
        assert_eq!(line("a b"), " text=\"a b\"");
        assert_eq!(line("say \"hi\""), " text=\"say \\\"hi\\\"\"");
    }

    #[test]
    fn guest_text_cannot_leave_its_value() {
        assert_eq!(line("x\nlvl=error msg=forged"), " text=\"x\\nlvl=error msg=forged\"");
        assert_eq!(line("\u{1b}[2J\r\0"), " text=\"\\u001b[2J\\u000d\\u0000\"");
        assert_eq!(line("\u{202e}txt"), " text=\"\\u202etxt\"");
    }

    #[test]
    fn lines_for_telegraf_begin_with_their_level_and_have_no_time() {
        let line = |level, message: &str| {
            let others = vec![("task", "cpu mean".to_owned())];
            LineFormat::Telegraf.line(level, Fields { message: message.to_owned(), others })
        };
        assert_eq!(line(Level::WARN, "careful"), "W! careful task=\"cpu mean\"");
        assert_eq!(line(Level::TRACE, "a\nE! b"), "D! a\\u000aE! b task=\"cpu mean\"");
        assert!(line(Level::ERROR, &"x".repeat(1 << 20)).len() < MAX_LINE);
    }

    #[test]
    fn long_values_are_cut() {
        let line = line(&"é".repeat(MAX_VALUE));
        assert!(line.len() < MAX_VALUE + 100, "{}", line.len());
        assert!(line.contains("4096 bytes cut"), "{line}");
    }
}
