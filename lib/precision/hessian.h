/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traces of the loss's Hessian, one for each weight, by Hutchinson's estimator: with v of random
 * signs, the expectation of v' H v is the trace of H. H v is a central difference of the gradients
 * at w + e v and w - e v, which the host computes in between. Or, by the same loop, traces of the
 * empirical Fisher information, which is near the Hessian where the model fits the data: the
 * squares of the gradients at w.
 */
#ifndef NNCF__PRECISION_HESSIAN_H
#define NNCF__PRECISION_HESSIAN_H

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The traces of one weight, as averages over its elements. */
typedef struct nncf__traced {
    /* owns the weight */
    nncf_layer *layer;
    /* in nncf__hessian.saved */
    size_t offset;
    /* sum of v g of the pass with +; of this iteration, images times estimate */
    double plus, sum;
    /* over the iterations that are complete: sum of the estimates, and of their squares */
    double total, squares;
} nncf__traced;

typedef struct nncf__hessian {
    nncf_context *context;
    nncf__traced *traced;
    size_t count;
    /* the weights as they are to be again, one after the other */
    float *saved;
    /* e */
    float step;
    /* what the weights are now: 0 as saved, else + or - e v */
    int32_t sign;
    /* iterations that are complete; images in this one, and in its present batch */
    int64_t iterations, images, batch;
    /* sum over the weights of the means, after the iteration before; smallest change that goes on
     */
    double last, tolerance;
    int64_t most_iterations, points;
    /* the host's gradients, in units of the loss's */
    double factor;
    /* traces of the empirical Fisher information instead: no weight moves */
    bool fisher;
} nncf__hessian;

/* What the next pass is to be. */
enum nncf__hessian_next {
    NNCF__HESSIAN_DONE = 0,
    NNCF__HESSIAN_NEW_BATCH,
    NNCF__HESSIAN_SAME_BATCH
};

/* Layers whose weight has a gradient, in `layers`; the rest of `hessian` is set up by the caller,
 * or 0. NNCF_E_NOMEM. */
nncf_status nncf__hessian_start(nncf__hessian *hessian, nncf_layer *const *layers, size_t count);
/* The weights as they were. */
void nncf__hessian_restore(nncf__hessian *hessian);
/* Restores, and frees. */
void nncf__hessian_end(nncf__hessian *hessian);
/* Put the weights where the next pass wants them, and clear their gradients. */
void nncf__hessian_perturb(nncf__hessian *hessian, int32_t sign);
/* Take the gradients of the pass that was asked for, over `images`, and say what comes next; the
 * weights are then perturbed for that, or restored when it is done. On failure they are as they
 * were, and the batch begins again. NNCF_E_STATE: no gradient came, it is not finite, a weight was
 * changed meanwhile, or the second batch has another size. */
nncf_status nncf__hessian_step(
    nncf__hessian *hessian, int64_t images, enum nncf__hessian_next *next, nncf_error *err);
/* The average trace of weight i, and its standard error (infinity after one iteration). */
double nncf__hessian_trace(const nncf__hessian *hessian, size_t i, double *error);

#endif
