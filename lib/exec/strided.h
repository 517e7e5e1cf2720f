/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tensors whose sizes lie in another order than C order (channels last): a call works on copies in
 * C order, and what it wrote goes back. Layers never see strides.
 */
#ifndef NNCF__EXEC_STRIDED_H
#define NNCF__EXEC_STRIDED_H

#include "graph/block.h"
#include "graph/model.h"

#include <nncf/base.h>
#include <nncf/model.h>
#include <nncf/tensor.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NNCF__MAX_STRIDED = 2 * NNCF__MAX_INPUTS + 2 };

/* The tensors of a call. */
typedef struct nncf__strided {
    nncf_model *model;
    size_t n;
    /* the host's; what the call gets instead; whether that is a copy, and is written back */
    nncf_tensor *given[NNCF__MAX_STRIDED];
    nncf_tensor used[NNCF__MAX_STRIDED];
    bool copied[NNCF__MAX_STRIDED];
    /* nncf__strided_use, or-ed */
    uint32_t use[NNCF__MAX_STRIDED];
} nncf__strided;

enum nncf__strided_use { NNCF__READS = 1, NNCF__WRITES = 2 };

/* Is one of them (nullable) to be copied? Others, wrong ones too, are left to the call's checks. */
bool nncf__is_strided(const nncf_tensor *tensors, size_t n);
/* Append tensors (nullable), with what the call does with them. */
void nncf__strided_add(nncf__strided *strided, const nncf_tensor *tensors, size_t n, uint32_t use);
/* Make the copies, in a buffer of the model's, of what is read and written. One array that two
 * tensors share stays one. */
nncf_status nncf__strided_begin(nncf__strided *strided, nncf_error *err);
/* After a call that succeeded. */
void nncf__strided_end(nncf__strided *strided);

#endif
