/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A training in stages: what of a snapshot, or of a stripped model, the next stage's controller
 * takes over. The masks that are expected follow from the numbers that the tests put in: the
 * smallest magnitudes, the signs of logits.
 */
#include "controller/ctrl.h"
#include "formats/safetensors/tensors.h"
#include "stages_fixture.h"
#include "support/runner.h"

#include <nncf/strip.h>

#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

/* ---- weights ---- */

/* From every stage, under names that are like the scopes and under others. */
START_TEST(weights_come_with_their_zeros)
{
    static const char *const names[][2] = {{"a.weight", "b.weight"}, {"first", "second"}};
    const enum stage from = (enum stage)(_i % N_STAGES);
    const char *const *name = names[_i / N_STAGES];
    save_stage(from, name[0], name[1]);
    for (enum stage to = FLOAT; to < N_STAGES; to++) {
        rig r;
        nncf_error err = NNCF_ERROR_INIT;
        nncf_checkpoint_load_report report = {NNCF_PARAMS(nncf_checkpoint_load_report)};
        make_rig(&r, name[0], name[1]);
        nncf_checkpoint *c = open_file(&r, fx_path("s"));
        ck_assert_msg(
            nncf_checkpoint_load_weights(c, r.tensors, 2, NULL, NULL, &report, &err) == NNCF_OK,
            "%s", err.message);
        nncf_checkpoint_close(c);
        ck_assert_uint_eq(report.loaded, 2);
        ck_assert_uint_eq(report.masks_applied, sparse[from] ? 2 : 0);
        ck_assert_uint_eq(report.masks_left, 0);
        ck_assert_str_eq(r.host.complaints, "");
        for (size_t i = 0; i < N_ALL; i++)
            ck_assert_msg(
                *element(&r, i) == (kept_by(from, i) ? stored_weight(i) : 0), "%d: %zu", from, i);
        r.ctrl = fx_ctrl(r.model, configs[to]);
        if (keeps(to)) { /* whatever training does to what is masked */
            fill_weights(&r);
            check_zeros(&r, from, to, true);
            initialize(&r);
            ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
            ck_assert(!strstr(r.host.complaints, "const_sparsity keeps") == sparse[from]);
        } else if (to == FLOAT || to == INT8) {
            check_zeros(&r, from, to, true);
        }
        drop_rig(&r);
    }
}
END_TEST

START_TEST(masks_can_be_left)
{
    for (enum stage from = FLOAT; from < N_STAGES; from++) {
        rig r;
        nncf_error err = NNCF_ERROR_INIT;
        nncf_checkpoint_load_report report = {NNCF_PARAMS(nncf_checkpoint_load_report)};
        save_stage(from, "a.weight", "b.weight");
        make_rig(&r, "a.weight", "b.weight");
        nncf_checkpoint *c = open_file(&r, fx_path("s"));
        ck_assert_msg(nncf_checkpoint_load_weights(c, r.tensors, 2,
                          &(nncf_checkpoint_load_params){
                              NNCF_PARAMS(nncf_checkpoint_load_params), .masks = NNCF_MASKS_LEAVE},
                          NULL, &report, &err) == NNCF_OK,
            "%s", err.message);
        ck_assert_uint_eq(report.masks_left, sparse[from] ? 2 : 0);
        ck_assert_uint_eq(report.masks_applied, 0);
        ck_assert((strstr(r.host.complaints, "2 weights come over without the masks") != NULL) ==
            sparse[from]);
        for (size_t i = 0; i < N_ALL; i++)
            ck_assert(*element(&r, i) == stored_weight(i));
        ck_assert_int_eq(nncf_checkpoint_load_weights(c, r.tensors, 2,
                             &(nncf_checkpoint_load_params){
                                 NNCF_PARAMS(nncf_checkpoint_load_params), .masks = 2},
                             NULL, &report, &err),
            NNCF_E_ARG);
        nncf_checkpoint_close(c);
        drop_rig(&r);
    }
}
END_TEST

/* ---- restore ---- */

