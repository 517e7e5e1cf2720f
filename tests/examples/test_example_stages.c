/* SPDX-License-Identifier: Apache-2.0 */
/* Trainings in stages: what the sample takes over from another config's snapshot, or from a
 * stripped model. */
#include "fixture.h"

#include "models.h"
#include "run.h"
#include "run_config.h"
#include "support/files.h"

#include <nncf/strip.h>

#include <stdlib.h>
#include <string.h>

static char *dir;

static void setup(void)
{
    dir = fixture_make_dir();
    fixture_write_idx(dir, "train", 48, false);
    fixture_write_idx(dir, "t10k", 20, false);
}

static void teardown(void)
{
    fixture_remove(dir);
}

#define CONFIG(algorithms)                                                                         \
    "{\"model\": \"lenet\", \"dataset\": \"mnist\", \"input_sample_size\": [1, 1, 28, 28], "       \
    "\"num_classes\": 10,"                                                                         \
    "\"batch_size\": 16, \"epochs\": 2, \"optimizer\": {\"type\": \"Adam\", \"base_lr\": 0.002, "  \
    "\"parameter_groups\": [{\"re\": \"_mask\", \"lr\": 4}, {\"lr\": 0.002}]}, \"compression\": "  \
    "[" algorithms "]}"
#define MAGNITUDE                                                                                  \
    "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\", "           \
    "\"multistep_steps\": [1], "                                                                   \
    "\"multistep_sparsity_levels\": [0.4, 0.5]}}"
#define RB                                                                                         \
    "{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.3, \"sparsity_target\": "  \
    "0.5, "                                                                                        \
    "\"sparsity_steps\": 1, \"sparsity_training_steps\": 2}}"
#define KEEP "{\"algorithm\": \"const_sparsity\"}"
#define INT8 "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}}"

/* Zeros of the weight of fc1 that a snapshot's training uses, by its mask or its logits. */
static size_t masked(const char *path, bool rb, uint8_t *zero, size_t capacity)
{
    static const char scope[] = "LeNet/Linear[fc1]";
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c;
    nncf_tensor t;
    size_t count = 0, n = 0;
    char *name = app_format(rb ? "%s.pre_ops.mask" : "nncf.%s.mask", scope);
    ck_ok(nncf_checkpoint_open(NULL, path, NULL, &c, &err), err);
    ck_assert_msg(
        nncf_checkpoint_get_tensor(c, name, &t, NULL) == NNCF_OK, "%s has no %s", path, name);
    n = rb ? (size_t)(t.shape[0] * t.shape[1]) : 8 * (size_t)t.shape[0];
    ck_assert_uint_le(n, capacity);
    for (size_t i = 0; i < n; i++) {
        zero[i] = (uint8_t)(rb ? !(((const float *)t.data)[i] > 0)
                               : !(((const uint8_t *)t.data)[i / 8] >> i % 8 & 1));
        count += zero[i];
    }
    nncf_checkpoint_close(c);
    free(name);
    return count;
}

enum { MOST = 1 << 20 };
static uint8_t before[MOST], after[MOST];

/* A stage of magnitude or rb sparsity, and const_sparsity with quantization behind it, in each of
 * the ways there are. */
