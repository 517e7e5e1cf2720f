/* SPDX-License-Identifier: Apache-2.0 */
/* Formulas of docs/formulas.md in double, with bounds on what float may make of them. */
#include "graph.h"

/* Relative error of a few operations in float. */
#define SLACK 4e-7

void fill_random(sweep_rng *r, float *x, size_t n, double scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * sweep_unit(r));
}

size_t count_of(const shape *s)
{
    return (size_t)(s->d[0] * s->d[1] * s->d[2] * s->d[3]);
}

static void *zeros(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p)
        abort();
    return p;
}

float *floats(size_t n)
{
    return zeros(n, sizeof(float));
}

est *ests(size_t n)
{
    return zeros(n, sizeof(est));
}

est exact(double v)
{
    return (est){v, 0};
}

void add_est(est *sum, est term)
{
    sum->v += term.v;
    sum->t += term.t;
}

est times(est a, est b)
{
    return (est){a.v * b.v, fabs(a.v) * b.t + fabs(b.v) * a.t + a.t * b.t};
}

/* ---- quantizers ---- */

grid grid_of(const quant *q, size_t channel, bool is_weight)
{
    grid g;
    if (!q->asymmetric) {
        bool is_signed = q->sign != 0;
        g.high = (double)((1 << (is_signed ? q->bits - 1 : q->bits)) - 1);
        g.low = !is_signed ? 0 : is_weight ? -g.high : -g.high - 1;
        g.step = (double)(float)((fabs((double)q->first.data[channel]) + 1e-16) / g.high);
        return g;
    }
    double n = (double)((1 << q->bits) - 1), l = (double)q->first.data[channel];
    double h = l + fabs((double)q->second.data[channel]) + 1e-16;
    l = l < 0 ? l : 0;
    h = h > 0 ? h : 0;
    double z = rint(-l * n / (h - l));
    if (z > 0 && z < n) {
        double l1 = z / (z - n) * h, h1 = (z - n) / z * l;
        if (h - l1 > h1 - l)
            l = l1;
        else
            h = h1;
    }
    g.step = (double)(float)((h - l) / n);
    g.low = -z;
    g.high = n - z;
    return g;
}

static double code_of(const grid *g, double x)
{
    double q = rint(x / g->step);
    return q < g->low ? g->low : q > g->high ? g->high : q;
}

est quantize(const grid *g, est x)
{
    double slack = x.t + SLACK * (fabs(x.v) + g->step);
    double q = code_of(g, x.v), low = code_of(g, x.v - slack), high = code_of(g, x.v + slack);
    double y = q * g->step, away = high - q > q - low ? high - q : q - low;
    return (est){y, away * g->step + 2e-7 * fabs(y)};
}

/* -1 below the range, 0 inside, 1 above; *open: it may be otherwise. The ends are products in
 * float. The step of an asymmetric grid is the outcome of several operations, so that its last bit,
 * and with it the side of a value right at an end, is not to be told. */
static int side_of(const quant *q, const grid *g, est x, bool never_below, bool *open)
{
    double low = (double)((float)g->low * (float)g->step),
           high = (double)((float)g->high * (float)g->step);
    double slack = x.t != 0 ? x.t + SLACK * fabs(x.v) : q->asymmetric ? 1.3e-7 * fabs(x.v) : 0;
    *open = slack > 0 && (fabs(x.v - high) <= slack || (!never_below && fabs(x.v - low) <= slack));
    if (never_below && x.v < low)
        return 0;
    return x.v < low ? -1 : x.v > high ? 1 : 0;
}

