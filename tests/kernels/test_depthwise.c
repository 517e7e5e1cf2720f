/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels behind depthwise convolutions (depthwise_...) against the reference. */
#include "kernel_check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TAPS = 26, LANES = 16 };

/* ---- any taps, on padded planes ---- */

/* Taps of a padded plane, and where they lie in it. */
typedef struct plane_shape {
    size_t rows, cols, taps, in_step, z_step, n_in, n_z;
    int64_t offsets[MAX_TAPS];
    float w[MAX_TAPS];
} plane_shape;

static plane_shape random_plane(int round)
{
    plane_shape p = {.rows = kc_any(0, 17), .cols = kc_any(1, 50)};
    p.taps = round % 3 ? 9 : kc_any(0, MAX_TAPS);
    p.z_step = p.cols + kc_any(0, 3);
    p.in_step = (p.cols + kc_any(4, 20)) / 2 * 2;
    p.n_in = (p.rows + 6) * p.in_step + p.cols + 16;
    p.n_z = p.rows * p.z_step + 1;
    for (size_t i = 0; i < p.taps; i++)
        p.offsets[i] = (int64_t)(kc_any(0, 5) * p.in_step + kc_any(0, 4));
    if (round % 3 == 1) { /* three by three, at stride 1 and 2, and dilated */
        const size_t row = round % 2 ? p.in_step : p.in_step / 2;
        for (size_t i = 0; i < 3; i++)
            p.offsets[i] = (int64_t)kc_any(0, 4);
        for (size_t i = 3; i < 9; i++)
            p.offsets[i] = p.offsets[i % 3] + (int64_t)(i / 3 * row);
    }
    guard_fill(p.w, p.taps);
    return p;
}

static void forward(kernel_check *t)
{
    const plane_shape p = random_plane(t->round);
    const float *in = kc_floats(t, p.n_in);
    kc_output(t, p.n_z * sizeof(float));
    CALL_BOTH(t,
        k->depthwise_forward(p.rows, p.cols, in, p.in_step, p.taps, p.offsets, p.w, 1.5f, 0.25f,
            kc_out(t, 0), p.z_step, false));
    kc_compare(t, KC_BITS, 0);
}

/* Rows of whole lines, written past the caches; more of them than a block has. */
static void forward_stream(kernel_check *t)
{
    plane_shape p = random_plane(t->round);
    p.rows = kc_any(1, 40);
    p.cols = 16 * kc_any(1, 3);
    p.z_step = p.cols + 16 * kc_any(0, 1);
    p.in_step = p.cols + 2 * kc_any(2, 10);
    for (size_t i = 0; i < p.taps; i++) /* at stride 1 and 2, and any taps */
        p.offsets[i] = p.taps == 9
            ? (int64_t)(i % 3 + i / 3 * (p.in_step / (size_t)(1 + t->round % 2)))
            : (int64_t)(kc_any(0, 5) * p.in_step + kc_any(0, 4));
    const float *in = kc_floats(t, (p.rows + 6) * p.in_step + p.cols + 16);
    kc_output(t, p.rows * p.z_step * sizeof(float)); /* ends a page: lines begin where it does */
    CALL_BOTH(t,
        k->depthwise_forward(p.rows, p.cols, in, p.in_step, p.taps, p.offsets, p.w, 1.5f, 0.25f,
            kc_out(t, 0), p.z_step, true));
    t->tested->gemm_streams_end();
    kc_compare(t, KC_BITS, 0);
}

static void pairs(kernel_check *t)
{
    const plane_shape p = random_plane(t->round);
    const float *in = kc_floats(t, p.n_in);
    const size_t n_even = kc_any(0, p.taps), n_odd = kc_any(0, p.taps - n_even);
    kc_output(t, p.n_z * sizeof(float));
    CALL_BOTH(t,
        k->depthwise_pairs(p.rows, p.cols, in, p.in_step, n_even, n_odd, p.offsets, p.w,
            kc_out(t, 0), p.z_step, false));
    kc_compare(t, KC_BITS, 0);
}

