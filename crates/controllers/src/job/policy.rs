//! What the failure of a pod means: by the Job's pod failure policy, and for the index the pod had.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::k8s::api::batch::v1::{JobSpec, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule};
use api::k8s::api::core::v1::{ContainerStatus, Pod};
use jiff::Timestamp;

use super::{course, indexes, tally};
use crate::pods;

/// How often the index of a pod had failed before.
pub(super) const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";

/// What one failure means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts towards the limits.
    Count,
    /// It counts for nothing.
    Ignore,
    /// The index is not tried again.
    FailIndex,
    /// The whole Job fails, for the reason told.
    FailJob(String),
}

/// Judges a failed pod: the first rule that matches decides.
pub(super) fn judge(spec: &JobSpec, pod: &Pod) -> Verdict {
    let rules = spec.pod_failure_policy.iter().flat_map(|policy| &policy.rules);
    for (place, rule) in rules.enumerate() {
        let Some(told) = matched(rule, pod) else { continue };
        return match rule.action.as_str() {
            "Ignore" => Verdict::Ignore,
            "FailIndex" => Verdict::FailIndex,
            "FailJob" => Verdict::FailJob(format!("{told} matching FailJob rule at index {place}")),
            _ => Verdict::Count,
        };
    }
    Verdict::Count
}

fn matched(rule: &PodFailurePolicyRule, pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    if let Some(wanted) = &rule.on_exit_codes {
        let own = status.container_statuses.iter().flatten();
        let mut all = own.chain(status.init_container_statuses.iter().flatten());
        let (container, code) = all.find_map(|container| exit_code(container, wanted))?;
        return Some(format!(
            "Container {container} for pod {namespace}/{name} failed with exit code {code}"
        ));
    }
    let patterns = rule.on_pod_conditions.as_deref().unwrap_or_default();
    let is_meant = |kind: &str, status: &str| {
        patterns
            .iter()
            .any(|wanted| wanted.type_ == kind && wanted.status.as_deref().unwrap_or("True") == status)
    };
    let condition = status.conditions.iter().flatten().find(|it| is_meant(&it.type_, &it.status))?;
    Some(format!("Pod {namespace}/{name} has condition {}", condition.type_))
}

fn exit_code<'a>(
    container: &'a ContainerStatus,
    wanted: &PodFailurePolicyOnExitCodesRequirement,
) -> Option<(&'a str, i32)> {
    let code = container.state.as_ref()?.terminated.as_ref()?.exit_code;
    let is_meant = wanted.container_name.as_ref().is_none_or(|name| *name == container.name);
    let is_listed = wanted.values.contains(&code);
    let fits = if wanted.operator == "In" { is_listed } else { !is_listed };
    (is_meant && code != 0 && fits).then_some((container.name.as_str(), code))
}

/// The failures of the indexes of a Job that limits them.
#[derive(Default)]
pub(super) struct Indexes {
    /// Indexes that are not tried again.
    pub(super) failed: BTreeSet<i32>,
    /// How often the others have failed, and when last.
    retried: BTreeMap<i32, (i32, Option<Timestamp>)>,
}

impl Indexes {
    /// Sums up: what the status knows, and the failed pods there are. Without a limit there is nothing to say.
    pub(super) fn of(spec: &JobSpec, known: &str, all: &[Arc<Pod>]) -> Self {
        let Some(limit) = spec.backoff_limit_per_index else { return Self::default() };
        let mut indexes = Self { failed: indexes::parse(known), ..Self::default() };
        for pod in all.iter().filter(|pod| pods::phase(pod) == "Failed") {
            let Some(index) = indexes::of(pod) else { continue };
            let verdict = judge(spec, pod);
            let counts = i32::from(verdict != Verdict::Ignore);
            let failures = failures_before(pod).saturating_add(counts);
            if failures > limit || verdict == Verdict::FailIndex {
                indexes.failed.insert(index);
            }
            let (most, last) = indexes.retried.entry(index).or_default();
            *most = (*most).max(failures);
            *last = (*last).max(tally::ended_at(pod));
        }
        indexes
    }

    /// How often an index has failed.
    pub(super) fn failures(&self, index: i32) -> i32 {
        self.retried.get(&index).map_or(0, |(failures, _)| *failures)
    }

    /// How long an index that failed must wait still.
    pub(super) fn pause(&self, index: i32, now: Timestamp) -> Option<Duration> {
        let (failures, last) = self.retried.get(&index)?;
        course::pause_after(u32::try_from(*failures).unwrap_or(0), (*last)?, now)
    }
}

