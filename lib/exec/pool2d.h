/* SPDX-License-Identifier: Apache-2.0 */
/* Pooling. */
#ifndef NNCF__EXEC_POOL2D_H
#define NNCF__EXEC_POOL2D_H

#include "exec/codes.h"
#include "kernels/operand.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdint.h>

nncf_status nncf__pool_forward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], const nncf__output *y);
nncf_status nncf__pool_backward(nncf_layer *layer, const nncf__operand *x, const int64_t in[4],
    const int64_t out[4], float *dy, float *dx);

#endif
