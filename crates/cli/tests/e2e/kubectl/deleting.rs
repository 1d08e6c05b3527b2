//! `delete` in all its variants.

use super::session::Session;

pub fn check(s: &Session<'_>) {
    cascades(s);
    pods(s);
    many(s);
}

fn cascades(s: &Session<'_>) {
    s.deploy_web();
    s.sees("kubectl delete deployment web --cascade=orphan", &["deployment.apps \"web\" deleted"]);
    s.sees("kubectl get rs,pods -l app=web", &["replicaset.apps/web-", "pod/web-"]);
    s.sees("kubectl get rs -l app=web -o jsonpath='{.items[0].metadata.ownerReferences}x'", &["x"]);
    // The next one takes them in again.
    let before = s.ok("kubectl get rs -l app=web -o name");
    s.ok("kubectl apply -f web.yaml && kubectl rollout status deployment/web --timeout=60s");
    assert_eq!(s.ok("kubectl get rs -l app=web -o name"), before);
    s.sees("kubectl delete deployment web --cascade=foreground", &["deleted"]);
    s.sees("kubectl get deploy,rs,pods -l app=web", &["No resources found in deleting namespace."]);
    s.deploy_web();
    s.sees("kubectl delete deployment/web --cascade=background", &["deleted"]);
    s.until("kubectl get rs,pods -l app=web", "No resources found");
}

fn pods(s: &Session<'_>) {
    for name in ["a", "b", "c", "d"] {
        s.ok(&format!("kubectl run {name} --image=toolbox:1 --labels=app={name},set=pods -- sleep 1000"));
    }
    s.ok("kubectl wait --for=condition=Ready pod -l set=pods --timeout=60s");
    let started = std::time::Instant::now();
    s.sees("kubectl delete pod a --grace-period=0 --force", &["Immediate deletion does not wait for confirmation that the running resource has been terminated.", "pod \"a\" force deleted"]);
    s.refuses("kubectl get pod a", &[r#"Error from server (NotFound): pods "a" not found"#]);
    assert!(started.elapsed().as_secs() < 20, "a forced deletion waited for the grace period");
    s.sees("kubectl delete pod b --now", &["pod \"b\" deleted"]);
    s.sees("kubectl delete pod c --wait=false", &["pod \"c\" deleted"]);
    s.sees("kubectl get pod c", &["1/1 Terminating"]);
    s.sees("kubectl delete pod c --grace-period=1", &["deleted"]);
    s.refuses("kubectl delete pod nosuch", &[r#"Error from server (NotFound): pods "nosuch" not found"#]);
    s.ok("kubectl delete pod nosuch --ignore-not-found");
    s.sees("kubectl delete pod d --dry-run=client", &["pod \"d\" deleted (dry run)"]);
    s.sees("kubectl delete pod d --dry-run=server", &["pod \"d\" deleted (server dry run)"]);
    s.sees("kubectl get pod d", &["1/1 Running"]);
    s.sees("kubectl delete pods -l app=d --grace-period=1", &["pod \"d\" deleted"]);
    s.refuses("kubectl delete pods", &["resource(s) were provided, but no name"]);
}

fn many(s: &Session<'_>) {
    for name in ["one", "two", "three"] {
        s.ok(&format!(
            "kubectl create configmap {name} --from-literal=k=v && kubectl label configmap {name} set=many"
        ));
    }
    s.sees("kubectl delete configmap/one secret/none --ignore-not-found", &["configmap \"one\" deleted"]);
    s.sees("kubectl delete configmaps --field-selector metadata.name=two", &["configmap \"two\" deleted"]);
    s.sees("kubectl delete cm -l set=many -o name", &["configmap/three"]);
    s.deploy_web();
    s.sees(
        "kubectl delete -f web.yaml",
        &[
            "deployment.apps \"web\" deleted",
            "service \"web\" deleted",
            "ingress.networking.k8s.io \"web\" deleted",
        ],
    );
    s.refuses("kubectl delete -f web.yaml", &["(NotFound)"]);
    s.deploy_web();
    s.sees("kubectl delete all --all", &["service \"web\" deleted", "deployment.apps \"web\" deleted"]);
    s.until("kubectl get all", "No resources found in deleting namespace.");
    s.sees("kubectl delete ingress --all", &["\"web\" deleted"]);
    s.ok("kubectl create namespace whole && kubectl create deployment web --image=toolbox:1 -n whole -- sleep 1000");
    s.ok("kubectl rollout status deployment/web -n whole --timeout=60s");
    s.sees("kubectl delete namespace whole", &["namespace \"whole\" deleted"]);
    s.refuses("kubectl get namespace whole", &[r#"namespaces "whole" not found"#]);
    s.sees("kubectl get pods -n whole", &["No resources found in whole namespace."]);
    s.refuses("kubectl create configmap late -n whole", &[r#"namespaces "whole" not found"#]);
}
