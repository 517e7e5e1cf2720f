/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The reference kernels: one element at a time, no tricks. They define the result, bit for bit, of
 * every other ISA (NaNs count as equal whatever their payload). Sums go through 16 double lanes
 * because that is what the vector ISAs can do at speed; lanes start at +0 and therefore never
 * become -0, so that adding a zero changes nothing. Formulas: docs/config.md (quantizer, RB
 * sparsity).
 */
#include "kernels/isa.h"
#include "kernels/philox.h"
#include "kernels/ref_sums.h"
#include "kernels/sigmoid.h"

#include <math.h>
#include <string.h>

/* The sums of a backward: the three of the quantizer, and the two of batch norm. */
typedef struct backward_sums {
    grouped inside, gradient, product;
    double above[LANES], below[LANES];
} backward_sums;

/* NaN passes: both comparisons are false. */
static float clamp(float x, float low, float high)
{
    x = x > high ? high : x;
    return x < low ? low : x;
}

/* Adding +0 turns the code -0 into +0: a zero is a zero, and its sign never depends on where it
 * came from. */
static float fake_quantize(float x, const nncf__fq *q)
{
    return (clamp(rintf(x / q->scale), q->low, q->high) + 0.0f) * q->scale;
}

static int64_t fq_forward(size_t n, const float *x, float *y, const nncf__fq *q)
{
    int64_t outside = 0;
    for (size_t i = 0; i < n; i++) {
        float v = x[i];
        outside += (v < q->x_low || v > q->x_high);
        y[i] = fake_quantize(v, q);
    }
    return outside;
}

/* One element of the quantizer's backward: the gradient for x; the three terms for the gradients of
 * the range. Inside of it no code needs to be clamped, and y - x is scale * (code - x / scale): the
 * scale is a factor of the sum. */
static float fq_gradient(float x, float dy, const nncf__fq *q, backward_sums *s, size_t i)
{
    bool above = x > q->x_high, below = x < q->x_low;
    float quotient = x / q->scale;
    if (above)
        s->above[i % LANES] += (double)dy;
    else if (below)
        s->below[i % LANES] += (double)dy;
    grouped_add(&s->inside, i, above || below ? 0.0f : dy * (rintf(quotient) - quotient));
    return above || below ? 0.0f : dy;
}

/* q is nullable: then there are none. */
static void quantizer_sums(backward_sums *s, const nncf__fq *q, double sums[3])
{
    double inside = 0;
    grouped_add_to(&s->inside, &inside);
    sums[0] += q ? (double)q->scale * inside : 0;
    lanes_add_to(s->above, &sums[1]);
    lanes_add_to(s->below, &sums[2]);
}

static void fq_backward(
    size_t n, const float *x, const float *dy, float *dx, const nncf__fq *q, double sums[3])
{
    backward_sums s = {0};
    for (size_t i = 0; i < n; i++)
        dx[i] = fq_gradient(x[i], dy[i], q, &s, i);
    quantizer_sums(&s, q, sums);
}

static void sum_and_squares(size_t n, const float *z, double sums[2])
{
    double lane[2][LANES] = {{0}};
    for (size_t i = 0; i < n; i++) {
        double v = (double)z[i];
        lane[0][i % LANES] += v;
        lane[1][i % LANES] += v * v;
    }
    for (int k = 0; k < 2; k++)
        lanes_add_to(lane[k], &sums[k]);
}

static int64_t activate(float v, float *y, const nncf__epilogue *e)
{
    float a = clamp(v, e->act_low, e->act_high);
    *y = e->fq ? fake_quantize(a, e->fq) : a;
    return e->fq && (a < e->fq->x_low || a > e->fq->x_high);
}

static int64_t epilogue_forward(size_t n, const float *z, float *y, const nncf__epilogue *e)
{
    int64_t outside = 0;
    for (size_t i = 0; i < n; i++)
        outside += activate(z[i] * e->scale + e->shift, &y[i], e);
    return outside;
}