START_TEST(const_sparsity_keeps_the_zeros)
{
    nncf_error err = NNCF_ERROR_INIT;
    const bool rb = _i == 1;
    const char *algorithm = rb ? "rb_sparsity" : "magnitude_sparsity";
    char *first = app_format("%s/first", dir), *second = app_format("%s/second", dir), *printed;
    char *snapshot = app_format("%s/lenet_mnist_%s_last.safetensors", first, algorithm);
    char *stripped = app_format("%s/stripped.safetensors", dir);
    char *kept = app_format("%s/lenet_mnist_const_sparsity_int8_last.safetensors", second);
    const char *config = rb ? CONFIG(RB) : CONFIG(MAGNITUDE);
    ck_ok(run_config(dir, config, (options){.out = first}, &printed, &err), err);
    free(printed);
    const size_t zeros = masked(snapshot, rb, before, MOST);
    ck_assert_uint_gt(zeros, 1000);
    ck_ok(run_config(dir, config, (options){.resume = snapshot, .eval = true, .strip = stripped},
              &printed, &err),
        err);
    free(printed);
    const options ways[] = {{.out = second, .weights = snapshot},
        {.out = second, .weights = stripped},
        {.out = second, .resume = snapshot, .accept_config = true, .epochs = 3}};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        ck_ok(run_config(dir, CONFIG(KEEP ", " INT8), ways[i], &printed, &err), err);
        ck_assert_uint_eq(masked(kept, false, after, MOST), zeros);
        ck_assert_mem_eq(before, after, MOST);
        ck_assert_ptr_null(strstr(printed, "keeps the zeros of the weights that it starts from"));
        ck_assert_ptr_null(
            strstr(printed, "not taken over")); /* the optimizer's arrays of logits are no masks */
        ck_assert((strstr(printed, "has no range for") != NULL) == (i == 2));
        ck_assert((strstr(printed, "arrays of the optimizer begin at zero") != NULL) == (i == 2));
        free(printed);
        ck_assert_int_eq(remove(kept), 0);
    }
    free(kept);
    free(stripped);
    free(snapshot);
    free(second);
    free(first);
}
END_TEST

/* Without an algorithm that takes them masks are left, as in NNCF, and that is said; a test is of
 * the model that was trained. */
START_TEST(other_stages_say_what_is_left)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *first = app_format("%s/first", dir), *second = app_format("%s/second", dir), *printed;
    char *snapshot = app_format("%s/lenet_mnist_magnitude_sparsity_last.safetensors", first);
    ck_ok(run_config(dir, CONFIG(MAGNITUDE), (options){.out = first}, &printed, &err), err);
    free(printed);
    ck_ok(run_config(dir, CONFIG(INT8),
              (options){.out = second, .weights = snapshot, .max_steps = 1}, &printed, &err),
        err);
    ck_assert_msg(strstr(printed, "weights come over without the masks") != NULL, "%s", printed);
    free(printed);
    ck_ok(run_config(dir, CONFIG(INT8),
              (options){.out = second,
                  .resume = snapshot,
                  .accept_config = true,
                  .epochs = 3,
                  .max_steps = 1},
              &printed, &err),
        err);
    ck_assert_msg(strstr(printed, "masks are not taken over") != NULL, "%s", printed);
    free(printed);
    ck_ok(run_config(dir, CONFIG(""), (options){.weights = snapshot, .eval = true}, &printed, &err),
        err);
    ck_assert_msg(strstr(printed, "without the masks") == NULL, "%s", printed);
    char *resumed;
    ck_ok(run_config(
              dir, CONFIG(MAGNITUDE), (options){.resume = snapshot, .eval = true}, &resumed, &err),
        err);
    const char *a = strstr(printed, "20 images"), *b = strstr(resumed, "20 images");
    ck_assert_msg(a && b && strcmp(a, b) == 0, "%s and %s", printed, resumed);
    free(resumed);
    free(printed);
    free(snapshot);
    free(second);
    free(first);
}
END_TEST

