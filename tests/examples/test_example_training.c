/* SPDX-License-Identifier: Apache-2.0 */
/* The models, the network's forward and backward, and whole runs on small made-up data. */
#include "fixture.h"

#include "metrics.h"
#include "models.h"
#include "rng.h"
#include "run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static char *dir;

static void setup(void)
{
    dir = fixture_make_dir();
    fixture_write_idx(dir, "train", 80, true);
    fixture_write_idx(dir, "t10k", 30, false);
}

static void teardown(void)
{
    fixture_remove(dir);
}

#define COMPRESSION                                                                                \
    "\"compression\": [{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, "     \
    "\"sparsity_target\": "                                                                        \
    "0.5,"                                                                                         \
    "\"sparsity_steps\": 2, \"sparsity_training_steps\": 3}},"                                     \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 3}}]"
#define TRAINING(optimizer)                                                                        \
    "{\"model\": \"lenet\", \"dataset\": \"mnist\", \"input_sample_size\": [1, 1, 28, 28], "       \
    "\"num_classes\": 10,"                                                                         \
    "\"batch_size\": 16, \"epochs\": 5, \"save_freq\": 2, \"print_freq\": 2, \"optimizer\": "      \
    "{" optimizer "}, "

static const char sparse_int8[] = TRAINING(
    "\"base_lr\": 0.002, \"schedule_type\": \"multistep\", \"steps\": [2], \"parameter_groups\": "
    "[{\"re\": \"_mask\", \"lr\": 0.5}, {\"lr\": 0.002}]") COMPRESSION "}";
static const char sgd_plateau[] =
    TRAINING("\"type\": \"SGD\", \"base_lr\": 0.01, \"schedule_type\": \"plateau\", "
             "\"schedule_params\": {\"patience\": 0}") COMPRESSION "}";
static const char plain[] = TRAINING("\"base_lr\": 0.002") "\"test_every_n_epochs\": 2}";

/* A run with the data of the fixture; what is printed goes to *printed (to be freed), which may be
 * NULL. */
static nncf_status run_once(options o, char **printed, nncf_error *err)
{
    char *text = NULL;
    size_t size;
    FILE *output = open_memstream(&text, &size);
    nncf_status status;
    run r;
    o.data = dir;
    status = run_open(&o, output, output, &r, err);
    if (status == NNCF_OK) {
        status = o.eval ? run_eval(&r, err) : run_train(&r, err);
        if (status == NNCF_OK)
            status = run_export(&r, err);
        run_close(&r);
    }
    fclose(output);
    if (printed != NULL)
        *printed = text;
    else
        free(text);
    return status;
}

/* metrics.jsonl of a folder without what differs from run to run. */
static char *metrics_of(const char *folder)
{
    char *text = fixture_read_text(fixture_path(folder, "metrics.jsonl")), *to = text;
    for (char *from = text; *from != '\0';) {
        if (strncmp(from, ", \"step_seconds_median\"", 23) == 0)
            from += strcspn(from, "}");
        else
            *to++ = *from++;
    }
    *to = '\0';
    return text;
}

static int count_lines(const char *text)
{
    int n = 0;
    for (; *text != '\0'; text++)
        n += *text == '\n';
    return n;
}

