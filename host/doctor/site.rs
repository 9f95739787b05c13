//! What several checks need to know.

use std::io;
use std::path::PathBuf;

use anyhow::Result;

use super::kapacitor_api::{Api, Tasks};
use super::kapacitor_conf::{ConfError, KapacitorConf};
use super::kapacitord::Kapacitord;
use super::unit_file::{Unit, Units};
use crate::config::{Config, Signatures};
use crate::endpoint::{KAPACITOR, User};
use crate::plugin;
use crate::shared::{Mode, Shared};
use crate::state::RunningHost;

/// Where the parts of the installation are.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `udf.toml`.
    pub config: PathBuf,
    /// Kapacitor's configuration file.
    pub kapacitor_conf: PathBuf,
    /// URL of Kapacitor; `None` takes the port of kapacitor.conf.
    pub kapacitor_url: Option<String>,
    /// The user that Kapacitor runs as; `None` takes that of the process or of the unit.
    pub kapacitor_user: Option<String>,
    /// Folders of systemd's units; the first one wins.
    pub unit_dirs: Vec<PathBuf>,
}

/// An installation.
pub(super) struct Site {
    pub options: Options,
    pub shared: Shared,
    /// The host that runs with the state folder, if one does.
    pub running: Option<RunningHost>,
    /// Why it is not known whether one does.
    pub running_unread: Option<io::Error>,
    /// The process of Kapacitor, if it runs.
    pub kapacitord: Option<Kapacitord>,
    pub kapacitor_conf: Result<KapacitorConf, ConfError>,
    /// Kapacitor, or why it can't be asked.
    pub api: Result<Api, String>,
    /// Its tasks, or why they can't be read.
    pub tasks: Result<Tasks, String>,
    /// The user that Kapacitor runs as, or why that is not known.
    pub kapacitor_user: Result<User, String>,
    /// The user that the host runs as, or why that is not known.
    pub host_user: Result<User, String>,
    pub host_unit: Option<Unit>,
    pub socket_unit: Option<Unit>,
    pub kapacitor_unit: Option<Unit>,
}

impl Site {
    /// Looks at everything once.
    ///
    /// # Errors
    ///
    /// When the plugins can't be looked at.
    pub fn gather(options: Options, config: Config, mode: &Mode) -> Result<Self> {
        let shared = Shared::load(config, mode)?;
        let (running, running_unread) = match RunningHost::read(&shared.config().state_dir) {
            Ok(running) => (running.filter(RunningHost::is_alive), None),
            Err(e) => (None, Some(e)),
        };
        let kapacitord = Kapacitord::find(&options.kapacitor_conf);
        let units = Units::new(&options.unit_dirs);
        let unit = |name: &str| units.read(name);
        let (host_unit, kapacitor_unit) = (unit("kapacitor-wasm.service"), unit("kapacitor.service"));
        let kapacitor_conf = KapacitorConf::read(&options.kapacitor_conf);
        let environment = kapacitord.as_ref().and_then(Kapacitord::environment).unwrap_or_default();
        let api = Api::new(options.kapacitor_url.as_deref(), kapacitor_conf.as_ref().ok(), &environment);
        let tasks = api.as_ref().map_err(Clone::clone).and_then(Api::tasks);
        let kapacitor_user = match (&options.kapacitor_user, &kapacitord, &kapacitor_unit) {
            (Some(name), ..) => user(name),
            (None, Some(process), _) => process.user(),
            (None, None, Some(unit)) => user(unit.last("Service", "User").unwrap_or("root")),
            (None, None, None) => user(KAPACITOR),
        };
        let host_user = match (&running, &host_unit) {
            (Some(host), _) => User::of_process(host.process)
                .ok_or_else(|| format!("the user of process {} can't be read", host.process)),
            (None, Some(unit)) => user(unit.last("Service", "User").unwrap_or("root")),
            (None, None) if is_kept_out(running_unread.as_ref()) => {
                Err("only root and this user can read what the host says of itself".to_owned())
            }
            (None, None) => User::of_process(std::process::id())
                .ok_or_else(|| "/proc is not there, so the user of this process can't be read".to_owned()),
        };
        Ok(Self {
            socket_unit: unit("kapacitor-wasm.socket"),
            options,
            shared,
            running,
            running_unread,
            kapacitord,
            kapacitor_conf,
            api,
            tasks,
            kapacitor_user,
            host_user,
            host_unit,
            kapacitor_unit,
        })
    }

    /// Whether this command is run by a user who can't look at the host: neither root nor the host's own.
    pub fn is_outsider(&self) -> bool {
        is_kept_out(self.running_unread.as_ref())
    }

    /// Whether the unit gives the host a network of its own, where nobody else is.
    pub fn host_is_alone_on_the_network(&self) -> bool {
        let private = self.host_unit.as_ref().and_then(|unit| unit.last("Service", "PrivateNetwork"));
        private.is_some_and(|value| ["yes", "true", "1", "on"].contains(&value))
    }

    /// The files that the host reads for the plugins of `[plugins]`: the lock file, the keys, and what was pulled.
    pub fn pulled_files(&self) -> Vec<PathBuf> {
        let config = self.shared.config();
        if config.plugins.is_empty() {
            return Vec::new();
        }
        let mut files = vec![config.registry.lock_file.clone()];
        if config.registry.signatures == Signatures::Required {
            let own_keys = config.plugins.values().filter_map(|plugin| plugin.keys.as_ref());
            files.extend(own_keys.chain([&config.registry.keys]).flatten().cloned());
        }
        // What is wrong with the lock file or the store is said of the plugins.
        let pulled = plugin::pulled(&config).unwrap_or_default();
        files.extend(pulled.into_values().flatten().map(|file| file.path));
        files.sort();
        files.dedup();
        files
    }
}

fn is_kept_out(error: Option<&io::Error>) -> bool {
    error.is_some_and(|e| e.kind() == io::ErrorKind::PermissionDenied)
}

fn user(name: &str) -> Result<User, String> {
    User::named(name).ok_or_else(|| {
        format!(
            "/etc/passwd has no user `{name}`: name the user that Kapacitor runs as with --kapacitor-user"
        )
    })
}
