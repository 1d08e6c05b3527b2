//! The node in the words of the API: pure functions of its configuration.

use std::collections::BTreeMap;

use api::quantity::Quantity;
use image::{ImageInfo, Reference};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{
    ContainerImage, DaemonEndpoint, Node, NodeAddress, NodeCondition, NodeDaemonEndpoints, NodeSpec,
    NodeStatus, NodeSystemInfo,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};

use crate::config::{Config, LimitSupport};
use crate::status::whole_second;

/// The version of Kubernetes whose kubelet this one is like.
/// The condition that says that limits are not held.
const LIMITS_CONDITION: &str = "LimitsNotEnforced";

/// What is done where the kernel does not hold the limits.
const BY_WATCHING: &str = "limits are held by watching the processes, not by the kernel: a container beyond its memory \
    limit or its number of processes is killed, one beyond its CPU limit is paused, both a moment later than the kernel \
    would";
/// Kubernetes' own limits of what a node shows of its images.
const IMAGES_MAX: usize = 50;
const NAMES_MAX: usize = 5;

/// Returns the Node as it is created.
pub(super) fn node(config: &Config) -> Node {
    Node {
        metadata: ObjectMeta {
            name: Some(config.node_name.clone()),
            labels: Some(labels(config)),
            ..ObjectMeta::default()
        },
        spec: Some(NodeSpec {
            pod_cidr: Some(config.pod_range.to_string()),
            pod_cidrs: Some(vec![config.pod_range.to_string()]),
            provider_id: Some(format!("pinnace://{}", config.node_name)),
            ..NodeSpec::default()
        }),
        status: None,
    }
}

/// Returns the Node's labels.
pub(super) fn labels(config: &Config) -> BTreeMap<String, String> {
    let standard = [
        ("kubernetes.io/hostname", config.node_name.as_str()),
        ("kubernetes.io/os", "linux"),
        ("kubernetes.io/arch", architecture()),
        ("beta.kubernetes.io/os", "linux"),
        ("beta.kubernetes.io/arch", architecture()),
    ];
    let mut labels = config.labels.clone();
    labels.extend(standard.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    labels
}

/// Returns the Node's status; conditions that did not change keep their transition times.
pub(super) fn status(config: &Config, previous: Option<&NodeStatus>, now: Timestamp) -> NodeStatus {
    let resources = resources(config);
    let addresses = [("InternalIP", config.address.to_string()), ("Hostname", config.node_name.clone())];
    let addresses = addresses.map(|(type_, address)| NodeAddress { type_: type_.to_owned(), address });
    NodeStatus {
        capacity: Some(resources.clone()),
        allocatable: Some(resources),
        addresses: Some(addresses.into()),
        conditions: Some(conditions(config, previous, now)),
        daemon_endpoints: Some(NodeDaemonEndpoints {
            kubelet_endpoint: Some(DaemonEndpoint { port: 10250 }),
        }),
        node_info: Some(system_info()),
        ..NodeStatus::default()
    }
}

/// Returns the images at hand, the largest first, as many as Kubernetes shows.
pub(super) fn images(mut known: Vec<ImageInfo>) -> Vec<ContainerImage> {
    known.sort_by_key(|image| std::cmp::Reverse(image.size));
    let shown = known.into_iter().take(IMAGES_MAX).map(|image| {
        let pinned = |name: &Reference| format!("{}@{}", name.repository(), image.digest);
        let mut names: Vec<String> = image.references.iter().map(pinned).collect();
        names.extend(image.references.iter().map(Reference::canonical));
        names.dedup();
        if names.is_empty() {
            names.push(image.digest.to_string());
        }
        names.truncate(NAMES_MAX);
        ContainerImage { names: Some(names), size_bytes: i64::try_from(image.size).ok() }
    });
    shown.collect()
}

fn resources(config: &Config) -> BTreeMap<String, WireQuantity> {
    let capacity = &config.capacity;
    let kibibytes = |bytes: u64| format!("{}Ki", bytes / 1024);
    let list = [
        ("cpu", Quantity::from_milli(i128::from(capacity.cpu_milli)).to_string()),
        ("memory", kibibytes(capacity.memory_bytes)),
        ("ephemeral-storage", kibibytes(capacity.ephemeral_storage_bytes)),
        ("pods", capacity.pods.to_string()),
        ("hugepages-2Mi", "0".to_owned()),
        ("hugepages-1Gi", "0".to_owned()),
    ];
    list.into_iter().map(|(name, amount)| (name.to_owned(), WireQuantity(amount))).collect()
}

fn conditions(config: &Config, previous: Option<&NodeStatus>, now: Timestamp) -> Vec<NodeCondition> {
    let by_watching;
    let (limits, limits_reason, limits_message) = match &config.limits {
        LimitSupport::Enforced => {
            ("False", "LimitsEnforced", "memory, CPU and process limits are enforced by the kernel")
        }
        LimitSupport::NotEnforced { reason } => {
            by_watching = format!("{BY_WATCHING}: {reason}");
            ("True", "NoDelegatedControlGroup", by_watching.as_str())
        }
    };
    let claims = [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        (LIMITS_CONDITION, limits, limits_reason, limits_message),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ];
    let known = previous.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let condition = |(name, status, reason, message): (&str, &str, &str, &str)| {
        let before = known.iter().find(|known| known.type_ == name && known.status == status);
        let now = Time(whole_second(now));
        NodeCondition {
            type_: name.to_owned(),
            status: status.to_owned(),
            reason: Some(reason.to_owned()),
            message: Some(message.to_owned()),
            last_heartbeat_time: Some(now.clone()),
            last_transition_time: before.and_then(|before| before.last_transition_time.clone()).or(Some(now)),
        }
    };
    claims.map(condition).into()
}

fn system_info() -> NodeSystemInfo {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let release = read("/etc/os-release");
    let pretty = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    NodeSystemInfo {
        architecture: architecture().to_owned(),
        boot_id: read("/proc/sys/kernel/random/boot_id"),
        container_runtime_version: format!("pinnace://{}", env!("CARGO_PKG_VERSION")),
        kernel_version: read("/proc/sys/kernel/osrelease"),
        kube_proxy_version: String::new(),
        kubelet_version: api::discovery::VERSION.to_owned(),
        machine_id: read("/etc/machine-id"),
        operating_system: "linux".to_owned(),
        os_image: pretty.map_or_else(|| "Linux".to_owned(), |name| name.trim_matches('"').to_owned()),
        swap: None,
        system_uuid: read("/etc/machine-id"),
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
