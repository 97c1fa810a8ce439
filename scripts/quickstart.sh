#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a bare Debian 12 to ranked lists on real data: installs what is missing, builds, prepares the
# demo data, runs the job, shows ten customers' lists and the held-out quality beside popularity's.
# Called by people, from anywhere; a second call builds only what changed. Log on stderr, results on
# stdout.
#   scripts/quickstart.sh [--cpu]      --cpu: no CUDA even where a GPU is usable
set -euo pipefail
cd "$(dirname "$0")/.."

preset=cpu
case "${1:-}" in
    "") if command -v nvcc >/dev/null && command -v g++ >/dev/null &&
            nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
            preset=cuda
        fi ;;
    --cpu) ;;
    *) echo "quickstart.sh: unknown argument '$1'; expected --cpu" >&2; exit 2 ;;
esac
python=/usr/bin/python3
batchrank=build/$preset/batchrank

say() { printf '\n== %s\n' "$*" >&2; }

say "packages"
scripts/install_deps.sh --build

say "build ($preset)"
cmake --preset "$preset" -G Ninja -DBR_TESTS=OFF -DBR_BENCH=OFF >&2
cmake --build "build/$preset" >&2

say "data: raw tables to customers.h5 and catalogue.h5"
"$python" scripts/prepare_completejourney.py --out demo >&2

# A run directory that is complete is left as it is; the demo starts anew to show the whole job.
say "job: configs/demo/run.json"
rm -rf demo/run demo/run-split
"$batchrank" run configs/demo/run.json >&2

say "ten customers"
"$python" scripts/show_lists.py --lists demo/run/lists.h5 --catalogue demo/data/catalogue.h5 \
    --customers demo/data/customers.h5 --rows 10 --top 5

say "held-out quality: events before 2017-12-01 in, the next purchase to be found"
"$batchrank" run configs/demo/run.json --set input.customers=demo/split/customers.h5 \
    --set output.path=demo/run-split --set run.as_of=2017-12-01T05:00:00Z >&2
"$batchrank" evaluate --run demo/run-split --truth demo/split/truth.h5 --modality purchase --at 10 \
    --popularity
