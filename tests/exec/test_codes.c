/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations as codes of a byte: a residual net with every kind of layer runs twice, its
 * activations passed as floats and as codes, and must come to the same bits: outputs, all
 * gradients, running statistics. The floats are the path that the other tests hold against oracles.
 * Also: which types are refused when.
 */
#include "codes_net.h"

#define QUANTIZATION(weights, activations)                                                         \
    "{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 2, \"type\": "        \
    "\"min_max\"}, "                                                                               \
    "\"weights\": {" weights "}, \"activations\": {" activations "}}"

static const struct {
    const char *config;
    int coded; /* nodes that write codes after initialization: all but the input and the logits */
} cases[] = {
    {FX_CONFIG(FX_INT8), NODES - 2},
    {FX_CONFIG(FX_RB ", " FX_INT8), NODES - 2},
    {FX_CONFIG(FX_MAGNITUDE ", " QUANTIZATION("\"per_channel\": true", "\"bits\": 7")), NODES - 2},
    {FX_CONFIG(QUANTIZATION("\"bits\": 4, \"per_channel\": true", "\"mode\": \"asymmetric\"")),
        NODES - 2},
    {FX_CONFIG(QUANTIZATION("\"mode\": \"asymmetric\"", "\"bits\": 4, \"mode\": \"asymmetric\"")),
        NODES - 2},
    {FX_CONFIG(QUANTIZATION("\"mode\": \"asymmetric\", \"per_channel\": true", "\"bits\": 8")),
        NODES - 2},
    {FX_CONFIG(FX_RB ", " QUANTIZATION("\"mode\": \"asymmetric\", \"bits\": 6", "\"bits\": 8")),
        NODES - 2},
    {FX_CONFIG(QUANTIZATION("\"bits\": 2", "\"bits\": 2")), NODES - 2},
    {FX_CONFIG(QUANTIZATION("\"bits\": 3", "\"bits\": 2, \"mode\": \"asymmetric\"")), NODES - 2},
    {NULL, 0},
};

START_TEST(codes_give_the_bits_of_floats)
{
    const int32_t isa = _i % 3 == 0 ? NNCF_ISA_BEST
        : _i % 3 == 1               ? NNCF_ISA_AVX2
                                    : NNCF_ISA_REFERENCE;
    run floats, codes;
    make_run(&floats, cases[_i].config, false, 1, isa);
    make_run(&codes, cases[_i].config, true, 1 + _i % 3, isa);
    initialize(&floats);
    initialize(&codes);
    for (int step = 0; step < 4; step++) {
        train_step(&floats, step);
        train_step(&codes, step);
        same_runs(&floats, &codes, true);
        update(&floats);
        update(&codes);
    }
    for (int mode = 0; mode < 2; mode++) {
        ck_assert_int_eq(
            nncf_model_set_mode(floats.model, mode ? NNCF_MODE_TRAIN : NNCF_MODE_EVAL, NULL),
            NNCF_OK);
        ck_assert_int_eq(
            nncf_model_set_mode(codes.model, mode ? NNCF_MODE_TRAIN : NNCF_MODE_EVAL, NULL),
            NNCF_OK);
        set_input(&floats, 9);
        set_input(&codes, 9);
        forward(&floats);
        ck_assert_int_eq(forward(&codes), cases[_i].coded);
        same_runs(&floats, &codes, false);
    }
    drop_run(&floats);
    drop_run(&codes);
}
END_TEST