START_TEST(same_seed_same_run_and_resumed_too)
{
    static const char *const texts[] = {sparse_int8, sgd_plateau, plain};
    static const char *const names[] = {
        "lenet_mnist_rb_sparsity_int8", "lenet_mnist_rb_sparsity_int8", "lenet_mnist"};
    nncf_error err = NNCF_ERROR_INIT;
    char *folders[4], *metrics[4], *last[4], *snapshot;
    const char *text = texts[_i];
    fixture_write_text(dir, "config.json", text);
    options o = {
        .config = fixture_path(dir, "config.json"), .seed = 4, .seed_given = true, .threads = 1};
    char *config = app_copy(o.config);
    o.config = config;
    for (int i = 0; i < 4; i++)
        folders[i] = app_format("%s/run%d", dir, i);
    o.out = folders[0];
    ck_ok(run_once(o, NULL, &err), err);
    o.out = folders[1];
    o.threads = 3; /* results do not depend on them */
    ck_ok(run_once(o, NULL, &err), err);
    o.out = folders[2];
    o.max_steps = 10; /* two epochs of five steps */
    ck_ok(run_once(o, NULL, &err), err);
    snapshot = app_format("%s/%s_last.safetensors", folders[2], names[_i]);
    o.max_steps = 0;
    o.resume = snapshot;
    ck_ok(run_once(o, NULL, &err), err);
    o.resume = NULL;
    o.out = folders[3];
    o.seed = 5;
    ck_ok(run_once(o, NULL, &err), err);
    for (int i = 0; i < 4; i++) {
        metrics[i] = metrics_of(folders[i]);
        char *path = app_format("%s/%s_last.safetensors", folders[i], names[_i]);
        ck_assert(app_is_file(path));
        last[i] = path;
    }
    ck_assert_int_eq(count_lines(metrics[0]), 5);
    ck_assert_str_eq(metrics[0], metrics[1]);
    if (text != plain) /* its third epoch is tested in any case when a run ends there */
        ck_assert_str_eq(metrics[0], metrics[2]);
    ck_assert_str_ne(metrics[0], metrics[3]);
    fixture_expect_same_file(last[0], last[1]);
    fixture_expect_same_file(last[0], last[2]);
    ck_assert(
        app_is_file(fixture_path(folders[0], "intermediate_checkpoints/epoch_2.safetensors")));
    ck_assert(
        app_is_file(fixture_path(folders[0], "intermediate_checkpoints/epoch_4.safetensors")));
    for (int i = 0; i < 4; i++) {
        free(folders[i]);
        free(metrics[i]);
        free(last[i]);
    }
    free(snapshot);
    free(config);
}
END_TEST

/* A number of line `epoch` of metrics.jsonl. */
static double metric(const char *folder, int epoch, const char *key)
{
    char *text = fixture_read_text(fixture_path(folder, "metrics.jsonl")), *line = text;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *object;
    double value;
    for (int i = 0; i < epoch; i++)
        line = strchr(line, '\n') + 1;
    ck_ok(nncf_config_parse(NULL, "line", line, strcspn(line, "\n"), NULL, &object, &err), err);
    ck_assert_int_eq(nncf_config_get_double(object, key, &value, NULL), NNCF_OK);
    nncf_config_destroy(object);
    free(text);
    return value;
}

/* What a snapshot holds, opened anew: its accuracy, its level, its zeros. */
static void expect_row(options o, const char *folder, int epoch, const char *snapshot)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    accuracy a;
    char *text = NULL;
    size_t size;
    FILE *output = open_memstream(&text, &size);
    run r;
    o.eval = true;
    o.resume = snapshot;
    o.max_steps = 0;
    o.data = dir;
    ck_ok(run_open(&o, output, output, &r, &err), err);
    ck_ok(run_test(&r, r.network, 0, &a, &err), err);
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(r.ctrl, &s, NULL), NNCF_OK);
    ck_assert_double_eq_tol(metrics_top1(&a), metric(folder, epoch, "test_top1"), 1e-6);
    ck_assert_double_eq_tol(s.sparsity_target, metric(folder, epoch, "sparsity_target"), 1e-8);
    ck_assert_double_eq_tol(s.sparsity, metric(folder, epoch, "sparsity_actual"), 1e-8);
    run_close(&r);
    fclose(output);
    free(text);
}

/* A row of metrics.jsonl is one moment: the accuracy is of the sparsity beside it, and both are the
 * snapshot's. The levels jump, so that the next one's masks are far from these. */
