/* SPDX-License-Identifier: Apache-2.0 */
/* Running a layer: product, batch norm, activation, quantizers. Internal to this folder; the rest of the world calls
 * include/nncf/layer.h. */
#ifndef NNCF__LAYER_H
#define NNCF__LAYER_H

#include "compression/compression.h"

#include <nncf/layer.h>

/* ---- check.c: tensors against what a layer takes; err (nullable) says the tensor, what it is, what is wanted ---- */

/* A tensor and what the call names it. */
typedef struct nncf__named {
    const char *name;
    const nncf_tensor *tensor;
} nncf__named;

/* Every rule of nncf_tensor but for the shape's meaning. Elements are floats, or of the type `codes`. *count
 * (nullable): elements. */
nncf_status nncf__layer_check_tensor(const nncf__named *x, int32_t codes, size_t *count, nncf_error *err);
/* The same shape as another tensor. */
nncf_status nncf__layer_check_same(const nncf__named *x, const nncf__named *like, nncf_error *err);
/* A valid tensor of that shape; (n, c) stands for (n, c, 1, 1). */
nncf_status nncf__layer_check_as(const nncf__named *x, int32_t codes, const int64_t shape[4], nncf_error *err);
/* May this quantizer (or none) work on a tensor of so many channels? Its arrays have as many elements as it has. */
nncf_status nncf__layer_check_channels(const nncf__quantizer *quantizer, const char *tensor, int64_t channels,
                                       nncf_error *err);
/* Shape of the input as (n, c, h, w): (n, c) counts as (n, c, 1, 1), and a linear layer flattens. */
nncf_status nncf__layer_input_shape(const nncf_layer *layer, const nncf__named *x, int64_t shape[4], nncf_error *err);
/* Shapes of input and output, with the channels of every activation quantizer. */
nncf_status nncf__layer_shapes(const nncf_layer *layer, const nncf__named *x, int64_t in[4], int64_t out[4],
                               nncf_error *err);

/* ---- run.c ---- */

/* nncf_layer_output_shape() without a log line. */
nncf_status nncf__layer_output_shape(const nncf_layer *layer, const nncf_tensor *x, int64_t *shape, int32_t *ndim,
                                     nncf_error *err);
/* Log what a call of nncf_layer_... returns, unless it is NNCF_OK: the line is made from err. Returns status. */
nncf_status nncf__layer_report(const nncf_layer *layer, const char *call, nncf_status status, const nncf_error *err);
/* The controller's initialization is under way: quantizers see and pass on, batch norm changes nothing. */
bool nncf__layer_observing(const nncf_layer *layer);

/* ---- codes.c: activations as integer codes, a byte each ---- */

/* Type of the codes that a quantizer stores in bytes: NNCF_U8 or NNCF_S8; NNCF_F32: it cannot now (or is NULL). */
int32_t nncf__quantizer_dtype(const nncf__quantizer *quantizer);
int32_t nncf__quantizer_zero(const nncf__quantizer *quantizer);
/* Codes of a quantizer as what a product reads. */
nncf__operand nncf__codes_operand(const nncf__quantizer *quantizer, const void *data);
/* Whose codes reach a layer through its registered edge, or NULL. */
const nncf__quantizer *nncf__layer_feeding_quantizer(const nncf_layer *layer, size_t input);
/* The type of codes that may arrive there, and may leave; NNCF_F32: none. Floats may always. */
int32_t nncf__layer_input_dtype(const nncf_layer *layer, size_t input);
int32_t nncf__layer_output_dtype(const nncf_layer *layer);
/* An output: floats, or codes of the layer's output quantizer. */
typedef struct nncf__output {
    void *data;
    int32_t dtype;
} nncf__output;
/* Floats [offset, offset + count) of x: where they lie, or what the codes stand for, written to `room`. */
const float *nncf__floats_of(const nncf__kernels *k, const nncf__operand *x, size_t offset, size_t count, float *room);

/* ---- walk.c: one pass over a tensor on all threads, with sums whose order does not depend on them ---- */

/* A tensor as n images of c planes of hw elements. */
typedef struct nncf__planes {
    size_t n, c, hw;
} nncf__planes;
nncf__planes nncf__planes_of(const int64_t shape[4]);

enum { NNCF__WALK_SUMS = 6 };

