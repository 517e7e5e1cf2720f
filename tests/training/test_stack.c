/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack that a calling thread needs. A whole life of a model, from the config's text to steps
 * of training, statistics and a snapshot that is written and read, runs on a thread with a stack of
 * 64 KiB between pages that cannot be touched.
 */
#include "support/runner.h"

#include <nncf/nncf.h>

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Sanitizers put room around every variable. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { STACK = 1024 * 1024, SANITIZED = 1 };
#else
enum { STACK = 64 * 1024, SANITIZED = 0 };
#endif

enum {
    LAYERS = 9,
    BATCH = 2,
    SIDE = 34,
    WIDTH = 8,
    WIDE = 400,
    CLASSES = 3,
    BLOCKS = 128,
    PAINT = 0xa5
};

/* Static: the stack is what is measured. */
typedef struct net {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *layers[LAYERS];
    int inputs[LAYERS][2]; /* -1: the model's input */
    int64_t shapes[LAYERS][4];
    int32_t ndims[LAYERS];
    size_t count[LAYERS], n;
    float *y[LAYERS], *d[LAYERS];
    float *x, *dx, *spare;
    float *blocks[BLOCKS];
    size_t n_blocks;
    const char *failed; /* the first call that did */
    nncf_status status;
    int32_t isa, threads;
    char path[64];
    nncf_error err;
    char text[16384];
} net;

static bool ok(net *g, const char *call, nncf_status status)
{
    if (status != NNCF_OK && !g->failed) {
        g->failed = call;
        g->status = status;
    }
    return status == NNCF_OK;
}

static float *values(net *g, size_t n)
{
    float *v = malloc(n * sizeof *v);
    if (!v || g->n_blocks == BLOCKS)
        abort();
    for (size_t i = 0; i < n; i++)
        v[i] = (float)((i * 7919 + g->n_blocks) % 1000) / 1000 - 0.5f;
    return g->blocks[g->n_blocks++] = v;
}

static void add_conv(net *g, const char *scope, int from, int64_t in, int64_t out, int32_t kernel,
    int32_t stride, int32_t groups, bool batch_norm, int32_t activation)
{
    const size_t weights = (size_t)(out * (in / groups) * kernel * kernel), n = g->n;
    nncf_batch_norm_params bn = {NNCF_PARAMS(nncf_batch_norm_params),
        .weight = values(g, (size_t)out), .bias = values(g, (size_t)out),
        .weight_grad = values(g, (size_t)out), .bias_grad = values(g, (size_t)out),
        .running_mean = values(g, (size_t)out), .running_var = values(g, (size_t)out)};
    for (size_t i = 0; i < (size_t)out; i++)
        bn.running_var[i] = 1;
    nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope,
        .weight = values(g, weights), .weight_grad = values(g, weights),
        .bias = values(g, (size_t)out), .bias_grad = values(g, (size_t)out), .in_channels = in,
        .out_channels = out, .kernel = {kernel, kernel}, .stride = {stride, stride},
        .padding = {kernel / 2, kernel / 2}, .groups = groups, .activation = activation,
        .batch_norm = batch_norm ? &bn : NULL, .inputs = from < 0 ? NULL : &g->layers[from],
        .n_inputs = from < 0 ? 0 : 1};
    g->inputs[n][0] = g->inputs[n][1] = from;
    if (ok(g, scope, nncf_model_add_conv2d(g->model, &p, &g->layers[n], &g->err)))
        g->n++;
}

static void add_pool(net *g, const char *scope, int from, int32_t kind, int32_t kernel)
{
    nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = scope, .kind = kind,
        .kernel = {kernel, kernel}, .inputs = &g->layers[from], .n_inputs = 1};
    g->inputs[g->n][0] = g->inputs[g->n][1] = from;
    if (ok(g, scope, nncf_model_add_pool2d(g->model, &p, &g->layers[g->n], &g->err)))
        g->n++;
}

static void add_layers(net *g)
{
    const int32_t relu = NNCF_ACTIVATION_RELU, relu6 = NNCF_ACTIVATION_RELU6,
                  none = NNCF_ACTIVATION_NONE;
    add_conv(g, "Net/Conv2d[0]", -1, 3, WIDTH, 3, 2, 1, true, relu);
    add_conv(g, "Net/Conv2d[1]", 0, WIDTH, WIDTH, 3, 1, WIDTH, true, relu6);
    add_conv(g, "Net/Conv2d[2]", 1, WIDTH, WIDTH, 5, 1, WIDTH, true, none);
    nncf_layer *both[2] = {g->layers[0], g->layers[2]};
    const nncf_sum_params sum = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
        .activation = relu, .inputs = both, .n_inputs = 2};
    g->inputs[g->n][0] = 0;
    g->inputs[g->n][1] = 2;
    if (ok(g, "add", nncf_model_add_sum(g->model, &sum, &g->layers[g->n], &g->err)))
        g->n++;
    add_pool(g, "Net/MaxPool2d[4]", 3, NNCF_POOL_MAX, 2);
    add_conv(g, "Net/Conv2d[5]", 4, WIDTH, 2 * WIDTH, 33, 3, 2, false,
        relu); /* more taps than the stack has room for */
    add_conv(g, "Net/Conv2d[6]", 5, 2 * WIDTH, WIDE, 1, 1, 1, true, relu);
    add_pool(g, "Net/AvgPool2d[7]", 6, NNCF_POOL_GLOBAL_AVERAGE, 0);
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "Net/Linear[8]",
        .weight = values(g, WIDE * CLASSES), .weight_grad = values(g, WIDE * CLASSES),
        .in_features = WIDE, .out_features = CLASSES, .inputs = &g->layers[7], .n_inputs = 1};
    g->inputs[g->n][0] = g->inputs[g->n][1] = 7;
    if (ok(g, "linear", nncf_model_add_linear(g->model, &linear, &g->layers[g->n], &g->err)))
        g->n++;
}

