/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the master weight to the one that the product uses, and back: sparsity mask first, then
 * fake-quantize, whatever the order in the config. Both work block by block in a buffer on the
 * stack, so that the random numbers of an RB mask and the masked weight are never stored; backward
 * recomputes them.
 *
 * A run is a stretch of weights with one set of quantizer constants: all of them, or (a part of)
 * one output channel. The order of additions depends on the shape only: runs are divided into the
 * same blocks for any number of threads, and their sums are added in order.
 */
#include "controller/weight.h"

#include "base/error.h"
#include "base/pool.h"
#include "controller/ctrl.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "pruning/apply.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/rb.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

/* Multiples of 8 elements, so that a block begins at a byte of a bit mask and at a block of four
 * random numbers. */
enum { BLOCK = 1024, ALIGN = 8, CHUNK = 4 * BLOCK, MAX_CHUNKS = 256 };

enum mask_mode { MASK_NONE, MASK_SAMPLED = 1, MASK_EVAL, MASK_BITS };

/* Sums of a chunk: the three of fq_backward, and how many were clipped. */
typedef struct chunk_sums {
    double fq[3];
    /* squared, of the quantizer */
    double error;
    int64_t clipped, kept, zeros, nans;
} chunk_sums;

typedef struct weight_job {
    nncf_layer *layer;
    const nncf__layer_compression *c;
    const nncf__kernels *k;
    /* [channels], NULL: no quantizer, or a binary one */
    const nncf__fq *fq;
    /* NULL: not binarized; its scales are known */
    nncf__quantizer *binary;
    /* where the pass that finds the one scale of a binary weight leaves its signs; NULL: nowhere */
    uint64_t *signs;
    enum mask_mode mask;
    /* pruned filters are 0 (forward), and get no gradient (backward) */
    bool prunes, stops_gradient;
    uint64_t noise_key, noise_counter;
    /* runs of a channel; elements of a run; of a chunk: elements (one channel) or channels (many)
     */
    size_t channels, runs, run, chunk;
    /* forward: out, floats or codes with their scales */
    float *wq;
    uint8_t *codes;
    float *scales;
    /* backward: the gradient of wq */
    const float *dwq;
    /* ranges: out, [channels][2] */
    float *ranges;
    /* factor of the gradient of damping */
    double damping;
    /* backward per channel: the sums of a channel go to the quantizer */
    bool adds_gradient;
    void (*segment)(
        const struct weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums);
    /* [chunks] */
    chunk_sums *sums;
} weight_job;

/* While the controller initializes masks are the deterministic ones. */
static enum mask_mode mask_of(const nncf_layer *layer, int32_t mode, bool deterministic)
{
    const nncf__layer_compression *c = layer->compression;
    switch (c->mask_kind) {
    case NNCF__MASK_RB:
        if (deterministic || mode != NNCF_MODE_TRAIN || c->ctrl->frozen ||
            nncf__ctrl_initializing(c->ctrl) || nncf__ctrl_measuring(c->ctrl))
            return MASK_EVAL;
        return MASK_SAMPLED;
    case NNCF__MASK_BITS:
        return MASK_BITS;
    default:
        return MASK_NONE;
    }
}

/* The quantizer of the weights that a forward uses now. None while ranges are observed: as in NNCF,
 * activations are then observed with masked weights, but not with quantized ones. */
static nncf__quantizer *active_quantizer(const nncf_layer *layer)
{
    nncf__quantizer *q = nncf__layer_active(layer->compression, NNCF__SLOT_WEIGHT);
    return q && !q->observing ? q : NULL;
}

