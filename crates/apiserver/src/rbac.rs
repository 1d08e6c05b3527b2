//! Role-based access control over the stored roles and bindings.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use serde::Deserialize;
use serde_json::Value;

use crate::{Identity, core::Core, identity::MASTERS};

const GROUP: &str = "rbac.authorization.k8s.io";

/// What somebody wants to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With the subresource after a slash.
    pub(crate) resource: String,
    pub(crate) namespace: Option<String>,
    pub(crate) name: String,
    /// The path, for what is no resource.
    pub(crate) path: Option<String>,
}

/// One rule of a role, as stored.
#[derive(Clone, Debug, Default, Deserialize, serde::Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Rule {
    pub(crate) verbs: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) api_groups: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resources: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) resource_names: Vec<String>,
    #[serde(rename = "nonResourceURLs", skip_serializing_if = "Vec::is_empty")]
    pub(crate) non_resource_urls: Vec<String>,
}

impl Rule {
    /// Tells whether others together allow all that this rule does. A rule that covers a wildcard must have it.
    pub(crate) fn is_covered_by(&self, others: &[Self]) -> bool {
        let every = |verb: &String| {
            let has_verb = |rule: &&Self| includes(&rule.verbs, verb);
            let resource = |group: &String, resource: &String| {
                others.iter().filter(has_verb).any(|rule| {
                    let names = rule.resource_names.is_empty()
                        || (!self.resource_names.is_empty()
                            && self.resource_names.iter().all(|name| rule.resource_names.contains(name)));
                    includes(&rule.api_groups, group) && includes(&rule.resources, resource) && names
                })
            };
            let path = |path: &String| others.iter().filter(has_verb).any(|rule| rule.has_path(path));
            self.api_groups.iter().all(|group| self.resources.iter().all(|name| resource(group, name)))
                && self.non_resource_urls.iter().all(path)
        };
        self.verbs.iter().all(every)
    }

    fn has_path(&self, path: &str) -> bool {
        self.non_resource_urls.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(prefix) => path.starts_with(prefix),
            None => pattern == path,
        })
    }

    fn allows(&self, wanted: &Attributes) -> bool {
        if !includes(&self.verbs, &wanted.verb) {
            return false;
        }
        if let Some(path) = &wanted.path {
            return self.has_path(path);
        }
        let by_subresource = wanted.resource.split_once('/').map(|(_, part)| format!("*/{part}"));
        let has_resource = includes(&self.resources, &wanted.resource)
            || by_subresource.is_some_and(|pattern| self.resources.contains(&pattern));
        includes(&self.api_groups, &wanted.group)
            && has_resource
            && (self.resource_names.is_empty() || self.resource_names.contains(&wanted.name))
    }
}

