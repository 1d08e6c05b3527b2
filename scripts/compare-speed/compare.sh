#!/bin/sh
# Compares what predictions cost with the Python libraries (see compare.py):
#
#     compare.sh FOLDER
#
# FOLDER keeps a virtual environment with the libraries, the models and their rows. Python 3.11 is needed.
set -eu
folder=$1 here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}

if [ ! -x "$folder/venv/bin/python" ]; then
    "$python" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet --only-binary :all: \
        scikit-learn==1.6.1 numpy==2.2.6 scipy==1.15.3 lightgbm==4.6.0 onnxruntime skl2onnx
    "$folder/venv/bin/pip" install --quiet --only-binary :all: --no-deps xgboost==3.2.0
fi
speed=$(cargo build --release --quiet --message-format json --manifest-path "$here/../../Cargo.toml" -p engine --example speed |
    "$folder/venv/bin/python" -c 'import json, sys; print(*(line["executable"] for line in map(json.loads, sys.stdin) if line.get("executable")))')
exec "$folder/venv/bin/python" -W ignore "$here/compare.py" "$folder" "$speed"
