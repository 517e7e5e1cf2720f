/* SPDX-License-Identifier: Apache-2.0 */
/* The rows behind depthwise convolutions (depthwise_...) against the reference rows. */
#include "kernels/kernels.h"
#include "support/require.h"

#include "product_rows.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(depthwise)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(300, 60); round++) {
        size_t rows = any(0, 17), cols = any(1, 50), taps = round % 3 ? 9 : any(0, 26),
               z_step = cols + any(0, 3);
        size_t in_step = (cols + any(4, 20)) / 2 * 2, n_in = (rows + 6) * in_step + cols + 16,
               n_z = rows * z_step + 1;
        int64_t offsets[26];
        float w[26];
        for (size_t t = 0; t < taps; t++)
            offsets[t] = (int64_t)(any(0, 5) * in_step + any(0, 4));
        if (round % 3 == 1) { /* three by three, at stride 1 and 2, and dilated */
            size_t row = round % 2 ? in_step : in_step / 2;
            for (size_t t = 0; t < 3; t++)
                offsets[t] = (int64_t)any(0, 4);
            for (size_t t = 3; t < 9; t++)
                offsets[t] = offsets[t % 3] + (int64_t)(t / 3 * row);
        }
        guard_fill(w, taps);
        float *in = guard_alloc(n_in), *got = guard_alloc(n_z), *want = malloc(n_z * sizeof *want);
        guard_fill(in, n_in);
        memset(got, 0x55, n_z * sizeof *got);
        memset(want, 0x55, n_z * sizeof *want);
        k->depthwise_forward(
            rows, cols, in, in_step, taps, offsets, w, 1.5f, 0.25f, got, z_step, false);
        r->depthwise_forward(
            rows, cols, in, in_step, taps, offsets, w, 1.5f, 0.25f, want, z_step, false);
        assert_bits("depthwise_forward", got, want, n_z * sizeof *got);

        size_t n_even = any(0, taps), n_odd = any(0, taps - n_even);
        k->depthwise_pairs(rows, cols, in, in_step, n_even, n_odd, offsets, w, got, z_step, false);
        r->depthwise_pairs(rows, cols, in, in_step, n_even, n_odd, offsets, w, want, z_step, false);
        assert_bits("depthwise_pairs", got, want, n_z * sizeof *got);

        double got_lanes[26][16] = {{0}}, want_lanes[26][16] = {{0}};
        guard_fill(got, n_z);
        for (int twice = 0; twice < 2; twice++) {
            k->depthwise_weight(rows, cols, in, in_step, taps, offsets, got, z_step, got_lanes);
            r->depthwise_weight(rows, cols, in, in_step, taps, offsets, got, z_step, want_lanes);
        }
        assert_bits("depthwise_weight", got_lanes, want_lanes, sizeof got_lanes);
        guard_free(in, n_in);
        guard_free(got, n_z);
        free(want);
    }
}
END_TEST

START_TEST(depthwise_lanes)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < 200; round++) {
        size_t rows = any(0, 5), cols = any(1, 7), taps = round % 3 ? 9 : any(0, 26);
        size_t in_col = 16 * any(1, 2), in_row = 16 * any(14, 18),
               n_in = (rows + 6) * in_row + 20 * 16;
        size_t z_col = 16 * any(1, 3), z_row = z_col * cols, n_z = rows * z_row + 1;
        int64_t offsets[26];
        float w[26 * 16], scale[16], bias[16];
        for (size_t t = 0; t < taps; t++)
            offsets[t] = (int64_t)(any(0, 5) * in_row + 16 * any(0, 4));
        guard_fill(w, taps * 16);
        guard_fill(scale, 16);
        guard_fill(bias, 16);
        float *in = guard_alloc(n_in), *got = guard_alloc(n_z), *want = malloc(n_z * sizeof *want);
        guard_fill(in, n_in);
        memset(got, 0x55, n_z * sizeof *got);
        memset(want, 0x55, n_z * sizeof *want);
        k->depthwise_lanes_forward(
            rows, cols, in, in_row, in_col, taps, offsets, w, scale, bias, got, z_row, z_col);
        r->depthwise_lanes_forward(
            rows, cols, in, in_row, in_col, taps, offsets, w, scale, bias, want, z_row, z_col);
        assert_bits("depthwise_lanes_forward", got, want, n_z * sizeof *got);

        size_t n_dz = rows * cols * 16 + 1;
        float *dz = guard_alloc(n_dz);
        double got_lanes[26][16] = {{0}}, want_lanes[26][16] = {{0}};
        guard_fill(dz, n_dz);
        for (int twice = 0; twice < 2; twice++) {
            k->depthwise_lanes_weight(
                rows, cols, in, in_row, in_col, taps, offsets, dz + 1, got_lanes);
            r->depthwise_lanes_weight(
                rows, cols, in, in_row, in_col, taps, offsets, dz + 1, want_lanes);
        }
        assert_bits("depthwise_lanes_weight", got_lanes, want_lanes, sizeof got_lanes);
        guard_free(in, n_in);
        guard_free(got, n_z);
        guard_free(dz, n_dz);
        free(want);
    }
}
END_TEST

