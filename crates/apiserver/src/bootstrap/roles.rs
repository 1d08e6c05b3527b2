//! The default roles and bindings, by the names and with the reach of Kubernetes' own.

use serde_json::{Value, json};

const READ: &[&str] = &["get", "list", "watch"];
const WRITE: &[&str] = &["create", "delete", "deletecollection", "patch", "update"];
const ALL: &[&str] = &["*"];

/// What users of a namespace work with: (group, resources).
const WORKLOADS: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "configmaps",
            "endpoints",
            "events",
            "persistentvolumeclaims",
            "pods",
            "replicationcontrollers",
            "replicationcontrollers/scale",
            "serviceaccounts",
            "services",
        ],
    ),
    (
        "apps",
        &[
            "daemonsets",
            "deployments",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ],
    ),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
];

/// What they may look at besides: (group, resources).
const OBSERVED: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "bindings",
            "events",
            "limitranges",
            "namespaces",
            "namespaces/status",
            "persistentvolumeclaims/status",
            "pods/log",
            "pods/status",
            "resourcequotas",
            "resourcequotas/status",
            "services/status",
        ],
    ),
    (
        "apps",
        &[
            "controllerrevisions",
            "daemonsets/status",
            "deployments/status",
            "replicasets/status",
            "statefulsets/status",
        ],
    ),
    ("autoscaling", &["horizontalpodautoscalers/status"]),
    ("batch", &["cronjobs/status", "jobs/status"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("networking.k8s.io", &["ingresses/status"]),
    ("policy", &["poddisruptionbudgets/status"]),
    ("metrics.k8s.io", &["pods"]),
];

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

fn paths(paths: &[&str]) -> Value {
    json!({"nonResourceURLs": paths, "verbs": ["get"]})
}

fn rules_over(table: &[(&str, &[&str])], verbs: &[&str]) -> Vec<Value> {
    table.iter().map(|(group, resources)| rule(group, resources, verbs)).collect()
}

fn view() -> Vec<Value> {
    [rules_over(WORKLOADS, READ), rules_over(OBSERVED, READ)].concat()
}

fn edit() -> Vec<Value> {
    let connect = ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "services/proxy"];
    let more = vec![
        rule("", &connect, &[READ, WRITE].concat()),
        rule("", &["secrets"], &[READ, WRITE].concat()),
        rule("", &["pods/eviction", "serviceaccounts/token"], &["create"]),
        rule("", &["serviceaccounts"], &["impersonate"]),
        rule("coordination.k8s.io", &["leases"], &[READ, WRITE].concat()),
    ];
    [view(), rules_over(WORKLOADS, WRITE), more].concat()
}

fn admin() -> Vec<Value> {
    let roles = rule("rbac.authorization.k8s.io", &["rolebindings", "roles"], &[READ, WRITE].concat());
    let reviews = rule("authorization.k8s.io", &["localsubjectaccessreviews"], &["create"]);
    [edit(), vec![roles, reviews]].concat()
}

fn node() -> Vec<Value> {
    vec![
        rule("", &["nodes"], &["create", "get", "list", "watch", "patch", "update"]),
        rule("", &["nodes/status", "pods/status"], &["patch", "update"]),
        rule("", &["pods"], &["get", "list", "watch", "create", "delete"]),
        rule("", &["configmaps", "secrets", "services", "endpoints", "serviceaccounts", "namespaces"], READ),
        rule("", &["serviceaccounts/token"], &["create"]),
        rule("", &["events"], &["create", "patch", "update"]),
        rule("events.k8s.io", &["events"], &["create", "patch", "update"]),
        rule("", &["persistentvolumeclaims", "persistentvolumes"], READ),
        rule("coordination.k8s.io", &["leases"], &["create", "get", "patch", "update", "delete"]),
        rule("node.k8s.io", &["runtimeclasses"], READ),
        rule("storage.k8s.io", &["csinodes", "csidrivers", "volumeattachments"], READ),
    ]
}

fn scheduler() -> Vec<Value> {
    vec![
        rule("*", &["*"], READ),
        rule("", &["pods"], &["delete"]),
        rule("", &["bindings", "pods/binding"], &["create"]),
        rule("", &["pods/status"], &["patch", "update"]),
        rule("", &["events"], &["create", "patch", "update"]),
        rule("events.k8s.io", &["events"], &["create", "patch", "update"]),
        rule("coordination.k8s.io", &["leases"], &["create", "get", "list", "update", "watch"]),
    ]
}

