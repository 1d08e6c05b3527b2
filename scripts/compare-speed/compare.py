"""Compares what predictions cost: the Python libraries and the engine, on the same models and rows, one thread.

    compare.sh FOLDER      installs the libraries, builds the engine, runs this, prints the tables of docs/benchmarks.md

Models are fitted once and kept in the folder. A time is the median of as many calls as half a second allows; a ratio is of two medians of the same run. The engine is
asked through `Model::predict` and `predict_batch`, the libraries as their users ask them: `predict_proba` of an array.
"""

import json
import os
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import joblib
import lightgbm
import numpy as np
import onnxruntime
import sklearn
import xgboost
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline

EACH = 0.5
folder, speed = sys.argv[1], sys.argv[2]


def median(call):
    """The median time of a call in seconds."""
    times, end = [], time.perf_counter() + EACH
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


def kept(name, fit):
    """The path of a model in the folder, fitted if it is not there yet, and the model."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        joblib.dump(fit(), path)
    return path, joblib.load(path)


def ours(path, rows, batches, *instructions):
    """What opening and predictions cost the engine."""
    rows_path = path + ".rows.json"
    with open(rows_path, "w") as file:
        json.dump(rows if isinstance(rows, list) else rows.tolist(), file)
    out = subprocess.run([speed, path, rows_path, *map(str, batches), *instructions], check=True, capture_output=True, text=True).stdout
    opened, *lines = map(json.loads, out.splitlines())
    return opened, {line["batch"]: line["took"][1] / 1e9 for line in lines}


def microseconds(seconds):
    return f"{seconds * 1e6:,.1f}" if seconds < 1e-4 else f"{seconds * 1e6:,.0f}"


def row(name, batch, peer, theirs, our):
    print(f"| {name} | {batch} | {peer} | {microseconds(theirs)} | {microseconds(our)} | {theirs / our:,.1f}× |", flush=True)


def numbers():
    X, y = make_classification(n_samples=6000, n_features=30, n_informative=12, random_state=0)
    X = np.round(X, 4)
    asked = X[5000:5256]
    forest = lambda **more: RandomForestClassifier(100, random_state=0, n_jobs=1, **more)
    models = [
        ("forest, 100 trees, depth 8", forest(max_depth=8)),
        ("forest, 100 trees, unlimited", forest()),
        ("forest, 100 trees, 569 rows × 30 (breast cancer)", None),
        ("LightGBM, 100 trees, 31 leaves", lightgbm.LGBMClassifier(n_estimators=100, n_jobs=1, verbose=-1)),
        ("LightGBM, 100 trees, 255 leaves", lightgbm.LGBMClassifier(n_estimators=100, num_leaves=255, n_jobs=1, verbose=-1)),
        ("XGBoost, 100 trees, depth 6", xgboost.XGBClassifier(n_estimators=100, max_depth=6, n_jobs=1)),
        ("XGBoost, 100 trees, depth 10", xgboost.XGBClassifier(n_estimators=100, max_depth=10, n_jobs=1)),
    ]
    for number, (name, model) in enumerate(models):
        rows, fit = asked, lambda: model.fit(X[:5000], y[:5000])
        if model is None:
            from sklearn.datasets import load_breast_cancer

            data = load_breast_cancer()
            rows, fit = data.data[:256], lambda: forest().fit(data.data, data.target)
        path, model = kept(f"numbers{number}.joblib", fit)
        _, our = ours(path, rows, [1, 256])
        peer = type(model).__module__.split(".")[0].replace("sklearn", "scikit-learn")
        for batch in (1, 256):
            part = np.ascontiguousarray(rows[:batch])
            row(name, batch, peer, median(lambda: model.predict_proba(part)), our[batch])
        if peer == "scikit-learn":
            session, _ = session_of(model, rows[:1])
            for batch in (1, 256):
                part = {session.get_inputs()[0].name: np.ascontiguousarray(rows[:batch].astype(np.float32))}
                row(name, batch, "onnxruntime", median(lambda: session.run(None, part)), our[batch])


def session_of(model, row):
    """An onnxruntime session of a scikit-learn model on one thread, and the file's bytes."""
    from skl2onnx import to_onnx

    converted = to_onnx(model, row.astype(np.float32), options={id(model): {"zipmap": False}}).SerializeToString()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(converted, options), converted


