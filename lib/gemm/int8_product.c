/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops around the integer kernels (kernels/int8.h), as those of pixel_product.c around the
 * microkernel. Sums are int32 and exact up to NNCF__INT8_K_MAX, so k is never cut: a task packs a
 * block of pixels, all of k, into the second-level cache, and multiplies it by one panel of weights
 * after the other. Codes are packed from NCHW bytes and never become floats. Those of linear layers
 * are int8_rows.c's.
 */
#include "gemm/int8_product.h"

#include "base/context.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/blocks.h"
#include "gemm/int8_rows.h"
#include "gemm/int8_skip.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "kernels/int8.h"
#include "kernels/kernels.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>
#include <nncf/tensor.h>

#include <string.h>

enum {
    QUAD = NNCF__INT8_QUAD,
    /* of a task over spans, which cannot be cut: beyond it nothing stays in that cache */
    SPAN_BYTES = 4 << 20,
    /* of a task that keeps its part of a product between two passes: z of several panels, as long
     * as it stays in that cache; of one panel, in the next one (16 images of 56 x 56); and all
     * pixels packed, which tasks share */
    KEPT_BYTES = 512 << 10,
    KEPT_MOST_BYTES = 5 << 19,
    KEPT_PIXELS_BYTES = 8 << 20,
    /* Where pixels are farther apart, packing goes pixel by pixel: with fewer channels than this,
     * as in an image, it takes longer than the product of floats. */
    FAST_STEP = 2,
    FEW_CHANNELS = 16
};

typedef struct int8_job {
    const nncf__pixel_product *p;
    const nncf__int8_kernels *k;
    nncf__workspace workspace;
    int64_t workers;
    /* quads of one tap's channels; of all */
    int64_t tap_quads, n_quads;
    /* n_panels: of output channels */
    int64_t n_pixels, n_panels;
    /* a task: a block of pixels times so many panels */
    nncf__blocks cut;
    bool stream;
    /* a task is all blocks times some panels, whose weights it packs itself */
    bool by_panels;
    /* rows of weights that are 0 are left out */
    bool skips;
    /* what turns stored codes into unsigned bytes, and the byte that then stands for 0 */
    uint8_t flip, zero;
    /* weights have zero points */
    bool has_factors;
    /* of a block of packed pixels, where their values are, and its bytes with these */
    size_t values_at, block_bytes;
    /* offsets in the private area; segments at 0 */
    size_t targets_at, starts_at, pixels_at, scales_at, gathered_at;
    /* NULL: the product is stored; else a task's spans, the pass, where rows of z and the hooks'
     * scratch lie, and the layer's first channel of this product */
    const nncf__tile_hooks *hooks;
    int64_t task_spans, c0;
    size_t pass, z_at, hooks_at;
    /* both passes over a part of the product while it is kept: blocks of pixels, packed */
    nncf__workspace packed;
    int64_t n_blocks;
} int8_job;

static const nncf__int8_kernels *kernels_of(const nncf_context *context)
{
    return (const nncf__int8_kernels *)context->int8;
}

/* Can integer kernels make it? */
static bool is_of_int8(const nncf_context *context, const nncf__pixel_product *p)
{
    const nncf__weights *w = &p->weights;
    return w->as_integers && w->k_is_contiguous && nncf__qtensor_is_codes(&p->map.src) &&
        w->src.dtype == NNCF_S8 && w->channels * nncf__taps_count(&w->taps) <= NNCF__INT8_K_MAX &&
        kernels_of(context);
}

bool nncf__int8_product_fits(const nncf_context *context, const nncf__pixel_product *p)
{
    return is_of_int8(context, p) &&
        (p->map.step_x <= FAST_STEP || p->weights.channels >= FEW_CHANNELS);
}

/* Of a panel of weights; after it come the starts of its sums, their factors, the list of its rows
 * where some are left out, and that of its narrow pairs of quads if the table makes one. */
static size_t panel_bytes(const int8_job *j)
{
    return (size_t)(j->n_quads * QUAD) * j->k->nr * j->k->weight_bytes;
}

static int64_t n_tasks(const int8_job *j)
{
    return j->by_panels ? j->cut.tasks_across
                        : div_ceil(j->n_pixels, j->cut.block_pixels) * j->cut.tasks_across;
}

/* The rows of a panel of pixels that a panel of weights has. */
static size_t gathered_bytes(const int8_job *j)
{
    return j->skips ? nncf__round_up_64((size_t)(j->n_quads * QUAD) * j->k->mr) : 0;
}

