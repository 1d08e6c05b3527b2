"""Makes model folders with the installed MLflow, and says what the models say.

    python3 mlflow_folders.py FOLDER

FOLDER gets <version>/<case>/, which MLflow writes, and <version>/expected.json: by case the rows and the answers.
Run it with each version of MLflow (`mlflow.sh` installs them).
"""

import json
import os
import shutil
import sys

import lightgbm as lgb
import mlflow
import numpy as np
import pandas as pd
import xgboost as xgb
from mlflow.models import infer_signature
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

random = np.random.RandomState(5)
NUMBERS = np.round(random.normal(size=(60, 3)), 3)
FRAME = pd.DataFrame(NUMBERS, columns=["age", "цвет", "pay rate"])
MIXED = FRAME.assign(kind=np.array(["кот", "dog", "fox"])[np.arange(60) % 3])
CLASSES = np.array(["дождь", "snow", "sun"])[(NUMBERS[:, 0] > 0).astype(int) + (NUMBERS[:, 1] > 0.5)]
BINARY = (NUMBERS[:, 0] + NUMBERS[:, 2] > 0).astype(int)
TARGET = np.round(NUMBERS[:, 0] * 2 - NUMBERS[:, 1], 3)
TEXTS = pd.Series(["дождь и снег", "rain and snow", "солнце, солнце!", "the sun is out"] * 15, name="text")
VERSION = ".".join(mlflow.__version__.split(".")[:1])
ROWS = 6


def cases():
    columns = ColumnTransformer([("n", StandardScaler(), list(FRAME)), ("w", OneHotEncoder(handle_unknown="ignore"), ["kind"])])
    classifier = make_pipeline(columns, LogisticRegression()).fit(MIXED, CLASSES)
    yield "sklearn", mlflow.sklearn, classifier, MIXED, {}
    yield "sklearn_pickle", mlflow.sklearn, make_pipeline(StandardScaler(), Ridge()).fit(FRAME, TARGET), FRAME, {"serialization_format": "pickle"}
    yield "sklearn_array", mlflow.sklearn, LogisticRegression().fit(NUMBERS, BINARY), NUMBERS, {}
    yield "sklearn_text", mlflow.sklearn, make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(TEXTS, [0, 1, 2, 1] * 15), TEXTS, {}
    few = dict(n_estimators=4, max_depth=3, n_jobs=1)
    yield "xgboost", mlflow.xgboost, xgb.train({"objective": "reg:squarederror", "max_depth": 3}, xgb.DMatrix(FRAME, TARGET), 4), FRAME, {}
    yield "xgboost_json", mlflow.xgboost, xgb.XGBClassifier(**few).fit(FRAME, BINARY), FRAME, {"model_format": "json"}
    yield "xgboost_classifier", mlflow.xgboost, xgb.XGBClassifier(**few).fit(FRAME, BINARY), FRAME, {}
    yield "lightgbm", mlflow.lightgbm, lgb.train({"objective": "regression", "verbose": -1, "min_data_in_leaf": 3}, lgb.Dataset(NUMBERS, TARGET), 4), FRAME, {}
    yield "lightgbm_classifier", mlflow.lightgbm, lgb.LGBMClassifier(**few, verbose=-1, min_child_samples=3).fit(FRAME, BINARY), FRAME, {}
    import skl2onnx

    plain = LogisticRegression().fit(NUMBERS.astype(np.float32), BINARY)
    yield "onnx", mlflow.onnx, skl2onnx.to_onnx(plain, NUMBERS[:1].astype(np.float32), options={"zipmap": False}), NUMBERS.astype(np.float32), {}


def answers(case, model, rows):
    if case == "onnx":
        import onnxruntime

        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        labels, probabilities = session.run(None, {session.get_inputs()[0].name: rows})
        return {"labels": labels.tolist(), "probabilities": probabilities.tolist()}
    if isinstance(model, xgb.Booster):
        return {"labels": model.predict(xgb.DMatrix(rows)).tolist()}
    told = {"labels": model.predict(rows).tolist()}
    if hasattr(model, "predict_proba"):
        told["probabilities"] = model.predict_proba(rows).tolist()
    return told


def main():
    folder = os.path.join(sys.argv[1], VERSION)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    expected = {}
    for case, flavour, model, train, options in cases():
        rows = train[:ROWS]
        example = rows.to_frame() if isinstance(rows, pd.Series) else rows
        path = os.path.join(folder, case)
        flavour.save_model(model, path, signature=infer_signature(example), input_example=example[:2], **options)
        # what only describes the machine it was made on
        for name in ("conda.yaml", "python_env.yaml", "requirements.txt"):
            if os.path.exists(os.path.join(path, name)):
                os.remove(os.path.join(path, name))
        listed = rows.tolist() if isinstance(rows, (np.ndarray, pd.Series)) else rows.values.tolist()
        names = list(rows.columns) if isinstance(rows, pd.DataFrame) else []
        expected[case] = {"rows": listed, "names": names, **answers(case, model, rows)}
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump({"mlflow": mlflow.__version__, "cases": expected}, file, ensure_ascii=False, indent=1)


main()
