"""Writes training.json: small tables, and what scikit-learn's estimators fitted to them predict.

    python training.py [training.json]

Solvers are run to convergence, so that what is compared is the optimum, not where one stopped. Run it with the newest
scikit-learn of goldens.sh.
"""

import io
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import sklearn
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

random = np.random.default_rng(7)
ROWS = 150
WORDS = "кот пёс дом лес река снег дождь cat dog house river snow rain".split()


def numbers():
    """Five columns of different scales, the last two depending on the first."""
    x = random.normal(size=(ROWS, 5)) * [1, 10, 0.1, 3, 1] + [0, 50, 0, -2, 1]
    x[:, 3] += x[:, 0]
    frame = pd.DataFrame(x.round(4), columns=["a", "b", "c", "d", "e"])
    score = x[:, 0] + 0.08 * (x[:, 1] - 50) - 6 * x[:, 2] + 0.5 * random.normal(size=ROWS)
    return frame, score


def classes(score, count):
    bounds = np.quantile(score, np.linspace(0, 1, count + 1)[1:-1])
    return np.array(["low", "middle", "high"])[: count if count == 3 else 2][np.digitize(score, bounds)]


def with_missing(frame):
    frame = frame.copy()
    for column, share in [("a", 0.1), ("c", 0.3)]:
        frame.loc[random.random(ROWS) < share, column] = np.nan
    return frame


def mixed():
    frame, score = numbers()
    frame = with_missing(frame[["a", "b", "c"]])
    colour = random.choice(["red", "green", "blue", None], size=ROWS, p=[0.4, 0.3, 0.2, 0.1])
    text = [" ".join(random.choice(WORDS, size=random.integers(4, 9))) for _ in range(ROWS)]
    score = score + np.where(colour == "red", 1.5, 0) + [1.0 * ("кот" in t) - 1.0 * ("dog" in t) for t in text]
    frame["colour"] = colour
    frame["text"] = text
    return frame, score


cases = []


def case(name, frame, label, algorithm, estimator, tolerance, settings=None, weights=None, **more):
    """Fits, and notes what the estimator says of every row."""
    table = frame.copy()
    table["label"] = label
    buffer = io.StringIO()
    table.to_csv(buffer, index=False)
    # what the CSV says, not what was in memory
    read = pd.read_csv(io.StringIO(buffer.getvalue()))
    features = read.drop(columns="label")
    estimator.fit(features, read["label"])
    expected = estimator.predict_proba(features) if hasattr(estimator, "predict_proba") else estimator.predict(features)
    found = {"weights": weights(estimator)} if weights else {}
    cases.append(
        {
            "name": name,
            "csv": buffer.getvalue(),
            "algorithm": algorithm,
            "set": settings or {},
            "tolerance": tolerance,
            "expected": expected.round(12).tolist(),
            **found,
            **more,
        }
    )


CONVERGED = {"tol": "1e-11", "max_iter": "20000"}


def logistic(**parameters):
    # its own quasi-Newton solver ends some digits earlier than ours
    return LogisticRegression(solver="newton-cholesky", tol=1e-13, max_iter=1000, **parameters)


def coefficients(estimator):
    last = estimator[-1]
    return np.atleast_2d(last.coef_).tolist()


frame, score = numbers()
scaled = lambda last: make_pipeline(StandardScaler(), last)
two, three = classes(score, 2), classes(score, 3)
case("logistic of two", frame, two, "logistic", scaled(logistic()), 1e-8, CONVERGED, coefficients)
case("logistic of three", frame, three, "logistic", scaled(logistic(C=0.3)), 1e-8, CONVERGED | {"C": "0.3"}, coefficients)
case("logistic, balanced", frame, np.where(score > 1.2, "rare", "usual"), "logistic",
     scaled(logistic(class_weight="balanced")), 1e-8, CONVERGED, coefficients, class_weight="balanced")
case("logistic without intercept", frame, two, "logistic", scaled(logistic(fit_intercept=False)), 1e-8,
     CONVERGED | {"fit_intercept": "False"}, coefficients)
case("linear", frame, score.round(5), "linear", scaled(LinearRegression()), 1e-10, None, coefficients)
case("ridge", frame, score.round(5), "ridge", scaled(Ridge(alpha=3.5)), 1e-10, {"alpha": "3.5"}, coefficients)

# Only where no two splits are equally good: scikit-learn draws among those, and so do we.
case("tree", frame, three, "tree", DecisionTreeClassifier(max_depth=4, min_samples_leaf=8), 1e-11,
     {"max_depth": "4", "min_samples_leaf": "8"})
case("tree by entropy", frame, three, "tree", DecisionTreeClassifier(criterion="entropy", max_depth=3, min_samples_leaf=10),
     1e-11, {"criterion": "entropy", "max_depth": "3", "min_samples_leaf": "10"})
case("tree, balanced", frame, np.where(score > 1.2, "rare", "usual"), "tree",
     DecisionTreeClassifier(class_weight="balanced", max_depth=2, min_samples_leaf=10), 1e-11,
     {"max_depth": "2", "min_samples_leaf": "10"}, class_weight="balanced")
case("tree of numbers", frame, score.round(5), "tree", DecisionTreeRegressor(max_depth=4, min_samples_leaf=8), 1e-9,
     {"max_depth": "4", "min_samples_leaf": "8"})

holes = with_missing(frame)
case("boosting of two", holes, two, "boosting", HistGradientBoostingClassifier(max_iter=20), 1e-7, {"max_iter": "20"})
case("boosting of three", holes, three, "boosting",
     HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=7, learning_rate=0.3, l2_regularization=1.5), 1e-7,
     {"max_iter": "8", "max_leaf_nodes": "7", "learning_rate": "0.3", "l2_regularization": "1.5"})
case("boosting of numbers", holes, score.round(5), "boosting",
     HistGradientBoostingRegressor(max_iter=30, max_bins=16, max_depth=3), 1e-6,
     {"max_iter": "30", "max_bins": "16", "max_depth": "3"})


def table(numeric, categories, text, last):
    parts = [
        ("n", make_pipeline(SimpleImputer(), StandardScaler()), numeric),
        ("c", OneHotEncoder(handle_unknown="ignore"), categories),
        ("t", TfidfVectorizer(), text),
    ]
    return make_pipeline(ColumnTransformer(parts), last)


frame, score = mixed()
case("table of all kinds", frame, classes(score, 3), "logistic", table(["a", "b", "c"], ["colour"], "text", logistic()),
     1e-7, CONVERGED)
case("table of all kinds, a number", frame, score.round(5), "ridge", table(["a", "b", "c"], ["colour"], "text", Ridge()),
     1e-7)
# a column for each category and one of ones depend on each other: the shortest solution is asked for
onehot = ColumnTransformer([("n", make_pipeline(SimpleImputer(), StandardScaler()), ["a", "b", "c"]),
                            ("c", OneHotEncoder(sparse_output=False), ["colour"])])
case("linear, columns that depend", frame.drop(columns="text"), score.round(5), "linear",
     make_pipeline(onehot, LinearRegression()), 1e-8)

target = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).with_name("training.json"))
target.write_text(json.dumps({"scikit-learn": sklearn.__version__, "cases": cases}, ensure_ascii=False) + "\n")