/* Offsets in a worker's private area; returns its bytes. */
static size_t plan_private(int8_job *j)
{
    const size_t pixels = (size_t)j->cut.block_pixels;
    j->targets_at = (pixels + 1) * sizeof(nncf__segment);
    j->starts_at = j->targets_at + pixels * sizeof(nncf__segment);
    j->pixels_at = nncf__round_up_64(j->starts_at + (pixels / j->k->mr + 1) * sizeof(size_t));
    j->scales_at = j->pixels_at + j->block_bytes;
    j->gathered_at =
        j->scales_at + 2 * nncf__round_up_64((size_t)j->n_panels * j->k->nr * sizeof(float));
    return j->gathered_at + gathered_bytes(j);
}

/* What does not depend on how the work is cut. */
static void plan_operands(const nncf_context *context, const nncf__pixel_product *p, int8_job *j)
{
    const nncf__int8_kernels *k = kernels_of(context);
    *j = (int8_job){.p = p, .k = k, .workers = max_i(1, context->params.n_threads)};
    j->tap_quads = div_ceil(p->weights.channels, QUAD);
    j->n_quads = j->tap_quads * nncf__taps_count(&p->weights.taps);
    j->n_pixels = p->map.n * p->map.rows * p->map.cols;
    j->n_panels = div_ceil(p->weights.n_out, (int64_t)k->nr);
    j->skips = p->weights.block > 0;
    const nncf__dequant codes = nncf__dequant_of(&p->map.src, 0, true);
    j->flip = (uint8_t)codes.flip;
    j->zero = (uint8_t)codes.offset;
    j->has_factors = p->weights.src.zero_point != NULL;
}

/* Of j->cut, which is known then. */
static void plan_block(int8_job *j)
{
    const size_t pixels = (size_t)j->cut.block_pixels;
    j->values_at = nncf__round_up_64(pixels * (size_t)(j->n_quads * QUAD));
    j->block_bytes =
        j->values_at + (j->has_factors ? nncf__round_up_64(pixels * sizeof(int32_t)) : 0);
}

static size_t list_bytes(const int8_job *j)
{
    return j->skips ? nncf__int8_list_bytes(j->n_quads) : 0;
}

static size_t narrow_bytes(const int8_job *j)
{
    return j->k->narrow ? (size_t)(1 + j->n_quads / 2) * sizeof(uint16_t) : 0;
}

static void plan_workspace(const nncf_context *context, int8_job *j, size_t private_bytes)
{
    j->workspace = nncf__workspace_plan(context, private_bytes,
        nncf__round_up_64(
            panel_bytes(j) + 2 * j->k->nr * sizeof(int32_t) + list_bytes(j) + narrow_bytes(j)),
        j->n_panels);
}

static void plan(const nncf_context *context, const nncf__pixel_product *p, int8_job *j)
{
    plan_operands(context, p, j);
    j->stream = j->n_pixels * p->weights.n_out >= NNCF__STREAM_FLOATS && p->dst_plane % 16 == 0;
    j->cut = nncf__blocks_plan(
        j->n_pixels, j->n_quads * QUAD, (int64_t)j->k->mr, j->n_panels, j->workers);
    j->by_panels = nncf__blocks_by_panels(j->n_pixels, j->n_quads * QUAD, j->n_panels, j->workers);
    if (j->by_panels) {
        j->cut.task_panels = div_ceil(j->n_panels, j->workers);
        j->cut.tasks_across = div_ceil(j->n_panels, j->cut.task_panels);
    }
    plan_block(j);
    plan_workspace(context, j, plan_private(j));
}

size_t nncf__int8_product_scratch(const nncf_context *context, const nncf__pixel_product *p)
{
    int8_job j;
    if (nncf__int8_rows_fit(p))
        return nncf__int8_rows_scratch(context, p);
    plan(context, p, &j);
    return j.workspace.bytes;
}

/* ---- weights ---- */

/* Packed panels, by units of the workspace: each has the unit of its number, but for those that a
 * task packs itself. */
static char *panel_of(const int8_job *j, int64_t unit)
{
    return (char *)nncf__workspace_slot(&j->workspace, unit);
}

static int32_t *panel_start(const int8_job *j, int64_t unit)
{
    return (int32_t *)(void *)(panel_of(j, unit) + panel_bytes(j));
}

