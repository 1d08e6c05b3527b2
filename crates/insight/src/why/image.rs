//! Images that can't be had, or are on their way.

use api::k8s::api::core::v1::Pod;

use super::Answer;
use super::container::Part;
use super::pod::Seen;
use super::words::{is_similar, list};

/// An image that the node refused or failed to pull.
pub(super) fn refused(seen: &Seen<'_>, part: Part<'_>, reason: &str) -> Answer {
    let image = part.spec.image.as_deref().unwrap_or_default();
    let told = part.status.and_then(|status| status.state.as_ref()).and_then(|state| state.waiting.as_ref());
    let told = told.and_then(|waiting| waiting.message.clone()).unwrap_or_default();
    let from_event = seen.message(&["Failed"]).unwrap_or_default();
    let all = format!("{told} {from_event}");
    let (cause, steps) = cause(seen, &all, reason, image);
    let similar = similar(seen, image);
    let verdict = seen.says(&format!("has no image: `{image}` of {} {cause} (`{reason}`)", part.called()));
    let at_hand = (!similar.is_empty()).then(|| format!("at hand under a similar name: {}", list(&similar)));
    let failed =
        seen.message(&["Failed"]).filter(|text| text.starts_with("Failed to pull")).map(str::to_owned);
    let evidence = if told.is_empty() { failed } else { Some(told) };
    let set =
        similar.first().map(|other| format!("perhaps `{other}` was meant: {}", set_image(seen, part, other)));
    let correct = format!("correct the image: {}", set_image(seen, part, "NAME:TAG"));
    let correct = if set.is_some() { None } else { Some(correct) };
    Answer::stuck(verdict)
        .because(at_hand)
        .because(evidence)
        .next(set)
        .next(steps)
        .next(correct)
        .next(seen.undo())
}

fn set_image(seen: &Seen<'_>, part: Part<'_>, image: &str) -> String {
    let target = match seen.look.observed.deployment_of(seen.pod) {
        Some(deployment) => format!("deployment/{deployment}"),
        None => format!("pod/{}", seen.name),
    };
    seen.look.kubectl(&format!("set image {target} {}={image}", part.name()))
}

/// What a message says went wrong, with its steps.
fn cause(seen: &Seen<'_>, told: &str, reason: &str, image: &str) -> (&'static str, Vec<String>) {
    let lower = told.to_lowercase();
    let says = |markers: &[&str]| markers.iter().any(|marker| lower.contains(marker));
    let tags = || "see which tags are at hand: `pinnace image ls`".to_owned();
    if reason == "InvalidImageName" {
        return ("is no valid image name", vec!["a name is `[HOST/]PATH[:TAG]`, in lower case".to_owned()]);
    }
    if reason == "ErrImageNeverPull" {
        let build = format!("build or load it (`pinnace image build -t {image} …`)");
        return (
            "is not on the node, and `imagePullPolicy: Never` forbids to pull it",
            vec![tags(), format!("{build}, or change the policy: {}", seen.edit())],
        );
    }
    if says(&[
        "unauthorized",
        "authentication required",
        "access denied",
        "403 forbidden",
        "no basic auth",
        "denied:",
    ]) {
        let (cause, steps) = login(seen, image);
        return (cause, steps.into_iter().chain([tags()]).collect());
    }
    if says(&["x509", "certificate", "tls:"]) {
        let step = "trust the registry's certificate on the node, or mend the certificate".to_owned();
        return ("can't be pulled: its registry shows a certificate that is not trusted", vec![step]);
    }
    if says(&[
        "no such host",
        "connection refused",
        "timeout",
        "timed out",
        "lookup ",
        "unreachable",
        "failed to connect",
    ]) {
        let check = "check the registry's name in the image, and that nodes reach it".to_owned();
        return ("is not among the node's images, and its registry does not answer", vec![check, tags()]);
    }
    if says(&["toomanyrequests", "rate limit", "429"]) {
        return (
            "can't be pulled just now: its registry limits requests",
            vec!["wait, or log in".to_owned()],
        );
    }
    if says(&["not found", "manifest unknown", "name unknown", "does not exist"]) {
        return ("does not exist", vec![tags()]);
    }
    ("can't be pulled", vec![tags()])
}

