"""Writes the Parquet files of the tests, and the cells that are expected of them.

    python parquet.py          needs pyarrow (26.0.1 wrote the files at hand)
"""

import datetime as dt
import decimal
import json
import uuid
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = Path(__file__).parent / "parquet"
FOLDER.mkdir(exist_ok=True)
ROWS = 50


def column(type, values):
    """Every seventh is missing."""
    return pa.array([None if row % 7 == 3 else value for row, value in enumerate(values)], type)


numbers = range(ROWS)
half = [float(np.float16(n / 10)) for n in numbers]
columns = {
    "float": column(pa.float32(), [n / 10 for n in numbers]),
    "double": column(pa.float64(), [n / 3 - 5 for n in numbers]),
    "half": pa.array([None if n % 7 == 3 else np.float16(n / 10) for n in numbers], pa.float16()),
    "int8": column(pa.int8(), [n - 25 for n in numbers]),
    "int64": column(pa.int64(), [n * 2**56 - 2**60 for n in numbers]),
    "uint32": column(pa.uint32(), [2**32 - 1 - n for n in numbers]),
    "uint64": column(pa.uint64(), [2**40 + n for n in numbers]),
    "required": pa.array([n * 1000 for n in numbers], pa.int32()),
    "bool": column(pa.bool_(), [n % 2 == 0 for n in numbers]),
    "text": column(pa.string(), [["да", "нет", "", "a,\"b\"\n"][n % 4] for n in numbers]),
    "category": column(pa.string(), [["red", "green"][n % 2] for n in numbers]).dictionary_encode(),
    "binary": column(pa.binary(), [b"plain" for _ in numbers]),
    "decimal": column(pa.decimal128(12, 2), [decimal.Decimal(n * 7 - 100) / 100 for n in numbers]),
    "big": column(pa.decimal128(30, 3), [decimal.Decimal(n * 12345678901) / 1000 for n in numbers]),
    "date": column(pa.date32(), [dt.date(1969, 12, 20) + dt.timedelta(days=n) for n in numbers]),
    "time": column(pa.time64("us"), [dt.time(1, 2, n, n * 1000) for n in numbers]),
    "moment": column(pa.timestamp("ms"), [dt.datetime(1969, 12, 31, 23, 59, 50) + dt.timedelta(seconds=n, milliseconds=250 * (n % 2)) for n in numbers]),
    "nothing": pa.nulls(ROWS),
}
table = pa.table(columns)


def cell(name, value):
    if value is None:
        return ""
    if name == "half":
        value = float(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (decimal.Decimal, float)):
        number = float(value)
        return str(int(number)) if number == int(number) else repr(number)
    if isinstance(value, dt.datetime):
        return str(value).rstrip("0") if "." in str(value) else str(value)
    if isinstance(value, dt.time):
        return str(value).rstrip("0") if "." in str(value) else str(value)
    return str(value)


names = list(columns)
expected = [names] + [[cell(name, columns[name][row].as_py()) for name in names] for row in numbers]
(FOLDER / "expected.json").write_text(json.dumps(expected, ensure_ascii=False, indent=0) + "\n")
for codec, options in [
    ("plain", {"compression": "none"}),
    ("snappy", {"compression": "snappy", "use_dictionary": False}),
    ("zstd", {"compression": "zstd", "row_group_size": 20}),
    ("gzip", {"compression": "gzip", "data_page_version": "2.0"}),
    ("lz4", {"compression": "lz4", "row_group_size": 17}),
    ("pages", {"compression": "snappy", "data_page_size": 16, "write_batch_size": 4, "use_deprecated_int96_timestamps": True}),
]:
    pq.write_table(table, FOLDER / f"{codec}.parquet", **options)
pq.write_table(pa.table({"a": [1, 2], "tags": [["x"], []]}), FOLDER / "nested.parquet")
