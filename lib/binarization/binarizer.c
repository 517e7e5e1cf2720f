/* SPDX-License-Identifier: Apache-2.0 */
/* Binarizers: scale, thresholds and their gradients. Formulas: docs/formulas.md, "Binarization". */
#include "binarization/binarizer.h"

#include "base/alloc.h"

#include <nncf/context.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

void nncf__binarizer_destroy(nncf_context *context, nncf__binarizer *binarizer)
{
    nncf__binarizer *b = binarizer;
    if (!b)
        return;
    nncf__free(context, b->threshold_name);
    nncf__free(context, b->threshold);
    nncf__free(context, b->threshold_grad);
    nncf__free(context, b->limits);
    nncf__free(context, b);
}

nncf__binarizer *nncf__binarizer_create(
    nncf_context *context, int32_t kind, size_t channels, char *threshold_name)
{
    nncf__binarizer *b = nncf__calloc(context, 1, sizeof *b);
    if (!b) {
        nncf__free(context, threshold_name);
        return NULL;
    }
    b->kind = kind;
    b->channels = channels;
    b->threshold_name = threshold_name;
    if (channels == 0)
        return b;
    b->threshold = nncf__calloc(context, channels, sizeof *b->threshold);
    b->threshold_grad = nncf__calloc(context, channels, sizeof *b->threshold_grad);
    b->limits = nncf__calloc(context, channels, sizeof *b->limits);
    if (!threshold_name || !b->threshold || !b->threshold_grad || !b->limits) {
        nncf__binarizer_destroy(context, b);
        return NULL;
    }
    return b;
}

static double sigmoid(float x)
{
    return 1 / (1 + exp(-(double)x));
}

float nncf__binarizer_refresh(nncf__binarizer *binarizer, float log_scale)
{
    const float scale = (float)exp((double)log_scale);
    for (size_t c = 0; c < binarizer->channels; c++)
        binarizer->limits[c] = (float)sigmoid(binarizer->threshold[c]) * scale;
    return scale;
}

/* ---- the first scale ---- */

/* Floats as numbers of the same order; a NaN is above all. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (x != x)
        return UINT32_MAX;
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

static float of_key(uint32_t key)
{
    const uint32_t bits = key >> 31 ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return key == UINT32_MAX ? NAN : x;
}

/* The k-th largest of n, counted from 1: by the highest bits first, then among those that have
 * them. */
static float kth_largest(size_t n, const float *x, size_t k)
{
    enum { DIGIT = 8, VALUES = 1 << DIGIT };
    uint32_t found = 0;
    for (int shift = 32 - DIGIT; shift >= 0; shift -= DIGIT) {
        size_t counts[VALUES] = {0};
        const uint32_t above = shift == 32 - DIGIT ? 0 : UINT32_MAX << (shift + DIGIT);
        for (size_t i = 0; i < n; i++) {
            const uint32_t key = key_of(x[i]);
            if ((key & above) == found)
                counts[key >> shift & (VALUES - 1)]++;
        }
        uint32_t digit = VALUES - 1;
        for (; counts[digit] < k; digit--)
            k -= counts[digit];
        found |= digit << shift;
    }
    return of_key(found);
}

float nncf__binarizer_scale_of(size_t n, const float *x)
{
    const double wanted = rint((double)n * 0.001); /* halves to even, as Python's round() */
    return kth_largest(n, x, wanted > 1 ? (size_t)wanted : 1);
}

/* ---- gradients ---- */

void nncf__binarizer_gradient_begin(nncf__binarizer *binarizer)
{
    binarizer->of_scale = 0;
}

void nncf__binarizer_add_gradient(nncf__binarizer *binarizer, size_t channel, const double sums[2])
{
    const double threshold = sigmoid(binarizer->threshold[channel]);
    binarizer->of_scale += sums[0];
    binarizer->threshold_grad[channel] -= (float)(sums[1] * threshold * (1 - threshold));
}

double nncf__binarizer_gradient_end(const nncf__binarizer *binarizer, float scale)
{
    return binarizer->of_scale * (double)scale;
}