static nncf_tensor tensor_of(net *g, int i, float *data)
{
    static const int64_t in[4] = {BATCH, 3, SIDE, SIDE};
    return (nncf_tensor){
        .data = data, .ndim = i < 0 ? 4 : g->ndims[i], .shape = i < 0 ? in : g->shapes[i]};
}

static void forward(net *g)
{
    for (int i = 0; i < (int)g->n && !g->failed; i++) {
        nncf_tensor x[2], y;
        for (int k = 0; k < 2; k++)
            x[k] =
                tensor_of(g, g->inputs[i][k], g->inputs[i][k] < 0 ? g->x : g->y[g->inputs[i][k]]);
        if (!g->y[i]) {
            ok(g, "output_shape",
                nncf_layer_get_output_shape(g->layers[i], x,
                    nncf_layer_get_op(g->layers[i]) == NNCF_OP_ADD ? 2 : 1, g->shapes[i], 4,
                    &g->ndims[i], NULL));
            g->count[i] = 1;
            for (int k = 0; k < g->ndims[i]; k++)
                g->count[i] *= (size_t)g->shapes[i][k];
            g->y[i] = values(g, g->count[i]);
            g->d[i] = values(g, g->count[i]);
        }
        y = tensor_of(g, i, g->y[i]);
        ok(g, "forward",
            nncf_layer_forward(
                g->layers[i], x, nncf_layer_get_op(g->layers[i]) == NNCF_OP_ADD ? 2 : 1, &y, NULL));
    }
}

static void backward(net *g)
{
    for (int i = (int)g->n - 1; i >= 0 && !g->failed; i--) {
        nncf_tensor x[2], dx[2], dy = tensor_of(g, i, g->d[i]);
        for (int k = 0; k < 2; k++) {
            const int from = g->inputs[i][k];
            x[k] = tensor_of(g, from, from < 0 ? g->x : g->y[from]);
            dx[k] = tensor_of(g, from, k ? g->spare : from < 0 ? g->dx : g->d[from]);
        }
        ok(g, "backward",
            nncf_layer_backward(g->layers[i], x,
                nncf_layer_get_op(g->layers[i]) == NNCF_OP_ADD ? 2 : 1, &dy, dx, NULL));
    }
}

static void make(net *g)
{
    static const char config[] = "{\"nncf_dialect\": \"1.1\", \"compression\": [{\"algorithm\": "
                                 "\"rb_sparsity\", \"params\": "
                                 "{\"sparsity_init\": "
                                 "0.1, \"sparsity_target\": 0.5}}, {\"algorithm\": "
                                 "\"quantization\", \"initializer\": {\"num_init_steps\": 2, "
                                 "\"type\": \"threesigma\"}, \"ignored_scopes\": [\"Net/Linear\"], "
                                 "\"weights\": {\"per_channel\": true}}]}";
    nncf_context_params p = {
        NNCF_PARAMS(nncf_context_params), .n_threads = g->threads, .max_isa = g->isa};
    nncf_config *c = NULL;
    ok(g, "context", nncf_context_create(NNCF_API_VERSION, &p, &g->context, &g->err));
    ok(g, "model", nncf_model_create(g->context, &g->model, &g->err));
    add_layers(g);
    if (ok(g, "config",
            nncf_config_parse(g->context, "c", config, sizeof config - 1, NULL, &c, &g->err)))
        ok(g, "ctrl", nncf_compression_ctrl_create(g->model, c, &g->ctrl, &g->err));
    nncf_config_destroy(c);
}

static void write_files(net *g)
{
    nncf_checkpoint *snapshot = NULL;
    ok(g, "strip", nncf_strip_save(g->ctrl, g->path, NULL, NULL, &g->err));
    nncf_status status = nncf_onnx_export(g->ctrl, g->path, NULL, &g->err);
    ok(g, "export", status == NNCF_E_UNSUPPORTED ? NNCF_OK : status); /* of a build without ONNX */
    ok(g, "save", nncf_checkpoint_save(g->ctrl, g->path, NULL, 0, NULL, &g->err));
    if (ok(g, "open", nncf_checkpoint_open(g->context, g->path, NULL, &snapshot, &g->err)))
        ok(g, "restore", nncf_checkpoint_restore(snapshot, g->ctrl, NULL, NULL, &g->err));
    nncf_checkpoint_close(snapshot);
}

