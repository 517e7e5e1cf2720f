/* SPDX-License-Identifier: Apache-2.0 */
/* The windows of convolutions and pools. */
#ifndef NNCF__EXEC_WINDOW_H
#define NNCF__EXEC_WINDOW_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdint.h>

/* Size of one dimension after a window; 0: the window does not fit. */
static inline int64_t nncf__window_count(
    int64_t size, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    const int64_t padded = size + 2 * padding, reach = dilation * (kernel - 1) + 1;
    return padded < reach ? 0 : (padded - reach) / stride + 1;
}

/* out[2], out[3] of a window over the input: a convolution's, a pool's. -1 is open (the export of
 * an input of any size) and stays so. */
nncf_status nncf__layer_windows_shape(const nncf_layer *layer, const int64_t dilation[2],
    const int64_t in[4], int64_t out[4], nncf_error *err);

#endif
