/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where quantizers and masks stand: what test_quantizer_lists.c does not tell.
 */
#include "config/canonical.h"
#include "controller/ctrl.h"
#include "exec/codes.h"
#include "graph/model.h"
#include "quantization/quantizer.h"
#include "support/fixture.h"
#include "support/zoo.h"

#include <stdbool.h>

static const char int8_config[] = "{\"compression\": {\"algorithm\": \"quantization\", "
                                  "\"initializer\": {\"num_init_steps\": 1}}}";

/* The quantizer whose codes a layer reads. */
static const nncf__quantizer *source_of(const nncf_compression_ctrl *ctrl, size_t layer)
{
    return nncf__layer_source(ctrl->model->layers[layer], 0).quantizer;
}

static void counts(
    const nncf_compression_ctrl *ctrl, size_t weights, size_t inputs, size_t activations)
{
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_uint_eq(s.weight_quantizers, weights);
    ck_assert_uint_eq(s.input_quantizers, inputs);
    ck_assert_uint_eq(s.activation_quantizers, activations);
}

static nncf_layer_statistics layer_statistics(const nncf_compression_ctrl *ctrl, size_t index)
{
    nncf_layer_statistics s = {NNCF_PARAMS(nncf_layer_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(ctrl, index, &s, NULL), NNCF_OK);
    return s;
}

START_TEST(mobilenet_v2_has_its_quantizers)
{
    zoo *z = zoo_mobilenet_v2(true, ZOO_TORCHVISION);
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model, int8_config);
    counts(ctrl, 53, 1, 63);
    ck_assert_int_eq(layer_statistics(ctrl, 0).input_bits, 8);
    ck_assert_ptr_eq(source_of(ctrl, 0), ctrl->layers[0].input_quantizer);
    ck_assert_ptr_eq(source_of(ctrl, 1), ctrl->layers[0].output_quantizer);
    /* until initialized: what follows a ReLU counts from 0, what follows a linear bottleneck has a
     * sign */
    ck_assert_int_eq(layer_statistics(ctrl, 0).output_signed, 0);
    ck_assert_int_eq(layer_statistics(ctrl, 2).output_signed, 1);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

START_TEST(max_pool_passes_codes_on_in_resnet18)
{
    zoo *z = zoo_resnet(true, ZOO_RESNET_TORCHVISION, false);
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model, int8_config);
    counts(ctrl, 21, 1, 29);
    /* the max pool passes on the codes of the first convolution */
    ck_assert_int_eq(layer_statistics(ctrl, 1).output_bits, 0);
    ck_assert_ptr_eq(source_of(ctrl, 2), ctrl->layers[0].output_quantizer);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

/* By propagation too the model's input is left alone where the config says so; and what is not
 * there is refused. */
START_TEST(propagation_decides_inputs_and_outputs)
{
    static const char with[] =
        "{\"target_device\": \"CPU\", \"compression\": {\"algorithm\": \"quantization\"%s}}";
    char text[256];
    zoo *z = zoo_mobilenet_v2(true, ZOO_TORCHVISION);
    snprintf(text, sizeof text, with, "");
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model, text);
    const size_t activations = fx_statistics(ctrl).activation_quantizers;
    counts(ctrl, 53, 1, activations);
    ck_assert_uint_gt(activations, 50);
    nncf_compression_ctrl_destroy(ctrl);
    snprintf(text, sizeof text, with, ", \"quantize_inputs\": false");
    ctrl = fx_ctrl(z->model, text);
    counts(ctrl, 53, 0, activations);
    ck_assert_ptr_null(source_of(ctrl, 0));
    nncf_compression_ctrl_destroy(ctrl);
    nncf_error err = NNCF_ERROR_INIT;
    snprintf(text, sizeof text, with, ", \"quantize_outputs\": true");
    nncf_config *config = fx_config(NULL, text);
    ck_assert_int_eq(
        nncf_compression_ctrl_create(z->model, config, &ctrl, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "compression.quantize_outputs");
    ck_assert_ptr_nonnull(strstr(err.message, "propagation"));
    nncf_config_destroy(config);
    zoo_free(z);
}
END_TEST

/* The config of NNCF's own documentation, verbatim, on the model that it was written for. */
START_TEST(the_documented_config_of_nncf_gives_its_lists)
{
    json_object *root = fx_golden("nncf_quantizer_lists.json");
    json_object *list =
        fx_get(fx_get(root, "v1.1 SEED CONFIG on its own mobilenetv2 sample model [real code run]"),
            "sparsified");
    char path[1024], text[16384];
    snprintf(path, sizeof path, "%s/configuration-file.md", NNCF_GOLDEN_DIR);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(text, 1, sizeof text - 1, file), masked = 0;
    fclose(file);
    text[size] = 0;
    char *begin = strstr(text, "```yaml") + 7, *end = strstr(begin, "```");
    *end = 0;

    zoo *z = zoo_mobilenet_v2(true, ZOO_SEED);
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model, begin);
    counts(ctrl, 53, 1, 64);
    for (size_t i = 0; i < ctrl->n_layers; i++) {
        const char *scope = nncf_layer_get_scope(nncf_model_get_layer(z->model, i)),
                   *own = strstr(scope, "/Conv2d[");
        char wrapped[ZOO_NAME];
        bool listed = false;
        if (!own)
            continue;
        zoo_name(wrapped, "%.*s/NNCF%s", (int)(own - scope), scope, own + 1);
        for (size_t j = 0; j < json_object_array_length(list) && !listed; j++)
            listed =
                strcmp(json_object_get_string(json_object_array_get_idx(list, j)), wrapped) == 0;
        ck_assert_msg((ctrl->layers[i].mask_kind != NNCF__MASK_NONE) == listed, "%s", scope);
        masked += listed;
    }
    ck_assert_uint_eq(masked + 1, json_object_array_length(list)); /* the linear layer besides */
    nncf_statistics s = fx_statistics(ctrl);
    ck_assert_uint_eq(s.sparsified_layers, 52);
    ck_assert_double_eq_tol(s.sparsity_target, 0.01, 1e-15);
    ck_assert_double_eq_tol(fx_loss(ctrl), 0.04, 1e-9);
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(ctrl), 52 + 53 + 1 + 64);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
    json_object_put(root);
}
END_TEST

