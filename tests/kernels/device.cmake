# SPDX-License-Identifier: Apache-2.0
# The op tests that take BR_TEST_BACKEND. Where nvcc built the cuda backend each is registered once
# more against the GPU, and skips (77) without one. device_tests.txt tells scripts/bundle.sh and
# scripts/gpu_check.sh which programs these are.
set(device_tests
  test_ops_embed test_ops_linear test_ops_attention test_ops_gru test_ops_fusion test_ops_block
  test_ops_checks
  test_fuse_inputs test_mlp test_calibrate test_score_pairs test_pair_mlp test_score_topk
  test_screen_kinds test_hopper test_floors test_logsumexp test_draw_topk test_draw_quotas
  test_draw_parts test_transfer test_graphs test_hash)
list(JOIN device_tests "\n" lines)
file(WRITE ${CMAKE_BINARY_DIR}/device_tests.txt "${lines}\n")

if(BR_HAS_CUDA)
  foreach(name ${device_tests})
    add_test(NAME gpu_${name} COMMAND ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
    set_tests_properties(gpu_${name} PROPERTIES LABELS gpu SKIP_RETURN_CODE 77
      ENVIRONMENT BR_TEST_BACKEND=cuda RESOURCE_LOCK gpu)
  endforeach()
  add_test(NAME gpu_test_logsumexp_hopper COMMAND test_logsumexp
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(gpu_test_logsumexp_hopper PROPERTIES LABELS gpu SKIP_RETURN_CODE 77
    ENVIRONMENT "BR_TEST_BACKEND=cuda;BATCHRANK_SCREEN_CUDA=hopper" RESOURCE_LOCK gpu)
endif()
