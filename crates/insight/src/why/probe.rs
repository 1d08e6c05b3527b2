//! Containers that run but are not started or ready, by their probes.

use api::k8s::api::core::v1::Probe;
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use jiff::SignedDuration;

use super::Answer;
use super::container::Part;
use super::pod::Seen;
use super::words::span;

/// Returns why a running container is not ready; `None` when it is.
pub(super) fn not_ready(seen: &Seen<'_>, part: Part<'_>) -> Option<Answer> {
    let status = part.status?;
    if status.ready {
        return None;
    }
    let running_for = status
        .state
        .as_ref()
        .and_then(|state| state.running.as_ref())
        .and_then(|running| running.started_at.as_ref())
        .map(|time| seen.look.now.duration_since(time.0).max(SignedDuration::ZERO));
    match (&part.spec.startup_probe, &part.spec.readiness_probe) {
        (Some(probe), _) if status.started != Some(true) => Some(starting(seen, part, probe, running_for)),
        (_, Some(probe)) => Some(unready(seen, part, probe, running_for)),
        // A sidecar or container without probes is ready as soon as it runs: the next status says so.
        _ => None,
    }
}

fn starting(seen: &Seen<'_>, part: Part<'_>, probe: &Probe, running: Option<SignedDuration>) -> Answer {
    let (delay, period, failures) = pace(probe);
    let allowed = SignedDuration::from_secs(delay.saturating_add(period.saturating_mul(failures)));
    let since = running.map(|running| format!(" after {}", span(running))).unwrap_or_default();
    let verdict =
        seen.says(&format!("is starting: {} has not passed its startup probe{since}", part.called()));
    let limit = format!(
        "it has {} in all, then it is restarted ({failures} failures, each {period} s)",
        span(allowed)
    );
    let wait = "wait, if the program needs this long to start".to_owned();
    let longer =
        format!("if it needs longer: raise `failureThreshold` of the startup probe: {}", seen.edit());
    let answer =
        Answer::waiting(verdict).because([describe(probe)]).because(failed(seen, "Startup")).because([limit]);
    answer.because(liveness_killed(seen)).next([wait, logs(seen, part), longer])
}

fn unready(seen: &Seen<'_>, part: Part<'_>, probe: &Probe, running: Option<SignedDuration>) -> Answer {
    let (delay, period, _) = pace(probe);
    let is_early =
        running.is_some_and(|running| running < SignedDuration::from_secs(delay.saturating_add(period)));
    let told = failed(seen, "Readiness");
    let since = running.map(|running| format!(", {} after its start", span(running))).unwrap_or_default();
    let verdict =
        seen.says(&format!("runs, but is not ready: {} fails its readiness probe{since}", part.called()));
    if is_early && told.is_none() {
        let verdict = seen.says(&format!("runs, and its readiness probe is about to be asked{since}"));
        return Answer::waiting(verdict).because([describe(probe)]).next([logs(seen, part)]);
    }
    let is_old = running.is_none_or(|running| running > SignedDuration::from_mins(2));
    let answer = if is_old { Answer::stuck(verdict) } else { Answer::waiting(verdict) };
    let consequence = "until it is ready no Service or Ingress sends it requests".to_owned();
    let answer = answer.because(told).because([describe(probe), consequence]).because(liveness_killed(seen));
    answer.next([logs(seen, part), ask(seen, probe)].into_iter().chain(seen.undo()))
}

/// The delay, the period, and how many failures in a row count, with Kubernetes' defaults.
fn pace(probe: &Probe) -> (i64, i64, i64) {
    let delay = i64::from(probe.initial_delay_seconds.unwrap_or(0).max(0));
    let period = i64::from(probe.period_seconds.filter(|period| *period > 0).unwrap_or(10));
    let failures = i64::from(probe.failure_threshold.filter(|failures| *failures > 0).unwrap_or(3));
    (delay, period, failures)
}

/// Says what a probe asks.
fn describe(probe: &Probe) -> String {
    let (_, period, _) = pace(probe);
    let asks = if let Some(http) = &probe.http_get {
        let path = http.path.as_deref().unwrap_or("/");
        format!("GET {path} on port {}", port(&http.port))
    } else if let Some(tcp) = &probe.tcp_socket {
        format!("a connection to port {}", port(&tcp.port))
    } else if let Some(exec) = &probe.exec {
        format!("`{}`", exec.command.iter().flatten().cloned().collect::<Vec<_>>().join(" "))
    } else if let Some(grpc) = &probe.grpc {
        format!("gRPC health on port {}", grpc.port)
    } else {
        "nothing".to_owned()
    };
    format!("the probe tries {asks} each {period} s")
}

fn port(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => format!("`{name}`"),
    }
}

/// The latest failure of a kind of probe.
fn failed(seen: &Seen<'_>, kind: &str) -> Option<String> {
    let start = format!("{kind} probe ");
    let is_it = |event: &&&api::k8s::api::core::v1::Event| {
        event.reason.as_deref() == Some("Unhealthy")
            && event.message.as_deref().is_some_and(|message| message.starts_with(&start))
    };
    seen.events.iter().find(is_it).map(|event| super::pod::tell(seen.look, event))
}

/// Says so where the liveness or startup probe had the container killed.
pub(super) fn liveness_killed(seen: &Seen<'_>) -> Option<String> {
    let is_it = |event: &&&api::k8s::api::core::v1::Event| {
        let message = event.message.as_deref().unwrap_or_default();
        event.reason.as_deref() == Some("Killing") && message.contains("probe")
    };
    let killing = seen.events.iter().find(is_it).map(|event| super::pod::tell(seen.look, event));
    killing.or_else(|| failed(seen, "Liveness"))
}

fn logs(seen: &Seen<'_>, part: Part<'_>) -> String {
    let command = format!("logs {} -c {}", seen.name, part.name());
    format!("read what it writes: {}", seen.look.kubectl(&command))
}

fn ask(seen: &Seen<'_>, probe: &Probe) -> String {
    if let Some(http) = &probe.http_get {
        let port = match &http.port {
            IntOrString::Int(number) => number.to_string(),
            IntOrString::String(name) => named_port(seen, name).unwrap_or_else(|| "PORT".to_owned()),
        };
        let path = http.path.as_deref().unwrap_or("/");
        let forward = seen.look.kubectl(&format!("port-forward {} 9999:{port}", seen.name));
        return format!("ask it yourself: {forward}, then `curl -i http://localhost:9999{path}`");
    }
    if let Some(exec) = &probe.exec {
        let words: Vec<String> = exec.command.iter().flatten().cloned().collect();
        let command = seen.look.kubectl(&format!("exec {} -- {}", seen.name, words.join(" ")));
        return format!("ask it yourself: {command}");
    }
    seen.describe()
}

fn named_port(seen: &Seen<'_>, name: &str) -> Option<String> {
    let containers = seen.pod.spec.iter().flat_map(|spec| &spec.containers);
    let mut ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.find(|port| port.name.as_deref() == Some(name)).map(|port| port.container_port.to_string())
}
