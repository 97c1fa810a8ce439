# SPDX-License-Identifier: Apache-2.0
# Damaged inputs, inputs whose reads fail, and what is opened of them.
add_test(NAME damaged_inputs COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/damaged_inputs.py
  $<TARGET_FILE:check_input> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
set_tests_properties(damaged_inputs PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
if(NOT BR_SANITIZE) # the preloaded library and the sanitizers do not mix
  add_test(NAME failing_reads COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/failing_reads.py
    $<TARGET_FILE:check_input> $<TARGET_FILE:break_calls> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(failing_reads PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
  add_library(trace_opens SHARED trace_opens.c)
  target_link_libraries(trace_opens PRIVATE br_flags hdf5::hdf5 ${CMAKE_DL_LIBS})
  add_test(NAME test_opens COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/test_opens.py
    $<TARGET_FILE:batchrank> $<TARGET_FILE:trace_opens> WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(test_opens PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
endif()
