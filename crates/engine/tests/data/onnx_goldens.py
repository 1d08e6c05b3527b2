"""Makes the golden files of the engine's ONNX tests: models, rows, and what onnxruntime says of them.

    python3 onnx_goldens.py FOLDER [models|operators|layers|standard]

Models come from skl2onnx and onnxmltools (scikit-learn, XGBoost, LightGBM), from onnx.helper (every operator in the
forms that files have), and layers of networks. With `standard`: ONNX's own tests of each operator, which are not kept
in the repository. Needs onnx, onnxruntime, scikit-learn, skl2onnx, onnxmltools, xgboost, lightgbm, pandas. FOLDER gets `models.onnxgold` and so on: zlib-compressed JSON, models as base64.
"""

import base64
import json
import sys
import warnings
import zlib

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper

warnings.simplefilter("ignore")
random = np.random.RandomState(7)
KINDS = "bool float32 float64 int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()
TYPES = {"float32": "float", "float64": "double", "bool": "bool", "object": "string"}


def values(array):
    """A tensor as JSON: type, shape, flat values; NaN and infinities as strings."""
    array = np.asarray(array)
    if array.dtype.kind in "US":
        array = array.astype(object)
    kind = TYPES.get(array.dtype.name, array.dtype.name)
    flat = array.reshape(-1).tolist()
    if array.dtype.kind == "f":
        flat = [value if np.isfinite(value) else repr(value) for value in flat]
    return {"type": kind, "shape": list(array.shape), "values": [v if not isinstance(v, bytes) else v.decode() for v in flat]}


def answer(value):
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return {"maps": [[[key, float(number)] for key, number in row.items()] for row in value]}
    if isinstance(value, list):
        return {"sequence": [answer(item) for item in value]}
    return values(value)


def session(model):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def case(name, model, feeds):
    data = model.SerializeToString() if hasattr(model, "SerializeToString") else model
    try:
        given = session(data).run(None, feeds)
    except Exception as problem:
        print("refused by onnxruntime:", name, str(problem)[:200], file=sys.stderr)
        return None
    return {
        "name": name,
        "model": base64.b64encode(data).decode(),
        "inputs": [[key, values(value)] for key, value in feeds.items()],
        "outputs": [answer(value) for value in given],
    }


def operator(name, inputs, outputs=1, opset=18, domain="", attributes=None, op=None, constants=()):
    """A graph of one node; `constants` are positions of inputs that are initialisers."""
    names, feeds, initializers = [], {}, []
    for position, value in enumerate(inputs):
        if value is None:
            names.append("")
            continue
        value = np.asarray(value)
        names.append(f"x{position}")
        if position in constants:
            initializers.append(numpy_helper.from_array(value, names[-1]))
        else:
            feeds[names[-1]] = value
    attributes = attributes or {}
    node = h.make_node(op or name.split(".")[0], names, [f"y{i}" for i in range(outputs)], name=name, domain=domain, **attributes)
    kind = lambda value: T.STRING if value.dtype.kind in "UO" else h.np_dtype_to_tensor_dtype(value.dtype)
    ports = [h.make_tensor_value_info(key, kind(value), [None] * value.ndim) for key, value in feeds.items()]
    graph = h.make_graph([node], "one", ports, [h.make_empty_tensor_value_info(f"y{i}") for i in range(outputs)], initializers)
    opsets = [h.make_opsetid("", opset), h.make_opsetid("ai.onnx.ml", 3 if opset < 23 else 5), h.make_opsetid("com.microsoft", 1)]
    return case(name, h.make_model(graph, opset_imports=opsets, ir_version=8), feeds)


def f(*shape):
    return np.round(random.normal(size=shape) * 2, 3).astype(np.float32)


