/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A case through the public API, in every context. Each tensor has memory of its own, of exactly
 * its size, so that a sanitizer sees what is read or written beside it; what is written begins as
 * NaN, what is added to does not begin at 0.
 */
#include "kernel_case.h"

#include <math.h>

enum { MOST_BLOCKS = 64 };

typedef struct blocks {
    void *base[MOST_BLOCKS];
    size_t n;
} blocks;

/* `bytes` of memory behind `offset` bytes, and nothing after them. */
static void *take(blocks *b, size_t bytes, size_t offset)
{
    char *base = malloc(offset + bytes);
    if (!base || b->n == MOST_BLOCKS)
        abort();
    memset(base, 0, offset + bytes);
    b->base[b->n++] = base;
    return base + offset;
}

static void give_back(blocks *b)
{
    while (b->n > 0)
        free(b->base[--b->n]);
}

/* ---- values ---- */

typedef struct data {
    blocks blocks;
    const kernel_case *c;
    sweep_rng rng;
    /* master copies: what every context begins with */
    float *w, *b, *gamma, *beta, *mean, *var, *eval_mean, *eval_var, *dy, *added;
    float *x[2]; /* floats; drawn by the first context, which knows the quantizers */
    int *codes[2];
    float *wq, *xq; /* what the first context says */
    bool has_x;
    unsigned signs; /* of the quantizers, as the first context's initialization found them */
} data;

static float draw_value(sweep_rng *r, bool coarse, double reach)
{
    return (float)(reach * (coarse ? (double)sweep_range(r, -2, 2) / 2 : sweep_unit(r)));
}

static float *draw_values(data *d, size_t n, double reach)
{
    float *p = take(&d->blocks, n * sizeof *p, 0);
    for (size_t i = 0; i < n; i++)
        p[i] = draw_value(&d->rng, d->c->coarse, reach);
    return p;
}

static float *draw_positive(data *d, size_t n)
{
    float *p = take(&d->blocks, n * sizeof *p, 0);
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(0.75 + 0.5 * sweep_unit(&d->rng));
    return p;
}

static void data_draw(data *d, const kernel_case *c)
{
    const size_t n_c = (size_t)c->out[1], n_w = kernel_weights(c);
    *d = (data){.c = c, .rng = {c->data}};
    d->w = draw_values(d, n_w, 1);
    d->b = draw_values(d, n_c, 1);
    d->gamma = draw_positive(d, n_c);
    for (size_t i = 0; i < n_c; i++)
        d->gamma[i] = sweep_one_in(&d->rng, 5) ? -d->gamma[i] : d->gamma[i];
    d->beta = draw_values(d, n_c, 1);
    d->mean = draw_values(d, n_c, 1);
    d->var = draw_positive(d, n_c);
    d->eval_mean = draw_values(d, n_c, 1);
    d->eval_var = draw_positive(d, n_c);
    d->dy = draw_values(d, kernel_count(c->out), 1);
    d->added = draw_values(d, n_w > n_c ? n_w : n_c, 1);
}

/* ---- one context ---- */

typedef struct run {
    sweep *s;
    const kernel_case *c;
    data *d;
    nncf_context *context;
    const char *where; /* "avx2, 2 threads" */
    blocks blocks;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *producers[2], *layer, *reader;
    float *producer_w[2], *reader_w;
    float *w, *b, *gamma, *beta, *mean, *var, *dw, *db, *dgamma, *dbeta;
    nncf_tensor x[2], y, dy, dx[2];
    int64_t y_shape[4];
    kernel_quantizer quantizers[PLACES], of_x[2];
    float *scale_grad[PLACES], *range_grad[PLACES];
    float *results; /* everything that came out, one after the other */
    size_t n_results, capacity;
    bool failed;
} run;

__attribute__((format(printf, 2, 3))) static void fail(run *r, const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    sweep_fail(r->s, "%s: %s", r->where, text);
    r->failed = true;
}

static bool ok(run *r, const char *call, nncf_status status, const nncf_error *err)
{
    if (status != NNCF_OK)
        fail(r, "%s is %s: %s", call, nncf_status_name(status), err ? err->message : "");
    return status == NNCF_OK;
}

static float *copy_of(run *r, const float *from, size_t n, bool wanted)
{
    float *to = NULL;
    if (wanted) {
        to = take(&r->blocks, n * sizeof *to, (size_t)r->c->offset * sizeof *to);
        memcpy(to, from, n * sizeof *to);
    }
    return to;
}

