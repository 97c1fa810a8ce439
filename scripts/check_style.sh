#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The limits and habits of the code, checked: sizes, names, headers, licence lines, formatting.
# Prints file:line: rule: found, limit; exit 1 on a finding. --self-test shows that each rule fires.
set -euo pipefail
cd "$(dirname "$0")/.."
exec "$(command -v /usr/bin/python3 || command -v python3)" scripts/check_style.py "$@"
