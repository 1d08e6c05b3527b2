//! `describe` of every kind a user meets, and the outputs' columns beside it.

use super::session::{AGENT, DB, Session};

/// A kind, a name, and what its description must show.
const SHOWN: [(&str, &[&str]); 24] = [
    (
        "deployment web",
        &[
            "Replicas: 2 desired | 2 updated | 2 total | 2 available | 0 unavailable",
            "StrategyType: RollingUpdate",
            "NewReplicaSet: web-",
            "Available True MinimumReplicasAvailable",
            "Scaled up replica set",
        ],
    ),
    (
        "pods -l app=web",
        &[
            "Status: Running",
            "Controlled By: ReplicaSet/web-",
            "Image: toolbox:1",
            "State: Running",
            "QoS Class: Burstable",
            "PodScheduled True",
            "Successfully assigned describing/web-",
            "Started container c",
        ],
    ),
    (
        "rs -l app=web",
        &[
            "Replicas: 2 current / 2 desired",
            "Pods Status: 2 Running / 0 Waiting / 0 Succeeded / 0 Failed",
            "Created pod: web-",
        ],
    ),
    (
        "svc web",
        &[
            "Type: ClusterIP",
            "IP Family Policy: SingleStack",
            "TargetPort: http/TCP",
            "Endpoints: 10.",
            ":8080",
            "Session Affinity: None",
        ],
    ),
    ("ing web", &["Address: 127.0.0.1", "web-tls terminates web.localhost", "/ web:80 (10."]),
    (
        "node pinnace",
        &[
            "Ready True",
            "Capacity:",
            "Allocatable:",
            "cpu:",
            "Non-terminated Pods:",
            "Allocated resources:",
            "PodCIDR:",
        ],
    ),
    (
        "ns describing",
        &[
            "Status: Active",
            "Resource Quotas",
            "Name: quota",
            "Resource Limits",
            "Container cpu - - 10m 100m",
        ],
    ),
    ("quota quota", &["Resource Used Hard", "pods", "50", "services 1 20"]),
    ("limitrange limits", &["Type Resource Min Max Default Request Default Limit", "Container cpu"]),
    ("job once", &["Completions: 1", "1 Succeeded / 0 Failed", "Created pod: once-", "Job completed"]),
    ("cronjob often", &["Schedule: */5 * * * *", "Concurrency Policy: Allow", "Suspend: False"]),
    (
        "sts db",
        &[
            "Replicas: 1 desired | 1 total",
            "Update Strategy: RollingUpdate",
            "Create Pod db-0 in StatefulSet db successful",
        ],
    ),
    (
        "ds agent",
        &[
            "Desired Number of Nodes Scheduled: 2",
            "Number of Nodes Scheduled with Available Pods: 2",
            "Created pod: agent-",
        ],
    ),
    ("cm settings", &["Data", "key:", "value"]),
    ("secret hidden", &["Type: Opaque", "password: 6 bytes"]),
    ("sa robot", &["Name: robot", "Mountable secrets:"]),
    ("role reader", &["Resources Non-Resource URLs Resource Names Verbs", "pods [] [] [get list]"]),
    ("rolebinding readers", &["Kind: Role", "Name: reader", "ServiceAccount robot describing"]),
    ("clusterrole view", &["PolicyRule:", "pods"]),
    ("pdb web", &["Min available: 1", "Allowed disruptions: 1", "Current: 2", "Total: 2"]),
    ("hpa web", &["Reference: Deployment/web", "Min replicas: 2", "Max replicas: 3"]),
    ("ingressclass pinnace", &["Controller:"]),
    ("pc system-cluster-critical", &["Value: 2000000000", "GlobalDefault: false"]),
    ("netpol closed", &["PodSelector: <none>", "Policy Types: Ingress"]),
];

const MORE: &str = r#"
apiVersion: v1
kind: LimitRange
metadata: {name: limits}
spec: {limits: [{type: Container, defaultRequest: {cpu: 10m}, default: {cpu: 100m}}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {}}, policyTypes: [Ingress]}
"#;

