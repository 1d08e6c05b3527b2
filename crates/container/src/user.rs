//! Users and groups by name, looked up in an image's own `/etc/passwd` and `/etc/group`.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::User;

/// Why a user could not be found.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// No such user in the image.
    #[error("unable to find user `{0}`: no matching entries in passwd file")]
    NoUser(String),
    /// No such group in the image.
    #[error("unable to find group `{0}`: no matching entries in group file")]
    NoGroup(String),
}

impl User {
    /// Returns the user that an image names: `""`, `user`, `uid`, `user:group`, `uid:gid`, looked
    /// up in the topmost of `layers` that has the file. The supplementary groups are those the
    /// image's `/etc/group` gives to the user; none when a group is named.
    ///
    /// # Errors
    /// A name (not a number) that the image does not know.
    pub fn lookup(layers: &[PathBuf], user: &str) -> Result<Self, LookupError> {
        let passwd = read(layers, "etc/passwd");
        let group = read(layers, "etc/group");
        Self::find(&passwd, &group, user)
    }

    fn find(passwd: &str, group: &str, user: &str) -> Result<Self, LookupError> {
        let (name, group_name) = match user.split_once(':') {
            Some((name, group_name)) => (name, Some(group_name).filter(|name| !name.is_empty())),
            None => (user, None),
        };
        let name = if name.is_empty() { "0" } else { name };
        let number = name.parse::<u32>().ok();
        // A name wins over a number that looks like it, as in runc and Docker.
        let entry = accounts(passwd)
            .find(|account| account.name == name)
            .or_else(|| accounts(passwd).find(|account| Some(account.uid) == number));
        let uid = match (&entry, number) {
            (Some(account), _) => account.uid,
            (None, Some(uid)) => uid,
            (None, None) => return Err(LookupError::NoUser(name.to_owned())),
        };
        let Some(group_name) = group_name else {
            let gid = entry.as_ref().map_or(0, |account| account.gid);
            let groups = entry.map(|account| member_of(group, account.name)).unwrap_or_default();
            return Ok(Self { uid, gid, groups });
        };
        let known = groups(group).find(|(known, ..)| *known == group_name).map(|(_, gid, _)| gid);
        let gid = known.or_else(|| group_name.parse().ok());
        let gid = gid.ok_or_else(|| LookupError::NoGroup(group_name.to_owned()))?;
        Ok(Self { uid, gid, groups: Vec::new() })
    }
}

/// Returns the home folder of a user by the image's own `/etc/passwd`; `/` if it says nothing.
pub(crate) fn home(layers: &[PathBuf], uid: u32) -> String {
    let passwd = read(layers, "etc/passwd");
    let home = accounts(&passwd).find(|account| account.uid == uid).map(|account| account.home);
    home.filter(|home| !home.is_empty()).unwrap_or("/").to_owned()
}

struct Account<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

fn accounts(passwd: &str) -> impl Iterator<Item = Account<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        Some(Account { name, uid, gid, home: fields.nth(1).unwrap_or("/") })
    })
}

/// Name, number and members.
fn groups(group: &str) -> impl Iterator<Item = (&str, u32, &str)> {
    group.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let gid = fields.nth(1)?.parse().ok()?;
        Some((name, gid, fields.next().unwrap_or_default()))
    })
}

fn member_of(group: &str, user: &str) -> Vec<u32> {
    let with = groups(group).filter(|(.., members)| members.split(',').any(|member| member == user));
    with.map(|(_, gid, _)| gid).collect()
}

/// Longest file read; a thousand times what a base image has.
const MAX_SIZE: u64 = 4 << 20;

/// Reads a file of the topmost layer that has it; empty if none has. A symbolic link is not
/// followed: it could lead out of the image.
fn read(layers: &[PathBuf], file: &str) -> String {
    let mut text = String::new();
    let found = layers.iter().map(|layer| layer.join(file)).find(|path| is_file(path));
    if let Some(file) = found.and_then(|path| File::open(path).ok()) {
        // Not text, or cut short: what was read before is still good.
        let _ = file.take(MAX_SIZE).read_to_string(&mut text);
    }
    text
}

fn is_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:1000:100::/home/app:/bin/sh\n33:x:7:8::/:\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:\naudio:x:29:root,app\nvideo:x:44:app\n";

    #[track_caller]
    fn check(user: &str, expected: (u32, u32, &[u32])) {
        let found = User::find(PASSWD, GROUP, user).unwrap();
        assert_eq!((found.uid, found.gid, found.groups.as_slice()), expected, "{user}");
    }

    #[test]
    fn users_are_found_by_name_and_number() {
        check("", (0, 0, &[29]));
        check("root", (0, 0, &[29]));
        check("app", (1000, 100, &[29, 44]));
        check("1000", (1000, 100, &[29, 44]));
        check("app:audio", (1000, 29, &[]));
        check("app:", (1000, 100, &[29, 44]));
        check("4242", (4242, 0, &[]));
        check("4242:77", (4242, 77, &[]));
        check("33", (7, 8, &[]));
    }

    #[test]
    fn unknown_names_are_refused() {
        let message = |user| User::find(PASSWD, GROUP, user).unwrap_err().to_string();
        assert_eq!(message("nobody"), "unable to find user `nobody`: no matching entries in passwd file");
        assert_eq!(
            message("app:nogroup"),
            "unable to find group `nogroup`: no matching entries in group file"
        );
    }
}
