/* SPDX-License-Identifier: Apache-2.0 */
/* Masks: against NNCF's own, against plain loops, and that threads change nothing. */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "sparsity/rb.h"
#include "support/fixture.h"
#include "support/require.h"

#include <stdbool.h>

/* ---- magnitude ---- */

enum { N_LAYERS = 3, N_WEIGHTS = 122 };

typedef struct net {
    nncf_model *model;
    float *weight[N_LAYERS], *bias[N_LAYERS], *bn_weight, *bn_bias, stat[8];
    size_t count[N_LAYERS];
    nncf_layer *layer[N_LAYERS];
} net;

/* The model of magnitude.json. */
static net magnitude_net(json_object *root)
{
    net n = {0};
    json_object *p = fx_get(root, "parameters");
    n.weight[0] = fx_floats(fx_get(p, "conv1.weight"), &n.count[0]);
    n.weight[1] = fx_floats(fx_get(p, "conv2.weight"), &n.count[1]);
    n.weight[2] = fx_floats(fx_get(p, "fc.weight"), &n.count[2]);
    n.bias[0] = fx_floats(fx_get(p, "conv1.bias"), NULL);
    n.bias[2] = fx_floats(fx_get(p, "fc.bias"), NULL);
    n.bn_weight = fx_floats(fx_get(p, "bn.weight"), NULL);
    n.bn_bias = fx_floats(fx_get(p, "bn.bias"), NULL);
    ck_assert_uint_eq(n.count[0] + n.count[1] + n.count[2], N_WEIGHTS);
    ck_assert_int_eq(nncf_model_create(NULL, &n.model, NULL), NNCF_OK);
    return n;
}

static void magnitude_register(net *n)
{
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = n->bn_weight,
        .bias = n->bn_bias, .running_mean = n->stat, .running_var = n->stat};
    nncf_conv2d_params c = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[conv1]",
        .weight = n->weight[0], .bias = n->bias[0], .in_channels = 2, .out_channels = 4,
        .kernel = {3, 3}, .batch_norm = &bn};
    ck_assert_int_eq(nncf_model_add_conv2d(n->model, &c, &n->layer[0], NULL), NNCF_OK);
    c = (nncf_conv2d_params){NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[conv2]",
        .weight = n->weight[1], .in_channels = 4, .out_channels = 5, .kernel = {1, 1},
        .inputs = &n->layer[0], .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_conv2d(n->model, &c, &n->layer[1], NULL), NNCF_OK);
    nncf_linear_params l = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[fc]",
        .weight = n->weight[2], .bias = n->bias[2], .in_features = 5, .out_features = 6};
    ck_assert_int_eq(nncf_model_add_linear(n->model, &l, &n->layer[2], NULL), NNCF_OK);
}

static void net_free(net *n)
{
    nncf_model_destroy(n->model);
    for (int i = 0; i < N_LAYERS; i++) {
        free(n->weight[i]);
        free(n->bias[i]);
    }
    free(n->bn_weight);
    free(n->bn_bias);
}

static float importance(const net *n, int layer, size_t i, bool normed)
{
    double sum = 0;
    for (size_t j = 0; normed && j < n->count[layer]; j++)
        sum += (double)n->weight[layer][j] * (double)n->weight[layer][j];
    return fabsf(n->weight[layer][i]) / (normed ? (float)sqrt(sum) : 1);
}

/* D9: floor(level * n) go, and all of them are among those that NNCF drops; what it drops besides
 * is at least as important. */