/* Floats and codes may be mixed at will, and eval mode before any training finds its work space. */
START_TEST(floats_and_codes_may_be_mixed)
{
    run floats, codes;
    make_run(&floats, cases[0].config, false, 2, 0);
    make_run(&codes, cases[0].config, true, 2, 0);
    initialize(&floats);
    initialize(&codes);
    ck_assert_int_eq(nncf_model_set_mode(floats.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_set_mode(codes.model, NNCF_MODE_EVAL, NULL), NNCF_OK);
    for (int which = 0; which < 16; which++) {
        set_input(&floats, which);
        set_input(&codes, which);
        forward(&floats);
        for (int i = 1; i < NODES; i++) {
            node *n = &codes.node[i];
            const nncf_tensor x[2] = {
                view(&codes.node[n->in[0]], false), view(&codes.node[n->in[1]], false)};
            bool possible = (which * 7 + i * 5) % 3 != 0;
            if (n->layer->kind == NNCF__POOL2D && n->layer->pool_kind == NNCF_POOL_MAX &&
                x[0].dtype == NNCF_F32)
                possible = false;
            n->dtype = possible ? nncf_layer_get_output_dtype(n->layer) : NNCF_F32;
            nncf_tensor y = view(n, false);
            ck_assert_int_eq(
                nncf_layer_forward(n->layer, x, n->layer->kind == NNCF__ADD ? 2 : 1, &y, NULL),
                NNCF_OK);
            n->scale = y.scale;
            n->zero_point = y.zero_point;
        }
        same_runs(&floats, &codes, false);
    }
    drop_run(&floats);
    drop_run(&codes);
}
END_TEST

static nncf_status forward_as(run *r, int i, int32_t x_dtype, int32_t y_dtype)
{
    node *n = &r->node[i];
    nncf_tensor x[2] = {view(&r->node[n->in[0]], false), view(&r->node[n->in[1]], false)},
                y = view(n, false);
    x[0].dtype = x[1].dtype = x_dtype;
    y.dtype = y_dtype;
    return nncf_layer_forward(n->layer, x, n->layer->kind == NNCF__ADD ? 2 : 1, &y, NULL);
}

/* The residual net under a controller, its input set. */
static void make_refusing(run *r)
{
    make_run(r, cases[0].config, true, 1, 0);
    set_input(r, 0);
}

START_TEST(there_are_no_codes_before_initialization)
{
    run r, plain;
    make_refusing(&r);
    make_run(&plain, NULL, true, 1, 0);
    set_input(&plain, 0);
    ck_assert_int_eq(nncf_layer_get_output_dtype(NULL), NNCF_F32);
    for (int i = 1; i < NODES; i++)
        ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[i].layer), NNCF_F32);
    ck_assert_int_eq(forward_as(&r, 1, NNCF_F32, NNCF_U8), NNCF_E_DTYPE);
    ck_assert_int_eq(forward_as(&plain, 1, NNCF_F32, NNCF_U8), NNCF_E_DTYPE);
    ck_assert_int_eq(forward_as(&plain, 3, NNCF_U8, NNCF_F32), NNCF_E_DTYPE);
    drop_run(&r);
    drop_run(&plain);
}
END_TEST

START_TEST(output_dtype_follows_the_sign_of_the_quantizer)
{
    run r;
    make_refusing(&r);
    initialize(&r);
    ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[1].layer), NNCF_U8); /* relu6 */
    ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[2].layer), NNCF_U8); /* maxima of these */
    ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[4].layer), NNCF_S8); /* no activation */
    ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[NODES - 1].layer), NNCF_F32);
    drop_run(&r);
}
END_TEST

START_TEST(forward_rejects_codes_of_another_type)
{
    run r;
    make_refusing(&r);
    initialize(&r);
    ck_assert_int_eq(
        forward_as(&r, 1, NNCF_U8, NNCF_U8), NNCF_E_DTYPE); /* the model's input is floats */
    ck_assert_int_eq(forward_as(&r, 1, NNCF_F32, NNCF_S8), NNCF_E_DTYPE);
    ck_assert_int_eq(forward_as(&r, 1, NNCF_F32, NNCF_I32), NNCF_E_DTYPE);
    ck_assert_int_eq(
        forward_as(&r, 2, NNCF_F32, NNCF_U8), NNCF_E_DTYPE); /* a maximum of floats has no codes */
    ck_assert_int_eq(forward_as(&r, 2, NNCF_U8, NNCF_F32), NNCF_OK);
    ck_assert_int_eq(forward_as(&r, 3, NNCF_S8, NNCF_U8), NNCF_E_DTYPE);
    ck_assert_int_eq(
        forward_as(&r, 5, NNCF_U8, NNCF_S8), NNCF_E_DTYPE); /* its second input is signed */
    ck_assert_int_eq(forward_as(&r, NODES - 1, NNCF_U8, NNCF_U8), NNCF_E_DTYPE);
    drop_run(&r);
}
END_TEST

