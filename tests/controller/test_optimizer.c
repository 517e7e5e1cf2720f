/* SPDX-License-Identifier: Apache-2.0 */
/* What a host's optimizer asks for: masks as bits, and the switch for subnormal numbers. */
#include "support/ctrl.h"
#include "support/fixture.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

enum { OUT = 5, IN = 3, WEIGHTS = OUT * IN };

static const char *const configs[] = {NULL, FX_CONFIG(FX_MAGNITUDE), FX_CONFIG(FX_RB)};

/* The bits are those of the weights that eval mode keeps. */
START_TEST(a_mask_is_what_eval_mode_keeps)
{
    fx_context c;
    nncf_model *model;
    nncf_error err = NNCF_ERROR_INIT;
    float kept[WEIGHTS];
    uint8_t bits[(WEIGHTS + 7) / 8 + 1];
    uint64_t state = 4;
    fx_open(&c, 1, 1);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_layer l = fx_add_conv(model, "N/Conv2d[a]", OUT, IN, 1, NULL, NULL);
    nncf_compression_ctrl *ctrl = configs[_i] ? fx_ctrl(model, configs[_i]) : NULL;
    if (_i == 2) {
        const nncf_parameter logits = fx_parameter_at(ctrl, 0);
        fx_fill(logits.data, logits.count, 1, &state);
    }
    ck_assert_int_eq(nncf_model_set_mode(model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(l.layer, kept, NULL), NNCF_OK);
    memset(bits, 0x5a, sizeof bits);
    ck_assert_int_eq(nncf_layer_get_mask(l.layer, bits, sizeof bits - 1, &err), NNCF_OK);
    int zeros = 0;
    for (size_t i = 0; i < WEIGHTS; i++) {
        ck_assert(l.weight[i] != 0);
        ck_assert_int_eq(bits[i / 8] >> i % 8 & 1, kept[i] != 0);
        zeros += kept[i] == 0;
    }
    ck_assert(_i == 0 ? zeros == 0 : zeros > 0 && zeros < WEIGHTS);
    ck_assert_int_eq(bits[WEIGHTS / 8] >> WEIGHTS % 8, 0);
    ck_assert_int_eq(bits[sizeof bits - 1], 0x5a);
    ck_assert_int_eq(nncf_layer_get_mask(l.layer, bits, sizeof bits - 2, &err), NNCF_E_BUFFER);
    ck_assert_str_eq(err.where, "N/Conv2d[a]");
    ck_assert_int_eq(nncf_layer_get_mask(l.layer, NULL, 2, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_get_mask(NULL, bits, 2, &err), NNCF_E_ARG);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&l);
    fx_close(&c);
}
END_TEST

/* Values 1, 2, ...; those of masked weights become 0, the others stay. Rows have a gap. */
START_TEST(values_of_masked_weights_are_cleared)
{
    enum { ROW = IN + 2 };
    fx_context c;
    nncf_model *model;
    nncf_layer *layer;
    float weight[OUT * ROW], values[OUT * ROW];
    uint8_t bits[(WEIGHTS + 7) / 8];
    uint64_t state = 4;
    const bool layout = _i >= 3;
    const char *config = configs[_i % 3];
    const int row = layout ? ROW : IN;
    fx_fill(weight, OUT * ROW, 1, &state);
    fx_open(&c, 1, 1);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "N/a", .weight = weight,
        .in_features = IN, .out_features = OUT};
    const nncf_weight_layout_params rows = {
        NNCF_PARAMS(nncf_weight_layout_params), .row_stride = ROW};
    ck_assert_int_eq(nncf_model_add_linear(model, &p, &layer, NULL), NNCF_OK);
    if (layout)
        ck_assert_int_eq(nncf_layer_set_weight_layout(layer, &rows, NULL), NNCF_OK);
    nncf_compression_ctrl *ctrl = config ? fx_ctrl(model, config) : NULL;
    if (_i % 3 == 2) {
        const nncf_parameter logits = fx_parameter_at(ctrl, 0);
        fx_fill(logits.data, logits.count, 1, &state);
    }
    for (int i = 0; i < OUT * ROW; i++)
        values[i] = (float)(i + 1);
    ck_assert_int_eq(nncf_layer_get_mask(layer, bits, sizeof bits, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_clear_masked(layer, values, NULL), NNCF_OK);
    int cleared = 0;
    for (int i = 0; i < OUT * row; i++) {
        const int weights = i / row * IN + i % row;
        const bool kept = i % row >= IN || (bits[weights / 8] >> weights % 8 & 1);
        ck_assert(values[i] == (kept ? (float)(i + 1) : 0));
        cleared += !kept;
    }
    ck_assert(_i % 3 == 0 ? cleared == 0 : cleared > 0 && cleared < WEIGHTS);
    ck_assert_int_eq(nncf_layer_clear_masked(layer, NULL, NULL), NNCF_E_ARG);
    ck_assert_int_eq(nncf_layer_clear_masked(NULL, values, NULL), NNCF_E_ARG);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_close(&c);
}
END_TEST

/* What a host does with a momentum. */
static void clear_slots(void *user, const nncf_layer *layer)
{
    float *slots = user;
    ck_assert_str_eq(nncf_layer_get_scope(layer), "N/Conv2d[a]");
    ck_assert_int_eq(nncf_layer_clear_masked(layer, slots, NULL), NNCF_OK);
    slots[WEIGHTS]++;
}

START_TEST(a_callback_says_when_masks_change)
{
    fx_context c;
    nncf_model *model;
    float slots[WEIGHTS + 1] = {0};
    fx_open(&c, 1, 1);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_layer l = fx_add_conv(model, "N/Conv2d[a]", OUT, IN, 1, NULL, NULL);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, configs[1 + _i]);
    ck_assert_int_eq(
        nncf_compression_ctrl_set_mask_callback(ctrl, clear_slots, slots, NULL), NNCF_OK);
    for (int epoch = 0; epoch < 12; epoch++) {
        uint8_t bits[(WEIGHTS + 7) / 8];
        const float calls = slots[WEIGHTS];
        for (int i = 0; i < WEIGHTS; i++)
            slots[i] = 1;
        ck_assert_int_eq(nncf_compression_ctrl_step(ctrl, NULL), NNCF_OK);
        ck_assert(slots[WEIGHTS] == calls);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
        /* rb_sparsity: when epoch 10, sparsity_training_steps, begins */
        const bool told = _i == 0 || epoch == 9;
        ck_assert(slots[WEIGHTS] == calls + (float)told);
        ck_assert_int_eq(nncf_layer_get_mask(l.layer, bits, sizeof bits, NULL), NNCF_OK);
        for (int i = 0; i < WEIGHTS; i++)
            ck_assert(slots[i] == (told && !(bits[i / 8] >> i % 8 & 1) ? 0 : 1));
    }
    const float calls = slots[WEIGHTS];
    ck_assert_int_eq(nncf_compression_ctrl_set_mask_callback(ctrl, NULL, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(ctrl, NULL), NNCF_OK);
    ck_assert(slots[WEIGHTS] == calls);
    ck_assert_int_eq(
        nncf_compression_ctrl_set_mask_callback(NULL, clear_slots, slots, NULL), NNCF_E_ARG);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_layer_free(&l);
    fx_close(&c);
}
END_TEST

START_TEST(a_layer_without_a_weight_has_no_mask)
{
    nncf_model *model;
    nncf_layer *layer;
    uint8_t bits[1];
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "N/Pool"};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &layer, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_get_mask(layer, bits, 1, NULL), NNCF_E_ARG);
    nncf_model_destroy(model);
}
END_TEST

