//! An Ingress: from the request to the pod that should answer it.

use api::k8s::api::core::v1::Service;
use api::k8s::api::networking::v1::{Ingress, IngressServiceBackend};

use super::service::{self, Behind};
use super::words::{list, name, plural};
use super::{Answer, Health, Look, Request};

const CLASS_ANNOTATION: &str = "kubernetes.io/ingress.class";

/// Where one kind of request goes.
struct Route<'a> {
    host: Option<&'a str>,
    path: &'a str,
    kind: &'a str,
    service: Option<&'a IngressServiceBackend>,
}

/// Answers for the Ingress of this name.
pub(super) fn answer(look: &Look<'_>, wanted: &str, request: Request<'_>) -> Answer {
    let found = look.observed.ingresses.iter().find(|known| known.metadata.name.as_deref() == Some(wanted));
    let Some(ingress) = found else {
        let verdict = format!("there is no Ingress `{wanted}` in namespace `{}`", look.namespace);
        return Answer::stuck(verdict).next([format!("see what is there: {}", look.kubectl("get ingress"))]);
    };
    let all = routes(ingress);
    let edit = look.kubectl(&format!("edit ingress {wanted}"));
    if all.is_empty() {
        let verdict =
            format!("ingress `{wanted}` routes nothing: it has neither a path nor a default backend");
        return Answer::stuck(verdict).next([format!("add a rule: {edit}")]);
    }
    if let Some(answer) = unserved(look, ingress) {
        return answer;
    }
    let matching = matching(&all, request);
    if matching.is_empty() {
        return no_rule(wanted, &all, request, &edit);
    }
    let mut answers: Vec<Answer> = matching.iter().map(|route| backend(look, wanted, route)).collect();
    answers.extend(certificates(look, ingress));
    // Stable: of equals the first rule is told.
    answers.sort_by_key(|answer| std::cmp::Reverse(answer.health));
    together(look, ingress, answers)
}

fn routes(ingress: &Ingress) -> Vec<Route<'_>> {
    let Some(spec) = &ingress.spec else { return Vec::new() };
    let mut routes = Vec::new();
    for rule in spec.rules.iter().flatten() {
        for path in rule.http.iter().flat_map(|http| &http.paths) {
            routes.push(Route {
                host: rule.host.as_deref().filter(|host| !host.is_empty()),
                path: path.path.as_deref().unwrap_or("/"),
                kind: &path.path_type,
                service: path.backend.service.as_ref(),
            });
        }
    }
    if let Some(backend) = &spec.default_backend {
        routes.push(Route { host: None, path: "/", kind: "Default", service: backend.service.as_ref() });
    }
    routes
}

impl Route<'_> {
    fn called(&self) -> String {
        match (self.kind, self.host) {
            ("Default", _) => "everything else".to_owned(),
            (_, Some(host)) => format!("`{host}{}`", self.path),
            (_, None) => format!("`{}` of any host", self.path),
        }
    }

    fn has_host(&self, host: &str) -> bool {
        let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
        match self.host {
            None => true,
            Some(own) => match own.strip_prefix("*.") {
                Some(parent) => {
                    host.split_once('.').is_some_and(|(_, rest)| rest.eq_ignore_ascii_case(parent))
                }
                None => own.eq_ignore_ascii_case(host),
            },
        }
    }

    fn has_path(&self, path: &str) -> bool {
        match self.kind {
            "Exact" => self.path == path,
            "Default" => true,
            _ => {
                let prefix = self.path.trim_end_matches('/');
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// The routes a request may take; the longest path wins where one is asked about.
fn matching<'a, 'b>(all: &'b [Route<'a>], request: Request<'_>) -> Vec<&'b Route<'a>> {
    let is_asked = |route: &&Route<'_>| {
        request.host.is_none_or(|host| route.has_host(host))
            && request.path.is_none_or(|path| route.has_path(path))
    };
    let found: Vec<&Route<'_>> = all.iter().filter(is_asked).collect();
    if request.path.is_none() {
        return found;
    }
    let weight = |route: &&&Route<'_>| {
        (route.host.is_some(), route.kind != "Default", route.path.len(), route.kind == "Exact")
    };
    found.iter().max_by_key(weight).copied().into_iter().collect()
}