typedef struct nncf__walk nncf__walk;
struct nncf__walk {
    nncf__planes planes;
    bool by_channel; /* pieces lie within one plane, and sums are delivered for each channel */
    bool extremes;   /* sums[0] is a minimum and sums[1] a maximum */
    /* Work on `count` elements from `offset`, add to sums. Called from any thread; `room` is this worker's scratch. */
    void (*piece)(const nncf__walk *walk, size_t channel, size_t offset, size_t count, float *room, double *sums);
    /* Nullable. Called in the caller's thread, channel 0, 1, ... (or once with channel 0). */
    void (*deliver)(const nncf__walk *walk, size_t channel, const double *sums);
    /* What piece and deliver work with; walk.c does not look at it. */
    const nncf__kernels *k;
    nncf__quantizer *quantizer;
    const nncf_layer *layer;
    const float *in[2];
    const nncf__operand *codes_in; /* a sum's two inputs, floats or codes */
    float *out[2];
    uint8_t *codes; /* the output as codes, then out[0] is not looked at */
    const float *grad;
};
/* Elements of the largest piece. */
size_t nncf__walk_piece(const nncf__walk *walk);
/* Allocates nothing and cannot fail. */
void nncf__walk_run(nncf_context *context, nncf__walk *walk);
/* sums[c] = sum of channel c, in double, overwritten. */
void nncf__channel_sums(nncf_context *context, const nncf__planes *planes, const float *x, double *sums);

/* ---- quantize.c: activation quantizers and what stands before them ---- */

/* The quantizer's constants for a channel. */
static inline const nncf__fq *nncf__fq_of(const nncf__quantizer *quantizer, size_t channel)
{
    return quantizer ? &quantizer->fq[quantizer->channels > 1 ? channel : 0] : NULL;
}
/* y = quantizer(x); NULL: a copy; observing: see x and copy. Refreshes, and records how much was clipped. y may be x.
 */
void nncf__layer_quantize(nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes, const float *x,
                          float *y);
/* The same to codes, for a quantizer that has a type for them. */
void nncf__layer_quantize_to_codes(nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes,
                                   const float *x, uint8_t *y);
/* dx from dy; adds to the quantizer's gradient. dx may be dy. */
void nncf__layer_quantize_backward(nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes,
                                   const float *x, const float *dy, float *dx);
/* Let an observing quantizer see x. */
void nncf__layer_observe(nncf_context *context, nncf__quantizer *quantizer, const nncf__planes *planes, const float *x);
/* Constants of what follows batch norm in this layer, for channel c: activation and output quantizer (unless it is
 * observing); scale 1, shift 0. */
nncf__epilogue nncf__layer_epilogue(const nncf_layer *layer, const nncf__quantizer *output, size_t channel);
/* The layer's output quantizer, or NULL. */
nncf__quantizer *nncf__layer_output_quantizer(const nncf_layer *layer);
/* y = quantizer(activation(z)) and its backward; y may be z (but not as codes) and da may be dy. What comes of the
 * quantizer's gradient is added at once, or kept in nncf__channels until ..._add_gradients, when nothing can fail any
 * more. */
void nncf__layer_finish(nncf_layer *layer, const nncf__planes *planes, const float *z, const nncf__output *y);
void nncf__layer_finish_backward(nncf_layer *layer, const nncf__planes *planes, const float *z, const float *dy,
                                 float *da, bool adds_later);
void nncf__layer_finish_add_gradients(nncf_layer *layer);

/* ---- batch_norm.c ---- */

/* Per-channel numbers that a layer keeps from forward to backward, in layer->channel. */
typedef struct nncf__channels {
    double *sums;                          /* [c][5], as epilogue_backward; forward uses [c][0] for clipped counts */
    float *scale, *shift, *mean, *inv_std; /* [c] each: a = z * scale + shift; zhat = (z - mean) * inv_std */
    float *weight_step;                    /* [c], for integer codes */
} nncf__channels;
/* Reserve them, and the scratch that batch norm over small planes needs. */
size_t nncf__channels_bytes(const nncf__planes *planes);
size_t nncf__batch_norm_scratch(const nncf__planes *planes); /* a worker's */
nncf_status nncf__channels_reserve(nncf_layer *layer, const nncf__planes *planes);
nncf__channels nncf__channels_of(const nncf_layer *layer);

