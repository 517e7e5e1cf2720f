/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in a training loop are told once, in words; and the two orders of calls come to the
 * same. */
#include "support/files.h"
#include "support/fixture.h"

#include <unistd.h>

#define RB                                                                                         \
    "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, "     \
    "\"sparsity_target\": "                                                                        \
    "0.5, \"sparsity_steps\": 4, \"sparsity_training_steps\": 6}}}"

typedef struct loop {
    fx_context c;
    nncf_model *model;
    fx_layer a;
    nncf_compression_ctrl *ctrl;
} loop;

static void loop_open(loop *l, const char *config)
{
    fx_open(&l->c, 1, 7);
    ck_assert_int_eq(nncf_model_create(l->c.context, &l->model, NULL), NNCF_OK);
    l->a = fx_add_conv(l->model, "Net/Conv2d[a]", 4, 4, 1, NULL, NULL);
    l->ctrl = fx_ctrl(l->model, config);
}

static void loop_close(loop *l)
{
    nncf_compression_ctrl_destroy(l->ctrl);
    nncf_model_destroy(l->model);
    fx_layer_free(&l->a);
    fx_close(&l->c);
}

/* What one batch does with the layer. */
static void batch(loop *l, bool with_loss, bool update)
{
    float w[16], g[16];
    ck_assert_int_eq(nncf_layer_compress_weight(l->a.layer, w, NULL), NNCF_OK);
    for (int i = 0; i < 16; i++)
        g[i] = 0.1f * (float)(i + 1);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(l->a.layer, g, NULL), NNCF_OK);
    if (with_loss)
        fx_loss(l->ctrl);
    for (size_t i = 0; update && i < nncf_compression_ctrl_get_parameter_count(l->ctrl); i++) {
        nncf_parameter p = fx_parameter_at(l->ctrl, i);
        for (size_t j = 0; j < p.count && !p.frozen; j++)
            p.data[j] -= 0.01f * p.grad[j];
    }
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(l->ctrl, NULL), NNCF_OK);
}

/* What a good optimizer comes to in the end: half of the weights are masked. */
static void settle(loop *l)
{
    nncf_parameter p = fx_parameter_at(l->ctrl, 0);
    for (size_t j = 0; j < p.count; j++)
        p.data[j] = j % 2 ? 3 : -3;
}

static void step(loop *l)
{
    ck_assert_int_eq(nncf_compression_ctrl_step(l->ctrl, NULL), NNCF_OK);
}

static void epoch_step(loop *l)
{
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(l->ctrl, NULL), NNCF_OK);
}

START_TEST(a_loop_without_mistakes_is_left_alone)
{
    loop l;
    loop_open(&l, RB);
    for (int epoch = 0; epoch < 8; epoch++) {
        for (int i = 0; i < 12; i++) {
            batch(&l, true, true);
            for (int k = 0; k < 16; k++)
                l.a.weight[k] -= 0.01f * l.a.weight_grad[k];
            step(&l);
        }
        nncf_model_set_mode(l.model, NNCF_MODE_EVAL, NULL);
        batch(&l, false, false);
        nncf_model_set_mode(l.model, NNCF_MODE_TRAIN, NULL);
        if (epoch == 3)
            settle(&l);
        epoch_step(&l);
    }
    loop_close(&l);
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
}
END_TEST

START_TEST(a_loop_without_the_loss_is_told)
{
    loop l;
    loop_open(&l, RB);
    for (int i = 0; i < 30; i++) {
        batch(&l, i == 3, true);
        step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(
        l.c.log, "nncf_compression_ctrl_loss_backward() was not called in the last 8 steps"));
    epoch_step(&l);
    loop_close(&l);
    /* short epochs say it at their end */
    loop_open(&l, RB);
    batch(&l, false, true);
    step(&l);
    epoch_step(&l);
    epoch_step(&l);
    ck_assert_int_eq(l.c.warnings, 1);
    loop_close(&l);
    /* nobody needs it without rb_sparsity */
    loop_open(&l, "{\"compression\": {\"algorithm\": \"quantization\"}}");
    for (int i = 0; i < 30; i++) {
        batch(&l, false, true);
        step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 0);
    loop_close(&l);
}
END_TEST

