/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a training that test_stages.c goes through: two layers under every controller. */
#ifndef STAGES_FIXTURE_H
#define STAGES_FIXTURE_H

#include "controller/ctrl.h"
#include "support/files.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <stdio.h>

/* ---- two layers under a controller ---- */

#define MAGNITUDE                                                                                  \
    "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\", "           \
    "\"multistep_steps\": [5], "                                                                   \
    "\"multistep_sparsity_levels\": [0.5, 0.6], \"weight_importance\": \"abs\"}}"
#define CONST "{\"algorithm\": \"const_sparsity\"}"
#define INT4                                                                                       \
    "{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 4, \"per_channel\": true}, "        \
    "\"initializer\": {\"range\": {\"num_init_steps\": 1}}}"
#define DIALECT(algorithms) "{\"nncf_dialect\": \"1.3\", \"compression\": [" algorithms "]}"

enum { N_A = 8 * 6, N_B = 4 * 8, N_ALL = N_A + N_B };
enum stage { FLOAT, MAG, RB, KEEP, MAG_INT8, RB_INT8, KEEP_INT8, INT8, N_STAGES };
static const char *const configs[N_STAGES] = {DIALECT(""), DIALECT(MAGNITUDE), DIALECT(FX_RB),
    DIALECT(CONST), DIALECT(MAGNITUDE ", " FX_INT8), DIALECT(FX_RB ", " FX_INT8),
    DIALECT(CONST ", " FX_INT8), DIALECT(FX_INT8)};
static const bool sparse[N_STAGES] = {false, true, true, true, true, true, true, false};
static const bool quantized[N_STAGES] = {false, false, false, false, true, true, true, true};

static bool keeps(enum stage s)
{
    return s == KEEP || s == KEEP_INT8;
}

static bool is_rb(enum stage s)
{
    return s == RB || s == RB_INT8;
}

typedef struct rig {
    fx_context host;
    /* that of host */
    nncf_context *context;
    nncf_model *model;
    fx_block k[2];
    nncf_compression_ctrl *ctrl;
    nncf_checkpoint_tensor tensors[2];
    int64_t shapes[2][2];
} rig;

/* Layers with no controller; the caller's names of the weights. */
static void make_rig(rig *r, const char *name_a, const char *name_b)
{
    uint64_t state = 1;
    *r = (rig){.k = {{.scope = "N/Linear[a]", .in_channels = 6, .out_channels = 8, .linear = true},
                   {.scope = "N/Linear[b]", .in_channels = 8, .out_channels = 4, .linear = true}}};
    fx_open(&r->host, 1, 42);
    r->context = r->host.context;
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    r->k[0].activation = NNCF_ACTIVATION_RELU;
    fx_register(r->model, &r->k[0], NULL, &state);
    fx_register(r->model, &r->k[1], r->k[0].layer, &state);
    for (int i = 0; i < 2; i++) {
        r->shapes[i][0] = r->k[i].out_channels;
        r->shapes[i][1] = r->k[i].in_channels;
        r->tensors[i] = (nncf_checkpoint_tensor){i ? name_b : name_a,
            {.data = r->k[i].w, .dtype = NNCF_F32, .ndim = 2, .shape = r->shapes[i]}};
    }
}

static void drop_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_close(&r->host);
    fx_release(&r->k[0]);
    fx_release(&r->k[1]);
}

/* Element i of both weights together. */
static float *element(const rig *r, size_t i)
{
    return i < N_A ? &r->k[0].w[i] : &r->k[1].w[i - N_A];
}

/* Distinct magnitudes: 0.01 .. 0.80 in a mixed order, signs mixed too. */
static float stored_weight(size_t i)
{
    return (float)(1 + i * 37 % N_ALL) / 100 * (i % 3 ? 1.0f : -1.0f);
}

static bool logit_keeps(size_t i)
{
    return i * 11 % 7 > 2;
}

