//! `state`: the states that are kept, in the state folder, in files, and in a stopped Kapacitor's
//! database.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::config::Config;
use crate::kapacitor_db;
use crate::logging::{on_one_line, shown};
use crate::regular_file;
use crate::state::{Checkpoints, PayloadKind, Retention, Snapshot, dropped};
use crate::udf_node::UdfNode;
use crate::units::Bytes;
use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, Subcommand};

use super::exit::DONE;
use super::settings::{CONFIG, CONFIG_ENV};
use super::tell::tell;

mod diff;
mod key_group;
mod show;

/// Maximum size of a state that is read: more than that of any plugin with memory for 32-bit addresses.
const MOST_READ: Bytes = Bytes::mib(5 << 10);

/// What to do with states.
#[derive(Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    /// Database of a stopped Kapacitor to read instead of the state folder.
    #[arg(long, value_name = "KAPACITOR.DB", global = true)]
    db: Option<PathBuf>,
    /// Configuration file, which names the state folder.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG, env = CONFIG_ENV, global = true)]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Command {
    /// List the checkpoints and the states that were set aside, or the snapshots in a database.
    List,
    /// Print which task, plugin and options a state belongs to, and its size.
    Show {
        /// Snapshot file, key group of Apache Flink, TASK, or TASK/NODE.
        which: String,
    },
    /// Write a state to a file.
    Export {
        /// Snapshot file, key group of Apache Flink, TASK, or TASK/NODE.
        which: String,
        /// File to create; it must not exist yet.
        file: PathBuf,
    },
    /// Let a task resume from a snapshot file when it is enabled the next time.
    Import {
        /// Snapshot file, or key group of Apache Flink.
        file: PathBuf,
        #[command(flatten)]
        of: Of,
    },
    /// Make a task start without state the next time, even if Kapacitor gives a snapshot back.
    Drop {
        /// Id of the task.
        task: String,
        /// Id of the node, such as `moving_avg2` [default: all nodes of the task].
        #[arg(long)]
        node: Option<String>,
        /// Function of the node; needed only if the task has no checkpoint.
        #[arg(long, requires = "node")]
        function: Option<String>,
    },
    /// Delete the checkpoint of a task that Kapacitor no longer has, and the note that its state was dropped.
    Forget {
        /// Id of the task.
        task: String,
        /// Id of the node, such as `moving_avg2` [default: all nodes of the task].
        #[arg(long)]
        node: Option<String>,
    },
    /// Print the differences between two states.
    Diff {
        /// Snapshot file, key group of Apache Flink, TASK, or TASK/NODE.
        one: String,
        /// Snapshot file, key group, TASK, or TASK/NODE to compare it with.
        other: String,
    },
}

/// Whose state it is, where the file does not say so or is to be another's.
#[derive(Args)]
struct Of {
    /// Id of the task [default: the one in the file].
    #[arg(long)]
    task: Option<String>,
    /// Id of the node, such as `moving_avg2` [default: the one in the file].
    #[arg(long)]
    node: Option<String>,
    /// Function of the node, such as `moving_avg` [default: the one in the file].
    #[arg(long)]
    function: Option<String>,
}

/// Does what the command line says.
pub fn state(options: &Options) -> Result<ExitCode> {
    if options.db.is_some()
        && matches!(options.command, Command::Import { .. } | Command::Drop { .. } | Command::Forget { .. })
    {
        bail!(
            "a Kapacitor's database is only read: leave out --db, what is imported or dropped wins over what Kapacitor has"
        );
    }
    let store = Store::open(&options.config, options.db.as_deref())?;
    let out = match &options.command {
        Command::List => show::list(&store)?,
        Command::Show { which } => {
            let shown: Vec<_> = store.find_all(which)?.iter().map(show::show).collect::<Result<_>>()?;
            shown.join("\n")
        }
        Command::Export { which, file } => {
            let Found { bytes, name, .. } = store.find(which)?;
            let mut created = fs::File::create_new(file)
                .with_context(|| format!("{}: the file can't be made", file.display()))?;
            created.write_all(&bytes)?;
            format!("{}: {} bytes written to {}\n", on_one_line(&name), bytes.len(), shown(file))
        }
        Command::Import { file, of } => import(&store, file, of)?,
        Command::Forget { task, node } => forget(&store, task, node.as_deref())?,
        Command::Drop { task, node, function } => {
            let (node, function) = (node.as_deref(), function.as_deref());
            drop_state(&store, task, node, function)?
        }
        Command::Diff { one, other } => diff::diff(&store.find(one)?, &store.find(other)?)?,
    };
    std::io::stdout().write_all(out.as_bytes())?;
    Ok(DONE)
}