static nncf_tensor tensor(run *r, size_t count, int32_t dtype, int32_t ndim, const int64_t *shape)
{
    const size_t size = dtype == NNCF_F32 ? sizeof(float) : 1;
    nncf_tensor t = {.dtype = dtype, .ndim = ndim, .shape = shape};
    t.data = take(&r->blocks, count * size, (size_t)r->c->offset * size);
    memset(t.data, 0xff, count * size); /* NaN */
    return t;
}

/* ---- registration ---- */

static bool add_producer(run *r, int i)
{
    static const char *const scopes[] = {"Net/Conv2d[a]", "Net/Conv2d[b]"};
    const kernel_case *c = r->c;
    const size_t n = (size_t)c->x_shape[1];
    nncf_error err = NNCF_ERROR_INIT;
    r->producer_w[i] = take(&r->blocks, n * sizeof(float), 0);
    for (size_t k = 0; k < n; k++)
        r->producer_w[i][k] = 0.5f + (float)((k + c->data) % 7) / 4;
    const bool positive = !c->pre_activation && c->data % 3 == 0;
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scopes[i],
        .weight = r->producer_w[i], .in_channels = c->x_shape[1], .out_channels = c->x_shape[1],
        .groups = (int32_t)c->x_shape[1], .kernel = {1, 1},
        .activation = positive ? NNCF_ACTIVATION_RELU : NNCF_ACTIVATION_NONE};
    return ok(
        r, "adding a producer", nncf_model_add_conv2d(r->model, &p, &r->producers[i], &err), &err);
}

static bool add_reader(run *r)
{
    const kernel_case *c = r->c;
    nncf_error err = NNCF_ERROR_INIT;
    r->reader_w = take(&r->blocks, (size_t)c->out[1] * sizeof(float), 0);
    for (int64_t i = 0; i < c->out[1]; i++)
        r->reader_w[i] = 0.5f;
    const nncf_conv2d_params conv = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[reader]",
        .weight = r->reader_w, .in_channels = c->out[1], .out_channels = 1, .kernel = {1, 1},
        .inputs = &r->layer, .n_inputs = 1};
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params),
        .scope = "Net/Linear[reader]", .weight = r->reader_w, .in_features = c->out[1],
        .out_features = 1, .inputs = &r->layer, .n_inputs = 1};
    nncf_status status = c->kind == KERNEL_LINEAR
        ? nncf_model_add_linear(r->model, &linear, &r->reader, &err)
        : nncf_model_add_conv2d(r->model, &conv, &r->reader, &err);
    return ok(r, "adding a reader", status, &err);
}

static nncf_status add_product(run *r, nncf_layer *const *inputs, size_t n_inputs, nncf_error *err)
{
    const kernel_case *c = r->c;
    const nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params), .weight = r->gamma,
        .bias = r->beta, .weight_grad = r->dgamma, .bias_grad = r->dbeta, .running_mean = r->mean,
        .running_var = r->var, .eps = (float)c->eps, .momentum = (float)c->momentum};
    if (c->kind == KERNEL_LINEAR) {
        const nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[t]",
            .weight = r->w, .weight_grad = r->dw, .bias = r->b, .bias_grad = r->db,
            .in_features = c->in[1], .out_features = c->out[1], .activation = c->activation,
            .batch_norm = c->batch_norm ? &bn : NULL, .inputs = inputs, .n_inputs = n_inputs};
        return nncf_model_add_linear(r->model, &p, &r->layer, err);
    }
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = "Net/Conv2d[t]",
        .weight = r->w, .weight_grad = r->dw, .bias = r->b, .bias_grad = r->db,
        .in_channels = c->in[1], .out_channels = c->out[1], .groups = (int32_t)c->groups,
        .activation = c->activation, .batch_norm = c->batch_norm ? &bn : NULL, .inputs = inputs,
        .n_inputs = n_inputs};
    for (int i = 0; i < 2; i++) {
        p.kernel[i] = (int32_t)c->kernel[i];
        p.stride[i] = (int32_t)c->stride[i];
        p.padding[i] = (int32_t)c->padding[i];
        p.dilation[i] = (int32_t)c->dilation[i];
    }
    return nncf_model_add_conv2d(r->model, &p, &r->layer, err);
}