/* A stripped model fills a network with batch norm again; one with batch norm folded cannot. */
START_TEST(stripped_models_with_batch_norm)
{
    nncf_error err = NNCF_ERROR_INIT;
    const train_settings s = {.model = {"mobilenet_v2", 0.25, 8},
        .sample_size = {1, 3, 32, 32},
        .num_classes = 4,
        .seed = 1};
    const nncf_strip_params plain = {NNCF_PARAMS(nncf_strip_params)},
                            folded = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1};
    char *path = app_format("%s/stripped.safetensors", dir), *classes = NULL;
    nncf_config *config;
    nncf_compression_ctrl *ctrl;
    net *trained, *other;
    size_t count;
    ck_ok(nncf_config_parse(NULL, "x", "{}", 2, NULL, &config, &err), err);
    ck_ok(models_build(config, NULL, &s, &trained, &err), err);
    ck_ok(models_build(config, NULL, &s, &other, &err), err);
    const net_tensor *from = net_tensors(trained, &count), *to = net_tensors(other, &count);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < from[i].count; j++) {
            from[i].data[j] = (float)(1 + (i * 31 + j) % 97) / 100; /* variances too are positive */
            to[i].data[j] = -1;
        }
    ck_ok(nncf_compression_ctrl_create(net_model(trained), config, &ctrl, &err), err);
    ck_ok(nncf_strip_save(ctrl, path, &plain, NULL, &err), err);
    FILE *report = tmpfile();
    ck_ok(snapshot_load_weights(NULL, path, other, true, report, &classes, &err), err);
    ck_assert_int_eq(ftell(report), 0); /* nothing is missing, nothing is left */
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(memcmp(from[i].data, to[i].data, from[i].count * sizeof(float)) == 0, "%s",
            from[i].name);
    ck_ok(nncf_strip_save(ctrl, path, &folded, NULL, &err), err);
    ck_assert_int_eq(
        snapshot_load_weights(NULL, path, other, true, report, &classes, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "--export-fold-batch-norm"));
    fclose(report);
    nncf_compression_ctrl_destroy(ctrl);
    net_destroy(trained);
    net_destroy(other);
    nncf_config_destroy(config);
    free(classes);
    free(path);
}
END_TEST

#define LOOP(more)                                                                                 \
    "{\"model\": \"lenet\", \"dataset\": \"mnist\", \"input_info\": {\"sample_size\": [1, 1, 28, " \
    "28]}, \"num_classes\": 10, \"batch_size\": 16, \"epochs\": 3, \"save_freq\": 1, "             \
    "\"nncf_dialect\": \"1.5\", \"quantizer_setup_type\": \"pattern_based\", \"compression\": "    \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_steps\": 1}" more  \
    "}}"
#define HAWQ                                                                                       \
    LOOP(", \"precision\": {\"type\": \"hawq\", \"bits\": [2, 4, 8], \"num_data_points\": 32, "    \
         "\"iter_number\": 3, \"compression_ratio\": 2}}")
#define STAGED                                                                                     \
    LOOP(                                                                                          \
        "}, \"params\": {\"activations_quant_start_epoch\": 1, \"weights_quant_start_epoch\": 2, " \
        "\"batch_multiplier\": 2, \"base_lr\": 0.002, \"base_wd\": 0.01, "                         \
        "\"lr_poly_drop_start_epoch\": 2, \"disable_wd_start_epoch\": 1}")

/* Bits chosen by sensitivity, and quantizers that begin to work later: three epochs, and the same
 * snapshot when the run is resumed after each. */
START_TEST(chosen_bits_and_stages_resume)
{
    nncf_error err = NNCF_ERROR_INIT;
    const char *config = _i ? STAGED : HAWQ;
    char *first = app_format("%s/first", dir), *second = app_format("%s/second", dir), *printed;
    char *last = app_format("%s/lenet_mnist_int8_last.safetensors", first),
         *again = app_format("%s/lenet_mnist_int8_last.safetensors", second);
    char *precision = app_format("%s/precision.json", first);
    ck_ok(run_config(dir, config, (options){.out = first}, &printed, &err), err);
    ck_assert_ptr_null(strstr(printed, "warning"));
    free(printed);
    ck_assert_int_eq(app_is_file(precision), !_i);
    for (int epoch = 1; epoch < 3; epoch++) {
        char *from = app_format("%s/intermediate_checkpoints/epoch_%d.safetensors", first, epoch);
        ck_ok(
            run_config(dir, config, (options){.out = second, .resume = from}, &printed, &err), err);
        free(printed);
        fixture_expect_same_file(last, again);
        free(from);
    }
    free(precision);
    free(again);
    free(last);
    free(second);
    free(first);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_stages");
    TCase *tc = fx_case(suite, "stages", 240);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, const_sparsity_keeps_the_zeros, 0, 2);
    tcase_add_test(tc, other_stages_say_what_is_left);
    tcase_add_test(tc, stripped_models_with_batch_norm);
    tcase_add_loop_test(tc, chosen_bits_and_stages_resume, 0, 2);
    return fx_main(suite);
}
