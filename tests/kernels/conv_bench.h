/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_conv --bench [threads] [level 2..4] [name] [passes]: best of several runs for the layer
 * shapes of MobileNetV2 (m, batch 16), ResNet-50 (r, batch 4) and small ones (s). Only names that
 * contain `name`; passes is a string of digits: 0 forward in floats, 1 in codes from floats, 2 in
 * codes from bytes, 3 input gradient, 4 weight gradient, 5 weight gradient from bytes. Percent are
 * of the micro-kernel's own speed on packed panels in the second-level cache, times threads.
 */
#ifndef TESTS_CONV_BENCH_H
#define TESTS_CONV_BENCH_H

#include "conv/conv2d.h"
#include "gemm/microkernel.h"
#include "kernels/qtensor.h"
#include "support/conv_run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_shape {
    const char *name;
    int64_t n, c_in, side, c_out, kernel, stride, groups;
} bench_shape;

static const bench_shape bench_shapes[] = {
    {"m stem 3->32 3x3/2 224", 16, 3, 224, 32, 3, 2, 1},
    {"m 32->16 112", 16, 32, 112, 16, 1, 1, 1},
    {"m 16->96 112", 16, 16, 112, 96, 1, 1, 1},
    {"m 96->24 56", 16, 96, 56, 24, 1, 1, 1},
    {"m 24->144 56", 16, 24, 56, 144, 1, 1, 1},
    {"m 144->24 56", 16, 144, 56, 24, 1, 1, 1},
    {"m 144->32 28", 16, 144, 28, 32, 1, 1, 1},
    {"m 32->192 28", 16, 32, 28, 192, 1, 1, 1},
    {"m 192->32 28", 16, 192, 28, 32, 1, 1, 1},
    {"m 192->64 14", 16, 192, 14, 64, 1, 1, 1},
    {"m 64->384 14", 16, 64, 14, 384, 1, 1, 1},
    {"m 384->64 14", 16, 384, 14, 64, 1, 1, 1},
    {"m 384->96 14", 16, 384, 14, 96, 1, 1, 1},
    {"m 96->576 14", 16, 96, 14, 576, 1, 1, 1},
    {"m 576->96 14", 16, 576, 14, 96, 1, 1, 1},
    {"m 576->160 7", 16, 576, 7, 160, 1, 1, 1},
    {"m 160->960 7", 16, 160, 7, 960, 1, 1, 1},
    {"m 960->160 7", 16, 960, 7, 160, 1, 1, 1},
    {"m 960->320 7", 16, 960, 7, 320, 1, 1, 1},
    {"m 320->1280 7", 16, 320, 7, 1280, 1, 1, 1},
    {"m linear 1280->1000", 16, 1280, 1, 1000, 1, 1, 1},
    {"m dw 32 112", 16, 32, 112, 32, 3, 1, 32},
    {"m dw 96 112/2", 16, 96, 112, 96, 3, 2, 96},
    {"m dw 144 56", 16, 144, 56, 144, 3, 1, 144},
    {"m dw 144 56/2", 16, 144, 56, 144, 3, 2, 144},
    {"m dw 192 28", 16, 192, 28, 192, 3, 1, 192},
    {"m dw 192 28/2", 16, 192, 28, 192, 3, 2, 192},
    {"m dw 384 14", 16, 384, 14, 384, 3, 1, 384},
    {"m dw 576 14", 16, 576, 14, 576, 3, 1, 576},
    {"m dw 576 14/2", 16, 576, 14, 576, 3, 2, 576},
    {"m dw 960 7", 16, 960, 7, 960, 3, 1, 960},
    {"r stem 3->64 7x7/2 224", 4, 3, 224, 64, 7, 2, 1},
    {"r 64->64 1x1 56", 4, 64, 56, 64, 1, 1, 1},
    {"r 64->64 3x3 56", 4, 64, 56, 64, 3, 1, 1},
    {"r 64->256 1x1 56", 4, 64, 56, 256, 1, 1, 1},
    {"r 256->64 1x1 56", 4, 256, 56, 64, 1, 1, 1},
    {"r 256->128 1x1 56", 4, 256, 56, 128, 1, 1, 1},
    {"r 128->128 3x3/2 56", 4, 128, 56, 128, 3, 2, 1},
    {"r 128->512 1x1 28", 4, 128, 28, 512, 1, 1, 1},
    {"r 256->512 1x1/2 56", 4, 256, 56, 512, 1, 2, 1},
    {"r 512->128 1x1 28", 4, 512, 28, 128, 1, 1, 1},
    {"r 128->128 3x3 28", 4, 128, 28, 128, 3, 1, 1},
    {"r 512->256 1x1 28", 4, 512, 28, 256, 1, 1, 1},
    {"r 256->256 3x3/2 28", 4, 256, 28, 256, 3, 2, 1},
    {"r 256->1024 1x1 14", 4, 256, 14, 1024, 1, 1, 1},
    {"r 1024->256 1x1 14", 4, 1024, 14, 256, 1, 1, 1},
    {"r 256->256 3x3 14", 4, 256, 14, 256, 3, 1, 1},
    {"r 1024->512 1x1 14", 4, 1024, 14, 512, 1, 1, 1},
    {"r 512->512 3x3/2 14", 4, 512, 14, 512, 3, 2, 1},
    {"r 512->2048 1x1 7", 4, 512, 7, 2048, 1, 1, 1},
    {"r 2048->512 1x1 7", 4, 2048, 7, 512, 1, 1, 1},
    {"r 512->512 3x3 7", 4, 512, 7, 512, 3, 1, 1},
    {"r linear 2048->1000", 4, 2048, 1, 1000, 1, 1, 1},
    {"s 8->48 32", 64, 8, 32, 48, 1, 1, 1},
    {"s 48->16 16", 64, 48, 16, 16, 1, 1, 1},
    {"s 96->16 8", 64, 96, 8, 16, 1, 1, 1},
    {"s 32->192 4", 64, 32, 4, 192, 1, 1, 1},
    {"s 288->80 2", 64, 288, 2, 80, 1, 1, 1},
    {"s 160->1280 2", 64, 160, 2, 1280, 1, 1, 1},
    {"s lenet 6->16 5x5 14", 64, 6, 14, 16, 5, 1, 1},
    {"s dw 48 32/2", 64, 48, 32, 48, 3, 2, 48},
    {"s dw 192 4", 64, 192, 4, 192, 3, 1, 192},
    {"s dw 480 2", 64, 480, 2, 480, 3, 1, 480},
};

