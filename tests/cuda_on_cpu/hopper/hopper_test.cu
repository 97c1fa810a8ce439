/* SPDX-License-Identifier: Apache-2.0
 *
 * The twins of kernels/cuda/hopper/ held to their promises: products of boxes beside plain loops,
 * boxes at a matrix's edges, a ring of boxes between a warp that loads and two warpgroups that
 * multiply; powers of 2 by multiply-adds; and planted bugs, each of which must end the process with
 * the right words. One case per run: hopper_test CASE; self_test.py runs them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cuda/hopper/async.cuh"
#include "kernels/cuda/hopper/power.cuh"
#include "kernels/cuda/hopper/wgmma.cuh"
#include "kernels/cuda/topk/kind.cuh"
#include "kernels/cuda/warp.cuh"

#define ROWS   200 /* of B: two boxes, the second one cut */
#define BYTES  192 /* of a row: two boxes, the second one cut */
#define BOXES  4
#define BOX    (BR_BOX_ROWS * BR_BOX_BYTES)
#define A_ROWS 64
#define N_OUT  (A_ROWS * 2 * BR_BOX_ROWS)

/* Small whole numbers, so that every sum is exact; zeros outside. */
static int a_at(int m, int k)
{
    return (3 * m + k) % 7 - 3;
}

static int b_at(int n, int k, int n_codes)
{
    return n < ROWS && k < n_codes ? (k + 2 * n) % 5 - 2 : 0;
}

/* ---- products -------------------------------------------------------------------------------- */

/* The thread's four words of A, by the fragment's definition; k: the first of its codes. */
template <typename K> static __device__ void fill_a(uint32_t a[4], int k)
{
    const int per_word = 4 / (int)sizeof(typename K::code);
    int       warp = (int)threadIdx.x / BR_WARP % 4, g = br_lane() / 4, t = br_lane() % 4;

    for (int i = 0; i < 4; i++) {
        typename K::code code[4 / sizeof(typename K::code)];

        for (int j = 0; j < per_word; j++)
            code[j] = K::code_of(
                (float)a_at(warp * 16 + g + i % 2 * 8, k + (t + i / 2 * 4) * per_word + j));
        memcpy(&a[i], code, sizeof code);
    }
}

template <typename K>
static __device__ void put(float *out, const typename K::sum d[64], int first_column)
{
    int row = (int)threadIdx.x / BR_WARP % 4 * 16 + br_lane() / 4;

    for (int i = 0; i < 64; i++)
        out[(row + i / 2 % 2 * 8) * 2 * BR_BOX_ROWS + first_column + i / 4 * 8 + br_lane() % 4 * 2 +
            i % 2] = (float)d[i];
}

/* One warpgroup; all four boxes, then all products. */
template <typename K>
static __global__ void products_kernel(const __grid_constant__ br_tensor_map map, float *out)
{
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_mbarrier    *barrier = reinterpret_cast<br_mbarrier *>(shared + BOXES * BOX);
    typename K::sum d[64];

    if (threadIdx.x == 0) {
        br_mbarrier_init(barrier, 1);
        br_mbarriers_made();
        br_mbarrier_expect(barrier, BOXES * BOX);
        for (int i = 0; i < BOXES; i++)
            br_tensor_load(shared + i * BOX, &map, i % 2 * BR_BOX_BYTES, i / 2 * BR_BOX_ROWS,
                           barrier);
    }
    __syncthreads();
    br_mbarrier_wait(barrier, 0);
    for (int n = 0; n < 2; n++) {
        uint32_t a[2 * BR_BOX_BYTES / BR_WGMMA_BYTES][4];

        br_wgmma_fence();
        for (int s = 0; s < 2 * BR_BOX_BYTES / BR_WGMMA_BYTES; s++) {
            fill_a<K>(a[s], s * BR_WGMMA_BYTES / (int)sizeof(typename K::code));
            K::multiply_box(d, a[s],
                            br_wgmma_box(br_shared_address(shared + (2 * n + s / 4) * BOX),
                                         s % 4 * BR_WGMMA_BYTES),
                            s > 0);
        }
        br_wgmma_commit();
        br_wgmma_wait<0>();
        put<K>(out, d, n * BR_BOX_ROWS);
    }
}

