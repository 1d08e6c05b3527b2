//! What changes objects: `apply`, `diff`, `edit`, `patch`, `replace`, `label`, `annotate`, `set`, `scale`, `expose`.

use super::session::Session;

const TWO: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: one, labels: {set: pair}}
data: {key: value}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: two, labels: {set: pair}}
data: {key: value}
";

pub fn check(s: &Session<'_>) {
    s.deploy_web();
    edit(s);
    patch(s);
    replace(s);
    marks(s);
    set(s);
    sizes(s);
    expose(s);
}

fn edit(s: &Session<'_>) {
    let line = |change: &str, what: &str| format!("EDITOR='sed -i {change}' kubectl edit {what}");
    s.sees(&line("s/replicas:.2/replicas:\\ 3/", "deployment/web"), &["deployment.apps/web edited"]);
    s.sees("kubectl get deploy web -o jsonpath={.spec.replicas}", &["3"]);
    s.sees(&line("s/replicas:.9/replicas:\\ 1/", "deployment/web"), &["Edit cancelled, no changes made."]);
    s.sees(&line("s/ClusterIP$/NodePort/", "svc web"), &["service/web edited"]);
    s.sees("kubectl get svc web", &["web NodePort", "80:3"]);
    s.ok("kubectl apply -f web.yaml && kubectl rollout status deployment/web --timeout=60s");
}

