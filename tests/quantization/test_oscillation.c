/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights whose codes go back and forth are frozen (Nagel et al. 2022, section 4.2, algorithm 1):
 * the rule against a plain loop in double, and what a training under a controller makes of it.
 */
#include "controller/ctrl.h"
#include "quantization/oscillation.h"
#include "support/files.h"
#include "support/fixture.h"

#include <stdbool.h>

/* ---- the rule ---- */

typedef struct wanted {
    double frequency, average, code;
    int turn;
    bool seen, frozen;
} wanted;

static void expect_next(
    wanted *e, double x, double scale, double low, double high, double m, double threshold)
{
    const double code = fmin(fmax(rint(x / scale), low), high);
    if (e->frozen)
        return;
    if (!e->seen) {
        *e = (wanted){.code = code, .average = code, .seen = true};
        return;
    }
    const double change = code - e->code;
    const bool turned = change != 0 && e->turn != 0 && (change > 0) != (e->turn > 0);
    e->frequency = m * turned + (1 - m) * e->frequency;
    e->average = m * code + (1 - m) * e->average;
    e->code = code;
    e->turn = change > 0 ? 1 : change < 0 ? -1 : e->turn;
    if (e->frequency > threshold) {
        e->frozen = true;
        e->code = fmin(fmax(rint(e->average), low), high);
    }
}

START_TEST(the_rule_is_that_of_a_plain_loop)
{
    enum { COUNT = 301, STEPS = 200 };
    const nncf__fq fq = {.scale = 0.25f, .low = -7, .high = 7, .x_low = -1.75f, .x_high = 1.75f};
    const nncf__freezing rule = {.threshold = 0.2, .momentum = 0.02};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 1);
    nncf__oscillation *o = nncf__oscillation_create(context, COUNT);
    static wanted e[COUNT];
    float w[COUNT], noise[COUNT], own[COUNT];
    size_t frozen = 0, moved = 0;
    uint64_t state = 3;
    memset(e, 0, sizeof e);
    fx_fill(w, COUNT, 2, &state);
    for (int step = 0; step < STEPS; step++) {
        fx_fill(noise, COUNT, 0.2f, &state);
        for (size_t i = 0; i < COUNT; i++) {
            own[i] = w[i] + noise[i] * (float)(i % 7) / 6; /* the higher, the more it oscillates */
            expect_next(&e[i], (double)own[i], 0.25, -7, 7, 0.02, 0.2);
        }
        /* in two parts, as blocks come */
        nncf__oscillation_observe(o, &rule, 0, 100, own, &fq, own);
        nncf__oscillation_observe(o, &rule, 100, COUNT - 100, own + 100, &fq, own + 100);
        for (size_t i = 0; i < COUNT; i++) {
            ck_assert_int_eq(o->turns[i] == NNCF__TURN_FROZEN, e[i].frozen);
            if (e[i].frozen)
                ck_assert(own[i] == (float)e[i].code * 0.25f);
            ck_assert_double_eq_tol((double)o->values[i], e[i].frequency, 1e-5);
            ck_assert_double_eq_tol((double)o->values[COUNT + i], e[i].average, 1e-5);
        }
    }
    for (size_t i = 0; i < COUNT; i++) {
        frozen += e[i].frozen;
        moved += !e[i].frozen && e[i].frequency > 0;
    }
    ck_assert_uint_gt(frozen, 20);
    ck_assert_uint_gt(moved, 5);
    ck_assert_uint_eq(nncf__oscillation_frozen(o), frozen);
    nncf__oscillation_restart(o, COUNT - 1);
    ck_assert_uint_eq(nncf__oscillation_frozen(o), 0);
    nncf__oscillation_destroy(context, o);
    nncf_context_destroy(context);
}
END_TEST

