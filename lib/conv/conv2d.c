/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and linear layers as products over a batch: shapes in, grids of pixels out. */
#include "conv/conv2d.h"

#include "base/alloc.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "conv/depthwise.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "gemm/pixel_product.h"
#include "gemm/weight_gradient.h"
#include "kernels/kernels.h"
#include "kernels/operand.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

static bool is_reference(const nncf_context *context)
{
    return nncf__kernels_of(context)->isa == NNCF_ISA_REFERENCE;
}

/* Packers multiply by 1 / step; where that is no normal number (steps below 2^-126) the naive loops
 * divide. */
static bool steps_invert(const nncf__operand *o)
{
    if (o->dtype != NNCF_F32)
        return true; /* bytes are codes already */
    for (size_t i = 0; i < o->n_scales; i++)
        if (!isnormal(1.0f / o->scale[i]) || !isnormal(o->scale[i]))
            return false;
    return true;
}

static bool has_codes(const nncf__operand *x, const nncf__operand *w)
{
    return x->scale && w->scale && x->n_scales && w->n_scales;
}

/* The input of group g as seen by a kernel of taps: the grid is the output. */
static nncf__pixel_map input_grid(
    const nncf__conv2d *s, const nncf__operand *x, int64_t g, bool codes, const nncf__tap *taps)
{
    int64_t first = g * (s->c_in / s->groups) * s->h * s->w;
    bool is_bytes = x->dtype != NNCF_F32;
    return (nncf__pixel_map){.n = s->n,
        .rows = s->out_h,
        .cols = s->out_w,
        .src = is_bytes ? (const void *)((const uint8_t *)x->data + first)
                        : (const void *)((const float *)x->data + first),
        .is_bytes = is_bytes,
        .bytes = is_bytes ? nncf__bytes_of(x, codes) : (nncf__bytes){0},
        .channels = s->c_in / s->groups,
        .src_image = s->c_in * s->h * s->w,
        .src_plane = s->h * s->w,
        .src_h = s->h,
        .src_w = s->w,
        .step_y = s->stride_h,
        .step_x = s->stride_w,
        .dst_image = s->c_out * s->out_h * s->out_w,
        .dst_row = s->out_w,
        .dst_col = 1,
        .taps = taps,
        .n_taps = s->kernel_h * s->kernel_w};
}

static void forward_taps(const nncf__conv2d *s, nncf__tap *taps)
{
    for (int64_t ky = 0; ky < s->kernel_h; ky++)
        for (int64_t kx = 0; kx < s->kernel_w; kx++)
            taps[ky * s->kernel_w + kx] = (nncf__tap){.y = ky * s->dilation_h - s->pad_h,
                .x = kx * s->dilation_w - s->pad_w,
                .weight = ky * s->kernel_w + kx};
}

/* Taps live on the stack up to 32 x 32: a step of training allocates nothing. Beyond, in memory of
 * the context's. */
enum { FEW_TAPS = 1024 };

static nncf__tap *taps_alloc(nncf_context *context, const nncf__conv2d *s, nncf__tap *few)
{
    size_t n = (size_t)(s->kernel_h * s->kernel_w);
    return n <= FEW_TAPS ? few : nncf__alloc(context, n * sizeof *few);
}

static void taps_free(nncf_context *context, nncf__tap *taps, nncf__tap *few)
{
    if (taps != few)
        nncf__free(context, taps);
}

/* Codes that packers cannot make. */
static bool only_naive(const nncf__operand *x, const nncf__operand *w)
{
    return has_codes(x, w) && (!steps_invert(x) || !steps_invert(w));
}

