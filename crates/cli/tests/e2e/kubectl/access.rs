//! Who may what: `auth can-i`, `whoami`, `certificate`, `config`, `proxy`.

use super::session::Session;

pub fn check(s: &Session<'_>) {
    questions(s);
    accounts(s);
    certificates(s);
    contexts(s);
    proxy(s);
}

fn questions(s: &Session<'_>) {
    s.sees("kubectl auth can-i create pods", &["yes"]);
    s.sees("kubectl auth can-i '*' '*' --all-namespaces", &["yes"]);
    s.sees("kubectl auth can-i get pods --subresource=log", &["yes"]);
    s.sees(
        "kubectl auth can-i --list",
        &["Resources Non-Resource URLs Resource Names Verbs", "*.* [] [] [*]"],
    );
    s.refuses("kubectl auth can-i create pods --as bob", &["no"]);
    s.sees("kubectl auth can-i list pods --as=bob --as-group=system:masters", &["yes"]);
    s.refuses("kubectl get pods --as bob", &[r#"Error from server (Forbidden): pods is forbidden: User "bob" cannot list resource "pods" in API group "" in the namespace "access""#]);
    if s.minor >= 28 {
        s.sees("kubectl auth whoami", &["ATTRIBUTE VALUE", "Username", "system:authenticated"]);
        s.sees("kubectl auth whoami --as bob", &["Username bob"]);
    }
}

fn accounts(s: &Session<'_>) {
    let robot = "system:serviceaccount:access:robot";
    s.ok("kubectl create serviceaccount robot");
    s.refuses(&format!("kubectl auth can-i list pods --as {robot}"), &["no"]);
    s.ok("kubectl create rolebinding viewers --clusterrole=view --serviceaccount=access:robot");
    s.until(&format!("kubectl auth can-i list pods --as {robot}"), "yes");
    s.refuses(&format!("kubectl auth can-i create pods --as {robot}"), &["no"]);
    s.refuses(&format!("kubectl auth can-i list pods -n default --as {robot}"), &["no"]);
    s.sees(
        &format!("kubectl auth can-i --list --as {robot}"),
        &["pods [] [] [get list watch]", "[/api/*] [] [get]"],
    );
    s.sees(&format!("kubectl get pods --as {robot}"), &["No resources found in access namespace."]);
    s.write("rbac.yaml", "apiVersion: rbac.authorization.k8s.io/v1\nkind: Role\nmetadata: {name: made, namespace: access}\nrules:\n- {apiGroups: [''], resources: [pods], verbs: [get]}\n");
    s.sees("kubectl auth reconcile -f rbac.yaml", &["role.rbac.authorization.k8s.io/made reconciled"]);
    if s.minor >= 24 {
        s.ok("kubectl config set-credentials robot --token=$(kubectl create token robot)");
        s.sees("kubectl get pods --user=robot", &["No resources found in access namespace."]);
        s.refuses("kubectl get secrets --user=robot", &["(Forbidden)", robot]);
        s.refuses(
            "kubectl get pods --user=robot --token=wrong",
            &["error: You must be logged in to the server"],
        );
    }
}

/// A user gets a certificate as Kubernetes' own guide has it.
fn certificates(s: &Session<'_>) {
    s.ok(
        "openssl req -newkey rsa:2048 -nodes -keyout jane.key -out jane.csr -subj /CN=jane/O=dev 2>/dev/null",
    );
    s.ok(
        r#"printf 'apiVersion: certificates.k8s.io/v1\nkind: CertificateSigningRequest\nmetadata: {name: %s}\nspec:\n  request: %s\n  signerName: kubernetes.io/kube-apiserver-client\n  expirationSeconds: 86400\n  usages: [client auth]\n' jane $(base64 -w0 jane.csr) > jane.yaml"#,
    );
    s.ok("kubectl apply -f jane.yaml");
    s.sees("kubectl get csr jane", &["kubernetes.io/kube-apiserver-client", "Pending"]);
    s.sees(
        "kubectl certificate approve jane",
        &["certificatesigningrequest.certificates.k8s.io/jane approved"],
    );
    s.until("kubectl get csr jane", "Approved,Issued");
    s.ok("kubectl get csr jane -o jsonpath='{.status.certificate}' | base64 -d > jane.crt");
    // Debian's 1.20 crashes when it writes credentials.
    if s.minor >= 24 {
        s.ok("kubectl config set-credentials jane --client-key=jane.key --client-certificate=jane.crt");
        s.refuses("kubectl get pods --user=jane", &[r#"User "jane" cannot list resource "pods""#]);
        s.ok("kubectl create rolebinding developers --clusterrole=view --group=dev");
        s.until("kubectl get pods --user=jane 2>&1", "No resources found");
    }
    s.ok("kubectl delete csr jane && kubectl apply -f jane.yaml");
    s.sees("kubectl certificate deny jane", &["certificatesigningrequest.certificates.k8s.io/jane denied"]);
    s.sees("kubectl get csr jane", &["Denied"]);
}

fn contexts(s: &Session<'_>) {
    s.sees(
        "kubectl config get-contexts",
        &["CURRENT NAME CLUSTER AUTHINFO NAMESPACE", "* pinnace pinnace pinnace access"],
    );
    s.ok("kubectl config set-context other --cluster=pinnace --user=pinnace --namespace=kube-system");
    s.sees("kubectl config use-context other", &["Switched to context \"other\"."]);
    s.sees("kubectl config view --minify -o jsonpath='{..namespace}'", &["kube-system"]);
    s.sees("kubectl config use-context pinnace", &["Switched to context \"pinnace\"."]);
    s.sees("kubectl config delete-context other", &["deleted context other"]);
}

fn proxy(s: &Session<'_>) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let proxy = s.start(&format!("kubectl proxy --port={port}"));
    proxy.reads("Starting to serve on 127.0.0.1:");
    let base = format!("curl -sf http://127.0.0.1:{port}");
    s.until(&format!("{base}/version"), "gitVersion");
    s.sees(&format!("{base}/version"), &["\"gitVersion\""]);
    s.sees(&format!("{base}/api/v1/namespaces/access/configmaps/kube-root-ca.crt"), &["BEGIN CERTIFICATE"]);
}
