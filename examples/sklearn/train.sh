#!/bin/sh
# Trains a Pipeline(TfidfVectorizer, LogisticRegression) on the fortunes with a real
# scikit-learn, in a virtual environment of its own, and saves it by joblib and pickle.
#
#   examples/sklearn/train.sh [VERSION]   e.g. 1.6.1; the newest without one
#
# Everything goes to the cache folder ($PINNACE_DATA, else $XDG_CACHE_HOME/pinnace/data, else
# ~/.cache/pinnace/data). A second run finds the model and does nothing.
set -eu

here="$(cd "$(dirname "$0")" && pwd)"
cache="${PINNACE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/pinnace/data}"
version="${1:-}"
folder="$cache/sklearn${version:+-$version}"
venv="$folder/venv"

say() { echo "sklearn: $*" >&2; }
fail() { say "error: $*"; exit 1; }

if [ -s "$folder/fortunes_lr.json" ]; then
    say "already there: $folder/fortunes_lr.joblib"
    echo "$folder"
    exit 0
fi

table="$("$here/../fortunes/fetch.sh")"
mkdir -p "$folder"

if ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    say "installing python3-venv"
    if [ "$(id -u)" -eq 0 ]; then run=""; else run="sudo -n"; fi
    # shellcheck disable=SC2086 # empty or two words
    { $run apt-get -q update && $run apt-get -q -y install python3-venv; } >&2 ||
        fail "python3 with venv is needed: apt-get install python3-venv"
fi
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -c 'import sklearn' 2>/dev/null; then
    say "installing scikit-learn${version:+ $version} into $venv"
    python3 -m venv "$venv"
    # numpy 1 for the versions that were built against it
    case "$version" in
        1.2.* | 1.3.*) numpy="numpy<1.25" ;;
        1.4.*) numpy="numpy<2" ;;
        *) numpy="numpy" ;;
    esac
    "$venv/bin/pip" -q --disable-pip-version-check install "scikit-learn${version:+==$version}" "$numpy" joblib >&2
fi
say "training, which takes a minute or two"
"$venv/bin/python" "$here/train.py" "$table" "$folder" >&2
say "written: $folder/fortunes_lr.joblib, .pkl, .json"
echo "$folder"
