/* SPDX-License-Identifier: Apache-2.0 */
/*
 * nncf_model_get_memory() of random models against what an allocator counts, to the byte: every
 * kind of layer, group and stride, with and without batch norm, activation, quantizers and masks,
 * run in floats while ranges are observed, in floats after it, and in codes.
 */
#include "base/context.h"
#include "graph/model.h"
#include "support/fixture.h"

enum { MOST = 8, CASES = 60, SCOPE = 24 };

typedef struct node {
    nncf_layer *layer;
    fx_block block;
    char scope[SCOPE];
    /* nodes it reads; -1: the model's input */
    int from[2];
    size_t n_in, count;
    int64_t shape[4];
    int32_t ndim, dtype;
    float *y, *d;
    /* parameters of those that are no fx_block, and what follows them */
    float *arrays;
} node;

typedef struct net {
    nncf_model *model;
    node nodes[MOST];
    int n_nodes;
    int64_t input[4];
    float *x;
    uint64_t state;
    /* the allocator's; bytes of copies of weights */
    const fx_memory *counted;
    size_t copies;
} net;

static int64_t draw(net *n, int64_t low, int64_t high)
{
    return low + (int64_t)(fx_next(&n->state) % (uint64_t)(high - low + 1));
}

static nncf_tensor output_of(net *n, int i)
{
    if (i < 0)
        return (nncf_tensor){.data = n->x, .ndim = 4, .shape = n->input};
    node *k = &n->nodes[i];
    return (nncf_tensor){.data = k->y, .ndim = k->ndim, .shape = k->shape, .dtype = k->dtype};
}

static void finish_node(net *n, node *k)
{
    const nncf_tensor x[2] = {output_of(n, k->from[0]), output_of(n, k->from[1])};
    ck_assert_int_eq(
        nncf_layer_get_output_shape(k->layer, x, k->n_in, k->shape, 4, &k->ndim, NULL), NNCF_OK);
    k->count = 1;
    for (int i = 0; i < k->ndim; i++)
        k->count *= (size_t)k->shape[i];
    k->y = fx_alloc(k->count, sizeof(float));
    k->d = fx_alloc(k->count, sizeof(float));
    n->n_nodes++;
}

static void add_product(net *n, node *k, const int64_t in[4], bool linear)
{
    const int32_t window = (int32_t)draw(n, 1, in[2] < 5 || in[3] < 5 ? 1 : 5);
    const bool depthwise = draw(n, 0, 2) == 0;
    const int64_t groups = depthwise ? in[1] : in[1] % 2 == 0 && draw(n, 0, 3) == 0 ? 2 : 1;
    k->block = (fx_block){.scope = k->scope,
        .in_channels = in[1],
        .out_channels = depthwise ? in[1] : groups * draw(n, 1, 9),
        .kernel = {window, window},
        .groups = (int32_t)groups,
        .bias = draw(n, 0, 1),
        .batch_norm = draw(n, 0, 1),
        .activation = draw(n, 0, 2) ? (int32_t)draw(n, 0, 2) : NNCF_ACTIVATION_SILU,
        .linear = linear};
    for (int i = 0; i < 2; i++) {
        k->block.stride[i] = (int32_t)draw(n, 1, 2);
        k->block.padding[i] = (int32_t)draw(n, 0, window / 2);
        k->block.dilation[i] = 1;
    }
    if (linear) {
        k->block.in_channels = in[1] * in[2] * in[3];
        k->block.out_channels = draw(n, 1, 9);
        k->block.groups = 1;
        k->block.batch_norm = false;
    }
    fx_register(n->model, &k->block, k->from[0] < 0 ? NULL : n->nodes[k->from[0]].layer, &n->state);
    k->layer = k->block.layer;
    if (draw(n, 0, 3) > 0)
        return;
    const nncf_weight_layout_params p = {
        NNCF_PARAMS(nncf_weight_layout_params), .order = NNCF_WEIGHT_RSCK};
    const size_t before = n->counted->bytes;
    ck_assert_int_eq(nncf_layer_set_weight_layout(k->layer, &p, NULL), NNCF_OK);
    n->copies += n->counted->bytes - before;
}

