//! Routes made ready for looking up.

use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    net::SocketAddr,
    sync::Arc,
};

use regex::{Regex, RegexBuilder};
use rustls::sign::CertifiedKey;

use super::{Host, PathType, Registry, Route, Routes, Treatment, endpoint::Backend};

/// The routes in force.
#[derive(Debug, Default)]
pub(super) struct Table {
    exact: HashMap<String, Vec<Rule>>,
    /// By what follows `*.`.
    wildcard: HashMap<String, Vec<Rule>>,
    any: Vec<Rule>,
    default: Option<Arc<Destination>>,
    /// Counts requests without a route.
    pub(super) nobody: Arc<Backend>,
    endpoints: HashSet<SocketAddr>,
    backends: HashSet<String>,
    exact_certificates: HashMap<String, Arc<CertifiedKey>>,
    wildcard_certificates: HashMap<String, Arc<CertifiedKey>>,
    default_certificate: Option<Arc<CertifiedKey>>,
}

#[derive(Debug)]
struct Rule {
    path: String,
    kind: PathType,
    regex: Option<Regex>,
    destination: Arc<Destination>,
}

/// Where a rule leads.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) backend: Arc<Backend>,
    pub(super) treatment: Treatment,
    /// Of the rule that leads here, if it has one.
    regex: Option<Regex>,
}

impl Destination {
    /// Returns the target that an endpoint is asked for in place of the client's, if that differs.
    pub(super) fn rewritten(&self, target: &str) -> Option<String> {
        let template = self.treatment.rewrite.as_deref()?;
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (target, None),
        };
        let groups = self.regex.as_ref().and_then(|regex| regex.captures(path));
        let group = |number: u32| {
            let found = groups.as_ref()?.get(usize::try_from(number).ok()?)?;
            Some(found.as_str())
        };
        let mut text = String::with_capacity(target.len());
        let mut rest = template.chars().peekable();
        while let Some(letter) = rest.next() {
            match (letter, rest.peek().and_then(|next| next.to_digit(10))) {
                ('$', Some(number)) => {
                    rest.next();
                    text.push_str(group(number).unwrap_or_default());
                }
                (letter, _) => text.push(letter),
            }
        }
        if !text.starts_with('/') {
            text.insert(0, '/');
        }
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        Some(text)
    }
}

/// Bounds the memory that an expression of a user may take.
const MAX_REGEX_BYTES: usize = 1 << 20;

fn compile_regex(path: &str) -> Option<Regex> {
    RegexBuilder::new(&format!("^(?:{path})")).case_insensitive(true).size_limit(MAX_REGEX_BYTES).build().ok()
}

impl Table {
    pub(super) fn compile(routes: Routes, registry: &mut Registry) -> Self {
        let mut table = Self::default();
        let mut backends: HashMap<String, Arc<Backend>> = HashMap::new();
        for (key, addresses) in &routes.backends {
            table.endpoints.extend(addresses);
            let endpoints = addresses.iter().map(|address| registry.endpoint(*address)).collect();
            backends.insert(key.clone(), Arc::new(Backend::new(key, endpoints, registry.counters(key))));
        }
        // A backend that is named but not given has no endpoints: requests to it get a 503.
        let mut backend = |key: &str| -> Arc<Backend> {
            let empty = || Arc::new(Backend::new(key, Vec::new(), registry.counters(key)));
            backends.entry(key.to_owned()).or_insert_with(empty).clone()
        };
        for Route { host, path, path_type, backend: key, treatment } in routes.rules {
            let regex = if path_type == PathType::Regex { compile_regex(&path) } else { None };
            let destination =
                Arc::new(Destination { backend: backend(&key), treatment, regex: regex.clone() });
            let rule = Rule { path, kind: path_type, regex, destination };
            match host {
                Host::Any => table.any.push(rule),
                Host::Exact(name) => table.exact.entry(normal(&name).into_owned()).or_default().push(rule),
                Host::Wildcard(name) => {
                    let suffix = normal(name.strip_prefix("*.").unwrap_or(&name)).into_owned();
                    table.wildcard.entry(suffix).or_default().push(rule);
                }
            }
        }
        table.default = routes
            .default_backend
            .map(|(key, treatment)| Arc::new(Destination { backend: backend(&key), treatment, regex: None }));
        table.nobody = backend("");
        table.backends = backends.into_keys().collect();
        let lists = table.exact.values_mut().chain(table.wildcard.values_mut());
        lists.chain([&mut table.any]).for_each(|rules| rules.sort_by_key(Rule::order));
        table.take_certificates(routes.certificates, routes.default_certificate);
        table
    }

