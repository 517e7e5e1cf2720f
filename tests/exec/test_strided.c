/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Activations that lie channels last, or in any other order, against the same call in C order, bit
 * by bit. The arrays are permuted here, element by element, by their strides: a library that reads
 * them as if they were in C order reads other pixels.
 */
#include "support/fixture.h"
#include "support/pass.h"

enum { MOST = 4096 };

/* (N,C,H,W) of the sizes of `shape` in the order that `order` says, outermost first. */
static void strides_of(const int64_t shape[4], const int order[4], int64_t strides[4])
{
    int64_t stride = 1;
    for (int i = 3; i >= 0; i--) {
        strides[order[i]] = stride;
        stride *= shape[order[i]];
    }
}

static const int orders[][4] = {{0, 2, 3, 1}, {3, 2, 1, 0}, {1, 0, 2, 3}, {0, 1, 3, 2}};
enum { ORDERS = sizeof orders / sizeof *orders };

/* Element i in C order. */
static size_t place_of(size_t i, const int64_t shape[4], const int64_t strides[4])
{
    size_t at = 0;
    for (int d = 3; d >= 0; d--) {
        at += i % (size_t)shape[d] * (size_t)strides[d];
        i /= (size_t)shape[d];
    }
    return at;
}

static void permute(const void *from, void *to, size_t size, const int64_t shape[4],
    const int64_t strides[4], bool back)
{
    for (size_t i = 0; i < fx_count(shape); i++) {
        const size_t at = place_of(i, shape, strides) * size;
        memcpy(
            (char *)to + (back ? i * size : at), (const char *)from + (back ? at : i * size), size);
    }
}

/* The same as `t`, whose elements are permuted into `data`. */
static nncf_tensor reordered(const nncf_tensor *t, void *data, const int64_t strides[4])
{
    nncf_tensor made = *t;
    made.strides = strides;
    made.data = data;
    permute(t->data, data, t->dtype == NNCF_F32 ? 4 : 1, t->shape, strides, false);
    return made;
}

static void check_equal(const nncf_tensor *want, const nncf_tensor *got)
{
    static float back[MOST];
    const size_t size = want->dtype == NNCF_F32 ? 4 : 1;
    permute(got->data, back, size, want->shape, got->strides, true);
    ck_assert_mem_eq(want->data, back, fx_count(want->shape) * size);
    ck_assert(want->scale == got->scale && want->zero_point == got->zero_point);
}

/* ---- a net of a convolution and one that reads it ---- */

static const int64_t in[4] = {3, 4, 6, 5};
static const fx_block blocks[] = {
    {.scope = "N/Conv2d[a]",
        .in_channels = 4,
        .out_channels = 8,
        .kernel = {3, 3},
        .padding = {1, 1},
        .batch_norm = true,
        .activation = NNCF_ACTIVATION_RELU},
    {.scope = "N/Conv2d[a]",
        .in_channels = 4,
        .out_channels = 4,
        .groups = 4,
        .kernel = {3, 3},
        .batch_norm = true,
        .activation = NNCF_ACTIVATION_SILU},
    {.scope = "N/Conv2d[a]", .in_channels = 4, .out_channels = 6, .bias = true},
};
static const fx_block readers[] = {{.scope = "N/Conv2d[b]", .in_channels = 8, .out_channels = 3},
    {.scope = "N/Conv2d[b]", .in_channels = 4, .out_channels = 3},
    {.scope = "N/Conv2d[b]", .in_channels = 6, .out_channels = 3}};

static void make(fx_pass *p, int i)
{
    int32_t more = 1;
    fx_pass_make(p, &blocks[i], in, &readers[i], FX_CONFIG(FX_RB "," FX_INT8),
        fx_new_context(NULL, 2, 0, 11), 3);
    for (;;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(p->ctrl, &more, NULL), NNCF_OK);
        if (!more)
            return;
        fx_pass_forward(p);
        ck_assert_int_eq(
            nncf_layer_forward(p->next.layer, &p->ty.t, 1, &p->tafter.t, NULL), NNCF_OK);
    }
}

