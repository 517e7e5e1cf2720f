/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Depthwise 3 x 3 with a padding of 1 of planes of bytes, on vectors of 16 words; included by
 * vec_int8.h, where DEPTHWISE names it. int8.c defines what it computes.
 *
 * Bytes are widened as they are loaded. vpmaddwd multiplies two neighbours of a row by two weights,
 * and adds: of the three taps of a row the first two, and the third with a weight of 0. At stride 2
 * neighbouring lanes are neighbouring outputs. At stride 1 they are every second one, so even and
 * odd outputs have a sum each, from loads that lie a byte apart. A row of the source is loaded once
 * for all outputs that need it: down the rows, one sum is finished while others continue or begin.
 *
 * What lies beside a row is masked. The number that stands for 0 is not subtracted from pixels:
 * sums start at that of the weights that meet a pixel, times it, negative.
 * Sums of nine products are below 2^24.
 */
#ifndef NNCF__KERNELS_VEC_INT8_DEPTHWISE_H
#define NNCF__KERNELS_VEC_INT8_DEPTHWISE_H

/* acc[i] += a[2 i] b[2 i] + a[2 i + 1] b[2 i + 1]; in assembly, since a compiler that adds products
 * first runs out of registers */
#define DOT_WORDS(acc, a, b) __asm__("vpaddd %1, %0, %0" : "+x"(acc) : "x"(_mm256_madd_epi16(a, b)))

/* Words and floats of a vector; vectors that begin a word to the left of the outputs, at them, and
 * one and two to the right. */
enum { WORDS = 16, FLOATS = 8, SHIFTS = 4 };

typedef struct plane_rows {
    /* what can be read; this plane */
    const uint8_t *first, *end, *bytes;
    /* nullable: what is read soon */
    const uint8_t *ahead;
    ptrdiff_t h, w, cols;
    float *z;
    /* Vectors read a byte before a row, and a few after it. Rows [low, high) are read where they
     * are, the others in copies: the first one, and those at the end, where `high` is. */
    ptrdiff_t low, high;
    const uint8_t *head, *tail;
    uint8_t *scratch;
} plane_rows;

/* Of the next plane. before: is a byte before rows read? Else more than one row is. */
static void find_rows(plane_rows *p, bool before)
{
    enum { BEFORE = 1, AFTER = 2 };
    const ptrdiff_t reach = (p->w < WORDS ? WORDS : p->w) + AFTER, span = p->end - p->bytes - reach;
    p->low = before && p->bytes == p->first;
    p->high = span >= (p->h - 1) * p->w ? p->h : span < 0 ? 0 : span / p->w + 1;
    if (p->low) {
        memset(p->scratch, 0, (size_t)(BEFORE + reach));
        p->head = memcpy(p->scratch + BEFORE, p->bytes, (size_t)p->w);
    }
    if (p->high < p->low)
        p->high = p->low;
    if (p->high < p->h) {
        const ptrdiff_t from = p->high * p->w, count = p->h * p->w - from;
        uint8_t *to = p->scratch + BEFORE + reach + BEFORE;
        memcpy(to, p->bytes + from, (size_t)count);
        memset(to + count, 0, (size_t)reach);
        p->tail = to;
    }
}

/* direct: known to be where it is. */
INLINE const uint8_t *row_of(const plane_rows *p, bool direct, ptrdiff_t y)
{
    const uint8_t *row = p->bytes + y * p->w;
    if (direct)
        return row;
    row = y < p->low ? p->head : row;
    return y >= p->high ? p->tail + (y - p->high) * p->w : row;
}

/* Part i of what is read soon, of so many bytes each. */
INLINE void fetch_part(const plane_rows *p, ptrdiff_t i, ptrdiff_t part)
{
    const ptrdiff_t from = i * part, left = p->h * p->w - from;
    if (p->ahead)
        nncf__fetch((uintptr_t)p->ahead + (uintptr_t)from, left < part ? left : part);
}

INLINE __m256i widened(bool is_signed, __m128i x)
{
    return is_signed ? _mm256_cvtepi8_epi16(x) : _mm256_cvtepu8_epi16(x);
}

