/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise 3 x 3 with a padding of 1 on planes as they lie in memory, in vectors; included once by
 * vec_products.h. Masks do what a border of zeros would, so that nothing is copied, and planes of
 * seven or fourteen columns fill vectors: rows of up to eight columns are stacked.
 *
 * One vector of the output has sixteen columns of a row, or several whole rows. For each of the
 * three rows of taps it needs a source: three vectors, for the column to the left, the column
 * itself and the one to the right.
 */
#ifndef NNCF__KERNELS_VEC_DEPTHWISE_3X3_H
#define NNCF__KERNELS_VEC_DEPTHWISE_3X3_H

#include "kernels/vec_depthwise.h"

#if HAS_PICK

/* What a plane is made of: floats; bytes as they are, for the weight gradient times a scale; any
 * bytes. */
enum { FLOATS, UNSIGNED, BYTES };
/* How outputs lie in a vector. At stride 1: columns of a row, a whole row, or several. At stride 2:
 * columns of a row, a whole row, or two. */
enum { COLUMNS, ROW, STACK, STRIDED_COLUMNS, STRIDED_ROW, PAIR };
enum { FORWARD, WEIGHT };

typedef struct source_plane {
    const float *floats;
    const uint8_t *bytes;
    const void *ahead;
    size_t n; /* elements */
    ptrdiff_t h, w;
    uint32_t flip;
    vf offset, scale;
} source_plane;

static source_plane source_of(const nncf__plane_group *x)
{
    return (source_plane){.floats = x->data,
        .bytes = x->data,
        .ahead = x->ahead,
        .n = x->h * x->w,
        .h = (ptrdiff_t)x->h,
        .w = (ptrdiff_t)x->w,
        .flip = x->bytes.flip,
        .offset = vf_set(x->bytes.offset),
        .scale = vf_set(x->bytes.scale)};
}

static int kind_of(const nncf__plane_group *x, int op)
{
    if (!x->is_bytes)
        return FLOATS;
    bool plain = x->bytes.flip == 0 && x->bytes.offset <= 0.0f;
    return plain && (op == WEIGHT || (x->bytes.scale >= 1.0f && x->bytes.scale <= 1.0f)) ? UNSIGNED
                                                                                         : BYTES;
}

/* Every step-th element from `at` on, 0 outside m. */
INLINE vf take(int op, int kind, const source_plane *p, ptrdiff_t at, int step, vm m)
{
    if (kind == FLOATS)
        return vf_load_where(m, p->floats + at);
    vf v = vf_bytes_where(m, p->bytes + at, step, kind == UNSIGNED ? 0 : p->flip);
    if (kind == BYTES)
        v = vf_keep(m, vf_sub(v, p->offset));
    return kind == BYTES || op == WEIGHT ? vf_mul(v, p->scale) : v;
}

#define TAKE_EVEN(l, d) (2 * (l))
#define TAKE_ODD(l, d)  (2 * (l) + 1)

/* The even or the odd ones of 32. */
INLINE vf every_second(vf a, vf b, bool odd)
{
    square_row low, high, picked;
    vf r;
    memcpy(&low, &a, sizeof low);
    memcpy(&high, &b, sizeof high);
    picked = odd ? SHUFFLE(low, high, INDEX(TAKE_ODD, 0)) : SHUFFLE(low, high, INDEX(TAKE_EVEN, 0));
    memcpy(&r, &picked, sizeof picked);
    return r;
}

/* Bytes [first, end) of what will be read soon, nullable, while this is computed: the hardware's
 * own prefetch ends with each page, and small planes are over before it begins. */
INLINE void fetch(const void *base, ptrdiff_t first, ptrdiff_t end)
{
    enum { LINE = 64 };
    const ptrdiff_t line = first / LINE * LINE;
    if (base)
        nncf__fetch((uintptr_t)base + (uintptr_t)line, end - line);
}