/* deterministic: the weight as inference will use it, not as the present training step does. */
static weight_job job_of(const nncf_layer *layer, int32_t mode, bool deterministic)
{
    const nncf__layer_compression *c = layer->compression;
    nncf__quantizer *quantizer = deterministic ? c->weight_quantizer : active_quantizer(layer);
    weight_job job = {.layer = (nncf_layer *)layer,
        .c = c,
        .k = nncf__kernels_of(layer->model->context),
        .fq = quantizer && !quantizer->binarizer ? quantizer->fq : NULL,
        .binary = quantizer && quantizer->binarizer ? quantizer : NULL,
        .mask = mask_of(layer, mode, deterministic),
        .prunes = c->filters != NULL,
        .stops_gradient = c->filters && !c->passes_gradient,
        .channels = c->weight_quantizer ? c->weight_quantizer->channels : 1};
    job.run = job.channels > 1 ? c->weight_quantizer->run : layer->weight_count;
    /* more than one where channels are not the first dimension: every input of a transposed
     * convolution has a part of a channel */
    job.runs = layer->weight_count / job.channels / job.run;
    if (job.mask == MASK_SAMPLED) {
        job.noise_key = nncf__rb_noise_key(layer);
        job.noise_counter = (uint64_t)c->ctrl->step;
    }
    return job;
}

/* The random numbers of n elements from `begin`, where the mask needs some. */
static void noise(const weight_job *job, size_t begin, size_t n, float *u)
{
    if (job->mask == MASK_SAMPLED)
        job->k->philox_uniform(n, (uint32_t)(begin / 4), job->noise_key, job->noise_counter, u);
}

/* mask(w) for n elements from `begin`, a multiple of ALIGN, of which w is the first: in y, or,
 * without a mask, in w; u from noise(). */
__attribute__((warn_unused_result)) static const float *masked_of(
    const weight_job *job, const float *w, size_t begin, size_t n, const float *u, float *y)
{
    if (job->mask == MASK_NONE && !job->prunes)
        return w;
    switch (job->mask) {
    case MASK_SAMPLED:
        job->k->rb_forward(n, w, job->c->logit + begin, u, y);
        break;
    case MASK_EVAL:
        job->k->rb_forward_eval(n, w, job->c->logit + begin, y);
        break;
    case MASK_BITS:
        job->k->mask_forward(n, w, job->c->bits + begin / 8, y);
        break;
    default:
        memcpy(y, w, n * sizeof *y);
    }
    if (job->prunes)
        nncf__filters_clear(job->layer, begin, n, y);
    return y;
}

/* Of the weight. */
__attribute__((warn_unused_result)) static const float *masked(
    const weight_job *job, size_t begin, size_t n, const float *u, float *y)
{
    return masked_of(job, job->layer->weight + begin, begin, n, u, y);
}

static void run_chunk(void *arg, size_t chunk, size_t worker)
{
    const weight_job *job = arg;
    chunk_sums *sums = &job->sums[chunk];
    (void)worker;
    memset(sums, 0, sizeof *sums);
    if (job->channels == 1) {
        size_t begin = chunk * job->chunk, left = job->run - begin;
        job->segment(job, 0, begin, begin + (left < job->chunk ? left : job->chunk), sums);
        return;
    }
    size_t first = chunk * job->chunk,
           end = first + job->chunk < job->channels ? first + job->chunk : job->channels;
    const size_t of_channel = job->runs * job->run;
    for (size_t c = first; c < end; c++) {
        memset(sums->fq, 0, sizeof sums->fq);
        for (size_t r = 0; r < job->runs; r++) {
            size_t begin = (r * job->channels + c) * job->run;
            job->segment(job, c, begin, begin + job->run, sums);
        }
        if (job->adds_gradient) /* a channel belongs to one chunk */
            nncf__quantizer_add_gradient(job->c->weight_quantizer, c, sums->fq, of_channel);
    }
}

/* Run job->segment over all weights; the chunks' sums are added in order. */
static void run(weight_job *job, chunk_sums *total)
{
    chunk_sums sums[MAX_CHUNKS];
    size_t count = job->channels == 1 ? job->run : job->channels;
    size_t of_channel = job->runs * job->run;
    size_t least = job->channels == 1 ? CHUNK : (CHUNK + of_channel - 1) / of_channel;
    job->chunk = (count + MAX_CHUNKS - 1) / MAX_CHUNKS;
    if (job->channels == 1) /* one run: chunks are of whole blocks */
        job->chunk = (job->chunk + BLOCK - 1) / BLOCK * BLOCK;
    job->chunk = job->chunk < least ? least : job->chunk;
    job->sums = sums;
    size_t chunks = (count + job->chunk - 1) / job->chunk;
    nncf__parallel(job->layer->model->context, chunks, run_chunk, job);
    memset(total, 0, sizeof *total);
    for (size_t i = 0; i < chunks; i++) {
        for (int j = 0; j < 3; j++)
            total->fq[j] += sums[i].fq[j];
        total->clipped += sums[i].clipped;
        total->kept += sums[i].kept;
        total->zeros += sums[i].zeros;
        total->nans += sums[i].nans;
        total->error += sums[i].error;
    }
}