START_TEST(numbers_that_are_not_finite_are_passed_by)
{
    nncf__fq fq = {.scale = 0.5f, .low = -7, .high = 7};
    const nncf__freezing rule = {.threshold = 0.01, .momentum = 0.5};
    nncf_context *context = fx_new_context(NULL, 1, NNCF_ISA_BEST, 1);
    nncf__oscillation *o = nncf__oscillation_create(context, 3);
    float w[3] = {NAN, INFINITY, 1};
    for (int i = 0; i < 5; i++) {
        fq.scale = i == 3 ? NAN : 0.5f; /* which is no turn */
        w[2] = i % 2 ? 1.0f : 0.5f;
        nncf__oscillation_observe(o, &rule, 0, 3, w, &fq, w);
    }
    const float held = w[2];
    fq.scale = NAN;
    nncf__oscillation_observe(o, &rule, 0, 3, w, &fq, w);
    ck_assert(w[2] == held); /* no value that a later scale could not repair */
    ck_assert(isnan(w[0]) && isinf(w[1]) && o->turns[0] == NNCF__TURN_UNSEEN &&
        o->turns[1] == NNCF__TURN_UNSEEN && o->turns[2] == NNCF__TURN_FROZEN);
    nncf__oscillation_destroy(context, o);
    nncf_context_destroy(context);
}
END_TEST

/* ---- a training ---- */

enum { OUT = 4, CHANNELS = 3, SIDE = 5, N = 2, WEIGHTS = OUT * CHANNELS * 9 };
enum { X = N * CHANNELS * SIDE * SIDE, Y = N * OUT * SIDE * SIDE };

typedef struct rig {
    fx_context host;
    nncf_model *model;
    fx_block conv;
    nncf_compression_ctrl *ctrl;
    /* KRSC, where the host has its weights so */
    float other[WEIGHTS];
    float x[X], y[Y];
    fx_tensor tx, ty;
} rig;

