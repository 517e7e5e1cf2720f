/* SPDX-License-Identifier: Apache-2.0 */
/* Each kernel alone: microkernels, which are the peaks of the machine; the products of a model
 * against these; and those that pass over memory against memcpy, once with arrays that stay in the
 * first-level cache and once with large ones. */
#include "peaks.h"
#include "products.h"

#include "base/pool.h"
#include "kernels/kernels.h"

#include <nncf/nncf.h>

#include <stdlib.h>
#include <string.h>

/* ---- microkernels ---- */

static void print_peak(const bench_options *o, const char *who, const char *type, double rate)
{
    json_begin("kernels");
    json_text("who", who);
    json_text("kernel", "microkernel");
    json_text("type", type);
    json_int("threads", o->threads);
    json_number("gops", 1e-9 * rate);
    json_end();
}

static void microkernels(const bench_options *o, nncf_context *context)
{
    nncf__microkernel m;
    nncf__microkernel_get(context, &m);
    print_peak(o, m.blis_kernel ? "blis" : "built-in", "f32", peak_of_floats(o, context, &m));
    for (int32_t isa = NNCF_ISA_PORTABLE; isa <= NNCF_ISA_AVX512; isa++)
        if (nncf__kernels_get(isa)) {
            nncf__microkernel_builtin(nncf__kernels_get(isa), &m);
            print_peak(o, nncf__kernels_get(isa)->name, "f32", peak_of_floats(o, context, &m));
        }
    /* the first table is the reference: plain loops, which nothing is compared with */
    for (size_t i = 1; nncf__int8_kernels_at(i); i++)
        print_peak(o, nncf__int8_kernels_at(i)->name, "int8",
            peak_of_int8(o, context, nncf__int8_kernels_at(i)));
}

/* ---- kernels that pass over memory ---- */

typedef struct arrays {
    float *a, *b, *y;
    uint8_t *bytes;
} arrays;

static const float scale = 6.0f / 255;

static nncf__fq quantizer(void)
{
    return (nncf__fq){.scale = scale, .high = 255, .x_high = 255 * scale};
}

static nncf__epilogue epilogue(const nncf__fq *fq)
{
    return (nncf__epilogue){.scale = 1.5f, .shift = 0.25f, .act_low = 0, .act_high = 6, .fq = fq};
}

typedef void pass_fn(const nncf__kernels *k, size_t n, size_t at, arrays *v);

static void pass_copy(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    (void)k;
    memcpy(v->y + at, v->a + at, n * sizeof *v->y);
}

static void pass_fq_forward(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    const nncf__fq q = quantizer();
    k->fq_forward(n, v->a + at, v->y + at, &q);
}

static void pass_fq_backward(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    const nncf__fq q = quantizer();
    double sums[3] = {0};
    k->fq_backward(n, v->a + at, v->b + at, v->y + at, &q, sums);
}

static void pass_squares(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    double sums[2] = {0};
    k->sum_and_squares(n, v->a + at, sums);
}

static void pass_epilogue_codes(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    const nncf__fq q = quantizer();
    const nncf__epilogue e = epilogue(&q);
    k->epilogue_codes(n, v->a + at, v->bytes + at, &e, 0);
}

static void pass_epilogue_sums(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    const nncf__fq q = quantizer();
    const nncf__epilogue e = epilogue(&q);
    double sums[5] = {0};
    k->epilogue_sums(n, v->a + at, v->b + at, &e, 0.5f, 2.0f, sums);
}

static void pass_epilogue_dz(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    const nncf__fq q = quantizer();
    const nncf__epilogue e = epilogue(&q);
    k->epilogue_dz(n, v->a + at, v->b + at, v->y + at, &e, 0.5f, 0.25f, 0.125f);
}

static void pass_dequantize(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    const nncf__dequant d = {.scale = scale};
    k->dequantize(n, v->bytes + at, v->y + at, &d);
}

static void pass_philox(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    k->philox_uniform(n, (uint32_t)(at / 4), 1, 2, v->y + at);
}