/* Floats or codes between the two layers; dx written or added to. */
static void step(int block, int order, bool codes, bool adds)
{
    static float x[MOST], y[MOST], dy[MOST], dx[MOST];
    static uint8_t bytes[2][MOST];
    int64_t of_in[4], of_out[4];
    fx_pass a, b;
    make(&a, block);
    make(&b, block);
    strides_of(in, orders[order], of_in);
    strides_of(a.out, orders[order], of_out);
    nncf_tensor want = a.ty.t, got;
    if (codes) {
        want.dtype = nncf_layer_get_output_dtype(a.k.layer);
        ck_assert(want.dtype != NNCF_F32);
        want.data = bytes[0];
    }
    got = reordered(&want, codes ? (void *)bytes[1] : (void *)y, of_out);
    nncf_tensor tx = reordered(&b.tx.t, x, of_in);
    nncf_error err = NNCF_ERROR_INIT;
    ck_assert_int_eq(nncf_layer_forward(a.k.layer, &a.tx.t, 1, &want, NULL), NNCF_OK);
    ck_assert_msg(nncf_layer_forward(b.k.layer, &tx, 1, &got, &err) == NNCF_OK, "%s", err.message);
    check_equal(&want, &got);
    /* the next layer reads what was written, codes with their scale */
    ck_assert_int_eq(nncf_layer_forward(a.next.layer, &want, 1, &a.tafter.t, NULL), NNCF_OK);
    ck_assert_int_eq(nncf_layer_forward(b.next.layer, &got, 1, &b.tafter.t, NULL), NNCF_OK);
    ck_assert_mem_eq(a.after, b.after, fx_count(b.tafter.shape) * sizeof *a.after);

    for (size_t i = 0; i < fx_count(in); i++)
        a.dx[i] = b.dx[i] = (float)i;
    if (adds) {
        ck_assert_int_eq(
            nncf_model_set_gradient_flags(a.model, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
        ck_assert_int_eq(
            nncf_model_set_gradient_flags(b.model, NNCF_GRADIENT_ADD_DX, NULL), NNCF_OK);
    }
    memcpy(a.dy, a.r, fx_count(a.out) * sizeof(float));
    memcpy(b.dy, b.r, fx_count(b.out) * sizeof(float));
    nncf_tensor tdy = reordered(&b.tdy.t, dy, of_out), tdx = reordered(&b.tdx.t, dx, of_in);
    ck_assert_int_eq(nncf_layer_backward(a.k.layer, &a.tx.t, 1, &a.tdy.t, &a.tdx.t, NULL), NNCF_OK);
    ck_assert_msg(
        nncf_layer_backward(b.k.layer, &tx, 1, &tdy, &tdx, &err) == NNCF_OK, "%s", err.message);
    check_equal(&a.tdx.t, &tdx);
    ck_assert_mem_eq(a.k.dw, b.k.dw, a.k.weights * sizeof *a.k.dw);
    fx_pass_free(&a);
    fx_pass_free(&b);
}

START_TEST(layers_compute_the_same_in_every_order)
{
    for (int order = 0; order < ORDERS; order++)
        for (int codes = 0; codes < 2; codes++)
            step(_i, order, codes, order % 2);
}
END_TEST

/* ---- layers of two inputs, and of other shapes ---- */

START_TEST(inputs_may_be_of_different_orders)
{
    static float data[8][MOST];
    static const int64_t shape[4] = {2, 3, 4, 5}, joined[4] = {2, 6, 4, 5};
    int64_t a[4], b[4], of_y[4];
    uint64_t state = 2;
    nncf_model *model;
    nncf_layer *sum, *cat;
    ck_assert_int_eq(nncf_model_create(NULL, &model, NULL), NNCF_OK);
    const nncf_sum_params s = {NNCF_PARAMS(nncf_sum_params), .scope = "N/sum"};
    ck_assert_int_eq(nncf_model_add_sum(model, &s, &sum, NULL), NNCF_OK);
    nncf_layer *twice[2] = {sum, sum};
    const nncf_concat_params c = {
        NNCF_PARAMS(nncf_concat_params), .scope = "N/cat", .inputs = twice, .n_inputs = 2};
    ck_assert_int_eq(nncf_model_add_concat(model, &c, &cat, NULL), NNCF_OK);
    for (int i = 0; i < 2; i++)
        fx_fill(data[i], MOST, 1, &state);
    strides_of(shape, orders[0], a);
    strides_of(shape, orders[1], b);
    for (int i = 0; i < 2; i++) {
        const int64_t *out = i ? joined : shape;
        strides_of(out, orders[0], of_y);
        const nncf_tensor plain[2] = {{.data = data[0], .ndim = 4, .shape = shape},
            {.data = data[1], .ndim = 4, .shape = shape}};
        nncf_tensor want = {.data = data[2], .ndim = 4, .shape = out};
        const nncf_tensor x[2] = {
            reordered(&plain[0], data[3], a), reordered(&plain[1], data[4], b)};
        nncf_tensor got = reordered(&want, data[5], of_y);
        ck_assert_int_eq(nncf_layer_forward(i ? cat : sum, plain, 2, &want, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(i ? cat : sum, x, 2, &got, NULL), NNCF_OK);
        check_equal(&want, &got);
    }
    nncf_model_destroy(model);
}
END_TEST

/* A matrix whose columns lie one after the other, as in Fortran. */
START_TEST(a_linear_layer_reads_columns)
{
    static const fx_block linear = {
        .scope = "N/Linear[a]", .in_channels = 6, .out_channels = 5, .linear = true};
    static const int64_t rows[4] = {8, 6, 1, 1};
    float x[48], y[40];
    static const int64_t of_x[2] = {1, 8}, of_y[2] = {1, 8};
    fx_pass p;
    fx_pass_make(&p, &linear, rows, NULL, NULL, fx_new_context(NULL, 1, 0, 1), 3);
    fx_pass_forward(&p);
    for (size_t i = 0; i < 48; i++)
        x[i % 6 * 8 + i / 6] = p.x[i];
    const nncf_tensor tx = {.data = x, .ndim = 2, .shape = rows, .strides = of_x};
    nncf_tensor ty = {.data = y, .ndim = 2, .shape = p.ty.shape, .strides = of_y};
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &ty, NULL), NNCF_OK);
    for (size_t i = 0; i < 40; i++)
        ck_assert(y[i % 5 * 8 + i / 5] == p.y[i]);
    fx_pass_free(&p);
}
END_TEST

/* ---- kernels of the host ---- */

#define PER_CHANNEL                                                                                \
    FX_CONFIG("{\"algorithm\": \"quantization\", \"activations\": {\"per_channel\": true}, "       \
              "\"initializer\": {\"num_init_steps\": 1, \"type\": \"min_max\"}}")

/* A range for each channel, in place and not. */
START_TEST(quantizers_of_a_host_find_its_channels)
{
    static float data[5][MOST];
    int64_t strides[4];
    int32_t more = 1;
    uint64_t state = 6;
    fx_pass p;
    fx_pass_make(&p, &blocks[2], in, &readers[2], PER_CHANNEL, fx_new_context(NULL, 2, 0, 11), 3);
    strides_of(in, orders[0], strides);
    for (;;) {
        ck_assert_int_eq(nncf_compression_ctrl_init_step(p.ctrl, &more, NULL), NNCF_OK);
        if (!more)
            break;
        const nncf_tensor x = reordered(&p.tx.t, data[0], strides);
        ck_assert_int_eq(nncf_layer_forward(p.k.layer, &x, 1, &p.ty.t, NULL), NNCF_OK);
        ck_assert_int_eq(nncf_layer_forward(p.next.layer, &p.ty.t, 1, &p.tafter.t, NULL), NNCF_OK);
    }
    for (size_t i = 0; i < fx_count(in); i++)
        p.x[i] *= 1.3f; /* so that there is clipping */
    fx_fill(data[4], fx_count(in), 1, &state);
    nncf_tensor want = p.tx.t, dx = p.tdx.t, dy = p.tx.t;
    want.data = data[1];
    dy.data = data[4];
    nncf_tensor x = reordered(&p.tx.t, data[0], strides), d = reordered(&dy, data[2], strides);
    ck_assert_int_eq(nncf_layer_quantize_input(p.k.layer, &p.tx.t, &want, NULL), NNCF_OK);
    ck_assert_int_eq(
        nncf_layer_quantize_input_backward(p.k.layer, &p.tx.t, &dy, &dx, NULL), NNCF_OK);
    ck_assert_mem_ne(dx.data, data[4], fx_count(in) * sizeof(float));
    for (int flags = 0; flags < 2; flags++) { /* in place, whatever the flag */
        ck_assert_int_eq(nncf_layer_set_gradient_flags(p.k.layer, flags, NULL), NNCF_OK);
        d = reordered(&dy, data[2], strides);
        ck_assert_int_eq(nncf_layer_quantize_input_backward(p.k.layer, &x, &d, &d, NULL), NNCF_OK);
        check_equal(&dx, &d);
    }
    ck_assert_int_eq(nncf_layer_quantize_input(p.k.layer, &x, &x, NULL), NNCF_OK);
    check_equal(&want, &x);
    fx_pass_free(&p);
}
END_TEST

/* ---- refusals and memory ---- */

START_TEST(strides_with_gaps_or_overlaps_are_refused)
{
    static const int64_t bad[][4] = {{120, 30, 5, 2}, {121, 1, 20, 4}, {120, 1, 20, 5},
        {0, 1, 20, 4}, {-120, 1, 20, 4}, {1, 1, 1, 1}};
    nncf_error err = NNCF_ERROR_INIT;
    fx_pass p;
    make(&p, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        p.tx.t.strides = bad[i];
        ck_assert_int_eq(nncf_layer_forward(p.k.layer, &p.tx.t, 1, &p.ty.t, &err), NNCF_E_ARG);
        ck_assert_msg(
            strstr(err.message, "x has strides that are no order") != NULL, "%s", err.message);
    }
    fx_pass_free(&p);
}
END_TEST

/* Nothing is read before it is known to be readable. */
START_TEST(other_devices_and_bad_alignment_are_refused_in_every_order)
{
    static float x[MOST + 1];
    int64_t strides[4];
    nncf_error err = NNCF_ERROR_INIT;
    fx_pass p;
    make(&p, 0);
    strides_of(in, orders[0], strides);
    nncf_tensor tx = reordered(&p.tx.t, x, strides);
    tx.data = (char *)tx.data + 2;
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &p.ty.t, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "not aligned") != NULL, "%s", err.message);
    tx.data = (void *)16; /* of a device */
    tx.device = 2;
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &p.ty.t, &err), NNCF_E_ARG);
    ck_assert_msg(strstr(err.message, "device") != NULL, "%s", err.message);
    fx_pass_free(&p);
}
END_TEST

