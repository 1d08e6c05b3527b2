//! Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers, budgets, revisions.

use serde_json::{Value, json};

use super::look::{at, entries, fill, fill_text, integer, list, section, text};
use super::metadata::{immutable, is_empty_selector, not_negative, selects_template, validate_selector};
use super::pods::{default_template, validate_template};
use super::storage::claim_spec_errors;
use crate::field::FieldError;
use crate::names;

/// How many old revisions a workload keeps unless it says so.
const REVISIONS: i64 = 10;

pub(super) fn default_deployment(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", REVISIONS);
    fill(spec, "progressDeadlineSeconds", 600);
    let strategy = section(spec, "strategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "/type") == "RollingUpdate" {
        let rolling = section(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", "25%");
        fill(rolling, "maxSurge", "25%");
    }
    default_template(section(spec, "template"));
}

pub(super) fn default_replica_set(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "replicas", 1);
    default_template(section(spec, "template"));
}

pub(super) fn default_replication_controller(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "replicas", 1);
    if at(spec, "/template").is_none() {
        return;
    }
    default_template(section(spec, "template"));
    let labels = at(spec, "/template/metadata/labels").cloned();
    if let Some(labels) = labels {
        if entries(spec, "/selector").next().is_none() {
            spec["selector"] = labels.clone();
        }
        fill(section(object, "metadata"), "labels", labels);
    }
}

pub(super) fn default_daemon_set(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "revisionHistoryLimit", REVISIONS);
    let strategy = section(spec, "updateStrategy");
    fill_text(strategy, "type", "RollingUpdate");
    if text(strategy, "/type") == "RollingUpdate" {
        let rolling = section(strategy, "rollingUpdate");
        fill(rolling, "maxUnavailable", 1);
        fill(rolling, "maxSurge", 0);
    }
    default_template(section(spec, "template"));
}

const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// DaemonSets still count the changes of their template in an annotation.
pub(super) fn prepare_daemon_set(object: &mut Value) {
    fill(section(section(object, "metadata"), "annotations"), TEMPLATE_GENERATION, "1");
}

pub(super) fn prepare_daemon_set_update(new: &mut Value, old: &Value) {
    let pointer = format!("/metadata/annotations/{TEMPLATE_GENERATION}");
    let before: i64 = text(old, &pointer).parse().unwrap_or(1);
    let has_changed = at(new, "/spec/template") != at(old, "/spec/template");
    let now = if has_changed { before.saturating_add(1) } else { before };
    section(section(new, "metadata"), "annotations")[TEMPLATE_GENERATION] = now.to_string().into();
}

pub(super) fn default_stateful_set(object: &mut Value) {
    let spec = section(object, "spec");
    fill(spec, "replicas", 1);
    fill(spec, "revisionHistoryLimit", REVISIONS);
    fill_text(spec, "podManagementPolicy", "OrderedReady");
    let strategy = section(spec, "updateStrategy");
    if text(strategy, "/type").is_empty() {
        fill_text(strategy, "type", "RollingUpdate");
        section(strategy, "rollingUpdate");
    }
    if at(strategy, "/rollingUpdate").is_some() && text(strategy, "/type") == "RollingUpdate" {
        fill(section(strategy, "rollingUpdate"), "partition", 0);
    }
    let retention = section(spec, "persistentVolumeClaimRetentionPolicy");
    fill_text(retention, "whenDeleted", "Retain");
    fill_text(retention, "whenScaled", "Retain");
    default_template(section(spec, "template"));
    for claim in super::look::items_mut(spec, "volumeClaimTemplates") {
        fill_text(claim, "apiVersion", "v1");
        fill_text(claim, "kind", "PersistentVolumeClaim");
        super::storage::default_claim(claim);
        fill_text(section(claim, "status"), "phase", "Pending");
    }
}

pub(super) fn validate_deployment(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors: Vec<FieldError> =
        not_negative(integer(spec, "/replicas"), "spec.replicas").into_iter().collect();
    errors.extend(selector_and_template(spec, "deployment", "ReplicaSet"));
    errors.extend(strategy(spec));
    for key in ["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"] {
        errors.extend(not_negative(integer(spec, &format!("/{key}")), &format!("spec.{key}")));
    }
    if let Some(deadline) = integer(spec, "/progressDeadlineSeconds")
        && deadline <= integer(spec, "/minReadySeconds").unwrap_or_default()
    {
        errors.push(FieldError::invalid(
            "spec.progressDeadlineSeconds",
            deadline,
            "must be greater than minReadySeconds",
        ));
    }
    errors
}

