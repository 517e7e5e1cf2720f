/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weight gradients of few channels, or in blocks; weight_panels.c has the others. Dot products over
 * pixels. In NCHW the pixels of a channel lie side by side, so that rows of dz and of x are what
 * the kernel gemm_dots reads: nothing is transposed, and floats of a 1x1 convolution on large
 * planes are read where they lie. What has to be packed, patches of larger kernels, bytes, small
 * planes, is copied line by line.
 *
 * A task holds some rows of dz of a block of pixels in the second-level cache, and takes strips of
 * x through the first: x is packed a strip at a time, when it is multiplied.
 *
 * Same bits for any number of threads: blocks of pixels and the chunks that are summed apart depend
 * on the shape alone, chunks are added in order, and gemm_dots gives a sum the same bits wherever
 * in a share it stands.
 */
#include "gemm/weight_gradient.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "gemm/weight_panels.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <string.h>

enum {
    /* pixels: a strip of gemm_dots stays in the first-level cache, its folding costs 5 % */
    BLOCK = 800,
    /* floats: a task's rows of dz, of a block of pixels, stay in the second-level cache */
    SHARE = 128 << 10,
    /* rows, so that tiles are whole */
    GRAIN_A = 4,
    /* rows, so that strips are whole */
    GRAIN_B = 12,
    /* pixels of a plane */
    LEAST_IN_PLACE = 384,
};

typedef struct factor {
    const nncf__pixel_map *g;
    bool in_place;
    int64_t rows, share, n_shares;
} factor;

typedef struct weight_job {
    const nncf__weight_product *p;
    const nncf__kernels *k;
    nncf__workspace workspace;
    int64_t workers;
    /* dz; x, a row a (tap, channel) */
    factor a, b;
    /* Blocks of pixels: k_block each, the last of a line what is left; a line is an image or all
     * pixels. */
    int64_t line, k_block, blocks_of_line, n_blocks;
    int64_t n_chunks;
    /* of packed rows */
    int64_t stride;
    /* the sums go to the result */
    bool direct;
    /* dz is packed first, for all tasks */
    bool a_is_shared;
    /* rows of x that a strip has at most: GRAIN_B, or what divides a block */
    int64_t strip;
    /* in the private area: a strip of x, rows of dz; segments at 0 */
    size_t lines_at, a_at;
    /* in a chunk's unit of shared memory; sums at 0 */
    size_t shared_at;
} weight_job;

/* Channels of whole planes of floats in whole vectors; not planes of powers of two, whose rows
 * would share few sets of a cache. */
static bool is_readable(const nncf__pixel_map *g)
{
    int64_t plane = g->cols;
    return !nncf__qtensor_is_codes(&g->src) && nncf__taps_are_identity(&g->taps) && g->rows == 1 &&
        g->step_x == 1 && g->src_w == plane && plane % 16 == 0 && plane % 2048 != 0 &&
        plane >= LEAST_IN_PLACE;
}

static void plan_pixels(weight_job *j)
{
    const nncf__pixel_map *g = &j->p->x;
    int64_t plane = g->rows * g->cols;
    j->line = j->a.in_place ? plane : g->n * plane;
    j->k_block = round_up(div_ceil(j->line, div_ceil(j->line, BLOCK)), 16);
    j->blocks_of_line = div_ceil(j->line, j->k_block);
    j->n_blocks = g->n * plane / j->line * j->blocks_of_line;
    int64_t sums = j->a.rows * j->b.rows * (int64_t)sizeof(float);
    j->n_chunks = min_i(j->n_blocks, nncf__weight_chunks(sums));
    j->stride = nncf__odd_lines(j->k_block, NNCF__LINE_FLOATS);
    j->direct = j->n_chunks == 1 && nncf__taps_count(&g->taps) == 1;
}

static void cut(factor *s, int64_t n, int64_t grain)
{
    s->share = min_i(s->rows, round_up(div_ceil(s->rows, n), grain));
    s->n_shares = div_ceil(s->rows, s->share);
}

/* Shares of the output. They change no bits, so the number of threads may have a say. */
static void plan_shares(weight_job *j)
{
    int64_t wanted = j->workers > 1 ? div_ceil(4 * j->workers, j->n_chunks) : 1;
    cut(&j->a, div_ceil(j->a.rows, max_i(SHARE / j->k_block, 4 * GRAIN_A)), GRAIN_A);
    cut(&j->b, min_i(div_ceil(wanted, j->a.n_shares), div_ceil(j->b.rows, GRAIN_B)), GRAIN_B);
    j->a_is_shared = !j->a.in_place && j->b.n_shares > 2 &&
        j->a.rows * j->n_blocks * j->stride <= NNCF__WEIGHT_SUM_BYTES / (int64_t)sizeof(float);
}

