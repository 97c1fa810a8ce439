# SPDX-License-Identifier: Apache-2.0
# Faults in what host/io writes, at every third call (BR_FAULT_STEP=1: at every call). The
# preloaded library and the sanitizers do not mix.
add_executable(publish_many publish_many.c ${CMAKE_SOURCE_DIR}/tests/host/io/lists_fixture.c)
target_link_libraries(publish_many PRIVATE br_io)
add_executable(fault_points fault_points.c)
target_link_libraries(fault_points PRIVATE br_base)
if(NOT BR_SANITIZE)
  add_library(break_calls SHARED break_calls.c break_files.c break_memory.c break_trace.c)
  target_link_libraries(break_calls PRIVATE br_flags ${CMAKE_DL_LIBS})
  add_test(NAME test_outputs COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/test_outputs.py
    $<TARGET_FILE:publish_many> $<TARGET_FILE:break_calls> 3)
  set_tests_properties(test_outputs PROPERTIES LABELS fault SKIP_RETURN_CODE 77 TIMEOUT 600)
  add_test(NAME test_publications COMMAND ${BR_PYTHON}
    ${CMAKE_CURRENT_LIST_DIR}/test_publications.py $<TARGET_FILE:batchrank>
    $<TARGET_FILE:break_calls>)
  set_tests_properties(test_publications PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
endif()