    fn take_certificates(&mut self, list: Vec<super::Certificate>, default: Option<Arc<CertifiedKey>>) {
        self.default_certificate = default;
        for certificate in list {
            for host in certificate.hosts {
                let (map, name) = match host.strip_prefix("*.") {
                    Some(suffix) => (&mut self.wildcard_certificates, normal(suffix)),
                    None => (&mut self.exact_certificates, normal(&host)),
                };
                // The first one stays, as the order of the routes has it.
                map.entry(name.into_owned()).or_insert_with(|| certificate.key.clone());
            }
        }
    }

    /// Finds where requests for a host (without port) and a path go. Rules of the very host come first, then
    /// of its wildcard, then of all hosts; among these the longest path wins, then Exact.
    pub(super) fn destination(&self, host: &str, path: &str) -> Option<Arc<Destination>> {
        let host = normal(host);
        let host: &str = &host;
        let of_host = self.exact.get(host);
        let of_wildcard = host.split_once('.').and_then(|(_, suffix)| self.wildcard.get(suffix));
        let lists = [of_host, of_wildcard, Some(&self.any)];
        let rule = lists.into_iter().flatten().find_map(|rules| rules.iter().find(|rule| rule.matches(path)));
        rule.map(|rule| &rule.destination).or(self.default.as_ref()).cloned()
    }

    /// Finds the certificate for a server name, or the default one.
    pub(super) fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name.map(normal);
        let picked = name.as_deref().and_then(|name| {
            let wildcard = || self.wildcard_certificates.get(name.split_once('.')?.1);
            self.exact_certificates.get(name).or_else(wildcard)
        });
        picked.or(self.default_certificate.as_ref()).cloned()
    }

    pub(super) fn has_backend(&self, key: &str) -> bool {
        self.backends.contains(key)
    }

    pub(super) fn has_endpoint(&self, address: SocketAddr) -> bool {
        self.endpoints.contains(&address)
    }
}

impl Rule {
    fn order(&self) -> (std::cmp::Reverse<usize>, bool) {
        let length = match self.kind {
            PathType::Exact | PathType::Regex => self.path.len(),
            PathType::Prefix | PathType::ImplementationSpecific => self.path.trim_end_matches('/').len(),
        };
        (std::cmp::Reverse(length), self.kind != PathType::Exact)
    }

    /// Compares as the table in the Kubernetes documentation of Ingress ("Examples" of path types).
    fn matches(&self, path: &str) -> bool {
        match self.kind {
            PathType::Exact => path == self.path,
            PathType::Regex => self.regex.as_ref().is_some_and(|regex| regex.is_match(path)),
            PathType::Prefix | PathType::ImplementationSpecific => {
                let prefix = self.path.trim_end_matches('/');
                path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            }
        }
    }
}

