/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that runs all layers itself, in every build, and in one without kernels
 * (-Dkernels=disabled), whose calls that run layers refuse. With NNCF_TEST_SNAPSHOT=FILE the
 * snapshot of the training is written there, too: builds are compared by its bytes.
 */
#include "support/files.h"
#include "support/fixture.h"

#include <nncf/onnx.h>
#include <nncf/strip.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { IN = 24, HIDDEN = 20, CLASSES = 3, BATCH = 16, LAYERS = 2, STEPS = 60 };
static const int64_t widths[LAYERS + 1] = {IN, HIDDEN, CLASSES};

typedef struct dense {
    float weight[HIDDEN * IN], weight_grad[HIDDEN * IN];
    float compressed[HIDDEN * IN], compressed_grad[HIDDEN * IN];
    /* the input as it is multiplied, the output before its quantizer and after it */
    float x[BATCH * IN], before[BATCH * HIDDEN], y[BATCH * HIDDEN], dy[BATCH * HIDDEN];
    nncf_layer *layer;
} dense;

typedef struct host {
    dense layers[LAYERS];
    float input[BATCH * IN];
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    uint64_t random;
} host;

static const char int8_rb[] =
    "{\"compression\": [{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.3, "
    "\"sparsity_target\": 0.5, \"sparsity_steps\": 2}}, {\"algorithm\": \"quantization\", "
    "\"initializer\": {\"num_init_steps\": 2}}]}";

static float noise(host *h)
{
    h->random = h->random * UINT64_C(6364136223846793005) + 1442695040888963407u;
    return (float)(h->random >> 40) / 8388608.0f - 1.0f;
}

static void make(host *h, const char *config)
{
    memset(h, 0, sizeof *h);
    h->random = 7;
    h->context = fx_new_context(NULL, 2, 0, 5);
    ck_assert_int_eq(nncf_model_create(h->context, &h->model, NULL), NNCF_OK);
    for (int i = 0; i < LAYERS; i++) {
        dense *d = &h->layers[i];
        nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params),
            .scope = i == 0 ? "Net/Linear[fc1]" : "Net/Linear[fc2]", .weight = d->weight,
            .weight_grad = d->weight_grad, .in_features = widths[i], .out_features = widths[i + 1],
            .inputs = i == 0 ? NULL : &h->layers[0].layer, .n_inputs = i == 0 ? 0 : 1};
        for (int64_t j = 0; j < widths[i] * widths[i + 1]; j++)
            d->weight[j] = 0.25f * noise(h);
        ck_assert_int_eq(nncf_model_add_linear(h->model, &p, &d->layer, NULL), NNCF_OK);
    }
    h->ctrl = fx_ctrl(h->model, config);
}

static void drop(host *h)
{
    nncf_compression_ctrl_destroy(h->ctrl);
    nncf_model_destroy(h->model);
    nncf_context_destroy(h->context);
}

static nncf_tensor matrix(float *data, const int64_t shape[2])
{
    return (nncf_tensor){.data = data, .dtype = NNCF_F32, .ndim = 2, .shape = shape};
}

/* Plain loops: the same bits in every build. */
static void multiply(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_row,
    int64_t a_step, const float *b, int64_t b_column, int64_t b_step, float *c)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int64_t k = 0; k < depth; k++)
                sum += (double)a[i * a_row + k * a_step] * (double)b[j * b_column + k * b_step];
            c[i * columns + j] = (float)sum;
        }
}

