/* SPDX-License-Identifier: Apache-2.0 */
/* Running statistics of batch norm that are adapted while ranges are initialized. */
#include "controller/ctrl.h"
#include "controller/init.h"
#include "support/fixture.h"

/* A convolution with batch norm, in train mode or not. */
typedef struct normed {
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float weight, mean, var;
} normed;

static const int64_t normed_shape[4] = {4, 1, 2, 1};

static void normed_open(normed *n, int32_t mode, const char *config)
{
    *n = (normed){.weight = 2, .mean = 7, .var = 70};
    fx_open(&n->c, 1, 0);
    ck_assert_int_eq(nncf_model_create(n->c.context, &n->model, NULL), NNCF_OK);
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .running_mean = &n->mean,
        .running_var = &n->var, .momentum = 0.25f};
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[c]",
        .weight = &n->weight, .in_channels = 1, .out_channels = 1, .kernel = {1, 1},
        .batch_norm = &bn};
    ck_assert_int_eq(nncf_model_add_conv2d(n->model, &p, &n->layer, NULL), NNCF_OK);
    nncf_model_set_mode(n->model, mode, NULL);
    n->ctrl = fx_ctrl(n->model, config);
}

static void normed_close(normed *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    fx_close(&n->c);
}

static nncf_tensor normed_view(float *data)
{
    return (nncf_tensor){.data = data, .ndim = 4, .shape = normed_shape};
}

/* Two batches for ranges, two to forget, three that count; quantizers at work. */
START_TEST(batch_norm_adaptation_follows_its_batches)
{
    for (int mode = NNCF_MODE_TRAIN; mode <= NNCF_MODE_EVAL; mode++) {
        normed n;
        int32_t more;
        float x[8], y[8];
        double want_mean = 7, want_var = 70;
        int at = 0;
        normed_open(&n, mode,
            "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
            "{\"num_init_steps\": 2, \"type\": \"min_max\"}, \"batchnorm_adaptation\": "
            "{\"num_bn_forget_steps\": 2, \"num_bn_adaptation_steps\": 3}}}}");
        while (nncf_compression_ctrl_init_step(n.ctrl, &more, NULL) == NNCF_OK && more) {
            nncf_tensor tx = normed_view(x), ty = normed_view(y);
            fx_fill_from(x, 8, (uint64_t)(at + 5));
            x[3] = 1.5f; /* a range that all share */
            ck_assert_int_eq(nncf_layer_forward(n.layer, &tx, 1, &ty, NULL), NNCF_OK);
            ck_assert_int_eq(nncf_layer_backward(n.layer, &tx, 1, &ty, NULL, NULL), NNCF_E_STATE);
            if (at >= 2) {
                const double step = 1.5 / 127, m = at < 4 ? 0.9 : 0.25;
                double sum = 0, squares = 0, z;
                for (int i = 0; i < 8; i++) {
                    z = 2 * rint((double)x[i] / step) * step;
                    sum += z;
                    squares += z * z;
                }
                want_mean = (1 - m) * want_mean + m * sum / 8;
                want_var = (1 - m) * want_var + m * (squares / 8 - sum / 8 * sum / 8) * 8 / 7;
            }
            ck_assert_double_eq_tol((double)n.mean, want_mean, 1e-5);
            ck_assert_double_eq_tol((double)n.var, want_var, 1e-4);
            at++;
        }
        ck_assert_int_eq(at, 2 + 2 + 3);
        ck_assert(n.ctrl->init_phase == NNCF__PHASE_DONE);
        normed_close(&n);
    }
}
END_TEST

START_TEST(batch_norm_adaptation_wants_the_batch_that_it_asked_for)
{
    for (int mode = NNCF_MODE_TRAIN; mode <= NNCF_MODE_EVAL; mode++) {
        normed n;
        int32_t more;
        normed_open(&n, mode, "{\"compression\": {\"algorithm\": \"rb_sparsity\"}}");
        n.ctrl->adaptation.adapt.steps = 2;
        ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_OK);
        ck_assert_int_eq(more, 1);
        ck_assert_int_eq(nncf_compression_ctrl_init_step(n.ctrl, &more, NULL), NNCF_E_STATE);
        ck_assert_ptr_nonnull(strstr(n.c.log, "adaptation of batch norm"));
        normed_close(&n);
    }
}
END_TEST

/* Batches of 4, 5 images to forget and 9 that count. */
START_TEST(batch_norm_adaptation_counts_images)
{
    for (int mode = NNCF_MODE_TRAIN; mode <= NNCF_MODE_EVAL; mode++) {
        normed n;
        int32_t more;
        int at = 0;
        float x[8], y[8];
        normed_open(&n, mode,
            "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"initializer\": "
            "{\"batchnorm_adaptation\": {\"num_bn_forget_samples\": 5, "
            "\"num_bn_adaptation_samples\": 9}}}}");
        for (; nncf_compression_ctrl_init_step(n.ctrl, &more, NULL) == NNCF_OK && more; at++) {
            nncf_tensor tx = normed_view(x), ty = normed_view(y);
            fx_fill_from(x, 8, (uint64_t)(at + 5));
            ck_assert_int_eq(
                n.ctrl->init_phase, at < 2 ? NNCF__PHASE_FORGETTING : NNCF__PHASE_ADAPTING);
            ck_assert_int_eq(nncf_layer_forward(n.layer, &tx, 1, &ty, NULL), NNCF_OK);
        }
        ck_assert_int_eq(at, 2 + 3);
        normed_close(&n);
    }
}
END_TEST

FX_MAIN("batch_norm_adaptation", batch_norm_adaptation_follows_its_batches,
    batch_norm_adaptation_wants_the_batch_that_it_asked_for, batch_norm_adaptation_counts_images)