nncf_status nncf__conv2d_forward(nncf_context *context, const nncf__conv2d *s,
    const nncf__operand *x, const nncf__operand *w, const float *bias, float *z)
{
    bool codes = has_codes(x, w);
    if (is_reference(context) || only_naive(x, w)) {
        nncf__conv2d_forward_ref(s, x, w, bias, z);
        return NNCF_OK;
    }
    if (nncf__depthwise_fits(s))
        return nncf__depthwise_forward(context, s, x, w, bias, z, NULL);
    nncf__tap few[FEW_TAPS], *taps = taps_alloc(context, s, few);
    if (!taps)
        return NNCF_E_NOMEM;
    forward_taps(s, taps);
    nncf_status status = NNCF_OK;
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups,
            n_taps = s->kernel_h * s->kernel_w;
    for (int64_t g = 0; g < s->groups && status == NNCF_OK; g++) {
        nncf__pixel_product p = {.grid = input_grid(s, x, g, codes, taps),
            .weights = {.data = (const float *)w->data + g * out_group * in_group * n_taps,
                .rows_of_k = true,
                .n_s = out_group,
                .channels = in_group,
                .s_stride = in_group * n_taps,
                .k_stride = n_taps,
                .taps = taps,
                .n_taps = n_taps},
            .bias = bias ? bias + g * out_group : NULL,
            .dst = z + g * out_group * s->out_h * s->out_w,
            .dst_plane = s->out_h * s->out_w};
        if (codes) {
            p.step_x = x->scale[0];
            p.weights.n_scales = w->n_scales;
            p.weights.scale = w->n_scales > 1 ? w->scale + g * out_group : w->scale;
        }
        nncf__pixel_map_flatten(&p.grid);
        status = nncf__pixel_product_run(context, &p);
    }
    taps_free(context, taps, few);
    return status;
}

/* A linear layer, or a 1x1 convolution of single pixels: with padding its one output may lie beside
 * the pixel. */
static bool is_linear(const nncf__conv2d *s)
{
    return s->h * s->w == 1 && s->kernel_h * s->kernel_w == 1 && s->out_h * s->out_w == 1 &&
        s->pad_h == 0 && s->pad_w == 0;
}

static const nncf__tap middle = {0, 0, 0};

/*
 * The gradients of a linear layer are sums of rows of what lies side by side along its inputs: x
 * for the weight, the weight for x. These are the "pixels" then, k counts the rows, and what they
 * are multiplied by are the "weights".
 */
static nncf__pixel_product linear_gradient(const nncf__conv2d *s, const void *rows, int64_t n_rows,
    int64_t row_stride, float *dst, int64_t dst_stride)
{
    int64_t in_group = s->c_in / s->groups;
    return (nncf__pixel_product){.grid = {.n = 1,
                                     .rows = 1,
                                     .cols = in_group,
                                     .src = rows,
                                     .channels = n_rows,
                                     .src_plane = row_stride,
                                     .src_h = 1,
                                     .src_w = in_group,
                                     .step_y = 1,
                                     .step_x = 1,
                                     .dst_row = in_group,
                                     .dst_col = 1,
                                     .taps = &middle,
                                     .n_taps = 1},
        .weights = {.channels = n_rows, .taps = &middle, .n_taps = 1},
        .dst = dst,
        .dst_plane = dst_stride};
}

static nncf_status linear_backward_input(
    nncf_context *context, const nncf__conv2d *s, const float *w, const float *dz, float *dx)
{
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups;
    nncf_status status = NNCF_OK;
    for (int64_t g = 0; g < s->groups && status == NNCF_OK;
         g++) { /* groups are alike: none but the first can fail */
        nncf__pixel_product p = linear_gradient(
            s, w + g * out_group * in_group, out_group, in_group, dx + g * in_group, s->c_in);
        p.weights.data = dz + g * out_group;
        p.weights.rows_of_k = true;
        p.weights.n_s = s->n;
        p.weights.s_stride = s->c_out;
        p.weights.k_stride = 1;
        status = nncf__pixel_product_run(context, &p);
    }
    return status;
}

static nncf_status linear_backward_weight(nncf_context *context, const nncf__conv2d *s,
    const nncf__operand *x, const float *dz, float *dw)
{
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups;
    nncf_status status = NNCF_OK;
    for (int64_t g = 0; g < s->groups && status == NNCF_OK; g++) {
        const nncf__pixel_map input = input_grid(s, x, g, false, &middle);
        nncf__pixel_product p =
            linear_gradient(s, input.src, s->n, s->c_in, dw + g * out_group * in_group, in_group);
        p.grid.is_bytes = input.is_bytes;
        p.grid.bytes = input.bytes;
        p.weights.data = dz + g * out_group;
        p.weights.n_s = out_group;
        p.weights.s_stride = 1;
        p.weights.k_stride = s->c_out;
        status = nncf__pixel_product_run(context, &p);
    }
    return status;
}

/*
 * Input pixels (a + i * stride_h, b + j * stride_w) are reached by the same taps, those with
 * (a + pad_h - ky * dilation_h) % stride_h == 0 and the like for x, from output pixels that lie
 * side by side: for each (a, b) the input gradient is a convolution of stride 1, and no product is
 * spent on zeros between pixels.
 */
