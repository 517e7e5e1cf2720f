/* SPDX-License-Identifier: Apache-2.0 */
/* --shrink-epoch: a run that goes on with the smaller model, what it saves, and how it resumes. */
#include "fixture.h"

#include "run.h"
#include "run_config.h"
#include "shrink.h"
#include "support/files.h"

#include <nncf/strip.h>

#include <stdlib.h>
#include <string.h>

static char *dir;

/* Residual sums and 1x1 shortcuts, of 8 to 64 channels; the level is at its target in epoch 1. */
#define CONFIG(algorithms)                                                                         \
    "{\"nncf_dialect\": \"1.3.1\", \"model\": \"resnet18\", \"model_params\": {\"stem_stride\": "  \
    "1, \"width_mult\": 0.125}, \"dataset\": \"mnist\", \"input_info\": {\"sample_size\": [1, 1, " \
    "16, 16]}, \"num_classes\": 10, \"batch_size\": 16, \"epochs\": 4, \"save_freq\": 1, "         \
    "\"optimizer\": {\"type\": \"SGD\", \"base_lr\": 0.02, \"schedule_type\": \"poly\", "          \
    "\"optimizer_params\": {\"momentum\": 0.9}}, \"compression\": [" algorithms "]}"
#define PRUNING                                                                                    \
    "{\"algorithm\": \"filter_pruning\", \"params\": {\"schedule\": \"exponential\", "             \
    "\"pruning_init\": 0.1, \"pruning_target\": 0.4, \"pruning_steps\": 1, "                       \
    "\"weight_importance\": \"geometric_median\", \"prune_first_conv\": true, "                    \
    "\"prune_downsample_convs\": true, \"prune_batch_norms\": true}}"
#define INT8                                                                                       \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_steps\": 1}}}"
enum { STEPS = 3 /* of an epoch */ };
static const char *const configs[] = {CONFIG(PRUNING), CONFIG(PRUNING ", " INT8)};
static const char *const names[] = {"resnet18_mnist_filter_pruning_last.safetensors",
    "resnet18_mnist_filter_pruning_int8_last.safetensors"};

static void setup(void)
{
    dir = fixture_make_dir();
    fixture_write_idx(dir, "train", 16 * STEPS, false);
    fixture_write_idx(dir, "t10k", 40, false);
}

static void teardown(void)
{
    fixture_remove(dir);
}

/* Elements of the network's parameters in a snapshot, by torchvision's names; running statistics of
 * batch norm are no parameters. */
static long long parameters(const char *path)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c;
    long long sum = 0;
    ck_ok(nncf_checkpoint_open(NULL, path, NULL, &c, &err), err);
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(c); i++) {
        const char *name = nncf_checkpoint_get_tensor_name(c, i);
        const size_t length = strlen(name);
        nncf_tensor t;
        const bool of_net = strncmp(name, "layer", 5) == 0 || strncmp(name, "conv1.", 6) == 0 ||
            strncmp(name, "bn1.", 4) == 0 || strncmp(name, "fc.", 3) == 0;
        if (!of_net ||
            !((length > 7 && strcmp(name + length - 7, ".weight") == 0) ||
                (length > 5 && strcmp(name + length - 5, ".bias") == 0)))
            continue;
        ck_assert_int_eq(nncf_checkpoint_get_tensor(c, name, &t, NULL), NNCF_OK);
        long long count = 1;
        for (int32_t k = 0; k < t.ndim; k++)
            count *= t.shape[k];
        sum += count;
    }
    nncf_checkpoint_close(c);
    return sum;
}

/* What is printed of the removal. */
typedef struct removal {
    long long removed, filters, before, left, operations, operations_left;
} removal;

static removal removal_of(const char *printed)
{
    removal r;
    const char *line = strstr(printed, "removed ");
    ck_assert_msg(line != NULL, "%s", printed);
    ck_assert_int_eq(
        sscanf(line,
            "removed %lld of %lld filters; parameters %lld -> %lld, operations %lld -> %lld",
            &r.removed, &r.filters, &r.before, &r.left, &r.operations, &r.operations_left),
        6);
    return r;
}

/* Snapshots before the epoch are of the whole model, those from it on of the smaller one; the
 * numbers that are printed are theirs. */
