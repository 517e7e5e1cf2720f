/* SPDX-License-Identifier: Apache-2.0 */
/* The optional optimizer of the controller's parameters, and what it keeps between steps. */
#ifndef NNCF__CONTROLLER_UPDATE_H
#define NNCF__CONTROLLER_UPDATE_H

#include <nncf/base.h>
#include <nncf/ctrl.h>

#include <stddef.h>
#include <stdint.h>

struct nncf__optimizer; /* controller/ctrl.h */

/* Values are those of the snapshot's "nncf.optimizer". */
enum nncf__optimizer_kind {
    NNCF__OPTIMIZER_NONE = 0,
    /* with momentum: first is what it adds up */
    NNCF__OPTIMIZER_SGD = 1,
    /* first and second are the moments */
    NNCF__OPTIMIZER_ADAM = 2
};

/* Zeros for an optimizer of that kind of this controller. NNCF_E_NOMEM. */
nncf_status nncf__optimizer_make(
    const nncf_compression_ctrl *ctrl, int32_t kind, struct nncf__optimizer *optimizer);
void nncf__optimizer_free(const nncf_compression_ctrl *ctrl, struct nncf__optimizer *optimizer);
/* Floats of all parameters. */
size_t nncf__optimizer_count(const nncf_compression_ctrl *ctrl);

#endif