/* The next block of begin..end: from an aligned place, so that it may cover a few elements before
 * `begin`, which belong to another channel and are not written. */
typedef struct block {
    /* n elements from `from`, of which the first `skip` are not ours */
    size_t from, skip, n;
} block;

static block block_at(size_t begin, size_t end)
{
    block b = {.from = begin / ALIGN * ALIGN};
    b.skip = begin - b.from;
    b.n = end - b.from < BLOCK ? end - b.from : BLOCK;
    return b;
}

/* ---- binary weights, which have no mask ---- */

static void magnitudes_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    const float *w = job->layer->weight + begin;
    if (job->signs) /* chunks begin at words */
        job->k->signs(end - begin, w, job->signs + begin / 64, &sums->fq[0]);
    else
        job->k->sum_abs(end - begin, w, &sums->fq[0]);
    if (job->channels > 1)
        job->binary->scales[channel] = (float)(sums->fq[0] / (double)(end - begin));
}

/* The means of the magnitudes. */
static void find_binary_scales(const weight_job *weights)
{
    weight_job job = *weights;
    chunk_sums total;
    job.adds_gradient = false;
    job.segment = magnitudes_segment;
    run(&job, &total);
    if (job.channels == 1)
        job.binary->scales[0] = (float)(total.fq[0] / (double)job.run);
    nncf__quantizer_refresh(job.binary);
}

void nncf__weight_binary_scales(nncf_layer *layer, float *scales, uint64_t *signs)
{
    layer = nncf__weight_owner(layer);
    weight_job job = job_of(layer, NNCF_MODE_EVAL, true);
    job.signs = job.channels == 1 ? signs : NULL;
    find_binary_scales(&job);
    memmove(scales, job.binary->scales, job.channels * sizeof *scales);
}

static void binary_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    const float scale = job->binary->scales[channel];
    (void)sums;
    if (job->codes)
        job->k->binarize_codes(
            end - begin, job->layer->weight + begin, 0, 1, -1, job->codes + begin);
    else
        job->k->binarize(
            end - begin, job->layer->weight + begin, 0, scale, -scale, job->wq + begin);
}

static void forward_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    float u[BLOCK], buffer[BLOCK];
    while (begin < end) {
        block b = block_at(begin, end);
        float *y = job->wq + begin;
        noise(job, b.from, b.n, u);
        const float *m = masked(job, b.from, b.n, u, buffer) + b.skip;
        if (job->fq)
            sums->clipped += job->k->fq_forward(b.n - b.skip, m, y, &job->fq[channel]);
        else
            memmove(y, m, (b.n - b.skip) * sizeof *y);
        begin = b.from + b.n;
    }
}

static void count_clipped(nncf__quantizer *quantizer, const chunk_sums *total, size_t weight_count)
{
    quantizer->clipped = total->clipped;
    quantizer->total = (int64_t)weight_count;
}

void nncf__weight_forward(nncf_layer *layer, int32_t mode, float *wq)
{
    layer = nncf__weight_owner(layer);
    if (!layer->compression) {
        memcpy(wq, layer->weight, layer->weight_count * sizeof *wq);
        return;
    }
    nncf__quantizer *quantizer = active_quantizer(layer);
    if (quantizer)
        nncf__quantizer_refresh(quantizer);
    chunk_sums total;
    weight_job job = job_of(layer, mode, false);
    job.wq = wq;
    job.segment = job.binary ? binary_segment : forward_segment;
    if (job.binary)
        find_binary_scales(&job);
    run(&job, &total);
    if (quantizer)
        count_clipped(quantizer, &total, layer->weight_count);
}

