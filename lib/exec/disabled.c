/* SPDX-License-Identifier: Apache-2.0 */
/* -Dkernels=disabled: the calls that run layers are there, and refuse. */
#include "base/error.h"
#include "exec/run.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/layer.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

static const char why[] =
    "this libnncf was built without kernels (-Dkernels=disabled), and the program runs its layers: "
    "nncf_layer_compress_weight(), nncf_layer_quantize_input() and nncf_layer_quantize_output() "
    "are "
    "the parts for that; build it with -Dkernels=enabled to have the layers run";

static nncf_status refuse(nncf_layer *layer, const char *call, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status =
        layer ? nncf__fail(&reason, NNCF_E_UNSUPPORTED, NULL, "%s", why) : NNCF_E_ARG;
    return nncf__layer_report(layer, call, status, &reason, err);
}

nncf_status nncf_layer_forward(
    nncf_layer *layer, const nncf_tensor *x, size_t n_x, nncf_tensor *y, nncf_error *err)
{
    (void)x;
    (void)n_x;
    (void)y;
    return refuse(layer, "nncf_layer_forward", err);
}

nncf_status nncf_layer_backward(nncf_layer *layer, const nncf_tensor *x, size_t n_x,
    nncf_tensor *dy, nncf_tensor *dx, nncf_error *err)
{
    (void)x;
    (void)n_x;
    (void)dy;
    (void)dx;
    return refuse(layer, "nncf_layer_backward", err);
}

/* What a step of such a library needs is the program's own. */
static nncf_status refuse_memory(nncf_model *model, const char *call, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    const nncf_status status = model
        ? nncf__fail(&reason, NNCF_E_UNSUPPORTED, NULL,
              "this libnncf was built without kernels (-Dkernels=disabled): the buffers of a step "
              "are the program's")
        : nncf__fail(&reason, NNCF_E_ARG, NULL, "%s: model is NULL", call);
    return nncf__report(model ? model->context : NULL, call, NULL, status, &reason, err);
}

nncf_status nncf_model_get_memory(nncf_model *model, const nncf_tensor *inputs, size_t n_inputs,
    int32_t mode, nncf_memory *memory, nncf_error *err)
{
    (void)inputs;
    (void)n_inputs;
    (void)mode;
    (void)memory;
    return refuse_memory(model, "nncf_model_get_memory", err);
}

nncf_status nncf_model_set_memory_budget(
    nncf_model *model, const nncf_tensor *inputs, size_t n_inputs, uint64_t bytes, nncf_error *err)
{
    (void)inputs;
    (void)n_inputs;
    (void)bytes;
    return refuse_memory(model, "nncf_model_set_memory_budget", err);
}

NNCF__STRUCT_INIT(nncf_memory, )
