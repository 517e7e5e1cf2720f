/* SPDX-License-Identifier: Apache-2.0 */
/* Bit widths by sensitivity: what a controller whose config says hawq keeps of it. */
#ifndef NNCF__CONTROLLER_PRECISION_H
#define NNCF__CONTROLLER_PRECISION_H

#include "config/canonical.h"
#include "precision/choose.h"
#include "precision/hessian.h"

#include <nncf/base.h>
#include <nncf/ctrl.h>
#include <nncf/model.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nncf__quantizer; /* quantization/quantizer.h */

/* What is known of one weight. */
typedef struct nncf__sensitivity {
    nncf_layer *layer;
    /* averages over the elements; NaN: not measured here */
    double trace, trace_error;
    /* by bits, of those it may have */
    double errors[NNCF__MOST_BITS + 1];
    /* products of one image */
    double operations;
} nncf__sensitivity;

typedef struct nncf__precision {
    nncf__precision_params params;
    /* to choose from where the device has no list, 1 << bits or-ed */
    uint32_t bits;
    enum nncf__precision_phase {
        NNCF__PRECISION_PENDING = 0,
        NNCF__PRECISION_MEASURING,
        NNCF__PRECISION_CHOSEN
    } phase;
    nncf__hessian hessian;
    /* [n_weights], of those whose bits are chosen, once they are */
    nncf__sensitivity *weights;
    size_t n_weights;
    /* outcome: sum of trace times error, cost of 8 bits over cost, iterations; 0: not here */
    double metric, ratio, least, most;
    int64_t iterations;
    /* nullable: the cost of criterion host */
    double (*cost)(
        void *user, const nncf_layer *layer, int32_t weight_bits, int32_t activation_bits);
    void *user;
} nncf__precision;

/* What a config with hawq needs; none otherwise. NNCF_E_NOMEM. */
nncf_status nncf__precision_create(
    nncf_compression_ctrl *ctrl, const nncf__algorithm *quantization, int32_t release);
/* Weights that are perturbed get their values back. The model may be gone. */
void nncf__precision_destroy(nncf_compression_ctrl *ctrl);
/* NNCF_E_STATE: the loop is under way, and weights are perturbed. */
nncf_status nncf__precision_check_idle(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);
/* NNCF_E_STATE also if bits are not chosen yet. */
nncf_status nncf__precision_check_chosen(
    const nncf_compression_ctrl *ctrl, const char *call, nncf_error *err);
/* 1: quantizers have the bits that were chosen; 0 without hawq, too. */
int64_t nncf__precision_is_chosen(const nncf_compression_ctrl *ctrl);
/* What iterations are, as a word of reports. */
const char *nncf__precision_estimates(const nncf__precision *precision);
/* May a quantizer have these bits, of a snapshot? */
bool nncf__precision_allows(
    const nncf_compression_ctrl *ctrl, const struct nncf__quantizer *quantizer, int32_t bits);
/* Quantizers have the bits of a snapshot, which were chosen, or are those from before. */
void nncf__precision_restored(nncf_compression_ctrl *ctrl, bool chosen);

#endif
