/* SPDX-License-Identifier: Apache-2.0 */
/* The formula of golden/gen/formula.py: weights and inputs that the golden files' generators and
 * the tests share. */
#ifndef NNCF_TESTS_SUPPORT_GOLDEN_FORMULA_H
#define NNCF_TESTS_SUPPORT_GOLDEN_FORMULA_H

#include <stddef.h>
#include <stdint.h>

/* x[i] = low + (high - low) * u(name, i), u in [0,1) with 24 bits */
void golden_uniform(const char *name, double low, double high, size_t n, float *x);

/* A layer's parameter; its bounds follow from the end of its name and, for weights, from the fan
 * in. */
void golden_parameter(const char *name, const int64_t *shape, int ndim, float *x);

#endif
