//! Projects that `new` makes: each is built, tested and played to with the commands of its own README.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::support::BINARY;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Runs `new` in a folder; returns its exit code, stdout and stderr.
fn new(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(BINARY);
    let output = command.arg("new").args(args).current_dir(folder).stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs a command as it is in a README, without a network; returns its output.
///
/// All projects share a target folder in the repository's, so that the SDK is built once.
fn shell(project: &Path, command: &str) -> String {
    let programs = [Path::new(BINARY).parent().unwrap().to_owned()];
    let path = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths(programs.into_iter().chain(std::env::split_paths(&path))).unwrap();
    let output = Command::new("sh")
        .args(["-c", command])
        .current_dir(project)
        .env("PATH", path)
        .env("CARGO_NET_OFFLINE", "true")
        // What belongs to the build of this test.
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("CARGO_INCREMENTAL")
        .env_remove("RUSTFLAGS")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command}\n{stdout}\n{stderr}");
    assert!(!stderr.contains("warning:"), "{command}\n{stderr}");
    stdout + &stderr
}

/// The commands in the `console` blocks of a text.
fn commands(text: &str) -> Vec<&str> {
    let blocks = text.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(str::lines).filter_map(|line| line.strip_prefix("$ ")).collect()
}

/// Makes a project with the SDK of the repository, and its crates as the repository has locked them.
fn project(name: &str, kind: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let sdk = format!("{ROOT}/guest-sdk/rust");
    let (code, stdout, stderr) = new(folder.path(), &[name, kind, "--sdk", &sdk]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let project = folder.path().join(name);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new");
    fs::create_dir_all(&target).unwrap();
    symlink(target, project.join("target")).unwrap();
    fs::copy(format!("{ROOT}/Cargo.lock"), project.join("Cargo.lock")).unwrap();
    // What is printed is what the README says.
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let one_line = stdout.replace(" \\\n    ", " ");
    for command in commands(&readme) {
        assert!(one_line.lines().any(|line| line.trim() == command), "{command}\n{stdout}");
    }
    (folder, project)
}

fn commands_of_the_readme_work(name: &str, kind: &str) {
    let (_folder, project) = project(name, kind);
    let readme = fs::read_to_string(project.join("README.md")).unwrap();
    let commands = commands(&readme);
    assert_eq!(commands.len(), 4, "{readme}");
    let outputs: Vec<String> = commands.iter().map(|command| shell(&project, command)).collect();
    assert!(outputs[1].contains("4 passed; 0 failed"), "{}", outputs[1]);
    assert!(outputs[2].contains("3 passed, 0 failed"), "{}", outputs[2]);
    let proofs = ["interrupted ", "recovered from "];
    assert!(
        proofs.iter().all(|proof| outputs[2].contains(proof)),
        "the cases prove too little: {}",
        outputs[2]
    );
    // The recording leads to something.
    let row =
        |name: &str| outputs[3].lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_ne!(row("points out"), "0", "{}", outputs[3]);
    assert!(fs::read_to_string(project.join("report.html")).unwrap().contains("</svg>"));
    shell(&project, "cargo fmt --check");
}

// The type's name is as long as in the template, so that the code is formatted.
#[test]
fn stream_project_does_what_its_readme_says() {
    commands_of_the_readme_work("sudden_jump", "--stream");
}

#[test]
fn batch_project_does_what_its_readme_says() {
    commands_of_the_readme_work("batch_means", "--batch");
}

#[test]
fn project_is_made_as_flags_say() {
    let folder = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = new(folder.path(), &["moving_avg", "--batch", "--dir", "a/b"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("cd a/b\n"), "{stdout}");
    let read = |file: &str| fs::read_to_string(folder.path().join("a/b").join(file)).unwrap();
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    assert_eq!(manifest["package"]["name"].as_str(), Some("moving_avg"));
    assert_eq!(manifest["dependencies"]["kapacitor-guest"].as_str(), Some(env!("CARGO_PKG_VERSION")));
    assert!(read("src/lib.rs").contains("register!(MovingAvg);"));
    assert!(read("moving_avg.tick").contains("@moving_avg()"));
}

#[test]
fn what_can_not_be_made_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |args: &[&str], part: &str| {
        let (code, stdout, stderr) = new(folder.path(), args);
        assert_eq!((code, stdout.as_str()), (1, ""), "{args:?}");
        assert!(stderr.lines().count() == 1 && stderr.contains(part), "{args:?}: {stderr}");
    };
    refused(&["1a", "--stream"], "`1a`: a TICKscript could not call it");
    refused(&["var", "--stream"], "no word of TICKscript such as `var`");
    refused(&["above", "--stream", "--sdk", ROOT], "name the folder guest-sdk/rust");
    refused(&["above", "--stream", "--sdk", "/nowhere"], "/nowhere/Cargo.toml can't be read");
    assert!(!folder.path().join("above").exists());
    fs::create_dir(folder.path().join("above")).unwrap();
    refused(&["above", "--stream"], "above: it is there already: choose another folder with --dir");
    for kinds in [&[][..], &["--stream", "--batch"]] {
        assert_eq!(new(folder.path(), &[&["other"], kinds].concat()).0, 2);
    }
}
