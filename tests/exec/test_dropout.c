/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dropout against its definition: what stays is x / (1 - p), how much stays is binomial, backward
 * drops what forward dropped, and which elements these are depends on seed, layer, step, backwards
 * and use alone. Slopes and norms of this kind of layer in stripped models.
 */
#include "support/ctrl.h"
#include "support/files.h"
#include "support/fixture.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

enum { N = 3, C = 41, SIDE = 13, COUNT = N * C * SIDE * SIDE };

#define P 0.3f

typedef struct rig {
    nncf_context *context;
    nncf_model *model;
    nncf_layer *conv, *layer;
    nncf_compression_ctrl *ctrl;
    float w[C * C];
} rig;

static const int64_t shape[4] = {N, C, SIDE, SIDE};
static float x[COUNT], y[COUNT], other[COUNT], dy[COUNT], dx[COUNT];

static void open_rig(rig *r, int32_t threads, uint64_t seed, const char *config)
{
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 3;
    memset(r, 0, sizeof *r);
    fx_fill(r->w, C * C, 0.5, &state);
    fx_fill(x, COUNT, 1, &state);
    for (int i = 0; i < COUNT; i++)
        x[i] = x[i] == 0 ? 1 : x[i];
    r->context = fx_new_context(NULL, threads, NNCF_ISA_BEST, seed);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    const nncf_conv2d_params c = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[a]",
        .weight = r->w, .in_channels = C, .out_channels = C, .kernel = {1, 1}};
    ck_assert_int_eq(nncf_model_add_conv2d(r->model, &c, &r->conv, &err), NNCF_OK);
    const nncf_dropout_params p = {NNCF_PARAMS(nncf_dropout_params), .scope = "Net/Dropout[a]",
        .p = P, .inputs = &r->conv, .n_inputs = 1};
    ck_assert_msg(
        nncf_model_add_dropout(r->model, &p, &r->layer, &err) == NNCF_OK, "%s", err.message);
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

static nncf_tensor view(float *data)
{
    return (nncf_tensor){.data = data, .ndim = 4, .shape = shape};
}

static void forward(rig *r, float *to)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_tensor tx = view(x), ty = view(to);
    ck_assert_msg(nncf_layer_forward(r->layer, &tx, 1, &ty, &err) == NNCF_OK, "%s", err.message);
}

static void backward(rig *r)
{
    nncf_error err = NNCF_ERROR_INIT;
    for (int i = 0; i < COUNT; i++)
        dy[i] = 1;
    nncf_tensor tx = view(x), tdy = view(dy), tdx = view(dx);
    ck_assert_msg(
        nncf_layer_backward(r->layer, &tx, 1, &tdy, &tdx, &err) == NNCF_OK, "%s", err.message);
}

static bool same(const float *a, const float *b)
{
    return memcmp(a, b, sizeof x) == 0;
}

/* Of two independent masks so many elements agree: q^2 + p^2; within five standard deviations. */
static void check_independent(const float *a, const float *b)
{
    const double p = (double)P, want = p * p + (1 - p) * (1 - p);
    double agree = 0;
    for (int i = 0; i < COUNT; i++)
        agree += (a[i] == 0) == (b[i] == 0);
    ck_assert_double_eq_tol(agree / COUNT, want, 5 * sqrt(want * (1 - want) / COUNT));
}

START_TEST(what_stays_is_divided_by_its_probability)
{
    rig r;
    double dropped = 0;
    const double p = (double)P;
    open_rig(&r, 2, 1, NULL);
    forward(&r, y);
    backward(&r);
    for (int i = 0; i < COUNT; i++) {
        dropped += y[i] == 0;
        if (y[i] == 0) {
            ck_assert(dx[i] == 0);
            continue;
        }
        ck_assert_double_eq_tol((double)y[i], (double)x[i] / (1 - p), 1e-6 * fabs((double)y[i]));
        ck_assert_double_eq_tol((double)dx[i], 1 / (1 - p), 1e-6);
    }
    ck_assert_double_eq_tol(dropped / COUNT, p, 5 * sqrt(p * (1 - p) / COUNT));
    close_rig(&r);
}
END_TEST

START_TEST(any_number_of_threads_drops_the_same)
{
    rig r;
    open_rig(&r, 1, 1, NULL);
    forward(&r, y);
    close_rig(&r);
    for (int32_t threads = 2; threads <= 4; threads++) {
        open_rig(&r, threads, 1, NULL);
        forward(&r, other);
        ck_assert(same(y, other));
        close_rig(&r);
    }
    open_rig(&r, 1, 2, NULL); /* another seed */
    forward(&r, other);
    check_independent(y, other);
    close_rig(&r);
}
END_TEST

