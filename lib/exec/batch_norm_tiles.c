/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The passes over a product that is not stored. Rows of a tile are cut into spans
 * (gemm/spans.h), as nncf__batch_norm_backward() cuts planes: sums of a gradient are kept span by
 * span and added in their order. Those of z are exact, so threads add them as they come.
 */
#include "exec/batch_norm_tiles.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "conv/conv2d.h"
#include "exec/activate.h"
#include "exec/batch_norm.h"
#include "exec/channels.h"
#include "gemm/int8_product.h"
#include "gemm/spans.h"
#include "graph/block.h"
#include "graph/model.h"
#include "kernels/exact_sums.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

/* Sums of epilogue_sums. */
enum { SUMS = 5 };

typedef struct tiles_job {
    nncf__norm norm;
    nncf__spans spans;
    /* backward: [c][span][SUMS] */
    double *partial;
} tiles_job;

static nncf__spans spans_of(const nncf__block *b)
{
    return nncf__spans_of((int64_t)b->out_planes.n, (int64_t)b->out_planes.hw);
}

/* A span of floats that is not one row of a plane. */
static nncf__tile_hooks hooks_of(const nncf__block *b)
{
    nncf__tile_hooks hooks = {.spans = spans_of(b)};
    hooks.scratch = (size_t)hooks.spans.length * sizeof(float);
    return hooks;
}

bool nncf__batch_norm_tiles_fit(const nncf_context *context, const nncf__block *b)
{
    const nncf__spans spans = spans_of(b);
    return nncf__conv2d_tiles_fit(context, &b->conv, &b->used_x, &b->weight, &spans);
}

size_t nncf__batch_norm_tiles_scratch(const nncf_context *context, const nncf__block *b)
{
    nncf__tile_hooks hooks = hooks_of(b);
    hooks.n_passes = b->keeps || b->batch_statistics ? 2 : 1;
    return nncf__conv2d_tiles_scratch(context, &b->conv, &b->used_x, &b->weight, &hooks);
}

size_t nncf__batch_norm_tiles_work(const nncf__block *b)
{
    return b->out_planes.c * (size_t)spans_of(b).count * SUMS * sizeof(double);
}

/* ---- rows of a tensor ---- */

/* Pixels [first, last) of channel c, counted over images. */
typedef struct row {
    const nncf__planes *planes;
    size_t c, first, last;
} row;

static bool is_in_one_plane(const row *r)
{
    return (r->last - 1) / r->planes->hw == r->first / r->planes->hw;
}

/* The element of the tensor where pixel p is. */
static size_t place_of(const row *r, size_t p)
{
    const nncf__planes *planes = r->planes;
    return (p / planes->hw * planes->c + r->c) * planes->hw + p % planes->hw;
}

/* Between a tensor and a row without gaps; elements of `size` bytes. */
static void copy_row(const row *r, char *tensor, char *packed, size_t size, bool to_tensor)
{
    const size_t hw = r->planes->hw;
    for (size_t p = r->first; p < r->last;) {
        const size_t n = (p / hw + 1) * hw < r->last ? (p / hw + 1) * hw - p : r->last - p;
        char *at = tensor + place_of(r, p) * size;
        memcpy(to_tensor ? at : packed, to_tensor ? packed : at, n * size);
        packed += n * size;
        p += n;
    }
}

static float *gathered(const row *r, float *tensor, float *scratch)
{
    if (is_in_one_plane(r))
        return tensor + place_of(r, r->first);
    copy_row(r, (char *)tensor, (char *)scratch, sizeof *tensor, false);
    return scratch;
}

static void scatter(const row *r, void *tensor, void *scratch, size_t size)
{
    if (!is_in_one_plane(r))
        copy_row(r, tensor, scratch, size, true);
}

/* Span i of the tile's in channel c, and its z. */
static row span_of(const tiles_job *job, const nncf__tile *t, int64_t c, int64_t i, const float **z)
{
    const int64_t first = nncf__span_first(&job->spans, t->span + i);
    *z = t->z + (c - t->c0) * t->z_stride + (first - t->first);
    return (row){&job->norm.planes, (size_t)c, (size_t)first,
        (size_t)nncf__span_end(&job->spans, t->span + i)};
}

/* ---- forward ---- */

static void statistics_tile(void *arg, const nncf__tile *t, void *scratch)
{
    const tiles_job *job = arg;
    (void)scratch;
    for (int64_t c = t->c0; c < t->c1; c++) {
        nncf__channel_totals *totals = &job->norm.channels.totals[c];
        nncf__exact_sums s = {0};
        nncf__exact_sums_row(
            job->norm.k, (size_t)(t->last - t->first), t->z + (c - t->c0) * t->z_stride, &s);
        atomic_fetch_add_explicit(&totals->sum, s.sum, memory_order_relaxed);
        atomic_fetch_add_explicit(&totals->low, s.low, memory_order_relaxed);
        atomic_fetch_add_explicit(&totals->high, s.high, memory_order_relaxed);
    }
}

static void statistics_done(void *arg, int64_t c0, int64_t c1)
{
    const tiles_job *job = arg;
    for (int64_t c = c0; c < c1; c++) {
        const nncf__channel_totals *totals = &job->norm.channels.totals[c];
        const nncf__exact_sums s = {.sum = totals->sum, .low = totals->low, .high = totals->high};
        double means[2];
        nncf__exact_sums_means(&s, (double)job->spans.n_pixels, means);
        nncf__norm_set_constants(&job->norm, (size_t)c, means);
    }
}