pub(super) fn validate_replica_set(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    for key in ["replicas", "minReadySeconds"] {
        errors.extend(not_negative(integer(spec, &format!("/{key}")), &format!("spec.{key}")));
    }
    errors.extend(selector_and_template(spec, "deployment", "ReplicaSet"));
    errors
}

pub(super) fn validate_daemon_set(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = selector_and_template(spec, "daemonset", "DaemonSet");
    for key in ["minReadySeconds", "revisionHistoryLimit"] {
        errors.extend(not_negative(integer(spec, &format!("/{key}")), &format!("spec.{key}")));
    }
    let kind = text(spec, "/updateStrategy/type");
    if !["RollingUpdate", "OnDelete"].contains(&kind) {
        let strategy = at(spec, "/updateStrategy").cloned().unwrap_or_default();
        errors.push(FieldError::not_supported(
            "spec.updateStrategy",
            strategy,
            &["RollingUpdate", "OnDelete"],
        ));
    }
    if let Some(rolling) = at(spec, "/updateStrategy/rollingUpdate").filter(|_| kind == "RollingUpdate") {
        errors.extend(daemon_rolling_update(rolling));
    }
    errors
}

/// A DaemonSet goes either without some of its pods for a while, or with more than one on a node.
fn daemon_rolling_update(rolling: &Value) -> Vec<FieldError> {
    const PATH: &str = "spec.updateStrategy.rollingUpdate";
    let mut errors = Vec::new();
    let amount = |key: &str| rolling.get(key).and_then(amount_of).unwrap_or(0);
    match (amount("maxUnavailable") != 0, amount("maxSurge") != 0) {
        (true, true) => {
            let surge = rolling.get("maxSurge").cloned().unwrap_or_default();
            let why = "may not be set when maxUnavailable is non-zero";
            errors.push(FieldError::invalid(format!("{PATH}.maxSurge"), surge, why));
        }
        (false, false) => {
            let why = "cannot be 0 when maxSurge is 0";
            errors.push(FieldError::required(format!("{PATH}.maxUnavailable"), why));
        }
        (true, false) | (false, true) => {}
    }
    for key in ["maxUnavailable", "maxSurge"] {
        let Some(value) = rolling.get(key) else { continue };
        let path = format!("{PATH}.{key}");
        errors.extend(count_or_percent(value, &path));
        if value.is_string() && amount_of(value).is_some_and(|percent| percent > 100) {
            errors.push(FieldError::invalid(path, value.clone(), "must not be greater than 100%"));
        }
    }
    errors
}

pub(super) fn validate_stateful_set(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let policy = text(spec, "/podManagementPolicy");
    if !["OrderedReady", "Parallel"].contains(&policy) {
        let why = "must be 'OrderedReady' or 'Parallel'";
        errors.push(FieldError::invalid("spec.podManagementPolicy", policy, why));
    }
    for key in ["whenDeleted", "whenScaled"] {
        const CHOICES: [&str; 2] = ["Retain", "Delete"];
        let choice = text(spec, &format!("/persistentVolumeClaimRetentionPolicy/{key}"));
        if !CHOICES.contains(&choice) {
            let path = format!("spec.persistentVolumeClaimRetentionPolicy.{key}");
            errors.push(FieldError::not_supported(path, choice, &CHOICES));
        }
    }
    let strategy = at(spec, "/updateStrategy").cloned().unwrap_or_default();
    if !["RollingUpdate", "OnDelete"].contains(&text(&strategy, "/type")) {
        let why = "must be 'RollingUpdate' or 'OnDelete'";
        errors.push(FieldError::invalid("spec.updateStrategy", strategy, why));
    }
    for key in ["updateStrategy.rollingUpdate.partition", "replicas", "minReadySeconds", "ordinals.start"] {
        let pointer = format!("/{}", key.replace('.', "/"));
        errors.extend(not_negative(integer(spec, &pointer), &format!("spec.{key}")));
    }
    let service = text(spec, "/serviceName");
    if !service.is_empty() {
        let faults = names::dns_label_errors(service);
        errors.extend(faults.into_iter().map(|why| FieldError::invalid("spec.serviceName", service, why)));
    }
    for (place, claim) in list(spec, "/volumeClaimTemplates").iter().enumerate() {
        let claim_spec = at(claim, "/spec").unwrap_or(&Value::Null);
        errors.extend(claim_spec_errors(claim_spec, &format!("spec.volumeClaimTemplates[{place}].spec")));
    }
    // Claims become volumes of the pods, so mounts may name them.
    let mut with_volumes = spec.clone();
    let claims = list(spec, "/volumeClaimTemplates").iter().map(|claim| {
        let name = text(claim, "/metadata/name");
        json!({"name": name, "persistentVolumeClaim": {"claimName": name}})
    });
    let mut volumes: Vec<Value> = claims.collect();
    let claimed = volumes.len();
    for volume in list(spec, "/template/spec/volumes") {
        if !volumes[..claimed].iter().any(|claim| claim["name"] == volume["name"]) {
            volumes.push(volume.clone());
        }
    }
    if !volumes.is_empty() {
        section(section(&mut with_volumes, "template"), "spec")["volumes"] = volumes.into();
    }
    errors.extend(selector_and_template(&with_volumes, "statefulset", "StatefulSet"));
    errors
}

