/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NNCF_MEMORY_SMALL against NNCF_MEMORY_FAST: outputs, gradients and running statistics have the
 * same bits, and the products of codes take no memory between forward and backward. The fast policy
 * is the path that the other tests hold against oracles. Also batch norm's statistics of codes
 * against exact integers.
 */
#include "codes_net.h"

#include "exec/channels.h"
#include "support/files.h"
#include "support/require.h"

/* ---- a net with every kind of layer ---- */

static const char *const configs[] = {FX_CONFIG(FX_INT8), FX_CONFIG(FX_RB ", " FX_INT8),
    FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 2, "
              "\"type\": \"min_max\"}, \"weights\": {\"per_channel\": true}, \"activations\": "
              "{\"mode\": \"asymmetric\", \"bits\": 4}}"),
    FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 2, "
              "\"type\": \"min_max\"}, \"weights\": {\"mode\": \"asymmetric\"}, \"activations\": "
              "{\"per_channel\": true}}"),
    NULL,
    FX_CONFIG("{\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 2, "
              "\"type\": \"min_max\"}, \"weights\": {\"mode\": \"asymmetric\", "
              "\"per_channel\": true}}"),
    FX_CONFIG(FX_RB ", {\"algorithm\": \"quantization\", \"initializer\": {\"num_init_steps\": 2, "
                    "\"type\": \"min_max\"}, \"weights\": {\"mode\": \"asymmetric\", \"bits\": "
                    "5}, \"activations\": {\"mode\": \"asymmetric\"}}")};

/* Of `configs`: codes of weights around 0; with zero points; around 0, since they are short. */
enum { SIGNED = 0, ASYMMETRIC = 5, SHORT = 6 };

