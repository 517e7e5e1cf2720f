/* SPDX-License-Identifier: Apache-2.0 */
#include "peaks.h"

#include "base/pool.h"

#include <stdint.h>
#include <string.h>

typedef struct peak_job {
    nncf_context *context;
    const nncf__microkernel *floats;
    const nncf__int8_kernels *int8;
    int64_t repeat;
} peak_job;

/* Quads of a panel: the two of the largest tile take 33 KiB together. */
enum { QUADS = 192 };

static void float_chunk(void *arg, size_t chunk, size_t worker)
{
    const peak_job *j = arg;
    const nncf__microkernel *m = j->floats;
    float *pixels = nncf__scratch(j->context, worker),
          *weights = pixels + m->mr * m->kc + NNCF__PANEL_SLACK / 4,
          *c = weights + m->nr * m->kc + NNCF__PANEL_SLACK / 4;
    (void)chunk;
    for (int64_t i = 0; i < j->repeat; i++)
        m->run(m, m->kc, pixels, weights, m->nr, c, false);
}

static void int8_chunk(void *arg, size_t chunk, size_t worker)
{
    const peak_job *j = arg;
    const nncf__int8_kernels *k = j->int8;
    uint8_t *pixels = nncf__scratch(j->context, worker);
    uint8_t *weights = pixels + QUADS * k->mr * NNCF__INT8_QUAD;
    const int32_t start[NNCF__INT8_NR_MAX] = {0};
    nncf__int8_scaling scaling = {.start = start};
    uint16_t list[1 + QUADS / 2];
    float *tile = (float *)(pixels + QUADS * (k->mr + k->nr * k->weight_bytes) * NNCF__INT8_QUAD);
    (void)chunk;
    if (k->narrow) { /* at their fastest weights are small */
        memset(weights, 0, QUADS * k->nr * k->weight_bytes * NNCF__INT8_QUAD);
        k->narrow(QUADS, weights, list);
        scaling.narrow = list;
    }
    for (int64_t i = 0; i < j->repeat; i++)
        k->micro(QUADS, pixels, weights, k->nr, &scaling, tile);
}

static void run(void *arg)
{
    const peak_job *j = arg;
    nncf__parallel(j->context, (size_t)j->context->params.n_threads,
        j->floats ? float_chunk : int8_chunk, arg);
}

static double measure(const bench_options *o, peak_job *j, size_t floats, double operations)
{
    if (nncf__scratch_reserve(j->context, floats * sizeof(float)) != NNCF_OK)
        return 0;
    const int32_t threads = j->context->params.n_threads;
    for (int32_t i = 0; i < threads; i++)
        bench_fill(nncf__scratch(j->context, (size_t)i), floats, 1, 0.25f, 1.0f);
    j->repeat = o->quick ? 10 : 20000;
    bench_contender c = {.who = "peak", .run = run, .arg = j};
    bench_contest(o, &c, 1);
    double peak = operations * (double)j->repeat * (double)threads / bench_min(&c.times);
    bench_times_free(&c, 1);
    return peak;
}

double peak_of_floats(
    const bench_options *o, nncf_context *context, const nncf__microkernel *microkernel)
{
    const nncf__microkernel *m = microkernel;
    peak_job j = {.context = context, .floats = m};
    size_t floats = (size_t)((m->mr + m->nr) * m->kc + m->mr * m->nr) + NNCF__PANEL_SLACK;
    return measure(o, &j, floats, 2.0 * (double)(m->mr * m->nr * m->kc));
}

double peak_of_int8(
    const bench_options *o, nncf_context *context, const nncf__int8_kernels *kernels)
{
    peak_job j = {.context = context, .int8 = kernels};
    const size_t mr = kernels->mr, nr = kernels->nr;
    return measure(o, &j, QUADS * (mr + nr * kernels->weight_bytes) + mr * nr,
        2.0 * (double)(mr * nr * QUADS * NNCF__INT8_QUAD));
}

peaks peaks_of(const bench_options *o, nncf_context *context)
{
    nncf__microkernel m;
    nncf__microkernel_get(context, &m);
    return (peaks){.floats = peak_of_floats(o, context, &m),
        .int8 = context->int8 ? peak_of_int8(o, context, context->int8) : 0};
}