START_TEST(a_loop_without_epoch_steps_is_told)
{
    loop l;
    loop_open(&l, RB);
    for (int epoch = 0; epoch < 5; epoch++) {
        batch(&l, true, true);
        step(&l);
        nncf_model_set_mode(l.model, NNCF_MODE_EVAL, NULL);
        batch(&l, false, false);
        nncf_model_set_mode(l.model, NNCF_MODE_TRAIN, NULL);
    }
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log, "evaluated 3 times"));
    loop_close(&l);
    /* without validation only the end tells */
    loop_open(&l, RB);
    for (int i = 0; i < 20; i++) {
        batch(&l, true, true);
        step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 0);
    loop_close(&l);
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(
        strstr(l.c.log, "destroyed after 20 steps without nncf_compression_ctrl_epoch_step()"));
    /* one epoch and its test: nothing is missing, the next epoch would begin with the step */
    loop_open(&l, RB);
    for (int i = 0; i < 20; i++) {
        batch(&l, true, true);
        step(&l);
    }
    nncf_model_set_mode(l.model, NNCF_MODE_EVAL, NULL);
    batch(&l, false, false);
    loop_close(&l);
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
}
END_TEST

START_TEST(parameters_that_never_move_are_told)
{
    static const char *const configs[] = {
        RB, "{\"compression\": {\"algorithm\": \"quantization\"}}"};
    static const char *const words[] = {"the mask logits have gradients but did not change",
        "the ranges of the quantizers have gradients but did not change"};
    for (int i = 0; i < 2; i++) {
        loop l;
        loop_open(&l, configs[i]);
        for (int j = 0; j < 30; j++) {
            batch(&l, true, false);
            step(&l);
        }
        ck_assert_int_eq(l.c.warnings, 1);
        ck_assert_ptr_nonnull(strstr(l.c.log, words[i]));
        epoch_step(&l);
        loop_close(&l);
    }
}
END_TEST

/* A host whose gradients are those of minus the loss: the masks would never come. */
START_TEST(logits_that_move_far_are_told)
{
    for (int sign = -1; sign <= 1;
         sign++) { /* 0: no optimizer, but the gradients are cleared before anyone looks */
        loop l;
        loop_open(&l, RB);
        epoch_step(&l);
        ck_assert_int_eq(
            nncf_compression_ctrl_set_order(l.ctrl, NNCF_ORDER_BEFORE, NULL), NNCF_E_STATE);
        l.c.log[0] = 0;
        for (int i = 0; i < 100; i++) {
            fx_loss(l.ctrl);
            fx_loss(l.ctrl); /* to print it: not a step */
            nncf_parameter p = fx_parameter_at(l.ctrl, 0);
            for (size_t j = 0; j < p.count; j++)
                p.data[j] -= (float)sign * 0.01f * p.grad[j];
            ck_assert_int_eq(nncf_compression_ctrl_zero_grad(l.ctrl, NULL), NNCF_OK);
            step(&l);
        }
        ck_assert_msg(l.c.warnings == (sign != 1), "%s", l.c.log);
        if (sign != 1)
            ck_assert_ptr_nonnull(strstr(l.c.log,
                "rb_sparsity did not move towards the level in 64 steps (sparsity 0.000, level "
                "0.22"));
        loop_close(&l);
    }
}
END_TEST

START_TEST(masks_that_freeze_far_from_the_level_are_told)
{
    loop l;
    loop_open(&l, RB);
    for (int epoch = 0; epoch < 8; epoch++) {
        batch(&l, true, true);
        step(&l);
        epoch_step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log,
        "the masks of rb_sparsity are frozen from epoch 6 on, at a sparsity of 0.000; the level is "
        "0.500"));
    loop_close(&l);
}
END_TEST

/* The advice fits the side of the level on which the masks stopped. */
START_TEST(masks_that_freeze_beyond_the_level_are_told)
{
    loop l;
    loop_open(&l, RB);
    for (int epoch = 0; epoch < 8; epoch++) {
        batch(&l, true, true);
        nncf_parameter p = fx_parameter_at(l.ctrl, 0);
        for (size_t j = 0; j < p.count; j++)
            p.data[j] = -3;
        step(&l);
        epoch_step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(
        l.c.log, "at a sparsity of 1.000; the level is 0.500: give the mask logits a lower"));
    loop_close(&l);
}
END_TEST

