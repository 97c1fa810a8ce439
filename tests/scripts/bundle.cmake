# SPDX-License-Identifier: Apache-2.0
# A bundle of this tree's programs runs elsewhere.
if(BR_BENCH)
  br_script_test(test_bundle LABELS script
    COMMAND ${BR_PYTHON} -B tests/scripts/test_bundle.py ${CMAKE_BINARY_DIR})
endif()
