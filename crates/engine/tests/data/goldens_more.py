"""Further families of golden files: clusterings, splines, Gaussian processes of classes, and what only holds another
estimator; and the rows at the edge of what estimators take (`edges`).

`goldens.py` makes the files; this only yields what goes into them.
"""

import numpy as np
from goldens import BINARY, CLASSES, HOLES, MANY, ROWS, TARGET, TEXT_ROWS, TEXTS, VERSION, X
from sklearn import linear_model as lm
from sklearn import preprocessing as pp
from sklearn.cluster import AffinityPropagation, Birch, FeatureAgglomeration, MeanShift
from sklearn.cross_decomposition import CCA, PLSCanonical
from sklearn.decomposition import NMF
from sklearn.ensemble import RandomForestClassifier, RandomTreesEmbedding
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.gaussian_process import GaussianProcessClassifier, kernels
from sklearn.neighbors import NearestCentroid, NeighborhoodComponentsAnalysis
from sklearn.pipeline import make_pipeline
from sklearn.semi_supervised import SelfTrainingClassifier

scaled = lambda model: make_pipeline(pp.StandardScaler(), model)
# within what training saw, and a little beyond
NEAR = np.vstack([X[:5] + 0.01, X.min(0), X.max(0), X.mean(0), X.min(0) - [1, 2, 0.05, 9], X.max(0) + [0.5, 7, 0.1, 30]])


def clusters():
    yield "nearest_centroid", NearestCentroid(), X, ROWS[:-1], CLASSES
    yield "nearest_centroid_manhattan", NearestCentroid(metric="manhattan"), X, ROWS[:-1], CLASSES
    yield "nearest_centroid_shrunk", scaled(NearestCentroid(shrink_threshold=0.3)), X, ROWS[:-1], BINARY
    if VERSION >= (1, 6):
        yield "nearest_centroid_priors", scaled(NearestCentroid(priors="empirical")), X, ROWS[:-1], CLASSES
        yield "nearest_centroid_binary", scaled(NearestCentroid(priors=[0.2, 0.8])), X, ROWS[:-1], BINARY
    yield "mean_shift", scaled(MeanShift(bandwidth=1.5)), X, NEAR
    yield "affinity", scaled(AffinityPropagation(random_state=0)), X[:16], NEAR
    yield "birch", scaled(Birch(threshold=0.6, n_clusters=3)), X, NEAR
    yield "birch_single", scaled(Birch(threshold=1.0, n_clusters=None)), X, NEAR
    yield "birch_step", make_pipeline(pp.StandardScaler(), Birch(threshold=1.0, n_clusters=2), lm.Ridge()), X, NEAR, TARGET
    if VERSION >= (1, 1):
        from sklearn.cluster import BisectingKMeans

        yield "bisecting", scaled(BisectingKMeans(5, random_state=0)), X, NEAR
        yield "bisecting_plain", BisectingKMeans(4, random_state=1, bisecting_strategy="largest_cluster"), X, NEAR
        yield "bisecting_step", make_pipeline(BisectingKMeans(4, random_state=1), lm.Ridge()), X, NEAR, TARGET
    for function in (np.mean, np.max, np.median):
        yield f"agglomeration_{function.__name__}", FeatureAgglomeration(2, pooling_func=function), X, ROWS
    for beyond in ("constant", "linear", "continue", "periodic"):
        for degree in (1, 2, 3):
            yield f"splines_{beyond}_{degree}", pp.SplineTransformer(5, degree=degree, extrapolation=beyond), X, NEAR
    yield "splines_error", pp.SplineTransformer(4, extrapolation="error"), X, NEAR[:8]
    yield "splines_quantile", pp.SplineTransformer(6, knots="quantile", include_bias=False), np.round(X), NEAR
    yield "splines_ridge", make_pipeline(pp.SplineTransformer(5, extrapolation="linear"), lm.Ridge()), X, NEAR, TARGET
    if VERSION >= (1, 3):
        yield "splines_sparse", make_pipeline(pp.SplineTransformer(5, sparse_output=True), lm.LogisticRegression()), X, NEAR, CLASSES
    if VERSION >= (1, 8):
        yield "splines_missing", pp.SplineTransformer(4, handle_missing="zeros"), HOLES, NEAR
    few = dict(n_estimators=4, max_depth=3, random_state=0)
    yield "forest_embedding", RandomTreesEmbedding(**few), X, ROWS
    yield "leaves_logistic", make_pipeline(RandomTreesEmbedding(**few), lm.LogisticRegression()), X, ROWS, CLASSES
    yield "canonical", PLSCanonical(2), X, ROWS[:-1], MANY
    yield "cca", CCA(1), X, ROWS[:-1], MANY
    yield "neighbourhood_components", scaled(NeighborhoodComponentsAnalysis(2, random_state=0, max_iter=10)), X, ROWS, CLASSES
    process = lambda kernel=None, **more: scaled(GaussianProcessClassifier(kernel, optimizer=None, **more))
    yield "process_classes", process(1.0 * kernels.RBF(1.3)), X[:20], ROWS[:-1], CLASSES[:20]
    yield "process_binary", process(kernels.Matern(1.3) + kernels.WhiteKernel(0.3)), X[:20], ROWS[:-1], BINARY[:20]
    yield "process_dot", process(0.2 * kernels.DotProduct(0.5) + kernels.RationalQuadratic(2.0)), X[:20], ROWS[:-2], BINARY[:20]
    yield "process_pairs", process(multi_class="one_vs_one"), X[:20], ROWS[:-1], CLASSES[:20]
    some = np.where(np.arange(60) % 3 == 0, -1, BINARY)
    yield "self_training", scaled(SelfTrainingClassifier(lm.LogisticRegression())), X, ROWS, some
    yield "self_training_forest", SelfTrainingClassifier(RandomForestClassifier(4, max_depth=3, random_state=0)), X, ROWS, some
    if VERSION >= (1, 6):
        from sklearn.calibration import CalibratedClassifierCV
        from sklearn.frozen import FrozenEstimator

        fitted = scaled(lm.LogisticRegression()).fit(X, CLASSES)
        yield "frozen", CalibratedClassifierCV(FrozenEstimator(fitted)), X, ROWS, CLASSES
        scaler = FrozenEstimator(pp.StandardScaler().fit(X))
        yield "frozen_step", make_pipeline(scaler, lm.Ridge()), X, ROWS, TARGET


