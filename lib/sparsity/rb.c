/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regularization-based sparsity: a logit for each weight, trained with the weights; the loss pulls
 * the share of the active ones to the schedule's level. Louizos, Welling and Kingma 2018 with
 * NNCF's loss: docs/formulas.md, "Regularization-based sparsity". The masks themselves are applied
 * in weight.c.
 */
#include "sparsity/rb.h"

#include "base/pool.h"
#include "context/context.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>
#include <string.h>

/* Probability of keeping a weight at the start; how far the density may be off before the loss
 * is 1. */
#define INITIAL_PROBABILITY 0.99
#define LOSS_WIDTH          0.05

/* SAMPLE: logits of a chunk that show where the probabilities move to */
enum { MIN_CHUNK = 16384, MAX_CHUNKS = 256, SAMPLE = 1024 };

/* A part of a layer's logits. */
typedef struct rb_chunk {
    const float *logit;
    float *grad;
    size_t count;
} rb_chunk;

typedef struct rb_job {
    const nncf__kernels *k;
    float factor;
    size_t n_chunks;
    rb_chunk chunks[MAX_CHUNKS];
    /* of each chunk: those that are kept, probabilities, of how many */
    double sums[MAX_CHUNKS][3];
} rb_job;

/* Philox keys: one a layer, unrelated for neighbouring seeds (the finalizer of splitmix64, Steele
 * et al. 2014). */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

uint64_t nncf__rb_noise_key(const nncf_layer *layer)
{
    return mix(mix(layer->model->context->params.seed) + (uint64_t)layer->index);
}

void nncf__rb_start(const nncf__masked_layers *l)
{
    const float start = (float)log(INITIAL_PROBABILITY / (1 - INITIAL_PROBABILITY));
    for (size_t i = 0; i < l->count; i++) {
        for (size_t j = 0; l->masks[i].logit && j < l->layers[i]->weight_count; j++)
            l->masks[i].logit[j] = start;
    }
}

static void count_chunk(void *arg, size_t chunk, size_t worker)
{
    rb_job *job = arg;
    (void)worker;
    job->sums[chunk][0] = job->sums[chunk][1] = 0;
    job->sums[chunk][2] = (double)job->chunks[chunk].count;
    job->k->rb_count(job->chunks[chunk].count, job->chunks[chunk].logit, job->sums[chunk]);
}

/* All that a step needs: no exp for most. */
static void kept_chunk(void *arg, size_t chunk, size_t worker)
{
    rb_job *job = arg;
    const rb_chunk *p = &job->chunks[chunk];
    double sample[2] = {0, 0};
    const size_t n = p->count < SAMPLE ? p->count : SAMPLE;
    (void)worker;
    job->k->rb_count(n, p->logit, sample);
    job->sums[chunk][0] = (double)job->k->rb_kept(p->count, p->logit);
    job->sums[chunk][1] = sample[1];
    job->sums[chunk][2] = (double)n;
}

static void gradient_chunk(void *arg, size_t chunk, size_t worker)
{
    const rb_job *job = arg;
    const rb_chunk *p = &job->chunks[chunk];
    (void)worker;
    job->k->rb_loss_backward(p->count, p->logit, job->factor, p->grad);
}

/* Does the work on the chunks that are there; the sums (nullable) are added in their order. */
static void work_off(nncf_context *context, rb_job *job, nncf__chunk_fn *fn, nncf__rb_sums *sums)
{
    nncf__parallel(context, job->n_chunks, fn, job);
    for (size_t i = 0; sums && i < job->n_chunks; i++) {
        sums->kept += job->sums[i][0];
        sums->probability += job->sums[i][1];
        sums->sampled += job->sums[i][2];
    }
    job->n_chunks = 0;
}

/* All layers at once: a thread that waits for the others does so once, not once a layer. Chunks
 * follow from a layer's size alone. */
static void for_all(
    const nncf__masked_layers *l, rb_job *job, nncf__chunk_fn *fn, nncf__rb_sums *sums)
{
    job->k = nncf__kernels_of(l->context);
    job->n_chunks = 0;
    for (size_t i = 0; i < l->count; i++) {
        const size_t count = l->masks[i].logit ? l->layers[i]->weight_count : 0,
                     slots = (count + MAX_CHUNKS - 1) / MAX_CHUNKS,
                     size = slots < MIN_CHUNK ? MIN_CHUNK : (slots + 63) / 64 * 64;
        for (size_t begin = 0; begin < count; begin += size) {
            if (job->n_chunks == MAX_CHUNKS)
                work_off(l->context, job, fn, sums);
            job->chunks[job->n_chunks++] = (rb_chunk){l->masks[i].logit + begin,
                l->masks[i].logit_grad + begin, count - begin < size ? count - begin : size};
        }
        if (sums)
            sums->count += (double)count;
    }
    work_off(l->context, job, fn, sums);
}

void nncf__rb_count(const nncf__masked_layers *l, nncf__rb_sums *sums)
{
    rb_job job;
    *sums = (nncf__rb_sums){0};
    for_all(l, &job, count_chunk, sums);
}

double nncf__rb_loss(const nncf__masked_layers *l, double level, double factor, nncf__rb_sums *sums)
{
    rb_job job;
    *sums = (nncf__rb_sums){0};
    for_all(l, &job, kept_chunk, sums);
    if (sums->count == 0)
        return 0;
    double off = (sums->kept / sums->count - (1 - level)) / LOSS_WIDTH;
    /* the count's derivative is taken straight through the threshold, as that of sigmoid(logit) */
    job.factor = (float)(2 * off / LOSS_WIDTH / sums->count * factor);
    for_all(l, &job, gradient_chunk, NULL);
    return off * off;
}
