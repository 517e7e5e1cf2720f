/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where quantizers and masks stand, on MobileNetV2 and ResNet-18, against the lists that NNCF v1.1's own code made.
 * Each registered layer is told the name of the operation at its end, which is what those lists call its quantizer.
 */
#include "comp_fixture.h"

enum { MAX_LAYERS = 128, NAME = 160 };

typedef struct zoo {
    nncf_model *model;
    float *weight; /* all layers share one buffer: nothing is computed here */
    float stat[2048];
    struct {
        nncf_layer *layer;
        char last_op[NAME]; /* scope/operator */
    } layers[MAX_LAYERS];
    size_t n;
} zoo;

static void name(char out[NAME], const char *format, ...) NNCF_PRINTF(2, 3);
static void name(char out[NAME], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    ck_assert_int_lt(vsnprintf(out, NAME, format, args), NAME);
    va_end(args);
}

static nncf_layer *registered(zoo *z, nncf_status status, const nncf_error *err, const char *last_op)
{
    ck_assert_msg(status == NNCF_OK, "%s: %s", err->where, err->message);
    ck_assert_uint_lt(z->n, MAX_LAYERS);
    z->layers[z->n].layer = nncf_model_get_layer(z->model, z->n);
    name(z->layers[z->n].last_op, "%s", last_op);
    return z->layers[z->n++].layer;
}

/* A convolution with batch norm; depthwise when groups says so. */
static nncf_layer *conv(zoo *z, const char *scope, const char *last_op, int64_t in, int64_t out, int32_t kernel,
                        int32_t groups, int32_t activation, nncf_layer *input)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer = NULL;
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .running_mean = z->stat, .running_var = z->stat};
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params),
                            .scope = scope,
                            .weight = z->weight,
                            .in_channels = in,
                            .out_channels = out,
                            .kernel = {kernel, kernel},
                            .groups = groups,
                            .activation = activation,
                            .batch_norm = &bn,
                            .inputs = input ? &input : NULL,
                            .n_inputs = input ? 1 : 0};
    return registered(z, nncf_model_add_conv2d(z->model, &p, &layer, &err), &err, last_op);
}

static nncf_layer *sum(zoo *z, const char *scope, const char *last_op, int32_t activation, nncf_layer *a, nncf_layer *b)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer = NULL, *inputs[] = {a, b};
    nncf_add_params p = {NNCF_PARAMS(nncf_add_params), .scope = scope, .activation = activation, .inputs = inputs,
                         .n_inputs = 2};
    return registered(z, nncf_model_add_add(z->model, &p, &layer, &err), &err, last_op);
}

static nncf_layer *pool(zoo *z, const char *scope, const char *last_op, int32_t kind, int32_t kernel, nncf_layer *input)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer = NULL;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = scope,   .kind = kind,
                            .kernel = {kernel, kernel},      .inputs = &input, .n_inputs = input ? 1 : 0};
    return registered(z, nncf_model_add_pool2d(z->model, &p, &layer, &err), &err, last_op);
}

static nncf_layer *linear(zoo *z, const char *scope, int64_t in, int64_t out, nncf_layer *input)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer = NULL;
    nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params),
                            .scope = scope,
                            .weight = z->weight,
                            .in_features = in,
                            .out_features = out,
                            .inputs = &input,
                            .n_inputs = input ? 1 : 0};
    return registered(z, nncf_model_add_linear(z->model, &p, &layer, &err), &err, "(output)");
}

static zoo *zoo_new(void)
{
    zoo *z = calloc(1, sizeof *z);
    z->weight = calloc(1280 * 1000 * 4, sizeof(float)); /* ResNet's last convolutions have 2.36 million */
    z->weight[0] = 1;
    ck_assert_int_eq(nncf_model_create(NULL, &z->model, NULL), NNCF_OK);
    return z;
}

