"""Trains models with `pinnace`, opens their files with Python's safetensors, predicts from the tensors alone, and writes
the files anew: `pinnace` must say the same of all.

    python3 own-format.py PINNACE
"""

import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

LEAF = 2**32 - 1


def run(*arguments):
    done = subprocess.run([PINNACE, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}")
    return done.stdout


def opened(path):
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    return metadata, load_file(path)


def told(path, table):
    out = path.with_suffix(".jsonl")
    run("predict", path, "--input", table, "--output", out)
    return [json.loads(line) for line in out.read_text().splitlines()]


def transformed(step, tensors, place, rows):
    """Numbers through the steps that numbers go through."""
    kind = step["type"]
    own = lambda name: tensors.get(place + name)
    if kind == "steps":
        for number, inner in enumerate(step["steps"]):
            rows = transformed(inner, tensors, f"{place}steps.{number}.", rows)
        return rows
    if kind == "columns":
        parts = []
        for number, part in enumerate(step["parts"]):
            chosen = rows if part["columns"] is None else rows[:, part["columns"]]
            parts.append(transformed(part["step"], tensors, f"{place}parts.{number}.", chosen))
        return np.hstack(parts)
    if kind == "impute":
        return np.where(np.isnan(rows), own("fills"), rows)
    if kind == "standard_scaler":
        rows = rows if own("mean") is None else rows - own("mean")
        return rows if own("scale") is None else rows / own("scale")
    if kind == "pass":
        return rows
    raise SystemExit(f"no numbers go through `{kind}`")


def leaves(tensors, rows):
    """The values of the leaf that each row falls to, tree after tree."""
    node, leaf = 0, 0
    for count in tensors["head.nodes"]:
        end = node + int(count)
        left, right = tensors["head.left"][node:end], tensors["head.right"][node:end]
        features, thresholds = tensors["head.features"][node:end], tensors["head.thresholds"][node:end]
        number = np.cumsum(left == LEAF) - 1 + leaf
        found = []
        for row in rows:
            at = 0
            while left[at] != LEAF:
                value = row[features[at]]
                goes_left = tensors["head.missing_left"][node + at] if np.isnan(value) else value <= thresholds[at]
                at = left[at] if goes_left else right[at]
            found.append(tensors["head.values"][number[at]])
        yield np.array(found)
        node, leaf = end, leaf + int((left == LEAF).sum())


def predicted(model, tensors, rows):
    for number, step in enumerate(model["steps"]):
        rows = transformed(step, tensors, f"steps.{number}.", rows)
    head = model["head"]
    softmax = lambda scores: np.exp(scores - scores.max(1, keepdims=True)) / np.exp(scores - scores.max(1, keepdims=True)).sum(1, keepdims=True)
    if head["type"] == "linear_classifier":
        assert head["link"] == "softmax", head
        return softmax(rows @ tensors["head.coefficients"] + tensors["head.intercepts"])
    if head["type"] == "forest_classifier":
        return np.mean(list(leaves(tensors, rows.astype(np.float32))), axis=0)
    assert (head["type"], head["link"]) == ("boosted_classifier", "softmax"), head
    sums = np.tile(tensors["head.start"], (len(rows), 1))
    for number, values in enumerate(leaves(tensors, rows)):
        sums[:, number % sums.shape[1]] += values[:, 0]
    return softmax(sums)


def main():
    draw = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        table, texts = folder / "table.csv", folder / "texts.csv"
        numbers = [[draw.gauss(0, 1), draw.gauss(5, 30), draw.gauss(0, 0.1)] for _ in range(300)]
        classes = ["дождь" if row[0] > 0.3 else "snow" if row[1] > 5 else "sun" for row in numbers]
        lines = [",".join([*(f"{value:.4f}" for value in row), label]) for row, label in zip(numbers, classes)]
        table.write_text("\n".join(["a,б,c,label", *lines]) + "\n")
        rows = np.array([[float(value) for value in line.split(",")[:3]] for line in lines])
        lines = [f"{draw.choice(['дождь и', 'rain or', 'много'])} {label} {draw.randint(0, 9)},{label}" for label in classes]
        texts.write_text("\n".join(["text,label", *lines]) + "\n")
        for algorithm in ("logistic", "tree", "forest", "boosting"):
            for source in (table, texts):
                path = folder / f"{algorithm}-{source.stem}.model"
                run("train", source, "--algorithm", algorithm, *(["--text", "text"] if source == texts else []), "--label", "label", "-o", path)
                metadata, tensors = opened(path)
                assert (metadata["format"], metadata["version"]) == ("pinnace", "3"), metadata
                assert json.loads(metadata["classes"]) == sorted(set(classes)), metadata["classes"]
                training = json.loads(metadata["training"])
                assert training["data"]["rows"] == 300 and len(training["data"]["sha256"]) == 64 and training["metrics"], training
                said = told(path, source)
                if source == table:
                    assert json.loads(metadata["columns"]) == ["a", "б", "c"], metadata["columns"]
                    expected = predicted(json.loads(metadata["model"]), tensors, rows)
                    names = json.loads(metadata["classes"])
                    probabilities = np.array([[line["probabilities"][name] for name in names] for line in said])
                    largest = np.abs(expected - probabilities).max()
                    assert largest < 1e-12, f"{path.stem}: {largest}"
                anew = folder / "anew.model"
                save_file(tensors, anew, metadata)
                assert told(anew, source) == said, f"{path.stem}: written anew, it says something else"
                print(f"{path.stem}: {metadata['kind']}, {len(tensors)} tensors, {path.stat().st_size} bytes")
    print("safetensors files as docs/format.md has them")


PINNACE = sys.argv[1]
main()
