"""Makes the golden files of boosted models: small models of XGBoost, LightGBM and CatBoost in every format each can
write, rows, and what the library that made them says of the rows.

    python3 boosters.py FOLDER [LIBRARY…]

Run it with each set of versions (`boosters.sh` installs them). Each file of FOLDER/boosters is a zlib-compressed
pickle: by case either `files` (format -> bytes) or `model` (a pickled estimator), `rows`, and the answers.
"""

import os
import pickle
import sys
import tempfile
import warnings
import zlib

import numpy as np

random = np.random.RandomState(7)
ROUNDS = 5
X = np.round(random.normal(size=(80, 4)) * [1, 10, 0.1, 100] + [0, 5, 0, -50], 3)
HOLES = X.copy()
HOLES[::5, 1] = np.nan
HOLES[::7, 3] = np.nan
HOLES[::9, 0] = 0.0
CLASSES = (X[:, 0] > 0).astype(int) + (X[:, 1] > 5) * (X[:, 3] > -60)
BINARY = (X[:, 0] + X[:, 2] * 5 + random.normal(size=80) / 3 > 0).astype(int)
TARGET = np.round(X[:, 0] * 3 + np.sin(X[:, 1]) + X[:, 3] / 50 + random.normal(size=80) / 5, 3)
POSITIVE = np.abs(TARGET) + 0.1
MANY = np.column_stack([TARGET, TARGET * 2 - X[:, 1], np.abs(TARGET)])
LABELS = np.column_stack([BINARY, X[:, 1] > 5, X[:, 3] > 0]).astype(int)
WORDS = np.array(["дождь", "snow", "sun"])[CLASSES]
ROWS = np.vstack([HOLES[:10], np.round(random.normal(size=(10, 4)) * [3, 30, 0.3, 300], 3), np.zeros((1, 4)), np.full((1, 4), np.nan),
                  [[-0.0, 1e-36, -1e-40, 1e30], [1e-35, -1e-35, 1e-34, np.nan], [np.nan, 5, np.nan, -50]]])
WITH_INF = np.vstack([ROWS, [[np.inf, -np.inf, np.inf, -np.inf], [-np.inf, np.inf, 0, np.nan], [1e39, -1e39, 1e300, -1e300]]])
CATEGORIES = np.column_stack([np.arange(80) % 12, np.arange(80) % 3, HOLES[:, 0], HOLES[:, 1]]).astype(float)
CATEGORIES[::11, 0] = np.nan
CATEGORY_TARGET = np.where(np.isin(np.arange(80) % 12, [1, 4, 5, 9]), 3.0, -1.0) + (np.arange(80) % 3) * 0.7 + X[:, 0]
CATEGORY_ROWS = np.array([[c, d, e, f] for c in (0, 1, 4, 9, 11, 12, 40, -1, 2.7, np.nan) for d, e, f in ((0, 0.5, 3), (2, -1, 9), (7, 0.1, np.nan), (np.nan, np.nan, 0))], float)
TEXTS = ["дождь и снег", "rain and snow", "солнце, солнце!", "the sun is out", "снег", "rain rain", "sun and снег", "out and out"] * 10
TEXT_ROWS = ["снег и солнце", "rain", "", "İ ß за́мок", "the rain is out", "sun"]
NAMES = ["age", "pay rate", "цвет", "size"]


