/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise 3 x 3 with a padding of 1, at stride 1 or 2, with AVX-512: most depthwise layers there
 * are. The kernels depthwise_3x3_... read planes as they lie in memory and mask what a border would
 * be, so nothing is copied.
 */
#include "base/int_math.h"
#include "conv/conv2d.h"
#include "conv/depthwise.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <string.h>

/* Planes of one call, together so large at least, so that what is made once a call does not count;
 * FLUSH: terms of one lane's float sum before it goes into a double. */
enum { TAPS = 9, LANES = 16, UNIT_FLOATS = 4096, FLUSH = 1024 };

/* Scratch of a group: forward and input gradient: weights (channels, TAPS), scales, biases. */
static float *scales_of(const nncf__depthwise_task *t)
{
    return t->scratch + (t->end - t->first) * TAPS;
}

/* Weight gradient: sums of lanes in double, then running ones in float, (channels, TAPS, LANES)
 * each. */
static double *sums_of(const nncf__depthwise_task *t, int64_t c)
{
    return (double *)(void *)t->scratch + (c - t->first) * TAPS * LANES;
}

static float (*lanes_of(const nncf__depthwise_task *t, int64_t c))[LANES]
{
    float *lanes = (float *)(void *)sums_of(t, t->end);
    return (float(*)[LANES])(void *)(lanes + (c - t->first) * TAPS * LANES);
}

int64_t nncf__depthwise_3x3_unit(const nncf__conv2d *s)
{
    const int64_t planes = UNIT_FLOATS / max_i(s->h * s->w, 1);
    return planes < 4 ? 1 : planes < 16 ? 4 : 16;
}

static int64_t plan(nncf__depthwise *d, int64_t group)
{
    return group * (d->product == NNCF__BACKWARD_WEIGHT ? 3 * TAPS * LANES : TAPS + 2);
}

static void begin(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    const int64_t channels = t->end - t->first;
    if (d->product == NNCF__BACKWARD_WEIGHT) {
        memset(t->scratch, 0, (size_t)(channels * TAPS * LANES) * (sizeof(double) + sizeof(float)));
        return;
    }
    /* The kernel for stride 2 wants them as they are; at stride 1 the stencil has them backwards.
     */
    const bool as_they_are = d->product == NNCF__BACKWARD_INPUT && d->s->stride_h == 2;
    float *scale = scales_of(t), *bias = scale + channels;
    for (int64_t c = t->first; c < t->end; c++) {
        float *w = t->scratch + (c - t->first) * TAPS;
        if (as_they_are)
            nncf__depthwise_kernel(d, c, w);
        else
            nncf__depthwise_weights(d, c, w);
        scale[c - t->first] = nncf__depthwise_scale(d, c);
        bias[c - t->first] = nncf__depthwise_bias(d, c);
    }
}

nncf__plane_group nncf__depthwise_planes_of_x(
    const nncf__depthwise *d, int64_t n, int64_t c, int64_t n_planes)
{
    const nncf__conv2d *s = d->s;
    const bool is_bytes = nncf__qtensor_is_codes(d->x);
    const int64_t size = s->h * s->w * (is_bytes ? 1 : (int64_t)sizeof(float));
    const int64_t before = (n * s->c_in + c) * size, all = s->n * s->c_in * size;
    const char *data = (const char *)d->x->data + before;
    return (nncf__plane_group){.data = data,
        .is_bytes = is_bytes,
        .bytes = d->x_codes,
        .n = (size_t)n_planes,
        .h = (size_t)s->h,
        .w = (size_t)s->w,
        .before = (size_t)before,
        .after = (size_t)(all - before - n_planes * size),
        .ahead = n + 1 < s->n ? data + s->c_in * size : NULL};
}

/* Into doubles, before rounding to float would show. */
static void flush(
    const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t c, int64_t n_planes)
{
    const size_t count = (size_t)(n_planes * TAPS * LANES);
    float *lanes = lanes_of(t, c)[0];
    d->k->gemm_accumulate_f64(count, lanes, sums_of(t, c), true);
    memset(lanes, 0, count * sizeof *lanes);
}

static void weight_planes(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n,
    int64_t c, int64_t n_planes, const float *dz, const float *dz_ahead)
{
    const nncf__conv2d *s = d->s;
    const nncf__plane_group x = nncf__depthwise_planes_of_x(d, n, c, n_planes);
    d->k->depthwise_3x3_weight(&x, (size_t)s->stride_h, dz, dz_ahead, lanes_of(t, c));
    const int64_t terms = s->out_h * ((s->out_w + LANES - 1) / LANES),
                  images = max_i(1, FLUSH / terms);
    if (n % images == images - 1)
        flush(d, t, c, n_planes);
}

static void planes(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c,
    int64_t end_c, const float *dz)
{
    const int64_t n_planes = end_c - c;
    const nncf__conv2d *s = d->s;
    const float *dz_ahead =
        dz && !d->dz_is_hot && n + 1 < s->n ? dz + s->c_out * s->out_h * s->out_w : NULL;
    if (d->product == NNCF__BACKWARD_WEIGHT) {
        weight_planes(d, t, n, c, n_planes, dz, dz_ahead);
        return;
    }
    const float *w = t->scratch + (c - t->first) * TAPS;
    const float *scale = scales_of(t) + (c - t->first), *bias = scale + (t->end - t->first);
    const int64_t plane = d->product == NNCF__FORWARD ? s->out_h * s->out_w : s->h * s->w;
    float *out = nncf__depthwise_plane(t, n, c, plane);
    if (d->product == NNCF__BACKWARD_INPUT && s->stride_h == 2) {
        d->k->depthwise_3x3_input(
            (size_t)n_planes, (size_t)s->h, (size_t)s->w, w, dz, dz_ahead, out, d->stream);
        return;
    }
    nncf__plane_group from = {
        .data = dz, .n = (size_t)n_planes, .h = (size_t)s->h, .w = (size_t)s->w, .ahead = dz_ahead};
    if (d->product == NNCF__FORWARD)
        from = nncf__depthwise_planes_of_x(d, n, c, n_planes);
    d->k->depthwise_3x3_forward(&from, (size_t)s->stride_h, w, scale, bias, out, d->stream);
}

static void end(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    if (d->product != NNCF__BACKWARD_WEIGHT)
        return;
    flush(d, t, t->first, t->end - t->first);
    for (int64_t i = 0; i < (t->end - t->first) * TAPS; i++)
        d->out[t->first * TAPS + i] = nncf__depthwise_total(sums_of(t, t->first) + i * LANES);
}

const nncf__depthwise_algo nncf__depthwise_3x3 = {
    nncf__depthwise_3x3_unit, INT64_MAX, plan, begin, planes, end};

bool nncf__conv2d_is_3x3(const nncf__conv2d *s)
{
    return s->kernel_h == 3 && s->kernel_w == 3 && s->pad_h == 1 && s->pad_w == 1 &&
        s->dilation_h == 1 && s->dilation_w == 1 && s->stride_h == s->stride_w &&
        s->stride_h <= 2 && s->out_h == (s->h - 1) / s->stride_h + 1 &&
        s->out_w == (s->w - 1) / s->stride_w + 1;
}

bool nncf__depthwise_is_3x3(const nncf__depthwise *d)
{
    const bool rounds = d->product == NNCF__FORWARD && nncf__depthwise_rounds(d);
    /* Masked loads and moves of lanes in one instruction: without them strips are faster, by a
     * third and more. */
    return d->k->isa == NNCF_ISA_AVX512 && !rounds && nncf__conv2d_is_3x3(d->s);
}
