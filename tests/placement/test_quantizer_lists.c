/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where quantizers stand in whole models, against the lists that NNCF's own code and reference
 * graphs give, release by release and device by device: through the public API, by the scopes that
 * plans name. Each model in both forms.
 */
#include "support/fixture.h"
#include "support/zoo.h"

typedef struct golden {
    const char *key;
    zoo *(*make)(bool fused);
    const char *config;
    const char *kinds; /* "w": list of weights ... */
} golden;

static zoo *mobilenet_torchvision(bool fused)
{
    return zoo_mobilenet_v2(fused, ZOO_TORCHVISION);
}

static zoo *mobilenet_old(bool fused)
{
    return zoo_mobilenet_v2(fused, ZOO_TORCHVISION_OLD);
}

static zoo *mobilenet_seed(bool fused)
{
    return zoo_mobilenet_v2(fused, ZOO_SEED);
}

static zoo *resnet18(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_TORCHVISION, false);
}

static zoo *resnet50(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_TORCHVISION, true);
}

static zoo *resnet18_own(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_OWN, false);
}

static zoo *resnet50_own(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_OWN, true);
}

static zoo *resnet18_adaptive(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_OWN_ADAPTIVE, false);
}

static zoo *resnet50_adaptive(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_OWN_ADAPTIVE, true);
}

static zoo *resnet50_pooled(bool fused)
{
    return zoo_resnet(fused, ZOO_RESNET_OWN_POOLED, true);
}

/* Keys that only one dialect has tell the release. */
#define V1_0 "{\"compression\": {\"algorithm\": \"quantization\", \"bits\": 8}}"
#define V1_1                                                                                       \
    "{\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": "   \
    "1}}}"
#define V1_3_1                                                                                     \
    "{\"input_info\": {\"sample_size\": [1, 3, 32, 32]}, \"compression\": {\"algorithm\": "        \
    "\"quantization\", "                                                                           \
    "\"export_to_onnx_standard_ops\": false}}"
#define DEVICE(name)                                                                               \
    "{\"input_info\": {\"sample_size\": [1, 3, 32, 32]}, \"hw_config_type\": \"" name              \
    "\", \"compression\": {\"algorithm\": \"quantization\"}}"

#define TARGET(release, name)                                                                      \
    "{\"nncf_dialect\": \"" release "\", \"target_device\": \"" name                               \
    "\", \"input_info\": {\"sample_size\": [1, 3, 32, 32]}, \"compression\": {\"algorithm\": "     \
    "\"quantization\"}}"

