//! Pods that end or have ended.

use api::k8s::api::core::v1::Pod;
use api::pod_template;
use jiff::SignedDuration;

use super::pod::Seen;
use super::words::{list, plural, span};
use super::{Answer, crash, scheduling};

/// What keeps a pod that is being deleted.
pub(super) fn terminating(seen: &Seen<'_>) -> Option<Answer> {
    let deadline = seen.pod.metadata.deletion_timestamp.as_ref()?.0;
    let grace = seen.pod.metadata.deletion_grace_period_seconds.unwrap_or(30).max(0);
    let left = deadline.duration_since(seen.look.now);
    let running = running(seen.pod);
    if running.is_empty()
        && let Some(answer) = finalizers(seen)
    {
        return Some(answer);
    }
    let force = seen.look.kubectl(&format!("delete pod {} --grace-period=0 --force", seen.name));
    if let Some(lost) = scheduling::lost(seen) {
        let verdict =
            seen.says(&format!("is being deleted, but {lost}, so nobody can say that it has ended"));
        let next = [
            "bring the node back, or remove it for good".to_owned(),
            format!("if the node is surely off: {force}"),
        ];
        return Some(Answer::stuck(verdict).next(next));
    }
    if left > SignedDuration::ZERO {
        let verdict = seen.says(&format!("is ending: {} of its {grace} s of grace are left", span(left)));
        let still = (!running.is_empty()).then(|| format!("still running: {}", list(&running)));
        let wait = "wait: it is gone when its containers have ended, at the latest when the grace is over";
        let answer =
            Answer::waiting(verdict).because(still).because(hooks(seen.pod)).because(finalizer_line(seen));
        return Some(answer.next([wait.to_owned(), format!("don't want to wait: {force}")]));
    }
    let late = span(SignedDuration::ZERO - left);
    let verdict = seen.says(&format!("is ending: its grace of {grace} s was over {late} ago"));
    let evidence = seen.event(&["FailedKillPod", "FailedPreStopHook", "Killing"]);
    Some(Answer::waiting(verdict).because(evidence).next([
        format!("if it stays: {}", seen.look.kubectl(&format!("describe pod {}", seen.name))),
        format!("at last: {force}"),
    ]))
}

fn finalizers(seen: &Seen<'_>) -> Option<Answer> {
    let line = finalizer_line(seen)?;
    let verdict = seen.says("has ended, but its finalizers keep the object");
    let patch = format!("patch pod {} --type=merge -p '{{\"metadata\":{{\"finalizers\":null}}}}'", seen.name);
    Some(Answer::stuck(verdict).because([line]).next([
        "the controller that set the finalizer has to remove it: see whether it runs".to_owned(),
        format!("if it is gone for good: {}", seen.look.kubectl(&patch)),
    ]))
}

fn finalizer_line(seen: &Seen<'_>) -> Option<String> {
    let finalizers = seen.pod.metadata.finalizers.as_ref().filter(|all| !all.is_empty())?;
    Some(format!("finalizers: {}", list(finalizers)))
}

fn hooks(pod: &Pod) -> Option<String> {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let has_hook = |lifecycle: &api::k8s::api::core::v1::Lifecycle| lifecycle.pre_stop.is_some();
    let hooked: Vec<&str> = containers
        .filter(|container| container.lifecycle.as_ref().is_some_and(has_hook))
        .map(|container| container.name.as_str())
        .collect();
    (!hooked.is_empty()).then(|| format!("a `preStop` hook runs first, within the grace: {}", list(&hooked)))
}

fn running(pod: &Pod) -> Vec<&str> {
    let Some(status) = &pod.status else { return Vec::new() };
    let all = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    all.filter(|status| status.state.as_ref().is_some_and(|state| state.running.is_some()))
        .map(|status| status.name.as_str())
        .collect()
}

/// What became of a pod that has ended by itself.
pub(super) fn finished(seen: &Seen<'_>) -> Option<Answer> {
    if !pod_template::is_pod_finished(seen.pod) {
        return None;
    }
    let status = seen.pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Succeeded") {
        let verdict = seen.says("has completed: every container ended with exit code 0");
        return Some(Answer::fine(verdict).next([logs(seen)]));
    }
    let message = status.message.clone().unwrap_or_default();
    let logs = logs(seen);
    Some(match status.reason.as_deref() {
        Some("Evicted") => Answer::stuck(seen.says("was evicted from its node")).because([message]).next([
            "the node ran short of something: lower what pods use there, or add a node".to_owned(),
            format!("see the node: {}", seen.look.kubectl("describe nodes")),
        ]),
        Some("DeadlineExceeded") => {
            let allowed = seen.pod.spec.as_ref().and_then(|spec| spec.active_deadline_seconds).unwrap_or(0);
            let verdict =
                format!("failed: it ran longer than the {allowed} s its `activeDeadlineSeconds` allow");
            Answer::stuck(seen.says(&verdict)).because([message]).next([logs])
        }
        Some(reason) => {
            Answer::stuck(seen.says(&format!("failed: {reason}"))).because([message]).next([logs])
        }
        None => {
            let ends = crash::ends(seen.pod);
            let failed = plural(ends.len(), "container");
            let verdict = seen.says(&format!("failed: {failed} ended badly, and it is not to be restarted"));
            let log = crash::words_of_the_first(seen);
            Answer { log, ..Answer::stuck(verdict) }.because(ends).because([message]).next([logs])
        }
    })
}

fn logs(seen: &Seen<'_>) -> String {
    let command = format!("logs {} --all-containers", seen.name);
    format!("read what it wrote: {}", seen.look.kubectl(&command))
}
