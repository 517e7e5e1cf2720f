/* SPDX-License-Identifier: Apache-2.0 */
/* What the config says about one quantizer: lists, overrides, range rules. Asked of the plan of a
 * model of four convolutions, one after the other. */
#include "config/canonical.h"
#include "placement/placement.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "quantization/quantizer_create.h"
#include "support/fixture.h"

#include <stdbool.h>

#define A "Net/Block[0]/Conv2d[conv]"
#define B "Net/Block[1]/Conv2d[conv]"

enum { LAYER_A = 0, LAYER_B, LAYER_7, LAYER_LAST, LAYERS };

typedef struct fixture {
    nncf_model *model;
    fx_layer layers[LAYERS];
    nncf_config *config;
    struct nncf__placement placement; /* of the config that was planned last */
} fixture;

static void fixture_open(fixture *f)
{
    static const char *const scopes[LAYERS] = {
        A, B, "Net/Block[7]/Conv2d[conv]", "Net/Conv2d[last]"};
    memset(f, 0, sizeof *f);
    ck_assert_int_eq(nncf_model_create(NULL, &f->model, NULL), NNCF_OK);
    for (size_t i = 0; i < LAYERS; i++)
        f->layers[i] =
            fx_add_conv(f->model, scopes[i], 2, 2, 1, NULL, i > 0 ? f->layers[i - 1].layer : NULL);
}

static void forget(fixture *f)
{
    if (f->config)
        nncf__placement_clear(&f->placement);
    nncf_config_destroy(f->config);
    f->config = NULL;
}

static void fixture_close(fixture *f)
{
    forget(f);
    nncf_model_destroy(f->model);
    for (size_t i = 0; i < LAYERS; i++)
        fx_layer_free(&f->layers[i]);
}

/* Plan an algorithm's members as that release's dialect: quantizers behind each convolution but the
 * last. */
static void plan(fixture *f, const char *release, const char *algorithm, const char *members)
{
    nncf_error err = NNCF_ERROR_INIT;
    char text[2048];
    forget(f);
    ck_assert_int_lt(
        snprintf(text, sizeof text,
            "{\"nncf_dialect\": \"%s\", \"quantizer_setup_type\": \"pattern_based\", "
            "\"validate_scopes\": false, \"compression\": {\"algorithm\": \"%s\", %s}}",
            release, algorithm, members),
        (int)sizeof text);
    f->config = fx_config(NULL, text);
    ck_assert_msg(nncf__placement_decide(&f->placement, f->model, f->config, &err) == NNCF_OK,
        "%s: %s", err.where, err.message);
}

static const nncf__quantizer_rule *rule(const fixture *f, size_t layer, int32_t place)
{
    const nncf__planned *planned = &f->placement.layers[layer].quantizers[place];
    ck_assert(planned->present);
    return &planned->rule;
}

static bool has(const fixture *f, size_t layer, int32_t place)
{
    return f->placement.layers[layer].quantizers[place].present;
}

enum { W = NNCF__SLOT_WEIGHT, Y = NNCF__SLOT_OUTPUT };

START_TEST(overrides_win_member_by_member)
{
    fixture f;
    fixture_open(&f);
    plan(&f, "1.7", "quantization",
        "\"weights\": {\"bits\": 8, \"mode\": \"symmetric\"}, "
        "\"activations\": {\"bits\": 7, \"mode\": \"symmetric\", \"signed\": false, "
        "\"per_channel\": true}, "
        "\"scope_overrides\": {"
        "\"Net/Block[0]\": {\"bits\": 4, \"mode\": \"asymmetric\"}, "
        "\"weights\": {\"" A "\": {\"bits\": 2, \"signed\": true, \"per_channel\": true}}, "
        "\"Net/Nothing\": {\"bits\": 3}, "
        "\"" A "\": {\"per_channel\": false}}");
    const nncf__quantizer_rule *r = rule(&f, LAYER_A, W);
    ck_assert(r->params.bits == 2 && r->params.mode == NNCF__ASYMMETRIC &&
        r->params.sign == NNCF__SIGNED);
    ck_assert_int_eq(r->params.per_channel, 0);
    ck_assert_int_eq(r->override_index, 3);
    r = rule(&f, LAYER_A, Y);
    ck_assert(r->params.bits == 4 && r->params.mode == NNCF__ASYMMETRIC &&
        r->params.sign == NNCF__UNSIGNED);
    ck_assert_int_eq(r->params.per_channel, 0);
    r = rule(&f, LAYER_B, Y);
    ck_assert(
        r->params.bits == 7 && r->params.mode == NNCF__SYMMETRIC && r->params.per_channel == 1);
    ck_assert_int_eq(r->override_index, -1);
    fixture_close(&f);
}
END_TEST

