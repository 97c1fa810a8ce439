/* SPDX-License-Identifier: Apache-2.0
 *
 * Fibers: stacks that one OS thread jumps between. AddressSanitizer is told of every jump, and
 * ThreadSanitizer sees each fiber as a thread of its own, with no order between fibers but what
 * the emulator states. */
#ifndef BR_TESTS_CUDA_ON_CPU_FIBER_H
#define BR_TESTS_CUDA_ON_CPU_FIBER_H

#include <stddef.h>

typedef struct fiber {
    void  *stack_pointer; /* where it was left; ucontext_t * without hand-written jumps */
    char  *stack;
    size_t stack_bytes;
    void  *tsan;
    void  *fake_stack; /* AddressSanitizer's */
} fiber;

/* The running OS thread as a fiber, for whoever runs the others. Call before each use. */
void fiber_adopt(fiber *self);

/* A fiber that runs entry() when it is first jumped to; entry never returns. A guard page lies
 * below its stack. Lives as long as the process. */
void fiber_create(fiber *out, size_t stack_bytes, void (*entry)(void));

/* Called first by entry(): completes the jump that `from` made. */
void fiber_entered(fiber *from);

void fiber_jump(fiber *from, fiber *to);

/* Everything before a release of a tag happens before what follows its acquire. */
void fiber_release(void *tag);
void fiber_acquire(void *tag);

#endif
