/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every row of kernels.def at every level that this machine has, against the reference rows, bit
 * for bit: all short lengths, all alignments, in place, between guard pages, with every kind of
 * special value. What the reference computes is tested in test_row_values.c.  `test_rows --bench`
 * prints times instead.
 */
#include "kernel_check.h"
#include "kernel_values.h"

#include "kernels/sigmoid.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLOTS 6

/* One call of a row: its arrays, its other arguments, its results. */
typedef struct call {
    size_t n;
    float *p[SLOTS];
    const uint8_t *bits;
    const nncf__fq *q;
    const nncf__epilogue *e;
    float c[3], zero;
    nncf__dequant bytes;
    uint32_t first;
    uint64_t key, counter;
    double sums[5];
    float range[2];
    int64_t result;
} call;

/* One row. roles: i input, o output, x updated. kinds, what a slot is filled with: v values around
 * the quantizer's range, g gradients, s logits, u uniforms, b bytes. */
typedef struct row {
    const char *name, *roles, *kinds;
    bool uses_epilogue, uses_quantizer;
    void (*run)(const nncf__kernels *k, call *c);
} row;

static bool is_bytes(const row *r, int slot)
{
    return r->kinds[slot] == 'b';
}

static size_t size_of(const row *r, int slot, size_t n)
{
    return is_bytes(r, slot) ? n : n * sizeof(float);
}

/* Quantizers of at most 256 codes are wanted. */
static bool makes_codes(const row *r)
{
    return strchr(r->kinds, 'b') != NULL && r->uses_epilogue;
}

#define ROW(row_name, roles, kinds, epilogue, quantizer, expression)                               \
    static void run_##row_name(const nncf__kernels *k, call *c)                                    \
    {                                                                                              \
        expression;                                                                                \
    }                                                                                              \
    static const row check_##row_name = {                                                          \
        #row_name, roles, kinds, epilogue, quantizer, run_##row_name};

ROW(fq_forward, "io", "vv", false, true, c->result = k->fq_forward(c->n, c->p[0], c->p[1], c->q))
ROW(fq_backward, "iio", "vgg", false, true,
    k->fq_backward(c->n, c->p[0], c->p[1], c->p[2], c->q, c->sums))
ROW(sum_and_squares, "i", "v", false, false, k->sum_and_squares(c->n, c->p[0], c->sums))
ROW(epilogue_forward, "io", "vv", true, false,
    c->result = k->epilogue_forward(c->n, c->p[0], c->p[1], c->e))
ROW(epilogue_backward, "iio", "vgg", true, false,
    k->epilogue_backward(c->n, c->p[0], c->p[1], c->p[2], c->e, c->c[0], c->c[1], c->sums))
ROW(batch_norm_backward, "iio", "vgg", false, false,
    k->batch_norm_backward(c->n, c->p[0], c->p[1], c->p[2], c->c[0], c->c[1], c->c[2]))
ROW(add_forward, "iio", "vvv", true, false,
    c->result = k->add_forward(c->n, c->p[0], c->p[1], c->p[2], c->e))
ROW(add_backward, "iiio", "vvgg", true, false,
    k->add_backward(c->n, c->p[0], c->p[1], c->p[2], c->p[3], c->e, c->sums))
ROW(epilogue_sums, "ii", "vg", true, false,
    k->epilogue_sums(c->n, c->p[0], c->p[1], c->e, c->c[0], c->c[1], c->sums))
ROW(epilogue_dz, "iio", "vgg", true, false,
    k->epilogue_dz(c->n, c->p[0], c->p[1], c->p[2], c->e, c->c[0], c->c[1], c->c[2]))
ROW(epilogue_codes, "io", "vb", true, false,
    c->result = k->epilogue_codes(c->n, c->p[0], (uint8_t *)c->p[1], c->e, c->zero))
ROW(add_codes, "iio", "vvb", true, false,
    c->result = k->add_codes(c->n, c->p[0], c->p[1], (uint8_t *)c->p[2], c->e, c->zero))
ROW(dequantize, "io", "bv", false, true,
    k->dequantize(c->n, (const uint8_t *)c->p[0], c->p[1], &c->bytes))
ROW(min_max, "i", "v", false, false, k->min_max(c->n, c->p[0], c->range))
ROW(accumulate, "ix", "gg", false, false, k->accumulate(c->n, c->p[0], c->p[1]))
ROW(philox_uniform, "o", "u", false, false,
    k->philox_uniform(c->n, c->first, c->key, c->counter, c->p[0]))