static void zoo_free(zoo *z)
{
    nncf_model_destroy(z->model);
    free(z->weight);
    free(z);
}

/* One block of conv, batch norm, ReLU6: torchvision wraps it in a module of its own, NNCF's sample lists all flat. */
static nncf_layer *block(zoo *z, bool sample, const char *parent, int index, int64_t in, int64_t out, int32_t kernel,
                         int32_t groups, nncf_layer *input)
{
    char scope[NAME], op[NAME];
    if (sample) {
        name(scope, "%s/Conv2d[%d]", parent, 3 * index);
        name(op, "%s/ReLU6[%d]/hardtanh_0", parent, 3 * index + 2);
    } else {
        name(scope, "%s/Conv2dNormActivation[%d]/Conv2d[0]", parent, index);
        name(op, "%s/Conv2dNormActivation[%d]/ReLU6[2]/hardtanh_0", parent, index);
    }
    return conv(z, scope, op, in, out, kernel, groups, NNCF_ACTIVATION_RELU6, input);
}

static zoo *mobilenet_v2(bool sample)
{
    static const int settings[7][3] = {{1, 16, 1}, {6, 24, 2},  {6, 32, 3}, {6, 64, 4},
                                       {6, 96, 3}, {6, 160, 3}, {6, 320, 1}}; /* expansion, channels, repeats */
    static const char features[] = "MobileNetV2/Sequential[features]";
    zoo *z = zoo_new();
    char parent[NAME], scope[NAME], op[NAME];
    int64_t in = 32;
    int at = 1;
    name(parent, "%s/Sequential[0]", features);
    nncf_layer *x = block(z, sample, sample ? parent : features, 0, 3, 32, 3, 1, NULL);
    for (int i = 0; i < 7; i++) {
        for (int j = 0; j < settings[i][2]; j++, at++) {
            nncf_layer *input = x;
            int64_t hidden = in * settings[i][0], out = settings[i][1];
            int k = 0;
            name(parent, "%s/InvertedResidual[%d]/Sequential[conv]", features, at);
            if (settings[i][0] > 1)
                x = block(z, sample, parent, k++, in, hidden, 1, 1, x);
            x = block(z, sample, parent, k++, hidden, hidden, 3, (int32_t)hidden, x);
            name(scope, "%s/Conv2d[%d]", parent, sample ? 3 * k : k);
            name(op, "%s/BatchNorm2d[%d]/batch_norm_0", parent, (sample ? 3 * k : k) + 1);
            x = conv(z, scope, op, hidden, out, 1, 1, NNCF_ACTIVATION_NONE, x);
            if (in == out && j > 0) {
                name(op, "%s/InvertedResidual[%d]/__add___0", features, at);
                x = sum(z, op, op, NNCF_ACTIVATION_NONE, input, x);
            }
            in = out;
        }
    }
    name(parent, "%s/Sequential[18]", features);
    if (sample) {
        x = block(z, sample, parent, 0, 320, 1280, 1, 1, x);
    } else {
        name(scope, "%s/Conv2dNormActivation[18]/Conv2d[0]", features);
        name(op, "%s/Conv2dNormActivation[18]/ReLU6[2]/hardtanh_0", features);
        x = conv(z, scope, op, 320, 1280, 1, 1, NNCF_ACTIVATION_RELU6, x);
    }
    x = pool(z, "MobileNetV2/pool", sample ? "MobileNetV2/mean_1" : "MobileNetV2/adaptive_avg_pool2d_0",
             NNCF_POOL_GLOBAL_AVERAGE, 0, x);
    linear(z, "MobileNetV2/Sequential[classifier]/Linear[1]", 1280, 1000, x);
    return z;
}

