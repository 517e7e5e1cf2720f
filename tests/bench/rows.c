/* SPDX-License-Identifier: Apache-2.0 */
/* What compression adds to a step outside of products: fake-quantization of activations, RB masks
 * with quantization of a weight, magnitude thresholds. Each against something that a machine can do
 * at best: memcpy, or a sort. */
#include "bench.h"

#include "../../examples/classification/models.h"
#include "base/pool.h"
#include "kernels/kernels.h"

#include <nncf/nncf.h>

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 65536 };

static nncf_config *open_config(nncf_context *context, const char *text)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_config *config = NULL;
    bench_must(nncf_config_parse(context, "bench", text, strlen(text), NULL, &config, &err), &err);
    return config;
}

static void print(
    const bench_options *o, const char *mode, const bench_contender *c, size_t n, double bytes)
{
    json_begin(mode);
    json_text("who", c->who);
    json_int("elements", (int64_t)n);
    json_int("threads", o->threads);
    json_times(&c->times);
    json_number("nanoseconds_per_element", 1e9 * bench_median(&c->times) / (double)n);
    json_number("gigabytes_per_second", 1e-9 * bytes * (double)n / bench_median(&c->times));
    json_end();
}

/* ---- fakequant ---- */

typedef struct elementwise {
    nncf_context *context;
    const nncf__kernels *k;
    size_t n;
    const float *x, *dy;
    float *y;
    nncf__fq fq;
    int which;
} elementwise;

static void elementwise_chunk(void *arg, size_t chunk, size_t worker)
{
    const elementwise *e = arg;
    size_t at = chunk * CHUNK, n = e->n - at < CHUNK ? e->n - at : CHUNK;
    double sums[3] = {0};
    (void)worker;
    if (e->which == 0)
        memcpy(e->y + at, e->x + at, n * sizeof *e->y);
    else if (e->which == 1)
        e->k->fq_forward(n, e->x + at, e->y + at, &e->fq);
    else
        e->k->fq_backward(n, e->x + at, e->dy + at, e->y + at, &e->fq, sums);
}

static void run_elementwise(void *arg)
{
    const elementwise *e = arg;
    nncf__parallel(e->context, (e->n + CHUNK - 1) / CHUNK, elementwise_chunk, arg);
}

int fakequant_mode(const bench_options *o)
{
    static const struct {
        const char *who;
        double bytes; /* of an element: read and written */
    } kinds[] = {{"memcpy", 8}, {"forward", 8}, {"backward", 12}};
    enum { KINDS = sizeof kinds / sizeof *kinds };
    nncf_context *context = bench_context(o);
    size_t n = o->quick
        ? 1000
        : 19300000; /* about what one batch of MobileNetV2's activations has in a large layer */
    float *x = bench_floats(n), *dy = bench_floats(n), *y = bench_floats(n);
    const float step = 6.0f / 255;
    elementwise e[KINDS];
    bench_contender c[KINDS];
    bench_fill(x, n, 1, -1, 7);
    bench_fill(dy, n, 2, -1, 1);
    for (int i = 0; i < KINDS; i++) {
        e[i] = (elementwise){
            context, nncf__kernels_of(context), n, x, dy, y, {step, 0, 255, 0, 255 * step}, i};
        c[i] = (bench_contender){.who = kinds[i].who, .run = run_elementwise, .arg = &e[i]};
    }
    bench_contest(o, c, KINDS);
    for (int i = 0; i < KINDS; i++)
        print(o, "fakequant", &c[i], n, kinds[i].bytes);
    bench_times_free(c, KINDS);
    free(x);
    free(dy);
    free(y);
    nncf_context_destroy(context);
    return EXIT_SUCCESS;
}

/* ---- rb: a layer's weight through mask and quantizer, and its gradient back ---- */

typedef struct weight_layer {
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float *out;
} weight_layer;

static void run_weight_forward(void *arg)
{
    const weight_layer *w = arg;
    if (nncf_layer_compress_weight(w->layer, w->out, NULL) != NNCF_OK)
        abort();
}

static void run_weight_backward(void *arg)
{
    const weight_layer *w = arg;
    if (nncf_layer_compress_weight_backward(w->layer, w->out, NULL) != NNCF_OK)
        abort();
}

int rb_mode(const bench_options *o)
{
    static const char *const texts[] = {"{\"compression\": {\"algorithm\": \"rb_sparsity\"}}",
        "{\"compression\": [{\"algorithm\": \"rb_sparsity\"}, {\"algorithm\": \"quantization\"}]}"};
    static const char *const names[][2] = {
        {"rb forward", "rb backward"}, {"rb and int8 forward", "rb and int8 backward"}};
    const int64_t side = o->quick ? 32 : 2048;
    size_t n = (size_t)(side * side);
    nncf_context *context = bench_context(o);
    float *weight = bench_floats(n), *grad = bench_floats(n), *out = bench_floats(n);
    bench_fill(weight, n, 1, -1, 1);
    for (int i = 0; i < 2; i++) {
        weight_layer w = {.out = out};
        nncf_config *config = open_config(context, texts[i]);
        nncf_linear_params p = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[fc]",
            .weight = weight, .weight_grad = grad, .in_features = side, .out_features = side};
        if (nncf_model_create(context, &w.model, NULL) != NNCF_OK ||
            nncf_model_add_linear(w.model, &p, &w.layer, NULL) != NNCF_OK ||
            nncf_compression_ctrl_create(w.model, config, &w.ctrl, NULL) != NNCF_OK)
            abort();
        bench_contender c[2] = {{.who = names[i][0], .run = run_weight_forward, .arg = &w},
            {.who = names[i][1], .run = run_weight_backward, .arg = &w}};
        bench_contest(o, c, 2);
        print(o, "rb", &c[0], n, 12); /* weight and logit in, weight out */
        print(o, "rb", &c[1], n, 28); /* gradient, weight, logit in; both gradients in and out */
        bench_times_free(c, 2);
        nncf_compression_ctrl_destroy(w.ctrl);
        nncf_model_destroy(w.model);
        nncf_config_destroy(config);
    }
    free(weight);
    free(grad);
    free(out);
    nncf_context_destroy(context);
    return EXIT_SUCCESS;
}

