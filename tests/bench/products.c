/* SPDX-License-Identifier: Apache-2.0 */
/* The products of every layer of a model, each shape once: forward, input gradient, weight
 * gradient; of floats and of integer codes; against bli_sgemm and oneDNN where they are linked.
 * `gemm` has the 1x1 convolutions and linear layers, `conv` the others; `kernels` has all of them
 * without those peers, whose threads slow ours down. */
#include "products.h"
#include "peaks.h"

#include "../../examples/classification/models.h"
#include "../../examples/classification/net_internal.h"
#include "../support/conv_run.h"
#include "conv/conv2d.h"
#include "exec/product.h"
#include "gemm/microkernel.h"
#include "graph/model.h"
#include "kernels/qtensor.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SHAPES = 128 };

static const char *const pass_names[PASSES] = {"forward", "input", "weight"};

/* ---- shapes ---- */

typedef struct shape {
    nncf__conv2d s;
    char name[96];
    int64_t count; /* layers of the model with this shape */
} shape;

static nncf__conv2d shape_of(const net *n, const net_node *node, int64_t batch)
{
    const nncf_layer *l = node->layer;
    const int64_t *in = node->inputs[0] == NET_INPUT ? n->sample : n->nodes[node->inputs[0]].sample;
    bool linear = l->kind == NNCF__LINEAR;
    const int64_t shape_in[4] = {batch, l->in_channels, linear ? 1 : in[2], linear ? 1 : in[3]};
    const int64_t shape_out[4] = {
        batch, l->out_channels, linear ? 1 : node->sample[2], linear ? 1 : node->sample[3]};
    return nncf__product_shape(l, shape_in, shape_out);
}

static size_t shapes_of_model(
    const bench_options *o, nncf_context *context, shape shapes[MOST_SHAPES])
{
    const train_settings settings = {
        .model = {.name = o->model, .width_mult = 1.0, .stem_stride = 2},
        .sample_size = {1, 3, o->image, o->image},
        .num_classes = 1000,
        .seed = 1};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    net *n = NULL;
    size_t count = 0;
    if (nncf_config_parse(context, "none", "{}", 2, NULL, &config, &err) != NNCF_OK ||
        models_build(config, context, &settings, &n, &err) != NNCF_OK) {
        fprintf(stderr, "nncf-bench: %s\n", err.message);
        nncf_config_destroy(config);
        return 0;
    }
    for (int i = 0; i < n->n_nodes; i++) {
        if (n->nodes[i].layer->weight_count == 0)
            continue;
        nncf__conv2d s = shape_of(n, &n->nodes[i], o->batch);
        size_t known = 0;
        while (known < count && memcmp(&shapes[known].s, &s, sizeof s) != 0)
            known++;
        if (known == MOST_SHAPES)
            break;
        if (known == count) {
            shapes[count] = (shape){.s = s};
            snprintf(shapes[count++].name, sizeof shapes->name,
                "%s%lld->%lld %lldx%lld%s %lldx%lld", s.groups > 1 ? "depthwise " : "",
                (long long)s.c_in, (long long)s.c_out, (long long)s.kernel_h, (long long)s.kernel_w,
                s.stride_h > 1 ? "/2" : "", (long long)s.out_h, (long long)s.out_w);
        }
        shapes[known].count++;
    }
    net_destroy(n);
    nncf_config_destroy(config);
    return count;
}

/* ---- contenders ---- */

typedef struct subject {
    nncf_context *context;
    product p;
    float step;
    uint8_t *bytes, *w_codes;
    int pass;
    onednn_peer *onednn;
} subject;

