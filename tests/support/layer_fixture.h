/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of layers share: a small random generator, a counting allocator, registered blocks
 * with their buffers, and an oracle that computes a block forward and backward in double with plain
 * loops, from the published formulas.
 */
#ifndef LAYER_FIXTURE_H
#define LAYER_FIXTURE_H

#include <nncf/nncf.h>

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* ---- random numbers: splitmix64 ---- */

static inline uint64_t fx_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Uniform in [-1, 1). */
static inline double fx_uniform(uint64_t *state)
{
    return (double)(fx_next(state) >> 11) * 0x1p-52 - 1;
}

static inline void fx_fill(float *x, size_t n, double scale, uint64_t *state)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * fx_uniform(state));
}

static inline void *fx_alloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size);
    ck_assert_ptr_nonnull(p);
    return p;
}

/* ---- a context whose allocations are counted, and fail on demand ---- */

typedef struct fx_memory {
    long calls, live;
    long fail_at; /* the allocation that fails, counted from 1; 0: none */
} fx_memory;

static inline void *fx_memory_alloc(void *user, size_t size, size_t align)
{
    fx_memory *m = user;
    void *p = NULL;
    if (++m->calls == m->fail_at || posix_memalign(&p, align, size) != 0)
        return NULL;
    m->live++;
    return p;
}

static inline void fx_memory_free(void *user, void *ptr, size_t size)
{
    (void)size;
    ((fx_memory *)user)->live--;
    free(ptr);
}

static inline nncf_context *fx_context(
    fx_memory *memory, int32_t threads, int32_t isa, uint64_t seed)
{
    nncf_context_params p = {
        NNCF_PARAMS(nncf_context_params), .n_threads = threads, .max_isa = isa, .seed = seed};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = NULL;
    if (memory) {
        p.alloc = fx_memory_alloc;
        p.free = fx_memory_free;
        p.alloc_user = memory;
    }
    ck_assert_msg(
        nncf_context_create(NNCF_API_VERSION, &p, &context, &err) == NNCF_OK, "%s", err.message);
    return context;
}

/* ---- tensors ---- */

typedef struct fx_tensor {
    nncf_tensor t;
    int64_t shape[4];
} fx_tensor;

static inline size_t fx_count(const int64_t s[4])
{
    return (size_t)(s[0] * s[1] * s[2] * s[3]);
}

/* A view that points into *self: do not copy. */
static inline const nncf_tensor *fx_view(fx_tensor *self, float *data, int ndim, const int64_t s[4])
{
    memcpy(self->shape, s, sizeof self->shape);
    self->t = (nncf_tensor){.data = data, .dtype = NNCF_F32, .ndim = ndim, .shape = self->shape};
    return &self->t;
}

/* ---- a block: what is registered, and its buffers ---- */

typedef struct fx_block {
    const char *scope;
    int64_t in_channels, out_channels;
    int32_t kernel[2], stride[2], padding[2], dilation[2];
    int32_t groups, activation;
    bool linear, batch_norm, bias;
    /* filled in by fx_register() */
    nncf_layer *layer;
    size_t weights;
    float *w, *dw, *b, *db, *gamma, *dgamma, *beta, *dbeta, *mean, *var;
} fx_block;

static inline void fx_register(nncf_model *model, fx_block *k, nncf_layer *input, uint64_t *state)
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
        .running_var = k->var};
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

static inline void fx_zero_grad(fx_block *k)
{
    memset(k->dw, 0, k->weights * sizeof(float));
    float *grads[] = {k->db, k->dgamma, k->dbeta};
    for (size_t i = 0; i < 3; i++)
        memset(grads[i], 0, (size_t)k->out_channels * sizeof(float));
}

static inline void fx_release(fx_block *k)
{
    float *arrays[] = {
        k->w, k->dw, k->b, k->db, k->gamma, k->dgamma, k->beta, k->dbeta, k->mean, k->var};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

static inline void fx_output_shape(const fx_block *k, const int64_t in[4], int64_t out[4])
{
    out[0] = in[0];
    out[1] = k->out_channels;
    for (int i = 0; i < 2; i++)
        out[2 + i] = (in[2 + i] + 2 * k->padding[i] - k->dilation[i] * (k->kernel[i] - 1) - 1) /
                k->stride[i] +
            1;
}

/* ---- controllers from a config's text ---- */

static inline nncf_compression_ctrl *fx_ctrl(nncf_model *model, const char *text)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    nncf_compression_ctrl *ctrl = NULL;
    ck_assert_msg(nncf_config_parse(NULL, "test", text, strlen(text), &config, &err) == NNCF_OK,
        "%s", err.message);
    ck_assert_msg(
        nncf_compression_ctrl_create(model, config, &ctrl, &err) == NNCF_OK, "%s", err.message);
    nncf_config_destroy(config);
    return ctrl;
}

