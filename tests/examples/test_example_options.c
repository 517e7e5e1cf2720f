/* SPDX-License-Identifier: Apache-2.0 */
/* The command line and the training keys of a config: defaults, precedence, errors. */
#include "fixture.h"

#include "models.h"
#include "settings.h"

#include <stdlib.h>
#include <string.h>

/* Parses words (ended by NULL); what was printed to `errors` is in *message, to be freed. */
static enum options_result parse(
    const char *const *words, options *o, char **printed, char **message)
{
    char *argv[16] = {(char *)(uintptr_t) "nncf-classification"};
    size_t sizes[2];
    int argc = 1;
    FILE *output = open_memstream(printed, &sizes[0]), *errors = open_memstream(message, &sizes[1]);
    enum options_result result;
    for (; words[argc - 1] != NULL; argc++)
        argv[argc] = (char *)(uintptr_t)words[argc - 1];
    result = options_parse(argc, argv, output, errors, o);
    fclose(output);
    fclose(errors);
    return result;
}

START_TEST(options_are_read)
{
    static const char *const words[] = {"--config", "c.json", "--batch-size=12", "--seed", "7",
        "--eval", "--data", "d", "--max-steps", "3", NULL};
    options o;
    char *printed, *message;
    ck_assert_int_eq(parse(words, &o, &printed, &message), OPTIONS_RUN);
    ck_assert_str_eq(o.config, "c.json");
    ck_assert_str_eq(o.data, "d");
    ck_assert_int_eq(o.batch_size, 12);
    ck_assert_int_eq(o.max_steps, 3);
    ck_assert(o.seed_given && o.seed == 7 && o.eval && !o.verbose);
    ck_assert_str_eq(message, "");
    free(printed);
    free(message);
}
END_TEST

