//! `get` in all its forms, `events`, `top`, `explain`, the lists of the API.

use super::session::Session;

pub fn check(s: &Session<'_>) {
    s.deploy_web();
    tables(s);
    outputs(s);
    choices(s);
    watches(s);
    refusals(s);
    events(s);
    usage(s);
    documents(s);
}

fn tables(s: &Session<'_>) {
    s.sees("kubectl get pod", &["NAME READY STATUS RESTARTS AGE", "1/1 Running 0"]);
    s.sees(
        "kubectl get pods -o wide",
        &["NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES", "<none> <none>"],
    );
    s.sees("kubectl get deploy", &["NAME READY UP-TO-DATE AVAILABLE AGE", "web 2/2 2 2"]);
    s.sees("kubectl get deploy -o wide", &["CONTAINERS IMAGES SELECTOR", "c toolbox:1 app=web"]);
    s.sees("kubectl get rs", &["NAME DESIRED CURRENT READY AGE", " 2 2 2 "]);
    s.sees(
        "kubectl get svc",
        &["NAME TYPE CLUSTER-IP EXTERNAL-IP PORT(S) AGE", "ClusterIP 10.", "<none> 80/TCP"],
    );
    s.sees(
        "kubectl get ing",
        &["NAME CLASS HOSTS ADDRESS PORTS AGE", "web pinnace web.localhost 127.0.0.1 80, 443"],
    );
    s.sees("kubectl get ns", &["NAME STATUS AGE", "default Active", "kube-system Active"]);
    s.sees("kubectl get nodes", &["NAME STATUS ROLES AGE VERSION", "pinnace-2 Ready"]);
    s.sees(
        "kubectl get nodes -o wide",
        &["INTERNAL-IP EXTERNAL-IP OS-IMAGE KERNEL-VERSION CONTAINER-RUNTIME"],
    );
    s.sees(
        "kubectl get all",
        &[
            "NAME READY STATUS RESTARTS AGE\npod/web-",
            "service/web ClusterIP",
            "deployment.apps/web 2/2 2 2",
            "replicaset.apps/web-",
        ],
    );
    s.sees(
        "kubectl get deploy,svc,ing",
        &["deployment.apps/web", "service/web", "ingress.networking.k8s.io/web"],
    );
    s.sees("kubectl get endpointslices", &["NAME ADDRESSTYPE PORTS ENDPOINTS AGE", "IPv4 8080 10."]);
    s.sees("kubectl get pods -A", &["NAMESPACE NAME READY STATUS RESTARTS AGE", "looking web-"]);
    s.sees("kubectl get pods --all-namespaces -o wide", &["NAMESPACE NAME", "looking web-"]);
    s.sees("kubectl get deploy -n looking", &["web 2/2"]);
    s.sees("kubectl get pods -n kube-public", &["No resources found in kube-public namespace."]);
}

fn outputs(s: &Session<'_>) {
    s.sees(
        "kubectl get deployment web -o yaml",
        &["apiVersion: apps/v1", "kind: Deployment", "replicas: 2", "readyReplicas: 2"],
    );
    let list: serde_json::Value = serde_json::from_str(&s.ok("kubectl get pods -o json")).unwrap();
    assert_eq!(list["kind"], "List");
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    s.sees("kubectl get deploy,svc -o name", &["deployment.apps/web\nservice/web"]);
    s.sees("kubectl get pods -o jsonpath='{.items[*].status.phase}'", &["Running Running"]);
    s.sees(
        r#"kubectl get pods -o jsonpath='{range .items[*]}{.metadata.labels.app}{"\t"}{.status.phase}{"\n"}{end}'"#,
        &["web Running\nweb Running"],
    );
    s.sees(
        "kubectl get pods -o jsonpath='{.items[?(@.status.phase==\"Running\")].metadata.labels.app}'",
        &["web web"],
    );
    s.sees(
        "kubectl get pods -o custom-columns=NAME:.metadata.name,IMAGE:.spec.containers[0].image",
        &["NAME IMAGE\nweb-", "toolbox:1"],
    );
    s.write("columns.txt", "NAME          IP\nmetadata.name status.podIP\n");
    s.sees("kubectl get pods -o custom-columns-file=columns.txt", &["NAME IP\nweb-", " 10."]);
    s.sees(
        "kubectl get pods -o go-template='{{range .items}}{{.status.phase}} {{end}}'",
        &["Running Running"],
    );
    s.sees("kubectl get svc web --template={{.spec.type}}", &["ClusterIP"]);
    assert!(!s.ok("kubectl get pods --no-headers").contains("NAME"));
    s.sees("kubectl get pods --show-labels", &["AGE LABELS", "app=web,pod-template-hash="]);
    s.sees("kubectl get pods -L app", &["AGE APP", "web\n"]);
    s.sees("kubectl get pods --show-kind", &["pod/web-"]);
    s.sees("kubectl get deploy web --server-print=false", &["NAME AGE\nweb"]);
    s.ok("kubectl get pods --chunk-size=1");
    s.sees("kubectl get --raw /healthz", &["ok"]);
    s.sees("kubectl get --raw '/readyz?verbose'", &["readyz check passed"]);
    s.write("read.yaml", super::session::WEB);
    s.sees(
        "kubectl get -f read.yaml",
        &["deployment.apps/web", "service/web", "ingress.networking.k8s.io/web"],
    );
}

