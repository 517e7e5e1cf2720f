/* SPDX-License-Identifier: Apache-2.0 */
/* Convolutions and linear layers as products over a batch: shapes in, pixel maps out. */
#include "conv/conv2d.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "conv/depthwise.h"
#include "gemm/binary_product.h"
#include "gemm/int8_product.h"
#include "gemm/matrix_product.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "gemm/pixel_product.h"
#include "gemm/spans.h"
#include "gemm/weight_gradient.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

static bool is_reference(const nncf_context *context)
{
    return nncf__kernels_of(context)->isa == NNCF_ISA_REFERENCE;
}

/* Codes that packers cannot make of floats: they multiply by 1 / scale; where that is no normal
 * number (scales below 2^-126) the naive loops divide. */
static bool only_naive(const nncf__qtensor *x, const nncf__qtensor *w)
{
    return nncf__product_is_codes(x, w) && !nncf__qtensor_is_codes(x) &&
        (!isnormal(1.0f / x->scale[0]) || !isnormal(x->scale[0]));
}

/* dz, or floats of it. */
static nncf__qtensor floats(const float *data)
{
    return (nncf__qtensor){.data = data, .dtype = NNCF_F32};
}

/* ---- linear layers ---- */

/* A linear layer, or a 1x1 convolution of single pixels: with padding its one output may lie beside
 * the pixel. */
static bool is_linear(const nncf__conv2d *s)
{
    return s->h * s->w == 1 && s->kernel_h * s->kernel_w == 1 && s->out_h * s->out_w == 1 &&
        s->pad_h == 0 && s->pad_w == 0;
}

/* x and z, or their gradients, have the channels of all groups side by side. */
static int64_t in_of_group(const nncf__conv2d *s)
{
    return s->c_in / s->groups;
}

static int64_t out_of_group(const nncf__conv2d *s)
{
    return s->c_out / s->groups;
}

/* From a block of kept_blocks, all taps of it, to the next output and input channels, and to the
 * next group. */
typedef struct block_steps {
    int64_t out, in, group;
} block_steps;

static block_steps steps_of(const nncf__conv2d *s)
{
    const int64_t taps = s->kernel_h * s->kernel_w, along_in = div_ceil(in_of_group(s), s->block),
                  along_out = div_ceil(out_of_group(s), s->block);
    return s->blocks_are_turned
        ? (block_steps){taps, s->groups * along_out * taps, along_out * taps}
        : (block_steps){along_in * taps, taps, along_out * along_in * taps};
}

/* Of the weight of a linear layer, whose rows are output channels or, turned, input channels. */
static nncf__kept_blocks linear_blocks(const nncf__conv2d *s, bool turned)
{
    if (s->block == 0)
        return (nncf__kept_blocks){0};
    const block_steps steps = steps_of(s);
    return (nncf__kept_blocks){.kept = s->kept_blocks,
        .size = s->block,
        .row_step = turned ? steps.in : steps.out,
        .column_step = turned ? steps.out : steps.in,
        .batch_step = steps.group};
}

/* z = x w^T + bias. Without codes: integers are multiplied as those of other convolutions. */
static nncf__matrix_product linear_forward(
    const nncf__conv2d *s, const nncf__qtensor *x, const nncf__qtensor *w)
{
    const int64_t in = in_of_group(s), out = out_of_group(s);
    return (nncf__matrix_product){.m = s->n,
        .n = out,
        .k = in,
        .a = {.src = *x, .stride = s->c_in},
        .b = {.src = *w, .stride = in, .turned = true},
        .factor = 1,
        .c_stride = s->c_out,
        .batch = s->groups,
        .a_step = in,
        .b_step = out * in,
        .c_step = out,
        .b_blocks = linear_blocks(s, true)};
}

/* dx = dz w */
static nncf__matrix_product linear_backward_input(
    const nncf__conv2d *s, const nncf__qtensor *w, const float *dz)
{
    const int64_t in = in_of_group(s), out = out_of_group(s);
    return (nncf__matrix_product){.m = s->n,
        .n = in,
        .k = out,
        .a = {.src = floats(dz), .stride = s->c_out},
        .b = {.src = *w, .stride = in},
        .factor = 1,
        .c_stride = s->c_in,
        .batch = s->groups,
        .a_step = out,
        .b_step = out * in,
        .c_step = in,
        .b_blocks = linear_blocks(s, false)};
}

