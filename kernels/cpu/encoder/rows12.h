/* SPDX-License-Identifier: Apache-2.0
 *
 * What the register blocks of 12 rows by 32 columns share: accumulators with names (gcc keeps an
 * array of them in memory) and one function per count of rows, never inlined (inside a larger
 * function gcc spills them). A block takes exactly the rows that are left.
 *
 * The including file defines `block` with x (of x_type), ld_x, out, ld_out; run_block(rows, b),
 * which declares p0, p3, p6, p9 by ROWS12_POINTERS and uses EACH_ROW; and TARGET. */
#ifndef BR_KERNELS_CPU_ENCODER_ROWS12_H
#define BR_KERNELS_CPU_ENCODER_ROWS12_H

/* Four pointers of three rows each leave general registers for the loop. */
#define ROWS12_POINTERS(x_type, b)                                                                 \
    int64_t       ld = (b)->ld_x;                                                                  \
    const x_type *p0 = (b)->x, *p3 = p0 + 3 * ld, *p6 = p0 + 6 * ld, *p9 = p0 + 9 * ld
#define ROWS12_ADVANCE(n)                                                                          \
    do {                                                                                           \
        p0 += (n);                                                                                 \
        p3 += (n);                                                                                 \
        p6 += (n);                                                                                 \
        p9 += (n);                                                                                 \
    } while (0)
#define x0  (p0)
#define x1  (p0 + ld)
#define x2  (p0 + 2 * ld)
#define x3  (p3)
#define x4  (p3 + ld)
#define x5  (p3 + 2 * ld)
#define x6  (p6)
#define x7  (p6 + ld)
#define x8  (p6 + 2 * ld)
#define x9  (p9)
#define x10 (p9 + ld)
#define x11 (p9 + 2 * ld)

#define EACH_ROW(DO)                                                                               \
    DO(0);                                                                                         \
    DO(1);                                                                                         \
    DO(2);                                                                                         \
    DO(3);                                                                                         \
    DO(4);                                                                                         \
    DO(5);                                                                                         \
    DO(6);                                                                                         \
    DO(7);                                                                                         \
    DO(8);                                                                                         \
    DO(9);                                                                                         \
    DO(10);                                                                                        \
    DO(11)

#define ROW_DECLARE(r) __m512 lo##r = _mm512_setzero_ps(), hi##r = _mm512_setzero_ps()
#define ROW_STORE(r)                                                                               \
    do {                                                                                           \
        if ((r) >= rows)                                                                           \
            break;                                                                                 \
        _mm512_storeu_ps(b->out + (r)*b->ld_out, lo##r);                                           \
        _mm512_storeu_ps(b->out + (r)*b->ld_out + 16, hi##r);                                      \
    } while (0)

#define ROWS12_BLOCK(rows)                                                                         \
    TARGET __attribute__((noinline)) static void block_##rows(const block *b)                      \
    {                                                                                              \
        run_block(rows, b);                                                                        \
    }
/* block_of[n] runs n rows, 1..12 */
#define ROWS12_BLOCKS                                                                              \
    ROWS12_BLOCK(1)                                                                                \
    ROWS12_BLOCK(2)                                                                                \
    ROWS12_BLOCK(3)                                                                                \
    ROWS12_BLOCK(4)                                                                                \
    ROWS12_BLOCK(5)                                                                                \
    ROWS12_BLOCK(6)                                                                                \
    ROWS12_BLOCK(7)                                                                                \
    ROWS12_BLOCK(8)                                                                                \
    ROWS12_BLOCK(9)                                                                                \
    ROWS12_BLOCK(10)                                                                               \
    ROWS12_BLOCK(11)                                                                               \
    ROWS12_BLOCK(12)                                                                               \
    static void (*const block_of[13])(const block *b) = {                                          \
        NULL,    block_1, block_2, block_3,  block_4,  block_5, block_6,                           \
        block_7, block_8, block_9, block_10, block_11, block_12};

#endif
