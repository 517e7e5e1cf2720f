/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernels: pointers and sizes only. They know no tensors and no layers.
 *
 * kernels.def lists the rows; this header makes the table of them. ref.c holds the readable loops that define the
 * result; fast.h holds the same on vectors and is compiled once per instruction set; every level must give the bits of
 * ref.c (but for the rows of products that kernels.def excepts: -ffp-contract=off, no libm, fixed reduction order).
 * gemm.c, gemm_weight.c, conv.c and depthwise.c are the products; float products agree within 2 k eps sum|a||b|,
 * integer codes exactly.
 */
#ifndef NNCF__KERNELS_H
#define NNCF__KERNELS_H

#include "base/base.h"

#include <nncf/tensor.h>

/*
 * A quantizer's constants for one tensor or channel, symmetric and asymmetric alike (semantics: the zero point is
 * folded into low and high): q = clamp(rint(x / step), low, high), y = q * step. NaN stays NaN.
 */
typedef struct nncf__fq {
    float step;          /* > 0 */
    float low, high;     /* smallest and largest code, zero point subtracted: low <= 0 <= high, whole, within 2^22 */
    float x_low, x_high; /* low * step, high * step: "inside" is x_low <= x <= x_high */
} nncf__fq;

/* What follows a product: a = clamp(z * scale + shift, act_low, act_high), then the quantizer if there is one. */
typedef struct nncf__epilogue {
    float scale, shift;
    float act_low, act_high; /* none: -inf, inf; relu: 0, inf; relu6: 0, 6 */
    const nncf__fq *fq;      /* nullable */
} nncf__epilogue;

/* A run of neighbours that a packer or an unpacker moves: `length` floats between offset src of an operand (negative:
 * zeros) and place dst of a panel or tile. */
typedef struct nncf__piece {
    int64_t src;
    int32_t dst, length;
} nncf__piece;

/* How bytes in memory become floats: ((float)(byte ^ flip) - offset) * scale. Codes of either sign: nncf__bytes_of. */
typedef struct nncf__bytes {
    float offset, scale; /* offset: a whole number, 0 to 255 */
    uint32_t flip;       /* 0, or 0x80 for signed codes */
} nncf__bytes;

/* Planes of neighbouring channels of an image, as they lie in memory. */
typedef struct nncf__plane_group {
    const void *data; /* n x h x w floats, or bytes, which become floats as `bytes` says */
    bool is_bytes;
    nncf__bytes bytes;
    size_t n, h, w;
    const void *ahead; /* nullable: as many that are read soon: their cache lines are called for meanwhile */
} nncf__plane_group;

/* What gemm_dots fetches from memory while it runs: a + ahead, of every `of` tiles of rows the `turn`-th. Several calls
 * with the same a share the work. */
typedef struct nncf__dots_fetch {
    int64_t ahead;
    size_t turn, of;
} nncf__dots_fetch;

/* Lines of memory that will be read soon; beyond its end that is without effect. Always inlined: gcc takes a function
 * that only fetches for one without effect, and drops calls of it. */
static inline __attribute__((always_inline)) void nncf__fetch(uintptr_t from, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)(from + (uintptr_t)i));
}

typedef struct nncf__kernels {
    const char *name; /* "reference", "portable", "avx2", "avx512" */
    int32_t isa;      /* NNCF_ISA_... */
#define NNCF_KERNEL(name, result, args) result(*name) args;
#include "kernels/kernels.def"
#undef NNCF_KERNEL
} nncf__kernels;

/* The table of a level, or NULL when the CPU (or this build) does not have it. Immutable, valid forever. */
const nncf__kernels *nncf__kernels_get(int32_t isa);
/* The context's table. */
static inline const nncf__kernels *nncf__k(const nncf_context *context)
{
    return (const nncf__kernels *)context->kernels;
}

/* ---- conv.c, depthwise.c: products over a batch in NCHW. All threads of the context work on one call. ---- */

typedef struct nncf__conv2d {
    int64_t n, c_in, h, w;       /* input */
    int64_t c_out, out_h, out_w; /* output */
    int64_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups;
} nncf__conv2d;

/*
 * An operand: floats, and, when they are multiples of a quantizer's step, that step: then the product is made of
 * integer codes. Or, for x only, the codes themselves, a byte each: the value is (float)(code - zero) * step[0], and a
 * pixel of padding is 0 as always.
 */