static nncf_status add_pool(run *r, nncf_layer *const *inputs, size_t n_inputs, nncf_error *err)
{
    const kernel_case *c = r->c;
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/AvgPool2d[t]",
        .kind = c->pool, .inputs = inputs, .n_inputs = n_inputs};
    for (int i = 0; i < 2 && (c->pool == NNCF_POOL_MAX || c->pool == NNCF_POOL_AVERAGE); i++) {
        p.kernel[i] = (int32_t)c->kernel[i];
        p.stride[i] = (int32_t)c->stride[i];
        p.padding[i] = (int32_t)c->padding[i];
    }
    return nncf_model_add_pool2d(r->model, &p, &r->layer, err);
}

static bool add_layers(run *r)
{
    const kernel_case *c = r->c;
    const size_t n_c = (size_t)c->out[1], n_w = kernel_weights(c);
    const data *d = r->d;
    const bool product = kernel_has_weight(c), fed = c->quantized && !c->own_input;
    nncf_error err = NNCF_ERROR_INIT;
    r->w = copy_of(r, d->w, n_w, product);
    r->dw = copy_of(r, d->added, n_w, product && c->weight_grad);
    r->b = copy_of(r, d->b, n_c, c->bias);
    r->db = copy_of(r, d->added, n_c, c->bias && c->bias_grad);
    r->mean = copy_of(r, d->mean, n_c, c->batch_norm);
    r->var = copy_of(r, d->var, n_c, c->batch_norm);
    r->gamma = copy_of(r, d->gamma, n_c, c->batch_norm && c->gamma);
    r->beta = copy_of(r, d->beta, n_c, c->batch_norm && c->beta);
    r->dgamma = copy_of(r, d->added, n_c, c->batch_norm && c->gamma_grad);
    r->dbeta = copy_of(r, d->added, n_c, c->batch_norm && c->beta_grad);
    for (int i = 0; fed && i < kernel_inputs(c); i++)
        if (!add_producer(r, i))
            return false;
    const size_t n_inputs = fed ? (size_t)kernel_inputs(c) : 0;
    nncf_layer *const *inputs = fed ? r->producers : NULL;
    nncf_status status;
    if (c->kind == KERNEL_ADD) {
        const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
            .activation = c->activation, .inputs = inputs, .n_inputs = n_inputs};
        status = nncf_model_add_sum(r->model, &p, &r->layer, &err);
    } else if (c->kind == KERNEL_POOL) {
        status = add_pool(r, inputs, n_inputs, &err);
    } else {
        status = add_product(r, inputs, n_inputs, &err);
    }
    return ok(r, "adding the layer", status, &err) &&
        (!c->quantized || !c->reader || add_reader(r));
}

/* ---- quantization ---- */

static nncf_status make_controller(run *r, nncf_error *err)
{
    static const char *const signs[] = {"", ", \"signed\": true", ", \"signed\": false"};
    const kernel_case *c = r->c;
    char text[700];
    /* in 1.1 a quantizer stands behind a sum's activation, in 1.4 for a device in front of it */
    const char *head = c->pre_activation ? "\"nncf_dialect\": \"1.4\", \"hw_config_type\": \"cpu\""
                                         : "\"nncf_dialect\": \"1.1\"";
    const char *initializer = c->pre_activation
        ? "\"range\": {\"num_init_steps\": 1, \"type\": \"min_max\"}, "
          "\"batchnorm_adaptation\": {\"num_bn_adaptation_steps\": 0}"
        : "\"num_init_steps\": 1, \"type\": \"min_max\"";
    int length = snprintf(text, sizeof text,
        "{%s, \"compression\": {\"algorithm\": \"quantization\", \"initializer\": {%s}, "
        "\"weights\": {\"bits\": %d, \"mode\": \"%s\", \"per_channel\": %s%s}, "
        "\"activations\": {\"bits\": %d, \"mode\": \"%s\", \"per_channel\": %s%s}}}",
        head, initializer, c->weight_bits, c->weight_asymmetric ? "asymmetric" : "symmetric",
        c->weight_per_channel ? "true" : "false", c->weight_asymmetric ? "" : signs[c->weight_sign],
        c->activation_bits, c->activation_asymmetric ? "asymmetric" : "symmetric",
        c->activation_per_channel ? "true" : "false",
        c->activation_asymmetric ? "" : signs[c->activation_sign]);
    nncf_config *config;
    nncf_status status = nncf_config_parse(NULL, "sweep", text, (size_t)length, NULL, &config, err);
    if (status == NNCF_OK) {
        status = nncf_compression_ctrl_create(r->model, config, &r->ctrl, err);
        nncf_config_destroy(config);
    }
    return status;
}