#define FX_RB                                                                                      \
    "{\"algorithm\": \"rb_sparsity\", \"params\": {\"sparsity_init\": 0.1, \"sparsity_target\": "  \
    "0.5, "                                                                                        \
    "\"sparsity_steps\": 5, \"sparsity_training_steps\": 10}}"
#define FX_MAGNITUDE                                                                               \
    "{\"algorithm\": \"magnitude_sparsity\", \"params\": {\"sparsity_init\": 0.3, "                \
    "\"sparsity_target\": 0.6, "                                                                   \
    "\"sparsity_steps\": 3, \"sparsity_training_steps\": 6}}"
#define FX_INT8                                                                                    \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1, \"type\": "        \
    "\"min_max\"}}"
#define FX_CONFIG(algorithms) "{\"compression\": [" algorithms "]}"

static inline nncf_parameter fx_parameter(const nncf_compression_ctrl *ctrl, const char *name)
{
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(ctrl, i, &p) == NNCF_OK; i++)
        if (strcmp(p.name, name) == 0)
            return p;
    ck_abort_msg("no parameter \"%s\"", name);
}

/* ---- the oracle ---- */

/* A quantizer as the oracle sees it: integer limits and a scale, semantics of the symmetric
 * quantizer. */
typedef struct fx_quantizer {
    bool on;
    double step, low, high;
} fx_quantizer;

static inline fx_quantizer fx_symmetric(double scale, bool is_signed, bool weight)
{
    double high = is_signed ? 127 : 255;
    return (fx_quantizer){
        true, (double)(float)(fabs(scale) / high), is_signed ? (weight ? -127 : -128) : 0, high};
}

static inline double fx_quantize(const fx_quantizer *q, double x)
{
    double code = rint(x / q->step);
    code = code < q->low ? q->low : code > q->high ? q->high : code;
    return q->on ? code * q->step : x;
}

/* How near x is to where the quantizer's answer changes, in steps: rounding in float may go the
 * other way there. */
static inline double fx_tie_distance(const fx_quantizer *q, double x)
{
    double v = x / q->step, d = fabs(fabs(v - floor(v)) - 0.5);
    double edge = fmin(fabs(v - q->low), fabs(v - q->high));
    return fmin(d, edge);
}

/* Gradient of the loss for the quantizer's scale from one element, and through it. */
static inline double fx_quantize_backward(
    const fx_quantizer *q, double x, double y, double g, double *scale_grad)
{
    double range = (q->high - q->low) * q->step;
    if (x > q->high * q->step) {
        *scale_grad += g;
        return 0;
    }
    if (x < q->low * q->step) {
        *scale_grad += g * q->low / q->high;
        return 0;
    }
    *scale_grad += g * (y - x) / range;
    return g;
}

/* z = conv(x, w) + b, and with dz != NULL dx and dw of it instead. */
static inline void fx_conv(const fx_block *k, const int64_t in[4], const int64_t out[4],
    const double *x, const double *w, const float *b, double *z, const double *dz, double *dx,
    double *dw)
{
    int64_t cig = k->in_channels / k->groups, cog = k->out_channels / k->groups;
    if (dz) {
        memset(dx, 0, fx_count(in) * sizeof *dx);
        memset(dw, 0, k->weights * sizeof *dw);
    }
    for (int64_t n = 0; n < out[0]; n++)
        for (int64_t o = 0; o < out[1]; o++)
            for (int64_t i = 0; i < out[2]; i++)
                for (int64_t j = 0; j < out[3]; j++) {
                    int64_t zi = ((n * out[1] + o) * out[2] + i) * out[3] + j;
                    double sum = b ? (double)b[o] : 0;
                    for (int64_t c = 0; c < cig; c++)
                        for (int64_t p = 0; p < k->kernel[0]; p++)
                            for (int64_t q = 0; q < k->kernel[1]; q++) {
                                int64_t y = i * k->stride[0] - k->padding[0] + p * k->dilation[0];
                                int64_t v = j * k->stride[1] - k->padding[1] + q * k->dilation[1];
                                if (y < 0 || y >= in[2] || v < 0 || v >= in[3])
                                    continue;
                                int64_t xi =
                                    ((n * in[1] + o / cog * cig + c) * in[2] + y) * in[3] + v;
                                int64_t wi = ((o * cig + c) * k->kernel[0] + p) * k->kernel[1] + q;
                                sum += x[xi] * w[wi];
                                if (dz) {
                                    dx[xi] += dz[zi] * w[wi];
                                    dw[wi] += dz[zi] * x[xi];
                                }
                            }
                    if (!dz)
                        z[zi] = sum;
                }
}

