/* SPDX-License-Identifier: Apache-2.0 */
/* Binarization against results of NNCF 1.3.1 (tests/golden/binarization.json), through a layer of a
 * model; functions whose scale and threshold NNCF was given, through the kernels. */
#include "kernels/kernels.h"
#include "support/fixture.h"

#include <stdbool.h>
#include <stdint.h>

static void shape_of(const json_object *tensor, int64_t shape[4], int *ndim)
{
    json_object *list = fx_member(tensor, "shape");
    *ndim = (int)json_object_array_length(list);
    for (int i = 0; i < 4; i++)
        shape[i] =
            i < *ndim ? json_object_get_int64(json_object_array_get_idx(list, (size_t)i)) : 1;
}

static void assert_near(
    const float *x, const float *want, size_t n, double tolerance, const char *what)
{
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(
            fabs((double)x[i] - (double)want[i]) <= tolerance * (1 + fabs((double)want[i])),
            "%s[%zu]: %.9g, NNCF %.9g", what, i, (double)x[i], (double)want[i]);
}

/* ---- a layer under a controller ---- */

typedef struct rig {
    fx_context host;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layer;
    float *w, *dw;
    size_t count;
} rig;

static void open_rig(rig *r, const int64_t shape[4], const float *w, const char *mode)
{
    char config[256];
    *r = (rig){.count = fx_count(shape)};
    r->w = fx_alloc(r->count, sizeof(float));
    r->dw = fx_alloc(r->count, sizeof(float));
    if (w)
        memcpy(r->w, w, r->count * sizeof(float));
    fx_open(&r->host, 2, 1);
    ck_assert_int_eq(nncf_model_create(r->host.context, &r->model, NULL), NNCF_OK);
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "N/Conv2d[conv]",
        .weight = r->w, .weight_grad = r->dw, .in_channels = shape[1], .out_channels = shape[0],
        .kernel = {(int32_t)shape[2], (int32_t)shape[3]}};
    ck_assert_int_eq(nncf_model_add_conv2d(r->model, &p, &r->layer, NULL), NNCF_OK);
    snprintf(config, sizeof config,
        "{\"compression\": {\"algorithm\": \"binarization\", \"mode\": \"%s\", \"params\": "
        "{\"activations_bin_start_epoch\": 0, \"weights_bin_start_epoch\": 0}}}",
        mode);
    r->ctrl = fx_ctrl(r->model, config);
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    fx_close(&r->host);
    free(r->w);
    free(r->dw);
}

static void check_weight(json_object *c)
{
    int64_t shape[4];
    int ndim;
    rig r;
    json_object *w = fx_member(c, "w");
    float *weight = fx_floats(w, NULL), *y = fx_floats(fx_member(c, "y"), NULL),
          *grad = fx_floats(fx_member(c, "grad_out"), NULL),
          *dw = fx_floats(fx_member(c, "grad_w"), NULL);
    shape_of(w, shape, &ndim);
    open_rig(&r, shape, weight, fx_string(c, "mode"));
    float *out = fx_alloc(r.count, sizeof(float));
    ck_assert_int_eq(nncf_layer_compress_weight(r.layer, out, NULL), NNCF_OK);
    assert_near(out, y, r.count, 1e-6, "weight");
    for (size_t i = 0; i < r.count; i++) /* 0 has a sign, too */
        ck_assert_int_eq(signbit(out[i]), signbit(y[i]));
    ck_assert_int_eq(nncf_layer_compress_weight_backward(r.layer, grad, NULL), NNCF_OK);
    ck_assert_mem_eq(r.dw, dw, r.count * sizeof(float));
    close_rig(&r);
    free(weight);
    free(y);
    free(grad);
    free(dw);
    free(out);
}

