/* SPDX-License-Identifier: Apache-2.0 */
/* 784-128-64-10 on images of 28 x 28: a program whose layers are oneDNN's inner products over its
 * own buffers. What libnncf adds are the lines that are marked "nncf:". */
#include "onednn.h"
#include "dataset.h"
#include "metrics.h"
#include "primitives.h"
#include "rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LAYERS = 3, BATCH = 100, MOST_EPOCHS = 32 };

static const int width[LAYERS + 1] = {784, 128, 64, 10};
static const char *const scopes[LAYERS] = {"Net/Linear[fc1]", "Net/Linear[fc2]", "Net/Linear[fc3]"};

static const char config_text[] =
    "{\"target_device\": \"CPU\", \"input_info\": {\"sample_size\": [1, 784]}, \"compression\": ["
    "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"schedule\": \"multistep\", "
    "\"multistep_steps\": [1, 2], \"multistep_sparsity_levels\": [0.3, 0.5, 0.7]}},"
    "{\"algorithm\": \"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 500}}, "
    "\"weights\": {\"mode\": \"symmetric\", \"per_channel\": true}, "
    "\"activations\": {\"mode\": \"symmetric\"}}]}";

typedef struct dense {
    float *w, *dw, *w_speed, *b, *db, *b_speed;
    float *used, *d_used; /* nncf: the compressed weight, and its gradient */
    float *z, *dz; /* product; after relu */
    float *y, *dy; /* nncf: after the quantizer, what the next layer reads */
    product p;
    nncf_layer *layer; /* nncf */
} dense;

typedef struct host {
    machine m;
    dataset *data[2]; /* to test with, to train with */
    dense layers[LAYERS];
    float *x, *xq; /* batch; nncf: quantized */
    int32_t labels[BATCH];
    nncf_context *context;
    nncf_config *config;
    nncf_model *model;
    nncf_compression_ctrl *ctrl; /* nncf: NULL while it trains in float */
} host;

static nncf_tensor matrix(float *data, const int64_t shape[2])
{
    return (nncf_tensor){.data = data, .dtype = NNCF_F32, .ndim = 2, .shape = shape};
}

/* ---- a step ---- */

static nncf_status dense_forward(host *h, int i, nncf_error *err)
{
    dense *d = &h->layers[i];
    const int64_t shape[2] = {BATCH, width[i + 1]}, x_shape[2] = {BATCH, width[i]};
    nncf_tensor z = matrix(d->z, shape), y = matrix(d->y, shape);
    nncf_tensor x = matrix(h->x, x_shape), xq = matrix(h->xq, x_shape);
    nncf_status status = NNCF_OK;
    if (h->ctrl != NULL && i == 0) /* nncf: the network's input */
        status = nncf_layer_quantize_input(d->layer, &x, &xq, err);
    else if (i == 0)
        memcpy(h->xq, h->x, sizeof(float) * BATCH * 784);
    if (status == NNCF_OK && h->ctrl != NULL) /* nncf: masked and quantized */
        status = nncf_layer_compress_weight(d->layer, d->used, err);
    else if (status == NNCF_OK)
        memcpy(d->used, d->w, sizeof(float) * (size_t)(width[i] * width[i + 1]));
    if (status == NNCF_OK)
        status = product_run(&h->m, &d->p, FORWARD, err);
    for (int k = 0; i < LAYERS - 1 && k < BATCH * width[i + 1]; k++)
        d->z[k] = d->z[k] > 0.0f ? d->z[k] : 0.0f;
    if (status == NNCF_OK && h->ctrl != NULL) /* nncf: where the block ends */
        status = nncf_layer_quantize_output(d->layer, &z, &y, err);
    else
        memcpy(d->y, d->z, sizeof(float) * (size_t)(BATCH * width[i + 1]));
    return status;
}

