/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batch norm (Ioffe and Szegedy 2015, algorithm 1) with the activation and the output quantizer
 * that follow it, one channel at a time: its statistics and the pass that uses them are done by one
 * worker, so that the channel is still in the cache, and sums over it have one order. Statistics
 * and constants are made in double and used as float. Of products of codes z is the integer sums
 * (as floats), and statistics are exact sums of them. Where they are those of all ranks, one pass
 * makes the sums of each channel, the host adds those of the ranks, and a second pass uses them.
 */
#include "exec/batch_norm.h"

#include "base/collective.h"
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

/* Of a channel's z: `exact` where it is sums of codes, else the sum and that of the squares. */
typedef struct z_sums {
    nncf__exact_sums exact;
    double plain[2];
} z_sums;

static void add_up(const nncf__norm *job, const column *col, z_sums *sums)
{
    *sums = (z_sums){0};
    for (size_t i = 0; i < col->segments; i++) {
        const float *z = col->z + i * col->z_stride;
        if (job->block->conv.only_sums)
            nncf__exact_sums_row(job->k, col->length, z, &sums->exact);
        else
            job->k->sum_and_squares(col->length, z, sums->plain);
    }
}

/* The mean and the mean of the squares. */
static void means_of(const nncf__norm *job, const z_sums *sums, double means[2])
{
    if (job->block->conv.only_sums) {
        nncf__exact_sums_means(&sums->exact, job->count, means);
        return;
    }
    means[0] = sums->plain[0] / job->count;
    means[1] = sums->plain[1] / job->count;
}

/*
 * What a channel sends to the other ranks, in its channels.sums: whole numbers, or doubles; the
 * last is the number of values. What is no whole number among sums of codes (a host's NaN) is a
 * number of channels there, and makes the mean NaN with all ranks.
 */
typedef union rank_sums {
    struct {
        int64_t sum, low, high, beyond, count;
    } exact;
    struct {
        double sum, squares, unused[2], count;
    } plain;
} rank_sums;

static void give_sums(const nncf__norm *job, size_t c, const z_sums *sums)
{
    const nncf__exact_sums *e = &sums->exact;
    rank_sums r;
    if (job->block->conv.only_sums) {
        r.exact.sum = e->sum;
        r.exact.low = (int64_t)(e->low & UINT32_MAX);
        r.exact.high = (int64_t)(e->high + (e->low >> 32));
        r.exact.beyond = e->beyond[0] != 0 || e->beyond[1] != 0; /* a NaN is not 0, either */
        r.exact.count = (int64_t)job->count;
    } else {
        r.plain.sum = sums->plain[0];
        r.plain.squares = sums->plain[1];
        r.plain.unused[0] = r.plain.unused[1] = 0;
        r.plain.count = job->count;
    }
    memcpy(job->channels.sums + 5 * c, &r, sizeof r);
}

static void take_sums(const nncf__norm *job, size_t c, z_sums *sums)
{
    rank_sums r;
    memcpy(&r, job->channels.sums + 5 * c, sizeof r);
    *sums = (z_sums){0};
    if (job->block->conv.only_sums) {
        sums->exact = (nncf__exact_sums){.sum = r.exact.sum,
            .low = (uint64_t)r.exact.low,
            .high = (uint64_t)r.exact.high,
            .beyond = {r.exact.beyond ? (double)NAN : 0, r.exact.beyond ? (double)NAN : 0}};
    } else {
        sums->plain[0] = r.plain.sum;
        sums->plain[1] = r.plain.squares;
    }
}

/* The sums of all channels become those of all ranks. After a failure, which the call reports, they
 * are anything. */