est quantize_gradient(quant *q, size_t c, const grid *g, est x, est dy, bool never_below)
{
    bool open;
    int side = side_of(q, g, x, never_below, &open);
    double range = (g->high - g->low) * g->step, ratio = g->low / g->high;
    est y = quantize(g, x), e = {0, 0}, outside = {0, 0};
    if (side == 0) {
        e.v = (y.v - x.v) / range;
        e.t = (x.t + y.t + SLACK * fabs(x.v)) / range;
    } else {
        e.v = side > 0 ? 1 : q->asymmetric ? 0 : ratio;
        outside.v = 1;
    }
    if (open) {
        e.t += 1 + (q->asymmetric ? 0 : fabs(ratio));
        outside.t = 1;
    }
    est first = times(dy, q->asymmetric ? outside : e), second = times(dy, e);
    const float turn = q->asymmetric ? q->second.data[c] : q->first.data[c];
    const double sign = turn < 0 ? -1 : 1;
    if (!q->asymmetric)
        first.v *= sign;
    second.v *= sign;
    first.t += 1e-6 * fabs(first.v);
    second.t += 1e-6 * fabs(second.v);
    add_est(&q->gradient[0][c], first);
    if (q->asymmetric)
        add_est(&q->gradient[1][c], second);
    return (est){side == 0 ? dy.v : 0, open ? fabs(dy.v) + dy.t : side == 0 ? dy.t : 0};
}

/* ---- random masks: Philox4x32-10 of Salmon and others, 2011 ---- */

static uint64_t scrambled(uint64_t x) /* splitmix64's step */
{
    sweep_rng r = {x};
    return sweep_bits(&r);
}

double uniform_of(uint64_t seed, uint64_t layer, uint64_t step, uint64_t element)
{
    uint64_t key = scrambled(scrambled(seed) + layer);
    uint32_t k[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    uint32_t x[4] = {(uint32_t)(element / 4), 0, (uint32_t)step, (uint32_t)(step >> 32)};
    for (int i = 0; i < 10; i++) {
        uint64_t a = UINT64_C(0xD2511F53) * x[0], b = UINT64_C(0xCD9E8D57) * x[2];
        uint32_t next[4] = {(uint32_t)(b >> 32) ^ x[1] ^ k[0], (uint32_t)b,
            (uint32_t)(a >> 32) ^ x[3] ^ k[1], (uint32_t)a};
        memcpy(x, next, sizeof x);
        k[0] += 0x9E3779B9u;
        k[1] += 0xBB67AE85u;
    }
    double u = (double)(x[element % 4] >> 8) / 16777216.0;
    return u < 1e-6 ? 1e-6 : u > 1 - 1e-6 ? 1 - 1e-6 : u;
}

/* ---- ranges ---- */

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double middle(const float *sorted, size_t n)
{
    return ((double)sorted[(n - 1) / 2] + (double)sorted[n / 2]) / 2;
}

static double percentile(const float *sorted, size_t n, double percent)
{
    double place = percent / 100 * (double)(n - 1);
    size_t k = (size_t)place;
    double low = (double)sorted[k], high = (double)sorted[k + 1 < n ? k + 1 : k];
    return low + (high - low) * (place - (double)k);
}

/* Range of one batch's values, or of all; sorts them. False: there is none. */
bool range_of(const recipe *r, const char *rule, float *values, size_t n, double range[2])
{
    if (strcmp(rule, "threesigma") == 0) {
        size_t left = 0;
        for (size_t i = 0; i < n; i++)
            if (values[i] != 0)
                values[left++] = values[i];
        n = left;
    }
    if (n == 0)
        return false;
    qsort(values, n, sizeof *values, ascending);
    range[0] = (double)values[0];
    range[1] = (double)values[n - 1];
    if (strstr(rule, "percentile")) {
        range[0] = percentile(values, n, r->min_percentile);
        range[1] = percentile(values, n, r->max_percentile);
    } else if (strcmp(rule, "threesigma") == 0) {
        const double m = middle(values, n);
        for (size_t i = 0; i < n; i++)
            values[i] = (float)fabs((double)values[i] - m);
        qsort(values, n, sizeof *values, ascending);
        const double width = 3 * 1.4826 * middle(values, n);
        range[0] = m - width;
        range[1] = m + width;
    }
    return true;
}

/* ---- comparing ---- */

void hash_bytes(world *w, const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        w->digest = (w->digest ^ p[i]) * UINT64_C(0x100000001b3);
}

void check_est(world *w, const char *what, const node *n, size_t i, double got, est expected)
{
    double away = fabs(got - expected.v),
           most = 1.00001 * expected.t + 1e-6 * fabs(expected.v) + 1e-12;
    CHECK(w, away <= most, "%s of %s [%zu]: %.9g, not %.9g (off by %.3g, bound %.3g)", what,
        n ? n->scope : "the model", i, got, expected.v, away, most);
}
