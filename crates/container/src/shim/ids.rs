//! The ids that exist in this user namespace, and whom a container runs as here.

use std::fs;

use crate::User;

/// The user and group ids that exist in this user namespace.
#[derive(Debug, Clone, Default)]
pub(super) struct Ids {
    users: Vec<(u32, u32)>,
    groups: Vec<(u32, u32)>,
    /// Whether supplementary groups may be set.
    supplementary: bool,
}

impl Ids {
    /// Reads them from `/proc/self`.
    pub(super) fn read() -> Self {
        let text = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).unwrap_or_default();
        Self::parse(&text("uid_map"), &text("gid_map"), &text("setgroups"))
    }

    pub(super) fn parse(users: &str, groups: &str, setgroups: &str) -> Self {
        let ranges = |map: &str| {
            let numbers = map.lines().filter_map(|line| {
                let mut fields = line.split_whitespace();
                Some((fields.next()?.parse().ok()?, fields.nth(1)?.parse().ok()?))
            });
            numbers.collect()
        };
        Self { users: ranges(users), groups: ranges(groups), supplementary: setgroups.trim() != "deny" }
    }

    fn has(ranges: &[(u32, u32)], id: u32) -> bool {
        ranges.iter().any(|(first, count)| id >= *first && id - first < *count)
    }

    pub(super) fn has_group(&self, gid: u32) -> bool {
        Self::has(&self.groups, gid)
    }

    /// Returns the user as far as it exists here. Where only one id does, that is 0, which is the
    /// person who started the cluster.
    pub(super) fn restrict(&self, user: &User) -> User {
        let supplementary = |gid: &&u32| self.supplementary && self.has_group(**gid);
        User {
            uid: if Self::has(&self.users, user.uid) { user.uid } else { 0 },
            gid: if self.has_group(user.gid) { user.gid } else { 0 },
            groups: user.groups.iter().filter(supplementary).copied().collect(),
        }
    }

    /// Says in words what [`Ids::restrict`] changes, if anything.
    pub(super) fn note(&self, user: &User) -> Option<String> {
        let restricted = self.restrict(user);
        (restricted != *user).then(|| {
            format!(
                "runs as user {}, group {} instead of user {}, group {}: no such id in this user namespace; \
                 install `newuidmap` and give yourself a range in /etc/subuid and /etc/subgid",
                restricted.uid, restricted.gid, user.uid, user.gid
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_id_namespace_runs_everyone_as_its_only_user_and_says_so() {
        let ids = Ids::parse("0 1001 1\n", "0 1001 1\n", "deny\n");
        let user = User { uid: 1000, gid: 100, groups: vec![29] };
        assert_eq!(ids.restrict(&user), User::default());
        assert!(ids.note(&user).is_some_and(|note| note.contains("instead of user 1000, group 100")));
        assert_eq!(ids.note(&User::default()), None);
    }

    #[test]
    fn a_full_map_changes_nothing() {
        let ids = Ids::parse("0 0 4294967295\n", "0 0 4294967295\n", "allow\n");
        let user = User { uid: 1000, gid: 100, groups: vec![29] };
        assert_eq!(ids.restrict(&user), user);
    }
}
