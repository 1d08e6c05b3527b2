"""Further families of golden files: neighbours, chains, imputers, projections, mixtures, and models as people write them.

`goldens.py` makes the files; this only yields what goes into them.
"""

import numpy as np
import pandas as pd
from goldens import (
    BINARY, CATEGORIES, CATEGORY_ROWS, CLASSES, COLOURS, FRAME, FRAME_ROWS, GAPPED, HOLED_ROWS, HOLES, MANY, NEW_ROWS, POSITIVE,
    ROWS, SIZES, TARGET, TEXT_ROWS, TEXTS, VERSION, WORD_ROWS, WORDS, X,
)
from sklearn import linear_model as lm
from sklearn import preprocessing as pp
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.covariance import EllipticEnvelope
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import FactorAnalysis, FastICA, KernelPCA, LatentDirichletAllocation
from sklearn.ensemble import (
    AdaBoostClassifier, BaggingClassifier, ExtraTreesClassifier, GradientBoostingClassifier, HistGradientBoostingClassifier,
    RandomForestClassifier, RandomForestRegressor, StackingClassifier, VotingClassifier,
)
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectFromModel, SelectKBest, chi2
from sklearn.gaussian_process import GaussianProcessRegressor, kernels as kernels_of
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.kernel_ridge import KernelRidge
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import BernoulliNB, CategoricalNB, ComplementNB
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, RegressorChain
from sklearn.neighbors import (
    KNeighborsClassifier, KNeighborsRegressor, LocalOutlierFactor, RadiusNeighborsClassifier, RadiusNeighborsRegressor,
)
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline, make_union
from sklearn.preprocessing import MultiLabelBinarizer
from sklearn.random_projection import GaussianRandomProjection, SparseRandomProjection
from sklearn.semi_supervised import LabelPropagation, LabelSpreading
from sklearn.svm import SVC, LinearSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier

scaled = lambda model: make_pipeline(pp.StandardScaler(), model)
LABELS = np.column_stack([BINARY, X[:, 1] > 5, X[:, 3] > 0]).astype(int)
# many rows equally far from each other: what a search tree decides
GRID = np.array([[a, b, c] for a in range(5) for b in range(4) for c in range(3)], dtype=float)
GRID_ROWS = np.vstack([GRID[::7], GRID[::9] + 0.5])