/* ---- depthwise 3 x 3 on planes as they are ---- */

enum { GROUP = 3 };

/* Some planes, their output, and gradients. */
typedef struct three {
    size_t n, h, w, oh, ow, stride, n_x, n_z;
    float *floats, *z, *want, *dz, *dx, *want_dx;
    uint8_t *bytes;
    nncf__plane_group as_floats, as_bytes;
    float weights[9 * GROUP], scale[GROUP], bias[GROUP];
} three;

/* Small whole numbers: every sum is exact, in any order and with any rounding. */
static float whole(int reach)
{
    return (float)((int)any(0, 2 * (size_t)reach) - reach);
}

/* kind 0: unsigned bytes whose zero is 0; 1: any zero; 2: signed bytes. */
static void three_make(three *p, int kind, float scale)
{
    p->oh = (p->h - 1) / p->stride + 1;
    p->ow = (p->w - 1) / p->stride + 1;
    p->n_x = p->n * p->h * p->w;
    p->n_z = p->n * p->oh * p->ow;
    p->floats = guard_alloc(p->n_x);
    p->bytes = guard_bytes(p->n_x);
    p->z = guard_alloc(p->n_z);
    p->dz = guard_alloc(p->n_z);
    p->dx = guard_alloc(p->n_x);
    p->want = malloc(p->n_z * sizeof(float));
    p->want_dx = malloc(p->n_x * sizeof(float));
    nncf__bytes how = {
        .offset = kind ? (float)any(0, 255) : 0.0f, .scale = scale, .flip = kind == 2 ? 0x80 : 0};
    p->as_floats = (nncf__plane_group){.data = p->floats, .n = p->n, .h = p->h, .w = p->w};
    p->as_bytes = (nncf__plane_group){
        .data = p->bytes, .is_bytes = true, .bytes = how, .n = p->n, .h = p->h, .w = p->w};
    for (size_t i = 0; i < p->n_x; i++) {
        p->bytes[i] = (uint8_t)any(0, 255);
        p->floats[i] = ((float)(p->bytes[i] ^ how.flip) - how.offset) * how.scale;
    }
    for (size_t i = 0; i < p->n_z; i++)
        p->dz[i] = whole(20);
    for (size_t t = 0; t < 9 * p->n; t++)
        p->weights[t] = whole(127);
    for (size_t c = 0; c < p->n; c++) {
        p->scale[c] = ldexpf(1.0f, (int)any(0, 3) - 2);
        p->bias[c] = whole(9);
    }
    if (guard_random() % 2)
        p->as_floats.ahead = p->floats;
}

static void three_free(three *p)
{
    guard_free(p->floats, p->n_x);
    guard_free_bytes(p->bytes, p->n_x);
    guard_free(p->z, p->n_z);
    guard_free(p->dz, p->n_z);
    guard_free(p->dx, p->n_x);
    free(p->want);
    free(p->want_dx);
}

/* Sides around the vectors' and the blocks' lengths. */
static three three_shape(void)
{
    static const size_t sides[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 28, 31, 32, 33, 34, 48, 57, 64};
    return (three){.n = any(1, GROUP),
        .h = sides[guard_random() % COUNT(sides)],
        .w = sides[guard_random() % COUNT(sides)],
        .stride = any(1, 2)};
}

