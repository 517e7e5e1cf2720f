/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A weight with several readers (nncf_linear_params.tied_to and its siblings): one mask, one
 * quantizer, counted once wherever weights are counted, and gradients that add up. Their gradients
 * in a net are in test_layer_nets.c, a file of theirs in test_onnx_kinds.c.
 */
#include "graph/model.h"
#include "quantization/layer_compression.h"
#include "support/ctrl.h"
#include "support/files.h"
#include "support/fixture.h"

#include <string.h>
#include <unistd.h>

enum { WORDS = 9, SIZE = 5, COUNT = WORDS * SIZE, ROWS = 3 };

typedef struct rig {
    nncf_context *context;
    nncf_model *model;
    nncf_layer *words, *head, *other;
    nncf_compression_ctrl *ctrl;
    float w[COUNT], dw[COUNT], bias[WORDS];
} rig;

static nncf_linear_params head_of(rig *r, const char *scope, nncf_layer *tied_to)
{
    return (nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = scope, .weight = r->w,
        .weight_grad = r->dw, .bias = r->bias, .in_features = SIZE, .out_features = WORDS,
        .inputs = &r->words, .n_inputs = 1, .tied_to = tied_to};
}

static void open_rig(rig *r, const char *config)
{
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 9;
    memset(r, 0, sizeof *r);
    fx_fill(r->w, COUNT, 1, &state);
    r->context = fx_new_context(NULL, 2, NNCF_ISA_BEST, 4);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    const nncf_embedding_params words = {NNCF_PARAMS(nncf_embedding_params),
        .scope = "Net/Embedding[words]", .weight = r->w, .weight_grad = r->dw, .words = WORDS,
        .size = SIZE};
    ck_assert_int_eq(nncf_model_add_embedding(r->model, &words, &r->words, &err), NNCF_OK);
    nncf_linear_params p = head_of(r, "Net/Linear[head]", r->words);
    ck_assert_msg(
        nncf_model_add_linear(r->model, &p, &r->head, &err) == NNCF_OK, "%s", err.message);
    p = head_of(r, "Net/Linear[other]", r->head); /* tied to one that is tied itself */
    p.bias = NULL;
    ck_assert_msg(
        nncf_model_add_linear(r->model, &p, &r->other, &err) == NNCF_OK, "%s", err.message);
    if (config) {
        nncf_config *parsed = fx_config(r->context, config);
        ck_assert_msg(nncf_compression_ctrl_create(r->model, parsed, &r->ctrl, &err) == NNCF_OK,
            "%s", err.message);
        nncf_config_destroy(parsed);
    }
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
}

