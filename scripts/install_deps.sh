#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages that batchrank needs and that are missing. Called by quickstart.sh
# and test.sh, by hand before a first build. Does nothing, and needs no network, when all are there.
#   scripts/install_deps.sh            what the build, the demo and the tests need
#   scripts/install_deps.sh --build    without the tests and benchmarks
#   scripts/install_deps.sh --train    PyTorch and matplotlib too (scripts/train.py; about 1 GB)
#   scripts/install_deps.sh --slurm    Slurm and munge too, for the emulated cluster of tests/slurm
set -euo pipefail

packages=(gcc libc6-dev cmake ninja-build pkg-config libhdf5-dev libcjson-dev
          libssl-dev zstd python3 python3-numpy python3-h5py tzdata)
tests=(g++ libcmocka-dev libopenblas-dev python3-pytest git clang-format
       python3-jsonschema python3-scipy libopenmpi-dev openmpi-bin
       redis-tools) # redis-tools holds the server too, starts none
case "${1:-}" in
    "")      packages+=("${tests[@]}") ;;
    --build) ;;
    --train) packages+=("${tests[@]}" python3-torch python3-matplotlib) ;;
    --slurm) packages+=("${tests[@]}" slurm-wlm munge libpmix2) ;;
    *)       echo "install_deps.sh: unknown argument '$1'; expected --build, --train, --slurm" >&2
             exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null; then
    echo "install_deps.sh: this is no Debian or Ubuntu; install what corresponds to:" >&2
    echo "  ${packages[*]}" >&2
    exit 4
fi

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
        echo "install_deps.sh: not root and no sudo here. As root, run:" >&2
        echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 4
    fi
    as_root=(sudo)
fi

echo "install_deps.sh: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
if ! { "${as_root[@]}" apt-get update -qq &&
       "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"; } >&2; then
    echo "install_deps.sh: apt-get failed, its messages are above. Missing: ${missing[*]}" >&2
    exit 4
fi