START_TEST(accuracy_and_sparsity_of_a_row_belong_together)
{
    static const char text[] =
        "{\"model\": \"lenet\", \"dataset\": \"mnist\", \"input_sample_size\": [1, 1, 28, 28], "
        "\"num_classes\": 10,"
        "\"batch_size\": 16, \"epochs\": 5, \"save_freq\": 1, \"optimizer\": {\"base_lr\": 0.004},"
        "\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": "
        "\"multistep\","
        "\"steps\": [1, 2], \"sparsity_levels\": [0.1, 0.6, 0.97]}}}";
    static const double levels[] = {0.1, 0.6, 0.97, 0.97};
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *config, *printed;
    double best = -1;
    fixture_write_text(dir, "config.json", text);
    config = app_copy(fixture_path(dir, "config.json"));
    options o = {.config = config, .out = out, .threads = 1, .max_steps = 10};
    ck_ok(run_once(o, NULL, &err), err); /* two epochs, and two more from where they ended */
    o.resume = fixture_path(out, "lenet_mnist_magnitude_sparsity_last.safetensors");
    o.max_steps = 10;
    ck_ok(run_once(o, &printed, &err), err);
    ck_assert_msg(strstr(printed, "warning") == NULL, "%s", printed);
    for (int epoch = 0; epoch < 4; epoch++) {
        char *snapshot =
            app_format("%s/intermediate_checkpoints/epoch_%d.safetensors", out, epoch + 1);
        ck_assert_double_eq_tol(metric(out, epoch, "sparsity_target"), levels[epoch], 1e-8);
        expect_row(o, out, epoch, snapshot);
        if (levels[epoch] == 0.97 && metric(out, epoch, "test_top1") > best)
            best = metric(out, epoch, "test_top1");
        free(snapshot);
    }
    expect_row(o, out, best == metric(out, 2, "test_top1") ? 2 : 3,
        fixture_path(out, "lenet_mnist_magnitude_sparsity_best.safetensors"));
    free(printed);
    free(out);
    free(config);
}
END_TEST

/* Another target: named and refused, and accepted when asked to. */
START_TEST(a_changed_config_is_accepted_on_request)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *changed = app_copy(sparse_int8), *config, *printed,
         *snapshot;
    fixture_write_text(dir, "config.json", sparse_int8);
    config = app_copy(fixture_path(dir, "config.json"));
    options o = {.config = config, .out = out, .max_steps = 10, .threads = 1};
    ck_ok(run_once(o, NULL, &err), err);
    snapshot = app_format("%s/lenet_mnist_rb_sparsity_int8_last.safetensors", out);
    char *target = strstr(changed, "\"sparsity_target\": 0.5");
    ck_assert_ptr_nonnull(target);
    target[strlen("\"sparsity_target\": 0.")] = '6';
    fixture_write_text(dir, "config.json", changed);
    o.resume = snapshot;
    ck_assert_int_eq(run_once(o, NULL, &err), NNCF_E_CONFIG);
    ck_assert_msg(strstr(err.message, "sparsity_target is 0.6 here, 0.5 in the snapshot") != NULL,
        "%s", err.message);
    ck_assert_msg(strstr(err.message, "not without --accept-config: ") != NULL, "%s", err.message);
    o.accept_config = true;
    o.max_steps = 0;
    ck_ok(run_once(o, &printed, &err), err);
    ck_assert_ptr_nonnull(strstr(printed, "sparsity_target is 0.6 here, 0.5 in the snapshot"));
    free(printed);
    free(snapshot);
    free(changed);
    free(config);
    free(out);
}
END_TEST

START_TEST(the_best_snapshot_is_of_the_final_level)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir), *config, *printed;
    fixture_write_text(dir, "config.json", sparse_int8);
    config = app_copy(fixture_path(dir, "config.json"));
    options o = {.config = config, .out = out, .max_steps = 10};
    ck_ok(run_once(o, &printed, &err), err); /* epochs 0 and 1: below the final level of 0.5 */
    ck_assert_ptr_nonnull(strstr(printed, "no epoch reached the final sparsity level"));
    ck_assert_ptr_nonnull(strstr(printed, "_last.safetensors"));
    ck_assert_ptr_null(strstr(printed, "best}"));
    free(printed);
    ck_assert(!app_is_file(fixture_path(out, "lenet_mnist_rb_sparsity_int8_best.safetensors")));
    o.max_steps = 0;
    ck_ok(run_once(o, &printed, &err), err);
    ck_assert(app_is_file(fixture_path(out, "lenet_mnist_rb_sparsity_int8_best.safetensors")));
    ck_assert_ptr_nonnull(strstr(printed, "_{last,best}.safetensors"));
    ck_assert_ptr_null(strstr(printed, "no epoch reached"));
    ck_assert_ptr_nonnull(strstr(printed, "sparsity target"));
    ck_assert_ptr_nonnull(strstr(printed, "weight quantizers"));
    free(printed);
    free(out);
    free(config);
}
END_TEST

