/* SPDX-License-Identifier: Apache-2.0 */
/* What a layer may be called, and which numbers may leave the library: names of an export are
 * unique whatever the layers, the input and the output are called; numbers with which eval mode
 * gives NaN are refused by name. */
#include "fixture.h"
#include "read_back.h"
#include "support/random.h"
#include "support/runner.h"

#include <float.h>
#include <math.h>

START_TEST(names_are_unique)
{
    static on_net n;
    const on_naming *names = &on_namings[_i];
    const nncf_context_params one = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    for (int c = 0; c < ON_CASES; c++) {
        on_create_named(&n, names->scopes, on_cases[c].config, &one, true);
        for (int form = 0; form < 4; form++) {
            const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = form % 2,
                .fold_batch_norm = form / 2, .input_name = names->input,
                .output_name = names->output};
            if (form % 2 == NNCF_ONNX_QDQ &&
                strcmp(on_cases[c].name, "int8_activations_per_channel") == 0)
                continue; /* has no such form */
            Nncf__Onnx__ModelProto *m = export_to_memory(n.ctrl, &p);
            check_graph(m->graph);
            ck_assert_str_eq(m->graph->input[0]->name, names->input ? names->input : "input");
            ck_assert_str_eq(m->graph->output[0]->name, names->output ? names->output : "output");
            nncf__onnx__model_proto__free_unpacked(m, NULL);
        }
        on_destroy(&n);
    }
}
END_TEST

/* The names that a caller gives are of no other layer; the output may be called what its layer is.
 */
START_TEST(names_of_other_layers_are_refused)
{
    static on_net n;
    const on_naming *names = &on_namings[2]; /* a to l */
    const nncf_context_params one = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    on_create_named(&n, names->scopes, on_cases[0].config, &one, true);
    const char *own = NULL;
    for (size_t i = 0; i < nncf_model_get_layer_count(n.model); i++) {
        nncf_layer *layer = nncf_model_get_layer(n.model, i);
        bool is_read = false;
        for (size_t j = 0; j < nncf_model_get_layer_count(n.model); j++)
            for (size_t k = 0; k < nncf_layer_get_input_count(nncf_model_get_layer(n.model, j));
                 k++)
                is_read |= nncf_layer_get_input(nncf_model_get_layer(n.model, j), k) == layer;
        own = is_read ? own : nncf_layer_get_scope(layer);
    }
    for (size_t i = 0; i < nncf_model_get_layer_count(n.model); i++) {
        const char *scope = nncf_layer_get_scope(nncf_model_get_layer(n.model, i));
        for (int is_output = 0; is_output < 2; is_output++) {
            nncf_error err = NNCF_ERROR_INIT;
            const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params),
                .input_name = is_output ? NULL : scope, .output_name = is_output ? scope : NULL};
            if (is_output && strcmp(scope, own) == 0) {
                Nncf__Onnx__ModelProto *m = export_to_memory(n.ctrl, &p);
                check_graph(m->graph);
                ck_assert_str_eq(m->graph->output[0]->name, own);
                nncf__onnx__model_proto__free_unpacked(m, NULL);
                continue;
            }
            ck_assert_int_eq(nncf_onnx_export(n.ctrl, "never", &p, &err), NNCF_E_ARG);
            ck_assert_str_eq(err.where, is_output ? "output_name" : "input_name");
            ck_assert_msg(
                strstr(err.message, "is the scope of a layer") != NULL, "%s", err.message);
        }
    }
    on_destroy(&n);
}
END_TEST

/* ---- small models ---- */

enum { SMALL = 2, SMALL_WEIGHTS = SMALL * SMALL };

typedef struct small {
    nncf_context *context;
    nncf_config *config;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layers[8];
    /* one after the other, of the layers */
    float w[8 * SMALL_WEIGHTS];
    float bias[8], gamma[8], beta[8], mean[8], var[8];
} small;

static void small_begin(small *s, const char *config)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    *s = (small){0};
    for (int i = 0; i < 8; i++) {
        for (int j = 0; j < SMALL_WEIGHTS; j++)
            s->w[SMALL_WEIGHTS * i + j] = 0.25f * (float)(j - 2);
        s->gamma[i] = s->var[i] = 1;
    }
    on_must(nncf_context_create(NNCF_API_VERSION, &p, &s->context, &err), &err);
    on_must(nncf_config_parse(s->context, "case", config, strlen(config), NULL, &s->config, &err),
        &err);
    on_must(nncf_model_create(s->context, &s->model, &err), &err);
}

