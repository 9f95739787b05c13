//! Who may connect to a socket.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The user that Kapacitor runs as, where its package is installed.
const KAPACITOR: &str = "kapacitor";

/// Mode bits of others; those of the group are three places to the left, and those of the owner six.
const WRITE: u32 = 0o2;
const SEARCH: u32 = 0o1;

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    id: u32,
    groups: BTreeSet<u32>,
}

impl User {
    /// The user `kapacitor`, if this machine has one.
    pub fn kapacitor() -> Option<Self> {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        Self::parse(KAPACITOR, &users, &groups)
    }

    /// The user `name` in the texts of `/etc/passwd` and `/etc/group`.
    fn parse(name: &str, users: &str, groups: &str) -> Option<Self> {
        let entry = |line: &str| -> Vec<String> { line.split(':').map(str::to_owned).collect() };
        let user = users.lines().map(entry).find(|user| user[0] == name)?;
        let of_user = |group: &Vec<String>| {
            group.get(3).is_some_and(|members| members.split(',').any(|member| member == name))
        };
        let mut ids: BTreeSet<u32> =
            groups.lines().map(entry).filter(of_user).filter_map(|group| group[2].parse().ok()).collect();
        ids.insert(user.get(3)?.parse().ok()?);
        Some(Self { id: user.get(2)?.parse().ok()?, groups: ids })
    }

    /// What keeps the user from connecting to `socket`: the socket itself, or a folder on the way to it.
    pub fn kept_out_by(&self, socket: &Path) -> Option<PathBuf> {
        let socket = std::path::absolute(socket).ok()?;
        let kept_out = |path: &Path, bit| fs::metadata(path).is_ok_and(|found| !self.may(&found, bit));
        let folders: Vec<&Path> = socket.ancestors().skip(1).collect();
        let mut folders = folders.into_iter().rev();
        let folder = folders.find(|folder| kept_out(folder, SEARCH)).map(Path::to_owned);
        folder.or_else(|| kept_out(&socket, WRITE).then(|| socket.clone()))
    }

    fn may(&self, file: &Metadata, bit: u32) -> bool {
        let shift = if file.uid() == self.id {
            6
        } else if self.groups.contains(&file.gid()) {
            3
        } else {
            0
        };
        self.id == 0 || file.mode() >> shift & bit != 0
    }
}

/// Owner, group and mode of a file, such as `kapacitor:kapacitor 0660`.
pub fn rights(path: &Path) -> Option<String> {
    let found = fs::metadata(path).ok()?;
    let (owner, group) = (name("/etc/passwd", found.uid()), name("/etc/group", found.gid()));
    Some(format!("{owner}:{group} {:04o}", found.mode() & 0o7777))
}

/// The name of a user or a group in a file of the form of `/etc/passwd`, or its number.
fn name(file: &str, id: u32) -> String {
    let entries = fs::read_to_string(file).unwrap_or_default();
    let number = id.to_string();
    let entry = entries.lines().find(|line| line.split(':').nth(2) == Some(&number));
    entry.and_then(|line| line.split(':').next()).map_or(number.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixListener;

    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nkapacitor:x:997:996::/var/lib/kapacitor:/bin/false\n";

    #[test]
    fn user_has_its_own_group_and_those_that_list_it() {
        let groups =
            "root:x:0:\nkapacitor:x:996:\nmetrics:x:500:telegraf,kapacitor\nother:x:501:kapacitor2\n";
        let user = User::parse("kapacitor", USERS, groups).unwrap();
        assert_eq!(user, User { id: 997, groups: BTreeSet::from([996, 500]) });
        assert_eq!(User::parse("nobody", USERS, groups), None);
    }

    #[test]
    fn user_is_kept_out_by_a_folder_or_by_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("f.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let own = fs::metadata(&socket).unwrap();
        let stranger = User { id: own.uid() + 1, groups: BTreeSet::from([own.gid() + 1]) };
        let member = User { groups: BTreeSet::from([own.gid()]), ..stranger.clone() };
        set(folder.path(), 0o755);
        set(&socket, 0o660);
        assert_eq!(stranger.kept_out_by(&socket), Some(socket.clone()));
        assert_eq!(member.kept_out_by(&socket), None);
        set(&socket, 0o606);
        assert_eq!(member.kept_out_by(&socket), Some(socket.clone()));
        assert_eq!(stranger.kept_out_by(&socket), None);
        set(folder.path(), 0o700);
        assert_eq!(stranger.kept_out_by(&socket), Some(folder.path().to_owned()));
        assert!(rights(&socket).unwrap().ends_with(" 0606"));
    }
}
