/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loss of knowledge_distillation against PyTorch's own losses and autograd
 * (golden/distillation.json), what it adds to, what it refuses, and the same bits everywhere.
 */
#include "support/fixture.h"
#include "support/golden_formula.h"
#include "support/rig.h"

enum { MOST = 2048 };

static const fx_block conv = {
    .scope = "N/Conv2d[a]", .in_channels = 4, .out_channels = 6, .kernel = {3, 3}};

typedef struct outputs {
    float student[MOST], teacher[MOST], gradient[MOST];
    int64_t shape[4];
    nncf_tensor s, t, d;
    size_t count;
} outputs;

static void outputs_make(outputs *o, const int64_t *shape, int32_t ndim, int number, double spread)
{
    char name[32];
    o->count = 1;
    for (int32_t i = 0; i < ndim; i++) {
        o->shape[i] = shape[i];
        o->count *= (size_t)shape[i];
    }
    ck_assert_uint_le(o->count, MOST);
    snprintf(name, sizeof name, "student %d", number);
    golden_uniform(name, -spread, spread, o->count, o->student);
    snprintf(name, sizeof name, "teacher %d", number);
    golden_uniform(name, -spread, spread, o->count, o->teacher);
    for (size_t i = 0; i < o->count; i++)
        o->gradient[i] = 0.25f;
    o->s = (nncf_tensor){.data = o->student, .shape = o->shape, .ndim = ndim};
    o->t = (nncf_tensor){.data = o->teacher, .shape = o->shape, .ndim = ndim};
    o->d = (nncf_tensor){.data = o->gradient, .shape = o->shape, .ndim = ndim};
}

static void config_of(const json_object *g, char config[256])
{
    const bool softmax = strcmp(fx_string(g, "type"), "softmax") == 0;
    char temperature[64] = "";
    if (softmax)
        snprintf(
            temperature, sizeof temperature, ", \"temperature\": %g", fx_number(g, "temperature"));
    snprintf(config, 256,
        "{\"compression\": [{\"algorithm\": \"knowledge_distillation\", \"type\": \"%s\", "
        "\"scale\": %g%s}]}",
        fx_string(g, "type"), fx_number(g, "scale"), temperature);
}

/* The gradient is added to what is there, times the factor of the host; the loss is not. */
START_TEST(losses_and_gradients_are_those_of_pytorch)
{
    static outputs o;
    static double want[MOST];
    json_object *all = fx_golden("distillation.json");
    const double factor = _i ? -8 : 1;
    const int cases = (int)json_object_array_length(all);
    ck_assert_int_eq(cases, 9);
    for (int i = 0; i < cases; i++) {
        const json_object *g = json_object_array_get_idx(all, (size_t)i);
        double dimensions[4];
        int64_t shape[4];
        char config[256];
        fx_rig r;
        const size_t ndim = fx_doubles_into(fx_member(g, "shape"), dimensions, 4);
        for (size_t j = 0; j < ndim; j++)
            shape[j] = (int64_t)dimensions[j];
        config_of(g, config);
        fx_rig_make(&r, &conv, config);
        outputs_make(&o, shape, (int32_t)ndim, i, fx_number(g, "spread"));
        ck_assert_uint_eq(fx_doubles_into(fx_member(g, "gradient"), want, MOST), o.count);
        ck_assert_int_eq(nncf_compression_ctrl_set_gradient_factor(r.ctrl, factor, NULL), NNCF_OK);
        double loss = -1;
        nncf_error err = NNCF_ERROR_INIT;
        ck_assert_msg(nncf_compression_ctrl_distillation_backward(
                          r.ctrl, &o.s, &o.t, &o.d, &loss, &err) == NNCF_OK,
            "%s", err.message);
        const double expected = fx_number(g, "loss");
        ck_assert_double_eq_tol(loss, expected, 1e-6 * fmax(1, fabs(expected)));
        for (size_t j = 0; j < o.count; j++)
            ck_assert_double_eq_tol((double)o.gradient[j], 0.25 + factor * want[j],
                1e-6 * fmax(1, fabs(factor * want[j])));
        fx_rig_free(&r);
    }
    json_object_put(all);
}
END_TEST

static const char softmax_config[] =
    "{\"compression\": [{\"algorithm\": \"knowledge_distillation\", \"type\": \"softmax\", "
    "\"temperature\": 3}]}";

/* Without a gradient the loss alone; of equal outputs the entropy, and no gradient. */
START_TEST(loss_alone_and_equal_outputs)
{
    static outputs o;
    const int64_t shape[] = {3, 16};
    double loss = -1, again = -2;
    fx_rig r;
    fx_rig_make(&r, &conv, softmax_config);
    outputs_make(&o, shape, 2, 1, 4);
    ck_assert_int_eq(
        nncf_compression_ctrl_distillation_backward(r.ctrl, &o.s, &o.t, NULL, &loss, NULL),
        NNCF_OK);
    ck_assert_int_eq(
        nncf_compression_ctrl_distillation_backward(r.ctrl, &o.s, &o.t, &o.d, &again, NULL),
        NNCF_OK);
    ck_assert_double_eq(loss, again);
    memset(o.gradient, 0, sizeof o.gradient);
    for (size_t i = 0; i < o.count; i++)
        o.student[i] = o.teacher[i] = 1.5f;
    ck_assert_int_eq(
        nncf_compression_ctrl_distillation_backward(r.ctrl, &o.s, &o.t, &o.d, &loss, NULL),
        NNCF_OK);
    ck_assert_double_eq_tol(loss, 9 * log(16), 1e-5);
    for (size_t i = 0; i < o.count; i++)
        ck_assert(o.gradient[i] == 0);
    fx_rig_free(&r);
}
END_TEST