ROW(rb_forward, "iiio", "vsuv", false, false,
    k->rb_forward(c->n, c->p[0], c->p[1], c->p[2], c->p[3]))
ROW(rb_backward, "iiiixx", "gvsugg", false, false,
    k->rb_backward(c->n, c->p[0], c->p[1], c->p[2], c->p[3], c->p[4], c->p[5]))
static int64_t rb_codes(const nncf__kernels *k, call *c)
{
    int64_t nans = 3;
    const int64_t clipped =
        k->rb_codes(c->n, c->p[0], c->p[1], c->p[2], (uint8_t *)c->p[3], c->e->fq, c->zero, &nans);
    c->sums[0] += (double)nans;
    return clipped;
}
ROW(rb_codes, "iiio", "vsub", true, false, c->result = rb_codes(k, c))
ROW(rb_quantized_backward, "iiiixx", "gvsugg", false, true,
    k->rb_quantized_backward(
        c->n, c->p[0], c->p[1], c->p[2], c->p[3], c->p[4], c->p[5], c->q, c->sums))
ROW(rb_forward_eval, "iio", "vsv", false, false,
    k->rb_forward_eval(c->n, c->p[0], c->p[1], c->p[2]))
ROW(rb_count, "i", "s", false, false, k->rb_count(c->n, c->p[0], c->sums))
ROW(rb_kept, "i", "s", false, false, c->result = k->rb_kept(c->n, c->p[0]))
ROW(rb_loss_backward, "ix", "sg", false, false,
    k->rb_loss_backward(c->n, c->p[0], c->c[0], c->p[1]))
ROW(mask_forward, "io", "vv", false, false, k->mask_forward(c->n, c->p[0], c->bits, c->p[1]))
ROW(mask_backward, "ix", "gg", false, false, k->mask_backward(c->n, c->p[0], c->bits, c->p[1]))

/* Clearing is in tests/controller/test_array_optimizer.c: an array of zeros would not be trusted.
 */
static void run_adam_step(const nncf__kernels *k, call *c)
{
    const nncf__adam a = {.beta1 = fabsf(c->c[0]) / 2,
        .beta2 = fabsf(c->c[1]) / 2,
        .keep1 = 1 - fabsf(c->c[0]) / 2,
        .keep2 = 1 - fabsf(c->c[1]) / 2,
        .eps = 1e-8f,
        .decay = c->c[2],
        .rate = 0.01f,
        .root = 0.25f};
    k->adam_step(c->n, c->p[0], c->p[1], c->p[2], c->p[3], &a);
}
static const row check_adam_step = {"adam_step", "xxxx", "gggu", false, false, run_adam_step};

/* Also what the arrays are without momentum. */
static void run_sgd_step(const nncf__kernels *k, call *c)
{
    nncf__sgd s = {.decay = c->c[0],
        .keep = c->c[1],
        .take = c->c[2],
        .rate = 0.75f,
        .nesterov = c->first % 2 == 1};
    k->sgd_step(c->n, c->p[0], c->p[1], c->p[2], &s);
    k->sgd_step(c->n, c->p[0], c->p[1], NULL, &s);
}
static const row check_sgd_step = {"sgd_step", "xxx", "ggg", false, false, run_sgd_step};

ROW(sum_abs, "i", "v", false, false, k->sum_abs(c->n, c->p[0], c->sums))
ROW(binarize, "io", "sv", false, false,
    k->binarize(c->n, c->p[0], c->c[0], c->c[1], c->c[2], c->p[1]))
ROW(binarize_codes, "io", "sb", false, false,
    k->binarize_codes(c->n, c->p[0], c->c[0], 1, -1, (uint8_t *)c->p[1]))
ROW(binarize_backward, "iio", "sgg", false, false,
    k->binarize_backward(c->n, c->p[0], c->p[1], c->c[0], 2.0f + fabsf(c->c[1]), c->p[2], c->sums))

/* A bit for each x, as floats. */
static void signs_as_floats(const nncf__kernels *k, call *c)
{
    static uint64_t words[200];
    ck_assert_uint_le(c->n, 64 * sizeof words / sizeof *words);
    k->signs(c->n, c->p[0], words, c->first % 2 ? c->sums : NULL);
    for (size_t i = 0; i < c->n; i++)
        c->p[1][i] = (float)(words[i / 64] >> i % 64 & 1);
}
ROW(signs, "io", "sv", false, false, signs_as_floats(k, c))

