//! `cargo bench --bench instructions`: how many instructions a point takes, part by part.
//!
//! Instructions, unlike seconds, are the same from run to run. They are counted by callgrind, once for some
//! points and once for twice as many: the difference is without what comes once. `budget.toml` says how many
//! there may be; more end the command with an error, and so do much fewer, so that what was gained is not
//! lost again without a word.

use std::collections::BTreeMap;
use std::iter;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use kapacitor_wasm::internals::Bytes;
use kapacitor_wasm::internals::CodeStore;
use kapacitor_wasm::internals::Engine;
use kapacitor_wasm::internals::Guard;
use kapacitor_wasm::internals::Labels;
use kapacitor_wasm::internals::Limits;
use kapacitor_wasm::internals::admit_stored;
use kapacitor_wasm::internals::wire;
use kapacitor_wasm::internals::{Config, Link, Mode, Session, Shared};
use kapacitor_wasm::internals::{Inbox, InboxItem, InboxLimits};
use kapacitor_wasm::internals::{OnFull, Policy};
use kapacitor_wasm::internals::{Sandbox, SandboxContext};
use kapacitor_wasm::protocol::client::{option, text};
use kapacitor_wasm::protocol::option_value::Value;
use kapacitor_wasm::protocol::{EdgeType, InitRequest, Option as UdfOption, RequestMessage, put_request};
use prost::Message;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

#[expect(dead_code, reason = "the other bench looks at the answers, too")]
#[path = "../input.rs"]
mod input;

use input::{Input, averages_over, outliers};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Points of one call, and calls of a count. There are twice as many in the second one.
const POINTS: usize = 500;
const CALLS: usize = 20;

/// How far a count may be from the budget. Another processor has other instructions to copy memory with.
const TOLERANCE: f64 = 0.15;