/* Of a chunk: its sums, and its rows of dz if they are packed for all. */
static size_t plan_unit(weight_job *j)
{
    int64_t rows = j->a_is_shared ? div_ceil(j->n_blocks, j->n_chunks) * j->a.rows : 0;
    j->shared_at = nncf__bytes_aligned(j->direct ? 0 : j->a.rows * j->b.rows);
    return j->shared_at + nncf__bytes_aligned(rows * j->stride);
}

static size_t plan_private(weight_job *j)
{
    j->lines_at = nncf__round_up_64((size_t)j->k_block * sizeof(nncf__segment));
    j->a_at = j->lines_at + nncf__bytes_aligned(j->b.in_place ? 0 : GRAIN_B * j->stride);
    return j->a_at +
        nncf__bytes_aligned(j->a.in_place || j->a_is_shared ? 0 : j->a.share * j->stride);
}

static int64_t chunk_start(const weight_job *j, int64_t chunk)
{
    return chunk * j->n_blocks / j->n_chunks;
}

static void block_range(const weight_job *j, int64_t block, int64_t *first, int64_t *last)
{
    int64_t line = block / j->blocks_of_line;
    *first = line * j->line + block % j->blocks_of_line * j->k_block;
    *last = min_i(*first + j->k_block, (line + 1) * j->line);
}

/* Rows [r0, r1) of a block, one after the other in memory, up to whole vectors. */
static void pack_lines(const weight_job *j, const nncf__pixel_map *g, int64_t r0, int64_t r1,
    int64_t block, nncf__segment *segments, float *to)
{
    int64_t first, last;
    block_range(j, block, &first, &last);
    int64_t n = last - first, whole = round_up(n, 16);
    for (int64_t r = r0; r < r1;) {
        int64_t t = r / g->channels, c = r % g->channels, n_c = min_i(g->channels - c, r1 - r);
        const nncf__tap tap = nncf__taps_at(&g->taps, t);
        size_t n_segments = nncf__segments_source(g, &tap, first, last, n, 0, segments);
        float *lines = to + (r - r0) * j->stride;
        nncf__gather(j->k, g, c, n_c, n_segments, segments, lines, j->stride);
        for (int64_t i = 0; n < whole && i < n_c; i++)
            memset(lines + i * j->stride + n, 0, (size_t)(whole - n) * sizeof *lines);
        r += n_c;
    }
}

typedef struct rows {
    const float *first;
    int64_t stride;
} rows;

/* Row r0 of a block, and those after it, where they lie in the tensor. */
static rows in_place(const weight_job *j, const factor *s, int64_t r0, int64_t block)
{
    int64_t first, last;
    block_range(j, block, &first, &last);
    const float *src =
        (const float *)s->g->src.data + first / j->line * s->g->src_image + first % j->line;
    return (rows){src + r0 * s->g->src_plane, s->g->src_plane};
}

/* dz of a block of a chunk as pack_task leaves it. */
static float *shared_rows(const weight_job *j, int64_t chunk, int64_t block)
{
    char *unit = (char *)nncf__workspace_slot(&j->workspace, chunk);
    return (float *)(void *)(unit + j->shared_at) +
        (block - chunk_start(j, chunk)) * j->a.rows * j->stride;
}

enum { PACK_ROWS = 32 };

static void pack_task(void *arg, size_t index, size_t worker)
{
    const weight_job *j = arg;
    int64_t groups = div_ceil(j->a.rows, PACK_ROWS), block = (int64_t)index / groups;
    int64_t r0 = (int64_t)index % groups * PACK_ROWS, r1 = min_i(r0 + PACK_ROWS, j->a.rows);
    int64_t chunk = ((block + 1) * j->n_chunks - 1) / j->n_blocks;
    pack_lines(j, j->a.g, r0, r1, block,
        (nncf__segment *)(void *)nncf__scratch(j->workspace.context, worker),
        shared_rows(j, chunk, block) + r0 * j->stride);
}

static float *sums_of(const weight_job *j, int64_t chunk)
{
    return j->direct ? j->p->dst : nncf__workspace_slot(&j->workspace, chunk);
}

typedef struct weight_share {
    const weight_job *j;
    char *area;
    int64_t chunk, a0, a1, b0, b1;
} weight_share;

