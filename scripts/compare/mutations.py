"""Makes wrong objects from right ones: every place of an object, wronged in every way that fits what stands there.

To extend: write a function that yields `(name, value)` for a value it can wrong, and put it into `WAYS`. `DELETE`
takes the place away. What concerns the whole text instead of one place goes into `TEXTS`.
"""

import copy
import json

DELETE = object()
LONG = "a" * 300


def removed(_value, _path):
    yield "removed", DELETE


def of_another_type(value, _path):
    yield "null", None
    if not isinstance(value, str):
        yield "a text", "nonsense"
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        yield "a number", 7
    if not isinstance(value, bool):
        yield "a boolean", True
    if not isinstance(value, list):
        yield "a list", ["nonsense"]
    if not isinstance(value, dict):
        yield "an object", {"nonsense": "x"}


def texts(value, path):
    if not isinstance(value, str):
        return
    yield "empty", ""
    yield "not a name", "Bad_Name!"
    yield "a word", "nonsense"
    yield "an absolute path", "/a/../b"
    yield "with a slash", "example.com/a/b"
    yield "too long", LONG
    yield "negative text", "-1"
    if path[-1] in ("cpu", "memory", "storage", "sizeLimit", "divisor", "pods", "averageValue") or "hard" in path:
        for text in ("1.5.5", "1e", "100X", "-5Mi", "0", "1e400", "0.0001", "1500u", " 1", "١"):
            yield f"the quantity {text}", text
    if value.endswith("%"):
        for text in ("101%", "-1%", "5.5%", "%", "5"):
            yield f"the share {text}", text


def numbers(value, _path):
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        for number in (-1, 0, 1, 70000, 2**31, 2**63, 1.5, 1e20):
            yield str(number), number


def lists(value, _path):
    if isinstance(value, list):
        yield "an empty list", []
        yield "a null inside", [*value, None]
        if value:
            yield "the first twice", [value[0], *value]
            yield "a number inside", [*value, 7]
            yield "reversed", value[::-1]


def objects(value, _path):
    if isinstance(value, dict):
        yield "an empty object", {}
        yield "with an unknown field", {**value, "nonsense": 1}
        yield "with a second form of a field", {**value, **{key.upper(): inner for key, inner in list(value.items())[:1]}}


def maps(value, path):
    if isinstance(value, dict) and value and all(isinstance(inner, str) for inner in value.values()):
        for key in ("bad key!", "", LONG, "a/b/c", "-a", "example.com/x"):
            yield f"with the key {key[:12]!r}", {**value, key: "x"}
        first = next(iter(value))
        for text in ("bad value!", "a" * 64, "-", "a b", "é"):
            yield f"with the value {text[:12]!r}", {**value, first: text}


WAYS = [removed, of_another_type, texts, numbers, lists, objects, maps]


def places(value, path=()):
    """Every place inside a value, the whole excluded."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*path, key), one
        yield from places(one, (*path, key))


def shown(path):
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)


def wronged(value, path, new):
    result = copy.deepcopy(value)
    inside = result
    for key in path[:-1]:
        inside = inside[key]
    if new is DELETE:
        del inside[path[-1]]
    else:
        inside[path[-1]] = new
    return result


def mutations(valid, skip=()):
    """Yields `(where, what, object)` for every place and way; `skip` names places to leave alone."""
    for path, value in places(valid):
        if any(path[:len(one)] == one for one in skip):
            continue
        for way in WAYS:
            for what, new in way(value, path):
                yield shown(path), what, wronged(valid, path, new)


def twice(text, path):
    """A JSON text in which a field stands twice."""
    marker = "\0"
    found = json.loads(text)
    inside = found
    for key in path[:-1]:
        inside = inside[key]
    if not isinstance(inside, dict):
        return None
    first = json.dumps(inside[path[-1]])
    items = list(inside.items())
    inside.clear()
    for key, value in items:
        inside[key] = value
        if key == path[-1]:
            inside[key + marker] = value
    del first
    return json.dumps(found).replace("\\u0000", "")


def broken(valid):
    """Bodies that are wrong as texts: `(what, text)`."""
    text = json.dumps(valid)
    yield "cut off", text[: len(text) // 2]
    yield "empty", ""
    yield "a list", "[]"
    yield "a text", '"x"'
    yield "null", "null"
    yield "no JSON", "{nonsense"
    yield "two objects", text + text
    yield "no kind", json.dumps({key: value for key, value in valid.items() if key != "kind"})
    yield "no version", json.dumps({key: value for key, value in valid.items() if key != "apiVersion"})
    for path, _ in places(valid):
        if len(path) <= 3:
            wrong = twice(text, path)
            if wrong:
                yield f"{shown(path)} twice", wrong


TEXTS = [broken]