static zoo *resnet18(void)
{
    zoo *z = zoo_new();
    char scope[NAME], op[NAME], parent[NAME];
    nncf_layer *x =
        conv(z, "ResNet/Conv2d[conv1]", "ResNet/ReLU[relu]/RELU_0", 3, 64, 7, 1, NNCF_ACTIVATION_RELU, NULL);
    x = pool(z, "ResNet/MaxPool2d[maxpool]", "(none)", NNCF_POOL_MAX, 3, x);
    int64_t in = 64;
    for (int i = 1; i <= 4; i++) {
        for (int j = 0; j < 2; j++) {
            int64_t out = (int64_t)32 << i;
            nncf_layer *input = x, *shortcut = x;
            name(parent, "ResNet/Sequential[layer%d]/BasicBlock[%d]", i, j);
            name(scope, "%s/Conv2d[conv1]", parent);
            name(op, "%s/ReLU[relu]/RELU_0", parent);
            x = conv(z, scope, op, in, out, 3, 1, NNCF_ACTIVATION_RELU, input);
            name(scope, "%s/Conv2d[conv2]", parent);
            name(op, "%s/BatchNorm2d[bn2]/batch_norm_0", parent);
            x = conv(z, scope, op, out, out, 3, 1, NNCF_ACTIVATION_NONE, x);
            if (in != out) {
                name(scope, "%s/Sequential[downsample]/Conv2d[0]", parent);
                name(op, "%s/Sequential[downsample]/BatchNorm2d[1]/batch_norm_0", parent);
                shortcut = conv(z, scope, op, in, out, 1, 1, NNCF_ACTIVATION_NONE, input);
            }
            name(scope, "%s/__iadd___0", parent);
            name(op, "%s/ReLU[relu]/RELU_1", parent);
            x = sum(z, scope, op, NNCF_ACTIVATION_RELU, x, shortcut);
            in = out;
        }
    }
    x = pool(z, "ResNet/AdaptiveAvgPool2d[avgpool]", "ResNet/AdaptiveAvgPool2d[avgpool]/adaptive_avg_pool2d_0",
             NNCF_POOL_GLOBAL_AVERAGE, 0, x);
    linear(z, "ResNet/Linear[fc]", 512, 1000, x);
    return z;
}

static bool listed(json_object *list, const char *wanted)
{
    for (size_t i = 0; i < json_object_array_length(list); i++) {
        const char *item = json_object_get_string(json_object_array_get_idx(list, i));
        const char *wrapped = strstr(item, "/NNCF"); /* NNCF's module of the class */
        char plain[NAME];
        name(plain, "%s", item);
        if (wrapped)
            snprintf(plain + (wrapped - item) + 1, NAME - (size_t)(wrapped - item) - 1, "%s", wrapped + 5);
        if (strcmp(plain, wanted) == 0)
            return true;
    }
    return false;
}

enum which { WEIGHTS, ACTIVATIONS, MASKS };

static bool has(const nncf_compression_ctrl *ctrl, size_t i, enum which which)
{
    const nncf__layer_compression *c = &ctrl->layers[i];
    return which == WEIGHTS       ? c->weight_quantizer != NULL
           : which == ACTIVATIONS ? c->output_quantizer != NULL
                                  : c->mask_kind != NNCF__MASK_NONE;
}

/* Both directions: what we placed is listed, and as many are listed as we placed; `more` are listed but not ours. */
static void same_places(const zoo *z, const nncf_compression_ctrl *ctrl, enum which which, json_object *list,
                        size_t more)
{
    size_t placed = 0;
    for (size_t i = 0; i < z->n; i++) {
        const char *at = which == ACTIVATIONS ? z->layers[i].last_op : nncf_layer_scope(z->layers[i].layer);
        ck_assert_msg(has(ctrl, i, which) == listed(list, at), "%s is %s here", at,
                      has(ctrl, i, which) ? "placed" : "not placed");
        placed += has(ctrl, i, which);
    }
    ck_assert_uint_eq(placed + more, json_object_array_length(list));
}

static const char int8_config[] =
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1}}}";