def networks():
    X, y = make_classification(n_samples=6000, n_features=30, n_informative=12, random_state=0)
    for sizes in [(100, 100), (512, 512)]:
        _, model = kept(f"network{sizes[0]}.joblib", lambda: MLPClassifier(sizes, max_iter=3, random_state=0).fit(X[:5000], y[:5000]))
        session, converted = session_of(model, X[:1])
        path = os.path.join(folder, f"network{sizes[0]}.onnx")
        with open(path, "wb") as file:
            file.write(converted)
        _, our = ours(path, X[5000:5256], [1, 256])
        for batch in (1, 256):
            part = {session.get_inputs()[0].name: X[5000 : 5000 + batch].astype(np.float32)}
            row(f"network 30-{sizes[0]}-{sizes[1]}-2, the ONNX file", batch, "onnxruntime", median(lambda: session.run(None, part)), our[batch])


def fewer_instructions():
    """What the same kernels cost a processor without AVX-512, and one without AVX2."""
    print("\n| model | rows | AVX-512, µs | AVX2, µs | neither, µs |\n|---|---|---|---|---|")
    for name, file, batches in [
        ("forest, 100 trees, depth 8", "numbers0.joblib", [1, 256]),
        ("forest, 100 trees, unlimited", "numbers1.joblib", [1, 256]),
        ("LightGBM, 100 trees, 31 leaves", "numbers3.joblib", [1, 256]),
        ("XGBoost, 100 trees, depth 6", "numbers5.joblib", [1, 256]),
        ("TF-IDF + logistic regression, 30 classes", "text.joblib", [1, 1000]),
    ]:
        path = os.path.join(folder, file)
        with open(path + ".rows.json") as rows:
            rows = json.load(rows)
        times = [ours(path, rows, batches, *limit)[1] for limit in ((), ("avx2",), ("plain",))]
        for batch in batches:
            print(f"| {name} | {batch} | " + " | ".join(microseconds(took[batch]) for took in times) + " |", flush=True)


def texts():
    random = np.random.RandomState(0)
    letters = np.array(list("абвгдежзиклмнопрстуфхцчшэюяabcdefghijklmnopqrstuvwxyz"))
    words = np.array(["".join(random.choice(letters, random.randint(3, 10))) for _ in range(60000)])
    share = 1 / np.arange(1, len(words) + 1)
    lines = [" ".join(random.choice(words, random.randint(5, 40), p=share / share.sum())) for _ in range(12000)]
    labels = random.randint(0, 30, len(lines))
    path, model = kept("text.joblib", lambda: make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=3, C=0.1)).fit(lines, labels))
    opened, our = ours(path, lines[:1000], [1, 1000])
    for batch in (1, 1000):
        row(f"TF-IDF + logistic regression, {model[0].idf_.size:,} words, 30 classes", batch, "scikit-learn", median(lambda: model.predict_proba(lines[:batch])), our[batch])
    opening("30 classes", path, opened)
    # as many terms as make 11 MB: words and pairs of words, whose numbers scikit-learn writes as numpy's
    for classes, terms in [(30, 38_000), (2, 200_000)]:
        features = TfidfVectorizer(ngram_range=(1, 2), max_features=terms)
        path, _ = kept(f"grams{classes}.joblib", lambda: make_pipeline(features, LogisticRegression(max_iter=3, C=0.1)).fit(lines, labels % classes))
        opened, _ = ours(path, lines[:1000], [1])
        opening(f"{terms:,} words and pairs of words, {classes} classes", path, opened)


def opening(name, path, opened):
    size, each = os.path.getsize(path) / 1e6, median(lambda: joblib.load(path)) * 1e3
    print(f"\nOpening {name} ({size:.1f} MB): {opened['open'][0] / 1e6:.1f} ms at best, {opened['open'][1] / 1e6:.1f} ms median; {opened['memory'] / 1e6:.1f} MB more memory, {opened['peak'] / 1e6:.1f} MB more at most; joblib {each:.1f} ms", flush=True)


print(f"scikit-learn {sklearn.__version__}, LightGBM {lightgbm.__version__}, XGBoost {xgboost.__version__}, onnxruntime {onnxruntime.__version__}\n")
print("| model | rows | library | its time, µs | ours, µs | ratio |\n|---|---|---|---|---|---|")
numbers()
networks()
texts()
fewer_instructions()
