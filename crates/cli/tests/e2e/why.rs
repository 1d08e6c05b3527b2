//! `pinnace why`, asked about things that really wait.

use std::time::{Duration, Instant};

use crate::support::{PATIENCE, User, everyone};
use crate::toolbox;

/// A container that runs and does nothing.
const IDLE: &str = r#"image: "toolbox:1", command: [sleep, "1000"]"#;

/// Who is asked about, and what the answer must say.
type Row = (&'static str, &'static [&'static str]);

fn pod(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\nspec:\n  terminationGracePeriodSeconds: 0\n{spec}\n"
    )
}

fn deployment(name: &str, extra: &str, container: &str) -> String {
    format!(
        "---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\nspec:\n  {extra}\n  selector: {{matchLabels: {{app: {name}}}}}\n  template:\n    metadata: {{labels: {{app: {name}}}}}\n    spec: {{terminationGracePeriodSeconds: 0, containers: [{{name: c, {container}}}]}}\n"
    )
}

/// Waits until `why` has said everything.
fn say(user: &User, rows: &[Row]) {
    let deadline = Instant::now() + PATIENCE;
    let missing = |(subject, parts): &Row| {
        let answer = user.try_pinnace(&["why", subject]);
        let is_said = answer.status == 0 && parts.iter().all(|part| answer.stdout.contains(part));
        (!is_said).then(|| format!("{subject}: {parts:?} is not in\n{}{}", answer.stdout, answer.stderr))
    };
    let mut left: Vec<&Row> = rows.iter().collect();
    loop {
        let wrong: Vec<(&Row, String)> = left.iter().filter_map(|row| Some((*row, missing(row)?))).collect();
        if wrong.is_empty() {
            return;
        }
        let told: Vec<&str> = wrong.iter().map(|(_, told)| told.as_str()).collect();
        assert!(Instant::now() < deadline, "{}", told.join("\n\n"));
        left = wrong.into_iter().map(|(row, _)| row).collect();
        std::thread::sleep(Duration::from_millis(200));
    }
}

const PODS: [Row; 13] = [
    ("pod/huge", &["fits on no node", "Insufficient cpu", "the pod requests cpu 500", "request less cpu"]),
    ("pod/choosy", &["fits on no node", "node affinity/selector", "kubectl label node NODE disk=none"]),
    (
        "pod/mistagged",
        &[
            "has no image: `toolbox:2`",
            "perhaps `toolbox:1` was meant",
            "kubectl set image pod/mistagged c=toolbox:1",
        ],
    ),
    ("pod/foreign", &["has no image: `registry.invalid/team/app:1`"]),
    ("pod/unset", &["needs the ConfigMap `absent`, which does not exist", "kubectl create configmap absent"]),
    ("pod/keyless", &["the key `nokey` of ConfigMap `kube-root-ca.crt`, which has no such key"]),
    ("pod/unmounted", &["the Secret `absent`", "kubectl create secret"]),
    (
        "pod/crashing",
        &["keeps crashing", "ended with exit code 7", "its last words:", "no such luck", "--previous"],
    ),
    ("pod/hungry", &["took more memory than its limit and was killed (OOMKilled)", "16Mi"]),
    ("pod/unready", &["runs, but is not ready", "fails its readiness probe", "kubectl logs unready"]),
    (
        "pod/starting",
        &["has not passed its startup probe", "600 failures, each 1 s", "raise `failureThreshold`"],
    ),
    ("pod/init", &["init container `first`", "ended with exit code 5"]),
    ("pod/kept", &["its finalizers keep the object", "example.com/kept"]),
];

fn broken_pods() -> String {
    let container = |body: &str| format!("  containers: [{{name: c, {body}}}]");
    let idle = container(IDLE);
    [
        pod("huge", &container(&format!("{IDLE}, resources: {{requests: {{cpu: 500}}}}"))),
        pod("choosy", &format!("  nodeSelector: {{disk: none}}\n{idle}")),
        pod("mistagged", &container("image: 'toolbox:2', imagePullPolicy: IfNotPresent")),
        pod("foreign", &container("image: 'registry.invalid/team/app:1'")),
        pod("unset", &container(&format!("{IDLE}, envFrom: [{{configMapRef: {{name: absent}}}}]"))),
        pod(
            "keyless",
            &container(&format!(
                "{IDLE}, env: [{{name: A, valueFrom: {{configMapKeyRef: {{name: kube-root-ca.crt, key: nokey}}}}}}]"
            )),
        ),
        pod(
            "unmounted",
            &format!(
                "  volumes: [{{name: v, secret: {{secretName: absent}}}}]\n{}",
                container(&format!("{IDLE}, volumeMounts: [{{name: v, mountPath: /v}}]"))
            ),
        ),
        pod("crashing", &container(r#"image: "toolbox:1", command: [sh, -c, "echo no such luck; exit 7"]"#)),
        pod(
            "hungry",
            &container(
                r#"image: "toolbox:1", command: [sh, -c, "dd if=/dev/zero of=/dev/null bs=100M count=1"], resources: {limits: {memory: 16Mi}}"#,
            ),
        ),
        pod(
            "unready",
            &container(&format!(
                "{IDLE}, readinessProbe: {{exec: {{command: [cat, /absent]}}, periodSeconds: 1}}"
            )),
        ),
        pod(
            "starting",
            &container(&format!(
                "{IDLE}, startupProbe: {{exec: {{command: [cat, /absent]}}, periodSeconds: 1, failureThreshold: 600}}"
            )),
        ),
        pod("init", &format!("  initContainers: [{{name: first, image: 'toolbox:1', command: [sh, -c, 'exit 5']}}]\n{idle}")),
        pod("kept", &idle).replace("labels:", "finalizers: [example.com/kept], labels:"),
        pod("behind", &container(&format!("{IDLE}, readinessProbe: {{exec: {{command: [cat, /absent]}}, periodSeconds: 1}}"))),
        pod("calm", &idle),
    ]
    .concat()
}

const OTHERS: [Row; 19] = [
    ("deployment/late", &["has failed its deadline", "toolbox:2", "has timed out progressing"]),
    ("deployment/paused", &["is paused", "kubectl rollout resume deployment/paused"]),
    ("deployment/greedy", &["the namespace's quota is used up", "kubectl describe resourcequota"]),
    ("deployment/well", &["is rolled out", "nothing is wrong"]),
    ("pod/calm", &["is running", "nothing is wrong"]),
    ("service/empty", &["no pod is behind Service `empty`", "kubectl get pods --show-labels"]),
    ("service/behind", &["the only pod of Service `behind` is not ready"]),
    ("service/well", &["has 1 ready pod: nothing is wrong"]),
    ("ingress/classless", &["the controller of its class `other`, `example.com/other`, has not taken it up"]),
    ("ingress/nowhere", &["Service `absent`, which does not exist"]),
    ("ingress/unready", &["the only pod of Service `behind` is not ready"]),
    (
        "ingress/untrusted",
        &[
            "has no certificate for `t.localhost`: the Secret `absent` does not exist",
            "kubectl create secret tls absent",
        ],
    ),
    ("ingress/well", &["every rule leads to ready pods, nothing is wrong"]),
    ("pvc/classless", &["storage class `absent` does not exist"]),
    (
        "job/failing",
        &[
            "has failed: its pods failed more often than `backoffLimit` allows",
            "its last words:",
            "all in vain",
        ],
    ),
    ("job/suspended", &["is suspended", "\"suspend\":false"]),
    ("job/done", &["is complete: nothing is wrong"]),
    ("node/pinnace", &["is ready", "nothing is wrong"]),
    ("node/absent", &["there is no node `absent`", "kubectl get nodes"]),
];

fn ingress(name: &str, class: &str, service: &str, tls: &str) -> String {
    format!(
        "---\napiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {{name: {name}}}\nspec:\n  ingressClassName: {class}\n  tls: [{tls}]\n  rules: [{{host: {name}.localhost, http: {{paths: [{{path: /, pathType: Prefix, backend: {{service: {{name: {service}, port: {{number: 80}}}}}}}}]}}}}]\n"
    )
}

fn service(name: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{selector: {{app: {name}}}, ports: [{{port: 80}}]}}\n"
    )
}

fn job(name: &str, extra: &str, command: &str) -> String {
    format!(
        "---\napiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}}}\nspec:\n  backoffLimit: 0\n  {extra}\n  template: {{spec: {{restartPolicy: Never, containers: [{{name: c, image: 'toolbox:1', command: [sh, -c, '{command}']}}]}}}}\n"
    )
}

fn others() -> String {
    let idle = format!("{IDLE}, resources: {{requests: {{cpu: 1m}}}}");
    [
        deployment("late", "progressDeadlineSeconds: 1", "image: 'toolbox:2'"),
        deployment("paused", "paused: true", &idle),
        deployment("greedy", "replicas: 1", &format!("{IDLE}, resources: {{requests: {{example.com/gold: 2}}}}")).replace("requests:", "limits: {example.com/gold: 2}, requests:"),
        deployment("well", "replicas: 1", &idle),
        service("empty"),
        service("behind"),
        service("well"),
        "---\napiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: other}\nspec: {controller: example.com/other}\n".to_owned(),
        ingress("classless", "other", "well", ""),
        ingress("nowhere", "pinnace", "absent", ""),
        ingress("unready", "pinnace", "behind", ""),
        ingress("untrusted", "pinnace", "well", "{hosts: [t.localhost], secretName: absent}"),
        ingress("well", "pinnace", "well", ""),
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: classless}\nspec: {storageClassName: absent, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}\n".to_owned(),
        job("failing", "", "echo all in vain; exit 3"),
        job("suspended", "suspend: true", "exit 0"),
        job("done", "", "exit 0"),
    ]
    .concat()
}

