//! Files that are no plugins are refused, and a file that was replaced is noticed.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, FlockOperation, Mode, flock, mknodat};

use crate::support::{Host, Setup, mean, moving_avg, play, points, wasm};

fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// Fills the plugins folder with things that are no plugins.
fn odd_things(folder: &Path) {
    for fifo in ["fifo.wasm", "another.wasm"] {
        make_fifo(&folder.join(fifo));
    }
    fs::create_dir(folder.join("dir.wasm")).unwrap();
    // The path of a socket is short.
    drop(UnixListener::bind(folder.join("sock.wasm")));
    for (link, target) in [
        ("kmsg.wasm", "/proc/kmsg"),
        ("mounts.wasm", "/proc/self/mounts"),
        ("zero.wasm", "/dev/zero"),
        ("dangling.wasm", "nowhere"),
        ("circle.wasm", "circle.wasm"),
    ] {
        symlink(target, folder.join(link)).unwrap();
    }
    for name in [&b"\xff.wasm"[..], b"\xfe.wasm", b"esc\x1b[31m.wasm", b"new\nline.wasm"] {
        fs::write(folder.join(OsStr::from_bytes(name)), wasm("mirror")).unwrap();
    }
    fs::write(folder.join("empty.wasm"), "").unwrap();
    fs::write(folder.join("._mirror.wasm"), "resource fork").unwrap();
    fs::write(folder.join("LARGE.WASM"), wasm("mirror")).unwrap();
}

/// What is said of each of the odd things: the file as it is shown, and the reason.
const SENTENCES: [(&str, &str); 14] = [
    ("fifo.wasm", "is a named pipe, not a regular file"),
    ("another.wasm", "is a named pipe, not a regular file"),
    ("dir.wasm", "is a folder, not a regular file"),
    ("sock.wasm", "is a socket, not a regular file"),
    ("mounts.wasm", "is a file of the kernel, not a regular file"),
    ("zero.wasm", "is a device, not a regular file"),
    ("dangling.wasm", "is a symbolic link to a file that does not exist"),
    ("circle.wasm", "is a symbolic link that leads in a circle"),
    ("\\xff.wasm", "has a name that is not UTF-8: rename it"),
    ("\\xfe.wasm", "has a name that is not UTF-8: rename it"),
    ("esc\\u001b[31m.wasm", "has a name that has characters that control a terminal: rename it"),
    ("new\\u000aline.wasm", "has a name that has characters that control a terminal: rename it"),
    ("empty.wasm", "is empty: copy it again"),
    ("kmsg.wasm", "is a file of the kernel"),
];

#[test]
fn odd_files_are_refused_and_stop_nothing() {
    let setup = Setup::new("").with(&["mirror"]);
    odd_things(&setup.folder.path().join("plugins"));
    let (code, stdout, stderr) = setup.run(&["check"]);
    assert_eq!(code, 1);
    let mut host = setup.serve();
    for (file, sentence) in SENTENCES {
        // Only root may open it.
        if file == "kmsg.wasm" && fs::File::open("/proc/kmsg").is_err() {
            continue;
        }
        let shown = format!("{file}: {sentence}");
        assert!(
            stdout.lines().any(|line| line.starts_with("error: ") && line.contains(&shown)),
            "{shown}\n{stdout}"
        );
        // The log escapes the backslashes.
        host.wait_for_log(&["plugin refused", &shown.replace('\\', "\\\\")]);
    }
    for (file, sentence) in [("._mirror.wasm", "is hidden"), ("LARGE.WASM", "in small letters")] {
        host.wait_for_log(&["not a plugin", file, sentence]);
        assert!(stdout.lines().any(|line| line.contains(file) && line.contains(sentence)), "{stdout}");
    }
    assert!(!stdout.contains('\x1b') && !stderr.contains('\x1b'), "{stdout:?} {stderr:?}");
    assert_eq!(play(host.start("mirror", &[]), points(3)).len(), 3);
    // What comes while the host runs holds up nothing either.
    make_fifo(&host.setup.plugin("later"));
    host.wait_for_log(&["plugin refused", "plugin=later", "is a named pipe"]);
    host.setup.add("mirror", "after");
    host.wait_for_log(&["plugin loaded", "plugin=after"]);
    assert_eq!(host.stop(), Some(0));
}

