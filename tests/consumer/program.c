/* SPDX-License-Identifier: Apache-2.0 */
/* An outside program: built with nothing but what pkg-config says about the installed library, as
 * C99 and as C++. Trains one quantized linear layer for a few steps and expects the loss to fall.
 */
#include <math.h>
#include <nncf/nncf.h>
#include <stdio.h>
#include <string.h>

/* All members zero, in C and (as base.h says it) in C++, without a warning of -Wextra. */
#ifdef __cplusplus
#define ZERO                                                                                       \
    {                                                                                              \
    }
#else
#define ZERO                                                                                       \
    {                                                                                              \
        0                                                                                          \
    }
#endif

enum { SAMPLES = 8, IN = 4, OUT = 2, STEPS = 2 };

static const char config_text[] =
    "{ // plain int8\n"
    "  \"compression\": { \"algorithm\": \"quantization\","
    "    \"initializer\": { \"num_init_steps\": 1, \"type\": \"min_max\" } } }";

/* Mean squared error over the batch; its gradient goes into dy. */
static double loss_of(const float *y, const float *target, float *dy)
{
    double loss = 0.0;
    int i;
    for (i = 0; i < SAMPLES * OUT; i++) {
        double d = (double)y[i] - (double)target[i];
        loss += d * d / (SAMPLES * OUT);
        dy[i] = (float)(2.0 * d / (SAMPLES * OUT));
    }
    return loss;
}

static int fail(const char *what, nncf_status status, const nncf_error *err)
{
    fprintf(stderr, "%s: %s: %s\n", what, nncf_status_name(status), err->message);
    return 1;
}

static void descend(float *data, const float *grad, size_t count)
{
    size_t i;
    for (i = 0; i < count; i++)
        data[i] -= 0.1f * grad[i];
}

/* What the host owns: a batch, its targets, the weights, and their gradients. */
static float weight[OUT * IN], weight_grad[OUT * IN], bias[OUT], bias_grad[OUT];
static float x[SAMPLES * IN], y[SAMPLES * OUT], dy[SAMPLES * OUT], target[SAMPLES * OUT];
static int64_t x_shape[2] = {SAMPLES, IN}, y_shape[2] = {SAMPLES, OUT};
static nncf_tensor x_view, y_view, dy_view;

static nncf_context *context;
static nncf_model *model;
static nncf_layer *layer;
static nncf_compression_ctrl *ctrl;

static void make_data(void)
{
    int i;
    for (i = 0; i < OUT * IN; i++)
        weight[i] = 0.1f * (float)(i % 3 - 1);
    for (i = 0; i < SAMPLES * IN; i++)
        x[i] = (float)((i * 7) % 11) / 11.0f - 0.4f;
    for (i = 0; i < SAMPLES * OUT; i++)
        target[i] = (float)((i * 5) % 7) / 7.0f;
}

static nncf_tensor view(float *data, const int64_t *shape)
{
    nncf_tensor t = ZERO;
    t.dtype = NNCF_F32;
    t.ndim = 2;
    t.data = data;
    t.shape = shape;
    return t;
}

static nncf_status add_layer(nncf_error *err)
{
    nncf_linear_params params = ZERO;
    params.struct_size = sizeof params;
    params.scope = "Net/Linear[fc]";
    params.weight = weight;
    params.weight_grad = weight_grad;
    params.bias = bias;
    params.bias_grad = bias_grad;
    params.in_features = IN;
    params.out_features = OUT;
    return nncf_model_add_linear(model, &params, &layer, err);
}

/* The context, the model and its controller. */
static int build(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    nncf_status status;
    if (nncf_version_number() != NNCF_API_VERSION)
        return fail("header and library are of different versions", NNCF_E_VERSION, &err);
    if ((status = nncf_context_create(NNCF_API_VERSION, NULL, &context, &err)) != NNCF_OK)
        return fail("context", status, &err);
    if ((status = nncf_config_parse(context, "consumer", config_text, strlen(config_text), NULL,
             &config, &err)) != NNCF_OK)
        return fail("config", status, &err);
    if ((status = nncf_model_create(context, &model, &err)) != NNCF_OK)
        return fail("model", status, &err);
    if ((status = add_layer(&err)) != NNCF_OK)
        return fail("layer", status, &err);
    if ((status = nncf_compression_ctrl_create(model, config, &ctrl, &err)) != NNCF_OK)
        return fail("controller", status, &err);
    nncf_config_destroy(config);
    return 0;
}

static int initialize(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    int32_t more = 0;
    while ((status = nncf_compression_ctrl_init_step(ctrl, &more, &err)) == NNCF_OK && more)
        if ((status = nncf_layer_forward(layer, &x_view, 1, &y_view, &err)) != NNCF_OK)
            break;
    return status == NNCF_OK ? 0 : fail("initialization", status, &err);
}

/* The controller's parameters, as the host's own. */
static int descend_parameters(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    size_t p;
    for (p = 0; p < nncf_compression_ctrl_get_parameter_count(ctrl); p++) {
        nncf_parameter parameter = ZERO;
        parameter.struct_size = sizeof parameter;
        if ((status = nncf_compression_ctrl_get_parameter(ctrl, p, &parameter, &err)) != NNCF_OK)
            return fail("parameter", status, &err);
        descend(parameter.data, parameter.grad, parameter.count);
    }
    return 0;
}

static int train_step(double *loss)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    memset(weight_grad, 0, sizeof weight_grad);
    memset(bias_grad, 0, sizeof bias_grad);
    nncf_compression_ctrl_zero_grad(ctrl, NULL);
    if ((status = nncf_layer_forward(layer, &x_view, 1, &y_view, &err)) != NNCF_OK)
        return fail("forward", status, &err);
    if ((status = nncf_compression_ctrl_loss_backward(ctrl, loss, &err)) != NNCF_OK)
        return fail("compression loss", status, &err);
    *loss += loss_of(y, target, dy);
    if ((status = nncf_layer_backward(layer, &x_view, 1, &dy_view, NULL, &err)) != NNCF_OK)
        return fail("backward", status, &err);
    descend(weight, weight_grad, OUT * IN);
    descend(bias, bias_grad, OUT);
    if (descend_parameters() != 0)
        return 1;
    if ((status = nncf_compression_ctrl_step(ctrl, &err)) != NNCF_OK)
        return fail("step", status, &err);
    return 0;
}

int main(void)
{
    double loss = 0.0, first = 0.0;
    int step;
    make_data();
    x_view = view(x, x_shape);
    y_view = view(y, y_shape);
    dy_view = view(dy, y_shape);
    if (build() != 0 || initialize() != 0)
        return 1;
    for (step = 0; step <= STEPS; step++) {
        if (train_step(&loss) != 0)
            return 1;
        printf("step %d: loss %.6f\n", step, loss);
        if (step == 0)
            first = loss;
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    puts(nncf_context_get_description(context));
    nncf_context_destroy(context);
    if (!(loss < first)) {
        fprintf(stderr, "the loss did not fall: %g, then %g\n", first, loss);
        return 1;
    }
    return 0;
}
