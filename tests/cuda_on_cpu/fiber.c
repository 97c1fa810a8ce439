/* SPDX-License-Identifier: Apache-2.0
 *
 * Jumps by hand on x86-64 (six registers and the stack pointer; a signal mask would cost a system
 * call each time), by ucontext elsewhere. Compiled without sanitizers: what is written here is no
 * access of a kernel. */
#include "tests/cuda_on_cpu/fiber.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#ifdef BR_EMULATED_ASAN
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef BR_EMULATED_TSAN
#include <sanitizer/tsan_interface.h>
#endif

#if defined(__x86_64__)

void br_fiber_swap(void **save, void *load);
__asm__(".text\n"
        ".globl br_fiber_swap\n"
        ".type br_fiber_swap, @function\n"
        "br_fiber_swap:\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        ".size br_fiber_swap, .-br_fiber_swap\n");

static void prepare(fiber *f, void (*entry)(void))
{
    uint64_t *top = (uint64_t *)(void *)(f->stack + f->stack_bytes);

    *--top = 0;                          /* entry's return address: it never returns */
    *--top = (uint64_t)(uintptr_t)entry; /* at its first instruction the stack is 8 off 16 */
    for (int i = 0; i < 6; i++)
        *--top = 0;
    f->stack_pointer = top;
}

static void swap(fiber *from, fiber *to)
{
    br_fiber_swap(&from->stack_pointer, to->stack_pointer);
}

#else
#include <ucontext.h>

static void prepare(fiber *f, void (*entry)(void))
{
    ucontext_t *context = calloc(1, sizeof *context);

    if (context == NULL || getcontext(context) != 0)
        abort();
    context->uc_stack.ss_sp   = f->stack;
    context->uc_stack.ss_size = f->stack_bytes;
    makecontext(context, entry, 0);
    f->stack_pointer = context;
}

static void swap(fiber *from, fiber *to)
{
    if (from->stack_pointer == NULL)
        from->stack_pointer = calloc(1, sizeof(ucontext_t));
    if (from->stack_pointer == NULL || swapcontext(from->stack_pointer, to->stack_pointer) != 0)
        abort();
}
#endif

void fiber_adopt(fiber *self)
{
#ifdef BR_EMULATED_TSAN
    self->tsan = __tsan_get_current_fiber();
#endif
    (void)self;
}

void fiber_create(fiber *out, size_t stack_bytes, void (*entry)(void))
{
    size_t page  = (size_t)sysconf(_SC_PAGESIZE);
    size_t bytes = (stack_bytes + page - 1) / page * page;
    char  *memory =
        mmap(NULL, page + bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED || mprotect(memory, page, PROT_NONE) != 0) {
        perror("cuda_on_cpu: a thread's stack");
        abort();
    }
    *out = (fiber){.stack = memory + page, .stack_bytes = bytes};
#ifdef BR_EMULATED_TSAN
    out->tsan = __tsan_create_fiber(0);
#endif
    prepare(out, entry);
}

#ifdef BR_EMULATED_ASAN
/* Completes a jump from `left`, whose stack is known only now when it is an OS thread's. */
static void finish(void *fake_stack, fiber *left)
{
    const void *bottom;

    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &left->stack_bytes);
    left->stack = (char *)(uintptr_t)bottom;
}
#endif

void fiber_entered(fiber *from)
{
#ifdef BR_EMULATED_ASAN
    finish(NULL, from);
#endif
    (void)from;
}

void fiber_jump(fiber *from, fiber *to)
{
#ifdef BR_EMULATED_ASAN
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
#endif
#ifdef BR_EMULATED_TSAN
    __tsan_switch_to_fiber(to->tsan, __tsan_switch_to_fiber_no_sync);
#endif
    swap(from, to);
#ifdef BR_EMULATED_ASAN
    finish(from->fake_stack, to); /* fibers jump in pairs: we come back from where we went */
#endif
}

void fiber_release(void *tag)
{
#ifdef BR_EMULATED_TSAN
    __tsan_release(tag);
#endif
    (void)tag;
}

void fiber_acquire(void *tag)
{
#ifdef BR_EMULATED_TSAN
    __tsan_acquire(tag);
#endif
    (void)tag;
}
