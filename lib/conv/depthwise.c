/* SPDX-License-Identifier: Apache-2.0 */
/* Depthwise convolution, directly: a product per channel would be one row high. The order of the
 * work, and which input pixels an output pixel reads; depthwise_3x3.c, depthwise_padded.c and
 * depthwise_lanes.c compute it. */
#include "conv/depthwise.h"

#include "base/checked.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "conv/conv2d.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MAX_STRIDE = NNCF__DEPTHWISE_STRIDE, MAX_TAPS = NNCF__DEPTHWISE_TAPS };
/* Floats of a group, so that two or three such arrays stay in a second-level cache, unless one
 * channel has more; and groups that there are at least, for many threads, where there are so many
 * channels. Shapes alone decide. */
enum { GROUP_FLOATS = 32 * 1024, GROUPS = 32 };

/* 255 * 255 * 121 < 2^24: sums of codes are exact in float. Rows are copied with their border,
 * which is as wide as the taps reach: where a dilation is larger than any image, the border would
 * be all that there is. */
bool nncf__depthwise_fits(const nncf__conv2d *s)
{
    return s->groups > 1 && s->groups == s->c_in && s->groups == s->c_out &&
        s->stride_h <= MAX_STRIDE && s->stride_w <= MAX_STRIDE &&
        s->kernel_h * s->kernel_w <= MAX_TAPS &&
        (s->kernel_h - 1) * s->dilation_h <= NNCF__DEPTHWISE_REACH &&
        (s->kernel_w - 1) * s->dilation_w <= NNCF__DEPTHWISE_REACH &&
        s->w <= NNCF__DEPTHWISE_WIDTH && s->out_w <= NNCF__DEPTHWISE_WIDTH;
}

/* ---- stencils ---- */

static void find_reach(nncf__stencil *v)
{
    v->low_y = v->high_y = v->taps[0].y;
    v->low_x = v->high_x = v->taps[0].x;
    for (int64_t t = 1; t < v->n_taps; t++) {
        v->low_y = min_i(v->low_y, v->taps[t].y);
        v->high_y = max_i(v->high_y, v->taps[t].y);
        v->low_x = min_i(v->low_x, v->taps[t].x);
        v->high_x = max_i(v->high_x, v->taps[t].x);
    }
}

static void stencil_forward(nncf__stencil *v, const nncf__conv2d *s)
{
    *v = (nncf__stencil){.src_h = s->h,
        .src_w = s->w,
        .step_y = s->stride_h,
        .step_x = s->stride_w,
        .map_rows = s->out_h,
        .map_cols = s->out_w,
        .n_phases = 1,
        .n_taps = s->kernel_h * s->kernel_w};
    v->phases[0] = (nncf__phase){s->out_h, s->out_w, 0, v->n_taps};
    for (int64_t t = 0; t < v->n_taps; t++)
        v->taps[t] = (nncf__tap){.y = t / s->kernel_w * s->dilation_h - s->pad_h,
            .x = t % s->kernel_w * s->dilation_w - s->pad_w,
            .weight = t};
    find_reach(v);
}

static void stencil_backward(nncf__stencil *v, const nncf__conv2d *s)
{
    *v = (nncf__stencil){.src_h = s->out_h,
        .src_w = s->out_w,
        .step_y = 1,
        .step_x = 1,
        .map_rows = (s->h + s->stride_h - 1) / s->stride_h,
        .map_cols = (s->w + s->stride_w - 1) / s->stride_w};
    for (int64_t a = 0; a < s->stride_h; a++)
        for (int64_t b = 0; b < s->stride_w; b++) {
            nncf__phase *p = &v->phases[v->n_phases++];
            p->rows = s->h > a ? (s->h - a + s->stride_h - 1) / s->stride_h : 0;
            p->cols = s->w > b ? (s->w - b + s->stride_w - 1) / s->stride_w : 0;
            p->first_tap = v->n_taps;
            /* Backwards: so that the source's rows and columns come in order. */
            for (int64_t ky = s->kernel_h - 1; ky >= 0; ky--)
                for (int64_t kx = s->kernel_w - 1; kx >= 0; kx--) {
                    int64_t y = a + s->pad_h - ky * s->dilation_h,
                            x = b + s->pad_w - kx * s->dilation_w;
                    if (y % s->stride_h == 0 && x % s->stride_w == 0)
                        v->taps[v->n_taps++] = (nncf__tap){.y = y / s->stride_h,
                            .x = x / s->stride_w,
                            .weight = ky * s->kernel_w + kx};
                }
            p->n_taps = v->n_taps - p->first_tap;
        }
    find_reach(v);
}

