/* SPDX-License-Identifier: Apache-2.0 */
/* What the optimizer of a host needs beside the gradients: which weights are masked, and a switch
 * for the subnormal numbers that it would calculate with there. */
#include "base/error.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"

#include <nncf/base.h>
#include <nncf/layer.h>

#include <string.h>

/* Elements of a block: a multiple of 8. */
enum { BLOCK = 1024 };

/* A one is kept or not, as the weight in its place. */
static void rb_bits(const nncf_layer *layer, uint8_t *bits)
{
    const nncf__kernels *k = nncf__kernels_of(layer->model->context);
    float ones[BLOCK], kept[BLOCK];
    for (size_t i = 0; i < BLOCK; i++)
        ones[i] = 1;
    for (size_t begin = 0; begin < layer->weight_count; begin += BLOCK) {
        const size_t left = layer->weight_count - begin, n = left < BLOCK ? left : BLOCK;
        k->rb_forward_eval(n, ones, layer->compression->logit + begin, kept);
        for (size_t i = 0; i < n; i++)
            if (kept[i] != 0)
                bits[(begin + i) / 8] |= (uint8_t)(1u << i % 8);
    }
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
    memset(bits, c && c->mask_kind == NNCF__MASK_RB ? 0 : 0xff, bytes);
    if (c && c->mask_kind == NNCF__MASK_RB)
        rb_bits(nncf__weight_owner(layer), bits);
    else if (c && c->mask_kind == NNCF__MASK_BITS)
        memcpy(bits, c->bits, bytes);
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

#if defined __GNUC__ && defined __SSE2__
int32_t nncf_flush_denormals(int32_t on)
{
    const unsigned both = 1u << 15 | 1u << 6; /* FTZ, DAZ */
    const unsigned before = __builtin_ia32_stmxcsr();
    __builtin_ia32_ldmxcsr(on ? before | both : before & ~both);
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