fn no_rule(ingress: &str, all: &[Route<'_>], request: Request<'_>, edit: &str) -> Answer {
    let hosts: Vec<&str> = all.iter().filter_map(|route| route.host).collect();
    let of_host = |route: &&Route<'_>| request.host.is_none_or(|host| route.has_host(host));
    let verdict = match (request.host, request.path) {
        (Some(host), _) if !all.iter().any(|route| route.has_host(host)) => {
            format!("ingress `{ingress}` has no rule for the host `{host}`")
        }
        (_, path) => format!("ingress `{ingress}` has no rule for the path `{}`", path.unwrap_or("/")),
    };
    let paths: Vec<String> =
        all.iter().filter(of_host).map(|route| format!("{} ({})", route.path, route.kind)).collect();
    let there = if paths.is_empty() {
        format!("it has rules for {}", list(&hosts))
    } else {
        format!("it has the paths {}", list(&paths))
    };
    Answer::stuck(verdict).because([there]).next([
        "send the request to a host and path it has: `curl -H 'Host: HOST' http://127.0.0.1:8080/PATH`"
            .to_owned(),
        format!("or add a rule: {edit}"),
    ])
}

/// An Ingress of a class that nobody serves, as far as one can see.
fn unserved(look: &Look<'_>, ingress: &Ingress) -> Option<Answer> {
    let classes = look.observed.classes.as_ref()?;
    let field = ingress.spec.as_ref().and_then(|spec| spec.ingress_class_name.as_deref());
    let annotation = || ingress.metadata.annotations.as_ref()?.get(CLASS_ANNOTATION).map(String::as_str);
    if has_address(ingress) {
        return None;
    }
    let known: Vec<&str> = classes.iter().map(|class| name(&class.metadata)).collect();
    let edit = look.kubectl(&format!("edit ingress {}", name(&ingress.metadata)));
    let classes_at_hand = if known.is_empty() {
        "the cluster has no IngressClass".to_owned()
    } else {
        format!("the cluster has the classes {}", list(&known))
    };
    let no_address = "no controller has given it an address (`status.loadBalancer`)".to_owned();
    let Some(wanted) = field.or_else(annotation) else {
        let verdict =
            format!("ingress `{}` is served by nobody so far: it names no class", name(&ingress.metadata));
        return Some(Answer::stuck(verdict).because([no_address, classes_at_hand]).next([
            format!("name a class (`spec.ingressClassName`): {edit}"),
            "or see that an Ingress controller runs".to_owned(),
        ]));
    };
    let class = classes.iter().find(|class| name(&class.metadata) == wanted);
    let controller = class.and_then(|class| class.spec.as_ref()).and_then(|spec| spec.controller.as_deref());
    let (cause, step) = match (class, controller) {
        (None, _) => (
            format!("its class `{wanted}` does not exist"),
            format!("name a class that is served (`spec.ingressClassName`): {edit}"),
        ),
        (Some(_), Some(controller)) => (
            format!("the controller of its class `{wanted}`, `{controller}`, has not taken it up"),
            format!("see that `{controller}` runs, or name another class: {edit}"),
        ),
        (Some(_), None) => {
            (format!("its class `{wanted}` names no controller"), format!("name another class: {edit}"))
        }
    };
    let verdict = format!("ingress `{}` is served by nobody: {cause}", name(&ingress.metadata));
    Some(Answer::stuck(verdict).because([classes_at_hand, no_address]).next([step]))
}

fn has_address(ingress: &Ingress) -> bool {
    let balancer = ingress.status.as_ref().and_then(|status| status.load_balancer.as_ref());
    balancer.is_some_and(|balancer| balancer.ingress.iter().flatten().next().is_some())
}

/// Follows one route to the pods behind it.
fn backend(look: &Look<'_>, ingress: &str, route: &Route<'_>) -> Answer {
    let edit = look.kubectl(&format!("edit ingress {ingress}"));
    let called = route.called();
    let Some(backend) = route.service else {
        let verdict = format!("ingress `{ingress}` sends {called} to something that is no Service");
        return Answer::waiting(verdict).next(["its controller has to know what to do with it".to_owned()]);
    };
    let found =
        look.observed.services.iter().find(|known| known.metadata.name.as_deref() == Some(&backend.name));
    let Some(service) = found else {
        let verdict =
            format!("ingress `{ingress}` sends {called} to Service `{}`, which does not exist", backend.name);
        let known: Vec<&str> = look.observed.services.iter().map(|known| name(&known.metadata)).collect();
        let there = if known.is_empty() { "the namespace has none".to_owned() } else { list(&known) };
        return Answer::stuck(verdict)
            .because([format!("Services at hand: {there}")])
            .next([format!("create the Service, or name another: {edit}")]);
    };
    if let Some(answer) = no_port(look, ingress, route, backend, service) {
        return answer;
    }
    endpoints(look, ingress, route, service)
}

fn no_port(
    look: &Look<'_>,
    ingress: &str,
    route: &Route<'_>,
    backend: &IngressServiceBackend,
    service: &Service,
) -> Option<Answer> {
    let wanted = backend.port.as_ref()?;
    let ports: Vec<_> = service.spec.iter().flat_map(|spec| spec.ports.iter().flatten()).collect();
    let (is_there, called) = match (&wanted.name, wanted.number) {
        (Some(wanted), _) => {
            (ports.iter().any(|port| port.name.as_ref() == Some(wanted)), format!("`{wanted}`"))
        }
        (None, Some(number)) => (ports.iter().any(|port| port.port == number), number.to_string()),
        (None, None) => return None,
    };
    if is_there {
        return None;
    }
    let service = name(&service.metadata);
    let known: Vec<String> = ports
        .iter()
        .map(|port| match &port.name {
            Some(name) => format!("{} ({name})", port.port),
            None => port.port.to_string(),
        })
        .collect();
    let verdict = format!(
        "ingress `{ingress}` sends {} to port {called} of Service `{service}`, which has no such port",
        route.called()
    );
    let there =
        if known.is_empty() { "it has no ports".to_owned() } else { format!("it has {}", list(&known)) };
    let edit = look.kubectl(&format!("edit ingress {ingress}"));
    Some(Answer::stuck(verdict).because([there]).next([format!("name a port it has: {edit}")]))
}

fn endpoints(look: &Look<'_>, ingress: &str, route: &Route<'_>, service: &Service) -> Answer {
    let called = route.called();
    match service::behind(look, service, &format!("ingress `{ingress}`: ")) {
        Behind::Ready(ready) => Answer::fine(format!(
            "{called} goes to Service `{}`: {}",
            name(&service.metadata),
            plural(ready, "ready pod")
        )),
        Behind::Outside(outside) => {
            Answer::fine(format!("{called} goes to `{outside}`, outside of the cluster"))
        }
        Behind::Nothing(answer) => answer,
    }
}

/// Certificates that are not there.
fn certificates(look: &Look<'_>, ingress: &Ingress) -> Vec<Answer> {
    let Some(secrets) = &look.observed.secrets else { return Vec::new() };
    let entries = ingress.spec.iter().flat_map(|spec| spec.tls.iter().flatten());
    let wanted = entries.filter_map(|tls| Some((tls.secret_name.as_deref()?, tls.hosts.as_deref())));
    let missing = wanted.filter(|(secret, _)| !secret.is_empty() && !secrets.contains(*secret));
    missing
        .map(|(secret, hosts)| {
            let hosts = hosts.filter(|hosts| !hosts.is_empty()).map_or("every host".to_owned(), list);
            let verdict = format!(
                "ingress `{}` has no certificate for {hosts}: the Secret `{secret}` does not exist",
                name(&ingress.metadata)
            );
            let create = look.kubectl(&format!("create secret tls {secret} --cert=FILE --key=FILE"));
            Answer::stuck(verdict).next([format!("create it: {create}")])
        })
        .collect()
}

/// One answer from those of all routes, the worst first.
fn together(look: &Look<'_>, ingress: &Ingress, answers: Vec<Answer>) -> Answer {
    let own_name = name(&ingress.metadata);
    let mut answers = answers.into_iter();
    let Some(first) = answers.next() else {
        return Answer::fine(format!("ingress `{own_name}` has nothing to do"));
    };
    if first.health != Health::Fine {
        let rest = answers.filter(|answer| answer.health != Health::Fine || answer.verdict != first.verdict);
        let rest: Vec<String> = rest.map(|answer| format!("also: {}", answer.verdict)).collect();
        return first.because(rest);
    }
    let routes: Vec<String> = [first].into_iter().chain(answers).map(|answer| answer.verdict).collect();
    let verdict = format!("ingress `{own_name}` is served: every rule leads to ready pods, nothing is wrong");
    let step =
        "if a request still fails: send it with a host and path of these rules, and read the pods' logs"
            .to_owned();
    Answer::fine(verdict).because(routes).next([step, look.kubectl(&format!("describe ingress {own_name}"))])
}
