/* SPDX-License-Identifier: Apache-2.0 */
/* An oracle that computes a block forward and backward in double with plain loops, from the
 * published formulas. */
#ifndef NNCF_TESTS_SUPPORT_ORACLE_H
#define NNCF_TESTS_SUPPORT_ORACLE_H

#include "layers.h"

#include <stdbool.h>

/* A quantizer as the oracle sees it: integer limits and a scale, semantics of the symmetric
 * quantizer. */
typedef struct fx_quantizer {
    bool on;
    double step, low, high;
} fx_quantizer;

fx_quantizer fx_symmetric(double scale, bool is_signed, bool weight);

double fx_quantize(const fx_quantizer *q, double x);

/* How near x is to the nearest tie between two codes, in steps: rounding in float may go the other
 * way there. */
double fx_tie_distance(const fx_quantizer *q, double x);

/* Gradient of the loss for the quantizer's scale from one element, and through it. */
double fx_quantize_backward(
    const fx_quantizer *q, double x, double y, double g, double *scale_grad);

/* z = conv(x, w) + b, and with dz != NULL dx and dw of it instead. */
void fx_conv(const fx_block *k, const int64_t in[4], const int64_t out[4], const double *x,
    const double *w, const float *b, double *z, const double *dz, double *dx, double *dw);

double fx_activate(int32_t kind, double a);

bool fx_active(int32_t kind, double a);

/* A block's pass in double. Inputs are set by the test; everything from z on is computed. */
typedef struct fx_oracle {
    const fx_block *k;
    int64_t in[4], out[4];
    double *x; /* as given */
    double *w; /* master weight */
    double *mask; /* 0, 1 */
    fx_quantizer input, weight, output;
    bool eval;
    /* of the last forward: outputs within the slack of a tie, and those of them where the library
     * took the other code, which was adopted */
    size_t near_ties, adopted;
    /* computed */
    double *xq, *wq, *z, *a, *y;
    double *mean, *inv_std, *var;
    double *da, *dz, *dxq, *dwq, *dx, *dw; /* dw: for the master weight */
    double *db, *dgamma, *dbeta;
    double input_scale_grad, weight_scale_grad, output_scale_grad;
} fx_oracle;

fx_oracle fx_oracle_make(const fx_block *k, const int64_t in[4], const float *x);

void fx_oracle_free(fx_oracle *o);

/* `y` (nullable) is what the library computed: where an element lies within `slack` steps of a tie
 * and the library took the neighbouring code, that code is adopted, because float and double may
 * round differently there. Fails when more elements are adopted than chance explains. */
void fx_oracle_forward(fx_oracle *o, const float *y, double slack);

void fx_oracle_backward(fx_oracle *o, const float *dy);

/* max |got - want| <= tolerance * (1 + max |want|) */
void fx_assert_near(
    const char *what, const float *got, const double *want, size_t n, double tolerance);

/* How many of n events with that probability are to be expected at the most: five standard
 * deviations above the mean, and one. */
size_t fx_at_most(size_t n, double probability);

#endif