/* Forward in floats, of whatever values. */
static bool forward_floats(
    run *r, nncf_layer *layer, const nncf_tensor *x, nncf_tensor *y, int64_t shape[4])
{
    const size_t n_x = nncf_layer_get_op(layer) == NNCF_OP_ADD ? 2 : 1;
    int32_t ndim;
    if (!ok(r, "nncf_layer_get_output_shape",
            nncf_layer_get_output_shape(layer, x, n_x, shape, NNCF_MAX_NDIM, &ndim, NULL), NULL))
        return false;
    size_t count = 1;
    for (int32_t i = 0; i < ndim; i++)
        count *= (size_t)shape[i];
    *y = tensor(r, count, NNCF_F32, ndim, shape);
    return ok(r, "forward of floats", nncf_layer_forward(layer, x, n_x, y, NULL), NULL);
}

static bool initialize(run *r)
{
    const kernel_case *c = r->c;
    int32_t more = 0;
    int64_t shapes[4][4];
    nncf_tensor input = tensor(r, kernel_count(c->x_shape), NNCF_F32, 4, c->x_shape),
                x[2] = {input, input}, y, z;
    for (size_t i = 0; i < kernel_count(c->x_shape); i++)
        ((float *)input.data)[i] = (float)(i % 9) - 4;
    if (c->own_input)
        x[0].ndim = c->x_ndim;
    for (int batch = 0; batch < 8; batch++) {
        if (!ok(r, "nncf_compression_ctrl_init_step",
                nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NULL))
            return false;
        if (!more)
            return true;
        for (int i = 0; i < 2 && r->producers[i]; i++)
            if (!forward_floats(r, r->producers[i], &input, &x[i], shapes[i]))
                return false;
        if (!forward_floats(r, r->layer, x, &y, shapes[2]) ||
            (r->reader && !forward_floats(r, r->reader, &y, &z, shapes[3])))
            return false;
    }
    fail(r, "initialization does not end");
    return false;
}

/* Ranges of our own: those of initialization are the business of other tests. */
static void set_ranges(run *r)
{
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(r->ctrl, i, &p, NULL) == NNCF_OK; i++) {
        sweep_rng rng = {r->c->data + 1000 * (i + 1)};
        for (size_t k = 0; k < p.count; k++) {
            double share = (sweep_unit(&rng) + 1) / 2; /* 0..1 */
            double value = p.kind == NNCF_PARAMETER_INPUT_LOW ? -2 + 2.5 * share : 0.3 + 3 * share;
            bool negated = p.kind != NNCF_PARAMETER_INPUT_LOW && sweep_one_in(&rng, 12);
            p.data[k] = (float)(negated ? -value : value);
        }
    }
    nncf_compression_ctrl_zero_grad(r->ctrl, NULL);
    /* as in any step, what feeds the layer runs before it, with the new ranges */
    int64_t shape[4];
    nncf_tensor x = tensor(r, kernel_count(r->c->x_shape), NNCF_F32, 4, r->c->x_shape), y;
    memset(x.data, 0, kernel_count(r->c->x_shape) * sizeof(float));
    for (int i = 0; i < 2 && r->producers[i]; i++)
        forward_floats(r, r->producers[i], &x, &y, shape);
}

static bool find_parameter(const run *r, const char *scope, const char *name, nncf_parameter *p)
{
    char full[128];
    snprintf(full, sizeof full, "%s.%s", scope, name);
    *p = (nncf_parameter){NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(r->ctrl, i, p, NULL) == NNCF_OK; i++)
        if (strcmp(p->name, full) == 0)
            return true;
    return false;
}

static void find_quantizer(run *r, nncf_layer *layer, int place, kernel_quantizer *q,
    float **scale_grad, float **range_grad)
{
    static const char *const names[] = {"input_quantizer", "pre_ops.weight_quantizer",
        "pre_activation_quantizer", "activation_quantizer"};
    const char *scope = nncf_layer_get_scope(layer);
    char name[64];
    nncf_parameter p;
    nncf_layer_statistics st = {NNCF_PARAMS(nncf_layer_statistics)};
    size_t index = 0;
    while (nncf_model_get_layer(r->model, index) != layer)
        index++;
    ok(r, "layer statistics", nncf_compression_ctrl_get_layer_statistics(r->ctrl, index, &st, NULL),
        NULL);
    const int bits[] = {st.input_bits, st.weight_bits, r->c->activation_bits, st.output_bits};
    const int signs[] = {st.input_signed, st.weight_signed, 1, st.output_signed};
    *q = (kernel_quantizer){
        .bits = bits[place], .is_signed = signs[place], .weight = place == PLACE_WEIGHT};
    snprintf(name, sizeof name, "%s.scale", names[place]);
    q->on = find_parameter(r, scope, name, &p);
    if (!q->on) {
        snprintf(name, sizeof name, "%s.input_range", names[place]);
        q->on = q->asymmetric = find_parameter(r, scope, name, &p);
        q->range = p.data;
        *range_grad = p.grad;
        snprintf(name, sizeof name, "%s.input_low", names[place]);
        if (q->on)
            find_parameter(r, scope, name, &p);
    }
    if (!q->on)
        return;
    q->scale = p.data;
    q->channels = p.count;
    *scale_grad = p.grad;
    kernel_quantizer_fill(q);
}

