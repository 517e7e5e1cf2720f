/* SPDX-License-Identifier: Apache-2.0 */
/* Sums of two tensors. */
#ifndef NNCF__EXEC_ADD_H
#define NNCF__EXEC_ADD_H

#include "exec/codes.h"
#include "kernels/operand.h"

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdint.h>

nncf_status nncf__add_forward(
    nncf_layer *layer, const nncf__operand x[2], const int64_t shape[4], const nncf__output *y);
nncf_status nncf__add_backward(nncf_layer *layer, const nncf__operand x[2], const int64_t shape[4],
    const float *dy, float *da, float *db);

#endif
