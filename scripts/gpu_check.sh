#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Everything that needs a GPU, in one command of at most nine minutes, from a bundle (bundle.sh) or
# a source tree.
#
#   scripts/gpu_check.sh [FOLDER] [--build DIR] [--budget SECONDS]
#
#   FOLDER       where results go: $1, else $OUT, else build/gpu_check (a bundle: gpu_check)
#   --build DIR  a source tree's build; default build/cuda, which is made where it is missing and
#                nvcc is there, else build/cpu
#   --budget S   all in all (520); what does not fit is skipped, and said to be
#
# Steps, each under a time limit of its own; a failure is recorded and the others still run:
#   tests      every op test on the device against the reference (exit 77 counts as failed there)
#   demo       the demo job on the device: `verify` scores every customer again by the reference and
#              compares bits; x_u within 2e-5 of the CPU's in fp32; in bf16 mean cosine >= 0.9999
#              and mean overlap of 100 >= 98 %
#   topk       the demo's x_u over 20,000 items on the device and on the CPU: the same bytes
#   graphs     a job of ten units with launches recorded in CUDA graphs and without: the same parts;
#              launches a unit, and customers/s, of either
#   nccl       bench_nccl (its version, GB/s, what arrived) and the demo job over NCCL, whose files
#              must be those of the demo above: by one rank, and by one rank per GPU where there are
#              several, mpirun, and a build with MPI (a bundle has none)
#   bench      bench_device: copy and product peaks, score_topk, blocks and encoders, against ref,
#              with launches of a call; once more without graphs, and with Hopper's kernels
#   ladder     bench_ladder: what Hopper's instructions reach, which its screen was designed by
#   sanitizer  compute-sanitizer's memcheck and racecheck on small shapes
#   night      bench_night.py: 10 million customers x 50 events x 100,000 items, file to manifest:
#              what each stage took, and in which share of the time kernels ran
#   peers      bench/peers/gpu_topk.py: torch, cuBLAS, cuVS, Faiss; what is not installed is listed
#
# Writes results.json (anew after each step, so that a run that is cut off keeps what it has),
# summary.txt, log.txt, bench.jsonl, bench_one_by_one.jsonl (without graphs), bench_hopper.jsonl,
# ladder.jsonl, nccl.jsonl, peers.jsonl, night.json.
#
# Without a GPU the same steps run with `cpu` (tests, bench) and `ref` (demo) in its place, without
# sanitizer and peers: that the check itself works, and nothing more.
#
# Exit code 0: a GPU, every check passed, no mismatch. 1: something failed. 77: no GPU here, and
# what could run passed. 2: wrong arguments. 4: nothing to run, or a CUDA library is missing.
set -uo pipefail

fail() { echo "gpu_check.sh: $2" >&2; exit "$1"; }
usage() { sed -n '3,/^set/s/^# \{0,1\}//p' "$0" | sed '/^set/d'; }

folder=${OUT:-}
build=
budget=520
while [ $# -gt 0 ]; do
    case $1 in
        -h | --help) usage; exit 0 ;;
        --build | --budget)
            [ $# -ge 2 ] || fail 2 "$1 wants a value"
            declare "${1#--}=$2"
            shift ;;
        -*) fail 2 "unknown argument '$1'; expected FOLDER, --build DIR, --budget S, --help" ;;
        *) folder=$1 ;;
    esac
    shift
done
[[ $budget =~ ^[0-9]+$ ]] || fail 2 "--budget: found '$budget', expected seconds"
[ -z "$build" ] || build=$(realpath "$build")
[ -z "$folder" ] || folder=$(realpath -m "$folder")
cd "$(dirname "$0")/.." || exit 4

is_bundle=no
if [ -f BUNDLE.txt ]; then
    is_bundle=yes
    # shellcheck source=/dev/null
    . ./env.sh || exit 4
fi
out=${folder:-$([ $is_bundle = yes ] && echo gpu_check || echo build/gpu_check)}
mkdir -p "$out" || fail 4 "$out cannot be made"
rm -f "$out"/{results.json,summary.txt,log.txt} \
    "$out"/{bench,bench_one_by_one,bench_hopper,ladder,nccl,peers}.jsonl \
    "$out/night.json"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
