/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops around the microkernel; products of codes that the CPU has integer instructions for are
 * int8_product.c's.
 *
 * Same bits for any number of threads: an output element is computed by one task, over k in blocks
 * and an order that depend on the shape alone; how pixels and channels are cut into tasks changes
 * nothing.
 *
 * Integer codes: within a block of k every partial sum stays below 2^24 and is exact in float,
 * whatever the order and with or without fused multiply-add; blocks are added in double, exact
 * below 2^53. One rounding to float, then the scale, then the bias: the bits do not depend on the
 * microkernel.
 */
#include "gemm/pixel_product.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/channel_lanes.h"
#include "gemm/int8_product.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <string.h>

/* ---- forward, input gradient ---- */

typedef struct pixel_job {
    const nncf__pixel_product *p;
    nncf__microkernel m;
    nncf__workspace workspace;
    int64_t workers;
    /* n_panels: of output channels */
    int64_t n_pixels, k, k_block, n_panels;
    /* those of the product, with the width of panels; and that width */
    nncf__weights weights;
    int64_t width;
    /* panels have their rows that are not 0 only, and say which */
    bool skips;
    /* a task: so many blocks, one after the other */
    int64_t block_pixels, task_blocks, task_panels, tasks_across;
    bool codes;
    /* the output is larger than caches, and its planes are whole lines */
    bool stream;
    /* offsets in the private area; segments at 0 */
    size_t targets_at, starts_at, pixels_at, sums_at, scales_at;
} pixel_job;

static void plan_k(pixel_job *j)
{
    int64_t most = nncf__microkernel_k_most(&j->m, j->k);
    if (j->codes) /* sums below 2^24 */
        most = min_i(most, 16777215 / (255 * (int64_t)nncf__weight_code_max(&j->p->weights.src)));
    j->k_block = nncf__k_block_of(j->k, most);
}

/* Blocks of pixels that a task takes, so that one can be fetched while the one before is
 * multiplied: as many as leave the threads equal shares. */
static int64_t blocks_of_task(const pixel_job *j)
{
    enum { MOST = 8 };
    int64_t n = div_ceil(j->n_pixels, j->block_pixels), workers = j->workers, best = 1,
            least = INT64_MAX;
    for (int64_t b = 1; b <= MOST && n * j->tasks_across >= 4 * b * workers; b++) {
        int64_t share = div_ceil(div_ceil(n, b) * j->tasks_across, workers) * b;
        if (share <= least) {
            least = share;
            best = b;
        }
    }
    return best;
}

/* Equal shares, not full ones and a rest: how many of n panels of pixels, `most` or somewhat fewer,
 * a block takes so that the threads are done at the same time. */
static int64_t equal_blocks(const pixel_job *j, int64_t n, int64_t most)
{
    int64_t workers = j->workers, best = most, least = INT64_MAX, first = div_ceil(n, most);
    for (int64_t blocks = first; blocks <= first + 2 * workers; blocks++) {
        int64_t size = div_ceil(n, blocks),
                share = div_ceil(div_ceil(n, size) * j->tasks_across, workers) * size;
        if (share < least) {
            least = share;
            best = size;
        }
    }
    return best;
}

/* How much of the output a task computes. Its pixels, packed, and its sums, where k has several
 * blocks, stay in the second-level cache; there are a few tasks a thread. */
static void plan_tasks(pixel_job *j)
{
    int64_t mr = j->m.mr, nr = j->m.nr;
    bool several = j->k_block < j->k;
    j->task_panels = several ? min_i(j->n_panels, div_ceil(512, nr)) : j->n_panels;
    int64_t budget = j->m.mc * j->m.kc, packed = j->k_block;
    if (!several && j->n_pixels > 4096 * j->workers)
        packed *= 2; /* the next block is fetched meanwhile */
    int64_t sums = several ? j->task_panels * nr * (j->codes ? 2 : 1) : 0;
    int64_t pixels = min_i(budget / (packed + sums), 512);
    pixels = max_i(pixels / mr * mr, 2 * mr);
    int64_t wanted = j->workers > 1 ? 4 * j->workers : 1;
    while (pixels > 4 * mr &&
        div_ceil(j->n_pixels, pixels) * div_ceil(j->n_panels, j->task_panels) < wanted)
        pixels = round_up(pixels / 2, mr);
    while (j->task_panels > 7 &&
        div_ceil(j->n_pixels, pixels) * div_ceil(j->n_panels, j->task_panels) < wanted)
        j->task_panels = div_ceil(j->task_panels, 2);
    j->tasks_across = div_ceil(j->n_panels, j->task_panels);
    j->task_panels = div_ceil(j->n_panels, j->tasks_across);
    j->block_pixels = mr * equal_blocks(j, div_ceil(j->n_pixels, mr), pixels / mr);
    j->task_blocks = blocks_of_task(j);
}