/* The same types as forward, and gradients in floats. */
START_TEST(backward_rejects_codes_of_another_type)
{
    run r;
    make_refusing(&r);
    initialize(&r);
    train_step(&r, 0);
    node *n = &r.node[3];
    nncf_tensor x = view(&r.node[2], false), dy = view(n, true), dx = view(&r.node[2], true);
    dy.dtype = NNCF_U8;
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, &dx, NULL), NNCF_E_DTYPE);
    dy.dtype = NNCF_F32;
    dx.dtype = NNCF_U8;
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, &dx, NULL), NNCF_E_DTYPE);
    dx.dtype = NNCF_F32;
    x.dtype = NNCF_S8;
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, &dx, NULL), NNCF_E_DTYPE);
    drop_run(&r);
}
END_TEST

/* As another initialization may change it. */
START_TEST(codes_are_rejected_when_their_sign_has_changed)
{
    run r;
    make_refusing(&r);
    initialize(&r);
    train_step(&r, 0);
    node *n = &r.node[3];
    nncf_tensor x = view(&r.node[2], false), dy = view(n, true), dx = view(&r.node[2], true);
    nncf__quantizer *q = r.ctrl->layers[n->layer->inputs[0]->inputs[0]->index].output_quantizer;
    q->params.sign = NNCF__SIGNED;
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, &dx, NULL), NNCF_E_DTYPE);
    ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[1].layer), NNCF_S8);
    ck_assert_int_eq(forward_as(&r, 3, NNCF_U8, NNCF_U8), NNCF_E_DTYPE);
    drop_run(&r);
}
END_TEST

/* A maximum of codes is the first of equals, too, and its gradient goes there: of unsigned and
 * signed ones, in windows that vectors search and in those that they do not. */