/* ---- groups of channels ---- */

typedef struct job {
    const nncf_context *context;
    /* one, or two of one shape and one dz; then, where backward makes z again, that forward */
    nncf__depthwise products[3];
    /* floats in scratch */
    int64_t at[3];
    size_t n_products;
    bool makes_z;
    const nncf__conv2d *s;
    /* NULL in the forward pass, and where hooks give it */
    const float *dz;
    bool has_hooks;
    const nncf__channel_hooks *hooks;
    /* in scratch: z of a group where it is nowhere else, what hooks make, what they need */
    bool local_z;
    int64_t z_at, dz_at, hooks_at;
    /* channels that the algorithms take at a time; of a group */
    int64_t unit, group, n_groups;
    /* a task takes so many images of a group, which then is so many tasks */
    int64_t images, parts;
} job;

/* Planes of dz of channels [c, end), one unit. */
static const float *dz_of(
    const job *j, int64_t n, int64_t c, int64_t end, const nncf__channel_planes *z, float *scratch)
{
    const nncf__conv2d *s = j->s;
    if (j->hooks && j->hooks->dz)
        return j->hooks->dz(j->hooks->arg, n, c, end, z, scratch + j->dz_at);
    return j->dz ? j->dz + (n * s->c_out + c) * s->out_h * s->out_w : NULL;
}

/* Product p of a group: where it goes. */
static nncf__depthwise_task task_of(
    const job *j, size_t p, int64_t first, int64_t end, float *scratch)
{
    nncf__depthwise_task t = {.first = first,
        .end = end,
        .scratch = scratch + j->at[p],
        .out = j->products[p].out,
        .out_channels = j->s->c_in};
    if (j->local_z && j->products[p].product == NNCF__FORWARD) {
        t.out = scratch + j->z_at;
        t.out_first = first;
        t.out_channels = end - first;
    }
    return t;
}

/* z of a group, all images: what backward makes again. */
static void make_z(const job *j, int64_t first, int64_t end, float *scratch)
{
    const nncf__depthwise *d = &j->products[j->n_products];
    const nncf__depthwise_task t = task_of(j, j->n_products, first, end, scratch);
    d->algo->begin(d, &t);
    for (int64_t n = 0; n < j->s->n; n++)
        for (int64_t c = first; c < end; c += j->unit)
            d->algo->planes(d, &t, n, c, min_i(c + j->unit, end), NULL);
    d->algo->end(d, &t);
}

static void group_task(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    const nncf__conv2d *s = j->s;
    const nncf__channel_hooks *hooks = j->hooks;
    int64_t first = (int64_t)chunk / j->parts * j->group, end = min_i(first + j->group, s->c_in);
    int64_t n0 = (int64_t)chunk % j->parts * j->images, n1 = min_i(n0 + j->images, s->n);
    float *scratch = nncf__scratch(j->context, worker);
    nncf__depthwise_task tasks[2];
    nncf__channel_planes z = {NULL, 0, s->c_in};
    if (j->local_z)
        z = (nncf__channel_planes){scratch + j->z_at, first, end - first};
    else if (j->products[0].product == NNCF__FORWARD)
        z.data = j->products[0].out;
    if (j->makes_z)
        make_z(j, first, end, scratch);
    if (hooks && hooks->dz)
        hooks->group(hooks->arg, first, end, &z, scratch + j->hooks_at);
    for (size_t p = 0; p < j->n_products; p++) {
        tasks[p] = task_of(j, p, first, end, scratch);
        j->products[p].algo->begin(&j->products[p], &tasks[p]);
    }
    for (int64_t n = n0; n < n1; n++)
        for (int64_t c = first; c < end; c += j->unit) {
            int64_t stop = min_i(c + j->unit, end);
            const float *dz = dz_of(j, n, c, stop, &z, scratch);
            for (size_t p = 0; p < j->n_products; p++)
                j->products[p].algo->planes(&j->products[p], &tasks[p], n, c, stop, dz);
        }
    for (size_t p = 0; p < j->n_products; p++)
        j->products[p].algo->end(&j->products[p], &tasks[p]);
    nncf__kernels_of(j->context)->gemm_streams_end();
    if (hooks && !hooks->dz)
        hooks->group(hooks->arg, first, end, &z, scratch + j->hooks_at);
}