START_TEST(the_last_rule_that_fits_gives_the_range)
{
    static const char percentile[] =
        "{\"type\": \"percentile\", \"target_quantizer_group\": \"activations\", "
        "\"num_init_steps\": 3, "
        "\"params\": {\"min_percentile\": 1, \"max_percentile\": 99}, "
        "\"target_scopes\": [\"Net/Block[0]\", \"Net/Block[1]\"], \"ignored_scopes\": [\"" B "\"]}";
    char members[1024];
    fixture f;
    fixture_open(&f);
    snprintf(members, sizeof members,
        "\"initializer\": {\"range\": [{\"type\": \"mixed_min_max\", \"num_init_samples\": 256}, "
        "%s, "
        "{\"type\": \"threesigma\", \"num_init_steps\": 0, \"target_scopes\": \"Net/Block[7]\"}]}",
        percentile);
    plan(&f, "1.7", "quantization", members);
    const nncf__range_rule *r = &rule(&f, LAYER_A, Y)->range;
    ck_assert(r->kind == NNCF__PERCENTILE && r->n_steps == 3);
    ck_assert_double_eq(r->max_percentile, 99);
    r = &rule(&f, LAYER_B, Y)->range;
    ck_assert(r->kind == NNCF__MEAN_MIN_MAX && r->n_samples == 256);
    r = &rule(&f, LAYER_A, W)->range;
    ck_assert(r->kind == NNCF__MIN_MAX && r->n_samples == 256);
    ck_assert_int_eq(
        rule(&f, LAYER_7, W)->range.kind, NNCF__RANGE_NONE); /* no batches: no initialization */
    ck_assert_int_eq(rule(&f, LAYER_LAST, W)->range.kind, NNCF__MIN_MAX);

    snprintf(members, sizeof members, "\"initializer\": {\"range\": [%s]}",
        percentile); /* fits one only */
    plan(&f, "1.7", "quantization", members);
    ck_assert_int_eq(rule(&f, LAYER_A, Y)->range.kind, NNCF__PERCENTILE);
    ck_assert_int_eq(rule(&f, LAYER_7, Y)->range.kind, NNCF__RANGE_NONE);
    ck_assert_int_eq(rule(&f, LAYER_A, W)->range.kind, NNCF__RANGE_NONE);

    plan(&f, "1.2", "quantization",
        "\"initializer\": {\"type\": \"min_max\", \"num_init_steps\": 5}");
    r = &rule(&f, LAYER_A, Y)->range;
    ck_assert(r->kind == NNCF__MIN_MAX && r->n_steps == 5);
    plan(&f, "1.2", "quantization",
        "\"quantize_inputs\": true"); /* without the section there was none */
    ck_assert_int_eq(rule(&f, LAYER_A, Y)->range.kind, NNCF__RANGE_NONE);
    plan(&f, "1.4", "quantization", "\"initializer\": {}"); /* nor with an empty one */
    ck_assert_int_eq(rule(&f, LAYER_A, Y)->range.kind, NNCF__RANGE_NONE);
    fixture_close(&f);
}
END_TEST

