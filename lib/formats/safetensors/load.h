/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a safetensors file. */
#ifndef NNCF__FORMATS_SAFETENSORS_LOAD_H
#define NNCF__FORMATS_SAFETENSORS_LOAD_H

#include "formats/safetensors/file.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>

/* Read and check the header and the data. The checkpoint has its context and path; the caller
 * closes it, on failure too. */
nncf_status nncf__safetensors_load(
    nncf_checkpoint *checkpoint, const nncf__source *source, nncf_error *err);

#endif
