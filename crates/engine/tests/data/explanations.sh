#!/bin/sh
# Makes explanations.golden beside this script, with the libraries installed into a folder of its own:
#
#     explanations.sh PACKAGES
set -eu
packages=$1 here=$(cd "$(dirname "$0")" && pwd) python=${PYTHON:-python3}
[ -d "$packages" ] || "$python" -m venv "$packages"
"$packages/bin/pip" install --quiet scikit-learn==1.9.1 shap==0.51.0 xgboost-cpu==3.2.0 lightgbm==4.7.0
OMP_NUM_THREADS=1 "$packages/bin/python" -W ignore "$here/explanations.py" "$here"