START_TEST(a_maximum_of_codes_is_the_first_of_equals)
{
    enum { H = 21, W = 150, N = H * W, MOST = (H + 1) * (W + 1) };
    static const int64_t kernels[] = {3, 2, 17};
    const int32_t stride = 1 + _i % 3;
    const int64_t kernel = kernels[_i / 3 % 3], padding = kernel / 2;
    const bool is_signed = _i >= 9;
    static float x[N], a[N], y[MOST], z[MOST], dy[MOST], dx[N], want[N];
    static uint8_t codes[N], maxima[MOST];
    uint64_t state = 8 + (uint64_t)_i;
    int64_t out[NNCF_MAX_NDIM];
    int32_t ndim, more;
    fx_tensor tx, ta, ty, tz, tdy, tdx;
    nncf_model *model;
    nncf_layer *pool;
    fx_block first = {.scope = "n/a",
                 .in_channels = 1,
                 .out_channels = 1,
                 .activation = is_signed ? NNCF_ACTIVATION_NONE : NNCF_ACTIVATION_RELU},
             end = {.scope = "n/end", .in_channels = 1, .out_channels = 1};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    fx_register(model, &first, NULL, &state);
    const nncf_pool2d_params p = {NNCF_PARAMS(nncf_pool2d_params), .scope = "n/pool",
        .kind = NNCF_POOL_MAX, .kernel = {(int32_t)kernel, (int32_t)kernel},
        .stride = {stride, stride}, .padding = {(int32_t)padding, (int32_t)padding},
        .inputs = &first.layer, .n_inputs = 1};
    ck_assert_int_eq(nncf_model_add_pool2d(model, &p, &pool, NULL), NNCF_OK);
    fx_register(model, &end, pool, &state);
    nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_INT8));
    const int64_t in[4] = {1, 1, H, W};
    fx_fill(x, N, 1, &state);
    fx_view(&tx, x, 4, in), fx_view(&ta, a, 4, in), fx_view(&tdx, dx, 4, in);
    ck_assert_int_eq(
        nncf_layer_get_output_shape(pool, &ta.t, 1, out, NNCF_MAX_NDIM, &ndim, NULL), NNCF_OK);
    ck_assert_int_le(out[2] * out[3], MOST);
    fx_view(&ty, y, 4, out), fx_view(&tz, z, 4, out), fx_view(&tdy, dy, 4, out);
    while (nncf_compression_ctrl_init_step(ctrl, &more, NULL) == NNCF_OK && more) {
        ck_assert_int_eq(nncf_layer_forward(first.layer, &tx.t, 1, &ta.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(pool, &ta.t, 1, &ty.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(end.layer, &ty.t, 1, &tz.t, NULL), NNCF_OK);
    }
    ck_assert_int_eq(nncf_layer_get_output_dtype(pool), is_signed ? NNCF_S8 : NNCF_U8);
    for (int i = 0; i < N; i++) /* many equals, and all of the lowest at the top */
        codes[i] = (uint8_t)((i / W < 3 ? 0u : (unsigned)fx_next(&state) % 4 * 85u) ^
            (is_signed ? 0x80u : 0u));
    fx_fill(dy, (size_t)(out[2] * out[3]), 1, &state);
    ta.t.data = codes, ty.t.data = maxima;
    ta.t.dtype = ty.t.dtype = nncf_layer_get_output_dtype(pool);
    ck_assert_int_eq(nncf_layer_forward(pool, &ta.t, 1, &ty.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(pool, &ta.t, 1, &tdy.t, &tdx.t, NULL), NNCF_OK);
    memset(want, 0, sizeof want);
    for (int64_t o = 0; o < out[2] * out[3]; o++) {
        const int64_t top = o / out[3] * stride - padding, left = o % out[3] * stride - padding;
        int64_t best = -1;
        for (int64_t i = top < 0 ? 0 : top; i < top + kernel && i < H; i++)
            for (int64_t j = left < 0 ? 0 : left; j < left + kernel && j < W; j++) {
                const int64_t at = i * W + j;
                if (best < 0 ||
                    (is_signed ? (int8_t)codes[at] > (int8_t)codes[best] : codes[at] > codes[best]))
                    best = at;
            }
        ck_assert_uint_eq(maxima[o], codes[best]);
        want[best] += dy[o];
    }
    for (int i = 0; i < N; i++)
        ck_assert(dx[i] == want[i]);
    nncf_compression_ctrl_destroy(ctrl);
    nncf_model_destroy(model);
    fx_release(&first);
    fx_release(&end);
}
END_TEST

/* Between forward and backward, too. */
/* Of a scale that is stated something hangs: codes of another step, or of another layer, would be
 * taken for other values than they have. */
START_TEST(a_stated_scale_must_be_that_of_the_codes)
{
    run r;
    nncf_error err = NNCF_ERROR_INIT;
    make_refusing(&r);
    initialize(&r);
    train_step(&r, 0);
    node *n = &r.node[3];
    nncf_tensor x = view(&r.node[2], false), y = view(n, false), dy = view(n, true);
    ck_assert(x.dtype == NNCF_U8 && x.scale > 0);
    ck_assert_int_eq(nncf_layer_forward(n->layer, &x, 1, &y, NULL), NNCF_OK);
    const float scale = y.scale;
    float *const before = malloc(n->count);
    memcpy(before, y.data, n->count);
    x.scale = nextafterf(x.scale, 1);
    y.scale = 5;
    ck_assert_int_eq(nncf_layer_forward(n->layer, &x, 1, &y, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "n/depthwise: x states scale "));
    ck_assert(y.scale == 5 && memcmp(before, y.data, n->count) == 0);
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, NULL, &err), NNCF_E_ARG);
    x.scale = r.node[2].scale;
    x.zero_point = 1;
    ck_assert_int_eq(nncf_layer_forward(n->layer, &x, 1, &y, &err), NNCF_E_ARG);
    x.zero_point = 0;
    x.scales = &scale;
    ck_assert_int_eq(nncf_layer_forward(n->layer, &x, 1, &y, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "x has scales a channel"));
    x.scales = NULL;
    x.scale = 0; /* not stated */
    x.zero_point = 7;
    ck_assert_int_eq(nncf_layer_forward(n->layer, &x, 1, &y, NULL), NNCF_OK);
    ck_assert(y.scale == scale && memcmp(before, y.data, n->count) == 0);
    /* of floats the members mean nothing, and y says so */
    r.codes = false;
    forward(&r);
    x = view(&r.node[2], false);
    y = view(n, false);
    x.scale = y.scale = 3;
    y.zero_point = 3;
    ck_assert_int_eq(nncf_layer_forward(n->layer, &x, 1, &y, NULL), NNCF_OK);
    ck_assert(y.scale == 0 && y.zero_point == 0);
    free(before);
    drop_run(&r);
}
END_TEST

