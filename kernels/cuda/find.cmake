# SPDX-License-Identifier: Apache-2.0
# Looks for nvcc. BR_CUDA: AUTO uses it when there, ON fails without it, OFF never looks.
# Sets BR_HAS_CUDA and BR_CUDA_FOUND_TEXT.
set(BR_HAS_CUDA FALSE)
set(BR_CUDA_FOUND_TEXT "off")
if(NOT BR_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 80 90)
    endif()
    enable_language(CUDA)
    set(BR_HAS_CUDA TRUE)
    set(BR_CUDA_FOUND_TEXT "${CMAKE_CUDA_COMPILER_VERSION} (most ops, #4)")
  elseif(BR_CUDA STREQUAL "ON")
    message(FATAL_ERROR "BR_CUDA is ON but nvcc was not found: put nvcc on PATH, set "
                        "CMAKE_CUDA_COMPILER, or use BR_CUDA=OFF")
  else()
    set(BR_CUDA_FOUND_TEXT "not found: CPU backends only")
  endif()
endif()
