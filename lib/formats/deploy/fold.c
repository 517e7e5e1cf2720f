/* SPDX-License-Identifier: Apache-2.0 */
/* Bias and batch norm of a layer in eval mode as one factor and one summand a channel
 * (docs/formulas.md, "Folding"). */
#include "formats/deploy/fold.h"

#include "base/error.h"
#include "graph/model.h"
#include "pruning/apply.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <math.h>

/* A factor would make its scales something else. */
static bool has_powers_of_two(const nncf_layer *layer)
{
    const nncf__quantizer *q =
        layer->compression ? nncf__layer_active(layer->compression, NNCF__SLOT_WEIGHT) : NULL;
    return q && q->params.power_of_two;
}

bool nncf__folds_batch_norm(const nncf_layer *layer)
{
    return layer->has_batch_norm && !has_powers_of_two(layer) && layer->weight_axis == 0 &&
        !layer->tied_to && layer->n_tied == 0;
}

nncf_status nncf__fold_batch_norm(
    const nncf_layer *layer, double *factor, double *shift, nncf_error *err)
{
    const nncf_batch_norm_params *bn = &layer->batch_norm;
    for (int64_t c = 0; c < layer->out_channels; c++) {
        const bool pruned = nncf__filter_is_pruned(layer, (size_t)c);
        double bias = layer->bias && !pruned ? (double)layer->bias[c] : 0;
        factor[c] = 1;
        shift[c] = bias;
        if (!layer->has_batch_norm)
            continue;
        /* the same operations as lib/exec/batch_norm.c, so that rounding to float gives its
         * constants */
        double inv_std = 1 / sqrt((double)bn->running_var[c] + (double)bn->eps);
        if (pruned && nncf__norm_filters(layer)) {
            shift[c] = 0; /* the weights are 0 already; a scale of 0 would be none */
            continue;
        }
        factor[c] = (bn->weight ? (double)bn->weight[c] : 1) * inv_std;
        shift[c] = (bn->bias ? (double)bn->bias[c] : 0) - (double)bn->running_mean[c] * factor[c];
        shift[c] += bias * factor[c];
        if (!isfinite((float)factor[c]) || !isfinite((float)shift[c]))
            return nncf__fail(err, NNCF_E_UNSUPPORTED, layer->scope,
                "%s: bias and batch norm of channel %lld give %g and %g, which are not finite as "
                "floats, "
                "so it cannot be folded",
                layer->scope, (long long)c, factor[c], shift[c]);
    }
    return NNCF_OK;
}
