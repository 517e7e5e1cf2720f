/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nncf_compression_ctrl_update(): SGD and Adam against loops in double from the formulas of their
 * papers, with the factor and the multipliers that rates and gradients have; and a snapshot in the
 * middle of a training that goes on bit by bit.
 */
#include "formats/safetensors/safetensors.h"
#include "formats/safetensors/tensors.h"
#include "support/files.h"
#include "support/fixture.h"
#include "support/rig.h"

enum { STEPS = 7, MOST = 512 };

static const fx_block conv = {.scope = "N/Conv2d[a]",
    .in_channels = 4,
    .out_channels = 6,
    .kernel = {3, 3},
    .batch_norm = true};
static const char config[] =
    "{\"compression\": [{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, "
    "\"sparsity_target\": 0.5, \"sparsity_steps\": 5, \"sparsity_training_steps\": 10}}, "
    "{\"algorithm\": \"quantization\", \"compression_lr_multiplier\": 0.5}]}";

/* Gradients of step i, of a host with that factor. */
static void put_gradients(const nncf_compression_ctrl *ctrl, int step, double factor)
{
    uint64_t state = 100 + (uint64_t)step;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(ctrl, i);
        for (size_t j = 0; j < p.count; j++)
            p.grad[j] = (float)(fx_uniform(&state) * factor);
    }
}

static void update(const fx_rig *r, const nncf_update_params *params)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(
        nncf_compression_ctrl_update(r->ctrl, params, &err) == NNCF_OK, "%s", err.message);
}

/* ---- formulas ---- */

static const nncf_update_params rules[] = {
    {NNCF_PARAMS(nncf_update_params), .range_lr = 0.01, .logit_lr = 0.5},
    {NNCF_PARAMS(nncf_update_params), .range_lr = 0.01, .logit_lr = 0.5, .momentum = 0.75},
    {NNCF_PARAMS(nncf_update_params), .optimizer = NNCF_OPTIMIZER_ADAM, .range_lr = 0.02,
        .logit_lr = 0.03},
    {NNCF_PARAMS(nncf_update_params), .optimizer = NNCF_OPTIMIZER_ADAM, .range_lr = -1,
        .logit_lr = 0.03, .beta1 = 0.5, .beta2 = 0.75, .eps = 0.125},
};

typedef struct element {
    double value, first, second;
} element;

static void step_by_formula(const nncf_update_params *p, double rate, int t, double g, element *e)
{
    const double b1 = p->beta1 > 0 ? p->beta1 : 0.9, b2 = p->beta2 > 0 ? p->beta2 : 0.999,
                 eps = p->eps > 0 ? p->eps : 1e-8;
    if (p->optimizer == NNCF_OPTIMIZER_SGD) {
        e->first = p->momentum * e->first + g;
        e->value -= rate * e->first;
        return;
    }
    e->first = b1 * e->first + (1 - b1) * g;
    e->second = b2 * e->second + (1 - b2) * g * g;
    const double m = e->first / (1 - pow(b1, t)), v = e->second / (1 - pow(b2, t));
    e->value -= rate * m / (sqrt(v) + eps);
}

/* The host's factor is -4: a library that ignores it would go uphill. */
START_TEST(steps_are_those_of_the_formulas)
{
    const nncf_update_params *rule = &rules[_i];
    element all[2][MOST] = {{{0}}};
    fx_rig r;
    fx_rig_make(&r, &conv, config);
    ck_assert_uint_eq(nncf_compression_ctrl_get_parameter_count(r.ctrl), 3);
    ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(r.ctrl, -4, NULL), NNCF_OK);
    for (size_t i = 0; i < 2; i++) {
        const nncf_parameter p = fx_parameter_at(r.ctrl, i);
        for (size_t j = 0; j < p.count; j++)
            all[i][j].value = (double)p.data[j];
    }
    for (int t = 1; t <= STEPS; t++) {
        put_gradients(r.ctrl, t, -4);
        update(&r, rule);
        for (size_t i = 0; i < 2; i++) {
            const nncf_parameter p = fx_parameter_at(r.ctrl, i);
            const bool logits = p.kind == NNCF_PARAMETER_MASK_LOGIT;
            const double multiplier = logits ? 1 : 0.5;
            const double rate = multiplier *
                (logits                      ? rule->logit_lr
                        : rule->range_lr < 0 ? 0
                                             : rule->range_lr);
            ck_assert_double_eq(p.lr_multiplier, multiplier);
            for (size_t j = 0; j < p.count; j++) {
                step_by_formula(rule, rate, t, (double)p.grad[j] / -4, &all[i][j]);
                ck_assert_double_eq_tol((double)p.data[j], all[i][j].value, 2e-6);
            }
        }
    }
    fx_rig_free(&r);
}
END_TEST

