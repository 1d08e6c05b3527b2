#!/bin/sh
# Installs what exports models to ONNX and runs them, and makes the golden files of the engine's ONNX tests:
#
#     onnx.sh PACKAGES GOLDENS
#
# PACKAGES keeps what was installed. Python 3.11 is needed.
set -eu
packages=$1 goldens=$2 here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}
if [ ! -d "$packages" ] || [ -z "$(ls -A "$packages")" ]; then
    "$python" -m pip install --quiet --only-binary :all: --target "$packages" \
        onnx onnxruntime skl2onnx onnxmltools 'scikit-learn<1.8' lightgbm pandas
    # without the libraries for graphics cards, which are large
    "$python" -m pip install --quiet --no-deps --target "$packages" xgboost
fi
mkdir -p "$goldens"
PYTHONPATH="$packages" OMP_NUM_THREADS=1 "$python" -W ignore "$here/onnx_goldens.py" "$goldens"