static const golden lists[] = {
    {"v1.0 mobilenet_v2(test model) [mobnetv2.dot]", zoo_mobilenet_v2_test, V1_0, ""},
    {"v1.0 resnet18(test model) [resnet18.dot]", resnet18_own, V1_0, ""},
    {"v1.0 resnet50(test model) [resnet50.dot]", resnet50_own, V1_0, ""},
    {"v1.1 mobilenet_v2(test model) [mobnetv2.dot]", zoo_mobilenet_v2_test, V1_1, ""},
    {"v1.1 resnet18(test model) [resnet18.dot]", resnet18_own, V1_1, ""},
    {"v1.1 resnet50(test model) [resnet50.dot]", resnet50_own, V1_1, ""},
    {"v1.3.1 mobilenet_v2(torchvision) [mobilenet_v2.dot]", mobilenet_old, V1_3_1, ""},
    {"v1.3.1 resnet18(test model) [resnet18.dot]", resnet18_adaptive, V1_3_1, ""},
    {"v1.3.1 resnet50(test model) [resnet50.dot]", resnet50_adaptive, V1_3_1, ""},
    {"v1.0 resnet18 [real code run, torchvision 0.14 model]", resnet18, V1_0, ""},
    {"v1.0 resnet50 [real code run, torchvision 0.14 model]", resnet50, V1_0, ""},
    {"v1.0 mobilenet_v2 [real code run, torchvision 0.14 model]", mobilenet_torchvision, V1_0, ""},
    {"v1.1 resnet18 [real code run, torchvision 0.14 model]", resnet18, V1_1, ""},
    {"v1.1 resnet50 [real code run, torchvision 0.14 model]", resnet50, V1_1, ""},
    {"v1.1 mobilenet_v2 [real code run, torchvision 0.14 model]", mobilenet_torchvision, V1_1, ""},
    {"v1.3.1 resnet18 [real code run, torchvision 0.14 model]", resnet18, V1_3_1, ""},
    {"v1.3.1 resnet50 [real code run, torchvision 0.14 model]", resnet50, V1_3_1, ""},
    {"v1.3.1 mobilenet_v2 [real code run, torchvision 0.14 model]", mobilenet_torchvision, V1_3_1,
        ""},
    {"v1.3.1_cpu resnet18 [real code run, torchvision 0.14 model]", resnet18, DEVICE("cpu"), ""},
    {"v1.3.1_cpu resnet50 [real code run, torchvision 0.14 model]", resnet50, DEVICE("cpu"), ""},
    {"v1.3.1_cpu mobilenet_v2 [real code run, torchvision 0.14 model]", mobilenet_torchvision,
        DEVICE("cpu"), ""},
    {"v1.3.1_gpu resnet18 [real code run, torchvision 0.14 model]", resnet18, DEVICE("gpu"), ""},
    {"v1.3.1_gpu resnet50 [real code run, torchvision 0.14 model]", resnet50, DEVICE("gpu"), ""},
    {"v1.3.1_gpu mobilenet_v2 [real code run, torchvision 0.14 model]", mobilenet_torchvision,
        DEVICE("gpu"), ""},
    {"v1.3.1_vpu resnet18 [real code run, torchvision 0.14 model]", resnet18, DEVICE("vpu"), ""},
    {"v1.3.1_vpu resnet50 [real code run, torchvision 0.14 model]", resnet50, DEVICE("vpu"), ""},
    {"v1.3.1_vpu mobilenet_v2 [real code run, torchvision 0.14 model]", mobilenet_torchvision,
        DEVICE("vpu"), ""},
    {"v1.4_cpu resnet50(test model) [resnet50.dot]", resnet50_pooled, DEVICE("cpu"), ""},
    {"v1.5_cpu resnet50(test model) [resnet50.dot]", resnet50_pooled, TARGET("1.5", "CPU"), ""},
    {"v1.7_vpu resnet50(test model) [resnet50.dot]", resnet50_pooled, TARGET("1.7", "VPU"), ""},
    {"v2.0_vpu resnet50(test model) [resnet50.dot]", resnet50_pooled, TARGET("2.0", "VPU"), ""},
    {"v2.17_gpu resnet50(test model) [resnet50.dot]", resnet50_pooled, TARGET("2.17", "GPU"), ""},
    {"v1.0 SEED CONFIG on its own mobilenetv2 sample model [real code run]", mobilenet_seed, V1_0,
        "seed"},
    {"v1.1 SEED CONFIG on its own mobilenetv2 sample model [real code run]", mobilenet_seed, V1_1,
        "seed"},
};
enum { N_LISTS = sizeof lists / sizeof *lists };

static json_object *plan_of(const nncf_model *model, const char *text)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config;
    nncf_plan *plan;
    size_t needed;
    ck_assert_msg(
        nncf_config_parse(NULL, "test", text, strlen(text), NULL, &config, &err) == NNCF_OK, "%s",
        err.message);
    ck_assert_msg(
        nncf_plan_create(model, config, &plan, &err) == NNCF_OK, "%s: %s", err.where, err.message);
    ck_assert_int_eq(nncf_plan_format(plan, NNCF_FORM_JSON, NULL, 0, &needed, NULL), NNCF_E_BUFFER);
    char *json = malloc(needed);
    ck_assert_int_eq(nncf_plan_format(plan, NNCF_FORM_JSON, json, needed, &needed, NULL), NNCF_OK);
    json_object *root = json_tokener_parse(json);
    ck_assert_ptr_nonnull(root);
    free(json);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    return root;
}

/* NNCF's lists write the same place in several ways; relu was RELU before 2.0, and norms have had a
 * class of NNCF's since 2.1, which the models here do not name. */
static void plain(char out[ZOO_NAME], const char *item)
{
    static const char *const ends[] = {"module_weight", "module_input", "/conv2d"};
    char *found;
    size_t n;
    if (strncmp(item, "1 ", 2) == 0)
        item += 2;
    zoo_name(out, "%s", item);
    if ((found = strstr(out, "relu_")))
        memcpy(found, "RELU", 4);
    if ((found = strstr(out, "NNCFBatchNorm2d")))
        memmove(found, found + 4, strlen(found + 4) + 1);
    for (size_t i = 0; i < 3; i++) {
        n = strlen(out);
        if (n > strlen(ends[i]) && strcmp(out + n - strlen(ends[i]), ends[i]) == 0)
            out[n - strlen(ends[i])] = 0;
    }
}

/* Are the plan's entries of some kinds exactly those of the list? As many, and each of them; no
 * scope twice. */