/* dw = dz^T x */
static nncf__matrix_product linear_backward_weight(
    const nncf__conv2d *s, const nncf__qtensor *x, const float *dz)
{
    const int64_t in = in_of_group(s), out = out_of_group(s);
    return (nncf__matrix_product){.m = out,
        .n = in,
        .k = s->n,
        .a = {.src = floats(dz), .stride = s->c_out, .turned = true},
        .b = {.src = *x, .stride = s->c_in},
        .factor = 1,
        .c_stride = in,
        .batch = s->groups,
        .a_step = out,
        .b_step = in,
        .c_step = out * in,
        .c_blocks = linear_blocks(s, false)};
}

/* ---- forward ---- */

static nncf__taps forward_taps(const nncf__conv2d *s)
{
    return (nncf__taps){
        .y = {.n = s->kernel_h, .at = -s->pad_h, .at_step = s->dilation_h, .index_step = 1},
        .x = {.n = s->kernel_w, .at = -s->pad_w, .at_step = s->dilation_w, .index_step = 1},
        .kernel_w = s->kernel_w};
}

/* The input as a kernel sees it, for the pixels of the output. src is that of all groups. */
static nncf__pixel_map input_map(
    const nncf__conv2d *s, const nncf__qtensor *x, bool as_integers, const nncf__taps *taps)
{
    return (nncf__pixel_map){.n = s->n,
        .rows = s->out_h,
        .cols = s->out_w,
        .src = *x,
        .as_integers = as_integers,
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
        .taps = *taps};
}

/* x from the first channel of group g on; the weight of the group. */
static nncf__qtensor input_of_group(const nncf__conv2d *s, const nncf__qtensor *x, int64_t g)
{
    return nncf__qtensor_from(x, g * (s->c_in / s->groups) * s->h * s->w, 0);
}

static nncf__qtensor weight_of_group(const nncf__conv2d *s, const nncf__qtensor *w, int64_t g)
{
    const int64_t channel = g * (s->c_out / s->groups);
    return nncf__qtensor_from(
        w, channel * (s->c_in / s->groups) * s->kernel_h * s->kernel_w, channel);
}

/* The product of a group: groups differ in pointers only, which are set before it is run. */
static nncf__pixel_product forward_product(
    const nncf__conv2d *s, const nncf__qtensor *x, const nncf__qtensor *w)
{
    const int64_t in_group = s->c_in / s->groups, n_taps = s->kernel_h * s->kernel_w;
    const nncf__taps taps = forward_taps(s);
    const bool codes = nncf__product_is_codes(x, w);
    nncf__pixel_product p = {.map = input_map(s, x, codes, &taps),
        .weights = {.src = *w,
            .as_integers = codes,
            .k_is_contiguous = true,
            .n_out = s->c_out / s->groups,
            .channels = in_group,
            .out_stride = in_group * n_taps,
            .k_stride = n_taps,
            .taps = taps,
            .block = s->block},
        .dst_plane = s->out_h * s->out_w,
        .only_sums = codes && s->only_sums};
    nncf__pixel_map_flatten(&p.map);
    return p;
}

size_t nncf__conv2d_forward_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w)
{
    if (is_reference(context))
        return 0;
    if (nncf__depthwise_fits(s))
        return nncf__depthwise_forward_scratch(context, s, x, w, NULL);
    if (is_linear(s) && !nncf__product_is_codes(x, w)) {
        const nncf__matrix_product p = linear_forward(s, x, w);
        return nncf__matrix_product_scratch(context, &p);
    }
    const nncf__pixel_product p = forward_product(s, x, w);
    return nncf__pixel_product_scratch(context, &p);
}