fn includes(all: &[String], one: &str) -> bool {
    all.iter().any(|word| word == "*" || word == one)
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Subject {
    kind: String,
    name: String,
    namespace: String,
}

impl Subject {
    fn is(&self, identity: &Identity, default_namespace: Option<&str>) -> bool {
        match self.kind.as_str() {
            "User" => identity.user == self.name,
            "Group" => identity.is_in(&self.name),
            "ServiceAccount" => {
                let own = Some(self.namespace.as_str()).filter(|namespace| !namespace.is_empty());
                let namespace = own.or(default_namespace).unwrap_or_default();
                identity.user == format!("system:serviceaccount:{namespace}:{}", self.name)
            }
            _ => false,
        }
    }
}

/// Who gets which role, everywhere or in one namespace.
#[derive(Clone, Debug)]
struct Binding {
    namespace: Option<String>,
    subjects: Vec<Subject>,
    role_kind: String,
    role_name: String,
}

/// Everything stored about roles, decoded.
#[derive(Debug, Default)]
struct Policy {
    cluster_roles: HashMap<String, Vec<Rule>>,
    roles: HashMap<(String, String), Vec<Rule>>,
    bindings: Vec<Binding>,
}

/// The evaluator; decodes roles again only after one of them changed.
#[derive(Default)]
pub(crate) struct Rbac {
    cached: Mutex<Option<(store::Watch, Arc<Policy>)>>,
}

impl Rbac {
    /// Tells whether the user may do this.
    pub(crate) fn allows(&self, core: &Core, identity: &Identity, wanted: &Attributes) -> bool {
        identity.is_in(MASTERS)
            || self
                .policy(core)
                .rules_for(identity, wanted.namespace.as_deref())
                .any(|rule| rule.allows(wanted))
    }

    /// Returns all rules that hold for the user in a namespace.
    pub(crate) fn rules(&self, core: &Core, identity: &Identity, namespace: &str) -> Vec<Rule> {
        if identity.is_in(MASTERS) {
            let all = || vec!["*".to_owned()];
            return vec![
                Rule { verbs: all(), api_groups: all(), resources: all(), ..Rule::default() },
                Rule { verbs: all(), non_resource_urls: all(), ..Rule::default() },
            ];
        }
        self.policy(core).rules_for(identity, Some(namespace)).cloned().collect()
    }

    /// Returns the rules that a role object grants.
    pub(crate) fn rules_of(&self, role: &Value) -> Vec<Rule> {
        own_rules(role)
    }

    /// Returns the rules of a stored role, of a cluster role without namespace; none when it is not there.
    pub(crate) fn rules_of_role(&self, core: &Core, namespace: Option<&str>, name: &str) -> Vec<Rule> {
        let policy = self.policy(core);
        let rules = match namespace {
            None => policy.cluster_roles.get(name),
            Some(namespace) => policy.roles.get(&(namespace.to_owned(), name.to_owned())),
        };
        rules.cloned().unwrap_or_default()
    }

    fn policy(&self, core: &Core) -> Arc<Policy> {
        let mut cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((watch, policy)) = &mut *cached
            && matches!(watch.try_next(), Ok(None))
        {
            return Arc::clone(policy);
        }
        // watching from before the read: a change in between is only read twice
        let revision = core.store().revision();
        let policy = Arc::new(Policy::read(core));
        *cached =
            core.store().watch(&format!("{GROUP}/"), revision).ok().map(|watch| (watch, Arc::clone(&policy)));
        policy
    }
}

impl Policy {
    fn read(core: &Core) -> Self {
        let all = |plural: &str| match core.registry.by_path(GROUP, "v1", plural) {
            Some(row) => core.all(row, None),
            None => Vec::new(),
        };
        let cluster_roles = all("clusterroles");
        let by_name =
            |role: &Value| Some((api::meta::name(role)?.to_owned(), effective_rules(role, &cluster_roles)));
        let by_names = |role: &Value| {
            let namespace = api::meta::namespace(role)?.to_owned();
            Some(((namespace, api::meta::name(role)?.to_owned()), own_rules(role)))
        };
        Self {
            roles: all("roles").iter().filter_map(by_names).collect(),
            bindings: all("clusterrolebindings").iter().chain(&all("rolebindings")).map(binding).collect(),
            cluster_roles: cluster_roles.iter().filter_map(by_name).collect(),
        }
    }

    fn rules_for<'a>(
        &'a self,
        identity: &'a Identity,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Rule> {
        self.bindings
            .iter()
            .filter(move |binding| binding.namespace.is_none() || binding.namespace.as_deref() == namespace)
            .filter(|binding| {
                binding.subjects.iter().any(|subject| subject.is(identity, binding.namespace.as_deref()))
            })
            .filter_map(|binding| match binding.role_kind.as_str() {
                "ClusterRole" => self.cluster_roles.get(&binding.role_name),
                "Role" => {
                    let namespace = binding.namespace.clone()?;
                    self.roles.get(&(namespace, binding.role_name.clone()))
                }
                _ => None,
            })
            .flatten()
    }
}

fn own_rules(role: &Value) -> Vec<Rule> {
    // a role that could not be read grants nothing
    role.get("rules").cloned().and_then(|rules| serde_json::from_value(rules).ok()).unwrap_or_default()
}

