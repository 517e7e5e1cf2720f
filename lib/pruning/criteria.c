/* SPDX-License-Identifier: Apache-2.0 */
/*
 * L1, L2 and geometric median of filters, as NNCF defines them. Sums are in double, with eight
 * lanes and a fixed order; the result is rounded to float once.
 */
#include "pruning/criteria.h"

#include "base/pool.h"
#include "config/canonical.h"

#include <nncf/context.h>

#include <math.h>
#include <stdlib.h>

enum { LANES = 8, MULTIPLE = 8 };

/* What PyTorch's PairwiseDistance adds to each difference. */
static const double EPS = 1e-6;

typedef struct job {
    const nncf__filters *f;
    int32_t kind;
    double scale;
    float *importance;
} job;

static double sum_of(const double lanes[LANES])
{
    double sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += lanes[i];
    return sum;
}

static double absolute(size_t n, const float *x)
{
    double lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i % LANES] += fabs((double)x[i]);
    return sum_of(lanes);
}

static double squares(size_t n, const float *x)
{
    double lanes[LANES] = {0};
    for (size_t i = 0; i < n; i++)
        lanes[i % LANES] += (double)x[i] * (double)x[i];
    return sum_of(lanes);
}

/* Sum of (scale (a - b) + EPS)^2. */
static double distance(size_t n, const float *a, const float *b, double scale)
{
    double lanes[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++) {
            const double d = scale * ((double)a[i + j] - (double)b[i + j]) + EPS;
            lanes[j] += d * d;
        }
    for (; i < n; i++) {
        const double d = scale * ((double)a[i] - (double)b[i]) + EPS;
        lanes[i % LANES] += d * d;
    }
    return sum_of(lanes);
}

static const float *row(const nncf__filters *f, size_t input, size_t filter)
{
    return f->weight + (input * f->count + filter) * f->run;
}

static double norm_of(const nncf__filters *f, size_t filter, bool is_l1)
{
    double sum = 0;
    for (size_t i = 0; i < f->inputs; i++)
        sum += is_l1 ? absolute(f->run, row(f, i, filter)) : squares(f->run, row(f, i, filter));
    return is_l1 ? sum : sqrt(sum);
}

/* Sum of the distances to all filters. The first of a pair is the one with the lower number. */
static double median_of(const nncf__filters *f, size_t filter, double scale)
{
    double sum = 0;
    for (size_t other = 0; other < f->count; other++) {
        const size_t a = other < filter ? other : filter, b = other < filter ? filter : other;
        double square = 0;
        for (size_t i = 0; i < f->inputs; i++)
            square += distance(f->run, row(f, i, a), row(f, i, b), scale);
        sum += sqrt(square);
    }
    return sum;
}

static void filter_chunk(void *arg, size_t chunk, size_t worker)
{
    const job *j = arg;
    (void)worker;
    j->importance[chunk] = (float)(j->kind == NNCF__FILTER_MEDIAN
            ? median_of(j->f, chunk, j->scale)
            : j->scale * norm_of(j->f, chunk, j->kind == NNCF__FILTER_L1));
}

double nncf__filters_norm(const nncf__filters *f)
{
    return sqrt(squares(f->inputs * f->count * f->run, f->weight));
}

void nncf__filters_importance(
    nncf_context *context, const nncf__filters *f, int32_t kind, double scale, float *importance)
{
    job j = {f, kind, scale, importance};
    nncf__parallel(context, f->count, filter_chunk, &j);
}

size_t nncf__filters_pruned(size_t total, double rate)
{
    const double n = (double)total, left = ceil((n - n * rate) / MULTIPLE) * MULTIPLE;
    return left < n ? total - (size_t)left : 0;
}

/* NaN last: a filter with one is never the least important. */
static int ascending(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

void nncf__filters_sort(float *values, size_t count)
{
    qsort(values, count, sizeof *values, ascending);
}

size_t nncf__filters_keep(const float *importance, size_t count, float threshold, uint8_t *keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        keep[i] = (uint8_t)(importance[i] < threshold ? 0 : 1);
        kept += keep[i];
    }
    return kept;
}
