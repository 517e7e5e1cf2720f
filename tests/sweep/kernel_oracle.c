/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The oracle: plain loops in double over what docs/formulas.md says, each value with a bound on how
 * far a correct result in float may lie from it. Products of n terms in any order, with or without
 * fused multiply-add, are within n u sum|a||b| of the exact sum, u = 2^-24; what follows carries
 * the errors on. Where an error reaches over an edge, of an activation or between two codes, both
 * sides are right: the bound then covers both, and the element is counted.
 */
#include "kernel_case.h"

#include <math.h>

typedef kernel_value value;

static const double U = 0x1p-24;

static void *zeros(size_t count, size_t size)
{
    void *p = calloc(count > 0 ? count : 1, size);
    if (!p)
        abort();
    return p;
}

static value *values(size_t count)
{
    return zeros(count, sizeof(value));
}

static value between(double low, double high)
{
    return (value){(low + high) / 2, (high - low) / 2};
}

/* ---- quantizers ---- */

void kernel_quantizer_fill(kernel_quantizer *q)
{
    if (!q->on)
        return;
    q->step = zeros(q->channels, sizeof(double));
    q->low = zeros(q->channels, sizeof(double));
    q->high = zeros(q->channels, sizeof(double));
    for (size_t c = 0; c < q->channels; c++) {
        double n = (double)((1 << q->bits) - 1), scale = (double)q->scale[c];
        if (!q->asymmetric) {
            double high = q->is_signed ? (double)((1 << (q->bits - 1)) - 1) : n;
            q->high[c] = high;
            q->low[c] = !q->is_signed ? 0 : q->weight ? -high : -high - 1;
            q->step[c] = (double)(float)((fabs(scale) + 1e-16) / high);
            continue;
        }
        double l = fmin(scale, 0), h = fmax(scale + fabs((double)q->range[c]) + 1e-16, 0),
               z = rint(-l * n / (h - l));
        if (z > 0 && z < n) {
            double other_l = z / (z - n) * h, other_h = (z - n) / z * l;
            if (h - other_l > other_h - l)
                l = other_l;
            else
                h = other_h;
        }
        q->step[c] = (double)(float)((h - l) / n);
        q->low[c] = -z;
        q->high[c] = n - z;
    }
}

void kernel_quantizer_free(kernel_quantizer *q)
{
    free(q->step);
    free(q->low);
    free(q->high);
}

static size_t channel_of(const kernel_quantizer *q, size_t channel)
{
    return q->channels > 1 ? channel : 0;
}

static double code_of(const kernel_quantizer *q, size_t c, double x, double slack)
{
    double code = rint(x / q->step[c] + slack);
    return code < q->low[c] ? q->low[c] : code > q->high[c] ? q->high[c] : code;
}

/* The codes that x may become, as values. */
static value quantize(kernel_expected *e, const kernel_quantizer *q, size_t channel, value x)
{
    if (!q->on)
        return x;
    size_t c = channel_of(q, channel);
    double slack = 2 * U * (fabs(x.v) + x.e) / q->step[c];
    double low = code_of(q, c, x.v - x.e, -slack), high = code_of(q, c, x.v + x.e, slack);
    value y = between(low * q->step[c], high * q->step[c]);
    e->elements++;
    e->unsure += low < high;
    y.e += U * (fabs(y.v) + y.e);
    return y;
}

/* The ends of the range are values that the quantizer makes: products in float. */
static double edge(const kernel_quantizer *q, size_t c, double code)
{
    return (double)((float)code * (float)q->step[c]);
}

/* dy * (y - x) of elements inside, dy of those above and below. */
typedef struct sums {
    value inside, above, below;
    double size; /* of the terms, for the rounding of their sum */
} sums;

static void add(value *sum, double v, double e)
{
    sum->v += v;
    sum->e += e;
}

