#!/bin/sh
# Fetches the Wisconsin breast-cancer table (569 rows of 30 numbers, malignant or benign) and
# writes it as CSV with a header line; the class is the last column, `label`.
#
#   examples/breast_cancer/fetch.sh       writes breast_cancer.csv into the cache folder
#
# The table comes in the crate smartcore (by cargo) or, without cargo, in the wheel of
# scikit-learn (by pip). The cache folder is $PINNACE_DATA, else $XDG_CACHE_HOME/pinnace/data,
# else ~/.cache/pinnace/data. A second run finds the table and does nothing.
set -eu

cache="${PINNACE_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/pinnace/data}"
table="$cache/breast_cancer.csv"
rows=569

say() { echo "breast_cancer: $*" >&2; }
fail() { say "error: $*"; exit 1; }

if [ -s "$table" ]; then
    say "already there: $table"
    echo "$table"
    exit 0
fi

mkdir -p "$cache"
work="$(mktemp -d "$cache/.breast_cancer.XXXXXX")"
trap 'rm -rf "$work"' EXIT

header() {
    for kind in mean error worst; do
        for name in radius texture perimeter area smoothness compactness concavity \
            'concave points' symmetry 'fractal dimension'; do
            if [ "$kind" = error ]; then printf '%s error,' "$name"; else printf '%s %s,' "$kind" "$name"; fi
        done
    done
    echo label
}

# The crate keeps 8 bytes each for the number of columns and rows, then single-precision
# numbers row by row, then the classes; 0 is malignant.
from_cargo() {
    mkdir "$work/crate" "$work/crate/src"
    : >"$work/crate/src/lib.rs"
    cat >"$work/crate/Cargo.toml" <<'TOML'
[package]
name = "fetch"
version = "0.0.0"
edition = "2021"
[dependencies]
smartcore = { version = "=0.4.10", default-features = false }
[workspace]
TOML
    (cd "$work/crate" && cargo vendor -q vendor >/dev/null) || return 1
    data="$work/crate/vendor/smartcore/src/dataset/breast_cancer.xy"
    [ "$(wc -c <"$data")" -eq $((16 + 4 * rows * 31)) ] || fail "the crate's table has an unexpected size"
    od -A n -v -w4 -t f4 -j 16 "$data" | awk -v rows="$rows" '
        NR <= rows * 30 { value[NR] = $1; next }
        {
            row = NR - rows * 30
            for (column = 1; column <= 30; column++) printf "%s,", value[(row - 1) * 30 + column]
            print ($1 == 0 ? "malignant" : "benign")
        }'
}

# The wheel keeps a CSV whose first line counts rows and columns and names the classes.
from_pip() {
    (cd "$work" && python3 -m pip -q download --no-deps --only-binary :all: scikit-learn) || return 1
    python3 -c '
import sys, zipfile
text = zipfile.ZipFile(sys.argv[1]).read("sklearn/datasets/data/breast_cancer.csv").decode()
names = text.splitlines()[0].split(",")[2:]
for line in text.splitlines()[1:]:
    values, label = line.rsplit(",", 1)
    print(values + "," + names[int(label)])' "$work"/scikit_learn-*.whl
}

if command -v cargo >/dev/null; then
    say "fetching the crate smartcore"
    from_cargo >"$work/rows" || fail "cargo could not fetch the crate: is the network up?"
elif command -v python3 >/dev/null; then
    say "fetching the wheel of scikit-learn"
    from_pip >"$work/rows" || fail "pip could not download the wheel: is the network up?"
else
    fail "cargo or python3 is needed"
fi

[ "$(wc -l <"$work/rows")" -eq "$rows" ] || fail "$(wc -l <"$work/rows") rows found, $rows expected"
{ header; cat "$work/rows"; } >"$work/table"
mv "$work/table" "$table"
say "$rows rows written to $table"
echo "$table"
