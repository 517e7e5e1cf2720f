/* SPDX-License-Identifier: Apache-2.0 */
/* What a controller adds to a registered layer: a mask and quantizers. */
#ifndef NNCF__QUANTIZATION_LAYER_COMPRESSION_H
#define NNCF__QUANTIZATION_LAYER_COMPRESSION_H

#include "quantization/oscillation.h"
#include "quantization/quantizer.h"

#include <nncf/ctrl.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where in a layer a quantizer can be. */
enum nncf__quantizer_slot {
    NNCF__SLOT_WEIGHT = 0,
    NNCF__SLOT_INPUT,
    NNCF__SLOT_OUTPUT,
    NNCF__SLOT_PRE_ACTIVATION,
    NNCF__N_SLOTS
};

enum nncf__mask_kind { NNCF__MASK_NONE = 0, NNCF__MASK_RB, NNCF__MASK_BITS };

typedef struct nncf__layer_compression {
    nncf_compression_ctrl *ctrl;
    /* nncf__mask_kind */
    int32_t mask_kind;
    /* RB */
    char *logit_name;
    /* [weight_count], RB */
    float *logit, *logit_grad;
    /* [(weight_count + 7) / 8], magnitude and const */
    uint8_t *bits;
    /* block sparsity (sparsity/structure.h): the edges of blocks, and of each block whether it has
     * a weight that is kept; 0 and NULL otherwise */
    int32_t block_size;
    uint8_t *blocks;
    /* magnitude: what importances are divided by */
    float norm;
    /* [out_channels]: 1 is kept, 0 pruned; NULL: no filter can be pruned (pruning/apply.h) */
    uint8_t *filters;
    /* [out_channels]: the bias that a forward uses; NULL: no filters, or no bias */
    float *kept_bias;
    /* gamma and beta of pruned filters are 0; their weights get gradients all the same */
    bool prunes_norm, passes_gradient;
    /* nullable */
    nncf__quantizer *weight_quantizer, *input_quantizer, *output_quantizer;
    /* of a sum, in front of its activation; nullable */
    nncf__quantizer *pre_activation_quantizer;
    /* for the bias (controller/bias_correction.c): of what each element of the weight is multiplied
     * with, over so many outputs, while ranges are observed; NULL: not wanted */
    double *input_sums;
    int64_t input_positions;
    /* oscillation_freezing; NULL: not wanted, or the weight is not quantized */
    nncf__oscillation *oscillation;
    /* of some weights, for usage_checks.c: their hash; a gradient among them was not zero;
     * checks at which they had stayed all the same */
    struct {
        uint64_t hash;
        bool gradient;
        int32_t still;
    } watch;
} nncf__layer_compression;

/* Does anything make weights 0? */
static inline bool nncf__layer_masks(const nncf__layer_compression *layer)
{
    return layer->mask_kind != NNCF__MASK_NONE || layer->filters;
}

/* The quantizer in a slot, or NULL. */
static inline nncf__quantizer *nncf__layer_quantizer(
    const nncf__layer_compression *layer, enum nncf__quantizer_slot slot)
{
    switch (slot) {
    case NNCF__SLOT_WEIGHT:
        return layer->weight_quantizer;
    case NNCF__SLOT_INPUT:
        return layer->input_quantizer;
    case NNCF__SLOT_OUTPUT:
        return layer->output_quantizer;
    default:
        return layer->pre_activation_quantizer;
    }
}

/* The same without those that have another one's parameters: for what goes through parameters. */
static inline nncf__quantizer *nncf__layer_own_quantizer(
    const nncf__layer_compression *layer, enum nncf__quantizer_slot slot)
{
    nncf__quantizer *q = nncf__layer_quantizer(layer, slot);
    return q && !q->leader ? q : NULL;
}

/* Where among n layers a quantizer is: 0 to n NNCF__N_SLOTS - 1, slot after slot; SIZE_MAX: in none
 * of them. */
static inline size_t nncf__find_quantizer(
    const nncf__layer_compression *layers, size_t n, const nncf__quantizer *quantizer)
{
    for (size_t at = 0; at < n * NNCF__N_SLOTS; at++)
        if (nncf__layer_quantizer(&layers[at / NNCF__N_SLOTS],
                (enum nncf__quantizer_slot)(at % NNCF__N_SLOTS)) == quantizer)
            return at;
    return SIZE_MAX;
}

/* The quantizer in a slot that works, or NULL: there is none, or its stage has not begun. NULL of a
 * layer without compression. */
static inline nncf__quantizer *nncf__layer_active(
    const nncf__layer_compression *layer, enum nncf__quantizer_slot slot)
{
    nncf__quantizer *q = layer ? nncf__layer_quantizer(layer, slot) : NULL;
    return q && !q->waits ? q : NULL;
}

#endif
