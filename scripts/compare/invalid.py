"""Sends wrong objects to both and compares code, reason, message and causes; of those accepted, the result."""

import glob
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import mutations
import normal

HERE = os.path.dirname(os.path.abspath(__file__))
NAMESPACE = "c-invalid"
# A replaced object keeps what the server says of it.
FIXED = [("kind",), ("apiVersion",), ("status",), ("metadata", "managedFields"), ("metadata", "uid"),
         ("metadata", "creationTimestamp"), ("metadata", "generation"), ("metadata", "annotations", "kubectl.kubernetes.io/last-applied-configuration")]
SEEDS_OF_A_KIND = 4


def seeds(side):
    """The objects of the manifests as JSON, at most a few of each kind."""
    found = {}
    for path in sorted(glob.glob(os.path.join(HERE, "manifests", "*.yaml"))):
        command = [side.kubectl, f"--kubeconfig={side.kubeconfig}", "create", "--dry-run=client", "--validate=false", "-o", "json", "-f", path]
        text = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        while text.strip():
            one, end = json.JSONDecoder().raw_decode(text.lstrip())
            text = text.lstrip()[end:]
            for item in one.get("items", [one]):
                if "namespace" in item["metadata"]:
                    item["metadata"]["namespace"] = NAMESPACE
                found.setdefault((item["apiVersion"], item["kind"]), []).append(item)
    return [one for many in found.values() for one in sorted(many, key=lambda one: -len(json.dumps(one)))[:SEEDS_OF_A_KIND]]


class Pair:
    """Both sides, asked the same."""

    def __init__(self, ours, theirs, report):
        self.sides = [ours, theirs]
        self.report = report
        self.pool = ThreadPoolExecutor(2)
        self.rows = {(path.removeprefix("/apis/").removeprefix("/api/"), kind): (path, plural, namespaced)
                     for path, kind, plural, namespaced in theirs.kinds()}
        if ("v2" in str(self.rows)):
            self.rows["autoscaling/v1", "HorizontalPodAutoscaler"] = ("/apis/autoscaling/v1", "horizontalpodautoscalers", True)
        self.seen = set()

    def ask(self, method, path, body, content_type="application/json"):
        answers = list(self.pool.map(lambda side: side.request(method, path, body, content_type), self.sides))
        return [without_drawn_name(body, answer) for answer in answers] if method == "POST" else answers

    def path(self, one, name=""):
        path, plural, namespaced = self.rows[one["apiVersion"], one["kind"]]
        inside = f"/namespaces/{NAMESPACE}" if namespaced else ""
        return f"{path}{inside}/{plural}" + (f"/{name}" if name else "")

    def compare(self, title, where, what, answers):
        self.report.count("wrong objects")
        (code, mine), (real_code, real) = answers
        if code < 400 and real_code < 400:
            self.results(title, where, what, accepted(mine), accepted(real))
            return
        told, causes = refused(code, mine)
        real_told, real_causes = refused(real_code, real)
        if told != real_told:
            self.add(title, where, what, "verdict", "; ".join([told, *causes]), "; ".join([real_told, *real_causes]))
        else:
            # upstream judges a few parts twice: how often a cause is told is not compared, nor is the order
            for cause in sorted({*causes} ^ {*real_causes}):
                sides = (cause, normal.ABSENT) if cause in causes else (normal.ABSENT, cause)
                self.add(title, where, what, "cause", *sides)

    def results(self, title, where, what, mine, real):
        for path, ours, theirs in normal.differences(mine, real):
            # the same difference shows in every object of the kind: once is enough
            key = (title.split()[-1], pattern(path), str(ours), str(theirs))
            if key not in self.seen:
                self.seen.add(key)
                self.add(title, where, what, f"result {path}", ours, theirs)

    def add(self, title, where, what, kind, ours, theirs):
        self.report.add("invalid", f"{title} {where} {what}", kind, ours, theirs)


def without_drawn_name(body, answer):
    """An answer in which the name that the server drew is the same on both sides."""
    code, said = answer
    metadata = (body if isinstance(body, dict) else {}).get("metadata")
    if not isinstance(metadata, dict) or metadata.get("name") or not isinstance(said, dict):
        return answer
    drawn = (said.get("details") or {}).get("name") or (said.get("metadata") or {}).get("name")
    return (code, json.loads(json.dumps(said).replace(json.dumps(drawn)[1:-1], "DRAWN"))) if drawn else answer