def factors():
    positive = np.abs(X)
    for name, options in [("plain", {}), ("penalties", {"alpha_W": 0.01, "l1_ratio": 0.3})]:
        yield f"nmf_{name}", NMF(2, init="nndsvda", max_iter=500, **options), positive, np.abs(ROWS[:-1])
    yield "nmf_text", make_pipeline(TfidfVectorizer(), NMF(3, init="nndsvda")), TEXTS, TEXT_ROWS
    yield "nmf_logistic", make_pipeline(TfidfVectorizer(), NMF(3, init="nndsvda"), lm.LogisticRegression()), TEXTS, TEXT_ROWS, CLASSES


# what a batch says together is not what its rows say alone
factors.alone = True

ODD_TEXTS = [
    "", " ", "\n\t\r", "снег и солнце", "СНЕГ ИЛИ солнце?!", "за\u0301мок замо\u0301к", "й й", "e\u0301 é", "İSTANBUL ıi", "STRASSE straße ẞ",
    "ΣΊΣΥΦΟΣ σίσυφος", "ﬁne ﬃ ﬀ", "Ǆ ǅ ǆ", "K Å Ω", "ſoft", "１２３ ｆｕｌｌ", "٣٤٥ ۳۴", "½ ² ⅷ", "a\u200bb a\u200db a\u00adb", "\ufeffrain",
    "rain\u00a0snow\u2003sun", "rain_snow __init__ _", "👩‍👩‍👧 🏳️‍🌈 ☃", "𝐫𝐚𝐢𝐧 𐐀𐐨", "مرحبا بالعالم", "ありがとう 天気", "ไทย ภาษา", "हिन्दी नमस्ते", "한국어 날씨",
    "\x00 rain \x1c\x1d snow \x85 sun \x7f", "don't can't o'clock", "a.b,c;d", "the THE The tHe", "x" * 3000, "rain " * 2000, "\u0345 ͅα", "ŉ ǰ ΐ",
]


# their distances to what is so far cancel out in scikit-learn's sums
NEAR_ONLY = {"KMeans", "MiniBatchKMeans", "BisectingKMeans", "Birch", "MeanShift", "AffinityPropagation", "KNNImputer", "GaussianProcessClassifier"}


def edges(rows, name, is_frame):
    """Rows at the edge of what an estimator takes, each to be asked for alone."""
    if isinstance(rows, np.ndarray):
        # a row that training saw is at a distance of about 1e-8 from itself for scikit-learn
        base = rows[len(rows) // 2] if name in NEAR_ONLY else rows[0]
        for place in (0, rows.shape[1] - 1):
            for odd in (np.nan, np.inf, -np.inf, 5e-324, -0.0) + (() if name in NEAR_ONLY else (1e39, -1e39)):
                row = base.astype(float).copy()
                row[place] = odd
                yield row
        if name != "IterativeImputer":  # leaves a batch of nothing but missing values at its first guess
            yield np.full(rows.shape[1], np.nan)
    elif isinstance(rows[0], str):
        yield from ODD_TEXTS
    else:
        for place, cell in enumerate(rows[0]):
            # pandas makes a column of another type of a single None
            odds = ["", "unseen ☃", "чёрный "] + [None] * (not is_frame) if isinstance(cell, str) else [np.nan, np.inf, -np.inf, -0.0, 1e39]
            for odd in odds:
                yield rows[0][:place] + [odd] + rows[0][place + 1:]


FAMILIES = [clusters, factors]
