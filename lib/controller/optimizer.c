/* SPDX-License-Identifier: Apache-2.0 */
/* What the optimizer of a host needs beside the gradients: which weights are masked, and a switch
 * for the subnormal numbers that it would calculate with there. */
#include "base/error.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "pruning/apply.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/layer.h>

#include <string.h>

/* Elements of a block: a multiple of 8. */
enum { BLOCK = 1024 };

/* The n bits of weights from `begin`, a multiple of 8, on: a one is kept or not, as the weight in
 * its place. */
static void rb_bits(const nncf_layer *layer, size_t begin, size_t n, uint8_t *bits)
{
    const nncf__kernels *k = nncf__kernels_of(layer->model->context);
    float ones[BLOCK], kept[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        ones[i] = 1;
    k->rb_forward_eval(n, ones, layer->compression->logit + begin, kept);
    memset(bits, 0, (n + 7) / 8);
    for (size_t i = 0; i < n; i++)
        if (kept[i] != 0)
            bits[i / 8] |= (uint8_t)(1u << i % 8);
}

static size_t block_of(const nncf_layer *layer, size_t begin)
{
    const size_t left = layer->weight_count - begin;
    return left < BLOCK ? left : BLOCK;
}

static nncf_status get_mask(const nncf_layer *layer, uint8_t *bits, size_t n_bytes, nncf_error *err)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    const size_t n = layer->weight_count, bytes = (n + 7) / 8;
    if (n == 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "the layer has no weight");
    if (!bits)
        return nncf__fail(err, NNCF_E_ARG, NULL, "bits is NULL");
    if (n_bytes < bytes)
        return nncf__fail(err, NNCF_E_BUFFER, NULL,
            "bits has %zu bytes; the mask of %zu weights has %zu", n_bytes, n, bytes);
    memset(bits, 0xff, bytes);
    for (size_t i = 0; i < n && c && c->mask_kind == NNCF__MASK_RB; i += BLOCK)
        rb_bits(nncf__weight_owner(layer), i, block_of(layer, i), bits + i / 8);
    if (c && c->mask_kind == NNCF__MASK_BITS)
        memcpy(bits, c->bits, bytes);
    nncf__filters_clear_bits(nncf__weight_owner(layer), 0, n, bits);
    if (n % 8)
        bits[bytes - 1] &= (uint8_t)((1u << n % 8) - 1);
    return NNCF_OK;
}

nncf_status nncf_layer_get_mask(
    const nncf_layer *layer, uint8_t *bits, size_t n_bytes, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!layer)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_layer_get_mask: layer is NULL");
    return nncf__report(layer->model->context, "nncf_layer_get_mask", layer->scope,
        get_mask(layer, bits, n_bytes, &reason), &reason, err);
}

static nncf_status clear_masked(const nncf_layer *reader, float *values, nncf_error *err)
{
    const nncf_layer *layer = nncf__weight_owner(reader);
    const nncf__layer_compression *c = layer->compression;
    uint8_t made[BLOCK / 8];
    if (layer->weight_count == 0)
        return nncf__fail(err, NNCF_E_ARG, NULL, "the layer has no weight");
    if (!values)
        return nncf__fail(err, NNCF_E_ARG, NULL, "values is NULL");
    if (!c || !nncf__layer_masks(c))
        return NNCF_OK;
    for (size_t begin = 0; begin < layer->weight_count; begin += BLOCK) {
        const size_t n = block_of(layer, begin);
        memset(made, 0xff, sizeof made);
        if (c->bits)
            memcpy(made, c->bits + begin / 8, (n + 7) / 8);
        else if (c->mask_kind == NNCF__MASK_RB)
            rb_bits(layer, begin, n, made);
        nncf__filters_clear_bits(layer, begin, n, made);
        for (size_t i = 0; i < n; i++)
            if (!(made[i / 8] >> i % 8 & 1))
                values[nncf__layer_place(layer, begin + i)] = 0;
    }
    return NNCF_OK;
}

nncf_status nncf_layer_clear_masked(const nncf_layer *layer, float *values, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    if (!layer)
        return nncf__fail(err, NNCF_E_ARG, NULL, "nncf_layer_clear_masked: layer is NULL");
    return nncf__report(layer->model->context, "nncf_layer_clear_masked", layer->scope,
        clear_masked(layer, values, &reason), &reason, err);
}

#if defined __GNUC__ && defined __SSE2__
int32_t nncf_flush_denormals(int32_t on)
{
    const unsigned both = 1u << 15 | 1u << 6; /* FTZ, DAZ */
    const unsigned before = __builtin_ia32_stmxcsr();
    const unsigned wanted = on ? before | both : before & ~both;
    __builtin_ia32_ldmxcsr(wanted);
    if (__builtin_ia32_stmxcsr() != wanted) /* an emulated CPU, as valgrind's */
        return -1;
    return (before & both) == both;
}
#elif defined __GNUC__ && defined __aarch64__
int32_t nncf_flush_denormals(int32_t on)
{
    const uint64_t flush = UINT64_C(1) << 24; /* FZ */
    uint64_t before;
    __asm__ volatile("mrs %0, fpcr" : "=r"(before));
    __asm__ volatile("msr fpcr, %0" : : "r"(on ? before | flush : before & ~flush));
    return (before & flush) != 0;
}
#else
int32_t nncf_flush_denormals(int32_t on)
{
    (void)on;
    return -1;
}
#endif