START_TEST(a_loop_without_steps_is_told)
{
    static const char *const configs[] = {RB,
        "{\"compression\": {\"algorithm\": \"quantization\"}}",
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\"}}"};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        loop l;
        loop_open(&l, configs[i]);
        for (int j = 0; j < 20; j++) {
            batch(&l, i == 0, true);
            for (int k = 0; k < 16; k++) /* the optimizer of the weights */
                l.a.weight[k] += 0.01f;
            ck_assert_int_eq(l.c.warnings, j >= 8);
        }
        ck_assert_ptr_nonnull(strstr(l.c.log,
            "the optimizer made 8 steps, and nncf_compression_ctrl_step() was not called"));
        ck_assert((strstr(l.c.log, "the noise of rb_sparsity's masks stays the same") != NULL) ==
            (i == 0));
        epoch_step(&l);
        loop_close(&l);
    }
}
END_TEST

/* Gradients of many batches summed up for one step of the optimizer. */
START_TEST(accumulated_gradients_are_no_missing_steps)
{
    loop l;
    loop_open(&l, "{\"compression\": {\"algorithm\": \"quantization\"}}");
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 20; j++)
            batch(&l, false, j == 19);
        step(&l);
    }
    loop_close(&l);
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
}
END_TEST

/* The length of an epoch is known once one has ended, or if the config states it. */
START_TEST(an_epoch_step_that_is_forgotten_later_is_told)
{
    loop l;
    loop_open(&l, RB);
    for (int i = 0; i < 10 + 28; i++) {
        batch(&l, true, true);
        step(&l);
        if (i == 9)
            epoch_step(&l);
    }
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log); /* 28 steps: 2 * 10 and some patience */
    batch(&l, true, true);
    step(&l);
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log,
        "29 steps without nncf_compression_ctrl_epoch_step(), and the longest epoch so far has "
        "10"));
    loop_close(&l);
    loop_open(&l,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"polynomial\", \"update_per_optimizer_step\": true, \"steps_per_epoch\": 5}}}");
    for (int i = 0; i < 14; i++) {
        ck_assert_msg(l.c.warnings == 0, "step %d: %s", i, l.c.log);
        batch(&l, false, true);
        step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log,
        "14 steps without nncf_compression_ctrl_epoch_step(), and an epoch (steps_per_epoch) has "
        "5"));
    loop_close(&l);
}
END_TEST

/* A layer that was registered without a gradient is compressed all the same; that is said when
 * training begins. */
START_TEST(weights_without_gradients_are_told)
{
    for (int way = 0; way < 3;
         way++) { /* told by the parts, by a step alone; not told where nothing is compressed */
        fx_context c;
        nncf_model *model;
        nncf_layer *layers[3];
        float w[3][4] = {{1, 2, 3, 4}, {1, 2, 3, 4}, {1, 2, 3, 4}}, dw[4], g[4] = {1, 1, 1, 1};
        fx_open(&c, 1, 0);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        for (int i = 0; i < 3; i++) {
            static const char *const scopes[] = {"Net/Linear[a]", "Net/Linear[b]", "Net/Linear[c]"};
            const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scopes[i],
                .weight = w[i], .weight_grad = i == 0 ? dw : NULL, .in_features = 2,
                .out_features = 2};
            ck_assert_int_eq(nncf_model_add_linear(model, &p, &layers[i], NULL), NNCF_OK);
        }
        nncf_compression_ctrl *ctrl = fx_ctrl(model,
            way == 2 ? "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", "
                       "\"ignored_scopes\": [\"Net/Linear[b]\", \"Net/Linear[c]\"]}}"
                     : "{\"compression\": {\"algorithm\": \"quantization\"}}");
        ck_assert_int_eq(c.warnings, 0);
        if (way == 0)
            ck_assert_int_eq(nncf_layer_compress_weight_backward(layers[0], g, NULL), NNCF_OK);
        else
            ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(c.warnings, way != 2);
        if (way != 2)
            ck_assert_ptr_nonnull(strstr(c.log,
                "Net/Linear[b]: its weight is compressed, but it was registered without "
                "weight_grad, so it cannot be trained (and other layers with it)"));
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(c.warnings, way != 2);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_close(&c);
    }
}
END_TEST

/* Batch norm that was never trained has a running_var of 0 in some frameworks: dividing by its root
 * makes values huge.
 */
