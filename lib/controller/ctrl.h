/* SPDX-License-Identifier: Apache-2.0 */
/* Everything a controller holds. */
#ifndef NNCF__CONTROLLER_CTRL_H
#define NNCF__CONTROLLER_CTRL_H

#include "config/canonical.h"
#include "controller/precision.h"
#include "pruning/masks.h"
#include "quantization/layer_compression.h"
#include "sparsity/schedule.h"

#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as there are usage checks, each reported once; bytes of the text that is kept. */
enum { NNCF__MOST_WARNINGS = 21, NNCF__WARNING_TEXT = 512 };

/* Initialization (init.c). In the three phases in the middle a batch was requested from the caller:
 * masks are deterministic and nothing is kept for backward. A restore ends them. */
enum nncf__init_phase {
    NNCF__PHASE_PENDING = 0,
    /* quantizers observe activations */
    NNCF__PHASE_RANGES,
    /* adaptation of batch norm: statistics forget fast, then count */
    NNCF__PHASE_FORGETTING,
    NNCF__PHASE_ADAPTING,
    NNCF__PHASE_DONE
};

/* Recomputing running statistics of batch norm: first batches in which they forget fast, then those
 * that count. */
typedef struct nncf__adaptation {
    /* nothing wanted of adapt: no adaptation */
    struct nncf__adaptation_part {
        /* wanted: both; 0 or less: nothing of that kind */
        int64_t steps, samples;
        /* batches begun, images in those that ended */
        int64_t begun, images;
    } forget, adapt;
} nncf__adaptation;

/* Which calls of the training loop came so far (step.c has the transitions); bits. Their values are
 * those of the snapshot's counters "nncf.begun" and "nncf.stepped". */
enum nncf__loop_state {
    /* step(), ever */
    NNCF__LOOP_STEPPED = 1,
    /* epoch_step(), ever */
    NNCF__LOOP_EPOCH_STEPPED = 2,
    /* no step() since the last epoch_step() */
    NNCF__LOOP_EPOCH_FRESH = 4,
    /* step() since the last epoch_step(), or since the beginning */
    NNCF__LOOP_IN_EPOCH = 8,
    /* those that "nncf.begun" holds */
    NNCF__LOOP_BEGUN = 7
};

/* What usage_checks.c remembers of a training loop. */
typedef struct nncf__usage_checks {
    /* nncf__usage_warning, or-ed: logged already, or found not to apply */
    uint32_t warned;
    int64_t steps, epoch_steps;
    /* steps at the last epoch_step, and those of the longest epoch that was seen whole; 0: none */
    int64_t epoch_began, epoch_length;
    /* The first layer with a weight that ran backward, which then begins each batch: its index + 1,
     * 0 = none so far; some elements of its weight and of the parameters; batches in which they
     * had changed since the last step */
    size_t first_backward;
    uint64_t trained_hash;
    int32_t moves;
    /* nncf_compression_ctrl_loss_backward() was called: never, before the last step, since then */
    enum nncf__loss_calls { NNCF__LOSS_NEVER = 0, NNCF__LOSS_EARLIER, NNCF__LOSS_THIS_STEP } loss;
    int64_t steps_without_loss, steps_without_distillation;
    /* a forward in train mode; one in eval mode since the last step; a snapshot */
    bool trained, evaluated, resumed;
    /* evaluations followed by a step, since the last epoch_step */
    int32_t validations;
    /* of [0] logits and [1] ranges */
    struct nncf__usage_watch {
        enum { NNCF__WATCH_UNSEEN = 0, NNCF__WATCH_HASHED, NNCF__WATCH_ENDED } state;
        /* some gradient was not zero since the last step */
        bool gradient;
        /* of some elements, at the last step */
        uint64_t hash;
        /* steps in which it stayed although there were gradients */
        int32_t still;
    } watch[2];
    /* of rb_sparsity, at the last nncf_compression_ctrl_loss_backward(): the share of weights that
     * are kept, and the mean probability of that; the latter also at the step before; steps in
     * which it did not move towards the level */
    double density, probability, last_probability;
    int32_t standstill;
} nncf__usage_checks;

/* What nncf_compression_ctrl_update() keeps (update.c), in the order of the parameters. */
typedef struct nncf__optimizer {
    /* nncf__optimizer_kind */
    int32_t kind;
    /* taken with that kind */
    int64_t steps;
    /* NULL: the kind has none */
    float *first, *second;
} nncf__optimizer;

