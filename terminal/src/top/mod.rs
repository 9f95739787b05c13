//! The status, live.

mod app;
mod asker;
mod details;
mod draw;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;

use std::io;
use std::time::{Duration, Instant};

use kapacitor_wasm_status::{Query, Sort, Status};
use ratatui::crossterm::event;

use self::app::App;
use self::asker::Asker;
use self::terminal::Screen;

/// Interval at which answers of the host, and signals, are noticed.
const LOOK: Duration = Duration::from_millis(100);

/// Asks a host for what a query selects. What it says when it can't is shown as it is.
pub type Ask = Box<dyn FnMut(&Query) -> Result<Status, String> + Send>;

/// How the live view begins.
#[derive(Clone, Debug)]
pub struct TopOptions {
    /// By what the tasks are sorted.
    pub sort: Sort,
    /// Which tasks are shown: those that have this text in a name.
    pub filter: String,
    /// Interval at which the host is asked.
    pub every: Duration,
    /// Whether there are colours.
    pub colours: bool,
    /// The host, for the heading.
    pub host: String,
}

/// Shows the status until the user ends it, or a signal does. The terminal is as it was before then, also after a panic.
///
/// # Errors
///
/// When the terminal can't be used, or is lost.
pub fn top(options: TopOptions, ask: Ask) -> io::Result<()> {
    let mut app = App::new(&options);
    let asker = Asker::start(ask)?;
    let mut screen = Screen::open()?;
    let (mut due, mut changed) = (Instant::now(), true);
    while !app.is_done() && !screen.is_told_to_stop() {
        if let Some(answer) = asker.answer() {
            app.take(answer);
            changed = true;
        }
        let now = Instant::now();
        let wanted = app.wants_news_at_once() || (now >= due && !app.is_paused());
        if wanted && asker.ask(app.query()) {
            app.note_asked();
            due = now + options.every;
        }
        if changed {
            screen.draw(&mut app, options.colours)?;
        }
        changed = event::poll(LOOK)?;
        if changed {
            app.handle(&event::read()?);
        }
    }
    Ok(())
}
