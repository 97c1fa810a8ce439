# SPDX-License-Identifier: Apache-2.0
# Looks for MPI. BR_MPI: AUTO uses it when there, ON fails without it, OFF never looks.
# Sets BR_HAS_MPI and BR_MPI_FOUND_TEXT.
set(BR_HAS_MPI FALSE)
set(BR_MPI_FOUND_TEXT "off: one process")
if(NOT BR_MPI STREQUAL "OFF")
  find_package(MPI 3.0 QUIET COMPONENTS C)
  if(MPI_C_FOUND)
    set(BR_HAS_MPI TRUE)
    execute_process(COMMAND ${MPIEXEC_EXECUTABLE} --version OUTPUT_VARIABLE text ERROR_QUIET)
    string(REGEX MATCH "^[^\n]*" text "${text}")
    set(BR_MPI_FOUND_TEXT "MPI ${MPI_C_VERSION}, ${text}")
  elseif(BR_MPI STREQUAL "ON")
    message(FATAL_ERROR "BR_MPI is ON but MPI was not found: install libopenmpi-dev, set MPI_HOME, "
                        "or use BR_MPI=OFF")
  else()
    set(BR_MPI_FOUND_TEXT "not found: one process")
  endif()
endif()