static int64_t phase_taps(const nncf__conv2d *s, int64_t a, int64_t b, nncf__tap *taps)
{
    int64_t n = 0;
    for (int64_t ky = 0; ky < s->kernel_h; ky++)
        for (int64_t kx = 0; kx < s->kernel_w; kx++) {
            int64_t y = a + s->pad_h - ky * s->dilation_h, x = b + s->pad_w - kx * s->dilation_w;
            if (y % s->stride_h == 0 && x % s->stride_w == 0)
                taps[n++] = (nncf__tap){
                    .y = y / s->stride_h, .x = x / s->stride_w, .weight = ky * s->kernel_w + kx};
        }
    return n;
}

typedef struct zero_job {
    const nncf__conv2d *s;
    int64_t a, b;
    float *dx;
} zero_job;

static void zero_task(void *arg, size_t plane, size_t worker)
{
    (void)worker;
    const zero_job *j = arg;
    const nncf__conv2d *s = j->s;
    float *dx = j->dx + (int64_t)plane * s->h * s->w;
    for (int64_t y = j->a; y < s->h; y += s->stride_h)
        for (int64_t x = j->b; x < s->w; x += s->stride_w)
            dx[y * s->w + x] = 0.0f;
}

static nncf_status backward_input_phase(nncf_context *context, const nncf__conv2d *s, int64_t a,
    int64_t b, const float *w, const float *dz, float *dx, nncf__tap *taps, bool reserve)
{
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups,
            kernel = s->kernel_h * s->kernel_w;
    int64_t rows = (s->h - a + s->stride_h - 1) / s->stride_h,
            cols = (s->w - b + s->stride_w - 1) / s->stride_w;
    int64_t n_taps = phase_taps(s, a, b, taps), plane = s->h * s->w, dz_plane = s->out_h * s->out_w;
    if (n_taps == 0 && reserve)
        return NNCF_OK;
    if (n_taps == 0) {
        zero_job zero = {s, a, b, dx};
        size_t n = (size_t)(s->n * s->c_in);
        nncf__gemm_parallel(context, 4.0 * (double)(rows * cols) * (double)n, n, zero_task, &zero);
        return NNCF_OK;
    }
    nncf_status status = NNCF_OK;
    for (int64_t g = 0; g < s->groups && status == NNCF_OK; g++) {
        nncf__pixel_product p = {.grid = {.n = s->n,
                                     .rows = rows,
                                     .cols = cols,
                                     .src = dz + g * out_group * dz_plane,
                                     .channels = out_group,
                                     .src_image = s->c_out * dz_plane,
                                     .src_plane = dz_plane,
                                     .src_h = s->out_h,
                                     .src_w = s->out_w,
                                     .step_y = 1,
                                     .step_x = 1,
                                     .dst_image = s->c_in * plane,
                                     .dst_row = s->stride_h * s->w,
                                     .dst_col = s->stride_w,
                                     .taps = taps,
                                     .n_taps = n_taps},
            .weights = {.data = w + g * out_group * in_group * kernel,
                .n_s = in_group,
                .channels = out_group,
                .s_stride = kernel,
                .k_stride = in_group * kernel,
                .taps = taps,
                .n_taps = n_taps},
            .dst = dx + g * in_group * plane + a * s->w + b,
            .dst_plane = plane};
        nncf__pixel_map_flatten(&p.grid);
        if (reserve) /* groups are alike */
            return nncf__pixel_product_reserve(context, &p);
        status = nncf__pixel_product_run(context, &p);
    }
    return status;
}

static nncf_status backward_input_phases(nncf_context *context, const nncf__conv2d *s,
    const float *w, const float *dz, float *dx, nncf__tap *taps, bool reserve)
{
    nncf_status status = NNCF_OK;
    for (int64_t a = 0; a < s->stride_h && a < s->h; a++)
        for (int64_t b = 0; b < s->stride_w && b < s->w && status == NNCF_OK; b++)
            status = backward_input_phase(context, s, a, b, w, dz, dx, taps, reserve);
    return status;
}

/* Every phase reads all of dz: few images at a time, so that they find them in a cache. */
enum { PHASES_FLOATS = 1 << 19 };

