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
    double level;       /* during the present epoch */
    int32_t bad_epochs; /* adaptive: good epochs counted towards patience */
} nncf__schedule;
void nncf__schedule_start(nncf__schedule *schedule, const nncf__schedule_params *params); /* level of epoch 0 */
void nncf__schedule_epoch_step(nncf__schedule *schedule, double current_sparsity);        /* to the next epoch */
double nncf__schedule_level(const nncf__schedule_params *params, int64_t epoch); /* closed form; not adaptive */
bool nncf__schedule_frozen(const nncf__schedule *schedule);                      /* epoch >= training_steps */
bool nncf__schedule_arrived(const nncf__schedule *schedule);                     /* the final level */

/* ---- quantizer.c ---- */

typedef struct nncf__quantizer {
    nncf__quantizer_params params; /* sign resolved to 0 or 1 once initialized */
    bool is_weight;
    bool initialized;          /* ranges came from data or a snapshot */
    bool observing;            /* initialization: see, change nothing */
    size_t channels;           /* 1, or one an output channel (weights), input channel (activations) */
    char *name;                /* of the scale or low parameter, as in nncf_parameter */
    char *range_name;          /* asymmetric only */
    float *scale, *scale_grad; /* [channels]: symmetric scale, or asymmetric input_low */
    float *range, *range_grad; /* [channels]: asymmetric input_range; NULL when symmetric */
    nncf__fq *fq;              /* [channels], from the above by nncf__quantizer_refresh() */
    float observed[2];         /* running min, max; [channels][2] behind observed_channels when per channel */
    float *observed_channels;
    int64_t observed_count; /* elements seen */
    int64_t clipped, total; /* of the last forward */
} nncf__quantizer;

/* Recompute fq from scale or low and range (the optimizer moves them). Call once at the start of each forward that uses
 * it. */
void nncf__quantizer_refresh(nncf__quantizer *quantizer);
/* Constants from ranges, for tests and refresh: symmetric scale; asymmetric low and range (semantics.md). */
void nncf__fq_symmetric(const nncf__quantizer_params *params, bool is_weight, float scale, nncf__fq *fq);
void nncf__fq_asymmetric(const nncf__quantizer_params *params, float low, float range, nncf__fq *fq);
/* Set the range from an observed minimum and maximum of channel c (min_max rule; sign decided unless forced by
 * params.sign over all channels first). */
void nncf__quantizer_set_range(nncf__quantizer *quantizer, size_t channel, float min, float max);
/* Add sums of fq_backward (inside, above, below) to the gradient of channel c. */
void nncf__quantizer_add_gradient(nncf__quantizer *quantizer, size_t channel, const double sums[3]);

/* ---- what a layer carries ---- */

enum nncf__mask_kind { NNCF__MASK_NONE = 0, NNCF__MASK_RB, NNCF__MASK_BITS };

typedef struct nncf__layer_compression {
    struct nncf_compression_ctrl *ctrl;
    int32_t mask_kind;         /* nncf__mask_kind */
    char *logit_name;          /* RB */
    float *logit, *logit_grad; /* [weight_count], RB */
    uint8_t *bits;             /* [(weight_count + 7) / 8], magnitude and const */
    nncf__quantizer *weight_quantizer, *input_quantizer, *output_quantizer; /* nullable */
    /* The quantizer whose codes this layer's input consists of (its own input quantizer, or its producer's output one,
       seen through max pooling); NULL: plain floats. Per tensor only. */
    nncf__quantizer *incoming_quantizer;
} nncf__layer_compression;

/* ---- weight.c ---- */

/* wq = fake_quantize(mask(weight)), per the model's mode; refreshes the weight quantizer. *quantizer (nullable out):
 * NULL when plain floats. Without compression a copy. */
nncf_status nncf__weight_forward(nncf_layer *layer, float *wq);
/* Add to weight_grad (if any), logit_grad, scale gradients; from the gradient of wq, which is used as work space. */
nncf_status nncf__weight_backward(nncf_layer *layer, float *dwq);

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
    int32_t importance;
    double threshold; /* magnitude; NaN otherwise */
    bool has_quantization;
    int64_t epoch, step;
    bool frozen;
    /* initialization: steps wanted, steps begun; observing between the two */
    int64_t init_wanted, init_begun;
    bool init_done;
    char *canonical_config; /* what nncf__config_canonical() said */
    double *multistep;      /* storage for the schedule's arrays */
};

/* RB noise of this step: key from the context's seed and the layer's index, counter = step. */
uint64_t nncf__ctrl_noise_key(const struct nncf_compression_ctrl *ctrl, const nncf_layer *layer);
/* After a snapshot was read: quantizers ready, level, masks, freeze and parameter flags as the counters say. */
nncf_status nncf__ctrl_restored(struct nncf_compression_ctrl *ctrl);

#endif
