# SPDX-License-Identifier: Apache-2.0
# Tests of what host/io writes. Included by CMakeLists.txt.
br_test(test_publish SOURCES test_publish.c lists_fixture.c DEPENDS br_io LABELS unit)
br_test(test_digest_blocks SOURCES inputs/test_digest_blocks.c DEPENDS br_io LABELS unit)
br_test(test_h5_chunks SOURCES outputs/test_h5_chunks.c DEPENDS br_io LABELS unit)
br_test(test_lists SOURCES test_lists.c lists_fixture.c DEPENDS br_io LABELS unit)
br_test(test_lists_shadow SOURCES test_lists_shadow.c lists_fixture.c DEPENDS br_io LABELS unit)
br_test(test_run_dir SOURCES test_run_dir.c lists_fixture.c DEPENDS br_io LABELS unit)
br_test(test_audit SOURCES test_audit.c DEPENDS br_io LABELS unit)
br_test(test_export SOURCES test_export.c lists_fixture.c DEPENDS br_io m LABELS unit)
add_executable(publish_many publish_many.c lists_fixture.c)
target_link_libraries(publish_many PRIVATE br_io)
add_test(NAME test_view COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/test_view.py
  $<TARGET_FILE:publish_many>)
set_tests_properties(test_view PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
