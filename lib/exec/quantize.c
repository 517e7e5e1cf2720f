/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activation quantizers alone (parts, inputs, pools). Sums for the gradient of a scale: see the
 * quantizer's backward formulas; nncf__quantizer_add_gradient() turns them into it.
 */
#include "exec/quantize.h"

#include "exec/binarize.h"
#include "exec/map_reduce.h"
#include "graph/block.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>

#include <math.h>
#include <string.h>

static bool per_channel(const nncf__quantizer *quantizer)
{
    return quantizer && quantizer->channels > 1;
}

void nncf__quantize_record(const nncf__map_reduce *pass, size_t channel, const double *sums)
{
    (void)channel;
    if (pass->quantizer)
        pass->quantizer->clipped += (int64_t)sums[5];
}

void nncf__quantize_start(nncf__quantizer *quantizer, const nncf__planes *p)
{
    if (!quantizer)
        return;
    quantizer->clipped = 0;
    quantizer->total = (int64_t)(p->n * p->c * p->hw);
}

void nncf__quantize_add_gradient(const nncf__map_reduce *pass, size_t channel, const double *sums)
{
    if (pass->quantizer)
        nncf__quantizer_add_gradient(pass->quantizer, channel, sums,
            nncf__quantizer_elements(pass->quantizer, pass->planes.c, pass->planes.hw));
}

static void observe_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    (void)scratch;
    float range[2] = {(float)sums[0], (float)sums[1]};
    (void)channel;
    pass->k->min_max(count, pass->in[0] + offset, range);
    sums[0] = (double)range[0];
    sums[1] = (double)range[1];
}

static void observe_finish(const nncf__map_reduce *pass, size_t channel, const double *sums)
{
    nncf__quantizer *q = pass->quantizer;
    float low = (float)sums[0], high = (float)sums[1];
    if (q->channels > 1 && q->observed_channels) {
        float *range = q->observed_channels + 2 * channel;
        range[0] = fminf(range[0], low);
        range[1] = fmaxf(range[1], high);
    }
    q->observed[0] = fminf(q->observed[0], low);
    q->observed[1] = fmaxf(q->observed[1], high);
}

void nncf__layer_observe(
    nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes, const float *x)
{
    if (quantizer->done)
        return;
    nncf__map_reduce pass = {.planes = *planes,
        .by_channel = per_channel(quantizer),
        .extremes = true,
        .segment = observe_segment,
        .on_result = observe_finish,
        .quantizer = quantizer,
        .in = {x, NULL}};
    nncf__map_reduce_run(context, &pass);
    nncf__quantizer_observe(context, quantizer, planes->n, planes->c, planes->hw, x);
    quantizer->observed_count += (int64_t)(planes->n * planes->c * planes->hw);
}

static void quantize_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    (void)scratch;
    const nncf__fq *fq = nncf__fq_of(pass->quantizer, channel);
    sums[5] += (double)pass->k->fq_forward(count, pass->in[0] + offset, pass->out[0] + offset, fq);
}

void nncf__layer_quantize(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, float *y)
{
    if (!quantizer || quantizer->observing) {
        if (x != y)
            memmove(y, x, planes->n * planes->c * planes->hw * sizeof *x);
        if (quantizer)
            nncf__layer_observe(context, quantizer, planes, y);
        return;
    }
    if (quantizer->binarizer) {
        nncf__binarize(context, quantizer, planes, x, y);
        return;
    }
    nncf__quantizer_refresh(quantizer);
    nncf__quantize_start(quantizer, planes);
    nncf__map_reduce pass = {.planes = *planes,
        .by_channel = per_channel(quantizer),
        .segment = quantize_segment,
        .on_result = nncf__quantize_record,
        .quantizer = quantizer,
        .in = {x, NULL},
        .out = {y, NULL}};
    nncf__map_reduce_run(context, &pass);
}

static void quantize_backward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    (void)scratch;
    const nncf__fq *fq = nncf__fq_of(pass->quantizer, channel);
    pass->k->fq_backward(
        count, pass->in[0] + offset, pass->grad + offset, pass->out[0] + offset, fq, sums);
}

void nncf__layer_quantize_backward(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, const float *dy, float *dx)
{
    if (!quantizer || quantizer->observing) { /* an observing quantizer passes its input on */
        if (dx != dy)
            memmove(dx, dy, planes->n * planes->c * planes->hw * sizeof *dx);
        return;
    }
    if (quantizer->binarizer) {
        nncf__binarize_backward(context, quantizer, planes, x, dy, dx);
        return;
    }
    nncf__map_reduce pass = {.planes = *planes,
        .by_channel = per_channel(quantizer),
        .segment = quantize_backward_segment,
        .on_result = nncf__quantize_add_gradient,
        .quantizer = quantizer,
        .in = {x, NULL},
        .out = {dx, NULL},
        .grad = dy};
    nncf__map_reduce_run(context, &pass);
}