void nncf__conv2d_forward(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const float *bias, float *z)
{
    if (is_reference(context) || only_naive(x, w)) {
        nncf__conv2d_forward_ref(s, x, w, bias, z);
        return;
    }
    if (nncf__depthwise_fits(s)) {
        nncf__depthwise_forward(context, s, x, w, bias, z, NULL);
        return;
    }
    if (is_linear(s) && !nncf__product_is_codes(x, w)) {
        nncf__matrix_product p = linear_forward(s, x, w);
        p.bias = bias;
        p.c = z;
        nncf__matrix_product_run(context, &p);
        return;
    }
    nncf__pixel_product p = forward_product(s, x, w);
    const int64_t out_group = s->c_out / s->groups;
    for (int64_t g = 0; g < s->groups; g++) {
        p.map.src = input_of_group(s, x, g);
        p.weights.src = weight_of_group(s, w, g);
        p.bias = bias ? bias + g * out_group : NULL;
        p.dst = z + g * out_group * p.dst_plane;
        nncf__pixel_product_run(context, &p);
    }
}

/* ---- of bits ---- */

/* The product of a group, as forward_product(); map.src and what belongs to a group is open. */
static nncf__binary_product bits_product(
    const nncf__conv2d *s, const nncf__qtensor *x, const nncf__qtensor *w)
{
    const int64_t in_group = s->c_in / s->groups, words = nncf__words_of(in_group);
    const nncf__taps taps = forward_taps(s);
    nncf__binary_product b = {.p = {.map = input_map(s, x, true, &taps),
                                  .weights = {.src = *w,
                                      .as_integers = true,
                                      .n_out = s->c_out / s->groups,
                                      .channels = in_group,
                                      .taps = taps},
                                  .dst_plane = s->out_h * s->out_w,
                                  .only_sums = s->only_sums}};
    b.p.map.channels = words;
    b.p.map.src_image = s->groups * words * s->h * s->w;
    nncf__pixel_map_flatten(&b.p.map);
    return b;
}

static nncf__binary_product bits_shape(const nncf__conv2d *s)
{
    const nncf__qtensor any = {.dtype = NNCF_U8};
    return bits_product(s, &any, &any);
}

bool nncf__conv2d_bits_fit(const nncf_context *context, const nncf__conv2d *s)
{
    /* with fewer channels most of a word is empty */
    enum { LEAST_CHANNELS = 32 };
    const nncf__binary_product b = bits_shape(s);
    return !is_reference(context) && b.p.weights.channels >= LEAST_CHANNELS &&
        nncf__binary_product_fits(context, &b);
}

int64_t nncf__conv2d_bits_words(const nncf__conv2d *s)
{
    return s->groups * nncf__words_of(s->c_in / s->groups);
}

size_t nncf__conv2d_forward_bits_scratch(const nncf_context *context, const nncf__conv2d *s)
{
    const nncf__binary_product b = bits_shape(s);
    return nncf__binary_product_scratch(context, &b);
}

void nncf__conv2d_forward_bits(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const nncf__signs *signs, const float *bias, float *z)
{
    nncf__binary_product b = bits_product(s, x, w);
    const int64_t out_group = s->c_out / s->groups, plane = b.p.map.channels * s->h * s->w,
                  of_group = out_group * b.p.weights.channels * s->kernel_h * s->kernel_w;
    for (int64_t g = 0; g < s->groups; g++) {
        b.p.map.src.data = (const uint64_t *)x->data + g * plane;
        b.p.weights.src = nncf__qtensor_from(w, 0, g * out_group);
        b.w = signs->floats ? signs->floats + g * of_group : NULL;
        b.signs = signs->bits;
        b.first_sign = g * of_group;
        b.scales = signs->scales ? signs->scales + g * out_group : NULL;
        b.p.bias = bias ? bias + g * out_group : NULL;
        b.p.dst = z + g * out_group * b.p.dst_plane;
        nncf__binary_product_run(context, &b);
    }
}

bool nncf__conv2d_tiles_fit(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__spans *spans)
{
    if (is_reference(context) || !s->only_sums || nncf__depthwise_fits(s))
        return false;
    const nncf__pixel_product p = forward_product(s, x, w);
    return nncf__int8_tiles_fit(context, &p, spans);
}