START_TEST(codes_of_a_controller_that_went_are_rejected)
{
    run r;
    int32_t more;
    make_refusing(&r);
    initialize(&r);
    train_step(&r, 0);
    node *n = &r.node[3];
    nncf_tensor x = view(&r.node[2], false), dy = view(n, true), dx = view(&r.node[2], true);
    nncf_compression_ctrl_destroy(r.ctrl);
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, &dx, NULL), NNCF_E_DTYPE);
    r.ctrl = fx_ctrl(r.model, cases[0].config);
    ck_assert_int_eq(nncf_layer_backward(n->layer, &x, 1, &dy, &dx, NULL), NNCF_E_DTYPE);
    ck_assert_int_eq(forward_as(&r, 3, NNCF_U8, NNCF_F32), NNCF_E_DTYPE);
    ck_assert_int_eq(nncf_compression_ctrl_init_step(r.ctrl, &more, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_get_output_dtype(r.node[1].layer), NNCF_F32);
    ck_assert_int_eq(forward_as(&r, 1, NNCF_F32, NNCF_U8), NNCF_E_DTYPE);
    nncf_compression_ctrl_destroy(r.ctrl);
    r.ctrl = NULL;
    ck_assert_int_eq(forward_as(&r, 3, NNCF_U8, NNCF_F32), NNCF_E_DTYPE);
    ck_assert_int_eq(forward_as(&r, 3, NNCF_F32, NNCF_F32), NNCF_OK);
    drop_run(&r);
}
END_TEST

/* What the query says is what a first step allocates, to the byte; a second one allocates nothing.
 */
START_TEST(memory_query_is_what_a_first_step_allocates)
{
    const int32_t mode = _i % 2 ? NNCF_MODE_EVAL : NNCF_MODE_TRAIN;
    const int which = _i / 2;
    fx_memory c = {0};
    run r;
    nncf_memory m = {NNCF_PARAMS(nncf_memory)}, again = m;
    counter = &c;
    make_run(&r, cases[which].config, true, 1 + which % 3, NNCF_ISA_BEST);
    counter = NULL;
    /* finding the thresholds of magnitude sparsity takes scratch already */
    const size_t threads = (size_t)r.context->params.n_threads;
    const size_t scratch =
        r.context->scratch ? threads * (r.context->scratch_size + 64 + sizeof(void *)) + 64 : 0;
    const size_t before = c.bytes, live = c.live;
    const nncf_tensor x = {.ndim = 4, .shape = r.node[INPUT].shape};
    ck_assert_int_eq(nncf_model_get_memory(r.model, &x, 1, mode, &m, NULL), NNCF_OK);
    ck_assert_uint_eq(c.bytes, before);
    ck_assert_uint_eq(c.live, live);

    ck_assert_int_eq(nncf_model_set_mode(r.model, mode, NULL), NNCF_OK);
    initialize(&r);
    for (int step = 0; step < 3; step++) {
        const size_t calls = c.calls;
        set_input(&r, step);
        forward(&r);
        if (mode == NNCF_MODE_TRAIN)
            backward(&r, false);
        if (step > 0)
            ck_assert_uint_eq(c.calls, calls);
    }
    ck_assert_uint_eq(c.bytes + scratch - before, m.library);
    ck_assert_int_eq(nncf_model_get_memory(r.model, &x, 1, mode, &again, NULL), NNCF_OK);
    ck_assert_mem_eq(&m, &again, sizeof m); /* before and after initialization */

    /* the caller's part, counted by hand */
    uint64_t floats = 0, outputs = 0, parameters = 0;
    for (int i = 1; i < NODES; i++) {
        floats += r.node[i].count * sizeof(float);
        outputs += r.node[i].count * (r.node[i].dtype == NNCF_F32 ? sizeof(float) : 1);
    }
    for (int i = 0; i < BLOCKS; i++) {
        const fx_block *k = &r.block[i];
        parameters += sizeof(float) *
            (2 * k->weights +
                (size_t)k->out_channels * ((k->bias ? 2u : 0u) + (k->batch_norm ? 6u : 0u)));
    }
    ck_assert_uint_eq(m.outputs_as_floats, floats);
    ck_assert_uint_eq(m.outputs, outputs);
    ck_assert_uint_eq(m.parameters, parameters);
    ck_assert_uint_ge(
        m.library, m.activations + m.inputs + m.weights + m.channels + m.work + m.scratch);
    if (mode == NNCF_MODE_TRAIN &&
        cases[which].config) /* z of the blocks and of the two quantized averages */
        ck_assert_uint_eq(m.activations,
            sizeof(float) *
                (r.node[1].count + r.node[3].count + r.node[4].count + r.node[7].count +
                    r.node[8].count + r.node[9].count + r.node[10].count));
    drop_run(&r);
    ck_assert_uint_eq(c.live, 0);
    ck_assert_uint_eq(c.mistakes, 0);
}
END_TEST

