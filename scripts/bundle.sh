#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a folder that runs elsewhere: on x86-64 Linux with a glibc not older than Debian 12's (2.36)
# and, for the GPU, a driver and the CUDA libraries of the toolkit's major version. Nothing is
# installed there; scripts/gpu_check.sh in it is the first thing to run.
#
#   scripts/bundle.sh [--cpu] [--arch LIST] [--build DIR] [--out DIR]
#
#   --cpu         without the CUDA backend
#   --arch LIST   CMAKE_CUDA_ARCHITECTURES; default: 80-real;90a-real;100, that is sm_80, sm_90a,
#                 sm_100 and, as PTX, what comes later (before CUDA 12.8, which has no sm_100:
#                 80-real;90a-real;90-virtual)
#   --build DIR   takes the programs of this build tree as they are; default: builds
#                 build/bundle-tree-cuda (-cpu) first
#   --out DIR     where to (build/bundle); must be new, or a bundle, which is replaced
#
# What is in it:
#   bin/      batchrank, the op tests, bench_device, bench_ladder (for sm_90a), bench_models,
#             bench_nccl, bench_score_topk, topk_side
#   lib/      every library they need but glibc's and CUDA's, found through ../lib
#   env.sh    sourced: finds CUDA's libraries, and NCCL's where it is, and sets LD_LIBRARY_PATH
#   demo/     the demo's prepared data; configs/ its job and model; scripts/, bench/
#   BUNDLE.txt  version, commit, architectures, glibc, libraries
#
# MPI is not in it: a bundle is one process, which runs on NCCL too (run.nccl=on).
#
# Exit code 0, 2 for wrong arguments, 4 when something cannot be built, found or written.
set -euo pipefail
cd "$(dirname "$0")/.."

newest_glibc=2.36
programs=(bench_device bench_models bench_score_topk topk_side)
alone=(batchrank bench_nccl) # as they are without MPI: that of a machine is its own
# From the system, always: they belong to its kernel and its loader.
of_glibc='^(ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv|util|mvec|anl|nsl|nss_[a-z]+))\.so'
of_cuda='^lib(cuda|cudart|cublas|cublasLt|nccl|nvrtc|nvJitLink|nvidia-.*)\.so'
kind=cuda
arch=
build=
out=build/bundle

fail() { echo "bundle.sh: $2" >&2; exit "$1"; }
usage() { sed -n '3,/^set/s/^# \{0,1\}//p' scripts/bundle.sh | sed '/^set/d'; }

while [ $# -gt 0 ]; do
    case $1 in
        --cpu) kind=cpu ;;
        --arch | --build | --out)
            [ $# -ge 2 ] || fail 2 "$1 wants a value"
            declare "${1#--}=$2"
            shift ;;
        -h | --help) usage; exit 0 ;;
        *) fail 2 "unknown argument '$1'; expected --cpu, --arch, --build, --out, --help" ;;
    esac
    shift
done
[ ! -e "$out" ] || [ -f "$out/BUNDLE.txt" ] || fail 2 "$out is there and is no bundle"

if [ -z "$build" ] && [ "$kind" = cuda ]; then
    PATH=$PATH:/usr/local/cuda/bin
    command -v nvcc >/dev/null || fail 4 "nvcc was not found: put it on PATH, or use --cpu"
    newest="90-virtual"
    if nvcc --list-gpu-arch | grep -q compute_100; then
        newest=100
    fi
    arch=${arch:-80-real;90a-real;$newest}
fi
[[ -z "$build" && "$arch" != *90a* ]] || programs+=(bench_ladder)

if [ -z "$build" ]; then
    build=build/bundle-tree-$kind
    options=(-DBR_CUDA=OFF)
    if [ "$kind" = cuda ]; then
        options=(-DBR_CUDA=ON "-DCMAKE_CUDA_ARCHITECTURES=$arch")
        # each program holds every kernel; the drivers that CUDA 13 asks for can unpack this
        if nvcc --version | grep -qE 'release (1[3-9]|[2-9][0-9])\.'; then
            options+=(-DCMAKE_CUDA_FLAGS=--compress-mode=size)
        fi
    fi
    cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DBR_TESTS=ON -DBR_BENCH=ON \
        "${options[@]}" >&2 || fail 4 "cmake failed, its messages are above"
    mapfile -t targets <"$build/device_tests.txt"
    cmake --build "$build" -j "$(nproc)" -t "${alone[@]/%/_alone}" \
        "${targets[@]}" "${programs[@]}" >&2 || fail 4 "the build failed, its messages are above"
fi
[ -x "$build/batchrank_alone" ] || fail 4 "$build/batchrank_alone is missing: build it first"
[ -f "$build/device_tests.txt" ] || fail 4 "$build has no tests: configure it with -DBR_TESTS=ON"

