/* SPDX-License-Identifier: Apache-2.0 */
/* Learning-rate schedules, parameter groups. */
#include "fixture.h"

#include "models.h"
#include "optimizer.h"
#include "schedule.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

START_TEST(schedules_follow_their_tables)
{
    int64_t steps[] = {20, 30, 30, 40};
    const schedule_settings multistep = {.type = SCHEDULE_MULTISTEP,
                                .gamma = 0.1,
                                .steps = steps,
                                .n_steps = 4},
                            step = {.type = SCHEDULE_STEP, .gamma = 0.5, .step = 30},
                            poly = {.type = SCHEDULE_POLY, .power = 0.9},
                            exponential = {.type = SCHEDULE_EXP, .gamma = 0.9};
    const struct {
        const schedule_settings *settings;
        int64_t epoch;
        double factor;
    } table[] = {
        {&multistep, 0, 1.0},
        {&multistep, 19, 1.0},
        {&multistep, 20, 0.1},
        {&multistep, 29, 0.1},
        {&multistep, 30, 1e-3},
        {&multistep, 40, 1e-4},
        {&step, 0, 1.0},
        {&step, 29, 1.0},
        {&step, 30, 0.5},
        {&step, 89, 0.25},
        {&poly, 0, 1.0},
        {&poly, 50, 0.5358867312681466},
        {&poly, 99, 0.01584893192461114},
        {&poly, 100, 0.0},
        {&exponential, 0, 1.0},
        {&exponential, 3, 0.729},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        schedule s = schedule_make(table[i].settings, 100);
        ck_assert_double_eq_tol(schedule_factor(&s, table[i].epoch), table[i].factor, 1e-12);
    }
}
END_TEST

START_TEST(plateau_waits_for_its_patience)
{
    const schedule_settings settings = {
        .type = SCHEDULE_PLATEAU, .gamma = 0.1, .threshold = 0.1, .patience = 2};
    /* 70.05 is no better than 70 by the threshold; after the third epoch without progress the rate
     * drops. */
    static const double top1[] = {50, 70, 70.05, 70.09, 69, 80, 80, 80, 80};
    static const double after[] = {1, 1, 1, 1, 0.1, 0.1, 0.1, 0.1, 0.01};
    schedule s = schedule_make(&settings, 100);
    for (int i = 0; i < 9; i++) {
        schedule_observe(&s, top1[i]);
        ck_assert_double_eq_tol(schedule_factor(&s, i + 1), after[i], 1e-12);
    }
}
END_TEST

START_TEST(python_patterns_are_translated)
{
    static const struct {
        const char *python, *posix;
    } cases[] = {
        {".*\\._mask", ".*\\._mask"},
        {"", ""},
        {"conv\\d+\\.(?:weight|bias)", "conv[0-9]+\\.(weight|bias)"},
        {"[\\d(?]x", "[\\d(?]x"},
        {"features\\.1\\.", "features\\.1\\."},
    };
    nncf_error err = NNCF_ERROR_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *posix = optimizer_posix_regex(cases[i].python, &err);
        ck_assert_str_eq(posix, cases[i].posix);
        free(posix);
    }
    ck_assert_ptr_null(optimizer_posix_regex("^(?!x)", &err));
    ck_assert_int_eq(err.status, NNCF_E_UNSUPPORTED);
}
END_TEST

/* A config with a lenet, and an optimizer made from it. */
typedef struct made {
    nncf_config *config;
    train_settings set;
    net *network;
    nncf_compression_ctrl *ctrl;
    optimizer *opt;
} made;