START_TEST(ranges_of_an_untrained_network_are_told)
{
    static const struct {
        int32_t mode;
        float var, input;
        const char *text;
    } cases[] = {{NNCF_MODE_TRAIN, 0, 1, NULL}, {NNCF_MODE_EVAL, 1, 1, NULL},
        {NNCF_MODE_EVAL, 0, 1, "Net/Conv2d[n]: initialization in eval mode, but the running_var"},
        {NNCF_MODE_EVAL, 1, 2e6f,
            "Net/Conv2d[n]: the range of an activation is 2e+06 after initialization"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fx_context c;
        nncf_model *model;
        nncf_layer *layer;
        int32_t more;
        float w = 1, dw, mean = 0, var = cases[i].var, x[2] = {cases[i].input, -cases[i].input},
              y[2];
        const int64_t shape[4] = {2, 1, 1, 1};
        nncf_tensor tx = {.data = x, .ndim = 4, .shape = shape},
                    ty = {.data = y, .ndim = 4, .shape = shape};
        const nncf_batch_norm_params bn = {
            NNCF_PARAMS(nncf_batch_norm_params), .running_mean = &mean, .running_var = &var};
        const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[n]",
            .weight = &w, .weight_grad = &dw, .in_channels = 1, .out_channels = 1, .kernel = {1, 1},
            .batch_norm = &bn};
        fx_open(&c, 1, 0);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_conv2d(model, &p, &layer, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_set_mode(model, cases[i].mode, NULL), NNCF_OK);
        nncf_compression_ctrl *ctrl = fx_ctrl(model,
            "{\"compression\": {\"algorithm\": \"quantization\", "
            "\"initializer\": {\"num_init_steps\": 2}}}");
        while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
            ck_assert_int_eq(nncf_layer_forward(layer, &tx, 1, &ty, NULL), NNCF_OK);
        ck_assert_msg(c.warnings == (cases[i].text != NULL), "case %zu: %s", i, c.log);
        ck_assert(!cases[i].text || strstr(c.log, cases[i].text));
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_close(&c);
    }
}
END_TEST

START_TEST(steps_during_initialization_are_told)
{
    loop l;
    int32_t more;
    loop_open(&l,
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": "
        "1}}}");
    ck_assert_int_eq(nncf_compression_ctrl_init_step(l.ctrl, &more, NULL), NNCF_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_step(l.ctrl, NULL), NNCF_E_STATE);
    ck_assert_int_eq(l.c.errors, 3);
    ck_assert_ptr_nonnull(strstr(l.c.log,
        "nncf_compression_ctrl_step: initialization is under way: call "
        "nncf_compression_ctrl_init_step() until it sets more to 0"));
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(l.ctrl, NULL), NNCF_E_STATE);
    ck_assert_int_eq(l.c.errors, 4);
    ck_assert_int_eq(l.c.warnings, 0);
    loop_close(&l);
}
END_TEST

START_TEST(the_other_order_is_noticed)
{
    loop l;
    loop_open(&l, RB);
    epoch_step(&l);
    step(&l);
    ck_assert_int_eq(l.c.warnings, 0); /* not yet: nothing was trained */
    batch(&l, true, true);
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log, "epoch_step() was called before the first batch"));
    ck_assert_ptr_nonnull(strstr(l.c.log, "NNCF_ORDER_BEFORE"));
    ck_assert_int_eq(
        nncf_compression_ctrl_set_order(l.ctrl, NNCF_ORDER_BEFORE, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, 2, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(NULL, 0, NULL), NNCF_E_ARG);
    loop_close(&l);
    loop_open(&l, RB);
    step(&l);
    batch(&l, true, true);
    ck_assert_ptr_nonnull(
        strstr(l.c.log, "nncf_compression_ctrl_step() was called before the first batch"));
    loop_close(&l);
    loop_open(&l, RB);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, NNCF_ORDER_BEFORE, NULL), NNCF_OK);
    batch(&l, true, true);
    epoch_step(&l);
    ck_assert_ptr_nonnull(
        strstr(l.c.log, "training began before the first nncf_compression_ctrl_epoch_step()"));
    loop_close(&l);
}
END_TEST

