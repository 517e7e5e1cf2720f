/* SPDX-License-Identifier: Apache-2.0 */
/* Quantization in stages: from which epoch on the quantizers of activations and of weights work
 * (`params` of the algorithm). */
#ifndef NNCF__CONTROLLER_STAGES_H
#define NNCF__CONTROLLER_STAGES_H

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <stdbool.h>
#include <stdint.h>

/* Make nncf__quantizer.waits of all quantizers agree with the present epoch. Where one begins or
 * ceases to work, what layers have prepared is dropped. */
void nncf__stages_apply(nncf_compression_ctrl *ctrl);
/* Set `frozen` of the parameters of quantizers that wait. */
void nncf__stages_freeze(nncf_compression_ctrl *ctrl);
/* Does a stage begin with this epoch? Not with epoch 0: its initialization is the first. */
bool nncf__stages_begin(const nncf_compression_ctrl *ctrl, int64_t epoch);
/* Allocate what nncf__stages_enter() needs in that epoch. NNCF_E_NOMEM. */
nncf_status nncf__stages_reserve(nncf_compression_ctrl *ctrl, int64_t epoch, nncf_error *err);
/* The present epoch has just begun: all ranges are to be initialized again if a stage begins. */
void nncf__stages_enter(nncf_compression_ctrl *ctrl);
/* Was the initialization that a stage begins with left out? NNCF_E_STATE. */
nncf_status nncf__stages_check_initialized(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);
/* Do all quantizers work, so that what is written out is the compressed model? NNCF_E_STATE. */
nncf_status nncf__stages_check_complete(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);
/* NNCF_COMPRESSION_... of quantization in an epoch. */
int32_t nncf__stages_level(const nncf_compression_ctrl *ctrl, int64_t epoch);

#endif
