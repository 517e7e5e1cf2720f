/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The microkernel's MR run along the rows of c, where they are stored as they are, and its NR down
 * the columns. (As pixels and channels, pixel_product.c, an element of c would be a pixel of its
 * own: gathered when it is packed, scattered when it is stored.) Rows of floats of a are read where
 * they lie; codes, and lines along k, become such rows first.
 *
 * Of one product b is packed for all, and a task is some rows times some columns. Of few rows a
 * task packs the columns that it multiplies, a block of k at a time: b, most of the work, is read
 * once and leaves the caches of that thread no more. Of many small ones a task is a product, with a
 * b of its own: the threads meet once.
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
    /* panels of a that a task reads from the second-level cache */
    MOST_PANELS = 16,
    /* panels of a, of few rows */
    FEW_PANELS = 6,
    /* floats: sums of a task, where k has several blocks; of a b that a task has of its own */
    MOST_SUMS = 64 << 10,
    MOST_OWN = 128 << 10,
    /* floats of b that a task packs at once */
    MOST_PACKED = 96 << 10,
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
    /* rows of a are read as they are; else, from row to row of those that are made of it */
    bool in_place;
    int64_t a_stride;
    /* each task has a b of its own; packs its part of b, which no other reads */
    bool owns, packs;
    /* which of the batch, where all work on one */
    int64_t index;
    /* in the private area; rows of a at 0. Codes, widened; b where it is the task's own; rows of a
     * tile without what b leaves out */
    size_t sums_at, widened_at, b_at, picked_at;
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
    j->packs =
        !j->owns && j->a_panels <= FEW_PANELS && j->b_panels >= wanted && p->b_blocks.size == 0;
    if (j->packs) {
        j->task_a = j->a_panels;
        j->task_b = min_i(div_ceil(j->b_panels, wanted),
            max_i(1, MOST_PACKED / (j->m.mr * max_i(j->k_block, j->task_a * j->m.nr))));
        j->tasks_across = div_ceil(j->b_panels, j->task_b);
        return;
    }
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
    const int64_t rows = j->task_a * j->m.nr,
                  of_a = nncf__qtensor_is_codes(&p->a.src) && p->a.turned ? rows * j->k_block : 0,
                  of_b =
                      nncf__qtensor_is_codes(&p->b.src) && p->b.turned ? j->m.mr * j->k_block : 0;
    j->sums_at = nncf__bytes_aligned(j->in_place ? 0 : rows * j->a_stride);
    j->widened_at =
        j->sums_at + nncf__bytes_aligned(j->k_block < p->k ? j->task_a * j->task_b * size : 0);
    j->b_at = j->widened_at + nncf__bytes_aligned(max_i(of_a, of_b));
    j->picked_at = j->b_at +
        nncf__bytes_aligned(j->m.mr *
            (j->owns           ? j->b_panels * p->k
                    : j->packs ? j->task_b * j->k_block
                               : 0));
    return j->picked_at + nncf__bytes_aligned(p->b_blocks.size > 0 ? j->m.nr * j->a_stride : 0);
}

static void plan(const nncf_context *context, const nncf__matrix_product *p, matrix_job *j)
{
    *j = (matrix_job){.p = p, .workers = max_i(1, context->params.n_threads)};
    nncf__microkernel_builtin(nncf__kernels_of(context), &j->m);
    j->k_block =
        p->k <= MOST_K ? p->k : min_i(p->k, round_up(div_ceil(p->k, div_ceil(p->k, MOST_K)), 4));
    j->in_place = !p->a.turned && !nncf__qtensor_is_codes(&p->a.src);
    j->a_stride = nncf__odd_lines(j->k_block, NNCF__LINE_FLOATS);
    plan_tasks(j);
    /* several panels are written at once */
    const int64_t panel = nncf__odd_lines(p->k * j->m.mr, NNCF__LINE_FLOATS);
    j->workspace = nncf__workspace_plan(context, plan_private(j), (size_t)panel * sizeof(float),
        j->owns || j->packs ? 0 : j->b_panels);
}

