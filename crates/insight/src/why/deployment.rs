//! A Deployment: what its conditions say, and which of its pods holds it up.

use std::cmp::Reverse;

use api::k8s::api::apps::v1::{Deployment, DeploymentCondition, ReplicaSet};
use api::k8s::api::core::v1::Pod;
use api::pod_template;

use super::observed::{message_of, owner, selects};
use super::words::{name, plural};
use super::{Answer, Health, Look, pod};

const REVISION: &str = "deployment.kubernetes.io/revision";

/// A Deployment and what belongs to it.
struct Seen<'a> {
    look: &'a Look<'a>,
    deployment: &'a Deployment,
    name: &'a str,
    /// Its ReplicaSets, the latest revision first.
    sets: Vec<&'a ReplicaSet>,
    wanted: i32,
}

/// Answers for the Deployment of this name.
pub(super) fn answer(look: &Look<'_>, wanted_name: &str) -> Answer {
    let all = &look.observed.deployments;
    let found = all.iter().find(|known| known.metadata.name.as_deref() == Some(wanted_name));
    let Some(deployment) = found else {
        let verdict = format!("there is no Deployment `{wanted_name}` in namespace `{}`", look.namespace);
        return Answer::stuck(verdict)
            .next([format!("see what is there: {}", look.kubectl("get deployments"))]);
    };
    let seen = Seen {
        look,
        deployment,
        name: wanted_name,
        sets: sets(look, deployment),
        wanted: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1).max(0),
    };
    unnoticed(&seen)
        .or_else(|| refused(&seen))
        .or_else(|| scaled_to_zero(&seen))
        .or_else(|| complete(&seen))
        .or_else(|| paused(&seen))
        .unwrap_or_else(|| progressing(&seen))
}

fn sets<'a>(look: &Look<'a>, deployment: &Deployment) -> Vec<&'a ReplicaSet> {
    let is_owned = |set: &&ReplicaSet| owner(&set.metadata, "Deployment") == deployment.metadata.name;
    let mut sets: Vec<&ReplicaSet> = look.observed.replica_sets.iter().filter(is_owned).collect();
    sets.sort_by_key(|set| Reverse(revision(set)));
    sets
}

fn revision(set: &ReplicaSet) -> Option<u64> {
    set.metadata.annotations.as_ref()?.get(REVISION)?.parse().ok()
}

impl<'a> Seen<'a> {
    fn says(&self, what: &str) -> String {
        format!("deployment `{}` {what}", self.name)
    }

    fn condition(&self, kind: &str) -> Option<&'a DeploymentCondition> {
        let conditions = self.deployment.status.as_ref()?.conditions.as_ref()?;
        conditions.iter().find(|condition| condition.type_ == kind)
    }

    fn is_paused(&self) -> bool {
        self.deployment.spec.as_ref().and_then(|spec| spec.paused).unwrap_or(false)
    }

    /// Returns replicas, updated, ready and available as the status counts them.
    fn counts(&self) -> [i32; 4] {
        let status = self.deployment.status.as_ref();
        let of = |count: Option<i32>| count.unwrap_or(0).max(0);
        status.map_or([0; 4], |status| {
            [status.replicas, status.updated_replicas, status.ready_replicas, status.available_replicas]
                .map(of)
        })
    }

    /// Returns the ReplicaSet of the current template, if it has been made.
    fn current(&self) -> Option<&'a ReplicaSet> {
        let latest = self.sets.first()?;
        let known = self.deployment.metadata.annotations.as_ref().and_then(|all| all.get(REVISION));
        let is_current = known.is_none_or(|known| known.parse().ok() == revision(latest));
        is_current.then_some(*latest)
    }

    fn pods_of(&self, set: &ReplicaSet) -> Vec<&'a Pod> {
        let is_owned = |pod: &&Pod| owner(&pod.metadata, "ReplicaSet") == set.metadata.name;
        self.look.observed.pods.iter().filter(is_owned).collect()
    }

    /// Returns the pods of its selector.
    fn pods(&self) -> Vec<&'a Pod> {
        let selector = self.deployment.spec.as_ref().map(|spec| &spec.selector);
        self.look.observed.pods.iter().filter(|pod| selects(selector, &pod.metadata)).collect()
    }

    fn command(&self, words: &str) -> String {
        self.look.kubectl(&format!("{words} deployment/{}", self.name))
    }

    fn undo(&self) -> Option<String> {
        let has_past = self.sets.len() > 1;
        has_past.then(|| format!("or go back to the revision before: {}", self.command("rollout undo")))
    }
}

