/* SPDX-License-Identifier: Apache-2.0 */
#include "bench.h"

#include "../../examples/classification/app.h"
#include "../../examples/classification/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double bench_seconds(void)
{
    return app_seconds();
}

static double one_call(bench_contender *c)
{
    double start = bench_seconds();
    for (int64_t i = 0; i < c->repeat; i++)
        c->run(c->arg);
    return (bench_seconds() - start) / (double)c->repeat;
}

/* The first calls fault memory in and let caches and clocks settle, and the system finds a
 * processor for each thread; the last of them says how often to repeat. */
static void warm_up(const bench_options *o, bench_contender *c)
{
    const double start = bench_seconds(), least = o->quick ? 0 : 0.02;
    double seconds = 0;
    c->repeat = 1;
    for (int64_t i = 0; i <= o->warmup || bench_seconds() - start < least; i++)
        seconds = one_call(c);
    if (seconds < 1e-3 && !o->quick)
        c->repeat = (int64_t)fmin(1e6, ceil(1e-3 / fmax(seconds, 1e-9)));
}

/* An OpenMP program's threads go on looking for work for some time after it is done (run.sh makes
 * that short), and would take a core from the next contender, whose own threads sleep by now:
 * untimed calls wake them, for a millisecond, because a sleeping thread may need some tenths of one
 * and we do not wait for it. */
static void settle(bench_contender *c)
{
    const struct timespec pause = {.tv_nsec = 2000000};
    nanosleep(&pause, NULL);
    one_call(c);
}

void bench_contest(const bench_options *o, bench_contender *contenders, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        contenders[i].times.n = 0;
        contenders[i].times.at = calloc((size_t)o->runs, sizeof(double));
        if (contenders[i].times.at == NULL)
            exit(EXIT_FAILURE);
        warm_up(o, &contenders[i]);
    }
    for (int64_t round = 0; round < o->runs; round++)
        for (size_t i = 0; i < n; i++) {
            if (n > 1)
                settle(&contenders[i]);
            contenders[i].times.at[contenders[i].times.n++] = one_call(&contenders[i]);
        }
}

void bench_times_free(bench_contender *contenders, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(contenders[i].times.at);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* What stands at place `rank` of n - 1, between two values in proportion. */
static double at_rank(const bench_times *t, double rank)
{
    double *sorted, value;
    size_t below = (size_t)rank;
    if (t->n == 0 || (sorted = malloc(t->n * sizeof *sorted)) == NULL)
        return NAN;
    memcpy(sorted, t->at, t->n * sizeof *sorted);
    qsort(sorted, t->n, sizeof *sorted, by_value);
    value = sorted[below];
    if (below + 1 < t->n)
        value += (rank - (double)below) * (sorted[below + 1] - sorted[below]);
    free(sorted);
    return value;
}

double bench_median(const bench_times *t)
{
    return at_rank(t, 0.5 * ((double)t->n - 1.0));
}

double bench_min(const bench_times *t)
{
    return at_rank(t, 0.0);
}

double bench_max(const bench_times *t)
{
    return at_rank(t, (double)t->n - 1.0);
}

/* Seconds that the machine's processors have worked, and this process. */
typedef struct work {
    double at, all, own;
} work;

static work begun;

/* User, nice, system, (idle, waiting,) interrupts, steal: in hundredths of a second. All zero where
 * it is not told. */
static work work_so_far(void)
{
    unsigned long long t[8] = {0};
    struct rusage own = {0};
    work w = {.at = bench_seconds()};
    FILE *file = fopen("/proc/stat", "r");
    if (file != NULL) {
        if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &t[0], &t[1], &t[2], &t[3],
                &t[4], &t[5], &t[6], &t[7]) == 8)
            w.all =
                (double)(t[0] + t[1] + t[2] + t[5] + t[6] + t[7]) / (double)sysconf(_SC_CLK_TCK);
        fclose(file);
    }
    getrusage(RUSAGE_SELF, &own);
    w.own = (double)(own.ru_utime.tv_sec + own.ru_stime.tv_sec) +
        1e-6 * (double)(own.ru_utime.tv_usec + own.ru_stime.tv_usec);
    return w;
}

void bench_begin(void)
{
    begun = work_so_far();
}

void json_begin(const char *mode)
{
    printf("{\"bench\": \"%s\"", mode);
}

void json_text(const char *key, const char *value)
{
    printf(", \"%s\": \"", key);
    for (const unsigned char *c = (const unsigned char *)value; *c != '\0'; c++)
        if (*c == '"' || *c == '\\' || *c < 0x20)
            printf("\\u%04x", *c);
        else
            putchar(*c);
    putchar('"');
}

void json_int(const char *key, int64_t value)
{
    printf(", \"%s\": %lld", key, (long long)value);
}

static void put_number(double value)
{
    if (isfinite(value))
        printf("%.9g", value);
    else
        printf("null");
}

void json_number(const char *key, double value)
{
    printf(", \"%s\": ", key);
    put_number(value);
}

void json_numbers(const char *key, const double *values, size_t n)
{
    printf(", \"%s\": [", key);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            printf(", ");
        put_number(values[i]);
    }
    putchar(']');
}

void json_times(const bench_times *t)
{
    json_int("runs", (int64_t)t->n);
    json_number("min", bench_min(t));
    json_number("median", bench_median(t));
    json_number("max", bench_max(t));
}

void json_end(void)
{
    work now = work_so_far();
    double others = now.all - begun.all - (now.own - begun.own);
    json_number("others", now.all > 0 ? fmax(0, others) / (now.at - begun.at) : 0);
    json_int("peak_rss_bytes", app_peak_rss_bytes());
    printf("}\n");
    fflush(stdout);
}

void bench_must(nncf_status status, const nncf_error *err)
{
    if (status == NNCF_OK)
        return;
    fprintf(stderr, "nncf-bench: %s\n", err->message);
    exit(EXIT_FAILURE);
}

nncf_context *bench_context(const bench_options *o)
{
    const nncf_context_params params = {
        NNCF_PARAMS(nncf_context_params), .seed = 1, .n_threads = (int32_t)o->threads};
    nncf_error err = NNCF_ERROR_INIT;
    nncf_context *context = NULL;
    bench_must(nncf_context_create(NNCF_API_VERSION, &params, &context, &err), &err);
    return context;
}

float *bench_floats(size_t n)
{
    float *x = app_floats(n);
    if (x == NULL) {
        fprintf(stderr, "nncf-bench: no memory for %zu floats\n", n);
        exit(EXIT_FAILURE);
    }
    return x;
}

void bench_fill(float *x, size_t n, uint64_t stream, float low, float high)
{
    rng r = rng_make(1, RNG_AUGMENT, stream, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_between(&r, (double)low, (double)high);
}
