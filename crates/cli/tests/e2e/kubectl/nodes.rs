//! `cordon`, `drain`, `uncordon`, `taint`.

use super::session::{AGENT, Session};

const ALONE: &str = r#"
apiVersion: v1
kind: Pod
metadata: {name: alone}
spec:
  nodeName: pinnace-2
  terminationGracePeriodSeconds: 0
  volumes: [{name: scratch, emptyDir: {}}]
  containers: [{name: c, image: "toolbox:1", command: [sleep, "1000"], volumeMounts: [{name: scratch, mountPath: /scratch}]}]
"#;

pub fn check(s: &Session<'_>) {
    // What the other parts left would be drained as well.
    s.ok("kubectl delete deploy,sts,ds,rs,job,cj,pod --all -A --now >/dev/null 2>&1");
    s.deploy_web();
    s.write("agent.yaml", AGENT);
    s.write("alone.yaml", ALONE);
    s.ok("kubectl apply -f agent.yaml -f alone.yaml && kubectl rollout status ds/agent --timeout=60s");
    s.ok("kubectl wait --for=condition=Ready pod/alone --timeout=60s");
    drain(s);
    budget(s);
    taints(s);
    s.ok("kubectl label node pinnace disk=ssd && kubectl label node pinnace disk-");
    s.ok("kubectl annotate node pinnace note=x && kubectl annotate node pinnace note-");
}

fn drain(s: &Session<'_>) {
    s.sees("kubectl cordon pinnace-2", &["node/pinnace-2 cordoned"]);
    s.sees("kubectl cordon pinnace-2", &["node/pinnace-2 already cordoned"]);
    s.sees("kubectl get nodes", &["pinnace-2 Ready,SchedulingDisabled"]);
    s.refuses(
        "kubectl drain pinnace-2",
        &["cannot delete DaemonSet-managed Pods (use --ignore-daemonsets to ignore)", "nodes/alone"],
    );
    let emptied = if s.minor >= 20 { "--delete-emptydir-data" } else { "--delete-local-data" };
    s.sees(
        &format!("kubectl drain pinnace-2 --ignore-daemonsets {emptied} --force --dry-run=client"),
        &["node/pinnace-2 drained (dry run)"],
    );
    s.sees("kubectl get pod alone", &["Running"]);
    s.sees(
        &format!("kubectl drain pinnace-2 --ignore-daemonsets {emptied} --force --timeout=60s"),
        &["evicting pod nodes/alone", "pod/alone evicted", "node/pinnace-2"],
    );
    s.refuses("kubectl get pod alone", &["not found"]);
    s.ok("kubectl rollout status deployment/web --timeout=60s");
    let places = s.ok("kubectl get pods -l app=web -o jsonpath='{.items[*].spec.nodeName}'");
    assert_eq!(places.trim(), "pinnace pinnace");
    s.sees("kubectl get pods -l app=agent -o jsonpath='{.items[*].spec.nodeName}'", &["pinnace-2"]);
    s.sees("kubectl uncordon pinnace-2", &["node/pinnace-2 uncordoned"]);
}

/// A budget holds an eviction back, and lets it go when it can.
fn budget(s: &Session<'_>) {
    s.ok("kubectl create pdb web --selector=app=web --min-available=2");
    s.until("kubectl get pdb web", "2 N/A 0");
    s.refuses(
        "kubectl drain pinnace --ignore-daemonsets --timeout=2s",
        &[
            "error when evicting pods/\"web-",
            "Cannot evict pod as it would violate the pod's disruption budget.",
        ],
    );
    s.ok("kubectl delete pdb web");
    s.ok("kubectl drain pinnace --ignore-daemonsets --timeout=60s");
    s.ok("kubectl uncordon pinnace && kubectl rollout status deployment/web --timeout=60s");
}

fn taints(s: &Session<'_>) {
    s.sees("kubectl taint nodes pinnace-2 key=value:NoSchedule", &["node/pinnace-2 tainted"]);
    s.refuses(
        "kubectl taint nodes pinnace-2 key=value:NoSchedule",
        &["already has key taint(s) with same effect(s) and --overwrite is false"],
    );
    s.sees("kubectl describe node pinnace-2", &["Taints: key=value:NoSchedule"]);
    s.sees("kubectl taint nodes pinnace-2 key:NoSchedule-", &["node/pinnace-2 untainted"]);
    // Pods that don't tolerate it go.
    s.ok("kubectl taint nodes pinnace-2 key=value:NoExecute");
    s.until("kubectl get pods --field-selector=spec.nodeName=pinnace-2", "No resources found");
    s.sees("kubectl taint node pinnace-2 key-", &["untainted"]);
    s.ok("kubectl rollout status ds/agent --timeout=60s");
}
