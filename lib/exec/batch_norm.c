/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch norm (Ioffe and Szegedy 2015, algorithm 1) with the activation and the output quantizer
 * that follow it, one channel at a time: its statistics and the pass that uses them are done by one
 * worker, so that the channel is still in the cache, and sums over it have one order. Statistics
 * and constants are made in double and used as float.
 */
#include "exec/batch_norm.h"

#include "base/error.h"
#include "base/pool.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "exec/call.h"
#include "exec/channels.h"
#include "exec/quantize.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

/* Planes smaller than this are gathered, channel by channel, into one row: calling a kernel for
 * each would cost more than the work. That is more in backward, whose rows have more to set up and
 * to sum. CHUNK_ELEMENTS: channels of one chunk are neighbours, because then they share the cache
 * lines of small planes. */
enum { SMALL_PLANE = 16, SMALL_BACKWARD = 100, CHUNK_ELEMENTS = 16384 };
/* Of the batches in which an adaptation forgets, as NNCF has it. */
#define FORGET_MOMENTUM 0.9

size_t nncf__batch_norm_scratch(const nncf__planes *planes)
{
    return planes->hw < SMALL_BACKWARD ? 2 * planes->n * planes->hw * sizeof(float) : 0;
}

/* The planes of a channel: as they lie, or gathered into one. */
typedef struct column {
    size_t segments, length, stride;
    const float *z;
    float *y;
    uint8_t *codes;
} column;

/* Copies of a few elements: a loop where a call would cost more. */
static void copy(void *to, const void *from, size_t count, size_t size)
{
    if (count >= SMALL_PLANE) {
        memcpy(to, from, count * size);
        return;
    }
    for (size_t i = 0; i < count * size; i += size)
        memcpy((char *)to + i, (const char *)from + i, size);
}

static void gather(const nncf__planes *p, size_t c, const float *from, float *to)
{
    for (size_t n = 0; n < p->n; n++)
        copy(to + n * p->hw, from + (n * p->c + c) * p->hw, p->hw, sizeof *to);
}

static void scatter(const nncf__planes *p, size_t c, const float *from, float *to)
{
    for (size_t n = 0; n < p->n; n++)
        copy(to + (n * p->c + c) * p->hw, from + n * p->hw, p->hw, sizeof *to);
}

static void scatter_codes(const nncf__planes *p, size_t c, const uint8_t *from, uint8_t *to)
{
    for (size_t n = 0; n < p->n; n++)
        copy(to + (n * p->c + c) * p->hw, from + n * p->hw, p->hw, 1);
}

/* Statistics of one channel -> its constants. */
static void set_constants(const nncf__norm *job, size_t c, const column *col)
{
    const nncf_batch_norm_params *bn = job->params;
    double mean, var;
    if (job->block->batch_statistics) {
        double sums[2] = {0, 0}, count = (double)(col->segments * col->length);
        for (size_t i = 0; i < col->segments; i++)
            job->k->sum_and_squares(col->length, col->z + i * col->stride, sums);
        mean = sums[0] / count;
        var = sums[1] / count - mean * mean;
        if (var < 0) /* rounding; a NaN stays one */
            var = 0;
        if (job->block->update_running) {
            double m = job->block->momentum, unbiased = count > 1 ? var * count / (count - 1) : var;
            bn->running_mean[c] = (float)((1 - m) * (double)bn->running_mean[c] + m * mean);
            bn->running_var[c] = (float)((1 - m) * (double)bn->running_var[c] + m * unbiased);
        }
    } else {
        mean = (double)bn->running_mean[c];
        var = (double)bn->running_var[c];
    }
    double inv_std = 1 / sqrt(var + (double)bn->eps);
    double scale = (bn->weight ? (double)bn->weight[c] : 1) * inv_std;
    double shift = (bn->bias ? (double)bn->bias[c] : 0) - mean * scale;
    job->channels.scale[c] = (float)scale;
    job->channels.shift[c] = (float)shift;
    job->channels.mean[c] = (float)mean;
    job->channels.inv_std[c] = (float)inv_std;
}

static nncf__epilogue epilogue_of(const nncf__norm *job, size_t c)
{
    nncf__epilogue e = nncf__block_epilogue(job->block, c);
    e.scale = job->channels.scale[c];
    e.shift = job->channels.shift[c];
    return e;
}

static column column_of(const nncf__norm *job, size_t c, float *scratch)
{
    const nncf__planes *p = &job->planes;
    if (!job->gathers) {
        column col = {p->n, p->hw, p->c * p->hw, job->z + c * p->hw, NULL, NULL};
        if (job->codes)
            col.codes = job->codes + c * p->hw;
        else
            col.y = job->y + c * p->hw;
        return col;
    }
    gather(p, c, job->z, scratch);
    float *out = scratch + p->n * p->hw;
    return (column){1, p->n * p->hw, 0, scratch, out, (uint8_t *)out};
}

