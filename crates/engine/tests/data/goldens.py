"""Makes the golden files of the engine's tests: fitted estimators, rows, and what that scikit-learn
says of them.

    python3 goldens.py FOLDER [--all] [FAMILY…]

Run it with each scikit-learn version (`goldens.sh` installs them); the files go to
FOLDER/<version>/<family>.golden. Each is a zlib-compressed pickle: by case the fitted model, the
rows, and the answers of its methods. With `--all` a case has its model in every other format, too, as
`cargo xtask parity` compares them.
"""

import io
import os
import pickle
import sys
import warnings
import zipfile
import zlib

import joblib
import numpy as np
import pandas as pd
import sklearn
from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA, IncrementalPCA, TruncatedSVD
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    AdaBoostClassifier, AdaBoostRegressor, BaggingClassifier, BaggingRegressor, StackingClassifier, StackingRegressor,
    VotingClassifier, VotingRegressor, ExtraTreesClassifier, ExtraTreesRegressor, GradientBoostingClassifier, GradientBoostingRegressor,
    HistGradientBoostingClassifier, HistGradientBoostingRegressor, IsolationForest, RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.feature_selection import (
    RFE, GenericUnivariateSelect, SelectFdr, SelectFpr, SelectFwe, SelectKBest, SelectPercentile, VarianceThreshold, f_classif,
)
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn import linear_model as lm
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier, MultiOutputRegressor
from sklearn.pipeline import FeatureUnion, Pipeline, make_pipeline, make_union
from sklearn import preprocessing as pp
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis, QuadraticDiscriminantAnalysis
from sklearn.naive_bayes import BernoulliNB, ComplementNB, GaussianNB, MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC, SVR, LinearSVC, LinearSVR, NuSVC, NuSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor, ExtraTreeClassifier, ExtraTreeRegressor

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])
LOG_LOSS = "log_loss" if VERSION >= (1, 1) else "log"
random = np.random.RandomState(3)

X = np.round(random.normal(size=(60, 4)) * [1, 10, 0.1, 100] + [0, 5, 0, -50], 4)
CLASSES = np.array(["дождь", "snow", "sun"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 5) * (X[:, 3] > -60)]
BINARY = (X[:, 0] + X[:, 2] * 5 + random.normal(size=60) / 3 > 0).astype(int)
TARGET = np.round(X[:, 0] * 3 + np.sin(X[:, 1]) + X[:, 3] / 50 + random.normal(size=60) / 5, 4)
MANY = np.column_stack([TARGET, TARGET * 2 - X[:, 1], np.abs(TARGET)])
POSITIVE = np.abs(TARGET) + 0.1
ROWS = np.vstack([X[:6], np.round(random.normal(size=(8, 4)) * [3, 30, 0.3, 300], 3), [[0, 0, 0, 0], [1e6, -1e6, 1e3, -1e9]]])
HOLES = X.copy()
HOLES[::5, 1] = np.nan
HOLES[::7, 3] = np.nan
HOLED_ROWS = ROWS.copy()
HOLED_ROWS[::3, 1] = np.nan
HOLED_ROWS[1, :] = np.nan
CATEGORIES = np.column_stack([np.arange(60) % 5, np.arange(60) % 3, X[:, 0], X[:, 1]]).astype(float)
CATEGORY_ROWS = np.array([[0, 1, 0.5, 3], [4, 2, -1, 9], [7, 0, 0, 0], [np.nan, 9, 1, np.nan], [-1, 1, 2, 2], [3, np.nan, -0.2, 8]])