static inline double fx_activate(int32_t kind, double a)
{
    if (kind == NNCF_ACTIVATION_RELU)
        return a > 0 ? a : 0;
    if (kind == NNCF_ACTIVATION_RELU6)
        return a < 0 ? 0 : a > 6 ? 6 : a;
    return a;
}

static inline bool fx_active(int32_t kind, double a)
{
    return kind == NNCF_ACTIVATION_NONE || (a > 0 && (kind == NNCF_ACTIVATION_RELU || a < 6));
}

/* A block's pass in double. Inputs are set by the test; everything from z on is computed. */
typedef struct fx_oracle {
    const fx_block *k;
    int64_t in[4], out[4];
    double *x; /* as given */
    double *w; /* master weight */
    double *mask; /* 0, 1 */
    fx_quantizer input, weight, output;
    bool eval;
    /* computed */
    double *xq, *wq, *z, *a, *y;
    double *mean, *inv_std, *var;
    double *da, *dz, *dxq, *dwq, *dx, *dw; /* dw: for the master weight */
    double *db, *dgamma, *dbeta;
    double input_scale_grad, weight_scale_grad, output_scale_grad;
} fx_oracle;

static inline fx_oracle fx_oracle_make(const fx_block *k, const int64_t in[4], const float *x)
{
    fx_oracle o = {.k = k};
    memcpy(o.in, in, sizeof o.in);
    fx_output_shape(k, in, o.out);
    size_t ni = fx_count(in), no = fx_count(o.out), c = (size_t)k->out_channels;
    double **ins[] = {&o.x, &o.xq, &o.dxq, &o.dx}, **outs[] = {&o.z, &o.a, &o.y, &o.da, &o.dz};
    double **ws[] = {&o.w, &o.mask, &o.wq, &o.dwq, &o.dw};
    double **cs[] = {&o.mean, &o.inv_std, &o.var, &o.db, &o.dgamma, &o.dbeta};
    for (size_t i = 0; i < 4; i++)
        *ins[i] = fx_alloc(ni, sizeof(double));
    for (size_t i = 0; i < 5; i++)
        *outs[i] = fx_alloc(no, sizeof(double));
    for (size_t i = 0; i < 5; i++)
        *ws[i] = fx_alloc(k->weights, sizeof(double));
    for (size_t i = 0; i < 6; i++)
        *cs[i] = fx_alloc(c, sizeof(double));
    for (size_t i = 0; i < ni; i++)
        o.x[i] = (double)x[i];
    for (size_t i = 0; i < k->weights; i++) {
        o.w[i] = (double)k->w[i];
        o.mask[i] = 1;
    }
    return o;
}

