/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weights in the order of other programs. index_of() says where each element lies, and from it the
 * tests make the host's array: forward is compared with plain loops over that array, and everything
 * else, bit by bit, with a layer of the plain order. A library that ignores an order, a turn or a
 * gap reads other weights.
 */
#include "support/files.h"
#include "support/fixture.h"

#include <math.h>

enum { MOST = 2048, GAP = 3 };
static const float sentinel = 1234.5f;

typedef struct shape {
    /* of the weight: groups gives C = in / groups */
    int64_t in, out, groups, window;
    bool linear;
} shape;

static const shape shapes[] = {
    {.in = 4, .out = 6, .groups = 1, .window = 3},
    {.in = 4, .out = 6, .groups = 2, .window = 2},
    {.in = 5, .out = 5, .groups = 5, .window = 3},
    {.in = 7, .out = 3, .groups = 1, .window = 1, .linear = true},
};
enum { SHAPES = sizeof shapes / sizeof *shapes, ORDERS = 3, CASES = SHAPES * ORDERS * 4 };

typedef struct variant {
    shape s;
    nncf_weight_layout_params p;
} variant;

static int64_t channels_of(const shape *s)
{
    return s->in / s->groups;
}

static int64_t row_of(const shape *s, int32_t order)
{
    const int64_t c = channels_of(s), w = s->window;
    if (order != NNCF_WEIGHT_RSCK)
        return c * w * w;
    return s->linear ? s->out : w * c * s->out;
}

static variant variant_of(int i)
{
    variant v = {.s = shapes[i % SHAPES],
        .p = {NNCF_PARAMS(nncf_weight_layout_params), .order = i / SHAPES % ORDERS,
            .turned = i / SHAPES / ORDERS % 2}};
    if (i / SHAPES / ORDERS / 2)
        v.p.row_stride = row_of(&v.s, v.p.order) + GAP;
    return v;
}

static size_t index_of(const variant *v, int64_t k, int64_t c, int64_t r, int64_t s)
{
    const int64_t n = channels_of(&v->s), w = v->s.window,
                  row = v->p.row_stride ? v->p.row_stride : row_of(&v->s, v->p.order);
    const int64_t y = v->p.turned ? w - 1 - r : r, x = v->p.turned ? w - 1 - s : s;
    int64_t at;
    if (v->p.order == NNCF_WEIGHT_KCRS)
        at = k * row + (c * w + y) * w + x;
    else if (v->p.order == NNCF_WEIGHT_KRSC)
        at = k * row + (y * w + x) * n + c;
    else
        at = v->s.linear ? c * row + k : y * row + (x * n + c) * v->s.out + k;
    return (size_t)at;
}

static size_t count_of(const shape *s)
{
    return (size_t)(s->out * channels_of(s) * s->window * s->window);
}

/* Calls `f(plain index, host index)` for every element. */
#define EACH(v, i, at)                                                                             \
    for (size_t i = 0, at = 0, w_ = (size_t)(v)->s.window, c_ = (size_t)channels_of(&(v)->s);      \
         i < count_of(&(v)->s) &&                                                                  \
         (at = index_of((v), (int64_t)(i / (c_ * w_ * w_)), (int64_t)(i / (w_ * w_) % c_),         \
              (int64_t)(i / w_ % w_), (int64_t)(i % w_)),                                          \
         true);                                                                                    \
         i++)

static void to_host(const variant *v, const float *plain, float *host)
{
    for (size_t i = 0; i < MOST; i++)
        host[i] = sentinel;
    EACH(v, i, at)
    host[at] = plain[i];
}

/* Equal, and nothing else was written. */
static void check_host(const variant *v, const float *plain, const float *host)
{
    static float want[MOST];
    to_host(v, plain, want);
    ck_assert_mem_eq(want, host, sizeof want);
}

/* ---- a layer ---- */

typedef struct net {
    nncf_model *model;
    nncf_layer *layer;
    nncf_compression_ctrl *ctrl;
    float w[MOST], dw[MOST], x[MOST], y[MOST], dy[MOST], dx[MOST];
    int64_t in[4], out[4];
    nncf_tensor tx, ty, tdy, tdx;
} net;

