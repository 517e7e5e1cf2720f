/* SPDX-License-Identifier: Apache-2.0 */
/* Activations that are binarized, channel by channel: each has a threshold of its own. */
#include "exec/binarize.h"

#include "base/error.h"
#include "base/pool.h"
#include "binarization/binarizer.h"
#include "controller/ctrl.h"
#include "exec/map_reduce.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/context.h>
#include <nncf/model.h>

#include <math.h>

void nncf__binarize_start(
    const nncf_layer *layer, nncf__quantizer *quantizer, const nncf__planes *planes, const float *x)
{
    const nncf_model *model = layer->model;
    nncf__binarizer *b = quantizer->binarizer;
    if (b->scale_known || model->mode != NNCF_MODE_TRAIN ||
        (model->ctrl && nncf__ctrl_initializing(model->ctrl)))
        return;
    const float scale = nncf__binarizer_scale_of(nncf__planes_count(planes), x);
    if (scale > 0 && isfinite(scale)) {
        quantizer->bound[0] = (float)log((double)scale);
        b->scale_known = true;
    } else if (!b->warned) { /* NNCF trains on with a NaN */
        b->warned = true;
        nncf__log(model->context, NNCF_LOG_WARNING,
            "%s: its input is binarized, and a thousandth of the first batch is not above 0 (or "
            "not finite): the scale stays %g, and the next batch is looked at; is there an "
            "activation in front of it?",
            layer->scope, (double)quantizer->scales[0]);
    }
}

/* ---- passes ---- */

static float limit_of(const nncf__map_reduce *pass, size_t channel)
{
    return pass->quantizer->binarizer->limits[channel];
}

static nncf__map_reduce pass_over(nncf__quantizer *quantizer, const nncf__planes *planes,
    const float *x, nncf__segment_fn *segment)
{
    nncf__quantizer_refresh(quantizer);
    return (nncf__map_reduce){.planes = *planes,
        .by_channel = true,
        .segment = segment,
        .quantizer = quantizer,
        .in = {x, NULL}};
}

static void to_floats(const nncf__map_reduce *pass, size_t channel, size_t offset, size_t count,
    float *scratch, double *sums)
{
    (void)scratch;
    (void)sums;
    pass->k->binarize(count, pass->in[0] + offset, limit_of(pass, channel),
        pass->quantizer->scales[0], 0, pass->out[0] + offset);
}

void nncf__binarize(nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes,
    const float *x, float *y)
{
    nncf__map_reduce pass = pass_over(quantizer, planes, x, to_floats);
    pass.out[0] = y;
    nncf__map_reduce_run(context, &pass);
}

static void to_codes(const nncf__map_reduce *pass, size_t channel, size_t offset, size_t count,
    float *scratch, double *sums)
{
    (void)scratch;
    (void)sums;
    pass->k->binarize_codes(
        count, pass->in[0] + offset, limit_of(pass, channel), 1, 0, pass->codes + offset);
}

void nncf__binarize_to_codes(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, uint8_t *y)
{
    nncf__map_reduce pass = pass_over(quantizer, planes, x, to_codes);
    pass.codes = y;
    nncf__map_reduce_run(context, &pass);
}

static void backward_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    (void)scratch;
    pass->k->binarize_backward(count, pass->in[0] + offset, pass->grad + offset,
        limit_of(pass, channel), pass->quantizer->scales[0], pass->out[0] + offset, sums);
}

static void add_gradient(const nncf__map_reduce *pass, size_t channel, const double *sums)
{
    nncf__binarizer_add_gradient(pass->quantizer->binarizer, channel, sums);
}

void nncf__binarize_backward(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, const float *x, const float *dy, float *dx)
{
    nncf__map_reduce pass = pass_over(quantizer, planes, x, backward_segment);
    pass.on_result = add_gradient;
    pass.out[0] = dx;
    pass.grad = dy;
    nncf__binarizer_gradient_begin(quantizer->binarizer);
    nncf__map_reduce_run(context, &pass);
    quantizer->bound_grad[0] +=
        (float)nncf__binarizer_gradient_end(quantizer->binarizer, quantizer->scales[0]);
}

/* ---- bits ---- */

typedef struct bits_job {
    const nncf__kernels *k;
    const nncf__planes *planes;
    const float *x, *limits;
    size_t in_group, words_of_group, words;
    uint64_t *y;
} bits_job;

static void bits_chunk(void *arg, size_t chunk, size_t worker)
{
    enum { BITS = 64 };
    const bits_job *j = arg;
    const size_t image = chunk / j->words, word = chunk % j->words,
                 group = word / j->words_of_group, of_group = word % j->words_of_group * BITS,
                 left = j->in_group - of_group, c = group * j->in_group + of_group;
    (void)worker;
    j->k->binarize_bits(j->planes->hw, left < BITS ? left : BITS,
        j->x + (image * j->planes->c + c) * j->planes->hw, (int64_t)j->planes->hw, j->limits + c,
        j->y + chunk * j->planes->hw);
}

void nncf__binarize_to_bits(nncf_context *context, nncf__quantizer *quantizer,
    const nncf__planes *planes, int64_t groups, const float *x, uint64_t *y)
{
    nncf__quantizer_refresh(quantizer);
    bits_job j = {.k = nncf__kernels_of(context),
        .planes = planes,
        .x = x,
        .limits = quantizer->binarizer->limits,
        .in_group = planes->c / (size_t)groups,
        .y = y};
    j.words_of_group = (j.in_group + 63) / 64;
    j.words = j.words_of_group * (size_t)groups;
    nncf__parallel(context, planes->n * j.words, bits_chunk, &j);
}