/// Where states are looked for.
enum Store {
    /// The state folder, which this configuration file names.
    Folder(PathBuf),
    /// A Kapacitor's database.
    Database(Vec<Found>),
}

/// A state that was found.
#[derive(Clone)]
struct Found {
    /// A file, or a task and a node in a database.
    name: String,
    /// Whose it is, according to where it was found.
    key: UdfNode,
    bytes: Vec<u8>,
}

impl Store {
    fn open(config: &Path, database: Option<&Path>) -> Result<Self> {
        let Some(path) = database else { return Ok(Self::Folder(config.to_owned())) };
        let stored = kapacitor_db::read(path)?;
        let found = stored.into_iter().map(|stored| Found {
            name: format!("{}: {}/{}", path.display(), stored.task, stored.node),
            key: UdfNode {
                task: stored.task,
                node: stored.node,
                // Kapacitor does not store it.
                function: Snapshot::peek(&stored.snapshot[..])
                    .map_or(String::new(), |header| header.function),
            },
            bytes: stored.snapshot,
        });
        Ok(Self::Database(found.collect()))
    }

    /// The checkpoints. The configuration is not read before they are needed: a file is a state by itself.
    fn checkpoints(&self) -> Result<Checkpoints> {
        let Self::Folder(config) = self else { bail!("a Kapacitor's database is only read") };
        let Config { state_dir: folder, state, .. } = Config::from_file(config)?;
        ensure!(
            folder.is_dir(),
            "the state folder {} is not there: check state-dir in {}, or start the host once",
            folder.display(),
            config.display()
        );
        let retention = Retention { keep: state.keep, set_aside: state.set_aside };
        Ok(Checkpoints::new(&folder, false, retention, Arc::default()))
    }

    /// All checkpoints, or all that the database holds.
    fn all(&self) -> Result<Vec<Found>> {
        match self {
            Self::Folder(_) => {
                let files = self.checkpoints()?.files().context("the checkpoints can't be read")?;
                files.iter().map(|path| read(path)).collect()
            }
            Self::Database(found) => Ok(found.clone()),
        }
    }

    /// The state that a user means, or all those of a file that is a key group.
    fn find_all(&self, which: &str) -> Result<Vec<Found>> {
        if Path::new(which).is_file() { read_all(Path::new(which)) } else { Ok(vec![self.find(which)?]) }
    }

    /// The state that a user means.
    fn find(&self, which: &str) -> Result<Found> {
        if let Some(found) = read_one(which) {
            return found;
        }
        let named = |key: &UdfNode| key.task == which || format!("{}/{}", key.task, key.node) == which;
        let mut found: Vec<_> = self.all()?.into_iter().filter(|found| named(&found.key)).collect();
        match (found.pop(), found.is_empty()) {
            (Some(one), true) => Ok(one),
            (Some(one), false) => {
                found.push(one);
                let name = |found: &Found| on_one_line(&format!("{}/{}", found.key.task, found.key.node));
                let names: Vec<_> = found.iter().map(name).collect();
                bail!("task {which} has more than one state: say which, of {}", names.join(", "))
            }
            (None, _) => bail!(
                "there is no file and no state of a task `{which}`: `kapacitor-wasm state list` shows what there is"
            ),
        }
    }
}

