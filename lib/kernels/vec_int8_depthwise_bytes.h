/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise 3 x 3 with a padding of 1 of planes of bytes with weights of bytes, on vectors of 16
 * sums; included by vec_int8.h, where DEPTHWISE_BYTES names it. int8.c defines what it computes.
 *
 * DOT multiplies three neighbours of a row by three weights, and a fourth byte by 0: three of them
 * make an output. vpermb puts the neighbours of 16 outputs beside each other, from one load. In
 * planes with up to eight columns of outputs a vector has several rows of them.
 *
 * What is not in the plane is loaded as the byte that stands for 0: masked lanes of loads are not
 * read, and become it.
 */
#ifndef NNCF__KERNELS_VEC_INT8_DEPTHWISE_BYTES_H
#define NNCF__KERNELS_VEC_INT8_DEPTHWISE_BYTES_H

/* How outputs of a vector are stored: all of them; those in the planes; all of them past the
 * caches.
 */
enum { WHOLE, NARROW, STREAM };
/* Outputs of a vector; bytes of a load at stride 1, and at stride 2. */
enum { SUMS = 16, NEAR = 32, FAR = 64 };

/* All planes of a call. */
typedef struct byte_planes {
    size_t n;
    const uint8_t *bytes;
    /* nullable: what is read soon */
    const uint8_t *ahead;
    ptrdiff_t h, w, oh, ow;
    /* the byte that stands for 0, as it lies in memory, and flipped */
    __m512i fill, zero;
    const int8_t *weights;
    const int32_t *start;
    const float *scale, *bias;
    float *z;
    void *scratch;
} byte_planes;

/* Of a plane, in registers. */
typedef struct byte_weights {
    __m512i row[3], start;
    __m512 scale, bias;
} byte_weights;

INLINE byte_weights byte_weights_of(const byte_planes *p, size_t c)
{
    byte_weights w = {.start = _mm512_set1_epi32(p->start[c]),
        .scale = _mm512_set1_ps(p->scale[c]),
        .bias = _mm512_set1_ps(p->bias[c])};
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        int32_t quad;
        memcpy(&quad, p->weights + (ptrdiff_t)c * NNCF__INT8_TAPS + QUAD * i, sizeof quad);
        w.row[i] = _mm512_set1_epi32(quad);
    }
    return w;
}

/* Bits [first, end) of 64, any numbers. */
INLINE __mmask64 bits_within(ptrdiff_t first, ptrdiff_t end)
{
    const uint64_t all = UINT64_MAX;
    const uint64_t low = end >= 64 ? all : end <= 0 ? 0 : all >> (64 - end);
    return first <= 0 ? low : first >= 64 ? 0 : low & all << first;
}

/* The bytes at `from` that the mask has, unsigned. */
INLINE __m512i bytes_at(
    bool is_signed, int stride, const uint8_t *from, __mmask64 inside, __m512i fill)
{
    __m512i x;
    if (stride == 1)
        x = _mm512_castsi256_si512(_mm256_mask_loadu_epi8(
            _mm512_castsi512_si256(fill), (__mmask32)inside, (const void *)from));
    else
        x = _mm512_mask_loadu_epi8(fill, inside, (const void *)from);
    return is_signed ? _mm512_xor_si512(x, _mm512_set1_epi8((char)0x80)) : x;
}

/* Neighbours of 16 outputs, of these bytes. */
INLINE __m512i neighbours(
    bool is_signed, int stride, const uint8_t *from, __mmask64 inside, __m512i fill, __m512i index)
{
    return _mm512_permutexvar_epi8(index, bytes_at(is_signed, stride, from, inside, fill));
}

/* Outputs from place `at` on, of so many in this plane and in those after it; what follows a row is
 * written again, with the row that is there. */
INLINE void put_sums(
    int how, float *z, ptrdiff_t at, __m512i sum, const byte_weights *w, ptrdiff_t outputs)
{
    const __m512 x = _mm512_add_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), w->scale), w->bias);
    if (how == NARROW && at + SUMS > outputs)
        _mm512_mask_storeu_ps(z + at, (__mmask16)bits_within(0, outputs - at), x);
    else if (how == STREAM)
        _mm512_stream_ps(z + at, x);
    else
        _mm512_storeu_ps(z + at, x);
}

