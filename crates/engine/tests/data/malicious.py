"""Makes a corpus of hostile files, in the style of what scanners of pickles are tested with.

    python3 malicious.py FOLDER

Each would, if Python loaded it, leave a file named `pinnace-was-here` behind, or reach further. Nothing here is loaded.
"""

import io
import json
import os
import pickle
import struct
import sys
import zipfile
import zlib

HARM = "touch pinnace-was-here"


def short(text):
    text = text.encode()
    return b"\x8c" + bytes([len(text)]) + text


def call(module, name, *arguments):
    """`module.name(*arguments)` as protocol 4 has it."""
    return short(module) + short(name) + b"\x93(" + b"".join(arguments) + b"tR"


def pickled(body):
    return b"\x80\x04" + body + b"."


TEXT = short(HARM)
CODE = short("open('pinnace-was-here', 'w')")

CALLS = {
    "os_system": ("os", "system", TEXT), "posix_system": ("posix", "system", TEXT), "nt_system": ("nt", "system", TEXT),
    "popen": ("subprocess", "Popen", b"]" + short("touch") + b"a" + short("pinnace-was-here") + b"a"),
    "check_output": ("subprocess", "check_output", TEXT), "eval": ("builtins", "eval", CODE), "exec": ("builtins", "exec", CODE),
    "python2_eval": ("__builtin__", "eval", CODE), "compile": ("builtins", "compile", CODE, short("f"), short("exec")),
    "import": ("builtins", "__import__", short("antigravity")), "import_module": ("importlib", "import_module", short("antigravity")),
    "run_path": ("runpy", "run_path", short("/tmp/x.py")), "run_module": ("runpy", "_run_code", CODE, b"}"),
    "open": ("io", "open", short("pinnace-was-here"), short("w")), "remove": ("shutil", "rmtree", short("pinnace-was-here")),
    "spawn": ("pty", "spawn", short("sh")), "socket": ("socket", "create_connection", short("127.0.0.1") + b"K\x09\x86"),
    "browser": ("webbrowser", "open", short("http://127.0.0.1/")), "library": ("ctypes", "CDLL", short("libc.so.6")),
    "timeit": ("timeit", "timeit", CODE), "cprofile": ("cProfile", "run", CODE), "doctest": ("doctest", "debug_script", CODE),
    "code": ("code", "InteractiveInterpreter"), "pip": ("pip", "main", b"]" + short("install") + b"a"),
    "runstring": ("numpy.testing._private.utils", "runstring", CODE, b"}"), "torch": ("torch.storage", "_load_from_bytes", b"C\x01x"),
    "loads": ("pickle", "loads", b"C" + bytes([len(TEXT) + 12]) + b"cos\nsystem\n" + TEXT + b"."), "joblib": ("joblib", "load", short("http://127.0.0.1/m")),
    "codecs": ("_codecs", "decode", CODE, short("rot13")), "getattr": ("builtins", "getattr", short("os"), short("system")),
    "methodcaller": ("operator", "methodcaller", short("system"), TEXT), "attrgetter": ("operator", "attrgetter", short("system.__globals__")),
    "partial": ("functools", "partial", short("os") + short("system") + b"\x93", TEXT), "map": ("builtins", "map", short("os") + short("system") + b"\x93", b"]" + TEXT + b"a"),
    "types": ("types", "CodeType", b"K\x00"), "lambda": ("types", "FunctionType", b"}"), "marshal": ("marshal", "loads", b"C\x01c"),
    "signal": ("os", "kill", b"K\x01", b"K\x09"), "exit": ("os", "_exit", b"K\x01"), "fork": ("os", "fork"),
    "dotted": ("os", "path.sep.join.__self__.__class__", b"K\x01"), "module_of_newlines": ("os\nsystem", "x\n\x1b[31m", TEXT),
    "cloudpickle": ("cloudpickle.cloudpickle", "_fill_function", TEXT), "dill": ("dill._dill", "_create_function", TEXT),
    "hidden_sklearn": ("sklearn.utils._joblib", "os.system", TEXT), "lookalike": ("sklearn.linear_model._logistic.", "LogisticRegressiоn", TEXT),
}


def estimator(module, name, **state):
    pairs = b"".join(short(key) + value for key, value in state.items())
    return short(module) + short(name) + b"\x93)\x81}(" + pairs + b"ub"