def operators():
    x, y = f(3, 4), f(3, 4)
    one = lambda *args, **kw: operator(*args, **kw)
    for name in "Abs Neg Exp Floor Ceil Round Sin Cos Tan Atan Sinh Cosh Asinh Tanh Reciprocal Sigmoid Erf Softplus Softsign Relu Sign Identity Selu Elu Celu LeakyRelu HardSigmoid HardSwish ThresholdedRelu Mish".split():
        yield one(name, [x])
    special = np.array([np.nan, np.inf, -np.inf, 0, -0.0, 1e-30, 3.5, 2.5, -2.5], np.float32)
    for name in "Abs Neg Exp Floor Round Sigmoid Relu IsNaN IsInf Sign Erf Tanh".split():
        yield one(name + ".special", [special])
    for name in "Sqrt Log".split():
        yield one(name, [np.abs(x)])
    yield one("Acos", [x / 10]); yield one("Asin", [x / 10]); yield one("Atanh", [x / 10]); yield one("Acosh", [np.abs(x) + 1])
    for how in ["none", "tanh"]:
        yield one("Gelu." + how, [x], opset=20, attributes={"approximate": how})
    yield one("LeakyRelu.alpha", [x], attributes={"alpha": 0.3})
    for name in "Add Sub Mul Div Max Min Pow Equal Less Greater LessOrEqual GreaterOrEqual".split():
        left = np.abs(x) if name == "Pow" else x
        yield one(name, [left, y])
        yield one(name + ".row", [left, y[0]])
        yield one(name + ".column", [left, y[:, :1]])
        yield one(name + ".scalar", [left, np.float32(2)])
        yield one(name + ".outer", [left[:, None], y[None]])
        if name != "Pow":
            yield one(name + ".int64", [np.array([[5, -7], [9, 2]]), np.array([3, -2])])
            yield one(name + ".double", [x.astype(float), y.astype(float)])
    yield one("Equal.text", [np.array(["a", "b"], object), np.array(["a", "c"], object)], opset=19)
    for fmod in [0, 1]:
        yield one(f"Mod.{fmod}", [np.array([5, -7, 9, -2]), np.array([3, 3, -4, -2])], attributes={"fmod": fmod})
    yield one("Mod.float", [x, y], attributes={"fmod": 1})
    b1, b2 = np.array([True, True, False, False]), np.array([True, False, True, False])
    for name in "And Or Xor".split():
        yield one(name, [b1, b2])
    yield one("Not", [b1])
    yield one("Where", [b1, np.arange(4), np.int64(9)])
    for name in "Sum Mean Max Min".split():
        yield one(name + ".three", [x, y, y[0]])
    yield one("PRelu", [x, np.array([0.1, 0.2, 0.3, 0.4], np.float32)])
    yield one("Clip", [x, np.float32(-1), np.float32(1)])
    yield one("Clip.low", [x, np.float32(-1), None])
    yield one("Clip.high", [x, None, np.float32(1)])
    yield one("Clip.old", [x], opset=6, attributes={"min": -0.5, "max": 0.5})
    for kind in [T.FLOAT, T.DOUBLE, T.INT32, T.INT64, T.BOOL, T.UINT8, T.INT8]:
        yield one(f"Cast.{kind}", [np.array([0, 1.5, -2.7, 100.2], np.float32) if kind != T.UINT8 else np.array([0, 1.5, 200.2], np.float32)], attributes={"to": kind})
    yield one("Cast.ints", [np.array([0, 1, -2])], attributes={"to": T.FLOAT})
    yield one("Cast.text", [np.array([0, 1.5, -2.25, 1e10, 1e-7, 123456.789, 3], np.float32)], attributes={"to": T.STRING})
    yield one("Cast.int text", [np.array([0, -15, 12345678901])], attributes={"to": T.STRING})
    yield one("Cast.from text", [np.array(["1.5", "-2", "3e5"], object)], attributes={"to": T.FLOAT})
    yield one("Cast.to int", [np.array(["15", "-2"], object)], attributes={"to": T.INT64})
    z = f(2, 3, 4)
    yield one("Reshape", [z, np.array([4, -1])]); yield one("Reshape.zero", [z, np.array([0, -1])])
    yield one("Reshape.all", [z, np.array([0, 0, 2, 2])]); yield one("Reshape.constant", [z, np.array([-1, 4])], constants=[1])
    for at in [0, 1, 2, -1]:
        yield one(f"Flatten.{at}", [z], attributes={"axis": at})
        yield one(f"Concat.{at}", [z, z], attributes={"axis": at} if at != 3 else {})
        yield one(f"Softmax.{at}", [z], attributes={"axis": at}); yield one(f"LogSoftmax.{at}", [z], attributes={"axis": at})
        yield one(f"Softmax.old{at}", [z], opset=11, attributes={"axis": at})
        yield one(f"Hardmax.{at}", [z], attributes={"axis": at})
        yield one(f"ArgMax.{at}", [z], attributes={"axis": at}); yield one(f"ArgMin.{at}", [z], attributes={"axis": at, "keepdims": 0})
        yield one(f"CumSum.{at}", [z, np.array(at)]); yield one(f"CumSum.reverse{at}", [z, np.array(at)], attributes={"reverse": 1, "exclusive": 1})
        yield one(f"Gather.{at}", [z, np.array([[0, 1], [-1, 0]])], attributes={"axis": at})
        yield one(f"TopK.{at}", [z, np.array([2])], outputs=2, attributes={"axis": at})
        yield one(f"TopK.least{at}", [z, np.array([1])], outputs=2, attributes={"axis": at, "largest": 0})
    yield one("Softmax.old", [z], opset=11)
    yield one("ArgMax.last", [np.array([[1, 3, 3, 1]], np.float32)], attributes={"axis": 1, "select_last_index": 1})
    yield one("Squeeze", [f(1, 3, 1)]); yield one("Squeeze.axes", [f(1, 3, 1), np.array([0])]); yield one("Squeeze.old", [f(1, 3, 1)], opset=11, attributes={"axes": [2]})
    yield one("Unsqueeze", [z, np.array([0, -1])]); yield one("Unsqueeze.old", [z], opset=11, attributes={"axes": [0, 2]})
    yield one("Shape", [z]); yield one("Shape.part", [z], attributes={"start": -2, "end": 3}); yield one("Size", [z])
    yield one("Transpose", [z]); yield one("Transpose.perm", [z], attributes={"perm": [1, 0, 2]})
    yield one("Split", [f(6, 2)], outputs=3, attributes={"num_outputs": 3}); yield one("Split.sizes", [f(6, 2), np.array([1, 5])], outputs=2)
    yield one("Split.old", [f(6, 2)], outputs=2, opset=11, attributes={"split": [2, 4]}); yield one("Split.equal", [f(6, 2)], outputs=2, opset=11)
    yield one("Slice", [z, np.array([0, 1]), np.array([1, 100]), np.array([0, 2])])
    yield one("Slice.steps", [z, np.array([-1]), np.array([-100]), np.array([2]), np.array([-2])])
    yield one("Slice.old", [z], opset=9, attributes={"starts": [0, 1], "ends": [2, -1]})
    yield one("GatherElements", [f(3, 3), np.array([[0, 1, 2], [2, -1, 0]])], attributes={"axis": 0})
    yield one("GatherND", [z, np.array([[0, 1], [1, 2]])]); yield one("ScatterND", [f(4), np.array([[1], [3]]), f(2)])
    yield one("ScatterElements", [f(3, 3), np.array([[1, 0, 2]]), f(1, 3)])
    yield one("Compress", [z, np.array([True, False, True])], attributes={"axis": 1}); yield one("Compress.flat", [z, np.array([True, False, True])])
    yield one("Expand", [f(3, 1), np.array([2, 1, 4])]); yield one("Tile", [f(2, 3), np.array([2, 2])])
    yield one("Pad", [f(2, 3), np.array([0, 1, 1, 0]), np.float32(1.5)]); yield one("Pad.zero", [f(2, 3), np.array([1, 0, 0, 2])])
    for mode in ["edge", "reflect"]:
        yield one("Pad." + mode, [f(3, 3), np.array([1, 1, 0, 2])], attributes={"mode": mode})
    yield one("NonZero", [np.array([[1, 0, 2], [0, 0, 3]], np.float32)])
    yield one("OneHot", [np.array([0, 2, -1]), np.array([4]), np.array([0, 1], np.float32)])
    yield one("OneHot.axis", [np.array([[0, 2]]), np.int64(3), np.array([5, 7])], attributes={"axis": 0})
    yield one("Range", [np.int64(2), np.int64(11), np.int64(3)]); yield one("Range.float", [np.float32(5), np.float32(1), np.float32(-1.5)])
    yield one("ConstantOfShape", [np.array([2, 3])]); yield one("ConstantOfShape.int", [np.array([2])], attributes={"value": h.make_tensor("v", T.INT64, [1], [7])})
    yield one("EyeLike", [f(3, 4)], attributes={"k": 1}); yield one("Trilu", [f(3, 4), np.int64(1)]); yield one("Trilu.lower", [f(3, 4)], attributes={"upper": 0})
    for name in "ReduceSum ReduceMean ReduceMax ReduceMin ReduceProd ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp".split():
        yield one(name, [z]); yield one(name + ".axes", [z, np.array([1, -1])], attributes={"keepdims": 0}); yield one(name + ".old", [z], opset=11, attributes={"axes": [0]})
        yield one(name + ".int", [np.arange(1, 7).reshape(2, 3), np.array([1])]) if name in "ReduceSum ReduceMax ReduceMin ReduceProd ReduceMean" else one(name, [z])
    yield one("ReduceLogSum", [np.abs(z)])
    yield one("ReduceSum.idle", [z, np.array([], np.int64)], attributes={"noop_with_empty_axes": 1})
    yield one("LpNormalization", [z], attributes={"axis": 1}); yield one("LpNormalization.1", [z], attributes={"p": 1})
    for a, b in [((3, 4), (4, 5)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((9, 40), (40, 33))]:
        yield one(f"MatMul.{a}{b}", [f(*a), f(*b)]); yield one(f"MatMul.constant{a}{b}", [f(*a), f(*b)], constants=[1])
    yield one("MatMul.double", [f(3, 4).astype(float), f(4, 2).astype(float)])
    for turn_a in [0, 1]:
        for turn_b in [0, 1]:
            a, b = f(*((4, 3) if turn_a else (3, 4))), f(*((5, 4) if turn_b else (4, 5)))
            how = {"transA": turn_a, "transB": turn_b, "alpha": 0.5, "beta": 2.0}
            yield one(f"Gemm.{turn_a}{turn_b}", [a, b, f(5)], attributes=how); yield one(f"Gemm.constant{turn_a}{turn_b}", [a, b, f(3, 1)], attributes=how, constants=[1, 2])
    yield one("Gemm.plain", [f(3, 4), f(4, 5)]); yield one("Gemm.double", [f(3, 4).astype(float), f(4, 5).astype(float), f(1, 5).astype(float)])
    yield one("BatchNormalization", [f(2, 3, 4), f(3), f(3), f(3), np.abs(f(3)) + 0.1]); yield one("BatchNormalization.flat", [f(5, 3), f(3), f(3), f(3), np.abs(f(3)) + 0.1])
    yield one("LayerNormalization", [z, f(4), f(4)]); yield one("LayerNormalization.axis", [z, f(3, 4)], attributes={"axis": 1, "epsilon": 0.01})
    yield one("InstanceNormalization", [f(2, 3, 4, 2), f(3), f(3)])
    yield one("Dropout", [x]); yield one("Dropout.old", [x], opset=9)
    image = f(2, 4, 7, 6)
    for name, how in {"plain": {}, "pads": {"pads": [1, 2, 0, 1]}, "strides": {"strides": [2, 3]}, "dilations": {"dilations": [2, 1]}, "upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, "lower": {"auto_pad": "SAME_LOWER"}}.items():
        for const in [(), (1,)]:
            yield one(f"Conv.{name}{len(const)}", [image, f(6, 4, 3, 2), f(6)], attributes=how, constants=const)
        if name != "dilations":
            yield one(f"AveragePool.{name}", [image], attributes={"kernel_shape": [3, 3], **how})
            yield one(f"AveragePool.all{name}", [image], attributes={"kernel_shape": [3, 3], "count_include_pad": 1, **how})
        yield one(f"MaxPool.{name}", [image], attributes={"kernel_shape": [3, 3], **how})
    yield one("Conv.groups", [image, f(4, 1, 3, 3)], attributes={"group": 4}); yield one("Conv.line", [f(1, 2, 9), f(3, 2, 4), f(3)], attributes={"strides": [2]})
    yield one("MaxPool.up", [image], attributes={"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}); yield one("MaxPool.line", [f(1, 2, 9)], attributes={"kernel_shape": [3]})
    yield one("GlobalAveragePool", [image]); yield one("GlobalMaxPool", [image])
    for way, count in [("forward", 1), ("reverse", 1), ("bidirectional", 2)]:
        how = {"hidden_size": 5, "direction": way}
        yield one("LSTM." + way, [f(4, 2, 3), f(count, 20, 3), f(count, 20, 5), f(count, 40)], outputs=3, attributes=how)
        yield one("RNN." + way, [f(4, 2, 3), f(count, 5, 3), f(count, 5, 5), f(count, 10)], outputs=2, attributes=how)
        for linear in [0, 1]:
            yield one(f"GRU.{way}{linear}", [f(4, 2, 3), f(count, 15, 3), f(count, 15, 5), f(count, 30)], outputs=2, attributes={**how, "linear_before_reset": linear})
    yield one("LSTM.start", [f(4, 2, 3), f(1, 20, 3), f(1, 20, 5), None, np.array([2, 4], np.int32), f(1, 2, 5), f(1, 2, 5)], outputs=3, attributes={"hidden_size": 5})
    yield from texts(one)
    yield from classical(one)


def texts(one):
    t = lambda *words: np.array(words, object)
    yield one("StringNormalizer", [t("Привет", "HELLO", "the", "Ёж")], attributes={"case_change_action": "LOWER", "stopwords": ["the"], "is_case_sensitive": 1, "locale": "C.UTF-8"})
    yield one("StringNormalizer.upper", [t("a", "The", "b")], attributes={"case_change_action": "UPPER", "stopwords": ["the"], "is_case_sensitive": 0, "locale": "C.UTF-8"})
    yield one("StringNormalizer.all", [t("the")], attributes={"stopwords": ["the"], "is_case_sensitive": 1, "locale": "C.UTF-8"})
    for how in [{"tokenexp": "[a-zA-Z0-9_]+", "mincharnum": 1}, {"separators": [" ", ","], "mincharnum": 1}, {"separators": [""], "mincharnum": 1}, {"tokenexp": "\\w\\w+", "mincharnum": 2}]:
        for mark in [0, 1]:
            yield one(f"Tokenizer.{list(how)[0]}{mark}{how['mincharnum']}{how.get('separators')}", [t("one two, three", "a bc", "")], domain="com.microsoft", op="Tokenizer", attributes={"pad_value": "#", "mark": mark, **how})
    pool = {"ngram_counts": [0, 4], "ngram_indexes": [0, 1, 2, 3, 4, 5], "pool_int64s": [2, 3, 5, 4, 5, 6, 7, 8]}
    for mode in ["TF", "IDF", "TFIDF"]:
        for skip in [0, 2]:
            for low, high in [(1, 1), (1, 2), (2, 2)]:
                yield one(f"TfIdfVectorizer.{mode}{skip}{low}{high}", [np.array([[1, 1, 3, 3, 3, 7], [8, 6, 7, 5, 6, 8], [5, 6, 2, 2, 7, 8]])], op="TfIdfVectorizer",
                          attributes={"mode": mode, "max_skip_count": skip, "min_gram_length": low, "max_gram_length": high, "weights": [1.0, 2, 3, 4, 5, 6.5], **pool})
    yield one("TfIdfVectorizer.text", [t("a", "b", "a", "c")], op="TfIdfVectorizer", attributes={"mode": "TF", "max_skip_count": 0, "min_gram_length": 1, "max_gram_length": 2, "ngram_counts": [0, 2], "ngram_indexes": [2, 0, 1], "pool_strings": ["a", "b", "a", "b"]})


def classical(one):
    ml = lambda name, inputs, **kw: one(name, inputs, domain="ai.onnx.ml", **kw)
    x = f(5, 3)
    yield ml("Scaler", [x], attributes={"offset": [1.0, 2, 3], "scale": [0.5, 2, 1]}); yield ml("Scaler.one", [np.arange(6).reshape(2, 3)], attributes={"offset": [1.0], "scale": [0.5]})
    for norm in ["MAX", "L1", "L2"]:
        yield ml("Normalizer." + norm, [x], attributes={"norm": norm})
    holes = x.copy(); holes[1, 1] = np.nan
    yield ml("Imputer", [holes], attributes={"imputed_value_floats": [1.0, 2, 3], "replaced_value_float": float("nan")})
    yield ml("Imputer.int", [np.array([[1, -1], [-1, 3]])], attributes={"imputed_value_int64s": [7], "replaced_value_int64": -1})
    yield ml("Binarizer", [x], attributes={"threshold": 0.5})
    words = np.array([["red", "blue"], ["", "red"]], object)
    for zeros in [1]:
        yield ml("OneHotEncoder", [words], attributes={"cats_strings": ["blue", "red"], "zeros": zeros})
    yield ml("OneHotEncoder.int", [np.array([[1, 2], [9, 1]])], attributes={"cats_int64s": [1, 2, 3]}); yield ml("OneHotEncoder.float", [np.array([[1, 2.7]], np.float32)], attributes={"cats_int64s": [1, 2, 3]})
    keys = {"strings": ["red", "blue"], "int64s": [3, 1], "floats": [1.5, float("nan")]}
    for a in keys:
        given = {"strings": words, "int64s": np.array([3, 9, 1]), "floats": np.array([1.5, 2, np.nan], np.float32)}[a]
        for b in keys:
            if a == b != "strings" and a != "int64s" and a != "floats":
                continue
            yield ml(f"LabelEncoder.{a}.{b}", [given], attributes={f"keys_{a}": keys[a], f"values_{b}": {"strings": ["x", "y"], "int64s": [10, 20], "floats": [0.5, 0.25]}[b]})
    yield ml("LabelEncoder.tensor", [words], opset=23, attributes={"keys_tensor": numpy_helper.from_array(np.array(["red", "blue"], object), "k"), "values_tensor": numpy_helper.from_array(np.array([4, 5], np.int16), "v"), "default_tensor": numpy_helper.from_array(np.array([42], np.int16), "d")})
    yield ml("CategoryMapper", [words], attributes={"cats_strings": ["red", "blue"], "cats_int64s": [5, 6]}); yield ml("CategoryMapper.back", [np.array([5, 7])], attributes={"cats_strings": ["red", "blue"], "cats_int64s": [5, 6], "default_string": "?"})
    yield ml("ArrayFeatureExtractor", [x, np.array([2, 0])]); yield ml("ArrayFeatureExtractor.line", [x[0], np.array([[1, 2]])]); yield ml("ArrayFeatureExtractor.text", [np.array([["a", "b"]], object), np.array([1])])
    yield ml("FeatureVectorizer", [x, f(5, 2)], attributes={"inputdimensions": [3, 2]})
    transforms = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]
    for transform in transforms:
        for labels in [{"classlabels_ints": [5, 9]}, {"classlabels_strings": ["a", "b"]}]:
            yield ml(f"LinearClassifier.two{transform}{list(labels)[0]}", [x], outputs=2, attributes={"coefficients": [1.0, -0.5, 0.2], "intercepts": [0.1], "post_transform": transform, **labels})
            yield ml(f"LinearClassifier.both{transform}{list(labels)[0]}", [x], outputs=2, attributes={"coefficients": [1.0, -0.5, 0.2, -1, 0.5, -0.2], "intercepts": [0.1, -0.1], "post_transform": transform, **labels})
        yield ml(f"LinearClassifier.three{transform}", [x], outputs=2, attributes={"coefficients": list(map(float, f(9))), "intercepts": [0.1, 0.2, 0.3], "post_transform": transform, "classlabels_ints": [1, 2, 3]})
        yield ml(f"LinearRegressor.{transform}", [x], attributes={"coefficients": list(map(float, f(6))), "intercepts": [0.1, 0.2], "targets": 2, "post_transform": transform})
    yield ml("LinearRegressor.one", [x], attributes={"coefficients": [1.0, 2, 3]})
    for kernel in ["LINEAR", "POLY", "RBF", "SIGMOID"]:
        yield ml(f"SVMRegressor.{kernel}", [x], attributes={"coefficients": [0.5, -1, 2], "support_vectors": list(map(float, f(9))), "n_supports": 3, "rho": [0.3], "kernel_type": kernel, "kernel_params": [0.2, 0.1, 2.0]})
    yield from stumps(ml, transforms)


def stumps(ml, transforms):
    x = np.array([[-1, 0], [1, 1], [0, 0], [np.nan, 0.5], [0.5, np.nan], [np.inf, -np.inf]], np.float32)
    shapes = {
        "both": ([0, 1, 0, 1], [(1, 0.3), (1, 0.7), (2, 0.6), (2, 0.4)]), "first": ([0, 0], [(1, 0.3), (2, 0.7)]),
        "second": ([1, 1], [(1, 0.3), (2, 0.7)]), "signs": ([0, 0], [(1, -0.3), (2, 0.7)]), "apart": ([0, 1], [(1, 0.3), (2, -0.7)]),
    }
    def tree(mode, ids, weights, prefix, tracks=0):
        return {"nodes_treeids": [0] * 3, "nodes_nodeids": [0, 1, 2], "nodes_featureids": [0] * 3, "nodes_values": [0.5, 0.0, 0], "nodes_modes": [mode, "LEAF", "LEAF"],
                "nodes_truenodeids": [1, 0, 0], "nodes_falsenodeids": [2, 0, 0], "nodes_missing_value_tracks_true": [tracks, 0, 0],
                f"{prefix}_treeids": [0] * len(ids), f"{prefix}_nodeids": [w[0] for w in weights], f"{prefix}_ids": ids, f"{prefix}_weights": [w[1] for w in weights]}
    for mode in ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]:
        for tracks in [0, 1]:
            yield ml(f"TreeEnsembleRegressor.{mode}{tracks}", [x], attributes={**tree(mode, [0, 0], [(1, 1.0), (2, 2.0)], "target", tracks), "n_targets": 1})
    for name, (ids, weights) in shapes.items():
        for base in [None, [0.1, 0.25]] + ([[0.1]] if name not in ("apart",) else []):
            for transform in transforms:
                for labels in [{"classlabels_int64s": [5, 9]}, {"classlabels_strings": ["a", "b"]}]:
                    how = {**tree("BRANCH_LEQ", ids, weights, "class"), "post_transform": transform, **labels, **({"base_values": base} if base else {})}
                    yield ml(f"TreeEnsembleClassifier.{name}{base}{transform}{list(labels)[0]}", [x], outputs=2, attributes=how)
    for transform in transforms:
        for base in [None, [0.1, 0.2, 0.3]]:
            how = {**tree("BRANCH_LEQ", [0, 1, 2], [(1, 0.3), (1, 0.7), (2, 0.6)], "class"), "post_transform": transform, "classlabels_strings": ["a", "b", "c"], **({"base_values": base} if base else {})}
            yield ml(f"TreeEnsembleClassifier.three{base}{transform}", [x], outputs=2, attributes=how)
    for join in ["SUM", "AVERAGE", "MIN", "MAX"]:
        how = {**tree("BRANCH_LEQ", [0, 1, 1], [(1, 0.3), (1, 0.7), (2, 0.6)], "target"), "n_targets": 2, "aggregate_function": join, "base_values": [1.0, 2.0]}
        yield ml(f"TreeEnsembleRegressor.{join}", [x], attributes=how)


def text_model(model, name, texts):
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import StringTensorType
    column = np.array(texts, object)[:, None]
    made = to_onnx(model, initial_types=[("text", StringTensorType([None, 1]))], options={"zipmap": False})
    # onnxruntime opens the file only where the locale it names is installed
    for node in made.graph.node:
        if node.op_type == "StringNormalizer":
            kept = [attribute for attribute in node.attribute if attribute.name != "locale"]
            del node.attribute[:]
            node.attribute.extend(kept + [h.make_attribute("locale", "C.UTF-8")])
    return case(name, made, {"text": column})


def models():
    from sklearn import cluster, discriminant_analysis, ensemble, feature_extraction, feature_selection, impute, linear_model, naive_bayes, neighbors, neural_network, preprocessing, svm, tree
    from sklearn import calibration, multiclass, compose, decomposition
    from sklearn.pipeline import make_pipeline, make_union
    import pandas
    from skl2onnx import to_onnx, update_registered_converter
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType, Int64TensorType, DoubleTensorType

    X = f(80, 4)
    labels = np.array(["дождь", "snow", "sun"])[(X[:, 0] > 0).astype(int) + (X[:, 1] > 1)]
    binary = (X[:, 0] + X[:, 2] + random.normal(size=80) / 3 > 0).astype(int)
    target = (X[:, 0] * 3 + np.sin(X[:, 1]) + random.normal(size=80) / 5).astype(np.float32)
    rows = np.vstack([X[:6], f(6, 4) * 3]).astype(np.float32)
    rt = lambda **kw: dict(random_state=0, **kw)
    classifiers = {
        "logistic": linear_model.LogisticRegression(), "sgd": linear_model.SGDClassifier(**rt(loss="log_loss")), "ridge": linear_model.RidgeClassifier(), "perceptron": linear_model.Perceptron(),
        "linear svc": svm.LinearSVC(), "svc": svm.SVC(), "svc poly": svm.SVC(kernel="poly"), "svc linear": svm.SVC(kernel="linear"), "nu svc": svm.NuSVC(nu=0.2),
        "tree": tree.DecisionTreeClassifier(**rt(max_depth=5)), "forest": ensemble.RandomForestClassifier(**rt(n_estimators=7, max_depth=4)), "extra": ensemble.ExtraTreesClassifier(**rt(n_estimators=5, max_depth=4)),
        "boosting": ensemble.GradientBoostingClassifier(**rt(n_estimators=6)), "adaboost": ensemble.AdaBoostClassifier(**rt(n_estimators=4)),
        "bagging": ensemble.BaggingClassifier(tree.DecisionTreeClassifier(max_depth=3), **rt(n_estimators=3)), "gaussian": naive_bayes.GaussianNB(), "knn": neighbors.KNeighborsClassifier(3),
        "mlp": neural_network.MLPClassifier((8, 5), **rt(max_iter=60)), "lda": discriminant_analysis.LinearDiscriminantAnalysis(), "qda": discriminant_analysis.QuadraticDiscriminantAnalysis(),
        "voting": ensemble.VotingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))], voting="soft", flatten_transform=False),
        "stacking": ensemble.StackingClassifier([("a", linear_model.LogisticRegression()), ("b", tree.DecisionTreeClassifier(max_depth=3))]),
        "calibrated": calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2), "one versus rest": multiclass.OneVsRestClassifier(linear_model.LogisticRegression()),
        "scaled": make_pipeline(preprocessing.StandardScaler(), preprocessing.PolynomialFeatures(2), decomposition.PCA(5), linear_model.LogisticRegression()),
        "selected": make_pipeline(preprocessing.MinMaxScaler(), feature_selection.SelectKBest(k=2), linear_model.LogisticRegression()),
        "binned": make_pipeline(preprocessing.KBinsDiscretizer(4, encode="onehot-dense", quantile_method="linear"), naive_bayes.BernoulliNB()),
        "union": make_pipeline(make_union(preprocessing.RobustScaler(), preprocessing.Binarizer()), preprocessing.Normalizer(), linear_model.LogisticRegression()),
    }
    for name, model in classifiers.items():
        for kind, y in {"words": labels, "two": binary}.items():
            model.fit(X, y)
            for zipmap in [True, False] if name in ("logistic", "forest") else [False]:
                try:
                    made = to_onnx(model, X[:1], options=None if name == "linear svc" else {"zipmap": zipmap})
                except Exception as problem:
                    print("not converted:", name, kind, str(problem)[:100], file=sys.stderr)
                    break
                yield case(f"{name}, {kind}{', zipmap' if zipmap else ''}", made, {"X": rows})
    regressors = {
        "linear": linear_model.LinearRegression(), "tree": tree.DecisionTreeRegressor(**rt(max_depth=5)), "forest": ensemble.RandomForestRegressor(**rt(n_estimators=7, max_depth=4)),
        "boosting": ensemble.GradientBoostingRegressor(**rt(n_estimators=6)), "svr": svm.SVR(), "knn": neighbors.KNeighborsRegressor(3),
        "mlp": neural_network.MLPRegressor(hidden_layer_sizes=(8,), **rt(max_iter=60)), "poisson": linear_model.PoissonRegressor(), "adaboost": ensemble.AdaBoostRegressor(**rt(n_estimators=4)),
    }
    for name, model in regressors.items():
        model.fit(X, np.abs(target) if name == "poisson" else target)
        try:
            made = to_onnx(model, X[:1])
        except Exception as problem:
            print("not converted:", name, "regressor", str(problem)[:100], file=sys.stderr)
            continue
        yield case(f"{name} regressor", made, {"X": rows})
    both = linear_model.LinearRegression().fit(X, np.column_stack([target, -target]))
    yield case("two targets", to_onnx(both, X[:1]), {"X": rows})
    yield case("double", to_onnx(linear_model.LinearRegression().fit(X.astype(float), target), X[:1].astype(float)), {"X": rows.astype(float)})
    yield case("double forest", to_onnx(ensemble.RandomForestRegressor(**rt(n_estimators=5, max_depth=4)).fit(X.astype(float), target), X[:1].astype(float), target_opset={"": 21, "ai.onnx.ml": 5}), {"X": rows.astype(float)})
    yield case("kmeans", to_onnx(cluster.KMeans(3, **rt(n_init=1)).fit(X), X[:1]), {"X": rows})
    yield case("isolation", to_onnx(ensemble.IsolationForest(**rt(n_estimators=5)).fit(X), X[:1], target_opset={"": 21, "ai.onnx.ml": 3}), {"X": rows})
    holes = X.copy(); holes[::5, 1] = np.nan
    holed = rows.copy(); holed[::3, 1] = np.nan
    yield case("imputed", to_onnx(make_pipeline(impute.SimpleImputer(), linear_model.LogisticRegression()).fit(holes, binary), X[:1], options={"zipmap": False}), {"X": holed})
    frame = pandas.DataFrame({"age": X[:, 0], "colour": np.array(["red", "green", "blue", "чёрный"] * 20), "size": np.arange(80) % 3})
    table = make_pipeline(compose.ColumnTransformer([("n", preprocessing.StandardScaler(), ["age"]), ("c", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["colour"]), ("i", "passthrough", ["size"])]), linear_model.LogisticRegression()).fit(frame, labels)
    types = [("age", FloatTensorType([None, 1])), ("colour", StringTensorType([None, 1])), ("size", Int64TensorType([None, 1]))]
    feeds = {"age": rows[:4, :1], "colour": np.array([["red"], ["violet"], ["чёрный"], [""]], object), "size": np.array([[0], [1], [2], [7]])}
    yield case("table", to_onnx(table, initial_types=types, options={"zipmap": False}), feeds)
    ordinal = compose.ColumnTransformer([("o", preprocessing.OrdinalEncoder(), ["colour"])]).fit(frame)
    yield case("ordinal", to_onnx(ordinal, initial_types=types[1:2]), {"colour": np.array([["red"], ["чёрный"]], object)})
    sentences = ["rain and snow", "the sun is out", "rain rain", "snow", "sun sun sun", "it will snow today"] * 5
    classes = np.array([0, 1, 0, 2, 1, 2] * 5)
    asked = ["snow and rain", "the sun", "", "nothing known here", "Rain SNOW"]
    for name, vectorizer in {"counts": feature_extraction.text.CountVectorizer(), "tf-idf": feature_extraction.text.TfidfVectorizer(ngram_range=(1, 2)), "sublinear": feature_extraction.text.TfidfVectorizer(sublinear_tf=True, norm="l1", stop_words=["the", "is"])}.items():
        yield text_model(make_pipeline(vectorizer, linear_model.LogisticRegression()).fit(sentences, classes), name, asked)
    yield from boosted(X, labels, binary, target, rows, holes, holed)
    yield from networks()


