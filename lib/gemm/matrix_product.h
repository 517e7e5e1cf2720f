/* SPDX-License-Identifier: Apache-2.0 */
/* Products of matrices that lie in memory row by row: linear layers with their gradients, and the
 * products of attention. */
#ifndef NNCF__GEMM_MATRIX_PRODUCT_H
#define NNCF__GEMM_MATRIX_PRODUCT_H

#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A matrix, or one that is turned, as lines of neighbours: its rows, or, turned, its columns. */
typedef struct nncf__matrix {
    /* codes become the floats that they stand for; scales: one, or one a line */
    nncf__qtensor src;
    /* elements from line to line */
    int64_t stride;
    bool turned;
} nncf__matrix;

/* Which blocks of a matrix have anything but zeros, in a mask that both of its orders share. */
typedef struct nncf__kept_blocks {
    /* NULL: all of them */
    const uint8_t *kept;
    /* of a block's edges, those at the ends are smaller; 0: there are no blocks */
    int64_t size;
    /* in `kept`, from a block to the next along rows and columns, and from product to product */
    int64_t row_step, column_step, batch_step;
} nncf__kept_blocks;

/* c (m, n) = factor a (m, k) b (k, n) + bias, `batch` times. */
typedef struct nncf__matrix_product {
    int64_t m, n, k;
    nncf__matrix a, b;
    float factor;
    /* nullable, (batch, n) */
    const float *bias;
    float *c;
    /* from row to row */
    int64_t c_stride;
    int64_t batch;
    /* elements from one product to the next */
    int64_t a_step, b_step, c_step;
    /* of b: what is left out is 0, or counts as 0. Of c: what is left out becomes 0. Not both */
    nncf__kept_blocks b_blocks, c_blocks;
} nncf__matrix_product;

/* Planned, then run, as the products of conv/conv2d.h are. The plan does not look at pointers. An
 * element is a sum over k in an order that depends on k and the ISA alone: the same bits for any
 * number of threads, and for codes and the floats that they stand for. */
size_t nncf__matrix_product_scratch(const nncf_context *context, const nncf__matrix_product *p);
void nncf__matrix_product_run(nncf_context *context, const nncf__matrix_product *p);

/* What it is tested against, and what the reference ISA runs: sums in double. */
void nncf__matrix_product_ref(const nncf__matrix_product *p);

#endif