START_TEST(snapshots_and_files_are_of_the_smaller_model)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *whole_out = app_format("%s/whole", dir), *printed;
    char *stripped[] = {app_format("%s/small.bin", dir), app_format("%s/whole.bin", dir)};
    const char *last = fixture_path(out, names[_i]);
    size_t sizes[2];
    ck_ok(run_config(dir, configs[_i],
              (options){.out = out, .shrink_epoch = 2, .strip = stripped[0]}, &printed, &err),
        err);
    const removal r = removal_of(printed);
    free(printed);
    /* what is left is a multiple of 8: 0 of 8 or 16 filters are removed, 8 of 32, and 24 of 64 */
    ck_assert_int_eq(r.filters, 600);
    ck_assert_int_eq(r.removed, 5 * 8 + 5 * 24);
    ck_assert_int_eq(parameters(last), r.left);
    for (int epoch = 1; epoch <= 4; epoch++) {
        char *path = app_format("%s/intermediate_checkpoints/epoch_%d.safetensors", out, epoch);
        ck_assert_int_eq(parameters(path), epoch <= 2 ? r.before : r.left);
        free(path);
    }
    /* each filter of a layer takes the channels that read it along */
    ck_assert_int_lt(10 * r.left, 6 * r.before);
    ck_assert_int_lt(10 * r.operations_left, 8 * r.operations);
    ck_ok(run_config(
              dir, configs[_i], (options){.out = whole_out, .strip = stripped[1]}, &printed, &err),
        err);
    ck_assert_ptr_null(strstr(printed, "removed "));
    free(printed);
    for (int k = 0; k < 2; k++)
        free(fx_read_file(stripped[k], &sizes[k]));
    ck_assert_uint_lt(sizes[0], sizes[1]);
    for (int k = 0; k < 2; k++)
        free(stripped[k]);
    free(whole_out);
    free(out);
}
END_TEST

/* Interrupted before the removal, or after it, with or without the option: the same bytes. */
START_TEST(a_run_resumes_before_and_after_the_removal)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *halves = app_format("%s/halves", dir), *printed;
    char *whole = app_format("%s/%s", out, names[_i]),
         *last = app_format("%s/%s", halves, names[_i]);
    const struct {
        int epochs, shrink_epoch;
    } ways[] = {{1, 2}, {2, 2}, {3, 2}, {3, 0}};
    ck_ok(run_config(dir, configs[_i], (options){.out = out, .shrink_epoch = 2}, &printed, &err),
        err);
    free(printed);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        ck_ok(run_config(dir, configs[_i],
                  (options){.out = halves, .shrink_epoch = 2, .max_steps = STEPS * ways[i].epochs},
                  &printed, &err),
            err);
        free(printed);
        ck_ok(run_config(dir, configs[_i],
                  (options){.out = halves, .resume = last, .shrink_epoch = ways[i].shrink_epoch},
                  &printed, &err),
            err);
        ck_assert_int_eq(strstr(printed, "removed ") != NULL, ways[i].epochs <= 2);
        free(printed);
        fixture_expect_same_file(whole, last);
    }
    free(last);
    free(whole);
    free(halves);
    free(out);
}
END_TEST

/* The masked network and the one without its filters: the same loss over the test images, but for
 * the order of sums. Several formats are written of the smaller one. */
START_TEST(removal_changes_no_result)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *printed = NULL, *config;
    char *last = app_format("%s/%s", out, names[_i]);
    size_t size;
    accuracy a[2];
    run r;
    ck_ok(run_config(dir, configs[_i], (options){.out = out}, &printed, &err), err);
    free(printed);
    FILE *output = open_memstream(&printed, &size);
    config = app_copy(fixture_path(dir, "config.json"));
    const options o = {.config = config, .data = dir, .threads = 1, .resume = last, .out = out};
    ck_ok(run_open(&o, output, output, &r, &err), err);
    ck_ok(run_test(&r, r.network, 0, &a[0], &err), err);
    ck_ok(shrink_network(r.ctrl, r.network, r.opt, NULL, &err), err);
    ck_ok(run_test(&r, r.network, 0, &a[1], &err), err);
    run_close(&r);
    fclose(output);
    ck_assert_int_eq(a[0].count, 40);
    /* A code at a tie may become the next one where sums have another order. */
    ck_assert_double_eq_tol(a[1].loss / a[0].loss, 1, _i == 0 ? 1e-5 : 5e-3);
    free(printed);
    free(config);
    free(last);
    free(out);
}
END_TEST

START_TEST(a_config_without_pruning_is_refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *printed;
    ck_assert_int_eq(
        run_config(dir, CONFIG(INT8), (options){.out = out, .shrink_epoch = 1}, &printed, &err),
        NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "the config has no filter_pruning"));
    ck_assert_str_eq(err.where, "--shrink-epoch");
    free(printed);
    free(out);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example shrink");
    TCase *tc = fx_case(suite, "shrink", 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, snapshots_and_files_are_of_the_smaller_model, 0, 2);
    tcase_add_loop_test(tc, a_run_resumes_before_and_after_the_removal, 0, 2);
    tcase_add_loop_test(tc, removal_changes_no_result, 0, 2);
    tcase_add_test(tc, a_config_without_pruning_is_refused);
    return fx_main(suite);
}
