/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loops around the binary kernels, as those of int8_product.c: a task packs a block of pixels,
 * all of k, and multiplies it by one panel of weights after the other. Words run over (tap, word of
 * channels), so that packing copies words, and one tap's shifts serve 64 channels.
 */
#include "gemm/binary_product.h"

#include "base/context.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/blocks.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "kernels/binary.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <string.h>

typedef struct binary_job {
    const nncf__binary_product *b;
    const nncf__binary_kernels *k;
    nncf__workspace workspace;
    int64_t workers, n_taps;
    /* of one tap's channels; of all */
    int64_t tap_words, n_words;
    int64_t n_pixels, n_panels;
    /* a task: a block of pixels times so many panels */
    nncf__blocks cut;
    /* offsets in the private area; segments, or the bits of a row of weights, at 0 */
    size_t targets_at, places_at, pixels_at, starts_at, scales_at;
} binary_job;

static const nncf__binary_kernels *kernels_of(const nncf_context *context)
{
    return (const nncf__binary_kernels *)context->binary;
}

bool nncf__binary_product_fits(const nncf_context *context, const nncf__binary_product *b)
{
    const nncf__weights *w = &b->p.weights;
    return kernels_of(context) &&
        nncf__words_of(w->channels) * nncf__taps_count(&w->taps) <= NNCF__BINARY_WORDS_MAX;
}

static int64_t n_tasks(const binary_job *j)
{
    return div_ceil(j->n_pixels, j->cut.block_pixels) * j->cut.tasks_across;
}

/* Offsets in a worker's private area; returns its bytes. */
static size_t plan_private(binary_job *j)
{
    const size_t pixels = (size_t)j->cut.block_pixels, panels = pixels / j->k->mr;
    j->targets_at = (pixels + 1) * sizeof(nncf__segment);
    j->places_at = j->targets_at + pixels * sizeof(nncf__segment);
    j->pixels_at = nncf__round_up_64(j->places_at + (panels + 1) * sizeof(size_t));
    j->starts_at = j->pixels_at + nncf__round_up_64(pixels * (size_t)j->n_words * sizeof(uint64_t));
    j->scales_at = j->starts_at + nncf__round_up_64(pixels * sizeof(int32_t));
    const size_t bytes =
        j->scales_at + 2 * nncf__round_up_64((size_t)j->n_panels * j->k->nr * sizeof(float));
    return max_size(bytes, (size_t)j->n_words * sizeof(uint64_t));
}

static size_t panel_bytes(const binary_job *j)
{
    return nncf__round_up_64((size_t)j->n_words * j->k->nr * sizeof(uint64_t));
}

static void plan(const nncf_context *context, const nncf__binary_product *b, binary_job *j)
{
    const nncf__pixel_product *p = &b->p;
    *j = (binary_job){
        .b = b, .k = kernels_of(context), .workers = max_i(1, context->params.n_threads)};
    j->n_taps = nncf__taps_count(&p->weights.taps);
    j->tap_words = nncf__words_of(p->weights.channels);
    j->n_words = j->tap_words * j->n_taps;
    j->n_pixels = p->map.n * p->map.rows * p->map.cols;
    j->n_panels = div_ceil(p->weights.n_out, (int64_t)j->k->nr);
    j->cut = nncf__blocks_plan(j->n_pixels, j->n_words * (int64_t)sizeof(uint64_t),
        (int64_t)j->k->mr, j->n_panels, j->workers);
    j->workspace = nncf__workspace_plan(context, plan_private(j), panel_bytes(j), j->n_panels);
}

size_t nncf__binary_product_scratch(const nncf_context *context, const nncf__binary_product *b)
{
    binary_job j;
    plan(context, b, &j);
    return j.workspace.bytes;
}

/* ---- weights ---- */

static uint64_t *panel_of(const binary_job *j, int64_t panel)
{
    return (uint64_t *)(void *)nncf__workspace_slot(&j->workspace, panel);
}

/* The words of all taps of up to 64 channels, whose taps lie side by side. */
static void part_taps(
    const uint64_t *bits, size_t channels, size_t n_taps, uint64_t *to, int64_t tap_stride)
{
    enum { BITS = NNCF__BITS_OF_WORD };
    for (size_t tap = 0; tap < n_taps; tap++, to += tap_stride) {
        *to = n_taps == 1 ? bits[0] : 0;
        for (size_t c = 0, at = tap; n_taps > 1 && c < channels; c++, at += n_taps)
            *to |= (bits[at / BITS] >> at % BITS & 1) << c;
    }
}

