//! Tries the packages and the image: `tests/packages/root` installs, upgrades and removes the packages in a copy of this
//! machine's files, and `tests/packages/image` runs the image.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Dist, copy, empty, scratch, skipped, tree};
use crate::{root, run, say, target_dir};

/// Runs a trial in a copy of the machine's files that is thrown away.
const ROOT: &str = "tests/packages/root";
/// Runs the image.
const IMAGE: &str = "tests/packages/image";
/// The version before, of which an upgrade is tried.
const BEFORE: &str = "0.0.1";
/// A plugin that the version before does not have.
const NEW: &str = "zscore.wasm";

impl Dist {
    /// Tries those of the packages, and the image, that are among `parts`.
    pub fn try_out(&self, parts: &[&str]) -> Result<(), String> {
        let formats: Vec<&str> =
            parts.iter().copied().filter(|part| matches!(*part, "deb" | "rpm")).collect();
        let image = super::out().join(self.image_name());
        if formats.is_empty() && !parts.contains(&"image") {
            return Err(
                "`--try` needs one of the parts `deb`, `rpm` and `image`, or no part at all".to_owned()
            );
        }
        if self.is_foreign() {
            skipped("trying what was made: it is for another kind of machine than this one");
            return Ok(());
        }
        // It is not there if what it needs was not there.
        if parts.contains(&"image") && image.exists() {
            say("trying the image");
            let folder = scratch("try");
            empty(&folder)?;
            run(self.command(root().join(IMAGE)).arg(image).arg(folder))?;
        }
        for format in formats {
            let before = self.before(format)?;
            let name =
                if format == "deb" { self.deb_name(self.version) } else { self.rpm_name(self.version) };
            let packages =
                [(format!("before.{format}"), before), (format!("now.{format}"), super::out().join(name))];
            self.trial(&[format], &packages)?;
            // Those that the tests with Kapacitor build.
            let programs = ["kapacitord", "kapacitor"]
                .map(|program| (program.to_owned(), target_dir(&root()).join("kapacitor").join(program)));
            if let Some((program, _)) = programs.iter().find(|(_, path)| !path.exists()) {
                skipped(&format!(
                    "the trial of the .{format} as a service: the tests have built no {program} yet"
                ));
                continue;
            }
            self.trial(&["--boot", "service"], &[packages, programs].concat())?;
        }
        Ok(())
    }

    /// Runs the trial that `which` names, which finds each of `files` under its name.
    fn trial(&self, which: &[&str], files: &[(String, PathBuf)]) -> Result<(), String> {
        say(&format!("trying {}: {}", files[1].0, which.join(" ")));
        let folder = scratch("try");
        empty(&folder)?;
        let mut trial = self.command(root().join(ROOT));
        trial.args(which).arg(folder);
        // The target folder itself may be covered while a package is tried.
        run(trial.args(files.iter().map(|(name, path)| format!("{name}={}", path.display()))))
    }

    /// The package of the version before. It has another udf.toml, and one plugin less.
    fn before(&self, format: &str) -> Result<PathBuf, String> {
        let installed = super::installed();
        let (plugin, configuration) =
            (installed.join(tree::PLUGINS).join(NEW), installed.join("etc/kapacitor-wasm/udf.toml"));
        let kept = scratch(NEW);
        copy(&plugin, &kept)?;
        let text = super::text("udf.toml")?;
        let package = scratch(&format!("before.{format}"));
        remove(&plugin)?;
        let made = super::write(&configuration, format!("{text}# Of the version before.\n").as_bytes())
            .and_then(
                |()| {
                    if format == "deb" { self.deb(&package, BEFORE) } else { self.rpm(&package, BEFORE) }
                },
            );
        // Whatever has come of it, the other artefacts are made of all files.
        copy(&kept, &plugin)?;
        super::write(&configuration, text.as_bytes())?;
        made.map(|()| package)
    }
}

fn remove(path: &Path) -> Result<(), String> {
    fs::remove_file(path).map_err(|e| format!("{}: {e}", path.display()))
}
