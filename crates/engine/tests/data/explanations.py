"""Makes the golden file of explanations: small models, rows, and what the libraries' own tools say that each feature
adds to each number a model decides by: `shap`, XGBoost's `pred_contribs`, LightGBM's `pred_contrib`.

    python3 explanations.py FOLDER

Needs scikit-learn, shap, xgboost and lightgbm (`explanations.sh` installs them). FOLDER/explanations.golden is a
zlib-compressed pickle: by case `model` (an estimator) or `file` (bytes of a booster), `rows`, `bases` (by output),
`amounts` (row x output x feature), `tolerance`, and for linear models `background` rows.
"""

import os
import pickle
import sys
import tempfile
import zlib

import lightgbm
import numpy as np
import shap
import xgboost
from sklearn.ensemble import (ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
                              HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier, RandomForestRegressor)
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge, SGDClassifier
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

random = np.random.RandomState(3)
X = np.round(random.normal(size=(120, 5)) * [1, 10, 0.1, 100, 3], 3)
HOLES = X.copy()
HOLES[::5, 1] = np.nan
HOLES[::7, 3] = np.nan
HOLES[::6, 0] = 0.0
BINARY = (X[:, 0] + X[:, 2] * 5 + random.normal(size=120) / 3 > 0).astype(int)
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 2) * 1
TARGET = np.round(X[:, 0] * 3 + np.sin(X[:, 1]) + X[:, 3] / 50 + random.normal(size=120) / 5, 3)
WEIGHTS = np.round(random.uniform(0.1, 2, size=120), 3)
ROWS = np.vstack([X[:6], np.round(random.normal(size=(6, 5)) * [3, 30, 0.3, 300, 1], 3), np.zeros((1, 5))])
MISSING = np.vstack([HOLES[:6], ROWS, np.full((1, 5), np.nan)])
CATEGORIES = X.copy()
CATEGORIES[:, 4] = np.arange(120) % 7
CATEGORY_TARGET = np.where(np.isin(CATEGORIES[:, 4], [1, 4, 5]), 3.0, -1.0) + X[:, 0]
CATEGORY_ROWS = np.vstack([CATEGORIES[:10], [[0, 1, 2, 3, 6], [0, 0, 0, 0, 0]]])


def arranged(amounts, features):
    """Whatever form shap gives: row x output x feature."""
    amounts = np.asarray(amounts, dtype=float)
    if amounts.ndim == 2:
        return amounts[:, None, :]
    # since 0.45 outputs come last
    return np.moveaxis(amounts, 2, 1) if amounts.shape[1] == features else np.moveaxis(amounts, 0, 1)


def shown(model, rows, tolerance=1e-9):
    explainer = shap.TreeExplainer(model, feature_perturbation="tree_path_dependent")
    amounts = arranged(explainer.shap_values(rows, check_additivity=False), rows.shape[1])
    return {"model": model, "rows": rows, "bases": np.ravel(np.asarray(explainer.expected_value, dtype=float)), "amounts": amounts, "tolerance": tolerance}


def linear(model, rows, background):
    explainer = shap.LinearExplainer(model, shap.maskers.Independent(background, max_samples=10_000))
    amounts = arranged(explainer.shap_values(rows), rows.shape[1])
    return {"model": model, "rows": rows, "background": background, "bases": np.ravel(np.asarray(explainer.expected_value, dtype=float)), "amounts": amounts, "tolerance": 1e-9}


def split(contributions, outputs, tolerance, **model):
    """A booster's own: the base stands behind the features of each output."""
    table = np.asarray(contributions, dtype=float).reshape(len(contributions), outputs, -1)
    return {"bases": table[0, :, -1], "amounts": table[:, :, :-1], "tolerance": tolerance, **model}


def of_xgboost(parameters, y, rows, outputs=1, rounds=6, data=HOLES, extension="json", **more):
    booster = xgboost.train({"max_depth": 4, "seed": 1, "nthread": 1, **parameters}, xgboost.DMatrix(data, y, weight=WEIGHTS, **more), rounds)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m." + extension)
        booster.save_model(path)
        with open(path, "rb") as file:
            data = file.read()
    said = booster.predict(xgboost.DMatrix(rows, **more), pred_contribs=True, strict_shape=True)
    return split(said.reshape(len(rows), -1), outputs, 2e-5, file=data, rows=rows)


def of_lightgbm(parameters, y, rows, outputs=1, rounds=6, data=HOLES, **more):
    given = {"num_leaves": 8, "min_data_in_leaf": 5, "verbose": -1, "seed": 1, "num_threads": 1, "deterministic": True, **parameters}
    booster = lightgbm.train(given, lightgbm.Dataset(data, y, **more), rounds)
    return split(booster.predict(rows, pred_contrib=True), outputs, 1e-9, file=booster.model_to_string().encode(), rows=rows)


