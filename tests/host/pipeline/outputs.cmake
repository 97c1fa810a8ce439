# SPDX-License-Identifier: Apache-2.0
# Tests of info and verify. Included by CMakeLists.txt.
br_test(test_look SOURCES test_look.c ${CMAKE_SOURCE_DIR}/tests/host/io/lists_fixture.c
  DEPENDS br_pipeline LABELS unit)
