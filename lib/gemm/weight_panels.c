/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Weight gradients of many channels. One factor, `lanes`, is transposed, so that channels of a
 * pixel lie side by side: panels of as many as the built-in microkernel has lanes. The other,
 * `rows`, stays as it is, pixels side by side. k are pixels: nothing is folded, as it is where
 * pixels are in the lanes (weight_gradient.c), and transposing is a small part where the other
 * factor has many channels.
 *
 * Kernels larger than 1x1 have x in the lanes, and read one panel of it for all of their taps: a
 * tap is a list of runs of pixels that lie inside of the image, and of their places among the
 * source's. So each pixel of x is transposed once, not once a tap, and padding is not multiplied at
 * all.
 *
 * A task holds some rows, of a block of pixels, in the second-level cache, and takes panels of
 * lanes through it, one by one. Sums lie in tiles of their own and become the gradient at the end.
 *
 * Same bits for any number of threads: blocks of pixels and the chunks that are summed apart depend
 * on the shape alone, and chunks are added in order.
 */
#include "gemm/weight_panels.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "gemm/spans.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <string.h>

enum {
    /* pixels of a block, at most; of several taps one row, if it has more */
    BLOCK = 448,
    /* a task's rows, bytes */
    ROWS_BYTES = 512 << 10,
    /* pixels that are gathered before they are transposed */
    STRIP = 128,
    /* of a block, and of what its taps read: a panel of so many pixels is in the second-level
     * cache, and places in it are int32_t */
    MOST_PIXELS = 4096,
};

typedef struct panels_job {
    const nncf__weight_product *p;
    const nncf__kernels *k;
    nncf__workspace workspace;
    int64_t workers;
    /* x and dz, or dz and x */
    const nncf__pixel_map *lanes, *rows;
    /* tile: lanes, rows */
    int64_t mr, nr;
    int64_t taps, lane_panels, row_panels;
    /* Blocks are some rows of an image, or some images; of one tap, whatever pixels. */
    int64_t n_pixels, block, period, blocks_of_period, n_blocks, n_chunks;
    /* panels of a task, and how many tasks that makes */
    int64_t lane_share, row_share, n_lane_shares, n_row_shares;
    /* several taps */
    bool windows;
    /* lanes of a block, at most */
    int64_t most_source;
    /* they are transposed from where they lie */
    bool direct;
    /* a task's sums are the gradient */
    bool places_tiles;
    /* from row to row, where they are packed */
    int64_t stride;
    /* in the private area: runs at 0 */
    size_t starts_at, lanes_at, rows_at, strip_at, panel_at, packed_at;
} panels_job;

/* ---- plan ---- */

static int64_t reach(const nncf__taps_axis *axis)
{
    return (axis->n - 1) * max_i(axis->at_step, -axis->at_step);
}

static int64_t first_offset(const nncf__taps_axis *axis)
{
    return min_i(axis->at, axis->at + (axis->n - 1) * axis->at_step);
}

/* Cycles a pixel: of products, and of transposing four elements in each. */
static int64_t cost(const panels_job *j, int64_t lanes, int64_t rows)
{
    return div_ceil(lanes, j->mr) * rows + lanes / 4;
}

static void plan_factors(panels_job *j)
{
    const nncf__weight_product *p = j->p;
    const int64_t x = p->x.channels, dz = p->dz.channels;
    const bool swapped = !j->windows && cost(j, dz, x) < cost(j, x, dz);
    j->lanes = swapped ? &p->dz : &p->x;
    j->rows = swapped ? &p->x : &p->dz;
    j->lane_panels = div_ceil(j->lanes->channels, j->mr);
    j->row_panels = div_ceil(j->rows->channels, j->nr);
    const nncf__pixel_map *g = j->lanes;
    j->direct = !nncf__qtensor_is_codes(&g->src) &&
        (j->windows ||
            (nncf__taps_are_identity(&g->taps) && g->rows == 1 && g->step_x == 1 &&
                g->cols <= g->src_w)); /* else there are zeros on the right */
}