fn proxier() -> Vec<Value> {
    vec![
        rule("", &["services", "endpoints", "nodes"], READ),
        rule("discovery.k8s.io", &["endpointslices"], READ),
        rule("", &["events"], &["create", "patch", "update"]),
    ]
}

fn basic_user() -> Vec<Value> {
    vec![
        rule("authorization.k8s.io", &["selfsubjectaccessreviews", "selfsubjectrulesreviews"], &["create"]),
        rule("authentication.k8s.io", &["selfsubjectreviews"], &["create"]),
    ]
}

fn discovery() -> Vec<Value> {
    let open = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    vec![paths(&open)]
}

fn public_info() -> Vec<Value> {
    vec![paths(&["/healthz", "/livez", "/readyz", "/version", "/version/"])]
}

fn issuer_discovery() -> Vec<Value> {
    vec![paths(&[
        "/.well-known/openid-configuration",
        "/.well-known/openid-configuration/",
        "/openid/v1/jwks",
        "/openid/v1/jwks/",
    ])]
}

fn everything() -> Vec<Value> {
    vec![rule("*", ALL, ALL), json!({"nonResourceURLs": ["*"], "verbs": ["*"]})]
}

fn role(name: &str, rules: &[Value]) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "rules": rules})
}

/// A role for people: what roles with its label allow, ours among them, it allows too.
fn aggregated(name: &str, rules: &[Value], part_of: Option<&str>) -> Value {
    let mut object = role(name, rules);
    object["aggregationRule"] =
        json!({"clusterRoleSelectors": [{"matchLabels": {aggregate_to(name): "true"}}]});
    if let Some(whole) = part_of {
        object["metadata"]["labels"][aggregate_to(whole)] = "true".into();
    }
    object
}

fn part_of(whole: &str, rules: &[Value]) -> Value {
    let mut object = role(&format!("system:aggregate-to-{whole}"), rules);
    object["metadata"]["labels"][aggregate_to(whole)] = "true".into();
    object
}

fn aggregate_to(whole: &str) -> String {
    format!("rbac.authorization.k8s.io/aggregate-to-{whole}")
}

fn binding(role: &str, kind: &str, subject: &str) -> Value {
    json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
        "metadata": {"name": role, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"}},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": subject}]})
}

/// Returns every default role and binding.
pub(super) fn all() -> Vec<Value> {
    vec![
        role("cluster-admin", &everything()),
        aggregated("admin", &admin(), None),
        aggregated("edit", &edit(), Some("admin")),
        aggregated("view", &view(), Some("edit")),
        part_of("admin", &admin()),
        part_of("edit", &edit()),
        part_of("view", &view()),
        role("system:basic-user", &basic_user()),
        role("system:discovery", &discovery()),
        role("system:public-info-viewer", &public_info()),
        role("system:service-account-issuer-discovery", &issuer_discovery()),
        role(
            "system:auth-delegator",
            &[
                rule("authentication.k8s.io", &["tokenreviews"], &["create"]),
                rule("authorization.k8s.io", &["subjectaccessreviews"], &["create"]),
            ],
        ),
        role("system:kube-controller-manager", &everything()),
        role("system:kube-scheduler", &scheduler()),
        role("system:node", &node()),
        role("system:node-proxier", &proxier()),
        binding("cluster-admin", "Group", "system:masters"),
        binding("system:basic-user", "Group", "system:authenticated"),
        binding("system:discovery", "Group", "system:authenticated"),
        public_info_binding(),
        binding("system:service-account-issuer-discovery", "Group", "system:serviceaccounts"),
        binding("system:kube-controller-manager", "User", "system:kube-controller-manager"),
        binding("system:kube-scheduler", "User", "system:kube-scheduler"),
        binding("system:node", "Group", "system:nodes"),
        binding("system:node-proxier", "User", "system:kube-proxy"),
    ]
}

fn public_info_binding() -> Value {
    let mut object = binding("system:public-info-viewer", "Group", "system:authenticated");
    let everyone_else =
        json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:unauthenticated"});
    if let Some(subjects) = object["subjects"].as_array_mut() {
        subjects.push(everyone_else);
    }
    object
}
