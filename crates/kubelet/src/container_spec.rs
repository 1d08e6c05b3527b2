//! What the runtime is told of a container: everything of the pod, the image and the node put
//! together.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use container::{ContainerSpec, Mount};
use k8s_openapi::api::core::v1::{Container, Pod};

use crate::back_off::BackOff;
use crate::environment::{self, EnvironmentError, expand};
use crate::files;
use crate::images::Ready;
use crate::node::Node;
use crate::observed::RefusalReason;
use crate::resources;
use crate::security::{self, SecurityError};
use crate::spec;
use crate::volumes::{self, MountError};

/// The label that keeps a run's image over a restart of the main process.
pub(crate) const IMAGE_LABEL: &str = "image-id";
/// The label that keeps the back-off, in seconds.
pub(crate) const BACK_OFF_LABEL: &str = "back-off";
/// The label that keeps the signal by which the image wants to be stopped.
pub(crate) const STOP_SIGNAL_LABEL: &str = "stop-signal";
/// The label that keeps the names of the layers' folders, so that nobody removes them.
pub(crate) const LAYERS_LABEL: &str = "layers";
/// What a program finds programs in when neither image nor pod say.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a specification is made of.
pub(crate) struct Inputs<'a> {
    pub(crate) node: &'a Node,
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a Container,
    /// The run whose processes it joins.
    pub(crate) target: Option<String>,
    pub(crate) restarts: u32,
    pub(crate) back_off: BackOff,
    pub(crate) address: Option<IpAddr>,
    pub(crate) image: &'a Ready,
}

/// A specification whose files are written.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) spec: ContainerSpec,
}

/// Why a container cannot be described.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpecError {
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Security(#[from] SecurityError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("no command specified")]
    NoCommand,
    #[error("failed to write `{}`", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl SpecError {
    /// Returns the reason a container's status shows.
    pub(crate) fn reason(&self) -> RefusalReason {
        match self {
            Self::Environment(_)
            | Self::Mount(_)
            | Self::Security(
                SecurityError::Root { .. }
                | SecurityError::Nameless { .. }
                | SecurityError::Contradiction { .. },
            ) => RefusalReason::CreateContainerConfigError,
            Self::Security(SecurityError::User(_) | SecurityError::Profile(_))
            | Self::NoCommand
            | Self::File { .. } => RefusalReason::CreateContainerError,
        }
    }
}

/// Returns the runtime's name of a container's run.
pub(crate) fn run_id(container: &str, restarts: u32) -> String {
    format!("{container}-{restarts}")
}

/// Returns the log of a container's run.
pub(crate) fn log_path(node: &Node, pod: &Pod, container: &str, restarts: u32) -> PathBuf {
    node.log_folder(pod).join(container).join(format!("{restarts}.log"))
}

/// Returns the file in which a container's run leaves its last words.
pub(crate) fn message_path(node: &Node, pod: &Pod, container: &str, restarts: u32) -> PathBuf {
    let folder = node.config.directories.volatile.join(spec::uid(pod)).join("containers~");
    folder.join(format!("{}.message", run_id(container, restarts)))
}

/// Writes a container's files and describes it to the runtime. Blocks on the disk.
///
/// # Errors
/// Something the container refers to is missing or malformed.
pub(crate) fn prepare(inputs: &Inputs<'_>) -> Result<Prepared, SpecError> {
    let (node, pod, container, image) = (inputs.node, inputs.pod, inputs.container, inputs.image);
    let own = own_environment(inputs)?;
    let lookup = |name: &str| own.get(name).cloned();
    let permissions =
        security::permissions(pod, container, &image.config.user, &image.layers, node.config.user_ids)?;
    let args = command(container, &image.config, lookup)?;
    let mut mounts = volumes::mounts(&node.config.directories, pod, container, node, &own)?;
    add_own_files(inputs, permissions.read_only_root, &mut mounts)?;
    let log_path = log_path(node, pod, &container.name, inputs.restarts);
    let message = message_path(node, pod, &container.name, inputs.restarts);
    make_parent(&log_path)?;
    make_message_file(&message)?;
    let cwd = container.working_dir.clone().filter(|path| !path.is_empty());
    let message_target = container.termination_message_path.clone().filter(|path| !path.is_empty());
    let spec = ContainerSpec {
        id: run_id(&container.name, inputs.restarts),
        name: container.name.clone(),
        attempt: inputs.restarts,
        layers: image.layers.clone(),
        args,
        env: full_environment(
            files::hostname(pod, &node.config.node_name, &node.config.dns.domain),
            &image.config,
            own,
        ),
        cwd: cwd.unwrap_or_else(|| image.config.working_dir.clone()).into(),
        user: permissions.user,
        mounts,
        resources: resources::runtime_resources(pod, container, &node.config.capacity),
        read_only_root: permissions.read_only_root,
        capabilities: permissions.capabilities,
        no_new_privileges: permissions.no_new_privileges,
        privileged: permissions.privileged,
        unmasked: permissions.unmasked,
        system_calls: permissions.system_calls,
        joins_processes_of: inputs.target.clone(),
        stdin: container.stdin == Some(true),
        stdin_once: container.stdin_once == Some(true),
        tty: container.tty == Some(true),
        log_path: Some(log_path),
        termination_message_path: Some(message),
        termination_message_target: message_target
            .unwrap_or_else(|| "/dev/termination-log".to_owned())
            .into(),
        labels: labels(inputs),
        ..ContainerSpec::default()
    };
    Ok(Prepared { spec })
}