/* The sums go on from call to call. */
static void weight(kernel_check *t)
{
    static const double zeros[MAX_TAPS][LANES];
    const plane_shape p = random_plane(t->round);
    const float *in = kc_floats(t, p.n_in), *dz = kc_floats(t, p.n_z);
    kc_output_from(t, zeros, sizeof zeros);
    for (int twice = 0; twice < 2; twice++)
        CALL_BOTH(t,
            k->depthwise_weight(
                p.rows, p.cols, in, p.in_step, p.taps, p.offsets, dz, p.z_step, kc_out(t, 0)));
    kc_compare(t, KC_BITS, 0);
}

/* ---- any taps, sixteen channels side by side ---- */

typedef struct lanes_shape {
    size_t rows, cols, taps, in_row, in_col, z_row, z_col, n_in, n_z;
    int64_t offsets[MAX_TAPS];
} lanes_shape;

static lanes_shape random_lanes(int round)
{
    lanes_shape p = {.rows = kc_any(0, 5), .cols = kc_any(1, 7)};
    p.taps = round % 3 ? 9 : kc_any(0, MAX_TAPS);
    p.in_col = LANES * kc_any(1, 2);
    p.in_row = LANES * kc_any(14, 18);
    p.n_in = (p.rows + 6) * p.in_row + 20 * LANES;
    p.z_col = LANES * kc_any(1, 3);
    p.z_row = p.z_col * p.cols;
    p.n_z = p.rows * p.z_row + 1;
    for (size_t i = 0; i < p.taps; i++)
        p.offsets[i] = (int64_t)(kc_any(0, 5) * p.in_row + LANES * kc_any(0, 4));
    return p;
}

static void lanes_forward(kernel_check *t)
{
    const lanes_shape p = random_lanes(t->round);
    const float *in = kc_floats(t, p.n_in), *w = kc_floats(t, p.taps * LANES),
                *scale = kc_floats(t, LANES), *bias = kc_floats(t, LANES);
    kc_output(t, p.n_z * sizeof(float));
    CALL_BOTH(t,
        k->depthwise_lanes_forward(p.rows, p.cols, in, p.in_row, p.in_col, p.taps, p.offsets, w,
            scale, bias, kc_out(t, 0), p.z_row, p.z_col));
    kc_compare(t, KC_BITS, 0);
}

/* The sums go on from call to call. */
static void lanes_weight(kernel_check *t)
{
    static const double zeros[MAX_TAPS][LANES];
    const lanes_shape p = random_lanes(t->round);
    const float *in = kc_floats(t, p.n_in), *dz = kc_floats(t, p.rows * p.cols * LANES + 1);
    kc_output_from(t, zeros, sizeof zeros);
    for (int twice = 0; twice < 2; twice++)
        CALL_BOTH(t,
            k->depthwise_lanes_weight(
                p.rows, p.cols, in, p.in_row, p.in_col, p.taps, p.offsets, dz + 1, kc_out(t, 0)));
    kc_compare(t, KC_BITS, 0);
}

/* ---- 3 x 3 on planes as they are ---- */

enum { GROUP = 3 };

/* Some planes as floats and as bytes that mean the same, and gradients of their output. */
typedef struct planes {
    size_t n, h, w, oh, ow, stride, n_x, n_z;
    float *floats, *dz;
    uint8_t *bytes;
    nncf__plane_group as_floats, as_bytes;
    float weights[9 * GROUP], scale[GROUP], bias[GROUP];
} planes;

/* Small whole numbers: every sum is exact, in any order and with any rounding. */
static float whole(int reach)
{
    return (float)((int)kc_any(0, 2 * (size_t)reach) - reach);
}