static nncf_status make(const char *text, made *m, nncf_error *err)
{
    const options o = {.config = "test"};
    nncf_status status = nncf_config_parse(NULL, "test", text, strlen(text), NULL, &m->config, err);
    if (status == NNCF_OK)
        status = settings_read(m->config, &o, &m->set, err);
    if (status == NNCF_OK)
        status = models_build(m->config, NULL, &m->set, &m->network, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(net_model(m->network), m->config, &m->ctrl, err);
    if (status == NNCF_OK)
        status = optimizer_create(&m->set.optimizer, m->network, m->ctrl, NULL, &m->opt, err);
    return status;
}

static void unmake(made *m)
{
    optimizer_destroy(m->opt);
    nncf_compression_ctrl_destroy(m->ctrl);
    net_destroy(m->network);
    settings_clear(&m->set);
    nncf_config_destroy(m->config);
}

#define LENET "\"model\": \"lenet\", \"input_sample_size\": [1, 1, 28, 28], \"num_classes\": 10"
#define SPARSE                                                                                     \
    "\"compression\": [{\"algorithm\": \"rb_sparsity\"}, {\"algorithm\": \"quantization\", "       \
    "\"initializer\": {}}]"

static const optimizer_parameter *find(const made *m, const char *alias)
{
    for (size_t i = 0; i < m->opt->n_parameters; i++)
        if (strcmp(m->opt->parameters[i].alias, alias) == 0)
            return &m->opt->parameters[i];
    ck_abort_msg("no parameter %s", alias);
}

START_TEST(groups_choose_by_the_names_of_nncf)
{
    static const char text[] =
        "{" LENET ", \"optimizer\": {\"type\": \"Adam\", \"base_lr\": 7, \"parameter_groups\": ["
        "{\"re\": \".*\\\\._mask\", \"lr\": 0.5, \"weight_decay\": 0.25},"
        "{\"re\": \"op\\\\.scale$\", \"lr\": 0.125},"
        "{\"re\": \"^conv\\\\d\\\\.\", \"lr\": 2, \"weight_decay\": 3}]}, " SPARSE "}";
    nncf_error err = NNCF_ERROR_INIT;
    made m = {0};
    ck_ok(make(text, &m, &err), err);
    const optimizer_parameter *mask = find(&m, "conv1.pre_ops.0.op._mask"),
                              *weight = find(&m, "conv1.weight"),
                              *scale = find(&m, "fc2.pre_ops.1.op.scale"),
                              *other = find(&m, "fc1.weight");
    ck_assert_str_eq(mask->name, "LeNet/Conv2d[conv1].pre_ops.mask");
    ck_assert(mask->trained && mask->lr == 0.5 && mask->weight_decay == 0.25);
    ck_assert(scale->trained && scale->lr == 0.125 &&
        scale->weight_decay == 0.0); /* RB: no decay by default */
    ck_assert(weight->trained && weight->lr == 2.0 && weight->weight_decay == 3.0);
    ck_assert(!other->trained);
    unmake(&m);
}
END_TEST

START_TEST(weight_decay_has_its_rule)
{
    static const struct {
        const char *text;
        double decay;
    } cases[] = {
        {"{" LENET "}", 1e-4},
        {"{" LENET ", " SPARSE "}", 0.0},
        {"{" LENET ", \"compression\": {\"algorithm\": \"magnitude_sparsity\"}}", 1e-4},
        {"{" LENET ", \"optimizer\": {\"weight_decay\": 0.5}, " SPARSE "}", 0.5},
        {"{" LENET ", \"optimizer\": {\"optimizer_params\": {\"weight_decay\": 0.25}}}", 0.25},
    };
    nncf_error err = NNCF_ERROR_INIT;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        made m = {0};
        ck_ok(make(cases[i].text, &m, &err), err);
        for (size_t k = 0; k < m.opt->n_parameters; k++) {
            ck_assert_double_eq(m.opt->parameters[k].weight_decay, cases[i].decay);
            ck_assert_double_eq(m.opt->parameters[k].lr, 1e-4);
            ck_assert(m.opt->parameters[k].trained);
        }
        unmake(&m);
    }
}
END_TEST

START_TEST(wrong_groups_are_errors)
{
    static const char *const texts[] = {
        "{" LENET ", \"optimizer\": {\"parameter_groups\": [{\"re\": \"(\"}]}}",
        "{" LENET ", \"optimizer\": {\"parameter_groups\": [{\"re\": \"(?=x)\"}]}}",
        "{" LENET ", \"optimizer\": {\"parameter_groups\": [{\"re\": 5}]}}",
        "{" LENET ", \"optimizer\": {\"parameter_groups\": 5}}",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        made m = {0};
        ck_assert_int_ne(make(texts[i], &m, &err), NNCF_OK);
        ck_assert_str_ne(err.message, "");
        unmake(&m);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_optimizer");
    TCase *c = fx_case(suite, "all", 60);
    tcase_add_test(c, schedules_follow_their_tables);
    tcase_add_test(c, plateau_waits_for_its_patience);
    tcase_add_test(c, python_patterns_are_translated);
    tcase_add_test(c, groups_choose_by_the_names_of_nncf);
    tcase_add_test(c, weight_decay_has_its_rule);
    tcase_add_test(c, wrong_groups_are_errors);
    return fx_main(suite);
}
