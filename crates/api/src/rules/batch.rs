//! Jobs and CronJobs.

use serde_json::{Map, Value, json};

use super::failure_policy::policy_errors;
use super::look::{at, entries, fill, fill_text, integer, is_true, items_mut, remove, section, text};
use super::metadata::{immutable, not_negative, selects_template, validate_selector};
use super::pods::{default_template, validate_template};
use super::strategy::reset_status;
use super::workloads::labels_mismatch;
use crate::field::FieldError;
use crate::selector::LabelSelector;

const LABEL_UID: &str = "batch.kubernetes.io/controller-uid";
const LABEL_NAME: &str = "batch.kubernetes.io/job-name";
/// The labels' older names, written beside the newer ones.
const LABEL_UID_OLD: &str = "controller-uid";
const LABEL_NAME_OLD: &str = "job-name";

pub(super) fn default_job(object: &mut Value) {
    let spec = section(object, "spec");
    default_template(section(spec, "template"));
    if at(spec, "/completions").is_none() && at(spec, "/parallelism").is_none() {
        fill(spec, "completions", 1);
    }
    fill(spec, "parallelism", 1);
    let retries = if at(spec, "/backoffLimitPerIndex").is_some() { i64::from(i32::MAX) } else { 6 };
    fill(spec, "backoffLimit", retries);
    fill(spec, "completionMode", "NonIndexed");
    fill(spec, "suspend", false);
    fill(spec, "manualSelector", false);
    let replacement = if at(spec, "/podFailurePolicy").is_some() { "Failed" } else { "TerminatingOrFailed" };
    fill(spec, "podReplacementPolicy", replacement);
    let policy = spec.get_mut("podFailurePolicy").into_iter();
    for rule in policy.flat_map(|policy| items_mut(policy, "rules")) {
        items_mut(rule, "onPodConditions").for_each(|pattern| fill_text(pattern, "status", "True"));
    }
}

/// A job without labels has those of its template.
fn take_over_labels(object: &mut Value) {
    let labels = at(object, "/spec/template/metadata/labels").cloned();
    if let Some(labels) = labels
        && entries(object, "/metadata/labels").next().is_none()
    {
        section(object, "metadata")["labels"] = labels;
    }
}

/// Gives a new job the selector that only its own pods match.
pub(super) fn prepare_job(object: &mut Value) {
    reset_status(object);
    if is_true(object, "/spec/manualSelector") {
        take_over_labels(object);
        return;
    }
    let uid = text(object, "/metadata/uid").to_owned();
    let name = text(object, "/metadata/name").to_owned();
    let spec = section(object, "spec");
    let labels = section(section(section(spec, "template"), "metadata"), "labels");
    for (key, value) in
        [(LABEL_UID, &uid), (LABEL_UID_OLD, &uid), (LABEL_NAME, &name), (LABEL_NAME_OLD, &name)]
    {
        fill(labels, key, value.as_str());
    }
    let selector = section(spec, "selector");
    section(selector, "matchLabels")[LABEL_UID] = json!(uid);
    take_over_labels(object);
}

pub(super) fn validate_job(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    if at(spec, "/selector").is_none() {
        errors.push(FieldError::required("spec.selector", ""));
    }
    if let Some(selector) = at(spec, "/selector") {
        let faults = validate_selector(selector, "spec.selector");
        let is_sound = faults.is_empty();
        errors.extend(faults);
        let template = at(spec, "/template").unwrap_or(&Value::Null);
        if is_sound && !selects_template(selector, template) {
            errors.push(labels_mismatch(template, "spec.template"));
        }
        errors.extend(generated_errors(object, selector, is_sound));
    }
    errors.extend(job_spec(spec, "spec"));
    errors
}

/// Judges what the server made so that the job's pods are its own: nobody may take it away.
fn generated_errors(job: &Value, selector: &Value, is_sound: bool) -> Vec<FieldError> {
    let spec = at(job, "/spec").unwrap_or(&Value::Null);
    if is_true(spec, "/manualSelector") {
        return Vec::new();
    }
    let (uid, name) = (text(job, "/metadata/uid"), text(job, "/metadata/name"));
    let expected = [(LABEL_UID_OLD, uid), (LABEL_NAME_OLD, name), (LABEL_UID, uid), (LABEL_NAME, name)];
    let labels = at(spec, "/template/metadata/labels").cloned().unwrap_or_default();
    let mut errors = Vec::new();
    for (key, value) in expected {
        let path = format!("spec.template.metadata.labels[{key}]");
        let why = format!("must be '{value}'");
        match labels.get(key).and_then(Value::as_str) {
            None => errors.push(FieldError::required(path, why)),
            Some(given) if given != value => errors.push(FieldError::invalid(path, labels.clone(), why)),
            Some(_) => {}
        }
    }
    let all: Map<String, Value> =
        expected.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
    let own = json!({"metadata": {"labels": all}});
    let selects_own = LabelSelector::from_json(selector).is_ok_and(|selector| selector.matches_object(&own));
    if is_sound && !selects_own {
        errors.push(FieldError::invalid("spec.selector", selector.clone(), "`selector` not auto-generated"));
    }
    errors
}