COLOURS = np.array(["red", "green", "blue", "чёрный", "red", "green"] * 10, dtype=object)
SIZES = np.array(["S", "M", "L"] * 20, dtype=object)
WORDS = np.column_stack([COLOURS, SIZES])
GAPPED = WORDS.copy()
GAPPED[::6, 0] = None
WORD_ROWS = [["red", "S"], ["чёрный", "L"], ["blue", "M"], ["green", "S"]]
NEW_ROWS = WORD_ROWS + [["violet", "M"], ["red", ""], [None, "L"]]
TEXTS = ["дождь и снег", "rain and snow", "солнце, солнце!", "the sun is out", "снег", "rain rain"] * 10
TEXT_ROWS = ["снег и солнце", "rain", "", "İ ß за́мок", "the rain is out"]
FRAME = pd.DataFrame({"age": X[:, 0], "цвет": COLOURS, "pay": HOLES[:, 1], "size": SIZES, "text": TEXTS})
FRAME_ROWS = [[0.5, "red", 3.0, "S", "снег"], [-1.0, "violet", None, "L", "rain and sun"], [2.0, "чёрный", 9.5, "XL", ""]]


def preprocessing():
    yield "standard", pp.StandardScaler(), X, ROWS
    yield "standard_mean_only", pp.StandardScaler(with_std=False), X, ROWS
    yield "standard_holes", pp.StandardScaler(), HOLES, HOLED_ROWS
    yield "min_max_clip", pp.MinMaxScaler((-1, 2), clip=True), HOLES, HOLED_ROWS
    yield "max_abs", pp.MaxAbsScaler(), X, ROWS
    yield "robust", pp.RobustScaler(unit_variance=True), X, ROWS
    for norm in ("l1", "l2", "max"):
        yield f"normalizer_{norm}", pp.Normalizer(norm), X, ROWS
    yield "binarizer", pp.Binarizer(threshold=0.5), X, ROWS
    yield "yeo_johnson", pp.PowerTransformer(), HOLES, HOLED_ROWS[:-1]
    yield "box_cox", pp.PowerTransformer("box-cox", standardize=False), np.abs(X) + 0.1, np.abs(ROWS) + 0.01
    yield "quantile_uniform", pp.QuantileTransformer(n_quantiles=20), HOLES, HOLED_ROWS
    yield "quantile_normal", pp.QuantileTransformer(n_quantiles=11, output_distribution="normal"), np.round(X, 1), np.round(ROWS, 1)
    for encode in ("onehot", "onehot-dense", "ordinal"):
        yield f"bins_{encode}", pp.KBinsDiscretizer(3, encode=encode), X, ROWS
    yield "bins_uniform", pp.KBinsDiscretizer([2, 3, 4, 5], strategy="uniform", encode="ordinal"), X, ROWS
    yield "polynomial", pp.PolynomialFeatures(3), X[:, :2], ROWS[:-1, :2]
    yield "interactions", pp.PolynomialFeatures((2, 3), interaction_only=True, include_bias=False), X, ROWS[:-1]
    yield "pass", make_pipeline(pp.FunctionTransformer(), pp.StandardScaler()), X, ROWS
    yield "log1p_scaled", make_pipeline(pp.FunctionTransformer(np.log1p), pp.StandardScaler()), np.abs(X), np.abs(ROWS)
    if VERSION >= (1, 2):  # before, it did not say how many columns it takes
        yield "log1p", pp.FunctionTransformer(np.log1p), np.abs(X), np.abs(ROWS)
    yield "pca", PCA(2), X, ROWS
    yield "pca_whiten", PCA(3, whiten=True), X, ROWS
    yield "incremental_pca", IncrementalPCA(2), X, ROWS
    yield "svd", TruncatedSVD(2, random_state=0), X, ROWS
    yield "text_svd", make_pipeline(TfidfVectorizer(), TruncatedSVD(2, random_state=0)), TEXTS, TEXT_ROWS