/// Names are compared without case and without the dot of the root.
fn normal(name: &str) -> Cow<'_, str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(rules: &[(Host, &str, PathType, &str)], default: Option<&str>) -> Table {
        let rules = rules
            .iter()
            .map(|(host, path, path_type, backend)| Route {
                host: host.clone(),
                path: (*path).to_owned(),
                path_type: *path_type,
                backend: (*backend).to_owned(),
                treatment: Treatment::default(),
            })
            .collect();
        let routes = Routes {
            rules,
            default_backend: default.map(|key| (key.to_owned(), Treatment::default())),
            ..Routes::default()
        };
        Table::compile(routes, &mut Registry::default())
    }

    fn check(table: &Table, host: &str, path: &str, expected: Option<&str>) {
        let found = table.destination(host, path);
        let found = found.as_ref().map(|destination| destination.backend.key());
        assert_eq!(found, expected, "{host} {path}");
    }

    #[test]
    fn path_types_match_as_kubernetes_documents() {
        use PathType::{Exact, Prefix};
        let rows = [
            (Prefix, "/", "/any/path", true),
            (Exact, "/foo", "/foo", true),
            (Exact, "/foo", "/bar", false),
            (Exact, "/foo", "/foo/", false),
            (Exact, "/foo/", "/foo", false),
            (Prefix, "/foo", "/foo", true),
            (Prefix, "/foo", "/foo/", true),
            (Prefix, "/foo/", "/foo", true),
            (Prefix, "/foo/", "/foo/", true),
            (Prefix, "/aaa/bb", "/aaa/bbb", false),
            (Prefix, "/aaa/bbb", "/aaa/bbb", true),
            (Prefix, "/aaa/bbb/", "/aaa/bbb", true),
            (Prefix, "/aaa/bbb", "/aaa/bbb/", true),
            (Prefix, "/aaa/bbb", "/aaa/bbb/ccc", true),
            (Prefix, "/aaa/bbb", "/aaa/bbbxyz", false),
            (PathType::ImplementationSpecific, "/aaa", "/aaa/b", true),
        ];
        for (kind, rule, path, matches) in rows {
            let table = table(&[(Host::Any, rule, kind, "b")], None);
            check(&table, "h", path, matches.then_some("b"));
        }
    }

    #[test]
    fn the_longest_path_wins_and_exact_breaks_a_tie() {
        use PathType::{Exact, Prefix};
        let table = table(
            &[
                (Host::Any, "/", Prefix, "root"),
                (Host::Any, "/a/", Prefix, "a"),
                (Host::Any, "/a", Exact, "a-exact"),
                (Host::Any, "/a/b", Prefix, "ab"),
            ],
            None,
        );
        check(&table, "h", "/a", Some("a-exact"));
        check(&table, "h", "/a/", Some("a"));
        check(&table, "h", "/a/b/c", Some("ab"));
        check(&table, "h", "/x", Some("root"));
    }

    #[test]
    fn a_host_goes_before_its_wildcard_and_that_before_all_hosts() {
        use PathType::Prefix;
        let rules = [
            (Host::Any, "/", Prefix, "any"),
            (Host::Wildcard("*.foo.com".to_owned()), "/", Prefix, "wild"),
            (Host::Exact("Bar.foo.com".to_owned()), "/x", Prefix, "exact"),
        ];
        let table = table(&rules, None);
        check(&table, "bar.FOO.com", "/x", Some("exact"));
        check(&table, "bar.foo.com.", "/y", Some("wild"));
        check(&table, "baz.foo.com", "/x", Some("wild"));
        // A wildcard stands for exactly one label.
        check(&table, "a.baz.foo.com", "/", Some("any"));
        check(&table, "foo.com", "/", Some("any"));
    }

    #[test]
    fn a_rewritten_path_is_made_of_what_the_expression_has_matched() {
        let check = |path: &str, template: &str, asked: &str, expected: Option<&str>| {
            let treatment = Treatment { rewrite: Some(template.to_owned()), ..Treatment::default() };
            let (path, path_type, host) = (path.to_owned(), PathType::Regex, Host::Any);
            let rules = vec![Route { host, path, path_type, backend: "b".to_owned(), treatment }];
            let table = Table::compile(Routes { rules, ..Routes::default() }, &mut Registry::default());
            let found = table.destination("h", asked.split('?').next().unwrap());
            let target = found.map(|destination| destination.rewritten(asked).unwrap());
            assert_eq!(target.as_deref(), expected, "{asked}");
        };
        check("/api(/|$)(.*)", "/$2", "/api/v1/x?a=b", Some("/v1/x?a=b"));
        check("/api(/|$)(.*)", "/$2", "/API", Some("/"));
        check("/api(/|$)(.*)", "/$2", "/apix", None);
        check("/a|/b", "/", "/b/c", Some("/"));
        check("/x/(.+)", "$1/y$9", "/x/z", Some("/z/y"));
        check("/a(", "/", "/a(", None);
    }

    #[test]
    fn what_nothing_matches_goes_to_the_default_backend() {
        let rules = [(Host::Exact("a".to_owned()), "/", PathType::Prefix, "a")];
        check(&table(&rules, Some("default")), "b", "/", Some("default"));
        check(&table(&rules, None), "b", "/", None);
    }
}
