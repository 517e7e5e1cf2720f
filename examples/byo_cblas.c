/* SPDX-License-Identifier: Apache-2.0 */
/* Bring your own kernels: a program that has its matrix products already (here: cblas) and keeps
 * them.
 *
 * Per layer it asks the library for the compressed weight and lets it fake-quantize activations;
 * products, bias and activation are its own. In the backward pass it hands back the gradients of
 * those, and the library turns them into gradients of the master weight, the mask logits and the
 * quantizers' ranges.
 *
 * The same network is then trained with the library's kernels. Both runs print their losses, which
 * must agree: exit 1 if one differs by more than a thousandth. */
#include <nncf/nncf.h>

#include <cblas.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { IN = 48, HIDDEN = 40, CLASSES = 5, BATCH = 32, STEPS = 60, LAYERS = 2 };

static const int width[LAYERS + 1] = {IN, HIDDEN, CLASSES};

static const char config_text[] = "{ \"compression\": [ { \"algorithm\": \"rb_sparsity\", "
                                  "\"params\": { \"sparsity_init\": 0.3, \"sparsity_target\": "
                                  "0.5 } },\n"
                                  "                   { \"algorithm\": \"quantization\", "
                                  "\"initializer\": { \"num_init_steps\": 2 } } ] }";

/* A fully connected layer of the host's. */
typedef struct dense {
    float weight[HIDDEN * IN], weight_grad[HIDDEN * IN]; /* (out, in) */
    float bias[HIDDEN], bias_grad[HIDDEN];
    float compressed[HIDDEN * IN],
        compressed_grad[HIDDEN * IN]; /* what is multiplied with, and its gradient */
    float x[BATCH * IN]; /* the input, fake-quantized if the layer asks for it */
    float before[BATCH * HIDDEN]; /* the output before its quantizer */
    float y[BATCH * HIDDEN], dy[BATCH * HIDDEN];
    nncf_layer *layer;
} dense;

typedef struct network {
    dense layers[LAYERS];
    float input[BATCH * IN];
    int labels[BATCH];
    uint32_t random;
} network;

static float noise(network *n) /* uniform in -1..1 */
{
    n->random = n->random * 1664525u + 1013904223u;
    return (float)(n->random >> 8) / 8388608.0f - 1.0f;
}

static void next_batch(network *n) /* class c: noise around 0.5 in its own part of the inputs */
{
    for (int i = 0; i < BATCH; i++) {
        n->labels[i] = i % CLASSES;
        for (int k = 0; k < IN; k++)
            n->input[i * IN + k] = noise(n) + (k * CLASSES / IN == n->labels[i] ? 0.5f : 0.0f);
    }
}

static nncf_tensor matrix(float *data, const int64_t shape[2])
{
    return (nncf_tensor){.data = data, .dtype = NNCF_F32, .ndim = 2, .shape = shape};
}

/* y = quantize(relu(quantize(x) w^T + b)), with the host's product. */
static nncf_status dense_forward(dense *d, int index, float *x)
{
    int in = width[index], out = width[index + 1];
    const int64_t in_shape[2] = {BATCH, in}, out_shape[2] = {BATCH, out};
    nncf_tensor tx = matrix(x, in_shape), txq = matrix(d->x, in_shape),
                ty = matrix(d->y, out_shape), tb = matrix(d->before, out_shape);
    nncf_status status = nncf_layer_quantize_input(d->layer, &tx, &txq, NULL);
    if (status == NNCF_OK)
        status = nncf_layer_compress_weight(d->layer, d->compressed, NULL);
    if (status != NNCF_OK)
        return status;
    for (int i = 0; i < BATCH; i++)
        memcpy(d->before + i * out, d->bias, (size_t)out * sizeof(float));
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, BATCH, out, in, 1.0f, d->x, in,
        d->compressed, in, 1.0f, d->before, out);
    if (index < LAYERS - 1)
        for (int i = 0; i < BATCH * out; i++)
            d->before[i] = d->before[i] > 0.0f ? d->before[i] : 0.0f;
    return nncf_layer_quantize_output(d->layer, &tb, &ty, NULL);
}

