//! `cargo xtask dist`: makes what is handed out, in `target/dist`; docs/packages.md describes it.
//!
//! The way: `build` compiles, `tree` lays out the files as they are installed, and `packages`, `image` and `sbom` make
//! one artefact each of them. `trials` tries what was made. The tools that do so are pinned in `tools`. Every artefact is the same bytes for the same
//! sources: `twice` proves it.

use std::env::{self, consts};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{root, say, target_dir};

mod build;
mod image;
mod licences;
mod manifests;
mod packages;
mod sbom;
mod tools;
mod tree;
mod trials;
mod twice;

const USAGE: &str = "usage: cargo xtask dist [PART]... [--target TARGET] [--binary FILE] [--try] [--twice]

  Makes the artefacts in target/dist, and their SHA256SUMS. A PART is one of
    binary     a .tar.gz with the static binary, the plugins and all files that belong to them
    deb, rpm   packages for Debian and for Red Hat, and what is derived from them
    image      an OCI image, which `docker load` reads
    sbom       what the binary is made of, as CycloneDX
    manifests  checks packaging/compose.yaml and packaging/kubernetes.yaml
  and all of them without any.

  --target TARGET
           make everything for x86_64-unknown-linux-musl or aarch64-unknown-linux-musl rather than for this machine
  --binary FILE
           package FILE rather than build a static binary, such as target/release/kapacitor-wasm: to check the packaging
  --try    install, upgrade and remove the packages in a throwaway copy of this machine's files, also with a systemd and a
           Kapacitor that run there, and run the image with podman; needs root
  --twice  make everything once more, from a copy of the sources in another folder, and compare the bytes";

/// The parts, in the order in which they are made.
const PARTS: [&str; 6] = ["binary", "deb", "rpm", "image", "sbom", "manifests"];

/// The Rust targets of static binaries, with Debian's and Go's name of the architecture.
const TARGETS: [(&str, &str); 2] =
    [("x86_64-unknown-linux-musl", "amd64"), ("aarch64-unknown-linux-musl", "arm64")];

/// One run of the command.
struct Dist {
    /// The Rust target of the static binary.
    target: &'static str,
    /// Debian's and Go's name of its architecture, such as `amd64`.
    architecture: &'static str,
    /// Version of the workspace, such as `0.1.0`.
    version: &'static str,
    /// Time of every file in an artefact, in seconds since 1970: that of the last commit.
    epoch: String,
    /// The binary to package, if it is not to be built.
    binary: Option<PathBuf>,
}

pub fn dist(rest: &[String]) -> Result<(), String> {
    if consts::OS != "linux" {
        return Err("the artefacts are for Linux, and are made on Linux".to_owned());
    }
    let this = format!("{}-unknown-linux-musl", consts::ARCH);
    let (mut target, mut binary) = (this.as_str(), None);
    let (mut named, mut tried, mut twice) = (Vec::new(), false, false);
    let mut rest = rest.iter().map(String::as_str);
    while let Some(argument) = rest.next() {
        match argument {
            "--try" => tried = true,
            "--twice" => twice = true,
            "--binary" => {
                let file = rest.next().ok_or("--binary needs the name of a file")?;
                let file = fs::canonicalize(file).map_err(|e| format!("--binary {file}: {e}"))?;
                binary = Some(file);
            }
            "--target" => target = rest.next().ok_or("--target needs the name of a Rust target")?,
            part if PARTS.contains(&part) => named.push(part),
            unknown => return Err(format!("`{unknown}` is no part and no option of it\n\n{USAGE}")),
        }
    }
    let parts: Vec<&str> =
        PARTS.into_iter().filter(|part| named.is_empty() || named.contains(part)).collect();
    let known = TARGETS.into_iter().find(|(known, _)| *known == target);
    let (target, architecture) =
        known.ok_or_else(|| format!("there are no packages for {target}\n\n{USAGE}"))?;
    let dist = Dist { target, architecture, version: env!("CARGO_PKG_VERSION"), epoch: epoch()?, binary };
    dist.make(&parts)?;
    if tried {
        dist.try_out(&parts)?;
    }
    if twice {
        twice::twice(&dist, &parts)?;
    }
    Ok(())
}

impl Dist {
    fn make(&self, parts: &[&str]) -> Result<(), String> {
        let artefacts: Vec<&&str> = parts.iter().filter(|part| **part != "manifests").collect();
        if !artefacts.is_empty() {
            empty(&out())?;
        }
        if artefacts.iter().any(|part| **part != "sbom") {
            self.tree()?;
        }
        for part in parts {
            match *part {
                "binary" => self.archive()?,
                "deb" => {
                    let name = self.deb_name(self.version);
                    self.deb(&out().join(&name), self.version)?;
                    self.lint_deb(&name)?;
                }
                "rpm" => self.rpm(&out().join(self.rpm_name(self.version)), self.version)?,
                "image" => self.image()?,
                "sbom" => self.sbom()?,
                _ => manifests::manifests()?,
            }
        }
        if artefacts.is_empty() { Ok(()) } else { self.sums() }
    }

