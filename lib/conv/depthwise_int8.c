/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The forward of a depthwise 3 x 3 with a padding of 1, at stride 1 or 2, of 8-bit codes on integer
 * kernels, where the context has one for it (kernels/int8.h). Sums of integers are exact, here and
 * in the floats of the other algorithms: the bits are the same.
 */
#include "base/int_math.h"
#include "conv/conv2d.h"
#include "conv/depthwise.h"
#include "kernels/int8.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

enum { ROW = 3, TAPS = NNCF__INT8_TAPS, LINE_FLOATS = 16 };

/* Scratch of a group: the kernel's, scales and biases of channels, then their weights, TAPS
 * words each. */
static float *scales_of(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    return t->scratch + d->layout.weights_at;
}

static int16_t *weights_of(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    return (int16_t *)(void *)(scales_of(d, t) + 2 * (t->end - t->first));
}

static int64_t plan(nncf__depthwise *d, int64_t group)
{
    const int64_t bytes = 3 * d->s->w + NNCF__INT8_BEYOND;
    d->layout.weights_at = round_up(div_ceil(bytes, sizeof(float)), LINE_FLOATS);
    return d->layout.weights_at + group * (2 + TAPS / 2);
}

static void begin(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    const int64_t channels = t->end - t->first;
    float *scale = scales_of(d, t), *bias = scale + channels;
    int16_t *weights = weights_of(d, t);
    for (int64_t i = 0; i < channels; i++) {
        float w[NNCF__DEPTHWISE_TAPS];
        nncf__depthwise_kernel(d, t->first + i, w);
        for (int64_t row = 0; row < ROW; row++, weights += ROW + 1) {
            for (int64_t tap = 0; tap < ROW; tap++)
                weights[tap] = (int16_t)w[row * ROW + tap];
            weights[ROW] = 0;
        }
        scale[i] = nncf__depthwise_scale(d, t->first + i);
        bias[i] = nncf__depthwise_bias(d, t->first + i);
    }
}

static void planes(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c,
    int64_t end_c, const float *dz)
{
    (void)dz; /* none */
    const nncf__conv2d *s = d->s;
    const int64_t at = c - t->first;
    const float *scale = scales_of(d, t) + at;
    const nncf__plane_group x = nncf__depthwise_planes_of_x(d, n, c, end_c - c);
    d->int8->depthwise_3x3(&x, (size_t)s->stride_h, weights_of(d, t) + at * TAPS, scale,
        scale + (t->end - t->first), nncf__depthwise_plane(t, n, c, s->out_h * s->out_w), d->stream,
        t->scratch);
}

static void end(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    (void)d;
    (void)t;
}

const nncf__depthwise_algo nncf__depthwise_int8 = {
    nncf__depthwise_3x3_unit, INT64_MAX, plan, begin, planes, end};

bool nncf__depthwise_is_int8(const nncf__depthwise *d)
{
    return d->product == NNCF__FORWARD && d->codes && nncf__qtensor_is_codes(d->x) && d->int8 &&
        d->int8->depthwise_3x3 && nncf__conv2d_is_3x3(d->s);
}
