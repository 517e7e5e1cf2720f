/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: pointers and sizes only. They know no tensors and no layers.
 *
 * kernels.def lists the kernels; this header makes the table of them. ref.c holds the readable
 * loops that define the result; vec_elementwise.h holds the same on vectors and is compiled once
 * per instruction set; every ISA must give the bits of ref.c (but for the products that kernels.def
 * excepts: -ffp-contract=off, no libm, fixed reduction order). pixel_product.c, weight_gradient.c,
 * conv2d.c and depthwise.c are the products; float products agree within 2 k eps sum|a||b|, integer
 * codes exactly.
 */
#ifndef NNCF__KERNELS_KERNELS_H
#define NNCF__KERNELS_KERNELS_H

#include "base/context.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A quantizer's constants for one tensor or channel, symmetric and asymmetric alike (semantics: the
 * zero point is folded into low and high): q = clamp(rint(x / step), low, high), y = q * step. NaN
 * stays NaN.
 */
typedef struct nncf__fq {
    /* > 0 */
    float scale;
    /* smallest and largest code, zero point subtracted: low <= 0 <= high, whole, within 2^22 */
    float low, high;
    /* low * step, high * step: "inside" is x_low <= x <= x_high */
    float x_low, x_high;
} nncf__fq;

/* What follows a product: a = clamp(z * scale + shift, act_low, act_high), then the quantizer if
 * there is one. */
typedef struct nncf__epilogue {
    float scale, shift;
    /* none: -inf, inf; relu: 0, inf; relu6: 0, 6 */
    float act_low, act_high;
    /* nullable */
    const nncf__fq *fq;
} nncf__epilogue;

/* Constants of adam_step: of the step's number, rate is lr / (1 - beta1^step), root is sqrt(1 -
 * beta2^step). */
typedef struct nncf__adam {
    float beta1, beta2, keep1, keep2, eps, decay, rate, root;
    bool clears;
} nncf__adam;

/* Constants of sgd_step. */
typedef struct nncf__sgd {
    float decay, keep, take, rate;
    bool nesterov, clears;
} nncf__sgd;

/* A run of neighbours that a packer or an unpacker moves: `length` floats between offset src of an
 * operand (negative: zeros) and place dst of a panel or tile. */
typedef struct nncf__segment {
    int64_t src;
    int32_t dst, length;
} nncf__segment;

/* How codes of either sign, a byte each, become floats: ((float)(byte ^ flip) - offset) * scale.
 * Made by nncf__dequant_of(), kernels/qtensor.h. */
typedef struct nncf__dequant {
    /* offset: a whole number, 0 to 255 */
    float offset, scale;
    /* 0, or 0x80 for signed codes */
    uint32_t flip;
} nncf__dequant;

/* Planes of neighbouring channels of an image, as they lie in memory. */
typedef struct nncf__plane_group {
    /* n x h x w floats, or bytes, which become floats as `bytes` says */
    const void *data;
    bool is_bytes;
    nncf__dequant bytes;
    size_t n, h, w;
    /* bytes that can be read before and after them, since they are part of an array */
    size_t before, after;
    /* nullable: as many that are read soon: their cache lines are prefetched */
    const void *ahead;
} nncf__plane_group;

/* What gemm_dots fetches from memory while it runs: a + ahead, of every `of` tiles of rows the
 * `turn`-th. Several calls with the same a share the work. */
typedef struct nncf__dots_fetch {
    int64_t ahead;
    size_t turn, of;
} nncf__dots_fetch;

/* Lines of memory that will be read soon; beyond its end that is without effect. Always inlined:
 * gcc takes a function that only fetches for one without effect, and drops calls of it. */
static inline __attribute__((always_inline)) void nncf__fetch(uintptr_t from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)(from + (uintptr_t)i));
}

typedef struct nncf__kernels {
    const char *name; /* "reference", "portable", "avx2", "avx512", "neon" */
    int32_t isa; /* NNCF_ISA_... */
#define NNCF_KERNEL(name, result, args) result(*name) args;
#include "kernels/kernels.def"
#undef NNCF_KERNEL
} nncf__kernels;

/* The table of an ISA, or NULL when the CPU (or this build) does not have it. Immutable, valid
 * forever. */
const nncf__kernels *nncf__kernels_get(int32_t isa);
/* A caller's ceiling (nncf_context_params::max_isa) as an ISA of this family of CPUs: the table of
 * a context is that of the highest number up to it that has one. */
int32_t nncf__isa_ceiling(int32_t isa);
/* The context's table. */
static inline const nncf__kernels *nncf__kernels_of(const nncf_context *context)
{
    return (const nncf__kernels *)context->kernels;
}

#endif