static void set_policy(nncf_model *model, int32_t policy)
{
    ck_assert_int_eq(nncf_model_set_memory_policy(model, policy, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_get_memory_policy(model), policy);
}

/* All weights and what the controller trains, as a snapshot's bytes. */
static char *snapshot_of(const run *r, const char *name, size_t *size)
{
    nncf_checkpoint_tensor tensors[BLOCKS];
    int64_t counts[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        counts[i] = (int64_t)r->block[i].weights;
        tensors[i] = (nncf_checkpoint_tensor){.name = r->block[i].scope,
            .tensor = {.data = r->block[i].w, .ndim = 1, .shape = &counts[i]}};
    }
    ck_assert_int_eq(
        nncf_checkpoint_save(r->ctrl, fx_path(name), tensors, BLOCKS, NULL, NULL), NNCF_OK);
    return fx_read_file(fx_path(name), size);
}

START_TEST(training_has_the_same_bits)
{
    const size_t n = sizeof configs / sizeof *configs;
    const int32_t isa = (size_t)_i < n ? NNCF_ISA_BEST : NNCF_ISA_AVX2;
    run fast, small;
    make_run(&fast, configs[(size_t)_i % n], false, 1, isa);
    if (_i % 2) /* a config is once at an odd place and once at an even one */
        setenv("NNCF_DISABLE_INT8", "1", 1);
    ck_assert_uint_eq(n % 2, 1);
    make_run(&small, configs[(size_t)_i % n], true, 1 + _i % 4, isa);
    set_policy(small.model, NNCF_MEMORY_SMALL);
    initialize(&fast);
    initialize(&small);
    for (int step = 0; step < 4; step++) {
        train_step(&fast, step);
        train_step(&small, step);
        same_runs(&fast, &small, true);
        update(&fast);
        update(&small);
    }
    size_t sizes[2];
    char *files[2] = {
        snapshot_of(&fast, "fast", &sizes[0]), snapshot_of(&small, "small", &sizes[1])};
    ck_assert_uint_eq(sizes[0], sizes[1]);
    ck_assert(memcmp(files[0], files[1], sizes[0]) == 0);
    free(files[0]);
    free(files[1]);
    set_policy(small.model, NNCF_MEMORY_FAST); /* in the middle of a training */
    train_step(&fast, 4);
    train_step(&small, 4);
    same_runs(&fast, &small, true);
    drop_run(&fast);
    drop_run(&small);
}
END_TEST

/* ---- single blocks of many shapes ---- */

typedef struct shape {
    int64_t n, c_in, c_out, h, w;
    int32_t kernel, stride, padding, dilation, groups, activation;
    bool bias;
} shape;

/* Around tiles of 32 pixels and 12 channels, spans of 1024 pixels, planes that are joined (below
 * 100 pixels) and not; quads of four channels. */
static const shape shapes[] = {
    {2, 8, 12, 8, 8, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU6, false},
    {3, 5, 13, 5, 7, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU, true},
    {16, 9, 25, 7, 7, 1, 1, 0, 1, 1, NNCF_ACTIVATION_NONE, false},
    {11, 3, 1, 7, 7, 3, 1, 1, 1, 1, NNCF_ACTIVATION_RELU6, true},
    {2, 16, 24, 33, 33, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU6, true},
    {3, 7, 11, 45, 46, 3, 1, 1, 1, 1, NNCF_ACTIVATION_RELU, false},
    {2, 16, 20, 40, 40, 3, 2, 1, 1, 1, NNCF_ACTIVATION_RELU6, true},
    {2, 3, 10, 66, 66, 3, 2, 1, 1, 1, NNCF_ACTIVATION_RELU6, false},
    {4, 12, 26, 14, 14, 3, 1, 2, 2, 2, NNCF_ACTIVATION_NONE, true},
    {5, 20, 15, 10, 10, 1, 2, 0, 1, 5, NNCF_ACTIVATION_RELU, false},
    {600, 4, 5, 1, 1, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU, true},
    {1, 6, 40, 100, 1, 1, 1, 0, 1, 1, NNCF_ACTIVATION_NONE, false},
    {1, 6, 7, 99, 1, 3, 1, 1, 1, 1, NNCF_ACTIVATION_NONE, true},
    {2, 600, 3, 6, 6, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU6, false}, /* sums beyond 2^24 */
    {7, 4, 13, 12, 12, 5, 1, 2, 1, 1, NNCF_ACTIVATION_RELU6, false},
    {3, 24, 61, 14, 14, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU6, true},
    {1, 4, 26, 240, 240, 1, 1, 0, 1, 1, NNCF_ACTIVATION_RELU6, false}, /* z not kept by a thread */
    {4, 20, 20, 7, 7, 3, 1, 1, 1, 20, NNCF_ACTIVATION_RELU6, false}, /* depthwise from here on */
    {2, 17, 17, 12, 12, 3, 1, 1, 1, 17, NNCF_ACTIVATION_RELU, true},
    {3, 5, 5, 31, 30, 3, 2, 1, 1, 5, NNCF_ACTIVATION_RELU6, false},
    {2, 6, 6, 45, 41, 5, 1, 4, 2, 6, NNCF_ACTIVATION_NONE, false},
    {1, 3, 3, 120, 96, 3, 1, 1, 1, 3, NNCF_ACTIVATION_RELU6, true},
    {5, 40, 40, 5, 3, 2, 1, 0, 1, 40, NNCF_ACTIVATION_NONE, false},
};

typedef struct rig {
    nncf_context *context;
    nncf_model *model;
    nncf_compression_ctrl *ctrl;
    fx_block k;
    int64_t in[4], out[4];
    float *x, *dx, *dy;
    void *y;
    float range[4];
    bool again;
} rig;

static nncf_tensor tensor(void *data, const int64_t *s, int32_t dtype)
{
    return (nncf_tensor){.data = data, .ndim = 4, .shape = s, .dtype = dtype};
}

/* The block reads the model's input: its quantizer makes the codes. */
static void open_rig(
    rig *r, const shape *s, const nncf_context_params *p, int32_t policy, const char *config)
{
    uint64_t state = 3;
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, p, &r->context, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_create(r->context, &r->model, NULL), NNCF_OK);
    set_policy(r->model, policy);
    r->k = (fx_block){.scope = "n/Conv2d[a]",
        .in_channels = s->c_in,
        .out_channels = s->c_out,
        .kernel = {s->kernel, s->kernel},
        .stride = {s->stride, s->stride},
        .padding = {s->padding, s->padding},
        .dilation = {s->dilation, s->dilation},
        .groups = s->groups,
        .activation = s->activation,
        .batch_norm = true,
        .bias = s->bias};
    fx_register(r->model, &r->k, NULL, &state);
    fx_block next = {.scope = "n/Conv2d[b]", .in_channels = s->c_out, .out_channels = 1};
    fx_register(r->model, &next, r->k.layer, &state); /* so that the output is quantized */
    const int64_t in[4] = {s->n, s->c_in, s->h, s->w};
    memcpy(r->in, in, sizeof in);
    fx_output_shape(&r->k, in, r->out);
    r->x = fx_alloc(fx_count(in), sizeof(float));
    r->dx = fx_alloc(fx_count(in), sizeof(float));
    r->y = fx_alloc(fx_count(r->out), sizeof(float));
    r->dy = fx_alloc(fx_count(r->out), sizeof(float));
    fx_fill(r->x, fx_count(in), 2, &state);
    fx_fill(r->dy, fx_count(r->out), 1, &state);
    r->ctrl = fx_ctrl(r->model, config);
    nncf_tensor x = tensor(r->x, r->in, NNCF_F32), y = tensor(r->y, r->out, NNCF_F32), y2 = y;
    int64_t last[4] = {r->out[0], 1, r->out[2], r->out[3]};
    float *z = fx_alloc(fx_count(last), sizeof *z);
    nncf_tensor end = tensor(z, last, NNCF_F32);
    for (int32_t more = 1; more;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(r->ctrl, &more, NULL), NNCF_OK);
        if (!more)
            break;
        ck_assert_int_eq(nncf_layer_forward(r->k.layer, &x, 1, &y, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(next.layer, &y2, 1, &end, NULL), NNCF_OK);
    }
    free(z);
    fx_release(&next);
}

