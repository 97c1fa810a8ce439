# SPDX-License-Identifier: Apache-2.0
# Looks for nccl.h, once the device backend is known; the library itself is looked for when a job
# wants it. BR_NCCL: AUTO uses it when there, ON fails without it, OFF never looks.
# Sets BR_HAS_NCCL, BR_NCCL_INCLUDES and BR_NCCL_FOUND_TEXT.
set(BR_HAS_NCCL FALSE)
set(BR_NCCL_FOUND_TEXT "off: every rank uploads its own copies")
if(NOT BR_NCCL STREQUAL "OFF")
  find_path(BR_NCCL_INCLUDE_DIR nccl.h HINTS $ENV{NCCL_HOME}/include ${BR_DEVICE_INCLUDES})
  if(BR_NCCL_INCLUDE_DIR AND BR_DEVICE_INCLUDES)
    file(STRINGS ${BR_NCCL_INCLUDE_DIR}/nccl.h lines REGEX "define NCCL_(MAJOR|MINOR|PATCH) ")
    string(REGEX REPLACE "[^;]* ([0-9]+)" "\\1" lines "${lines}")
    string(REPLACE ";" "." text "${lines}")
    if(text VERSION_GREATER_EQUAL 2.14)
      set(BR_HAS_NCCL TRUE)
      set(BR_NCCL_INCLUDES ${BR_NCCL_INCLUDE_DIR} ${BR_DEVICE_INCLUDES})
      set(BR_NCCL_FOUND_TEXT "header ${text}; libnccl.so.2 when a job wants it")
    else()
      set(BR_NCCL_FOUND_TEXT "header ${text} found, 2.14 or newer expected")
    endif()
  elseif(NOT BR_DEVICE_INCLUDES)
    set(BR_NCCL_FOUND_TEXT "not without the device backend")
  else()
    set(BR_NCCL_FOUND_TEXT "nccl.h not found: every rank uploads its own copies")
  endif()
  if(BR_NCCL STREQUAL "ON" AND NOT BR_HAS_NCCL)
    message(FATAL_ERROR "BR_NCCL is ON, but: ${BR_NCCL_FOUND_TEXT}. Install libnccl-dev, set "
                        "NCCL_HOME, build with the device backend, or use BR_NCCL=OFF")
  endif()
endif()