/* A host that passes floats on where it might pass codes needs no more than the query says:
 * rounding them on the way may take another way through a depthwise layer. */
START_TEST(memory_query_covers_a_host_that_passes_floats)
{
    const int64_t shapes[4][4] = {{3, 2, 9, 8}, {3, 3, 9, 8}, {3, 3, 5, 4}, {3, 1, 5, 4}};
    for (int32_t isa = NNCF_ISA_REFERENCE; nncf__kernels_get(isa); isa++) {
        fx_block blocks[3] = {{.scope = "a",
                                  .in_channels = 2,
                                  .out_channels = 3,
                                  .batch_norm = true,
                                  .activation = NNCF_ACTIVATION_RELU},
            {.scope = "b",
                .in_channels = 3,
                .out_channels = 3,
                .kernel = {3, 3},
                .stride = {2, 2},
                .padding = {1, 1}},
            {.scope = "c", .in_channels = 3, .out_channels = 1}};
        blocks[1].groups = 3;
        fx_memory c = {0};
        const nncf_context_params p = {
            NNCF_PARAMS(nncf_context_params), .n_threads = 2, .max_isa = isa, FX_MEMORY(&c)};
        nncf_context *context = NULL;
        nncf_model *model;
        nncf_memory m = {NNCF_PARAMS(nncf_memory)};
        fx_tensor t[4];
        uint64_t state = 4;
        int32_t more = 1;
        ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &p, &context, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
        for (int i = 0; i < 4; i++) {
            fx_view(&t[i], fx_alloc(fx_count(shapes[i]), sizeof(float)), 4, shapes[i]);
            fx_fill(t[i].t.data, fx_count(shapes[i]), 1, &state);
        }
        for (int i = 0; i < 3; i++)
            fx_register(model, &blocks[i], i ? blocks[i - 1].layer : NULL, &state);
        nncf_compression_ctrl *ctrl = fx_ctrl(model, FX_CONFIG(FX_INT8));
        ck_assert_int_eq(nncf_model_set_mode(model, NNCF_MODE_EVAL, NULL), NNCF_OK);
        const size_t before = c.bytes;
        ck_assert_int_eq(
            nncf_model_get_memory(model, &t[0].t, 1, NNCF_MODE_EVAL, &m, NULL), NNCF_OK);
        while (more) { /* and once with ranges */
            ck_assert_int_eq(nncf_compression_ctrl_init_step(ctrl, &more, NULL), NNCF_OK);
            for (int i = 0; i < 3; i++)
                ck_assert_int_eq(
                    nncf_layer_forward(blocks[i].layer, &t[i].t, 1, &t[i + 1].t, NULL), NNCF_OK);
        }
        ck_assert_int_eq(nncf_layer_get_output_dtype(blocks[0].layer), NNCF_U8);
        ck_assert_uint_le(c.bytes - before, m.library);
        nncf_compression_ctrl_destroy(ctrl);
        nncf_model_destroy(model);
        nncf_context_destroy(context);
        for (int i = 0; i < 4; i++)
            free(t[i].t.data);
        for (int i = 0; i < 3; i++)
            fx_release(&blocks[i]);
        ck_assert_uint_eq(c.live, 0);
        ck_assert_uint_eq(c.mistakes, 0);
    }
}
END_TEST

