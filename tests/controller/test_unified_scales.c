/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unified scales: what a concatenation joins for a convolution has one range, from NNCF 2.0 on, and
 * so have operators that the config names. The
 * ranges are computed here from what the layers write; gradients are those of separate quantizers
 * of the same range, added up; and everything that goes through parameters knows one.
 */
#include "controller/ctrl.h"
#include "graph/model.h"
#include "precision/groups.h"
#include "quantization/layer_compression.h"
#include "support/ctrl.h"
#include "support/files.h"
#include "support/fixture.h"

#include <unistd.h>

enum { N = 3, IN = 3, MID = 4, OUT = 2, HW = 4, SCOPE = 24, A = 0, B, C, CONVS };
enum { MID_COUNT = N * MID * HW, CAT_COUNT = 2 * MID_COUNT, OUT_COUNT = N * OUT * HW };

/* What reads the concatenation, or joins a and b. */
typedef enum reader { CONVOLUTION, POOLED, POOL, DEPTHWISE, SUM } reader;

typedef struct net {
    fx_context c;
    reader reader;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    nncf_layer *conv[CONVS], *join, *pool;
    float w[CONVS][2 * MID * 2 * MID], dw[CONVS][2 * MID * 2 * MID];
    float x[N * IN * HW], mid[2][MID_COUNT], cat[CAT_COUNT], pooled[CAT_COUNT], y[CAT_COUNT];
    float dy[CAT_COUNT], dpooled[CAT_COUNT], dcat[CAT_COUNT], dmid[2][MID_COUNT];
    float dx[N * IN * HW];
} net;

static nncf_tensor planes(float *data, int64_t channels, int64_t size)
{
    static int64_t shapes[64][4];
    static int next;
    int64_t *s = shapes[next++ % 64];
    s[0] = N, s[1] = channels, s[2] = s[3] = size;
    return (nncf_tensor){.data = data, .ndim = 4, .shape = s};
}

static void add_conv(
    net *n, int i, const char *scope, int64_t in, int64_t out, int32_t groups, nncf_layer *input)
{
    nncf_error err = NNCF_ERROR_INIT;
    const nncf_conv2d_params p = {NNCF_PARAMS(nncf_conv2d_params), .scope = scope,
        .weight = n->w[i], .weight_grad = n->dw[i], .in_channels = in, .out_channels = out,
        .kernel = {1, 1}, .groups = groups, .inputs = &input, .n_inputs = input ? 1 : 0};
    ck_assert_msg(
        nncf_model_add_conv2d(n->model, &p, &n->conv[i], &err) == NNCF_OK, "%s", err.message);
}

static void open_net(net *n, reader kind, const char *config)
{
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t state = 3;
    *n = (net){.reader = kind};
    fx_open(&n->c, 2, 1);
    for (int i = 0; i < CONVS; i++)
        fx_fill(n->w[i], sizeof n->w[i] / sizeof(float), i == B ? 2.5 : 1, &state);
    fx_fill(n->x, N * IN * HW, 1, &state);
    ck_assert_int_eq(nncf_model_create(n->c.context, &n->model, NULL), NNCF_OK);
    add_conv(n, A, "Net/Conv2d[a]", IN, MID, 1, NULL);
    add_conv(n, B, "Net/Conv2d[b]", IN, MID, 1, NULL);
    if (kind == SUM) {
        const nncf_sum_params p = {NNCF_PARAMS(nncf_sum_params), .scope = "Net/__add___0",
            .inputs = n->conv, .n_inputs = 2};
        ck_assert_int_eq(nncf_model_add_sum(n->model, &p, &n->join, &err), NNCF_OK);
    } else {
        const nncf_concat_params p = {NNCF_PARAMS(nncf_concat_params), .scope = "Net/cat_0",
            .inputs = n->conv, .n_inputs = 2};
        ck_assert_int_eq(nncf_model_add_concat(n->model, &p, &n->join, &err), NNCF_OK);
    }
    if (kind == POOL || kind == POOLED) {
        const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "Net/Pool2d[p]",
            .kind = kind == POOL ? NNCF_POOL_AVERAGE : NNCF_POOL_MAX, .kernel = {1, 1},
            .inputs = &n->join, .n_inputs = 1};
        ck_assert_int_eq(nncf_model_add_pool2d(n->model, &p, &n->pool, &err), NNCF_OK);
    }
    if (kind == DEPTHWISE)
        add_conv(n, C, "Net/Conv2d[c]", 2 * MID, 2 * MID, 2 * MID, n->join);
    else if (kind != POOL)
        add_conv(n, C, "Net/Conv2d[c]", kind == SUM ? MID : 2 * MID, OUT, 1,
            n->pool ? n->pool : n->join);
    if (config)
        n->ctrl = fx_ctrl(n->model, config);
}

