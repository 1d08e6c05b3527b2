"""Trains the same tables with pinnace and with scikit-learn, in turn, and prints a table.

    python bench.py PINNACE [FOLDER]

What is timed is what a user waits for: reading the CSV and fitting, Python's imports left out, the start of our process
left in. Accuracy is measured on rows that neither has seen. Memory is the most a process had resident. Then the rows of
a CSV a second that each predicts for and writes.
"""

import csv
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PINNACE = shutil.which(sys.argv[1] if len(sys.argv) > 1 else "pinnace") or sys.exit("no such program")
PINNACE = os.path.abspath(PINNACE)

ESTIMATORS = {
    "logistic": "make_pipeline(StandardScaler(), LogisticRegression())",
    "tree": "DecisionTreeClassifier()",
    "forest": "RandomForestClassifier(n_jobs=-1)",
    "boosting": "HistGradientBoostingClassifier()",
    "ridge": "make_pipeline(StandardScaler(), Ridge())",
    "linear": "make_pipeline(StandardScaler(), LinearRegression())",
    "forest of numbers": "RandomForestRegressor(n_jobs=-1)",
    "boosting of numbers": "HistGradientBoostingRegressor()",
    "text, logistic": "make_pipeline(TfidfVectorizer(), LogisticRegression())",
    "text, tree": "make_pipeline(TfidfVectorizer(), DecisionTreeClassifier())",
    "text, forest": "make_pipeline(TfidfVectorizer(), RandomForestClassifier(n_jobs=-1))",
}

# Runs in a process of its own, so that its memory is its own.
CHILD = """
import json, resource, sys, time
import numpy, pandas, sklearn
from sklearn.ensemble import *
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
import joblib
train, test, model, estimator = sys.argv[1:]
started = time.perf_counter()
table = pandas.read_csv(train)
column = "text" if "text" in table else [name for name in table if name != "label"]
fitted = eval(estimator).fit(table[column], table["label"])
seconds = time.perf_counter() - started
table = pandas.read_csv(test)
score = fitted.score(table[column], table["label"])
joblib.dump(fitted, model)
print(json.dumps([seconds, score, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024]))
"""

PREDICT = """
import sys, time
import joblib, pandas
fitted = joblib.load(sys.argv[1])
started = time.perf_counter()
table = pandas.read_csv(sys.argv[2])
column = "text" if "text" in table else [name for name in table if name != "label"]
out = pandas.DataFrame(fitted.predict_proba(table[column]), columns=fitted.classes_)
out.insert(0, "prediction", fitted.predict(table[column]))
out.to_csv(sys.argv[3], index=False)
print(time.perf_counter() - started)
"""


def child(code, *arguments):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code, *map(str, arguments)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


# A process begins with the memory of the one that starts it: that is a small one.
LAUNCH = """
import os, sys, time
started = time.perf_counter()
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
print(f"[{time.perf_counter() - started}, {usage.ru_maxrss / 1024}]")
sys.exit(status != 0)
"""


def ours(*arguments):
    """Seconds and megabytes of a run."""
    command = [sys.executable, "-I", "-S", "-c", LAUNCH, PINNACE, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def tables(folder):
    """Tables of numbers and of texts, each to train on and to test on."""
    import numpy

    random = numpy.random.default_rng(3)
    x = random.normal(size=(24_000, 30)).round(5)
    score = x[:, :10] @ random.normal(size=10) + 2 * numpy.sin(x[:, 10] * 2) * x[:, 11] + 2 * random.normal(size=len(x))
    names = [f"c{column}" for column in range(30)] + ["label"]
    for kind, label in [("classes", numpy.where(score > 0, "yes", "no")), ("numbers", score.round(5))]:
        rows = [[*row, value] for row, value in zip(x.tolist(), label.tolist())]
        write(folder / f"{kind}.train.csv", names, rows[:20_000])
        write(folder / f"{kind}.test.csv", names, rows[20_000:])
    # 20,000 texts of 60 words: common ones tell the class, and each text has some that hardly another has
    rare = numpy.array([f"word{number}" for number in range(260_000)])
    common = numpy.array([f"w{number}" for number in range(2_000)])
    lean = random.normal(size=2_000)
    rows = []
    for _ in range(24_000):
        drawn = (random.pareto(0.6, size=40) * 10).astype(int) % 2_000
        label = "yes" if lean[drawn].mean() + 0.1 * random.normal() > 0 else "no"
        words = [*common[drawn], *rare[random.integers(0, len(rare), size=20)]]
        rows.append([" ".join(words), label])
    write(folder / "texts.train.csv", ["text", "label"], rows[:20_000])
    write(folder / "texts.test.csv", ["text", "label"], rows[20_000:])
    big = [[*row, "no"] for row in x.tolist()] * 10
    write(folder / "rows.csv", names, big)
    write(folder / "texts.csv", ["text", "label"], rows * 4)


def write(path, names, rows):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)