static void plan_pixels(panels_job *j)
{
    const nncf__pixel_map *g = &j->p->x;
    const int64_t plane = g->rows * g->cols,
                  sums = j->lane_panels * j->taps * j->row_panels * j->mr * j->nr *
        (int64_t)sizeof(float);
    j->n_pixels = j->period = g->n * plane;
    j->n_chunks = min_i(div_ceil(j->n_pixels, BLOCK), nncf__weight_chunks(sums));
    j->block = div_ceil(j->n_pixels, round_up(div_ceil(j->n_pixels, BLOCK), j->n_chunks));
    j->most_source = j->block;
    if (j->windows && plane <= BLOCK) {
        const int64_t n = min_i(round_up(div_ceil(g->n, BLOCK / plane), j->n_chunks), g->n),
                      images = div_ceil(g->n, n);
        j->block = images * plane;
        j->most_source = images * g->src_h * g->src_w;
    } else if (j->windows) {
        const int64_t most = max_i(1, BLOCK / g->cols),
                      rows = div_ceil(g->rows, div_ceil(g->rows, most));
        j->period = plane;
        j->block = rows * g->cols;
        j->most_source = min_i(g->src_h, (rows - 1) * g->step_y + reach(&g->taps.y) + 1) * g->src_w;
    }
    j->blocks_of_period = div_ceil(j->period, j->block);
    j->n_blocks = j->n_pixels / j->period * j->blocks_of_period;
    j->n_chunks = min_i(j->n_chunks, j->n_blocks);
    j->places_tiles = j->n_chunks == 1 && !j->windows;
    j->stride = nncf__odd_lines(j->block, NNCF__LINE_FLOATS);
}

/* They change no bits, so the number of threads may have a say. Each share of rows transposes the
 * lanes again, each share of lanes copies the rows again, which is more. */
static void plan_shares(panels_job *j)
{
    enum { LEAST_ROWS = 8 };
    const int64_t wanted = j->workers > 1 ? div_ceil(4 * j->workers, j->n_chunks) : 1,
                  most = max_i(1, ROWS_BYTES / (j->stride * j->nr * (int64_t)sizeof(float))),
                  shares = max_i(div_ceil(j->row_panels, most),
                      max_i(1, min_i(wanted, j->row_panels / LEAST_ROWS)));
    j->row_share = div_ceil(j->row_panels, shares);
    j->n_row_shares = div_ceil(j->row_panels, j->row_share);
    j->lane_share =
        div_ceil(j->lane_panels, min_i(j->lane_panels, div_ceil(wanted, j->n_row_shares)));
    j->n_lane_shares = div_ceil(j->lane_panels, j->lane_share);
}

/* Each tap has a run in each row; the last one's list has zeros before and after it, too, until
 * keep_inside() drops them. */
static int64_t most_runs(const panels_job *j)
{
    return j->windows ? (j->taps + 2) * (j->block / j->p->x.cols) : 1;
}

/* For each row that a block has a part of: pixels, and zeros before and after them. One more for
 * each end of a strip, where they are cut. */
static int64_t most_segments(const panels_job *j)
{
    return 3 * (j->block / j->p->x.cols + 2) + j->most_source / STRIP + 1;
}

static panels_job plan(const nncf_context *context, const nncf__weight_product *p)
{
    panels_job j = {.p = p,
        .k = nncf__kernels_of(context),
        .workers = max_i(1, context->params.n_threads),
        .taps = nncf__taps_count(&p->x.taps)};
    int32_t tile[2];
    j.k->gemm_tile(tile);
    j.mr = tile[0];
    j.nr = tile[1];
    j.windows = j.taps > 1;
    plan_factors(&j);
    plan_pixels(&j);
    plan_shares(&j);
    const size_t segments = nncf__round_up_64((size_t)most_segments(&j) * sizeof(nncf__segment));
    j.starts_at = nncf__round_up_64((size_t)most_runs(&j) * sizeof(nncf__segment));
    j.lanes_at = j.starts_at + nncf__round_up_64((size_t)(j.taps + 1) * sizeof(size_t));
    j.rows_at = j.lanes_at + segments;
    j.strip_at = j.rows_at + segments;
    j.panel_at = j.strip_at + nncf__bytes_aligned(j.direct ? 0 : j.mr * STRIP);
    j.packed_at = j.panel_at + nncf__bytes_aligned(j.most_source * j.mr);
    j.workspace = nncf__workspace_plan(context,
        j.packed_at + nncf__bytes_aligned(j.row_share * j.nr * j.stride),
        nncf__bytes_aligned(j.lane_panels * j.taps * j.row_panels * j.mr * j.nr), j.n_chunks);
    return j;
}

