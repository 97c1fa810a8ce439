# SPDX-License-Identifier: Apache-2.0
# Kernels whose hot loop must not touch the stack, as built for this machine: br_no_spill(source
# function). Only where the compiler optimises and without sanitizers, which need the stack.
function(br_no_spill source function)
  set(objects $<FILTER:$<TARGET_OBJECTS:br_kernels>,INCLUDE,/${source}\\.>)
  add_test(NAME no_spill_${function}
    COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/check_spills.py ${function} ${objects}
    COMMAND_EXPAND_LISTS)
  set_tests_properties(no_spill_${function} PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endfunction()

# br_fetches(source): what it asks for ahead of time, it still asks for once compiled.
function(br_fetches source)
  string(REPLACE "/" "_" name ${source})
  add_test(NAME fetches_${name}
    COMMAND ${BR_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/check_spills.py --fetches
    $<FILTER:$<TARGET_OBJECTS:br_kernels>,INCLUDE,/${source}\\.> COMMAND_EXPAND_LISTS)
  set_tests_properties(fetches_${name} PROPERTIES LABELS unit SKIP_RETURN_CODE 77)
endfunction()

br_script_test(check_spills_rules LABELS style COMMAND tests/kernels/check_spills.py --self-test)
if(CMAKE_BUILD_TYPE STREQUAL "Release" AND NOT BR_SANITIZE AND
   CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  foreach(kind fp32 int8 int16 madd16)
    br_no_spill(cpu/screen/screen_avx512 run_${kind})
  endforeach()
  foreach(source cpu/topk/scan cpu/topk/tile cpu/topk/score_pairs cpu/encoder/gru cpu/embed
      cpu/pair_mlp)
    br_fetches(${source})
  endforeach()
  foreach(kind fp32 int8 int16)
    br_no_spill(cpu/screen/screen_avx2 block_${kind})
  endforeach()
endif()
