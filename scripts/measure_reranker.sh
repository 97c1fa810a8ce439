#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a re-ranker (scripts/train_reranker.py) is worth on the demo's data, ranked by the engine in
# the month after 2017-12-01 (docs/DEMO.md). Two ways to come by days that the model has not seen:
#   early   the demo's model trained on its first four days alone, the re-ranker on the other three
#   shipped the demo's model as it is, the re-ranker on the month that chose its epoch
#   scripts/measure_reranker.sh      about five minutes on one CPU core; writes demo/rerank/
# Needs PyTorch (scripts/install_deps.sh --train) and build/cpu (scripts/quickstart.sh).
set -euo pipefail
cd "$(dirname "$0")/.."

python=/usr/bin/python3
batchrank=build/cpu/batchrank
work=demo/rerank
early=(2017-04-21 2017-05-19 2017-06-16 2017-07-14)
later=(2017-08-11 2017-09-08 2017-10-06)
validate=2017-11-03
test=2017-12-01
again='[{"name": "again", "head": "rerank", "weight": 1}]'

# One job of the engine: rank NAME MODEL DAY MORE...
rank() {
    local out=$work/$1 model=$2 day=$3
    shift 3
    rm -rf "$out"
    "$batchrank" run configs/demo/run.json --threads 1 --set "output.path=$out" \
        --set "input.model=$model" --set "input.customers=demo/snapshots/$day/customers.h5" \
        --set "run.as_of=${day}T05:00:00Z" "$@" 2> "$work/log" || { cat "$work/log" >&2; exit 4; }
}

# Candidates of a day: candidates SET MODEL DAY
candidates() {
    rank "$1-$3" "$2" "$3" --set list.k=512 --set output.vectors=true
}

pair() {
    echo "$work/$1-$2/lists.h5 demo/snapshots/$2/labels.h5"
}

# Lists of the test day with and without the head: compare SET MODEL MODEL_WITH_HEAD
compare() {
    rank "$1-plain" "$2" "$test"
    rank "$1-again" "$3" "$test" --set objective.type=expected_value --set objective.top=512 \
        --set "objective.terms=$again"
    "$python" scripts/measure_lists.py --truth "demo/snapshots/$test/labels.h5" --label purchase \
        --catalogue demo/data/catalogue.h5 --json "$work/$1.json" \
        --lists "$1 re-ranked=$work/$1-again/lists.h5" "$1=$work/$1-plain/lists.h5"
}

mkdir -p "$work"
days=$(IFS=,; echo "${early[*]},${later[*]},$validate,$test")
"$python" scripts/prepare_completejourney.py --out demo --snapshots "$days" >&2
quoted=$(printf '"%s",' "${early[@]}")
"$python" scripts/train.py configs/demo/train.json -o "$work/early" --threads 1 \
    --set "data.train=[${quoted%,}]" > "$work/early.json"
arguments=()
for day in "${later[@]}"; do
    candidates early "$work/early" "$day"
    read -ra two <<< "$(pair early "$day")"
    arguments+=(--train "${two[@]}")
done
candidates early "$work/early" "$validate"
read -ra two <<< "$(pair early "$validate")"
"$python" scripts/train_reranker.py "$work/early" -o "$work/model-early" "${arguments[@]}" \
    --validate "${two[@]}" --epochs 8
candidates shipped configs/demo/model "$validate"
read -ra two <<< "$(pair shipped "$validate")"
"$python" scripts/train_reranker.py configs/demo/model -o "$work/model-shipped" \
    --train "${two[@]}" --epochs 8
compare early "$work/early" "$work/model-early"
compare shipped configs/demo/model "$work/model-shipped"