/* Words of one channel, as floats; test_binary.c has more of them. */
static void bits_as_floats(const nncf__kernels *k, const call *c)
{
    static uint64_t words[12600];
    k->binarize_bits(c->n, 1, c->p[0], 0, &c->c[0], words);
    for (size_t i = 0; i < c->n; i++)
        c->p[1][i] = (float)words[i];
}
ROW(binarize_bits, "io", "sv", false, false, bits_as_floats(k, c))

/* The test every_row_has_a_check holds this against kernels.def. */
static const row *const rows[] = {
    &check_fq_forward,
    &check_fq_backward,
    &check_sum_and_squares,
    &check_epilogue_forward,
    &check_epilogue_backward,
    &check_batch_norm_backward,
    &check_add_forward,
    &check_add_backward,
    &check_min_max,
    &check_accumulate,
    &check_philox_uniform,
    &check_rb_forward,
    &check_rb_backward,
    &check_rb_codes,
    &check_rb_quantized_backward,
    &check_rb_forward_eval,
    &check_rb_count,
    &check_rb_kept,
    &check_rb_loss_backward,
    &check_mask_forward,
    &check_mask_backward,
    &check_epilogue_sums,
    &check_epilogue_dz,
    &check_epilogue_codes,
    &check_add_codes,
    &check_dequantize,
    &check_adam_step,
    &check_sgd_step,
    &check_sum_abs,
    &check_binarize,
    &check_binarize_codes,
    &check_binarize_backward,
    &check_signs,
    &check_binarize_bits,
};
#define N_ROWS (sizeof rows / sizeof rows[0])

/* ---- arrays between guard pages ---- */

#define MAX_N    12600
#define CAPACITY ((MAX_N + 64) * sizeof(float))

typedef struct area {
    char *low, *high; /* usable bytes; a page without access on either side */
} area;

static area area_create(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), size = (CAPACITY + page - 1) / page * page;
    char *all = mmap(NULL, size + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(all, MAP_FAILED);
    ck_assert_int_eq(mprotect(all + page, size, PROT_READ | PROT_WRITE), 0);
    return (area){all + page, all + page + size};
}

static area area_of[SLOTS], area_bits;

static void areas_create(void)
{
    for (int s = 0; s < SLOTS; s++)
        area_of[s] = area_create();
    area_bits = area_create();
}

/* An array of that size in bytes, `offset` from the lower guard page, or from the upper one. */
static float *place(area a, size_t size, size_t offset, bool at_end)
{
    return (float *)(void *)(at_end ? a.high - size - offset : a.low + offset);
}

#define CANARY       0x5a
#define CANARY_BYTES 256

/* Bytes around the array, as far as the guard pages. */
static void set_canaries(area a, float *p, size_t size)
{
    char *low = (char *)p, *high = low + size;
    size_t below = (size_t)(low - a.low), above = (size_t)(a.high - high);
    below = below < CANARY_BYTES ? below : CANARY_BYTES;
    memset(low - below, CANARY, below);
    memset(high, CANARY, above < CANARY_BYTES ? above : CANARY_BYTES);
}

static void check_canaries(const char *name, area a, const float *p, size_t size)
{
    const char *low = (const char *)p, *high = low + size;
    for (const char *c = low; c > a.low && c > low - CANARY_BYTES; c--)
        REQUIRE(c[-1] == CANARY, "%s wrote before its array of %zu bytes", name, size);
    for (const char *c = high; c < a.high && c < high + CANARY_BYTES; c++)
        REQUIRE(*c == CANARY, "%s wrote behind its array of %zu bytes", name, size);
}

/* ---- one comparison ---- */

typedef struct setting {
    nncf__fq q;
    nncf__epilogue e;
    call arguments;
    float content[SLOTS][MAX_N], expected[SLOTS][MAX_N];
    uint8_t bits[MAX_N / 8 + 1];
} setting;

static setting *st; /* one a test process */

static bool most_bytes_are_equal(const uint8_t *x, size_t n)
{
    size_t counts[256] = {0};
    for (size_t i = 0; i < n; i++)
        counts[x[i]]++;
    for (size_t i = 0; i < 256; i++)
        if (counts[i] * 10 > n * 9)
            return true;
    return false;
}

