//! `tap`: the points of a task, while they go by.

use std::io::{self, IsTerminal as _, StdoutLock, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Buf as _;
use clap::{ArgGroup, Args};
use form_urlencoded::Serializer;
use http_body_util::BodyExt as _;
use tokio::runtime::Builder;
use tokio::signal::ctrl_c;
use tokio::time::{Instant, sleep, sleep_until};

use super::exit::{DONE, FAILED};
use super::host_client::Place;
use super::tell::tell;
use crate::http::SIGN_OF_LIFE;
use crate::logging::visible;
use crate::units::Span;

/// Beginning of the lines at the end of a tap, which go to stderr.
const END: &[u8] = b"# end ";

/// Size in bytes at which a line is written although its end has not come.
const MOST_LINE: usize = 8 << 20;

/// Maximum time that a tap lasts, in seconds.
const LONGEST: u64 = 600;

/// Time that the host has after the end of a tap, for what was not read yet.
const OVERTIME: Duration = Duration::from_secs(15);

/// Time without a byte after which the host is taken for gone: it gives a sign of life every five seconds.
const SILENCE: Duration = Duration::from_secs(20);

/// What to tap.
#[derive(Args)]
#[command(group = ArgGroup::new("direction"))]
pub struct Options {
    /// Task, or one of its nodes: TASK or TASK/NODE. One that does not run yet is waited for.
    #[arg(value_name = "TASK[/NODE]")]
    task: String,
    /// Show only the points that Kapacitor sends, as they are.
    #[arg(long = "in", group = "direction")]
    input: bool,
    /// Show only the points that Kapacitor gets, as they are [default: both, with a tag `tap=in` or `tap=out`].
    #[arg(long = "out", group = "direction")]
    output: bool,
    /// Show one of each N points, and one of each N batches.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    every: u64,
    /// End after N points of each direction.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    most: u64,
    /// End after this time, 10 minutes at most.
    #[arg(long = "for", value_name = "TIME", default_value = "1m")]
    lasts: Span,
    #[command(flatten)]
    place: Place,
}

impl Options {
    fn path(&self) -> String {
        let direction = match (self.input, self.output) {
            (true, _) => "in",
            (_, true) => "out",
            _ => "both",
        };
        let start = "/tap?";
        let mut query = Serializer::for_suffix(start.to_owned(), start.len());
        query.append_pair("task", &self.task).append_pair("direction", direction);
        let numbers = [("every", self.every), ("most", self.most), ("seconds", self.lasts.0.as_secs())];
        for (key, number) in numbers {
            query.append_pair(key, &number.to_string());
        }
        query.finish()
    }
}

/// Prints the points, and at the end on stderr what was left out.
pub fn tap(options: &Options) -> Result<ExitCode> {
    ensure!(
        (1..=LONGEST).contains(&options.lasts.0.as_secs()),
        "--for {} is no time from 1s to 10m, for which a tap may last",
        options.lasts
    );
    let host = options.place.host_at_socket()?;
    let runtime = Builder::new_current_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        let mut answer = host.get(&options.path()).await?.into_body();
        let mut printer = Printer::new();
        let end = Instant::now() + options.lasts.0 + OVERTIME;
        loop {
            let frame = tokio::select! {
                frame = answer.frame() => frame,
                () = sleep_until(end) => None,
                () = sleep(SILENCE) => {
                    let host = host.shown();
                    printer.flush().or_else(|e| nobody_reads(e).map(drop))?;
                    tell(&format!("{host}: the host has not said for {} s that it is there", SILENCE.as_secs()));
                    return Ok(FAILED);
                }
                _ = ctrl_c() => {
                    tell(&format!("interrupted, points shown: {}", printer.points));
                    return Ok(DONE);
                }
            };
            match frame {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data()
                        && let Err(e) = printer.take(data.chunk())
                    {
                        return nobody_reads(e);
                    }
                }
                None if printer.has_ended() => return Ok(printer.end()),
                Some(Err(_)) | None => {
                    printer.flush().or_else(|e| nobody_reads(e).map(drop))?;
                    tell(&format!("{}: the host has cut the tap off, as when it stops", host.shown()));
                    return Ok(FAILED);
                }
            }
        }
    })
}

/// Whoever has read stdout may have had enough, as `head` does.
fn nobody_reads(error: io::Error) -> Result<ExitCode> {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Ok(DONE);
    }
    Err(error).context("stdout can't be written")
}

/// Prints lines, and keeps the last ones.
struct Printer {
    out: StdoutLock<'static>,
    is_terminal: bool,
    /// The line that has not come whole.
    line: Vec<u8>,
    /// Lines that may be the end.
    held: Vec<Vec<u8>>,
    points: u64,
}

impl Printer {
    fn new() -> Self {
        let out = io::stdout().lock();
        let is_terminal = out.is_terminal();
        Self { out, is_terminal, line: Vec::new(), held: Vec::new(), points: 0 }
    }

    /// Prints the lines of `text`.
    fn take(&mut self, text: &[u8]) -> io::Result<()> {
        for part in text.split_inclusive(|c| *c == b'\n') {
            self.line.extend_from_slice(part);
            if part.ends_with(b"\n") || self.line.len() >= MOST_LINE {
                let line = std::mem::take(&mut self.line);
                // In a file it stays: such a line may be within the text of a field.
                if self.is_terminal && line == SIGN_OF_LIFE {
                    continue;
                }
                // Text in a field may look like the end, but does not come last.
                if line.starts_with(END) {
                    self.held.push(line);
                    if self.held.len() <= 3 {
                        continue;
                    }
                    let first = self.held.remove(0);
                    self.print(&first)?;
                    continue;
                }
                self.print_held()?;
                self.print(&line)?;
            }
        }
        self.out.flush()
    }

    fn print_held(&mut self) -> io::Result<()> {
        for line in std::mem::take(&mut self.held) {
            self.print(&line)?;
        }
        Ok(())
    }

    /// Prints a line. What is in points may not steer a terminal.
    fn print(&mut self, line: &[u8]) -> io::Result<()> {
        self.points += u64::from(!line.starts_with(b"#"));
        if self.is_terminal {
            self.out.write_all(visible(&String::from_utf8_lossy(line)).as_bytes())
        } else {
            self.out.write_all(line)
        }
    }

    /// Prints all that has come.
    fn flush(&mut self) -> io::Result<()> {
        self.print_held()?;
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.print(&line)?;
        }
        self.out.flush()
    }

    fn has_ended(&self) -> bool {
        !self.held.is_empty() && self.line.is_empty()
    }

    /// Says how the tap has ended, and what was left out.
    fn end(&self) -> ExitCode {
        for line in &self.held {
            let line = String::from_utf8_lossy(&line[b"# ".len()..]);
            tell(line.trim_end());
        }
        DONE
    }
}
