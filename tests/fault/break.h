/* SPDX-License-Identifier: Apache-2.0
 *
 * A library to preload that counts calls into the C library, breaks one of them, and writes down
 * what becomes of files. Settings are environment variables:
 *   BREAK_CALL    open read write fsync rename close fallocate truncate mkdir link unlink mmap
 *                 malloc (also calloc, realloc, aligned_alloc)
 *   BREAK_AT      number of the call in this process, from 1; 0: they are only counted
 *   BREAK_HOW     an errno's number; "short" (half of a read or write); "kill" (before the call);
 *                 "tear" (half of a write, then kill); "delay" (100 ms, then the call)
 *   BREAK_ALWAYS  1: that call and all later ones
 *   BREAK_UNDER   only calls that name a path, or a descriptor opened for a path, under this folder
 *   BREAK_CALLER  of allocations, those made by the program itself (unset), or by the library whose
 *                 file name contains this text
 *   BREAK_RANK    only in the process of that rank (variables of mpirun and srun)
 *   BREAK_COUNT   a file that gets "N FIRED": calls seen, and how many of them were broken
 *   BREAK_SIGNAL  a file that gets, when the process dies of SIGSEGV, SIGBUS, SIGFPE or SIGABRT,
 *                 the names of the objects in its stack, innermost first
 *   BREAK_TRACE   a file to which every change under BREAK_UNDER is appended (break_trace.c) */
#ifndef BR_TESTS_FAULT_BREAK_H
#define BR_TESTS_FAULT_BREAK_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Is a fault of this kind wanted at all? */
bool break_wants(const char *call);
/* Counts one call. True: it must fail, errno is set. It may also kill the process, or wait. */
bool break_this(const char *call);
/* "short" or "tear" asked for? Instead of failing, half of the bytes are moved. */
bool break_is(const char *how);
void break_kill(void);
bool break_is_under(const char *path);

/* The value of a variable, or "". */
const char *break_setting(const char *name);
/* The next definition of a function of the C library. */
void       *break_next(const char *name);

/* Changes are made between begin and end, so that the trace has their order; one line each. */
void trace_begin(void);
void trace_end(void);
void trace_line(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* n bytes that begin at `offset` of the file. */
void trace_write(int fd, const void *data, size_t n, off_t offset);

#endif