INLINE unsigned low_bits(ptrdiff_t n)
{
    return n <= 0 ? 0 : n >= 16 ? 0xffffu : (1u << n) - 1;
}

INLINE bool is_strided(int shape)
{
    return shape == STRIDED_COLUMNS || shape == STRIDED_ROW;
}

/* Where a vector's columns are: masks of its three vectors; of the two that floats at stride 2 are
 * loaded as; and how far it is to the column on the left of them, on the right, or 0 where there is
 * none. */
typedef struct place {
    vm m[3], load[2];
    ptrdiff_t left, right;
} place;

/* Columns col .. col + m - 1 of the output. */
INLINE void find_place(int shape, ptrdiff_t col, ptrdiff_t m, ptrdiff_t w, place *at)
{
    const ptrdiff_t right = is_strided(shape) ? w / 2 - col : w - 1 - col;
    at->m[0] = vm_bits(low_bits(m) & (col == 0 ? 0xfffe : 0xffff));
    at->m[1] = vm_bits(low_bits(m));
    at->m[2] = vm_bits(low_bits(m) & low_bits(right));
    at->left = col > 0 ? -1 : 0;
    at->right = right > LANES - 1 ? LANES : 0;
    if (is_strided(shape)) {
        ptrdiff_t columns = w - 2 * col < 2 * m ? w - 2 * col : 2 * m;
        at->load[0] = vm_bits(low_bits(columns));
        at->load[1] = vm_bits(low_bits(columns - LANES));
    }
}

/*
 * The three vectors of the source at `at`, the place of the middle one. A load of a whole vector
 * that is not aligned costs two, so where lanes can be moved there is one, of what is in the
 * middle. Bytes are loaded three times where what comes from beside the vector would have to be
 * converted apart.
 */
INLINE void load_source(
    int op, int kind, int shape, const source_plane *p, ptrdiff_t at, const place *c, vf v[3])
{
    if (is_strided(shape) && kind == FLOATS) {
        vf low = vf_load_where(c->load[0], p->floats + at),
           high = vf_load_where(c->load[1], p->floats + at + LANES);
        v[1] = every_second(low, high, false);
        v[2] = every_second(low, high, true);
        v[0].p[0] = nf_up(
            c->m[0].p[0], v[2].p[0], nf_set(shape == STRIDED_ROW ? 0.0f : p->floats[at + c->left]));
        return;
    }
    const bool one = shape == ROW || shape == STACK;
    if (one || shape == STRIDED_ROW || (shape == COLUMNS && kind == FLOATS)) {
        v[1] = take(op, kind, p, at, shape == STRIDED_ROW ? 2 : 1, c->m[1]);
        v[2] = v[1];
        if (shape == STRIDED_ROW)
            v[2] = take(op, kind, p, at + 1, 2, c->m[2]);
        else
            v[2].p[0] = nf_down(
                c->m[2].p[0], v[1].p[0], one ? v[1].p[0] : nf_set(p->floats[at + c->right]));
        const nf before = shape == STRIDED_ROW ? v[2].p[0] : v[1].p[0];
        v[0].p[0] = nf_up(
            c->m[0].p[0], before, shape == COLUMNS ? nf_set(p->floats[at + c->left]) : before);
        return;
    }
#pragma GCC unroll 3
    for (int t = 0; t < 3; t++)
        v[t] = take(op, kind, p, at + t - 1, is_strided(shape) ? 2 : 1, c->m[t]);
}

/*
 * n vectors of columns below each other, from row y on: a source is loaded once for all that need
 * it, which are those in reach. Forward: sums of outputs, terms in the order of the taps. Weight
 * gradient: sums of taps; g holds the gradients.
 */
