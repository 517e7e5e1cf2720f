/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Group norm (Wu and He 2018): the channels of an image in groups, which lie side by side, each by
 * its own mean and biased variance, made in double. Keeps nothing but what an output quantizer
 * reads: backward makes statistics again. Sums of a channel in an image are made by one worker; the
 * gradients of weight and bias add them image by image.
 */
#include "exec/group_norm.h"

#include "base/pool.h"
#include "exec/call.h"
#include "exec/chunks.h"
#include "exec/keep.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/smooth.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct group_job {
    const nncf__call *call;
    const nncf__kernels *k;
    const nncf__smooth_kernels *s;
    nncf_context *context;
    const nncf_layer *layer;
    /* of all images; channels of one, elements of a plane, of a group */
    size_t groups, channels, plane, length;
    /* backward: sum of dy and of dy * normalized x, of each channel of each image; nullable */
    double (*sums)[2];
    float *z;
} group_job;

static bool has_gradients(const nncf_layer *layer)
{
    return layer->norm.weight_grad || layer->norm.bias_grad;
}

void nncf__group_norm_prepare(const nncf_layer *layer, nncf__block *b)
{
    const size_t length = b->in_planes.c / (size_t)layer->groups * b->in_planes.hw;
    b->forward.scratch = nncf__code_floats(b, 0, length);
    b->backward[1].scratch = b->forward.scratch;
    if (has_gradients(layer)) {
        b->backward[1].work = b->in_planes.n * b->in_planes.c * 2 * sizeof(double);
        b->backward[0] = b->backward[1];
    }
    b->reads_x = true;
    nncf__keep_prepare(b);
}

/* Mean, and 1 / standard deviation. */
typedef struct statistics {
    double mean, inv_std;
} statistics;

static statistics statistics_of(const group_job *job, const float *x)
{
    double sums[2] = {0, 0}, n = (double)job->length;
    job->k->sum_and_squares(job->length, x, sums);
    const double mean = sums[0] / n;
    double var = sums[1] / n - mean * mean;
    var = var < 0 ? 0 : var; /* rounding; a NaN stays one */
    return (statistics){mean, 1 / sqrt(var + (double)job->layer->norm.eps)};
}

static double weight_of(const group_job *job, size_t channel)
{
    return job->layer->norm.weight ? (double)job->layer->norm.weight[channel] : 1;
}

static void forward_group(const group_job *job, size_t g, const float *x, const statistics *s)
{
    const float *bias = job->layer->norm.bias;
    for (size_t i = 0; i < job->channels; i++) {
        const size_t c = g % (size_t)job->layer->groups * job->channels + i;
        const double scale = weight_of(job, c) * s->inv_std;
        const nncf__epilogue line =
            nncf__line((float)scale, (float)((bias ? (double)bias[c] : 0) - s->mean * scale), NULL);
        job->k->epilogue_forward(
            job->plane, x + i * job->plane, job->z + g * job->length + i * job->plane, &line);
    }
}

/* As the gradient of layer norm (normalize.c), the weight being one a plane. */
static void backward_group(const group_job *job, size_t g, const float *x, const statistics *s)
{
    const size_t at = g * job->length;
    const float *dy = job->call->dy + at, mean = (float)s->mean, inv_std = (float)s->inv_std;
    const double n = (double)job->length, k0 = s->inv_std;
    double all[2] = {0, 0};
    for (size_t i = 0; i < job->channels; i++) {
        const size_t c = g % (size_t)job->layer->groups * job->channels + i, p = i * job->plane;
        double sums[2] = {0, 0};
        job->s->normalize_sums(job->plane, x + p, dy + p, mean, inv_std, NULL, sums);
        for (int j = 0; j < 2; j++) {
            all[j] += weight_of(job, c) * sums[j];
            if (job->sums)
                job->sums[g * job->channels + i][j] = sums[j];
        }
    }
    if (!job->call->dx[0])
        return;
    const double k1 = -k0 * k0 * all[1] / n, k2 = -k0 * all[0] / n - k1 * s->mean;
    for (size_t i = 0; i < job->channels; i++) {
        const size_t c = g % (size_t)job->layer->groups * job->channels + i, p = i * job->plane;
        job->s->normalize_dx(job->plane, x + p, dy + p, NULL, (float)(k0 * weight_of(job, c)),
            (float)k1, (float)k2, job->call->dx[0] + at + p);
    }
}

static void chunk_of(void *arg, size_t chunk, size_t worker)
{
    const group_job *job = arg;
    const size_t each = nncf__chunk_rows(job->length);
    float *scratch = nncf__scratch(job->context, worker);
    for (size_t g = chunk * each; g < (chunk + 1) * each && g < job->groups; g++) {
        const float *x =
            nncf__floats_of(job->k, &job->call->x[0], g * job->length, job->length, scratch);
        const statistics s = statistics_of(job, x);
        if (job->z)
            forward_group(job, g, x, &s);
        else
            backward_group(job, g, x, &s);
    }
}

static void run(const nncf__call *call, float *z)
{
    const nncf_layer *layer = call->layer;
    nncf_context *context = layer->model->context;
    const nncf__planes *p = &call->block->in_planes;
    group_job job = {.call = call,
        .k = nncf__kernels_of(context),
        .s = nncf__smooth_of(context),
        .context = context,
        .layer = layer,
        .groups = p->n * (size_t)layer->groups,
        .channels = p->c / (size_t)layer->groups,
        .plane = p->hw,
        .z = z};
    job.length = job.channels * job.plane;
    if (!z && has_gradients(layer))
        job.sums = (double(*)[2])layer->model->work.data;
    nncf__parallel(context, nncf__chunk_count(job.groups, job.length), chunk_of, &job);
}

void nncf__group_norm_forward(const nncf__call *call)
{
    float *z = nncf__keep_z(call);
    run(call, z);
    nncf__keep_forward(call, z);
}

static void add_gradients(const nncf__call *call)
{
    const nncf_layer *layer = call->layer;
    const nncf__planes *p = &call->block->in_planes;
    const double(*sums)[2] = (const double(*)[2])layer->model->work.data;
    for (size_t c = 0; c < p->c; c++) {
        double total[2] = {0, 0};
        for (size_t n = 0; n < p->n; n++)
            for (int j = 0; j < 2; j++)
                total[j] += sums[n * p->c + c][j];
        if (layer->norm.bias_grad)
            layer->norm.bias_grad[c] += (float)total[0];
        if (layer->norm.weight_grad)
            layer->norm.weight_grad[c] += (float)total[1];
    }
}

void nncf__group_norm_backward(const nncf__call *call)
{
    nncf__keep_backward(call);
    if (!call->dx[0] && !has_gradients(call->layer))
        return;
    run(call, NULL);
    if (has_gradients(call->layer))
        add_gradients(call);
}
