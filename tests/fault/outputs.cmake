# SPDX-License-Identifier: Apache-2.0
# Faults in whole jobs: a seeded sample of each loop (docs/RELIABILITY.md; scripts/soak.sh runs all
# cases), and of publications. The preloaded library and the sanitizers do not mix.
add_executable(fault_points fault_points.c)
target_link_libraries(fault_points PRIVATE br_base)
# loop and number of cases: about 40 seconds in all
if(BR_SANITIZE)
  set(loops lost 2)
else()
  add_library(break_calls SHARED break_calls.c break_files.c break_memory.c break_trace.c)
  target_link_libraries(break_calls PRIVATE br_flags ${CMAKE_DL_LIBS})
  set(loops points 50 points-2 8 lost 4 calls 60 memory 50 kills 12 power 40)
  if(TARGET batchrank_emulated)
    list(APPEND loops devices 10)
  endif()
endif()
while(loops)
  list(POP_FRONT loops loop n_cases)
  add_test(NAME fault_${loop} COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/sample.py
    ${loop} ${n_cases})
  set_tests_properties(fault_${loop} PROPERTIES LABELS fault TIMEOUT 900 SKIP_RETURN_CODE 77
    ENVIRONMENT "BR_FAULT_BUILD=${CMAKE_BINARY_DIR};BATCHRANK=$<TARGET_FILE:batchrank>")
endwhile()
set_tests_properties(fault_lost PROPERTIES LABELS "fault;ranks")
if(NOT BR_SANITIZE)
  set_tests_properties(fault_points-2 PROPERTIES LABELS "fault;ranks")
  add_test(NAME test_publications COMMAND ${BR_PYTHON}
    ${CMAKE_CURRENT_LIST_DIR}/test_publications.py $<TARGET_FILE:batchrank>
    $<TARGET_FILE:break_calls>)
  set_tests_properties(test_publications PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
endif()