static void check_function(json_object *c)
{
    int64_t shape[4];
    int ndim;
    const nncf__kernels *k = nncf__kernels_get(NNCF_ISA_PORTABLE);
    size_t n;
    float *x = fx_floats(fx_member(c, "x"), &n), *y = fx_floats(fx_member(c, "y"), NULL),
          *dy = fx_floats(fx_member(c, "grad_out"), NULL),
          *dx = fx_floats(fx_member(c, "grad_x"), NULL),
          *scale = fx_floats(fx_member(c, "scale"), NULL),
          *threshold = fx_floats(fx_member(c, "threshold"), NULL),
          *of_scale = fx_floats(fx_member(c, "grad_scale"), NULL),
          *of_threshold = fx_floats(fx_member(c, "grad_threshold"), NULL),
          *out = fx_alloc(n, sizeof(float));
    shape_of(fx_member(c, "x"), shape, &ndim);
    const size_t plane = (size_t)(shape[2] * shape[3]);
    double total = 0;
    for (size_t i = 0; i < (size_t)shape[1]; i++) {
        double sums[2] = {0, 0};
        for (size_t image = 0; image < (size_t)shape[0]; image++) {
            const size_t at = (image * (size_t)shape[1] + i) * plane;
            const float limit = threshold[i] * scale[0];
            k->binarize(plane, x + at, limit, scale[0], 0, out + at);
            assert_near(out + at, y + at, plane, 0, "activation");
            k->binarize_backward(plane, x + at, dy + at, limit, scale[0], out + at, sums);
            assert_near(out + at, dx + at, plane, 0, "gradient");
        }
        total += sums[0];
        const float got = (float)-sums[1];
        assert_near(&got, &of_threshold[i], 1, 1e-5, "gradient of the threshold");
    }
    const float got = (float)total;
    assert_near(&got, of_scale, 1, 1e-5, "gradient of the scale");
    float *all[] = {x, y, dy, dx, scale, threshold, of_scale, of_threshold, out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* A module that is called for the first time, in a mode of the model. */
static void check_module(json_object *c, int32_t mode)
{
    int64_t shape[4];
    int ndim;
    rig r;
    size_t n;
    float *x = fx_floats(fx_member(c, "x"), &n), *out = fx_alloc(n, sizeof(float)),
          *scale = fx_floats(fx_member(c, "scale"), NULL);
    shape_of(fx_member(c, "x"), shape, &ndim);
    open_rig(&r, (int64_t[]){1, shape[1], 1, 1}, NULL, "xnor");
    ck_assert_int_eq(nncf_model_set_mode(r.model, mode, NULL), NNCF_OK);
    fx_tensor tx, ty;
    fx_view(&tx, x, 4, shape);
    fx_view(&ty, out, 4, shape);
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(
        nncf_layer_quantize_input(r.layer, &tx.t, &ty.t, &err) == NNCF_OK, "%s", err.message);
    const nncf_parameter p = fx_parameter(r.ctrl, "N/Conv2d[conv].input_quantizer.log_scale"),
                         t = fx_parameter(r.ctrl, "N/Conv2d[conv].input_quantizer.threshold");
    ck_assert_int_eq(p.kind, NNCF_PARAMETER_LOG_SCALE);
    ck_assert_int_eq(t.kind, NNCF_PARAMETER_THRESHOLD);
    ck_assert_uint_eq(t.count, (size_t)shape[1]);
    const float made = expf(p.data[0]);
    assert_near(&made, scale, 1, 1e-6, "scale");
    if (fx_get(c, "scale_param_log")) {
        float *log_scale = fx_floats(fx_get(c, "scale_param_log"), NULL),
              *threshold = fx_floats(fx_get(c, "threshold_param"), NULL);
        assert_near(p.data, log_scale, 1, 1e-6, "log of the scale");
        assert_near(t.data, threshold, t.count, 0, "threshold");
        free(log_scale);
        free(threshold);
    }
    if (fx_get(c, "y")) {
        float *y = fx_floats(fx_get(c, "y"), NULL);
        assert_near(out, y, n, 1e-6, "activation");
        free(y);
    }
    if (fx_get(c, "grad_x")) {
        float *dy = fx_floats(fx_member(c, "grad_out"), NULL),
              *dx = fx_floats(fx_member(c, "grad_x"), NULL),
              *of_scale = fx_floats(fx_member(c, "grad_scale_param"), NULL),
              *of_threshold = fx_floats(fx_member(c, "grad_threshold_param"), NULL);
        fx_tensor tdy, tdx;
        fx_view(&tdy, dy, 4, shape);
        fx_view(&tdx, out, 4, shape);
        ck_assert_int_eq(
            nncf_layer_quantize_input_backward(r.layer, &tx.t, &tdy.t, &tdx.t, NULL), NNCF_OK);
        assert_near(out, dx, n, 0, "gradient");
        assert_near(p.grad, of_scale, 1, 1e-5, "gradient of the scale");
        assert_near(t.grad, of_threshold, t.count, 1e-5, "gradient of the threshold");
        free(dy);
        free(dx);
        free(of_scale);
        free(of_threshold);
    }
    close_rig(&r);
    free(x);
    free(out);
    free(scale);
}

START_TEST(every_case_agrees_with_nncf)
{
    json_object *root = fx_golden("binarization.json"), *cases = fx_member(root, "cases");
    size_t weights = 0, functions = 0, modules = 0;
    for (size_t i = 0; i < json_object_array_length(cases); i++) {
        json_object *c = json_object_array_get_idx(cases, i);
        const char *kind = fx_string(c, "kind");
        if (strcmp(kind, "weight") == 0) {
            check_weight(c);
            weights++;
        } else if (strcmp(kind, "activation_fn") == 0) {
            check_function(c);
            functions++;
        } else {
            const bool trains = strcmp(kind, "activation_module_first_train_call") == 0;
            ck_assert(trains || strcmp(kind, "activation_module_eval_uninitialised") == 0);
            check_module(c, trains ? NNCF_MODE_TRAIN : NNCF_MODE_EVAL);
            modules++;
        }
    }
    ck_assert_uint_eq(weights, 5);
    ck_assert_uint_eq(functions, 2);
    ck_assert_uint_eq(modules, 3);
    json_object_put(root);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("binarization, NNCF's results");
    TCase *tc = fx_case(suite, "golden", 60);
    tcase_add_test(tc, every_case_agrees_with_nncf);
    return fx_main(suite);
}