typedef struct nncf__operand {
    const void *data;
    const float *step; /* NULL: plain floats; else n_steps steps: 1, or (weights only) one an output channel */
    size_t n_steps;
    int32_t dtype; /* NNCF_F32; for x also NNCF_U8 or NNCF_S8, then with a step */
    int32_t zero;  /* the code that means 0; bytes only, 0 to 255 or -128 to 127 */
} nncf__operand;

/* The bytes of an operand as integer codes (with the zero point subtracted), or as its values. */
static inline nncf__bytes nncf__bytes_of(const nncf__operand *o, bool codes)
{
    bool is_signed = o->dtype == NNCF_S8;
    return (nncf__bytes){.offset = (float)(o->zero + (is_signed ? 128 : 0)),
                         .scale = codes ? 1.0f : o->step[0],
                         .flip = is_signed ? 0x80 : 0};
}

/*
 * z (n, c_out, out_h, out_w) = conv(x, w) + bias. x is (n, c_in, h, w), w is (c_out, c_in/groups, kernel_h, kernel_w),
 * bias nullable. When both operands have steps: z = float(exact integer sum of codes) * (step_x * step_w[oc]) + bias.
 * For that codes (zero point subtracted) must have magnitude <= 255. Otherwise z is a product of floats; x in bytes
 * gives the bits that the floats would give that its codes stand for. Linear layers are the case h = w = 1. Returns
 * NNCF_E_NOMEM only when scratch has to grow.
 */
nncf_status nncf__conv2d_forward(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                 const nncf__operand *w, const float *bias, float *z);
/* dx is written. Plain floats. */
nncf_status nncf__conv2d_backward_input(nncf_context *context, const nncf__conv2d *s, const float *w, const float *dz,
                                        float *dx);
/* dw is written, not added to. A product of floats whatever x is: the step of x in bytes goes into its values, one
 * rounding each as in a fake-quantizer, so bytes and the floats they stand for give the same bits. The sums over n and
 * pixels have a fixed order. */
nncf_status nncf__conv2d_backward_weight(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                         const float *dz, float *dw);

/*
 * Depthwise convolutions whose channels are worked on further, or are made, by the worker that has them in its cache.
 * Hooks are called from any thread, each channel's once, in no order that may matter; `room` is the worker's.
 */
typedef struct nncf__channel_hooks {
    void *arg;
    size_t room; /* bytes, aligned to 64 */
    /* Forward: z of channels [c0, c1) is there. Backward: it will be asked for their dz. */
    void (*group)(void *arg, int64_t c0, int64_t c1, void *room);
    /* Backward: dz of channels [c0, c1) in image n, written to `to`, or where it lies. Images in order. */
    const float *(*dz)(void *arg, int64_t n, int64_t c0, int64_t c1, float *to);
} nncf__channel_hooks;

/* Can the two below be called? Not at the reference level, which has one loop for all convolutions. */
bool nncf__conv2d_by_channel(const nncf_context *context, const nncf__conv2d *s);
/* nncf__conv2d_forward(), and then. The bits are the same; on failure no hook was called. */
nncf_status nncf__conv2d_forward_channels(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                          const nncf__operand *w, const float *bias, float *z,
                                          const nncf__channel_hooks *after);
/* nncf__conv2d_backward_input() and nncf__conv2d_backward_weight() at once; either of dx and dw may be NULL (not
 * wanted), not both. The bits are the same; on failure no hook was called. */
nncf_status nncf__conv2d_backward_channels(nncf_context *context, const nncf__conv2d *s, const nncf__operand *x,
                                           const float *w, const nncf__channel_hooks *before, float *dx, float *dw);

/* The naive loops that the products above are tested against (double accumulators; codes in int64). Single-threaded,
 * allocate nothing. */
void nncf__conv2d_forward_ref(const nncf__conv2d *s, const nncf__operand *x, const nncf__operand *w, const float *bias,
                              float *z);
void nncf__conv2d_backward_input_ref(const nncf__conv2d *s, const float *w, const float *dz, float *dx);
void nncf__conv2d_backward_weight_ref(const nncf__conv2d *s, const nncf__operand *x, const float *dz, float *dw);

/* BLIS version and sub-configuration in use, or "none". Static storage. */
const char *nncf__gemm_describe(const nncf_context *context);

#endif
