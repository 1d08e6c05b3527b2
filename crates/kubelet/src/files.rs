//! The files every container gets: `/etc/hosts`, `/etc/hostname`, `/etc/resolv.conf`.

use std::fmt::Write as _;
use std::net::IpAddr;

use k8s_openapi::api::core::v1::{HostAlias, Pod, PodDNSConfig};

use crate::config::ClusterDns;
use crate::spec;

/// What a pod's name resolution is made of.
#[derive(Debug, Clone, Copy)]
pub struct Host<'a> {
    /// The cluster's name server and domain.
    pub dns: &'a ClusterDns,
    /// The host's `resolv.conf`, as text.
    pub resolv_conf: &'a str,
    /// The host's `hosts`, as text.
    pub hosts: &'a str,
}

/// Returns the host name a pod's containers see; `node` is the node's, `domain` the cluster's.
#[must_use]
pub fn hostname(pod: &Pod, node: &str, domain: &str) -> String {
    let is_full = spec::spec(pod).set_hostname_as_fqdn == Some(true);
    match spec::spec(pod).hostname_override.as_deref().filter(|name| !name.is_empty()) {
        Some(name) => name.to_owned(),
        None if spec::is_host_network(pod) => node.to_owned(),
        None => full_name(pod, domain).filter(|_| is_full).unwrap_or_else(|| own_name(pod)),
    }
}

fn own_name(pod: &Pod) -> String {
    let name = spec::spec(pod).hostname.as_deref().filter(|name| !name.is_empty()).unwrap_or(spec::name(pod));
    // The kernel takes 64 bytes, a DNS label 63, and a cut must not leave a separator at the end.
    name[..name.len().min(63)].trim_end_matches(['-', '.']).to_owned()
}

/// Returns the pod's full name, if it has a subdomain.
fn full_name(pod: &Pod, domain: &str) -> Option<String> {
    let subdomain = spec::spec(pod).subdomain.as_deref().filter(|name| !name.is_empty())?;
    Some(format!("{}.{subdomain}.{}.svc.{domain}", own_name(pod), spec::namespace(pod)))
}

/// Returns the pod's `/etc/hosts`.
#[must_use]
pub fn hosts(pod: &Pod, address: IpAddr, host: &Host<'_>) -> String {
    let aliases = spec::spec(pod).host_aliases.as_deref().unwrap_or_default();
    if spec::is_host_network(pod) {
        return format!(
            "# Kubernetes-managed hosts file (host network).\n{}{}",
            host.hosts,
            alias_lines(aliases)
        );
    }
    let mut text = "# Kubernetes-managed hosts file.\n".to_owned();
    text.push_str("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n");
    text.push_str(
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n",
    );
    let name = own_name(pod);
    let names =
        full_name(pod, &host.dns.domain).map_or_else(|| name.clone(), |full| format!("{full}\t{name}"));
    let _ = writeln!(text, "{address}\t{names}");
    text.push_str(&alias_lines(aliases));
    text
}

fn alias_lines(aliases: &[HostAlias]) -> String {
    let line = |alias: &HostAlias| {
        let names = alias.hostnames.as_deref().unwrap_or_default().join("\t");
        format!("{}\t{names}\n", alias.ip)
    };
    let lines: String = aliases.iter().map(line).collect();
    if lines.is_empty() { lines } else { format!("\n# Entries added by HostAliases.\n{lines}") }
}

/// The contents of a `resolv.conf`.
#[derive(Debug, Default)]
struct Resolver {
    servers: Vec<String>,
    searches: Vec<String>,
    options: Vec<String>,
}

/// Returns the pod's `/etc/resolv.conf`.
#[must_use]
pub fn resolv_conf(pod: &Pod, host: &Host<'_>) -> String {
    let policy = spec::spec(pod).dns_policy.as_deref().unwrap_or("ClusterFirst");
    let mut resolver = match policy {
        "None" => Resolver::default(),
        "Default" => parse(host.resolv_conf),
        "ClusterFirst" if spec::is_host_network(pod) => parse(host.resolv_conf),
        _ => cluster_first(pod, host),
    };
    if let Some(config) = &spec::spec(pod).dns_config {
        add(&mut resolver, config);
    }
    render(&resolver)
}

fn cluster_first(pod: &Pod, host: &Host<'_>) -> Resolver {
    let domain = &host.dns.domain;
    let namespace = spec::namespace(pod);
    let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
    searches.extend(parse(host.resolv_conf).searches);
    Resolver { servers: vec![host.dns.server.to_string()], searches, options: vec!["ndots:5".to_owned()] }
}

