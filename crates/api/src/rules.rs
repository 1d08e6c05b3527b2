//! The rules of each kind: defaults, validation, and what a write may not set.
//!
//! Each constant is the `rules` column of a row of the table; the functions behind it lie in the modules, by
//! subject. Defaults are Kubernetes' own; so are the words of the errors.

mod autoscaler;
mod batch;
mod bounds;
mod cluster;
mod config;
mod events;
mod failure_policy;
mod flow;
pub(crate) mod look;
pub(crate) mod metadata;
mod metrics;
mod network;
mod pods;
mod policy;
mod rbac;
mod service;
mod storage;
mod strategy;
mod workloads;

use serde_json::Value;

use config::key_errors as config_key_errors;
pub(crate) use pods::{quality_of_service, validate_ephemeral_update};
pub(crate) use strategy::{count_generation, keep_status, reset_status};

use crate::certificates;
use crate::field::FieldError;
use crate::resource::{Conversion, Generation, Rules};

fn no_default(_: &mut Value) {}

fn no_errors(_: &Value) -> Vec<FieldError> {
    Vec::new()
}

fn no_change_errors(_: &Value, _: &Value) -> Vec<FieldError> {
    Vec::new()
}

fn nothing_to_prepare(_: &mut Value, _: &Value) {}

/// The same form under another version.
fn renamed(mut object: Value, api_version: &str) -> Value {
    object["apiVersion"] = api_version.into();
    object
}

fn no_warnings(_: &Value) -> Vec<String> {
    Vec::new()
}

/// A kind without rules of its own.
pub(crate) const PLAIN: Rules = Rules {
    name: metadata::subdomain_name,
    default: no_default,
    validate: no_errors,
    validate_update: no_change_errors,
    validate_status: no_change_errors,
    prepare_create: no_default,
    prepare_update: nothing_to_prepare,
    warnings: no_warnings,
    generation: Generation::None,
    keeps_status: false,
};

/// A kind with spec and status, whose generation counts changes of the spec.
const SPEC_AND_STATUS: Rules = Rules { generation: Generation::Spec, keeps_status: true, ..PLAIN };

pub(crate) const CONFIG_MAP: Rules = Rules {
    validate: config::validate_config_map,
    validate_update: config::validate_config_map_update,
    ..PLAIN
};
pub(crate) const SECRET: Rules = Rules {
    default: config::default_secret,
    validate: config::validate_secret,
    validate_update: config::validate_secret_update,
    ..PLAIN
};
pub(crate) const ENDPOINTS: Rules =
    Rules { default: network::default_endpoints, validate: network::validate_endpoints, ..PLAIN };
pub(crate) const ENDPOINT_SLICE: Rules = Rules {
    default: network::default_endpoint_slice,
    validate: network::validate_endpoint_slice,
    validate_update: network::validate_endpoint_slice_update,
    generation: Generation::Content,
    ..PLAIN
};
pub(crate) const EVENT: Rules = Rules { validate: events::validate_core, ..PLAIN };
pub(crate) const EVENT_V1: Rules = Rules { validate: events::validate, ..PLAIN };
pub(crate) static EVENT_CONVERSION: Conversion =
    Conversion { to_storage: events::to_core, from_storage: events::from_core };
pub(crate) const LIMIT_RANGE: Rules =
    Rules { default: bounds::default_limit_range, validate: bounds::validate_limit_range, ..PLAIN };