def neighbours():
    knn = KNeighborsClassifier
    for algorithm in ("brute", "kd_tree", "ball_tree"):
        yield f"knn_{algorithm}", scaled(knn(algorithm=algorithm, leaf_size=4)), X, ROWS, CLASSES
        # a brute search leaves something between equal rows, which depends on the machine's BLAS: only new rows
        yield f"knn_{algorithm}_distance", scaled(knn(7, weights="distance", algorithm=algorithm, leaf_size=3)), X, ROWS[6:], CLASSES
        if VERSION >= (1, 1) or algorithm != "brute":  # of rows equally far 1.0 took any
            yield f"knn_{algorithm}_ties", knn(4, algorithm=algorithm, leaf_size=3), GRID, GRID_ROWS, CLASSES
        yield f"knn_{algorithm}_p3", knn(3, p=3, algorithm=algorithm, leaf_size=5), X, ROWS, BINARY
        yield f"knn_{algorithm}_regressor", scaled(KNeighborsRegressor(4, weights="distance", algorithm=algorithm)), X, ROWS[6:], TARGET
    for metric in ("manhattan", "chebyshev", "canberra", "braycurtis", "hamming"):
        yield f"knn_{metric}", knn(3, metric=metric, leaf_size=6), X, ROWS, CLASSES
    for metric in ("cosine", "correlation", "sqeuclidean"):
        yield f"knn_{metric}", knn(3, metric=metric), X, ROWS[:-2], CLASSES
    yield "knn_seuclidean", knn(3, metric="seuclidean", metric_params={"V": X.var(axis=0)}), X, ROWS, CLASSES
    yield "knn_mahalanobis", knn(3, metric="mahalanobis", metric_params={"VI": np.linalg.inv(np.cov(X.T))}, algorithm="brute"), X, ROWS, CLASSES
    yield "knn_haversine", knn(3, metric="haversine", algorithm="ball_tree"), np.radians(X[:, 1:3] * 3), np.radians(ROWS[:-1, 1:3]), CLASSES
    yield "knn_outputs", knn(3), X, ROWS, LABELS
    yield "knn_regressor_many", KNeighborsRegressor(3), X, ROWS, MANY
    yield "knn_text", make_pipeline(TfidfVectorizer(), knn(3, metric="cosine")), TEXTS, TEXT_ROWS, [i % 6 for i in range(60)]
    yield "knn_text_euclidean", make_pipeline(TfidfVectorizer(), KNeighborsRegressor(10)), TEXTS, TEXT_ROWS, TARGET
    yield "radius", scaled(RadiusNeighborsClassifier(9)), X, ROWS[:9], CLASSES
    yield "radius_regressor", scaled(RadiusNeighborsRegressor(2.5, weights="distance")), X, ROWS[:6], TARGET
    yield "local_outliers", LocalOutlierFactor(9, novelty=True), X, ROWS
    yield "local_outliers_tree", LocalOutlierFactor(5, novelty=True, algorithm="kd_tree", contamination=0.1), X, ROWS
    yield "one_class", scaled(OneClassSVM(nu=0.2)), X, ROWS
    yield "one_class_linear", scaled(OneClassSVM(kernel="linear", nu=0.3)), X, ROWS


def imputers():
    yield "nearest", KNNImputer(n_neighbors=4), HOLES, HOLED_ROWS
    yield "nearest_distance", KNNImputer(weights="distance", add_indicator=True), HOLES, HOLED_ROWS[6:]
    holes = HOLES.copy()
    holes[::3, 0] = holes[1::4, 2] = np.nan
    yield "nearest_many_holes", KNNImputer(n_neighbors=3), holes, HOLED_ROWS
    yield "iterative", IterativeImputer(random_state=0, max_iter=4), HOLES, HOLED_ROWS
    yield "iterative_many_holes", IterativeImputer(random_state=0, max_iter=3, add_indicator=True, initial_strategy="median"), holes, HOLED_ROWS
    yield "iterative_bounds", IterativeImputer(random_state=0, max_iter=3, min_value=-5, max_value=50), holes, HOLED_ROWS
    yield "iterative_forest", IterativeImputer(RandomForestRegressor(3, max_depth=3, random_state=0), random_state=0, max_iter=2), HOLES, HOLED_ROWS
    yield "imputed", make_pipeline(KNNImputer(), pp.StandardScaler(), lm.LogisticRegression()), HOLES, HOLED_ROWS, CLASSES