/* The gradient that passes the quantizer. */
static value quantize_backward(
    const kernel_quantizer *q, size_t channel, value x, value y, value g, sums *all)
{
    if (!q->on)
        return g;
    size_t c = channel_of(q, channel);
    sums *s = &all[c];
    double low = edge(q, c, q->low[c]), high = edge(q, c, q->high[c]), size = fabs(g.v) + g.e;
    bool above = x.v + x.e > high, below = x.v - x.e < low,
         inside = x.v - x.e <= high && x.v + x.e >= low;
    double d = y.v - x.v, de = x.e + y.e + 2 * U * (fabs(d) + fabs(y.v));
    bool sure = above + below + inside == 1;
    double share = sure ? 1 : 0.5, doubt = sure ? 0 : 0.5;
    if (inside)
        add(&s->inside, share * g.v * d,
            doubt * size * fabs(d) + size * de + g.e * (fabs(d) + de) + 6 * U * size * fabs(d));
    if (above)
        add(&s->above, share * g.v, doubt * size + g.e);
    if (below)
        add(&s->below, share * g.v, doubt * size + g.e);
    s->size += size * (1 + fabs(d));
    if (sure)
        return inside ? g : (value){0, 0};
    return (value){g.v / 2, size / 2 + g.e};
}

static void scale_gradients(const kernel_quantizer *q, const sums *all, value *scale, value *range)
{
    for (size_t c = 0; q->on && c < q->channels; c++) {
        const sums *s = &all[c];
        double width = (q->high[c] - q->low[c]) * q->step[c],
               rounding = 1e-11 * s->size * (1 + 1 / width);
        value inside = {s->inside.v / width, s->inside.e / width};
        if (q->asymmetric) {
            double sign = q->range[c] < 0 ? -1 : 1;
            scale[c] = (value){s->above.v + s->below.v, s->above.e + s->below.e + rounding};
            range[c] = (value){sign * (inside.v + s->above.v), inside.e + s->above.e + rounding};
        } else {
            double sign = q->scale[c] < 0 ? -1 : 1, share = q->low[c] / q->high[c];
            scale[c] = (value){sign * (inside.v + s->above.v + share * s->below.v),
                inside.e + s->above.e + fabs(share) * s->below.e + rounding};
        }
    }
}

/* What the library says it made of x: one of the codes that it may be. */
static bool is_quantized(
    kernel_expected *e, const kernel_quantizer *q, size_t channel, float x, float got)
{
    value y = quantize(e, q, channel, (value){(double)x, 0});
    return fabs((double)got - y.v) <= y.e + 2 * U * fabs(y.v);
}

/* ---- the layer ---- */

typedef struct pass {
    const kernel_case *c;
    const kernel_given *g;
    kernel_expected *e;
    size_t n_in, n_out, hw, channels, images;
    bool exact; /* sums of integer codes: x and w are the codes then */
    double x_step; /* what those of x are multiples of */
    double *x, *w; /* what is multiplied in the forward pass */
    const float *xf[2]; /* what backward multiplies, or what a sum or pool reads */
    value *z, *a, *p,
        *f; /* product; after batch norm (or sum, average); before the activation; behind it */
    value *mean, *inv;
} pass;

static size_t out_channel(const pass *p, size_t i)
{
    return i / p->hw % p->channels;
}

/* One product of a convolution: (output, input, weight). */
typedef void term(void *arg, size_t z, size_t x, size_t w);

static void convolve(const kernel_case *c, term *fn, void *arg)
{
    const int64_t cig = c->in[1] / c->groups, cog = c->out[1] / c->groups;
    size_t z = 0;
    for (int64_t n = 0; n < c->out[0]; n++)
        for (int64_t o = 0; o < c->out[1]; o++)
            for (int64_t i = 0; i < c->out[2]; i++)
                for (int64_t j = 0; j < c->out[3]; j++, z++)
                    for (int64_t ci = 0; ci < cig; ci++)
                        for (int64_t ky = 0; ky < c->kernel[0]; ky++)
                            for (int64_t kx = 0; kx < c->kernel[1]; kx++) {
                                int64_t y = i * c->stride[0] - c->padding[0] + ky * c->dilation[0];
                                int64_t x = j * c->stride[1] - c->padding[1] + kx * c->dilation[1];
                                if (y >= 0 && y < c->in[2] && x >= 0 && x < c->in[3])
                                    fn(arg, z,
                                        (size_t)(((n * c->in[1] + o / cog * cig + ci) * c->in[2] +
                                                     y) *
                                                c->in[3] +
                                            x),
                                        (size_t)(((o * cig + ci) * c->kernel[0] + ky) *
                                                c->kernel[1] +
                                            kx));
                            }
}

