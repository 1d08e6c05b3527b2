#!/bin/sh
# Drives a cluster with the whole of everyday kubectl, once for each kubectl found on this machine.
#
#   scripts/kubectl-versions.sh [KUBECTL…]     the ones named, else every `kubectl` and `kubectl.1.N` found
#
# Found are those of the PATH and beside them, and of $PINNACE_KUBECTLS, a folder with further ones. It builds the
# tests as `cargo test` does; CARGO_FLAGS (`--release`) are handed on.
set -eu
cd "$(dirname "$0")/.."

if [ $# -eq 0 ]; then
    folders="$(echo "$PATH" | tr : ' ') ${PINNACE_KUBECTLS:-}"
    for folder in $folders; do
        for file in "$folder"/kubectl "$folder"/kubectl.1.*; do
            [ -x "$file" ] && folders="$folders $(dirname "$(readlink -f "$file")")"
        done
    done
    # shellcheck disable=SC2086 # lists of words
    set -- $(for folder in $folders; do
        for file in "$folder"/kubectl "$folder"/kubectl.1.*; do
            [ -x "$file" ] && readlink -f "$file"
        done
    done | sort -u)
fi
[ $# -gt 0 ] || { echo "error: no kubectl found" >&2; exit 1; }

failed=""
for kubectl in "$@"; do
    version="$("$kubectl" version --client -o json | sed -n 's/.*"gitVersion": *"\([^"]*\)".*/\1/p' | head -1)"
    start="$(date +%s)"
    # shellcheck disable=SC2086 # a list of words
    if PINNACE_KUBECTL="$kubectl" cargo test ${CARGO_FLAGS:-} --quiet -p cli --test e2e -- kubectl:: >"/tmp/kubectl-$$.log" 2>&1; then
        echo "passed  $version  $(($(date +%s) - start)) s  $kubectl"
    else
        cat "/tmp/kubectl-$$.log"
        echo "FAILED  $version  $kubectl"
        failed="$failed $version"
    fi
    rm -f "/tmp/kubectl-$$.log"
done
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