INLINE void block(int op, int kind, int shape, int n, const source_plane *p, ptrdiff_t y,
    ptrdiff_t col, const place *c, const vf *factor, const vf *g, vf *sum)
{
    const int stride = is_strided(shape) ? 2 : 1, last = (n - 1) * stride + 2;
    const ptrdiff_t row = stride * y - 1;
    ptrdiff_t at = row * p->w + stride * col;
#pragma GCC unroll 16
    for (int i = 0; i <= last; i++, at += p->w) {
        KEEP(at);
        vf v[3];
        if ((i == 0 && row < 0) || (i == last && row + last >= p->h))
            v[0] = v[1] = v[2] = vf_set(0.0f);
        else
            load_source(op, kind, shape, p, at, c, v);
#pragma GCC unroll 8
        for (int r = 0; r < n; r++)
            if (i >= r * stride && i < r * stride + 3)
#pragma GCC unroll 3
                for (int t = 0; t < 3; t++) {
                    int tap = (i - r * stride) * 3 + t;
                    if (op == FORWARD)
                        sum[r] = vf_multiply_add(factor[tap], v[t], sum[r]);
                    else
                        sum[tap] = vf_multiply_add(g[r], v[t], sum[tap]);
                }
    }
}

/* ---- the output in vectors ---- */

/* What is made, from what: planes of neighbouring channels, the first of them. */
typedef struct product_3x3 {
    source_plane p;
    ptrdiff_t oh, ow, rows; /* rows: of the output in one vector of a stack */
    const float *w, *scale, *bias;
    float *z;
    bool stream;
    const float *dz, *dz_ahead;
    float (*lanes)[16];
} product_3x3;

/* While the vectors of n rows of the output are made that begin at column col: their share of what
 * these rows read, not all at once, which would fill the buffers that loads need. */
INLINE void fetch_rows(int op, int kind, ptrdiff_t stride, ptrdiff_t n, const product_3x3 *d,
    ptrdiff_t y, ptrdiff_t col)
{
    const ptrdiff_t end = col + LANES < d->ow ? col + LANES : d->ow,
                    size = kind == FLOATS ? sizeof(float) : 1;
    const ptrdiff_t first = y * d->ow + n * col, last = y * d->ow + n * end,
                    outputs = sizeof(float);
    const ptrdiff_t scale = stride * stride * size; /* bytes of the plane for an output */
    fetch(d->p.ahead, first * scale, last * scale);
    if (op == WEIGHT)
        fetch(d->dz_ahead, first * outputs, last * outputs);
}

/* n rows. fixed: the place, where one vector holds a row. */
INLINE void columns(int op, int kind, int shape, int n, const product_3x3 *d, ptrdiff_t y,
    const place *fixed, const vf factor[11], vf sum[9])
{
    for (ptrdiff_t col = 0; col < d->ow; col += LANES) {
        fetch_rows(op, kind, is_strided(shape) ? 2 : 1, n, d, y, col);
        const ptrdiff_t at = y * d->ow + col, live = d->ow - col < LANES ? d->ow - col : LANES;
        place here = *fixed;
        vf part[BLOCK_ROWS];
        if (shape == COLUMNS || shape == STRIDED_COLUMNS)
            find_place(shape, col, live, d->p.w, &here);
#pragma GCC unroll 8
        for (int r = 0; r < n; r++)
            part[r] = op == FORWARD ? vf_set(0.0f) : vf_load(d->dz + at + r * d->ow, (size_t)live);
        block(op, kind, shape, n, &d->p, y, col, &here, factor, part, op == FORWARD ? part : sum);
#pragma GCC unroll 8
        for (int r = 0; r < n && op == FORWARD; r++)
            put(d->z + at + r * d->ow, vf_add(vf_mul(part[r], factor[9]), factor[10]), (size_t)live,
                d->stream);
    }
}

INLINE void plane_of_columns(int op, int kind, int shape, const product_3x3 *d, const place *fixed,
    const vf factor[11], vf sum[9])
{
    ptrdiff_t y = 0;
    for (; y + BLOCK_ROWS <= d->oh; y += BLOCK_ROWS)
        columns(op, kind, shape, BLOCK_ROWS, d, y, fixed, factor, sum);
    for (; y + 3 <= d->oh; y += 3)
        columns(op, kind, shape, 3, d, y, fixed, factor, sum);
    for (; y < d->oh; y++)
        columns(op, kind, shape, 1, d, y, fixed, factor, sum);
}

