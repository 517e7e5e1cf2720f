/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the rows compute, against things that are not of this library: NNCF's own outputs
 * (tests/golden), libm, known answers of Philox, central differences, hand-made tables. At every
 * level that this machine has.
 */
#include "kernel_check.h"
#include "kernels/philox.h"
#include "kernels/sigmoid.h"
#include "support/golden.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_N 512

static const nncf__kernels *k; /* the level of this loop iteration */

/* Loop tests run over the ISAs that the machine has. */
static void use_level(int isa)
{
    k = nncf__kernels_get(isa);
    ck_assert_ptr_nonnull(k);
}

/* ---- golden files ---- */

static size_t floats(json_object *tensor, float *out)
{
    return fx_floats_into(tensor, out, MAX_N);
}

/* ---- fake-quantize against NNCF ---- */

/* A tensor seen as outer x channels x inner. */
static void split_shape(json_object *fq_case, size_t channels, size_t *outer, size_t *inner)
{
    json_object *shape = fx_member(fx_member(fq_case, "x"), "shape");
    int dim = channels > 1 ? json_object_get_int(fx_member(fq_case, "channel_dim")) : -1;
    *outer = *inner = 1;
    for (int d = 0; d < (int)json_object_array_length(shape); d++) {
        size_t length = (size_t)json_object_get_int(json_object_array_get_idx(shape, (size_t)d));
        if (d < dim)
            *outer *= length;
        else if (d > dim)
            *inner *= length;
    }
}

typedef struct fq_golden {
    size_t n, outer, channels, inner;
    /* of all cases: elements, those next to a tie and at an end of the range, and those of them
     * that went the other way than NNCF's */
    size_t elements, near_ties, at_ends, moved, moved_ends;
    float x[MAX_N], y[MAX_N], dy[MAX_N], dx[MAX_N], low[MAX_N], range[MAX_N];
    nncf__fq q[8];
    double sums[8][3],
        slack[8]; /* slack: how far ties that went the other way may move sums[c][0] */
} fq_golden;

static void fq_load(json_object *fq_case, const char *low, const char *range, fq_golden *g)
{
    double levels = json_object_get_double(fx_member(fq_case, "levels"));
    g->n = floats(fx_member(fq_case, "x"), g->x);
    floats(fx_member(fq_case, "y"), g->y);
    floats(fx_member(fq_case, "grad_out"), g->dy);
    floats(fx_member(fq_case, "grad_x"), g->dx);
    g->channels = floats(fx_member(fq_case, low), g->low);
    floats(fx_member(fq_case, range), g->range);
    ck_assert_uint_le(g->channels, 8);
    split_shape(fq_case, g->channels, &g->outer, &g->inner);
    ck_assert_uint_eq(g->outer * g->channels * g->inner, g->n);
    for (size_t c = 0; c < g->channels; c++) {
        double step = (double)g->range[c] / (levels - 1), first = rint((double)g->low[c] / step);
        g->q[c].scale = (float)step;
        g->q[c].low = (float)first;
        g->q[c].high = (float)(first + levels - 1);
        g->q[c].x_low = g->q[c].low * g->q[c].scale;
        g->q[c].x_high = g->q[c].high * g->q[c].scale;
        memset(g->sums[c], 0, sizeof g->sums[c]);
        g->slack[c] = 0;
    }
}

/* The rule of agreement: 2e-6 of the range; within 1e-5 of a tie one step; at an end of the range
 * either side of it. */
static void fq_check_element(
    fq_golden *g, size_t i, const nncf__fq *q, double *slack, float y, float dx)
{
    double x = (double)g->x[i], ratio = x / (double)q->scale,
           range = (double)(q->x_high - q->x_low);
    double difference = fabs((double)y - (double)g->y[i]),
           tie = fabs(fabs(ratio - floor(ratio)) - 0.5);
    bool near_tie = tie < 1e-5 * fmax(1.0, fabs(ratio) / 16),
         is_edge = fabs(x - (double)q->x_low) < 2e-6 * range ||
        fabs(x - (double)q->x_high) < 2e-6 * range;
    g->near_ties += near_tie;
    g->at_ends += is_edge;
    if (near_tie && difference > 2e-6 * range) {
        g->moved++;
        *slack += fabs((double)g->dy[i] * (double)q->scale);
        difference -= (double)q->scale;
    }
    ck_assert_msg(difference <= 2e-6 * range, "%s: fq(%.9g) = %.9g, NNCF %.9g", k->name, x,
        (double)y, (double)g->y[i]);
    if (is_edge) {
        *slack += fabs((double)g->dy[i]) * range;
        g->moved_ends += dx != g->dx[i];
    } else
        ck_assert_msg(dx == g->dx[i], "%s: gradient at %.9g is %.9g, NNCF %.9g", k->name, x,
            (double)dx, (double)g->dx[i]);
}

