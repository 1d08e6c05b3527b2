//! A Job: what its conditions say, and which of its pods holds it up.

use std::cmp::Reverse;

use api::k8s::api::batch::v1::{Job, JobCondition};
use api::k8s::api::core::v1::Pod;

use super::observed::{message_of, owner};
use super::words::{name, plural};
use super::{Answer, Health, Look, pod};

/// Answers for the Job of this name.
pub(super) fn answer(look: &Look<'_>, wanted: &str) -> Answer {
    let found = look.observed.jobs.iter().find(|known| known.metadata.name.as_deref() == Some(wanted));
    let Some(job) = found else {
        let verdict = format!("there is no Job `{wanted}` in namespace `{}`", look.namespace);
        return Answer::stuck(verdict).next([format!("see what is there: {}", look.kubectl("get jobs"))]);
    };
    over(look, job)
        .or_else(|| suspended(look, job))
        .or_else(|| refused(look, job))
        .unwrap_or_else(|| under_way(look, job))
}

fn condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let mut conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.find(|condition| condition.type_ == kind && condition.status == "True")
}

/// Its pods, and how it stands with them, the worst first.
fn pods<'a>(look: &Look<'a>, job: &Job) -> Vec<(&'a Pod, Answer)> {
    let is_its = |pod: &&Pod| owner(&pod.metadata, "Job") == job.metadata.name;
    let all = look.observed.pods.iter().filter(is_its);
    let mut pods: Vec<(&Pod, Answer)> = all.map(|pod| (pod, pod::of(look, pod))).collect();
    pods.sort_by_key(|(_, answer)| Reverse(answer.health));
    pods
}

fn over(look: &Look<'_>, job: &Job) -> Option<Answer> {
    let own = name(&job.metadata);
    if condition(job, "Complete").is_some() {
        return Some(Answer::fine(format!("job `{own}` is complete: nothing is wrong")));
    }
    let failed = condition(job, "Failed")?;
    let why = match failed.reason.as_deref() {
        Some("BackoffLimitExceeded") => "its pods failed more often than `backoffLimit` allows",
        Some("DeadlineExceeded") => "it took longer than `activeDeadlineSeconds` allows",
        Some("PodFailurePolicy") => "its `podFailurePolicy` ended it",
        _ => "it was given up",
    };
    let again = format!("make it anew once that is mended: {}", look.kubectl(&format!("delete job {own}")));
    let answer = Answer::stuck(format!("job `{own}` has failed: {why}")).because(failed.message.clone());
    let worst = pods(look, job).into_iter().map(|(_, answer)| answer).next();
    Some(match worst.filter(|worst| worst.health == Health::Stuck) {
        Some(worst) => answer.because([worst.verdict.clone()]).with_evidence_of(worst).next([again]),
        None => answer.next([look.kubectl(&format!("logs job/{own}")), again]),
    })
}

fn suspended(look: &Look<'_>, job: &Job) -> Option<Answer> {
    let own = name(&job.metadata);
    let is_suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
    is_suspended.then(|| {
        let patch = look.kubectl(&format!("patch job {own} -p '{{\"spec\":{{\"suspend\":false}}}}'"));
        Answer::stuck(format!("job `{own}` is suspended: its pods are not made"))
            .next([format!("let it go on: {patch}")])
    })
}

/// Pods that the API refuses to create.
fn refused(look: &Look<'_>, job: &Job) -> Option<Answer> {
    let active = job.status.as_ref().and_then(|status| status.active).unwrap_or(0);
    let events = look.observed.events("Job", &job.metadata);
    let told = message_of(&events, &["FailedCreate"]).filter(|_| active == 0)?;
    let own = name(&job.metadata);
    let (cause, step) = if told.contains("exceeded quota") {
        let quota = look.kubectl("describe resourcequota");
        ("the namespace's quota is used up", format!("see what it allows and what is used: {quota}"))
    } else {
        ("the API refuses them", look.kubectl(&format!("describe job {own}")))
    };
    let verdict = format!("job `{own}` can't create its pods: {cause}");
    Some(Answer::stuck(verdict).because([told.to_owned()]).next([step]))
}

fn under_way(look: &Look<'_>, job: &Job) -> Answer {
    let own = name(&job.metadata);
    let count = |value: Option<i32>| value.unwrap_or(0).max(0);
    let status = job.status.as_ref();
    let [active, succeeded, failed] =
        status.map_or([0; 3], |status| [status.active, status.succeeded, status.failed].map(count));
    let wanted = job.spec.as_ref().and_then(|spec| spec.completions);
    let wanted = wanted.map_or_else(String::new, |wanted| format!(" of {wanted}"));
    let far = format!("{active} active, {succeeded}{wanted} succeeded, {failed} failed");
    let pods = pods(look, job);
    let bad = pods.into_iter().map(|(_, answer)| answer).find(|answer| answer.health != Health::Fine);
    let Some(bad) = bad else {
        let verdict = format!("job `{own}` is under way: {far}");
        let step = format!("watch it: {}", look.kubectl(&format!("logs -f job/{own}")));
        return if active > 0 { Answer::fine(verdict) } else { Answer::waiting(verdict) }.next([step]);
    };
    let limit = job.spec.as_ref().and_then(|spec| spec.backoff_limit).unwrap_or(6);
    let retries = usize::try_from(limit).unwrap_or(0);
    let retries = (failed > 0).then(|| {
        format!("a failed pod is replaced after a while, up to {} (`backoffLimit`)", plural(retries, "time"))
    });
    Answer::new(bad.health, format!("job `{own}` waits ({far}): {}", bad.verdict))
        .because(retries)
        .with_evidence_of(bad)
}