/* ---- blocks ---- */

/* Is anything kept in rows [r0, r1) and columns [c0, c1)? */
static bool has_kept(
    const nncf__kept_blocks *b, int64_t index, int64_t r0, int64_t r1, int64_t c0, int64_t c1)
{
    const uint8_t *kept = b->kept + index * b->batch_step;
    for (int64_t r = r0 / b->size; r * b->size < r1; r++)
        for (int64_t c = c0 / b->size; c * b->size < c1; c++)
            if (kept[r * b->row_step + c * b->column_step])
                return true;
    return false;
}

static bool skips_b(const matrix_job *j)
{
    return j->p->b_blocks.size > 0 && j->p->b_blocks.kept;
}

/* Of a panel of b, whose columns are wider or narrower than blocks: are rows [k0, k1), of one
 * block, in it? */
static bool panel_has(const matrix_job *j, int64_t index, int64_t panel, int64_t k0, int64_t k1)
{
    const int64_t first = panel * j->m.mr, end = min_i(first + j->m.mr, j->p->n);
    return has_kept(&j->p->b_blocks, index, k0, k1, first, end);
}

/* Where the block of row k ends, within its block of k. */
static int64_t end_of_block(const matrix_job *j, int64_t k)
{
    const int64_t size = j->p->b_blocks.size;
    return min_i(min_i((k / size + 1) * size, (k / j->k_block + 1) * j->k_block), j->p->k);
}

/* ---- packing ---- */

/* Neighbours [first, end) of lines [l0, l1), as floats, `width` apart. */
static void widen(const nncf__kernels *k, const nncf__matrix *x, int64_t first, int64_t end,
    int64_t l0, int64_t l1, float *to, int64_t width)
{
    const nncf__segment all = {.length = (int32_t)(end - first)};
    const int64_t at_once = x->src.n_scales > 1 ? 1 : l1 - l0;
    for (int64_t l = l0; l < l1; l += at_once) {
        const nncf__dequant how = nncf__dequant_of(&x->src, l, false);
        k->gemm_gather_bytes((size_t)at_once, (const uint8_t *)x->src.data + l * x->stride + first,
            x->stride, 1, 1, &all, &how, to + (l - l0) * width, (size_t)width);
    }
}

/* The same of floats. */
static void gather(const nncf__kernels *k, const nncf__matrix *x, int64_t first, int64_t end,
    int64_t l0, int64_t l1, float *to, int64_t width)
{
    const nncf__segment all = {.length = (int32_t)(end - first)};
    if (nncf__qtensor_is_codes(&x->src)) {
        widen(k, x, first, end, l0, l1, to, width);
        return;
    }
    k->gemm_gather((size_t)(l1 - l0), (const float *)x->src.data + l0 * x->stride + first,
        x->stride, 1, 1, &all, to, (size_t)width);
}

/* to[i * width + l - l0] of neighbour first + i of line l; 0 from l1 - l0 to width. */
static void transpose(const nncf__kernels *k, const nncf__matrix *x, int64_t first, int64_t end,
    int64_t l0, int64_t l1, float *to, int64_t width, float *widened)
{
    const float *from = (const float *)x->src.data + l0 * x->stride + first;
    int64_t stride = x->stride;
    if (nncf__qtensor_is_codes(&x->src)) {
        widen(k, x, first, end, l0, l1, widened, end - first);
        from = widened;
        stride = end - first;
    }
    k->gemm_transpose((size_t)(l1 - l0), (size_t)(end - first), from, stride, to, (size_t)width);
}

/* An operand of one of the batch. */
static nncf__matrix of_batch(const nncf__matrix *x, int64_t index, int64_t step, int64_t lines)
{
    nncf__matrix one = *x;
    one.src = nncf__qtensor_from(&x->src, index * step, index * lines);
    return one;
}

static nncf__matrix a_of(const matrix_job *j, int64_t index)
{
    const nncf__matrix_product *p = j->p;
    return of_batch(&p->a, index, p->a_step, p->a.turned ? p->k : p->m);
}