size_t nncf__conv2d_tiles_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__tile_hooks *hooks)
{
    const nncf__pixel_product p = forward_product(s, x, w);
    return nncf__int8_tiles_scratch(context, &p, hooks);
}

void nncf__conv2d_tiles(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const nncf__tile_hooks *hooks)
{
    nncf__pixel_product p = forward_product(s, x, w);
    for (int64_t g = 0; g < s->groups; g++) {
        p.map.src = input_of_group(s, x, g);
        p.weights.src = weight_of_group(s, w, g);
        nncf__int8_tiles_run(context, &p, g * (s->c_out / s->groups), hooks);
    }
}

/* ---- input gradient ---- */

/*
 * Input pixels (a + i * stride_h, b + j * stride_w) are a phase. They are reached by the same taps,
 * those with (a + pad_h - ky * dilation_h) % stride_h == 0 and the like for x, from output pixels
 * that lie side by side: for each (a, b) the input gradient is a convolution of stride 1, and no
 * product is spent on zeros between pixels. Along an axis these taps are equally far apart.
 */
static nncf__taps_axis phase_taps(int64_t at, int64_t kernel, int64_t dilation, int64_t stride)
{
    nncf__taps_axis taps = {.index_step = 1};
    while (taps.index < kernel && (at - taps.index * dilation) % stride != 0)
        taps.index++;
    while (taps.index_step * dilation % stride != 0)
        taps.index_step++;
    taps.n = div_ceil(kernel - taps.index, taps.index_step);
    taps.at = (at - taps.index * dilation) / stride;
    taps.at_step = -(taps.index_step * dilation / stride);
    return taps;
}

static nncf__pixel_product phase_product(const nncf__conv2d *s, int64_t a, int64_t b)
{
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups,
            kernel = s->kernel_h * s->kernel_w, plane = s->h * s->w;
    const nncf__taps taps = {.y = phase_taps(a + s->pad_h, s->kernel_h, s->dilation_h, s->stride_h),
        .x = phase_taps(b + s->pad_w, s->kernel_w, s->dilation_w, s->stride_w),
        .kernel_w = s->kernel_w};
    nncf__pixel_product p = {.map = {.n = s->n,
                                 .rows = div_ceil(s->h - a, s->stride_h),
                                 .cols = div_ceil(s->w - b, s->stride_w),
                                 .channels = out_group,
                                 .src_image = s->c_out * s->out_h * s->out_w,
                                 .src_plane = s->out_h * s->out_w,
                                 .src_h = s->out_h,
                                 .src_w = s->out_w,
                                 .step_y = 1,
                                 .step_x = 1,
                                 .dst_image = s->c_in * plane,
                                 .dst_row = s->stride_h * s->w,
                                 .dst_col = s->stride_w,
                                 .taps = taps},
        .weights = {.n_out = in_group,
            .channels = out_group,
            .out_stride = kernel,
            .k_stride = in_group * kernel,
            .taps = taps,
            .block = s->block},
        .dst_plane = plane};
    nncf__pixel_map_flatten(&p.map);
    return p;
}

typedef struct zero_job {
    const nncf__conv2d *s;
    int64_t a;
    float *dx;
} zero_job;

static void zero_task(void *arg, size_t plane, size_t worker)
{
    (void)worker;
    const zero_job *j = arg;
    const nncf__conv2d *s = j->s;
    float *dx = j->dx + (int64_t)plane * s->h * s->w;
    for (int64_t y = j->a; y < s->h; y += s->stride_h)
        memset(dx + y * s->w, 0, (size_t)s->w * sizeof *dx);
}

/* Rows a, a + stride_h, ..., where no tap reaches some of the pixels: all of them become 0 before
 * the others are written. */