def encoders():
    yield "one_hot_ignore", pp.OneHotEncoder(handle_unknown="ignore"), GAPPED, NEW_ROWS
    yield "one_hot_first", pp.OneHotEncoder(drop="first"), WORDS, WORD_ROWS
    yield "one_hot_binary", pp.OneHotEncoder(drop="if_binary"), np.column_stack([COLOURS, COLOURS == "red"]), [["red", True], ["blue", False]]
    yield "one_hot_numbers", pp.OneHotEncoder(handle_unknown="ignore"), CATEGORIES[:, :2], CATEGORY_ROWS[:, :2]
    if VERSION >= (1, 1):
        yield "one_hot_rare", pp.OneHotEncoder(min_frequency=15, handle_unknown="infrequent_if_exist"), WORDS, NEW_ROWS[:-1]
        yield "one_hot_rare_drop", pp.OneHotEncoder(max_categories=3, drop="first", handle_unknown="infrequent_if_exist"), WORDS, NEW_ROWS[:-1]
    yield "ordinal", pp.OrdinalEncoder(), WORDS, WORD_ROWS
    if VERSION >= (1, 1):
        yield "ordinal_unknown", pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2), GAPPED, NEW_ROWS
    if VERSION >= (1, 3):
        yield "ordinal_rare", pp.OrdinalEncoder(max_categories=3, handle_unknown="use_encoded_value", unknown_value=np.nan), GAPPED, NEW_ROWS
    for strategy in ("mean", "median", "most_frequent", "constant"):
        yield f"impute_{strategy}", SimpleImputer(strategy=strategy), HOLES, HOLED_ROWS
    empty = np.column_stack([HOLES, np.full(60, np.nan)])
    yield "impute_empty_indicator", SimpleImputer(add_indicator=True), empty, np.column_stack([HOLED_ROWS, np.arange(16)])
    yield "impute_zero", SimpleImputer(missing_values=0, strategy="median"), CATEGORIES, np.nan_to_num(CATEGORY_ROWS)
    yield "impute_words", SimpleImputer(missing_values=None, strategy="most_frequent"), GAPPED, NEW_ROWS
    yield "indicator", MissingIndicator(error_on_new=False), HOLES, HOLED_ROWS
    yield "indicator_all", MissingIndicator(features="all"), HOLES, HOLED_ROWS
    yield "variance", VarianceThreshold(0.5), X, ROWS
    yield "k_best", SelectKBest(f_classif, k=2), X, ROWS
    yield "percentile", SelectPercentile(f_classif, percentile=40), X, ROWS
    yield "fpr", SelectFpr(f_classif), X, ROWS
    yield "fdr", SelectFdr(f_classif), X, ROWS
    yield "fwe", SelectFwe(f_classif), X, ROWS
    yield "generic", GenericUnivariateSelect(f_classif, mode="k_best", param=3), X, ROWS
    yield "rfe", RFE(lm.Ridge(), n_features_to_select=2), X, ROWS


