/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a weight through mask and quantizer and back, against plain loops: every algorithm,
 * several sizes, the same bits for any number of threads. */
#include "controller/ctrl.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/rb.h"
#include "support/fixture.h"
#include "support/require.h"

#include <stdbool.h>

#define RB        "{\"algorithm\": \"rb_sparsity\"}"
#define MAGNITUDE "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"sparsity_init\": 0.4}}"
#define INT8      "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}}"
#define INT4_PC                                                                                    \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}, \"weights\": "    \
    "{\"bits\": 4, "                                                                               \
    "\"per_channel\": true}}"
#define ASYM_PC                                                                                    \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}, \"weights\": "    \
    "{\"mode\": "                                                                                  \
    "\"asymmetric\", \"per_channel\": true}}"
static const char *const algorithms[] = {RB, MAGNITUDE, INT8, INT4_PC, ASYM_PC, RB ", " INT8,
    INT8 ", " RB, /* the order in the config does not matter */
    RB ", " INT4_PC, MAGNITUDE ", " INT8, MAGNITUDE ", " INT4_PC};
static const int64_t sizes[][3] = {
    {5, 3, 3}, {1, 1, 1}, {7, 1, 3}, {33, 65, 3}, {600, 90, 1}, {3, 1500, 1}};
enum {
    N_ALGORITHMS = sizeof algorithms / sizeof *algorithms,
    N_SIZES = sizeof sizes / sizeof *sizes
};

typedef struct result {
    float *w, *dw, *ds, range_grad[600];
} result;

/* The mask of this step as 0 and 1, from the rows and the noise key alone. */
static void naive_mask(
    const nncf_compression_ctrl *ctrl, const nncf_layer *layer, float *u, float *mask)
{
    const nncf__layer_compression *c = &ctrl->layers[0];
    const nncf__kernels *k = nncf__kernels_get(NNCF_ISA_REFERENCE);
    size_t n = layer->weight_count;
    for (size_t i = 0; i < n; i++)
        mask[i] = 1;
    if (c->mask_kind == NNCF__MASK_RB) {
        k->philox_uniform(n, 0, nncf__rb_noise_key(layer), (uint64_t)ctrl->step, u);
        k->rb_forward(n, mask, c->logit, u, mask);
    }
    for (size_t i = 0; c->bits && i < n; i++)
        mask[i] = (float)((c->bits[i / 8] >> (i % 8)) & 1);
}

/* One convolution's weight under an algorithm: what the library made of it, and what loops say. */
typedef struct way {
    const char *config;
    fx_context c;
    nncf_model *model;
    fx_layer l;
    nncf_compression_ctrl *ctrl;
    const nncf__layer_compression *of;
    nncf__quantizer *q;
    /* elements, and those of them in a channel of the quantizer */
    size_t n, run;
    /* gradient, noise, mask; the masked weight and what it must become; the library's */
    float *g, *u, *mask, *masked, *want, *out;
    /* -1, 0, 1: below, inside, above the range */
    int8_t *side;
} way;

static void way_open(way *w, const char *config, const int64_t size[3], int32_t threads)
{
    char text[512];
    *w = (way){.config = config};
    fx_open(&w->c, threads, 77);
    ck_assert_int_eq(nncf_model_create(w->c.context, &w->model, NULL), NNCF_OK);
    w->l = fx_add_conv(w->model, "Net/Conv2d[a]", size[0], size[1], (int32_t)size[2], NULL, NULL);
    snprintf(text, sizeof text, "{\"compression\": [%s]}", config);
    w->ctrl = fx_ctrl(w->model, text);
    w->of = &w->ctrl->layers[0];
    w->q = w->of->weight_quantizer;
    w->n = w->l.count;
    w->run = w->q ? w->n / w->q->channels : w->n;
    float **arrays[] = {&w->g, &w->u, &w->mask, &w->masked, &w->want, &w->out};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = fx_alloc(w->n, sizeof(float));
    w->side = fx_alloc(w->n, 1);
    fx_fill_from(w->g, w->n, 5);
    if (w->of->logit) {
        fx_fill_from(w->of->logit, w->n, 9);
        nncf_compression_ctrl_step(w->ctrl, NULL);
    }
    for (size_t i = 0; w->q && i < w->q->channels; i++)
        w->q->bound[i] *= 0.7f; /* so that something is clipped */
    memset(w->l.weight_grad, 0, w->n * sizeof(float));
}

static void way_close(way *w)
{
    void *all[] = {w->g, w->u, w->mask, w->masked, w->want, w->out, w->side};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    nncf_compression_ctrl_destroy(w->ctrl);
    nncf_model_destroy(w->model);
    fx_layer_free(&w->l);
    fx_close(&w->c);
}

/* Forward twice, which must give the same, and backward. */
static void way_run(way *w)
{
    float *again = fx_alloc(w->n, sizeof *again);
    ck_assert_int_eq(nncf_layer_compress_weight(w->l.layer, w->out, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(w->l.layer, again, NULL), NNCF_OK);
    ck_assert_int_eq(memcmp(w->out, again, w->n * sizeof *again), 0);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(w->l.layer, w->g, NULL), NNCF_OK);
    free(again);
}

/* Mask, then quantize: plain loops. */
static void way_expect(way *w)
{
    naive_mask(w->ctrl, w->l.layer, w->u, w->mask);
    for (size_t i = 0; i < w->n; i++) {
        const float x = w->mask[i] != 0 ? w->l.weight[i] : 0;
        w->masked[i] = w->want[i] = x;
        if (w->q) {
            const nncf__fq *fq = &w->q->fq[i / w->run];
            w->want[i] = fminf(fmaxf(rintf(x / fq->scale), fq->low), fq->high) * fq->scale;
            w->side[i] = x > fq->x_high ? 1 : x < fq->x_low ? -1 : 0;
        }
    }
}