static void net_open(net *n, const variant *v, bool plain, const char *config)
{
    const shape *s = &v->s;
    const int64_t size = s->linear ? 1 : 6, made = size - s->window + 1;
    uint64_t state = 5;
    float w[MOST] = {0}, dw[MOST] = {0};
    nncf_error err = NNCF_ERROR_INIT;
    memset(n, 0, sizeof *n);
    fx_fill(w, count_of(s), 1, &state);
    fx_fill(dw, count_of(s), 1, &state);
    fx_fill(n->x, (size_t)(3 * s->in * size * size), 1, &state);
    to_host(v, w, n->w);
    to_host(v, dw, n->dw);
    if (plain) {
        memcpy(n->w, w, sizeof w);
        memcpy(n->dw, dw, sizeof dw);
    }
    memcpy(n->in, (int64_t[]){3, s->in, size, size}, sizeof n->in);
    memcpy(n->out, (int64_t[]){3, s->out, made, made}, sizeof n->out);
    const int32_t ndim = s->linear ? 2 : 4;
    n->tx = (nncf_tensor){.data = n->x, .ndim = ndim, .shape = n->in};
    n->tdx = (nncf_tensor){.data = n->dx, .ndim = ndim, .shape = n->in};
    n->ty = (nncf_tensor){.data = n->y, .ndim = ndim, .shape = n->out};
    n->tdy = (nncf_tensor){.data = n->dy, .ndim = ndim, .shape = n->out};
    ck_assert_int_eq(nncf_model_create(NULL, &n->model, NULL), NNCF_OK);
    const nncf_linear_params linear = {NNCF_PARAMS(nncf_linear_params), .scope = "N/layer",
        .weight = n->w, .weight_grad = n->dw, .in_features = s->in, .out_features = s->out};
    const nncf_conv2d_params conv = {NNCF_PARAMS(nncf_conv2d_params), .scope = "N/layer",
        .weight = n->w, .weight_grad = n->dw, .in_channels = s->in, .out_channels = s->out,
        .kernel = {(int32_t)s->window, (int32_t)s->window}, .groups = (int32_t)s->groups};
    ck_assert_int_eq(s->linear ? nncf_model_add_linear(n->model, &linear, &n->layer, NULL)
                               : nncf_model_add_conv2d(n->model, &conv, &n->layer, NULL),
        NNCF_OK);
    if (!plain)
        ck_assert_msg(
            nncf_layer_set_weight_layout(n->layer, &v->p, &err) == NNCF_OK, "%s", err.message);
    if (config)
        n->ctrl = fx_ctrl(n->model, config);
}

static void net_close(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
}

static void forward(net *n)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(
        nncf_layer_forward(n->layer, &n->tx, 1, &n->ty, &err) == NNCF_OK, "%s", err.message);
}

/* ---- forward by loops ---- */

START_TEST(forward_reads_the_hosts_array)
{
    const variant v = variant_of(_i);
    const shape *s = &v.s;
    static net n;
    net_open(&n, &v, false, NULL);
    forward(&n);
    const int64_t h = n.in[2], p = n.out[2], c_n = channels_of(s), each = s->out / s->groups;
    for (int64_t i = 0; i < 3 * s->out * p * p; i++) {
        const int64_t image = i / (s->out * p * p), k = i / (p * p) % s->out, row = i / p % p,
                      column = i % p;
        double sum = 0;
        for (int64_t c = 0; c < c_n; c++)
            for (int64_t r = 0; r < s->window; r++)
                for (int64_t t = 0; t < s->window; t++) {
                    const int64_t from =
                        ((image * s->in + k / each * c_n + c) * h + row + r) * h + column + t;
                    sum += (double)n.w[index_of(&v, k, c, r, t)] * (double)n.x[from];
                }
        ck_assert_double_eq_tol((double)n.y[i], sum, 1e-5);
    }
    net_close(&n);
}
END_TEST

/* ---- all else as the plain order ---- */

#define PER_CHANNEL                                                                                \
    "{\"algorithm\": \"quantization\", \"weights\": {\"per_channel\": true}, \"initializer\": "    \
    "{\"num_init_steps\": 1, \"type\": \"min_max\"}}"
static const char *const configs[] = {NULL, FX_CONFIG(FX_RB "," PER_CHANNEL),
    FX_CONFIG(FX_MAGNITUDE "," PER_CHANNEL), FX_CONFIG(FX_MAGNITUDE)};

static void initialize(net *n)
{
    for (int32_t more = n->ctrl != NULL; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(n->ctrl, &more, NULL), NNCF_OK);
        if (more)
            forward(n);
    }
}

