/* SPDX-License-Identifier: Apache-2.0 */
/* Output sizes behind windows, for the kinds of layers that have some. */
#include "exec/window.h"

#include "base/error.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>

nncf_status nncf__layer_windows_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    for (int i = 0; i < 2; i++) {
        const nncf__window w = {.kernel = layer->kernel[i],
            .stride = layer->stride[i],
            .dilation = layer->dilation[i],
            .begin = layer->padding[i],
            .end = layer->padding_after[i],
            .ceil = layer->ceil_mode};
        out[2 + i] = in[2 + i] < 0 ? in[2 + i] : nncf__window_count(&w, in[2 + i]);
        if (in[2 + i] < 0)
            continue;
        if (out[2 + i] < 1)
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                w.begin == w.end
                    ? "x has %s %lld, padded on both sides by %lld; the window reaches over %lld"
                    : "x has %s %lld, padded by %lld in all; the window reaches over %lld",
                i == 0 ? "height" : "width", (long long)in[2 + i],
                (long long)(w.begin == w.end ? w.begin : w.begin + w.end),
                (long long)(w.dilation * (w.kernel - 1) + 1));
    }
    return NNCF_OK;
}
