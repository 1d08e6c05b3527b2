#!/bin/sh
# Asks the model server with clients that others wrote, unmodified, as PyPI has them:
# tritonclient, kserve and mlserver for the Open Inference Protocol and KServe's version 1, schemathesis for OpenAPI.
#
#   scripts/serving-clients/run.sh [MODEL SERVER COMMAND]
#
# The command gets a model file and a port after it; `cargo run -p inference --example serve --` by default.
# VENV names a virtual environment to make or to use again; one in a temporary folder by default.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
repository=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
server=
stop() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap stop EXIT INT TERM
venv=${VENV:-$work/venv}
if [ ! -x "$venv/bin/schemathesis" ]; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "tritonclient[http]" kserve mlserver schemathesis requests
fi
if [ $# -eq 0 ]; then
    (cd "$repository" && cargo build --quiet -p inference --example serve)
    set -- "$repository/target/debug/examples/serve"
    [ -x "$1" ] || set -- "$(find "$repository/target/" -path '*/debug/examples/serve' -type f | head -n 1)"
fi
data="$repository/crates/engine/tests/data/1.6"
for model in words_lr.zlib.joblib bare_lr.zlib.joblib forest.zlib.joblib; do
    port=$((20000 + $$ % 20000))
    "$@" "$data/$model" "$port" &
    server=$!
    "$venv/bin/python" "$here/wait.py" "http://127.0.0.1:$port/api/v1/ready"
    echo "== $model: clients"
    for client in tritonclient kserve mlserver; do
        "$venv/bin/python" -W ignore "$here/clients.py" "$port" "$client"
    done
    echo "== $model: schemathesis"
    (cd "$work" && "$venv/bin/schemathesis" run "http://127.0.0.1:$port/openapi.json" \
        --checks all --max-examples "${EXAMPLES:-200}" --phases examples,coverage,fuzzing \
        --exclude-checks ignored_auth)
    kill "$server"
    wait "$server" 2>/dev/null || true
    server=
done
echo "all clients were answered as they expect"
