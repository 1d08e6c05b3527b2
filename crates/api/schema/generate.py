"""Writes types.txt: facts about the types of the Kubernetes API, one line per type and field.

    python3 generate.py _definitions.json gofacts.json > types.txt

The first input is `kubernetes_validate/kubernetes-json-schema/v1.36.0-local/_definitions.json` from
the wheel `kubernetes-validate` (`pip download --no-deps kubernetes-validate`); the second is what
gofacts.go prints. Only facts are taken over (names, types, keys), never sentences.

A type:   `T name [atomic] [=special] [group/version/Kind …]`
A field:  ` name type [!] [k|0|n] [m=mergeKey] [p=strategy] [l=listType] [x=mapKeys] [a] [d=default] [g=goType]`
  type    s text, y bytes, i int32, l int64, b boolean, f number, o any object, @name another type, [t list, {t map
  !       required
  k 0 n   written always, left out when zero, written as null; otherwise left out when absent
  a       a map or object replaced as a whole
"""

import json
import sys

PREFIXES = [
    ("io.k8s.apimachinery.pkg.apis.meta.", "meta."),
    ("io.k8s.apimachinery.pkg.api.", ""),
    ("io.k8s.apimachinery.pkg.util.", ""),
    ("io.k8s.apimachinery.pkg.", ""),
    ("io.k8s.apiextensions-apiserver.pkg.apis.", ""),
    ("io.k8s.kube-aggregator.pkg.apis.", ""),
    ("io.k8s.api.", ""),
]
SPECIAL = {
    "resource.Quantity": "quantity",
    "intstr.IntOrString": "intOrString",
    "meta.v1.Time": "time",
    "meta.v1.MicroTime": "microTime",
    "meta.v1.FieldsV1": "any",
    "runtime.RawExtension": "any",
    "apiextensions.v1.JSON": "any",
    "apiextensions.v1.JSONSchemaPropsOrArray": "any",
    "apiextensions.v1.JSONSchemaPropsOrBool": "any",
    "apiextensions.v1.JSONSchemaPropsOrStringArray": "any",
}
EMPTINESS = {"keep": "k", "zero": "0", "null": "n", "nil": ""}
SCALARS = {"string": "s", "integer": "i", "boolean": "b", "number": "f", "object": "o"}
GO = {"s": "string", "i": "int32", "l": "int64", "b": "bool", "f": "float64", "y": "[]uint8"}
# List keys whose absence means a value.
DEFAULTS = {("core.v1.ContainerPort", "protocol"): "TCP", ("core.v1.ServicePort", "protocol"): "TCP"}
# The special types write null when they are unset unless Go leaves them out.


# The types of metrics.k8s.io, which an extension of the API serves and the inputs don't describe.
METRICS = """\
T metrics.v1beta1.ContainerMetrics
 name s ! k
 usage {@resource.Quantity ! k
T metrics.v1beta1.NodeMetrics metrics.k8s.io/v1beta1/NodeMetrics
 apiVersion s 0
 kind s 0
 metadata @meta.v1.ObjectMeta k
 timestamp @meta.v1.Time ! k
 usage {@resource.Quantity ! k
 window s ! k
T metrics.v1beta1.NodeMetricsList metrics.k8s.io/v1beta1/NodeMetricsList
 apiVersion s 0
 items [@metrics.v1beta1.NodeMetrics ! k
 kind s 0
 metadata @meta.v1.ListMeta k
T metrics.v1beta1.PodMetrics metrics.k8s.io/v1beta1/PodMetrics
 apiVersion s 0
 containers [@metrics.v1beta1.ContainerMetrics ! k
 kind s 0
 metadata @meta.v1.ObjectMeta k
 timestamp @meta.v1.Time ! k
 window s ! k
T metrics.v1beta1.PodMetricsList metrics.k8s.io/v1beta1/PodMetricsList
 apiVersion s 0
 items [@metrics.v1beta1.PodMetrics ! k
 kind s 0
 metadata @meta.v1.ListMeta k
"""


def short(name):
    for long, brief in PREFIXES:
        if name.startswith(long):
            return brief + name[len(long):]
    return name


def shape(schema):
    if "$ref" in schema:
        return "@" + short(schema["$ref"].rsplit("/", 1)[-1])
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next(one for one in kind if one != "null")
    if kind == "array":
        return "[" + shape(schema["items"])
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return "{" + shape(schema["additionalProperties"])
    if kind == "integer" and schema.get("format") == "int64":
        return "l"
    if kind == "string" and schema.get("format") == "byte":
        return "y"
    return SCALARS[kind]


def go_type(code):
    if code[0] == "[":
        return "[]" + go_type(code[1:])
    if code[0] == "{":
        return "map[string]" + go_type(code[1:])
    if code[0] == "@":
        return ".".join(code[1:].split(".")[-2:])
    return GO.get(code, "")


def field_line(owner, name, schema, required, go):
    code = shape(schema)
    words = [name, code]
    if name in required:
        words.append("!")
    goname, emptiness = go.get(name, ("", "nil"))
    if EMPTINESS[emptiness]:
        words.append(EMPTINESS[emptiness])
    for key, letter in (("patch-merge-key", "m"), ("patch-strategy", "p"), ("list-type", "l")):
        if schema.get("x-kubernetes-" + key):
            words.append(letter + "=" + schema["x-kubernetes-" + key])
    if schema.get("x-kubernetes-list-map-keys"):
        words.append("x=" + ",".join(schema["x-kubernetes-list-map-keys"]))
    if schema.get("x-kubernetes-map-type") == "atomic":
        words.append("a")
    if (owner, name) in DEFAULTS:
        words.append("d=" + DEFAULTS[(owner, name)])
    if goname and goname != go_type(code):
        words.append("g=" + goname)
    return " " + " ".join(words)


def wanted(name):
    versions = [part for part in name.split(".") if part[:1] == "v" and part[1:2].isdigit()]
    return not any("alpha" in v or "beta" in v for v in versions) and not name.startswith("io.k8s.api.resource.")


def main():
    definitions = json.load(open(sys.argv[1]))["$defs"]
    facts = json.load(open(sys.argv[2]))
    print("# Facts about the types of the Kubernetes API v1.36; written by generate.py, see there.")
    extra = METRICS
    for name, definition in sorted(definitions.items(), key=lambda item: short(item[0])):
        if not wanted(name):
            continue
        brief = short(name)
        if extra and brief > "metrics.":
            print(extra, end="")
            extra = ""
        words = ["T", brief]
        if definition.get("x-kubernetes-map-type") == "atomic":
            words.append("atomic")
        if brief in SPECIAL:
            words.append("=" + SPECIAL[brief])
        gvks = definition.get("x-kubernetes-group-version-kind", [])
        gvks = [f"{g['group']}/{g['version']}/{g['kind']}" for g in gvks]
        words += [gvk for gvk in gvks if len(gvks) == 1 or gvk.startswith("/")]
        print(" ".join(words))
        go = facts.get(name, {})
        for field, schema in sorted(definition.get("properties", {}).items()):
            print(field_line(brief, field, schema, definition.get("required", []), go))


if __name__ == "__main__":
    main()