/* Sides around the vectors' and the blocks' lengths. */
static planes random_sides(size_t stride)
{
    static const size_t sides[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 14, 15, 16, 17, 18, 28, 31, 32, 33, 34, 48, 57, 64};
    return (planes){.n = kc_any(1, GROUP),
        .h = sides[fx_random32() % COUNT(sides)],
        .w = sides[fx_random32() % COUNT(sides)],
        .stride = stride};
}

/* By the round: unsigned bytes whose zero is 0, any zero, signed bytes. */
static void fill_planes(kernel_check *t, planes *p, float scale)
{
    const int kind = t->round % 3;
    p->oh = (p->h - 1) / p->stride + 1;
    p->ow = (p->w - 1) / p->stride + 1;
    p->n_x = p->n * p->h * p->w;
    p->n_z = p->n * p->oh * p->ow;
    p->floats = kc_floats(t, p->n_x);
    p->bytes = kc_bytes(t, p->n_x);
    p->dz = kc_floats(t, p->n_z);
    const nncf__dequant how = {.offset = kind ? (float)kc_any(0, 255) : 0.0f,
        .scale = scale,
        .flip = kind == 2 ? 0x80 : 0};
    p->as_floats = (nncf__plane_group){.data = p->floats, .n = p->n, .h = p->h, .w = p->w};
    p->as_bytes = (nncf__plane_group){
        .data = p->bytes, .is_bytes = true, .bytes = how, .n = p->n, .h = p->h, .w = p->w};
    for (size_t i = 0; i < p->n_x; i++)
        p->floats[i] = ((float)(p->bytes[i] ^ how.flip) - how.offset) * how.scale;
    for (size_t i = 0; i < p->n_z; i++)
        p->dz[i] = whole(20);
    for (size_t i = 0; i < 9 * p->n; i++)
        p->weights[i] = whole(127);
    for (size_t c = 0; c < p->n; c++) {
        p->scale[c] = ldexpf(1.0f, (int)kc_any(0, 3) - 2);
        p->bias[c] = whole(9);
    }
    if (fx_random32() % 2)
        p->as_floats.ahead = p->floats;
}

static planes whole_planes(kernel_check *t, size_t stride)
{
    planes p = random_sides(stride);
    fill_planes(t, &p, 1.0f);
    return p;
}

/* Any numbers, for which a sum depends on its order. */
static planes any_planes(kernel_check *t, size_t stride)
{
    planes p = random_sides(stride);
    fill_planes(t, &p, 0.0123f);
    guard_fill(p.weights, 9 * p.n);
    guard_fill(p.dz, p.n_z);
    return p;
}

/* A number that is not finite, or a denormal one. */
static float special(int round)
{
    static const float all[] = {NAN, INFINITY, -INFINITY, -0.0f, 1e-42f};
    return all[round % 5];
}

static size_t any_stride(void)
{
    return kc_any(1, 2);
}

#define FORWARD(group, streams)                                                                    \
    k->depthwise_3x3_forward(group, p.stride, p.weights, p.scale, p.bias, kc_out(t, 0), streams)

/* Whole numbers: bytes and floats give the reference's bits. */
static void forward_3x3_whole(kernel_check *t)
{
    const planes p = whole_planes(t, any_stride());
    kc_output(t, p.n_z * sizeof(float));
    CALL_BOTH(t, FORWARD(&p.as_floats, false));
    kc_compare(t, KC_BITS, 0);
    kc_output(t, p.n_z * sizeof(float));
    CALL_REF(t, FORWARD(&p.as_floats, false));
    CALL_NEW(t, FORWARD(&p.as_bytes, false));
    kc_compare(t, KC_BITS, 0);
}

/* Any numbers: near the reference, and bytes give the bits of floats. */
static void forward_3x3_any(kernel_check *t)
{
    const planes p = any_planes(t, any_stride());
    kc_output(t, p.n_z * sizeof(float));
    CALL_REF(t, FORWARD(&p.as_floats, false));
    CALL_NEW(t, FORWARD(&p.as_bytes, false));
    const size_t size = t->out[0].bytes;
    float *z = malloc(size);
    memcpy(z, t->out[0].got, size);
    kc_compare(t, KC_NEAR, 1e-3);
    kc_output_from(t, z, size);
    CALL_NEW(t, FORWARD(&p.as_floats, false));
    kc_compare(t, KC_BITS, 0);
    free(z);
}