/* ---- sixteen columns of a row ---- */

/* Where rows of a plane are read and written, from a column on; bytes of a load that are in a row.
 */
typedef struct byte_rows {
    const uint8_t *from;
    float *z;
    __mmask64 inside;
    /* of this plane and of those after it; of a plane */
    ptrdiff_t outputs, area;
    /* read soon: so much with each row */
    const uint8_t *ahead;
    ptrdiff_t step;
} byte_rows;

/* A row of the plane ends the sums of the output row above, continues its own, and begins the next
 * ones. */
INLINE void meet_bytes(bool is_signed, const byte_planes *p, const byte_rows *r, ptrdiff_t y,
    __m512i index, const byte_weights *w, __m512i *above, __m512i *own, __m512i *next)
{
    const __m512i x = neighbours(is_signed, 1, r->from + y * p->w, r->inside, p->fill, index);
    *next = w->start;
    DOT(*above, x, w->row[2]);
    DOT(*own, x, w->row[1]);
    DOT(*next, x, w->row[0]);
}

/* Row y of the output; the place of that of the next plane, and what is read soon, are on their way
 * meanwhile, a line at a time: many at once would fill the buffers that loads need. */
INLINE void put_row_of_sums(int how, const byte_planes *p, const byte_rows *r, ptrdiff_t y,
    __m512i sum, const byte_weights *w)
{
    const ptrdiff_t at = y * p->ow;
    put_sums(how, r->z, at, sum, w, r->outputs);
    if (how == WHOLE)
        __builtin_prefetch(r->z + at + r->area, 1);
}

INLINE void byte_columns(bool is_signed, int how, const byte_planes *p, const byte_rows *r,
    __m512i index, const byte_weights *w)
{
    __m512i a, b = w->start, c = b;
    DOT(b, p->zero, w->row[0]);
    meet_bytes(is_signed, p, r, 0, index, w, &c, &b, &a);
    ptrdiff_t y = 1;
    for (; y + 3 < p->h; y += 3) {
        meet_bytes(is_signed, p, r, y, index, w, &b, &a, &c);
        put_row_of_sums(how, p, r, y - 1, b, w);
        meet_bytes(is_signed, p, r, y + 1, index, w, &a, &c, &b);
        put_row_of_sums(how, p, r, y, a, w);
        meet_bytes(is_signed, p, r, y + 2, index, w, &c, &b, &a);
        __builtin_prefetch(r->ahead + y * r->step);
        put_row_of_sums(how, p, r, y + 1, c, w);
    }
    for (; y < p->h; y++) {
        meet_bytes(is_signed, p, r, y, index, w, &b, &a, &c);
        put_row_of_sums(how, p, r, y - 1, b, w);
        b = a;
        a = c;
    }
    DOT(b, p->zero, w->row[2]);
    put_row_of_sums(how, p, r, p->h - 1, b, w);
}

INLINE void byte_columns_strided(bool is_signed, int how, const byte_planes *p, const byte_rows *r,
    __m512i index, const byte_weights *w)
{
    __m512i sum = w->start;
    DOT(sum, p->zero, w->row[0]);
    const uint8_t *row = r->from;
    for (ptrdiff_t y = 0; y < p->oh; y++, row += 2 * p->w) {
        const __m512i own = neighbours(is_signed, 2, row, r->inside, p->fill, index);
        const __m512i below = 2 * y + 1 < p->h
            ? neighbours(is_signed, 2, row + p->w, r->inside, p->fill, index)
            : p->zero;
        __m512i next = w->start;
        DOT(sum, own, w->row[1]);
        DOT(sum, below, w->row[2]);
        DOT(next, below, w->row[0]);
        __builtin_prefetch(r->ahead + y * r->step);
        put_row_of_sums(how, p, r, y, sum, w);
        sum = next;
    }
}

INLINE __m512i lane_numbers(void)
{
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}

