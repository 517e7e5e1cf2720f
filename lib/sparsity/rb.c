/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Regularization-based sparsity: a logit for each weight, trained with the weights; the loss pulls
 * the share of the active ones to the schedule's level. Louizos, Welling and Kingma 2018 with
 * NNCF's loss: docs/formulas.md, "Regularization-based sparsity". The masks themselves are applied
 * in weight.c.
 */
#include "sparsity/rb.h"

#include "base/pool.h"
#include "controller/ctrl.h"
#include "controller/usage_checks.h"
#include "graph/model.h"
#include "kernels/kernels.h"

#include <nncf/compression.h>

#include <math.h>
#include <string.h>

/* Probability of keeping a weight at the start; how far the density may be off before the loss
 * is 1. */
#define INITIAL_PROBABILITY 0.99
#define LOSS_WIDTH          0.05

enum { PIECE = 16384, MAX_SLOTS = 256 };

typedef struct rb_job {
    const nncf__kernels *k;
    const float *logit;
    float *grad, factor;
    size_t count, piece;
    double (*sums)[2];
} rb_job;

void nncf__rb_start(nncf_compression_ctrl *ctrl)
{
    const float start = (float)log(INITIAL_PROBABILITY / (1 - INITIAL_PROBABILITY));
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        for (size_t j = 0; ctrl->layers[i].logit && j < ctrl->model->layers[i]->weight_count; j++)
            ctrl->layers[i].logit[j] = start;
    }
}

static size_t count_of(const rb_job *job, size_t chunk)
{
    size_t left = job->count - chunk * job->piece;
    return left < job->piece ? left : job->piece;
}

static void count_chunk(void *arg, size_t chunk, size_t worker)
{
    const rb_job *job = arg;
    (void)worker;
    job->sums[chunk][0] = job->sums[chunk][1] = 0;
    job->k->rb_count(count_of(job, chunk), job->logit + chunk * job->piece, job->sums[chunk]);
}

static void gradient_chunk(void *arg, size_t chunk, size_t worker)
{
    const rb_job *job = arg;
    size_t begin = chunk * job->piece;
    (void)worker;
    job->k->rb_loss_backward(
        count_of(job, chunk), job->logit + begin, job->factor, job->grad + begin);
}

/* Pieces follow from the layer's size alone, and their sums are added in order. */
static size_t cut(rb_job *job, size_t count)
{
    job->count = count;
    job->piece = (count + MAX_SLOTS - 1) / MAX_SLOTS;
    job->piece = job->piece < PIECE ? PIECE : (job->piece + 63) / 64 * 64;
    return (count + job->piece - 1) / job->piece;
}

void nncf__rb_count(const nncf_compression_ctrl *ctrl, double sums[3])
{
    double slots[MAX_SLOTS][2];
    rb_job job = {.k = nncf__kernels_of(ctrl->context), .sums = slots};
    sums[0] = sums[1] = sums[2] = 0;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        if (!ctrl->layers[i].logit)
            continue;
        job.logit = ctrl->layers[i].logit;
        size_t chunks = cut(&job, ctrl->model->layers[i]->weight_count);
        nncf__parallel(ctrl->context, chunks, count_chunk, &job);
        for (size_t j = 0; j < chunks; j++) {
            sums[0] += slots[j][0];
            sums[1] += slots[j][1];
        }
        sums[2] += (double)job.count;
    }
}

double nncf__rb_loss(nncf_compression_ctrl *ctrl)
{
    double sums[3];
    nncf__rb_count(ctrl, sums);
    if (sums[2] == 0)
        return 0;
    nncf__usage_density(ctrl, sums[0] / sums[2], sums[1] / sums[2]);
    double off = (sums[0] / sums[2] - (1 - ctrl->schedule.level)) / LOSS_WIDTH;
    /* the count's derivative is taken straight through the threshold, as that of sigmoid(logit) */
    rb_job job = {
        .k = nncf__kernels_of(ctrl->context), .factor = (float)(2 * off / LOSS_WIDTH / sums[2])};
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        if (!ctrl->layers[i].logit)
            continue;
        job.logit = ctrl->layers[i].logit;
        job.grad = ctrl->layers[i].logit_grad;
        size_t chunks = cut(&job, ctrl->model->layers[i]->weight_count);
        nncf__parallel(ctrl->context, chunks, gradient_chunk, &job);
    }
    return off * off;
}