static size_t plan_private(pixel_job *j)
{
    int64_t n_out = j->n_panels * j->width;
    j->targets_at = (size_t)(j->block_pixels + 1) * sizeof(nncf__segment);
    j->starts_at = j->targets_at + (size_t)j->block_pixels * sizeof(nncf__segment);
    const size_t starts = (size_t)(j->block_pixels / j->m.mr + 1) * sizeof(size_t);
    j->pixels_at = nncf__round_up_64(j->starts_at + starts);
    j->sums_at =
        j->pixels_at + nncf__bytes_aligned(j->block_pixels * j->k_block) + NNCF__PANEL_SLACK;
    size_t sums =
        j->k_block < j->k ? nncf__bytes_aligned(j->block_pixels * j->task_panels * j->m.nr) : 0;
    j->scales_at = j->sums_at + sums * (j->codes ? 2 : 1);
    return j->scales_at + nncf__bytes_aligned(2 * n_out);
}

static void pack_weights_task(void *arg, size_t chunk, size_t worker)
{
    (void)worker;
    pixel_job *j = arg;
    nncf__pack_weights(&j->m, &j->weights, (int64_t)chunk * j->width,
        nncf__workspace_slot(&j->workspace, (int64_t)chunk));
}

/*
 * Weights whose k is not contiguous: a task is some channels of some panels, which reads a few
 * thousand neighbouring bytes of each channel and writes to not too many places. One panel at a
 * time, each line would be waited for: it is in a page of its own.
 */
enum { PACK_BYTES = 4096, PACK_PANELS = 64, PACK_CHANNELS = 64 };

static int64_t panels_at_once(const pixel_job *j)
{
    const nncf__weights *w = &j->p->weights;
    const int64_t bytes = j->width * w->out_stride * (int64_t)nncf__qtensor_element_size(&w->src);
    return min_i(max_i(PACK_BYTES / bytes, 1), min_i(PACK_PANELS, j->n_panels));
}

static void pack_channels_task(void *arg, size_t chunk, size_t worker)
{
    (void)worker;
    pixel_job *j = arg;
    const int64_t channels = j->p->weights.channels, parts = div_ceil(channels, PACK_CHANNELS),
                  at_once = panels_at_once(j), c0 = (int64_t)chunk % parts * PACK_CHANNELS,
                  panel0 = (int64_t)chunk / parts * at_once,
                  n_panels = min_i(at_once, j->n_panels - panel0);
    float *panels[PACK_PANELS];
    for (int64_t i = 0; i < n_panels; i++)
        panels[i] = nncf__workspace_slot(&j->workspace, panel0 + i);
    nncf__pack_weight_channels(
        &j->m, &j->weights, c0, min_i(c0 + PACK_CHANNELS, channels), panel0, n_panels, panels);
}

/*
 * Blocks of zeros. A panel is packed whole, then rows in which all of its channels are 0 are taken
 * out, and what is left is listed: numbers of rows within their block of k. The microkernel reads
 * those rows of the pixels' panels. Blocks of other weights have one width of panels each, so that
 * panels do not straddle them.
 */
typedef struct row_list {
    /* [blocks of k + 1]: where the rows of a block begin */
    uint32_t *starts;
    uint16_t *rows;
} row_list;

static int64_t k_blocks(const pixel_job *j)
{
    return div_ceil(j->k, j->k_block);
}

static size_t list_bytes(const pixel_job *j)
{
    return j->skips ? nncf__round_up_64((size_t)(k_blocks(j) + 1) * sizeof(uint32_t) +
                          (size_t)j->k * sizeof(uint16_t))
                    : 0;
}

static size_t panel_bytes(const pixel_job *j)
{
    return nncf__bytes_aligned(j->k * j->m.nr);
}

