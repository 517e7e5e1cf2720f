/* SPDX-License-Identifier: Apache-2.0 */
/* Elementwise sum, activation, output quantizer. Both inputs get the same gradient. Keeps nothing: backward adds anew.
 */
#include "layer/layer.h"

#include <string.h>

static nncf__planes planes_of(const int64_t shape[4])
{
    return (nncf__planes){(size_t)shape[0], (size_t)shape[1], (size_t)(shape[2] * shape[3])};
}

static void forward_piece(const nncf__walk *walk, size_t channel, size_t offset, size_t count, double *sums)
{
    nncf__epilogue e = nncf__layer_epilogue(walk->layer, walk->quantizer, channel);
    sums[5] +=
        (double)walk->k->add_forward(count, walk->in[0] + offset, walk->in[1] + offset, walk->out[0] + offset, &e);
}

static void forward_deliver(const nncf__walk *walk, size_t channel, const double *sums)
{
    (void)channel;
    if (walk->quantizer)
        walk->quantizer->clipped += (int64_t)sums[5];
}

void nncf__add_forward(nncf_layer *layer, const float *a, const float *b, const int64_t shape[4], float *y)
{
    nncf__quantizer *output = nncf__layer_output_quantizer(layer);
    nncf_context *context = layer->model->context;
    bool observing = output && output->observing;
    nncf__walk walk = {.planes = planes_of(shape),
                       .by_channel = output && output->channels > 1 && !observing,
                       .piece = forward_piece,
                       .quantizer = output,
                       .layer = layer,
                       .in = {a, b},
                       .out = {y, NULL}};
    if (output && !observing) {
        nncf__quantizer_refresh(output);
        output->clipped = 0;
        output->total = (int64_t)(walk.planes.n * walk.planes.c * walk.planes.hw);
        walk.deliver = forward_deliver;
    }
    nncf__walk_run(context, &walk);
    if (observing)
        nncf__layer_observe(context, output, &walk.planes, y);
    layer->ready_for_backward = layer->model->mode == NNCF_MODE_TRAIN && !nncf__layer_observing(layer);
}

static void backward_piece(const nncf__walk *walk, size_t channel, size_t offset, size_t count, double *sums)
{
    nncf__epilogue e = nncf__layer_epilogue(walk->layer, walk->quantizer, channel);
    float *da = walk->out[0] + offset, *db = walk->out[1] + offset;
    walk->k->add_backward(count, walk->in[0] + offset, walk->in[1] + offset, walk->grad + offset, da, &e, sums);
    if (da != db)
        memcpy(db, da, count * sizeof *db);
}

static void backward_deliver(const nncf__walk *walk, size_t channel, const double *sums)
{
    nncf__quantizer_add_gradient(walk->quantizer, channel, sums);
}

void nncf__add_backward(nncf_layer *layer, const float *a, const float *b, const int64_t shape[4], const float *dy,
                        float *da, float *db)
{
    nncf__quantizer *output = nncf__layer_output_quantizer(layer);
    nncf__walk walk = {.planes = planes_of(shape),
                       .by_channel = output && output->channels > 1,
                       .piece = backward_piece,
                       .deliver = output ? backward_deliver : NULL,
                       .quantizer = output,
                       .layer = layer,
                       .in = {a, b},
                       .out = {da, db},
                       .grad = dy};
    nncf__walk_run(layer->model->context, &walk);
}