#define RULE "\"oscillation_freezing\": 0.25, \"oscillation_momentum\": 0.1"
#define CONFIG(weights, more)                                                                      \
    "{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": [{\"algorithm\": "  \
    "\"quantization\", \"weights\": {\"bits\": 4, " weights                                        \
    "}, \"initializer\": {\"range\": {\"num_init_samples\": 2, \"type\": \"min_max\"}, "           \
    "\"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}" more "]}"

static void forward(rig *r)
{
    ck_assert_int_eq(nncf_layer_forward(r->conv.layer, &r->tx.t, 1, &r->ty.t, NULL), NNCF_OK);
}

static rig *open_rig(const char *config)
{
    rig *r = fx_alloc(1, sizeof *r);
    uint64_t state = 7;
    int32_t more = 0;
    r->conv = (fx_block){.scope = "Net/Conv2d[c]",
        .in_channels = CHANNELS,
        .out_channels = OUT,
        .kernel = {3, 3},
        .padding = {1, 1},
        .bias = true};
    fx_open(&r->host, 2, 3);
    ck_assert_int_eq(nncf_model_create(r->host.context, &r->model, NULL), NNCF_OK);
    fx_register(r->model, &r->conv, NULL, &state);
    fx_fill(r->x, X, 1, &state);
    fx_view(&r->tx, r->x, 4, (int64_t[]){N, CHANNELS, SIDE, SIDE});
    fx_view(&r->ty, r->y, 4, (int64_t[]){N, OUT, SIDE, SIDE});
    r->ctrl = fx_ctrl(r->model, config);
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        forward(r);
    return r;
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_release(&r->conv);
    fx_close(&r->host);
    free(r);
}

static void step(rig *r)
{
    forward(r);
    ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
}

static nncf_parameter range_of(const rig *r)
{
    return fx_parameter(r->ctrl, "Net/Conv2d[c].pre_ops.weight_quantizer.scale");
}

static float scale_of(const rig *r)
{
    return range_of(r).data[0] / 7;
}

static void used(rig *r, float w[WEIGHTS])
{
    ck_assert_int_eq(nncf_layer_compress_weight(r->conv.layer, w, NULL), NNCF_OK);
}

/* Weight 5 goes back and forth between codes 2 and 3, more often at 3; weight 6 goes through all
 * codes in one direction; 7 stays. Frequencies are 0.1, 0.19, 0.271 after the turns of steps 2, 3
 * and 4. */
START_TEST(a_weight_that_goes_back_and_forth_is_frozen)
{
    rig *r = open_rig(CONFIG(RULE, ""));
    float w[WEIGHTS];
    const float s = scale_of(r), seven = r->conv.w[7];
    for (int i = 0; i < 12; i++) {
        r->conv.w[5] = s * (i % 2 ? 2.4f : 2.6f);
        r->conv.w[6] = s * (float)(i - 6);
        const float before = r->conv.w[6];
        step(r);
        ck_assert_int_eq(fx_statistics(r->ctrl).frozen_weights, i >= 4);
        ck_assert(r->conv.w[7] == seven && r->conv.w[6] == before);
        if (i >= 4) {
            ck_assert(r->conv.w[5] == 3 * s);
            used(r, w);
            ck_assert(w[5] == 3 * s);
        } else {
            ck_assert(r->conv.w[5] != 3 * s);
        }
    }
    /* frozen is the code */
    range_of(r).data[0] *= 0.9f;
    r->conv.w[5] = 0;
    step(r);
    ck_assert(r->conv.w[5] == 3 * scale_of(r));
    char text[8192];
    ck_assert_int_eq(nncf_compression_ctrl_format_statistics(
                         r->ctrl, NNCF_FORM_JSON, text, sizeof text, NULL, NULL),
        NNCF_OK);
    ck_assert_ptr_nonnull(strstr(text, "\"frozen_weights\":1,"));
    close_rig(r);
}
END_TEST

START_TEST(without_the_key_nothing_is_frozen)
{
    rig *r = open_rig(CONFIG("\"mode\": \"symmetric\"", ""));
    const float s = scale_of(r);
    for (int i = 0; i < 12; i++) {
        r->conv.w[5] = s * (i % 2 ? 2.4f : 2.6f);
        step(r);
    }
    ck_assert(r->conv.w[5] == s * 2.4f);
    ck_assert_int_eq(fx_statistics(r->ctrl).frozen_weights, 0);
    close_rig(r);
}
END_TEST

/* Per channel and asymmetric, in every mode of codes: what is frozen is a value that it has. */
START_TEST(every_mode_freezes_codes)
{
    static const char *const configs[] = {CONFIG(RULE ", \"per_channel\": true", ""),
        CONFIG(RULE ", \"mode\": \"asymmetric\"", ""), CONFIG(RULE ", \"group_size\": 9", "")};
    for (size_t k = 0; k < sizeof configs / sizeof *configs; k++) {
        rig *r = open_rig(configs[k]);
        float w[WEIGHTS], kept[WEIGHTS];
        memcpy(kept, r->conv.w, sizeof kept);
        for (int i = 0; i < 12; i++) {
            for (size_t j = 0; j < WEIGHTS; j++) /* more than half of a code */
                r->conv.w[j] = kept[j] * (i % 2 ? 0.6f : 0.9f);
            step(r);
        }
        const int64_t frozen = fx_statistics(r->ctrl).frozen_weights;
        ck_assert_int_gt(frozen, WEIGHTS / 4);
        used(r, w);
        int64_t equal = 0;
        for (size_t j = 0; j < WEIGHTS; j++)
            equal += w[j] == r->conv.w[j];
        ck_assert_int_ge(equal, frozen);
        close_rig(r);
    }
}
END_TEST

/* What a mask has taken is left alone, and comes back as it was. */
START_TEST(masked_weights_are_passed_by)
{
    rig *r = open_rig(CONFIG(RULE,
        ", {\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\", "
        "\"multistep_steps\": [50], \"multistep_sparsity_levels\": [0.5, 0.5]}}"));
    const uint8_t *bits = r->ctrl->layers[0].bits;
    float before[WEIGHTS];
    int64_t frozen = 0, masked = 0;
    memcpy(before, r->conv.w, sizeof before);
    for (int i = 0; i < 12; i++) {
        for (size_t j = 0; j < WEIGHTS; j++)
            r->conv.w[j] = before[j] * (i % 2 ? 0.6f : 0.9f);
        step(r);
    }
    for (size_t i = 0; i < WEIGHTS; i++) {
        const bool kept = bits[i / 8] >> i % 8 & 1, written = r->conv.w[i] != before[i] * 0.6f;
        ck_assert(kept || !written);
        masked += !kept;
        frozen += written;
    }
    ck_assert_int_eq(masked, WEIGHTS / 2);
    ck_assert_int_gt(frozen, 0);
    ck_assert_int_eq(fx_statistics(r->ctrl).frozen_weights, frozen);
    close_rig(r);
}
END_TEST

START_TEST(it_waits_for_its_stage)
{
    rig *late =
        open_rig("{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": "
                 "{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 4, " RULE
                 "}, \"params\": {\"weights_quant_start_epoch\": 1, "
                 "\"activations_quant_start_epoch\": 0}, \"initializer\": "
                 "{\"range\": {\"num_init_samples\": 2}, \"batchnorm_adaptation\": "
                 "{\"num_bn_adaptation_samples\": 0}}}}");
    for (int i = 0; i < 10; i++) {
        late->conv.w[5] = i % 2 ? 0.5f : -0.5f;
        step(late);
    }
    ck_assert_int_eq(fx_statistics(late->ctrl).frozen_weights, 0);
    ck_assert(late->conv.w[5] == 0.5f);
    close_rig(late);
}
END_TEST

/* ---- snapshots ---- */

/* A host whose weights are drawn back and forth by its data. */
static void train(rig *r, int from, int to)
{
    for (int i = from; i < to; i++) {
        for (size_t j = 0; j < WEIGHTS; j++)
            r->conv.w[j] += 0.06f * (float)((int)(j % 5) - 2) * (i % 2 ? 1.0f : -1.0f);
        range_of(r).data[0] *= 1.001f;
        step(r);
    }
}

static nncf_status restore(rig *from, rig *to, bool accept)
{
    return fx_restore(from->ctrl, from->conv.w, WEIGHTS, to->ctrl, to->conv.w, accept, NULL);
}

START_TEST(an_interrupted_training_goes_on_with_the_same_bits)
{
    for (int at = 0; at <= 16; at += 4) {
        rig *whole = open_rig(CONFIG(RULE, "")), *first = open_rig(CONFIG(RULE, "")),
            *second = open_rig(CONFIG(RULE, ""));
        train(whole, 0, 16);
        train(first, 0, at);
        train(second, 0, 3); /* which restoring forgets */
        ck_assert_int_eq(restore(first, second, false), NNCF_OK);
        train(second, at, 16);
        ck_assert_mem_eq(whole->conv.w, second->conv.w, WEIGHTS * sizeof(float));
        ck_assert_int_eq(
            fx_statistics(whole->ctrl).frozen_weights, fx_statistics(second->ctrl).frozen_weights);
        ck_assert_int_gt(fx_statistics(whole->ctrl).frozen_weights, 0);
        close_rig(whole);
        close_rig(first);
        close_rig(second);
    }
}
END_TEST

START_TEST(another_config_keeps_what_is_frozen)
{
    rig *from = open_rig(CONFIG(RULE, "")),
        *to = open_rig(CONFIG(RULE ", \"oscillation_damping\": 0.1", "")),
        *plain = open_rig(CONFIG("\"mode\": \"symmetric\"", "")),
        *again = open_rig(CONFIG(RULE, ""));
    train(from, 0, 16);
    const int64_t frozen = fx_statistics(from->ctrl).frozen_weights;
    ck_assert_int_gt(frozen, 0);
    ck_assert_int_eq(restore(from, to, true), NNCF_OK);
    ck_assert_int_eq(fx_statistics(to->ctrl).frozen_weights, frozen);
    ck_assert_int_eq(restore(from, plain, true), NNCF_OK);
    ck_assert_int_eq(fx_statistics(plain->ctrl).frozen_weights, 0);
    train(again, 0, 16);
    ck_assert_int_eq(restore(plain, again, true), NNCF_OK); /* which knows of none */
    ck_assert_int_eq(fx_statistics(again->ctrl).frozen_weights, 0);
    close_rig(from);
    close_rig(to);
    close_rig(plain);
    close_rig(again);
}
END_TEST

/* A code of 4 bits is no code of 8, nor one of another range: what was frozen is free again, and
 * where it was. */
START_TEST(other_codes_are_observed_anew)
{
    static const char *const others[] = {CONFIG("\"mode\": \"symmetric\", " RULE, ""),
        CONFIG("\"per_channel\": true, " RULE, ""), CONFIG("\"mode\": \"asymmetric\", " RULE, "")};
    char eight[1024];
    for (int k = 0; k < 3; k++) {
        char *bits;
        snprintf(eight, sizeof eight, "%s", others[k]);
        if (k == 0 && (bits = strstr(eight, "\"bits\": 4")) != NULL)
            bits[strlen("\"bits\": ")] = '8';
        rig *from = open_rig(CONFIG(RULE, "")), *to = open_rig(eight);
        train(from, 0, 16);
        ck_assert_int_gt(fx_statistics(from->ctrl).frozen_weights, 0);
        ck_assert_int_eq(restore(from, to, true), NNCF_OK);
        ck_assert_int_eq(fx_statistics(to->ctrl).frozen_weights, 0);
        step(to);
        ck_assert_mem_eq(from->conv.w, to->conv.w, WEIGHTS * sizeof(float));
        close_rig(from);
        close_rig(to);
    }
}
END_TEST

/* As bits that are chosen by sensitivity do: the width changes under a controller. */
START_TEST(another_width_is_observed_anew)
{
    rig *r = open_rig(CONFIG(RULE, ""));
    train(r, 0, 16);
    ck_assert_int_gt(fx_statistics(r->ctrl).frozen_weights, 0);
    r->ctrl->layers[0].weight_quantizer->params.bits = 8;
    float before[WEIGHTS];
    memcpy(before, r->conv.w, sizeof before);
    step(r);
    ck_assert_int_eq(fx_statistics(r->ctrl).frozen_weights, 0);
    ck_assert_mem_eq(before, r->conv.w, sizeof before);
    close_rig(r);
}
END_TEST

/* A stage initializes all ranges again: of the weights that are quantized already, too. */
START_TEST(a_new_range_is_observed_anew)
{
    rig *r = open_rig("{\"nncf_dialect\": \"1.7\", \"target_device\": \"NONE\", \"compression\": "
                      "{\"algorithm\": \"quantization\", \"weights\": {\"bits\": 4, " RULE
                      "}, \"params\": {\"weights_quant_start_epoch\": 0, "
                      "\"activations_quant_start_epoch\": 1}, \"initializer\": "
                      "{\"range\": {\"num_init_samples\": 2}, \"batchnorm_adaptation\": "
                      "{\"num_bn_adaptation_samples\": 0}}}}");
    int32_t more = 0;
    train(r, 0, 16);
    ck_assert_int_gt(fx_statistics(r->ctrl).frozen_weights, 0);
    range_of(r).data[0] *= 0.5f; /* as training may have made it */
    step(r);
    float before[WEIGHTS];
    memcpy(before, r->conv.w, sizeof before);
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r->ctrl, NULL), NNCF_OK);
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        forward(r);
    step(r);
    ck_assert_int_eq(fx_statistics(r->ctrl).frozen_weights, 0);
    ck_assert_mem_eq(before, r->conv.w, sizeof before);
    close_rig(r);
}
END_TEST

