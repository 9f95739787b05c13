//! What the live view shows, and what keys do to it.

use std::time::Instant;

use kapacitor_wasm_status::{Query, Sort, Status, Task};
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::TopOptions;
use super::asker::Answer;

/// Maximum number of tasks in the list: the first ones in its order.
const MOST: usize = 500;

/// Maximum length of the filter, in characters.
const MOST_FILTER: usize = 100;

/// Which task it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    pub task: String,
    pub node: String,
    pub function: String,
}

impl Name {
    /// The name of `task`.
    pub fn of(task: &Task) -> Self {
        Self { task: task.task.clone(), node: task.node.clone(), function: task.function.clone() }
    }
}

/// What is on the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum View {
    /// The tasks.
    List,
    /// One of them.
    Details(Name),
    /// The keys.
    Help,
}

/// Whether it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Course {
    Live,
    Paused,
    Done,
}

/// The live view.
pub struct App {
    pub host: String,
    pub view: View,
    pub sort: Sort,
    /// Whether the order is the other one.
    pub reversed: bool,
    pub filter: String,
    /// The filter that is being written.
    pub editing: Option<String>,
    /// What the host has answered last, and to which query.
    pub status: Option<(Query, Status)>,
    /// When that was.
    pub answered: Option<Instant>,
    /// Why the host could not be asked the last time.
    pub problem: Option<String>,
    /// Number of the line that is selected.
    pub selected: usize,
    /// Number of the first line that is drawn.
    pub first: usize,
    /// Number of lines that fit on the screen.
    pub page: usize,
    course: Course,
    /// Whether what is shown is no longer what is asked for.
    stale: bool,
}

impl App {
    /// As it begins.
    pub fn new(options: &TopOptions) -> Self {
        Self {
            host: options.host.clone(),
            view: View::List,
            sort: options.sort,
            reversed: false,
            filter: options.filter.clone(),
            editing: None,
            status: None,
            answered: None,
            problem: None,
            selected: 0,
            first: 0,
            page: 10,
            course: Course::Live,
            stale: true,
        }
    }

    /// Whether the user has ended it.
    pub fn is_done(&self) -> bool {
        self.course == Course::Done
    }

    /// Whether the user wants to look at what is there.
    pub fn is_paused(&self) -> bool {
        self.course == Course::Paused
    }

    /// Whether the user waits for something else than what is shown.
    pub fn wants_news_at_once(&self) -> bool {
        self.stale
    }

    /// Notes that the host was asked for what is wanted.
    pub fn note_asked(&mut self) {
        self.stale = false;
    }

    /// What to ask the host for.
    pub fn query(&self) -> Query {
        match &self.view {
            View::Details(name) => Query {
                task: name.task.clone(),
                node: name.node.clone(),
                function: name.function.clone(),
                history: true,
                ..Query::default()
            },
            View::List | View::Help => Query {
                filter: self.editing.as_ref().unwrap_or(&self.filter).trim().to_owned(),
                sort: self.sort,
                reversed: self.reversed,
                size: Some(MOST),
                ..Query::default()
            },
        }
    }

    /// Takes what the host has answered.
    pub fn take(&mut self, answer: Answer) {
        match answer.status {
            Ok(status) => {
                self.problem = None;
                self.answered = Some(Instant::now());
                // What was asked before a key is not what is wanted now.
                if answer.query == self.query() {
                    self.keep_selection(&status);
                    self.status = Some((answer.query, status));
                }
            }
            Err(problem) => self.problem = Some(problem),
        }
    }

    /// The selection stays with its task, wherever that is now.
    fn keep_selection(&mut self, next: &Status) {
        if let Some(name) =
            self.selected_task().map(Name::of).filter(|_| self.view == View::List && self.selected > 0)
            && let Some(place) = next.tasks.iter().position(|task| Name::of(task) == name)
        {
            self.selected = place;
        }
        self.selected = self.selected.min(next.tasks.len().saturating_sub(1));
    }