#[test]
fn every_waiting_state_is_told_with_its_next_step() {
    for who in everyone() {
        let user = User::new(who);
        toolbox::load(&user);
        user.up();
        // Only what asks for gold is counted.
        user.kubectl(&["create", "quota", "gold", "--hard=requests.example.com/gold=1"]);
        let all = user.write("all.yaml", &format!("{}{}", broken_pods(), others()));
        user.kubectl(&["apply", "-f", &all]);
        user.kubectl(&["delete", "pod", "kept", "--wait=false"]);
        say(&user, &[&PODS[..], &OTHERS].concat());
        user.kubectl(&["patch", "pod", "kept", "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
        nodes(&user);
    }
}

fn nodes(user: &User) {
    user.kubectl(&["taint", "nodes", "pinnace", "key=value:NoSchedule"]);
    user.kubectl(&["run", "refused", "--image=toolbox:1", "--", "sleep", "1000"]);
    say(
        user,
        &[(
            "pod/refused",
            &[
                "fits on no node",
                "untolerated taint",
                "`key=value:NoSchedule`",
                "kubectl taint nodes NODE KEY-",
            ],
        )],
    );
    user.kubectl(&["taint", "nodes", "pinnace", "key-"]);
    say(user, &[("pod/refused", &["is running", "nothing is wrong"])]);
    user.kubectl(&["create", "pdb", "well", "--selector=app=well", "--min-available=2"]);
    user.kubectl(&["cordon", "pinnace"]);
    say(
        user,
        &[(
            "node/pinnace",
            &["can't be drained", "PodDisruptionBudget `well` needs 2 healthy", "one replica more"],
        )],
    );
    user.kubectl(&["delete", "pdb", "well"]);
    say(user, &[("node/pinnace", &["is cordoned", "kubectl drain pinnace", "kubectl uncordon pinnace"])]);
    user.kubectl(&["uncordon", "pinnace"]);
    say(user, &[("node/pinnace", &["nothing is wrong"])]);
}