static float activate_gradient(
    float v, float dy, const nncf__epilogue *e, backward_sums *s, size_t i)
{
    bool no_activation = e->act_low == -INFINITY && e->act_high == INFINITY;
    if (e->fq)
        dy = fq_gradient(clamp(v, e->act_low, e->act_high), dy, e->fq, s, i);
    return no_activation || (v > e->act_low && v < e->act_high) ? dy : 0.0f;
}

static float epilogue_gradient(
    float z, float dy, const nncf__epilogue *e, float mean, backward_sums *s, size_t i)
{
    float g = activate_gradient(z * e->scale + e->shift, dy, e, s, i);
    grouped_add(&s->gradient, i, g);
    grouped_add(&s->product, i, g * (z - mean));
    return g;
}

static void batch_norm_sums(
    backward_sums *s, const nncf__epilogue *e, float inv_std, double sums[5])
{
    double product = 0;
    quantizer_sums(s, e->fq, sums);
    grouped_add_to(&s->gradient, &sums[3]);
    grouped_add_to(&s->product, &product);
    sums[4] += (double)inv_std * product;
}

static void epilogue_backward(size_t n, const float *z, const float *dy, float *da,
    const nncf__epilogue *e, float mean, float inv_std, double sums[5])
{
    backward_sums s = {0};
    for (size_t i = 0; i < n; i++)
        da[i] = epilogue_gradient(z[i], dy[i], e, mean, &s, i);
    batch_norm_sums(&s, e, inv_std, sums);
}

static void batch_norm_backward(
    size_t n, const float *z, const float *da, float *dz, float k0, float k1, float k2)
{
    for (size_t i = 0; i < n; i++)
        dz[i] = k0 * da[i] + (k1 * z[i] + k2);
}

/* The gradient for z * scale + shift alone. */
static float epilogue_da(float v, float dy, const nncf__epilogue *e)
{
    backward_sums unused = {0};
    return activate_gradient(v * e->scale + e->shift, dy, e, &unused, 0);
}

static void epilogue_sums(size_t n, const float *z, const float *dy, const nncf__epilogue *e,
    float mean, float inv_std, double sums[5])
{
    backward_sums s = {0};
    for (size_t i = 0; i < n; i++)
        epilogue_gradient(z[i], dy[i], e, mean, &s, i);
    batch_norm_sums(&s, e, inv_std, sums);
}

static void epilogue_dz(size_t n, const float *z, const float *dy, float *dz,
    const nncf__epilogue *e, float k0, float k1, float k2)
{
    for (size_t i = 0; i < n; i++)
        dz[i] = k0 * epilogue_da(z[i], dy[i], e) + (k1 * z[i] + k2);
}

static int64_t add_forward(
    size_t n, const float *a, const float *b, float *y, const nncf__epilogue *e)
{
    int64_t outside = 0;
    for (size_t i = 0; i < n; i++)
        outside += activate(a[i] + b[i], &y[i], e);
    return outside;
}

static void add_backward(size_t n, const float *a, const float *b, const float *dy, float *dx,
    const nncf__epilogue *e, double sums[3])
{
    backward_sums s = {0};
    for (size_t i = 0; i < n; i++)
        dx[i] = activate_gradient(a[i] + b[i], dy[i], e, &s, i);
    quantizer_sums(&s, e->fq, sums);
}

/* The byte of activate()'s value. */
static int64_t activate_to_code(float v, uint8_t *y, const nncf__epilogue *e, float zero)
{
    float a = clamp(v, e->act_low, e->act_high), code = rintf(a / e->fq->scale);
    code = code < e->fq->high ? code : e->fq->high; /* also when it is not a number */
    code = code > e->fq->low ? code : e->fq->low;
    *y = (uint8_t)(int32_t)(code + zero);
    return a < e->fq->x_low || a > e->fq->x_high;
}

static int64_t epilogue_codes(
    size_t n, const float *z, uint8_t *y, const nncf__epilogue *e, float zero)
{
    int64_t outside = 0;
    for (size_t i = 0; i < n; i++)
        outside += activate_to_code(z[i] * e->scale + e->shift, &y[i], e, zero);
    return outside;
}

static int64_t add_codes(
    size_t n, const float *a, const float *b, uint8_t *y, const nncf__epilogue *e, float zero)
{
    int64_t outside = 0;
    for (size_t i = 0; i < n; i++)
        outside += activate_to_code(a[i] + b[i], &y[i], e, zero);
    return outside;
}

