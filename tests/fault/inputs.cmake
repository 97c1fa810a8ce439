# SPDX-License-Identifier: Apache-2.0
# Damaged inputs, and inputs whose reads fail.
add_test(NAME damaged_inputs COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/damaged_inputs.py
  $<TARGET_FILE:check_input> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(damaged_inputs PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
if(NOT BR_SANITIZE) # the preloaded library and the sanitizers do not mix
  add_library(break_reads SHARED break_reads.c)
  target_link_libraries(break_reads PRIVATE br_flags ${CMAKE_DL_LIBS})
  add_test(NAME failing_reads COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/failing_reads.py
    $<TARGET_FILE:check_input> $<TARGET_FILE:break_reads> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(failing_reads PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
endif()
