//! What a user of this machine may do with files: connect to a socket, read, write, enter a folder.
//!
//! It is computed from owners, groups and modes. An access control list may say something else, and is named.

use std::collections::BTreeSet;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The user that Kapacitor runs as, where its package is installed.
pub const KAPACITOR: &str = "kapacitor";

/// Name of the attribute that holds an access control list.
const ACL: &str = "system.posix_acl_access";

/// Mode bits of others; those of the group are three places to the left, and those of the owner six.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need(u32);

impl Need {
    /// To read a file, or list a folder.
    pub const READ: Self = Self(0o4);
    /// To write a file, or connect to a socket.
    pub const WRITE: Self = Self(0o2);
    /// To enter a folder, or run a program.
    pub const SEARCH: Self = Self(0o1);
    /// To make files in a folder.
    pub const MAKE_FILES: Self = Self(0o3);
    /// To read the files of a folder.
    pub const LIST: Self = Self(0o5);
}

/// A user of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    id: u32,
    groups: BTreeSet<u32>,
    name: String,
}

/// Whether a user can do something with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// It can.
    Can,
    /// This folder, or the file itself, keeps it out.
    KeptOut(PathBuf),
    /// There is no such file.
    Missing(PathBuf),
    /// This path has an access control list, which is not read.
    AccessList(PathBuf),
    /// This process may not look at the path.
    Unseen(PathBuf),
}

impl User {
    /// The user `kapacitor`, if this machine has one.
    pub fn kapacitor() -> Option<Self> {
        Self::named(KAPACITOR)
    }

    /// The user with a name or a number, if `/etc/passwd` has it.
    pub fn named(name: &str) -> Option<Self> {
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let groups = fs::read_to_string("/etc/group").unwrap_or_default();
        Self::parse(name, &users, &groups)
    }

    /// The user of a process, with the groups that the process has.
    pub fn of_process(process: u32) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        let numbers = |key: &str| -> Vec<u32> {
            let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap_or_default();
            line.split_whitespace().filter_map(|number| number.parse().ok()).collect()
        };
        // Real, effective, saved, and that of file systems.
        let id = *numbers("Uid:").get(3)?;
        let mut groups: BTreeSet<u32> = numbers("Groups:").into_iter().collect();
        groups.insert(*numbers("Gid:").get(3)?);
        Some(Self { id, groups, name: name("/etc/passwd", id) })
    }

    /// Its name, or its number if it has none.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it is in the group with this name or number.
    pub fn is_in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|id| id.to_string() == group || name("/etc/group", *id) == group)
    }

    /// The user `name` in the texts of `/etc/passwd` and `/etc/group`.
    fn parse(name: &str, users: &str, groups: &str) -> Option<Self> {
        let entry = |line: &str| -> Vec<String> { line.split(':').map(str::to_owned).collect() };
        let user = users.lines().map(entry).find(|user| user[0] == name);
        let user =
            user.or_else(|| users.lines().map(entry).find(|user| user.get(2).is_some_and(|id| id == name)))?;
        let of_user = |group: &Vec<String>| {
            group.get(3).is_some_and(|members| members.split(',').any(|member| member == user[0]))
        };
        let mut ids: BTreeSet<u32> =
            groups.lines().map(entry).filter(of_user).filter_map(|group| group[2].parse().ok()).collect();
        ids.insert(user.get(3)?.parse().ok()?);
        Some(Self { id: user.get(2)?.parse().ok()?, groups: ids, name: user[0].clone() })
    }

    /// What keeps the user from connecting to `socket`: the socket itself, or a folder on the way to it.
    pub fn kept_out_by(&self, socket: &Path) -> Option<PathBuf> {
        match self.reach(socket, Need::WRITE) {
            Reach::KeptOut(path) => Some(path),
            _ => None,
        }
    }

    /// Whether the user can do with the file `path` what it needs to, on the way through all of its folders.
    pub fn reach(&self, path: &Path, need: Need) -> Reach {
        let Ok(path) = std::path::absolute(path) else { return Reach::Missing(path.to_owned()) };
        let mut way: Vec<(&Path, Need)> =
            path.ancestors().skip(1).map(|folder| (folder, Need::SEARCH)).collect();
        way.reverse();
        way.push((&path, need));
        for (step, need) in way {
            match fs::metadata(step) {
                Ok(found) if self.may(&found, need) => {}
                Ok(found) if found.uid() != self.id && has_access_list(step) => {
                    return Reach::AccessList(step.to_owned());
                }
                Ok(_) => return Reach::KeptOut(step.to_owned()),
                Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                    return Reach::Unseen(step.to_owned());
                }
                Err(_) => return Reach::Missing(step.to_owned()),
            }
        }
        Reach::Can
    }

    fn may(&self, file: &Metadata, Need(bits): Need) -> bool {
        let shift = if file.uid() == self.id {
            6
        } else if self.groups.contains(&file.gid()) {
            3
        } else {
            0
        };
        self.id == 0 || file.mode() >> shift & bits == bits
    }
}

/// Whether a file has rights beside those of its mode.
fn has_access_list(path: &Path) -> bool {
    let mut none: [u8; 0] = [];
    rustix::fs::getxattr(path, ACL, &mut none[..]).is_ok()
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
        assert_eq!(user, User { id: 997, groups: BTreeSet::from([996, 500]), name: "kapacitor".to_owned() });
        assert_eq!(User::parse("997", USERS, groups), Some(user));
        assert_eq!(User::parse("nobody", USERS, groups), None);
    }

    #[test]
    fn user_is_kept_out_by_a_folder_or_by_the_socket() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("f.sock");
        let _listener = UnixListener::bind(&socket).unwrap();
        let set = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        let own = fs::metadata(&socket).unwrap();
        let stranger =
            User { id: own.uid() + 1, groups: BTreeSet::from([own.gid() + 1]), name: "x".to_owned() };
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
        assert_eq!(
            stranger.reach(&folder.path().join("none"), Need::READ),
            Reach::KeptOut(folder.path().to_owned())
        );
        set(folder.path(), 0o711);
        let none = folder.path().join("none");
        assert_eq!(stranger.reach(&none, Need::READ), Reach::Missing(none.clone()));
        assert_eq!(stranger.reach(folder.path(), Need::MAKE_FILES), Reach::KeptOut(folder.path().to_owned()));
    }

    #[test]
    fn user_of_a_process_has_the_groups_of_the_process() {
        let own = User::of_process(std::process::id()).unwrap();
        assert_eq!(own.id, rustix::process::geteuid().as_raw());
        assert!(own.groups.contains(&rustix::process::getegid().as_raw()));
        assert_eq!(User::of_process(u32::MAX), None);
    }
}
