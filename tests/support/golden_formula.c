/* SPDX-License-Identifier: Apache-2.0 */
#include "golden_formula.h"

#include <math.h>
#include <string.h>

void golden_uniform(const char *name, double low, double high, size_t n, float *x)
{
    uint32_t base = 0x811C9DC5u; /* FNV-1a of the name */
    for (const char *c = name; *c != '\0'; c++)
        base = (base ^ (uint8_t)*c) * 0x01000193u;
    for (size_t i = 0; i < n; i++) {
        uint32_t v = base + (uint32_t)i * 0x9E3779B9u;
        v = (v ^ v >> 16) * 0x85EBCA6Bu; /* the finalizer of MurmurHash3 */
        v = (v ^ v >> 13) * 0xC2B2AE35u;
        v ^= v >> 16;
        x[i] = (float)(low + (high - low) * ((double)(v >> 8) / 16777216.0));
    }
}

static int golden_ends_with(const char *name, const char *end)
{
    size_t a = strlen(name), b = strlen(end);
    return a >= b && strcmp(name + a - b, end) == 0;
}

void golden_parameter(const char *name, const int64_t *shape, int ndim, float *x)
{
    size_t n = 1, fan_in = 1;
    double low = 0.5, high = 1.5;
    for (int i = 0; i < ndim; i++) {
        n *= (size_t)shape[i];
        fan_in *= i > 0 ? (size_t)shape[i] : 1;
    }
    if (golden_ends_with(name, "running_mean") || golden_ends_with(name, "bias")) {
        low = -0.1;
        high = 0.1;
    } else if (!golden_ends_with(name, "running_var") && ndim > 1) {
        high = sqrt(6.0 / (double)fan_in);
        low = -high;
    }
    golden_uniform(name, low, high, n, x);
}