static const int32_t *panel_factor(const int8_job *j, int64_t unit)
{
    return j->has_factors ? panel_start(j, unit) + j->k->nr : NULL;
}

static nncf__int8_list *panel_list(const int8_job *j, int64_t unit)
{
    return (nncf__int8_list *)(void *)(panel_start(j, unit) + 2 * j->k->nr);
}

/* NULL: the table makes none. */
static uint16_t *panel_narrow(const int8_job *j, int64_t unit)
{
    return j->k->narrow ? panel_list(j, unit) + list_bytes(j) / sizeof(nncf__int8_list) : NULL;
}

/* Quads that a panel has, and those of some packed pixels, in the worker's area. */
static size_t quads_of(const int8_job *j, int64_t unit)
{
    return j->skips ? panel_list(j, unit)[0] : (size_t)j->n_quads;
}

static const uint8_t *pixels_of(const int8_job *j, int64_t unit, const uint8_t *pixels, char *area)
{
    if (!j->skips)
        return pixels;
    return nncf__int8_gather_rows(
        panel_list(j, unit), j->n_quads, j->k->mr * QUAD, pixels, area + j->gathered_at);
}

/* One output channel's codes, (channel, tap) in memory, to its place in a panel. */
static void pack_row(const int8_job *j, const int8_t *row, char *to)
{
    const nncf__weights *w = &j->p->weights;
    const int64_t taps = nncf__taps_count(&w->taps),
                  next = (int64_t)(j->k->nr * j->k->weight_bytes) * QUAD;
    for (int64_t t = 0; t < taps; t++)
        for (int64_t c = 0; c < w->channels; c += QUAD, to += next) {
            int8_t quad[QUAD] = {0};
            const int64_t n = min_i(QUAD, w->channels - c);
            if (taps == 1 && n == QUAD)
                memcpy(quad, row + c, QUAD);
            else
                for (int64_t i = 0; i < n; i++)
                    quad[i] = row[(c + i) * taps + t];
            nncf__int8_put_weights(j->k, quad, to);
        }
}

static void pack_weights(const int8_job *j, int64_t panel, int64_t unit)
{
    const nncf__weights *w = &j->p->weights;
    const int64_t nr = (int64_t)j->k->nr, first = panel * nr, used = min_i(nr, w->n_out - first),
                  taps = nncf__taps_count(&w->taps);
    const int8_t *rows = (const int8_t *)w->src.data + first * w->out_stride;
    char *to = panel_of(j, unit);
    int32_t *start = panel_start(j, unit);
    nncf__weight_starts(w, first, used, j->k->offset - (int32_t)j->zero, start, start + nr);
    if (!(taps == 1 && j->k->weight_bytes == 1 &&
            nncf__transpose_words(nncf__kernels_of(j->workspace.context), rows, w->out_stride,
                w->channels, used, nr, to))) {
        if (used < nr)
            memset(to, 0, panel_bytes(j));
        for (int64_t i = 0; i < used; i++)
            pack_row(j, rows + i * w->out_stride, to + i * QUAD * (int64_t)j->k->weight_bytes);
    }
    if (j->skips)
        nncf__int8_list_rows(
            j->n_quads, j->k->nr * QUAD * j->k->weight_bytes, to, panel_list(j, unit));
    if (j->k->narrow)
        j->k->narrow(quads_of(j, unit), to, panel_narrow(j, unit));
}

static void pack_weights_task(void *arg, size_t chunk, size_t worker)
{
    (void)worker;
    pack_weights(arg, (int64_t)chunk, (int64_t)chunk);
}

/* ---- pixels ---- */

typedef struct int8_task {
    const int8_job *j;
    int64_t first, last, panel0, panel1;
    /* the units of panel0's weights, and from panel to panel */
    int64_t unit, unit_step;
    /* of the source, one tap at a time */
    nncf__segment *segments;
    /* of the destination, panel by panel */
    nncf__segment *targets;
    /* where each panel's targets begin */
    size_t *starts;
    uint8_t *pixels;
    float *scale, *bias;
    char *area;
} int8_task;

/* Of panel i of a block of pixels. */
static int32_t *values_of(const int8_job *j, const uint8_t *pixels, int64_t i)
{
    return (int32_t *)(uintptr_t)(pixels + j->values_at) + i * (int64_t)j->k->mr;
}

