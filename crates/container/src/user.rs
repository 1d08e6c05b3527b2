//! Users and groups by name, looked up in an image's own `/etc/passwd` and `/etc/group`.

use std::path::PathBuf;

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
        let _ = (layers, user);
        unimplemented!()
    }
}