/* From d->dy to the gradients of weight and bias, and to dx (NULL: nobody wants it). */
static nncf_status dense_backward(dense *d, int index, float *x, float *dx)
{
    int in = width[index], out = width[index + 1];
    const int64_t in_shape[2] = {BATCH, in}, out_shape[2] = {BATCH, out};
    nncf_tensor tb = matrix(d->before, out_shape), tdy = matrix(d->dy, out_shape),
                tx = matrix(x, in_shape);
    float input_grad[BATCH * IN];
    nncf_tensor tg = matrix(input_grad, in_shape);
    nncf_status status = nncf_layer_quantize_output_backward(d->layer, &tb, &tdy, &tdy, NULL);
    if (status != NNCF_OK)
        return status;
    for (int i = 0; i < BATCH * out; i++) {
        if (index < LAYERS - 1 && !(d->before[i] > 0.0f))
            d->dy[i] = 0.0f;
        d->bias_grad[i % out] += d->dy[i];
    }
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, out, in, BATCH, 1.0f, d->dy, out, d->x, in,
        0.0f, d->compressed_grad, in);
    if ((status = nncf_layer_compress_weight_backward(d->layer, d->compressed_grad, NULL)) !=
        NNCF_OK)
        return status;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, BATCH, in, out, 1.0f, d->dy, out,
        d->compressed, in, 0.0f, input_grad, in);
    status = nncf_layer_quantize_input_backward(d->layer, &tx, &tg, &tg, NULL);
    if (dx != NULL)
        memcpy(dx, input_grad, (size_t)(BATCH * in) * sizeof(float));
    return status;
}

static nncf_status forward(network *n, bool own_kernels)
{
    nncf_status status = NNCF_OK;
    for (int i = 0; status == NNCF_OK && i < LAYERS; i++) {
        float *x = i == 0 ? n->input : n->layers[i - 1].y;
        const int64_t in_shape[2] = {BATCH, width[i]}, out_shape[2] = {BATCH, width[i + 1]};
        nncf_tensor tx = matrix(x, in_shape), ty = matrix(n->layers[i].y, out_shape);
        status = own_kernels ? dense_forward(&n->layers[i], i, x)
                             : nncf_layer_forward(n->layers[i].layer, &tx, 1, &ty, NULL);
    }
    return status;
}

static nncf_status backward(network *n, bool own_kernels)
{
    nncf_status status = NNCF_OK;
    for (int i = LAYERS - 1; status == NNCF_OK && i >= 0; i--) {
        float *x = i == 0 ? n->input : n->layers[i - 1].y,
              *dx = i == 0 ? NULL : n->layers[i - 1].dy;
        const int64_t in_shape[2] = {BATCH, width[i]}, out_shape[2] = {BATCH, width[i + 1]};
        nncf_tensor tx = matrix(x, in_shape), tdx = matrix(dx, in_shape),
                    tdy = matrix(n->layers[i].dy, out_shape);
        status = own_kernels
            ? dense_backward(&n->layers[i], i, x, dx)
            : nncf_layer_backward(n->layers[i].layer, &tx, 1, &tdy, dx != NULL ? &tdx : NULL, NULL);
    }
    return status;
}

static double cross_entropy(network *n) /* and its gradient, in the last layer's dy */
{
    dense *last = &n->layers[LAYERS - 1];
    double loss = 0.0;
    for (int i = 0; i < BATCH; i++) {
        const float *row = last->y + i * CLASSES;
        double sum = 0.0;
        for (int c = 0; c < CLASSES; c++)
            sum += exp(row[c]);
        for (int c = 0; c < CLASSES; c++)
            last->dy[i * CLASSES + c] = (float)((exp(row[c]) / sum - (c == n->labels[i])) / BATCH);
        loss += log(sum) - row[n->labels[i]];
    }
    return loss / BATCH;
}

static void sgd(float *data, float *grad, size_t count, float rate)
{
    for (size_t i = 0; i < count; i++) {
        data[i] -= rate * grad[i];
        grad[i] = 0.0f;
    }
}

