/* SPDX-License-Identifier: Apache-2.0 */
/* Range rules over the batches of an initialization. Formulas: docs/formulas.md, "Ranges". */
#include "quantization/observer.h"

#include "base/alloc.h"
#include "base/pool.h"
#include "config/canonical.h"
#include "quantization/histogram.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <math.h>
#include <string.h>

/* Per tensor: elements kept as they are, and fineness. Per channel there are many histograms, so
 * they are smaller. */
enum {
    TENSOR_CAPACITY = 4096,
    TENSOR_BITS = 9,
    CHANNEL_CAPACITY = 512,
    CHANNEL_BITS = 5,
    CHUNK = 65536
};

static bool has_histograms(int32_t kind)
{
    return kind == NNCF__THREESIGMA || kind == NNCF__PERCENTILE || kind == NNCF__MEAN_PERCENTILE ||
        kind == NNCF__RANGE_LSQ;
}

static nncf_status make_histograms(
    nncf_context *context, const nncf__quantizer *q, struct nncf__observer *o)
{
    const int32_t sub_bits = q->channels > 1 ? CHANNEL_BITS : TENSOR_BITS;
    const size_t capacity = q->channels > 1 ? CHANNEL_CAPACITY : TENSOR_CAPACITY;
    o->histograms = nncf__calloc(context, q->channels, sizeof *o->histograms);
    for (size_t c = 0; o->histograms && c < q->channels; c++) {
        nncf__histogram *h = &o->histograms[c];
        h->sub_bits = sub_bits;
        h->capacity = capacity;
        h->values = nncf__calloc(context, capacity, sizeof *h->values);
        h->bins = nncf__calloc(context, nncf__histogram_bins(sub_bits), sizeof *h->bins);
        if (!h->values || !h->bins)
            return NNCF_E_NOMEM;
    }
    if (!o->histograms)
        return NNCF_E_NOMEM;
    /* each worker counts on its own, in scratch: a histogram and its bins */
    return nncf__scratch_reserve(
        context, sizeof(nncf__histogram) + nncf__histogram_bins(sub_bits) * sizeof(uint64_t));
}

nncf_status nncf__observer_create(nncf_context *context, nncf__quantizer *quantizer)
{
    const int32_t kind = quantizer->rule.kind;
    if (quantizer->is_weight || (!nncf__rule_is_mean(kind) && !has_histograms(kind)))
        return NNCF_OK;
    struct nncf__observer *o = nncf__calloc(context, 1, sizeof *o);
    if (!o)
        return NNCF_E_NOMEM;
    quantizer->observer = o;
    o->sums = nncf__calloc(context, quantizer->channels, 2 * sizeof *o->sums);
    o->ranges = nncf__calloc(context, quantizer->channels, 2 * sizeof *o->ranges);
    nncf_status status = o->sums && o->ranges ? NNCF_OK : NNCF_E_NOMEM;
    if (status == NNCF_OK && has_histograms(kind))
        status = make_histograms(context, quantizer, o);
    return status; /* what is there is destroyed with the quantizer */
}

void nncf__observer_destroy(nncf_context *context, nncf__quantizer *quantizer)
{
    struct nncf__observer *o = quantizer->observer;
    if (!o)
        return;
    for (size_t c = 0; o->histograms && c < quantizer->channels; c++) {
        nncf__free(context, o->histograms[c].values);
        nncf__free(context, o->histograms[c].bins);
    }
    nncf__free(context, o->histograms);
    nncf__free(context, o->sums);
    nncf__free(context, o->ranges);
    nncf__free(context, o);
    quantizer->observer = NULL;
}

void nncf__observer_shrink(nncf_context *context, nncf__quantizer *quantizer, size_t channels)
{
    struct nncf__observer *o = quantizer->observer;
    for (size_t c = channels; o && o->histograms && c < quantizer->channels; c++) {
        nncf__free(context, o->histograms[c].values);
        nncf__free(context, o->histograms[c].bins);
        o->histograms[c].values = NULL;
        o->histograms[c].bins = NULL;
    }
}

void nncf__observer_begin(nncf__quantizer *quantizer)
{
    struct nncf__observer *o = quantizer->observer;
    nncf__quantizer_observe_begin(quantizer);
    if (!o)
        return;
    o->batches = 0;
    memset(o->sums, 0, quantizer->channels * 2 * sizeof *o->sums);
    for (size_t c = 0; o->histograms && c < quantizer->channels; c++)
        nncf__histogram_clear(&o->histograms[c]);
}

/* ---- seeing ---- */

typedef struct see_job {
    nncf_context *context;
    nncf__histogram *histograms;
    size_t n, c, hw;
    const float *x;
} see_job;

