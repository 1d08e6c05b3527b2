"""Runs a scenario on both sides and compares after every line.

A scenario is a text file; it runs in a namespace of its own, in the folder of manifests:

    $ kubectl …        a shell line: outputs and exit code must agree
    $? kubectl …       likewise, but only the exit code counts
    > settle           wait until nothing changes any more
    > snapshot         all objects of the namespace must agree (so does every line with `$`, once settled)
    > step [IMAGE]     the fake kubelet brings each pod (of this image) one step on; then as `snapshot`
    > run              `step` until no pod changes
    > get PATH         the API's answer to a GET must agree
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor

import nodes
import normal

QUIET = 1.0
PATIENCE = 30
STEPS_MAX = 25
# Kinds whose objects only say that somebody looked.
SKIPPED = {"Lease", "PodMetrics", "NodeMetrics"}


class Half:
    """One side of a running scenario."""

    def __init__(self, side, namespace, folder):
        self.side = side
        self.namespace = namespace
        self.folder = folder
        self.kubelet = nodes.Kubelet(side, namespace)
        self.names = normal.Names()
        self.kinds = [row for row in side.kinds() if row[3] and row[1] not in SKIPPED and row[0] != "/apis/events.k8s.io/v1"]
        if side.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})[0] == 409:
            self.end()
            side.request("POST", "/api/v1/namespaces", {"metadata": {"name": namespace}})
        self.settle()

    def end(self):
        """Removes the namespace; nobody but us ends its pods."""
        path = f"/api/v1/namespaces/{self.namespace}"
        self.side.request("DELETE", path, {})
        end = time.monotonic() + PATIENCE
        while self.side.get(path)[0] != 404 and time.monotonic() < end:
            self.side.request("DELETE", f"{path}/pods", {"gracePeriodSeconds": 0})
            time.sleep(0.3)

    def objects(self):
        found = []
        for path, kind, plural, _ in self.kinds:
            answer = self.side.get(f"{path}/namespaces/{self.namespace}/{plural}")[1]
            for one in answer.get("items", []):
                found.append({**one, "kind": kind})
        return found

    def settle(self):
        """Waits until two looks, `QUIET` apart, see the same."""
        end = time.monotonic() + PATIENCE
        before, since = None, time.monotonic()
        while time.monotonic() < end:
            objects = self.objects()
            seen = sorted((one["kind"], one["metadata"]["name"], one["metadata"]["resourceVersion"]) for one in objects)
            if seen != before:
                before, since = seen, time.monotonic()
            elif time.monotonic() - since > QUIET:
                break
            self.names.learn(objects)
            time.sleep(0.1)
        self.names.learn(objects)
        return objects

    def shell(self, line):
        code, out, err = self.side.shell(line, self.namespace, self.folder)
        objects = self.settle()
        return code, self.names.text(out), self.names.text(err), objects

    def snapshot(self, objects):
        """The objects as words both sides share, by kind and name; those with drawn names are numbered."""
        found = {}
        plain = [self.names.object(one) for one in objects]
        for one in sorted(plain, key=lambda one: json.dumps(rank(one), sort_keys=True)):
            key = f"{one['kind']}/{one['metadata']['name']}"
            if one["kind"] == "Event":
                key += f" {one['type']} {one['reason']}: {one['message']}"
            number = 1
            while (numbered := key if number == 1 else f"{key}#{number}") in found:
                number += 1
            found[numbered] = one
        return found


def rank(one):
    """What tells objects with drawn names apart."""
    if one["kind"] == "Event":
        return [one["involvedObject"], one["reason"], one["message"]]
    return one


class Scenario:
    """A scenario on both sides at once."""

    def __init__(self, path, ours, theirs, manifests, report):
        self.name = os.path.splitext(os.path.basename(path))[0]
        self.path = path
        self.report = report
        self.pool = ThreadPoolExecutor(2)
        namespace = f"c-{self.name}"
        self.halves = list(self.pool.map(lambda side: Half(side, namespace, manifests), (ours, theirs)))
        self.known = {}

    def both(self, act):
        return list(self.pool.map(act, self.halves))

    def run(self):
        with open(self.path) as file:
            lines = file.read().replace("\\\n", "").splitlines()
        lines.reverse()
        while lines:
            line = lines.pop().strip()
            if "<<EOF" in line:
                while True:
                    line += "\n" + lines[-1]
                    if lines.pop().strip() == "EOF":
                        break
            if line.startswith("$? "):
                self.shell(line[3:], outputs=False)
            elif line.startswith("$ "):
                self.shell(line[2:])
            elif line.startswith("> "):
                self.direct(line[2:].split())
            elif line and not line.startswith("#"):
                raise SystemExit(f"error: {self.path}: what does `{line}` mean?")
        self.both(Half.end)

    def direct(self, words):
        match words:
            case ["settle"]:
                self.both(Half.settle)
            case ["snapshot"]:
                self.compare("snapshot", self.both(Half.settle))
            case ["step", *only]:
                self.step("".join(only))
            case ["run"]:
                for _ in range(STEPS_MAX):
                    if not self.step(""):
                        return
                self.report.add(self.name, "run", "pods", f"no end in {STEPS_MAX} steps", "")
            case ["sleep", seconds]:
                time.sleep(float(seconds))
            case ["get", path]:
                answers = self.both(lambda half: half.side.get(path.replace("NAMESPACE", half.namespace)))
                texts = [half.names.text(json.dumps(answer, sort_keys=True)) for half, answer in zip(self.halves, answers)]
                self.values(f"get {path}", "answer", *map(json.loads, texts))
            case _:
                raise SystemExit(f"error: {self.path}: what does `> {' '.join(words)}` mean?")

    def step(self, only):
        changed = self.both(lambda half: half.kubelet.step(only))
        label = f"step {only}".strip()
        if changed[0] != changed[1]:
            self.report.add(self.name, label, "pods brought on", str(changed[0]), str(changed[1]))
        self.compare(label, self.both(Half.settle))
        return any(changed)

    def shell(self, line, outputs=True):
        ours, theirs = self.both(lambda half: half.shell(line))
        title = line.split("\n")[0]
        self.report.count("commands")
        if ours[0] != theirs[0]:
            self.report.add(self.name, title, "exit code", str(ours[0]), str(theirs[0]))
        if outputs or ours[0] != theirs[0]:
            for what, mine, real in (("stdout", ours[1], theirs[1]), ("stderr", ours[2], theirs[2])):
                self.lines(title, what, mine, real)
        self.compare(title, (ours[3], theirs[3]))

    def lines(self, title, what, mine, real):
        mine, real = (decoded(text) for text in (mine, real))
        if isinstance(mine, (dict, list)) and isinstance(real, (dict, list)):
            self.values(title, what, mine, real)
            return
        mine, real = (text if isinstance(text, str) else json.dumps(text) for text in (mine, real))
        mine, real = normal.output(mine), normal.output(real)
        import difflib
        for line in difflib.unified_diff(real, mine, "", "", n=0, lineterm=""):
            if line.startswith("-") and line != "--- ":
                self.report.add(self.name, title, what, normal.ABSENT, line[1:])
            elif line.startswith("+") and line != "+++ ":
                self.report.add(self.name, title, what, line[1:], normal.ABSENT)

    def values(self, title, what, mine, real):
        for path, ours, theirs in normal.differences(mine, real):
            self.report.add(self.name, title, f"{what} {path}", ours, theirs)

    def compare(self, title, objects):
        """Reports what differs between the objects, each difference once, when it first shows."""
        ours, theirs = (half.snapshot(found) for half, found in zip(self.halves, objects))
        self.report.count("snapshots")
        self.report.count("objects", len(theirs))
        seen = {}
        for key in sorted({*ours, *theirs}):
            if key not in ours or key not in theirs:
                side = "ours" if key in ours else "theirs"
                seen[key, ""] = (("there" if side == "ours" else normal.ABSENT), ("there" if side == "theirs" else normal.ABSENT))
                continue
            for path, mine, real in normal.differences(ours[key], theirs[key]):
                seen[key, path] = (mine, real)
        for (key, path), (mine, real) in seen.items():
            if self.known.get((key, path)) != (mine, real):
                self.report.add(self.name, title, f"{key} {path}".strip(), mine, real)
        self.known = seen


def decoded(text):
    try:
        return json.loads(text)
    except ValueError:
        return text