/* Lane i: bytes i, i + 1, i + 2 times the stride. */
INLINE __m512i column_index(int stride)
{
    const __m512i first = _mm512_mullo_epi32(lane_numbers(), _mm512_set1_epi32(stride * 0x010101));
    return _mm512_add_epi32(first, _mm512_set1_epi32(0x020100));
}

INLINE void planes_of_columns(bool is_signed, int how, int stride, const byte_planes *planes)
{
    const byte_planes here = *planes, *p = &here;
    const __m512i index = column_index(stride);
    const ptrdiff_t plane = p->h * p->w, area = p->oh * p->ow, blocks = (p->ow + SUMS - 1) / SUMS,
                    part = (plane + blocks - 1) / blocks;
    for (size_t c = 0; c < p->n; c++) {
        const byte_weights w = byte_weights_of(p, c);
        const uint8_t *first = p->bytes + (ptrdiff_t)c * plane;
        float *z = p->z + (ptrdiff_t)c * area;
        const ptrdiff_t outputs = (ptrdiff_t)(p->n - c) * area;
        for (ptrdiff_t i = 0; i < blocks; i++) {
            /* the last block ends where rows do */
            const ptrdiff_t col = i > 0 && i == blocks - 1 ? p->ow - SUMS : i * SUMS,
                            from = stride * col - 1;
            const __mmask64 inside = bits_within(-from, p->w - from);
            const byte_rows rows = {first + from, z + col, inside, outputs - col, area,
                (p->ahead ? p->ahead + (ptrdiff_t)c * plane : first) + i * part, part / p->oh};
            if (stride == 1)
                byte_columns(is_signed, how, p, &rows, index, &w);
            else
                byte_columns_strided(is_signed, how, p, &rows, index, &w);
        }
    }
}

/* ---- several rows of up to eight columns ---- */

/* The three bytes around a lane's column, of a window of rows that begins `down` bytes after what
 * is loaded. Beside a row: the last byte of a load, which no window has. */
INLINE __m512i stack_index(int stride, ptrdiff_t w, ptrdiff_t ow, ptrdiff_t down)
{
    const int32_t last = (stride == 1 ? NEAR : FAR) - 1;
    /* lane / ow and lane % ow, since lanes are few */
    const __m512i reciprocal = _mm512_set1_epi32((int32_t)((256 + ow - 1) / ow));
    const __m512i row = _mm512_srli_epi32(_mm512_mullo_epi32(lane_numbers(), reciprocal), 8);
    const __m512i start = _mm512_mullo_epi32(row, _mm512_set1_epi32((int32_t)ow));
    const __m512i col =
        _mm512_slli_epi32(_mm512_sub_epi32(lane_numbers(), start), (unsigned)stride - 1);
    const __m512i at =
        _mm512_add_epi32(_mm512_mullo_epi32(row, _mm512_set1_epi32((int32_t)(stride * w))), col);
    const __m512i from = _mm512_add_epi32(at, _mm512_set1_epi32((int32_t)down));
    const __m512i three = _mm512_add_epi32(_mm512_mullo_epi32(from, _mm512_set1_epi32(0x010101)),
        _mm512_set1_epi32(last << 24 | 0x010000));
    const __mmask16 left = _mm512_test_epi32_mask(col, col),
                    right = _mm512_cmplt_epi32_mask(col, _mm512_set1_epi32((int32_t)w - 1));
    const __m512i one = _mm512_set1_epi32(1);
    /* the first byte is one less, or the last one where there is none; so is the third */
    const __m512i first =
        _mm512_mask_sub_epi32(_mm512_or_si512(three, _mm512_set1_epi32(last)), left, three, one);
    return _mm512_mask_or_epi32(
        _mm512_or_si512(first, _mm512_set1_epi32(last << 16)), right, first, first);
}

/* What a vector of outputs loads: bytes from the plane's first one on, and which of a load are in
 * it. */
typedef struct byte_windows {
    ptrdiff_t at[3];
    __mmask64 inside[3];
} byte_windows;

/* What is the same for all planes of a shape, which the first call makes. rows: of outputs in a
 * vector. The vector at the top, the others, and that at the bottom. */
typedef struct byte_stacks {
    uint64_t is_made;
    ptrdiff_t rows, step, last;
    byte_windows top, middle, bottom;
    __m512i index, below;
} byte_stacks;