/* The same with A in shared memory, two half boxes behind B's and the barrier. */
static __global__ void boxes_kernel(const __grid_constant__ br_tensor_map map, float *out,
                                    bool is_fenced)
{
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_mbarrier   *barrier = reinterpret_cast<br_mbarrier *>(shared + (BOXES + 1) * BOX);
    unsigned char *a       = shared + BOXES * BOX;
    float          d[64];

    for (int i = (int)threadIdx.x; i < A_ROWS * 2 * BR_BOX_BYTES / 2; i += BR_WARPGROUP) {
        int m = i / BR_BOX_BYTES, k = i % BR_BOX_BYTES, byte = k % 64 * 2;

        *reinterpret_cast<br_bf16::code *>(a + k / 64 * (BOX / 2) + m * BR_BOX_BYTES +
                                           (byte / 16 ^ m % 8) * 16 + byte % 16) =
            br_bf16::code_of((float)a_at(m, k));
    }
    if (is_fenced)
        br_shared_fence();
    if (threadIdx.x == 0) {
        br_mbarrier_init(barrier, 1);
        br_mbarriers_made();
        br_mbarrier_expect(barrier, BOXES * BOX);
        for (int i = 0; i < BOXES; i++)
            br_tensor_load(shared + i * BOX, &map, i % 2 * BR_BOX_BYTES, i / 2 * BR_BOX_ROWS,
                           barrier);
    }
    __syncthreads();
    br_mbarrier_wait(barrier, 0);
    for (int n = 0; n < 2; n++) {
        br_wgmma_fence();
        for (int s = 0; s < 2 * BR_BOX_BYTES / BR_WGMMA_BYTES; s++) {
            uint32_t half = br_shared_address(a + s / 4 * (BOX / 2));
            uint32_t box  = br_shared_address(shared + (2 * n + s / 4) * BOX);

            if (s == 0)
                br_wgmma_boxes_first(d, br_wgmma_box(half, 0), br_wgmma_box(box, 0));
            else
                br_wgmma_boxes_more(d, br_wgmma_box(half, s % 4 * BR_WGMMA_BYTES),
                                    br_wgmma_box(box, s % 4 * BR_WGMMA_BYTES));
        }
        br_wgmma_commit();
        br_wgmma_wait<0>();
        put<br_bf16>(out, d, n * BR_BOX_ROWS);
    }
}

/* ---- a ring ---------------------------------------------------------------------------------- */

#define STAGES 2

enum planted {
    NOTHING,
    NO_WAIT,
    WRONG_PARITY,
    SAME_PHASE,
    NO_BARRIER,
    NO_EXPECT,
    NO_LOAD,
    NO_ARRIVAL,
    MANY_ARRIVALS,
    LOAD_OVER_PRODUCT,
    LEFT_LOAD,
    EARLY_SUMS,
    EARLY_A,
    NO_FENCE,
    LEFT_PRODUCTS,
    PART_OF_GROUP,
    NAMED_COUNTS
};

struct ring {
    unsigned char *box;
    br_mbarrier   *full, *empty;
    planted        bug;
};

static __device__ void load(const ring &r, const br_tensor_map *map)
{
    for (int i = 0; i < BOXES; i++) {
        int stage = i % STAGES;

        br_mbarrier_wait(&r.empty[stage], (uint32_t)(i / STAGES + 1) % 2);
        if (r.bug == NO_EXPECT)
            br_mbarrier_arrive(&r.full[stage]);
        else if (r.bug != NO_ARRIVAL || i < 3)
            br_mbarrier_expect(&r.full[stage], BOX);
        if (r.bug == MANY_ARRIVALS)
            br_mbarrier_arrive(&r.full[stage]);
        if ((r.bug != NO_LOAD && r.bug != NO_ARRIVAL) || i < 3)
            br_tensor_load(r.box + stage * BOX, map, i % 2 * BR_BOX_BYTES, i / 2 * BR_BOX_ROWS,
                           &r.full[stage]);
    }
    if (r.bug == LEFT_LOAD) {
        br_mbarrier_wait(&r.empty[0], 1);
        br_mbarrier_expect(&r.full[0], BOX);
        br_tensor_load(r.box, map, 0, 0, &r.full[0]);
    }
}

/* The four products of a box; sums go on where it is a row's second one. */
static __device__ void multiply_box(const ring &r, int i, uint32_t a[4][4], int32_t d[64])
{
    for (int s = 0; s < 4; s++)
        fill_a<br_int8>(a[s], i % 2 * BR_BOX_BYTES + s * BR_WGMMA_BYTES);
    if (r.bug != NO_FENCE || i < 2)
        br_wgmma_fence();
    for (int s = 0; s < 4; s++)
        br_wgmma_s8(d, a[s],
                    br_wgmma_box(br_shared_address(r.box + i % STAGES * BOX), s * BR_WGMMA_BYTES),
                    i % 2 > 0 || s > 0);
    br_wgmma_commit();
}