/* 2 -> 2 features; input -1: the model's. */
static nncf_status small_linear(
    small *s, int i, const char *scope, int input, bool norm, nncf_error *err)
{
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = s->gamma,
        .bias = s->beta, .running_mean = s->mean, .running_var = s->var};
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = scope,
        .weight = s->w + SMALL_WEIGHTS * i, .bias = s->bias, .in_features = SMALL,
        .out_features = SMALL, .activation = NNCF_ACTIVATION_RELU6, .batch_norm = norm ? &bn : NULL,
        .inputs = input < 0 ? NULL : &s->layers[input], .n_inputs = input < 0 ? 0 : 1};
    return nncf_model_add_linear(s->model, &p, &s->layers[i], err);
}

static void small_ctrl(small *s)
{
    nncf_error err = NNCF_ERROR_INIT;
    on_must(nncf_compression_ctrl_create(s->model, s->config, &s->ctrl, &err), &err);
}

static void small_end(small *s)
{
    nncf_compression_ctrl_destroy(s->ctrl);
    nncf_model_destroy(s->model);
    nncf_config_destroy(s->config);
    nncf_context_destroy(s->context);
}

#define NO_RANGES                                                                                  \
    ON_CONFIG("{\"algorithm\":\"quantization\",\"initializer\":{\"num_init_steps\":0,\"type\":"    \
              "\"min_max\"},"                                                                      \
              "\"weights\":{\"bits\":4},\"activations\":{\"bits\":4}}")

/* Names put together from the parts that names of the export consist of. Some are refused, because
 * they are taken. */
START_TEST(random_names_stay_unique)
{
    static const char *const parts[] = {"a", "::", ":", "weight", "codes", "output", "input",
        "layer0", "layer1", "product", "activation", "in_front", "low", "/"};
    uint64_t random = 11;
    size_t exported = 0;
    for (int round = 0; round < 120; round++) {
        char text[8][128];
        small s;
        nncf_error err = NNCF_ERROR_INIT;
        int n = 0;
        for (int i = 0; i < 8; i++) {
            text[i][0] = '\0';
            for (int k = 0; k < 5; k++) {
                const uint64_t drawn = fx_next(&random);
                if (k == 0 || drawn >> 63)
                    strcat(text[i], parts[(drawn >> 40) % (sizeof parts / sizeof *parts)]);
            }
        }
        small_begin(&s, NO_RANGES);
        for (int i = 0; i < 6; i++)
            if (small_linear(&s, n, text[i], n - 1, true, &err) == NNCF_OK)
                n++;
        small_ctrl(&s);
        for (int32_t format = 0; format < 2; format++) {
            const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = format,
                .input_name = text[6], .output_name = text[7]};
            const nncf_layer *named = nncf_model_find_layer(s.model, text[7]);
            if (strcmp(text[6], text[7]) == 0 || nncf_model_find_layer(s.model, text[6]) ||
                (named && named != s.layers[n - 1])) {
                ck_assert_int_eq(nncf_onnx_export(s.ctrl, "never", &p, &err), NNCF_E_ARG);
                continue;
            }
            Nncf__Onnx__ModelProto *m = export_to_memory(s.ctrl, &p);
            check_graph(m->graph);
            ck_assert_uint_eq(count_op(m->graph, "Gemm"), (size_t)n);
            ck_assert_str_eq(m->graph->input[0]->name, text[6]);
            ck_assert_str_eq(m->graph->output[0]->name, text[7]);
            nncf__onnx__model_proto__free_unpacked(m, NULL);
            exported++;
        }
        small_end(&s);
    }
    ck_assert_uint_gt(exported, 200);
}
END_TEST

/* Several outputs bear the scopes of their layers, whatever those are. */
START_TEST(outputs_bear_scopes)
{
    static const char *const scopes[] = {
        "head", "head::weight", "head::product", "input::x", "output"};
    small s;
    nncf_error err = NNCF_ERROR_INIT;
    small_begin(&s, NO_RANGES);
    for (int i = 0; i < 5; i++)
        on_must(small_linear(&s, i, scopes[i], i == 0 ? -1 : 0, true, &err), &err);
    small_ctrl(&s);
    for (int32_t format = 0; format < 2; format++) {
        nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .format = format};
        ck_assert_msg(nncf_onnx_export(s.ctrl, path, &p, &err) == NNCF_OK, "%s", err.message);
        Nncf__Onnx__ModelProto *m = read_back();
        check_graph(m->graph);
        ck_assert_uint_eq(m->graph->n_output, 4);
        for (int i = 0; i < 4; i++)
            ck_assert_str_eq(m->graph->output[i]->name, scopes[i + 1]);
        nncf__onnx__model_proto__free_unpacked(m, NULL);
        unlink(path);
        p.input_name = "head::product"; /* and an output's */
        ck_assert_int_eq(nncf_onnx_export(s.ctrl, path, &p, &err), NNCF_E_ARG);
        ck_assert_str_eq(err.where, "input_name");
        ck_assert_ptr_nonnull(strstr(err.message, "head::product"));
        ck_assert_int_ne(access(path, F_OK), 0);
    }
    small_end(&s);
}
END_TEST

