/* SPDX-License-Identifier: Apache-2.0 */
/*
 * As panels of pixels, the codes of a linear layer would be gathered one by one, and its results
 * scattered. Here the lanes are output channels: rows of codes are read a word at a time, where
 * they lie if the kernels multiply them as they are, and rows of results are stored whole. The
 * weights are packed into panels of words.
 */
#include "gemm/int8_rows.h"

#include "base/context.h"
#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/blocks.h"
#include "gemm/microkernel.h"
#include "gemm/pack.h"
#include "kernels/int8.h"
#include "kernels/qtensor.h"

#include <nncf/context.h>

#include <string.h>

enum {
    WORD = NNCF__INT8_WORD,
    QUAD = NNCF__INT8_QUAD,
    /* rows so many bytes apart, or a multiple, would share few sets of the first-level cache */
    SHARED_SETS = 2048
};

typedef struct rows_job {
    const nncf__pixel_product *p;
    const nncf__int8_kernels *k;
    nncf__workspace workspace;
    int64_t n_rows, n_words, n_panels;
    /* a task: a block of rows times so many panels */
    nncf__blocks cut;
    /* what turns stored codes into bytes of unsigned ones, and into those of operands; the byte of
     * 0 */
    uint8_t flip, operand_flip, zero;
    /* weights have zero points */
    bool has_factors;
    bool in_place;
    /* bytes from row to row of operands */
    int64_t x_stride;
    /* in the private area; operands at 0 */
    size_t scales_at, values_at;
} rows_job;

bool nncf__int8_rows_fit(const nncf__pixel_product *p)
{
    const nncf__pixel_map *g = &p->map;
    return g->n == 1 && g->rows == 1 && g->src_plane == 1 && p->dst_plane == 1 &&
        nncf__taps_are_identity(&g->taps);
}

static size_t panel_bytes(const rows_job *j)
{
    return (size_t)j->n_words * j->k->mr * WORD;
}

static void plan(const nncf_context *context, const nncf__pixel_product *p, rows_job *j)
{
    const nncf__int8_kernels *k = context->int8;
    const nncf__dequant codes = nncf__dequant_of(&p->map.src, 0, true);
    const int64_t length = p->weights.channels;
    *j = (rows_job){.p = p,
        .k = k,
        .n_rows = p->map.cols,
        .n_words = (int64_t)nncf__int8_words(k, (size_t)length),
        .n_panels = div_ceil(p->weights.n_out, (int64_t)k->mr),
        .flip = (uint8_t)codes.flip,
        .zero = (uint8_t)codes.offset,
        .has_factors = p->weights.src.zero_point != NULL};
    j->operand_flip = (uint8_t)(j->flip ^ k->offset);
    j->in_place = k->weight_bytes == 1 && j->operand_flip == 0 && length % WORD == 0 &&
        p->map.step_x % SHARED_SETS != 0;
    j->x_stride = nncf__odd_lines(j->n_words * WORD, NNCF__LINE_BYTES);
    j->cut = nncf__blocks_plan(j->n_rows, j->x_stride, (int64_t)k->rows_nr, j->n_panels,
        max_i(1, context->params.n_threads));
    j->scales_at = j->in_place ? 0 : (size_t)(j->cut.block_pixels * j->x_stride);
    j->values_at = j->scales_at + 2 * nncf__bytes_aligned(j->n_panels * (int64_t)k->mr);
    j->workspace = nncf__workspace_plan(context,
        j->values_at + nncf__bytes_aligned(j->has_factors ? j->cut.block_pixels : 0),
        nncf__round_up_64(panel_bytes(j) + 2 * k->mr * sizeof(int32_t)), j->n_panels);
}

size_t nncf__int8_rows_scratch(const nncf_context *context, const nncf__pixel_product *p)
{
    rows_job j;
    plan(context, p, &j);
    return j.workspace.bytes;
}

/* ---- operands ---- */

static void copy_bytes(const uint8_t *from, int64_t length, uint8_t flip, uint8_t *to)
{
    for (int64_t i = 0; i < length; i++)
        to[i] = from[i] ^ flip;
}

