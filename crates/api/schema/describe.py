"""Writes descriptions.z: what Kubernetes says of its types and fields, for `kubectl explain`.

    kubectl get --raw /openapi/v2 > openapi.json      # of a kube-apiserver of the version in types.txt
    python3 describe.py openapi.json > descriptions.z

The texts are Kubernetes' own API documentation (Apache License 2.0, The Kubernetes Authors), taken over unchanged;
see docs/adr/0008. The file is a zlib stream of lines: first each text once, line breaks as `\\n`; then an empty line;
then `T type number` for each type and ` field number` for each of its fields, the numbers counting texts from 0.
"""

import json
import sys
import zlib

from generate import short


def main():
    definitions = json.load(open(sys.argv[1]))["definitions"]
    known = {line.split()[1] for line in open(sys.path[0] + "/types.txt") if line.startswith("T ")}
    texts, lines = {}, []

    def number(text):
        return texts.setdefault(text.replace("\\", "\\\\").replace("\n", "\\n"), len(texts))

    for name, definition in sorted(definitions.items(), key=lambda item: short(item[0])):
        if short(name) not in known:
            continue
        lines.append(f"T {short(name)} {number(definition.get('description', ''))}")
        for field, schema in sorted(definition.get("properties", {}).items()):
            if schema.get("description"):
                lines.append(f" {field} {number(schema['description'])}")
    text = "\n".join([*texts, "", *lines, ""])
    sys.stdout.buffer.write(zlib.compress(text.encode(), 9))


main()