static nncf__matrix b_of(const matrix_job *j, int64_t index)
{
    const nncf__matrix_product *p = j->p;
    return of_batch(&p->b, index, p->b_step, p->b.turned ? p->n : p->k);
}

/* k in [k0, k1) of a panel of b: mr columns side by side for each k, 0 where there are none. */
static void pack_panel(const matrix_job *j, const nncf__matrix *b, int64_t panel, int64_t k0,
    int64_t k1, float *to, float *widened)
{
    const int64_t mr = j->m.mr, first = panel * mr, end = min_i(first + mr, j->p->n);
    if (b->turned) {
        transpose(j->m.k, b, k0, k1, first, end, to, mr, widened);
        return;
    }
    if (end - first < mr)
        memset(to, 0, (size_t)((k1 - k0) * mr) * sizeof *to);
    gather(j->m.k, b, first, end, k0, k1, to, mr);
}

/* The same without rows that are 0 in a panel: within a block of k what is left moves together. */
static void pack_kept(const matrix_job *j, const nncf__matrix *b, int64_t index, int64_t panel0,
    int64_t panel1, float *const to[], float *widened)
{
    int64_t at[MOST_PANELS] = {0}, end;
    for (int64_t k = 0; k < j->p->k; k = end) {
        end = end_of_block(j, k);
        for (int64_t panel = panel0; panel < panel1; panel++) {
            int64_t *own = &at[panel - panel0];
            if (k % j->k_block == 0)
                *own = k;
            if (!panel_has(j, index, panel, k, end))
                continue;
            pack_panel(j, b, panel, k, end, to[panel - panel0] + *own * j->m.mr, widened);
            *own += end - k;
        }
    }
}

/* Panels [panel0, panel1) of b, panel i to to[i - panel0]; at most MOST_PANELS. Lines along k are
 * cut into all of them a few at a time. */
static void pack_panels(const matrix_job *j, int64_t index, int64_t panel0, int64_t panel1,
    float *const to[], float *widened)
{
    const nncf__matrix b = b_of(j, index);
    const int64_t at_once = b.turned ? j->k_block : LINES;
    if (skips_b(j)) {
        pack_kept(j, &b, index, panel0, panel1, to, widened);
        return;
    }
    for (int64_t k0 = 0; k0 < j->p->k; k0 += at_once)
        for (int64_t panel = panel0; panel < panel1; panel++)
            pack_panel(j, &b, panel, k0, min_i(k0 + at_once, j->p->k),
                to[panel - panel0] + k0 * j->m.mr, widened);
}

static void pack_b_task(void *arg, size_t chunk, size_t worker)
{
    const matrix_job *j = arg;
    char *area = nncf__scratch(j->workspace.context, worker);
    const int64_t panel0 = (int64_t)chunk * MOST_PANELS,
                  panel1 = min_i(panel0 + MOST_PANELS, j->b_panels);
    float *to[MOST_PANELS];
    for (int64_t i = panel0; i < panel1; i++)
        to[i - panel0] = nncf__workspace_slot(&j->workspace, i);
    pack_panels(j, j->index, panel0, panel1, to, (float *)(void *)(area + j->widened_at));
}

/* ---- multiplying ---- */

typedef struct matrix_task {
    const matrix_job *j;
    int64_t index;
    /* panels of a and b */
    int64_t a0, a1, b0, b1;
    float *a, *sums, *widened, *own_b, *picked;
    const float *bias;
    float *c;
} matrix_task;

static const float *panel_of_b(const matrix_task *t, int64_t panel, int64_t k0)
{
    const matrix_job *j = t->j;
    if (j->packs)
        return t->own_b + (panel - t->b0) * j->m.mr * j->k_block;
    const float *b =
        j->owns ? t->own_b + panel * j->m.mr * j->p->k : nncf__workspace_slot(&j->workspace, panel);
    return b + k0 * j->m.mr;
}

