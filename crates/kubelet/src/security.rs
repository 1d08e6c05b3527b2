//! Whom a container runs as, and what it may do.

use std::path::PathBuf;

use container::User;
use k8s_openapi::api::core::v1::{Container, Pod, PodSecurityContext, SecurityContext};

use crate::spec;

/// What a container may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Whom it runs as.
    pub user: User,
    /// Changes to the default set of capabilities.
    pub capabilities: container::Capabilities,
    /// Whether its root file system refuses writes.
    pub read_only_root: bool,
    /// Whether it may do everything.
    pub privileged: bool,
    /// Whether set-user-id programs have no effect.
    pub no_new_privileges: bool,
}

/// Why a container must not run.
#[derive(Debug, thiserror::Error)]
pub enum SecurityError {
    /// It would run as root though the pod forbids it.
    #[error(
        "container has runAsNonRoot and image will run as root (pod: \"{pod}_{namespace}({uid})\", container: {container})"
    )]
    Root {
        /// The pod's name.
        pod: String,
        /// Its namespace.
        namespace: String,
        /// Its uid.
        uid: String,
        /// The container.
        container: String,
    },
    /// The image's user does not exist in the image.
    #[error(transparent)]
    User(#[from] container::LookupError),
}

/// The user ids that exist on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserIds {
    /// Containers can run as anybody.
    Many,
    /// A user namespace with a single id: every container runs as its root, which is the ordinary
    /// user who started the cluster.
    One,
}

/// Returns what a container may do. `layers` are those of its image, the topmost first, and
/// `image_user` whom the image wants to run as.
///
/// # Errors
/// The pod forbids what the image wants, or names a user that does not exist.
pub fn permissions(
    pod: &Pod,
    container: &Container,
    image_user: &str,
    layers: &[PathBuf],
    ids: UserIds,
) -> Result<Permissions, SecurityError> {
    let of_pod = spec::spec(pod).security_context.clone().unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let user = user(&of_pod, &own, image_user, layers)?;
    let must_not_be_root = own.run_as_non_root.or(of_pod.run_as_non_root) == Some(true);
    if must_not_be_root && user.uid == 0 {
        return Err(SecurityError::Root {
            pod: spec::name(pod).to_owned(),
            namespace: spec::namespace(pod).to_owned(),
            uid: spec::uid(pod).to_owned(),
            container: container.name.clone(),
        });
    }
    let capabilities = own.capabilities.clone().unwrap_or_default();
    let privileged = own.privileged == Some(true);
    Ok(Permissions {
        user: if ids == UserIds::One { User::default() } else { user },
        capabilities: container::Capabilities {
            add: capabilities.add.unwrap_or_default(),
            drop: capabilities.drop.unwrap_or_default(),
        },
        read_only_root: own.read_only_root_filesystem == Some(true),
        privileged,
        no_new_privileges: own.allow_privilege_escalation == Some(false) && !privileged,
    })
}

fn user(
    pod: &PodSecurityContext,
    own: &SecurityContext,
    image_user: &str,
    layers: &[PathBuf],
) -> Result<User, container::LookupError> {
    let id = |id: Option<i64>| id.and_then(|id| u32::try_from(id).ok());
    let named = id(own.run_as_user.or(pod.run_as_user));
    let wanted = named.map_or_else(|| image_user.to_owned(), |uid| uid.to_string());
    let mut user = User::lookup(layers, &wanted)?;
    if let Some(gid) = id(own.run_as_group.or(pod.run_as_group)) {
        user.gid = gid;
    }
    let more = pod.supplemental_groups.iter().flatten().copied().chain(pod.fs_group);
    for group in more.filter_map(|group| id(Some(group))) {
        if !user.groups.contains(&group) {
            user.groups.push(group);
        }
    }
    Ok(user)
}
