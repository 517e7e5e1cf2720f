/* SPDX-License-Identifier: Apache-2.0 */
/* The classification sample's models, built by the sample's own code, against torchvision's in
 * float64 (golden/<model>_torchvision.json, made by golden/gen/torchvision_forward.py): eval mode,
 * 224x224. */
#include "../../examples/classification/models.h"
#include "../../examples/classification/net_internal.h"
#include "support/golden.h"
#include "support/golden_formula.h"
#include "support/runner.h"

#include <check.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TOLERANCE 1e-4 /* largest difference of a logit, relative to the largest logit */

enum { CLASSES = 1000, MAX_BATCH = 2 };

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
    ck_assert_int_eq(nncf_model_set_mode(net_model(n), NNCF_MODE_EVAL, NULL), NNCF_OK);
    return n;
}

/* The last node of the stage: the one whose scope begins with the stage's, whatever the class of
 * its blocks. */
static const net_node *stage_node(const net *n, const char *prefix, const char *index)
{
    const net_node *found = NULL;
    for (int i = 0; i < n->n_nodes; i++) {
        const char *scope = nncf_layer_get_scope(n->nodes[i].layer), *block;
        if (strncmp(scope, prefix, strlen(prefix)) != 0 ||
            (block = strchr(scope + strlen(prefix), '[')) == NULL)
            continue;
        if (strncmp(block, index, strlen(index)) == 0)
            found = &n->nodes[i];
    }
    ck_assert_msg(found != NULL, "no layer in %s...%s", prefix, index);
    return found;
}

/* torchvision's name of a stage, as what scopes begin with up to the class of the block, and the
 * block's index. */
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
        double mean = 0.0, largest = json_object_get_double(fx_member(expected, "max_abs"));
        size_t count;
        stage_prefix(stage, prefix, index, sizeof prefix);
        node = stage_node(n, prefix, index);
        count = node->count * (size_t)n->batch;
        y = node->y;
        for (size_t i = 0; i < count; i++)
            mean += (double)y[i] / (double)count;
        ck_assert_msg(
            fabs(mean - json_object_get_double(fx_member(expected, "mean"))) <= TOLERANCE * largest,
            "%s: mean %.9g, expected %.9g", stage, mean,
            json_object_get_double(fx_member(expected, "mean")));
        for (size_t i = 0; i < 4; i++) {
            double value =
                json_object_get_double(json_object_array_get_idx(fx_member(expected, "first"), i));
            ck_assert_msg(fabs((double)y[i] - value) <= TOLERANCE * largest,
                "%s: element %zu is %.9g, not %.9g", stage, i, (double)y[i], value);
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
    ck_assert_msg(difference <= TOLERANCE * largest, "logits are off by %g of the largest one",
        difference / largest);
}

static void check_model(
    const char *file, void (*add_layers)(net *, const model_settings *, int64_t))
{
    struct json_object *golden = fx_golden(file);
    nncf_context *context = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    size_t count = 3 * 224 * 224;
    int64_t batch;
    const float *logits = NULL;
    float *x;
    net *n;
    ck_assert_ptr_nonnull(golden);
    batch = json_object_get_int64(json_object_array_get_idx(fx_member(golden, "input_shape"), 0));
    ck_assert(batch >= 1 && batch <= MAX_BATCH);
    x = malloc((size_t)batch * count * sizeof *x);
    ck_assert_ptr_nonnull(x);
    golden_uniform("input", -2.0, 2.0, (size_t)batch * count, x);
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, NULL, &context, &err), NNCF_OK);
    n = build(context, add_layers);
    ck_assert_msg(net_forward(n, x, batch, &logits, &err) == NNCF_OK, "%s", err.message);
    check_stages(n, fx_member(golden, "stages"));
    check_logits(logits, fx_member(golden, "logits"));
    net_destroy(n);
    nncf_context_destroy(context);
    free(x);
    json_object_put(golden);
}

/* ---- signs and places of NNCF 1.3.1's quantizers ---- */

enum { KEY = 96 };

/* One name for an activation quantizer, of NNCF's id (torchvision's classes) and of a layer of the
 * sample: which block, and what stands at its end. */
static void key_of_id(const char *id, char out[KEY])
{
    int block = -1, position = -1;
    const char *inverted = strstr(id, "InvertedResidual["),
               *single = strstr(id, "[features]/Conv2dNormActivation[");
    const char *unit = inverted ? strstr(id, "[conv]/Conv2dNormActivation[") : NULL;
    if (strstr(id, "module_input")) {
        snprintf(out, KEY, "input");
    } else if (inverted) {
        ck_assert_int_eq(sscanf(inverted, "InvertedResidual[%d]", &block), 1);
        if (unit)
            ck_assert_int_eq(sscanf(unit, "[conv]/Conv2dNormActivation[%d]", &position), 1);
        snprintf(out, KEY, "%d %s %d", block,
            unit                        ? "relu"
                : strstr(id, "__add__") ? "add"
                                        : "bn",
            position);
    } else if (single) {
        ck_assert_int_eq(sscanf(single, "[features]/Conv2dNormActivation[%d]", &block), 1);
        snprintf(out, KEY, "%d relu -1", block);
    } else {
        snprintf(out, KEY, "%s", strstr(id, "avg_pool") ? "pool" : id);
    }
}

