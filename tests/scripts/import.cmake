# SPDX-License-Identifier: Apache-2.0
# Tests of the importers; included by tests/scripts/CMakeLists.txt.
foreach(name sequence vectors)
  br_script_test(test_import_${name} LABELS unit
    COMMAND ${BR_PYTHON} -B -m pytest -q -p no:cacheprovider tests/scripts/test_import_${name}.py)
endforeach()
br_script_test(test_import_torch LABELS unit
  COMMAND ${BR_PYTHON} -B tests/scripts/test_import_torch.py)
