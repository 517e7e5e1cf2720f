/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The nodes of an export, run one after the other on the golden input: what the file will say, with
 * plain loops, so that it can be compared with what the host computed (check.c). Everything is
 * floats here, codes and shapes too: they are small integers. Sums are double.
 */
#ifndef NNCF__FORMATS_ONNX_EVALUATE_H
#define NNCF__FORMATS_ONNX_EVALUATE_H

#include "formats/onnx/export.h"

#include <nncf/base.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A value of the graph. */
typedef struct nncf__onnx_array {
    const char *name;
    int32_t ndim;
    int64_t shape[NNCF_MAX_NDIM];
    size_t count;
    /* NULL: not made yet, or used by all its readers and freed */
    float *data;
    /* an initializer; its floats are made when it is read first */
    const Nncf__Onnx__TensorProto *tensor;
    /* readers that are still to come */
    size_t uses;
    /* data is the caller's, or the model's */
    bool borrowed;
    /* what it is made of has a node that only its own engine knows */
    bool opaque;
} nncf__onnx_array;

/* One node, and its operands. */
typedef struct nncf__onnx_step {
    nncf__onnx_builder *builder;
    const Nncf__Onnx__NodeProto *node;
    const nncf_layer *layer;
    /* NULL where an optional one is left out */
    nncf__onnx_array **x;
    nncf__onnx_array *y;
} nncf__onnx_step;

/* Called when all nodes of a layer have run: `y` is what the layer makes. `x` is what its first
 * input is, as the graph has it. */
typedef void (*nncf__onnx_visit)(
    void *arg, const nncf_layer *layer, const nncf__onnx_array *x, const nncf__onnx_array *y);

/* Runs the nodes; *output (freed by the caller with the builder's context, NULL: it is opaque) is
 * the model's only output. NNCF_E_SHAPE: shapes do not fit, with the layer. */
nncf_status nncf__onnx_evaluate(nncf__onnx_builder *b, const nncf_tensor *input,
    nncf__onnx_visit visit, void *arg, nncf__onnx_array *output);

/* ---- evaluate_ops.c ---- */

nncf_status nncf__onnx_run(nncf__onnx_step *step);
/* Shape of y, and its memory. */
nncf_status nncf__onnx_make(nncf__onnx_step *step, int32_t ndim, const int64_t *shape);
nncf_status nncf__onnx_misfit(const nncf__onnx_step *step, const char *format, ...)
    NNCF_PRINTF(2, 3);
int64_t nncf__onnx_int(const nncf__onnx_step *step, const char *name, int64_t otherwise);
float nncf__onnx_float(const nncf__onnx_step *step, const char *name, float otherwise);
/* Is there such a text? */
bool nncf__onnx_is(const nncf__onnx_step *step, const char *name, const char *value);
/* How many there are; values up to capacity. */
size_t nncf__onnx_ints(
    const nncf__onnx_step *step, const char *name, int64_t *values, size_t capacity);

/* ---- evaluate_windows.c: convolutions and pools ---- */

nncf_status nncf__onnx_run_conv(nncf__onnx_step *step);
nncf_status nncf__onnx_run_conv_transpose(nncf__onnx_step *step);
nncf_status nncf__onnx_run_pool(nncf__onnx_step *step);

#endif