static bool most_are_equal(const float *x, size_t n)
{
    for (size_t start = 0; start < 8;
         start++) { /* a value of 90 % is one of eight samples but once in 10^8 times */
        size_t equal = 0;
        float candidate = x[(start * 2654435761u) % n];
        for (size_t i = 0; i < n; i++)
            equal += kc_same_float(x[i], candidate);
        if (equal * 10 > n * 9)
            return true;
    }
    return false;
}

static void expect(const row *r, size_t n)
{
    call c = st->arguments;
    c.n = n;
    for (int s = 0; r->roles[s]; s++) {
        memcpy(st->expected[s], st->content[s], size_of(r, s, n));
        c.p[s] = st->expected[s];
    }
    c.bits = st->bits;
    r->run(nncf__kernels_get(NNCF_ISA_REFERENCE), &c);
    memcpy(st->arguments.sums, c.sums,
        sizeof c.sums); /* expected results travel in a second copy, see compare() */
    memcpy(st->arguments.range, c.range, sizeof c.range);
    st->arguments.result = c.result;
}

/* Run at one level with the arrays placed as told (alias: output slot that lies on input slot
 * alias_in, or -1) and compare with what expect() left. `before` has the sums and the range as they
 * were. */
static void compare(const row *r, const nncf__kernels *k, const call *before, size_t n,
    size_t offset, bool at_end, int alias_out, int alias_in)
{
    call c = *before;
    c.n = n;
    for (int s = 0; r->roles[s]; s++) {
        c.p[s] = place(area_of[s], size_of(r, s, n),
            size_of(r, s, offset + (at_end ? 0 : (size_t)s * 3 % 4)), at_end);
        set_canaries(area_of[s], c.p[s], size_of(r, s, n));
        if (r->roles[s] != 'o')
            memcpy(c.p[s], st->content[s], size_of(r, s, n));
    }
    if (alias_out >= 0)
        c.p[alias_out] = c.p[alias_in];
    size_t n_bytes = (n + 7) / 8;
    char *bits = at_end ? area_bits.high - n_bytes : area_bits.low;
    memcpy(bits, st->bits, n_bytes);
    c.bits = (const uint8_t *)bits;
    r->run(k, &c);

    const call *want = &st->arguments;
    REQUIRE(c.result == want->result, "%s/%s n %zu: returns %lld, reference %lld (seed %llu)",
        r->name, k->name, n, (long long)c.result, (long long)want->result,
        (unsigned long long)fx_random_seed());
    for (int i = 0; i < 5; i++)
        REQUIRE(kc_same_double(c.sums[i], want->sums[i]),
            "%s/%s n %zu: sums[%d] = %a, reference %a (seed %llu)", r->name, k->name, n, i,
            c.sums[i], want->sums[i], (unsigned long long)fx_random_seed());
    for (int i = 0; i < 2; i++)
        REQUIRE(kc_same_float(c.range[i], want->range[i]),
            "%s/%s n %zu: range[%d] = %a, reference %a (seed %llu)", r->name, k->name, n, i,
            (double)c.range[i], (double)want->range[i], (unsigned long long)fx_random_seed());
    for (int s = 0; r->roles[s]; s++) {
        if (alias_out < 0 || s != alias_out)
            check_canaries(r->name, area_of[s], c.p[s], size_of(r, s, n));
        if (s == alias_in)
            continue;
        if (is_bytes(r, s)) {
            REQUIRE(memcmp(c.p[s], st->expected[s], n) == 0,
                "%s/%s n %zu offset %zu: bytes differ (seed %llu)", r->name, k->name, n, offset,
                (unsigned long long)fx_random_seed());
            continue;
        }
        for (size_t i = 0; i < n; i++)
            REQUIRE(kc_same_float(c.p[s][i], st->expected[s][i]),
                "%s/%s n %zu offset %zu alias %d-%d: slot %d[%zu] = %a, reference %a (seed %llu)",
                r->name, k->name, n, offset, alias_out, alias_in, s, i, (double)c.p[s][i],
                (double)st->expected[s][i], (unsigned long long)fx_random_seed());
    }
}

/* ---- the settings that rows are called with ---- */

/* Fill everything for one row and length. Returns the arguments before the call; expected results
 * are in st. */
