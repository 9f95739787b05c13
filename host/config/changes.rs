//! What another `udf.toml` changes while the host runs.

use std::collections::BTreeMap;
use std::fmt;

use toml::{Table, Value};

use super::Config;

/// An empty table as it is written.
const EMPTY: &str = "{}";

/// From when on a changed value applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Applies {
    /// At once, also to what runs.
    AtOnce,
    /// To the tasks that start from now on. A running task keeps the value that it began with.
    ToNewTasks,
    /// After a restart of the host.
    AfterRestart,
}

impl Applies {
    /// From when on the value of `key` applies, such as `limits.memory`.
    fn of(key: &str) -> Self {
        match key {
            "plugins-dir" | "socket-dir" | "state-dir" | "limits.stack" => Self::AfterRestart,
            key if key.starts_with("http.") => Self::AfterRestart,
            "log-level" | "socket-mode" | "socket-group" | "state.keep" | "state.set-aside"
            | "sessions.gather" => Self::AtOnce,
            key if ["host.", "plugins.", "registry."].iter().any(|table| key.starts_with(table)) => {
                Self::AtOnce
            }
            _ => Self::ToNewTasks,
        }
    }
}

/// One key that has another value than before; shown as `limits.memory=32MiB (was 64MiB)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The key with its tables, such as `functions.f.limits.memory`.
    pub key: String,
    /// The value before; `None` if the key was not there and has no default.
    pub before: Option<String>,
    /// The value now.
    pub now: Option<String>,
    /// From when on it applies.
    pub applies: Applies,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, before, now, .. } = self;
        match (before, now) {
            (Some(before), Some(now)) => write!(f, "{key}={now} (was {before})"),
            (None, Some(now)) => write!(f, "{key}={now} (is new)"),
            (Some(before), None) => write!(f, "{key} is gone (was {before})"),
            (None, None) => f.write_str(key),
        }
    }
}

impl Config {
    /// This configuration as it can be used in place of `before` without a restart, and all keys in which the two
    /// differ. Keys that apply only after a restart keep the value of `before`.
    #[must_use]
    pub fn in_place_of(mut self, before: &Self) -> (Self, Vec<Change>) {
        let changes = self.changes_since(before.settings());
        self.plugins_dir.clone_from(&before.plugins_dir);
        self.socket_dir.clone_from(&before.socket_dir);
        self.state_dir.clone_from(&before.state_dir);
        self.http.clone_from(&before.http);
        self.set_stack(before.default_limits().stack);
        (self, changes)
    }

    /// All keys in which this configuration differs from `old`, which are the [`Config::settings`] of another one.
    pub fn changes_since(&self, mut old: BTreeMap<String, String>) -> Vec<Change> {
        let mut new = self.settings();
        forget_filled(&mut old, &new);
        forget_filled(&mut new, &old);
        let mut keys: Vec<&String> =
            old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))).collect();
        keys.sort_unstable();
        let changes = keys.into_iter().filter(|key| old.get(*key) != new.get(*key)).map(|key| Change {
            key: key.clone(),
            before: old.get(key).cloned(),
            now: new.get(key).cloned(),
            applies: Applies::of(key),
        });
        changes.collect()
    }

    /// Every key with its value, or its default where it has one.
    pub fn settings(&self) -> BTreeMap<String, String> {
        // All keys are text, and all numbers were in a TOML file, so each can be written into one.
        let mut table = Table::try_from(self).unwrap_or_default();
        for (name, defaults) in
            [("limits", Table::try_from(self.default_limits())), ("policy", Table::try_from(self.policy("")))]
        {
            table.insert(name.to_owned(), Value::Table(defaults.unwrap_or_default()));
        }
        // What a function does not set is of the tables above.
        if let Some(Value::Table(functions)) = table.get_mut("functions") {
            for function in functions.iter_mut().filter_map(|(_, function)| function.as_table_mut()) {
                function.retain(|_, value| !is_empty(value));
            }
        }
        let mut settings = BTreeMap::new();
        flatten("", table, &mut settings);
        settings
    }
}

