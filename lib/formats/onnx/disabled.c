/* SPDX-License-Identifier: Apache-2.0 */
/* nncf_onnx_export() of a library that was built without ONNX: the function exists and returns an
 * error.
 */
#include "base/error.h"
#include "controller/ctrl.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/onnx.h>

nncf_status nncf_onnx_export(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_onnx_params *params, nncf_error *err)
{
    nncf_error reason = NNCF_ERROR_INIT;
    (void)path;
    (void)params;
    nncf_status status = nncf__fail(&reason, NNCF_E_UNSUPPORTED, NULL,
        "this library was built without ONNX export; build it with -Donnx=enabled (needs "
        "protobuf-c and onnx.proto)");
    return nncf__report(
        ctrl ? ctrl->context : NULL, "nncf_onnx_export", NULL, status, &reason, err);
}
