# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Finds the CUDA libraries that a bundle (bundle.sh) leaves to the machine, and puts their folders
# on LD_LIBRARY_PATH. Sourced, by gpu_check.sh or by hand:  . ./env.sh
# Returns 1, and says what is missing, when one is nowhere; nothing is needed by a --cpu bundle.
# libnccl.so.2 is looked for in the same places, and done without where it is not.

bundle_folders() {
    local python
    tr ':' '\n' <<<"${LD_LIBRARY_PATH:-}"
    printf '%s\n' "${CUDA_HOME:-}"/lib64 "${CUDA_PATH:-}"/lib64 "${CONDA_PREFIX:-}"/lib \
        /usr/local/cuda/lib64 /usr/local/cuda-*/lib64 /usr/local/cuda-*/targets/x86_64-linux/lib \
        /usr/lib/x86_64-linux-gnu /usr/lib64 /usr/local/nvidia/lib64 /opt/cuda/lib64
    for python in python3 python; do # the packages nvidia-cublas, nvidia-cublas-cu12 and the like
        command -v "$python" >/dev/null || continue
        "$python" -c 'import sys
for folder in sys.path:
    if folder.endswith("-packages"):
        for name in ("cu13", "cublas", "cuda_runtime", "nccl"):
            print(f"{folder}/nvidia/{name}/lib")' 2>/dev/null
    done
}

bundle_add() { # NAME: 1 when it is nowhere
    local folder found=
    if ldconfig -p 2>/dev/null | grep -qF "$1 "; then
        return 0
    fi
    while read -r folder; do
        if [ -n "$folder" ] && [ -e "$folder/$1" ]; then
            found=$folder
            break
        fi
    done < <(bundle_folders)
    [ -n "$found" ] || return 1
    case ":${LD_LIBRARY_PATH:-}:" in
        *":$found:"*) ;;
        *) export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$found" ;;
    esac
}

bundle_find() {
    local list name
    list=$(dirname "${BASH_SOURCE[0]}")/lib/needed-from-cuda.txt
    [ -s "$list" ] || return 0
    while read -r name; do
        if ! bundle_add "$name"; then
            echo "env.sh: $name is nowhere here. It comes with the CUDA toolkit, or:" >&2
            echo "  python3 -m pip install nvidia-cublas   (version ${name##*.})" >&2
            return 1
        fi
    done <"$list"
    bundle_add libnccl.so.2 || true
}
bundle_find