/* What a task multiplies: rows [first, end) of a, some k of them. */
typedef struct rows {
    int64_t first, end;
    const float *at;
    int64_t stride;
} rows;

static rows rows_of(const matrix_task *t, int64_t k0, int64_t k1)
{
    const matrix_job *j = t->j;
    const nncf__matrix a = a_of(j, t->index);
    rows r = {.first = t->a0 * j->m.nr,
        .end = min_i(t->a1 * j->m.nr, j->p->m),
        .at = t->a,
        .stride = j->a_stride};
    if (j->in_place) {
        r.at = (const float *)a.src.data + r.first * a.stride + k0;
        r.stride = a.stride;
    } else if (a.turned) {
        transpose(j->m.k, &a, r.first, r.end, k0, k1, t->a, j->a_stride, t->widened);
    } else {
        widen(j->m.k, &a, k0, k1, r.first, r.end, t->a, j->a_stride);
    }
    return r;
}

/* Runs of k that a panel of b has, from k0 on. */
typedef struct runs {
    int64_t n, total;
    struct {
        uint16_t begin, length;
    } run[MOST_K];
} runs;

static void find_runs(
    const matrix_job *j, int64_t index, int64_t panel, int64_t k0, int64_t k1, runs *r)
{
    int64_t end;
    r->n = r->total = 0;
    for (int64_t k = k0; k < k1; k = end) {
        end = min_i(end_of_block(j, k), k1);
        if (!panel_has(j, index, panel, k, end))
            continue;
        if (r->n > 0 && k0 + r->run[r->n - 1].begin + r->run[r->n - 1].length == k)
            r->run[r->n - 1].length += (uint16_t)(end - k);
        else {
            r->run[r->n].begin = (uint16_t)(k - k0);
            r->run[r->n++].length = (uint16_t)(end - k);
        }
        r->total += end - k;
    }
}

/* Of `used` rows what a panel has, side by side. */
static void pick(
    const runs *r, const float *row, int64_t stride, size_t used, float *to, int64_t to_stride)
{
    for (size_t i = 0; i < used; i++, row += stride, to += to_stride) {
        float *at = to;
        for (int64_t k = 0; k < r->n; k++) {
            memcpy(at, row + r->run[k].begin, r->run[k].length * sizeof *at);
            at += r->run[k].length;
        }
    }
}

/* Rows of a tile from row i on: not across the borders of blocks of c, if they are taller, and as
 * equal as can be. */
static int64_t rows_of_tile(const matrix_job *j, int64_t i)
{
    const int64_t nr = j->m.nr, size = j->p->c_blocks.size;
    if (size == 0)
        return nr;
    if (size <= nr)
        return nr / size * size - i % size;
    const int64_t step = div_ceil(size, div_ceil(size, nr));
    return min_i(step - i % size % step, size - i % size);
}

static void clear(float *c, int64_t stride, size_t n, int64_t columns)
{
    for (size_t r = 0; r < n; r++)
        memset(c + (int64_t)r * stride, 0, (size_t)columns * sizeof *c);
}