/* A transposed convolution, a group norm, a prelu or a dropout. */
static void add_other(net *n, node *k, const int64_t in[4])
{
    enum { ARRAYS = 4, KINDS = 4 };
    nncf_layer *const *inputs = k->from[0] < 0 ? NULL : &n->nodes[k->from[0]].layer;
    const size_t n_in = k->from[0] < 0 ? 0 : 1, c = (size_t)in[1], each = 9 * c + c;
    k->arrays = fx_alloc(ARRAYS * each, sizeof(float));
    fx_fill(k->arrays, ARRAYS * each, 0.5, &n->state);
    float *w = k->arrays, *dw = draw(n, 0, 1) ? w + each : NULL, *b = w + 2 * each,
          *db = dw ? w + 3 * each : NULL;
    nncf_status status = NNCF_E_ARG;
    switch (draw(n, 0, KINDS - 1)) {
    case 0: {
        const int32_t depth = (int32_t)draw(n, 0, 1) ? (int32_t)c : 1;
        const nncf_conv_transpose2d_params p = {NNCF_PARAMS(nncf_conv_transpose2d_params),
            .scope = k->scope, .weight = w, .weight_grad = dw, .bias = b, .bias_grad = db,
            .in_channels = (int64_t)c, .out_channels = depth, .groups = depth, .kernel = {3, 3},
            .stride = {2, 1}, .padding = {1, 1}, .activation = (int32_t)draw(n, 0, 2),
            .inputs = inputs, .n_inputs = n_in};
        status = nncf_model_add_conv_transpose2d(n->model, &p, &k->layer, NULL);
        break;
    }
    case 1: {
        const nncf_group_norm_params p = {NNCF_PARAMS(nncf_group_norm_params), .scope = k->scope,
            .channels = (int64_t)c, .groups = c % 2 ? 1 : 2, .weight = w, .weight_grad = dw,
            .bias = b, .bias_grad = db, .inputs = inputs, .n_inputs = n_in};
        status = nncf_model_add_group_norm(n->model, &p, &k->layer, NULL);
        break;
    }
    case 2: {
        const nncf_prelu_params p = {NNCF_PARAMS(nncf_prelu_params), .scope = k->scope, .weight = w,
            .weight_grad = dw, .count = draw(n, 0, 1) ? (int64_t)c : 1, .inputs = inputs,
            .n_inputs = n_in};
        status = nncf_model_add_prelu(n->model, &p, &k->layer, NULL);
        break;
    }
    default: {
        const nncf_dropout_params p = {NNCF_PARAMS(nncf_dropout_params), .scope = k->scope,
            .p = 0.25f, .inputs = inputs, .n_inputs = n_in};
        status = nncf_model_add_dropout(n->model, &p, &k->layer, NULL);
    }
    }
    ck_assert_int_eq(status, NNCF_OK);
}

static void add_pool(net *n, node *k, const int64_t in[4])
{
    const bool windows = in[2] > 2 && in[3] > 2;
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = k->scope,
        .kind = windows ? (int32_t)draw(n, 0, 2) : NNCF_POOL_GLOBAL_AVERAGE,
        .inputs = k->from[0] < 0 ? NULL : &n->nodes[k->from[0]].layer,
        .n_inputs = k->from[0] < 0 ? 0 : 1};
    nncf_pool2d_params q = p;
    if (q.kind != NNCF_POOL_GLOBAL_AVERAGE)
        q.kernel[0] = q.kernel[1] = 2;
    ck_assert_int_eq(nncf_model_add_pool2d(n->model, &q, &k->layer, NULL), NNCF_OK);
}

static void add_sum(net *n, node *k)
{
    nncf_layer *both[2] = {n->nodes[k->from[0]].layer, n->nodes[k->from[1]].layer};
    const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = k->scope, .inputs = both,
        .n_inputs = 2, .activation = (int32_t)draw(n, 0, 3)};
    ck_assert_int_eq(nncf_model_add_sum(n->model, &p, &k->layer, NULL), NNCF_OK);
    k->n_in = 2;
}

