/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network's first layer quantizes an input whose gradient goes nowhere: only the range wants the
 * sums of dx times e, where e is what an element adds to the range's gradient (formulas.md,
 * "Quantizer"). As dx is linear in dz and w, sum dx e = sum dw(e) w with dw(e) the weight gradient
 * that e as the input would have. An image has few channels, so that an input gradient has few
 * output channels for all of its taps and one product for each phase of a stride: three times as
 * slow as a weight gradient (3 -> 64 channels, 7x7/2).
 */
#include "exec/input_range.h"

#include "conv/conv2d.h"
#include "exec/map_reduce.h"
#include "exec/quantize.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/quantizer.h"

#include <nncf/model.h>
#include <nncf/tensor.h>

/* With more, an input gradient is as fast. */
enum { MOST_CHANNELS = 16 };

bool nncf__input_range_fits(const nncf__block *b)
{
    const nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT];
    return input && b->quantizes_input && !input->binarizer && !b->by_channel &&
        !b->is_transposed && b->conv.c_in / b->conv.groups <= MOST_CHANNELS;
}

static nncf__qtensor floats(const float *data)
{
    return (nncf__qtensor){.data = data, .dtype = NNCF_F32};
}

size_t nncf__input_range_scratch(const nncf_context *context, const nncf__block *b)
{
    const nncf__qtensor e = floats(NULL);
    return nncf__conv2d_backward_weight_scratch(context, &b->conv, &e);
}

/* e of what is inside, and, where one sum is enough, of all. */
static void terms_segment(const nncf__map_reduce *pass, size_t channel, size_t offset, size_t count,
    float *scratch, double *sums)
{
    const nncf__fq *fq = nncf__fq_of(pass->quantizer, channel);
    const float *x = pass->in[0] + offset;
    float *e = pass->out[0] + offset, outside[2];
    (void)scratch;
    (void)sums;
    nncf__quantizer_outside(pass->quantizer, channel, outside);
    pass->k->fq_forward(count, x, e, fq);
    for (size_t i = 0; i < count; i++) {
        const float inside = e[i] - x[i];
        e[i] = x[i] > fq->x_high ? outside[0] : x[i] < fq->x_low ? outside[1] : inside;
    }
}

/* 1 for what is outside: the other sum of an asymmetric range. */
static void outside_segment(const nncf__map_reduce *pass, size_t channel, size_t offset,
    size_t count, float *scratch, double *sums)
{
    const nncf__fq *fq = nncf__fq_of(pass->quantizer, channel);
    const float *x = pass->in[0] + offset;
    float *e = pass->out[0] + offset;
    (void)scratch;
    (void)sums;
    for (size_t i = 0; i < count; i++)
        e[i] = x[i] > fq->x_high || x[i] < fq->x_low ? 1.0f : 0.0f;
}

/* sum dw w over the weights that meet input channel c. */
static double sum_of_channel(
    const nncf__conv2d *s, const nncf__qtensor *w, const float *dw, int64_t c)
{
    const int64_t in = s->c_in / s->groups, out = s->c_out / s->groups,
                  taps = s->kernel_h * s->kernel_w, first = c / in * out;
    double sum = 0;
    for (int64_t o = first; o < first + out; o++) {
        const int64_t at = (o * in + c % in) * taps;
        if (!nncf__qtensor_is_codes(w)) {
            for (int64_t t = at; t < at + taps; t++)
                sum += (double)dw[t] * (double)((const float *)w->data)[t];
            continue;
        }
        const nncf__dequant how = nncf__dequant_of(w, o, false);
        for (int64_t t = at; t < at + taps; t++) {
            const float code = (float)(((const uint8_t *)w->data)[t] ^ how.flip) - how.offset;
            sum += (double)dw[t] * (double)(code * how.scale);
        }
    }
    return sum;
}

/* sums[which] of each channel, or of all together, is added to the gradient. */
static void add_part(
    const nncf__call *call, const nncf__qtensor *w, nncf__segment_fn *segment, int which)
{
    const nncf__block *b = call->block;
    nncf_model *model = call->layer->model;
    nncf__quantizer *input = b->quantizers[NNCF__OF_INPUT];
    float *dw = model->dw.data;
    nncf__map_reduce pass = {.planes = b->in_planes,
        .by_channel = input->channels > 1,
        .segment = segment,
        .quantizer = input,
        .in = {call->x[0].data, NULL},
        .out = {model->work.data, NULL}};
    nncf__map_reduce_run(model->context, &pass);
    const nncf__qtensor e = floats(model->work.data);
    nncf__conv2d_backward_weight(model->context, &b->conv, &e, call->dy, dw);
    double sums[3] = {0, 0, 0};
    for (int64_t c = 0; c < b->conv.c_in; c++) {
        sums[which] += sum_of_channel(&b->conv, w, dw, c);
        if (!pass.by_channel && c + 1 < b->conv.c_in)
            continue;
        nncf__quantize_add_gradient(&pass, pass.by_channel ? (size_t)c : 0, sums);
        sums[which] = 0;
    }
}

void nncf__input_range_backward(const nncf__call *call, const nncf__qtensor *w)
{
    add_part(call, w, terms_segment, 0);
    if (call->block->quantizers[NNCF__OF_INPUT]->length)
        add_part(call, w, outside_segment, 2);
}
