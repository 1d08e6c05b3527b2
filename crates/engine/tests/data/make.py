"""Makes the reference vectors of the engine's tests: models saved by scikit-learn and what that
scikit-learn itself predicts with them.

    python3 make.py FOLDER          the few small files that stand in the repository
    python3 make.py FOLDER --all    every case in every format

Run it with each scikit-learn version; the files go to FOLDER/<version>/. All texts are our own.
"""

import json
import os
import pickle
import sys
import zipfile

import joblib
import numpy as np
import skops.io
import sklearn
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler
from sklearn.tree import DecisionTreeClassifier

TEXTS = {
    "weather": [
        "Завтра обещают дождь и сильный ветер", "Ночью мороз, днём оттепель", "Снег растаял за один день",
        "The forecast says rain and more rain", "A cold wind came from the north", "Sunny, then clouds, then sunny again",
        "Гроза прошла стороной", "Туман над рекой к утру рассеялся", "The storm was over by noon", "Жара спадёт к вечеру",
    ],
    "food": [
        "Суп лучше варить на медленном огне", "Добавьте в тесто щепотку соли", "Хлеб ещё тёплый, с хрустящей корочкой",
        "Cut the onion and fry it in butter", "The soup needs salt and pepper", "Bread, cheese and a glass of milk",
        "Варенье из яблок стоит в погребе", "Чай с лимоном и мёдом", "Bake the pie for forty minutes", "Ёлка печенья и кофе",
    ],
    "sport": [
        "Матч закончился вничью", "Команда выиграла три игры подряд", "Лыжница пришла к финишу первой",
        "The team won the cup in the last minute", "She ran the marathon in three hours", "The goalkeeper saved a penalty",
        "Тренировка начинается в семь утра", "Вратарь отбил все удары", "The race starts at noon", "Шахматист сдал партию",
    ],
}

QUERIES = [text for texts in TEXTS.values() for text in texts[:2]] + [
    "", " ", "a", "Я", "soup", "ДОЖДЬ и снег и ДОЖДЬ", "за́мок и замо́к", "café naïve Zürich", "ЁЛКА ёлка елка йод",
    "İstanbul ISPARTA ß ẞ ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ", "½ litre of milk, Ⅷ kings, x² + y³", "٣ عصائر ३ सेब", "foo\u200dbar зё\u200dрна",
    "👩\u200d🍳 soup 🍞", "a\x1cb\x1dc\x1ed\x1fe", "soup\u00a0and\u2003bread\ufeff", "tab\tand\nnewline\r\nand  two   spaces",
    "don't stop_me_now 42 4x4", "the the the the rain rain and of", "ﬁne ﬂour ①②", "Ǆ ǅ ǆ ŉ ǰ", "мама мыла раму " * 5,
    "x" * 300, "Й й И\u0306 и\u0306", "rain-soup.bread,cheese;milk", "ὐ ΐ ΰ ſ K Å", "\u0345Α\u0345 ͅ", "𝐛𝐨𝐥𝐝 𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "中文 字 한국어 日本語テキスト",
]

DOCS = [text for texts in TEXTS.values() for text in texts]
CLASSES = [name for name, texts in TEXTS.items() for _ in texts]
BINARY = [int(name == "food") for name in CLASSES]

random = np.random.RandomState(7)
NUMBERS = np.round(random.normal(size=(90, 4)) * [1, 10, 0.1, 100] + [0, 5, 0, -50], 6)
GROUPS = ((NUMBERS[:, 0] > 0).astype(int) + (NUMBERS[:, 1] > 5).astype(int) * (NUMBERS[:, 3] > -60)).astype(int)
ROWS = np.vstack([NUMBERS[:20], np.round(random.normal(size=(20, 4)) * [2, 20, 0.2, 200], 3)])
HOLES = NUMBERS.copy()
HOLES[::7, 1] = np.nan
HOLES[::5, 3] = np.nan
HOLED_ROWS = ROWS.copy()
HOLED_ROWS[::3, 1] = np.nan

VERSION = tuple(int(part) for part in sklearn.__version__.split(".")[:2])


