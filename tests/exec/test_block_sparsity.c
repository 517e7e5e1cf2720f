/* SPDX-License-Identifier: Apache-2.0 */
/* A layer with magnitude sparsity in blocks, whose products skip, against the same layer with the
 * same mask of single weights, whose products do not: outputs and gradients. On the portable level
 * both use one microkernel, and so have the same bits. */
#include "controller/ctrl.h"
#include "support/fixture.h"

#include <nncf/nncf.h>

#include <stdio.h>
#include <string.h>

enum {
    N = 3,
    IN = 40,
    OUT = 36,
    SIDE = 10,
    WEIGHTS = OUT * IN * 9,
    X = N * IN * SIDE * SIDE,
    Y = N * OUT * SIDE * SIDE
};

typedef struct side {
    nncf_context *context;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float w[WEIGHTS], dw[WEIGHTS], bias[OUT], dbias[OUT], mean[OUT], var[OUT], x[X], y[Y], dy[Y],
        dx[X];
} side;

static const int64_t x_shape[] = {N, IN, SIDE, SIDE}, y_shape[] = {N, OUT, SIDE, SIDE};

/* Kinds of layers: plain, transposed, transposed in four groups, whose last blocks are smaller;
 * with batch norm, on the best level, whose products of codes are tiles that are not stored. */
enum kind { PLAIN, TRANSPOSED, IN_GROUPS, NORMED, KINDS };

static void add_layer(side *s, enum kind kind)
{
    const nncf_batch_norm_params norm = {
        NNCF_PARAMS(nncf_batch_norm_params), .running_mean = s->mean, .running_var = s->var};
    const nncf_conv2d_params plain = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[a]",
        .weight = s->w, .weight_grad = s->dw, .bias = s->bias, .bias_grad = s->dbias,
        .out_channels = OUT, .in_channels = IN, .kernel = {3, 3}, .padding = {1, 1},
        .batch_norm = kind == NORMED ? &norm : NULL};
    const nncf_conv_transpose2d_params transposed = {NNCF_PARAMS(nncf_conv_transpose2d_params),
        .scope = "Net/ConvTranspose2d[a]", .weight = s->w, .weight_grad = s->dw, .bias = s->bias,
        .bias_grad = s->dbias, .out_channels = OUT, .in_channels = IN, .kernel = {3, 3},
        .padding = {1, 1}, .groups = kind == IN_GROUPS ? 4 : 1};
    ck_assert_int_eq(kind == PLAIN || kind == NORMED
            ? nncf_model_add_conv2d(s->model, &plain, &s->layer, NULL)
            : nncf_model_add_conv_transpose2d(s->model, &transposed, &s->layer, NULL),
        NNCF_OK);
}

static void open_side(
    side *s, enum kind kind, const char *structure, bool quantized, int32_t threads)
{
    char text[512];
    uint64_t state = 3;
    nncf_error err = NNCF_ERROR_INIT;
    fx_fill(s->w, WEIGHTS, 0.5, &state);
    fx_fill(s->bias, OUT, 0.5, &state);
    fx_fill(s->x, X, 1, &state);
    fx_fill(s->dy, Y, 1, &state);
    s->context =
        fx_new_context(NULL, threads, kind == NORMED ? NNCF_ISA_BEST : NNCF_ISA_PORTABLE, 1);
    ck_assert_int_eq(nncf_model_create(s->context, &s->model, NULL), NNCF_OK);
    add_layer(s, kind);
    snprintf(text, sizeof text,
        "{\"compression\": [{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"multistep\", \"steps\": [], \"sparsity_levels\": [0.7], %s}}%s]}",
        structure,
        quantized ? ", {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
                    "{\"num_init_steps\": 1}}}"
                  : "");
    nncf_config *parsed = fx_config(s->context, text);
    ck_assert_msg(nncf_compression_ctrl_create(s->model, parsed, &s->ctrl, &err) == NNCF_OK, "%s",
        err.message);
    nncf_config_destroy(parsed);
}

static void close_side(side *s)
{
    nncf_compression_ctrl_destroy(s->ctrl);
    nncf_model_destroy(s->model);
    nncf_context_destroy(s->context);
    free(s);
}

static void step(side *s, bool quantized)
{
    const nncf_tensor x = {.data = s->x, .ndim = 4, .shape = x_shape};
    nncf_tensor y = {.data = s->y, .ndim = 4, .shape = y_shape},
                dy = {.data = s->dy, .ndim = 4, .shape = y_shape},
                dx = {.data = s->dx, .ndim = 4, .shape = x_shape};
    nncf_error err = NNCF_ERROR_INIT;
    for (int32_t more = quantized; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(s->ctrl, &more, NULL), NNCF_OK);
        if (more)
            ck_assert_int_eq(nncf_layer_forward(s->layer, &x, 1, &y, NULL), NNCF_OK);
    }
    ck_assert_msg(nncf_layer_forward(s->layer, &x, 1, &y, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_layer_backward(s->layer, &x, 1, &dy, &dx, &err) == NNCF_OK, "%s", err.message);
}