static void zero_rows(nncf_context *context, const nncf__conv2d *s, int64_t a, float *dx)
{
    bool some = false;
    for (int64_t b = 0; b < s->stride_w && b < s->w; b++) {
        const nncf__pixel_product p = phase_product(s, a, b);
        some = some || nncf__taps_count(&p.map.taps) == 0;
    }
    if (!some)
        return;
    zero_job zero = {s, a, dx};
    size_t n = (size_t)(s->n * s->c_in);
    nncf__gemm_parallel(context, 2.0 * (double)(div_ceil(s->h - a, s->stride_h) * s->w) * (double)n,
        n, zero_task, &zero);
}

static void backward_input_phase(nncf_context *context, const nncf__conv2d *s, int64_t a, int64_t b,
    const nncf__qtensor *w, const float *dz, float *dx)
{
    nncf__pixel_product p = phase_product(s, a, b);
    if (nncf__taps_count(&p.map.taps) == 0)
        return;
    for (int64_t g = 0; g < s->groups; g++) {
        p.map.src = floats(dz + g * p.map.channels * p.map.src_plane);
        p.weights.src = weight_of_group(s, w, g);
        p.dst = dx + g * p.weights.n_out * p.dst_plane + a * s->w + b;
        nncf__pixel_product_run(context, &p);
    }
}

/* Every phase with a tap reads all of dz: few images at a time, so that they find them in a cache.
 */
static nncf__conv2d images_at_once(const nncf__conv2d *s)
{
    enum { PHASES_FLOATS = 1 << 19 };
    nncf__conv2d some = *s;
    if (s->stride_h * s->stride_w > 1 && s->kernel_h * s->kernel_w > 1)
        some.n = min_i(s->n, max_i(1, PHASES_FLOATS / (s->c_out * s->out_h * s->out_w)));
    return some;
}

static size_t phases_scratch(const nncf_context *context, const nncf__conv2d *s)
{
    size_t most = 0;
    for (int64_t a = 0; a < s->stride_h && a < s->h; a++)
        for (int64_t b = 0; b < s->stride_w && b < s->w; b++) {
            const nncf__pixel_product p = phase_product(s, a, b);
            const size_t bytes =
                nncf__taps_count(&p.map.taps) == 0 ? 0 : nncf__pixel_product_scratch(context, &p);
            most = max_size(most, bytes);
        }
    return most;
}

size_t nncf__conv2d_backward_input_scratch(const nncf_context *context, const nncf__conv2d *s)
{
    if (is_reference(context))
        return 0;
    if (nncf__depthwise_fits(s))
        return nncf__depthwise_backward_scratch(context, s, NULL, NULL, NULL, true, false);
    if (is_linear(s)) {
        const nncf__qtensor codes = {.dtype = NNCF_U8};
        const nncf__matrix_product p = linear_backward_input(s, &codes, NULL);
        return nncf__matrix_product_scratch(context, &p);
    }
    nncf__conv2d some = images_at_once(s);
    const size_t most = phases_scratch(context, &some);
    some.n = s->n % some.n;
    const size_t rest = some.n > 0 ? phases_scratch(context, &some) : 0;
    return max_size(rest, most);
}

void nncf__conv2d_backward_input(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *w, const float *dz, float *dx)
{
    if (is_reference(context)) {
        nncf__conv2d_backward_input_ref(s, w, dz, dx);
        return;
    }
    if (nncf__depthwise_fits(s)) {
        nncf__depthwise_backward(context, s, NULL, w, dz, NULL, dx, NULL);
        return;
    }
    if (is_linear(s)) {
        nncf__matrix_product p = linear_backward_input(s, w, dz);
        p.c = dx;
        nncf__matrix_product_run(context, &p);
        return;
    }
    nncf__conv2d some = images_at_once(s);
    const int64_t at_once = some.n, dz_image = s->c_out * s->out_h * s->out_w,
                  dx_image = s->c_in * s->h * s->w;
    for (int64_t n = 0; n < s->n; n += at_once) {
        some.n = min_i(at_once, s->n - n);
        for (int64_t a = 0; a < s->stride_h && a < s->h; a++) {
            zero_rows(context, &some, a, dx + n * dx_image);
            for (int64_t b = 0; b < s->stride_w && b < s->w; b++)
                backward_input_phase(context, &some, a, b, w, dz + n * dz_image, dx + n * dx_image);
        }
    }
}

