/* SPDX-License-Identifier: Apache-2.0 */
/* oneDNN's inner product (C API of version 2) over buffers of the program. */
#ifndef ONEDNN_PRIMITIVES_H
#define ONEDNN_PRIMITIVES_H

#include "app.h"

#include <oneapi/dnnl/dnnl.h>

typedef struct machine {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
} machine;

nncf_status machine_open(machine *m, nncf_error *err);
void machine_close(machine *m);

/* y = x w^T + b. All buffers are the program's: x (n,in), w (out,in), b (out), y (n,out), and the
 * gradients of each; dx NULL: nobody wants it. */
typedef struct product_buffers {
    float *x, *w, *b, *y, *dx, *dw, *db, *dy;
} product_buffers;

enum product_part { FORWARD, BACKWARD_WEIGHTS, BACKWARD_DATA, PARTS };

typedef struct product {
    dnnl_primitive_t primitive[PARTS];
    dnnl_memory_t memory[8]; /* in the order of product_buffers */
} product;

nncf_status product_open(
    machine *m, int64_t n, int64_t in, int64_t out, product_buffers b, product *p, nncf_error *err);
void product_close(product *p);
/* BACKWARD_WEIGHTS and BACKWARD_DATA overwrite dw, db and dx. */
nncf_status product_run(
    const machine *m, const product *p, enum product_part part, nncf_error *err);

/* acc = x w^T of codes: x (n,in) of 0..255, w (out,in), acc (n,out). */
nncf_status product_int8(machine *m, int64_t n, int64_t in, int64_t out, uint8_t *x, int8_t *w,
    int32_t *acc, nncf_error *err);

#endif