nncf_status nncf__conv2d_backward_input(
    nncf_context *context, const nncf__conv2d *s, const float *w, const float *dz, float *dx)
{
    if (is_reference(context)) {
        nncf__conv2d_backward_input_ref(s, w, dz, dx);
        return NNCF_OK;
    }
    if (nncf__depthwise_fits(s))
        return nncf__depthwise_backward(context, s, NULL, w, dz, NULL, dx, NULL);
    if (is_linear(s))
        return linear_backward_input(context, s, w, dz, dx);
    nncf__tap few[FEW_TAPS], *taps = taps_alloc(context, s, few);
    if (!taps)
        return NNCF_E_NOMEM;
    nncf__conv2d some = *s, rest = *s;
    int64_t image = s->c_out * s->out_h * s->out_w;
    if (s->stride_h * s->stride_w > 1)
        some.n = min_i(s->n, max_i(1, PHASES_FLOATS / image));
    rest.n = s->n % some.n;
    nncf_status status = backward_input_phases(context, &some, w, dz, dx, taps, true);
    if (status == NNCF_OK && rest.n > 0)
        status = backward_input_phases(context, &rest, w, dz, dx, taps, true);
    for (int64_t n = 0; n < s->n && status == NNCF_OK && !context->dry; n += some.n)
        status = backward_input_phases(context, s->n - n < some.n ? &rest : &some, w,
            dz + n * image, dx + n * s->c_in * s->h * s->w, taps, false);
    taps_free(context, taps, few);
    return status;
}

nncf_status nncf__conv2d_backward_weight(nncf_context *context, const nncf__conv2d *s,
    const nncf__operand *x, const float *dz, float *dw)
{
    if (is_reference(context)) {
        nncf__conv2d_backward_weight_ref(s, x, dz, dw);
        return NNCF_OK;
    }
    if (nncf__depthwise_fits(s))
        return nncf__depthwise_backward(context, s, x, NULL, dz, NULL, NULL, dw);
    if (is_linear(s))
        return linear_backward_weight(context, s, x, dz, dw);
    nncf__tap few[FEW_TAPS], *taps = taps_alloc(context, s, few);
    if (!taps)
        return NNCF_E_NOMEM;
    forward_taps(s, taps);
    nncf_status status = NNCF_OK;
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups,
            n_taps = s->kernel_h * s->kernel_w;
    int64_t dz_plane = s->out_h * s->out_w;
    for (int64_t g = 0; g < s->groups && status == NNCF_OK; g++) {
        nncf__weight_product p = {.x = input_grid(s, x, g, false, taps),
            .dz = {.n = s->n,
                .rows = s->out_h,
                .cols = s->out_w,
                .src = dz + g * out_group * dz_plane,
                .channels = out_group,
                .src_image = s->c_out * dz_plane,
                .src_plane = dz_plane,
                .src_h = s->out_h,
                .src_w = s->out_w,
                .step_y = 1,
                .step_x = 1,
                .dst_row = s->out_w,
                .dst_col = 1,
                .taps = &middle,
                .n_taps = 1},
            .dst = dw + g * out_group * in_group * n_taps};
        nncf__pixel_map_flatten(&p.x);
        nncf__pixel_map_flatten(&p.dz);
        status = nncf__weight_product_run(context, &p);
    }
    taps_free(context, taps, few);
    return status;
}

/* ---- depthwise blocks ---- */

bool nncf__conv2d_by_channel(const nncf_context *context, const nncf__conv2d *s)
{
    return !is_reference(context) && nncf__depthwise_fits(s);
}

nncf_status nncf__conv2d_forward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__operand *x, const nncf__operand *w, const float *bias, float *z,
    const nncf__channel_hooks *after)
{
    if (!only_naive(x, w))
        return nncf__depthwise_forward(context, s, x, w, bias, z, after);
    nncf_status status = nncf__scratch_reserve(context, after->room);
    if (status == NNCF_OK)
        status = nncf__conv2d_forward(context, s, x, w, bias, z);
    if (status == NNCF_OK)
        after->group(after->arg, 0, s->c_out, nncf__scratch(context, 0));
    return status;
}

nncf_status nncf__conv2d_backward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__operand *x, const float *w, const nncf__channel_hooks *before, float *dx, float *dw)
{
    return nncf__depthwise_backward(context, s, x, w, NULL, before, dx, dw);
}