static void check_masks(
    const net *n, const nncf_compression_ctrl *ctrl, json_object *c, bool normed, double level)
{
    json_object *layers = fx_get(c, "layers");
    float most_dropped = 0, least_extra = INFINITY;
    size_t dropped = 0, theirs = 0, zeros = 0;
    for (int i = 0; i < N_LAYERS; i++) {
        const char *mask = fx_string(json_object_array_get_idx(layers, (size_t)i), "mask");
        float *w = calloc(n->count[i], sizeof *w);
        ck_assert_uint_eq(strlen(mask), n->count[i]);
        ck_assert_int_eq(nncf_layer_compress_weight(n->layer[i], w, NULL), NNCF_OK);
        for (size_t j = 0; j < n->count[i]; j++) {
            bool keep = (ctrl->layers[i].bits[j / 8] >> (j % 8)) & 1;
            ck_assert(w[j] == (keep ? n->weight[i][j] : 0) && (keep || !signbit(w[j])));
            ck_assert_msg(keep || mask[j] == '0', "level %g: layer %d, weight %zu", level, i, j);
            zeros += w[j] == 0;
            theirs += mask[j] == '0';
            dropped += !keep;
            float v = importance(n, i, j, normed);
            if (!keep)
                most_dropped = fmaxf(most_dropped, v);
            else if (mask[j] == '0')
                least_extra = fminf(least_extra, v);
        }
        free(w);
    }
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_uint_eq(dropped, (size_t)floor(level * N_WEIGHTS));
    ck_assert_uint_gt(theirs, dropped);
    ck_assert(least_extra >= most_dropped);
    ck_assert_double_eq_tol(s.magnitude_threshold, (double)most_dropped, 1e-7);
    ck_assert(s.magnitude_threshold <= fx_number(c, "threshold") + 1e-7);
    ck_assert_double_eq_tol(s.sparsity, (double)dropped / N_WEIGHTS, 1e-15);
    ck_assert_int_eq(s.parameters, N_WEIGHTS + 4 + 6 + 8);
    size_t small = 0;
    for (int i = 0; i < 6; i++)
        small +=
            (size_t)((i < 4 ? (n->bias[0][i] == 0) + (n->bn_weight[i] == 0) + (n->bn_bias[i] == 0)
                            : 0) +
                (n->bias[2][i] == 0));
    ck_assert_double_eq_tol(s.sparsity_model, (double)(zeros + small) / 140, 1e-15);
    /* NNCF's figure by the same count, from its own mask */
    ck_assert_double_eq_tol(fx_number(c, "sparsity_rate_for_model") - s.sparsity_model,
        (double)(theirs - zeros) / 140, 1e-12);
}

START_TEST(magnitude_masks_are_those_of_nncf)
{
    json_object *root = fx_golden("magnitude.json"), *cases = fx_get(root, "cases");
    size_t ran = 0, refused = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        double level = fx_number(c, "level");
        net n = magnitude_net(root);
        char text[256];
        magnitude_register(&n);
        snprintf(text, sizeof text,
            "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": "
            "\"%s\", "
            "\"params\": {\"sparsity_init\": %g, \"sparsity_target\": %g}}}",
            fx_string(c, "importance"), level, fmax(level, 0.95));
        if (fx_get(c, "error")) {
            nncf_config *config = NULL;
            ck_assert_int_eq(
                nncf_config_parse(NULL, "test", text, strlen(text), NULL, &config, NULL),
                NNCF_E_CONFIG);
            refused++;
        } else {
            nncf_compression_ctrl *ctrl = fx_ctrl(n.model, text);
            check_masks(&n, ctrl, c, strcmp(fx_string(c, "importance"), "normed_abs") == 0, level);
            nncf_compression_ctrl_destroy(ctrl);
            ran++;
        }
        net_free(&n);
    }
    printf("magnitude.json: %zu cases (each with one weight or more less masked than NNCF: D9), "
           "%zu refused there and "
           "here\n",
        ran, refused);
    ck_assert_uint_eq(ran, 12);
    json_object_put(root);
}
END_TEST

