#!/bin/sh
# Installs the versions of scikit-learn that the engine is compared with, each in a folder of its own, and makes the
# golden files with each:
#
#     goldens.sh PACKAGES GOLDENS
#
# PACKAGES keeps what was installed. Python 3.11 is needed: it is what all four versions run on.
set -eu
packages=$1 goldens=$2 here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3.11}

make() {
    version=$1
    shift
    if [ ! -d "$packages/$version" ]; then
        "$python" -m pip install --quiet --only-binary :all: --target "$packages/$version" "$@"
    fi
    PYTHONPATH="$packages/$version" OMP_NUM_THREADS=1 "$python" -W ignore "$here/goldens.py" "$goldens"
}

make 1.2 scikit-learn==1.2.2 numpy==1.24.4 scipy==1.11.4 pandas==2.0.3
make 1.4 scikit-learn==1.4.2 numpy==1.26.4 scipy==1.13.1 pandas==2.2.2
make 1.6 scikit-learn==1.6.1 numpy==2.2.6 scipy==1.15.3 pandas==2.2.3
make 1.9 'scikit-learn>=1.9' pandas