static rows rows_of_a(const weight_share *t, int64_t block)
{
    const weight_job *j = t->j;
    if (j->a.in_place)
        return in_place(j, &j->a, t->a0, block);
    if (j->a_is_shared)
        return (rows){shared_rows(j, t->chunk, block) + t->a0 * j->stride, j->stride};
    float *packed = (float *)(void *)(t->area + j->a_at);
    pack_lines(j, j->a.g, t->a0, t->a1, block, (nncf__segment *)(void *)t->area, packed);
    return (rows){packed, j->stride};
}

static rows strip_of_b(const weight_share *t, int64_t r0, int64_t r1, int64_t block)
{
    const weight_job *j = t->j;
    if (j->b.in_place)
        return in_place(j, &j->b, r0, block);
    float *packed = (float *)(void *)(t->area + j->lines_at);
    pack_lines(j, j->b.g, r0, r1, block, (nncf__segment *)(void *)t->area, packed);
    return (rows){packed, j->stride};
}

/* Rows [r0, r1) of a factor, of a block, in so many turns; none if the block is not this chunk's.
 */
static void plan_ahead(const weight_share *t, nncf__ahead *ahead, const factor *s, int64_t r0,
    int64_t r1, int64_t block, int64_t turns)
{
    int64_t first = 0, last = 0;
    if (block < chunk_start(t->j, t->chunk + 1))
        block_range(t->j, block, &first, &last);
    nncf__ahead_start(ahead, s->g, first, last, r0, r1, turns);
}

/* What is packed after a strip of x. */
static void fetch_strip(const weight_share *t, int64_t r1, int64_t block)
{
    nncf__ahead ahead;
    if (r1 < t->b1)
        plan_ahead(t, &ahead, &t->j->b, r1, min_i(r1 + GRAIN_B, t->b1), block, 1);
    else
        plan_ahead(t, &ahead, &t->j->b, t->b0, min_i(t->b0 + GRAIN_B, t->b1), block + 1, 1);
    nncf__ahead_fetch(&ahead);
}

/* Where the strip ends that begins with row r0: with blocks, all its rows are of one of them. */
static int64_t strip_end(const weight_share *t, int64_t r0)
{
    const weight_job *j = t->j;
    const int64_t channels = j->p->x.channels, channel = r0 % channels;
    if (!j->p->kept)
        return min_i(r0 + GRAIN_B, t->b1);
    const int64_t in_block = channel % j->p->block,
                  left = min_i(j->p->block - in_block, channels - channel);
    return min_i(min_i(r0 + j->strip - in_block % j->strip, r0 + left), t->b1);
}

/* Rows [*a0, *a1) of dz, from *a1 on, whose sums with the strip of x that begins with row r0 are
 * wanted: those of neighbouring blocks at once. False: there are no more. */
static bool next_rows(const weight_share *t, int64_t r0, int64_t *a0, int64_t *a1)
{
    const nncf__weight_product *p = t->j->p;
    if (!p->kept) {
        const bool more = *a1 < t->a1;
        *a0 = *a1;
        *a1 = t->a1;
        return more;
    }
    const uint8_t *kept =
        p->kept + r0 % p->x.channels / p->block * p->kept_column + r0 / p->x.channels;
    int64_t row = *a1;
    while (row < t->a1 && !kept[row / p->block * p->kept_row])
        row = (row / p->block + 1) * p->block;
    *a0 = min_i(row, t->a1);
    while (row < t->a1 && kept[row / p->block * p->kept_row])
        row = (row / p->block + 1) * p->block;
    *a1 = min_i(row, t->a1);
    return *a0 < *a1;
}

/* `next`: is read after this block, nullable. */
static void multiply_block(
    const weight_share *t, int64_t block, rows a, const float *next, bool add)
{
    nncf__ahead ahead = {0};
    const weight_job *j = t->j;
    const size_t width = (size_t)(t->b1 - t->b0);
    int64_t first, last, n_strips = div_ceil(t->b1 - t->b0, j->strip), s = 0;
    float *sums = sums_of(j, t->chunk);
    block_range(j, block, &first, &last);
    for (int64_t i = t->a0; j->p->kept && !add && i < t->a1; i++)
        memset(sums + i * j->b.rows + t->b0, 0, width * sizeof *sums);
    if (!j->a.in_place && !j->a_is_shared)
        plan_ahead(t, &ahead, &j->a, t->a0, t->a1, block + 1, n_strips);
    for (int64_t r0 = t->b0, r1; r0 < t->b1; r0 = r1, s++) {
        r1 = strip_end(t, r0);
        rows b = {0};
        for (int64_t a0, a1 = t->a0; next_rows(t, r0, &a0, &a1);) {
            if (!b.first) {
                b = strip_of_b(t, r0, r1, block);
                fetch_strip(t, r1, block);
                nncf__ahead_fetch(&ahead);
            }
            const nncf__dots_fetch fetch = {
                next ? next - a.first : 0, (size_t)(s % n_strips), (size_t)n_strips};
            j->k->gemm_dots((size_t)round_up(last - first, 16), a.first + (a0 - t->a0) * a.stride,
                a.stride, (size_t)(a1 - a0), b.first, b.stride, (size_t)(r1 - r0),
                next ? &fetch : NULL, sums + a0 * j->b.rows + r0, j->b.rows, add);
        }
    }
}