/* A weight that was registered without a gradient may be in memory that nobody writes. */
START_TEST(weights_without_a_gradient_are_the_hosts)
{
    rig *r = open_rig("{\"compression\": []}");
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    ck_assert_int_eq(nncf_model_create(r->host.context, &r->model, NULL), NNCF_OK);
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[c]",
        .weight = r->conv.w, .in_channels = CHANNELS, .out_channels = OUT, .kernel = {3, 3},
        .padding = {1, 1}};
    ck_assert_int_eq(nncf_model_add_conv2d(r->model, &p, &r->conv.layer, NULL), NNCF_OK);
    r->ctrl = fx_ctrl(r->model, CONFIG(RULE, ""));
    int32_t more = 0;
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        forward(r);
    float before[WEIGHTS];
    memcpy(before, r->conv.w, sizeof before);
    for (int i = 0; i < 16; i++) {
        range_of(r).data[0] *= i % 2 ? 1.3f : 1 / 1.3f; /* codes go back and forth all the same */
        step(r);
    }
    ck_assert_int_eq(fx_statistics(r->ctrl).frozen_weights, 0);
    ck_assert_mem_eq(before, r->conv.w, sizeof before);
    close_rig(r);
}
END_TEST

/* The weight that is written is the host's, wherever its elements are. */
START_TEST(the_hosts_own_order_is_written)
{
    rig *plain = open_rig(CONFIG(RULE, "")), *r = open_rig("{\"compression\": []}");
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    ck_assert_int_eq(nncf_model_create(r->host.context, &r->model, NULL), NNCF_OK);
    float dw[WEIGHTS], *host = r->other;
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[c]",
        .weight = host, .weight_grad = dw, .in_channels = CHANNELS, .out_channels = OUT,
        .kernel = {3, 3}, .padding = {1, 1}};
    ck_assert_int_eq(nncf_model_add_conv2d(r->model, &p, &r->conv.layer, NULL), NNCF_OK);
    const nncf_weight_layout_params layout = {
        NNCF_PARAMS(nncf_weight_layout_params), .order = NNCF_WEIGHT_KRSC};
    ck_assert_int_eq(nncf_layer_set_weight_layout(r->conv.layer, &layout, NULL), NNCF_OK);
    const float *w0 = plain->conv.w;
