/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ONNX export: the registered graph as messages of the published onnx.proto, made in an arena, then
 * packed straight into the file. Internal to this folder; the rest of the world calls
 * include/nncf/onnx.h.
 *
 * protobuf-c's types are used as generated (package nncf.onnx, so that every symbol has the
 * library's prefix). Packing hands out each `bytes` field by its pointer; for a weight that pointer
 * is an nncf__onnx_source, and the codes are made block by block when its turn comes (stream.c). So
 * no weight is ever copied as a whole.
 */
#ifndef NNCF__FORMATS_ONNX_EXPORT_H
#define NNCF__FORMATS_ONNX_EXPORT_H

#include "quantization/quantizer.h"

#include <nncf/base.h>
#include <nncf/context.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>
#include <nncf/onnx.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "nncf_onnx.pb-c.h"

/* A weight as the file holds it: made from the caller's while the file is written. */
typedef struct nncf__onnx_source {
    const nncf_layer *layer;
    /* one byte a weight: code + zero point; otherwise floats */
    bool codes;
    /* [out_channels] that floats are multiplied with; of codes only the sign counts. NULL: 1 */
    const float *factor;
    /* [channels]; codes only */
    const uint8_t *zero_point;
    /* of zero_point: 1, or one an output channel */
    size_t channels;
} nncf__onnx_source;

/* What flows from layer to layer: the name and, as far as known, the shape (-1: open). */
typedef struct nncf__onnx_value {
    char *name;
    int32_t ndim;
    int64_t shape[NNCF_MAX_NDIM];
} nncf__onnx_value;

typedef struct nncf__onnx_block nncf__onnx_block;

typedef struct nncf__onnx_builder {
    nncf_context *context;
    const nncf_compression_ctrl *ctrl;
    const nncf_model *model;
    /* resolved */
    nncf_onnx_params params;
    nncf_error *err;
    /* the arena */
    nncf__onnx_block *blocks;
    /* it had no memory: what was made is incomplete */
    bool failed;
    Nncf__Onnx__NodeProto **nodes;
    Nncf__Onnx__TensorProto **tensors;
    size_t n_nodes, n_tensors;
    /* of each node: its layer; and whose nodes are made now */
    const nncf_layer **owners, *owner;
    /* [n_layers] */
    nncf__onnx_source *sources;
    size_t n_sources;
    /* [n_layers] */
    nncf__onnx_value *values;
    nncf__onnx_value input;
    /* [n_layers], of those whose weight others read too: its name; NULL: there is none yet */
    char **weights;
    /* of the last causal softmax, or NULL; and its sizes */
    char *mask;
    int64_t mask_shape[2];
    /* names of the model's outputs, in the order of their layers */
    char **outputs;
    size_t n_outputs;
    /* a node stands for NNCF_OP_OPAQUE; the graph was compared with the golden output */
    bool has_opaque, checked;
} nncf__onnx_builder;

#define NNCF__ONNX_OPENVINO_DOMAIN "org.openvinotoolkit"
/* of the nodes that stand for NNCF_OP_OPAQUE */
#define NNCF__ONNX_OPAQUE_DOMAIN "nncf"

/* Space in the builder's lists for one layer: see graph.c. */
enum {
    NNCF__ONNX_LAYER_NODES = 24,
    NNCF__ONNX_LAYER_TENSORS = 32,
    /* a concatenation has as many as it likes: nncf__onnx_node_of() */
    NNCF__ONNX_INPUTS = 8,
    NNCF__ONNX_ATTRIBUTES = 8
};

/* ---- message.c: an arena and the messages made in it. After a failure everything returns NULL or
 * does nothing ---- */

void *nncf__onnx_alloc(nncf__onnx_builder *b, size_t size); /* zeroed */
char *nncf__onnx_printf(nncf__onnx_builder *b, const char *format, ...) NNCF_PRINTF(2, 3);
void nncf__onnx_arena_free(nncf__onnx_builder *b);
/* A node with that output, appended to the graph; `name` of its output and, with the operator
 * appended, of itself. */
Nncf__Onnx__NodeProto *nncf__onnx_node(nncf__onnx_builder *b, const char *op, char *output);
void nncf__onnx_input(nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, char *name);
void nncf__onnx_attribute_int(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, int64_t value);
void nncf__onnx_attribute_float(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, float value);
void nncf__onnx_attribute_text(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, const char *value);
void nncf__onnx_attribute_ints(nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name,
    const int64_t *values, size_t count);