static void widen(const uint8_t *from, int64_t length, uint8_t flip, int16_t *to)
{
    for (int64_t i = 0; i < length; i++)
        to[i] = from[i] ^ flip;
}

/* Codes of a row as the kernels want them; 0 in the rest of the last word. */
static void copy_row(const rows_job *j, const uint8_t *from, char *to)
{
    const int64_t length = j->p->weights.channels;
    memset(to + (j->n_words - 1) * WORD, 0, WORD);
    if (j->k->weight_bytes == 1)
        copy_bytes(from, length, j->operand_flip, (uint8_t *)to);
    else
        widen(from, length, j->operand_flip, (int16_t *)(void *)to);
}

/* Quads of n output channels as two words of 16 bits each. */
static void widen_quads(const uint32_t *quads, int64_t n, uint32_t *first, uint32_t *second)
{
    for (int64_t i = 0; i < n; i++) {
        const uint32_t q = quads[i];
        const uint32_t w[4] = {(uint32_t)((int32_t)(q << 24) >> 24) & 0xffff,
            (uint32_t)((int32_t)(q << 16) >> 24) << 16,
            (uint32_t)((int32_t)(q << 8) >> 24) & 0xffff, (uint32_t)((int32_t)q >> 24) << 16};
        first[i] = w[0] | w[1];
        second[i] = w[2] | w[3];
    }
}

/* Words of a panel, from `used` rows of weights; 0 beyond their end. */
static void pack_words(const rows_job *j, const int8_t *rows, int64_t used, char *to)
{
    const nncf__weights *w = &j->p->weights;
    const int64_t mr = (int64_t)j->k->mr;
    uint32_t quads[NNCF__INT8_MR_MAX], pairs[2][NNCF__INT8_MR_MAX];
    if (j->k->weight_bytes == 1 &&
        nncf__transpose_words(
            nncf__kernels_of(j->workspace.context), rows, w->out_stride, w->channels, used, mr, to))
        return;
    for (int64_t c = 0; c < w->channels; c += QUAD) {
        const size_t n = (size_t)min_i(QUAD, w->channels - c);
        if (n == QUAD) {
            for (int64_t i = 0; i < used; i++)
                memcpy(&quads[i], rows + i * w->out_stride + c, QUAD);
        } else {
            memset(quads, 0, sizeof quads);
            for (int64_t i = 0; i < used; i++)
                memcpy(&quads[i], rows + i * w->out_stride + c, n);
        }
        if (j->k->weight_bytes == 1) {
            memcpy(to, quads, (size_t)used * WORD);
            to += mr * WORD;
            continue;
        }
        widen_quads(quads, used, pairs[0], pairs[1]);
        for (size_t half = 0; half < (n > 2 ? 2 : 1); half++, to += mr * WORD)
            memcpy(to, pairs[half], (size_t)used * WORD);
    }
}

static int32_t sum_of_unsigned(const uint8_t *row, int64_t n, uint8_t flip)
{
    int32_t sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += row[i] ^ flip;
    return sum;
}

static char *panel_of(const rows_job *j, int64_t panel)
{
    return (char *)nncf__workspace_slot(&j->workspace, panel);
}

static int32_t *panel_start(const rows_job *j, int64_t panel)
{
    return (int32_t *)(void *)(panel_of(j, panel) + panel_bytes(j));
}

static void pack_weights_task(void *arg, size_t chunk, size_t worker)
{
    (void)worker;
    const rows_job *j = arg;
    const nncf__weights *w = &j->p->weights;
    const int64_t mr = (int64_t)j->k->mr, first = (int64_t)chunk * mr,
                  used = min_i(mr, w->n_out - first);
    const int8_t *rows = (const int8_t *)w->src.data + first * w->out_stride;
    char *to = panel_of(j, (int64_t)chunk);
    int32_t *start = panel_start(j, (int64_t)chunk);
    if (used < mr)
        memset(to, 0, panel_bytes(j) + 2 * (size_t)mr * sizeof *start);
    nncf__weight_starts(w, first, used, j->k->offset - (int32_t)j->zero, start, start + mr);
    pack_words(j, rows, used, to);
}

/* ---- multiplying ---- */

