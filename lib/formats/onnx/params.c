/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of nncf_onnx_params, also for a library that was built without ONNX. */
#include "formats/onnx/params.h"

#include "base/error.h"

#include <nncf/onnx.h>

/* ---- structs ---- */

NNCF__STRUCT_INIT(nncf_onnx_params, .format = NNCF_ONNX_QDQ, .opset = NNCF__ONNX_OPSET,
    .input_name = NNCF__ONNX_INPUT, .output_name = NNCF__ONNX_OUTPUT,
    .graph_name = NNCF__ONNX_GRAPH)
