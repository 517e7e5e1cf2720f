/* SPDX-License-Identifier: Apache-2.0 */
/* Mistakes in a training loop are told once, in words; and the two orders of calls come to the same. */
#include "comp_fixture.h"

#include <unistd.h>

#define RB                                                                                                             \
    "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, \"sparsity_target\": "    \
    "0.5, \"sparsity_steps\": 4, \"sparsity_training_steps\": 6}}}"

typedef struct loop {
    cf_context c;
    nncf_model *model;
    cf_layer a;
    nncf_compression_ctrl *ctrl;
} loop;

static void loop_open(loop *l, const char *config)
{
    cf_open(&l->c, 1, 7);
    ck_assert_int_eq(nncf_model_create(l->c.context, &l->model, NULL), NNCF_OK);
    l->a = cf_conv(l->model, "Net/Conv2d[a]", 4, 4, 1, NULL, NULL);
    l->ctrl = cf_ctrl(l->model, config);
}

static void loop_close(loop *l)
{
    nncf_compression_ctrl_destroy(l->ctrl);
    nncf_model_destroy(l->model);
    cf_layer_free(&l->a);
    cf_close(&l->c);
}

/* What one batch does with the layer. */
static void batch(loop *l, bool with_loss, bool update)
{
    float w[16], g[16];
    ck_assert_int_eq(nncf_layer_compress_weight(l->a.layer, w), NNCF_OK);
    for (int i = 0; i < 16; i++)
        g[i] = 0.1f * (float)(i + 1);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(l->a.layer, g), NNCF_OK);
    if (with_loss)
        nncf_compression_ctrl_loss(l->ctrl);
    for (size_t i = 0; update && i < nncf_compression_ctrl_parameter_count(l->ctrl); i++) {
        nncf_parameter p = cf_parameter(l->ctrl, i);
        for (size_t j = 0; j < p.count && !p.frozen; j++)
            p.data[j] -= 0.01f * p.grad[j];
    }
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(l->ctrl), NNCF_OK);
}

static void step(loop *l)
{
    ck_assert_int_eq(nncf_compression_ctrl_step(l->ctrl), NNCF_OK);
}

static void epoch_step(loop *l)
{
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(l->ctrl), NNCF_OK);
}

START_TEST(a_loop_without_mistakes_is_left_alone)
{
    loop l;
    loop_open(&l, RB);
    for (int epoch = 0; epoch < 8; epoch++) {
        for (int i = 0; i < 12; i++) {
            batch(&l, true, true);
            step(&l);
        }
        nncf_model_set_mode(l.model, NNCF_MODE_EVAL);
        batch(&l, false, false);
        nncf_model_set_mode(l.model, NNCF_MODE_TRAIN);
        epoch_step(&l);
    }
    loop_close(&l);
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
}
END_TEST

START_TEST(the_loss_is_missed)
{
    loop l;
    loop_open(&l, RB);
    for (int i = 0; i < 30; i++) {
        batch(&l, i == 3, true);
        step(&l);
    }
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log, "nncf_compression_ctrl_loss() was not called in the last 8 steps"));
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

START_TEST(epochs_are_missed)
{
    loop l;
    loop_open(&l, RB);
    for (int epoch = 0; epoch < 5; epoch++) {
        batch(&l, true, true);
        step(&l);
        nncf_model_set_mode(l.model, NNCF_MODE_EVAL);
        batch(&l, false, false);
        nncf_model_set_mode(l.model, NNCF_MODE_TRAIN);
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
    ck_assert_ptr_nonnull(strstr(l.c.log, "destroyed after 20 steps without nncf_compression_ctrl_epoch_step()"));
    /* one epoch and its test: nothing is missing, the next epoch would begin with the step */
    loop_open(&l, RB);
    for (int i = 0; i < 20; i++) {
        batch(&l, true, true);
        step(&l);
    }
    nncf_model_set_mode(l.model, NNCF_MODE_EVAL);
    batch(&l, false, false);
    loop_close(&l);
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
}
END_TEST

START_TEST(parameters_stand_still)
{
    static const char *const configs[] = {RB, "{\"compression\": {\"algorithm\": \"quantization\"}}"};
    static const char *const words[] = {"the mask logits have gradients but did not change",
                                        "the scales of the quantizers have gradients but did not change"};
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

START_TEST(steps_during_initialization)
{
    loop l;
    int32_t more;
    loop_open(&l, "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}}}");
    ck_assert_int_eq(nncf_compression_ctrl_init_step(l.ctrl, &more), NNCF_OK);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(nncf_compression_ctrl_step(l.ctrl), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(l.ctrl), NNCF_E_STATE);
    ck_assert_int_eq(l.c.warnings, 1);
    ck_assert_ptr_nonnull(strstr(l.c.log, "nncf_compression_ctrl_step() was called before initialization ended"));
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
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, NNCF_ORDER_BEFORE), NNCF_E_STATE);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, 2), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(NULL, 0), NNCF_E_ARG);
    loop_close(&l);
    loop_open(&l, RB);
    step(&l);
    batch(&l, true, true);
    ck_assert_ptr_nonnull(strstr(l.c.log, "nncf_compression_ctrl_step() was called before the first batch"));
    loop_close(&l);
    loop_open(&l, RB);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, NNCF_ORDER_BEFORE), NNCF_OK);
    batch(&l, true, true);
    epoch_step(&l);
    ck_assert_ptr_nonnull(strstr(l.c.log, "training began before the first nncf_compression_ctrl_epoch_step()"));
    loop_close(&l);
}
END_TEST