/* A sum or pool of other channels than it was registered for, and its quantizer has ranges for. */
static void try_wrong_channels(run *r, const char *when)
{
    const kernel_case *c = r->c;
    const kernel_quantizer *q = r->quantizers;
    const bool per_channel = q[PLACE_OUTPUT].channels > 1 || q[PLACE_BEFORE].channels > 1;
    int64_t in[4], out[4];
    memcpy(in, c->in, sizeof in);
    memcpy(out, c->out, sizeof out);
    in[1] = out[1] = c->data % 2 ? c->in[1] + 1 + (int64_t)(c->data % 5) : (c->in[1] + 1) / 2;
    if (in[1] == c->in[1])
        return;
    nncf_tensor x[2], y = tensor(r, kernel_count(out), NNCF_F32, 4, out);
    for (int i = 0; i < 2; i++) {
        x[i] = tensor(r, kernel_count(in), NNCF_F32, 4, in);
        memset(x[i].data, 0, kernel_count(in) * sizeof(float));
    }
    nncf_status status = nncf_layer_forward(r->layer, x, (size_t)kernel_inputs(c), &y, NULL);
    if (status != NNCF_E_SHAPE && (per_channel || status != NNCF_OK))
        fail(r, "%s, %d channels in place of %d: %s", when, (int)in[1], (int)c->in[1],
            nncf_status_name(status));
}

static bool quantize(run *r, bool *refused)
{
    nncf_error err = NNCF_ERROR_INIT;
    if (!ok(r, "making the controller", make_controller(r, &err), &err))
        return false;
    for (int place = 0; place < PLACES; place++)
        find_quantizer(r, r->layer, place, &r->quantizers[place], &r->scale_grad[place],
            &r->range_grad[place]);
    if (r->c->wrong_channels)
        try_wrong_channels(r, "before initialization");
    if (!initialize(r))
        return false;
    set_ranges(r);
    if (r->c->wrong_channels)
        try_wrong_channels(r, "after initialization");
    for (int place = 0; place < PLACES; place++) { /* signs and ranges are known now */
        kernel_quantizer_free(&r->quantizers[place]);
        find_quantizer(r, r->layer, place, &r->quantizers[place], &r->scale_grad[place],
            &r->range_grad[place]);
    }
    unsigned signs = 0;
    for (int i = 0; i < 2 && r->producers[i]; i++) {
        float *unused;
        find_quantizer(r, r->producers[i], PLACE_OUTPUT, &r->of_x[i], &unused, &unused);
        signs = 2 * signs + r->of_x[i].is_signed;
    }
    for (int place = 0; place < PLACES; place++)
        signs = 2 * signs + r->quantizers[place].is_signed;
    if (!r->d->has_x)
        r->d->signs = signs;
    *refused = signs !=
        r->d->signs; /* the least of what was observed is 0 here, and a rounding error less there */
    return !r->failed && !*refused;
}

/* ---- the tensors ---- */

/* Once, for all contexts: their quantizers are the same. */
static void draw_x(run *r)
{
    const kernel_case *c = r->c;
    const size_t n = kernel_count(c->in), hw = (size_t)(c->x_shape[2] * c->x_shape[3]);
    data *d = r->d;
    for (int i = 0; i < kernel_inputs(c); i++) {
        const kernel_quantizer *q = &r->of_x[i];
        d->x[i] = draw_values(d, n, 2);
        d->codes[i] = take(&d->blocks, n * sizeof(int), 0);
        for (size_t k = 0; q->on && k < n; k++) {
            size_t ch = q->channels > 1 ? k / hw % q->channels : 0;
            int code = (int)sweep_range(&d->rng, (int64_t)q->low[ch], (int64_t)q->high[ch]);
            d->codes[i][k] = code;
            d->x[i][k] = (float)code * (float)q->step[ch];
        }
    }
    d->has_x = true;
}

