/* SPDX-License-Identifier: Apache-2.0 */
/* What forward and backward of a layer must give. */
#include "graph.h"

/* What sums of n terms in float may be off, for each unit of the terms' magnitudes. */
static double sum_error(size_t n)
{
    return 1e-6 + 2e-8 * (double)n;
}

static void accumulate(est *sum, est term)
{
    sum->v += term.v;
    sum->t += term.t + 1.2e-7 * fabs(sum->v);
}

size_t channel_at(const shape *s, size_t i)
{
    return i / (size_t)(s->d[2] * s->d[3]) % (size_t)s->d[1];
}

/* A linear layer sees its features as channels. */
static shape input_planes(const node *n)
{
    shape s = n->in;
    if (n->kind == LINEAR) {
        s.d[1] *= s.d[2] * s.d[3];
        s.d[2] = s.d[3] = 1;
    }
    return s;
}

static grid grid_at(const quant *q, const shape *s, size_t i, bool is_weight)
{
    return grid_of(q, q->channels > 1 ? channel_at(s, i) : 0, is_weight);
}

/* The quantizer whose codes an input may be. */
const quant *feeding(const graph *g, const node *n, int input)
{
    while (n->edges) {
        n = &g->nodes[n->from[input]];
        if (n->kind == HOST)
            return NULL;
        if (n->q[OUTPUT].there)
            return &n->q[OUTPUT];
        if (n->kind != POOL || n->pool != NNCF_POOL_MAX)
            return NULL;
        input = 0;
    }
    return NULL;
}

static float *read_input(
    const graph *g, const node *n, const nncf_tensor *x, int input, size_t count)
{
    float *raw = floats(count);
    if (x->dtype == NNCF_F32) {
        memcpy(raw, x->data, count * sizeof *raw);
        return raw;
    }
    const quant *q = feeding(g, n, input);
    const grid of = grid_of(q, 0, false);
    const double zero = q->asymmetric ? -of.low : 0;
    for (size_t i = 0; i < count; i++) {
        double code = x->dtype == NNCF_U8 ? (double)((const uint8_t *)x->data)[i]
                                          : (double)((const int8_t *)x->data)[i];
        raw[i] = (float)(code - zero) * (float)of.step;
    }
    return raw;
}

/* ---- the weight ---- */

void expect_weight(graph *g, node *n)
{
    kept *k = &n->kept;
    const quant *q = &n->q[WEIGHT];
    free(k->w);
    free(k->masked);
    free(k->keep);
    k->w = ests(n->n_weight);
    k->masked = ests(n->n_weight);
    k->keep = calloc(n->n_weight, 1);
    k->sampled = n->mask == MASK_RB && g->mode == NNCF_MODE_TRAIN && !g->frozen && !initializing(g);
    k->logits = n->mask == MASK_RB && !g->frozen;
    for (size_t i = 0; i < n->n_weight; i++) {
        uint8_t keep = 1;
        if (k->sampled) {
            double u = uniform_of(g->world->seed, (uint64_t)(n - g->nodes), (uint64_t)g->step, i);
            double drop = 1 / (1 + exp((double)n->logit.data[i]));
            keep = fabs(u - drop) <= 1e-6 * drop + 1.2e-7 ? 2 : u > drop;
        } else if (n->mask == MASK_RB) {
            keep = n->logit.data[i] > 0;
        } else if (n->mask == MASK_BITS) {
            keep = n->bits[i];
        }
        double w = (double)n->w[i];
        k->keep[i] = keep;
        k->masked[i] = keep == 1 ? exact(w) : keep == 0 ? exact(0) : (est){w / 2, fabs(w) / 2};
        k->w[i] = k->masked[i];
        if (q->there && g->phase != OBSERVING) {
            const grid of = grid_of(q, q->channels > 1 ? channel_of_weight(n, i) : 0, true);
            k->w[i] = quantize(&of, k->masked[i]);
        }
    }
}