/* n bits from bit `first` on. */
static void copy_bits(const uint64_t *from, int64_t first, int64_t n, uint64_t *to)
{
    enum { BITS = NNCF__BITS_OF_WORD };
    const int64_t shift = first % BITS, last = (first + n - 1) / BITS;
    for (int64_t at = first / BITS; n > 0; at++, to++, n -= BITS) {
        *to = from[at] >> shift;
        if (shift > 0 && at < last)
            *to |= from[at + 1] << (BITS - shift);
        if (n < BITS)
            *to &= ((uint64_t)1 << n) - 1;
    }
}

/* The signs of row i, and its scale. */
static void find_row(const binary_job *j, int64_t i, int64_t row, uint64_t *bits)
{
    const nncf__binary_product *b = j->b;
    double sum = 0;
    if (!b->w) {
        copy_bits(b->signs, b->first_sign + i * row, row, bits);
        return;
    }
    nncf__kernels_of(j->workspace.context)
        ->signs((size_t)row, b->w + i * row, bits, b->scales ? &sum : NULL);
    if (b->scales)
        b->scales[i] = (float)(sum / (double)row);
}

/* A panel of nr output channels. A row's signs lie as its floats do, channel by channel; each 64 of
 * them then become a word for each tap. */
static void pack_weights_task(void *arg, size_t chunk, size_t worker)
{
    const binary_job *j = arg;
    const nncf__weights *w = &j->b->p.weights;
    const int64_t nr = (int64_t)j->k->nr, first = (int64_t)chunk * nr,
                  row = w->channels * j->n_taps;
    uint64_t *bits = (uint64_t *)(void *)nncf__scratch(j->workspace.context, worker);
    for (int64_t i = first; i < min_i(first + nr, w->n_out); i++) {
        uint64_t *to = panel_of(j, (int64_t)chunk) + (i - first);
        find_row(j, i, row, bits);
        int64_t word = 0;
        if (j->n_taps == 9) {
            word = w->channels / NNCF__BITS_OF_WORD;
            j->k->part_nine((size_t)word, bits, to, nr, j->tap_words * nr);
        }
        for (; word < j->tap_words; word++)
            part_taps(bits + word * j->n_taps,
                (size_t)min_i(NNCF__BITS_OF_WORD, w->channels - word * NNCF__BITS_OF_WORD),
                (size_t)j->n_taps, to + word * nr, j->tap_words * nr);
    }
}

/* ---- pixels ---- */

typedef struct binary_task {
    const binary_job *j;
    int64_t first, last, panel0, panel1;
    /* of the source, one tap at a time */
    nncf__segment *segments;
    /* of the destination, panel by panel; where each panel's begin */
    nncf__segment *targets;
    size_t *places;
    uint64_t *pixels;
    int32_t *starts;
    float *scale, *bias;
} binary_task;

static void copy_segment(
    const nncf__segment *s, int64_t step, const uint64_t *restrict from, uint64_t *restrict to)
{
    if (s->src < 0)
        for (int32_t i = 0; i < s->length; i++)
            to[i] = 0;
    else if (step == 1)
        for (int32_t i = 0; i < s->length; i++)
            to[i] = from[s->src + i];
    else
        for (int32_t i = 0; i < s->length; i++)
            to[i] = from[s->src + i * step];
}

static void pack_pixels(const binary_task *t)
{
    const binary_job *j = t->j;
    const nncf__pixel_map *g = &j->b->p.map;
    const int64_t mr = (int64_t)j->k->mr, count = t->last - t->first, panels = div_ceil(count, mr);
    for (int64_t tap = 0; tap < j->n_taps; tap++) {
        const nncf__tap at = nncf__taps_at(&g->taps, tap);
        size_t n = nncf__segments_source(g, &at, t->first, t->last, mr, mr, t->segments);
        if (count % mr) /* idle lanes of the last panel */
            t->segments[n++] = (nncf__segment){
                .src = -1, .dst = (int32_t)count, .length = (int32_t)(panels * mr - count)};
        for (size_t i = 0; i < n; i++) {
            const nncf__segment *s = &t->segments[i];
            const uint64_t *from = g->src.data;
            uint64_t *to =
                t->pixels + (s->dst / mr * j->n_words + tap * j->tap_words) * mr + s->dst % mr;
            for (int64_t word = 0; word < j->tap_words; word++, from += g->src_plane, to += mr)
                copy_segment(s, g->step_x, from, to);
        }
    }
    for (int64_t i = 0; i < panels; i++)
        j->k->starts((size_t)j->n_words, t->pixels + i * j->n_words * mr, t->starts + i * mr);
}