static void dequantize(size_t n, const uint8_t *x, float *y, const nncf__dequant *bytes)
{
    for (size_t i = 0; i < n; i++)
        y[i] = ((float)(x[i] ^ bytes->flip) - bytes->offset) * bytes->scale;
}

static void min_max(size_t n, const float *x, float range[2])
{
    float low = range[0], high = range[1];
    for (size_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    range[0] = low + 0.0f; /* which of +0 and -0 comes first must not matter */
    range[1] = high + 0.0f;
}

static void accumulate(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] += x[i];
}

static void philox_uniform(size_t n, uint32_t first, uint64_t key, uint64_t counter, float *u)
{
    uint32_t c[4] = {0, 0, (uint32_t)counter, (uint32_t)(counter >> 32)};
    uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    for (size_t i = 0; i < n; i++) {
        uint32_t words[4];
        c[0] = first + (uint32_t)(i / 4);
        nncf__philox4x32(c, k, words);
        u[i] = (float)(words[i % 4] >> 8) * 0x1p-24f;
    }
}

static float clamp_uniform(float u)
{
    return clamp(u, 1e-6f, 1.0f - 1e-6f);
}

/* u > 1 - p, multiplied by the denominator: 1 - p itself would lose its digits where p is near 1.
 */
static bool rb_keep(float s, float u)
{
    nncf__sigmoid_parts f = nncf__sigmoid_split(s);
    return clamp_uniform(u) * f.d > f.q;
}

static void rb_forward(size_t n, const float *w, const float *s, const float *u, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = rb_keep(s[i], u[i]) ? w[i] : 0.0f;
}

/* The denominator of p and 1 - p cancels out of a b / (a + b)^2. */
static void rb_gradient(float g, float w, float s, float u, float *dw, float *ds)
{
    nncf__sigmoid_parts f = nncf__sigmoid_split(s);
    float v = clamp_uniform(u);
    float a = f.p * v, b = f.q * (1.0f - v);
    float t = (a * b) / ((a + b) * (a + b));
    *ds += (g * w) * t;
    *dw += v * f.d > f.q ? g : 0.0f;
}

static void rb_backward(
    size_t n, const float *g, const float *w, const float *s, const float *u, float *dw, float *ds)
{
    for (size_t i = 0; i < n; i++)
        rb_gradient(g[i], w[i], s[i], u[i], &dw[i], &ds[i]);
}

static int64_t rb_codes(size_t n, const float *w, const float *s, const float *u, uint8_t *y,
    const nncf__fq *q, float zero, int64_t *nans)
{
    const nncf__epilogue e = {1.0f, 0.0f, -INFINITY, INFINITY, q};
    int64_t outside = 0;
    for (size_t i = 0; i < n; i++) {
        float v = rb_keep(s[i], u[i]) ? w[i] : 0.0f;
        *nans += isnan(v) != 0;
        outside += activate_to_code(v, &y[i], &e, zero);
    }
    return outside;
}

static void rb_quantized_backward(size_t n, const float *g, const float *w, const float *s,
    const float *u, float *dw, float *ds, const nncf__fq *q, double sums[3])
{
    backward_sums b = {0};
    for (size_t i = 0; i < n; i++) {
        float v = rb_keep(s[i], u[i]) ? w[i] : 0.0f;
        rb_gradient(fq_gradient(v, g[i], q, &b, i), w[i], s[i], u[i], &dw[i], &ds[i]);
    }
    quantizer_sums(&b, q, sums);
}

static void rb_forward_eval(size_t n, const float *w, const float *s, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = nncf__sigmoid(s[i]) > 0.5f ? w[i] : 0.0f;
}

static void rb_count(size_t n, const float *s, double sums[2])
{
    double lane[2][LANES] = {{0}};
    for (size_t i = 0; i < n; i++) {
        float p = nncf__sigmoid(s[i]);
        lane[0][i % LANES] += p > 0.5f ? 1.0 : 0.0;
        lane[1][i % LANES] += (double)p;
    }
    for (int k = 0; k < 2; k++)
        lanes_add_to(lane[k], &sums[k]);
}

