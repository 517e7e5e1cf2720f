/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The integer kernels: every table that this CPU can run against plain loops in int64, whose sums
 * are rounded once. Packing between guard pages; sizes around the tile; worst-case codes at the
 * longest k. Depthwise products between guard pages, against the definition in int64.
 */
#include "kernels/int8.h"
#include "kernels/kernels.h"
#include "support/guard.h"
#include "support/random.h"
#include "support/require.h"
#include "support/runner.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { QUAD = 4, MR_MAX = NNCF__INT8_MR_MAX, NR_MAX = NNCF__INT8_NR_MAX };

static uint32_t below(uint32_t n)
{
    return fx_random32() % n;
}

/* Panels of codes, and what they hold by pixel and channel. */
typedef struct product {
    size_t k, n_quads, mr, nr;
    int32_t offset;
    uint8_t *pixels;
    /* in the order of the contract, and as the table wants them */
    int8_t *weights;
    char *panel;
    int32_t start[NR_MAX];
    /* of weights with zero points; else without */
    bool has_factors;
    int32_t factor[NR_MAX], *values;
} product;

static int64_t sum_of(const product *p, size_t i, size_t j)
{
    int64_t sum = p->start[j] + (p->has_factors ? (int64_t)p->factor[j] * p->values[i] : 0);
    for (size_t k = 0; k < p->n_quads * QUAD; k++)
        sum += (int64_t)(p->pixels[(k / QUAD * p->mr + i) * QUAD + k % QUAD] - p->offset) *
            p->weights[(k / QUAD * p->nr + j) * QUAD + k % QUAD];
    return sum;
}

/* HIGHEST, LOWEST: the largest byte times the largest and the smallest weight; DARK: the smallest
 * of both. SMALL: weights of which many, and not all, are narrow;
 * EDGE: where `narrow` has its limit. */
enum { RANDOM, HIGHEST, LOWEST, DARK, SMALL, EDGE };
/* Of all tests: the last two are for `narrow`. */
enum { PATTERNS = SMALL };

/* Weight k of channel j: of two quads, four products of 255 add up to 128 times 255, with either
 * sign, or of one channel of every second pair to 129 times. */
static int8_t weight_at_edge(size_t nr, size_t j, size_t k)
{
    const size_t pair = k / (2 * QUAD), at = k % (2 * QUAD);
    const int beyond = pair % 2 && j == pair / 2 % nr, sign = (j + pair) % 3 ? 1 : -1;
    if (at == 0 || at == 2) /* of the first quad */
        return (int8_t)(sign * 64);
    return (int8_t)(at == QUAD + 1 || at == QUAD + 3 ? sign * (64 + beyond) : 0);
}

static int8_t weight_of(int pattern, size_t nr, size_t i)
{
    switch (pattern) {
    case RANDOM:
        return (int8_t)((int)below(256) - 128);
    case SMALL:
        return (int8_t)((int)below(61) + (int)below(61) + (int)below(61) - 90);
    case EDGE:
        return weight_at_edge(nr, i / QUAD % nr, i / QUAD / nr * QUAD + i % QUAD);
    default:
        return pattern == HIGHEST ? 127 : -128;
    }
}

