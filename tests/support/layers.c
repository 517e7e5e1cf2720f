/* SPDX-License-Identifier: Apache-2.0 */
#include "layers.h"

#include "random.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void *fx_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    ck_assert_ptr_nonnull(p);
    return p;
}

size_t fx_count(const int64_t s[4])
{
    return (size_t)(s[0] * s[1] * s[2] * s[3]);
}

nncf_tensor *fx_view(fx_tensor *self, float *data, int ndim, const int64_t s[4])
{
    memcpy(self->shape, s, sizeof self->shape);
    self->t = (nncf_tensor){.data = data, .dtype = NNCF_F32, .ndim = ndim, .shape = self->shape};
    return &self->t;
}

void fx_layer_forward(
    nncf_layer *layer, float *x, const int64_t in[4], float *y, const int64_t out[4])
{
    nncf_error err = NNCF_ERROR_INIT;
    fx_tensor tx, ty;
    ck_assert_msg(nncf_layer_forward(
                      layer, fx_view(&tx, x, 4, in), 1, fx_view(&ty, y, 4, out), &err) == NNCF_OK,
        "%s", err.message);
}

void fx_register(nncf_model *model, fx_block *k, nncf_layer *input, uint64_t *state)
{
    size_t c = (size_t)k->out_channels;
    for (int i = 0; i < 2; i++) {
        k->kernel[i] = k->kernel[i] ? k->kernel[i] : 1;
        k->stride[i] = k->stride[i] ? k->stride[i] : 1;
        k->dilation[i] = k->dilation[i] ? k->dilation[i] : 1;
    }
    k->groups = k->groups ? k->groups : 1;
    size_t fan_in = (size_t)(k->in_channels / k->groups * k->kernel[0] * k->kernel[1]);
    k->weights = c * fan_in;
    k->w = fx_alloc(k->weights, sizeof(float));
    k->dw = fx_alloc(k->weights, sizeof(float));
    fx_fill(k->w, k->weights, sqrt(3.0 / (double)fan_in), state);
    float **arrays[] = {
        &k->b, &k->db, &k->gamma, &k->dgamma, &k->beta, &k->dbeta, &k->mean, &k->var};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        *arrays[i] = fx_alloc(c, sizeof(float));
    fx_fill(k->b, c, 0.3, state);
    fx_fill(k->gamma, c, 0.4, state);
    fx_fill(k->beta, c, 0.5, state);
    fx_fill(k->mean, c, 0.2, state);
    for (size_t i = 0; i < c; i++) {
        k->gamma[i] += 1;
        if (k->batch_norm &&
            k->activation == NNCF_ACTIVATION_RELU6) { /* so that both of its ends are met */
            k->gamma[i] *= 2;
            k->beta[i] += 3;
        }
        k->var[i] = 0.8f;
    }
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = k->gamma,
        .bias = k->beta, .weight_grad = k->dgamma, .bias_grad = k->dbeta, .running_mean = k->mean,
        .running_var = k->var, .momentum = k->momentum, .flags = k->norm_flags};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_status status;
    if (k->linear) {
        nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = k->scope, .weight = k->w,
            .weight_grad = k->dw, .bias = k->bias ? k->b : NULL,
            .bias_grad = k->bias ? k->db : NULL, .in_features = k->in_channels,
            .out_features = k->out_channels, .activation = k->activation,
            .batch_norm = k->batch_norm ? &bn : NULL, .inputs = input ? &input : NULL,
            .n_inputs = input ? 1 : 0};
        status = nncf_model_add_linear(model, &p, &k->layer, &err);
    } else {
        nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = k->scope, .weight = k->w,
            .weight_grad = k->dw, .bias = k->bias ? k->b : NULL,
            .bias_grad = k->bias ? k->db : NULL, .in_channels = k->in_channels,
            .out_channels = k->out_channels, .kernel = {k->kernel[0], k->kernel[1]},
            .stride = {k->stride[0], k->stride[1]}, .padding = {k->padding[0], k->padding[1]},
            .dilation = {k->dilation[0], k->dilation[1]}, .groups = k->groups,
            .activation = k->activation, .batch_norm = k->batch_norm ? &bn : NULL,
            .inputs = input ? &input : NULL, .n_inputs = input ? 1 : 0};
        status = nncf_model_add_conv2d(model, &p, &k->layer, &err);
    }
    ck_assert_msg(status == NNCF_OK, "%s", err.message);
}

void fx_zero_grad(fx_block *k)
{
    memset(k->dw, 0, k->weights * sizeof(float));
    float *grads[] = {k->db, k->dgamma, k->dbeta};
    for (size_t i = 0; i < 3; i++)
        memset(grads[i], 0, (size_t)k->out_channels * sizeof(float));
}

void fx_release(fx_block *k)
{
    float *arrays[] = {
        k->w, k->dw, k->b, k->db, k->gamma, k->dgamma, k->beta, k->dbeta, k->mean, k->var};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

void fx_output_shape(const fx_block *k, const int64_t in[4], int64_t out[4])
{
    out[0] = in[0];
    out[1] = k->out_channels;
    for (int i = 0; i < 2; i++)
        out[2 + i] = (in[2 + i] + 2 * k->padding[i] - k->dilation[i] * (k->kernel[i] - 1) - 1) /
                k->stride[i] +
            1;
}

fx_layer fx_add_conv(nncf_model *model, const char *scope, int64_t out, int64_t in, int32_t kernel,
    const float *weight, nncf_layer *input)
{
    fx_layer l = {.count = (size_t)(out * in * kernel * kernel)};
    nncf_error err = NNCF_ERROR_INIT;
    l.weight = calloc(l.count, sizeof(float));
    l.weight_grad = calloc(l.count, sizeof(float));
    if (weight)
        memcpy(l.weight, weight, l.count * sizeof(float));
    else
        fx_fill_from(l.weight, l.count, strlen(scope) + l.count);
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope, .weight = l.weight,
        .weight_grad = l.weight_grad, .in_channels = in, .out_channels = out,
        .kernel = {kernel, kernel}, .inputs = input ? &input : NULL, .n_inputs = input ? 1 : 0};
    nncf_status status = nncf_model_add_conv2d(model, &p, &l.layer, &err);
    ck_assert_msg(status == NNCF_OK, "%s: %s", err.where, err.message);
    return l;
}

void fx_layer_free(fx_layer *l)
{
    free(l->weight);
    free(l->weight_grad);
}