START_TEST(weights_go_from_fp32_to_compressed_and_are_tested)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *fp32 = app_format("%s/fp32", dir), *small = app_format("%s/small", dir), *printed, *again;
    char *weights = app_format("%s/lenet_mnist_best.safetensors", fp32), *snapshot, *configs[2];
    fixture_write_text(dir, "plain.json", plain);
    fixture_write_text(dir, "sparse.json", sparse_int8);
    configs[0] = app_copy(fixture_path(dir, "plain.json"));
    configs[1] = app_copy(fixture_path(dir, "sparse.json"));
    ck_ok(run_once((options){.config = configs[0], .out = fp32, .epochs = 4}, &printed, &err), err);
    ck_assert_ptr_null(strstr(printed, "compressed"));
    ck_assert_ptr_nonnull(strstr(printed, "lenet_mnist_{last,best}.safetensors"));
    free(printed);
    ck_ok(
        run_once((options){.config = configs[1], .out = small, .weights = weights}, &printed, &err),
        err);
    ck_assert_ptr_null(strstr(printed, "weights: ")); /* all of them fit */
    ck_assert_ptr_nonnull(
        strstr(printed, "points")); /* the FP32 run's metrics were found beside its weights */
    free(printed);
    /* Testing the snapshot gives what the last line of the metrics says. */
    snapshot = app_format("%s/lenet_mnist_rb_sparsity_int8_last.safetensors", small);
    ck_ok(
        run_once((options){.config = configs[1], .resume = snapshot, .eval = true}, &printed, &err),
        err);
    ck_ok(
        run_once((options){.config = configs[1], .resume = snapshot, .eval = true, .batch_size = 7},
            &again, &err),
        err);
    double best, last;
    char expected[64];
    char *path = app_format("%s/metrics.jsonl", small);
    ck_ok(metrics_read_top1(path, &best, &last, &err), err);
    snprintf(expected, sizeof expected, "30 images, top-1 %.2f %%", last);
    ck_assert_msg(strstr(printed, expected) != NULL, "%s: %s", expected, printed);
    ck_assert_ptr_nonnull(strstr(again, expected));
    free(printed);
    free(again);
    /* Stripped, the weights are codes, and no logit or optimizer state is left. */
    char *stripped = app_format("%s/stripped.safetensors", dir);
    ck_ok(run_once(
              (options){.config = configs[1], .resume = snapshot, .eval = true, .strip = stripped},
              &printed, &err),
        err);
    ck_assert_ptr_nonnull(strstr(printed, "stripped to "));
    free(printed);
    nncf_checkpoint *whole, *small_one;
    ck_ok(nncf_checkpoint_open(NULL, snapshot, NULL, &whole, &err), err);
    ck_ok(nncf_checkpoint_open(NULL, stripped, NULL, &small_one, &err), err);
    size_t codes = 0;
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(small_one); i++) {
        nncf_tensor t;
        const char *name = nncf_checkpoint_get_tensor_name(small_one, i);
        ck_assert_ptr_null(strstr(name, "optimizer"));
        ck_assert_ptr_null(strstr(name, "mask_logit"));
        ck_assert_int_eq(nncf_checkpoint_get_tensor(small_one, name, &t, NULL), NNCF_OK);
        codes += t.dtype == NNCF_S8 || t.dtype == NNCF_U8;
    }
    ck_assert_uint_gt(codes, 0);
    ck_assert_uint_lt(
        nncf_checkpoint_get_tensor_count(small_one), nncf_checkpoint_get_tensor_count(whole));
    nncf_checkpoint_close(small_one);
    nncf_checkpoint_close(whole);
    free(stripped);
    /* Weights alone, quantizers initialized on the spot. */
    ck_ok(
        run_once((options){.config = configs[1], .weights = weights, .eval = true}, &printed, &err),
        err);
    ck_assert_ptr_nonnull(strstr(printed, "30 images"));
    free(printed);
    free(path);
    free(snapshot);
    free(weights);
    free(small);
    free(fp32);
    free(configs[0]);
    free(configs[1]);
}
END_TEST

