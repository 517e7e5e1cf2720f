/* SPDX-License-Identifier: Apache-2.0 */
/* The windows of convolutions and pools, and the sizes of planes behind layers. */
#ifndef NNCF__EXEC_WINDOW_H
#define NNCF__EXEC_WINDOW_H

#include <nncf/base.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stdint.h>

/* Windows along one dimension. */
typedef struct nncf__window {
    int64_t kernel, stride, dilation;
    /* before and after the pixels */
    int64_t begin, end;
    /* one more where pixels are left over, if it begins at a pixel or before */
    bool ceil;
} nncf__window;

/* How many there are over so many pixels; 0: the window does not fit. */
static inline int64_t nncf__window_count(const nncf__window *w, int64_t size)
{
    const int64_t space = size + w->begin + w->end - (w->dilation * (w->kernel - 1) + 1);
    if (space < 0) /* larger than what there is, by less than a stride: PyTorch counts one up */
        return w->ceil && space > -w->stride;
    const int64_t count = space / w->stride + 1;
    const bool more = w->ceil && space % w->stride && count * w->stride < size + w->begin;
    return count + more;
}

/* out[2], out[3] of a window over the input: a convolution's, a pool's. -1 is open (the export of
 * an input of any size) and stays so. */
nncf_status nncf__layer_windows_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);

/* What kind.h wants of `out_shape`. */
nncf_status nncf__conv2d_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);
nncf_status nncf__linear_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);
nncf_status nncf__transposed_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);
nncf_status nncf__pool_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);
nncf_status nncf__upsample_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err);

#endif