/* Of each of the three sources of a stack: lanes whose own row is in the plane. A lane that is no
 * output has nothing.
 */
typedef struct stack {
    vm rows[3];
    size_t live; /* outputs */
} stack;

/* Of the stack that begins at row y. */
INLINE void find_stack(const product_3x3 *d, ptrdiff_t y, stack *s)
{
    const ptrdiff_t w = d->ow;
    const unsigned live = low_bits((d->oh - y < d->rows ? d->oh - y : d->rows) * w);
    s->live = (size_t)__builtin_popcount(live);
    for (ptrdiff_t i = 0; i < 3; i++)
        s->rows[i] = vm_bits(
            live & low_bits((d->oh - (y + i - 1)) * w) & ~(y + i - 1 < 0 ? low_bits(w) : 0));
}

/* Lanes that have a column on the left, any, on the right: the same for all stacks. */
INLINE void find_sides(const product_3x3 *d, vm sides[3])
{
    const unsigned all = low_bits(d->rows * d->ow);
    unsigned first = 0;
    for (ptrdiff_t i = 0; i < LANES; i += d->ow)
        first |= 1u << i;
    sides[0] = vm_bits(all & ~first);
    sides[1] = vm_bits(all);
    sides[2] = vm_bits(all & ~(first << (d->ow - 1)));
}

INLINE void stack_of_rows(int op, int kind, const product_3x3 *d, ptrdiff_t y, const stack *s,
    const vm sides[3], const vf factor[11], vf sum[9])
{
    vf z = vf_set(0.0f), g = op == FORWARD ? z : vf_load_where(s->rows[1], d->dz + y * d->ow);
    ptrdiff_t at = (y - 1) * d->p.w;
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++, at += d->p.w) {
        vf v[3];
        place here;
        for (int t = 0; t < 3; t++) /* where lanes are moved, those of other rows are 0 already */
            here.m[t] = t != 1 ? sides[t] : vm_and(s->rows[i], sides[t]);
        load_source(op, kind, STACK, &d->p, at, &here, v);
#pragma GCC unroll 3
        for (int t = 0; t < 3; t++) {
            if (op == FORWARD)
                z = vf_multiply_add(factor[3 * i + t], v[t], z);
            else
                sum[3 * i + t] = vf_multiply_add(g, v[t], sum[3 * i + t]);
        }
    }
    if (op == FORWARD)
        put(d->z + y * d->ow, vf_add(vf_mul(z, factor[9]), factor[10]), s->live, false);
}

/* stacks: the first, those in the middle, the last. */
INLINE void plane_of_stacks(int op, int kind, const product_3x3 *d, const stack stacks[3],
    const vm sides[3], const vf factor[11], vf sum[9])
{
    ptrdiff_t y = d->rows;
    fetch_rows(op, kind, 1, d->oh, d, 0, 0);
    stack_of_rows(op, kind, d, 0, &stacks[0], sides, factor, sum);
    for (; y + d->rows < d->oh; y += d->rows)
        stack_of_rows(op, kind, d, y, &stacks[1], sides, factor, sum);
    if (y < d->oh)
        stack_of_rows(op, kind, d, y, &stacks[2], sides, factor, sum);
}

/* Two rows of up to eight outputs at stride 2, of rows of up to sixteen columns: lane l of the
 * first, lanes ow + l of the second. */
typedef struct pair {
    nm m[3], row; /* lanes of the three vectors; columns of the plane */
    ni index[3];
} pair;

INLINE void find_pair(const product_3x3 *d, pair *s)
{
    const unsigned all = low_bits(2 * d->ow), first = 1u | 1u << d->ow;
    s->m[0] = nm_bits(all & ~first);
    s->m[1] = nm_bits(all);
    s->m[2] = nm_bits(all); /* what follows a row is loaded as 0 */
    s->row = nm_first((size_t)d->p.w);
    for (int t = 0; t < 3; t++)
        s->index[t] = ni_every_second((int)d->ow, t - 1);
}