static int64_t rb_kept(size_t n, const float *s)
{
    int64_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += nncf__sigmoid(s[i]) > 0.5f;
    return kept;
}

static void rb_loss_backward(size_t n, const float *s, float c, float *ds)
{
    for (size_t i = 0; i < n; i++) {
        nncf__sigmoid_parts f = nncf__sigmoid_split(s[i]);
        ds[i] += c * ((f.p * f.q) / (f.d * f.d));
    }
}

static bool bit(const uint8_t *bits, size_t i)
{
    return (bits[i / 8] >> (i % 8)) & 1;
}

static void mask_forward(size_t n, const float *w, const uint8_t *bits, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = bit(bits, i) ? w[i] : 0.0f;
}

static void mask_backward(size_t n, const float *g, const uint8_t *bits, float *dw)
{
    for (size_t i = 0; i < n; i++)
        dw[i] += bit(bits, i) ? g[i] : 0.0f;
}

static void adam_step(size_t n, float *data, float *grad, float *m, float *v, const nncf__adam *a)
{
    for (size_t i = 0; i < n; i++) {
        const float g = grad[i] + a->decay * data[i];
        m[i] = a->beta1 * m[i] + a->keep1 * g;
        v[i] = a->beta2 * v[i] + a->keep2 * g * g;
        data[i] -= a->rate * m[i] / (sqrtf(v[i]) / a->root + a->eps);
        if (a->clears)
            grad[i] = 0;
    }
}

static void sgd_step(size_t n, float *data, float *grad, float *m, const nncf__sgd *s)
{
    for (size_t i = 0; i < n; i++) {
        float g = grad[i] + s->decay * data[i];
        if (m) {
            m[i] = s->keep * m[i] + s->take * g;
            g = s->nesterov ? g + s->keep * m[i] : m[i];
        }
        data[i] -= s->rate * g;
        if (s->clears)
            grad[i] = 0;
    }
}

/* ---- binarization ---- */

static void sum_abs(size_t n, const float *x, double sum[1])
{
    double lane[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lane[i % LANES] += (double)fabsf(x[i]);
    lanes_add_to(lane, sum);
}

static void binarize(size_t n, const float *x, float t, float above, float below, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > t ? above : below;
}

static void binarize_codes(
    size_t n, const float *x, float t, int32_t above, int32_t below, uint8_t *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)(x[i] > t ? above : below);
}

static void binarize_backward(
    size_t n, const float *x, const float *dy, float t, float scale, float *dx, double sums[2])
{
    grouped of_scale = {0}, of_threshold = {0};
    for (size_t i = 0; i < n; i++) {
        const float v = x[i], g = dy[i], y = v > t ? scale : 0.0f;
        grouped_add(&of_scale, i, g * (v > scale ? 1.0f : (y - v) / scale));
        grouped_add(&of_threshold, i, v > 0 && v < scale ? g : 0.0f);
        dx[i] = v < 0 || v > scale ? 0.0f : g;
    }
    grouped_add_to(&of_scale, &sums[0]);
    grouped_add_to(&of_threshold, &sums[1]);
}

static void signs(size_t n, const float *x, uint64_t *words, double sum[1])
{
    for (size_t i = 0; i < n; i++) {
        const uint64_t bit = (uint64_t)(x[i] > 0) << i % 64;
        words[i / 64] = i % 64 ? words[i / 64] | bit : bit;
    }
    if (sum)
        sum_abs(n, x, sum);
}

static void binarize_bits(size_t n, size_t n_channels, const float *x, int64_t channel_stride,
    const float *t, uint64_t *words)
{
    for (size_t i = 0; i < n; i++) {
        words[i] = 0;
        for (size_t c = 0; c < n_channels; c++)
            words[i] |= (uint64_t)(x[(int64_t)c * channel_stride + (int64_t)i] > t[c]) << c;
    }
}

#include "kernels/ref_products.h"

#define NNCF_KERNEL(name, result, args) name,
const nncf__kernels nncf__kernels_reference = {
    "reference",
    NNCF_ISA_REFERENCE,
#include "kernels/kernels.def"
};
#undef NNCF_KERNEL
