/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest training loop with libnncf: two linear layers on made-up data, half of the weights
 * removed and all of them quantized to 8 bits while they train. Ends with 0 when it learnt the task
 * at the sparsity that was asked for. */
#include <nncf/nncf.h>

#include <math.h>
#include <stdio.h>

enum { IN = 64, HIDDEN = 32, CLASSES = 4, BATCH = 32, EPOCHS = 8, STEPS = 60 };

static float w1[HIDDEN * IN], dw1[HIDDEN * IN], b1[HIDDEN], db1[HIDDEN];
static float w2[CLASSES * HIDDEN], dw2[CLASSES * HIDDEN], b2[CLASSES], db2[CLASSES];
static float x[BATCH * IN], hidden[BATCH * HIDDEN], dhidden[BATCH * HIDDEN], y[BATCH * CLASSES],
    dy[BATCH * CLASSES];
static int label[BATCH];

static const char config_text[] = "{ \"compression\": [ { \"algorithm\": \"rb_sparsity\", "
                                  "\"params\": { \"sparsity_init\": 0.01, // of the weights\n"
                                  "                        \"sparsity_target\": 0.5, "
                                  "\"sparsity_steps\": 4, \"sparsity_training_steps\": 8 } },\n"
                                  "                   { \"algorithm\": \"quantization\", "
                                  "\"initializer\": { \"num_init_steps\": 1 } } ] }";

static float noise(void) /* uniform in -1..1, the same in every run */
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static void next_batch(void) /* class c: noise around +0.5 in its own quarter of the inputs */
{
    for (int i = 0; i < BATCH; i++) {
        label[i] = i % CLASSES;
        for (int k = 0; k < IN; k++)
            x[i * IN + k] = noise() + (k / (IN / CLASSES) == label[i] ? 0.5f : 0.0f);
    }
}

static double cross_entropy(void) /* and its gradient, in dy */
{
    double loss = 0.0;
    for (int i = 0; i < BATCH; i++) {
        double sum = 0.0;
        for (int c = 0; c < CLASSES; c++)
            sum += exp(y[i * CLASSES + c]);
        for (int c = 0; c < CLASSES; c++)
            dy[i * CLASSES + c] =
                (float)((exp(y[i * CLASSES + c]) / sum - (c == label[i])) / BATCH);
        loss += log(sum) - y[i * CLASSES + label[i]];
    }
    return loss / BATCH;
}

static void sgd(
    float *data, float *grad, size_t n, float rate) /* and the gradient cleared for the next step */
{
    for (size_t i = 0; i < n; i++) {
        data[i] -= rate * grad[i];
        grad[i] = 0.0f;
    }
}

static nncf_status optimize(nncf_compression_ctrl *ctrl, nncf_error *err)
{
    sgd(w1, dw1, HIDDEN * IN, 0.1f);
    sgd(b1, db1, HIDDEN, 0.1f);
    sgd(w2, dw2, CLASSES * HIDDEN, 0.1f);
    sgd(b2, db2, CLASSES, 0.1f);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        nncf_status status = nncf_compression_ctrl_get_parameter(ctrl, i, &p, err);
        if (status != NNCF_OK)
            return status;
        if (!p.frozen) /* mask logits have far to go: from 4.6, that is 99 %, to below 0 */
            sgd(p.data, p.grad, p.count, p.kind == NNCF_PARAMETER_MASK_LOGIT ? 40.0f : 0.01f);
    }
    return NNCF_OK;
}

/* Warnings, such as mistakes in the loop. What a refused call says is in its record, too. */
static void on_log(void *user, nncf_log_level level, const char *line)
{
    (void)user;
    if (level == NNCF_LOG_WARNING)
        fprintf(stderr, "minimal: warning: %s\n", line);
}

/* A refused call ends the program, which prints the reason. */
#define CHECK(call)                                                                                \
    if ((call) != NNCF_OK)                                                                         \
    goto end

