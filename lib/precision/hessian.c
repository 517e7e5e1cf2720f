/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hutchinson's estimator: docs/formulas.md, "Bit widths". One vector v perturbs all weights at
 * once, as in NNCF; the blocks beside the diagonal add noise without a bias. Signs are bits of
 * Philox, a function of (seed, layer; iteration, element), so nothing but the weights is stored: of
 * gradients only v' g is kept. Each weight is one chunk, so its sums do not depend on threads.
 */
#include "precision/hessian.h"

#include "base/alloc.h"
#include "base/error.h"
#include "base/pool.h"
#include "context/context.h"
#include "graph/layout.h"
#include "graph/model.h"
#include "kernels/philox.h"
#include "sparsity/rb.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

/* e over the root mean square of all traced weights: a step of 1 % of the weights' length.
 * docs/formulas.md has the error it makes. */
#define RELATIVE_STEP 0.01
/* NNCF's: so that the first change has a denominator. */
#define SMALL 1e-6

enum { SIGNS = 128 };

/* The last word of the counter tells these numbers from those of masks, whose step has 64 bits. */
static const uint32_t stream = 0x48657373u;

/* The signs of elements SIGNS at, ... : bits, 1 is +. */
static void signs_at(uint64_t key, int64_t iteration, size_t at, uint32_t bits[4])
{
    const uint32_t counter[4] = {
        (uint32_t)at, (uint32_t)((uint64_t)at >> 32), (uint32_t)iteration, stream};
    const uint32_t words[2] = {(uint32_t)key, (uint32_t)(key >> 32)};
    nncf__philox4x32(counter, words, bits);
}

static bool is_plus(const uint32_t bits[4], size_t i)
{
    return (bits[i / 32] >> (i % 32)) & 1u;
}

/* ---- passes over a weight ---- */

/* A value of the weight where the sign says so; `step` has the sign of the pass. Without a step it
 * is the same value to the bit, -0 too. */
static float moved(float saved, float step, bool plus)
{
    if (step == 0)
        return saved;
    return plus ? saved + step : saved - step;
}

typedef struct pass {
    nncf__hessian *h;
    float step;
    /* [count], of take() */
    struct taken {
        double sum;
        bool changed, zero;
    } * taken;
} pass;

static void perturb_one(void *arg, size_t i, size_t worker)
{
    const pass *p = arg;
    nncf_layer *layer = p->h->traced[i].layer;
    const float *saved = p->h->saved + p->h->traced[i].offset;
    const uint64_t key = nncf__rb_noise_key(layer);
    uint32_t bits[4];
    (void)worker;
    for (size_t at = 0; at < layer->weight_count; at += SIGNS) {
        const size_t n = layer->weight_count - at < SIGNS ? layer->weight_count - at : SIGNS;
        signs_at(key, p->h->iterations, at / SIGNS, bits);
        for (size_t j = 0; j < n; j++)
            layer->weight[at + j] = moved(saved[at + j], p->step, is_plus(bits, j));
    }
}

static void take_one(void *arg, size_t i, size_t worker)
{
    const pass *p = arg;
    const nncf_layer *layer = p->h->traced[i].layer;
    const float *saved = p->h->saved + p->h->traced[i].offset, *g = layer->weight_grad;
    const uint64_t key = nncf__rb_noise_key(layer);
    struct taken t = {.zero = true};
    uint32_t bits[4];
    (void)worker;
    for (size_t at = 0; at < layer->weight_count; at += SIGNS) {
        const size_t n = layer->weight_count - at < SIGNS ? layer->weight_count - at : SIGNS;
        signs_at(key, p->h->iterations, at / SIGNS, bits);
        for (size_t j = 0; j < n; j++) {
            const bool plus = is_plus(bits, j);
            const float expected = moved(saved[at + j], p->step, plus);
            if (p->h->fisher)
                t.sum += (double)g[at + j] * (double)g[at + j];
            else
                t.sum += plus ? (double)g[at + j] : -(double)g[at + j];
            t.zero = t.zero && g[at + j] == 0;
            t.changed =
                t.changed || memcmp(&layer->weight[at + j], &expected, sizeof expected) != 0;
        }
    }
    p->taken[i] = t;
}

