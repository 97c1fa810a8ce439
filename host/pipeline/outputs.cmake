# SPDX-License-Identifier: Apache-2.0
# Looking at what is there: the verbs info and verify. Included by CMakeLists.txt, which makes the
# room br_pipeline.
target_sources(br_pipeline PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/look/info.c
  ${CMAKE_CURRENT_LIST_DIR}/look/info_inputs.c
  ${CMAKE_CURRENT_LIST_DIR}/look/info_model.c
  ${CMAKE_CURRENT_LIST_DIR}/look/verify.c)
