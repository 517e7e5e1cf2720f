/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels depthwise_3x3_... in plain C: what they compute, and what ISAs have that do not use
 * them. */
#ifndef NNCF__KERNELS_REF_DEPTHWISE_3X3_H
#define NNCF__KERNELS_REF_DEPTHWISE_3X3_H

#include "kernels/kernels.h"

/* Of plane c; row and col are one more than in the plane. */
static float plane_at(const nncf__plane_group *x, size_t c, size_t row, size_t col)
{
    if (row < 1 || row > x->h || col < 1 || col > x->w)
        return 0.0f;
    size_t at = (c * x->h + row - 1) * x->w + col - 1;
    if (!x->is_bytes)
        return ((const float *)x->data)[at];
    return ((float)(((const uint8_t *)x->data)[at] ^ x->bytes.flip) - x->bytes.offset) *
        x->bytes.scale;
}

static void depthwise_3x3_forward(const nncf__plane_group *x, size_t stride, const float *w,
    const float *scale, const float *bias, float *z, bool stream)
{
    (void)stream;
    for (size_t c = 0; c < x->n; c++, w += 9)
        for (size_t i = 0; i <= (x->h - 1) / stride; i++)
            for (size_t j = 0; j <= (x->w - 1) / stride; j++) {
                float sum = 0;
                for (size_t t = 0; t < 9; t++)
                    sum += w[t] * plane_at(x, c, i * stride + t / 3, j * stride + t % 3);
                *z++ = sum * scale[c] + bias[c];
            }
}

static void depthwise_3x3_input(size_t n, size_t h, size_t w, const float *weights, const float *dz,
    const float *dz_ahead, float *dx, bool stream)
{
    (void)dz_ahead;
    (void)stream;
    size_t oh = (h + 1) / 2, ow = (w + 1) / 2;
    for (; n > 0; n--, weights += 9, dz += oh * ow)
        for (size_t y = 0; y < h; y++)
            for (size_t x = 0; x < w; x++) {
                float sum = 0;
                for (size_t t = 9; t-- > 0;) {
                    size_t i = y + 1 - t / 3, j = x + 1 - t % 3; /* -1 is large */
                    if (i % 2 == 0 && j % 2 == 0 && i / 2 < oh && j / 2 < ow)
                        sum += weights[t] * dz[i / 2 * ow + j / 2];
                }
                *dx++ = sum;
            }
}

static void depthwise_3x3_weight(const nncf__plane_group *x, size_t stride, const float *dz,
    const float *dz_ahead, float (*lanes)[16])
{
    (void)dz_ahead;
    size_t ow = (x->w - 1) / stride + 1;
    for (size_t c = 0; c < x->n; c++, lanes += 9)
        for (size_t i = 0; i <= (x->h - 1) / stride; i++)
            for (size_t j = 0; j < ow; j++, dz++)
                for (size_t t = 0; t < 9; t++)
                    lanes[t][j % 16] +=
                        *dz * plane_at(x, c, i * stride + t / 3, j * stride + t % 3);
}

#endif
