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

enum { MIN_CHUNK = 16384, MAX_SLOTS = 256 };

typedef struct rb_job {
    const nncf__kernels *k;
    const float *logit;
    float *grad, factor;
    size_t count, chunk_size;
    double (*sums)[2];
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

static size_t count_of(const rb_job *job, size_t chunk)
{
    size_t left = job->count - chunk * job->chunk_size;
    return left < job->chunk_size ? left : job->chunk_size;
}

static void count_chunk(void *arg, size_t chunk, size_t worker)
{
    const rb_job *job = arg;
    (void)worker;
    job->sums[chunk][0] = job->sums[chunk][1] = 0;
    job->k->rb_count(count_of(job, chunk), job->logit + chunk * job->chunk_size, job->sums[chunk]);
}

static void gradient_chunk(void *arg, size_t chunk, size_t worker)
{
    const rb_job *job = arg;
    size_t begin = chunk * job->chunk_size;
    (void)worker;
    job->k->rb_loss_backward(
        count_of(job, chunk), job->logit + begin, job->factor, job->grad + begin);
}

/* Pieces follow from the layer's size alone, and their sums are added in order. */
static size_t split(rb_job *job, size_t count)
{
    job->count = count;
    job->chunk_size = (count + MAX_SLOTS - 1) / MAX_SLOTS;
    job->chunk_size = job->chunk_size < MIN_CHUNK ? MIN_CHUNK : (job->chunk_size + 63) / 64 * 64;
    return (count + job->chunk_size - 1) / job->chunk_size;
}

void nncf__rb_count(const nncf__masked_layers *l, nncf__rb_sums *sums)
{
    double slots[MAX_SLOTS][2];
    rb_job job = {.k = nncf__kernels_of(l->context), .sums = slots};
    *sums = (nncf__rb_sums){0};
    for (size_t i = 0; i < l->count; i++) {
        if (!l->masks[i].logit)
            continue;
        job.logit = l->masks[i].logit;
        size_t chunks = split(&job, l->layers[i]->weight_count);
        nncf__parallel(l->context, chunks, count_chunk, &job);
        for (size_t j = 0; j < chunks; j++) {
            sums->kept += slots[j][0];
            sums->probability += slots[j][1];
        }
        sums->count += (double)job.count;
    }
}

double nncf__rb_loss(const nncf__masked_layers *l, double level, double factor, nncf__rb_sums *sums)
{
    nncf__rb_count(l, sums);
    if (sums->count == 0)
        return 0;
    double off = (sums->kept / sums->count - (1 - level)) / LOSS_WIDTH;
    /* the count's derivative is taken straight through the threshold, as that of sigmoid(logit) */
    rb_job job = {.k = nncf__kernels_of(l->context),
        .factor = (float)(2 * off / LOSS_WIDTH / sums->count * factor)};
    for (size_t i = 0; i < l->count; i++) {
        if (!l->masks[i].logit)
            continue;
        job.logit = l->masks[i].logit;
        job.grad = l->masks[i].logit_grad;
        size_t chunks = split(&job, l->layers[i]->weight_count);
        nncf__parallel(l->context, chunks, gradient_chunk, &job);
    }
    return off * off;
}
