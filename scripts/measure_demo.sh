#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The demo's held-out quality: ranks the full catalogue with the engine, by the model and by
# `implicit` ALS fitted on the same receipts, and compares both with popularity and with what a
# household bought itself. Called after train_demo.sh; writes MODEL/lists-*.json.
#   scripts/measure_demo.sh [MODEL [PYTHON]]    configs/demo/model, a Python that has implicit
#                                               (pip install -r scripts/requirements-peers.txt)
# ALS: the best of FACTORS x SETTINGS on the month before the cut, then fitted up to the cut.
set -euo pipefail
cd "$(dirname "$0")/.."

model=${1:-configs/demo/model}
peers=${2:-python3}
python=/usr/bin/python3
batchrank=build/cpu/batchrank
before=2017-11-03
work=demo/measure
factors="64 128 256"
settings="5,2 10,10 10,40" # regularization,alpha

# Lists of an ALS fitted on the receipts of a customers.h5: als FOLDER CUSTOMERS FACTORS REG ALPHA
als() {
    "$peers" scripts/fit_als.py --customers "$2" --catalogue demo/data/catalogue.h5 \
        --factors "$3" --regularization "$4" --alpha "$5" -o "$1/bundle" >&2
    printf '{"input": {"customers": "bundle/customers.h5", "catalogue": "bundle/catalogue.h5",
             "model": "bundle"}, "output": {"path": "run"}, "list": {"k": 10,
             "fallback": "none"}}' > "$1/job.json"
    "$batchrank" run "$1/job.json" 2> "$1/log"
}

rm -rf "$work"
mkdir -p "$work"
"$python" scripts/prepare_completejourney.py --out demo --snapshots "$before" >&2

best=""
for f in $factors; do
    for setting in $settings; do
        folder=$work/als-$f-$setting
        mkdir -p "$folder"
        als "$folder" "demo/snapshots/$before/customers.h5" "$f" "${setting%,*}" "${setting#*,}"
        "$python" scripts/measure_lists.py --truth "demo/snapshots/$before/labels.h5" \
            --catalogue demo/data/catalogue.h5 --lists "als=$folder/run/lists.h5" \
            --json "$folder/lists.json" > "$folder/table"
        best+=$(printf '%s %s %s' "$("$python" -c "import json, sys
print(json.load(open(sys.argv[1]))['lists']['als']['ndcg'])" "$folder/lists.json")" \
            "$f" "$setting")$'\n'
    done
done
read -r ndcg f setting < <(sort -gr <<< "$best")
echo "als: $f factors, regularization and alpha $setting: NDCG@10 $ndcg after $before" >&2
mkdir -p "$work/als"
als "$work/als" demo/split/customers.h5 "$f" "${setting%,*}" "${setting#*,}"

"$batchrank" run configs/demo/run.json --set input.customers=demo/split/customers.h5 \
    --set input.model="$model" --set output.path="$work/run" --set list.k=10 \
    --set run.as_of=2017-12-01T05:00:00Z 2> "$work/log"
for label in purchase purchase_window; do
    "$python" scripts/measure_lists.py --truth demo/split/truth.h5 --label "$label" \
        --catalogue demo/data/catalogue.h5 --popularity demo/split/customers.h5 \
        --lists "model=$work/run/lists.h5" "als=$work/als/run/lists.h5" \
        --json "$model/lists-$label.json"
done