/* No params: SGD, 0.001 for ranges, and 0.02 times their number for logits; Adam 0.0001 and 0.01.
 */
START_TEST(default_rates_are_as_documented)
{
    fx_rig r;
    fx_rig_make(&r, &conv, config);
    const nncf_parameter logits = fx_parameter(r.ctrl, "N/Conv2d[a].pre_ops.mask"),
                         scale = fx_parameter(r.ctrl, "N/Conv2d[a].pre_ops.weight_quantizer.scale");
    const double before[] = {(double)logits.data[3], (double)scale.data[0]};
    for (int adam = 0; adam < 2; adam++) {
        const nncf_update_params p = {
            NNCF_PARAMS(nncf_update_params), .optimizer = NNCF_OPTIMIZER_ADAM};
        logits.data[3] = (float)before[0];
        scale.data[0] = (float)before[1];
        logits.grad[3] = 0.25f;
        scale.grad[0] = 2;
        update(&r, adam ? &p : NULL);
        /* Adam's first step has the length of its rate */
        ck_assert_double_eq_tol(before[0] - (double)logits.data[3],
            adam ? 0.01 : 0.02 * (double)logits.count * 0.25, 1e-6);
        ck_assert_double_eq_tol(
            before[1] - (double)scale.data[0], 0.5 * (adam ? 0.0001 : 0.001 * 2), 1e-7);
    }
    fx_rig_free(&r);
}
END_TEST

START_TEST(frozen_logits_stay)
{
    fx_rig r;
    fx_rig_make(&r, &conv, config);
    const nncf_parameter logits = fx_parameter(r.ctrl, "N/Conv2d[a].pre_ops.mask");
    for (int epoch = 0; epoch < 11; epoch++)
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(r.ctrl, NULL), NNCF_OK);
    ck_assert_int_eq(fx_parameter(r.ctrl, "N/Conv2d[a].pre_ops.mask").frozen, 1);
    float before[MOST];
    memcpy(before, logits.data, logits.count * sizeof *before);
    put_gradients(r.ctrl, 1, 1);
    update(&r, &rules[2]);
    ck_assert_mem_eq(before, logits.data, logits.count * sizeof *before);
    fx_rig_free(&r);
}
END_TEST

/* ---- snapshots ---- */

static void train(const fx_rig *r, int from, int to, const nncf_update_params *rule)
{
    for (int t = from; t < to; t++) {
        put_gradients(r->ctrl, t, 1);
        update(r, rule);
        ck_assert_int_eq(nncf_compression_ctrl_step(r->ctrl, NULL), NNCF_OK);
    }
}

static void save(const fx_rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_checkpoint_save(r->ctrl, fx_path("s"), NULL, 0, NULL, &err) == NNCF_OK, "%s",
        err.message);
}

static nncf_status restore(const fx_rig *r, bool accept, nncf_error *err)
{
    nncf_checkpoint *c;
    const nncf_checkpoint_restore_params p = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = accept};
    ck_assert_int_eq(nncf_checkpoint_open(r->context, fx_path("s"), NULL, &c, NULL), NNCF_OK);
    size_t unknown = 1;
    ck_assert_int_eq(
        nncf_checkpoint_get_unknown_names(c, r->ctrl, NULL, 0, NULL, 0, &unknown, NULL), NNCF_OK);
    ck_assert(accept || unknown == 0);
    const nncf_status status = nncf_checkpoint_restore(c, r->ctrl, &p, NULL, err);
    nncf_checkpoint_close(c);
    return status;
}

static bool equal(const fx_rig *a, const fx_rig *b)
{
    bool same = true;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(a->ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(a->ctrl, i), q = fx_parameter_at(b->ctrl, i);
        same = same && memcmp(p.data, q.data, p.count * sizeof *p.data) == 0;
    }
    return same;
}