/// Instructions for each point, part by part.
#[derive(Parser)]
struct Options {
    /// Runs this part so many times, to be counted.
    #[arg(long, hide = true, num_args = 2)]
    part: Vec<String>,
    /// Where machine code is kept.
    #[arg(long, hide = true)]
    code: Option<PathBuf>,
    /// Given by Cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

/// What may be used.
#[derive(Deserialize)]
struct Budget {
    instructions_per_point: BTreeMap<String, f64>,
}

fn main() -> Result<ExitCode> {
    let options = Options::parse();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    if let ([part, calls], Some(code)) = (&options.part[..], &options.code) {
        let calls = calls.parse()?;
        match part.as_str() {
            "lone-point" => lone_points(&runtime, calls, code)?,
            _ => runtime.block_on(run(part, calls, code))?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let budget = std::fs::read_to_string(Path::new(ROOT).join("benches/instructions/budget.toml"))?;
    let budget: Budget = toml::from_str(&budget).context("budget.toml")?;
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind, which counts instructions, is not installed");
        return Ok(ExitCode::SUCCESS);
    }
    let folder = tempfile::tempdir()?;
    let mut kept = true;
    for (part, budget) in budget.instructions_per_point {
        // The first time for the machine code alone. Not outside of valgrind, whose processor has fewer instructions.
        valgrind("none", &[], &part, 1, folder.path())?;
        let [once, twice] = [CALLS, 2 * CALLS].map(|calls| count(&part, calls, folder.path()));
        let found = (twice? as f64 - once? as f64) / (CALLS * POINTS) as f64;
        let verdict = match found / budget {
            ratio if ratio > 1.0 + TOLERANCE => "too many",
            ratio if ratio < 1.0 - TOLERANCE => "fewer: lower the budget",
            _ => "kept",
        };
        kept &= verdict == "kept";
        println!("{part:<20} {found:>8.0} instructions for each point, budget {budget:>6.0}: {verdict}");
    }
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// All instructions of a process that does `part` so many times.
fn count(part: &str, calls: usize, code: &Path) -> Result<u64> {
    let counted = code.join("callgrind.out");
    valgrind("callgrind", &[format!("--callgrind-out-file={}", counted.display())], part, calls, code)?;
    let counted = std::fs::read_to_string(counted)?;
    let total = counted.lines().find_map(|line| line.strip_prefix("totals: "));
    Ok(total.context("callgrind has counted nothing")?.trim().parse()?)
}

/// Does `part` so many times under one of valgrind's tools.
fn valgrind(tool: &str, settings: &[String], part: &str, calls: usize, code: &Path) -> Result<()> {
    let output = Command::new("valgrind")
        .args([&format!("--tool={tool}"), "--error-exitcode=9"])
        .args(settings)
        .arg(std::env::current_exe()?)
        .args(["--part", part, &calls.to_string(), "--code"])
        .arg(code)
        .output()?;
    ensure!(output.status.success(), "{part}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

async fn run(part: &str, calls: usize, code: &Path) -> Result<()> {
    let input = Input::stream(POINTS);
    match part {
        "framing" => framing(&input, calls),
        "guard" => {
            let mut plugin = start("moving_avg", code).await?;
            let output = plugin.process(&input.frames).await?.to_vec();
            let mut guard = Guard::new(EdgeType::Stream, &Limits::default(), &Policy::default());
            let mut out = Vec::new();
            for _ in 0..calls {
                out.clear();
                guard.pass_in_place(&output, &mut out)?;
            }
            Ok(())
        }
        _ => {
            let name = part.strip_prefix("guest-").context("there is no such part")?;
            let mut plugin = start(name, code).await?;
            // Times rise from call to call, as most plugins expect. As many are made for the smaller count as for the
            // larger one, which the difference is without.
            let inputs: Vec<Input> = match name {
                "outliers" => vec![Input::batches(1, POINTS)],
                _ => (0..2 * CALLS).map(|call| Input::stream_from(call * POINTS, POINTS)).collect(),
            };
            // Of a batch only its outliers come back, one point in a hundred.
            let share = if name == "outliers" { 100 } else { 1 };
            for input in inputs.iter().cycle().take(calls) {
                let output = plugin.process(&input.frames).await?;
                ensure!(output.len() >= input.frames.len() / share, "points are missing");
            }
            Ok(())
        }
    }
}

/// From bytes as they are read to runs.
fn framing(input: &Input, calls: usize) -> Result<()> {
    let queue = Bytes::mib(16);
    let mut inbox = Inbox::new(InboxLimits { message: queue, queue, on_full: OnFull::Block });
    for _ in 0..calls {
        inbox.space().extend_from_slice(&input.frames);
        inbox.sort(|_| {})?;
        match inbox.take() {
            Some(InboxItem::Run(run)) => ensure!(run.points == POINTS as u64, "points are missing"),
            other => bail!("{other:?} instead of a run"),
        }
    }
    Ok(())
}

/// A point through a whole session, from one socket to the other, and the next one when it is back. What the client
/// does for that counts, too.
fn lone_points(runtime: &Runtime, calls: usize, code: &Path) -> Result<()> {
    let text = format!(
        "plugins-dir = {:?}\nstate-dir = {code:?}\n[sessions]\ngather = \"0s\"\n",
        Path::new(ROOT).join("plugins")
    );
    let config = Config::from_text(&text, Path::new("udf.toml"))?;
    let shared = Arc::new(Shared::new(config, &Mode { writable: true, ..Mode::default() })?);
    shared.load_plugins(|name| name == "moving_avg")?;
    runtime.block_on(play_lone_points(shared, calls))
}

async fn play_lone_points(shared: Arc<Shared>, calls: usize) -> Result<()> {
    let input = Input::stream(POINTS);
    let (mut client, host) = UnixStream::pair()?;
    let function = shared.function("moving_avg")?;
    let session = tokio::spawn(Session::new(Arc::clone(&shared), function, Link::socket(host)).run());
    let mut frame = Vec::new();
    let options = averages_over(10);
    put_request(RequestMessage::Init(InitRequest { options, ..InitRequest::default() }), &mut frame);
    client.write_all(&frame).await?;
    let mut buffer = [0; 1024];
    ensure!(client.read(&mut buffer).await? > 0, "no answer to Init");
    for _ in 0..calls {
        let mut frames = &input.frames[..];
        while !frames.is_empty() {
            let (length, header) = wire::varint(frames).ok().context("a frame has a length")?;
            let (frame, rest) = frames.split_at(header + length as usize);
            client.write_all(frame).await?;
            let answer = client.read(&mut buffer).await?;
            ensure!(answer > frame.len(), "a point did not come back");
            frames = rest;
        }
    }
    drop(client);
    session.await?;
    Ok(())
}

/// A sandbox of one of the repository's plugins.
async fn start(name: &str, code: &Path) -> Result<Sandbox> {
    let limits = Limits::default();
    let engine = Arc::new(Engine::new(limits.stack, Some(code))?);
    let file = Path::new(ROOT).join("plugins").join(format!("{name}.wasm"));
    let store = CodeStore::at(code, true)?;
    let plugin = admit_stored(&engine, store, name, &std::fs::read(file)?, &limits).await?;
    let mut sandbox = plugin.start(&SandboxContext::without_session(Labels::default(), limits)).await?;
    let options = options_of(name);
    sandbox.init(&InitRequest { options, ..InitRequest::default() }.encode_to_vec()).await?;
    Ok(sandbox)
}

/// The options that a plugin is counted with: as few as it can be called with.
fn options_of(name: &str) -> Vec<UdfOption> {
    let minute = Value::DurationValue(60_000_000_000);
    let others = match name {
        "mirror" => return Vec::new(),
        "moving_avg" => return averages_over(10),
        "outliers" => return outliers(),
        "aggregate" => vec![option("period", minute), text("fn", "mean"), text("fn", "p95")],
        "ema" => vec![option("half_life", minute)],
        _ => Vec::new(),
    };
    iter::once(text("field", "usage_user")).chain(others).collect()
}
