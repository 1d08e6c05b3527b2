#!/bin/sh
# Installs the versions of scikit-learn that the engine is compared with, each in a folder of its own, and makes the
# golden files with each:
#
#     goldens.sh PACKAGES GOLDENS [--all]
#
# PACKAGES keeps what was installed. Python 3.11 is needed: it is what all these versions run on, but 1.0, which is left
# out without Python 3.9.
set -eu
packages=$1 goldens=$2 options=${3:-} here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}

make() {
    version=$1
    shift
    if [ ! -d "$packages/$version" ]; then
        "$python" -m pip install --quiet --only-binary :all: --target "$packages/$version" "$@"
    fi
    PYTHONPATH="$packages/$version" OMP_NUM_THREADS=1 "$python" -W ignore "$here/goldens.py" "$goldens" $options
}

# skops and lz4 are for the files of `--all`
make 1.2 scikit-learn==1.2.2 numpy==1.24.4 scipy==1.11.4 pandas==2.0.3 skops lz4
make 1.4 scikit-learn==1.4.2 numpy==1.26.4 scipy==1.13.1 pandas==2.2.2 skops lz4
make 1.6 scikit-learn==1.6.1 numpy==2.2.6 scipy==1.15.3 pandas==2.2.3 skops lz4
if old=$(command -v "${PYTHON_OLD:-python3.9}") && "$old" --version >/dev/null 2>&1; then
    python=$old make 1.0 scikit-learn==1.0.2 numpy==1.22.4 scipy==1.8.1 pandas==1.4.4 lz4
fi
make 1.9 'scikit-learn>=1.9' pandas skops lz4