/* From the gradient of the weight as it was used to the caller's and the controller's. */
void expect_weight_backward(graph *g, node *n, const est *dwq)
{
    kept *k = &n->kept;
    quant *q = &n->q[WEIGHT];
    for (size_t i = 0; i < n->n_weight; i++) {
        est d = dwq[i];
        const double w = (double)n->w[i];
        if (q->there) {
            const size_t c = q->channels > 1 ? channel_of_weight(n, i) : 0;
            const grid of = grid_of(q, c, true);
            d = quantize_gradient(q, c, &of, k->masked[i], d, false);
        }
        if (k->logits) {
            double p = 1 / (1 + exp(-(double)n->logit.data[i])), u = 0.5;
            if (k->sampled)
                u = uniform_of(g->world->seed, (uint64_t)(n - g->nodes), (uint64_t)g->step, i);
            double a = p * u, b = (1 - p) * (1 - u), t = a * b / ((a + b) * (a + b));
            est term = times(d, exact(w * t));
            term.t += 3e-5 * fabs(term.v) + 1e-7 * fabs(d.v * w);
            accumulate(&n->e_logit[i], term);
        }
        if (k->keep[i] == 0)
            d = exact(0);
        else if (k->keep[i] == 2)
            d = (est){d.v / 2, fabs(d.v) / 2 + d.t};
        if (n->e_dw)
            accumulate(&n->e_dw[i], d);
    }
}

/* ---- products ---- */

typedef struct product {
    graph *g;
    node *n;
    double *magnitude; /* forward: of the terms of an output */
    const est *dz; /* backward */
    est *dw, *dx; /* backward */
    double *dw_m, *dx_m;
} product;

static void forward_term(product *p, size_t yi, size_t xi, size_t wi)
{
    est term = times(p->n->kept.w[wi], p->n->kept.x[0][xi]);
    add_est(&p->n->kept.z[yi], term);
    p->magnitude[yi] += fabs(term.v);
}

static void backward_term(product *p, size_t yi, size_t xi, size_t wi)
{
    est of_w = times(p->dz[yi], p->n->kept.x[0][xi]), of_x = times(p->dz[yi], p->n->kept.w[wi]);
    add_est(&p->dw[wi], of_w);
    add_est(&p->dx[xi], of_x);
    p->dw_m[wi] += fabs(of_w.v);
    p->dx_m[xi] += fabs(of_x.v);
}

static void each_dense(product *p, void (*term)(product *, size_t, size_t, size_t))
{
    const node *n = p->n;
    const size_t f = n->n_weight / n->n_channels, c = n->n_channels;
    for (size_t i = 0; i < (size_t)n->in.d[0]; i++)
        for (size_t o = 0; o < c; o++)
            for (size_t j = 0; j < f; j++) {
                size_t wi = o * f + j;
                if (n->axis_inner)
                    wi = (j / n->axis_inner * c + o) * n->axis_inner + j % n->axis_inner;
                term(p, i * c + o, i * f + j, wi);
            }
}

static void each_window(product *p, size_t image, size_t out_channel, size_t yi, int64_t oy,
    int64_t ox, void (*term)(product *, size_t, size_t, size_t))
{
    const node *n = p->n;
    const int64_t per = n->weight_shape[1], kh = n->kernel[0], kw = n->kernel[1];
    const int64_t first = (int64_t)out_channel / (n->out_channels / n->groups) * per;
    for (int64_t c = 0; c < per; c++)
        for (int64_t i = 0; i < kh; i++)
            for (int64_t j = 0; j < kw; j++) {
                int64_t y = oy * n->stride[0] - n->padding[0] + i * n->dilation[0];
                int64_t x = ox * n->stride[1] - n->padding[1] + j * n->dilation[1];
                if (y < 0 || x < 0 || y >= n->in.d[2] || x >= n->in.d[3])
                    continue;
                int64_t xi =
                    (((int64_t)image * n->in.d[1] + first + c) * n->in.d[2] + y) * n->in.d[3] + x;
                int64_t wi = (((int64_t)out_channel * per + c) * kh + i) * kw + j;
                term(p, yi, (size_t)xi, (size_t)wi);
            }
}

static void each_term(product *p, void (*term)(product *, size_t, size_t, size_t))
{
    const node *n = p->n;
    if (n->kind != CONV) {
        each_dense(p, term);
        return;
    }
    size_t yi = 0;
    for (int64_t image = 0; image < n->out.d[0]; image++)
        for (int64_t c = 0; c < n->out.d[1]; c++)
            for (int64_t oy = 0; oy < n->out.d[2]; oy++)
                for (int64_t ox = 0; ox < n->out.d[3]; ox++)
                    each_window(p, (size_t)image, (size_t)c, yi++, oy, ox, term);
}

