//! Replaces pods of an older template, within the limits.

use api::k8s::api::apps::v1::DaemonSetSpec;
use api::k8s::api::core::v1::Pod;
use api::k8s::apimachinery::pkg::util::intstr::IntOrString;

use super::{Nodes, Observed, OnNode, create};
use crate::naming::Names;
use crate::owner;
use crate::percent::{Round, resolve};
use crate::plan::Plan;
use crate::pods::{self, Availability};
use crate::revisions::HASH;

/// Returns how many nodes may have two pods for a while.
pub(super) fn surge(spec: &DaemonSetSpec, nodes: &Nodes) -> i32 {
    let rolling = spec.update_strategy.as_ref().and_then(|strategy| strategy.rolling_update.as_ref());
    let surge = rolling.and_then(|rolling| rolling.max_surge.as_ref());
    surge.map_or(0, |surge| resolve(surge, wanted(nodes), Round::Up))
}

fn wanted(nodes: &Nodes) -> i32 {
    i32::try_from(nodes.values().filter(|node| node.should_run).count()).unwrap_or(i32::MAX)
}

pub(super) fn is_new(pod: &Pod, hash: &str) -> bool {
    pod.metadata.labels.as_ref().and_then(|labels| labels.get(HASH)).map(String::as_str) == Some(hash)
}

/// Takes the next step of a rolling update.
pub(super) fn update(
    plan: &mut Plan,
    observed: &Observed<'_>,
    spec: &DaemonSetSpec,
    nodes: &Nodes,
    hash: &str,
) {
    let strategy = spec.update_strategy.as_ref();
    if strategy.and_then(|strategy| strategy.type_.as_deref()) == Some("OnDelete") {
        return;
    }
    let surge = surge(spec, nodes);
    let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
    let one = IntOrString::Int(1);
    let limit = rolling.and_then(|rolling| rolling.max_unavailable.as_ref()).unwrap_or(&one);
    let mut limit = resolve(limit, wanted(nodes), Round::Up);
    if surge == 0 && limit == 0 {
        limit = 1;
    }
    if surge > 0 {
        replace_first(plan, observed, spec, nodes, (hash, surge));
    } else {
        delete_first(plan, observed, spec, nodes, (hash, limit));
    }
}

fn is_available(pod: &Pod, observed: &Observed<'_>, spec: &DaemonSetSpec) -> bool {
    !pods::is_leaving(pod)
        && pods::availability(pod, spec.min_ready_seconds.unwrap_or(0), observed.env.now) == Availability::Now
}

/// Old pods go, and new ones take their place: those that serve nobody first.
fn delete_first(
    plan: &mut Plan,
    observed: &Observed<'_>,
    spec: &DaemonSetSpec,
    nodes: &Nodes,
    (hash, limit): (&str, i32),
) {
    let running = || nodes.values().filter(|node| node.should_run);
    let serves = |node: &&OnNode| node.pods.iter().any(|pod| is_available(pod, observed, spec));
    let unavailable = i32::try_from(running().filter(|node| !serves(node)).count()).unwrap_or(i32::MAX);
    let mut room = (limit - unavailable).max(0);
    for node in running() {
        for pod in node.pods.iter().filter(|pod| !is_new(pod, hash) && !pods::is_leaving(pod)) {
            let is_free = !is_available(pod, observed, spec);
            if is_free || room > 0 {
                room -= i32::from(!is_free);
                plan.act(pods::delete(observed.daemon_set, pod));
            }
        }
    }
}

/// New pods come beside old ones, which go once the new ones serve.
fn replace_first(
    plan: &mut Plan,
    observed: &Observed<'_>,
    spec: &DaemonSetSpec,
    nodes: &Nodes,
    (hash, surge): (&str, i32),
) {
    let set = observed.daemon_set;
    let mut names = Names::new(observed.env.seed, owner::uid(&set.metadata));
    let running = || nodes.iter().filter(|(_, node)| node.should_run);
    let doubled = running().filter(|(_, node)| node.pods.len() > 1).count();
    let mut room = surge - i32::try_from(doubled).unwrap_or(i32::MAX);
    for (name, node) in running() {
        let alive = || node.pods.iter().filter(|pod| !pods::is_leaving(pod));
        let old: Vec<_> = alive().filter(|pod| !is_new(pod, hash)).collect();
        let new = alive().find(|pod| is_new(pod, hash));
        match new {
            Some(new) if is_available(new, observed, spec) => {
                plan.actions.extend(old.iter().map(|pod| pods::delete(set, pod)));
            }
            Some(_) => {}
            None if !old.is_empty() && room > 0 => {
                room -= 1;
                plan.act(create(set, spec, name, hash, &mut names));
            }
            None => {}
        }
    }
}
