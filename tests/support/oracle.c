/* SPDX-License-Identifier: Apache-2.0 */
#include "oracle.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What fx_assert_near() is called with for outputs: the error of a sum in float. */
#define FLOAT_ERROR 3e-6

fx_quantizer fx_symmetric(double scale, bool is_signed, bool weight)
{
    double high = is_signed ? 127 : 255;
    return (fx_quantizer){
        true, (double)(float)(fabs(scale) / high), is_signed ? (weight ? -127 : -128) : 0, high};
}

double fx_quantize(const fx_quantizer *q, double x)
{
    double code = rint(x / q->step);
    code = code < q->low ? q->low : code > q->high ? q->high : code;
    return q->on ? code * q->step : x;
}

double fx_tie_distance(const fx_quantizer *q, double x)
{
    const double v = x / q->step;
    return v < q->low || v > q->high ? 1 : fabs(v - floor(v) - 0.5);
}

double fx_quantize_backward(const fx_quantizer *q, double x, double y, double g, double *scale_grad)
{
    double range = (q->high - q->low) * q->step;
    if (x > q->high * q->step) {
        *scale_grad += g;
        return 0;
    }
    if (x < q->low * q->step) {
        *scale_grad += g * q->low / q->high;
        return 0;
    }
    *scale_grad += g * (y - x) / range;
    return g;
}

void fx_conv(const fx_block *k, const int64_t in[4], const int64_t out[4], const double *x,
    const double *w, const float *b, double *z, const double *dz, double *dx, double *dw)
{
    int64_t cig = k->in_channels / k->groups, cog = k->out_channels / k->groups;
    if (dz) {
        memset(dx, 0, fx_count(in) * sizeof *dx);
        memset(dw, 0, k->weights * sizeof *dw);
    }
    for (int64_t n = 0; n < out[0]; n++)
        for (int64_t o = 0; o < out[1]; o++)
            for (int64_t i = 0; i < out[2]; i++)
                for (int64_t j = 0; j < out[3]; j++) {
                    int64_t zi = ((n * out[1] + o) * out[2] + i) * out[3] + j;
                    double sum = b ? (double)b[o] : 0;
                    for (int64_t c = 0; c < cig; c++)
                        for (int64_t p = 0; p < k->kernel[0]; p++)
                            for (int64_t q = 0; q < k->kernel[1]; q++) {
                                int64_t y = i * k->stride[0] - k->padding[0] + p * k->dilation[0];
                                int64_t v = j * k->stride[1] - k->padding[1] + q * k->dilation[1];
                                if (y < 0 || y >= in[2] || v < 0 || v >= in[3])
                                    continue;
                                int64_t xi =
                                    ((n * in[1] + o / cog * cig + c) * in[2] + y) * in[3] + v;
                                int64_t wi = ((o * cig + c) * k->kernel[0] + p) * k->kernel[1] + q;
                                sum += x[xi] * w[wi];
                                if (dz) {
                                    dx[xi] += dz[zi] * w[wi];
                                    dw[wi] += dz[zi] * x[xi];
                                }
                            }
                    if (!dz)
                        z[zi] = sum;
                }
}

double fx_activate(int32_t kind, double a)
{
    if (kind == NNCF_ACTIVATION_RELU)
        return a > 0 ? a : 0;
    if (kind == NNCF_ACTIVATION_RELU6)
        return a < 0 ? 0 : a > 6 ? 6 : a;
    return a;
}

bool fx_active(int32_t kind, double a)
{
    return kind == NNCF_ACTIVATION_NONE || (a > 0 && (kind == NNCF_ACTIVATION_RELU || a < 6));
}

fx_oracle fx_oracle_make(const fx_block *k, const int64_t in[4], const float *x)
{
    fx_oracle o = {.k = k};
    memcpy(o.in, in, sizeof o.in);
    fx_output_shape(k, in, o.out);
    size_t ni = fx_count(in), no = fx_count(o.out), c = (size_t)k->out_channels;
    double **ins[] = {&o.x, &o.xq, &o.dxq, &o.dx}, **outs[] = {&o.z, &o.a, &o.y, &o.da, &o.dz};
    double **ws[] = {&o.w, &o.mask, &o.wq, &o.dwq, &o.dw};
    double **cs[] = {&o.mean, &o.inv_std, &o.var, &o.db, &o.dgamma, &o.dbeta};
    for (size_t i = 0; i < 4; i++)
        *ins[i] = fx_alloc(ni, sizeof(double));
    for (size_t i = 0; i < 5; i++)
        *outs[i] = fx_alloc(no, sizeof(double));
    for (size_t i = 0; i < 5; i++)
        *ws[i] = fx_alloc(k->weights, sizeof(double));
    for (size_t i = 0; i < 6; i++)
        *cs[i] = fx_alloc(c, sizeof(double));
    for (size_t i = 0; i < ni; i++)
        o.x[i] = (double)x[i];
    for (size_t i = 0; i < k->weights; i++) {
        o.w[i] = (double)k->w[i];
        o.mask[i] = 1;
    }
    return o;
}