static void weight_task(void *arg, size_t index, size_t worker)
{
    const weight_job *j = arg;
    int64_t i = (int64_t)index, b0 = i % j->b.n_shares * j->b.share,
            a0 = i / j->b.n_shares % j->a.n_shares * j->a.share;
    weight_share t = {.j = j,
        .area = nncf__scratch(j->workspace.context, worker),
        .chunk = i / (j->a.n_shares * j->b.n_shares),
        .a0 = a0,
        .a1 = min_i(a0 + j->a.share, j->a.rows),
        .b0 = b0,
        .b1 = min_i(b0 + j->b.share, j->b.rows)};
    int64_t start = chunk_start(j, t.chunk), end = chunk_start(j, t.chunk + 1);
    for (int64_t block = start; block < end; block++) {
        const float *next =
            j->a.in_place && block + 1 < end ? in_place(j, &j->a, a0, block + 1).first : NULL;
        multiply_block(&t, block, rows_of_a(&t, block), next, block > start);
    }
}

/* A row's chunks are added, in order; (tap, channel) becomes (channel, tap). */
static void weight_sum_task(void *arg, size_t index, size_t worker)
{
    (void)worker;
    const weight_job *j = arg;
    int64_t row = j->b.rows, taps = nncf__taps_count(&j->p->x.taps), at = (int64_t)index * row;
    float *sums = sums_of(j, 0) + at, *dst = j->p->dst + at;
    if (taps == 1)
        sums = memcpy(dst, sums, (size_t)row * sizeof *dst);
    for (int64_t c = 1; c < j->n_chunks; c++)
        j->k->accumulate((size_t)row, sums_of(j, c) + at, sums);
    if (taps > 1)
        for (int64_t c = 0; c < j->p->x.channels; c++)
            for (int64_t t = 0; t < taps; t++)
                dst[c * taps + t] = sums[t * j->p->x.channels + c];
}

static weight_job plan(const nncf_context *context, const nncf__weight_product *p)
{
    weight_job j = {.p = p,
        .k = nncf__kernels_of(context),
        .workers = max_i(1, context->params.n_threads),
        .a = {.g = &p->dz, .in_place = is_readable(&p->dz), .rows = p->dz.channels},
        .b = {.g = &p->x, .rows = p->x.channels * nncf__taps_count(&p->x.taps)}};
    j.b.in_place = j.a.in_place && is_readable(&p->x); /* blocks of pixels are the same for bytes */
    j.strip = GRAIN_B;
    while (p->block > 0 && p->block % j.strip != 0)
        j.strip--;
    if (2 * j.strip <= GRAIN_B)
        j.strip = GRAIN_B;
    plan_pixels(&j);
    plan_shares(&j);
    size_t unit = plan_unit(&j);
    j.workspace = nncf__workspace_plan(context, plan_private(&j), unit, unit > 0 ? j.n_chunks : 0);
    return j;
}

size_t nncf__weight_product_scratch(const nncf_context *context, const nncf__weight_product *p)
{
    return nncf__weight_panels_fit(context, p) ? nncf__weight_panels_scratch(context, p)
                                               : plan(context, p).workspace.bytes;
}

void nncf__weight_product_run(nncf_context *context, const nncf__weight_product *p)
{
    if (nncf__weight_panels_fit(context, p)) {
        nncf__weight_panels_run(context, p);
        return;
    }
    weight_job j = plan(context, p);
    double outputs = (double)j.a.rows * (double)j.b.rows,
           pixels = (double)(p->x.n * p->x.rows * p->x.cols);
    if (j.a_is_shared)
        nncf__gemm_parallel(context, 4.0 * pixels * (double)j.a.rows,
            (size_t)(j.n_blocks * div_ceil(j.a.rows, PACK_ROWS)), pack_task, &j);
    nncf__gemm_parallel(context, 2.0 * outputs * pixels,
        (size_t)(j.n_chunks * j.a.n_shares * j.b.n_shares), weight_task, &j);
    if (!j.direct)
        nncf__gemm_parallel(
            context, 8.0 * outputs * (double)j.n_chunks, (size_t)j.a.rows, weight_sum_task, &j);
}
