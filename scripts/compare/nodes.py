"""A node that nobody drives: its object, its lease, and a kubelet that only writes statuses, when it is told to.

What a container "does" is in its image's name: `…fake…` can't be pulled, `…slow…` runs but isn't ready,
`…done…` ends with 0, `…fail…` ends with 1, all others run and are ready.
"""

import datetime
import threading

NODE = "node-1"


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def conditions():
    good = {"lastHeartbeatTime": now(), "lastTransitionTime": now()}
    found = [{"type": kind, "status": "False", "reason": f"KubeletHas{why}", "message": "", **good}
             for kind, why in (("MemoryPressure", "SufficientMemory"), ("DiskPressure", "NoDiskPressure"),
                               ("PIDPressure", "SufficientPID"))]
    return found + [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "", **good}]


def add_node(side, name=NODE, cpu="8", memory="16Gi", labels=None):
    """Creates a ready node and keeps its lease renewed; returns the event that ends this."""
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", **(labels or {})}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
    side.request("POST", "/api/v1/nodes", node)
    room = {"cpu": cpu, "memory": memory, "pods": "110", "ephemeral-storage": "100Gi"}
    status = {"capacity": room, "allocatable": room, "conditions": conditions(),
              "addresses": [{"type": "InternalIP", "address": "192.0.2.1"}, {"type": "Hostname", "address": name}],
              "nodeInfo": {"kubeletVersion": "v1.36.3", "osImage": "none", "kernelVersion": "none",
                           "containerRuntimeVersion": "none://0", "architecture": "amd64", "operatingSystem": "linux",
                           "bootID": "", "machineID": "", "systemUUID": "", "kubeProxyVersion": ""}}
    path = f"/api/v1/nodes/{name}/status"
    side.request("PATCH", path, {"status": status}, "application/strategic-merge-patch+json")
    ended = threading.Event()

    def heartbeat():
        while not ended.wait(8):
            side.request("PATCH", path, {"status": {"conditions": conditions()}}, "application/strategic-merge-patch+json")
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}, "spec": {
                "holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now().replace("Z", ".000000Z")}}
            side.request("PATCH", f"/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/{name}"
                         "?fieldManager=kubelet&force=true", lease, "application/apply-patch+yaml")

    threading.Thread(target=heartbeat, daemon=True).start()
    return ended


class Kubelet:
    """Writes what a kubelet would write of the pods of a namespace, one step at a time."""

    def __init__(self, side, namespace):
        self.side = side
        self.namespace = namespace
        self.addresses = 0

    def step(self, only=""):
        """Brings each pod one step on; returns how many changed."""
        path = f"/api/v1/namespaces/{self.namespace}/pods"
        pods = self.side.get(path)[1]["items"]
        changed = 0
        for pod in sorted(pods, key=lambda one: (one["metadata"]["creationTimestamp"], one["metadata"]["name"])):
            if only and only not in pod["metadata"]["name"] and only not in str(pod["spec"]["containers"][0]["image"]):
                continue
            if not pod["spec"].get("nodeName"):
                continue
            changed += self.advance(f"{path}/{pod['metadata']['name']}", pod)
        return changed

    def advance(self, path, pod):
        if pod["metadata"].get("deletionTimestamp"):
            options = {"gracePeriodSeconds": 0, "preconditions": {"uid": pod["metadata"]["uid"]}}
            self.side.request("DELETE", path, options)
            return True
        if pod["status"].get("startTime"):
            return False
        self.addresses += 1
        status = self.status(pod, f"10.244.0.{self.addresses}")
        self.side.request("PATCH", f"{path}/status?fieldManager=kubelet", {"status": status},
                          "application/strategic-merge-patch+json")
        return True

    def status(self, pod, address):
        containers = pod["spec"]["containers"]
        states = [state(container["image"]) for container in containers]
        ready = all(one["ready"] for one in states)
        phase = "Running"
        if all("terminated" in one["state"] for one in states):
            failed = any(one["state"]["terminated"]["exitCode"] for one in states)
            phase = "Failed" if failed else "Succeeded"
        elif any("waiting" in one["state"] for one in states):
            phase = "Pending"
        found = [condition("Initialized", True), condition("PodReadyToStartContainers", True)]
        for kind in ("Ready", "ContainersReady"):
            why = None if ready else "PodCompleted" if phase == "Succeeded" else "ContainersNotReady"
            found.append(condition(kind, ready, why))
        statuses = [{"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, **one}
                    for container, one in zip(containers, states)]
        return {"phase": phase, "conditions": found, "containerStatuses": statuses, "startTime": now(),
                "podIP": address, "podIPs": [{"ip": address}], "hostIP": "192.0.2.1", "hostIPs": [{"ip": "192.0.2.1"}]}


def condition(kind, holds, reason=None):
    found = {"type": kind, "status": "True" if holds else "False", "lastTransitionTime": now(), "lastProbeTime": None}
    return {**found, "reason": reason} if reason else found


def state(image):
    if "fake" in image:
        return {"state": {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}},
                "ready": False, "started": False}
    if "done" in image or "fail" in image:
        code = 1 if "fail" in image else 0
        end = {"exitCode": code, "reason": "Error" if code else "Completed", "startedAt": now(), "finishedAt": now()}
        return {"state": {"terminated": end}, "ready": False, "started": False}
    return {"state": {"running": {"startedAt": now()}}, "ready": "slow" not in image, "started": True}