static void pack_pixels(const int8_task *t)
{
    const int8_job *j = t->j;
    const nncf__pixel_map *g = &j->p->map;
    const int64_t mr = (int64_t)j->k->mr, panels = div_ceil(t->last - t->first, mr);
    const size_t panel_stride = (size_t)(j->n_quads * mr * QUAD);
    for (int64_t tap = 0; tap < nncf__taps_count(&g->taps); tap++) {
        const nncf__tap at = nncf__taps_at(&g->taps, tap);
        size_t n = nncf__segments_source(g, &at, t->first, t->last, mr, mr, t->segments);
        if ((t->last - t->first) % mr) /* idle lanes of the last panel */
            t->segments[n++] = (nncf__segment){.src = -1,
                .dst = (int32_t)(t->last - t->first),
                .length = (int32_t)(panels * mr - (t->last - t->first))};
        const nncf__int8_source source = {.src = g->src.data,
            .channel_stride = g->src_plane,
            .step = g->step_x,
            .flip = j->flip,
            .zero = j->zero,
            .n_segments = n,
            .segments = t->segments};
        j->k->pack((size_t)g->channels, &source, (size_t)panels,
            t->pixels + tap * j->tap_quads * mr * QUAD, panel_stride);
    }
    for (int64_t i = 0; i < panels && j->has_factors; i++)
        j->k->values((size_t)j->n_quads, t->pixels + (size_t)i * panel_stride,
            -(int32_t)(j->n_quads * QUAD) * j->zero, values_of(j, t->pixels, i));
}

static int64_t unit_of(const int8_task *t, int64_t panel)
{
    return t->unit + (panel - t->panel0) * t->unit_step;
}

/* One panel of weights times all pixels of the task. */
static void multiply_panel(const int8_task *t, int64_t panel)
{
    const int8_job *j = t->j;
    const nncf__int8_kernels *k = j->k;
    const nncf__pixel_product *p = j->p;
    _Alignas(64) float tile[NNCF__INT8_MR_MAX * NNCF__INT8_NR_MAX];
    const int64_t mr = (int64_t)k->mr, nr = (int64_t)k->nr, unit = unit_of(t, panel);
    const size_t used = (size_t)min_i(nr, p->weights.n_out - panel * nr),
                 n_quads = quads_of(j, unit), panel_stride = (size_t)j->n_quads * k->mr * QUAD;
    const void *weights = panel_of(j, unit);
    nncf__int8_scaling scaling = {.start = panel_start(j, unit),
        .scale = t->scale + panel * nr,
        .bias = t->bias + panel * nr,
        .factor = panel_factor(j, unit),
        .narrow = panel_narrow(j, unit)};
    float *dst = p->dst + panel * nr * p->dst_plane;
    for (int64_t i = 0; t->first + i * mr < t->last; i++) {
        const uint8_t *pixels = pixels_of(j, unit, t->pixels + (size_t)i * panel_stride, t->area);
        scaling.values = values_of(j, t->pixels, i);
        const nncf__segment *to = t->targets + t->starts[i];
        const size_t n_targets = t->starts[i + 1] - t->starts[i];
        if (n_targets == 1 && to->length == mr && p->map.dst_col == 1) {
            const bool stream = j->stream && nncf__is_line_aligned(dst + to->src);
            k->micro_store(
                n_quads, pixels, weights, used, &scaling, dst + to->src, p->dst_plane, stream);
            continue;
        }
        k->micro(n_quads, pixels, weights, used, &scaling, tile);
        nncf__kernels_of(j->workspace.context)
            ->gemm_store(k->mr, used, tile, scaling.scale, scaling.bias, dst, p->dst_plane,
                p->map.dst_col, to, n_targets);
    }
}

static void multiply_block(const int8_task *t)
{
    const int8_job *j = t->j;
    nncf__segments_of_panels(
        &j->p->map, t->first, t->last, (int64_t)j->k->mr, t->starts, t->targets);
    pack_pixels(t);
    for (int64_t panel = t->panel0; panel < t->panel1; panel++)
        multiply_panel(t, panel);
}

