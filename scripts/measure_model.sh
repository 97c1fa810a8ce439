#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The held-out quality of a shipped model: ranks the full catalogue with the engine, by the model
# and by `implicit` ALS fitted on the same purchases, and compares both with popularity and with
# what a customer bought itself. Called after training; writes MODEL/lists-*.json and heads.json.
#   scripts/measure_model.sh demo|retail [MODEL [PYTHON]]
# MODEL: configs/SET/model; PYTHON: one that has implicit (scripts/requirements-peers.txt).
# ALS: the best of factors x settings on the month before the cut, then fitted up to the cut.
set -euo pipefail
cd "$(dirname "$0")/.."

set=${1:-}
case "$set" in
    demo)   prepare=prepare_completejourney.py; before=2017-11-03; as_of=2017-12-01T05:00:00Z
            second=redemption ;;
    retail) prepare=prepare_online_retail.py; before=2010-10-14; as_of=2010-11-11T00:00:00Z
            second=return ;;
    *) echo "measure_model.sh: found '$set', expected demo or retail" >&2; exit 2 ;;
esac
model=${2:-configs/$set/model}
peers=${3:-python3}
python=/usr/bin/python3
batchrank=build/cpu/batchrank
work=$set/measure
if [ ! -x "$batchrank" ]; then
    echo "measure_model.sh: $batchrank is not there; scripts/quickstart.sh builds it" >&2
    exit 2
fi
if ! "$peers" -c 'import implicit, scipy, h5py' 2> /dev/null; then
    echo "measure_model.sh: $peers has no implicit, SciPy or h5py; in a virtual environment:" >&2
    echo "  pip install -r scripts/requirements-peers.txt, and its python as the third word" >&2
    exit 2
fi
factors="64 128 256"
settings="5,2 10,10 10,40" # regularization,alpha

# One job of the engine; its log is shown only when it fails: rank LOG ARGUMENTS...
rank() {
    local log=$1 code=0
    shift
    "$batchrank" run "$@" 2> "$log" || code=$?
    if [ "$code" -ne 0 ]; then
        cat "$log" >&2
        echo "measure_model.sh: $batchrank run $*: exit $code, log above ($log)" >&2
        exit "$code"
    fi
}

# Lists of an ALS fitted on the purchases of a customers.h5: als FOLDER CUSTOMERS FACTORS REG ALPHA
als() {
    "$peers" scripts/fit_als.py --customers "$2" --catalogue "$set/data/catalogue.h5" \
        --factors "$3" --regularization "$4" --alpha "$5" -o "$1/bundle" >&2
    printf '{"input": {"customers": "bundle/customers.h5", "catalogue": "bundle/catalogue.h5",
             "model": "bundle"}, "output": {"path": "run"}, "list": {"k": 10,
             "fallback": "none"}}' > "$1/job.json"
    rank "$1/log" "$1/job.json"
}

rm -rf "$work"
mkdir -p "$work"
"$python" "scripts/$prepare" --out "$set" --snapshots "$before,${as_of%T*}" >&2

best=""
for f in $factors; do
    for setting in $settings; do
        folder=$work/als-$f-$setting
        mkdir -p "$folder"
        als "$folder" "$set/snapshots/$before/customers.h5" "$f" "${setting%,*}" "${setting#*,}"
        "$python" scripts/measure_lists.py --truth "$set/snapshots/$before/labels.h5" \
            --catalogue "$set/data/catalogue.h5" --lists "als=$folder/run/lists.h5" \
            --json "$folder/lists.json" > "$folder/table"
        best+=$(printf '%s %s %s' "$("$python" -c "import json, sys
print(json.load(open(sys.argv[1]))['lists']['als']['ndcg'])" "$folder/lists.json")" \
            "$f" "$setting")$'\n'
    done
done
read -r ndcg f setting < <(sort -gr <<< "$best")
echo "als: $f factors, regularization and alpha $setting: NDCG@10 $ndcg after $before" >&2
mkdir -p "$work/als"
als "$work/als" "$set/split/customers.h5" "$f" "${setting%,*}" "${setting#*,}"

rank "$work/log" "configs/$set/run.json" --set "input.customers=$set/split/customers.h5" \
    --set input.model="$model" --set output.path="$work/run" --set list.k=50 \
    --set "run.as_of=$as_of"
for label in purchase purchase_window; do
    "$python" scripts/measure_lists.py --truth "$set/split/truth.h5" --label "$label" \
        --catalogue "$set/data/catalogue.h5" --popularity "$set/split/customers.h5" \
        --lists "model=$work/run/lists.h5" "als=$work/als/run/lists.h5" \
        --json "$model/lists-$label.json"
done
"$python" scripts/measure_heads.py --lists "$work/run/lists.h5" --json "$model/heads.json" \
    --labels "$set/snapshots/${as_of%T*}/labels.h5" \
    --head purchase --head "$second" --survival lapse=purchase