def boosted(X, labels, binary, target, rows, holes, holed):
    import lightgbm
    import xgboost
    from onnxmltools import convert_lightgbm, convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    types = [("X", FloatTensorType([None, 4]))]
    numbered = np.unique(labels, return_inverse=True)[1]
    for name, y in {"two": binary, "three": numbered}.items():
        model = xgboost.XGBClassifier(n_estimators=6, max_depth=3).fit(holes, y)
        yield case(f"xgboost {name}", convert_xgboost(model, initial_types=types), {"X": holed})
        model = lightgbm.LGBMClassifier(n_estimators=6, min_child_samples=5, verbose=-1).fit(holes, y)
        yield case(f"lightgbm {name}", convert_lightgbm(model, initial_types=types, zipmap=False), {"X": holed})
        yield case(f"lightgbm {name}, zipmap", convert_lightgbm(model, initial_types=types), {"X": holed})
    yield case("xgboost regressor", convert_xgboost(xgboost.XGBRegressor(n_estimators=6, max_depth=3).fit(X, target), initial_types=types), {"X": rows})
    yield case("lightgbm regressor", convert_lightgbm(lightgbm.LGBMRegressor(n_estimators=6, min_child_samples=5, verbose=-1).fit(X, target), initial_types=types), {"X": rows})