INLINE vf row_of_pair(int op, int kind, const source_plane *p, const pair *s, ptrdiff_t row)
{
    const vm m = {{s->row}};
    return row < 0 || row >= p->h ? vf_set(0.0f) : take(op, kind, p, row * p->w, 1, m);
}

/* above: the row of the plane over those of output row y; returns the one over those of y + 2. */
INLINE vf pair_of_rows(int op, int kind, bool two, const product_3x3 *d, ptrdiff_t y, vf above,
    const pair *s, const vf factor[11], vf sum[9])
{
    const vf none = vf_set(0.0f);
    const size_t live = (size_t)(two ? 2 * d->ow : d->ow);
    vf row[5] = {above}, z = none, g = op == FORWARD ? none : vf_load(d->dz + y * d->ow, live);
#pragma GCC unroll 4
    for (int i = 1; i < 5; i++)
        row[i] = two || i < 3 ? row_of_pair(op, kind, &d->p, s, 2 * y - 1 + i) : none;
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++)
#pragma GCC unroll 3
        for (int t = 0; t < 3; t++) {
            const vf v = {
                {nf_pick(s->m[t], row[i].p[0], two ? row[i + 2].p[0] : none.p[0], s->index[t])}};
            if (op == FORWARD)
                z = vf_multiply_add(factor[3 * i + t], v, z);
            else
                sum[3 * i + t] = vf_multiply_add(g, v, sum[3 * i + t]);
        }
    if (op == FORWARD)
        put(d->z + y * d->ow, vf_add(vf_mul(z, factor[9]), factor[10]), live, false);
    return row[4];
}

INLINE void plane_of_pairs(
    int op, int kind, const product_3x3 *d, const pair *s, const vf factor[11], vf sum[9])
{
    ptrdiff_t y = 0;
    vf above = vf_set(0.0f);
    fetch_rows(op, kind, 2, d->oh, d, 0, 0);
    for (; y + 2 <= d->oh; y += 2)
        above = pair_of_rows(op, kind, true, d, y, above, s, factor, sum);
    if (y < d->oh)
        pair_of_rows(op, kind, false, d, y, above, s, factor, sum);
}

/* On to the next channel. */
INLINE void next_plane(int op, int kind, product_3x3 *d)
{
    const ptrdiff_t outputs = d->oh * d->ow;
    if (kind == FLOATS)
        d->p.floats += d->p.n;
    else
        d->p.bytes += d->p.n;
    if (d->p.ahead)
        d->p.ahead = (const char *)d->p.ahead + d->p.n * (kind == FLOATS ? sizeof(float) : 1);
    if (op == FORWARD) {
        d->w += 9;
        d->scale++;
        d->bias++;
        d->z += outputs;
        return;
    }
    d->lanes += 9;
    d->dz += outputs;
    if (d->dz_ahead)
        d->dz_ahead += outputs;
}

INLINE void planes(int op, int kind, int shape, size_t n, product_3x3 *d)
{
    place fixed;
    stack stacks[3];
    vm sides[3];
    if (shape == STACK) {
        find_sides(d, sides);
        const ptrdiff_t last = (d->oh - 1) / d->rows * d->rows;
        find_stack(d, 0, &stacks[0]);
        find_stack(d, d->rows < last ? d->rows : last, &stacks[1]);
        find_stack(d, last, &stacks[2]);
    } else {
        find_place(shape, 0, d->ow < LANES ? d->ow : LANES, d->p.w, &fixed);
    }
    pair two_rows;
    if (shape == PAIR)
        find_pair(d, &two_rows);
    for (; n > 0; n--, next_plane(op, kind, d)) {
        vf factor[11], sum[9];
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++) {
            if (op == FORWARD)
                factor[t] = vf_set(d->w[t]);
            else
                sum[t] = vf_load(d->lanes[t], LANES);
        }
        if (op == FORWARD) {
            factor[9] = vf_set(*d->scale);
            factor[10] = vf_set(*d->bias);
        }
        if (shape == STACK)
            plane_of_stacks(op, kind, d, stacks, sides, factor, sum);
        else if (shape == PAIR)
            plane_of_pairs(op, kind, d, &two_rows, factor, sum);
        else
            plane_of_columns(op, kind, shape, d, &fixed, factor, sum);
#pragma GCC unroll 9
        for (int t = 0; t < 9 && op == WEIGHT; t++)
            vf_store(d->lanes[t], sum[t], LANES);
    }
}

