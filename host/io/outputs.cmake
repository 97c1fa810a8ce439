# SPDX-License-Identifier: Apache-2.0
# What host/io writes: published files, lists, the run directory. Included by CMakeLists.txt, which
# makes the room br_io.
set(outputs
  publish.c read_back.c digest/digest.c digest/blocks.c look/file_kind.c look/file_header.c h5/objects.c
  lists/h5_image.c lists/h5_chunks.c lists/lists_image.c lists/lists_dataset.c lists/lists_read.c lists/lists_check.c
  lists/slots.c lists/lists_view.c lists/lists_about.c
  run/audit.c run/lock.c run/receipt.c run/manifest.c run/json_fields.c run/read_text.c run/run_open.c
  run/run_scan.c run/run_units.c run/ranks/run_ranks.c run/run_commit.c run/run_verify.c run/run_about.c
  run/run_inputs.c
  export/cell.c export/folder.c export/series.c export/run_reader.c)
list(TRANSFORM outputs PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
target_sources(br_io PRIVATE ${outputs})
target_link_libraries(br_io PUBLIC OpenSSL::Crypto m)