pub fn check(s: &Session<'_>) {
    s.deploy_web();
    s.write("more.yaml", MORE);
    s.write("agent.yaml", AGENT);
    s.write("db.yaml", DB);
    s.ok("kubectl create quota quota --hard=pods=50,services=20");
    s.ok("kubectl apply -f more.yaml -f agent.yaml -f db.yaml");
    s.ok("kubectl create job once --image=toolbox:1 -- sh -c 'exit 0'");
    s.ok("kubectl create cronjob often --image=toolbox:1 --schedule='*/5 * * * *' -- sh -c 'exit 0'");
    s.ok("kubectl create configmap settings --from-literal=key=value");
    s.ok("kubectl create secret generic hidden --from-literal=password=secret");
    s.ok("kubectl create serviceaccount robot");
    s.ok("kubectl create role reader --verb=get,list --resource=pods");
    s.ok("kubectl create rolebinding readers --role=reader --serviceaccount=describing:robot");
    s.ok("kubectl create pdb web --selector=app=web --min-available=1");
    s.ok("kubectl autoscale deployment web --min=2 --max=3 --cpu-percent=80");
    s.ok("kubectl rollout status sts/db --timeout=60s && kubectl rollout status ds/agent --timeout=60s");
    s.ok("kubectl wait --for=condition=Complete job/once --timeout=60s");
    s.until("kubectl get pdb web", "1 N/A 1");
    s.until("kubectl describe quota quota", "services 1 20");
    for (subject, parts) in SHOWN {
        s.sees(&format!("kubectl describe {subject}"), parts);
    }
    s.sees("kubectl describe -f web.yaml", &["Name: web", "StrategyType", "web-tls terminates"]);
    s.sees("kubectl describe pod web", &["Controlled By: ReplicaSet/web-"]);
    s.refuses("kubectl describe pod nosuch", &[r#"pods "nosuch" not found"#]);
    columns(s);
}

fn columns(s: &Session<'_>) {
    s.sees("kubectl get job", &["COMPLETIONS DURATION AGE", "once", "1/1"]);
    s.sees("kubectl get cj", &["SCHEDULE", "SUSPEND ACTIVE LAST SCHEDULE AGE", "often */5 * * * *"]);
    s.sees("kubectl get sts -o wide", &["NAME READY AGE CONTAINERS IMAGES", "db 1/1"]);
    s.sees(
        "kubectl get ds",
        &["NAME DESIRED CURRENT READY UP-TO-DATE AVAILABLE NODE SELECTOR AGE", "agent 2 2 2 2 2 <none>"],
    );
    s.sees("kubectl get cm settings", &["NAME DATA AGE", "settings 1"]);
    s.sees("kubectl get secret hidden", &["NAME TYPE DATA AGE", "hidden Opaque 1"]);
    s.sees("kubectl get role,rolebinding", &["CREATED AT", "NAME ROLE AGE", "Role/reader"]);
    s.sees("kubectl get pdb", &["NAME MIN AVAILABLE MAX UNAVAILABLE ALLOWED DISRUPTIONS AGE"]);
    s.sees("kubectl get hpa", &["NAME REFERENCE TARGETS MINPODS MAXPODS REPLICAS AGE", "web Deployment/web"]);
    s.sees("kubectl get netpol", &["NAME POD-SELECTOR AGE", "closed <none>"]);
    s.sees(
        "kubectl get controllerrevisions",
        &["NAME CONTROLLER REVISION AGE", "statefulset.apps/db", "daemonset.apps/agent"],
    );
    s.sees("kubectl get ingressclass", &["NAME CONTROLLER PARAMETERS AGE", "pinnace"]);
    s.sees("kubectl get pc", &["NAME VALUE GLOBAL-DEFAULT AGE", "system-node-critical 2000001000 false"]);
    s.sees("kubectl get limits,quota", &["CREATED AT", "resourcequota/quota"]);
}
