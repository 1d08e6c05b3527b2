//! A Service: from its address to the pods behind it.

use api::k8s::api::core::v1::{Event, Pod, Service};
use api::k8s::api::discovery::v1::EndpointSlice;
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use api::selector::LabelSelector;

use super::words::{list, name, plural};
use super::{Answer, Health, Look, pod};

const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// What is behind a Service.
pub(super) enum Behind {
    /// So many ready endpoints.
    Ready(usize),
    /// A name outside of the cluster.
    Outside(String),
    /// Nobody who answers, and why.
    Nothing(Answer),
}

/// Answers for the Service of this name.
pub(super) fn answer(look: &Look<'_>, wanted: &str) -> Answer {
    let found = look.observed.services.iter().find(|known| known.metadata.name.as_deref() == Some(wanted));
    let Some(service) = found else {
        let verdict = format!("there is no Service `{wanted}` in namespace `{}`", look.namespace);
        return Answer::stuck(verdict).next([format!("see what is there: {}", look.kubectl("get services"))]);
    };
    let ready = match behind(look, service, "") {
        Behind::Nothing(answer) => return answer,
        Behind::Outside(outside) => {
            let verdict = format!("service `{wanted}` is another name of `{outside}`: nothing is wrong here");
            let step = "if it does not answer: see whether that name resolves from a pod".to_owned();
            return Answer::fine(verdict).next([step]);
        }
        Behind::Ready(ready) => ready,
    };
    unaddressed(look, service).unwrap_or_else(|| {
        let verdict = format!("service `{wanted}` has {}: nothing is wrong", plural(ready, "ready pod"));
        let step = look.kubectl(&format!("port-forward service/{wanted} 8000:PORT"));
        Answer::fine(verdict).next([format!("if requests still fail, try the pods without it: {step}")])
    })
}

/// A load balancer that has no address yet, or a port of the host that can't be had.
fn unaddressed(look: &Look<'_>, service: &Service) -> Option<Answer> {
    let events = look.observed.events("Service", &service.metadata);
    let is_warning = |event: &&&Event| event.type_.as_deref() == Some("Warning");
    let warning = events.iter().find(is_warning).map(|event| pod::tell(look, event));
    let spec = service.spec.as_ref()?;
    if spec.type_.as_deref() != Some("LoadBalancer") {
        return None;
    }
    let balancer = service.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    if balancer.is_some_and(|balancer| balancer.ingress.iter().flatten().next().is_some()) {
        return None;
    }
    let own = name(&service.metadata);
    let verdict = format!("service `{own}` has pods, but its load balancer has no address");
    let answer = if warning.is_some() { Answer::stuck(verdict) } else { Answer::waiting(verdict) };
    Some(answer.because(warning).next([
        format!("see what stands in its way: {}", look.kubectl(&format!("describe service {own}"))),
        "inside the cluster it answers under its name all the same".to_owned(),
    ]))
}

/// Follows a Service to its pods; `lead` opens the verdict of what is wrong.
pub(super) fn behind(look: &Look<'_>, service: &Service, lead: &str) -> Behind {
    let own = name(&service.metadata);
    let spec = service.spec.as_ref();
    if spec.and_then(|spec| spec.type_.as_deref()) == Some("ExternalName") {
        let outside = spec.and_then(|spec| spec.external_name.as_deref()).unwrap_or("?");
        return Behind::Outside(outside.to_owned());
    }
    let (ready, total) = count(look, own);
    if ready > 0 {
        return Behind::Ready(ready);
    }
    let edit = look.kubectl(&format!("edit service {own}"));
    let selector = spec.and_then(|spec| spec.selector.as_ref()).filter(|selector| !selector.is_empty());
    let Some(selector) = selector else {
        let verdict = format!("{lead}Service `{own}` has no selector and no endpoints");
        return Behind::Nothing(Answer::stuck(verdict).next([format!("give it a selector: {edit}")]));
    };
    let selects = LabelSelector::from_labels(selector);
    let is_its = |pod: &&Pod| selects.matches(&pod.metadata.labels.clone().unwrap_or_default());
    let pods: Vec<&Pod> = look.observed.pods.iter().filter(is_its).collect();
    if !pods.is_empty() {
        return Behind::Nothing(none_ready(look, lead, service, &pods, total));
    }
    let pairs: Vec<String> = selector.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let answer = Answer::stuck(format!("{lead}no pod is behind Service `{own}`"))
        .because([format!("it selects {}, and no pod has these labels", list(&pairs))]);
    Behind::Nothing(answer.next([
        format!("see the labels of the pods: {}", look.kubectl("get pods --show-labels")),
        format!("correct the selector: {edit}"),
        "or start the pods: scale up their Deployment".to_owned(),
    ]))
}

/// Pods there are, but none of them is ready: why the worst of them isn't.
fn none_ready(look: &Look<'_>, lead: &str, service: &Service, pods: &[&Pod], total: usize) -> Answer {
    let own = name(&service.metadata);
    let mut answers: Vec<Answer> = pods.iter().map(|pod| pod::of(look, pod)).collect();
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.health));
    let bad = answers.into_iter().find(|answer| answer.health != Health::Fine);
    let Some(bad) = bad else {
        let verdict = format!("{lead}the pods of Service `{own}` are ready, its endpoints are not known yet");
        let port = target_ports(service);
        return Answer::passing(verdict)
            .because([format!("{} known, {port}", plural(total, "endpoint"))])
            .next(["look again in a moment; if it stays, check that `targetPort` is a port of the pods"
                .to_owned()]);
    };
    let whose = match pods.len() {
        1 => format!("the only pod of Service `{own}` is not ready"),
        count => format!("none of the {count} pods of Service `{own}` is ready"),
    };
    Answer::new(bad.health, format!("{lead}{whose}: {}", bad.verdict)).with_evidence_of(bad)
}

fn target_ports(service: &Service) -> String {
    let ports = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    let targets: Vec<String> = ports
        .map(|port| match &port.target_port {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(name)) => name.clone(),
            None => port.port.to_string(),
        })
        .collect();
    format!("`targetPort` {}", list(&targets))
}

/// How many endpoints of a Service are ready, and how many there are.
fn count(look: &Look<'_>, service: &str) -> (usize, usize) {
    let is_its = |slice: &&EndpointSlice| {
        slice.metadata.labels.as_ref().and_then(|all| all.get(SERVICE_LABEL)).is_some_and(|of| of == service)
    };
    let slices = look.observed.slices.iter().filter(is_its);
    let (mut ready, mut total) = (0, 0);
    for endpoint in slices.flat_map(|slice| slice.endpoints.iter().flatten()) {
        let conditions = endpoint.conditions.as_ref();
        // Absent means true.
        ready += usize::from(conditions.and_then(|conditions| conditions.ready).unwrap_or(true));
        total += 1;
    }
    (ready, total)
}