static call prepare(const row *r, size_t n, int variant, int mode)
{
    fx_random_reset(fx_random_seed() + (uint64_t)variant * 1000003u + n * 101u + (uint64_t)mode);
    int which = variant / (r->uses_epilogue ? N_EPILOGUES : 1);
    st->q = quantizer(r->uses_epilogue ? which : which % FINITE_QUANTIZERS);
    if (makes_codes(r)) {
        for (int i = 1; st->q.high - st->q.low > 255; i++)
            st->q = quantizer(which + i);
    }
    st->e = epilogue(variant, &st->q);
    if (makes_codes(r))
        st->e.fq = &st->q;
    call c = {.q = &st->q,
        .e = &st->e,
        .first = variant % 2 ? fx_random32() : 0xffffffffu - (uint32_t)n / 8};
    c.key = ((uint64_t)fx_random32() << 32) | fx_random32();
    c.counter = ((uint64_t)fx_random32() << 32) | fx_random32();
    for (int i = 0; i < 3; i++)
        c.c[i] = uniform(-2.0f, 2.0f);
    /* signed codes around 0 as they are, others from the lowest of either type on */
    c.zero = st->q.low >= -128 && st->q.high <= 127 && variant % 5 ? 0
        : variant % 2                                              ? -st->q.low
                                                                   : -128 - st->q.low;
    c.bytes = (nncf__dequant){(float)(variant * 37 % 256), st->q.scale, variant % 2 ? 0x80 : 0};
    for (int i = 0; i < 5; i++)
        c.sums[i] = (double)uniform(-3.0f, 3.0f);
    static const float ranges[][2] = {
        {INFINITY, -INFINITY}, {-0.5f, 0.5f}, {0.0f, -0.0f}, {-0.0f, 0.0f}, {NAN, NAN}};
    memcpy(c.range, ranges[variant % 5], sizeof c.range);
    for (int s = 0; r->roles[s]; s++)
        for (size_t i = 0; i < n; i++) {
            char kind = r->kinds[s];
            if (kind == 'b') {
                ((uint8_t *)st->content[s])[i] = (uint8_t)fx_random32();
                continue;
            }
            st->content[s][i] = kind == 'v' ? value(&st->q, mode)
                : kind == 'g'               ? gradient(mode)
                : kind == 's'               ? logit(mode)
                                            : noise(mode);
        }
    static const uint32_t density[] = {50, 0, 1, 10, 90, 99, 100};
    uint32_t percent = density[variant % 7];
    memset(st->bits, 0, sizeof st->bits);
    for (size_t i = 0; i < (n + 7) / 8 * 8; i++)
        st->bits[i / 8] = (uint8_t)(st->bits[i / 8] | (fx_random32() % 100 < percent) << (i % 8));
    st->arguments = c;
    expect(r, n);
    return c;
}

/* Outputs that are nearly one value would pass with a broken kernel. Where that is what the case is
 * about: not. */
static void check_trust(const row *r, size_t n, int variant)
{
    bool few_codes = (r->uses_quantizer && st->q.high - st->q.low < 16.0f) || r->uses_epilogue;
    bool sparse = strncmp(r->name, "mask", 4) == 0 && variant % 7 != 0;
    if (n < 64 || few_codes || sparse)
        return;
    for (int s = 0; r->roles[s]; s++)
        if (r->roles[s] != 'i')
            REQUIRE(!(is_bytes(r, s) ? most_bytes_are_equal((const uint8_t *)st->expected[s], n)
                                     : most_are_equal(st->expected[s], n)),
                "%s: the expected output is nearly constant: n %zu, variant %d, %a", r->name, n,
                variant, (double)st->expected[s][0]);
}

static int n_levels(void)
{
    return NNCF_ISA_NEON;
}

static void check_levels(const row *r, const call *before, size_t n, size_t offset, bool at_end)
{
    for (int32_t isa = NNCF_ISA_REFERENCE; isa <= n_levels(); isa++) {
        const nncf__kernels *k = nncf__kernels_get(isa);
        if (k)
            compare(r, k, before, n, offset, at_end, -1, -1);
    }
}

static void setup(void)
{
    areas_create();
    st = calloc(1, sizeof *st);
    ck_assert_ptr_nonnull(st);
}

static void teardown(void)
{
    free(st);
}