def text_cases():
    lr = lambda **options: LogisticRegression(max_iter=1000, **options)
    words = lambda **options: TfidfVectorizer(**options)
    yield "words_lr", make_pipeline(words(), lr()), CLASSES
    yield "words_lr_binary", make_pipeline(words(ngram_range=(1, 2)), lr()), BINARY
    yield "words_lr_objects", make_pipeline(words(), lr()), np.array(CLASSES, dtype=object)
    yield "words_lr_bools", make_pipeline(words(), lr(fit_intercept=False)), np.array(BINARY, dtype=bool)
    yield "words_lr_newton", make_pipeline(words(), lr(solver="newton-cholesky")), CLASSES
    if VERSION < (1, 8):
        yield "words_lr_ovr", make_pipeline(words(), lr(multi_class="ovr")), CLASSES
        yield "words_lr_liblinear", make_pipeline(words(), lr(solver="liblinear")), CLASSES
        yield "words_lr_multinomial_binary", make_pipeline(words(), lr(multi_class="multinomial")), BINARY
    yield "words_lrcv", make_pipeline(words(), LogisticRegressionCV(Cs=3, cv=2, max_iter=1000)), CLASSES
    yield "counts_lr", make_pipeline(CountVectorizer(), lr()), CLASSES
    yield "counts_tfidf_lr", Pipeline([("c", CountVectorizer(binary=True)), ("skip", "passthrough"), ("t", TfidfTransformer(sublinear_tf=True, norm="l1")), ("l", lr())]), CLASSES
    yield "nested_search", GridSearchCV(Pipeline([("p", make_pipeline(words())), ("l", lr())]), {"l__C": [0.1, 10.0]}, cv=2), CLASSES
    yield "sublinear_l1", make_pipeline(words(sublinear_tf=True, norm="l1"), lr()), CLASSES
    yield "no_norm", make_pipeline(words(norm=None, smooth_idf=False), lr()), CLASSES
    yield "no_idf_binary", make_pipeline(words(use_idf=False, binary=True), lr()), CLASSES
    yield "case_kept", make_pipeline(words(lowercase=False, min_df=1, max_df=0.9), lr()), CLASSES
    yield "accents_unicode", make_pipeline(words(strip_accents="unicode"), lr()), CLASSES
    yield "accents_ascii", make_pipeline(words(strip_accents="ascii"), lr()), CLASSES
    yield "stop_english", make_pipeline(words(stop_words="english", ngram_range=(1, 3)), lr()), CLASSES
    yield "stop_list", make_pipeline(words(stop_words=["и", "and", "the", "в"]), lr()), CLASSES
    yield "one_letter", make_pipeline(words(token_pattern=r"(?u)\b\w+\b"), lr()), CLASSES
    yield "pattern_letters", make_pipeline(words(token_pattern=r"[^\W\d_]{2,}"), lr()), CLASSES
    yield "pattern_boundary", make_pipeline(words(token_pattern=r"\b[a-zа-яё]\w*\b"), lr()), CLASSES
    yield "pattern_group", make_pipeline(words(token_pattern=r"(\w+)(?=\s|$)"), lr()), CLASSES
    yield "pattern_spaces", make_pipeline(words(token_pattern=r"\S+"), lr()), CLASSES
    yield "char", make_pipeline(words(analyzer="char", ngram_range=(2, 4), max_features=200), lr()), CLASSES
    yield "char_single", make_pipeline(words(analyzer="char"), lr()), CLASSES
    yield "char_wb", make_pipeline(words(analyzer="char_wb", ngram_range=(2, 5), max_features=200, strip_accents="unicode"), lr()), CLASSES
    yield "words_tree", make_pipeline(words(), DecisionTreeClassifier(random_state=0)), CLASSES
    yield "words_forest", make_pipeline(words(), RandomForestClassifier(5, random_state=0)), CLASSES


def number_cases():
    lr = LogisticRegression(max_iter=1000)
    named = StandardScaler()
    yield "standard_lr", make_pipeline(named, lr), NUMBERS, ROWS
    yield "robust_lr", make_pipeline(RobustScaler(), LogisticRegression(max_iter=1000)), NUMBERS, ROWS
    yield "minmax_lr", make_pipeline(MinMaxScaler(feature_range=(-1, 2), clip=True), LogisticRegression(max_iter=1000)), NUMBERS, ROWS
    yield "bare_lr", LogisticRegression(max_iter=5000), NUMBERS, ROWS
    yield "tree", DecisionTreeClassifier(random_state=0), NUMBERS, ROWS
    yield "tree_shallow", DecisionTreeClassifier(random_state=0, max_depth=2, class_weight="balanced"), NUMBERS, ROWS
    yield "forest", RandomForestClassifier(7, random_state=0, max_depth=4), NUMBERS, ROWS
    yield "extra_trees", ExtraTreesClassifier(7, random_state=0, max_depth=4), NUMBERS, ROWS
    if VERSION >= (1, 3):
        yield "tree_missing", DecisionTreeClassifier(random_state=0), HOLES, HOLED_ROWS
    if VERSION >= (1, 4):
        yield "forest_missing", RandomForestClassifier(7, random_state=0), HOLES, HOLED_ROWS