def networks():
    def dense(name, sizes, last, opset=18):
        nodes, weights, value = [], [], "x"
        for layer, (a, b) in enumerate(zip(sizes, sizes[1:])):
            weights += [numpy_helper.from_array(f(b, a) / a, f"w{layer}"), numpy_helper.from_array(f(b), f"b{layer}")]
            nodes.append(h.make_node("Gemm", [value, f"w{layer}", f"b{layer}"], [f"g{layer}"], transB=1))
            value = f"g{layer}"
            if layer + 2 < len(sizes):
                nodes.append(h.make_node("Relu", [value], [f"r{layer}"])); value = f"r{layer}"
        if last:
            nodes.append(h.make_node(last, [value], ["y"], axis=1)); value = "y"
        nodes.reverse()  # the order of nodes is not the file's
        graph = h.make_graph(nodes, "dense", [h.make_tensor_value_info("x", T.FLOAT, ["batch", sizes[0]])], [h.make_tensor_value_info(value, T.FLOAT, ["batch", sizes[-1]])], weights)
        return case(name, h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=8), {"x": f(3, sizes[0])})
    yield dense("dense", [10, 32, 16, 3], None); yield dense("dense softmax", [10, 33, 17, 4], "Softmax")
    weights = [numpy_helper.from_array(f(4, 1, 3, 3), "c"), numpy_helper.from_array(f(3, 16), "w"), numpy_helper.from_array(np.array([0, -1]), "shape")]
    nodes = [h.make_node("Conv", ["x", "c"], ["a"], pads=[1, 1, 1, 1]), h.make_node("Relu", ["a"], ["b"]), h.make_node("MaxPool", ["b"], ["d"], kernel_shape=[4, 4], strides=[4, 4]),
             h.make_node("Reshape", ["d", "shape"], ["e"]), h.make_node("Gemm", ["e", "w"], ["g"], transB=1), h.make_node("Softmax", ["g"], ["y"])]
    graph = h.make_graph(nodes, "image", [h.make_tensor_value_info("x", T.FLOAT, [1, 1, 8, 8])], [h.make_tensor_value_info("y", T.FLOAT, [1, 3])], weights)
    yield case("image, one at a time", h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), {"x": f(1, 1, 8, 8)})
    branch = lambda op: h.make_graph([h.make_node(op, ["x", "two"], ["r"])], op, [], [h.make_tensor_value_info("r", T.FLOAT, None)])
    body = h.make_graph([h.make_node("Add", ["s", "x"], ["s2"]), h.make_node("Identity", ["c"], ["c2"]), h.make_node("Identity", ["s2"], ["o"])], "body",
                        [h.make_tensor_value_info("i", T.INT64, []), h.make_tensor_value_info("c", T.BOOL, []), h.make_tensor_value_info("s", T.FLOAT, None)],
                        [h.make_tensor_value_info("c2", T.BOOL, []), h.make_tensor_value_info("s2", T.FLOAT, None), h.make_tensor_value_info("o", T.FLOAT, None)])
    nodes = [h.make_node("ReduceSum", ["x"], ["sum"], keepdims=0), h.make_node("Greater", ["sum", "zero"], ["is"]), h.make_node("If", ["is"], ["branched"], then_branch=branch("Mul"), else_branch=branch("Add")),
             h.make_node("Loop", ["rounds", "", "branched"], ["looped", "all"], body=body), h.make_node("ReduceSum", ["all", "first"], ["y"], keepdims=0)]
    weights = [numpy_helper.from_array(np.float32(2), "two"), numpy_helper.from_array(np.float32(0), "zero"), numpy_helper.from_array(np.int64(3), "rounds"), numpy_helper.from_array(np.array([0]), "first")]
    graph = h.make_graph(nodes, "control", [h.make_tensor_value_info("x", T.FLOAT, [1, 3])], [h.make_tensor_value_info("y", T.FLOAT, None)], weights)
    yield case("control", h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), {"x": f(1, 3)})