INLINE __m256i words_at(bool is_signed, const uint8_t *from)
{
    return widened(is_signed, _mm_loadu_si128((const void *)from));
}

/* ---- weights ---- */

/* Pairs of weights for each row of taps: (0, 1) and (2, none), in each 32 bits. The words of each
 * shift that are in the plane. Where sums start; those of the first row, which has no row above;
 * what is added for a row that is missing below. Even outputs, odd ones. */
typedef struct plane_weights {
    __m256i pair[3][2];
    __m256i inside[SHIFTS];
    __m256i start[2], top[2], bottom[2];
    __m256 scale, bias;
} plane_weights;

/* Words [first, end) of 16, any numbers. */
INLINE __m256i words_within(ptrdiff_t first, ptrdiff_t end)
{
    static const int16_t words[3 * WORDS] = {
        [WORDS] = -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    first = first < 0 ? 0 : first > WORDS ? WORDS : first;
    end = end < 0 ? 0 : end > WORDS ? WORDS : end;
    const __m256i from = _mm256_loadu_si256((const void *)(words + WORDS - first)),
                  to = _mm256_loadu_si256((const void *)(words + 2 * WORDS - end));
    return _mm256_and_si256(from, to);
}

/* Which words of each shift are in a row of w, if the first one at shift 1 is in column col. */
INLINE void find_inside(ptrdiff_t col, ptrdiff_t w, __m256i inside[SHIFTS])
{
    for (int k = 0; k < SHIFTS; k++)
        inside[k] = words_within(1 - k - col, w + 1 - k - col);
}

/* The sum of a row of taps at all outputs, if all pixels of the plane were x. */
INLINE __m256i row_of_ones(const plane_weights *w, int row, int odd, __m256i x)
{
    return _mm256_add_epi32(_mm256_madd_epi16(w->pair[row][0], _mm256_and_si256(w->inside[odd], x)),
        _mm256_madd_epi16(w->pair[row][1], _mm256_and_si256(w->inside[odd + 2], x)));
}

INLINE void set_weights(const int16_t *w, float scale, float bias, plane_weights *r)
{
    r->scale = _mm256_set1_ps(scale);
    r->bias = _mm256_set1_ps(bias);
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++) {
        int32_t pair;
        memcpy(&pair, w + 2 * i, sizeof pair);
        r->pair[i / 2][i % 2] = _mm256_set1_epi32(pair);
    }
}

INLINE void set_inside(int32_t zero, const __m256i inside[SHIFTS], plane_weights *r)
{
    const __m256i pixel = _mm256_set1_epi16((int16_t)zero), none = _mm256_setzero_si256();
#pragma GCC unroll 4
    for (int k = 0; k < SHIFTS; k++)
        r->inside[k] = inside[k];
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++) {
        r->start[odd] = r->top[odd] = r->bottom[odd] = none;
        if (zero == 0)
            continue;
        const __m256i top = row_of_ones(r, 0, odd, pixel), own = row_of_ones(r, 1, odd, pixel);
        r->bottom[odd] = row_of_ones(r, 2, odd, pixel);
        r->top[odd] = _mm256_sub_epi32(none, _mm256_add_epi32(own, r->bottom[odd]));
        r->start[odd] = _mm256_sub_epi32(r->top[odd], top);
    }
}

/* ---- the output ---- */

/* Of 8 floats those that are in the plane, `left` or fewer. What lies after a row is written
 * again, with the row that is there. */
INLINE void put_left(float *z, __m256 x, ptrdiff_t left)
{
    if (left >= FLOATS) {
        _mm256_storeu_ps(z, x);
        return;
    }
    __m128 four = _mm256_castps256_ps128(x);
    if (left >= 4) {
        _mm_storeu_ps(z, four);
        four = _mm256_extractf128_ps(x, 1);
        z += 4;
        left -= 4;
    }
    if (left >= 2) {
        _mm_storel_pi((void *)z, four);
        four = _mm_movehl_ps(four, four);
        z += 2;
        left -= 2;
    }
    if (left >= 1)
        _mm_store_ss(z, four);
}

/* How outputs of a vector are stored: all of them; those in the plane; all of them past the caches.
 */
enum { WHOLE, NARROW, STREAM };