static void forward_term(void *arg, size_t z, size_t x, size_t w)
{
    pass *p = arg;
    double product = p->x[x] * p->w[w];
    p->z[z].v += product;
    p->z[z].e += fabs(product); /* the size, until product_forward() makes it the error */
}

static void product_forward(pass *p)
{
    const kernel_case *c = p->c;
    const kernel_quantizer *wq = &p->g->quantizers[PLACE_WEIGHT];
    const double terms = (double)(c->in[1] / c->groups * c->kernel[0] * c->kernel[1]);
    memset(p->z, 0, p->n_out * sizeof *p->z);
    convolve(c, forward_term, p);
    for (size_t i = 0; i < p->n_out; i++) {
        value *z = &p->z[i];
        double b = p->g->b ? (double)p->g->b[out_channel(p, i)] : 0;
        if (p->exact) {
            z->v *= p->x_step * wq->step[channel_of(wq, out_channel(p, i))];
            z->e = 5 * U * fabs(z->v);
        } else {
            z->e *= 1.001 * (terms + 2) * U;
        }
        z->v += b;
        z->e += 2 * U * (fabs(z->v) + fabs(b));
    }
}

/* Statistics, or the running ones, and what batch norm makes of z. */
static void norm_channel(pass *p, size_t ch, bool eval)
{
    const kernel_given *g = p->g;
    const double count = (double)(p->images * p->hw),
                 eps = p->c->eps > 0 ? (double)(float)p->c->eps : (double)1e-5f;
    value mean = {0, 0}, var = {0, 0};
    double squares = 0;
    if (eval) {
        mean.v = (double)g->eval_mean[ch];
        var.v = (double)g->eval_var[ch];
    }
    for (size_t i = 0; !eval && i < p->n_out; i++)
        if (out_channel(p, i) == ch) {
            add(&mean, p->z[i].v / count, p->z[i].e / count);
            squares += p->z[i].v * p->z[i].v / count;
        }
    for (size_t i = 0; !eval && i < p->n_out; i++)
        if (out_channel(p, i) == ch) {
            double d = p->z[i].v - mean.v, de = p->z[i].e + mean.e;
            add(&var, d * d / count, (2 * fabs(d) * de + de * de) / count);
        }
    var.e += eval ? 0 : 0x1p-46 * squares; /* mean of squares less square of the mean, in double */
    double most = 1 / sqrt(fmax(0, var.v - var.e) + eps), least = 1 / sqrt(var.v + var.e + eps);
    value inv = between(least, most);
    inv.e += 2 * U * most;
    p->mean[ch] = mean;
    p->inv[ch] = inv;
    if (!eval) {
        double m = p->c->momentum > 0 ? (double)(float)p->c->momentum : (double)0.1f;
        double unbiased = count > 1 ? count / (count - 1) : 1,
               old[2] = {(double)g->mean[ch], (double)g->var[ch]};
        p->e->mean[ch] = (value){
            (1 - m) * old[0] + m * mean.v, m * mean.e + 2 * U * (fabs(old[0]) + fabs(mean.v))};
        p->e->var[ch] = (value){(1 - m) * old[1] + m * unbiased * var.v,
            m * unbiased * var.e + 2 * U * (fabs(old[1]) + unbiased * var.v)};
    }
    double gamma = g->gamma ? (double)g->gamma[ch] : 1, beta = g->beta ? (double)g->beta[ch] : 0;
    for (size_t i = 0; i < p->n_out; i++)
        if (out_channel(p, i) == ch) {
            value z = p->z[i], *a = &p->a[i];
            double d = z.v - mean.v, scale = fabs(gamma) * most;
            a->v = d * gamma * inv.v + beta;
            a->e = (z.e + mean.e) * scale + fabs(d) * fabs(gamma) * inv.e +
                4 * U * (fabs(z.v) + z.e + fabs(mean.v)) * scale +
                2 * U * (fabs(beta) + fabs(a->v));
        }
}