INLINE void planes_of_kind(int op, int kind, size_t stride, size_t n, product_3x3 *d)
{
    if (stride == 1 && d->ow <= LANES / 2)
        planes(op, kind, STACK, n, d);
    else if (stride == 1 && d->ow <= LANES)
        planes(op, kind, ROW, n, d);
    else if (stride == 1)
        planes(op, kind, COLUMNS, n, d);
    else if (d->ow <= LANES / 2)
        planes(op, kind, PAIR, n, d);
    else if (d->ow <= LANES)
        planes(op, kind, STRIDED_ROW, n, d);
    else
        planes(op, kind, STRIDED_COLUMNS, n, d);
}

INLINE void planes_run(int op, int kind, size_t stride, size_t n, product_3x3 *d)
{
    switch (kind) {
    case FLOATS:
        planes_of_kind(op, FLOATS, stride, n, d);
        break;
    case UNSIGNED:
        planes_of_kind(op, UNSIGNED, stride, n, d);
        break;
    default:
        planes_of_kind(op, BYTES, stride, n, d);
        break;
    }
}

static product_3x3 product_for(const nncf__plane_group *x, size_t stride)
{
    product_3x3 d = {.p = source_of(x),
        .oh = (ptrdiff_t)((x->h - 1) / stride + 1),
        .ow = (ptrdiff_t)((x->w - 1) / stride + 1)};
    d.rows = d.ow < LANES ? LANES / d.ow : 1;
    return d;
}

static void depthwise_3x3_forward(const nncf__plane_group *x, size_t stride, const float *w,
    const float *scale, const float *bias, float *z, bool stream)
{
    product_3x3 d = product_for(x, stride);
    d.w = w;
    d.scale = scale;
    d.bias = bias;
    d.z = z;
    d.stream = stream;
    planes_run(FORWARD, kind_of(x, FORWARD), stride, x->n, &d);
}

static void depthwise_3x3_weight(const nncf__plane_group *x, size_t stride, const float *dz,
    const float *dz_ahead, float (*lanes)[16])
{
    product_3x3 d = product_for(x, stride);
    d.dz = dz;
    d.dz_ahead = dz_ahead;
    d.lanes = lanes;
    planes_run(WEIGHT, kind_of(x, WEIGHT), stride, x->n, &d);
}

/* ---- the input gradient at stride 2: sixteen gradients make thirty-two columns of two rows ----
 */

/* own, right: gradients and their right neighbours; below: of the next row. */
INLINE void input_sums(
    const vf w[9], vf own, vf right, vf own_below, vf right_below, vf even[2], vf odd[2])
{
    const vf none = vf_set(0.0f);
    even[0] = vf_multiply_add(w[4], own, none);
    odd[0] = vf_multiply_add(w[3], right, vf_multiply_add(w[5], own, none));
    even[1] = vf_multiply_add(w[1], own_below, vf_multiply_add(w[7], own, none));
    odd[1] = vf_multiply_add(w[6], right, vf_multiply_add(w[8], own, none));
    odd[1] = vf_multiply_add(w[0], right_below, vf_multiply_add(w[2], own_below, odd[1]));
}