/* The host reads its own array where it has a layout. */
static void push_weight(const nncf_layer *layer)
{
    if (layer->has_layout)
        nncf__layer_scatter(layer, layer->weight, layer->layout.weight);
}

void nncf__hessian_perturb(nncf__hessian *hessian, int32_t sign)
{
    pass p = {.h = hessian, .step = sign < 0 ? -hessian->step : hessian->step};
    hessian->sign = sign;
    nncf__parallel(hessian->context, hessian->count, perturb_one, &p);
    for (size_t i = 0; i < hessian->count; i++) {
        nncf_layer *layer = hessian->traced[i].layer;
        push_weight(layer);
        memset(layer->weight_grad, 0, layer->weight_count * sizeof(float));
        nncf__layer_push_gradient(layer);
        nncf__layer_drop_state(layer);
    }
}

void nncf__hessian_restore(nncf__hessian *hessian)
{
    const float *saved = hessian->saved;
    if (hessian->sign == 0)
        return;
    for (size_t i = 0; i < hessian->count; i++) {
        nncf_layer *layer = hessian->traced[i].layer;
        memcpy(layer->weight, saved, layer->weight_count * sizeof *saved);
        push_weight(layer);
        memset(layer->weight_grad, 0, layer->weight_count * sizeof(float));
        nncf__layer_push_gradient(layer);
        nncf__layer_drop_state(layer);
        saved += layer->weight_count;
    }
    hessian->sign = 0;
}

/* ---- life ---- */

nncf_status nncf__hessian_start(nncf__hessian *hessian, nncf_layer *const *layers, size_t count)
{
    size_t weights = 0;
    double squares = 0;
    for (size_t i = 0; i < count; i++)
        weights += layers[i]->weight_count;
    hessian->traced = nncf__calloc(hessian->context, count + 1, sizeof *hessian->traced);
    hessian->saved = nncf__calloc(hessian->context, weights + 1, sizeof *hessian->saved);
    if (!hessian->traced || !hessian->saved) {
        nncf__hessian_end(hessian);
        return NNCF_E_NOMEM;
    }
    hessian->count = count;
    hessian->step = 0;
    float *saved = hessian->saved;
    for (size_t i = 0; i < count; i++) {
        hessian->traced[i].layer = layers[i];
        hessian->traced[i].offset = (size_t)(saved - hessian->saved);
        memcpy(saved, layers[i]->weight, layers[i]->weight_count * sizeof *saved);
        for (size_t j = 0; j < layers[i]->weight_count; j++)
            squares += (double)saved[j] * (double)saved[j];
        saved += layers[i]->weight_count;
    }
    const double mean = weights > 0 ? sqrt(squares / (double)weights) : 0;
    if (!hessian->fisher)
        hessian->step = (float)(RELATIVE_STEP * (mean > 0 && isfinite(mean) ? mean : 1));
    return NNCF_OK;
}

void nncf__hessian_end(nncf__hessian *hessian)
{
    nncf__hessian_restore(hessian);
    nncf__free(hessian->context, hessian->traced);
    nncf__free(hessian->context, hessian->saved);
    hessian->traced = NULL;
    hessian->saved = NULL;
    hessian->count = 0;
}

/* ---- the estimator ---- */

static const char *scope_of(const nncf__hessian *h, size_t i)
{
    return h->traced[i].layer->scope;
}

static nncf_status check(
    const nncf__hessian *h, const struct taken *taken, int64_t images, nncf_error *err)
{
    bool none = true;
    if (images <= 0)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "no layer ran forward since the last call: run forward, the loss and backward over a "
            "batch between two calls");
    if (h->sign < 0 && images != h->batch)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the batch had %lld images and has %lld now: with NNCF_PRECISION_SAME_BATCH run the "
            "batch of the call before again",
            (long long)h->batch, (long long)images);
    for (size_t i = 0; i < h->count; i++) {
        if (taken[i].changed)
            return nncf__fail(err, NNCF_E_STATE, scope_of(h, i),
                "the weight of %s was changed while it was perturbed, which is undone: run no "
                "optimizer before the loop has ended",
                scope_of(h, i));
        if (!isfinite(taken[i].sum))
            return nncf__fail(err, NNCF_E_STATE, scope_of(h, i), "the gradient of %s is not finite",
                scope_of(h, i));
        none = none && taken[i].zero;
    }
    if (none)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "no gradient came to any of %zu weights: run backward of the loss after forward, and "
            "clear gradients before it, not after",
            h->count);
    return NNCF_OK;
}