START_TEST(names_are_refused)
{
    const struct {
        const char *input, *output, *graph, *where, *word;
    } cases[] = {{"", NULL, NULL, "input_name", "empty"}, {NULL, "", NULL, "output_name", "empty"},
        {NULL, NULL, "", "graph_name", "empty"}, {"\xff", NULL, NULL, "input_name", "UTF-8"},
        {NULL, "a\xc0\xaf", NULL, "output_name", "UTF-8"},
        {NULL, NULL, "\xed\xa0\x80", "graph_name", "UTF-8"},
        {"same", "same", NULL, "output_name", "\"same\""},
        {"output", NULL, NULL, "output_name", "\"output\""},
        {NULL, "input", NULL, "output_name", "\"input\""}};
    small s;
    nncf_error err = NNCF_ERROR_INIT;
    small_begin(&s, ON_CONFIG(""));
    on_must(small_linear(&s, 0, "a", -1, false, &err), &err);
    small_ctrl(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params), .input_name = cases[i].input,
            .output_name = cases[i].output, .graph_name = cases[i].graph};
        ck_assert_int_eq(nncf_onnx_export(s.ctrl, path, &p, &err), NNCF_E_ARG);
        ck_assert_str_eq(err.where, cases[i].where);
        ck_assert_msg(strstr(err.message, cases[i].word) != NULL, "%s", err.message);
        ck_assert_int_ne(access(path, F_OK), 0);
    }
    small_end(&s);
}
END_TEST

/* ---- numbers ---- */

/* Each is put into an array of a layer with batch norm; `name` and [1] are in the message. */
START_TEST(numbers_are_refused)
{
    enum { WEIGHT, BIAS, GAMMA, BETA, MEAN, VAR };
    static const struct {
        int array;
        float value;
        const char *word;
    } cases[] = {{WEIGHT, NAN, "weight[1]"}, {WEIGHT, INFINITY, "weight[1]"},
        {BIAS, NAN, "bias[1]"}, {BIAS, -INFINITY, "bias[1]"}, {GAMMA, NAN, "batch_norm.weight[1]"},
        {BETA, INFINITY, "batch_norm.bias[1]"}, {MEAN, NAN, "batch_norm.running_mean[1]"},
        {VAR, NAN, "batch_norm.running_var[1]"}, {VAR, INFINITY, "batch_norm.running_var[1]"},
        {VAR, -1, "batch_norm.running_var[1]"},
        {VAR, -1e-5f, "batch_norm.running_var[1]"} /* eps: the root is of 0 */};
    static const char *const configs[] = {ON_CONFIG(""), NO_RANGES};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int c = 0; c < 2; c++) {
            small s;
            nncf_error err = NNCF_ERROR_INIT;
            small_begin(&s, configs[c]);
            on_must(small_linear(&s, 0, "first", -1, true, &err), &err);
            on_must(small_linear(&s, 1, "second", 0, false, &err), &err);
            small_ctrl(&s);
            float *const arrays[] = {s.w, s.bias, s.gamma, s.beta, s.mean, s.var};
            arrays[cases[i].array][1] = cases[i].value;
            for (int form = 0; form < 4; form++) {
                const nncf_onnx_params p = {
                    NNCF_PARAMS(nncf_onnx_params), .format = form % 2, .fold_batch_norm = form / 2};
                ck_assert_int_eq(nncf_onnx_export(s.ctrl, path, &p, &err), NNCF_E_UNSUPPORTED);
                ck_assert_str_eq(err.where, "first");
                ck_assert_msg(strstr(err.message, cases[i].word) && strstr(err.message, "first"),
                    "%s", err.message);
                ck_assert_int_ne(access(path, F_OK), 0);
            }
            small_end(&s);
        }
}
END_TEST