/* Many rows: several chunks. */
START_TEST(the_same_bits_on_every_thread_count_and_isa)
{
    enum { ROWS = 300, CLASSES = 129, N = ROWS * CLASSES };
    static float student[N], teacher[N], gradient[2][N];
    const int64_t shape[] = {ROWS, CLASSES};
    double losses[2];
    golden_uniform("s", -9, 9, N, student);
    golden_uniform("t", -9, 9, N, teacher);
    for (int i = 0; i < 2; i++) {
        nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = i ? 3 : 1,
            .max_isa = i ? NNCF_ISA_BEST : NNCF_ISA_PORTABLE};
        float weight[4] = {1, 2, 3, 4};
        const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "N/Linear[a]",
            .in_features = 2, .out_features = 2, .weight = weight};
        nncf_context *context;
        nncf_model *model;
        nncf_layer *layer;
        ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &p, &context, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_add_linear(model, &linear, &layer, NULL), NNCF_OK);
        nncf_compression_ctrl *ctrl = fx_ctrl(model, softmax_config);
        const nncf_tensor s = {.data = student, .shape = shape, .ndim = 2},
                          t = {.data = teacher, .shape = shape, .ndim = 2},
                          d = {.data = gradient[i], .shape = shape, .ndim = 2};
        ck_assert_int_eq(
            nncf_compression_ctrl_distillation_backward(ctrl, &s, &t, &d, &losses[i], NULL),
            NNCF_OK);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        nncf_context_destroy(context);
    }
    ck_assert(memcmp(&losses[0], &losses[1], sizeof losses[0]) == 0);
    ck_assert_mem_eq(gradient[0], gradient[1], sizeof gradient[0]);
}
END_TEST

static void refused(const fx_rig *r, const nncf_tensor *s, const nncf_tensor *t,
    const nncf_tensor *d, nncf_status status, const char *text)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(
        nncf_compression_ctrl_distillation_backward(r->ctrl, s, t, d, NULL, &err), status);
    ck_assert_msg(strstr(err.message, text), "%s", err.message);
}

START_TEST(what_it_cannot_take_is_refused)
{
    static outputs o, other;
    const int64_t shape[] = {3, 16}, wide[] = {3, 17};
    fx_rig r, none;
    fx_rig_make(&r, &conv, softmax_config);
    fx_rig_make(&none, &conv, "{\"compression\": []}");
    outputs_make(&o, shape, 2, 1, 4);
    outputs_make(&other, wide, 2, 1, 4);
    refused(&none, &o.s, &o.t, &o.d, NNCF_E_STATE, "no knowledge_distillation");
    refused(&r, NULL, &o.t, &o.d, NNCF_E_ARG, "output is NULL");
    refused(&r, &o.s, NULL, &o.d, NNCF_E_ARG, "teacher is NULL");
    refused(&r, &o.s, &other.t, &o.d, NNCF_E_SHAPE, "teacher is (3,17)");
    refused(&r, &o.s, &o.t, &other.d, NNCF_E_SHAPE, "d_output is (3,17)");
    refused(&r, &o.s, &o.t, &o.s, NNCF_E_ARG, "overlaps");
    o.s.ndim = o.t.ndim = o.d.ndim = 1;
    refused(&r, &o.s, &o.t, &o.d, NNCF_E_SHAPE, "2 dimensions");
    o.s.ndim = 2;
    o.s.dtype = NNCF_U8;
    refused(&r, &o.s, &o.t, &o.d, NNCF_E_DTYPE, "output is of the type NNCF_U8");
    for (size_t i = 0; i < o.count; i++)
        ck_assert(o.gradient[i] == 0.25f);
    fx_rig_free(&r);
    fx_rig_free(&none);
}
END_TEST

/* A loop that never asks for the loss trains without the teacher, and is told so. */
START_TEST(a_loss_that_is_never_called_is_a_warning)
{
    static outputs o;
    const int64_t shape[] = {3, 16};
    fx_rig r;
    fx_rig_make(&r, &conv, softmax_config);
    outputs_make(&o, shape, 2, 1, 4);
    for (int i = 0; i < 20; i++) {
        if (_i)
            ck_assert_int_eq(
                nncf_compression_ctrl_distillation_backward(r.ctrl, &o.s, &o.t, &o.d, NULL, NULL),
                NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
    }
    ck_assert_uint_eq(nncf_compression_ctrl_get_warning_count(r.ctrl), _i ? 0 : 1);
    if (!_i)
        ck_assert_ptr_nonnull(
            strstr(nncf_compression_ctrl_get_warning(r.ctrl, 0), "distillation_backward"));
    fx_rig_free(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("distillation");
    TCase *tc = fx_case(suite, "distillation", 30);
    tcase_add_loop_test(tc, losses_and_gradients_are_those_of_pytorch, 0, 2);
    tcase_add_test(tc, loss_alone_and_equal_outputs);
    tcase_add_test(tc, the_same_bits_on_every_thread_count_and_isa);
    tcase_add_test(tc, what_it_cannot_take_is_refused);
    tcase_add_loop_test(tc, a_loss_that_is_never_called_is_a_warning, 0, 2);
    return fx_main(suite);
}
