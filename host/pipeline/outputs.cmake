# SPDX-License-Identifier: Apache-2.0
# Looking at what is there and sending it out: the verbs info, verify, explain and publish. Included by CMakeLists.txt, which makes the
# room br_pipeline.
target_sources(br_pipeline PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/look/info.c
  ${CMAKE_CURRENT_LIST_DIR}/look/info_inputs.c
  ${CMAKE_CURRENT_LIST_DIR}/look/info_model.c
  ${CMAKE_CURRENT_LIST_DIR}/look/verify.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/explain.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/inputs.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/item.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/pair.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/terms.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/events.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/scorer.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/reason.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/words.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/json.c
  ${CMAKE_CURRENT_LIST_DIR}/look/explain/text.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/publish.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/record.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/csv_record.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/json_record.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/resp_record.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/changes.c
  ${CMAKE_CURRENT_LIST_DIR}/publish/paper.c)