#[test]
fn file_that_cannot_be_read_is_tried_again() {
    let setup = Setup::new("").with(&["mirror", "moving_avg"]);
    if fs::metadata("/proc/self").is_ok_and(|_| rustix::process::geteuid().is_root()) {
        println!("skipped: root may read any file");
        return;
    }
    let path = setup.plugin("moving_avg");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    let host = setup.serve();
    host.wait_for_log(&[
        "plugin=moving_avg",
        "it is tried again",
        "let the user that the host runs as read it",
    ]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    host.wait_for_log(&["plugin loaded", "plugin=moving_avg"]);
}

#[test]
fn dangling_link_works_once_its_target_is_there() {
    let setup = Setup::new("").with(&["mirror"]);
    let target = setup.folder.path().join("target");
    symlink(&target, setup.plugin("linked")).unwrap();
    let host = setup.serve();
    host.wait_for_log(&["plugin refused", "plugin=linked", "does not exist"]);
    fs::write(&target, wasm("mirror")).unwrap();
    host.wait_for_log(&["plugin loaded", "plugin=linked"]);
    assert_eq!(play(host.start("linked", &[]), points(3)).len(), 3);
}

/// `fragile` with another byte in a section that nobody reads.
fn variant(byte: u8) -> Vec<u8> {
    let mut bytes = wasm("fragile");
    bytes.extend([0, 6, 4, b'n', b'o', b't', b'e', byte]);
    bytes
}

#[test]
fn file_of_the_same_size_and_time_is_noticed_by_its_contents() {
    let setup = Setup::new("");
    let path = setup.plugin("fragile");
    fs::write(&path, variant(0)).unwrap();
    let modified = SystemTime::now() - Duration::from_secs(3600);
    let set_time = || fs::File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
    set_time();
    let host = setup.serve();
    for version in 1..=3 {
        // In place, as by a reproducible build and `cp -p`; at once, so that even the time of change may be the same.
        fs::write(&path, variant(version)).unwrap();
        set_time();
        host.wait_for_logs(&["plugin has a new version"], usize::from(version));
    }
    // The same contents with another time are no new version.
    fs::write(&path, variant(3)).unwrap();
    host.setup.add("mirror", "mirror");
    host.wait_for_log(&["plugin loaded", "plugin=mirror"]);
    assert_eq!(host.count_logs(&["plugin has a new version"]), 3);
}

#[test]
fn file_that_is_still_being_copied_is_taken_when_it_is_whole() {
    let host = Host::with(&["mirror"]);
    let (bytes, path) = (wasm("moving_avg"), host.setup.plugin("moving_avg"));
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    host.wait_for_log(&["plugin refused", "plugin=moving_avg"]);
    fs::write(&path, &bytes).unwrap();
    host.wait_for_log(&["plugin loaded", "plugin=moving_avg"]);
    // Half of a new version leaves the old one in place.
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    host.wait_for_log(&["the version that was loaded before goes on", "plugin=moving_avg"]);
    assert!(host.connect("mirror").init("task", Vec::new()).unwrap().success);
}

/// A host whose task has written a checkpoint, and the folder of its state.
fn stateful() -> (Host, PathBuf) {
    let host = Setup::new("[state]\ncheckpoint-interval = \"20ms\"\n").with(&["moving_avg"]).serve();
    let state = host.setup.folder.path().join("state");
    let mut client = host.start("moving_avg", &moving_avg(10));
    mean(&mut client, 2.0);
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["checkpoint written"]);
    (host, state)
}

#[test]
fn odd_file_in_the_place_of_a_lock_is_named_and_holds_up_nothing() {
    let (mut host, state) = stateful();
    let lock = state.join("checkpoints/.lock");
    fs::remove_file(&lock).unwrap();
    make_fifo(&lock);
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 4.0), 3.0);
    host.wait_for_log(&["lvl=warn", "checkpoints can't be written", "checkpoints/.lock", "is a named pipe"]);
    let (code, _, stderr) = host.setup.run(&["state", "drop", "task"]);
    assert!(code == 1 && stderr.contains("is a named pipe"), "{stderr}");
    // The state is written as soon as the lock can be had.
    fs::remove_file(&lock).unwrap();
    host.wait_for_log(&["checkpoints are written again"]);
    host.kill();
    host.serve_again();
    assert_eq!(mean(&mut host.start("moving_avg", &moving_avg(10)), 6.0), 4.0);
}