    /// The tasks that the host has answered.
    pub fn tasks(&self) -> &[Task] {
        self.status.as_ref().map_or(&[], |(_, status)| &status.tasks)
    }

    /// The task that is selected.
    pub fn selected_task(&self) -> Option<&Task> {
        self.tasks().get(self.selected)
    }

    /// Does what a key says.
    pub fn handle(&mut self, event: &Event) {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.press(*key),
            Event::Paste(text) if self.editing.is_some() => text.chars().for_each(|c| self.write(c)),
            _ => {}
        }
    }

    fn press(&mut self, key: KeyEvent) {
        if key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char('c' | 'd')) {
            self.course = Course::Done;
        } else if self.editing.is_some() {
            self.edit(key.code);
        } else {
            match key.code {
                KeyCode::Char('q') => self.course = Course::Done,
                KeyCode::Char('p' | ' ') => {
                    self.course = if self.is_paused() { Course::Live } else { Course::Paused };
                    self.stale |= !self.is_paused();
                }
                KeyCode::Char('?' | 'h') => self.show(View::Help),
                KeyCode::Esc | KeyCode::Backspace if self.view != View::List => self.show(View::List),
                KeyCode::Esc => self.set_filter(String::new()),
                _ if self.view == View::List => self.press_in_list(key.code),
                _ => {}
            }
        }
    }

    fn press_in_list(&mut self, key: KeyCode) {
        match key {
            KeyCode::Char('/') => self.editing = Some(self.filter.clone()),
            KeyCode::Char('c') => self.sort_by(Sort::Cpu),
            KeyCode::Char('m') => self.sort_by(Sort::Memory),
            KeyCode::Char('i') => self.sort_by(Sort::In),
            KeyCode::Char('o') => self.sort_by(Sort::Out),
            KeyCode::Char('n') => self.sort_by(Sort::Task),
            KeyCode::Char('w') => self.sort_by(Sort::Queue),
            KeyCode::Char('s') => self.sort_by(Sort::Skipped),
            KeyCode::Char('f') => self.sort_by(Sort::Failures),
            KeyCode::Char('t') => self.sort_by(Sort::State),
            KeyCode::Char('r') => {
                self.reversed = !self.reversed;
                self.renew();
            }
            KeyCode::Enter | KeyCode::Right => {
                if let Some(name) = self.selected_task().map(Name::of) {
                    self.show(View::Details(name));
                }
            }
            KeyCode::Down | KeyCode::Char('j') => self.select(self.selected.saturating_add(1)),
            KeyCode::Up | KeyCode::Char('k') => self.select(self.selected.saturating_sub(1)),
            KeyCode::PageDown => self.select(self.selected.saturating_add(self.page)),
            KeyCode::PageUp => self.select(self.selected.saturating_sub(self.page)),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(usize::MAX),
            _ => {}
        }
    }

    fn edit(&mut self, key: KeyCode) {
        match key {
            KeyCode::Enter => {
                let filter = self.editing.take().unwrap_or_default();
                self.set_filter(filter.trim().to_owned());
            }
            KeyCode::Esc => {
                self.editing = None;
                self.renew();
            }
            KeyCode::Backspace => {
                self.editing.as_mut().map(String::pop);
                self.renew();
            }
            KeyCode::Char(c) => self.write(c),
            _ => {}
        }
    }

    fn write(&mut self, c: char) {
        if let Some(text) = self.editing.as_mut().filter(|text| text.chars().count() < MOST_FILTER) {
            text.push(c);
            self.renew();
        }
    }

    fn set_filter(&mut self, filter: String) {
        self.filter = filter;
        self.renew();
    }

    fn sort_by(&mut self, sort: Sort) {
        (self.sort, self.reversed) = (sort, false);
        self.renew();
    }

    /// Something else is wanted than what is shown.
    fn renew(&mut self) {
        self.stale = true;
        self.selected = 0;
        self.first = 0;
    }

    fn show(&mut self, view: View) {
        self.view = view;
        self.stale = true;
    }

    fn select(&mut self, line: usize) {
        self.selected = line.min(self.tasks().len().saturating_sub(1));
    }
}