/// Reads a snapshot file; what is in it is looked at later.
fn read(path: &Path) -> Result<Found> {
    // A FIFO or a device would keep the command waiting for ever.
    let bytes = regular_file::read(path, MOST_READ).map_err(|e| anyhow!("{} {e}", shown(path)))?;
    let header = Snapshot::peek(&bytes[..]).unwrap_or_default();
    Ok(Found { name: path.display().to_string(), key: UdfNode::from(&header), bytes })
}

/// Reads a file of one state, or a key group, which has several if the job has several functions.
fn read_all(path: &Path) -> Result<Vec<Found>> {
    let file = read(path)?;
    let Some(entries) = key_group::entries(&file.bytes) else { return Ok(vec![file]) };
    let entries = entries.with_context(|| shown(path))?;
    let found = entries.iter().zip(1..).map(|(entry, number)| {
        let header = Snapshot::peek(entry.snapshot).unwrap_or_default();
        Found {
            name: format!("{}:{number}, function {}", path.display(), entry.function),
            key: UdfNode::from(&header),
            bytes: entry.snapshot.to_vec(),
        }
    });
    Ok(found.collect())
}

/// The one state in the file `which`, or in `FILE:N` the one of this number. `None` if there is no such file.
fn read_one(which: &str) -> Option<Result<Found>> {
    let (file, number) = match which.rsplit_once(':') {
        _ if Path::new(which).is_file() => (which, None),
        Some((file, number)) if Path::new(file).is_file() => (file, Some(number.parse::<usize>().ok()?)),
        _ => return None,
    };
    Some(read_all(Path::new(file)).and_then(|mut all| {
        let count = all.len();
        let index = match number {
            None if count > 1 => bail!(
                "{} is a key group of {count} states, which `kapacitor-wasm state show` prints: say which, as {}:1",
                shown(Path::new(file)),
                shown(Path::new(file))
            ),
            None => 0,
            Some(number) => number.wrapping_sub(1),
        };
        ensure!(index < count, "{} has {count} states, and no other", shown(Path::new(file)));
        Ok(all.swap_remove(index))
    }))
}

/// Makes a file the checkpoint of its task.
fn import(store: &Store, file: &Path, of: &Of) -> Result<String> {
    let checkpoints = &store.checkpoints()?;
    let found = match file.to_str().and_then(read_one) {
        Some(found) => found?,
        // A name that is not UTF-8, or an error that says why it can't be read.
        None => read(file)?,
    };
    let snapshot =
        Snapshot::parse(&found.bytes).with_context(|| format!("{} can't be imported", file.display()))?;
    ensure!(!snapshot.is_none(), "{} holds no state: there is nothing to import", file.display());
    let mut key = found.key;
    for (part, given) in
        [(&mut key.task, &of.task), (&mut key.node, &of.node), (&mut key.function, &of.function)]
    {
        if let Some(given) = given {
            part.clone_from(given);
        }
    }
    ensure!(
        ![&key.task, &key.node, &key.function].into_iter().any(String::is_empty),
        "{} does not say whose state it is: add --task, --node and --function",
        file.display()
    );
    for doubt in doubts(store, &key, &snapshot, of)? {
        tell(&on_one_line(&doubt));
    }
    let aside = checkpoints.impose(&key, &snapshot).context("the checkpoint can't be written")?;
    Ok(format!(
        "{}{}: goes on with this state of {} points when it is enabled the next time, if it fits then\n",
        say_aside(&key, aside),
        named(&key),
        snapshot.header.points_seen
    ))
}