START_TEST(memory_query_refuses_wrong_arguments)
{
    run r;
    nncf_memory m = {NNCF_PARAMS(nncf_memory)}, short_one = {.struct_size = 3};
    nncf_error err = NNCF_ERROR_INIT;
    make_run(&r, NULL, false, 1, 0);
    const nncf_tensor good = {.ndim = 4, .shape = r.node[INPUT].shape},
                      small = {.ndim = 4, .shape = (int64_t[]){1, 3, 0, 8}},
                      channels = {.ndim = 4, .shape = (int64_t[]){1, 4, 10, 10}};
    const nncf_tensor odd = {.ndim = 4, .shape = (int64_t[]){1, 3, 1, 1}};
    ck_assert_int_eq(nncf_model_get_memory(NULL, &good, 1, NNCF_MODE_TRAIN, &m, &err), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, NULL, 1, NNCF_MODE_TRAIN, &m, &err), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, &good, 0, NNCF_MODE_TRAIN, &m, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_get_memory(r.model, &good, 1, 7, &m, &err), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, &good, 1, NNCF_MODE_TRAIN, NULL, &err), NNCF_E_ARG);
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, &good, 1, NNCF_MODE_TRAIN, &short_one, &err), NNCF_E_ARG);
    const nncf_tensor surplus[] = {good, good};
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, surplus, 2, NNCF_MODE_TRAIN, &m, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "2 shapes were given") != NULL, "%s", err.message);
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, &small, 1, NNCF_MODE_TRAIN, &m, &err), NNCF_E_SHAPE);
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, &channels, 1, NNCF_MODE_TRAIN, &m, &err), NNCF_E_SHAPE);
    ck_assert_str_eq(err.where, "n/stem");
    ck_assert_int_eq(
        nncf_model_get_memory(r.model, &odd, 1, NNCF_MODE_TRAIN, &m, &err), NNCF_E_SHAPE);
    ck_assert_str_eq(err.where, "n/max"); /* a window of 2 on a plane of 1 */
    ck_assert_int_eq(nncf_model_get_memory(r.model, &good, 1, NNCF_MODE_TRAIN, &m, NULL), NNCF_OK);
    drop_run(&r);
}
END_TEST

/* Batches so large that sums of bytes would wrap: a sum that grows with the batch, then an error.
 */
START_TEST(memory_query_refuses_batches_beyond_size_t)
{
    run r;
    nncf_error err = NNCF_ERROR_INIT;
    uint64_t before = 0;
    make_run(&r, cases[_i].config, false, 2, 0);
    for (int shift = 0; shift < 63; shift++) {
        const int64_t shape[] = {INT64_C(1) << shift, 3, SIDE, SIDE};
        const nncf_tensor x = {.ndim = 4, .shape = shape};
        nncf_memory m = {NNCF_PARAMS(nncf_memory)};
        nncf_status status = nncf_model_get_memory(r.model, &x, 1, NNCF_MODE_TRAIN, &m, &err);
        if (status == NNCF_OK) {
            ck_assert_uint_gt(m.outputs_as_floats, before); /* doubles with the batch */
            ck_assert(before == 0 || m.outputs_as_floats == 2 * before);
            ck_assert_uint_gt(m.library, m.activations);
            before = m.outputs_as_floats;
            continue;
        }
        ck_assert_int_ge(shift, 30); /* a batch of 2^30 is absurd, but counts */
        ck_assert_int_eq(status, NNCF_E_SHAPE);
        ck_assert_msg(strstr(err.message, "more than memory can hold") != NULL, "%s", err.message);
        ck_assert_str_eq(err.where, "n/stem");
        before = UINT64_MAX; /* and never OK again */
    }
    ck_assert(before == UINT64_MAX);
    drop_run(&r);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("codes");
    TCase *tc = fx_case(suite, "codes", 120);
    tcase_add_loop_test(tc, codes_give_the_bits_of_floats, 0, (int)(sizeof cases / sizeof *cases));
    tcase_add_loop_test(tc, a_maximum_of_codes_is_the_first_of_equals, 0, 18);
    tcase_add_test(tc, floats_and_codes_may_be_mixed);
    tcase_add_test(tc, there_are_no_codes_before_initialization);
    tcase_add_test(tc, output_dtype_follows_the_sign_of_the_quantizer);
    tcase_add_test(tc, forward_rejects_codes_of_another_type);
    tcase_add_test(tc, backward_rejects_codes_of_another_type);
    tcase_add_test(tc, codes_are_rejected_when_their_sign_has_changed);
    tcase_add_test(tc, a_stated_scale_must_be_that_of_the_codes);
    tcase_add_test(tc, codes_of_a_controller_that_went_are_rejected);
    tcase_add_loop_test(tc, memory_query_is_what_a_first_step_allocates, 0,
        2 * (int)(sizeof cases / sizeof *cases));
    tcase_add_test(tc, memory_query_covers_a_host_that_passes_floats);
    tcase_add_test(tc, memory_query_refuses_wrong_arguments);
    tcase_add_loop_test(
        tc, memory_query_refuses_batches_beyond_size_t, 0, (int)(sizeof cases / sizeof *cases));
    return fx_main(suite);
}