def layers():
    one = operator
    image = f(2, 4, 3, 4)
    photo = f(1, 2, 4, 5)
    for kind in (np.uint8, np.int8, np.uint16, np.int16):
        opset = 21 if kind().itemsize == 2 else 13
        zero = np.array(3, kind)
        yield one(f"QuantizeLinear.{kind.__name__}", [f(3, 4) * 20, np.float32(0.13), zero], opset=opset, constants=[1, 2])
        small = np.arange(12).reshape(3, 4).astype(kind)
        yield one(f"DequantizeLinear.{kind.__name__}", [small, np.float32(0.13), zero], opset=opset, constants=[1, 2])
    yield one("QuantizeLinear.plain", [f(3, 4) * 20, np.float32(0.5)], opset=13)
    yield one("QuantizeLinear.ties", [np.array([0.5, 1.5, 2.5, -0.5, 1e9, -1e9], np.float32), np.float32(1), np.int8(0)], opset=13)
    yield one("QuantizeLinear.axis", [f(3, 4, 2) * 20, np.array([0.1, 0.2, 0.3, 0.4], np.float32), np.array([1, 2, 3, 4], np.uint8)], opset=13, attributes={"axis": -2})
    yield one("DequantizeLinear.axis", [np.arange(12).reshape(3, 4).astype(np.int8), np.array([0.1, 0.2, 0.3], np.float32)], opset=13, attributes={"axis": 0})
    yield one("DequantizeLinear.int32", [np.array([7, -100000], np.int32), np.float32(0.01)], opset=13)
    yield one("DynamicQuantizeLinear", [f(3, 4)], outputs=3); yield one("DynamicQuantizeLinear.above", [np.abs(f(3, 4)) + 1], outputs=3)
    yield one("DynamicQuantizeLinear.below", [-np.abs(f(3, 4)) - 1], outputs=3); yield one("DynamicQuantizeLinear.zero", [np.zeros((2, 2), np.float32)], outputs=3)
    bytes_ = lambda kind, *shape: random.randint(0, 127, shape).astype(kind)
    yield one("MatMulInteger", [bytes_(np.uint8, 3, 4), bytes_(np.int8, 4, 5)])
    yield one("MatMulInteger.zeros", [bytes_(np.uint8, 3, 4), bytes_(np.uint8, 4, 5), np.uint8(7), np.uint8(9)], constants=[1])
    yield one("MatMulInteger.columns", [bytes_(np.uint8, 2, 3, 4), bytes_(np.int8, 4, 5), np.uint8(7), np.arange(5).astype(np.int8)], constants=[1, 2, 3])
    for kind in (np.uint8, np.int8):
        scales = [np.float32(0.02), kind(3), np.float32(0.03), kind(5), np.float32(0.11), kind(9)]
        left, right = bytes_(kind, 3, 4), bytes_(kind, 4, 5)
        yield one(f"QLinearMatMul.{kind.__name__}", [left, scales[0], scales[1], right, scales[2], scales[3], scales[4], scales[5]], constants=[1, 2, 3, 4, 5, 6, 7])
    for mode in ("nearest", "linear", "cubic"):
        for how in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel"):
            for name, scale in {"up": [1, 1, 2, 2], "down": [1, 1, 0.6, 0.5], "odd": [1, 1, 1.7, 2.3]}.items():
                yield one(f"Resize.{mode} {how} {name}", [photo, None, np.array(scale, np.float32)], opset=13, attributes={"mode": mode, "coordinate_transformation_mode": how})
            yield one(f"Resize.{mode} {how} sizes", [photo, None, None, np.array([1, 2, 7, 3])], opset=13, constants=[3], attributes={"mode": mode, "coordinate_transformation_mode": how})
    for rounding in ("floor", "ceil", "round_prefer_ceil"):
        yield one(f"Resize.{rounding}", [photo, None, np.array([1, 1, 1.5, 0.7], np.float32)], opset=13, attributes={"nearest_mode": rounding})
    yield one("Resize.axes", [photo, None, np.array([2, 3], np.float32)], opset=18, attributes={"mode": "linear", "axes": [2, 3]})
    yield one("Resize.outside", [photo, None, np.array([1, 1, 2, 2], np.float32)], opset=13, attributes={"mode": "cubic", "exclude_outside": 1, "cubic_coeff_a": -0.5})
    yield one("Resize.old", [photo, np.array([1, 1, 2, 2], np.float32)], opset=10); yield one("Upsample", [photo, np.array([1, 1, 2, 3], np.float32)], opset=9)
    yield one("Upsample.linear", [photo, np.array([1, 1, 2, 2], np.float32)], opset=9, attributes={"mode": "linear"})
    for how in ("DCR", "CRD"):
        yield one(f"DepthToSpace.{how}", [f(1, 8, 2, 3)], opset=13, attributes={"blocksize": 2, "mode": how})
    yield one("SpaceToDepth", [f(1, 2, 4, 6)], opset=13, attributes={"blocksize": 2})
    for name, how in {"plain": {}, "strides": {"strides": [2, 3]}, "pads": {"strides": [2, 2], "pads": [1, 0, 1, 2]}, "further": {"strides": [3, 2], "output_padding": [2, 1]},
                      "dilations": {"dilations": [2, 1]}, "upper": {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, "lower": {"auto_pad": "SAME_LOWER", "strides": [2, 2]},
                      "shape": {"output_shape": [7, 8], "strides": [2, 2]}}.items():
        yield one(f"ConvTranspose.{name}", [image, f(4, 3, 3, 2), f(3)], opset=11, attributes=how)
    yield one("ConvTranspose.groups", [image, f(4, 3, 3, 2)], opset=11, attributes={"group": 2}, constants=[1]); yield one("ConvTranspose.line", [f(1, 2, 7), f(2, 3, 3), f(3)], opset=11)
    yield one("GroupNormalization", [image, f(2), f(2)], opset=18, attributes={"num_groups": 2}); yield one("GroupNormalization.channels", [image, f(4), f(4)], opset=21, attributes={"num_groups": 2})
    for equation, shapes in {"ij,jk->ik": [(3, 4), (4, 5)], "bij,bjk->bik": [(2, 3, 4), (2, 4, 5)], "bhid,bhjd->bhij": [(2, 2, 3, 4), (2, 2, 5, 4)], "ii->i": [(3, 3)], "ij->": [(3, 4)],
                             "ij": [(3, 4)], "ij,jk": [(3, 4), (4, 5)], "...ij,...jk->...ik": [(2, 3, 4), (2, 4, 5)], "i,j->ij": [(3,), (4,)], "abc,cd,def->abef": [(2, 3, 4), (4, 5), (5, 2, 3)], " b i , i -> b ": [(2, 3), (3,)]}.items():
        yield one(f"Einsum.{equation}", [f(*shape) for shape in shapes], opset=13, attributes={"equation": equation})
    yield one("Pad.wrap", [f(3, 4), np.array([1, 2, 2, 6])], opset=19, attributes={"mode": "wrap"})
    for name, kind in (("float16", T.FLOAT16), ("bfloat16", T.BFLOAT16)):
        nodes = [h.make_node("Cast", ["x"], ["a"], to=kind), h.make_node("Cast", ["a"], ["y"], to=T.FLOAT)]
        graph = h.make_graph(nodes, "half", [h.make_tensor_value_info("x", T.FLOAT, [None, 8])], [h.make_tensor_value_info("y", T.FLOAT, None)])
        rows = np.array([[0.1, -65519, 65520, 1e-8, 6e-8, 3e-5, 1 / 3, -0.0], [np.nan, np.inf, -np.inf, 2049, 2051, 1e38, -1e-30, 7]], np.float32)
        yield case(f"Cast.{name}", h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), {"x": rows})
    weights = np.array([[0.5, -1.25, 3], [2, 0, 0.125]], np.float16)
    nodes = [h.make_node("Cast", ["w"], ["a"], to=T.FLOAT), h.make_node("MatMul", ["x", "a"], ["y"])]
    graph = h.make_graph(nodes, "half", [h.make_tensor_value_info("x", T.FLOAT, [None, 2])], [h.make_tensor_value_info("y", T.FLOAT, None)], [numpy_helper.from_array(weights, "w")])
    yield case("half weights", h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), {"x": f(3, 2)})
    value = h.make_tensor("s", T.FLOAT, [3], [1.5, -2, 0.25]); places = h.make_tensor("p", T.INT64, [3], [1, 3, 5])
    graph = h.make_graph([h.make_node("MatMul", ["x", "s"], ["y"])], "sparse", [h.make_tensor_value_info("x", T.FLOAT, [None, 2])], [h.make_tensor_value_info("y", T.FLOAT, None)],
                         sparse_initializer=[h.make_sparse_tensor(value, places, [2, 3])])
    yield case("sparse weights", h.make_model(graph, opset_imports=[h.make_opsetid("", 13)], ir_version=8), {"x": f(3, 2)})