/* ---- weight gradient ---- */

static nncf__weight_product weight_product(const nncf__conv2d *s, const nncf__qtensor *x)
{
    const nncf__taps taps = forward_taps(s);
    const int64_t dz_plane = s->out_h * s->out_w;
    nncf__weight_product p = {.x = input_map(s, x, false, &taps),
        .dz = {.n = s->n,
            .rows = s->out_h,
            .cols = s->out_w,
            .channels = s->c_out / s->groups,
            .src_image = s->c_out * dz_plane,
            .src_plane = dz_plane,
            .src_h = s->out_h,
            .src_w = s->out_w,
            .step_y = 1,
            .step_x = 1,
            .dst_row = s->out_w,
            .dst_col = 1,
            .taps = NNCF__TAPS_IDENTITY},
        .block = s->block};
    if (s->block > 0) {
        const block_steps steps = steps_of(s);
        p.kept_row = steps.out;
        p.kept_column = steps.in;
    }
    nncf__pixel_map_flatten(&p.x);
    nncf__pixel_map_flatten(&p.dz);
    return p;
}

size_t nncf__conv2d_backward_weight_scratch(
    const nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x)
{
    if (is_reference(context))
        return 0;
    if (nncf__depthwise_fits(s))
        return nncf__depthwise_backward_scratch(context, s, x, NULL, NULL, false, true);
    if (is_linear(s)) {
        const nncf__matrix_product p = linear_backward_weight(s, x, NULL);
        return nncf__matrix_product_scratch(context, &p);
    }
    const nncf__weight_product p = weight_product(s, x);
    return nncf__weight_product_scratch(context, &p);
}

void nncf__conv2d_backward_weight(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const float *dz, float *dw)
{
    if (is_reference(context)) {
        nncf__conv2d_backward_weight_ref(s, x, dz, dw);
        return;
    }
    if (nncf__depthwise_fits(s)) {
        nncf__depthwise_backward(context, s, x, NULL, dz, NULL, NULL, dw);
        return;
    }
    if (is_linear(s)) {
        nncf__matrix_product p = linear_backward_weight(s, x, dz);
        p.c = dw;
        nncf__matrix_product_run(context, &p);
        return;
    }
    nncf__weight_product p = weight_product(s, x);
    const int64_t of_group =
        s->c_out / s->groups * (s->c_in / s->groups) * s->kernel_h * s->kernel_w;
    for (int64_t g = 0; g < s->groups; g++) {
        p.x.src = input_of_group(s, x, g);
        p.dz.src = floats(dz + g * p.dz.channels * p.dz.src_plane);
        p.dst = dw + g * of_group;
        if (s->kept_blocks)
            p.kept = s->kept_blocks + g * steps_of(s).group;
        nncf__weight_product_run(context, &p);
    }
}

/* ---- depthwise blocks ---- */

bool nncf__conv2d_by_channel(const nncf_context *context, const nncf__conv2d *s)
{
    return !is_reference(context) && nncf__depthwise_fits(s);
}

size_t nncf__conv2d_forward_channels_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *after)
{
    return nncf__depthwise_forward_scratch(context, s, x, w, after);
}

void nncf__conv2d_forward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const float *bias, float *z,
    const nncf__channel_hooks *after)
{
    const nncf__channel_planes planes = {z, 0, s->c_out};
    if (after->local_z || !only_naive(x, w)) { /* local: of codes in bytes */
        nncf__depthwise_forward(context, s, x, w, bias, z, after);
        return;
    }
    nncf__conv2d_forward_ref(s, x, w, bias, z);
    after->group(after->arg, 0, s->c_out, &planes, nncf__scratch(context, 0));
}

size_t nncf__conv2d_backward_channels_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before,
    bool wants_dx, bool wants_dw)
{
    return nncf__depthwise_backward_scratch(context, s, x, w, before, wants_dx, wants_dw);
}

void nncf__conv2d_backward_channels(nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before, float *dx,
    float *dw)
{
    nncf__depthwise_backward(context, s, x, w, NULL, before, dx, dw);
}
