//! A progress bar on a terminal, for what takes longer than a second.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use kapacitor_wasm_report::thousands;

use crate::workbench::Progress;

/// Time after which the bar appears.
const PATIENCE: Duration = Duration::from_secs(1);

/// The bar, which appears when it is needed.
pub struct Bar {
    begin: Instant,
    shown: Option<ProgressBar>,
    terminal: bool,
}

impl Bar {
    /// A bar on stderr, if that is a terminal.
    pub fn new() -> Self {
        Self { begin: Instant::now(), shown: None, terminal: std::io::stderr().is_terminal() }
    }

    /// Shows how far the replay has come.
    pub fn show(&mut self, progress: Progress) {
        if !self.terminal || self.begin.elapsed() < PATIENCE {
            return;
        }
        let bar = self.shown.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let template =
                if progress.bytes.is_some() { "{wide_bar} {percent}% {msg}" } else { "{spinner} {msg}" };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        if let Some((read, of)) = progress.bytes {
            bar.set_length(of);
            bar.set_position(read);
        }
        bar.set_message(format!("{} points", thousands(progress.points)));
        bar.tick();
    }

    /// Removes the bar.
    pub fn clear(&self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