static inline void fx_oracle_free(fx_oracle *o)
{
    double *all[] = {o->x, o->xq, o->dxq, o->dx, o->z, o->a, o->y, o->da, o->dz, o->w, o->mask,
        o->wq, o->dwq, o->dw, o->mean, o->inv_std, o->var, o->db, o->dgamma, o->dbeta};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* `y` (nullable) is what the library computed: where an element lies within `slack` steps of a tie
 * its answer, one step away, is adopted, because float and double may round differently there. */
static inline void fx_oracle_forward(fx_oracle *o, const float *y, double slack)
{
    const fx_block *k = o->k;
    size_t hw = (size_t)(o->out[2] * o->out[3]), c = (size_t)o->out[1], n = (size_t)o->out[0];
    for (size_t i = 0; i < fx_count(o->in); i++)
        o->xq[i] = fx_quantize(&o->input, o->x[i]);
    for (size_t i = 0; i < k->weights; i++)
        o->wq[i] = fx_quantize(&o->weight, o->w[i] * o->mask[i]);
    fx_conv(k, o->in, o->out, o->xq, o->wq, k->bias ? k->b : NULL, o->z, NULL, NULL, NULL);
    for (size_t ch = 0; ch < c; ch++) {
        double sum = 0, squares = 0, m = (double)(n * hw);
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++)
                sum += o->z[(b * c + ch) * hw + i];
        o->mean[ch] = o->eval ? (double)k->mean[ch] : sum / m;
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++)
                squares += pow(o->z[(b * c + ch) * hw + i] - o->mean[ch], 2);
        o->var[ch] = o->eval ? (double)k->var[ch] : squares / m;
        o->inv_std[ch] = 1 / sqrt(o->var[ch] + 1e-5);
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++) {
                size_t at = (b * c + ch) * hw + i;
                o->a[at] = k->batch_norm
                    ? (o->z[at] - o->mean[ch]) * o->inv_std[ch] * (double)k->gamma[ch] +
                        (double)k->beta[ch]
                    : o->z[at];
                double v = fx_activate(k->activation, o->a[at]);
                o->y[at] = fx_quantize(&o->output, v);
                if (y && o->output.on && fx_tie_distance(&o->output, v) < slack &&
                    fabs((double)y[at] - o->y[at]) < 1.01 * o->output.step)
                    o->y[at] = (double)y[at];
            }
    }
}

static inline void fx_oracle_backward(fx_oracle *o, const float *dy)
{
    const fx_block *k = o->k;
    size_t hw = (size_t)(o->out[2] * o->out[3]), c = (size_t)o->out[1], n = (size_t)o->out[0];
    o->output_scale_grad = o->weight_scale_grad = o->input_scale_grad = 0;
    for (size_t ch = 0; ch < c; ch++) {
        double m = (double)(n * hw), s1 = 0, s2 = 0, bias = 0;
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++) {
                size_t at = (b * c + ch) * hw + i;
                double g = (double)dy[at], v = fx_activate(k->activation, o->a[at]);
                if (o->output.on)
                    g = fx_quantize_backward(&o->output, v, o->y[at], g, &o->output_scale_grad);
                o->da[at] = fx_active(k->activation, o->a[at]) ? g : 0;
                s1 += o->da[at];
                s2 += o->da[at] * (o->z[at] - o->mean[ch]) * o->inv_std[ch];
            }
        o->dgamma[ch] = s2;
        o->dbeta[ch] = s1;
        for (size_t b = 0; b < n; b++)
            for (size_t i = 0; i < hw; i++) {
                size_t at = (b * c + ch) * hw + i;
                double zhat = (o->z[at] - o->mean[ch]) * o->inv_std[ch];
                o->dz[at] = k->batch_norm
                    ? (double)k->gamma[ch] * o->inv_std[ch] * (o->da[at] - s1 / m - zhat * s2 / m)
                    : o->da[at];
                bias += o->dz[at];
            }
        o->db[ch] = bias;
    }
    fx_conv(k, o->in, o->out, o->xq, o->wq, NULL, NULL, o->dz, o->dxq, o->dwq);
    for (size_t i = 0; i < fx_count(o->in); i++)
        o->dx[i] = o->input.on
            ? fx_quantize_backward(&o->input, o->x[i], o->xq[i], o->dxq[i], &o->input_scale_grad)
            : o->dxq[i];
    for (size_t i = 0; i < k->weights; i++) {
        double masked = o->w[i] * o->mask[i];
        double g = o->weight.on
            ? fx_quantize_backward(&o->weight, masked, o->wq[i], o->dwq[i], &o->weight_scale_grad)
            : o->dwq[i];
        o->dwq[i] = g; /* for the masked weight: what the logits' gradient is made from */
        o->dw[i] = g * o->mask[i];
    }
}

/* max |got - want| <= tolerance * (1 + max |want|) */
static inline void fx_assert_near(
    const char *what, const float *got, const double *want, size_t n, double tolerance)
{
    double largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fmax(largest, fabs(want[i]));
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - want[i]) <= tolerance * (1 + largest),
            "%s[%zu] is %.9g, should be %.9g", what, i, (double)got[i], want[i]);
}

static inline int fx_main(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
