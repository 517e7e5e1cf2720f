/* SPDX-License-Identifier: Apache-2.0 */
/* Output sizes of the kinds of layers that read planes. */
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

nncf_status nncf__conv2d_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    out[1] = layer->out_channels;
    return nncf__layer_windows_shape(layer, in, out, err);
}

nncf_status nncf__linear_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    (void)in;
    (void)err;
    out[1] = layer->out_channels;
    return NNCF_OK;
}

nncf_status nncf__transposed_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    out[1] = layer->out_channels;
    for (int i = 0; i < 2; i++) {
        const int64_t size = in[2 + i], stride = layer->stride[i],
                      reach = layer->dilation[i] * (layer->kernel[i] - 1) + 1 +
            layer->attributes.output_padding[1 + i];
        out[2 + i] = size;
        if (size < 0) /* open, in an export */
            continue;
        if (size > INT64_MAX / 4 / stride || reach > INT64_MAX / 4)
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x has %s %lld, which times the stride is more than memory can hold",
                i == 0 ? "height" : "width", (long long)size);
        out[2 + i] = (size - 1) * stride + reach - layer->padding[i] - layer->padding_after[i];
        if (out[2 + i] < 1)
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x has %s %lld, which makes %lld of the output, and padding leaves out %lld",
                i == 0 ? "height" : "width", (long long)size,
                (long long)((size - 1) * stride + reach),
                (long long)(layer->padding[i] + layer->padding_after[i]));
    }
    return NNCF_OK;
}

nncf_status nncf__pool_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    switch (layer->pool_kind) {
    case NNCF_POOL_GLOBAL_AVERAGE:
        out[2] = out[3] = 1;
        return NNCF_OK;
    case NNCF_POOL_MEAN_ROWS:
        out[2] = 1;
        return NNCF_OK;
    case NNCF_POOL_MEAN_COLUMNS:
        out[3] = 1;
        return NNCF_OK;
    default:
        return nncf__layer_windows_shape(layer, in, out, err);
    }
}

nncf_status nncf__upsample_out_shape(
    const nncf_layer *layer, const int64_t in[4], int64_t out[4], nncf_error *err)
{
    for (int i = 0; i < 2; i++) { /* -1: open, in an export */
        if (in[2 + i] > INT64_MAX / layer->stride[i])
            return nncf__fail(err, NNCF_E_SHAPE, NULL,
                "x has %s %lld, which times %lld is more than memory can hold",
                i == 0 ? "height" : "width", (long long)in[2 + i], (long long)layer->stride[i]);
        out[2 + i] = in[2 + i] < 0 ? in[2 + i] : in[2 + i] * layer->stride[i];
    }
    return NNCF_OK;
}