START_TEST(rows_agree_at_every_length)
{
    const row *r = rows[_i];
    for (size_t n = 0; n <= 200; n++)
        for (int mode = 0; mode < N_MODES; mode++) {
            int variant = (int)(n * 5) + mode;
            call before = prepare(r, n, variant, mode);
            check_trust(r, n, variant);
            check_levels(r, &before, n, 0, n % 2 == 0);
            check_levels(r, &before, n, 0, n % 2 != 0);
        }
    static const size_t large[] = {255, 256, 257, 1000, 3136, 4099, 12544};
    for (size_t i = 0; i < sizeof large / sizeof large[0]; i++)
        for (int mode = 0; mode < N_MODES; mode++) {
            call before = prepare(r, large[i], (int)i * 7, mode);
            check_trust(r, large[i], (int)i * 7);
            check_levels(r, &before, large[i], i, false);
        }
}
END_TEST

START_TEST(rows_agree_in_every_setting)
{
    const row *r = rows[_i];
    int n_variants = r->uses_epilogue ? N_EPILOGUES * (FINITE_QUANTIZERS + 1)
        : r->uses_quantizer           ? FINITE_QUANTIZERS
                                      : 35;
    for (int variant = 0; variant < n_variants; variant++)
        for (int mode = 0; mode < N_MODES; mode++) {
            call before = prepare(r, 407, variant, mode);
            check_trust(r, 407, variant);
            check_levels(r, &before, 407, 0, true);
        }
}
END_TEST

START_TEST(rows_agree_at_every_alignment)
{
    static const size_t lengths[] = {1, 7, 15, 16, 17, 31, 33, 64, 100};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
        for (size_t offset = 0; offset < 16; offset++) {
            call before = prepare(rows[_i], lengths[l], (int)offset, EDGES);
            check_levels(rows[_i], &before, lengths[l], offset, false);
            check_levels(rows[_i], &before, lengths[l], offset, true);
        }
}
END_TEST

START_TEST(rows_agree_in_place)
{
    const row *r = rows[_i];
    static const size_t lengths[] = {1, 15, 16, 40, 121, 500};
    for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
        for (int out = 0; r->roles[out]; out++)
            for (int in = 0; r->roles[in] == 'i'; in++) {
                size_t n = lengths[l];
                if (r->roles[out] == 'i' || is_bytes(r, out) != is_bytes(r, in))
                    continue;
                call before = prepare(r, n, (int)l * 7 + 6, SPECIALS);
                if (r->roles[out] == 'x') { /* updated: it starts as the input that it lies on */
                    memcpy(st->content[out], st->content[in], n * sizeof(float));
                    st->arguments = before;
                    expect(r, n);
                }
                for (int32_t isa = NNCF_ISA_REFERENCE; isa <= n_levels(); isa++)
                    if (nncf__kernels_get(isa))
                        compare(r, nncf__kernels_get(isa), &before, n, 0, true, out, in);
            }
}
END_TEST

/* The magic number's rounding is rintf()'s: bit patterns from everywhere, and every tie of the
 * codes. */
START_TEST(rounding_is_rintf_everywhere)
{
    enum { N = 4096 };
    static float x[N], want[N], got[N];
    for (int which = 0; which < 12; which++) {
        nncf__fq q = quantizer(which);
        uint32_t bits = (uint32_t)which;
        for (int round = 0; round < 300; round++) {
            for (size_t i = 0; i < N; i++) {
                if (round % 4) {
                    memcpy(&x[i], &bits, sizeof bits);
                    bits += 4787u;
                } else {
                    float code = q.low - 2.0f + (float)(((size_t)round / 4 * N + i) / 3 % 70000);
                    x[i] = (code + 0.5f) * q.scale;
                    x[i] = i % 3 == 0 ? x[i] : nextafterf(x[i], i % 3 == 1 ? INFINITY : -INFINITY);
                }
            }
            int64_t outside = nncf__kernels_get(NNCF_ISA_REFERENCE)->fq_forward(N, x, want, &q);
            for (int32_t isa = NNCF_ISA_PORTABLE; isa <= n_levels(); isa++) {
                const nncf__kernels *k = nncf__kernels_get(isa);
                if (!k)
                    continue;
                ck_assert_int_eq(k->fq_forward(N, x, got, &q), outside);
                for (size_t i = 0; i < N; i++)
                    REQUIRE(kc_same_float(want[i], got[i]), "%s: fq(%a) = %a, reference %a",
                        k->name, (double)x[i], (double)got[i], (double)want[i]);
            }
        }
    }
}
END_TEST

