//! Every generator of `create`, and `run`.

use super::session::Session;

pub fn check(s: &Session<'_>) {
    workloads(s);
    settings(s);
    services(s);
    policies(s);
    accounts(s);
}

fn workloads(s: &Session<'_>) {
    s.sees(
        "kubectl create deployment web --image=toolbox:1 --replicas=2 --port=80 -- sleep 1000",
        &["deployment.apps/web created"],
    );
    s.refuses(
        "kubectl create deployment web --image=toolbox:1",
        &[r#"error: failed to create deployment: deployments.apps "web" already exists"#],
    );
    s.sees(
        "kubectl create deployment two --image=a --image=b:1 --dry-run=client -o yaml",
        &["image: a", "image: b:1", "name: b"],
    );
    s.sees("kubectl create job once --image=toolbox:1 -- sh -c 'echo done'", &["job.batch/once created"]);
    s.sees(
        "kubectl create cronjob often --image=toolbox:1 --schedule='*/5 * * * *' -- sh -c 'echo again'",
        &["cronjob.batch/often created"],
    );
    // 1.20 knows no other CronJob than that of `v1beta1`, and has to be told to ask for it.
    let often = if s.minor < 21 { "cronjobs.v1beta1.batch/often" } else { "cronjob/often" };
    s.sees(&format!("kubectl create job now --from={often}"), &["job.batch/now created"]);
    s.ok("kubectl wait --for=condition=complete job/once job/now --timeout=60s");
    s.sees("kubectl logs job/once", &["done"]);
    s.sees("kubectl logs job/now", &["again"]);
    s.sees("kubectl get job now -o jsonpath='{.metadata.ownerReferences[0].kind}'", &["CronJob"]);
    s.refuses(
        "kubectl create cronjob bad --image=a --schedule='61 * * * *'",
        &["spec.schedule: Invalid value"],
    );
    s.sees("kubectl run bare --image=toolbox:1 --restart=Never --labels=a=b --env=KEY=value -- sh -c 'echo $KEY'", &["pod/bare created"]);
    s.until("kubectl get pod bare --show-labels", "0/1 Completed");
    s.sees("kubectl logs bare", &["value"]);
    s.sees(
        "kubectl run shown --image=toolbox:1 --port=80 --expose --command -- sleep 1000",
        &["service/shown created", "pod/shown created"],
    );
    s.sees("kubectl get svc shown -o wide", &["80/TCP", "run=shown"]);
    s.sees("kubectl run tried --image=toolbox:1 --dry-run=client -o yaml", &["kind: Pod", "run: tried"]);
    s.sees("kubectl run tried --image=toolbox:1 --dry-run=server", &["pod/tried created (server dry run)"]);
    s.ok("kubectl rollout status deployment/web --timeout=60s");
}

fn settings(s: &Session<'_>) {
    s.write("app.env", "a=1\nb=2\n");
    s.write("note.txt", "line one\nline two\n");
    s.write("conf/x", "xx");
    s.write("conf/y", "yy");
    s.sees(
        "kubectl create configmap literal --from-literal=k=v --from-literal=other='with space'",
        &["configmap/literal created"],
    );
    s.sees("kubectl create configmap file --from-file=note.txt --from-file=renamed=app.env", &["created"]);
    s.sees("kubectl get cm file -o yaml", &["note.txt: |", "renamed: |"]);
    s.sees("kubectl create configmap env --from-env-file=app.env", &["created"]);
    s.sees("kubectl get cm env -o jsonpath={.data}", &[r#"{"a":"1","b":"2"}"#]);
    s.ok("kubectl create cm folder --from-file=conf");
    s.sees("kubectl get cm folder -o jsonpath={.data}", &[r#"{"x":"xx","y":"yy"}"#]);
    s.ok("head -c 100 /dev/urandom > bytes && kubectl create cm binary --from-file=bytes");
    s.sees(
        "kubectl get cm binary -o jsonpath='{.binaryData.bytes}' | base64 -d | cmp - bytes && echo same",
        &["same"],
    );
    s.sees(
        "kubectl create secret generic generic --from-literal=password=p4ss --from-file=note.txt",
        &["secret/generic created"],
    );
    s.sees("kubectl get secret generic -o jsonpath={.data.password} | base64 -d", &["p4ss"]);
    s.sees("kubectl create secret docker-registry registry --docker-server=r.local --docker-username=u --docker-password=p --docker-email=e@example.com", &["created"]);
    s.sees("kubectl get secret registry", &["kubernetes.io/dockerconfigjson 1"]);
    s.ok("openssl req -x509 -newkey rsa:2048 -nodes -keyout tls.key -out tls.crt -subj /CN=web.localhost -days 2 2>/dev/null");
    s.sees("kubectl create secret tls tls --cert=tls.crt --key=tls.key", &["secret/tls created"]);
    s.sees("kubectl get secret tls", &["kubernetes.io/tls 2"]);
    s.ok("kubectl create configmap big --from-literal=k=v -o yaml --dry-run=client | kubectl create -f - --save-config");
}

fn services(s: &Session<'_>) {
    s.sees("kubectl create service clusterip plain --tcp=80:8080", &["service/plain created"]);
    s.sees("kubectl create service nodeport node --tcp=80", &["created"]);
    s.sees("kubectl create service loadbalancer balanced --tcp=5678:8080", &["created"]);
    s.sees("kubectl create service externalname outside --external-name=example.com", &["created"]);
    s.sees("kubectl create svc clusterip headless --clusterip=None", &["created"]);
    s.sees(
        "kubectl get svc",
        &[
            "node NodePort",
            "balanced LoadBalancer",
            "5678:",
            "outside ExternalName <none> example.com <none>",
            "headless ClusterIP None <none> <none>",
        ],
    );
    s.sees(
        "kubectl create ingress simple --rule='a.localhost/*=plain:80' --default-backend=plain:80",
        &["ingress.networking.k8s.io/simple created"],
    );
    s.sees("kubectl create ingress secure --class=pinnace --rule='b.localhost/x=plain:80,tls=tls' --annotation note=b", &["created"]);
    s.sees("kubectl get ing", &["simple pinnace a.localhost", "secure pinnace b.localhost", "80, 443"]);
}

fn policies(s: &Session<'_>) {
    s.sees("kubectl create quota wide --hard=pods=20,services=20", &["resourcequota/wide created"]);
    s.sees("kubectl create quota scoped --hard=pods=2 --scopes=BestEffort", &["created"]);
    s.sees(
        "kubectl create poddisruptionbudget web --selector=app=web --min-available=1",
        &["poddisruptionbudget.policy/web created"],
    );
    s.sees("kubectl create pdb share --selector=app=none --max-unavailable=50%", &["created"]);
    s.until("kubectl get pdb", "web 1 N/A 1");
    s.sees(
        "kubectl create priorityclass e2e-high --value=1000 --description=high",
        &["priorityclass.scheduling.k8s.io/e2e-high created"],
    );
    s.sees("kubectl get pc e2e-high", &["e2e-high 1000 false"]);
    s.ok("kubectl delete pc e2e-high");
}

fn accounts(s: &Session<'_>) {
    s.sees("kubectl create serviceaccount robot", &["serviceaccount/robot created"]);
    if s.minor >= 24 {
        let token = s.ok("kubectl create token robot --duration=10m");
        assert_eq!(token.trim().split('.').count(), 3, "{token}");
        s.sees(
            "kubectl create token robot --audience=else -o jsonpath={.status.expirationTimestamp}",
            &["T"],
        );
        s.refuses("kubectl create token nobody", &[r#"serviceaccounts "nobody" not found"#]);
    }
    s.sees(
        "kubectl create role reader --verb=get,list --resource=pods,pods/log --resource-name=x",
        &["role.rbac.authorization.k8s.io/reader created"],
    );
    s.sees("kubectl create role apps --verb=get --resource=deployments.apps", &["created"]);
    s.sees("kubectl create rolebinding readers --role=reader --user=bob --group=all --serviceaccount=creating:robot", &["rolebinding.rbac.authorization.k8s.io/readers created"]);
    s.sees(
        "kubectl create clusterrole e2e-nodes --verb=get --resource=nodes",
        &["clusterrole.rbac.authorization.k8s.io/e2e-nodes created"],
    );
    s.sees("kubectl create clusterrole e2e-url --verb=get --non-resource-url=/x", &["created"]);
    s.sees("kubectl create clusterrole e2e-sum --aggregation-rule=example.com/sum=true", &["created"]);
    s.sees(
        "kubectl create clusterrolebinding e2e-nodes --clusterrole=e2e-nodes --serviceaccount=creating:robot",
        &["clusterrolebinding.rbac.authorization.k8s.io/e2e-nodes created"],
    );
    s.sees("kubectl get clusterrolebinding e2e-nodes -o wide", &["ClusterRole/e2e-nodes", "creating/robot"]);
    s.ok(
        "kubectl delete clusterrole e2e-nodes e2e-url e2e-sum && kubectl delete clusterrolebinding e2e-nodes",
    );
    s.sees(
        "kubectl create namespace e2e-made && kubectl delete namespace e2e-made",
        &["namespace/e2e-made created", "namespace \"e2e-made\" deleted"],
    );
}
