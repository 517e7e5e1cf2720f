/* SPDX-License-Identifier: Apache-2.0 */
/* Defaults of nncf_onnx_params. */
#ifndef NNCF__FORMATS_ONNX_PARAMS_H
#define NNCF__FORMATS_ONNX_PARAMS_H

#define NNCF__ONNX_OPSET  13
#define NNCF__ONNX_INPUT  "input"
#define NNCF__ONNX_OUTPUT "output"
#define NNCF__ONNX_GRAPH  "nncf"

#endif
