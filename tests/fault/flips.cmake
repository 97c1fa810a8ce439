# SPDX-License-Identifier: Apache-2.0
# Bits flipped in memory and in files, and who notices (docs/DETECTORS.md). All of it:
#   python3 tests/fault/test_flips.py build/cpu/tests/fault/batchrank_flips 200
get_target_property(batchrank_sources batchrank SOURCES)
list(TRANSFORM batchrank_sources PREPEND ${CMAKE_SOURCE_DIR}/host/)
add_executable(batchrank_flips ${batchrank_sources} flips.c)
target_link_libraries(batchrank_flips PRIVATE br_pipeline br_ranks br_decide br_flags)
if(BR_SANITIZE)
  set(flips 1)
else()
  set(flips 8)
endif()
add_test(NAME test_flips COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_LIST_DIR}/test_flips.py
  $<TARGET_FILE:batchrank_flips> ${flips})
set_tests_properties(test_flips PROPERTIES LABELS fault SKIP_RETURN_CODE 77)