static void same(const char *key, json_object *plan, const char *kinds, json_object *list)
{
    json_object *entries = fx_get(plan, "entries");
    size_t n = json_object_array_length(list), placed = 0;
    for (size_t i = 0; i < json_object_array_length(entries); i++) {
        json_object *e = json_object_array_get_idx(entries, i);
        const char *scope = fx_string(e, "scope"), *what = fx_string(e, "what");
        bool found = false;
        if (!strstr(kinds, what))
            continue;
        placed++;
        for (size_t j = 0; j < n && !found; j++) {
            char item[ZOO_NAME];
            plain(item, json_object_get_string(json_object_array_get_idx(list, j)));
            found = strcmp(item, scope) == 0;
        }
        ck_assert_msg(found, "%s: %s of %s is not NNCF's", key, what, scope);
        for (size_t j = 0; j < i; j++) {
            json_object *other = json_object_array_get_idx(entries, j);
            ck_assert_msg(strcmp(fx_string(other, "what"), what) != 0 ||
                    strcmp(fx_string(other, "scope"), scope) != 0,
                "%s: two quantizers at %s", key, scope);
        }
    }
    ck_assert_msg(placed == n, "%s: %zu %s, but NNCF has %zu", key, placed, kinds, n);
}

static size_t per_channel(json_object *plan)
{
    json_object *entries = fx_get(plan, "entries");
    size_t n = 0;
    for (size_t i = 0; i < json_object_array_length(entries); i++) {
        json_object *e = json_object_array_get_idx(entries, i);
        n += strstr("input output inner", fx_string(e, "what")) &&
            json_object_get_boolean(fx_get(e, "per_channel"));
    }
    return n;
}

static void check_list(json_object *root, const golden *g, bool fused)
{
    json_object *list = fx_get(root, g->key), *of_channels;
    const bool seed = strcmp(g->kinds, "seed") == 0, device = strstr(g->key, "pu ") != NULL;
    ck_assert_ptr_nonnull(list);
    zoo *z = g->make(fused);
    json_object *plan = plan_of(z->model, g->config);
    same(g->key, plan, "weight", fx_get(list, seed ? "weight_quantizers" : "weights"));
    /* with a device NNCF lists the quantizer of the model's input with the others */
    same(g->key, plan, device ? "input output inner" : "output inner",
        fx_get(list, seed ? "activation_quantizers" : "activations"));
    if (!device)
        same(g->key, plan, "input", fx_get(list, seed ? "input_quantizers" : "inputs"));
    if (json_object_object_get_ex(list, "n_activation_per_channel", &of_channels))
        ck_assert_msg(per_channel(plan) == (size_t)json_object_get_int(of_channels),
            "%s: %zu per channel, not %d", g->key, per_channel(plan),
            json_object_get_int(of_channels));
    json_object_put(plan);
    zoo_free(z);
}

START_TEST(quantizers_stand_where_nncf_puts_them)
{
    json_object *root = fx_golden("nncf_quantizer_lists.json");
    ck_assert_int_eq(json_object_object_length(root), N_LISTS); /* none is left out */
    check_list(root, &lists[_i], false);
    check_list(root, &lists[_i], true);
    json_object_put(root);
}
END_TEST

/* ---- operators that run as one ---- */

static bool is_quantized(json_object *plan, const char *scope)
{
    json_object *entries = fx_get(plan, "entries");
    for (size_t i = 0; i < json_object_array_length(entries); i++) {
        json_object *e = json_object_array_get_idx(entries, i);
        if (strcmp(fx_string(e, "what"), "weight") != 0 &&
            strcmp(fx_string(e, "scope"), scope) == 0)
            return true;
    }
    return false;
}

#define ADD  "Net/__add___0"
#define NORM "Net/BatchNorm2d[n]/batch_norm_0"
#define RELU "Net/ReLU[r]/relu_0"

/* Two convolutions, an operator of both, a batch norm, ReLU, and a convolution that reads it: the
 * one quantizer behind the operator stands behind the last of those that run as one with it. */
