/* SPDX-License-Identifier: Apache-2.0
 *
 * A planted mistake: more live values than its blocks leave registers for. Compiled, never run, by
 * check_ptxas.py, which must refuse it. */
#define N_LIVE 96

static __global__ void __launch_bounds__(1024) spilling_kernel(const float *from, float *to)
{
    float live[N_LIVE];

#pragma unroll
    for (int i = 0; i < N_LIVE; i++)
        live[i] = from[i * 1024 + threadIdx.x];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N_LIVE; i++)
        to[i * 1024 + threadIdx.x] = live[i] * live[N_LIVE - 1 - i] + live[i / 2];
}

void launch_spilling(const float *from, float *to)
{
    spilling_kernel<<<1, 1024>>>(from, to);
}