static nncf_status dense_backward(host *h, int i, nncf_error *err)
{
    dense *d = &h->layers[i];
    const int64_t shape[2] = {BATCH, width[i + 1]}, x_shape[2] = {BATCH, width[i]};
    nncf_tensor z = matrix(d->z, shape), dy = matrix(d->dy, shape), dz = matrix(d->dz, shape);
    nncf_tensor x = matrix(h->x, x_shape), dx = matrix(h->xq, x_shape);
    nncf_status status = NNCF_OK;
    if (h->ctrl != NULL) /* nncf */
        status = nncf_layer_quantize_output_backward(d->layer, &z, &dy, &dz, err);
    else
        memcpy(d->dz, d->dy, sizeof(float) * (size_t)(BATCH * width[i + 1]));
    for (int k = 0; i < LAYERS - 1 && k < BATCH * width[i + 1]; k++)
        d->dz[k] = d->z[k] > 0.0f ? d->dz[k] : 0.0f;
    if (status == NNCF_OK)
        status = product_run(&h->m, &d->p, BACKWARD_WEIGHTS, err);
    if (status == NNCF_OK && h->ctrl != NULL) /* nncf: adds to dw */
        status = nncf_layer_compress_weight_backward(d->layer, d->d_used, err);
    else
        memcpy(d->dw, d->d_used, sizeof(float) * (size_t)(width[i] * width[i + 1]));
    if (status == NNCF_OK && (i > 0 || h->ctrl != NULL))
        status = product_run(&h->m, &d->p, BACKWARD_DATA, err);
    if (status == NNCF_OK && i == 0 && h->ctrl != NULL) /* nncf: the range of the input */
        status = nncf_layer_quantize_input_backward(d->layer, &x, &dx, &dx, err);
    return status;
}

static nncf_status forward(host *h, nncf_error *err)
{
    nncf_status status = NNCF_OK;
    for (int i = 0; i < LAYERS && status == NNCF_OK; i++)
        status = dense_forward(h, i, err);
    return status;
}

static void descend(float *data, float *grad, float *speed, size_t n, float rate)
{
    for (size_t i = 0; i < n; i++) {
        speed[i] = 0.9f * speed[i] + grad[i];
        data[i] -= rate * speed[i];
        grad[i] = 0.0f; /* gradients of weights are added to */
    }
}

static nncf_status optimize(host *h, float rate, nncf_error *err)
{
    const int32_t before = nncf_flush_denormals(1); /* nncf: momentum of masked weights decays */
    nncf_status status = NNCF_OK;
    for (int i = 0; i < LAYERS; i++) {
        dense *d = &h->layers[i];
        descend(d->w, d->dw, d->w_speed, (size_t)(width[i] * width[i + 1]), rate);
        descend(d->b, d->db, d->b_speed, (size_t)width[i + 1], rate);
    }
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(h->ctrl); i++) { /* nncf */
        nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
        status = nncf_compression_ctrl_get_parameter(h->ctrl, i, &p, err);
        for (size_t k = 0; status == NNCF_OK && k < p.count; k++)
            p.data[k] -= 0.01f * rate * p.grad[k];
    }
    nncf_flush_denormals(before);
    if (status == NNCF_OK && h->ctrl != NULL)
        status = nncf_compression_ctrl_zero_grad(h->ctrl, err);
    return status == NNCF_OK && h->ctrl != NULL ? nncf_compression_ctrl_step(h->ctrl, err) : status;
}

static void load_batch(host *h, bool train, int64_t step, uint64_t epoch)
{
    const dataset *d = h->data[train];
    rng r = rng_make(7, RNG_SHUFFLE, epoch, (uint64_t)step);
    for (int i = 0; i < BATCH; i++) {
        const size_t which =
            train ? (size_t)rng_below(&r, d->count) : (size_t)(step * BATCH + i) % d->count;
        h->labels[i] = d->labels[which];
        for (int k = 0; k < 784; k++)
            h->x[i * 784 + k] = (float)d->pixels[which * 784 + (size_t)k] / 255.0f;
    }
}

static nncf_status train_step(host *h, float rate, nncf_error *err)
{
    dense *last = &h->layers[LAYERS - 1];
    nncf_status status = forward(h, err);
    metrics_cross_entropy(last->y, h->labels, BATCH, 10, last->dy);
    if (status == NNCF_OK && h->ctrl != NULL) /* nncf: 0 for this algorithm, needed for others */
        status = nncf_compression_ctrl_loss_backward(h->ctrl, NULL, err);
    for (int i = LAYERS - 1; i >= 0 && status == NNCF_OK; i--)
        status = dense_backward(h, i, err);
    return status == NNCF_OK ? optimize(h, rate, err) : status;
}

/* ---- training ---- */