def linear():
    scaled = lambda model: make_pipeline(pp.StandardScaler(), model)
    yield "logistic", scaled(lm.LogisticRegression()), X, ROWS, CLASSES
    yield "sgd_hinge", scaled(lm.SGDClassifier(random_state=0)), X, ROWS, CLASSES
    yield "sgd_log", scaled(lm.SGDClassifier(loss=LOG_LOSS, random_state=0)), X, ROWS, CLASSES
    yield "sgd_log_binary", scaled(lm.SGDClassifier(loss=LOG_LOSS, random_state=0)), X, ROWS, BINARY
    yield "sgd_huber", scaled(lm.SGDClassifier(loss="modified_huber", random_state=0)), X, ROWS, CLASSES
    yield "sgd_huber_binary", scaled(lm.SGDClassifier(loss="modified_huber", random_state=0)), X, ROWS, BINARY
    yield "perceptron", scaled(lm.Perceptron(random_state=0)), X, ROWS, CLASSES
    yield "passive_aggressive", scaled(lm.PassiveAggressiveClassifier(random_state=0)), X, ROWS, BINARY
    yield "ridge_classifier", scaled(lm.RidgeClassifier()), X, ROWS, CLASSES
    yield "ridge_classifier_cv", scaled(lm.RidgeClassifierCV()), X, ROWS, BINARY
    yield "linear_svc", scaled(LinearSVC(random_state=0)), X, ROWS, CLASSES
    yield "linear_svc_text", make_pipeline(TfidfVectorizer(), LinearSVC(fit_intercept=False, random_state=0)), TEXTS, TEXT_ROWS, [i % 6 for i in range(60)]
    for model in (
        lm.LinearRegression(), lm.Ridge(), lm.RidgeCV(), lm.Lasso(0.1), lm.LassoCV(cv=3), lm.Lars(), lm.LassoLars(0.01), lm.LassoLarsIC(),
        lm.ElasticNet(0.1), lm.ElasticNetCV(cv=3), lm.OrthogonalMatchingPursuit(), lm.BayesianRidge(), lm.ARDRegression(),
        lm.HuberRegressor(), lm.TheilSenRegressor(random_state=0), lm.SGDRegressor(random_state=0),
        lm.PassiveAggressiveRegressor(random_state=0), lm.RANSACRegressor(random_state=0), LinearSVR(random_state=0),
        lm.QuantileRegressor(solver="highs", alpha=0.01),
    ):
        yield type(model).__name__, scaled(model), X, ROWS, TARGET
    for model in (lm.LinearRegression(), lm.Ridge(), lm.MultiTaskLasso(0.1), lm.MultiTaskElasticNet(0.1)):
        yield f"{type(model).__name__}_many", scaled(model), X, ROWS, MANY
    for model in (lm.PoissonRegressor(), lm.GammaRegressor(), lm.TweedieRegressor(power=1.5), lm.TweedieRegressor(power=0)):
        yield f"{type(model).__name__}_{getattr(model, 'power', '')}", scaled(model), X, ROWS[:-1], POSITIVE


def trees():
    few = dict(n_estimators=5, max_depth=4, random_state=0)
    for model in (DecisionTreeClassifier(random_state=0), ExtraTreeClassifier(random_state=0), RandomForestClassifier(**few), ExtraTreesClassifier(**few)):
        yield f"{type(model).__name__}_classes", model, X, ROWS, CLASSES
        yield f"{type(model).__name__}_outputs", model, X, ROWS, np.column_stack([BINARY, BINARY + (X[:, 1] > 3)])
    for model in (DecisionTreeRegressor(max_depth=5, random_state=0), ExtraTreeRegressor(max_depth=5, random_state=0), RandomForestRegressor(**few), ExtraTreesRegressor(**few)):
        yield type(model).__name__, model, X, ROWS, TARGET
        yield f"{type(model).__name__}_many", model, X, ROWS, MANY
    yield "poisson_tree", DecisionTreeRegressor(criterion="poisson", max_depth=3), X, ROWS, POSITIVE
    if VERSION >= (1, 4):
        yield "forest_holes", RandomForestRegressor(**few), HOLES, HOLED_ROWS, TARGET
    yield "isolation", IsolationForest(n_estimators=8, random_state=0), X, ROWS
    yield "isolation_some", IsolationForest(n_estimators=8, max_features=2, contamination=0.1, random_state=0), X, ROWS
    if VERSION >= (1, 6):  # before, they did not say how many columns they take
        yield "dummy_prior", DummyClassifier(), X, ROWS, CLASSES
        yield "dummy_frequent", DummyClassifier(strategy="most_frequent"), X, ROWS, CLASSES
        yield "dummy_median", DummyRegressor(strategy="median"), X, ROWS, TARGET


