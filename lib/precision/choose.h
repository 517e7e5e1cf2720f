/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bits by sensitivity (HAWQ-v2, Dong et al. 2019, as in NNCF): weights in the order of their traces
 * get bits that do not fall along it. Of these sequences, the one with the smallest sum of trace
 * times squared error among those that are cheap enough.
 */
#ifndef NNCF__PRECISION_CHOOSE_H
#define NNCF__PRECISION_CHOOSE_H

#include "config/canonical.h"

#include <nncf/base.h>
#include <nncf/context.h>

#include <stddef.h>
#include <stdint.h>

/* Quantizers have 2 to 8 bits. */
enum { NNCF__LEAST_BITS = 2, NNCF__MOST_BITS = 8 };

typedef struct nncf__choice {
    nncf_context *context;
    /* weights, in the order in which they run */
    size_t count;
    /* [count] */
    const double *traces;
    /* [count][NNCF__MOST_BITS + 1]: squared norm of what quantization to so many bits changes */
    const double (*errors)[NNCF__MOST_BITS + 1];
    /* [count]: the bits that a weight may have, or-ed as 1 << bits; 0: any */
    const uint32_t *allowed;
    /* to choose from, ascending, each once */
    int32_t bits[NNCF__MOST_BITS];
    size_t n_bits;
    /* cost of 8 bits everywhere over that of the chosen ones: at least this */
    double ratio;
    /* of bits[count]; NAN: they are not possible */
    double (*cost)(void *user, const int32_t *bits);
    void *user;
    double full_cost;

    /* [count]: the outcome, which must be there */
    int32_t *chosen;
    double metric, achieved;
    /* ratios of all sequences */
    double least, most;
    size_t sequences;
} nncf__choice;

/* The widths that the config gives, 1 << bits or-ed; without any 4 and 8, from 1.6 on 2 as well. */
uint32_t nncf__precision_widths(const nncf__precision_params *params, int32_t release);

/* NNCF_E_CONFIG: none is possible, or none is cheap enough; NNCF_E_LIMIT: there are too many;
 * NNCF_E_NOMEM. */
nncf_status nncf__choose_bits(nncf__choice *choice, nncf_error *err);

#endif