/* Classes of the test images, of as many whole batches as there are (at least one). */
static nncf_status classify(host *h, uint8_t *classes, double *top1, nncf_error *err)
{
    const int64_t batches = (int64_t)(h->data[0]->count + BATCH - 1) / BATCH;
    accuracy a = {0};
    nncf_status status = NNCF_OK;
    if (h->model != NULL)
        status = nncf_model_set_mode(h->model, NNCF_MODE_EVAL, err);
    for (int64_t s = 0; s < batches && status == NNCF_OK; s++) {
        load_batch(h, false, s, 0);
        status = forward(h, err);
        const float *y = h->layers[LAYERS - 1].y;
        metrics_count(&a, y, h->labels, BATCH, 10);
        for (int i = 0; i < BATCH; i++) {
            classes[s * BATCH + i] = 0;
            for (int c = 1; c < 10; c++)
                if (y[i * 10 + c] > y[i * 10 + classes[s * BATCH + i]])
                    classes[s * BATCH + i] = (uint8_t)c;
        }
    }
    if (h->model != NULL && status == NNCF_OK)
        status = nncf_model_set_mode(h->model, NNCF_MODE_TRAIN, err);
    *top1 = metrics_top1(&a);
    return status;
}

static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static nncf_status train(const onednn_options *o, host *h, uint8_t *classes, double *top1,
    double *seconds, nncf_error *err)
{
    double times[MOST_EPOCHS];
    const int64_t steps = (int64_t)(h->data[1]->count + BATCH - 1) / BATCH;
    for (int epoch = 0; epoch < o->epochs; epoch++) {
        const double start = cpu_seconds();
        nncf_status status = NNCF_OK;
        for (int64_t s = 0; s < steps && status == NNCF_OK; s++) {
            load_batch(h, true, s, (uint64_t)(epoch + (h->ctrl != NULL ? 1000 : 0)));
            status = train_step(h, epoch < o->epochs - 1 ? 0.03f : 0.005f, err);
        }
        times[epoch] = cpu_seconds() - start;
        if (status == NNCF_OK)
            status = classify(h, classes, top1, err);
        if (status == NNCF_OK && h->ctrl != NULL) /* nncf */
            status = nncf_compression_ctrl_epoch_step(h->ctrl, err);
        if (status != NNCF_OK)
            return status;
        fprintf(o->output, "%s epoch %d  top-1 %.2f %%  %.2f s of CPU\n",
            h->ctrl != NULL ? "compressed" : "float", epoch, *top1, times[epoch]);
    }
    *seconds = metrics_median(times, (size_t)o->epochs);
    return NNCF_OK;
}

/* nncf: layers by the pointers that oneDNN's memories have, config, ranges from the first batches.
 */
static nncf_status compress(host *h, nncf_error *err)
{
    const nncf_context_params params = {NNCF_PARAMS(nncf_context_params), .n_threads = 1};
    int32_t more = 0;
    nncf_status status = nncf_context_create(NNCF_API_VERSION, &params, &h->context, err);
    if (status == NNCF_OK)
        status = nncf_config_parse(
            h->context, "onednn", config_text, sizeof config_text - 1, NULL, &h->config, err);
    if (status == NNCF_OK)
        status = nncf_model_create(h->context, &h->model, err);
    for (int i = 0; i < LAYERS && status == NNCF_OK; i++) {
        dense *d = &h->layers[i];
        status = nncf_model_add_linear(h->model,
            &(nncf_linear_params){NNCF_PARAMS(nncf_linear_params), .scope = scopes[i],
                .weight = d->w, .weight_grad = d->dw, .bias = d->b, .in_features = width[i],
                .out_features = width[i + 1],
                .activation = i < LAYERS - 1 ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE,
                .inputs = i > 0 ? &h->layers[i - 1].layer : NULL, .n_inputs = i > 0},
            &d->layer, err);
    }
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_create(h->model, h->config, &h->ctrl, err);
    for (int64_t s = 0; status == NNCF_OK; s++) {
        status = nncf_compression_ctrl_init_step(h->ctrl, &more, err);
        if (status != NNCF_OK || !more)
            break;
        load_batch(h, true, s, 2000);
        status = forward(h, err);
    }
    return status;
}

/* ---- the stripped file on oneDNN's int8 primitives ---- */

/* A tensor of the file, by layer and name. */
static nncf_status tensor_of(const nncf_checkpoint *file, int layer, const char *name,
    nncf_dtype dtype, nncf_tensor *t, nncf_error *err)
{
    char text[96];
    snprintf(text, sizeof text, "%s.%s", scopes[layer], name);
    const nncf_status status = nncf_checkpoint_get_tensor(file, text, t, err);
    if (status == NNCF_OK && t->dtype != dtype)
        return app_fail(err, NNCF_E_DTYPE, text, "%s is not of the type that is wanted", text);
    return status;
}

