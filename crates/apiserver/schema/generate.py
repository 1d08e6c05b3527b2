"""Writes protobuf.txt: the field numbers of the Kubernetes API's protobuf messages, one type per line.

    python3 generate.py ../../api/schema/types.txt GENERATED.PROTO... > protobuf.txt

The inputs are the `generated.proto` files of the Go modules k8s.io/api, k8s.io/apimachinery,
k8s.io/apiextensions-apiserver and k8s.io/kube-aggregator, v0.36.0 (`go mod download`). Only facts are
taken over: names and numbers.

A line: `type field=number … @type=number …`. The last form is a message whose fields stand in the JSON of
the outer object itself. Types that neither `types.txt` knows nor such a message needs are left out.
"""

import re
import sys

PREFIXES = [
    ("k8s.io.apimachinery.pkg.apis.meta.", "meta."),
    ("k8s.io.apimachinery.pkg.api.", ""),
    ("k8s.io.apimachinery.pkg.util.", ""),
    ("k8s.io.apimachinery.pkg.", ""),
    ("k8s.io.apiextensions_apiserver.pkg.apis.", ""),
    ("k8s.io.kube_aggregator.pkg.apis.", ""),
    ("k8s.io.api.", ""),
]
FIELD = re.compile(r"^\s+(?:(?:optional|repeated|required)\s+(\S+)|map<[^>]*>) (\S+) = (\d+)")


def shorten(package):
    for prefix, short in PREFIXES:
        if package.startswith(prefix):
            return short + package[len(prefix):]
    return package


def read_known(path):
    known, name = {}, None
    for line in open(path):
        if line.startswith("T "):
            name = line.split()[1]
            known[name] = {}
        elif line.startswith(" "):
            field = line.split()[0]
            known[name][plain(field)] = field
    return known


def plain(field):
    return field.replace("-", "").replace("$", "").lower()


def read_messages(paths):
    messages = {}
    for path in paths:
        name = None
        for line in open(path):
            if line.startswith("package "):
                package = shorten(line.split()[1].rstrip(";"))
            elif line.startswith("message "):
                name = f"{package}.{line.split()[1]}"
                messages[name] = []
            elif line.startswith("}"):
                name = None
            elif name and (found := FIELD.match(line)):
                kind = found[1] or ""
                full = shorten(kind[1:]) if kind.startswith(".") else f"{package}.{kind}"
                messages[name].append((full, found[2], found[3]))
    return messages


def main():
    known = read_known(sys.argv[1])
    messages = read_messages(sys.argv[2:])
    lines = {}
    todo = [name for name in messages if name in known]
    while todo:
        name = todo.pop()
        names = known.get(name)
        parts = [name]
        for kind, field, number in messages[name]:
            if names is None or not names:
                parts.append(f"{field}={number}")
            elif plain(field) in names:
                parts.append(f"{names[plain(field)]}={number}")
            else:
                parts.append(f"@{kind}={number}")
                if kind not in lines and kind not in todo:
                    todo.append(kind)
        lines[name] = " ".join(parts)
    print("# Field numbers of the Kubernetes API v1.36's protobuf messages; written by generate.py, see there.")
    print("\n".join(lines[name] for name in sorted(lines) if " " in lines[name]))


main()