INLINE void input_columns(ptrdiff_t h, ptrdiff_t w, const vf weight[9], const float *dz,
    const float *ahead, float *dx, bool stream)
{
    ptrdiff_t oh = (h + 1) / 2, ow = (w + 1) / 2, row = ow * (ptrdiff_t)sizeof(float);
    for (ptrdiff_t y = 0; y < oh; y++, dz += ow) {
        fetch(ahead, y * row, (y + 1) * row);
        for (ptrdiff_t col = 0; col < ow; col += LANES) {
            const vm here = vm_bits(low_bits(ow - col)), next = vm_bits(low_bits(ow - col - 1));
            vf own = vf_load_where(here, dz + col), right = vf_load_where(next, dz + col + 1);
            vf own_below = vf_set(0.0f), right_below = own_below, even[2], odd[2];
            if (y + 1 < oh) {
                own_below = vf_load_where(here, dz + ow + col);
                right_below = vf_load_where(next, dz + ow + col + 1);
            }
            input_sums(weight, own, right, own_below, right_below, even, odd);
            float *to = dx + 2 * y * w + 2 * col;
            size_t count = (size_t)(w - 2 * col < 2 * LANES ? w - 2 * col : 2 * LANES);
            put_pairs(to, even[0], odd[0], count, stream);
            if (2 * y + 1 < h)
                put_pairs(to + w, even[1], odd[1], count, stream);
        }
    }
}

/* Two rows of up to eight gradients at once. */
INLINE void input_pairs(
    ptrdiff_t h, ptrdiff_t w, const vf weight[9], const float *dz, const float *ahead, float *dx)
{
    ptrdiff_t oh = (h + 1) / 2, ow = (w + 1) / 2;
    const nm all = nm_first((size_t)w);
    const ni zip[2] = {ni_zip(0), ni_zip((int)ow)};
    const unsigned last = 1u << (ow - 1) | 1u << (2 * ow - 1);
    fetch(ahead, 0, oh * ow * (ptrdiff_t)sizeof(float));
    for (ptrdiff_t y = 0; y < oh; y += 2, dz += 2 * ow) {
        unsigned here = low_bits((oh - y < 2 ? oh - y : 2) * ow);
        unsigned below = low_bits((oh - y - 1 < 2 ? oh - y - 1 : 2) * ow);
        vf even[2], odd[2];
        input_sums(weight, vf_load_where(vm_bits(here), dz),
            vf_load_where(vm_bits(here & ~last), dz + 1), vf_load_where(vm_bits(below), dz + ow),
            vf_load_where(vm_bits(below & ~last), dz + ow + 1), even, odd);
#pragma GCC unroll 4
        for (ptrdiff_t r = 0; r < 4; r++)
            if (2 * y + r < h) {
                vf x = {{nf_pick(all, even[r % 2].p[0], odd[r % 2].p[0], zip[r / 2])}};
                vf_store(dx + (2 * y + r) * w, x, (size_t)w);
            }
    }
}

static void depthwise_3x3_input(size_t n, size_t h, size_t w, const float *weights, const float *dz,
    const float *dz_ahead, float *dx, bool stream)
{
    const size_t outputs = (h + 1) / 2 * ((w + 1) / 2);
    for (; n > 0; n--, weights += 9, dz += outputs, dx += h * w) {
        vf factor[9];
#pragma GCC unroll 9
        for (int t = 0; t < 9; t++)
            factor[t] = vf_set(weights[t]);
        if (w <= LANES)
            input_pairs((ptrdiff_t)h, (ptrdiff_t)w, factor, dz, dz_ahead, dx);
        else
            input_columns((ptrdiff_t)h, (ptrdiff_t)w, factor, dz, dz_ahead, dx, stream);
        if (dz_ahead)
            dz_ahead += outputs;
    }
}

#else
/* Not used there: strips are faster (depthwise_3x3.c), and this would take minutes to compile. */
#include "kernels/ref_depthwise_3x3.h"
#endif

#endif