/* 8 floats from place `at` of a plane of so many outputs on. */
INLINE void put_eight(int how, const plane_rows *p, ptrdiff_t at, __m256 x, ptrdiff_t outputs)
{
    if (how == NARROW)
        put_left(p->z + at, x, outputs - at);
    else if (how == STREAM)
        _mm256_stream_ps(p->z + at, x);
    else
        _mm256_storeu_ps(p->z + at, x);
}

/* Of even or of odd outputs, or of all. */
typedef struct sums {
    __m256i of[2];
} sums;

INLINE __m256 sum_scaled(__m256i sum, const plane_weights *w)
{
    return _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(sum), w->scale), w->bias);
}

/* Sixteen outputs in order: two vectors. */
INLINE void in_order(const sums *s, const plane_weights *w, __m256 z[2])
{
    const __m256 even = sum_scaled(s->of[0], w), odd = sum_scaled(s->of[1], w);
    const __m256 low = _mm256_unpacklo_ps(even, odd), high = _mm256_unpackhi_ps(even, odd);
    z[0] = _mm256_permute2f128_ps(low, high, 0x20);
    z[1] = _mm256_permute2f128_ps(low, high, 0x31);
}

/* ---- stride 1: sixteen columns of a row ---- */

/* Pairs of weights in registers. */
typedef struct row_weights {
    __m256i pair[3][2];
} row_weights;

INLINE row_weights weights_of(const plane_weights *w)
{
    row_weights r;
#pragma GCC unroll 6
    for (int i = 0; i < 6; i++)
        r.pair[i / 2][i % 2] = w->pair[i / 2][i % 2];
    return r;
}

/* A row of the source ends the sums of the output row above, continues its own, and begins the
 * next ones. Vectors at shift 1 have nothing beside a row that an output needs. */
INLINE void meet_row(bool is_signed, const uint8_t *row, const row_weights *r,
    const plane_weights *w, sums *above, sums *own, sums *next)
{
#pragma GCC unroll 4
    for (int k = 0; k < SHIFTS; k++) {
        __m256i x = words_at(is_signed, row - 1 + k);
        if (k != 1)
            x = _mm256_and_si256(x, w->inside[k]);
        const __m256i first = _mm256_madd_epi16(x, r->pair[0][k / 2]);
        DOT_WORDS(above->of[k % 2], x, r->pair[2][k / 2]);
        DOT_WORDS(own->of[k % 2], x, r->pair[1][k / 2]);
        next->of[k % 2] = _mm256_add_epi32(first, k < 2 ? w->start[k] : next->of[k % 2]);
    }
}

INLINE void put_row(
    int how, const plane_rows *p, ptrdiff_t y, ptrdiff_t col, const sums *s, const plane_weights *w)
{
    const ptrdiff_t at = y * p->cols + col, outputs = p->h * p->cols;
    const int here = how == NARROW && at + WORDS <= outputs ? WHOLE : how;
    __m256 z[2];
    in_order(s, w, z);
    put_eight(here, p, at, z[0], outputs);
    put_eight(here, p, at + FLOATS, z[1], outputs);
}

/* Row y of the source, and row y - 1 of the output, if there is one. */
INLINE void pass_row(bool is_signed, int how, bool direct, const plane_rows *p, ptrdiff_t y,
    ptrdiff_t col, const row_weights *r, const plane_weights *w, sums *above, sums *own, sums *next)
{
    meet_row(is_signed, row_of(p, direct, y) + col, r, w, above, own, next);
    if (y > 0)
        put_row(how, p, y - 1, col, above, w);
}

INLINE void down_columns(bool is_signed, int how, bool direct, const plane_rows *rows,
    ptrdiff_t col, const plane_weights *w)
{
    /* in registers: stores may be to anything */
    const plane_rows here = *rows, *p = &here;
    const row_weights pairs = weights_of(w), *r = &pairs;
    sums a, b = {{w->top[0], w->top[1]}}, c = b;
    ptrdiff_t y = 1;
    pass_row(is_signed, how, direct, p, 0, col, r, w, &c, &b, &a);
    for (; y + 3 <= p->h; y += 3) {
        pass_row(is_signed, how, direct, p, y, col, r, w, &b, &a, &c);
        pass_row(is_signed, how, direct, p, y + 1, col, r, w, &a, &c, &b);
        pass_row(is_signed, how, direct, p, y + 2, col, r, w, &c, &b, &a);
    }
    for (; y < p->h; y++) {
        pass_row(is_signed, how, direct, p, y, col, r, w, &b, &a, &c);
        b = a;
        a = c;
    }
    for (int odd = 0; odd < 2; odd++)
        b.of[odd] = _mm256_add_epi32(b.of[odd], w->bottom[odd]);
    put_row(how, p, p->h - 1, col, &b, w);
}

