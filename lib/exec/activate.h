/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The epilogue kernels (kernels.def) for any activation. They know clamps only: where a layer's
 * activation is another one, these functions put its kernel between two parts of the epilogue, a
 * segment of a row at a time, so that it stays in the cache. What each does and adds to sums is
 * that of the kernel of its name, but that sums are made of segments.
 */
#ifndef NNCF__EXEC_ACTIVATE_H
#define NNCF__EXEC_ACTIVATE_H

#include "graph/block.h"
#include "graph/model.h"
#include "kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is the activation no clamp? */
bool nncf__activation_is_smooth(int32_t activation);

/* Forward, to floats, or to codes where `codes` is given. k: the context's table. */
int64_t nncf__activate_forward(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, float *y, const nncf__epilogue *e);
int64_t nncf__activate_codes(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, uint8_t *y, const nncf__epilogue *e, float zero);
/* sums[0..2] only */
void nncf__activate_backward(const nncf__block *block, const nncf__kernels *k, size_t n,
    const float *z, const float *dy, float *da, const nncf__epilogue *e, double sums[5]);
void nncf__activate_sums(const nncf__block *block, const nncf__kernels *k, size_t n, const float *z,
    const float *dy, const nncf__epilogue *e, float mean, float inv_std, double sums[5]);
void nncf__activate_dz(const nncf__block *block, const nncf__kernels *k, size_t n, const float *z,
    const float *dy, float *dz, const nncf__epilogue *e, float k0, float k1, float k2);

#endif