#define PLACE(i) ((i) / 27 * 27 + (i) % 9 * CHANNELS + (i) / 9 % CHANNELS)
    for (size_t i = 0; i < WEIGHTS; i++)
        host[PLACE(i)] = w0[i];
    r->ctrl = fx_ctrl(r->model, CONFIG(RULE, ""));
    int32_t more = 0;
    while (nncf_compression_ctrl_init_step(r->ctrl, &more, NULL) == NNCF_OK && more)
        forward(r);
    for (int i = 0; i < 16; i++) {
        for (size_t j = 0; j < WEIGHTS; j++) {
            const float by = 0.06f * (float)((int)(j % 5) - 2) * (i % 2 ? 1.0f : -1.0f);
            plain->conv.w[j] += by;
            host[PLACE(j)] += by;
        }
        step(plain);
        step(r);
    }
    for (size_t j = 0; j < WEIGHTS; j++)
        ck_assert(plain->conv.w[j] == host[PLACE(j)]);
    ck_assert_int_gt(fx_statistics(r->ctrl).frozen_weights, 0);
    close_rig(plain);
    close_rig(r);
}
END_TEST

/* ---- along a cosine ---- */

#define RAMP                                                                                       \
    RULE ", \"oscillation_freezing_init\": 0.85, \"oscillation_damping\": 0.3, "                   \
         "\"oscillation_damping_init\": 0.1, \"oscillation_epochs\": 2"