/* Go on in another model and controller, from a snapshot. */
static void resume(loop *l, const char *config, int32_t order)
{
    char path[FX_TEMPORARY];
    nncf_checkpoint *checkpoint = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    fx_temporary(path);
    ck_assert_msg(
        nncf_checkpoint_save(l->ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    loop_close(l);
    loop_open(l, config);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l->ctrl, order, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_open(NULL, path, NULL, &checkpoint, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(nncf_checkpoint_restore(checkpoint, l->ctrl, NULL, NULL, &err) == NNCF_OK, "%s",
        err.message);
    nncf_checkpoint_close(checkpoint);
    unlink(path);
}

/* Level, masked weights and statistics of each batch, in a loop of either order; interrupted after
 * batch `resume_at`.
 */
static void record(const char *config, int32_t order, int per_epoch, int resume_at, double levels[],
    float weights[][16])
{
    loop l;
    int at = 0;
    loop_open(&l, config);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, order, NULL), NNCF_OK);
    for (int epoch = 0; epoch < 7; epoch++) {
        if (order == NNCF_ORDER_BEFORE)
            epoch_step(&l);
        for (int i = 0; i < per_epoch; i++, at++) {
            if (order == NNCF_ORDER_BEFORE)
                step(&l);
            ck_assert_int_eq(nncf_layer_compress_weight(l.a.layer, weights[at], NULL), NNCF_OK);
            levels[at] = fx_statistics(l.ctrl).sparsity_target;
            batch(&l, true, true);
            if (order == NNCF_ORDER_AFTER)
                step(&l);
            if (at == resume_at)
                resume(&l, config, order);
        }
        ck_assert_int_eq(fx_statistics(l.ctrl).epoch, epoch);
        if (epoch == 3 && strcmp(config, RB) == 0)
            settle(&l);
        const int32_t arrived = epoch >= 4 ? NNCF_COMPRESSION_FULL : NNCF_COMPRESSION_PARTIAL;
        if (strcmp(config, RB) == 0)
            ck_assert_int_eq(fx_statistics(l.ctrl).compression_level, arrived);
        if (order == NNCF_ORDER_AFTER)
            epoch_step(&l);
    }
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
    loop_close(&l);
}

#define BY_STEPS(given)                                                                            \
    "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "        \
    "\"polynomial\", "                                                                             \
    "\"sparsity_init\": 0.1, \"sparsity_target\": 0.8, \"sparsity_target_epoch\": 4, "             \
    "\"update_per_optimizer_step\": true" given "}}}"
#define ADAPTIVE                                                                                   \
    "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"schedule\": \"adaptive\", " \
    "\"sparsity_init\": "                                                                          \
    "0.01, \"sparsity_target\": 0.5, \"patience\": 2, \"eps\": 0.5}}}"

/* Either order, and with or without an interruption anywhere: the same levels, and the same masks
 * bit for bit. */
START_TEST(both_orders_come_to_the_same)
{
    enum { PER_EPOCH = 3, N = 7 * PER_EPOCH };
    static const char *const configs[] = {
        RB, BY_STEPS(", \"steps_per_epoch\": 3"), BY_STEPS(""), ADAPTIVE};
    static float masked[N][16], same[N][16];
    double after[N], before[N];
    const char *config = configs[_i];
    record(config, NNCF_ORDER_AFTER, PER_EPOCH, -1, after, masked);
    const int stride = getenv("NNCF_TEST_QUICK") ? 7 : 1;
    for (int resume_at = -1; resume_at < N - 1; resume_at += stride) {
        for (int32_t order = NNCF_ORDER_AFTER; order <= NNCF_ORDER_BEFORE; order++) {
            record(config, order, PER_EPOCH, resume_at, before, same);
            for (int i = 0; i < N; i++)
                ck_assert_msg(after[i] == before[i],
                    "order %d resumed at %d, batch %d: %.17g, %.17g", order, resume_at, i, after[i],
                    before[i]);
            ck_assert_int_eq(memcmp(masked, same, sizeof masked), 0);
        }
    }
    ck_assert(after[N - 1] > after[0]);
}
END_TEST

static void add_tests(TCase *tcase)
{
    const TTest *const tests[] = {a_loop_without_mistakes_is_left_alone,
        a_loop_without_the_loss_is_told, a_loop_without_epoch_steps_is_told,
        parameters_that_never_move_are_told, logits_that_move_far_are_told,
        masks_that_freeze_far_from_the_level_are_told, masks_that_freeze_beyond_the_level_are_told,
        a_loop_without_steps_is_told, accumulated_gradients_are_no_missing_steps,
        an_epoch_step_that_is_forgotten_later_is_told, weights_without_gradients_are_told,
        ranges_of_an_untrained_network_are_told, steps_during_initialization_are_told,
        the_other_order_is_noticed};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    tcase_add_loop_test(tcase, both_orders_come_to_the_same, 0, 4);
}

int main(void)
{
    Suite *suite = suite_create("protocol");
    TCase *tcase = fx_case(suite, "protocol", 120);
    add_tests(tcase);
    return fx_main(suite);
}