/// A login that is absent or refused, and how to give one.
fn login(seen: &Seen<'_>, image: &str) -> (&'static str, Vec<String>) {
    let host = image.split_once('/').map(|(host, _)| host).filter(|host| host.contains(['.', ':']));
    let host = host.unwrap_or("https://index.docker.io/v1/");
    let create = |name: &str| {
        seen.look.kubectl(&format!(
            "create secret docker-registry {name} --docker-server={host} --docker-username=… --docker-password=…"
        ))
    };
    let named: Vec<&str> = seen
        .pod
        .spec
        .iter()
        .flat_map(|spec| spec.image_pull_secrets.iter().flatten())
        .map(|reference| reference.name.as_str())
        .collect();
    let known = seen.look.observed.secrets.as_ref();
    let absent: Vec<&str> =
        named.iter().copied().filter(|name| known.is_some_and(|known| !known.contains(*name))).collect();
    match (absent.first(), named.first()) {
        (Some(first), _) => (
            "is not given out without a login, and the Secret that should hold it does not exist",
            vec![format!("create it: {}; the pod goes on by itself", create(first))],
        ),
        (None, Some(first)) => (
            "is not given out: the login that the pod brings is refused, or is for another registry",
            vec![format!(
                "check registry, user and password, and make the Secret anew: {}, then {}",
                seen.look.kubectl(&format!("delete secret {first}")),
                create(first)
            )],
        ),
        (None, None) => (
            "is not given out by its registry without a login, or does not exist there",
            vec![format!("give the pod a login: {}, named in `imagePullSecrets`", create("NAME"))],
        ),
    }
}

/// Images known to be at hand whose names resemble this one, the nearest first.
fn similar(seen: &Seen<'_>, image: &str) -> Vec<String> {
    let observed = seen.look.observed;
    let on_nodes = observed.nodes.iter().flatten().filter_map(|node| node.status.as_ref());
    let on_nodes = on_nodes.flat_map(|status| status.images.iter().flatten());
    let on_nodes = on_nodes.flat_map(|image| image.names.iter().flatten()).map(String::as_str);
    let in_pods = observed.pods.iter().flat_map(pulled);
    let (repository, tag) = split(image);
    let resembles = |other: &&str| {
        let (other_repository, other_tag) = split(other);
        let is_same = other_repository == repository && other_tag == tag;
        !is_same
            && !other.contains('@')
            && (other_repository == repository
                || (tag == other_tag && is_similar(other_repository, repository)))
    };
    let mut found: Vec<&str> = on_nodes.chain(in_pods).filter(resembles).map(familiar).collect();
    found.sort_by_key(|other| (!is_similar(split(other).1, tag), *other));
    found.dedup();
    found.into_iter().map(str::to_owned).take(5).collect()
}

/// The images that a pod's containers run, so the node has them.
fn pulled(pod: &Pod) -> impl Iterator<Item = &str> {
    let statuses = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    let has_it = statuses.filter(|status| !status.image_id.is_empty()).map(|status| status.name.as_str());
    let has_it: Vec<&str> = has_it.collect();
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    containers
        .filter(move |container| has_it.contains(&container.name.as_str()))
        .filter_map(|container| container.image.as_deref())
}

/// A reference as people write it.
fn familiar(image: &str) -> &str {
    let image = image.strip_prefix("docker.io/").unwrap_or(image);
    let image = image.strip_prefix("library/").unwrap_or(image);
    image.strip_prefix("localhost/").unwrap_or(image)
}

/// Splits a reference into repository and tag.
fn split(image: &str) -> (&str, &str) {
    let image = familiar(image);
    match image.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (image, "latest"),
    }
}

/// An image that is being pulled.
pub(super) fn pulling(seen: &Seen<'_>, part: Part<'_>) -> Option<Answer> {
    let image = part.spec.image.as_deref()?;
    let quoted = format!("\"{image}\"");
    let about = |event: &&&api::k8s::api::core::v1::Event| {
        event.message.as_deref().is_some_and(|message| message.contains(&quoted))
            && matches!(event.reason.as_deref(), Some("Pulling" | "Pulled"))
    };
    let latest = seen.events.iter().find(about)?;
    if latest.reason.as_deref() != Some("Pulling") {
        return None;
    }
    let since = seen.look.since(super::observed::last_seen(latest)).unwrap_or_else(|| "a while".to_owned());
    let verdict = seen.says(&format!("waits for its image: `{image}` is being pulled, since {since}"));
    let step = "wait; a big image takes long the first time on each node".to_owned();
    Some(Answer::waiting(verdict).next([step]))
}
