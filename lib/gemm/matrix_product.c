/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The microkernel's MR run along the rows of c, where they are stored as they are, and its NR down
 * the columns. (As pixels and channels, pixel_product.c, an element of c would be a pixel of its
 * own: gathered when it is packed, scattered when it is stored.)
 *
 * Of one product b is packed for all, and a task is some rows times some columns. Of many small
 * ones a task is a product, with a b of its own: the threads meet once.
 */
#include "gemm/matrix_product.h"

#include "base/int_math.h"
#include "base/pool.h"
#include "gemm/microkernel.h"
#include "kernels/kernels.h"

#include <nncf/context.h>

#include <string.h>

enum {
    /* longest k of a block: its panels come from the second-level cache at worst */
    MOST_K = 512,
    /* panels of a that a task holds in the second-level cache */
    MOST_PANELS = 16,
    /* floats: sums of a task, where k has several blocks; of a b that a task has of its own */
    MOST_SUMS = 64 << 10,
    MOST_OWN = 128 << 10,
    /* lines that are cut into panels at a time: they stay in the first-level cache */
    LINES = 64
};

typedef struct matrix_job {
    const nncf__matrix_product *p;
    nncf__microkernel m;
    nncf__workspace workspace;
    int64_t workers;
    int64_t k_block;
    /* panels of a and b; of a task; tasks along the rows of c */
    int64_t a_panels, b_panels, task_a, task_b, tasks_across;
    /* each task has a b of its own */
    bool owns;
    /* which of the batch, where all work on one */
    int64_t index;
    /* in the private area; a at 0. Codes of a panel, widened; b where it is the task's own */
    size_t sums_at, widened_at, b_at;
} matrix_job;

/* ---- planning ---- */

static void plan_tasks(matrix_job *j)
{
    const nncf__matrix_product *p = j->p;
    const bool several = j->k_block < p->k;
    j->a_panels = div_ceil(p->m, j->m.nr);
    j->b_panels = div_ceil(p->n, j->m.mr);
    j->owns = p->batch > 1 && (j->workers == 1 || p->batch >= 2 * j->workers) &&
        p->k * j->b_panels * j->m.mr <= MOST_OWN;
    const int64_t wanted = j->owns || j->workers == 1 ? 1 : 4 * j->workers;
    int64_t blocks = div_ceil(j->a_panels, MOST_PANELS);
    if (wanted > 1) /* shares are equal */
        blocks = min_i(j->a_panels, round_up(blocks, j->workers));
    j->task_a = div_ceil(j->a_panels, blocks);
    j->task_b = several ? max_i(1, MOST_SUMS / (j->task_a * j->m.nr * j->m.mr)) : j->b_panels;
    j->task_b = min_i(j->task_b, j->b_panels);
    while (j->task_a > 4 && blocks * div_ceil(j->b_panels, j->task_b) < wanted) {
        j->task_a = div_ceil(j->task_a, 2);
        blocks = div_ceil(j->a_panels, j->task_a);
    }
    while (j->task_b > 4 && blocks * div_ceil(j->b_panels, j->task_b) < wanted)
        j->task_b = div_ceil(j->task_b, 2);
    j->tasks_across = div_ceil(j->b_panels, j->task_b);
}

static size_t plan_private(matrix_job *j)
{
    const nncf__matrix_product *p = j->p;
    const int64_t size = j->m.mr * j->m.nr;
    const bool codes = nncf__qtensor_is_codes(&p->a.src) || nncf__qtensor_is_codes(&p->b.src);
    j->sums_at = nncf__bytes_aligned(j->task_a * j->m.nr * j->k_block);
    j->widened_at =
        j->sums_at + nncf__bytes_aligned(j->k_block < p->k ? j->task_a * j->task_b * size : 0);
    j->b_at = j->widened_at + nncf__bytes_aligned(codes ? max_i(j->m.mr, j->m.nr) * j->k_block : 0);
    return j->b_at + nncf__bytes_aligned(j->owns ? j->b_panels * j->m.mr * p->k : 0);
}

static void plan(const nncf_context *context, const nncf__matrix_product *p, matrix_job *j)
{
    *j = (matrix_job){.p = p, .workers = max_i(1, context->params.n_threads)};
    nncf__microkernel_builtin(nncf__kernels_of(context), &j->m);
    j->k_block =
        p->k <= MOST_K ? p->k : min_i(p->k, round_up(div_ceil(p->k, div_ceil(p->k, MOST_K)), 4));
    plan_tasks(j);
    /* an odd number of lines: what is written to several panels at once shares no sets of a cache
     */
    const size_t panel = nncf__bytes_aligned(p->k * j->m.mr);
    j->workspace = nncf__workspace_plan(
        context, plan_private(j), panel + (panel / 64 % 2 ? 0 : 64), j->owns ? 0 : j->b_panels);
}

