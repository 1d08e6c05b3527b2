"""Trains a text pipeline with scikit-learn and saves it as people do, with what it predicts.

    python3 train.py fortunes.csv FOLDER

writes fortunes_lr.joblib, fortunes_lr.pkl (the same model) and fortunes_lr.json (texts, labels
and probabilities, to compare another program's predictions with).
"""

import csv
import json
import pickle
import sys
import time

import joblib
import sklearn
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

# rows whose predictions are recorded
REFERENCE = 500


def main(table, folder):
    with open(table, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    texts, labels = [row["text"] for row in rows], [row["label"] for row in rows]
    split = train_test_split(texts, labels, test_size=0.2, random_state=0)
    train_texts, test_texts, train_labels, test_labels = split
    model = Pipeline([
        ("tfidf", TfidfVectorizer(min_df=2, max_features=20_000, sublinear_tf=True)),
        ("lr", LogisticRegression(max_iter=200)),
    ])
    started = time.monotonic()
    model.fit(train_texts, train_labels)
    accuracy = model.score(test_texts, test_labels)
    print(f"scikit-learn {sklearn.__version__}: {len(train_texts)} texts, {len(model.classes_)} classes, "
          f"accuracy {accuracy:.3f}, {time.monotonic() - started:.1f} s")
    joblib.dump(model, f"{folder}/fortunes_lr.joblib", compress=("zlib", 3))
    with open(f"{folder}/fortunes_lr.pkl", "wb") as file:
        pickle.dump(model, file)
    sample = test_texts[:REFERENCE]
    reference = {
        "version": sklearn.__version__,
        "classes": model.classes_.tolist(),
        "texts": sample,
        "labels": model.predict(sample).tolist(),
        "probabilities": model.predict_proba(sample).tolist(),
    }
    with open(f"{folder}/fortunes_lr.json", "w", encoding="utf-8") as file:
        json.dump(reference, file, ensure_ascii=False)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