static void train(net *n, size_t count)
{
    uint64_t state = 9;
    if (n->ctrl)
        fx_loss(n->ctrl);
    forward(n);
    fx_fill(n->dy, 3 * (size_t)(n->out[1] * n->out[2] * n->out[3]), 1, &state);
    ck_assert_int_eq(nncf_layer_backward(n->layer, &n->tx, 1, &n->tdy, &n->tdx, NULL), NNCF_OK);
    for (size_t i = 0; i < count; i++) /* the gaps are no weights of the host's */
        if (n->w[i] != sentinel)
            n->w[i] -= 0.1f * n->dw[i];
    if (n->ctrl) {
        ck_assert_int_eq(nncf_compression_ctrl_step(n->ctrl, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_compression_ctrl_epoch_step(n->ctrl, NULL), NNCF_OK);
    }
}

static void check_same(const variant *v, const net *plain, const net *host)
{
    ck_assert_mem_eq(plain->y, host->y, sizeof host->y);
    ck_assert_mem_eq(plain->dx, host->dx, sizeof host->dx);
    check_host(v, plain->w, host->w);
    check_host(v, plain->dw, host->dw);
    if (!plain->ctrl)
        return;
    nncf_layer_statistics a = {NNCF_PARAMS(nncf_layer_statistics)}, b = a;
    const nncf_statistics s = fx_statistics(plain->ctrl), t = fx_statistics(host->ctrl);
    ck_assert_mem_eq(&s, &t, sizeof s);
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(plain->ctrl, 0, &a, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_compression_ctrl_get_layer_statistics(host->ctrl, 0, &b, NULL), NNCF_OK);
    ck_assert(a.sparsity == b.sparsity && a.weight_clipped == b.weight_clipped);
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(plain->ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(plain->ctrl, i),
                             q = fx_parameter_at(host->ctrl, i);
        ck_assert_mem_eq(p.data, q.data, p.count * sizeof *p.data);
        ck_assert_mem_eq(p.grad, q.grad, p.count * sizeof *p.grad);
    }
}

static void train_both(const variant *v, const char *config)
{
    static net plain, host;
    net_open(&plain, v, true, config);
    net_open(&host, v, false, config);
    net *const both[] = {&plain, &host};
    for (int i = 0; i < 2; i++) {
        initialize(both[i]);
        for (int step = 0; step < 3; step++)
            train(both[i], i ? MOST : count_of(&v->s));
        ck_assert_int_eq(nncf_model_set_mode(both[i]->model, NNCF_MODE_EVAL, NULL), NNCF_OK);
        forward(both[i]);
    }
    check_same(v, &plain, &host);
    net_close(&plain);
    net_close(&host);
}

START_TEST(training_has_the_bits_of_the_plain_order)
{
    const variant v = variant_of(_i);
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        train_both(&v, configs[i]);
}
END_TEST

/* Files have the order that was registered. */
START_TEST(stripped_models_and_exports_are_the_same_files)
{
    const variant v = variant_of(_i);
    static net plain, host;
    net *const both[] = {&plain, &host};
    char *files[2][2] = {{NULL}};
    size_t sizes[2][2] = {{0}};
    net_open(&plain, &v, true, configs[2]);
    net_open(&host, &v, false, configs[2]);
    for (int i = 0; i < 2; i++) {
        nncf_error err = NNCF_ERROR_INIT;
        initialize(both[i]);
        /* the latest weights, which no forward has read */
        for (size_t j = 0; j < MOST; j++)
            both[i]->w[j] *= both[i]->w[j] == sentinel ? 1 : 0.75f;
        ck_assert_msg(nncf_strip_save(both[i]->ctrl, fx_path("s"), NULL, NULL, &err) == NNCF_OK,
            "%s", err.message);
        files[0][i] = fx_read_file(fx_path("s"), &sizes[0][i]);
        const nncf_onnx_params p = {NNCF_PARAMS(nncf_onnx_params)};
        const nncf_status status = nncf_onnx_export(both[i]->ctrl, fx_path("o"), &p, &err);
        ck_assert_msg(status == NNCF_OK || status == NNCF_E_UNSUPPORTED, "%s", err.message);
        if (status == NNCF_OK)
            files[1][i] = fx_read_file(fx_path("o"), &sizes[1][i]);
    }
    for (int k = 0; k < 2; k++) {
        ck_assert_uint_eq(sizes[k][0], sizes[k][1]);
        ck_assert(sizes[k][0] == 0 || memcmp(files[k][0], files[k][1], sizes[k][0]) == 0);
        free(files[k][0]);
        free(files[k][1]);
    }
    net_close(&plain);
    net_close(&host);
}
END_TEST

/* ---- kernels of the host ---- */

START_TEST(a_hosts_compressed_weight_is_in_its_order)
{
    const variant v = variant_of(_i);
    static net plain, host;
    static float a[MOST], b[MOST], grad[MOST];
    uint64_t state = 3;
    net_open(&plain, &v, true, configs[1]);
    net_open(&host, &v, false, configs[1]);
    initialize(&plain);
    initialize(&host);
    for (size_t i = 0; i < MOST; i++)
        b[i] = sentinel;
    ck_assert_int_eq(nncf_layer_compress_weight(plain.layer, a, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(host.layer, b, NULL), NNCF_OK);
    check_host(&v, a, b);
    fx_fill(a, count_of(&v.s), 1, &state);
    to_host(&v, a, grad);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(plain.layer, a, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight_backward(host.layer, grad, NULL), NNCF_OK);
    forward(&plain);
    forward(&host);
    check_same(&v, &plain, &host);
    net_close(&plain);
    net_close(&host);
}
END_TEST

/* ---- snapshots ---- */

/* The host's tensor has its own order, so the mask's bits are not for it. */
START_TEST(a_mask_is_not_applied_to_a_tensor_of_another_order)
{
    const variant v = variant_of(SHAPES * NNCF_WEIGHT_RSCK);
    static net n;
    static float loaded[MOST];
    fx_context c;
    nncf_checkpoint *file;
    const int64_t count = (int64_t)count_of(&v.s);
    net_open(&n, &v, false, configs[3]);
    fx_open(&c, 1, 0);
    const nncf_checkpoint_tensor saved = {
        "N/layer.weight", {.data = n.w, .ndim = 1, .shape = &count}};
    nncf_checkpoint_tensor wanted = saved;
    wanted.tensor.data = loaded;
    ck_assert_int_eq(nncf_checkpoint_save(n.ctrl, fx_path("s"), &saved, 1, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(c.context, fx_path("s"), NULL, &file, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_checkpoint_load_weights(file, &wanted, 1, NULL, NULL, NULL, NULL), NNCF_OK);
    ck_assert_mem_eq(n.w, loaded, (size_t)count * sizeof *loaded);
    ck_assert_ptr_nonnull(strstr(c.complaints, "was saved in the host's layout"));
    nncf_checkpoint_close(file);
    fx_close(&c);
    net_close(&n);
}
END_TEST

/* The plain order, said or come back to, is no other one: the mask is for the host's tensor. */
START_TEST(the_plain_order_is_no_layout)
{
    const variant v = variant_of(SHAPES * NNCF_WEIGHT_RSCK);
    static net n;
    static float loaded[MOST], wanted[MOST];
    fx_context c;
    nncf_checkpoint *file;
    const int64_t count = (int64_t)count_of(&v.s);
    const nncf_weight_layout_params plain = {
        NNCF_PARAMS(nncf_weight_layout_params), .row_stride = _i ? row_of(&v.s, 0) : 0};
    net_open(&n, &v, true, NULL);
    ck_assert_int_eq(nncf_layer_set_weight_layout(n.layer, &v.p, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_weight_layout(n.layer, _i ? &plain : NULL, NULL), NNCF_OK);
    n.ctrl = fx_ctrl(n.model, FX_CONFIG(FX_MAGNITUDE));
    ck_assert_int_eq(nncf_layer_compress_weight(n.layer, wanted, NULL), NNCF_OK);
    ck_assert_int_ne(memcmp(n.w, wanted, (size_t)count * sizeof *wanted), 0);
    fx_open(&c, 1, 0);
    nncf_checkpoint_tensor tensor = {"N/layer.weight", {.data = n.w, .ndim = 1, .shape = &count}};
    ck_assert_int_eq(nncf_checkpoint_save(n.ctrl, fx_path("s"), &tensor, 1, NULL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_checkpoint_open(c.context, fx_path("s"), NULL, &file, NULL), NNCF_OK);
    tensor.tensor.data = loaded;
    ck_assert_int_eq(
        nncf_checkpoint_load_weights(file, &tensor, 1, NULL, NULL, NULL, NULL), NNCF_OK);
    ck_assert_mem_eq(wanted, loaded, (size_t)count * sizeof *loaded);
    ck_assert_msg(c.warnings == 0, "%s", c.log);
    nncf_checkpoint_close(file);
    fx_close(&c);
    net_close(&n);
}
END_TEST

/* A vector has one order. */
START_TEST(a_vector_keeps_its_order)
{
    static float w[5] = {1, 2, 3, 4, 5};
    float made[5] = {0};
    nncf_model *model;
    nncf_layer *layer;
    const nncf_weight_params p = {NNCF_PARAMS(nncf_weight_params), .scope = "N/gain", .weight = w,
        .ndim = 1, .shape = (const int64_t[]){5}};
    const nncf_weight_layout_params layout = {
        NNCF_PARAMS(nncf_weight_layout_params), .order = NNCF_WEIGHT_RSCK, .turned = 1};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_add_weight(model, &p, &layer, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_weight_layout(layer, &layout, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_compress_weight(layer, made, NULL), NNCF_OK);
    ck_assert_mem_eq(w, made, sizeof w);
    nncf_model_destroy(model);
}
END_TEST

/* ---- refusals ---- */

START_TEST(layouts_that_cannot_be_are_refused)
{
    const variant v = variant_of(0);
    const int64_t row = row_of(&v.s, NNCF_WEIGHT_KCRS);
    const struct {
        nncf_weight_layout_params p;
        nncf_status status;
        const char *says;
    } bad[] = {
        {{NNCF_PARAMS(nncf_weight_layout_params), .order = 3}, NNCF_E_ARG, "order is 3"},
        {{NNCF_PARAMS(nncf_weight_layout_params), .turned = 2}, NNCF_E_ARG, "turned is 2"},
        {{NNCF_PARAMS(nncf_weight_layout_params), .row_stride = row - 1}, NNCF_E_ARG,
            "row_stride is 35, a row of the weight has 36 elements"},
        {{NNCF_PARAMS(nncf_weight_layout_params), .row_stride = -1}, NNCF_E_ARG, "row_stride is"},
        {{NNCF_PARAMS(nncf_weight_layout_params), .row_stride = INT64_MAX}, NNCF_E_LIMIT,
            "larger than memory"},
    };
    static net n;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_layer *other;
    net_open(&n, &v, true, NULL);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ck_assert_int_eq(nncf_layer_set_weight_layout(n.layer, &bad[i].p, &err), bad[i].status);
        ck_assert_msg(strstr(err.message, bad[i].says) != NULL, "%s", err.message);
    }
    ck_assert_int_eq(nncf_layer_set_weight_layout(NULL, NULL, &err), NNCF_E_ARG);
    const nncf_pool2d_params pool = {NNCF_PARAMS(nncf_pool2d_params), .scope = "N/pool"};
    ck_assert_int_eq(nncf_model_add_pool2d(n.model, &pool, &other, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_weight_layout(other, NULL, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "the layer has no weight"));
    const nncf_op_params op = {NNCF_PARAMS(nncf_op_params), .scope = "N/op", .op = NNCF_OP_CONV2D,
        .weight = n.w, .weight_ndim = 4, .weight_shape = (const int64_t[]){6, 4, 3, 3},
        .flags = NNCF_OP_FLAG_KERNEL_TURNED};
    const nncf_weight_layout_params turned = {NNCF_PARAMS(nncf_weight_layout_params), .turned = 1};
    ck_assert_int_eq(nncf_model_add_op(n.model, &op, &other, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_set_weight_layout(other, &turned, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "would be turned twice"));
    n.ctrl = fx_ctrl(n.model, "{}");
    ck_assert_int_eq(nncf_layer_set_weight_layout(n.layer, NULL, &err), NNCF_E_STATE);
    net_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weight_layout");
    TCase *tc = fx_case(suite, "layers", 60);
    tcase_add_loop_test(tc, forward_reads_the_hosts_array, 0, CASES);
    tcase_add_loop_test(tc, training_has_the_bits_of_the_plain_order, 0, CASES);
    tcase_add_loop_test(tc, a_hosts_compressed_weight_is_in_its_order, 0, CASES);
    tc = fx_case(suite, "files", 60);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(tc, stripped_models_and_exports_are_the_same_files, 0, CASES);
    tcase_add_test(tc, a_mask_is_not_applied_to_a_tensor_of_another_order);
    tcase_add_loop_test(tc, the_plain_order_is_no_layout, 0, 2);
    tc = fx_case(suite, "refusals", 60);
    tcase_add_test(tc, a_vector_keeps_its_order);
    tcase_add_test(tc, layouts_that_cannot_be_are_refused);
    return fx_main(suite);
}
