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

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { ROW = 3, TAPS = NNCF__INT8_TAPS, LINE_FLOATS = 16 };

/* Has the context a kernel for weights of bytes? Else of words. */
static bool takes_bytes(const nncf__depthwise *d)
{
    return d->int8->depthwise_3x3_bytes && nncf__weight_code_max(d->w) <= -INT8_MIN;
}

/* Scratch of a group, in floats: the kernel's; scales, biases and starts of sums of channels; their
 * weights, TAPS each, of two bytes or of one. */
typedef struct parts {
    float *scale, *bias;
    int32_t *start;
    int16_t *words;
    int8_t *bytes;
} parts;

static parts parts_of(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    const int64_t channels = t->end - t->first;
    float *scale = t->scratch + d->layout.weights_at, *bias = scale + channels,
          *start = bias + channels, *weights = start + channels;
    return (parts){scale, bias, (int32_t *)(void *)start, (int16_t *)(void *)weights,
        (int8_t *)(void *)weights};
}

static int64_t plan(nncf__depthwise *d, int64_t group)
{
    const int64_t bytes = max_i(3 * d->s->w + NNCF__INT8_BEYOND, NNCF__INT8_KEPT);
    d->layout.weights_at = round_up(div_ceil(bytes, sizeof(float)), LINE_FLOATS);
    return d->layout.weights_at + group * (3 + TAPS / 2);
}

/* Codes of a channel's weights, zero point subtracted. */
static void codes_of(const nncf__depthwise *d, int64_t c, int32_t w[ROW * ROW])
{
    const nncf__dequant how = nncf__dequant_of(d->w, c, true);
    const uint8_t *codes = (const uint8_t *)d->w->data + c * ROW * ROW;
    const int32_t offset = (int32_t)how.offset;
    for (int64_t tap = 0; tap < ROW * ROW; tap++)
        w[tap] = (int32_t)(codes[tap] ^ how.flip) - offset;
}

static void begin(const nncf__depthwise *d, const nncf__depthwise_task *t)
{
    const parts p = parts_of(d, t);
    const bool bytes = takes_bytes(d);
    const int32_t offset = (int32_t)d->x_codes.offset;
    memset(t->scratch, 0, sizeof(uint64_t)); /* the kernel has kept nothing yet */
    for (int64_t i = 0; i < t->end - t->first; i++) {
        int32_t w[ROW * ROW], sum = 0;
        int16_t words[TAPS] = {0};
        codes_of(d, t->first + i, w);
        for (int64_t tap = 0; tap < ROW * ROW; tap++) {
            words[tap / ROW * (ROW + 1) + tap % ROW] = (int16_t)w[tap];
            sum += w[tap];
        }
        for (int64_t tap = 0; tap < TAPS && bytes; tap++)
            p.bytes[i * TAPS + tap] = (int8_t)words[tap];
        if (!bytes)
            memcpy(p.words + i * TAPS, words, sizeof words);
        p.start[i] = -offset * sum;
        p.scale[i] = nncf__depthwise_scale(d, t->first + i);
        p.bias[i] = nncf__depthwise_bias(d, t->first + i);
    }
}

static void planes(const nncf__depthwise *d, const nncf__depthwise_task *t, int64_t n, int64_t c,
    int64_t end_c, const float *dz)
{
    (void)dz; /* none */
    const nncf__conv2d *s = d->s;
    const int64_t at = c - t->first;
    const size_t stride = (size_t)s->stride_h;
    const parts p = parts_of(d, t);
    const nncf__plane_group x = nncf__depthwise_planes_of_x(d, n, c, end_c - c);
    float *z = nncf__depthwise_plane(t, n, c, s->out_h * s->out_w);
    if (takes_bytes(d))
        d->int8->depthwise_3x3_bytes(&x, stride, p.bytes + at * TAPS,
            &(nncf__int8_scaling){
                .start = p.start + at, .scale = p.scale + at, .bias = p.bias + at},
            z, d->stream, t->scratch);
    else
        d->int8->depthwise_3x3(
            &x, stride, p.words + at * TAPS, p.scale + at, p.bias + at, z, d->stream, t->scratch);
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
        nncf__conv2d_is_3x3(d->s) && (takes_bytes(d) || d->int8->depthwise_3x3);
}