static product make_product(const nncf__int8_kernels *k, size_t n_quads, int pattern)
{
    product p = {
        .k = n_quads * QUAD, .n_quads = n_quads, .mr = k->mr, .nr = k->nr, .offset = k->offset};
    const size_t n_pixels = n_quads * QUAD * k->mr, n_weights = n_quads * QUAD * k->nr;
    ck_assert_int_eq(posix_memalign((void **)&p.pixels, 64, n_pixels + 64), 0);
    ck_assert_int_eq(posix_memalign((void **)&p.weights, 64, n_weights + 64), 0);
    const bool random = pattern == RANDOM || pattern == SMALL;
    for (size_t i = 0; i < n_pixels; i++)
        p.pixels[i] = random ? (uint8_t)fx_random32() : pattern == DARK ? 0 : 255;
    for (size_t i = 0; i < n_weights; i++)
        p.weights[i] = weight_of(pattern, k->nr, i);
    ck_assert_int_eq(posix_memalign((void **)&p.panel, 64, n_weights * k->weight_bytes + 64), 0);
    for (size_t i = 0; i < n_weights; i += QUAD)
        nncf__int8_put_weights(k, p.weights + i, p.panel + i * k->weight_bytes);
    for (size_t j = 0; j < NR_MAX; j++)
        p.start[j] = random ? (int32_t)below(2000000) - 1000000 : 0;
    /* those of the zero points where sums become the longest: -128 of 127, 127 of -128 */
    p.has_factors = !random || n_quads % 2 == 1;
    ck_assert_int_eq(posix_memalign((void **)&p.values, 64, MR_MAX * sizeof *p.values), 0);
    for (size_t j = 0; j < NR_MAX; j++)
        p.factor[j] = random ? (int32_t)below(256) - 127 : pattern == HIGHEST ? 128 : -127;
    const int32_t start = random ? -(int32_t)below(1000) : 0;
    k->values(n_quads, p.pixels, start, p.values);
    for (size_t i = 0; i < k->mr; i++) {
        int64_t sum = start;
        for (size_t q = 0; q < p.k; q++)
            sum += p.pixels[(q / QUAD * k->mr + i) * QUAD + q % QUAD];
        REQUIRE(p.values[i] == sum, "%s: quads %zu: the values of pixel %zu are %d, not %d",
            k->name, n_quads, i, (int)p.values[i], (int)sum);
    }
    return p;
}

static void free_product(product *p)
{
    free(p->pixels);
    free(p->weights);
    free(p->panel);
    free(p->values);
}

static const size_t lengths[] = {0, 1, 2, 3, 7, 64, 257};

/* Calls the table's `narrow`: each pair of quads is listed once, and at the limit on its side. */
static uint16_t *narrow_list(const nncf__int8_kernels *kernels, const product *p, int pattern)
{
    const size_t n_pairs = p->n_quads / 2;
    uint16_t *list = malloc((n_pairs + 2) * sizeof *list);
    bool *seen = calloc(n_pairs + 1, sizeof *seen);
    ck_assert(list && seen);
    list[n_pairs + 1] = 12345;
    kernels->narrow(p->n_quads, p->panel, list);
    REQUIRE(list[n_pairs + 1] == 12345, "%s: narrow writes behind its list", kernels->name);
    REQUIRE(list[0] <= n_pairs, "%s: %d narrow pairs of %zu", kernels->name, list[0], n_pairs);
    for (size_t i = 0; i < n_pairs; i++) {
        const size_t pair = list[1 + i];
        REQUIRE(pair < n_pairs && !seen[pair], "%s: pair %zu is listed twice", kernels->name, pair);
        seen[pair] = true;
        if (pattern == EDGE)
            REQUIRE((i < list[0]) == (pair % 2 == 0), "%s: pair %zu of the limit is%s narrow",
                kernels->name, pair, i < list[0] ? "" : " not");
    }
    if (pattern == SMALL && n_pairs > 20)
        REQUIRE(list[0] > n_pairs / 4 && list[0] < n_pairs, "%s: %d of %zu pairs are narrow",
            kernels->name, list[0], n_pairs);
    free(seen);
    return list;
}

