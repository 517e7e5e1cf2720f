/* SPDX-License-Identifier: Apache-2.0 */
/* Exports read back with protobuf-c. */
#ifndef ONNX_READ_BACK_H
#define ONNX_READ_BACK_H

#include "nncf_onnx.pb-c.h"

#include <nncf/nncf.h>

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/nncf-onnx-XXXXXX";
static char path[256];

static inline void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/model.onnx", folder);
}

static inline void remove_folder(void)
{
    unlink(path);
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left behind */
}

static inline Nncf__Onnx__ModelProto *read_back(void)
{
    FILE *file = fopen(path, "rb");
    struct stat info;
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fstat(fileno(file), &info), 0);
    uint8_t *data = malloc((size_t)info.st_size);
    ck_assert_uint_eq(fread(data, 1, (size_t)info.st_size, file), (size_t)info.st_size);
    fclose(file);
    Nncf__Onnx__ModelProto *model =
        nncf__onnx__model_proto__unpack(NULL, (size_t)info.st_size, data);
    free(data);
    ck_assert_ptr_nonnull(model);
    return model;
}

/* What a write callback took. */
typedef struct collected {
    uint8_t *data;
    size_t size, calls;
    size_t fail_at; /* this call fails, from 1; 0: none */
} collected;

static inline int32_t collect(void *user, const void *data, size_t size)
{
    collected *c = user;
    if (++c->calls == c->fail_at)
        return 1;
    c->data = realloc(c->data, c->size + size);
    memcpy(c->data + c->size, data, size);
    c->size += size;
    return 0;
}

/* An export that must succeed, without a file: no fsync to wait for. */
static inline Nncf__Onnx__ModelProto *export_to_memory(
    const nncf_compression_ctrl *ctrl, const nncf_onnx_params *params)
{
    collected c = {0};
    nncf_onnx_params p = *params;
    nncf_error err = NNCF_ERROR_INIT;
    p.write = collect;
    p.user = &c;
    ck_assert_msg(nncf_export_onnx(ctrl, NULL, &p, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *model = nncf__onnx__model_proto__unpack(NULL, c.size, c.data);
    free(c.data);
    ck_assert_ptr_nonnull(model);
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
            bool found = false;
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