START_TEST(training_resumes_bit_identically)
{
    fx_rig whole, first, second;
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig_make(&whole, &conv, config);
    fx_rig_make(&first, &conv, config);
    fx_rig_make(&second, &conv, config);
    train(&whole, 0, 2 * STEPS, &rules[_i]);
    train(&first, 0, STEPS, &rules[_i]);
    train(&second, 3, 5, &rules[(_i + 1) % 4]); /* what it had is replaced */
    save(&first);
    ck_assert_msg(restore(&second, false, &err) == NNCF_OK, "%s", err.message);
    ck_assert(equal(&first, &second));
    train(&second, STEPS, 2 * STEPS, &rules[_i]);
    ck_assert(equal(&whole, &second));
    fx_rig_free(&whole);
    fx_rig_free(&first);
    fx_rig_free(&second);
}
END_TEST

/* The state matters: without it the next steps are others. */
START_TEST(another_config_or_no_state_begins_with_zeros)
{
    static const char other[] = FX_CONFIG(FX_RB);
    fx_rig a, b, fresh;
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig_make(&a, &conv, config);
    fx_rig_make(&b, &conv, _i ? config : other);
    fx_rig_make(&fresh, &conv, _i ? config : other);
    if (!_i)
        train(&a, 0, STEPS, &rules[2]);
    save(&a);
    train(&b, 0, 3, &rules[2]);
    ck_assert_msg(restore(&b, true, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(restore(&fresh, true, &err) == NNCF_OK, "%s", err.message);
    train(&b, 0, 3, &rules[2]);
    train(&fresh, 0, 3, &rules[2]);
    ck_assert(equal(&b, &fresh));
    fx_rig_free(&a);
    fx_rig_free(&b);
    fx_rig_free(&fresh);
}
END_TEST

/* ---- another order of registration ---- */

typedef struct pair {
    fx_context c;
    nncf_model *model;
    nncf_layer *layers[2];
    nncf_compression_ctrl *ctrl;
    float w[24];
} pair;

/* A weight of 4 channels and a quantizer, of which the second of the names comes first if turned,
 * trained a few steps; ranges are those of the signed or unsigned values. */
static void pair_make(pair *p, bool turned)
{
    static const char *const scopes[] = {"N/weight", "N/quantizer"};
    static const char by_layer[] =
        "{\"compression\": {\"algorithm\": \"quantization\", \"weights\": {\"per_channel\": "
        "true}, \"initializer\": {\"range\": {\"type\": \"min_max\", \"num_init_steps\": 1}}}}";
    float x[24], y[24];
    int32_t more;
    const int64_t shape[] = {4, 6};
    nncf_tensor tx = {.data = x, .ndim = 2, .shape = shape},
                ty = {.data = y, .ndim = 2, .shape = shape};
    fx_fill_from(p->w, 24, 3);
    for (int i = 0; i < 24; i++)
        x[i] = fabsf(p->w[i]);
    fx_open(&p->c, 1, 11);
    ck_assert_int_eq(nncf_model_create(p->c.context, &p->model, NULL), NNCF_OK);
    const nncf_weight_params w = {NNCF_PARAMS(nncf_weight_params), .scope = scopes[0],
        .weight = p->w, .ndim = 2, .shape = shape};
    const nncf_quantizer_params q = {NNCF_PARAMS(nncf_quantizer_params), .scope = scopes[1]};
    for (int i = 0; i < 2; i++)
        ck_assert_int_eq((i == 0) != turned
                ? nncf_model_add_weight(p->model, &w, &p->layers[0], NULL)
                : nncf_model_add_quantizer(p->model, &q, &p->layers[1], NULL),
            NNCF_OK);
    p->ctrl = fx_ctrl(p->model, by_layer);
    while (nncf_compression_ctrl_init_step(p->ctrl, &more, NULL) == NNCF_OK && more)
        ck_assert_int_eq(nncf_layer_quantize_output(p->layers[1], &tx, &ty, NULL), NNCF_OK);
}

static void pair_free(pair *p)
{
    nncf_compression_ctrl_destroy(p->ctrl);
    nncf_model_destroy(p->model);
    fx_close(&p->c);
}

static void pair_train(const pair *p, int from, int to, const nncf_update_params *rule)
{
    static const char *const names[] = {
        "N/weight.pre_ops.weight_quantizer.scale", "N/quantizer.activation_quantizer.scale"};
    for (int t = from; t < to; t++) {
        for (int i = 0; i < 2; i++) {
            const nncf_parameter q = fx_parameter(p->ctrl, names[i]);
            uint64_t state = (uint64_t)(10 * t + i);
            fx_fill(q.grad, q.count, 1, &state);
        }
        ck_assert_int_eq(nncf_compression_ctrl_update(p->ctrl, rule, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_step(p->ctrl, NULL), NNCF_OK);
    }
}

/* What weight and quantizer become. */
static void pair_run(const pair *p, float made[48])
{
    const int64_t shape[] = {4, 6};
    nncf_tensor tx = {.data = (float *)(uintptr_t)p->w, .ndim = 2, .shape = shape},
                ty = {.data = made + 24, .ndim = 2, .shape = shape};
    ck_assert_int_eq(nncf_layer_compress_weight(p->layers[0], made, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_quantize_output(p->layers[1], &tx, &ty, NULL), NNCF_OK);
}

/* Ranges, signs (the quantizer's values were not negative, the weights are) and moments are those
 * of their names: the run goes on as if it had not been interrupted. */
START_TEST(layers_may_be_registered_in_another_order)
{
    static pair whole, other;
    float want[48], got[48];
    nncf_checkpoint *c;
    nncf_error err = NNCF_ERROR_INIT;
    pair_make(&whole, false);
    pair_make(&other, true);
    pair_train(&whole, 0, STEPS, &rules[_i]);
    ck_assert_int_eq(nncf_checkpoint_save(whole.ctrl, fx_path("s"), NULL, 0, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(other.c.context, fx_path("s"), NULL, &c, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_checkpoint_restore(c, other.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    nncf_checkpoint_close(c);
    for (int i = 0; i < 2; i++) {
        pair_run(&whole, want);
        pair_run(&other, got);
        ck_assert_mem_eq(want, got, sizeof want);
        pair_train(&whole, STEPS, 2 * STEPS, &rules[_i]);
        pair_train(&other, STEPS, 2 * STEPS, &rules[_i]);
    }
    pair_free(&whole);
    pair_free(&other);
}
END_TEST

static nncf__entry *entry_of(nncf_checkpoint *c, const char *name)
{
    const nncf__entry *e = nncf__checkpoint_find(c, name);
    ck_assert_ptr_nonnull(e);
    return &c->entries[e - c->entries];
}

START_TEST(a_damaged_state_is_refused_and_changes_nothing)
{
    fx_rig a, b, untouched;
    nncf_checkpoint *c;
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig_make(&a, &conv, config);
    fx_rig_make(&b, &conv, config);
    fx_rig_make(&untouched, &conv, config);
    train(&a, 0, STEPS, &rules[2]);
    train(&b, 0, 3, &rules[2]);
    train(&untouched, 0, 3, &rules[2]);
    save(&a);
    ck_assert_int_eq(nncf_checkpoint_open(b.context, fx_path("s"), NULL, &c, NULL), NNCF_OK);
    int64_t *head = (int64_t *)(uintptr_t)entry_of(c, "nncf.optimizer")->data;
    ck_assert(head[0] == 2 && head[1] == STEPS);
    for (int i = 0; i < 5; i++) {
        static const int64_t heads[5][2] = {{0, 7}, {3, 7}, {2, -1}, {2, 7}, {2, 7}};
        static const nncf_status status[5] = {
            NNCF_E_FORMAT, NNCF_E_FORMAT, NNCF_E_FORMAT, NNCF_E_SHAPE, NNCF_E_DTYPE};
        nncf__entry *first = entry_of(c, "nncf.optimizer.first"),
                    *second = entry_of(c, "nncf.optimizer.second");
        memcpy(head, heads[i], sizeof heads[i]);
        first->shape[0] -= i == 3;
        second->dtype = i == 4 ? NNCF_I32 : NNCF_F32;
        ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, NULL, NULL, NULL), status[i]);
        first->shape[0] += i == 3;
    }
    memcpy(head, (int64_t[]){2, STEPS}, 2 * sizeof *head);
    entry_of(c, "nncf.optimizer.second")->dtype = NNCF_F32;
    static const char *const lists[] = {"nncf.optimizer_names", "nncf.quantizer_names"};
    for (int i = 0; i < 2; i++) { /* a list of other names */
        char *first = strchr(nncf_checkpoint_get_text(c, lists[i]), 'N');
        *first = 'M';
        ck_assert_int_eq(nncf_checkpoint_restore(c, b.ctrl, NULL, NULL, &err), NNCF_E_FORMAT);
        ck_assert_msg(strstr(err.message, lists[i]) != NULL, "%s", err.message);
        *first = 'N';
    }
    nncf_checkpoint_close(c);
    ck_assert(equal(&b, &untouched));
    train(&b, 3, STEPS, &rules[2]);
    train(&untouched, 3, STEPS, &rules[2]);
    ck_assert(equal(&b, &untouched));
    fx_rig_free(&a);
    fx_rig_free(&b);
    fx_rig_free(&untouched);
}
END_TEST

/* ---- refusals ---- */

START_TEST(values_out_of_bounds_are_refused)
{
    static const struct {
        nncf_update_params p;
        const char *says;
    } bad[] = {
        {{NNCF_PARAMS(nncf_update_params), .optimizer = 2}, "optimizer is 2"},
        {{NNCF_PARAMS(nncf_update_params), .reserved = 1}, "reserved must be 0"},
        {{NNCF_PARAMS(nncf_update_params), .range_lr = (double)NAN}, "range_lr is nan"},
        {{NNCF_PARAMS(nncf_update_params), .logit_lr = (double)INFINITY}, "logit_lr is inf"},
        {{NNCF_PARAMS(nncf_update_params), .momentum = 1}, "momentum is 1, it must be in [0, 1)"},
        {{NNCF_PARAMS(nncf_update_params), .beta1 = -0.5}, "beta1 is -0.5"},
        {{NNCF_PARAMS(nncf_update_params), .beta2 = 1.5}, "beta2 is 1.5"},
        {{NNCF_PARAMS(nncf_update_params), .eps = -1}, "eps is -1, it must be 0 or more"},
    };
    int32_t more;
    fx_rig r;
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig_make(&r, &conv, FX_CONFIG(FX_INT8));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(nncf_compression_ctrl_update(r.ctrl, &bad[i].p, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "%s", err.message);
    }
    ck_assert_int_eq(nncf_compression_ctrl_update(NULL, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_update(r.ctrl, NULL, &err), NNCF_E_STATE);
    ck_assert_ptr_nonnull(strstr(err.message, "initialization is under way"));
    fx_rig_free(&r);
}
END_TEST

START_TEST(no_memory_changes_nothing)
{
    fx_rig a, b;
    nncf_error err = NNCF_ERROR_INIT;
    fx_rig_make(&a, &conv, config);
    fx_rig_make(&b, &conv, config);
    put_gradients(a.ctrl, 1, 1);
    for (size_t n = 1; n <= 2; n++) {
        a.host.memory.fail_at = a.host.memory.calls + n;
        ck_assert_int_eq(nncf_compression_ctrl_update(a.ctrl, &rules[2], &err), NNCF_E_NOMEM);
    }
    a.host.memory.fail_at = 0;
    ck_assert(equal(&a, &b));
    train(&a, 0, 2, &rules[2]);
    train(&b, 0, 2, &rules[2]);
    ck_assert(equal(&a, &b));
    fx_rig_free(&a);
    fx_rig_free(&b);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("update");
    TCase *tc = fx_case(suite, "steps", 30);
    tcase_add_loop_test(tc, steps_are_those_of_the_formulas, 0, 4);
    tcase_add_test(tc, default_rates_are_as_documented);
    tcase_add_test(tc, frozen_logits_stay);
    tc = fx_case(suite, "snapshots", 30);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tc, training_resumes_bit_identically, 0, 4);
    tcase_add_loop_test(tc, another_config_or_no_state_begins_with_zeros, 0, 2);
    tcase_add_loop_test(tc, layers_may_be_registered_in_another_order, 0, 4);
    tcase_add_test(tc, a_damaged_state_is_refused_and_changes_nothing);
    tc = fx_case(suite, "refusals", 30);
    tcase_add_test(tc, values_out_of_bounds_are_refused);
    tcase_add_test(tc, no_memory_changes_nothing);
    return fx_main(suite);
}
