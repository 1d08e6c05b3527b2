"""One side of the comparison: a cluster's API over HTTPS, and kubectl against it."""

import base64
import http.client
import json
import os
import ssl
import subprocess
import threading
import urllib.parse


class Side:
    """A cluster, reached through a kubeconfig."""

    def __init__(self, name, kubeconfig, kubectl, folder):
        self.name = name
        self.kubeconfig = kubeconfig
        self.kubectl = kubectl
        self.folder = folder
        self.local = threading.local()
        os.makedirs(folder, exist_ok=True)
        self.config = json.loads(self.run(["config", "view", "--raw", "--minify", "-o", "json"]))
        self.server = urllib.parse.urlparse(self.config["clusters"][0]["cluster"]["server"])
        user = self.config["users"][0]["user"]
        self.headers = {"Accept": "application/json"}
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE
        if "token" in user:
            self.headers["Authorization"] = f"Bearer {user['token']}"
        else:
            certificate, key = (self.keep(user, part) for part in ("client-certificate", "client-key"))
            self.tls.load_cert_chain(certificate, key)

    def keep(self, user, part):
        """The file of a certificate or key, which the kubeconfig may hold itself."""
        if part in user:
            return user[part]
        path = os.path.join(self.folder, part)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(base64.b64decode(user[f"{part}-data"]))
        return path

    def in_namespace(self, namespace):
        """A kubeconfig whose current namespace is this one, with a cache of its own."""
        config = json.loads(json.dumps(self.config))
        config["contexts"][0]["context"]["namespace"] = namespace
        path = os.path.join(self.folder, f"{namespace}.kubeconfig")
        with open(path, "w") as file:
            json.dump(config, file)
        return path

    def run(self, arguments):
        """The output of a kubectl command that must succeed."""
        command = [self.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments]
        return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout

    def shell(self, line, namespace, folder, environment=()):
        """Runs a shell line with `kubectl` in it; returns its exit code and both outputs."""
        path = os.pathsep.join([os.path.join(self.folder, "bin"), os.environ["PATH"]])
        os.makedirs(os.path.join(self.folder, "bin"), exist_ok=True)
        link = os.path.join(self.folder, "bin", "kubectl")
        if not os.path.islink(link):
            os.symlink(self.kubectl, link)
        env = {**os.environ, "PATH": path, "KUBECONFIG": self.in_namespace(namespace), "HOME": self.folder,
               "KUBECACHEDIR": os.path.join(self.folder, "cache"), "TZ": "UTC", **dict(environment)}
        try:
            done = subprocess.run(["sh", "-c", line], cwd=folder, env=env, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
            return done.returncode, done.stdout.decode(), done.stderr.decode()
        except subprocess.TimeoutExpired as late:
            text = [(part or b"").decode() for part in (late.stdout, late.stderr)]
            return "no end in 60 s", *text

    def request(self, method, path, body=None, content_type="application/json", accept=None):
        """Sends a request; returns its code and its decoded body, and warnings."""
        headers = dict(self.headers)
        if accept:
            headers["Accept"] = accept
        if body is not None:
            headers["Content-Type"] = content_type
            body = body if isinstance(body, (bytes, str)) else json.dumps(body)
            body = body.encode() if isinstance(body, str) else body
        for attempt in (1, 2):
            connection = getattr(self.local, "connection", None)
            if connection is None:
                connection = http.client.HTTPSConnection(
                    self.server.hostname, self.server.port, context=self.tls, timeout=30)
                self.local.connection = connection
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                text = answer.read()
                self.warnings = answer.headers.get_all("Warning") or []
                break
            except (OSError, http.client.HTTPException):
                connection.close()
                self.local.connection = None
                if attempt == 2:
                    raise
        try:
            return answer.status, json.loads(text)
        except ValueError:
            return answer.status, text.decode(errors="replace")

    def get(self, path):
        return self.request("GET", path)

    def kinds(self):
        """Every kind that can be listed: (group version, kind, plural, namespaced)."""
        found = []
        groups = self.get("/apis")[1]["groups"]
        versions = ["v1"] + [group["preferredVersion"]["groupVersion"] for group in groups]
        for version in versions:
            path = "/api/v1" if version == "v1" else f"/apis/{version}"
            for row in self.get(path)[1].get("resources", []):
                if "/" not in row["name"] and "list" in row["verbs"]:
                    found.append((path, row["kind"], row["name"], row["namespaced"]))
        return found
