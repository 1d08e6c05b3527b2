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

const STORAGE: [Row; 4] = [
    (
        "pod/claimless",
        &["waits for its storage: there is no PersistentVolumeClaim `nowhere`", "kubectl get pvc"],
    ),
    (
        "pod/unbound",
        &[
            "waits for its storage: pvc `classless` is not bound",
            "storage class `absent` does not exist",
            "name a class",
        ],
    ),
    (
        "pod/wide",
        &[
            "pvc `wide` is not bound: it wants a volume without a class, and no such volume fits",
            "`narrow` is none for it, which offers the access modes `ReadWriteOnce`, not `ReadWriteMany`",
        ],
    ),
    (
        "pod/far",
        &["the volume `far` of its claim `far` is only on `elsewhere`", "kubectl describe node elsewhere"],
    ),
];

fn claim(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {{name: {name}}}\nspec: {{resources: {{requests: {{storage: 1Mi}}}}, {spec}}}\n"
    )
}

fn volume(name: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: {name}}}\nspec: {{capacity: {{storage: 1Mi}}, accessModes: [ReadWriteOnce], hostPath: {{path: /tmp}}, {spec}}}\n"
    )
}

fn storage() -> String {
    let user = |name: &str, claim: &str| {
        let volume = format!("[{{name: v, persistentVolumeClaim: {{claimName: {claim}}}}}]");
        let container = format!("{{name: c, {IDLE}, volumeMounts: [{{name: v, mountPath: /v}}]}}");
        pod(name, &format!("  volumes: {volume}\n  containers: [{container}]"))
    };
    let elsewhere = "{key: kubernetes.io/hostname, operator: In, values: [elsewhere]}";
    [
        claim("classless", "storageClassName: absent, accessModes: [ReadWriteOnce]"),
        claim("wide", "storageClassName: '', accessModes: [ReadWriteMany]"),
        claim("far", "storageClassName: by-hand, volumeName: far, accessModes: [ReadWriteOnce]"),
        volume("narrow", "storageClassName: ''"),
        volume(
            "far",
            &format!(
                "storageClassName: by-hand, nodeAffinity: {{required: {{nodeSelectorTerms: [{{matchExpressions: [{elsewhere}]}}]}}}}"
            ),
        ),
        user("claimless", "nowhere"),
        user("unbound", "classless"),
        user("wide", "wide"),
        user("far", "far"),
    ]
    .concat()
}

const LOGINS: [Row; 3] = [
    ("pod/stranger", &["is not given out by its registry without a login", "named in `imagePullSecrets`"]),
    (
        "pod/forgetful",
        &["the Secret that should hold it does not exist", "create secret docker-registry absent"],
    ),
    ("pod/refused-login", &["the login that the pod brings is refused", "kubectl delete secret login"]),
];

/// A registry that gives nothing to anybody; returns its port. It ends with the test.
fn closed_registry() -> u16 {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"closed\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = client.write_all(answer.as_bytes());
        }
    });
    port
}

fn private_pods(registry: u16) -> String {
    let one = |name: &str, secrets: &str| {
        let container = format!("{{name: c, image: '127.0.0.1:{registry}/team/app:1'}}");
        pod(name, &format!("  imagePullSecrets: [{secrets}]\n  containers: [{container}]"))
    };
    [one("stranger", ""), one("forgetful", "{name: absent}"), one("refused-login", "{name: login}")].concat()
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
        let registry = closed_registry();
        let server = format!("--docker-server=127.0.0.1:{registry}");
        let words = ["create", "secret", "docker-registry", "login", &server];
        user.kubectl(&[&words[..], &["--docker-username=u", "--docker-password=p"]].concat());
        let all = [broken_pods(), others(), storage(), private_pods(registry)].concat();
        let all = user.write("all.yaml", &all);
        user.kubectl(&["apply", "-f", &all]);
        user.kubectl(&["delete", "pod", "kept", "--wait=false"]);
        say(&user, &[&PODS[..], &OTHERS, &STORAGE, &LOGINS].concat());
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