static nncf_status restore(rig *r, nncf_checkpoint_restore_report *report, nncf_error *err)
{
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
    nncf_checkpoint *c = open_file(r, fx_path("s"));
    nncf_status status = nncf_checkpoint_restore(c, r->ctrl, &p, report, err);
    nncf_checkpoint_close(c);
    return status;
}

/* Every stage from every stage: the caller reads the stored weights, and the controller takes what
 * both have. */
START_TEST(every_stage_follows_every_stage)
{
    const enum stage from = (enum stage)(_i / N_STAGES), to = (enum stage)(_i % N_STAGES);
    rig r, old;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    save_stage(from, "a.weight", "b.weight");
    make_stage(&old, from, "a.weight", "b.weight");
    make_rig(&r, "a.weight", "b.weight");
    r.ctrl = fx_ctrl(r.model, configs[to]);
    nncf_checkpoint *c = open_file(&r, fx_path("s"));
    ck_assert_int_eq(nncf_checkpoint_read(c, r.tensors, 2, &err), NNCF_OK);
    nncf_checkpoint_close(c);
    ck_assert_msg(restore(&r, &report, &err) == NNCF_OK, "%d -> %d: %s", from, to, err.message);

    /* logits make bits, but bits make no logits */
    const bool taken = sparse[from] && sparse[to] && (!is_rb(to) || is_rb(from));
    ck_assert_uint_eq(report.masks_taken, taken ? 2 : 0);
    ck_assert_uint_eq(report.masks_fresh, sparse[to] && !taken ? 2 : 0);
    ck_assert_uint_eq(report.masks_left, sparse[from] && !taken ? 2 : 0);
    /* two weights, the input of a, the output of a's activation */
    const size_t n = 4;
    ck_assert_uint_eq(report.quantizers_taken, quantized[from] && quantized[to] ? n : 0);
    ck_assert_uint_eq(report.quantizers_fresh, quantized[to] && !quantized[from] ? n : 0);
    ck_assert_uint_eq(report.quantizers_left, quantized[from] && !quantized[to] ? n : 0);
    ck_assert_int_eq(report.initialization_needed, quantized[to] && !quantized[from]);
    ck_assert((strstr(r.host.complaints, "2 masks are not taken over") != NULL) ==
        (report.masks_left > 0));
    ck_assert(
        (strstr(r.host.complaints, "no mask for 2 layers") != NULL) == (report.masks_fresh > 0));
    ck_assert((strstr(r.host.complaints, "the ranges of 4 quantizers are not") != NULL) ==
        (report.quantizers_left > 0));
    ck_assert((strstr(r.host.complaints, "no range for 4 quantizers; run the") != NULL) ==
        (report.quantizers_fresh > 0));

    if (taken || !sparse[to])
        check_zeros(&r, from, to, taken);
    else if (is_rb(to)) /* begins with all weights */
        check_zeros(&r, from, to, false);
    for (size_t i = 0; quantized[from] && quantized[to] && i < 4; i++) {
        static const char *const names[] = {"N/Linear[a].pre_ops.weight_quantizer.scale",
            "N/Linear[b].pre_ops.weight_quantizer.scale", "N/Linear[a].input_quantizer.scale",
            "N/Linear[a].activation_quantizer.scale"};
        ck_assert(
            fx_parameter(r.ctrl, names[i]).data[0] == fx_parameter(old.ctrl, names[i]).data[0]);
    }
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    ck_assert_int_eq(nncf_compression_ctrl_get_statistics(r.ctrl, &s, NULL), NNCF_OK);
    ck_assert_int_eq(s.epoch, 1);
    ck_assert_int_eq(s.step, 1);

    ck_assert_int_eq(initialize(&r), quantized[to] && !quantized[from] ? 1 : 0);
    r.host.complaints[0] = 0;
    forward(&r);
    ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
    ck_assert((strstr(r.host.complaints, "const_sparsity keeps") != NULL) ==
        (keeps(to) && !sparse[from]));
    if (taken || !sparse[to])
        check_zeros(&r, from, to, taken);
    drop_rig(&r);
    drop_rig(&old);
}
END_TEST

/* A range that comes over stays; only the others are found by initialization, also when that was
 * interrupted. */
