/* SPDX-License-Identifier: Apache-2.0 */
/* One call of a prepared layer. */
#ifndef NNCF__EXEC_CALL_H
#define NNCF__EXEC_CALL_H

#include "graph/block.h"
#include "kernels/qtensor.h"

#include <nncf/model.h>

#include <stdint.h>

/* An output: floats, or codes of the layer's output quantizer. */
typedef struct nncf__output {
    void *data;
    int32_t dtype;
} nncf__output;

/* A block, and the tensors at hand. */
typedef struct nncf__call {
    const nncf__block *block;
    nncf_layer *layer;
    /* floats, or codes and what they mean now */
    nncf__qtensor x[NNCF__MAX_INPUTS];
    /* forward */
    nncf__output y;
    /* backward: the gradient, which is used up; where those of the inputs go, NULL: not wanted */
    float *dy, *dx[NNCF__MAX_INPUTS];
} nncf__call;

#endif
