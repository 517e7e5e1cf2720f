/* SPDX-License-Identifier: Apache-2.0 */
/* The canonical form that algorithms read. Dialects are gone by now: one meaning a field, every default filled in. */
#ifndef NNCF__CONFIG_H
#define NNCF__CONFIG_H

#include "base/base.h"

#include <nncf/config.h>

enum nncf__algorithm_kind {
    NNCF__RB_SPARSITY = 1,
    NNCF__MAGNITUDE_SPARSITY,
    NNCF__CONST_SPARSITY,
    NNCF__QUANTIZATION,
    NNCF__FILTER_PRUNING,
    NNCF__BINARIZATION
};
enum nncf__schedule_kind { NNCF__EXPONENTIAL = 1, NNCF__POLYNOMIAL, NNCF__MULTISTEP, NNCF__ADAPTIVE };
enum nncf__importance_kind { NNCF__NORMED_ABS = 0, NNCF__ABS = 1 };
enum nncf__quantizer_mode { NNCF__SYMMETRIC = 0, NNCF__ASYMMETRIC = 1 };
enum nncf__range_kind { NNCF__RANGE_NONE = 0, NNCF__MIN_MAX = 1 };
enum nncf__sign { NNCF__SIGN_AUTO = -1, NNCF__UNSIGNED = 0, NNCF__SIGNED = 1 };

typedef struct nncf__strings {
    const char **items; /* borrowed from the config */
    size_t count;
} nncf__strings;

typedef struct nncf__schedule_params {
    int32_t kind; /* nncf__schedule_kind */
    double init, target;
    double steps;                   /* sparsity_steps: epoch of arrival, > 0 */
    double training_steps;          /* sparsity_training_steps: epoch of the freeze */
    double power;                   /* polynomial */
    double patience, step, eps;     /* adaptive */
    const double *multistep_steps;  /* sorted, n_multistep of them; borrowed */
    const double *multistep_levels; /* n_multistep + 1 */
    size_t n_multistep;
    size_t n_levels; /* n_multistep + 1 */
} nncf__schedule_params;

typedef struct nncf__quantizer_params {
    int32_t bits;
    int32_t mode;        /* nncf__quantizer_mode */
    int32_t sign;        /* nncf__sign */
    int32_t per_channel; /* 0, 1 */
} nncf__quantizer_params;

typedef struct nncf__algorithm {
    int32_t kind;                                /* nncf__algorithm_kind */
    const char *name;                            /* canonical, static */
    nncf__strings ignored_scopes, target_scopes; /* target_scopes.count 0 = all */
    /* sparsity */
    nncf__schedule_params schedule;
    int32_t importance; /* nncf__importance_kind */
    /* quantization */
    nncf__quantizer_params weights, activations;
    int32_t quantize_inputs; /* default 1 (v1.1, the later release of the seed's dialect) */
    int32_t range_kind; /* nncf__range_kind: NNCF__RANGE_NONE when there is no initializer, or num_init_steps is 0 */
    int64_t num_init_steps;
} nncf__algorithm;

/* Algorithms in file order; borrowed from the config. */
const nncf__algorithm *nncf__config_algorithms(const nncf_config *config, size_t *count);
/* The canonical `compression` part as JSON text (keys sorted by the table, defaults in): what a snapshot compares.
 * Append to text. */
void nncf__config_canonical(const nncf_config *config, nncf__text *text);

#endif
