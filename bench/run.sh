#!/bin/sh
# Makes a venv with the peers, builds tfr, measures everything and draws the chart:  bench/run.sh SRC [flags of run.py]
# SRC is a folder of class folders with JPEGs. VENV=DIR names another venv than .venv-bench.
set -eu
if [ $# -eq 0 ]; then
    sed -n '2,3s/^# //p' "$0" >&2
    exit 2
fi
data=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/.."
venv=${VENV:-.venv-bench}
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check -r bench/requirements.txt
# DALI is there for few platforms; without it its rows are empty.
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r bench/requirements-dali.txt || true
cargo build --release --bins --examples
cargo build --release --manifest-path bench/tfrecord-crate/Cargo.toml
"$venv/bin/python" bench/run.py --tfr "${CARGO_TARGET_DIR:-target}/release/tfr" --data "$data" "$@"
# A run of some rows, or to another place, is no chart.
[ $# -gt 0 ] || "$venv/bin/python" bench/chart.py
