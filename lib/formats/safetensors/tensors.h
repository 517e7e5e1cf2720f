/* SPDX-License-Identifier: Apache-2.0 */
/* Named tensors: those of an open file, and those of a caller. */
#ifndef NNCF__FORMATS_SAFETENSORS_TENSORS_H
#define NNCF__FORMATS_SAFETENSORS_TENSORS_H

#include "formats/safetensors/safetensors.h"

#include <nncf/base.h>
#include <nncf/checkpoint.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>

const nncf__entry *nncf__checkpoint_find(const nncf_checkpoint *checkpoint, const char *name);
/* The tensor of that name among `count` in the order of `by_name`, or NULL. */
const nncf__entry *nncf__entry_find(
    const nncf__entry *entries, const size_t *by_name, size_t count, const char *name);
/* Bytes of a caller's tensor; false when they cannot be counted. */
bool nncf__tensor_bytes(const nncf_tensor *tensor, size_t *bytes);
/* NNCF_E_...: what is wrong with tensors[index] of a caller. */
nncf_status nncf__tensor_fail(nncf_error *err, nncf_status status,
    const nncf_checkpoint_tensor *tensor, size_t index, const char *what);
/* Check a caller's tensor in every respect but what its name may begin with. */
nncf_status nncf__tensor_check(const nncf_checkpoint_tensor *tensor, size_t index, nncf_error *err);
/* Do the tensors fit the snapshot? Then they may be filled. */
nncf_status nncf__checkpoint_verify(const nncf_checkpoint *checkpoint,
    const nncf_checkpoint_tensor *tensors, size_t n_tensors, nncf_error *err);
void nncf__checkpoint_copy(
    const nncf_checkpoint *checkpoint, const nncf_checkpoint_tensor *tensors, size_t n_tensors);

#endif