/* One panel of weights times all pixels of the task. */
static void multiply_panel(const binary_task *t, int64_t panel)
{
    const binary_job *j = t->j;
    const nncf__binary_kernels *k = j->k;
    const nncf__pixel_product *p = &j->b->p;
    _Alignas(64) float tile[NNCF__BINARY_MR_MAX * NNCF__BINARY_NR_MAX];
    const int64_t mr = (int64_t)k->mr, nr = (int64_t)k->nr;
    const size_t used = (size_t)min_i(nr, p->weights.n_out - panel * nr),
                 n_words = (size_t)j->n_words;
    const uint64_t *weights = panel_of(j, panel);
    const float *scale = t->scale + panel * nr, *bias = t->bias + panel * nr;
    float *dst = p->dst + panel * nr * p->dst_plane;
    for (int64_t i = 0; t->first + i * mr < t->last; i++) {
        const uint64_t *pixels = t->pixels + i * j->n_words * mr;
        const int32_t *start = t->starts + i * mr;
        const nncf__segment *to = t->targets + t->places[i];
        const size_t n_targets = t->places[i + 1] - t->places[i];
        if (n_targets == 1 && to->length == mr && p->map.dst_col == 1) {
            k->micro_store(
                n_words, pixels, weights, used, start, scale, bias, dst + to->src, p->dst_plane);
            continue;
        }
        k->micro(n_words, pixels, weights, used, start, tile);
        nncf__kernels_of(j->workspace.context)
            ->gemm_store(
                k->mr, used, tile, scale, bias, dst, p->dst_plane, p->map.dst_col, to, n_targets);
    }
}

static void multiply_task(void *arg, size_t chunk, size_t worker)
{
    const binary_job *j = arg;
    const nncf__pixel_product *p = &j->b->p;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t block = (int64_t)chunk / j->cut.tasks_across,
                  across = (int64_t)chunk % j->cut.tasks_across, nr = (int64_t)j->k->nr;
    const binary_task t = {.j = j,
        .first = block * j->cut.block_pixels,
        .last = min_i((block + 1) * j->cut.block_pixels, j->n_pixels),
        .panel0 = across * j->cut.task_panels,
        .panel1 = min_i((across + 1) * j->cut.task_panels, j->n_panels),
        .segments = (nncf__segment *)(void *)area,
        .targets = (nncf__segment *)(void *)(area + j->targets_at),
        .places = (size_t *)(void *)(area + j->places_at),
        .pixels = (uint64_t *)(void *)(area + j->pixels_at),
        .starts = (int32_t *)(void *)(area + j->starts_at),
        .scale = (float *)(void *)(area + j->scales_at),
        .bias = (float *)(void *)(area + j->scales_at) + j->n_panels * nr};
    nncf__pixel_product_scaling(
        p, t.panel0 * nr, min_i(t.panel1 * nr, p->weights.n_out), t.scale, t.bias);
    nncf__segments_of_panels(&p->map, t.first, t.last, (int64_t)j->k->mr, t.places, t.targets);
    pack_pixels(&t);
    for (int64_t panel = t.panel0; panel < t.panel1; panel++)
        multiply_panel(&t, panel);
}

void nncf__binary_product_run(nncf_context *context, const nncf__binary_product *b)
{
    binary_job j;
    plan(context, b, &j);
    const double weights = (double)j.n_words * (double)b->p.weights.n_out;
    nncf__gemm_parallel(context, 256.0 * weights, (size_t)j.n_panels, pack_weights_task, &j);
    nncf__gemm_parallel(
        context, 4.0 * (double)j.n_pixels * weights, (size_t)n_tasks(&j), multiply_task, &j);
}