def chains():
    lr = lambda: scaled(lm.LogisticRegression())
    tree = lambda: DecisionTreeClassifier(max_depth=3, random_state=0)
    yield "mlp_labels", scaled(MLPClassifier((5,), max_iter=60, random_state=0)), X, ROWS, LABELS
    yield "ridge_labels", scaled(lm.RidgeClassifier()), X, ROWS, LABELS
    yield "chain", ClassifierChain(lr(), order=[2, 0, 1]), X, ROWS, LABELS
    yield "chain_tree", ClassifierChain(tree()), X, ROWS, LABELS
    yield "chain_regressor", RegressorChain(lm.Ridge(), order=[1, 2, 0]), X, ROWS, MANY
    yield "outputs_words", MultiOutputClassifier(tree()), X, ROWS, np.column_stack([CLASSES, COLOURS])
    yield "target_function", TransformedTargetRegressor(lm.Ridge(), func=np.log1p, inverse_func=np.expm1), X, ROWS[:-1], POSITIVE
    yield "target_scaled", TransformedTargetRegressor(lm.Ridge(), transformer=pp.StandardScaler()), X, ROWS, TARGET
    yield "target_min_max", TransformedTargetRegressor(lm.Ridge(), transformer=pp.MinMaxScaler()), X, ROWS, TARGET
    yield "target_quantile", TransformedTargetRegressor(lm.Ridge(), transformer=pp.QuantileTransformer(n_quantiles=30, output_distribution="normal")), X, ROWS, TARGET
    yield "target_power", TransformedTargetRegressor(lm.Ridge(), transformer=pp.PowerTransformer()), X, ROWS[:14], TARGET
    for bounds in ("clip", "nan"):
        yield f"isotonic_{bounds}", IsotonicRegression(out_of_bounds=bounds), X[:, :1], ROWS[:, :1], TARGET
    yield "isotonic_falling", IsotonicRegression(increasing=False, out_of_bounds="clip"), X[:, :1], ROWS[:, :1], TARGET
    forest = lambda: RandomForestClassifier(5, max_depth=4, random_state=0)
    for name, model in {
        "lasso": lm.Lasso(0.1), "ridge": lm.Ridge(), "l1": LinearSVC(penalty="l1", dual=False, random_state=0),
        "logistic": lm.LogisticRegression(max_iter=3000), "forest": forest(), "tree": tree(), "extra": ExtraTreesClassifier(5, random_state=0),
        "boosting": GradientBoostingClassifier(n_estimators=4, random_state=0), "ada": AdaBoostClassifier(n_estimators=4, random_state=0),
    }.items():
        target = TARGET if name in ("lasso", "ridge") else CLASSES
        yield f"from_{name}", SelectFromModel(model), X, ROWS, target
    yield "from_median", SelectFromModel(lm.Ridge(), threshold="1.1*median"), X, ROWS, TARGET
    yield "from_most", SelectFromModel(forest(), max_features=2, threshold=-np.inf), X, ROWS, CLASSES
    if VERSION >= (1, 1):
        yield "from_prefit", SelectFromModel(lm.Ridge().fit(X, TARGET), prefit=True), X, ROWS, TARGET
    yield "from_text", make_pipeline(TfidfVectorizer(), SelectFromModel(LinearSVC(random_state=0)), lm.LogisticRegression()), TEXTS, TEXT_ROWS, [i % 3 for i in range(60)]
    if VERSION >= (1, 5):
        from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

        yield "threshold_fixed", FixedThresholdClassifier(lr(), threshold=0.3, response_method="predict_proba"), X, ROWS, BINARY
        yield "threshold_words", FixedThresholdClassifier(lr(), threshold=0.7, pos_label="no"), X, ROWS, np.where(BINARY, "yes", "no")
        yield "threshold_tuned", TunedThresholdClassifierCV(lr(), cv=3), X, ROWS, BINARY