/* Of outputs in rows y, y + 1 .., each a window of `rows` rows. */
static byte_windows windows_of(const byte_planes *p, ptrdiff_t stride, ptrdiff_t rows, ptrdiff_t y)
{
    byte_windows v;
    for (ptrdiff_t i = 0; i < 3; i++) {
        const ptrdiff_t row = stride * y - 1 + i, left = p->h - row;
        v.at[i] = row * p->w;
        v.inside[i] = bits_within(row < 0 ? p->w : 0, (left < rows ? left : rows) * p->w);
    }
    return v;
}

static __attribute__((noinline)) void make_stacks(
    const byte_planes *p, int stride, bool pairs, byte_stacks *s)
{
    s->rows = SUMS / p->ow;
    s->step = s->rows * stride * p->w;
    s->last = (p->oh - 1) / s->rows * s->rows;
    const ptrdiff_t window = (s->rows - 1) * stride + 1 + pairs;
    s->top = windows_of(p, stride, window, 0);
    s->middle = windows_of(p, stride, window, s->rows);
    s->bottom = windows_of(p, stride, window, s->last);
    s->index = stride == 1 ? stack_index(1, p->w, p->ow, 0) : stack_index(2, p->w, p->ow, 0);
    s->below = stride == 1 ? stack_index(1, p->w, p->ow, p->w) : stack_index(2, p->w, p->ow, p->w);
    s->is_made = 1;
}

/* pairs: what is loaded for a row has the window below it, too; then at stride 1 the last window is
 * the next vector's first one. */
INLINE void byte_stack(bool is_signed, int stride, bool pairs, bool has_above, const byte_planes *p,
    const uint8_t *first, const byte_windows *v, const __m512i index[2], const byte_weights *w,
    float *z, ptrdiff_t outputs, __m512i *above)
{
    __m512i loaded, sum = w->start;
    if (!has_above) {
        loaded = bytes_at(is_signed, stride, first + v->at[0], v->inside[0], p->fill);
        *above = _mm512_permutexvar_epi8(index[0], loaded);
    }
    loaded = bytes_at(is_signed, stride, first + v->at[1], v->inside[1], p->fill);
    DOT(sum, *above, w->row[0]);
    DOT(sum, _mm512_permutexvar_epi8(index[0], loaded), w->row[1]);
    if (!pairs)
        loaded = bytes_at(is_signed, stride, first + v->at[2], v->inside[2], p->fill);
    *above = _mm512_permutexvar_epi8(index[pairs], loaded);
    DOT(sum, *above, w->row[2]);
    put_sums(NARROW, z, 0, sum, w, outputs);
}

INLINE void planes_of_stacks(bool is_signed, int stride, bool pairs, const byte_planes *planes)
{
    const byte_planes here = *planes, *p = &here;
    byte_stacks *made = p->scratch;
    if (!made->is_made)
        make_stacks(p, stride, pairs, made);
    const byte_stacks s = *made;
    const __m512i index[2] = {s.index, s.below};
    const ptrdiff_t plane = p->h * p->w, area = p->oh * p->ow, lanes = s.rows * p->ow;
    const bool shares = pairs && stride == 1;
    const uint8_t *first = p->bytes, *ahead = p->ahead ? p->ahead : first;
    float *z = p->z;
    ptrdiff_t outputs = (ptrdiff_t)p->n * area;
    for (size_t c = 0; c < p->n; c++, first += plane, ahead += plane) {
        const byte_weights w = byte_weights_of(p, c);
        __m512i above;
        nncf__fetch((uintptr_t)ahead, plane);
        byte_stack(
            is_signed, stride, pairs, false, p, first, &s.top, index, &w, z, outputs, &above);
        float *to = z + lanes;
        const uint8_t *from = first;
        ptrdiff_t left = outputs - lanes;
        for (ptrdiff_t y = s.rows; y < s.last;
             y += s.rows, from += s.step, to += lanes, left -= lanes)
            byte_stack(
                is_signed, stride, pairs, shares, p, from, &s.middle, index, &w, to, left, &above);
        if (s.last > 0)
            byte_stack(
                is_signed, stride, pairs, shares, p, first, &s.bottom, index, &w, to, left, &above);
        z += area;
        outputs -= area;
    }
}