/* ---- as codes: scales, zero points if there are some, codes ---- */

size_t nncf__weight_codes_size(const nncf__quantizer *quantizer, size_t weight_count)
{
    const size_t constants =
        sizeof(float) + (nncf__quantizer_has_zeros(quantizer) ? sizeof(int32_t) : 0);
    return quantizer->channels * constants + weight_count;
}

nncf__qtensor nncf__weight_codes_at(const nncf__quantizer *quantizer, void *buffer)
{
    nncf__qtensor w = nncf__quantizer_codes(quantizer);
    w.scale = buffer;
    w.data = w.scale + quantizer->channels;
    if (w.zero_point) {
        w.zero_point = w.data;
        w.data = w.zero_point + quantizer->channels;
    }
    return w;
}

static int64_t count_nans(size_t n, const float *x)
{
    int32_t nans = 0;
    for (size_t i = 0; i < n; i++)
        nans += x[i] != x[i];
    return nans;
}

static void codes_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    const nncf__fq *fq = &job->fq[channel];
    const nncf__epilogue e = {
        .scale = 1, .shift = 0, .act_low = -INFINITY, .act_high = INFINITY, .fq = fq};
    const float zero = (float)job->c->weight_quantizer->zero_points[channel];
    float u[BLOCK], buffer[BLOCK];
    int64_t nans = 0;
    while (begin < end) {
        const block b = block_at(begin, end);
        const size_t n = b.n - b.skip, at = begin;
        noise(job, b.from, b.n, u);
        begin = b.from + b.n;
        if (job->mask == MASK_SAMPLED && !job->prunes) {
            sums->clipped += job->k->rb_codes(n, job->layer->weight + at, job->c->logit + at,
                u + b.skip, job->codes + at, fq, zero, &nans);
            continue;
        }
        const float *m = masked(job, b.from, b.n, u, buffer) + b.skip;
        sums->clipped += job->k->epilogue_codes(n, m, job->codes + at, &e, zero);
        nans += count_nans(n, m);
    }
    if (nans > 0 && job->channels > 1)
        job->scales[channel] = NAN;
    sums->nans += nans;
}

void nncf__weight_forward_codes(nncf_layer *layer, int32_t mode, void *buffer)
{
    layer = nncf__weight_owner(layer);
    nncf__quantizer *quantizer = layer->compression->weight_quantizer;
    const nncf__qtensor w = nncf__weight_codes_at(quantizer, buffer);
    const size_t constants = quantizer->channels * sizeof(float);
    chunk_sums total;
    weight_job job = job_of(layer, mode, false);
    if (job.binary)
        find_binary_scales(&job);
    nncf__quantizer_refresh(quantizer);
    memcpy(buffer, quantizer->scales, constants);
    if (w.zero_point)
        memcpy((char *)buffer + constants, quantizer->zero_points, constants);
    job.scales = buffer;
    job.codes = (uint8_t *)buffer + ((const char *)w.data - (const char *)buffer);
    job.segment = job.binary ? binary_segment : codes_segment;
    run(&job, &total);
    if (total.nans > 0 && job.channels == 1)
        job.scales[0] = NAN;
    count_clipped(quantizer, &total, layer->weight_count);
}

/* dw += g * mask, and the logits' gradients: for n elements from `begin`; g[0] belongs to element
 * begin + skip. */