static void counts(const nncf_compression_ctrl *ctrl, int64_t weights, int64_t inputs, int64_t activations)
{
    nncf_statistics s = cf_statistics(ctrl);
    ck_assert_int_eq(s.weight_quantizers, weights);
    ck_assert_int_eq(s.input_quantizers, inputs);
    ck_assert_int_eq(s.activation_quantizers, activations);
}

START_TEST(mobilenet)
{
    json_object *root = cf_golden("quantizer_lists.json"), *lists = cf_get(root, "mobilenet_v2");
    zoo *z = mobilenet_v2(false);
    nncf_compression_ctrl *ctrl = cf_ctrl(z->model, int8_config);
    counts(ctrl, 53, 1, 63);
    same_places(z, ctrl, WEIGHTS, cf_get(lists, "weights"), 0);
    same_places(z, ctrl, ACTIVATIONS, cf_get(lists, "activations"), 0);
    ck_assert_ptr_nonnull(ctrl->layers[0].input_quantizer);
    ck_assert_ptr_eq(ctrl->layers[0].incoming_quantizer, ctrl->layers[0].input_quantizer);
    ck_assert_ptr_eq(ctrl->layers[1].incoming_quantizer, ctrl->layers[0].output_quantizer);
    /* until initialized: what follows a ReLU counts from 0, what follows a linear bottleneck has a sign */
    ck_assert_int_eq(ctrl->layers[0].output_quantizer->params.sign, NNCF__UNSIGNED);
    ck_assert_int_eq(ctrl->layers[2].output_quantizer->params.sign, NNCF__SIGNED);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
    json_object_put(root);
}
END_TEST

START_TEST(resnet)
{
    json_object *root = cf_golden("quantizer_lists.json"), *lists = cf_get(root, "resnet18");
    zoo *z = resnet18();
    nncf_compression_ctrl *ctrl = cf_ctrl(z->model, int8_config);
    counts(ctrl, 21, 1, 29);
    same_places(z, ctrl, WEIGHTS, cf_get(lists, "weights"), 0);
    same_places(z, ctrl, ACTIVATIONS, cf_get(lists, "activations"), 0);
    /* the max pool passes on the codes of the first convolution */
    ck_assert_ptr_null(ctrl->layers[1].output_quantizer);
    ck_assert_ptr_eq(ctrl->layers[2].incoming_quantizer, ctrl->layers[0].output_quantizer);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
    json_object_put(root);
}
END_TEST

/* The config of NNCF's own documentation, verbatim, on the model that it was written for. */
START_TEST(seed)
{
    json_object *root = cf_golden("quantizer_lists.json"), *lists = cf_get(root, "seed");
    char path[1024], text[16384];
    snprintf(path, sizeof path, "%s/configuration-file.md", NNCF_GOLDEN_DIR);
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[size] = 0;
    char *begin = strstr(text, "```yaml") + 7, *end = strstr(begin, "```");
    *end = 0;

    zoo *z = mobilenet_v2(true);
    nncf_compression_ctrl *ctrl = cf_ctrl(z->model, begin);
    /* its model pools by two means; ours is one node, and so are NNCF's two quantizers behind them */
    counts(ctrl, 53, 1, 63);
    same_places(z, ctrl, WEIGHTS, cf_get(lists, "weights"), 0);
    same_places(z, ctrl, ACTIVATIONS, cf_get(lists, "activations"), 1);
    same_places(z, ctrl, MASKS, cf_get(lists, "sparsified"), 0);
    nncf_statistics s = cf_statistics(ctrl);
    ck_assert_int_eq(s.sparsified_layers, 52);
    ck_assert_double_eq_tol(s.sparsity_target, 0.01, 1e-15);
    ck_assert_double_eq_tol(nncf_compression_ctrl_loss(ctrl), 0.04, 1e-9);
    ck_assert_uint_eq(nncf_compression_ctrl_parameter_count(ctrl), 52 + 53 + 1 + 63);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
    json_object_put(root);
}
END_TEST