void fx_oracle_free(fx_oracle *o)
{
    double *all[] = {o->x, o->xq, o->dxq, o->dx, o->z, o->a, o->y, o->da, o->dz, o->w, o->mask,
        o->wq, o->dwq, o->dw, o->mean, o->inv_std, o->var, o->db, o->dgamma, o->dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* The library's code where it is the neighbour of ours. */
static void adopt(fx_oracle *o, size_t at, double y)
{
    const double off = fabs(y - o->y[at]) / o->output.step;
    o->near_ties++;
    if (fabs(off - 1) < 0.01) {
        o->adopted++;
        o->y[at] = y;
    }
}

size_t fx_at_most(size_t n, double probability)
{
    const double mean = (double)n * probability;
    return (size_t)(mean + 5 * sqrt(mean)) + 1;
}

void fx_oracle_forward(fx_oracle *o, const float *y, double slack)
{
    const fx_block *k = o->k;
    size_t hw = (size_t)(o->out[2] * o->out[3]), c = (size_t)o->out[1], n = (size_t)o->out[0];
    o->near_ties = o->adopted = 0;
    for (size_t i = 0; i < fx_count(o->in); i++)
        o->xq[i] = fx_quantize(&o->input, o->x[i]);
    for (size_t i = 0; i < k->weights; i++)
        o->wq[i] = fx_quantize(&o->weight, o->w[i] * o->mask[i]);
    fx_conv(k, o->in, o->out, o->xq, o->wq, k->bias ? k->b : NULL, o->z, NULL, NULL, NULL);
    for (size_t ch = 0; ch < c; ch++) {
        double sum = 0, squares = 0, m = (double)(n * hw);
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++)
                sum += o->z[(b * c + ch) * hw + i];
        o->mean[ch] = o->eval ? (double)k->mean[ch] : sum / m;
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++)
                squares += pow(o->z[(b * c + ch) * hw + i] - o->mean[ch], 2);
        o->var[ch] = o->eval ? (double)k->var[ch] : squares / m;
        o->inv_std[ch] = 1 / sqrt(o->var[ch] + 1e-5);
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++) {
                size_t at = (b * c + ch) * hw + i;
                o->a[at] = k->batch_norm
                    ? (o->z[at] - o->mean[ch]) * o->inv_std[ch] * (double)k->gamma[ch] +
                        (double)k->beta[ch]
                    : o->z[at];
                double v = fx_activate(k->activation, o->a[at]);
                o->y[at] = fx_quantize(&o->output, v);
                if (y && o->output.on && fx_tie_distance(&o->output, v) < slack)
                    adopt(o, at, (double)y[at]);
            }
    }
    /* A value is in float off by FLOAT_ERROR of the largest one, which is at most 256 steps. */
    ck_assert_uint_le(o->near_ties, fx_at_most(n * c * hw, 2 * slack));
    ck_assert_uint_le(o->adopted, fx_at_most(n * c * hw, 2 * 256 * FLOAT_ERROR));
}

void fx_oracle_backward(fx_oracle *o, const float *dy)
{
    const fx_block *k = o->k;
    size_t hw = (size_t)(o->out[2] * o->out[3]), c = (size_t)o->out[1], n = (size_t)o->out[0];
    o->output_scale_grad = o->weight_scale_grad = o->input_scale_grad = 0;
    for (size_t ch = 0; ch < c; ch++) {
        double m = (double)(n * hw), s1 = 0, s2 = 0, bias = 0;
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++) {
                size_t at = (b * c + ch) * hw + i;
                double g = (double)dy[at], v = fx_activate(k->activation, o->a[at]);
                if (o->output.on)
                    g = fx_quantize_backward(&o->output, v, o->y[at], g, &o->output_scale_grad);
                o->da[at] = fx_active(k->activation, o->a[at]) ? g : 0;
                s1 += o->da[at];
                s2 += o->da[at] * (o->z[at] - o->mean[ch]) * o->inv_std[ch];
            }
        o->dgamma[ch] = s2;
        o->dbeta[ch] = s1;
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++) {
                size_t at = (b * c + ch) * hw + i;
                double zhat = (o->z[at] - o->mean[ch]) * o->inv_std[ch];
                o->dz[at] = k->batch_norm
                    ? (double)k->gamma[ch] * o->inv_std[ch] * (o->da[at] - s1 / m - zhat * s2 / m)
                    : o->da[at];
                bias += o->dz[at];
            }
        o->db[ch] = bias;
    }
    fx_conv(k, o->in, o->out, o->xq, o->wq, NULL, NULL, o->dz, o->dxq, o->dwq);
    for (size_t i = 0; i < fx_count(o->in); i++)
        o->dx[i] = o->input.on
            ? fx_quantize_backward(&o->input, o->x[i], o->xq[i], o->dxq[i], &o->input_scale_grad)
            : o->dxq[i];
    for (size_t i = 0; i < k->weights; i++) {
        double masked = o->w[i] * o->mask[i];
        double g = o->weight.on
            ? fx_quantize_backward(&o->weight, masked, o->wq[i], o->dwq[i], &o->weight_scale_grad)
            : o->dwq[i];
        o->dwq[i] = g; /* for the masked weight: what the logits' gradient is made from */
        o->dw[i] = g * o->mask[i];
    }
}

void fx_assert_near(
    const char *what, const float *got, const double *want, size_t n, double tolerance)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= tolerance * (1 + largest),
            "%s[%zu] is %.9g, should be %.9g", what, i, (double)got[i], want[i]);
}