/* Codes of an activation quantizer: clamp(round half to even(x / scale), 0, highest). */
static nncf_status to_codes(const nncf_checkpoint *file, int layer, const char *which,
    const float *x, size_t n, uint8_t *codes, float *scale, nncf_error *err)
{
    char name[40];
    nncf_tensor scales, bounds;
    snprintf(name, sizeof name, "%s_scale", which);
    nncf_status status = tensor_of(file, layer, name, NNCF_F32, &scales, err);
    snprintf(name, sizeof name, "%s_codes", which);
    if (status == NNCF_OK)
        status = tensor_of(file, layer, name, NNCF_I32, &bounds, err);
    if (status != NNCF_OK)
        return status;
    const int32_t *range = bounds.data;
    if (range[0] != 0 || range[1] > 255)
        return app_fail(err, NNCF_E_UNSUPPORTED, scopes[layer],
            "%s: its %s has codes below 0, this program takes unsigned ones", scopes[layer], which);
    *scale = *(const float *)scales.data;
    for (size_t i = 0; i < n; i++)
        codes[i] = (uint8_t)fminf(fmaxf(rintf(x[i] / *scale), 0.0f), (float)range[1]);
    return NNCF_OK;
}

/* Logits of the batch in h->x, with int8 products: h->layers[...].z hold the layers' results. */
static nncf_status forward_int8(host *h, const nncf_checkpoint *file, nncf_error *err)
{
    static uint8_t codes[BATCH * 784];
    static int32_t sums[BATCH * 128];
    for (int i = 0; i < LAYERS; i++) {
        const float *x = i == 0 ? h->x : h->layers[i - 1].z;
        float scale = 0.0f;
        nncf_tensor w, w_scale, b;
        nncf_status status = to_codes(file, i == 0 ? 0 : i - 1, i == 0 ? "input" : "output", x,
            (size_t)(BATCH * width[i]), codes, &scale, err);
        if (status == NNCF_OK)
            status = tensor_of(file, i, "weight", NNCF_S8, &w, err);
        if (status == NNCF_OK)
            status = tensor_of(file, i, "weight_scale", NNCF_F32, &w_scale, err);
        if (status == NNCF_OK)
            status = tensor_of(file, i, "bias", NNCF_F32, &b, err);
        if (status == NNCF_OK)
            status = product_int8(&h->m, BATCH, width[i], width[i + 1], codes, w.data, sums, err);
        if (status != NNCF_OK)
            return status;
        for (int k = 0; k < BATCH * width[i + 1]; k++) {
            const int channel = k % width[i + 1];
            const float z = (float)sums[k] * (scale * ((const float *)w_scale.data)[channel]) +
                ((const float *)b.data)[channel];
            h->layers[i].z[k] = i < LAYERS - 1 && z < 0.0f ? 0.0f : z;
        }
    }
    return NNCF_OK;
}

static nncf_status infer_int8(
    host *h, const char *path, const uint8_t *classes, onednn_result *r, nncf_error *err)
{
    const int64_t batches = (int64_t)(h->data[0]->count + BATCH - 1) / BATCH;
    nncf_checkpoint *file = NULL;
    accuracy a = {0};
    int64_t same = 0;
    nncf_status status = nncf_checkpoint_open(h->context, path, NULL, &file, err);
    for (int64_t s = 0; s < batches && status == NNCF_OK; s++) {
        load_batch(h, false, s, 0);
        status = forward_int8(h, file, err);
        const float *y = h->layers[LAYERS - 1].z;
        metrics_count(&a, y, h->labels, BATCH, 10);
        for (int i = 0; i < BATCH; i++) {
            int best = 0;
            for (int c = 1; c < 10; c++)
                best = y[i * 10 + c] > y[i * 10 + best] ? c : best;
            same += best == classes[s * BATCH + i];
        }
    }
    nncf_checkpoint_close(file);
    r->int8_top1 = metrics_top1(&a);
    r->int8_same = 100.0 * (double)same / (double)(batches * BATCH);
    return status;
}

/* ---- the program ---- */

