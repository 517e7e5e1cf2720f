/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops around the micro-kernel.
 *
 * Same bits for any number of threads: an output element is computed by one task, over k in blocks and an order that
 * depend on the shape alone; how pixels and channels are cut into tasks changes nothing. Only a weight gradient cuts k
 * (pixels) into chunks, whose number depends on the shape alone, and adds them in order.
 *
 * Integer codes: within a block of k every partial sum stays below 2^24 and is exact in float, whatever the order and
 * with or without fused multiply-add; blocks are added in double, exact below 2^53. One rounding to float, then the
 * scale, then the bias: the bits do not depend on the micro-kernel.
 */
#include "kernels/gemm.h"

#include <math.h>

static int64_t min_i(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_i(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t ceil_to(int64_t a, int64_t b)
{
    return (a + b - 1) / b * b;
}

static int64_t parts(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/*
 * Scratch of a call: each worker has a private area; behind it lies its share of memory that all workers see, handed
 * out in equal units so that shared memory takes no more than its size over all workers together.
 */
typedef struct areas {
    const nncf_context *context;
    size_t private_bytes, unit_bytes;
    int64_t workers;
} areas;

static size_t bytes_aligned(int64_t floats)
{
    return ((size_t)floats * sizeof(float) + 63) / 64 * 64;
}

static nncf_status areas_reserve(areas *a, nncf_context *context, size_t private_bytes, size_t unit_bytes,
                                 int64_t n_units)
{
    *a = (areas){context, private_bytes, unit_bytes, max_i(1, context->params.n_threads)};
    size_t shared, total;
    if (!nncf__mul((size_t)parts(n_units, a->workers), unit_bytes, &shared) ||
        !nncf__add(shared, private_bytes + NNCF__PANEL_SLACK, &total))
        return NNCF_E_NOMEM;
    return nncf__scratch_reserve(context, total);
}

static float *area_unit(const areas *a, int64_t unit)
{
    char *base = nncf__scratch(a->context, (size_t)(unit % a->workers));
    return (float *)(void *)(base + a->private_bytes + (size_t)(unit / a->workers) * a->unit_bytes);
}

void nncf__gemm_parallel(nncf_context *context, double flops, size_t n_chunks, nncf__chunk_fn *fn, void *arg)
{
    /* Waking the others costs some microseconds: about as much as this many operations on one. */
    if (flops < 400e3 && !context->dry) {
        for (size_t i = 0; i < n_chunks; i++)
            fn(arg, i, 0);
        return;
    }
    nncf__parallel(context, n_chunks, fn, arg);
}

/* ---- forward, input gradient ---- */

typedef struct pixel_job {
    const nncf__pixel_product *p;
    nncf__micro m;
    areas areas;
    int64_t n_pixels, k, k_block, n_panels; /* n_panels: of output channels */
    int64_t task_pixels, task_panels, tasks_across;
    bool codes;
    bool stream; /* the output is larger than caches, and its planes are whole lines */
    size_t targets_at, starts_at, pixels_at, sums_at, scales_at; /* offsets in the private area; pieces at 0 */
} pixel_job;

/* The largest |code| of the weights: it says how long a block of k may be. */
static float largest_code(const nncf__kernels *k, const nncf__weights *w)
{
    float largest = 1;
    int64_t row = w->channels * w->n_taps;
    for (int64_t j = 0; j < w->n_s; j++) {
        float range[2] = {0, 0};
        k->min_max((size_t)row, w->data + j * w->s_stride, range);
        float reach = fmaxf(-range[0], range[1]) / w->step[w->n_steps > 1 ? j : 0];
        largest = fmaxf(largest, rintf(reach));
    }
    return fminf(largest, 255.0f);
}

static void plan_k(pixel_job *j)
{
    int64_t limit = j->m.kc;
    if (j->codes && j->k > 257) { /* 255 * 255 * 257 < 2^24 */
        float product = 255.0f * largest_code(j->m.k, &j->p->weights);
        limit = min_i(limit, (int64_t)(16777215.0f / product));
    }
    if (j->k <= limit) {
        j->k_block = j->k;
        return;
    }
    limit = limit / 4 * 4;
    j->k_block = ceil_to(parts(j->k, parts(j->k, limit)), 4);
}

/* How much of the output a task computes. Its pixels, packed, and its sums, where k has several blocks, stay in the
 * second-level cache; there are a few tasks a thread. */
static void plan_tasks(pixel_job *j)
{
    int64_t v = j->m.v, s = j->m.s;
    bool several = j->k_block < j->k;
    j->task_panels = several ? min_i(j->n_panels, parts(512, s)) : j->n_panels;
    int64_t budget = j->m.block_v * j->m.kc;
    int64_t sums = several ? j->task_panels * s * (j->codes ? 2 : 1) : 0;
    int64_t pixels = min_i(budget / (j->k_block + sums), 512);
    pixels = max_i(pixels / v * v, 2 * v);
    int64_t wanted = j->areas.workers > 1 ? 4 * j->areas.workers : 1;
    while (pixels > 4 * v && parts(j->n_pixels, pixels) * parts(j->n_panels, j->task_panels) < wanted)
        pixels = ceil_to(pixels / 2, v);
    while (j->task_panels > 7 && parts(j->n_pixels, pixels) * parts(j->n_panels, j->task_panels) < wanted)
        j->task_panels = parts(j->task_panels, 2);
    /* Equal shares, not full ones and a rest. */
    j->task_pixels = ceil_to(parts(j->n_pixels, parts(j->n_pixels, pixels)), v);
    j->tasks_across = parts(j->n_panels, j->task_panels);
    j->task_panels = parts(j->n_panels, j->tasks_across);
}

static size_t plan_private(pixel_job *j)
{
    int64_t n_s = j->n_panels * j->m.s;
    j->targets_at = (size_t)(j->task_pixels + 1) * sizeof(nncf__piece);
    j->starts_at = j->targets_at + (size_t)j->task_pixels * sizeof(nncf__piece);
    size_t starts = (size_t)(j->task_pixels / j->m.v + 1) * sizeof(size_t);
    j->pixels_at = (j->starts_at + starts + 63) / 64 * 64;
    j->sums_at = j->pixels_at + bytes_aligned(j->task_pixels * j->k_block) + NNCF__PANEL_SLACK;
    size_t sums = j->k_block < j->k ? bytes_aligned(j->task_pixels * j->task_panels * j->m.s) : 0;
    j->scales_at = j->sums_at + sums * (j->codes ? 2 : 1);
    return j->scales_at + bytes_aligned(2 * n_s);
}

static void pack_weights_task(void *arg, size_t chunk, size_t worker)
{
    (void)worker;
    pixel_job *j = arg;
    nncf__pack_weights(&j->m, &j->p->weights, (int64_t)chunk * j->m.s, area_unit(&j->areas, (int64_t)chunk));
}

typedef struct pixel_task {
    const pixel_job *j;
    int64_t first, last, panel0, panel1;
    nncf__piece *pieces;  /* of the source, one tap at a time */
    nncf__piece *targets; /* of the destination, panel by panel */
    size_t *starts;       /* where each panel's targets begin */
    float *pixels, *sums, *scale, *bias;
} pixel_task;

/* The tile's lines are on their way while the micro-kernel runs: 15-25 % where k is small and the output large. */
static void fetch_lines(const pixel_task *t, int64_t panel, int64_t i, int64_t used)
{
    enum { LINE = 16 };
    const nncf__pixel_product *p = t->j->p;
    const nncf__piece *to = t->targets + t->starts[i];
    if (t->starts[i + 1] - t->starts[i] > 1 || p->grid.dst_col > 1)
        return;
    const float *dst = p->dst + panel * t->j->m.s * p->dst_plane + to->src;
    for (int64_t s = 0; s < used; s++, dst += p->dst_plane) {
        for (int64_t v = 0; v < to->length; v += LINE)
            __builtin_prefetch(dst + v, 1);
        __builtin_prefetch(dst + to->length - 1, 1);
    }
}

/*
 * Where k is short, storing the tile costs as much as a good part of the product: our own micro-kernel, which writes to
 * the place itself, is faster than BLIS's and a store (Zen 5, 16 -> 96 channels of 112 x 112: 7.4 -> 3.5 ms).
 */
enum { DIRECT_K = 128 };

/* Lines of the destination may be written past the caches: all planes begin alike. */
static bool is_aligned(const float *dst)
{
    return (uintptr_t)dst % 64 == 0;
}

/* One channel panel times all pixel panels of the task, for one block of k. */
static void multiply_panel(const pixel_task *t, int64_t panel, int64_t k0, int64_t k1)
{
    const pixel_job *j = t->j;
    const nncf__micro *m = &j->m;
    const nncf__pixel_product *p = j->p;
    _Alignas(64) float tile[NNCF__TILE_MAX];
    int64_t v = m->v, s = m->s, size = v * s, used = min_i(s, p->weights.n_s - panel * s), depth = k1 - k0;
    const float *weights = area_unit(&j->areas, panel) + k0 * s;
    bool first_block = k0 == 0, last_block = k1 == j->k;
    bool direct = first_block && last_block && m->own_fits && p->grid.dst_col == 1 && depth <= DIRECT_K;
    for (int64_t i = 0; t->first + i * v < t->last; i++) {
        int64_t at = ((panel - t->panel0) * (j->task_pixels / v) + i) * size;
        const float *pixels = t->pixels + i * depth * v;
        float *c = j->k_block < j->k && !j->codes ? t->sums + at : tile;
        float *dst = p->dst + panel * s * p->dst_plane;
        const float *scale = t->scale + panel * s, *bias = t->bias + panel * s;
        const nncf__piece *to = t->targets + t->starts[i];
        if (direct && to->length == v) {
            m->k->gemm_micro_store((size_t)depth, pixels, weights, (size_t)used, scale, bias, dst + to->src,
                                   p->dst_plane, j->stream && is_aligned(dst + to->src));
            continue;
        }
        if (last_block)
            fetch_lines(t, panel, i, used);
        m->run(m, depth, pixels, weights, used, c, c != tile && !first_block);
        double *wide = j->k_block < j->k && j->codes ? (double *)(void *)t->sums + at : NULL;
        if (wide)
            m->k->gemm_widen((size_t)(v * used), tile, wide, !first_block);
        if (!last_block)
            continue;
        if (wide)
            m->k->gemm_narrow((size_t)(v * used), wide, tile);
        m->k->gemm_store((size_t)v, (size_t)used, wide ? tile : c, scale, bias, dst, p->dst_plane, p->grid.dst_col, to,
                         t->starts[i + 1] - t->starts[i]);
    }
}

static void find_targets(const pixel_task *t)
{
    const pixel_job *j = t->j;
    size_t n = 0, panel = 0;
    for (int64_t p = t->first; p < t->last; p += j->m.v) {
        t->starts[panel++] = n;
        n += nncf__pieces_destination(&j->p->grid, p, min_i(p + j->m.v, t->last), t->targets + n);
    }
    t->starts[panel] = n;
}

static void multiply_task(void *arg, size_t chunk, size_t worker)
{
    const pixel_job *j = arg;
    const nncf__pixel_product *p = j->p;
    const nncf__weights *w = &p->weights;
    char *area = nncf__scratch(j->areas.context, worker);
    int64_t block = (int64_t)chunk / j->tasks_across, across = (int64_t)chunk % j->tasks_across;
    int64_t n_s = j->n_panels * j->m.s;
    pixel_task t = {.j = j,
                    .first = block * j->task_pixels,
                    .last = min_i((block + 1) * j->task_pixels, j->n_pixels),
                    .panel0 = across * j->task_panels,
                    .panel1 = min_i((across + 1) * j->task_panels, j->n_panels),
                    .pieces = (nncf__piece *)(void *)area,
                    .targets = (nncf__piece *)(void *)(area + j->targets_at),
                    .starts = (size_t *)(void *)(area + j->starts_at),
                    .pixels = (float *)(void *)(area + j->pixels_at),
                    .sums = (float *)(void *)(area + j->sums_at),
                    .scale = (float *)(void *)(area + j->scales_at),
                    .bias = (float *)(void *)(area + j->scales_at) + n_s};
    find_targets(&t);
    for (int64_t i = t.panel0 * j->m.s; i < min_i(t.panel1 * j->m.s, w->n_s); i++) {
        t.scale[i] = j->codes ? p->step_x * w->step[w->n_steps > 1 ? i : 0] : 1.0f;
        t.bias[i] = p->bias ? p->bias[i] : -0.0f; /* x + -0 is x, for +0 and -0 too */
    }
    for (int64_t k0 = 0; k0 < j->k; k0 += j->k_block) {
        int64_t k1 = min_i(k0 + j->k_block, j->k);
        float inverse = j->codes && !p->grid.is_bytes ? 1.0f / p->step_x : 0.0f;
        nncf__pack_pixels(&j->m, &p->grid, t.first, t.last, k0, k1, inverse, t.pieces, t.pixels);
        for (int64_t panel = t.panel0; panel < t.panel1; panel++)
            multiply_panel(&t, panel, k0, k1);
    }
    if (j->stream)
        j->m.k->gemm_streams_end();
}

static nncf_status pixel_plan(nncf_context *context, const nncf__pixel_product *p, pixel_job *j)
{
    *j = (pixel_job){.p = p, .codes = p->weights.step != NULL && p->step_x > 0};
    nncf__micro_get(context, &j->m);
    j->areas.workers = max_i(1, context->params.n_threads);
    j->n_pixels = p->grid.n * p->grid.rows * p->grid.cols;
    j->k = p->weights.channels * p->weights.n_taps;
    j->n_panels = parts(p->weights.n_s, j->m.s);
    j->stream = j->n_pixels * p->weights.n_s >= NNCF__STREAM_FLOATS && p->dst_plane % 16 == 0;
    plan_k(j);
    plan_tasks(j);
    return areas_reserve(&j->areas, context, plan_private(j), bytes_aligned(j->k * j->m.s), j->n_panels);
}

nncf_status nncf__pixel_product_reserve(nncf_context *context, const nncf__pixel_product *p)
{
    pixel_job j;
    return pixel_plan(context, p, &j);
}

nncf_status nncf__pixel_product_run(nncf_context *context, const nncf__pixel_product *p)
{
    pixel_job j;
    nncf_status status = pixel_plan(context, p, &j);
    if (status)
        return status;
    double weights = (double)j.k * (double)p->weights.n_s;
    nncf__gemm_parallel(context, 32.0 * weights, (size_t)j.n_panels, pack_weights_task, &j);
    nncf__gemm_parallel(context, 2.0 * (double)j.n_pixels * weights,
                        (size_t)(parts(j.n_pixels, j.task_pixels) * j.tasks_across), multiply_task, &j);
    return NNCF_OK;
}

/* ---- weight gradient ---- */

typedef struct weight_job {
    const nncf__weight_product *p;
    nncf__micro m;
    areas areas;
    bool patches_are_vector;              /* x rows on the vector side, dz on the scalar side; else the reverse */
    int64_t n_pixels, n_v, n_s;           /* rows on either side */
    int64_t v_panels, s_panels;           /* of the output */
    int64_t chunk, n_chunks, k_block;     /* pixels */
    int64_t block_v, block_s, n_bv, n_bs; /* a task's share, in panels */
    size_t line_at, panels_v_at, panels_s_at;
} weight_job;

static void plan_sides(weight_job *j)
{
    int64_t x_rows = j->p->x.channels * j->p->x.n_taps, dz_rows = j->p->dz.channels;
    int64_t v = j->m.v, s = j->m.s;
    j->patches_are_vector = ceil_to(x_rows, v) * ceil_to(dz_rows, s) <= ceil_to(dz_rows, v) * ceil_to(x_rows, s);
    j->n_v = j->patches_are_vector ? x_rows : dz_rows;
    j->n_s = j->patches_are_vector ? dz_rows : x_rows;
    j->v_panels = parts(j->n_v, v);
    j->s_panels = parts(j->n_s, s);
}

/* Chunks of pixels: by the shape alone. Their sums are as large as the output each: no more than 8 MB or one. */
static void plan_chunks(weight_job *j)
{
    int64_t sums = j->v_panels * j->m.v * j->s_panels * j->m.s * (int64_t)sizeof(float);
    int64_t n = min_i(parts(j->n_pixels, 1024), min_i(64, max_i(1, (8 << 20) / sums)));
    j->chunk = parts(j->n_pixels, n);
    j->n_chunks = parts(j->n_pixels, j->chunk);
    int64_t block = min_i(j->m.kc, 384);
    j->k_block = ceil_to(parts(j->chunk, parts(j->chunk, block)), 16);
}

/* Shares of the output. They change no bits, so the number of threads may have a say. A share packs its rows of both
 * sides: of all ways to cut, the one that packs least. */
static void plan_shares(weight_job *j)
{
    int64_t wanted = parts(j->areas.workers > 1 ? 4 * j->areas.workers : 1, j->n_chunks);
    int64_t least_v = parts(j->v_panels, max_i(1, j->m.block_v / j->m.v)), best = INT64_MAX;
    int64_t least_s = parts(j->s_panels, max_i(1, 1024 / j->m.s));
    for (int64_t n_v = least_v; n_v <= j->v_panels && n_v < least_v + wanted; n_v++) {
        int64_t n_s = min_i(max_i(least_s, parts(wanted, n_v)), j->s_panels);
        int64_t packed = n_s * j->n_v + n_v * j->n_s;
        if (n_v * n_s < min_i(wanted, j->v_panels * j->s_panels) || packed >= best)
            continue;
        best = packed;
        j->block_v = parts(j->v_panels, n_v);
        j->block_s = parts(j->s_panels, n_s);
    }
    if (best == INT64_MAX) { /* few panels: each a share */
        j->block_v = 1;
        j->block_s = min_i(j->s_panels, max_i(1, 1024 / j->m.s));
    }
    j->n_bv = parts(j->v_panels, j->block_v);
    j->n_bs = parts(j->s_panels, j->block_s);
}

static void pack_side(const weight_job *j, bool vector, int64_t panel0, int64_t panel1, int64_t p0, int64_t p1,
                      char *area, float *to)
{
    const nncf__grid *g = vector == j->patches_are_vector ? &j->p->x : &j->p->dz;
    int64_t width = vector ? j->m.v : j->m.s;
    for (int64_t i = panel0; i < panel1; i++, to += width * (p1 - p0))
        nncf__pack_rows(&j->m, g, i * width, width, p0, p1, (nncf__piece *)(void *)area,
                        (float *)(void *)(area + j->line_at), to);
}

static void weight_task(void *arg, size_t index, size_t worker)
{
    const weight_job *j = arg;
    const nncf__micro *m = &j->m;
    char *area = nncf__scratch(j->areas.context, worker);
    float *panels_v = (float *)(void *)(area + j->panels_v_at), *panels_s = (float *)(void *)(area + j->panels_s_at);
    int64_t n = (int64_t)index, chunk = n / (j->n_bv * j->n_bs), bv = n / j->n_bs % j->n_bv, bs = n % j->n_bs;
    int64_t v0 = bv * j->block_v, v1 = min_i(v0 + j->block_v, j->v_panels);
    int64_t s0 = bs * j->block_s, s1 = min_i(s0 + j->block_s, j->s_panels);
    int64_t first = chunk * j->chunk, last = min_i(first + j->chunk, j->n_pixels), tile = m->v * m->s;
    for (int64_t p0 = first; p0 < last; p0 += j->k_block) {
        int64_t p1 = min_i(p0 + j->k_block, last);
        pack_side(j, true, v0, v1, p0, p1, area, panels_v);
        pack_side(j, false, s0, s1, p0, p1, area, panels_s);
        for (int64_t v = v0; v < v1; v++) {
            float *sums = area_unit(&j->areas, chunk * j->v_panels + v);
            for (int64_t s = s0; s < s1; s++)
                m->run(m, p1 - p0, panels_v + (v - v0) * m->v * (p1 - p0), panels_s + (s - s0) * m->s * (p1 - p0),
                       min_i(m->s, j->n_s - s * m->s), sums + s * tile, p0 > first);
        }
    }
}

/* Pieces of a vector panel's rows at the destination; their stride. */
static size_t weight_pieces(const weight_job *j, int64_t v0, nncf__piece *pieces)
{
    int64_t used = min_i(j->m.v, j->n_v - v0), taps = j->p->x.n_taps, channels = j->p->x.channels;
    if (!j->patches_are_vector) {
        pieces[0] = (nncf__piece){.src = v0 * channels * taps, .dst = 0, .length = (int32_t)used};
        return 1;
    }
    size_t n = 0;
    for (int64_t r = v0; r < v0 + used;) {
        int64_t t = r / channels, c = r % channels, length = min_i(channels - c, v0 + used - r);
        pieces[n++] = (nncf__piece){
            .src = c * taps + j->p->x.taps[t].weight, .dst = (int32_t)(r - v0), .length = (int32_t)length};
        r += length;
    }
    return n;
}

/* Add up one vector panel's chunks, in order, and write it. */
static void weight_sum_task(void *arg, size_t index, size_t worker)
{
    (void)worker;
    const weight_job *j = arg;
    const nncf__kernels *k = j->m.k;
    const nncf__grid *x = &j->p->x;
    int64_t v = (int64_t)index, s = j->m.s, tile = j->m.v * s, row = x->channels * x->n_taps;
    float *sums = area_unit(&j->areas, v);
    nncf__piece pieces[64];
    float one[32], none[32];
    for (int64_t i = 0; i < s; i++) {
        one[i] = 1.0f;
        none[i] = -0.0f;
    }
    size_t n = weight_pieces(j, v * j->m.v, pieces);
    for (int64_t c = 1; c < j->n_chunks; c++)
        k->accumulate((size_t)(j->n_s * j->m.v), area_unit(&j->areas, c * j->v_panels + v), sums);
    for (int64_t i = 0; i < j->s_panels; i++) {
        int64_t used = min_i(s, j->n_s - i * s);
        if (j->patches_are_vector) {
            k->gemm_store((size_t)j->m.v, (size_t)used, sums + i * tile, one, none, j->p->dst + i * s * row, row,
                          x->n_taps, pieces, n);
            continue;
        }
        for (int64_t u = 0; u < used; u++) {
            int64_t r = i * s + u, at = r % x->channels * x->n_taps + x->taps[r / x->channels].weight;
            k->gemm_store((size_t)j->m.v, 1, sums + i * tile + u * j->m.v, one, none, j->p->dst + at, 0, row, pieces,
                          n);
        }
    }
}

nncf_status nncf__weight_product_run(nncf_context *context, const nncf__weight_product *p)
{
    weight_job j = {.p = p, .n_pixels = p->x.n * p->x.rows * p->x.cols};
    nncf__micro_get(context, &j.m);
    j.areas.workers = max_i(1, context->params.n_threads);
    plan_sides(&j);
    plan_chunks(&j);
    plan_shares(&j);
    int64_t width = max_i(j.m.v, j.m.s);
    j.line_at = ((size_t)j.k_block * sizeof(nncf__piece) + 63) / 64 * 64;
    j.panels_v_at = j.line_at + bytes_aligned(width * j.k_block);
    j.panels_s_at = j.panels_v_at + bytes_aligned(j.block_v * j.m.v * j.k_block) + NNCF__PANEL_SLACK;
    size_t private_bytes = j.panels_s_at + bytes_aligned(j.block_s * j.m.s * j.k_block) + NNCF__PANEL_SLACK;
    nncf_status status = areas_reserve(&j.areas, context, private_bytes, bytes_aligned(j.s_panels * j.m.v * j.m.s),
                                       j.n_chunks * j.v_panels);
    if (status)
        return status;
    double flops = 2.0 * (double)j.n_pixels * (double)j.n_v * (double)j.n_s;
    nncf__gemm_parallel(context, flops, (size_t)(j.n_chunks * j.n_bv * j.n_bs), weight_task, &j);
    nncf__gemm_parallel(context, 8.0 * (double)(j.n_chunks * j.n_v * j.n_s), (size_t)j.v_panels, weight_sum_task, &j);
    return NNCF_OK;
}