fn job_spec(spec: &Value, path: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for key in
        ["parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished"]
    {
        errors.extend(not_negative(integer(spec, &format!("/{key}")), &format!("{path}.{key}")));
    }
    let mode = text(spec, "/completionMode");
    if at(spec, "/completionMode").is_some() && !["NonIndexed", "Indexed"].contains(&mode) {
        errors.push(FieldError::not_supported(
            format!("{path}.completionMode"),
            mode,
            &["NonIndexed", "Indexed"],
        ));
    }
    if mode == "Indexed" && at(spec, "/completions").is_none() {
        let why = "when completion mode is Indexed";
        errors.push(FieldError::required(format!("{path}.completions"), why));
    }
    errors.extend(policy_errors(spec, path));
    errors.extend(replacement_errors(spec, &format!("{path}.podReplacementPolicy")));
    let template = at(spec, "/template").unwrap_or(&Value::Null);
    errors.extend(validate_template(template, &format!("{path}.template")));
    let policy = text(template, "/spec/restartPolicy");
    if policy == "Always" {
        let path = format!("{path}.template.spec.restartPolicy");
        errors.push(FieldError::required(path, "valid values: \"OnFailure\", \"Never\""));
    } else if !["OnFailure", "Never"].contains(&policy) {
        let path = format!("{path}.template.spec.restartPolicy");
        errors.push(FieldError::not_supported(path, policy, &["OnFailure", "Never"]));
    }
    errors
}

fn replacement_errors(spec: &Value, path: &str) -> Option<FieldError> {
    let given = spec.get("podReplacementPolicy").and_then(Value::as_str)?;
    let supported: &[&str] = match at(spec, "/podFailurePolicy") {
        Some(_) => &["Failed"],
        None => &["Failed", "TerminatingOrFailed"],
    };
    (!supported.contains(&given)).then(|| FieldError::not_supported(path, given, supported))
}

pub(super) fn validate_job_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let is_indexed = text(new, "/spec/completionMode") == "Indexed";
    let completions = (at(new, "/spec/completions"), at(old, "/spec/completions"));
    // An indexed job may change completions together with parallelism.
    if !is_indexed || completions.0 != at(new, "/spec/parallelism") {
        errors.extend(immutable(completions.0, completions.1, "spec.completions"));
    }
    for key in ["selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy"] {
        let pointer = format!("/spec/{key}");
        errors.extend(immutable(at(new, &pointer), at(old, &pointer), &format!("spec.{key}")));
    }
    let is_never_started = is_true(old, "/spec/suspend") && at(old, "/status/startTime").is_none();
    if !is_never_started {
        errors.extend(immutable(at(new, "/spec/template"), at(old, "/spec/template"), "spec.template"));
    } else if fixed_part(new) != fixed_part(old) {
        let value = at(new, "/spec/template/spec").cloned().unwrap_or_default();
        errors.push(FieldError::invalid("spec.template.spec", value, "field is immutable"));
    }
    errors
}

/// What of the pods stays even while a job has not started: all but where they run and what they use.
fn fixed_part(job: &Value) -> Value {
    let mut spec = at(job, "/spec/template/spec").cloned().unwrap_or_default();
    for key in ["affinity", "nodeSelector", "tolerations", "schedulingGates"] {
        remove(&mut spec, key);
    }
    for key in ["containers", "initContainers"] {
        items_mut(&mut spec, key).for_each(|container| drop(remove(container, "resources")));
    }
    spec
}

pub(super) fn default_cron_job(object: &mut Value) {
    let spec = section(object, "spec");
    fill_text(spec, "concurrencyPolicy", "Allow");
    fill(spec, "suspend", false);
    fill(spec, "successfulJobsHistoryLimit", 3);
    fill(spec, "failedJobsHistoryLimit", 1);
    default_template(section(section(section(spec, "jobTemplate"), "spec"), "template"));
}

pub(super) fn validate_cron_job(object: &Value) -> Vec<FieldError> {
    let spec = at(object, "/spec").unwrap_or(&Value::Null);
    let mut errors = Vec::new();
    let name = text(object, "/metadata/name");
    if name.len() > 52 {
        errors.push(FieldError::invalid("metadata.name", name, "must be no more than 52 characters"));
    }
    let schedule = text(spec, "/schedule");
    if schedule.is_empty() {
        errors.push(FieldError::required("spec.schedule", ""));
    } else if let Some(why) = crate::cron::error(schedule) {
        errors.push(FieldError::invalid("spec.schedule", schedule, why));
    }
    if at(spec, "/timeZone") == Some(&Value::from("")) {
        errors.push(FieldError::invalid("spec.timeZone", "", "timeZone must be nil or non-empty string"));
    }
    let policy = text(spec, "/concurrencyPolicy");
    if !["Allow", "Forbid", "Replace"].contains(&policy) {
        let supported = ["Allow", "Forbid", "Replace"];
        errors.push(FieldError::not_supported("spec.concurrencyPolicy", policy, &supported));
    }
    for key in ["startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.extend(not_negative(integer(spec, &format!("/{key}")), &format!("spec.{key}")));
    }
    let job = at(spec, "/jobTemplate/spec").unwrap_or(&Value::Null);
    errors.extend(job_spec(job, "spec.jobTemplate.spec"));
    errors
}