static __device__ void wait_for_box(const ring &r, int i)
{
    uint32_t parity = (uint32_t)(i / STAGES) % 2;

    if (r.bug == WRONG_PARITY)
        parity ^= 1;
    if (r.bug != NO_WAIT)
        br_mbarrier_wait(&r.full[i % STAGES], parity);
    if (r.bug == SAME_PHASE && i == 1)
        br_mbarrier_wait(&r.full[i % STAGES], parity);
}

static __device__ void give_back(const ring &r, int i)
{
    if (br_lane() == 0)
        br_mbarrier_arrive(&r.empty[i % STAGES]);
}

/* Two warpgroups take turns, by barriers 1 and 2, and do the same. */
static __device__ void consume(const ring &r, float *out)
{
    int      group = (int)threadIdx.x / BR_WARPGROUP - 1;
    int32_t  d[64];
    uint32_t a[4][4];

    if (group == 1)
        br_named_arrive(1, 2 * BR_WARPGROUP);
    for (int i = 0; i < BOXES; i++) {
        br_named_wait(1 + group, (r.bug == NAMED_COUNTS && group == 1 ? 1 : 2) * BR_WARPGROUP);
        wait_for_box(r, i);
        if (r.bug != PART_OF_GROUP || threadIdx.x / BR_WARP % 4 != 3)
            multiply_box(r, i, a, d);
        if (!(group == 1 && i == BOXES - 1))
            br_named_arrive(2 - group, 2 * BR_WARPGROUP);
        if (r.bug == EARLY_A)
            a[1][1] = 0x01010101u;
        if (r.bug == EARLY_SUMS && i % 2 == 1 && group == 0)
            put<br_int8>(out, d, i / 2 * BR_BOX_ROWS);
        if (r.bug == LOAD_OVER_PRODUCT) {
            give_back(r, i);
            for (int turn = 0; turn < 4; turn++)
                __nanosleep(1);
        }
        if (r.bug != LEFT_PRODUCTS || i < BOXES - 1)
            br_wgmma_wait<0>();
        if (r.bug != LOAD_OVER_PRODUCT)
            give_back(r, i);
        if (r.bug != EARLY_SUMS && i % 2 == 1 && group == 0)
            put<br_int8>(out, d, i / 2 * BR_BOX_ROWS);
    }
}

/* 128 threads of which one loads, two warpgroups. */
static __global__ void ring_kernel(const __grid_constant__ br_tensor_map map, float *out,
                                   planted bug)
{
    BR_DYNAMIC_SHARED(unsigned char, shared);
    br_mbarrier *barrier = reinterpret_cast<br_mbarrier *>(shared + STAGES * BOX);
    const ring   r       = {shared, barrier, barrier + STAGES, bug};

    if (threadIdx.x == 0 && bug != NO_BARRIER) {
        for (int i = 0; i < STAGES; i++) {
            br_mbarrier_init(&r.full[i], 1);
            br_mbarrier_init(&r.empty[i], 2 * BR_WARPGROUP / BR_WARP);
        }
        br_mbarriers_made();
    }
    __syncthreads();
    if (threadIdx.x == 0)
        load(r, &map);
    if (threadIdx.x >= BR_WARPGROUP)
        consume(r, out);
}

/* ---- cases ----------------------------------------------------------------------------------- */

static void check(const float *device, int n_codes)
{
    static float got[N_OUT];

    (void)cudaMemcpy(got, device, sizeof got, cudaMemcpyDeviceToHost);
    for (int i = 0; i < N_OUT; i++) {
        int sum = 0, m = i / (2 * BR_BOX_ROWS), n = i % (2 * BR_BOX_ROWS);

        for (int k = 0; k < n_codes; k++)
            sum += a_at(m, k) * b_at(n, k, n_codes);
        if (!(got[i] == (float)sum)) {
            printf("row %d, column %d is %g, expected %d\n", m, n, (double)got[i], sum);
            exit(1);
        }
    }
}