static void masked_backward(const weight_job *job, const block *b, const float *u, const float *g)
{
    const nncf_layer *layer = job->layer;
    const size_t begin = b->from + b->skip, n = b->n - b->skip;
    float *dw = layer->weight_grad ? layer->weight_grad + begin : NULL;
    const float *s = job->c->logit ? job->c->logit + begin : NULL;
    float unused[BLOCK], whole[BLOCK];
    switch (job->mask) {
    case MASK_SAMPLED:
        memset(unused, 0, n * sizeof *unused);
        job->k->rb_backward(n, g, layer->weight + begin, s, u + b->skip, dw ? dw : unused,
            job->c->logit_grad + begin);
        break;
    case MASK_EVAL:
        if (!job->c->ctrl->frozen) { /* sigmoid(s + logit(1/2)) = sigmoid(s) */
            for (size_t i = 0; i < n; i++)
                whole[i] = 0.5f;
            memset(unused, 0, n * sizeof *unused);
            job->k->rb_backward(
                n, g, layer->weight + begin, s, whole, unused, job->c->logit_grad + begin);
        }
        job->k->rb_forward_eval(n, g, s, unused);
        if (dw)
            job->k->accumulate(n, unused, dw);
        break;
    case MASK_BITS:
        if (dw && b->skip == 0) {
            job->k->mask_backward(n, g, job->c->bits + begin / 8, dw);
        } else if (dw) {
            memset(whole, 0, b->skip * sizeof *whole);
            memcpy(whole + b->skip, g, n * sizeof *whole);
            memset(unused, 0, b->n * sizeof *unused);
            job->k->mask_backward(b->n, whole, job->c->bits + b->from / 8, unused);
            job->k->accumulate(n, unused + b->skip, dw);
        }
        break;
    default:
        if (dw)
            job->k->accumulate(n, g, dw);
    }
}

static void backward_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    float u[BLOCK], buffer[BLOCK], inside[BLOCK];
    const bool fuses =
        job->mask == MASK_SAMPLED && job->fq && !job->prunes && job->layer->weight_grad;
    while (begin < end) {
        const block b = block_at(begin, end);
        const size_t n = b.n - b.skip, at = begin;
        const float *g = job->dwq + at;
        noise(job, b.from, b.n, u);
        begin = b.from + b.n;
        if (fuses) {
            job->k->rb_quantized_backward(n, g, job->layer->weight + at, job->c->logit + at,
                u + b.skip, job->layer->weight_grad + at, job->c->logit_grad + at,
                &job->fq[channel], sums->fq);
            continue;
        }
        if (job->fq) {
            const float *m = masked(job, b.from, b.n, u, buffer) + b.skip;
            job->k->fq_backward(n, m, g, inside, &job->fq[channel], sums->fq);
            g = inside;
        }
        if (job->stops_gradient) {
            memmove(inside, g, n * sizeof *inside);
            nncf__filters_clear(job->layer, at, n, inside);
            g = inside;
        }
        masked_backward(job, &b, u, g);
    }
}

typedef struct plain_job {
    const nncf__kernels *k;
    const float *dwq;
    float *gradient;
    size_t count;
} plain_job;

static void plain_chunk(void *arg, size_t chunk, size_t worker)
{
    const plain_job *job = arg;
    const size_t first = chunk * CHUNK, left = job->count - first;
    (void)worker;
    job->k->accumulate(left < CHUNK ? left : CHUNK, job->dwq + first, job->gradient + first);
}

/* The gradient of a weight that no controller compresses. */
static void add_plain(const nncf_layer *layer, const float *dwq)
{
    plain_job job = {
        nncf__kernels_of(layer->model->context), dwq, layer->weight_grad, layer->weight_count};
    nncf__parallel(layer->model->context, (job.count + CHUNK - 1) / CHUNK, plain_chunk, &job);
}

void nncf__weight_backward(nncf_layer *layer, const float *dwq)
{
    layer = nncf__weight_owner(layer);
    if (!layer->compression) {
        if (layer->weight_grad)
            add_plain(layer, dwq);
        return;
    }
    chunk_sums total;
    weight_job job = job_of(layer, layer->model->mode, false);
    job.dwq = dwq;
    job.segment = backward_segment;
    job.adds_gradient = job.fq && job.channels > 1;
    run(&job, &total);
    if (job.fq && job.channels == 1)
        nncf__quantizer_add_gradient(
            layer->compression->weight_quantizer, 0, total.fq, layer->weight_count);
}

void nncf__weight_used(nncf_layer *layer)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    if (!c || c->mask_kind != NNCF__MASK_RB)
        return;
    layer->now.used.in_eval = layer->model->mode != NNCF_MODE_TRAIN;
    if (layer->now.used.in_eval)
        return;
    layer->now.used.mask = (int32_t)mask_of(nncf__weight_owner(layer), layer->model->mode, false);
    layer->now.used.step = c->ctrl->step;
}