static void check_sums(const nncf__int8_kernels *kernels, size_t n_quads, int pattern, bool narrows)
{
    product p = make_product(kernels, n_quads, pattern);
    uint16_t *list = narrows ? narrow_list(kernels, &p, pattern) : NULL;
    float scale[NR_MAX], bias[NR_MAX];
    for (size_t j = 0; j < NR_MAX; j++) {
        scale[j] = ldexpf((float)(1 + below(1000)), -20);
        bias[j] = j % 3 ? (float)below(100) - 50.0f : -0.0f;
    }
    const nncf__int8_scaling scaling = {.start = p.start,
        .scale = scale,
        .bias = bias,
        .factor = p.has_factors ? p.factor : NULL,
        .values = p.values,
        .narrow = list};
    float sums[NR_MAX][MR_MAX];
    for (size_t j = 0; j < p.nr; j++)
        for (size_t i = 0; i < p.mr; i++)
            sums[j][i] = (float)sum_of(&p, i, j);
    for (size_t used = 1; used <= p.nr; used++) {
        _Alignas(64) float tile[MR_MAX * NR_MAX], z[NR_MAX][MR_MAX + 16];
        kernels->micro(n_quads, p.pixels, p.panel, used, &scaling, tile);
        for (size_t stream = 0; stream < 2; stream++) {
            for (size_t j = 0; j < NR_MAX; j++)
                for (size_t i = 0; i < MR_MAX + 16; i++)
                    z[j][i] = 1234.0f;
            /* unaligned where that is allowed */
            const size_t shift = stream ? 0 : 3;
            kernels->micro_store(
                n_quads, p.pixels, p.panel, used, &scaling, &z[0][shift], MR_MAX + 16, stream == 1);
            nncf__kernels_get(NNCF_ISA_REFERENCE)->gemm_streams_end();
            __sync_synchronize();
            for (size_t j = 0; j < NR_MAX; j++)
                for (size_t i = 0; i < MR_MAX + 16; i++) {
                    const bool inside = j < used && i >= shift && i - shift < p.mr;
                    if (!inside) {
                        REQUIRE(z[j][i] == 1234.0f, "%s writes outside", kernels->name);
                        continue;
                    }
                    const float sum = sums[j][i - shift];
                    const float want = sum * scale[j] + bias[j];
                    REQUIRE(memcmp(&z[j][i], &want, sizeof want) == 0,
                        "%s: quads %zu used %zu (%zu, %zu): %.9g, not %.9g", kernels->name, n_quads,
                        used, i, j, (double)z[j][i], (double)want);
                    REQUIRE(memcmp(&tile[j * p.mr + i - shift], &sum, sizeof sum) == 0,
                        "%s: quads %zu used %zu (%zu, %zu): tile %.9g, not %.9g", kernels->name,
                        n_quads, used, i, j, (double)tile[j * p.mr + i - shift], (double)sum);
                }
        }
    }
    free(list);
    free_product(&p);
}