/* The vector sigmoid is the scalar one: every 1009th float. */
START_TEST(vector_sigmoid_is_the_scalar_one)
{
    enum { N = 4096 };
    static float s[N], want[2][N], got[2][N], ones[N];
    for (size_t i = 0; i < N; i++)
        ones[i] = 1.0f;
    uint32_t bits = 0;
    for (size_t done = 0; done < 0xffffffffu / 1009u; done += N) {
        for (size_t i = 0; i < N; i++, bits += 1009u)
            memcpy(&s[i], &bits, sizeof bits);
        for (int32_t isa = NNCF_ISA_REFERENCE; isa <= n_levels(); isa++) {
            const nncf__kernels *k = nncf__kernels_get(isa);
            if (!k)
                continue;
            float(*to)[N] = isa == NNCF_ISA_REFERENCE ? want : got;
            memset(to[0], 0, sizeof to[0]);
            k->rb_loss_backward(N, s, 1.0f, to[0]);
            k->rb_forward_eval(N, ones, s, to[1]);
            for (size_t i = 0; i < N && isa != NNCF_ISA_REFERENCE; i++)
                REQUIRE(kc_same_float(want[0][i], got[0][i]) && want[1][i] == got[1][i],
                    "%s: sigmoid(%a)", k->name, (double)s[i]);
        }
    }
}
END_TEST

/* Where the sigmoid passes 1/2 every float is tried. */
START_TEST(kept_logits_are_those_above_one_half)
{
    enum { N = 4096 };
    static float s[N];
    uint32_t bits = 0x33000000u; /* 2^-25 */
    ck_assert(nncf__sigmoid(NNCF__SIGMOID_HALF) == 0.5f);
    ck_assert(nncf__sigmoid(nextafterf(NNCF__SIGMOID_HALF, 1)) > 0.5f);
    while (bits < 0x35000000u) { /* 2^-21 */
        for (size_t i = 0; i < N; i++, bits++)
            memcpy(&s[i], &bits, sizeof bits);
        const int64_t want = nncf__kernels_get(NNCF_ISA_REFERENCE)->rb_kept(N, s);
        for (int32_t isa = NNCF_ISA_PORTABLE; isa <= n_levels(); isa++)
            if (nncf__kernels_get(isa))
                REQUIRE(nncf__kernels_get(isa)->rb_kept(N, s) == want, "%s: up to %a",
                    nncf__kernels_get(isa)->name, (double)s[N - 1]);
    }
}
END_TEST

/* A context with this ceiling takes the kernels of that ISA. */
static void check_ceiling(int32_t ceiling, int32_t chosen)
{
    nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .n_threads = 1, .max_isa = ceiling};
    nncf_context *context;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &params, &context, NULL), NNCF_OK);
    ck_assert_int_eq(context->params.max_isa, chosen);
    ck_assert_ptr_eq(nncf__kernels_of(context), nncf__kernels_get(chosen));
    nncf_context_destroy(context);
}

START_TEST(max_isa_chooses_the_kernels)
{
    unsetenv("NNCF_MAX_ISA"); /* it would lower the ceilings */
    ck_assert_str_eq(nncf__kernels_get(NNCF_ISA_REFERENCE)->name, "reference");
    for (int32_t isa = NNCF_ISA_REFERENCE; isa <= n_levels(); isa++)
        if (nncf__kernels_get(isa))
            ck_assert_int_eq(nncf__kernels_get(isa)->isa, isa);
    ck_assert_ptr_null(nncf__kernels_get(NNCF_ISA_BEST));
    ck_assert_ptr_null(nncf__kernels_get(-1));
    ck_assert_ptr_null(nncf__kernels_get(n_levels() + 1));
#ifdef __aarch64__
    const bool is_arm = true;
#else
    const bool is_arm = false;
#endif
    int32_t best = NNCF_ISA_REFERENCE;
    for (int32_t isa = NNCF_ISA_REFERENCE; isa <= n_levels(); isa++) {
        const bool is_foreign = isa > NNCF_ISA_PORTABLE && (isa == NNCF_ISA_NEON) != is_arm;
        ck_assert(!is_foreign || !nncf__kernels_get(isa));
        best = nncf__kernels_get(isa) ? isa : best;
        check_ceiling(isa, is_foreign ? NNCF_ISA_PORTABLE : best);
    }
    check_ceiling(NNCF_ISA_BEST, best);
    nncf_context_params wrong = {NNCF_PARAMS(nncf_context_params), .max_isa = 77};
    nncf_context *context = NULL;
    ck_assert_int_eq(nncf_context_create(NNCF_API_VERSION, &wrong, &context, NULL), NNCF_E_ARG);
    ck_assert_ptr_null(context);
}
END_TEST