/* One batch norm at work. */
typedef struct nncf__norm {
    nncf_layer *layer;
    const nncf__kernels *k;
    nncf__planes planes;
    nncf__channels channels;
    nncf__quantizer *output;
    bool batch_statistics, update_running;
    double momentum;
    const float *z;
    float *y;       /* forward: output; backward: dy, then dz */
    uint8_t *codes; /* forward: output as codes, then y is NULL */
    float zero;     /* the code of 0 */
    bool gathers;   /* small planes */
    bool in_place;  /* dz goes there even where it is wanted elsewhere */
} nncf__norm;

/*
 * y = quantizer(activation(batch norm(z))); y may be z (but not as codes). Batch statistics in train mode, which then
 * (unless the controller observes) update the running ones. Either all of it, or start, each channel once, finish: the
 * ..._channels take channels [c0, c1) and nncf__batch_norm_scratch() of room, from any thread. `norm` is an nncf__norm.
 */
void nncf__batch_norm_forward(nncf_layer *layer, const nncf__planes *planes, const float *z, const nncf__output *y);
nncf__norm nncf__batch_norm_forward_start(nncf_layer *layer, const nncf__planes *planes, const float *z,
                                          const nncf__output *y);
void nncf__batch_norm_forward_channels(void *norm, int64_t c0, int64_t c1, void *room);
void nncf__batch_norm_forward_finish(const nncf__norm *norm);

/*
 * dz in place of dy; the sums stay in nncf__channels for nncf__batch_norm_add_gradients(). Or, in steps: start; for
 * channels [c0, c1) their sums; then dz of each image, which is written to `to` (one plane behind the other), or lies
 * in place: what is returned is where. With in_place it always lies there.
 */
void nncf__batch_norm_backward(nncf_layer *layer, const nncf__planes *planes, const float *z, float *dy);
nncf__norm nncf__batch_norm_backward_start(nncf_layer *layer, const nncf__planes *planes, const float *z, float *dy,
                                           bool in_place);
void nncf__batch_norm_backward_sums(void *norm, int64_t c0, int64_t c1, void *room);
const float *nncf__batch_norm_backward_dz(void *norm, int64_t n, int64_t c0, int64_t c1, float *to);
void nncf__batch_norm_add_gradients(nncf_layer *layer, const nncf__planes *planes);

/* Statistics of a batch need two values a channel. */
nncf_status nncf__layer_check_batch_norm(const nncf_layer *layer, const int64_t out[4], nncf_error *err);

/* ---- memory.c ---- */

/* What running a layer takes, in bytes: blocks of its own, and the most that it wants of what all layers share. */
typedef struct nncf__needs {
    bool train;
    nncf_context dry; /* its scratch_size is the result */
    size_t z, xq, wq, channels;
    size_t work, dw;
} nncf__needs;
/* For a convolution or linear layer whose quantizers are initialized, and whose input is codes where it may be. */
nncf_status nncf__product_needs(nncf_layer *layer, const int64_t in[4], const int64_t out[4], nncf__needs *needs);

/* ---- product.c, add.c, pool.c: one pair a kind of layer; dx NULL: not wanted ---- */

/* Does backward of a product need what forward left in the layer, besides the compressed weight? */
bool nncf__product_keeps(const nncf_layer *layer);
/* Does backward look at the elements of x? */
bool nncf__layer_reads_x(const nncf_layer *layer);
/* The convolution that a product is, of inputs and outputs of these shapes. */
nncf__conv2d nncf__product_shape(const nncf_layer *layer, const int64_t in[4], const int64_t out[4]);
nncf_status nncf__product_forward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4], const int64_t out[4],
                                  const nncf__output *y);
nncf_status nncf__product_backward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4], const int64_t out[4],
                                   float *dy, float *dx);
nncf_status nncf__add_forward(nncf_layer *layer, const nncf__operand x[2], const int64_t shape[4],
                              const nncf__output *y);
nncf_status nncf__add_backward(nncf_layer *layer, const nncf__operand x[2], const int64_t shape[4], const float *dy,
                               float *da, float *db);
nncf_status nncf__pool_forward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4], const int64_t out[4],
                               const nncf__output *y);
nncf_status nncf__pool_backward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4], const int64_t out[4],
                                float *dy, float *dx);

#endif