/* ---- packing ---- */

/* Some panels of an operand: `width` lines, or as many neighbours of each of the lines k, side by
 * side for each k. */
typedef struct strip {
    nncf__qtensor src; /* of this product */
    int64_t stride;
    bool lines_are_k;
    /* rows of a, columns of b */
    int64_t first, end, width;
    float *widened;
} strip;

static strip strip_of(
    const matrix_job *j, int64_t index, bool of_b, int64_t panel0, int64_t panel1, float *widened)
{
    const nncf__matrix_product *p = j->p;
    const nncf__matrix *x = of_b ? &p->b : &p->a;
    const int64_t width = of_b ? j->m.mr : j->m.nr, n = of_b ? p->n : p->m;
    const bool lines_are_k = of_b ? !x->turned : x->turned;
    return (strip){.src = nncf__qtensor_from(&x->src, index * (of_b ? p->b_step : p->a_step),
                       index * (lines_are_k ? p->k : n)),
        .stride = x->stride,
        .lines_are_k = lines_are_k,
        .first = panel0 * width,
        .end = min_i(panel1 * width, n),
        .width = width,
        .widened = widened};
}

/* `used` neighbours from the `first` on, of lines [k0, k1). */
static void pack_neighbours(const nncf__kernels *k, const strip *s, int64_t first, int64_t used,
    int64_t k0, int64_t k1, float *to)
{
    const nncf__segment all = {.length = (int32_t)used};
    const int64_t at = k0 * s->stride + first;
    if (used < s->width)
        memset(to, 0, (size_t)((k1 - k0) * s->width) * sizeof *to);
    if (!nncf__qtensor_is_codes(&s->src)) {
        k->gemm_gather((size_t)(k1 - k0), (const float *)s->src.data + at, s->stride, 1, 1, &all,
            to, (size_t)s->width);
        return;
    }
    const int64_t at_once = s->src.n_scales > 1 ? 1 : k1 - k0;
    for (int64_t i = k0; i < k1; i += at_once) {
        const nncf__dequant how = nncf__dequant_of(&s->src, i, false);
        k->gemm_gather_bytes((size_t)at_once, (const uint8_t *)s->src.data + i * s->stride + first,
            s->stride, 1, 1, &all, &how, to + (i - k0) * s->width, (size_t)s->width);
    }
}

/* `used` lines from the `first` on, elements [k0, k1). */
static void pack_lines(const nncf__kernels *k, const strip *s, int64_t first, int64_t used,
    int64_t k0, int64_t k1, float *to)
{
    const size_t n = (size_t)(k1 - k0);
    const int64_t at = first * s->stride + k0;
    if (!nncf__qtensor_is_codes(&s->src)) {
        k->gemm_transpose(
            (size_t)used, n, (const float *)s->src.data + at, s->stride, to, (size_t)s->width);
        return;
    }
    for (int64_t i = 0; i < used; i++) {
        const nncf__dequant how = nncf__dequant_of(&s->src, first + i, false);
        k->dequantize(
            n, (const uint8_t *)s->src.data + at + i * s->stride, s->widened + i * (k1 - k0), &how);
    }
    k->gemm_transpose((size_t)used, n, s->widened, k1 - k0, to, (size_t)s->width);
}

/* Panel i goes to to + i * step. */
static void pack(
    const nncf__kernels *k, const strip *s, int64_t k0, int64_t k1, float *to, int64_t step)
{
    if (!s->lines_are_k) {
        for (int64_t i = s->first; i < s->end; i += s->width, to += step)
            pack_lines(k, s, i, min_i(s->width, s->end - i), k0, k1, to);
        return;
    }
    for (int64_t from = k0; from < k1; from += LINES) {
        float *panel = to + (from - k0) * s->width;
        for (int64_t i = s->first; i < s->end; i += s->width, panel += step)
            pack_neighbours(
                k, s, i, min_i(s->width, s->end - i), from, min_i(from + LINES, k1), panel);
    }
}

/* Units of the workspace that follow each other belong to different workers: a panel at a time, but
 * in turns, some lines of each. */