START_TEST(ranges_that_are_there_stay)
{
    rig r, second;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    static const char all[] = DIALECT(CONST ", " FX_INT8);
    static const char part[] =
        DIALECT(MAGNITUDE ", {\"algorithm\": \"quantization\", \"quantize_inputs\": false, "
                          "\"initializer\": {\"range\": {\"num_init_steps\": 1}}}");
    make_rig(&r, "a.weight", "b.weight");
    fill_weights(&r);
    r.ctrl = fx_ctrl(r.model, part);
    initialize(&r);
    fx_parameter(r.ctrl, "N/Linear[a].activation_quantizer.scale").data[0] = 0.125f;
    fx_parameter(r.ctrl, "N/Linear[a].pre_ops.weight_quantizer.scale").data[0] = 0.25f;
    size_t had = nncf_compression_ctrl_get_parameter_count(r.ctrl);
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, fx_path("s"), r.tensors, 2, NULL, &err), NNCF_OK);
    drop_rig(&r);

    make_rig(&r, "a.weight", "b.weight");
    fill_weights(&r);
    r.ctrl = fx_ctrl(r.model, all);
    ck_assert_uint_gt(
        nncf_compression_ctrl_get_parameter_count(r.ctrl), had); /* the input's quantizer */
    ck_assert_msg(restore(&r, &report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_uint_eq(report.quantizers_taken, 3);
    ck_assert_uint_eq(report.quantizers_fresh, 1);
    ck_assert_ptr_nonnull(strstr(r.host.complaints, "N/Linear[a].input_quantizer.scale"));
    ck_assert_int_eq(report.initialization_needed, 1);
    /* in the middle of it: saved, and gone on with elsewhere */
    int32_t more = 0;
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, fx_path("t"), r.tensors, 2, NULL, &err), NNCF_OK);
    make_rig(&second, "a.weight", "b.weight");
    fill_weights(&second);
    second.ctrl = fx_ctrl(second.model, all);
    nncf_checkpoint *c = open_file(&second, fx_path("t"));
    ck_assert_msg(
        nncf_checkpoint_restore(c, second.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
    rig *both[] = {&r, &second};
    forward(&r);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(initialize(both[i]), i);
        ck_assert(fx_parameter(both[i]->ctrl, "N/Linear[a].activation_quantizer.scale").data[0] ==
            0.125f);
        if (i == 0)
            ck_assert(fx_parameter(r.ctrl, "N/Linear[a].pre_ops.weight_quantizer.scale").data[0] ==
                0.25f);
        ck_assert(fx_parameter(both[i]->ctrl, "N/Linear[a].input_quantizer.scale").data[0] != 1);
    }
    drop_rig(&second);
    drop_rig(&r);
}
END_TEST

/* An optimizer's arrays are called after the logits, and logits of an earlier stage may be carried
 * along: neither are masks. */
START_TEST(what_only_looks_like_a_mask_is_none)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    static float state[N_A];
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    nncf_checkpoint_load_report weights = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    make_stage(&r, RB, "a.weight", "b.weight");
    const int64_t shape[] = {N_A};
    const nncf_checkpoint_tensor tensors[] = {r.tensors[0], r.tensors[1],
        {"optimizer.exp_avg.N/Linear[a].pre_ops.mask",
            {.data = state, .dtype = NNCF_F32, .ndim = 1, .shape = shape}}};
    ck_assert_int_eq(nncf_checkpoint_save(r.ctrl, fx_path("s"), tensors, 3, NULL, &err), NNCF_OK);
    drop_rig(&r);
    make_rig(&r, "a.weight", "b.weight");
    r.ctrl = fx_ctrl(r.model, configs[KEEP]);
    ck_assert_msg(restore(&r, &report, &err) == NNCF_OK, "%s", err.message);
    ck_assert_uint_eq(report.masks_taken, 2);
    ck_assert_uint_eq(report.masks_left, 0);
    /* now without any sparsity, and the logits of before beside it */
    rig dense;
    make_stage(&dense, INT8, "a.weight", "b.weight");
    nncf_checkpoint *c = open_file(&dense, fx_path("s"));
    const nncf_checkpoint_save_params p = {NNCF_PARAMS(nncf_checkpoint_save_params), .carry = c};
    ck_assert_msg(
        nncf_checkpoint_save(dense.ctrl, fx_path("t"), dense.tensors, 2, &p, &err) == NNCF_OK, "%s",
        err.message);
    nncf_checkpoint_close(c);
    c = open_file(&dense, fx_path("t"));
    ck_assert_ptr_nonnull(nncf__checkpoint_find(c, "N/Linear[a].pre_ops.mask"));
    ck_assert_int_eq(
        nncf_checkpoint_load_weights(c, r.tensors, 2, NULL, NULL, &weights, &err), NNCF_OK);
    ck_assert_uint_eq(weights.masks_applied, 0);
    nncf_checkpoint_close(c);
    drop_rig(&dense);
    drop_rig(&r);
}
END_TEST