static void make_tensors(run *r)
{
    const kernel_case *c = r->c;
    const data *d = r->d;
    const size_t n = kernel_count(c->in), n_out = kernel_count(c->out);
    const int32_t y_ndim = c->kind == KERNEL_LINEAR ? 2 : 4;
    for (int i = 0; i < kernel_inputs(c); i++) {
        const kernel_quantizer *q = &r->of_x[i];
        const int32_t codes = c->codes_in[i] && r->producers[i]
            ? nncf_layer_get_output_dtype(r->producers[i])
            : NNCF_F32;
        r->x[i] = tensor(r, n, codes, c->x_ndim, c->x_shape);
        r->dx[i] = tensor(r, n, NNCF_F32, c->x_ndim, c->x_shape);
        if (codes == NNCF_F32)
            memcpy(r->x[i].data, d->x[i], n * sizeof(float));
        for (size_t k = 0; codes != NNCF_F32 && k < n; k++)
            ((uint8_t *)r->x[i].data)[k] =
                (uint8_t)(d->codes[i][k] - (q->asymmetric ? (int)q->low[0] : 0));
    }
    memcpy(r->y_shape, c->out, sizeof r->y_shape);
    int32_t dtype = c->codes_out ? nncf_layer_get_output_dtype(r->layer) : NNCF_F32;
    if (c->kind == KERNEL_POOL && c->pool == NNCF_POOL_MAX && dtype != r->x[0].dtype)
        dtype = NNCF_F32;
    r->y = tensor(r, n_out, dtype, y_ndim, r->y_shape);
    r->dy = tensor(r, n_out, NNCF_F32, y_ndim, r->y_shape);
    memcpy(r->dy.data, d->dy, n_out * sizeof(float));
}

/* ---- results ---- */

static void keep(run *r, const float *values, size_t n)
{
    if (r->n_results + n > r->capacity) {
        r->capacity = 2 * (r->n_results + n);
        r->results = realloc(r->results, r->capacity * sizeof *r->results);
        if (!r->results)
            abort();
    }
    memcpy(r->results + r->n_results, values, n * sizeof *values);
    r->n_results += n;
}

/* y as floats, whatever it is; the caller frees them. */
static float *outputs_of(run *r)
{
    const size_t n = kernel_count(r->c->out);
    const kernel_quantizer *q =
        r->quantizers[PLACE_OUTPUT].on ? &r->quantizers[PLACE_OUTPUT] : &r->of_x[0];
    float *y = malloc(n * sizeof *y);
    if (!y)
        abort();
    if (r->y.dtype == NNCF_F32)
        memcpy(y, r->y.data, n * sizeof *y);
    for (size_t i = 0; r->y.dtype != NNCF_F32 && i < n; i++) {
        int code = r->y.dtype == NNCF_U8 ? ((const uint8_t *)r->y.data)[i]
                                         : ((const int8_t *)r->y.data)[i];
        y[i] = (float)(code + (q->asymmetric ? (int)q->low[0] : 0)) * (float)q->step[0];
    }
    return y;
}

/* What was written, or (`base` not NULL) added to base. */
static void check(run *r, const char *what, const float *got, const kernel_value *want, size_t n,
    const float *base)
{
    keep(r, got, n);
    for (size_t i = 0; i < n; i++) {
        double b = base ? (double)base[i] : 0, v = want[i].v + b;
        double e = want[i].e + 2 * 0x1p-24 * (fabs(v) + fabs(b)) + 1e-30;
        if (!(fabs((double)got[i] - v) <= e)) {
            fail(r, "%s[%zu] is %.9g, should be %.9g within %.2g", what, i, (double)got[i], v, e);
            return;
        }
    }
}

static void check_gradients(run *r, const kernel_expected *e)
{
    static const char *const scales[] = {"gradient of input scale", "gradient of weight scale",
        "gradient of inner scale", "gradient of output scale"};
    const kernel_case *c = r->c;
    const data *d = r->d;
    const size_t n_c = (size_t)c->out[1];
    for (int i = 0; c->wants_dx && i < kernel_inputs(c); i++)
        check(r, "dx", r->dx[i].data, e->dx[i], kernel_count(c->in), NULL);
    if (r->dw)
        check(r, "gradient of weight", r->dw, e->dw, kernel_weights(c), d->added);
    if (r->db)
        check(r, "gradient of bias", r->db, e->db, n_c, d->added);
    if (r->dgamma)
        check(r, "gradient of gamma", r->dgamma, e->dgamma, n_c, d->added);
    if (r->dbeta)
        check(r, "gradient of beta", r->dbeta, e->dbeta, n_c, d->added);
    for (int i = 0; i < PLACES; i++) {
        const kernel_quantizer *q = &r->quantizers[i];
        if (q->on)
            check(r, scales[i], r->scale_grad[i], e->scale_grad[i], q->channels, NULL);
        if (q->on && q->asymmetric)
            check(r, scales[i], r->range_grad[i], e->range_grad[i], q->channels, NULL);
    }
}

