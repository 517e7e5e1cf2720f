/* SPDX-License-Identifier: Apache-2.0 */
/* The GPT of examples/gpt as plain loops in C, without this library. */
#ifndef TESTS_BENCH_PLAIN_GPT_H
#define TESTS_BENCH_PLAIN_GPT_H

#include <stddef.h>
#include <stdint.h>

typedef struct plain_shape {
    int64_t batch, context, width, heads, blocks, vocabulary;
} plain_shape;

/* A weight (out, in) and a bias, or those of a norm, and their gradients. */
typedef struct plain_layer {
    float *w, *b, *dw, *db;
} plain_layer;

/* What a block has and keeps for backward; rows are (batch * context, ...). */
typedef struct plain_block {
    plain_layer norm1, q, k, v, out, norm2, up, down;
    float *x, *normed1, *stats1, *queries, *keys, *values, *weights, *mixed, *middle, *normed2,
        *stats2, *z, *hidden;
} plain_block;

typedef struct plain_gpt {
    plain_shape s;
    int threads;
    /* parameters, their gradients and moments, one array each */
    size_t n_parameters;
    float *parameters, *gradients, *moment1, *moment2;
    plain_layer table, norm, head;
    plain_block *blocks;
    /* of the last norm; logits */
    float *x, *normed, *stats, *logits;
    /* backward: of logits, of rows as wide as the width, of hidden ones */
    float *dlogits, *d[6], *dhidden;
    /* (batch * context): ids, and what follows each */
    int32_t *ids, *targets;
    int64_t steps;
    double loss;
} plain_gpt;

/* A step of training: forward, loss, backward, gradients cut to length 1, AdamW. The same source,
 * compiled as ISO C is, and with vectors of this machine and sums in any order. */
void plain_gpt_step_strict(plain_gpt *m);
void plain_gpt_step_fast(plain_gpt *m);

#endif