START_TEST(magnitude_ties_go_in_order)
{
    const float weight[12] = {2, -1, 1, 0, -0.0f, 1, 3, -1, 1, 1, 5, -4};
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "a", 6, 1, 1, weight, NULL),
             b = fx_add_conv(model, "b", 6, 1, 1, weight + 6, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": \"abs\", "
        "\"params\": {\"schedule\": \"multistep\", \"steps\": [1, 2, 3], "
        "\"sparsity_levels\": [0, 0.5, 0.25, 0.99]}}}");
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_double_eq(s.sparsity, 0); /* level 0 masks nothing, zeros neither */
    ck_assert_int_eq(s.compression_level, NNCF_COMPRESSION_NONE);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    /* 6 of 12: the zeros, then ones in order: a[1], a[2], a[5], b[1] */
    ck_assert_uint_eq(ctrl->layers[0].bits[0] & 0x3f, 0x01);
    ck_assert_uint_eq(ctrl->layers[1].bits[0] & 0x3f, 0x3d);
    ck_assert_double_eq(fx_statistics(ctrl).magnitude_threshold, 1);
    a.weight[0] = 0.5f; /* the next epoch's masks follow the weights */
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_uint_eq(ctrl->layers[0].bits[0] & 0x3f, 0x26);
    ck_assert_uint_eq(ctrl->layers[1].bits[0] & 0x3f, 0x3f);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_uint_eq(ctrl->layers[0].bits[0] & 0x3f, 0); /* 11 of 12: what stays is 5 */
    ck_assert_uint_eq(ctrl->layers[1].bits[0] & 0x3f, 0x10);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
}
END_TEST

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Selection against a sort, on more weights than a chunk has, with every thread count. */
START_TEST(magnitude_selects_as_sorting_does)
{
    for (int32_t threads = 1; threads <= 3; threads++) {
        fx_context c;
        fx_open(&c, threads, 0);
        nncf_model *model;
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        fx_layer a = fx_add_conv(model, "a", 300, 300, 1, NULL, NULL),
                 b = fx_add_conv(model, "b", 101, 33, 3, NULL, NULL);
        nncf_compression_ctrl *ctrl = fx_ctrl(model,
            "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": "
            "\"abs\", "
            "\"params\": {\"sparsity_init\": 0.37, \"sparsity_target\": 0.5}}}");
        size_t n = a.count + b.count, want = (size_t)floor(0.37 * (double)n);
        float *sorted = calloc(n, sizeof *sorted);
        for (size_t i = 0; i < n; i++)
            sorted[i] = fabsf(i < a.count ? a.weight[i] : b.weight[i - a.count]);
        qsort(sorted, n, sizeof *sorted, ascending);
        nncf_statistics s = fx_statistics(ctrl);
        ck_assert_double_eq(s.magnitude_threshold, (double)sorted[want - 1]);
        ck_assert_double_eq(s.sparsity, (double)want / (double)n);
        free(sorted);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_layer_free(&a);
        fx_layer_free(&b);
        fx_close(&c);
    }
}
END_TEST

/* One threshold a layer: each has its own floor(level * n) zeros, and ties are counted within it.
 */
START_TEST(each_layer_has_its_own_level)
{
    const float small[7] = {0.1f, 0.2f, -0.1f, 0.1f, 0, 0.3f, 0.1f};
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "a", 40, 33, 1, NULL, NULL),
             b = fx_add_conv(model, "b", 7, 1, 1, small, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", "
        "\"params\": {\"schedule\": \"multistep\", \"steps\": [1, 2], "
        "\"sparsity_levels\": [0.3, 0.6, 0]}}}");
    ctrl->level_mode = NNCF__LEVEL_LOCAL;
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(ctrl, 0, &s, NULL), NNCF_OK);
    ck_assert_double_eq(s.sparsity, 792.0 / 1320);
    float sorted[1320];
    double norm = 0;
    for (size_t i = 0; i < a.count; i++) {
        sorted[i] = fabsf(a.weight[i]);
        norm += (double)a.weight[i] * (double)a.weight[i];
    }
    qsort(sorted, a.count, sizeof *sorted, ascending);
    for (size_t i = 0; i < a.count; i++)
        ck_assert_int_eq(
            ctrl->layers[0].bits[i / 8] >> (i % 8) & 1, fabsf(a.weight[i]) > sorted[791]);
    /* 4 of 7: the zero, then three of the four ties in order */
    ck_assert_uint_eq(ctrl->layers[1].bits[0] & 0x7f, 0x62);
    /* the largest of the thresholds; importances are normed */
    double of_a = (double)sorted[791] / sqrt(norm), of_b = 0.1 / sqrt(0.04 + 0.09 + 0.04);
    ck_assert_double_eq_tol(fx_statistics(ctrl).magnitude_threshold, fmax(of_a, of_b), 1e-6);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_double_eq(fx_statistics(ctrl).sparsity, 0);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
}
END_TEST

/* A level by optimizer steps, for each layer, as a config says it: exact zeros after every step. */
START_TEST(masks_follow_the_steps)
{
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "Net/Conv2d[a]", 40, 33, 1, NULL, NULL),
             b = fx_add_conv(model, "Net/Conv2d[b]", 7, 3, 1, NULL, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"polynomial\", \"sparsity_init\": 0.1, \"sparsity_target\": 0.5, "
        "\"sparsity_target_epoch\": 2, "
        "\"sparsity_freeze_epoch\": 3, \"power\": 2, \"update_per_optimizer_step\": true, "
        "\"steps_per_epoch\": 3, \"sparsity_level_setting_mode\": \"local\"}}}");
    for (int step = 0; step < 9; step++) {
        const double level = 0.5 - 0.4 * pow(1 - fmin((double)step / 6, 1), 2);
        ck_assert_double_eq_tol(fx_statistics(ctrl).sparsity_target, level, 1e-12);
        for (size_t i = 0; i < 2; i++) {
            nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
            const double n = i == 0 ? 1320 : 21;
            ck_assert_int_eq(
                nncf_compression_ctrl_get_layer_statistics(ctrl, i, &s, NULL), NNCF_OK);
            ck_assert_double_eq_tol(
                s.sparsity * n, floor(fx_statistics(ctrl).sparsity_target * n), 1e-9);
        }
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        if (step % 3 == 2)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
    fx_layer_free(&b);
}
END_TEST

