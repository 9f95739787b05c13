//! What is on the screen after which keys.

use kapacitor_wasm_status::{History, Host, LastError, Query, Rates, Sort, Status, Task, TaskState};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;

use super::app::App;
use super::asker::Answer;
use super::draw::draw;
use super::{Duration, TopOptions};

fn task(number: usize) -> Task {
    let rates =
        Rates { points_in_per_second: number as f32, guest_cpu_seconds_per_second: 0.01, ..Rates::default() };
    Task {
        function: "mean".into(),
        task: format!("task{number}"),
        node: "mean2".into(),
        state: if number == 1 { TaskState::PassesThrough } else { TaskState::Runs },
        rates: Some(rates),
        ..Task::default()
    }
}

struct Bench {
    app: App,
    tasks: Vec<Task>,
}

impl Bench {
    fn new(tasks: Vec<Task>) -> Self {
        let options = TopOptions {
            sort: Sort::Cpu,
            filter: String::new(),
            every: Duration::from_secs(1),
            colours: true,
            host: "unix:/run/x.sock".into(),
        };
        Self { app: App::new(&options), tasks }
    }

    /// Presses keys, and answers what is asked for then.
    fn press(&mut self, keys: &[KeyCode]) {
        for key in keys {
            self.app.handle(&Event::Key(KeyEvent::new(*key, KeyModifiers::NONE)));
        }
        self.answer();
    }

    fn write(&mut self, text: &str) {
        self.press(&text.chars().map(KeyCode::Char).collect::<Vec<_>>());
    }

    fn answer(&mut self) {
        let query = self.app.query();
        let (matching, mut tasks) = query.select(self.tasks.clone(), 100);
        if query.history {
            let values = vec![1.0, 2.0, 4.0];
            tasks[0].history = Some(History {
                interval_seconds: 5.0,
                points_in_per_second: values.clone(),
                points_out_per_second: values.clone(),
                guest_cpu_seconds_per_second: values,
            });
        }
        let host = Host { version: "0.1.0".into(), ..Host::default() };
        let status = Status { host, tasks_matching: matching as u64, tasks, ..Status::default() };
        self.app.note_asked();
        self.app.take(Answer { query, status: Ok(status) });
    }

    fn draw(&mut self, width: u16, height: u16, colours: bool) -> Terminal<TestBackend> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(&mut self.app, colours, frame)).unwrap();
        terminal
    }

    fn lines(&mut self, width: u16, height: u16) -> Vec<String> {
        let terminal = self.draw(width, height, true);
        let buffer = terminal.backend().buffer();
        let line = |y| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(line).collect()
    }

    /// The first words of the lines of the list.
    fn names(&mut self) -> Vec<String> {
        let lines = self.lines(80, 24);
        let names = lines.iter().filter_map(|line| line.split_whitespace().next());
        names.filter(|name| name.starts_with("task") && *name != "task").map(str::to_owned).collect()
    }
}

#[test]
fn list_is_sorted_and_filtered_by_keys() {
    let mut bench = Bench::new((0..12).map(task).collect());
    assert_eq!(bench.lines(80, 24)[0], "asking unix:/run/x.sock ...");
    bench.answer();
    assert_eq!(bench.names()[..2], ["task0", "task1"]);
    bench.press(&[KeyCode::Char('i')]);
    assert_eq!(bench.names()[..2], ["task11", "task10"]);
    bench.press(&[KeyCode::Char('r')]);
    assert_eq!(bench.names()[..2], ["task0", "task1"]);
    bench.write("/SK1");
    assert!(bench.lines(80, 24)[23].starts_with("filter: SK1_"));
    assert_eq!(bench.names(), ["task1", "task10", "task11"]);
    bench.press(&[KeyCode::Backspace, KeyCode::Char('3'), KeyCode::Enter]);
    assert_eq!(bench.names(), ["task3"]);
    assert!(bench.lines(80, 24)[23].starts_with("1 tasks  filter: SK3 (Esc: none)"));
    bench.press(&[KeyCode::Esc]);
    assert_eq!(bench.names().len(), 12);
    // A key is a letter of the filter, and no command, while that is written.
    bench.write("/q");
    assert!(!bench.app.is_done());
    bench.press(&[KeyCode::Esc]);
    assert!(bench.app.filter.is_empty());
    bench.write("q");
    assert!(bench.app.is_done());
}