START_TEST(lists_of_algorithm_and_group_are_joined)
{
    static const char *const releases[] = {"1.0", "1.3", "1.7"};
    fixture f;
    fixture_open(&f);
    for (size_t i = 0; i < 3; i++) {
        plan(&f, releases[i], "quantization", "\"ignored_scopes\": \"" A "\"");
        ck_assert(!has(&f, LAYER_A, W) && !has(&f, LAYER_A, Y) && has(&f, LAYER_B, W) &&
            has(&f, LAYER_B, Y));
    }
    /* a target silences the ignored lists from 1.3 on */
    static const char both[] =
        "\"ignored_scopes\": [\"" A "\"], \"target_scopes\": [\"Net/Block[0]\"]";
    plan(&f, "1.1", "quantization", both);
    ck_assert(!has(&f, LAYER_A, W) && !has(&f, LAYER_B, W));
    plan(&f, "1.3", "quantization", both);
    ck_assert(
        has(&f, LAYER_A, W) && has(&f, LAYER_A, Y) && !has(&f, LAYER_B, W) && !has(&f, LAYER_B, Y));
    /* a group's lists are for that group */
    plan(&f, "1.3", "quantization",
        "\"ignored_scopes\": [\"" A "\"], \"activations\": {\"ignored_scopes\": [\"" B "\"]}");
    ck_assert(!has(&f, LAYER_B, Y) && has(&f, LAYER_B, W) && !has(&f, LAYER_A, W) &&
        !has(&f, LAYER_A, Y));
    plan(&f, "1.3", "quantization",
        "\"ignored_scopes\": [\"" A "\"], \"activations\": {\"ignored_scopes\": [\"" B "\"]}, "
        "\"weights\": {\"target_scopes\": [\"" A "\"]}");
    ck_assert(has(&f, LAYER_A, W) && !has(&f, LAYER_B, W) && !has(&f, LAYER_A, Y));
    /* sparsity: both lists, in every release */
    for (size_t i = 1; i < 3; i++) {
        plan(&f, releases[i], "rb_sparsity",
            "\"ignored_scopes\": [\"" A "\"], \"target_scopes\": [\"Net/Block[0]\", \"" B "\"]");
        ck_assert(!f.placement.layers[LAYER_A].masked && f.placement.layers[LAYER_B].masked);
        ck_assert(!f.placement.layers[LAYER_7].masked && !f.placement.layers[LAYER_LAST].masked);
    }
    fixture_close(&f);
}
END_TEST

static nncf_status create(nncf_context *context, const nncf_layer *layer, size_t channels,
    nncf__quantizer_params params, nncf__quantizer **q, nncf_error *err)
{
    const nncf__quantizer_rule rule = {.params = params};
    const nncf__quantizer_request wish = {.layer = layer,
        .group = NNCF__GROUP_ACTIVATIONS,
        .name_suffix = ".activation_quantizer",
        .channels = channels,
        .sign = NNCF__UNSIGNED};
    nncf_status status = nncf__quantizer_check(&wish, &rule, err);
    return status == NNCF_OK ? nncf__quantizer_create(context, &wish, &rule, q, err) : status;
}

START_TEST(quantizers_that_cannot_be_are_refused)
{
    fx_context c;
    nncf_model *model;
    nncf__quantizer *q = NULL;
    nncf_error err = NNCF_ERROR_INIT;
    fx_open(&c, 1, 0);
    ck_assert_int_eq(nncf_model_create(c.context, &model, NULL), NNCF_OK);
    fx_layer l = fx_add_conv(model, A, 4, 2, 1, NULL, NULL);
    const nncf__quantizer_params fine = {
        .bits = 3, .mode = NNCF__ASYMMETRIC, .sign = NNCF__SIGN_AUTO, .per_channel = 1};
    ck_assert_int_eq(create(c.context, l.layer, 5, fine, &q, &err), NNCF_OK);
    ck_assert_uint_eq(q->channels, 5);
    ck_assert_str_eq(q->name, A ".activation_quantizer.input_low");
    ck_assert_str_eq(q->length_name, A ".activation_quantizer.input_range");
    ck_assert_float_eq(q->length[4], 1); /* no negative value is expected */
    ck_assert_float_eq(q->fq[4].high, 7);
    nncf__quantizer_destroy(c.context, q);
    q = NULL;
    const nncf__quantizer_params bad[] = {
        {.bits = 9, .mode = NNCF__SYMMETRIC, .sign = NNCF__SIGN_AUTO},
        {.bits = 1, .mode = NNCF__SYMMETRIC}, {.bits = 8, .mode = 2}};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(create(c.context, l.layer, 5, bad[i], &q, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(create(c.context, l.layer, 0, fine, &q, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, A);
    ck_assert_ptr_nonnull(strstr(err.message, "register the layers before"));
    ck_assert_ptr_null(q);
    nncf_model_destroy(model);
    fx_layer_free(&l);
    fx_close(&c);
}
END_TEST

FX_MAIN("quantizer_rules", overrides_win_member_by_member, the_last_rule_that_fits_gives_the_range,
    lists_of_algorithm_and_group_are_joined, quantizers_that_cannot_be_are_refused)
