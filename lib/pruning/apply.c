/* SPDX-License-Identifier: Apache-2.0 */
/* Applying the masks of filters. */
#include "pruning/apply.h"

#include "graph/model.h"
#include "quantization/layer_compression.h"

#include <nncf/model.h>

#include <string.h>

/* Elements in a row that belong to one filter. */
static size_t run_of(const nncf_layer *layer)
{
    size_t run = 1;
    for (int32_t i = layer->weight_axis + 1; i < layer->weight_ndim; i++)
        run *= (size_t)layer->weight_shape[i];
    return run;
}

/* The stretch from element `i` on that belongs to one filter: its end; *kept. */
static size_t stretch(const nncf_layer *layer, size_t run, size_t i, bool *kept)
{
    const size_t channels = (size_t)layer->weight_shape[layer->weight_axis];
    *kept = layer->compression->filters[i / run % channels] != 0;
    return (i / run + 1) * run;
}

void nncf__filters_clear(const nncf_layer *layer, size_t begin, size_t n, float *values)
{
    const size_t run = run_of(layer);
    if (!layer->compression || !layer->compression->filters)
        return;
    for (size_t i = begin; i < begin + n;) {
        bool kept;
        size_t end = stretch(layer, run, i, &kept);
        end = end < begin + n ? end : begin + n;
        if (!kept)
            memset(values + (i - begin), 0, (end - i) * sizeof *values);
        i = end;
    }
}

void nncf__filters_clear_bits(const nncf_layer *layer, size_t begin, size_t n, uint8_t *bits)
{
    const size_t run = run_of(layer);
    if (!layer->compression || !layer->compression->filters)
        return;
    for (size_t i = begin; i < begin + n;) {
        bool kept;
        size_t end = stretch(layer, run, i, &kept);
        end = end < begin + n ? end : begin + n;
        for (; i < end; i++)
            if (!kept)
                bits[(i - begin) / 8] &= (uint8_t) ~(1u << (i - begin) % 8);
    }
}

const float *nncf__kept_bias(const nncf_layer *layer)
{
    const nncf__layer_compression *c = layer->compression;
    if (!layer->bias || !c || !c->kept_bias)
        return layer->bias;
    for (size_t i = 0; i < (size_t)layer->out_channels; i++)
        c->kept_bias[i] = c->filters[i] ? layer->bias[i] : 0;
    return c->kept_bias;
}
