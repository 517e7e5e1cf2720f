/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots of numbered generations: a generation's number is in every tensor, so a mixture of two
 * is noticed. */
#ifndef GENERATIONS_H
#define GENERATIONS_H

#include "support/fixture.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { GEN_FLOATS = 20000, GEN_BYTES = 30001 };

typedef struct generations {
    nncf_context *context;
    nncf_model *model;
    fx_block block;
    nncf_compression_ctrl *ctrl;
    float *logits; /* the controller's */
    size_t n_logits;
    float *floats;
    uint8_t *bytes;
    char folder[64], path[96], previous[112];
} generations;

static inline void gen_begin(generations *g, const char *parent)
{
    uint64_t state = 1;
    *g = (generations){
        .block = {.scope = "net/conv", .in_channels = 16, .out_channels = 32, .kernel = {3, 3}}};
    g->context = fx_new_context(NULL, 1, 0, 7);
    ck_assert_int_eq(nncf_model_create(g->context, &g->model, NULL), NNCF_OK);
    fx_register(g->model, &g->block, NULL, &state);
    g->ctrl = fx_ctrl(g->model, FX_CONFIG(FX_RB ", " FX_INT8));
    nncf_parameter logits = fx_parameter(g->ctrl, "net/conv.pre_ops.mask");
    g->logits = logits.data;
    g->n_logits = logits.count;
    g->floats = fx_alloc(GEN_FLOATS, sizeof *g->floats);
    g->bytes = fx_alloc(GEN_BYTES, 1);
    snprintf(g->folder, sizeof g->folder, "%s/nncf-fault-XXXXXX", parent);
    ck_assert_ptr_nonnull(mkdtemp(g->folder));
    snprintf(g->path, sizeof g->path, "%s/s.safetensors", g->folder);
    snprintf(g->previous, sizeof g->previous, "%s.previous", g->path);
}

/* Where syncing is quick, because thousands of saves are made: in memory. */
static inline const char *gen_parent(void)
{
    return access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp";
}

/* Files in the folder. */
static inline int gen_files(const generations *g)
{
    int count = 0;
    DIR *dir = opendir(g->folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));)
        count += e->d_name[0] != '.';
    closedir(dir);
    return count;
}

static inline void gen_clear(const generations *g)
{
    DIR *dir = opendir(g->folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(dir), e->d_name, 0);
    closedir(dir);
}

static inline void gen_end(generations *g)
{
    gen_clear(g);
    rmdir(g->folder);
    nncf_compression_ctrl_destroy(g->ctrl);
    nncf_model_destroy(g->model);
    nncf_context_destroy(g->context);
    fx_release(&g->block);
    free(g->floats);
    free(g->bytes);
}

static inline nncf_status gen_save(generations *g, int generation, bool keep, nncf_error *err)
{
    const int64_t n_floats[] = {GEN_FLOATS}, n_bytes[] = {GEN_BYTES};
    char text[16];
    for (size_t i = 0; i < g->n_logits; i++)
        g->logits[i] = (float)generation;
    for (int i = 0; i < GEN_FLOATS; i++)
        g->floats[i] = (float)generation;
    memset(g->bytes, generation & 255, GEN_BYTES);
    snprintf(text, sizeof text, "%d", generation);
    const nncf_checkpoint_tensor tensors[] = {
        {"floats", {.data = g->floats, .dtype = NNCF_F32, .ndim = 1, .shape = n_floats}},
        {"bytes", {.data = g->bytes, .dtype = NNCF_U8, .ndim = 1, .shape = n_bytes}}};
    const nncf_checkpoint_text texts[] = {{"generation", text}};
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts,
        .n_texts = 1, .keep_previous = keep};
    return nncf_checkpoint_save(g->ctrl, g->path, tensors, 2, &p, err);
}

/* The generation of a snapshot that is whole and restores into the controller; -1: there is no
 * file. All else fails. */
static inline int gen_load(generations *g, const char *path)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    nncf_tensor t;
    if (access(path, F_OK) != 0)
        return -1;
    ck_assert_msg(
        nncf_checkpoint_open(g->context, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    const char *text = nncf_checkpoint_get_text(c, "generation");
    ck_assert_ptr_nonnull(text);
    const int generation = atoi(text);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "floats", &t, NULL), NNCF_OK);
    bool same = true; /* an assertion an element is slow */
    for (int i = 0; i < GEN_FLOATS; i++)
        same = same && ((const float *)t.data)[i] == (float)generation;
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, "bytes", &t, NULL), NNCF_OK);
    for (int i = 0; i < GEN_BYTES; i++)
        same = same && ((const uint8_t *)t.data)[i] == (generation & 255);
    ck_assert_msg(
        nncf_checkpoint_restore(c, g->ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    for (size_t i = 0; i < g->n_logits; i++)
        same = same && g->logits[i] == (float)generation;
    ck_assert_msg(same, "%s: a mixture of generations", path);
    nncf_checkpoint_close(c);
    return generation;
}

#endif
