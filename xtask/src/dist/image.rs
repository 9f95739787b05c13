//! The container image: nothing but the host, its plugins and its configuration.

use std::fs;
use std::path::PathBuf;

use super::{Dist, copy, empty, is_static, scratch, skipped, text, tools, tree, write};
use crate::{run, say};

/// The program that puts the layer into an image, and its Go module.
const MODULE: &str = "packaging/image";

/// User and group of the process in the image, who own its folders. No machine has them by itself.
pub const OWNER: &str = "10001";

impl Dist {
    pub fn image(&self) -> Result<(), String> {
        if !tools::is_there("go") {
            skipped("the image: Go is not installed, with which the program that makes it is built");
            return Ok(());
        }
        if !is_static(&super::installed().join("usr/bin/kapacitor-wasm"))? {
            skipped("the image: it has no C library, which the binary of --binary needs");
            return Ok(());
        }
        let name = self.image_name();
        say(&format!("making {name}"));
        let layer = self.layer()?;
        let program = tools::go(MODULE, &["."])?.join("image");
        let layout = scratch("layout");
        empty(&layout)?;
        let mut image = self.command(program);
        image.args(["--version", self.version, "--architecture", self.architecture, "--user", OWNER]);
        image.arg("--layer").arg(layer).arg("--output").arg(&layout);
        run(&mut image)?;
        self.tar(&layout, &super::out().join(name), &[])
    }

    pub fn image_name(&self) -> String {
        format!("kapacitor-wasm-{}-{}.image.tar", self.version, self.architecture)
    }

    /// The files of the image.
    fn layer(&self) -> Result<PathBuf, String> {
        let (tree, files) = (super::installed(), scratch("layer"));
        empty(&files)?;
        copy(&tree.join("usr/bin/kapacitor-wasm"), &files.join("usr/bin/kapacitor-wasm"))?;
        for name in ["copyright", "licences-of-dependencies.txt.gz", "licences-of-rust.html.gz"] {
            copy(&tree.join(tree::DOC).join(name), &files.join(tree::DOC).join(name))?;
        }
        for name in super::files(&tree.join(tree::PLUGINS))? {
            copy(&tree.join(tree::PLUGINS).join(&name), &files.join(tree::PLUGINS).join(&name))?;
        }
        write(&files.join("etc/kapacitor-wasm/udf.toml"), configuration()?.as_bytes())?;
        let user = format!("kapacitor-wasm:x:{OWNER}:{OWNER}::/var/lib/kapacitor-wasm:/sbin/nologin\n");
        write(&files.join("etc/passwd"), user.as_bytes())?;
        write(&files.join("etc/group"), format!("kapacitor-wasm:x:{OWNER}:\n").as_bytes())?;
        // These belong to the user of the process; all else to root, and is only read.
        let own = ["run/kapacitor-wasm", "var/lib/kapacitor-wasm"];
        for folder in own.iter().chain(&["tmp"]) {
            fs::create_dir_all(files.join(folder))
                .map_err(|e| format!("{}: {e}", files.join(folder).display()))?;
        }
        run(self.command("chmod").args(["--recursive", "u=rwX,go=rX"]).arg(&files))?;
        run(self.command("chmod").arg("755").arg(files.join("usr/bin/kapacitor-wasm")))?;
        run(self.command("chmod").arg("1777").arg(files.join("tmp")))?;
        let (layer, owned) = (scratch("layer.tar"), scratch("layer-owned.tar"));
        let excluded: Vec<String> = own.iter().map(|folder| format!("--exclude=./{folder}")).collect();
        self.tar(&files, &layer, &excluded.iter().map(String::as_str).collect::<Vec<_>>())?;
        // Both archives together are one.
        let mut tar = self.command("tar");
        tar.args(["--create", "--sort=name", "--format=gnu", "--numeric-owner", "--mode=0755"]);
        tar.args([
            format!("--owner={OWNER}"),
            format!("--group={OWNER}"),
            format!("--mtime=@{}", self.epoch),
        ]);
        tar.arg("--file")
            .arg(&owned)
            .arg("--directory")
            .arg(&files)
            .args(own.map(|folder| format!("./{folder}")));
        run(&mut tar)?;
        run(self.command("tar").arg("--concatenate").arg("--file").arg(&layer).arg(&owned))?;
        Ok(layer)
    }
}

/// `udf.toml` of the image. The plugins are those of the image, and Kapacitor runs in a container whose user is not
/// known: who may connect is decided by who has the folder of the sockets.
fn configuration() -> Result<String, String> {
    let mut configuration = text("udf.toml")?;
    for (line, instead) in [
        ("plugins-dir = \"plugins\"", format!("plugins-dir = \"/{}\"", tree::PLUGINS)),
        ("socket-mode = \"0660\"", "socket-mode = \"0666\"".to_owned()),
        ("#listen = [\"127.0.0.1:9275\", ", "listen = [".to_owned()),
    ] {
        if !configuration.contains(line) {
            return Err(format!("udf.toml has no `{line}`"));
        }
        configuration = configuration.replacen(line, &instead, 1);
    }
    Ok(configuration)
}