START_TEST(const_sparsity_keeps_the_zeros)
{
    const float weight[10] = {1, 0, 2, -0.0f, 3, 4, 0, 5, 6, 0};
    float out[10], grad[10] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "a", 10, 1, 1, weight, NULL);
    nncf_compression_ctrl *ctrl =
        fx_ctrl(model, "{\"compression\": {\"algorithm\": \"const_sparsity\"}}");
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_double_eq(s.sparsity, 0.4);
    ck_assert_double_eq(s.sparsity_target, 0.4);
    ck_assert_int_eq(s.compression_level, NNCF_COMPRESSION_FULL);
    ck_assert_int_eq(s.frozen, 1);
    for (size_t i = 0; i < 10; i++)
        a.weight[i] = 9;
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(a.layer, out, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(a.layer, grad, NULL), NNCF_OK);
    for (size_t i = 0; i < 10; i++) {
        ck_assert_float_eq(out[i], weight[i] == 0 ? 0 : 9);
        ck_assert_float_eq(a.weight_grad[i], weight[i] == 0 ? 0 : 1);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
}
END_TEST

/* ---- regularization-based ---- */

/* `open` (nullable): elements whose mask float arithmetic does not decide. */
static void compare(const char *kind, const char *what, const float *got, json_object *want,
    size_t n, double tolerance, const bool *open)
{
    float *w = fx_floats(want, NULL);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg((open && open[i]) ||
                fabs((double)got[i] - (double)w[i]) <= tolerance * fmax(1, fabs((double)w[i])),
            "%s: %s[%zu] is %.9g, want %.9g", kind, what, i, (double)got[i], (double)w[i]);
    free(w);
}

static size_t n_open;

/* A case with its random numbers goes to the kernels' rows; without them, through a layer: eval
 * mode, or frozen. */
