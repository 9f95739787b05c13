//! Points for each second over one connection, and CPU time for each point.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kapacitor_wasm::internals::wire;
use kapacitor_wasm::protocol::{KeepaliveRequest, Option as UdfOption, RequestMessage, put_request};

use crate::Options;
use crate::guard;
use crate::input::{Answers, Input, averages_over, outliers};
use crate::peers::{GO, PYTHON, Peers};
use crate::report::{Goal, Report, Unit};
use crate::server::{Host, Target, folder};

/// Points for a fast peer and for a slow one; each takes about a second.
pub const MANY: usize = 2_000_000;
const FEW: usize = 100_000;

/// Points of a batch.
pub const BATCH: usize = 1000;

const NATIVE: &str = "native, no guard";
const HAND_WRITTEN: &str = "hand-written plugin";
const ECHO: &str = "raw socket echo";

/// One of those that are compared.
struct Runner<'a> {
    name: &'static str,
    /// Or why it is not there.
    target: Result<Target, String>,
    /// `None` for one that is given data only.
    options: Option<Vec<UdfOption>>,
    input: &'a Input,
    figures: Figures,
}

/// What was measured, round by round.
#[derive(Default)]
struct Figures {
    points_per_second: Vec<f64>,
    /// CPU seconds for each point.
    cpu: Vec<f64>,
}

impl Runner<'_> {
    fn run(&mut self) -> Result<()> {
        let Ok(target) = &self.target else { return Ok(()) };
        let connection = target.connect(self.options.as_deref())?;
        let (server, input) = (connection.server, self.input);
        let before = server.cpu()?;
        let start = Instant::now();
        let (mut reader, mut writer, socket) = connection.client.split();
        thread::scope(|scope| {
            let answers = scope.spawn(|| {
                let read = read_answers(&mut reader, input.answers);
                if let (Err(_), Some(socket)) = (&read, &socket) {
                    // Or the other thread would write for ever.
                    let _ = socket.shutdown(Shutdown::Both);
                }
                read
            });
            let mut written = input.frames.chunks(256 * 1024).try_for_each(|chunk| writer.write_all(chunk));
            // Makes the Python agent write what it still holds.
            if self.options.is_some() {
                written = written.and_then(|()| writer.write_all(&keepalive()));
            }
            answers.join().expect("reading does not panic")?;
            anyhow::Ok(written?)
        })
        .with_context(|| self.name)?;
        let time = start.elapsed().as_secs_f64();
        let cpu = server.cpu()?.saturating_sub(before).as_secs_f64();
        self.figures.points_per_second.push(input.points as f64 / time);
        self.figures.cpu.push(cpu / input.points as f64);
        Ok(())
    }
}

fn keepalive() -> Vec<u8> {
    let mut frame = Vec::new();
    put_request(RequestMessage::Keepalive(KeepaliveRequest { time: 1 }), &mut frame);
    frame
}

/// Reads until all has come back, looking at no more of the frames than needed.
fn read_answers(reader: &mut impl Read, answers: Answers) -> Result<()> {
    // The tags of Point and End in a Response.
    let counted = match answers {
        Answers::Points(_) => [0x8a, 0x01],
        Answers::Ends(_) => [0x92, 0x01],
    };
    let (Answers::Points(wanted) | Answers::Ends(wanted)) = answers;
    let mut buffer = vec![0; 512 * 1024];
    let (mut filled, mut skip, mut seen) = (0, 0, 0);
    while seen < wanted || skip > 0 {
        let read = reader.read(&mut buffer[filled..])?;
        ensure!(read > 0, "the connection ended after {seen} of {wanted} answers");
        filled += read;
        let mut pos = 0;
        loop {
            let step = skip.min(filled - pos);
            pos += step;
            skip -= step;
            if skip > 0 {
                break;
            }
            let Ok((length, header)) = wire::varint(&buffer[pos..filled]) else { break };
            let Some(tag) = buffer[..filled].get(pos + header..pos + header + 2) else { break };
            seen += usize::from(tag == counted);
            pos += header;
            skip = length as usize;
        }
        buffer.copy_within(pos..filled, 0);
        filled -= pos;
    }
    Ok(())
}

/// All of those that are compared.
pub struct Contest<'a> {
    what: &'static str,
    runners: Vec<Runner<'a>>,
}

impl<'a> Contest<'a> {
    /// One without anybody.
    pub fn new(what: &'static str) -> Self {
        Self { what, runners: Vec::new() }
    }

    /// Takes part from now on, with these options of the task.
    pub fn enter(
        &mut self,
        name: &'static str,
        target: Result<Target, String>,
        options: Option<Vec<UdfOption>>,
        input: &'a Input,
    ) {
        self.runners.push(Runner { name, target, options, input, figures: Figures::default() });
    }

    /// One measurement of each.
    pub fn round(&mut self) -> Result<()> {
        self.runners.iter_mut().try_for_each(Runner::run)
    }

