//! The terminal while the live view has it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ratatui::DefaultTerminal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use super::app::App;
use super::draw::draw;

/// The terminal; as it was before once this is dropped. A panic gives it back, too, before its text is printed.
pub struct Screen {
    terminal: DefaultTerminal,
    told_to_stop: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    ///
    /// When it does not obey.
    pub fn open() -> io::Result<Self> {
        let told_to_stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&told_to_stop))?;
        }
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
        Ok(Self { terminal, told_to_stop })
    }

    /// Whether a signal has come.
    pub fn is_told_to_stop(&self) -> bool {
        self.told_to_stop.load(Relaxed)
    }

    /// Draws what `app` shows.
    ///
    /// # Errors
    ///
    /// When the terminal is lost.
    pub fn draw(&mut self, app: &mut App, colours: bool) -> io::Result<()> {
        self.terminal.draw(|frame| draw(app, colours, frame)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}