/* The weight's range from the weight, as an initialization has it. */
static void initialize(rig *r)
{
    int32_t ids[ROWS] = {0, 3, 8};
    float y[ROWS * SIZE], out[ROWS * WORDS];
    const int64_t rows[1] = {ROWS}, of_words[2] = {ROWS, SIZE}, of_head[2] = {ROWS, WORDS};
    const nncf_tensor x = {.data = ids, .dtype = NNCF_I32, .ndim = 1, .shape = rows};
    nncf_tensor ty = {.data = y, .ndim = 2, .shape = of_words},
                to = {.data = out, .ndim = 2, .shape = of_head};
    for (int32_t more = 1; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
        if (!more)
            break;
        ck_assert_int_eq(nncf_layer_forward(r->words, &x, 1, &ty, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(r->head, &ty, 1, &to, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(r->other, &ty, 1, &to, NULL), NNCF_OK);
    }
}

static const char *const configs[] = {FX_CONFIG(FX_MAGNITUDE "," FX_INT8),
    FX_CONFIG(FX_RB "," FX_INT8), FX_CONFIG(FX_MAGNITUDE), FX_CONFIG(FX_INT8)};
enum { CONFIGS = sizeof configs / sizeof *configs };

START_TEST(there_is_one_mask_and_one_quantizer)
{
    rig r;
    float of_words[COUNT], of_head[COUNT], of_other[COUNT];
    uint8_t mask[(COUNT + 7) / 8], masks[2][(COUNT + 7) / 8];
    open_rig(&r, configs[_i]);
    initialize(&r);
    const bool masked = _i != 3, quantized = _i != 2;
    const nncf_statistics s = fx_statistics(r.ctrl);
    ck_assert_int_eq(s.parameters, COUNT + WORDS);
    ck_assert_uint_eq(s.weight_quantizers, quantized);
    ck_assert_uint_eq(s.sparsified_layers, masked);
    ck_assert_int_eq(s.sparsified_weights, masked ? COUNT : 0);
    ck_assert_ptr_null(r.head->compression->weight_quantizer);
    ck_assert_int_eq(nncf_layer_compress_weight(r.words, of_words, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.head, of_head, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.other, of_other, NULL), NNCF_OK);
    ck_assert_mem_ne(of_words, r.w, sizeof of_words);
    ck_assert_mem_eq(of_words, of_head, sizeof of_words);
    ck_assert_mem_eq(of_words, of_other, sizeof of_words);
    ck_assert_int_eq(nncf_layer_get_mask(r.words, mask, sizeof mask, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_get_mask(r.head, masks[0], sizeof mask, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_get_mask(r.other, masks[1], sizeof mask, NULL), NNCF_OK);
    ck_assert_mem_eq(mask, masks[0], sizeof mask);
    ck_assert_mem_eq(mask, masks[1], sizeof mask);
    close_rig(&r);
}
END_TEST

/* With a mask alone: what each reader says of a weight that is kept, added up. */
START_TEST(gradients_of_the_readers_add_up)
{
    rig r;
    float w[COUNT], g[2][COUNT];
    uint64_t state = 6;
    open_rig(&r, FX_CONFIG(FX_MAGNITUDE));
    size_t kept = 0;
    fx_fill(g[0], COUNT, 1, &state);
    fx_fill(g[1], COUNT, 1, &state);
    ck_assert_int_eq(nncf_layer_compress_weight(r.words, w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.words, g[0], NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(r.head, w, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.head, g[1], NULL), NNCF_OK);
    for (int i = 0; i < COUNT; i++) {
        kept += w[i] != 0;
        ck_assert(r.dw[i] == (w[i] != 0 ? g[0][i] + g[1][i] : 0));
    }
    ck_assert_uint_gt(kept, COUNT / 3);
    ck_assert_uint_lt(kept, COUNT);
    close_rig(&r);
}
END_TEST

START_TEST(it_is_counted_and_stored_once)
{
    rig r;
    char path[FX_TEMPORARY];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_memory m = {NNCF_PARAMS(nncf_memory)};
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    nncf_checkpoint *file;
    const int64_t rows[1] = {ROWS};
    const nncf_tensor x = {.ndim = 1, .shape = rows};
    open_rig(&r, configs[_i]);
    ck_assert_msg(nncf_model_get_memory(r.model, &x, 1, NNCF_MODE_TRAIN, &m, &err) == NNCF_OK, "%s",
        err.message);
    ck_assert_uint_eq(m.parameters, sizeof(float) * (2 * COUNT + WORDS));
    initialize(&r);
    fx_temporary(path);
    ck_assert_msg(nncf_strip_save(r.ctrl, path, NULL, &report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(report.weights, COUNT);
    ck_assert_uint_eq(report.bytes_float, sizeof(float) * (COUNT + WORDS));
    ck_assert_int_eq(nncf_checkpoint_open(NULL, path, NULL, &file, &err), NNCF_OK);
    size_t weights = 0;
    for (size_t i = 0; i < nncf_checkpoint_get_tensor_count(file); i++) {
        const char *name = nncf_checkpoint_get_tensor_name(file, i);
        const size_t n = strlen(name), k = strlen(".weight");
        weights += n > k && strcmp(name + n - k, ".weight") == 0;
    }
    ck_assert_uint_eq(weights, 1);
    ck_assert_ptr_nonnull(strstr(
        nncf_checkpoint_get_text(file, "strip.layers"), "\"weight_of\":\"Net/Embedding[words]\""));
    nncf_checkpoint_close(file);
    unlink(path);
    close_rig(&r);
}
END_TEST

START_TEST(a_plan_names_its_readers)
{
    rig r;
    nncf_plan *plan;
    char text[4096];
    open_rig(&r, NULL);
    nncf_config *config = fx_config(NULL, configs[0]);
    ck_assert_int_eq(nncf_plan_create(r.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text,
        "\"tied\":[{\"layer\":\"Net/Linear[head]\",\"to\":\"Net/Embedding[words]\"},{\"layer\":"
        "\"Net/Linear[other]\",\"to\":\"Net/Embedding[words]\"}],\"left\":[],"));
    ck_assert_ptr_nonnull(strstr(text, "\"masks\":1,\"weight_quantizers\":1,"));
    const char *floats = strstr(text, "\"floats\":");
    ck_assert_ptr_nonnull(floats);
    ck_assert_ptr_null(strstr(floats, "\"what\":\"weight\""));
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text, "its weight is that of Net/Embedding[words]"));
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    close_rig(&r);
}
END_TEST

START_TEST(what_is_not_the_same_weight_is_refused)
{
    rig r, foreign;
    float buffer[COUNT];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *layer;
    open_rig(&r, NULL);
    open_rig(&foreign, NULL);
    struct {
        nncf_linear_params p;
        const char *text;
    } cases[4];
    for (int i = 0; i < 4; i++)
        cases[i].p = head_of(&r, "Net/Linear[wrong]", r.words);
    cases[0].p.weight = buffer;
    cases[0].text = "weight is another buffer";
    cases[1].p.weight_grad = buffer;
    cases[1].text = "weight_grad is another buffer";
    cases[2].p.out_features = WORDS - 1;
    cases[2].p.bias = NULL;
    cases[2].text = "tied_to is Net/Embedding[words], whose weight has another shape";
    cases[3].p.tied_to = foreign.words;
    cases[3].text = "tied_to is not a layer of this model";
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(nncf_model_add_linear(r.model, &cases[i].p, &layer, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, cases[i].text), "%s", err.message);
        ck_assert_uint_eq(nncf_model_get_layer_count(r.model), 3);
    }
    const nncf_weight_layout_params layout = {
        NNCF_PARAMS(nncf_weight_layout_params), .order = NNCF_WEIGHT_RSCK};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(
            nncf_layer_set_weight_layout(i ? r.words : r.head, &layout, &err), NNCF_E_UNSUPPORTED);
        ck_assert_ptr_nonnull(strstr(err.message, "its weight is tied"));
    }
    close_rig(&foreign);
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tied");
    TCase *tests = fx_case(suite, "tied", 30);
    tcase_add_loop_test(tests, there_is_one_mask_and_one_quantizer, 0, CONFIGS);
    tcase_add_test(tests, gradients_of_the_readers_add_up);
    tcase_add_loop_test(tests, it_is_counted_and_stored_once, 0, CONFIGS);
    tcase_add_test(tests, a_plan_names_its_readers);
    tcase_add_test(tests, what_is_not_the_same_weight_is_refused);
    return fx_main(suite);
}
