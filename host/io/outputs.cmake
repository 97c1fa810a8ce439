# SPDX-License-Identifier: Apache-2.0
# What host/io writes: published files, lists, the run directory. Included by CMakeLists.txt, which
# makes the room br_io.
target_sources(br_io PRIVATE
  ${CMAKE_CURRENT_LIST_DIR}/publish.c
  ${CMAKE_CURRENT_LIST_DIR}/digest.c
  ${CMAKE_CURRENT_LIST_DIR}/h5_image.c
  ${CMAKE_CURRENT_LIST_DIR}/lists_image.c
  ${CMAKE_CURRENT_LIST_DIR}/lists_dataset.c
  ${CMAKE_CURRENT_LIST_DIR}/lists_read.c
  ${CMAKE_CURRENT_LIST_DIR}/lists_check.c)
target_include_directories(br_io PUBLIC ${HDF5_INCLUDE_DIRS})
target_link_libraries(br_io PUBLIC br_base ${HDF5_C_LIBRARIES} OpenSSL::Crypto m)