static void pass_rb_forward(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    k->rb_forward(n, v->a + at, v->b + at, v->b + at, v->y + at);
}

static void pass_mask_forward(const nncf__kernels *k, size_t n, size_t at, arrays *v)
{
    k->mask_forward(n, v->a + at, v->bytes + at / 8, v->y + at);
}

/* bytes: read and written for an element */
static const struct {
    const char *name;
    pass_fn *run;
    double bytes;
} passes[] = {{"memcpy", pass_copy, 8}, {"fq_forward", pass_fq_forward, 8},
    {"fq_backward", pass_fq_backward, 12}, {"sum_and_squares", pass_squares, 4},
    {"epilogue_codes", pass_epilogue_codes, 5}, {"epilogue_sums", pass_epilogue_sums, 8},
    {"epilogue_dz", pass_epilogue_dz, 12}, {"dequantize", pass_dequantize, 5},
    {"philox_uniform", pass_philox, 4}, {"rb_forward", pass_rb_forward, 12},
    {"mask_forward", pass_mask_forward, 8.125}};

enum { N_PASSES = sizeof passes / sizeof *passes, CHUNK = 65536 };

typedef struct pass_job {
    nncf_context *context;
    const nncf__kernels *k;
    pass_fn *run;
    size_t n;
    arrays *v;
    /* calls over the same elements in one chunk, for arrays that stay in the cache */
    int64_t repeat;
} pass_job;

static void pass_chunk(void *arg, size_t chunk, size_t worker)
{
    const pass_job *j = arg;
    size_t at = chunk * CHUNK, n = j->n - at < CHUNK ? j->n - at : CHUNK;
    (void)worker;
    for (int64_t i = 0; i < j->repeat; i++)
        j->run(j->k, n, at, j->v);
}

static void run_pass(void *arg)
{
    const pass_job *j = arg;
    nncf__parallel(j->context, (j->n + CHUNK - 1) / CHUNK, pass_chunk, arg);
}

/* All passes over arrays of n elements, in turns. */
static void measure_passes(
    const bench_options *o, nncf_context *context, arrays *v, size_t n, int64_t repeat)
{
    pass_job jobs[N_PASSES];
    bench_contender c[N_PASSES];
    for (size_t i = 0; i < N_PASSES; i++) {
        jobs[i] = (pass_job){context, nncf__kernels_of(context), passes[i].run, n, v, repeat};
        c[i] = (bench_contender){.who = passes[i].name, .run = run_pass, .arg = &jobs[i]};
    }
    bench_contest(o, c, N_PASSES);
    for (size_t i = 0; i < N_PASSES; i++) {
        double seconds = bench_median(&c[i].times) / (double)repeat;
        json_begin("kernels");
        json_text("who", nncf__kernels_of(context)->name);
        json_text("kernel", passes[i].name);
        json_text("type", n > CHUNK ? "memory" : "cache");
        json_int("elements", (int64_t)n);
        json_int("threads", n > CHUNK ? o->threads : 1);
        json_times(&c[i].times);
        json_number("nanoseconds_per_element", 1e9 * seconds / (double)n);
        json_number("gigabytes_per_second", 1e-9 * passes[i].bytes * (double)n / seconds);
        json_end();
    }
    bench_times_free(c, N_PASSES);
}

int kernels_mode(const bench_options *o)
{
    nncf_context *context = bench_context(o);
    const size_t most = o->quick ? 2 * CHUNK : 19300000;
    arrays v = {bench_floats(most), bench_floats(most), bench_floats(most),
        (uint8_t *)bench_floats(most / 4 + 1)};
    bench_fill(v.a, most, 1, -1, 7);
    bench_fill(v.b, most, 2, -1, 1);
    microkernels(o, context);
    measure_passes(o, context, &v, 2048, o->quick ? 1 : 100);
    measure_passes(o, context, &v, most, 1);
    free(v.a);
    free(v.b);
    free(v.y);
    free(v.bytes);
    nncf_context_destroy(context);
    return products_alone(o);
}
