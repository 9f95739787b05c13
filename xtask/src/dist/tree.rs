//! The files as they are installed. The packages, the archive and the image take theirs from here.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{Dist, copy, empty, licences, output, scratch, text, write};
use crate::{TARGET, add_target, build, folders, root, run, say};

/// Where the plugins are installed.
pub const PLUGINS: &str = "usr/lib/kapacitor-wasm/plugins";
/// What an operator may copy from.
const SHARE: &str = "usr/share/kapacitor-wasm";
/// Licences and documents.
pub const DOC: &str = "usr/share/doc/kapacitor-wasm";

/// Where each shell looks for completion scripts. Debian and Red Hat agree for all but zsh, so that there is one for
/// each of them.
const COMPLETIONS: [(&str, &str); 4] = [
    ("bash", "usr/share/bash-completion/completions/kapacitor-wasm"),
    ("fish", "usr/share/fish/vendor_completions.d/kapacitor-wasm.fish"),
    ("zsh", "usr/share/zsh/vendor-completions/_kapacitor-wasm"),
    ("zsh", "usr/share/zsh/site-functions/_kapacitor-wasm"),
];

impl Dist {
    /// Lays out all files below [`super::installed`].
    pub fn tree(&self) -> Result<(), String> {
        let tree = super::installed();
        empty(&tree)?;
        let binary = self.binary()?;
        copy(&binary, &tree.join("usr/bin/kapacitor-wasm"))?;
        plugins(&tree.join(PLUGINS))?;
        copy(&root().join("udf.toml"), &tree.join("etc/kapacitor-wasm/udf.toml"))?;
        write(&tree.join("usr/lib/systemd/system/kapacitor-wasm.service"), unit()?.as_bytes())?;
        for (shell, path) in COMPLETIONS {
            let script = output(self.runs(&binary)?.args(["completions", shell]))?;
            write(&tree.join(path), &script)?;
        }
        self.man_pages(&binary, &tree.join("usr/share/man/man1"))?;
        share(&tree.join(SHARE))?;
        self.documents(&tree.join(DOC))?;
        // Whatever the umask here is, everybody may read the files.
        let modes = "u=rwX,go=rX";
        run(self.command("chmod").args(["--recursive", modes]).arg(&tree))?;
        run(self.command("chmod").arg("755").arg(tree.join("usr/bin/kapacitor-wasm")))
    }

    fn man_pages(&self, binary: &Path, to: &Path) -> Result<(), String> {
        let pages = scratch("man");
        empty(&pages)?;
        run(self.runs(binary)?.arg("man").arg(&pages))?;
        for name in super::files(&pages)? {
            self.packed(&pages.join(&name), &to.join(format!("{name}.gz")))?;
        }
        Ok(())
    }

    /// Writes `from` as a gzip file.
    fn packed(&self, from: &Path, to: &Path) -> Result<(), String> {
        write(to, &output(self.command("gzip").args(["--best", "--no-name", "--stdout"]).arg(from))?)
    }

    fn documents(&self, to: &Path) -> Result<(), String> {
        for name in ["README.md", "SECURITY.md"] {
            copy(&root().join(name), &to.join(name))?;
        }
        for name in super::files(&root().join("docs"))? {
            copy(&root().join("docs").join(&name), &to.join(&name))?;
        }
        self.packed(&root().join("CHANGELOG.md"), &to.join("changelog.gz"))?;
        let debian = scratch("changelog.Debian");
        write(&debian, self.debian_changelog()?.as_bytes())?;
        self.packed(&debian, &to.join("changelog.Debian.gz"))?;
        write(&to.join("copyright"), licences::copyright()?.as_bytes())?;
        let dependencies = scratch("licences-of-dependencies.txt");
        write(&dependencies, licences::licences(self.target)?.as_bytes())?;
        self.packed(&dependencies, &to.join("licences-of-dependencies.txt.gz"))?;
        self.packed(&licences::of_rust()?, &to.join("licences-of-rust.html.gz"))
    }

    /// Debian's changelog, which refers to the one of the project: the package has no changes of its own.
    fn debian_changelog(&self) -> Result<String, String> {
        let date = output(Command::new("date").args([
            "--utc",
            "--rfc-email",
            "--date",
            &format!("@{}", self.epoch),
        ]))?;
        let date = String::from_utf8_lossy(&date).trim().to_owned();
        Ok(format!(
            "kapacitor-wasm ({}-1) unstable; urgency=medium\n\n  * See changelog.gz.\n\n -- {}  {date}\n",
            self.version,
            maintainer()?
        ))
    }
}

/// Builds the plugins, and copies them into the folder `to`.
fn plugins(to: &Path) -> Result<(), String> {
    add_target(TARGET)?;
    say("building the plugins");
    let built = root().join("plugins");
    let names = folders(&built)?;
    build(&names)?;
    for name in names.iter().map(|name| format!("{name}.wasm")) {
        copy(&built.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// The unit of packaging/, for a binary that a package has installed.
fn unit() -> Result<String, String> {
    let unit = text("packaging/kapacitor-wasm.service")?;
    let (local, installed) = ("ExecStart=/usr/local/bin/", "ExecStart=/usr/bin/");
    // How to install it by hand.
    let unit: Vec<&str> = unit.lines().skip_while(|line| line.starts_with('#')).collect();
    let unit = unit.join("\n") + "\n";
    if !unit.contains(local) {
        return Err(format!("packaging/kapacitor-wasm.service has no `{local}`"));
    }
    Ok(unit.replace(local, installed))
}

/// The drop-in, and what watches and runs the host. Tests of these stay in the repository.
fn share(to: &Path) -> Result<(), String> {
    for name in [
        "kapacitor.service.d/kapacitor-wasm.conf",
        "alerts.yml",
        "grafana.json",
        "compose.yaml",
        "kubernetes.yaml",
    ] {
        copy(&root().join("packaging").join(name), &to.join(name))?;
    }
    let scripts = root().join("packaging/watch");
    for name in super::files(&scripts)? {
        if Path::new(&name).extension().is_some_and(|extension| extension == "tick") {
            copy(&scripts.join(&name), &to.join("watch").join(&name))?;
        }
    }
    Ok(())
}

/// Who answers for the package, as Cargo.toml says.
fn maintainer() -> Result<String, String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).map_err(|e| format!("Cargo.toml: {e}"))?;
    let line = manifest.lines().find_map(|line| line.strip_prefix("maintainer = "));
    Ok(line.ok_or("Cargo.toml names no maintainer of the package")?.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_name_the_folder_of_the_plugins() {
        for manifest in ["kubernetes.yaml", "kubernetes/flink.yaml"] {
            let text = fs::read_to_string(root().join("packaging").join(manifest)).unwrap();
            assert!(text.contains(&format!("plugins-dir = \"/{PLUGINS}\"")), "{manifest}");
        }
    }
}