def standard():
    """ONNX's own tests of each operator, with the outputs they expect."""
    from onnx.backend.test.case.node import collect_testcases
    for test in collect_testcases(None):
        inputs, outputs = test.data_sets[0]
        if not all(isinstance(value, np.ndarray) for value in [*inputs, *outputs]):
            continue
        if not all(value.dtype.kind in "OUS" or value.dtype.name in KINDS for value in [*inputs, *outputs]):
            continue
        names = [port.name for port in test.model.graph.input]
        try:
            yield {
                "name": test.name,
                "model": base64.b64encode(test.model.SerializeToString()).decode(),
                "inputs": [[key, values(value)] for key, value in zip(names, inputs)],
                "outputs": [values(value) for value in outputs],
            }
        except Exception as problem:
            print("left out:", test.name, str(problem)[:100], file=sys.stderr)


def main():
    folder = sys.argv[1]
    families = {"models": models, "operators": operators, "layers": layers}
    families = {name: {**families, "standard": standard}[name] for name in sys.argv[2:] or families}
    for name, cases in families.items():
        made = []
        for one in cases():
            made += [one] if one else []
        with open(f"{folder}/{name}.onnxgold", "wb") as file:
            file.write(zlib.compress(json.dumps(made, ensure_ascii=False).encode(), 9))
        print(len(made), name)


main()