/* Weights that are loaded behind the controller's creation, but before initialization, count too.
 */
START_TEST(masks_take_weights_loaded_before_initialization)
{
    for (enum stage to = KEEP; to < N_STAGES; to++) {
        rig r;
        if (to != KEEP && to != KEEP_INT8 && to != MAG_INT8)
            continue;
        make_rig(&r, "a.weight", "b.weight");
        r.ctrl = fx_ctrl(r.model, configs[to]);
        fill_weights(&r);
        for (size_t i = 0; i < N_ALL; i++)
            if (!kept_by(MAG, i))
                *element(&r, i) = 0;
        initialize(&r);
        fill_weights(&r);
        check_zeros(&r, MAG, to, true);
        drop_rig(&r);
    }
}
END_TEST

/* The schedule stands at the saved epoch, also where the earlier stage had none. */
START_TEST(the_level_is_that_of_the_epoch)
{
    static const enum stage from[] = {FLOAT, KEEP, INT8, KEEP_INT8, RB};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        rig a, b;
        const nncf_checkpoint_restore_params p = {
            NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
        nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
        nncf_error err = NNCF_ERROR_INIT;
        make_stage(&a, from[i], "a.weight", "b.weight"); /* one epoch */
        for (int epoch = 1; epoch < 6; epoch++)
            ck_assert_int_eq(nncf_compression_ctrl_epoch_step(a.ctrl, NULL), NNCF_OK);
        nncf_status status = nncf_checkpoint_save(a.ctrl, fx_path("s"), a.tensors, 2, NULL, &err);
        ck_assert_msg(status == NNCF_OK, "%s", err.message);
        make_stage(&b, MAG, "a.weight", "b.weight");
        nncf_checkpoint *c = open_file(&b, fx_path("s"));
        status = nncf_checkpoint_restore(c, b.ctrl, &p, NULL, &err);
        ck_assert_msg(status == NNCF_OK, "%s", err.message);
        ck_assert_int_eq(nncf_compression_ctrl_get_statistics(b.ctrl, &s, NULL), NNCF_OK);
        ck_assert_int_eq(s.epoch, 6);
        ck_assert_msg(s.sparsity_target == 0.6, "%d: level %g", (int)from[i], s.sparsity_target);
        nncf_checkpoint_close(c);
        drop_rig(&a);
        drop_rig(&b);
    }
}
END_TEST

