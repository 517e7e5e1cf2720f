/* SPDX-License-Identifier: Apache-2.0 */
/* nncf_export_onnx() of a library that was built without ONNX: the function exists and returns an
 * error.
 */
#include "base/error.h"

#include <nncf/base.h>
#include <nncf/compression.h>
#include <nncf/export.h>

nncf_status nncf_export_onnx(const nncf_compression_ctrl *ctrl, const char *path,
    const nncf_onnx_params *params, nncf_error *err)
{
    (void)ctrl;
    (void)path;
    (void)params;
    return nncf__fail(err, NNCF_E_UNSUPPORTED, NULL,
        "this library was built without ONNX export; build it with -Donnx=enabled (needs "
        "protobuf-c and "
        "onnx.proto)");
}
