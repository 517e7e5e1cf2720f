/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A layer, prepared for calls with tensors of one shape and type: what follows from these, from the
 * mode and from the state of the controller is worked out once, and then only read. What changes
 * from call to call is read through pointers (scales and zero points, which the optimizer moves) or
 * belongs to the call (nncf__call in exec/call.h: data). exec/block.c prepares.
 */
#ifndef NNCF__GRAPH_BLOCK_H
#define NNCF__GRAPH_BLOCK_H

#include "conv/conv2d.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nncf__kind; /* exec/kind.h */
struct nncf__quantizer; /* quantization/quantizer.h */

/* A tensor as n images of c planes of hw elements. */
typedef struct nncf__planes {
    size_t n, c, hw;
} nncf__planes;

static inline nncf__planes nncf__planes_of(const int64_t shape[4])
{
    return (nncf__planes){(size_t)shape[0], (size_t)shape[1], (size_t)(shape[2] * shape[3])};
}

static inline size_t nncf__planes_count(const nncf__planes *p)
{
    return p->n * p->c * p->hw;
}

/* The most tensors that a layer reads. */
enum { NNCF__MAX_INPUTS = 8 };

typedef struct nncf__shape {
    int32_t ndim;
    int64_t size[NNCF_MAX_NDIM];
} nncf__shape;

/* The shapes of a call. Zero where nothing is, so that they can be compared as bytes. */
typedef struct nncf__shapes {
    /* of x and in */
    size_t n;
    nncf__shape x[NNCF__MAX_INPUTS], y;
    /* what the kind takes them for, (n, c, h, w) */
    int64_t in[NNCF__MAX_INPUTS][4], out[4];
} nncf__shapes;

/* What a pass takes, in bytes; 0: nothing. */
typedef struct nncf__needs {
    /* the layer's: sums and constants a channel, compressed weight, quantized own input, what
     * stands before the epilogue */
    size_t channels, wq, xq, z;
    /* the model's, shared by its layers: workspace, gradient of a weight, gradients of inputs that
     * are added to the host's (of no block: nncf__gradients_bytes()) */
    size_t work, dw, dx;
    /* of each thread */
    size_t scratch;
} nncf__needs;

/* The quantizers that a block depends on. */
enum nncf__block_quantizer {
    NNCF__OF_WEIGHT = 0,
    NNCF__OF_INPUT,
    NNCF__OF_OUTPUT,
    /* of a sum */
    NNCF__OF_PRE_ACTIVATION,
    /* whose codes the inputs consist of */
    NNCF__OF_SOURCE,
    NNCF__OF_SOURCE_1,
    NNCF__BLOCK_QUANTIZERS = NNCF__OF_SOURCE + NNCF__MAX_INPUTS
};

/* What of a quantizer a block depends on: bits, and from bit NNCF__STATE_DTYPE on the type of its
 * codes. */
enum {
    NNCF__STATE_PRESENT = 1,
    NNCF__STATE_OBSERVES = 2,
    NNCF__STATE_INITIALIZED = 4,
    NNCF__STATE_ZEROS = 8,
    NNCF__STATE_DTYPE = 16
};

/* The weight that a product reads. */
enum nncf__weight_form {
    /* the host's, as it is */
    NNCF__WEIGHT_MASTER = 0,
    /* codes in layer->now.wq, with their scales */
    NNCF__WEIGHT_CODES,
    /* floats in layer->now.wq: masked only, or of more than eight bits */
    NNCF__WEIGHT_FLOATS,
    /* masked floats in model->dw, while ranges are observed: later this weight is codes, and
     * layer->now.wq has no place for floats */
    NNCF__WEIGHT_SHARED,
    /* the signs of the host's, with scales in layer->now.wq; of one scale there are bits first */
    NNCF__WEIGHT_SIGNS
};

/* What a block is prepared for. */
typedef struct nncf__block_key {
    nncf__shapes shapes;
    /* the first input, (n, c, h, w) */
    int64_t in[4];
    /* of the inputs and the output of forward: NNCF_F32 or codes */
    int32_t x_dtype[NNCF__MAX_INPUTS], y_dtype;
    /* NNCF_MODE_... */
    int32_t mode;
    /* the controller's initialization is under way: quantizers observe and pass values through,
     * nothing is kept */
    bool observing;
    /* the phase of the adaptation of batch norm, 0: none */
    int32_t adapting;
    /* of each quantizer, 0: there is none */
    uint32_t states[NNCF__BLOCK_QUANTIZERS];
    /* z may be made again rather than kept: the model's policy (NNCF_MEMORY_...) */
    int32_t memory;
    const void *kernels;
    int32_t n_threads;
} nncf__block_key;

typedef struct nncf__block {
    nncf__block_key key;
    /* NULL: nothing is prepared */
    const struct nncf__kind *kind;
    /* (n, c, h, w) */
    int64_t out[4];
    nncf__planes in_planes, out_planes;

    /* ---- quantizers, each NULL where there is none ---- */
    struct nncf__quantizer *quantizers[NNCF__BLOCK_QUANTIZERS];
    /* initialization: the output, the own input is observed and passed through */
    bool observes_output, observes_input;

    /* ---- what is read and written; data is the call's ---- */
    nncf__qtensor x[NNCF__MAX_INPUTS];
    /* product: its input, which is x[0], or that quantized into layer->now.xq; its weight */
    nncf__qtensor used_x, weight;
    /* the own input is quantized into layer->now.xq; codes become floats there */
    bool quantizes_input, widens_input;
    /* the controller masks or quantizes the weight; what the product reads is this form of it */
    bool compresses;
    enum nncf__weight_form weight_form;
    /* backward makes a gradient of the weight */
    bool wants_dw;

    /* ---- what follows the product, sum or pool ---- */
    /* of channel c: nncf__block_epilogue() */
    nncf__epilogue epilogue;
    bool fq_by_channel, has_epilogue;
    /* the activation, where it is no clamp of the epilogue's, else 0; its parameter */
    int32_t smooth;
    float alpha;
    /* batch norm */
    bool batch_statistics, update_running;
    /* batch statistics are those of all ranks */
    bool across_ranks;
    double momentum;

    /* ---- algorithm ---- */
    nncf__conv2d conv;
    /* it is a gradient of conv: exec/transposed.c */
    bool is_transposed;
    /* depthwise with batch norm: channel by channel */
    bool by_channel;
    /* what stands before the epilogue (z) goes to layer->now.z, else to y where that is floats,
     * else to workspace */
    bool keeps_z;
    /* z is never stored: each pass makes it again, tile by tile */
    bool makes_z_again;
    /* input and weight are binary, and no backward follows: bits in layer->now.xq */
    bool by_bits;

    /* ---- between the passes ---- */
    /* backward may follow */
    bool keeps;
    /* backward needs what forward left in the layer; backward reads x */
    bool keeps_state, reads_x;

    /* of forward; of backward without and with dx */
    nncf__needs forward, backward[2];
} nncf__block;

/* Is there this quantizer, and does it quantize (instead of observing)? */
static inline bool nncf__block_quantizes(
    const nncf__block *block, enum nncf__block_quantizer quantizer)
{
    return (block->key.states[quantizer] & (NNCF__STATE_PRESENT | NNCF__STATE_OBSERVES)) ==
        NNCF__STATE_PRESENT;
}

/* Activation and output quantizer (unless it observes) of channel c; scale 1, shift 0. */
static inline nncf__epilogue nncf__block_epilogue(const nncf__block *block, size_t c)
{
    nncf__epilogue e = block->epilogue;
    if (block->fq_by_channel)
        e.fq += c;
    return e;
}

#endif
