//! Whom a container runs as, and what it may do.

use std::path::PathBuf;

use container::{SystemCalls, User};
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
    /// Whether nothing of `/proc` is hidden.
    pub unmasked: bool,
    /// Which system calls it may make.
    pub system_calls: SystemCalls,
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
    /// The pod says root, and forbids it.
    #[error(
        "container's runAsUser breaks non-root policy (pod: \"{pod}_{namespace}({uid})\", container: {container})"
    )]
    Contradiction {
        /// The pod's name.
        pod: String,
        /// Its namespace.
        namespace: String,
        /// Its uid.
        uid: String,
        /// The container.
        container: String,
    },
    /// It would run as somebody of whom only the name is known.
    #[error(
        "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is non-root (pod: \"{pod}_{namespace}({uid})\", container: {container})"
    )]
    Nameless {
        /// Whom the image names.
        user: String,
        /// The pod's name.
        pod: String,
        /// Its namespace.
        namespace: String,
        /// Its uid.
        uid: String,
        /// The container.
        container: String,
    },
    /// It wants a profile of system calls that is a file of the node.
    #[error("cannot load seccomp profile \"{0}\": this node has no profiles of its own")]
    Profile(String),
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
    let system_calls = system_calls(&of_pod, &own)?;
    if own.run_as_non_root.or(of_pod.run_as_non_root) == Some(true) {
        let asked = own.run_as_user.or(of_pod.run_as_user);
        forbid_root(pod, container, asked, image_user, &user)?;
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
        unmasked: own.proc_mount.as_deref() == Some("Unmasked"),
        system_calls,
    })
}

/// Refuses what is or may be root.
fn forbid_root(
    pod: &Pod,
    container: &Container,
    asked: Option<i64>,
    image_user: &str,
    user: &User,
) -> Result<(), SecurityError> {
    let (uid, namespace) = (spec::uid(pod).to_owned(), spec::namespace(pod).to_owned());
    let (pod, container) = (spec::name(pod).to_owned(), container.name.clone());
    match asked {
        Some(0) => Err(SecurityError::Contradiction { pod, namespace, uid, container }),
        Some(_) => Ok(()),
        None if is_a_name(image_user) => {
            let user = image_user.split(':').next().unwrap_or_default().to_owned();
            Err(SecurityError::Nameless { user, pod, namespace, uid, container })
        }
        None if user.uid == 0 => Err(SecurityError::Root { pod, namespace, uid, container }),
        None => Ok(()),
    }
}

/// Whether an image names its user by a name, of which a pod that must not run as root cannot tell who it is.
fn is_a_name(image_user: &str) -> bool {
    let user = image_user.split(':').next().unwrap_or_default();
    !user.is_empty() && user.parse::<u32>().is_err()
}

fn system_calls(pod: &PodSecurityContext, own: &SecurityContext) -> Result<SystemCalls, SecurityError> {
    let profile = own.seccomp_profile.as_ref().or(pod.seccomp_profile.as_ref());
    match profile.map(|profile| (profile.type_.as_str(), profile.localhost_profile.clone())) {
        Some(("RuntimeDefault", _)) => Ok(SystemCalls::Ordinary),
        Some(("Localhost", path)) => Err(SecurityError::Profile(path.unwrap_or_default())),
        Some(_) | None => Ok(SystemCalls::All),
    }
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
    if pod.supplemental_groups_policy.as_deref() == Some("Strict") {
        // Not those the image's own files give its user.
        user.groups.clear();
    }
    let more = pod.supplemental_groups.iter().flatten().copied().chain(pod.fs_group);
    for group in more.filter_map(|group| id(Some(group))) {
        if !user.groups.contains(&group) {
            user.groups.push(group);
        }
    }
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// Asks with an image that runs as `image_user`; returns the user and the calls, or why not.
    fn ask(pod: &Value, own: &Value, image_user: &str) -> Result<(u32, SystemCalls), String> {
        let container = json!({ "name": "c", "securityContext": own });
        let pod = json!({ "metadata": { "name": "p", "namespace": "n", "uid": "u" },
            "spec": { "securityContext": pod, "containers": [container] } });
        let pod: Pod = serde_json::from_value(pod).unwrap();
        let container = &spec::spec(&pod).containers[0];
        let permissions = permissions(&pod, container, image_user, &[], UserIds::Many);
        permissions.map(|it| (it.user.uid, it.system_calls)).map_err(|error| error.to_string())
    }

    #[test]
    fn who_must_not_be_root_is_not() {
        let must = json!({ "runAsNonRoot": true });
        let of_pod = "(pod: \"p_n(u)\", container: c)";
        let check = |own: Value, image_user: &str, expected: Result<u32, String>| {
            assert_eq!(ask(&must, &own, image_user).map(|(uid, _)| uid), expected);
        };
        check(json!({}), "1000", Ok(1000));
        check(json!({ "runAsUser": 7 }), "", Ok(7));
        check(json!({ "runAsNonRoot": false }), "", Ok(0));
        let root = "container has runAsNonRoot and image will run as root";
        check(json!({}), "", Err(format!("{root} {of_pod}")));
        check(json!({}), "0:0", Err(format!("{root} {of_pod}")));
        let broken = "container's runAsUser breaks non-root policy";
        check(json!({ "runAsUser": 0 }), "1000", Err(format!("{broken} {of_pod}")));
    }

    #[test]
    fn the_containers_profile_comes_before_the_pods() {
        let profile =
            |kind: &str| json!({ "seccompProfile": { "type": kind, "localhostProfile": "a.json" } });
        let check = |pod: &Value, own: &Value, expected: Result<SystemCalls, &str>| {
            let found = ask(pod, own, "").map(|(_, calls)| calls);
            assert_eq!(found, expected.map_err(str::to_owned));
        };
        check(&json!({}), &json!({}), Ok(SystemCalls::All));
        check(&profile("RuntimeDefault"), &json!({}), Ok(SystemCalls::Ordinary));
        check(&profile("RuntimeDefault"), &profile("Unconfined"), Ok(SystemCalls::All));
        let why = "cannot load seccomp profile \"a.json\": this node has no profiles of its own";
        check(&json!({}), &profile("Localhost"), Err(why));
    }
}