START_TEST(ignored_and_target_scopes_choose_layers)
{
    zoo *z = zoo_mobilenet_v2(true, ZOO_TORCHVISION);
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": "
        "[\"MobileNetV2/Sequential[features]/InvertedResidual[2]\", \"Linear\"]}}");
    counts(ctrl, 53 - 3 - 1, 1, 63 - 3);
    /* the block before is quantized, so what enters the block is codes, and what leaves it is not
     */
    nncf_layer *inside = nncf_model_find_layer(z->model,
        "MobileNetV2/Sequential[features]/InvertedResidual[2]/Sequential[conv]/Conv2d[2]");
    ck_assert_ptr_null(source_of(ctrl, inside->index));
    ck_assert_ptr_null(source_of(ctrl, inside->index + 1));
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = fx_ctrl(z->model,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"target_scopes\": "
        "\"MobileNetV2/Sequential[features]/InvertedResidual[3]\"}}");
    ck_assert_uint_eq(fx_statistics(ctrl).sparsified_layers, 3);
    counts(ctrl, 0, 0, 0);
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = fx_ctrl(z->model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"quantize_inputs\": false}}");
    counts(ctrl, 53, 0, 63);
    nncf_compression_ctrl_destroy(ctrl);
    /* a convolution's own scope: the quantizer behind its ReLU6 is the ReLU6's affair, and the
     * other way round */
    ctrl = fx_ctrl(z->model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": "
        "\"MobileNetV2/Sequential[features]/InvertedResidual[2]/Sequential[conv]/Conv2d[2]\"}}");
    counts(ctrl, 52, 1, 63);
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = fx_ctrl(z->model,
        "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": [\"ReLU6\"]}}");
    counts(ctrl, 53, 1, 63 - 35);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

static node conv(
    zoo *z, const char *scope, const char *activation, int64_t in, int64_t out, node input)
{
    const zoo_conv c = {scope, NULL, activation, NNCF_OP_RELU, in, out, 3, 1};
    return zoo_add_conv(z, &c, input);
}

/* Without edges every layer with a weight quantizes its own input; a max pool in front of the first
 * layer is seen through. */
START_TEST(layers_without_edges_quantize_their_inputs)
{
    zoo *z = zoo_new(true);
    conv(z, "Net/Conv2d[a]", "Net/ReLU[a]", 4, 4, NULL);
    conv(z, "Net/Conv2d[b]", NULL, 4, 4, NULL);
    node max = zoo_pool(z, NNCF_POOL_MAX, "Net/pool", NULL);
    conv(z, "Net/Conv2d[c]", NULL, 4, 4, max);
    node average = zoo_pool(z, NNCF_POOL_AVERAGE, "Net/average", NULL);
    node last = conv(z, "Net/Conv2d[d]", NULL, 4, 4, average);
    nncf_compression_ctrl *ctrl = fx_ctrl(z->model, int8_config);
    counts(ctrl, 4, 3, 1); /* the average pool has a quantizer behind it, so that d needs none */
    ck_assert_ptr_eq(source_of(ctrl, last->index), ctrl->layers[average->index].output_quantizer);
    ck_assert_ptr_eq(source_of(ctrl, 3), ctrl->layers[3].input_quantizer);
    ck_assert_int_eq(layer_statistics(ctrl, 2).input_bits, 0);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

/* 1.1 KB of config that took 16 s: each search stayed below its own limit, but there are thousands
 * of them. */
/* The plan refuses what the controller would refuse, and says the same. */
START_TEST(plan_and_controller_refuse_the_same)
{
    static const struct {
        const char *dialect, *where;
    } cases[] = {
        {"1.1", "Net/AvgPool2d[p]"}, {"1.7\", \"target_device\": \"NONE", "Net/AvgPool2d[p]"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        nncf_model *model;
        nncf_layer *pool;
        nncf_plan *plan = NULL;
        nncf_compression_ctrl *ctrl = NULL;
        nncf_error planned = NNCF_ERROR_INIT, made = NNCF_ERROR_INIT;
        const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/AvgPool2d[p]",
            .kind = NNCF_POOL_AVERAGE, .kernel = {2, 2}};
        ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &pool, NULL), NNCF_OK);
        fx_layer c = fx_add_conv(model, "Net/Conv2d[c]", 2, 2, 1, NULL, pool);
        char text[300];
        snprintf(text, sizeof text,
            "{\"nncf_dialect\": \"%s\", \"compression\": {\"algorithm\": \"quantization\", "
            "\"activations\": "
            "{\"per_channel\": true}}}",
            cases[i].dialect);
        nncf_config *config = fx_config(NULL, text);
        ck_assert_int_eq(nncf_plan_create(model, config, &plan, &planned), NNCF_E_UNSUPPORTED);
        ck_assert_int_eq(
            nncf_compression_ctrl_create(model, config, &ctrl, &made), NNCF_E_UNSUPPORTED);
        ck_assert(!plan && !ctrl);
        ck_assert_str_eq(planned.where, cases[i].where);
        ck_assert_str_eq(planned.message, made.message);
        nncf_config_destroy(config);
        nncf_model_destroy(model);
        fx_layer_free(&c);
    }
}
END_TEST

