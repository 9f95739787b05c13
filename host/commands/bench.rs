//! `bench`: what a UDF costs, beside the least that a UDF can cost.
//!
//! Each row is a process of its own that answers over a unix socket: first one that sends back the
//! bytes that it gets, then the host with a plugin. Absolute figures depend on the machine; the ratio
//! to the first row does not, or much less.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use kapacitor_wasm::client::{Client, option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{Option as UdfOption, Point, RequestMessage, put_request};
use kapacitor_wasm::wire;

use super::check::table;

mod snapshots;

/// What to measure.
#[derive(clap::Args)]
pub struct Options {
    /// Points of each measurement.
    #[arg(long, default_value_t = 2_000_000)]
    points: usize,
    /// Measurements of each row; the median is shown.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Folder of the plugins mirror and moving_avg.
    #[arg(long, value_name = "DIR", default_value = "plugins")]
    plugins_dir: PathBuf,
    /// Serves the first row: sends back what comes.
    #[arg(long, hide = true)]
    echo: Option<PathBuf>,
}

/// Prints one table.
pub fn bench(options: &Options) -> Result<ExitCode> {
    if let Some(path) = &options.echo {
        return echo(path);
    }
    let folder = tempfile::Builder::new().prefix("kapacitor-wasm-").tempdir()?;
    let own = std::env::current_exe()?;
    let input = Input::new(options.points);
    println!(
        "{} points of {} bytes, one connection, {} CPUs, median of {}",
        options.points,
        input.frames.len() / input.points,
        thread::available_parallelism()?,
        options.runs
    );

    let echo_socket = folder.path().join("echo.sock");
    let echo = Server::start(Command::new(&own).args(["bench", "--echo"]).arg(&echo_socket), &echo_socket)?;
    let config = folder.path().join("udf.toml");
    fs::write(&config, "log-level = \"warn\"\nsocket-dir = \".\"\nstate-dir = \".\"\n")?;
    let plugins = std::path::absolute(&options.plugins_dir)?;
    let mut serve = Command::new(&own);
    serve.arg("serve").arg("--config").arg(&config).arg("--plugins-dir").arg(&plugins);
    let moving_avg = folder.path().join("moving_avg.sock");
    let host = Server::start(&mut serve, &moving_avg)
        .with_context(|| format!("{} needs moving_avg.wasm and mirror.wasm", plugins.display()))?;

    let rows: [(&str, &Server, PathBuf, Option<Vec<UdfOption>>); 3] = [
        ("raw socket echo", &echo, echo_socket.clone(), None),
        ("mirror", &host, folder.path().join("mirror.sock"), Some(Vec::new())),
        ("moving_avg", &host, moving_avg.clone(), Some(averages_over(10))),
    ];
    let mut table = table(&["", "points/s", "of the echo", "CPU per point"]);
    let mut limit = None;
    for (name, server, socket, init) in rows {
        let mut results = (0..options.runs.max(1))
            .map(|_| measure(server, &socket, init.clone(), &input))
            .collect::<Result<Vec<_>>>()?;
        results.sort_by_key(|measured| measured.time);
        let median = &results[results.len() / 2];
        let rate = input.points as f64 / median.time.as_secs_f64();
        let limit = *limit.get_or_insert(rate);
        table.add_row([
            name.to_owned(),
            format!("{:.2} M", rate / 1e6),
            format!("{:.2}", rate / limit),
            format!("{:.0} ns", median.cpu.as_nanos() as f64 / input.points as f64),
        ]);
    }
    println!("{table}");
    println!("{}", snapshots::table(&moving_avg, options.runs)?);
    Ok(ExitCode::SUCCESS)
}

/// The options of moving_avg.
fn averages_over(size: i64) -> Vec<UdfOption> {
    vec![text("field", "usage_user"), option("size", Value::IntValue(size)), text("as", "mean")]
}

/// The requests of a run.
struct Input {
    frames: Vec<u8>,
    points: usize,
}