def boosting():
    few = dict(n_estimators=6, max_depth=3, random_state=0)
    yield "gb_classes", GradientBoostingClassifier(**few), X, ROWS, CLASSES
    yield "gb_binary", GradientBoostingClassifier(**few), X, ROWS, BINARY
    yield "gb_exponential", GradientBoostingClassifier(loss="exponential", **few), X, ROWS, BINARY
    yield "gb_zero", GradientBoostingClassifier(init="zero", **few), X, ROWS, CLASSES
    for loss in ("squared_error", "absolute_error", "huber", "quantile"):
        yield f"gb_{loss}", GradientBoostingRegressor(loss=loss, **few), X, ROWS, TARGET
    few = dict(max_iter=6, min_samples_leaf=3, max_depth=4, random_state=0)
    yield "hist_classes", HistGradientBoostingClassifier(**few), HOLES, HOLED_ROWS, CLASSES
    yield "hist_binary", HistGradientBoostingClassifier(**few), HOLES, HOLED_ROWS, BINARY
    yield "hist_squared", HistGradientBoostingRegressor(**few), HOLES, HOLED_ROWS, TARGET
    yield "hist_poisson", HistGradientBoostingRegressor(loss="poisson", **few), X, ROWS, POSITIVE
    yield "hist_categories", HistGradientBoostingRegressor(categorical_features=[0, 1], **few), CATEGORIES, CATEGORY_ROWS, TARGET
    yield "hist_categories_behind", HistGradientBoostingClassifier(categorical_features=[False, False, True, True], **few), CATEGORIES[:, ::-1], CATEGORY_ROWS[:, ::-1], BINARY


def composed():
    lr = lm.LogisticRegression(max_iter=500)
    numbers = make_pipeline(SimpleImputer(), pp.StandardScaler())
    words = pp.OneHotEncoder(handle_unknown="ignore")
    table = [("numbers", numbers, ["age", "pay"]), ("words", words, ["цвет", "size"]), ("text", TfidfVectorizer(), "text")]
    yield "columns", make_pipeline(ColumnTransformer(table), lr), FRAME, FRAME_ROWS, CLASSES
    yield "columns_weights", make_pipeline(ColumnTransformer(table, transformer_weights={"text": 0.5, "words": 2}, sparse_threshold=0), lr), FRAME, FRAME_ROWS, CLASSES
    selected = make_column_transformer((numbers, make_column_selector(dtype_include=float)), (words, ["size"]), remainder="drop")
    yield "columns_selector", make_pipeline(selected, RandomForestClassifier(5, max_depth=3, random_state=0)), FRAME, FRAME_ROWS, CLASSES
    rest = ColumnTransformer([("first", pp.StandardScaler(), [1, 2]), ("none", "drop", [0])], remainder="passthrough")
    yield "columns_rest", make_pipeline(rest, lm.Ridge()), X, ROWS, TARGET
    rest = ColumnTransformer([("first", pp.StandardScaler(), slice(0, 2)), ("empty", pp.StandardScaler(), [])], remainder=pp.MinMaxScaler())
    yield "columns_remainder", rest, X, ROWS
    union = FeatureUnion([("words", TfidfVectorizer()), ("letters", TfidfVectorizer(analyzer="char", ngram_range=(1, 2), max_features=30))], transformer_weights={"letters": 0.3})
    yield "union_text", make_pipeline(union, lr), TEXTS, TEXT_ROWS, CLASSES
    yield "union_numbers", make_pipeline(make_union(pp.StandardScaler(), PCA(2), "passthrough" if VERSION >= (1, 1) else pp.MinMaxScaler()), lm.Ridge()), X, ROWS, TARGET
    counts = Pipeline([("count", CountVectorizer()), ("best", SelectKBest(f_classif, k=5)), ("idf", TfidfTransformer()), ("lr", lr)])
    yield "counts_best", counts, TEXTS, TEXT_ROWS, [i % 3 for i in range(60)]
    yield "text_scaled", make_pipeline(TfidfVectorizer(), pp.MaxAbsScaler(), pp.Normalizer(), LinearSVC(random_state=0)), TEXTS, TEXT_ROWS, [i % 3 for i in range(60)]
    yield "polynomial_ridge", make_pipeline(pp.StandardScaler(), pp.PolynomialFeatures(2), lm.Ridge()), X, ROWS[:-1], TARGET


