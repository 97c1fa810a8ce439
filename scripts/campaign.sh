#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The spring campaign on real data (docs/CAMPAIGN.md): inputs, check, lists, the files to send, then
# what became of every household and what each constraint is worth. Needs a built batchrank
# ($BATCHRANK, or build/cpu/batchrank). Called by people and by tests/job/test_campaign.py. Log on
# stderr, results on stdout.
#   scripts/campaign.sh [FOLDER]      FOLDER: where campaign/ is made, by default the repository
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
export BATCHRANK=${BATCHRANK:-$root/build/cpu/batchrank}
python=/usr/bin/python3

if [ $# -gt 1 ]; then
    echo "campaign.sh: found $# arguments, expected at most a folder" >&2
    exit 2
fi
folder=$(realpath -m "${1:-$root}")
job=$folder/configs/campaign/run.json
if [ "$folder" != "$root" ]; then
    install -D -m 644 "$root/configs/campaign/run.json" "$job"
fi
out=$folder/campaign

say() { printf '\n== %s\n' "$*" >&2; }

say "inputs: households, offers, model"
"$python" "$root/scripts/prepare_campaign.py" --out "$out"

# A run directory that is complete is left as it is; the campaign starts anew to show the whole job.
say "job: configs/campaign/run.json"
rm -rf "$out/run" "$out"/run.shortlists-*
"$BATCHRANK" check "$job" >&2
"$BATCHRANK" run "$job" >&2

say "files to send"
"$BATCHRANK" publish "$out/run" --to csv --long --exposures --force -o "$out/send"

say "ledger and prices"
"$python" "$root/scripts/show_ledger.py" "$out/run" --catalogue "$out/catalogue.h5"