static void pack_b_task(void *arg, size_t chunk, size_t worker)
{
    const matrix_job *j = arg;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t panel0 = (int64_t)chunk * MOST_PANELS,
                  panel1 = min_i(panel0 + MOST_PANELS, j->b_panels);
    const int64_t at_once = j->p->b.turned ? j->k_block : LINES;
    for (int64_t k0 = 0; k0 < j->p->k; k0 += at_once)
        for (int64_t panel = panel0; panel < panel1; panel++) {
            const strip s = strip_of(
                j, j->index, true, panel, panel + 1, (float *)(void *)(area + j->widened_at));
            pack(j->m.k, &s, k0, min_i(k0 + at_once, j->p->k),
                nncf__workspace_slot(&j->workspace, panel) + k0 * j->m.mr, 0);
        }
}

/* ---- multiplying ---- */

typedef struct matrix_task {
    const matrix_job *j;
    int64_t index;
    /* panels of a and b */
    int64_t a0, a1, b0, b1;
    float *a, *sums, *widened, *own_b;
    const float *bias;
    float *c;
} matrix_task;

static const float *panel_of_b(const matrix_task *t, int64_t panel, int64_t k0)
{
    const matrix_job *j = t->j;
    const float *b =
        j->owns ? t->own_b + panel * j->m.mr * j->p->k : nncf__workspace_slot(&j->workspace, panel);
    return b + k0 * j->m.mr;
}

/* nr rows that hold the bias of a panel's columns. */
static void spread_bias(const matrix_job *j, const float *bias, int64_t columns, float *tile)
{
    for (int64_t r = 0; r < j->m.nr; r++) {
        memcpy(tile + r * j->m.mr, bias, (size_t)columns * sizeof *tile);
        memset(tile + r * j->m.mr + columns, 0, (size_t)(j->m.mr - columns) * sizeof *tile);
    }
}

/* A panel of b times all panels of a, for k in [k0, k1). */
static void multiply_panel(const matrix_task *t, int64_t panel, int64_t k0, int64_t k1)
{
    const matrix_job *j = t->j;
    const nncf__matrix_product *p = j->p;
    const nncf__kernels *k = j->m.k;
    const int64_t mr = j->m.mr, nr = j->m.nr, size = mr * nr, depth = k1 - k0;
    const int64_t columns = min_i(mr, p->n - panel * mr);
    const bool first = k0 == 0, last = k1 == p->k;
    const float *b = panel_of_b(t, panel, k0), *bias = t->bias ? t->bias + panel * mr : NULL;
    const float none[NNCF__TILE_EDGE_MAX] = {0};
    float factors[NNCF__TILE_EDGE_MAX];
    _Alignas(64) float start[NNCF__TILE_MAX], tile[NNCF__TILE_MAX];
    for (int64_t i = 0; i < nr; i++)
        factors[i] = p->factor;
    if (first && bias)
        spread_bias(j, bias, columns, start);
    for (int64_t i = t->a0; i < t->a1; i++) {
        const int64_t rows = min_i(nr, p->m - i * nr);
        const float *a = t->a + (i - t->a0) * nr * depth;
        float *sums = t->sums + ((panel - t->b0) * (t->a1 - t->a0) + i - t->a0) * size;
        float *c = t->c + i * nr * p->c_stride + panel * mr;
        if (!last) {
            if (first && bias)
                memcpy(sums, start, (size_t)size * sizeof *sums);
            k->gemm_micro((size_t)depth, b, a, (size_t)rows, sums, !first || bias);
            continue;
        }
        const float *before = !first ? sums : bias ? start : NULL;
        for (int64_t r = 0; r < rows; r++)
            __builtin_prefetch(c + r * p->c_stride, 1);
        k->gemm_micro_store((size_t)depth, b, a, (size_t)rows, before, factors, none,
            columns == mr ? c : tile, columns == mr ? p->c_stride : mr, false);
        for (int64_t r = 0; r < rows && columns < mr; r++)
            memcpy(c + r * p->c_stride, tile + r * mr, (size_t)columns * sizeof *c);
    }
}

static matrix_task task_of(const matrix_job *j, int64_t index, size_t worker)
{
    const nncf__matrix_product *p = j->p;
    char *area = nncf__scratch(j->workspace.context, worker);
    return (matrix_task){.j = j,
        .index = index,
        .a = (float *)(void *)area,
        .sums = (float *)(void *)(area + j->sums_at),
        .widened = (float *)(void *)(area + j->widened_at),
        .own_b = (float *)(void *)(area + j->b_at),
        .bias = p->bias ? p->bias + index * p->n : NULL,
        .c = p->c + index * p->c_step};
}

