/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The products as naive loops with double accumulators: what conv2d.c and depthwise.c are tested
 * against.
 *
 * Padding is a border of zeros that takes part in the product like any other pixel (so an infinite
 * weight over the border gives NaN): that is what a product over gathered patches computes, and the
 * reference follows it.
 */
#include "conv/conv2d.h"
#include "kernels/qtensor.h"

#include <nncf/tensor.h>

#include <math.h>

/* One pixel of a plane with its border of zeros. */
static double pixel(const float *plane, int64_t h, int64_t w, int64_t y, int64_t x)
{
    return y >= 0 && y < h && x >= 0 && x < w ? (double)plane[y * w + x] : 0.0;
}

/* x is a multiple of scale, rounded to float; |x / scale| <= 255, so the quotient lies within 2^-15
 * of its integer. */
static double code(double x, float scale)
{
    return rint(x / (double)scale);
}

/* Element i of a tensor, which has index a of axis 0, as a value or as an integer code with the
 * zero point subtracted. */
static double element(const nncf__qtensor *t, int64_t i, int64_t a, bool as_integer)
{
    if (t->dtype == NNCF_F32) {
        double value = (double)((const float *)t->data)[i];
        return as_integer ? code(value, t->scale[0]) : value;
    }
    int32_t q = t->dtype == NNCF_U8 ? ((const uint8_t *)t->data)[i] : ((const int8_t *)t->data)[i];
    if (t->zero_point)
        q -= t->zero_point[t->n_scales > 1 ? a : 0];
    return as_integer ? (double)q : (double)((float)q * nncf__qtensor_scale(t, a));
}

/* Pixel (y, x) of channel c of image n of the input, with its border of zeros. */
static double input(const nncf__conv2d *s, const nncf__qtensor *o, int64_t n, int64_t c, int64_t y,
    int64_t x, bool codes)
{
    return y >= 0 && y < s->h && x >= 0 && x < s->w
        ? element(o, ((n * s->c_in + c) * s->h + y) * s->w + x, 0, codes)
        : 0.0;
}

/* Codes are summed in double: exact below 2^53, that is for 10^11 products, and a NaN stays a NaN.
 */
static double forward_sum(const nncf__conv2d *s, const nncf__qtensor *x, const nncf__qtensor *w,
    int64_t n, int64_t oc, int64_t oy, int64_t ox)
{
    int64_t in_group = s->c_in / s->groups, group = oc / (s->c_out / s->groups);
    bool codes = nncf__product_is_codes(x, w);
    double sum = 0;
    for (int64_t c = 0; c < in_group; c++) {
        int64_t kernel = (oc * in_group + c) * s->kernel_h * s->kernel_w;
        for (int64_t ky = 0; ky < s->kernel_h; ky++)
            for (int64_t kx = 0; kx < s->kernel_w; kx++) {
                double v = input(s, x, n, group * in_group + c,
                    oy * s->stride_h - s->pad_h + ky * s->dilation_h,
                    ox * s->stride_w - s->pad_w + kx * s->dilation_w, codes);
                sum += v * element(w, kernel + ky * s->kernel_w + kx, oc, codes);
            }
    }
    return sum;
}

void nncf__conv2d_forward_ref(const nncf__conv2d *s, const nncf__qtensor *x, const nncf__qtensor *w,
    const float *bias, float *z)
{
    bool codes = nncf__product_is_codes(x, w);
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t oc = 0; oc < s->c_out; oc++) {
            const bool scales = codes && !s->only_sums;
            float scale = scales ? x->scale[0] * nncf__qtensor_scale(w, oc) : 1.0f;
            for (int64_t oy = 0; oy < s->out_h; oy++)
                for (int64_t ox = 0; ox < s->out_w; ox++) {
                    float sum = (float)forward_sum(s, x, w, n, oc, oy, ox);
                    float product = scales ? sum * scale : sum;
                    z[((n * s->c_out + oc) * s->out_h + oy) * s->out_w + ox] =
                        bias && (scales || !codes) ? product + bias[oc] : product;
                }
        }
}

/* dx at (n, c, y, x): every tap whose output position is a whole number takes part, on the border
 * of dz too. */
static double backward_input_sum(const nncf__conv2d *s, const nncf__qtensor *w, const float *dz,
    int64_t n, int64_t c, int64_t y, int64_t x)
{
    int64_t in_group = s->c_in / s->groups, out_group = s->c_out / s->groups, group = c / in_group;
    double sum = 0;
    for (int64_t o = 0; o < out_group; o++) {
        int64_t oc = group * out_group + o;
        const float *plane = dz + (n * s->c_out + oc) * s->out_h * s->out_w;
        int64_t kernel = (oc * in_group + c % in_group) * s->kernel_h * s->kernel_w;
        for (int64_t ky = 0; ky < s->kernel_h; ky++)
            for (int64_t kx = 0; kx < s->kernel_w; kx++) {
                int64_t oy = y + s->pad_h - ky * s->dilation_h,
                        ox = x + s->pad_w - kx * s->dilation_w;
                if (oy % s->stride_h || ox % s->stride_w)
                    continue;
                sum += pixel(plane, s->out_h, s->out_w, oy / s->stride_h, ox / s->stride_w) *
                    element(w, kernel + ky * s->kernel_w + kx, oc, false);
            }
    }
    return sum;
}

void nncf__conv2d_backward_input_ref(
    const nncf__conv2d *s, const nncf__qtensor *w, const float *dz, float *dx)
{
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t c = 0; c < s->c_in; c++)
            for (int64_t y = 0; y < s->h; y++)
                for (int64_t x = 0; x < s->w; x++)
                    dx[((n * s->c_in + c) * s->h + y) * s->w + x] =
                        (float)backward_input_sum(s, w, dz, n, c, y, x);
}

static double backward_weight_sum(const nncf__conv2d *s, const nncf__qtensor *x, const float *dz,
    int64_t oc, int64_t c, int64_t ky, int64_t kx)
{
    int64_t in_group = s->c_in / s->groups, group = oc / (s->c_out / s->groups);
    double sum = 0;
    for (int64_t n = 0; n < s->n; n++) {
        const float *gradient = dz + (n * s->c_out + oc) * s->out_h * s->out_w;
        for (int64_t oy = 0; oy < s->out_h; oy++)
            for (int64_t ox = 0; ox < s->out_w; ox++)
                sum += (double)gradient[oy * s->out_w + ox] *
                    input(s, x, n, group * in_group + c,
                        oy * s->stride_h - s->pad_h + ky * s->dilation_h,
                        ox * s->stride_w - s->pad_w + kx * s->dilation_w, false);
    }
    return sum;
}

void nncf__conv2d_backward_weight_ref(
    const nncf__conv2d *s, const nncf__qtensor *x, const float *dz, float *dw)
{
    int64_t in_group = s->c_in / s->groups;
    for (int64_t oc = 0; oc < s->c_out; oc++)
        for (int64_t c = 0; c < in_group; c++)
            for (int64_t ky = 0; ky < s->kernel_h; ky++)
                for (int64_t kx = 0; kx < s->kernel_w; kx++)
                    dw[((oc * in_group + c) * s->kernel_h + ky) * s->kernel_w + kx] =
                        (float)backward_weight_sum(s, x, dz, oc, c, ky, kx);
}
