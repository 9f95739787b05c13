//! The repository's commands: `cargo demo`, `cargo verify`, `cargo plugins`, `cargo xtask alerts`,
//! `cargo xtask dashboard`, `cargo xtask dist`, `cargo xtask fuzz`, `cargo xtask gallery`, `cargo xtask man`,
//! `cargo xtask rooms` and `cargo xtask sdk`.
//!
//! Needs nothing but the standard library, so that it starts at once.

#![forbid(unsafe_code)]

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

mod alerts;
mod dashboard;
mod dist;
mod fuzz;
mod gallery;
mod json;
mod metrics_table;
mod remap;
mod rooms;
mod sdk;

const USAGE: &str =
    "usage: cargo demo | cargo verify | cargo plugins | cargo xtask alerts [--promtool] | cargo xtask dashboard [--check]
       | cargo xtask dist [PART]... [--target TARGET] [--binary FILE] [--try] [--twice] | cargo xtask fuzz [TARGET] [--seconds N]
       | cargo xtask gallery [--check] [--pictures] | cargo xtask man | cargo xtask rooms | cargo xtask sdk

  demo     set everything up, play a recording to the plugins, show the results
  verify   set everything up, run all tests
  plugins  build the plugins into plugins/*.wasm
  alerts   check what watches the host: packaging/alerts.yml and packaging/watch; --promtool builds promtool for it
  dashboard
           write the dashboard packaging/grafana.json from the table of metrics, or check it
  dist     make the packages, the image and the static binary in target/dist; see docs/packages.md
  fuzz     build the fuzz targets, run each one, or TARGET, for N seconds; see fuzz/README.md
  gallery  write the gallery of docs/algorithms.md from the plugins' pages, or check it; draw the pictures
  man      write the man pages of kapacitor-wasm into target/man
  rooms    print the rooms of the host and what they use, and check them
  sdk      check that the guest SDK could be published";

/// Target that plugins are compiled for.
const TARGET: &str = "wasm32-unknown-unknown";

fn main() -> ExitCode {
    if env::var_os(fuzz::WRAPPER).is_some() {
        return fuzz::rustc();
    }
    let mut args = env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let result = match command.as_str() {
        "demo" => demo(&rest),
        "verify" => verify(&rest),
        "plugins" => plugins(),
        "alerts" => alerts::alerts(&rest),
        "dashboard" => dashboard::dashboard(&rest),
        "dist" => dist::dist(&rest),
        "fuzz" => fuzz::fuzz(&rest),
        "gallery" => gallery::gallery(&rest),
        "man" => man(),
        "rooms" => rooms::rooms(),
        "sdk" => sdk::sdk(),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Plays the recording to two plugins. `rest` are further arguments of `kapacitor-wasm replay`.
fn demo(rest: &[String]) -> Result<(), String> {
    add_target(TARGET)?;
    build(&["moving_avg".to_owned(), "outliers".to_owned()])?;
    let host = host()?;
    // A moving average of a stream, and outliers in windows of it.
    let averages = "stream|from().groupBy('host')@moving_avg().field('usage_user').size(30).as('mean')";
    let outliers = "stream|from().groupBy('host')|window().period(10m).every(10m).align()@outliers().field('usage_user').scale(3.0)";
    for (plugin, call, report) in [("moving_avg", averages, "demo"), ("outliers", outliers, "demo-outliers")]
    {
        say(&format!("playing demo/recording.lp to plugins/{plugin}.wasm, as Kapacitor would"));
        let mut replay = Command::new(&host);
        replay.current_dir(root()).args(["replay", plugin, "--plugins-dir", "plugins", "--call", call]);
        replay.args(["--input", "demo/recording.lp"]);
        replay.args(["--html", &format!("{report}.html"), "--svg", &format!("{report}.svg")]);
        run(replay.args(rest))?;
    }
    Ok(())
}

/// Writes a man page for the host and for each of its subcommands.
fn man() -> Result<(), String> {
    let folder = target_dir(&root()).join("man");
    run(Command::new(host()?).arg("man").arg(&folder))?;
    say(&format!("the man pages are in {}", folder.display()));
    Ok(())
}

/// Builds the host, and returns the program.
fn host() -> Result<PathBuf, String> {
    say("building the host; the first time this takes some minutes, most of them for wasmtime");
    run(&mut build_host())?;
    Ok(target_dir(&root()).join("release/kapacitor-wasm"))
}

/// A command that builds the host as it is shipped.
fn build_host() -> Command {
    let mut build = cargo();
    build.args(["build", "--locked", "--release", "--package", "kapacitor-wasm", "--bin", "kapacitor-wasm"]);
    build
}

fn verify(rest: &[String]) -> Result<(), String> {
    plugins()?;
    say("building host and tests; the first time this takes some minutes, most of them for wasmtime");
    run(cargo().args(["test", "--locked", "--release", "--workspace", "--exclude", "xtask"]).args(rest))
}

/// Builds the plugins, and the guests of the tests.
fn plugins() -> Result<(), String> {
    add_target(TARGET)?;
    say("building the plugins");
    build(&folders(&root().join("plugins"))?)?;
    run(guests()?.args(["--package", "test-guests", "--examples"]))
}

/// A build of guests. The same sources are the same bytes wherever they are built: the states of tasks fit the plugin
/// of a package and one that was built from its sources.
fn guests() -> Result<Command, String> {
    let mut build = cargo();
    build.args(["build", "--locked", "--profile", "plugin", "--target", TARGET]);
    build.args(remap::Folders::find()?.options(TARGET)).env_remove("RUSTFLAGS");
    Ok(build)
}

/// Builds plugins of the repository into `plugins/`.
fn build(names: &[String]) -> Result<(), String> {
    let root = root();
    let mut build = guests()?;
    for name in names {
        build.args(["--package", name]);
    }
    run(&mut build)?;
    let built = target_dir(&root).join(TARGET).join("plugin");
    for name in names {
        copy(&built.join(format!("{name}.wasm")), &root.join("plugins").join(format!("{name}.wasm")))?;
    }
    Ok(())
}

/// Replaces `to` in one step, so that a running host reads either the old file or the new one.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let partial = to.with_extension("partial");
    fs::copy(from, &partial)
        .and_then(|_| fs::rename(&partial, to))
        .map_err(|e| format!("{} can't be copied to {}: {e}", from.display(), to.display()))
}

/// Returns the names of the folders in `folder` that hold a crate, sorted.
fn folders(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter(|entry| entry.path().join("Cargo.toml").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    Ok(names)
}

/// Installs the standard library for `target` where it is missing: rust-toolchain.toml names the targets of the
/// plugins, but rustup may be told to install nothing by itself, and Rust need not come from rustup.
fn add_target(target: &str) -> Result<(), String> {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).args(["--print", "target-libdir", "--target", target]).output();
    let libdir = output.map_err(|e| format!("rustc can't be run: {e}"))?.stdout;
    if Path::new(String::from_utf8_lossy(&libdir).trim()).exists() {
        return Ok(());
    }
    say(&format!("adding the Rust target {target}"));
    run(Command::new("rustup").args(["target", "add", target])).map_err(|e| {
        format!("{e}\nthe Rust target {target} is needed: install it the way Rust was installed here")
    })
}

fn cargo() -> Command {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.current_dir(root());
    cargo
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = format!("{command:?}");
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{shown} ended with {status}")),
        Err(e) => Err(format!("{shown} can't be run: {e}")),
    }
}

fn say(step: &str) {
    eprintln!("==> {step}");
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

fn target_dir(root: &Path) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), |dir| root.join(dir))
}