static void fq_run(fq_golden *g)
{
    float y[MAX_N], dx[MAX_N];
    g->elements += g->n;
    for (size_t o = 0; o < g->outer; o++)
        for (size_t c = 0; c < g->channels; c++) {
            size_t at = (o * g->channels + c) * g->inner;
            int64_t outside = 0;
            for (size_t i = at; i < at + g->inner; i++)
                outside += g->x[i] < g->q[c].x_low || g->x[i] > g->q[c].x_high;
            ck_assert_int_eq(k->fq_forward(g->inner, g->x + at, y + at, &g->q[c]), outside);
            k->fq_backward(g->inner, g->x + at, g->dy + at, dx + at, &g->q[c], g->sums[c]);
            for (size_t i = at; i < at + g->inner; i++)
                fq_check_element(g, i, &g->q[c], &g->slack[c], y[i], dx[i]);
        }
}

/* NNCF's last bits and ours are no better than each other: half of the elements that may go either
 * way do, at the most. Sums of coins, five standard deviations. */
static void fq_excused_are_few(const fq_golden *g)
{
    ck_assert(g->near_ties < g->elements / 2 && g->at_ends < g->elements / 4);
    ck_assert_uint_le(g->moved, g->near_ties / 2 + (size_t)(2.5 * sqrt((double)g->near_ties)));
    ck_assert_uint_le(g->moved_ends, g->at_ends / 2 + (size_t)(2.5 * sqrt((double)g->at_ends)));
}

static void check_gradient(const char *what, double got, double want, double slack, double scale)
{
    ck_assert_msg(fabs(got - want) <= slack + 1e-5 * scale, "%s: %s = %.9g, NNCF %.9g", k->name,
        what, got, want);
}

START_TEST(symmetric_fake_quantize_agrees_with_nncf)
{
    use_level(_i);
    static fq_golden g;
    json_object *root = fx_golden("fake_quant_sym.json"), *cases = fx_member(root, "cases");
    ck_assert_uint_ge(json_object_array_length(cases), 30);
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        float scale[MAX_N];
        double want[MAX_N],
            alpha = json_object_get_double(fx_member(c, "level_low")) /
            json_object_get_double(fx_member(c, "level_high"));
        fq_load(c, "input_low", "input_range", &g);
        floats(fx_member(c, "scale"), scale);
        fx_doubles_into(fx_member(c, "grad_scale_f64sum"), want, MAX_N);
        fq_run(&g);
        for (size_t ch = 0; ch < g.channels; ch++) {
            double range = (double)g.range[ch], sign = scale[ch] < 0 ? -1 : 1;
            double got = sign * (g.sums[ch][0] / range + g.sums[ch][1] + alpha * g.sums[ch][2]);
            check_gradient("grad_scale", got, want[ch], g.slack[ch] / range, 1 + fabs(want[ch]));
        }
    }
    fq_excused_are_few(&g);
    json_object_put(root);
}
END_TEST

START_TEST(asymmetric_fake_quantize_agrees_with_nncf)
{
    use_level(_i);
    static fq_golden g;
    json_object *root = fx_golden("fake_quant_asym.json"), *cases = fx_member(root, "cases");
    int off_grid = 0;
    ck_assert_uint_ge(json_object_array_length(cases), 24);
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        float input_range[MAX_N];
        double want_low[MAX_N], want_range[MAX_N];
        fq_load(c, "tuned_low", "tuned_range", &g);
        if (fabs((double)g.low[0] / (double)g.q[0].scale - (double)g.q[0].low) > 1e-4) {
            off_grid++; /* NNCF's tuning left zero between two codes: a grid that ours never makes
                         */
            continue;
        }
        floats(fx_member(c, "input_range"), input_range);
        fx_doubles_into(fx_member(c, "grad_input_low_f64sum"), want_low, MAX_N);
        fx_doubles_into(fx_member(c, "grad_input_range_f64sum"), want_range, MAX_N);
        fq_run(&g);
        for (size_t ch = 0; ch < g.channels; ch++) {
            double range = (double)g.range[ch], sign = input_range[ch] < 0 ? -1 : 1,
                   slack = g.slack[ch] / range;
            check_gradient("grad_low", g.sums[ch][1] + g.sums[ch][2], want_low[ch], slack,
                1 + fabs(want_low[ch]));
            check_gradient("grad_range", sign * (g.sums[ch][0] / range + g.sums[ch][1]),
                want_range[ch], slack, 1 + fabs(want_range[ch]));
        }
    }
    ck_assert_int_eq(off_grid, 5);
    fq_excused_are_few(&g);
    json_object_put(root);
}
END_TEST