def committees():
    tree = lambda depth=2: DecisionTreeClassifier(max_depth=depth, random_state=0)
    lr = lambda: make_pipeline(pp.StandardScaler(), lm.LogisticRegression())
    svc = lambda: make_pipeline(pp.StandardScaler(), LinearSVC(random_state=0))
    forest = lambda: RandomForestClassifier(4, max_depth=3, random_state=0)
    member = "estimator" if VERSION >= (1, 2) else "base_estimator"
    of = lambda model, cls, **options: cls(**{member: model}, random_state=0, **options)
    yield "bagging", of(tree(3), BaggingClassifier, n_estimators=4), X, ROWS, CLASSES
    yield "bagging_some", of(lr(), BaggingClassifier, n_estimators=4, max_features=2, max_samples=0.8), X, ROWS, CLASSES
    yield "bagging_votes", of(svc(), BaggingClassifier, n_estimators=4), X, ROWS, CLASSES
    yield "bagging_regressor", of(DecisionTreeRegressor(max_depth=3), BaggingRegressor, n_estimators=4, max_features=3), X, ROWS, TARGET
    yield "ada_samme", of(tree(1), AdaBoostClassifier, n_estimators=5, **({} if VERSION >= (1, 6) else {"algorithm": "SAMME"})), X, ROWS, CLASSES
    yield "ada_samme_binary", of(tree(1), AdaBoostClassifier, n_estimators=5, **({} if VERSION >= (1, 6) else {"algorithm": "SAMME"})), X, ROWS, BINARY
    if VERSION < (1, 6):
        yield "ada_real", of(tree(1), AdaBoostClassifier, n_estimators=5), X, ROWS, CLASSES
        yield "ada_real_binary", of(tree(1), AdaBoostClassifier, n_estimators=5), X, ROWS, BINARY
    yield "ada_regressor", of(DecisionTreeRegressor(max_depth=2), AdaBoostRegressor, n_estimators=5), X, ROWS, TARGET
    three = [("lr", lr()), ("tree", tree()), ("forest", forest())]
    yield "voting_soft", VotingClassifier(three, voting="soft", weights=[1, 2, 0.5]), X, ROWS, CLASSES
    yield "voting_hard", VotingClassifier(three + [("svc", svc())], weights=[1, 2, 1, 1]), X, ROWS, CLASSES
    yield "voting_regressor", VotingRegressor([("ridge", lm.Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))], weights=[2, 1]), X, ROWS, TARGET
    yield "stacking", StackingClassifier(three, cv=3), X, ROWS, CLASSES
    yield "stacking_binary", StackingClassifier(three + [("svc", svc())], cv=3, passthrough=True), X, ROWS, BINARY
    yield "stacking_regressor", StackingRegressor([("ridge", lm.Ridge()), ("tree", DecisionTreeRegressor(max_depth=3))], cv=3), X, ROWS, TARGET
    for method in ("sigmoid", "isotonic"):
        yield f"calibrated_{method}", CalibratedClassifierCV(svc(), method=method, cv=3), X, ROWS, CLASSES
        yield f"calibrated_{method}_binary", CalibratedClassifierCV(forest(), method=method, cv=3, ensemble=False), X, ROWS, BINARY
    yield "rest", OneVsRestClassifier(lr()), X, ROWS, CLASSES
    yield "rest_svc", OneVsRestClassifier(svc()), X, ROWS, CLASSES
    yield "rest_forest", OneVsRestClassifier(forest()), X, ROWS, CLASSES
    yield "rest_binary", OneVsRestClassifier(lr()), X, ROWS, BINARY
    yield "rest_labels", OneVsRestClassifier(lr()), X, ROWS, np.column_stack([BINARY, X[:, 1] > 5, X[:, 3] > 0]).astype(int)
    yield "one_one", OneVsOneClassifier(svc()), X, ROWS, CLASSES
    yield "one_one_tree", OneVsOneClassifier(tree()), X, ROWS, CLASSES
    yield "one_one_binary", OneVsOneClassifier(lr()), X, ROWS, BINARY
    yield "outputs", MultiOutputClassifier(lr()), X, ROWS, np.column_stack([BINARY, BINARY + (X[:, 1] > 3)])
    yield "outputs_regressor", MultiOutputRegressor(lm.Ridge()), X, ROWS, MANY