static nncf_status open_layer(host *h, int i, nncf_error *err)
{
    dense *d = &h->layers[i];
    const size_t weights = (size_t)(width[i] * width[i + 1]), outputs = (size_t)width[i + 1],
                 results = BATCH * outputs;
    const struct {
        float **to;
        size_t count;
    } all[] = {{&d->w, weights}, {&d->dw, weights}, {&d->w_speed, weights}, {&d->used, weights},
        {&d->d_used, weights}, {&d->b, outputs}, {&d->db, outputs}, {&d->b_speed, outputs},
        {&d->z, results}, {&d->dz, results}, {&d->y, results}, {&d->dy, results}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        if ((*all[k].to = app_floats(all[k].count)) == NULL)
            return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a layer");
    rng r = rng_make(1, RNG_INIT, (uint64_t)i, 0);
    for (size_t k = 0; k < weights; k++)
        d->w[k] = (float)(rng_normal(&r) * sqrt(2.0 / width[i]));
    /* oneDNN multiplies with `used`: the compressed weight, or in float a copy of w. The gradient
     * of the first layer's input goes where its input was, which backward of the weight has read.
     */
    return product_open(&h->m, BATCH, width[i], width[i + 1],
        (product_buffers){.x = i == 0 ? h->xq : h->layers[i - 1].y,
            .w = d->used,
            .b = d->b,
            .y = d->z,
            .dx = i == 0 ? h->xq : h->layers[i - 1].dy,
            .dw = d->d_used,
            .db = d->db,
            .dy = d->dz},
        &d->p, err);
}

static nncf_status open_host(const onednn_options *o, host *h, nncf_error *err)
{
    nncf_status status = machine_open(&h->m, err);
    for (int train = 0; train < 2 && status == NNCF_OK; train++) {
        status = dataset_open("fashion_mnist", o->data, train == 1, &h->data[train], err);
        if (status == NNCF_OK)
            status = dataset_check(h->data[train], 10, 1, err);
        if (status == NNCF_OK &&
            (h->data[train]->width * h->data[train]->height != 784 || h->data[train]->count == 0))
            status = app_fail(err, NNCF_E_FORMAT, o->data, "not images of 28 x 28");
    }
    if (status != NNCF_OK)
        return status;
    h->x = app_floats(BATCH * 784);
    h->xq = app_floats(BATCH * 784);
    if (h->x == NULL || h->xq == NULL)
        return app_fail(err, NNCF_E_NOMEM, NULL, "no memory for a batch");
    for (int i = 0; i < LAYERS && status == NNCF_OK; i++)
        status = open_layer(h, i, err);
    return status;
}

static void close_host(host *h)
{
    nncf_compression_ctrl_destroy(h->ctrl);
    nncf_model_destroy(h->model);
    nncf_config_destroy(h->config);
    nncf_context_destroy(h->context);
    for (int i = 0; i < LAYERS; i++) {
        dense *d = &h->layers[i];
        float *const all[] = {d->w, d->dw, d->w_speed, d->used, d->d_used, d->b, d->db, d->b_speed,
            d->z, d->dz, d->y, d->dy};
        product_close(&d->p);
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    for (int i = 0; i < 2; i++)
        dataset_destroy(h->data[i]);
    free(h->x);
    free(h->xq);
    machine_close(&h->m);
}

nncf_status onednn_run(const onednn_options *o, onednn_result *r, nncf_error *err)
{
    host h = {0};
    uint8_t *classes = NULL;
    nncf_statistics statistics = {NNCF_PARAMS(nncf_statistics)};
    nncf_status status = o->epochs >= 1 && o->epochs <= MOST_EPOCHS
        ? open_host(o, &h, err)
        : app_fail(err, NNCF_E_ARG, "epochs", "epochs must be 1 to %d", MOST_EPOCHS);
    if (status == NNCF_OK && (classes = calloc(h.data[0]->count + BATCH, 1)) == NULL)
        status = app_fail(err, NNCF_E_NOMEM, NULL, "no memory for classes");
    if (status == NNCF_OK)
        status = train(o, &h, classes, &r->float_top1, &r->float_seconds, err);
    if (status == NNCF_OK)
        status = compress(&h, err);
    if (status == NNCF_OK)
        status = train(o, &h, classes, &r->compressed_top1, &r->compressed_seconds, err);
    if (status == NNCF_OK)
        status = nncf_compression_ctrl_get_statistics(h.ctrl, &statistics, err);
    if (status == NNCF_OK)
        status = classify(&h, classes, &r->compressed_top1, err);
    if (status == NNCF_OK)
        status = nncf_strip_save(h.ctrl, o->stripped, NULL, NULL, err);
    if (status == NNCF_OK)
        status = infer_int8(&h, o->stripped, classes, r, err);
    r->sparsity = statistics.sparsity;
    r->bytes_float = statistics.bytes_float;
    r->bytes_compressed = statistics.bytes_compressed;
    free(classes);
    close_host(&h);
    return status;
}