    /// A command that makes the same bytes at any time: it knows the time of the sources instead.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(root()).env("SOURCE_DATE_EPOCH", &self.epoch).env("LC_ALL", "C").env("TZ", "UTC");
        command
    }

    /// The machine that the artefacts are for, as Linux names it, such as `x86_64`.
    fn machine(&self) -> &'static str {
        self.target.split('-').next().unwrap_or_default()
    }

    /// Whether they are for another kind of machine than this one.
    fn is_foreign(&self) -> bool {
        self.machine() != consts::ARCH
    }

    /// Writes the files of `folder` into the archive `to`, in a fixed order, as files of `owner` (`user:group`) that
    /// all have the time of the sources.
    fn tar(&self, folder: &Path, to: &Path, options: &[&str]) -> Result<(), String> {
        let mut tar = self.command("tar");
        tar.args(["--create", "--sort=name", "--format=gnu", "--numeric-owner", "--owner=0", "--group=0"]);
        tar.arg(format!("--mtime=@{}", self.epoch)).args(options);
        tar.arg("--file").arg(to).arg("--directory").arg(folder).arg(".");
        crate::run(&mut tar)
    }

    /// The checksums of all artefacts.
    fn sums(&self) -> Result<(), String> {
        let out = out();
        let names = files(&out)?;
        let output = self.command("sha256sum").current_dir(&out).args(&names).output();
        let output = output.map_err(|e| format!("sha256sum can't be run: {e}"))?;
        if !output.status.success() {
            return Err(format!("sha256sum ended with {}", output.status));
        }
        write(&out.join("SHA256SUMS"), &output.stdout)?;
        for name in names {
            let bytes = fs::metadata(out.join(&name)).map_or(0, |file| file.len());
            println!("{bytes:>10} bytes  target/dist/{name}");
        }
        Ok(())
    }
}

/// The folder of the artefacts.
fn out() -> PathBuf {
    root().join("target/dist")
}

/// The files as they are installed, below the root of a machine. The lists of files in Cargo.toml name this folder.
fn installed() -> PathBuf {
    root().join("target/dist-root")
}

/// The time of the sources in seconds since 1970: `SOURCE_DATE_EPOCH`, or that of the last commit.
fn epoch() -> Result<String, String> {
    if let Ok(epoch) = env::var("SOURCE_DATE_EPOCH") {
        return match epoch.parse::<u32>() {
            Ok(_) => Ok(epoch),
            Err(_) => Err(format!("SOURCE_DATE_EPOCH={epoch} is no number of seconds since 1970")),
        };
    }
    let log = Command::new("git").args(["log", "-1", "--format=%ct"]).current_dir(root()).output();
    let time = log.map(|log| String::from_utf8_lossy(&log.stdout).trim().to_owned()).unwrap_or_default();
    if time.is_empty() {
        return Err(
            "the time of the last commit is not known here: set SOURCE_DATE_EPOCH to the time of the \
                    sources, in seconds since 1970"
                .to_owned(),
        );
    }
    Ok(time)
}

/// Whether a program runs without a dynamic linker, whose path is near the beginning of those that need one.
fn is_static(program: &Path) -> Result<bool, String> {
    let bytes = fs::read(program).map_err(|e| format!("{}: {e}", program.display()))?;
    Ok(!bytes.windows(4).take(4096).any(|part| part == b"/ld-"))
}

/// The names of the files in `folder`, sorted.
fn files(folder: &Path) -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let files = entries.flatten().filter(|entry| entry.path().is_file());
    let mut names: Vec<String> =
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

/// Makes `folder` an empty folder.
fn empty(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| format!("{} can't be emptied: {e}", folder.display()))?;
    }
    fs::create_dir_all(folder).map_err(|e| format!("{} can't be created: {e}", folder.display()))
}

/// Writes a file, and the folders above it.
fn write(path: &Path, contents: &[u8]) -> Result<(), String> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, contents))
        .map_err(|e| format!("{} can't be written: {e}", path.display()))
}

/// Copies a file, and creates the folders above the copy.
fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let bytes = fs::read(from).map_err(|e| format!("{} can't be read: {e}", from.display()))?;
    write(to, &bytes)
}

/// The text of a file of the repository.
fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|e| format!("{path}: {e}"))
}

/// What `command` prints.
fn output(command: &mut Command) -> Result<Vec<u8>, String> {
    let shown = format!("{command:?}");
    let output = command.output().map_err(|e| format!("{shown} can't be run: {e}"))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(format!("{shown} ended with {}: {said}", output.status))
    }
}

/// The folder in which something is built that is no artefact.
fn scratch(name: &str) -> PathBuf {
    target_dir(&root()).join("dist-build").join(name)
}

/// Says what is left out on this machine, and why.
fn skipped(what: &str) {
    say(&format!("skipped: {what}"));
}
