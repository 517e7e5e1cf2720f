/* SPDX-License-Identifier: Apache-2.0 */
/* test_conv --bench [threads] [level 2..4]: layer shapes of MobileNetV2, ResNet-18 and LeNet; best of several runs. */
#ifndef TESTS_CONV_BENCH_H
#define TESTS_CONV_BENCH_H

#include "kernels/gemm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct bench_shape {
    const char *name;
    int64_t n, c_in, side, c_out, kernel, stride, groups;
} bench_shape;

static const bench_shape bench_shapes[] = {
    {"224 stem 3->32 3x3/2", 16, 3, 224, 32, 3, 2, 1},
    {"224 32->16 112", 16, 32, 112, 16, 1, 1, 1},
    {"224 16->96 112", 16, 16, 112, 96, 1, 1, 1},
    {"224 96->24 56", 16, 96, 56, 24, 1, 1, 1},
    {"224 24->144 56", 16, 24, 56, 144, 1, 1, 1},
    {"224 144->32 28", 16, 144, 28, 32, 1, 1, 1},
    {"224 32->192 28", 16, 32, 28, 192, 1, 1, 1},
    {"224 384->64 14", 16, 384, 14, 64, 1, 1, 1},
    {"224 64->384 14", 16, 64, 14, 384, 1, 1, 1},
    {"224 576->96 14", 16, 576, 14, 96, 1, 1, 1},
    {"224 960->320 7", 16, 960, 7, 320, 1, 1, 1},
    {"224 320->1280 7", 16, 320, 7, 1280, 1, 1, 1},
    {"224 linear 1280->1000", 16, 1280, 1, 1000, 1, 1, 1},
    {"32 w.5 8->48 32", 64, 8, 32, 48, 1, 1, 1},
    {"32 w.5 48->16 16", 64, 48, 16, 16, 1, 1, 1},
    {"32 w.5 96->16 8", 64, 96, 8, 16, 1, 1, 1},
    {"32 w.5 32->192 4", 64, 32, 4, 192, 1, 1, 1},
    {"32 w.5 288->80 2", 64, 288, 2, 80, 1, 1, 1},
    {"32 w.5 160->1280 2", 64, 160, 2, 1280, 1, 1, 1},
    {"resnet 64->64 3x3 56", 4, 64, 56, 64, 3, 1, 1},
    {"resnet 128->256 3x3/2 28", 4, 128, 28, 256, 3, 2, 1},
    {"resnet 512->512 3x3 7", 16, 512, 7, 512, 3, 1, 1},
    {"lenet 6->16 5x5 14", 64, 6, 14, 16, 5, 1, 1},
    {"dw 32 112", 16, 32, 112, 32, 3, 1, 32},
    {"dw 96 112/2", 16, 96, 112, 96, 3, 2, 96},
    {"dw 144 56", 16, 144, 56, 144, 3, 1, 144},
    {"dw 144 56/2", 16, 144, 56, 144, 3, 2, 144},
    {"dw 384 14", 16, 384, 14, 384, 3, 1, 384},
    {"dw 960 7", 16, 960, 7, 960, 3, 1, 960},
    {"dw 48 32/2", 64, 48, 32, 48, 3, 2, 48},
    {"dw 192 4", 64, 192, 4, 192, 3, 1, 192},
    {"dw 480 2", 64, 480, 2, 480, 3, 1, 480},
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
    nncf__operand x, w;
    float *z, *dz, *dx, *dw;
} bench_run;

static nncf_status bench_pass(const bench_run *r, int pass)
{
    nncf__operand x = {.data = r->x.data}, w = {.data = r->w.data};
    switch (pass) {
    case 0:
        return nncf__conv2d_forward(r->context, &r->s, &x, &w, NULL, r->z);
    case 1:
        return nncf__conv2d_forward(r->context, &r->s, &r->x, &r->w, NULL, r->z);
    case 2:
        return nncf__conv2d_backward_input(r->context, &r->s, r->w.data, r->dz, r->dx);
    default:
        return nncf__conv2d_backward_weight(r->context, &r->s, &x, r->dz, r->dw);
    }
}

static float *bench_array(size_t n, float step)
{
    float *x = malloc((n + 16) * sizeof *x);
    if (!x)
        exit(EXIT_FAILURE);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((int)(i * 2654435761u >> 16 & 127)) * step;
    return x;
}

static void bench_one(nncf_context *context, const bench_shape *b)
{
    nncf__conv2d s = {b->n,      b->c_in,   b->side,   b->side,       b->c_out,      0, 0, b->kernel,
                      b->kernel, b->stride, b->stride, b->kernel / 2, b->kernel / 2, 1, 1, b->groups};
    s.out_h = s.out_w = (b->side + 2 * s.pad_h - b->kernel) / b->stride + 1;
    size_t n_x = (size_t)(s.n * s.c_in * s.h * s.w), n_z = (size_t)(s.n * s.c_out * s.out_h * s.out_w);
    size_t n_w = (size_t)(s.c_out * (s.c_in / s.groups) * b->kernel * b->kernel);
    float step = 1.0f / 64;
    bench_run r = {.context = context,
                   .s = s,
                   .x = {.data = bench_array(n_x, step), .step = &step, .n_steps = 1},
                   .w = {.data = bench_array(n_w, step), .step = &step, .n_steps = 1},
                   .z = bench_array(n_z, step),
                   .dz = bench_array(n_z, step),
                   .dx = bench_array(n_x, step),
                   .dw = bench_array(n_w, step)};
    double flops = 2.0 * (double)n_z * (double)n_w / (double)s.c_out;
    printf("%-26s", b->name);
    for (int pass = 0; pass < 4; pass++) {
        double best = 1e9, begin = bench_now();
        for (int i = 0; i < 200 && (i < 5 || bench_now() - begin < 0.25); i++) {
            double start = bench_now();
            if (bench_pass(&r, pass))
                exit(EXIT_FAILURE);
            double t = bench_now() - start;
            best = t < best ? t : best;
        }
        if (s.groups > 1)
            printf("  %8.3f ms %6.3f ns/out", best * 1e3, best * 1e9 / (double)(pass < 2 || pass == 3 ? n_z : n_x));
        else
            printf("  %8.3f ms %6.1f GF/s  ", best * 1e3, flops / best * 1e-9);
    }
    printf("\n");
    fflush(stdout);
    free((void *)(uintptr_t)r.x.data);
    free((void *)(uintptr_t)r.w.data);
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
    const char *only = argc > 4 ? argv[4] : "";
    if (params.n_threads == 1)
        bench_clock = CLOCK_THREAD_CPUTIME_ID;
    if (nncf_context_create(NNCF_API_VERSION, &params, &c, NULL))
        return EXIT_FAILURE;
    printf("%s; %s\n%-26s  %-23s  %-23s  %-23s  %-23s\n", nncf_context_describe(c), nncf__gemm_describe(c), "",
           "forward", "forward, codes", "backward_input", "backward_weight");
    for (size_t i = 0; i < sizeof bench_shapes / sizeof *bench_shapes; i++)
        if (strstr(bench_shapes[i].name, only))
            bench_one(c, &bench_shapes[i]);
    nncf_context_destroy(c);
    return EXIT_SUCCESS;
}

#endif
