# SPDX-License-Identifier: Apache-2.0
# One list for builds with NCCL and for its stand-in (tests/cuda_on_cpu/nccl).
set(BR_NCCL_SOURCES nccl.c arrays.c library.c)
list(TRANSFORM BR_NCCL_SOURCES PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