static void next_epoch(rig *r)
{
    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r->ctrl, NULL), NNCF_OK);
}

/* Weight 5 turns in every step from the second on; cos 0, 90 and 180 degrees. */
START_TEST(the_threshold_falls)
{
    static const double thresholds[] = {0.85, 0.55, 0.25};
    rig *r = open_rig(CONFIG(RAMP, ""));
    const float s = scale_of(r);
    bool frozen = false;
    double frequency = 0;
    for (int i = 0; i < 18; i++) {
        const int epoch = i / 6;
        r->conv.w[5] = s * (i % 2 ? 2.4f : 2.6f);
        step(r);
        frequency = i < 2 ? 0 : 0.9 * frequency + 0.1;
        frozen = frozen || frequency > thresholds[epoch];
        ck_assert_msg((fx_statistics(r->ctrl).frozen_weights == 1) == frozen, "step %d", i);
        ck_assert_int_eq(frozen, i >= 9); /* a constant threshold of 0.25 is passed in step 4 */
        if (i % 6 == 5)
            next_epoch(r);
    }
    close_rig(r);
}
END_TEST

START_TEST(damping_grows)
{
    static const double factors[] = {0.1, 0.2, 0.3, 0.3};
    rig *r = open_rig(CONFIG(RAMP, ""));
    double last = 0;
    float gradients[4][WEIGHTS];
    for (int epoch = 3; epoch >= 0; epoch--) { /* the last first, to compare with */
        rig *at = open_rig(CONFIG(RAMP, ""));
        for (int i = 0; i < epoch; i++)
            next_epoch(at);
        memset(at->conv.dw, 0, sizeof gradients[0]);
        const double loss = fx_loss(at->ctrl);
        memcpy(gradients[epoch], at->conv.dw, sizeof gradients[0]);
        last = epoch == 3 ? loss : last;
        ck_assert_double_gt(loss, 0);
        ck_assert_double_eq_tol(loss / last, factors[epoch] / 0.3, 1e-12);
        for (size_t i = 0; i < WEIGHTS; i++)
            ck_assert_double_eq_tol(
                (double)gradients[epoch][i], (double)gradients[3][i] * factors[epoch] / 0.3, 1e-7);
        close_rig(at);
    }
    close_rig(r);
    /* from 0 on, where nothing else is said */
    r = open_rig(CONFIG("\"oscillation_damping\": 0.3, \"oscillation_epochs\": 4", ""));
    ck_assert_double_eq(fx_loss(r->ctrl), 0);
    next_epoch(r);
    ck_assert_double_eq_tol(fx_loss(r->ctrl) / last, (1 - sqrt(0.5)) / 2, 1e-12);
    close_rig(r);
}
END_TEST