/* One thread: its own time, so that others on the machine disturb less. */
static clockid_t bench_clock = CLOCK_MONOTONIC;

static double bench_now(void)
{
    struct timespec t;
    clock_gettime(bench_clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench_run {
    nncf_context *context;
    nncf__conv2d s;
    nncf__qtensor x, bytes, w, w_floats;
    float *z, *dz, *dx, *dw;
} bench_run;

static nncf_status bench_pass(const bench_run *r, int pass)
{
    const nncf__qtensor x = {.data = r->x.data}, *w = &r->w_floats;
    switch (pass) {
    case 0:
        return conv_forward(r->context, &r->s, &x, w, NULL, r->z);
    case 1:
        return conv_forward(r->context, &r->s, &r->x, &r->w, NULL, r->z);
    case 2:
        return conv_forward(r->context, &r->s, &r->bytes, &r->w, NULL, r->z);
    case 3:
        return conv_backward_input(r->context, &r->s, w, r->dz, r->dx);
    case 4:
        return conv_backward_weight(r->context, &r->s, &x, r->dz, r->dw);
    default:
        return conv_backward_weight(r->context, &r->s, &r->bytes, r->dz, r->dw);
    }
}

static const char *const bench_names[] = {"forward", "codes", "bytes", "dx", "dw", "dw, bytes"};
enum { BENCH_PASSES = sizeof bench_names / sizeof *bench_names };

static void *bench_memory(size_t bytes)
{
    void *p = NULL;
    if (posix_memalign(&p, 64, bytes + 64))
        exit(EXIT_FAILURE);
    return p;
}

static unsigned bench_code(size_t i)
{
    return i * 2654435761u >> 16 & 127;
}

static float *bench_array(size_t n, float step)
{
    float *x = bench_memory(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)bench_code(i) * step;
    return x;
}

static uint8_t *bench_bytes(size_t n)
{
    uint8_t *x = bench_memory(n);
    for (size_t i = 0; i < n; i++)
        x[i] = (uint8_t)bench_code(i);
    return x;
}

/* GF/s of the micro-kernel alone. */
static double bench_peak(nncf_context *context)
{
    enum { K = 256, PANELS_V = 12, PANELS_S = 8 };
    nncf__microkernel m;
    nncf__microkernel_get(context, &m);
    float *v = bench_array((size_t)(PANELS_V * K * m.mr) + NNCF__PANEL_SLACK, 1),
          *c = bench_array(NNCF__TILE_MAX, 1);
    float *s = bench_array((size_t)(PANELS_S * K * m.nr) + NNCF__PANEL_SLACK, 1);
    double best = 1e9;
    for (int run = 0; run < 400; run++) {
        double start = bench_now();
        for (int64_t j = 0; j < PANELS_S; j++)
            for (int64_t i = 0; i < PANELS_V; i++)
                m.run(&m, K, v + i * K * m.mr, s + j * K * m.nr, m.nr, c, false);
        double t = bench_now() - start;
        best = t < best ? t : best;
    }
    free(v);
    free(s);
    free(c);
    return 2.0 * K * PANELS_V * PANELS_S * (double)(m.mr * m.nr) / best * 1e-9;
}

static double bench_time(const bench_run *r, int pass)
{
    double best = 1e9, begin = bench_now();
    for (int i = 0; i < 200 && (i < 5 || bench_now() - begin < 0.1); i++) {
        double start = bench_now();
        if (bench_pass(r, pass))
            exit(EXIT_FAILURE);
        double t = bench_now() - start;
        best = t < best ? t : best;
    }
    return best;
}

static void bench_one(
    nncf_context *context, const bench_shape *b, const char *passes, double peak, double *totals)
{
    nncf__conv2d s = {b->n, b->c_in, b->side, b->side, b->c_out, 0, 0, b->kernel, b->kernel,
        b->stride, b->stride, b->kernel / 2, b->kernel / 2, 1, 1, b->groups, false, 0, NULL, false};
    s.out_h = s.out_w = (b->side + 2 * s.pad_h - b->kernel) / b->stride + 1;
    size_t n_x = (size_t)(s.n * s.c_in * s.h * s.w),
           n_z = (size_t)(s.n * s.c_out * s.out_h * s.out_w);
    size_t n_w = (size_t)(s.c_out * (s.c_in / s.groups) * b->kernel * b->kernel);
    float step = 1.0f / 64;
    float *x = bench_array(n_x, step), *w = bench_array(n_w, step);
    uint8_t *bytes = bench_bytes(n_x), *w_codes = bench_bytes(n_w);
    bench_run r = {.context = context,
        .s = s,
        .x = {.data = x, .scale = &step, .n_scales = 1},
        .bytes = {.data = bytes, .scale = &step, .n_scales = 1, .dtype = NNCF_U8},
        .w = {.data = w_codes, .scale = &step, .n_scales = 1, .dtype = NNCF_S8},
        .w_floats = {.data = w},
        .z = bench_array(n_z, step),
        .dz = bench_array(n_z, step),
        .dx = bench_array(n_x, step),
        .dw = bench_array(n_w, step)};
    double flops = 2.0 * (double)n_z * (double)n_w / (double)s.c_out;
    printf("%-26s", b->name);
    for (int pass = 0; pass < BENCH_PASSES; pass++) {
        if (!strchr(passes, '0' + pass))
            continue;
        double best = bench_time(&r, pass);
        totals[pass] += best;
        if (s.groups > 1)
            printf("  %7.3f ms %5.3f ns", best * 1e3, best * 1e9 / (double)(pass == 3 ? n_x : n_z));
        else
            printf("  %7.3f ms %4.0f %2.0f%%", best * 1e3, flops / best * 1e-9,
                flops / best * 1e-7 / peak);
    }
    printf("\n");
    fflush(stdout);
    free(x);
    free(w);
    free(bytes);
    free(w_codes);
    free(r.z);
    free(r.dz);
    free(r.dx);
    free(r.dw);
}

static int bench(int argc, char **argv)
{
    nncf_context *c = NULL;
    nncf_context_params params = {.struct_size = sizeof params,
        .n_threads = argc > 2 ? atoi(argv[2]) : 1,
        .max_isa = argc > 3 ? atoi(argv[3]) : NNCF_ISA_BEST};
    const char *only = argc > 4 ? argv[4] : "", *passes = argc > 5 ? argv[5] : "012345";
    double totals[BENCH_PASSES] = {0};
    bench_clock = CLOCK_THREAD_CPUTIME_ID;
    if (nncf_context_create(NNCF_API_VERSION, &params, &c, NULL))
        return EXIT_FAILURE;
    double peak = bench_peak(c) * params.n_threads;
    if (params.n_threads > 1)
        bench_clock = CLOCK_MONOTONIC;
    printf("%s; micro-kernel %s: %.1f GF/s\n%-26s", nncf_context_get_description(c),
        nncf__gemm_describe(c), peak, "");
    for (int pass = 0; pass < BENCH_PASSES; pass++)
        if (strchr(passes, '0' + pass))
            printf("  %-19s", bench_names[pass]);
    printf("\n");
    for (size_t i = 0; i < sizeof bench_shapes / sizeof *bench_shapes; i++)
        if (strstr(bench_shapes[i].name, only))
            bench_one(c, &bench_shapes[i], passes, peak, totals);
    printf("%-26s", "all");
    for (int pass = 0; pass < BENCH_PASSES; pass++)
        if (strchr(passes, '0' + pass))
            printf("  %7.3f ms         ", totals[pass] * 1e3);
    printf("\n");
    nncf_context_destroy(c);
    return EXIT_SUCCESS;
}

#endif