static void check_weight(
    const three *p, const nncf__plane_group *x, const nncf__kernels *k, double sums[9 * GROUP])
{
    float lanes[9 * GROUP][16];
    for (int t = 0; t < 9 * GROUP; t++)
        for (int i = 0; i < 16; i++)
            lanes[t][i] = (float)(t + i);
    for (int twice = 0; twice < 2; twice++) /* the sums go on */
        k->depthwise_3x3_weight(x, p->stride, p->dz, twice ? p->dz : NULL, lanes);
    for (size_t t = 0; t < 9 * GROUP; t++) {
        sums[t] = 0;
        for (int i = 0; i < 16; i++)
            sums[t] += (double)lanes[t][i];
    }
}

/* Whole numbers, as floats and as bytes: the reference's bits. */
START_TEST(depthwise_3x3_whole)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(1500, 200); round++) {
        three p = three_shape();
        three_make(&p, round % 3, 1.0f);
        r->depthwise_3x3_forward(&p.as_floats, p.stride, p.weights, p.scale, p.bias, p.want, false);
        k->depthwise_3x3_forward(&p.as_floats, p.stride, p.weights, p.scale, p.bias, p.z, false);
        assert_bits("depthwise_3x3_forward", p.z, p.want, p.n_z * sizeof(float));
        memset(p.z, 0x55, p.n_z * sizeof(float));
        k->depthwise_3x3_forward(&p.as_bytes, p.stride, p.weights, p.scale, p.bias, p.z, false);
        assert_bits("depthwise_3x3_forward of bytes", p.z, p.want, p.n_z * sizeof(float));

        if (p.stride == 2) {
            memset(p.dx, 0x55, p.n_x * sizeof(float));
            r->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, p.want_dx, false);
            k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, p.dz, p.dx, false);
            for (size_t i = 0; i < p.n_x; i++) /* the sign of a zero is open */
                REQUIRE(!(p.dx[i] < p.want_dx[i]) && !(p.dx[i] > p.want_dx[i]),
                    "depthwise_3x3_input differs");
        }

        double got[9 * GROUP], want[9 * GROUP];
        check_weight(&p, &p.as_floats, r, want);
        check_weight(&p, &p.as_floats, k, got);
        assert_bits("depthwise_3x3_weight", got, want, sizeof got);
        check_weight(&p, &p.as_bytes, k, got);
        assert_bits("depthwise_3x3_weight of bytes", got, want, sizeof got);
        three_free(&p);
    }
}
END_TEST

static void assert_near(const char *what, double got, double want, double reach)
{
    REQUIRE(fabs(got - want) <= 1e-5 * reach, "%s: %g, not %g", what, got, want);
}

/* Any numbers: near the reference, and bytes give the bits of floats. */
START_TEST(depthwise_3x3_any)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(1000, 150); round++) {
        three p = three_shape();
        three_make(&p, round % 3, 0.0123f);
        guard_fill(p.weights, 9 * p.n);
        guard_fill(p.dz, p.n_z);
        r->depthwise_3x3_forward(&p.as_floats, p.stride, p.weights, p.scale, p.bias, p.want, false);
        k->depthwise_3x3_forward(&p.as_bytes, p.stride, p.weights, p.scale, p.bias, p.z, false);
        for (size_t i = 0; i < p.n_z; i++)
            assert_near("depthwise_3x3_forward", (double)p.z[i], (double)p.want[i], 100);
        memcpy(p.want, p.z, p.n_z * sizeof(float));
        k->depthwise_3x3_forward(&p.as_floats, p.stride, p.weights, p.scale, p.bias, p.z, false);
        assert_bits(
            "depthwise_3x3_forward of bytes and floats", p.z, p.want, p.n_z * sizeof(float));

        if (p.stride == 2) {
            r->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, p.want_dx, false);
            k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, p.dx, false);
            for (size_t i = 0; i < p.n_x; i++)
                assert_near("depthwise_3x3_input", (double)p.dx[i], (double)p.want_dx[i], 40);
        }

        double got[9 * GROUP], want[9 * GROUP];
        check_weight(&p, &p.as_floats, r, want);
        check_weight(&p, &p.as_floats, k, got);
        for (int t = 0; t < 9 * GROUP; t++)
            assert_near(
                "depthwise_3x3_weight", got[t], want[t], 14.0 * (double)(p.n_z / p.n) + 1000);
        check_weight(&p, &p.as_bytes, k, want);
        assert_bits("depthwise_3x3_weight of bytes and floats", got, want, sizeof got);
        three_free(&p);
    }
}
END_TEST

static void assert_same(const char *what, double got, double want)
{
    REQUIRE(
        isnan(want) ? isnan(got) : got >= want && got <= want, "%s: %g, not %g", what, got, want);
}

