/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The harness of all tests of single kernels: call the reference, call the kernel of an ISA,
 * compare, measure. A case draws its arguments, declares its outputs and makes both calls:
 *
 *     static void to_f32(kernel_check *t)
 *     {
 *         size_t n = kc_any(1, 200);
 *         const double *sum = kc_doubles(t, n);
 *         kc_output(t, n * sizeof(float));
 *         CALL_BOTH(t, k->gemm_to_f32(n, sum, kc_out(t, 0)));
 *         kc_compare(t, KC_BITS, 0);
 *     }
 *
 * Arrays lie between guard pages and are freed after the case. A table of cases is run at every
 * ISA that the machine has by kc_main(); with --bench it prints times instead. A kernel of
 * kernels.def without a case fails.
 */
#ifndef NNCF_TESTS_KERNEL_CHECK_H
#define NNCF_TESTS_KERNEL_CHECK_H

#include "kernels/kernels.h"
#include "support/guard.h"
#include "support/random.h"
#include "support/require.h"
#include "support/runner.h"

#include <stdbool.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { KC_OUTPUTS = 4, KC_ARRAYS = 8 };

typedef struct kc_output_pair {
    /* what the reference writes, and what the kernel writes */
    void *want, *got;
    size_t bytes;
    bool is_double;
} kc_output_pair;

typedef struct kernel_check {
    const char *kernel;
    const nncf__kernels *tested;
    /* whose call it is: the reference's, or that of `tested` */
    const nncf__kernels *turn;
    int round;
    kc_output_pair out[KC_OUTPUTS];
    int n_out;
    float *array[KC_ARRAYS];
    size_t length[KC_ARRAYS];
    int n_arrays;
    /* with --bench: the least time of a call, in nanoseconds */
    bool measures;
    double ns;
} kernel_check;

/* ---- ISAs ---- */

const nncf__kernels *kc_reference(void);

/* The kernels of the i-th ISA that is not the reference, and how many this machine has. */
const nncf__kernels *kc_isa(int i);
int kc_isas(void);

/* The test at every ISA that this machine has: _i is the ISA, NNCF_ISA_REFERENCE (if `reference`)
 * and up. */
void kc_add_isa_test(TCase *tests, const TTest *test, bool reference);

/* ---- arguments ---- */

/* A whole number of [low, high]. */
size_t kc_any(size_t low, size_t high);

/* Random floats around 1 of either sign; random bytes; random doubles. */
float *kc_floats(kernel_check *t, size_t n);
uint8_t *kc_bytes(kernel_check *t, size_t n);
double *kc_doubles(kernel_check *t, size_t n);

/* ---- outputs ---- */

/* One more output, the same for both calls: bytes that no kernel writes, or a copy of `from`.
 * Returns its number. */
int kc_output(kernel_check *t, size_t bytes);
int kc_output_from(kernel_check *t, const void *from, size_t bytes);
/* Sums: n doubles, all zero. */
int kc_output_doubles(kernel_check *t, size_t n);

/* Output i of the call whose turn it is. */
void *kc_out(const kernel_check *t, int i);

/* ---- calls ---- */

/* `call` with k, the kernels whose turn it is. */
#define CALL_REF(t, call)                                                                          \
    do {                                                                                           \
        const nncf__kernels *k = (t)->turn = kc_reference();                                       \
        call;                                                                                      \
    } while (0)
#define CALL_NEW(t, call)                                                                          \
    do {                                                                                           \
        const nncf__kernels *k = (t)->turn = (t)->tested;                                          \
        call;                                                                                      \
        if ((t)->measures) {                                                                       \
            for (kc_clock clock = kc_start(); kc_ticks(&clock, &(t)->ns);)                         \
                call;                                                                              \
        }                                                                                          \
    } while (0)
#define CALL_BOTH(t, call)                                                                         \
    do {                                                                                           \
        CALL_REF(t, call);                                                                         \
        CALL_NEW(t, call);                                                                         \
    } while (0)

/* ---- comparison ---- */

enum {
    /* the same bits */
    KC_BITS,
    /* the same numbers; one NaN is as good as another, the sign of a zero is open */
    KC_VALUES,
    /* as near as the tolerance */
    KC_NEAR
};

/* All outputs of both calls. Then the outputs are gone, so that a case may go on with others. */
void kc_compare(kernel_check *t, int rule, double tolerance);

/* Equal bits, or both NaN. */
bool kc_same_float(float a, float b);
bool kc_same_double(double a, double b);

/* ---- times ---- */

typedef struct kc_clock {
    double start, best, spent;
    long calls, batch;
} kc_clock;

kc_clock kc_start(void);
/* True as long as another call is wanted; *ns is the least time of a call so far. */
bool kc_ticks(kc_clock *clock, double *ns);

/* ---- programs ---- */

typedef struct kc_case {
    const char *kernel;
    void (*check)(kernel_check *t);
    /* draws of arguments; `quick` where NNCF_TEST_QUICK is set */
    int rounds, quick;
} kc_case;

/* One case of the kernels of one ISA, the reference's too. */
void kc_run(const kc_case *c, const nncf__kernels *tested, int round);

/* Every kernel of kernels.def whose name begins with `prefix` (NULL: with none of those that have a
 * program of their own, gemm_ and depthwise_) is among the names. */
void kc_require_all(const char *prefix, const char *(*name)(size_t i), size_t count);

/* main(): the cases, then what `more` (nullable) adds. --seed=N, --bench. */
int kc_main(int argc, char **argv, const char *prefix, const kc_case *cases, size_t count,
    void (*more)(TCase *tests));

#endif