/* Ties to even, ends of the range, NaN, infinities, zeros. */
START_TEST(fake_quantize_handles_ties_ends_and_nan)
{
    use_level(_i);
    nncf__fq q = {0.5f, -4, 3, -2.0f, 1.5f};
    const float x[] = {0.25f, 0.75f, -0.25f, -0.75f, 1.25f, 1.5f, 1.5000001f, -2.0f, -2.2f, 9.0f,
        0.0f, -0.0f, -INFINITY, INFINITY, NAN, 1e-45f};
    const float want[] = {0.0f, 1.0f, 0.0f, -1.0f, 1.0f, 1.5f, 1.5f, -2.0f, -2.0f, 1.5f, 0.0f, 0.0f,
        -2.0f, 1.5f, NAN, 0.0f};
    const float pass[] = {1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0, 0, 1, 1};
    float y[16], dx[16], dy[16];
    double sums[3] = {0, 10, 20};
    ck_assert_int_eq(k->fq_forward(16, x, y, &q), 5);
    for (int i = 0; i < 16; i++) {
        ck_assert(
            i == 14 ? isnan(y[i]) != 0 : (y[i] == want[i] && signbit(y[i]) == signbit(want[i])));
        dy[i] = (float)(i + 1);
    }
    k->fq_backward(14, x, dy, dx, &q, sums);
    for (int i = 0; i < 14; i++)
        ck_assert(dx[i] == pass[i] * dy[i]);
    ck_assert_double_eq_tol(sums[0], -0.25 * 1 + 0.25 * 2 + 0.25 * 3 - 0.25 * 4 - 0.25 * 5, 1e-12);
    ck_assert_double_eq(sums[1], 10 + 7 + 10 + 14);
    ck_assert_double_eq(sums[2], 20 + 9 + 13);
}
END_TEST

/* ---- RB sparsity against NNCF ---- */

/* Ours against the formula in double, u clamped as a float is; NNCF's sigmoid(z) * (1 - sigmoid(z))
 * in float has lost digits to cancellation, up to 1.2e-7 of 1. */
static void rb_check_logit_gradient(float got, float nncf, double s, float u, double gw)
{
    double v = fmin(fmax((double)u, (double)1e-6f), (double)(1 - 1e-6f)), z = s + log(v / (1 - v));
    double e = exp(-fabs(z)), want = gw * e / ((1 + e) * (1 + e));
    ck_assert_msg(fabs((double)got - want) <= 2e-6 * fabs(want) + 1e-37,
        "%s: logit gradient %.9g, formula %.9g", k->name, (double)got, want);
    ck_assert_msg(fabs((double)got - (double)nncf) <= 1e-5 * fabs((double)nncf) + 1.3e-7 * fabs(gw),
        "%s: logit gradient %.9g, NNCF %.9g", k->name, (double)got, (double)nncf);
}

static void rb_check(json_object *c)
{
    float s[MAX_N], u[MAX_N], w[MAX_N], g[MAX_N], want_y[MAX_N], want_dw[MAX_N], want_ds[MAX_N];
    float y[MAX_N], dw[MAX_N] = {0}, ds[MAX_N] = {0};
    json_object *uniform = NULL;
    bool noise = json_object_object_get_ex(c, "uniform", &uniform) && uniform;
    size_t n = floats(fx_member(c, "mask_logit"), s), compared = 0;
    floats(fx_member(c, "weight"), w);
    floats(fx_member(c, "y"), want_y);
    for (size_t i = 0; i < n; i++)
        u[i] = 0.5f; /* logit(0.5) = 0: no noise */
    if (noise) {
        floats(uniform, u);
        k->rb_forward(n, w, s, u, y);
    } else {
        k->rb_forward_eval(n, w, s, y);
    }
    bool gradients = json_object_object_get_ex(c, "grad_out", NULL);
    if (gradients) {
        floats(fx_member(c, "grad_out"), g);
        floats(fx_member(c, "grad_weight"), want_dw);
        floats(fx_member(c, "grad_mask_logit"), want_ds);
        k->rb_backward(n, g, w, s, u, dw, ds);
    }
    for (size_t i = 0; i < n; i++) {
        double v = fmin(fmax((double)u[i], 1e-6), 1 - 1e-6), z = (double)s[i] + log(v / (1 - v));
        if (gradients)
            rb_check_logit_gradient(
                ds[i], want_ds[i], (double)s[i], u[i], (double)g[i] * (double)w[i]);
        if (fabs(z) < 1e-6)
            continue;
        compared++;
        ck_assert_msg(y[i] == want_y[i] && (y[i] != 0.0f || !signbit(y[i])),
            "%s: y[%zu] = %.9g, NNCF %.9g", k->name, i, (double)y[i], (double)want_y[i]);
        if (gradients)
            ck_assert_msg(dw[i] == want_dw[i], "%s: weight gradient [%zu]", k->name, i);
    }
    ck_assert_uint_ge(compared + 4, n);
}

