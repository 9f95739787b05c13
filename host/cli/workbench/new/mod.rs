//! `new`: makes the project of a plugin.

mod project;
mod template;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use self::project::Words;
use self::template::{Kind, Language, files};
use crate::cli::exit::DONE;

/// What the project is for.
#[derive(clap::Args, Clone)]
pub struct Options {
    /// Name of the plugin, as a TICKscript calls it: letters, digits and `_`.
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    kind: KindFlags,
    /// Language of the plugin.
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    language: Language,
    /// Folder that is made for the project [default: NAME].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Folder of the SDK in a copy of the repository, guest-sdk/rust [default: the published SDK].
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// What the plugin takes from Kapacitor: one of these.
#[derive(clap::Args, Clone)]
#[group(required = true, multiple = false)]
struct KindFlags {
    /// The plugin takes single points.
    #[arg(long)]
    stream: bool,
    /// The plugin takes batches: windows of a stream, or the results of a query.
    #[arg(long)]
    batch: bool,
}

/// Makes the project, and prints what to do next.
pub fn new(options: &Options) -> Result<ExitCode> {
    let kind = if options.kind.batch { Kind::Batch } else { Kind::Stream };
    let words = Words::new(&options.name, options.sdk.as_deref())?;
    let folder = options.dir.as_deref().unwrap_or(Path::new(&options.name));
    words.write(folder, &files(options.language, kind).collect::<Vec<_>>())?;
    let (name, folder) = (&options.name, folder.display());
    println!(
        "{folder} has a plugin that works; change src/lib.rs, and try it with the commands of README.md:"
    );
    println!();
    println!("  cd {folder}");
    println!("  cargo build --release --target wasm32-unknown-unknown");
    println!("  cargo test");
    println!("  kapacitor-wasm test .");
    println!("  kapacitor-wasm replay target/wasm32-unknown-unknown/release/{name}.wasm \\");
    println!("    --tick {name}.tick --input recording.lp --html report.html");
    Ok(DONE)
}