def cases():
    yield "tree", shown(DecisionTreeClassifier(max_depth=6, random_state=0).fit(X, CLASSES), ROWS)
    yield "tree_regressor", shown(DecisionTreeRegressor(random_state=0).fit(X, TARGET, WEIGHTS), ROWS)
    yield "forest", shown(RandomForestClassifier(7, max_depth=5, random_state=0).fit(X, BINARY), ROWS)
    yield "forest_balanced", shown(RandomForestClassifier(5, class_weight="balanced", random_state=0).fit(X, CLASSES), ROWS)
    yield "forest_regressor", shown(RandomForestRegressor(5, random_state=0).fit(X, TARGET), ROWS)
    yield "extra_trees", shown(ExtraTreesRegressor(5, random_state=0).fit(X, np.column_stack([TARGET, X[:, 0]])), ROWS)
    yield "boosting", shown(GradientBoostingClassifier(n_estimators=8, random_state=0).fit(X, BINARY), ROWS)
    yield "boosting_regressor", shown(GradientBoostingRegressor(n_estimators=8, subsample=0.7, random_state=0).fit(X, TARGET), ROWS)
    yield "histogram", shown(HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=8, min_samples_leaf=5).fit(X, BINARY), ROWS)
    yield "histogram_missing", shown(HistGradientBoostingRegressor(max_iter=8, min_samples_leaf=5).fit(HOLES, TARGET), MISSING)
    yield "histogram_classes", shown(HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=5).fit(X, CLASSES), ROWS)
    yield "logistic", linear(LogisticRegression().fit(X, BINARY), ROWS, X)
    yield "logistic_classes", linear(LogisticRegression(max_iter=5000).fit(X / [1, 10, 0.1, 100, 3], CLASSES), ROWS, X / [1, 10, 0.1, 100, 3])
    yield "ridge", linear(Ridge().fit(X, TARGET), ROWS, X)
    yield "elastic", linear(ElasticNet(alpha=0.1).fit(X, TARGET), ROWS, X[:30])
    yield "svm", linear(LinearSVC().fit(X / [1, 10, 0.1, 100, 3], BINARY), ROWS, X)
    yield "sgd", linear(SGDClassifier(random_state=0).fit(X / [1, 10, 0.1, 100, 3], CLASSES), ROWS, X[:50])
    yield "xgboost", of_xgboost({"objective": "binary:logistic"}, BINARY, MISSING)
    yield "xgboost_binary_json", of_xgboost({"objective": "binary:logistic", "subsample": 0.6}, BINARY, MISSING, extension="ubj")
    yield "xgboost_classes", of_xgboost({"objective": "multi:softprob", "num_class": 3}, CLASSES, MISSING, 3)
    yield "xgboost_regressor", of_xgboost({"objective": "reg:squarederror", "num_parallel_tree": 3}, TARGET, MISSING)
    yield "xgboost_poisson", of_xgboost({"objective": "count:poisson"}, np.abs(TARGET), MISSING)
    yield "xgboost_dart", of_xgboost({"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.3}, TARGET, MISSING)
    yield "xgboost_linear", of_xgboost({"objective": "reg:squarederror", "booster": "gblinear"}, TARGET, ROWS, data=X)
    yield "xgboost_categories", of_xgboost({"objective": "reg:squarederror", "max_cat_to_onehot": 1}, CATEGORY_TARGET, CATEGORY_ROWS, data=CATEGORIES, feature_types=["q", "q", "q", "q", "c"])
    yield "lightgbm", of_lightgbm({"objective": "binary"}, BINARY, MISSING)
    yield "lightgbm_classes", of_lightgbm({"objective": "multiclass", "num_class": 3}, CLASSES, MISSING, 3)
    yield "lightgbm_zeros", of_lightgbm({"objective": "regression", "zero_as_missing": True}, TARGET, MISSING)
    yield "lightgbm_forest", of_lightgbm({"objective": "regression", "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}, TARGET, MISSING)
    yield "lightgbm_categories", of_lightgbm({"objective": "regression", "min_data_per_group": 5, "cat_smooth": 1}, CATEGORY_TARGET, CATEGORY_ROWS, data=CATEGORIES, categorical_feature=[4])
    yield "lightgbm_deep", of_lightgbm({"objective": "regression", "num_leaves": 40, "min_data_in_leaf": 1}, TARGET, MISSING)


if __name__ == "__main__":
    made = {}
    for name, case in cases():
        print(name, case["amounts"].shape, case["bases"].shape)
        made[name] = case
    with open(os.path.join(sys.argv[1], "explanations.golden"), "wb") as file:
        file.write(zlib.compress(pickle.dumps(made, protocol=4), 9))