static void ours(const subject *b, bool codes)
{
    const product *p = &b->p;
    const nncf__qtensor x = {.data = p->x, .dtype = NNCF_F32},
                        w = {.data = p->w, .dtype = NNCF_F32},
                        x_codes = {.data = b->bytes,
                            .scale = &b->step,
                            .n_scales = 1,
                            .dtype = NNCF_U8},
                        w_codes = {
                            .data = b->w_codes, .scale = &b->step, .n_scales = 1, .dtype = NNCF_S8};
    nncf_status status;
    if (b->pass == PASS_FORWARD)
        status = conv_forward(
            b->context, &p->s, codes ? &x_codes : &x, codes ? &w_codes : &w, NULL, p->z);
    else if (b->pass == PASS_INPUT)
        status = conv_backward_input(b->context, &p->s, &w, p->dz, p->dx);
    else
        status = conv_backward_weight(b->context, &p->s, codes ? &x_codes : &x, p->dz, p->dw);
    if (status != NNCF_OK)
        abort();
}

static void run_dense(void *arg)
{
    ours(arg, false);
}

static void run_codes(void *arg)
{
    ours(arg, true);
}

static void run_blis(void *arg)
{
    const subject *b = arg;
    blis_peer_run(&b->p, b->pass);
}

static void run_onednn(void *arg)
{
    const subject *b = arg;
    onednn_peer_run(b->onednn);
}

/* Whole numbers, as bytes, and times a step: codes of a quantizer. */
static void make_codes(size_t n, float *x, float step, uint8_t *bytes)
{
    for (size_t i = 0; i < n; i++) {
        const int code = (int)x[i];
        x[i] = (float)code * step;
        bytes[i] = (uint8_t)code;
    }
}

static float *pixels_of(size_t n, float step, uint8_t *codes)
{
    float *x = bench_floats(n);
    bench_fill(x, n, 1, 0, 256);
    make_codes(n, x, step, codes);
    return x;
}

/* Weights are bell-shaped, as trained ones are: many kernels have the same speed for all, that of
 * AVX2 multiplies small ones in bytes. Of six uniform numbers the largest sum is 4.2 deviations. */
static float *weights_of(size_t n, float step, uint8_t *codes)
{
    enum { TERMS = 6 };
    float *w = bench_floats(n), *term = bench_floats(n);
    for (uint64_t t = 0; t < TERMS; t++) {
        bench_fill(term, n, 2 + 100 * t, -127.0f / TERMS, 127.0f / TERMS);
        for (size_t i = 0; i < n; i++)
            w[i] += term[i];
    }
    free(term);
    make_codes(n, w, step, codes);
    return w;
}

static void open_subject(subject *b, nncf_context *context, const nncf__conv2d *s)
{
    size_t n_x = (size_t)(s->n * s->c_in * s->h * s->w),
           n_z = (size_t)(s->n * s->c_out * s->out_h * s->out_w),
           n_w = (size_t)(s->c_out * s->c_in / s->groups * s->kernel_h * s->kernel_w);
    bool pointwise = s->kernel_h * s->kernel_w == 1 && s->stride_h * s->stride_w == 1;
    *b = (subject){.context = context,
        .p.s = *s,
        .step = 1.0f / 64,
        .bytes = calloc(n_x, 1),
        .w_codes = calloc(n_w, 1)};
    if (!b->bytes || !b->w_codes)
        abort();
    b->p.x = pixels_of(n_x, b->step, b->bytes);
    b->p.w = weights_of(n_w, b->step, b->w_codes);
    b->p.z = bench_floats(n_z);
    b->p.dz = bench_floats(n_z);
    b->p.dx = bench_floats(n_x);
    b->p.dw = bench_floats(n_w);
    bench_fill(b->p.dz, n_z, 3, -1, 1);
    if (!pointwise && blis_peer_can(s)) {
        size_t n_columns =
            (size_t)(s->n * s->c_in * s->kernel_h * s->kernel_w * s->out_h * s->out_w);
        b->p.columns = bench_floats(n_columns);
        bench_fill(b->p.columns, n_columns, 4, -1, 1);
    }
}

static void close_subject(subject *b)
{
    free(b->bytes);
    free(b->w_codes);
    free(b->p.x);
    free(b->p.w);
    free(b->p.z);
    free(b->p.dz);
    free(b->p.dx);
    free(b->p.dw);
    free(b->p.columns);
}