/// What speaks against importing `snapshot` for `key`, as far as it is known before the task starts.
fn doubts(store: &Store, key: &UdfNode, snapshot: &Snapshot, of: &Of) -> Result<Vec<String>> {
    let mut doubts = Vec::new();
    let UdfNode { task, node, function } = key;
    let all = store.all()?;
    let of_task = all.iter().map(|found| &found.key).filter(|key| key.task == *task);
    let nodes: Vec<&str> = of_task.map(|key| key.node.as_str()).collect();
    if of.task.is_some() && of.node.is_none() && !nodes.contains(&node.as_str()) {
        let known = if nodes.is_empty() {
            format!("`kapacitor show {task}` lists its nodes")
        } else {
            format!("the nodes with a checkpoint are {}", nodes.join(", "))
        };
        doubts.push(format!(
            "node `{node}` is the one in the file, and task `{task}` has no checkpoint of such a node: {known}, name one with --node"
        ));
    }
    let now = all.iter().find(|found| found.key == *key).map(|found| Snapshot::peek(&found.bytes[..]));
    if let Some(Ok(now)) = now
        && now.kind() != PayloadKind::None
    {
        let new = &snapshot.header;
        if now.plugin != new.plugin {
            doubts.push(format!(
                "the file is a state of plugin `{}`, and the node's own state is of plugin `{}`",
                new.plugin, now.plugin
            ));
        } else if now.kind() == PayloadKind::Memory && now.plugin_sha256 != new.plugin_sha256 {
            doubts.push(format!(
                "the file is a state of another version of plugin `{}` than the node's own state",
                new.plugin
            ));
        } else if now.kind() == PayloadKind::Memory && now.options_sha256 != new.options_sha256 {
            doubts.push("the file is a state with other options than the node's own state".to_owned());
        }
    }
    if snapshot.header.function != *function {
        doubts.push(format!(
            "the file is a state of function `{}`, and it is imported for function `{function}`",
            snapshot.header.function
        ));
    }
    Ok(doubts)
}

/// Deletes the checkpoints of a task.
fn forget(store: &Store, task: &str, node: Option<&str>) -> Result<String> {
    let mut found = store.all()?;
    found.retain(|found| found.key.task == task && node.is_none_or(|node| found.key.node == node));
    ensure!(
        !found.is_empty(),
        "there is no checkpoint of task `{task}`: `kapacitor-wasm state list` shows what there is"
    );
    let mut out = String::new();
    for Found { name, key, .. } in found {
        fs::remove_file(&name).with_context(|| format!("{name} can't be deleted"))?;
        out += &format!("{}: its checkpoint is deleted\n", named(&key));
    }
    Ok(out)
}

/// Makes a task start clean.
fn drop_state(store: &Store, task: &str, node: Option<&str>, function: Option<&str>) -> Result<String> {
    let checkpoints = &store.checkpoints()?;
    let mut keys: Vec<UdfNode> = store.all()?.into_iter().map(|found| found.key).collect();
    keys.retain(|key| key.task == task && node.is_none_or(|node| key.node == node));
    if let (true, Some(node), Some(function)) = (keys.is_empty(), node, function) {
        keys.push(UdfNode { task: task.to_owned(), node: node.to_owned(), function: function.to_owned() });
    }
    let of_node = node.map_or(String::new(), |node| format!(" and node `{node}`"));
    ensure!(
        !keys.is_empty(),
        "there is no checkpoint of task `{task}`{of_node}: name its node and function, as the host's log does, with --node and --function"
    );
    let mut out = String::new();
    for key in keys {
        let dropped = Snapshot::parse(&dropped(&key))?;
        let aside = checkpoints.impose(&key, &dropped).context("the checkpoint can't be written")?;
        out += &say_aside(&key, aside);
        out += &format!("{}: starts clean when it is enabled the next time\n", named(&key));
    }
    Ok(out)
}

/// Says where the checkpoint is that was replaced.
fn say_aside(key: &UdfNode, file: Option<PathBuf>) -> String {
    file.map_or(String::new(), |file| format!("{}: what it had is now {}\n", named(key), shown(&file)))
}

/// The task and node as they may be shown on a terminal: a file can name any.
fn named(key: &UdfNode) -> String {
    on_one_line(&format!("task {} node {}", key.task, key.node))
}
