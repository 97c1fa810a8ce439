# SPDX-License-Identifier: Apache-2.0
# Tests of the scripts of the demo and the retail set; included by tests/scripts/CMakeLists.txt.
foreach(name prepare prepare_retail demo_model show_lists measure_lists ablation measure_heads
    show_ledger prepare_campaign)
  br_script_test(test_${name} LABELS unit
    COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_${name}.py)
endforeach()
