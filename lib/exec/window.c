/* SPDX-License-Identifier: Apache-2.0 */
/* Output sizes behind windows, for the kinds of layers that have some. */
#include "exec/window.h"

#include "base/error.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>

nncf_status nncf__layer_windows_shape(const nncf_layer *layer, const int64_t dilation[2],
    const int64_t in[4], int64_t out[4], nncf_error *err)
{
    for (int i = 0; i < 2; i++) {
        out[2 + i] = in[2 + i] < 0 ? in[2 + i]
                                   : nncf__window_count(in[2 + i], layer->kernel[i],
                                         layer->stride[i], layer->padding[i], dilation[i]);
        if (in[2 + i] < 0)
            continue;
        if (out[2 + i] < 1)
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x has %s %lld, padded on both sides by %lld; the window reaches over %lld",
                i == 0 ? "height" : "width", (long long)in[2 + i], (long long)layer->padding[i],
                (long long)(dilation[i] * (layer->kernel[i] - 1) + 1));
    }
    return NNCF_OK;
}
