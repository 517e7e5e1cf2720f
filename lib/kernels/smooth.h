/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels of activations that are no clamp, of softmax and of normalization by rows. They have a
 * table beside that of kernels.def, so that neither makes the other compile again.
 *
 * Each function is made from exp(-|x|), which cannot overflow, without cancellation: its relative
 * error is bounded where the function is not 0.
 */
#ifndef NNCF__KERNELS_SMOOTH_H
#define NNCF__KERNELS_SMOOTH_H

#include "kernels/kernels.h"
#include "kernels/sigmoid.h"

#include <stddef.h>
#include <stdint.h>

/* sqrt(8 / pi) (x + 0.044715 x^3) = x (c0 + c1 x^2): sigmoid of it is the tanh form of gelu; its
 * derivative is c0 + 3 c1 x^2. Beyond the limit all derivatives are those of a line. */
#define NNCF__GELU_TANH_C0    0x1.988454p+0f
#define NNCF__GELU_TANH_C1    0x1.2444f2p-4f
#define NNCF__GELU_TANH_3C1   0x1.b6676cp-3f
#define NNCF__GELU_TANH_LIMIT 16.0f

/* The normal distribution's upper tail: Phi(-a) = exp(-a^2 / 2) u P(u), u = 1 / (1 + a p), a >= 0.
 * P is of degree 9, fitted at Chebyshev nodes of u for a in 0..13.5: relative error 1.2e-8. */
#define NNCF__TAIL_P  0x1.333334p-2f
#define NNCF__TAIL_C0 0x1.ea3d84p-4f
#define NNCF__TAIL_C1 0x1.e9b1e6p-4f
#define NNCF__TAIL_C2 0x1.c41f1cp-4f
#define NNCF__TAIL_C3 0x1.3e4ba6p-4f
#define NNCF__TAIL_C4 0x1.91dfb2p-4f
#define NNCF__TAIL_C5 -0x1.5412e4p-4f
#define NNCF__TAIL_C6 0x1.91801cp-3f
#define NNCF__TAIL_C7 -0x1.d9cbb8p-3f
#define NNCF__TAIL_C8 0x1.d1def8p-4f
#define NNCF__TAIL_C9 -0x1.55bae6p-6f
/* exp(-a^2 / 2) is 0 from there on */
#define NNCF__TAIL_LIMIT 14.0f
/* 1.5 * 2^16: adding and subtracting it rounds to a multiple of 2^-7, whose square is exact */
#define NNCF__TAIL_MAGIC   98304.0f
#define NNCF__INV_SQRT_2PI 0x1.988454p-2f

#define NNCF__ONE_SIXTH 0x1.555556p-3f

typedef struct nncf__smooth_kernels {
    const char *name;
#define NNCF_KERNEL(name, result, args) result(*name) args;
#include "kernels/smooth.def"
#undef NNCF_KERNEL
} nncf__smooth_kernels;

/* The table of an ISA (NNCF_ISA_...) that nncf__kernels_get() has. Immutable, valid forever. */
const nncf__smooth_kernels *nncf__smooth_kernels_get(int32_t isa);
/* The context's table. */
static inline const nncf__smooth_kernels *nncf__smooth_of(const nncf_context *context)
{
    return nncf__smooth_kernels_get(nncf__kernels_of(context)->isa);
}

#endif
