/* SPDX-License-Identifier: Apache-2.0 */
/* A random layer: what kernel_draw.c draws, kernel_oracle.c computes in plain loops, and
 * kernel_run.c runs. */
#ifndef NNCF_TESTS_KERNEL_CASE_H
#define NNCF_TESTS_KERNEL_CASE_H

#include "sweep_run.h"

#include <nncf/nncf.h>

enum kernel_kind { KERNEL_CONV, KERNEL_LINEAR, KERNEL_ADD, KERNEL_POOL };

typedef struct kernel_case {
    int kind; /* KERNEL_... */
    int32_t pool; /* NNCF_POOL_... */
    int64_t in[4], out[4]; /* (n, c, h, w); of a linear layer as it flattens them */
    int64_t x_shape[4]; /* as the tensor says it, */
    int32_t x_ndim; /* with so many dimensions */
    int64_t kernel[2], stride[2], padding[2], dilation[2], groups;
    int32_t activation;
    bool bias, batch_norm, gamma, beta;
    bool weight_grad, bias_grad, gamma_grad, beta_grad, wants_dx; /* who wants which gradient */
    double eps, momentum; /* 0: the default */
    bool coarse; /* few distinct values: ties, sums of exactly 0 */
    int offset; /* floats (or bytes) in front of each tensor */
    bool threads; /* also with two */
    uint64_t data; /* seed of the values */

    bool quantized;
    bool own_input; /* reads the model's input; else what one or two producers wrote */
    bool reader; /* a layer reads it: then its output is quantized */
    bool pre_activation; /* of a sum: a quantizer in front of its activation */
    bool wrong_channels; /* of a sum or pool: run with other channels than it was registered with */
    bool codes_in[2], codes_out; /* pass activations as bytes where that is possible */
    int weight_bits, activation_bits;
    bool weight_asymmetric, weight_per_channel, activation_asymmetric, activation_per_channel;
    int weight_sign, activation_sign; /* 0: as the data are, 1: signed, 2: unsigned */
} kernel_case;

static inline size_t kernel_count(const int64_t shape[4])
{
    return (size_t)(shape[0] * shape[1] * shape[2] * shape[3]);
}

static inline int kernel_inputs(const kernel_case *c)
{
    return c->kind == KERNEL_ADD ? 2 : 1;
}

static inline bool kernel_has_weight(const kernel_case *c)
{
    return c->kind == KERNEL_CONV || c->kind == KERNEL_LINEAR;
}

static inline size_t kernel_weights(const kernel_case *c)
{
    return kernel_has_weight(c)
        ? (size_t)(c->out[1] * (c->in[1] / c->groups) * c->kernel[0] * c->kernel[1])
        : 0;
}

/* A case from the sweep's random numbers, described there. */
void kernel_draw(sweep *s, kernel_case *c);

/* ---- the oracle ---- */

/* A quantizer as formulas.md has it, from what the public API says of it. */
typedef struct kernel_quantizer {
    bool on, asymmetric, weight, is_signed;
    int bits;
    size_t channels;
    const float *scale, *range; /* [channels]; range: asymmetric, then scale is the lowest value */
    double *step, *low, *high; /* [channels]: kernel_quantizer_fill() */
} kernel_quantizer;

enum kernel_place { PLACE_INPUT, PLACE_WEIGHT, PLACE_BEFORE, PLACE_OUTPUT, PLACES };

/* A value, and how far from it a correct result in float may be. */
typedef struct kernel_value {
    double v, e;
} kernel_value;

/* What the layer is given. */
typedef struct kernel_given {
    const float *x[2]; /* as floats */
    double x_step[2]; /* > 0: x are multiples of it, whose codes enter products exactly */
    const float *w, *b, *gamma, *beta; /* b, gamma, beta: nullable */
    const float *mean, *var; /* running, before the step */
    const float *eval_mean, *eval_var; /* running, as the library left them, for eval mode */
    const float *wq; /* the compressed weight as the library says it; checked, then used */
    const float *xq; /* likewise the quantized own input */
    const float *dy;
    kernel_quantizer quantizers[PLACES];
} kernel_given;

typedef struct kernel_expected {
    kernel_value *y, *eval_y, *dx[2], *dw, *db, *dgamma, *dbeta, *mean, *var;
    kernel_value *scale_grad[PLACES], *range_grad[PLACES]; /* [channels] */
    uint64_t elements,
        unsure; /* elements that were quantized; next to a tie, so that two codes are right */
    const char *complaint; /* wq or xq is wrong */
} kernel_expected;

/* Steps and codes of all channels; free with kernel_quantizer_free(). */
void kernel_quantizer_fill(kernel_quantizer *q);
void kernel_quantizer_free(kernel_quantizer *q);
/* Everything that the layer gives; free with kernel_expected_free(). */
void kernel_expect(const kernel_case *c, const kernel_given *g, kernel_expected *e);
void kernel_expected_free(kernel_expected *e);

/* ---- the library ---- */

enum { KERNEL_ISAS = 5, KERNEL_THREADS = 2, KERNEL_CONTEXTS = KERNEL_ISAS * KERNEL_THREADS };

typedef struct kernel_runner {
    nncf_context
        *contexts[KERNEL_CONTEXTS]; /* reference to NEON, each with one thread and with two */
    uint64_t elements, unsure; /* over all cases */
    uint64_t ran, refused; /* passes of one case in one context */
} kernel_runner;

void kernel_runner_start(kernel_runner *r);
void kernel_runner_stop(kernel_runner *r);
/* The case in every context: against the oracle, and the same bits whatever the number of threads.
 */
void kernel_run(kernel_runner *r, sweep *s, const kernel_case *c);

#endif
