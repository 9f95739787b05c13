//! Many sessions at a time.

use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kapacitor_wasm::protocol::client::Client;

use crate::Options;
use crate::input::{Input, averages_over};
use crate::report::{Goal, Report, Unit};
use crate::server::Host;

/// Sessions that do nothing.
const IDLE: usize = 10_000;

/// Sessions that do something, and what each of them gets in a second.
const BUSY: usize = 1000;
const POINTS: usize = 100;

/// After how long a session is idle.
const REST: Duration = Duration::from_secs(2);

/// How long a round of them is.
const SECONDS: usize = 3;

/// Starts a task.
fn start(host: &Host, task: usize) -> Result<Client> {
    let mut client = Client::connect(&host.socket("moving_avg"))?;
    init(&mut client, task)?;
    Ok(client)
}

/// Init and its answer.
pub fn init(client: &mut Client, task: usize) -> Result<()> {
    let response = client.init(&format!("bench-{task}"), averages_over(10))?;
    ensure!(response.success, "{}", response.error);
    Ok(())
}

/// A client for a moment: it has several file descriptors, and the socket one.
fn client_of(socket: &UnixStream) -> Result<Client> {
    Ok(Client::over_socket(socket.try_clone()?)?)
}

/// Sends the input and waits for as many answers.
fn exchange(client: &mut Client, input: &Input) -> Result<()> {
    client.send_bytes(&input.frames)?;
    receive(client, input.points)
}

/// Reads so many answers.
pub fn receive(client: &mut Client, answers: usize) -> Result<()> {
    (0..answers).try_for_each(|_| {
        client.receive()?.context("the connection has ended")?;
        Ok(())
    })
}

/// What a session costs that has had some points and waits for more.
pub fn idle(options: &Options, report: &mut Report) -> Result<()> {
    if !report.wants("idle sessions") {
        return Ok(());
    }
    let host = Host::start()?;
    let input = Input::stream(POINTS);
    // What the first one brings with it counts for none.
    let mut first = start(&host, 0)?;
    exchange(&mut first, &input)?;
    let before = host.server.resident()?;
    let count = options.scaled(IDLE);
    let sockets = (0..count).map(|_| UnixStream::connect(host.socket("moving_avg")));
    let sockets = sockets.collect::<Result<Vec<_>, _>>()?;
    for (task, socket) in sockets.iter().enumerate() {
        init(&mut client_of(socket)?, task + 1)?;
    }
    let each = |host: &Host| anyhow::Ok((host.server.resident()? - before) / count as f64);
    let what = |when| format!("{count} idle sessions {when}, resident memory of each");
    report.figure(&what("with a sandbox each"), Unit::Bytes, &[each(&host)?], Goal::AtMost(65_536.0));
    sockets.iter().try_for_each(|socket| exchange(&mut client_of(socket)?, &input))?;
    // Idle for long enough to have given up what was needed for that.
    thread::sleep(REST);
    report.figure(&what("that had 100 points"), Unit::Bytes, &[each(&host)?], Goal::None);
    Ok(())
}

/// CPU time of many sessions beside one that has as much to do as all of them.
pub fn busy(options: &Options, host: &Host, report: &mut Report) -> Result<()> {
    if !report.wants("busy sessions") {
        return Ok(());
    }
    let count = options.scaled(BUSY);
    let mut many = (0..count).map(|task| start(host, task)).collect::<Result<Vec<_>>>()?;
    let mut one = vec![start(host, count)?];
    let bursts = Input::stream(POINTS);
    let single = Input::stream(1);
    let all_at_once = Input::stream(count);
    let (mut cpu, mut cpu_of_one) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    for _ in 0..options.rounds {
        // Each session has its points in one burst a second, one after the other.
        let each = Duration::from_secs(1) / count as u32;
        cpu[0].push(cores(host, &mut many, &bursts, each)?);
        cpu_of_one[0].push(cores(host, &mut one, &bursts, each)?);
        // All sessions have one point each at the same time, a hundred times a second.
        let tick = Duration::from_secs(1) / POINTS as u32;
        cpu[1].push(cores(host, &mut many, &single, tick / count as u32)?);
        cpu_of_one[1].push(cores(host, &mut one, &all_at_once, tick)?);
    }
    let shapes = [("a burst a second", Goal::AtMost(1.5)), ("100 times one point", Goal::None)];
    for (i, (shape, goal)) in shapes.into_iter().enumerate() {
        report.compare(
            &format!("{count} sessions, {POINTS} points/s each: {shape}"),
            Unit::Cores,
            &cpu[i],
            "one session with all of it",
            &cpu_of_one[i],
            goal,
        );
    }
    Ok(())
}

/// CPU seconds for each second while the sessions have the input in turn, one after each `interval`.
fn cores(host: &Host, clients: &mut [Client], input: &Input, interval: Duration) -> Result<f64> {
    let before = host.server.cpu()?;
    let start = Instant::now();
    let rounds = SECONDS as u32 * (Duration::from_secs(1).as_nanos() / interval.as_nanos()) as u32;
    for i in 0..rounds {
        let due = interval * i;
        if let Some(wait) = due.checked_sub(start.elapsed()).filter(|wait| *wait > Duration::from_micros(500))
        {
            thread::sleep(wait);
        }
        let count = clients.len();
        exchange(&mut clients[i as usize % count], input)?;
    }
    let cpu = host.server.cpu()?.saturating_sub(before);
    Ok(cpu.as_secs_f64() / start.elapsed().as_secs_f64())
}