def accepted(answer):
    return normal.Names().object(answer) if isinstance(answer, dict) else answer


def refused(code, answer):
    """What is said in all, and the causes when there are some: they say the rest of it."""
    if code < 400:
        return f"{code} accepted", []
    if not isinstance(answer, dict):
        return f"{code} {answer!r}", []
    names = normal.Names()
    causes = [names.text(f"{cause.get('reason')} {cause.get('field')}: {cause.get('message')}")
              for cause in (answer.get("details") or {}).get("causes") or []]
    message = answer.get("message", "")
    if causes and answer.get("reason") == "Invalid":
        message = message.split(" is invalid: ")[0]
    return names.text(f"{code} {answer.get('reason')} {message}"), [plain(cause) for cause in causes]


def plain(cause):
    """A cause without what only Go has: its structs, and the difference of two of them."""
    cause = re.sub(r"(resources.requests and volumeAttributesClassName for bound claims).*", r"\1", cause, flags=re.S)
    cause = re.sub(r"(persistentvolumesource is immutable after creation).*", r"\1", cause, flags=re.S)
    cause = re.sub(r"(allow it to be set to 1 if it was previously negative\)).*", r"\1", cause, flags=re.S)
    return re.sub(r"value: \{.*\}", "value: {…}", cause, flags=re.S)


def pattern(where):
    return re.sub(r"\[\d+\]", "[]", where)


def run(ours, theirs, report):
    pair = Pair(ours, theirs, report)
    path = f"/api/v1/namespaces/{NAMESPACE}"
    pair.ask("DELETE", path, {})
    for side in pair.sides:
        while side.get(path)[0] != 404:
            side.request("DELETE", f"{path}/pods", {"gracePeriodSeconds": 0})
    pair.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for side in pair.sides:
        while side.get(f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/default")[0] != 200:
            pass
    valid = seeds(theirs)
    for one in valid:
        create(pair, one)
    for one in valid:
        update(pair, one)
    pair.ask("DELETE", f"/api/v1/namespaces/{NAMESPACE}", {})


def create(pair, one):
    url = pair.path(one) + "?dryRun=All&fieldValidation=Strict&fieldManager=compare"
    title = f"create {one['kind']}"
    pair.compare(title, one["metadata"].get("name", ""), "as it is", pair.ask("POST", url, one))
    for where, what, wrong in mutations.mutations(one):
        key = (title, one["apiVersion"], pattern(where), what)
        if key not in pair.seen:
            pair.seen.add(key)
            pair.compare(title, where, what, pair.ask("POST", url, wrong))
    for make in mutations.TEXTS:
        for what, text in make(one):
            key = (title, one["apiVersion"], what)
            if key not in pair.seen:
                pair.seen.add(key)
                pair.compare(title, "", what, pair.ask("POST", url, text))


def update(pair, one):
    name = one["metadata"].get("name")
    title = f"update {one['kind']}"
    if not name or one["kind"] in ("Node", "Namespace"):
        return
    if one["kind"] == "Pod":
        # nobody may write to it meanwhile
        one = json.loads(json.dumps(one))
        one["spec"]["schedulerName"] = "nobody"
    made = pair.ask("POST", pair.path(one) + "?fieldManager=compare", one)
    if any(code >= 400 for code, _ in made):
        if made[0][0] != made[1][0]:
            pair.compare(title, name, "as it is", made)
        return
    url = pair.path(one, name) + "?dryRun=All&fieldValidation=Strict&fieldManager=compare"
    live = [answer for _, answer in made]
    ways = [list(mutations.mutations(strip(answer), FIXED)) for answer in live]
    same = {(where, what): wrong for where, what, wrong in ways[1]}
    for where, what, wrong in ways[0]:
        key = (title, one["apiVersion"], pattern(where), what)
        if key in pair.seen or (where, what) not in same:
            continue
        pair.seen.add(key)
        bodies = [wrong, same[where, what]]
        answers = list(pair.pool.map(lambda at: pair.sides[at].request("PUT", url, bodies[at]), (0, 1)))
        pair.compare(title, where, what, answers)
    pair.ask("DELETE", pair.path(one, name), {"gracePeriodSeconds": 0})


def strip(answer):
    # the order of keys decides which mutations are made
    answer = json.loads(json.dumps(answer, sort_keys=True))
    answer["metadata"].pop("resourceVersion", None)
    answer["metadata"].pop("managedFields", None)
    return answer
