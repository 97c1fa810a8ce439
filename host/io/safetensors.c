/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads a safetensors file through plain system calls. Called once per model. */
#include "host/io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/base/inputs/stand_in.h"
#include "host/base/memory.h"
#include "host/base/watch/watch.h"
#include "host/io/bundle/tensor_header.h"

#define CONVERT_BYTES ((int64_t)1 << 16)

struct br_safetensors {
    int32_t    n_tensors;
    br_tensor *tensor;
    float     *data; /* all values, one tensor after the other */
};

typedef struct source {
    const char *path;
    int         fd;
    int64_t     n_bytes;
} source;

static br_status open_source(const char *path, source *out)
{
    br_status   st = BR_OK;
    struct stat info;

    out->path = path;
    out->fd   = open(br_stand_in(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (out->fd < 0 || fstat(out->fd, &info) != 0)
        BR_FAIL(st, BR_E_IO, "%s: cannot open: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        BR_FAIL(st, BR_E_IO, "%s: found a %s, expected a file", path,
                S_ISDIR(info.st_mode) ? "folder" : "pipe or device");
    out->n_bytes = (int64_t)info.st_size;
done:
    return st;
}

static br_status read_at(const source *s, int64_t at, int64_t n_bytes, void *to)
{
    int64_t done_bytes = 0;

    while (done_bytes < n_bytes) {
        ssize_t n = pread(s->fd, (char *)to + done_bytes, (size_t)(n_bytes - done_bytes),
                          (off_t)(at + done_bytes));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return br_fail(BR_E_IO, "%s: read %lld of %lld bytes at %lld: %s", s->path,
                           (long long)done_bytes, (long long)n_bytes, (long long)at,
                           n == 0 ? "the file became shorter" : strerror(errno));
        done_bytes += n;
        br_watch_tick();
    }
    return BR_OK;
}

static float float_of_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE half: subnormals are made by an exact product, Inf and NaN keep their kind. */
static float float_of_half(uint16_t half)
{
    uint32_t sign     = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;

    if (exponent == 0x1fu)
        return float_of_bits(sign | 0x7f800000u | fraction << 13);
    if (exponent == 0)
        return (sign != 0 ? -1.0f : 1.0f) * (float)fraction * 0x1p-24f;
    return float_of_bits(sign | (exponent + 112u) << 23 | fraction << 13);
}

static void convert(br_stored_type type, const uint8_t *from, int64_t n, float *to)
{
    for (int64_t i = 0; i < n; i++) {
        uint16_t half   = 0;
        double   number = 0.0;

        if (type == BR_STORED_F64)
            memcpy(&number, from + 8 * i, sizeof number);
        else
            memcpy(&half, from + 2 * i, sizeof half);
        if (type == BR_STORED_F64)
            to[i] = (float)number;
        else
            to[i] =
                type == BR_STORED_F16 ? float_of_half(half) : float_of_bits((uint32_t)half << 16);
    }
}

static br_status read_values(const source *s, int64_t data_at, const br_tensor_entry *entry,
                             float *to)
{
    br_status st   = BR_OK;
    int64_t   unit = br_stored_bytes(entry->type);
    int64_t   at   = data_at + entry->begin;
    uint8_t   block[CONVERT_BYTES];

    if (entry->type == BR_STORED_F32)
        return read_at(s, at, entry->end - entry->begin, to);
    for (int64_t i = 0; i < entry->n_values; i += CONVERT_BYTES / unit) {
        int64_t left = entry->n_values - i;
        int64_t n    = left < CONVERT_BYTES / unit ? left : CONVERT_BYTES / unit;

        BR_TRY(st, read_at(s, at + i * unit, n * unit, block));
        convert(entry->type, block, n, to + i);
    }
done:
    return st;
}

static br_status read_header(const source *s, char **text, int64_t *text_bytes)
{
    br_status st = BR_OK;
    uint64_t  claimed;

    if (s->n_bytes < 8)
        BR_FAIL(st, BR_E_INPUT, "%s: truncated: has %lld bytes, a safetensors file begins with 8",
                s->path, (long long)s->n_bytes);
    BR_TRY(st, read_at(s, 0, 8, &claimed));
    if (claimed > (uint64_t)BR_SAFETENSORS_MAX_HEADER)
        BR_FAIL(st, BR_E_INPUT,
                "%s: header of %llu bytes, at most %lld are read: not a safetensors file?", s->path,
                (unsigned long long)claimed, (long long)BR_SAFETENSORS_MAX_HEADER);
    if ((int64_t)claimed > s->n_bytes - 8)
        BR_FAIL(st, BR_E_INPUT, "%s: truncated: has %lld bytes, its header alone is %llu", s->path,
                (long long)s->n_bytes, (unsigned long long)claimed);
    BR_ALLOC(st, *text, (int64_t)claimed + 1, "safetensors header");
    BR_TRY(st, read_at(s, 8, (int64_t)claimed, *text));
    *text_bytes = (int64_t)claimed;
done:
    return st;
}

static br_status load(const source *s, int64_t data_at, const br_tensor_entry *entries,
                      br_safetensors *weights)
{
    br_status st       = BR_OK;
    int64_t   n_values = 0;

    for (int32_t i = 0; i < weights->n_tensors; i++)
        n_values += entries[i].n_values;
    BR_ALLOC(st, weights->tensor, weights->n_tensors, "tensors");
    BR_ALLOC(st, weights->data, n_values, "weights");
    n_values = 0;
    for (int32_t i = 0; i < weights->n_tensors; i++) {
        br_tensor *tensor = &weights->tensor[i];

        memcpy(tensor->name, entries[i].name, sizeof tensor->name);
        memcpy(tensor->dim, entries[i].dim, sizeof tensor->dim);
        tensor->rank = entries[i].rank;
        tensor->data = weights->data + n_values;
        BR_TRY(st, read_values(s, data_at, &entries[i], weights->data + n_values));
        n_values += entries[i].n_values;
    }
done:
    return st;
}

br_status br_safetensors_read(const char *path, br_safetensors **out)
{
    br_status        st         = BR_OK;
    br_safetensors  *weights    = NULL;
    char            *text       = NULL;
    int64_t          text_bytes = 0;
    br_tensor_entry *entries    = NULL;
    source           s          = {.fd = -1};

    *out = NULL;
    BR_TRY(st, open_source(path, &s));
    BR_TRY(st, read_header(&s, &text, &text_bytes));
    BR_ALLOC(st, weights, 1, "weights");
    BR_TRY(st, br_tensor_header_read(path, text, text_bytes, s.n_bytes - 8 - text_bytes, &entries,
                                     &weights->n_tensors));
    BR_TRY(st, load(&s, 8 + text_bytes, entries, weights));
    *out    = weights;
    weights = NULL;
done:
    br_safetensors_free(&weights);
    br_free(&entries);
    br_free(&text);
    if (s.fd >= 0)
        (void)close(s.fd);
    return st;
}

void br_safetensors_free(br_safetensors **weights)
{
    if (*weights == NULL)
        return;
    br_free(&(*weights)->tensor);
    br_free(&(*weights)->data);
    br_free(weights);
}

const br_tensor *br_safetensors_tensors(const br_safetensors *weights, int32_t *n_tensors)
{
    *n_tensors = weights->n_tensors;
    return weights->tensor;
}