/* As in C order, where y and dx must lie apart from what is read. */
START_TEST(overlaps_are_refused_in_every_order)
{
    static float x[MOST], y[MOST], before[MOST];
    int64_t strides[4], of_y[4];
    nncf_error err = NNCF_ERROR_INIT;
    fx_pass p;
    make(&p, 0);
    strides_of(in, orders[0], strides);
    strides_of(p.out, orders[0], of_y);
    const nncf_tensor tx = reordered(&p.tx.t, x, strides);
    nncf_tensor ty = reordered(&p.ty.t, y, of_y), tdx = tx, tdy = p.ty.t;
    memcpy(before, x, sizeof before);
    for (int i = 0; i < 2; i++) { /* both are copied, or x alone */
        ty.data = x + 3;
        ty.strides = i == 0 ? of_y : NULL;
        ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &ty, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, "overlap in memory") != NULL, "%s", err.message);
        ck_assert_mem_eq(x, before, sizeof x);
    }
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &p.ty.t, &err), NNCF_OK);
    tdy.data = p.dy;
    for (int i = 0; i < 2; i++) { /* a part of x; x as it is, which the call refuses */
        tdx.data = i == 0 ? x + 1 : x;
        ck_assert_int_eq(nncf_layer_backward(p.k.layer, &tx, 1, &tdy, &tdx, &err), NNCF_E_ARG);
        ck_assert_msg(strstr(err.message, "overlap in memory") != NULL, "%s", err.message);
        ck_assert_mem_eq(x, before, sizeof x);
    }
    fx_pass_free(&p);
}
END_TEST

