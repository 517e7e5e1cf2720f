/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors of an open file by their names. */
#ifndef NNCF__FORMATS_SAFETENSORS_OPEN_H
#define NNCF__FORMATS_SAFETENSORS_OPEN_H

#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/context.h>

#include <stddef.h>

/* A context for calls and objects that were given none: no threads of its own. */
nncf_status nncf__io_context(nncf_context **context, nncf_error *err);
const nncf__entry *nncf__checkpoint_find(const nncf_checkpoint *checkpoint, const char *name);
/* The tensor of that name among `count` in the order of `by_name`, or NULL. */
const nncf__entry *nncf__entry_find(
    const nncf__entry *entries, const size_t *by_name, size_t count, const char *name);
/* Every rule for a named tensor of the caller's, but for what its name may begin with. */
nncf_status nncf__io_check_tensor(
    const nncf_checkpoint_tensor *tensor, size_t index, nncf_error *err);
/* Do the tensors fit the snapshot? Then they may be filled. */
nncf_status nncf__checkpoint_verify(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors, nncf_error *err);
void nncf__checkpoint_copy(
    const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors, size_t n_tensors);

#endif