FORMATS = {
    **{f"p{protocol}.pkl": (lambda model, path, protocol=protocol: pickle.dump(model, open(path, "wb"), protocol)) for protocol in range(6)},
    "raw.joblib": lambda model, path: joblib.dump(model, path, compress=0),
    "zlib.joblib": lambda model, path: joblib.dump(model, path, compress=("zlib", 9)),
    "gzip.joblib": lambda model, path: joblib.dump(model, path, compress=("gzip", 9)),
    "bz2.joblib": lambda model, path: joblib.dump(model, path, compress=("bz2", 9)),
    "lzma.joblib": lambda model, path: joblib.dump(model, path, compress=("lzma", 6)),
    "xz.joblib": lambda model, path: joblib.dump(model, path, compress=("xz", 6)),
    "lz4.joblib": lambda model, path: joblib.dump(model, path, compress=("lz4", 9)),
    "stored.skops": lambda model, path: skops.io.dump(model, path),
    "deflated.skops": lambda model, path: skops.io.dump(model, path, compression=zipfile.ZIP_DEFLATED),
}

# In the repository: every case once, in the smallest format; two cases in every format.
SMALL_EVERYWHERE = {"words_lr", "forest"}
SMALL_ENDINGS = {"p2.pkl", "p5.pkl", "raw.joblib"} | (set(FORMATS) if VERSION == (1, 6) else {"deflated.skops"})


def save(folder, name, model, everything):
    for ending, write in FORMATS.items():
        if everything or ending == "zlib.joblib" or (name in SMALL_EVERYWHERE and ending in SMALL_ENDINGS):
            write(model, os.path.join(folder, f"{name}.{ending}"))


def rounded(table):
    """Twelve decimals: a thousand times finer than the tolerance."""
    return [[round(value, 12) for value in row] for row in table.tolist()]


def plain(values):
    return [value.item() if hasattr(value, "item") else value for value in values]


def cell(value):
    return None if value != value else value


def fits():
    """What models fitted to convergence predict, to compare another trainer with."""
    fits = {}
    for name, labels in (("multinomial", CLASSES), ("binary", BINARY)):
        model = make_pipeline(TfidfVectorizer(), LogisticRegression(tol=1e-10, max_iter=100_000))
        fits[name] = {"labels": labels, "probabilities": rounded(model.fit(DOCS, labels).predict_proba(QUERIES))}
    tree = DecisionTreeClassifier(max_depth=3, random_state=0).fit(NUMBERS, GROUPS)
    rows = [[cell(value) for value in row] for row in NUMBERS.tolist()]
    fits["tree"] = {"rows": rows, "labels": GROUPS.tolist(), "probabilities": rounded(tree.predict_proba(ROWS))}
    return {"docs": DOCS, **fits}


def main():
    folder = os.path.join(sys.argv[1], ".".join(sklearn.__version__.split(".")[:2]))
    everything = "--all" in sys.argv
    os.makedirs(folder, exist_ok=True)
    expected = {}
    for name, model, labels in text_cases():
        model.fit(DOCS, labels)
        save(folder, name, model, everything)
        case = {"labels": plain(model.predict(QUERIES)), "probabilities": rounded(model.predict_proba(QUERIES))}
        steps = getattr(model, "steps", [])
        if steps and isinstance(steps[0][1], (TfidfVectorizer, CountVectorizer)):
            features = model[:-1].transform(QUERIES).astype(float)
            features.sort_indices()
            case["features"] = [
                [features[row].indices.tolist(), [value.hex() for value in features[row].data.tolist()]]
                for row in range(len(QUERIES))
            ]
        expected[name] = case
    for name, model, table, rows in number_cases():
        model.fit(table, GROUPS)
        if name == "standard_lr":
            names = np.array(["alpha", "бета", "gamma", "delta"], dtype=object)
            model[0].feature_names_in_ = names
        save(folder, name, model, everything)
        if name == "standard_lr":
            del model[0].feature_names_in_
        expected[name] = {"labels": plain(model.predict(rows)), "probabilities": rounded(model.predict_proba(rows))}
    expected["fit"] = fits()
    # the bits of the features are the same in all versions; one is enough for the repository
    if not everything and VERSION != (1, 6):
        expected.pop("fit")
        for case in expected.values():
            case.pop("features", None)
    with open(os.path.join(folder, "expected.json"), "w") as file:
        json.dump(expected, file, separators=(",", ":"), ensure_ascii=False)
    with open(os.path.join(sys.argv[1], "inputs.json"), "w") as file:
        tables = {"rows": ROWS, "holed_rows": HOLED_ROWS}
        tables = {name: [[cell(value) for value in row] for row in table.tolist()] for name, table in tables.items()}
        json.dump({"texts": QUERIES, **tables}, file, ensure_ascii=False, indent=0)


if __name__ == "__main__":
    import warnings

    warnings.filterwarnings("ignore")
    main()
