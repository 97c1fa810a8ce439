#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From the raw files of the demo to its model bundle: installs PyTorch where it is missing, writes
# the snapshots that configs/demo/train.json names, trains. About ten minutes on two CPU cores.
#   scripts/train_demo.sh [-o FOLDER] [train.py options]    default: configs/demo/model
# The same machine and number of threads give the same bits again.
set -euo pipefail
cd "$(dirname "$0")/.."

out=configs/demo/model
if [ "${1:-}" = -o ]; then
    out=${2:?train_demo.sh: -o needs a folder}
    shift 2
fi
python=/usr/bin/python3

scripts/install_deps.sh --train
days=$("$python" scripts/train.py configs/demo/train.json --days)
"$python" scripts/prepare_completejourney.py --out demo --snapshots "$days" >&2
"$python" scripts/train.py configs/demo/train.json -o "$out" "$@"