/* Numbers that are not finite come where they belong and nowhere else. */
static void forward_3x3_special(kernel_check *t)
{
    planes p = random_sides(any_stride());
    fill_planes(t, &p, 1.0f);
    p.floats[fx_random32() % p.n_x] = special(t->round);
    kc_output(t, p.n_z * sizeof(float));
    CALL_BOTH(t, FORWARD(&p.as_floats, false));
    kc_compare(t, KC_VALUES, 0);
}

/* Planes whose rows are whole cache lines, for stores past the caches. */
static planes line_planes(kernel_check *t, size_t stride)
{
    planes p = {.n = 2, .h = 9 * stride, .w = LANES * (1 + (size_t)t->round % 3) * stride};
    p.stride = stride;
    fill_planes(t, &p, 1.0f);
    return p;
}

static float *lines(size_t n)
{
    float *x = aligned_alloc(64, (n * sizeof(float) + 63) / 64 * 64);
    REQUIRE(x, "no memory");
    return x;
}

/* Past the caches: the same numbers. */
static void forward_3x3_stream(kernel_check *t)
{
    const planes p = line_planes(t, 1 + (size_t)t->round / 3 % 2);
    float *z = lines(p.n_z);
    kc_output(t, p.n_z * sizeof(float));
    CALL_NEW(t, FORWARD(&p.as_bytes, false));
    memcpy(t->out[0].want, t->out[0].got, t->out[0].bytes);
    t->tested->depthwise_3x3_forward(&p.as_bytes, p.stride, p.weights, p.scale, p.bias, z, true);
    t->tested->gemm_streams_end();
    memcpy(t->out[0].got, z, t->out[0].bytes);
    kc_compare(t, KC_BITS, 0);
    free(z);
}

/* The sign of a zero is open. */
static void input_3x3_whole(kernel_check *t)
{
    const planes p = whole_planes(t, 2);
    kc_output(t, p.n_x * sizeof(float));
    CALL_REF(t, k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, kc_out(t, 0), false));
    CALL_NEW(t, k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, p.dz, kc_out(t, 0), false));
    kc_compare(t, KC_VALUES, 0);
}

static void input_3x3_any(kernel_check *t)
{
    const planes p = any_planes(t, 2);
    kc_output(t, p.n_x * sizeof(float));
    CALL_BOTH(t, k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, kc_out(t, 0), false));
    kc_compare(t, KC_NEAR, 4e-4);
}

static void input_3x3_special(kernel_check *t)
{
    const planes p = whole_planes(t, 2);
    p.dz[fx_random32() % p.n_z] = special(t->round);
    kc_output(t, p.n_x * sizeof(float));
    CALL_BOTH(t, k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.dz, NULL, kc_out(t, 0), false));
    kc_compare(t, KC_VALUES, 0);
}

static void input_3x3_stream(kernel_check *t)
{
    for (size_t stride = 1; stride <= 2; stride++) {
        const planes p = line_planes(t, stride);
        float *dx = lines(p.n_x);
        kc_output(t, p.n_x * sizeof(float));
        CALL_NEW(t,
            k->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.floats, NULL, kc_out(t, 0), false));
        memcpy(t->out[0].want, t->out[0].got, t->out[0].bytes);
        t->tested->depthwise_3x3_input(p.n, p.h, p.w, p.weights, p.floats, NULL, dx, true);
        t->tested->gemm_streams_end();
        memcpy(t->out[0].got, dx, t->out[0].bytes);
        kc_compare(t, KC_BITS, 0);
        free(dx);
    }
}

/* Sums of the lanes that a kernel adds to, from lanes that are not zero: the sums go on. Which
 * lane an element goes to is open, so that only their sums compare. */
