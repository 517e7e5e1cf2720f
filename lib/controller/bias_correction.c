/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bias correction (Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias
 * Correction", section 4.2), empirical: with w the weight and q the one that a quantizer makes of
 * it, the mean of an output shifts by sum_k (q - w)_k E[x_k], where x_k is what the weight's
 * element k is multiplied with. E[x_k] is the mean over all outputs of the batches in which ranges
 * are observed: of each input channel for each place in the kernel, so that padding counts. The
 * shift is taken off the bias, or added to the running mean where batch norm follows and there is
 * no bias.
 */
#include "controller/bias_correction.h"

#include "base/alloc.h"
#include "base/collective.h"
#include "base/error.h"
#include "base/pool.h"
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "controller/weight.h"
#include "conv/conv2d.h"
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/parallel.h>
#include <nncf/tensor.h>

#include <math.h>
#include <string.h>

static const nncf__quantizer *weight_quantizer(const nncf_layer *layer)
{
    const nncf__layer_compression *c = nncf__weight_owner(layer)->compression;
    return c ? nncf__layer_active(c, NNCF__SLOT_WEIGHT) : NULL;
}

/* Does the library see the input of this layer? */
static bool is_seen(const nncf_layer *layer)
{
    return (layer->op == NNCF_OP_CONV2D || layer->op == NNCF_OP_LINEAR) &&
        !nncf__layer_is_by_host(layer);
}

static bool has_place(const nncf_layer *layer)
{
    return layer->bias || layer->has_batch_norm;
}

size_t nncf__bias_sums_count(const nncf_layer *layer)
{
    return (size_t)(layer->in_channels * layer->kernel[0] * layer->kernel[1]);
}

nncf_status nncf__bias_reserve(nncf_compression_ctrl *ctrl)
{
    size_t most = 0;
    if (ctrl->bias_samples <= 0)
        return NNCF_OK;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const nncf_layer *layer = ctrl->model->layers[i];
        const size_t owner = nncf__weight_owner(layer)->index;
        nncf__layer_compression *c = &ctrl->layers[i];
        if (!ctrl->layers[owner].weight_quantizer || !is_seen(layer) || !has_place(layer))
            continue;
        c->input_sums =
            nncf__calloc(ctrl->context, nncf__bias_sums_count(layer), sizeof *c->input_sums);
        if (!c->input_sums)
            return NNCF_E_NOMEM;
        most = layer->weight_count > most ? layer->weight_count : most;
    }
    if (most > 0 &&
        !(ctrl->bias_weights = nncf__calloc(ctrl->context, most, 2 * sizeof *ctrl->bias_weights)))
        return NNCF_E_NOMEM;
    return NNCF_OK;
}

void nncf__bias_free(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; ctrl->layers && i < ctrl->n_layers; i++)
        nncf__free(ctrl->context, ctrl->layers[i].input_sums);
    nncf__free(ctrl->context, ctrl->bias_weights);
}

bool nncf__bias_wants_more(const nncf_compression_ctrl *ctrl)
{
    return !ctrl->only_ranges && ctrl->init_images < ctrl->bias_samples;
}

void nncf__bias_begin(nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        c->input_positions = 0;
        if (c->input_sums)
            memset(c->input_sums, 0,
                nncf__bias_sums_count(ctrl->model->layers[i]) * sizeof *c->input_sums);
    }
}

/* ---- seeing ---- */

typedef struct see_job {
    const nncf__conv2d *shape;
    const float *x;
    double *sums;
} see_job;

/* The outputs [*first, *end) of `count` whose element at `at` of the kernel is inside of the input.
 */
static void inside(
    int64_t count, int64_t stride, int64_t at, int64_t size, int64_t *first, int64_t *end)
{
    *first = at < 0 ? (-at + stride - 1) / stride : 0;
    *end = at < size ? (size - 1 - at) / stride + 1 : 0;
    *end = *end < count ? *end : count;
}

/* Sum over the outputs of what one element of the kernel reads in a plane. */
static double sum_of(const nncf__conv2d *s, const float *plane, int64_t ky, int64_t kx)
{
    const int64_t top = ky * s->dilation_h - s->pad_h, left = kx * s->dilation_w - s->pad_w;
    int64_t y0, y1, x0, x1;
    double sum = 0;
    inside(s->out_h, s->stride_h, top, s->h, &y0, &y1);
    inside(s->out_w, s->stride_w, left, s->w, &x0, &x1);
    for (int64_t y = y0; y < y1; y++) {
        const float *row = plane + (y * s->stride_h + top) * s->w + left;
        for (int64_t x = x0; x < x1; x++)
            sum += (double)row[x * s->stride_w];
    }
    return sum;
}

/* A channel is one chunk, so that its sums have one order. */
static void see_channel(void *arg, size_t chunk, size_t worker)
{
    const see_job *job = arg;
    const nncf__conv2d *s = job->shape;
    const size_t plane = (size_t)(s->h * s->w);
    double *sums = job->sums + chunk * (size_t)(s->kernel_h * s->kernel_w);
    (void)worker;
    for (int64_t n = 0; n < s->n; n++)
        for (int64_t ky = 0; ky < s->kernel_h; ky++)
            for (int64_t kx = 0; kx < s->kernel_w; kx++)
                sums[ky * s->kernel_w + kx] +=
                    sum_of(s, job->x + ((size_t)(n * s->c_in) + chunk) * plane, ky, kx);
}