START_TEST(what_cannot_be_resumed_says_why)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *out = app_format("%s/out", dir),
         *snapshot = app_format("%s/lenet_mnist_last.safetensors", out), *configs[2];
    fixture_write_text(dir, "plain.json", plain);
    fixture_write_text(dir, "sparse.json", sparse_int8);
    configs[0] = app_copy(fixture_path(dir, "plain.json"));
    configs[1] = app_copy(fixture_path(dir, "sparse.json"));
    ck_ok(run_once((options){.config = configs[0], .out = out, .max_steps = 2}, NULL, &err), err);
    ck_assert_int_ne(
        run_once((options){.config = configs[1], .out = out, .resume = snapshot}, NULL, &err),
        NNCF_OK);
    ck_assert_int_eq(run_once((options){.config = configs[0],
                                  .out = out,
                                  .resume = snapshot,
                                  .seed = 9,
                                  .seed_given = true},
                         NULL, &err),
        NNCF_E_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.message, "--seed 0"));
    ck_assert_int_eq(
        run_once((options){.config = configs[0], .out = out, .resume = configs[0]}, NULL, &err),
        NNCF_E_FORMAT);
    ck_assert_int_eq(
        run_once((options){.config = configs[0], .out = out, .weights = configs[0]}, NULL, &err),
        NNCF_E_FORMAT);
    /* the library's reason, and the cure */
    nncf_checkpoint *wrong;
    nncf_error why = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_checkpoint_open(NULL, configs[0], NULL, &wrong, &why), NNCF_E_FORMAT);
    ck_assert_msg(strncmp(err.message, why.message, strlen(why.message)) == 0, "%s", err.message);
    ck_assert_ptr_nonnull(strstr(err.message, "PyTorch's .pth must be converted"));
    ck_assert_int_eq(
        run_once((options){.config = configs[0], .out = out, .weights = "/nowhere"}, NULL, &err),
        NNCF_E_IO);
    ck_assert_int_eq(
        run_once((options){.config = configs[0], .eval = true}, NULL, &err), NNCF_E_ARG);
    free(out);
    free(snapshot);
    free(configs[0]);
    free(configs[1]);
}
END_TEST

START_TEST(photographs_train_with_the_first_config_of_nncf)
{
    /* The config as it was published, but for the batch: a few small pictures in one flat folder.
     */
    static const int colours[3][3] = {{200, 50, 50}, {50, 200, 50}, {50, 50, 200}};
    nncf_error err = NNCF_ERROR_INIT;
    char *pictures = app_format("%s/pictures", dir), *out = app_format("%s/out", dir), *text = NULL;
    size_t size;
    FILE *output = open_memstream(&text, &size);
    run r;
    ck_ok(app_make_dirs(pictures, &err), err);
    for (int i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.jpg", i);
        fixture_write_jpeg(pictures, name, 64 + 40 * i, 80, 3, colours[i]);
    }
    const options o = {.config = EXAMPLE_CONFIGS "/mobilenetv2_imagenet_rb_int8.json",
        .data = pictures,
        .out = out,
        .batch_size = 2,
        .max_steps = 1};
    ck_ok(run_open(&o, output, output, &r, &err), err);
    ck_ok(run_train(&r, &err), err);
    run_close(&r);
    fclose(output);
    ck_assert_ptr_nonnull(strstr(text, "placeholder"));
    ck_assert_ptr_nonnull(strstr(text, "--max-steps 1: training ends"));
    ck_assert(
        app_is_file(fixture_path(out, "mobilenetv2_imagenet_rb_sparsity_int8_last.safetensors")));
    free(text);
    free(pictures);
    free(out);
}
END_TEST