static void print(const bench_options *o, const char *mode, const shape *sh, const subject *b,
    const bench_contender *c, const peaks *peak)
{
    const nncf__conv2d *s = &sh->s;
    int64_t k = s->c_in / s->groups * s->kernel_h * s->kernel_w;
    double operations = 2.0 * (double)(s->n * s->c_out * s->out_h * s->out_w) * (double)k;
    double rate = operations / bench_median(&c->times);
    json_begin(mode);
    json_text("who", c->who);
    json_text("model", o->model);
    json_text("shape", sh->name);
    json_int("layers", sh->count);
    json_text("pass", pass_names[b->pass]);
    json_int("depthwise", s->groups > 1);
    json_int("kernel", s->kernel_h);
    json_int("stride", s->stride_h);
    json_int("c_in", s->c_in);
    json_int("c_out", s->c_out);
    json_int("k", k);
    json_int("pixels", s->n * s->out_h * s->out_w);
    json_int("threads", o->threads);
    json_times(&c->times);
    json_number("gflops", 1e-9 * rate);
    json_number("peak_gflops", 1e-9 * peak->floats);
    json_number("share", rate / peak->floats);
    if (strcmp(c->who, "codes") == 0 && b->pass == PASS_FORWARD && peak->int8 > 0) {
        json_number("int8_peak_gops", 1e-9 * peak->int8);
        json_number("int8_share", rate / peak->int8);
    }
    if (strcmp(c->who, "onednn") == 0)
        json_text("kernel_name", onednn_peer_kernel(b->onednn));
    json_end();
}

static void one_shape(const bench_options *o, const char *mode, nncf_context *context,
    const shape *sh, const peaks *peak)
{
    const bool peers = strcmp(mode, "kernels") != 0;
    subject b;
    open_subject(&b, context, &sh->s);
    for (b.pass = 0; b.pass < PASSES; b.pass++) {
        bench_contender c[4];
        size_t n = 0;
        c[n++] = (bench_contender){.who = "dense", .run = run_dense, .arg = &b};
        if (b.pass != PASS_INPUT) /* there dz and the compressed weight are floats either way */
            c[n++] = (bench_contender){.who = "codes", .run = run_codes, .arg = &b};
        if (peers && blis_peer_can(&sh->s))
            c[n++] = (bench_contender){.who = "blis", .run = run_blis, .arg = &b};
        b.onednn = peers ? onednn_peer_create(&sh->s, b.pass, o->threads) : NULL;
        if (b.onednn)
            c[n++] = (bench_contender){.who = "onednn", .run = run_onednn, .arg = &b};
        bench_contest(o, c, n);
        for (size_t i = 0; i < n; i++)
            print(o, mode, sh, &b, &c[i], peak);
        bench_times_free(c, n);
        onednn_peer_destroy(b.onednn);
    }
    close_subject(&b);
}

static int run(const bench_options *o, const char *mode)
{
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .seed = 1, .n_threads = (int32_t)o->threads};
    nncf_context *context = NULL;
    shape *shapes = calloc(MOST_SHAPES, sizeof *shapes);
    if (!shapes || nncf_context_create(NNCF_API_VERSION, &params, &context, NULL) != NNCF_OK) {
        free(shapes);
        return EXIT_FAILURE;
    }
    size_t n = shapes_of_model(o, context, shapes);
    blis_peer_threads(o->threads);
    const peaks peak = peaks_of(o, context);
    for (size_t i = 0; i < n; i++) {
        bool matrix = shapes[i].s.kernel_h * shapes[i].s.kernel_w == 1;
        const bool all = strcmp(mode, "kernels") == 0;
        if ((all || matrix == (strcmp(mode, "gemm") == 0)) && strstr(shapes[i].name, o->only))
            one_shape(o, mode, context, &shapes[i], &peak);
    }
    nncf_context_destroy(context);
    free(shapes);
    return n > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int gemm_mode(const bench_options *o)
{
    return run(o, "gemm");
}

int conv_mode(const bench_options *o)
{
    return run(o, "conv");
}

int products_alone(const bench_options *o)
{
    return run(o, "kernels");
}