/* As deep as configs may be nested, shown and written again. */
static void nested_config(net *g)
{
    enum { DEPTH = 32 };
    nncf_config *c = NULL;
    size_t n = 0;
    for (int i = 0; i < DEPTH - 1; i++)
        n += (size_t)snprintf(g->text + n, sizeof g->text - n, "{\"a%d\": ", i);
    n += (size_t)snprintf(g->text + n, sizeof g->text - n, "[1]");
    for (int i = 0; i < DEPTH - 1; i++)
        n += (size_t)snprintf(g->text + n, sizeof g->text - n, "}");
    if (!ok(g, "nested", nncf_config_parse(g->context, "nested", g->text, n, NULL, &c, &g->err)))
        return;
    ok(g, "dump", nncf_config_dump(c, g->text, sizeof g->text, NULL, NULL));
    ok(g, "explain", nncf_config_explain(c, 0, g->text, sizeof g->text, NULL, NULL));
    nncf_config_destroy(c);
}

static void *live(void *arg)
{
    net *g = arg;
    int32_t more = 0;
    nncf_statistics st = {NNCF_PARAMS(nncf_statistics)};
    nncf_memory memory = {NNCF_PARAMS(nncf_memory)};
    make(g);
    nested_config(g);
    while (
        !g->failed && ok(g, "init", nncf_compression_ctrl_init_step(g->ctrl, &more, NULL)) && more)
        forward(g);
    for (int step = 0; step < 2 && !g->failed; step++) {
        forward(g);
        ok(g, "loss", nncf_compression_ctrl_loss_backward(g->ctrl, NULL, NULL));
        backward(g);
        ok(g, "step", nncf_compression_ctrl_step(g->ctrl, NULL));
    }
    if (g->failed)
        return NULL;
    write_files(g);
    const nncf_tensor x = tensor_of(g, -1, g->x);
    ok(g, "memory", nncf_model_get_memory(g->model, &x, 1, NNCF_MODE_TRAIN, &memory, &g->err));
    ok(g, "epoch", nncf_compression_ctrl_epoch_step(g->ctrl, NULL));
    ok(g, "statistics", nncf_compression_ctrl_get_statistics(g->ctrl, &st, NULL));
    ok(g, "text",
        nncf_compression_ctrl_format_statistics(
            g->ctrl, NNCF_FORM_TEXT, g->text, sizeof g->text, NULL, NULL));
    nncf_model_set_mode(g->model, NNCF_MODE_EVAL, NULL);
    forward(g);
    nncf_compression_ctrl_destroy(g->ctrl);
    nncf_model_destroy(g->model);
    nncf_context_destroy(g->context);
    return NULL;
}

/* Run live() on a stack of its own; returns how many bytes of it were used. */
static size_t run(net *g)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    unsigned char *all =
                      mmap(NULL, STACK + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
                  *stack = all + page;
    pthread_attr_t attributes;
    pthread_t thread;
    size_t untouched = 0;
    ck_assert(all != MAP_FAILED);
    ck_assert_int_eq(mprotect(stack, STACK, PROT_READ | PROT_WRITE), 0);
    memset(stack, PAINT, STACK);
    pthread_attr_init(&attributes);
    ck_assert_int_eq(pthread_attr_setstack(&attributes, stack, STACK), 0);
    ck_assert_int_eq(pthread_create(&thread, &attributes, live, g), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    munmap(all, STACK + 2 * page);
    return STACK - untouched;
}

START_TEST(a_small_stack_is_enough)
{
    static net g;
    g = (net){.isa = NNCF_ISA_REFERENCE + _i / 2, .threads = 1 + _i % 2, .err = NNCF_ERROR_INIT};
    snprintf(g.path, sizeof g.path, "/tmp/nncf-stack-%d.safetensors", (int)getpid());
    g.x = values(&g, BATCH * 3 * SIDE * SIDE);
    g.dx = values(&g, BATCH * 3 * SIDE * SIDE);
    g.spare = values(&g, BATCH * WIDTH * SIDE * SIDE);
    size_t used = run(&g);
    unlink(g.path);
    while (g.n_blocks > 0)
        free(g.blocks[--g.n_blocks]);
    ck_assert_msg(!g.failed, "%s: %s: %s", g.failed, nncf_status_name(g.status), g.err.message);
    ck_assert(strstr(g.text, "Net/Conv2d[6]") != NULL);
    printf("instruction set %d, %d threads: %zu KiB of %d\n", (int)g.isa, (int)g.threads,
        used / 1024, STACK / 1024);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("stack");
    TCase *tests = fx_case(suite, "stack", 120);
    tcase_add_loop_test(tests, a_small_stack_is_enough, 0, 8);
    return fx_main(suite);
}