static net *build(
    const char *model, double width, int64_t stem, int64_t channels, int64_t size, int64_t classes)
{
    nncf_error err = NNCF_ERROR_INIT;
    const train_settings s = {.model = {model, width, stem},
        .sample_size = {1, channels, size, size},
        .num_classes = classes,
        .seed = 1};
    nncf_config *config;
    net *n;
    ck_ok(nncf_config_parse(NULL, "x", "{}", 2, NULL, &config, &err), err);
    ck_ok(models_build(config, NULL, &s, &n, &err), err);
    nncf_config_destroy(config);
    return n;
}

static const net_tensor *tensor(const net *n, const char *name)
{
    size_t count;
    const net_tensor *t = net_tensors(n, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(t[i].name, name) == 0)
            return &t[i];
    ck_abort_msg("there is no %s", name);
}

static size_t parameters(const net *n)
{
    size_t count, total = 0;
    const net_tensor *t = net_tensors(n, &count);
    for (size_t i = 0; i < count; i++)
        total += t[i].grad != NULL ? t[i].count : 0;
    return total;
}

START_TEST(models_have_the_published_sizes_and_names)
{
    net *n = build("mobilenetv2", 1.0, 2, 3, 224, 1000);
    ck_assert_uint_eq(parameters(n), 3504872); /* torchvision's mobilenet_v2 */
    ck_assert_int_eq(tensor(n, "features.1.conv.0.0.weight")->shape[0], 32);
    ck_assert_int_eq(tensor(n, "features.1.conv.1.weight")->shape[0], 16);
    ck_assert_int_eq(tensor(n, "features.2.conv.1.1.running_var")->shape[0], 96);
    ck_assert_int_eq(tensor(n, "features.17.conv.2.weight")->shape[0], 320);
    ck_assert_int_eq(tensor(n, "features.18.0.weight")->shape[1], 320);
    ck_assert_int_eq(tensor(n, "classifier.1.weight")->shape[1], 1280);
    ck_assert_str_eq(
        net_module_name(
            n, "MobileNetV2/Sequential[features]/InvertedResidual[2]/Sequential[conv]/Conv2d[3]"),
        "features.2.conv.1.0");
    ck_assert_ptr_nonnull(nncf_model_find_layer(
        net_model(n), "MobileNetV2/Sequential[features]/InvertedResidual[3]/__add___0"));
    ck_assert_ptr_nonnull(nncf_model_find_layer(
        net_model(n), "MobileNetV2/Sequential[features]/Sequential[0]/Conv2d[0]"));
    net_destroy(n);
    n = build("mobilenetv2", 1.4, 2, 3, 224, 1000);
    ck_assert_uint_eq(parameters(n), 6108776); /* 1.4: 6.1 M, the last layer 1792 wide */
    net_destroy(n);
    n = build("resnet18", 1.0, 2, 3, 224, 1000);
    ck_assert_uint_eq(parameters(n), 11689512); /* torchvision's resnet18 */
    ck_assert_int_eq(tensor(n, "layer2.0.downsample.0.weight")->shape[0], 128);
    ck_assert_ptr_nonnull(nncf_model_find_layer(
        net_model(n), "ResNet/Sequential[layer1]/BasicBlock[0]/Conv2d[conv1]"));
    net_destroy(n);
    n = build("resnet50", 1.0, 2, 3, 224, 1000);
    ck_assert_uint_eq(parameters(n), 25557032); /* torchvision's resnet50 */
    ck_assert_int_eq(tensor(n, "layer4.0.conv2.weight")->shape[2], 3);
    ck_assert_ptr_nonnull(nncf_model_find_layer(
        net_model(n), "ResNet/Sequential[layer4]/Bottleneck[2]/Conv2d[conv3]"));
    net_destroy(n);
    n = build("lenet", 1.0, 2, 1, 28, 10);
    ck_assert_uint_eq(parameters(n), 61706); /* LeNet-5 */
    net_destroy(n);
}
END_TEST