def others():
    scaled = lambda model: make_pipeline(pp.StandardScaler(), model)
    for kernel in ("linear", "rbf", "poly", "sigmoid"):
        yield f"svc_{kernel}", scaled(SVC(kernel=kernel, coef0=0.5)), X, ROWS, CLASSES
        yield f"svr_{kernel}", scaled(SVR(kernel=kernel, coef0=0.5)), X, ROWS, TARGET
    yield "svc_binary", scaled(SVC()), X, ROWS, BINARY
    yield "svc_pairs", scaled(SVC(decision_function_shape="ovo")), X, ROWS, CLASSES
    yield "svc_ties", scaled(SVC(break_ties=True)), X, ROWS, CLASSES
    yield "svc_probability", scaled(SVC(probability=True, random_state=0)), X, ROWS, CLASSES
    yield "svc_probability_binary", scaled(SVC(probability=True, random_state=0)), X, ROWS, BINARY
    yield "nu_svc", scaled(NuSVC(nu=0.2)), X, ROWS, CLASSES
    yield "nu_svr", scaled(NuSVR()), X, ROWS, TARGET
    yield "svc_text", make_pipeline(TfidfVectorizer(), SVC()), TEXTS, TEXT_ROWS[:2] + TEXT_ROWS[3:], CLASSES
    for activation in ("relu", "tanh", "logistic", "identity"):
        yield f"mlp_{activation}", scaled(MLPClassifier((5, 3), activation=activation, max_iter=50, random_state=0)), X, ROWS, CLASSES
    yield "mlp_binary", scaled(MLPClassifier((4,), max_iter=50, random_state=0)), X, ROWS, BINARY
    yield "mlp_regressor", scaled(MLPRegressor(hidden_layer_sizes=(6,), max_iter=50, random_state=0)), X, ROWS, MANY
    yield "gaussian_nb", GaussianNB(), X, ROWS, CLASSES
    yield "multinomial_nb", MultinomialNB(), np.abs(X), np.abs(ROWS), CLASSES
    yield "multinomial_nb_text", make_pipeline(CountVectorizer(), MultinomialNB()), TEXTS, TEXT_ROWS, [i % 3 for i in range(60)]
    yield "complement_nb", ComplementNB(), np.abs(X), np.abs(ROWS), CLASSES
    yield "bernoulli_nb", BernoulliNB(), X, ROWS, CLASSES
    yield "lda", LinearDiscriminantAnalysis(), X, ROWS, CLASSES
    yield "lda_binary", LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"), X, ROWS, BINARY
    yield "lda_step", make_pipeline(LinearDiscriminantAnalysis(), lm.LogisticRegression()), X, ROWS, CLASSES
    yield "qda", QuadraticDiscriminantAnalysis(), X, ROWS, CLASSES
    yield "qda_binary", QuadraticDiscriminantAnalysis(), X, ROWS, BINARY
    yield "kmeans", KMeans(3, n_init=1, random_state=0), X, ROWS
    yield "kmeans_step", make_pipeline(KMeans(4, n_init=1, random_state=0), lm.Ridge()), X, ROWS, TARGET
    yield "hashing", HashingVectorizer(n_features=32), TEXTS, TEXT_ROWS
    yield "hashing_counts", HashingVectorizer(n_features=16, alternate_sign=False, norm=None, ngram_range=(1, 2)), TEXTS, TEXT_ROWS
    yield "hashing_sgd", make_pipeline(HashingVectorizer(n_features=64, norm="l1"), lm.SGDClassifier(random_state=0)), TEXTS, TEXT_ROWS, [i % 3 for i in range(60)]


FAMILIES = [preprocessing, encoders, linear, trees, boosting, composed, committees, others]


