/* SPDX-License-Identifier: Apache-2.0 */
#include "quantization/layer_pairs.h"

#include <nncf/model.h>

#include <stddef.h>

bool nncf__pair_has_weight(const nncf_layer *layer)
{
    return layer->op == NNCF_OP_CONV2D || layer->op == NNCF_OP_LINEAR;
}

bool nncf__pair_is_depthwise(const nncf_layer *layer)
{
    return layer->groups > 1 && layer->groups == layer->in_channels;
}

nncf_layer *nncf__pair_reader(const nncf_layer *layer)
{
    const nncf_model *model = layer->model;
    for (size_t i = layer->index + 1; layer->n_consumers == 1 && i < model->n_layers; i++)
        for (size_t j = 0; j < model->layers[i]->n_inputs; j++)
            if (model->layers[i]->inputs[j] == layer)
                return model->layers[i];
    return NULL;
}

const char *nncf__pair_why_not_by_channel(const nncf_layer *second, const nncf_layer *first)
{
    if (second->groups > 1 && !nncf__pair_is_depthwise(second))
        return "it is a convolution in groups";
    return second->in_channels % first->out_channels != 0
        ? "which of its columns belong to which channel is not known"
        : NULL;
}