struct nncf_compression_ctrl {
    nncf_context *context;
    /* NULL once the model was destroyed */
    nncf_model *model;
    /* [n_layers], one a layer of the model */
    nncf__layer_compression *layers;
    size_t n_layers;
    /* of all layers, then their gradients */
    float *logits;
    nncf_parameter *parameters;
    size_t n_parameters;
    /* of the sparsity algorithm, if any */
    nncf__schedule schedule;
    /* nncf__algorithm_kind, 0 = none */
    int32_t sparsity_kind;
    /* nncf__importance_kind */
    int32_t importance;
    /* nncf__level_mode: one threshold over all layers, or one for each */
    int32_t level_mode;
    nncf__structure structure;
    /* magnitude: the (largest) threshold; NaN otherwise */
    double threshold;
    /* of filter_pruning; NULL: the config has none */
    nncf__pruning *pruning;
    bool has_quantization;
    int64_t epoch, step;
    bool frozen;
    enum nncf__init_phase init_phase;
    /* initialization: batches begun for ranges, images in those that ended and in the present one
     */
    int64_t init_begun, init_images, batch_images;
    nncf__adaptation adaptation;
    /* of quantization; and: its next initialization is that of a stage, which takes ranges only */
    nncf__stages stages;
    bool only_ranges;
    /* NULL: the config chooses no bits by sensitivity */
    nncf__precision *precision;
    /* of a replica: its leader's bits are being chosen */
    bool leader_measures;
    /* workspace of weight ranges; NULL: none needs it */
    float *weight_values;
    /* factor of the loss that damps oscillations, its last one 0: none */
    nncf__ramp damping;
    /* weights that oscillate are frozen; threshold, of this epoch, 0: none */
    nncf__freezing freezing;
    nncf__ramp freezing_threshold;
    /* images for bias correction, 0: none; its workspace, of two weights */
    int64_t bias_samples;
    float *bias_weights;
    nncf__usage_checks usage;
    /* texts of what was warned of, here so that a step allocates nothing */
    char warnings[NNCF__MOST_WARNINGS][NNCF__WARNING_TEXT];
    size_t n_warnings;
    /* NNCF_ORDER_... */
    int32_t order;
    /* the host's gradients, in units of the loss's */
    double gradient_factor;
    nncf__optimizer optimizer;
    /* knowledge_distillation, whose loss training/distillation.c computes */
    bool has_distillation;
    nncf__distillation_params distillation;
    /* nullable */
    void (*mask_changed)(void *user, const nncf_layer *layer);
    void *mask_user;
    /* nncf__loop_state, or-ed */
    uint32_t loop;
    /* by nncf__config_canonical() */
    char *canonical_config;
    /* storage for the schedule's arrays */
    double *multistep;
    /* taken over from a model that was destroyed first */
    bool owns_context;
    /* the schedule was at its target in the epoch before this one already */
    bool arrived_before;
};

static inline bool nncf__ctrl_initializing(const nncf_compression_ctrl *ctrl)
{
    return ctrl->init_phase > NNCF__PHASE_PENDING && ctrl->init_phase < NNCF__PHASE_DONE;
}

/* Are weights perturbed for the traces of their Hessian? All quantizers wait then, masks are
 * deterministic, and running statistics stay. */
static inline bool nncf__ctrl_measuring(const nncf_compression_ctrl *ctrl)
{
    return ctrl->leader_measures ||
        (ctrl->precision && ctrl->precision->phase == NNCF__PRECISION_MEASURING);
}

/* Does batch norm update its running statistics, whatever the mode? */
static inline bool nncf__ctrl_adapting(const nncf_compression_ctrl *ctrl)
{
    return ctrl->init_phase == NNCF__PHASE_FORGETTING || ctrl->init_phase == NNCF__PHASE_ADAPTING;
}

/* Does the sparsity level follow a schedule? */
static inline bool nncf__ctrl_has_schedule(const nncf_compression_ctrl *ctrl)
{
    return ctrl->sparsity_kind == NNCF__RB_SPARSITY ||
        ctrl->sparsity_kind == NNCF__MAGNITUDE_SPARSITY;
}

/* A forward of n images runs: how initialization counts them. */
static inline void nncf__ctrl_count_samples(nncf_compression_ctrl *ctrl, int64_t n)
{
    if (ctrl && (nncf__ctrl_initializing(ctrl) || nncf__ctrl_measuring(ctrl)) &&
        n > ctrl->batch_images)
        ctrl->batch_images = n;
}

/* Are inputs binarized? Their scales are of the batch that a process has first. */
static inline bool nncf__ctrl_binarizes(const nncf_compression_ctrl *ctrl)
{
    for (size_t i = 0; ctrl && i < ctrl->n_layers; i++)
        if (ctrl->layers[i].input_quantizer && ctrl->layers[i].input_quantizer->binarizer)
            return true;
    return false;
}

/* Is there a controller that has a model? `call` is the name of the public function. */
nncf_status nncf__ctrl_check(const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);

#endif