/* ---- stride 1: two rows of up to eight columns ---- */

/* How 16 bytes become two rows: from a row on; of the first row, alone in the upper half; of the
 * last one, alone in the lower half. */
typedef struct row_pairs {
    __m128i any, first, last;
    __m256i upper;
} row_pairs;

INLINE row_pairs pairs_of(ptrdiff_t w)
{
    uint8_t lane[3][WORDS];
    memset(lane, 0x80, sizeof lane); /* zeros */
    for (int i = 0; i < (int)w; i++) {
        lane[0][i] = lane[2][i] = lane[1][FLOATS + i] = (uint8_t)i;
        lane[0][FLOATS + i] = (uint8_t)(w + i);
    }
    return (row_pairs){_mm_loadu_si128((const void *)lane[0]),
        _mm_loadu_si128((const void *)lane[1]), _mm_loadu_si128((const void *)lane[2]),
        _mm256_set_epi64x(-1, -1, 0, 0)};
}

/* Words of rows y and y + 1. */
INLINE __m256i two_rows(
    bool is_signed, bool direct, const plane_rows *p, ptrdiff_t y, const row_pairs *r)
{
    const uint8_t *from = row_of(p, direct, y < 0 ? 0 : y);
    const __m128i how = y < 0 ? r->first : y == p->h - 1 ? r->last : r->any;
    return widened(is_signed, _mm_shuffle_epi8(_mm_loadu_si128((const void *)from), how));
}

/* The four shifts, within each row: zeros come in. */
INLINE void shift_rows(__m256i x, __m256i v[SHIFTS])
{
    v[0] = _mm256_slli_si256(x, 2);
    v[1] = x;
    v[2] = _mm256_srli_si256(x, 2);
    v[3] = _mm256_srli_si256(x, 4);
}

INLINE void down_pairs(bool is_signed, bool direct, const plane_rows *rows, const row_pairs *pairs,
    const plane_weights *w)
{
    const plane_rows here = *rows, *p = &here;
    const row_pairs ways = *pairs, *how = &ways;
    const row_weights kept = weights_of(w), *r = &kept;
    const ptrdiff_t outputs = p->h * p->w;
    sums own;
    __m256i v[SHIFTS];
    shift_rows(two_rows(is_signed, direct, p, -1, how), v);
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; odd++) {
        own.of[odd] = _mm256_blendv_epi8(w->top[odd], w->start[odd], how->upper);
        DOT_WORDS(own.of[odd], v[odd], r->pair[0][0]);
        DOT_WORDS(own.of[odd], v[odd + 2], r->pair[0][1]);
    }
    for (ptrdiff_t y = 0; y < p->h; y += 2) {
        sums next = {{w->start[0], w->start[1]}};
        shift_rows(two_rows(is_signed, direct, p, y, how), v);
#pragma GCC unroll 4
        for (int k = 0; k < SHIFTS; k++)
            DOT_WORDS(own.of[k % 2], v[k], r->pair[1][k / 2]);
        if (y + 1 < p->h) {
            shift_rows(two_rows(is_signed, direct, p, y + 1, how), v);
#pragma GCC unroll 4
            for (int k = 0; k < SHIFTS; k++) {
                DOT_WORDS(own.of[k % 2], v[k], r->pair[2][k / 2]);
                DOT_WORDS(next.of[k % 2], v[k], r->pair[0][k / 2]);
            }
        }
        if (y + 2 >= p->h) { /* the plane's last row is the first or the second of these */
#pragma GCC unroll 2
            for (int odd = 0; odd < 2; odd++) {
                const __m256i upper = _mm256_and_si256(w->bottom[odd], how->upper);
                own.of[odd] = _mm256_add_epi32(own.of[odd], y + 1 < p->h ? upper : w->bottom[odd]);
            }
        }
        __m256 z[2];
        in_order(&own, w, z);
        put_eight(NARROW, p, y * p->w, z[0], outputs);
        if (y + 1 < p->h)
            put_eight(NARROW, p, (y + 1) * p->w, z[1], outputs);
        own = next;
    }
}