static const nncf__depthwise_algo *algo_of(const nncf__depthwise *d)
{
    if (nncf__depthwise_is_int8(d))
        return &nncf__depthwise_int8;
    if (nncf__depthwise_is_3x3(d))
        return &nncf__depthwise_3x3;
    return nncf__depthwise_is_lanes(d->s) ? &nncf__depthwise_lanes : &nncf__depthwise_padded;
}

/* Is the output larger than caches, are its rows whole lines, and is it not read soon? */
static bool streams(const job *j, const nncf__depthwise *d)
{
    const nncf__conv2d *s = d->s;
    bool forward = d->product == NNCF__FORWARD;
    int64_t rows = forward ? s->out_h : s->h, cols = forward ? s->out_w : s->w;
    return s->n * s->c_in * rows * cols >= NNCF__STREAM_FLOATS && cols % 16 == 0 &&
        nncf__is_line_aligned(d->out) && !(forward && j->has_hooks);
}

static int64_t reserve_lines(int64_t *floats, int64_t count)
{
    int64_t at = *floats;
    *floats += round_up(count, 16);
    return at;
}

/* How the work is cut, and where its parts lie in a worker's scratch; returns the bytes of that. */
static size_t plan(job *j, size_t hook_scratch)
{
    const nncf__conv2d *s = j->s;
    for (size_t p = 0; p < j->n_products + j->makes_z; p++)
        j->products[p].algo = algo_of(&j->products[p]);
    /* one algorithm for all, but for z that is made again on integers, which take any groups */
    const nncf__depthwise_algo *algo = j->products[0].algo;
    int64_t plane = max_i(s->h * s->w, s->out_h * s->out_w);
    j->group = min_i(GROUP_FLOATS / (s->n * plane), min_i(s->c_in / GROUPS, algo->largest_group));
    j->unit = algo->unit(s);
    j->group = max_i(1, j->group / j->unit) * j->unit;
    j->n_groups = div_ceil(s->c_in, j->group);
    int64_t floats = 0;
    bool whole = j->has_hooks; /* sums over images are one task's */
    for (size_t p = 0; p < j->n_products + j->makes_z; p++) {
        nncf__depthwise *d = &j->products[p];
        whole = whole || d->product == NNCF__BACKWARD_WEIGHT;
        j->at[p] = reserve_lines(&floats, d->algo->plan(d, j->group));
    }
    if (j->local_z)
        j->z_at = reserve_lines(&floats, j->group * s->n * s->out_h * s->out_w);
    if (j->has_hooks && j->products[0].product != NNCF__FORWARD)
        j->dz_at = reserve_lines(&floats, j->unit * s->out_h * s->out_w);
    j->parts = whole ? 1 : min_i(s->n, div_ceil(GROUPS, j->n_groups));
    j->images = div_ceil(s->n, j->parts);
    j->hooks_at = floats;
    size_t bytes = (size_t)floats * sizeof(float);
    return nncf__add(bytes, hook_scratch, &bytes) ? bytes : SIZE_MAX;
}