static void multiply(graph *g, node *n)
{
    const size_t count = count_of(&n->out);
    product p = {.g = g, .n = n, .magnitude = calloc(count, sizeof(double))};
    n->kept.z = ests(count);
    each_term(&p, forward_term);
    for (size_t i = 0; i < count; i++) {
        est *z = &n->kept.z[i];
        z->t += p.magnitude[i] * sum_error(n->n_weight / n->n_channels);
        if (n->b) {
            double b = (double)n->b[channel_at(&n->out, i)];
            z->v += b;
            z->t += 1.2e-7 * (fabs(b) + fabs(z->v));
        }
    }
    free(p.magnitude);
}

/* ---- batch norm ---- */

static void check_running(
    graph *g, node *n, size_t c, est mean, est var, double count, double momentum)
{
    const double unbiased = count > 1 ? count / (count - 1) : 1;
    const double old_mean = n->kept.mean[c].v,
                 old_var = n->kept.inv[c].v; /* what was there before */
    est m = {(1 - momentum) * old_mean + momentum * mean.v, momentum * mean.t};
    est v = {(1 - momentum) * old_var + momentum * var.v * unbiased,
        momentum * unbiased * var.t + 1e-12};
    check_est(g->world, "running mean", n, c, (double)n->mean[c], m);
    check_est(g->world, "running variance", n, c, (double)n->var[c], v);
}

/* z to v; before: the running statistics as they were before forward. */
static void normalize(graph *g, node *n)
{
    const shape *s = &n->out;
    const size_t hw = (size_t)(s->d[2] * s->d[3]), images = (size_t)s->d[0],
                 channels = (size_t)s->d[1];
    const bool batch = g->mode == NNCF_MODE_TRAIN || g->phase == ADAPTING;
    const bool update = batch && g->phase != OBSERVING;
    const double count = (double)(images * hw), eps = n->eps > 0 ? (double)n->eps : (double)1e-5f;
    double momentum = n->momentum > 0 ? (double)n->momentum : (double)0.1f;
    if (g->phase == ADAPTING && g->forgetting)
        momentum = 0.9;
    for (size_t c = 0; c < channels; c++) {
        est mean = {0, 0}, var = {0, 0};
        if (batch) {
            for (size_t i = 0; i < images * hw; i++) {
                est z = n->kept.z[(i / hw * channels + c) * hw + i % hw];
                mean.v += z.v / count;
                mean.t += z.t / count;
            }
            for (size_t i = 0; i < images * hw; i++) {
                est z = n->kept.z[(i / hw * channels + c) * hw + i % hw];
                double d = z.v - mean.v;
                var.v += d * d / count;
                var.t += (2 * fabs(d) * (z.t + mean.t) + z.t * z.t) / count;
            }
            var.t += 1e-14 * mean.v * mean.v;
        }
        if (update) {
            check_running(g, n, c, mean, var, count, momentum);
        } else {
            CHECK(g->world,
                n->kept.mean[c].v == (double)n->mean[c] && n->kept.inv[c].v == (double)n->var[c],
                "%s: running statistics moved", n->scope);
        }
        if (!batch) {
            mean = exact((double)n->mean[c]);
            var = exact((double)n->var[c]);
        }
        const double inv = 1 / sqrt(var.v + eps), relative = fmin(0.5 * var.t / (var.v + eps), 1e6);
        const double gamma = n->gamma ? (double)n->gamma[c] : 1,
                     beta = n->beta ? (double)n->beta[c] : 0;
        const double scale = gamma * inv;
        n->kept.mean[c] = mean;
        n->kept.inv[c] = (est){inv, inv * (relative + 2e-7)};
        for (size_t i = 0; i < images * hw; i++) {
            const size_t at = (i / hw * channels + c) * hw + i % hw;
            const est z = n->kept.z[at];
            est *v = &n->kept.v[at];
            v->v = (z.v - mean.v) * scale + beta;
            v->t = fabs(scale) * (z.t + mean.t) + fabs((z.v - mean.v) * scale) * relative +
                4e-7 * (fabs(z.v * scale) + fabs(mean.v * scale) + fabs(beta));
        }
    }
}