/* ---- blocks of pixels ---- */

/* What a block's panels of lanes hold, in order, and which of it each tap multiplies. */
typedef struct block_map {
    int64_t first, last;
    /* those of tap t are [starts[t], starts[t + 1]) */
    nncf__segment *runs;
    size_t *starts;
    int64_t step;
    /* of lanes and of rows: src is the place in a channel of the tensor, dst that among the pixels
     * of the block */
    nncf__segment *lanes, *rows;
    size_t n_lanes, n_rows;
    /* in a panel of lanes */
    int64_t n_source;
} block_map;

static void cut_block(const panels_job *j, int64_t block, block_map *b)
{
    b->first = block / j->blocks_of_period * j->period + block % j->blocks_of_period * j->block;
    b->last = min_i(b->first + j->block, (block / j->blocks_of_period + 1) * j->period);
}

static void map_rows(const panels_job *j, block_map *b)
{
    const nncf__tap tap = nncf__taps_at(&j->rows->taps, 0);
    b->n_rows =
        nncf__segments_source(j->rows, &tap, b->first, b->last, b->last - b->first, 0, b->rows);
}

/* One tap: the pixels that are multiplied, zeros outside of the image among them. */
static void map_tap(const panels_job *j, block_map *b)
{
    const nncf__tap tap = nncf__taps_at(&j->lanes->taps, 0);
    b->n_source = b->last - b->first;
    b->n_lanes = nncf__segments_source(
        j->lanes, &tap, b->first, b->last, j->direct ? b->n_source : STRIP, STRIP, b->lanes);
    b->runs[0] = (nncf__segment){.length = (int32_t)b->n_source};
    b->starts[0] = 0;
    b->starts[1] = 1;
    b->step = 1;
}

/* `length` neighbours, in strips unless they are transposed from where they lie. */
static void add_source(const panels_job *j, block_map *b, int64_t src, int64_t length)
{
    while (length > 0) {
        const int64_t part = j->direct ? length : min_i(length, STRIP - b->n_source % STRIP);
        b->lanes[b->n_lanes++] =
            (nncf__segment){.src = src, .dst = (int32_t)b->n_source, .length = (int32_t)part};
        b->n_source += part;
        src += part;
        length -= part;
    }
}

/* Runs inside of the image; rows that follow each other are one. How many are left. */
static size_t keep_inside(nncf__segment *runs, size_t n, int64_t step)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        nncf__segment *last = runs + kept - (kept > 0);
        if (runs[i].src < 0)
            continue;
        if (kept > 0 && last->src + last->length * step == runs[i].src &&
            last->dst + last->length == runs[i].dst)
            last->length += runs[i].length;
        else
            runs[kept++] = runs[i];
    }
    return kept;
}