static void rb_check_loss(json_object *c)
{
    json_object *layers = fx_member(c, "mask_logits"), *grads = fx_member(c, "grads");
    size_t n_layers = json_object_array_length(layers), total = 0;
    static float s[16][MAX_N];
    size_t n[16];
    double sums[2] = {0, 0};
    ck_assert_uint_le(n_layers, 16);
    for (size_t l = 0; l < n_layers; l++) {
        n[l] = floats(json_object_array_get_idx(layers, l), s[l]);
        k->rb_count(n[l], s[l], sums);
        total += n[l];
    }
    double density = sums[0] / (double)total, p = json_object_get_double(fx_member(c, "p")),
           off = density - json_object_get_double(fx_member(c, "target"));
    ck_assert_double_eq_tol(
        1 - density, json_object_get_double(fx_member(c, "current_sparsity")), 1e-6);
    ck_assert_double_eq_tol(
        sums[1] / (double)total, json_object_get_double(fx_member(c, "mean_sparse_prob")), 1e-6);
    ck_assert_double_eq_tol(off / p * off / p, json_object_get_double(fx_member(c, "loss")),
        2e-6 * json_object_get_double(fx_member(c, "loss")));
    for (size_t l = 0; l < n_layers; l++) {
        float want[MAX_N], ds[MAX_N] = {0};
        ck_assert_uint_eq(floats(json_object_array_get_idx(grads, l), want), n[l]);
        double factor = 2 * off / p / p / (double)total;
        k->rb_loss_backward(n[l], s[l], (float)factor, ds);
        for (size_t i = 0; i < n[l]; i++)
            ck_assert_msg(fabs((double)ds[i] - (double)want[i]) <=
                    1e-5 * fabs((double)want[i]) + 1.3e-7 * fabs(factor),
                "%s: loss gradient [%zu] = %.9g, NNCF %.9g", k->name, i, (double)ds[i],
                (double)want[i]);
    }
}

START_TEST(rb_sparsity_agrees_with_nncf)
{
    use_level(_i);
    json_object *root = fx_golden("rb.json"), *cases = fx_member(root, "cases");
    int forward = 0, loss = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        const char *kind = json_object_get_string(fx_member(c, "kind"));
        if (strncmp(kind, "forward", 7) == 0) {
            rb_check(c);
            forward++;
        } else if (strcmp(kind, "loss") == 0) {
            rb_check_loss(c);
            loss++;
        }
    }
    ck_assert_int_eq(forward, 6);
    ck_assert_int_eq(loss, 4);
    json_object_put(root);
}
END_TEST

/* The share of kept weights is sigmoid(s), the logit's probability. */
START_TEST(rb_keeps_the_right_share)
{
    use_level(_i);
    enum { N = 100000 };
    float *u = malloc(N * sizeof *u), *s = malloc(N * sizeof *s), *w = malloc(N * sizeof *w),
          *y = malloc(N * sizeof *y);
    ck_assert(u && s && w && y);
    for (float logit = -4; logit <= 4; logit += 1) {
        double kept = 0, p = 1 / (1 + exp(-(double)logit));
        k->philox_uniform(N, 0, 42, (uint64_t)(logit + 10), u);
        for (size_t i = 0; i < N; i++) {
            s[i] = logit;
            w[i] = 1;
        }
        k->rb_forward(N, w, s, u, y);
        for (size_t i = 0; i < N; i++)
            kept += (double)y[i];
        ck_assert_msg(fabs(kept / N - p) < 5 * sqrt(p * (1 - p) / N), "%s: %g kept, p = %g",
            k->name, kept / N, p);
    }
    free(u);
    free(s);
    free(w);
    free(y);
}
END_TEST

/* ---- sigmoid ---- */

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double ulp(double x)
{
    float f = (float)x;
    return (double)nextafterf(f, INFINITY) - (double)f;
}

START_TEST(sigmoid_is_within_2_5_ulp_of_libm)
{
    double worst = 0;
    float last = 1.0f;
    for (uint32_t bits = 0; bits < 0x42ae0000u; bits += 389u) { /* 0 .. 87 */
        float x = from_bits(bits), up = nncf__sigmoid(x), down = nncf__sigmoid(-x);
        double e = exp(-(double)x), want = e / (1 + e),
               error = fabs((double)down - want) / ulp(want);
        worst = error > worst ? error : worst;
        error = fabs((double)up - 1 / (1 + e)) / ulp(0.75);
        worst = error > worst ? error : worst;

        if (bits > 0)
            REQUIRE(down <= last, "sigmoid(%a) rises", (double)-x);
        last = down;
        REQUIRE((x > 2e-7f) <= (up > 0.5f) && up >= 0.5f && down <= 0.5f, "sigmoid(%a)", (double)x);
    }
    printf("sigmoid: largest error %.3f ulp\n", worst);
    ck_assert_msg(worst < 2.5, "%g ulp", worst);
    ck_assert(nncf__sigmoid(0.0f) == 0.5f && nncf__sigmoid(-0.0f) == 0.5f);
    ck_assert(nncf__sigmoid(INFINITY) == 1.0f && nncf__sigmoid(-INFINITY) == 0.0f);
    ck_assert(nncf__sigmoid(3e38f) == 1.0f && nncf__sigmoid(-3e38f) == 0.0f &&
        nncf__sigmoid(-88.0f) == 0.0f);
    ck_assert(isnan(nncf__sigmoid(NAN)));
}
END_TEST

