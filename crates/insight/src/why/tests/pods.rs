//! Every state in which a pod waits.

use serde_json::{Value, json};

use super::super::Health::{self, Fine, Stuck, Waiting};
use super::{check, container, event, look, merge, node, observed, pod, waiting};

#[track_caller]
fn ask(objects: &[Value], health: Health, verdict: &str, next: &str) {
    let set = |name: &str| {
        json!({"kind": "ReplicaSet", "metadata": {"name": name, "ownerReferences":
            [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "d"}]}})
    };
    let mut all = vec![set("web-0"), set("web-1")];
    if !objects.iter().any(|object| object["kind"] == "Node") {
        all.push(node("True"));
    }
    all.extend(objects.iter().cloned());
    let observed = observed(&all);
    check(&look(&observed).pod("p"), health, verdict, next);
}

fn unscheduled(message: &str) -> Value {
    let mut pod = pod(&json!({"status": {"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]}}));
    pod["spec"]["nodeName"] = Value::Null;
    pod
}

#[test]
fn a_pod_without_a_node_says_what_nodes_lack() {
    let ask = |message: &str, verdict: &str, next: &str| ask(&[unscheduled(message)], Stuck, verdict, next);
    ask("0/1 nodes are available: 1 Insufficient cpu.", "fits on no node: 0/1", "request less cpu");
    ask(
        "0/1 nodes are available: 1 Insufficient memory. preemption: x",
        "1 Insufficient memory",
        "describe nodes",
    );
    ask("0/1 nodes are available: 1 Too many pods.", "Too many pods", "full of pods");
    ask("0/1 nodes are available: 1 node(s) were unschedulable.", "unschedulable", "kubectl uncordon NODE");
    ask("0/1 nodes are available: 1 node(s) had untolerated taint {a: b}.", "taint", "spec.tolerations");
    ask(
        "0/1 nodes are available: 1 node(s) had untolerated taint(s).",
        "taint",
        "kubectl taint nodes NODE KEY-",
    );
    ask(
        "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.",
        "didn't",
        "kubectl label node",
    );
    ask(
        "0/1 nodes are available: 1 node(s) didn't match pod anti-affinity rules.",
        "anti-affinity",
        "add nodes",
    );
    ask(
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.",
        "free ports",
        "hostPort",
    );
    ask("0/1 nodes are available: persistentvolumeclaim \"d\" not found.", "\"d\"", "kubectl get pvc");
    ask("no nodes available to schedule pods", "the cluster has none", "kubectl get nodes");
}

#[test]
fn scarce_cpu_is_told_with_what_is_asked_and_what_there_is() {
    let mut scarce = unscheduled("0/1 nodes are available: 1 Insufficient cpu.");
    merge(
        &mut scarce,
        &json!({"spec": {"containers": [
        {"name": "c", "resources": {"requests": {"cpu": "100"}}}, {"name": "d", "resources": {"limits": {"cpu": "500m"}}}]}}),
    );
    let observed = observed(&[scarce, node("True")]);
    let answer = look(&observed).pod("p");
    assert!(answer.because.contains(&"the pod requests cpu 100500m".to_owned()), "{answer:#?}");
    assert!(answer.because.iter().any(|line| line.ends_with("`n1` has 2")), "{answer:#?}");
}

#[test]
fn a_pod_nobody_has_looked_at_waits_for_the_scheduler() {
    let mut fresh = pod(&json!({"status": {"phase": "Pending"}}));
    fresh["spec"]["nodeName"] = Value::Null;
    ask(&[fresh.clone()], Waiting, "waits for the scheduler", "pinnace why pod/p");
    fresh["spec"]["schedulerName"] = json!("mine");
    ask(&[fresh.clone()], Stuck, "the scheduler `mine`", "schedulerName");
    fresh["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    ask(&[fresh], Waiting, "scheduling gates to be removed: `g`", "");
}

#[test]
fn a_pod_of_a_lost_node_is_cut_off() {
    ask(
        &[pod(&json!({})), node("Unknown")],
        Stuck,
        "`n1` is NotReady: nothing is heard",
        "kubectl describe node n1",
    );
    let mut elsewhere = pod(&json!({}));
    elsewhere["spec"]["nodeName"] = json!("n2");
    ask(&[elsewhere], Stuck, "`n2` does not exist any more", "kubectl delete pod p");
}

#[test]
fn a_container_being_made_says_what_for() {
    let making = || waiting("ContainerCreating", "");
    let failed = |message: &str| event("Pod", "p", "FailedMount", message);
    ask(&[making()], Waiting, "is being created on node `n1`", "kubectl describe pod p");
    ask(&[pod(&json!({"status": {"phase": "Pending"}}))], Waiting, "is being created", "");
    ask(
        &[making(), failed("MountVolume.SetUp failed for volume \"v\" : configmap \"settings\" not found")],
        Stuck,
        "its volume `v` needs the ConfigMap `settings`, which does not exist",
        "kubectl create configmap settings",
    );
    ask(
        &[making(), failed("MountVolume.SetUp failed for volume \"v\" : secret \"key\" not found")],
        Stuck,
        "Secret `key`",
        "kubectl create secret generic key",
    );
    ask(
        &[making(), failed("MountVolume.SetUp failed for volume \"v\" : bad")],
        Stuck,
        "can't be mounted",
        "describe",
    );
    ask(
        &[making(), event("Pod", "p", "Pulling", "Pulling image \"web:1\"")],
        Waiting,
        "`web:1` is being pulled, since 10 s",
        "wait",
    );
    ask(
        &[making(), event("Pod", "p", "FailedCreatePodSandBox", "no room")],
        Stuck,
        "network and isolation",
        "log",
    );
}

#[test]
fn storage_that_is_not_bound_is_waited_for() {
    let mut making = waiting("ContainerCreating", "");
    making["spec"]["volumes"] = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]);
    let claim = json!({"kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "status": {"phase": "Pending"}});
    ask(
        &[making, claim],
        Stuck,
        "waits for its storage: pvc `data` is not bound",
        "kubectl describe pvc data",
    );
}

#[test]
fn an_image_that_cannot_be_had_says_why() {
    let ask = |reason: &str, message: &str, verdict: &str, next: &str| {
        ask(&[waiting(reason, message)], Stuck, verdict, next);
    };
    ask(
        "ErrImagePull",
        "manifest unknown: not found",
        "`web:1` of container `c` does not exist (`ErrImagePull`)",
        "undo",
    );
    ask(
        "ImagePullBackOff",
        "Back-off: not found",
        "does not exist",
        "kubectl set image deployment/web c=NAME:TAG",
    );
    ask("ImagePullBackOff", "401 Unauthorized", "without a login", "imagePullSecrets");
    let with = |secrets: &[Value]| {
        let mut private = waiting("ErrImagePull", "401 Unauthorized");
        private["spec"]["imagePullSecrets"] = json!([{"name": "login"}]);
        look(&observed(&[&[private, node("True")], secrets].concat())).pod("p")
    };
    check(&with(&[]), Stuck, "the Secret that should hold it does not exist", "docker-registry login");
    let login = json!({"kind": "Secret", "metadata": {"name": "login"}});
    check(&with(&[login]), Stuck, "the login that the pod brings is refused", "delete secret login");
    ask("ErrImagePull", "dial tcp: lookup r: no such host", "does not answer", "registry's name");
    ask("ErrImagePull", "x509: unknown authority", "not trusted", "trust");
    ask("ErrImageNeverPull", "", "`imagePullPolicy: Never` forbids", "pinnace image build -t web:1");
    ask("InvalidImageName", "", "is no valid image name", "in lower case");
}

#[test]
fn a_similar_tag_at_hand_is_offered() {
    let mut other = container(&json!({"imageID": "sha256:1", "ready": true, "state": {"running": {}}}));
    merge(
        &mut other,
        &json!({"metadata": {"name": "q"}, "spec": {"containers": [{"name": "c", "image": "web:v1"}]}}),
    );
    let missing = waiting("ErrImagePull", "not found");
    ask(
        &[missing, other],
        Stuck,
        "does not exist",
        "perhaps `web:v1` was meant: `kubectl set image deployment/web c=web:v1`",
    );
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let ask = |message: &str, verdict: &str, next: &str| {
        ask(&[waiting("CreateContainerConfigError", message)], Stuck, verdict, next);
    };
    ask("configmap \"settings\" not found", "needs the ConfigMap `settings`", "create configmap settings");
    ask("secret \"key\" not found", "needs the Secret `key`", "create secret generic key");
    ask(
        "couldn't find key x in Secret shop/key",
        "the key `x` of Secret `key`",
        "kubectl get secret key -o yaml",
    );
    ask(
        "container has runAsNonRoot and image will run as root",
        "runAsNonRoot",
        "kubectl edit deployment/web",
    );
}

#[test]
fn a_command_that_cannot_run_is_named() {
    for reason in ["RunContainerError", "CreateContainerError", "StartError"] {
        let told = "exec: \"srv\": executable file not found in $PATH";
        ask(&[waiting(reason, told)], Stuck, "its command is not in the image", "`command` and `args`");
    }
}

fn crashed(reason: &str, code: i32) -> Value {
    container(&json!({"restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 1m20s restarting failed container=c pod=p"}},
        "lastState": {"terminated": {"exitCode": code, "reason": reason, "finishedAt": "2026-11-20T08:00:30Z"}}}))
}

#[test]
fn a_crash_loop_tells_the_last_end_and_the_next_start() {
    ask(
        &[crashed("Error", 1)],
        Stuck,
        "keeps crashing: container `c` ended with exit code 1",
        "kubectl logs p -c c --previous",
    );
    ask(&[crashed("Error", 127)], Stuck, "its command was not found", "");
    let observed = observed(&[crashed("Error", 1), node("True")]);
    let answer = look(&observed).pod("p");
    assert!(answer.because[0].starts_with("started again in 50 s (the back-off is 1m20s"), "{answer:#?}");
}

#[test]
fn a_crash_loop_of_a_command_that_is_not_there_says_so() {
    let mut lost = crashed("StartError", 128);
    lost["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"] =
        json!("exec: \"srv\": executable file not found in $PATH");
    ask(&[lost], Stuck, "its command is not in the image (`StartError`)", "`command` and `args`");
}

#[test]
fn too_much_memory_is_told_with_the_limit() {
    let mut killed = crashed("OOMKilled", 137);
    killed["spec"]["containers"][0]["resources"] = json!({"limits": {"memory": "64Mi"}});
    ask(
        &[killed.clone()],
        Stuck,
        "more memory than its limit",
        "set resources deployment/web -c c --limits=memory=",
    );
    let observed = observed(&[killed, node("True")]);
    let answer = look(&observed).pod("p");
    assert!(answer.because.iter().any(|line| line.ends_with("is 64Mi")), "{answer:#?}");
}

fn running(probe: &str, started: bool, since: &str) -> Value {
    let mut pod = container(&json!({"started": started, "state": {"running": {"startedAt": since}}}));
    pod["spec"]["containers"][0][probe] =
        json!({"httpGet": {"path": "/healthz", "port": 8000}, "periodSeconds": 1, "failureThreshold": 60});
    pod
}

#[test]
fn probes_that_fail_are_told_with_their_last_word() {
    let (early, late) = ("2026-11-20T08:00:40Z", "2026-11-20T07:00:40Z");
    ask(
        &[running("startupProbe", false, early)],
        Waiting,
        "has not passed its startup probe after 20 s",
        "wait",
    );
    ask(
        &[running("readinessProbe", true, early)],
        Waiting,
        "fails its readiness probe, 20 s",
        "port-forward p 9999:8000",
    );
    ask(
        &[running("readinessProbe", true, late)],
        Stuck,
        "fails its readiness probe, 1 h 0 min",
        "kubectl logs p -c c",
    );
    let told =
        event("Pod", "p", "Unhealthy", "Readiness probe failed: HTTP probe failed with statuscode: 503");
    let observed = observed(&[running("readinessProbe", true, late), told, node("True")]);
    let answer = look(&observed).pod("p");
    assert!(answer.because[0].contains("statuscode: 503 (10 s ago)"), "{answer:#?}");
}

#[test]
fn a_restart_by_the_liveness_probe_is_told() {
    let killing = event("Pod", "p", "Killing", "Container c failed liveness probe, will be restarted");
    let observed = observed(&[crashed("Error", 137), killing, node("True")]);
    let answer = look(&observed).pod("p");
    assert!(answer.because.iter().any(|line| line.contains("failed liveness probe")), "{answer:#?}");
}

fn ending(extra: &Value, deadline: &str) -> Value {
    let mut pod = container(&json!({"ready": true, "state": {"running": {}}}));
    merge(&mut pod, &json!({"metadata": {"deletionTimestamp": deadline, "deletionGracePeriodSeconds": 30}}));
    merge(&mut pod, extra);
    pod
}

#[test]
fn a_pod_that_ends_tells_what_keeps_it() {
    let (before, after) = ("2026-11-20T08:01:12Z", "2026-11-20T08:00:00Z");
    ask(&[ending(&json!({}), before)], Waiting, "is ending: 12 s of its 30 s of grace are left", "--force");
    ask(&[ending(&json!({}), after)], Waiting, "its grace of 30 s was over 60 s ago", "describe pod p");
    ask(&[ending(&json!({}), after), node("Unknown")], Stuck, "nobody can say that it has ended", "--force");
    let ended = json!({"metadata": {"finalizers": ["a/b"]}, "status": {"containerStatuses": []}});
    ask(&[ending(&ended, after)], Stuck, "its finalizers keep the object", "\"finalizers\":null");
}

#[test]
fn init_containers_come_first() {
    let mut pod = waiting("PodInitializing", "");
    pod["spec"]["initContainers"] = json!([{"name": "i", "image": "i"}]);
    let mut with = |state: Value| {
        pod["status"]["initContainerStatuses"] = json!([{"name": "i", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state}]);
        pod.clone()
    };
    ask(
        &[with(json!({"running": {"startedAt": "2026-11-20T08:00:00Z"}}))],
        Waiting,
        "init container `i`, which runs, for 60 s",
        "logs p -c i",
    );
    ask(
        &[with(json!({"waiting": {"reason": "CrashLoopBackOff"}}))],
        Stuck,
        "init container `i`",
        "logs p -c i --previous",
    );
}

#[test]
fn pods_that_are_over_say_how_it_went() {
    ask(&[pod(&json!({"status": {"phase": "Succeeded"}}))], Fine, "has completed", "kubectl logs p");
    let evicted = json!({"status": {"phase": "Failed", "reason": "Evicted", "message": "low on memory"}});
    ask(&[pod(&evicted)], Stuck, "was evicted", "describe nodes");
    let mut failed = container(&json!({"state": {"terminated": {"exitCode": 3, "reason": "Error"}}}));
    failed["status"]["phase"] = json!("Failed");
    ask(&[failed], Stuck, "failed: 1 container ended badly", "kubectl logs p --all-containers");
    ask(&[event("Pod", "p", "Killing", "Stopping container c")], Stuck, "was deleted", "get pods");
    ask(&[], Stuck, "there is no pod `p`", "kubectl get pods");
}

#[test]
fn a_pod_that_is_well_is_said_to_be() {
    let mut well = container(&json!({"ready": true, "started": true, "state": {"running": {}}}));
    well["status"]["conditions"] = json!([{"type": "Ready", "status": "True"}]);
    ask(&[well.clone()], Fine, "nothing is wrong", "");
    well["status"]["conditions"] = json!([]);
    well["spec"]["readinessGates"] = json!([{"conditionType": "lb"}]);
    ask(&[well], Waiting, "its readiness gate `lb` is not true", "");
}