static void forward_case(json_object *c, const char *kind)
{
    size_t n;
    float *w = fx_floats(fx_get(c, "weight"), &n), *s = fx_floats(fx_get(c, "mask_logit"), NULL);
    float *y = calloc(n, sizeof *y), *dw = calloc(n, sizeof *dw), *ds = calloc(n, sizeof *ds),
          *g = calloc(n, sizeof *g);
    bool *open = calloc(n, sizeof *open);
    for (size_t i = 0; i < n; i++)
        g[i] = 1;
    if (fx_get(c, "grad_out")) {
        free(g);
        g = fx_floats(fx_get(c, "grad_out"), NULL);
    }
    bool frozen = strstr(kind, "frozen") != NULL;
    if (fx_get(c, "uniform")) {
        const nncf__kernels *k = nncf__kernels_get(NNCF_ISA_REFERENCE);
        float *u = fx_floats(fx_get(c, "uniform"), NULL);
        k->rb_forward(n, w, s, u, y);
        k->rb_backward(n, g, w, s, u, dw, ds);
        for (size_t i = 0; i < n; i++) {
            double v = fmin(fmax((double)u[i], 1e-6), 1 - 1e-6);
            open[i] = fabs((double)s[i] + log(v / (1 - v))) < 1.2e-7; /* a float's precision of z */
            n_open += open[i];
        }
        free(u);
    } else {
        nncf_model *model;
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        fx_layer l = fx_add_conv(model, "a", (int64_t)n, 1, 1, w, NULL);
        nncf_compression_ctrl *ctrl = fx_ctrl(model,
            frozen ? "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": "
                     "{\"sparsity_training_steps\": 0}}}"
                   : "{\"compression\": {\"algorithm\": \"rb_sparsity\"}}");
        nncf_model_set_mode(model, frozen ? NNCF_MODE_TRAIN : NNCF_MODE_EVAL, NULL);
        memcpy(fx_parameter_at(ctrl, 0).data, s, n * sizeof *s);
        ck_assert_int_eq(nncf_layer_compress_weight(l.layer, y, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_compress_weight_backward(l.layer, g, NULL), NNCF_OK);
        memcpy(dw, l.weight_grad, n * sizeof *dw);
        memcpy(ds, fx_parameter_at(ctrl, 0).grad, n * sizeof *ds);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_layer_free(&l);
    }
    compare(kind, "y", y, fx_get(c, "y"), n, 0, open);
    if (fx_get(c, "grad_out") || frozen) {
        compare(kind, "grad_weight", dw, fx_get(c, "grad_weight"), n, 1e-7, open);
        if (frozen) { /* D7: NNCF's logits keep moving, ours stop */
            for (size_t i = 0; i < n; i++)
                ck_assert_float_eq(ds[i], 0);
        } else {
            compare(kind, "grad_mask_logit", ds, fx_get(c, "grad_mask_logit"), n, 3e-6, NULL);
        }
    }
    const char *mask = fx_string(c, "binary_mask");
    for (size_t i = 0; mask && i < n; i++)
        ck_assert(open[i] || (mask[i] == '1') == (y[i] != 0 || w[i] == 0));
    void *all[] = {w, s, y, dw, ds, g, open};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* Loss, its gradients and the statistics over layers of the case's sizes; NULL logits: those that
 * creation set. */
static void loss_case(json_object *c, json_object *logits)
{
    nncf_model *model;
    fx_layer layers[8];
    const size_t one[1] = {(size_t)fx_number(c, "n_params")};
    size_t count = logits ? json_object_array_length(logits) : 1;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    for (size_t i = 0; i < count; i++) {
        char scope[32];
        size_t n = logits
            ? json_object_array_length(fx_get(json_object_array_get_idx(logits, i), "data"))
            : one[0];
        snprintf(scope, sizeof scope, "l%zu", i);
        layers[i] = fx_add_conv(model, scope, (int64_t)n, 1, 1, NULL, NULL);
    }
    nncf_compression_ctrl *ctrl =
        fx_ctrl(model, "{\"compression\": {\"algorithm\": \"rb_sparsity\"}}");
    ctrl->schedule.level =
        fx_number(c, "sparsity_level"); /* one of the cases has level 1, which no config allows */
    for (size_t i = 0; logits && i < count; i++) {
        float *s = fx_floats(json_object_array_get_idx(logits, i), NULL);
        memcpy(fx_parameter_at(ctrl, i).data, s, layers[i].count * sizeof *s);
        free(s);
    }
    double loss = fx_loss(ctrl);
    ck_assert_msg(fabs(loss / fx_number(c, "loss") - 1) < 1e-5, "loss %.9g, want %.9g", loss,
        fx_number(c, "loss"));
    nncf_statistics s = fx_statistics(ctrl); /* D8: of the logits as they are now */
    ck_assert_double_eq_tol(s.sparsity, fx_number(c, "current_sparsity"), 1e-7);
    ck_assert_double_eq_tol(s.mean_mask_probability, fx_number(c, "mean_sparse_prob"), 2e-7);
    for (size_t i = 0; i < count; i++) {
        const float *grad = fx_parameter_at(ctrl, i).grad;
        if (logits)
            compare("loss", "gradient", grad, json_object_array_get_idx(fx_get(c, "grads"), i),
                layers[i].count, 2e-6, NULL);
        for (size_t j = 0; !logits && j < layers[i].count; j++) {
            ck_assert_float_eq_tol(fx_parameter_at(ctrl, i).data[j], 4.59512091f, 1e-6f);
            ck_assert_float_eq_tol(grad[j] / (float)fx_number(c, "grad_each"), 1, 1e-5f);
        }
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    for (size_t i = 0; i < count; i++)
        fx_layer_free(&layers[i]);
}

START_TEST(rb_masks_are_those_of_nncf)
{
    json_object *root = fx_golden("rb.json"), *cases = fx_get(root, "cases");
    size_t forward = 0, loss = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        const char *kind = fx_string(c, "kind");
        if (strncmp(kind, "forward", 7) == 0) {
            forward_case(c, kind);
            forward++;
        } else {
            loss_case(c, fx_get(c, "mask_logits"));
            loss++;
        }
    }
    printf("rb.json: %zu forward and backward cases (%zu elements on the edge), %zu cases of loss "
           "and statistics\n",
        forward, n_open, loss);
    ck_assert_uint_le(n_open, 8);
    ck_assert_uint_eq(forward + loss, 12);
    json_object_put(root);
}
END_TEST

START_TEST(noise_is_of_seed_layer_and_step)
{
    enum { N = 4096 };
    static float first[N], second[N], next[N], other[N];
    for (int round = 0; round < 2; round++) {
        fx_context c;
        nncf_model *model;
        fx_open(&c, 1, (uint64_t)round);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        float ones[N];
        for (int i = 0; i < N; i++)
            ones[i] = 1;
        fx_layer a = fx_add_conv(model, "a", N, 1, 1, ones, NULL),
                 b = fx_add_conv(model, "b", N, 1, 1, ones, NULL);
        nncf_compression_ctrl *ctrl =
            fx_ctrl(model, "{\"compression\": {\"algorithm\": \"rb_sparsity\"}}");
        memset(fx_parameter(ctrl, "a.pre_ops.mask").data, 0,
            N * sizeof(float)); /* probability one half */
        memset(fx_parameter(ctrl, "b.pre_ops.mask").data, 0, N * sizeof(float));
        nncf_layer_compress_weight(a.layer, round ? other : first, NULL);
        nncf_layer_compress_weight(b.layer, second, NULL);
        if (round) {
            ck_assert_int_ne(memcmp(first, other, sizeof first), 0);
        } else {
            double kept = 0;
            for (int i = 0; i < N; i++)
                kept += (double)first[i];
            ck_assert_double_eq_tol(kept / N, 0.5, 0.04); /* five standard deviations */
            ck_assert_int_ne(memcmp(first, second, sizeof first), 0);
            ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
            nncf_layer_compress_weight(a.layer, next, NULL);
            ck_assert_int_ne(memcmp(first, next, sizeof first), 0);
        }
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_layer_free(&a);
        fx_layer_free(&b);
        fx_close(&c);
    }
}
END_TEST

/* D7 and D8: the freeze stops loss, noise and logits; statistics are of the present logits at once.
 */
START_TEST(a_freeze_stops_loss_noise_and_logits)
{
    enum { N = 100 };
    float grad[N], w[N];
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_layer a = fx_add_conv(model, "a", N, 1, 1, NULL, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, "
        "\"sparsity_target\": 0.5, \"sparsity_steps\": 1, \"sparsity_training_steps\": 2}}}");
    nncf_parameter p = fx_parameter_at(ctrl, 0);
    ck_assert_int_eq(p.frozen, 0);
    for (int i = 0; i < N; i++) {
        grad[i] = 1;
        p.data[i] = i % 4 ? 0.2f : -0.2f;
    }
    ck_assert_double_eq(fx_statistics(ctrl).sparsity, 0.25);
    p.data[1] = -1;
    ck_assert_double_eq(fx_statistics(ctrl).sparsity, 0.26);
    p.data[1] = 0; /* sigmoid = 1/2 is not above 1/2 */
    ck_assert_double_eq(fx_statistics(ctrl).sparsity, 0.26);
    p.data[1] = 0.2f;

    double loss = fx_loss(ctrl);
    ck_assert_double_eq_tol(loss, ((0.75 - 0.9) / 0.05) * ((0.75 - 0.9) / 0.05), 1e-9);
    ck_assert(p.grad[0] < 0); /* too sparse: the logits are to grow, against the gradient */
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(ctrl, NULL), NNCF_OK);
    ck_assert_float_eq(p.grad[0], 0);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(a.layer, w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(a.layer, grad, NULL), NNCF_OK);
    ck_assert(p.grad[5] != 0);
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);

    p = fx_parameter_at(ctrl, 0);
    ck_assert_int_eq(p.frozen, 1);
    ck_assert_int_eq(fx_statistics(ctrl).frozen, 1);
    ck_assert_double_eq(fx_loss(ctrl), 0);
    ck_assert_int_eq(nncf_model_get_mode(model), NNCF_MODE_TRAIN);
    ck_assert_int_eq(nncf_layer_compress_weight(a.layer, w, NULL), NNCF_OK);
    memset(a.weight_grad, 0, sizeof w);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(a.layer, grad, NULL), NNCF_OK);
    for (int i = 0; i < N; i++) {
        ck_assert_float_eq(w[i], i % 4 ? a.weight[i] : 0);
        ck_assert_float_eq(a.weight_grad[i], i % 4 ? 1 : 0);
        ck_assert_float_eq(p.grad[i], 0);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&a);
}
END_TEST

FX_MAIN("sparsity", magnitude_masks_are_those_of_nncf, magnitude_ties_go_in_order,
    magnitude_selects_as_sorting_does, each_layer_has_its_own_level, masks_follow_the_steps,
    const_sparsity_keeps_the_zeros, rb_masks_are_those_of_nncf, noise_is_of_seed_layer_and_step,
    a_freeze_stops_loss_noise_and_logits)