def kernels():
    for kernel in ("linear", "rbf", "poly", "sigmoid"):
        yield f"kernel_ridge_{kernel}", scaled(KernelRidge(kernel=kernel, gamma=0.3)), X, ROWS[:-1], TARGET
        yield f"kernel_pca_{kernel}", scaled(KernelPCA(3, kernel=kernel)), X, ROWS[:-1]
    yield "kernel_ridge_many", scaled(KernelRidge(kernel="rbf")), X, ROWS, MANY
    yield "nystroem", scaled(Nystroem(n_components=8, random_state=0)), X, ROWS
    yield "nystroem_poly", scaled(Nystroem(n_components=6, kernel="poly", degree=2, random_state=0)), X, ROWS[:-1]
    yield "nystroem_svc", make_pipeline(pp.StandardScaler(), Nystroem(n_components=8, random_state=0), LinearSVC(random_state=0)), X, ROWS, CLASSES
    yield "random_features", scaled(RBFSampler(gamma=0.2, n_components=7, random_state=0)), X, ROWS[:14]
    for model in (LabelSpreading(gamma=0.1), LabelPropagation(gamma=0.1)):
        yield type(model).__name__, scaled(model), X, ROWS[:9], np.where(np.arange(60) % 3 == 0, -1, BINARY)
    c, length = kernels_of.ConstantKernel, [1.0, 2.0, 0.5, 1.0]
    for name, kernel in {
        "rbf": kernels_of.RBF(length) + kernels_of.WhiteKernel(), "matern": c(2.0) * kernels_of.Matern(nu=1.5) + kernels_of.WhiteKernel(),
        "matern_half": kernels_of.Matern(length, nu=0.5), "matern_five": kernels_of.Matern(nu=2.5), "dot": kernels_of.DotProduct() ** 2 + kernels_of.WhiteKernel(),
        "rational": kernels_of.RationalQuadratic() + kernels_of.WhiteKernel(),
    }.items():
        yield f"process_{name}", scaled(GaussianProcessRegressor(kernel, optimizer=None, alpha=0.1, normalize_y=name != "rbf")), X[:20], ROWS[:14], TARGET[:20]
    periodic = kernels_of.ExpSineSquared(2.0, 5.0) + kernels_of.WhiteKernel()
    yield "process_periodic", GaussianProcessRegressor(periodic, optimizer=None), X[:20, :1], ROWS[:, :1], TARGET[:20]
    yield "process_many", scaled(GaussianProcessRegressor(kernels_of.RBF(), optimizer=None, alpha=0.1)), X[:20], ROWS[:14], MANY[:20]


def mixtures():
    for kind in ("full", "tied", "diag", "spherical"):
        yield f"mixture_{kind}", scaled(GaussianMixture(3, covariance_type=kind, random_state=0)), X, ROWS[:9]
    yield "envelope", EllipticEnvelope(random_state=0), X, ROWS
    yield "sgd_one_class", scaled(lm.SGDOneClassSVM(random_state=0)), X, ROWS
    yield "independent", FastICA(3, random_state=0, **({"whiten": "unit-variance"} if VERSION >= (1, 1) else {})), X, ROWS
    yield "factors", FactorAnalysis(2, random_state=0), X, ROWS
    yield "random_gaussian", GaussianRandomProjection(3, random_state=0), X, ROWS
    yield "random_sparse", SparseRandomProjection(3, random_state=0), X, ROWS
    yield "random_text", make_pipeline(TfidfVectorizer(), SparseRandomProjection(5, random_state=0), lm.Ridge()), TEXTS, TEXT_ROWS, TARGET
    yield "least_squares", PLSRegression(2), X, ROWS, MANY
    yield "least_squares_one", PLSRegression(3, scale=False), X, ROWS, TARGET


WORDY = FRAME.assign(kind=pd.Categorical(np.array(["кот", "dog", "ox"] * 20)), grade=pd.array(["a", "b", "c"] * 20, dtype="string"), count=pd.array([1, 2, None] * 20, dtype="Int64"), flag=[True, False] * 30)
WORDY_ROWS = [
    [0.5, "red", 3.0, "S", "снег и rain", "кот", "a", 2, True], [-1.0, "violet", None, "L", "the sun", "dog", "c", 1, False],
    [2.0, "чёрный", 9.5, "XL", "", "ox", "b", None, True], [0.0, "blue", -4.0, "M", "дождь", "кот", "new", 7, False],
]


