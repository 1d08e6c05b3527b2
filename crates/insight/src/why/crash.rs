//! Containers that have ended: how, and when they are started again.

use api::k8s::api::core::v1::{ContainerStateTerminated, Pod};
use jiff::SignedDuration;

use super::container::{Part, Role, message, parts, start_error};
use super::pod::Seen;
use super::words::{plural, span};
use super::{Answer, Log, probe};

/// A container that waits for its next start after it has ended too often.
pub(super) fn crash_loop(seen: &Seen<'_>, part: Part<'_>) -> Answer {
    let restarts = part.status.map_or(0, |status| usize::try_from(status.restart_count).unwrap_or(0));
    let end = part.last_end();
    if end.is_some_and(|end| matches!(end.reason.as_deref(), Some("StartError" | "ContainerCannotRun"))) {
        return start_error(seen, part, "StartError").because(next_start(seen, part));
    }
    let how = end.map_or_else(|| "ended".to_owned(), how_it_ended);
    let verdict =
        seen.says(&format!("keeps crashing: {} {how} ({})", part.called(), plural(restarts, "restart")));
    let mut answer = Answer::stuck(verdict).because(next_start(seen, part));
    answer = answer.because(
        end.and_then(|end| end.message.clone()).map(|text| format!("it left word: {}", text.trim())),
    );
    answer = answer.because(memory(part)).because(probe::liveness_killed(seen));
    answer.log = Some(last_words(seen, part));
    answer.next(memory_step(seen, part)).next([previous_logs(seen, part)]).next(seen.undo())
}

fn last_words(seen: &Seen<'_>, part: Part<'_>) -> Log {
    Log { pod: seen.name.to_owned(), container: part.name().to_owned(), previous: part.is_running() }
}

/// When the next start is due, by the back-off in the message of the node.
fn next_start(seen: &Seen<'_>, part: Part<'_>) -> Option<String> {
    let message = message(part)?;
    let word = message.strip_prefix("back-off ")?.split_whitespace().next()?.to_owned();
    let back_off = go_duration(&word)?;
    let finished = part.last_end()?.finished_at.as_ref()?.0;
    let due = finished.checked_add(back_off).ok()?;
    let left = due.duration_since(seen.look.now);
    Some(if left > SignedDuration::ZERO {
        format!("started again in {} (the back-off is {word}, and doubles up to 5 min)", span(left))
    } else {
        format!("is about to be started again (the back-off was {word})")
    })
}

/// Reads a duration as Go writes it: `40s`, `1m20s`, `5m0s`.
fn go_duration(word: &str) -> Option<SignedDuration> {
    let mut total = SignedDuration::ZERO;
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, tail) = rest.split_at(digits);
        let unit = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let factor = match &tail[..unit] {
            "s" => 1,
            "m" => 60,
            "h" => 3600,
            _ => return None,
        };
        let seconds = number.parse::<i64>().ok()?.checked_mul(factor)?;
        total = total.checked_add(SignedDuration::from_secs(seconds))?;
        rest = &tail[unit..];
    }
    Some(total)
}

/// A container that has ended and is not yet started again, or never will be.
pub(super) fn ended(seen: &Seen<'_>, part: Part<'_>) -> Option<Answer> {
    let end = part.last_end()?;
    let policy = seen.pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()).unwrap_or("Always");
    let is_restarted = match policy {
        "Never" => false,
        "OnFailure" => end.exit_code != 0,
        _ => true,
    } || part.role == Role::Sidecar;
    if !is_restarted && end.exit_code == 0 {
        return None;
    }
    if end.reason.as_deref() == Some("StartError") {
        return Some(start_error(seen, part, "StartError"));
    }
    let future = if is_restarted { "and is about to be started again" } else { "and is not to be restarted" };
    let verdict = seen.says(&format!("is not running: {} {}, {future}", part.called(), how_it_ended(end)));
    let logs = seen.look.kubectl(&format!("logs {} -c {}", seen.name, part.name()));
    let mut answer = if is_restarted { Answer::waiting(verdict) } else { Answer::stuck(verdict) };
    answer.log = Some(last_words(seen, part));
    Some(
        answer
            .because(end.message.clone())
            .because(memory(part))
            .because(probe::liveness_killed(seen))
            .next(memory_step(seen, part))
            .next([format!("read what it wrote: {logs}")]),
    )
}

fn how_it_ended(end: &ContainerStateTerminated) -> String {
    if end.reason.as_deref() == Some("OOMKilled") {
        return "took more memory than its limit and was killed (OOMKilled)".to_owned();
    }
    let meaning = match end.exit_code {
        0 => "it is done, but is expected to go on running",
        1 => "an error of the program",
        2 => "wrong arguments, or a panic of the program",
        126 => "its command is not executable",
        127 => "its command was not found",
        134 => "aborted: SIGABRT",
        137 => "killed: SIGKILL",
        139 => "memory fault: SIGSEGV",
        143 => "stopped: SIGTERM",
        _ => "an error of the program",
    };
    format!("ended with exit code {} ({meaning})", end.exit_code)
}

fn is_out_of_memory(part: Part<'_>) -> bool {
    part.last_end().is_some_and(|end| end.reason.as_deref() == Some("OOMKilled"))
}

fn memory(part: Part<'_>) -> Option<String> {
    if !is_out_of_memory(part) {
        return None;
    }
    let limit = part.spec.resources.as_ref()?.limits.as_ref()?.get("memory")?;
    Some(format!("the memory limit of {} is {}", part.called(), limit.0))
}

fn memory_step(seen: &Seen<'_>, part: Part<'_>) -> Option<String> {
    if !is_out_of_memory(part) {
        return None;
    }
    let container = part.name();
    Some(match seen.look.observed.deployment_of(seen.pod) {
        Some(deployment) => {
            let words = format!("set resources deployment/{deployment} -c {container} --limits=memory=…");
            format!("raise the limit: {}; or make the program take less", seen.look.kubectl(&words))
        }
        None => format!("raise `resources.limits.memory` of `{container}`: {}", seen.edit()),
    })
}

fn previous_logs(seen: &Seen<'_>, part: Part<'_>) -> String {
    let command = format!("logs {} -c {} --previous", seen.name, part.name());
    format!("read what the last run wrote: {}", seen.look.kubectl(&command))
}

/// Where the first container that ended badly tells why.
pub(super) fn words_of_the_first(seen: &Seen<'_>) -> Option<Log> {
    parts(seen.pod).into_iter().find(has_ended_badly).map(|part| last_words(seen, part))
}

fn has_ended_badly(part: &Part<'_>) -> bool {
    part.last_end().is_some_and(|end| end.exit_code != 0)
}

/// How the containers of a pod ended that ended badly, one line each.
pub(super) fn ends(pod: &Pod) -> Vec<String> {
    let tell = |part: Part<'_>| part.last_end().map(|end| format!("{} {}", part.called(), how_it_ended(end)));
    parts(pod).into_iter().filter(has_ended_badly).filter_map(tell).collect()
}

/// How containers that run again ended before, one line each.
pub(super) fn last_ends(seen: &Seen<'_>) -> Vec<String> {
    let tell = |part: Part<'_>| {
        let end = part.status?.last_state.as_ref()?.terminated.as_ref()?;
        let ago = seen.look.since(end.finished_at.as_ref().map(|time| time.0));
        let ago = ago.map(|ago| format!(", {ago} ago")).unwrap_or_default();
        Some(format!("{} {}{ago}", part.called(), how_it_ended(end)))
    };
    parts(seen.pod).into_iter().filter_map(tell).collect()
}
