/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise blocks with batch norm, which run channel by channel (conv/depthwise.c): against the
 * oracle in double, at every instruction set; the same bits for any number of threads, and with or
 * without the gradients that nobody wants; and what the products promise to their hooks: the bits
 * of the plain calls, each channel once, images in order.
 */
#include "base/pool.h"
#include "config/canonical.h"
#include "conv/conv2d.h"
#include "graph/model.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"
#include "quantization/layer_compression.h"
#include "quantization/quantizer.h"
#include "support/conv_run.h"
#include "support/fixture.h"
#include "support/oracle.h"
#include "support/pass.h"
#include "support/require.h"

#include <stdbool.h>

typedef struct block_case {
    int64_t n, c, h, w;
    int32_t kernel, stride, padding;
    bool bias;
} block_case;

/* Planes of a few pixels, of some rows, and in strips; channels that fill no vector and no group.
 */
static const block_case cases[] = {
    {5, 33, 30, 26, 3, 1, 1, false},
    {1, 17, 30, 26, 3, 2, 1, false},
    {5, 3, 40, 33, 3, 2, 1, true},
    {5, 17, 14, 14, 3, 1, 1, true},
    {1, 33, 14, 14, 3, 2, 1, false},
    {5, 33, 7, 7, 3, 1, 1, false},
    {5, 17, 7, 5, 3, 2, 1, true},
    {1, 3, 4, 4, 3, 1, 1, false},
    {5, 3, 12, 12, 3, 1, 1, false},
    {5, 17, 11, 11, 5, 1, 2, false},
    {5, 17, 11, 11, 5, 1, 2, true},
    {1, 33, 20, 20, 5, 2, 2, false},
    {5, 3, 19, 17, 3, 3, 0, false},
    {1, 2, 250, 200, 5, 1, 2, true},
    {5, 1, 9, 9, 3, 1, 1, false},
    {2, 70, 16, 16, 3, 1, 1, false},
    {1, 130, 8, 8, 3, 1, 1, false},
};
enum { N_CASES = sizeof cases / sizeof *cases };

static void make_rig(fx_pass *g, const block_case *b, bool int8, int32_t threads, int32_t isa)
{
    const fx_block k = {.scope = "n/a",
        .in_channels = b->c,
        .out_channels = b->c,
        .kernel = {b->kernel, b->kernel},
        .stride = {b->stride, b->stride},
        .padding = {b->padding, b->padding},
        .groups = (int32_t)b->c,
        .batch_norm = true,
        .bias = b->bias,
        .activation = NNCF_ACTIVATION_RELU6};
    const fx_block next = {.scope = "n/next", .in_channels = b->c, .out_channels = 1};
    fx_pass_make(g, &k, (const int64_t[4]){b->n, b->c, b->h, b->w}, &next,
        int8 ? FX_CONFIG(FX_INT8) : NULL, fx_new_context(NULL, threads, isa, 5), 77);
}

enum { N_QUANTIZERS = 3 };

static void quantizers_of(const fx_pass *g, nncf__quantizer *q[N_QUANTIZERS])
{
    const nncf__layer_compression *c = g->k.layer->compression;
    q[0] = c ? c->weight_quantizer : NULL;
    q[1] = c ? c->input_quantizer : NULL;
    q[2] = c ? c->output_quantizer : NULL;
}

/* Ranges from one batch, made smaller, so that there is clipping. */
static void initialize(fx_pass *g)
{
    nncf__quantizer *q[N_QUANTIZERS];
    int32_t more = 0;
    while (g->ctrl && nncf_compression_ctrl_init_step(g->ctrl, &more, NULL) == NNCF_OK && more) {
        fx_pass_forward(g);
        ck_assert_int_eq(
            nncf_layer_forward(g->next.layer, &g->ty.t, 1, &g->tafter.t, NULL), NNCF_OK);
    }
    quantizers_of(g, q);
    for (int i = 0; i < N_QUANTIZERS; i++)
        if (q[i])
            q[i]->bound[0] *= 0.8f;
    if (g->ctrl)
        nncf_compression_ctrl_zero_grad(g->ctrl, NULL);
}

static void step(fx_pass *g, bool dx)
{
    fx_zero_grad(&g->k);
    if (g->ctrl)
        nncf_compression_ctrl_zero_grad(g->ctrl, NULL);
    fx_pass_forward(g);
    fx_pass_backward(g, dx);
}