fn choices(s: &Session<'_>) {
    s.sees("kubectl get pods -l app=web", &["web-"]);
    s.sees("kubectl get pods -l 'app in (web,api),app!=api'", &["web-"]);
    s.sees("kubectl get pods -l '!app'", &["No resources found"]);
    s.sees("kubectl get pods --field-selector=status.phase=Running", &["web-"]);
    s.sees("kubectl get pods --field-selector=status.phase!=Running", &["No resources found"]);
    s.sees("kubectl get pods --field-selector=spec.nodeName=absent", &["No resources found"]);
    s.sees("kubectl get svc --field-selector metadata.name=web", &["web ClusterIP"]);
    let by_name = s.ok("kubectl get pods --sort-by=.metadata.name -o name");
    let mut sorted: Vec<&str> = by_name.lines().collect();
    sorted.sort_unstable();
    assert_eq!(by_name.lines().collect::<Vec<_>>(), sorted);
    let first = sorted[0];
    s.sees(&format!("kubectl get {first}"), &["1/1 Running"]);
    s.sees("kubectl get pods --sort-by=.metadata.creationTimestamp", &["web-"]);
    s.sees(
        "kubectl get deployment.apps/web deploy/web deployments.v1.apps/web -o name",
        &["deployment.apps/web"],
    );
}

fn watches(s: &Session<'_>) {
    let pods = s.start("kubectl get pods -w");
    pods.reads("NAME");
    let objects = s.start("kubectl get pods --watch-only -o jsonpath='{.metadata.name}={.status.phase} '");
    let events = (s.minor >= 21).then(|| s.start("kubectl get pods -w --output-watch-events"));
    s.ok("kubectl run watched --image=toolbox:1 --restart=Never -- sleep 1000");
    s.ok("kubectl wait --for=condition=Ready pod/watched --timeout=60s");
    pods.reads("watched 1/1 Running");
    // Nobody is told when this watch begins: the pod changes often enough that it sees some.
    for change in 0..20 {
        s.ok(&format!("kubectl label pod watched --overwrite change={change}"));
    }
    objects.reads("watched=Running");
    s.ok("kubectl delete pod watched --now");
    pods.reads("Terminating");
    if let Some(events) = &events {
        for word in ["ADDED", "MODIFIED", "DELETED"] {
            events.reads(word);
        }
    }
}

