/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights that oscillate between two codes, and are frozen (Nagel et al. 2022, "Overcoming
 * Oscillations in Quantization-Aware Training", section 4.2, algorithm 1). One observation of a
 * weight is its code after an optimizer's step; docs/formulas.md has the rule.
 */
#ifndef NNCF__QUANTIZATION_OSCILLATION_H
#define NNCF__QUANTIZATION_OSCILLATION_H

#include "kernels/kernels.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a weight: the sign of the last change of its code (-1, 1; 0: there was none), or: */
enum nncf__turn { NNCF__TURN_FROZEN = 2, NNCF__TURN_UNSEEN = 3 };

/* Floats of a weight. */
enum { NNCF__OSCILLATION_VALUES = 3 };

/* What is known of the weights of a layer, [count] each. */
typedef struct nncf__oscillation {
    size_t count;
    /* [NNCF__OSCILLATION_VALUES][count]: frequency of oscillations, average code, last code (of
     * frozen ones, theirs) */
    float *values;
    /* nncf__turn */
    int8_t *turns;
    /* of the codes: what is known with another width is of no use */
    int32_t bits;
} nncf__oscillation;

typedef struct nncf__freezing {
    /* weights whose frequency is above it are frozen; 0: none */
    double threshold;
    /* of both averages: the share of the last observation */
    double momentum;
} nncf__freezing;

/* What goes along a cosine from `first` in epoch 0 to `last` from epoch `epochs` on. */
typedef struct nncf__ramp {
    double first, last;
    int64_t epochs;
} nncf__ramp;

double nncf__ramp_at(const nncf__ramp *ramp, int64_t epoch);

/* All of them unseen; NULL: no memory. */
nncf__oscillation *nncf__oscillation_create(nncf_context *context, size_t count);
/* NULL is fine. */
void nncf__oscillation_destroy(nncf_context *context, nncf__oscillation *oscillation);
/* Forget everything; `count` weights, not more than before, are unseen. */
void nncf__oscillation_restart(nncf__oscillation *oscillation, size_t count);
/*
 * An observation of n weights from `begin`: weights w, and what their mask leaves of them. Frozen
 * ones become the value of their code. Masked ones are passed by.
 */
void nncf__oscillation_observe(nncf__oscillation *oscillation, const nncf__freezing *rule,
    size_t begin, size_t n, const float *masked, const nncf__fq *fq, float *w);
/* Bytes of that, of `count` weights. */
static inline size_t nncf__oscillation_bytes(size_t count)
{
    return count * (NNCF__OSCILLATION_VALUES * sizeof(float) + sizeof(int8_t));
}
/* How many are frozen. */
size_t nncf__oscillation_frozen(const nncf__oscillation *oscillation);

#endif