static void forward_channel(const nncf__norm *job, size_t c, float *scratch)
{
    column col = column_of(job, c, scratch);
    set_constants(job, c, &col);
    nncf__epilogue e = epilogue_of(job, c);
    int64_t clipped = 0;
    for (size_t i = 0; i < col.segments; i++) {
        const float *z = col.z + i * col.stride;
        clipped += job->codes
            ? job->k->epilogue_codes(col.length, z, col.codes + i * col.stride, &e, job->zero)
            : job->k->epilogue_forward(col.length, z, col.y + i * col.stride, &e);
    }
    job->channels.sums[5 * c] = (double)clipped;
    if (job->gathers && job->codes)
        scatter_codes(&job->planes, c, col.codes, job->codes);
    else if (job->gathers)
        scatter(&job->planes, c, col.y, job->y);
}

/* dz = k0 * da + (k1 * z + k2), the derivative of algorithm 1 through mean and variance:
 * scale * (da - mean(da) - zhat * mean(da * zhat)) */
typedef struct gradient {
    float k0, k1, k2;
} gradient;

static gradient gradient_of(const nncf__norm *job, size_t c)
{
    const double *sums = job->channels.sums + 5 * c;
    double count = (double)(job->planes.n * job->planes.hw), k0 = (double)job->channels.scale[c];
    double k1 = -k0 * (double)job->channels.inv_std[c] * sums[4] / count;
    double k2 = -k0 * sums[3] / count - k1 * (double)job->channels.mean[c];
    return (gradient){(float)k0, (float)k1, (float)k2};
}

static void backward_sums(
    const nncf__norm *job, size_t c, const column *col, const nncf__epilogue *e)
{
    double *sums = job->channels.sums + 5 * c;
    memset(sums, 0, 5 * sizeof *sums);
    for (size_t i = 0; i < col->segments; i++)
        job->k->epilogue_sums(col->length, col->z + i * col->stride, col->y + i * col->stride, e,
            job->channels.mean[c], job->channels.inv_std[c], sums);
}

static void backward_channel(const nncf__norm *job, size_t c, float *scratch)
{
    column col = column_of(job, c, scratch);
    if (job->gathers)
        gather(&job->planes, c, job->y, col.y);
    nncf__epilogue e = epilogue_of(job, c);
    backward_sums(job, c, &col, &e);
    gradient g = gradient_of(job, c);
    for (size_t i = 0; i < col.segments; i++) {
        float *dy = col.y + i * col.stride;
        job->k->epilogue_dz(col.length, col.z + i * col.stride, dy, dy, &e, g.k0, g.k1, g.k2);
    }
    if (job->gathers)
        scatter(&job->planes, c, col.y, job->y);
}

/* Channels of one chunk. */
static size_t chunk_channels(const nncf__norm *job)
{
    size_t group = CHUNK_ELEMENTS / (job->planes.n * job->planes.hw);
    return group < 1 ? 1 : group;
}

static void run_chunk(const nncf__norm *job, size_t chunk, size_t worker,
    void (*channel)(const nncf__norm *, size_t, float *))
{
    float *scratch = job->gathers ? nncf__scratch(job->context, worker) : NULL;
    size_t group = chunk_channels(job), first = chunk * group, end = first + group;
    for (size_t c = first; c < end && c < job->planes.c; c++)
        channel(job, c, scratch);
}

static void forward_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, forward_channel);
}

static void backward_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, backward_channel);
}

static void run(nncf__norm *job, nncf__chunk_fn *chunk)
{
    size_t group = chunk_channels(job);
    nncf__parallel(job->context, (job->planes.c + group - 1) / group, chunk, job);
}

static nncf__norm start(const nncf__call *call, const float *z, float *y)
{
    return (nncf__norm){.block = call->block,
        .params = &call->layer->batch_norm,
        .context = call->layer->model->context,
        .k = nncf__kernels_of(call->layer->model->context),
        .planes = call->block->out_planes,
        .channels = nncf__channels_of(call->layer),
        .z = z,
        .y = y};
}

/* The controller's adaptation recomputes running statistics, whatever the mode. */
static bool of_batch(int32_t mode, int32_t adapting)
{
    return mode == NNCF_MODE_TRAIN || adapting;
}

void nncf__batch_norm_prepare(const nncf_layer *layer, nncf__block *block)
{
    const int32_t adapting = block->key.adapting;
    if (!layer->has_batch_norm)
        return;
    block->batch_statistics = of_batch(block->key.mode, adapting);
    block->update_running = block->batch_statistics && (adapting || !block->key.observing);
    /* the first batches of an adaptation make them forget */
    block->momentum =
        adapting == NNCF__PHASE_FORGETTING ? FORGET_MOMENTUM : (double)layer->batch_norm.momentum;
}

