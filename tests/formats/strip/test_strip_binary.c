/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binarized layers in stripped models, read here from docs/snapshots.md alone: signs, scales and
 * thresholds give the output of forward in eval mode, which multiplies bits, to the bit.
 */
#include "support/files.h"
#include "support/fixture.h"

#include <nncf/strip.h>

#include <stdbool.h>

enum { IMAGES = 2, IN = 70, OUT = 12, GROUPS = 2, SIDE = 7, HALF = 4 };
enum { OF_GROUP = IN / GROUPS, WEIGHTS = OUT * OF_GROUP * 9, PIXELS = SIDE * SIDE };
enum { N_IN = IMAGES * IN * PIXELS, N_OUT = IMAGES * OUT * HALF * HALF };

#define BINARY(mode)                                                                               \
    "{\"compression\": {\"algorithm\": \"binarization\", \"mode\": \"" mode                        \
    "\", \"params\": {\"activations_bin_start_epoch\": 0, \"weights_bin_start_epoch\": 0}}}"

typedef struct rig {
    nncf_context *context;
    nncf_model *model;
    fx_block conv;
    nncf_compression_ctrl *ctrl;
    float x[N_IN], y[N_OUT];
} rig;

static void forward(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    fx_tensor x, y;
    fx_view(&x, r->x, 4, (int64_t[]){IMAGES, IN, SIDE, SIDE});
    fx_view(&y, r->y, 4, (int64_t[]){IMAGES, OUT, HALF, HALF});
    ck_assert_msg(
        nncf_layer_forward(r->conv.layer, &x.t, 1, &y.t, &err) == NNCF_OK, "%s", err.message);
}

static void open_rig(rig *r, const char *config, bool norm, uint64_t seed)
{
    *r = (rig){.conv = {.scope = "Net/Conv2d[a]",
                   .in_channels = IN,
                   .out_channels = OUT,
                   .kernel = {3, 3},
                   .stride = {2, 2},
                   .padding = {1, 1},
                   .groups = GROUPS,
                   .batch_norm = norm,
                   .bias = true,
                   .activation = norm ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE}};
    r->context = fx_new_context(NULL, 2, NNCF_ISA_BEST, 3);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    fx_register(r->model, &r->conv, NULL, &seed);
    if (norm)
        r->conv.gamma[1] = -0.7f; /* folded, its scale is negative */
    r->conv.w[5] = 0; /* whose sign is -1 */
    fx_fill(r->x, N_IN, 1, &seed);
    r->ctrl = fx_ctrl(r->model, config);
    forward(r); /* sets the scale */
    const nncf_parameter t = fx_parameter(r->ctrl, "Net/Conv2d[a].input_quantizer.threshold");
    for (size_t i = 0; i < t.count; i++)
        t.data[i] = (float)(i % 7) / 4 - 1;
    ck_assert_int_eq(nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    forward(r);
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
    fx_release(&r->conv);
}

static nncf_checkpoint *strip(rig *r, const nncf_strip_params *p, nncf_strip_report *report)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c = NULL;
    ck_assert_msg(
        nncf_strip_save(r->ctrl, fx_path("s"), p, report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("s"), NULL, &c, NULL), NNCF_OK);
    return c;
}

static const void *data_of(const nncf_checkpoint *c, const char *what, int64_t count, int32_t dtype)
{
    char name[64];
    nncf_tensor t;
    snprintf(name, sizeof name, "Net/Conv2d[a].%s", what);
    ck_assert_int_eq(nncf_checkpoint_get_tensor(c, name, &t, NULL), NNCF_OK);
    ck_assert_int_eq(t.ndim, 1);
    ck_assert_int_eq(t.shape[0], count);
    ck_assert_int_eq(t.dtype, dtype);
    return t.data;
}

static bool has(const nncf_checkpoint *c, const char *what)
{
    char name[64];
    nncf_tensor t;
    snprintf(name, sizeof name, "Net/Conv2d[a].%s", what);
    return nncf_checkpoint_get_tensor(c, name, &t, NULL) == NNCF_OK;
}

/* The whole number that output `at` is, before scales. */
static int32_t sum_of(const rig *r, const nncf_checkpoint *c, size_t at)
{
    const uint8_t *signs = data_of(c, "weight", (WEIGHTS + 7) / 8, NNCF_U8);
    const float *thresholds = data_of(c, "input_threshold", IN, NNCF_F32);
    const size_t x0 = at % HALF, y0 = at / HALF % HALF, o = at / (HALF * HALF) % OUT,
                 image = at / (HALF * HALF * OUT), first = o / (OUT / GROUPS) * OF_GROUP;
    int32_t sum = 0;
    for (size_t i = 0; i < OF_GROUP * 9; i++) {
        const size_t k = o * OF_GROUP * 9 + i, ch = first + i / 9, y = 2 * y0 + i / 3 % 3,
                     x = 2 * x0 + i % 3;
        if (y < 1 || y > SIDE || x < 1 || x > SIDE)
            continue;
        if (r->x[((image * IN + ch) * SIDE + y - 1) * SIDE + x - 1] > thresholds[ch])
            sum += signs[k / 8] >> k % 8 & 1 ? 1 : -1;
    }
    return sum;
}