/* ---- Philox ---- */

/* Known answers that come with Random123 (Salmon et al., kat_vectors). */
START_TEST(philox_gives_its_known_answers)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } vectors[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
            {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
            {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t v = 0; v < sizeof vectors / sizeof vectors[0]; v++) {
        uint32_t out[4];
        nncf__philox4x32(vectors[v].counter, vectors[v].key, out);
        for (int i = 0; i < 4; i++)
            ck_assert_uint_eq(out[i], vectors[v].want[i]);
    }
}
END_TEST

START_TEST(philox_streams_can_be_cut_anywhere)
{
    use_level(_i);
    enum { N = 40000 };
    static const uint32_t zero[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    static float u[N], part[100];
    k->philox_uniform(N, 0, 0, 0, u);
    for (int i = 0; i < 4; i++)
        ck_assert(u[i] == (float)(zero[i] >> 8) / 16777216.0f);
    /* any piece of the stream on its own; the counter's first word wraps around */
    k->philox_uniform(100, 977, 0, 0, part);
    ck_assert_mem_eq(part, u + 4 * 977, sizeof part);
    k->philox_uniform(100, 0xffffffffu - 4, 0, 0, part);
    ck_assert_mem_eq(part + 20, u, 80 * sizeof part[0]);
    /* the arguments go where the contract says */
    const uint32_t counter[4] = {7, 0, 0x13198a2e, 0x03707344}, key[2] = {0xa4093822, 0x299f31d0};
    uint32_t words[4];
    nncf__philox4x32(counter, key, words);
    k->philox_uniform(4, 7, 0x299f31d0a4093822u, 0x0370734413198a2eu, part);
    for (int i = 0; i < 4; i++)
        ck_assert(part[i] == (float)(words[i] >> 8) / 16777216.0f);
    double mean = 0, square = 0;
    for (int i = 0; i < N; i++) {
        REQUIRE(u[i] >= 0.0f && u[i] < 1.0f, "u = %g", (double)u[i]);
        mean += (double)u[i] / N;
        square += (double)u[i] * (double)u[i] / N;
    }
    ck_assert_double_eq_tol(mean, 0.5, 5 * sqrt(1 / 12.0 / N));
    ck_assert_double_eq_tol(square, 1 / 3.0, 5 * sqrt(4 / 45.0 / N));
}
END_TEST

/* ---- epilogue, batch norm ---- */

enum { PLANE = 61 };

/* Values whose scaled ones keep clear of the kinks at 0 and 6. */
static void plane(float *z, float *dy, float scale, float shift)
{
    for (int i = 0, tries = 0; i < PLANE; tries++) {
        float v = 12.0f * sinf((float)(i * 7 + tries)) * 0.7f + 2.0f, a = v * scale + shift;
        if (fabsf(a) < 0.01f || fabsf(a - 6.0f) < 0.01f)
            continue;
        z[i] = v;
        dy[i] = cosf((float)(3 * i));
        i++;
    }
}

static double relu6(double x)
{
    return x < 0 ? 0 : x > 6 ? 6 : x;
}

/* sum dy * relu6(z * scale + shift) */
static double epilogue_value(const float *z, const float *dy, double scale, double shift)
{
    double sum = 0;
    for (int i = 0; i < PLANE; i++)
        sum += (double)dy[i] * relu6((double)z[i] * scale + shift);
    return sum;
}

START_TEST(epilogue_gradients_equal_central_differences)
{
    use_level(_i);
    float z[PLANE], dy[PLANE], y[PLANE], da[PLANE];
    double sums[5] = {0}, h = 1e-5;
    nncf__epilogue e = {0.8f, 1.3f, 0.0f, 6.0f, NULL};
    plane(z, dy, e.scale, e.shift);
    ck_assert_int_eq(k->epilogue_forward(PLANE, z, y, &e), 0);
    int inside = 0;
    for (int i = 0; i < PLANE; i++) {
        ck_assert_double_eq_tol(
            (double)y[i], relu6((double)z[i] * (double)e.scale + (double)e.shift), 2e-6);
        inside += y[i] > 0.0f && y[i] < 6.0f;
    }
    ck_assert(inside > 10 && inside < PLANE - 10);
    k->epilogue_backward(PLANE, z, dy, da, &e, 0.0f, 1.0f,
        sums); /* mean 0, inv_std 1: [4] is the scale's gradient */
    double scale = (double)e.scale, shift = (double)e.shift;
    double by_shift =
        epilogue_value(z, dy, scale, shift + h) - epilogue_value(z, dy, scale, shift - h);
    double by_scale =
        epilogue_value(z, dy, scale + h, shift) - epilogue_value(z, dy, scale - h, shift);
    ck_assert_double_eq_tol(sums[3], by_shift / (2 * h), 1e-5);
    ck_assert_double_eq_tol(sums[4], by_scale / (2 * h), 1e-5);
    ck_assert(sums[0] == 0 && sums[1] == 0 && sums[2] == 0);
    /* with a mean and a deviation: the same terms, shifted and scaled */
    double again[5] = {0};
    k->epilogue_backward(PLANE, z, dy, da, &e, 2.0f, 0.25f, again);
    ck_assert_double_eq_tol(again[4], (sums[4] - 2 * sums[3]) * 0.25, 1e-5);
}
END_TEST

/* With a quantizer the sums are those of fq_backward on the activation, and the gradient passes
 * where both pass. */
START_TEST(epilogue_is_its_parts)
{
    use_level(_i);
    float z[PLANE], dy[PLANE], y[PLANE], da[PLANE], a[PLANE], parts[PLANE];
    double sums[5] = {0}, want[3] = {0}, add_sums[3] = {0};
    nncf__fq q = {5.0f / 255.0f, 0, 255, 0.0f, 255 * (5.0f / 255.0f)};
    nncf__epilogue e = {0.8f, 1.3f, 0.0f, 6.0f, &q};
    plane(z, dy, e.scale, e.shift);
    for (int i = 0; i < PLANE; i++)
        a[i] = fminf(fmaxf(z[i] * e.scale + e.shift, 0.0f), 6.0f);
    int64_t outside = k->fq_forward(PLANE, a, parts, &q);
    ck_assert_int_gt(outside, 5);
    ck_assert_int_eq(k->epilogue_forward(PLANE, z, y, &e), outside);
    ck_assert_mem_eq(y, parts, sizeof y);
    k->fq_backward(PLANE, a, dy, parts, &q, want);
    k->epilogue_backward(PLANE, z, dy, da, &e, 0.0f, 1.0f, sums);
    ck_assert_mem_eq(sums, want, sizeof want);
    double total = 0;
    for (int i = 0; i < PLANE; i++) {
        float v = z[i] * e.scale + e.shift;
        ck_assert(da[i] == (v > 0.0f && v < 6.0f ? parts[i] : 0.0f));
        total += (double)da[i];
    }
    ck_assert_double_eq_tol(sums[3], total, 1e-12);
    /* the sum's rows: z split in two, scale and shift not looked at */
    float left[PLANE], right[PLANE], two[PLANE];
    nncf__epilogue plain = {1.0f, 0.0f, 0.0f, 6.0f, &q};
    for (int i = 0; i < PLANE; i++) {
        left[i] = z[i] - 1.5f;
        right[i] = 1.5f;
        z[i] = left[i] + right[i];
    }
    outside = k->epilogue_forward(PLANE, z, y, &plain);
    ck_assert_int_eq(k->add_forward(PLANE, left, right, two, &e), outside);
    ck_assert_mem_eq(two, y, sizeof y);
    memset(sums, 0, sizeof sums);
    k->epilogue_backward(PLANE, z, dy, da, &plain, 0.0f, 1.0f, sums);
    k->add_backward(PLANE, left, right, dy, two, &e, add_sums);
    ck_assert_mem_eq(two, da, sizeof da);
    ck_assert_mem_eq(add_sums, sums, sizeof add_sums);
}
END_TEST

/* No activation: everything passes, infinities too. relu: strictly above 0. */
/* Codes of 8 bits with and without a sign, of 2 bits, and with a zero point: what they stand for
 * are the floats of the rows that write floats, bit for bit; the highest code stands for a NaN. */
START_TEST(codes_are_the_floats)
{
    enum { N = 301 };
    static const struct {
        float step, low, high, zero;
        uint32_t flip;
    } table[] = {{0.031f, -128, 127, 0, 0x80}, {0.0235f, 0, 255, 0, 0}, {0.7f, 0, 3, 0, 0},
        {0.019f, -100, 155, 100, 0}};
    static float a[N], b[N], y[N], value[N];
    static uint8_t code[N];
    use_level(_i);
    for (size_t t = 0; t < sizeof table / sizeof table[0]; t++) {
        nncf__fq q = {table[t].step, table[t].low, table[t].high, table[t].low * table[t].step,
            table[t].high * table[t].step};
        nncf__epilogue e = {0.9f, -0.03f, t == 1 ? 0 : -INFINITY, t == 1 ? 6 : INFINITY, &q};
        nncf__dequant bytes = {
            table[t].zero + (table[t].flip ? 128.0f : 0.0f), q.scale, table[t].flip};
        for (int i = 0; i < N; i++) {
            a[i] = (float)(i - 150) * 0.0531f;
            b[i] = (float)(i * 7 % 13 - 6) * 0.31f;
        }
        ck_assert_int_eq(
            k->epilogue_codes(N, a, code, &e, table[t].zero), k->epilogue_forward(N, a, y, &e));
        k->dequantize(N, code, value, &bytes);
        ck_assert_mem_eq(value, y, sizeof y);
        ck_assert_int_eq(
            k->add_codes(N, a, b, code, &e, table[t].zero), k->add_forward(N, a, b, y, &e));
        k->dequantize(N, code, value, &bytes);
        ck_assert_mem_eq(value, y, sizeof y);
        a[0] = NAN;
        k->epilogue_codes(1, a, code, &e, table[t].zero);
        ck_assert_int_eq(code[0], (uint8_t)(int32_t)(table[t].high + table[t].zero));
    }
}
END_TEST

/* The two halves of a backward give the bits of the two passes that they stand for. */
START_TEST(epilogue_backward_equals_its_halves)
{
    enum { N = 157 };
    static float z[N], dy[N], da[N], dz[N], want[N];
    const nncf__fq q = {6.0f / 255.0f, 0, 255, 0, 6};
    use_level(_i);
    for (int which = 0; which < 4; which++) {
        nncf__epilogue e = {
            1.7f, 0.2f, which % 2 ? 0 : -INFINITY, which % 2 ? 6 : INFINITY, which / 2 ? &q : NULL};
        double sums[5] = {1, 2, 3, 4, 5}, halves[5] = {1, 2, 3, 4, 5};
        for (int i = 0; i < N; i++) {
            z[i] = (float)(i * 31 % N - 60) * 0.07f;
            dy[i] = (float)(i * 17 % 23 - 11) * 0.013f;
        }
        k->epilogue_backward(N, z, dy, da, &e, 0.3f, 0.8f, sums);
        k->batch_norm_backward(N, z, da, want, 1.7f, -0.01f, 0.02f);
        k->epilogue_sums(N, z, dy, &e, 0.3f, 0.8f, halves);
        k->epilogue_dz(N, z, dy, dz, &e, 1.7f, -0.01f, 0.02f);
        ck_assert_mem_eq(halves, sums, sizeof sums);
        ck_assert_mem_eq(dz, want, sizeof dz);
    }
}
END_TEST

START_TEST(activations_pass_gradients_strictly_inside)
{
    use_level(_i);
    const float z[] = {-INFINITY, -1.0f, -0.0f, 0.0f, 1e-45f, 6.0f, 7.0f, INFINITY};
    const float ones[] = {1, 1, 1, 1, 1, 1, 1, 1};
    static const float act[3][2] = {{-INFINITY, INFINITY}, {0, INFINITY}, {0, 6}};
    static const float pass[3][8] = {
        {1, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 1, 1, 1, 0}, {0, 0, 0, 0, 1, 0, 0, 0}};
    for (int i = 0; i < 3; i++) {
        nncf__epilogue e = {1.0f, 0.0f, act[i][0], act[i][1], NULL};
        float da[8];
        double sums[5] = {0};
        k->epilogue_backward(8, z, ones, da, &e, 0.0f, 1.0f, sums);
        ck_assert_mem_eq(da, pass[i], sizeof da);
    }
}
END_TEST

/* sum dy * gamma * (z - mean(z)) / std(z) */
static double batch_norm_value(const double *z, const float *dy, double gamma)
{
    double mean = 0, var = 0, sum = 0;
    for (int i = 0; i < PLANE; i++)
        mean += z[i] / PLANE;
    for (int i = 0; i < PLANE; i++)
        var += (z[i] - mean) * (z[i] - mean) / PLANE;
    for (int i = 0; i < PLANE; i++)
        sum += (double)dy[i] * gamma * (z[i] - mean) / sqrt(var);
    return sum;
}

/* sum_and_squares, epilogue_backward and batch_norm_backward together are batch norm's backward
 * pass. */
START_TEST(batch_norm_gradients_equal_central_differences)
{
    use_level(_i);
    float z[PLANE], dy[PLANE], dz[PLANE], da[PLANE];
    double exact[PLANE], moments[2] = {1, 2}, sums[5] = {0}, gamma = 1.7, h = 1e-4;
    plane(z, dy, 1.0f, 0.0f);
    k->sum_and_squares(PLANE, z, moments);
    double mean = (moments[0] - 1) / PLANE, var = (moments[1] - 2) / PLANE - mean * mean,
           inv_std = 1 / sqrt(var);
    nncf__epilogue none = {1.0f, 0.0f, -INFINITY, INFINITY, NULL};
    k->epilogue_backward(PLANE, z, dy, da, &none, (float)mean, (float)inv_std, sums);
    double k0 = gamma * inv_std, k1 = -k0 * inv_std * sums[4] / PLANE,
           k2 = -k0 * sums[3] / PLANE - k1 * mean;
    k->batch_norm_backward(PLANE, z, da, dz, (float)k0, (float)k1, (float)k2);
    for (int i = 0; i < PLANE; i++)
        exact[i] = (double)z[i];
    for (int i = 0; i < PLANE; i++) {
        exact[i] = (double)z[i] + h;
        double up = batch_norm_value(exact, dy, gamma);
        exact[i] = (double)z[i] - h;
        double slope = (up - batch_norm_value(exact, dy, gamma)) / (2 * h);
        exact[i] = (double)z[i];
        ck_assert_msg(fabs((double)dz[i] - slope) < 1e-6, "%s: dz[%d] = %g, central difference %g",
            k->name, i, (double)dz[i], slope);
    }
}
END_TEST

/* ---- small ones ---- */

START_TEST(min_max_accumulate_and_masks_equal_loops)
{
    use_level(_i);
    float x[40], y[40], range[2] = {0.5f, 0.5f};
    for (int i = 0; i < 40; i++) {
        x[i] = i % 5 ? (float)(i * 13 % 40) - 20.0f : NAN;
        y[i] = (float)i;
    }
    float low = 0.5f, high = 0.5f;
    for (int i = 0; i < 40; i++) {
        low = fminf(low, x[i]);
        high = fmaxf(high, x[i]);
    }
    k->min_max(40, x, range);
    ck_assert(range[0] == low && range[1] == high && low < 0 && high > 10);
    float all_nan[3] = {NAN, NAN, NAN}, empty[2] = {INFINITY, -INFINITY};
    k->min_max(3, all_nan, empty);
    ck_assert(empty[0] == INFINITY && empty[1] == -INFINITY);
    for (int i = 0; i < 40; i++)
        x[i] = (float)(i + 1);
    k->accumulate(40, x, y);
    for (int i = 0; i < 40; i++)
        ck_assert(y[i] == (float)(2 * i + 1));
    const uint8_t bits[5] = {0x01, 0x80, 0xff, 0x00, 0xa5};
    k->mask_forward(40, x, bits, y);
    for (int i = 0; i < 40; i++)
        ck_assert(y[i] == (bits[i / 8] >> i % 8 & 1 ? x[i] : 0.0f));
    k->mask_backward(40, x, bits, y);
    for (int i = 0; i < 40; i++)
        ck_assert(y[i] == (bits[i / 8] >> i % 8 & 1 ? 2 * x[i] : 0.0f));
    /* a masked weight is +0, whatever its sign, NaN and infinity included */
    const float odd[4] = {-1.0f, -INFINITY, NAN, -0.0f}, off[4] = {-5, -5, -5, -5},
                u[4] = {0, 0, 0, 0};
    const uint8_t none = 0;
    float z[3][4];
    k->mask_forward(4, odd, &none, z[0]);
    k->rb_forward_eval(4, odd, off, z[1]);
    k->rb_forward(4, odd, off, u, z[2]);
    const float zeros[4] = {0};
    for (int i = 0; i < 3; i++)
        ck_assert_mem_eq(z[i], zeros, sizeof zeros);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("row values");
    TCase *tc = fx_case(suite, "oracles", 120);
    kc_add_isa_test(tc, symmetric_fake_quantize_agrees_with_nncf, true);
    kc_add_isa_test(tc, asymmetric_fake_quantize_agrees_with_nncf, true);
    kc_add_isa_test(tc, fake_quantize_handles_ties_ends_and_nan, true);
    kc_add_isa_test(tc, rb_sparsity_agrees_with_nncf, true);
    kc_add_isa_test(tc, rb_keeps_the_right_share, true);
    tcase_add_test(tc, sigmoid_is_within_2_5_ulp_of_libm);
    tcase_add_test(tc, philox_gives_its_known_answers);
    kc_add_isa_test(tc, philox_streams_can_be_cut_anywhere, true);
    kc_add_isa_test(tc, epilogue_gradients_equal_central_differences, true);
    kc_add_isa_test(tc, epilogue_is_its_parts, true);
    kc_add_isa_test(tc, codes_are_the_floats, true);
    kc_add_isa_test(tc, epilogue_backward_equals_its_halves, true);
    kc_add_isa_test(tc, activations_pass_gradients_strictly_inside, true);
    kc_add_isa_test(tc, batch_norm_gradients_equal_central_differences, true);
    kc_add_isa_test(tc, min_max_accumulate_and_masks_equal_loops, true);
    return fx_main(suite);
}
