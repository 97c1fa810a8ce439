/* SPDX-License-Identifier: Apache-2.0
 *
 * Whether blocks of encoders are computed by one fused kernel or by the ops that they are made of.
 * A shape, its weights and the process decide, never a batch. Called once per layer and chunk. */
#include <stdlib.h>
#include <string.h>

#include "host/base/log.h"
#include "kernels/cuda/block/block.cuh"
#include "kernels/cuda/gemm.cuh"

static const char in_fp32[] = "the weights are not in bf16 (run.precision)";

const char *br_block_refusal(const br_dev *dev, br_precision precision)
{
#ifndef BR_WITH_HOPPER
    (void)dev;
    (void)precision;
    return "this build has no code for sm_90a";
#else
    if (br_cuda_lane_of(dev)->major != 9)
        return "the device is not of compute capability 9";
    if (precision != BR_PRECISION_BF16)
        return in_fp32;
    return NULL;
#endif
}

static bool is_word(const char *expected)
{
    const char *word = getenv("BATCHRANK_ENCODER_CUDA");

    return word != NULL && strcmp(word, expected) == 0;
}

bool br_block_is_asked_for(const br_dev *dev)
{
    return is_word("hopper") && br_block_refusal(dev, BR_PRECISION_BF16) == NULL;
}

static void say(const char *op, const char *refusal, bool is_told, bool was_said[2])
{
    if (__atomic_exchange_n(&was_said[refusal == in_fp32], true, __ATOMIC_RELAXED))
        return; /* weights in fp32 have a line of their own: they may be another model's */
    if (is_told && refusal == NULL)
        br_log(BR_LOG_INFO, "device", "%s by one kernel, asked for (not measured on a GPU)", op);
    else if (is_told)
        br_log(BR_LOG_INFO, "device", "%s not by one kernel, which is asked for: %s", op, refusal);
    else
        br_log(BR_LOG_INFO, "device",
               "%s not by one kernel: it is not measured on a GPU yet "
               "(BATCHRANK_ENCODER_CUDA=hopper takes it)",
               op);
}

br_status br_block_choose(const char *op, const char *refusal, bool was_said[2], bool *is_taken)
{
    const char *word    = getenv("BATCHRANK_ENCODER_CUDA");
    bool        is_told = is_word("hopper");

    *is_taken = is_told && refusal == NULL;
    if (word != NULL && !is_told && !is_word("general"))
        return br_fail(BR_E_USAGE, "BATCHRANK_ENCODER_CUDA: found '%s', expected hopper or general",
                       word);
    if (is_told || refusal == NULL)
        say(op, refusal, is_told, was_said);
    return BR_OK;
}

br_status br_block_map(const br_prepared *weight, br_tensor_map *out)
{
    const br_cuda_weight *packed = static_cast<const br_cuda_weight *>(weight->prepared);

    return br_tensor_map_make(packed->values, packed->n_out,
                              packed->n_in * (int64_t)br_cuda_operand_bytes(packed->precision),
                              out);
}
