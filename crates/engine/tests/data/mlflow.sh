#!/bin/sh
# Installs two versions of MLflow, each in a folder of its own, and makes the model folders of the engine's MLflow tests:
#
#     mlflow.sh PACKAGES FOLDERS
#
# PACKAGES keeps what was installed. Python 3.11 is needed.
set -eu
packages=$1 folders=$2 here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}

make() {
    version=$1 xgboost=$2
    shift 2
    if [ ! -d "$packages/$version" ]; then
        "$python" -m pip install --quiet --only-binary :all: --target "$packages/$version" "$@"
        # without the libraries for graphics cards, which are large
        "$python" -m pip install --quiet --no-deps --target "$packages/$version" "$xgboost"
    fi
    PYTHONPATH="$packages/$version" OMP_NUM_THREADS=1 "$python" -W ignore "$here/mlflow_folders.py" "$folders"
}

make 2.9 xgboost==1.7.6 mlflow-skinny==2.9.2 'setuptools<80' scikit-learn==1.2.2 numpy==1.24.4 scipy==1.11.4 pandas==2.0.3 lightgbm==3.3.5 \
    onnx==1.15.0 skl2onnx==1.16.0 onnxruntime==1.16.3 'protobuf<5'
make newest xgboost mlflow-skinny skops 'scikit-learn<1.8' pandas lightgbm onnx skl2onnx onnxruntime
