/* SPDX-License-Identifier: Apache-2.0 */
/* Epilogues with an activation that is no clamp. In place is fine: a segment is read before it is
 * written. */
#include "exec/activate.h"

#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/smooth.h"

#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Floats on the stack: half of what a level-1 cache holds, four of them at a time. A multiple of
 * 64, as sums are grouped. */
enum { SEGMENT = 1024 };

bool nncf__activation_is_smooth(int32_t activation)
{
    return activation > NNCF_ACTIVATION_RELU6;
}

static size_t segment_of(size_t n, size_t at)
{
    return n - at < SEGMENT ? n - at : SEGMENT;
}

/* What the activation reads: z * scale + shift, in `to` where that is not z. */
static const float *scaled(
    const nncf__kernels *k, size_t n, const float *z, const nncf__epilogue *e, float *to)
{
    if (e->scale == 1 && e->shift == 0)
        return z;
    const nncf__epilogue line = nncf__line(e->scale, e->shift, NULL);
    k->epilogue_forward(n, z, to, &line);
    return to;
}

int64_t nncf__activate_forward(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, float *y, const nncf__epilogue *e)
{
    if (!block->smooth)
        return k->epilogue_forward(n, z, y, e);
    const nncf__smooth_kernels *s = nncf__smooth_kernels_get(k->isa);
    int64_t outside = 0;
    for (size_t at = 0; at < n; at += SEGMENT) {
        const size_t m = segment_of(n, at);
        s->activate(block->smooth, block->alpha, m, scaled(k, m, z + at, e, y + at), y + at);
        if (e->fq)
            outside += k->fq_forward(m, y + at, y + at, e->fq);
    }
    return outside;
}

int64_t nncf__activate_codes(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, uint8_t *y, const nncf__epilogue *e, float zero)
{
    if (!block->smooth)
        return k->epilogue_codes(n, z, y, e, zero);
    const nncf__smooth_kernels *s = nncf__smooth_kernels_get(k->isa);
    const nncf__epilogue quantizer = nncf__line(1, 0, e->fq);
    int64_t outside = 0;
    float a[SEGMENT];
    for (size_t at = 0; at < n; at += SEGMENT) {
        const size_t m = segment_of(n, at);
        s->activate(block->smooth, block->alpha, m, scaled(k, m, z + at, e, a), a);
        outside += k->epilogue_codes(m, a, y + at, &quantizer, zero);
    }
    return outside;
}

/* The gradient for z * scale + shift of a segment. */
static void backward_segment(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, const float *dy, float *da, const nncf__epilogue *e, double sums[3])
{
    const nncf__smooth_kernels *s = nncf__smooth_kernels_get(k->isa);
    float v[SEGMENT], a[SEGMENT], slope[SEGMENT];
    const float *x = scaled(k, n, z, e, v);
    if (e->fq) {
        s->activate_both(block->smooth, block->alpha, n, x, a, slope);
        k->fq_backward(n, a, dy, a, e->fq, sums);
        s->multiply(n, a, slope, da);
        return;
    }
    s->activate_backward(block->smooth, block->alpha, n, x, dy, da);
}

void nncf__activate_backward(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, const float *dy, float *da, const nncf__epilogue *e, double sums[5])
{
    if (!block->smooth) {
        k->epilogue_backward(n, z, dy, da, e, 0, 0, sums);
        return;
    }
    for (size_t at = 0; at < n; at += SEGMENT)
        backward_segment(block, k, segment_of(n, at), z + at, dy + at, da + at, e, sums);
}

void nncf__activate_sums(const nncf__block *block, const nncf__kernels *k, size_t n, const float *z,
    const float *dy, const nncf__epilogue *e, float mean, float inv_std, double sums[5])
{
    if (!block->smooth) {
        k->epilogue_sums(n, z, dy, e, mean, inv_std, sums);
        return;
    }
    const nncf__epilogue plain = nncf__line(1, 0, NULL);
    float da[SEGMENT];
    for (size_t at = 0; at < n; at += SEGMENT) {
        const size_t m = segment_of(n, at);
        backward_segment(block, k, m, z + at, dy + at, da, e, sums);
        k->epilogue_sums(m, z + at, da, &plain, mean, inv_std, sums);
    }
}

void nncf__activate_dz(const nncf__block *block, const nncf__kernels *k, size_t n, const float *z,
    const float *dy, float *dz, const nncf__epilogue *e, float k0, float k1, float k2)
{
    if (!block->smooth) {
        k->epilogue_dz(n, z, dy, dz, e, k0, k1, k2);
        return;
    }
    const nncf__epilogue plain = nncf__line(1, 0, NULL);
    float da[SEGMENT];
    double unused[3] = {0, 0, 0};
    for (size_t at = 0; at < n; at += SEGMENT) {
        const size_t m = segment_of(n, at);
        backward_segment(block, k, m, z + at, dy + at, da, e, unused);
        k->epilogue_dz(m, z + at, da, dz + at, &plain, k0, k1, k2);
    }
}