impl Input {
    /// Points as Telegraf's CPU plugin writes them, of 10 hosts in turn.
    fn new(points: usize) -> Self {
        let mut frames = Vec::new();
        for i in 0..points {
            let host = format!("web{:02}", i % 10);
            let field = |name: &str, value: f64| (name.to_owned(), value);
            let point = Point {
                time: 1_700_000_000_000_000_000 + i as i64 * 1_000_000_000,
                name: "cpu".to_owned(),
                database: "telegraf".to_owned(),
                retention_policy: "autogen".to_owned(),
                group: format!("host={host}"),
                dimensions: vec!["host".to_owned()],
                tags: [("host", host.as_str()), ("cpu", "cpu-total"), ("region", "eu-west")]
                    .map(|(key, value)| (key.to_owned(), value.to_owned()))
                    .into(),
                fields_double: [
                    field("usage_idle", 80.0 + (i % 17) as f64),
                    field("usage_iowait", 0.5),
                    field("usage_system", 4.0 + (i % 7) as f64),
                    field("usage_user", 10.0 + (i % 13) as f64),
                ]
                .into(),
                ..Point::default()
            };
            put_request(RequestMessage::Point(point), &mut frames);
        }
        Self { frames, points }
    }
}

/// One measurement.
struct Measured {
    time: Duration,
    /// CPU time of the server.
    cpu: Duration,
}

fn measure(server: &Server, socket: &Path, init: Option<Vec<UdfOption>>, input: &Input) -> Result<Measured> {
    let mut client = Client::connect(socket)?;
    if let Some(options) = init {
        let response = client.init("bench", options)?;
        ensure!(response.success, "{}", response.error);
    }
    let (mut reader, mut writer, socket) = client.split();
    let cpu = server.cpu()?;
    let start = Instant::now();
    let counted = thread::scope(|scope| {
        let counter = scope.spawn(|| count_frames(&mut reader));
        for chunk in input.frames.chunks(256 * 1024) {
            writer.write_all(chunk)?;
        }
        if let Some(socket) = socket {
            socket.shutdown(std::net::Shutdown::Write)?;
        }
        counter.join().expect("counting does not panic")
    })?;
    let time = start.elapsed();
    ensure!(counted == input.points, "{counted} points came back of {}", input.points);
    Ok(Measured { time, cpu: server.cpu()?.saturating_sub(cpu) })
}

/// Reads to the end and counts the frames, looking at their headers only.
fn count_frames(reader: &mut impl Read) -> Result<usize> {
    let mut buffer = vec![0; 512 * 1024];
    let (mut filled, mut skip, mut frames) = (0, 0, 0);
    loop {
        let read = reader.read(&mut buffer[filled..])?;
        if read == 0 {
            ensure!(filled == 0 && skip == 0, "the output ends inside a frame");
            return Ok(frames);
        }
        filled += read;
        let mut pos = 0;
        loop {
            let step = skip.min(filled - pos);
            pos += step;
            skip -= step;
            if skip > 0 {
                break;
            }
            match wire::varint(&buffer[pos..filled]) {
                Ok((length, header)) => {
                    frames += 1;
                    pos += header;
                    skip = length as usize;
                }
                Err(_) => break,
            }
        }
        buffer.copy_within(pos..filled, 0);
        filled -= pos;
    }
}

/// A process that is measured.
struct Server(Child);

impl Server {
    /// Starts it and waits until its socket can be connected to.
    fn start(command: &mut Command, socket: &Path) -> Result<Self> {
        let mut server = Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?);
        let deadline = Instant::now() + Duration::from_secs(30);
        while std::os::unix::net::UnixStream::connect(socket).is_err() {
            if let Some(status) = server.0.try_wait()? {
                anyhow::bail!("the server ended with {status}");
            }
            ensure!(Instant::now() < deadline, "{} does not come up", socket.display());
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }

    /// CPU time used so far, user and system, by all threads.
    fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // Fields 14 and 15, in ticks; the second field is a name in parentheses.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
        let ticks: u64 =
            fields.get(11..13).context("no times in /proc")?.iter().flat_map(|t| t.parse::<u64>()).sum();
        Ok(Duration::from_nanos(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn echo(path: &Path) -> Result<ExitCode> {
    let listener = UnixListener::bind(path)?;
    for stream in listener.incoming() {
        let mut stream = stream?;
        thread::spawn(move || {
            let mut buffer = vec![0; 256 * 1024];
            while let Ok(read @ 1..) = stream.read(&mut buffer) {
                if stream.write_all(&buffer[..read]).is_err() {
                    break;
                }
            }
        });
    }
    Ok(ExitCode::SUCCESS)
}