def score(model, test, is_number):
    """The accuracy, or R², of our model."""
    out = test.with_suffix(".told.csv")
    ours("predict", model, "--input", test, "--output", out, *(["--text", "text"] if "texts" in test.name else []))
    with out.open(newline="") as file:
        pairs = [(row["label"], row["prediction"]) for row in csv.DictReader(file)]
    if not is_number:
        return sum(truth == told for truth, told in pairs) / len(pairs)
    truths = [float(truth) for truth, _ in pairs]
    mean = sum(truths) / len(truths)
    rest = sum((truth - float(told)) ** 2 for truth, (_, told) in zip(truths, pairs))
    return 1 - rest / sum((truth - mean) ** 2 for truth in truths)


def main():
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp())
    folder.mkdir(parents=True, exist_ok=True)
    tables(folder)
    print("| trained on 20,000 rows | pinnace | scikit-learn | times faster | accuracy or R² | memory |")
    print("|---|---|---|---|---|---|")
    for name, estimator in ESTIMATORS.items():
        is_number = "numbers" in name or name in ("ridge", "linear")
        kind = "texts" if name.startswith("text") else "numbers" if is_number else "classes"
        train, test = folder / f"{kind}.train.csv", folder / f"{kind}.test.csv"
        algorithm = name.removeprefix("text, ").removesuffix(" of numbers")
        model = folder / f"{name}.model"
        text = ["--text", "text"] if kind == "texts" else []
        runs, others = [], []
        # in turn, so that both meet the same machine; a second run only where it is short
        for _ in range(3):
            runs.append(ours("train", train, "--algorithm", algorithm, "--held-out", 0, "-o", model, *text))
            others.append(child(CHILD, train, test, folder / f"{name}.joblib", estimator))
            if others[0][0] > 5:
                break
        (seconds, memory), other = min(runs), min(others)
        told = score(model, test, is_number)
        print(
            f"| {name} | {seconds:.2f} s | {other[0]:.2f} s | {other[0] / seconds:.1f} | {told:.4f}, {other[1]:.4f} "
            f"| {memory:.0f} MB, {other[2]:.0f} MB |",
            flush=True,
        )
    print("\n| rows of a CSV predicted for a second | pinnace | pandas + scikit-learn | times faster |")
    print("|---|---|---|---|")
    for name, table, count in [
        ("logistic", "rows", 240_000),
        ("forest", "rows", 240_000),
        ("boosting", "rows", 240_000),
        ("text, logistic", "texts", 96_000),
    ]:
        text = ["--text", "text"] if table == "texts" else []
        rows, out = folder / f"{table}.csv", folder / "out.csv"
        seconds, memory = min(ours("predict", folder / f"{name}.model", "--input", rows, "--only", "-o", out, *text) for _ in range(2))
        other = child(PREDICT, folder / f"{name}.joblib", rows, out)
        print(f"| {name} | {count / seconds:,.0f} ({memory:.0f} MB) | {count / other:,.0f} | {other / seconds:.1f} |", flush=True)


main()
