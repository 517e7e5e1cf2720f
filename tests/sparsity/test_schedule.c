/* SPDX-License-Identifier: Apache-2.0 */
/* Schedules against what NNCF's own schedulers did, through a controller's epoch_step(). */
#include "config/config.h"
#include "sparsity/schedule.h"
#include "support/fixture.h"

#include <stdbool.h>

static nncf_compression_ctrl *ctrl_with(
    nncf_model *model, const char *scheduler, json_object *params, nncf_status *status)
{
    nncf_config *config = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    json_object *copy = NULL;
    ck_assert_int_eq(json_object_deep_copy(params, &copy, NULL), 0);
    json_object_object_add(copy, "schedule", json_object_new_string(scheduler));
    char text[1024];
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": %s}}",
        json_object_to_json_string(copy));
    *status = nncf_config_parse(NULL, "test", text, strlen(text), NULL, &config, NULL);
    if (*status == NNCF_OK)
        *status = nncf_compression_ctrl_create(model, config, &ctrl, NULL);
    nncf_config_destroy(config);
    json_object_put(copy);
    return ctrl;
}

/* All but adaptive: the sequence does not depend on the training. */
static void follow(json_object *c, nncf_compression_ctrl *ctrl)
{
    json_object *levels = fx_get(c, "level_after_epoch_step"),
                *freeze = fx_get(c, "first_epoch_step_at_which_freeze_called");
    ck_assert_double_eq_tol(
        fx_statistics(ctrl).sparsity_target, fx_number(c, "level_after_init"), 1e-12);
    ck_assert_int_eq(
        fx_statistics(ctrl).frozen, json_object_get_boolean(fx_get(c, "frozen_after_init")));
    for (size_t i = 0; i < json_object_array_length(levels); i++) {
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
        nncf_statistics s = fx_statistics(ctrl);
        ck_assert_int_eq(s.epoch, (int64_t)i + 1);
        ck_assert_double_eq_tol(
            s.sparsity_target, json_object_get_double(json_object_array_get_idx(levels, i)), 1e-12);
        ck_assert_int_eq(s.frozen, freeze && s.epoch >= json_object_get_int64(freeze));
    }
}

/* The vectors feed a sequence of sparsities (over and over), so this one goes to the schedule
 * itself. */
static void follow_adaptive(json_object *c)
{
    nncf_config *config;
    char text[1024];
    json_object *copy = NULL, *levels = fx_get(c, "level_after_epoch_step"),
                *fed = fx_get(c, "current_sparsity_fed");
    json_object *bad = fx_get(c, "num_bad_epochs_after_epoch_step");
    ck_assert_int_eq(json_object_deep_copy(fx_get(c, "params"), &copy, NULL), 0);
    json_object_object_add(copy, "schedule", json_object_new_string("adaptive"));
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"params\": %s}}",
        json_object_to_json_string(copy));
    config = fx_config(NULL, text);
    size_t n;
    nncf__schedule s;
    nncf__schedule_start(&s, &nncf__config_algorithms(config, &n)->schedule);
    ck_assert_double_eq_tol(s.level, fx_number(c, "level_after_init"), 1e-12);
    for (size_t i = 0; i < json_object_array_length(levels); i++) {
        size_t at = i % json_object_array_length(fed);
        nncf__schedule_epoch_step(&s, json_object_get_double(json_object_array_get_idx(fed, at)));
        ck_assert_double_eq_tol(
            s.level, json_object_get_double(json_object_array_get_idx(levels, i)), 1e-12);
        ck_assert_int_eq(s.bad_epochs, json_object_get_int(json_object_array_get_idx(bad, i)));
        /* D10: NNCF's counter stays at 0 and never freezes (last_epoch_after_epoch_step is all
         * zeros); ours goes on */
        ck_assert_int_eq(s.epoch, (int64_t)i + 1);
        ck_assert_int_eq(nncf__schedule_frozen(&s), (double)s.epoch >= s.params.training_steps);
    }
    nncf_config_destroy(config);
    json_object_put(copy);
}

