#!/bin/sh
# Installs versions of XGBoost, LightGBM and CatBoost, each set in a folder of its own, and makes the golden files of
# boosted models with each:
#
#     boosters.sh PACKAGES GOLDENS
#
# PACKAGES keeps what was installed. Python 3.11 is needed; XGBoost 0.90 is left out without Python 3.7 (PYTHON37).
set -eu
packages=$1 goldens=$2 here=$(cd "$(dirname "$0")" && pwd)

make() {
    interpreter=$1 set=$2 xgboost=$3
    shift 3
    if [ ! -d "$packages/$set" ]; then
        "$interpreter" -m pip install --quiet --only-binary :all: --target "$packages/$set" "$@"
        # without the libraries for graphics cards, which are large
        "$interpreter" -m pip install --quiet --no-deps --target "$packages/$set" "xgboost==$xgboost"
    fi
    PYTHONPATH="$packages/$set" OMP_NUM_THREADS=1 "$interpreter" -W ignore "$here/boosters.py" "$goldens"
}

python=${PYTHON:-python3.11}
if oldest=$(command -v "${PYTHON37:-python3.7}") && "$oldest" --version >/dev/null 2>&1; then
    make "$oldest" oldest 0.90 scikit-learn==1.0.2 numpy==1.21.6 scipy==1.7.3 pandas==1.3.5 lightgbm==2.3.1
fi
make "$python" old 1.7.6 scikit-learn==1.2.2 numpy==1.24.4 scipy==1.11.4 pandas==2.0.3 lightgbm==3.3.5 catboost==1.2
make "$python" middle 2.0.3 scikit-learn==1.4.2 numpy==1.26.4 scipy==1.13.1 pandas==2.2.2 lightgbm==4.3.0
make "$python" new 3.2.0 scikit-learn==1.6.1 numpy==2.2.6 scipy==1.15.3 pandas==2.2.3 lightgbm==4.6.0 catboost==1.2.8
