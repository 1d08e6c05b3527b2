#!/bin/sh
# Checks that a `.model` file is what docs/format.md says, with the `safetensors` package of Python:
#
#     own-format.sh PINNACE [FOLDER]
#
# PINNACE is the program. FOLDER keeps the virtual environment; without it, a temporary one is made and removed.
set -eu
pinnace=$1 here=$(cd "$(dirname "$0")" && pwd)
folder=${2:-$(mktemp -d)}
[ $# -ge 2 ] || trap 'rm -rf "$folder"' EXIT
if [ ! -d "$folder/venv" ]; then
    "${PYTHON:-python3}" -m venv "$folder/venv"
    "$folder/venv/bin/pip" install --quiet numpy safetensors
fi
"$folder/venv/bin/python" "$here/own-format.py" "$pinnace"
