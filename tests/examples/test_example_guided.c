/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings that are guided: by a teacher's outputs, and by the accuracy that may be lost. */
#include "fixture.h"

#include "run.h"
#include "run_config.h"

#include <stdlib.h>
#include <string.h>

static char *dir, *weights, *out;

#define CONFIG(root, algorithms)                                                                   \
    "{\"model\": \"lenet\", \"dataset\": \"mnist\", \"input_sample_size\": [1, 1, 28, 28], "       \
    "\"num_classes\": 10, \"batch_size\": 16, \"epochs\": 12, " root                               \
    "\"optimizer\": {\"type\": \"Adam\", \"base_lr\": 0.002}, \"compression\": [" algorithms "]}"
#define INT4                                                                                       \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_steps\": 1}}, "    \
    "\"weights\": {\"bits\": 4}}"

/* Folders and printed text of the last run, which each run frees first. */
static char *printed;

static nncf_status run_guided(const char *text, options o, nncf_error *err)
{
    free(printed);
    return run_config(dir, text, o, &printed, err);
}

static void setup(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    dir = fixture_make_dir();
    fixture_write_idx(dir, "train", 96, false);
    fixture_write_idx(dir, "t10k", 40, false);
    out = app_format("%s/out", dir);
    char *first = app_format("%s/float", dir);
    ck_ok(run_guided(CONFIG("", ""), (options){.out = first}, &err), err);
    weights = app_format("%s/lenet_mnist_last.safetensors", first);
    free(first);
}

static void teardown(void)
{
    free(printed);
    printed = NULL;
    free(weights);
    free(out);
    fixture_remove(dir);
}

/* ---- distillation ---- */

/* Of a metric of the first epoch in metrics.jsonl. */
static double first_epoch(const char *key)
{
    char *path = app_format("%s/metrics.jsonl", out), *text = fixture_read_text(path);
    const char *at = strstr(text, key);
    ck_assert_msg(at != NULL, "no %s in %s", key, text);
    const double value = strtod(at + strlen(key) + 2, NULL);
    free(text);
    free(path);
    return value;
}

/* The loss of a step is that of the teacher's outputs too. An untrained student of a teacher that
 * is 4 times as sure is far from it; nothing else is in the compression loss. */
START_TEST(a_teacher_adds_its_loss)
{
    static const char softmax[] = CONFIG("",
        INT4
        ", {\"algorithm\": \"knowledge_distillation\", \"type\": \"softmax\", \"scale\": 0.5}");
    static const char plain[] = CONFIG("", INT4);
    nncf_error err = NNCF_ERROR_INIT;
    ck_ok(run_guided(plain, (options){.out = out, .weights = weights, .epochs = 1}, &err), err);
    ck_assert_double_eq(first_epoch("\"compression_loss\""), 0);
    const double alone = first_epoch("\"ce_loss\"");
    ck_ok(run_guided(softmax, (options){.out = out, .weights = weights, .epochs = 1}, &err), err);
    ck_assert_double_gt(first_epoch("\"compression_loss\""), 0);
    ck_assert(first_epoch("\"ce_loss\"") != alone);
    /* a random student, taught by the same weights */
    ck_ok(run_guided(softmax, (options){.out = out, .teacher = weights, .epochs = 1}, &err), err);
    ck_assert_double_gt(first_epoch("\"compression_loss\""), 0.5);
    ck_assert_int_eq(run_guided(softmax, (options){.out = out, .epochs = 1}, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "--teacher"));
}
END_TEST

/* ---- accuracy ---- */

#define SEARCH(limit)                                                                              \
    "\"accuracy_aware_training\": {\"mode\": \"adaptive_compression_level\", \"params\": "         \
    "{\"maximal_absolute_accuracy_degradation\": " limit                                           \
    ", \"initial_training_phase_epochs\": 1, \"patience_epochs\": 1, \"maximal_total_epochs\": "   \
    "6}}, "
#define MAGNITUDE                                                                                  \
    "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\", "           \
    "\"multistep_steps\": [1], \"multistep_sparsity_levels\": [0.4, 0.5]}}"

/* With everything allowed each epoch raises the sparsity; the highest one is the result. */
START_TEST(a_search_raises_the_sparsity_and_resumes)
{
    static const char config[] = CONFIG(SEARCH("100"), MAGNITUDE);
    nncf_error err = NNCF_ERROR_INIT;
    char *again = app_format("%s/again", dir);
    char *last = app_format("%s/lenet_mnist_magnitude_sparsity_last.safetensors", again);
    char *metrics[] = {app_format("%s/metrics.jsonl", out), app_format("%s/metrics.jsonl", again)};
    ck_ok(run_guided(config, (options){.out = out, .weights = weights}, &err), err);
    ck_assert_msg(strstr(printed, "next sparsity 0.6000") != NULL, "%s", printed);
    ck_assert_ptr_nonnull(strstr(printed, "next sparsity 0.9000"));
    ck_assert_msg(strstr(printed, "sparsity 0.9000: the accuracy is within the limit") != NULL,
        "%s", printed);
    /* interrupted after 3 epochs, and resumed */
    ck_ok(run_guided(config, (options){.out = again, .weights = weights, .epochs = 3}, &err), err);
    ck_ok(
        run_guided(config, (options){.out = again, .resume = last, .teacher = weights}, &err), err);
    ck_assert_msg(strstr(printed, "sparsity 0.9000: the accuracy is within the limit") != NULL,
        "%s", printed);
    char *ends[2], *text;
    for (int i = 0; i < 2; i++) { /* but for times and memory */
        text = fixture_read_text(metrics[i]);
        ends[i] = app_copy(strrchr(text, '{'));
        *strstr(ends[i], "\"step_seconds") = '\0';
        free(text);
    }
    ck_assert_str_eq(ends[0], ends[1]);
    for (int i = 0; i < 2; i++) {
        free(ends[i]);
        free(metrics[i]);
    }
    free(last);
    free(again);
}
END_TEST

/* Nothing may be lost that no sparse network keeps: the sparsity falls, and the end says so. */
START_TEST(a_limit_that_cannot_be_met_is_said)
{
    static const char config[] = CONFIG(SEARCH("-100"), MAGNITUDE),
                      early[] = CONFIG("\"accuracy_aware_training\": {\"mode\": \"early_exit\", "
                                       "\"params\": {\"maximal_absolute_accuracy_degradation\": "
                                       "100, \"maximal_total_epochs\": 9}}, ",
                          INT4);
    nncf_error err = NNCF_ERROR_INIT;
    ck_ok(run_guided(config, (options){.out = out, .weights = weights}, &err), err);
    ck_assert_ptr_nonnull(strstr(printed, "next sparsity 0.3000"));
    ck_assert_msg(strstr(printed, "the accuracy is below the limit") != NULL, "%s", printed);
    ck_ok(run_guided(early, (options){.out = out, .weights = weights}, &err), err);
    ck_assert_msg(strstr(printed, "ends after 0 epochs") != NULL, "%s", printed);
    ck_assert_int_eq(run_guided(early, (options){.out = out}, &err), NNCF_E_ARG);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example guided");
    TCase *tc = fx_case(suite, "guided", 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_teacher_adds_its_loss);
    tcase_add_test(tc, a_search_raises_the_sparsity_and_resumes);
    tcase_add_test(tc, a_limit_that_cannot_be_met_is_said);
    return fx_main(suite);
}