/* All that a step writes, one behind the other. */
static float *results(const fx_pass *g, size_t *count)
{
    const fx_block *k = &g->k;
    const size_t c = (size_t)k->out_channels;
    const float *const parts[] = {g->y, g->dx, k->dw, k->db, k->dgamma, k->dbeta, k->mean, k->var};
    const size_t counts[] = {fx_count(g->out), fx_count(g->in), k->weights, c, c, c, c, c};
    nncf__quantizer *q[N_QUANTIZERS];
    size_t n = N_QUANTIZERS, at = 0;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        n += counts[i];
    float *all = fx_alloc(n, sizeof *all);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; at += counts[i++])
        memcpy(all + at, parts[i], counts[i] * sizeof *all);
    quantizers_of(g, q);
    for (int i = 0; i < N_QUANTIZERS; i++)
        all[at++] = q[i] ? q[i]->bound_grad[0] : 0;
    *count = n;
    return all;
}

static fx_quantizer seen(const nncf__quantizer *q)
{
    if (!q)
        return (fx_quantizer){0};
    return fx_symmetric((double)q->bound[0], q->params.sign == NNCF__SIGNED, q->is_weight);
}

static void check_against_oracle(const fx_pass *g)
{
    const size_t c = (size_t)g->out[1];
    nncf__quantizer *q[N_QUANTIZERS];
    quantizers_of(g, q);
    fx_oracle o = fx_oracle_make(&g->k, g->in, g->x);
    o.weight = seen(q[0]), o.input = seen(q[1]), o.output = seen(q[2]);
    ck_assert(o.output.on == (g->ctrl != NULL));
    fx_oracle_forward(&o, g->y, 2e-3);
    fx_oracle_backward(&o, g->r);
    fx_assert_near("y", g->y, o.y, fx_count(g->out), 2e-5);
    fx_assert_near("dx", g->dx, o.dx, fx_count(g->in), 2e-5);
    fx_assert_near("dw", g->k.dw, o.dw, g->k.weights, 2e-5);
    fx_assert_near("dgamma", g->k.dgamma, o.dgamma, c, 2e-5);
    fx_assert_near("dbeta", g->k.dbeta, o.dbeta, c, 2e-5);
    if (g->k.bias) /* nothing but rounding is left of it behind a batch norm: sums of up to 50000
                      terms */
        fx_assert_near("db", g->k.db, o.db, c, 1e-4);
    const double scales[] = {o.weight_scale_grad, o.input_scale_grad, o.output_scale_grad};
    for (int i = 0; i < N_QUANTIZERS; i++)
        if (q[i])
            fx_assert_near("scale", q[i]->bound_grad, &scales[i], 1, 5e-5);
    fx_oracle_free(&o);
}

/* Every second ISA where tests are to be short, the others in the next case. */
static int32_t first_isa(int index)
{
    return NNCF_ISA_REFERENCE + sweep_rounds(0, index / 2 % 2);
}

START_TEST(blocks_equal_the_oracle)
{
    const block_case *b = &cases[_i / 2];
    const bool int8 = _i % 2;
    for (int32_t isa = first_isa(_i); nncf__kernels_get(isa); isa += sweep_rounds(1, 2)) {
        float *first = NULL;
        size_t count = 0;
        for (int32_t threads = 1; threads <= 4; threads += sweep_rounds(1, 3)) {
            fx_pass g;
            make_rig(&g, b, int8, threads, isa);
            initialize(&g);
            step(&g, true);
            float *all = results(&g, &count);
            if (first)
                ck_assert_msg(memcmp(first, all, count * sizeof *all) == 0,
                    "level %d: %d threads give other bits", (int)isa, (int)threads);
            else
                check_against_oracle(&g);
            free(first);
            first = all;
            fx_pass_free(&g);
        }
        free(first);
    }
}
END_TEST

