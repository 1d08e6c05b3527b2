"""Builds and starts what is compared: a real control plane from Go modules, and Pinnace."""

import json
import os
import secrets
import subprocess
import time
import urllib.request
import ssl

HERE = os.path.dirname(os.path.abspath(__file__))
VERSION = "v1.36.3"
KUBERNETES = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]


def build(folder):
    """Builds the real programs into `folder/bin`, once."""
    target = os.path.join(folder, "bin")
    os.makedirs(target, exist_ok=True)
    package = "k8s.io/component-base/version"
    facts = {"gitVersion": VERSION, "gitMajor": "1", "gitMinor": "36", "gitTreeState": "clean"}
    flags = "-s -w " + " ".join(f"-X {package}.{name}={value}" for name, value in facts.items())
    programs = {"etcd": "go.etcd.io/etcd/server/v3"}
    programs.update({name: f"k8s.io/kubernetes/cmd/{name}" for name in KUBERNETES})
    for name, source in programs.items():
        path = os.path.join(target, name)
        if os.path.exists(path):
            continue
        print(f"building {name} (the first time takes minutes)", flush=True)
        subprocess.run(["go", "build", "-p", "2", "-ldflags", flags, "-o", path, source],
                       check=True, cwd=os.path.join(HERE, "oracle"))
    return target


class Programs:
    """Processes that end with the comparison."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []
        os.makedirs(folder, exist_ok=True)

    def start(self, path, *arguments):
        name = os.path.basename(path)
        log = open(os.path.join(self.folder, f"{name}.log"), "ab")
        self.running.append(subprocess.Popen([path, *arguments], stdout=log, stderr=log, cwd=self.folder))

    def stop(self):
        for process in reversed(self.running):
            process.terminate()
        for process in reversed(self.running):
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_oracle(programs, binaries, port):
    """Starts etcd, the API server, controllers and scheduler on loopback; returns the kubeconfig."""
    folder = programs.folder
    token = secrets.token_hex(16)
    users = [(token, "kubernetes-admin", "system:masters"),
             (secrets.token_hex(16), "system:kube-controller-manager", ""),
             (secrets.token_hex(16), "system:kube-scheduler", "")]
    with open(os.open(f"{folder}/tokens", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f'{secret},{name},{name},"{groups}"\n' for secret, name, groups in users)
    configs = [kubeconfig(f"{folder}/{name.split(':')[-1]}.kubeconfig", port, secret) for secret, name, _ in users]
    subprocess.run(["openssl", "genrsa", "-out", f"{folder}/accounts.key", "2048"], check=True, capture_output=True)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=oracle-ca",
                    "-keyout", f"{folder}/ca.key", "-out", f"{folder}/ca.crt"], check=True, capture_output=True)
    client, peer = f"http://127.0.0.1:{port + 1}", f"http://127.0.0.1:{port + 2}"
    programs.start(f"{binaries}/etcd", "--data-dir", f"{folder}/etcd", "--listen-client-urls", client,
                   "--advertise-client-urls", client, "--listen-peer-urls", peer,
                   "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}", "--unsafe-no-fsync")
    programs.start(
        f"{binaries}/kube-apiserver", f"--etcd-servers={client}", "--bind-address=127.0.0.1", f"--secure-port={port}",
        f"--cert-dir={folder}/serving", f"--token-auth-file={folder}/tokens", "--authorization-mode=Node,RBAC",
        "--service-cluster-ip-range=10.96.0.0/16", "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={folder}/accounts.key", f"--client-ca-file={folder}/ca.crt",
        f"--service-account-signing-key-file={folder}/accounts.key", "--allow-privileged=true",
        "--endpoint-reconciler-type=none")
    wait_ready(f"https://127.0.0.1:{port}/readyz", token)
    controllers, scheduler = configs[1], configs[2]
    programs.start(
        f"{binaries}/kube-controller-manager", f"--kubeconfig={controllers}", "--leader-elect=false",
        f"--service-account-private-key-file={folder}/accounts.key", f"--root-ca-file={folder}/ca.crt",
        "--use-service-account-credentials=true", "--kube-api-qps=500", "--kube-api-burst=500",
        "--concurrent-deployment-syncs=5", "--bind-address=127.0.0.1", f"--secure-port={port + 3}",
        f"--cluster-signing-cert-file={folder}/ca.crt", f"--cluster-signing-key-file={folder}/ca.key")
    programs.start(f"{binaries}/kube-scheduler", f"--kubeconfig={scheduler}", "--leader-elect=false",
                   "--bind-address=127.0.0.1", f"--secure-port={port + 4}")
    return configs[0]


def kubeconfig(path, port, token):
    config = {
        "apiVersion": "v1", "kind": "Config", "current-context": "oracle",
        "clusters": [{"name": "oracle", "cluster": {
            "server": f"https://127.0.0.1:{port}", "insecure-skip-tls-verify": True}}],
        "users": [{"name": "oracle", "user": {"token": token}}],
        "contexts": [{"name": "oracle", "context": {"cluster": "oracle", "user": "oracle"}}]}
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(config, file)
    return path


def wait_ready(url, token, patience=90):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    end = time.monotonic() + patience
    while True:
        try:
            urllib.request.urlopen(request, context=context, timeout=5)
            return
        except OSError as error:
            if time.monotonic() > end:
                raise SystemExit(f"error: {url} was not ready in {patience} s: {error}") from error
            time.sleep(0.2)


def start_pinnace(folder, pinnace, port):
    """Starts a cluster of Pinnace without nodes; returns the kubeconfig and how to end it."""
    os.makedirs(folder, exist_ok=True)
    env = {**os.environ, "PINNACE_HOME": f"{folder}/home", "HOME": folder, "KUBECONFIG": f"{folder}/kubeconfig"}
    flags = ["--api-port", port, "--http-port", port + 1, "--https-port", port + 2]
    subprocess.run([pinnace, "up", "-d", "--nodes", "0", *map(str, flags)], check=True, env=env)
    return env["KUBECONFIG"], lambda: subprocess.run([pinnace, "down", "--purge"], check=True, env=env)