static void lane_sums(kernel_check *t, const planes *p, const nncf__plane_group *x, double *sums)
{
    float lanes[9 * GROUP][LANES];
    for (int i = 0; i < 9 * GROUP; i++)
        for (int j = 0; j < LANES; j++)
            lanes[i][j] = (float)(i + j);
    for (int twice = 0; twice < 2; twice++)
        t->turn->depthwise_3x3_weight(x, p->stride, p->dz, twice ? p->dz : NULL, lanes);
    for (size_t i = 0; i < 9 * GROUP; i++) {
        double sum = 0;
        for (int j = 0; j < LANES; j++)
            sum += (double)lanes[i][j];
        sums[i] = sum;
    }
}

static void weight_3x3_whole(kernel_check *t)
{
    const planes p = whole_planes(t, any_stride());
    kc_output_doubles(t, 9 * GROUP);
    kc_output_doubles(t, 9 * GROUP);
    CALL_BOTH(t, ((void)k, lane_sums(t, &p, &p.as_floats, kc_out(t, 0))));
    CALL_REF(t, ((void)k, lane_sums(t, &p, &p.as_floats, kc_out(t, 1))));
    CALL_NEW(t, ((void)k, lane_sums(t, &p, &p.as_bytes, kc_out(t, 1))));
    kc_compare(t, KC_BITS, 0);
}

static void weight_3x3_any(kernel_check *t)
{
    const planes p = any_planes(t, any_stride());
    double bytes[9 * GROUP];
    kc_output_doubles(t, 9 * GROUP);
    CALL_BOTH(t, ((void)k, lane_sums(t, &p, &p.as_floats, kc_out(t, 0))));
    memcpy(bytes, t->out[0].got, sizeof bytes);
    kc_compare(t, KC_NEAR, 1e-5 * (14.0 * (double)(p.n_z / p.n) + 1000));
    kc_output_from(t, bytes, sizeof bytes);
    CALL_NEW(t, ((void)k, lane_sums(t, &p, &p.as_bytes, kc_out(t, 0))));
    kc_compare(t, KC_BITS, 0);
}

static void weight_3x3_special(kernel_check *t)
{
    planes p = random_sides(any_stride());
    fill_planes(t, &p, 1.0f);
    p.floats[fx_random32() % p.n_x] = special(t->round);
    kc_output_doubles(t, 9 * GROUP);
    CALL_BOTH(t, ((void)k, lane_sums(t, &p, &p.as_floats, kc_out(t, 0))));
    kc_compare(t, KC_VALUES, 0);
}

static const kc_case cases[] = {
    {"depthwise_forward", forward, 300, 60},
    {"depthwise_forward", forward_stream, 100, 20},
    {"depthwise_pairs", pairs, 300, 60},
    {"depthwise_weight", weight, 300, 60},
    {"depthwise_lanes_forward", lanes_forward, 200, 60},
    {"depthwise_lanes_weight", lanes_weight, 200, 60},
    {"depthwise_3x3_forward", forward_3x3_whole, 1500, 200},
    {"depthwise_3x3_forward", forward_3x3_any, 1000, 150},
    {"depthwise_3x3_forward", forward_3x3_special, 600, 100},
    {"depthwise_3x3_forward", forward_3x3_stream, 6, 6},
    {"depthwise_3x3_input", input_3x3_whole, 750, 100},
    {"depthwise_3x3_input", input_3x3_any, 500, 75},
    {"depthwise_3x3_input", input_3x3_special, 300, 50},
    {"depthwise_3x3_input", input_3x3_stream, 3, 3},
    {"depthwise_3x3_weight", weight_3x3_whole, 1500, 200},
    {"depthwise_3x3_weight", weight_3x3_any, 1000, 150},
    {"depthwise_3x3_weight", weight_3x3_special, 600, 100},
};

int main(int argc, char **argv)
{
    return kc_main(argc, argv, "depthwise_", cases, COUNT(cases), NULL);
}