fn labels(inputs: &Inputs<'_>) -> BTreeMap<String, String> {
    let image = inputs.image;
    let layers: Vec<_> = image.layers.iter().map(|layer| layer.to_string_lossy()).collect();
    let mut labels = BTreeMap::from([
        (IMAGE_LABEL.to_owned(), image.id.clone()),
        (BACK_OFF_LABEL.to_owned(), inputs.back_off.wait().as_secs().to_string()),
        (LAYERS_LABEL.to_owned(), layers.join("\n")),
    ]);
    let signal = image.config.stop_signal.clone().filter(|signal| !signal.is_empty());
    labels.extend(signal.map(|signal| (STOP_SIGNAL_LABEL.to_owned(), signal)));
    labels
}

fn own_environment(inputs: &Inputs<'_>) -> Result<BTreeMap<String, String>, EnvironmentError> {
    let facts = inputs.node.facts(inputs.address);
    let services = inputs.node.services_for(inputs.pod);
    let sources =
        environment::Inputs { pod: inputs.pod, facts: &facts, sources: inputs.node, services: &services };
    environment::environment(&sources, inputs.container)
}

/// The image's environment, then the container's own, which wins.
fn full_environment(
    hostname: String,
    image: &image::Config,
    own: BTreeMap<String, String>,
) -> Vec<(String, String)> {
    let mut variables = vec![("HOSTNAME".to_owned(), hostname)];
    if !image.env.iter().any(|(name, _)| name == "PATH") && !own.contains_key("PATH") {
        variables.push(("PATH".to_owned(), DEFAULT_PATH.to_owned()));
    }
    variables.extend(image.env.iter().filter(|(name, _)| !own.contains_key(name)).cloned());
    variables.extend(own);
    variables
}

/// The pod's command replaces the image's entrypoint and its arguments, the pod's arguments replace
/// the image's arguments only.
fn command(
    container: &Container,
    image: &image::Config,
    lookup: impl Fn(&str) -> Option<String> + Copy,
) -> Result<Vec<String>, SpecError> {
    let expanded = |words: &[String]| words.iter().map(|word| expand(word, lookup)).collect::<Vec<String>>();
    let command = expanded(container.command.as_deref().unwrap_or_default());
    let args = expanded(container.args.as_deref().unwrap_or_default());
    let (first, rest) = match (command.is_empty(), args.is_empty()) {
        (false, _) => (command, args),
        (true, false) => (image.entrypoint.clone(), args),
        (true, true) => (image.entrypoint.clone(), image.cmd.clone()),
    };
    let words: Vec<String> = first.into_iter().chain(rest).collect();
    if words.is_empty() { Err(SpecError::NoCommand) } else { Ok(words) }
}

/// `/etc/hosts`, `/etc/hostname` and `/etc/resolv.conf`, unless the container brings its own.
fn add_own_files(inputs: &Inputs<'_>, read_only: bool, mounts: &mut Vec<Mount>) -> Result<(), SpecError> {
    let config = &inputs.node.config;
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
    let (resolv_conf, hosts) = (read(&config.dns.host_resolv_conf), read(Path::new("/etc/hosts")));
    let host = files::Host { dns: &config.dns, resolv_conf: &resolv_conf, hosts: &hosts };
    let address = inputs.address.unwrap_or(IpAddr::V4(config.address));
    let folder = config.directories.pods.join(spec::uid(inputs.pod)).join("etc");
    let contents = [
        ("hosts", files::hosts(inputs.pod, address, &host)),
        ("hostname", format!("{}\n", files::hostname(inputs.pod, &config.node_name, &config.dns.domain))),
        ("resolv.conf", files::resolv_conf(inputs.pod, &host)),
    ];
    for (name, text) in contents {
        let target = Path::new("/etc").join(name);
        if mounts.iter().any(|mount| mount.target == target) {
            continue;
        }
        let source = folder.join(name);
        make_parent(&source)?;
        // A running container may have changed its hosts file; that is its own affair.
        if !source.exists() {
            fs::write(&source, text)
                .map_err(|error| SpecError::File { path: source.clone(), source: error })?;
        }
        mounts.push(Mount { source, target, read_only, ..Mount::default() });
    }
    Ok(())
}

/// Whoever the container runs as may leave its last words.
fn make_message_file(path: &Path) -> Result<(), SpecError> {
    make_parent(path)?;
    let file = |source| SpecError::File { path: path.to_owned(), source };
    fs::write(path, "").map_err(file)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666)).map_err(file)
}

fn make_parent(path: &Path) -> Result<(), SpecError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    fs::create_dir_all(parent).map_err(|source| SpecError::File { path: parent.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(command_words: &[&str], args: &[&str], expected: &[&str]) {
        let words = |words: &[&str]| Some(words.iter().map(|word| (*word).to_owned()).collect());
        let container =
            Container { command: words(command_words), args: words(args), ..Container::default() };
        let image = image::Config {
            entrypoint: vec!["/entry".to_owned()],
            cmd: vec!["default".to_owned()],
            ..image::Config::default()
        };
        let lookup = |name: &str| (name == "A").then(|| "1".to_owned());
        assert_eq!(command(&container, &image, lookup).unwrap(), expected);
    }

    #[test]
    fn the_pods_words_replace_the_images_as_kubernetes_says() {
        check(&[], &[], &["/entry", "default"]);
        check(&[], &["x", "$(A)"], &["/entry", "x", "1"]);
        check(&["sh"], &[], &["sh"]);
        check(&["sh", "-c"], &["$(A)"], &["sh", "-c", "1"]);
    }
}