def written(save, extension):
    """The bytes a library writes to a file."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m." + extension)
        save(path)
        with open(path, "rb") as file:
            return file.read()


def estimator(model, rows, **answers):
    said = {method: getattr(model, method)(rows) for method in ("predict", "predict_proba") if hasattr(model, method)}
    if hasattr(rows, "values"):
        rows = [[None if value is None or value != value else value for value in row] for row in rows.astype(object).values.tolist()]
    return {"model": model, "rows": rows, **said, **answers}


def pipelines(classifier, regressor):
    """A library's estimators inside scikit-learn's."""
    import sklearn
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier, VotingRegressor
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.model_selection import GridSearchCV
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.multioutput import MultiOutputRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    yield "pipeline", estimator(make_pipeline(StandardScaler(), classifier()).fit(X, BINARY), ROWS)
    yield "pipeline_classes", estimator(make_pipeline(StandardScaler(), classifier()).fit(X, CLASSES), ROWS)
    yield "pipeline_text", estimator(make_pipeline(TfidfVectorizer(), classifier()).fit(TEXTS, BINARY), TEXT_ROWS)
    hot = ColumnTransformer([("hot", OneHotEncoder(handle_unknown="ignore"), [0, 1])], remainder="passthrough")
    whole = np.nan_to_num(CATEGORIES)
    yield "pipeline_one_hot", estimator(make_pipeline(hot, regressor()).fit(whole, TARGET), np.nan_to_num(CATEGORY_ROWS))
    yield "calibrated", estimator(CalibratedClassifierCV(classifier(), cv=3).fit(X, CLASSES), ROWS)
    plain = [("boosted", classifier()), ("lr", make_pipeline(StandardScaler(), LogisticRegression()))]
    yield "voting", estimator(VotingClassifier(plain, voting="soft").fit(X, CLASSES), X[:9])
    yield "stacking", estimator(StackingClassifier(plain, cv=3).fit(X, CLASSES), X[:9])
    if sklearn.__version__ >= "1.2":
        yield "voting_regressor", estimator(VotingRegressor([("boosted", regressor()), ("ridge", Ridge())]).fit(X, TARGET), X[:9])
    yield "bagging", estimator(BaggingClassifier(classifier(), n_estimators=2, random_state=0).fit(X, BINARY), ROWS)
    yield "grid", estimator(GridSearchCV(classifier(), {"max_depth": [2, 3]}, cv=2).fit(X, BINARY), ROWS)
    yield "rest", estimator(OneVsRestClassifier(classifier()).fit(X, WORDS), X[:9])
    yield "outputs", estimator(MultiOutputRegressor(regressor()).fit(X, MANY), ROWS)


def xgboost_cases():
    import xgboost as xgb

    version = tuple(int(part) for part in xgb.__version__.split(".")[:2])
    base = dict(max_depth=3, eta=0.4, nthread=1, seed=0)

    def booster(params, target, train=X, rows=None, rounds=ROUNDS, names=None, types=None, **options):
        rows = ROWS if rows is None else rows
        kind = dict(feature_names=names, feature_types=types)
        if types and "c" in types:
            kind["enable_categorical"] = True
        label = {} if target is None else {"label": target}
        data = xgb.DMatrix(train, **label, **kind)
        for name, bounds in options.pop("bounds", {}).items():
            data.set_float_info(name, bounds)
        if "group" in options:
            data.set_group(options.pop("group"))
        model = xgb.train({**base, **params}, data, rounds, **options)
        asked = xgb.DMatrix(rows, **kind)
        limit = {"ntree_limit": rounds} if params.get("booster") == "dart" and version < (1, 0) else {}
        files = {}
        if params.get("booster") or target is BINARY and not options:
            files["pickle"] = pickle.dumps(model, protocol=2 if version < (1, 0) else 4)
        for extension in ["json", "ubj"] if version >= (1, 7) else ["json"] if version >= (1, 0) else []:
            files[extension] = written(model.save_model, extension)
        if version < (3, 1) and "multi_strategy" not in params and not types:
            files["binary"] = written(model.save_model, "deprecated" if version >= (2, 0) else "bin")
        case = {"files": files, "rows": rows, "margin": model.predict(asked, output_margin=True, **limit), "predict": model.predict(asked, **limit)}
        if version >= (1, 4) and params.get("booster") is None and not types:
            case["inplace_rows"] = WITH_INF
            case["inplace_margin"] = model.inplace_predict(WITH_INF, predict_type="margin")
        return case

    for objective in ["reg:squarederror", "reg:squaredlogerror", "reg:logistic", "reg:gamma", "reg:tweedie", "count:poisson", "binary:logistic",
                      "binary:logitraw", "binary:hinge", "survival:cox", "rank:pairwise", "rank:ndcg", "reg:pseudohubererror", "reg:absoluteerror"]:
        if version < (1, 7) and objective in ("reg:squaredlogerror", "reg:pseudohubererror", "reg:absoluteerror"):
            continue
        if objective.startswith("rank:"):
            yield objective, booster({"objective": objective}, CLASSES, group=[40, 40])
            continue
        target = BINARY if objective.split(":")[1] in ("logistic", "logitraw", "hinge") else POSITIVE
        yield objective, booster({"objective": objective}, target)
        if objective not in ("binary:hinge",):
            yield objective + " base", booster({"objective": objective, "base_score": 0.3}, target)
    if version >= (1, 7):
        yield "survival:aft", booster({"objective": "survival:aft"}, None, bounds={"label_lower_bound": POSITIVE, "label_upper_bound": POSITIVE})
        yield "outputs", booster({"objective": "reg:squarederror"}, MANY)
        yield "labels", booster({"objective": "binary:logistic"}, LABELS)
        kinds = ["c", "c", "float", "float"]
        for most in (1, 20):
            yield f"categories {most}", booster({"objective": "reg:squarederror", "tree_method": "hist", "max_cat_to_onehot": most}, CATEGORY_TARGET, CATEGORIES, CATEGORY_ROWS if version < (3, 1) else CATEGORY_ROWS[[i for i in range(40) if i // 4 not in (7,)]], types=kinds)
    if version >= (2, 0):
        yield "quantile", booster({"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.5, 0.8], "tree_method": "hist"}, TARGET)
        yield "outputs together", booster({"objective": "reg:squarederror", "multi_strategy": "multi_output_tree", "tree_method": "hist"}, MANY)
        yield "classes together", booster({"objective": "multi:softprob", "num_class": 3, "multi_strategy": "multi_output_tree", "tree_method": "hist"}, CLASSES)
        yield "labels together", booster({"objective": "binary:logistic", "multi_strategy": "multi_output_tree", "tree_method": "hist"}, LABELS)
    for objective in ("multi:softprob", "multi:softmax"):
        yield objective, booster({"objective": objective, "num_class": 3}, CLASSES)
    yield "parallel", booster({"objective": "multi:softprob", "num_class": 3, "num_parallel_tree": 3, "subsample": 0.6}, CLASSES)
    yield "named", booster({"objective": "binary:logistic"}, BINARY, names=["age", "pay", "цвет", "size"])
    yield "holes", booster({"objective": "binary:logistic"}, BINARY, HOLES)
    yield "stumps", booster({"objective": "binary:logistic", "gamma": 1e9}, BINARY)
    for name, params, target in [("regression", {"objective": "reg:squarederror"}, TARGET), ("binary", {"objective": "binary:logistic"}, BINARY),
                                 ("classes", {"objective": "multi:softprob", "num_class": 3}, CLASSES)]:
        yield f"dart {name}", booster({**params, "booster": "dart", "rate_drop": 0.5}, target)
        yield f"linear {name}", booster({**params, "booster": "gblinear"}, target, rows=np.nan_to_num(ROWS))
        yield f"linear holes {name}", booster({**params, "booster": "gblinear"}, target)

    few = dict(n_estimators=ROUNDS, max_depth=3, n_jobs=1, random_state=0)
    classifier, regressor = lambda **more: xgb.XGBClassifier(**{**few, **more}), lambda **more: xgb.XGBRegressor(**{**few, **more})
    inf = WITH_INF if version >= (1, 4) else ROWS
    yield "classifier", estimator(classifier().fit(X, BINARY), inf)
    yield "classifier classes", estimator(classifier().fit(X, CLASSES), inf)
    yield "classifier -999", estimator(classifier(missing=-999).fit(np.nan_to_num(HOLES, nan=-999), BINARY), np.nan_to_num(ROWS, nan=-999))
    yield "classifier linear", estimator(classifier(booster="gblinear").fit(X, CLASSES), np.nan_to_num(ROWS))
    yield "classifier dart", estimator(classifier(booster="dart").fit(X, CLASSES), np.nan_to_num(ROWS))
    if version < (1, 0):
        yield "classifier words", estimator(classifier().fit(X, WORDS), ROWS)
    yield "regressor", estimator(regressor(objective="reg:squarederror").fit(X, TARGET), inf)
    yield "regressor poisson", estimator(regressor(objective="count:poisson").fit(X, POSITIVE), inf)
    yield "ranker", estimator(xgb.XGBRanker(objective="rank:pairwise", n_estimators=ROUNDS, max_depth=3).fit(X, CLASSES, group=[40, 40]), ROWS)
    yield "forest classifier", estimator(xgb.XGBRFClassifier(**few).fit(X, CLASSES), ROWS)
    yield "forest regressor", estimator(xgb.XGBRFRegressor(**few).fit(X, TARGET), ROWS)
    early = dict(n_estimators=40, learning_rate=1.0)
    watched = dict(eval_set=[(X[50:], BINARY[50:])], verbose=False)
    if version >= (1, 7):
        model = classifier(**early, early_stopping_rounds=2, eval_metric="logloss").fit(X[:50], BINARY[:50], **watched)
        yield "labels classifier", estimator(classifier().fit(X, LABELS), ROWS)
        yield "softmax classifier", estimator(classifier(objective="multi:softmax").fit(X, CLASSES), ROWS)
    else:
        model = classifier(**early).fit(X[:50], BINARY[:50], early_stopping_rounds=2, eval_metric="logloss", **watched)
    stopped = estimator(model, ROWS)
    yield "stopped early", stopped
    if version >= (1, 7):
        files = {extension: written(model.save_model, extension) for extension in ("json", "ubj")}
        yield "stopped early saved", {"files": files, "rows": ROWS, "margin": model.predict(ROWS, output_margin=True), "predict": model.predict_proba(ROWS)[:, 1]}
        import pandas as pd
        frame = pd.DataFrame(HOLES, columns=NAMES)
        yield "frame", estimator(classifier().fit(frame, BINARY), pd.DataFrame(ROWS, columns=NAMES))
    if version >= (3, 1):
        import pandas as pd
        colours = pd.Series(np.array(["red", "green", "blue", "чёрный"])[np.arange(80) % 4], dtype="category")
        numbers = pd.Series((np.arange(80) % 5) * 10, dtype="category")
        frame = pd.DataFrame({"colour": colours, "number": numbers, "size": HOLES[:, 0]})
        model = regressor(enable_categorical=True, tree_method="hist").fit(frame, CATEGORY_TARGET)
        yield "frame categories", estimator(model, frame.iloc[:20])
    # 0.90 names the rows otherwise than scikit-learn calls it with
    yield from pipelines(classifier, regressor) if version >= (1, 0) else ()


def lightgbm_cases():
    import lightgbm as lgb
    import pandas as pd

    version = tuple(int(part) for part in lgb.__version__.split(".")[:2])
    base = dict(num_leaves=7, min_data_in_leaf=3, learning_rate=0.4, num_threads=1, verbose=-1, seed=0, deterministic=True)

    def booster(params, target, train=X, rows=WITH_INF, rounds=ROUNDS, dataset={}, **options):
        data = lgb.Dataset(train, target, **dataset, params={"verbose": -1, "min_data_in_bin": 1})
        model = lgb.train({**base, **params}, data, rounds, **options)
        files = {"text": written(model.save_model, "txt")}
        if target is BINARY:
            files["pickle"] = pickle.dumps(model, protocol=4)
        asked = [[None if value is None or value != value else value for value in row] for row in rows.astype(object).values.tolist()] if hasattr(rows, "values") else rows
        return {"files": files, "rows": asked, "margin": model.predict(rows, raw_score=True), "predict": model.predict(rows)}

    for objective in ["regression", "regression_l1", "huber", "fair", "poisson", "quantile", "mape", "gamma", "tweedie", "binary", "cross_entropy", "cross_entropy_lambda"]:
        target = BINARY if objective in ("binary", "cross_entropy", "cross_entropy_lambda") else POSITIVE
        yield objective, booster({"objective": objective}, target)
    yield "square root", booster({"objective": "regression", "reg_sqrt": True}, TARGET)
    yield "sigmoid 2", booster({"objective": "binary", "sigmoid": 2.0}, BINARY)
    for objective in ("multiclass", "multiclassova"):
        yield objective, booster({"objective": objective, "num_class": 3}, CLASSES)
    for objective in ("lambdarank", "rank_xendcg"):
        if version < (3, 0) and objective == "rank_xendcg":
            continue
        yield objective, booster({"objective": objective}, CLASSES, dataset={"group": [40, 40]})
    yield "holes", booster({"objective": "binary"}, BINARY, HOLES)
    yield "zero as missing", booster({"objective": "binary", "zero_as_missing": True}, BINARY, HOLES)
    yield "missing unused", booster({"objective": "binary", "use_missing": False}, BINARY, HOLES)
    for name, objective, target in [("regression", "regression", TARGET), ("binary", "binary", BINARY), ("classes", "multiclass", CLASSES)]:
        forest = {"objective": objective, "boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.7}
        yield f"rf {name}", booster({**forest, **({"num_class": 3} if name == "classes" else {})}, target)
    yield "dart", booster({"objective": "binary", "boosting": "dart", "drop_rate": 0.5}, BINARY)
    yield "goss", booster({"objective": "binary", "boosting": "goss"}, BINARY)
    yield "stump", booster({"objective": "binary", "min_data_in_leaf": 1000}, BINARY)
    options = {"min_data_per_group": 3, "cat_smooth": 1, "max_cat_to_onehot": 2}
    yield "categories", booster({"objective": "regression", **options}, CATEGORY_TARGET, CATEGORIES, CATEGORY_ROWS, dataset={"categorical_feature": [0, 1]})
    yield "categories one hot", booster({"objective": "regression", **options, "max_cat_to_onehot": 30}, CATEGORY_TARGET, CATEGORIES, CATEGORY_ROWS, dataset={"categorical_feature": [0, 1]})
    if version >= (3, 0):
        yield "linear trees", booster({"objective": "regression", "linear_tree": True}, TARGET, rows=ROWS)
        yield "linear trees holes", booster({"objective": "binary", "linear_tree": True}, BINARY, HOLES, rows=ROWS)
    colours = pd.Series(np.array(["red", "green", "blue", "чёрный"])[np.arange(80) % 4], dtype="category")
    numbers = pd.Series((np.arange(80) % 5) * 10, dtype="category")
    frame = pd.DataFrame({"size": HOLES[:, 0], "colour": colours, "number": numbers, "pay rate": HOLES[:, 1]})
    asked = pd.DataFrame([[0.5, "red", 10, 2.0], [None, "green", 40, None], [1.0, "violet", 7, 3.0], [-1.0, None, None, -3.0], [-2.0, "чёрный", 0, 9.0]], columns=frame.columns)
    for column in ("size", "pay rate"):
        asked[column] = asked[column].astype(float)
    for column in ("colour", "number"):
        asked[column] = asked[column].astype("category")
    yield "frame", booster({"objective": "regression", **options}, CATEGORY_TARGET, frame, asked)

    few = dict(n_estimators=ROUNDS, num_leaves=7, min_child_samples=3, n_jobs=1, random_state=0, verbose=-1)
    classifier, regressor = lambda **more: lgb.LGBMClassifier(**{**few, **more}), lambda **more: lgb.LGBMRegressor(**{**few, **more})
    yield "classifier", estimator(classifier().fit(X, BINARY), WITH_INF)
    yield "classifier words", estimator(classifier().fit(X, WORDS), WITH_INF)
    yield "classifier ova", estimator(classifier(objective="multiclassova").fit(X, CLASSES * 10), WITH_INF)
    yield "regressor", estimator(regressor().fit(X, TARGET), WITH_INF)
    yield "regressor poisson", estimator(regressor(objective="poisson").fit(X, POSITIVE), WITH_INF)
    yield "ranker", estimator(lgb.LGBMRanker(**few).fit(X, CLASSES, group=[40, 40]), WITH_INF)
    yield "frame classifier", estimator(classifier(min_data_per_group=3, cat_smooth=1).fit(frame, BINARY), asked)
    model = classifier(n_estimators=60, learning_rate=1.0)
    stop = [lgb.early_stopping(2, verbose=False)] if version >= (3, 3) else None
    model.fit(X[:50], BINARY[:50], eval_set=[(X[50:], BINARY[50:])], **({"callbacks": stop} if stop else {"early_stopping_rounds": 2, "verbose": False}))
    yield "stopped early", estimator(model, ROWS)
    files = {"pickle": pickle.dumps(model.booster_, protocol=4), "text": written(model.booster_.save_model, "txt")}
    yield "stopped early saved", {"files": files, "rows": ROWS, "margin": model.booster_.predict(ROWS, raw_score=True), "predict": model.booster_.predict(ROWS)}
    yield from pipelines(classifier, regressor)


def catboost_cases():
    import catboost

    few = dict(iterations=ROUNDS, depth=3, thread_count=1, random_seed=0, verbose=False, allow_writing_files=False)

    def booster(model, target, train=X, rows=ROWS, **options):
        model.fit(train, target, **options)
        files = {extension: written(lambda path: model.save_model(path, format=extension), extension) for extension in ("json", "cbm")}
        # a pickle holds the same bytes as a cbm file
        if target is BINARY:
            files["pickle"] = pickle.dumps(model, protocol=4)
        case = {"files": files, "rows": rows, "margin": model.predict(rows, prediction_type="RawFormulaVal"), "predict": model.predict(rows)}
        if case["predict"].ndim == 2 and case["predict"].shape[1] == 1:
            case["predict"] = np.array(case["predict"].ravel().tolist())
        if hasattr(model, "predict_proba"):
            case["predict_proba"] = model.predict_proba(rows)
        return case

    Classifier = lambda **more: catboost.CatBoostClassifier(**{**few, **more})
    Regressor = lambda **more: catboost.CatBoostRegressor(**{**few, **more})
    for loss in ("RMSE", "MAE", "Quantile:alpha=0.3", "Poisson", "Tweedie:variance_power=1.5", "Huber:delta=1", "LogCosh"):
        yield f"regressor {loss.split(':')[0]}", booster(Regressor(loss_function=loss), POSITIVE)
    yield "regressor many", booster(Regressor(loss_function="MultiRMSE"), MANY)
    yield "classifier", booster(Classifier(), BINARY)
    yield "classifier words", booster(Classifier(), WORDS)
    yield "classifier two words", booster(Classifier(), np.array(["нет", "да"])[BINARY])
    yield "classifier entropy", booster(Classifier(loss_function="CrossEntropy"), BINARY)
    yield "classifier ova", booster(Classifier(loss_function="MultiClassOneVsAll"), CLASSES)
    for mode in ("Min", "Max"):
        yield f"holes {mode}", booster(Classifier(nan_mode=mode), BINARY, HOLES)
    for policy in ("Depthwise", "Lossguide"):
        yield f"policy {policy}", booster(Classifier(grow_policy=policy), BINARY)
        yield f"policy {policy} classes", booster(Classifier(grow_policy=policy), CLASSES)
    yield "ranker", booster(catboost.CatBoost({**few, "loss_function": "QueryRMSE"}), TARGET, group_id=np.arange(80) // 10)


def main():
    folder = os.path.join(sys.argv[1], "boosters")
    os.makedirs(folder, exist_ok=True)
    for name, family in [("xgboost", xgboost_cases), ("lightgbm", lightgbm_cases), ("catboost", catboost_cases)]:
        if sys.argv[2:] and name not in sys.argv[2:]:
            continue
        try:
            module = __import__(name)
        except ImportError:
            continue
        cases = dict(family())
        # of CatBoost there is only 1.2
        parts = 3 if name == "catboost" else 2
        version = ".".join((module.__version__ + ".0").split(".")[:parts])
        path = os.path.join(folder, f"{name}-{version}.golden")
        with open(path, "wb") as file:
            file.write(zlib.compress(pickle.dumps(cases, protocol=4), 9))
        print(path, len(cases), os.path.getsize(path))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
