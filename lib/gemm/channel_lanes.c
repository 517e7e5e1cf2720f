/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The microkernel with its operands exchanged: its vectors are output channels, and a row is a
 * pixel. Planes of 49 pixels are two vectors' worth of 32 lanes, a quarter of which are idle, while
 * channels are mostly multiples of 32; rows can be as few as are left. What is made of weights
 * whose output channels are neighbours is copied as it lies; tiles are transposed on their way to
 * NCHW.
 *
 * A thread takes some channels of all pixels. So it reads in the next pass over channels what it
 * wrote itself, which matters where a line takes long from core to core, and packs the weights that
 * it multiplies.
 *
 * Same bits as pixel_product.c: a sum runs over k in the same order and blocks.
 */
#include "gemm/channel_lanes.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/microkernel.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <stdint.h>
#include <string.h>

enum {
    /* all pixels, packed: they stay in the second-level cache */
    PIXELS_BYTES = 512 << 10,
    /* terms of a sum whose time a transposed tile takes */
    TRANSPOSING = 12,
    LEAST_PIXELS = 16
};

typedef struct lanes_job {
    const nncf__pixel_product *p;
    nncf__microkernel m;
    nncf__workspace workspace;
    /* pixels of a tile; tiles; panels of output channels */
    int64_t n_pixels, tile, n_tiles, n_panels;
    int64_t k, k_block;
    /* a tile times a panel is a unit; a task has so many, panel by panel */
    int64_t n_tasks;
    /* offsets in the private area; segments at 0 */
    size_t targets_at, starts_at, pixels_at, weights_at;
} lanes_job;

static void plan(const nncf_context *context, const nncf__pixel_product *p, lanes_job *j)
{
    nncf__microkernel m;
    *j = (lanes_job){
        .p = p, .n_pixels = p->map.n * p->map.rows * p->map.cols, .k = p->weights.channels};
    nncf__microkernel_get(context, &m);
    j->k_block = nncf__k_block_of(j->k, nncf__microkernel_k_most(&m, j->k));
    nncf__microkernel_builtin(m.k, &j->m);
    j->n_tiles = div_ceil(j->n_pixels, j->m.nr);
    j->tile = div_ceil(j->n_pixels, j->n_tiles);
    j->n_panels = div_ceil(p->weights.n_out, j->m.mr);
    j->n_tasks = min_i(max_i(1, context->params.n_threads), j->n_panels * j->n_tiles);
    j->targets_at = (size_t)(j->n_pixels + 1) * sizeof(nncf__segment);
    j->starts_at = j->targets_at + (size_t)j->n_pixels * sizeof(nncf__segment);
    j->pixels_at = nncf__round_up_64(j->starts_at + (size_t)(j->n_tiles + 1) * sizeof(size_t));
    j->weights_at = j->pixels_at + nncf__bytes_aligned(j->n_tiles * j->k * j->m.nr);
    j->workspace = nncf__workspace_plan(
        context, j->weights_at + nncf__bytes_aligned(j->k * j->m.mr) + NNCF__PANEL_SLACK, 0, 0);
}

/* Multiplications of a tile of edges a and b, of n_a and n_b, and of what one costs beside. */
static int64_t work(int64_t n_a, int64_t a, int64_t n_b, int64_t terms)
{
    return round_up(n_a, a) * n_b * terms;
}

bool nncf__channel_lanes_fit(const nncf_context *context, const nncf__pixel_product *p)
{
    const nncf__weights *w = &p->weights;
    const int64_t n_pixels = p->map.n * p->map.rows * p->map.cols, k = w->channels;
    nncf__microkernel m;
    int32_t tile[2];
    if (w->as_integers || w->k_is_contiguous || w->out_stride != 1 || w->block > 0 ||
        !nncf__taps_are_identity(&p->map.taps) || nncf__taps_count(&w->taps) > 1 ||
        n_pixels < LEAST_PIXELS)
        return false;
    nncf__microkernel_get(context, &m);
    m.k->gemm_tile(tile);
    return round_up(n_pixels, tile[1]) * k * (int64_t)sizeof(float) <= PIXELS_BYTES &&
        work(w->n_out, tile[0], n_pixels, k + TRANSPOSING) <
        work(n_pixels, m.mr, round_up(w->n_out, m.nr), k);
}

size_t nncf__channel_lanes_scratch(const nncf_context *context, const nncf__pixel_product *p)
{
    lanes_job j;
    plan(context, p, &j);
    return j.workspace.bytes;
}

typedef struct lanes_task {
    const lanes_job *j;
    nncf__segment *segments;
    /* of the destination, tile by tile, and where each tile's begin */
    nncf__segment *targets;
    size_t *starts;
    float *pixels, *weights;
} lanes_task;

