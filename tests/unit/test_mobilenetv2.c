/* SPDX-License-Identifier: Apache-2.0 */
/* The classification sample's models, built by the sample's own code, against torchvision's in float64
 * (golden/<model>_torchvision.json, made by golden/gen/torchvision_forward.py): eval mode, 224x224. */
#include "../../examples/classification/models.h"
#include "../../examples/classification/net_internal.h"
#include "../golden_formula.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define TOLERANCE 1e-4 /* largest difference of a logit, relative to the largest logit */

enum { CLASSES = 1000, MAX_BATCH = 2 };

static struct json_object *get(struct json_object *o, const char *key)
{
    struct json_object *value = NULL;
    ck_assert_msg(json_object_object_get_ex(o, key, &value), "golden file: no \"%s\"", key);
    return value;
}

static net *build(nncf_context *context, void (*add_layers)(net *, const model_settings *, int64_t))
{
    const model_settings settings = {.width_mult = 1.0, .stem_stride = 2};
    const int64_t sample[4] = {1, 3, 224, 224};
    nncf_error err = NNCF_ERROR_INIT;
    net *n = NULL;
    size_t count;
    const net_tensor *tensors;
    ck_assert_msg(net_create(context, sample, 1, &n, &err) == NNCF_OK, "%s", err.message);
    add_layers(n, &settings, CLASSES);
    ck_assert_msg(net_finish(n, &err) == NNCF_OK, "%s", err.message);
    tensors = net_tensors(n, &count);
    for (size_t i = 0; i < count; i++)
        golden_parameter(tensors[i].name, tensors[i].shape, tensors[i].ndim, tensors[i].data);
    ck_assert_int_eq(nncf_model_set_mode(net_model(n), NNCF_MODE_EVAL), NNCF_OK);
    return n;
}

/* The last node of the stage: the one whose scope begins with the stage's, whatever the class of its blocks. */
static const net_node *stage_node(const net *n, const char *prefix, const char *index)
{
    const net_node *found = NULL;
    for (int i = 0; i < n->n_nodes; i++) {
        const char *scope = nncf_layer_scope(n->nodes[i].layer), *block;
        if (strncmp(scope, prefix, strlen(prefix)) != 0 || (block = strchr(scope + strlen(prefix), '[')) == NULL)
            continue;
        if (strncmp(block, index, strlen(index)) == 0)
            found = &n->nodes[i];
    }
    ck_assert_msg(found != NULL, "no layer in %s...%s", prefix, index);
    return found;
}

/* torchvision's name of a stage, as what scopes begin with up to the class of the block, and the block's index. */
static void stage_prefix(const char *stage, char *prefix, char *index, size_t size)
{
    int number, block;
    if (sscanf(stage, "features.%d", &block) == 1)
        snprintf(prefix, size, "MobileNetV2/Sequential[features]/");
    else if (sscanf(stage, "layer%d.%d", &number, &block) == 2)
        snprintf(prefix, size, "ResNet/Sequential[layer%d]/", number);
    else
        ck_abort_msg("unknown stage %s", stage);
    snprintf(index, size, "[%d]/", block);
}

/* Says where a wrong result begins: mean and a few values after every stage. */
static void check_stages(const net *n, struct json_object *stages)
{
    json_object_object_foreach(stages, stage, expected)
    {
        char prefix[128], index[128];
        const net_node *node;
        const float *y;
        double mean = 0.0, largest = json_object_get_double(get(expected, "max_abs"));
        size_t count;
        stage_prefix(stage, prefix, index, sizeof prefix);
        node = stage_node(n, prefix, index);
        count = node->count * (size_t)n->batch;
        y = node->y;
        for (size_t i = 0; i < count; i++)
            mean += (double)y[i] / (double)count;
        ck_assert_msg(fabs(mean - json_object_get_double(get(expected, "mean"))) <= TOLERANCE * largest,
                      "%s: mean %.9g, expected %.9g", stage, mean, json_object_get_double(get(expected, "mean")));
        for (size_t i = 0; i < 4; i++) {
            double value = json_object_get_double(json_object_array_get_idx(get(expected, "first"), i));
            ck_assert_msg(fabs((double)y[i] - value) <= TOLERANCE * largest, "%s: element %zu is %.9g, not %.9g", stage,
                          i, (double)y[i], value);
        }
    }
}

static void check_logits(const float *logits, struct json_object *expected)
{
    double largest = 0.0, difference = 0.0;
    for (size_t s = 0; s < json_object_array_length(expected); s++) {
        struct json_object *row = json_object_array_get_idx(expected, s);
        ck_assert_uint_eq(json_object_array_length(row), CLASSES);
        for (size_t c = 0; c < CLASSES; c++) {
            double value = json_object_get_double(json_object_array_get_idx(row, c));
            double d = fabs((double)logits[s * CLASSES + c] - value);
            largest = fmax(largest, fabs(value));
            difference = d <= difference ? difference : d; /* NaN stays */
        }
    }
    printf("largest logit %.6g, largest relative difference %.3g\n", largest, difference / largest);
    ck_assert_msg(difference <= TOLERANCE * largest, "logits are off by %g of the largest one", difference / largest);
}

static void check_model(const char *file, void (*add_layers)(net *, const model_settings *, int64_t))
{
    struct json_object *golden = json_object_from_file(file);
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    size_t count = 3 * 224 * 224;
    int64_t batch;
    const float *logits = NULL;
    float *x;
    net *n;
    ck_assert_ptr_nonnull(golden);
    batch = json_object_get_int64(json_object_array_get_idx(get(golden, "input_shape"), 0));
    ck_assert(batch >= 1 && batch <= MAX_BATCH);
    x = malloc((size_t)batch * count * sizeof *x);
    ck_assert_ptr_nonnull(x);
    golden_uniform("input", -2.0, 2.0, (size_t)batch * count, x);
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, NULL, &context, &err), NNCF_OK);
    n = build(context, add_layers);
    ck_assert_msg(net_forward(n, x, batch, &logits, &err) == NNCF_OK, "%s", err.message);
    check_stages(n, get(golden, "stages"));
    check_logits(logits, get(golden, "logits"));
    net_destroy(n);
    nncf_context_destroy(context);
    free(x);
    json_object_put(golden);
}

START_TEST(test_mobilenetv2)
{
    check_model(NNCF_GOLDEN_DIR "/mobilenetv2_torchvision.json", mobilenetv2_build);
}
END_TEST

START_TEST(test_resnet18)
{
    check_model(NNCF_GOLDEN_DIR "/resnet18_torchvision.json", resnet18_build);
}
END_TEST

START_TEST(test_resnet50)
{
    check_model(NNCF_GOLDEN_DIR "/resnet50_torchvision.json", resnet50_build);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torchvision");
    TCase *tcase = tcase_create("forward");
    SRunner *runner;
    int failed;
    tcase_set_timeout(tcase, 280);
    tcase_add_test(tcase, test_mobilenetv2);
    tcase_add_test(tcase, test_resnet18);
    tcase_add_test(tcase, test_resnet50);
    suite_add_tcase(suite, tcase);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