START_TEST(wrong_options_say_so)
{
    static const struct {
        const char *words[6];
        const char *text;
    } cases[] = {
        {{NULL}, "--config FILE is required"},
        {{"--config", NULL}, "--config"},
        {{"--config", "x", "--sed", "1", NULL}, "--sed"},
        {{"--config", "x", "--seed", "one", NULL}, "--seed takes a whole number"},
        {{"--config", "x", "--epochs", "0", NULL}, "--epochs takes a whole number of at least 1"},
        {{"--config", "x", "--epochs", "99999999999999999999", NULL}, "--epochs"},
        {{"--config", "x", "--threads", "2x", NULL}, "--threads"},
        {{"--config", "x", "--memory", "big", NULL}, "--memory takes fast or small"},
        {{"--config", "x", "more", NULL}, "\"more\" is not an option"},
        {{"--config", "x", "--weights=a", "--resume=b", NULL}, "exclude each other"},
        {{"--config", "x", "--predict", NULL}, "--predict takes the files"},
        {{"--config", "x", "--export-format", "onnx", NULL}, "qdq"},
        {{"--config", "x", "--export-images", "3", NULL}, "go with --export-onnx"},
        {{"--config", "x", "--export-fold-batch-norm", NULL}, "go with --export-onnx"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        options o;
        char *printed, *message;
        ck_assert_int_eq(parse(cases[i].words, &o, &printed, &message), OPTIONS_WRONG);
        ck_assert_msg(strstr(message, cases[i].text) != NULL, "\"%s\" is not in \"%s\"",
            cases[i].text, message);
        ck_assert_str_eq(printed, "");
        free(printed);
        free(message);
    }
}
END_TEST

START_TEST(help_and_version_print)
{
    static const char *const words[][2] = {{"--help", NULL}, {"--version", NULL}};
    static const char *const texts[] = {"--train-samples", "libnncf"};
    for (int i = 0; i < 2; i++) {
        options o;
        char *printed, *message;
        ck_assert_int_eq(parse(words[i], &o, &printed, &message), OPTIONS_DONE);
        ck_assert_ptr_nonnull(strstr(printed, texts[i]));
        ck_assert_str_eq(message, "");
        free(printed);
        free(message);
    }
}
END_TEST

static nncf_status read_text(
    const char *text, const options *o, nncf_config **config, train_settings *s, nncf_error *err)
{
    nncf_status status =
        nncf_config_parse(NULL, "test.json", text, strlen(text), NULL, config, err);
    return status == NNCF_OK ? settings_read(*config, o, s, err) : status;
}

START_TEST(defaults_are_those_of_nncf)
{
    const options o = {.config = "x"};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    train_settings s;
    ck_ok(read_text("{\"model\": \"mobilenetv2\"}", &o, &config, &s, &err), err);
    ck_assert_int_eq(s.sample_size[1], 3);
    ck_assert_int_eq(s.sample_size[3], 224);
    ck_assert_int_eq(s.num_classes, 1000);
    ck_assert_int_eq(s.batch_size, 10);
    ck_assert_int_eq(s.epochs, 300);
    ck_assert_int_eq(s.save_freq, 5);
    ck_assert_int_eq(s.print_freq, 10);
    ck_assert_ptr_null(s.dataset);
    ck_assert(s.optimizer.type == OPTIMIZER_ADAM && s.optimizer.base_lr == 1e-4);
    ck_assert(s.schedule.type == SCHEDULE_STEP && s.schedule.step == 30 && s.schedule.gamma == 0.1);
    settings_clear(&s);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(the_command_line_goes_before_the_config)
{
    const options o = {.config = "x",
        .batch_size = 3,
        .epochs = 4,
        .data = "here",
        .out = "there",
        .weights = "w"};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    train_settings s;
    ck_ok(read_text(
              "{\"model\": \"lenet\", \"batch_size\": 8, \"epochs\": 9, \"dataset_dir\": \"a\", "
              "\"checkpoint_save_dir\": \"b\", \"weights\": \"<SNAPSHOT_FILE_PATH>\", \"seed\": 5,"
              "\"input_info\": {\"sample_size\": [1, 1, 28, 28]}, \"resuming_checkpoint\": \"r\"}",
              &o, &config, &s, &err),
        err);
    ck_assert_int_eq(s.batch_size, 3);
    ck_assert_int_eq(s.epochs, 4);
    ck_assert_str_eq(s.data_dir, "here");
    ck_assert_str_eq(s.checkpoint_save_dir, "there");
    ck_assert_str_eq(s.weights, "w");
    ck_assert_ptr_null(s.resume);
    ck_assert(!s.weights_are_placeholder && s.seed == 5);
    ck_assert_int_eq(s.sample_size[2], 28);
    settings_clear(&s);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(the_first_config_of_nncf_loads)
{
    const options o = {.config = "x"};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    train_settings s;
    char *name;
    ck_ok(nncf_config_load(
              NULL, EXAMPLE_CONFIGS "/mobilenetv2_imagenet_rb_int8.json", NULL, &config, &err),
        err);
    ck_ok(settings_read(config, &o, &s, &err), err);
    ck_assert(s.weights_are_placeholder && s.weights == NULL);
    ck_assert(s.schedule.type == SCHEDULE_MULTISTEP && s.schedule.n_steps == 3 &&
        s.schedule.steps[2] == 40);
    ck_assert(s.optimizer.weight_decay == 0.0 && s.optimizer.base_lr == 0.001);
    ck_assert_str_eq(s.checkpoint_save_dir, "results/snapshots");
    name = settings_run_name(config, s.model.name, "imagenet");
    ck_assert_str_eq(name, "mobilenetv2_imagenet_rb_sparsity_int8");
    free(name);
    settings_clear(&s);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(every_config_of_the_examples_loads)
{
    static const char *const names[] = {"fashion_mnist_mobilenetv2_fp32.json",
        "fashion_mnist_mobilenetv2_rb_int8.json", "fashion_mnist_mobilenetv2_fp32_long.json",
        "fashion_mnist_mobilenetv2_rb_int8_long.json", "fashion_mnist_mobilenetv2_hawq.json",
        "fashion_mnist_mobilenetv2_int8.json", "fashion_mnist_mobilenetv2_int4.json",
        "fashion_mnist_resnet18_fp32.json", "fashion_mnist_resnet18_int8.json",
        "fashion_mnist_resnet18_int4.json", "fashion_mnist_resnet18_binary.json",
        "fashion_mnist_resnet18_pruning.json", "fashion_mnist_resnet18_pruning_int8.json"};
    const options o = {.config = "x"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_config *config = NULL;
        train_settings s;
        ck_ok(nncf_config_load(NULL, fixture_path(EXAMPLE_CONFIGS, names[i]), NULL, &config, &err),
            err);
        ck_ok(settings_read(config, &o, &s, &err), err);
        ck_assert_str_eq(s.dataset, "fashion_mnist");
        settings_clear(&s);
        nncf_config_destroy(config);
    }
}
END_TEST

START_TEST(wrong_settings_name_their_place)
{
    static const struct {
        const char *text, *where, *what;
    } cases[] = {
        {"{}", "model", "is required"},
        {"{\"model\": 5}", "model", "text"},
        {"{\"model\": \"lenet\", \"batch_size\": 0}", "batch_size", "at least 1"},
        {"{\"model\": \"lenet\", \"batch_size\": \"8\"}", "batch_size", "whole number"},
        {"{\"model\": \"lenet\", \"epochs\": 1.5}", "epochs", "whole number"},
        {"{\"model\": \"lenet\", \"input_sample_size\": [1, 3, 32]}", "input_sample_size",
            "four sizes"},
        {"{\"model\": \"lenet\", \"input_sample_size\": [1, 3, 32, 31]}", "input_sample_size",
            "square"},
        {"{\"model\": \"lenet\", \"input_sample_size\": [1, 2, 32, 32]}", "input_sample_size",
            "1 or 3 channels"},
        {"{\"model\": \"lenet\", \"model_params\": {\"width\": 2}}", "model_params", "not known"},
        {"{\"model\": \"lenet\", \"model_params\": {\"stem_stride\": 3}}",
            "model_params.stem_stride", "1 or 2"},
        {"{\"model\": \"lenet\", \"optimizer\": {\"type\": \"adamw\"}}", "optimizer.type",
            "adam, sgd"},
        {"{\"model\": \"lenet\", \"optimizer\": {\"base_lr\": -1}}", "optimizer.base_lr", "from 0"},
        {"{\"model\": \"lenet\", \"optimizer\": {\"schedule_type\": \"cosine\"}}",
            "optimizer.schedule_type", "multistep"},
        {"{\"model\": \"lenet\", \"optimizer\": {\"schedule_type\": \"multistep\"}}", "optimizer",
            "needs steps"},
        {"{\"model\": \"lenet\", \"optimizer\": {\"schedule_type\": \"multistep\", \"steps\": [1, "
         "\"2\"]}}",
            "optimizer.steps[1]", "whole number"},
        {"{\"model\": \"lenet\", \"optimizer\": {\"type\": \"SGD\", \"optimizer_params\": "
         "{\"nesterov\": true}}}",
            "optimizer.optimizer_params.nesterov", "needs a momentum"},
    };
    const options o = {.config = "x"};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        nncf_config *config = NULL;
        train_settings s;
        nncf_status status = read_text(cases[i].text, &o, &config, &s, &err);
        ck_assert_msg(status == NNCF_E_CONFIG, "%s: %d", cases[i].text, status);
        ck_assert_msg(strstr(err.message, cases[i].what) != NULL, "\"%s\" is not in \"%s\"",
            cases[i].what, err.message);
        ck_assert_msg(strstr(err.message, "test.json:1:") != NULL, "%s", err.message);
        ck_assert_msg(
            strncmp(err.where, cases[i].where, strlen(cases[i].where)) == 0, "%s", err.where);
        nncf_config_destroy(config);
    }
}
END_TEST

START_TEST(nearly_known_keys_are_asked_about)
{
    static const char text[] =
        "{\"model\": \"lenet\", \"mode\": \"train\", \"compresion\": {}, \"target_device\": "
        "\"CPU\","
        "\"optimizer\": {\"base_rl\": 1, \"stps\": [1], \"lr\": 2, \"gamma\": 0.1, \"mine\": 3}}";
    const options o = {.config = "x"};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    train_settings s;
    char *printed = NULL;
    size_t size;
    FILE *errors = open_memstream(&printed, &size);
    ck_assert_ptr_nonnull(errors);
    ck_ok(read_text(text, &o, &config, &s, &err), err);
    settings_warn_unknown(config, errors);
    fclose(errors);
    ck_assert_str_eq(printed,
        "warning: compresion: unknown; did you mean compression?\n"
        "warning: optimizer.base_rl: unknown; did you mean base_lr?\n"
        "warning: optimizer.stps: unknown; did you mean steps?\n");
    free(printed);
    settings_clear(&s);
    nncf_config_destroy(config);
}
END_TEST

START_TEST(an_unknown_model_is_an_error)
{
    static const char text[] = "{\"model\": \"alexnet\"}";
    const options o = {.config = "x"};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    train_settings s;
    net *n = NULL;
    ck_ok(read_text(text, &o, &config, &s, &err), err);
    ck_assert_int_eq(models_build(config, NULL, &s, &n, &err), NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "mobilenetv2, resnet18, resnet50, lenet"));
    ck_assert_ptr_null(n);
    settings_clear(&s);
    nncf_config_destroy(config);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_options");
    TCase *c = fx_case(suite, "all", 60);
    tcase_add_test(c, options_are_read);
    tcase_add_test(c, wrong_options_say_so);
    tcase_add_test(c, help_and_version_print);
    tcase_add_test(c, defaults_are_those_of_nncf);
    tcase_add_test(c, the_command_line_goes_before_the_config);
    tcase_add_test(c, the_first_config_of_nncf_loads);
    tcase_add_test(c, every_config_of_the_examples_loads);
    tcase_add_test(c, wrong_settings_name_their_place);
    tcase_add_test(c, nearly_known_keys_are_asked_about);
    tcase_add_test(c, an_unknown_model_is_an_error);
    return fx_main(suite);
}
