//! `cargo xtask fuzz`: the fuzz targets for a short time, on stable Rust and without cargo-fuzz.

use std::env;
use std::fs;
use std::process::{Command, ExitCode};

use crate::{cargo, root, run, say, target_dir};

/// Environment variable that is set when Cargo calls this program in place of rustc.
pub const WRAPPER: &str = "KAPACITOR_WASM_FUZZ_RUSTC";

/// Fuzz targets, in `fuzz/targets`.
const TARGETS: [&str; 6] = ["kapacitor_frames", "guard", "snapshot", "admission", "udf_toml", "kapacitor_db"];

/// Default time for each target, in seconds.
const SECONDS: u64 = 15;

/// Flags of `cargo fuzz build --sanitizer none`. Cargo does not see them: when they change, remove
/// everything that was built with the old ones.
const FLAGS: [&str; 8] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// Crates that are instrumented in addition to the targets, because they read untrusted bytes. The others,
/// wasmtime above all, would take longer to build and lead the fuzzer away from the host.
const INSTRUMENTED: [&str; 7] =
    ["bytesize", "globset", "humantime", "kapacitor_wasm", "toml", "toml_parser", "wasmtime_wizer"];

/// Builds all targets, and runs the one that `args` name, or all.
pub fn fuzz(args: &[String]) -> Result<(), String> {
    let (only, seconds) = parse(args)?;
    let root = root();
    let triple = host_triple()?;
    let built = target_dir(&root).join("fuzz");
    say("building the fuzz targets; the first time this takes some minutes, most of them for wasmtime");
    let myself = env::current_exe().map_err(|e| format!("this program can't be found: {e}"))?;
    run(cargo()
        .args(["build", "--release", "--locked", "--bins", "--manifest-path", "fuzz/Cargo.toml"])
        // With a target, build scripts and macros are compiled without the flags.
        .args(["--target", &triple, "--target-dir"])
        .arg(&built)
        .env("RUSTC_WRAPPER", myself)
        .env(WRAPPER, "1"))?;

    for target in TARGETS.into_iter().filter(|target| only.is_none_or(|only| only == *target)) {
        say(&format!("fuzzing {target} for {seconds} seconds"));
        // New inputs go to a folder beside the binaries, so that each run begins with the same seeds.
        let corpus = built.join("corpus").join(target);
        let artifacts = root.join("fuzz/artifacts").join(target);
        let _ = fs::remove_dir_all(&corpus);
        for folder in [&corpus, &artifacts] {
            fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
        run(Command::new(built.join(&triple).join("release").join(target))
            .arg(corpus)
            .arg(root.join("fuzz/seeds").join(target))
            .args(["-seed=1", "-rss_limit_mb=2048", "-timeout=10", "-print_final_stats=1"])
            .arg(format!("-max_total_time={seconds}"))
            .arg(format!("-artifact_prefix={}/", artifacts.display())))
        .map_err(|e| {
            format!("{e}\n{target} found something: see fuzz/README.md, and fuzz/artifacts/{target}")
        })?;
    }
    Ok(())
}

fn parse(args: &[String]) -> Result<(Option<&str>, u64), String> {
    let mut only = None;
    let mut seconds = SECONDS;
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        if arg == "--seconds" {
            let number = args.next().and_then(|text| text.parse().ok()).filter(|number| *number > 0);
            // libFuzzer takes zero for no limit.
            seconds = number.ok_or("--seconds needs a number of at least 1")?;
        } else if TARGETS.contains(&arg.as_str()) {
            only = Some(arg.as_str());
        } else {
            return Err(format!("there is no fuzz target `{arg}`; there are: {}", TARGETS.join(", ")));
        }
    }
    Ok((only, seconds))
}

/// Returns the target that Cargo builds for by default.
fn host_triple() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or("rustc".into());
    let output = Command::new(rustc).arg("-vV").output().map_err(|e| format!("rustc can't be run: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "`rustc -vV` does not name its host".to_owned())
}

/// Runs rustc, with instrumentation for the crates that need it.
pub fn rustc() -> ExitCode {
    let mut args = env::args_os().skip(1);
    let Some(rustc) = args.next() else { return ExitCode::FAILURE };
    let args: Vec<_> = args.collect();
    let after = |flag: &str| {
        let at = args.iter().position(|arg| arg == flag)?;
        args.get(at + 1)?.to_str()
    };
    let mut command = Command::new(rustc);
    command.args(&args);
    let wanted = |name| INSTRUMENTED.contains(&name) || TARGETS.contains(&name);
    if after("--target").is_some() && after("--crate-name").is_some_and(wanted) {
        command.args(FLAGS);
    }
    match command.status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