static void check_weight(const way *w)
{
    int64_t clipped = 0;
    for (size_t i = 0; i < w->n; i++) {
        REQUIRE(w->out[i] == w->want[i], "%s %zu: %g, want %g", w->config, i, (double)w->out[i],
            (double)w->want[i]);
        clipped += w->side[i] != 0;
    }
    if (w->q)
        ck_assert_int_eq(w->q->clipped, clipped);
}

static void check_weight_gradient(const way *w)
{
    for (size_t i = 0; i < w->n; i++) {
        const float want = w->side[i] ? 0 : w->g[i] * w->mask[i];
        REQUIRE(fabsf(w->l.weight_grad[i] - want) < 1e-7f, "%s: weight gradient %zu: %g", w->config,
            i, (double)w->l.weight_grad[i]);
    }
}

/* t = z' of the sigmoid at logit + noise, from p = sigmoid(logit) and the uniform v. */
static void check_logit_gradient(const way *w)
{
    for (size_t i = 0; w->of->logit && i < w->n; i++) {
        const double p = 1 / (1 + exp(-(double)w->of->logit[i])),
                     v = fmin(fmax((double)w->u[i], 1e-6), 1 - 1e-6), a = p * v,
                     b = (1 - p) * (1 - v), t = a * b / ((a + b) * (a + b));
        const double want = w->side[i] ? 0 : (double)(w->g[i] * w->l.weight[i]) * t;
        REQUIRE(fabs((double)w->of->logit_grad[i] - want) < 2e-6, "%s: logit gradient %zu: %g",
            w->config, i, (double)w->of->logit_grad[i]);
    }
}

/* docs/formulas.md: e inside, the whole gradient above, low / high of it below. */
static void check_range_gradient(const way *w, size_t channel)
{
    const nncf__quantizer *q = w->q;
    const nncf__fq *fq = &q->fq[channel];
    const double tolerance = 1e-5 * fmax(1, sqrt((double)(w->run * (channel + 1))));
    double inside = 0, above = 0, below = 0;
    for (size_t i = channel * w->run; i < (channel + 1) * w->run; i++) {
        inside += w->side[i] == 0 ? (double)w->g[i] * (double)(w->want[i] - w->masked[i]) : 0;
        above += w->side[i] > 0 ? (double)w->g[i] : 0;
        below += w->side[i] < 0 ? (double)w->g[i] : 0;
    }
    inside = inside / (double)(fq->high - fq->low) / (double)fq->scale;
    if (q->length) {
        ck_assert_double_eq_tol((double)q->length_grad[channel], inside + above, tolerance);
        ck_assert_double_eq_tol((double)q->bound_grad[channel], above + below, tolerance);
    } else {
        const double want = inside + above + below * (double)(fq->low / fq->high);
        ck_assert_double_eq_tol((double)q->bound_grad[channel], want, tolerance);
    }
}

/* For the comparison between thread counts. */
static void way_keep(const way *w, result *keep)
{
    const size_t bytes = w->n * sizeof(float);
    keep->w = fx_alloc(w->n, sizeof(float));
    keep->dw = fx_alloc(w->n, sizeof(float));
    keep->ds = fx_alloc(w->n, sizeof(float));
    memcpy(keep->w, w->out, bytes);
    memcpy(keep->dw, w->l.weight_grad, bytes);
    if (w->of->logit)
        memcpy(keep->ds, w->of->logit_grad, bytes);
    memset(keep->range_grad, 0, sizeof keep->range_grad);
    if (w->q)
        memcpy(keep->range_grad, w->q->bound_grad, w->q->channels * sizeof(float));
}

static void check_way(const char *config, const int64_t size[3], int32_t threads, result *keep)
{
    way w;
    way_open(&w, config, size, threads);
    way_run(&w);
    way_expect(&w);
    check_weight(&w);
    check_weight_gradient(&w);
    check_logit_gradient(&w);
    for (size_t c = 0; w.q && c < w.q->channels; c++)
        check_range_gradient(&w, c);
    way_keep(&w, keep);
    way_close(&w);
}

static void result_free(result *r)
{
    free(r->w);
    free(r->dw);
    free(r->ds);
}

/* _i: algorithms, then sizes. */
START_TEST(compressed_weight_equals_plain_loops)
{
    const char *config = algorithms[(size_t)_i % N_ALGORITHMS];
    const int64_t *size = sizes[(size_t)_i / N_ALGORITHMS];
    const size_t bytes = (size_t)(size[0] * size[1] * size[2] * size[2]) * sizeof(float);
    result one, more;
    check_way(config, size, 1, &one);
    for (int32_t threads = 2; threads <= 4; threads += 2) {
        check_way(config, size, threads, &more);
        ck_assert_int_eq(memcmp(one.w, more.w, bytes), 0);
        ck_assert_int_eq(memcmp(one.dw, more.dw, bytes), 0);
        ck_assert_int_eq(memcmp(one.ds, more.ds, bytes), 0);
        ck_assert_int_eq(memcmp(one.range_grad, more.range_grad, sizeof one.range_grad), 0);
        result_free(&more);
    }
    result_free(&one);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("compressed_weight");
    TCase *tests = fx_case(suite, "compressed_weight", 120);
    tcase_add_loop_test(
        tests, compressed_weight_equals_plain_loops, 0, (int)(N_SIZES * N_ALGORITHMS));
    return fx_main(suite);
}