static void close_rig(rig *r)
{
    nncf_compression_ctrl_destroy(r->ctrl);
    nncf_model_destroy(r->model);
    nncf_context_destroy(r->context);
    fx_release(&r->k);
    free(r->x);
    free(r->dx);
    free(r->dy);
    free(r->y);
}

static int32_t step(rig *r, bool codes)
{
    const int32_t dtype = codes ? nncf_layer_get_output_dtype(r->k.layer) : NNCF_F32;
    nncf_tensor x = tensor(r->x, r->in, NNCF_F32), y = tensor(r->y, r->out, dtype),
                dy = tensor(r->dy, r->out, NNCF_F32), dx = tensor(r->dx, r->in, NNCF_F32);
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_msg(nncf_layer_forward(r->k.layer, &x, 1, &y, &err) == NNCF_OK, "%s", err.message);
    fx_zero_grad(&r->k);
    nncf_compression_ctrl_zero_grad(r->ctrl, NULL);
    fx_loss(r->ctrl);
    ck_assert_msg(
        nncf_layer_backward(r->k.layer, &x, 1, &dy, &dx, &err) == NNCF_OK, "%s", err.message);
    r->again = r->k.layer->blocks[NNCF_MODE_TRAIN].makes_z_again;
    return dtype;
}

static void same_rigs(const rig *a, const rig *b, int32_t dtype, bool gradients)
{
    const size_t c = (size_t)a->k.out_channels, y = fx_count(a->out);
    ck_assert(memcmp(a->y, b->y, y * (dtype == NNCF_F32 ? sizeof(float) : 1)) == 0);
    same("running mean", 0, a->k.mean, b->k.mean, c);
    same("running variance", 0, a->k.var, b->k.var, c);
    if (!gradients)
        return;
    same("gradient of output", 0, a->dy, b->dy, y);
    same("gradient of input", 0, a->dx, b->dx, fx_count(a->in));
    same("weight gradient", 0, a->k.dw, b->k.dw, a->k.weights);
    same("bias gradient", 0, a->k.db, b->k.db, a->k.bias ? c : 0);
    same("gamma gradient", 0, a->k.dgamma, b->k.dgamma, c);
    same("beta gradient", 0, a->k.dbeta, b->k.dbeta, c);
    nncf_parameter p = {NNCF_PARAMS(nncf_parameter)}, q = {NNCF_PARAMS(nncf_parameter)};
    for (size_t i = 0; nncf_compression_ctrl_get_parameter(a->ctrl, i, &p, NULL) == NNCF_OK; i++) {
        ck_assert_int_eq(nncf_compression_ctrl_get_parameter(b->ctrl, i, &q, NULL), NNCF_OK);
        same(p.name, (int)i, p.grad, q.grad, p.count);
    }
}

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Each policy with 1 to 4 threads, integer kernels on and off. */
START_TEST(blocks_have_the_same_bits)
{
    const int of[] = {_i / 3 % 2 ? SIGNED : 2, ASYMMETRIC, _i / 3 % 2 ? SHORT : SIGNED};
    const shape *s = &shapes[_i / 3];
    const char *config = configs[of[_i % 3]];
    nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = 1, .seed = 5};
    rig fast;
    open_rig(&fast, s, &p, NNCF_MEMORY_FAST, config);
    const int32_t dtype = step(&fast, true);
    ck_assert(dtype != NNCF_F32 && !fast.again);
    for (int32_t threads = 1; threads <= 4; threads += sweep_rounds(1, 3))
        for (int32_t off = 0; off < 2; off++) {
            rig small;
            p.n_threads = threads;
            p.disable_int8 = off;
            open_rig(&small, s, &p, NNCF_MEMORY_SMALL, config);
            ck_assert_int_eq(step(&small, true), dtype);
            ck_assert_int_eq(
                small.again, s->groups == s->c_in || (!off && small.context->int8 != NULL));
            ck_assert(small.again == (small.k.layer->now.z.capacity == 0));
            same_rigs(&fast, &small, dtype, true);
            close_rig(&small);
        }
    close_rig(&fast);
}
END_TEST