static void multiply_task(void *arg, size_t chunk, size_t worker)
{
    const int8_job *j = arg;
    const nncf__pixel_product *p = j->p;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t block = (int64_t)chunk / j->cut.tasks_across,
                  across = (int64_t)chunk % j->cut.tasks_across, nr = (int64_t)j->k->nr,
                  end = j->by_panels ? j->n_pixels
                                     : min_i((block + 1) * j->cut.block_pixels, j->n_pixels);
    int8_task t = {.j = j,
        .panel0 = across * j->cut.task_panels,
        .panel1 = min_i((across + 1) * j->cut.task_panels, j->n_panels),
        .unit = j->by_panels ? (int64_t)worker : across * j->cut.task_panels,
        .unit_step = j->by_panels ? j->workspace.workers : 1,
        .segments = (nncf__segment *)(void *)area,
        .targets = (nncf__segment *)(void *)(area + j->targets_at),
        .starts = (size_t *)(void *)(area + j->starts_at),
        .pixels = (uint8_t *)(void *)(area + j->pixels_at),
        .scale = (float *)(void *)(area + j->scales_at),
        .bias = (float *)(void *)(area + j->scales_at) + j->n_panels * nr,
        .area = area};
    nncf__pixel_product_scaling(
        p, t.panel0 * nr, min_i(t.panel1 * nr, p->weights.n_out), t.scale, t.bias);
    for (int64_t panel = t.panel0; panel < t.panel1 && j->by_panels; panel++)
        pack_weights(j, panel, unit_of(&t, panel));
    for (t.first = block * j->cut.block_pixels; t.first < end; t.first = t.last) {
        t.last = min_i(t.first + j->cut.block_pixels, end);
        multiply_block(&t);
    }
    if (j->stream)
        nncf__kernels_of(j->workspace.context)->gemm_streams_end();
}

void nncf__int8_product_run(nncf_context *context, const nncf__pixel_product *p)
{
    int8_job j;
    if (nncf__int8_rows_fit(p)) {
        nncf__int8_rows_run(context, p);
        return;
    }
    plan(context, p, &j);
    const double weights = (double)(j.n_quads * QUAD) * (double)p->weights.n_out;
    if (!j.by_panels)
        nncf__gemm_parallel(context, 4.0 * weights, (size_t)j.n_panels, pack_weights_task, &j);
    nncf__gemm_parallel(
        context, 0.5 * (double)j.n_pixels * weights, (size_t)n_tasks(&j), multiply_task, &j);
}

/* ---- tiles that are not stored ---- */

static int64_t span_tasks(const int8_job *j)
{
    return div_ceil(j->hooks->spans.count, j->task_spans) * j->cut.tasks_across;
}

/* A task: some spans times some panels, so that there are a few tasks a thread. */
static void plan_spans(int8_job *j)
{
    const nncf__spans *spans = &j->hooks->spans;
    const int64_t wanted = nncf__tasks_wanted(j->workers),
                  pixels = min_i(NNCF__BLOCK_BYTES / (j->n_quads * QUAD), NNCF__SPAN_PIXELS);
    int64_t tasks = div_ceil(spans->count, max_i(1, pixels / spans->length));
    tasks = min_i(max_i(tasks, wanted), spans->count);
    j->task_spans = div_ceil(spans->count, tasks);
    j->cut.block_pixels = round_up(j->task_spans * spans->length, (int64_t)j->k->mr);
    nncf__blocks_across(&j->cut, div_ceil(spans->count, j->task_spans), j->n_panels, wanted);
    plan_block(j);
}

static void plan_tiles(const nncf_context *context, const nncf__pixel_product *p,
    const nncf__tile_hooks *hooks, int8_job *j)
{
    plan_operands(context, p, j);
    j->hooks = hooks;
    plan_spans(j);
    j->z_at = nncf__round_up_64(plan_private(j));
    j->hooks_at = j->z_at + (size_t)j->cut.block_pixels * j->k->nr * sizeof(float);
    plan_workspace(context, j, j->hooks_at + nncf__round_up_64(hooks->scratch));
}

bool nncf__int8_tiles_fit(
    const nncf_context *context, const nncf__pixel_product *p, const nncf__spans *spans)
{
    const nncf__weights *w = &p->weights;
    return is_of_int8(context, p) &&
        w->channels * nncf__taps_count(&w->taps) * spans->length <= SPAN_BYTES;
}

/* The z of a panel, all pixels. */
static size_t kept_panel_bytes(const int8_job *j)
{
    return (size_t)(j->n_blocks * j->cut.block_pixels) * j->k->nr * sizeof(float);
}

/* Panels that the busiest thread takes where a task has so many. */
static int64_t busiest_share(const int8_job *j, int64_t task_panels)
{
    return div_ceil(div_ceil(j->n_panels, task_panels), j->workers) * task_panels;
}