static void optimize(network *n, nncf_compression_ctrl *ctrl)
{
    for (int i = 0; i < LAYERS; i++) {
        sgd(n->layers[i].weight, n->layers[i].weight_grad, (size_t)(width[i] * width[i + 1]), 0.2f);
        sgd(n->layers[i].bias, n->layers[i].bias_grad, (size_t)width[i + 1], 0.2f);
    }
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        nncf_compression_ctrl_get_parameter(ctrl, i, &p, NULL);
        sgd(p.data, p.grad, p.count, p.kind == NNCF_PARAMETER_MASK_LOGIT ? 10.0f : 0.01f);
    }
}

static nncf_status add_layers(network *n, nncf_model *model, nncf_error *err)
{
    static const char *const scopes[LAYERS] = {"Net/Linear[fc1]", "Net/Linear[fc2]"};
    nncf_status status = NNCF_OK;
    for (int i = 0; status == NNCF_OK && i < LAYERS; i++) {
        dense *d = &n->layers[i];
        const nncf_linear_params params = {NNCF_PARAMS(nncf_linear_params), .scope = scopes[i],
            .weight = d->weight, .weight_grad = d->weight_grad, .bias = d->bias,
            .bias_grad = d->bias_grad, .in_features = width[i], .out_features = width[i + 1],
            .activation = i < LAYERS - 1 ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE,
            .inputs = i > 0 ? &n->layers[i - 1].layer : NULL, .n_inputs = i > 0 ? 1 : 0};
        for (int k = 0; k < width[i] * width[i + 1]; k++)
            d->weight[k] = noise(n) / sqrtf((float)width[i]);
        status = nncf_model_add_linear(model, &params, &d->layer, err);
    }
    return status;
}

/* Trains for STEPS steps from the same beginning; `losses` gets the loss of each. */
static nncf_status train(bool own_kernels, double losses[STEPS], nncf_error *err)
{
    static network n;
    nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .seed = 7};
    nncf_context *context = NULL;
    nncf_config *config = NULL;
    nncf_model *model = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    int32_t more = 0;
    memset(&n, 0, sizeof n);
    n.random = 1;
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &params, &context, err);
    if (status == NNCF_OK)
        status = nncf_config_parse(
            context, "byo_cblas", config_text, sizeof config_text - 1, NULL, &config, err);
    if (status == NNCF_OK)
        status = nncf_model_create(context, &model, err);
    if (status == NNCF_OK)
        status = add_layers(&n, model, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(model, config, &ctrl, err);
    while (status == NNCF_OK &&
        (status = nncf_compression_ctrl_init_step(ctrl, &more, NULL)) == NNCF_OK && more) {
        next_batch(&n);
        status = forward(&n, own_kernels);
    }
    for (int step = 0; status == NNCF_OK && step < STEPS; step++) {
        next_batch(&n);
        status = forward(&n, own_kernels);
        losses[step] = cross_entropy(&n);
        if (status == NNCF_OK) /* the loss is the same in both runs; its gradient counts */
            status = nncf_compression_ctrl_loss_backward(ctrl, NULL, err);
        if (status == NNCF_OK)
            status = backward(&n, own_kernels);
        optimize(&n, ctrl);
        nncf_compression_ctrl_zero_grad(ctrl, NULL);
        if (status == NNCF_OK)
            status = nncf_compression_ctrl_step(ctrl, NULL);
    }
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_config_destroy(config);
    nncf_context_destroy(context);
    return status;
}

int main(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    double cblas[STEPS], ours[STEPS], worst = 0.0;
    nncf_status status = train(true, cblas, &err);
    if (status == NNCF_OK)
        status = train(false, ours, &err);
    if (status != NNCF_OK) {
        fprintf(stderr, "byo_cblas: %s\n",
            err.status != NNCF_OK ? err.message : nncf_status_message(status));
        return 1;
    }
    printf("step   loss with cblas   with the library's kernels\n");
    for (int i = 0; i < STEPS; i++) {
        double difference = fabs(cblas[i] - ours[i]) / fabs(ours[i]);
        worst = difference > worst ? difference : worst;
        if (i % 10 == 0 || i == STEPS - 1)
            printf("%4d %17.6f %28.6f\n", i, cblas[i], ours[i]);
    }
    printf("largest relative difference: %.2g\n", worst);
    return worst < 1e-3 && ours[STEPS - 1] < ours[0] ? 0 : 1;
}