/* ---- stride 2: eight columns of a row ---- */

/* col: of the output. */
INLINE void down_strided(bool is_signed, int how, bool direct, const plane_rows *rows,
    ptrdiff_t col, const plane_weights *w)
{
    const plane_rows here = *rows, *p = &here;
    const row_weights pairs = weights_of(w), *r = &pairs;
    const __m256i in_left = w->inside[0], in_right = w->inside[2];
    const ptrdiff_t out_rows = (p->h + 1) / 2, outputs = out_rows * p->cols;
    __m256i sum = w->top[0];
    for (ptrdiff_t y = 0; y < out_rows; y++) {
        const uint8_t *row = row_of(p, direct, 2 * y) + 2 * col;
        __m256i next = w->start[0];
        DOT_WORDS(sum, _mm256_and_si256(words_at(is_signed, row - 1), in_left), r->pair[1][0]);
        DOT_WORDS(sum, _mm256_and_si256(words_at(is_signed, row + 1), in_right), r->pair[1][1]);
        if (2 * y + 1 < p->h) {
            row = row_of(p, direct, 2 * y + 1) + 2 * col;
            const __m256i left = _mm256_and_si256(words_at(is_signed, row - 1), in_left),
                          right = _mm256_and_si256(words_at(is_signed, row + 1), in_right);
            DOT_WORDS(sum, left, r->pair[2][0]);
            DOT_WORDS(sum, right, r->pair[2][1]);
            DOT_WORDS(next, left, r->pair[0][0]);
            DOT_WORDS(next, right, r->pair[0][1]);
        } else {
            sum = _mm256_add_epi32(sum, w->bottom[0]);
        }
        put_eight(how, p, y * p->cols + col, sum_scaled(sum, w), outputs);
        sum = next;
    }
}

/* ---- planes ---- */

/* Each a function of its own, so that compilers find registers for it. */
typedef void down_function(
    const plane_rows *p, ptrdiff_t col, const row_pairs *pairs, const plane_weights *w);

#define DOWN(name, body, kinds, last)                                                              \
    static __attribute__((noinline)) void name(                                                    \
        const plane_rows *p, ptrdiff_t col, const row_pairs *pairs, const plane_weights *w)        \
    {                                                                                              \
        (void)col;                                                                                 \
        (void)pairs;                                                                               \
        if (p->low == 0 && p->high == p->h)                                                        \
            body(kinds, true, p, last, w);                                                         \
        else                                                                                       \
            body(kinds, false, p, last, w);                                                        \
    }
#define KINDS(is_signed, how) is_signed, how
DOWN(columns_whole, down_columns, KINDS(false, WHOLE), col)
DOWN(columns_narrow, down_columns, KINDS(false, NARROW), col)
DOWN(columns_stream, down_columns, KINDS(false, STREAM), col)
DOWN(strided_whole, down_strided, KINDS(false, WHOLE), col)
DOWN(strided_narrow, down_strided, KINDS(false, NARROW), col)
DOWN(strided_stream, down_strided, KINDS(false, STREAM), col)
DOWN(pairs_narrow, down_pairs, false, pairs)
DOWN(signed_columns_whole, down_columns, KINDS(true, WHOLE), col)
DOWN(signed_columns_narrow, down_columns, KINDS(true, NARROW), col)
DOWN(signed_columns_stream, down_columns, KINDS(true, STREAM), col)
DOWN(signed_strided_whole, down_strided, KINDS(true, WHOLE), col)
DOWN(signed_strided_narrow, down_strided, KINDS(true, NARROW), col)
DOWN(signed_strided_stream, down_strided, KINDS(true, STREAM), col)
DOWN(signed_pairs_narrow, down_pairs, true, pairs)
#undef KINDS
#undef DOWN

