/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch norm (Ioffe and Szegedy 2015, algorithm 1) with the activation and the output quantizer
 * that follow it, one channel at a time: its statistics and the pass that uses them are done by one
 * worker, so that the channel is still in the cache, and sums over it have one order. Statistics
 * and constants are made in double and used as float. Of products of codes z is the integer sums
 * (as floats), and statistics are exact sums of them.
 */
#include "exec/batch_norm.h"

#include "base/error.h"
#include "base/pool.h"
#include "controller/ctrl.h"
#include "controller/init.h"
#include "exec/activate.h"
#include "exec/call.h"
#include "exec/channels.h"
#include "exec/chunks.h"
#include "exec/quantize.h"
#include "gemm/spans.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/exact_sums.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"
#include "pruning/apply.h"
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
 * to sum. */
enum { SMALL_PLANE = 16, SMALL_BACKWARD = NNCF__SPAN_SMALL_PLANE };
/* Of the batches in which an adaptation forgets, as NNCF has it. */
#define FORGET_MOMENTUM 0.9

size_t nncf__batch_norm_scratch(const nncf__planes *planes)
{
    return planes->hw < SMALL_BACKWARD ? 2 * planes->n * planes->hw * sizeof(float) : 0;
}

/* The planes of a channel: as they lie, or gathered into one. */
typedef struct column {
    size_t segments, length, stride, z_stride;
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

/* Planes `stride` apart, side by side. */
static void gather(const nncf__planes *p, const float *from, size_t stride, float *to)
{
    for (size_t n = 0; n < p->n; n++)
        copy(to + n * p->hw, from + n * stride, p->hw, sizeof *to);
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

/* The mean and the mean of the squares of a channel's z. */
static void means_of(const nncf__norm *job, const column *col, double means[2])
{
    const double count = (double)(col->segments * col->length);
    nncf__exact_sums exact = {0};
    double sums[2] = {0, 0};
    for (size_t i = 0; i < col->segments; i++) {
        const float *z = col->z + i * col->z_stride;
        if (job->block->conv.only_sums)
            nncf__exact_sums_row(job->k, col->length, z, &exact);
        else
            job->k->sum_and_squares(col->length, z, sums);
    }
    if (job->block->conv.only_sums) {
        nncf__exact_sums_means(&exact, count, means);
        return;
    }
    means[0] = sums[0] / count;
    means[1] = sums[1] / count;
}

/*
 * Statistics of one channel -> its constants. z is the product, or its sum of codes s: then the
 * product is s * unit + bias, its mean and variance follow from those of s, and the constants are
 * those for s.
 */
void nncf__norm_set_constants(const nncf__norm *job, size_t c, const double means[2])
{
    const nncf_batch_norm_params *bn = job->params;
    const bool sums = job->block->conv.only_sums;
    const double unit =
        sums ? (double)job->x->scale[0] * (double)nncf__qtensor_scale(job->w, (int64_t)c) : 1;
    const double bias = sums && job->bias ? (double)job->bias[c] : 0;
    double mean, var;
    if (job->block->batch_statistics) {
        const double count = (double)(job->planes.n * job->planes.hw);
        mean = means[0] * unit + bias;
        var = (means[1] - means[0] * means[0]) * unit * unit;
        if (var < 0) /* rounding; a NaN stays one */
            var = 0;
        const double unbiased = count > 1 ? var * count / (count - 1) : var;
        if (job->block->update_running) {
            const double m = job->block->momentum,
                         kept = bn->flags & NNCF_BATCH_NORM_BIASED_RUNNING ? var : unbiased;
            bn->running_mean[c] = (float)((1 - m) * (double)bn->running_mean[c] + m * mean);
            bn->running_var[c] = (float)((1 - m) * (double)bn->running_var[c] + m * kept);
        }
        if (bn->flags & NNCF_BATCH_NORM_UNBIASED)
            var = unbiased;
    } else {
        mean = (double)bn->running_mean[c];
        var = (double)bn->running_var[c];
    }
    const bool pruned = job->filters && !job->filters[c];
    double inv_std = 1 / sqrt(var + (double)bn->eps);
    double scale = pruned ? 0 : (bn->weight ? (double)bn->weight[c] : 1) * inv_std;
    double shift = pruned ? 0 : (bn->bias ? (double)bn->bias[c] : 0) - (mean - bias) * scale;
    job->channels.gain[c] = (float)scale;
    job->channels.scale[c] = (float)(scale * unit);
    job->channels.shift[c] = (float)shift;
    /* of z, read by backward only */
    job->channels.mean[c] = (float)(job->block->batch_statistics ? means[0] : (mean - bias) / unit);
    job->channels.inv_std[c] = (float)(inv_std * unit);
}

nncf__epilogue nncf__norm_epilogue(const nncf__norm *job, size_t c)
{
    nncf__epilogue e = nncf__block_epilogue(job->block, c);
    e.scale = job->channels.scale[c];
    e.shift = job->channels.shift[c];
    return e;
}

static column column_of(const nncf__norm *job, size_t c, float *scratch)
{
    const nncf__planes *p = &job->planes;
    const float *z = job->z.data + (c - (size_t)job->z.first) * p->hw;
    const size_t z_stride = (size_t)job->z.channels * p->hw;
    if (!job->gathers) {
        column col = {p->n, p->hw, p->c * p->hw, z_stride, z, NULL, NULL};
        if (job->codes)
            col.codes = job->codes + c * p->hw;
        else
            col.y = job->y + c * p->hw;
        return col;
    }
    gather(p, z, z_stride, scratch);
    float *out = scratch + p->n * p->hw;
    return (column){1, p->n * p->hw, 0, 0, scratch, out, (uint8_t *)out};
}

static void forward_channel(const nncf__norm *job, size_t c, float *scratch)
{
    column col = column_of(job, c, scratch);
    double means[2] = {0, 0};
    if (job->block->batch_statistics)
        means_of(job, &col, means);
    nncf__norm_set_constants(job, c, means);
    nncf__epilogue e = nncf__norm_epilogue(job, c);
    int64_t clipped = 0;
    for (size_t i = 0; i < col.segments; i++) {
        const float *z = col.z + i * col.z_stride;
        clipped += job->codes
            ? nncf__activate_codes(
                  job->block, job->k, col.length, z, col.codes + i * col.stride, &e, job->zero)
            : nncf__activate_forward(job->block, job->k, col.length, z, col.y + i * col.stride, &e);
    }
    job->channels.sums[5 * c] = (double)clipped;
    if (job->gathers && job->codes)
        scatter_codes(&job->planes, c, col.codes, job->codes);
    else if (job->gathers)
        scatter(&job->planes, c, col.y, job->y);
}

nncf__norm_gradient nncf__norm_gradient_of(const nncf__norm *job, size_t c)
{
    const double *sums = job->channels.sums + 5 * c;
    const double count = (double)(job->planes.n * job->planes.hw),
                 k0 = (double)job->channels.gain[c];
    /* running statistics do not depend on z */
    if (!job->block->batch_statistics)
        return (nncf__norm_gradient){(float)k0, 0, 0};
    const double of_var = job->params->flags & NNCF_BATCH_NORM_UNBIASED ? count - 1 : count;
    double k1 = -k0 * (double)job->channels.inv_std[c] * sums[4] / of_var;
    double k2 = -k0 * sums[3] / count - k1 * (double)job->channels.mean[c];
    return (nncf__norm_gradient){(float)k0, (float)k1, (float)k2};
}

static void backward_sums(
    const nncf__norm *job, size_t c, const column *col, const nncf__epilogue *e)
{
    double *sums = job->channels.sums + 5 * c;
    const nncf__spans spans = nncf__spans_of((int64_t)job->planes.n, (int64_t)job->planes.hw);
    memset(sums, 0, 5 * sizeof *sums);
    for (int64_t i = 0; i < spans.count; i++) {
        const int64_t first = nncf__span_first(&spans, i), end = nncf__span_end(&spans, i);
        const size_t image = (size_t)first / col->length, at = (size_t)first % col->length;
        nncf__activate_sums(job->block, job->k, (size_t)(end - first),
            col->z + image * col->z_stride + at, col->y + image * col->stride + at, e,
            job->channels.mean[c], job->channels.inv_std[c], sums);
    }
}

static void backward_channel(const nncf__norm *job, size_t c, float *scratch)
{
    column col = column_of(job, c, scratch);
    if (job->gathers)
        gather(&job->planes, job->y + c * job->planes.hw, job->planes.c * job->planes.hw, col.y);
    nncf__epilogue e = nncf__norm_epilogue(job, c);
    backward_sums(job, c, &col, &e);
    nncf__norm_gradient g = nncf__norm_gradient_of(job, c);
    for (size_t i = 0; i < col.segments; i++) {
        float *dy = col.y + i * col.stride;
        nncf__activate_dz(
            job->block, job->k, col.length, col.z + i * col.z_stride, dy, dy, &e, g.k0, g.k1, g.k2);
    }
    if (job->gathers)
        scatter(&job->planes, c, col.y, job->y);
}

/* Channels of one chunk are neighbours: they share the cache lines of small planes. */
static void run_chunk(const nncf__norm *job, size_t chunk, size_t worker,
    void (*channel)(const nncf__norm *, size_t, float *))
{
    float *scratch = job->gathers ? nncf__scratch(job->context, worker) : NULL;
    const size_t group = nncf__chunk_rows(job->planes.n * job->planes.hw), first = chunk * group,
                 end = first + group;
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
    const size_t chunks = nncf__chunk_count(job->planes.c, job->planes.n * job->planes.hw);
    nncf__parallel(job->context, chunks, chunk, job);
}

nncf__norm nncf__norm_start(const nncf__call *call, const float *z, float *y)
{
    return (nncf__norm){.block = call->block,
        .params = &call->layer->batch_norm,
        .filters = nncf__norm_filters(call->layer),
        .context = call->layer->model->context,
        .k = nncf__kernels_of(call->layer->model->context),
        .planes = call->block->out_planes,
        .channels = nncf__channels_of(call->layer),
        .z = {z, 0, (int64_t)call->block->out_planes.c},
        .y = y};
}

/* The controller's adaptation recomputes running statistics that are not frozen, whatever the mode.
 */
static bool of_batch(const nncf_layer *layer, int32_t mode, bool adapting)
{
    return !(layer->batch_norm.flags & NNCF_BATCH_NORM_FROZEN) &&
        (mode == NNCF_MODE_TRAIN || adapting);
}

void nncf__batch_norm_prepare(const nncf_layer *layer, nncf__block *block)
{
    const int32_t adapting = block->key.adapting;
    if (!layer->has_batch_norm)
        return;
    const double momentum = (double)layer->batch_norm.momentum;
    block->batch_statistics = of_batch(layer, block->key.mode, adapting != 0);
    block->update_running = block->batch_statistics && (adapting || !block->key.observing);
    /* the first batches of an adaptation make them forget */
    block->momentum = adapting == NNCF__PHASE_FORGETTING             ? FORGET_MOMENTUM
        : layer->batch_norm.flags & NNCF_BATCH_NORM_INVERSE_MOMENTUM ? 1 - momentum
                                                                     : momentum;
}

nncf_status nncf__layer_check_batch_norm(
    const nncf_layer *layer, const int64_t out[4], nncf_error *err)
{
    const nncf_compression_ctrl *ctrl = layer->model->ctrl;
    if (!layer->has_batch_norm ||
        !of_batch(layer, layer->model->mode, ctrl && nncf__ctrl_adapting(ctrl)) ||
        out[0] * out[2] * out[3] > 1)
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_SHAPE, NULL,
        "y has one value a channel, (1,%lld,1,1): batch norm of a batch makes 0 of it, and no "
        "gradient; "
        "give a larger batch, or set NNCF_MODE_EVAL",
        (long long)out[1]);
}

nncf__norm nncf__batch_norm_forward_start(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, const float *z)
{
    nncf__norm job = nncf__norm_start(call, z, call->y.data);
    nncf__quantizer *output = call->block->quantizers[NNCF__OF_OUTPUT];
    job.gathers = job.planes.hw < SMALL_PLANE;
    job.x = x;
    job.w = w;
    job.bias = nncf__kept_bias(call->layer);
    if (output && !call->block->observes_output)
        nncf__quantizer_refresh(output);
    if (call->y.dtype != NNCF_F32) {
        job.codes = call->y.data;
        job.y = NULL;
        job.zero = (float)nncf__quantizer_zero(output);
    }
    return job;
}

/* The norm for planes that exist in a worker's scratch only. */
static nncf__norm norm_at(const nncf__norm *norm, const nncf__channel_planes *z)
{
    nncf__norm job = *norm;
    if (z->data)
        job.z = *z;
    return job;
}

void nncf__batch_norm_forward_channels(
    void *norm, int64_t c0, int64_t c1, const nncf__channel_planes *z, void *scratch)
{
    const nncf__norm job = norm_at(norm, z);
    for (int64_t c = c0; c < c1; c++)
        forward_channel(&job, (size_t)c, scratch);
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

void nncf__batch_norm_forward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w, const float *z)
{
    nncf__norm job = nncf__batch_norm_forward_start(call, x, w, z);
    run(&job, forward_chunk);
    nncf__batch_norm_forward_finish(&job);
}

nncf__norm nncf__batch_norm_backward_start(const nncf__call *call, const float *z, bool in_place)
{
    nncf__norm job = nncf__norm_start(call, z, call->dy);
    job.gathers = job.planes.hw < SMALL_BACKWARD;
    job.in_place = in_place;
    return job;
}

/* What has to be gathered is made in place at once. */
void nncf__batch_norm_backward_sums(
    void *norm, int64_t c0, int64_t c1, const nncf__channel_planes *z, void *scratch)
{
    const nncf__norm job = norm_at(norm, z);
    for (int64_t i = c0; i < c1; i++) {
        size_t c = (size_t)i;
        if (job.gathers) {
            backward_channel(&job, c, scratch);
            continue;
        }
        column col = column_of(&job, c, NULL);
        nncf__epilogue e = nncf__norm_epilogue(&job, c);
        backward_sums(&job, c, &col, &e);
    }
}

const float *nncf__batch_norm_backward_dz(
    void *norm, int64_t n, int64_t c0, int64_t c1, const nncf__channel_planes *z, float *to)
{
    const nncf__norm job = norm_at(norm, z);
    const size_t hw = job.planes.hw, first = ((size_t)n * job.planes.c + (size_t)c0) * hw;
    const float *from = job.z.data + (n * job.z.channels + c0 - job.z.first) * (int64_t)hw;
    if (job.gathers || job.in_place)
        to = job.y + first;
    for (size_t c = (size_t)c0, at = 0; c < (size_t)c1 && !job.gathers; c++, at += hw) {
        nncf__epilogue e = nncf__norm_epilogue(&job, c);
        nncf__norm_gradient g = nncf__norm_gradient_of(&job, c);
        nncf__activate_dz(
            job.block, job.k, hw, from + at, job.y + first + at, to + at, &e, g.k0, g.k1, g.k2);
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
    const uint8_t *filters = nncf__norm_filters(call->layer);
    double total[3] = {0, 0, 0};
    for (size_t c = 0; c < call->block->out_planes.c; c++) {
        const double *sums = s.sums + 5 * c;
        const bool pruned = filters && !filters[c];
        if (bn->weight_grad && !pruned)
            bn->weight_grad[c] += (float)sums[4];
        if (bn->bias_grad && !pruned)
            bn->bias_grad[c] += (float)sums[3];
        if (output && output->channels > 1)
            nncf__quantizer_add_gradient(output, c, sums);
        for (int i = 0; i < 3; i++)
            total[i] += sums[i];
    }
    if (output && output->channels <= 1)
        nncf__quantizer_add_gradient(output, 0, total);
}