/* Layers whose weights lie in the same memory: two masks or two ranges of one weight cannot be
 * meant; tied ones have one. */
START_TEST(weights_in_one_buffer_are_refused)
{
    enum { N = 4 };
    static const struct {
        const char *algorithm;
        size_t at[N]; /* where the weights of 4 floats begin */
        nncf_status status;
        const char *where, *text; /* of the error; NULL: none */
        bool tied; /* those that begin where the first one does, to it */
    } cases[] = {{"magnitude_sparsity", {0, 4, 8, 12}, NNCF_OK, NULL, NULL, false},
        {"magnitude_sparsity", {8, 0, 8, 12}, NNCF_E_UNSUPPORTED, "Net/Linear[2]",
            "same memory as that of Net/Linear[0]", false},
        {"magnitude_sparsity", {8, 0, 8, 12}, NNCF_OK, NULL, NULL, true},
        {"rb_sparsity", {12, 5, 8, 0}, NNCF_E_UNSUPPORTED, "Net/Linear[2]",
            "same memory as that of Net/Linear[1]", false},
        {"quantization", {12, 8, 4, 0}, NNCF_OK, NULL, NULL, false},
        {"quantization", {0, 0, 0, 12}, NNCF_E_UNSUPPORTED, "Net/Linear[1]",
            "same memory as that of Net/Linear[0]", false},
        {"quantization", {0, 0, 0, 12}, NNCF_OK, NULL, NULL, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float w[20], dw[20];
        char text[100];
        nncf_layer *first = NULL;
        fx_context c;
        nncf_model *model;
        nncf_plan *plan = NULL;
        nncf_compression_ctrl *ctrl = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        fx_fill_from(w, 20, 1);
        fx_open(&c, 1, 0);
        ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
        for (size_t j = 0; j < N; j++) {
            static const char *const scopes[N] = {
                "Net/Linear[0]", "Net/Linear[1]", "Net/Linear[2]", "Net/Linear[3]"};
            nncf_layer *layer;
            const bool tied = cases[i].tied && j > 0 && cases[i].at[j] == cases[i].at[0];
            const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scopes[j],
                .weight = w + cases[i].at[j], .weight_grad = dw, .in_features = 2,
                .out_features = 2, .tied_to = tied ? first : NULL};
            ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, NULL), NNCF_OK);
            first = first ? first : layer;
        }
        snprintf(
            text, sizeof text, "{\"compression\": {\"algorithm\": \"%s\"}}", cases[i].algorithm);
        nncf_config *config = fx_config(NULL, text);
        ck_assert_int_eq(nncf_plan_create(model, config, &plan, &err), cases[i].status);
        ck_assert_int_eq(c.warnings, 0);
        if (cases[i].text) {
            ck_assert_str_eq(err.where, cases[i].where);
            ck_assert_ptr_nonnull(strstr(err.message, cases[i].text));
        }
        ck_assert_int_eq(nncf_compression_ctrl_create(model, config, &ctrl, NULL), cases[i].status);
        nncf_plan_destroy(plan);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_config_destroy(config);
        nncf_model_destroy(model);
        fx_close(&c);
    }
}
END_TEST