/* Tiles of pixels, each k rows of nr. */
static void pack_pixels(const lanes_task *t)
{
    const lanes_job *j = t->j;
    const nncf__pixel_map *g = &j->p->map;
    const nncf__tap tap = nncf__taps_at(&g->taps, 0);
    const size_t n =
        nncf__segments_source(g, &tap, 0, j->n_pixels, j->tile, j->k * j->m.nr, t->segments);
    nncf__gather(j->m.k, g, 0, j->k, n, t->segments, t->pixels, j->m.nr);
    nncf__segments_of_panels(g, 0, j->n_pixels, j->tile, t->starts, t->targets);
}

/* A panel of weights: k rows of mr neighbouring output channels, 0 beyond the last. */
static void pack_weights(const lanes_task *t, int64_t panel)
{
    const lanes_job *j = t->j;
    const nncf__weights *w = &j->p->weights;
    const int64_t mr = j->m.mr, out0 = panel * mr, used = min_i(mr, w->n_out - out0);
    const nncf__segment parts[2] = {{.length = (int32_t)used},
        {.src = -1, .dst = (int32_t)used, .length = (int32_t)(mr - used)}};
    const size_t n_parts = used < mr ? 2 : 1;
    if (!nncf__qtensor_is_codes(&w->src)) {
        j->m.k->gemm_gather((size_t)j->k, (const float *)w->src.data + out0, w->k_stride, 1,
            n_parts, parts, t->weights, (size_t)mr);
        return;
    }
    const int64_t at_once = w->src.n_scales > 1 ? 1 : j->k;
    for (int64_t c = 0; c < j->k; c += at_once) {
        const nncf__dequant how = nncf__dequant_of(&w->src, c, false);
        j->m.k->gemm_gather_bytes((size_t)at_once,
            (const uint8_t *)w->src.data + c * w->k_stride + out0, w->k_stride, 1, n_parts, parts,
            &how, t->weights + c * mr, (size_t)mr);
    }
}

static void multiply_tile(const lanes_task *t, int64_t panel, int64_t tile)
{
    const lanes_job *j = t->j;
    const nncf__pixel_product *p = j->p;
    const int64_t mr = j->m.mr, nr = j->m.nr, out0 = panel * mr, width = round_up(nr, mr / 2);
    const size_t used = (size_t)min_i(j->tile, j->n_pixels - tile * j->tile),
                 channels = (size_t)min_i(mr, p->weights.n_out - out0);
    const float *pixels = t->pixels + tile * j->k * nr;
    _Alignas(64) float sums[NNCF__TILE_MAX], turned[NNCF__TILE_EDGE_MAX * NNCF__TILE_EDGE_MAX],
        scale[NNCF__TILE_EDGE_MAX], bias[NNCF__TILE_EDGE_MAX];
    for (int64_t k0 = 0; k0 < j->k; k0 += j->k_block)
        j->m.k->gemm_micro((size_t)min_i(j->k_block, j->k - k0), t->weights + k0 * mr,
            pixels + k0 * nr, used, sums, k0 > 0);
    j->m.k->gemm_transpose(used, (size_t)mr, sums, mr, turned, (size_t)width);
    for (size_t i = 0; i < channels; i++) {
        scale[i] = 1.0f;
        bias[i] = p->bias ? p->bias[out0 + (int64_t)i] : -0.0f; /* as _pixel_product_scaling() */
    }
    j->m.k->gemm_store((size_t)width, channels, turned, scale, bias, p->dst + out0 * p->dst_plane,
        p->dst_plane, p->map.dst_col, t->targets + t->starts[tile],
        t->starts[tile + 1] - t->starts[tile]);
}

static void lanes_task_run(void *arg, size_t chunk, size_t worker)
{
    const lanes_job *j = arg;
    char *area = nncf__scratch(j->workspace.context, worker);
    const lanes_task t = {.j = j,
        .segments = (nncf__segment *)(void *)area,
        .targets = (nncf__segment *)(void *)(area + j->targets_at),
        .starts = (size_t *)(void *)(area + j->starts_at),
        .pixels = (float *)(void *)(area + j->pixels_at),
        .weights = (float *)(void *)(area + j->weights_at)};
    const int64_t units = j->n_panels * j->n_tiles, first = (int64_t)chunk * units / j->n_tasks,
                  end = ((int64_t)chunk + 1) * units / j->n_tasks;
    pack_pixels(&t);
    for (int64_t unit = first; unit < end; unit++) {
        if (unit == first || unit % j->n_tiles == 0)
            pack_weights(&t, unit / j->n_tiles);
        multiply_tile(&t, unit / j->n_tiles, unit % j->n_tiles);
    }
}

void nncf__channel_lanes_run(nncf_context *context, const nncf__pixel_product *p)
{
    lanes_job j;
    plan(context, p, &j);
    nncf__gemm_parallel(context, 2.0 * (double)j.n_pixels * (double)j.k * (double)p->weights.n_out,
        (size_t)j.n_tasks, lanes_task_run, &j);
}