static void normalize_backward(node *n, est *dv)
{
    const shape *s = &n->out;
    const size_t hw = (size_t)(s->d[2] * s->d[3]), images = (size_t)s->d[0],
                 channels = (size_t)s->d[1];
    const size_t per = images * hw;
    const double count = (double)per;
    est *zhat = ests(per);
    for (size_t c = 0; c < channels; c++) {
        const est mean = n->kept.mean[c], inv = n->kept.inv[c];
        const double scale = (n->gamma ? (double)n->gamma[c] : 1) * inv.v;
        est sum = {0, 0}, dot = {0, 0};
        for (size_t i = 0; i < per; i++) {
            const size_t at = (i / hw * channels + c) * hw + i % hw;
            const est z = n->kept.z[at];
            zhat[i].v = (z.v - mean.v) * inv.v;
            zhat[i].t = inv.v * (z.t + mean.t) + fabs(z.v - mean.v) * inv.t +
                3e-7 * inv.v * (fabs(z.v) + fabs(mean.v));
            est term = times(dv[at], zhat[i]);
            term.t += 2e-7 * fabs(term.v);
            add_est(&dot, term);
            add_est(&sum, (est){dv[at].v, dv[at].t + 1e-7 * fabs(dv[at].v)});
        }
        if (n->e_dgamma)
            accumulate(&n->e_dgamma[c], dot);
        if (n->e_dbeta)
            accumulate(&n->e_dbeta[c], sum);
        const double k1 = scale * inv.v * dot.v / count;
        for (size_t i = 0; i < per; i++) {
            const size_t at = (i / hw * channels + c) * hw + i % hw;
            const est d = dv[at];
            const double through = zhat[i].v * dot.v / count, z = n->kept.z[at].v;
            dv[at].v = scale * (d.v - sum.v / count - through);
            dv[at].t = fabs(scale) *
                    (d.t + sum.t / count +
                        (zhat[i].t * (fabs(dot.v) + dot.t) + fabs(zhat[i].v) * dot.t) / count) +
                (inv.t / inv.v + 4e-7) * fabs(scale) *
                    (fabs(d.v) + fabs(sum.v / count) + fabs(through)) +
                3e-7 * fabs(k1) * (fabs(z) + fabs(mean.v));
        }
    }
    free(zhat);
}

/* ---- activations, pools ---- */

static void bounds_of(const node *n, double *low, double *high)
{
    *low = n->activation == NNCF_ACTIVATION_NONE ? -INFINITY : 0;
    *high = n->activation == NNCF_ACTIVATION_RELU6 ? 6 : INFINITY;
}

static est activate(const node *n, est v)
{
    double low, high;
    bounds_of(n, &low, &high);
    if (v.v + v.t <= low)
        return exact(low);
    if (v.v - v.t >= high)
        return exact(high);
    return (est){fmin(fmax(v.v, low), high), v.t};
}

static est activate_gradient(const node *n, est v, est d)
{
    double low, high;
    bounds_of(n, &low, &high);
    const bool passes = v.v > low && v.v < high;
    const bool open = v.t > 0 && (fabs(v.v - low) <= v.t || fabs(v.v - high) <= v.t);
    return (est){passes ? d.v : 0, open ? fabs(d.v) + d.t : passes ? d.t : 0};
}

typedef struct area {
    int64_t y0, y1, x0, x1;
    double divisor;
} area;

static area area_of(const node *n, int64_t oy, int64_t ox)
{
    const int64_t h = n->in.d[2], w = n->in.d[3];
    if (n->pool == NNCF_POOL_GLOBAL_AVERAGE)
        return (area){0, h, 0, w, (double)(h * w)};
    if (n->pool == NNCF_POOL_MEAN_ROWS)
        return (area){0, h, ox, ox + 1, (double)h};
    if (n->pool == NNCF_POOL_MEAN_COLUMNS)
        return (area){oy, oy + 1, 0, w, (double)w};
    area a = {oy * n->stride[0] - n->padding[0], 0, ox * n->stride[1] - n->padding[1], 0,
        (double)(n->kernel[0] * n->kernel[1])};
    a.y1 = a.y0 + n->kernel[0] < h ? a.y0 + n->kernel[0] : h;
    a.x1 = a.x0 + n->kernel[1] < w ? a.x0 + n->kernel[1] : w;
    a.y0 = a.y0 < 0 ? 0 : a.y0;
    a.x0 = a.x0 < 0 ? 0 : a.x0;
    return a;
}

