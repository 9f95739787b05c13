//! Machine code on disk is checked before it is loaded.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use kapacitor_wasm::protocol::RequestMessage;

use crate::support::{Host, Setup, compile_bomb, play, point, wasm};

/// Number of plugins that differ only in their file, and so in their machine code's file.
const PLUGINS: usize = 20;

/// Copies of `mirror`, each with another custom section.
fn copies() -> Setup {
    let setup = Setup::new("");
    for index in 0..PLUGINS {
        let mut file = wasm("mirror");
        file.extend([0, 2, 1, b'a' + index as u8]);
        fs::write(setup.plugin(&format!("copy{index}")), file).unwrap();
    }
    setup
}

/// The files of machine code.
fn entries(setup: &Setup) -> Vec<PathBuf> {
    let folder = fs::read_dir(setup.folder.path().join("state/compiled")).unwrap();
    let mut entries: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn assert_mirrors(host: &Host, function: &str) {
    let answers = play(host.start(function, &[]), [RequestMessage::Point(point("a", 1, 1.0))]);
    assert_eq!(answers.len(), 1, "{}", host.log());
}

/// A sequence of numbers without a visible pattern, the same in each run: Knuth's MMIX.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Damages files of machine code for `CODE_CACHE_SECONDS` (10 if it is not set). In five minutes there are about
/// a thousand of them.
#[test]
fn damaged_machine_code_is_always_compiled_again() {
    let seconds = std::env::var("CODE_CACHE_SECONDS").map_or(10, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + Duration::from_secs(seconds);
    let mut host = copies().serve();
    // What was compiled is stored beside loading it.
    let patience = Instant::now() + Duration::from_secs(30);
    while entries(&host.setup).len() != PLUGINS {
        assert!(Instant::now() < patience, "{} files: {}", entries(&host.setup).len(), host.log());
        std::thread::sleep(Duration::from_millis(5));
    }
    let (mut numbers, mut damaged) = (Numbers(1), 0);
    while Instant::now() < end {
        assert_eq!(host.stop(), Some(0), "{}", host.log());
        let entries = entries(&host.setup);
        let whole: Vec<Vec<u8>> = entries.iter().map(|entry| fs::read(entry).unwrap()).collect();
        for (index, entry) in entries.iter().enumerate() {
            let mut code = whole[index].clone();
            match index {
                0 => code.clear(),
                1 => code.truncate(numbers.below(code.len())),
                2 => code.push(0),
                3 => code.clone_from(&whole[4]),
                4 => code.fill(0),
                _ => code[numbers.below(whole[index].len())] ^= 1 << numbers.below(8),
            }
            fs::write(entry, code).unwrap();
        }
        host.serve_again();
        damaged += PLUGINS;
        let again = ["stored machine code is not used, the plugin is compiled again"];
        assert_eq!(host.count_logs(&again), PLUGINS, "{}", host.log());
        assert_eq!(host.count_logs(&["plugin loaded"]), PLUGINS, "{}", host.log());
        assert_mirrors(&host, &format!("copy{}", numbers.below(PLUGINS)));
        for (entry, whole) in entries.iter().zip(&whole) {
            assert_eq!(fs::read(entry).unwrap(), *whole, "the machine code is made anew as it was");
        }
    }
    println!("{damaged} damaged files");
}

#[test]
fn what_is_no_file_of_machine_code_is_not_read() {
    let mut host = Setup::new("").with(&["mirror"]).serve();
    host.stop();
    let entry = entries(&host.setup).pop().unwrap();
    fs::remove_file(&entry).unwrap();
    assert!(Command::new("mkfifo").arg(&entry).status().unwrap().success());
    host.serve_again();
    host.wait_for_log(&["stored machine code is not used", "is a named pipe, not a regular file"]);
    assert_mirrors(&host, "mirror");
}

#[test]
fn host_never_compiles_what_its_compiler_could_not() {
    for memory in ["10KiB", "1MiB", "10MiB"] {
        let setup = Setup::new(&format!("[host]\ncompile-memory = \"{memory}\"\n")).with(&["mirror"]);
        let (code, stdout, _) = setup.run(&["check"]);
        let expected = format!("host.compile-memory = {memory}");
        let refused = stdout.lines().any(|line| line.starts_with("error: ") && line.contains(&expected));
        assert!(code == 1 && refused, "{stdout}");
    }
}

#[test]
fn compiler_that_ends_without_a_reply_is_a_refusal_that_says_how() {
    let host = Setup::new("").with(&["mirror"]).with_wat("bomb", &compile_bomb()).begin_to_serve();
    host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
    while host.count_logs(&["plugin refused"]) == 0 {
        for child in host.children() {
            Command::new("kill").args(["-9", &child.to_string()]).status().unwrap();
        }
    }
    let ended = "the process that compiles it ended with signal: 9 (SIGKILL)";
    host.wait_for_log(&["plugin refused", "plugin=bomb", ended, "host.compile-memory = 4GiB"]);
}

#[test]
fn machine_code_needs_no_folder_that_lasts() {
    let setup = Setup::new("").with(&["mirror"]);
    let state = setup.folder.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::write(state.join("compiled"), "").unwrap();
    let host = setup.serve();
    host.wait_for_log(&["lvl=warn", "machine code is not kept for the next start"]);
    assert_mirrors(&host, "mirror");
}

#[test]
fn folder_for_handing_over_machine_code_is_private_and_goes_away() {
    let setup = Setup::new("").with(&["mirror"]);
    let temporary = setup.folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut serve = setup.command(&["serve"]).env("TMPDIR", &temporary).spawn().unwrap();
    let folder = loop {
        if let Some(folder) = fs::read_dir(&temporary).unwrap().next() {
            break folder.unwrap().path();
        }
    };
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    // It stops while it starts, too.
    while !setup.folder.path().join("run/mirror.sock").exists() {}
    Command::new("kill").arg(serve.id().to_string()).status().unwrap();
    assert_eq!(serve.wait().unwrap().code(), Some(0));
    assert_eq!(fs::read_dir(&temporary).unwrap().count(), 0);
}

#[test]
fn folder_of_a_process_that_was_killed_is_deleted_at_the_next_start_of_another() {
    let setup = Setup::new("").with(&["mirror"]);
    let temporary = setup.folder.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut host = setup.env("TMPDIR", temporary.clone()).serve();
    let folders =
        || -> Vec<_> { fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name()).collect() };
    let of_host = folders();
    assert_eq!(of_host.len(), 1);
    // Another process leaves the folder of a host that runs.
    assert_eq!(host.setup.run(&["check"]).0, 0);
    assert_eq!(folders(), of_host);
    host.kill();
    assert_eq!(folders(), of_host);
    host.serve_again();
    let of_next = folders();
    assert!(of_next.len() == 1 && of_next != of_host, "{of_next:?}");
    assert_mirrors(&host, "mirror");
    host.kill();
    assert_eq!(host.setup.run(&["check"]).0, 0);
    assert_eq!(folders().len(), 0);
}
