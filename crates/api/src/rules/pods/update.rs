//! What may change in a pod: images, the deadline (downwards), tolerations (more), scheduling gates (fewer).

use serde_json::Value;

use crate::field::FieldError;
use crate::rules::look::{at, integer, is_true, list, remove, set_or_remove, text};

const UPDATABLE: &str = "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Judges a change of a pod through the pod itself (not through binding, resize or ephemeral containers).
pub(in crate::rules) fn validate_pod_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let (new, old) = (at(new, "/spec").unwrap_or(&Value::Null), at(old, "/spec").unwrap_or(&Value::Null));
    let mut errors = Vec::new();
    for key in ["containers", "initContainers"] {
        let pointer = format!("/{key}");
        if list(new, &pointer).len() != list(old, &pointer).len() {
            let path = format!("spec.{key}");
            errors.push(FieldError::forbidden(path, "pod updates may not add or remove containers"));
            return errors;
        }
    }
    errors.extend(deadline(new, old));
    errors.extend(only_added_tolerations(new, old));
    errors.extend(only_removed_gates(new, old));
    let mut munged = new.clone();
    for key in ["containers", "initContainers"] {
        let before = list(old, &format!("/{key}"));
        for (container, before) in
            munged.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().zip(before)
        {
            set_or_remove(container, "image", before.get("image").cloned());
        }
    }
    let is_gated = !list(old, "/schedulingGates").is_empty();
    let mut free = vec!["activeDeadlineSeconds", "schedulingGates", "tolerations"];
    if is_gated {
        free.extend(["nodeSelector", "affinity"]);
    }
    if integer(old, "/terminationGracePeriodSeconds").is_some_and(|seconds| seconds < 0)
        && integer(new, "/terminationGracePeriodSeconds") == Some(1)
    {
        free.push("terminationGracePeriodSeconds");
    }
    for key in free {
        set_or_remove(&mut munged, key, old.get(key).cloned());
    }
    if munged != *old {
        let changed = changed_fields(&munged, old);
        let why = format!("pod updates may not change fields other than {UPDATABLE}\n{}", changed.join("\n"));
        errors.push(FieldError::forbidden("spec", why));
    }
    errors
}

fn deadline(new: &Value, old: &Value) -> Option<FieldError> {
    let path = "spec.activeDeadlineSeconds";
    let most = i64::from(i32::MAX);
    match (integer(new, "/activeDeadlineSeconds"), integer(old, "/activeDeadlineSeconds")) {
        (Some(now), _) if !(0..=most).contains(&now) => {
            Some(FieldError::invalid(path, now, format!("must be between 0 and {most}, inclusive")))
        }
        (Some(now), Some(before)) if before < now => {
            Some(FieldError::invalid(path, now, "must be less than or equal to previous value"))
        }
        (None, Some(_)) => {
            let why = "must not update from a positive integer to nil value";
            Some(FieldError::invalid(path, Value::Null, why))
        }
        _ => None,
    }
}

fn only_added_tolerations(new: &Value, old: &Value) -> Option<FieldError> {
    let seconds_aside = |toleration: &Value| {
        let mut copy = toleration.clone();
        remove(&mut copy, "tolerationSeconds");
        copy
    };
    let now: Vec<Value> = list(new, "/tolerations").iter().map(seconds_aside).collect();
    let is_lost = list(old, "/tolerations").iter().map(seconds_aside).any(|one| !now.contains(&one));
    is_lost.then(|| {
        FieldError::forbidden(
            "spec.tolerations",
            "existing toleration can not be modified except its tolerationSeconds",
        )
    })
}

fn only_removed_gates(new: &Value, old: &Value) -> Option<FieldError> {
    let before = list(old, "/schedulingGates");
    let added = list(new, "/schedulingGates").iter().find(|gate| !before.contains(gate))?;
    let why =
        "only deletion is allowed, but found new scheduling gate '".to_owned() + text(added, "/name") + "'";
    Some(FieldError::forbidden("spec.schedulingGates", why))
}

/// Names the fields that differ, with both values.
fn changed_fields(new: &Value, old: &Value) -> Vec<String> {
    let empty = serde_json::Map::new();
    let (new, old) = (new.as_object().unwrap_or(&empty), old.as_object().unwrap_or(&empty));
    let mut keys: Vec<&String> = new.keys().chain(old.keys()).collect();
    keys.sort_unstable();
    keys.dedup();
    let absent = Value::Null;
    keys.into_iter()
        .filter(|key| new.get(*key) != old.get(*key))
        .map(|key| {
            let (before, now) = (old.get(key).unwrap_or(&absent), new.get(key).unwrap_or(&absent));
            format!("  {key}:\n- {before}\n+ {now}")
        })
        .collect()
}

/// Judges a change through the ephemeral containers subresource: they can only be added.
pub(crate) fn validate_ephemeral_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let path = "spec.ephemeralContainers";
    let now = list(new, "/spec/ephemeralContainers");
    let mut errors = Vec::new();
    for before in list(old, "/spec/ephemeralContainers") {
        let name = text(before, "/name");
        match now.iter().find(|one| text(one, "/name") == name) {
            None => {
                let why = format!("existing ephemeral containers {name:?} may not be removed\n");
                errors.push(FieldError::forbidden(path, why));
            }
            Some(one) if one != before => {
                let why = format!("existing ephemeral containers {name:?} may not be changed\n");
                errors.push(FieldError::forbidden(path, why));
            }
            Some(_) => {}
        }
    }
    if is_true(new, "/metadata/annotations/kubernetes.io~1config.mirror") {
        errors.push(FieldError::forbidden("", "static pods do not support ephemeral containers"));
    }
    errors
}