static void close_net(net *n)
{
    nncf_compression_ctrl_destroy(n->ctrl);
    nncf_model_destroy(n->model);
    fx_close(&n->c);
}

static int64_t joined(const net *n)
{
    return n->reader == SUM ? MID : 2 * MID;
}

static void run_layer(nncf_layer *layer, nncf_tensor *x, size_t n_x, nncf_tensor *y)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_layer_forward(layer, x, n_x, y, &err) == NNCF_OK, "%s", err.message);
}

static void forward_of(net *n, nncf_layer *const conv[CONVS], nncf_layer *join, nncf_layer *pool)
{
    nncf_tensor x = planes(n->x, IN, 2),
                mid[2] = {planes(n->mid[0], MID, 2), planes(n->mid[1], MID, 2)},
                cat = planes(n->cat, joined(n), 2), pooled = planes(n->pooled, joined(n), 2),
                y = planes(n->y, n->reader == DEPTHWISE ? 2 * MID : OUT, 2);
    run_layer(conv[A], &x, 1, &mid[0]);
    run_layer(conv[B], &x, 1, &mid[1]);
    run_layer(join, mid, 2, &cat);
    if (pool)
        run_layer(pool, &cat, 1, &pooled);
    if (conv[C])
        run_layer(conv[C], pool ? &pooled : &cat, 1, &y);
}

static void forward(net *n)
{
    forward_of(n, n->conv, n->join, n->pool);
}

static void back_layer(
    nncf_layer *layer, nncf_tensor *x, size_t n_x, nncf_tensor *dy, nncf_tensor *dx)
{
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_layer_backward(layer, x, n_x, dy, dx, &err) == NNCF_OK, "%s", err.message);
}

static void backward_of(net *n, nncf_layer *const conv[CONVS], nncf_layer *join)
{
    nncf_tensor x = planes(n->x, IN, 2), dx = planes(n->dx, IN, 2),
                mid[2] = {planes(n->mid[0], MID, 2), planes(n->mid[1], MID, 2)},
                dmid[2] = {planes(n->dmid[0], MID, 2), planes(n->dmid[1], MID, 2)},
                cat = planes(n->cat, joined(n), 2), dcat = planes(n->dcat, joined(n), 2),
                dy = planes(n->dy, OUT, 2);
    fx_fill_from(n->dy, OUT_COUNT, 8);
    back_layer(conv[C], &cat, 1, &dy, &dcat);
    back_layer(join, mid, 2, &dcat, dmid);
    back_layer(conv[B], &x, 1, &dmid[1], &dx);
    back_layer(conv[A], &x, 1, &dmid[0], &dx);
}

#define CONFIG(dialect, device, range)                                                             \
    "{\"nncf_dialect\": \"" dialect "\", \"target_device\": \"" device                             \
    "\", \"input_info\": {\"sample_size\": [1, 3, 2, 2]}, \"compression\": {\"algorithm\": "       \
    "\"quantization\", \"initializer\": {\"range\": {\"num_init_samples\": 6, \"type\": \"" range  \
    "\"}, \"batchnorm_adaptation\": {\"num_bn_adaptation_samples\": 0}}}}"
#define UNIFIED  CONFIG("2.4", "CPU", "min_max")
#define SEPARATE CONFIG("1.7", "CPU", "min_max")