START_TEST(levels_are_those_of_nncf)
{
    json_object *root = fx_golden("schedulers.json"), *cases = fx_get(root, "cases");
    size_t followed = 0, adaptive = 0, refused = 0, deviating = 0, others = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i), *params = fx_get(c, "params");
        const char *scheduler = fx_string(c, "scheduler"), *release = fx_string(c, "version");
        if (strcmp(fx_string(c, "kind"), "sparsity") != 0 ||
            (release && strncmp(release, "1.", 2) != 0)) {
            others++; /* pruning's schedules, and those of later releases, are not in this one */
            continue;
        }
        if (strcmp(scheduler, "adaptive") == 0 && !fx_get(c, "error")) {
            follow_adaptive(c);
            adaptive++;
            continue;
        }
        nncf_model *model;
        nncf_status status;
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        fx_layer l = fx_add_conv(model, "Net/Conv2d[c]", 2, 2, 1, NULL, NULL);
        nncf_compression_ctrl *ctrl = ctrl_with(model, scheduler, params, &status);
        json_object *init = fx_get(params, "sparsity_init"),
                    *target = fx_get(params, "sparsity_target");
        bool down = strcmp(scheduler, "multistep") != 0 && init && target &&
            json_object_get_double(init) > json_object_get_double(target);
        if (fx_get(c, "error")) {
            ck_assert_int_eq(status, NNCF_E_CONFIG);
            refused++;
        } else if (down) { /* sparsity_init above sparsity_target: an error here, nonsense levels
                              there */
            ck_assert_int_eq(status, NNCF_E_CONFIG);
            deviating++;
        } else {
            ck_assert_msg(status == NNCF_OK, "case %zu: %s", i, nncf_status_message(status));
            follow(c, ctrl);
            followed++;
        }
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        fx_layer_free(&l);
    }
    printf("schedulers.json: %zu followed to 1e-12, %zu adaptive, %zu refused there and here, %zu "
           "refused only here, "
           "%zu of other algorithms or releases not run\n",
        followed, adaptive, refused, deviating, others);
    ck_assert_uint_ge(followed + adaptive, 12);
    json_object_put(root);
}
END_TEST

START_TEST(exponential_levels_are_those_of_the_documentation)
{
    const double levels[] = {0.01, 0.143443, 0.258899, 0.358792, 0.445221, 0.52, 0.52};
    nncf__schedule_params p = {
        .kind = NNCF__EXPONENTIAL, .init = 0.01, .target = 0.52, .steps = 5, .training_steps = 10};
    nncf__schedule s;
    nncf__schedule_start(&s, &p);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        ck_assert_double_eq_tol(s.level, levels[i], 5e-7);
        ck_assert_int_eq(nncf__schedule_arrived(&s), i >= 5);
        nncf__schedule_epoch_step(&s, 0);
    }
    ck_assert(!nncf__schedule_frozen(&s));
    while (s.epoch < 10)
        nncf__schedule_epoch_step(&s, 0);
    ck_assert(nncf__schedule_frozen(&s));
    ck_assert_double_eq(s.level, 0.52);
}
END_TEST

/* The curve of NNCF 1.4 on, as its scheduler gave it; the two agree at both ends, and where the
 * power is 1. */