static row_list list_of(const pixel_job *j, int64_t panel)
{
    char *at = (char *)nncf__workspace_slot(&j->workspace, panel) + panel_bytes(j);
    row_list l = {.starts = (uint32_t *)(void *)at};
    l.rows = (uint16_t *)(void *)(l.starts + k_blocks(j) + 1);
    return l;
}

/* Panels of equal width that fill a block; where only narrow ones do, panels are whole and may
 * straddle blocks. */
static int64_t width_of_block(int64_t nr, int64_t block)
{
    int64_t width = nr;
    while (block % width != 0)
        width--;
    return 2 * width > nr ? width : nr;
}

static bool is_zero(const float *row, int64_t n)
{
    bool zero = true;
    for (int64_t i = 0; i < n; i++)
        zero = zero && row[i] == 0;
    return zero;
}

static void list_rows_task(void *arg, size_t chunk, size_t worker)
{
    const pixel_job *j = arg;
    const int64_t panel = (int64_t)chunk, nr = j->m.nr,
                  used = min_i(j->width, j->p->weights.n_out - panel * j->width);
    float *weights = nncf__workspace_slot(&j->workspace, panel);
    const row_list l = list_of(j, panel);
    uint32_t n = 0;
    (void)worker;
    for (int64_t b = 0; b < k_blocks(j); b++) {
        l.starts[b] = n;
        for (int64_t k = b * j->k_block; k < min_i((b + 1) * j->k_block, j->k); k++) {
            if (is_zero(weights + k * nr, used))
                continue;
            if (n < k)
                memcpy(weights + n * nr, weights + k * nr, (size_t)nr * sizeof *weights);
            l.rows[n++] = (uint16_t)(k - b * j->k_block);
        }
    }
    l.starts[k_blocks(j)] = n;
}

static void pack_weights(nncf_context *context, pixel_job *j)
{
    const nncf__weights *w = &j->p->weights;
    const double operations = 32.0 * (double)j->k * (double)w->n_out;
    if (w->k_is_contiguous)
        nncf__gemm_parallel(context, operations, (size_t)j->n_panels, pack_weights_task, j);
    else
        nncf__gemm_parallel(context, operations,
            (size_t)(div_ceil(w->channels, PACK_CHANNELS) *
                div_ceil(j->n_panels, panels_at_once(j))),
            pack_channels_task, j);
    if (j->skips)
        nncf__gemm_parallel(context, operations, (size_t)j->n_panels, list_rows_task, j);
}

typedef struct pixel_task {
    const pixel_job *j;
    int64_t first, last, panel0, panel1;
    /* of the source, one tap at a time */
    nncf__segment *segments;
    /* of the destination, panel by panel */
    nncf__segment *targets;
    /* where each panel's targets begin */
    size_t *starts;
    float *pixels, *sums, *scale, *bias;
    /* where the task's pixels end */
    int64_t end;
    nncf__ahead ahead;
} pixel_task;

/* Pixels [first, last), channels of k from k0 on, are packed after `tiles` tiles. Of several taps
 * all but the first find what they read in a cache, and so do all where the channels are few. */
static void plan_ahead(pixel_task *t, int64_t first, int64_t last, int64_t k0, int64_t tiles)
{
    const pixel_job *j = t->j;
    const nncf__pixel_map *g = &j->p->map;
    const int64_t n = min_i(min_i(j->k - k0, j->k_block), g->channels);
    const bool cached = nncf__taps_count(&g->taps) > 1 && k0 > 0 && g->channels < j->k_block;
    nncf__ahead_start(&t->ahead, g, first, cached ? first : last, k0, k0 + n, tiles);
}

/* The tile's lines are on their way while the microkernel runs: 15-25 % where k is small and the
 * output large. */
static void fetch_lines(const pixel_task *t, int64_t panel, int64_t i, int64_t used)
{
    const nncf__pixel_product *p = t->j->p;
    const nncf__segment *to = t->targets + t->starts[i];
    if (t->starts[i + 1] - t->starts[i] > 1 || p->map.dst_col > 1)
        return;
    const float *dst = p->dst + panel * t->j->width * p->dst_plane + to->src;
    for (int64_t c = 0; c < used; c++, dst += p->dst_plane) {
        for (int64_t j = 0; j < to->length; j += NNCF__LINE_FLOATS)
            __builtin_prefetch(dst + j, 1);
        __builtin_prefetch(dst + to->length - 1, 1);
    }
}