static void forward(host *h)
{
    for (int i = 0; i < LAYERS; i++) {
        dense *d = &h->layers[i];
        const int64_t in = widths[i], out = widths[i + 1], x_shape[2] = {BATCH, in},
                      y_shape[2] = {BATCH, out};
        nncf_tensor x = matrix(i == 0 ? h->input : h->layers[0].y, x_shape),
                    used = matrix(d->x, x_shape), before = matrix(d->before, y_shape),
                    y = matrix(d->y, y_shape);
        ck_assert_int_eq(nncf_layer_quantize_input(d->layer, &x, &used, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_compress_weight(d->layer, d->compressed, NULL), NNCF_OK);
        multiply(BATCH, out, in, d->x, in, 1, d->compressed, in, 1, d->before);
        for (int64_t j = 0; i == 0 && j < BATCH * out; j++)
            d->before[j] = d->before[j] > 0 ? d->before[j] : 0;
        ck_assert_int_eq(nncf_layer_quantize_output(d->layer, &before, &y, NULL), NNCF_OK);
    }
}

static void backward(host *h)
{
    for (int i = LAYERS - 1; i >= 0; i--) {
        dense *d = &h->layers[i];
        const int64_t in = widths[i], out = widths[i + 1], x_shape[2] = {BATCH, in},
                      y_shape[2] = {BATCH, out};
        float dx[BATCH * IN];
        nncf_tensor before = matrix(d->before, y_shape), dy = matrix(d->dy, y_shape),
                    x = matrix(i == 0 ? h->input : h->layers[0].y, x_shape),
                    tdx = matrix(dx, x_shape);
        ck_assert_int_eq(
            nncf_layer_quantize_output_backward(d->layer, &before, &dy, &dy, NULL), NNCF_OK);
        for (int64_t j = 0; i == 0 && j < BATCH * out; j++)
            d->dy[j] = d->before[j] > 0 ? d->dy[j] : 0;
        multiply(out, in, BATCH, d->dy, 1, out, d->x, 1, in, d->compressed_grad);
        ck_assert_int_eq(
            nncf_layer_compress_weight_backward(d->layer, d->compressed_grad, NULL), NNCF_OK);
        multiply(BATCH, in, out, d->dy, out, 1, d->compressed, 1, in, dx);
        ck_assert_int_eq(
            nncf_layer_quantize_input_backward(d->layer, &x, &tdx, &tdx, NULL), NNCF_OK);
        if (i > 0)
            memcpy(h->layers[i - 1].dy, dx, sizeof(float) * BATCH * (size_t)in);
    }
}

static void next_batch(host *h)
{
    for (int i = 0; i < BATCH; i++)
        for (int k = 0; k < IN; k++)
            h->input[i * IN + k] = noise(h) + (k * CLASSES / IN == i % CLASSES ? 0.75f : 0.0f);
}

/* Squared distance from +1 for the class and -1 for the others, over the batch. */
static double loss_of(host *h)
{
    dense *last = &h->layers[LAYERS - 1];
    double loss = 0;
    for (int i = 0; i < BATCH * CLASSES; i++) {
        const float d = last->y[i] - (i % CLASSES == i / CLASSES % CLASSES ? 1.0f : -1.0f);
        loss += (double)d * (double)d / BATCH;
        last->dy[i] = 2.0f * d / BATCH;
    }
    return loss;
}

static double step(host *h)
{
    double sparsity_loss = 0;
    next_batch(h);
    ck_assert_int_eq(nncf_compression_ctrl_zero_grad(h->ctrl, NULL), NNCF_OK);
    forward(h);
    const double loss = loss_of(h);
    ck_assert_int_eq(nncf_compression_ctrl_loss_backward(h->ctrl, &sparsity_loss, NULL), NNCF_OK);
    backward(h);
    for (int i = 0; i < LAYERS; i++)
        for (int j = 0; j < HIDDEN * IN; j++) {
            h->layers[i].weight[j] -= 0.0625f * h->layers[i].weight_grad[j];
            h->layers[i].weight_grad[j] = 0;
        }
    ck_assert_int_eq(nncf_compression_ctrl_update(h->ctrl, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_step(h->ctrl, NULL), NNCF_OK);
    return loss;
}

static void initialize(host *h)
{
    int32_t more = 0;
    while (nncf_compression_ctrl_init_step(h->ctrl, &more, NULL) == NNCF_OK && more) {
        next_batch(h);
        forward(h);
    }
    ck_assert_int_eq(more, 0);
}

static void weights_of(host *h, nncf_checkpoint_tensor tensors[LAYERS], int64_t shapes[LAYERS][2])
{
    for (int i = 0; i < LAYERS; i++) {
        shapes[i][0] = widths[i + 1];
        shapes[i][1] = widths[i];
        tensors[i] = (nncf_checkpoint_tensor){
            .name = i == 0 ? "fc1" : "fc2", .tensor = matrix(h->layers[i].weight, shapes[i])};
    }
}

static void save(host *h, const char *path)
{
    nncf_checkpoint_tensor tensors[LAYERS];
    int64_t shapes[LAYERS][2];
    weights_of(h, tensors, shapes);
    ck_assert_int_eq(nncf_checkpoint_save(h->ctrl, path, tensors, LAYERS, NULL, NULL), NNCF_OK);
}

static void restore(host *h, const char *path)
{
    nncf_checkpoint_tensor tensors[LAYERS];
    int64_t shapes[LAYERS][2];
    nncf_checkpoint *file;
    weights_of(h, tensors, shapes);
    ck_assert_int_eq(nncf_checkpoint_open(h->context, path, NULL, &file, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_read(file, tensors, LAYERS, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_restore(file, h->ctrl, NULL, NULL, NULL), NNCF_OK);
    nncf_checkpoint_close(file);
}

static void same_files(const char *a, const char *b)
{
    size_t n, m;
    char *x = fx_read_file(a, &n), *y = fx_read_file(b, &m);
    ck_assert(n == m && memcmp(x, y, n) == 0);
    free(x);
    free(y);
}

START_TEST(a_host_trains_resumes_and_deploys)
{
    host h, resumed;
    const char *keep = getenv("NNCF_TEST_SNAPSHOT");
    double first = 0, last = 0;
    make(&h, int8_rb);
    initialize(&h);
    for (int i = 0; i < STEPS; i++) {
        last = step(&h);
        first = i == 0 ? last : first;
        if (i == STEPS / 2 - 1) {
            save(&h, fx_path("half"));
            make(&resumed, int8_rb);
            restore(&resumed, fx_path("half"));
            resumed.random = h.random;
        }
    }
    ck_assert_double_lt(last, 0.5 * first);
    for (int i = STEPS / 2; i < STEPS; i++)
        step(&resumed);
    save(&h, fx_path("whole"));
    save(&resumed, fx_path("resumed"));
    same_files(fx_path("whole"), fx_path("resumed"));
    if (keep && *keep)
        save(&h, keep);

    ck_assert_int_eq(nncf_compression_ctrl_epoch_step(h.ctrl, NULL), NNCF_OK);
    const nncf_statistics s = fx_statistics(h.ctrl);
    ck_assert_int_eq(s.step, STEPS);
    ck_assert_uint_gt(s.weight_quantizers, 0);
    nncf_strip_report report = {NNCF_PARAMS(nncf_strip_report)};
    ck_assert_int_eq(nncf_strip_save(h.ctrl, fx_path("small"), NULL, &report, NULL), NNCF_OK);
    ck_assert_int_gt((int64_t)report.bytes_file, 0);
    drop(&h);
    drop(&resumed);
}
END_TEST

/* Weights in the evaluation of a magnitude mask and 8 bits: zeros where the mask says so, and
 * elsewhere multiples of one step. */
START_TEST(weights_are_masked_and_on_the_grid)
{
    static const char config[] =
        "{\"compression\": [{\"algorithm\": \"magnitude_sparsity\", \"params\": "
        "{\"sparsity_init\": 0.5, \"sparsity_target\": 0.5}}, {\"algorithm\": \"quantization\", "
        "\"initializer\": {\"num_init_steps\": 1}}]}";
    host h;
    make(&h, config);
    initialize(&h);
    forward(&h);
    int64_t zeros = 0;
    for (int i = 0; i < LAYERS; i++) {
        const dense *d = &h.layers[i];
        const int64_t n = widths[i] * widths[i + 1];
        float largest = 0;
        for (int64_t j = 0; j < n; j++) {
            largest = fmaxf(largest, fabsf(d->compressed[j]));
            zeros += d->compressed[j] == 0;
        }
        for (int64_t j = 0; j < n; j++) {
            const float steps = d->compressed[j] / (largest / 127);
            ck_assert_float_le(fabsf(steps - rintf(steps)), 1e-3f);
        }
    }
    /* one threshold for both; more become 0 on the grid */
    ck_assert_int_ge(zeros, (IN * HIDDEN + HIDDEN * CLASSES) / 2);
    drop(&h);
}
END_TEST

#ifdef WITHOUT_KERNELS

START_TEST(calls_that_run_layers_refuse)
{
    host h;
    make(&h, int8_rb);
    dense *d = &h.layers[0];
    const int64_t x_shape[2] = {BATCH, IN}, y_shape[2] = {BATCH, HIDDEN};
    nncf_tensor x = matrix(h.input, x_shape), y = matrix(d->y, y_shape);
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_layer_forward(d->layer, &x, 1, &y, &err), NNCF_E_UNSUPPORTED);
    ck_assert_str_eq(err.where, "Net/Linear[fc1]");
    ck_assert_ptr_nonnull(strstr(err.message, "-Dkernels=disabled"));
    ck_assert_ptr_nonnull(strstr(err.message, "nncf_layer_compress_weight()"));
    ck_assert_int_eq(nncf_layer_backward(d->layer, &x, 1, &y, NULL, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_layer_forward(NULL, &x, 1, &y, &err), NNCF_E_ARG);
    nncf_memory memory = {NNCF_PARAMS(nncf_memory)};
    ck_assert_int_eq(
        nncf_model_get_memory(h.model, &x, 1, NNCF_MODE_TRAIN, &memory, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(
        nncf_model_set_memory_budget(h.model, &x, 1, 1 << 20, &err), NNCF_E_UNSUPPORTED);
    ck_assert_int_eq(nncf_model_set_memory_budget(NULL, &x, 1, 1 << 20, &err), NNCF_E_ARG);
    /* sizes are known, and no layer has codes that nobody would write */
    int64_t shape[2];
    int32_t ndim = 0;
    ck_assert_int_eq(nncf_layer_get_output_shape(d->layer, &x, 1, shape, 2, &ndim, NULL), NNCF_OK);
    ck_assert(ndim == 2 && shape[0] == BATCH && shape[1] == HIDDEN);
    initialize(&h);
    ck_assert_int_eq(nncf_layer_get_output_dtype(d->layer), NNCF_F32);
    ck_assert_ptr_nonnull(strstr(nncf_context_get_description(h.context), "no kernels for layers"));
    drop(&h);
}
END_TEST

#endif

int main(void)
{
    Suite *suite = suite_create("host");
    TCase *tests = fx_case(suite, "host", 120);
    tcase_add_checked_fixture(tests, fx_folder_make, fx_folder_remove);
    tcase_add_test(tests, a_host_trains_resumes_and_deploys);
    tcase_add_test(tests, weights_are_masked_and_on_the_grid);
#ifdef WITHOUT_KERNELS
    tcase_add_test(tests, calls_that_run_layers_refuse);
#endif
    return fx_main(suite);
}
