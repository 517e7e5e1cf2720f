/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors, and registered layers with their buffers. */
#ifndef NNCF_TESTS_SUPPORT_LAYERS_H
#define NNCF_TESTS_SUPPORT_LAYERS_H

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stddef.h>

void *fx_alloc(size_t count, size_t size);

/* ---- tensors ---- */

typedef struct fx_tensor {
    nncf_tensor t;
    int64_t shape[4];
} fx_tensor;

size_t fx_count(const int64_t s[4]);

/* A view that points into *self: do not copy. */
nncf_tensor *fx_view(fx_tensor *self, float *data, int ndim, const int64_t s[4]);

/* A forward of one input, which must succeed. */
void fx_layer_forward(
    nncf_layer *layer, float *x, const int64_t in[4], float *y, const int64_t out[4]);

/* ---- a block: what is registered, and its buffers ---- */

typedef struct fx_block {
    const char *scope;
    int64_t in_channels, out_channels;
    int32_t kernel[2], stride[2], padding[2], dilation[2];
    int32_t groups, activation;
    bool linear, batch_norm, bias;
    /* of batch norm; momentum 0: the default */
    int32_t norm_flags;
    float momentum;
    /* filled in by fx_register() */
    nncf_layer *layer;
    size_t weights;
    float *w, *dw, *b, *db, *gamma, *dgamma, *beta, *dbeta, *mean, *var;
} fx_block;

void fx_register(nncf_model *model, fx_block *k, nncf_layer *input, uint64_t *state);

void fx_zero_grad(fx_block *k);

void fx_release(fx_block *k);

void fx_output_shape(const fx_block *k, const int64_t in[4], int64_t out[4]);

/* ---- a bias-free layer ---- */

typedef struct fx_layer {
    nncf_layer *layer;
    float *weight, *weight_grad;
    size_t count;
} fx_layer;

/* A bias-free convolution; `weight` is copied, NULL: random. */
fx_layer fx_add_conv(nncf_model *model, const char *scope, int64_t out, int64_t in, int32_t kernel,
    const float *weight, nncf_layer *input);

void fx_layer_free(fx_layer *l);

#endif