pub(super) fn validate_stateful_set_update(new: &Value, old: &Value) -> Vec<FieldError> {
    const MUTABLE: [&str; 7] = [
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
    ];
    let fixed = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        for key in MUTABLE {
            super::look::remove(&mut spec, key);
        }
        spec
    };
    if fixed(new) == fixed(old) {
        return Vec::new();
    }
    vec![FieldError::forbidden(
        "spec",
        "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
    )]
}

pub(super) fn validate_replication_controller(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    for key in ["replicas", "minReadySeconds"] {
        errors.extend(not_negative(integer(spec, &format!("/{key}")), &format!("spec.{key}")));
    }
    if entries(spec, "/selector").next().is_none() {
        errors.push(FieldError::required("spec.selector", ""));
    }
    let Some(template) = at(spec, "/template") else {
        errors.push(FieldError::required("spec.template", ""));
        return errors;
    };
    let selector = json!({ "matchLabels": at(spec, "/selector") });
    if !selects_template(&selector, template) {
        errors.push(labels_mismatch(template, "spec.template"));
    }
    errors.extend(validate_template(template, "spec.template"));
    errors.extend(always_restarts(template, "spec.template", "ReplicationController"));
    errors
}

/// Refuses a change of a workload's selector.
pub(super) fn validate_selector_update(new: &Value, old: &Value) -> Vec<FieldError> {
    immutable(at(new, "/spec/selector"), at(old, "/spec/selector"), "spec.selector").into_iter().collect()
}

/// Says that a template is not of its own selector.
pub(super) fn labels_mismatch(template: &Value, path: &str) -> FieldError {
    let labels = at(template, "/metadata/labels").cloned().unwrap_or_default();
    FieldError::invalid(
        format!("{path}.metadata.labels"),
        labels,
        "`selector` does not match template `labels`",
    )
}

fn selector_and_template(spec: &Value, word: &str, owner: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let template = at(spec, "/template").unwrap_or(&Value::Null);
    match at(spec, "/selector") {
        None => {
            // No selector selects nothing, so it can't match the template either.
            if word != "daemonset" {
                errors.push(FieldError::required("spec.selector", ""));
            }
            errors.push(labels_mismatch(template, "spec.template"));
        }
        Some(selector) => {
            let faults = validate_selector(selector, "spec.selector");
            let is_sound = faults.is_empty();
            errors.extend(faults);
            if is_empty_selector(selector) {
                let why = format!("empty selector is invalid for {word}");
                errors.push(FieldError::invalid("spec.selector", selector.clone(), why));
            } else if !is_sound && word != "daemonset" {
                let why = if word == "statefulset" { "" } else { "invalid label selector" };
                errors.push(FieldError::invalid("spec.selector", selector.clone(), why));
                return errors;
            } else if is_sound && !selects_template(selector, template) {
                errors.push(labels_mismatch(template, "spec.template"));
            }
        }
    }
    errors.extend(validate_template(template, "spec.template"));
    errors.extend(always_restarts(template, "spec.template", owner));
    errors
}

fn always_restarts(template: &Value, path: &str, owner: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let policy = text(template, "/spec/restartPolicy");
    if policy != "Always" {
        errors.push(FieldError::not_supported(format!("{path}.spec.restartPolicy"), policy, &["Always"]));
    }
    if at(template, "/spec/activeDeadlineSeconds").is_some() {
        errors.push(FieldError::forbidden(
            format!("{path}.spec.activeDeadlineSeconds"),
            format!("activeDeadlineSeconds in {owner} is not Supported"),
        ));
    }
    errors
}

