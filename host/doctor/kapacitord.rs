//! The process of Kapacitor, as `/proc` shows it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::endpoint::User;

/// Where kapacitord looks for its configuration if no flag names it.
const DEFAULT_CONF: &str = "/etc/kapacitor/kapacitor.conf";

/// Maximum size of the environment that is read.
const MAX_ENVIRONMENT: usize = 1 << 20;

/// A running kapacitord.
pub struct Kapacitord {
    /// Number of the process.
    pub process: u32,
}

impl Kapacitord {
    /// The process that runs with this configuration file.
    pub fn find(conf: &Path) -> Option<Self> {
        let processes = fs::read_dir("/proc").ok()?.flatten();
        let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        numbers.find(|process| is_kapacitord(*process, conf)).map(|process| Self { process })
    }

    /// The user that it runs as.
    pub fn user(&self) -> Result<User, String> {
        User::of_process(self.process)
            .ok_or_else(|| format!("the user of process {} can't be read", self.process))
    }

    /// The variables that begin with `KAPACITOR_`, which override kapacitor.conf; `None` if this user can't read them.
    pub fn environment(&self) -> Option<Vec<(String, String)>> {
        let mut bytes = fs::read(format!("/proc/{}/environ", self.process)).ok()?;
        bytes.truncate(MAX_ENVIRONMENT);
        let variables = bytes.split(|byte| *byte == 0).filter_map(|variable| {
            let (name, value) = std::str::from_utf8(variable).ok()?.split_once('=')?;
            name.starts_with("KAPACITOR_").then(|| (name.to_owned(), value.to_owned()))
        });
        Some(variables.collect())
    }
}

fn is_kapacitord(process: u32, conf: &Path) -> bool {
    let of = |file: &str| fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
    if of("comm") != b"kapacitord\n" {
        return false;
    }
    let line = of("cmdline");
    let args: Vec<String> =
        line.split(|byte| *byte == 0).map(|arg| String::from_utf8_lossy(arg).into_owned()).collect();
    let folder = fs::read_link(format!("/proc/{process}/cwd")).unwrap_or_default();
    let own = folder.join(configuration(&args));
    let same = |path: &Path| fs::canonicalize(path).ok();
    own == conf || (same(&own).is_some() && same(&own) == same(conf))
}

/// The configuration file that the arguments of kapacitord name.
fn configuration(args: &[String]) -> PathBuf {
    let flag = |arg: &String| arg.trim_start_matches('-').to_owned();
    let named = args.iter().enumerate().find_map(|(i, arg)| match flag(arg).split_once('=') {
        Some(("config", path)) if arg.starts_with('-') => Some(path.to_owned()),
        None if arg.starts_with('-') && flag(arg) == "config" => args.get(i + 1).cloned(),
        _ => None,
    });
    named.map_or(DEFAULT_CONF.into(), PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configuration_is_what_the_flag_says() {
        let of = |args: &str| configuration(&args.split(' ').map(str::to_owned).collect::<Vec<_>>());
        for args in [
            "kapacitord -config a.conf",
            "kapacitord --config a.conf",
            "kapacitord -pidfile x -config=a.conf",
        ] {
            assert_eq!(of(args), Path::new("a.conf"), "{args}");
        }
        assert_eq!(of("kapacitord"), Path::new(DEFAULT_CONF));
        assert_eq!(of("kapacitord config"), Path::new(DEFAULT_CONF));
    }
}
