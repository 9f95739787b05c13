//! A real registry: Debian's `docker-registry`. The tests of the host start it, too.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The name `plant` and the password `correct horse`, as `htpasswd -B` writes them.
const HTPASSWD: &str = "plant:$2y$05$5EiJl0VOGll1njBc/NaSsOGrv7Z.7jeuBo1jX4EPBcjqOwccsDnjW\n";

/// A registry that runs until this is dropped.
pub struct Registry {
    child: Child,
    /// `127.0.0.1:PORT`
    pub host: String,
    folder: tempfile::TempDir,
}

impl Registry {
    /// Starts Debian's `docker-registry` on a free port; `None` where it can't be had.
    fn start(auth: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("htpasswd"), HTPASSWD).unwrap();
        let path = folder.path().display();
        let auth = auth.replace("FOLDER", &path.to_string());
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {path}/data}}, delete: {{enabled: true}}}}\nhttp: {{addr: '127.0.0.1:0'}}\n{auth}"
        );
        let file = folder.path().join("config.yml");
        fs::write(&file, config).unwrap();
        let child = Command::new("docker-registry")
            .arg("serve")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut child = match child {
            Ok(child) => child,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                assert!(std::env::var_os("CI").is_none(), "docker-registry may not be missing here");
                println!(
                    "skipped: there is no `docker-registry` in PATH (Debian: apt-get install docker-registry)"
                );
                return None;
            }
            Err(e) => panic!("docker-registry can't be started: {e}"),
        };
        // It says which port it was given.
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("listening on ")).expect("a line with the address");
        let host = line.split("listening on ").nth(1).unwrap();
        let host = host.split(['"', ',', ' ']).next().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Some(Self { child, host, folder })
    }

    /// One that anybody may write to.
    pub fn open() -> Option<Self> {
        Self::start("")
    }

    /// One with the user `plant` and the password `correct horse`.
    pub fn with_passwords() -> Option<Self> {
        Self::start("auth: {htpasswd: {realm: plant, path: FOLDER/htpasswd}}\n")
    }

    /// A file in its folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}