/* Whole rows of the source, as many as a tap reads, and where each tap finds its pixels there. */
static void map_windows(const panels_job *j, block_map *b)
{
    const nncf__pixel_map *g = &j->p->x;
    const int64_t plane = g->rows * g->cols, image = b->first / plane,
                  n_images = (b->last - 1) / plane - image + 1, row = b->first % plane / g->cols,
                  n_rows = n_images > 1 ? g->rows : (b->last - b->first) / g->cols,
                  top = row * g->step_y + first_offset(&g->taps.y),
                  end = top + (n_rows - 1) * g->step_y + reach(&g->taps.y) + 1,
                  y0 = min_i(max_i(top, 0), g->src_h), y1 = max_i(min_i(end, g->src_h), y0);
    b->n_lanes = 0;
    b->n_source = 0;
    for (int64_t i = 0; i < n_images; i++)
        add_source(j, b, (image + i) * g->src_image + y0 * g->src_w, (y1 - y0) * g->src_w);
    /* the same map, of the panel */
    nncf__pixel_map panel = *g;
    panel.rows = n_rows;
    panel.src_h = y1 - y0;
    panel.src_image = (y1 - y0) * g->src_w;
    b->starts[0] = 0;
    for (int64_t t = 0; t < j->taps; t++) {
        nncf__tap tap = nncf__taps_at(&g->taps, t);
        tap.y += row * g->step_y - y0;
        nncf__segment *runs = b->runs + b->starts[t];
        const size_t n =
            nncf__segments_source(&panel, &tap, 0, b->last - b->first, b->last - b->first, 0, runs);
        b->starts[t + 1] = b->starts[t] + keep_inside(runs, n, g->step_x);
    }
    b->step = g->step_x;
}

/* ---- a task ---- */

typedef struct panels_task {
    const panels_job *j;
    char *area;
    /* panels */
    int64_t lane0, lane1, row0, row1;
    /* the chunk's last block ends before */
    int64_t end;
    float *sums;
    block_map b;
} panels_task;

/* A panel of lanes: the source's pixels, one after the other. */
static const float *pack_lanes(const panels_task *t, int64_t panel)
{
    const panels_job *j = t->j;
    const block_map *b = &t->b;
    const int64_t c = panel * j->mr, n_c = min_i(j->mr, j->lanes->channels - c);
    float *to = (float *)(void *)(t->area + j->panel_at),
          *strip = (float *)(void *)(t->area + j->strip_at);
    if (j->direct) {
        const float *x = (const float *)j->lanes->src.data + c * j->lanes->src_plane;
        for (const nncf__segment *s = b->lanes; s < b->lanes + b->n_lanes; s++)
            j->k->gemm_transpose((size_t)n_c, (size_t)s->length, x + s->src, j->lanes->src_plane,
                to + s->dst * j->mr, (size_t)j->mr);
        return to;
    }
    nncf__segment parts[STRIP];
    nncf__pixel_map source = *j->lanes;
    source.step_x = j->windows ? 1 : source.step_x; /* whole rows, or the pixels of a tap */
    for (size_t i = 0; i < b->n_lanes;) {
        const int64_t at = b->lanes[i].dst / STRIP * STRIP, n = min_i(STRIP, b->n_source - at);
        size_t n_parts = 0;
        for (; i < b->n_lanes && b->lanes[i].dst < at + n; i++) {
            parts[n_parts] = b->lanes[i];
            parts[n_parts++].dst -= (int32_t)at;
        }
        nncf__gather(j->k, &source, c, n_c, n_parts, parts, strip, STRIP);
        j->k->gemm_transpose((size_t)n_c, (size_t)n, strip, STRIP, to + at * j->mr, (size_t)j->mr);
    }
    return to;
}

/* The task's rows. */
static const float *pack_rows(const panels_task *t)
{
    const panels_job *j = t->j;
    const int64_t c = t->row0 * j->nr;
    float *to = (float *)(void *)(t->area + j->packed_at);
    nncf__gather(j->k, j->rows, c, min_i(t->row1 * j->nr, j->rows->channels) - c, t->b.n_rows,
        t->b.rows, to, j->stride);
    return to;
}

static float *tile_of(const panels_job *j, float *sums, int64_t lane, int64_t tap, int64_t row)
{
    return sums + ((lane * j->taps + tap) * j->row_panels + row) * j->mr * j->nr;
}

/* Which pixels the chunk's block after this one has; none after its last. */
static block_map next_block(const panels_task *t, int64_t block)
{
    block_map b = {.first = 0, .last = 0};
    if (block + 1 < t->end)
        cut_block(t->j, block + 1, &b);
    return b;
}

/* The panel of lanes after this one, in so many turns; after the last one the first of the next
 * block, if the chunk has one. */