    fn runner(&self, name: &str) -> &Runner<'a> {
        self.runners.iter().find(|runner| runner.name == name).unwrap_or(&self.runners[0])
    }

    /// The first one.
    fn ours(&self) -> &Figures {
        &self.runners[0].figures
    }

    /// A row with our points/s and another one's.
    pub fn beside(&self, report: &mut Report, name: &str, goal: Goal) {
        let rate = |figures: &Figures| figures.points_per_second.clone();
        self.row(report, "points/s", Unit::PointsPerSecond, rate, name, goal);
    }

    /// A row with our CPU time and another one's.
    pub fn cpu_beside(&self, report: &mut Report, name: &str, goal: Goal) {
        self.row(report, "CPU for each point", Unit::Time, |figures| figures.cpu.clone(), name, goal);
    }

    fn row(
        &self,
        report: &mut Report,
        of_what: &str,
        unit: Unit,
        of: impl Fn(&Figures) -> Vec<f64>,
        name: &str,
        goal: Goal,
    ) {
        let Runner { target, figures, .. } = self.runner(name);
        let theirs = of(figures);
        let theirs = target.as_ref().map(|_| &theirs[..]).map_err(String::as_str);
        let what = format!("{}, {of_what}", self.what);
        report.compare_with(&what, unit, &of(self.ours()), name, theirs, goal);
    }

    fn draw(&self, report: &mut Report) {
        for Runner { name, figures, target, .. } in &self.runners {
            if target.is_ok() {
                report.bar(self.what, name, &figures.points_per_second);
            }
        }
    }
}

/// This program as a peer.
pub fn own(peer: &str, folder: &Path) -> Result<Target> {
    let socket = folder.join(format!("{peer}.sock"));
    let mut command = Command::new(std::env::current_exe()?);
    Target::listening(command.arg("--serve").arg(peer).arg(&socket), socket)
}

/// A moving average of a stream.
pub fn moving_avg(options: &Options, host: &Host, peers: &Peers, report: &mut Report) -> Result<()> {
    if !report.wants("moving_avg") {
        return Ok(());
    }
    let folder = folder()?;
    let (many, few) = (Input::stream(options.scaled(MANY)), Input::stream(options.scaled(FEW)));
    let average = || Some(averages_over(10));
    let mut contest = Contest::new("moving_avg");
    contest.enter("kapacitor-wasm", Ok(host.target("moving_avg")), average(), &many);
    contest.enter(GO, peers.go_program("moving_avg"), average(), &few);
    contest.enter(PYTHON, peers.python_program("moving_avg"), average(), &few);
    contest.enter(HAND_WRITTEN, Ok(host.target("hand_written")), average(), &many);
    contest.enter(NATIVE, Ok(own("moving_avg", folder.path())?), average(), &many);
    let output = guard::Output::of(host.target("moving_avg").connect(average().as_deref())?)?;
    let mut guard = Vec::new();
    for _ in 0..options.rounds {
        contest.round()?;
        guard.push(output.check()?);
    }
    contest.beside(report, GO, Goal::AtLeast(30.0));
    contest.cpu_beside(report, GO, Goal::AtMost(1.0 / 40.0));
    contest.beside(report, PYTHON, Goal::None);
    contest.beside(report, NATIVE, Goal::AtLeast(0.65));
    contest.beside(report, HAND_WRITTEN, Goal::AtLeast(1.0));
    let what = "guard, CPU for each point";
    let all = &contest.ours().cpu;
    report.compare(what, Unit::Time, &guard, "all of moving_avg", all, Goal::AtMost(0.15));
    contest.draw(report);
    Ok(())
}

/// A stream that goes back as it came.
pub fn mirror(options: &Options, host: &Host, peers: &Peers, report: &mut Report) -> Result<()> {
    if !report.wants("mirror") {
        return Ok(());
    }
    let folder = folder()?;
    let (many, few) = (Input::stream(options.scaled(MANY)), Input::stream(options.scaled(FEW)));
    let none = || Some(Vec::new());
    let mut contest = Contest::new("mirror");
    contest.enter("kapacitor-wasm", Ok(host.target("mirror")), none(), &many);
    contest.enter(GO, peers.go_server("mirror", folder.path()), none(), &few);
    contest.enter(PYTHON, peers.python_server("mirror", folder.path()), none(), &few);
    contest.enter(NATIVE, Ok(own("mirror", folder.path())?), none(), &many);
    contest.enter(ECHO, Ok(own("echo", folder.path())?), None, &many);
    (0..options.rounds).try_for_each(|_| contest.round())?;
    contest.beside(report, ECHO, Goal::AtLeast(0.5));
    contest.cpu_beside(report, ECHO, Goal::None);
    contest.cpu_beside(report, NATIVE, Goal::None);
    contest.beside(report, NATIVE, Goal::None);
    contest.beside(report, GO, Goal::None);
    contest.beside(report, PYTHON, Goal::None);
    contest.draw(report);
    Ok(())
}

/// Batches.
pub fn batches(options: &Options, host: &Host, peers: &Peers, report: &mut Report) -> Result<()> {
    if !report.wants("outliers") {
        return Ok(());
    }
    let folder = folder()?;
    let many = Input::batches(options.scaled(MANY / BATCH), BATCH);
    let few = Input::batches(options.scaled(FEW / BATCH), BATCH);
    let all = || Some(outliers());
    let mut contest = Contest::new("outliers");
    contest.enter("kapacitor-wasm", Ok(host.target("outliers")), all(), &many);
    contest.enter(GO, peers.go_program("outliers"), all(), &few);
    contest.enter(PYTHON, peers.python_program("outliers"), all(), &few);
    contest.enter(NATIVE, Ok(own("outliers", folder.path())?), all(), &many);
    (0..options.rounds).try_for_each(|_| contest.round())?;
    contest.beside(report, GO, Goal::AtLeast(20.0));
    contest.beside(report, PYTHON, Goal::None);
    contest.beside(report, NATIVE, Goal::None);
    contest.draw(report);
    Ok(())
}