template <typename K> static br_tensor_map place(void)
{
    const int        n_codes = BYTES / (int)sizeof(typename K::code);
    typename K::code b[ROWS * BYTES / sizeof(typename K::code)];
    br_tensor_map    map;
    void            *memory = NULL;

    for (int i = 0; i < ROWS * n_codes; i++)
        b[i] = K::code_of((float)b_at(i / n_codes, i % n_codes, n_codes));
    if (cudaMalloc(&memory, sizeof b) != cudaSuccess ||
        cudaMemcpy(memory, b, sizeof b, cudaMemcpyHostToDevice) != cudaSuccess ||
        br_tensor_map_make(memory, ROWS, BYTES, &map) != BR_OK)
        exit(2);
    if (br_tensor_map_make(memory, ROWS, BYTES + 4, &map) != BR_E_DEVICE ||
        br_tensor_map_make(memory, ROWS, BYTES, &map) != BR_OK)
        exit(2);
    return map;
}

template <typename K> static void run_products(float *out)
{
    if (BR_LAUNCH(NULL, products_kernel<K>, 1, BR_WARPGROUP, BOXES * BOX + 8, place<K>(), out) !=
        BR_OK)
        exit(2);
    check(out, BYTES / (int)sizeof(typename K::code));
}

/* Relative errors of the polynomial, every 2^-13 of the exponent and where it is cut off. */
static int check_powers(void)
{
    double most = 0.0;

    for (int i = 0; i <= 252 << 13; i++) {
        float  a     = 127.0f - (float)i * 0x1p-13f;
        double error = fabs((double)br_power_by_fma(a) / exp2((double)a) - 1.0);

        most = error > most ? error : most;
    }
    if (!(most < 0x1p-22) || br_power_by_fma(0.0f) != 1.0f ||
        !(br_power_by_fma(-INFINITY) <= 0x1p-125f) || !(br_power_by_fma(1e30f) >= 0x1p127f) ||
        !(br_power_by_fma(INFINITY) >= 0x1p127f)) {
        printf("powers are off by %g, expected less than 2^-22\n", most);
        return 1;
    }
    puts("as expected");
    return 0;
}

static void run_boxes(float *out, bool is_fenced)
{
    if (BR_LAUNCH(NULL, boxes_kernel, 1, BR_WARPGROUP, (BOXES + 1) * BOX + 8, place<br_bf16>(), out,
                  is_fenced) != BR_OK)
        exit(2);
    check(out, BYTES / (int)sizeof(br_bf16::code));
}

static const struct {
    const char *name;
    planted     bug;
} cases[] = {
    {"ring", NOTHING},
    {"no_wait", NO_WAIT},
    {"wrong_parity", WRONG_PARITY},
    {"same_phase", SAME_PHASE},
    {"no_barrier", NO_BARRIER},
    {"no_expect", NO_EXPECT},
    {"no_load", NO_LOAD},
    {"no_arrival", NO_ARRIVAL},
    {"many_arrivals", MANY_ARRIVALS},
    {"load_over_product", LOAD_OVER_PRODUCT},
    {"left_load", LEFT_LOAD},
    {"early_sums", EARLY_SUMS},
    {"early_a", EARLY_A},
    {"no_fence", NO_FENCE},
    {"left_products", LEFT_PRODUCTS},
    {"part_of_group", PART_OF_GROUP},
    {"named_counts", NAMED_COUNTS},
};

int main(int argc, char **argv)
{
    void  *memory = NULL;
    float *out;

    if (argc != 2 || cudaMalloc(&memory, N_OUT * sizeof(float)) != cudaSuccess)
        return 2;
    out = static_cast<float *>(memory);
    if (strcmp(argv[1], "powers") == 0)
        return check_powers();
    if (strcmp(argv[1], "products") == 0) {
        run_products<br_fp16>(out);
        run_products<br_bf16>(out);
        run_products<br_int8>(out);
        puts("as expected");
        return 0;
    }
    if (strcmp(argv[1], "boxes") == 0 || strcmp(argv[1], "no_shared_fence") == 0) {
        run_boxes(out, argv[1][0] == 'b');
        puts("as expected");
        return 0;
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (strcmp(argv[1], cases[i].name) == 0) {
            if (BR_LAUNCH(NULL, ring_kernel, 1, 3 * BR_WARPGROUP, STAGES * BOX + STAGES * 16,
                          place<br_int8>(), out, cases[i].bug) != BR_OK)
                return 2;
            check(out, BYTES);
            puts("as expected");
            return 0;
        }
    return 2;
}