static void plan_lanes_ahead(
    const panels_task *t, nncf__ahead *ahead, int64_t panel, int64_t block, int64_t turns)
{
    const panels_job *j = t->j;
    const bool here = panel + 1 < t->lane1;
    const block_map b = here ? t->b : next_block(t, block);
    const int64_t c = (here ? panel + 1 : t->lane0) * j->mr;
    nncf__ahead_start(
        ahead, j->lanes, b.first, b.last, c, min_i(c + j->mr, j->lanes->channels), turns);
}

static void plan_rows_ahead(const panels_task *t, nncf__ahead *ahead, int64_t block)
{
    const panels_job *j = t->j;
    const block_map b = next_block(t, block);
    nncf__ahead_start(ahead, j->rows, b.first, b.last, t->row0 * j->nr,
        min_i(t->row1 * j->nr, j->rows->channels), t->lane1 - t->lane0);
}

/* Of a tile, sums[row * mr + lane], to their places: where x is in the lanes, */
static void place_rows(
    const panels_job *j, int64_t n_lanes, int64_t n_rows, const float *sums, float *dst)
{
    for (int64_t i = 0; i < n_rows; i++, sums += j->mr, dst += j->p->x.channels * j->taps)
        if (j->taps == 1)
            memcpy(dst, sums, (size_t)n_lanes * sizeof *dst);
        else
            for (int64_t l = 0; l < n_lanes; l++)
                dst[l * j->taps] = sums[l];
}

/* and where dz is, of one tap. */
static void place_turned(
    const panels_job *j, int64_t n_lanes, int64_t n_rows, const float *sums, float *dst)
{
    _Alignas(64) float turned[NNCF__TILE_MAX];
    j->k->gemm_transpose((size_t)n_rows, (size_t)n_lanes, sums, j->mr, turned, (size_t)j->nr);
    for (int64_t l = 0; l < n_lanes; l++)
        memcpy(dst + l * j->p->x.channels, turned + l * j->nr, (size_t)n_rows * sizeof *dst);
}

static void place_tile(
    const panels_job *j, int64_t lane, int64_t tap, int64_t row, const float *sums)
{
    const int64_t lane0 = lane * j->mr, row0 = row * j->nr, x = j->p->x.channels,
                  n_lanes = min_i(j->mr, j->lanes->channels - lane0),
                  n_rows = min_i(j->nr, j->rows->channels - row0);
    if (j->lanes == &j->p->x)
        place_rows(j, n_lanes, n_rows, sums, j->p->dst + (row0 * x + lane0) * j->taps + tap);
    else
        place_turned(j, n_lanes, n_rows, sums, j->p->dst + lane0 * x + row0);
}

static void multiply_block(panels_task *t, int64_t block, bool add)
{
    const panels_job *j = t->j;
    const block_map *b = &t->b;
    const float *rows = pack_rows(t);
    const bool places = j->places_tiles && block + 1 == t->end;
    nncf__ahead next_lanes, next_rows;
    plan_rows_ahead(t, &next_rows, block);
    for (int64_t lane = t->lane0; lane < t->lane1; lane++) {
        const float *lanes = pack_lanes(t, lane);
        nncf__ahead_fetch(&next_rows);
        plan_lanes_ahead(t, &next_lanes, lane, block, (t->row1 - t->row0) * j->taps);
        for (int64_t tap = 0; tap < j->taps; tap++)
            for (int64_t i = t->row0; i < t->row1; i++) {
                float *sums = tile_of(j, t->sums, lane, tap, i);
                nncf__ahead_fetch(&next_lanes);
                j->k->gemm_rows_runs(b->starts[tap + 1] - b->starts[tap], b->runs + b->starts[tap],
                    b->step, lanes, rows + (i - t->row0) * j->nr * j->stride, j->stride,
                    (size_t)min_i(j->nr, j->rows->channels - i * j->nr), sums, add);
                if (places)
                    place_tile(j, lane, tap, i, sums);
            }
    }
}