static void key_of_scope(const char *scope, char out[KEY])
{
    int block = -1, position = -1;
    const char *inverted = strstr(scope, "InvertedResidual["),
               *single = strstr(scope, "[features]/Sequential[");
    if (inverted && strstr(inverted, "__add__")) {
        ck_assert_int_eq(sscanf(inverted, "InvertedResidual[%d]", &block), 1);
        snprintf(out, KEY, "%d add -1", block);
    } else if (inverted) { /* convolution, batch norm, ReLU6 count as three; the last one has no
                              ReLU6 */
        ck_assert_int_eq(
            sscanf(inverted, "InvertedResidual[%d]/Sequential[conv]/Conv2d[%d]", &block, &position),
            2);
        const bool last = position == (block == 1 ? 3 : 6);
        snprintf(out, KEY, "%d %s %d", block, last ? "bn" : "relu", last ? -1 : position / 3);
    } else if (single) {
        ck_assert_int_eq(sscanf(single, "[features]/Sequential[%d]", &block), 1);
        snprintf(out, KEY, "%d relu -1", block);
    } else {
        snprintf(out, KEY, "%s", strstr(scope, "mean") ? "pool" : scope);
    }
}

/* Find the vector of that key, compare its sign, and count it. */
static void expect_quantizer(
    struct json_object *vectors, const char *key, int32_t bits, int32_t is_signed, size_t *found)
{
    for (size_t i = 0; i < json_object_array_length(vectors); i++) {
        struct json_object *v = json_object_array_get_idx(vectors, i);
        char other[KEY];
        key_of_id(json_object_get_string(fx_member(v, "id")), other);
        if (strcmp(key, other) != 0)
            continue;
        ck_assert_int_eq(1 << bits, json_object_get_int(fx_member(v, "levels")));
        ck_assert_msg(is_signed == json_object_get_int(fx_member(v, "signed")), "%s: signed is %d",
            key, (int)is_signed);
        (*found)++;
        return;
    }
    ck_abort_msg("NNCF has no quantizer %s", key);
}

START_TEST(quantizers_are_those_of_nncf)
{
    static const char text[] =
        "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "
        "{\"num_init_steps\": 1, \"type\": \"mean_min_max\"}}}}";
    struct json_object *golden = fx_golden("mobilenet_v2_quantizers.json");
    struct json_object *activations = fx_member(golden, "activation_quantizers"),
                       *weights = fx_member(golden, "weight_quantizers");
    const size_t count = 3 * 224 * 224;
    nncf_context *context = NULL;
    nncf_config *config = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    float *x = malloc(count * sizeof *x);
    const float *logits = NULL;
    size_t found = 0, n_weights = 0;
    int32_t more;
    ck_assert_ptr_nonnull(x);
    golden_uniform("input", -2.0, 2.0, count, x);
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, NULL, &context, &err), NNCF_OK);
    net *n = build(context, mobilenetv2_build);
    ck_assert_msg(
        nncf_config_parse(context, "test", text, strlen(text), NULL, &config, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_msg(nncf_compression_ctrl_create(net_model(n), config, &ctrl, &err) == NNCF_OK, "%s",
        err.message);
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more)
        ck_assert_msg(net_forward(n, x, 1, &logits, &err) == NNCF_OK, "%s", err.message);
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    for (size_t i = 0; nncf_compression_ctrl_get_layer_statistics(ctrl, i, &s, NULL) == NNCF_OK;
         i++) {
        char key[KEY];
        key_of_scope(s.scope, key);
        if (strstr(
                s.scope, "mean_1")) /* torchvision pools in one step, the sample's model in two */
            ck_assert(s.output_bits == 8 && !s.output_signed);
        else if (s.output_bits)
            expect_quantizer(activations, key, s.output_bits, s.output_signed, &found);
        if (s.input_bits)
            expect_quantizer(activations, "input", s.input_bits, s.input_signed, &found);
        if (s.weight_bits) {
            struct json_object *v = json_object_array_get_idx(weights, n_weights++);
            ck_assert_int_eq(s.weight_signed, json_object_get_int(fx_member(v, "signed")));
            ck_assert_int_eq((1 << s.weight_bits) - 1, json_object_get_int(fx_member(v, "levels")));
        }
    }
    ck_assert_uint_eq(found, json_object_array_length(activations));
    ck_assert_uint_eq(n_weights, json_object_array_length(weights));
    printf("mobilenet_v2_quantizers.json: %zu activation and %zu weight quantizers, all in place "
           "and of the same sign\n",
        found, n_weights);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_config_destroy(config);
    net_destroy(n);
    nncf_context_destroy(context);
    free(x);
    json_object_put(golden);
}
END_TEST

START_TEST(mobilenetv2_computes_what_torchvision_does)
{
    check_model("mobilenetv2_torchvision.json", mobilenetv2_build);
}
END_TEST

START_TEST(resnet18_computes_what_torchvision_does)
{
    check_model("resnet18_torchvision.json", resnet18_build);
}
END_TEST

START_TEST(resnet50_computes_what_torchvision_does)
{
    check_model("resnet50_torchvision.json", resnet50_build);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("torchvision");
    TCase *tcase = fx_case(suite, "forward", 280);
    tcase_add_test(tcase, mobilenetv2_computes_what_torchvision_does);
    tcase_add_test(tcase, quantizers_are_those_of_nncf);
    tcase_add_test(tcase, resnet18_computes_what_torchvision_does);
    tcase_add_test(tcase, resnet50_computes_what_torchvision_does);
    return fx_main(suite);
}
