//! The styles of the live view.

use kapacitor_wasm_status::TaskState;
use ratatui::style::{Color, Modifier, Style};

/// The styles, with colours or without.
#[derive(Clone, Copy)]
pub struct Theme {
    colours: bool,
}

impl Theme {
    /// With colours, or without.
    pub fn new(colours: bool) -> Self {
        Self { colours }
    }

    fn coloured(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// What is wrong.
    pub fn bad(self) -> Style {
        self.coloured(Color::Red).add_modifier(Modifier::BOLD)
    }

    /// What needs a look.
    pub fn doubtful(self) -> Style {
        self.coloured(Color::Yellow)
    }

    /// What matters less.
    pub fn faint() -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Headings.
    pub fn heading() -> Style {
        Style::new().add_modifier(Modifier::BOLD)
    }

    /// The style of what a task does.
    pub fn state(self, state: TaskState) -> Style {
        match state {
            TaskState::PassesThrough => self.bad(),
            TaskState::WaitsForPlugin | TaskState::WaitsForKapacitor => self.doubtful(),
            TaskState::Runs => Style::new(),
            TaskState::Ended => Self::faint(),
        }
    }
}