/* A panel of b times the rows, for k in [k0, k1). */
static void multiply_panel(
    const matrix_task *t, const rows *a, int64_t panel, int64_t k0, int64_t k1)
{
    const matrix_job *j = t->j;
    const nncf__matrix_product *p = j->p;
    const int64_t mr = j->m.mr, nr = j->m.nr, columns = min_i(mr, p->n - panel * mr);
    const bool first = k0 == 0, whole = columns == mr,
               skips_c = p->c_blocks.size > 0 && p->c_blocks.kept;
    size_t depth = (size_t)(k1 - k0);
    runs kept;
    kept.n = kept.total = 0;
    bool picks = false;
    if (skips_b(j)) {
        find_runs(j, t->index, panel, k0, k1, &kept);
        picks = kept.n != 1 || kept.total < k1 - k0;
        depth = (size_t)kept.total;
    }
    const float *b = panel_of_b(t, panel, k0), *bias = t->bias ? t->bias + panel * mr : NULL;
    float *sums = t->sums + (panel - t->b0) * (t->a1 - t->a0) * mr * nr;
    _Alignas(64) float last_bias[NNCF__TILE_EDGE_MAX] = {0}, tile[NNCF__TILE_MAX];
    if (bias && !whole)
        bias = memcpy(last_bias, bias, (size_t)columns * sizeof *bias);
    size_t used;
    for (int64_t i = a->first; i < a->end; i += (int64_t)used, sums += (int64_t)used * mr) {
        used = (size_t)min_i(min_i(nr, rows_of_tile(j, i)), a->end - i);
        const float *row = a->at + (i - a->first) * a->stride;
        int64_t stride = a->stride;
        float *c = t->c + i * p->c_stride + panel * mr;
        if (skips_c &&
            !has_kept(
                &p->c_blocks, t->index, i, i + (int64_t)used, panel * mr, panel * mr + columns)) {
            if (k1 == p->k)
                clear(c, p->c_stride, used, columns);
            continue;
        }
        if (picks) {
            pick(&kept, row, stride, used, t->picked, j->a_stride);
            row = t->picked;
            stride = j->a_stride;
        }
        if (k1 < p->k) {
            j->m.k->gemm_rows(depth, b, row, stride, used, first ? NULL : sums, 1, NULL, sums, mr);
            continue;
        }
        for (size_t r = 0; r < used; r++)
            __builtin_prefetch(c + (int64_t)r * p->c_stride, 1);
        j->m.k->gemm_rows(depth, b, row, stride, used, first ? NULL : sums, p->factor, bias,
            whole ? c : tile, whole ? p->c_stride : mr);
        for (size_t r = 0; r < used && !whole; r++)
            memcpy(
                c + (int64_t)r * p->c_stride, tile + (int64_t)r * mr, (size_t)columns * sizeof *c);
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
        .picked = (float *)(void *)(area + j->picked_at),
        .bias = p->bias ? p->bias + index * p->n : NULL,
        .c = p->c + index * p->c_step};
}

/* k in [k0, k1) of the task's panels of b. */
static void pack_own(const matrix_task *t, int64_t k0, int64_t k1)
{
    const matrix_job *j = t->j;
    const nncf__matrix b = b_of(j, t->index);
    const int64_t at_once = b.turned ? k1 - k0 : LINES, mr = j->m.mr;
    for (int64_t k = k0; k < k1; k += at_once)
        for (int64_t panel = t->b0; panel < t->b1; panel++)
            pack_panel(j, &b, panel, k, min_i(k + at_once, k1),
                t->own_b + ((panel - t->b0) * j->k_block + k - k0) * mr, t->widened);
}

/* The task's rows and columns. */
static void multiply(const matrix_task *t)
{
    const matrix_job *j = t->j;
    for (int64_t k0 = 0; k0 < j->p->k; k0 += j->k_block) {
        const int64_t k1 = min_i(k0 + j->k_block, j->p->k);
        const rows a = rows_of(t, k0, k1);
        if (j->packs)
            pack_own(t, k0, k1);
        for (int64_t panel = t->b0; panel < t->b1; panel++)
            multiply_panel(t, &a, panel, k0, k1);
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
    for (int64_t first = 0; first < j->b_panels; first += MOST_PANELS) {
        const int64_t n = min_i(MOST_PANELS, j->b_panels - first);
        float *to[MOST_PANELS];
        for (int64_t i = 0; i < n; i++)
            to[i] = t.own_b + (first + i) * j->m.mr * j->p->k;
        pack_panels(j, t.index, first, first + n, to, t.widened);
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
        const double packing = 32.0 * (double)p->k * (double)p->n;
        if (!j.packs)
            nncf__gemm_parallel(
                context, packing, (size_t)div_ceil(j.b_panels, MOST_PANELS), pack_b_task, &j);
        nncf__gemm_parallel(context, flops + (j.packs ? packing : 0),
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
