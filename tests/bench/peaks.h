/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's peaks, measured: what the microkernels reach with panels that stay in the
 * first-level cache, on all threads of the context at once. */
#ifndef TESTS_BENCH_PEAKS_H
#define TESTS_BENCH_PEAKS_H

#include "bench.h"

#include "gemm/microkernel.h"
#include "kernels/int8.h"

#include <nncf/context.h>

/* Operations a second (a multiplication and an addition are two), the best of the runs: a peak is
 * what can be reached. 0: no memory. */
double peak_of_floats(
    const bench_options *o, nncf_context *context, const nncf__microkernel *microkernel);
double peak_of_int8(
    const bench_options *o, nncf_context *context, const nncf__int8_kernels *kernels);

/* Those of the kernels that the context uses. */
typedef struct peaks {
    double floats;
    /* 0: the context has no integer kernels */
    double int8;
} peaks;
peaks peaks_of(const bench_options *o, nncf_context *context);

#endif