/* Forward where dv is NULL, else backward into dx. */
static void pool(node *n, const est *dv, est *dx)
{
    const int64_t h = n->in.d[2], w = n->in.d[3], planes = n->out.d[0] * n->out.d[1];
    size_t at = 0;
    for (int64_t p = 0; p < planes; p++) {
        for (int64_t oy = 0; oy < n->out.d[2]; oy++) {
            for (int64_t ox = 0; ox < n->out.d[3]; ox++, at++) {
                const area a = area_of(n, oy, ox);
                double sum = 0, magnitude = 0, best = -INFINITY;
                int64_t where = 0;
                for (int64_t i = a.y0; i < a.y1; i++)
                    for (int64_t j = a.x0; j < a.x1; j++) {
                        const int64_t xi = (p * h + i) * w + j;
                        const double x = (double)n->kept.raw[0][xi];
                        sum += x;
                        magnitude += fabs(x);
                        if (x > best) {
                            best = x;
                            where = xi;
                        }
                        if (dv && n->pool != NNCF_POOL_MAX)
                            add_est(&dx[xi],
                                (est){dv[at].v / a.divisor,
                                    dv[at].t / a.divisor + 4e-7 * fabs(dv[at].v) / a.divisor});
                    }
                if (dv && n->pool == NNCF_POOL_MAX)
                    add_est(&dx[where], (est){dv[at].v, dv[at].t + 4e-7 * fabs(dv[at].v)});
                if (!dv)
                    n->kept.v[at] = n->pool == NNCF_POOL_MAX
                        ? exact(best)
                        : (est){sum / a.divisor, 2e-7 * magnitude / a.divisor};
            }
        }
    }
}

/* ---- quantizers of activations ---- */

static double output_code(const quant *q, const grid *of, const void *y, int32_t dtype, size_t i)
{
    const double zero = q->asymmetric ? -of->low : 0;
    if (dtype == NNCF_U8)
        return (double)((const uint8_t *)y)[i] - zero;
    if (dtype == NNCF_S8)
        return (double)((const int8_t *)y)[i];
    return rint((double)((const float *)y)[i] / of->step);
}

void check_quantized(graph *g, const char *what, const node *n, quant *q, enum place place,
    const est *a, const shape *s, const void *y, int32_t y_dtype)
{
    world *w = g->world;
    for (size_t i = 0, count = count_of(s); i < count; i++) {
        if (!q->there || g->phase == OBSERVING) {
            check_est(w, what, n, i, (double)((const float *)y)[i], a[i]);
            continue;
        }
        const grid of = grid_at(q, s, i, place == WEIGHT);
        const double code = output_code(q, &of, y, y_dtype, i);
        const double low = of.low * of.step, high = of.high * of.step;
        const double clamped = fmin(fmax(a[i].v, low), high),
                     slack = a[i].t + 1e-6 * (fabs(clamped) + of.step);
        w->elements++;
        /* Batch norm over few values may make noise of what it subtracts, and averages of codes lie
         * halfway between two very often: nothing can be told of these. */
        const bool loose = a[i].t > 0.25 * of.step || (n->kind == POOL && n->pool != NNCF_POOL_MAX);
        const bool escapes = !loose && code != fmin(fmax(rint(a[i].v / of.step), of.low), of.high);
        w->loose += loose;
        w->escapes += escapes;
        if (escapes && w->verbose)
            printf("%s of %s [%zu]: code %g of %.9g +- %.3g, step %.9g\n", what, n->scope, i, code,
                a[i].v, a[i].t, of.step);
        CHECK(w,
            code >= of.low && code <= of.high &&
                fabs(clamped - code * of.step) <= 0.5 * of.step + slack,
            "%s of %s [%zu]: code %g of %.9g +- %.3g (step %.9g, %g..%g)", what, n->scope, i, code,
            a[i].v, a[i].t, of.step, of.low, of.high);
        if (y_dtype != NNCF_F32)
            continue;
        const float value = ((const float *)y)[i];
        CHECK(w,
            fabs((double)value - code * of.step) <= 2e-7 * fabs(code * of.step) &&
                !(value == 0 && signbit(value)),
            "%s of %s [%zu]: %.9g is no multiple of the step %.9g", what, n->scope, i,
            (double)value, of.step);
    }
}

/* ---- a layer ---- */