/* ---- the passes ---- */

/* The operands as the library says they are used. */
static bool ask_operands(run *r)
{
    const kernel_case *c = r->c;
    data *d = r->d;
    const size_t n_w = kernel_weights(c), n = kernel_count(c->in);
    if (!kernel_has_weight(c))
        return true;
    float *wq = take(&r->blocks, n_w * sizeof *wq, 0);
    if (!ok(r, "nncf_layer_compress_weight", nncf_layer_compress_weight(r->layer, wq, NULL), NULL))
        return false;
    nncf_tensor xq = tensor(r, n, NNCF_F32, c->x_ndim, c->x_shape);
    if (c->own_input && c->quantized &&
        !ok(r, "nncf_layer_quantize_input",
            nncf_layer_quantize_input(r->layer, &r->x[0], &xq, NULL), NULL))
        return false;
    if (!d->wq) {
        d->wq = take(&d->blocks, n_w * sizeof *wq, 0);
        d->xq = take(&d->blocks, n * sizeof *wq, 0);
        memcpy(d->wq, wq, n_w * sizeof *wq);
        memcpy(d->xq, xq.data, n * sizeof *wq);
    }
    if (memcmp(d->wq, wq, n_w * sizeof *wq) != 0 || memcmp(d->xq, xq.data, n * sizeof *wq) != 0)
        fail(r, "quantized operands have other bits than with the first context");
    return !r->failed;
}

static bool train(run *r)
{
    const kernel_case *c = r->c;
    const size_t n_out = kernel_count(c->out), n_c = (size_t)c->out[1];
    if (!ok(r, "forward", nncf_layer_forward(r->layer, r->x, (size_t)kernel_inputs(c), &r->y, NULL),
            NULL))
        return false;
    float *y = outputs_of(r);
    keep(r, y, n_out);
    free(y);
    if (c->batch_norm) {
        keep(r, r->mean, n_c);
        keep(r, r->var, n_c);
    }
    return ok(r, "backward",
        nncf_layer_backward(
            r->layer, r->x, (size_t)kernel_inputs(c), &r->dy, c->wants_dx ? r->dx : NULL, NULL),
        NULL);
}

static kernel_given given(const run *r)
{
    const kernel_case *c = r->c;
    const data *d = r->d;
    kernel_given g = {.x = {d->x[0], d->x[1]},
        .w = d->w,
        .b = c->bias ? d->b : NULL,
        .gamma = c->gamma ? d->gamma : NULL,
        .beta = c->beta ? d->beta : NULL,
        .mean = d->mean,
        .var = d->var,
        .eval_mean = d->eval_mean,
        .eval_var = d->eval_var,
        .wq = d->wq,
        .xq = d->xq,
        .dy = d->dy};
    for (int i = 0; i < 2; i++)
        g.x_step[i] = r->of_x[i].on && r->of_x[i].channels == 1 ? r->of_x[i].step[0] : 0;
    memcpy(g.quantizers, r->quantizers, sizeof g.quantizers);
    return g;
}

/* Behind train(): everything against the oracle, then eval mode. */
static void check_run(run *r, const kernel_expected *e)
{
    const kernel_case *c = r->c;
    const size_t n_out = kernel_count(c->out), n_c = (size_t)c->out[1];
    const float *y = r->results;
    if (e->complaint)
        fail(r, "%s", e->complaint);
    for (int i = 0; i < kernel_inputs(c); i++)
        if (r->x[i].dtype == NNCF_F32 &&
            memcmp(r->x[i].data, r->d->x[i], kernel_count(c->in) * sizeof(float)) != 0)
            fail(r, "x has changed");
    if (r->w && memcmp(r->w, r->d->w, kernel_weights(c) * sizeof(float)) != 0)
        fail(r, "the weight has changed");
    float *first = malloc(n_out * sizeof *first);
    if (!first)
        abort();
    memcpy(first, y, n_out * sizeof *first); /* check() moves the results */
    check(r, "y", first, e->y, n_out, NULL);
    free(first);
    if (c->batch_norm) {
        check(r, "running mean", r->mean, e->mean, n_c, NULL);
        check(r, "running variance", r->var, e->var, n_c, NULL);
        memcpy(r->mean, r->d->eval_mean, n_c * sizeof(float));
        memcpy(r->var, r->d->eval_var, n_c * sizeof(float));
    }
    check_gradients(r, e);
    nncf_model_set_mode(r->model, NNCF_MODE_EVAL, NULL);
    if (!ok(r, "forward in eval mode",
            nncf_layer_forward(r->layer, r->x, (size_t)kernel_inputs(c), &r->y, NULL), NULL))
        return;
    float *eval_y = outputs_of(r);
    check(r, "y in eval mode", eval_y, e->eval_y, n_out, NULL);
    free(eval_y);
}

