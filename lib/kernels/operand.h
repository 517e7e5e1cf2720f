/* SPDX-License-Identifier: Apache-2.0 */
/* What a product reads. */
#ifndef NNCF__KERNELS_OPERAND_H
#define NNCF__KERNELS_OPERAND_H

#include "kernels/kernels.h"

#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * An operand: floats, and, when they are multiples of a quantizer's step, that step: then the
 * product is made of integer codes. Or, for x only, the codes themselves, a byte each: the value is
 * (float)(code - zero) * step[0], and a pixel of padding is 0 as always.
 */
typedef struct nncf__operand {
    const void *data;
    /* NULL: plain floats; else n_steps steps: 1, or (weights only) one an output channel */
    const float *scale;
    size_t n_scales;
    /* NNCF_F32; for x also NNCF_U8 or NNCF_S8, then with a step */
    int32_t dtype;
    /* the code that means 0; bytes only, 0 to 255 or -128 to 127 */
    int32_t zero;
    /* weights with scales: no code has a larger magnitude, zero point subtracted; 0: 255 */
    int32_t code_max;
} nncf__operand;

/* Is their product one of integer codes? */
static inline bool nncf__operands_are_codes(const nncf__operand *x, const nncf__operand *w)
{
    return x->scale && w->scale && x->n_scales && w->n_scales;
}

/* The bytes of an operand as integer codes (with the zero point subtracted), or as its values. */
static inline nncf__bytes nncf__bytes_of(const nncf__operand *o, bool codes)
{
    bool is_signed = o->dtype == NNCF_S8;
    return (nncf__bytes){.offset = (float)(o->zero + (is_signed ? 128 : 0)),
        .scale = codes ? 1.0f : o->scale[0],
        .flip = is_signed ? 0x80 : 0};
}

#endif