static void use_input(graph *g, node *n, const nncf_tensor *x, int input)
{
    const size_t count = count_of(&n->in);
    const shape planes = input_planes(n);
    quant *q = &n->q[INPUT];
    kept *k = &n->kept;
    k->raw[input] = read_input(g, n, &x[input], input, count);
    k->x[input] = ests(count);
    const bool quantizes = q->there && (n->kind == CONV || n->kind == LINEAR);
    for (size_t i = 0; i < count; i++) {
        k->x[input][i] = exact((double)k->raw[input][i]);
        if (quantizes && g->phase != OBSERVING) {
            const grid of = grid_at(q, &planes, i, false);
            k->x[input][i] = quantize(&of, k->x[input][i]);
        }
    }
    if (quantizes)
        observe(g, n, INPUT, k->raw[input], &planes);
}

static void add_inputs(graph *g, node *n)
{
    const size_t count = count_of(&n->out);
    kept *k = &n->kept;
    quant *q = &n->q[INNER];
    k->z = ests(count);
    float *sum = floats(count);
    for (size_t i = 0; i < count; i++) {
        sum[i] = k->raw[0][i] + k->raw[1][i];
        k->z[i] = k->v[i] = exact((double)sum[i]);
        if (q->there && g->phase != OBSERVING) {
            const grid of = grid_at(q, &n->out, i, false);
            k->v[i] = quantize(&of, k->z[i]);
        }
    }
    observe(g, n, INNER, sum, &n->out);
    free(sum);
}

/* After forward: is y right? The running statistics from before forward are in kept.mean and
 * kept.inv. */
void check_forward(graph *g, node *n, const nncf_tensor *x, const void *y, int32_t y_dtype)
{
    const size_t count = count_of(&n->out);
    kept *k = &n->kept;
    for (int i = 0; i < n->n_in; i++)
        use_input(g, n, x, i);
    k->v = ests(count);
    k->a = ests(count);
    if (n->kind == ADD) {
        add_inputs(g, n);
    } else if (n->kind == POOL) {
        pool(n, NULL, NULL);
    } else {
        if (n->mask != MASK_NONE || n->q[WEIGHT].there)
            weight_used(g);
        expect_weight(g, n);
        multiply(g, n);
        if (n->has_norm)
            normalize(g, n);
        else
            memcpy(k->v, k->z, count * sizeof *k->v);
    }
    for (size_t i = 0; i < count; i++)
        k->a[i] = activate(n, k->v[i]);
    if (y_dtype != NNCF_F32 && !n->q[OUTPUT].there) { /* a maximum passes codes on */
        const nncf_tensor codes = {.data = (void *)(uintptr_t)y, .dtype = y_dtype};
        float *values = read_input(g, n, &codes, 0, count);
        check_quantized(g, "output", n, &n->q[OUTPUT], OUTPUT, k->a, &n->out, values, NNCF_F32);
        free(values);
    } else {
        check_quantized(g, "output", n, &n->q[OUTPUT], OUTPUT, k->a, &n->out, y, y_dtype);
    }
    if (y_dtype == NNCF_F32)
        observe(g, n, OUTPUT, y, &n->out);
    k->ready = g->mode == NNCF_MODE_TRAIN && !initializing(g);
}

static void product_backward(graph *g, node *n, const est *dz, est *dx)
{
    const size_t in = count_of(&n->in), out = count_of(&n->out), per = out / (size_t)n->out.d[1];
    product p = {.g = g,
        .n = n,
        .dz = dz,
        .dw = ests(n->n_weight),
        .dx = dx,
        .dw_m = calloc(n->n_weight, sizeof(double)),
        .dx_m = calloc(in, sizeof(double))};
    each_term(&p, backward_term);
    const size_t taps = n->n_weight; /* no more terms than that meet in an input */
    for (size_t i = 0; i < n->n_weight; i++)
        p.dw[i].t += p.dw_m[i] * sum_error(per);
    for (size_t i = 0; i < in; i++)
        dx[i].t += p.dx_m[i] * sum_error(taps);
    expect_weight_backward(g, n, p.dw);
    for (size_t i = 0; n->e_db && i < out; i++)
        accumulate(
            &n->e_db[channel_at(&n->out, i)], (est){dz[i].v, dz[i].t + 2e-7 * fabs(dz[i].v)});
    const shape planes = input_planes(n);
    quant *q = &n->q[INPUT];
    for (size_t i = 0; q->there && i < in; i++) {
        const size_t c = q->channels > 1 ? channel_at(&planes, i) : 0;
        const grid of = grid_of(q, c, false);
        dx[i] = quantize_gradient(q, c, &of, exact((double)n->kept.raw[0][i]), dx[i], false);
    }
    free(p.dw);
    free(p.dw_m);
    free(p.dx_m);
}