/// A role may gather the rules of others by their labels.
fn effective_rules(role: &Value, all: &[Value]) -> Vec<Rule> {
    let mut rules = own_rules(role);
    for selector in role["aggregationRule"]["clusterRoleSelectors"].as_array().into_iter().flatten() {
        let parsed = serde_json::from_value(selector.clone())
            .ok()
            .and_then(|selector| api::selector::LabelSelector::from_k8s(&selector).ok());
        if let Some(selector) = parsed {
            rules.extend(all.iter().filter(|other| selector.matches_object(other)).flat_map(own_rules));
        }
    }
    rules
}

fn binding(object: &Value) -> Binding {
    let text = |field: &str| object["roleRef"][field].as_str().unwrap_or_default().to_owned();
    let subjects = object.get("subjects").cloned().and_then(|subjects| serde_json::from_value(subjects).ok());
    Binding {
        namespace: api::meta::namespace(object).filter(|text| !text.is_empty()).map(str::to_owned),
        subjects: subjects.unwrap_or_default(),
        role_kind: text("kind"),
        role_name: text("name"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str]) -> Rule {
        let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Rule {
            verbs: owned(verbs),
            api_groups: owned(groups),
            resources: owned(resources),
            ..Rule::default()
        }
    }

    fn wants(verb: &str, group: &str, resource: &str, name: &str) -> Attributes {
        Attributes {
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..Attributes::default()
        }
    }

    #[test]
    fn a_rule_allows_what_it_names() {
        let reader = rule(&["get", "list"], &["", "apps"], &["pods", "pods/log", "deployments"]);
        assert!(reader.allows(&wants("get", "", "pods", "a")));
        assert!(reader.allows(&wants("get", "", "pods/log", "a")));
        assert!(!reader.allows(&wants("get", "", "pods/exec", "a")));
        assert!(!reader.allows(&wants("delete", "", "pods", "a")));
        assert!(!reader.allows(&wants("get", "batch", "jobs", "a")));
        assert!(rule(&["*"], &["*"], &["*"]).allows(&wants("x", "y", "z/status", "")));
        assert!(rule(&["update"], &["*"], &["*/scale"]).allows(&wants(
            "update",
            "apps",
            "deployments/scale",
            "a"
        )));
        let mut named = rule(&["get"], &[""], &["secrets"]);
        named.resource_names = vec!["one".to_owned()];
        assert!(named.allows(&wants("get", "", "secrets", "one")));
        assert!(!named.allows(&wants("get", "", "secrets", "two")));
        assert!(!named.allows(&wants("list", "", "secrets", "")));
    }

    #[test]
    fn coverage_needs_every_verb_and_resource() {
        let own = [rule(&["get", "list"], &[""], &["pods", "services"]), rule(&["*"], &["apps"], &["*"])];
        assert!(rule(&["get"], &[""], &["pods"]).is_covered_by(&own));
        assert!(rule(&["delete"], &["apps"], &["deployments"]).is_covered_by(&own));
        assert!(!rule(&["get", "delete"], &[""], &["pods"]).is_covered_by(&own));
        assert!(!rule(&["get"], &["", "batch"], &["pods"]).is_covered_by(&own));
        assert!(!rule(&["*"], &["*"], &["*"]).is_covered_by(&own));
    }

    #[test]
    fn paths_are_matched_whole_or_by_prefix() {
        let rule = Rule {
            verbs: vec!["get".to_owned()],
            non_resource_urls: vec!["/healthz".to_owned(), "/api/*".to_owned()],
            ..Rule::default()
        };
        let path = |path: &str| Attributes {
            verb: "get".to_owned(),
            path: Some(path.to_owned()),
            ..Attributes::default()
        };
        assert!(rule.allows(&path("/healthz")));
        assert!(rule.allows(&path("/api/v1")));
        assert!(!rule.allows(&path("/healthz/x")));
        assert!(!rule.allows(&path("/metrics")));
    }

    #[test]
    fn a_service_account_is_meant_in_the_bindings_namespace_unless_it_says_otherwise() {
        let identity = Identity::service_account("team", "robot", "");
        let subject = |namespace: &str| Subject {
            kind: "ServiceAccount".to_owned(),
            name: "robot".to_owned(),
            namespace: namespace.to_owned(),
        };
        assert!(subject("team").is(&identity, None));
        assert!(subject("").is(&identity, Some("team")));
        assert!(!subject("other").is(&identity, Some("team")));
    }
}