START_TEST(ignored_and_target_scopes)
{
    zoo *z = mobilenet_v2(false);
    nncf_compression_ctrl *ctrl =
        cf_ctrl(z->model, "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": "
                          "[\"MobileNetV2/Sequential[features]/InvertedResidual[2]\", \"Linear\"]}}");
    counts(ctrl, 53 - 3 - 1, 1, 63 - 3);
    /* the block before is quantized, so what enters the block is codes, and what leaves it is not */
    nncf_layer *inside = nncf_model_find_layer(
        z->model, "MobileNetV2/Sequential[features]/InvertedResidual[2]/Sequential[conv]/Conv2d[2]");
    ck_assert_ptr_null(ctrl->layers[inside->index].incoming_quantizer);
    ck_assert_ptr_null(ctrl->layers[inside->index + 1].incoming_quantizer);
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = cf_ctrl(z->model, "{\"compression\": {\"algorithm\": \"rb_sparsity\", \"target_scopes\": "
                             "\"MobileNetV2/Sequential[features]/InvertedResidual[3]\"}}");
    ck_assert_int_eq(cf_statistics(ctrl).sparsified_layers, 3);
    counts(ctrl, 0, 0, 0);
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = cf_ctrl(z->model, "{\"compression\": {\"algorithm\": \"quantization\", \"quantize_inputs\": false}}");
    counts(ctrl, 53, 0, 63);
    nncf_compression_ctrl_destroy(ctrl);
    /* a convolution's own scope: the quantizer behind its ReLU6 is the ReLU6's affair, and the other way round */
    ctrl = cf_ctrl(z->model, "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": "
                             "\"MobileNetV2/Sequential[features]/InvertedResidual[2]/Sequential[conv]/Conv2d[2]\"}}");
    counts(ctrl, 52, 1, 63);
    nncf_compression_ctrl_destroy(ctrl);
    ctrl = cf_ctrl(z->model, "{\"compression\": {\"algorithm\": \"quantization\", \"ignored_scopes\": [\"ReLU6\"]}}");
    counts(ctrl, 53, 1, 63 - 35);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

/* Without edges every layer with a weight quantizes its own input; a max pool in front of the first layer is seen
 * through. */
START_TEST(inputs)
{
    zoo *z = zoo_new();
    conv(z, "Net/Conv2d[a]", "", 4, 4, 3, 1, NNCF_ACTIVATION_RELU, NULL);
    conv(z, "Net/Conv2d[b]", "", 4, 4, 3, 1, NNCF_ACTIVATION_NONE, NULL);
    nncf_layer *max = pool(z, "Net/pool", "", NNCF_POOL_MAX, 2, NULL);
    conv(z, "Net/Conv2d[c]", "", 4, 4, 3, 1, NNCF_ACTIVATION_NONE, max);
    nncf_layer *average = pool(z, "Net/average", "", NNCF_POOL_AVERAGE, 2, NULL);
    nncf_layer *last = conv(z, "Net/Conv2d[d]", "", 4, 4, 3, 1, NNCF_ACTIVATION_NONE, average);
    nncf_compression_ctrl *ctrl = cf_ctrl(z->model, int8_config);
    counts(ctrl, 4, 3, 1); /* the average pool has a quantizer behind it, so that d needs none */
    ck_assert_ptr_eq(ctrl->layers[last->index].incoming_quantizer, ctrl->layers[average->index].output_quantizer);
    ck_assert_ptr_eq(ctrl->layers[3].incoming_quantizer, ctrl->layers[3].input_quantizer);
    ck_assert_ptr_null(ctrl->layers[2].input_quantizer);
    nncf_compression_ctrl_destroy(ctrl);
    zoo_free(z);
}
END_TEST

CF_MAIN("placement", mobilenet, resnet, seed, ignored_and_target_scopes, inputs)
