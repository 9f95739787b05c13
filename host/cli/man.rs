//! `man`: writes the man pages. For packagers, who call it through `cargo xtask man`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, Args, Command, Id};
use clap_mangen::Man;

use super::exit::DONE;

/// What the pages say in their margins.
const SOURCE: &str = concat!("kapacitor-wasm ", env!("CARGO_PKG_VERSION"));
const MANUAL: &str = "User Commands";

/// Where the pages go.
#[derive(Args)]
pub struct Options {
    /// Folder for the pages; it is created if it does not exist.
    folder: PathBuf,
}

/// Writes one page for the program and one for each subcommand that `--help` lists.
pub fn man(command: Command, options: &Options) -> Result<ExitCode> {
    let folder = &options.folder;
    let mut command = command.disable_help_subcommand(true);
    // The subcommands get their full names.
    command.build();
    fs::create_dir_all(folder)
        .and_then(|()| write_pages(&command, folder))
        .with_context(|| format!("{}: the man pages can't be written", folder.display()))?;
    Ok(DONE)
}

/// Writes the page of `command`, and those of its subcommands.
fn write_pages(command: &Command, folder: &Path) -> io::Result<()> {
    for subcommand in command.get_subcommands().filter(|subcommand| !subcommand.is_hide_set()) {
        write_pages(subcommand, folder)?;
    }
    let page = Man::new(command.clone().override_usage(synopsis(command))).source(SOURCE).manual(MANUAL);
    let mut text = Vec::new();
    page.render(&mut text)?;
    let text: String = String::from_utf8_lossy(&text).lines().map(tidy).collect();
    fs::write(folder.join(page.get_filename()), text)
}

/// A line of a page as checkers of man pages want it: without blanks at its end, and with quotes where the title has no
/// date, without which the source of the page would be taken for it.
fn tidy(line: &str) -> String {
    let line = line.trim_end();
    let line = if line.starts_with(".TH ") { line.replacen("  ", " \"\" ", 1) } else { line.to_owned() };
    line + "\n"
}

/// How `command` is called, with the values of flags: `kapacitor-wasm tap [--every N] TASK`. The one that
/// `clap_mangen` makes by itself has no values.
fn synopsis(command: &Command) -> String {
    let mut words = vec![command.get_bin_name().unwrap_or_else(|| command.get_name()).to_owned()];
    let one_of: Vec<Vec<&Id>> = command
        .get_groups()
        .filter(|group| group.is_required_set())
        .map(|group| group.get_args().collect())
        .collect();
    let shown = |argument: &&Arg| !argument.is_hide_set();
    let alone =
        |argument: &&Arg| shown(argument) && !one_of.iter().flatten().any(|id| *id == argument.get_id());
    let (positional, flags): (Vec<&Arg>, Vec<&Arg>) =
        command.get_arguments().filter(alone).partition(|argument| argument.is_positional());
    words.extend(flags.into_iter().map(word));
    for group in &one_of {
        let members = command.get_arguments().filter(shown).filter(|member| group.contains(&member.get_id()));
        words.push(format!("{{{}}}", members.map(plain).collect::<Vec<_>>().join(" | ")));
    }
    words.extend(positional.into_iter().map(word));
    if command.has_subcommands() {
        let name = command.get_subcommand_value_name().unwrap_or("COMMAND");
        words.push(if command.is_subcommand_required_set() { name.to_owned() } else { format!("[{name}]") });
    }
    words.join(" ")
}

/// An argument in brackets if it can be left out, and with dots if it can be repeated.
fn word(argument: &Arg) -> String {
    let plain = plain(argument);
    let bracketed = if argument.is_required_set() { plain.clone() } else { format!("[{plain}]") };
    let repeated = matches!(argument.get_action(), ArgAction::Append | ArgAction::Count);
    if repeated && !plain.ends_with("...") { bracketed + "..." } else { bracketed }
}

/// A flag with its names and values, such as `-c|--config FILE`, or the name of a positional argument.
fn plain(argument: &Arg) -> String {
    let flags = [
        argument.get_short().map(|short| format!("-{short}")),
        argument.get_long().map(|long| format!("--{long}")),
    ];
    let flags = flags.into_iter().flatten().collect::<Vec<_>>().join("|");
    let takes_values = argument.get_action().takes_values();
    let names = argument.get_value_names().filter(|_| takes_values).unwrap_or_default();
    let values = names.iter().map(clap::builder::Str::as_str).collect::<Vec<_>>().join(" ");
    let range = argument.get_num_args().unwrap_or_default();
    let more = if takes_values && range.max_values() > names.len() { "..." } else { "" };
    let values = if takes_values && range.min_values() == 0 { format!("[{values}]") } else { values };
    format!("{flags} {values}{more}").trim().to_owned()
}