/*
 * Storing a tile costs a part of the product, a good one where k is short: the last block of k is
 * the built-in microkernel's, which writes to the place itself. Zen 5, 16 -> 96 channels of
 * 112 x 112: 7.4 -> 3.5 ms; on Zen 4 it is as fast as BLIS's at any k.
 */
/* One channel panel times all pixel panels of the task, for one block of k. */
static void multiply_panel(pixel_task *t, int64_t panel, int64_t k0, int64_t k1)
{
    const pixel_job *j = t->j;
    const nncf__microkernel *m = &j->m;
    const nncf__pixel_product *p = j->p;
    _Alignas(64) float tile[NNCF__TILE_MAX];
    int64_t mr = m->mr, nr = m->nr, size = mr * nr, out0 = panel * j->width,
            used = min_i(j->width, p->weights.n_out - out0), depth = k1 - k0, terms = depth;
    const float *weights = nncf__workspace_slot(&j->workspace, panel) + k0 * nr;
    const uint16_t *rows = NULL;
    if (j->skips) {
        const row_list l = list_of(j, panel);
        const int64_t b = k0 / j->k_block, from = l.starts[b];
        terms = l.starts[b + 1] - from;
        weights = nncf__workspace_slot(&j->workspace, panel) + from * nr;
        rows = terms < depth ? l.rows + from : NULL;
    }
    bool first_block = k0 == 0, last_block = k1 == j->k;
    bool direct = last_block && m->has_builtin && p->map.dst_col == 1 && (first_block || !j->codes);
    for (int64_t i = 0; t->first + i * mr < t->last; i++) {
        int64_t at = ((panel - t->panel0) * (j->block_pixels / mr) + i) * size;
        const float *pixels = t->pixels + i * depth * mr;
        float *c = j->k_block < j->k && !j->codes ? t->sums + at : tile;
        float *dst = p->dst + out0 * p->dst_plane;
        const float *scale = t->scale + out0, *bias = t->bias + out0;
        const nncf__segment *to = t->targets + t->starts[i];
        const bool stream = j->stream && nncf__is_line_aligned(dst + to->src);
        nncf__ahead_fetch(&t->ahead);
        const bool whole = direct && to->length == mr; /* the microkernel fetches its lines */
        if (last_block && !stream && !whole)
            fetch_lines(t, panel, i, used);
        if (whole) {
            const float *earlier = first_block ? NULL : c;
            if (rows)
                m->k->gemm_micro_rows_store((size_t)terms, pixels, rows, weights, (size_t)used,
                    earlier, scale, bias, dst + to->src, p->dst_plane, stream);
            else
                m->k->gemm_micro_store((size_t)terms, pixels, weights, (size_t)used, earlier, scale,
                    bias, dst + to->src, p->dst_plane, stream);
            continue;
        }
        if (rows)
            m->k->gemm_micro_rows(
                (size_t)terms, pixels, rows, weights, (size_t)used, c, c != tile && !first_block);
        else
            m->run(m, terms, pixels, weights, used, c, c != tile && !first_block);
        double *wide = j->k_block < j->k && j->codes ? (double *)(void *)t->sums + at : NULL;
        if (wide)
            m->k->gemm_accumulate_f64((size_t)(mr * used), tile, wide, !first_block);
        if (!last_block)
            continue;
        if (wide)
            m->k->gemm_to_f32((size_t)(mr * used), wide, tile);
        m->k->gemm_store((size_t)mr, (size_t)used, wide ? tile : c, scale, bias, dst, p->dst_plane,
            p->map.dst_col, to, t->starts[i + 1] - t->starts[i]);
    }
}

static void multiply_block(pixel_task *t)
{
    const pixel_job *j = t->j;
    const nncf__pixel_product *p = j->p;
    const int64_t tiles = div_ceil(t->last - t->first, j->m.mr) * (t->panel1 - t->panel0);
    nncf__segments_of_panels(&p->map, t->first, t->last, j->m.mr, t->starts, t->targets);
    for (int64_t k0 = 0; k0 < j->k; k0 += j->k_block) {
        int64_t k1 = min_i(k0 + j->k_block, j->k);
        if (k1 < j->k)
            plan_ahead(t, t->first, t->last, k1, tiles);
        else
            plan_ahead(t, t->last, min_i(t->last + j->block_pixels, t->end), 0, tiles);
        nncf__pack_pixels(&j->m, &p->map, t->first, t->last, k0, k1, t->segments, t->pixels);
        for (int64_t panel = t->panel0; panel < t->panel1; panel++)
            multiply_panel(t, panel, k0, k1);
    }
}