/* What nobody wants changes nothing of the rest. */
START_TEST(gradients_that_nobody_wants_change_no_other)
{
    const block_case *b = &cases[_i / 2];
    for (int32_t isa = first_isa(_i); nncf__kernels_get(isa); isa += sweep_rounds(1, 2)) {
        fx_pass g, h;
        make_rig(&g, b, _i % 2, 2, isa);
        make_rig(&h, b, _i % 2, 2, isa);
        const size_t c = (size_t)g.out[1];
        initialize(&g), initialize(&h);
        step(&g, true), step(&h, false);
        ck_assert_mem_eq(h.k.dw, g.k.dw, g.k.weights * sizeof(float));
        ck_assert_mem_eq(h.k.dgamma, g.k.dgamma, c * sizeof(float));
        ck_assert_mem_eq(h.k.dbeta, g.k.dbeta, c * sizeof(float));
        ck_assert_mem_eq(h.k.db, g.k.db, c * sizeof(float));
        ck_assert_mem_eq(h.k.mean, g.k.mean, c * sizeof(float));
        h.k.layer->weight_grad = NULL;
        step(&h, true);
        ck_assert_mem_eq(h.dx, g.dx, fx_count(g.in) * sizeof(float));
        ck_assert_mem_eq(h.k.dgamma, g.k.dgamma, c * sizeof(float));
        step(&h, false); /* neither: batch norm's gradients still come */
        ck_assert_mem_eq(h.k.dgamma, g.k.dgamma, c * sizeof(float));
        ck_assert_mem_eq(h.k.dbeta, g.k.dbeta, c * sizeof(float));
        fx_pass_free(&g), fx_pass_free(&h);
    }
}
END_TEST

/* ---- the products and their hooks ---- */

typedef struct watch {
    const nncf__conv2d *s;
    const float *dz; /* backward */
    const float *z; /* of the plain call */
    bool sees_z; /* the hooks are given it */
    int *group; /* [channel]: how often */
    int64_t *image; /* [channel]: how many images */
    bool copies; /* dz is written to `to` */
    bool failed;
} watch;

static void watch_group(
    void *arg, int64_t c0, int64_t c1, const nncf__channel_planes *z, void *room)
{
    watch *w = arg;
    const nncf__conv2d *s = w->s;
    const size_t plane = (size_t)(s->out_h * s->out_w);
    memset(room, 0xff, 1000); /* it overlaps nothing that is in use */
    if ((z->data != NULL) != w->sees_z)
        w->failed = true;
    for (int64_t c = c0; c < c1; c++) {
        w->group[c]++;
        for (int64_t n = 0; z->data && n < s->n; n++) {
            const size_t at = (size_t)(n * s->c_out + c) * plane,
                         from = (size_t)(n * z->channels + c - z->first) * plane;
            if (memcmp(z->data + from, w->z + at, plane * sizeof(float)) != 0)
                w->failed = true;
        }
    }
}

static const float *watch_dz(
    void *arg, int64_t n, int64_t c0, int64_t c1, const nncf__channel_planes *z, float *to)
{
    watch *w = arg;
    const nncf__conv2d *s = w->s;
    const size_t plane = (size_t)(s->out_h * s->out_w);
    (void)z;
    const float *dz = w->dz + (size_t)(n * s->c_out + c0) * plane;
    for (int64_t c = c0; c < c1; c++)
        if (w->group[c] != 1 || w->image[c]++ != n)
            w->failed = true;
    if (!w->copies)
        return dz;
    memcpy(to, dz, (size_t)(c1 - c0) * plane * sizeof *to);
    return to;
}

static void check_watch(const watch *w, const char *what)
{
    ck_assert_msg(!w->failed, "%s", what);
    for (int64_t c = 0; c < w->s->c_out; c++)
        ck_assert_msg(
            w->group[c] == 1 && (!w->dz || w->image[c] == w->s->n), "%s: channel %d", what, (int)c);
    memset(w->group, 0, (size_t)w->s->c_out * sizeof *w->group);
    memset(w->image, 0, (size_t)w->s->c_out * sizeof *w->image);
}

typedef struct arrays {
    float *x, *w, *z, *dz, *dx, *dw, *got_z, *got_dx, *got_dw;
    int *group;
    int64_t *image;
    size_t nx, nw, nz;
} arrays;

static arrays make_arrays(const nncf__conv2d *s)
{
    arrays a = {.nx = (size_t)(s->n * s->c_in * s->h * s->w),
        .nw = (size_t)(s->c_in * s->kernel_h * s->kernel_w),
        .nz = (size_t)(s->n * s->c_out * s->out_h * s->out_w)};
    float **const all[] = {&a.x, &a.w, &a.z, &a.dz, &a.dx, &a.dw, &a.got_z, &a.got_dx, &a.got_dw};
    const size_t counts[] = {a.nx, a.nw, a.nz, a.nz, a.nx, a.nw, a.nz, a.nx, a.nw};
    uint64_t state = 3;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        *all[i] = fx_alloc(counts[i], sizeof(float));
    fx_fill(a.x, a.nx, 1, &state), fx_fill(a.w, a.nw, 1, &state), fx_fill(a.dz, a.nz, 1, &state);
    a.group = fx_alloc((size_t)s->c_out, sizeof *a.group);
    a.image = fx_alloc((size_t)s->c_out, sizeof *a.image);
    return a;
}