/* An initializer; data is borrowed until the file is written. Returns its name. */
char *nncf__onnx_tensor(nncf__onnx_builder *b, char *name, int32_t type, const int64_t *shape,
    size_t ndim, const void *data, size_t bytes);
/* A float without dimensions. */
char *nncf__onnx_scalar(nncf__onnx_builder *b, char *name, float value);
Nncf__Onnx__ValueInfoProto *nncf__onnx_value_info(
    nncf__onnx_builder *b, const nncf__onnx_value *value);
void nncf__onnx_metadata(
    nncf__onnx_builder *b, Nncf__Onnx__ModelProto *model, const char *key, const char *value);

/* ---- quantizers.c ---- */

/* The compressed weight of a layer as a value, `name_suffix` in its name; factor (nullable,
 * [out_channels]) is folded in. NULL: failed, or refused with *status and the error set. */
char *nncf__onnx_weight(nncf__onnx_builder *b, const nncf_layer *layer, const char *name_suffix,
    const float *factor, nncf_status *status);
/* value, of ndim dimensions, quantized by an activation quantizer, whose channels lie along `axis`.
 * The result is named `output`; names of intermediate values contain `name_suffix`. */
char *nncf__onnx_quantize(nncf__onnx_builder *b, const nncf_layer *layer, nncf__quantizer *q,
    char *value, int32_t axis, int32_t ndim, const char *name_suffix, char *output,
    nncf_status *status);

/* ---- activation.c ---- */

/* output = activation (value); alpha: of leaky relu and elu. Names of intermediate values contain
 * base_name. */
void nncf__onnx_activation(nncf__onnx_builder *b, int32_t activation, float alpha,
    const char *base_name, char *value, char *output);

/* ---- operators.c, operator_shapes.c: what the host runs ---- */

/* Its nodes. `x` is its first input, quantized where it has a quantizer for it, `in` what that is;
 * the result is named `output`, what lies in between by `base`, "::" and a suffix. */
nncf_status nncf__onnx_operator(nncf__onnx_builder *b, const nncf_layer *layer, const char *base,
    char *x, const nncf__onnx_value *in, char *output);
/* x w^T + b over the last of any number of dimensions. */
nncf_status nncf__onnx_linear(nncf__onnx_builder *b, const nncf_layer *layer, const char *base,
    char *x, const nncf__onnx_value *in, char *output);
/* An (N,C,H,W) enlarged by factors of height and width; upsample: NNCF_UPSAMPLE_.... */
void nncf__onnx_resize(nncf__onnx_builder *b, const char *base, char *x, const int64_t factors[2],
    int32_t upsample, char *output);
/* The shape of an operator's output, as far as known. */
void nncf__onnx_operator_shape(const nncf__onnx_builder *b, const nncf_layer *layer,
    const nncf__onnx_value *x, nncf__onnx_value *y);
/* Of a window over n spatial dimensions: the value for dimension i of them; 0 is `otherwise`. */
static inline int64_t nncf__onnx_of_window(const int32_t values[3], int n, int i, int64_t otherwise)
{
    const int32_t value = values[3 - n + i];
    return value ? value : otherwise;
}

/* ---- graph.c: every layer as nodes ---- */

nncf_status nncf__onnx_graph(nncf__onnx_builder *b, Nncf__Onnx__GraphProto *graph);

/* ---- check.c ---- */

/* Only the host knows what its kernels compute: are there golden tensors if need be? */
nncf_status nncf__onnx_check_given(const nncf__onnx_builder *b);
/* Does the graph, which is complete, make golden_output of golden_input? Refused with the layer
 * after which they part. */
nncf_status nncf__onnx_check(nncf__onnx_builder *b);

/* ---- stream.c: packing into the file; path NULL: into params.write ---- */

/* What the source makes, as floats; codes with their type's sign. */
void nncf__onnx_source_values(const nncf__onnx_source *source, bool is_signed, float *values);
/* Are the floats that the source makes all finite, a folded factor included? */
bool nncf__onnx_source_finite(const nncf__onnx_source *source);

nncf_status nncf__onnx_write(
    nncf__onnx_builder *b, const char *path, const Nncf__Onnx__ModelProto *model);

#endif