static void exchange_sums(nncf__norm *job, nncf__collective *ranks)
{
    const int32_t dtype = job->block->conv.only_sums ? NNCF_I64 : NNCF_F64;
    rank_sums r;
    (void)nncf__all_reduce(ranks, job->channels.sums, 5 * job->planes.c, dtype, NNCF_REDUCE_SUM);
    memcpy(&r, job->channels.sums, sizeof r);
    job->count = job->block->conv.only_sums ? (double)r.exact.count : r.plain.count;
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
        const double count = job->count;
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
    z_sums sums;
    if (job->block->batch_statistics) {
        if (job->block->across_ranks)
            take_sums(job, c, &sums);
        else
            add_up(job, &col, &sums);
        means_of(job, &sums, means);
    }
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

/* For the other ranks, before the second pass. */
static void sums_channel(const nncf__norm *job, size_t c, float *scratch)
{
    const column col = column_of(job, c, scratch);
    z_sums sums;
    add_up(job, &col, &sums);
    give_sums(job, c, &sums);
}

nncf__norm_gradient nncf__norm_gradient_of(const nncf__norm *job, size_t c)
{
    const bool across = job->block->across_ranks;
    const double *sums = across ? job->channels.of_ranks + 3 * c : job->channels.sums + 5 * c + 3;
    const double count = across ? sums[2] : job->count, k0 = (double)job->channels.gain[c];
    /* running statistics do not depend on z */
    if (!job->block->batch_statistics)
        return (nncf__norm_gradient){(float)k0, 0, 0};
    const double of_var = job->params->flags & NNCF_BATCH_NORM_UNBIASED ? count - 1 : count;
    double k1 = -k0 * (double)job->channels.inv_std[c] * sums[1] / of_var;
    double k2 = -k0 * sums[0] / count - k1 * (double)job->channels.mean[c];
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

/* z and dy. */
static column backward_column(const nncf__norm *job, size_t c, float *scratch)
{
    const column col = column_of(job, c, scratch);
    if (job->gathers)
        gather(&job->planes, job->y + c * job->planes.hw, job->planes.c * job->planes.hw, col.y);
    return col;
}

static void backward_dz(const nncf__norm *job, size_t c, const column *col, const nncf__epilogue *e)
{
    const nncf__norm_gradient g = nncf__norm_gradient_of(job, c);
    for (size_t i = 0; i < col->segments; i++) {
        float *dy = col->y + i * col->stride;
        nncf__activate_dz(job->block, job->k, col->length, col->z + i * col->z_stride, dy, dy, e,
            g.k0, g.k1, g.k2);
    }
    if (job->gathers)
        scatter(&job->planes, c, col->y, job->y);
}

static void backward_channel(const nncf__norm *job, size_t c, float *scratch)
{
    const column col = backward_column(job, c, scratch);
    const nncf__epilogue e = nncf__norm_epilogue(job, c);
    backward_sums(job, c, &col, &e);
    backward_dz(job, c, &col, &e);
}

/* The same in two passes: the sums stay those of this rank, a copy goes to the others. */
static void backward_sums_channel(const nncf__norm *job, size_t c, float *scratch)
{
    const column col = backward_column(job, c, scratch);
    const nncf__epilogue e = nncf__norm_epilogue(job, c);
    double *of_ranks = job->channels.of_ranks + 3 * c;
    backward_sums(job, c, &col, &e);
    memcpy(of_ranks, job->channels.sums + 5 * c + 3, 2 * sizeof *of_ranks);
    of_ranks[2] = job->count;
}

static void backward_dz_channel(const nncf__norm *job, size_t c, float *scratch)
{
    const column col = backward_column(job, c, scratch);
    const nncf__epilogue e = nncf__norm_epilogue(job, c);
    backward_dz(job, c, &col, &e);
}

/* Channels of one chunk are neighbours: they share the cache lines of small planes. Of a small
 * tensor chunks are smaller, so that all threads have some. */
static size_t channels_of_chunk(const nncf__norm *job)
{
    enum { LEAST = 2048, CHUNKS = 16 };
    const size_t length = job->planes.n * job->planes.hw, usual = nncf__chunk_rows(length),
                 share = (job->planes.c + CHUNKS - 1) / CHUNKS,
                 least = (LEAST + length - 1) / length;
    const size_t wanted = share > least ? share : least;
    return usual < wanted ? usual : wanted;
}

static void run_chunk(const nncf__norm *job, size_t chunk, size_t worker,
    void (*channel)(const nncf__norm *, size_t, float *))
{
    float *scratch = job->gathers ? nncf__scratch(job->context, worker) : NULL;
    const size_t group = channels_of_chunk(job), first = chunk * group, end = first + group;
    for (size_t c = first; c < end && c < job->planes.c; c++)
        channel(job, c, scratch);
}

static void forward_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, forward_channel);
}