START_TEST(polynomial_levels_are_those_of_nncf)
{
    const double in[] = {0.01, 0.129811, 0.233575, 0.332037, 0.427207, 0.52, 0.52};
    const double out[] = {0.01, 0.102793, 0.197963, 0.296425, 0.400189, 0.52, 0.52};
    nncf__schedule_params p = {.kind = NNCF__POLYNOMIAL,
        .init = 0.01,
        .target = 0.52,
        .steps = 5,
        .power = 0.9,
        .training_steps = 10};
    for (int64_t e = 0; e < 7; e++) {
        p.curve = NNCF__CURVE_EASE_IN;
        ck_assert_double_eq_tol(nncf__schedule_level(&p, e), in[e], 5e-7);
        p.curve = NNCF__CURVE_EASE_OUT;
        ck_assert_double_eq_tol(nncf__schedule_level(&p, e), out[e], 5e-7);
        const double x = fmin((double)e / 5, 1);
        ck_assert_double_eq_tol(nncf__schedule_level(&p, e), 0.52 - 0.51 * pow(1 - x, 0.9), 1e-12);
        p.power = 1;
        double line = nncf__schedule_level(&p, e);
        p.curve = NNCF__CURVE_EASE_IN;
        ck_assert_double_eq_tol(nncf__schedule_level(&p, e), line, 1e-12);
        p.power = 0.9;
    }
}
END_TEST

START_TEST(levels_follow_optimizer_steps)
{
    nncf__schedule_params p = {.kind = NNCF__POLYNOMIAL,
        .init = 0.1,
        .target = 0.5,
        .steps = 2,
        .power = 3,
        .curve = NNCF__CURVE_EASE_OUT,
        .training_steps = 3,
        .update_per_optimizer_step = 1,
        .steps_per_epoch = 4};
    nncf__schedule s;
    nncf__schedule_start(&s, &p);
    for (int batch = 0; batch < 12; batch++) {
        const double x = fmin((double)batch / 8, 1);
        ck_assert_double_eq_tol(s.level, 0.5 - 0.4 * pow(1 - x, 3), 1e-12);
        ck_assert_int_eq(nncf__schedule_step(&s), batch < 8);
        if (batch % 4 == 3)
            nncf__schedule_epoch_step(&s, 0);
    }
    ck_assert(nncf__schedule_frozen(&s));
    /* more steps than there should be wait at the epoch's end, fewer are no matter */
    nncf__schedule_start(&s, &p);
    for (int i = 0; i < 6; i++)
        nncf__schedule_step(&s);
    ck_assert_double_eq(s.level, nncf__schedule_level(&p, 1));
    nncf__schedule_epoch_step(&s, 0);
    ck_assert_double_eq(s.level, nncf__schedule_level(&p, 1));
    /* not told: an epoch that only counts comes first */
    p.steps_per_epoch = 0;
    nncf__schedule_start(&s, &p);
    for (int i = 0; i < 3; i++) {
        ck_assert(!nncf__schedule_step(&s));
        ck_assert_double_eq_tol(s.level, 0.1, 1e-12);
    }
    nncf__schedule_epoch_step(&s, 0);
    ck_assert_int_eq(s.steps_per_epoch, 3);
    ck_assert_int_eq(s.epoch, 0);
    ck_assert_double_eq_tol(s.level, 0.1, 1e-12);
    ck_assert(nncf__schedule_step(&s));
    ck_assert_double_eq_tol(s.level, 0.5 - 0.4 * pow(1 - 1.0 / 6, 3), 1e-12);
}
END_TEST

START_TEST(multistep_counts_equal_steps_twice)
{
    const double steps[] = {3, 3}, levels[] = {0.6, 0.2, 0.3};
    nncf__schedule_params p = {.kind = NNCF__MULTISTEP,
        .training_steps = 100,
        .multistep_steps = steps,
        .multistep_levels = levels,
        .n_multistep = 2};
    ck_assert_double_eq(nncf__schedule_level(&p, 0), 0.6);
    ck_assert_double_eq(nncf__schedule_level(&p, 2), 0.6);
    ck_assert_double_eq(nncf__schedule_level(&p, 3), 0.3);
    nncf__schedule s;
    nncf__schedule_start(&s, &p);
    ck_assert(!nncf__schedule_arrived(&s)); /* 0.6 is above the last level, but not the last */
    for (int i = 0; i < 3; i++)
        nncf__schedule_epoch_step(&s, 0);
    ck_assert(nncf__schedule_arrived(&s));
}
END_TEST