/// Removes from `settings` the empty tables that have keys in `other`, which say all there is to say.
fn forget_filled(settings: &mut BTreeMap<String, String>, other: &BTreeMap<String, String>) {
    settings.retain(|key, value| {
        let inside = format!("{key}.");
        value != EMPTY || !other.keys().any(|other| other.starts_with(&inside))
    });
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Table(table) => table.is_empty(),
        Value::Array(array) => array.is_empty(),
        _ => false,
    }
}

/// Adds each value of `table` with its key behind `prefix`. An empty table is a value, as `[functions.f]` is a function.
fn flatten(prefix: &str, table: Table, settings: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let key = format!("{prefix}{key}");
        match value {
            Value::Table(table) if !table.is_empty() => flatten(&format!("{key}."), table, settings),
            Value::String(text) => drop(settings.insert(key, text)),
            value => drop(settings.insert(key, value.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::units::Bytes;

    fn config(text: &str) -> Config {
        Config::from_text(text, Path::new("/etc/udf.toml")).unwrap()
    }

    fn changes(before: &str, now: &str) -> Vec<String> {
        let (_, changes) = config(now).in_place_of(&config(before));
        changes.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_changed_key_is_named_with_both_values() {
        assert_eq!(
            changes(
                "",
                "log-level = \"debug\"\n[limits]\nmemory = \"32MiB\"\n[policy]\non-trap = \"fail\"\n"
            ),
            [
                "limits.memory=32MiB (was 64MiB)",
                "log-level=debug (was info)",
                "policy.on-trap=fail (was recover)"
            ]
        );
        assert_eq!(
            changes(
                "[functions.f]\nplugin = \"a\"\n[functions.f.limits]\nmemory = \"1MiB\"\n",
                "[functions.g]\n"
            ),
            [
                "functions.f.limits.memory is gone (was 1MiB)",
                "functions.f.plugin is gone (was a)",
                "functions.g={} (is new)"
            ]
        );
        let one = "[functions.f]\nplugin = \"a\"\n";
        assert_eq!(changes("", one), ["functions.f.plugin=a (is new)"]);
        assert_eq!(changes(one, ""), ["functions.f.plugin is gone (was a)"]);
        assert_eq!(changes("[functions.f]\n", one), ["functions.f.plugin=a (is new)"]);
        assert_eq!(changes("", "[functions.f]\n"), ["functions.f={} (is new)"]);
        let route = "[functions.f]\nplugin = \"a\"\n[[functions.f.route]]\ntask = \"t\"\nplugin = \"b\"\n";
        let changed = changes("[functions.f]\nplugin = \"a\"\n", route).join(", ");
        assert!(changed.contains("functions.f.route=[{ plugin = \"b\", task = \"t\" }]"), "{changed}");
    }

    #[test]
    fn a_value_that_is_written_out_but_is_the_default_changes_nothing() {
        let shipped = include_str!("../../udf.toml");
        let plain = "plugins-dir = \"plugins\"\n";
        assert_eq!(changes(plain, shipped), Vec::<String>::new());
    }

    #[test]
    fn what_needs_a_restart_keeps_its_value() {
        let before = config("[limits]\nstack = \"1MiB\"\n");
        let now =
            config("plugins-dir = \"p\"\nsocket-dir = \"s\"\nstate-dir = \"t\"\nsocket-mode = \"0600\"\n");
        let (now, changes) = now.in_place_of(&before);
        let of = |applies| -> Vec<&str> {
            changes
                .iter()
                .filter(|change| change.applies == applies)
                .map(|change| change.key.as_str())
                .collect()
        };
        assert_eq!(of(Applies::AfterRestart), ["limits.stack", "plugins-dir", "socket-dir", "state-dir"]);
        assert_eq!(of(Applies::AtOnce), ["socket-mode"]);
        assert_eq!(now.plugins_dir, before.plugins_dir);
        assert_eq!(now.socket_dir, before.socket_dir);
        assert_eq!(now.state_dir, before.state_dir);
        assert_eq!(now.default_limits().stack, Bytes::mib(1));
        assert_eq!(now.socket_mode.0, 0o600);
    }
}