fn failures_before(pod: &Pod) -> i32 {
    let told = pod.metadata.annotations.as_ref().and_then(|all| all.get(FAILURES));
    told.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// Returns which rule of the success policy is met, if any.
pub(super) fn success(spec: &JobSpec, done: &BTreeSet<i32>) -> Option<usize> {
    let rules = &spec.success_policy.as_ref()?.rules;
    rules.iter().position(|rule| {
        let meant = rule.succeeded_indexes.as_deref().map(indexes::parse);
        let counted = meant.as_ref().map_or(done.len(), |meant| meant.intersection(done).count());
        match (rule.succeeded_count, &meant) {
            (Some(count), _) => tally::number(counted) >= count,
            (None, Some(meant)) => counted == meant.len(),
            (None, None) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn spec(fields: &Value) -> JobSpec {
        let mut spec = json!({"template": {"spec": {"containers": []}}});
        spec.as_object_mut().expect("a map").extend(fields.as_object().cloned().expect("a map"));
        serde_json::from_value(spec).expect("a spec")
    }

    fn failed(index: i32, failures: i32, code: i32) -> Arc<Pod> {
        let pod = json!({
            "metadata": {"name": "p", "namespace": "n",
                "annotations": {indexes::INDEX: index.to_string(), FAILURES: failures.to_string()}},
            "status": {"phase": "Failed", "conditions": [{"type": "DisruptionTarget", "status": "True"}],
                "containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": {"terminated": {"exitCode": code, "finishedAt": "2026-01-01T00:00:00Z"}}}]}});
        Arc::new(serde_json::from_value(pod).expect("a pod"))
    }

    #[test]
    fn the_first_matching_rule_decides() {
        let check = |rules: Value, expected: Verdict| {
            let spec = spec(&json!({"podFailurePolicy": {"rules": rules}}));
            assert_eq!(judge(&spec, &failed(0, 0, 42)), expected, "{rules}");
        };
        let codes = |operator: &str, values: &[i32]| json!({"operator": operator, "values": values});
        check(json!([]), Verdict::Count);
        check(json!([{"action": "Ignore", "onExitCodes": codes("In", &[1])}]), Verdict::Count);
        check(json!([{"action": "FailIndex", "onExitCodes": codes("NotIn", &[1])}]), Verdict::FailIndex);
        let told = "Container c for pod n/p failed with exit code 42 matching FailJob rule at index 1";
        let second = json!([{"action": "Ignore", "onExitCodes": codes("In", &[1])},
            {"action": "FailJob", "onExitCodes": codes("In", &[42])}]);
        check(second, Verdict::FailJob(told.to_owned()));
        let disruption = json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]);
        check(disruption, Verdict::Ignore);
        let other = json!([{"action": "Ignore", "onExitCodes":
            {"containerName": "d", "operator": "In", "values": [42]}}]);
        check(other, Verdict::Count);
    }

    #[test]
    fn an_index_fails_when_its_pods_failed_once_more_than_its_limit() {
        let spec = spec(&json!({"backoffLimitPerIndex": 1}));
        let pods = [failed(1, 0, 1), failed(1, 1, 1), failed(2, 0, 1)];
        let indexes = Indexes::of(&spec, "7", &pods);
        assert_eq!(indexes.failed, BTreeSet::from([1, 7]));
        assert_eq!((indexes.failures(2), indexes.failures(3)), (1, 0));
        let now = "2026-01-01T00:00:04Z".parse().expect("a time");
        assert_eq!(indexes.pause(2, now), Some(Duration::from_secs(6)));
    }

    #[test]
    fn a_success_policy_needs_indexes_or_a_number_of_them() {
        let check = |rule: Value, done: &[i32], expected: bool| {
            let spec = spec(&json!({"successPolicy": {"rules": [rule]}}));
            let met = success(&spec, &done.iter().copied().collect());
            assert_eq!(met.is_some(), expected, "{rule} {done:?}");
        };
        check(json!({"succeededIndexes": "0-1"}), &[0], false);
        check(json!({"succeededIndexes": "0-1"}), &[0, 1, 5], true);
        check(json!({"succeededCount": 2}), &[4, 5], true);
        check(json!({"succeededCount": 2, "succeededIndexes": "0-3"}), &[0, 5], false);
        check(json!({"succeededCount": 1, "succeededIndexes": "0-3"}), &[0, 5], true);
    }
}
