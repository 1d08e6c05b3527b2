//! Who makes a request.

use std::collections::BTreeMap;

/// The group that may do everything.
pub const MASTERS: &str = "system:masters";
/// The group of everyone who proved who they are.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everyone who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";

/// A user: what authentication found out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The name, `kubernetes-admin` or `system:serviceaccount:<namespace>:<name>`.
    pub user: String,
    /// The uid, where there is one.
    pub uid: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Further facts, such as the pod a token is bound to.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl Identity {
    /// Returns a user in the group that may do everything.
    #[must_use]
    pub fn master(user: &str) -> Self {
        Self::new(user, &[MASTERS])
    }

    /// Returns a user in these groups, and in that of all authenticated ones.
    #[must_use]
    pub fn new(user: &str, groups: &[&str]) -> Self {
        let groups = groups.iter().copied().chain([AUTHENTICATED]).map(str::to_owned).collect();
        Self { user: user.to_owned(), groups, ..Self::default() }
    }

    /// Returns the user of a request that proves nothing.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            user: "system:anonymous".to_owned(),
            groups: vec![UNAUTHENTICATED.to_owned()],
            ..Self::default()
        }
    }

    /// Returns the user of a service account.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        let groups = ["system:serviceaccounts", &format!("system:serviceaccounts:{namespace}")];
        let mut identity = Self::new(&format!("system:serviceaccount:{namespace}:{name}"), &groups);
        uid.clone_into(&mut identity.uid);
        identity
    }

    /// Tells whether the user is in a group.
    #[must_use]
    pub fn is_in(&self, group: &str) -> bool {
        self.groups.iter().any(|mine| mine == group)
    }
}