fn patch(s: &Session<'_>) {
    s.sees(r#"kubectl patch deployment web -p '{"spec":{"replicas":3}}'"#, &["deployment.apps/web patched"]);
    s.sees(
        r#"kubectl patch deployment web -p '{"spec":{"replicas":3}}'"#,
        &["deployment.apps/web patched (no change)"],
    );
    // Strategic: a container is found by its name, and the others of its fields stay.
    s.ok(r#"kubectl patch deploy/web -p '{"spec":{"template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":"1"}]}]}}}}'"#);
    s.sees("kubectl get deploy web -o jsonpath='{.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].env[0].name}'", &["toolbox:1 A"]);
    s.sees(
        r#"kubectl patch deploy web --type=merge -p '{"metadata":{"labels":{"tier":"front"}}}'"#,
        &["patched"],
    );
    s.sees(
        r#"kubectl patch deploy web --type=json -p '[{"op":"remove","path":"/metadata/labels/tier"}]'"#,
        &["patched"],
    );
    s.refuses(
        r#"kubectl patch deploy web --type=json -p '[{"op":"remove","path":"/metadata/labels/tier"}]'"#,
        &["The request is invalid"],
    );
    s.refuses(r#"kubectl patch deploy web -p '{"spec":{"replicas":-1}}'"#, &[r#"The Deployment "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0"#]);
    s.write("patch.yaml", "spec:\n  replicas: 2\n");
    if s.minor >= 22 {
        s.sees("kubectl patch deploy web --patch-file patch.yaml", &["patched"]);
    } else {
        s.sees("kubectl patch deploy web -p \"$(cat patch.yaml)\"", &["patched"]);
    }
    if s.minor >= 24 {
        s.sees(
            r#"kubectl patch deploy web --subresource=scale --type=merge -p '{"spec":{"replicas":2}}'"#,
            &["scale.autoscaling/web patched"],
        );
    }
    s.sees(
        r#"kubectl patch -f web.yaml -p '{"metadata":{"labels":{"x":"y"}}}' --dry-run=server"#,
        &["deployment.apps/web patched"],
    );
}

fn replace(s: &Session<'_>) {
    s.ok("kubectl create configmap kept --from-literal=a=b");
    s.ok("kubectl get cm kept -o yaml > kept.yaml");
    s.ok("sed -i 's/a: b/a: c/' kept.yaml");
    s.sees("kubectl replace -f kept.yaml", &["configmap/kept replaced"]);
    s.refuses("kubectl replace -f kept.yaml", &["Error from server (Conflict)", r#"Operation cannot be fulfilled on configmaps "kept": the object has been modified; please apply your changes to the latest version and try again"#]);
    s.sees(
        "kubectl create configmap kept --from-literal=a=d -o yaml --dry-run=client | kubectl replace -f -",
        &["configmap/kept replaced"],
    );
    let uid = s.ok("kubectl get cm kept -o jsonpath={.metadata.uid}");
    s.sees("kubectl replace --force -f kept.yaml", &["deleted", "configmap/kept replaced"]);
    assert_ne!(s.ok("kubectl get cm kept -o jsonpath={.metadata.uid}"), uid);
    s.ok("sed -i 's/name: kept/name: absent/; /uid:/d; /resourceVersion:/d' kept.yaml");
    s.refuses("kubectl replace -f kept.yaml", &[r#"configmaps "absent" not found"#]);
}

fn marks(s: &Session<'_>) {
    s.sees("kubectl label deploy web tier=front", &["deployment.apps/web labeled"]);
    s.refuses(
        "kubectl label deploy web tier=back",
        &["'tier' already has a value (front), and --overwrite is false"],
    );
    s.sees("kubectl label deploy web tier=back --overwrite", &["labeled"]);
    s.sees("kubectl get deploy -l tier=back", &["web"]);
    s.ok("kubectl label deploy web tier-");
    s.sees("kubectl get deploy -l tier", &["No resources found"]);
    s.sees("kubectl label pods --all seen=yes", &["labeled"]);
    s.sees("kubectl label pods -l seen=yes seen-", &[if s.minor >= 22 { "unlabeled" } else { "labeled" }]);
    s.refuses("kubectl label deploy web 'a b=c'", &["name part must consist of"]);
    s.sees("kubectl annotate deploy web note=one", &["deployment.apps/web annotated"]);
    s.refuses("kubectl annotate deploy web note=two", &["--overwrite is false but found the following declared annotation(s): 'note' already has a value (one)"]);
    s.sees("kubectl annotate deploy web note=two --overwrite", &["annotated"]);
    s.ok("kubectl annotate deploy web note-");
    s.ok("kubectl annotate deployment/web kubernetes.io/change-cause='first of all' --overwrite=true");
    s.until("kubectl rollout history deployment/web", "first of all");
}

fn set(s: &Session<'_>) {
    s.sees("kubectl set image deployment/web c=toolbox:2", &["deployment.apps/web image updated"]);
    s.sees("kubectl set image deployment/web '*=toolbox:1'", &["image updated"]);
    s.refuses(
        "kubectl set image deployment/web nosuch=toolbox:1",
        &[r#"unable to find container named "nosuch""#],
    );
    s.sees("kubectl set env deployment/web KEY=value", &["env updated"]);
    s.ok("kubectl create configmap more --from-literal=name=value");
    s.sees("kubectl set env deployment/web --from=configmap/more", &["env updated"]);
    s.sees("kubectl set env deployment/web --list", &["KEY=value", "# NAME from configmap more, key name"]);
    s.sees("kubectl set env deployment/web KEY- NAME-", &["env updated"]);
    s.sees(
        "kubectl set resources deployment/web --limits=cpu=200m,memory=64Mi --requests=cpu=1m,memory=8Mi",
        &["resource requirements updated"],
    );
    s.ok("kubectl create serviceaccount robot");
    s.sees("kubectl set serviceaccount deployment/web robot", &["serviceaccount updated"]);
    s.sees("kubectl set selector svc web app=web,tier=front", &["selector updated"]);
    s.sees("kubectl get svc web -o wide", &["app=web,tier=front"]);
    s.ok("kubectl create role reader --verb=get --resource=pods && kubectl create rolebinding readers --role=reader --user=bob");
    s.sees("kubectl set subject rolebinding readers --user=alice", &["subjects updated"]);
    s.sees("kubectl get rolebinding readers -o wide", &["bob, alice"]);
    s.sees("kubectl set image deploy/web c=toolbox:2 --dry-run=server -o jsonpath='{.spec.template.spec.containers[0].image}'", &["toolbox:2"]);
    s.sees("kubectl create deployment x --image=a --dry-run=client -o yaml | kubectl set image -f - a=toolbox:3 --local -o yaml", &["image: toolbox:3"]);
    s.ok("kubectl rollout status deployment/web --timeout=60s");
}

fn sizes(s: &Session<'_>) {
    s.sees("kubectl scale deployment/web --replicas=3", &["deployment.apps/web scaled"]);
    s.sees("kubectl scale --current-replicas=3 --replicas=2 deployment/web", &["scaled"]);
    s.refuses(
        "kubectl scale --current-replicas=3 --replicas=1 deployment/web",
        &["xpected replicas to be 3, was 2"],
    );
    s.sees("kubectl scale --replicas=1 deployment --all", &["deployment.apps/web scaled"]);
    s.until("kubectl get deploy web", "web 1/1 1 1");
    s.sees(
        "kubectl autoscale deployment web --min=1 --max=3 --cpu-percent=50",
        &["horizontalpodautoscaler.autoscaling/web autoscaled"],
    );
    s.sees("kubectl get hpa", &["web Deployment/web", " 1 3 "]);
    s.ok("kubectl delete hpa web");
}

fn expose(s: &Session<'_>) {
    s.sees(
        "kubectl expose deployment web --port=81 --target-port=8080 --name=shown",
        &["service/shown exposed"],
    );
    s.sees("kubectl expose deployment/web --type=NodePort --port=80 --name=node", &["service/node exposed"]);
    s.sees("kubectl expose svc shown --port=82 --name=again", &["exposed"]);
    s.sees(
        "kubectl get svc shown node again",
        &["shown ClusterIP", "81/TCP", "node NodePort", "80:3", "82/TCP"],
    );
    s.refuses(
        "kubectl expose deployment web --port=81 --name=shown",
        &[r#"services "shown" already exists"#],
    );
}

/// `apply` and `diff` in all their forms.
pub fn check_apply(s: &Session<'_>) {
    s.write("two.yaml", TWO);
    s.write("one.yaml", TWO.split("---").next().unwrap());
    s.refuses("kubectl diff -f two.yaml", &["+kind: ConfigMap", "+  name: two"]);
    s.sees("kubectl apply -f two.yaml --dry-run=client", &["configmap/one created (dry run)"]);
    s.sees("kubectl apply -f two.yaml --dry-run=server", &["configmap/two created (server dry run)"]);
    s.refuses("kubectl get cm one", &["not found"]);
    s.sees("kubectl apply -f two.yaml", &["configmap/one created\nconfigmap/two created"]);
    s.sees("kubectl apply -f two.yaml", &["configmap/one unchanged\nconfigmap/two unchanged"]);
    s.ok("kubectl diff -f two.yaml");
    s.refuses(
        "sed 's/key: value/key: other/' two.yaml | kubectl diff -f -",
        &["-  key: value", "+  key: other"],
    );
    s.sees("cat one.yaml | kubectl apply -f -", &["configmap/one unchanged"]);
    s.sees(
        "mkdir -p folder && cp one.yaml folder/ && kubectl apply -f folder/",
        &["configmap/one unchanged"],
    );
    s.sees("kubectl apply -R -f folder -o name", &["configmap/one"]);
    from_a_server(s);
    // The kinds to prune are named: those that `kubectl` 1.20 takes by itself are gone from Kubernetes since.
    let only = if s.minor >= 26 { "allowlist" } else { "whitelist" };
    s.sees(
        &format!("kubectl apply -f one.yaml --prune -l set=pair --prune-{only}=core/v1/ConfigMap"),
        &["configmap/one unchanged", "configmap/two pruned"],
    );
    three_ways(s);
    server_side(s);
    kustomize(s);
    refusals(s);
}

fn from_a_server(s: &Session<'_>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::{BufRead, Write};
            let (mut connection, _) = listener.accept().unwrap();
            let mut lines = std::io::BufReader::new(connection.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{TWO}", TWO.len());
            connection.write_all(answer.as_bytes()).unwrap();
        });
        s.sees(
            &format!("kubectl apply -f http://127.0.0.1:{port}/two.yaml"),
            &["configmap/one unchanged", "configmap/two unchanged"],
        );
    });
}

/// What others wrote stays; what the author took out goes.
fn three_ways(s: &Session<'_>) {
    s.ok(r#"kubectl patch cm one -p '{"data":{"foreign":"kept"}}'"#);
    s.ok("sed 's/key: value/new: value/' one.yaml | kubectl apply -f -");
    s.sees("kubectl get cm one -o jsonpath={.data}", &[r#"{"foreign":"kept","new":"value"}"#]);
    s.sees("kubectl apply view-last-applied cm one", &["new: value"]);
    s.sees("kubectl apply set-last-applied -f one.yaml", &["one"]);
}

fn server_side(s: &Session<'_>) {
    s.ok("kubectl delete cm one");
    s.sees("kubectl apply --server-side -f one.yaml", &["configmap/one serverside-applied"]);
    s.sees("kubectl get cm one -o jsonpath='{.metadata.managedFields[*].operation}'", &["Apply"]);
    s.refuses(
        "sed 's/key: value/key: other/' one.yaml | kubectl apply --server-side --field-manager=other -f -",
        &["Apply failed with 1 conflict: conflict with \"kubectl\": .data.key", "--force-conflicts"],
    );
    s.sees("sed 's/key: value/key: other/' one.yaml | kubectl apply --server-side --field-manager=other --force-conflicts -f -", &["serverside-applied"]);
    s.sees("kubectl get cm one -o jsonpath={.data.key}", &["other"]);
    s.ok("kubectl apply --server-side --force-conflicts --dry-run=server -f two.yaml");
    // From client-side to server-side and back.
    s.sees("kubectl apply -f two.yaml", &["configmap/two created"]);
    s.sees(
        "kubectl apply --server-side --force-conflicts -f two.yaml",
        &["configmap/two serverside-applied"],
    );
    s.sees("kubectl apply -f two.yaml", &["configmap/two "]);
    s.refuses(
        "sed 's/key: value/key: third/' two.yaml | kubectl diff --server-side --force-conflicts -f -",
        &["third"],
    );
}

fn kustomize(s: &Session<'_>) {
    s.write("kustom/one.yaml", TWO.split("---").next().unwrap());
    s.write(
        "kustom/kustomization.yaml",
        "namePrefix: z-\nresources: [one.yaml]\nconfigMapGenerator:\n- name: made\n  literals: [a=b]\n",
    );
    s.sees("kubectl kustomize kustom", &["name: z-one", "name: z-made-"]);
    s.sees("kubectl apply -k kustom", &["configmap/z-made-", "configmap/z-one created"]);
    s.ok("kubectl diff -k kustom");
    s.sees("kubectl get -k kustom", &["z-one"]);
    s.sees("kubectl delete -k kustom", &["configmap \"z-one\" deleted"]);
}

fn refusals(s: &Session<'_>) {
    let wrong =
        "printf 'apiVersion: apps/v1\\nkind: Deployment\\nmetadata: {name: x}\\nspec: {replica: 1}\\n'";
    s.refuses(
        &format!("{wrong} | kubectl apply -f -"),
        &[if s.minor >= 27 { "unknown field \"spec.replica\"" } else { "unknown field \"replica\"" }],
    );
    s.refuses(
        &format!("{wrong} | kubectl apply --validate=false -f -"),
        &["The Deployment \"x\" is invalid", "spec.selector: Required value"],
    );
    s.refuses("printf 'apiVersion: v1\\nkind: Nosuch\\nmetadata: {name: x}\\n' | kubectl apply --validate=false -f -", &["no matches for kind \"Nosuch\" in version \"v1\""]);
    s.refuses("printf 'a: [' | kubectl apply -f -", &["error parsing STDIN"]);
    s.refuses("kubectl apply -f absent.yaml", &["the path \"absent.yaml\" does not exist"]);
    s.refuses("kubectl create -f one.yaml", &["(AlreadyExists)", "configmaps \"one\" already exists"]);
}
