#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Faults for hours: every fault point of 1, 2 and 4 ranks, lost ranks, every failing call and
# allocation, random kills, power cuts, device faults (docs/RELIABILITY.md, whose table it brings up
# to date). Stopped by SIGTERM or Ctrl-C, it goes on where it was.
#   scripts/soak.sh --hours N [--state FILE] [LOOP ...]
# Loops: points points-2 points-4 lost kills power calls memory devices; all of them where none is
# named.
set -euo pipefail
cd "$(dirname "$0")/.."

hours= state=tests/fault/soak.json loops=()
while [ $# -gt 0 ]; do
    case "$1" in
        --hours) hours=${2:?--hours needs a number}; shift 2 ;;
        --state) state=${2:?--state needs a file}; shift 2 ;;
        points | points-2 | points-4 | lost | kills | power | calls | memory | devices)
            loops+=("$1"); shift ;;
        *) echo "soak.sh: unknown argument '$1'; expected --hours N, --state FILE or a loop" >&2
           exit 2 ;;
    esac
done
if [ -z "$hours" ]; then
    echo "soak.sh: --hours N is missing" >&2
    exit 2
fi
cmake --preset cpu -G Ninja -DBR_TESTS=ON > /dev/null
cmake --build build/cpu -j "$(nproc)" --target batchrank break_calls fault_points \
    batchrank_emulated > /dev/null
exec nice -n 15 /usr/bin/python3 tests/fault/soak.py "$hours" "$state" "${loops[@]}"