/* The constants and running statistics of batch norm, on all ISAs; ranges of the output, which come
 * from products of floats, are not the same. */
START_TEST(statistics_have_the_same_bits_on_every_isa)
{
    const shape *s = &shapes[_i];
    const size_t c = (size_t)s->c_out;
    nncf_context_params p = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, .seed = 5, .max_isa = NNCF_ISA_BEST};
    rig best;
    const char *config = configs[_i % 2 ? ASYMMETRIC : SIGNED];
    open_rig(&best, s, &p, NNCF_MEMORY_SMALL, config);
    step(&best, true);
    for (int32_t isa = NNCF_ISA_REFERENCE; nncf__kernels_get(isa); isa++)
        for (int32_t policy = NNCF_MEMORY_FAST; policy <= NNCF_MEMORY_SMALL; policy++) {
            rig r;
            p.max_isa = isa;
            p.n_threads = 2 + policy;
            open_rig(&r, s, &p, policy, config);
            step(&r, policy == NNCF_MEMORY_SMALL);
            same("running mean", 0, best.k.mean, r.k.mean, c);
            same("running variance", 0, best.k.var, r.k.var, c);
            same("scale", 0, nncf__channels_of(best.k.layer).scale,
                nncf__channels_of(r.k.layer).scale, c);
            same("shift", 0, nncf__channels_of(best.k.layer).shift,
                nncf__channels_of(r.k.layer).shift, c);
            close_rig(&r);
        }
    close_rig(&best);
}
END_TEST

