# SPDX-License-Identifier: Apache-2.0
# Looks for nvcc. BR_CUDA: AUTO uses it when there, ON fails without it, OFF never looks.
# Sets BR_HAS_CUDA, BR_HAS_HOPPER (code for sm_90a is made), BR_CUDA_FOUND_TEXT and
# BR_DEVICE_INCLUDES.
set(BR_HAS_CUDA FALSE)
set(BR_HAS_HOPPER FALSE)
set(BR_CUDA_FOUND_TEXT "off")
if(NOT BR_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES) # one: this machine's, or Hopper's
      execute_process(COMMAND nvidia-smi --query-gpu=compute_cap --format=csv,noheader
        RESULT_VARIABLE has_no_gpu OUTPUT_VARIABLE capability ERROR_QUIET)
      if(has_no_gpu OR capability MATCHES "^9\\.0")
        set(CMAKE_CUDA_ARCHITECTURES 90a) # with what Hopper alone has
      else()
        set(CMAKE_CUDA_ARCHITECTURES native)
      endif()
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit 12.4 REQUIRED)
    set(BR_HAS_CUDA TRUE)
    if(CMAKE_CUDA_ARCHITECTURES MATCHES "90a")
      set(BR_HAS_HOPPER TRUE)
    endif()
    set(BR_DEVICE_INCLUDES ${CUDAToolkit_INCLUDE_DIRS}) # for headers of libraries on devices
    set(BR_CUDA_FOUND_TEXT "${CMAKE_CUDA_COMPILER_VERSION} (most ops, #4)")
  elseif(BR_CUDA STREQUAL "ON")
    message(FATAL_ERROR "BR_CUDA is ON but nvcc was not found: put nvcc on PATH, set "
                        "CMAKE_CUDA_COMPILER, or use BR_CUDA=OFF")
  else()
    set(BR_CUDA_FOUND_TEXT "not found: CPU backends only")
  endif()
endif()