def written():
    """Models as people write them: searches around pipelines, frames of mixed columns, several labels."""
    lr = lambda: lm.LogisticRegression(max_iter=500)
    svc = lambda: CalibratedClassifierCV(LinearSVC(random_state=0), cv=3)
    many_texts = [text + f" слово{i % 7} word{i % 5}" for i, text in enumerate(TEXTS)]
    pipe = make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), svc())
    yield "search_text", GridSearchCV(pipe, {"tfidfvectorizer__min_df": [1, 2]}, cv=3), many_texts, TEXT_ROWS, CLASSES
    numbers, words, cells = ["age", "pay"], ["цвет", "size"], ["kind", "grade"]
    encoder = lambda: pp.OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    mixed = lambda rest="drop": ColumnTransformer([
        ("n", make_pipeline(SimpleImputer(strategy="median"), pp.StandardScaler()), numbers),
        ("w", make_pipeline(SimpleImputer(strategy="most_frequent"), pp.OneHotEncoder(handle_unknown="ignore")), words),
    ], remainder=rest)
    hist = lambda **more: HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=3, random_state=0, **more)
    yield "frame_hist", make_pipeline(ColumnTransformer([("n", "passthrough", numbers), ("w", encoder(), words)]), hist(categorical_features=[2, 3])), FRAME, FRAME_ROWS, CLASSES
    yield "frame_forest", make_pipeline(mixed(), RandomForestClassifier(5, max_depth=4, random_state=0)), FRAME, FRAME_ROWS, CLASSES
    yield "frame_search", RandomizedSearchCV(make_pipeline(mixed(), lr()), {"logisticregression__C": [0.1, 1, 10]}, n_iter=2, cv=3, random_state=0), FRAME, FRAME_ROWS, CLASSES
    yield "frame_gb", make_pipeline(mixed(), GradientBoostingClassifier(n_estimators=4, random_state=0)), FRAME, FRAME_ROWS, BINARY
    yield "frame_svc", make_pipeline(mixed(), SVC(probability=True, random_state=0)), FRAME, FRAME_ROWS, CLASSES
    yield "frame_knn", make_pipeline(mixed(), KNeighborsClassifier(3, algorithm="brute")), FRAME, FRAME_ROWS, CLASSES
    yield "frame_text_svc", make_pipeline(ColumnTransformer([("t", TfidfVectorizer(ngram_range=(1, 2)), "text"), ("n", SimpleImputer(), numbers)]), svc()), FRAME, FRAME_ROWS, CLASSES
    stack = StackingClassifier([("a", make_pipeline(mixed(), lr())), ("b", make_pipeline(mixed(), RandomForestClassifier(3, random_state=0)))], cv=3)
    yield "frame_stack", stack, FRAME, FRAME_ROWS, CLASSES
    yield "frame_vote", VotingClassifier([("a", make_pipeline(mixed(), lr())), ("b", make_pipeline(mixed(), svc()))], voting="soft"), FRAME, FRAME_ROWS, CLASSES
    yield "frame_target", TransformedTargetRegressor(make_pipeline(mixed(), lm.Ridge()), func=np.log1p, inverse_func=np.expm1), FRAME, FRAME_ROWS, POSITIVE
    typed = ColumnTransformer([
        ("c", pp.OneHotEncoder(handle_unknown="ignore"), make_column_selector(dtype_include="category")),
        ("s", encoder(), ["grade"]), ("i", SimpleImputer(), ["count", "flag"]),
    ])
    yield "frame_dtypes", make_pipeline(typed, lr()), WORDY, WORDY_ROWS, CLASSES
    if VERSION >= (1, 4):
        categories = WORDY[["age", "kind", "pay"]].assign(size=pd.Categorical(SIZES))
        yield "frame_categories", HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=3, categorical_features="from_dtype", random_state=0), categories, [[0.5, "кот", 3.0, "S"], [-1, "dog", None, "L"], [2.0, None, 9.5, "M"]], CLASSES
        yield "frame_pandas_out", make_pipeline(mixed("passthrough").set_output(transform="default"), hist()), FRAME[["age", "pay", "цвет", "size"]], [row[:1] + row[2:3] + [row[1], row[3]] for row in FRAME_ROWS], CLASSES
        out = make_pipeline(ColumnTransformer([("n", pp.StandardScaler(), ["age"]), ("w", encoder(), words)], verbose_feature_names_out=False), lr())
        yield "set_output", out.set_output(transform="pandas"), FRAME, FRAME_ROWS, CLASSES
    labels = MultiLabelBinarizer().fit_transform([{"a"} if i % 3 else {"a", "б"} if i % 2 else {"c"} for i in range(60)])
    yield "labels_text", make_pipeline(TfidfVectorizer(), OneVsRestClassifier(lr())), many_texts, TEXT_ROWS, labels
    yield "labels_svc", make_pipeline(TfidfVectorizer(), OneVsRestClassifier(LinearSVC(random_state=0))), many_texts, TEXT_ROWS, labels
    yield "labels_forest", RandomForestClassifier(5, max_depth=3, random_state=0), X, ROWS, LABELS
    yield "labels_outputs", make_pipeline(mixed(), MultiOutputClassifier(lr())), FRAME, FRAME_ROWS, LABELS
    yield "labels_search", GridSearchCV(make_pipeline(pp.StandardScaler(), MultiOutputClassifier(lr())), {"multioutputclassifier__estimator__C": [1, 2]}, cv=2), X, ROWS, LABELS
    yield "single_logistic", scaled(lr()), X.astype(np.float32), ROWS[:-1], CLASSES
    yield "single_forest", RandomForestClassifier(5, random_state=0), X.astype(np.float32), ROWS[:-1], CLASSES
    yield "single_hist", hist(), X.astype(np.float32), ROWS[:-1], BINARY
    yield "integers", make_pipeline(pp.StandardScaler(), lr()), np.round(X).astype(np.int32), np.round(ROWS[:-1]), BINARY.astype(bool)
    for function in () if VERSION < (1, 2) else (np.log10, np.cbrt, np.sin, np.rint, np.sign, np.exp2):
        yield f"function_{function.__name__}", pp.FunctionTransformer(function), np.abs(X) / 9, np.abs(ROWS[:14]) / 9
    yield "small_labels", scaled(lr()), X, ROWS, BINARY.astype(np.int8)
    yield "float_labels", scaled(lr()), X, ROWS, BINARY.astype(float)
    yield "counts_bernoulli", make_pipeline(CountVectorizer(binary=True), BernoulliNB()), many_texts, TEXT_ROWS, CLASSES
    yield "text_two_views", make_pipeline(make_union(TfidfVectorizer(), TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 3))), SelectKBest(chi2, k=40), ComplementNB()), many_texts, TEXT_ROWS, CLASSES
    yield "bagged_knn", BaggingClassifier(KNeighborsClassifier(3), n_estimators=3, random_state=0), X, ROWS, CLASSES
    yield "polynomial_search", GridSearchCV(make_pipeline(pp.PolynomialFeatures(), pp.StandardScaler(), lm.Ridge()), {"ridge__alpha": [0.1, 1]}, cv=3), X[:, :2], ROWS[:-1, :2], TARGET
    if VERSION >= (1, 3):
        yield "target_encoder", pp.TargetEncoder(random_state=0), WORDS, NEW_ROWS[:5], TARGET
        yield "target_encoder_binary", pp.TargetEncoder(random_state=0), WORDS, NEW_ROWS[:5], BINARY
    if VERSION >= (1, 4):
        yield "target_encoder_classes", make_pipeline(pp.TargetEncoder(random_state=0), lr()), WORDS, NEW_ROWS[:5], CLASSES
    yield "categorical_nb", CategoricalNB(), np.abs(np.round(X[:, :3] / [1, 5, 1])), np.abs(np.round(X[:9, :3] / [1, 5, 1])), CLASSES
    yield "topics", make_pipeline(CountVectorizer(), LatentDirichletAllocation(3, max_iter=3, random_state=0)), many_texts, TEXT_ROWS
    yield "topics_logistic", make_pipeline(CountVectorizer(), LatentDirichletAllocation(n_components=2, max_iter=3, random_state=0), lr()), many_texts, TEXT_ROWS, BINARY


FAMILIES = [written, neighbours, imputers, chains, kernels, mixtures]