/* ---- planes ---- */

/* Each a function of its own, so that compilers find registers for it. */
typedef void planes_function(const byte_planes *p);

#define PLANES(name, body, ...)                                                                    \
    static __attribute__((noinline)) void name(const byte_planes *p)                               \
    {                                                                                              \
        body(__VA_ARGS__, p);                                                                      \
    }
PLANES(whole_1, planes_of_columns, false, WHOLE, 1)
PLANES(narrow_1, planes_of_columns, false, NARROW, 1)
PLANES(stream_1, planes_of_columns, false, STREAM, 1)
PLANES(pairs_1, planes_of_stacks, false, 1, true)
PLANES(stacks_1, planes_of_stacks, false, 1, false)
PLANES(whole_2, planes_of_columns, false, WHOLE, 2)
PLANES(narrow_2, planes_of_columns, false, NARROW, 2)
PLANES(stream_2, planes_of_columns, false, STREAM, 2)
PLANES(pairs_2, planes_of_stacks, false, 2, true)
PLANES(stacks_2, planes_of_stacks, false, 2, false)
PLANES(signed_whole_1, planes_of_columns, true, WHOLE, 1)
PLANES(signed_narrow_1, planes_of_columns, true, NARROW, 1)
PLANES(signed_stream_1, planes_of_columns, true, STREAM, 1)
PLANES(signed_pairs_1, planes_of_stacks, true, 1, true)
PLANES(signed_stacks_1, planes_of_stacks, true, 1, false)
PLANES(signed_whole_2, planes_of_columns, true, WHOLE, 2)
PLANES(signed_narrow_2, planes_of_columns, true, NARROW, 2)
PLANES(signed_stream_2, planes_of_columns, true, STREAM, 2)
PLANES(signed_pairs_2, planes_of_stacks, true, 2, true)
PLANES(signed_stacks_2, planes_of_stacks, true, 2, false)
#undef PLANES

enum { BYTE_PAIRS = STREAM + 1, BYTE_STACKS };

static void depthwise_3x3_bytes(const nncf__plane_group *x, size_t stride, const int8_t *w,
    const nncf__int8_scaling *scaling, float *z, bool stream, void *scratch)
{
    /* signed or not, stride, what a vector is */
    static planes_function *const functions[2][2][5] = {
        {{whole_1, narrow_1, stream_1, pairs_1, stacks_1},
            {whole_2, narrow_2, stream_2, pairs_2, stacks_2}},
        {{signed_whole_1, signed_narrow_1, signed_stream_1, signed_pairs_1, signed_stacks_1},
            {signed_whole_2, signed_narrow_2, signed_stream_2, signed_pairs_2, signed_stacks_2}}};
    const uint8_t zero = (uint8_t)x->bytes.offset;
    const byte_planes p = {.n = x->n,
        .bytes = x->data,
        .ahead = x->ahead,
        .h = (ptrdiff_t)x->h,
        .w = (ptrdiff_t)x->w,
        .oh = (ptrdiff_t)((x->h - 1) / stride + 1),
        .ow = (ptrdiff_t)((x->w - 1) / stride + 1),
        .fill = _mm512_set1_epi8((char)(zero ^ x->bytes.flip)),
        .zero = _mm512_set1_epi8((char)zero),
        .weights = w,
        .start = scaling->start,
        .scale = scaling->scale,
        .bias = scaling->bias,
        .z = z,
        .scratch = scratch};
    /* its rows of the plane, and the row below, in a load with a byte beside rows */
    const bool pair_fits =
        ((ptrdiff_t)stride + 2) * p.w < (stride == 1 ? (ptrdiff_t)NEAR : (ptrdiff_t)FAR);
    const int what = p.ow > SUMS / 2    ? (p.ow < SUMS     ? NARROW
                                                  : stream ? STREAM
                                                           : WHOLE)
        : SUMS / p.ow == 2 && pair_fits ? BYTE_PAIRS
                                        : BYTE_STACKS;
    functions[x->bytes.flip != 0][stride - 1][what](&p);
}

#endif
