"""Makes the seeds of the fuzzers: one small model of each class, of the golden files of one scikit-learn version.

    PYTHONPATH=<that scikit-learn> python3 seeds.py ../crates/engine/tests/data/1.6 seeds
"""

import json
import os
import pickle
import sys
import zipfile
import zlib
from io import BytesIO

import skops.io

LARGEST = 3000


def skops_seed(model):
    """The schema and its arrays, one behind the other in fixed places."""
    with zipfile.ZipFile(BytesIO(skops.io.dumps(model))) as archive:
        schema = archive.read("schema.json").decode()
        arrays = [name for name in archive.namelist() if name.endswith(".npy")][:16]
        body = b""
        for number, name in enumerate(arrays):
            schema = schema.replace(name, f"{number}.npy")
            body += archive.read(name)[:160].ljust(160, b"\n")
    schema = json.dumps(json.loads(schema), separators=(",", ":"))
    return schema.encode() + b"\0" + body


def main(goldens, seeds):
    smallest = {}
    for name in sorted(os.listdir(goldens)):
        if name.endswith(".golden"):
            for case, content in pickle.loads(zlib.decompress(open(os.path.join(goldens, name), "rb").read())).items():
                bytes_ = pickle.dumps(content["model"], 4)
                steps = getattr(content["model"], "steps", [(0, content["model"])])
                key = type(steps[-1][1]).__name__
                if len(bytes_) <= LARGEST and len(bytes_) < len(smallest.get(key, (b"x" * (LARGEST + 1), 0))[0]):
                    smallest[key] = (bytes_, content["model"])
    for folder in ("pickle", "skops"):
        os.makedirs(os.path.join(seeds, folder), exist_ok=True)
    for key, (bytes_, model) in smallest.items():
        open(os.path.join(seeds, "pickle", key), "wb").write(bytes_)
    for key in ("StandardScaler", "LogisticRegression", "DecisionTreeClassifier", "TfidfVectorizer", "GaussianNB", "OneHotEncoder"):
        if key in smallest:
            open(os.path.join(seeds, "skops", key), "wb").write(skops_seed(smallest[key][1]))


main(*sys.argv[1:])
