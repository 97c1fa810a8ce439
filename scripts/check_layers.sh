#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The arrows between rooms: a file includes only floors below its own, and each library has one
# room; host/ and models/ know of CUDA the backend's name alone. Prints file:line: rule: found,
# expected; exit 1 on a finding. --self-test shows that each rule fires.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "$(command -v /usr/bin/python3 || command -v python3)" scripts/check_layers.py "$@"