/* A number that is not finite, and a denormal one, come where they belong and nowhere else. */
START_TEST(depthwise_3x3_special)
{
    static const float special[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-42f};
    const nncf__kernels *k = nncf__kernels_get(levels[_i]), *r = reference();
    for (int round = 0; round < sweep_rounds(600, 100); round++) {
        three p = three_shape();
        three_make(&p, 0, 1.0f);
        p.floats[guard_random() % p.n_x] = special[round % 5];
        r->depthwise_3x3_forward(&p.as_floats, p.stride, p.weights, p.scale, p.bias, p.want, false);
        k->depthwise_3x3_forward(&p.as_floats, p.stride, p.weights, p.scale, p.bias, p.z, false);
        for (size_t i = 0; i < p.n_z; i++)
            assert_same("depthwise_3x3_forward", (double)p.z[i], (double)p.want[i]);
        double got[9 * GROUP], want[9 * GROUP];
        check_weight(&p, &p.as_floats, r, want);
        check_weight(&p, &p.as_floats, k, got);
        for (int t = 0; t < 9 * GROUP; t++)
            assert_same("depthwise_3x3_weight", got[t], want[t]);
        if (p.stride == 2) {
            p.dz[guard_random() % p.n_z] = special[round % 5];
            r->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, p.want_dx, false);
            k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, p.dx, false);
            for (size_t i = 0; i < p.n_x; i++)
                assert_same("depthwise_3x3_input", (double)p.dx[i], (double)p.want_dx[i]);
        }
        three_free(&p);
    }
}
END_TEST

/* Past the caches: the same numbers. */
START_TEST(depthwise_3x3_stream)
{
    const nncf__kernels *k = nncf__kernels_get(levels[_i]);
    for (size_t stride = 1; stride <= 2; stride++)
        for (size_t ow = 16; ow <= 48; ow += 16) {
            three p = {.n = 2, .h = 9 * stride, .w = ow * stride, .stride = stride};
            three_make(&p, 0, 1.0f);
            float *to = aligned_alloc(64, (p.n_x * sizeof(float) + 63) / 64 * 64);
            k->depthwise_3x3_forward(&p.as_bytes, stride, p.weights, p.scale, p.bias, p.z, false);
            k->depthwise_3x3_forward(&p.as_bytes, stride, p.weights, p.scale, p.bias, to, true);
            k->gemm_streams_end();
            assert_bits("depthwise_3x3_forward past the caches", to, p.z, p.n_z * sizeof(float));
            k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.floats, NULL, p.dx, false);
            k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.floats, NULL, to, true);
            k->gemm_streams_end();
            assert_bits("depthwise_3x3_input past the caches", to, p.dx, p.n_x * sizeof(float));
            free(to);
            three_free(&p);
        }
}
END_TEST

/* A row without a check above fails here. */
START_TEST(every_row_has_a_check)
{
    static const char *const names[] = {
#define NNCF_KERNEL(name, result, args) #name,
#include "kernels/kernels.def"
#undef NNCF_KERNEL
    };
    static const char *const checked[] = {"depthwise_forward", "depthwise_pairs",
        "depthwise_weight", "depthwise_lanes_forward", "depthwise_lanes_weight",
        "depthwise_3x3_forward", "depthwise_3x3_input", "depthwise_3x3_weight"};
    for (size_t i = 0; i < COUNT(names); i++) {
        bool found = strncmp(names[i], "depthwise_", 10) != 0;
        for (size_t c = 0; c < COUNT(checked); c++)
            found = found || strcmp(checked[c], names[i]) == 0;
        ck_assert_msg(found, "the row %s has no check in test_depthwise.c", names[i]);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("depthwise");
    TCase *t = fx_case(s, "depthwise", 120);
    const int n = levels_here();
    tcase_add_loop_test(t, depthwise, 0, n);
    tcase_add_loop_test(t, depthwise_lanes, 0, n);
    tcase_add_loop_test(t, depthwise_3x3_whole, 0, n);
    tcase_add_loop_test(t, depthwise_3x3_any, 0, n);
    tcase_add_loop_test(t, depthwise_3x3_special, 0, n);
    tcase_add_loop_test(t, depthwise_3x3_stream, 0, n);
    tcase_add_test(t, every_row_has_a_check);
    return s;
}

int main(int argc, char **argv)
{
    return guard_run(suite(), argc, argv);
}
