/* SPDX-License-Identifier: Apache-2.0 */
/* nncf-bench: what its modes share. Each prints one JSON object a line; docs/performance.md says
 * how to read them. */
#ifndef TESTS_BENCH_H
#define TESTS_BENCH_H

#include <nncf/nncf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bench_options {
    const char *model; /* mobilenetv2, resnet18, resnet50 */
    const char *config; /* NULL: no compression */
    const char *optimizer; /* adam or sgd */
    int32_t memory; /* NNCF_MEMORY_... */
    int64_t budget; /* bytes of a step; 0: `memory` decides */
    const char *only; /* part of a shape's name; "": all */
    int64_t batch, image, threads, runs, warmup;
    bool quick; /* smallest sizes, one run: does it work at all? */
} bench_options;

/* Each returns an exit status. */
int step_mode(const bench_options *o);
int eval_mode(const bench_options *o);
int gemm_mode(const bench_options *o);
int conv_mode(const bench_options *o);
int fakequant_mode(const bench_options *o);
int rb_mode(const bench_options *o);
int threshold_mode(const bench_options *o);
int blocks_mode(const bench_options *o);
int binary_mode(const bench_options *o);
int kernels_mode(const bench_options *o);
int ops_mode(const bench_options *o);
int gpt_mode(const bench_options *o);

/* ---- harness.c ---- */

double bench_seconds(void);
/* First of all. */
void bench_begin(void);

/* Times of one contender, in the order in which they were taken. */
typedef struct bench_times {
    double *at;
    size_t n;
} bench_times;

/* What is timed. `run` must not fail; it is called `repeat` times for one measurement, and is set
 * so that one takes about a millisecond at least. */
typedef struct bench_contender {
    const char *who;
    void (*run)(void *arg);
    void *arg;
    int64_t repeat;
    bench_times times; /* of one call */
} bench_contender;

/* Warm up, then measure the contenders in turns, so that what disturbs the machine disturbs all
 * alike. */
void bench_contest(const bench_options *o, bench_contender *contenders, size_t n);
void bench_times_free(bench_contender *contenders, size_t n);
double bench_median(const bench_times *t);
double bench_min(const bench_times *t);
double bench_max(const bench_times *t);

/* One line: begin, members in order, end. Texts are escaped; numbers that are not finite become
 * null. */
void json_begin(const char *mode);
void json_text(const char *key, const char *value);
void json_int(const char *key, int64_t value);
void json_number(const char *key, double value);
/* "runs", "min", "median", "max", in seconds. */
void json_times(const bench_times *t);
/* All of them, as an array. */
void json_numbers(const char *key, const double *values, size_t n);
/* Ends with the peak resident memory of this process so far, and with how many processors others
 * kept busy since it began: figures with more than a little of that are worth nothing. */
void json_end(void);

/* Ends the program, with the error's message, unless the status is NNCF_OK. */
void bench_must(nncf_status status, const nncf_error *err);
/* With the options' threads; never NULL. */
nncf_context *bench_context(const bench_options *o);

/* Never NULL: ends the program when there is no memory. 64-byte aligned, zeroed; free(). */
float *bench_floats(size_t n);
/* Uniform in [low, high), a function of (stream, index) alone. */
void bench_fill(float *x, size_t n, uint64_t stream, float low, float high);

#endif