/* Levels of the first epochs of a config's schedule; NNCF 1.3.1 begins with the first level
 * whatever the steps (schedulers.json: "at construction levels[0]"), later releases ask the steps
 * in epoch 0 too. */
START_TEST(a_schedule_may_arrive_in_epoch_0)
{
#define MULTISTEP(steps)                                                                           \
    "\"schedule\": \"multistep\", \"multistep_steps\": " steps ", \"multistep_sparsity_levels\": "
    static const struct {
        const char *dialect, *params;
        double levels[3];
    } cases[] = {
        {"1.3.1", MULTISTEP("[0, 2]") "[0.1, 0.2, 0.3]", {0.1, 0.2, 0.3}},
        {"1.3.1", MULTISTEP("[2, 0]") "[0.1, 0.2, 0.3]", {0.1, 0.2, 0.3}},
        {"1.6", MULTISTEP("[0, 2]") "[0.1, 0.2, 0.3]", {0.2, 0.2, 0.3}},
        {"2.17", MULTISTEP("[0]") "[0.1, 0.2]", {0.2, 0.2, 0.2}},
        {"2.17", MULTISTEP("[0, 0, 1]") "[0.1, 0.2, 0.3, 0.4]", {0.3, 0.4, 0.4}},
        {"1.5",
            "\"schedule\": \"polynomial\", \"sparsity_target_epoch\": 0, \"sparsity_target\": 0.6",
            {0.6, 0.6, 0.6}},
        {"2.4",
            "\"schedule\": \"exponential\", \"sparsity_target_epoch\": 0, \"sparsity_target\": 0.6",
            {0.6, 0.6, 0.6}},
    };
#undef MULTISTEP
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[400];
        size_t n;
        snprintf(text, sizeof text,
            "{\"nncf_dialect\": \"%s\", \"compression\": {\"algorithm\": \"rb_sparsity\", "
            "\"params\": {%s}}}",
            cases[i].dialect, cases[i].params);
        nncf_config *config = fx_config(NULL, text);
        nncf__schedule s;
        nncf__schedule_start(&s, &nncf__config_algorithms(config, &n)->schedule);
        for (int e = 0; e < 3; e++) {
            ck_assert_double_eq_tol(s.level, cases[i].levels[e], 1e-15);
            nncf__schedule_epoch_step(&s, 0);
        }
        nncf_config_destroy(config);
    }
}
END_TEST

START_TEST(adaptive_waits_and_stops)
{
    nncf__schedule_params p = {.kind = NNCF__ADAPTIVE,
        .init = 0.1,
        .target = 0.25,
        .training_steps = 4,
        .patience = 2,
        .step = 0.1,
        .eps = 0.03};
    nncf__schedule s;
    nncf__schedule_start(&s, &p);
    nncf__schedule_epoch_step(&s, 0.05); /* too far below */
    ck_assert_int_eq(s.bad_epochs, 0);
    nncf__schedule_epoch_step(&s, 0.08);
    ck_assert_double_eq(s.level, 0.1);
    nncf__schedule_epoch_step(&s, 0.08);
    ck_assert_double_eq_tol(s.level, 0.2, 1e-15);
    for (int i = 0; i < 4; i++)
        nncf__schedule_epoch_step(&s, 0.9);
    ck_assert_double_eq(s.level, 0.25);
    ck_assert(nncf__schedule_arrived(&s) && nncf__schedule_frozen(&s));
}
END_TEST

FX_MAIN("schedule", levels_are_those_of_nncf, exponential_levels_are_those_of_the_documentation,
    polynomial_levels_are_those_of_nncf, levels_follow_optimizer_steps,
    multistep_counts_equal_steps_twice, a_schedule_may_arrive_in_epoch_0, adaptive_waits_and_stops)