made=$out.new
rm -rf "$made"
mkdir -p "$made/bin" "$made/lib"

take_program() { # NAME, or nothing when the tree was built without it
    local path
    for path in "$build/$1" "$build/tests/kernels/$1" "$build"/bench/*/"$1"; do
        if [ -x "$path" ]; then
            cp "$path" "$made/bin/"
            return
        fi
    done
    echo "bundle.sh: $1 was not built in $build, and is left out" >&2
}

for name in "${alone[@]}"; do
    take_program "${name}_alone"
    [ ! -e "$made/bin/${name}_alone" ] || mv "$made/bin/${name}_alone" "$made/bin/$name"
done
while read -r name; do
    take_program "$name"
done <"$build/device_tests.txt"
for name in "${programs[@]}"; do
    take_program "$name"
done
cp "$build/device_tests.txt" "$made/bin/"

if command -v strip >/dev/null; then
    find "$made/bin" -type f -executable -exec strip {} +
fi

# soname => path, of all programs
find "$made/bin" -type f -executable -exec ldd {} + |
    awk '$2 == "=>" {print $1, $3, $4}' | sort -u >"$made/ldd"
: >"$made/lib/needed-from-cuda.txt"
while read -r name path more; do
    if [[ $name =~ $of_glibc ]]; then
        continue
    elif [[ $name =~ $of_cuda ]]; then
        echo "$name" >>"$made/lib/needed-from-cuda.txt"
    elif [ "$path $more" = "not found" ]; then
        fail 4 "$name is nowhere on this machine"
    else
        cp -L "$path" "$made/lib/$name"
    fi
done <"$made/ldd"
rm "$made/ldd"
sort -u -o "$made/lib/needed-from-cuda.txt" "$made/lib/needed-from-cuda.txt"

glibc=$(find "$made" \( -name '*.so*' -o -path '*/bin/*' -executable \) -type f \
            -exec objdump -T {} + | grep -oE 'GLIBC_[0-9]+\.[0-9]+' | cut -d_ -f2 | sort -uV |
        tail -n 1)
[ "$(printf '%s\n' "$glibc" $newest_glibc | sort -V | tail -n 1)" = $newest_glibc ] ||
    fail 4 "needs glibc $glibc, newer than Debian 12's $newest_glibc: build it there"

mkdir -p "$made/scripts" "$made/bench" "$made/configs/demo"
cp scripts/bundle_env.sh "$made/env.sh"
cp scripts/gpu_check.sh scripts/compare_runs.py scripts/show_lists.py scripts/plot_trace.py \
    "$made/scripts/"
cp bench/heading.py "$made/bench/"
cp -r bench/peers "$made/bench/"
mkdir "$made/bench/job"
cp bench/job/bench_night.py "$made/bench/job/"
rm -rf "$made/bench/peers/__pycache__"
cp configs/*.json "$made/configs/"
cp -r configs/demo/run.json configs/demo/model "$made/configs/demo/"
cp LICENSE README.md "$made/"
if [ -f demo/data/customers.h5 ]; then
    mkdir -p "$made/demo"
    cp -r demo/data "$made/demo/"
else
    /usr/bin/python3 scripts/prepare_completejourney.py --out "$made/demo" >"$made/log" 2>&1 ||
        fail 4 "the demo's data cannot be prepared: $(tail -n 1 "$made/log")"
    rm -rf "$made/demo/split" "$made/log"
fi

commit=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)
codes=$(sed -n 's/^CMAKE_CUDA_ARCHITECTURES:[A-Z]*=//p' "$build/CMakeCache.txt")
needed=$(tr '\n' ' ' <"$made/lib/needed-from-cuda.txt")
{
    "$made/bin/batchrank" --version
    echo "commit        $commit"
    if [ -n "$needed" ]; then
        echo "CUDA          for $codes"
    else
        echo "CUDA          none"
    fi
    echo "glibc         $glibc or newer (Debian 12 has $newest_glibc)"
    echo "libraries     $(find "$made/lib" -name '*.so*' -printf '%f\n' | sort | tr '\n' ' ')"
    echo "from CUDA     ${needed:-none}"
} >"$made/BUNDLE.txt"

rm -rf "$out"
mv "$made" "$out"
cat "$out/BUNDLE.txt"
echo "size          $(du -sh --apparent-size "$out" | cut -f 1) in $out"
if [ -n "$needed" ]; then
    echo "Where a CUDA library is missing, every program ends with 127 and the loader's words:"
    echo "  error while loading shared libraries: ${needed%% *}: cannot open shared object file"
    echo "  . $out/env.sh looks for it in the usual places, and says what to install."
fi