static void sum_forward(pass *p)
{
    for (size_t i = 0; i < p->n_out; i++) {
        p->z[i].v = (double)p->xf[0][i] + (double)p->xf[1][i];
        p->z[i].e = U * fabs(p->z[i].v);
    }
}

typedef struct window {
    int64_t y0, y1, x0, x1;
} window;

static window window_of(const kernel_case *c, int64_t i, int64_t j)
{
    window w = {i * c->stride[0] - c->padding[0], 0, j * c->stride[1] - c->padding[1], 0};
    w.y1 = w.y0 + c->kernel[0] < c->in[2] ? w.y0 + c->kernel[0] : c->in[2];
    w.x1 = w.x0 + c->kernel[1] < c->in[3] ? w.x0 + c->kernel[1] : c->in[3];
    w.y0 = w.y0 > 0 ? w.y0 : 0;
    w.x0 = w.x0 > 0 ? w.x0 : 0;
    return w;
}

/* Forward, or with dz the gradient. The first of equal maxima, row by row, counts. */
static void pool(pass *p, const value *dz, value *dx)
{
    const kernel_case *c = p->c;
    const int64_t plane = c->in[2] * c->in[3];
    const double share = 1 / (double)(c->kernel[0] * c->kernel[1]);
    size_t at = 0;
    for (int64_t planes = 0; planes < c->in[0] * c->in[1]; planes++)
        for (int64_t i = 0; i < c->out[2]; i++)
            for (int64_t j = 0; j < c->out[3]; j++, at++) {
                const window w = window_of(c, i, j);
                const float *x = p->xf[0] + planes * plane;
                int64_t best = w.y0 * c->in[3] + w.x0;
                double sum = 0, size = 0;
                for (int64_t y = w.y0; y < w.y1; y++)
                    for (int64_t k = w.x0; k < w.x1; k++) {
                        int64_t pixel = y * c->in[3] + k;
                        sum += (double)x[pixel];
                        size += fabs((double)x[pixel]);
                        best = x[pixel] > x[best] ? pixel : best;
                        if (dz && c->pool != NNCF_POOL_MAX)
                            add(&dx[planes * plane + pixel], dz[at].v * share,
                                share * (dz[at].e + 64 * U * (fabs(dz[at].v) + dz[at].e)));
                    }
                if (dz && c->pool == NNCF_POOL_MAX)
                    add(&dx[planes * plane + best], dz[at].v,
                        dz[at].e + 64 * U * (fabs(dz[at].v) + dz[at].e));
                else if (!dz && c->pool == NNCF_POOL_MAX)
                    p->z[at] = (value){(double)x[best], 0};
                else if (!dz)
                    p->z[at] = (value){sum * share, 2 * U * fabs(sum * share) + 1e-13 * size};
            }
}

static value activate(int32_t kind, value a)
{
    if (kind == NNCF_ACTIVATION_NONE)
        return a;
    double most = kind == NNCF_ACTIVATION_RELU6 ? 6 : HUGE_VAL;
    return between(fmin(fmax(a.v - a.e, 0), most), fmin(fmax(a.v + a.e, 0), most));
}

static value activate_backward(int32_t kind, value a, value g)
{
    double most = kind == NNCF_ACTIVATION_RELU6 ? 6 : HUGE_VAL;
    if (kind == NNCF_ACTIVATION_NONE || (a.v - a.e > 0 && a.v + a.e < most))
        return g;
    if (a.v + a.e <= 0 || a.v - a.e >= most)
        return (value){0, 0};
    return (value){g.v / 2, fabs(g.v) / 2 + g.e};
}