typedef struct rows_task {
    const rows_job *j;
    int64_t first, last;
    /* operands of row `first` */
    const char *x;
    int64_t x_stride;
    float *scale, *bias;
    /* of each row, if there are factors */
    int32_t *values;
} rows_task;

static void multiply_panel(const rows_task *t, int64_t panel)
{
    const rows_job *j = t->j;
    const nncf__pixel_product *p = j->p;
    const int64_t mr = (int64_t)j->k->mr, nr = (int64_t)j->k->rows_nr, c_stride = p->map.dst_col,
                  columns = min_i(mr, p->weights.n_out - panel * mr);
    const bool whole = columns == mr;
    const int32_t *start = panel_start(j, panel);
    nncf__int8_scaling scaling = {.start = start,
        .scale = t->scale + panel * mr,
        .bias = t->bias + panel * mr,
        .factor = j->has_factors ? start + mr : NULL};
    _Alignas(64) float tile[NNCF__INT8_MR_MAX * NNCF__INT8_NR_MAX];
    for (int64_t i = t->first; i < t->last; i += nr) {
        const int64_t used = min_i(nr, t->last - i);
        float *c = p->dst + i * c_stride + panel * mr;
        for (int64_t r = 0; r < used; r++)
            __builtin_prefetch(c + r * c_stride, 1);
        scaling.values = t->values + (i - t->first);
        j->k->rows((size_t)j->n_words, t->x + (i - t->first) * t->x_stride, t->x_stride,
            (size_t)used, panel_of(j, panel), &scaling, whole ? c : tile, whole ? c_stride : mr);
        for (int64_t r = 0; r < used && !whole; r++)
            memcpy(c + r * c_stride, tile + r * mr, (size_t)columns * sizeof *c);
    }
}

static void multiply_task(void *arg, size_t chunk, size_t worker)
{
    const rows_job *j = arg;
    const nncf__pixel_product *p = j->p;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t block = (int64_t)chunk / j->cut.tasks_across,
                  panel0 = (int64_t)chunk % j->cut.tasks_across * j->cut.task_panels,
                  panel1 = min_i(panel0 + j->cut.task_panels, j->n_panels), mr = (int64_t)j->k->mr,
                  end = min_i(panel1 * mr, p->weights.n_out);
    rows_task t = {.j = j,
        .first = block * j->cut.block_pixels,
        .last = min_i((block + 1) * j->cut.block_pixels, j->n_rows),
        .x = area,
        .x_stride = j->in_place ? p->map.step_x : j->x_stride,
        .scale = (float *)(void *)(area + j->scales_at),
        .values = (int32_t *)(void *)(area + j->values_at)};
    t.bias = t.scale + j->n_panels * mr;
    nncf__pixel_product_scaling(p, panel0 * mr, end, t.scale, t.bias);
    for (int64_t i = end; i < panel1 * mr; i++)
        t.scale[i] = t.bias[i] = 0.0f;
    const uint8_t *codes = (const uint8_t *)p->map.src.data + t.first * p->map.step_x;
    for (int64_t i = 0; i < t.last - t.first && j->has_factors; i++)
        t.values[i] = sum_of_unsigned(codes + i * p->map.step_x, p->weights.channels, j->flip) -
            (int32_t)p->weights.channels * j->zero;
    if (j->in_place)
        t.x = (const char *)codes;
    else
        for (int64_t i = t.first; i < t.last; i++, codes += p->map.step_x)
            copy_row(j, codes, area + (i - t.first) * j->x_stride);
    for (int64_t panel = panel0; panel < panel1; panel++)
        multiply_panel(&t, panel);
}

void nncf__int8_rows_run(nncf_context *context, const nncf__pixel_product *p)
{
    rows_job j;
    plan(context, p, &j);
    const double weights = (double)(j.n_words * WORD) * (double)p->weights.n_out;
    nncf__gemm_parallel(context, 4.0 * weights, (size_t)j.n_panels, pack_weights_task, &j);
    nncf__gemm_parallel(context, 0.5 * (double)j.n_rows * weights,
        (size_t)(div_ceil(j.n_rows, j.cut.block_pixels) * j.cut.tasks_across), multiply_task, &j);
}