steps=()          # as JSON
lines=()          # for people
n_failed=0
deadline=$budget  # of the group of steps in hand, in seconds from the start
device_words="none"
has_gpu=no

quote() { printf '"%s"' "$(tr -d '\r' <<<"$1" | tr '\n\t' '  ' | sed 's/[\\"]/\\&/g; s/ *$//')"; }

rows() { [ ! -s "$1" ] || grep '}$' "$1" | sed '$!s/$/,/'; } # whole lines only

write_results() {
    {
        printf '{"device": %s, "has_gpu": %s,\n' "$(quote "$device_words")" \
            "$([ $has_gpu = yes ] && echo true || echo false)"
        printf ' "version": %s, "date": %s, "seconds": %d, "failed": %d, "complete": %s,\n' \
            "$(quote "$version")" "$(quote "$(date +%F)")" "$SECONDS" "$n_failed" "${1:-false}"
        printf ' "steps": [\n%s],\n' "$(IFS=,; echo "${steps[*]-}")"
        printf ' "bench": [\n%s],\n "bench_one_by_one": [\n%s],\n' \
            "$(rows "$out/bench.jsonl")" "$(rows "$out/bench_one_by_one.jsonl")"
        printf ' "bench_hopper": [\n%s],\n "ladder": [\n%s],\n' \
            "$(rows "$out/bench_hopper.jsonl")" "$(rows "$out/ladder.jsonl")"
        printf ' "nccl": [\n%s],\n "peers": [\n%s],\n "night": %s}\n' \
            "$(rows "$out/nccl.jsonl")" "$(rows "$out/peers.jsonl")" \
            "$(cat "$out/night.json" 2>/dev/null || echo null)"
    } >"$out/results.json.new"
    mv "$out/results.json.new" "$out/results.json"
}

record() { # NAME WORD SECONDS WHY
    local line
    line=$(printf '%-40s %-8s %4d s  %s' "$1" "$2" "$3" "$4")
    steps+=("{\"step\": $(quote "$1"), \"result\": \"$2\", \"seconds\": $3,
  \"why\": $(quote "$4")}"$'\n')
    lines+=("$line")
    echo "$line"
    write_results
}

# step KIND NAME LIMIT COMMAND... ; KIND: check (anything but 0 has failed), skippable (77 is a
# skip), timing (and being cut off is no failure), peer (nothing is).
step() {
    local kind=$1 name=$2 limit=$3 started=$SECONDS left=$((deadline - SECONDS))
    local code word=failed why
    shift 3
    if [ "$left" -lt 3 ]; then
        : >"$work/step.log"
        record "$name" skipped 0 "no time left of the $deadline s up to here"
        return 1
    fi
    [ "$limit" -le "$left" ] || limit=$left
    printf '\n== %s: %s\n' "$name" "$*" >>"$out/log.txt"
    timeout -k 5 "$limit" "$@" >"$work/step.log" 2>&1 </dev/null
    code=$?
    cat "$work/step.log" >>"$out/log.txt"
    why=$(grep -v '^[[:space:]]*$' "$work/step.log" | tail -n 1 | cut -c 1-160)
    case $code in
        0) word=passed why= ;;
        124 | 137) word=cut-off why="after its $limit s" ;;
        77) [ "$kind" = check ] || word=skipped ;;
    esac
    [ "$word" != failed ] || why="exit $code: $why"
    case $kind-$word in
        *-passed | *-skipped | timing-cut-off | peer-*) ;;
        *) n_failed=$((n_failed + 1)) ;;
    esac
    record "$name" "$word" $((SECONDS - started)) "$why"
    [ "$word" = passed ]
}

