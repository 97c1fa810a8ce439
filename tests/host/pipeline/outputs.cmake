# SPDX-License-Identifier: Apache-2.0
# Tests of info and verify. Included by CMakeLists.txt.
br_test(test_look SOURCES test_look.c ${CMAKE_SOURCE_DIR}/tests/host/io/lists_fixture.c
  DEPENDS br_pipeline LABELS unit)
br_test(test_info_inputs SOURCES test_info_inputs.c ${CMAKE_SOURCE_DIR}/tests/host/io/h5_fixture.c
  DEPENDS br_pipeline LABELS unit)
