#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every check of this repository: a release build with warnings as errors and its tests, then the
# same under AddressSanitizer and UndefinedBehaviorSanitizer. Called by .ci/run and before a push.
#   scripts/test.sh [--fast]           --fast: the release build only
set -uo pipefail
cd "$(dirname "$0")/.." || exit 4

fast=no
case "${1:-}" in
    "") ;;
    --fast) fast=yes ;;
    *) echo "test.sh: unknown argument '$1'; expected --fast" >&2; exit 2 ;;
esac
jobs=$(nproc)
summary=()
failed=0

# One build and its tests; what happened goes to the summary.
check() {
    local preset=$1 started=$SECONDS log
    shift
    log=$(mktemp)
    if cmake --preset "$preset" -G Ninja -DBR_WERROR=ON -DBR_TESTS=ON -DBR_BENCH=ON \
             -DBR_MPI=ON "$@" &&
       cmake --build "build/$preset" -j "$jobs"; then
        ctest --preset "$preset" -j "$jobs" 2>&1 | tee "$log"
        if [ "${PIPESTATUS[0]}" -ne 0 ]; then
            failed=1
        fi
        summary+=("$preset: $(grep -E 'tests passed|No tests' "$log" | head -n 1)" \
                  "$preset: $(grep -cE '\*\*\*Skipped' "$log") skipped, $((SECONDS - started)) s")
    else
        failed=1
        summary+=("$preset: the build failed after $((SECONDS - started)) s")
    fi
    rm -f "$log"
}

# With PyTorch for the tests of the trainer; where it cannot be had they skip, and say so.
scripts/install_deps.sh --train || scripts/install_deps.sh || exit $?
check cpu -DCMAKE_BUILD_TYPE=Release
if [ "$fast" = no ]; then
    export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
    export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
    check cpu-debug
fi

printf '\n'
printf '%s\n' "${summary[@]}"
if [ "$failed" -ne 0 ]; then
    echo "test.sh: FAILED"
    exit 1
fi
echo "test.sh: all passed"