nncf_status nncf__weight_check_backward(const nncf_layer *layer, nncf_error *err)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    if (!c || c->mask_kind != NNCF__MASK_RB)
        return NNCF_OK;
    const enum mask_mode mask = mask_of(nncf__weight_owner(layer), layer->model->mode, false);
    const bool eval = layer->model->mode != NNCF_MODE_TRAIN;
    if (eval && layer->now.used.in_eval)
        return NNCF_OK;
    if (layer->now.used.mask == MASK_NONE)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the weight was not asked for before its gradient came: the gradient is of the step's "
            "mask");
    if (eval || (int32_t)mask != layer->now.used.mask)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "the mask of rb_sparsity was %s in forward and is %s now: the mode, initialization or "
            "an "
            "epoch_step changed it in between",
            layer->now.used.mask == MASK_SAMPLED ? "random" : "fixed",
            mask == MASK_SAMPLED ? "random" : "fixed");
    if (mask == MASK_SAMPLED && layer->now.used.step != c->ctrl->step)
        return nncf__fail(err, NNCF_E_STATE, NULL,
            "forward was in step %lld, and this is step %lld with other masks: call "
            "nncf_compression_ctrl_step() before forward or after backward, not in between",
            (long long)layer->now.used.step, (long long)c->ctrl->step);
    return NNCF_OK;
}

static void stats_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    float buffer[BLOCK], ones[BLOCK];
    double counts[2] = {0, 0};
    while (begin < end) {
        block b = block_at(begin, end);
        size_t n = b.n - b.skip;
        const float *m = masked(job, b.from, b.n, NULL, buffer);
        for (size_t i = b.skip; i < b.n; i++)
            sums->zeros += m[i] == 0;
        if (job->fq)
            sums->clipped += job->k->fq_forward(n, m + b.skip, ones, &job->fq[channel]);
        if (job->mask == MASK_EVAL) {
            job->k->rb_count(n, job->c->logit + begin, counts);
        } else if (job->mask == MASK_BITS) {
            for (size_t i = begin; i < begin + n; i++)
                sums->kept += (job->c->bits[i / 8] >> (i % 8)) & 1;
        } else {
            sums->kept += (int64_t)n;
        }
        begin = b.from + b.n;
    }
    sums->kept += (int64_t)counts[0];
}

void nncf__weight_stats_of(const nncf_layer *layer, nncf__weight_stats *stats)
{
    layer = nncf__weight_owner(layer);
    chunk_sums total;
    weight_job job = job_of(layer, layer->model->mode, true);
    if (job.fq) /* the optimizer may have moved the range since */
        nncf__quantizer_refresh(job.c->weight_quantizer);
    if (job.binary)
        find_binary_scales(&job);
    job.segment = stats_segment;
    run(&job, &total);
    *stats =
        (nncf__weight_stats){.kept = total.kept, .zeros = total.zeros, .clipped = total.clipped};
}

static void error_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    float buffer[BLOCK], q[BLOCK];
    while (begin < end) {
        block b = block_at(begin, end);
        const float *m = masked(job, b.from, b.n, NULL, buffer);
        job->k->fq_forward(b.n - b.skip, m + b.skip, q + b.skip, &job->fq[channel]);
        for (size_t i = b.skip; i < b.n; i++) {
            const double d = (double)q[i] - (double)m[i];
            sums->error += d * d;
        }
        begin = b.from + b.n;
    }
}

double nncf__weight_error(const nncf_layer *layer)
{
    layer = nncf__weight_owner(layer);
    chunk_sums total;
    weight_job job = job_of(layer, layer->model->mode, true);
    nncf__quantizer_refresh(job.c->weight_quantizer);
    job.segment = error_segment;
    run(&job, &total);
    return total.error;
}

static void damp_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    const nncf__fq *fq = &job->fq[channel];
    float buffer[BLOCK], q[BLOCK];
    while (begin < end) {
        block b = block_at(begin, end);
        const float *m = masked(job, b.from, b.n, NULL, buffer);
        job->k->fq_forward(b.n - b.skip, m + b.skip, q + b.skip, fq);
        for (size_t i = b.skip; i < b.n; i++) {
            if (!(m[i] >= fq->x_low && m[i] <= fq->x_high))
                continue;
            const double d = (double)m[i] - (double)q[i];
            sums->error += d * d;
            if (job->layer->weight_grad)
                job->layer->weight_grad[b.from + i] += (float)(2 * job->damping * d);
        }
        begin = b.from + b.n;
    }
}

