# SPDX-License-Identifier: Apache-2.0
# Tests of the scripts of the demo and the retail set; included by tests/scripts/CMakeLists.txt.
br_script_test(test_prepare LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_prepare.py)
br_script_test(test_prepare_retail LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_prepare_retail.py)
br_script_test(test_demo_model LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_demo_model.py)
br_script_test(test_show_lists LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_show_lists.py)
br_script_test(test_measure_lists LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_measure_lists.py)
br_script_test(test_ablation LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_ablation.py)
br_script_test(test_measure_heads LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_measure_heads.py)
br_script_test(test_show_ledger LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_show_ledger.py)
br_script_test(test_prepare_campaign LABELS unit
  COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_prepare_campaign.py)