static const char *const configs[] = {BINARY("xnor"), BINARY("dorefa")};

START_TEST(a_reader_computes_the_bits_of_eval)
{
    rig *r = fx_alloc(1, sizeof *r);
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .sparse = 1};
    open_rig(r, configs[_i], false, 3);
    nncf_checkpoint *c = strip(r, &p, &report);
    const int64_t scales = _i == 0 ? OUT : 1;
    const float *scale = data_of(c, "weight_scale", scales, NNCF_F32),
                *input = data_of(c, "input_scale", 1, NNCF_F32),
                *bias = data_of(c, "bias", OUT, NNCF_F32);
    for (size_t i = 0; i < N_OUT; i++) {
        const size_t o = i / (HALF * HALF) % OUT;
        const float unit = *input * scale[scales > 1 ? o : 0],
                    want = (float)sum_of(r, c, i) * unit + bias[o];
        ck_assert_msg(want == r->y[i], "output %zu is %.9g, the file says %.9g", i, (double)r->y[i],
            (double)want);
    }
    ck_assert(!has(c, "weight_mask") && !has(c, "input_zero_point") && !has(c, "input_codes"));
    ck_assert_ptr_nonnull(strstr(nncf_checkpoint_get_text(c, "strip.layers"),
        "\"weight_shape\":[12,35,3,3],\"weight_bits\":1,\"weight_signed\":true,"
        "\"weight_sparse\":false,\"input_bits\":1"));
    ck_assert_int_eq(report.weights, WEIGHTS);
    ck_assert_int_eq(report.zeros, 0);
    ck_assert_uint_eq(report.bytes_weights, (WEIGHTS + 7) / 8 + 4 * (uint64_t)scales);
    nncf_checkpoint_close(c);
    close_rig(r);
    free(r);
}
END_TEST

START_TEST(folded_scales_compute_the_same)
{
    rig *r = fx_alloc(1, sizeof *r);
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .fold_batch_norm = 1};
    bool negative = false;
    open_rig(r, configs[_i], true, 3);
    nncf_checkpoint *c = strip(r, &p, NULL);
    const float *scale = data_of(c, "weight_scale", OUT, NNCF_F32),
                *input = data_of(c, "input_scale", 1, NNCF_F32),
                *bias = data_of(c, "bias", OUT, NNCF_F32);
    for (size_t i = 0; i < N_OUT; i++) {
        const size_t o = i / (HALF * HALF) % OUT;
        const double want =
            fmax(0, (double)sum_of(r, c, i) * (double)*input * (double)scale[o] + (double)bias[o]);
        negative = negative || scale[o] < 0;
        ck_assert_double_eq_tol((double)r->y[i], want, 1e-5 * (1 + want));
    }
    ck_assert(negative && !has(c, "batch_norm.weight"));
    nncf_checkpoint_close(c);
    close_rig(r);
    free(r);
}
END_TEST

/* As floats they have the signs and the means that they were binarized to, so that another net that
 * binarizes computes the same. */