static const char *name_of_row(size_t i)
{
    return rows[i]->name;
}

START_TEST(every_kernel_has_a_case)
{
    kc_require_all(NULL, name_of_row, N_ROWS);
}
END_TEST

/* ---- times ---- */

/* ns an element. Planes of n out of arrays of `total`. */
static double bench(const row *r, const nncf__kernels *k, size_t n, size_t total)
{
    static float *array[SLOTS];
    static uint8_t *bits;
    nncf__fq q = quantizer(1), codes = quantizer(2);
    nncf__epilogue e = {1.1f, 0.1f, 0.0f, 6.0f,
        &codes}; /* relu6 to 8 bits without a sign: nothing is clipped by it */
    fx_random_reset(fx_random_seed());
    for (int s = 0; s < SLOTS; s++) {
        array[s] = array[s] ? array[s] : aligned_alloc(64, total * sizeof(float));
        for (size_t i = 0; i < total; i++) {
            char kind = r->roles[s] ? r->kinds[s] : 'g';
            array[s][i] = kind == 'v' ? uniform(q.x_low, q.x_high)
                : kind == 'g'         ? gradient(PLAIN)
                : kind == 's'         ? logit(PLAIN)
                                      : noise(PLAIN);
        }
        if (!r->roles[s])
            break;
    }
    bits = bits ? bits : calloc(total / 8 + 1, 1);
    for (size_t i = 0; i < total / 8; i++)
        bits[i] = (uint8_t)fx_random32();
    call c = {.n = n,
        .q = &q,
        .e = &e,
        .bits = bits,
        .c = {0.1f, 0.9f, 0.2f},
        .key = 1,
        .bytes = {3.0f, 0.1f, 0}};
    double ns = 0;
    for (kc_clock clock = kc_start(); kc_ticks(&clock, &ns);)
        for (size_t at = 0; at + n <= total; at += n) {
            for (int s = 0; r->roles[s]; s++)
                c.p[s] = (float *)(void *)((char *)array[s] + size_of(r, s, at));
            r->run(k, &c);
        }
    return ns / (double)(total / n * n);
}

static void bench_all(void)
{
    static const size_t planes[] = {16, 49, 784, 12544, 500000};
    printf("ns an element, arrays of 2 MB each; planes of");
    for (size_t i = 0; i < sizeof planes / sizeof planes[0]; i++)
        printf(" %zu", planes[i]);
    printf("\n");
    for (size_t i = 0; i < N_ROWS; i++)
        for (int32_t isa = NNCF_ISA_REFERENCE; isa <= n_levels(); isa++) {
            const nncf__kernels *k = nncf__kernels_get(isa);
            if (!k)
                continue;
            printf("%-20s %-10s", rows[i]->name, k->name);
            for (size_t p = 0; p < sizeof planes / sizeof planes[0]; p++)
                printf(" %7.3f", bench(rows[i], k, planes[p], 500000));
            printf("\n");
        }
}

int main(int argc, char **argv)
{
    fx_random_seed_of(argc, argv);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench_all();
        return 0;
    }
    Suite *suite = suite_create("rows");
    TCase *tc = fx_case(suite, "against the reference", 120);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, max_isa_chooses_the_kernels);
    tcase_add_test(tc, every_kernel_has_a_case);
    tcase_add_loop_test(tc, rows_agree_at_every_length, 0, (int)N_ROWS);
    tcase_add_loop_test(tc, rows_agree_in_every_setting, 0, (int)N_ROWS);
    tcase_add_loop_test(tc, rows_agree_at_every_alignment, 0, (int)N_ROWS);
    tcase_add_loop_test(tc, rows_agree_in_place, 0, (int)N_ROWS);
    tcase_add_test(tc, rounding_is_rintf_everywhere);
    tcase_add_test(tc, vector_sigmoid_is_the_scalar_one);
    tcase_add_test(tc, kept_logits_are_those_above_one_half);
    return fx_main(suite);
}
