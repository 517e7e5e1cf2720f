/* SPDX-License-Identifier: Apache-2.0 */
/* Exports read back with protobuf-c. */
#ifndef ONNX_READ_BACK_H
#define ONNX_READ_BACK_H

#include "nncf_onnx.pb-c.h"
#include "support/files.h"

#include <nncf/nncf.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[256];

static inline void make_folder(void)
{
    fx_folder_make();
    snprintf(path, sizeof path, "%s", fx_path("model.onnx"));
}

static inline void remove_folder(void)
{
    unlink(path);
    ck_assert_int_eq(fx_entries(), 0); /* nothing else was left behind */
    fx_folder_remove();
}

static inline Nncf__Onnx__ModelProto *unpack(const char *data, size_t size)
{
    Nncf__Onnx__ModelProto *model =
        nncf__onnx__model_proto__unpack(NULL, size, (const uint8_t *)data);
    ck_assert_ptr_nonnull(model);
    return model;
}

static inline Nncf__Onnx__ModelProto *read_back(void)
{
    size_t size;
    char *data = fx_read_file(path, &size);
    Nncf__Onnx__ModelProto *model = unpack(data, size);
    free(data);
    return model;
}

/* An export that must succeed, without a file: no fsync to wait for. */
static inline Nncf__Onnx__ModelProto *export_to_memory(
    const nncf_compression_ctrl *ctrl, const nncf_onnx_params *params)
{
    fx_stream s = {0};
    nncf_onnx_params p = *params;
    nncf_error err = NNCF_ERROR_INIT;
    p.write = fx_stream_write;
    p.user = &s;
    ck_assert_msg(nncf_onnx_export(ctrl, NULL, &p, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *model = unpack(s.data, s.size);
    fx_stream_free(&s);
    return model;
}

static inline size_t count_op(const Nncf__Onnx__GraphProto *g, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_node; i++)
        n += strcmp(g->node[i]->op_type, op) == 0;
    return n;
}

static inline const Nncf__Onnx__TensorProto *tensor(
    const Nncf__Onnx__GraphProto *g, const char *name)
{
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(g->initializer[i]->name, name) == 0)
            return g->initializer[i];
    return NULL;
}

static inline const char *metadata(const Nncf__Onnx__ModelProto *m, const char *key)
{
    for (size_t i = 0; i < m->n_metadata_props; i++)
        if (strcmp(m->metadata_props[i]->key, key) == 0)
            return m->metadata_props[i]->value;
    return NULL;
}

/* Every input of a node was made before it, every output of the graph too; every value has a name
 * of its own, and every node. */
static inline void check_graph(const Nncf__Onnx__GraphProto *g)
{
    const char *known[512];
    size_t n = 0;
    known[n++] = g->input[0]->name;
    for (size_t i = 0; i < g->n_initializer; i++)
        known[n++] = g->initializer[i]->name;
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t j = 0; j < g->node[i]->n_input; j++) {
            bool found = !*g->node[i]->input[j]; /* an optional one that is left out */
            for (size_t k = 0; k < n && !found; k++)
                found = strcmp(known[k], g->node[i]->input[j]) == 0;
            ck_assert_msg(
                found, "%s reads %s, which nobody made", g->node[i]->name, g->node[i]->input[j]);
        }
        ck_assert_uint_lt(n, 512);
        known[n++] = g->node[i]->output[0];
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(g->node[i]->name, g->node[j]->name);
    }
    for (size_t i = 0; i < g->n_output; i++) {
        bool found = false;
        for (size_t k = 0; k < n && !found; k++)
            found = strcmp(known[k], g->output[i]->name) == 0;
        ck_assert_msg(found, "nobody made the output %s", g->output[i]->name);
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(known[i], known[j]);
}

#endif