static void multiply_task(void *arg, size_t index, size_t worker)
{
    const panels_job *j = arg;
    const int64_t i = (int64_t)index, lane0 = i % j->n_lane_shares * j->lane_share,
                  row0 = i / j->n_lane_shares % j->n_row_shares * j->row_share,
                  chunk = i / (j->n_lane_shares * j->n_row_shares),
                  start = chunk * j->n_blocks / j->n_chunks;
    char *area = nncf__scratch(j->workspace.context, worker);
    panels_task t = {.j = j,
        .area = area,
        .lane0 = lane0,
        .lane1 = min_i(lane0 + j->lane_share, j->lane_panels),
        .row0 = row0,
        .row1 = min_i(row0 + j->row_share, j->row_panels),
        .end = (chunk + 1) * j->n_blocks / j->n_chunks,
        .sums = nncf__workspace_slot(&j->workspace, chunk),
        .b = {.runs = (nncf__segment *)(void *)area,
            .starts = (size_t *)(void *)(area + j->starts_at),
            .lanes = (nncf__segment *)(void *)(area + j->lanes_at),
            .rows = (nncf__segment *)(void *)(area + j->rows_at)}};
    for (int64_t block = start; block < t.end; block++) {
        cut_block(j, block, &t.b);
        map_rows(j, &t.b);
        if (j->windows)
            map_windows(j, &t.b);
        else
            map_tap(j, &t.b);
        multiply_block(&t, block, block > start);
    }
}

/* A tile of each tap: the chunks are added, in order. */
static void sum_task(void *arg, size_t index, size_t worker)
{
    const panels_job *j = arg;
    const int64_t lane = (int64_t)index / j->row_panels, row = (int64_t)index % j->row_panels,
                  n_rows = min_i(j->nr, j->rows->channels - row * j->nr);
    (void)worker;
    for (int64_t t = 0; t < j->taps; t++) {
        float *sums = tile_of(j, nncf__workspace_slot(&j->workspace, 0), lane, t, row);
        for (int64_t c = 1; c < j->n_chunks; c++)
            j->k->accumulate((size_t)(n_rows * j->mr),
                tile_of(j, nncf__workspace_slot(&j->workspace, c), lane, t, row), sums);
        place_tile(j, lane, t, row, sums);
    }
}

/* ---- */

/* Of one tap, weight_gradient.c reads large planes where they lie, and here small ones are copied
 * in short runs: then more channels have to share the work. */
static int64_t least_channels(const panels_job *j)
{
    enum { LARGE_PLANE = 384, OF_LARGE = 128, OF_SMALL = 256, USUAL = 64, OF_WINDOWS = 32 };
    const int64_t plane = j->p->x.rows * j->p->x.cols;
    return j->windows                    ? OF_WINDOWS
        : plane >= LARGE_PLANE           ? OF_LARGE
        : plane < NNCF__SPAN_SMALL_PLANE ? OF_SMALL
                                         : USUAL;
}

bool nncf__weight_panels_fit(const nncf_context *context, const nncf__weight_product *p)
{
    enum { LEAST_PIXELS = 64 };
    if (p->block > 0) /* blocks of zeros are not whole tiles */
        return false;
    const panels_job j = plan(context, p);
    const int64_t lanes = j.lanes->channels, idle = j.lane_panels * j.mr - lanes;
    return j.n_pixels >= LEAST_PIXELS && max_i(j.block, j.most_source) <= MOST_PIXELS &&
        3 * idle <= lanes && min_i(lanes, j.rows->channels) >= least_channels(&j);
}

size_t nncf__weight_panels_scratch(const nncf_context *context, const nncf__weight_product *p)
{
    return plan(context, p).workspace.bytes;
}

void nncf__weight_panels_run(nncf_context *context, const nncf__weight_product *p)
{
    panels_job j = plan(context, p);
    const double outputs = (double)(j.lane_panels * j.mr) * (double)(j.row_panels * j.nr * j.taps);
    nncf__gemm_parallel(context, 2.0 * outputs * (double)j.n_pixels,
        (size_t)(j.n_chunks * j.n_lane_shares * j.n_row_shares), multiply_task, &j);
    if (!j.places_tiles)
        nncf__gemm_parallel(context, 8.0 * outputs * (double)j.n_chunks,
            (size_t)(j.lane_panels * j.row_panels), sum_task, &j);
}