/* Finite numbers whose products are not: only where they are multiplied, by folding. */
START_TEST(overflow_of_folding_is_refused)
{
    static const struct {
        float weight, gamma, mean;
    } cases[] = {{1e30f, 1e30f, 0}, {1, FLT_MAX, 0}, {1, 1e30f, 1e30f}};
    static const char *const configs[] = {ON_CONFIG(""), NO_RANGES};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int c = 0; c < 2; c++) {
            small s;
            nncf_error err = NNCF_ERROR_INIT;
            small_begin(&s, configs[c]);
            on_must(small_linear(&s, 0, "first", -1, true, &err), &err);
            s.w[0] = cases[i].weight;
            s.gamma[0] = cases[i].gamma;
            s.mean[0] = cases[i].mean;
            s.var[0] = i == 1 ? 1e-4f : 1;
            small_ctrl(&s);
            for (int form = 0; form < 4; form++) {
                const nncf_onnx_params p = {
                    NNCF_PARAMS(nncf_onnx_params), .format = form % 2, .fold_batch_norm = form / 2};
                const bool fits = form < 2;
                ck_assert_msg(nncf_onnx_export(s.ctrl, path, &p, &err) ==
                        (fits ? NNCF_OK : NNCF_E_UNSUPPORTED),
                    "case %zu, config %d, form %d: %s", i, c, form, err.message);
                ck_assert_int_eq(access(path, F_OK), fits ? 0 : -1);
                ck_assert(fits || strstr(err.message, "not finite"));
                unlink(path);
            }
            small_end(&s);
        }
}
END_TEST

/* What a mask removes is 0 in forward whatever it was, and 0 in the file. */
START_TEST(masked_numbers_do_not_matter)
{
    small s;
    nncf_error err = NNCF_ERROR_INIT;
    small_begin(&s, ON_CONFIG("{\"algorithm\":\"rb_sparsity\"}"));
    on_must(small_linear(&s, 0, "first", -1, false, &err), &err);
    small_ctrl(&s);
    nncf_parameter logits = {NNCF_PARAMS(nncf_parameter)};
    ck_assert_int_eq(nncf_compression_ctrl_get_parameter(s.ctrl, 0, &logits, NULL), NNCF_OK);
    for (size_t i = 0; i < logits.count; i++)
        logits.data[i] = i == 1 ? -3.0f : 3.0f;
    s.w[1] = NAN;
    ck_assert_msg(nncf_onnx_export(s.ctrl, path, NULL, &err) == NNCF_OK, "%s", err.message);
    Nncf__Onnx__ModelProto *m = read_back();
    float written[4];
    ck_assert_uint_eq(tensor(m->graph, "first::weight")->raw_data.len, sizeof written);
    memcpy(written, tensor(m->graph, "first::weight")->raw_data.data, sizeof written);
    for (int i = 0; i < 4; i++)
        ck_assert_float_eq(written[i], i == 1 ? 0 : s.w[i]);
    nncf__onnx__model_proto__free_unpacked(m, NULL);
    small_end(&s);
}
END_TEST

START_TEST(golden_numbers_are_finite)
{
    small s;
    nncf_error err = NNCF_ERROR_INIT;
    static const int64_t shape[] = {1, SMALL};
    float good[SMALL] = {1, 2}, bad[SMALL] = {1, NAN};
    const nncf_tensor fine = {.data = good, .dtype = NNCF_F32, .ndim = 2, .shape = shape};
    const nncf_tensor broken = {.data = bad, .dtype = NNCF_F32, .ndim = 2, .shape = shape};
    small_begin(&s, ON_CONFIG(""));
    on_must(small_linear(&s, 0, "first", -1, false, &err), &err);
    small_ctrl(&s);
    for (int which = 0; which < 2; which++) {
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params),
            .golden_input = which ? &fine : &broken, .golden_output = which ? &broken : &fine};
        ck_assert_int_eq(nncf_onnx_export(s.ctrl, path, &p, &err), NNCF_E_ARG);
        ck_assert_ptr_nonnull(
            strstr(err.message, which ? "golden_output[1] is" : "golden_input[1] is"));
    }
    small_end(&s);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onnx_names");
    TCase *tests = fx_case(suite, "names", 120);
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, names_are_unique, 0, ON_NAMINGS);
    tcase_add_test(tests, names_of_other_layers_are_refused);
    tcase_add_test(tests, random_names_stay_unique);
    tcase_add_test(tests, outputs_bear_scopes);
    tcase_add_test(tests, names_are_refused);
    tcase_add_test(tests, numbers_are_refused);
    tcase_add_test(tests, overflow_of_folding_is_refused);
    tcase_add_test(tests, masked_numbers_do_not_matter);
    tcase_add_test(tests, golden_numbers_are_finite);
    return fx_main(suite);
}