enum { COLUMNS, STRIDED, PAIRS };

/* signed or not, shape, how */
static down_function *const down_functions[2][3][3] = {
    {{columns_whole, columns_narrow, columns_stream},
        {strided_whole, strided_narrow, strided_stream}, {NULL, pairs_narrow, NULL}},
    {{signed_columns_whole, signed_columns_narrow, signed_columns_stream},
        {signed_strided_whole, signed_strided_narrow, signed_strided_stream},
        {NULL, signed_pairs_narrow, NULL}}};

/* How a plane is cut into vectors of columns: the last one ends where rows do. Words in the plane:
 * of the first or only one, of others, of the last. part: what is fetched meanwhile. */
typedef struct plane_cut {
    int shape;
    ptrdiff_t n, width, step, part;
    __m256i inside[3][SHIFTS];
    row_pairs pairs;
} plane_cut;

static ptrdiff_t column_of(const plane_cut *cut, const plane_rows *p, ptrdiff_t i)
{
    return i > 0 && i == cut->n - 1 ? p->cols - cut->width : i * cut->width;
}

static plane_cut cut_of(int shape, const plane_rows *p)
{
    plane_cut cut = {.shape = shape,
        .width = shape == STRIDED ? FLOATS : WORDS,
        .step = shape == STRIDED ? 2 : 1};
    cut.n = (p->cols + cut.width - 1) / cut.width;
    cut.part = (p->h * p->w + cut.n - 1) / cut.n;
    find_inside(0, p->w, cut.inside[0]);
    find_inside(1, p->w + WORDS, cut.inside[1]);
    find_inside(cut.step * column_of(&cut, p, cut.n - 1), p->w, cut.inside[2]);
    if (shape == PAIRS) {
        for (int k = 0; k < SHIFTS; k++)
            cut.inside[0][k] =
                _mm256_broadcastsi128_si256(_mm256_castsi256_si128(cut.inside[0][k]));
        cut.pairs = pairs_of(p->w);
    }
    return cut;
}

static void depthwise_3x3(const nncf__plane_group *x, size_t stride, const int16_t *w,
    const float *scale, const float *bias, float *z, bool stream, void *scratch)
{
    const uint8_t *data = x->data;
    const ptrdiff_t plane = (ptrdiff_t)(x->h * x->w);
    plane_rows p = {.first = data - x->before,
        .end = data + (ptrdiff_t)x->n * plane + x->after,
        .bytes = data,
        .ahead = x->ahead,
        .h = (ptrdiff_t)x->h,
        .w = (ptrdiff_t)x->w,
        .cols = (ptrdiff_t)((x->w - 1) / stride + 1),
        .z = z,
        .scratch = scratch};
    const ptrdiff_t outputs = (ptrdiff_t)((x->h - 1) / stride + 1) * p.cols;
    /* a flipped byte is the signed one, plus 128 */
    const int32_t zero = (int32_t)x->bytes.offset - (int32_t)x->bytes.flip;
    const plane_cut cut = cut_of(stride == 2 ? STRIDED : p.w <= FLOATS ? PAIRS : COLUMNS, &p);
    down_function *const down =
        down_functions[x->bytes.flip != 0][cut.shape][p.cols < cut.width ? NARROW
                : stream                                                 ? STREAM
                                                                         : WHOLE];
    plane_weights weights;
    for (size_t c = 0; c < x->n; c++, w += NNCF__INT8_TAPS) {
        set_weights(w, scale[c], bias[c], &weights);
        find_rows(&p, cut.shape != PAIRS);
        for (ptrdiff_t i = 0; i < cut.n; i++) {
            fetch_part(&p, i, cut.part);
            /* what does not change from plane to plane stays */
            if (cut.n > 1 ? i < 2 || i == cut.n - 1 : c == 0 || zero != 0)
                set_inside(zero, cut.inside[i == 0 ? 0 : i == cut.n - 1 ? 2 : 1], &weights);
            down(&p, column_of(&cut, &p, i), &cut.pairs, &weights);
        }
        p.bytes += plane;
        p.z += outputs;
        if (p.ahead)
            p.ahead += plane;
    }
}

#endif