static int64_t output_row(
    const nncf__norm *norm, const row *r, const float *z, const nncf__epilogue *e, void *scratch)
{
    const size_t n = r->last - r->first, at = place_of(r, r->first);
    const bool direct = is_in_one_plane(r);
    int64_t clipped;
    if (norm->codes) {
        clipped = nncf__activate_codes(
            norm->block, norm->k, n, z, direct ? norm->codes + at : scratch, e, norm->zero);
        scatter(r, norm->codes, scratch, 1);
    } else {
        clipped =
            nncf__activate_forward(norm->block, norm->k, n, z, direct ? norm->y + at : scratch, e);
        scatter(r, norm->y, scratch, sizeof *norm->y);
    }
    return clipped;
}

static void output_tile(void *arg, const nncf__tile *t, void *scratch)
{
    const tiles_job *job = arg;
    for (int64_t c = t->c0; c < t->c1; c++) {
        const nncf__epilogue e = nncf__norm_epilogue(&job->norm, (size_t)c);
        int64_t clipped = 0;
        for (int64_t i = 0; i < t->n_spans; i++) {
            const float *z;
            const row r = span_of(job, t, c, i, &z);
            clipped += output_row(&job->norm, &r, z, &e, scratch);
        }
        atomic_fetch_add_explicit(
            &job->norm.channels.totals[c].clipped, clipped, memory_order_relaxed);
    }
}

static void output_done(void *arg, int64_t c0, int64_t c1)
{
    const tiles_job *job = arg;
    for (int64_t c = c0; c < c1; c++)
        job->norm.channels.sums[SUMS * c] = (double)job->norm.channels.totals[c].clipped;
}

void nncf__batch_norm_tiles_forward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w)
{
    const nncf__block *b = call->block;
    const size_t channels = b->out_planes.c;
    tiles_job job = {
        .norm = nncf__batch_norm_forward_start(call, x, w, NULL), .spans = spans_of(b)};
    nncf__tile_hooks hooks = hooks_of(b);
    hooks.arg = &job;
    memset(job.norm.channels.totals, 0, channels * sizeof *job.norm.channels.totals);
    if (b->batch_statistics) {
        hooks.passes[hooks.n_passes].tile = statistics_tile;
        hooks.passes[hooks.n_passes++].done = statistics_done;
    } else {
        const double none[2] = {0, 0};
        for (size_t c = 0; c < channels; c++)
            nncf__norm_set_constants(&job.norm, c, none);
    }
    hooks.passes[hooks.n_passes].tile = output_tile;
    hooks.passes[hooks.n_passes++].done = output_done;
    nncf__conv2d_tiles(job.norm.context, &b->conv, x, w, &hooks);
    nncf__batch_norm_forward_finish(&job.norm);
}

/* ---- backward ---- */

static void sums_tile(void *arg, const nncf__tile *t, void *scratch)
{
    const tiles_job *job = arg;
    const nncf__norm *norm = &job->norm;
    for (int64_t c = t->c0; c < t->c1; c++) {
        const nncf__epilogue e = nncf__norm_epilogue(norm, (size_t)c);
        for (int64_t i = 0; i < t->n_spans; i++) {
            const float *z;
            const row r = span_of(job, t, c, i, &z);
            double *sums = job->partial + (c * job->spans.count + t->span + i) * SUMS;
            memset(sums, 0, SUMS * sizeof *sums);
            nncf__activate_sums(norm->block, norm->k, r.last - r.first, z,
                gathered(&r, norm->y, scratch), &e, norm->channels.mean[c],
                norm->channels.inv_std[c], sums);
        }
    }
}

static void sums_done(void *arg, int64_t c0, int64_t c1)
{
    const tiles_job *job = arg;
    for (int64_t c = c0; c < c1; c++) {
        double *sums = job->norm.channels.sums + SUMS * c;
        const double *partial = job->partial + c * job->spans.count * SUMS;
        memset(sums, 0, SUMS * sizeof *sums);
        for (int64_t i = 0; i < job->spans.count; i++)
            for (int k = 0; k < SUMS; k++)
                sums[k] += partial[i * SUMS + k];
    }
}

static void dz_tile(void *arg, const nncf__tile *t, void *scratch)
{
    const tiles_job *job = arg;
    const nncf__norm *norm = &job->norm;
    for (int64_t c = t->c0; c < t->c1; c++) {
        const nncf__epilogue e = nncf__norm_epilogue(norm, (size_t)c);
        const nncf__norm_gradient g = nncf__norm_gradient_of(norm, (size_t)c);
        for (int64_t i = 0; i < t->n_spans; i++) {
            const float *z;
            const row r = span_of(job, t, c, i, &z);
            float *dy = gathered(&r, norm->y, scratch);
            nncf__activate_dz(
                norm->block, norm->k, r.last - r.first, z, dy, dy, &e, g.k0, g.k1, g.k2);
            scatter(&r, norm->y, scratch, sizeof *dy);
        }
    }
}

void nncf__batch_norm_tiles_backward(
    const nncf__call *call, const nncf__qtensor *x, const nncf__qtensor *w)
{
    const nncf__block *b = call->block;
    tiles_job job = {.norm = nncf__norm_start(call, NULL, call->dy),
        .spans = spans_of(b),
        .partial = call->layer->model->work.data};
    nncf__tile_hooks hooks = hooks_of(b);
    hooks.arg = &job;
    hooks.n_passes = 2;
    hooks.passes[0].tile = sums_tile;
    hooks.passes[0].done = sums_done;
    hooks.passes[1].tile = dz_tile;
    nncf__conv2d_tiles(job.norm.context, &b->conv, x, w, &hooks);
}