program() { # NAME -> its path
    local path
    for path in bin/"$1" "$build/$1" "$build/tests/kernels/$1" "$build"/bench/*/"$1"; do
        [ ! -x "$path" ] || { realpath "$path"; return; }
    done
    echo "$1"
}

python_with() { # MODULE -> a Python that has it, or any
    local python
    for python in python3 /usr/bin/python3; do
        ! "$python" -c "import $1" 2>/dev/null || { echo "$python"; return; }
    done
    echo python3
}

show() { sed '/^info /d; s/^/    /' "$work/step.log"; }

version="source tree $(git rev-parse --short HEAD 2>/dev/null)"
if [ $is_bundle = yes ]; then
    version="bundle, $(head -n 3 BUNDLE.txt | tr -s ' \n' ' ')"
elif [ -z "$build" ]; then
    build=build/cuda
    PATH=$PATH:/usr/local/cuda/bin
    if [ ! -x build/cuda/batchrank ] && command -v nvcc >/dev/null &&
        nvidia-smi -L >/dev/null 2>&1; then
        step check build 300 bash -c 'cmake --preset cuda -G Ninja && cmake --build build/cuda'
    fi
    [ -x build/cuda/batchrank ] || build=build/cpu
fi
batchrank=$(program batchrank)
[ -x "$batchrank" ] || fail 4 "no batchrank in $build: build it, or give --build DIR"
[ $is_bundle = yes ] && list=bin/device_tests.txt || list=$build/device_tests.txt
[ -f "$list" ] || fail 4 "$list is missing: configure with -DBR_TESTS=ON"
mapfile -t tests <"$list"

# ---- the device --------------------------------------------------------------------------------
BR_TEST_BACKEND=cuda timeout 60 "$(program test_fuse_inputs)" >"$work/step.log" 2>&1
case $? in
    77) device_words="none: $(tail -n 1 "$work/step.log")" ;;
    126 | 127)
        cat "$work/step.log" >&2; fail 4 "programs do not start here" ;;
    *) has_gpu=yes
       device_words=$(nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem \
                      --format=csv,noheader 2>/dev/null | head -n 1)
       device_words=${device_words:-a GPU, of which nvidia-smi says nothing} ;;
esac
echo "# $version"
echo "# GPU: $device_words"
if [ $has_gpu = no ] && [ "${CUDA_VISIBLE_DEVICES-unset}" != "" ] &&
    [[ $device_words != *"not in this build"* ]] && nvidia-smi -L 2>/dev/null | grep -q '^GPU'; then
    n_failed=1
    record "device" failed 0 "nvidia-smi lists a GPU, but the backend has ${device_words}"
fi
device=cuda op_device=cuda kind=check
if [ $has_gpu = no ]; then
    device=ref op_device=cpu kind=skippable
fi

# ---- op tests ----------------------------------------------------------------------------------
deadline=$((budget * 30 / 100))
for name in "${tests[@]}"; do
    step $kind "tests $name on $op_device" 60 env BR_TEST_BACKEND=$op_device "$(program "$name")"
done
if [ $has_gpu = yes ]; then # test_hopper asks for Hopper's screen itself
    step check "tests test_logsumexp, Hopper's sums" 60 env BR_TEST_BACKEND=cuda \
        BATCHRANK_SCREEN_CUDA=hopper "$(program test_logsumexp)"
fi

# ---- the demo job ------------------------------------------------------------------------------
deadline=$((budget * 46 / 100))
with_h5py=$(python_with h5py)
demo() { # NAME LIMIT BACKEND SETTINGS...
    local name=$1 limit=$2 backend=$3
    shift 3
    step check "demo $name" "$limit" "$batchrank" run configs/demo/run.json \
        --set "run.backend=$backend" --set "output.path=$work/$name" --set output.vectors=true "$@"
}
if [ ! -f demo/data/customers.h5 ]; then
    step skippable "demo data" 60 scripts/prepare_completejourney.py --out demo
fi
demo cpu 60 cpu
demo "$device" 60 "$device" &&
    step check "demo every list again by ref" 60 "$batchrank" verify "$work/$device" \
        --samples 1000000 && show
step skippable "demo x_u on both" 60 "$with_h5py" scripts/compare_runs.py "$work/cpu" \
    "$work/$device" --vectors 2e-5 && show
step check "topk the demo's x_u" 60 "$batchrank" encode configs/demo/run.json \
    --set run.backend=cpu -o "$work/x.h5"
dim=$(sed -n 's/^ "dim": \([0-9]*\),$/\1/p' configs/demo/model/model.json)
step check "topk customers to be items" 60 "$batchrank" generate -o "$work/made" --dim "$dim" \
    --customers 20000 --items 2000
cat >"$work/made/job.json" <<'JSON'
{"input": {"customers": "customers.h5", "catalogue": "catalogue.h5", "model": "model"},
 "output": {"path": "run"}, "run": {"backend": "cpu"}}
JSON
step check "topk 20,000 items" 60 "$batchrank" encode "$work/made/job.json" -o "$work/z.h5"
for backend in cpu "$device"; do
    step check "topk of them on $backend" 60 "$batchrank" topk --customers "$work/x.h5:/vector" \
        --items "$work/z.h5:/vector" -k 100 --backend "$backend" -o "$work/topk-$backend.h5"
done
step check "topk same x_u, same bytes" 20 cmp "$work/topk-cpu.h5" "$work/topk-$device.h5"
if [ $has_gpu = yes ]; then
    demo cpu-100 60 cpu --set list.k=100
    demo cuda-100-bf16 60 cuda --set list.k=100 --set run.precision=bf16
    step skippable "demo bf16 beside fp32" 60 "$with_h5py" scripts/compare_runs.py "$work/cpu-100" \
        "$work/cuda-100-bf16" --cosine 0.9999 --overlap 0.98 && show
fi

# ---- graphs ------------------------------------------------------------------------------------
if [ $has_gpu = yes ]; then
    for graphs in on off; do
        step check "job of ten units, graphs $graphs" 30 env BATCHRANK_CUDA_GRAPHS=$graphs \
            "$batchrank" run "$work/made/job.json" --set run.backend=cuda \
            --set run.unit_customers=2048 --set "output.path=$work/graphs-$graphs" &&
            sed -n 's/^info *run: \(.* launches a unit\|.* customers\/s\)/    \1/p' "$work/step.log"
    done
    step check "job graphs on and off: same parts" 20 diff -r "$work/graphs-on/parts" \
        "$work/graphs-off/parts"
else
    record "graphs" skipped 0 "no GPU"
fi

# ---- NCCL --------------------------------------------------------------------------------------
deadline=$((budget * 53 / 100))
IFS=, read -ra gpus <<<"${CUDA_VISIBLE_DEVICES-}"
[ ${#gpus[@]} -gt 0 ] ||
    mapfile -t gpus < <(nvidia-smi -L 2>/dev/null | sed -n 's/^GPU \([0-9]*\):.*/\1/p')
# one per GPU, each of which sees its own
# shellcheck disable=SC2016
ranks=(env OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "GPUS=${gpus[*]}"
    mpirun --oversubscribe --bind-to none -np ${#gpus[@]} bash -c
    'gpus=($GPUS); export CUDA_VISIBLE_DEVICES=${gpus[OMPI_COMM_WORLD_LOCAL_RANK]}
    exec "$@"' rank)
over_nccl() { # NAME COMMAND-BEFORE...
    local name=$1
    shift
    step skippable "nccl $name" 60 "$@" "$(program bench_nccl)" --json "$out/nccl.jsonl" || return
    show
    step check "nccl $name, the demo" 60 "$@" "$batchrank" run configs/demo/run.json \
        --set run.backend=cuda --set run.nccl=on --set output.vectors=true \
        --set "output.path=$work/nccl-$name" &&
        step check "nccl $name, the same files" 20 cmp "$work/cuda/manifest.json" \
            "$work/nccl-$name/manifest.json"
}
if [ $has_gpu = no ]; then
    record "nccl" skipped 0 "no GPU"
else
    over_nccl alone env
    if [ ${#gpus[@]} -lt 2 ]; then
        record "nccl ranks" skipped 0 "one GPU"
    elif ! command -v mpirun >/dev/null; then
        record "nccl ranks" skipped 0 "${#gpus[@]} GPUs, but no mpirun"
    elif "${ranks[@]}" "$batchrank" --version 2>&1 | grep -q "has no MPI"; then
        record "nccl ranks" skipped 0 "${#gpus[@]} GPUs, but a build without MPI"
    else
        over_nccl ranks "${ranks[@]}"
    fi
fi

# ---- benches -----------------------------------------------------------------------------------
deadline=$((budget * 65 / 100))
small=()
[ $has_gpu = yes ] || small=(--small)
step timing "bench_device on $op_device" 120 "$(program bench_device)" --backend $op_device \
    "${small[@]}" --json "$out/bench.jsonl"
show
if [ $has_gpu = yes ]; then
    step timing "bench_device, graphs off" 60 env BATCHRANK_CUDA_GRAPHS=off \
        "$(program bench_device)" --backend cuda --json "$out/bench_one_by_one.jsonl"
    show
    step timing "bench_device, Hopper's kernels" 60 env BATCHRANK_SCREEN_CUDA=hopper \
        BATCHRANK_ENCODER_CUDA=hopper \
        "$(program bench_device)" --backend cuda --json "$out/bench_hopper.jsonl"
    show
fi

# ---- ladder ------------------------------------------------------------------------------------
deadline=$((budget * 71 / 100))
if [ $has_gpu = no ]; then
    record "ladder" skipped 0 "no GPU"
elif [ ! -x "$(program bench_ladder)" ]; then
    record "ladder" skipped 0 "this build has no code for sm_90a"
else
    step timing "ladder" 60 "$(program bench_ladder)" --json "$out/ladder.jsonl"
    show
fi

# ---- compute-sanitizer -------------------------------------------------------------------------
deadline=$((budget * 76 / 100))
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer 2>/dev/null)
if [ $has_gpu = no ]; then
    record "sanitizer" skipped 0 "no GPU"
elif [ -z "$sanitizer" ]; then
    record "sanitizer" skipped 0 "compute-sanitizer is not installed"
else
    for tool in memcheck racecheck; do
        step timing "sanitizer $tool bench_device" 40 "$sanitizer" --tool $tool --error-exitcode 9 \
            "$(program bench_device)" --backend cuda --small
    done
    for tool in memcheck racecheck; do
        for name in "${tests[@]}"; do
            step timing "sanitizer $tool $name" 20 env BR_TEST_BACKEND=cuda "$sanitizer" \
                --tool $tool --error-exitcode 9 "$(program "$name")"
        done
    done
fi

# ---- the whole night ---------------------------------------------------------------------------
deadline=$((budget * 92 / 100))
night=(--customers 10000000 --items 100000)
[ $has_gpu = yes ] || night=(--customers 20000 --items 1000 --dim 16 --precision fp32)
step timing "night, file to manifest" 120 python3 bench/job/bench_night.py --work "$work/night" \
    --batchrank "$batchrank" --backend $op_device "${night[@]}" --json "$out/night.json" && show

# ---- peers -------------------------------------------------------------------------------------
deadline=$budget
if [ $has_gpu = no ]; then
    record "peers" skipped 0 "no GPU"
else
    step peer "peers" 100 "$(python_with torch)" bench/peers/gpu_topk.py --json "$out/peers.jsonl" \
        --ours "$out/bench.jsonl" --seconds 60
    show
fi

write_results true
{
    echo "# $version"
    echo "# GPU: $device_words"
    printf '%s\n' "${lines[@]}"
    sed -n -e '/launches a unit/p; /^info /d' -e '/^== nccl [a-z]*:/,/^$/p' \
        -e '/^== bench_device/,/^# [0-9]* rows/p; /^== ladder/,/^# [0-9]* failed/p' \
        -e '/^== night/,$p' "$out/log.txt"
} >"$out/summary.txt"
n_skipped=$(printf '%s\n' "${lines[@]}" | grep -c ' skipped ')
echo "${#lines[@]} steps, $n_failed failed, $n_skipped skipped, $SECONDS s; results in $out"
if [ "$n_failed" -gt 0 ]; then
    echo "gpu_check.sh: FAILED"
    exit 1
elif [ $has_gpu = no ]; then
    echo "gpu_check.sh: no GPU here: nothing of the above says anything about one"
    exit 77
fi
echo "gpu_check.sh: all passed"