static void fill_weights(rig *r)
{
    for (size_t i = 0; i < N_ALL; i++)
        *element(r, i) = stored_weight(i);
}

/* What the stage that made the snapshot keeps. */
static bool kept_by(enum stage s, size_t i)
{
    if (!sparse[s])
        return true;
    return is_rb(s) ? logit_keeps(i)
                    : i * 37 % N_ALL >= N_ALL / 2; /* the upper half of the magnitudes */
}

/* One forward of all layers. */
static void forward(rig *r)
{
    static float x[5 * 6], y[5 * 8], z[5 * 4];
    const int64_t in[] = {5, 6}, middle[] = {5, 8}, out[] = {5, 4};
    uint64_t state = 9;
    fx_fill(x, sizeof x / sizeof *x, 1, &state);
    const nncf_tensor tx = {.data = x, .dtype = NNCF_F32, .ndim = 2, .shape = in};
    nncf_tensor ty = {.data = y, .dtype = NNCF_F32, .ndim = 2, .shape = middle};
    nncf_tensor tz = {.data = z, .dtype = NNCF_F32, .ndim = 2, .shape = out};
    ck_assert_int_eq(nncf_layer_forward(r->k[0].layer, &tx, 1, &ty, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(r->k[1].layer, &ty, 1, &tz, NULL), NNCF_OK);
}

/* Batches that initialization wanted. */
static int initialize(rig *r)
{
    int32_t more = 0;
    int batches = 0;
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more) {
        forward(r);
        ck_assert_int_lt(++batches, 10);
    }
    ck_assert_int_eq(more, 0);
    return batches;
}

/* A stage that was trained a little: its masks are those of kept_by(), its ranges its own. */
static void make_stage(rig *r, enum stage s, const char *name_a, const char *name_b)
{
    make_rig(r, name_a, name_b);
    fill_weights(r);
    if (keeps(s))
        for (size_t i = 0; i < N_ALL; i++)
            if (!kept_by(s, i))
                *element(r, i) = 0;
    r->ctrl = fx_ctrl(r->model, configs[s]);
    if (is_rb(s)) {
        float *logits[] = {fx_parameter(r->ctrl, "N/Linear[a].pre_ops.mask").data,
            fx_parameter(r->ctrl, "N/Linear[b].pre_ops.mask").data};
        for (size_t i = 0; i < N_ALL; i++)
            logits[i >= N_A][i < N_A ? i : i - N_A] = logit_keeps(i) ? 0.7f : -0.3f;
    }
    if (keeps(s))
        fill_weights(r); /* under the mask they are free */
    initialize(r);
    ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r->ctrl, NULL), NNCF_OK);
}

static nncf_checkpoint *open_file(rig *r, const char *path)
{
    nncf_checkpoint *c = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(
        nncf_checkpoint_open(r->context, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    return c;
}

static void save_stage(enum stage s, const char *name_a, const char *name_b)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    make_stage(&r, s, name_a, name_b);
    ck_assert_msg(nncf_checkpoint_save(r.ctrl, fx_path("s"), r.tensors, 2, NULL, &err) == NNCF_OK,
        "%s", err.message);
    drop_rig(&r);
}

/* Zeros that forward uses, in the order of element(). */
static void used_weights(rig *r, float w[N_ALL])
{
    ck_assert_int_eq(nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r->k[0].layer, w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r->k[1].layer, w + N_A, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(r->model, NNCF_MODE_TRAIN, NULL), NNCF_OK);
}

/* Element 0.01 is a zero of an 8-bit quantizer with a range up to 0.80? Its step is 0.8 / 127 =
 * 0.0063: no. */
static void check_zeros(rig *r, enum stage from, enum stage to, bool held)
{
    float w[N_ALL];
    used_weights(r, w);
    for (size_t i = 0; i < N_ALL; i++)
        ck_assert_msg((w[i] == 0) == (held && !kept_by(from, i)), "%d -> %d: element %zu is %g",
            from, to, i, (double)w[i]);
}

#endif