START_TEST(weights_begin_as_they_should)
{
    net *n = build("mobilenetv2", 1.0, 2, 3, 32, 1000);
    const struct {
        const char *name;
        double deviation;
    } cases[] = {{"features.18.0.weight", sqrt(2.0 / 1280)},
        {"features.17.conv.1.0.weight", sqrt(2.0 / (960 * 9))}, {"classifier.1.weight", 0.01}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const net_tensor *t = tensor(n, cases[i].name);
        double sum = 0.0, square = 0.0;
        for (size_t k = 0; k < t->count; k++) {
            sum += t->data[k];
            square += (double)t->data[k] * t->data[k];
        }
        ck_assert_double_eq_tol(sqrt(square / (double)t->count) / cases[i].deviation, 1.0, 0.03);
        ck_assert_double_eq_tol(sum / (double)t->count / cases[i].deviation, 0.0, 0.05);
    }
    ck_assert_float_eq(tensor(n, "features.0.1.weight")->data[0], 1.0f);
    ck_assert_float_eq(tensor(n, "classifier.1.bias")->data[0], 0.0f);
    net_destroy(n);
}
END_TEST

/* Loss of a fixed linear function of the logits, sum(c * logits). */
static double probe(net *n, const float *x, int64_t count, const float *c)
{
    nncf_error err = NNCF_ERROR_INIT;
    const float *logits;
    double sum = 0.0;
    ck_ok(net_forward(n, x, count, &logits, &err), err);
    for (int64_t i = 0; i < count * net_outputs(n); i++)
        sum += (double)c[i] * logits[i];
    return sum;
}

START_TEST(gradients_of_a_residual_net_meet_differences)
{
    /* The blocks with sums are the point: gradients of both ways must meet. Batch norm in train
     * mode, plain layers. */
    enum { COUNT = 16, CLASSES = 5, PIXELS = 32 * 32 };
    nncf_error err = NNCF_ERROR_INIT;
    net *n = build("mobilenetv2", 0.25, 1, 1, 32, CLASSES);
    static float x[COUNT * PIXELS];
    float c[COUNT * CLASSES];
    rng r = rng_make(5, RNG_INIT, 0, 0);
    static const char *const names[] = {"features.0.1.bias", "features.1.conv.2.weight",
        "features.3.conv.2.weight", "features.9.conv.3.weight", "classifier.1.weight"};
    for (int i = 0; i < COUNT * PIXELS; i++)
        x[i] = (float)rng_normal(&r);
    for (int i = 0; i < COUNT * CLASSES; i++)
        c[i] = (float)rng_normal(&r);
    for (int k = 0; k < 2; k++) { /* the second time buffers are used again */
        net_zero_grad(n);
        probe(n, x, COUNT, c);
        memcpy(net_logits_grad(n), c, sizeof c);
        ck_ok(net_backward(n, x, &err), err);
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        /* Along the gradient itself, where the change is largest against rounding and the kinks of
         * ReLU6. */
        const net_tensor *t = tensor(n, names[i]);
        float *keep = malloc(t->count * sizeof *keep);
        double norm = 0.0, step, up, down;
        memcpy(keep, t->data, t->count * sizeof *keep);
        for (size_t k = 0; k < t->count; k++)
            norm += (double)t->grad[k] * t->grad[k];
        norm = sqrt(norm);
        ck_assert_double_gt(norm, 1e-4);
        step = 5e-3 / norm; /* changes the probe by a hundredth, far above rounding */
        for (size_t k = 0; k < t->count; k++)
            t->data[k] = (float)(keep[k] + step * t->grad[k] / norm);
        up = probe(n, x, COUNT, c);
        for (size_t k = 0; k < t->count; k++)
            t->data[k] = (float)(keep[k] - step * t->grad[k] / norm);
        down = probe(n, x, COUNT, c);
        memcpy(t->data, keep, t->count * sizeof *keep);
        free(keep);
        ck_assert_msg(fabs((up - down) / (2 * step) / norm - 1.0) < 0.03, "%s: %g, not %g",
            names[i], (up - down) / (2 * step), norm);
    }
    net_destroy(n);
}
END_TEST