fn add(resolver: &mut Resolver, config: &PodDNSConfig) {
    resolver.servers.extend(config.nameservers.iter().flatten().cloned());
    resolver.searches.extend(config.searches.iter().flatten().cloned());
    for option in config.options.iter().flatten() {
        let Some(name) = &option.name else { continue };
        let text = option.value.as_ref().map_or_else(|| name.clone(), |value| format!("{name}:{value}"));
        // A later option of the same name replaces the earlier one.
        resolver.options.retain(|known| known.split(':').next() != Some(name));
        resolver.options.push(text);
    }
}

fn parse(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let rest = |words: std::str::SplitWhitespace<'_>| words.map(str::to_owned).collect();
        match words.next() {
            Some("nameserver") => resolver.servers.extend(words.next().map(str::to_owned)),
            Some("search" | "domain") => resolver.searches = rest(words),
            Some("options") => resolver.options = rest(words),
            Some(_) | None => {}
        }
    }
    resolver
}

fn render(resolver: &Resolver) -> String {
    let mut text = String::new();
    let mut seen = std::collections::HashSet::new();
    let searches: Vec<&str> =
        resolver.searches.iter().map(String::as_str).filter(|search| seen.insert(*search)).collect();
    if !searches.is_empty() {
        let _ = writeln!(text, "search {}", searches.join(" "));
    }
    for server in &resolver.servers {
        let _ = writeln!(text, "nameserver {server}");
    }
    if !resolver.options.is_empty() {
        let _ = writeln!(text, "options {}", resolver.options.join(" "));
    }
    text
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "tables hand over what `json!` made")]

    use serde_json::{Value, json};

    use super::*;

    fn pod(spec: Value) -> Pod {
        let pod = json!({ "metadata": { "name": "web-0", "namespace": "shop", "uid": "u" }, "spec": spec });
        serde_json::from_value(pod).unwrap()
    }

    fn check(spec: Value, expected: &str) {
        let dns = ClusterDns {
            server: [10, 96, 0, 10].into(),
            domain: "cluster.local".to_owned(),
            host_resolv_conf: "/etc/resolv.conf".into(),
        };
        let host = Host { dns: &dns, resolv_conf: "# x\nsearch lan\nnameserver 192.168.0.1\n", hosts: "" };
        assert_eq!(resolv_conf(&pod(spec), &host), expected);
    }

    #[test]
    fn names_are_resolved_as_the_pod_asks() {
        let cluster = "search shop.svc.cluster.local svc.cluster.local cluster.local lan\n\
             nameserver 10.96.0.10\noptions ndots:5\n";
        check(json!({ "containers": [] }), cluster);
        check(
            json!({ "containers": [], "dnsPolicy": "ClusterFirstWithHostNet", "hostNetwork": true }),
            cluster,
        );
        check(json!({ "containers": [], "hostNetwork": true }), "search lan\nnameserver 192.168.0.1\n");
        check(
            json!({ "containers": [], "dnsPolicy": "None", "dnsConfig": {
                "nameservers": ["1.2.3.4"], "options": [{ "name": "ndots", "value": "2" }] } }),
            "nameserver 1.2.3.4\noptions ndots:2\n",
        );
    }

    #[test]
    fn the_hosts_file_names_the_pod_and_its_aliases() {
        let dns = ClusterDns {
            server: [10, 96, 0, 10].into(),
            domain: "cluster.local".to_owned(),
            host_resolv_conf: "/etc/resolv.conf".into(),
        };
        let host = Host { dns: &dns, resolv_conf: "", hosts: "" };
        let pod = pod(json!({ "containers": [], "subdomain": "sub",
            "hostAliases": [{ "ip": "1.2.3.4", "hostnames": ["a", "b"] }] }));
        let text = hosts(&pod, [10, 244, 0, 2].into(), &host);
        assert!(text.contains("10.244.0.2\tweb-0.sub.shop.svc.cluster.local\tweb-0\n"), "{text}");
        assert!(text.ends_with("1.2.3.4\ta\tb\n"), "{text}");
    }

    #[test]
    fn a_long_name_is_cut_to_what_the_kernel_takes() {
        let long = format!("{}-{}", "a".repeat(62), "b".repeat(10));
        assert_eq!(own_name(&pod(json!({ "containers": [], "hostname": long }))), "a".repeat(62));
    }
}