/* Mean and variance of a batch in plain integers, from the codes that the layer kept. */
START_TEST(statistics_are_those_of_exact_sums)
{
    const int of[] = {_i / 2 % 2 ? SHORT : SIGNED, ASYMMETRIC};
    const shape *s = &shapes[_i / 2];
    const nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = 2, .seed = 5};
    rig r;
    open_rig(&r, s, &p, NNCF_MEMORY_SMALL, configs[of[_i % 2]]);
    float before[2][64];
    memcpy(before[0], r.k.mean, (size_t)s->c_out * sizeof(float));
    memcpy(before[1], r.k.var, (size_t)s->c_out * sizeof(float));
    step(&r, true);
    const nncf__block *b = &r.k.layer->blocks[NNCF_MODE_TRAIN];
    ck_assert(b->conv.only_sums);
    const uint8_t *x = r.k.layer->now.xq.data;
    const float *scales = r.k.layer->now.wq.data;
    const int32_t *zeros = (const int32_t *)(const void *)(scales + b->weight.n_scales);
    const bool has_zeros = of[_i % 2] == ASYMMETRIC;
    ck_assert_int_eq(has_zeros, b->weight.zero_point != NULL);
    const int8_t *w = (const int8_t *)(zeros + (has_zeros ? b->weight.n_scales : 0));
    const int64_t group = s->c_in / s->groups,
                  zero = b->used_x.zero_point ? *b->used_x.zero_point : 0;
    for (int64_t c = 0; c < s->c_out; c++) {
        int64_t sum = 0;
        double squares = 0, count = (double)(r.out[0] * r.out[2] * r.out[3]);
        for (int64_t i = 0; i < r.out[0] * r.out[2] * r.out[3]; i++) {
            const int64_t ox = i % r.out[3], oy = i / r.out[3] % r.out[2],
                          n = i / (r.out[2] * r.out[3]);
            int64_t z = 0;
            for (int64_t k = 0; k < group * s->kernel * s->kernel; k++) {
                const int64_t ch = c / (s->c_out / s->groups) * group + k / s->kernel / s->kernel,
                              y = oy * s->stride - s->padding +
                    k / s->kernel % s->kernel * s->dilation,
                              xx = ox * s->stride - s->padding + k % s->kernel * s->dilation;
                if (y < 0 || y >= s->h || xx < 0 || xx >= s->w)
                    continue;
                const size_t at = (size_t)(((n * s->c_in + ch) * s->h + y) * s->w + xx);
                const int64_t code = b->used_x.dtype == NNCF_S8 ? (int8_t)x[at] : x[at];
                z += (code - zero) *
                    (w[c * group * s->kernel * s->kernel + k] - (has_zeros ? zeros[c] : 0));
            }
            sum += z;
            squares += (double)(z * z);
        }
        const double unit = (double)b->used_x.scale[0] *
            (double)scales[b->weight.n_scales > 1 ? c : 0],
                     mean = (double)sum / count,
                     var = (squares / count - mean * mean) * unit * unit,
                     bias = s->bias ? (double)r.k.b[c] : 0;
        ck_assert_double_eq_tol((double)r.k.mean[c],
            0.9 * (double)before[0][c] + 0.1 * (mean * unit + bias),
            1e-6 * (1 + fabs(mean * unit)));
        ck_assert_double_eq_tol((double)r.k.var[c],
            0.9 * (double)before[1][c] + 0.1 * var * count / (count - 1), 1e-6 * (1 + var));
    }
    close_rig(&r);
}
END_TEST

/* ---- the calls ---- */