START_TEST(a_ramp_goes_on_with_the_same_bits)
{
    rig *whole = open_rig(CONFIG(RAMP, "")), *first = open_rig(CONFIG(RAMP, "")),
        *second = open_rig(CONFIG(RAMP, "")), *constant = open_rig(CONFIG(RULE, ""));
    rig *const all[] = {whole, first, constant};
    for (int i = 0; i < 3; i++) {
        train(all[i], 0, 6);
        next_epoch(all[i]);
        train(all[i], 6, 9);
    }
    ck_assert_int_lt(
        fx_statistics(whole->ctrl).frozen_weights, fx_statistics(constant->ctrl).frozen_weights);
    ck_assert_int_eq(restore(first, second, false), NNCF_OK);
    rig *const both[] = {whole, second};
    for (int i = 0; i < 2; i++) {
        train(both[i], 9, 14);
        next_epoch(both[i]);
        train(both[i], 14, 24);
    }
    ck_assert_mem_eq(whole->conv.w, second->conv.w, WEIGHTS * sizeof(float));
    ck_assert_double_eq(fx_loss(whole->ctrl), fx_loss(second->ctrl));
    ck_assert_int_gt(fx_statistics(whole->ctrl).frozen_weights, 0);
    ck_assert_int_eq(
        fx_statistics(whole->ctrl).frozen_weights, fx_statistics(second->ctrl).frozen_weights);
    close_rig(whole);
    close_rig(first);
    close_rig(second);
    close_rig(constant);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("oscillation");
    TCase *tc = fx_case(suite, "oscillation", 60);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_test(tc, the_rule_is_that_of_a_plain_loop);
    tcase_add_test(tc, numbers_that_are_not_finite_are_passed_by);
    tcase_add_test(tc, a_weight_that_goes_back_and_forth_is_frozen);
    tcase_add_test(tc, without_the_key_nothing_is_frozen);
    tcase_add_test(tc, every_mode_freezes_codes);
    tcase_add_test(tc, masked_weights_are_passed_by);
    tcase_add_test(tc, it_waits_for_its_stage);
    tcase_add_test(tc, an_interrupted_training_goes_on_with_the_same_bits);
    tcase_add_test(tc, another_config_keeps_what_is_frozen);
    tcase_add_test(tc, other_codes_are_observed_anew);
    tcase_add_test(tc, another_width_is_observed_anew);
    tcase_add_test(tc, a_new_range_is_observed_anew);
    tcase_add_test(tc, weights_without_a_gradient_are_the_hosts);
    tcase_add_test(tc, the_hosts_own_order_is_written);
    tcase_add_test(tc, the_threshold_falls);
    tcase_add_test(tc, damping_grows);
    tcase_add_test(tc, a_ramp_goes_on_with_the_same_bits);
    return fx_main(suite);
}