static void forward(pass *p, bool eval, value *y)
{
    const kernel_quantizer *q = p->g->quantizers;
    if (p->c->kind == KERNEL_ADD)
        sum_forward(p);
    else if (p->c->kind == KERNEL_POOL)
        pool(p, NULL, NULL);
    else
        product_forward(p);
    memcpy(p->a, p->z, p->n_out * sizeof *p->a);
    for (size_t ch = 0; p->c->batch_norm && ch < p->channels; ch++)
        norm_channel(p, ch, eval);
    for (size_t i = 0; i < p->n_out; i++) {
        size_t ch = out_channel(p, i);
        p->p[i] = quantize(p->e, &q[PLACE_BEFORE], ch, p->a[i]);
        p->f[i] = activate(p->c->activation, p->p[i]);
        y[i] = quantize(p->e, &q[PLACE_OUTPUT], ch, p->f[i]);
    }
}

/* ---- backward ---- */

/* dz of a channel from da, through batch norm; gradients of gamma and beta. */
static void norm_backward(pass *p, size_t ch, value *d)
{
    const double count = (double)(p->images * p->hw);
    const value mean = p->mean[ch], inv = p->inv[ch];
    const double most = inv.v + inv.e, gamma = p->g->gamma ? fabs((double)p->g->gamma[ch]) : 1;
    value *all = &p->e->dbeta[ch], *weighed = &p->e->dgamma[ch];
    for (size_t i = 0; i < p->n_out; i++)
        if (out_channel(p, i) == ch) {
            double off = p->z[i].v - mean.v, hat = off * inv.v, size = fabs(d[i].v) + d[i].e;
            double hat_e = (p->z[i].e + mean.e + 2 * U * (fabs(p->z[i].v) + fabs(mean.v))) * most +
                fabs(off) * inv.e;
            add(all, d[i].v, d[i].e + 3 * U * size);
            add(weighed, d[i].v * hat,
                d[i].e * fabs(hat) + size * hat_e + 8 * U * size * fabs(hat));
        }
    for (size_t i = 0; i < p->n_out; i++)
        if (out_channel(p, i) == ch) {
            double off = p->z[i].v - mean.v, hat = off * inv.v;
            double hat_e = (p->z[i].e + mean.e) * most + fabs(off) * inv.e;
            double m1 = all->v / count, m2 = weighed->v / count, m1e = all->e / count,
                   m2e = weighed->e / count;
            double inner = d[i].v - m1 - hat * m2;
            double inner_e = d[i].e + m1e + fabs(hat) * m2e + hat_e * (fabs(m2) + m2e);
            double size = fabs(d[i].v) + d[i].e + fabs(m1) + m1e +
                (fabs(m2) + m2e) * (fabs(hat) + (fabs(p->z[i].v) + fabs(mean.v)) * most);
            double sign = p->g->gamma && p->g->gamma[ch] < 0 ? -1 : 1;
            d[i] = (value){sign * gamma * inv.v * inner,
                gamma * (most * inner_e + inv.e * fabs(inner) + 8 * U * most * size)};
        }
}

typedef struct gradients {
    const pass *p;
    const value *dz;
    value *dx, *dw;
    double *dx_size, *dw_size;
} gradients;

static void backward_term(void *arg, size_t z, size_t x, size_t w)
{
    const gradients *b = arg;
    const double xv = (double)b->p->xf[0][x], wv = b->p->w[w];
    const value d = b->dz[z];
    add(&b->dx[x], d.v * wv, d.e * fabs(wv));
    add(&b->dw[w], d.v * xv, d.e * fabs(xv));
    b->dx_size[x] += (fabs(d.v) + d.e) * fabs(wv);
    b->dw_size[w] += (fabs(d.v) + d.e) * fabs(xv);
}

