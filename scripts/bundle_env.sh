# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Finds the CUDA libraries that a bundle (bundle.sh) leaves to the machine, and puts their folders
# on LD_LIBRARY_PATH. Sourced, by gpu_check.sh or by hand:  . ./env.sh
# Returns 1, and says what is missing, when one is nowhere; nothing is needed by a --cpu bundle.

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
        for name in ("cu13", "cublas", "cuda_runtime"):
            print(f"{folder}/nvidia/{name}/lib")' 2>/dev/null
    done
}

bundle_find() {
    local list name folder found
    list=$(dirname "${BASH_SOURCE[0]}")/lib/needed-from-cuda.txt
    [ -s "$list" ] || return 0
    while read -r name; do
        if ldconfig -p 2>/dev/null | grep -qF "$name "; then
            continue
        fi
        found=
        while read -r folder; do
            if [ -n "$folder" ] && [ -e "$folder/$name" ]; then
                found=$folder
                break
            fi
        done < <(bundle_folders)
        if [ -z "$found" ]; then
            echo "env.sh: $name is nowhere here. It comes with the CUDA toolkit, or:" >&2
            echo "  python3 -m pip install nvidia-cublas   (version ${name##*.})" >&2
            return 1
        fi
        case ":${LD_LIBRARY_PATH:-}:" in
            *":$found:"*) ;;
            *) export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$found" ;;
        esac
    done <"$list"
}
bundle_find
