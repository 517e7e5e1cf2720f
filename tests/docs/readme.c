/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of README.md that compress a training loop, with what a program has around them: one
 * convolution of 8x8 images that learns to give the mean of the three channels in every map.
 * README_LINES is made by extract.py. */
#include <nncf/nncf.h>

#include <stdio.h>

enum { N = 4, SIZE = 8, MAPS = 32, PLANE = SIZE * SIZE };

static float w[MAPS * 3 * 9], dw[MAPS * 3 * 9], gamma[MAPS], dgamma[MAPS], beta[MAPS], dbeta[MAPS],
    mean[MAPS], var[MAPS];
static float images[N * 3 * PLANE], output[N * MAPS * PLANE], gradient[N * MAPS * PLANE];
static const int64_t x_shape[] = {N, 3, SIZE, SIZE}, y_shape[] = {N, MAPS, SIZE, SIZE};
static const nncf_tensor batch = {.data = images, .ndim = 4, .shape = x_shape};

static float noise(void)
{
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    return (float)(state >> 8) / 8388608.0f - 1.0f;
}

static const nncf_tensor *next_batch(void)
{
    for (int i = 0; i < N * 3 * PLANE; i++)
        images[i] = noise();
    return &batch;
}

/* Mean squared error, and its gradient in dy. */
static double your_loss(const nncf_tensor *y, const nncf_tensor *dy)
{
    const float *p = y->data;
    float *g = dy->data;
    double loss = 0.0;
    for (int n = 0; n < N; n++)
        for (int m = 0; m < MAPS; m++)
            for (int i = 0; i < PLANE; i++) {
                const float *x = images + n * 3 * PLANE + i;
                const int at = (n * MAPS + m) * PLANE + i;
                const float d = p[at] - (1.0f + (x[0] + x[PLANE] + x[2 * PLANE]) / 3.0f);
                loss += (double)d * (double)d / (N * MAPS * PLANE);
                g[at] = 2.0f * d / (N * MAPS * PLANE);
            }
    return loss;
}

static void descend(float *data, float *grad, size_t count, float rate)
{
    for (size_t i = 0; i < count; i++) {
        data[i] -= rate * grad[i];
        grad[i] = 0.0f;
    }
}

static void your_optimizer(nncf_compression_ctrl *ctrl)
{
    descend(w, dw, sizeof w / sizeof *w, 2.0f);
    descend(gamma, dgamma, MAPS, 2.0f);
    descend(beta, dbeta, MAPS, 2.0f);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(ctrl); i++) {
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        if (nncf_compression_ctrl_get_parameter(ctrl, i, &p, NULL) == NNCF_OK && !p.frozen)
            descend(p.data, p.grad, p.count, 0.01f);
    }
}

static int run(int epochs, int steps, double *first, double *last)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    nncf_model *model = NULL;
    nncf_layer *layer = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = gamma,
        .weight_grad = dgamma, .bias = beta, .bias_grad = dbeta, .running_mean = mean,
        .running_var = var};
    nncf_tensor y = {.data = output, .ndim = 4, .shape = y_shape};
    nncf_tensor dy = {.data = gradient, .ndim = 4, .shape = y_shape};
    int32_t more = 0;
    double loss = 0.0, sparsity_loss = 0.0;
    next_batch();
    {
#include README_LINES
    } *last = loss;
    nncf_layer_forward(layer, next_batch(), 1, &y, NULL);
    *first = *first > 0.0 ? *first : your_loss(&y, &dy);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    nncf_config_destroy(config);
    return 0;
}

int main(void)
{
    double first = 0.0, last = 0.0, unused = 1.0;
    for (int i = 0; i < MAPS; i++)
        gamma[i] = var[i] = 1.0f;
    for (int i = 0; i < MAPS * 3 * 9; i++)
        w[i] = 0.2f * noise();
    if (run(1, 1, &unused, &first) != 0 || run(3, 40, &first, &last) != 0)
        return 1;
    printf("loss %.3f, then %.3f\n", first, last);
    return last < 0.5 * first ? 0 : 1;
}