pub(crate) const NAMESPACE: Rules = Rules {
    name: metadata::label_name,
    default: cluster::default_namespace,
    prepare_create: cluster::prepare_namespace,
    prepare_update: cluster::prepare_namespace_update,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const NODE: Rules = Rules {
    default: cluster::default_node,
    validate: cluster::validate_node,
    validate_update: cluster::validate_node_update,
    // A kubelet registers its node with the status it has.
    prepare_create: no_default,
    prepare_update: strategy::keep_status,
    ..PLAIN
};
pub(crate) const LEASE: Rules = Rules { validate: cluster::validate_lease, ..PLAIN };
pub(crate) const PRIORITY_CLASS: Rules = Rules {
    default: cluster::default_priority_class,
    validate: cluster::validate_priority_class,
    validate_update: cluster::validate_priority_class_update,
    generation: Generation::Spec,
    ..PLAIN
};
pub(crate) const RESOURCE_QUOTA: Rules = Rules {
    validate: bounds::validate_quota,
    validate_update: bounds::validate_quota_update,
    validate_status: bounds::validate_quota_status,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const SIGNING_REQUEST: Rules = Rules {
    validate: certificates::validate,
    prepare_update: certificates::prepare_update,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const FLOW_SCHEMA: Rules =
    Rules { default: flow::default_schema, validate: flow::validate_schema, ..SPEC_AND_STATUS };
pub(crate) const PRIORITY_LEVEL: Rules =
    Rules { default: flow::default_level, validate: flow::validate_level, ..SPEC_AND_STATUS };
pub(crate) const RUNTIME_CLASS: Rules = Rules {
    validate: cluster::validate_runtime_class,
    validate_update: cluster::validate_runtime_class_update,
    ..PLAIN
};
pub(crate) const VOLUME_CLAIM: Rules = Rules {
    default: storage::default_claim,
    validate: storage::validate_claim,
    validate_update: storage::validate_claim_update,
    prepare_create: storage::prepare_pending,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const VOLUME: Rules = Rules {
    default: storage::default_volume,
    validate: storage::validate_volume,
    validate_update: storage::validate_volume_update,
    prepare_create: storage::prepare_pending,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const CSI_DRIVER: Rules = Rules { default: storage::default_driver, ..PLAIN };
pub(crate) const CSI_CAPACITY: Rules = Rules {
    validate: storage::validate_storage_capacity,
    validate_update: storage::validate_storage_capacity_update,
    ..PLAIN
};
pub(crate) const VOLUME_ATTACHMENT: Rules = Rules {
    validate: storage::validate_attachment,
    validate_update: storage::validate_attachment_update,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const VOLUME_ATTRIBUTES_CLASS: Rules = Rules {
    validate: storage::validate_attributes_class,
    validate_update: storage::validate_attributes_class_update,
    ..PLAIN
};
pub(crate) const STORAGE_CLASS: Rules = Rules {
    default: storage::default_class,
    validate: storage::validate_class,
    validate_update: storage::validate_class_update,
    ..PLAIN
};
pub(crate) const POD: Rules = Rules {
    default: pods::default_pod,
    validate: pods::validate_pod,
    validate_update: pods::validate_pod_update,
    validate_status: pods::validate_pod_status,
    prepare_create: pods::prepare_pod,
    warnings: pods::pod_warnings,
    ..SPEC_AND_STATUS
};
pub(crate) const POD_TEMPLATE: Rules = Rules {
    default: pods::default_pod_template,
    validate: pods::validate_pod_template_object,
    generation: Generation::Content,
    ..PLAIN
};
pub(crate) const REPLICATION_CONTROLLER: Rules = Rules {
    default: workloads::default_replication_controller,
    validate: workloads::validate_replication_controller,
    warnings: pods::workload_warnings,
    ..SPEC_AND_STATUS
};
pub(crate) const SERVICE: Rules = Rules {
    name: metadata::label_name,
    default: service::default_service,
    validate: service::validate,
    validate_update: service::validate_update,
    prepare_create: service::prepare_create,
    prepare_update: service::prepare_update,
    warnings: service::warnings,
    keeps_status: true,
    ..PLAIN
};
pub(crate) const CONTROLLER_REVISION: Rules = Rules {
    validate: workloads::validate_revision,
    validate_update: workloads::validate_revision_update,
    ..PLAIN
};
pub(crate) const DAEMON_SET: Rules = Rules {
    default: workloads::default_daemon_set,
    validate: workloads::validate_daemon_set,
    prepare_create: workloads::prepare_daemon_set,
    prepare_update: workloads::prepare_daemon_set_update,
    validate_update: workloads::validate_selector_update,
    warnings: pods::workload_warnings,
    ..SPEC_AND_STATUS
};
pub(crate) const DEPLOYMENT: Rules = Rules {
    default: workloads::default_deployment,
    validate: workloads::validate_deployment,
    validate_update: workloads::validate_selector_update,
    warnings: pods::workload_warnings,
    generation: Generation::SpecAndAnnotations,
    ..SPEC_AND_STATUS
};
pub(crate) const REPLICA_SET: Rules = Rules {
    default: workloads::default_replica_set,
    validate: workloads::validate_replica_set,
    validate_update: workloads::validate_selector_update,
    warnings: pods::workload_warnings,
    ..SPEC_AND_STATUS
};
pub(crate) const STATEFUL_SET: Rules = Rules {
    name: metadata::label_name,
    default: workloads::default_stateful_set,
    validate: workloads::validate_stateful_set,
    validate_update: workloads::validate_stateful_set_update,
    warnings: pods::workload_warnings,
    ..SPEC_AND_STATUS
};
pub(crate) const CRON_JOB: Rules =
    Rules { default: batch::default_cron_job, validate: batch::validate_cron_job, ..SPEC_AND_STATUS };
pub(crate) const JOB: Rules = Rules {
    default: batch::default_job,
    validate: batch::validate_job,
    validate_update: batch::validate_job_update,
    prepare_create: batch::prepare_job,
    warnings: pods::workload_warnings,
    ..SPEC_AND_STATUS
};
pub(crate) const AUTOSCALER: Rules = Rules {
    default: autoscaler::default,
    validate: autoscaler::validate,
    generation: Generation::None,
    ..SPEC_AND_STATUS
};
pub(crate) const AUTOSCALER_V1: Rules = Rules {
    default: autoscaler::default_v1,
    validate: autoscaler::validate_v1,
    generation: Generation::None,
    ..SPEC_AND_STATUS
};
pub(crate) static AUTOSCALER_CONVERSION: Conversion =
    Conversion { to_storage: autoscaler::to_v2, from_storage: autoscaler::from_v2 };
pub(crate) const INGRESS_CLASS: Rules = Rules {
    default: network::default_ingress_class,
    validate: network::validate_ingress_class,
    validate_update: network::validate_ingress_class_update,
    generation: Generation::Spec,
    ..PLAIN
};
pub(crate) const INGRESS: Rules =
    Rules { validate: network::validate_ingress, warnings: network::ingress_warnings, ..SPEC_AND_STATUS };
pub(crate) const NETWORK_POLICY: Rules = Rules {
    default: policy::default_policy,
    validate: policy::validate_policy,
    generation: Generation::Spec,
    ..PLAIN
};
/// What `kubectl` 1.20 of Debian creates CronJobs with; the same form under an older name.
pub(crate) static CRON_JOB_CONVERSION: Conversion = Conversion {
    to_storage: |object| renamed(object, "batch/v1"),
    from_storage: |object| renamed(object, "batch/v1beta1"),
};
/// What `kubectl` 1.20 of Debian creates budgets with; the same form under an older name.
pub(crate) static BUDGET_CONVERSION: Conversion = Conversion {
    to_storage: |object| renamed(object, "policy/v1"),
    from_storage: |object| renamed(object, "policy/v1beta1"),
};
pub(crate) const DISRUPTION_BUDGET: Rules =
    Rules { name: metadata::path_name, validate: workloads::validate_budget, ..SPEC_AND_STATUS };
pub(crate) const ROLE: Rules = Rules { name: metadata::path_name, validate: rbac::validate_role, ..PLAIN };
pub(crate) const ROLE_BINDING: Rules = Rules {
    name: metadata::path_name,
    default: rbac::default_binding,
    validate: rbac::validate_binding,
    validate_update: rbac::validate_binding_update,
    ..PLAIN
};

#[cfg(test)]
mod tests;
