"""Takes out of texts and objects what two clusters can't have in common: ids, times, drawn names and addresses."""

import json
import re

TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?( ?(Z|[+-]\d{4}( UTC)?|[+-]\d\d:\d\d))?")
LONG_TIME = re.compile(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
AGE = re.compile(r"(?<![\w.:/=-])(?:\d+d)?(?:\d+h)?(?:\d+m)?\d+(?:\.\d+)?m?s(?![\w.-])|<invalid>|(?<![\w.:/=-])\d+m(?=\s|$)")
SERVICE_IP = re.compile(r"\b10\.96\.\d+\.\d+\b")
POD_IP = re.compile(r"\b10\.244\.\d+\.\d+\b")
SERVER = re.compile(r"https://127\.0\.0\.1:\d+")
NODE_PORT = re.compile(r"\b(3[0-2]\d{3})\b")
ACCESS_VOLUME = re.compile(r"kube-api-access-[a-z0-9]{5}")
SCRATCH = re.compile(r"/tmp/(LIVE|MERGED)-\d+|[WIE]\d{4} TIME\S* +\d+ |[WIE]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ ")
REVISION = re.compile(r'(resourceVersion["\\]*: ?["\\]*|resource version: )\d+')
JWT = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+")
DRAWN = "[bcdfghjklmnpqrstvwxz2456789]"
HASH_LABELS = ("pod-template-hash", "controller-revision-hash")
ENCODED = re.compile(r"[A-Za-z0-9+/]{200,}={0,2}|-----BEGIN[^-]*-----.*?-----END[^-]*-----", re.S)


class Names:
    """What one side calls things in one namespace: drawn names become words that both sides share."""

    def __init__(self):
        self.hashes = {}
        self.drawn = {}

    def learn(self, objects):
        """Takes in the objects of the namespace; call it after every step, the order of appearance counts."""
        ordered = sorted(objects, key=lambda one: (one["metadata"].get("creationTimestamp") or "", revision(one), one["kind"]))
        for one in ordered:
            labels = one["metadata"].get("labels") or {}
            for label in HASH_LABELS:
                if labels.get(label):
                    self.hashes.setdefault(bare(labels[label]), f"H{len(self.hashes) + 1}")
            if one["kind"] == "ControllerRevision":
                text = one["metadata"]["name"].rsplit("-", 1)[-1]
                self.hashes.setdefault(text, f"H{len(self.hashes) + 1}")
            base = one["metadata"].get("generateName")
            name = one["metadata"]["name"]
            if base and name.startswith(base) and re.search(f"{DRAWN}{{5}}$", name) or one["kind"] in ("EndpointSlice",):
                self.drawn[name] = name[:-5] + "xxxxx"
            elif one["kind"] in ("Pod",) and re.search(f"-{DRAWN}{{5}}$", name):
                self.drawn[name] = name[:-5] + "xxxxx"
            elif one["kind"] == "Event" and one["involvedObject"].get("kind") == "Pod":
                name = one["involvedObject"]["name"]
                if re.search(f"-{DRAWN}{{5}}$", name):
                    self.drawn[name] = name[:-5] + "xxxxx"
            elif one["kind"] == "Job" and re.search(r"-\d{8}$", name):
                self.drawn[name] = name[:-8] + "SCHEDULE"

    def text(self, text):
        for name, word in sorted(self.drawn.items(), key=lambda one: -len(one[0])):
            text = text.replace(name, word)
        for found, word in self.hashes.items():
            text = re.sub(rf"(?<![\w]){found}(?!\w)", word, text)
        # a hash that was gone before anybody saw it, and pods likewise
        text = re.sub(rf"\b(H\d+)-{DRAWN}{{5}}\b", r"\1-xxxxx", text)
        for pattern, word in ((TIME, "TIME"), (LONG_TIME, "TIME"), (UID, "UID"), (JWT, "TOKEN"), (SERVICE_IP, "SERVICE-IP"),
                              (POD_IP, "POD-IP"), (SERVER, "SERVER"), (NODE_PORT, "NODE-PORT"), (AGE, "AGE"),
                              (ENCODED, "DATA"), (ACCESS_VOLUME, "kube-api-access-xxxxx"), (SCRATCH, "SCRATCH ")):
            text = pattern.sub(word, text)
        return REVISION.sub(r"\1N", text)

    def object(self, one):
        one = json.loads(json.dumps(one))
        metadata = one.get("metadata") or {}
        for field in ("resourceVersion", "uid", "creationTimestamp"):
            metadata.pop(field, None)
        if "managedFields" in metadata:
            metadata["managedFields"] = {
                "/".join(filter(None, (entry["manager"], entry["operation"], entry.get("subresource"), entry.get("apiVersion")))): entry.get("fieldsV1")
                for entry in metadata["managedFields"]}
        if one.get("kind") == "Event":
            metadata["name"] = metadata["name"].split(".")[0]
            for part in ("involvedObject", "related", "regarding"):
                (one.get(part) or {}).pop("resourceVersion", None)
        for part in (one.get("subjects") or []):
            part.pop("uid", None)
        (one.get("status") or {}).pop("containerID", None)
        for reference in metadata.get("ownerReferences") or []:
            reference.pop("uid", None)
        return self.value(one)

    def value(self, one, key=""):
        if isinstance(one, dict):
            return {self.text(key): self.value(inner, key) for key, inner in one.items()}
        if isinstance(one, list):
            return [self.value(inner, key) for inner in one]
        if isinstance(one, str):
            return self.text(one)
        return "NODE-PORT" if key in ("nodePort", "healthCheckNodePort") and one else one


def revision(one):
    text = (one["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", "")
    return int(text) if text.isdigit() else one.get("revision", 0)


def bare(label):
    return label.rsplit("-", 1)[-1]


def output(text):
    """The lines of a command's output; columns take the width that the text needs, and rows follow drawn names."""
    lines = [re.sub(r"[ \t]{2,}", "  ", line.rstrip()) for line in text.splitlines()]
    if lines and lines[0].startswith(("NAME ", "NAMESPACE ", "LAST SEEN")):
        lines = [lines[0], *sorted(lines[1:])]
    return lines


def flat(value, path=""):
    """Every leaf of an object with its path."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}")
    elif isinstance(value, list) and value:
        for number, inner in enumerate(value):
            yield from flat(inner, f"{path}[{number}]")
    else:
        yield path, value


def differences(ours, theirs):
    """The leaves that differ: (path, ours, theirs)."""
    ours, theirs = dict(flat(ours)), dict(flat(theirs))
    for path in sorted({*ours, *theirs}):
        mine, real = ours.get(path, ABSENT), theirs.get(path, ABSENT)
        if mine != real:
            yield path, mine, real


ABSENT = "(absent)"
