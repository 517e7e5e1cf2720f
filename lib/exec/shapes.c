/* SPDX-License-Identifier: Apache-2.0 */
/* The public call that says what a layer's output is, and what it shares with those that run it. */
#include "exec/run.h"

#include "base/error.h"
#include "exec/check.h"
#include "exec/kind.h"
#include "graph/block.h"
#include "graph/kind_info.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <string.h>

nncf_status nncf__layer_report(const nncf_layer *layer, const char *call, nncf_status status,
    const nncf_error *reason, nncf_error *err)
{
    if (status == NNCF_OK)
        return status;
    if (!layer)
        return nncf__fail(err, status, NULL, "%s: layer is NULL", call);
    return nncf__report(layer->model->context, call, layer->scope, status, reason, err);
}

static nncf_status is_null(const char *name, nncf_error *err)
{
    return nncf__fail(err, NNCF_E_ARG, NULL, "%s is NULL", name);
}

nncf_status nncf__layer_check_count(const nncf_layer *layer, size_t n_x, nncf_error *err)
{
    const size_t n = nncf__layer_input_count(layer);
    if (n_x == n || (n_x > 0 && nncf__kind_info_of(layer->kind)->run_by_host))
        return NNCF_OK;
    return nncf__fail(err, NNCF_E_ARG, NULL, "n_x is %zu; the layer reads %zu tensor%s", n_x, n,
        n == 1 ? "" : "s");
}

size_t nncf__layer_count_read(const nncf_layer *layer, size_t n_x)
{
    return nncf__kind_info_of(layer->kind)->run_by_host ? 1 : n_x;
}

static nncf_status output_shape(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err)
{
    nncf__shapes s;
    if (!x || !ndim || (!shape && capacity > 0))
        return is_null(!x ? "x" : !ndim ? "ndim" : "shape", err);
    nncf_status status = nncf__layer_check_count(layer, n_x, err);
    if (status == NNCF_OK)
        status = nncf__layer_shapes(layer, x, nncf__layer_count_read(layer, n_x), &s, err);
    if (status != NNCF_OK)
        return status;
    *ndim = s.y.ndim;
    if (capacity < (size_t)s.y.ndim)
        return nncf__fail(err, NNCF_E_BUFFER, NULL, "shape has %zu elements; the output has %d",
            capacity, (int)s.y.ndim);
    memcpy(shape, s.y.size, (size_t)s.y.ndim * sizeof *shape);
    return NNCF_OK;
}

nncf_status nncf_layer_get_output_shape(const nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    int64_t *shape, size_t capacity, int32_t *ndim, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    nncf_status status =
        !layer ? NNCF_E_ARG : output_shape(layer, x, n_x, shape, capacity, ndim, &reason);
    return nncf__layer_report(layer, "nncf_layer_get_output_shape", status, &reason, err);
}
