/* SPDX-License-Identifier: Apache-2.0
 *
 * What went wrong, in one word and one sentence.
 * A function that can fail returns br_status; the sentence is recorded where it happens (br_fail)
 * and printed once, by main. The record belongs to the calling thread. */
#ifndef BR_HOST_BASE_STATUS_H
#define BR_HOST_BASE_STATUS_H

/* X(name, process exit code, text) */
#define BR_STATUS_MAP(X)                                                                           \
    X(OK, 0, "ok")                                                                                 \
    X(E_USAGE, 2, "usage or configuration error")                                                  \
    X(E_INPUT, 3, "input breaks its contract")                                                     \
    X(E_MEMORY, 4, "out of memory")                                                                \
    X(E_IO, 4, "input/output error")                                                               \
    X(E_DEVICE, 4, "device error")                                                                 \
    X(E_INTERRUPTED, 5, "interrupted: run the same command again")                                 \
    X(E_SELFCHECK, 6, "self-check failed")                                                         \
    X(GUARD_WARNED, 10, "a guard warned")                                                          \
    X(GUARD_HELD, 20, "a guard held the result back")

/* A br_status must be looked at by whoever receives it: the compiler warns when it is dropped. */
#if defined(__clang__) && !defined(__cplusplus)
#define BR_MUST_CHECK __attribute__((warn_unused_result))
#else
#define BR_MUST_CHECK [[nodiscard]]
#endif

typedef enum BR_MUST_CHECK br_status {
#define X(name, exit_code, text) BR_##name,
    BR_STATUS_MAP(X)
#undef X
} br_status;

#define BR_ERROR_TEXT_BYTES  4096
#define BR_ERROR_TRAIL_BYTES 1024

typedef struct br_error {
    br_status code;
    char      text[BR_ERROR_TEXT_BYTES];
    char      trail[BR_ERROR_TRAIL_BYTES]; /* "file:line < file:line ...", innermost first */
} br_error;

#define BR_PRINTF(fmt_at, args_at) __attribute__((format(printf, fmt_at, args_at)))

#ifdef __cplusplus
extern "C" {
#endif

const char *br_status_name(br_status code);
const char *br_status_text(br_status code);
int         br_status_exit_code(br_status code);

/* Records the sentence and returns `code`. A fresh failure replaces what the thread held. */
br_status br_fail_at(const char *file, int line, br_status code, const char *fmt, ...)
    BR_PRINTF(4, 5);
void br_trail_at(const char *file, int line);

/* The calling thread's record; moved between threads with take and put. */
const br_error *br_error_last(void);
void            br_error_take(br_error *out);
br_status       br_error_put(const br_error *error);

#ifdef __cplusplus
}
#endif

#define br_fail(code, ...) br_fail_at(__FILE__, __LINE__, code, __VA_ARGS__)

#define BR_TRY(st, call)                                                                           \
    do {                                                                                           \
        (st) = (call);                                                                             \
        if ((st) != BR_OK) {                                                                       \
            br_trail_at(__FILE__, __LINE__);                                                       \
            goto done;                                                                             \
        }                                                                                          \
    } while (0)

/* Records a failure and leaves by the way out. */
#define BR_FAIL(st, code, ...)                                                                     \
    do {                                                                                           \
        (st) = br_fail(code, __VA_ARGS__);                                                         \
        goto done;                                                                                 \
    } while (0)

#endif
