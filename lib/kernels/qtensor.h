/* SPDX-License-Identifier: Apache-2.0 */
/* A tensor, and what its bytes mean. */
#ifndef NNCF__KERNELS_QTENSOR_H
#define NNCF__KERNELS_QTENSOR_H

#include "kernels/kernels.h"

#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An element is what dtype says:
 *   NNCF_F32           a float, the value itself;
 *   NNCF_U8, NNCF_S8   a code in a byte: value = (float)(code - zero_point) * scale, rounded once.
 * Floats may have a scale, too: then they are multiples of it, as a fake-quantizer made them, and a
 * product of codes rounds value / scale to the code (with the zero point subtracted).
 *
 * There is one scale, or one for each index of axis 0, which only a weight has (output channels).
 * Scales and zero points are read through pointers, since training moves them.
 */
typedef struct nncf__qtensor {
    const void *data;
    int32_t dtype;
    /* NULL: plain floats */
    const float *scale;
    /* as many as scales; NULL: 0. Codes only. */
    const int32_t *zero_point;
    /* 0: no scale */
    size_t n_scales;
} nncf__qtensor;

static inline bool nncf__qtensor_is_codes(const nncf__qtensor *t)
{
    return t->dtype != NNCF_F32;
}

static inline size_t nncf__qtensor_element_size(const nncf__qtensor *t)
{
    return nncf__qtensor_is_codes(t) ? 1 : sizeof(float);
}

/* The scale of index i of axis 0. */
static inline float nncf__qtensor_scale(const nncf__qtensor *t, int64_t i)
{
    return t->scale[t->n_scales > 1 ? i : 0];
}

/* The tensor from an element on, which has index i of axis 0. */
static inline nncf__qtensor nncf__qtensor_from(const nncf__qtensor *t, int64_t element, int64_t i)
{
    nncf__qtensor rest = *t;
    rest.data = (const char *)t->data + element * (int64_t)nncf__qtensor_element_size(t);
    if (t->n_scales > 1) {
        rest.scale = t->scale + i;
        rest.zero_point = t->zero_point ? t->zero_point + i : NULL;
    }
    return rest;
}

/* How kernels make floats of the codes of index i of axis 0: integers (zero point subtracted), or
 * values. */
static inline nncf__dequant nncf__dequant_of(const nncf__qtensor *t, int64_t i, bool as_integers)
{
    const int64_t at = t->n_scales > 1 ? i : 0;
    const int32_t zero = t->zero_point ? t->zero_point[at] : 0;
    const bool is_signed = t->dtype == NNCF_S8;
    return (nncf__dequant){.offset = (float)(zero + (is_signed ? 128 : 0)),
        .scale = as_integers ? 1.0f : t->scale[at],
        .flip = is_signed ? 0x80 : 0};
}

/* Is x times w a product of integer codes? Their sums are exact, and have one factor of scales. */
static inline bool nncf__product_is_codes(const nncf__qtensor *x, const nncf__qtensor *w)
{
    return x->n_scales > 0 && nncf__qtensor_is_codes(w);
}

/* No code of a weight has a larger magnitude, zero point subtracted. */
static inline int32_t nncf__weight_code_max(const nncf__qtensor *w)
{
    return w->dtype == NNCF_S8 && !w->zero_point ? 128 : 255;
}

#endif
