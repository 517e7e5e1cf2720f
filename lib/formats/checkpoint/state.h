/* SPDX-License-Identifier: Apache-2.0 */
/* A controller's state as tensors and texts. */
#ifndef NNCF__FORMATS_CHECKPOINT_STATE_H
#define NNCF__FORMATS_CHECKPOINT_STATE_H

#include "base/text.h"
#include "graph/ops.h"
#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whole-number texts of a snapshot. */
enum nncf__counter {
    NNCF__EPOCH,
    NNCF__STEP,
    NNCF__FROZEN,
    NNCF__INIT_DONE,
    NNCF__SCHEDULE_EPOCH,
    NNCF__SCHEDULE_COUNT,
    NNCF__STEPPED,
    NNCF__ARRIVED,
    NNCF__SEED,
    /* from here on: absent in the first snapshots, then 0 */
    NNCF__SCHEDULE_STEP,
    NNCF__STEPS_PER_EPOCH,
    /* bits: step_begun, epoch_begun, epoch_fresh */
    NNCF__BEGUN,
    /* nncf_compression_ctrl_set_compression_rate() set the level */
    NNCF__BY_HAND,
    /* 1: the bits of quantizers were chosen, and are in "nncf.bits" */
    NNCF__BITS_CHOSEN,
    NNCF__N_COUNTERS
};
extern const char *const nncf__counter_names[NNCF__N_COUNTERS];

typedef struct nncf__state {
    nncf_context *context;
    /* views of the controller's arrays, and of levels and quantizers below */
    nncf_checkpoint_tensor *tensors;
    size_t n_tensors;
    /* those made here */
    char **names;
    /* [n_tensors] */
    int64_t (*shapes)[NNCF__MAX_WEIGHT_NDIM];
    /* schedule level, magnitude threshold */
    double levels[2];
    /* [n_quantizers][2]: sign, initialized */
    int32_t *quantizers;
    size_t n_quantizers;
    /* [n_quantizers]: their bits */
    int32_t *bits;
    /* kind, steps */
    int64_t optimizer[2];
} nncf__state;
/* Where bits are chosen by sensitivity. */
#define NNCF__BITS_TENSOR "nncf.bits"
/* The names of an optimizer's tensors: kind and steps, and what it keeps. */
#define NNCF__OPTIMIZER_TENSOR "nncf.optimizer"
#define NNCF__FIRST_TENSOR     NNCF__OPTIMIZER_TENSOR ".first"
#define NNCF__SECOND_TENSOR    NNCF__OPTIMIZER_TENSOR ".second"
/* The text that names the parameters of the last two in their order, and that of the quantizers. */
#define NNCF__OPTIMIZER_NAMES "nncf.optimizer_names"
#define NNCF__QUANTIZER_NAMES "nncf.quantizer_names"
/* "Initialized" of a quantizer in "nncf.quantizers": its range is from data, of a binarizer its
 * scale. */
bool nncf__quantizer_has_range(const nncf__quantizer *quantizer);
void nncf__quantizer_set_has_range(nncf__quantizer *quantizer, bool has);
/* What else is in a state, or-ed: what nncf_compression_ctrl_update() keeps, if it does; the masks
 * of filters. */
enum { NNCF__WITH_OPTIMIZER = 1, NNCF__WITH_FILTERS = 2 };
nncf_status nncf__state_make(const nncf_compression_ctrl *ctrl, int32_t with, nncf__state *state);
/* The name of the mask of a layer's filters: front, scope, end. */
#define NNCF__FILTERS_FRONT "nncf."
#define NNCF__FILTERS_END   ".filters"

/* And of weights that oscillate: [3][weight_count], what was the last turn of each, and the bits of
 * their codes. */
#define NNCF__OSCILLATION_END ".oscillation"
#define NNCF__TURNS_END       ".turns"
#define NNCF__CODE_BITS_END   ".code_bits"
void nncf__state_free(nncf__state *state);
/* What a snapshot holds of a controller beside its tensors. */
typedef struct nncf__saved {
    int64_t counters[NNCF__N_COUNTERS];
    double levels[2];
} nncf__saved;
/* Apply counters and levels to a controller. Without same_sparsity the progress of the sparsity
 * algorithm is left out. */
void nncf__saved_apply(const nncf__saved *saved, nncf_compression_ctrl *ctrl, bool same_sparsity);
/* Where within an epoch the snapshot was made: after nncf__ctrl_restored(). */
void nncf__saved_apply_moment(const nncf__saved *saved, nncf_compression_ctrl *ctrl);

/* The texts, as members of __metadata__, each after a comma. */
void nncf__state_texts(const nncf_compression_ctrl *ctrl, nncf__text *text);

#endif