#[test]
fn selected_task_stays_selected_and_is_on_the_screen() {
    let mut bench = Bench::new((0..100).map(task).collect());
    bench.press(&[KeyCode::Char('n')]);
    bench.press(&[KeyCode::End]);
    let lines = bench.lines(80, 24);
    assert!(lines[22].starts_with("task99 "), "{lines:?}");
    bench.press(&[KeyCode::Up]);
    assert_eq!(bench.app.selected_task().unwrap().task, "task98");
    bench.tasks.remove(0);
    bench.answer();
    assert_eq!(bench.app.selected_task().unwrap().task, "task98");
    bench.press(&[KeyCode::Enter]);
    let lines = bench.lines(80, 24);
    assert!(lines.contains(&"task      task98".to_owned()), "{lines:?}");
    assert!(lines.iter().any(|line| line == "points in/s: 4, at most 4"), "{lines:?}");
    bench.press(&[KeyCode::Esc]);
    assert_eq!(bench.names().len(), 20);
}

#[test]
fn screen_of_any_size_is_drawn() {
    for keys in [&[][..], &[KeyCode::Enter], &[KeyCode::Char('?')], &[KeyCode::Char('/')]] {
        let mut bench = Bench::new((0..50).map(task).collect());
        bench.tasks[0].last_error = Some(LastError { timestamp_seconds: 1.0, error: "x ".repeat(3000) });
        bench.answer();
        bench.press(keys);
        bench.app.problem = Some("lost".into());
        for (width, height) in [(80, 24), (40, 10), (20, 5), (5, 3), (1, 1), (0, 0), (250, 70)] {
            bench.draw(width, height, true);
        }
    }
}

#[test]
fn text_from_outside_does_not_steer_the_screen() {
    let mut evil = task(0);
    evil.task = "\u{1b}[2J\u{202e}evil\n".into();
    evil.last_error = Some(LastError { timestamp_seconds: 1.0, error: "\u{1b}]0;owned\u{7}".into() });
    let mut bench = Bench::new(vec![evil]);
    bench.answer();
    for keys in [&[][..], &[KeyCode::Enter]] {
        bench.press(keys);
        let text = bench.lines(120, 24).join("\n");
        assert!(text.contains("\\u001b[2J"), "{text}");
        assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    }
}

#[test]
fn there_are_colours_only_where_they_are_wanted() {
    for colours in [true, false] {
        let mut bench = Bench::new((0..3).map(task).collect());
        bench.answer();
        let terminal = bench.draw(80, 24, colours);
        let coloured = terminal.backend().buffer().content().iter().any(|cell| cell.fg != Color::Reset);
        assert_eq!(coloured, colours);
    }
}

#[test]
fn lost_host_is_told_beside_what_it_said_last() {
    let mut bench = Bench::new((0..3).map(task).collect());
    bench.answer();
    let query = bench.app.query();
    bench.app.take(Answer { query, status: Err("the host does not run".into()) });
    let lines = bench.lines(80, 24);
    assert_eq!(lines[2], "! this is 0 s old: the host does not run");
    assert_eq!(bench.names().len(), 3);
    bench.answer();
    assert!(!bench.lines(80, 24)[2].starts_with('!'));
}

#[test]
fn pause_shows_what_was_there() {
    let mut bench = Bench::new((0..3).map(task).collect());
    bench.answer();
    bench.app.handle(&Event::Key(KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE)));
    assert!(bench.app.is_paused() && !bench.app.wants_news_at_once());
    assert!(bench.lines(80, 24)[23].starts_with("PAUSED"));
    // An answer to something else than what is wanted is not shown.
    bench.app.take(Answer {
        query: Query { filter: "old".into(), ..Query::default() },
        status: Ok(Status::default()),
    });
    assert_eq!(bench.names().len(), 3);
    bench.app.handle(&Event::Key(KeyEvent::new(KeyCode::Char('p'), KeyModifiers::NONE)));
    assert!(!bench.app.is_paused() && bench.app.wants_news_at_once());
    bench.app.handle(&Event::Key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    assert!(bench.app.is_done());
}