static void run(nncf_context *context, job *j, const nncf__channel_hooks *hooks)
{
    const nncf__conv2d *s = j->s;
    plan(j, hooks ? hooks->scratch : 0);
    j->context = context;
    j->hooks = hooks;
    for (size_t p = 0; p < j->n_products + j->makes_z; p++) {
        nncf__depthwise *d = &j->products[p];
        d->stream = streams(j, d);
        d->dz_is_hot = j->has_hooks;
        if (d->x && nncf__qtensor_is_codes(d->x))
            d->x_codes = nncf__dequant_of(d->x, 0, d->codes);
    }
    int64_t plane = max_i(s->h * s->w, s->out_h * s->out_w);
    double passes = (double)j->n_products + j->has_hooks + j->makes_z;
    nncf__gemm_parallel(context, 16.0 * (double)(s->n * s->c_in) * (double)plane * passes,
        (size_t)(j->n_groups * j->parts), group_task, j);
}

/* ---- the products, without the pointers that only a run has ---- */

static void set_product(nncf__depthwise *d, const job *j, const nncf_context *context,
    nncf__depthwise_product product, const nncf__qtensor *x, const nncf__qtensor *w, bool codes)
{
    *d = (nncf__depthwise){.k = nncf__kernels_of(context),
        .int8 = context->int8,
        .s = j->s,
        .x = x,
        .w = w,
        .codes = codes,
        .product = product};
    if (product == NNCF__BACKWARD_INPUT) {
        stencil_backward(&d->stencil, j->s);
        return;
    }
    stencil_forward(&d->stencil, j->s);
}

static job job_of(const nncf__conv2d *s, const nncf__channel_hooks *hooks)
{
    return (job){.s = s, .has_hooks = hooks != NULL, .local_z = hooks && hooks->local_z};
}

static job forward_job(const nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const nncf__channel_hooks *hooks)
{
    job j = job_of(s, hooks);
    set_product(&j.products[j.n_products++], &j, context, NNCF__FORWARD, x, w,
        nncf__product_is_codes(x, w));
    return j;
}

/* The input gradient first. */
static job backward_job(const nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const nncf__channel_hooks *hooks, bool wants_dx, bool wants_dw)
{
    job j = job_of(s, hooks);
    if (wants_dx)
        set_product(&j.products[j.n_products++], &j, context, NNCF__BACKWARD_INPUT, NULL, w, false);
    if (wants_dw)
        set_product(&j.products[j.n_products++], &j, context, NNCF__BACKWARD_WEIGHT, x, w, false);
    j.makes_z = j.local_z;
    if (j.makes_z)
        set_product(&j.products[j.n_products], &j, context, NNCF__FORWARD, x, w, true);
    return j;
}

size_t nncf__depthwise_forward_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *after)
{
    job j = forward_job(context, s, x, w, after);
    return plan(&j, after ? after->scratch : 0);
}

void nncf__depthwise_forward(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const float *bias, float *z, const nncf__channel_hooks *after)
{
    job j = forward_job(context, s, x, w, after);
    nncf__depthwise *d = &j.products[0];
    d->bias = bias;
    d->out = z;
    run(context, &j, after);
}

size_t nncf__depthwise_backward_scratch(const nncf_context *context, const nncf__conv2d *s,
    const nncf__qtensor *x, const nncf__qtensor *w, const nncf__channel_hooks *before,
    bool wants_dx, bool wants_dw)
{
    job j = backward_job(context, s, x, w, before, wants_dx, wants_dw);
    return plan(&j, before ? before->scratch : 0);
}

void nncf__depthwise_backward(nncf_context *context, const nncf__conv2d *s, const nncf__qtensor *x,
    const nncf__qtensor *w, const float *dz, const nncf__channel_hooks *before, float *dx,
    float *dw)
{
    job j = backward_job(context, s, x, w, before, dx != NULL, dw != NULL);
    j.dz = dz;
    for (size_t p = 0; p < j.n_products + j.makes_z; p++) {
        nncf__depthwise *d = &j.products[p];
        d->out = d->product == NNCF__BACKWARD_INPUT ? dx : d->product == NNCF__FORWARD ? NULL : dw;
    }
    run(context, &j, before);
}