START_TEST(another_model_is_refused)
{
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    fx_block k = {.scope = "M/Linear[x]", .in_channels = 6, .out_channels = 8, .linear = true};
    uint64_t state = 1;
    save_stage(MAG_INT8, "a.weight", "b.weight");
    make_rig(&r, "a.weight", "b.weight");
    ck_assert_int_eq(nncf_model_create(r.context, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    r.ctrl = fx_ctrl(model, configs[KEEP]);
    ck_assert_int_eq(restore(&r, NULL, &err), NNCF_E_NOTFOUND);
    ck_assert_msg(strstr(err.message, "none of its 6 masks and quantizers"), "%s", err.message);
    nncf_compression_ctrl_destroy(r.ctrl);
    nncf_model_destroy(model);
    fx_release(&k);

    /* the scope is there, but the weight has another size */
    k = (fx_block){.scope = "N/Linear[a]", .in_channels = 6, .out_channels = 9, .linear = true};
    ck_assert_int_eq(nncf_model_create(r.context, &model, NULL), NNCF_OK);
    fx_register(model, &k, NULL, &state);
    r.ctrl = fx_ctrl(model, configs[KEEP]);
    k.w[0] = 0;
    ck_assert_int_eq(restore(&r, NULL, &err), NNCF_E_SHAPE);
    ck_assert_str_eq(err.where, "nncf.N/Linear[a].mask");
    nncf_compression_ctrl_destroy(r.ctrl);
    nncf_model_destroy(model);
    fx_release(&k);
    r.ctrl = NULL;
    drop_rig(&r);
}
END_TEST

/* ---- stripped models ---- */

/* What forward multiplied with in eval mode comes back to the bit, and its zeros are kept. */
START_TEST(stripped_models_begin_a_stage)
{
    static const char *const made[] = {DIALECT(""), DIALECT(FX_RB), DIALECT(FX_RB ", " FX_INT8),
        DIALECT(FX_RB ", " INT4), DIALECT(FX_INT8),
        DIALECT(FX_RB ", {\"algorithm\": \"quantization\", \"weights\": {\"mode\": "
                      "\"asymmetric\", \"bits\": 3}, \"initializer\": {\"range\": "
                      "{\"num_init_steps\": 1}}}")};
    const char *config = made[_i / 2];
    const bool with_rb = strstr(config, "rb_sparsity") != NULL;
    const nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .sparse = _i % 2};
    float want[N_ALL], got[N_ALL];
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    make_rig(&r, "a.weight", "b.weight");
    fill_weights(&r);
    r.ctrl = fx_ctrl(r.model, config);
    if (with_rb)
        for (size_t i = 0; i < N_ALL; i++)
            (i < N_A ? fx_parameter(r.ctrl, "N/Linear[a].pre_ops.mask").data + i
                     : fx_parameter(r.ctrl, "N/Linear[b].pre_ops.mask").data + i - N_A)[0] =
                logit_keeps(i) ? 1 : -1;
    initialize(&r);
    used_weights(&r, want);
    ck_assert_msg(
        nncf_strip_save(r.ctrl, fx_path("s"), &p, NULL, &err) == NNCF_OK, "%s", err.message);
    drop_rig(&r);

    const char *unexpected[32];
    nncf_checkpoint_load_report report = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    nncf_checkpoint_match matches[2];
    make_rig(&r, "a.weight", "b.weight");
    nncf_checkpoint *c = open_file(&r, fx_path("s"));
    ck_assert_msg(nncf_checkpoint_load_weights(c, r.tensors, 2,
                      &(nncf_checkpoint_load_params){NNCF_PARAMS(nncf_checkpoint_load_params),
                          .unexpected_names = unexpected, .capacity = 32},
                      matches, &report, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_uint_eq(report.loaded, 2);
    ck_assert_str_eq(matches[0].source, "N/Linear[a].weight");
    for (size_t i = 0; i < report.unexpected; i++) /* ranges of activations, which are no weights */
        ck_assert_msg(!strstr(unexpected[i], ".weight"), "%s", unexpected[i]);
    for (size_t i = 0; i < N_ALL; i++) {
        ck_assert_msg(memcmp(element(&r, i), &want[i], sizeof(float)) == 0 ||
                (*element(&r, i) == 0 && want[i] == 0),
            "element %zu: %g, not %g", i, (double)*element(&r, i), (double)want[i]);
    }
    nncf_checkpoint_close(c);
    r.ctrl = fx_ctrl(r.model, configs[KEEP]);
    fill_weights(&r);
    used_weights(&r, got);
    for (size_t i = 0; i < N_ALL; i++)
        ck_assert((got[i] == 0) == (want[i] == 0));
    drop_rig(&r);
}
END_TEST

/* Files whose strip.layers says what the tensors are not. */
START_TEST(stripped_models_that_lie_are_refused)
{
#define LAYER(scope, shape, rest) "[{\"scope\":\"" scope "\",\"weight_shape\":" shape "," rest "}]"
#define CODES                     "\"weight_bits\":8,\"weight_signed\":true,\"weight_sparse\":"
    static const struct {
        const char *layers;
        nncf_status want;
    } cases[] = {
        {LAYER("a", "[2,2]", CODES "false"), NNCF_OK},
        {LAYER("a", "[2,3]", CODES "false"), NNCF_E_FORMAT},
        {LAYER("a", "[2,2]", CODES "true"), NNCF_E_FORMAT},
        {"[{\"scope\":\"a\",\"weight_shape\":[2,2]," CODES
         "false},{\"scope\":\"a\",\"weight_shape\":[2,2]," CODES "false}]",
            NNCF_E_FORMAT}, /* twice */
        {LAYER("a", "[2,-2]", CODES "false"), NNCF_E_FORMAT},
        {LAYER("a", "[2,0]", CODES "false"), NNCF_E_FORMAT},
        {LAYER("a", "[4294967296,4294967296]", CODES "false"), NNCF_E_FORMAT},
        {LAYER("a", "[999999999999999999999]", CODES "false"), NNCF_E_FORMAT},
        {LAYER("a", "[1,1,1,1,1,1,1,1,4]", CODES "false"), NNCF_E_FORMAT},
        {LAYER("a", "[2,2]", "\"weight_bits\":9,\"weight_signed\":true"), NNCF_E_FORMAT},
        {LAYER("a", "[2,2]", "\"weight_bits\":\"8\",\"weight_signed\":true"), NNCF_E_FORMAT},
        {LAYER("a", "[2,2]", "\"weight_bits\":4,\"weight_signed\":true"), NNCF_E_FORMAT},
        {LAYER("a", "[2,2]", "\"weight_bits\":8,\"weight_signed\":false"), NNCF_E_FORMAT},
        {LAYER("a", "[2,2]", "\"weight_bits\":32,\"weight_signed\":true"), NNCF_E_FORMAT},
        {LAYER("b", "[2,2]", CODES "false"), NNCF_E_FORMAT}, /* three scales */
        {LAYER("c", "[2,2]", CODES "false"), NNCF_E_FORMAT}, /* no scale */
        {LAYER("d", "[2,2]", CODES "false"), NNCF_E_FORMAT}, /* two zero points for one scale */
        {LAYER("a", "\"\"", CODES "false"), NNCF_E_NOTFOUND}, /* no weight: then it is bytes */
        {LAYER("none", "[2,2]", CODES "false"), NNCF_E_NOTFOUND},
        {LAYER("a", "[2,2]", "\"op\":\"conv_transpose2d\"," CODES "false"), NNCF_OK},
        {"[1,{},{\"scope\":1},{\"scope\":\"a\",\"weight_shape\":[]}]", NNCF_E_NOTFOUND},
        {"[", NNCF_E_FORMAT},
        {"", NNCF_E_FORMAT},
        {"{}", NNCF_E_FORMAT},
        {"[]", NNCF_E_NOTFOUND},
    };
    static int8_t codes[4] = {-128, 0, 1, 127};
    static float scales[3] = {0.5f, 0.25f, 1};
    static int32_t zeros[2] = {INT32_MIN, INT32_MIN};
    static const int64_t four[] = {2, 2}, one[] = {1}, two[] = {2}, three[] = {3};
    const nncf_checkpoint_tensor tensors[] = {
        {"a.weight", {.data = codes, .dtype = NNCF_S8, .ndim = 2, .shape = four}},
        {"a.weight_scale", {.data = scales, .dtype = NNCF_F32, .ndim = 1, .shape = two}},
        {"a.weight_zero_point", {.data = zeros, .dtype = NNCF_I32, .ndim = 1, .shape = two}},
        {"b.weight", {.data = codes, .dtype = NNCF_S8, .ndim = 2, .shape = four}},
        {"b.weight_scale", {.data = scales, .dtype = NNCF_F32, .ndim = 1, .shape = three}},
        {"c.weight", {.data = codes, .dtype = NNCF_S8, .ndim = 2, .shape = four}},
        {"d.weight", {.data = codes, .dtype = NNCF_S8, .ndim = 2, .shape = four}},
        {"d.weight_scale", {.data = scales, .dtype = NNCF_F32, .ndim = 1, .shape = one}},
        {"d.weight_zero_point", {.data = zeros, .dtype = NNCF_I32, .ndim = 1, .shape = two}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const nncf_checkpoint_text text = {"strip.layers", cases[i].layers};
        float w[4] = {9, 9, 9, 9};
        const nncf_checkpoint_tensor want = {
            "a.weight", {.data = w, .dtype = NNCF_F32, .ndim = 2, .shape = four}};
        nncf_checkpoint *c = NULL;
        nncf_error err = NNCF_ERROR_INIT;
        zeros[0] = zeros[1] =
            cases[i].want == NNCF_OK && strstr(cases[i].layers, "conv_transpose") ? 0 : INT32_MIN;
        ck_assert_int_eq(
            nncf_checkpoint_save(NULL, fx_path("s"), tensors, sizeof tensors / sizeof *tensors,
                &(nncf_checkpoint_save_params){
                    NNCF_PARAMS(nncf_checkpoint_save_params), .texts = &text, .n_texts = 1},
                &err),
            NNCF_OK);
        ck_assert_int_eq(nncf_checkpoint_open(NULL, fx_path("s"), NULL, &c, &err), NNCF_OK);
        nncf_status status = nncf_checkpoint_load_weights(c, &want, 1, NULL, NULL, NULL, &err);
        ck_assert_msg(status == cases[i].want, "%s: %s %s", cases[i].layers,
            nncf_status_name(status), err.message);
        if (status != NNCF_OK)
            ck_assert(w[0] == 9 && w[3] == 9);
        else if (zeros[0] == 0) /* channels along the second axis */
            ck_assert(w[0] == -64 && w[1] == 0 && w[2] == 0.5f && w[3] == 31.75f);
        else /* along the first, and codes far from the zero point do not overflow */
            ck_assert(w[0] == (0x1p31f - 128) / 2 && w[3] == 0x1p31f / 4);
        nncf_checkpoint_close(c);
    }
}
END_TEST

/* ---- files of NNCF's ---- */

START_TEST(binary_masks_of_nncf_are_taken)
{
    static float w[4] = {1, 2, 3, 4}, mask[4] = {1, 0, 0, 1}, small[2] = {0, 0};
    static const int64_t four[] = {2, 2}, two[] = {2};
    const nncf_checkpoint_tensor tensors[] = {
        {"module.conv.weight", {.data = w, .dtype = NNCF_F32, .ndim = 2, .shape = four}},
        {"module.conv.pre_ops.0.op.operand.binary_mask",
            {.data = mask, .dtype = NNCF_F32, .ndim = 2, .shape = four}},
        {"module.fc.weight", {.data = w, .dtype = NNCF_F32, .ndim = 2, .shape = four}},
        {"module.fc.pre_ops.0.op.operand.binary_mask",
            {.data = small, .dtype = NNCF_F32, .ndim = 1, .shape = two}},
        {"module.fc.pre_ops.mask", {.data = mask, .dtype = NNCF_F32, .ndim = 2, .shape = four}}};
    float conv[4], fc[4];
    const nncf_checkpoint_tensor want[] = {
        {"N/Conv2d[conv].weight", {.data = conv, .dtype = NNCF_F32, .ndim = 2, .shape = four}},
        {"fc.weight", {.data = fc, .dtype = NNCF_F32, .ndim = 2, .shape = four}}};
    rig r;
    nncf_checkpoint_load_report report = {NNCF_PARAMS(nncf_checkpoint_load_report)};
    make_rig(&r, "a", "b");
    ck_assert_int_eq(nncf_checkpoint_save(NULL, fx_path("s"), tensors, 5, NULL, NULL), NNCF_OK);
    nncf_checkpoint *c = open_file(&r, fx_path("s"));
    ck_assert_int_eq(nncf_checkpoint_load_weights(c, want, 2, NULL, NULL, &report, NULL), NNCF_OK);
    ck_assert_uint_eq(report.masks_applied, 1);
    ck_assert(conv[0] == 1 && conv[1] == 0 && conv[2] == 0 && conv[3] == 4);
    /* one that does not fit is named; what looks like logits is none without rb_sparsity */
    ck_assert_ptr_nonnull(
        strstr(r.host.complaints, "\"module.fc.pre_ops.0.op.operand.binary_mask\" does not fit"));
    ck_assert_mem_eq(fc, w, sizeof fc);
    nncf_checkpoint_close(c);
    drop_rig(&r);
}
END_TEST

/* ---- no memory ---- */

/* Each allocation fails in turn: the call says so, and nothing has changed. */
START_TEST(no_memory_changes_nothing)
{
    static const char *const files[] = {"s", "t"};
    rig r;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_strip_params p = {NNCF_PARAMS(nncf_strip_params), .sparse = 1};
    save_stage(MAG, "first", "b.weight");
    make_stage(&r, MAG_INT8, "a", "b");
    ck_assert_int_eq(nncf_strip_save(r.ctrl, fx_path("t"), &p, NULL, &err), NNCF_OK);
    drop_rig(&r);
    for (int call = 0; call < 3;
         call++) { /* weights of a snapshot, of a stripped model; restoring */
        int failures = 0;
        for (nncf_status status = NNCF_E_NOMEM; status != NNCF_OK; failures++) {
            fx_memory memory = {0};
            nncf_context *context = fx_new_context(&memory, 1, 0, 42);
            nncf_checkpoint *c = NULL;
            float w[N_A + N_B] = {9};
            int64_t shapes[2][2] = {{8, 6}, {4, 8}};
            const nncf_checkpoint_tensor want[] = {
                {call == 1 ? "a.weight" : "first",
                    {.data = w, .dtype = NNCF_F32, .ndim = 2, .shape = shapes[0]}},
                {"b.weight", {.data = w + N_A, .dtype = NNCF_F32, .ndim = 2, .shape = shapes[1]}}};
            const nncf_checkpoint_restore_params how = {
                NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
            nncf_model *model = NULL;
            nncf_compression_ctrl *ctrl = NULL;
            fx_block k = {
                .scope = "N/Linear[a]", .in_channels = 6, .out_channels = 8, .linear = true};
            uint64_t state = 1;
            if (call == 2) {
                ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
                fx_register(model, &k, NULL, &state);
                ctrl = fx_ctrl(model, configs[KEEP_INT8]);
            }
            ck_assert_int_eq(
                nncf_checkpoint_open(context, fx_path(files[call == 1]), NULL, &c, NULL), NNCF_OK);
            memory.fail_at = memory.calls + 1 + (size_t)failures;
            status = call == 2 ? nncf_checkpoint_restore(c, ctrl, &how, NULL, &err)
                               : nncf_checkpoint_load_weights(c, want, 2, NULL, NULL, NULL, &err);
            const bool failed = memory.calls >= memory.fail_at;
            memory.fail_at = 0;
            ck_assert_msg(status == NNCF_OK || status == NNCF_E_NOMEM, "%s", err.message);
            if (status != NNCF_OK) {
                ck_assert(failed && w[0] == 9 && w[N_A] == 0);
                if (ctrl)
                    ck_assert_int_eq(ctrl->epoch, 0);
            }
            nncf_checkpoint_close(c);
            nncf_compression_ctrl_destroy(ctrl);
            nncf_model_destroy(model);
            if (call == 2)
                fx_release(&k);
            nncf_context_destroy(context);
            ck_assert_uint_eq(memory.live, 0);
        }
        ck_assert_int_ge(failures, 6);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stages");
    TCase *tc = fx_case(suite, "stages", 120);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tc, weights_come_with_their_zeros, 0, 2 * N_STAGES);
    tcase_add_test(tc, masks_can_be_left);
    tcase_add_loop_test(tc, every_stage_follows_every_stage, 0, N_STAGES * N_STAGES);
    tcase_add_test(tc, ranges_that_are_there_stay);
    tcase_add_test(tc, what_only_looks_like_a_mask_is_none);
    tcase_add_test(tc, masks_take_weights_loaded_before_initialization);
    tcase_add_test(tc, the_level_is_that_of_the_epoch);
    tcase_add_test(tc, another_model_is_refused);
    tcase_add_loop_test(tc, stripped_models_begin_a_stage, 0, 12);
    tcase_add_test(tc, stripped_models_that_lie_are_refused);
    tcase_add_test(tc, binary_masks_of_nncf_are_taken);
    tcase_add_test(tc, no_memory_changes_nothing);
    return fx_main(suite);
}
