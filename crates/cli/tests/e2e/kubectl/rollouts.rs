//! `rollout` of the three kinds that roll, and `wait`.

use super::session::{AGENT, DB, Session};

pub fn check(s: &Session<'_>) {
    s.deploy_web();
    deployment(s);
    s.write("agent.yaml", AGENT);
    s.write("db.yaml", DB);
    s.ok("kubectl apply -f agent.yaml -f db.yaml && kubectl scale sts/db --replicas=2");
    others(s);
    waits(s);
}

fn deployment(s: &Session<'_>) {
    s.ok("kubectl annotate deployment/web kubernetes.io/change-cause='the first' --overwrite=true");
    s.sees("kubectl set env deployment/web VERSION=2", &["env updated"]);
    s.ok("kubectl annotate deployment/web kubernetes.io/change-cause='the second' --overwrite=true");
    s.sees(
        "kubectl rollout status deployment/web --timeout=60s",
        &["deployment \"web\" successfully rolled out"],
    );
    s.sees(
        "kubectl rollout history deployment/web",
        &["deployment.apps/web", "REVISION CHANGE-CAUSE\n1 the first\n2 the second"],
    );
    s.sees("kubectl rollout history deployment/web --revision=2", &["with revision #2", "VERSION: 2"]);
    s.sees("kubectl rollout undo deployment/web", &["deployment.apps/web rolled back"]);
    s.ok("kubectl rollout status deployment/web --timeout=60s");
    s.sees("kubectl rollout history deployment/web", &["2 the second\n3 the first"]);
    s.sees("kubectl rollout undo deployment/web --to-revision=2", &["rolled back"]);
    s.sees(
        "kubectl rollout undo deployment/web --to-revision=3 --dry-run=client",
        &["deployment.apps/web Pod Template:"],
    );
    s.refuses(
        "kubectl rollout undo deployment/web --to-revision=99",
        &["unable to find specified revision 99 in history"],
    );
    s.sees("kubectl rollout pause deployment/web", &["deployment.apps/web paused"]);
    s.refuses("kubectl rollout pause deployment/web", &["is already paused"]);
    s.ok("kubectl set env deployment/web VERSION=3");
    s.refuses(
        "kubectl rollout undo deployment/web",
        &["cannot rollback a paused deployment; resume it first"],
    );
    s.sees("kubectl get rs -l app=web --no-headers | wc -l", &["2"]);
    s.sees("kubectl rollout resume deployment/web", &["deployment.apps/web resumed"]);
    s.ok("kubectl rollout status deployment/web --timeout=60s");
    s.sees("kubectl rollout restart deployment/web", &["deployment.apps/web restarted"]);
    s.ok("kubectl rollout status deployment web --timeout=60s");
    s.ok("kubectl set image deployment/web c=toolbox:fake");
    s.refuses("kubectl rollout status deployment/web --timeout=1s", &["timed out waiting for the condition"]);
    s.until("kubectl get pods -l app=web", "ImagePull");
    s.sees(
        "kubectl rollout status deployment/web --watch=false",
        &["Waiting for deployment \"web\" rollout to finish"],
    );
    s.ok("kubectl rollout undo deployment/web && kubectl rollout status deployment/web --timeout=60s");
}

fn others(s: &Session<'_>) {
    s.ok("kubectl rollout status sts/db --timeout=60s");
    s.sees(
        "kubectl rollout status ds/agent --timeout=60s",
        &["daemon set \"agent\" successfully rolled out"],
    );
    for (subject, full) in
        [("statefulset/db", "statefulset.apps/db"), ("daemonset/agent", "daemonset.apps/agent")]
    {
        s.ok(&format!("kubectl set env {subject} VERSION=2"));
        s.ok(&format!("kubectl rollout status {subject} --timeout=60s"));
        s.sees(&format!("kubectl rollout history {subject}"), &[full, "REVISION", "\n2 "]);
        s.sees(&format!("kubectl rollout history {subject} --revision=2"), &["VERSION: 2"]);
        s.sees(&format!("kubectl rollout undo {subject}"), &[&format!("{full} rolled back")]);
        s.ok(&format!("kubectl rollout status {subject} --timeout=60s"));
        s.prints(
            &format!("kubectl get {subject} -o jsonpath='{{.spec.template.spec.containers[0].env}}'"),
            "",
        );
        s.sees(&format!("kubectl rollout restart {subject}"), &[&format!("{full} restarted")]);
        s.ok(&format!("kubectl rollout status {subject} --timeout=60s"));
    }
    s.refuses("kubectl rollout pause statefulset/db", &["pausing is not supported"]);
    s.sees("kubectl scale sts/db --replicas=1", &["statefulset.apps/db scaled"]);
    s.until("kubectl get sts db", "db 1/1");
}

fn waits(s: &Session<'_>) {
    s.sees(
        "kubectl wait --for=condition=Available deployment/web --timeout=60s",
        &["deployment.apps/web condition met"],
    );
    s.sees("kubectl wait --for=condition=Ready pod -l app=web --timeout=60s", &["condition met"]);
    s.refuses(
        "kubectl wait --for=condition=Available=false deployment/web --timeout=1s",
        &["timed out waiting for the condition on deployments/web"],
    );
    if s.minor >= 23 {
        s.sees(
            "kubectl wait --for=jsonpath='{.status.phase}'=Running pod -l app=web --timeout=60s",
            &["condition met"],
        );
    }
    if s.minor >= 31 {
        s.sees("kubectl wait --for=create configmap/kube-root-ca.crt --timeout=60s", &["condition met"]);
    }
    s.ok("kubectl run gone --image=toolbox:1 -- sleep 1000");
    s.ok("kubectl wait --for=condition=Ready pod/gone --timeout=60s");
    s.ok("kubectl delete pod gone --wait=false --grace-period=1");
    // Where it is gone already, the older ones have nothing to wait for.
    s.ok("kubectl wait --for=delete pod/gone --timeout=60s || ! kubectl get pod gone 2>/dev/null");
    s.refuses("kubectl get pod gone", &["not found"]);
}