static void drop_arrays(arrays *a)
{
    float *const all[] = {a->x, a->w, a->z, a->dz, a->dx, a->dw, a->got_z, a->got_dx, a->got_dw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(a->group);
    free(a->image);
}

static void check_hooks(nncf_context *context, const nncf__conv2d *s, arrays *a)
{
    const nncf__qtensor x = {.data = a->x}, w = {.data = a->w};
    watch v = {.s = s, .z = a->z, .sees_z = true, .group = a->group, .image = a->image};
    nncf__channel_hooks after = {.arg = &v, .scratch = 1000, .group = watch_group};
    ck_assert_int_eq(conv_forward(context, s, &x, &w, NULL, a->z), NNCF_OK);
    ck_assert_int_eq(conv_forward_channels(context, s, &x, &w, NULL, a->got_z, &after), NNCF_OK);
    check_watch(&v, "forward");
    ck_assert_mem_eq(a->got_z, a->z, a->nz * sizeof(float));
    after.local_z = true;
    ck_assert_int_eq(conv_forward_channels(context, s, &x, &w, NULL, NULL, &after), NNCF_OK);
    check_watch(&v, "forward, z in scratch");

    ck_assert_int_eq(conv_backward_input(context, s, &w, a->dz, a->dx), NNCF_OK);
    ck_assert_int_eq(conv_backward_weight(context, s, &x, a->dz, a->dw), NNCF_OK);
    after.scratch = SIZE_MAX - 7;
    ck_assert_int_eq(/* more than a size_t counts is no scratch of a few bytes */
        nncf__scratch_reserve(
            context, nncf__conv2d_forward_channels_scratch(context, s, &x, &w, &after)),
        NNCF_E_NOMEM);

    v = (watch){.s = s, .dz = a->dz, .z = a->z, .group = a->group, .image = a->image};
    const nncf__channel_hooks before = {
        .arg = &v, .scratch = 1000, .group = watch_group, .dz = watch_dz};
    for (int what = 1; what < 8; what++) {
        if (what % 4 == 0)
            continue;
        float *dx = what & 1 ? a->got_dx : NULL, *dw = what & 2 ? a->got_dw : NULL;
        v.copies = what & 4;
        memset(a->got_dx, 0xff, a->nx * sizeof(float));
        memset(a->got_dw, 0xff, a->nw * sizeof(float));
        ck_assert_int_eq(conv_backward_channels(context, s, &x, &w, &before, dx, dw), NNCF_OK);
        check_watch(&v, "backward");
        if (dx)
            ck_assert_mem_eq(dx, a->dx, a->nx * sizeof(float));
        if (dw)
            ck_assert_mem_eq(dw, a->dw, a->nw * sizeof(float));
    }
}

START_TEST(hooks_see_each_channel_once_and_images_in_order)
{
    const block_case *b = &cases[_i];
    const int64_t out_h = (b->h + 2 * b->padding - b->kernel) / b->stride + 1,
                  out_w = (b->w + 2 * b->padding - b->kernel) / b->stride + 1;
    const nncf__conv2d s = {b->n, b->c, b->h, b->w, b->c, out_h, out_w, b->kernel, b->kernel,
        b->stride, b->stride, b->padding, b->padding, 1, 1, b->c, false, 0, NULL, false};
    arrays a = make_arrays(&s);
    for (int32_t isa = NNCF_ISA_REFERENCE; nncf__kernels_get(isa); isa++)
        for (int32_t threads = 1; threads <= 3; threads += 2) {
            nncf_context *context = fx_new_context(NULL, threads, isa, 1);
            const bool can = nncf__conv2d_by_channel(context, &s);
            ck_assert(can == (isa != NNCF_ISA_REFERENCE && b->c > 1));
            if (can)
                check_hooks(context, &s, &a);
            nncf_context_destroy(context);
        }
    drop_arrays(&a);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("blocks");
    TCase *tc = fx_case(suite, "blocks", 300);
    tcase_add_loop_test(tc, blocks_equal_the_oracle, 0, 2 * N_CASES);
    tcase_add_loop_test(tc, gradients_that_nobody_wants_change_no_other, 0, 2 * N_CASES);
    tcase_add_loop_test(tc, hooks_see_each_channel_once_and_images_in_order, 0, N_CASES);
    return fx_main(suite);
}