/* Other samples for each batch. */
static void take_batch(net *n, int batch)
{
    fx_fill_from(n->x, N * IN * HW, (uint64_t)batch + 20);
    for (int i = 0; i < N * IN * HW; i++)
        n->x[i] *= (float)(1 + batch);
}

static void init(net *n)
{
    int32_t more = 1;
    nncf_error err = NNCF_ERROR_INIT;
    for (int batch = 0;; batch++) {
        ck_assert_msg(
            nncf_compression_ctrl_init_step(n->ctrl, &more, &err) == NNCF_OK, "%s", err.message);
        if (!more)
            return;
        take_batch(n, batch);
        forward(n);
    }
}

static const nncf__quantizer *output_of(const nncf_layer *layer)
{
    return nncf__layer_quantizer(layer->compression, NNCF__SLOT_OUTPUT);
}

static bool is_shared(const net *n)
{
    const nncf__quantizer *a = output_of(n->conv[A]), *b = output_of(n->conv[B]);
    return a && b && b->leader == a && b->bound == a->bound;
}

/* ---- where ---- */

START_TEST(shared_where_nncf_unifies)
{
    static net n;
    static const struct {
        reader reader;
        const char *config;
        bool shared;
    } cases[] = {
        {CONVOLUTION, UNIFIED, true},
        {CONVOLUTION, CONFIG("2.17", "GPU", "min_max"), true},
        {CONVOLUTION, CONFIG("2.4", "ANY", "min_max"), true},
        {CONVOLUTION, CONFIG("2.4", "VPU", "min_max"), true},
        {CONVOLUTION, CONFIG("2.4", "TRIAL", "min_max"), false},
        {CONVOLUTION, SEPARATE, false},
        {POOLED, UNIFIED, true}, /* through what passes values on */
        {POOL, UNIFIED, false}, /* no layer with a weight reads it */
        {DEPTHWISE, UNIFIED, false}, /* a range a channel */
        {SUM, UNIFIED, false},
        {SUM, CONFIG("2.4", "VPU", "min_max"), true},
        {SUM, CONFIG("1.7", "VPU", "min_max"), false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        open_net(&n, cases[i].reader, cases[i].config);
        ck_assert_msg(is_shared(&n) == cases[i].shared, "case %zu", i);
        ck_assert_ptr_nonnull(output_of(n.conv[A]));
        ck_assert_ptr_nonnull(output_of(n.conv[B]));
        close_net(&n);
    }
}
END_TEST

/* An override that makes one of them otherwise leaves each with its own range, and is told. */
START_TEST(others_are_not_shared)
{
    static net n;
    open_net(&n, CONVOLUTION,
        "{\"nncf_dialect\": \"2.4\", \"target_device\": \"CPU\", \"input_info\": {\"sample_size\": "
        "[1, 3, 2, 2]}, \"compression\": {\"algorithm\": \"quantization\", \"scope_overrides\": "
        "{\"activations\": {\"Net/Conv2d[b]\": {\"mode\": \"asymmetric\"}}}}}");
    ck_assert(!is_shared(&n));
    ck_assert_ptr_nonnull(output_of(n.conv[B])->length);
    close_net(&n);
}
END_TEST

#define NAMED(dialect, setup, key, lists)                                                          \
    "{\"nncf_dialect\": \"" dialect "\", \"input_info\": {\"sample_size\": [1, 3, 2, 2]}, " setup  \
    "\"compression\": {\"algorithm\": \"quantization\", \"initializer\": {\"range\": "             \
    "{\"num_init_samples\": 6, \"type\": \"min_max\"}}, \"activations\": {\"" key "\": " lists     \
    "}}}"
#define PATTERNS "\"quantizer_setup_type\": \"pattern_based\", "
#define BEHIND_A "\"Net/NNCFConv2d[a]/conv2d_0\""
#define BEHIND_B "\"Net/Conv2d[b]\""

/* Operators that the config names, whatever reads them and in dialects that unify nothing. */
START_TEST(shared_where_the_config_says)
{
    static net n;
    static const struct {
        reader reader;
        const char *config;
    } cases[] = {
        {CONVOLUTION, NAMED("1.7", "", "unified_scale_ops", "[[" BEHIND_A ", " BEHIND_B "]]")},
        {CONVOLUTION, NAMED("1.5", "", "linked_quantizer_scopes", "[[" BEHIND_B "," BEHIND_A "]]")},
        {CONVOLUTION,
            NAMED("1.6", PATTERNS, "linked_quantizer_scopes", "[[" BEHIND_A ", " BEHIND_B "]]")},
        {SUM, NAMED("2.17", "", "unified_scale_ops", "[[" BEHIND_A ", " BEHIND_B "]]")},
        {POOL, NAMED("2.4", "", "unified_scale_ops", "[[" BEHIND_A ", " BEHIND_B "]]")},
    };
    open_net(&n, cases[_i].reader, cases[_i].config);
    ck_assert(is_shared(&n));
    /* the sum's output is read, and has one of its own */
    ck_assert_uint_eq(fx_statistics(n.ctrl).activation_quantizers, cases[_i].reader == SUM ? 2 : 1);
    close_net(&n);
}
END_TEST

/* Together with what the device unifies: one group of both. */
START_TEST(lists_extend_what_a_device_unifies)
{
    static net n;
    open_net(&n, CONVOLUTION,
        NAMED("2.4", "", "unified_scale_ops", "[[\"/nncf_model_input_0\", " BEHIND_B "]]"));
    const nncf__quantizer *input = nncf__layer_quantizer(n.conv[A]->compression, NNCF__SLOT_INPUT);
    ck_assert_ptr_nonnull(input);
    ck_assert_ptr_null(input->leader);
    ck_assert_ptr_eq(output_of(n.conv[A])->leader, input);
    ck_assert_ptr_eq(output_of(n.conv[B])->leader, input);
    /* b reads another input of the model, which the list does not name */
    const nncf__quantizer *other = nncf__layer_quantizer(n.conv[B]->compression, NNCF__SLOT_INPUT);
    ck_assert_ptr_nonnull(other);
    ck_assert_ptr_null(other->leader);
    close_net(&n);
    open_net(&n, CONVOLUTION,
        NAMED("2.4", "", "unified_scale_ops", "[[\"/nncf_model_input_1\", " BEHIND_B "]]"));
    other = nncf__layer_quantizer(n.conv[B]->compression, NNCF__SLOT_INPUT);
    ck_assert_ptr_eq(output_of(n.conv[B])->leader, other->leader ? other->leader : other);
    ck_assert_ptr_null(nncf__layer_quantizer(n.conv[A]->compression, NNCF__SLOT_INPUT)->leader);
    close_net(&n);
}
END_TEST

START_TEST(lists_that_cannot_be_are_refused)
{
    static net n;
    static const struct {
        const char *config, *where, *message;
    } cases[] = {
        {NAMED("1.7", "", "unified_scale_ops", "[[" BEHIND_A ", \"Net/nothing_0\"]]"),
            "Net/nothing_0", "no quantizer of activations follows an operator of this name"},
        {NAMED("1.7", "", "unified_scale_ops", "[[" BEHIND_A ", " BEHIND_B "], [" BEHIND_B "]]"),
            "Net/Conv2d[b]", "unified_scale_ops names this operator twice"},
        {NAMED("1.5", "", "linked_quantizer_scopes",
             "[[" BEHIND_A ", " BEHIND_B "]], \"bits\": 8, \"per_channel\": true"),
            "Net/Conv2d[b]", "linked_quantizer_scopes: its quantizer is made otherwise"},
    };
    nncf_error err = NNCF_ERROR_INIT;
    open_net(&n, CONVOLUTION, NULL);
    nncf_config *config = fx_config(n.c.context, cases[_i].config);
    ck_assert_int_eq(nncf_compression_ctrl_create(n.model, config, &n.ctrl, &err), NNCF_E_CONFIG);
    ck_assert_str_eq(err.where, cases[_i].where);
    ck_assert_msg(strstr(err.message, cases[_i].message) != NULL, "%s", err.message);
    ck_assert_ptr_null(n.ctrl);
    nncf_config_destroy(config);
    close_net(&n);
}
END_TEST

START_TEST(counted_once)
{
    static net n;
    nncf_plan *plan;
    nncf_config *config;
    char text[4096];
    open_net(&n, CONVOLUTION, UNIFIED);
    ck_assert_uint_eq(fx_statistics(n.ctrl).activation_quantizers, 1);
    size_t scales = 0;
    for (size_t i = 0; i < nncf_compression_ctrl_get_parameter_count(n.ctrl); i++) {
        const nncf_parameter p = fx_parameter_at(n.ctrl, i);
        scales += strstr(p.name, ".activation_quantizer.") != NULL;
        ck_assert_ptr_null(strstr(p.name, "Conv2d[b].activation_quantizer"));
    }
    ck_assert_uint_eq(scales, 1);
    config = fx_config(n.c.context, UNIFIED);
    ck_assert_int_eq(nncf_plan_create(n.model, config, &plan, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_TEXT, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(text, ", one range with Net/Conv2d[a]\n"), "%s", text);
    ck_assert_msg(strstr(text, "of activations 1;"), "%s", text);
    ck_assert_int_eq(
        nncf_plan_format(plan, NNCF_FORM_JSON, text, sizeof text, NULL, NULL), NNCF_OK);
    ck_assert_msg(strstr(text, "\"shared_with\":{\"layer\":\"Net/Conv2d[a]\",\"what\":\"output\"}"),
        "%s", text);
    nncf_plan_destroy(plan);
    nncf_config_destroy(config);
    close_net(&n);
}
END_TEST

/* The same where no tensor connects them: what the input has, and what b writes. */
START_TEST(bits_of_named_ones_are_chosen_together)
{
    static net n;
    nncf__groups groups;
    size_t found[2] = {SIZE_MAX, SIZE_MAX};
    open_net(&n, POOL,
        NAMED("1.7", "", "unified_scale_ops", "[[\"/nncf_model_input_0\", " BEHIND_B "]]"));
    const nncf__quantizer *const shared[2] = {
        nncf__layer_quantizer(n.conv[A]->compression, NNCF__SLOT_INPUT), output_of(n.conv[B])};
    ck_assert_ptr_eq(shared[1]->leader, shared[0]);
    ck_assert_int_eq(
        nncf__groups_find(&groups, n.c.context, n.model->layers, n.ctrl->layers, n.model->n_layers),
        NNCF_OK);
    for (size_t i = 0; i < groups.count; i++)
        for (int k = 0; k < 2; k++)
            if (groups.members[i].quantizer == shared[k])
                found[k] = groups.members[i].group;
    ck_assert_uint_ne(found[0], SIZE_MAX);
    ck_assert_uint_eq(found[0], found[1]);
    nncf__groups_free(&groups);
    close_net(&n);
}
END_TEST

/* What shares a range is quantized alike when bits are chosen: it is in one group of them. */
START_TEST(bits_are_chosen_together)
{
    static net n;
    nncf__groups groups;
    size_t found[2] = {SIZE_MAX, SIZE_MAX};
    static const struct {
        reader reader;
        const char *config;
    } cases[] = {{CONVOLUTION, UNIFIED}, {POOLED, UNIFIED}, {SUM, CONFIG("2.4", "VPU", "min_max")}};
    open_net(&n, cases[_i].reader, cases[_i].config);
    ck_assert_int_eq(
        nncf__groups_find(&groups, n.c.context, n.model->layers, n.ctrl->layers, n.model->n_layers),
        NNCF_OK);
    for (size_t i = 0; i < groups.count; i++)
        for (int k = 0; k < 2; k++)
            if (groups.members[i].quantizer == output_of(n.conv[k]))
                found[k] = groups.members[i].group;
    ck_assert_uint_ne(found[0], SIZE_MAX);
    ck_assert_uint_eq(found[0], found[1]);
    nncf__groups_free(&groups);
    close_net(&n);
}
END_TEST

/* ---- ranges ---- */

/* The rule over what each layer writes, then the widest: NNCF unifies statistics so. */
START_TEST(ranges_are_the_widest)
{
    static const char *const configs[] = {UNIFIED, CONFIG("2.4", "CPU", "mean_min_max")};
    static net n, plain;
    enum { BATCHES = 2 }; /* of 3 samples each */
    open_net(&n, CONVOLUTION, configs[_i]);
    open_net(&plain, CONVOLUTION, NULL);
    init(&n);
    double wanted = 0;
    for (int layer = 0; layer < 2; layer++) {
        double low[BATCHES], high[BATCHES], range[2];
        for (int batch = 0; batch < BATCHES; batch++) {
            take_batch(&plain, batch);
            forward(&plain);
            low[batch] = INFINITY, high[batch] = -INFINITY;
            for (int k = 0; k < MID_COUNT; k++) {
                low[batch] = fmin(low[batch], (double)plain.mid[layer][k]);
                high[batch] = fmax(high[batch], (double)plain.mid[layer][k]);
            }
        }
        range[0] = _i ? (low[0] + low[1]) / 2 : fmin(low[0], low[1]);
        range[1] = _i ? (high[0] + high[1]) / 2 : fmax(high[0], high[1]);
        wanted = fmax(wanted, fmax(-range[0], range[1]));
    }
    const nncf_parameter p = fx_parameter(n.ctrl, "Net/Conv2d[a].activation_quantizer.scale");
    ck_assert_double_eq_tol((double)p.data[0], wanted, 1e-5 * wanted);
    ck_assert(output_of(n.conv[B])->initialized);
    ck_assert_float_eq(output_of(n.conv[A])->scales[0], output_of(n.conv[B])->scales[0]);
    close_net(&n), close_net(&plain);
}
END_TEST

/* ---- gradients ---- */

START_TEST(gradients_add_up)
{
    static net one, two;
    open_net(&one, CONVOLUTION, UNIFIED);
    open_net(&two, CONVOLUTION, SEPARATE);
    init(&one), init(&two);
    nncf_parameter p = fx_parameter(one.ctrl, "Net/Conv2d[a].activation_quantizer.scale"),
                   a = fx_parameter(two.ctrl, "Net/Conv2d[a].activation_quantizer.scale"),
                   b = fx_parameter(two.ctrl, "Net/Conv2d[b].activation_quantizer.scale");
    ck_assert_float_ne(a.data[0], b.data[0]);
    p.data[0] *= 0.4f; /* so that values of both are clipped */
    a.data[0] = b.data[0] = p.data[0];
    take_batch(&one, 0), take_batch(&two, 0);
    forward(&one), forward(&two);
    ck_assert_mem_eq(one.y, two.y, OUT_COUNT * sizeof(float));
    backward_of(&one, one.conv, one.join), backward_of(&two, two.conv, two.join);
    ck_assert_mem_eq(one.dw, two.dw, sizeof one.dw);
    ck_assert_float_ne(a.grad[0], 0);
    ck_assert_float_ne(b.grad[0], 0);
    ck_assert_float_eq(p.grad[0], b.grad[0] + a.grad[0]);
    size_t listed = 0;
    for (size_t i = 0; i < nncf_model_get_gradient_count(one.model); i++) {
        nncf_gradient g = {NNCF_PARAMS(nncf_gradient)};
        ck_assert_int_eq(nncf_model_get_gradient(one.model, i, &g, NULL), NNCF_OK);
        listed += g.data == p.grad;
    }
    ck_assert_uint_eq(listed, 1);
    close_net(&one), close_net(&two);
}
END_TEST

/* A replica's gradients of both uses go to one, too. */
START_TEST(replicas_add_up)
{
    static net n;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *replica;
    nncf_layer *conv[CONVS], *join;
    open_net(&n, CONVOLUTION, UNIFIED);
    init(&n);
    nncf_parameter p = fx_parameter(n.ctrl, "Net/Conv2d[a].activation_quantizer.scale");
    p.data[0] *= 0.4f;
    take_batch(&n, 0);
    forward(&n);
    backward_of(&n, n.conv, n.join);
    const float once = p.grad[0];
    ck_assert_float_ne(once, 0);
    nncf_context *own = fx_new_context(NULL, 1, 0, 1);
    ck_assert_msg(
        nncf_model_create_replica(n.model, own, &replica, &err) == NNCF_OK, "%s", err.message);
    for (int i = 0; i < CONVS; i++)
        conv[i] = nncf_model_find_layer(replica, nncf_layer_get_scope(n.conv[i]));
    join = nncf_model_find_layer(replica, "Net/cat_0");
    ck_assert_int_eq(nncf_model_begin_replicas(n.model, NULL), NNCF_OK);
    forward_of(&n, conv, join, NULL);
    backward_of(&n, conv, join);
    ck_assert_float_eq(p.grad[0], once);
    ck_assert_int_eq(nncf_model_end_replicas(n.model, NULL), NNCF_OK);
    ck_assert_float_eq(p.grad[0], 2 * once);
    nncf_model_destroy(replica);
    nncf_context_destroy(own);
    close_net(&n);
}
END_TEST

/* ---- files ---- */

START_TEST(snapshots_have_it_once)
{
    static net n, other, separate;
    nncf_error err = NNCF_ERROR_INIT;
    nncf_checkpoint *c;
    float y[OUT_COUNT];
    char path[FX_TEMPORARY];
    fx_temporary(path);
    open_net(&n, CONVOLUTION, UNIFIED);
    init(&n);
    fx_parameter(n.ctrl, "Net/Conv2d[a].activation_quantizer.scale").data[0] *= 0.7f;
    ck_assert_int_eq(nncf_model_set_mode(n.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    take_batch(&n, 5);
    forward(&n);
    memcpy(y, n.y, sizeof y);
    ck_assert_msg(
        nncf_checkpoint_save(n.ctrl, path, NULL, 0, NULL, &err) == NNCF_OK, "%s", err.message);
    ck_assert_msg(
        nncf_checkpoint_open(n.c.context, path, NULL, &c, &err) == NNCF_OK, "%s", err.message);
    open_net(&other, CONVOLUTION, UNIFIED);
    ck_assert_msg(
        nncf_checkpoint_restore(c, other.ctrl, NULL, NULL, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(output_of(other.conv[B])->params.sign, NNCF__SIGNED);
    ck_assert_int_eq(nncf_model_set_mode(other.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    take_batch(&other, 5);
    forward(&other);
    ck_assert_mem_eq(other.y, y, sizeof y);
    /* another config, whose second quantizer is not in the file */
    open_net(&separate, CONVOLUTION, SEPARATE);
    const nncf_checkpoint_restore_params adopt = {
        NNCF_PARAMS(nncf_checkpoint_restore_params), .accept_config = 1};
    nncf_checkpoint_restore_report report = {NNCF_PARAMS(nncf_checkpoint_restore_report)};
    ck_assert_msg(nncf_checkpoint_restore(c, separate.ctrl, &adopt, &report, &err) == NNCF_OK, "%s",
        err.message);
    ck_assert_uint_eq(report.quantizers_fresh, 1);
    nncf_checkpoint_close(c);
    close_net(&n), close_net(&other), close_net(&separate);
    unlink(path);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("unified_scales");
    TCase *t = fx_case(suite, "unified_scales", 60);
    tcase_add_test(t, shared_where_nncf_unifies);
    tcase_add_test(t, others_are_not_shared);
    tcase_add_loop_test(t, shared_where_the_config_says, 0, 5);
    tcase_add_test(t, lists_extend_what_a_device_unifies);
    tcase_add_loop_test(t, lists_that_cannot_be_are_refused, 0, 3);
    tcase_add_test(t, counted_once);
    tcase_add_loop_test(t, bits_are_chosen_together, 0, 3);
    tcase_add_test(t, bits_of_named_ones_are_chosen_together);
    tcase_add_loop_test(t, ranges_are_the_widest, 0, 2);
    tcase_add_test(t, gradients_add_up);
    tcase_add_test(t, replicas_add_up);
    tcase_add_test(t, snapshots_have_it_once);
    return fx_main(suite);
}