fn unnoticed(seen: &Seen<'_>) -> Option<Answer> {
    let observed = seen.deployment.status.as_ref().and_then(|status| status.observed_generation).unwrap_or(0);
    let generation = seen.deployment.metadata.generation.unwrap_or(0);
    (observed < generation).then(|| {
        let verdict = seen.says("was changed, and its controller has not looked at it yet");
        Answer::passing(verdict).next([
            format!("look again in a moment: `pinnace why deployment/{}`", seen.name),
            "if it stays: see that the controller manager runs".to_owned(),
        ])
    })
}

/// Pods that the API refuses to create.
fn refused(seen: &Seen<'_>) -> Option<Answer> {
    let failure = seen.condition("ReplicaFailure").filter(|condition| condition.status == "True");
    let from_set = || {
        let set = seen.current()?;
        let conditions = set.status.as_ref()?.conditions.as_ref()?;
        let failure = conditions.iter().find(|c| c.type_ == "ReplicaFailure" && c.status == "True")?;
        let events = seen.look.observed.events("ReplicaSet", &set.metadata);
        failure.message.clone().or_else(|| message_of(&events, &["FailedCreate"]).map(str::to_owned))
    };
    let told = failure.and_then(|failure| failure.message.clone()).or_else(from_set)?;
    let look = seen.look;
    let (cause, steps) = if told.contains("exceeded quota") {
        let quota = look.kubectl("describe resourcequota");
        (
            "the namespace's quota is used up",
            vec![
                format!("see what the quota allows and what is used: {quota}"),
                format!("scale something down, raise the quota, or request less: {}", seen.command("edit")),
            ],
        )
    } else if told.contains("must specify") {
        let step = format!("the namespace's quota wants requests and limits: {}", seen.command("edit"));
        ("the namespace's quota wants requests and limits on each container", vec![step])
    } else if told.contains("service account") || told.contains("serviceaccount") {
        let step = format!("create the account it names: {}", look.kubectl("create serviceaccount NAME"));
        ("its service account does not exist", vec![step])
    } else if told.contains("violates PodSecurity") {
        let step = format!("mend its `securityContext`: {}", seen.command("edit"));
        ("the namespace's pod security level forbids them", vec![step])
    } else if told.contains("is invalid") {
        ("its pod template is invalid", vec![format!("mend the template: {}", seen.command("edit"))])
    } else {
        ("the API refuses them", vec![format!("see everything about it: {}", seen.command("describe"))])
    };
    let verdict = seen.says(&format!("can't create its pods: {cause}"));
    Some(Answer::stuck(verdict).because([told]).next(steps).next(seen.undo()))
}

fn scaled_to_zero(seen: &Seen<'_>) -> Option<Answer> {
    if seen.wanted != 0 {
        return None;
    }
    let left = seen.pods().len();
    let verdict = seen.says("is scaled to 0: it is meant to have no pods");
    let answer = if left == 0 { Answer::fine(verdict) } else { Answer::waiting(verdict) };
    let leaving = (left > 0).then(|| format!("{} of it still end", plural(left, "pod")));
    let step = format!(
        "to have pods: {}",
        seen.look.kubectl(&format!("scale deployment/{} --replicas=1", seen.name))
    );
    Some(answer.because(leaving).next([step]))
}

fn complete(seen: &Seen<'_>) -> Option<Answer> {
    let [total, updated, _, available] = seen.counts();
    if total != seen.wanted || updated != seen.wanted || available != seen.wanted {
        return None;
    }
    let count = match seen.wanted {
        1 => "its pod of the latest template is".to_owned(),
        wanted => format!("{wanted} pods of the latest template are"),
    };
    let verdict = seen.says(&format!("is rolled out: {count} available, nothing is wrong"));
    let paused = seen.is_paused().then(|| {
        format!("it is paused: the next change of its template waits for {}", seen.command("rollout resume"))
    });
    let ending = seen.pods().into_iter().filter(|pod| pod_template::is_pod_terminating(pod)).count();
    let ending = (ending > 0).then(|| format!("{} of an earlier state still end", plural(ending, "pod")));
    Some(Answer::fine(verdict).because(paused).because(ending))
}