/* A mean square of a weight without gradient, as an optimizer has it. */
START_TEST(subnormal_numbers_become_zeros)
{
    volatile float slot = FLT_MIN, factor = 0.9f;
    const int32_t before = nncf_flush_denormals(0);
    slot = slot * factor;
    ck_assert(slot > 0);
    const int32_t was = nncf_flush_denormals(1);
    if (was < 0) {
        /* valgrind's CPU has no such switch */
        const char *preloaded = getenv("LD_PRELOAD");
        ck_assert(preloaded && strstr(preloaded, "vgpreload"));
    } else {
        ck_assert_int_eq(was, 0);
        volatile float subnormal = slot * factor, result = FLT_MIN;
        result = result * factor;
        ck_assert_int_eq(nncf_flush_denormals(0), 1);
        ck_assert(subnormal == 0);
        ck_assert(result == 0);
    }
    slot = slot * factor;
    ck_assert(slot > 0);
    nncf_flush_denormals(before > 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer");
    TCase *tests = fx_case(suite, "optimizer", 60);
    tcase_add_loop_test(tests, a_mask_is_what_eval_mode_keeps, 0, 3);
    tcase_add_loop_test(tests, values_of_masked_weights_are_cleared, 0, 6);
    tcase_add_loop_test(tests, a_callback_says_when_masks_change, 0, 2);
    tcase_add_test(tests, a_layer_without_a_weight_has_no_mask);
    tcase_add_test(tests, subnormal_numbers_become_zeros);
    return fx_main(suite);
}
