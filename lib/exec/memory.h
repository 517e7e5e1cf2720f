/* SPDX-License-Identifier: Apache-2.0 */
/* The memory that running a model will need. */
#ifndef NNCF__EXEC_MEMORY_H
#define NNCF__EXEC_MEMORY_H

#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stddef.h>
#include <stdint.h>

/* As nncf_model_get_memory(); nothing is logged. */
nncf_status nncf__model_memory(nncf_model *model, const nncf_tensor *inputs, size_t n_inputs,
    int32_t mode, nncf_memory *memory, nncf_error *err);

#endif
