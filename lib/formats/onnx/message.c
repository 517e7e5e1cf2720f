/* SPDX-License-Identifier: Apache-2.0 */
/* The arena, and messages made in it. Memory comes in blocks and goes all at once; failure is
 * remembered. */
#include "base/alloc.h"
#include "formats/onnx/export.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK_BYTES = 65536, ALIGNMENT = 16 };

struct nncf__onnx_block {
    nncf__onnx_block *next;
    /* of what follows the header */
    size_t used, size;
};
enum { HEADER = (sizeof(nncf__onnx_block) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT };

void *nncf__onnx_alloc(nncf__onnx_builder *b, size_t size)
{
    nncf__onnx_block *block = b->blocks;
    if (b->failed)
        return NULL;
    if (size > SIZE_MAX / 2) {
        b->failed = true;
        return NULL;
    }
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (!block || block->size - block->used < size) {
        size_t capacity = size > BLOCK_BYTES - HEADER ? size : BLOCK_BYTES - HEADER;
        block = nncf__calloc(b->context, 1, HEADER + capacity);
        if (!block) {
            b->failed = true;
            return NULL;
        }
        block->size = capacity;
        block->next = b->blocks;
        b->blocks = block;
    }
    void *p = (char *)block + HEADER + block->used;
    block->used += size;
    return p;
}

void nncf__onnx_arena_free(nncf__onnx_builder *b)
{
    while (b->blocks) {
        nncf__onnx_block *next = b->blocks->next;
        nncf__free(b->context, b->blocks);
        b->blocks = next;
    }
}

char *nncf__onnx_printf(nncf__onnx_builder *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : nncf__onnx_alloc(b, (size_t)n + 1);
    if (!text) {
        b->failed = true;
        return NULL;
    }
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    return text;
}

/* A node with space for its inputs, outputs and attributes. */
typedef struct node_capacity {
    Nncf__Onnx__NodeProto node;
    char *inputs[NNCF__ONNX_INPUTS];
    char *outputs[1];
    Nncf__Onnx__AttributeProto *attributes[NNCF__ONNX_ATTRIBUTES];
} node_capacity;

Nncf__Onnx__NodeProto *nncf__onnx_node(nncf__onnx_builder *b, const char *op, char *output)
{
    node_capacity *capacity = nncf__onnx_alloc(b, sizeof *capacity);
    if (!capacity)
        return NULL;
    Nncf__Onnx__NodeProto *node = &capacity->node;
    nncf__onnx__node_proto__init(node);
    node->op_type = nncf__onnx_printf(b, "%s", op);
    node->name = nncf__onnx_printf(b, "%s/%s", output, op);
    node->input = capacity->inputs;
    node->output = capacity->outputs;
    node->output[0] = output;
    node->n_output = 1;
    node->attribute = capacity->attributes;
    b->owners[b->n_nodes] = b->owner;
    b->nodes[b->n_nodes++] = node;
    return node;
}

void nncf__onnx_input(nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, char *name)
{
    if (b->failed || !node)
        return;
    node->input[node->n_input++] = name;
}

static Nncf__Onnx__AttributeProto *attribute(nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node,
    const char *name, Nncf__Onnx__AttributeProto__AttributeType type)
{
    Nncf__Onnx__AttributeProto *a = nncf__onnx_alloc(b, sizeof *a);
    char *copy = nncf__onnx_printf(b, "%s", name);
    if (b->failed || !node)
        return NULL;
    nncf__onnx__attribute_proto__init(a);
    a->name = copy;
    a->has_type = 1;
    a->type = type;
    node->attribute[node->n_attribute++] = a;
    return a;
}

void nncf__onnx_attribute_int(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, int64_t value)
{
    Nncf__Onnx__AttributeProto *a =
        attribute(b, node, name, NNCF__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (!a)
        return;
    a->has_i = 1;
    a->i = value;
}

void nncf__onnx_attribute_float(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, float value)
{
    Nncf__Onnx__AttributeProto *a =
        attribute(b, node, name, NNCF__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (!a)
        return;
    a->has_f = 1;
    a->f = value;
}

void nncf__onnx_attribute_text(
    nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name, const char *value)
{
    Nncf__Onnx__AttributeProto *a =
        attribute(b, node, name, NNCF__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    char *copy = nncf__onnx_printf(b, "%s", value);
    if (!a || !copy)
        return;
    a->has_s = 1;
    a->s.data = (uint8_t *)copy;
    a->s.len = strlen(copy);
}

void nncf__onnx_attribute_ints(nncf__onnx_builder *b, Nncf__Onnx__NodeProto *node, const char *name,
    const int64_t *values, size_t count)
{
    Nncf__Onnx__AttributeProto *a =
        attribute(b, node, name, NNCF__ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *copy = nncf__onnx_alloc(b, count * sizeof *copy);
    if (!a || !copy)
        return;
    memcpy(copy, values, count * sizeof *copy);
    a->ints = copy;
    a->n_ints = count;
}

char *nncf__onnx_tensor(nncf__onnx_builder *b, char *name, int32_t type, const int64_t *shape,
    size_t ndim, const void *data, size_t bytes)
{
    Nncf__Onnx__TensorProto *t = nncf__onnx_alloc(b, sizeof *t);
    int64_t *dims = nncf__onnx_alloc(b, ndim * sizeof *dims);
    if (b->failed)
        return NULL;
    nncf__onnx__tensor_proto__init(t);
    if (ndim > 0)
        memcpy(dims, shape, ndim * sizeof *dims);
    t->dims = dims;
    t->n_dims = ndim;
    t->has_data_type = 1;
    t->data_type = type;
    t->name = name;
    t->has_raw_data = 1;
    t->raw_data.data = (uint8_t *)(uintptr_t)data; /* packing only reads it */
    t->raw_data.len = bytes;
    b->tensors[b->n_tensors++] = t;
    return name;
}

char *nncf__onnx_scalar(nncf__onnx_builder *b, char *name, float value)
{
    float *copy = nncf__onnx_alloc(b, sizeof *copy);
    if (!copy)
        return NULL;
    *copy = value;
    return nncf__onnx_tensor(
        b, name, NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, NULL, 0, copy, sizeof *copy);
}

/* What a description of a shape consists of. */
typedef struct value_capacity {
    Nncf__Onnx__ValueInfoProto info;
    Nncf__Onnx__TypeProto type;
    Nncf__Onnx__TypeProto__Tensor tensor;
    Nncf__Onnx__TensorShapeProto shape;
    Nncf__Onnx__TensorShapeProto__Dimension dims[NNCF_MAX_NDIM], *list[NNCF_MAX_NDIM];
} value_capacity;

Nncf__Onnx__ValueInfoProto *nncf__onnx_value_info(
    nncf__onnx_builder *b, const nncf__onnx_value *value)
{
    value_capacity *v = nncf__onnx_alloc(b, sizeof *v);
    char *batch = nncf__onnx_printf(b, "N");
    if (!v || !batch)
        return NULL;
    nncf__onnx__value_info_proto__init(&v->info);
    nncf__onnx__type_proto__init(&v->type);
    nncf__onnx__type_proto__tensor__init(&v->tensor);
    nncf__onnx__tensor_shape_proto__init(&v->shape);
    v->info.name = value->name;
    v->info.type = &v->type;
    v->type.value_case = NNCF__ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type.tensor_type = &v->tensor;
    v->tensor.has_elem_type = 1;
    v->tensor.elem_type = NNCF__ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    v->tensor.shape = &v->shape;
    v->shape.n_dim = (size_t)value->ndim;
    v->shape.dim = v->list;
    for (int32_t i = 0; i < value->ndim; i++) {
        v->list[i] = &v->dims[i];
        nncf__onnx__tensor_shape_proto__dimension__init(&v->dims[i]);
        if (value->shape[i] > 0) {
            v->dims[i].value_case = NNCF__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            v->dims[i].dim_value = value->shape[i];
        } else if (i == 0) {
            v->dims[i].value_case = NNCF__ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            v->dims[i].dim_param = batch;
        }
    }
    return &v->info;
}

void nncf__onnx_metadata(
    nncf__onnx_builder *b, Nncf__Onnx__ModelProto *model, const char *key, const char *value)
{
    Nncf__Onnx__StringStringEntryProto *entry = nncf__onnx_alloc(b, sizeof *entry);
    if (!entry)
        return;
    nncf__onnx__string_string_entry_proto__init(entry);
    entry->key = nncf__onnx_printf(b, "%s", key);
    entry->value = nncf__onnx_printf(b, "%s", value);
    model->metadata_props[model->n_metadata_props++] = entry;
}