/* A forward that is made again has the same numbers; after a backward, in the next step and in
 * another use they are others. */
START_TEST(numbers_follow_steps_backwards_and_uses)
{
    rig r;
    open_rig(&r, 2, 1, FX_CONFIG(FX_MAGNITUDE));
    ck_assert_int_eq(nncf_layer_set_uses(r.layer, 2, NULL), NNCF_OK);
    forward(&r, y);
    forward(&r, other);
    ck_assert(same(y, other));
    ck_assert_int_eq(nncf_layer_select_use(r.layer, 1, NULL), NNCF_OK);
    forward(&r, other);
    check_independent(y, other);
    backward(&r); /* of use 1 */
    for (int i = 0; i < COUNT; i++)
        ck_assert((dx[i] == 0) == (other[i] == 0));
    ck_assert_int_eq(nncf_layer_select_use(r.layer, 0, NULL), NNCF_OK);
    backward(&r); /* of use 0, whose numbers are still those of its forward */
    for (int i = 0; i < COUNT; i++)
        ck_assert((dx[i] == 0) == (y[i] == 0));
    forward(&r, other);
    check_independent(y, other);
    ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
    forward(&r, other);
    check_independent(y, other);
    close_rig(&r);
}
END_TEST

/* What follows from the step alone is the same in a program that begins there. */
START_TEST(a_resumed_training_drops_the_same)
{
    rig r;
    char path[FX_TEMPORARY];
    fx_temporary(path);
    nncf_error err = NNCF_ERROR_INIT;
    open_rig(&r, 1, 1, FX_CONFIG(FX_MAGNITUDE));
    for (int i = 0; i < 3; i++) {
        forward(&r, y);
        backward(&r);
        ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
    }
    ck_assert_msg(
        nncf_checkpoint_save(r.ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    forward(&r, y);
    close_rig(&r);
    open_rig(&r, 1, 1, FX_CONFIG(FX_MAGNITUDE));
    nncf_checkpoint *file;
    ck_assert_msg(
        nncf_checkpoint_open(NULL, path, NULL, &file, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_checkpoint_restore(file, r.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    forward(&r, other);
    ck_assert(same(y, other));
    /* or in one that goes back, from the middle of that step or from a later one */
    for (int steps = 0; steps < 2; steps++) {
        backward(&r);
        forward(&r, other);
        ck_assert(!same(y, other));
        for (int i = 0; i < steps; i++)
            ck_assert_int_eq(nncf_compression_ctrl_step(r.ctrl, NULL), NNCF_OK);
        ck_assert_msg(
            nncf_checkpoint_restore(file, r.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
        forward(&r, other);
        ck_assert(same(y, other));
    }
    nncf_checkpoint_close(file);
    unlink(path);
    close_rig(&r);
}
END_TEST

START_TEST(other_modes_drop_nothing)
{
    rig r;
    open_rig(&r, 2, 1, NULL);
    ck_assert_int_eq(
        nncf_model_set_mode(r.model, _i ? NNCF_MODE_TUNE : NNCF_MODE_EVAL, NULL), NNCF_OK);
    forward(&r, y);
    ck_assert(same(x, y));
    if (_i) {
        backward(&r);
        for (int i = 0; i < COUNT; i++)
            ck_assert(dx[i] == 1);
    }
    close_rig(&r);
}
END_TEST

/* While ranges are observed neither. */
START_TEST(initialization_drops_nothing)
{
    rig r;
    int32_t more = 1;
    open_rig(&r, 2, 1, FX_CONFIG(FX_INT8));
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(more, 1);
    forward(&r, y);
    ck_assert(same(x, y));
    close_rig(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("dropout");
    TCase *tests = fx_case(suite, "dropout", 30);
    tcase_add_test(tests, what_stays_is_divided_by_its_probability);
    tcase_add_test(tests, any_number_of_threads_drops_the_same);
    tcase_add_test(tests, numbers_follow_steps_backwards_and_uses);
    tcase_add_test(tests, a_resumed_training_drops_the_same);
    tcase_add_loop_test(tests, other_modes_drop_nothing, 0, 2);
    tcase_add_test(tests, initialization_drops_nothing);
    return fx_main(suite);
}