START_TEST(slow_patterns_are_refused)
{
    enum { LAYERS = 60, PATTERNS = 40 };
    zoo *z = zoo_new(true);
    node last = NULL;
    for (int i = 0; i < LAYERS; i++) {
        char scope[100];
        snprintf(scope, sizeof scope,
            "Network/Sequential[features]/InvertedResidual[%d]/Conv2d[conv]", i);
        last = conv(z, scope, NULL, 4, 4, last);
    }
    static char text[4000];
    size_t used = (size_t)snprintf(text, sizeof text,
        "{\"nncf_dialect\": \"2.0\", \"compression\": {\"algorithm\": \"quantization\", "
        "\"ignored_scopes\": [");
    for (int i = 0; i < PATTERNS; i++)
        used += (size_t)snprintf(
            text + used, sizeof text - used, "%s\"{re}(.*)(.*)(.*)[xyz]%d\"", i ? "," : "", i);
    snprintf(text + used, sizeof text - used, "]}}");
    nncf_config *config = fx_config(NULL, text);
    nncf_plan *plan = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_plan_create(z->model, config, &plan, &err), NNCF_E_LIMIT);
    ck_assert_ptr_nonnull(strstr(err.message, "take too long on this model"));
    ck_assert_int_eq(nncf_compression_ctrl_create(z->model, config, &ctrl, &err), NNCF_E_LIMIT);
    ck_assert(plan == NULL && ctrl == NULL);
    nncf_config_destroy(config);
    zoo_free(z);
}
END_TEST

/* Thousands of patterns that match nothing: the first are named, the rest counted, and of few the
 * nearest is sought. */
typedef struct told {
    int lines, nearest, rest;
} told;

static void count_lines(void *user, int32_t level, const char *line)
{
    told *t = user;
    if (level != NNCF_LOG_WARNING || !strstr(line, "match"))
        return;
    t->lines++;
    t->nearest += strstr(line, "nearest scope") != NULL;
    t->rest += strstr(line, "only the first 64 are named") != NULL;
}

START_TEST(many_patterns_that_match_nothing_are_quick)
{
    enum { PATTERNS = 2000 };
    told t = {0};
    nncf_context *context;
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, .log = count_lines, .log_user = &t};
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    fx_layer l = fx_add_conv(model, "Net/Conv2d[1000]", 4, 4, 1, NULL, NULL);
    static char text[PATTERNS * 24 + 200];
    size_t used = (size_t)snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"ignored_scopes\": [");
    for (int i = 0; i < PATTERNS; i++)
        used += (size_t)snprintf(
            text + used, sizeof text - used, "%s\"Net/Conv2d[x%d]\"", i ? "," : "", i);
    snprintf(text + used, sizeof text - used, "]}}");
    nncf_config *config = fx_config(context, text);
    nncf_plan *plan = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_plan_create(model, config, &plan, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(t.lines, 65);
    ck_assert_int_eq(t.nearest, 16);
    ck_assert_int_eq(t.rest, 1);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
    fx_layer_free(&l);
}
END_TEST

FX_MAIN("placement", plan_and_controller_refuse_the_same, weights_in_one_buffer_are_refused,
    slow_patterns_are_refused, many_patterns_that_match_nothing_are_quick,
    mobilenet_v2_has_its_quantizers, propagation_decides_inputs_and_outputs,
    max_pool_passes_codes_on_in_resnet18, the_documented_config_of_nncf_gives_its_lists,
    ignored_and_target_scopes_choose_layers, layers_without_edges_quantize_their_inputs)