START_TEST(weights_are_loaded_as_those_of_eval)
{
    rig *r = fx_alloc(1, sizeof *r), *next = fx_alloc(1, sizeof *next);
    float *want = fx_alloc(WEIGHTS, sizeof *want), *got = fx_alloc(WEIGHTS, sizeof *got);
    nncf_error err = NNCF_ERROR_INIT;
    open_rig(r, configs[_i], true, 3);
    open_rig(next, configs[_i], true, 8);
    nncf_checkpoint *c = strip(r, NULL, NULL);
    nncf_checkpoint_tensor t = {"Net/Conv2d[a].weight",
        {.data = next->conv.w,
            .dtype = NNCF_F32,
            .ndim = 4,
            .shape = (const int64_t[]){OUT, OF_GROUP, 3, 3}}};
    nncf_checkpoint_match match;
    ck_assert_msg(nncf_checkpoint_load_weights(c, &t, 1, NULL, &match, NULL, &err) == NNCF_OK, "%s",
        err.message);
    ck_assert_int_eq(match.state, NNCF_MATCH_LOADED);
    ck_assert_int_eq(nncf_layer_compress_weight(r->conv.layer, want, NULL), NNCF_OK);
    ck_assert_mem_eq(next->conv.w, want, WEIGHTS * sizeof *want);
    ck_assert_int_eq(nncf_layer_compress_weight(next->conv.layer, got, NULL), NNCF_OK);
    ck_assert_mem_eq(got, want, WEIGHTS * sizeof *want);
    nncf_checkpoint_close(c);
    close_rig(r);
    close_rig(next);
    free(r);
    free(next);
    free(want);
    free(got);
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_refused)
{
    static const struct {
        const char *parameter, *word;
    } cases[] = {{"Net/Conv2d[a].input_quantizer.threshold", "not finite"},
        {"Net/Conv2d[a].input_quantizer.log_scale", "not finite"}, {NULL, "weight[0] is"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        rig *r = fx_alloc(1, sizeof *r);
        nncf_error err = NNCF_ERROR_INIT;
        open_rig(r, configs[0], true, 3);
        if (cases[i].parameter)
            fx_parameter(r->ctrl, cases[i].parameter).data[0] = NAN;
        else
            r->conv.w[0] = NAN;
        ck_assert_int_eq(
            nncf_strip_save(r->ctrl, fx_path("s"), NULL, NULL, &err), NNCF_E_UNSUPPORTED);
        ck_assert_msg(strstr(err.message, cases[i].word) != NULL, "%s", err.message);
        ck_assert_int_eq(fx_entries(), 0);
        /* what follows from a weight is not remembered */
        r->conv.w[0] = 1;
        if (!cases[i].parameter)
            nncf_checkpoint_close(strip(r, NULL, NULL));
        close_rig(r);
        free(r);
    }
}
END_TEST

/* Files that say of signs what cannot be. */
START_TEST(a_file_that_does_not_fit_is_refused)
{
    static const struct {
        const char *record, *word;
        int64_t bytes;
    } cases[] = {{"\"weight_sparse\":false", NULL, 2}, {"\"weight_sparse\":true", "weight_", 2},
        {"\"weight_sparse\":false", "weight", 3}, {"\"weight_sparse\":false", "weight", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        uint8_t signs[3] = {0x96, 1, 0};
        float scale = 0.5f, to[9] = {0};
        nncf_checkpoint *c = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        snprintf(text, sizeof text,
            "[{\"scope\":\"a\",\"weight_shape\":[3,3],\"weight_bits\":1,\"weight_signed\":true,%s}"
            "]",
            cases[i].record);
        const int64_t one = 1;
        const nncf_checkpoint_tensor saved[] = {
            {"a.weight", {.data = signs, .dtype = NNCF_U8, .ndim = 1, .shape = &cases[i].bytes}},
            {"a.weight_scale", {.data = &scale, .dtype = NNCF_F32, .ndim = 1, .shape = &one}},
            {"a.weight_mask",
                {.data = signs, .dtype = NNCF_U8, .ndim = 1, .shape = (int64_t[]){2}}}};
        const nncf_checkpoint_text texts[] = {{"strip.layers", text}};
        ck_assert_int_eq(
            nncf_checkpoint_save(NULL, fx_path("s"), saved, 3,
                &(nncf_checkpoint_save_params){
                    NNCF_PARAMS(nncf_checkpoint_save_params), .texts = texts, .n_texts = 1},
                &err),
            NNCF_OK);
        ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("s"), NULL, &c, NULL), NNCF_OK);
        nncf_checkpoint_tensor t = {"a.weight",
            {.data = to, .dtype = NNCF_F32, .ndim = 2, .shape = (const int64_t[]){3, 3}}};
        nncf_checkpoint_match match;
        const nncf_status status = nncf_checkpoint_load_weights(c, &t, 1, NULL, &match, NULL, &err);
        ck_assert_int_eq(status, cases[i].word ? NNCF_E_FORMAT : NNCF_OK);
        if (cases[i].word)
            ck_assert_msg(strstr(err.message, cases[i].word) != NULL, "%s", err.message);
        for (int k = 0; !cases[i].word && k < 9; k++)
            ck_assert(to[k] == (k == 1 || k == 2 || k == 4 || k == 7 || k == 8 ? 0.5f : -0.5f));
        nncf_checkpoint_close(c);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("strip_binary");
    TCase *tc = fx_case(suite, "binary", 60);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tc, a_reader_computes_the_bits_of_eval, 0, 2);
    tcase_add_loop_test(tc, folded_scales_compute_the_same, 0, 2);
    tcase_add_loop_test(tc, weights_are_loaded_as_those_of_eval, 0, 2);
    tcase_add_test(tc, numbers_that_are_not_finite_are_refused);
    tcase_add_test(tc, a_file_that_does_not_fit_is_refused);
    return fx_main(suite);
}
