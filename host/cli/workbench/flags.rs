//! Flags that the commands of the workbench have in common.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use kapacitor_wasm_data::input;

use crate::cli::settings::{CONFIG_ENV, OWN};
use crate::config::Config;
use crate::logging::{self, Line, visible};
use crate::workbench::{HostSpec, Ledger, Purpose};

/// Which plugin is tried, and with which limits.
#[derive(Args, Clone)]
pub struct PluginFlags {
    /// Plugin: a .wasm file, or the name of a plugin in the folder of plugins.
    #[arg(value_name = "PLUGIN")]
    pub plugin: PathBuf,
    #[command(flatten)]
    pub config: ConfigFlags,
}

/// Where limits and policies come from.
#[derive(Args, Clone)]
pub struct ConfigFlags {
    /// Configuration file, whose limits and policies hold [default: none, the default limits hold].
    #[arg(short, long, value_name = "FILE", env = CONFIG_ENV)]
    pub config: Option<PathBuf>,
    /// Folder of the plugins; overrides `plugins-dir` of the file.
    #[arg(long, value_name = "DIR")]
    pub plugins_dir: Option<PathBuf>,
}

impl ConfigFlags {
    /// The configuration.
    ///
    /// # Errors
    ///
    /// When the file has a mistake.
    pub fn load(&self) -> Result<Config> {
        let mut config = match &self.config {
            Some(file) => Config::from_file(file)?,
            None => Config::from_text("", Path::new("udf.toml"))?,
        };
        if let Some(dir) = &self.plugins_dir {
            config.plugins_dir.clone_from(dir);
        }
        Ok(config)
    }

    /// A host for `plugin`.
    ///
    /// # Errors
    ///
    /// When the configuration has a mistake.
    pub fn host(&self, plugin: &Path, function: Option<&str>) -> Result<HostSpec> {
        Ok(HostSpec {
            plugin: plugin.to_owned(),
            function: function.map(str::to_owned),
            config: self.load()?,
            compiler: Some(OWN.into()),
            purpose: Purpose::Trial,
        })
    }
}

/// What is played.
#[derive(Args, Clone)]
pub struct InputFlags {
    /// Recording to play, `-` for stdin: line protocol, a recording of Kapacitor, or CSV; may be given several times.
    #[arg(short, long, value_name = "FILE", required = true, num_args = 1..)]
    pub input: Vec<PathBuf>,
    /// Unit of the times in line protocol, and of numbers in the time column of a CSV: ns, us, ms or s.
    #[arg(long, value_name = "UNIT", default_value = "ns", value_parser = precision)]
    pub precision: input::Precision,
    /// What happens at a line that can't be read.
    #[arg(long, value_name = "WHAT", default_value = "skip")]
    pub on_bad_line: OnBadLine,
    /// Column of a CSV with the time [default: time, timestamp or _time].
    #[arg(long, value_name = "COLUMN")]
    pub csv_time: Option<String>,
    /// Measurement of the points of a CSV [default: name of the file].
    #[arg(long, value_name = "NAME")]
    pub csv_measurement: Option<String>,
    /// Columns of a CSV that are tags; all others are fields.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub csv_tags: Vec<String>,
}

/// What happens at a line that can't be read.
#[derive(Clone, Copy, clap::ValueEnum)]
pub enum OnBadLine {
    /// It is counted and told.
    Skip,
    /// The command ends.
    Fail,
}

fn precision(text: &str) -> Result<input::Precision, String> {
    text.parse()
}

impl InputFlags {
    /// Refuses stdin that is to be read twice.
    ///
    /// # Errors
    ///
    /// When it is.
    pub fn check(&self) -> Result<()> {
        if self.input.iter().filter(|file| *file == Path::new("-")).count() > 1 {
            bail!("--input -: stdin can be played once only");
        }
        Ok(())
    }

    /// How the recordings are read.
    pub fn options(&self) -> input::Options {
        input::Options {
            precision: self.precision,
            on_bad_line: match self.on_bad_line {
                OnBadLine::Skip => input::OnBadLine::Skip,
                OnBadLine::Fail => input::OnBadLine::Fail,
            },
            csv: input::CsvOptions {
                time: self.csv_time.clone(),
                measurement: self.csv_measurement.clone(),
                tags: self.csv_tags.clone(),
            },
            ..input::Options::default()
        }
    }
}

/// Prints to stdout.
///
/// # Errors
///
/// When stdout takes no more.
pub fn print(text: &str) -> Result<()> {
    io::stdout().write_all(visible(text).as_bytes()).context("stdout can't be written")
}

/// Refuses outputs that would replace one of the files that are read.
///
/// # Errors
///
/// Says which one, and by which flag.
pub fn check_outputs(outputs: &[(&str, Option<&Path>)], read: &[&Path]) -> Result<()> {
    let id = |path: &Path| fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()));
    for (flag, output) in outputs {
        let Some(output) = output.filter(|output| *output != Path::new("-")) else { continue };
        // A device such as /dev/null may be both.
        if !output.is_file() {
            continue;
        }
        if let Some(same) = read.iter().find(|read| id(read).is_some_and(|of| Some(of) == id(output))) {
            bail!(
                "{flag} {}: would replace {}, which is read: choose another file",
                output.display(),
                same.display()
            );
        }
    }
    Ok(())
}

/// Gives the lines of the log to the ledger of the task that runs.
#[derive(Clone, Default)]
pub struct LogLines(Arc<Mutex<Option<Arc<Ledger>>>>);

impl LogLines {
    /// Takes the log of this process.
    pub fn take() -> Self {
        let lines = Self::default();
        let current = Arc::clone(&lines.0);
        logging::capture(Arc::new(move |line: Line| {
            let ledger = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(ledger) = ledger {
                ledger.note_line(line);
            }
        }));
        lines
    }

    /// From now on lines go to this ledger.
    pub fn set(&self, ledger: &Arc<Ledger>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(ledger));
    }
}