/* What backward adds to gradients, and the gradients of the inputs (made here). */
void expect_backward(graph *g, node *n, const float *dy, est *dx[2])
{
    const size_t count = count_of(&n->out);
    kept *k = &n->kept;
    quant *q = &n->q[OUTPUT], *inner = &n->q[INNER];
    est *d = ests(count);
    for (size_t i = 0; i < count; i++) {
        d[i] = exact((double)dy[i]);
        if (q->there) {
            const size_t c = q->channels > 1 ? channel_at(&n->out, i) : 0;
            const grid of = grid_of(q, c, false);
            d[i] = quantize_gradient(
                q, c, &of, k->a[i], d[i], of.low == 0 && n->activation != NNCF_ACTIVATION_NONE);
        }
        d[i] = activate_gradient(n, k->v[i], d[i]);
        if (n->kind == ADD && inner->there) {
            const size_t c = inner->channels > 1 ? channel_at(&n->out, i) : 0;
            const grid of = grid_of(inner, c, false);
            d[i] = quantize_gradient(inner, c, &of, k->z[i], d[i], false);
        }
    }
    for (int i = 0; i < n->n_in; i++)
        dx[i] = ests(count_of(&n->in));
    if (n->kind == ADD) {
        for (int i = 0; i < 2; i++)
            memcpy(dx[i], d, count * sizeof *d);
    } else if (n->kind == POOL) {
        pool(n, d, dx[0]);
    } else {
        if (n->has_norm)
            normalize_backward(n, d);
        product_backward(g, n, d, dx[0]);
    }
    free(d);
}

/* ---- gradients that were added to ---- */

static void check_array(
    graph *g, const char *what, const node *n, const float *got, const est *expected, size_t count)
{
    for (size_t i = 0; got && expected && i < count; i++)
        check_est(g->world, what, n, i, (double)got[i], expected[i]);
}

void check_gradients(graph *g, const char *when)
{
    static const char *const places[] = {"weight", "input", "output", "inner"};
    char what[96];
    (void)when;
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        check_array(g, "weight gradient", n, n->dw, n->e_dw, n->n_weight);
        check_array(g, "bias gradient", n, n->db, n->e_db, n->n_channels);
        check_array(g, "gamma gradient", n, n->dgamma, n->e_dgamma, n->n_channels);
        check_array(g, "beta gradient", n, n->dbeta, n->e_dbeta, n->n_channels);
        check_array(g, "logit gradient", n, n->mask == MASK_RB ? n->logit.grad : NULL, n->e_logit,
            n->n_weight);
        for (int p = 0; p < PLACES; p++) {
            quant *q = &n->q[p];
            if (!q->there)
                continue;
            snprintf(what, sizeof what, "gradient of the %s's %s", places[p],
                q->asymmetric ? "low" : "scale");
            check_array(g, what, n, q->first.grad, q->gradient[0], q->channels);
            snprintf(what, sizeof what, "gradient of the %s's range", places[p]);
            if (q->asymmetric)
                check_array(g, what, n, q->second.grad, q->gradient[1], q->channels);
        }
    }
}

static void clear(void *p, size_t n_bytes)
{
    if (p)
        memset(p, 0, n_bytes);
}

void clear_gradients(graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        node *n = &g->nodes[i];
        clear(n->dw, n->n_weight * sizeof(float));
        clear(n->db, n->n_channels * sizeof(float));
        clear(n->dgamma, n->n_channels * sizeof(float));
        clear(n->dbeta, n->n_channels * sizeof(float));
        clear(n->e_dw, n->n_weight * sizeof(est));
        clear(n->e_db, n->n_channels * sizeof(est));
        clear(n->e_dgamma, n->n_channels * sizeof(est));
        clear(n->e_dbeta, n->n_channels * sizeof(est));
        clear(n->e_logit, n->n_weight * sizeof(est));
        for (int p = 0; p < PLACES; p++)
            for (int j = 0; n->q[p].there && j < 2; j++)
                clear(n->q[p].gradient[j], n->q[p].channels * sizeof(est));
    }
    if (g->ctrl)
        CHECK(g->world, nncf_compression_ctrl_zero_grad(g->ctrl, NULL) == NNCF_OK, "zero_grad");
}