/*
 * Where all pixels of some channels, packed and as z, are small, a task makes both passes over
 * them: the product and the packing are made once for the two. False: it is not done, for they are
 * not small, or threads would have unequal shares.
 */
static bool plan_kept(const nncf_context *context, const nncf__pixel_product *p,
    const nncf__tile_hooks *hooks, int8_job *j)
{
    plan_operands(context, p, j);
    j->hooks = hooks;
    plan_spans(j);
    j->n_blocks = div_ceil(hooks->spans.count, j->task_spans);
    const size_t panel = kept_panel_bytes(j);
    if (hooks->n_passes < 2 || panel > KEPT_MOST_BYTES ||
        (size_t)j->n_blocks * j->block_bytes > KEPT_PIXELS_BYTES ||
        3 * busiest_share(j, 1) * j->workers > 4 * j->n_panels)
        return false;
    j->cut.task_panels = 1;
    for (int64_t n = 2; n <= j->n_panels && (size_t)n * panel <= KEPT_BYTES; n++)
        if (busiest_share(j, n) <= busiest_share(j, j->cut.task_panels))
            j->cut.task_panels = n;
    j->cut.tasks_across = div_ceil(j->n_panels, j->cut.task_panels);
    j->gathered_at = nncf__round_up_64((size_t)(j->cut.block_pixels + 1) * sizeof(nncf__segment));
    j->z_at = j->gathered_at + gathered_bytes(j);
    j->hooks_at = j->z_at + (size_t)j->cut.task_panels * panel;
    plan_workspace(context, j, j->hooks_at + nncf__round_up_64(hooks->scratch));
    j->packed = nncf__workspace_plan(context, j->workspace.bytes, j->block_bytes, j->n_blocks);
    return true;
}

size_t nncf__int8_tiles_scratch(
    const nncf_context *context, const nncf__pixel_product *p, const nncf__tile_hooks *hooks)
{
    int8_job j;
    plan_tiles(context, p, hooks, &j);
    const size_t bytes = j.workspace.bytes;
    return plan_kept(context, p, hooks, &j) ? max_size(bytes, j.packed.bytes) : bytes;
}

static const float ones[NNCF__INT8_NR_MAX] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                   zeros[NNCF__INT8_NR_MAX];

/* Panel `panel` of the product, for packed pixels: the tile's z. */
static void multiply_tile(
    const int8_job *j, const uint8_t *pixels, int64_t panel, float *z, nncf__tile *tile, char *area)
{
    const nncf__int8_kernels *k = j->k;
    const int64_t mr = (int64_t)k->mr, nr = (int64_t)k->nr;
    const size_t used = (size_t)min_i(nr, j->p->weights.n_out - panel * nr),
                 panel_stride = (size_t)j->n_quads * k->mr * QUAD;
    nncf__int8_scaling scaling = {.start = panel_start(j, panel),
        .scale = ones,
        .bias = zeros,
        .factor = panel_factor(j, panel),
        .narrow = panel_narrow(j, panel)};
    for (int64_t i = 0; tile->first + i * mr < tile->last; i++) {
        scaling.values = values_of(j, pixels, i);
        k->micro_store(quads_of(j, panel),
            pixels_of(j, panel, pixels + (size_t)i * panel_stride, area), panel_of(j, panel), used,
            &scaling, z + i * mr, tile->z_stride, false);
    }
}

/* Spans from `span` on, all of whose pixels are packed as one block. */
static nncf__tile tile_of_spans(const int8_job *j, int64_t span)
{
    const nncf__spans *spans = &j->hooks->spans;
    const int64_t end = min_i(span + j->task_spans, spans->count),
                  first = nncf__span_first(spans, span), last = nncf__span_end(spans, end - 1);
    return (nncf__tile){.first = first,
        .last = last,
        .span = span,
        .n_spans = end - span,
        .z_stride = round_up(last - first, (int64_t)j->k->mr)};
}

static void call_tile(
    const int8_job *j, size_t pass, int64_t panel, const float *z, nncf__tile *tile, char *scratch)
{
    const int64_t nr = (int64_t)j->k->nr;
    tile->z = z;
    tile->c0 = j->c0 + panel * nr;
    tile->c1 = j->c0 + min_i((panel + 1) * nr, j->p->weights.n_out);
    j->hooks->passes[pass].tile(j->hooks->arg, tile, scratch);
}