static void channel_chunk(void *arg, size_t chunk, size_t worker)
{
    const see_job *job = arg;
    (void)worker;
    for (size_t i = 0; i < job->n; i++)
        nncf__histogram_add(
            &job->histograms[chunk], job->hw, job->x + (i * job->c + chunk) * job->hw);
}

static nncf__histogram *own_histogram(const nncf_context *context, size_t worker)
{
    nncf__histogram *own = nncf__scratch(context, worker);
    own->bins = (uint64_t *)(void *)(own + 1);
    return own;
}

static void histogram_chunk(void *arg, size_t chunk, size_t worker)
{
    const see_job *job = arg;
    const size_t begin = chunk * CHUNK, left = job->n - begin;
    nncf__histogram_add(
        own_histogram(job->context, worker), left < CHUNK ? left : CHUNK, job->x + begin);
}

void nncf__quantizer_observe(nncf_context *context, nncf__quantizer *quantizer, size_t n, size_t c,
    size_t hw, const float *x)
{
    const struct nncf__observer *o = quantizer->observer;
    if (!o || !o->histograms)
        return;
    see_job job = {
        .context = context, .histograms = o->histograms, .n = n, .c = c, .hw = hw, .x = x};
    if (quantizer->channels > 1) {
        nncf__parallel(context, c, channel_chunk, &job);
        return;
    }
    job.n = n * c * hw;
    if (nncf__histogram_fits(o->histograms, job.n)) {
        nncf__histogram_add(o->histograms, job.n, x);
        return;
    }
    const size_t workers = (size_t)context->params.n_threads;
    for (size_t w = 0; w < workers; w++) {
        nncf__histogram *own = own_histogram(context, w);
        own->sub_bits = TENSOR_BITS;
        own->values = NULL;
        own->capacity = 0;
        nncf__histogram_clear(own);
    }
    nncf__parallel(context, (job.n + CHUNK - 1) / CHUNK, histogram_chunk, &job);
    for (size_t w = 0; w < workers; w++)
        nncf__histogram_merge(o->histograms, own_histogram(context, w));
}

/* ---- ranges ---- */

static const float nothing[2] = {INFINITY, -INFINITY};

/* An estimate stays within the observed extremes; three sigmas may exceed them, and a mean
 * magnitude is no place. */
static void clamp_to_seen(const nncf__quantizer *q, size_t c, double range[2])
{
    const float *seen = nncf__quantizer_observed(q) + 2 * c;
    if (q->rule.kind == NNCF__THREESIGMA || q->rule.kind == NNCF__RANGE_LSQ)
        return;
    for (int i = 0; i < 2; i++)
        range[i] = fmin(fmax(range[i], (double)seen[0]), (double)seen[1]);
}

static void channel_range(nncf__quantizer *q, size_t c, double range[2])
{
    const float *seen = nncf__quantizer_observed(q) + 2 * c;
    range[0] = (double)seen[0];
    range[1] = (double)seen[1];
    if (!q->observer->histograms)
        return;
    if (nncf__histogram_range(&q->observer->histograms[c], &q->rule, range)) {
        clamp_to_seen(q, c, range);
    } else {
        range[0] = (double)nothing[0];
        range[1] = (double)nothing[1];
    }
}

void nncf__observer_end_batch(nncf__quantizer *quantizer)
{
    struct nncf__observer *o = quantizer->observer;
    if (!o || !nncf__rule_is_mean(quantizer->rule.kind))
        return;
    for (size_t c = 0; c < quantizer->channels; c++) {
        double range[2];
        channel_range(quantizer, c, range);
        o->sums[2 * c] += range[0];
        o->sums[2 * c + 1] += range[1];
        if (o->histograms)
            nncf__histogram_clear(&o->histograms[c]);
    }
    o->batches++;
    nncf__quantizer_observe_begin(quantizer);
}

const float *nncf__observer_ranges(nncf__quantizer *quantizer)
{
    struct nncf__observer *o = quantizer->observer;
    if (!o)
        return nncf__quantizer_observed(quantizer);
    for (size_t c = 0; c < quantizer->channels; c++) {
        double range[2] = {(double)nothing[0], (double)nothing[1]};
        if (!nncf__rule_is_mean(quantizer->rule.kind)) {
            channel_range(quantizer, c, range);
        } else if (o->batches > 0) {
            range[0] = o->sums[2 * c] / (double)o->batches;
            range[1] = o->sums[2 * c + 1] / (double)o->batches;
        }
        o->ranges[2 * c] = (float)range[0];
        o->ranges[2 * c + 1] = (float)range[1];
    }
    return o->ranges;
}
