/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sweeps: what their programs share. A program is a loop over cases, each drawn from (seed,
 * number of the case) alone, so that any one of them can be run again by its number:
 *
 *     sweep_start(&sweep, "kernels", argc, argv);
 *     while (sweep_next(&sweep))
 *         ... draw a case from sweep.rng, run it, sweep_fail(&sweep, "...") where it is wrong ...
 *     return sweep_finish(&sweep);
 *
 * NNCF_SWEEP_SEED and NNCF_SWEEP_SECONDS set seed and budget; `PROGRAM NUMBER...` runs these cases
 * only. A case that fails, crashes, is stopped by a sanitizer or takes longer than five minutes is
 * named together with the command that repeats it.
 */
#ifndef NNCF_TESTS_SWEEP_RUN_H
#define NNCF_TESTS_SWEEP_RUN_H

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    SWEEP_CASE_SECONDS = 300, /* a busy machine makes a second of work a minute */
    SWEEP_FAILURES = 20
}; /* of one case; reported before the sweep stops */

/* ---- random numbers: splitmix64 ---- */

typedef struct sweep_rng {
    uint64_t state;
} sweep_rng;

static inline uint64_t sweep_bits(sweep_rng *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* low..high, both included. */
static inline int64_t sweep_range(sweep_rng *r, int64_t low, int64_t high)
{
    return low + (int64_t)(sweep_bits(r) % (uint64_t)(high - low + 1));
}

/* True once in n times. */
static inline bool sweep_one_in(sweep_rng *r, int64_t n)
{
    return sweep_range(r, 1, n) == 1;
}

/* -1..1, on a grid of 2^-23: exact as float. */
static inline double sweep_unit(sweep_rng *r)
{
    return (double)((int64_t)(sweep_bits(r) >> 40) - (1 << 23)) / (1 << 23);
}

/* One of an array's elements. */
#define SWEEP_PICK(rng, array)                                                                     \
    ((array)[sweep_range((rng), 0, (int64_t)(sizeof(array) / sizeof *(array)) - 1)])

/* ---- the loop ---- */

typedef struct sweep {
    sweep_rng rng; /* of the present case */
    uint64_t number; /* of the present case, from 1 */
    const char *name; /* of the program, in messages */
    const char *file; /* argv[0] */
    uint64_t seed; /* of all cases */
    double seconds; /* budget */
    struct timespec t0; /* beginning */
    char **only; /* numbers from the command line, NULL: all */
    uint64_t cases; /* begun so far */
    uint64_t failed; /* cases that failed */
    uint64_t last_failed;
    char description[512]; /* of the present case, for messages: sweep_describe() */
} sweep;

static sweep *sweep_present; /* for handlers of signals */

static inline double sweep_elapsed(const sweep *s)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - s->t0.tv_sec) + 1e-9 * (double)(now.tv_nsec - s->t0.tv_nsec);
}

static inline void sweep_print_case(const sweep *s)
{
    fprintf(stderr,
        "case %" PRIu64 ", after %.1f s: %s\n  again: NNCF_SWEEP_SEED=%" PRIu64 " %s %" PRIu64 "\n",
        s->number, sweep_elapsed(s), s->description, s->seed, s->file, s->number);
}

/* stdio in a handler: the program dies anyway, and dies with the number of its case if it can. */
static inline void sweep_dies(void)
{
    if (sweep_present)
        sweep_print_case(sweep_present);
    sweep_present = NULL;
}

static inline void sweep_on_signal(int number)
{
    static const char text[] = "stopped by a signal (of the clock: the case took too long)\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    sweep_dies();
    signal(number, SIG_DFL);
    raise(number);
}

/* Of the sanitizers' library, where the program is built with one. */
extern void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static inline uint64_t sweep_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    if (!text || !*text)
        return otherwise;
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*end || *text == '-') {
        fprintf(stderr, "%s='%s' is not a whole number\n", name, text);
        exit(2);
    }
    return value;
}

/* `name` of the sweep; the budget without NNCF_SWEEP_SECONDS is a few seconds. */
static inline void sweep_start(sweep *s, const char *name, int argc, char **argv)
{
    enum { SECONDS = 4, SEED = 1 };
    *s = (sweep){.name = name,
        .file = argv[0],
        .seed = sweep_environment("NNCF_SWEEP_SEED", SEED),
        .seconds = (double)sweep_environment("NNCF_SWEEP_SECONDS", SECONDS),
        .only = argc > 1 ? argv + 1 : NULL};
    clock_gettime(CLOCK_MONOTONIC, &s->t0);
    printf("%s: seed %" PRIu64 ", %.0f s\n", name, s->seed, s->seconds);
    fflush(stdout);
    sweep_present = s;
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(sweep_dies);
        signal(SIGALRM, sweep_on_signal);
    } else {
        static const int signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM};
        for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
            signal(signals[i], sweep_on_signal);
    }
}

/* The next case: its number, and its random numbers. False when the budget is spent. */
static inline bool sweep_next(sweep *s)
{
    if (s->only) {
        if (!*s->only)
            return false;
        s->number = strtoull(*s->only++, NULL, 10);
    } else {
        if (sweep_elapsed(s) >= s->seconds || s->failed >= SWEEP_FAILURES)
            return false;
        s->number++;
    }
    s->cases++;
    s->description[0] = 0;
    s->rng.state = s->seed * 0x2545f4914f6cdd1du + s->number;
    s->rng.state = sweep_bits(&s->rng); /* neighbours must not be shifted copies of each other */
    alarm(SWEEP_CASE_SECONDS);
    return true;
}

/* Say what the case is, once it is drawn: shown when it fails, and when a single case is run. */
__attribute__((format(printf, 2, 3))) static inline void sweep_describe(
    sweep *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(s->description, sizeof s->description, format, arguments);
    va_end(arguments);
    if (s->only)
        printf("case %" PRIu64 ": %s\n", s->number, s->description);
}

/* The case is wrong: a line that says how. Counts each case once; further lines of a case are of
 * use when it is run alone, and swallowed otherwise. */
__attribute__((format(printf, 2, 3))) static inline void sweep_fail(
    sweep *s, const char *format, ...)
{
    bool again = s->last_failed == s->number && s->failed > 0;
    va_list arguments;
    if (again && !s->only)
        return;
    va_start(arguments, format);
    fprintf(stderr, "%s: ", s->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    if (again)
        return;
    sweep_print_case(s);
    s->failed++;
    s->last_failed = s->number;
}

/* The summary; what main returns. A sweep of no case at all has failed. */
static inline int sweep_finish(sweep *s)
{
    alarm(0);
    sweep_present = NULL;
    printf("%s: seed %" PRIu64 ", %" PRIu64 " cases in %.1f s, %" PRIu64 " failed\n", s->name,
        s->seed, s->cases, sweep_elapsed(s), s->failed);
    return s->failed == 0 && s->cases > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