static void multiply_task(void *arg, size_t chunk, size_t worker)
{
    const pixel_job *j = arg;
    const nncf__pixel_product *p = j->p;
    char *area = nncf__scratch(j->workspace.context, worker);
    int64_t block = (int64_t)chunk / j->tasks_across * j->task_blocks,
            across = (int64_t)chunk % j->tasks_across;
    int64_t n_out = j->n_panels * j->width,
            end = min_i((block + j->task_blocks) * j->block_pixels, j->n_pixels);
    pixel_task t = {.j = j,
        .panel0 = across * j->task_panels,
        .panel1 = min_i((across + 1) * j->task_panels, j->n_panels),
        .end = end,
        .segments = (nncf__segment *)(void *)area,
        .targets = (nncf__segment *)(void *)(area + j->targets_at),
        .starts = (size_t *)(void *)(area + j->starts_at),
        .pixels = (float *)(void *)(area + j->pixels_at),
        .sums = (float *)(void *)(area + j->sums_at),
        .scale = (float *)(void *)(area + j->scales_at),
        .bias = (float *)(void *)(area + j->scales_at) + n_out};
    nncf__pixel_product_scaling(
        p, t.panel0 * j->width, min_i(t.panel1 * j->width, p->weights.n_out), t.scale, t.bias);
    for (int64_t first = block * j->block_pixels; first < end; first += j->block_pixels) {
        t.first = first;
        t.last = min_i(first + j->block_pixels, end);
        multiply_block(&t);
    }
    if (j->stream)
        j->m.k->gemm_streams_end();
}

static void plan(const nncf_context *context, const nncf__pixel_product *p, pixel_job *j)
{
    *j = (pixel_job){.p = p, .codes = p->weights.as_integers};
    nncf__microkernel_get(context, &j->m);
    if (p->weights.block > 0 && !j->m.has_builtin)
        nncf__microkernel_builtin(j->m.k, &j->m);
    j->workers = max_i(1, context->params.n_threads);
    j->n_pixels = p->map.n * p->map.rows * p->map.cols;
    j->k = p->weights.channels * nncf__taps_count(&p->weights.taps);
    j->weights = p->weights;
    j->skips = p->weights.block > 0;
    if (j->skips)
        j->weights.width = width_of_block(j->m.nr, p->weights.block);
    j->width = nncf__panel_width(&j->m, &j->weights);
    j->n_panels = div_ceil(p->weights.n_out, j->width);
    j->stream = j->n_pixels * p->weights.n_out >= NNCF__STREAM_FLOATS && p->dst_plane % 16 == 0;
    plan_k(j);
    plan_tasks(j);
    /* many panels are written at once */
    const int64_t panel =
        nncf__odd_lines((int64_t)(panel_bytes(j) + list_bytes(j)), NNCF__LINE_BYTES);
    j->workspace = nncf__workspace_plan(context, plan_private(j), (size_t)panel, j->n_panels);
}

size_t nncf__pixel_product_scratch(const nncf_context *context, const nncf__pixel_product *p)
{
    if (nncf__int8_product_fits(context, p))
        return nncf__int8_product_scratch(context, p);
    if (nncf__channel_lanes_fit(context, p))
        return nncf__channel_lanes_scratch(context, p);
    pixel_job j;
    plan(context, p, &j);
    return j.workspace.bytes;
}

void nncf__pixel_product_run(nncf_context *context, const nncf__pixel_product *p)
{
    if (nncf__int8_product_fits(context, p)) {
        nncf__int8_product_run(context, p);
        return;
    }
    if (nncf__channel_lanes_fit(context, p)) {
        nncf__channel_lanes_run(context, p);
        return;
    }
    pixel_job j;
    plan(context, p, &j);
    double weights = (double)j.k * (double)p->weights.n_out;
    pack_weights(context, &j);
    nncf__gemm_parallel(context, 2.0 * (double)j.n_pixels * weights,
        (size_t)(div_ceil(j.n_pixels, j.task_blocks * j.block_pixels) * j.tasks_across),
        multiply_task, &j);
}