static void product_backward(pass *p, const value *dz)
{
    const kernel_case *c = p->c;
    const kernel_quantizer *q = p->g->quantizers;
    size_t n_w = kernel_weights(c), in_hw = (size_t)(c->in[2] * c->in[3]),
           filter = n_w / (size_t)c->out[1];
    gradients b = {
        p, dz, p->e->dx[0], p->e->dw, zeros(p->n_in, sizeof(double)), zeros(n_w, sizeof(double))};
    double terms_x = (double)(c->out[1] / c->groups * c->kernel[0] * c->kernel[1]);
    double terms_w = (double)(c->out[0] * c->out[2] * c->out[3]);
    for (size_t i = 0; i < n_w; i++) /* what backward multiplies is the weight in float */
        p->w[i] = (double)p->g->wq[i];
    convolve(c, backward_term, &b);
    sums *in = zeros(q[PLACE_INPUT].channels, sizeof *in),
         *weight = zeros(q[PLACE_WEIGHT].channels, sizeof *weight);
    for (size_t i = 0; i < p->n_in; i++) {
        value x = {(double)p->g->x[0][i], 0}, xq = {(double)p->xf[0][i], 0};
        b.dx[i].e += 1.001 * (terms_x + 3) * U * b.dx_size[i];
        b.dx[i] =
            quantize_backward(&q[PLACE_INPUT], i / in_hw % (size_t)c->in[1], x, xq, b.dx[i], in);
    }
    for (size_t i = 0; i < n_w; i++) {
        value w = {(double)p->g->w[i], 0}, wq = {(double)p->g->wq[i], 0};
        b.dw[i].e += 1.001 * (terms_w + 3) * U * b.dw_size[i];
        b.dw[i] = quantize_backward(&q[PLACE_WEIGHT], i / filter, w, wq, b.dw[i], weight);
    }
    scale_gradients(
        &q[PLACE_INPUT], in, p->e->scale_grad[PLACE_INPUT], p->e->range_grad[PLACE_INPUT]);
    scale_gradients(
        &q[PLACE_WEIGHT], weight, p->e->scale_grad[PLACE_WEIGHT], p->e->range_grad[PLACE_WEIGHT]);
    for (size_t i = 0; i < p->n_out; i++)
        add(&p->e->db[out_channel(p, i)], dz[i].v, dz[i].e + 1e-12 * fabs(dz[i].v));
    free(b.dx_size);
    free(b.dw_size);
    free(in);
    free(weight);
}

static void backward(pass *p)
{
    const kernel_quantizer *q = p->g->quantizers;
    kernel_expected *e = p->e;
    value *d = values(p->n_out);
    sums *output = zeros(q[PLACE_OUTPUT].channels, sizeof *output),
         *before = zeros(q[PLACE_BEFORE].channels, sizeof *before);
    for (size_t i = 0; i < p->n_out; i++) {
        size_t ch = out_channel(p, i);
        d[i] = quantize_backward(
            &q[PLACE_OUTPUT], ch, p->f[i], e->y[i], (value){(double)p->g->dy[i], 0}, output);
        d[i] = activate_backward(p->c->activation, p->p[i], d[i]);
        d[i] = quantize_backward(&q[PLACE_BEFORE], ch, p->a[i], p->p[i], d[i], before);
    }
    scale_gradients(
        &q[PLACE_OUTPUT], output, e->scale_grad[PLACE_OUTPUT], e->range_grad[PLACE_OUTPUT]);
    scale_gradients(
        &q[PLACE_BEFORE], before, e->scale_grad[PLACE_BEFORE], e->range_grad[PLACE_BEFORE]);
    for (size_t ch = 0; p->c->batch_norm && ch < p->channels; ch++)
        norm_backward(p, ch, d);
    if (p->c->kind == KERNEL_ADD) {
        for (int i = 0; i < 2; i++)
            memcpy(e->dx[i], d, p->n_out * sizeof *d);
    } else if (p->c->kind == KERNEL_POOL) {
        pool(p, d, e->dx[0]);
    } else {
        product_backward(p, d);
    }
    free(output);
    free(before);
    free(d);
}