static void add_activation(net *n, node *k)
{
    const nncf_activation_params p = {NNCF_PARAMS(nncf_activation_params), .scope = k->scope,
        .activation = (int32_t)draw(n, 1, NNCF_ACTIVATION_MISH),
        .inputs = k->from[0] < 0 ? NULL : &n->nodes[k->from[0]].layer,
        .n_inputs = k->from[0] < 0 ? 0 : 1};
    ck_assert_int_eq(nncf_model_add_activation(n->model, &p, &k->layer, NULL), NNCF_OK);
}

/* Each node reads the one before it; a sum, also another one of its shape. */
static void make_net(net *n)
{
    const int count = (int)draw(n, 1, MOST);
    for (int i = 0; i < count; i++) {
        node *k = &n->nodes[i];
        const int64_t *last = i > 0 ? n->nodes[i - 1].shape : n->input;
        const int kind = (int)draw(n, 0, 8);
        int twin = i - 2;
        *k = (node){.from = {i - 1, i - 1}, .n_in = 1};
        while (twin >= 0 && memcmp(n->nodes[twin].shape, last, sizeof n->input) != 0)
            twin--;
        snprintf(k->scope, sizeof k->scope, "N/Layer[l%d]", i);
        if (i > 0 && n->nodes[i - 1].ndim == 2)
            return;
        if (kind == 0 && i == count - 1) {
            add_product(n, k, last, true);
        } else if (kind == 1) {
            add_pool(n, k, last);
        } else if (kind <= 3 && i > 0) {
            k->from[1] = twin >= 0 ? twin : i - 1;
            add_sum(n, k);
        } else if (kind == 4 && i > 0) {
            add_activation(n, k);
        } else if (kind >= 7) {
            add_other(n, k, last);
        } else {
            add_product(n, k, last, false);
        }
        finish_node(n, k);
    }
}

static void forward(net *n, bool codes)
{
    for (int i = 0; i < n->n_nodes; i++) {
        node *k = &n->nodes[i];
        const nncf_tensor x[2] = {output_of(n, k->from[0]), output_of(n, k->from[1])};
        k->dtype = codes ? nncf_layer_get_output_dtype(k->layer) : NNCF_F32;
        nncf_tensor y = output_of(n, i);
        ck_assert_int_eq(nncf_layer_forward(k->layer, x, k->n_in, &y, NULL), NNCF_OK);
    }
}

static void backward(net *n)
{
    for (int i = n->n_nodes - 1; i >= 0; i--) {
        node *k = &n->nodes[i];
        const nncf_tensor x[2] = {output_of(n, k->from[0]), output_of(n, k->from[1])};
        nncf_tensor dy = {.data = k->d, .ndim = k->ndim, .shape = k->shape}, dx[2];
        for (size_t j = 0; j < 2 && k->from[0] >= 0; j++) {
            node *to = &n->nodes[k->from[j]];
            dx[j] = (nncf_tensor){.data = to->d, .ndim = to->ndim, .shape = to->shape};
        }
        fx_fill(k->d, k->count, 1, &n->state);
        ck_assert_int_eq(
            nncf_layer_backward(k->layer, x, k->n_in, &dy, k->from[0] < 0 ? NULL : dx, NULL),
            NNCF_OK);
    }
}

static const char *const configs[] = {NULL, FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB "," FX_INT8),
    FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1, "
              "\"type\": \"min_max\"}, \"weights\": {\"mode\": \"asymmetric\", \"per_channel\": "
              "true}, \"activations\": {\"mode\": \"asymmetric\"}}"),
    FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 1, "
              "\"type\": \"min_max\"}, \"activations\": {\"per_channel\": true}}"),
    FX_CONFIG(FX_RB)};