START_TEST(cross_entropy_and_accuracy_by_hand)
{
    static const float logits[] = {0, 0, 0, 0, 0,
        0, /* uniform: log 6, and label 5 is last among equals */
        1000, 0, 0, 0, 0, 0, /* sure and right: loss 0, no overflow */
        2, 1, 0, -1, -2, -3};
    static const int32_t labels[] = {5, 0, 1};
    float grad[18];
    accuracy a = {0};
    double sum = 0.0, loss;
    for (int i = 0; i < 6; i++)
        sum += exp(2 - i);
    loss = metrics_cross_entropy(logits, labels, 3, 6, grad);
    ck_assert_double_eq_tol(loss, (log(6.0) + 0.0 + log(sum) - 1.0) / 3.0, 1e-12);
    ck_assert_double_eq_tol(grad[0], 1.0 / 18.0, 1e-7);
    ck_assert_double_eq_tol(grad[5], (1.0 / 6.0 - 1.0) / 3.0, 1e-7);
    ck_assert_double_eq_tol(grad[6], 0.0, 1e-7);
    ck_assert_double_eq_tol(grad[13], (exp(1.0) / sum - 1.0) / 3.0, 1e-7);
    metrics_count(&a, logits, labels, 3, 6);
    ck_assert_double_eq_tol(metrics_top1(&a), 100.0 / 3.0, 1e-12);
    ck_assert_double_eq_tol(metrics_top5(&a), 200.0 / 3.0, 1e-12);
}
END_TEST

START_TEST(metrics_lines_are_kept_and_read)
{
    nncf_error err = NNCF_ERROR_INIT;
    char *path = app_format("%s/m.jsonl", dir), *text;
    double best, last, values[] = {3, 1, 2, 10};
    ck_ok(metrics_keep_before(path, 0, &err), err); /* no file is fine */
    for (int i = 0; i < 4; i++)
        ck_ok(metrics_append(path,
                  &(epoch_metrics){.epoch = i,
                      .lr = 0.1,
                      .test_top1 = i == 1 ? 90.5
                          : i == 3        ? NAN
                                          : 80},
                  &err),
            err);
    ck_ok(metrics_read_top1(path, &best, &last, &err), err);
    ck_assert(best == 90.5 && last == 80.0);
    ck_ok(metrics_keep_before(path, 2, &err), err);
    text = fixture_read_text(path);
    ck_assert_int_eq(count_lines(text), 2);
    ck_assert_ptr_nonnull(strstr(text, "{\"epoch\": 1, \"lr\": 0.1, "));
    free(text);
    fixture_write_text(dir, "m.jsonl", "{\"epoch\": 0}\n");
    ck_assert_int_eq(metrics_read_top1(path, &best, &last, &err), NNCF_E_NOTFOUND);
    free(path);
    ck_assert_double_eq(metrics_median(values, 4), 2.5);
    ck_assert_double_eq(metrics_median(values, 3), 2.0);
    ck_assert(isnan(metrics_median(values, 0)));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("example_training");
    TCase *c = fx_case(suite, "all", 120);
    tcase_add_checked_fixture(c, setup, teardown);
    tcase_add_loop_test(c, same_seed_same_run_and_resumed_too, 0, 3);
    tcase_add_test(c, accuracy_and_sparsity_of_a_row_belong_together);
    tcase_add_test(c, a_changed_config_is_accepted_on_request);
    tcase_add_test(c, the_best_snapshot_is_of_the_final_level);
    tcase_add_test(c, weights_go_from_fp32_to_compressed_and_are_tested);
    tcase_add_test(c, what_cannot_be_resumed_says_why);
    tcase_add_test(c, photographs_train_with_the_first_config_of_nncf);
    tcase_add_test(c, models_have_the_published_sizes_and_names);
    tcase_add_test(c, weights_begin_as_they_should);
    tcase_add_test(c, gradients_of_a_residual_net_meet_differences);
    tcase_add_test(c, cross_entropy_and_accuracy_by_hand);
    tcase_add_test(c, metrics_lines_are_kept_and_read);
    return fx_main(suite);
}