static void drop(run *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    for (int i = 0; i < PLACES; i++)
        kernel_quantizer_free(&r->quantizers[i]);
    for (int i = 0; i < 2; i++)
        kernel_quantizer_free(&r->of_x[i]);
    give_back(&r->blocks);
}

static bool prepare(run *r, bool *refused)
{
    *refused = false;
    if (!ok(r, "nncf_model_create", nncf_model_create(r->context, &r->model, NULL), NULL) ||
        !add_layers(r) || (r->c->quantized && !quantize(r, refused)))
        return false;
    if (!r->d->has_x)
        draw_x(r);
    make_tensors(r);
    return ask_operands(r);
}

void kernel_run(kernel_runner *k, sweep *s, const kernel_case *c)
{
    static const char *const wheres[KERNEL_CONTEXTS] = {"reference, 1 thread",
        "reference, 2 threads", "portable, 1 thread", "portable, 2 threads", "AVX2, 1 thread",
        "AVX2, 2 threads", "AVX-512, 1 thread", "AVX-512, 2 threads", "NEON, 1 thread",
        "NEON, 2 threads"};
    data d;
    kernel_expected expected;
    bool has_oracle = false;
    float *one_thread = NULL;
    size_t n_one_thread = 0;
    data_draw(&d, c);
    for (int i = 0; i < KERNEL_CONTEXTS; i++) {
        run r = {.s = s, .c = c, .d = &d, .context = k->contexts[i], .where = wheres[i]};
        bool refused;
        if (!r.context ||
            (i % KERNEL_THREADS &&
                !c->threads)) /* this CPU does not have it, or it would be the same */
            continue;
        if (prepare(&r, &refused) && train(&r)) {
            if (!has_oracle) {
                const kernel_given g = given(&r);
                kernel_expect(c, &g, &expected);
                has_oracle = true;
                k->elements += expected.elements;
                k->unsure += expected.unsure;
            }
            check_run(&r, &expected);
            k->ran++;
            if (i % KERNEL_THREADS == 1 && !r.failed && one_thread &&
                (n_one_thread != r.n_results ||
                    memcmp(one_thread, r.results, r.n_results * sizeof(float)) != 0))
                fail(&r, "other bits than with one thread");
        }
        k->refused += refused;
        drop(&r);
        free(one_thread);
        one_thread = r.failed ? NULL : r.results;
        n_one_thread = r.n_results;
        if (r.failed)
            free(r.results);
    }
    free(one_thread);
    if (has_oracle)
        kernel_expected_free(&expected);
    give_back(&d.blocks);
}

/* ---- contexts ---- */

void kernel_runner_start(kernel_runner *r)
{
    static const char *const names[] = {"reference", "portable", "avx2", "avx512", "neon"};
    *r = (kernel_runner){0};
    for (int i = 0; i < KERNEL_CONTEXTS; i++) {
        const nncf_context_params p = {NNCF_PARAMS(nncf_context_params),
            .n_threads = i % KERNEL_THREADS + 1,
            .max_isa = NNCF_ISA_REFERENCE + i / KERNEL_THREADS};
        if (nncf_context_create(NNCF_API_VERSION, &p, &r->contexts[i], NULL) != NNCF_OK)
            abort();
        if (!strstr(nncf_context_get_description(r->contexts[i]), names[i / KERNEL_THREADS])) {
            nncf_context_destroy(r->contexts[i]); /* a lower one, which is there already */
            r->contexts[i] = NULL;
        }
    }
}

void kernel_runner_stop(kernel_runner *r)
{
    for (int i = 0; i < KERNEL_CONTEXTS; i++)
        nncf_context_destroy(r->contexts[i]);
}