START_TEST(random_models_take_what_was_predicted)
{
    const int32_t mode = _i % 2 ? NNCF_MODE_EVAL : _i % 5 == 0 ? NNCF_MODE_TUNE : NNCF_MODE_TRAIN;
    static const int32_t isas[] = {NNCF_ISA_BEST, NNCF_ISA_PORTABLE, NNCF_ISA_REFERENCE};
    /* which keeps less only where codes are passed on: then no step of training passes floats */
    const bool small = _i % 4 >= 2, floats = !small || mode == NNCF_MODE_EVAL;
    const char *config = configs[(size_t)_i / 2 % (sizeof configs / sizeof *configs)];
    fx_memory c = {0};
    nncf_memory m = {NNCF_PARAMS(nncf_memory)}, again = m;
    nncf_error err = NNCF_ERROR_INIT;
    net *n = fx_alloc(1, sizeof *n);
    nncf_compression_ctrl *ctrl = NULL;
    nncf_context *context = fx_new_context(&c, 1 + _i % 3, isas[_i % 7 < 5 ? 0 : _i % 7 - 4], 3);
    n->state = (uint64_t)_i;
    n->counted = &c;
    const int64_t input[4] = {draw(n, 2, 4), draw(n, 1, 20), draw(n, 1, 14), draw(n, 1, 14)};
    memcpy(n->input, input, sizeof input);
    n->x = fx_alloc((size_t)(input[0] * input[1] * input[2] * input[3]), sizeof(float));
    fx_fill(n->x, (size_t)(input[0] * input[1] * input[2] * input[3]), 2, &n->state);
    ck_assert_int_eq(nncf_model_create(context, &n->model, NULL), NNCF_OK);
    make_net(n);
    if (small)
        ck_assert_int_eq(nncf_model_set_memory_policy(n->model, NNCF_MEMORY_SMALL, NULL), NNCF_OK);
    if (draw(n, 0, 1))
        ck_assert_int_eq(
            nncf_model_set_gradient_flags(n->model, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
    if (config) {
        nncf_config *parsed = fx_config(context, config);
        ck_assert_msg(nncf_compression_ctrl_create(n->model, parsed, &ctrl, &err) == NNCF_OK ||
                err.status == NNCF_E_UNSUPPORTED || err.status == NNCF_E_NOTFOUND,
            "%s", err.message);
        nncf_config_destroy(parsed);
    }
    ck_assert_ptr_null(context->scratch);
    const size_t before = c.bytes;
    const nncf_tensor x = {.ndim = 4, .shape = n->input};
    ck_assert_int_eq(nncf_model_get_memory(n->model, &x, 1, mode, &m, NULL), NNCF_OK);
    ck_assert_uint_eq(c.bytes, before);
    ck_assert_int_eq(nncf_model_set_mode(n->model, mode, NULL), NNCF_OK);
    int32_t more = ctrl != NULL;
    while (more) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
        if (more)
            forward(n, false);
    }
    for (int step = 0; step < 4; step++) {
        const size_t calls = c.calls;
        forward(n, step % 2 || !floats);
        if (mode != NNCF_MODE_EVAL)
            backward(n);
        if (step > 1)
            ck_assert_uint_eq(c.calls, calls);
    }
    ck_assert_msg(c.bytes - before + n->copies == m.library,
        "case %d: %zu bytes, %zu were predicted", _i, (size_t)c.bytes - before + n->copies,
        (size_t)m.library);
    ck_assert(small ? m.activations <= m.activations_as_floats
                    : m.activations == m.activations_as_floats);
    ck_assert_int_eq(nncf_model_get_memory(n->model, &x, 1, mode, &again, NULL), NNCF_OK);
    ck_assert_mem_eq(&m, &again, sizeof m);

    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(n->model);
    nncf_context_destroy(context);
    for (int i = 0; i < n->n_nodes; i++) {
        if (n->nodes[i].block.scope)
            fx_release(&n->nodes[i].block);
        free(n->nodes[i].y);
        free(n->nodes[i].d);
        free(n->nodes[i].arrays);
    }
    free(n->x);
    free(n);
    ck_assert_uint_eq(c.live, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = fx_case(suite, "random", 120);
    tcase_add_loop_test(tc, random_models_take_what_was_predicted, 0, 2 * CASES);
    return fx_main(suite);
}