def files():
    for name, (module, function, *arguments) in CALLS.items():
        yield f"{name}.pkl", pickled(call(module, function, *arguments))
    system = call("os", "system", TEXT)
    yield "protocol_0.pkl", b"cos\nsystem\n(S'" + HARM.encode() + b"'\ntR."
    yield "inst.pkl", b"(S'" + HARM.encode() + b"'\nios\nsystem\n."
    yield "obj.pkl", b"(cos\nsystem\nS'" + HARM.encode() + b"'\no."
    yield "newobj_ex.pkl", pickled(short("os") + short("system") + b"\x93(" + TEXT + b"t}\x92")
    yield "build.pkl", pickled(short("os") + short("system") + b"\x93)\x81}" + short("__setstate__") + system + b"sb")
    yield "twice_built.pkl", pickled(short("os") + short("system") + b"\x93)\x81}b" + system + b"b")
    yield "computed_name.pkl", pickled(call("builtins", "str", short("os")) + short("system") + b"\x93(" + TEXT + b"tR")
    yield "thrown_away.pkl", pickled(system + b"0" + estimator("sklearn.linear_model._base", "LinearRegression"))
    yield "in_memo.pkl", pickled(system + b"\x940N")
    yield "in_list.pkl", pickled(b"]" + system + b"a")
    yield "key.pkl", pickled(b"}" + system + b"K\x01s")
    yield "extension.pkl", b"\x80\x02\x82\x01."
    yield "persistent.pkl", b"\x80\x02P" + HARM.encode() + b"\n."
    yield "buffer.pkl", b"\x80\x05\x97."
    yield "nested.pkl", pickled(b"\x8e" + struct.pack("<Q", len(pickled(system))) + pickled(system))
    yield "compressed.joblib", zlib.compress(pickled(system))
    version = {"_sklearn_version": short("1.6.1")}
    yield "in_coef.pkl", pickled(estimator("sklearn.linear_model._base", "LinearRegression", **version, coef_=system, intercept_=b"K\x00", n_features_in_=b"K\x01", fit_intercept=b"\x88", positive=b"\x89", copy_X=b"\x88", n_jobs=b"N"))
    steps = b"]" + short("a") + system + b"\x86a" + short("b") + estimator("sklearn.linear_model._base", "LinearRegression", **version) + b"\x86a"
    yield "in_steps.pkl", pickled(estimator("sklearn.pipeline", "Pipeline", **version, steps=steps, memory=b"N", verbose=b"\x89"))
    yield "in_search.pkl", pickled(estimator("sklearn.model_selection._search", "GridSearchCV", **version, best_estimator_=system))
    function = estimator("sklearn.preprocessing._function_transformer", "FunctionTransformer", **version, func=short("os") + short("system") + b"\x93", n_features_in_=b"K\x01")
    yield "function.pkl", pickled(function)
    tokenizer = estimator("sklearn.feature_extraction.text", "TfidfVectorizer", **version, input=short("content"), tokenizer=short("os") + short("system") + b"\x93", preprocessor=b"N", dtype=short("numpy") + short("float64") + b"\x93")
    yield "tokenizer.pkl", pickled(tokenizer)
    yield "metric.pkl", pickled(estimator("sklearn.neighbors._classification", "KNeighborsClassifier", **version, effective_metric_=short("os") + short("system") + b"\x93"))
    wrapper = short("joblib.numpy_pickle") + short("NumpyArrayWrapper") + b"\x93)\x81}("
    dtype = call("numpy", "dtype", short("O8"), b"\x89", b"\x88")
    wrapper += short("subclass") + short("numpy") + short("ndarray") + b"\x93" + short("shape") + b"K\x01\x85" + short("order") + short("C") + short("dtype") + dtype + b"ub"
    yield "object_array.joblib", pickled(wrapper + pickled(system))
    huge = wrapper.replace(short("O8"), short("f8")).replace(b"K\x01\x85", b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85")
    yield "huge_shape.joblib", pickled(huge)
    yield "deep_wrappers.joblib", b"\x80\x04" + wrapper * 1
    yield "laughs.pkl", b"\x80\x04]q\x00" + b"".join(b"](" + b"h" + bytes([level]) + b"h" + bytes([level]) + b"eq" + bytes([level + 1]) for level in range(60)) + b"."
    yield "cycle.pkl", b"\x80\x04]q\x00h\x00a."
    pipeline = short("sklearn.pipeline") + short("Pipeline") + b"\x93)\x81\x94}(" + short("_sklearn_version") + short("1.6.1") + short("steps") + b"]" + short("a") + b"h\x00\x86aub"
    yield "own_step.pkl", pickled(pipeline)
    yield "long_name.pkl", b"\x80\x04\x8d" + struct.pack("<Q", 1 << 62) + b"x"
    for name, loader, extra in (
        ("function", "FunctionNode", {}), ("type", "TypeNode", {}), ("object", "ObjectNode", {}), ("unknown", "RunThisNode", {}),
        ("operator", "OperatorFuncNode", {"attrs": {}}), ("method", "MethodNode", {"content": {"func": "system"}}),
        ("missing", "NdArrayNode", {"type": "numpy", "file": "../../etc/passwd"}),
    ):
        schema = {"__class__": "system", "__module__": "os", "__loader__": loader, "__id__": 1, "protocol": 2, **extra}
        yield f"{name}.skops", zipped({"schema.json": json.dumps(schema).encode()})
    deep = {"__class__": "list", "__module__": "builtins", "__loader__": "ListNode", "content": []}
    for _ in range(300):
        deep = {**deep, "content": [deep]}
    yield "deep.skops", zipped({"schema.json": json.dumps(deep).encode()})
    yield "no_schema.skops", zipped({"model.json": b"{}"})
    yield "bomb.skops", zipped({"schema.json": b" " * (1 << 22), "big.npz": zipped({"data.npy": bytes(1 << 22)})}, zipfile.ZIP_DEFLATED)


def zipped(members, method=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


if __name__ == "__main__":
    sys.setrecursionlimit(10_000)
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, content in files():
        with open(os.path.join(sys.argv[1], name), "wb") as file:
            file.write(content)