#[test]
fn lock_that_is_a_link_leaves_its_target_alone() {
    let (mut host, state) = stateful();
    assert_eq!(host.stop(), Some(0));
    let precious = host.setup.folder.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    for lock in ["lock", "checkpoints/.lock"] {
        fs::remove_file(state.join(lock)).unwrap();
    }
    symlink(&precious, state.join("lock")).unwrap();
    fs::hard_link(&precious, state.join("checkpoints/.lock")).unwrap();
    host.serve_again();
    host.wait_for_log(&["state folder is not locked", "is a symbolic link"]);
    mean(&mut host.start("moving_avg", &moving_avg(10)), 4.0);
    host.wait_for_log(&["checkpoints can't be written", "is a file with a second name"]);
    assert_eq!(fs::read(&precious).unwrap(), b"precious");
}

#[test]
fn locks_are_for_the_user_of_the_host_only() {
    let (mut host, state) = stateful();
    let locks = [state.join("lock"), state.join("checkpoints/.lock")];
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    locks.iter().for_each(|lock| assert_eq!(mode(lock), 0o600, "{}", lock.display()));
    assert_eq!(mode(&state.join("checkpoints")), 0o700);
    // Those of an older host are made so.
    assert_eq!(host.stop(), Some(0));
    locks.iter().for_each(|lock| fs::set_permissions(lock, fs::Permissions::from_mode(0o644)).unwrap());
    host.serve_again();
    mean(&mut host.start("moving_avg", &moving_avg(10)), 4.0);
    host.wait_for_log(&["checkpoint written"]);
    locks.iter().for_each(|lock| assert_eq!(mode(lock), 0o600, "{}", lock.display()));
}

#[test]
fn lock_that_another_process_keeps_is_said() {
    let (host, state) = stateful();
    let other = fs::File::open(state.join("checkpoints/.lock")).unwrap();
    flock(&other, FlockOperation::LockExclusive).unwrap();
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 4.0), 3.0);
    host.wait_for_log(&["lvl=warn", "checkpoints can't be written", "another process has had the lock"]);
    drop(other);
    host.wait_for_log(&["checkpoints are written again"]);
}

/// The checkpoint in the folder `state`.
fn checkpoint(state: &Path) -> PathBuf {
    let mut files = fs::read_dir(state.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path());
    files.find(|file| file.extension().is_some_and(|e| e == "snapshot")).unwrap()
}

#[test]
fn checkpoint_that_is_larger_than_any_state_of_the_plugin_is_not_read() {
    let (mut host, state) = stateful();
    assert_eq!(host.stop(), Some(0));
    fs::File::options().write(true).open(checkpoint(&state)).unwrap().set_len(4 << 30).unwrap();
    host.serve_again();
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 4.0), 4.0);
    host.wait_for_log(&["lvl=warn", "checkpoint can't be read", "is larger than 73MiB"]);
    host.wait_for_log(&["could not be read when the task began was set aside"]);
    let status = fs::read_to_string(host.proc("status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    assert!(peak < 200 << 10, "{peak} kB");
}

#[test]
fn checkpoint_that_is_a_circular_link_is_moved_away() {
    let (mut host, state) = stateful();
    assert_eq!(host.stop(), Some(0));
    let checkpoint = checkpoint(&state);
    fs::remove_file(&checkpoint).unwrap();
    symlink(&checkpoint, &checkpoint).unwrap();
    host.serve_again();
    let mut client = host.start("moving_avg", &moving_avg(10));
    assert_eq!(mean(&mut client, 4.0), 4.0);
    assert_eq!(play(client, []), []);
    host.wait_for_log(&["checkpoint written"]);
    assert_eq!(mean(&mut host.start("moving_avg", &moving_avg(10)), 6.0), 5.0);
}