/* Take v' g of a pass; the second of a batch makes the estimate. */
static void take(nncf__hessian *h, const struct taken *taken, int64_t images)
{
    for (size_t i = 0; i < h->count; i++) {
        nncf__traced *t = &h->traced[i];
        if (h->fisher) {
            const double square = taken[i].sum / (h->factor * h->factor);
            t->sum += (double)images * (double)images * square / (double)t->layer->weight_count;
            continue;
        }
        if (h->sign > 0) {
            t->plus = taken[i].sum;
            continue;
        }
        const double product = (t->plus - taken[i].sum) / (2 * (double)h->step) / h->factor;
        t->sum += (double)images * product / (double)t->layer->weight_count;
    }
}

/* All batches of an iteration are in. Has the sum of the means settled, or is it enough? */
static bool end_iteration(nncf__hessian *h)
{
    double mean = 0;
    h->iterations++;
    for (size_t i = 0; i < h->count; i++) {
        nncf__traced *t = &h->traced[i];
        const double estimate = t->sum / (double)h->images;
        t->total += estimate;
        t->squares += estimate * estimate;
        t->sum = 0;
        mean += t->total / (double)h->iterations;
    }
    const double change = fabs(mean - h->last) / (fabs(h->last) + SMALL);
    h->last = mean;
    h->images = 0;
    return change < h->tolerance || h->iterations >= h->most_iterations;
}

static enum nncf__hessian_next advance(nncf__hessian *h, int64_t images)
{
    if (h->sign > 0 && !h->fisher) {
        h->batch = images;
        nncf__hessian_perturb(h, -1);
        return NNCF__HESSIAN_SAME_BATCH;
    }
    h->images += images;
    /* whole batches, at most as many images as wanted, at least one batch */
    if (h->images + images > h->points && end_iteration(h)) {
        nncf__hessian_restore(h);
        return NNCF__HESSIAN_DONE;
    }
    nncf__hessian_perturb(h, 1);
    return NNCF__HESSIAN_NEW_BATCH;
}

nncf_status nncf__hessian_step(
    nncf__hessian *hessian, int64_t images, enum nncf__hessian_next *next, nncf_error *err)
{
    pass p = {.h = hessian,
        .step = hessian->sign < 0 ? -hessian->step : hessian->step,
        .taken = nncf__calloc(hessian->context, hessian->count + 1, sizeof *p.taken)};
    nncf_status status = NNCF_OK;
    if (!p.taken) {
        status = nncf__fail(err, NNCF_E_NOMEM, NULL, "no memory for the traces");
    } else {
        for (size_t i = 0; i < hessian->count; i++) {
            nncf__layer_pull_weight(hessian->traced[i].layer);
            nncf__layer_pull_gradient(hessian->traced[i].layer);
        }
        nncf__parallel(hessian->context, hessian->count, take_one, &p);
        status = check(hessian, p.taken, images, err);
    }
    if (status == NNCF_OK) {
        take(hessian, p.taken, images);
        *next = advance(hessian, images);
    } else {
        nncf__hessian_restore(hessian);
    }
    nncf__free(hessian->context, p.taken);
    return status;
}

double nncf__hessian_trace(const nncf__hessian *hessian, size_t i, double *error)
{
    const nncf__traced *t = &hessian->traced[i];
    const double n = (double)hessian->iterations, mean = t->total / n;
    *error = (double)INFINITY;
    if (hessian->iterations > 1)
        *error = sqrt(fmax(t->squares / n - mean * mean, 0) / (n - 1));
    return mean;
}
