//! The exit codes of `kapacitor-wasm`.

use std::process::ExitCode;

/// The command did its work.
pub const DONE: ExitCode = ExitCode::SUCCESS;

/// Something is wrong: a file, a plugin, or the value of a flag.
pub const FAILED: ExitCode = ExitCode::FAILURE;

/// Number of the code for a command line that can't be parsed.
const USAGE: u8 = 2;

/// A case can't be read.
pub fn unusable() -> ExitCode {
    ExitCode::from(USAGE)
}

/// `check --diff`: a reload would change something.
pub fn reload_changes() -> ExitCode {
    ExitCode::from(3)
}

/// `check --diff`: some changes need a restart of the host.
pub fn restart_changes() -> ExitCode {
    ExitCode::from(4)
}

/// The same codes for operators, as a part of `--help` and of the man page.
pub const HELP: &str = "\
Exit codes:
  0  The command did its work
  1  Something is wrong: a file, a plugin, or the value of a flag;
     the reason is on stderr, and for `check` on stdout
  2  The command line can't be parsed; the reason is on stderr
  3  `check --diff`: a reload would change something
  4  `check --diff`: something would change only after a restart of the host";

/// The code for clap's answer in place of a command: `--help` and `--version` have done their work.
pub fn of_clap(answer: &clap::Error) -> ExitCode {
    if answer.use_stderr() { ExitCode::from(USAGE) } else { DONE }
}