fn paused(seen: &Seen<'_>) -> Option<Answer> {
    if !seen.is_paused() {
        return None;
    }
    let [_, updated, _, available] = seen.counts();
    let answer = Answer::stuck(seen.says("is paused: changes of its template wait"));
    let counts =
        format!("{updated} of {} pods are of the latest template, {available} are available", seen.wanted);
    Some(answer.because([counts]).next([format!("let it go on: {}", seen.command("rollout resume"))]))
}

/// A rollout under way: how far, and what holds it up.
fn progressing(seen: &Seen<'_>) -> Answer {
    let [total, updated, ready, available] = seen.counts();
    let wanted = seen.wanted;
    let progress = seen.condition("Progressing");
    let is_late = progress.is_some_and(|condition| {
        condition.status == "False" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    let culprit = culprit(seen);
    let far = format!("{updated} of {wanted} updated, {available} available, {total} in all");
    let health = culprit.as_ref().map_or(Health::Waiting, |(answer, _)| answer.health).max(Health::Waiting);
    let verdict = match (&culprit, is_late) {
        (Some((answer, _)), true) => format!("has failed its deadline ({far}): {}", answer.verdict),
        (Some((answer, _)), false) if health == Health::Stuck => {
            format!("is held up ({far}): {}", answer.verdict)
        }
        (Some((answer, _)), false) => format!("is rolling out ({far}): {}", answer.verdict),
        (None, true) => format!("has failed its deadline ({far})"),
        (None, false) => format!("is rolling out: {far}"),
    };
    let health = if is_late { Health::Stuck } else { health };
    let deadline = is_late.then(|| progress.and_then(|condition| condition.message.clone())).flatten();
    let mut answer = Answer::new(health, seen.says(&verdict));
    answer.is_passing = culprit.is_none() && seen.current().is_none();
    let Some((of_pod, others)) = culprit else {
        return answer
            .because(deadline)
            .because(no_culprit(seen, total, updated, ready, available))
            .next([format!("watch it: {}", seen.command("rollout status"))]);
    };
    let others = (others > 0).then(|| format!("{} wait as well", plural(others, "other pod")));
    answer
        .with_evidence_of(of_pod)
        .because(others)
        .because(deadline)
        .next((health == Health::Stuck).then(|| seen.undo()).flatten())
}

/// The answer for the pod that is worst off, and how many others wait: pods of the latest template first.
fn culprit(seen: &Seen<'_>) -> Option<(Answer, usize)> {
    let current = seen.current();
    let latest = current.map(|set| seen.pods_of(set)).unwrap_or_default();
    let is_live = |pod: &&Pod| !pod_template::is_pod_terminating(pod);
    let ask = |pods: Vec<&Pod>| {
        let answers = pods.into_iter().filter(is_live).map(|pod| pod::of(seen.look, pod));
        let mut bad: Vec<Answer> = answers.filter(|answer| answer.health != Health::Fine).collect();
        bad.sort_by_key(|answer| Reverse(answer.health));
        let others = bad.len().saturating_sub(1);
        bad.into_iter().next().map(|worst| (worst, others))
    };
    ask(latest).or_else(|| ask(seen.pods()))
}

/// What a rollout waits for when every pod is well.
fn no_culprit(seen: &Seen<'_>, total: i32, updated: i32, ready: i32, available: i32) -> Vec<String> {
    let spec = seen.deployment.spec.as_ref();
    let mut lines = Vec::new();
    if ready > available {
        let seconds = spec.and_then(|spec| spec.min_ready_seconds).unwrap_or(0);
        lines.push(format!(
            "{} are ready, but not yet for `minReadySeconds` ({seconds} s)",
            plural(usize::try_from(ready - available).unwrap_or(0), "pod")
        ));
    }
    if total > updated {
        let old = usize::try_from(total - updated).unwrap_or(0);
        lines.push(format!("{} of the template before remain", plural(old, "pod")));
    }
    let ending: Vec<&str> = seen
        .pods()
        .into_iter()
        .filter(|pod| pod_template::is_pod_terminating(pod))
        .map(|pod| name(&pod.metadata))
        .collect();
    if !ending.is_empty() {
        lines.push(format!("{} still end: {}", plural(ending.len(), "pod"), super::words::list(&ending)));
    }
    if seen.current().is_none() {
        lines.push("the ReplicaSet of the latest template has not been made yet".to_owned());
    }
    lines
}
