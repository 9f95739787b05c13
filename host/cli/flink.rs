//! `config --flink`: a `udf.toml` for a host beside a task manager of Apache Flink.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::exit::DONE;
use super::settings::Settings;

/// Prints `udf.toml`. No configuration is read, since this is the first one; the flags for folders count.
pub fn config(settings: &Settings) -> Result<ExitCode> {
    let folder = |flag: &Option<_>, default: &str| quoted(flag.as_deref().unwrap_or(Path::new(default)));
    let text = text(
        &folder(&settings.plugins_dir, "plugins")?,
        &folder(&settings.socket_dir, "/run/kapacitor-wasm")?,
    );
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(DONE)
}

/// A path as a string of TOML.
fn quoted(path: &Path) -> Result<String> {
    let text =
        path.to_str().with_context(|| format!("{} can't be written, as it is not UTF-8", path.display()))?;
    Ok(toml::Value::from(text).to_string())
}

fn text(plugins_dir: &str, socket_dir: &str) -> String {
    format!(
        r#"# kapacitor-wasm {version}: udf.toml for a host beside a task manager of Apache Flink, started with
# `kapacitor-wasm serve --config FILE`. Each task manager has a host of its own.
#
# A task of Flink says that its state belongs to Flink (clientState in proto/udf.proto). The host keeps to that for
# each such task, whatever is set here, so these need no line:
#   state.checkpoints           There is no checkpoint of the host's own. It would be newer than the state that
#                               Flink goes back to, and points would count twice.
#   policy.on-mismatch          A state that does not fit fails the job with the reason, and is never replaced by a
#                               clean one.
#   sessions.snapshot-deadline  A snapshot waits for all input before it. Flink's checkpoint timeout ends the wait.
#   policy.on-full              Input is never dropped: Flink waits.
#   policy.on-update            A running task keeps its plugin, since Flink may go back to an older state of it. A
#                               new version begins when the job is started again from a savepoint.

# Folder of the plugins, relative to this file. Each FILE.wasm is a function FILE.
plugins-dir = {plugins_dir}

# Folder of the sockets, which the job connects to. The task manager's user must be able to: see socket-mode and
# socket-group.
socket-dir = {socket_dir}

# Folder for machine code and for records of skipped points. No state of Flink's tasks is in it. Hosts on one machine
# need a folder each.
state-dir = "/var/lib/kapacitor-wasm"

[sessions]
# Maximum size of the input that waits for the plugin in one session, that is, for one key group. A checkpoint waits
# until all of it is processed: 128 key groups of 8 MiB, the default, could be 1 GiB in front of a slow plugin.
queue = "256KiB"

# Maximum time in which Flink takes nothing of what a plugin sends at the end of its input, such as while a sink is slow.
# After that the job fails, and begins again at its last checkpoint.
drain-deadline = "1m"
"#,
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::units::Bytes;

    #[test]
    fn it_is_a_udf_toml() {
        let config = text(&quoted(Path::new("a \"b\"")).unwrap(), &quoted(Path::new("/run/x")).unwrap());
        let config = Config::from_text(&config, Path::new("/etc/udf.toml")).unwrap();
        assert_eq!(config.sessions.queue, Bytes::kib(256));
        assert_eq!(
            (&*config.plugins_dir, &*config.socket_dir),
            (Path::new("/etc/a \"b\""), Path::new("/run/x"))
        );
    }
}