START_TEST(sums_are_exact_integers_rounded_once)
{
    for (size_t t = 0; nncf__int8_kernels_at(t); t++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            check_sums(nncf__int8_kernels_at(t), lengths[i], RANDOM, false);
}
END_TEST

START_TEST(sums_of_narrow_weights_are_the_same)
{
    for (size_t t = 0; nncf__int8_kernels_at(t); t++) {
        const nncf__int8_kernels *k = nncf__int8_kernels_at(t);
        if (!k->narrow)
            continue;
        for (int pattern = RANDOM; pattern <= EDGE; pattern++)
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
                check_sums(k, lengths[i], pattern, true);
    }
}
END_TEST

START_TEST(sums_of_the_longest_k_do_not_overflow)
{
    for (size_t t = 0; nncf__int8_kernels_at(t); t++)
        for (int pattern = HIGHEST; pattern < PATTERNS; pattern++)
            check_sums(nncf__int8_kernels_at(t), NNCF__INT8_K_MAX / QUAD, pattern, false);
}
END_TEST

/* ---- rows ---- */

/* What a table multiplies element k of a row by, at any width of its words. */
static void put_operand(const nncf__int8_kernels *kernels, int value, size_t k, void *to)
{
    if (kernels->weight_bytes == 1)
        ((uint8_t *)to)[k] = (uint8_t)value;
    else
        ((int16_t *)to)[k] = (int16_t)value;
}

/* Rows that end at a guard page, anywhere in memory; what is stored ends at one, too. */
static void check_rows(const nncf__int8_kernels *kernels, size_t n_words, int pattern)
{
    const size_t per_word = NNCF__INT8_WORD / kernels->weight_bytes, k = n_words * per_word,
                 mr = kernels->mr, most = kernels->rows_nr, stride = n_words * NNCF__INT8_WORD + 3;
    uint8_t *codes = malloc(most * k + 1);
    int8_t *weights = malloc(mr * k + 1);
    char *panel;
    _Alignas(64) int32_t start[MR_MAX], factor[MR_MAX];
    int32_t values[NR_MAX];
    float scale[MR_MAX], bias[MR_MAX];
    ck_assert_int_eq(posix_memalign((void **)&panel, 64, n_words * mr * NNCF__INT8_WORD + 64), 0);
    for (size_t i = 0; i < most * k; i++)
        codes[i] = pattern == RANDOM ? (uint8_t)fx_random32() : pattern == DARK ? 0 : 255;
    for (size_t i = 0; i < mr * k; i++)
        weights[i] = (int8_t)(pattern == RANDOM ? (int)below(256) - 128
                : pattern == HIGHEST            ? 127
                                                : -128);
    for (size_t j = 0; j < mr; j++) {
        start[j] = pattern == RANDOM ? (int32_t)below(2000000) - 1000000 : 0;
        scale[j] = ldexpf((float)(1 + below(1000)), -20);
        bias[j] = j % 3 ? (float)below(100) - 50.0f : -0.0f;
        for (size_t i = 0; i < k; i++)
            put_operand(kernels, weights[j * k + i], i % per_word,
                panel + (i / per_word * mr + j) * NNCF__INT8_WORD);
    }
    const bool has_factors = pattern != RANDOM || n_words % 2 == 1;
    for (size_t j = 0; j < mr; j++)
        factor[j] = pattern == RANDOM ? (int32_t)below(256) - 127 : pattern == HIGHEST ? 128 : -127;
    for (size_t i = 0; i < most; i++) {
        values[i] = pattern == RANDOM ? (int32_t)below(100000) - 50000 : 0;
        for (size_t at = 0; at < k && pattern != RANDOM; at++)
            values[i] += codes[i * k + at];
    }
    const nncf__int8_scaling scaling = {.start = start,
        .scale = scale,
        .bias = bias,
        .factor = has_factors ? factor : NULL,
        .values = values};
    for (size_t used = 1; used <= most; used++) {
        const size_t n_bytes = (used - 1) * stride + n_words * NNCF__INT8_WORD, c_stride = mr + 5,
                     n_floats = (used - 1) * c_stride + mr;
        uint8_t *x = guard_bytes(n_bytes + 1);
        float *c = (float *)(void *)guard_bytes(n_floats * sizeof *c);
        for (size_t i = 0; i < used; i++)
            for (size_t at = 0; at < k; at++) {
                _Alignas(8) uint8_t word[8];
                put_operand(kernels, codes[i * k + at] - kernels->offset, 0, word);
                memcpy(
                    x + 1 + i * stride + at * kernels->weight_bytes, word, kernels->weight_bytes);
            }
        for (size_t i = 0; i < n_floats; i++)
            c[i] = 1234.0f;
        kernels->rows(n_words, x + 1, (int64_t)stride, used, panel, &scaling, c, (int64_t)c_stride);
        for (size_t e = 0; e < n_floats; e++) {
            const size_t i = e / c_stride, j = e % c_stride;
            int64_t sum =
                j < mr ? start[j] + (has_factors ? (int64_t)factor[j] * values[i] : 0) : 0;
            for (size_t at = 0; j < mr && at < k; at++)
                sum += (int64_t)(codes[i * k + at] - kernels->offset) * weights[j * k + at];
            const float want = j < mr ? (float)sum * scale[j] + bias[j] : 1234.0f;
            REQUIRE(memcmp(&c[e], &want, sizeof want) == 0,
                "%s: words %zu used %zu (%zu, %zu): %.9g, not %.9g", kernels->name, n_words, used,
                i, j, (double)c[e], (double)want);
        }
        guard_free_bytes(x, n_bytes + 1);
        guard_free_bytes((uint8_t *)(void *)c, n_floats * sizeof *c);
    }
    free(codes);
    free(weights);
    free(panel);
}

START_TEST(rows_are_exact_integers_rounded_once)
{
    for (size_t t = 0; nncf__int8_kernels_at(t); t++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
            check_rows(nncf__int8_kernels_at(t), lengths[i], RANDOM);
}
END_TEST

START_TEST(rows_of_the_longest_k_do_not_overflow)
{
    for (size_t t = 0; nncf__int8_kernels_at(t); t++)
        for (int pattern = HIGHEST; pattern < PATTERNS; pattern++)
            check_rows(nncf__int8_kernels_at(t),
                nncf__int8_words(nncf__int8_kernels_at(t), NNCF__INT8_K_MAX), pattern);
}
END_TEST

/* Segments over n pixels: whole panels, or pieces of random lengths, some of padding. */
static size_t make_segments(
    size_t n, size_t mr, bool pieces, int64_t step, nncf__segment *segments, int64_t *end)
{
    size_t count = 0;
    int64_t src = 0;
    for (size_t at = 0; at < n;) {
        size_t length = mr - at % mr;
        if (length > n - at)
            length = n - at;
        if (pieces)
            length = 1 + below((uint32_t)length);
        const bool padding = pieces && below(3) == 0;
        segments[count++] = (nncf__segment){
            .src = padding ? -1 : src, .dst = (int32_t)at, .length = (int32_t)length};
        if (!padding)
            src += (int64_t)(length - 1) * step + 1 + (int64_t)(pieces ? below(3) : 0);
        at += length;
    }
    *end = src > 0 ? src : 1;
    return count;
}

static void check_pack(const nncf__int8_kernels *kernels, size_t n_channels, size_t n_panels,
    bool pieces, int64_t step, uint8_t flip)
{
    const size_t mr = kernels->mr, n = n_panels * mr, quads = (n_channels + QUAD - 1) / QUAD;
    const size_t stride = quads * mr * QUAD + 64;
    nncf__segment segments[4 * MR_MAX];
    int64_t plane;
    const size_t n_segments = make_segments(n, mr, pieces, step, segments, &plane);
    /* the last channel's plane ends at a guard page, and the first begins anywhere */
    const size_t n_bytes = n_channels * (size_t)plane;
    uint8_t *src = guard_bytes(n_bytes), *panels;
    for (size_t i = 0; i < n_bytes; i++)
        src[i] = (uint8_t)fx_random32();
    ck_assert_int_eq(posix_memalign((void **)&panels, 64, n_panels * stride), 0);
    memset(panels, 77, n_panels * stride);
    const uint8_t zero = (uint8_t)fx_random32();
    const nncf__int8_source source = {src, plane, step, flip, zero, n_segments, segments};
    kernels->pack(n_channels, &source, n_panels, panels, stride);
    for (size_t s = 0; s < n_segments; s++)
        for (int32_t i = 0; i < segments[s].length; i++)
            for (size_t c = 0; c < quads * QUAD; c++) {
                const size_t pixel = (size_t)(segments[s].dst + i);
                const uint8_t got =
                    panels[pixel / mr * stride + (c / QUAD * mr + pixel % mr) * QUAD + c % QUAD];
                const uint8_t want = segments[s].src < 0 || c >= n_channels
                    ? zero
                    : (uint8_t)(src[(int64_t)c * plane + segments[s].src + i * step] ^ flip);
                REQUIRE(got == want, "%s: channel %zu of %zu pixel %zu: %d, not %d", kernels->name,
                    c, n_channels, pixel, got, want);
            }
    for (size_t p = 0; p < n_panels; p++)
        for (size_t i = quads * mr * QUAD; i < stride; i++)
            REQUIRE(panels[p * stride + i] == 77, "%s writes behind a panel", kernels->name);
    free(panels);
    guard_free_bytes(src, n_bytes);
}

START_TEST(pack_reads_nothing_outside_of_segments)
{
    for (size_t t = 0; nncf__int8_kernels_at(t); t++)
        for (size_t n_channels = 1; n_channels <= 9; n_channels++)
            for (size_t n_panels = 1; n_panels <= 3; n_panels++)
                for (int64_t step = 1; step <= 3; step++)
                    for (int pieces = 0; pieces < 2; pieces++)
                        check_pack(nncf__int8_kernels_at(t), n_channels, n_panels, pieces == 1,
                            step, (uint8_t)(n_channels % 2 * 0x80));
}
END_TEST

/* ---- depthwise ---- */

enum { TAPS = NNCF__INT8_TAPS, MOST_PLANES = 5 };

/* Planes of bytes; how they are read; what they are multiplied by. */
typedef struct planes {
    size_t n, h, w, stride, oh, ow;
    bool at_front; /* they begin behind a guard page; else they end before one */
    nncf__plane_group x;
    uint8_t *bytes, *ahead;
    int16_t weights[MOST_PLANES * TAPS];
    float scale[MOST_PLANES], bias[MOST_PLANES];
    /* the same weights, if they fit bytes */
    bool fit;
    int8_t weight_bytes[MOST_PLANES * TAPS];
    int32_t start[MOST_PLANES];
} planes;

/* guard_bytes() ends at a page; what begins at one: a whole number of pages. */
static size_t guarded(const planes *p)
{
    const size_t page = 4096, size = p->n * p->h * p->w;
    return p->at_front ? (size + page - 1) / page * page : size;
}

static planes make_planes(size_t h, size_t w, size_t stride, int pattern, uint8_t flip)
{
    planes p = {.n = 1 + below(MOST_PLANES),
        .h = h,
        .w = w,
        .stride = stride,
        .oh = (h - 1) / stride + 1,
        .ow = (w - 1) / stride + 1,
        .at_front = below(2) == 0};
    const size_t size = p.n * h * w;
    p.bytes = guard_bytes(guarded(&p));
    p.ahead = below(2) ? guard_bytes(size) : NULL;
    for (size_t i = 0; i < size; i++)
        p.bytes[i] = pattern == RANDOM ? (uint8_t)fx_random32() : pattern == DARK ? 0 : 255;
    /* 0, the ends, anything */
    const uint32_t offsets[] = {0, flip, 255, below(256)};
    p.x = (nncf__plane_group){.data = p.bytes,
        .is_bytes = true,
        .bytes = {.offset = (float)offsets[below(4)], .scale = 1.0f, .flip = flip},
        .n = p.n,
        .h = h,
        .w = w,
        .ahead = p.ahead};
    /* a weight with a zero point has codes of up to 255 of either sign */
    for (size_t i = 0; i < p.n * TAPS; i++)
        p.weights[i] = (int16_t)(i % 4 == 3    ? 0
                : pattern == RANDOM && p.n % 2 ? (int)below(511) - 255
                : pattern == RANDOM            ? (int)below(256) - 128
                : pattern == HIGHEST           ? (p.n % 2 ? 255 : 127)
                                               : (p.n % 2 ? -255 : -128));
    p.fit = true;
    for (size_t i = 0; i < p.n * TAPS; i++) {
        p.fit = p.fit && p.weights[i] >= INT8_MIN && p.weights[i] <= INT8_MAX;
        p.weight_bytes[i] = (int8_t)p.weights[i];
        p.start[i / TAPS] -= (int32_t)p.x.bytes.offset * p.weights[i];
    }
    for (size_t c = 0; c < p.n; c++) {
        p.scale[c] = ldexpf((float)(1 + below(1000)), -20);
        p.bias[c] = c % 3 ? (float)below(100) - 50.0f : -0.0f;
    }
    return p;
}

static void free_planes(planes *p)
{
    guard_free_bytes(p->bytes, guarded(p));
    if (p->ahead)
        guard_free_bytes(p->ahead, p->n * p->h * p->w);
}

/* Output (i, j) of plane c. */
static float depthwise_of(const planes *p, size_t c, size_t i, size_t j)
{
    int64_t sum = 0;
    for (size_t t = 0; t < 9; t++) {
        const size_t y = i * p->stride + t / 3 - 1, x = j * p->stride + t % 3 - 1; /* or large */
        if (y < p->h && x < p->w)
            sum += (int64_t)p->weights[c * TAPS + t / 3 * 4 + t % 3] *
                ((p->bytes[(c * p->h + y) * p->w + x] ^ (int64_t)p->x.bytes.flip) -
                    (int64_t)p->x.bytes.offset);
    }
    return (float)sum * p->scale[c] + p->bias[c];
}

/* bytes: of the kernel for weights of bytes. */
static void check_depthwise(
    const nncf__int8_kernels *kernels, const planes *p, bool bytes, bool stream)
{
    const size_t outputs = p->n * p->oh * p->ow, beyond = 40;
    const size_t n_scratch = bytes ? NNCF__INT8_KEPT : 3 * p->w + NNCF__INT8_BEYOND;
    float *z;
    void *scratch;
    ck_assert_int_eq(posix_memalign((void **)&z, 64, (outputs + 2 * beyond) * sizeof *z), 0);
    ck_assert_int_eq(posix_memalign(&scratch, 64, n_scratch + 1), 0);
    ((char *)scratch)[n_scratch] = 77;
    float *to = z + (stream ? 16 : below(16));
    for (size_t i = 0; i < outputs + 2 * beyond; i++)
        z[i] = 1234.0f;
    if (bytes) {
        memset(scratch, 0, sizeof(uint64_t));
        for (int call = 0; call < 2; call++) /* the second one with what the first has kept */
            kernels->depthwise_3x3_bytes(&p->x, p->stride, p->weight_bytes,
                &(nncf__int8_scaling){.start = p->start, .scale = p->scale, .bias = p->bias}, to,
                stream, scratch);
    } else {
        kernels->depthwise_3x3(
            &p->x, p->stride, p->weights, p->scale, p->bias, to, stream, scratch);
    }
    nncf__kernels_get(NNCF_ISA_REFERENCE)->gemm_streams_end();
    __sync_synchronize();
    for (size_t e = 0; e < outputs; e++) {
        const float want = depthwise_of(p, e / (p->oh * p->ow), e / p->ow % p->oh, e % p->ow);
        REQUIRE(memcmp(&to[e], &want, sizeof want) == 0,
            "%s%s: %zu planes %zux%zu/%zu flip %u offset %g: output %zu is %.9g, not %.9g",
            kernels->name, bytes ? " bytes" : "", p->n, p->h, p->w, p->stride, p->x.bytes.flip,
            (double)p->x.bytes.offset, e, (double)to[e], (double)want);
    }
    for (float *at = z; at < z + outputs + 2 * beyond; at++)
        REQUIRE((at >= to && at < to + outputs) || *at == 1234.0f,
            "%s%s: %zux%zu/%zu writes outside", kernels->name, bytes ? " bytes" : "", p->h, p->w,
            p->stride);
    ck_assert_msg(((char *)scratch)[n_scratch] == 77, "%s: scratch", kernels->name);
    free(z);
    free(scratch);
}

/* Planes with all kernels. */
static void check_planes(size_t h, size_t w, size_t stride, int pattern, uint8_t flip)
{
    planes p = make_planes(h, w, stride, pattern, flip);
    for (size_t t = 0; nncf__int8_kernels_at(t); t++)
        for (int stream = 0; stream <= (int)(p.ow % 16 == 0); stream++) {
            const nncf__int8_kernels *kernels = nncf__int8_kernels_at(t);
            if (kernels->depthwise_3x3)
                check_depthwise(kernels, &p, false, stream == 1);
            if (kernels->depthwise_3x3_bytes && p.fit)
                check_depthwise(kernels, &p, true, stream == 1);
        }
    free_planes(&p);
}

/* Sides around what a vector holds. */
START_TEST(depthwise_products_are_exact_integers_rounded_once)
{
    static const size_t sides[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 23, 28, 31, 32, 33};
    const size_t n = sizeof sides / sizeof *sides;
    for (size_t i = 0; i < n * n; i++)
        for (size_t stride = 1; stride <= 2; stride++)
            check_planes(sides[i / n], sides[i % n], stride, RANDOM, (uint8_t)(below(2) * 0x80));
}
END_TEST

START_TEST(depthwise_products_of_the_largest_codes_are_exact)
{
    for (int i = 0; i < 16 * PATTERNS; i++)
        for (size_t w = 5; w <= 37; w += 8)
            check_planes(5, w, 1 + (size_t)i / 2 % 2, HIGHEST + i % (PATTERNS - 1),
                (uint8_t)(i / 4 % 2 * 0x80));
}
END_TEST

START_TEST(a_ceiling_on_the_isa_is_kept)
{
    ck_assert_ptr_null(nncf__int8_kernels_get(NNCF_ISA_REFERENCE));
    ck_assert_ptr_null(nncf__int8_kernels_get(NNCF_ISA_PORTABLE));
    ck_assert_str_eq(nncf__int8_kernels_at(0)->name, "reference");
    /* the table of a level is one of those that the other tests have tried */
    for (int32_t isa = NNCF_ISA_AVX2; isa <= NNCF_ISA_NEON; isa++) {
        const nncf__int8_kernels *k = nncf__int8_kernels_get(isa);
        bool found = k == NULL;
        for (size_t t = 0; nncf__int8_kernels_at(t); t++)
            found = found || nncf__int8_kernels_at(t) == k;
        ck_assert(found);
    }
}
END_TEST

int main(int argc, char **argv)
{
    fx_random_seed_of(argc, argv);
    Suite *suite = suite_create("int8");
    TCase *tcase = fx_case(suite, "kernels", 120);
    tcase_add_test(tcase, sums_are_exact_integers_rounded_once);
    tcase_add_test(tcase, sums_of_narrow_weights_are_the_same);
    tcase_add_test(tcase, sums_of_the_longest_k_do_not_overflow);
    tcase_add_test(tcase, rows_are_exact_integers_rounded_once);
    tcase_add_test(tcase, rows_of_the_longest_k_do_not_overflow);
    tcase_add_test(tcase, pack_reads_nothing_outside_of_segments);
    tcase_add_test(tcase, depthwise_products_are_exact_integers_rounded_once);
    tcase_add_test(tcase, depthwise_products_of_the_largest_codes_are_exact);
    tcase_add_test(tcase, a_ceiling_on_the_isa_is_kept);
    return fx_main(suite);
}