/* The task's rows and columns. */
static void multiply(const matrix_task *t)
{
    const matrix_job *j = t->j;
    const strip rows = strip_of(j, t->index, false, t->a0, t->a1, t->widened);
    for (int64_t k0 = 0; k0 < j->p->k; k0 += j->k_block) {
        const int64_t k1 = min_i(k0 + j->k_block, j->p->k);
        pack(j->m.k, &rows, k0, k1, t->a, j->m.nr * (k1 - k0));
        for (int64_t panel = t->b0; panel < t->b1; panel++)
            multiply_panel(t, panel, k0, k1);
    }
}

static void part_task(void *arg, size_t chunk, size_t worker)
{
    const matrix_job *j = arg;
    matrix_task t = task_of(j, j->index, worker);
    t.a0 = (int64_t)chunk / j->tasks_across * j->task_a;
    t.a1 = min_i(t.a0 + j->task_a, j->a_panels);
    t.b0 = (int64_t)chunk % j->tasks_across * j->task_b;
    t.b1 = min_i(t.b0 + j->task_b, j->b_panels);
    multiply(&t);
}

static void whole_task(void *arg, size_t chunk, size_t worker)
{
    const matrix_job *j = arg;
    matrix_task t = task_of(j, (int64_t)chunk, worker);
    for (int64_t k0 = 0; k0 < j->p->k; k0 += j->k_block) {
        const strip all = strip_of(j, t.index, true, 0, j->b_panels, t.widened);
        pack(j->m.k, &all, k0, min_i(k0 + j->k_block, j->p->k), t.own_b + k0 * j->m.mr,
            j->m.mr * j->p->k);
    }
    for (t.b0 = 0; t.b0 < j->b_panels; t.b0 = t.b1) {
        t.b1 = min_i(t.b0 + j->task_b, j->b_panels);
        for (t.a0 = 0; t.a0 < j->a_panels; t.a0 = t.a1) {
            t.a1 = min_i(t.a0 + j->task_a, j->a_panels);
            multiply(&t);
        }
    }
}

/* ---- calls ---- */

size_t nncf__matrix_product_scratch(const nncf_context *context, const nncf__matrix_product *p)
{
    matrix_job j;
    if (nncf__kernels_of(context)->isa == NNCF_ISA_REFERENCE)
        return 0;
    plan(context, p, &j);
    return j.workspace.bytes;
}

void nncf__matrix_product_run(nncf_context *context, const nncf__matrix_product *p)
{
    matrix_job j;
    if (nncf__kernels_of(context)->isa == NNCF_ISA_REFERENCE) {
        nncf__matrix_product_ref(p);
        return;
    }
    plan(context, p, &j);
    const double flops = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    if (j.owns) {
        nncf__gemm_parallel(context, flops * (double)p->batch, (size_t)p->batch, whole_task, &j);
        return;
    }
    for (j.index = 0; j.index < p->batch; j.index++) {
        nncf__gemm_parallel(context, 32.0 * (double)p->k * (double)p->n,
            (size_t)div_ceil(j.b_panels, MOST_PANELS), pack_b_task, &j);
        nncf__gemm_parallel(context, flops,
            (size_t)(div_ceil(j.a_panels, j.task_a) * j.tasks_across), part_task, &j);
    }
}

static double value(const nncf__matrix *x, const nncf__qtensor *src, int64_t row, int64_t column)
{
    const int64_t line = x->turned ? column : row,
                  at = line * x->stride + (x->turned ? row : column);
    if (!nncf__qtensor_is_codes(src))
        return (double)((const float *)src->data)[at];
    const nncf__dequant how = nncf__dequant_of(src, line, false);
    const float code = (float)(((const uint8_t *)src->data)[at] ^ how.flip);
    return (double)((code - how.offset) * how.scale);
}

void nncf__matrix_product_ref(const nncf__matrix_product *p)
{
    for (int64_t i = 0; i < p->batch; i++) {
        const nncf__qtensor a = nncf__qtensor_from(
                                &p->a.src, i * p->a_step, i * (p->a.turned ? p->k : p->m)),
                            b = nncf__qtensor_from(
                                &p->b.src, i * p->b_step, i * (p->b.turned ? p->n : p->k));
        for (int64_t r = 0; r < p->m; r++)
            for (int64_t c = 0; c < p->n; c++) {
                double sum = 0;
                for (int64_t k = 0; k < p->k; k++)
                    sum += value(&p->a, &a, r, k) * value(&p->b, &b, k, c);
                sum = sum * (double)p->factor + (p->bias ? (double)p->bias[i * p->n + c] : 0.0);
                p->c[i * p->c_step + r * p->c_stride + c] = (float)sum;
            }
    }
}
