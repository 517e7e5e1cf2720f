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

/* 2^q for q in -127..0: q is a whole number and r in -1/2..1/2, exactly, and 2^r a polynomial of
 * degree 5, relative error 9.2e-8. An exp() whose argument was multiplied by log2(e) before is
 * relatively less accurate further out, |q| 4e-8 from the rounding of q, for fewer operations than
 * those of sigmoid.h: what is small is added to, or multiplied with, what is not. */
#define NNCF__EXP2_P1    0x1.62e42ap-1f
#define NNCF__EXP2_P2    0x1.ebf9bcp-3f
#define NNCF__EXP2_P3    0x1.c6b752p-5f
#define NNCF__EXP2_P4    0x1.3cea88p-7f
#define NNCF__EXP2_P5    0x1.5bba14p-10f
#define NNCF__EXP2_LIMIT -127.0f

/* The normal distribution's tail: Phi(b) = exp(-b^2 / 2) N(b) / D(b) for b <= 0, N and D of degrees
 * 3 and 4, fitted at Chebyshev nodes for b in -13.3..0: relative error 1.2e-7 down to -5.5, 8e-6
 * beyond. Relative errors of gelu are 9e-7 down to -5, 1.1e-5 down to -12.9, where 1 + erf(x /
 * sqrt(2)) in float has no digits left. */
#define NNCF__TAIL_N0           -0x1.0ddcfcp+5f
#define NNCF__TAIL_N1           0x1.744d14p+4f
#define NNCF__TAIL_N2           -0x1.daa532p+2f
#define NNCF__TAIL_D0           -0x1.0ddcfep+6f
#define NNCF__TAIL_D1           0x1.9177ecp+6f
#define NNCF__TAIL_D2           -0x1.e97b42p+5f
#define NNCF__TAIL_D3           0x1.2906f4p+4f
#define NNCF__TAIL_D4           -0x1.40f3a8p+1f
#define NNCF__MINUS_HALF_LOG2_E -0x1.715476p-1f
/* b^2 log2(e) / 2 is 127.02 there, and 2 to the power of its negative 0 */
#define NNCF__TAIL_LIMIT   -13.27f
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