bool nncf__bias_observes(const nncf_layer *layer)
{
    const nncf__layer_compression *c = layer->compression;
    return c && c->input_sums && c->ctrl->init_phase == NNCF__PHASE_RANGES;
}

void nncf__bias_observe(nncf_layer *layer, const nncf__conv2d *shape, const float *x)
{
    nncf__layer_compression *c = layer->compression;
    see_job job = {shape, x, c->input_sums};
    nncf__parallel(layer->model->context, (size_t)shape->c_in, see_channel, &job);
    c->input_positions += shape->n * shape->out_h * shape->out_w;
}

void nncf__bias_join(nncf_layer *layer, const nncf_layer *from)
{
    nncf__layer_compression *c = layer->compression;
    const nncf__layer_compression *other = from->compression;
    for (size_t i = 0; c->input_sums && i < nncf__bias_sums_count(layer); i++)
        c->input_sums[i] += other->input_sums[i];
    c->input_positions += other->input_positions;
}

nncf_status nncf__bias_reduce(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    nncf__collective *ranks = &ctrl->model->collective;
    nncf_status status = NNCF_OK;
    for (size_t i = 0; i < ctrl->n_layers && status == NNCF_OK; i++) {
        nncf__layer_compression *c = &ctrl->layers[i];
        if (!c->input_sums)
            continue;
        status = nncf__all_reduce(ranks, c->input_sums,
            nncf__bias_sums_count(ctrl->model->layers[i]), NNCF_F64, NNCF_REDUCE_SUM);
        if (status == NNCF_OK)
            status = nncf__all_reduce(ranks, &c->input_positions, 1, NNCF_I64, NNCF_REDUCE_SUM);
    }
    return status == NNCF_OK ? status : nncf__collective_check(ranks, "sums of inputs", err);
}

/* ---- correcting ---- */

/* The shift of output channel o. */
static double shift_of(const nncf_layer *layer, const float *used, const float *exact, size_t o)
{
    const size_t out = (size_t)layer->out_channels, count = layer->weight_count / out,
                 group = o / (out / (size_t)layer->groups);
    const nncf__layer_compression *c = layer->compression;
    const double *sums = c->input_sums + group * count;
    double shift = 0;
    for (size_t k = 0; k < count; k++)
        shift += ((double)used[o * count + k] - (double)exact[o * count + k]) * sums[k];
    return shift / (double)c->input_positions;
}

/* The weight as it is used, and as activations were observed with: masked, not quantized. */
static void take_weights(nncf_layer *layer, float *used, float *exact)
{
    nncf__quantizer *q = nncf__weight_owner(layer)->compression->weight_quantizer;
    nncf__weight_forward(layer, NNCF_MODE_EVAL, used);
    q->observing = true;
    nncf__weight_forward(layer, NNCF_MODE_EVAL, exact);
    q->observing = false;
}

static bool correct(nncf_layer *layer, float *used, float *exact)
{
    float *to = layer->bias ? layer->bias : layer->batch_norm.running_mean;
    bool all = true;
    take_weights(layer, used, exact);
    for (size_t o = 0; o < (size_t)layer->out_channels; o++) {
        const double shift = shift_of(layer, used, exact, o),
                     value = (double)to[o] + (layer->bias ? -shift : shift);
        if (isfinite((float)value))
            to[o] = (float)value;
        else
            all = false;
    }
    return all;
}

void nncf__bias_correct(nncf_compression_ctrl *ctrl)
{
    size_t corrected = 0;
    if (ctrl->bias_samples <= 0 || ctrl->only_ranges)
        return;
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        nncf_layer *layer = ctrl->model->layers[i];
        const nncf__quantizer *q = weight_quantizer(layer);
        if (!q || q->kept) /* of a snapshot, as the bias is: it was trained, or corrected */
            continue;
        if (!ctrl->layers[i].input_sums || ctrl->layers[i].input_positions == 0) {
            nncf__log(ctrl->context, NNCF_LOG_WARNING, "%s: its bias is not corrected: %s",
                layer->scope,
                !is_seen(layer)         ? "the library does not see what it reads"
                    : !has_place(layer) ? "it has neither a bias nor a batch norm"
                                        : "it did not run while ranges were observed");
            continue;
        }
        float *used = ctrl->bias_weights, *exact = used + layer->weight_count;
        if (!correct(layer, used, exact))
            nncf__log(ctrl->context, NNCF_LOG_WARNING,
                "%s: the bias of some channels is not corrected: its inputs or weights are not "
                "finite",
                layer->scope);
        corrected++;
    }
    nncf__log(ctrl->context, NNCF_LOG_INFO, "biases are corrected: %zu layers, over %lld images",
        corrected, (long long)ctrl->init_images);
}