fn strategy(spec: &Value) -> Vec<FieldError> {
    let strategy = at(spec, "/strategy").unwrap_or(&Value::Null);
    let path = "spec.strategy";
    match (text(strategy, "/type"), at(strategy, "/rollingUpdate")) {
        ("Recreate", Some(_)) => vec![FieldError::forbidden(
            format!("{path}.rollingUpdate"),
            "may not be specified when strategy `type` is 'Recreate'",
        )],
        ("Recreate", None) => Vec::new(),
        ("RollingUpdate", Some(rolling)) => rolling_update(rolling),
        ("RollingUpdate", None) => vec![FieldError::required(
            format!("{path}.rollingUpdate"),
            "this should be defaulted and never be nil",
        )],
        _ => {
            vec![FieldError::not_supported(path, strategy.clone(), &["Recreate", "RollingUpdate"])]
        }
    }
}

fn rolling_update(rolling: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let path = "spec.strategy.rollingUpdate";
    let zero = Value::from(0);
    for key in ["maxUnavailable", "maxSurge"] {
        errors.extend(count_or_percent(rolling.get(key).unwrap_or(&zero), &format!("{path}.{key}")));
    }
    // What is no amount counts as none.
    let amount = |key: &str| rolling.get(key).map_or(Some(0), |given| amount_of(given).or(Some(0)));
    let unavailable = rolling.get("maxUnavailable").cloned().unwrap_or(zero.clone());
    let path = format!("{path}.maxUnavailable");
    if amount("maxUnavailable") == Some(0) && amount("maxSurge") == Some(0) {
        errors.push(FieldError::invalid(&path, unavailable.clone(), "may not be 0 when `maxSurge` is 0"));
    }
    if unavailable.is_string() && amount_of(&unavailable).is_some_and(|percent| percent > 100) {
        errors.push(FieldError::invalid(&path, unavailable, "must not be greater than 100%"));
    }
    errors
}

/// Returns the number of a count or of a percentage.
fn amount_of(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.strip_suffix('%')?.parse().ok())
}

/// Judges a count or percentage.
pub(super) fn count_or_percent(value: &Value, path: &str) -> Option<FieldError> {
    match value {
        Value::String(text) => {
            let is_percent = text
                .strip_suffix('%')
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
            let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
            (!is_percent).then(|| FieldError::invalid(path, text.as_str(), why))
        }
        Value::Number(_) => not_negative(value.as_i64(), path),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            let why = "must be an integer or percentage (e.g '5%%')";
            Some(FieldError::invalid(path, value.clone(), why))
        }
    }
}

pub(super) fn validate_budget(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    if at(spec, "/minAvailable").is_some() && at(spec, "/maxUnavailable").is_some() {
        errors.push(FieldError::invalid(
            "spec",
            spec.clone(),
            "minAvailable and maxUnavailable cannot be both set",
        ));
    }
    for key in ["minAvailable", "maxUnavailable"] {
        if let Some(value) = spec.get(key) {
            let path = format!("spec.{key}");
            errors.extend(count_or_percent(value, &path));
            if value.is_string() && amount_of(value).is_some_and(|percent| percent > 100) {
                errors.push(FieldError::invalid(path, value.clone(), "must not be greater than 100%"));
            }
        }
    }
    if let Some(selector) = at(spec, "/selector") {
        errors.extend(validate_selector(selector, "spec.selector"));
    }
    const POLICIES: [&str; 2] = ["AlwaysAllow", "IfHealthyBudget"];
    if let Some(policy) = spec.get("unhealthyPodEvictionPolicy").and_then(Value::as_str)
        && !POLICIES.contains(&policy)
    {
        errors.push(FieldError::not_supported("spec.unhealthyPodEvictionPolicy", policy, &POLICIES));
    }
    errors
}

pub(super) fn validate_revision(object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if at(object, "/data").is_none() {
        errors.push(FieldError::required("data", "data is mandatory"));
    }
    errors.extend(not_negative(integer(object, "/revision"), "revision"));
    errors
}

pub(super) fn validate_revision_update(new: &Value, old: &Value) -> Vec<FieldError> {
    immutable(new.get("data"), old.get("data"), "data").into_iter().collect()
}
