/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The controller and what it hangs on layers. layer/ runs layers through the functions here; io/ saves through them.
 * Formulas: ../../docs/formulas.md (from NNCF's published ones), named at each function.
 */
#ifndef NNCF__COMPRESSION_H
#define NNCF__COMPRESSION_H

#include "base/base.h"
#include "config/config.h"
#include "kernels/kernels.h"
#include "model/model.h"

#include <nncf/compression.h>

/* ---- schedule.c: sparsity levels by epoch ---- */

typedef struct nncf__schedule {
    nncf__schedule_params params; /* arrays owned by the controller */
    int64_t epoch;
    double level;            /* during the present epoch */
    int32_t bad_epochs;      /* adaptive: good epochs counted towards patience */
    int64_t step;            /* steps made in the present epoch */
    int64_t steps_per_epoch; /* by optimizer steps only: known from the config, or counted; 0: not known yet */
} nncf__schedule;
void nncf__schedule_start(nncf__schedule *schedule, const nncf__schedule_params *params); /* level of epoch 0 */
void nncf__schedule_epoch_step(nncf__schedule *schedule, double current_sparsity);        /* to the next epoch */
double nncf__schedule_level(const nncf__schedule_params *params, int64_t epoch); /* closed form; not adaptive */
/* Does the level move with every step? */
bool nncf__schedule_by_steps(const nncf__schedule_params *params);
/* A step was made. True: the level is another one. */
bool nncf__schedule_step(nncf__schedule *schedule);
/* The level by epoch and step; an adaptive one stays as it is. */
void nncf__schedule_refresh(nncf__schedule *schedule);
bool nncf__schedule_frozen(const nncf__schedule *schedule);  /* epoch >= training_steps */
bool nncf__schedule_arrived(const nncf__schedule *schedule); /* the final level */

/* ---- quantizer.c ---- */

typedef struct nncf__quantizer {
    nncf__quantizer_params params; /* sign resolved to 0 or 1 once initialized */
    bool is_weight;
    int32_t wanted_sign;   /* nncf__sign as configured: params.sign is decided anew with each initialization */
    nncf__range_rule rule; /* how its range is found; without scopes */
    struct nncf__observer *observer; /* what that needs beside the extremes; NULL: nothing, or the time is over */
    bool initialized;                /* ranges came from data or a snapshot */
    bool kept;                       /* the range is that of an earlier stage: initialization leaves it */
    bool observing;                  /* initialization: see, change nothing */
    bool sated;                      /* while observing: has seen enough, only passes on */
    size_t channels;                 /* 1, or one an output channel (weights), input channel (activations) */
    char *name;                      /* of the scale or low parameter, as in nncf_parameter */
    char *range_name;                /* asymmetric only */
    float *scale, *scale_grad;       /* [channels]: symmetric scale, or asymmetric input_low */
    float *range, *range_grad;       /* [channels]: asymmetric input_range; NULL when symmetric */
    nncf__fq *fq;                    /* [channels], from the above by nncf__quantizer_refresh() */
    float observed[2];               /* running min, max over everything; {inf, -inf}: nothing seen */
    float *observed_channels;        /* [channels][2], the same by channel; NULL when there is one channel */
    int64_t observed_count;          /* elements seen in the present batch */
    int64_t clipped, total;          /* of the last forward */
} nncf__quantizer;

/* Recompute fq from scale or low and range (the optimizer moves them). Call once at the start of each forward that uses
 * it. */
void nncf__quantizer_refresh(nncf__quantizer *quantizer);
/* Constants from ranges, for tests and refresh: symmetric scale; asymmetric low and range (semantics.md). */
void nncf__fq_symmetric(const nncf__quantizer_params *params, bool is_weight, float scale, nncf__fq *fq);
void nncf__fq_asymmetric(const nncf__quantizer_params *params, float low, float range, nncf__fq *fq);
/* Set the range from an observed minimum and maximum of channel c (min_max rule). A sign that is still open is decided
 * by this channel. False: there was nothing to go by (empty, all zero, not finite), and the scale is 1. */
bool nncf__quantizer_set_range(nncf__quantizer *quantizer, size_t channel, float min, float max);
/* The same for all channels at once, ranges[channels][2]: one sign for all; an asymmetric range is at least 1 % of the
 * widest channel's. False: some channel had nothing to go by. */
bool nncf__quantizer_set_ranges(nncf__quantizer *quantizer, const float *ranges);
/* Forget what was observed. */
void nncf__quantizer_observe_begin(nncf__quantizer *quantizer);
/* ranges[channels][2] of what was observed. */
const float *nncf__quantizer_observed(const nncf__quantizer *quantizer);
/* Let an observing quantizer see x (n, c, hw), for the rules that need more than the extremes. observer.c. */
void nncf__quantizer_see(nncf_context *context, nncf__quantizer *quantizer, size_t n, size_t c, size_t hw,
                         const float *x);
/* Add sums of fq_backward (inside, above, below) to the gradient of channel c. */
void nncf__quantizer_add_gradient(nncf__quantizer *quantizer, size_t channel, const double sums[3]);

/* ---- quantizer_create.c ---- */

/* What a quantizer is made with (placement_scopes.c finds it), and which line of the config decided it. */
typedef struct nncf__quantizer_rule {
    nncf__quantizer_params params; /* the group's, with the overrides that fit */
    nncf__range_rule range;        /* kind NNCF__RANGE_NONE: not initialized from data. Never mixed_min_max. Borrows */
    int64_t override_index;        /* of the last override that fits, in the algorithm's list; -1: none */
} nncf__quantizer_rule;

/* Where a quantizer is to stand. */
typedef struct nncf__quantizer_wish {
    const nncf_layer *layer; /* its scope makes the parameters' names, and the place in messages */
    int32_t group;           /* nncf__quantizer_group: weights or activations */
    const char *stem;        /* of the parameters' names, behind the scope: ".input_quantizer" */
    size_t channels;         /* of the tensor, for per_channel; 0: not known, which refuses per_channel */
    int32_t sign; /* NNCF__UNSIGNED or NNCF__SIGNED: until ranges are known, where the config leaves it open */
} nncf__quantizer_wish;
/* May there be such a quantizer? NNCF_E_UNSUPPORTED: more bits than there are codes for, or channels that are not
 * known. Allocates nothing: the plan asks. */
nncf_status nncf__quantizer_check(const nncf__quantizer_wish *wish, const nncf__quantizer_params *params,
                                  nncf_error *err);
/* A quantizer that was checked, in its state before initialization. NNCF_E_NOMEM. */
nncf_status nncf__quantizer_create(nncf_context *context, const nncf__quantizer_wish *wish,
                                   const nncf__quantizer_rule *rule, nncf__quantizer **quantizer, nncf_error *err);
void nncf__quantizer_destroy(nncf_context *context, nncf__quantizer *quantizer); /* NULL is fine */

/* ---- what a layer carries ---- */

enum nncf__mask_kind { NNCF__MASK_NONE = 0, NNCF__MASK_RB, NNCF__MASK_BITS };

typedef struct nncf__layer_compression {
    struct nncf_compression_ctrl *ctrl;
    int32_t mask_kind;         /* nncf__mask_kind */
    char *logit_name;          /* RB */
    float *logit, *logit_grad; /* [weight_count], RB */
    /* RB: how the mask of the last forward in train mode was made (weight.c; 0: there was none), in which step, and
     * whether one in eval mode came after it */
    int32_t used_mask;
    int64_t used_step;
    bool used_in_eval;
    uint8_t *bits; /* [(weight_count + 7) / 8], magnitude and const */
    float norm;    /* magnitude: what importances are divided by */
    nncf__quantizer *weight_quantizer, *input_quantizer, *output_quantizer; /* nullable */
    nncf__quantizer *pre_quantizer; /* of a sum, in front of its activation; nullable */
    /* The quantizer whose codes this layer's input consists of (its own input quantizer, or its producer's output one,
       seen through max pooling); NULL: plain floats. Per tensor only. */
    nncf__quantizer *incoming_quantizer;
} nncf__layer_compression;

/* ---- weight.c ---- */

/* wq = fake_quantize(mask(weight)), per the model's mode; refreshes the weight quantizer. Without compression a copy.
 * Allocates nothing. */
nncf_status nncf__weight_forward(nncf_layer *layer, float *wq);
/* Add to weight_grad (if any), logit_grad, scale gradients; from the gradient of wq, which is used as work space.
 * Allocates nothing. */
nncf_status nncf__weight_backward(nncf_layer *layer, float *dwq);
/* A weight was handed out for training, and its gradient will come: that is of the mask of this step and mode. */
void nncf__weight_used(nncf_layer *layer);
/* NNCF_E_STATE: the mask that nncf__weight_backward() would make is not the one that was used. */
nncf_status nncf__weight_check_backward(const nncf_layer *layer, nncf_error *err);
/* What the deterministic mask leaves of a weight. */
typedef struct nncf__weight_survey {
    int64_t kept;    /* elements that the mask lets through */
    int64_t zeros;   /* elements that are masked, or zero of their own */
    int64_t clipped; /* elements outside the quantizer's range */
} nncf__weight_survey;
void nncf__weight_survey_of(const nncf_layer *layer, nncf__weight_survey *survey);
/* ranges[channels][2] of the masked weight, channels as the layer's weight quantizer has them. */
void nncf__weight_ranges(const nncf_layer *layer, float *ranges);
/* The masked weight of one channel of those. */
void nncf__weight_values(const nncf_layer *layer, size_t channel, float *values);

/* ---- rb.c: regularization-based sparsity over all layers together ---- */

/* Every logit to logit(0.99). */
void nncf__rb_start(struct nncf_compression_ctrl *ctrl);
/* Sums over all sparsified layers: [0] active, [1] sum of sigmoid(logit), [2] how many. */
void nncf__rb_count(const struct nncf_compression_ctrl *ctrl, double sums[3]);
/* The loss; its gradient is added to the logits'. */
double nncf__rb_loss(struct nncf_compression_ctrl *ctrl);

/* ---- magnitude.c ---- */

/* What nncf__magnitude_mask() needs. Everything that can fail is here. */
nncf_status nncf__magnitude_reserve(struct nncf_compression_ctrl *ctrl);
/* Masks for the present level over all sparsified layers together, or over each of them (local levels); sets
 * ctrl->threshold. Allocates nothing: reserve first. */
void nncf__magnitude_mask(struct nncf_compression_ctrl *ctrl);
/* const_sparsity: a mask of layer i that keeps the weights that are not zero. */
void nncf__const_mask(struct nncf_compression_ctrl *ctrl, size_t i);
/* Before any training: weights may have been loaded since the controller was made. Masks of magnitude sparsity, and
 * constant ones that mask nothing, are made anew from them; those of a snapshot stay. ctrl.c. */
void nncf__masks_renew(struct nncf_compression_ctrl *ctrl);

/* ---- init.c ---- */

enum nncf__adaptation_mode { NNCF__FORGETTING = 1, NNCF__ADAPTING };

/* Running statistics of batch norm taken anew: first batches in which they forget fast, then those that count. */
typedef struct nncf__adaptation {
    struct nncf__adaptation_part {
        int64_t steps, samples; /* wanted: both; 0 or less: nothing of that kind */
        int64_t begun, images;  /* batches begun, images in those that ended */
    } forget, adapt;            /* nothing wanted of adapt: none at all */
    int32_t mode;               /* nncf__adaptation_mode of the present batch, 0: not at it */
} nncf__adaptation;

/* What weight ranges need; everything that can fail. */
nncf_status nncf__init_reserve(struct nncf_compression_ctrl *ctrl);
/* Observers for an initialization that starts over: the last one destroyed them. Those that exist are kept. */
nncf_status nncf__init_observers(struct nncf_compression_ctrl *ctrl);
/* The adaptation that an algorithm asks for. */
void nncf__init_take_adaptation(struct nncf_compression_ctrl *ctrl, const nncf__algorithm *algorithm);
/* Ranges of the weights as their quantizers see them, by their rules: after the deterministic mask. */
void nncf__init_weights(struct nncf_compression_ctrl *ctrl);
/* Are there activation quantizers whose ranges come from batches? */
bool nncf__init_wanted(const struct nncf_compression_ctrl *ctrl);

/* ---- protocol.c: mistakes in the order of calls, each told once ---- */

typedef struct nncf__protocol {
    uint32_t said; /* what was told */
    int64_t steps, epoch_steps;
    bool loss_called, loss_ever; /* since the last step; at all */
    int64_t steps_without_loss;
    bool trained, evaluated, resumed; /* a forward in train mode; one in eval mode since the last step; a snapshot */
    int32_t validations;              /* evaluations followed by a step, since the last epoch_step */
    /* of [0] logits and [1] ranges: a hash of some elements, and for how many steps it stayed with gradients there */
    bool watched[2], moves[2], gradient[2];
    uint64_t hash[2];
    int32_t still[2];
    /* of rb_sparsity, at the last nncf_compression_ctrl_loss(): the share of weights that are kept, and the mean
     * probability of that; the latter also at the step before; steps in which it did not come nearer to the level */
    double density, probability, last_probability;
    int32_t standstill;
} nncf__protocol;
void nncf__protocol_loss(struct nncf_compression_ctrl *ctrl);
void nncf__protocol_density(struct nncf_compression_ctrl *ctrl, double density, double probability);
void nncf__protocol_frozen(struct nncf_compression_ctrl *ctrl, double sparsity); /* masks stop at this sparsity */
void nncf__protocol_init_begin(struct nncf_compression_ctrl *ctrl);
/* The range of an activation was initialized. */
void nncf__protocol_range(struct nncf_compression_ctrl *ctrl, const nncf_layer *layer,
                          const nncf__quantizer *quantizer);
void nncf__protocol_forward(struct nncf_compression_ctrl *ctrl);
void nncf__protocol_backward(struct nncf_compression_ctrl *ctrl);
void nncf__protocol_step(struct nncf_compression_ctrl *ctrl);
void nncf__protocol_early_step(struct nncf_compression_ctrl *ctrl, const char *call);
void nncf__protocol_epoch_step(struct nncf_compression_ctrl *ctrl);
void nncf__protocol_end(struct nncf_compression_ctrl *ctrl);

/* ---- ctrl.c ---- */

struct nncf_compression_ctrl {
    nncf_context *context;
    nncf_model *model;               /* NULL once the model was destroyed */
    nncf__layer_compression *layers; /* [n_layers], one a layer of the model */
    size_t n_layers;
    nncf_parameter *parameters;
    size_t n_parameters;
    nncf__schedule schedule; /* of the sparsity algorithm, if any */
    int32_t sparsity_kind;   /* nncf__algorithm_kind, 0 = none */
    int32_t importance;      /* nncf__importance_kind */
    int32_t level_mode;      /* nncf__level_mode: one threshold over all layers, or one for each */
    double threshold;        /* magnitude: the (largest) threshold; NaN otherwise */
    bool has_quantization;
    int64_t epoch, step;
    bool frozen;
    /* initialization: batches begun for ranges, images in those that ended and in the present one */
    int64_t init_begun, init_images, batch_images;
    bool initializing; /* a batch was asked for, or more will be: masks are deterministic, nothing is kept for backward
                        */
    bool ranges_done;  /* adaptation is next */
    bool init_done;
    nncf__adaptation adaptation;
    float *weight_values; /* work space of weight ranges; NULL: none needs it */
    nncf__protocol protocol;
    int32_t order;                             /* NNCF_ORDER_... */
    bool step_begun, epoch_begun, epoch_fresh; /* called at all; no step since the last epoch_step */
    char *canonical_config;                    /* what nncf__config_canonical() said */
    double *multistep;                         /* storage for the schedule's arrays */
    bool owns_context;                         /* taken over from a model that was destroyed first */
    bool dense_checked;                        /* whether a constant mask masks anything */
    bool warned;                               /* about training without initialization */
    bool stepped;                              /* a step was made since the last epoch_step */
    bool arrived_before;                       /* the schedule had arrived in the epoch before this one */
};

/* RB noise of this step: key from the context's seed and the layer's index, counter = step. */
uint64_t nncf__ctrl_noise_key(const struct nncf_compression_ctrl *ctrl, const nncf_layer *layer);
/* A forward of n images runs: how initialization counts them. */
static inline void nncf__ctrl_saw_images(struct nncf_compression_ctrl *ctrl, int64_t n)
{
    if (ctrl && ctrl->initializing && n > ctrl->batch_images)
        ctrl->batch_images = n;
}
/* Quantizer `i` (0 weight, 1 input, 2 output, 3 in front of the activation) of a layer, or NULL. */
enum { NNCF__N_QUANTIZERS = 4 };
nncf__quantizer *nncf__layer_quantizer(const nncf__layer_compression *layer, int i);
/* What stands between a layer's scope and ".scale" or ".input_low" in the names of their parameters. placement.c. */
extern const char *const nncf__quantizer_stems[NNCF__N_QUANTIZERS];

/* ---- placement.c: which layer gets what; allocates all of it, hangs nothing on the model yet ---- */

nncf_status nncf__placement_make(struct nncf_compression_ctrl *ctrl, const nncf_config *config, nncf_error *err);
/* What it allocated; fine with a controller that is half made. */
void nncf__placement_free(struct nncf_compression_ctrl *ctrl);

/* After a snapshot was read: quantizers ready, level, masks, freeze and parameter flags as the counters say. */
nncf_status nncf__ctrl_restored(struct nncf_compression_ctrl *ctrl);

#endif