fn refusals(s: &Session<'_>) {
    s.refuses("kubectl get nosuch", &[r#"error: the server doesn't have a resource type "nosuch""#]);
    s.refuses("kubectl get pod nosuch", &[r#"Error from server (NotFound): pods "nosuch" not found"#]);
    s.refuses(
        "kubectl get deploy/x svc/y",
        &[r#"(NotFound): deployments.apps "x" not found"#, r#"(NotFound): services "y" not found"#],
    );
    s.ok("kubectl get pod nosuch --ignore-not-found");
    s.refuses(
        "kubectl get pods --field-selector=foo=bar",
        &["(BadRequest)", "field label not supported: foo"],
    );
    s.refuses("kubectl get pods -l 'a in b'", &["unable to parse requirement"]);
}

fn events(s: &Session<'_>) {
    s.sees(
        "kubectl get events",
        &[
            "LAST SEEN TYPE REASON OBJECT MESSAGE",
            "Normal ScalingReplicaSet deployment/web Scaled up replica set web-",
        ],
    );
    s.sees("kubectl get events --sort-by=.lastTimestamp", &["Successfully assigned looking/web-"]);
    s.sees(
        "kubectl get events --field-selector reason=Started -o wide",
        &[
            "LAST SEEN TYPE REASON OBJECT SUBOBJECT SOURCE MESSAGE FIRST SEEN COUNT NAME",
            "spec.containers{c}",
            "Started container c",
        ],
    );
    s.sees(
        "kubectl get events --field-selector involvedObject.kind=Deployment,type!=Warning",
        &["deployment/web"],
    );
    if s.minor >= 26 {
        s.sees("kubectl events", &["LAST SEEN TYPE REASON OBJECT MESSAGE", "Deployment/web"]);
        s.sees("kubectl events --for deployment/web --types=Normal", &["Scaled up replica set"]);
    }
}

fn usage(s: &Session<'_>) {
    s.until("kubectl top node", "pinnace-2");
    s.sees("kubectl top nodes pinnace", &["NAME CPU(cores)", "MEMORY(bytes)", "Mi"]);
    s.until("kubectl top pod", "web-");
    s.sees("kubectl top pods", &["NAME CPU(cores) MEMORY(bytes)", "web-", "Mi"]);
    s.sees("kubectl top pod --containers", &["POD NAME CPU(cores) MEMORY(bytes)", " c "]);
    s.sees("kubectl top pod -A --sort-by=memory", &["NAMESPACE NAME", "looking web-"]);
    s.sees("kubectl top pod -l app=web --no-headers", &["web-"]);
}

fn documents(s: &Session<'_>) {
    s.sees("kubectl explain deployment", &["KIND: Deployment", "FIELDS:", "spec", "status"]);
    s.sees(
        "kubectl explain pods.spec.containers.livenessProbe",
        &["failureThreshold", "<integer>", "httpGet", "grpc"],
    );
    s.sees(
        "kubectl explain deployment.spec.strategy --recursive",
        &["rollingUpdate", "maxSurge", "maxUnavailable"],
    );
    s.sees("kubectl explain ing --api-version=networking.k8s.io/v1", &["Ingress", "spec"]);
    s.refuses("kubectl explain pod.nosuch", &[r#"field "nosuch" does not exist"#]);
    s.sees(
        "kubectl api-resources",
        &[
            "NAME SHORTNAMES APIVERSION NAMESPACED KIND",
            "pods po v1 true Pod",
            "deployments deploy apps/v1 true Deployment",
        ],
    );
    s.sees(
        "kubectl api-resources --namespaced=false -o name",
        &["nodes", "clusterroles.rbac.authorization.k8s.io"],
    );
    s.sees("kubectl api-resources --api-group=batch", &["cronjobs cj batch/v1", "jobs batch/v1"]);
    s.sees("kubectl api-resources --verbs=list,watch --sort-by=name -o wide", &["VERBS", "watch"]);
    s.sees(
        "kubectl api-versions",
        &["apps/v1", "autoscaling/v2", "networking.k8s.io/v1", "metrics.k8s.io/v1beta1", "\nv1"],
    );
    s.sees(
        "kubectl get cs",
        &["NAME STATUS MESSAGE ERROR", "etcd-0 Healthy ok", "ComponentStatus is deprecated"],
    );
    s.sees("kubectl get crd", &["No resources found"]);
    s.write("widget.yaml", "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\n");
    s.refuses(
        "kubectl apply -f widget.yaml",
        &[r#"no matches for kind "Widget" in version "example.com/v1""#],
    );
    if s.minor >= 25 {
        s.refuses("kubectl apply --dry-run=server -f widget.yaml", &["ensure CRDs are installed first"]);
    }
    s.sees("kubectl cluster-info", &["is running at", "https://127.0.0.1:"]);
    s.sees(
        "kubectl cluster-info dump --namespaces looking --output-directory=dump",
        &["Cluster info dumped to dump"],
    );
    s.sees("cat dump/looking/pods.json", &["\"web-"]);
    s.sees("cat dump/looking/web-*/logs.txt", &["started", "ready"]);
    let server =
        if s.minor < 28 { "Server Version: version.Info{Major:\"1\"" } else { "Server Version: v1." };
    s.sees("kubectl version", &[server]);
    s.ok("kubectl options && kubectl config view && kubectl config get-contexts && kubectl config current-context");
    if s.minor >= 21 {
        s.sees("kubectl __complete get deploy ''", &["web"]);
        s.sees("kubectl __complete -n '' | head -20", &["default", "kube-system"]);
    }
    s.sees("kubectl completion bash", &["__start_kubectl"]);
}