int main(void)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_context_params context_params = {NNCF_PARAMS(nncf_context_params), .log = on_log};
    nncf_context *context = NULL;
    nncf_config *config = NULL;
    nncf_model *model = NULL;
    nncf_layer *layer[2];
    nncf_compression_ctrl *ctrl = NULL;
    nncf_statistics stats = {NNCF_PARAMS(nncf_statistics)};
    const nncf_tensor tx = {.data = x, .ndim = 2, .shape = (int64_t[]){BATCH, IN}};
    nncf_tensor th = {.data = hidden, .ndim = 2, .shape = (int64_t[]){BATCH, HIDDEN}};
    nncf_tensor tdh = {.data = dhidden, .ndim = 2, .shape = (int64_t[]){BATCH, HIDDEN}};
    nncf_tensor ty = {.data = y, .ndim = 2, .shape = (int64_t[]){BATCH, CLASSES}};
    nncf_tensor tdy = {.data = dy, .ndim = 2, .shape = (int64_t[]){BATCH, CLASSES}};
    int32_t more = 0;
    double loss = 0.0, compression_loss = 0.0;

    for (int i = 0; i < HIDDEN * IN; i++)
        w1[i] = 0.125f * noise();
    for (int i = 0; i < CLASSES * HIDDEN; i++)
        w2[i] = 0.175f * noise();
    CHECK(nncf_context_create(NNCF_API_VERSION, &context_params, &context, &err));
    CHECK(nncf_config_parse(
        context, "minimal", config_text, sizeof config_text - 1, NULL, &config, &err));
    CHECK(nncf_model_create(context, &model, &err));
    CHECK(nncf_model_add_linear(model,
        &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[fc1]",
            .weight = w1, .weight_grad = dw1, .bias = b1, .bias_grad = db1, .in_features = IN,
            .out_features = HIDDEN, .activation = NNCF_ACTIVATION_RELU},
        &layer[0], &err));
    CHECK(nncf_model_add_linear(model,
        &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[fc2]",
            .weight = w2, .weight_grad = dw2, .bias = b2, .bias_grad = db2, .in_features = HIDDEN,
            .out_features = CLASSES, .inputs = &layer[0], .n_inputs = 1},
        &layer[1], &err));
    CHECK(nncf_compression_ctrl_create(model, config, &ctrl, &err));

    for (;;) { /* ranges of the quantizers */
        CHECK(nncf_compression_ctrl_init_step(ctrl, &more, &err));
        if (!more)
            break;
        next_batch();
        CHECK(nncf_layer_forward(layer[0], &tx, 1, &th, &err));
        CHECK(nncf_layer_forward(layer[1], &th, 1, &ty, &err));
    }
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (int step = 0; step < STEPS; step++) {
            next_batch();
            CHECK(nncf_layer_forward(layer[0], &tx, 1, &th, &err));
            CHECK(nncf_layer_forward(layer[1], &th, 1, &ty, &err));
            loss = cross_entropy();
            CHECK(nncf_compression_ctrl_loss_backward(ctrl, &compression_loss, &err));
            loss += compression_loss;
            CHECK(nncf_layer_backward(layer[1], &th, 1, &tdy, &tdh, &err));
            CHECK(nncf_layer_backward(layer[0], &tx, 1, &tdh, NULL, &err));
            CHECK(optimize(ctrl, &err));
            CHECK(nncf_compression_ctrl_zero_grad(ctrl, &err));
            CHECK(nncf_compression_ctrl_step(ctrl, &err));
        }
        CHECK(nncf_compression_ctrl_get_statistics(ctrl, &stats, &err));
        printf("epoch %d  loss %.4f  sparsity %.3f of %.3f\n", epoch, loss, stats.sparsity,
            stats.sparsity_target);
        CHECK(nncf_compression_ctrl_epoch_step(ctrl, &err));
    }
end:
    if (err.status != NNCF_OK)
        fprintf(stderr, "minimal: %s\n", err.message);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_config_destroy(config);
    nncf_context_destroy(context); /* after all that was made with it */
    return err.status == NNCF_OK && loss < 0.5 && fabs(stats.sparsity - 0.5) < 0.05 ? 0 : 1;
}