/* Go on in another model and controller, from a snapshot. */
static void resume(loop *l, const char *config, int32_t order)
{
    char path[] = "nncf-protocol-XXXXXX";
    nncf_checkpoint *checkpoint = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    int file = mkstemp(path);
    ck_assert_int_ge(file, 0);
    close(file);
    ck_assert_msg(nncf_checkpoint_save(l->ctrl, path, NULL, 0, NULL, 0, &err) == NNCF_OK, "%s", err.message);
    loop_close(l);
    loop_open(l, config);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l->ctrl, order), NNCF_OK);
    ck_assert_msg(nncf_checkpoint_open(NULL, path, &checkpoint, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(nncf_checkpoint_restore(checkpoint, l->ctrl, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(checkpoint);
    unlink(path);
}

/* Level, masked weights and statistics of each batch, in a loop of either order; interrupted after batch `resume_at`.
 */
static void record(const char *config, int32_t order, int per_epoch, int resume_at, double levels[],
                   float weights[][16])
{
    loop l;
    int at = 0;
    loop_open(&l, config);
    ck_assert_int_eq(nncf_compression_ctrl_set_order(l.ctrl, order), NNCF_OK);
    for (int epoch = 0; epoch < 7; epoch++) {
        if (order == NNCF_ORDER_BEFORE)
            epoch_step(&l);
        for (int i = 0; i < per_epoch; i++, at++) {
            if (order == NNCF_ORDER_BEFORE)
                step(&l);
            ck_assert_int_eq(nncf_layer_compress_weight(l.a.layer, weights[at]), NNCF_OK);
            levels[at] = cf_statistics(l.ctrl).sparsity_target;
            batch(&l, true, true);
            if (order == NNCF_ORDER_AFTER)
                step(&l);
            if (at == resume_at)
                resume(&l, config, order);
        }
        ck_assert_int_eq(cf_statistics(l.ctrl).epoch, epoch);
        const int32_t arrived = epoch >= 4 ? NNCF_COMPRESSION_FULL : NNCF_COMPRESSION_PARTIAL;
        if (strcmp(config, RB) == 0)
            ck_assert_int_eq(cf_statistics(l.ctrl).compression_level, arrived);
        if (order == NNCF_ORDER_AFTER)
            epoch_step(&l);
    }
    ck_assert_msg(l.c.warnings == 0, "%s", l.c.log);
    loop_close(&l);
}

#define BY_STEPS(given)                                                                                                \
    "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"polynomial\", "            \
    "\"sparsity_init\": 0.1, \"sparsity_target\": 0.8, \"sparsity_target_epoch\": 4, "                                 \
    "\"update_per_optimizer_step\": true" given "}}}"
#define ADAPTIVE                                                                                                       \
    "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": {\"schedule\": \"adaptive\", \"sparsity_init\": "  \
    "0.01, \"sparsity_target\": 0.5, \"patience\": 2, \"eps\": 0.5}}}"

/* Either order, and with or without an interruption anywhere: the same levels, and the same masks bit for bit. */
START_TEST(both_orders_come_to_the_same)
{
    enum { PER_EPOCH = 3, N = 7 * PER_EPOCH };
    static const char *const configs[] = {RB, BY_STEPS(", \"steps_per_epoch\": 3"), BY_STEPS(""), ADAPTIVE};
    static float masked[N][16], same[N][16];
    double after[N], before[N];
    const char *config = configs[_i];
    record(config, NNCF_ORDER_AFTER, PER_EPOCH, -1, after, masked);
    const int stride = getenv("NNCF_TEST_QUICK") ? 7 : 1;
    for (int resume_at = -1; resume_at < N - 1; resume_at += stride) {
        for (int32_t order = NNCF_ORDER_AFTER; order <= NNCF_ORDER_BEFORE; order++) {
            record(config, order, PER_EPOCH, resume_at, before, same);
            for (int i = 0; i < N; i++)
                ck_assert_msg(after[i] == before[i], "order %d resumed at %d, batch %d: %.17g, %.17g", order, resume_at,
                              i, after[i], before[i]);
            ck_assert_int_eq(memcmp(masked, same, sizeof masked), 0);
        }
    }
    ck_assert(after[N - 1] > after[0]);
}
END_TEST

static void add_tests(TCase *tcase)
{
    const TTest *const tests[] = {
        a_loop_without_mistakes_is_left_alone, the_loss_is_missed,        epochs_are_missed, parameters_stand_still,
        steps_during_initialization,           the_other_order_is_noticed};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(tcase, tests[i]);
    tcase_add_loop_test(tcase, both_orders_come_to_the_same, 0, 4);
}

int main(void)
{
    Suite *suite = suite_create("protocol");
    TCase *tcase = tcase_create("protocol");
    tcase_set_timeout(tcase, 120);
    add_tests(tcase);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