double nncf__weight_damp(nncf_layer *layer, double factor)
{
    chunk_sums total;
    weight_job job = job_of(layer, layer->model->mode, true);
    nncf__quantizer_refresh(job.c->weight_quantizer);
    job.damping = factor;
    job.segment = damp_segment;
    run(&job, &total);
    return total.error;
}

static void freeze_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    const nncf__freezing *rule = &job->c->ctrl->freezing;
    float own[BLOCK], buffer[BLOCK];
    (void)sums;
    while (begin < end) {
        const block b = block_at(begin, end);
        const size_t n = b.n - b.skip;
        float *w = job->layer->weight + begin;
        memset(own, 0, b.skip * sizeof *own); /* another thread may be writing those */
        memcpy(own + b.skip, w, n * sizeof *own);
        const float *m = masked_of(job, own, b.from, b.n, NULL, buffer);
        nncf__oscillation_observe(
            job->c->oscillation, rule, begin, n, m + b.skip, &job->fq[channel], w);
        begin = b.from + b.n;
    }
}

void nncf__weight_freeze(nncf_layer *layer)
{
    chunk_sums total;
    weight_job job = job_of(layer, layer->model->mode, true);
    nncf__oscillation *known = job.c->oscillation;
    if (known->bits != job.c->weight_quantizer->params.bits)
        nncf__oscillation_restart(known, known->count);
    known->bits = job.c->weight_quantizer->params.bits;
    nncf__quantizer_refresh(job.c->weight_quantizer);
    job.segment = freeze_segment;
    run(&job, &total);
}

static void ranges_segment(
    const weight_job *job, size_t channel, size_t begin, size_t end, chunk_sums *sums)
{
    float buffer[BLOCK];
    float range[2] = {INFINITY, -INFINITY};
    while (begin < end) {
        block b = block_at(begin, end);
        const float *m = masked(job, b.from, b.n, NULL, buffer);
        job->k->min_max(b.n - b.skip, m + b.skip, range);
        begin = b.from + b.n;
    }
    (void)sums;
    job->ranges[2 * channel] = fminf(job->ranges[2 * channel], range[0]);
    job->ranges[2 * channel + 1] = fmaxf(job->ranges[2 * channel + 1], range[1]);
}

void nncf__weight_ranges(const nncf_layer *layer, float *ranges)
{
    layer = nncf__weight_owner(layer);
    weight_job job = job_of(layer, layer->model->mode, true);
    chunk_sums sums;
    /* a filter's own range is that of its weights, which may come back */
    job.prunes = job.prunes && job.channels == 1;
    job.ranges = ranges;
    job.sums = &sums;
    /* in this thread: once in a training */
    for (size_t c = 0; c < job.channels; c++) {
        ranges[2 * c] = INFINITY;
        ranges[2 * c + 1] = -INFINITY;
        for (size_t r = 0; r < job.runs; r++) {
            size_t begin = (r * job.channels + c) * job.run;
            ranges_segment(&job, c, begin, begin + job.run, &sums);
        }
    }
}

void nncf__weight_values(const nncf_layer *layer, size_t channel, float *values)
{
    layer = nncf__weight_owner(layer);
    weight_job job = job_of(layer, layer->model->mode, true);
    float buffer[BLOCK];
    job.prunes = job.prunes && job.channels == 1;
    for (size_t r = 0; r < job.runs; r++) {
        size_t begin = (r * job.channels + channel) * job.run;
        const size_t end = begin + job.run;
        while (begin < end) {
            const block b = block_at(begin, end);
            const size_t n = b.n - b.skip;
            const float *m = masked(&job, b.from, b.n, NULL, buffer);
            memcpy(values, m + b.skip, n * sizeof *m);
            values += n;
            begin = b.from + b.n;
        }
    }
}