/* ---- threshold: epoch_step of magnitude sparsity over ResNet-50, and a sort of the same weights
 * ---- */

typedef struct sort_job {
    const net_tensor *tensors;
    size_t n_tensors, n;
    float *joined;
    double level, threshold;
} sort_job;

static int by_value(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The layers with a mask: weights of more than one dimension. */
static void join(sort_job *j)
{
    j->n = 0;
    for (size_t i = 0; i < j->n_tensors; i++)
        if (j->tensors[i].ndim > 1)
            for (size_t k = 0; k < j->tensors[i].count; k++)
                j->joined[j->n++] = fabsf(j->tensors[i].data[k]);
}

static void run_sort(void *arg)
{
    sort_job *j = arg;
    join(j);
    qsort(j->joined, j->n, sizeof *j->joined, by_value);
    j->threshold = (double)j->joined[(size_t)floor(j->level * (double)j->n) - 1];
}

static void run_epoch_step(void *arg)
{
    if (nncf_compression_ctrl_epoch_step(arg, NULL) != NNCF_OK)
        abort();
}

/* All of the weights once, which is the least that a threshold takes. */
static void run_read(void *arg)
{
    const elementwise *e = arg;
    float range[2] = {0, 0};
    e->k->min_max(e->n, e->x, range);
}

static void importance(
    const bench_options *o, nncf_context *context, net *n, sort_job *sort, const char *name)
{
    char text[256];
    nncf_error err = NNCF_ERROR_INIT;
    nncf_compression_ctrl *ctrl = NULL;
    snprintf(text, sizeof text,
        "{\"compression\": {\"algorithm\": \"magnitude_sparsity\", \"weight_importance\": \"%s\", "
        "\"params\": "
        "{\"schedule\": \"multistep\", \"steps\": [1], \"sparsity_levels\": [0.5, 0.5]}}}",
        name);
    nncf_config *config = open_config(context, text);
    if (nncf_compression_ctrl_create(net_model(n), config, &ctrl, &err) != NNCF_OK) {
        fprintf(stderr, "nncf-bench: %s\n", err.message);
        exit(EXIT_FAILURE);
    }
    bool sorted = strcmp(name, "abs") == 0;
    elementwise read = {
        .context = context, .k = nncf__kernels_of(context), .n = sort->n, .x = sort->joined};
    bench_contender c[3] = {
        {.who = sorted ? "abs" : "normed_abs", .run = run_epoch_step, .arg = ctrl},
        {.who = "read once, one thread", .run = run_read, .arg = &read},
        {.who = "qsort", .run = run_sort, .arg = sort}};
    bench_contest(o, c, sorted ? 2 : 1);
    bench_options few = *o; /* one sort takes seconds */
    few.warmup = 0;
    few.runs = o->runs < 3 ? o->runs : 3;
    if (sorted)
        bench_contest(&few, c + 2, 1);
    nncf_statistics s = {NNCF_PARAMS(nncf_statistics)};
    if (nncf_compression_ctrl_get_statistics(ctrl, &s, NULL) != NNCF_OK ||
        (sorted && s.magnitude_threshold != sort->threshold)) {
        fprintf(stderr, "nncf-bench: threshold %.9g, by sorting %.9g\n", s.magnitude_threshold,
            sort->threshold);
        exit(EXIT_FAILURE);
    }
    for (size_t i = 0; i < (sorted ? 3u : 1u); i++)
        print(o, "threshold", &c[i], sort->n, 4);
    bench_times_free(c, sorted ? 3 : 1);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_config_destroy(config);
}

int threshold_mode(const bench_options *o)
{
    const train_settings settings = {
        .model = {.name = o->quick ? "lenet" : "resnet50", .width_mult = 1.0, .stem_stride = 2},
        .sample_size = {1, o->quick ? 1 : 3, o->quick ? 28 : 224, o->quick ? 28 : 224},
        .num_classes = o->quick ? 10 : 1000,
        .seed = 1};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = bench_context(o);
    nncf_config *config = open_config(context, "{}");
    net *n = NULL;
    sort_job sort = {.level = 0.5};
    size_t most = 0;
    if (models_build(config, context, &settings, &n, &err) != NNCF_OK) {
        fprintf(stderr, "nncf-bench: %s\n", err.message);
        exit(EXIT_FAILURE);
    }
    sort.tensors = net_tensors(n, &sort.n_tensors);
    for (size_t i = 0; i < sort.n_tensors; i++)
        most += sort.tensors[i].count;
    sort.joined = bench_floats(most);
    join(&sort);
    importance(o, context, n, &sort, "abs");
    importance(o, context, n, &sort, "normed_abs");
    free(sort.joined);
    net_destroy(n);
    nncf_config_destroy(config);
    nncf_context_destroy(context);
    return EXIT_SUCCESS;
}
