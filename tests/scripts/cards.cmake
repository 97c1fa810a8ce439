# SPDX-License-Identifier: Apache-2.0
# Tests of the scripts behind docs/cards; included by tests/scripts/CMakeLists.txt.
foreach(name prepare_lastfm logged purchase_summary prepare_log)
  br_script_test(test_${name} LABELS unit
    COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_${name}.py)
endforeach()