def asked(rows, train):
    """The rows as the estimator takes them."""
    if isinstance(train, pd.DataFrame):
        frame = pd.DataFrame(rows, columns=train.columns)
        typed = {name: dtype for name, dtype in train.dtypes.items() if not isinstance(dtype, np.dtype)}
        return frame.astype(typed)
    if isinstance(rows, list) and rows and isinstance(rows[0], list):
        return np.array(rows, dtype=object)
    return rows


def answers(model, rows):
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        if method == "transform" and hasattr(model, "predict"):
            continue
        if hasattr(model, method):
            try:
                answer = getattr(model, method)(rows)
            except ValueError as problem:
                if "does not support predicting probability" in str(problem):
                    continue
                raise
            answer = answer.toarray() if hasattr(answer, "toarray") else answer
            if isinstance(answer, np.ndarray) and answer.dtype == object and answer.ndim == 2:
                answer = answer.tolist()
            yield method, answer


def each_alone(model, rows, train):
    """What is said of each row, asked for alone."""
    told = [dict(answers(model, asked(rows[place:place + 1], train))) for place in range(len(rows))]
    return {method: np.concatenate([one[method] for one in told]) for method in told[0]}


def at_edge(model, row, rows, train):
    """What is said of a row, or that it is refused."""
    batch = row[np.newaxis] if isinstance(rows, np.ndarray) else [row]
    try:
        return {"rows": batch, **dict(answers(model, asked(batch, train)))}
    except Exception as problem:
        return {"rows": batch, "refused": str(problem)[:200]}


def dumped(model, **options):
    file = io.BytesIO()
    joblib.dump(model, file, **options)
    return file.getvalue()


def formats(model):
    """The model as a file of each format; skops leaves some classes out."""
    for protocol in range(6):
        yield f"pickle {protocol}", pickle.dumps(model, protocol)
    yield "joblib", dumped(model)
    yield "joblib 2", dumped(model, protocol=2)
    for method in ("zlib", "gzip", "bz2", "lzma", "xz", "lz4"):
        yield f"joblib {method}", dumped(model, compress=(method, 3))
    try:
        import skops.io

        yield "skops", skops.io.dumps(model)
        yield "skops deflated", skops.io.dumps(model, compression=zipfile.ZIP_DEFLATED)
    except ImportError:
        pass
    except Exception as problem:
        print("skops:", type(model).__name__, str(problem)[:100], file=sys.stderr)


def class_name(model):
    """What answers: a pipeline is its last step, a search what it found."""
    while True:
        inner = model.steps[-1][1] if isinstance(model, Pipeline) else getattr(model, "best_estimator_", None)
        if inner is None or isinstance(inner, str):
            return type(model).__name__
        model = inner


def main():
    folder = os.path.join(sys.argv[1], ".".join(sklearn.__version__.split(".")[:2]))
    os.makedirs(folder, exist_ok=True)
    import goldens_more
    import goldens_wide

    wanted = [argument for argument in sys.argv[2:] if not argument.startswith("--")]
    everything = "--all" in sys.argv

    for family in FAMILIES + goldens_wide.FAMILIES + goldens_more.FAMILIES:
        if wanted and family.__name__ not in wanted:
            continue
        cases = {}
        for name, model, train, rows, *target in family():
            model = (model if getattr(model, "prefit", False) else clone(model)).fit(train, *(target or [BINARY]))
            told = dict(each_alone(model, rows, train) if getattr(family, "alone", False) else answers(model, asked(rows, train)))
            cases[name] = {"model": model, "rows": rows, **told}
            if everything:
                edges = [at_edge(model, row, rows, train) for row in goldens_more.edges(rows, class_name(model), isinstance(train, pd.DataFrame))]
                cases[name].update({"class": class_name(model), "files": dict(formats(model)), "edges": edges})
        with open(os.path.join(folder, f"{family.__name__}.golden"), "wb") as file:
            file.write(zlib.compress(pickle.dumps(cases, protocol=4), 9))


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    main()