/* ---- all of it ---- */

static void allocate(pass *p)
{
    kernel_expected *e = p->e;
    size_t n_w = kernel_weights(p->c);
    value **outs[] = {&p->z, &p->a, &p->p, &p->f, &e->y, &e->eval_y};
    value **channels[] = {&p->mean, &p->inv, &e->db, &e->dgamma, &e->dbeta, &e->mean, &e->var};
    for (size_t i = 0; i < sizeof outs / sizeof *outs; i++)
        *outs[i] = values(p->n_out);
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++)
        *channels[i] = values(p->channels);
    e->dx[0] = values(p->n_in);
    e->dx[1] = values(p->n_in);
    e->dw = values(n_w);
    for (int i = 0; i < PLACES; i++) {
        e->scale_grad[i] = values(p->g->quantizers[i].channels);
        e->range_grad[i] = values(p->g->quantizers[i].channels);
    }
    p->x = zeros(p->n_in, sizeof(double));
    p->w = zeros(n_w, sizeof(double));
}

/* Check and take what the library makes of weight and own input. */
static void take_operands(pass *p)
{
    const kernel_case *c = p->c;
    const kernel_given *g = p->g;
    const kernel_quantizer *wq = &g->quantizers[PLACE_WEIGHT], *xq = &g->quantizers[PLACE_INPUT];
    size_t n_w = kernel_weights(c), filter = n_w / (size_t)c->out[1],
           in_hw = (size_t)(c->in[2] * c->in[3]);
    p->x_step = xq->on && xq->channels == 1 ? xq->step[0] : xq->on ? 0 : g->x_step[0];
    p->xf[0] = xq->on ? g->xq : g->x[0];
    p->exact = wq->on && p->x_step > 0;
    for (size_t i = 0; i < n_w; i++) {
        double step = wq->on ? wq->step[channel_of(wq, i / filter)] : 0;
        if (!is_quantized(p->e, wq, i / filter, g->w[i], g->wq[i]))
            p->e->complaint = "the compressed weight is none of the codes that it may be";
        p->w[i] = p->exact ? rint((double)g->wq[i] / step) : (double)g->wq[i];
    }
    for (size_t i = 0; i < p->n_in; i++) {
        if (xq->on && !is_quantized(p->e, xq, i / in_hw % (size_t)c->in[1], g->x[0][i], g->xq[i]))
            p->e->complaint = "the quantized input is none of the codes that it may be";
        p->x[i] = p->exact ? rint((double)p->xf[0][i] / p->x_step) : (double)p->xf[0][i];
    }
}

void kernel_expect(const kernel_case *c, const kernel_given *g, kernel_expected *e)
{
    pass p = {.c = c,
        .g = g,
        .e = e,
        .n_in = kernel_count(c->in),
        .n_out = kernel_count(c->out),
        .hw = (size_t)(c->out[2] * c->out[3]),
        .channels = (size_t)c->out[1],
        .images = (size_t)c->out[0],
        .xf = {g->x[0], g->x[1]}};
    *e = (kernel_expected){0};
    allocate(&p);
    if (kernel_has_weight(c))
        take_operands(&p);
    forward(&p, false, e->y);
    backward(&p);
    if (kernel_has_weight(c)) /* backward has put the floats there */
        take_operands(&p);
    forward(&p, true, e->eval_y);
    value *own[] = {p.z, p.a, p.p, p.f, p.mean, p.inv};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        free(own[i]);
    free(p.x);
    free(p.w);
}

void kernel_expected_free(kernel_expected *e)
{
    value *all[] = {
        e->y, e->eval_y, e->dx[0], e->dx[1], e->dw, e->db, e->dgamma, e->dbeta, e->mean, e->var};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    for (int i = 0; i < PLACES; i++) {
        free(e->scale_grad[i]);
        free(e->range_grad[i]);
    }
}