nncf_status nncf__layer_check_batch_norm(
    const nncf_layer *layer, const int64_t out[4], nncf_error *err)
{
    const nncf_compression_ctrl *ctrl = layer->model->ctrl;
    if (!layer->has_batch_norm ||
        !of_batch(layer->model->mode, ctrl && nncf__ctrl_adapting(ctrl)) ||
        out[0] * out[2] * out[3] > 1)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL,
        "y has one value a channel, (1,%lld,1,1): batch norm of a batch makes 0 of it, and no "
        "gradient; "
        "give a larger batch, or set NNCF_MODE_EVAL",
        (long long)out[1]);
}

nncf__norm nncf__batch_norm_forward_start(const nncf__call *call, const float *z)
{
    nncf__norm job = start(call, z, call->y.data);
    nncf__quantizer *output = call->block->quantizers[NNCF__OF_OUTPUT];
    job.gathers = job.planes.hw < SMALL_PLANE;
    if (output && !call->block->observes_output)
        nncf__quantizer_refresh(output);
    if (call->y.dtype != NNCF_F32) {
        job.codes = call->y.data;
        job.y = NULL;
        job.zero = (float)nncf__quantizer_zero(output);
    }
    return job;
}

void nncf__batch_norm_forward_channels(void *norm, int64_t c0, int64_t c1, void *scratch)
{
    for (int64_t c = c0; c < c1; c++)
        forward_channel(norm, (size_t)c, scratch);
}

void nncf__batch_norm_forward_finish(const nncf__norm *job)
{
    nncf__quantizer *output = job->block->quantizers[NNCF__OF_OUTPUT];
    if (job->block->observes_output) {
        nncf__layer_observe(job->context, output, &job->planes, job->y);
    } else if (output) {
        output->total = (int64_t)nncf__planes_count(&job->planes);
        output->clipped = 0;
        for (size_t c = 0; c < job->planes.c; c++)
            output->clipped += (int64_t)job->channels.sums[5 * c];
    }
}

void nncf__batch_norm_forward(const nncf__call *call, const float *z)
{
    nncf__norm job = nncf__batch_norm_forward_start(call, z);
    run(&job, forward_chunk);
    nncf__batch_norm_forward_finish(&job);
}

nncf__norm nncf__batch_norm_backward_start(const nncf__call *call, const float *z, bool in_place)
{
    nncf__norm job = start(call, z, call->dy);
    job.gathers = job.planes.hw < SMALL_BACKWARD;
    job.in_place = in_place;
    return job;
}

/* What has to be gathered is made in place at once. */
void nncf__batch_norm_backward_sums(void *norm, int64_t c0, int64_t c1, void *scratch)
{
    const nncf__norm *job = norm;
    for (int64_t i = c0; i < c1; i++) {
        size_t c = (size_t)i;
        if (job->gathers) {
            backward_channel(job, c, scratch);
            continue;
        }
        column col = column_of(job, c, NULL);
        nncf__epilogue e = epilogue_of(job, c);
        backward_sums(job, c, &col, &e);
    }
}

const float *nncf__batch_norm_backward_dz(void *norm, int64_t n, int64_t c0, int64_t c1, float *to)
{
    const nncf__norm *job = norm;
    const size_t hw = job->planes.hw, first = ((size_t)n * job->planes.c + (size_t)c0) * hw;
    if (job->gathers || job->in_place)
        to = job->y + first;
    for (size_t c = (size_t)c0, at = 0; c < (size_t)c1 && !job->gathers; c++, at += hw) {
        nncf__epilogue e = epilogue_of(job, c);
        gradient g = gradient_of(job, c);
        job->k->epilogue_dz(
            hw, job->z + first + at, job->y + first + at, to + at, &e, g.k0, g.k1, g.k2);
    }
    return to;
}

void nncf__batch_norm_backward(const nncf__call *call, const float *z)
{
    nncf__norm job = nncf__batch_norm_backward_start(call, z, true);
    run(&job, backward_chunk);
}

void nncf__batch_norm_add_gradients(const nncf__call *call)
{
    const nncf_batch_norm_params *bn = &call->layer->batch_norm;
    const nncf__channels s = nncf__channels_of(call->layer);
    nncf__quantizer *output = call->block->quantizers[NNCF__OF_OUTPUT];
    double total[3] = {0, 0, 0};
    for (size_t c = 0; c < call->block->out_planes.c; c++) {
        const double *sums = s.sums + 5 * c;
        if (bn->weight_grad)
            bn->weight_grad[c] += (float)sums[4];
        if (bn->bias_grad)
            bn->bias_grad[c] += (float)sums[3];
        if (output && output->channels > 1)
            nncf__quantizer_add_gradient(output, c, sums);
        for (int i = 0; i < 3; i++)
            total[i] += sums[i];
    }
    if (output && output->channels <= 1)
        nncf__quantizer_add_gradient(output, 0, total);
}
