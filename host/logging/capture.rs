//! Log lines for a program that shows them in its own way.

use std::sync::Arc;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::logfmt::Fields;
use crate::config::LogLevel;

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its level.
    pub level: LogLevel,
    /// What has happened.
    pub message: String,
    /// Its other values by key; none is empty.
    pub fields: Vec<(&'static str, String)>,
}

impl Line {
    /// The value of `key`; empty if the line does not have it.
    pub fn field(&self, key: &str) -> &str {
        self.fields.iter().find(|(name, _)| *name == key).map_or("", |(_, value)| value)
    }
}

/// Gets the lines of the log.
pub type LineSink = Arc<dyn Fn(Line) + Send + Sync>;

/// Has `sink` get all lines of the process from now on, instead of stderr. Only the first call counts.
pub fn capture(sink: LineSink) {
    let subscriber = tracing_subscriber::registry().with(Capture(sink));
    // An error means that logging was started before, and the lines are on stderr.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

struct Capture(LineSink);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Dependencies may log; their lines are of use only to a developer.
        if !event.metadata().target().starts_with("kapacitor_wasm") {
            return;
        }
        let level = match *event.metadata().level() {
            Level::ERROR => LogLevel::Error,
            Level::WARN => LogLevel::Warn,
            Level::INFO => LogLevel::Info,
            _ => LogLevel::Debug,
        };
        let mut fields = Fields::default();
        event.record(&mut fields);
        (self.0)(Line { level, message: fields.message, fields: fields.others });
    }
}