START_TEST(policy_must_be_one)
{
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = fx_new_context(NULL, 1, 0, 1);
    nncf_model *model;
    ck_assert_int_eq(nncf_model_create(context, &model, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_model_get_memory_policy(model), NNCF_MEMORY_FAST);
    ck_assert_int_eq(nncf_model_get_memory_policy(NULL), -1);
    ck_assert_int_eq(nncf_model_set_memory_policy(NULL, NNCF_MEMORY_FAST, &err), NNCF_E_ARG);
    ck_assert_int_eq(nncf_model_set_memory_policy(model, 2, &err), NNCF_E_ARG);
    ck_assert_ptr_nonnull(strstr(err.message, "NNCF_MEMORY_"));
    ck_assert_int_eq(nncf_model_get_memory_policy(model), NNCF_MEMORY_FAST);
    nncf_model_destroy(model);
    nncf_context_destroy(context);
}
END_TEST

/* Backward reads what forward kept, or makes it again: another policy in between voids it. */
START_TEST(another_policy_needs_another_forward)
{
    const nncf_context_params p = {NNCF_PARAMS(nncf_context_params), .n_threads = 1, .seed = 5};
    rig r;
    open_rig(&r, &shapes[0], &p, NNCF_MEMORY_FAST, configs[0]);
    nncf_tensor x = tensor(r.x, r.in, NNCF_F32), y = tensor(r.y, r.out, NNCF_F32),
                dy = tensor(r.dy, r.out, NNCF_F32), dx = tensor(r.dx, r.in, NNCF_F32);
    ck_assert_int_eq(nncf_layer_forward(r.k.layer, &x, 1, &y, NULL), NNCF_OK);
    set_policy(r.model, NNCF_MEMORY_FAST); /* the same */
    ck_assert_int_eq(nncf_layer_backward(r.k.layer, &x, 1, &dy, &dx, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(r.k.layer, &x, 1, &y, NULL), NNCF_OK);
    set_policy(r.model, NNCF_MEMORY_SMALL);
    ck_assert_int_eq(nncf_layer_backward(r.k.layer, &x, 1, &dy, &dx, NULL), NNCF_E_STATE);
    ck_assert_int_eq(nncf_layer_forward(r.k.layer, &x, 1, &y, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_backward(r.k.layer, &x, 1, &dy, &dx, NULL), NNCF_OK);
    close_rig(&r);
}
END_TEST

/* ---- a budget of bytes ---- */

static nncf_memory memory_of(run *r)
{
    nncf_memory m = {NNCF_PARAMS(nncf_memory)};
    const nncf_tensor x = view(&r->node[INPUT], false);
    ck_assert_int_eq(nncf_model_get_memory(r->model, &x, 1, NNCF_MODE_TRAIN, &m, NULL), NNCF_OK);
    return m;
}

static nncf_status set_budget(run *r, uint64_t bytes, nncf_error *err)
{
    const nncf_tensor x = view(&r->node[INPUT], false);
    return nncf_model_set_memory_budget(r->model, &x, 1, bytes, err);
}

START_TEST(a_budget_is_kept_and_changes_no_bits)
{
    run fast, r;
    make_run(&fast, configs[0], false, 1, NNCF_ISA_BEST);
    make_run(&r, configs[0], true, 2, NNCF_ISA_BEST);
    initialize(&fast);
    initialize(&r);
    const nncf_memory all = memory_of(&r);
    set_policy(r.model, NNCF_MEMORY_SMALL);
    const nncf_memory least = memory_of(&r);
    ck_assert_uint_lt(least.library, all.library);
    uint64_t kept = all.activations;
    for (int i = 0; i <= 8; i++) {
        const uint64_t bytes = all.library - (all.library - least.library) * (uint64_t)i / 8;
        ck_assert_int_eq(set_budget(&r, bytes, NULL), NNCF_OK);
        const nncf_memory m = memory_of(&r);
        ck_assert_uint_le(m.library, bytes);
        /* a smaller budget never keeps more, and as much as can be kept is */
        ck_assert_uint_le(m.activations, kept);
        kept = m.activations;
        if (i == 0)
            ck_assert_uint_eq(m.activations, all.activations);
        train_step(&fast, i);
        train_step(&r, i);
        same_runs(&fast, &r, true);
        update(&fast);
        update(&r);
    }
    ck_assert_uint_eq(kept, least.activations);
    drop_run(&fast);
    drop_run(&r);
}
END_TEST

START_TEST(a_budget_begins_with_the_shortest_products)
{
    run r;
    make_run(&r, configs[0], true, 1, NNCF_ISA_BEST);
    initialize(&r);
    ck_assert_int_eq(set_budget(&r, memory_of(&r).library - 1, NULL), NNCF_OK);
    int n_small = 0;
    for (int i = 0; i < BLOCKS; i++)
        for (int j = 0; j < BLOCKS; j++) {
            const fx_block *a = &r.block[i], *b = &r.block[j];
            if (a->layer->memory != NNCF_MEMORY_SMALL || b->layer->memory != NNCF_MEMORY_FAST)
                continue;
            n_small++;
            ck_assert_int_lt((int64_t)a->weights / a->out_channels, /* of an output channel */
                (int64_t)b->weights / b->out_channels);
        }
    ck_assert_int_gt(n_small, 0);
    drop_run(&r);
}
END_TEST

START_TEST(a_budget_that_is_too_small_changes_nothing)
{
    run r;
    nncf_error err = NNCF_ERROR_INIT;
    char number[32];
    make_run(&r, configs[0], true, 1, NNCF_ISA_BEST);
    initialize(&r);
    set_policy(r.model, NNCF_MEMORY_SMALL);
    const nncf_memory least = memory_of(&r);
    train_step(&r, 0);
    ck_assert_int_eq(set_budget(&r, 1, &err), NNCF_E_LIMIT);
    snprintf(number, sizeof number, "%llu", (unsigned long long)least.library);
    ck_assert_msg(strstr(err.message, number), "%s", err.message);
    ck_assert_uint_eq(memory_of(&r).library, least.library);
    ck_assert_int_eq(nncf_model_get_memory_policy(r.model), NNCF_MEMORY_SMALL);
    const int64_t ones[4] = {1, 1, 1, 1};
    const nncf_tensor wrong = {.ndim = 4, .shape = (int64_t *)ones};
    ck_assert_int_eq(
        nncf_model_set_memory_budget(r.model, &wrong, 1, least.library, &err), NNCF_E_SHAPE);
    ck_assert_uint_eq(memory_of(&r).library, least.library);
    drop_run(&r);
}
END_TEST

/* Its words have rows, which need not be channels. */
START_TEST(a_budget_for_an_embedding_of_the_host_is_refused)
{
    static const int64_t weight_shape[2] = {3, 4}, words[2] = {2, 5};
    float w[12] = {0};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_model *model;
    nncf_layer *layer;
    const nncf_op_params p = {NNCF_PARAMS(nncf_op_params), .op = NNCF_OP_EMBEDDING,
        .scope = "Net/Embedding[a]", .weight = w, .weight_shape = weight_shape, .weight_ndim = 2};
    const nncf_tensor x = {.dtype = NNCF_I32, .ndim = 2, .shape = words};
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    ck_assert_msg(nncf_model_add_op(model, &p, &layer, &err) == NNCF_OK, "%s", err.message);
    ck_assert_int_eq(nncf_model_set_memory_budget(model, &x, 1, 1 << 20, &err), NNCF_E_UNSUPPORTED);
    nncf_model_destroy(model);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory_policy");
    TCase *tc = fx_case(suite, "policies", 120);
    tcase_add_checked_fixture(tc, fx_folder_make, fx_folder_remove);
    tcase_add_loop_test(
        tc, training_has_the_same_bits, 0, 2 * (int)(sizeof configs / sizeof *configs));
    tcase_add_loop_test(tc, blocks_have_the_same_bits, 0, 3 * SHAPES);
    tcase_add_loop_test(tc, statistics_have_the_same_bits_on_every_isa, 0, SHAPES);
    tcase_add_loop_test(tc, statistics_are_those_of_exact_sums, 0, 2 * SHAPES);
    tcase_add_test(tc, a_budget_is_kept_and_changes_no_bits);
    tcase_add_test(tc, a_budget_begins_with_the_shortest_products);
    tcase_add_test(tc, a_budget_that_is_too_small_changes_nothing);
    tcase_add_test(tc, a_budget_for_an_embedding_of_the_host_is_refused);
    tcase_add_test(tc, policy_must_be_one);
    tcase_add_test(tc, another_policy_needs_another_forward);
    return fx_main(suite);
}