START_TEST(what_runs_as_one_has_its_quantizer_behind_it)
{
    static const struct {
        const char *config, *scope;
        int32_t op;
        bool normed, forked; /* forked: a softmax reads the operator too, which stays float */
        const char *place;
    } cases[] = {
        {DEVICE("cpu"), ADD, NNCF_OP_ADD, false, false, ADD},
        {TARGET("1.5", "CPU"), ADD, NNCF_OP_ADD, false, false, RELU},
        {TARGET("1.6", "NONE"), ADD, NNCF_OP_ADD, true, false, RELU},
        {TARGET("1.7", "CPU"), "Net/__mul___0", NNCF_OP_MUL, false, false, RELU},
        {TARGET("1.7", "CPU"), "Net/add_0", NNCF_OP_ADD, false, false, "Net/add_0"},
        {TARGET("2.12", "CPU"), "Net/add_0", NNCF_OP_ADD, false, false, "Net/add_0"},
        {TARGET("2.13", "CPU"), "Net/add_0", NNCF_OP_ADD, false, false, RELU},
        {TARGET("2.0", "CPU"), "Net/__truediv___0", NNCF_OP_DIV, false, false, "Net/__truediv___0"},
        {TARGET("2.1", "CPU"), "Net/__truediv___0", NNCF_OP_DIV, false, false, RELU},
        {TARGET("2.12", "CPU"), "Net/__sub___0", NNCF_OP_SUB, false, false, "Net/__sub___0"},
        {TARGET("2.17", "CPU"), "Net/__sub___0", NNCF_OP_SUB, false, false, RELU},
        /* a norm that no operator runs with */
        {DEVICE("cpu"), ADD, NNCF_OP_ADD, true, true, NORM},
        {TARGET("1.5", "CPU"), ADD, NNCF_OP_ADD, true, true, RELU},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *const places[] = {cases[i].scope, NORM, RELU};
        zoo *z = zoo_new(false);
        const zoo_conv a = {"Net/Conv2d[a]", NULL, NULL, 0, 4, 4, 3, 1},
                       b = {"Net/Conv2d[b]", NULL, NULL, 0, 4, 4, 3, 1},
                       c = {"Net/Conv2d[c]", NULL, NULL, 0, 4, 4, 3, 1};
        const node both[] = {zoo_add_conv(z, &a, NULL), zoo_add_conv(z, &b, NULL)};
        node x = zoo_op(z, cases[i].op, cases[i].scope, 2, both);
        if (cases[i].forked)
            zoo_unary(z, NNCF_OP_SOFTMAX, "Net/softmax_0", x);
        if (cases[i].normed)
            x = zoo_unary(z, NNCF_OP_BATCH_NORM, "Net/BatchNorm2d[n]", x);
        zoo_add_conv(z, &c, zoo_unary(z, NNCF_OP_RELU, RELU, x));
        json_object *plan = plan_of(z->model, cases[i].config);
        for (size_t j = 0; j < sizeof places / sizeof *places; j++)
            ck_assert_msg(is_quantized(plan, places[j]) == (strcmp(places[j], cases[i].place) == 0),
                "case %zu: %s", i, places[j]);
        json_object_put(plan);
        zoo_free(z);
    }
}
END_TEST

/* Layers without inputs read inputs of their own, numbered in their order around those that are
 * registered by NNCF's name. */
START_TEST(inputs_of_the_model_are_numbered)
{
    static const char *const places[] = {
        "/nncf_model_input_0", "/nncf_model_input_1", "/nncf_model_input_2"};
    for (int fused = 0; fused < 2; fused++) {
        zoo *z = zoo_new(fused != 0);
        const node named = zoo_op(z, NNCF_OP_INPUT, places[1], 0, NULL),
                   other = zoo_op(z, NNCF_OP_INPUT, "/nncf_model_input_x", 0, NULL);
        const zoo_conv convs[] = {{"Net/Conv2d[a]", NULL, NULL, 0, 4, 4, 3, 1},
            {"Net/Conv2d[b]", NULL, NULL, 0, 4, 4, 3, 1},
            {"Net/Conv2d[c]", NULL, NULL, 0, 4, 4, 3, 1},
            {"Net/Conv2d[d]", NULL, NULL, 0, 4, 4, 3, 1}};
        zoo_add_conv(z, &convs[0], NULL);
        zoo_add_conv(z, &convs[1], named);
        zoo_add_conv(z, &convs[2], NULL);
        zoo_add_conv(z, &convs[3], other);
        json_object *plan = plan_of(z->model, TARGET("2.4", "CPU"));
        for (size_t i = 0; i < sizeof places / sizeof *places; i++)
            ck_assert_msg(is_quantized(plan, places[i]), "%s", places[i]);
        ck_assert(!is_quantized(plan, "/nncf_model_input_3"));
        json_object_put(plan);
        zoo_free(z);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("quantizer_lists");
    TCase *tc = fx_case(suite, "lists", 60);
    tcase_add_test(tc, what_runs_as_one_has_its_quantizer_behind_it);
    tcase_add_test(tc, inputs_of_the_model_are_numbered);
    tcase_add_loop_test(tc, quantizers_stand_where_nncf_puts_them, 0, N_LISTS);
    return fx_main(suite);
}