static void sums_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, sums_channel);
}

static void backward_sums_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, backward_sums_channel);
}

static void backward_dz_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, backward_dz_channel);
}

static void backward_chunk(void *arg, size_t chunk, size_t worker)
{
    run_chunk(arg, chunk, worker, backward_channel);
}

static void run(nncf__norm *job, nncf__chunk_fn *chunk)
{
    const size_t group = channels_of_chunk(job);
    nncf__parallel(job->context, (job->planes.c + group - 1) / group, chunk, job);
}

nncf__norm nncf__norm_start(const nncf__call *call, const float *z, float *y)
{
    return (nncf__norm){.block = call->block,
        .params = &call->layer->batch_norm,
        .filters = nncf__norm_filters(call->layer),
        .context = call->layer->model->context,
        .k = nncf__kernels_of(call->layer->model->context),
        .planes = call->block->out_planes,
        .count = (double)(call->block->out_planes.n * call->block->out_planes.hw),
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

/* While the controller initializes, always: it finds what one process would. Not where a rank has
 * replicas, which run side by side: all_reduce is called by one thread. */
static bool across_ranks(const nncf_layer *layer, bool initializing)
{
    const nncf__collective *ranks = &layer->model->collective;
    return nncf__has_ranks(ranks) && layer->model->n_replicas == 0 &&
        (initializing || (ranks->params.flags & NNCF_COLLECTIVE_SYNC_BATCH_NORM));
}

void nncf__batch_norm_prepare(const nncf_layer *layer, nncf__block *block)
{
    const int32_t adapting = block->key.adapting;
    if (!layer->has_batch_norm)
        return;
    const double momentum = (double)layer->batch_norm.momentum;
    block->batch_statistics = of_batch(layer, block->key.mode, adapting != 0);
    const nncf_compression_ctrl *ctrl = layer->model->ctrl;
    const bool measuring = ctrl && nncf__ctrl_measuring(ctrl);
    block->update_running =
        block->batch_statistics && !measuring && (adapting || !block->key.observing);
    block->across_ranks = block->batch_statistics && across_ranks(layer, block->key.observing);
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
        across_ranks(layer, ctrl && nncf__ctrl_initializing(ctrl)) || out[0] * out[2] * out[3] > 1)
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
    if (call->block->across_ranks) {
        run(&job, sums_chunk);
        exchange_sums(&job, &call->layer->model->collective);
    }
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
    if (!call->block->across_ranks) {
        run(&job, backward_chunk);
        return;
    }
    run(&job, backward_sums_chunk);
    (void)nncf__all_reduce(&call->layer->model->collective, job.channels.of_ranks, 3 * job.planes.c,
        NNCF_F64, NNCF_REDUCE_SUM);
    run(&job, backward_dz_chunk);
}

void nncf__batch_norm_add_gradients(const nncf__call *call)
{
    const nncf_batch_norm_params *bn = &call->layer->batch_norm;
    const nncf__channels s = nncf__channels_of(call->layer);
    nncf__quantizer *output = call->block->quantizers[NNCF__OF_OUTPUT];
    const uint8_t *filters = nncf__norm_filters(call->layer);
    const nncf__planes *p = &call->block->out_planes;
    const size_t elements = output ? nncf__quantizer_elements(output, p->c, p->hw) : 0;
    double total[3] = {0, 0, 0};
    for (size_t c = 0; c < p->c; c++) {
        const double *sums = s.sums + 5 * c;
        const bool pruned = filters && !filters[c];
        if (bn->weight_grad && !pruned)
            bn->weight_grad[c] += (float)sums[4];
        if (bn->bias_grad && !pruned)
            bn->bias_grad[c] += (float)sums[3];
        if (output && output->channels > 1)
            nncf__quantizer_add_gradient(output, c, sums, elements);
        for (int i = 0; i < 3; i++)
            total[i] += sums[i];
    }
    if (output && output->channels <= 1)
        nncf__quantizer_add_gradient(output, 0, total, elements);
}