/* _i: quantized or not, one thread or two, kind of layer */
START_TEST(blocks_change_no_result)
{
    const bool quantized = _i % 2;
    const enum kind kind = (enum kind)(_i / 4);
    const size_t weights = kind == IN_GROUPS ? WEIGHTS / 4 : WEIGHTS;
    side *blocks = calloc(1, sizeof *blocks), *single = calloc(1, sizeof *single);
    open_side(
        blocks, kind, "\"structure\": \"block\", \"block_size\": 8", quantized, _i / 2 % 2 + 1);
    open_side(single, kind, "\"structure\": \"unstructured\"", quantized, 1);
    nncf__layer_compression *from = &blocks->ctrl->layers[0], *to = &single->ctrl->layers[0];
    ck_assert_ptr_nonnull(from->blocks);
    ck_assert_ptr_null(to->blocks);
    for (int round = 0; round < 2; round++) {
        /* the host's weights came since: the first call makes the masks again from them */
        step(single, quantized && round == 0);
        memset(single->dw, 0, sizeof single->dw);
        memset(single->dbias, 0, sizeof single->dbias);
        memcpy(single->dy, blocks->dy, sizeof single->dy);
        memcpy(to->bits, from->bits, (weights + 7) / 8);
        step(blocks, quantized && round == 0);
        for (size_t i = 0; i < blocks->ctrl->n_parameters; i++) /* ranges of the masked weight */
            memcpy(single->ctrl->parameters[i].data, blocks->ctrl->parameters[i].data,
                blocks->ctrl->parameters[i].count * sizeof(float));
        step(single, false);
        if (kind == NORMED && !quantized) /* products of floats: other microkernels */
            break;
        ck_assert_mem_eq(blocks->y, single->y, sizeof blocks->y);
        if (kind == NORMED)
            continue;
        ck_assert_mem_eq(blocks->dx, single->dx, sizeof blocks->dx);
        size_t kept = 0;
        for (size_t i = 0; i < weights; i++) {
            kept += from->bits[i / 8] >> i % 8 & 1;
            /* sums of blocks run in another order */
            ck_assert_float_eq_tol(blocks->dw[i], single->dw[i], 1e-4f);
        }
        ck_assert_uint_le(kept, weights * 33 / 100);
        memset(blocks->dw, 0, sizeof blocks->dw);
        memset(blocks->dbias, 0, sizeof blocks->dbias);
    }
    close_side(blocks);
    close_side(single);
}
END_TEST

/* A layer with groups reads the weight of one without: a block of that one's mask lies across four
 * groups. dw against its definition. */
START_TEST(tied_layers_have_groups_of_their_own)
{
    enum { TIED_OUT = 32, OF_GROUP = 4, GROUPS = 8, TIED_IN = OF_GROUP * GROUPS, IMAGES = 3 };
    float w[TIED_OUT * OF_GROUP], dw[TIED_OUT * OF_GROUP] = {0}, x[IMAGES * TIED_IN * 4],
                                                y[IMAGES * TIED_OUT * 4], dy[IMAGES * TIED_OUT * 4];
    const int64_t shape[] = {IMAGES, TIED_IN, 2, 2};
    const nncf_tensor in = {.data = x, .ndim = 4, .shape = shape};
    nncf_tensor out = {.data = y, .ndim = 4, .shape = shape},
                d_out = {.data = dy, .ndim = 4, .shape = shape};
    nncf_model *model;
    nncf_layer *owner, *tied;
    nncf_compression_ctrl *ctrl;
    uint64_t state = 5;
    fx_fill(w, TIED_OUT * OF_GROUP, 0.5, &state);
    for (int i = 0; i < 16 * OF_GROUP; i++)
        w[i] *= 0.01f; /* the first block is the one that is masked */
    fx_fill(x, sizeof x / sizeof *x, 1, &state);
    fx_fill(dy, sizeof dy / sizeof *dy, 1, &state);
    float kept_dy[sizeof dy / sizeof *dy];
    memcpy(kept_dy, dy, sizeof dy);
    nncf_context *context = fx_new_context(NULL, 1, _i ? NNCF_ISA_BEST : NNCF_ISA_PORTABLE, 1);
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[a]", .weight = w,
        .weight_grad = dw, .out_channels = TIED_OUT, .in_channels = OF_GROUP, .kernel = {1, 1}};
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &owner, NULL), NNCF_OK);
    p.scope = "Net/Conv2d[b]";
    p.in_channels = TIED_IN;
    p.groups = GROUPS;
    p.tied_to = owner;
    ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &tied, NULL), NNCF_OK);
    nncf_config *config = fx_config(context,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"multistep\", \"steps\": [], \"sparsity_levels\": [0.5], \"structure\": \"block\", "
        "\"block_size\": 16}}}");
    ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, NULL), NNCF_OK);
    nncf_config_destroy(config);
    ck_assert_int_eq(nncf_layer_forward(tied, &in, 1, &out, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(tied, &in, 1, &d_out, NULL, NULL), NNCF_OK);
    for (int o = 0; o < TIED_OUT; o++)
        for (int i = 0; i < OF_GROUP; i++) {
            double sum = 0;
            for (int n = 0; n < IMAGES; n++)
                for (int at = 0; at < 4; at++)
                    sum += (double)kept_dy[(n * TIED_OUT + o) * 4 + at] *
                        (double)x[(n * TIED_IN + o / (TIED_OUT / GROUPS) * OF_GROUP + i) * 4 + at];
            ck_assert_double_eq_tol(
                (double)dw[o * OF_GROUP + i], o < 16 ? 0.0 : sum, o < 16 ? 1e-30 : 1e-5);
        }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block_sparsity");
    TCase *tcase = fx_case(suite, "block_sparsity", 120);
    tcase_add_loop_test(tcase, blocks_change_no_result, 0, 4 * KINDS);
    tcase_add_loop_test(tcase, tied_layers_have_groups_of_their_own, 0, 2);
    return fx_main(suite);
}