static void pack_tile(const int8_job *j, const nncf__tile *tile, char *area, uint8_t *pixels)
{
    const int8_task t = {.j = j,
        .first = tile->first,
        .last = tile->last,
        .segments = (nncf__segment *)(void *)area,
        .pixels = pixels};
    pack_pixels(&t);
}

static void span_task(void *arg, size_t chunk, size_t worker)
{
    const int8_job *j = arg;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t across = (int64_t)chunk % j->cut.tasks_across;
    uint8_t *pixels = (uint8_t *)(void *)(area + j->pixels_at);
    float *z = (float *)(void *)(area + j->z_at);
    nncf__tile tile = tile_of_spans(j, (int64_t)chunk / j->cut.tasks_across * j->task_spans);
    pack_tile(j, &tile, area, pixels);
    for (int64_t panel = across * j->cut.task_panels;
         panel < min_i((across + 1) * j->cut.task_panels, j->n_panels); panel++) {
        multiply_tile(j, pixels, panel, z, &tile, area);
        call_tile(j, j->pass, panel, z, &tile, area + j->hooks_at);
    }
}

/* ---- a part that is kept between two passes ---- */

static void pack_block_task(void *arg, size_t block, size_t worker)
{
    const int8_job *j = arg;
    const nncf__tile tile = tile_of_spans(j, (int64_t)block * j->task_spans);
    pack_tile(j, &tile, nncf__scratch(j->workspace.context, worker),
        (uint8_t *)nncf__workspace_slot(&j->packed, (int64_t)block));
}

static void kept_task(void *arg, size_t chunk, size_t worker)
{
    const int8_job *j = arg;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t nr = (int64_t)j->k->nr, panel0 = (int64_t)chunk * j->cut.task_panels,
                  panel1 = min_i(panel0 + j->cut.task_panels, j->n_panels);
    for (size_t pass = 0; pass < j->hooks->n_passes; pass++) {
        float *z = (float *)(void *)(area + j->z_at);
        for (int64_t block = 0; block < j->n_blocks; block++) {
            nncf__tile tile = tile_of_spans(j, block * j->task_spans);
            for (int64_t panel = panel0; panel < panel1; panel++, z += nr * j->cut.block_pixels) {
                if (pass == 0)
                    multiply_tile(j, (const uint8_t *)nncf__workspace_slot(&j->packed, block),
                        panel, z, &tile, area);
                call_tile(j, pass, panel, z, &tile, area + j->hooks_at);
            }
        }
        if (j->hooks->passes[pass].done)
            j->hooks->passes[pass].done(j->hooks->arg, j->c0 + panel0 * nr,
                j->c0 + min_i(panel1 * nr, j->p->weights.n_out));
    }
}

static void run_kept(nncf_context *context, int8_job *j)
{
    const double k = (double)(j->n_quads * QUAD), n_out = (double)j->p->weights.n_out,
                 pixels = (double)j->n_pixels;
    nncf__gemm_parallel(context, 4.0 * k * n_out, (size_t)j->n_panels, pack_weights_task, j);
    nncf__gemm_parallel(context, 4.0 * k * pixels, (size_t)j->n_blocks, pack_block_task, j);
    nncf__gemm_parallel(
        context, 0.5 * pixels * (k + 64.0) * n_out, (size_t)j->cut.tasks_across, kept_task, j);
}

void nncf__int8_tiles_run(
    nncf_context *context, const nncf__pixel_product *p, int64_t c0, const nncf__tile_hooks *hooks)
{
    int8_job j;
    if (plan_kept(context, p, hooks, &j)) {
        j.c0 = c0;
        run_kept(context, &j);
        return;
    }
    plan_tiles(context, p, hooks, &j);
    j.c0 = c0;
    const double weights = (double)(j.n_quads * QUAD) * (double)p->weights.n_out,
                 pixels = (double)j.n_pixels;
    nncf__gemm_parallel(context, 4.0 * weights, (size_t)j.n_panels, pack_weights_task, &j);
    for (j.pass = 0; j.pass < hooks->n_passes; j.pass++) {
        /* a hook does some operations to each element of the product */
        nncf__gemm_parallel(context, 0.5 * pixels * (weights + 32.0 * (double)p->weights.n_out),
            (size_t)span_tasks(&j), span_task, &j);
        if (hooks->passes[j.pass].done)
            hooks->passes[j.pass].done(hooks->arg, c0, c0 + p->weights.n_out);
    }
}