START_TEST(a_refused_call_leaves_tensors_as_they_are)
{
    static float x[MOST], before[MOST];
    int64_t strides[4];
    fx_pass p;
    make(&p, 0);
    strides_of(in, orders[0], strides);
    const nncf_tensor tx = reordered(&p.tx.t, x, strides);
    nncf_tensor ty = p.ty.t;
    ty.ndim = 3;
    memcpy(before, p.y, fx_count(p.out) * sizeof *before);
    ck_assert_int_ne(nncf_layer_forward(p.k.layer, &tx, 1, &ty, NULL), NNCF_OK);
    ck_assert_mem_eq(before, p.y, fx_count(p.out) * sizeof *before);
    fx_pass_free(&p);
}
END_TEST

START_TEST(later_calls_allocate_nothing)
{
    static float x[MOST], y[MOST];
    int64_t strides[4], of_y[4];
    fx_memory memory = {0};
    fx_pass p;
    fx_pass_make(&p, &blocks[0], in, NULL, NULL, fx_new_context(&memory, 1, 0, 1), 3);
    strides_of(in, orders[0], strides);
    strides_of(p.out, orders[0], of_y);
    const nncf_tensor tx = reordered(&p.tx.t, x, strides);
    nncf_tensor ty = reordered(&p.ty.t, y, of_y);
    memory.fail_at = memory.calls + 1;
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &ty, NULL), NNCF_E_NOMEM);
    memory.fail_at = 0;
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &ty, NULL), NNCF_OK);
    const size_t calls = memory.calls;
    ck_assert_int_eq(nncf_layer_forward(p.k.layer, &tx, 1, &ty, NULL), NNCF_OK);
    ck_assert_uint_eq(memory.calls, calls);
    fx_pass_free(&p);
    ck_assert_uint_eq(memory.live, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("strided");
    TCase *tc = fx_case(suite, "orders", 60);
    tcase_add_loop_test(tc, layers_compute_the_same_in_every_order, 0, 3);
    tcase_add_test(tc, inputs_may_be_of_different_orders);
    tcase_add_test(tc, a_linear_layer_reads_columns);
    tcase_add_test(tc, quantizers_of_a_host_find_its_channels);
    tc = fx_case(suite, "refusals", 60);
    tcase_add_test(tc, strides_with_gaps_or_overlaps_are_refused);
    tcase_add_test(tc, a_refused_call_leaves_tensors_as_they_are);
    tcase_add_test(tc, other_devices_and_bad_alignment_are_refused_in_every_order);
    tcase_add_test(tc, overlaps_are_refused_in_every_order);
    tcase_add_test(tc, later_calls_allocate_nothing);
    return fx_main(suite);
}
